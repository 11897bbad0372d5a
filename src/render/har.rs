//! Writes an HTTP archive (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>) as exchanges
//! end: one entry per line. The output is valid JSON once it is finished, and no entry is kept in
//! memory.
//!
//! Where the format leaves a choice, or a capture differs from a browser's view:
//! - Captured text that is not UTF-8 is written byte by byte as ISO 8859-1 in names, values and
//!   targets. A body that is not UTF-8 is written in base64, with `encoding` (responses) or
//!   `_encoding` (requests) set to `base64`.
//! - `startedDateTime` is the time of the request's first byte, on a new connection minus the
//!   duration of the handshake, which is in `connect`. `blocked`, `dns` and `ssl` are unknown (-1).
//!   `time` is the sum.
//! - `size` and `text` of `content` are those of the decoded body, and `compression` is the number
//!   of bytes that decoding added. `bodySize` counts the bytes sent and captured, without chunk
//!   sizes. `headersSize` is the size of the head as sent.
//! - A form has both its text as sent and its `params`, although the format makes them exclusive:
//!   the parameters are an interpretation of the text.
//! - An exchange without a response has status 0 and `_error`; one without a request has the URL of
//!   its server.
//! - `_number` is the number of the exchange, shown as `#N` elsewhere. A `comment` names what is
//!   missing.

mod parts;

use std::io;

use serde_json::{Value, json};

use crate::failure::FailureKind;
use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::hit::{Hit, Pair};
use crate::message::{BodyFacts, Decoding, Role};
use crate::stats::Stats;
use crate::times::Times;

use super::parts::{fact, field, start_line, write_url};
use super::{Banner, Out, OutputFormat, OutputValue, Renderer, Secrets, Settings, Wants, failed};
use parts::latin;

/// `--har FILE`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::File,
    help: "Save the exchanges as an HTTP archive (HAR 1.2); - is standard output",
    examples: &[(
        "--har FILE",
        "an HTTP archive (HAR 1.2), as browsers read it",
    )],
    words: "HTTP archive",
    secrets: Secrets::Masked,
    is_whole: true,
    ..OutputFormat::new("har", |settings, _, out| Box::new(Har::new(settings, out)))
};

/// The `--har` output.
pub(super) struct Har {
    settings: Settings,
    out: Out,
    /// Number of entries written.
    entries: u64,
    /// Number of messages that are not part of an HTTP exchange.
    others: u64,
}

impl Har {
    fn new(settings: Settings, out: Out) -> Self {
        Self {
            settings,
            out,
            entries: 0,
            others: 0,
        }
    }
}

impl Renderer for Har {
    fn begin(&mut self, _banner: &Banner) -> io::Result<()> {
        let creator = json!({"name": "spygrep", "version": env!("CARGO_PKG_VERSION")});
        let start = format!(
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":["
        );
        self.out.text().extend_from_slice(start.as_bytes());
        self.out.record()
    }

    fn hit(&mut self, _hit: &Hit<'_>) -> io::Result<()> {
        self.others += 1;
        Ok(())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let half = pair.request.or(pair.response);
        if !half.is_some_and(|half| half.kind.name.starts_with("http.")) {
            self.others += 1;
            return Ok(());
        }
        let comma: &[u8] = if self.entries > 0 { b",\n" } else { b"\n" };
        self.entries += 1;
        let text = self.out.text();
        text.extend_from_slice(comma);
        serde_json::to_writer(text, &entry(pair))?;
        self.out.record()
    }

    fn remarks(&self) -> Vec<String> {
        let exchanges = match self.entries {
            1 => "1 exchange".to_owned(),
            many => format!("{many} exchanges"),
        };
        let others = match self.others {
            0 => String::new(),
            1 => ", without 1 message that is none of HTTP".to_owned(),
            many => format!(", without {many} messages that are none of HTTP"),
        };
        vec![format!("{exchanges} in the archive{others}")]
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.out.text().extend_from_slice(b"\n]}}\n");
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_exchanges()
    }
}

fn entry(pair: &Pair<'_>) -> Value {
    let ends = pair.request.map(|hit| (hit.heading.src, hit.heading.dst));
    let ends = ends.or(pair.response.map(|hit| (hit.heading.dst, hit.heading.src)));
    let times = &pair.times;
    let connect = times.connect().filter(|_| pair.request.is_some());
    let part = |nanos: Option<i64>| nanos.unwrap_or(0).max(0);
    // Without a request, nothing was sent or waited for.
    let request_times = pair.request.and(Some(times));
    let send = part(request_times.and_then(Times::send));
    let wait = part(request_times.and_then(Times::wait));
    let receive = part(times.receive());
    // Timestamps may be so far apart that the sum overflows 64 bits.
    let total = [send, wait, receive]
        .into_iter()
        .fold(part(connect), i64::saturating_add);
    let mut entry = json!({
        "startedDateTime": date(times.asked.plus(-part(connect))),
        "time": millis(total),
        "request": request(pair, ends.map(|(_, server)| server)),
        "response": response(pair),
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": -1,
            "connect": connect.map_or(json!(-1), |nanos| json!(millis(nanos))),
            "ssl": -1,
            "send": millis(send),
            "wait": millis(wait),
            "receive": millis(receive),
        },
    });
    if let Some((client, server)) = ends {
        entry["serverIPAddress"] = json!(server.addr.to_string());
        entry["connection"] = json!(client.to_string());
    }
    entry["_number"] = json!(pair.number);
    entry
}

fn request(pair: &Pair<'_>, server: Option<Endpoint>) -> Value {
    let server = server.map(|server| server.to_string()).unwrap_or_default();
    let Some(hit) = pair.request else {
        let title = latin(pair.title);
        let method = title.split(' ').next().unwrap_or_default();
        return json!({
            "method": method,
            "url": format!("http://{server}/"),
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "queryString": [],
            "headersSize": -1,
            "bodySize": -1,
            "comment": match title.is_empty() {
                true => "the request was not captured".to_owned(),
                false => format!("the request was not kept: {title}"),
            },
        });
    };
    let (method, target) = start_line(hit).unwrap_or_default();
    let mut request = json!({
        "method": latin(method),
        "url": url(method, target, field(hit, "host"), &server),
        "httpVersion": version(hit),
        "cookies": parts::cookies(hit),
        "headers": parts::headers(hit),
        "queryString": parts::query(target),
        "headersSize": head_size(pair.times.sent, hit),
        "bodySize": sent(hit),
    });
    if hit.body_size > 0 {
        request["postData"] = parts::post(hit);
    } else {
        // If there is a body, its object has the comment.
        parts::comment(hit, &mut request);
    }
    request
}

/// The requested URL.
fn url(method: &[u8], target: &[u8], host: Option<&[u8]>, server: &str) -> String {
    let mut url = String::new();
    let absolute = memchr::memmem::find(target, b"://").is_some_and(|at| {
        target.get(..at).is_some_and(|scheme| {
            !scheme.is_empty() && scheme.iter().all(u8::is_ascii_alphanumeric)
        })
    });
    if !absolute {
        url.push_str("http://");
        if method != b"CONNECT" {
            match host.filter(|host| !host.is_empty()) {
                Some(host) => write_url(host, &mut url),
                None => url.push_str(server),
            }
            if !target.starts_with(b"/") {
                url.push('/');
            }
        }
    }
    write_url(target, &mut url);
    url
}

fn response(pair: &Pair<'_>) -> Value {
    let Some(hit) = pair.response else {
        let why = match pair.failed.map(|failed| (failed.kind, failed.after)) {
            Some((FailureKind::Unanswered(end), after)) => {
                format!("no response: {}", failed::ended(end, after))
            }
            _ => "no response was captured".to_owned(),
        };
        return json!({
            "status": 0,
            "statusText": "",
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "_error": why,
        });
    };
    let mut content = json!({
        "size": hit.body_size,
        "mimeType": field(hit, "content-type").map_or("x-unknown".into(), latin),
    });
    if hit.body.state == Decoding::Decoded {
        content["compression"] = json!(hit.body_size as i64 - hit.body.wire as i64);
    }
    if hit.body_size > 0 {
        parts::text(hit, "encoding", &mut content);
    }
    let mut response = json!({
        "status": hit.brief.status,
        "statusText": fact(hit, "http.reason").unwrap_or_default(),
        "httpVersion": version(hit),
        "cookies": parts::cookies(hit),
        "headers": parts::headers(hit),
        "content": content,
        "redirectURL": field(hit, "location").map(latin).unwrap_or_default(),
        "headersSize": head_size(pair.times.received, hit),
        "bodySize": sent(hit),
    });
    if hit.body_size == 0 {
        // If there is a body, its object has the comment.
        parts::comment(hit, &mut response);
    }
    response
}

/// Size of the head as sent, in bytes; the kept head may have been cut or redacted.
fn head_size(sent: u64, hit: &Hit<'_>) -> i64 {
    sent.checked_sub(hit.body_size)
        .filter(|size| *size > 0)
        .map_or(-1, |size| size as i64)
}

/// Size of the body as sent, in bytes.
fn sent(hit: &Hit<'_>) -> u64 {
    match hit.body {
        BodyFacts {
            state: Decoding::AsSent,
            wire: 0,
            ..
        } => hit.body_size,
        BodyFacts { wire, .. } => wire,
    }
}

fn version(hit: &Hit<'_>) -> String {
    match fact(hit, "http.version") {
        Some(version) => format!("HTTP/{version}"),
        None if hit.kind.side == Role::Request && !hit.incomplete => "HTTP/0.9".to_owned(),
        None => String::new(),
    }
}

/// Formats a time as in RFC 3339, in UTC with microseconds.
fn date(ts: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ts.nanos()))
        .map(|ts| ts.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        .unwrap_or_default()
}

/// Milliseconds, the unit of all times in an archive.
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests;

//! An HTTP archive (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>), written as
//! exchanges end: one entry a line, valid JSON once it is finished, nothing of it kept in memory.
//!
//! What the format leaves open, or what a listener sees otherwise than a browser:
//! - Text off the wire that is not UTF-8 is told byte by byte as ISO 8859-1, in names, values and
//!   targets; a body that is not UTF-8 in base64, with `encoding` (answers) or `_encoding`
//!   (questions) `base64`.
//! - `startedDateTime` is the question's first byte; on a new connection so much earlier as the
//!   handshake took, which stands in `connect`. `blocked`, `dns` and `ssl` are not known (-1).
//!   `time` is the sum.
//! - `size` and `text` of `content` are decoded, `compression` is what decoding added. `bodySize`
//!   is what was sent and captured, without chunk sizes. `headersSize` is that of the head as sent.
//! - A form has its text as it was sent beside its `params`, which the format would have exclude
//!   each other: the parameters are a reading of it.
//! - An exchange without an answer has status 0 and `_error`; of one without a question the URL is
//!   that of its server.
//! - `_number` is the exchange's number, `#N` elsewhere. A `comment` tells what is not there.

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
use super::{Banner, Out, Renderer, Settings, Wants, failed};
use parts::latin;

/// The output.
pub(super) struct Har {
    settings: Settings,
    out: Out,
    /// Entries written.
    entries: u64,
    /// Messages that are no half of an HTTP exchange.
    others: u64,
}

impl Har {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
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
    // Without a question there is nothing that was sent or waited for.
    let asked = pair.request.and(Some(times));
    let send = part(asked.and_then(Times::send));
    let wait = part(asked.and_then(Times::wait));
    let receive = part(times.receive());
    // Time stamps may lie so far apart that the parts do not add up in 64 bits.
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
    let Some(question) = pair.request else {
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
    let (method, target) = start_line(question).unwrap_or_default();
    let mut request = json!({
        "method": latin(method),
        "url": url(method, target, field(question, "host"), &server),
        "httpVersion": version(question),
        "cookies": parts::cookies(question),
        "headers": parts::headers(question),
        "queryString": parts::query(target),
        "headersSize": head_size(pair.times.sent, question),
        "bodySize": sent(question),
    });
    if question.body_size > 0 {
        request["postData"] = parts::post(question);
    } else {
        // Of a body it stands there.
        parts::comment(question, &mut request);
    }
    request
}

/// The place that was asked for.
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
    let Some(answer) = pair.response else {
        let why = match pair.failed.map(|failed| (failed.kind, failed.after)) {
            Some((FailureKind::Unanswered(end), after)) => {
                format!("no answer: {}", failed::ended(end, after))
            }
            _ => "no answer was captured".to_owned(),
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
        "size": answer.body_size,
        "mimeType": field(answer, "content-type").map_or("x-unknown".into(), latin),
    });
    if answer.body.state == Decoding::Decoded {
        content["compression"] = json!(answer.body_size as i64 - answer.body.wire as i64);
    }
    if answer.body_size > 0 {
        parts::text(answer, "encoding", &mut content);
    }
    let mut response = json!({
        "status": answer.brief.status,
        "statusText": fact(answer, "http.reason").unwrap_or_default(),
        "httpVersion": version(answer),
        "cookies": parts::cookies(answer),
        "headers": parts::headers(answer),
        "content": content,
        "redirectURL": field(answer, "location").map(latin).unwrap_or_default(),
        "headersSize": head_size(pair.times.received, answer),
        "bodySize": sent(answer),
    });
    if answer.body_size == 0 {
        // Of a body it stands there.
        parts::comment(answer, &mut response);
    }
    response
}

/// Bytes of a head as it was sent; it may have been cut or masked since.
fn head_size(said: u64, hit: &Hit<'_>) -> i64 {
    said.checked_sub(hit.body_size)
        .filter(|size| *size > 0)
        .map_or(-1, |size| size as i64)
}

/// Bytes of a body as it was sent.
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

/// RFC 3339, UTC, microseconds.
fn date(ts: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ts.nanos()))
        .map(|ts| ts.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
        .unwrap_or_default()
}

/// Milliseconds, as all times of an archive.
fn millis(nanos: i64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests;

//! The `--json=rows` output: one flat object a line, with the same columns in the same order, for
//! an exchange, a burst, a datagram or a connection that failed. `docs/rows.md` describes the
//! columns.
//!
//! A column has one type in every row, so that programs that read tables agree on it. What is not
//! known is null. What a client sent stands in the columns of the request, what a server sent in
//! those of the response.

use std::borrow::Cow;
use std::io;

use crate::failure::{End, Failed, Failure, FailureKind};
use crate::flow::{Direction, Endpoint};
use crate::frame::Timestamp;
use crate::frame_files::FrameFiles;
use crate::hit::{Heading, Hit, Pair, Why};
use crate::message::Role;
use crate::render::parts::{fact, field, fields};
use crate::render::request::Request;
use crate::render::{
    Banner, Body, Out, OutputFormat, OutputValue, Renderer, Secrets, Settings, Wants,
};
use crate::stats::Stats;
use crate::times::Times;

use super::layout::Layout;
use super::line::Line;
use super::record::{Moments, marks, protocol_name, wire_size};

/// `--json=rows`.
pub(super) static OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Form,
    help: "A flat object of JSON for each exchange",
    examples: &[("--json=rows", "flat rows, for programs that read tables")],
    words: "JSON rows, one for each exchange",
    secrets: Secrets::Masked,
    body: Body::None,
    has_label: true,
    must_be_whole: true,
    ..OutputFormat::new("json=rows", |settings, _, out| {
        Box::new(Rows::new(settings, out))
    })
};

/// The `--json=rows` output.
struct Rows {
    settings: Settings,
    out: Out,
    moments: Moments,
    sensor: String,
    frame_files: FrameFiles,
}

/// What a row is made of.
#[derive(Default)]
struct Row<'a> {
    number: u64,
    kind: Cow<'a, str>,
    heading: Option<&'a Heading>,
    began: Timestamp,
    ended: Option<Timestamp>,
    request: Option<&'a Hit<'a>>,
    response: Option<&'a Hit<'a>>,
    /// The request as far as it is known.
    asks: Option<Request<'a>>,
    times: Option<Times>,
    failed: Option<&'a Failed>,
    /// Marks of the row besides those of its messages.
    marks: Vec<Cow<'static, str>>,
    /// Frames besides those of its messages.
    frames: &'a [u64],
    complete: bool,
}

impl Rows {
    fn new(settings: Settings, out: Out) -> Self {
        Self {
            settings,
            out,
            moments: Moments::default(),
            sensor: String::new(),
            frame_files: FrameFiles::default(),
        }
    }

    fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let request = row.request.map(|hit| (hit, Layout::of(hit)));
        let response = row.response.map(|hit| (hit, Layout::of(hit)));
        let mut moments = std::mem::take(&mut self.moments);
        let mut line = Line::new(self.out.text());
        line.object(|line| {
            line.key("sensor").string(&self.sensor);
            line.key("began").string(moments.text(row.began));
            match row.ended {
                Some(ended) => line.key("ended").string(moments.text(ended)),
                None => line.key("ended").null(),
            }
            match row.number {
                0 => line.key("id").null(),
                number => line.key("id").number(number),
            }
            line.key("kind").string(&row.kind);
            ends(line, row.heading);
            row.asked(line);
            media_type(line.key("request_type"), row.request);
            media_type(line.key("response_type"), row.response);
            size(
                line.key("request_bytes"),
                row.request.map(|hit| hit.body_size),
            );
            size(
                line.key("response_bytes"),
                row.response.map(|hit| hit.body_size),
            );
            size(line.key("response_wire_bytes"), row.response.map(wire_size));
            row.timing(line);
            header_list(line.key("request_headers"), row.request);
            header_list(line.key("response_headers"), row.response);
            let bodies = self.settings.body != Body::None;
            for (names, message) in [
                (["request_body", "request_body_b64"], &request),
                (["response_body", "response_body_b64"], &response),
            ] {
                let layout = message.as_ref().map(|(_, layout)| layout);
                body(line, names, layout.filter(|_| bodies));
            }
            let matched = |hit: Option<&Hit<'_>>| hit.is_some_and(|hit| hit.why == Why::Match);
            line.key("request_matched").bool(matched(row.request));
            line.key("response_matched").bool(matched(row.response));
            line.key("matches").array(|line| {
                matches(line, ["request.head", "request.body"], request.as_ref());
                matches(line, ["response.head", "response.body"], response.as_ref());
            });
            line.key("complete").bool(row.complete);
            line.key("marks").array(|line| {
                let messages = [&request, &response].into_iter().flatten();
                for (hit, layout) in messages.clone() {
                    marks(hit, layout, true).for_each(|mark| line.string(&mark));
                }
                if messages.clone().any(|(_, layout)| !layout.gaps.is_empty()) {
                    line.string("gap");
                }
                for mark in row
                    .marks
                    .iter()
                    .map(AsRef::as_ref)
                    .chain(row.failed.map(failed))
                {
                    line.string(mark);
                }
            });
            let messages = [row.request, row.response].into_iter().flatten();
            let frames = messages.flat_map(|hit| hit.frames).chain(row.frames);
            let places = frames.map(|frame| self.frame_files.place(*frame));
            line.key("files").array(|line| {
                places
                    .clone()
                    .for_each(|place| line.number(place.file as u64));
            });
            line.key("frames").array(|line| {
                places.clone().for_each(|place| line.number(place.frame));
            });
        });
        line.end();
        self.moments = moments;
        self.out.record()
    }
}

impl Row<'_> {
    /// Writes the columns of the request line and of the status.
    fn asked(&self, line: &mut Line<'_>) {
        let (mut host, mut path, mut query) = (None, None, None);
        if let Some(asks) = &self.asks {
            let (place, rest) = asks.place();
            let target: &str = &asks.target;
            host = Some(place)
                .filter(|host| !host.is_empty())
                .map(without_port);
            path = Some(rest).filter(|path| !path.is_empty());
            let target = target.split('#').next().unwrap_or_default();
            query = target.split_once('?').map(|(_, query)| query);
        }
        let name = [self.response, self.request].into_iter().flatten();
        // The name that is asked for.
        let mut facts = name.flat_map(|hit| hit.facts);
        let name = facts.find(|fact| fact.name.ends_with(".question"));
        let name = name.map(|fact| fact.value.as_str());
        let method = self.asks.as_ref().map(|asks| asks.method);
        line.key("method").string_or_null(method);
        line.key("host").string_or_null(host.or(name));
        line.key("path").string_or_null(path);
        line.key("query").string_or_null(query);
        let status = self.response.map_or(0, |hit| hit.brief.status);
        match status {
            0 => line.key("status").null(),
            status => line.key("status").number(u64::from(status)),
        }
        line.key("version").string_or_null(self.version());
    }

    fn version(&self) -> Option<&str> {
        let mut messages = [self.request, self.response].into_iter().flatten();
        messages.find_map(|hit| fact(hit, "http.version"))
    }

    fn timing(&self, line: &mut Line<'_>) {
        let part = |of: fn(&Times) -> Option<i64>| self.times.as_ref().and_then(of);
        line.key("connect").seconds(part(Times::connect));
        line.key("send").seconds(part(Times::send));
        line.key("wait").seconds(part(Times::wait));
        line.key("receive").seconds(part(Times::receive));
        line.key("total").seconds(part(Times::total));
    }
}

impl Renderer for Rows {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        self.sensor.clone_from(&banner.label);
        self.frame_files = banner.frame_files.clone();
        Ok(())
    }

    /// A message that is not part of an exchange.
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        let (request, response) = match hit.heading.dir {
            Direction::ToServer => (Some(hit), None),
            Direction::ToClient => (None, Some(hit)),
        };
        self.row(&Row {
            number: hit.number,
            kind: Cow::Borrowed(hit.kind.name),
            heading: Some(&hit.heading),
            began: hit.began,
            ended: Some(hit.heading.ts),
            request,
            response,
            failed: hit.failed.as_ref(),
            complete: !hit.incomplete,
            ..Row::default()
        })
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let Some(half) = pair.request.or(pair.response) else {
            return Ok(());
        };
        let family = half.kind.name.split('.').next().unwrap_or_default();
        let is_http = family == "http";
        let mut row = Row {
            number: pair.number,
            kind: Cow::Borrowed(family),
            heading: Some(&half.heading),
            began: pair.times.asked,
            ended: pair.times.response_end,
            request: pair.request,
            response: pair.response,
            asks: Request::of(pair).filter(|_| is_http),
            // Without a request nothing was sent or waited for.
            times: pair.request.map(|_| pair.times),
            failed: pair.failed.as_ref(),
            complete: [pair.request, pair.response]
                .iter()
                .all(|half| half.is_some_and(|hit| !hit.incomplete)),
            ..Row::default()
        };
        if is_http {
            let version = row.version().unwrap_or("1");
            let version = version.split('.').next().unwrap_or_default();
            let version = if version == "0" { "1" } else { version };
            row.kind = Cow::Owned(format!("http/{version}"));
        }
        row.marks.extend(match (pair.request, pair.response) {
            (None, _) if pair.title.is_empty() => Some("no_request".into()),
            (None, _) => Some("request_not_kept".into()),
            (_, None) => Some("no_response".into()),
            _ => None,
        });
        self.row(&row)
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        let mut row = Row {
            number: failure.number,
            kind: "tcp.failure".into(),
            heading: Some(&failure.heading),
            began: failure.heading.ts.plus(-failure.failed.after),
            ended: Some(failure.heading.ts),
            failed: Some(&failure.failed),
            frames: failure.frames,
            ..Row::default()
        };
        // A flood is one row with its number.
        let more = failure.more.map(|more| more.count.saturating_sub(1));
        row.marks
            .extend(more.map(|more| format!("and_{more}_more").into()));
        self.row(&row)
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            around: true,
            frames: true,
            ..self.settings.wants_exchanges()
        }
    }
}

/// Writes the protocol and the two ends. The client is who sent the SYN.
fn ends(line: &mut Line<'_>, heading: Option<&Heading>) {
    let Some(heading) = heading else { return };
    line.key("proto").string(&protocol_name(heading.protocol));
    let (client, server) = match heading.dir {
        Direction::ToServer => (heading.src, heading.dst),
        Direction::ToClient => (heading.dst, heading.src),
    };
    for (names, Endpoint { addr, port }) in [
        (["client", "client_port"], client),
        (["server", "server_port"], server),
    ] {
        let [name, port_name] = names;
        line.key(name).string(&addr.to_string());
        match heading.ports {
            true => line.key(port_name).number(u64::from(port)),
            false => line.key(port_name).null(),
        }
    }
}

/// Writes the media type in lower case, without its parameters.
fn media_type(line: &mut Line<'_>, hit: Option<&Hit<'_>>) {
    let declared = hit.and_then(|hit| field(hit, "content-type"));
    let declared = declared.and_then(|value| value.split(|byte| *byte == b';').next());
    let name = declared.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_lowercase());
    line.string_or_null(name.as_deref());
}

fn size(line: &mut Line<'_>, size: Option<u64>) {
    match size {
        Some(size) => line.number(size),
        None => line.null(),
    }
}

/// Writes the header fields in order. A value that is not UTF-8 stands in `value_b64`.
fn header_list(line: &mut Line<'_>, hit: Option<&Hit<'_>>) {
    let Some(hit) = hit.filter(|hit| hit.kind.side != Role::Single) else {
        return line.null();
    };
    line.array(|line| {
        for (name, value) in fields(hit) {
            line.object(|line| {
                line.key("name").string(&String::from_utf8_lossy(name));
                text_or_base64(line, ["value", "value_b64"], value);
            });
        }
    });
}

/// Writes text under the first name, or other bytes under the second in Base64.
fn text_or_base64(line: &mut Line<'_>, [text, base64]: [&str; 2], bytes: &[u8]) {
    if let Ok(value) = str::from_utf8(bytes) {
        line.key(text).string(value);
    } else {
        line.key(text).null();
        line.key(base64).base64(bytes);
    }
}

/// Writes a body as far as it was kept from its start. Both columns are in every row.
fn body(line: &mut Line<'_>, [text, base64]: [&str; 2], layout: Option<&Layout<'_>>) {
    match layout.map(|layout| (layout.body, str::from_utf8(layout.body))) {
        None => {
            line.key(text).null();
            line.key(base64).null();
        }
        Some((_, Ok(value))) => {
            line.key(text).string(value);
            line.key(base64).null();
        }
        Some((bytes, Err(_))) => {
            line.key(text).null();
            line.key(base64).base64(bytes);
        }
    }
}

/// Writes the matches in what was kept of a message.
fn matches(line: &mut Line<'_>, [head, body]: [&str; 2], of: Option<&(&Hit<'_>, Layout<'_>)>) {
    let Some((hit, layout)) = of else { return };
    for place in layout.places(hit) {
        line.object(|line| {
            line.key("where")
                .string(if place.in_head { head } else { body });
            line.key("start").number(place.at);
            line.key("end")
                .number(place.at.saturating_add(place.bytes.len() as u64));
            text_or_base64(line, ["text", "text_b64"], place.bytes);
        });
    }
}

/// A host as sent, without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address are within its brackets.
        Some((name, port))
            if !port.contains(']') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    }
}

/// The mark of a failure.
fn failed(failed: &Failed) -> &'static str {
    match failed.kind {
        FailureKind::Refused => "refused",
        FailureKind::Silent { .. } => "no_answer_to_syn",
        FailureKind::Unanswered(End { by_server, .. }) => match by_server {
            true => "ended_by_server",
            false => "ended_by_client",
        },
        FailureKind::BrokenOff(_) => "broken_off",
    }
}

//! The `--html` output: one page for a browser, with the list of exchanges, a waterfall, both
//! halves of each, and what differs between two. It is written as exchanges end, and a file that
//! is cut anywhere shows what is there.
//!
//! The page comes first; the data follow in elements that a browser does not run. Each holds JSON
//! lines, gzip-compressed, in base64. So no byte that was captured is in the file as text, and none
//! can be taken for markup. The page's policy allows one script and one style, by their hashes, and
//! lets nothing be loaded or sent; the script makes text nodes only. Text also passes
//! [`escape`](super::Escape), because a page can be steered by bidirectional characters as a
//! terminal can.
//!
//! An exchange is a row, which the page unpacks when it opens, and a detail, which it unpacks when
//! it is looked at. Rows and details are written in chunks, the details of a chunk first. One
//! chunk is in memory.

mod detail;

use std::io::{self, Write as _};

use base64::Engine as _;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::exchange::Silence;
use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::hit::{Heading, Hit, Pair, Portion};
use crate::message::{HeadStyle, Role};
use crate::stats::Stats;

use super::parts::field;
use super::request::Request;
use super::{
    Banner, Body, Ending, Out, OutputFormat, OutputValue, Renderer, Secrets, Settings, Wants,
};
use super::{failed, heading, log, redacted};

/// `--html FILE`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::File,
    help: "Save the exchanges as a page for a browser, a single file; - is standard output",
    examples: &[(
        "--html FILE",
        "a page to send: list, waterfall, both halves, differences",
    )],
    words: "a page of the exchanges",
    secrets: Secrets::Masked,
    is_whole: true,
    lays_out: true,
    ..OutputFormat::new("html", |settings, _, out| {
        Box::new(Html::new(settings, out))
    })
};

const HEAD: &str = include_str!("html/head.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
const BODY: &str = include_str!("html/body.html");

/// Rows of a chunk.
const CHUNK_ROWS: usize = 500;
/// Bytes of details after which a chunk is written.
const CHUNK_BYTES: usize = 256 << 10;
/// Nanoseconds after which a chunk is written while a capture runs.
const CHUNK_TIME: i64 = 1_000_000_000;

/// The class of what failed, in place of the first digit of a status.
const FAILED: u8 = 9;

/// The `--html` output.
struct Html {
    settings: Settings,
    out: Out,
    chunk: Chunk,
    exchanges: u64,
    /// Bursts, datagrams and failed connections.
    others: u64,
    ending: Ending,
}

/// Rows and details that are not written yet, as JSON lines.
#[derive(Default)]
struct Chunk {
    rows: Vec<u8>,
    details: Vec<u8>,
    count: usize,
    /// When it was first seen with something in it.
    since: Option<Timestamp>,
}

/// A row of the list.
#[derive(Default)]
struct Row {
    number: u64,
    time: Timestamp,
    method: String,
    host: String,
    /// The path and query; of other messages their first words.
    path: String,
    status: String,
    /// The first digit of the status, or [`FAILED`]; 0 for neither.
    class: u8,
    media: String,
    size: Option<u64>,
    /// Nanoseconds of handshake, request, wait and response.
    parts: [Option<i64>; 4],
    ends: [String; 2],
    marks: Vec<String>,
}

impl Row {
    fn json(&self) -> Value {
        let [connect, send, wait, receive] = self.parts;
        let [client, server] = &self.ends;
        json!([
            self.number,
            self.time.nanos().div_euclid(1000),
            self.method,
            self.host,
            self.path,
            self.status,
            self.class,
            self.media,
            self.size,
            connect,
            send,
            wait,
            receive,
            client,
            server,
            self.marks.join(", "),
        ])
    }
}

impl Html {
    fn new(mut settings: Settings, out: Out) -> Self {
        // A browser shows Unicode, whatever the terminal does.
        settings.signs = true;
        settings.escape.utf8 = true;
        settings.escape.tab = true;
        settings.color = false;
        Self {
            settings,
            out,
            chunk: Chunk::default(),
            exchanges: 0,
            others: 0,
            ending: Ending::default(),
        }
    }

    fn escaped(&self, bytes: &[u8]) -> String {
        let mut text = Vec::new();
        self.settings.escape.write(bytes, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Appends an element with `data`.
    fn element(&mut self, class: &str, data: &[u8]) -> io::Result<()> {
        let mut coder = GzEncoder::new(Vec::new(), Compression::default());
        coder.write_all(data)?;
        let packed = coder.finish()?;
        let text = self.out.text();
        write!(text, "<script type=\"text/plain\" class=\"{class}\">")?;
        let packed = base64::engine::general_purpose::STANDARD.encode(packed);
        text.extend_from_slice(packed.as_bytes());
        text.extend_from_slice(b"</script>\n");
        Ok(())
    }

    fn add(&mut self, row: &Row, detail: &Value) -> io::Result<()> {
        for (text, value) in [
            (&mut self.chunk.rows, &row.json()),
            (&mut self.chunk.details, detail),
        ] {
            serde_json::to_writer(&mut *text, value)?;
            text.push(b'\n');
        }
        self.chunk.count += 1;
        match self.chunk.count >= CHUNK_ROWS || self.chunk.details.len() >= CHUNK_BYTES {
            true => self.write_chunk(),
            false => Ok(()),
        }
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.chunk.count == 0 {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.element("details", &chunk.details)?;
        self.element("rows", &chunk.rows)?;
        self.out.record()
    }

    fn row_of_pair(&self, pair: &Pair<'_>) -> Row {
        let ends = pair.request.map(|hit| (hit.heading, false));
        let ends = ends.or(pair.response.map(|hit| (hit.heading, true)));
        let times = &pair.times;
        let mut row = Row {
            number: pair.number,
            time: times.asked,
            ends: ends.map_or_else(Default::default, |(line, turned)| named_ends(&line, turned)),
            ..Row::default()
        };
        match Request::of(pair) {
            Some(request) => {
                let has_path = request.target.starts_with('/');
                row.method = self.escaped(request.method.as_bytes());
                row.host = self.escaped(if has_path {
                    request.host.as_bytes()
                } else {
                    b""
                });
                row.path = self.escaped(request.target.as_bytes());
            }
            None if !pair.title.is_empty() => row.path = self.escaped(pair.title),
            None => row.marks.push("no request".to_owned()),
        }
        let mut marks: Vec<_> = pair.request.map(log::words).unwrap_or_default();
        if pair.request.is_some() {
            row.parts = [times.connect(), times.send(), times.wait(), times.receive()];
        }
        if let Some(hit) = pair.response {
            if hit.brief.status > 0 {
                row.status = hit.brief.status.to_string();
            } else if let Some(fact) = hit.facts.iter().find(|fact| fact.summary) {
                row.status = self.escaped(fact.value.as_bytes());
            }
            row.class = class(hit);
            let media = field(hit, "content-type").unwrap_or_default();
            let bare = media.split(|byte| *byte == b';').next();
            row.media = self.escaped(bare.unwrap_or_default().trim_ascii());
            row.size = hit.kind.sized.then_some(hit.body_size);
            marks.extend(log::words(hit));
        }
        let response_failed = pair.response.and_then(|hit| hit.failed);
        if let Some(failed) = pair.failed.or(response_failed) {
            row.class = FAILED;
            if !row.status.is_empty() {
                marks.push(std::mem::take(&mut row.status).into());
            }
            failed::word(&failed).clone_into(&mut row.status);
        } else if pair.response.is_none() {
            row.class = FAILED;
            let status = match pair.silence {
                Silence::None => "no response",
                Silence::Unknown => "unknown",
                Silence::Unseen => "unseen",
            };
            status.clone_into(&mut row.status);
        }
        marks.dedup();
        row.marks.extend(marks.into_iter().map(String::from));
        row
    }

    /// The row of a burst, a datagram, or another message without a partner.
    fn row_of_hit(&self, hit: &Hit<'_>) -> Row {
        Row {
            number: hit.number,
            time: hit.began,
            // What has a name for people is named by its protocol.
            method: match hit.facts.iter().any(|fact| fact.summary) {
                true => log::named(hit.kind),
                false => heading::protocol_name(hit.heading.protocol),
            },
            path: log::first_words(hit.text.bytes, self.settings.escape),
            size: Some(hit.body_size),
            ends: named_ends(&hit.heading, false),
            marks: log::words(hit).into_iter().map(String::from).collect(),
            ..Row::default()
        }
    }
}

/// The first digit of a status, by its style.
fn class(hit: &Hit<'_>) -> u8 {
    let mut styles = hit.styles.iter().map(|(_, style)| *style);
    match styles.find(|style| style.is_status()) {
        Some(HeadStyle::Success) => 2,
        Some(HeadStyle::Redirect) => 3,
        Some(HeadStyle::ClientError) => 4,
        Some(HeadStyle::ServerError) => 5,
        _ => 0,
    }
}

/// Client and server. `turned`: the heading is that of a message to the client.
fn named_ends(line: &Heading, turned: bool) -> [String; 2] {
    let (client, server) = match turned {
        true => (line.dst, line.src),
        false => (line.src, line.dst),
    };
    [client, server].map(|end| log::shown(end, line.ports))
}

impl Renderer for Html {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        let text = self.out.text();
        for (open, part, close) in [
            ("", HEAD, ""),
            ("<style>", STYLE, "</style>\n"),
            ("<script>", SCRIPT, "</script>\n"),
            ("<body>\n", BODY, ""),
        ] {
            for piece in [open, part, close] {
                text.extend_from_slice(piece.as_bytes());
            }
        }
        // A page is passed on: the folders of its files are nobody's business.
        let files = banner.files.iter().map(|path| match path.file_name() {
            Some(name) => name.to_string_lossy(),
            None => path.to_string_lossy(),
        });
        let sources: Vec<String> = files
            .map(|name| self.escaped(name.as_bytes()))
            .chain(banner.interfaces.clone())
            .collect();
        let masked = |text: &str| match self.settings.redact {
            true => self.escaped(&redacted(text.as_bytes())),
            false => self.escaped(text.as_bytes()),
        };
        let pattern = banner.pattern.as_ref().map(|(text, inverted)| {
            let sign = if *inverted { "!" } else { "" };
            format!("{sign}/{}/", masked(text))
        });
        let facts = json!({
            "source": sources.join(", "),
            "pattern": pattern,
            "filter": masked(&banner.filter),
            "secrets": if self.settings.redact { "secrets are masked" } else { "secrets are shown" },
        });
        self.element("about", format!("{facts}\n").as_bytes())?;
        self.out.record()
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        // A text shown in portions has one row; an exchange arrives as a pair.
        let first = matches!(hit.portion, Portion::Whole | Portion::First);
        if hit.kind.side != Role::Single || !first {
            return Ok(());
        }
        self.others += 1;
        let detail = json!({"message": detail::half(hit, &self.settings)});
        self.add(&self.row_of_hit(hit), &detail)
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        self.exchanges += 1;
        let detail = detail::of_pair(pair, &self.settings);
        self.add(&self.row_of_pair(pair), &detail)
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        // A request without a response arrives as a pair.
        if failure.number > 0 {
            return Ok(());
        }
        self.others += 1;
        let parts = failed::parts(failure);
        let row = Row {
            time: failure.heading.ts.plus(-failure.failed.after),
            method: heading::protocol_name(failure.heading.protocol),
            path: parts.join(", "),
            status: failed::word(&failure.failed).to_owned(),
            class: FAILED,
            ends: named_ends(&failure.heading, false),
            ..Row::default()
        };
        let start = heading::line(&failure.heading, "", false, true);
        let message = json!({"start": [start], "fields": [], "body": [], "notes": parts});
        self.add(&row, &json!({ "message": message }))
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        if !self.settings.live || self.chunk.count == 0 {
            return Ok(());
        }
        let since = *self.chunk.since.get_or_insert(now);
        match now.since(since) >= CHUNK_TIME {
            true => self.write_chunk().and_then(|()| self.out.flush()),
            false => Ok(()),
        }
    }

    fn end(&mut self, why: &Ending) -> io::Result<()> {
        self.ending = why.clone();
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        let rows = self.exchanges + self.others;
        let noun = if rows == 1 { "row" } else { "rows" };
        let exchanges = counted(self.exchanges, "exchange", "exchanges");
        vec![match self.others {
            0 => format!("{exchanges} in the page"),
            _ => format!("{rows} {noun} in the page, {exchanges} among them"),
        }]
    }

    fn finish(&mut self, stats: &Stats) -> io::Result<()> {
        self.write_chunk()?;
        let mut parts = vec![counted(self.exchanges, "exchange", "exchanges")];
        if self.others > 0 {
            parts.push(counted(self.others, "other row", "other rows"));
        }
        parts.push(counted(stats.decode.packets, "packet", "packets"));
        let up_to = match stats.capture.dropped_at_most {
            true => "up to ",
            false => "",
        };
        parts.push(format!("{up_to}{} lost", stats.capture.dropped));
        let losses = stats.losses().into_iter();
        parts.extend(losses.map(|loss| format!("{}: {}", loss.words, loss.count)));
        let broken = match &self.ending {
            Ending::Broken(why) => Some(self.escaped(why.as_bytes())),
            Ending::Source | Ending::Enough | Ending::Stopped => None,
        };
        let facts = json!({"summary": parts.join(", "), "broken": broken});
        self.element("end", format!("{facts}\n").as_bytes())?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        let records = self.settings.wants_records();
        Wants {
            body: match self.settings.body {
                Body::None => 0,
                Body::Short | Body::Full => records.body,
            },
            pairs: true,
            matches: true,
            ticks: self.settings.live,
            ..Wants::NOTHING
        }
    }
}

fn counted(many: u64, one: &str, more: &str) -> String {
    format!("{many} {}", if many == 1 { one } else { more })
}

#[cfg(test)]
mod tests;

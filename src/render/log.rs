//! The `-W log` view: one line for each exchange, burst and datagram. It depends on HTTP: its
//! columns are those of a request and its response.
//!
//! ```text
//! TIME          #  FROM             TO              REQUEST           STATUS  SIZE  WAIT   TOTAL
//! 11:40:01.861  2  127.0.0.1:41868  127.0.0.1:5000  GET shop:5000/slow   200  58 B  2 s !  2 s !
//! ```
//!
//! A line is printed when its exchange is complete or known to have no response; its time is that
//! of the request's first byte. The lines to come are unknown, so the widths are fixed: a wider
//! value shifts only its own line. On a terminal, and with `--width`, a line that is too long is
//! shortened in the request, and header values are cut to their columns; elsewhere nothing is cut.

use std::borrow::Cow;
use std::io;

use unicode_width::UnicodeWidthStr as _;

use crate::exchange::Silence;
use crate::failure::{Failed, Failure, FailureKind};
use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::hit::{Heading, Hit, Pair, Piece, Portion, Why};
use crate::message::{Decoding, Kind, Role};
use crate::process::Ends;
use crate::stats::Stats;

use super::heading::within;
use super::parts::fields;
use super::request::Request;
use super::row::{GAP, Row, cut};
use super::style::Paint;
use super::{
    Clock, Escape, Out, Renderer, Settings, Time, Wants, failed, heading, human, spy, timing,
};

/// The log view.
pub(super) struct Log {
    settings: Settings,
    out: Out,
    clock: Clock,
    begun: bool,
    /// The line of a message that ends an exchange, whose own line may follow at once.
    held: Option<(Line, Timestamp)>,
}

/// The values of a line, escaped.
#[derive(Default)]
struct Line {
    number: u64,
    ends: Option<(Heading, bool)>,
    /// The processes of client and server.
    who: String,
    request: String,
    /// Whether the request is only an excerpt of a text, which is limited to its column.
    excerpt: bool,
    status: String,
    paint: Option<Paint>,
    size: String,
    times: [Option<i64>; 2],
    fields: Vec<String>,
    words: Vec<Cow<'static, str>>,
    /// What it says, of a message that ends an exchange.
    ends_with: String,
}

impl Line {
    /// Records a failure: it replaces the status, and its time the wait.
    fn failed(&mut self, failed: &Failed) {
        failed::word(failed).clone_into(&mut self.status);
        self.paint = Some(Paint::Failed);
        self.times = [Some(failed.after).filter(|nanos| *nanos >= 0), None];
        self.words.extend(failed::end_of(failed).map(Cow::Owned));
    }
}

/// Widths of the columns of numbers: exchange number, status, size, and time with its mark.
const NUMBER: usize = 4;
const STATUS: usize = 6;
const SIZE: usize = 8;
const TOOK: usize = 9;
/// Width of the request's column: its minimum, and its value when nothing is cut.
const REQUEST: [usize; 2] = [24, 40];
/// Minimum width of a field's column: `en-US,en;q=0.9` fits.
const FIELD: usize = 16;
/// Width of an endpoint's column on a wide line (an IPv4 address with its port) and on others (a
/// loopback address with its port).
const END: [usize; 2] = [21, 15];
/// Width of the column of processes: two names of middle length.
const WHO: usize = 30;
/// Lines of at least this many columns are wide.
const WIDE: usize = 132;
/// Maximum bytes of a burst or datagram that are searched for its first words; no line shows more.
const WORDS: usize = 512;

impl Log {
    pub(super) fn new(mut settings: Settings, out: Out) -> Self {
        if settings.time == Time::None {
            settings.time = Time::OfDay;
        }
        // A tab would break the columns.
        settings.escape.tab = false;
        Self {
            clock: Clock::new(settings.time),
            begun: false,
            held: None,
            settings,
            out,
        }
    }

    fn escaped(&self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        self.settings.escape.write(bytes, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The names of both ends.
    fn labels(&self, ends: Option<Ends<'_>>) -> String {
        ends.map_or_else(String::new, |ends| {
            heading::labels(&ends, &self.settings.escape)
        })
    }

    /// The values of the requested headers: those of the request, else those of the response.
    fn fields(&self, halves: &[Option<&Hit<'_>>]) -> Vec<String> {
        let value = |name: &String| {
            let mut values = halves.iter().flatten().map(|hit| values(hit, name));
            let found = values.find(|value| !value.is_empty());
            found.map_or_else(|| "-".to_owned(), |value| self.escaped(&value))
        };
        self.settings.fields.iter().map(value).collect()
    }

    fn of_pair(&self, pair: &Pair<'_>) -> Line {
        let mut line = Line {
            number: pair.number,
            // The heading of a request has the direction of the line; that of a response is
            // reversed.
            ends: pair
                .request
                .map(|hit| (hit.heading, false))
                .or(pair.response.map(|hit| (hit.heading, true))),
            who: self.labels(pair.request.or(pair.response).map(|hit| hit.who)),
            request: "-".to_owned(),
            status: "-".to_owned(),
            size: "-".to_owned(),
            times: [pair.times.wait(), pair.times.total()],
            fields: self.fields(&[pair.request, pair.response]),
            ..Line::default()
        };
        match Request::of(pair) {
            Some(request) => line.request = self.escaped(request.words().as_bytes()),
            None if !pair.title.is_empty() => line.request = self.escaped(pair.title),
            None => line.words.push("no request".into()),
        }
        if let Some(hit) = pair.request {
            line.words.extend(words(hit));
        }
        let Some(hit) = pair.response else {
            line.times = [None; 2];
            match (&pair.failed, pair.silence) {
                (Some(failed), _) => line.failed(failed),
                (None, Silence::None) => line.words.push("no response".into()),
                (None, Silence::Unknown) => line.words.push("response unknown".into()),
                (None, Silence::Unseen) => line.words.push("response not captured".into()),
            }
            return line;
        };
        if hit.brief.status > 0 {
            line.status = hit.brief.status.to_string();
        } else if let Some(fact) = hit.facts.iter().find(|fact| fact.summary) {
            // A protocol that names its outcome: use that name.
            line.status = self.escaped(fact.value.as_bytes());
        }
        if let Some((family, outcome)) = outcome(hit) {
            line.status = self.escaped(outcome.as_bytes());
            if let Some((_, rest)) = line.request.split_once(' ') {
                line.request = format!("{} {rest}", family.to_ascii_uppercase());
            }
        }
        let mut roles = hit.styles.iter().map(|(_, role)| *role);
        line.paint = roles.find(|role| role.is_status()).map(Paint::Part);
        if hit.kind.sized {
            line.size = human::size(hit.body.size.unwrap_or(hit.body_size));
        }
        // Without a request its time is unknown.
        if pair.request.is_none() && pair.title.is_empty() {
            line.times = [None; 2];
        }
        line.words.extend(words(hit));
        line.words.dedup();
        if let Some(failed) = &hit.failed {
            let status = std::mem::take(&mut line.status);
            let [wait, _] = line.times;
            line.failed(failed);
            line.times = [wait, None];
            line.words.insert(0, status.into());
            line.words.dedup();
        }
        line
    }

    /// The line of a failed connection.
    fn of_failure(&self, failure: &Failure<'_>) -> Line {
        let mut line = Line {
            ends: Some((failure.heading, false)),
            who: self.labels(Some(failure.who)),
            request: "tcp".to_owned(),
            size: "-".to_owned(),
            fields: self.fields(&[]),
            ..Line::default()
        };
        line.failed(&failure.failed);
        // A refusal is already shown as the status.
        let named = usize::from(failure.failed.kind == FailureKind::Refused);
        let words = failed::parts(failure).into_iter().skip(named);
        line.words = words.map(Cow::Owned).collect();
        line
    }

    /// The line of a burst or a datagram: its protocol and first words.
    fn of_hit(&self, hit: &Hit<'_>) -> Line {
        let mut words = words(hit);
        if hit.why == Why::Context {
            words.push("context".into());
        }
        let name = heading::protocol_name(hit.heading.protocol);
        let flags = hit.heading.flags;
        // What has a name for people is named by its protocol.
        let name = match hit.facts.iter().find(|fact| fact.summary) {
            Some(_) if hit.why != Why::Empty => named(hit.kind),
            _ => name,
        };
        let first = match hit.why {
            Why::Empty if flags.any() => format!("[{flags}]"),
            _ => first_words(hit.text.bytes, self.settings.escape),
        };
        Line {
            number: hit.number,
            ends: Some((hit.heading, false)),
            who: self.labels(Some(hit.who)),
            request: format!("{name} {first}").trim_end().to_owned(),
            excerpt: true,
            status: "-".to_owned(),
            size: human::size(hit.body_size),
            fields: self.fields(&[Some(hit)]),
            words,
            ..Line::default()
        }
    }

    /// Writes the line that was held back.
    fn release(&mut self) -> io::Result<()> {
        match self.held.take() {
            Some((line, began)) => self.line(line, began),
            None => Ok(()),
        }
    }

    fn line(&mut self, line: Line, began: Timestamp) -> io::Result<()> {
        let color = self.settings.color;
        let stamp = self.clock.stamp(began);
        let stamp = stamp.trim_end();
        let columns = Columns::of(&self.settings, stamp.width());
        if !std::mem::replace(&mut self.begun, true) && self.settings.quiet == 0 {
            let titles: Vec<String> = self
                .settings
                .fields
                .iter()
                .map(|name| self.escaped(name.as_bytes()))
                .collect();
            columns.titles(&titles, Row::new(self.out.text(), color));
        }
        let mut row = Row::new(self.out.text(), color);
        row.left(stamp, columns.time, Some(Paint::Dim));
        let number = match line.number {
            0 => "-".to_owned(),
            number => number.to_string(),
        };
        row.right(&number, NUMBER, None);
        let ends = match line.ends {
            Some((
                Heading {
                    src, dst, ports, ..
                },
                turned,
            )) => {
                let ends = [src, dst].map(|end| shown(end, ports));
                let [src, dst] = ends;
                if turned { [dst, src] } else { [src, dst] }
            }
            None => ["-".to_owned(), "-".to_owned()],
        };
        row.left(&ends[0], columns.end, None);
        row.left(&ends[1], columns.end, None);
        if columns.who > 0 {
            row.left(&line.who, columns.who, None);
        }
        let mut request = line.request;
        if columns.cuts || line.excerpt {
            cut(&mut request, columns.request);
        }
        row.left(&request, columns.request, None);
        row.right(&line.status, STATUS, line.paint);
        // A status wider than its column takes the space of the (empty) size.
        let wider = line.status.width().saturating_sub(STATUS);
        row.right(&line.size, SIZE.saturating_sub(wider), None);
        for nanos in line.times {
            let slow = nanos.is_some_and(timing::is_slow);
            row.right(&timing::marked(nanos), TOOK, slow.then_some(Paint::Slow));
        }
        for (mut value, width) in line.fields.into_iter().zip(&columns.fields) {
            if columns.cuts {
                cut(&mut value, *width);
            }
            row.left(&value, *width, None);
        }
        if !line.words.is_empty() {
            row.left(&line.words.join(", "), 0, Some(Paint::Dim));
        }
        row.end();
        self.out.record()
    }
}

/// Widths of the columns.
struct Columns {
    time: usize,
    end: usize,
    /// 0 for no column.
    who: usize,
    request: usize,
    fields: Vec<usize>,
    cuts: bool,
}

impl Columns {
    fn of(settings: &Settings, stamp: usize) -> Self {
        let time = match settings.time {
            // Relative times grow.
            Time::Delta | Time::SinceFirst => stamp.max(12),
            _ => stamp,
        };
        let fields: Vec<usize> = settings
            .fields
            .iter()
            .map(|name| name.width().max(FIELD))
            .collect();
        let cuts = settings.fits;
        let end = END[usize::from(cuts && settings.columns < WIDE)];
        let who = if settings.who { WHO } else { 0 };
        let others = time + NUMBER + 2 * end + STATUS + SIZE + 2 * TOOK;
        let others = others + who + if who > 0 { GAP } else { 0 };
        let others = others + 8 * GAP + fields.iter().map(|width| width + GAP).sum::<usize>();
        let request = match cuts {
            true => settings.columns.saturating_sub(others).max(REQUEST[0]),
            false => REQUEST[1],
        };
        Self {
            time,
            end,
            who,
            request,
            fields,
            cuts,
        }
    }

    fn titles(&self, names: &[String], mut row: Row<'_>) {
        let dim = Some(Paint::Dim);
        row.left("TIME", self.time, dim);
        row.right("#", NUMBER, dim);
        row.left("FROM", self.end, dim);
        row.left("TO", self.end, dim);
        if self.who > 0 {
            row.left("WHO", self.who, dim);
        }
        row.left("REQUEST", self.request, dim);
        row.right("STATUS", STATUS, dim);
        row.right("SIZE", SIZE, dim);
        // Align the titles with the times, not with their marks.
        row.right("WAIT  ", TOOK, dim);
        row.right("TOTAL  ", TOOK, dim);
        for (name, width) in names.iter().zip(&self.fields) {
            row.left(name, *width, dim);
        }
        row.end();
    }
}

/// The start of a text, with blanks and line ends collapsed to single blanks.
pub(super) fn first_words(text: &[u8], escape: Escape) -> String {
    let start = text.get(..WORDS).unwrap_or(text);
    let words: Vec<&[u8]> = start
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    let mut shown = Vec::new();
    escape.write(&words.join(&b' '), &mut shown);
    let mut words = String::from_utf8_lossy(&shown).into_owned();
    if start.len() < text.len() {
        words.push_str("...");
    }
    words
}

/// Formats an endpoint; an IPv6 address is in brackets if a port follows.
pub(super) fn shown(end: Endpoint, ports: bool) -> String {
    match ports {
        true => end.to_string(),
        false => end.addr.to_string(),
    }
}

/// All values of a header as one list.
fn values(hit: &Hit<'_>, name: &str) -> Vec<u8> {
    let named = fields(hit).filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
    let values: Vec<&[u8]> = named.map(|(_, value)| value).collect();
    values.join(&b", "[..])
}

/// The protocol of a call that a response ends, and how it ended.
fn outcome<'h>(hit: &Hit<'h>) -> Option<(&'static str, &'h str)> {
    hit.facts.iter().find_map(|fact| {
        let family = fact.name.strip_suffix(".outcome")?;
        Some((family, fact.value.as_str()))
    })
}

/// The name of a kind in a line: `WS text` of `ws.text`.
pub(super) fn named(kind: Kind) -> String {
    let (family, rest) = kind.name.split_once('.').unwrap_or((kind.name, ""));
    format!("{} {rest}", family.to_ascii_uppercase())
}

/// Remarks on a message in addition to its values.
pub(super) fn words(hit: &Hit<'_>) -> Vec<Cow<'static, str>> {
    let mut words: Vec<Cow<'static, str>> = spy::labels(hit)
        .into_iter()
        .filter(|word| *word != "context")
        .collect();
    words.extend(
        hit.heading
            .tunnel
            .as_ref()
            .map(|tunnel| within(tunnel).into()),
    );
    let missing = |piece: &Piece| matches!(piece, Piece::Missing(..));
    if hit.text.pieces.iter().any(missing) {
        words.push("bytes missing".into());
    }
    let decoding = match hit.body.state {
        Decoding::AsSent | Decoding::Decoded => None,
        Decoding::Broken => Some("coding broken"),
        Decoding::Cut => Some("decoding stopped"),
        Decoding::NoRoom | Decoding::NoStart => Some("not decoded"),
    };
    words.extend(decoding.map(Cow::Borrowed));
    words
}

impl Renderer for Log {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        // A text shown in portions has one line; an exchange arrives as a pair.
        let first = matches!(hit.portion, Portion::Whole | Portion::First);
        if self.settings.quiet >= 4 || hit.kind.side != Role::Single || !first {
            return Ok(());
        }
        self.release()?;
        let mut line = self.of_hit(hit);
        let began = match hit.why {
            Why::Empty => hit.heading.ts,
            _ => hit.began,
        };
        if hit.brief.ends_exchange {
            line.ends_with = first_words(hit.text.bytes, self.settings.escape);
            self.held = Some((line, began));
            return Ok(());
        }
        self.line(line, began)
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let mut line = self.of_pair(pair);
        if let Some((ended, _)) = self.held.take_if(|(held, _)| held.number == pair.number) {
            // One line for both: what ended the exchange stands for the response.
            line.words.retain(|word| *word != "no response");
            line.words.insert(0, ended.ends_with.into());
        }
        self.release()?;
        self.line(line, pair.times.asked)
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 || failure.number > 0 {
            return Ok(());
        }
        self.release()?;
        let line = self.of_failure(failure);
        let began = failure.heading.ts.plus(-failure.failed.after);
        self.line(line, began)
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.release()?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release()?;
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            body: WORDS,
            pairs: true,
            ..Wants::NOTHING
        }
    }
}

#[cfg(test)]
mod tests;

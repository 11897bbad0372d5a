//! The detail of a row: both halves of an exchange with their matches, the timing, and a curl
//! command. Text is escaped, and parts that match alternate with parts that do not.

use std::ops::Range;

use serde_json::{Value, json};

use crate::failure::FailureKind;
use crate::hit::{Hit, Pair, Piece};
use crate::message::HeadStyle;
use crate::render::{Escape, Settings, curl, failed, heading, human, parts, readable, timing};

/// The detail of an exchange.
pub(super) fn of_pair(pair: &Pair<'_>, settings: &Settings) -> Value {
    let show = |hit: &&Hit<'_>| half(hit, settings);
    let mut detail = json!({
        "exchange": true,
        "request": pair.request.as_ref().map(show),
        "response": pair.response.as_ref().map(show),
    });
    if pair.request.is_some() {
        let mut lines = Vec::new();
        timing::append(&pair.times, settings, &mut lines);
        detail["timing"] = json!(String::from_utf8_lossy(&lines));
    } else {
        detail["no_request"] = json!(match pair.title.is_empty() {
            true => "the request was not captured",
            false => "the request was not kept, to bound memory",
        });
    }
    if pair.response.is_none() {
        let why = match pair.failed.map(|failed| (failed.kind, failed.after)) {
            Some((FailureKind::Unanswered(end), after)) => {
                format!("no response: {}", failed::ended(end, after))
            }
            _ => "no response was captured".to_owned(),
        };
        detail["no_response"] = json!(why);
    }
    match curl::command(pair, &settings.escape) {
        Ok(command) => detail["command"] = json!(escaped(&command.text, settings.escape)),
        Err(why) => detail["no_command"] = json!(why),
    }
    detail
}

/// Escapes a text of several lines.
fn escaped(text: &str, escape: Escape) -> String {
    let whole = 0..text.len();
    Marked::new(text.as_bytes(), &[], escape).text(whole)
}

/// A message: its start line, its fields, its body, and remarks on it.
pub(super) fn half(hit: &Hit<'_>, settings: &Settings) -> Value {
    let readable = settings.pretty.then(|| readable::of(hit)).flatten();
    let (bytes, matches) = match &readable {
        Some(readable) => (&readable.text[..], &readable.matches[..]),
        None => (hit.text.bytes, hit.matches),
    };
    let marked = Marked::new(bytes, matches, settings.escape);
    let (start, fields) = head(hit, &marked);
    let start = match start {
        Some(line) => marked.runs(line),
        None => vec![heading::line(&hit.heading, "", false, true)],
    };
    let body = match (&readable, hit.opaque) {
        (_, Some(media)) if hit.body_size > 0 => {
            let media = escaped(media, settings.escape);
            vec![json!(format!("{media}, {}", human::size(hit.body_size)))]
        }
        (Some(readable), _) => vec![json!(marked.runs(hit.head..readable.text.len()))],
        (None, _) => body(hit, &marked),
    };
    json!({
        "start": start,
        "fields": fields,
        "body": body,
        "notes": parts::defects(hit),
    })
}

/// The start line, and the fields: name, value, whether it stands out. A line that is no field has
/// no name.
fn head(hit: &Hit<'_>, marked: &Marked<'_>) -> (Option<Range<usize>>, Vec<Value>) {
    let mut start = None;
    let mut fields = Vec::new();
    let mut coming = hit.fields.iter().peekable();
    let mut done = 0;
    for line in lines(marked.bytes, 0..hit.head) {
        // A folded value covers several lines.
        if line.is_empty() || line.start < done {
            continue;
        }
        while coming
            .next_if(|(name, _)| name.start < line.start)
            .is_some()
        {}
        if let Some((name, value)) = coming.next_if(|(name, _)| name.start < line.end) {
            done = value.end.max(line.end);
            let is_key = hit
                .styles
                .binary_search_by_key(&name.start, |(range, _)| range.start)
                .ok()
                .and_then(|at| hit.styles.get(at))
                .is_some_and(|(_, style)| *style == HeadStyle::KeyName);
            fields.push(json!([
                marked.runs(name.clone()),
                marked.runs(value.clone()),
                is_key
            ]));
        } else if start.is_none() && fields.is_empty() {
            start = Some(line);
        } else {
            fields.push(json!([[""], marked.runs(line), false]));
        }
    }
    (start, fields)
}

/// The lines of a range, without their ends.
fn lines(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = range.start;
    let text = bytes.get(range).unwrap_or_default();
    text.split(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len() + 1;
        start..start + line.strip_suffix(b"\r").unwrap_or(line).len()
    })
}

/// The body: parts of text, and a string for each part that is missing.
fn body(hit: &Hit<'_>, marked: &Marked<'_>) -> Vec<Value> {
    let mut body = Vec::new();
    for piece in hit.text.pieces {
        match piece {
            Piece::Kept(range) => {
                let range = range.start.max(hit.head)..range.end;
                body.extend((!range.is_empty()).then(|| json!(marked.runs(range))));
            }
            Piece::Skipped(len) => {
                body.push(json!(format!("{} more (--body=full)", human::size(*len))));
            }
            Piece::Missing(len, _) => body.push(json!(format!("{len} bytes not captured"))),
        }
    }
    body
}

/// A text with its matches.
struct Marked<'a> {
    bytes: &'a [u8],
    /// Sorted and not overlapping.
    matches: &'a [Range<usize>],
    escape: Escape,
}

impl<'a> Marked<'a> {
    const fn new(bytes: &'a [u8], matches: &'a [Range<usize>], escape: Escape) -> Self {
        Self {
            bytes,
            matches,
            escape,
        }
    }

    /// The escaped text of a range: a part that does not match, one that does, and so on.
    fn runs(&self, range: Range<usize>) -> Vec<String> {
        let mut runs = Vec::new();
        let mut at = range.start;
        let first = self
            .matches
            .partition_point(|found| found.end <= range.start);
        let matches = self.matches.get(first..).unwrap_or_default().iter();
        for found in matches.take_while(|found| found.start < range.end) {
            let (start, end) = (found.start.max(at), found.end.min(range.end));
            runs.push(self.text(at..start));
            runs.push(self.text(start..end));
            at = end;
        }
        runs.push(self.text(at..range.end));
        runs
    }

    /// The escaped text of a range. Lines stay lines; a CR before LF is dropped.
    fn text(&self, range: Range<usize>) -> String {
        let mut text = Vec::new();
        let end = range.end;
        for (number, line) in lines_as_sent(self.bytes, range).enumerate() {
            if number > 0 {
                text.push(b'\n');
            }
            let is_ended = self.bytes.get(line.end) == Some(&b'\n') || line.end < end;
            let bytes = self.bytes.get(line).unwrap_or_default();
            let bytes = match bytes.strip_suffix(b"\r") {
                Some(bytes) if is_ended => bytes,
                _ => bytes,
            };
            self.escape.write(bytes, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The lines of a range, without their LF.
fn lines_as_sent(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = range.start;
    let text = bytes.get(range).unwrap_or_default();
    text.split(|byte| *byte == b'\n').map(move |line| {
        let start = at;
        at += line.len() + 1;
        start..start + line.len()
    })
}

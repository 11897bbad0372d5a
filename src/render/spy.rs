//! The default view: ngrep's header line, extended to the right; then the message by line, decoded and highlighted.

use std::io;
use std::ops::Range;

use crate::hit::{Companion, Heading, Hit, Piece, Portion, Why};
use crate::message::{Role, Side};
use crate::stats::Stats;
use crate::stream::Aside;

use super::style::{Paint, painted, segments};
use super::{Body, Clock, Out, Renderer, Settings, Wants, heading, hex, human};

/// The view.
pub(super) struct Spy {
    settings: Settings,
    out: Out,
    clock: Clock,
}

/// Lines of a body for [`Body::Short`].
const SHORT_LINES: usize = 40;

impl Spy {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self {
            settings,
            out,
            clock: Clock::new(settings.time),
        }
    }

    /// The header line, with `tail` behind it.
    fn heading(&mut self, heading: &Heading, number: u64, side: Side, tail: &[Note<'_>]) {
        let stamp = self.clock.stamp(heading.ts);
        let mut line = heading::line(heading, &stamp, self.settings.protocol_number, true);
        if number > 0 {
            line.push_str(&format!(" #{number}"));
        }
        let (color, escape) = (self.settings.color, self.settings.escape);
        let paint = if side == Side::Answers {
            Paint::ToClient
        } else {
            Paint::ToServer
        };
        let separator = if self.settings.signs { " · " } else { " | " };
        let text = self.out.text();
        text.push(b'\n');
        painted(color, Some(paint), text, |text| {
            text.extend_from_slice(line.as_bytes());
        });
        for (at, note) in tail.iter().enumerate() {
            let lead = match (at, side) {
                (0, Side::Answers) if note.opens => " <- ",
                (0, _) if note.opens => " -> ",
                (0, _) => " ",
                _ => separator,
            };
            painted(color, Some(Paint::Dim), text, |text| {
                text.extend_from_slice(lead.as_bytes());
            });
            painted(color, note.paint, text, |text| {
                escape.write(note.text, text);
            });
        }
        text.push(b'\n');
    }

    fn message(&mut self, hit: &Hit<'_>) {
        let mut lines = Lines {
            settings: &self.settings,
            hit,
            out: self.out.text(),
            hidden: 0,
            shown: 0,
            open: false,
        };
        if self.settings.hex {
            return lines.hex();
        }
        lines.all();
    }
}

/// A small fact at the right of a header line.
struct Note<'a> {
    text: &'a [u8],
    paint: Option<Paint>,
    /// It says what the message is, and so has an arrow in front.
    opens: bool,
}

impl Renderer for Spy {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        if matches!(hit.portion, Portion::Whole | Portion::First) {
            let facts = answer_facts(hit);
            let status = hit
                .styles
                .iter()
                .map(|(_, role)| *role)
                .find(|role| is_status(*role))
                .map(Paint::Part);
            let mut notes: Vec<Note<'_>> = facts
                .iter()
                .enumerate()
                .map(|(at, text)| Note {
                    text: text.as_bytes(),
                    paint: status.filter(|_| at == 0),
                    opens: at == 0,
                })
                .collect();
            let labels = labels(hit);
            notes.extend(labels.iter().map(|text| Note {
                text: text.as_bytes(),
                paint: Some(Paint::Dim),
                opens: false,
            }));
            self.heading(&hit.heading, hit.number, hit.kind.side, &notes);
        }
        if self.settings.quiet < 3 && hit.why != Why::Empty {
            self.message(hit);
        }
        self.out.record()
    }

    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let summary = companion.facts.iter().filter(|fact| fact.summary);
        texts.extend(summary.map(|fact| fact.value.clone().into_bytes()));
        if texts.is_empty() {
            let mut title = companion.title.to_vec();
            if companion.title_cut {
                title.extend_from_slice(b"...");
            }
            texts.push(title);
        }
        if companion.kind.side == Side::Answers {
            texts.push(human::size(companion.body_size).into_bytes());
        }
        if companion.incomplete {
            texts.push(b"incomplete".to_vec());
        }
        texts.extend(
            companion
                .took
                .map(|took| human::duration(took).into_bytes()),
        );
        let notes: Vec<Note<'_>> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| Note {
                text,
                paint: companion.role.filter(|_| at == 0).map(Paint::Part),
                opens: at == 0,
            })
            .collect();
        self.heading(
            &companion.heading,
            companion.number,
            companion.kind.side,
            &notes,
        );
        self.out.record()
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_records()
    }
}

const fn is_status(role: Role) -> bool {
    matches!(
        role,
        Role::Good | Role::Elsewhere | Role::Refused | Role::Failed
    )
}

/// An answer says in its header line what it is, and how long it took.
fn answer_facts(hit: &Hit<'_>) -> Vec<String> {
    if hit.kind.side != Side::Answers || hit.why == Why::Empty {
        return Vec::new();
    }
    let mut facts: Vec<String> = hit
        .facts
        .iter()
        .filter(|fact| fact.summary)
        .map(|fact| fact.value.clone())
        .collect();
    if hit.portion == Portion::Whole {
        facts.push(human::size(hit.body_size));
    }
    facts.extend(hit.took.map(human::duration));
    facts
}

fn labels(hit: &Hit<'_>) -> Vec<&'static str> {
    let mut labels = Vec::new();
    labels.extend(hit.aside.map(|aside| match aside {
        Aside::Late => "[late]",
        Aside::Conflict => "[conflict]",
        Aside::NoAck => "[no-ack]",
        Aside::AfterFin => "[after-fin]",
        Aside::WithRst => "[rst-data]",
        Aside::OutOfWindow => "[out-of-window]",
        Aside::BadChecksum => "[bad-checksum]",
    }));
    if hit.joined {
        labels.push("joined mid-connection");
    }
    if hit.incomplete {
        labels.push("incomplete");
    }
    if hit.why == Why::Context {
        labels.push("context");
    }
    labels
}

/// The lines of one message.
struct Lines<'a> {
    settings: &'a Settings,
    hit: &'a Hit<'a>,
    out: &'a mut Vec<u8>,
    /// Bytes not shown since the last shown line.
    hidden: u64,
    /// Lines of the body shown.
    shown: usize,
    /// The last line has no end yet.
    open: bool,
}

impl Lines<'_> {
    fn all(&mut self) {
        let opaque = self.hit.opaque.filter(|_| self.settings.body != Body::Full);
        let in_body = |found: &Range<usize>| found.end > self.hit.head;
        let opaque = opaque.filter(|_| !self.hit.matches.iter().any(in_body));
        for piece in self.hit.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    let head = range.start..range.end.min(self.hit.head);
                    if !head.is_empty() {
                        self.head(head);
                    }
                    let body = range.start.max(self.hit.head)..range.end;
                    if !body.is_empty() {
                        if opaque.is_some() {
                            self.hidden += body.len() as u64;
                        } else {
                            self.body(body);
                        }
                    }
                }
                Piece::Skipped(len) => self.hidden += len,
                Piece::Missing(len, _) => {
                    self.close();
                    self.mark_hidden();
                    self.note(&format!("[{len} bytes not captured]"));
                }
            }
        }
        self.close();
        if let Some(media) = opaque.filter(|_| self.hit.body_size > 0) {
            self.note(&format!("[{media}, {}]", human::size(self.hit.body_size)));
        } else if self.hidden > 0 && self.settings.body != Body::None && is_end(self.hit.portion) {
            let way = if self.settings.body == Body::Full {
                "--max-body"
            } else {
                "--body=full"
            };
            self.note(&format!("... {} more ({way})", human::size(self.hidden)));
        }
    }

    /// A head is shown whole, but for the empty line at its end when nothing follows.
    fn head(&mut self, range: Range<usize>) {
        let bytes = &self.hit.text.bytes[range.clone()];
        let mut end = range.end;
        if self.hit.body_size == 0 || self.settings.body == Body::None {
            let blank = [&b"\n\r\n"[..], b"\n\n"]
                .into_iter()
                .find(|blank| bytes.ends_with(blank));
            end -= blank.map_or(0, |blank| blank.len() - 1);
        }
        let mut at = range.start;
        while at < end {
            let line = line_end(self.hit.text.bytes, at, end);
            self.line(at..line);
            at = line;
        }
    }

    fn body(&mut self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let line = line_end(self.hit.text.bytes, at, range.end);
            let found = self.hit.matches.partition_point(|found| found.end <= at);
            let matched = self
                .hit
                .matches
                .get(found)
                .is_some_and(|found| found.start < line);
            let wanted = match self.settings.body {
                Body::None => matched,
                Body::Short => {
                    matched || self.open || (self.shown < SHORT_LINES && self.hidden == 0)
                }
                Body::Full => true,
            };
            if wanted {
                if self.hidden > 0 {
                    self.close();
                    self.mark_hidden();
                }
                self.line(at..line);
                self.shown += 1;
            } else {
                self.hidden += (line - at) as u64;
            }
            at = line;
        }
    }

    /// A line, or the part of one that a piece has.
    fn line(&mut self, range: Range<usize>) {
        let bytes = self.hit.text.bytes;
        let mut end = range.end;
        let ends = bytes[..end].last() == Some(&b'\n');
        if ends {
            end -= 1;
            if end > range.start && bytes[end - 1] == b'\r' {
                end -= 1;
            }
        }
        let (escape, color, out) = (self.settings.escape, self.settings.color, &mut *self.out);
        segments(
            range.start..end,
            self.hit.matches,
            self.hit.styles,
            |part, paint| {
                painted(color, paint, out, |out| escape.write(&bytes[part], out));
            },
        );
        if ends {
            out.push(b'\n');
        }
        self.open = !ends;
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.out.push(b'\n');
        }
    }

    fn mark_hidden(&mut self) {
        let hidden = std::mem::take(&mut self.hidden);
        if hidden > 0 {
            self.note(&format!("... {} ...", human::size(hidden)));
        }
    }

    fn note(&mut self, text: &str) {
        let escape = self.settings.escape;
        painted(self.settings.color, Some(Paint::Dim), self.out, |out| {
            escape.write_str(text, out);
        });
        self.out.push(b'\n');
    }

    fn hex(&mut self) {
        let color = self.settings.color;
        for piece in self.hit.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    let matches = self.hit.matches;
                    hex::rows(
                        &self.hit.text.bytes[range.clone()],
                        &self.settings.escape,
                        self.out,
                        &mut |at, cell, out| {
                            let at = range.start + at;
                            let found = matches.partition_point(|found| found.end <= at);
                            let matched = matches.get(found).is_some_and(|found| found.start <= at);
                            painted(color, matched.then_some(Paint::Match), out, |out| {
                                out.extend_from_slice(cell);
                            });
                        },
                    );
                }
                Piece::Skipped(len) => self.hidden += len,
                Piece::Missing(len, _) => self.note(&format!("[{len} bytes not captured]")),
            }
        }
        if self.hidden > 0 && is_end(self.hit.portion) {
            self.note(&format!(
                "... {} more (--body=full)",
                human::size(self.hidden)
            ));
        }
    }
}

/// Whether nothing of the message comes behind this portion.
const fn is_end(portion: Portion) -> bool {
    matches!(portion, Portion::Whole | Portion::Last)
}

/// Where the line that goes on at `at` ends, its LF included, at most at `end`.
fn line_end(bytes: &[u8], at: usize, end: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..end]).map_or(end, |lf| at + lf + 1)
}

#[cfg(test)]
mod tests;

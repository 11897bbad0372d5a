//! Writes the lines of one message: the whole head, the body up to the configured limit, and marks
//! where bytes are missing. Works across portions with bounded state.

use std::ops::Range;

use crate::hit::{Carried, Hit, Piece, Text};
use crate::render::style::{Paint, painted, segments, within};
use crate::render::{Body, Settings, hex, human};

/// Maximum number of lines of a body with [`Body::Short`].
const SHORT_LINES: usize = 40;

/// Writes the lines of one message.
pub(super) struct Lines<'a> {
    pub(super) settings: &'a Settings,
    pub(super) hit: &'a Hit<'a>,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) so_far: SoFar,
    /// Whether the next line continues one that an earlier portion began.
    pub(super) continues: bool,
}

/// State of a message's lines between portions.
#[derive(Default)]
pub(in crate::render) struct SoFar {
    /// Bytes not shown since the last shown line.
    hidden: u64,
    /// Number of lines of the body shown.
    shown: usize,
    /// Whether the last line has no end yet.
    open: bool,
    /// Whether the empty line between head and body is still to be shown before the body.
    blank: bool,
    /// Whether any of the body was shown.
    body: bool,
    /// Held lines that are shown if the next portion makes them match; the last one may continue.
    begun: Vec<u8>,
}

/// A portion, preceded by held lines of earlier ones that may match together with it.
pub(in crate::render) struct Rejoined {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    matches: Vec<Range<usize>>,
}

impl Rejoined {
    /// Prepends the held lines to the portion that follows them.
    pub(in crate::render) fn of(hit: &Hit<'_>, so_far: &mut SoFar) -> Option<Self> {
        let shown = hit.carried.len;
        let follows = matches!(hit.text.pieces, [Piece::Kept(range), ..] if range.start == shown);
        if so_far.begun.is_empty() || hit.text.pieces.is_empty() && !hit.is_end() {
            return None;
        }
        let mut bytes = std::mem::take(&mut so_far.begun);
        if !follows {
            so_far.hidden += bytes.len() as u64;
            return None;
        }
        let before = bytes.len();
        bytes.extend_from_slice(hit.text.bytes.get(shown..).unwrap_or_default());
        let moved = |at: usize| (at + before).saturating_sub(shown);
        let mut pieces: Vec<Piece> = hit.text.pieces.to_vec();
        for piece in &mut pieces {
            if let Piece::Kept(range) = piece {
                *range = moved(range.start)..moved(range.end);
            }
        }
        if let Some(Piece::Kept(range)) = pieces.first_mut() {
            range.start = 0;
        }
        let matches = hit.matches.iter();
        let matches = matches.map(|found| moved(found.start)..moved(found.end));
        Some(Self {
            bytes,
            pieces,
            matches: matches.collect(),
        })
    }

    pub(in crate::render) fn lend<'a>(&'a self, hit: &Hit<'a>) -> Hit<'a> {
        Hit {
            text: Text {
                bytes: &self.bytes,
                pieces: &self.pieces,
            },
            matches: &self.matches,
            head: 0,
            carried: Carried {
                len: 0,
                head: 0,
                ..hit.carried
            },
            ..*hit
        }
    }
}

impl SoFar {
    /// Whether the last shown line has no end yet.
    pub(in crate::render) const fn is_open(&self) -> bool {
        self.open
    }
}

impl Lines<'_> {
    pub(super) fn all(&mut self) {
        let opaque = self.hit.opaque.filter(|_| self.settings.body != Body::Full);
        let in_body = |found: &Range<usize>| found.end > self.hit.head.max(self.hit.carried.head);
        let opaque = opaque.filter(|_| !self.so_far.body && !self.hit.matches.iter().any(in_body));
        if self.so_far.blank && self.hit.body_size > 0 {
            self.so_far.blank = false;
            self.out.push(b'\n');
        }
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
                            self.so_far.hidden += body.len() as u64;
                        } else {
                            self.so_far.body = true;
                            self.body(body);
                        }
                    }
                }
                Piece::Skipped(len) => {
                    self.hide_begun();
                    self.so_far.hidden += len;
                }
                Piece::Missing(len, _) => {
                    self.hide_begun();
                    self.close();
                    self.mark_hidden();
                    self.note(&format!("[{len} bytes not captured]"));
                }
            }
        }
        if !self.hit.is_end() {
            // The line may continue in the next portion.
            if self.so_far.open && !self.continues {
                self.out.push(b'\n');
            }
            return;
        }
        self.close();
        self.hide_begun();
        if let Some(media) = opaque.filter(|_| self.hit.body_size > 0) {
            self.note(&format!("[{media}, {}]", human::size(self.hit.body_size)));
        } else if self.so_far.hidden > 0 && self.settings.body != Body::None {
            let way = if self.settings.body == Body::Full {
                "--max-body"
            } else {
                "--body=full"
            };
            self.note(&format!(
                "... {} more ({way})",
                human::size(self.so_far.hidden)
            ));
        }
    }

    /// Writes the whole head, without the empty line at its end if nothing follows.
    fn head(&mut self, range: Range<usize>) {
        let bytes = &self.hit.text.bytes[range.clone()];
        let mut end = range.end;
        if self.hit.body_size == 0 || self.settings.body == Body::None {
            let blank = [&b"\n\r\n"[..], b"\n\n"]
                .into_iter()
                .find(|blank| bytes.ends_with(blank));
            end -= blank.map_or(0, |blank| blank.len() - 1);
            self.so_far.blank =
                blank.is_some() && !self.hit.is_end() && self.settings.body != Body::None;
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
                Body::None => matched || self.continues,
                Body::Short => {
                    let few = self.so_far.shown < SHORT_LINES && self.so_far.hidden == 0;
                    matched || self.so_far.open || few
                }
                Body::Full => true,
            };
            if wanted {
                self.hide_begun();
                if self.so_far.hidden > 0 {
                    self.close();
                    self.mark_hidden();
                }
                self.line(at..line);
                self.so_far.shown += usize::from(!std::mem::take(&mut self.continues));
            } else if self.may_match(at..line) {
                let bytes = &self.hit.text.bytes[at..line];
                self.so_far.begun.extend_from_slice(bytes);
            } else {
                self.hide_begun();
                self.so_far.hidden += (line - at) as u64;
            }
            at = line;
        }
    }

    /// Whether a line without a match may match together with the next portion: the line continues
    /// there, or a match has begun in it.
    fn may_match(&self, line: Range<usize>) -> bool {
        let bytes = self.hit.text.bytes;
        let open = bytes.len() - self.hit.carried.open.min(bytes.len());
        let cut = line.end == bytes.len() && !bytes.ends_with(b"\n");
        !self.hit.is_end() && (cut || line.end > open)
    }

    /// Counts the held lines, which did not match, as hidden.
    fn hide_begun(&mut self) {
        self.so_far.hidden += std::mem::take(&mut self.so_far.begun).len() as u64;
    }

    /// Writes a line, or the part of it in this piece.
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
        let mut marks = 0;
        segments(
            range.start..end,
            self.hit.matches,
            self.hit.styles,
            |part, paint| {
                painted(color, paint, out, |out| {
                    escape.write_on(&bytes[part], &mut marks, out);
                });
            },
        );
        if ends {
            out.push(b'\n');
        }
        self.so_far.open = !ends;
    }

    fn close(&mut self) {
        // End the part of a line that an earlier portion has shown.
        if std::mem::take(&mut self.so_far.open) && !std::mem::take(&mut self.continues) {
            self.out.push(b'\n');
        }
    }

    fn mark_hidden(&mut self) {
        let hidden = std::mem::take(&mut self.so_far.hidden);
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

    pub(super) fn hex(&mut self) {
        for piece in self.hit.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    let bytes = &self.hit.text.bytes[range.clone()];
                    let inside: Vec<_> = match self.settings.color {
                        true => within(self.hit.matches, range),
                        false => Vec::new(),
                    };
                    hex::rows(
                        bytes,
                        &inside,
                        &self.settings.escape,
                        self.out,
                        &mut |cell, out| {
                            painted(true, Some(Paint::Match), out, |out| {
                                out.extend_from_slice(cell);
                            });
                        },
                    );
                }
                Piece::Skipped(len) => self.so_far.hidden += len,
                Piece::Missing(len, _) => self.note(&format!("[{len} bytes not captured]")),
            }
        }
        if self.so_far.hidden > 0 && self.hit.is_end() {
            self.note(&format!(
                "... {} more (--body=full)",
                human::size(self.so_far.hidden)
            ));
        }
    }
}

/// End of the line that continues at `at`, including its LF; at most `end`.
fn line_end(bytes: &[u8], at: usize, end: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..end]).map_or(end, |lf| at + lf + 1)
}

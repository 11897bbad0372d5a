//! The lines of one message: its head whole, its body as far as it is wanted, marks where bytes are missing.

use std::ops::Range;

use crate::hit::{Hit, Piece, Portion};
use crate::render::style::{Paint, painted, segments, within};
use crate::render::{Body, Settings, hex, human};

/// Lines of a body for [`Body::Short`].
const SHORT_LINES: usize = 40;

/// The lines of one message.
pub(super) struct Lines<'a> {
    pub(super) settings: &'a Settings,
    pub(super) hit: &'a Hit<'a>,
    pub(super) out: &'a mut Vec<u8>,
    /// Bytes not shown since the last shown line.
    pub(super) hidden: u64,
    /// Lines of the body shown.
    pub(super) shown: usize,
    /// The last line has no end yet.
    pub(super) open: bool,
}

impl Lines<'_> {
    pub(super) fn all(&mut self) {
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

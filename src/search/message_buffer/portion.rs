//! A *portion*: the part of a message's excerpt that is shown before the message ends, and then
//! dropped. The portions of a message add up to exactly the excerpt of the whole message.

use std::ops::Range;

use crate::hit::{Carried, Piece};

use super::{Excerpt, MessageBuffer, SPARE};
use crate::search::query::Query;

/// End of a portion, in the kept bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// End of the shown bytes.
    pub(super) end: usize,
    /// Number of shown pieces.
    pieces: usize,
    /// Start of the last run of adjacent pieces; `None` when bytes are skipped or missing between
    /// the end of the portion and the next kept byte.
    run: Option<usize>,
    /// Offset from which the next match is searched for.
    resume: usize,
}

/// How much of the kept bytes a portion covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of them, except an incomplete character or line end at the end.
    All,
    /// Up to the last empty line: redacted secrets lie between two empty lines.
    Paragraphs,
    /// Only the head.
    Head,
}

/// Bytes before an offset that decide whether a line or a word begins there.
const CONTEXT: usize = 4;
/// Maximum length of a match that is held back because it is undecided; a longer one is shown in
/// parts.
const BEGUN: usize = 64 << 10;

impl MessageBuffer {
    /// Decides which kept bytes are shown before the message ends. Returns false if there are none.
    pub fn cut(&mut self, extent: Extent) -> bool {
        let from = self.carried.len;
        let last = match self.pieces.last() {
            Some(Piece::Kept(range)) => Some(range.start.max(from)),
            _ => None,
        };
        let all = self.bytes.len();
        let end = match (extent, last) {
            // The head was shown before.
            (Extent::Head, _) if self.head == 0 => return false,
            (Extent::Head, _) => self.head,
            (_, None) => all,
            (Extent::All, Some(start)) => {
                all - unfinished(self.bytes.get(start..).unwrap_or_default())
            }
            (Extent::Paragraphs, Some(start)) => {
                start + paragraphs(self.bytes.get(start..).unwrap_or_default())
            }
        };
        let shown = self.split(end);
        // The bytes skipped last are kept after all if a match follows in their line.
        let goes_on = shown < self.pieces.len() || self.skipped <= self.tail.len() as u64;
        let mut run = 0;
        let mut touches = false;
        for piece in &self.pieces[..shown] {
            touches = match piece {
                Piece::Kept(range) => {
                    run = run.min(range.start);
                    true
                }
                Piece::Skipped(_) | Piece::Missing(..) => {
                    run = usize::MAX;
                    false
                }
            };
        }
        self.portion = Cut {
            end,
            pieces: shown,
            run: Some(run).filter(|_| touches && goes_on),
            resume: end,
        };
        shown > 0
    }

    /// Returns the portion chosen by [`cut`](Self::cut), with the matches of `query`. Those that
    /// reach its end are included, and counted in `unsettled`.
    pub fn show_portion(&mut self, query: Option<&Query>) -> Excerpt<'_> {
        let Cut {
            end, pieces, run, ..
        } = self.portion;
        self.find(query, end);
        let (mut unsettled, mut open) = (0, 0);
        if let (Some(run), Some(query)) = (run, query) {
            // Only in the last run of adjacent pieces: the next kept bytes continue it.
            let from = if run == 0 { self.search_from } else { run };
            let first = self.matches.partition_point(|found| found.start < run);
            let found: Vec<Range<usize>> = self.matches[first..]
                .iter()
                .map(|found| found.start - run..found.end - run)
                .collect();
            let certain = query.certain(&self.bytes[run..end], from - run, &found);
            let resume = run + certain.resume;
            if end - resume <= BEGUN {
                unsettled = found.len().saturating_sub(certain.matches);
                self.portion.resume = resume;
                open = end.saturating_sub(resume.max(self.carried.len));
            }
        }
        self.lend(pieces, end, unsettled, open)
    }

    /// Drops the portion that was shown; the search continues.
    pub fn forget(&mut self) {
        let Cut {
            end,
            pieces,
            run,
            resume,
        } = std::mem::take(&mut self.portion);
        let noted = self.pieces.drain(..pieces).map(|piece| match piece {
            Piece::Kept(range) => range.len() as u64,
            Piece::Skipped(len) => {
                self.carried.skipped = true;
                len
            }
            Piece::Missing(..) => 0,
        });
        let noted: u64 = noted.sum();
        self.start += noted.saturating_sub(self.head as u64);
        let old = self.carried;
        let from = run.map_or(end, |run| resume.saturating_sub(CONTEXT).max(run));
        let (head, at) = if from < old.head {
            (old.head - from, old.at + from as u64)
        } else if old.len == 0 && from < self.head {
            (self.head - from, from as u64)
        } else {
            (0, self.start.saturating_sub((end - from) as u64))
        };
        self.carried = Carried {
            len: end - from,
            head,
            at,
            ..old
        };
        self.search_from = resume.saturating_sub(from);
        self.bytes.drain(..from);
        for piece in &mut self.pieces {
            if let Piece::Kept(range) = piece {
                *range = range.start - from..range.end - from;
            }
        }
        self.matches.clear();
        self.head = 0;
        self.excerpts = 0;
        self.excerpts_paused = false;
        self.bytes.shrink_to(SPARE);
    }

    /// Returns how many pieces lie before `end`; a piece that crosses `end` is split there.
    fn split(&mut self, end: usize) -> usize {
        let mut count = 0;
        for piece in &mut self.pieces {
            match piece {
                Piece::Kept(range) if range.start >= end => break,
                Piece::Kept(range) if range.end > end => {
                    let rest = Piece::Kept(end..range.end);
                    range.end = end;
                    count += 1;
                    self.pieces.insert(count, rest);
                    break;
                }
                Piece::Kept(_) | Piece::Skipped(_) | Piece::Missing(..) => count += 1,
            }
        }
        count
    }
}

/// Number of bytes at the end of a text that are held back until more follow: an incomplete
/// character, or a CR whose LF may follow.
fn unfinished(text: &[u8]) -> usize {
    if text.last() == Some(&b'\r') {
        return 1;
    }
    let tail = &text[text.len().saturating_sub(3)..];
    match tail.iter().rposition(|byte| byte & 0xc0 != 0x80) {
        Some(at) => match str::from_utf8(&tail[at..]) {
            Err(error) if error.error_len().is_none() => tail.len() - at,
            _ => 0,
        },
        None => 0,
    }
}

/// Number of bytes up to the end of the last empty line.
fn paragraphs(text: &[u8]) -> usize {
    let mut end = text.len();
    while let Some(at) = memchr::memrchr(b'\n', &text[..end]) {
        let line = &text[..at];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.last() == Some(&b'\n') {
            return at + 1;
        }
        end = at;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_that_is_masked_ends_with_an_empty_line() {
        for (text, end) in [
            (&b"a\n\nb\n"[..], 3),
            (b"a\r\n\r\nb", 5),
            (b"a\n\n", 3),
            (b"a\nb\n", 0),
            (b"\n", 0),
            (b"\n\n\n", 3),
            (b"", 0),
        ] {
            assert_eq!(paragraphs(text), end, "{}", text.escape_ascii());
        }
    }
}

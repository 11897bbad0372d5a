//! The codings of a body, by their names in `Content-Encoding` and `Transfer-Encoding`. A list has
//! at most [`CODINGS`] of them; with an unknown one, none is undone.

use memchr::memchr2_iter;

use crate::limits::CODINGS;

/// A coding that can be undone (the registry of RFC 9110 section 16.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 alone, which many senders use under this name.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// Chunks that the head does not declare; never in a list.
    Chunked,
}

impl Coding {
    /// The name of the coding in HTTP.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Chunked => "chunked",
        }
    }
}

/// What a head that breaks the rules may mean: codings whose names are anywhere in it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Hints {
    /// `chunked`.
    pub(crate) chunked: bool,
    /// `deflate`, which has no signature as raw data.
    pub(crate) deflate: bool,
    /// `br`, which has no signature.
    pub(crate) brotli: bool,
}

impl Hints {
    /// No coding is named.
    pub(crate) const NONE: Self = Self {
        chunked: false,
        deflate: false,
        brotli: false,
    };

    /// Searches a head. Lines of what the sender accepts (`Accept-...`) do not count.
    #[cold]
    pub(crate) fn of(head: &[u8]) -> Self {
        let mut hints = Self::NONE;
        let lines = head.split(|byte| matches!(byte, b'\n' | b'\r'));
        let counts = |line: &&[u8]| {
            let accepts = line.get(..6).unwrap_or_default();
            !accepts.eq_ignore_ascii_case(b"accept")
        };
        for line in lines.filter(counts) {
            let is_whole = |at: usize, word: &[u8]| {
                let ends =
                    |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
                ends(at.checked_sub(1).and_then(|at| line.get(at)))
                    && ends(line.get(at.saturating_add(word.len())))
            };
            let has = |[small, capital]: [u8; 2], word: &[u8], whole: bool| {
                memchr2_iter(small, capital, line).any(|at| {
                    let part = line.get(at..at.saturating_add(word.len()));
                    part.is_some_and(|part| part.eq_ignore_ascii_case(word))
                        && (!whole || is_whole(at, word))
                })
            };
            hints.chunked |= has(*b"kK", b"ked", false) && has(*b"cC", b"chunked", false);
            hints.deflate |= has(*b"fF", b"flate", false) && has(*b"dD", b"deflate", false);
            hints.brotli |= has(*b"bB", b"br", true);
        }
        hints
    }

    /// Whether a coding without a signature is named.
    pub(crate) const fn has_unmarked(self) -> bool {
        self.deflate || self.brotli
    }
}

/// The codings in all fields of a message, in the order in which they were applied.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Codings {
    list: [Option<Coding>; CODINGS],
    len: usize,
    /// Whether a coding is unknown, or there are too many: then none can be undone.
    unknown: bool,
    /// Whether `chunked` was named. It must be the last one.
    chunked: bool,
}

impl Codings {
    /// Adds the value of another field, which is a list.
    pub(crate) fn and(mut self, value: &[u8]) -> Self {
        for name in value.split(|byte| *byte == b',') {
            self.add(name.trim_ascii());
        }
        self
    }

    /// The codings of the content, then those of the transfer.
    pub(crate) fn then(mut self, transfer: Self) -> Self {
        for coding in transfer.list.into_iter().flatten() {
            self.apply(coding);
        }
        self.unknown |= transfer.unknown;
        self
    }

    /// Whether no coding is named.
    pub(crate) const fn is_none(&self) -> bool {
        self.len == 0 && !self.unknown && !self.chunked
    }

    /// Whether all codings can be undone.
    pub(crate) const fn are_known(&self) -> bool {
        !self.unknown
    }

    /// The codings that are undone; none if one of them is unknown.
    pub(in crate::dissect) fn undoable(&self) -> &[Option<Coding>] {
        let len = if self.unknown { 0 } else { self.len };
        self.list.get(..len).unwrap_or_default()
    }

    fn add(&mut self, name: &[u8]) {
        let is = |names: &[&str]| {
            names
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        };
        if is(&["", "identity"]) {
        } else if is(&["chunked"]) {
            self.unknown |= self.chunked;
            self.chunked = true;
        } else if is(&["gzip", "x-gzip"]) {
            self.apply(Coding::Gzip);
        } else if is(&["deflate"]) {
            self.apply(Coding::Deflate);
        } else if is(&["br"]) {
            self.apply(Coding::Brotli);
        } else if is(&["zstd"]) {
            self.apply(Coding::Zstd);
        } else {
            self.add_odd(name);
        }
    }

    /// Parses a name with surplus characters around it. Any other name is unknown.
    #[cold]
    fn add_odd(&mut self, name: &[u8]) {
        let word = name.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric();
        let start = word.iter().position(is_part).unwrap_or(word.len());
        let end = word.iter().rposition(is_part);
        let inner = word.get(start..end.map_or(start, |at| at.saturating_add(1)));
        match inner {
            Some(inner) if inner.len() < name.len() && !inner.is_empty() => self.add(inner),
            _ => self.unknown = true,
        }
    }

    fn apply(&mut self, coding: Coding) {
        match self.list.get_mut(self.len) {
            Some(place) if !self.chunked => {
                *place = Some(coding);
                self.len = self.len.saturating_add(1);
            }
            _ => self.unknown = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_head_gives_hints() {
        let table = [
            ("Content-Type: text/html\r\n", (false, false, false)),
            ("Transfer Encoding: CHUNKED\r\n", (true, false, false)),
            ("X: y\rContent-Encoding:deflate\r\n", (false, true, false)),
            ("Content-Encoding\r\n : br\r\n", (false, false, true)),
            ("Accept-Encoding: deflate, br\r\n", (false, false, false)),
        ];
        for (head, hints) in table {
            let found = Hints::of(head.as_bytes());
            let found = (found.chunked, found.deflate, found.brotli);
            assert_eq!(found, hints, "{head}");
        }
    }

    #[test]
    fn codings_are_known_by_name_and_undone_all_or_none() {
        use Coding::{Brotli, Deflate, Gzip, Zstd};
        let table: &[(&[&str], &[Coding], bool)] = &[
            (&[], &[], true),
            (&["identity"], &[], true),
            (&["gzip"], &[Gzip], true),
            (&["X-GZip , br"], &[Gzip, Brotli], true),
            (&["gzip", "deflate"], &[Gzip, Deflate], true),
            (&["gzip, chunked"], &[Gzip], true),
            (&["chunked, gzip"], &[], false),
            (&["chunked, chunked"], &[], false),
            (&["compress"], &[], false),
            (&["compress, gzip"], &[], false),
            (&["zstd,zstd,,zstd,zstd"], &[Zstd; 4], true),
            (
                &["zstd,zstd,zstd,zstd,zstd,zstd,zstd,zstd"],
                &[Zstd; 8],
                true,
            ),
            (
                &["zstd,zstd,zstd,zstd,zstd,zstd,zstd,zstd,zstd"],
                &[],
                false,
            ),
            (&["gzip;"], &[Gzip], true),
            (&["gzip;q=1"], &[Gzip], true),
            (&[": gzip"], &[Gzip], true),
            (&["\"gzip\""], &[Gzip], true),
            (&["gzip\0"], &[Gzip], true),
            (&["\u{b}deflate, br\u{7f}"], &[Deflate, Brotli], true),
            (&["x gzip"], &[], false),
            (&[";"], &[], false),
        ];
        for (fields, undone, known) in table {
            let codings = fields.iter().fold(Codings::default(), |codings, field| {
                codings.and(field.as_bytes())
            });
            let list: Vec<_> = codings.undoable().iter().copied().flatten().collect();
            assert_eq!(
                (list.as_slice(), codings.are_known()),
                (*undone, *known),
                "{fields:?}"
            );
        }
    }
}

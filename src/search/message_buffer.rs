//! One open message: how far it was searched, and what is kept of it to be shown.
//!
//! Kept are its head, the start of its body, and the lines around each match behind that; all
//! bounded, in buffers that are used again for the next message.
//!
//! What is kept may be shown before the message is over: as a portion, which is then forgotten. The
//! portions together are the text that would be shown of the whole message, and have its matches.
//! So what is decided by bytes to come stays for the next portion: half a character, how many bytes
//! are skipped behind the last kept one, and a match that reaches the end.

mod portion;

use std::ops::Range;

use crate::hit::{Carried, Piece, Text};
use crate::message::Part;
use crate::stream::GapReason;

use super::plain::Plain;
use portion::Cut;
pub use portion::Extent;

use super::query::{Progress, Query, ScanState};

/// How much of a message is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepLimits {
    /// Bytes of the head.
    pub head: usize,
    /// Bytes from the start of the body.
    pub body: usize,
    /// Lines around matches behind that.
    pub around: bool,
    /// Only this many bytes of the message are searched and shown.
    pub first: Option<usize>,
}

/// A message that is being said.
#[derive(Clone, Debug, Default)]
pub struct MessageBuffer {
    progress: Vec<Progress>,
    /// It may be no text; and whether it is, as far as that matters.
    raw: bool,
    plain: Plain,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    matches: Vec<Range<usize>>,
    /// Bytes of the body before what is kept, and is not counted in `skipped`.
    start: u64,
    /// What earlier portions have shown and left here.
    carried: Carried,
    /// Where in `bytes` the next match is looked for.
    search_from: usize,
    /// What of `bytes` belongs to the portion that was lent last, and where matches are looked for
    /// behind it.
    portion: Cut,
    /// No more lines around matches are kept: there are as many as may wait.
    sated: bool,
    /// Kept bytes of the head.
    head: usize,
    /// Bytes of the head that were said.
    head_said: usize,
    /// Bytes of the body that were said.
    body: u64,
    /// Bytes of the body that were kept from its start.
    body_kept: usize,
    /// Bytes kept around matches further on.
    excerpts: usize,
    /// Bytes said and not kept since the last kept one.
    skipped: u64,
    /// The last of those, for the line in front of a match.
    tail: Vec<u8>,
    /// Bytes still to be kept to end the line behind a match.
    wanted: usize,
}

/// What is kept of a message, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// The text.
    pub text: Text<'a>,
    /// Bytes of the body in front of it, which were forgotten.
    pub start: u64,
    /// What of earlier portions matters to it.
    pub carried: Carried,
    /// Bytes of it that are the head.
    pub head: usize,
    /// The matches in it.
    pub matches: &'a [Range<usize>],
    /// Bytes of the whole body.
    pub body_size: u64,
}

/// Bytes kept in front of a match, back to its line's start; and behind it, up to its line's end.
const AROUND: usize = 512;
/// Bytes of excerpts after which they are to be taken out.
const EXCERPTS: usize = 64 << 10;

impl MessageBuffer {
    /// Begin a message, with a text of its own or where `bookmark` says. `raw`: no protocol tells
    /// whether it is text.
    pub fn begin(&mut self, query: &Query, bookmark: Option<&ScanState>, raw: bool) {
        query.begin(&mut self.progress, bookmark, raw);
        self.raw = raw && query.is_wide();
        self.plain = Plain::default();
        self.head_said = 0;
        self.body = 0;
        self.bytes.clear();
        self.bytes.shrink_to(SPARE);
        self.pieces.clear();
        self.matches.clear();
        self.start = 0;
        self.carried = Carried::default();
        self.search_from = 0;
        self.sated = false;
        self.head = 0;
        self.body_kept = 0;
        self.excerpts = 0;
        self.skipped = 0;
        self.tail.clear();
        self.wanted = 0;
    }

    /// Search and keep the next bytes; `lacks` when [at a glance](Query::glance) nothing is in
    /// them.
    pub fn feed(
        &mut self,
        query: &Query,
        keep: &KeepLimits,
        part: Part,
        bytes: &[u8],
        lacks: bool,
    ) {
        let bytes = match keep.first {
            Some(first) => {
                let said = self.head_said as u64 + self.body;
                let left =
                    usize::try_from((first as u64).saturating_sub(said)).unwrap_or(usize::MAX);
                let (searched, ignored) = bytes.split_at(left.min(bytes.len()));
                self.count(part, ignored.len());
                searched
            }
            None => bytes,
        };
        if bytes.is_empty() {
            return;
        }
        let text = !(self.raw && self.plain.take(bytes));
        let mut progress = std::mem::take(&mut self.progress);
        if part == Part::Head {
            query.feed(&mut progress, bytes, lacks, text, &mut |_, _| ());
            let room = keep.head.saturating_sub(self.head);
            let (kept, skipped) = bytes.split_at(room.min(bytes.len()));
            self.keep(kept);
            self.head += kept.len();
            self.skip(skipped);
        } else {
            let room = keep.body.saturating_sub(self.body_kept);
            if room >= bytes.len() {
                query.feed(&mut progress, bytes, lacks, text, &mut |_, _| ());
                self.keep(bytes);
                self.body_kept += bytes.len();
            } else {
                let (kept, rest) = bytes.split_at(room);
                query.feed(&mut progress, kept, lacks, text, &mut |_, _| ());
                self.keep(kept);
                self.body_kept += kept.len();
                let mut done = 0;
                query.feed(&mut progress, rest, lacks, text, &mut |end, len| {
                    if keep.around && !self.sated {
                        done = self.excerpt(rest, done, end, len);
                    }
                });
                self.pass(&rest[done..]);
            }
        }
        self.progress = progress;
        self.count(part, bytes.len());
    }

    /// Bytes were not captured here.
    pub fn missing(&mut self, query: &Query, len: u64, reason: GapReason) {
        query.gap(&mut self.progress);
        if self.pieces.len() >= PIECES {
            // Gap upon gap: the marks are full, the counters go on.
            self.skipped += len;
            self.wanted = 0;
            return;
        }
        self.note_skipped();
        self.tail.clear();
        self.wanted = 0;
        self.pieces.push(Piece::Missing(len, reason));
    }

    /// The message is over: with the text's true end, or cut off. (A text that goes on in the next
    /// message has no end here.)
    pub fn end(&mut self, query: &Query, truly: bool) {
        query.end(&mut self.progress, truly);
    }

    /// Whether the message holds, as far as it was searched.
    #[must_use]
    pub fn holds(&self, query: &Query) -> bool {
        query.holds(&self.progress, self.is_text())
    }

    /// Whether something was found that must not be there.
    #[must_use]
    pub fn is_refused(&self, query: &Query) -> bool {
        query.refuses(&self.progress)
    }

    /// Whether the message would hold if its text ended truly here.
    #[must_use]
    pub fn would_hold(&self, query: &Query) -> bool {
        query.would_hold(&self.progress)
    }

    /// Whether a match is begun and not decided.
    #[must_use]
    pub fn is_open(&self, query: &Query) -> bool {
        query.is_open(&self.progress, self.is_text())
    }

    /// Note how far the text was read, for the message that goes on with it.
    pub fn mark(&self, bookmark: &mut ScanState) {
        Query::mark(&self.progress, bookmark);
    }

    /// Whether nothing was said but framing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head_said == 0 && self.body == 0
    }

    /// Bytes that were said of it, decoded.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.head_said as u64 + self.body
    }

    /// What is kept of its head.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    /// Bytes of memory that it has allocated.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.capacity()
            + self.tail.capacity()
            + self.pieces.capacity() * size_of::<Piece>()
            + self.matches.capacity() * size_of::<Range<usize>>()
            + self.progress.capacity() * size_of::<Progress>()
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether anything is kept that no portion has shown.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Keep no more lines around matches until a portion is shown: it is not known whether any will
    /// be.
    pub fn sate(&mut self) {
        self.sated = true;
    }

    /// Whether so many excerpts are kept that they are to be shown and [forgotten](Self::forget)
    /// now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Not inside of a match's line: what is behind the end that was found first may belong to
        // it.
        (self.excerpts >= EXCERPTS && self.wanted == 0) || self.excerpts >= 2 * EXCERPTS
    }

    /// What is kept, with the matches in it; or, behind portions, what those have not shown.
    pub fn show(&mut self, query: &Query) -> Excerpt<'_> {
        self.note_skipped();
        self.find(query, self.bytes.len());
        self.lend(self.pieces.len(), self.bytes.len(), 0, 0)
    }

    /// Find the matches in what is kept up to `end`.
    fn find(&mut self, query: &Query, end: usize) {
        self.matches.clear();
        let is_text = self.is_text();
        // Pieces that touch are one text, and with it what was shown before them.
        let mut run = 0..self.carried.len;
        let mut from = self.search_from;
        for piece in &self.pieces {
            match piece {
                Piece::Kept(range) => run.end = range.end.min(end).max(run.start),
                Piece::Skipped(_) | Piece::Missing(..) => {
                    query.extents(
                        &self.bytes[run.clone()],
                        from,
                        run.start,
                        is_text,
                        &mut self.matches,
                    );
                    (run, from) = (run.end..run.end, 0);
                }
            }
        }
        query.extents(
            &self.bytes[run.clone()],
            from,
            run.start,
            is_text,
            &mut self.matches,
        );
    }

    fn lend(&self, pieces: usize, end: usize, unsettled: usize, open: usize) -> Excerpt<'_> {
        Excerpt {
            text: Text {
                bytes: &self.bytes[..end],
                pieces: &self.pieces[..pieces],
            },
            start: self.start,
            carried: Carried {
                unsettled,
                open,
                ..self.carried
            },
            head: self.head,
            matches: &self.matches,
            body_size: self.body,
        }
    }

    /// Whether it is text, as far as that matters.
    fn is_text(&self) -> bool {
        !(self.raw && self.plain.is_not())
    }

    fn count(&mut self, part: Part, len: usize) {
        match part {
            Part::Head => self.head_said += len,
            Part::Body | Part::Trailer => self.body += len as u64,
        }
    }

    /// Keep bytes that follow what is kept.
    fn keep(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.note_skipped();
        self.tail.clear();
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Kept(range)) if range.end == from => range.end = self.bytes.len(),
            _ => self.pieces.push(Piece::Kept(from..self.bytes.len())),
        }
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.skipped += bytes.len() as u64;
        let last = bytes.len().saturating_sub(AROUND);
        if last > 0 || self.tail.len() + bytes.len() > 2 * AROUND {
            let spare = (self.tail.len() + (bytes.len() - last))
                .saturating_sub(AROUND)
                .min(self.tail.len());
            self.tail.drain(..spare);
        }
        self.tail.extend_from_slice(&bytes[last..]);
    }

    fn note_skipped(&mut self) {
        if self.skipped > 0 {
            self.pieces.push(Piece::Skipped(self.skipped));
            self.skipped = 0;
        }
    }

    /// Bytes behind the kept start in which nothing (more) was found.
    fn pass(&mut self, bytes: &[u8]) {
        if self.wanted == 0 {
            return self.skip(bytes);
        }
        let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (kept, rest) = bytes.split_at(line.min(self.wanted).min(bytes.len()));
        self.keep(kept);
        self.excerpts += kept.len();
        self.wanted = if kept.ends_with(b"\n") {
            0
        } else {
            self.wanted - kept.len()
        };
        self.skip(rest);
    }

    /// Keep the line around a match that ends at `end` in `bytes` and begins at the earliest `len`
    /// bytes in front of that; `done` bytes are already dealt with. Says how many are now.
    fn excerpt(&mut self, bytes: &[u8], done: usize, end: usize, len: usize) -> usize {
        let end = end.max(done);
        let begin = end.saturating_sub(len).max(done);
        let between = &bytes[done..begin];
        // The end of the last match's line; then what is skipped, but for the start of this match's
        // line.
        self.pass(between);
        if !self.tail.is_empty() {
            let line = memchr::memrchr(b'\n', &self.tail).map_or(0, |at| at + 1);
            let back = self.tail.len() - line;
            let start = std::mem::take(&mut self.tail);
            self.skipped = self.skipped.saturating_sub(back as u64);
            self.keep(&start[line..]);
            self.excerpts += back;
            self.tail = start;
            self.tail.clear();
        }
        self.keep(&bytes[begin..end]);
        self.excerpts += end - begin;
        self.wanted = AROUND;
        end
    }
}

/// Pieces of one message, so that many small gaps do not fill the memory with marks.
const PIECES: usize = 4096;
/// Capacity that a unit's buffer keeps while it is not used.
const SPARE: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::QuerySpec;

    const KEEP: KeepLimits = KeepLimits {
        head: 1024,
        body: 8,
        around: true,
        first: None,
    };

    fn query(pattern: &str) -> Query {
        Query::compile(&QuerySpec {
            any: vec![pattern.to_owned()],
            ..QuerySpec::default()
        })
        .unwrap()
    }

    /// What is kept, as text: `<n>` for skipped bytes, `!n!` for missing ones, matches in brackets.
    fn kept(unit: &mut MessageBuffer, query: &Query) -> String {
        let shown = unit.show(query);
        let mut out = String::new();
        for piece in shown.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    for at in range.clone() {
                        if shown.matches.iter().any(|found| found.start == at) {
                            out.push('[');
                        }
                        out.push(char::from(shown.text.bytes[at]));
                        if shown.matches.iter().any(|found| found.end == at + 1) {
                            out.push(']');
                        }
                    }
                }
                Piece::Skipped(len) => out += &format!("<{len}>"),
                Piece::Missing(len, _) => out += &format!("!{len}!"),
            }
        }
        out
    }

    fn said(query: &Query, head: &str, body: &str, chunk: usize) -> MessageBuffer {
        let mut unit = MessageBuffer::default();
        unit.begin(query, None, false);
        for (part, text) in [(Part::Head, head), (Part::Body, body)] {
            for piece in text.as_bytes().chunks(chunk) {
                unit.feed(query, &KEEP, part, piece, false);
            }
        }
        unit
    }

    #[test]
    fn the_head_the_start_and_the_lines_around_matches_are_kept_however_it_was_cut() {
        let query = query("needle");
        let line = "hay hay hay\n".repeat(100);
        let body = format!("{line}a needle in\n{line}needle, needle\n{line}");
        for chunk in [1, 2, 3, 7, 100, 5000] {
            let mut unit = said(&query, "GET needle\n", &body, chunk);
            assert!(unit.holds(&query));
            assert_eq!(
                kept(&mut unit, &query),
                "GET [needle]\nhay hay <1192>a [needle] in\n<1200>[needle], [needle]\n<1200>",
                "pieces of {chunk}"
            );
        }
    }

    #[test]
    fn long_lines_are_kept_in_part() {
        let query = query("needle");
        let body = format!("{}needle{}", "x".repeat(5000), "y".repeat(5000));
        for chunk in [1, 100, 20_000] {
            let mut unit = said(&query, "", &body, chunk);
            let shown = unit.show(&query);
            assert_eq!(shown.matches.len(), 1, "pieces of {chunk}");
            assert!(
                (500..2000).contains(&shown.text.bytes.len()),
                "{} bytes",
                shown.text.bytes.len()
            );
            assert_eq!(shown.body_size, 10_006);
        }
    }

    #[test]
    fn no_match_crosses_what_is_missing_and_it_is_shown_where_it_was() {
        let query = query("needle");
        let mut unit = MessageBuffer::default();
        unit.begin(&query, None, false);
        unit.feed(&query, &KEEP, Part::Body, b"a nee", false);
        unit.missing(&query, 7, GapReason::Acked);
        unit.feed(&query, &KEEP, Part::Body, b"dle", false);
        unit.end(&query, true);
        assert!(!unit.holds(&query));
        assert_eq!(kept(&mut unit, &query), "a nee!7!dle");
    }

    #[test]
    fn a_text_goes_on_from_its_bookmark() {
        let query = query("needle");
        let mut unit = said(&query, "", "a nee", 10);
        assert!(unit.is_open(&query) && !unit.holds(&query));
        let mut mark = ScanState::default();
        unit.mark(&mut mark);
        unit.begin(&query, Some(&mark), false);
        unit.feed(&query, &KEEP, Part::Body, b"dle b", false);
        assert!(unit.holds(&query) && !unit.is_open(&query));
    }

    #[test]
    fn only_the_first_bytes_are_searched_when_asked() {
        let query = query("needle");
        let keep = KeepLimits {
            first: Some(10),
            ..KEEP
        };
        let mut unit = MessageBuffer::default();
        unit.begin(&query, None, false);
        unit.feed(&query, &keep, Part::Head, b"GET /\n", false);
        unit.feed(&query, &keep, Part::Body, b"needle", false);
        assert!(!unit.holds(&query));
        assert_eq!(kept(&mut unit, &query), "GET /\nneed");
    }

    #[test]
    fn all_terms_of_a_question_count() {
        let asked = QuerySpec {
            any: vec!["a".into(), "b".into()],
            and: vec!["c".into()],
            not: vec!["d".into()],
            ..QuerySpec::default()
        };
        let query = Query::compile(&asked).unwrap();
        for (text, want) in [
            ("bc", true),
            ("ac", true),
            ("a", false),
            ("c", false),
            ("acd", false),
        ] {
            assert_eq!(said(&query, "", text, 1).holds(&query), want, "{text}");
            assert_eq!(
                query.holds_in(text.as_bytes(), &mut Vec::new()),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn a_match_is_not_cut_where_a_portion_is_taken_out() {
        let query = query("id=[0-9]+");
        let mut unit = MessageBuffer::default();
        unit.begin(&query, None, false);
        let text = "id=12345 and more\n".repeat(20_000);
        let mut shown = Vec::new();
        for piece in text.as_bytes().chunks(5) {
            unit.feed(&query, &KEEP, Part::Body, piece, false);
            if unit.is_full() {
                assert!(unit.cut(Extent::All));
                let view = unit.show_portion(&query);
                let settled = view.matches.len() - view.carried.unsettled;
                shown.extend(view.matches[..settled].iter().map(Range::len));
                unit.forget();
            }
        }
        shown.extend(unit.show(&query).matches.iter().map(Range::len));
        let whole = shown.iter().filter(|len| **len == 8).count();
        assert_eq!((whole, shown.len()), (20_000, 20_000));
    }

    /// What is shown of a message: its text with `<n>` for skipped and `!n!` for missing bytes, and
    /// its matches with their places.
    #[derive(Default, PartialEq, Eq, Debug)]
    struct Told {
        text: Vec<u8>,
        matches: Vec<(bool, u64, Vec<u8>)>,
    }

    impl Told {
        fn add(&mut self, shown: &Excerpt<'_>) {
            let Carried {
                len,
                head,
                at,
                unsettled,
                ..
            } = shown.carried;
            // For each byte, whether it is of the head, and its place there or in the body.
            let body = shown.start - (len - head) as u64;
            let mut places: Vec<(bool, u64)> =
                (0..head).map(|one| (true, at + one as u64)).collect();
            places.extend((head..len).map(|one| (false, body + (one - head) as u64)));
            let mut place = shown.start;
            for piece in shown.text.pieces {
                match piece {
                    Piece::Kept(range) => {
                        self.text
                            .extend_from_slice(&shown.text.bytes[range.clone()]);
                        for one in range.clone() {
                            let in_head = one < shown.head;
                            places.push((in_head, if in_head { one as u64 } else { place }));
                            place += u64::from(!in_head);
                        }
                    }
                    Piece::Skipped(len) => {
                        self.text.extend_from_slice(format!("<{len}>").as_bytes());
                        place += len;
                    }
                    Piece::Missing(len, _) => {
                        self.text.extend_from_slice(format!("!{len}!").as_bytes());
                    }
                }
            }
            let settled = shown.matches.len() - unsettled;
            for found in &shown.matches[..settled] {
                let (in_head, at) = places[found.start];
                let bytes = shown.text.bytes[found.clone()].to_vec();
                self.matches.push((in_head, at, bytes));
            }
        }
    }

    /// Feed a message in `steps`: how many bytes of its body come at once, whether some are missing
    /// behind them, and whether a portion is shown then.
    fn told(
        query: &Query,
        keep: &KeepLimits,
        text: &[u8],
        steps: &[(usize, bool, Option<Extent>)],
    ) -> Told {
        let mut unit = MessageBuffer::default();
        unit.begin(query, None, false);
        let head = b"GET /id=1 HTTP/1.1\r\nX: \xc3\xa9\r\n\r\n";
        unit.feed(query, keep, Part::Head, head, false);
        let (mut told, mut rest) = (Told::default(), text);
        for (len, gap, portion) in steps.iter().cycle() {
            if let Some(extent) = portion
                && unit.cut(*extent)
            {
                told.add(&unit.show_portion(query));
                unit.forget();
            }
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*len).min(rest.len()));
            unit.feed(query, keep, Part::Body, now, false);
            if *gap {
                unit.missing(query, 3, GapReason::Acked);
            }
            rest = later;
        }
        unit.end(query, true);
        told.add(&unit.show(query));
        told
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        /// Named: `portions_are_the_whole`.
        #[test]
        fn portions_one_after_the_other_are_what_is_shown_of_the_whole(
            words in proptest::collection::vec(0_usize..9, 0..60),
            steps in proptest::collection::vec((1_usize..12, 0_u8..12, 0_u8..6), 1..20),
            pattern in 0_usize..9,
            body in proptest::sample::select(vec![0_usize, 8, 40, 4000]),
            around in proptest::bool::ANY,
        ) {
            const WORDS: [&str; 9] =
                ["id=", "12", "345", "\r\n", "\n", " hay é ", "word3", "data: ", "𝄞x"];
            const PATTERNS: [&str; 9] =
                ["", "id=[0-9]+", "word3", "^data", r"\bhay\b", "3$", r"(?s)id.*3", "é|𝄞x", "[0-9]{2,4}"];
            let text: String = words.iter().map(|word| WORDS[*word]).collect();
            let query = query(PATTERNS[pattern]);
            let keep = KeepLimits { body, around, ..KEEP };
            let steps: Vec<_> = steps
                .iter()
                .map(|(len, gap, portion)| {
                    let extent = match portion {
                        0 | 1 => Some(Extent::All),
                        2 => Some(Extent::Paragraphs),
                        3 => Some(Extent::Head),
                        _ => None,
                    };
                    (*len, *gap == 0, extent)
                })
                .collect();
            let at_once: Vec<_> = steps.iter().map(|(len, gap, _)| (*len, *gap, None)).collect();
            let portions = told(&query, &keep, text.as_bytes(), &steps);
            let whole = told(&query, &keep, text.as_bytes(), &at_once);
            proptest::prop_assert_eq!(
                portions.text.escape_ascii().to_string(),
                whole.text.escape_ascii().to_string()
            );
            proptest::prop_assert_eq!(portions.matches, whole.matches);
        }
    }

    #[test]
    fn what_may_not_be_shown_is_held_bounded_with_its_beginning() {
        let query = query("needle");
        let mut unit = said(&query, "HTTP/1.1 200 OK\n\n", "the start", 100);
        for _ in 0..10_000 {
            unit.feed(
                &query,
                &KEEP,
                Part::Body,
                b"a needle in a very long haystack\n",
                false,
            );
            if unit.is_full() {
                unit.sate();
            }
            assert!(unit.size() <= EXCERPTS + 4 * AROUND);
        }
        let kept = kept(&mut unit, &query);
        assert!(
            kept.starts_with("HTTP/1.1 200 OK\n\nthe starta [needle]"),
            "{}",
            &kept[..60]
        );
        assert!(kept.ends_with('>'), "what is left out is said");
    }

    #[test]
    fn many_small_gaps_are_bounded() {
        let query = query("needle");
        let mut unit = MessageBuffer::default();
        unit.begin(&query, None, false);
        for _ in 0..20_000 {
            unit.feed(&query, &KEEP, Part::Body, b"x", false);
            unit.missing(&query, 1, GapReason::Acked);
        }
        assert!(unit.show(&query).text.pieces.len() <= PIECES + 2);
        unit.feed(&query, &KEEP, Part::Body, b"a needle", false);
        assert!(unit.holds(&query));
    }

    #[test]
    fn many_matches_fill_the_unit_and_none_is_lost() {
        let query = query("needle");
        let mut unit = MessageBuffer::default();
        unit.begin(&query, None, false);
        let mut matches = 0;
        for _ in 0..10_000 {
            unit.feed(
                &query,
                &KEEP,
                Part::Body,
                b"a needle in a very long haystack\n",
                false,
            );
            if unit.is_full() {
                assert!(unit.cut(Extent::All));
                let view = unit.show_portion(&query);
                matches += view.matches.len() - view.carried.unsettled;
                unit.forget();
            }
            assert!(unit.size() <= EXCERPTS + 2 * AROUND);
        }
        assert_eq!(matches + unit.show(&query).matches.len(), 10_000);
    }
}

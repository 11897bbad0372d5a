//! One open message: the state of its search, and the excerpt of it that may be shown. Memory is
//! bounded per message, and the buffers are reused for the next message.
//!
//! The excerpt consists of the message's head, the start of its body, and the lines around each
//! match in the rest of the body.
//!
//! Parts of the excerpt may be shown before the message ends: as portions, which are dropped after
//! they are shown. The concatenated portions equal the text that would be shown for the whole
//! message, with the same matches. Whatever later bytes decide is therefore left to the next
//! portion: an incomplete character, the number of bytes skipped after the last kept one, and a
//! match that reaches the end.

mod portion;

use std::ops::Range;

use crate::hit::{Carried, Piece, Text};
use crate::message::Part;
use crate::stream::GapReason;

use super::plain::Plain;
use portion::Cut;
pub use portion::Extent;

use super::query::{Progress, Query, ScanState};

/// Limits on how much of a message is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeepLimits {
    /// Maximum bytes of the head.
    pub head: usize,
    /// Maximum bytes from the start of the body.
    pub body: usize,
    /// Whether lines around matches in the rest of the body are kept.
    pub around: bool,
    /// If set, only this many bytes of the message are searched and shown.
    pub first: Option<usize>,
}

/// A message that is being received.
#[derive(Clone, Debug, Default)]
pub struct MessageBuffer {
    progress: Vec<Progress>,
    /// Whether the message may be binary and patterns distinguish binary data from text.
    raw: bool,
    plain: Plain,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    matches: Vec<Range<usize>>,
    /// Bytes of the body before the kept ones that are not counted in `skipped`.
    start: u64,
    /// Context that earlier portions left for the next one.
    carried: Carried,
    /// Offset in `bytes` from which the next match is searched for.
    search_from: usize,
    /// End of the portion that was last lent, and where the search for matches resumes after it.
    portion: Cut,
    /// Whether no more lines around matches are kept, because the limit on held excerpts is
    /// reached.
    excerpts_paused: bool,
    /// Kept bytes of the head.
    head: usize,
    /// Bytes of the head received.
    head_received: usize,
    /// Bytes of the body received.
    body: u64,
    /// Bytes kept from the start of the body.
    body_kept: usize,
    /// Bytes kept around matches in the rest of the body.
    excerpts: usize,
    /// Bytes received and not kept since the last kept byte.
    skipped: u64,
    /// The last of the skipped bytes: the start of the line of a match that may follow.
    tail: Vec<u8>,
    /// Bytes still to be kept, up to the end of the line after a match.
    line_budget: usize,
}

/// The kept part of a message, ready to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// The text.
    pub text: Text<'a>,
    /// Bytes of the body before the text that were dropped after an earlier portion.
    pub start: u64,
    /// Context from earlier portions.
    pub carried: Carried,
    /// Number of bytes of the text that belong to the head.
    pub head: usize,
    /// The matches in the text.
    pub matches: &'a [Range<usize>],
    /// Size of the whole body in bytes.
    pub body_size: u64,
}

/// Bytes kept before a match, back to the start of its line, and after it, up to the end of its
/// line.
const AROUND: usize = 512;
/// Bytes of excerpts after which a portion is due.
const EXCERPTS: usize = 64 << 10;

impl MessageBuffer {
    /// Starts a message. Its text starts here, or continues from `bookmark`. `raw`: the protocol
    /// does not declare whether the message is text.
    pub fn begin(&mut self, query: &Query, bookmark: Option<&ScanState>, raw: bool) {
        query.begin(&mut self.progress, bookmark, raw);
        self.raw = raw && query.is_wide();
        self.plain = Plain::default();
        self.head_received = 0;
        self.body = 0;
        self.bytes.clear();
        self.bytes.shrink_to(SPARE);
        self.pieces.clear();
        self.matches.clear();
        self.start = 0;
        self.carried = Carried::default();
        self.search_from = 0;
        self.excerpts_paused = false;
        self.head = 0;
        self.body_kept = 0;
        self.excerpts = 0;
        self.skipped = 0;
        self.tail.clear();
        self.line_budget = 0;
    }

    /// Searches and keeps the next bytes. `lacks`: the [block prefilter](Query::glance) found no
    /// candidate in them.
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
                let received = self.head_received as u64 + self.body;
                let left =
                    usize::try_from((first as u64).saturating_sub(received)).unwrap_or(usize::MAX);
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
            let space = keep.head.saturating_sub(self.head);
            let (kept, skipped) = bytes.split_at(space.min(bytes.len()));
            self.keep(kept);
            self.head += kept.len();
            self.skip(skipped);
        } else {
            let space = keep.body.saturating_sub(self.body_kept);
            if space >= bytes.len() {
                query.feed(&mut progress, bytes, lacks, text, &mut |_, _| ());
                self.keep(bytes);
                self.body_kept += bytes.len();
            } else {
                let (kept, rest) = bytes.split_at(space);
                query.feed(&mut progress, kept, lacks, text, &mut |_, _| ());
                self.keep(kept);
                self.body_kept += kept.len();
                let mut done = 0;
                query.feed(&mut progress, rest, lacks, text, &mut |end, len| {
                    if keep.around && !self.excerpts_paused {
                        done = self.excerpt(rest, done, end, len);
                    }
                });
                self.pass(&rest[done..]);
            }
        }
        self.progress = progress;
        self.count(part, bytes.len());
    }

    /// Records that `len` bytes were not captured here.
    pub fn missing(&mut self, query: &Query, len: u64, reason: GapReason) {
        query.gap(&mut self.progress);
        if self.pieces.len() >= PIECES {
            // Very many gaps: add no more marks, and only count the bytes.
            self.skipped += len;
            self.line_budget = 0;
            return;
        }
        self.note_skipped();
        self.tail.clear();
        self.line_budget = 0;
        self.pieces.push(Piece::Missing(len, reason));
    }

    /// Ends the message: with the true end of its text, or cut off. A text that continues in the
    /// next message does not end here.
    pub fn end(&mut self, query: &Query, truly: bool) {
        query.end(&mut self.progress, truly);
    }

    /// Whether the message matches, as far as it was searched.
    #[must_use]
    pub fn holds(&self, query: &Query) -> bool {
        query.holds(&self.progress, self.is_text())
    }

    /// Whether a pattern that must not match was found.
    #[must_use]
    pub fn is_refused(&self, query: &Query) -> bool {
        query.refuses(&self.progress)
    }

    /// Whether the message would match if its text ended here.
    #[must_use]
    pub fn would_hold(&self, query: &Query) -> bool {
        query.would_hold(&self.progress)
    }

    /// Whether a match has begun and is undecided.
    #[must_use]
    pub fn is_open(&self, query: &Query) -> bool {
        query.is_open(&self.progress, self.is_text())
    }

    /// Stores the state of the search in `bookmark`, for the message that continues the text.
    pub fn mark(&self, bookmark: &mut ScanState) {
        Query::mark(&self.progress, bookmark);
    }

    /// Whether the message had no bytes other than framing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head_received == 0 && self.body == 0
    }

    /// Bytes of the message received, after decoding.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.head_received as u64 + self.body
    }

    /// The kept bytes of its head.
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

    /// Number of kept bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether bytes are kept that no portion has shown.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Keeps no more lines around matches until a portion is shown. Called when it is undecided
    /// whether any portion will be.
    pub fn pause_excerpts(&mut self) {
        self.excerpts_paused = true;
    }

    /// Whether so many excerpts are kept that they must be shown and [dropped](Self::forget).
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Do not stop inside the line of a match: the bytes after the first end found may belong to
        // the match.
        (self.excerpts >= EXCERPTS && self.line_budget == 0) || self.excerpts >= 2 * EXCERPTS
    }

    /// Returns the kept bytes and the matches of `query` in them, without those that portions have
    /// shown.
    pub fn show(&mut self, query: Option<&Query>) -> Excerpt<'_> {
        self.note_skipped();
        self.find(query, self.bytes.len());
        self.lend(self.pieces.len(), self.bytes.len(), 0, 0)
    }

    /// Finds the matches in the kept bytes up to `end`.
    fn find(&mut self, query: Option<&Query>, end: usize) {
        self.matches.clear();
        let Some(query) = query else { return };
        let is_text = self.is_text();
        // Adjacent pieces are searched as one text, which starts with the context of earlier
        // portions.
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

    /// Whether the message is text, where the patterns make a difference.
    fn is_text(&self) -> bool {
        !(self.raw && self.plain.is_not())
    }

    fn count(&mut self, part: Part, len: usize) {
        match part {
            Part::Head => self.head_received += len,
            Part::Body | Part::Trailer => self.body += len as u64,
        }
    }

    /// Keeps bytes that directly follow the kept ones.
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

    /// Handles bytes after the kept start of the body in which no (further) match was found.
    fn pass(&mut self, bytes: &[u8]) {
        if self.line_budget == 0 {
            return self.skip(bytes);
        }
        let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        let (kept, rest) = bytes.split_at(line.min(self.line_budget).min(bytes.len()));
        self.keep(kept);
        self.excerpts += kept.len();
        self.line_budget = if kept.ends_with(b"\n") {
            0
        } else {
            self.line_budget - kept.len()
        };
        self.skip(rest);
    }

    /// Keeps the line around a match that ends at `end` in `bytes` and starts at most `len` bytes
    /// before `end`. The first `done` bytes are already handled. Returns how many are handled
    /// afterwards.
    fn excerpt(&mut self, bytes: &[u8], done: usize, end: usize, len: usize) -> usize {
        let end = end.max(done);
        let begin = end.saturating_sub(len).max(done);
        let between = &bytes[done..begin];
        // First the end of the previous match's line, then the bytes to skip, except the start of
        // this match's line.
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
        self.line_budget = AROUND;
        end
    }
}

/// Maximum number of pieces in one message, so that many small gaps do not fill the memory with
/// marks.
const PIECES: usize = 4096;
/// Capacity in bytes that an unused buffer retains.
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

    /// The excerpt as text: `<n>` for skipped bytes, `!n!` for missing ones, matches in brackets.
    fn kept(message: &mut MessageBuffer, query: &Query) -> String {
        let shown = message.show(Some(query));
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

    fn received(query: &Query, head: &str, body: &str, chunk: usize) -> MessageBuffer {
        let mut message = MessageBuffer::default();
        message.begin(query, None, false);
        for (part, text) in [(Part::Head, head), (Part::Body, body)] {
            for piece in text.as_bytes().chunks(chunk) {
                message.feed(query, &KEEP, part, piece, false);
            }
        }
        message
    }

    #[test]
    fn the_head_the_start_and_the_lines_around_matches_are_kept_however_it_was_cut() {
        let query = query("needle");
        let line = "hay hay hay\n".repeat(100);
        let body = format!("{line}a needle in\n{line}needle, needle\n{line}");
        for chunk in [1, 2, 3, 7, 100, 5000] {
            let mut message = received(&query, "GET needle\n", &body, chunk);
            assert!(message.holds(&query));
            assert_eq!(
                kept(&mut message, &query),
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
            let mut message = received(&query, "", &body, chunk);
            let shown = message.show(Some(&query));
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
        let mut message = MessageBuffer::default();
        message.begin(&query, None, false);
        message.feed(&query, &KEEP, Part::Body, b"a nee", false);
        message.missing(&query, 7, GapReason::Acked);
        message.feed(&query, &KEEP, Part::Body, b"dle", false);
        message.end(&query, true);
        assert!(!message.holds(&query));
        assert_eq!(kept(&mut message, &query), "a nee!7!dle");
    }

    #[test]
    fn a_text_goes_on_from_its_bookmark() {
        let query = query("needle");
        let mut message = received(&query, "", "a nee", 10);
        assert!(message.is_open(&query) && !message.holds(&query));
        let mut mark = ScanState::default();
        message.mark(&mut mark);
        message.begin(&query, Some(&mark), false);
        message.feed(&query, &KEEP, Part::Body, b"dle b", false);
        assert!(message.holds(&query) && !message.is_open(&query));
    }

    #[test]
    fn only_the_first_bytes_are_searched_when_asked() {
        let query = query("needle");
        let keep = KeepLimits {
            first: Some(10),
            ..KEEP
        };
        let mut message = MessageBuffer::default();
        message.begin(&query, None, false);
        message.feed(&query, &keep, Part::Head, b"GET /\n", false);
        message.feed(&query, &keep, Part::Body, b"needle", false);
        assert!(!message.holds(&query));
        assert_eq!(kept(&mut message, &query), "GET /\nneed");
    }

    #[test]
    fn all_terms_of_a_question_count() {
        let spec = QuerySpec {
            any: vec!["a".into(), "b".into()],
            and: vec!["c".into()],
            not: vec!["d".into()],
            ..QuerySpec::default()
        };
        let query = Query::compile(&spec).unwrap();
        for (text, want) in [
            ("bc", true),
            ("ac", true),
            ("a", false),
            ("c", false),
            ("acd", false),
        ] {
            assert_eq!(received(&query, "", text, 1).holds(&query), want, "{text}");
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
        let mut message = MessageBuffer::default();
        message.begin(&query, None, false);
        let text = "id=12345 and more\n".repeat(20_000);
        let mut shown = Vec::new();
        for piece in text.as_bytes().chunks(5) {
            message.feed(&query, &KEEP, Part::Body, piece, false);
            if message.is_full() {
                assert!(message.cut(Extent::All));
                let view = message.show_portion(Some(&query));
                let settled = view.matches.len() - view.carried.unsettled;
                shown.extend(view.matches[..settled].iter().map(Range::len));
                message.forget();
            }
        }
        shown.extend(message.show(Some(&query)).matches.iter().map(Range::len));
        let whole = shown.iter().filter(|len| **len == 8).count();
        assert_eq!((whole, shown.len()), (20_000, 20_000));
    }

    /// The excerpt of a message: its text with `<n>` for skipped and `!n!` for missing bytes, and
    /// its matches with their positions.
    #[derive(Default, PartialEq, Eq, Debug)]
    struct Rendered {
        text: Vec<u8>,
        matches: Vec<(bool, u64, Vec<u8>)>,
    }

    impl Rendered {
        fn add(&mut self, shown: &Excerpt<'_>) {
            let Carried {
                len,
                head,
                at,
                unsettled,
                ..
            } = shown.carried;
            // For each byte, whether it is in the head, and its position in the head or the body.
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

    /// Feeds a message in `steps`: how many bytes of the body arrive at once, whether bytes are
    /// missing after them, and whether a portion is shown then.
    fn rendered(
        query: &Query,
        keep: &KeepLimits,
        text: &[u8],
        steps: &[(usize, bool, Option<Extent>)],
    ) -> Rendered {
        let mut message = MessageBuffer::default();
        message.begin(query, None, false);
        let head = b"GET /id=1 HTTP/1.1\r\nX: \xc3\xa9\r\n\r\n";
        message.feed(query, keep, Part::Head, head, false);
        let (mut rendered, mut rest) = (Rendered::default(), text);
        for (len, gap, portion) in steps.iter().cycle() {
            if let Some(extent) = portion
                && message.cut(*extent)
            {
                rendered.add(&message.show_portion(Some(query)));
                message.forget();
            }
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*len).min(rest.len()));
            message.feed(query, keep, Part::Body, now, false);
            if *gap {
                message.missing(query, 3, GapReason::Acked);
            }
            rest = later;
        }
        message.end(query, true);
        rendered.add(&message.show(Some(query)));
        rendered
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
            let portions = rendered(&query, &keep, text.as_bytes(), &steps);
            let whole = rendered(&query, &keep, text.as_bytes(), &at_once);
            proptest::prop_assert_eq!(
                portions.text.escape_ascii().to_string(),
                whole.text.escape_ascii().to_string()
            );
            proptest::prop_assert_eq!(portions.matches, whole.matches);
        }
    }

    #[test]
    fn an_excerpt_that_may_not_be_shown_yet_is_bounded() {
        let query = query("needle");
        let mut message = received(&query, "HTTP/1.1 200 OK\n\n", "the start", 100);
        for _ in 0..10_000 {
            message.feed(
                &query,
                &KEEP,
                Part::Body,
                b"a needle in a very long haystack\n",
                false,
            );
            if message.is_full() {
                message.pause_excerpts();
            }
            assert!(message.size() <= EXCERPTS + 4 * AROUND);
        }
        let kept = kept(&mut message, &query);
        assert!(
            kept.starts_with("HTTP/1.1 200 OK\n\nthe starta [needle]"),
            "{}",
            &kept[..60]
        );
        assert!(kept.ends_with('>'), "skipped bytes are marked");
    }

    #[test]
    fn many_small_gaps_are_bounded() {
        let query = query("needle");
        let mut message = MessageBuffer::default();
        message.begin(&query, None, false);
        for _ in 0..20_000 {
            message.feed(&query, &KEEP, Part::Body, b"x", false);
            message.missing(&query, 1, GapReason::Acked);
        }
        assert!(message.show(Some(&query)).text.pieces.len() <= PIECES + 2);
        message.feed(&query, &KEEP, Part::Body, b"a needle", false);
        assert!(message.holds(&query));
    }

    #[test]
    fn many_matches_fill_the_buffer_and_none_is_lost() {
        let query = query("needle");
        let mut message = MessageBuffer::default();
        message.begin(&query, None, false);
        let mut matches = 0;
        for _ in 0..10_000 {
            message.feed(
                &query,
                &KEEP,
                Part::Body,
                b"a needle in a very long haystack\n",
                false,
            );
            if message.is_full() {
                assert!(message.cut(Extent::All));
                let view = message.show_portion(Some(&query));
                matches += view.matches.len() - view.carried.unsettled;
                message.forget();
            }
            assert!(message.size() <= EXCERPTS + 2 * AROUND);
        }
        assert_eq!(matches + message.show(Some(&query)).matches.len(), 10_000);
    }
}

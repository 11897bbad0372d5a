//! A match however the bytes were cut: an automaton whose state is carried from one piece of a text to the next.
//!
//! A dense DFA flags a match one byte late, because `$` and `\b` look at the byte behind it. Where no match is begun, the
//! state is a start state, and a prefilter jumps to the next place where one can begin. After a match the automaton
//! starts again at the match's end, so that matches back to back are found; which byte was in front is all that it needs to
//! know of the past.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

use super::prefilter::{Glance, Prefilter};

/// An automaton for one set of patterns.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    prefilter: Option<Prefilter>,
    /// Bytes of the prefilter's longest needle.
    needle: usize,
    /// For each byte, whether it leads from any start state to something else: whether it may begin a match.
    begins: Box<[bool; 256]>,
    /// The start state at the start of a text.
    fresh: StateID,
    /// The start state behind each byte.
    behind: Box<[StateID; 256]>,
    /// The pattern looks at no byte around its match: one that ends at the end of a piece is certain there.
    certain: bool,
    /// The pattern can match no byte at all. It is then not restarted, and only that it matches is told.
    hollow: bool,
}

/// How far a text was read: all that is carried from piece to piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    state: StateID,
    /// The last byte; `None` at the start of a text.
    last: Option<u8>,
    /// Bytes since the state was last a start state: a match that is now open cannot have begun earlier.
    pub(super) since_start: usize,
}

/// A needle that is so near is in thick ones; and the most bytes that are then walked before another is looked for.
const CLOSE: usize = 16;
const THICK: usize = 127;

/// Pieces up to this many bytes are looked over at first. Where a needle is in one, the way to it is gone twice.
const SHORT: usize = 4096;

/// The largest automaton, in bytes; and the largest memory for its making.
const DFA: usize = 10 << 20;
const DETERMINIZE: usize = 32 << 20;

impl Automaton {
    /// Build an automaton.
    ///
    /// # Errors
    /// In words, when it would be too large or looks around in a way that bytes do not tell.
    pub(super) fn new(hir: &Hir) -> Result<Self, String> {
        let nfa = thompson::Compiler::new()
            .configure(
                thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(DFA)),
            )
            .build_from_hir(hir)
            .map_err(|error| error.to_string())?;
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .specialize_start_states(true)
            .dfa_size_limit(Some(DFA))
            .determinize_size_limit(Some(DETERMINIZE));
        let dfa = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .map_err(|error| error.to_string())?;
        let start = |byte: Option<u8>| {
            let config = start::Config::new()
                .anchored(Anchored::No)
                .look_behind(byte);
            dfa.start_state(&config).map_err(|error| error.to_string())
        };
        let fresh = start(None)?;
        let mut behind = Box::new([fresh; 256]);
        for (byte, state) in (0..=255).zip(behind.iter_mut()) {
            *state = start(Some(byte))?;
        }
        let properties = hir.properties();
        let prefilter = Prefilter::new(hir);
        Ok(Self {
            begins: begins(&dfa, fresh, &behind),
            needle: prefilter.as_ref().map_or(0, Prefilter::longest),
            prefilter,
            fresh,
            behind,
            certain: properties.look_set().is_empty(),
            hollow: properties.minimum_len() == Some(0),
            dfa,
        })
    }

    /// A scan at the start of a text.
    pub(super) fn start(&self) -> Scan {
        Scan {
            state: self.fresh,
            last: None,
            since_start: 0,
        }
    }

    /// A scan behind missing bytes: neither a line nor a word starts or ends there.
    pub(super) fn start_behind_gap(&self) -> Scan {
        Scan {
            state: self.behind[0],
            last: Some(0),
            since_start: 0,
        }
    }

    /// Read on. `found` is told each match's end in `bytes` (0 when it ended with the piece before), and how many bytes
    /// in front of that end it begins at the earliest. `lacks`: [at a glance](Self::glance) nothing is in the bytes.
    #[inline]
    pub(super) fn feed(
        &self,
        scan: &mut Scan,
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        if !self.passes_over(scan, bytes, lacks) {
            self.walk(scan, bytes, lacks, found);
        }
    }

    /// See [`Prefilter::glance`].
    pub(super) fn glance(&self) -> Option<Glance> {
        self.prefilter.as_ref().and_then(Prefilter::glance)
    }

    /// See [`Prefilter::learns`].
    pub(super) fn learns(&self) -> bool {
        self.prefilter.as_ref().is_some_and(Prefilter::learns)
    }

    /// See [`Prefilter::learn`].
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if let Some(prefilter) = &mut self.prefilter {
            prefilter.learn(bytes);
        }
    }

    /// Whether there is no match in a text that lies in one piece, as far as that can be told without walking over it.
    pub(super) fn misses(&self, text: &[u8]) -> bool {
        let prefilter = self.prefilter.as_ref();
        prefilter.is_some_and(|prefilter| prefilter.find(text).is_none())
    }

    /// Read on over a short piece in which no match begins, if none is begun: most are like that.
    fn passes_over(&self, scan: &mut Scan, bytes: &[u8], lacks: bool) -> bool {
        let Some(last) = bytes.last().filter(|_| lacks || bytes.len() <= SHORT) else {
            return false;
        };
        let misses = || lacks || self.misses(bytes);
        if !self.dfa.is_start_state(scan.state) || !misses() || self.may_begin_in(bytes) {
            return false;
        }
        *scan = Scan {
            state: self.behind[usize::from(*last)],
            last: Some(*last),
            since_start: 0,
        };
        true
    }

    /// Whether a needle may begin in a piece and be cut by its end.
    fn may_begin_in(&self, bytes: &[u8]) -> bool {
        let tail = bytes.len().saturating_sub(self.needle.saturating_sub(1));
        let begins = |byte: &u8| self.begins[usize::from(*byte)];
        bytes[tail..].iter().any(begins)
    }

    /// Read on, step by step or from needle to needle.
    fn walk(
        &self,
        scan: &mut Scan,
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        let mut state = scan.state;
        // Where in `bytes` the state was last a start state; negative: in an earlier piece.
        let mut start_at = -(scan.since_start as i64);
        let mut at = 0;
        let mut jump_from = 0;
        let mut thick = 0;
        let before = scan
            .last
            .map_or(self.fresh, |last| self.behind[usize::from(last)]);
        let behind = |at: usize| match at.checked_sub(1) {
            Some(previous) => self.behind[usize::from(bytes[previous])],
            None => before,
        };
        while at < bytes.len() {
            if self.dfa.is_special_state(state) && self.dfa.is_start_state(state) {
                if let Some(prefilter) = &self.prefilter
                    && at >= jump_from
                {
                    let next = match lacks {
                        true => None,
                        false => prefilter.find(&bytes[at..]).map(|next| at + next),
                    };
                    // A needle may be cut by the end of the piece, and lie in front of a whole one: the last bytes are walked.
                    let tail = bytes
                        .len()
                        .saturating_sub(self.needle.saturating_sub(1))
                        .max(at);
                    let to = match next {
                        Some(next) if next <= tail => {
                            // Where needles are as thick as hay, looking for them costs more than walking.
                            thick = match next - at < CLOSE {
                                true => (2 * thick + 1).min(THICK),
                                false => 0,
                            };
                            jump_from = next + 1 + thick;
                            next
                        }
                        _ => {
                            jump_from = bytes.len();
                            match self.may_begin_in(&bytes[at..]) {
                                true => tail,
                                false => bytes.len(),
                            }
                        }
                    };
                    if to > at {
                        at = to;
                        state = behind(at);
                    }
                }
                // Most steps from a start state lead to one.
                let walked = match self.prefilter {
                    Some(_) => jump_from,
                    None => bytes.len(),
                };
                while at < walked
                    && let Some(byte) = bytes.get(at)
                {
                    let next = self.dfa.next_state(state, *byte);
                    if !self.dfa.is_start_state(next) {
                        break;
                    }
                    state = next;
                    at += 1;
                }
                start_at = at as i64;
                if at == bytes.len() {
                    break;
                }
            }
            // Plain steps; the loop is left where something is to be decided.
            let next = self.dfa.next_state(state, bytes[at]);
            if !self.dfa.is_special_state(next) {
                state = next;
                at += 1;
                continue;
            }
            if self.dfa.is_match_state(next) {
                found(at, (at as i64 - start_at).max(0) as usize);
                if self.hollow {
                    state = next;
                    at += 1;
                } else {
                    // The byte that raised the flag is not part of the match: it is read again.
                    state = behind(at);
                    start_at = at as i64;
                    jump_from = jump_from.min(at);
                }
                continue;
            }
            state = next;
            at += 1;
            if self.dfa.is_accel_state(state) && !self.dfa.is_start_state(state) {
                let rest = &bytes[at..];
                let skip = match *self.dfa.accelerator(state) {
                    [a] => memchr::memchr(a, rest),
                    [a, b] => memchr::memchr2(a, b, rest),
                    [a, b, c] => memchr::memchr3(a, b, c, rest),
                    _ => Some(0),
                };
                at += skip.unwrap_or(rest.len());
            }
        }
        if self.dfa.is_start_state(state) {
            start_at = at as i64;
        }
        scan.state = state;
        scan.last = bytes.last().copied().or(scan.last);
        scan.since_start = (at as i64 - start_at).max(0) as usize;
        if self.certain && !self.hollow && self.dfa.is_match_state(self.dfa.next_eoi_state(state)) {
            found(bytes.len(), scan.since_start);
            scan.state = behind(bytes.len());
            scan.since_start = 0;
        }
    }

    /// Bytes are missing here. Whether a match ended right in front of them.
    pub(super) fn gap(&self, scan: &mut Scan) -> bool {
        let ended = self.ends_at_gap(scan);
        *scan = self.start_behind_gap();
        ended
    }

    /// The text was cut off here. Whether a match ended right there.
    pub(super) fn ends_at_gap(&self, scan: &Scan) -> bool {
        self.dfa.is_match_state(self.dfa.next_state(scan.state, 0))
    }

    /// The text truly ends here. Whether a match ends with it.
    pub(super) fn ends_at_end(&self, scan: &Scan) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(scan.state))
    }

    /// Whether a match is begun and not decided.
    pub(super) fn is_open(&self, scan: &Scan) -> bool {
        let start = scan
            .last
            .map_or(self.fresh, |last| self.behind[usize::from(last)]);
        // A state that goes where the start state goes is one in all but its name.
        scan.state != start
            && !(0..=255).all(|byte| {
                self.dfa.next_state(scan.state, byte) == self.dfa.next_state(start, byte)
            })
    }
}

/// For each byte, whether it leads from any start state to something else.
fn begins(dfa: &dense::DFA<Vec<u32>>, fresh: StateID, behind: &[StateID; 256]) -> Box<[bool; 256]> {
    let mut starts = vec![fresh];
    starts.extend(behind);
    starts.sort_unstable();
    starts.dedup();
    let mut begins = Box::new([false; 256]);
    for (byte, begins) in (0..=255).zip(begins.iter_mut()) {
        let leaves = |start: &StateID| !dfa.is_start_state(dfa.next_state(*start, byte));
        *begins = starts.iter().any(leaves);
    }
    begins
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::pattern::{Options, Pattern};

    fn automaton(pattern: &str) -> (Automaton, Pattern) {
        let options = Options {
            line_anchors: true,
            crlf: true,
            ..Options::default()
        };
        let pattern = Pattern::compile(&[pattern.to_owned()], &options).unwrap();
        (Automaton::new(&pattern.hir).unwrap(), pattern)
    }

    /// Ends of all matches in the whole text, which comes in `pieces`.
    fn ends(automaton: &Automaton, pieces: &[&[u8]]) -> Vec<usize> {
        let mut scan = automaton.start();
        let (mut ends, mut offset) = (Vec::new(), 0);
        for piece in pieces {
            automaton.feed(&mut scan, piece, false, &mut |end, _| {
                ends.push(offset + end);
            });
            offset += piece.len();
        }
        if automaton.ends_at_end(&scan) {
            ends.push(offset);
        }
        ends
    }

    #[test]
    fn match_across_2() {
        let (automaton, _) = automaton("secret");
        assert_eq!(ends(&automaton, &[b"a sec", b"ret b"]), [8]);
    }

    #[test]
    fn match_across_100_one_byte() {
        let (automaton, _) = automaton("x{100}");
        let text = [b'x'; 100];
        let pieces: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(ends(&automaton, &pieces), [100]);
    }

    #[test]
    fn two_matches_one_segment() {
        let (automaton, _) = automaton("ab");
        assert_eq!(ends(&automaton, &[b"ababxab"]), [2, 4, 7]);
        assert_eq!(ends(&automaton, &[b"a", b"bab", b"xa", b"b"]), [2, 4, 7]);
    }

    #[test]
    fn a_needle_that_is_cut_in_front_of_a_whole_one_is_found() {
        let (automaton, _) = automaton(r"(?i:A)*ba\s");
        assert_eq!(ends(&automaton, &[b"aacba", b" "]), [6]);
    }

    #[test]
    fn long_needles_are_found_however_they_are_cut() {
        let (automaton, _) = automaton("needle-[0-9]|haystack-[0-9]|pitchforks?-of-the-barn");
        let text = b"needles haystacks needle-1 pitchfork-of-the-barn haystack-2";
        for at in 0..=text.len() {
            let (front, back) = text.split_at(at);
            assert_eq!(
                ends(&automaton, &[front, back]),
                [26, 48, 59],
                "cut at {at}"
            );
        }
    }

    #[test]
    fn boundary_word() {
        let (automaton, _) = automaton(r"\bfoo\b");
        assert!(ends(&automaton, &[b"foo", b"d"]).is_empty());
        assert_eq!(ends(&automaton, &[b"foo", b" "]), [3]);
        assert!(ends(&automaton, &[b"a", b"foo "]).is_empty());
    }

    #[test]
    fn crlf_split() {
        let (automaton, _) = automaton("foo$");
        assert_eq!(ends(&automaton, &[b"foo\r", b"\n"]), [3]);
        assert!(ends(&automaton, &[b"foo", b"d\r\n"]).is_empty());
    }

    #[test]
    fn no_match_across_gap_and_no_anchor_at_it() {
        let behind_gap = |pattern: &str, before: &[u8], after: &[u8]| {
            let (automaton, _) = automaton(pattern);
            let mut scan = automaton.start();
            let mut found = false;
            automaton.feed(&mut scan, before, false, &mut |_, _| found = true);
            found |= automaton.gap(&mut scan);
            automaton.feed(&mut scan, after, false, &mut |_, _| found = true);
            found | automaton.ends_at_end(&scan)
        };
        assert!(!behind_gap("SECRET", b"SEC", b"RET"));
        assert!(behind_gap("SEC", b"SEC", b"RET"));
        assert!(behind_gap("RET", b"SEC", b"RET"));
        assert!(!behind_gap("SEC$", b"SEC", b"RET"), "dollar_not_at_gap");
        assert!(!behind_gap("^RET", b"SEC", b"RET"), "caret_not_after_gap");
        assert!(behind_gap(r"SEC\b", b"SEC", b"RET"), "word_boundary_at_gap");
    }

    #[test]
    fn redos_pattern() {
        let (automaton, _) = automaton("(a+)+$");
        let text = vec![b'a'; 1 << 20];
        assert_eq!(ends(&automaton, &[&text]), [1 << 20]);
        let (automaton, _) = self::automaton(r#""token":"(\w|-)+""#);
        let text = format!(r#""token":"{}""#, "a-".repeat(100_000));
        assert_eq!(ends(&automaton, &[text.as_bytes()]).len(), 1);
    }

    #[test]
    fn a_begun_match_is_open_and_nothing_else_is() {
        for (pattern, text, open) in [
            ("secret", &b"a sec"[..], true),
            ("secret", b"a sexy", false),
            ("^GET", b"x\r\nGE", true),
            ("^GET", b"hello", false),
            (r"\bfoo\b", b"a foo", true),
            (r"\bfoo\b", b"afoo", false),
        ] {
            let (automaton, _) = automaton(pattern);
            let mut scan = automaton.start();
            automaton.feed(&mut scan, text, false, &mut |_, _| ());
            assert_eq!(automaton.is_open(&scan), open, "{pattern} {text:?}");
        }
    }

    fn any_pattern() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a", "b", "ab", "abc", "ba", "[ab]", "[^a]", ".", r"\w", r"\s", "^", "$", r"\b", r"\B",
            "(?i)A", "c\r\n",
        ]);
        let repeat = prop::sample::select(vec!["", "", "", "*", "+", "?", "{2}", "{1,3}"]);
        let piece = (atom, repeat).prop_map(|(atom, repeat)| match atom {
            "^" | "$" | r"\b" | r"\B" => atom.to_owned(),
            atom => format!("(?:{atom}){repeat}"),
        });
        let sequence = prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat());
        prop::collection::vec(sequence, 1..3).prop_map(|branches| branches.join("|"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_match_is_found_however_the_text_was_cut(
            pattern in any_pattern(),
            text in prop::collection::vec(prop::sample::select(b"aabbc \r\nA\x00\xff".to_vec()), 0..40),
            cuts in prop::collection::vec(0usize..41, 0..8),
        ) {
            let (automaton, compiled) = automaton(&pattern);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            pieces.push(&text[from..]);
            let whole = ends(&automaton, &[&text]);
            let cut = ends(&automaton, &pieces);
            prop_assert_eq!(!whole.is_empty(), compiled.regex.is_match(&text), "{} {:?}", pattern, text);
            if automaton.hollow {
                prop_assert_eq!(whole.is_empty(), cut.is_empty(), "{} {:?}", pattern, pieces);
            } else {
                prop_assert_eq!(whole, cut, "{} {:?}", pattern, pieces);
            }
            prop_assert!(!automaton.misses(&text) || !compiled.regex.is_match(&text), "{} {:?}", pattern, text);
        }

        /// At a glance or step by step, a piece leaves the same behind.
        #[test]
        fn a_piece_that_is_passed_over_is_as_if_it_was_walked(
            pattern in any_pattern(),
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"aabbc \r\nA\x00\xff".to_vec()), 1..9), 1..4),
        ) {
            let (automaton, _) = automaton(&pattern);
            let (mut passed, mut glanced, mut walked) = (automaton.start(), automaton.start(), automaton.start());
            for piece in &pieces {
                let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
                automaton.feed(&mut passed, piece, false, &mut |end, len| one.push((end, len)));
                automaton.feed(&mut glanced, piece, automaton.misses(piece), &mut |end, len| two.push((end, len)));
                automaton.walk(&mut walked, piece, false, &mut |end, len| three.push((end, len)));
                prop_assert_eq!(&one, &three);
                prop_assert_eq!(&two, &three);
                prop_assert_eq!(format!("{passed:?}"), format!("{walked:?}"));
                prop_assert_eq!(format!("{glanced:?}"), format!("{walked:?}"));
            }
        }
    }
}

//! Finds matches however the bytes are split: an automaton whose state is carried from one piece of
//! a text to the next. All engines find the same matches, in linear time and bounded memory.
//!
//! There are three engines: the [dense](Dense) DFA, built before the search; the [lazy](Lazy) DFA,
//! built on demand where the dense one would be too large; and a [simulation of the NFA](Slow) for
//! patterns that look at whole characters.
//!
//! A match is flagged one byte late, because `$` and `\b` look at the byte after it. Where no match
//! has begun, the state is a start state, and a prefilter jumps to the next candidate. After a
//! match the automaton restarts at the end of the match, so that adjacent matches are found; the
//! previous byte is all the context that it needs.

mod dense;
mod lazy;
mod machine;
mod sets;
mod slow;

use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;

use super::alike;
use super::anchor::Breaks;
use super::prefilter::{BlockPrefilter, Prefilter};
use dense::Dense;
use lazy::Lazy;
use machine::{Machine, begins};
use sets::Sets;
use slow::Slow;

/// An automaton for one set of patterns.
#[derive(Debug)]
pub(super) struct Automaton {
    engine: Engine,
    prefilter: Option<Prefilter>,
    /// Where the prefilter finds anchors: the bytes that are in no match.
    breaks: Option<Breaks>,
    /// Length of the prefilter's longest needle in bytes.
    needle: usize,
    /// For each byte, whether it leads from any start state to a state that is not one, that is,
    /// whether it can begin a match.
    begins: Box<[bool; 256]>,
    /// Whether the pattern looks at no byte around its match: a match that ends with a piece is
    /// final there.
    exact: bool,
    /// Whether the pattern can match the empty string. The automaton is then not restarted, and
    /// only the fact that it matches is reported.
    no_candidate: bool,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "one per pattern, and it is not moved"
)]
enum Engine {
    Dense(Dense),
    Lazy(Lazy),
    Slow(Slow),
}

/// Scan position in a text: all that is carried from piece to piece.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    /// The last byte; `None` at the start of a text.
    last: Option<u8>,
    /// Bytes since the state was last a start state: an undecided match cannot have begun earlier.
    since_start: usize,
}

/// The state of the engine.
#[derive(Clone, Debug)]
enum State {
    Dense(StateID),
    Lazy(lazy::Held),
    Slow(slow::Held),
}

impl Clone for Scan {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            last: self.last,
            since_start: self.since_start,
        }
    }

    /// Usually only a number is copied.
    #[allow(clippy::inline_always, reason = "it copies a few words")]
    #[inline(always)]
    fn clone_from(&mut self, other: &Self) {
        match (&mut self.state, &other.state) {
            (State::Dense(own), State::Dense(other)) => *own = *other,
            (own, other) => *own = other.clone(),
        }
        self.last = other.last;
        self.since_start = other.since_start;
    }
}

/// Pieces up to this many bytes are first searched with the prefilter alone. Where a candidate is
/// found, the bytes before it are searched twice.
const SHORT: usize = 4096;

/// Size limit of the NFA in bytes. Every pattern that compiles is below it.
const NFA: usize = 64 << 20;

impl Automaton {
    /// Builds an automaton for `hir`. Each of its matches begins like one of `outline`, which may
    /// have more.
    ///
    /// # Errors
    /// A description, when the automaton would be too large.
    pub(super) fn new(hir: &Hir, outline: &Hir) -> Result<Self, String> {
        let sets = Sets::new(nfa(hir)?);
        let engine = if let Some(dense) = Dense::new(sets.nfa(), sets.reach()) {
            Engine::Dense(dense)
        } else if sets.nfa().look_set_any().contains_word_unicode() {
            Engine::Slow(Slow::new(sets))
        } else {
            Engine::Lazy(Lazy::new(sets))
        };
        Ok(Self::with(engine, hir, outline))
    }

    fn with(engine: Engine, hir: &Hir, outline: &Hir) -> Self {
        let properties = hir.properties();
        let begins = match &engine {
            Engine::Dense(dense) => Some(begins(&mut &*dense)),
            Engine::Lazy(lazy) => Some(begins(&mut lazy.running())),
            // It looks at the characters around a match as well.
            Engine::Slow(_) => None,
        };
        let breaks = begins.as_ref().and_then(|it| Breaks::new(hir, it));
        let (breaks, prefilter) = match breaks.zip(Prefilter::inner(outline)) {
            Some((breaks, prefilter)) => (Some(breaks), Some(prefilter)),
            None => (None, Prefilter::new(outline)),
        };
        Self {
            engine,
            begins: begins.unwrap_or_else(|| Box::new([true; 256])),
            needle: prefilter.as_ref().map_or(0, Prefilter::longest),
            prefilter,
            breaks,
            exact: properties.look_set().is_empty(),
            no_candidate: properties.minimum_len() == Some(0),
        }
    }

    /// A scan at the start of a text.
    pub(super) fn start(&self) -> Scan {
        Scan {
            state: match &self.engine {
                Engine::Dense(dense) => State::Dense(Machine::at_start(&dense)),
                Engine::Lazy(lazy) => State::Lazy(lazy.start()),
                Engine::Slow(slow) => State::Slow(slow.start()),
            },
            last: None,
            since_start: 0,
        }
    }

    /// Resets a scan to the start of a text.
    #[inline]
    pub(super) fn restart(&self, scan: &mut Scan) {
        match (&self.engine, &mut scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => *state = Machine::at_start(&dense),
            _ => scan.state = self.start().state,
        }
        scan.last = None;
        scan.since_start = 0;
    }

    /// A scan after missing bytes: neither a line nor a word starts or ends there.
    pub(super) fn start_after_gap(&self) -> Scan {
        self.start_after(0)
    }

    fn start_after(&self, byte: u8) -> Scan {
        Scan {
            state: match &self.engine {
                Engine::Dense(dense) => State::Dense(Machine::start_after(&dense, byte)),
                Engine::Lazy(lazy) => State::Lazy(lazy.start_after(byte)),
                Engine::Slow(slow) => State::Slow(slow.start_after(byte)),
            },
            last: Some(byte),
            since_start: 0,
        }
    }

    /// Searches the next bytes. `found` receives the end of each match in `bytes` (0 when the match
    /// ended with the previous piece) and the maximum length of the match. `lacks`: the [block
    /// prefilter](Self::glance) found no candidate in the bytes.
    #[inline]
    pub(super) fn feed(
        &self,
        scan: &mut Scan,
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        let mut lacks = lacks;
        if !self.passes_over(scan, bytes, &mut lacks) {
            self.walk(scan, bytes, lacks, found);
        }
    }

    /// See [`Prefilter::glance`].
    pub(super) fn glance(&self) -> Option<BlockPrefilter> {
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

    /// Whether the prefilter rules out a match in contiguous text.
    #[inline]
    pub(super) fn misses(&self, text: &[u8]) -> bool {
        let prefilter = self.prefilter.as_ref();
        prefilter.is_some_and(|prefilter| prefilter.find(text).is_none())
    }

    /// Number of messages whose undecided matches were dropped because of the memory limit.
    pub(super) fn forgotten(&self) -> u64 {
        match &self.engine {
            Engine::Dense(_) => 0,
            Engine::Lazy(lazy) => lazy.forgotten(),
            Engine::Slow(slow) => slow.forgotten(),
        }
    }

    /// Fast path: skips a short piece if no match is open and none begins in it. Most pieces are
    /// like that. Sets `lacks` if the prefilter found nothing in the piece.
    fn passes_over(&self, scan: &mut Scan, bytes: &[u8], lacks: &mut bool) -> bool {
        let Some(last) = bytes.last().filter(|_| *lacks || bytes.len() <= SHORT) else {
            return false;
        };
        match (&self.engine, &mut scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => {
                if !dense.is_start(*state) || !self.has_none(bytes, lacks) {
                    return false;
                }
                *state = dense.start_after(*last);
            }
            (Engine::Lazy(lazy), State::Lazy(held)) => {
                if !held.is_start() || !self.has_none_at_all(bytes, lacks) {
                    return false;
                }
                *held = lazy.start_after(*last);
            }
            _ => return false,
        }
        scan.last = Some(*last);
        scan.since_start = 0;
        true
    }

    /// Whether no match begins in a piece.
    #[inline]
    fn has_none(&self, bytes: &[u8], lacks: &mut bool) -> bool {
        *lacks = *lacks || self.misses(bytes);
        *lacks && !self.may_be_open_after(bytes)
    }

    /// The same, not inlined: keeps the rarer engine out of the hot path.
    #[inline(never)]
    fn has_none_at_all(&self, bytes: &[u8], lacks: &mut bool) -> bool {
        self.has_none(bytes, lacks)
    }

    /// Whether a match may have begun in a piece and be cut by its end. No match was open before.
    fn may_be_open_after(&self, bytes: &[u8]) -> bool {
        match &self.breaks {
            Some(breaks) => bytes.last().is_none_or(|last| !breaks.has(*last)),
            None => self.may_begin_in(bytes),
        }
    }

    /// Whether a needle may begin in a piece and be cut by its end.
    fn may_begin_in(&self, bytes: &[u8]) -> bool {
        let tail = bytes.len().saturating_sub(self.needle.saturating_sub(1));
        let begins = |byte: &u8| self.begins[usize::from(*byte)];
        bytes[tail..].iter().any(begins)
    }

    /// Searches the next bytes, byte by byte or from candidate to candidate.
    fn walk(
        &self,
        scan: &mut Scan,
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        let (last, since) = (scan.last, scan.since_start);
        scan.last = bytes.last().copied().or(last);
        scan.since_start = match (&self.engine, &mut scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => {
                self.steps(&mut &*dense, state, (last, since), bytes, lacks, found)
            }
            (Engine::Lazy(lazy), State::Lazy(held)) => {
                let mut running = lazy.running();
                let mut state = running.take_up(held, bytes.len());
                let since =
                    self.steps(&mut running, &mut state, (last, since), bytes, lacks, found);
                *held = running.hold(state);
                since
            }
            (Engine::Slow(slow), State::Slow(held)) => {
                let prefilter = self.prefilter.as_ref();
                let kind = (self.exact, self.no_candidate);
                slow.feed(held, since, bytes, prefilter, kind, found)
            }
            // A scan is only used with the automaton that created it.
            _ => 0,
        };
    }

    /// Records missing bytes. Returns whether a match ended directly before them.
    pub(super) fn gap(&self, scan: &mut Scan) -> bool {
        let ended = self.ends_at_gap(scan);
        *scan = self.start_after_gap();
        ended
    }

    /// Whether a match ends where the text is cut off.
    pub(super) fn ends_at_gap(&self, scan: &Scan) -> bool {
        match (&self.engine, &scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => dense.ends_before(*state, 0),
            (Engine::Lazy(lazy), State::Lazy(held)) => lazy.ends_before(held, Some(0)),
            (Engine::Slow(slow), State::Slow(held)) => slow.ends_before(held, Some(0)),
            _ => false,
        }
    }

    /// Whether a match ends with the true end of the text.
    pub(super) fn ends_at_end(&self, scan: &Scan) -> bool {
        match (&self.engine, &scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => (&mut &*dense).ends(*state),
            (Engine::Lazy(lazy), State::Lazy(held)) => lazy.ends_before(held, None),
            (Engine::Slow(slow), State::Slow(held)) => slow.ends_before(held, None),
            _ => false,
        }
    }

    /// Whether a match has begun and is undecided.
    pub(super) fn is_open(&self, scan: &Scan) -> bool {
        match (&self.engine, &scan.state) {
            (Engine::Dense(dense), State::Dense(state)) => dense.is_open(*state, scan.last),
            (_, State::Lazy(held)) => !held.is_start(),
            (Engine::Slow(slow), State::Slow(held)) => slow.is_open(held),
            _ => false,
        }
    }
}

fn nfa(hir: &Hir) -> Result<thompson::NFA, String> {
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(thompson::WhichCaptures::None)
        .nfa_size_limit(Some(NFA));
    let mut compiler = thompson::Compiler::new();
    let shared = alike::shared(hir);
    let hir = shared.as_ref().unwrap_or(hir);
    let built = compiler.configure(config).build_from_hir(hir);
    built.map_err(|error| error.to_string())
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
        (Automaton::new(&pattern.hir, &pattern.hir).unwrap(), pattern)
    }

    /// The pattern in each engine that supports it: with a large cache, a minimal one, and a small
    /// one.
    fn engines(hir: &Hir) -> Vec<Automaton> {
        let sets = || Sets::new(nfa(hir).unwrap());
        let mut engines: Vec<Engine> = Dense::new(sets().nfa(), 1)
            .map(Engine::Dense)
            .into_iter()
            .collect();
        if !engines.is_empty() {
            let capacities = [1 << 20, 0, 3000];
            engines.extend(
                capacities.map(|capacity| Engine::Lazy(Lazy::with_capacity(sets(), capacity))),
            );
        }
        engines.push(Engine::Slow(Slow::new(sets())));
        let engines = engines.into_iter();
        engines
            .map(|engine| Automaton::with(engine, hir, hir))
            .collect()
    }

    /// Ends of all matches in the whole text, which arrives in `pieces`.
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
    fn what_open_messages_hold_is_bounded_and_what_is_forgotten_is_counted() {
        let (_, pattern) = automaton("a.{30}b");
        let sets = Sets::new(nfa(&pattern.hir).unwrap());
        let engine = Engine::Lazy(Lazy::with_capacity(sets, 1 << 20));
        let automaton = Automaton::with(engine, &pattern.hir, &pattern.hir);
        let Engine::Lazy(lazy) = &automaton.engine else {
            panic!("it is lazy");
        };
        let mut open = Vec::new();
        for number in 0_u32..150_000 {
            let text: Vec<u8> = (0..30)
                .map(|bit| b"a-"[(number >> (bit % 18)) as usize & 1])
                .collect();
            let mut scan = automaton.start();
            automaton.feed(&mut scan, &text, false, &mut |_, _| ());
            open.push(scan);
        }
        assert!(automaton.forgotten() > 0);
        assert!(lazy.alive() <= (1 << 20) + crate::limits::BEGUN_MATCHES + 4096);
        let begun = open.iter().filter(|scan| automaton.is_open(scan)).count();
        assert!(begun > 30_000, "{begun}");
        open.clear();
        let before = automaton.forgotten();
        let mut scan = automaton.start();
        automaton.feed(&mut scan, b"a", false, &mut |_, _| ());
        assert!(automaton.is_open(&scan) && automaton.forgotten() == before);
    }

    #[test]
    fn a_pattern_has_the_engine_that_it_needs() {
        let options = Options {
            unicode: true,
            ..Options::default()
        };
        let kinds = [
            ("secret", "dense"),
            (r"\w{3,20}", "dense"),
            ("GET.{1,100}HTTP", "lazy"),
            ("a.{30}b", "lazy"),
            (r"\w{100}", "lazy"),
            (r"\bword\b", "slow"),
        ];
        for (text, kind) in kinds {
            let pattern = Pattern::compile(&[text.to_owned()], &options).unwrap();
            let automaton = Automaton::new(&pattern.hir, &pattern.hir).unwrap();
            let is = match automaton.engine {
                Engine::Dense(_) => "dense",
                Engine::Lazy(_) => "lazy",
                Engine::Slow(_) => "slow",
            };
            assert_eq!(is, kind, "{text}");
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
        let found_across_gap = |pattern: &str, before: &[u8], after: &[u8]| {
            let (automaton, _) = automaton(pattern);
            let mut scan = automaton.start();
            let mut found = false;
            automaton.feed(&mut scan, before, false, &mut |_, _| found = true);
            found |= automaton.gap(&mut scan);
            automaton.feed(&mut scan, after, false, &mut |_, _| found = true);
            found | automaton.ends_at_end(&scan)
        };
        assert!(!found_across_gap("SECRET", b"SEC", b"RET"));
        assert!(found_across_gap("SEC", b"SEC", b"RET"));
        assert!(found_across_gap("RET", b"SEC", b"RET"));
        assert!(
            !found_across_gap("SEC$", b"SEC", b"RET"),
            "dollar_not_at_gap"
        );
        assert!(
            !found_across_gap("^RET", b"SEC", b"RET"),
            "caret_not_after_gap"
        );
        assert!(
            found_across_gap(r"SEC\b", b"SEC", b"RET"),
            "word_boundary_at_gap"
        );
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
        #![proptest_config(ProptestConfig::with_cases(8_000))]
        #[test]
        fn every_match_is_found_however_the_text_was_cut(
            pattern in any_pattern(),
            text in prop::collection::vec(prop::sample::select(b"aabbc \r\nA\x00\xff".to_vec()), 0..40),
            cuts in prop::collection::vec(0usize..41, 0..8),
        ) {
            let (_, compiled) = automaton(&pattern);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            pieces.push(&text[from..]);
            agree(&engines(&compiled.hir), &compiled, &text, &pieces)?;
        }
    }

    /// Asserts that all engines find what the library finds in the whole text, and the same in
    /// pieces.
    fn agree(
        engines: &[Automaton],
        pattern: &Pattern,
        text: &[u8],
        pieces: &[&[u8]],
    ) -> Result<(), TestCaseError> {
        let matches = pattern.regex.is_match(text);
        let first = ends(&engines[0], &[text]);
        prop_assert_eq!(!first.is_empty(), matches, "{} {:?}", pattern.hir, text);
        for automaton in engines {
            for pieces in [&[text], pieces] {
                let ends = ends(automaton, pieces);
                // While a character is incomplete only the fact of a match is reported, not its
                // place.
                let waits = matches!(&automaton.engine, Engine::Slow(slow) if slow.waits());
                if automaton.no_candidate || waits {
                    prop_assert_eq!(
                        !ends.is_empty(),
                        matches,
                        "{} {:?} {:?}",
                        pattern.hir,
                        pieces,
                        automaton.engine
                    );
                } else {
                    prop_assert_eq!(
                        &ends,
                        &first,
                        "{} {:?} {:?}",
                        pattern.hir,
                        pieces,
                        automaton.engine
                    );
                }
            }
            prop_assert!(
                !automaton.misses(text) || !matches,
                "{} {:?}",
                pattern.hir,
                text
            );
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        /// Characters beyond ASCII, complete and broken, with all look-around.
        #[test]
        fn every_match_in_unicode_is_found_however_the_text_was_cut(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "a", "é", "(?i)É", r"\w", r"\W", ".", r"\b", r"\B", "^", "$", r"(?-u:\b)", r"(?-u:\xc3)", "[é-ö]", "ß?", "(?:é|a)+", r"\b{start}", r"\b{end-half}",
            ]), 1..5),
            text in prop::collection::vec(prop::sample::select(vec![
                &b"a"[..], b" ", "é".as_bytes(), "É".as_bytes(), "ß".as_bytes(), "€".as_bytes(), "😀".as_bytes(), b"\xc3", b"\xa9", b"\xe2\x82", b"\r\n",
            ]), 0..9),
            cuts in prop::collection::vec(0usize..20, 0..5),
        ) {
            let options = Options { unicode: true, line_anchors: true, crlf: true, ..Options::default() };
            let compiled = Pattern::compile(&[pieces.concat()], &options).unwrap();
            let text = text.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.push(text.len());
            cuts.sort_unstable();
            let mut from = 0;
            let pieces: Vec<&[u8]> = cuts.iter().map(|to| &text[std::mem::replace(&mut from, *to)..*to]).collect();
            agree(&engines(&compiled.hir), &compiled, &text, &pieces)?;
        }
    }

    /// What a scan holds, as text.
    fn snapshot(scan: &Scan) -> String {
        match &scan.state {
            State::Dense(state) => format!("{state:?} {:?} {}", scan.last, scan.since_start),
            State::Lazy(held) => {
                format!("{:?} {:?} {}", held.set(), scan.last, scan.since_start)
            }
            State::Slow(held) => format!("{held:?}"),
        }
    }

    fn pattern_with_an_anchor() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            r"[a-d]+@[a-d]+\.(com|dom)",
            "[0-9a-f]{5}",
            "[0-9]{3}[a-f]",
            "(?i)sid=[0-9a-f]{2}7[0-9a-f]*",
            r"\b[a-d]+=7?$",
            "^.*=a|b7{2,3}",
            "@a|@b|=c",
        ]);
        prop_oneof![known.prop_map(str::to_owned), any_pattern()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_000))]
        /// Jumps from anchor to anchor find the same matches as a walk, and leave the same state,
        /// whatever was learned.
        #[test]
        fn a_text_that_is_searched_for_anchors_is_as_if_it_was_walked(
            pattern in pattern_with_an_anchor(),
            sample in prop::collection::vec(prop::sample::select(b"abcdf017@.=\n ".to_vec()), 1..20),
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abcdfomSi017@.= \n\r".to_vec()), 1..40), 1..4),
            learns: bool,
        ) {
            let (_, compiled) = automaton(&pattern);
            for mut automaton in engines(&compiled.hir).into_iter().filter(|it| it.breaks.is_some()) {
                while learns && automaton.learns() {
                    automaton.learn(&sample.repeat(1000));
                }
                let (mut jumped, mut glanced) = (automaton.start(), automaton.start());
                let (mut one, mut two) = (Vec::new(), Vec::new());
                for piece in &pieces {
                    automaton.feed(&mut jumped, piece, false, &mut |end, len| one.push((end, len)));
                    automaton.feed(&mut glanced, piece, automaton.misses(piece), &mut |end, len| two.push((end, len)));
                    one.push((usize::MAX, 0));
                    two.push((usize::MAX, 0));
                }
                automaton.prefilter = None;
                automaton.breaks = None;
                let (mut walked, mut three) = (automaton.start(), Vec::new());
                for piece in &pieces {
                    automaton.feed(&mut walked, piece, false, &mut |end, len| three.push((end, len)));
                    three.push((usize::MAX, 0));
                }
                prop_assert_eq!(&one, &three);
                prop_assert_eq!(&two, &three);
                prop_assert_eq!(snapshot(&jumped), snapshot(&walked));
                prop_assert_eq!(snapshot(&glanced), snapshot(&walked));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Many open messages share one cache in turn, which is emptied repeatedly.
        #[test]
        fn messages_that_are_open_at_once_do_not_disturb_each_other(
            texts in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab \n".to_vec()), 0..60), 1..8),
            turns in prop::collection::vec((0usize..8, 1usize..9), 0..60),
        ) {
            let (dense, pattern) = automaton("a.{3,9}b|a{5}");
            for automaton in engines(&pattern.hir) {
                let mut open: Vec<_> = texts.iter().map(|text| (automaton.start(), &text[..], Vec::new())).collect();
                let rest = (0..texts.len()).map(|at| (at, usize::MAX));
                for (at, len) in turns.iter().copied().chain(rest) {
                    let at = at % open.len();
                    let (scan, text, found) = &mut open[at];
                    let (piece, rest) = text.split_at(len.min(text.len()));
                    let offset = texts[at].len() - text.len();
                    automaton.feed(scan, piece, false, &mut |end, _| found.push(offset + end));
                    *text = rest;
                }
                for ((scan, _, mut found), text) in open.into_iter().zip(&texts) {
                    found.extend(automaton.ends_at_end(&scan).then_some(text.len()));
                    prop_assert_eq!(found, ends(&dense, &[text]));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8_000))]

        /// The fast path and the walk leave the same state after a piece.
        #[test]
        fn a_piece_that_is_passed_over_is_as_if_it_was_walked(
            pattern in any_pattern(),
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"aabbc \r\nA\x00\xff".to_vec()), 1..9), 1..4),
        ) {
            let (_, compiled) = automaton(&pattern);
            for automaton in engines(&compiled.hir) {
            if matches!(automaton.engine, Engine::Slow(_)) {
                continue;
            }
            let (mut passed, mut glanced, mut walked) = (automaton.start(), automaton.start(), automaton.start());
            for piece in &pieces {
                let (mut one, mut two, mut three) = (Vec::new(), Vec::new(), Vec::new());
                automaton.feed(&mut passed, piece, false, &mut |end, len| one.push((end, len)));
                automaton.feed(&mut glanced, piece, automaton.misses(piece), &mut |end, len| two.push((end, len)));
                automaton.walk(&mut walked, piece, false, &mut |end, len| three.push((end, len)));
                prop_assert_eq!(&one, &three);
                prop_assert_eq!(&two, &three);
                prop_assert_eq!(snapshot(&passed), snapshot(&walked));
                prop_assert_eq!(snapshot(&glanced), snapshot(&walked));
            }
            }
        }
    }
}

//! Finds the extents of the matches in a text, in time linear in the text for every pattern.
//!
//! The engine that finds one match takes linear time. It may read far beyond the match: of
//! `\w+@\w+|a` in a line of letters, each `a` is found after all of the line was read. So the bytes
//! that are read beyond matches are measured, and there is a bound on them. Up to the bound the
//! matches are those of the whole text. Beyond it the engine is given a window of the text, which
//! grows as long as there is no match that ends within it: where two alternatives begin at the same
//! place or overlap, the one that is found is then the one that the window decides.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson;
use regex_syntax::hir::Hir;

/// Matches of a text that are found before it is measured what the next ones cost: the usual text
/// has fewer.
const FEW: usize = 32;
/// Bytes that may be read beyond matches, for each byte of the text and besides.
const READ_EACH: usize = 8;
const READ: usize = 64 << 10;
/// Bytes of the first window for a match.
const WINDOW: usize = 64;

/// The engine that finds the matches of a pattern.
#[derive(Debug)]
pub(super) struct Finder {
    regex: Regex,
    hir: Hir,
    /// Measures; made when it is first needed. `None`: it cannot be made.
    measure: OnceCell<Option<RefCell<Measure>>>,
}

/// The work that one search has done, which the tests bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Work {
    /// Bytes that were read beyond matches, as measured.
    pub(super) beyond: usize,
    /// Bytes of all windows.
    pub(super) windows: usize,
}

impl Finder {
    /// The finder of a compiled pattern; `hir` is the same pattern.
    pub(super) fn new(regex: Regex, hir: &Hir) -> Self {
        Self {
            regex,
            hir: hir.clone(),
            measure: OnceCell::new(),
        }
    }

    /// Whether there is a match in a text.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// Calls `found` with each match that is not empty and begins at `from` or later. They do not
    /// overlap, and come in order.
    pub(super) fn each(
        &self,
        text: &[u8],
        from: usize,
        found: &mut dyn FnMut(Range<usize>),
    ) -> Work {
        let mut work = Work::default();
        let most = text.len().saturating_mul(READ_EACH).saturating_add(READ);
        let (mut at, mut many) = (from, 0);
        while at < text.len() {
            let next = match work.beyond < most {
                true => self.find(text, at..text.len()),
                false => self.find_near(text, at, &mut work),
            };
            let Some(range) = next else { break };
            many += 1;
            if many > FEW && work.beyond < most {
                let left = most - work.beyond;
                work.beyond += self.read_beyond(text, at, range.end, left);
            }
            if range.is_empty() {
                at = range.end + 1;
            } else {
                at = range.end;
                found(range);
            }
        }
        work
    }

    /// The first match in a part of a text.
    fn find(&self, text: &[u8], part: Range<usize>) -> Option<Range<usize>> {
        let found = self.regex.find(Input::new(text).range(part))?;
        Some(found.range())
    }

    /// The first match in a window from `at` on, the smallest in which one ends that the end of the
    /// window does not cut.
    fn find_near(&self, text: &[u8], at: usize, work: &mut Work) -> Option<Range<usize>> {
        let mut window = WINDOW;
        loop {
            let end = at.saturating_add(window).min(text.len());
            work.windows += end - at;
            let found = self.find(text, at..end);
            if end == text.len() || found.as_ref().is_some_and(|found| found.end < end) {
                return found;
            }
            window = window.saturating_mul(2);
        }
    }

    /// How many bytes beyond `end` decide the match that ends there, when it is searched for from
    /// `at` on; at most `most`, about.
    fn read_beyond(&self, text: &[u8], at: usize, end: usize, most: usize) -> usize {
        let made = self
            .measure
            .get_or_init(|| Measure::new(&self.hir).map(RefCell::new));
        let last = end.saturating_add(most).min(text.len());
        let read = made.as_ref();
        let read = read.and_then(|measure| measure.borrow_mut().read(text, at..last));
        // What cannot be measured counts as a window.
        read.map_or(WINDOW, |read| read.saturating_sub(end))
    }
}

/// An automaton with the semantics of the engine.
#[derive(Debug)]
struct Measure {
    dfa: DFA,
    cache: Cache,
}

impl Measure {
    fn new(hir: &Hir) -> Option<Self> {
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(thompson::WhichCaptures::None);
        let mut compiler = thompson::Compiler::new();
        let nfa = compiler.configure(config).build_from_hir(hir).ok()?;
        let config = DFA::config()
            .unicode_word_boundary(true)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let cache = dfa.create_cache();
        Some(Self { dfa, cache })
    }

    /// Where the search in a part of a text ends: nothing after it changes the first match. `None`
    /// if the automaton gives up.
    fn read(&mut self, text: &[u8], part: Range<usize>) -> Option<usize> {
        let input = Input::new(text).range(part.clone());
        let mut state = self.dfa.start_state_forward(&mut self.cache, &input).ok()?;
        for (at, byte) in text.iter().enumerate().take(part.end).skip(part.start) {
            state = self.dfa.next_state(&mut self.cache, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_dead() {
                    return Some(at);
                }
                if state.is_quit() {
                    return None;
                }
            }
        }
        Some(part.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::pattern::{Options, Pattern};

    fn finder(pattern: &str) -> Finder {
        let options = Options {
            line_anchors: true,
            crlf: true,
            ..Options::default()
        };
        let pattern = Pattern::compile(&[pattern.to_owned()], &options).unwrap();
        Finder::new(pattern.regex, &pattern.hir)
    }

    fn all(finder: &Finder, text: &[u8]) -> (Vec<Range<usize>>, Work) {
        let mut found = Vec::new();
        let work = finder.each(text, 0, &mut |range| found.push(range));
        (found, work)
    }

    /// Patterns of which a match is decided far after it, each with a line that shows it.
    const SLOW: [(&str, &str); 9] = [
        (r"[\w.]+@[\w.]+|token", "token"),
        (r"\w+@\w+|pw", "pw"),
        (r"\w+@\w+|a", "a"),
        ("(a|aa)*c|a", "a"),
        ("a.*z|a", "a"),
        ("ab*z|b", "ab"),
        (r"(?s)a.*z|b", "ab"),
        (r"a+$|a", "ab"),
        ("[^x]*x|a|b", "ab"),
    ];

    #[test]
    fn the_work_at_most_doubles_with_the_text() {
        for (pattern, unit) in SLOW {
            let finder = finder(pattern);
            let of = |len: usize| {
                let text = unit.repeat(len / unit.len());
                let (found, work) = all(&finder, text.as_bytes());
                assert!(found.len() > 1000, "{pattern}: {} matches", found.len());
                work.beyond + work.windows + text.len()
            };
            let (one, two) = (of(20_000), of(40_000));
            assert!(two * 10 <= one * 22, "{pattern}: {one} {two}");
            assert!(two <= 40_000 * 100, "{pattern}: {two} bytes read");
        }
    }

    #[test]
    fn a_text_of_many_matches_that_cost_nothing_has_the_matches_of_the_engine() {
        let line =
            r#"{"token":"0123456789-0123456789-0123456789-0123456789-0123456789-0123456789"}, "#;
        let text = line.repeat(5000);
        let (found, work) = all(&finder(r#""token":"[^"]+"|token"#), text.as_bytes());
        assert_eq!(found.len(), 5000);
        assert!(
            found.iter().all(|found| found.len() == 75),
            "{:?}",
            found[0]
        );
        assert_eq!(work.windows, 0);
    }

    #[test]
    fn a_window_does_not_cut_a_match() {
        let finder = finder(r"\w+@\w+|a| b+");
        let text = format!("{} {}", "a".repeat(5000), "b".repeat(5000));
        let (found, work) = all(&finder, text.as_bytes());
        assert!(work.windows > 0);
        assert_eq!(found.last(), Some(&(5000..10_001)));
        assert_eq!(found.len(), 5001);
    }

    proptest! {
        /// Short texts are never searched in windows.
        #[test]
        fn the_matches_are_those_of_the_engine(
            pattern in prop::sample::select(vec!["a", "ab|a", "a*", "(a|ab)(c|bcd)", r"\ba", "a$", "b.*c|b", "", "[ab]+"]),
            text in prop::collection::vec(prop::sample::select(b"aabbcd \n".to_vec()), 0..80),
        ) {
            let finder = finder(pattern);
            let mut expected = Vec::new();
            let mut at = 0;
            while let Some(found) = (at <= text.len()).then(|| finder.find(&text, at..text.len())).flatten() {
                at = found.end + usize::from(found.is_empty());
                expected.extend((!found.is_empty()).then_some(found));
            }
            prop_assert_eq!(all(&finder, &text).0, expected);
        }

        /// In windows each match is one of the pattern.
        #[test]
        fn what_is_found_in_windows_matches(
            text in prop::collection::vec(prop::sample::select(b"aaaaaaab@ \n".to_vec()), 0..4000),
            (pattern, _) in prop::sample::select(SLOW.to_vec()),
        ) {
            let finder = finder(pattern);
            let mut work = Work::default();
            let mut at = 0;
            while at < text.len() && let Some(found) = finder.find_near(&text, at, &mut work) {
                let whole = finder.regex.search(&Input::new(&text).range(found.clone()).anchored(regex_automata::Anchored::Yes));
                prop_assert!(found.start >= at && whole.is_some());
                at = found.end.max(at + 1);
            }
            prop_assert!(work.windows <= text.len() * 70 + 200);
        }
    }
}

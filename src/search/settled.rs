//! Which matches in the start of a text are those of the whole text, however it goes on: what is
//! shown of a message that is not over must have the matches that the whole message has.
//!
//! A search that prefers what the regular expression does (leftmost, then the first alternative) is
//! run over the text. It is done with a match when nothing else can come of it: then no bytes to
//! come change the match.

use std::sync::OnceLock;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

/// The largest automaton, in bytes, and the largest memory for its making: it is made while packets
/// wait.
const DFA: usize = 1 << 20;
const DETERMINIZE: usize = 4 << 20;

/// The automaton of a pattern, made when it is first needed.
#[derive(Debug)]
pub(super) struct Settled {
    hir: Hir,
    /// `None` when it would be too large, or looks around in a way that bytes do not tell.
    dfa: OnceLock<Option<dense::DFA<Vec<u32>>>>,
}

/// How far the matches in the start of a text are certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Certain {
    /// So many of the first matches that are not empty.
    pub(super) matches: usize,
    /// The next one is to be looked for from here.
    pub(super) resume: usize,
}

/// How one search ended.
enum Found {
    /// A match that ends here, whatever follows.
    Settled(usize),
    /// The text ended in front of a decision: from here on a match may begin.
    Open(usize),
}

impl Settled {
    /// Of a pattern.
    pub(super) fn new(hir: &Hir) -> Self {
        Self {
            hir: hir.clone(),
            dfa: OnceLock::new(),
        }
    }

    /// How far the matches of `text` that begin at `from` or later are certain.
    pub(super) fn of(&self, text: &[u8], from: usize) -> Certain {
        let mut certain = Certain {
            matches: 0,
            resume: from,
        };
        let Some(dfa) = self.dfa.get_or_init(|| build(&self.hir)) else {
            // A guess that is nearly always right: what matches lies in its line.
            certain.resume = memchr::memrchr(b'\n', text).map_or(from, |at| from.max(at + 1));
            return certain;
        };
        while certain.resume < text.len() {
            match search(dfa, text, certain.resume) {
                Some(Found::Settled(end)) if end > certain.resume => {
                    certain.matches += 1;
                    certain.resume = end;
                }
                Some(Found::Settled(end)) => certain.resume = end + 1,
                Some(Found::Open(at)) => {
                    certain.resume = at;
                    break;
                }
                None => break,
            }
        }
        certain
    }

    /// Whether the automaton could be made; else [`Self::of`] counts no matches.
    pub(super) fn counts(&self) -> bool {
        self.dfa.get_or_init(|| build(&self.hir)).is_some()
    }
}

fn build(hir: &Hir) -> Option<dense::DFA<Vec<u32>>> {
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(DFA)),
        )
        .build_from_hir(hir)
        .ok()?;
    let config = dense::Config::new()
        .match_kind(MatchKind::LeftmostFirst)
        .start_kind(StartKind::Unanchored)
        .specialize_start_states(true)
        .dfa_size_limit(Some(DFA))
        .determinize_size_limit(Some(DETERMINIZE));
    let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa);
    dfa.ok()
}

/// Look for the first match that begins at `from` or later.
fn search(dfa: &dense::DFA<Vec<u32>>, text: &[u8], from: usize) -> Option<Found> {
    let behind = from.checked_sub(1).and_then(|at| text.get(at));
    let config = start::Config::new()
        .anchored(Anchored::No)
        .look_behind(behind.copied());
    let mut state = dfa.start_state(&config).ok()?;
    let mut end = None;
    let mut open = from;
    for (at, byte) in text.iter().enumerate().skip(from) {
        if dfa.is_special_state(state) && dfa.is_start_state(state) {
            open = at;
        }
        state = dfa.next_state(state, *byte);
        if dfa.is_special_state(state) {
            if dfa.is_match_state(state) {
                end = Some(at);
            } else if dfa.is_dead_state(state) {
                return end.map(Found::Settled);
            }
        }
    }
    if let Some(end) = end {
        let settled = is_over(dfa, state);
        return Some(if settled {
            Found::Settled(end)
        } else {
            Found::Open(open)
        });
    }
    if ends_here(dfa, state) {
        return Some(Found::Settled(text.len()));
    }
    if dfa.is_special_state(state) && dfa.is_start_state(state) {
        open = text.len();
    }
    Some(Found::Open(open))
}

/// Whether a match ends here and nothing else can come of it, whatever the next byte is.
fn ends_here(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    let mut last = None;
    (0..=255).all(|byte| {
        let next = dfa.next_state(state, byte);
        if last == Some(next) {
            return true;
        }
        last = Some(next);
        dfa.is_match_state(next) && is_over(dfa, next)
    })
}

/// Whether nothing comes of a state, whatever the next byte is.
fn is_over(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    (0..=255).all(|byte| dfa.is_dead_state(dfa.next_state(state, byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::pattern::{Options, Pattern};

    /// What is certain of the start of a text.
    fn certain(pattern: &str, text: &str) -> (usize, usize) {
        let options = Options {
            line_anchors: true,
            crlf: true,
            ..Options::default()
        };
        let pattern = Pattern::compile(&[pattern.to_owned()], &options).unwrap();
        let settled = Settled::new(&pattern.hir);
        assert!(settled.counts());
        let Certain { matches, resume } = settled.of(text.as_bytes(), 0);
        (matches, resume)
    }

    #[test]
    fn a_match_is_certain_when_nothing_that_follows_changes_it() {
        for (pattern, text, want) in [
            ("word3", "a word3", (1, 7)),
            ("word3", "a word", (0, 2)),
            ("word3", "a wordy", (0, 7)),
            ("id=[0-9]+", "id=12", (0, 0)),
            ("id=[0-9]+", "id=12 id=3", (1, 6)),
            ("id.*3", "id=3 x", (0, 0)),
            ("id.*3", "id=3 x\nid", (1, 7)),
            ("id.*?3", "id=3 x", (1, 6)),
            ("ab|abcd", "abc", (1, 3)),
            ("abcd|ab", "abc", (0, 0)),
            ("a(.*b)?", "a a", (0, 0)),
            ("3$", "3", (0, 0)),
            ("3$", "3\n", (1, 2)),
            ("x*", "axa", (1, 3)),
        ] {
            assert_eq!(certain(pattern, text), want, "{pattern} {text:?}");
        }
    }
}

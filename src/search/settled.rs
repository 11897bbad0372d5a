//! Which matches in a prefix of a text are also those of the whole text, whatever follows: an
//! excerpt shown before the message ends must have the matches that the whole message has. Without
//! a DFA within its size limit it falls back to lines.
//!
//! The DFA has the semantics of the regex (leftmost, then first alternative). A match is final once
//! the DFA is dead: then no later byte changes the match.

use std::sync::OnceLock;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

/// Size limits of the automaton and of its construction, in bytes. The construction runs while
/// packets wait.
const DFA: usize = 1 << 20;
const DETERMINIZE: usize = 4 << 20;

/// Bytes that may be read beyond matches, for each byte of the text and besides.
const READ_EACH: usize = 8;
const READ: usize = 64 << 10;

/// The automaton of a pattern, built when first needed.
#[derive(Debug)]
pub(super) struct Settled {
    hir: Hir,
    /// `None` when it would be too large, or needs Unicode look-around, which bytes do not decide.
    dfa: OnceLock<Option<dense::DFA<Vec<u32>>>>,
}

/// How many matches in a prefix of a text are final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Certain {
    /// Number of leading non-empty matches that are final.
    pub(super) matches: usize,
    /// Offset from which the next match is searched for.
    pub(super) resume: usize,
}

/// Result of one search.
enum Found {
    /// A match that ends here, whatever follows.
    Settled(usize),
    /// The text ended before a decision; a match may begin at this offset.
    Open(usize),
}

impl Settled {
    /// Creates the (unbuilt) automaton of a pattern.
    pub(super) fn new(hir: &Hir) -> Self {
        Self {
            hir: hir.clone(),
            dfa: OnceLock::new(),
        }
    }

    /// Counts the final matches of `text` that begin at `from` or later.
    pub(super) fn of(&self, text: &[u8], from: usize) -> Certain {
        let mut certain = Certain {
            matches: 0,
            resume: from,
        };
        let Some(dfa) = self.dfa.get_or_init(|| build(&self.hir)) else {
            // Fall back to an approximation: matches rarely cross a line end.
            certain.resume = memchr::memrchr(b'\n', text).map_or(from, |at| from.max(at + 1));
            return certain;
        };
        // The bytes read beyond matches are bounded: without a decision, the rest is not certain.
        let mut left = text.len().saturating_mul(READ_EACH).saturating_add(READ);
        while certain.resume < text.len() && left > 0 {
            match search(dfa, text, certain.resume, &mut left) {
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

    /// Whether the automaton could be built; otherwise [`Self::of`] counts no matches.
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

/// Searches for the first match that begins at `from` or later. The bytes that it reads beyond the
/// match are subtracted from `left`.
fn search(dfa: &dense::DFA<Vec<u32>>, text: &[u8], from: usize, left: &mut usize) -> Option<Found> {
    let previous = from.checked_sub(1).and_then(|at| text.get(at));
    let config = start::Config::new()
        .anchored(Anchored::No)
        .look_behind(previous.copied());
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
                *left = left.saturating_sub(at - end.unwrap_or(at));
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

/// Whether a match ends here and cannot be extended, whatever the next byte is.
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

/// Whether no match is reachable from a state, whatever the next byte is.
fn is_over(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    (0..=255).all(|byte| dfa.is_dead_state(dfa.next_state(state, byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::pattern::{Options, Pattern};

    /// The final matches in a prefix of a text: their number, and where to resume.
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

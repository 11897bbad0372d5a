//! The dense automaton: all of it is made before the search begins.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use super::machine::Machine;

/// The largest one, in bytes; and the largest memory for its making.
const SIZE: usize = 10 << 20;
const DETERMINIZE: usize = 32 << 20;
/// So many states it may have in any case; more than these for each state of the other automaton,
/// and there is no end to them: `a.{30}b` has a thousand million.
const STATES: usize = 20_000;
const EACH: usize = 64;
/// Of a larger automaton none is made, and steps that the making may take, about: some tenths of a
/// second.
const LARGEST: usize = 20_000;
const STEPS: usize = 100_000_000;

/// A dense automaton.
#[derive(Debug)]
pub(super) struct Dense {
    dfa: dense::DFA<Vec<u32>>,
    /// The start state at the start of a text.
    at_start: StateID,
    /// The start state behind each byte.
    behind: Box<[StateID; 256]>,
}

impl Dense {
    /// Make it. None: it would be too large, or take too long, or it looks at characters beyond
    /// ASCII.
    pub(super) fn new(nfa: &NFA, closure: usize) -> Option<Self> {
        let states = nfa.states().len();
        if states > LARGEST || nfa.look_set_any().contains_word_unicode() {
            return None;
        }
        // Each state asks for each class of bytes where all states lead to that the start leads to.
        let classes = nfa.byte_classes().alphabet_len();
        let affordable = STEPS / closure.max(1) / classes;
        let most = STATES.max(states.saturating_mul(EACH)).min(affordable);
        let row = classes.next_power_of_two() * size_of::<u32>();
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .specialize_start_states(true)
            .dfa_size_limit(Some(SIZE.min(most * row)))
            .determinize_size_limit(Some(DETERMINIZE));
        let builder = dense::Builder::new().configure(config).build_from_nfa(nfa);
        let dfa = builder.ok()?;
        let start = |byte: Option<u8>| {
            let config = start::Config::new()
                .anchored(Anchored::No)
                .look_behind(byte);
            dfa.start_state(&config).ok()
        };
        let at_start = start(None)?;
        let mut behind = Box::new([at_start; 256]);
        for (byte, state) in (0..=255).zip(behind.iter_mut()) {
            *state = start(Some(byte))?;
        }
        Some(Self {
            dfa,
            at_start,
            behind,
        })
    }

    /// Whether a match is begun and not decided behind the `last` byte.
    pub(super) fn is_open(&self, state: StateID, last: Option<u8>) -> bool {
        let start = last.map_or(self.at_start, |last| self.behind[usize::from(last)]);
        // A state that goes where the start state goes is one in all but its name.
        state != start
            && !(0..=255)
                .all(|byte| self.dfa.next_state(state, byte) == self.dfa.next_state(start, byte))
    }

    /// Whether a match ends in front of a byte.
    pub(super) fn ends_before(&self, state: StateID, byte: u8) -> bool {
        self.dfa.is_match_state(self.dfa.next_state(state, byte))
    }
}

impl Machine for &Dense {
    type State = StateID;

    #[inline]
    fn next(&mut self, state: StateID, byte: u8) -> StateID {
        self.dfa.next_state(state, byte)
    }

    #[inline]
    fn is_special(&self, state: StateID) -> bool {
        self.dfa.is_special_state(state)
    }

    #[inline]
    fn is_start(&self, state: StateID) -> bool {
        self.dfa.is_start_state(state)
    }

    #[inline]
    fn is_match(&self, state: StateID) -> bool {
        self.dfa.is_match_state(state)
    }

    #[inline]
    fn ends(&mut self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    #[inline]
    fn at_start(&self) -> StateID {
        self.at_start
    }

    #[inline]
    fn behind(&self, byte: u8) -> StateID {
        self.behind[usize::from(byte)]
    }

    #[inline]
    fn leaves(&self, state: StateID) -> &[u8] {
        match self.dfa.is_accel_state(state) && !self.dfa.is_start_state(state) {
            true => self.dfa.accelerator(state),
            false => &[],
        }
    }
}

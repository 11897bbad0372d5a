//! The dense DFA, built before the search begins. Its size and the time to build it are bounded;
//! its steps allocate nothing.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

use super::machine::Machine;

/// Size limits of the DFA and of its construction, in bytes.
const SIZE: usize = 10 << 20;
const DETERMINIZE: usize = 32 << 20;
/// The number of states that is always allowed, and the number allowed per state of the NFA. Beyond
/// that the DFA grows exponentially: `a.{30}b` has a thousand million states.
const STATES: usize = 20_000;
const EACH: usize = 64;
/// The largest NFA, in states, that is determinized, and the approximate number of steps that may
/// take: some tenths of a second.
const LARGEST: usize = 20_000;
const STEPS: usize = 100_000_000;

/// A dense automaton.
#[derive(Debug)]
pub(super) struct Dense {
    dfa: dense::DFA<Vec<u32>>,
    /// The start state at the start of a text.
    at_start: StateID,
    /// The start state after each byte.
    start_after: Box<[StateID; 256]>,
}

impl Dense {
    /// Builds the DFA; `None` if it would be too large, take too long, or look at characters beyond
    /// ASCII.
    pub(super) fn new(nfa: &NFA, closure: usize) -> Option<Self> {
        let states = nfa.states().len();
        if states > LARGEST || nfa.look_set_any().contains_word_unicode() {
            return None;
        }
        // For each class of bytes, each state visits all states that the start state reaches.
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
        let mut start_after = Box::new([at_start; 256]);
        for (byte, state) in (0..=255).zip(start_after.iter_mut()) {
            *state = start(Some(byte))?;
        }
        Some(Self {
            dfa,
            at_start,
            start_after,
        })
    }

    /// Whether a match has begun and is undecided after the `last` byte.
    pub(super) fn is_open(&self, state: StateID, last: Option<u8>) -> bool {
        let start = last.map_or(self.at_start, |last| self.start_after[usize::from(last)]);
        // A state whose transitions equal those of the start state is equivalent to it.
        state != start
            && !(0..=255)
                .all(|byte| self.dfa.next_state(state, byte) == self.dfa.next_state(start, byte))
    }

    /// Whether a match ends before a byte.
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
    fn start_after(&self, byte: u8) -> StateID {
        self.start_after[usize::from(byte)]
    }

    #[inline]
    fn leaves(&self, state: StateID) -> &[u8] {
        match self.dfa.is_accel_state(state) && !self.dfa.is_start_state(state) {
            true => self.dfa.accelerator(state),
            false => &[],
        }
    }
}

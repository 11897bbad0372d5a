//! Sets of NFA states: the states that a text may have led to. One step takes time linear in the
//! size of the NFA; the memory of all sets is counted.
//!
//! A set holds the states *before* the next byte, before any epsilon transition. Epsilon
//! transitions are followed together with that byte: then the bytes on both sides are known, and so
//! is whether `^`, `$` and `\b` hold between them. A match is therefore seen one byte late, as with
//! a dense DFA.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;

/// An NFA that is simulated by sets of its states. A match may begin anywhere.
#[derive(Debug)]
pub(super) struct Sets {
    nfa: NFA,
    /// Bytes of all live sets, in a cache or in open messages.
    alive: Alive,
}

/// The look-behind context of a set.
///
/// Only the distinction of the last byte that `^`, `$` and ASCII `\b` make is kept; none if the
/// pattern has none of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Before {
    /// The start of the text.
    Nothing,
    /// Any other byte.
    Other,
    /// A letter, a digit or `_`.
    Word,
    Feed,
    Return,
}

impl Before {
    pub(super) const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Other,
        Self::Word,
        Self::Feed,
        Self::Return,
    ];

    /// The look-behind context after a byte.
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b'\n' => Self::Feed,
            b'\r' => Self::Return,
            b'_' => Self::Word,
            byte if byte.is_ascii_alphanumeric() => Self::Word,
            _ => Self::Other,
        }
    }

    /// A byte that gives the same context.
    fn byte(self) -> Option<u8> {
        match self {
            Self::Nothing => None,
            Self::Other => Some(0),
            Self::Word => Some(b'a'),
            Self::Feed => Some(b'\n'),
            Self::Return => Some(b'\r'),
        }
    }
}

/// A set, as it is stored.
#[derive(Debug)]
pub(super) struct Set {
    states: Box<[StateID]>,
    before: Before,
    alive: Alive,
}

/// Byte count shared by all sets.
#[derive(Clone, Debug, Default)]
struct Alive(Arc<AtomicUsize>);

impl Set {
    pub(super) fn states(&self) -> &[StateID] {
        &self.states
    }

    pub(super) fn before(&self) -> Before {
        self.before
    }

    /// Approximate memory use in bytes: the set itself, and its entries in a list and a table.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.states) + OVERHEAD
    }
}

/// Bytes that a set needs in addition to its states.
const OVERHEAD: usize = size_of::<Set>() + 64;

impl Drop for Set {
    fn drop(&mut self) {
        self.alive.0.fetch_sub(self.size(), Ordering::Relaxed);
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.before == other.before && self.states == other.states
    }
}

impl Eq for Set {}

impl Hash for Set {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.before.hash(hasher);
        self.states.hash(hasher);
    }
}

/// A sparse set: states without repetition, in order of insertion. Insertion and look-up take
/// constant time.
#[derive(Debug)]
struct Members {
    list: Vec<StateID>,
    place: Box<[u32]>,
}

impl Members {
    fn new(capacity: usize) -> Self {
        Self {
            list: Vec::new(),
            place: vec![0; capacity].into(),
        }
    }

    fn insert(&mut self, state: StateID) -> bool {
        let place = &mut self.place[state.as_usize()];
        if self.list.get(*place as usize) == Some(&state) {
            return false;
        }
        *place = self.list.len() as u32;
        self.list.push(state);
        true
    }
}

/// Buffers reused by each step.
#[derive(Debug)]
pub(super) struct Scratch {
    stack: Vec<StateID>,
    /// The epsilon closure.
    closure: Members,
    /// The states that the byte leads to.
    next: Members,
}

impl Scratch {
    /// The states that the last step led to, in ascending order.
    pub(super) fn next(&self) -> &[StateID] {
        &self.next.list
    }
}

impl Sets {
    pub(super) fn new(nfa: NFA) -> Self {
        Self {
            nfa,
            alive: Alive::default(),
        }
    }

    pub(super) fn nfa(&self) -> &NFA {
        &self.nfa
    }

    pub(super) fn scratch(&self) -> Scratch {
        let states = self.nfa.states().len();
        Scratch {
            stack: Vec::new(),
            closure: Members::new(states),
            next: Members::new(states),
        }
    }

    /// Size of the epsilon closure of the start state.
    pub(super) fn reach(&self) -> usize {
        let mut scratch = self.scratch();
        self.step_where(&mut scratch, &[self.nfa.start_anchored()], None, |_| true);
        scratch.closure.list.len()
    }

    /// Bytes of all live sets.
    pub(super) fn alive(&self) -> usize {
        self.alive.0.load(Ordering::Relaxed)
    }

    /// Stores a set.
    pub(super) fn keep(&self, states: &[StateID], before: Before) -> Set {
        let set = Set {
            states: states.into(),
            before,
            alive: self.alive.clone(),
        };
        self.alive.0.fetch_add(set.size(), Ordering::Relaxed);
        set
    }

    /// The set in which no match has begun.
    pub(super) fn idle(&self, before: Before) -> Set {
        self.keep(&[self.nfa.start_anchored()], before)
    }

    /// Whether no match has begun in a set.
    pub(super) fn is_idle(&self, states: &[StateID]) -> bool {
        states == [self.nfa.start_anchored()]
    }

    /// Consumes a byte, or the end of the text, after the context `before`. Returns whether a match
    /// ends before the byte. The resulting states are in [`Scratch::next`].
    pub(super) fn step(
        &self,
        scratch: &mut Scratch,
        states: &[StateID],
        before: Before,
        byte: Option<u8>,
    ) -> bool {
        let matcher = self.nfa.look_matcher();
        let around = [before.byte().unwrap_or(0), byte.unwrap_or(0)];
        let from = usize::from(before == Before::Nothing);
        let around = &around[from..=usize::from(byte.is_some())];
        self.step_where(scratch, states, byte, |look| {
            matcher.matches(look, around, 1 - from)
        })
    }

    /// The same, where `holds` evaluates look-around.
    pub(super) fn step_where(
        &self,
        scratch: &mut Scratch,
        states: &[StateID],
        byte: Option<u8>,
        holds: impl Fn(Look) -> bool,
    ) -> bool {
        let Scratch {
            stack,
            closure,
            next,
        } = scratch;
        closure.list.clear();
        next.list.clear();
        for state in states {
            stack.push(*state);
            while let Some(state) = stack.pop() {
                if !closure.insert(state) {
                    continue;
                }
                match self.nfa.state(state) {
                    State::Look { look, next } if holds(*look) => stack.push(*next),
                    State::Union { alternates } => stack.extend(alternates.iter()),
                    State::BinaryUnion { alt1, alt2 } => stack.extend([*alt2, *alt1]),
                    State::Capture { next, .. } => stack.push(*next),
                    _ => {}
                }
            }
        }
        let mut matched = false;
        for state in &closure.list {
            let to = match (self.nfa.state(*state), byte) {
                (State::Match { .. }, _) => {
                    matched = true;
                    continue;
                }
                (State::ByteRange { trans }, Some(byte)) if trans.matches_byte(byte) => trans.next,
                (State::Sparse(sparse), Some(byte)) => match sparse.matches_byte(byte) {
                    Some(to) => to,
                    None => continue,
                },
                (State::Dense(dense), Some(byte)) => match dense.matches_byte(byte) {
                    Some(to) => to,
                    None => continue,
                },
                _ => continue,
            };
            next.insert(to);
        }
        next.insert(self.nfa.start_anchored());
        next.list.sort_unstable();
        matched
    }
}

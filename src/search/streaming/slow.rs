//! Simulates the NFA with the surrounding characters at hand, for Unicode `\b`, which looks at
//! whole characters before and after it. The slowest engine, linear in text and pattern; a byte is
//! consumed once the character that it begins is complete.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use regex_automata::util::primitives::StateID;

use super::sets::{Before, Scratch, Set, Sets};
use crate::limits;
use crate::search::prefilter::Prefilter;

/// An NFA simulation without a cache.
#[derive(Debug)]
pub(super) struct Slow {
    sets: Sets,
    /// Whether the pattern looks at characters beyond ASCII.
    waits: bool,
    idle: Arc<Set>,
    work: RefCell<Work>,
    /// Number of messages whose undecided matches were dropped.
    forgotten: Cell<u64>,
}

/// Buffers reused by each call.
#[derive(Debug)]
struct Work {
    scratch: Scratch,
    states: Vec<StateID>,
    /// The bytes being searched, with those around them.
    text: Vec<u8>,
}

impl Work {
    /// Resumes a message with its next bytes.
    fn take_up(&mut self, held: &Held, bytes: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(held.text());
        self.text.extend_from_slice(bytes);
        self.states.clear();
        self.states.extend_from_slice(held.set.states());
    }
}

/// What an open message holds: the set, the bytes before it, and those of a character that is still
/// incomplete.
#[derive(Clone, Debug)]
pub(super) struct Held {
    set: Arc<Set>,
    around: [u8; BEFORE + WAITING],
    before: u8,
    waiting: u8,
}

/// Bytes of the longest character, and of the longest incomplete one.
const BEFORE: usize = 4;
const WAITING: usize = BEFORE - 1;

impl Held {
    /// Holds a set at a position of a text.
    fn at(set: Arc<Set>, text: &[u8], at: usize) -> Self {
        let from = at.saturating_sub(BEFORE);
        let kept = text.get(from..).unwrap_or_default();
        let mut around = [0; BEFORE + WAITING];
        for (place, byte) in around.iter_mut().zip(kept) {
            *place = *byte;
        }
        Self {
            set,
            around,
            before: (at - from) as u8,
            waiting: (text.len() - at).min(WAITING) as u8,
        }
    }

    fn text(&self) -> &[u8] {
        let len = usize::from(self.before) + usize::from(self.waiting);
        self.around.get(..len).unwrap_or_default()
    }
}

impl Slow {
    pub(super) fn new(sets: Sets) -> Self {
        Self {
            waits: sets.nfa().look_set_any().contains_word_unicode(),
            idle: Arc::new(sets.idle(Before::Other)),
            work: RefCell::new(Work {
                scratch: sets.scratch(),
                states: Vec::new(),
                text: Vec::new(),
            }),
            forgotten: Cell::new(0),
            sets,
        }
    }

    /// Number of messages whose undecided matches were dropped because of the memory limit.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    #[cfg(test)]
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The state at the start of a text.
    pub(super) fn start(&self) -> Held {
        Held::at(Arc::clone(&self.idle), &[], 0)
    }

    /// The state after a byte when no match has begun.
    pub(super) fn start_after(&self, byte: u8) -> Held {
        Held::at(Arc::clone(&self.idle), &[byte], 1)
    }

    /// Whether a match has begun and is undecided.
    pub(super) fn is_open(&self, held: &Held) -> bool {
        held.waiting > 0 || !self.sets.is_idle(held.set.states())
    }

    /// Searches the next bytes, from a set that was last idle `since_start` bytes ago. Returns how
    /// many bytes ago it was idle at their end.
    pub(super) fn feed(
        &self,
        held: &mut Held,
        since_start: usize,
        bytes: &[u8],
        prefilter: Option<&Prefilter>,
        (exact, no_candidate): (bool, bool),
        found: &mut dyn FnMut(usize, usize),
    ) -> usize {
        let mut work = self.work.borrow_mut();
        work.take_up(held, bytes);
        let Work {
            scratch,
            states,
            text,
        } = &mut *work;
        let old = text.len() - bytes.len();
        let idle = self.idle.states();
        let matcher = self.sets.nfa().look_matcher();
        let mut at = usize::from(held.before);
        let mut start_at = at as i64 - since_start as i64;
        let mut jumped = 0;
        while at < text.len() {
            if self.sets.is_idle(states) {
                if let Some(prefilter) = prefilter
                    && at >= jumped
                {
                    // The end may cut a needle.
                    let tail = text.len().saturating_sub(prefilter.longest()).max(at);
                    let next = prefilter.find(&text[at..]).map_or(tail, |next| at + next);
                    at = next.min(tail);
                    jumped = at + 1;
                }
                start_at = at as i64;
            }
            let byte = text[at];
            if self.waits && text.len() - at < length(byte) {
                break;
            }
            let matched = self.sets.step_where(scratch, states, Some(byte), |look| {
                matcher.matches(look, text, at)
            });
            if matched {
                let len = (at as i64 - start_at).max(0) as usize;
                found(at.saturating_sub(old), len);
                if !no_candidate {
                    // The byte that raised the flag is not part of the match: consume it again.
                    states.clear();
                    states.extend_from_slice(idle);
                    start_at = at as i64;
                    continue;
                }
            }
            states.clear();
            states.extend_from_slice(scratch.next());
            at += 1;
        }
        if self.sets.is_idle(states) {
            start_at = at as i64;
        }
        if exact
            && !no_candidate
            && at == text.len()
            && self.sets.step_where(scratch, states, None, |_| false)
        {
            found(bytes.len(), (at as i64 - start_at).max(0) as usize);
            states.clear();
            states.extend_from_slice(idle);
            start_at = at as i64;
        }
        let set = match self.sets.is_idle(states) {
            true => Arc::clone(&self.idle),
            false if self.sets.alive() > limits::BEGUN_MATCHES => {
                self.forgotten.set(self.forgotten.get() + 1);
                Arc::clone(&self.idle)
            }
            false => Arc::new(self.sets.keep(states, Before::Other)),
        };
        *held = Held::at(set, text, at);
        (at as i64 - start_at).max(0) as usize
    }

    /// Whether a match ends within the held bytes: before a byte, or with the text.
    pub(super) fn ends_before(&self, held: &Held, byte: Option<u8>) -> bool {
        let mut work = self.work.borrow_mut();
        work.take_up(held, byte.as_slice());
        let end = work.text.len() - byte.as_slice().len();
        let matcher = self.sets.nfa().look_matcher();
        (usize::from(held.before)..=end).any(|at| {
            let Work {
                scratch,
                states,
                text,
            } = &mut *work;
            let next = text.get(at).copied();
            let matched = self.sets.step_where(scratch, states, next, |look| {
                matcher.matches(look, text, at)
            });
            states.clear();
            states.extend_from_slice(scratch.next());
            matched
        })
    }
}

/// Length of the UTF-8 character that a byte begins.
fn length(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

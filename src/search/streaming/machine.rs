//! The walk over a text: byte by byte, or from candidate to candidate where no match has begun.
//! Takes linear time.

use super::Automaton;

/// An automaton that consumes one byte per step.
pub(super) trait Machine {
    type State: Copy + PartialEq;

    fn next(&mut self, state: Self::State, byte: u8) -> Self::State;
    /// Whether the state is a start state, or a match state, or one that few bytes
    /// [leave](Self::leaves).
    fn is_special(&self, state: Self::State) -> bool;
    /// Whether no match has begun and none ended.
    fn is_start(&self, state: Self::State) -> bool;
    /// Whether a match ended before the byte that led to the state.
    fn is_match(&self, state: Self::State) -> bool;
    /// Whether a match ends with the text.
    fn ends(&mut self, state: Self::State) -> bool;
    /// The start state at the start of a text.
    fn at_start(&self) -> Self::State;
    /// The start state after a byte.
    fn start_after(&self, byte: u8) -> Self::State;
    /// The bytes that lead out of a state, if they are few and it is no start state.
    fn leaves(&self, state: Self::State) -> &[u8];
}

/// Candidates within `NEAR` bytes count as dense; after dense ones, up to `DENSE` bytes are walked
/// before the prefilter is used again.
const NEAR: usize = 16;
const DENSE: usize = 127;

impl Automaton {
    /// Searches the next bytes. Returns how many bytes ago the state was a start state. `before`:
    /// the last byte, and the value returned for the previous piece.
    #[inline]
    pub(super) fn steps<M: Machine>(
        &self,
        machine: &mut M,
        from: &mut M::State,
        before: (Option<u8>, usize),
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) -> usize {
        let mut state = *from;
        // Offset in `bytes` where the state was last a start state; negative: in an earlier piece.
        let mut start_at = -(before.1 as i64);
        let mut at = 0;
        let mut jump_from = 0;
        let mut dense = 0;
        let before = match before.0 {
            Some(last) => machine.start_after(last),
            None => machine.at_start(),
        };
        let start_after = |machine: &M, at: usize| match at.checked_sub(1) {
            Some(previous) => machine.start_after(bytes[previous]),
            None => before,
        };
        while at < bytes.len() {
            if machine.is_special(state) && machine.is_start(state) {
                if let Some(prefilter) = &self.prefilter
                    && at >= jump_from
                {
                    let next = match lacks {
                        true => None,
                        false => prefilter.find(&bytes[at..]).map(|next| at + next),
                    };
                    let to = self.jump(bytes, at, next);
                    // Where candidates are dense, searching for them costs more than walking.
                    jump_from = match next {
                        Some(next) if self.breaks.is_some() || next == to => {
                            dense = match next - at < NEAR {
                                true => (2 * dense + 1).min(DENSE),
                                false => 0,
                            };
                            next + 1 + dense
                        }
                        _ => bytes.len(),
                    };
                    if to > at {
                        at = to;
                        state = start_after(machine, at);
                    }
                }
                // Most steps from a start state lead to a start state.
                let walked = match self.prefilter {
                    Some(_) => jump_from,
                    None => bytes.len(),
                };
                while at < walked
                    && let Some(byte) = bytes.get(at)
                {
                    let next = machine.next(state, *byte);
                    if !machine.is_start(next) {
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
            // Plain steps, until a state needs a decision.
            let next = machine.next(state, bytes[at]);
            if !machine.is_special(next) {
                state = next;
                at += 1;
                continue;
            }
            if machine.is_match(next) {
                found(at, (at as i64 - start_at).max(0) as usize);
                if self.no_candidate {
                    state = next;
                    at += 1;
                } else {
                    // The byte that raised the flag is not part of the match: consume it again.
                    state = start_after(machine, at);
                    start_at = at as i64;
                    jump_from = jump_from.min(at);
                }
                continue;
            }
            state = next;
            at += 1;
            let rest = &bytes[at..];
            let skip = match *machine.leaves(state) {
                [a] => memchr::memchr(a, rest),
                [a, b] => memchr::memchr2(a, b, rest),
                [a, b, c] => memchr::memchr3(a, b, c, rest),
                _ => Some(0),
            };
            at += skip.unwrap_or(rest.len());
        }
        if machine.is_start(state) {
            start_at = at as i64;
        }
        let mut since_start = (at as i64 - start_at).max(0) as usize;
        if self.exact && !self.no_candidate && machine.ends(state) {
            found(bytes.len(), since_start);
            state = start_after(machine, bytes.len());
            since_start = 0;
        }
        *from = state;
        since_start
    }
}

impl Automaton {
    /// Where to walk on from a start state at `at`, when the prefilter found its next candidate or
    /// none. No match begins before that and is undecided there.
    #[inline]
    fn jump(&self, bytes: &[u8], at: usize, next: Option<usize>) -> usize {
        if let Some(breaks) = &self.breaks {
            // The match of an anchor begins after the last break before it. Without an anchor no
            // match ends in the piece; one that is open at its end begins after its last break.
            return at + breaks.after_last(&bytes[at..next.unwrap_or(bytes.len())]);
        }
        // The end of the piece may cut a needle that lies before a whole one: walk the last bytes.
        let needle = self.needle.saturating_sub(1);
        let tail = bytes.len().saturating_sub(needle).max(at);
        match next {
            Some(next) if next <= tail => next,
            _ if self.may_begin_in(&bytes[at..]) => tail,
            _ => bytes.len(),
        }
    }
}

/// For each byte, whether it leads from any start state to a state that is not one.
pub(super) fn begins<M: Machine>(machine: &mut M) -> Box<[bool; 256]> {
    let mut starts = vec![machine.at_start()];
    for byte in 0..=255 {
        let start = machine.start_after(byte);
        if !starts.contains(&start) {
            starts.push(start);
        }
    }
    let mut begins = Box::new([false; 256]);
    for (byte, begins) in (0..=255).zip(begins.iter_mut()) {
        *begins = starts.iter().any(|start| {
            let next = machine.next(*start, byte);
            !machine.is_start(next)
        });
    }
    begins
}

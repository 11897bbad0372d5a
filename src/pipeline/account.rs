//! The *account* of memory: what the flows of a run hold together, against one bound.
//!
//! What a flow holds is counted after every few events, and only if it received enough bytes since
//! it was last counted: most flows hold nothing, and cost a few instructions for each event.

/// Events after which the flows that grew are counted.
const EVENTS: u32 = 256;
/// Bytes that a flow receives before it is counted again.
const GROWN: u32 = 1024;

/// What the account records of a flow.
#[derive(Default)]
pub(super) struct Entry {
    /// Bytes that the flow held when it was last counted.
    pub(super) held: usize,
    /// Bytes received since.
    grown: u32,
}

impl Entry {
    /// The flow holds `held` bytes now. Returns what it held before.
    pub(super) const fn counted(&mut self, held: usize) -> usize {
        self.grown = 0;
        std::mem::replace(&mut self.held, held)
    }
}

/// The bytes that all flows hold, and the flows that grew since they were last counted.
pub(super) struct Account {
    /// Bytes that may be held.
    limit: usize,
    /// Bytes that were held when the flows were last counted.
    held: usize,
    /// Slots of flows that grew since.
    touched: Vec<u32>,
    /// Events until they are counted.
    left: u32,
}

impl Account {
    /// An account of `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: 0,
            touched: Vec::new(),
            left: EVENTS,
        }
    }

    /// Records that the flow in this slot received `bytes`. Returns whether it is time to count the
    /// flows that grew.
    #[inline]
    pub(super) fn receive(&mut self, entry: &mut Entry, bytes: usize, slot: u32) -> bool {
        let before = entry.grown;
        entry.grown = before.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if before < GROWN && entry.grown >= GROWN {
            self.touched.push(slot);
        }
        self.left -= 1;
        self.left == 0
    }

    /// The slot of the next flow that grew. Each is returned once.
    pub(super) fn next_touched(&mut self) -> Option<u32> {
        self.left = EVENTS;
        self.touched.pop()
    }

    /// A flow that held `before` bytes holds `after` now.
    pub(super) const fn change(&mut self, before: usize, after: usize) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
    }

    /// Whether more is held than may be. `decoding` is what the decoders hold besides.
    pub(super) const fn is_exceeded(&self, decoding: usize) -> bool {
        self.held.saturating_add(decoding) > self.limit
    }

    /// Whether so little is held that it takes a while until there is too much again.
    pub(super) const fn is_relieved(&self, decoding: usize) -> bool {
        self.held.saturating_add(decoding) <= self.limit / 4 * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_grew_are_counted_after_some_events() {
        let mut account = Account::new(100);
        let (mut small, mut large) = (Entry::default(), Entry::default());
        for event in 1..=EVENTS {
            let due = match event % 2 {
                0 => account.receive(&mut small, 1, 0),
                _ => account.receive(&mut large, GROWN as usize, 1),
            };
            assert_eq!(due, event == EVENTS);
        }
        assert_eq!(account.next_touched(), Some(1));
        assert_eq!(account.next_touched(), None);
        assert_eq!(large.counted(7), 0);
        assert!(!account.receive(&mut large, GROWN as usize, 1));
        assert_eq!(account.next_touched(), Some(1));
    }

    #[test]
    fn what_is_held_is_compared_with_the_limit() {
        let mut account = Account::new(100);
        account.change(0, 90);
        account.change(0, 20);
        assert!(account.is_exceeded(0));
        account.change(90, 40);
        assert!(!account.is_exceeded(0) && account.is_relieved(0));
        assert!(account.is_exceeded(41) && !account.is_relieved(16));
        account.change(40, 70);
        assert!(!account.is_exceeded(0) && !account.is_relieved(0));
    }
}

//! The *account* of memory: what the flows of a run hold together, against one bound.
//!
//! What a flow holds is counted after some of its events, not after each: between two counts it
//! grows by what [`EVENTS`] events bring at most.

/// Events after which the flows that had one are looked at.
const EVENTS: u32 = 256;

/// The bytes that all flows hold, and the flows that had events since they were last counted.
pub(super) struct Account {
    /// Bytes that may be held.
    limit: usize,
    /// Bytes that were held when the flows were last looked at.
    held: usize,
    /// Slots of flows that had events since.
    touched: Vec<u32>,
    /// Events until they are looked at.
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

    /// Records an event of the flow in this slot; `touched` is the flow's note of that. Returns
    /// whether it is time to look at the flows.
    #[inline]
    pub(super) fn touch(&mut self, touched: &mut bool, slot: u32) -> bool {
        if !std::mem::replace(touched, true) {
            self.touched.push(slot);
        }
        self.left -= 1;
        self.left == 0
    }

    /// The slot of the next flow that had an event. Each is returned once.
    pub(super) fn next_touched(&mut self) -> Option<u32> {
        self.left = EVENTS;
        self.touched.pop()
    }

    /// A flow that held `before` bytes holds `after` now.
    pub(super) const fn change(&mut self, before: usize, after: usize) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
    }

    /// Whether more is held than may be.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.held > self.limit
    }

    /// Whether so little is held that it takes a while until there is too much again.
    pub(super) const fn is_relieved(&self) -> bool {
        self.held <= self.limit / 4 * 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_looked_at_after_some_events() {
        let mut account = Account::new(100);
        let mut touched = [false; 2];
        for event in 1..=EVENTS {
            let slot = event % 2;
            let due = account.touch(&mut touched[slot as usize], slot);
            assert_eq!(due, event == EVENTS);
        }
        assert_eq!(account.next_touched(), Some(0));
        assert_eq!(account.next_touched(), Some(1));
        assert_eq!(account.next_touched(), None);
        assert!(!account.touch(&mut false, 7));
    }

    #[test]
    fn what_is_held_is_compared_with_the_limit() {
        let mut account = Account::new(100);
        account.change(0, 90);
        account.change(0, 20);
        assert!(account.is_exceeded());
        account.change(90, 40);
        assert!(!account.is_exceeded() && account.is_relieved());
        account.change(40, 70);
        assert!(!account.is_exceeded() && !account.is_relieved());
    }
}

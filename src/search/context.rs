//! Context around the hits of one flow: `-A` and `-B`. Each message is returned at most once; at
//! most `-B` messages are held.

use std::collections::VecDeque;

/// Selects which messages of one flow are shown around its hits.
#[derive(Debug)]
pub struct Context<T> {
    before: VecDeque<T>,
    after: usize,
}

impl<T> Default for Context<T> {
    fn default() -> Self {
        Self {
            before: VecDeque::new(),
            after: 0,
        }
    }
}

impl<T> Context<T> {
    /// Records a hit: passes the messages held before it to `show`, oldest first, and requests
    /// `after` following messages. Returns by how many the number of requested messages grew.
    pub fn hit(&mut self, after: usize, mut show: impl FnMut(T)) -> usize {
        self.before.drain(..).for_each(&mut show);
        let more = after.saturating_sub(self.after);
        self.after = self.after.max(after);
        more
    }

    /// Records a message that is not a hit. Returns true if it is to be shown as context after a
    /// hit.
    pub fn passes(&mut self) -> bool {
        let shown = self.after > 0;
        self.after = self.after.saturating_sub(1);
        shown
    }

    /// Holds a message that was not shown, at most `capacity` of them; the oldest is dropped first.
    pub fn remember(&mut self, message: T, capacity: usize) {
        if capacity > 0 {
            self.before.truncate(self.before.len().min(capacity));
            if self.before.len() == capacity {
                self.before.pop_front();
            }
            self.before.push_back(message);
        }
    }

    /// The messages that are remembered.
    pub fn before(&self) -> impl Iterator<Item = &T> {
        self.before.iter()
    }

    /// Requests no more messages. Returns how many were still requested.
    pub fn give_up(&mut self) -> usize {
        std::mem::take(&mut self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_given_out_once_and_in_order() {
        let mut context = Context::default();
        let mut shown = Vec::new();
        for (number, is_hit) in [
            (1, false),
            (2, false),
            (3, false),
            (4, true),
            (5, false),
            (6, true),
            (7, false),
            (8, false),
        ] {
            if is_hit {
                context.hit(1, |kept| shown.push(kept));
                shown.push(number);
            } else if context.passes() {
                shown.push(number);
            } else {
                context.remember(number, 2);
            }
        }
        assert_eq!(shown, [2, 3, 4, 5, 6, 7]);
    }
}

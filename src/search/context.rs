//! Neighbours of a hit in its conversation: `-A`, `-B`.

use std::collections::VecDeque;

/// Which messages of one conversation are shown around its hits. Each message is given out at most
/// once.
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
    /// A hit: gives out the messages in front of it, oldest first, and asks for `after` more behind
    /// it. Says by how many that is more than were already asked for.
    pub fn hit(&mut self, after: usize, mut show: impl FnMut(T)) -> usize {
        self.before.drain(..).for_each(&mut show);
        let more = after.saturating_sub(self.after);
        self.after = self.after.max(after);
        more
    }

    /// A message that is no hit. True: it is to be shown, being behind a hit.
    pub fn passes(&mut self) -> bool {
        let shown = self.after > 0;
        self.after = self.after.saturating_sub(1);
        shown
    }

    /// Remember a message that was not shown, up to `room` of them.
    pub fn remember(&mut self, message: T, room: usize) {
        if room > 0 {
            self.before.truncate(self.before.len().min(room));
            if self.before.len() == room {
                self.before.pop_front();
            }
            self.before.push_back(message);
        }
    }

    /// The messages that are remembered.
    pub fn before(&self) -> impl Iterator<Item = &T> {
        self.before.iter()
    }

    /// Ask for no more; says how many were still asked for.
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

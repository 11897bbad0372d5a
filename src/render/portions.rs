//! Tracks messages that are shown in portions, interleaved with others: the state of each, and
//! whose text was written last. The number of tracked messages is bounded.

use std::collections::HashMap;

use crate::hit::{Hit, Portion};
use crate::message::Role;

/// Key of a message: its number, and its role in the exchange.
type Key = (u64, Role);

/// Messages with portions still to come. `T` is the state of each.
#[derive(Default)]
pub(super) struct Portions<T> {
    open: HashMap<Key, T>,
    /// Message whose portion was written last, if nothing was written since.
    last: Option<Key>,
}

/// Maximum number of messages; each portion of a further one is shown like a first.
const OPEN: usize = 1 << 16;

impl<T: Default> Portions<T> {
    /// Takes the state of the message to which this portion belongs.
    pub(super) fn take(&mut self, hit: &Hit<'_>) -> T {
        match hit.portion {
            Portion::Whole | Portion::First => T::default(),
            Portion::Next | Portion::Last => self.open.remove(&key(hit)).unwrap_or_default(),
        }
    }

    /// Records that the text of this message was written last.
    pub(super) fn wrote(&mut self, hit: &Hit<'_>) {
        self.last = (!hit.is_end()).then(|| key(hit));
    }

    /// Stores the state of a message.
    pub(super) fn put(&mut self, hit: &Hit<'_>, so_far: T) {
        if !hit.is_end() && self.open.len() < OPEN {
            self.open.insert(key(hit), so_far);
        }
    }

    /// Records that something else was written.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Whether something else was written between a portion and the one before, so that its text
    /// needs a header line.
    pub(super) fn is_apart(&self, hit: &Hit<'_>) -> bool {
        let later = matches!(hit.portion, Portion::Next | Portion::Last);
        later && self.last != Some(key(hit))
    }
}

fn key(hit: &Hit<'_>) -> Key {
    (hit.number, hit.kind.side)
}

//! Messages that are shown in portions, between which others are shown: how far each is, and whose
//! text stands last.

use std::collections::HashMap;

use crate::hit::{Hit, Portion};
use crate::message::Role;

/// A message: its number, and which half of the exchange it is.
type Key = (u64, Role);

/// Messages of which more portions come. `T` is what is to be known of each.
#[derive(Default)]
pub(super) struct Portions<T> {
    open: HashMap<Key, T>,
    /// Whose portion was written last, if nothing was since.
    last: Option<Key>,
}

/// Messages in portions at once; of one more, each portion is shown as if it were the first.
const OPEN: usize = 1 << 16;

impl<T: Default> Portions<T> {
    /// How far a message is that comes with this portion.
    pub(super) fn take(&mut self, hit: &Hit<'_>) -> T {
        match hit.portion {
            Portion::Whole | Portion::First => T::default(),
            Portion::Next | Portion::Last => self.open.remove(&key(hit)).unwrap_or_default(),
        }
    }

    /// Its text was written last.
    pub(super) fn wrote(&mut self, hit: &Hit<'_>) {
        self.last = (!hit.is_end()).then(|| key(hit));
    }

    /// It is this far now.
    pub(super) fn put(&mut self, hit: &Hit<'_>, so_far: T) {
        if !hit.is_end() && self.open.len() < OPEN {
            self.open.insert(key(hit), so_far);
        }
    }

    /// Something else was written.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Whether something else stands between a portion and the one before, so that its text is
    /// given a header line.
    pub(super) fn is_apart(&self, hit: &Hit<'_>) -> bool {
        let later = matches!(hit.portion, Portion::Next | Portion::Last);
        later && self.last != Some(key(hit))
    }
}

fn key(hit: &Hit<'_>) -> Key {
    (hit.number, hit.kind.side)
}

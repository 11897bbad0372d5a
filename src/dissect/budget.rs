//! The *budget* of all decoders of a run: what they allocate together is bounded, however many
//! bodies are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes the decoders of all open bodies hold. One is made for a run and lent to each
/// [`super::FlowDissector`]; clones are the same budget.
#[derive(Clone, Default, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// Bytes held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One decoder's part of a budget. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// A part of `bytes`, if all parts together stay within `limit`.
    pub(super) fn new(budget: &Budget, bytes: usize, limit: usize) -> Option<Self> {
        let mut charge = Self {
            budget: budget.clone(),
            bytes: 0,
        };
        charge.resize(bytes, limit).then_some(charge)
    }

    /// How many bytes it is.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it `bytes`; false, and as it was, if it grows and all parts together would be more
    /// than `limit`.
    pub(super) fn resize(&mut self, bytes: usize, limit: usize) -> bool {
        let others = self.budget.held().saturating_sub(self.bytes);
        let sum = others.saturating_add(bytes);
        if bytes > self.bytes && sum > limit {
            return false;
        }
        // One thread dissects: nobody changes the sum in between.
        self.budget.0.store(sum, Ordering::Relaxed);
        self.bytes = bytes;
        true
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_together_stay_within_the_limit_and_are_given_back() {
        let budget = Budget::default();
        let mut one = Reservation::new(&budget, 60, 100).expect("there is room");
        assert!(Reservation::new(&budget, 41, 100).is_none());
        let two = Reservation::new(&budget, 40, 100).expect("there is room");
        assert_eq!(budget.held(), 100);
        assert!(!one.resize(61, 100));
        assert!(one.resize(10, 100));
        drop(two);
        assert_eq!(budget.held(), 10);
        drop(one);
        assert_eq!(budget.held(), 0);
    }
}

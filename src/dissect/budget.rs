//! The memory budget of all decoders of a run: their allocations together stay within a limit,
//! however many bodies are open. A reservation is released when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of bytes that the decoders of all open bodies hold. One budget is made for a run and
/// shared by all [`super::FlowDissector`]s; clones refer to the same budget.
#[derive(Clone, Default, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// Number of bytes reserved now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The part of a budget that one decoder holds. Dropping it releases the bytes.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Reserves `bytes`. `None` if all reservations together would exceed `limit`.
    pub(super) fn new(budget: &Budget, bytes: usize, limit: usize) -> Option<Self> {
        let mut reservation = Self {
            budget: budget.clone(),
            bytes: 0,
        };
        reservation.resize(bytes, limit).then_some(reservation)
    }

    /// Number of reserved bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the reservation to `bytes`. Returns false and changes nothing if it would grow and
    /// all reservations together would exceed `limit`.
    pub(super) fn resize(&mut self, bytes: usize, limit: usize) -> bool {
        let others = self.budget.held().saturating_sub(self.bytes);
        let sum = others.saturating_add(bytes);
        if bytes > self.bytes && sum > limit {
            return false;
        }
        // Only one thread dissects, so the sum cannot change in between.
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
        let mut one = Reservation::new(&budget, 60, 100).expect("within the limit");
        assert!(Reservation::new(&budget, 41, 100).is_none());
        let two = Reservation::new(&budget, 40, 100).expect("within the limit");
        assert_eq!(budget.held(), 100);
        assert!(!one.resize(61, 100));
        assert!(one.resize(10, 100));
        drop(two);
        assert_eq!(budget.held(), 10);
        drop(one);
        assert_eq!(budget.held(), 0);
    }
}

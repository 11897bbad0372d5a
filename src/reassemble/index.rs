//! The index of the flows: from the hash of a key to the slots that may hold it, as chains.
//!
//! The standard map leaves a mark where an entry was taken out, and walks over the marks until it is made anew: with millions of
//! flows that come and go, each look-up got dearer than the one before. Chains keep nothing of what is gone, and cost a tenth of the
//! memory, as the keys stay where they are.

/// Slots by hash. What a slot holds is not its business.
#[derive(Default)]
pub(super) struct Index {
    /// The first slot of each chain; their number is a power of two, or 0.
    heads: Vec<u32>,
    /// For each slot: the next one of its chain, and its hash.
    links: Vec<(u32, u32)>,
    len: usize,
}

/// The end of a chain.
const NONE: u32 = u32::MAX;
/// Chains to begin with.
const FEW: usize = 64;

impl Index {
    /// The slot with this hash that `is_it`.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = *self.heads.get(self.chain(hash))?;
        while let Some((next, own)) = self.links.get(at as usize) {
            if *own == hash && is_it(at as usize) {
                return Some(at as usize);
            }
            at = *next;
        }
        None
    }

    /// Add a slot, which is not in it.
    pub(super) fn insert(&mut self, hash: u32, slot: usize) {
        if self.len >= self.heads.len() {
            self.widen();
        }
        if slot >= self.links.len() {
            self.links.resize(slot + 1, (NONE, 0));
        }
        self.len += 1;
        self.link(hash, slot);
    }

    /// Take a slot out.
    pub(super) fn remove(&mut self, slot: usize) {
        let Some((next, hash)) = self.links.get(slot).copied() else {
            return;
        };
        let chain = self.chain(hash);
        let Some(head) = self.heads.get_mut(chain) else {
            return;
        };
        if *head as usize == slot {
            *head = next;
            self.len -= 1;
            return;
        }
        let mut at = *head;
        while let Some((following, _)) = self.links.get_mut(at as usize) {
            if *following as usize == slot {
                *following = next;
                self.len -= 1;
                return;
            }
            at = *following;
        }
    }

    fn chain(&self, hash: u32) -> usize {
        hash as usize & self.heads.len().wrapping_sub(1)
    }

    fn link(&mut self, hash: u32, slot: usize) {
        let chain = self.chain(hash);
        if let (Some(head), Some(link)) = (self.heads.get_mut(chain), self.links.get_mut(slot)) {
            *link = (*head, hash);
            *head = slot as u32;
        }
    }

    /// Twice as many chains.
    fn widen(&mut self) {
        let more = (2 * self.heads.len()).max(FEW);
        let old = std::mem::replace(&mut self.heads, vec![NONE; more]);
        for head in old {
            let mut at = head;
            while let Some((next, hash)) = self.links.get(at as usize).copied() {
                self.link(hash, at as usize);
                at = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Hashes that are often equal, and slots that come and go.
        #[test]
        fn what_is_in_it_is_found_and_nothing_else(
            hashes in prop::collection::vec(0..40_u32, 300),
            turns in prop::collection::vec(0..300_usize, 0..1000),
        ) {
            let mut index = Index::default();
            let mut inside = HashSet::new();
            for slot in turns {
                if inside.remove(&slot) {
                    index.remove(slot);
                } else {
                    inside.insert(slot);
                    index.insert(hashes[slot], slot);
                }
                let found = |slot: &usize| index.find(hashes[*slot], |at| at == *slot).is_some();
                prop_assert_eq!(found(&slot), inside.contains(&slot));
            }
            prop_assert_eq!(index.len, inside.len());
            for (slot, hash) in hashes.iter().enumerate() {
                prop_assert_eq!(index.find(*hash, |at| at == slot), inside.get(&slot).copied());
            }
        }
    }

    #[test]
    fn flows_that_went_leave_nothing_behind() {
        let mut index = Index::default();
        for number in 0..100_000_usize {
            index.insert((number as u32).wrapping_mul(0x9e37_79b1), number % 1000);
            index.remove((number + 1) % 1000);
        }
        let linked = |head: &&u32| **head != NONE;
        assert_eq!(index.len, 999);
        assert!(index.heads.iter().filter(linked).count() <= 999);
        assert_eq!((index.heads.len(), index.links.len()), (1024, 1000));
    }
}

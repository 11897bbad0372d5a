//! Delivered bytes that still lie in their block of the file. They are copied only if they are
//! still to be retained when the block is released.

use super::Reassembler;
use super::table::Entry;

impl Reassembler {
    /// Copies from `block`, before it is released, the bytes delivered since the last call that are
    /// to be retained.
    #[inline]
    pub fn settle(&mut self, block: &[u8]) {
        if !self.shared.tails.fresh.is_empty() {
            self.copy_fresh(block);
        }
    }

    /// The same before the end of a flow, if bytes of it may be compared with retained ones.
    pub(super) fn settle_for(&mut self, slot: usize, block: &[u8]) {
        let untroubled = |entry: &mut Entry| entry.halves.have_no_slow_state();
        if !self.table.get(slot).is_some_and(untroubled) {
            self.settle(block);
        }
    }

    fn copy_fresh(&mut self, block: &[u8]) {
        let tails = &mut self.shared.tails;
        let mut all = std::mem::take(&mut tails.fresh);
        for fresh in all.drain(..) {
            let (slot, id) = fresh.flow;
            if let Some(entry) = self.table.get(slot as usize)
                && entry.flow.id == id
            {
                let bytes = block.get(fresh.at);
                debug_assert!(bytes.is_some(), "the block is the one they were lent from");
                entry
                    .halves
                    .half(fresh.dir)
                    .settle(bytes.unwrap_or_default(), tails);
            }
        }
        tails.fresh = all;
    }
}

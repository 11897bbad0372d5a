//! Delivered bytes that still lie in the block of the file they were read into: copied when that
//! goes, as far as they count then.

use super::Reassembler;
use super::table::Entry;

impl Reassembler {
    /// The block goes that bytes were delivered from since the last call: copy what has to be
    /// remembered of them.
    #[inline]
    pub fn settle(&mut self, block: &[u8]) {
        if !self.shared.tails.fresh.is_empty() {
            self.copy_fresh(block);
        }
    }

    /// The same in front of the end of a flow, if anything of it may be compared with what was
    /// delivered.
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

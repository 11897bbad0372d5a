//! Flows that end: all that waits in them is emitted, with the gaps between, and they are removed.

use crate::flow::{Direction, Flow};
use crate::stream::{Ending, GapReason, StreamEvent};

use super::Reassembler;
use super::table::Entry;

impl Reassembler {
    /// Emits everything that waits in a flow, and ends the flow.
    pub(super) fn close(
        &mut self,
        slot: usize,
        how: Ending,
        reason: GapReason,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        self.settle_for(slot, block);
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let Entry {
            flow, halves, last, ..
        } = entry;
        let by = &*last;
        let reset = halves
            .made()
            .iter()
            .any(|half| half.reset_since().is_some());
        let how = if reset { Ending::Reset } else { how };
        let mut emit = |event: &StreamEvent<'_>| deliver(flow, event);
        if halves.begun().is_some() {
            let dir = Direction::ToServer;
            emit(&StreamEvent::End { dir, how, by });
        }
        if let Some([to_server, to_client]) = halves.both_made() {
            let mut ctx = self.shared.ctx(Direction::ToServer, by, &mut emit);
            for (dir, half) in [
                (Direction::ToServer, to_server),
                (Direction::ToClient, to_client),
            ] {
                ctx.dir = dir;
                half.end(how, reason, &mut ctx);
                half.release(&mut ctx);
            }
        }
        emit(&StreamEvent::Closed { how, by });
    }

    pub(super) fn forget(
        &mut self,
        slot: usize,
        how: Ending,
        reason: GapReason,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        self.close(slot, how, reason, block, deliver);
        self.table.remove(slot);
    }
}

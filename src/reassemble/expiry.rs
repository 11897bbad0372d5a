//! Expiry: gaps that were waited for long enough are given up, and flows that were quiet for too
//! long are removed. Each timer fires once.

use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits::time;
use crate::stream::{Ending, GapReason, PacketInfo, StreamEvent};

use super::Reassembler;
use super::connection::{next_review, settle};
use super::half::HalfStream;
use super::table::{Entry, Stage};

/// Nanoseconds between two searches for quiet flows.
const SWEEP: u64 = 100_000_000;

impl Reassembler {
    /// Advances the clock to `now`: gives up gaps and removes flows whose time has come.
    pub fn expire(&mut self, now: Timestamp, deliver: impl FnMut(&Flow, &StreamEvent<'_>)) {
        self.expire_from(&[], now, deliver);
    }

    /// The same between packets whose bytes may lie in a `block`.
    pub fn expire_from(
        &mut self,
        block: &[u8],
        now: Timestamp,
        mut deliver: impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        let aged = self.at(now);
        // A reviewed flow is not due again at once.
        while let Some((moment, slot, id)) = self.timers.due(aged)
            && !self.stop.is_set()
        {
            let slot = slot as usize;
            if let Some(entry) = self.table.get(slot)
                && entry.flow.id == id
                && entry.timer == Some(moment)
            {
                entry.timer = None;
                self.settle(block);
                self.review(slot, now, &mut deliver);
                self.limit_tails();
            }
        }
        // Timeouts are seconds long: it is enough to check the flows that were quiet for longest
        // now and then.
        if aged.since(self.swept).unsigned_abs() < SWEEP {
            return;
        }
        self.swept = aged;
        for (stage, patience) in [
            (Stage::Closed, time::LINGER),
            (Stage::Embryo, time::EMBRYO),
            (Stage::Open, self.idle),
        ] {
            while let Some((slot, since)) = self.table.oldest(stage)
                && aged.since(since) >= patience
                && !self.stop.is_set()
            {
                self.forget(slot, Ending::Abandoned, GapReason::End, block, &mut deliver);
            }
        }
    }

    /// Reviews a flow whose timer is due.
    fn review(
        &mut self,
        slot: usize,
        now: Timestamp,
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let by = PacketInfo {
            ts: entry.last.ts.max(now),
            ..entry.last
        };
        let aged = self.shared.now;
        let Entry {
            flow,
            halves,
            bidirectional,
            timer,
            reset,
            odd,
            ..
        } = entry;
        let mut emit = |event: &StreamEvent<'_>| deliver(flow, event);
        let mut ctx = self.shared.ctx(Direction::ToServer, &by, &mut emit);
        let [to_server, to_client] = halves.both();
        settle(to_server, to_client, false, *bidirectional, &mut ctx);
        let over = |half: &HalfStream| {
            half.reset_since()
                .is_some_and(|since| aged.since(since) >= time::CLOSE_GRACE)
        };
        let is_over = over(to_server) || over(to_client);
        if is_over {
            (*reset, *odd) = (true, true);
            for (dir, half) in [
                (Direction::ToServer, &mut *to_server),
                (Direction::ToClient, &mut *to_client),
            ] {
                ctx.dir = dir;
                half.end(Ending::Reset, GapReason::End, &mut ctx);
            }
        }
        if is_over {
            // No more timers: a side that sent nothing but a RST gets no end event.
            self.table.touch(slot, Stage::Closed);
        } else if let Some(moment) = next_review(to_server, to_client, *bidirectional, aged) {
            self.timers.set(timer, moment, flow);
        }
    }
}

//! The state of a direction whose peer acknowledged bytes before the capture shows them. It is what
//! [`super::gaps`] does with such a direction, in the cases where that is only counting.

use crate::frame::Timestamp;
use crate::limits::time;
use crate::reassemble::context::SegmentContext;

use super::{Acked, HalfStream, PendingGap};

impl HalfStream {
    /// Whether the direction is in order, and waits for nothing but bytes that its peer
    /// acknowledged.
    pub(in crate::reassemble) fn waits_for_acked(&self) -> bool {
        self.fin.is_none()
            && self.slow.as_ref().is_some_and(|slow| {
                slow.gap.is_some_and(|gap| gap.acked.is_some()) && slow.has_at_most_a_gap()
            })
    }

    /// Whether another packet of the flow at `now` does not end the wait. After `grace` packets it
    /// ends.
    pub(in crate::reassemble) fn can_wait_on(&self, grace: u32, now: Timestamp) -> bool {
        let acked = self.gap().and_then(|gap| gap.acked);
        acked.is_none_or(|acked| acked.packets < grace && now.since(acked.since) < time::GAP_GRACE)
    }

    /// Some of the acknowledged bytes were delivered: the wait for the rest begins.
    pub(in crate::reassemble) fn wait_for_rest(&mut self, ctx: &SegmentContext<'_>) {
        let is_ahead = self.acked_bytes() > self.next;
        if let Some(slow) = &mut self.slow {
            slow.gap = is_ahead.then(|| PendingGap {
                since: ctx.now,
                acked: Some(Acked {
                    packets: 1,
                    ..Acked::now(ctx)
                }),
            });
        }
    }

    /// A packet of the flow came that brings none of the acknowledged bytes.
    pub(in crate::reassemble) fn count_wait(&mut self) {
        if let Some(slow) = &mut self.slow
            && let Some(gap) = &mut slow.gap
            && let Some(acked) = &mut gap.acked
        {
            acked.packets += 1;
        }
    }
}

//! Holes in a direction: how long they are waited for, and how they are given up.

use crate::flow::Direction;
use crate::limits::time;
use crate::stream::{Carrier, GapReason, StreamEvent};

use super::{Half, Hole, Shop, WINDOW};

impl Half {
    /// Hear that the peer acknowledged everything below `ack`.
    pub(in crate::reassemble) fn acknowledged(
        &mut self,
        dir: Direction,
        ack: u32,
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let Some(Ok(mut offset)) = self.place(ack).map(u64::try_from) else {
            return;
        };
        if offset.abs_diff(self.next) >= WINDOW as u64 {
            return;
        }
        // The FIN takes a number and is no byte.
        if let Some(fin) = self.fin {
            offset = offset.min(fin);
        }
        if offset > self.acked {
            self.acked = offset;
            say(StreamEvent::Acked { dir, offset, by });
        }
        if self.acked > self.next && !self.ended {
            let hole = self.hole.get_or_insert(Hole {
                since: by.ts,
                acked: None,
            });
            if hole.acked.is_none() {
                hole.acked = Some((by.ts, 0));
                shop.alarms.push(by.ts.plus(time::GAP_GRACE));
            }
        }
    }

    /// A packet of the flow has passed, or time has: give holes up that were waited for long enough.
    pub(in crate::reassemble) fn review(
        &mut self,
        dir: Direction,
        by: Carrier,
        packet: bool,
        one_sided: bool,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        while let Some(hole) = &mut self.hole {
            let timeout = if one_sided {
                time::GAP_TIMEOUT_ONE_SIDED
            } else {
                time::GAP_TIMEOUT
            };
            let queued = self.queue.as_ref().is_some_and(|queue| queue.len() > 0);
            let reason = if let Some((since, packets)) = &mut hole.acked {
                *packets += u32::from(packet);
                let over =
                    *packets > time::GAP_GRACE_PACKETS || by.ts.since(*since) >= time::GAP_GRACE;
                over.then_some(GapReason::Acked)
            } else {
                (queued && by.ts.since(hole.since) >= timeout).then_some(GapReason::Timeout)
            };
            let over = self.queue.as_ref().is_some_and(|queue| {
                queue.size() > shop.limits.reorder_bytes
                    || queue.len() > shop.limits.reorder_segments
            });
            let Some(reason) = reason.or(over.then_some(GapReason::Overflow)) else {
                return;
            };
            let first = self.queue.as_ref().and_then(|queue| queue.first());
            let to = if reason == GapReason::Acked {
                first.map_or(self.acked, |first| first.min(self.acked))
            } else {
                first.unwrap_or(self.next)
            };
            self.lose(dir, to.saturating_sub(self.next), reason, by, shop, say);
            self.deliver(dir, by, shop, say);
            if packet && self.hole.is_some_and(|hole| hole.acked.is_none()) {
                return;
            }
        }
    }

    /// Give up the next `len` bytes.
    pub(super) fn lose(
        &mut self,
        dir: Direction,
        len: u64,
        reason: GapReason,
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        self.hole = None;
        if len == 0 {
            return;
        }
        shop.stats.gaps += 1;
        shop.stats.gap_bytes += len;
        let offset = self.next;
        self.next = self.next.saturating_add(len);
        say(StreamEvent::Gap {
            dir,
            offset,
            len,
            reason,
            by,
        });
    }
}

//! The bytes of a segment at their offset: delivered, queued, or compared with delivered ones.

use crate::packet::TcpFlags;
use crate::reassemble::context::{Segment, SegmentContext};
use crate::reassemble::queue::Facts;
use crate::stream::GapReason;

use super::HalfStream;

impl HalfStream {
    /// Processes bytes at their offset: delivers, queues or compares them.
    pub(super) fn bytes(
        &mut self,
        offset: u64,
        bytes: &[u8],
        facts: Facts,
        segment: &Segment<'_>,
        reached: u64,
        ctx: &mut SegmentContext<'_>,
    ) {
        if bytes.is_empty() {
            return;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if segment.has(TcpFlags::URG) && segment.tcp.urgent > 0 && !facts.weak {
            self.expect_urgent(offset.saturating_add(u64::from(segment.tcp.urgent) - 1));
        }
        if offset < self.next {
            self.retransmitted(offset, bytes, ctx);
            if end <= self.next {
                return;
            }
        }
        let seen = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (at, fresh) = (offset.max(self.next), bytes.get(seen..).unwrap_or_default());
        let clear = self.slow.as_ref().is_none_or(|slow| {
            slow.syn_data.is_none() && slow.queue.first().is_none_or(|first| first >= end)
        });
        if at == self.next && clear && facts.needs <= reached && !facts.weak {
            // In order, without a wait: passed on without a copy.
            if let Some(slow) = &mut self.slow {
                slow.gap = None;
            }
            self.deliver(fresh, &facts.by, ctx);
            if facts.cut > 0 {
                self.declare_gap(facts.cut, GapReason::Snaplen, &facts.by, ctx);
            }
        } else {
            self.queue(at, fresh, facts, segment, ctx);
        }
    }

    fn queue(
        &mut self,
        at: u64,
        fresh: &[u8],
        mut facts: Facts,
        segment: &Segment<'_>,
        ctx: &mut SegmentContext<'_>,
    ) {
        if at > self.next {
            ctx.stats.out_of_order += 1;
        }
        facts.weak |= self.valid_checksum_seen && ctx.is_damaged(segment);
        let overlap = ctx.policy.overlap;
        let slow = self.slow.get_or_insert_default();
        let size = slow.queue.size();
        let losers = slow.queue.insert(at, fresh, facts, overlap);
        *ctx.queued = (*ctx.queued + slow.queue.size()).saturating_sub(size);
        if let Some(contended) = losers.new {
            self.conflict(contended, fresh, at, ctx);
        }
        for (low, old) in losers.old {
            self.conflict((low, low + old.len() as u64), &old, low, ctx);
        }
        self.await_gap(ctx);
    }
}

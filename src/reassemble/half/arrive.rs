//! The bytes of a segment, at their offset: delivered, queued, or known.

use crate::packet::TcpFlags;
use crate::reassemble::context::{Segment, SegmentContext};
use crate::reassemble::queue::Facts;
use crate::reassemble::retained::CONTEXT;
use crate::stream::{GapReason, OutOfStreamReason};

use super::HalfStream;

impl HalfStream {
    /// Bytes at their offset: delivered, queued, or known.
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
        if offset < self.next {
            self.again(offset, bytes, ctx);
            if end <= self.next {
                return;
            }
        }
        let seen = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (at, fresh) = (offset.max(self.next), bytes.get(seen..).unwrap_or_default());
        let clear = self.trouble.as_ref().is_none_or(|trouble| {
            trouble.syn_data.is_none() && trouble.queue.first().is_none_or(|first| first >= end)
        });
        if at == self.next && clear && facts.needs <= reached && !facts.weak {
            // In order, and nothing of it waits: passed on as it lies.
            if let Some(trouble) = &mut self.trouble {
                trouble.hole = None;
            }
            self.deliver(fresh, &facts.by, ctx);
            if facts.cut > 0 {
                self.lose(facts.cut, GapReason::Snaplen, &facts.by, ctx);
            }
        } else {
            self.queue(at, fresh, facts, segment, ctx);
        }
        if segment.has(TcpFlags::URG) {
            self.without_urgent(segment, bytes, ctx);
        }
    }

    /// The receiving program may take the urgent byte out of its stream (RFC 6093 section 3): what
    /// it reads then is searched too.
    fn without_urgent(&self, segment: &Segment<'_>, bytes: &[u8], ctx: &mut SegmentContext<'_>) {
        let last = usize::from(segment.tcp.urgent).wrapping_sub(1);
        let Some((before, [_, after @ ..])) = bytes.split_at_checked(last) else {
            return;
        };
        // The tail ends with this segment's bytes, when they were delivered.
        let tail = self.tail();
        let context = tail.strip_suffix(bytes).unwrap_or_default();
        let context = context
            .get(context.len().saturating_sub(CONTEXT)..)
            .unwrap_or_default();
        let variant = [context, before, after].concat();
        let offset = self.told(self.next.saturating_sub(bytes.len() as u64));
        // Only a match over the place of the byte is new.
        let (context, after) = (
            context.len() + before.len().saturating_sub(1),
            after.len().saturating_sub(1),
        );
        ctx.aside_in_context(OutOfStreamReason::Urgent, offset, &variant, context, after);
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
        let trouble = self.trouble.get_or_insert_default();
        let size = trouble.queue.size();
        let losers = trouble.queue.insert(at, fresh, facts, overlap);
        *ctx.queued = (*ctx.queued + trouble.queue.size()).saturating_sub(size);
        if let Some(contended) = losers.new {
            self.conflict(contended, fresh, at, ctx);
        }
        for (low, old) in losers.old {
            self.conflict((low, low + old.len() as u64), &old, low, ctx);
        }
        self.await_hole(ctx);
    }
}

//! How a direction ends: by a FIN that no byte contradicts, or with its flow. All waiting bytes are
//! emitted before the end.

use crate::reassemble::context::{Segment, SegmentContext};
use crate::reassemble::predict::fast_path_enabled;
use crate::stream::{Ending, GapReason, OutOfStreamReason, PacketInfo, StreamEvent};

use super::{HalfStream, JOINED};

impl HalfStream {
    /// Ends the direction: delivers what waits, with the gaps in it.
    pub(in crate::reassemble) fn end(
        &mut self,
        how: Ending,
        reason: GapReason,
        ctx: &mut SegmentContext<'_>,
    ) {
        if !self.started || self.ended {
            return;
        }
        if fast_path_enabled() && self.slow.is_none() && self.fin.is_none() {
            // Nothing waits.
            return self.emit_end(how, ctx.by, ctx);
        }
        if let Some(slow) = &mut self.slow {
            slow.syn_data = None;
        }
        self.flush(ctx);
        while self.fin != Some(self.next)
            && let Some(first) = self.first_waiting()
        {
            self.declare_gap_until(first, reason, ctx);
            self.flush(ctx);
        }
        if let Some(fin) = self.fin
            && fin > self.next
        {
            self.declare_gap_until(fin, reason, ctx);
        }
        self.dismiss_false_ack(ctx);
        let acked = self.acked_bytes();
        if acked > self.next {
            self.declare_gap_until(acked, reason, ctx);
        }
        self.emit_refused(OutOfStreamReason::Late, ctx);
        let (how, by) = match self.fin {
            Some(fin) if fin == self.next => (Ending::Fin, self.fin_by),
            _ => (how, PacketInfo::default()),
        };
        let by = if by.frame == 0 { ctx.by } else { &by };
        self.emit_end(how, by, ctx);
    }

    /// Declares the bytes before offset `to` missing.
    fn declare_gap_until(&mut self, to: u64, reason: GapReason, ctx: &mut SegmentContext<'_>) {
        let (mut reason, mut by) = (reason, *ctx.by);
        if reason == GapReason::End
            && to <= self.acked_bytes()
            && let Some(acked) = self.gap().and_then(|gap| gap.acked)
        {
            (reason, by.ts) = (GapReason::Acked, acked.latest);
        }
        self.declare_gap(to.saturating_sub(self.next), reason, &by, ctx);
    }

    pub(super) fn emit_end(&mut self, how: Ending, by: &PacketInfo, ctx: &mut SegmentContext<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.tail.release(ctx.tails);
        let midstream = if self.midstream { JOINED } else { 0 };
        if let Some(slow) = &mut self.slow {
            slow.gap = None;
            // Waiting bytes are after the FIN.
            *ctx.queued = ctx.queued.saturating_sub(slow.queue.size());
            while let Some((at, piece)) = slow.queue.take(u64::MAX) {
                let at = at.saturating_sub(midstream);
                ctx.emit_apart(OutOfStreamReason::AfterFin, at, &piece.bytes);
            }
        }
        (ctx.emit)(&StreamEvent::End {
            dir: ctx.dir,
            how,
            by,
        });
    }

    /// Returns the part of a segment's bytes before the FIN, or before the end of a direction that
    /// ended without one; emits the rest out of stream. A FIN that is not acknowledged and whose
    /// offset has a byte was not part of the stream.
    pub(super) fn within_end<'b>(
        &mut self,
        offset: u64,
        bytes: &'b [u8],
        ctx: &mut SegmentContext<'_>,
    ) -> &'b [u8] {
        let fin = match self.fin {
            Some(fin) => fin,
            None if self.ended => self.next,
            None => return bytes,
        };
        let end = offset.saturating_add(bytes.len() as u64);
        if end <= fin {
            return bytes;
        }
        if offset <= fin && !self.ended {
            let acked = self.acked_bytes();
            self.fin = None;
            self.fin_by = PacketInfo::default();
            ctx.stats.fins_ignored += 1;
            // Its number may be acknowledged: it is that of a byte now.
            self.emit_acknowledged(acked, ctx);
            return bytes;
        }
        let own = usize::try_from(fin.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (own, beyond) = bytes.split_at(own.min(bytes.len()));
        ctx.emit_apart(
            OutOfStreamReason::AfterFin,
            self.emitted_offset(offset.max(fin)),
            beyond,
        );
        own
    }

    /// Processes a FIN after the delivered bytes.
    pub(in crate::reassemble) fn finish_here(
        &mut self,
        segment: &Segment<'_>,
        ctx: &mut SegmentContext<'_>,
    ) {
        self.finish(self.next, segment, ctx);
    }

    /// Processes a FIN at offset `end`.
    pub(super) fn finish(&mut self, end: u64, segment: &Segment<'_>, ctx: &mut SegmentContext<'_>) {
        if self.ended || self.fin.is_some() {
            return;
        }
        if end < self.next
            || segment.damaged
            || (self.valid_checksum_seen && ctx.is_damaged(segment))
        {
            ctx.stats.fins_ignored += 1;
            return;
        }
        self.fin = Some(end);
        if end == self.next {
            (self.fin_by, self.fin_at) = (*ctx.by, ctx.now);
        }
    }
}

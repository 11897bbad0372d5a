//! Gaps in a direction: how long they are waited for, and when they are given up. Every gap ends by
//! a bound of time, packets or bytes.

use crate::frame::Timestamp;
use crate::limits::time;
use crate::reassemble::context::{Segment, SegmentContext};
use crate::stream::{Ending, GapReason, OutOfStreamReason, PacketInfo, StreamEvent};

use super::{Acked, HalfStream, PendingGap, Unseen, WINDOW, earlier};

/// Waiting segments, and bytes of a stream, after which a direction with a silent peer is taken to
/// be the only one captured.
const ONE_SIDED_SEGMENTS: usize = 8;
const ONE_SIDED_BYTES: u64 = 16 << 10;

/// A run of segments far ahead of the stream.
#[derive(Clone, Copy)]
pub(super) struct FarRun {
    /// The sequence number of the latest segment, and of the byte after it.
    first: u32,
    next: u32,
    run: u8,
}

/// After so many consecutive segments far ahead they are the stream: more than a window was not
/// captured.
const RUN: u8 = 16;

impl HalfStream {
    /// Processes a segment farther ahead than the receiver allowed. It was emitted out of stream.
    pub(super) fn note_far_segment(
        &mut self,
        segment: &Segment<'_>,
        distance: i64,
        ctx: &mut SegmentContext<'_>,
    ) {
        let (first, len) = (segment.first(), segment.payload().len());
        let Ok(ahead) = u64::try_from(distance) else {
            return;
        };
        if self.ended {
            return;
        }
        let slow = self.slow_state();
        let next = first.wrapping_add(len as u32);
        let run = match slow.far {
            // The same segment again.
            Some(far) if far.first == first => far.run,
            Some(far) if far.next == first => far.run.saturating_add(1),
            _ => 1,
        };
        slow.far = (len > 0).then_some(FarRun { first, next, run });
        if run < RUN || ahead >= WINDOW.cast_unsigned() {
            return;
        }
        slow.far = None;
        while let Some(waiting) = self.first_waiting() {
            let len = waiting.saturating_sub(self.next);
            self.declare_gap(len, GapReason::Overflow, ctx.by, ctx);
            self.flush(ctx);
        }
        if let Some(Ok(to)) = self.offset_of(next).map(u64::try_from) {
            let len = to.saturating_sub(self.next);
            self.declare_gap(len, GapReason::Overflow, ctx.by, ctx);
        }
        self.await_gap(ctx);
    }

    /// Processes the peer's acknowledgement of everything below `ack`. Returns the offset, if it
    /// can be determined, and whether the acknowledgement is plausible.
    pub(in crate::reassemble) fn acknowledged(
        &mut self,
        ack: u32,
        ctx: &mut SegmentContext<'_>,
    ) -> (u64, bool) {
        self.choose_start(ack, ctx);
        self.note_unseen(ack, ctx);
        let Some(Ok(mut offset)) = self.offset_of(ack).map(u64::try_from) else {
            return (0, true);
        };
        if offset > self.next && offset - self.next > ctx.reach.min(WINDOW.cast_unsigned()) {
            // More than can be sent: if it were accepted, all further bytes would look old.
            ctx.stats.acks_ignored += 1;
            return (0, false);
        }
        if self.slow.is_some() {
            self.decide_syn_data(offset > 0, ctx);
        }
        // The FIN has a number and is no byte.
        if let Some(fin) = self.fin {
            offset = offset.min(fin.saturating_add(1));
        }
        let before = self.acked_bytes();
        if offset > before
            && let Some(slow) = &mut self.slow
        {
            slow.shown = 0;
        }
        self.acked = self.acked.max(offset);
        self.emit_acknowledged(before, ctx);
        let acked = self.acked_bytes();
        if acked > self.next && !self.ended {
            let now = ctx.now;
            let gap = self.slow_state().gap.get_or_insert(PendingGap {
                since: now,
                acked: None,
            });
            let acknowledged = gap.acked.get_or_insert(Acked::now(ctx));
            if acked > before {
                acknowledged.latest = ctx.by.ts;
            }
        }
        (self.fin.map_or(offset, |fin| offset.min(fin)), true)
    }

    /// Processes the peer's acknowledgement of everything below `ack`, which [was
    /// delivered](Self::has_sent).
    pub(in crate::reassemble) fn note_acknowledged(
        &mut self,
        ack: u32,
        ctx: &mut SegmentContext<'_>,
    ) {
        self.note_unseen(ack, ctx);
        if let Some(Ok(offset)) = self.offset_of(ack).map(u64::try_from)
            && offset > self.acked
        {
            let before = self.acked_bytes();
            self.acked = offset;
            self.emit_acknowledged(before, ctx);
        }
    }

    /// Processes an acknowledgement in a direction that was not seen: the bytes by which it grows
    /// were sent.
    fn note_unseen(&mut self, ack: u32, ctx: &mut SegmentContext<'_>) {
        if self.started {
            return;
        }
        let unseen = self.unseen.get_or_insert(Unseen {
            first: ack,
            latest: ack,
        });
        let grown = ack.wrapping_sub(unseen.latest);
        if (1..WINDOW as u32).contains(&grown) {
            unseen.latest = ack;
            let offset = u64::from(ack.wrapping_sub(unseen.first));
            let (dir, by) = (ctx.dir, ctx.by);
            (ctx.emit)(&StreamEvent::Acked { dir, offset, by });
        }
    }

    /// Gives up gaps that were waited for long enough. `packet`: a packet of the flow was received,
    /// not only time passed. `wanted`: bytes of the peer wait for the missing ones. Returns whether
    /// an acknowledgement was false, so that its consequences are void.
    pub(in crate::reassemble) fn review(
        &mut self,
        packet: bool,
        bidirectional: bool,
        (reached, wanted): (u64, bool),
        ctx: &mut SegmentContext<'_>,
    ) -> bool {
        let patience = self.patience(bidirectional);
        let waited = self.gap().and_then(|gap| gap.acked).is_some_and(|acked| {
            acked.packets.saturating_add(u32::from(packet)) > *ctx.grace
                || ctx.now.since(acked.since) >= time::GAP_GRACE
        });
        let dismissed = waited && self.dismiss_false_ack(ctx);
        let shown = wanted || self.is_shown();
        while let Some(slow) = &mut self.slow
            && let Some(gap) = &mut slow.gap
        {
            let now = ctx.now;
            let acknowledged = gap.acked;
            let reason = if let Some(acked) = &mut gap.acked {
                acked.packets += u32::from(packet);
                // Damaged bytes are available: waiting longer loses nothing.
                let most = match slow.held {
                    Some(_) => time::DAMAGED_PACKETS.max(*ctx.grace),
                    None => *ctx.grace,
                };
                let over = acked.packets > most || now.since(acked.since) >= time::GAP_GRACE;
                // Only the acknowledgement shows that the bytes were sent: it may be false.
                let over = over && (shown || now.since(acked.since) >= patience);
                over.then_some(GapReason::Acked)
            } else {
                let over = slow.queue.len() > 0 && now.since(gap.since) >= patience;
                over.then_some(GapReason::Timeout)
            };
            let full = slow.queue.size() > ctx.limits.reorder_bytes;
            let Some(reason) = reason.or(full.then_some(GapReason::Overflow)) else {
                break;
            };
            let (first, acked) = (slow.queue.first(), self.acked_bytes());
            if first.is_some_and(|first| first <= self.next) {
                // The bytes are available and wait for the peer, which waits for them: one of the
                // acknowledgements is false.
                if self.flush(ctx) {
                    continue;
                }
                break;
            }
            let to = match (reason, first) {
                (GapReason::Acked, Some(first)) => first.min(acked),
                (GapReason::Acked, None) => acked,
                (_, first) => first.unwrap_or(self.next),
            };
            let mut by = *ctx.by;
            if let (GapReason::Acked, Some(acknowledged)) = (reason, acknowledged) {
                // The bytes were received by then.
                by.ts = first.map_or(acknowledged.latest, |_| acknowledged.since);
            }
            self.declare_gap(to.saturating_sub(self.next), reason, &by, ctx);
            self.advance(reached, ctx);
            if packet && self.gap().is_some_and(|gap| gap.acked.is_none()) && !full {
                break;
            }
        }
        let waits = self.slow.as_ref().map_or(0, |slow| slow.queue.size());
        if waits > ctx.limits.reorder_bytes && self.gap().is_none() {
            // The bytes wait for the peer, not for a gap.
            self.flush(ctx);
        }
        self.review_end(ctx);
        dismissed
    }

    /// The same for a direction without gaps: only its end can be awaited.
    pub(in crate::reassemble) fn review_end(&mut self, ctx: &mut SegmentContext<'_>) {
        if self.fin != Some(self.next) {
            return;
        }
        // An acknowledged FIN is certain; one that is not contradicted for a while counts as well.
        let by = self.fin_by;
        if self.acked > self.next || ctx.now.since(self.fin_at) >= time::CLOSE_GRACE {
            self.emit_end(Ending::Fin, &by, ctx);
        }
    }

    /// When to review the direction next.
    pub(in crate::reassemble) fn next_review(&self, bidirectional: bool) -> Option<Timestamp> {
        if self.ended {
            return None;
        }
        // If both sides are captured, the acknowledgement follows, or another segment that shows
        // the end.
        let waits = self.fin == Some(self.next) && !bidirectional;
        let closing = waits.then(|| self.fin_at.plus(time::CLOSE_GRACE));
        let Some(slow) = &self.slow else {
            return closing;
        };
        let gap = slow.gap.map(|gap| match gap.acked {
            Some(acked) => acked.since.plus(time::GAP_GRACE),
            None => gap.since.plus(self.patience(bidirectional)),
        });
        let reset = slow.reset.map(|at| at.plus(time::CLOSE_GRACE));
        let held = slow.held.map(|since| since.plus(time::DAMAGED));
        earlier(earlier(closing, held), earlier(gap, reset))
    }

    /// Records a plausible RST. It takes effect if no segment of the direction follows for a while.
    pub(in crate::reassemble) fn reset(&mut self, ctx: &SegmentContext<'_>) {
        self.slow_state().reset.get_or_insert(ctx.now);
    }

    /// When the RST was sent.
    pub(in crate::reassemble) fn reset_since(&self) -> Option<Timestamp> {
        self.slow.as_ref()?.reset
    }

    /// Drops the RST, since the direction continues after it: someone else sent it. Returns whether
    /// there was one.
    pub(in crate::reassemble) fn unreset(&mut self) -> bool {
        let Some(slow) = &mut self.slow else {
            return false;
        };
        slow.reset.take().is_some()
    }

    /// Whether a wrong checksum counts: a right one was seen.
    pub(in crate::reassemble) fn has_sums(&self) -> bool {
        self.valid_checksum_seen
    }

    /// Emits the bytes of a segment that cannot be part of the stream.
    pub(in crate::reassemble) fn apart(
        &self,
        why: OutOfStreamReason,
        seq: u32,
        bytes: &[u8],
        ctx: &mut SegmentContext<'_>,
    ) {
        let place = self
            .offset_of(seq)
            .and_then(|place| u64::try_from(place).ok());
        ctx.emit_apart(why, self.emitted_offset(place.unwrap_or(0)), bytes);
    }

    /// Whether another segment shows that the acknowledged bytes were sent.
    fn is_shown(&self) -> bool {
        let acked = self.acked_bytes();
        self.fin.is_some_and(|fin| fin >= acked)
            || self
                .slow
                .as_ref()
                .is_some_and(|slow| slow.queue.len() > 0 || slow.shown >= acked)
    }

    fn patience(&self, bidirectional: bool) -> i64 {
        let pieces = self.slow.as_ref().map_or(0, |slow| slow.queue.len());
        if !bidirectional && (pieces >= ONE_SIDED_SEGMENTS || self.delivered() >= ONE_SIDED_BYTES) {
            time::GAP_TIMEOUT_ONE_SIDED
        } else {
            time::GAP_TIMEOUT
        }
    }

    /// Emits the offset up to which bytes are acknowledged, if it exceeds `before`.
    pub(super) fn emit_acknowledged(&self, before: u64, ctx: &mut SegmentContext<'_>) {
        let acked = self.acked_bytes();
        if acked > before {
            (ctx.emit)(&StreamEvent::Acked {
                dir: ctx.dir,
                offset: self.emitted_offset(acked),
                by: ctx.by,
            });
        }
    }

    /// The offset up to which bytes are acknowledged, without the FIN.
    pub(super) fn acked_bytes(&self) -> u64 {
        self.fin.map_or(self.acked, |fin| self.acked.min(fin))
    }

    /// The gap that is waited for.
    pub(super) fn gap(&self) -> Option<PendingGap> {
        self.slow.as_ref()?.gap
    }

    /// Starts to wait for the gap at `next`, if bytes wait after one, or were acknowledged.
    pub(super) fn await_gap(&mut self, ctx: &SegmentContext<'_>) {
        if self.ended {
            return;
        }
        let (next, acked) = (self.next, self.acked_bytes());
        let Some(slow) = &mut self.slow else {
            return;
        };
        let waits = slow.queue.first().is_some_and(|first| first > next);
        if slow.gap.is_none() && (waits || acked > next) {
            slow.gap = Some(PendingGap {
                since: ctx.now,
                acked: (acked > next).then(|| Acked::now(ctx)),
            });
        }
    }

    /// Declares the next `len` bytes missing; `by` is the packet that shows that they were sent, or
    /// the flow's latest packet.
    pub(super) fn declare_gap(
        &mut self,
        len: u64,
        reason: GapReason,
        by: &PacketInfo,
        ctx: &mut SegmentContext<'_>,
    ) {
        debug_assert!(!self.ended, "no byte is missing after the end");
        let slow = self.slow.get_or_insert_default();
        slow.gap = None;
        if len == 0 {
            return;
        }
        ctx.stats.gaps += 1;
        ctx.stats.gap_bytes += len;
        let low = self.next;
        self.next = self.next.saturating_add(len);
        slow.lost.add(low, self.next);
        self.tail.release(ctx.tails);
        (ctx.emit)(&StreamEvent::Gap {
            dir: ctx.dir,
            offset: self.emitted_offset(low),
            len,
            reason,
            by,
        });
    }
}

//! Holes in a direction: how long they are waited for, and how they are given up.

use crate::frame::Timestamp;
use crate::limits::time;
use crate::reassemble::context::{Segment, SegmentContext};
use crate::stream::{Ending, GapReason, OutOfStreamReason, PacketInfo, StreamEvent};

use super::{Acked, HalfStream, PendingGap, Unseen, WINDOW, earlier};

/// Segments that wait, and bytes of a stream, after which a direction whose peer is silent is known
/// to be all there is.
const ONE_SIDED_SEGMENTS: usize = 8;
const ONE_SIDED_BYTES: u64 = 16 << 10;

/// A run of segments far ahead of the stream.
#[derive(Clone, Copy)]
pub(super) struct FarRun {
    /// The sequence number of the latest one, and of what would follow it.
    first: u32,
    next: u32,
    run: u8,
}

/// So many segments in a row that are far ahead are the stream itself: the capture missed more than
/// a window.
const RUN: u8 = 16;

impl HalfStream {
    /// A segment lies farther ahead than the receiver would have allowed, and was said apart.
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
            // The same frame once more.
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

    /// Hear that the peer acknowledged everything below `ack`: which offset that is, as far as it
    /// is known, and whether it is believed.
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
            // Nobody can have sent that much: believed, it would make all that comes look old.
            ctx.stats.acks_ignored += 1;
            return (0, false);
        }
        if self.slow.is_some() {
            self.decide_syn_data(offset > 0, ctx);
        }
        // The FIN takes a number and is no byte.
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

    /// Hear that the peer acknowledged everything below `ack`, which [was sent](Self::has_sent).
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

    /// Hear an acknowledgement of a direction of which nothing was seen: what it grows by was sent.
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

    /// A packet of the flow has passed, or time has: give up what was waited for long enough.
    /// `wanted`: bytes of the peer wait for what is missing. True:
    /// an acknowledgement was false, so that nothing comes of what it said.
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
                // What is damaged is there: nothing is lost by waiting some more.
                let most = match slow.held {
                    Some(_) => time::DAMAGED_PACKETS.max(*ctx.grace),
                    None => *ctx.grace,
                };
                let over = acked.packets > most || now.since(acked.since) >= time::GAP_GRACE;
                // Nothing but the acknowledgement says that they were sent: it may be false.
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
                // It is there and waits for the peer, which waits for it: somebody lies about the
                // order.
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
                // By then they were there.
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
            // Not behind a hole, but for the peer.
            self.flush(ctx);
        }
        self.review_end(ctx);
        dismissed
    }

    /// The same for a direction without trouble, in which only the end can be waited for.
    pub(in crate::reassemble) fn review_end(&mut self, ctx: &mut SegmentContext<'_>) {
        if self.fin != Some(self.next) {
            return;
        }
        // An acknowledged FIN is certain; one that nobody contradicts for a while is as good.
        let by = self.fin_by;
        if self.acked > self.next || ctx.now.since(self.fin_at) >= time::CLOSE_GRACE {
            self.emit_end(Ending::Fin, &by, ctx);
        }
    }

    /// When to look again.
    pub(in crate::reassemble) fn next_review(&self, bidirectional: bool) -> Option<Timestamp> {
        if self.ended {
            return None;
        }
        // When both sides are captured the acknowledgement comes, or something else that shows the
        // end.
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

    /// It sent a RST that looks right. That is believed when nothing of it comes for a while.
    pub(in crate::reassemble) fn reset(&mut self, ctx: &SegmentContext<'_>) {
        self.slow_state().reset.get_or_insert(ctx.now);
    }

    /// Since when it is thought to be reset.
    pub(in crate::reassemble) fn reset_since(&self) -> Option<Timestamp> {
        self.slow.as_ref()?.reset
    }

    /// It goes on behind a RST: that was somebody else's. False: there was none.
    pub(in crate::reassemble) fn unreset(&mut self) -> bool {
        let Some(slow) = &mut self.slow else {
            return false;
        };
        slow.reset.take().is_some()
    }

    /// Whether a checksum that is wrong says something.
    pub(in crate::reassemble) fn has_sums(&self) -> bool {
        self.valid_checksum_seen
    }

    /// Say a segment that cannot be the stream's.
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

    /// Whether something shows that what is acknowledged was sent.
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

    /// Say up to where bytes are acknowledged, if that is farther than `before`.
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

    /// Bytes that are acknowledged: without the FIN.
    pub(super) fn acked_bytes(&self) -> u64 {
        self.fin.map_or(self.acked, |fin| self.acked.min(fin))
    }

    /// The hole that is waited for.
    pub(super) fn gap(&self) -> Option<PendingGap> {
        self.slow.as_ref()?.gap
    }

    /// If something waits behind a hole, the hole at `next` is waited for from now on.
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

    /// Give up the next `len` bytes; `by` is what shows that they were sent, or the flow's latest
    /// packet.
    pub(super) fn declare_gap(
        &mut self,
        len: u64,
        reason: GapReason,
        by: &PacketInfo,
        ctx: &mut SegmentContext<'_>,
    ) {
        debug_assert!(!self.ended, "nothing is missing behind the end");
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

//! How a direction starts: the SYN, its payload, and the choice between several SYNs. At most a few
//! candidates are kept.

use crate::packet::TcpFlags;
use crate::reassemble::context::{Segment, SegmentContext};
use crate::reassemble::queue::Queue;
use crate::stream::OutOfStreamReason;

use super::{HalfStream, JOINED};

/// The facts of a plain SYN about its direction.
#[derive(Clone, Copy)]
pub(in crate::reassemble) struct Start {
    /// The sequence number of offset 0.
    pub(in crate::reassemble) base: u32,
    last_ack: u32,
    window: u16,
    scale: u8,
    /// Its checksum is right.
    pub(in crate::reassemble) valid_checksum_seen: bool,
    /// It is [signed](crate::packet::TcpOptions::signed).
    pub(in crate::reassemble) signed: bool,
}

impl Start {
    pub(in crate::reassemble) fn of(segment: &Segment<'_>) -> Self {
        Self {
            base: segment.first(),
            last_ack: segment.tcp.ack,
            window: segment.tcp.window,
            // Without the option there is no shift.
            scale: segment.tcp.window_scale.unwrap_or(0),
            valid_checksum_seen: !segment.packet.has_wrong_sum(),
            signed: segment.options.signed,
        }
    }
}

/// Bytes after the number that the peer's SYN acknowledges, beyond which a first segment is not
/// near the start.
const BEGINNING: u32 = 64 << 10;
/// Initial sequence numbers kept to choose from, at most.
const CANDIDATES: usize = 4;

impl HalfStream {
    /// Starts the direction with the facts of a plain SYN.
    pub(in crate::reassemble) fn begin(&mut self, start: Start) {
        self.started = true;
        self.base = start.base;
        self.last_ack = start.last_ack;
        self.valid_checksum_seen = start.valid_checksum_seen;
        self.signed = start.signed;
        self.window = start.window;
        self.scale = Some(start.scale);
    }

    /// Processes a SYN; returns `false` if it is not this stream's.
    pub(super) fn synchronise(
        &mut self,
        segment: &Segment<'_>,
        ctx: &mut SegmentContext<'_>,
    ) -> bool {
        let first = segment.first();
        if !self.started {
            self.started = true;
            self.base = first;
            self.signed = segment.options.signed;
            self.valid_checksum_seen = !segment.packet.has_wrong_sum();
            if !segment.has(TcpFlags::ACK) && !segment.payload().is_empty() {
                // Fast open (RFC 7413): the server may take the payload, or not.
                self.slow_state().syn_data = Some(segment.payload().len() as u64);
            }
            return true;
        }
        let own = self
            .offset_of(first)
            .is_some_and(|place| match self.midstream {
                // The stream was joined by a segment that was captured before its SYN.
                true => (0..=self.next.cast_signed()).contains(&place),
                false => place == 0,
            });
        if own {
            return true;
        }
        let untouched = self.is_untouched() && !self.midstream;
        if segment.has(TcpFlags::ACK) && untouched && self.acked == 0 {
            let candidates = &mut self.slow_state().candidates;
            if candidates.len() < CANDIDATES && !candidates.contains(&first) {
                candidates.push(first);
            }
        } else if segment.has(TcpFlags::ACK) {
            ctx.stats.resyncs_ignored += 1;
        }
        ctx.emit_apart(OutOfStreamReason::OutOfWindow, 0, segment.payload());
        false
    }

    /// Records that the peer's SYN acknowledges this direction's SYN, which was not seen: the
    /// number where the direction begins.
    pub(in crate::reassemble) fn begins_at(&mut self, ack: u32) {
        if !self.started {
            self.begins.get_or_insert(ack);
        }
    }

    /// Processes the first segment of a stream whose start was not seen.
    pub(super) fn join(&mut self, segment: &Segment<'_>) {
        self.started = true;
        self.signed = segment.options.signed;
        if let Some(base) = self.begins
            && segment.first().wrapping_sub(base) <= BEGINNING
        {
            self.base = base;
            self.valid_checksum_seen = !segment.packet.is_damaged();
            return;
        }
        self.midstream = true;
        self.base = segment.first().wrapping_sub(JOINED as u32);
        self.next = JOINED;
        self.acked = JOINED;
        self.valid_checksum_seen = !segment.packet.has_wrong_sum();
    }

    /// If the peer acknowledges another SYN than the first, that SYN was the stream's.
    pub(super) fn choose_start(&mut self, ack: u32, ctx: &mut SegmentContext<'_>) {
        if self.next > 0 || self.acked > 0 {
            return;
        }
        let Some(slow) = &mut self.slow else {
            return;
        };
        let candidates = std::mem::take(&mut slow.candidates);
        if ack == self.base || !candidates.contains(&ack) {
            slow.candidates = candidates;
            return;
        }
        let old = std::mem::replace(&mut self.base, ack);
        slow.gap = None;
        // The waiting bytes were placed relative to the wrong start.
        let mut queue = std::mem::take(&mut slow.queue);
        *ctx.queued = ctx.queued.saturating_sub(queue.size());
        let mut kept = Queue::default();
        while let Some((at, piece)) = queue.take(u64::MAX) {
            match self
                .offset_of(old.wrapping_add(at as u32))
                .map(u64::try_from)
            {
                Some(Ok(place)) => {
                    kept.insert(place, &piece.bytes, piece.facts, ctx.policy.overlap);
                }
                _ => ctx.emit_apart(OutOfStreamReason::OutOfWindow, at, &piece.bytes),
            }
        }
        *ctx.queued += kept.size();
        self.slow_state().queue = kept;
    }

    /// The payload of the SYN was accepted (RFC 7413 section 4.2), or it was not and will be sent
    /// again.
    pub(super) fn decide_syn_data(&mut self, taken: bool, ctx: &mut SegmentContext<'_>) {
        let Some(slow) = &mut self.slow else {
            return;
        };
        let Some(end) = slow.syn_data.take() else {
            return;
        };
        let size = slow.queue.size();
        while !taken
            && slow.queue.first().is_some_and(|first| first < end)
            && let Some((_, piece)) = slow.queue.take(end)
        {
            slow.refused.extend_from_slice(&piece.bytes);
        }
        *ctx.queued = (*ctx.queued + slow.queue.size()).saturating_sub(size);
    }

    /// Data after the SYN shows whether the SYN's payload was accepted, and is compared with it.
    pub(super) fn settle_syn_data(
        &mut self,
        offset: u64,
        segment: &Segment<'_>,
        ctx: &mut SegmentContext<'_>,
    ) {
        let Some(slow) = &self.slow else { return };
        if segment.has(TcpFlags::SYN) {
            return;
        }
        if let Some(end) = slow.syn_data {
            self.decide_syn_data(offset >= end, ctx);
        }
        let slow = self.slow_state();
        let (Ok(from), false) = (usize::try_from(offset), slow.refused.is_empty()) else {
            return;
        };
        let before = slow.refused.get(from..).unwrap_or_default();
        let again = segment.payload();
        let len = before.len().min(again.len());
        if before.get(..len) != again.get(..len) {
            self.emit_refused(OutOfStreamReason::Conflict, ctx);
        } else if len == before.len() {
            slow.refused = Vec::new();
        }
    }

    /// Emits the payload of the SYN that was not accepted.
    pub(super) fn emit_refused(&mut self, why: OutOfStreamReason, ctx: &mut SegmentContext<'_>) {
        if let Some(slow) = &mut self.slow {
            let refused = std::mem::take(&mut slow.refused);
            ctx.stats.conflicts += u64::from(why == OutOfStreamReason::Conflict);
            ctx.emit_apart(why, 0, &refused);
        }
    }
}

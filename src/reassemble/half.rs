//! One direction of a TCP connection: from segments to bytes in order. Each byte is delivered once,
//! or declared missing.
//!
//! All arithmetic is on 64-bit offsets. A 32-bit sequence number is converted by its signed
//! distance from the next expected byte, so that a wrap needs no special case (RFC 9293 section
//! 3.4). Submodules: `start` (the SYN and its payload), `arrive` (the bytes of a segment at their
//! offset), `deliver` (bytes in order), `end` (the FIN), `retransmission` (copies, and late bytes
//! of gaps), `gaps` (gaps, and how long they are waited for), `other` (readings of receivers that
//! take other copies), `acked_ahead` (bytes that are acknowledged before they are captured).

mod acked_ahead;
mod arrive;
mod deliver;
mod end;
mod gaps;
mod other;
mod retransmission;
mod start;

pub(super) use start::Start;

use crate::frame::Timestamp;
use crate::limits::time;
use crate::packet::TcpFlags;
use crate::stream::{GapReason, OutOfStreamReason, PacketInfo};

use super::REACH;
use super::context::{Segment, SegmentContext};
use super::queue::{Facts, Queue};
use super::retained::{Retained, Tails};

/// One direction of a connection.
#[derive(Default)]
pub(super) struct HalfStream {
    /// The next offset to be delivered.
    next: u64,
    /// The peer has acknowledged everything below this.
    acked: u64,
    /// The offset of the FIN.
    fin: Option<u64>,
    /// The segment that completed the bytes before the FIN.
    fin_by: PacketInfo,
    /// The time of that segment, by the clock without jumps.
    fin_at: Timestamp,
    /// The sequence number of offset 0.
    base: u32,
    /// The last acknowledgement number that it sent; 0 for none.
    last_ack: u32,
    /// The [hash](super::echo::mark) of its first bytes.
    mark: u64,
    /// The window that it last announced, and its shift, if the SYN was seen.
    window: u16,
    scale: Option<u8>,
    /// The sequence number of offset 0 as the peer's SYN acknowledges it, if its own SYN was not
    /// seen.
    begins: Option<u32>,
    /// What its peer acknowledges, as long as no segment of it was seen.
    unseen: Option<Unseen>,
    /// A segment of it was seen, so that `base` is valid.
    started: bool,
    /// Its start was not seen.
    midstream: bool,
    /// A right checksum was seen, so that a wrong one counts.
    valid_checksum_seen: bool,
    /// Its first segment is signed, so that all are.
    signed: bool,
    /// [`StreamEvent::End`] was emitted.
    ended: bool,
    /// Consecutive segments that seemed too old.
    stale: u8,
    /// The latest timestamp (RFC 7323) of in-order segments; 0 for none.
    stamp: u32,
    /// The last delivered bytes.
    tail: Retained,
    /// State that only a direction with gaps, waiting bytes or contradictions needs.
    slow: Option<Box<SlowState>>,
}

/// The state of a direction that is not simply in order.
#[derive(Default)]
struct SlowState {
    /// Bytes that wait for others.
    queue: Queue,
    /// The gap at `next`.
    gap: Option<PendingGap>,
    /// Since when the bytes at `next` wait only because they are damaged.
    held: Option<Timestamp>,
    /// Gaps that were given up and whose bytes did not arrive since.
    lost: retransmission::GapHistory,
    /// The payload of the SYN is not accepted yet: its end.
    syn_data: Option<u64>,
    /// The payload of the SYN that was not accepted, and is expected again.
    refused: Vec<u8>,
    /// Other sequence numbers that offset 0 may have, from more than one SYN.
    candidates: Vec<u32>,
    /// Consecutive segments far ahead of the stream.
    far: Option<gaps::FarRun>,
    /// When it sent a RST that is not confirmed.
    reset: Option<Timestamp>,
    /// The end of the last bytes that a segment of it has shown to be sent, while more is
    /// acknowledged.
    shown: u64,
    /// The reading of a receiver that takes other copies.
    other: Option<other::Other>,
    /// Offsets of urgent bytes that were not delivered yet.
    urgent: Vec<u64>,
    /// Contradicting copies that were emitted, and their bytes.
    conflicts: u32,
    conflict_bytes: usize,
}

impl SlowState {
    /// Whether nothing waits, is missing, or is undecided: only history is left.
    fn is_over(&self) -> bool {
        self.gap.is_none() && self.has_at_most_a_gap()
    }

    /// The same, but there may be a gap without waiting bytes after it.
    fn has_at_most_a_gap(&self) -> bool {
        self.queue.len() == 0
            && self.syn_data.is_none()
            && self.reset.is_none()
            && self.refused.is_empty()
            && self.candidates.is_empty()
            && self.other.is_none()
            && self.urgent.is_empty()
    }
}

/// The first and latest acknowledgement number of a direction that was not seen.
#[derive(Clone, Copy)]
struct Unseen {
    first: u32,
    latest: u32,
}

/// A gap that is waited for.
#[derive(Clone, Copy)]
struct PendingGap {
    since: Timestamp,
    acked: Option<Acked>,
}

/// The acknowledgement of a gap.
#[derive(Clone, Copy)]
struct Acked {
    /// When it was acknowledged, and the packets of the flow since.
    since: Timestamp,
    packets: u32,
    /// The capture time of the latest acknowledgement that exceeds the earlier ones.
    latest: Timestamp,
}

impl Acked {
    /// An acknowledgement by the current packet.
    fn now(ctx: &SegmentContext<'_>) -> Self {
        Self {
            since: ctx.now,
            packets: 0,
            latest: ctx.by.ts,
        }
    }
}

/// After so many consecutive segments that seem too old, the timestamp that they were compared with
/// was false.
const STALE: u8 = 8;
/// Bytes farther away than this do not belong to the stream: a quarter of the sequence space.
const WINDOW: i64 = 1 << 30;
/// Offset of the first byte of a stream that was joined in the middle. Lower offsets are late bytes
/// of the stream.
const JOINED: u64 = 64 << 10;

impl HalfStream {
    /// Whether a segment of the direction was seen.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    /// Whether it continues in order without gaps or waiting bytes. (It may have
    /// [ended](Self::is_ended) with its flow.)
    pub(super) fn is_in_order(&self) -> bool {
        self.fin.is_none() && self.slow.as_ref().is_none_or(|slow| slow.is_over())
    }

    /// Whether it has no end yet, and `seq` is the sequence number of its next byte.
    pub(super) fn expects(&self, seq: u32) -> bool {
        self.fin.is_none() && !self.ended && self.is_next(seq)
    }

    /// Whether all bytes before `ack` were delivered, the FIN included.
    pub(super) fn has_sent(&self, ack: u32) -> bool {
        let end = self
            .next
            .saturating_add(u64::from(self.fin == Some(self.next)));
        let sent = |place: i64| place <= end.cast_signed();
        self.offset_of(ack).is_none_or(sent)
    }

    /// Whether a segment has bytes that were not delivered.
    pub(super) fn is_beyond(&self, segment: &Segment<'_>) -> bool {
        let len = i64::try_from(segment.payload().len()).unwrap_or(0);
        self.offset_of(segment.first())
            .is_some_and(|place| place.saturating_add(len) > self.next.cast_signed())
    }

    /// Whether its end was emitted.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether its FIN follows the delivered bytes, or it ended.
    pub(super) fn is_closing(&self) -> bool {
        self.ended || self.fin == Some(self.next)
    }

    /// Whether no byte of it was delivered, and none waits.
    pub(super) fn is_untouched(&self) -> bool {
        self.delivered() == 0 && self.queued() == 0 && !self.is_closing()
    }

    /// Whether `seq` is this direction's initial sequence number.
    pub(super) fn is_isn(&self, seq: u32) -> bool {
        let midstream = if self.midstream { JOINED as u32 } else { 0 };
        self.started && self.base.wrapping_add(midstream) == seq.wrapping_add(1)
    }

    /// Whether `seq` is exactly the next expected number (RFC 5961 section 3.2).
    pub(super) fn is_next(&self, seq: u32) -> bool {
        self.offset_of(seq) == Some(self.next.cast_signed())
    }

    /// Whether a sequence number is possible in this direction, whose receiver announced `window`.
    /// In a direction that was not seen, every number is.
    pub(super) fn is_near(&self, seq: u32, window: u64) -> bool {
        self.offset_of(seq).is_none_or(|place| {
            let reach = window.saturating_add(REACH);
            place.abs_diff(self.next.cast_signed()) <= reach
        })
    }

    /// The offset up to which bytes were delivered; the peer's bytes may wait for it.
    pub(super) fn reached(&self) -> u64 {
        if self.started && !self.ended {
            self.next
        } else {
            u64::MAX
        }
    }

    /// Waiting bytes.
    pub(super) fn queued(&self) -> usize {
        self.slow.as_ref().map_or(0, |slow| slow.queue.size())
    }

    /// Delivered or missing bytes since the stream was joined.
    pub(super) fn delivered(&self) -> u64 {
        self.emitted_offset(self.next)
    }

    /// Bytes that it allows the other side to send after its acknowledgement.
    pub(super) fn window(&self) -> u64 {
        // Without the SYN, the shift may be up to 14 (RFC 7323 section 2.3).
        u64::from(self.window) << self.scale.unwrap_or(14).min(14)
    }

    /// The sequence number of its next byte, if a segment of it was seen.
    pub(super) fn expected(&self) -> Option<u32> {
        let is_known = self.started || self.base != 0;
        is_known.then(|| self.base.wrapping_add(self.next as u32))
    }

    /// The last acknowledgement number that it sent.
    pub(super) fn last_ack(&self) -> Option<u32> {
        (self.last_ack != 0).then_some(self.last_ack)
    }

    /// The [hash](super::echo::mark) of its first bytes.
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether `seq` is the sequence number of its first byte.
    pub(super) fn is_first(&self, seq: u32) -> bool {
        !self.midstream && self.offset_of(seq) == Some(0)
    }

    /// Whether all bytes of a segment are at offsets that were delivered or given up.
    pub(super) fn has_passed(&self, segment: &Segment<'_>) -> bool {
        let len = i64::try_from(segment.payload().len()).unwrap_or(i64::MAX);
        let first = self.offset_of(segment.first());
        // The number after the FIN is its last one.
        first.is_some_and(|first| {
            first >= 0 && first.saturating_add(len) <= self.next.cast_signed().saturating_add(1)
        })
    }

    /// Records the number of a segment without bytes, in a direction without other segments.
    pub(super) fn note_number(&mut self, segment: &Segment<'_>) {
        if !self.started {
            self.base = segment.first();
        }
    }

    /// Whether the receiver drops a segment because of its options. `signed`: the segments of the
    /// connection are signed.
    #[inline]
    pub(super) fn refuses(&self, segment: &Segment<'_>, signed: bool) -> bool {
        if !self.started || segment.has(TcpFlags::RST) && !segment.options.signed {
            return false;
        }
        let stale = segment.options.stamp.is_some_and(|stamp| {
            // Linux accepts one tick back.
            self.stamp != 0 && stamp.wrapping_sub(self.stamp).cast_signed() < -1
        });
        (segment.options.signed != signed || stale) && self.stale < STALE
    }

    /// Records the window, timestamp and acknowledgement number of a segment.
    pub(super) fn observe(&mut self, segment: &Segment<'_>) {
        self.window = segment.tcp.window;
        if let Some(stamp) = segment.options.stamp
            && (stamp.wrapping_sub(self.stamp).cast_signed() > 0
                || self.stamp == 0
                || self.stale > 0)
            && self
                .offset_of(segment.tcp.seq)
                .is_none_or(|place| place <= self.next.cast_signed())
        {
            (self.stamp, self.stale) = (stamp, 0);
        }
        if self.stale > 0 {
            (self.signed, self.stale) = (segment.options.signed, 0);
        }
        if segment.has(TcpFlags::ACK) {
            self.last_ack = segment.tcp.ack;
        }
        if segment.has(TcpFlags::SYN) {
            // Without the option there is no shift.
            self.scale = Some(segment.tcp.window_scale.unwrap_or(0));
        }
    }

    /// Records a segment that its receiver seems to drop.
    pub(super) fn note_refused(&mut self) {
        self.stale = self.stale.saturating_add(1);
    }

    /// Whether its first segment is signed.
    pub(super) fn is_signed(&self) -> bool {
        self.signed
    }

    /// Records that a segment shows bytes to be sent; an acknowledgement of more may be false.
    pub(super) fn note_shown(&mut self, segment: &Segment<'_>) {
        let Some(Ok(place)) = self.offset_of(segment.first()).map(u64::try_from) else {
            return;
        };
        let (claimed, len) = (
            self.acked_bytes() > self.next,
            segment.payload().len() as u64,
        );
        if claimed && let Some(slow) = &mut self.slow {
            slow.shown = slow.shown.max(place.saturating_add(len + segment.cut()));
        }
    }

    /// Drops an acknowledgement of more bytes than its sender has shown to have sent. Returns
    /// whether it did.
    pub(super) fn dismiss_false_ack(&mut self, ctx: &mut SegmentContext<'_>) -> bool {
        let next = self.next;
        let is_false = self.acked_bytes() > next
            && self
                .slow
                .as_ref()
                .is_some_and(|slow| slow.queue.len() == 0 && slow.shown == next && next > 0);
        if is_false {
            self.acked = next;
            ctx.stats.acks_ignored += 1;
            let slow = self.slow_state();
            (slow.gap, slow.shown) = (None, 0);
        }
        is_false
    }

    /// Whether it has bytes that wait until the peer's stream exceeds offset `reached`.
    pub(super) fn waits_beyond(&self, reached: u64) -> bool {
        let needs = self.slow.as_ref().and_then(|slow| slow.queue.needs());
        needs.is_some_and(|needs| needs > reached)
    }

    /// Lets no byte of it wait for the peer's stream to exceed offset `reached`.
    pub(super) fn stop_waiting_beyond(&mut self, reached: u64) {
        if let Some(slow) = &mut self.slow {
            slow.queue.stop_waiting_beyond(reached);
        }
    }

    /// Processes a segment's bytes and FIN. They are delivered after offset `needs` of the peer's
    /// stream, which is at `reached`.
    pub(super) fn take(
        &mut self,
        segment: &Segment<'_>,
        needs: u64,
        reached: u64,
        ctx: &mut SegmentContext<'_>,
    ) {
        let payload = segment.payload();
        if segment.has(TcpFlags::SYN) && !self.synchronise(segment, ctx) {
            return;
        }
        if !self.started {
            self.join(segment);
        }
        let Some(mut start) = self.offset_of(segment.first()) else {
            return;
        };
        let next = self.next.cast_signed();
        let distance = start.saturating_sub(next);
        let claimed = self.emitted_offset(u64::try_from(start).unwrap_or(0));
        if !(-WINDOW..WINDOW).contains(&distance) || distance > ctx.reach.cast_signed() {
            ctx.emit_apart(OutOfStreamReason::OutOfWindow, claimed, payload);
            return self.note_far_segment(segment, distance, ctx);
        }
        let len = payload.len() as u64;
        // A keep-alive repeats the last byte, often with a wrong value (RFC 9293 section 3.8.4). As
        // long as that byte is not acknowledged, the receiver may take it.
        if len == 1 && distance == -1 && !segment.has(TcpFlags::FIN) {
            ctx.stats.keep_alives += 1;
            if self.acked >= self.next || self.tail().last() == payload.first() {
                return;
            }
        }
        let mut bytes = payload;
        if start < 0 {
            // Before the first byte of the stream.
            let before = usize::try_from(-start)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let (apart, own) = bytes.split_at(before);
            ctx.emit_apart(OutOfStreamReason::OutOfWindow, 0, apart);
            (start, bytes) = (start.saturating_add(before as i64).max(0), own);
        }
        let offset = start.cast_unsigned();
        if len > 0 {
            self.settle_syn_data(offset, segment, ctx);
        }
        let fact = Facts {
            by: *ctx.by,
            needs,
            cut: segment.cut(),
            weak: segment.damaged,
        };
        let bytes = self.within_end(offset, bytes, ctx);
        let end = offset.saturating_add(bytes.len() as u64);
        self.bytes(offset, bytes, fact, segment, reached, ctx);
        let end = end.saturating_add(segment.cut());
        if segment.has(TcpFlags::FIN) {
            self.finish(end, segment, ctx);
        }
        self.advance(reached, ctx);
    }

    /// Delivers bytes that are next, with the peer at offset `reached`; returns whether there were
    /// any. Damaged bytes wait for a better copy, as long as an acknowledged gap does, or for
    /// [`time::DAMAGED`].
    pub(super) fn advance(&mut self, reached: u64, ctx: &mut SegmentContext<'_>) -> bool {
        self.accept_predicted(reached, false, ctx)
    }

    /// Delivers bytes at the next offset, whatever they wait for; returns whether there were any.
    pub(super) fn flush(&mut self, ctx: &mut SegmentContext<'_>) -> bool {
        self.accept_predicted(u64::MAX, true, ctx)
    }

    fn accept_predicted(
        &mut self,
        reached: u64,
        at_once: bool,
        ctx: &mut SegmentContext<'_>,
    ) -> bool {
        let before = self.next;
        while let Some(slow) = &mut self.slow
            && slow.syn_data.is_none()
            && slow.queue.needs().is_some_and(|needs| needs <= reached)
        {
            if !at_once && slow.queue.is_doubted(self.next) {
                let since = *slow.held.get_or_insert(ctx.now);
                if ctx.now.since(since) < time::DAMAGED {
                    break;
                }
            }
            let size = slow.queue.size();
            let Some((at, piece)) = slow.queue.take(self.next) else {
                break;
            };
            *ctx.queued = ctx.queued.saturating_sub(size - slow.queue.size());
            (slow.gap, slow.held) = (None, None);
            let seen = usize::try_from(self.next.saturating_sub(at)).unwrap_or(usize::MAX);
            let fresh = piece.bytes.get(seen..).unwrap_or_default();
            self.deliver(fresh, &piece.facts.by, ctx);
            if piece.facts.cut > 0 {
                self.declare_gap(piece.facts.cut, GapReason::Snaplen, &piece.facts.by, ctx);
            }
        }
        self.await_gap(ctx);
        self.note_end(ctx);
        self.next != before
    }

    /// If all bytes before the FIN are delivered, records that the current packet completed them.
    pub(super) fn note_end(&mut self, ctx: &SegmentContext<'_>) {
        if self.fin == Some(self.next) && !self.ended && self.fin_by.frame == 0 {
            (self.fin_by, self.fin_at) = (*ctx.by, ctx.now);
        }
    }

    /// Whether no byte waits or is missing.
    pub(super) fn has_no_slow_state(&self) -> bool {
        self.slow.is_none()
    }

    /// Releases all buffers.
    pub(super) fn release(&mut self, ctx: &mut SegmentContext<'_>) {
        self.tail.release(ctx.tails);
        if let Some(slow) = self.slow.take() {
            *ctx.queued = ctx.queued.saturating_sub(slow.queue.size());
        }
    }

    /// Releases the retained bytes.
    pub(super) fn release_tail(&mut self, tails: &mut Tails) {
        self.tail.release(tails);
    }

    /// The offset of a sequence number; negative before offset 0.
    fn offset_of(&self, seq: u32) -> Option<i64> {
        if !self.started {
            return None;
        }
        let expected = self.base.wrapping_add(self.next as u32);
        let distance = seq.wrapping_sub(expected).cast_signed();
        self.next.cast_signed().checked_add(i64::from(distance))
    }

    /// An offset as it is emitted: a stream that was joined in the middle starts at 0 as well.
    fn emitted_offset(&self, offset: u64) -> u64 {
        offset.saturating_sub(if self.midstream { JOINED } else { 0 })
    }

    fn first_waiting(&self) -> Option<u64> {
        self.slow.as_ref()?.queue.first()
    }

    fn slow_state(&mut self) -> &mut SlowState {
        self.slow.get_or_insert_default()
    }
}

/// The earlier of two times, if there is one.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

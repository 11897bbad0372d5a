//! One direction of a TCP connection: from segments to bytes in order.
//!
//! All arithmetic is on 64-bit offsets; a 32-bit sequence number is placed by its signed distance
//! from the next byte expected, so a wrap is nothing special (RFC 9293 section 3.4). In its rooms:
//! `start` (the SYN, and what it may carry), `arrive` (the bytes of a segment, at their offset),
//! `deliver` (bytes that have their turn), `end` (the FIN), `known` (bytes that were seen before,
//! or are taken for lost), `gaps` (holes, and how long they are waited for).

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

/// One direction.
#[derive(Default)]
pub(super) struct HalfStream {
    /// The next offset to be delivered.
    next: u64,
    /// The peer has acknowledged everything below this.
    acked: u64,
    /// Where the FIN stands.
    fin: Option<u64>,
    /// The segment with the FIN, when all in front of it was delivered.
    fin_by: PacketInfo,
    /// When that was, by the clock that does not jump.
    fin_at: Timestamp,
    /// The sequence number of offset 0.
    base: u32,
    /// What it last acknowledged; 0 for nothing, as a number that others are held against.
    last_ack: u32,
    /// Its first bytes in short.
    mark: u64,
    /// The window it last announced, and how many bits that is shifted, once a SYN has told.
    window: u16,
    scale: Option<u8>,
    /// The sequence number of offset 0, as the peer's SYN acknowledges it when the own one was not
    /// seen.
    begins: Option<u32>,
    /// What its peer acknowledges of it, as long as nothing of it was seen.
    unseen: Option<Unseen>,
    /// Something of it was seen, so that `base` is known.
    started: bool,
    /// Its start was not seen.
    midstream: bool,
    /// A checksum of it was looked at and is right, so that a wrong one means something.
    valid_checksum_seen: bool,
    /// Its first segment is signed, so that all are.
    signed: bool,
    /// [`StreamEvent::End`] was said.
    ended: bool,
    /// Segments in a row that seem to be too old.
    stale: u8,
    /// The latest timestamp of what came in order; 0 for none.
    stamp: u32,
    /// The last delivered bytes.
    tail: Retained,
    /// What only a direction in trouble needs.
    slow: Option<Box<SlowState>>,
}

/// What is out of the ordinary in a direction.
#[derive(Default)]
struct SlowState {
    /// Bytes that wait for their turn.
    queue: Queue,
    /// The hole at `next`.
    gap: Option<PendingGap>,
    /// Since when what waits at `next` does so only because it is damaged.
    held: Option<Timestamp>,
    /// Ranges that were given up and did not come since.
    lost: retransmission::GapHistory,
    /// The payload of the SYN waits to be accepted: it ends here.
    syn_data: Option<u64>,
    /// The payload of the SYN was not accepted, and is expected again.
    refused: Vec<u8>,
    /// Other sequence numbers that offset 0 may have, from more than one SYN.
    candidates: Vec<u32>,
    /// Bytes far ahead that follow each other.
    far: Option<gaps::FarRun>,
    /// When it sent a RST that is not proven to be real.
    reset: Option<Timestamp>,
    /// The highest offset that a segment of it has shown to be sent, while more is acknowledged.
    shown: u64,
    /// What is read by who takes other bytes than were delivered.
    other: Option<other::Other>,
    /// Where urgent bytes stand that were not delivered yet.
    urgent: Vec<u64>,
    /// Contradicting copies that were said, and their bytes.
    conflicts: u32,
    conflict_bytes: usize,
}

impl SlowState {
    /// Whether all that is left of it are memories: nothing waits, is missing, or is still to be
    /// decided.
    fn is_over(&self) -> bool {
        self.gap.is_none() && self.has_at_most_a_gap()
    }

    /// The same, but for a gap that nothing waits behind.
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

/// The acknowledgement numbers of a direction of which nothing was seen.
#[derive(Clone, Copy)]
struct Unseen {
    first: u32,
    latest: u32,
}

/// A hole that is waited for.
#[derive(Clone, Copy)]
struct PendingGap {
    since: Timestamp,
    acked: Option<Acked>,
}

/// The acknowledgement of a hole.
#[derive(Clone, Copy)]
struct Acked {
    /// When it began, and how many packets of the flow ago.
    since: Timestamp,
    packets: u32,
    /// When it last grew, by the capture.
    latest: Timestamp,
}

impl Acked {
    /// It begins in this turn.
    fn now(ctx: &SegmentContext<'_>) -> Self {
        Self {
            since: ctx.now,
            packets: 0,
            latest: ctx.by.ts,
        }
    }
}

/// So many segments in a row that seem to be too old are not: it is the first of them that was
/// false.
const STALE: u8 = 8;
/// Farther away than this, bytes do not belong to the stream: half of what 32 bits can tell.
const WINDOW: i64 = 1 << 30;
/// Offset of the first byte of a stream that was joined in the middle. Bytes in front of it are
/// late ones of its own.
const JOINED: u64 = 64 << 10;

impl HalfStream {
    /// Whether anything is known of the direction.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }

    /// Whether it goes on in order as far as it says, and nothing is out of the ordinary. (It may
    /// have [ended](Self::is_ended) by what happened to its flow.)
    pub(super) fn is_in_order(&self) -> bool {
        self.fin.is_none() && self.slow.as_ref().is_none_or(|slow| slow.is_over())
    }

    /// Whether it is not over, as far as it says, and this is the sequence number of its next byte.
    pub(super) fn expects(&self, seq: u32) -> bool {
        self.fin.is_none() && !self.ended && self.is_next(seq)
    }

    /// Whether all in front of `ack` was delivered, or is the FIN behind that.
    pub(super) fn has_sent(&self, ack: u32) -> bool {
        let end = self
            .next
            .saturating_add(u64::from(self.fin == Some(self.next)));
        let sent = |place: i64| place <= end.cast_signed();
        self.offset_of(ack).is_none_or(sent)
    }

    /// Whether a segment brings bytes that were not delivered yet.
    pub(super) fn is_beyond(&self, segment: &Segment<'_>) -> bool {
        let len = i64::try_from(segment.payload().len()).unwrap_or(0);
        self.offset_of(segment.first())
            .is_some_and(|place| place.saturating_add(len) > self.next.cast_signed())
    }

    /// Whether its end was said.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether it has sent all that it will, as far as it says.
    pub(super) fn is_closing(&self) -> bool {
        self.ended || self.fin == Some(self.next)
    }

    /// Whether nothing of it was delivered, and nothing waits.
    pub(super) fn is_untouched(&self) -> bool {
        self.delivered() == 0 && self.queued() == 0 && !self.is_closing()
    }

    /// Whether `seq` is this direction's initial sequence number.
    pub(super) fn is_isn(&self, seq: u32) -> bool {
        let midstream = if self.midstream { JOINED as u32 } else { 0 };
        self.started && self.base.wrapping_add(midstream) == seq.wrapping_add(1)
    }

    /// Whether `seq` is exactly the next one expected (RFC 5961 section 3.2).
    pub(super) fn is_next(&self, seq: u32) -> bool {
        self.offset_of(seq) == Some(self.next.cast_signed())
    }

    /// Whether a sequence number lies where one of this direction can, its receiver having
    /// announced `window`. Of a direction that was not seen any does.
    pub(super) fn is_near(&self, seq: u32, window: u64) -> bool {
        self.offset_of(seq).is_none_or(|place| {
            let reach = window.saturating_add(REACH);
            place.abs_diff(self.next.cast_signed()) <= reach
        })
    }

    /// How far the direction has come, for those who need it to.
    pub(super) fn reached(&self) -> u64 {
        if self.started && !self.ended {
            self.next
        } else {
            u64::MAX
        }
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> usize {
        self.slow.as_ref().map_or(0, |slow| slow.queue.size())
    }

    /// Bytes up to here, since the stream was joined.
    pub(super) fn delivered(&self) -> u64 {
        self.emitted_offset(self.next)
    }

    /// Bytes that it allows the other side to send beyond what it acknowledged.
    pub(super) fn window(&self) -> u64 {
        // Until a SYN tells, the shift may be anything up to its most (RFC 7323 section 2.3).
        u64::from(self.window) << self.scale.unwrap_or(14).min(14)
    }

    /// The sequence number of what it sends next, as far as anything of it was heard.
    pub(super) fn expected(&self) -> Option<u32> {
        let is_known = self.started || self.base != 0;
        is_known.then(|| self.base.wrapping_add(self.next as u32))
    }

    /// What it last acknowledged.
    pub(super) fn last_ack(&self) -> Option<u32> {
        (self.last_ack != 0).then_some(self.last_ack)
    }

    /// Its [first bytes in short](super::echo::mark).
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether `seq` is the sequence number of its first byte.
    pub(super) fn is_first(&self, seq: u32) -> bool {
        !self.midstream && self.offset_of(seq) == Some(0)
    }

    /// Whether all that a segment has is at places that were delivered or given up.
    pub(super) fn has_passed(&self, segment: &Segment<'_>) -> bool {
        let len = i64::try_from(segment.payload().len()).unwrap_or(i64::MAX);
        let first = self.offset_of(segment.first());
        // The number behind the FIN is the last that it has.
        first.is_some_and(|first| {
            first >= 0 && first.saturating_add(len) <= self.next.cast_signed().saturating_add(1)
        })
    }

    /// Note the number of a segment that brings nothing, for a direction of which nothing else was
    /// heard.
    pub(super) fn note_number(&mut self, segment: &Segment<'_>) {
        if !self.started {
            self.base = segment.first();
        }
    }

    /// Whether a segment of it is dropped for its options.
    #[inline]
    pub(super) fn refuses(&self, segment: &Segment<'_>, signed: bool) -> bool {
        if !self.started || segment.has(TcpFlags::RST) && !segment.options.signed {
            return false;
        }
        let stale = segment.options.stamp.is_some_and(|stamp| {
            // One tick back is taken (Linux).
            self.stamp != 0 && stamp.wrapping_sub(self.stamp).cast_signed() < -1
        });
        (segment.options.signed != signed || stale) && self.stale < STALE
    }

    /// Note what a segment says of its sender.
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

    /// A segment of it is dropped, as it seems.
    pub(super) fn note_refused(&mut self) {
        self.stale = self.stale.saturating_add(1);
    }

    /// Whether its first segment is signed.
    pub(super) fn is_signed(&self) -> bool {
        self.signed
    }

    /// Note how far a segment shows that its sender has come: who acknowledges more may be wrong.
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

    /// Forget an acknowledgement of more than its sender has shown since to have sent.
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

    /// Whether it has bytes that wait for the peer to come farther than `reached`.
    pub(super) fn waits_beyond(&self, reached: u64) -> bool {
        let needs = self.slow.as_ref().and_then(|slow| slow.queue.needs());
        needs.is_some_and(|needs| needs > reached)
    }

    /// Nothing of it waits for the peer to come farther than `reached`.
    pub(super) fn stop_waiting_beyond(&mut self, reached: u64) {
        if let Some(slow) = &mut self.slow {
            slow.queue.stop_waiting_beyond(reached);
        }
    }

    /// Take a segment's bytes and FIN. They have their turn when the peer has come to `needs`, and
    /// it is at `reached`.
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
        // long as that byte is not acknowledged, it may be the one that the receiver takes.
        if len == 1 && distance == -1 && !segment.has(TcpFlags::FIN) {
            ctx.stats.keep_alives += 1;
            if self.acked >= self.next || self.tail().last() == payload.first() {
                return;
            }
        }
        let mut bytes = payload;
        if start < 0 {
            // In front of all that the stream can have.
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

    /// Deliver what has its turn, as the peer is at `reached`; says whether anything was. What is
    /// damaged waits for a better copy, as a hole that is acknowledged does, or for [long
    /// enough](time::DAMAGED).
    pub(super) fn advance(&mut self, reached: u64, ctx: &mut SegmentContext<'_>) -> bool {
        self.accept_predicted(reached, false, ctx)
    }

    /// Deliver what is there at the next offset, whatever it waits for; says whether anything was.
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

    /// If all in front of the FIN is delivered by now, this turn's packet was what completed it.
    pub(super) fn note_end(&mut self, ctx: &SegmentContext<'_>) {
        if self.fin == Some(self.next) && !self.ended && self.fin_by.frame == 0 {
            (self.fin_by, self.fin_at) = (*ctx.by, ctx.now);
        }
    }

    /// Whether nothing waits or is missing in it.
    pub(super) fn has_no_slow_state(&self) -> bool {
        self.slow.is_none()
    }

    /// Give back what is held.
    pub(super) fn release(&mut self, ctx: &mut SegmentContext<'_>) {
        self.tail.release(ctx.tails);
        if let Some(slow) = self.slow.take() {
            *ctx.queued = ctx.queued.saturating_sub(slow.queue.size());
        }
    }

    /// Forget the delivered bytes.
    pub(super) fn release_tail(&mut self, tails: &mut Tails) {
        self.tail.release(tails);
    }

    /// Where a sequence number stands; negative in front of offset 0.
    fn offset_of(&self, seq: u32) -> Option<i64> {
        if !self.started {
            return None;
        }
        let expected = self.base.wrapping_add(self.next as u32);
        let distance = seq.wrapping_sub(expected).cast_signed();
        self.next.cast_signed().checked_add(i64::from(distance))
    }

    /// An offset as it is told: a stream that was joined in the middle starts at 0 as well.
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

/// The moment a direction is to be looked at again.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

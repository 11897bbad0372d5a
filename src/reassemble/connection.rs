//! Both directions of a connection: whether a segment is acceptable, and the order in which the
//! bytes of both are delivered. A response is never delivered before the request bytes that its
//! segment acknowledges.
//!
//! Bytes of a segment are delivered after the bytes of the other direction that it acknowledges. So
//! requests precede their responses, whatever the order of the capture.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::limits::time;
use crate::packet::TcpFlags;
use crate::policy::Checksum;
use crate::stream::OutOfStreamReason;

use super::context::{Segment, SegmentContext};
use super::half::{HalfStream, earlier};
use super::predict::fast_path_enabled;

/// The half that sends in direction `dir`, and its peer.
pub(super) fn sides(
    halves: &mut [HalfStream; 2],
    dir: Direction,
) -> (&mut HalfStream, &mut HalfStream) {
    let [to_server, to_client] = halves;
    match dir {
        Direction::ToServer => (to_server, to_client),
        Direction::ToClient => (to_client, to_server),
    }
}

/// Whether a segment can change its stream. The bytes of one that cannot are emitted out of stream,
/// since no receiver takes them.
#[inline]
pub(super) fn is_acceptable(
    own: &HalfStream,
    segment: &Segment<'_>,
    ctx: &mut SegmentContext<'_>,
) -> bool {
    let bad_sum = ctx.policy.checksum == Checksum::On && ctx.is_damaged(segment);
    let (syn, fin) = (segment.has(TcpFlags::SYN), segment.has(TcpFlags::FIN));
    let reset = segment.has(TcpFlags::RST);
    let why = if bad_sum {
        ctx.stats.bad_checksums += 1;
        OutOfStreamReason::BadChecksum
    } else if syn && (fin || reset) {
        OutOfStreamReason::BadFlags
    } else if reset {
        OutOfStreamReason::WithRst
    } else if !syn && !segment.has(TcpFlags::ACK) {
        // RFC 9293 section 3.10.7.4, fifth.
        OutOfStreamReason::NoAck
    } else {
        return true;
    };
    own.apart(why, segment.tcp.seq, segment.payload(), ctx);
    false
}

/// Advances both halves as far as possible: one may wait for what the other delivers or gives up.
#[inline]
pub(super) fn settle(
    one: &mut HalfStream,
    other: &mut HalfStream,
    packet: bool,
    bidirectional: bool,
    ctx: &mut SegmentContext<'_>,
) {
    if fast_path_enabled() && one.is_in_order() && other.is_in_order() {
        return;
    }
    if !(fast_path_enabled() && one.has_no_slow_state() && other.has_no_slow_state()) {
        return release_in_causal_order(one, other, packet, bidirectional, ctx);
    }
    // It ends in order: only the end is awaited.
    let dir = ctx.dir;
    one.review_end(ctx);
    ctx.dir = dir.reverse();
    other.review_end(ctx);
    other.note_end(ctx);
    ctx.dir = dir;
    one.note_end(ctx);
}

/// [`settle`] for halves of which one has a gap or waiting bytes, which is rare.
#[cold]
fn release_in_causal_order(
    one: &mut HalfStream,
    other: &mut HalfStream,
    packet: bool,
    bidirectional: bool,
    ctx: &mut SegmentContext<'_>,
) {
    let dir = ctx.dir;
    let mut packet = packet;
    loop {
        ctx.dir = dir;
        let needs = (other.reached(), other.waits_beyond(one.reached()));
        if one.review(packet, bidirectional, needs, ctx) {
            other.stop_waiting_beyond(one.reached());
        }
        ctx.dir = dir.reverse();
        let needs = (one.reached(), one.waits_beyond(other.reached()));
        if other.review(packet, bidirectional, needs, ctx) {
            one.stop_waiting_beyond(other.reached());
        }
        let mut moved = other.advance(one.reached(), ctx);
        ctx.dir = dir;
        moved |= one.advance(other.reached(), ctx);
        if !moved {
            return;
        }
        packet = false;
    }
}

/// When to review the two next: after now, and never at the end of time.
pub(super) fn next_review(
    one: &HalfStream,
    other: &HalfStream,
    bidirectional: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let moment = earlier(
        one.next_review(bidirectional),
        other.next_review(bidirectional),
    )?;
    Some(moment.max(now.after(time::GAP_GRACE)?))
}

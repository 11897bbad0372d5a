//! Both halves of a connection: whether a segment of one means anything, and how they wait for each
//! other.
//!
//! Bytes that were sent by someone who had seen bytes of the other side come behind those. So a
//! reader gets the question in front of its answer, however the capture was shuffled.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::limits::time;
use crate::packet::TcpFlags;
use crate::policy::Checksum;
use crate::stream::OutOfStreamReason;

use super::half::{Half, earlier};
use super::predict::short_ways;
use super::turn::{Segment, Turn};

/// The half that sends in direction `dir`, and its peer.
pub(super) fn sides(halves: &mut [Half; 2], dir: Direction) -> (&mut Half, &mut Half) {
    let [to_server, to_client] = halves;
    match dir {
        Direction::ToServer => (to_server, to_client),
        Direction::ToClient => (to_client, to_server),
    }
}

/// Whether a segment means something for its stream. What cannot is said by itself: no receiver
/// takes it.
#[inline]
pub(super) fn meant(own: &Half, segment: &Segment<'_>, turn: &mut Turn<'_>) -> bool {
    let bad_sum = turn.policy.checksum == Checksum::On && turn.is_damaged(segment);
    let (syn, fin) = (segment.has(TcpFlags::SYN), segment.has(TcpFlags::FIN));
    let reset = segment.has(TcpFlags::RST);
    let why = if bad_sum {
        turn.stats.bad_checksums += 1;
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
    own.apart(why, segment.tcp.seq, segment.payload(), turn);
    false
}

/// Let both halves go on as far as they can: what one gives up or gets may be what the other waits
/// for.
#[inline]
pub(super) fn settle(
    one: &mut Half,
    other: &mut Half,
    packet: bool,
    two_sided: bool,
    turn: &mut Turn<'_>,
) {
    if short_ways() && one.is_plain() && other.is_plain() {
        return;
    }
    if !(short_ways() && one.is_untroubled() && other.is_untroubled()) {
        return untangle(one, other, packet, two_sided, turn);
    }
    // It ends in order: nothing waits for anything but the end.
    let dir = turn.dir;
    one.review_end(turn);
    turn.dir = dir.reverse();
    other.review_end(turn);
    other.note_end(turn);
    turn.dir = dir;
    one.note_end(turn);
}

/// [`settle`] for halves of which one is in trouble, which is seldom.
#[cold]
fn untangle(one: &mut Half, other: &mut Half, packet: bool, two_sided: bool, turn: &mut Turn<'_>) {
    let dir = turn.dir;
    let mut packet = packet;
    loop {
        turn.dir = dir;
        one.review(packet, two_sided, other.reached(), turn);
        turn.dir = dir.reverse();
        other.review(packet, two_sided, one.reached(), turn);
        let mut moved = other.advance(one.reached(), turn);
        turn.dir = dir;
        moved |= one.advance(other.reached(), turn);
        if !moved {
            return;
        }
        packet = false;
    }
}

/// When the two are to be looked at again. Not at once: what could be done by `now` is done. And
/// never, at the end of time.
pub(super) fn next_review(
    one: &Half,
    other: &Half,
    two_sided: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let moment = earlier(one.next_review(two_sided), other.next_review(two_sided))?;
    Some(moment.max(now.after(time::GAP_GRACE)?))
}

//! *Header prediction* (V. Jacobson, 4BSD TCP Header Prediction, 1990): most segments are the next
//! ones of a connection without gaps, or acknowledge bytes that were delivered; most connections
//! begin with a plain SYN, and end with a FIN of each side. A few comparisons recognise these, and
//! they skip the rules that cannot apply.

use crate::flow::{Direction, Flow};
use crate::packet::TcpFlags;
use crate::policy::{Checksum, Policy};
use crate::stream::{PacketInfo, StreamEvent};

use super::Shared;
use super::connection::{settle, sides};
use super::context::Segment;
use super::half::Start;
use super::table::{Entry, Stage};

/// Flags without meaning for a stream's bytes: PSH, and the two of congestion notification (RFC
/// 3168).
pub(super) const WITHOUT_MEANING: u8 = TcpFlags::PSH.0 | TcpFlags::ECE.0 | TcpFlags::CWR.0;

impl Segment<'_> {
    /// Whether it has these flags and no other that matters.
    pub(super) fn is_in_order(&self, flags: TcpFlags, policy: Policy) -> bool {
        fast_path_enabled()
            && self.tcp.flags.0 & !WITHOUT_MEANING == flags.0
            && self.tcp.window > 0
            && self.cut() == 0
            && policy.checksum != Checksum::On
    }

    /// Whether it is a SYN without payload: for a flow that it opened, [`Entry::begin`] has the
    /// same effect as all rules together.
    pub(super) fn is_plain_syn(&self, policy: Policy) -> bool {
        self.payload().is_empty() && self.is_in_order(TcpFlags::SYN, policy)
    }
}

impl Entry {
    /// Whether a segment is predicted: [`Self::accept_predicted`] has the same effect as all rules
    /// together.
    pub(super) fn predicts(&self, segment: &Segment<'_>, dir: Direction, policy: Policy) -> bool {
        const FIN_ACK: TcpFlags = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
        let [to_server, to_client] = self.halves.made() else {
            return false;
        };
        let (own, peer) = match dir {
            Direction::ToServer => (to_server, to_client),
            Direction::ToClient => (to_client, to_server),
        };
        let tcp = &segment.tcp;
        let (acks, ends) = (
            segment.is_in_order(TcpFlags::ACK, policy),
            segment.is_in_order(FIN_ACK, policy),
        );
        if !(acks || ends) || self.reset || self.stage == Stage::Embryo || !peer.has_sent(tcp.ack) {
            return false;
        }
        if acks && own.is_in_order() && peer.is_in_order() {
            return own.expects(tcp.seq) && !peer.is_ended();
        }
        // It ends in order: with this FIN, or with the acknowledgement of one.
        let carries = ends || !segment.payload().is_empty();
        (own.expects(tcp.seq) || !carries)
            && self.bidirectional
            && own.is_started()
            && own.has_no_slow_state()
            && peer.is_started()
            && peer.has_no_slow_state()
    }

    /// Whether the receiver drops a segment, as far as that is checked. The checksum of an in-order
    /// segment is checked now and then only.
    #[inline]
    pub(super) fn is_dropped(
        &self,
        segment: &Segment<'_>,
        dir: Direction,
        shared: &mut Shared,
    ) -> bool {
        let payload = segment.payload();
        self.is_refused(segment, dir)
            || !payload.is_empty()
                && shared.watch.should_check(payload.len())
                && self.has_bad_checksum(segment, dir, shared.policy)
    }

    /// Whether the receiver drops a segment because of its options: it is signed (RFC 2385) and the
    /// connection is not, or the reverse; or it is older than a segment that was received (RFC 7323
    /// section 5).
    #[inline]
    pub(super) fn is_refused(&self, segment: &Segment<'_>, dir: Direction) -> bool {
        match self.halves.made().get(dir.index()) {
            Some(half) => {
                // The connection is signed when both ends do it.
                let peer = self.halves.made().get(dir.reverse().index());
                let peer = peer.is_none_or(|peer| !peer.is_started() || peer.is_signed());
                half.refuses(segment, half.is_signed() && peer)
            }
            None => {
                dir == Direction::ToServer
                    && self
                        .halves
                        .begun()
                        .is_some_and(|start| start.signed != segment.options.signed)
            }
        }
    }

    /// Whether a segment acknowledges more than was delivered of the other direction.
    pub(super) fn acks_unseen(&self, segment: &Segment<'_>, dir: Direction) -> bool {
        let peer = self.halves.made().get(dir.reverse().index());
        peer.is_some_and(|peer| !peer.has_sent(segment.tcp.ack))
    }

    /// Whether a segment's checksum is wrong, and right ones were seen in its direction.
    pub(super) fn has_bad_checksum(
        &self,
        segment: &Segment<'_>,
        dir: Direction,
        policy: Policy,
    ) -> bool {
        policy.checksum == Checksum::Auto
            && self.halves.have_sums(dir)
            && segment.packet.is_damaged()
    }

    /// Processes the [plain SYN](Segment::is_plain_syn) that has just opened the flow, or the
    /// [predicted](Self::predicts_syn_ack) response to it.
    pub(super) fn begin(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        #[cfg(test)]
        super::tests::predicted::taken();
        self.last = *by;
        self.bidirectional |= dir == Direction::ToClient;
        self.time_handshake(segment, dir, by);
        deliver(&self.flow, &StreamEvent::NoPayload { dir, by });
        self.halves.begin(dir, Start::of(segment));
    }

    /// Whether a segment is the server's response to the plain SYN that opened the flow:
    /// [`Self::begin`] has the same effect as all rules together.
    pub(super) fn predicts_syn_ack(
        &self,
        segment: &Segment<'_>,
        dir: Direction,
        policy: Policy,
    ) -> bool {
        const SYN_ACK: TcpFlags = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
        self.halves
            .begun()
            .is_some_and(|start| start.base == segment.tcp.ack)
            && dir == Direction::ToClient
            && segment.payload().is_empty()
            && segment.is_in_order(SYN_ACK, policy)
    }

    /// Records what every predicted segment changes in its flow.
    #[inline]
    pub(super) fn note_predicted(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
    ) {
        #[cfg(test)]
        super::tests::predicted::taken();
        self.last = *by;
        if self.flow.handshake.done.is_none() {
            self.time_handshake(segment, dir, by);
        }
    }

    /// Processes a [predicted](Self::predicts) segment. Its bytes may lie in a `block` that stays
    /// valid. Returns the flow's stage after it.
    pub(super) fn accept_predicted(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
        block: &[u8],
        shared: &mut Shared,
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) -> Stage {
        self.note_predicted(segment, dir, by);
        let Self {
            flow,
            halves,
            bidirectional,
            stage,
            ..
        } = self;
        let Some(both) = halves.both_made() else {
            return *stage;
        };
        let (own, peer) = sides(both, dir);
        let id = (flow.slot, flow.id);
        *bidirectional |= peer.is_started();
        let mut emit = |event: &StreamEvent<'_>| deliver(flow, event);
        if segment.payload().is_empty() {
            emit(&StreamEvent::NoPayload { dir, by });
        }
        own.observe(segment);
        let mut ctx = shared.ctx(dir.reverse(), by, &mut emit);
        peer.note_acknowledged(segment.tcp.ack, &mut ctx);
        ctx.dir = dir;
        own.deliver_from(block, segment.payload(), by, id, &mut ctx);
        if segment.has(TcpFlags::FIN) {
            own.finish_here(segment, &mut ctx);
        }
        if own.is_in_order() && peer.is_in_order() {
            return *stage;
        }
        settle(own, peer, true, *bidirectional, &mut ctx);
        match own.is_closing() && peer.is_closing() {
            true => Stage::Closed,
            false => *stage,
        }
    }
}

/// Whether the fast paths are enabled, here, where both halves [settle](super::connection::settle),
/// and where one [ends](super::half::HalfStream::end): always, except in the test that compares
/// them with the full rules.
#[cfg(not(test))]
pub(super) const fn fast_path_enabled() -> bool {
    true
}

#[cfg(test)]
pub(super) use super::tests::predicted::fast_path_enabled;

//! *Header prediction* (V. Jacobson, 4BSD TCP Header Prediction, 1990): most segments are the next
//! ones of a connection in which nothing is out of the ordinary, or acknowledge what came; and most
//! connections begin with a SYN that says nothing else, and end with a FIN of each side. They are
//! told apart with a few comparisons, and taken without the questions whose answers are known then.

use crate::flow::{Direction, Flow};
use crate::packet::TcpFlags;
use crate::policy::{Checksum, Policy};
use crate::stream::{PacketInfo, StreamEvent};

use super::Shared;
use super::half::Start;
use super::pair::{settle, sides};
use super::table::{Entry, Stage};
use super::turn::Segment;

/// Flags that say nothing about a stream's bytes: PSH, and the two of congestion notification (RFC
/// 3168).
pub(super) const WITHOUT_MEANING: u8 = TcpFlags::PSH.0 | TcpFlags::ECE.0 | TcpFlags::CWR.0;

impl Segment<'_> {
    /// Whether it has these flags and says nothing else that matters.
    fn is_plain(&self, flags: TcpFlags, policy: Policy) -> bool {
        short_ways()
            && self.tcp.flags.0 & !WITHOUT_MEANING == flags.0
            && self.tcp.window > 0
            && self.cut() == 0
            && policy.checksum != Checksum::On
    }

    /// Whether it is a SYN with nothing to it: of a flow that it has opened [`Entry::begin`] makes
    /// what all the rules together would.
    pub(super) fn is_plain_syn(&self, policy: Policy) -> bool {
        self.payload().is_empty() && self.is_plain(TcpFlags::SYN, policy)
    }
}

impl Entry {
    /// Whether a segment is one that was to be expected: [`Self::go_on`] does with it what all the
    /// rules together would.
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
            segment.is_plain(TcpFlags::ACK, policy),
            segment.is_plain(FIN_ACK, policy),
        );
        if !(acks || ends) || self.reset || self.stage == Stage::Embryo || !peer.has_sent(tcp.ack) {
            return false;
        }
        if acks && own.is_plain() && peer.is_plain() {
            return own.expects(tcp.seq) && !peer.is_ended();
        }
        // It ends in order: with this FIN, or by an acknowledgement of one.
        let carries = ends || !segment.payload().is_empty();
        (own.expects(tcp.seq) || !carries)
            && self.two_sided
            && own.is_started()
            && own.is_untroubled()
            && peer.is_started()
            && peer.is_untroubled()
    }

    /// Whether a segment's checksum is wrong, and that says something.
    pub(super) fn is_spoilt(&self, segment: &Segment<'_>, dir: Direction, policy: Policy) -> bool {
        policy.checksum == Checksum::Auto
            && self.halves.have_sums(dir)
            && segment.packet.is_damaged()
    }

    /// Take the [plain SYN](Segment::is_plain_syn) that has just opened the flow, or the
    /// [predicted](Self::predicts_answer) answer to it.
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
        self.two_sided |= dir == Direction::ToClient;
        self.time_handshake(segment, dir, by);
        deliver(&self.flow, &StreamEvent::NoPayload { dir, by });
        self.halves.begin(dir, Start::of(segment));
    }

    /// Whether a segment is the server's answer to the plain SYN that opened the flow:
    /// [`Self::begin`] does with it what all the rules together would.
    pub(super) fn predicts_answer(
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
            && segment.is_plain(SYN_ACK, policy)
    }

    /// Take a segment that was [predicted](Self::predicts). Its bytes may lie in a `block` that
    /// stays. Says how far the flow is then.
    pub(super) fn go_on(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
        block: &[u8],
        shared: &mut Shared,
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) -> Stage {
        #[cfg(test)]
        super::tests::predicted::taken();
        self.last = *by;
        if self.flow.handshake.done.is_none() {
            self.time_handshake(segment, dir, by);
        }
        let Self {
            flow,
            halves,
            two_sided,
            stage,
            ..
        } = self;
        let Some(both) = halves.both_made() else {
            return *stage;
        };
        let (own, peer) = sides(both, dir);
        let id = (flow.slot, flow.id);
        *two_sided |= peer.is_started();
        let mut say = |event: &StreamEvent<'_>| deliver(flow, event);
        if segment.payload().is_empty() {
            say(&StreamEvent::NoPayload { dir, by });
        }
        own.heard(segment);
        let mut turn = shared.turn(dir.reverse(), by, &mut say);
        peer.note_acknowledged(segment.tcp.ack, &mut turn);
        turn.dir = dir;
        own.deliver_from(block, segment.payload(), by, id, &mut turn);
        if segment.has(TcpFlags::FIN) {
            own.finish_here(segment, &mut turn);
        }
        if own.is_plain() && peer.is_plain() {
            return *stage;
        }
        settle(own, peer, true, *two_sided, &mut turn);
        match own.is_closing() && peer.is_closing() {
            true => Stage::Closed,
            false => *stage,
        }
    }
}

/// Whether the short ways are taken, here, where both halves [settle](super::pair::settle), and
/// where one [ends](super::half::Half::end): always, but in the test that compares them with the
/// long ones.
#[cfg(not(test))]
pub(super) const fn short_ways() -> bool {
    true
}

#[cfg(test)]
pub(super) use super::tests::predicted::short_ways;

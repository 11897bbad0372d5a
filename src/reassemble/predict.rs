//! *Header prediction* (V. Jacobson, 4BSD TCP Header Prediction, 1990): most segments are the next ones of a connection in which
//! nothing is out of the ordinary, or acknowledge what came. They are told apart with a few comparisons, and taken without
//! the questions whose answers are known then.

use crate::flow::{Direction, Flow};
use crate::packet::TcpFlags;
use crate::policy::{Checksum, Policy};
use crate::stream::{Carrier, StreamEvent};

use super::Shared;
use super::pair::sides;
use super::table::{Entry, Stage};
use super::turn::Segment;

/// Flags that say nothing about a stream's bytes: PSH, and the two of congestion notification (RFC 3168).
const WITHOUT_MEANING: u8 = TcpFlags::PSH.0 | TcpFlags::ECE.0 | TcpFlags::CWR.0;

impl<S> Entry<S> {
    /// Whether a segment is one that was to be expected: [`Self::go_on`] does with it what all the rules together would.
    pub(super) fn predicts(&self, segment: &Segment<'_>, dir: Direction, policy: Policy) -> bool {
        let (tcp, [to_server, to_client]) = (&segment.tcp, &self.halves);
        let (own, peer) = match dir {
            Direction::ToServer => (to_server, to_client),
            Direction::ToClient => (to_client, to_server),
        };
        short_ways()
            && tcp.flags.0 & !WITHOUT_MEANING == TcpFlags::ACK.0
            && tcp.window > 0
            && self.stage == Stage::Open
            && !self.reset
            && policy.checksum != Checksum::On
            && segment.cut() == 0
            && own.expects(tcp.seq)
            && peer.has_sent(tcp.ack)
    }

    /// Take a segment that was [predicted](Self::predicts). Its bytes may lie in a `block` that stays.
    pub(super) fn go_on(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: Carrier,
        block: &[u8],
        shared: &mut Shared,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        #[cfg(test)]
        super::tests::predicted::taken();
        self.last = by;
        if self.flow.handshake.done.is_none() {
            self.time_handshake(segment, dir, by);
        }
        let Self {
            flow,
            state,
            halves,
            two_sided,
            ..
        } = self;
        let (own, peer) = sides(halves, dir);
        let id = (flow.slot, flow.id);
        *two_sided |= peer.is_started();
        let mut say = |event: StreamEvent<'_>| deliver(flow, state, event);
        if segment.payload().is_empty() {
            say(StreamEvent::Bare { dir, by });
        }
        own.heard(segment);
        let mut turn = shared.turn(dir.reverse(), by, &mut say);
        peer.note_acknowledged(segment.tcp.ack, &mut turn);
        turn.dir = dir;
        own.deliver_from(block, segment.payload(), by, id, &mut turn);
    }
}

/// Whether the short ways are taken, here and where both halves [settle](super::pair::settle): always, but in the test that
/// compares them with the long ones.
#[cfg(not(test))]
pub(super) const fn short_ways() -> bool {
    true
}

#[cfg(test)]
pub(super) use super::tests::predicted::short_ways;

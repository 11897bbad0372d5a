//! Header prediction for captures that show acknowledgements before the bytes which they
//! acknowledge, as taps with several queues do. It does what all the rules together would; the
//! property in `tests/predicted.rs` compares the two. On generated transfers of that kind it saves
//! 8 to 15 % of all instructions.

use crate::flow::{Direction, Flow};
use crate::packet::TcpFlags;
use crate::stream::{PacketInfo, StreamEvent};

use super::connection::{next_review, sides};
use super::context::Segment;
use super::table::{Entry, Stage};
use super::timers::TimerQueue;
use super::{REACH, Shared};

impl Entry {
    /// Whether a segment brings the next bytes of a direction that only waits for acknowledged
    /// ones, or brings nothing and acknowledges such bytes.
    pub(super) fn predicts_acked_ahead(
        &self,
        segment: &Segment<'_>,
        dir: Direction,
        shared: &Shared,
    ) -> bool {
        let [to_server, to_client] = self.halves.made() else {
            return false;
        };
        let (own, peer) = match dir {
            Direction::ToServer => (to_server, to_client),
            Direction::ToClient => (to_client, to_server),
        };
        if self.stage != Stage::Open
            || self.reset
            || !own.expects(segment.tcp.seq)
            || peer.is_ended()
            || !segment.is_in_order(TcpFlags::ACK, shared.policy)
        {
            return false;
        }
        if !segment.payload().is_empty() {
            return own.waits_for_acked() && peer.is_in_order() && peer.has_sent(segment.tcp.ack);
        }
        own.is_in_order()
            && peer.is_started()
            && (peer.waits_for_acked() || peer.is_in_order())
            && peer.can_wait_on(shared.grace, shared.now)
            && !self.has_bad_checksum(segment, dir, shared.policy)
    }

    /// Takes a segment that was [predicted](Self::predicts_acked_ahead). Its bytes may lie in a
    /// `block` that stays.
    pub(super) fn accept_acked_ahead(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
        block: &[u8],
        (shared, timers): (&mut Shared, &mut TimerQueue),
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        self.note_predicted(segment, dir, by);
        let Self {
            flow,
            halves,
            bidirectional,
            timer,
            ..
        } = self;
        let Some(both) = halves.both_made() else {
            return;
        };
        let (own, peer) = sides(both, dir);
        let id = (flow.slot, flow.id);
        *bidirectional |= peer.is_started();
        let mut emit = |event: &StreamEvent<'_>| deliver(flow, event);
        own.observe(segment);
        if segment.payload().is_empty() {
            emit(&StreamEvent::NoPayload { dir, by });
            let mut ctx = shared.ctx(dir.reverse(), by, &mut emit);
            ctx.reach = own.window().saturating_add(REACH);
            peer.acknowledged(segment.tcp.ack, &mut ctx);
            peer.count_wait();
        } else {
            own.note_shown(segment);
            let mut ctx = shared.ctx(dir.reverse(), by, &mut emit);
            peer.note_acknowledged(segment.tcp.ack, &mut ctx);
            ctx.dir = dir;
            own.deliver_from(block, segment.payload(), by, id, &mut ctx);
            own.wait_for_rest(&ctx);
        }
        if let Some(moment) = next_review(own, peer, *bidirectional, shared.now) {
            timers.set(timer, moment, flow);
        }
    }
}

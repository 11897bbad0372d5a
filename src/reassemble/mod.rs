//! *reassemble*: packets become streams. Each byte of a stream is emitted once, in order; what is
//! missing is emitted as a gap, and what is not part of the stream as out of stream.
//!
//! [`Defragmenter`] reassembles IP datagrams, [`Reassembler`] TCP streams. In-order bytes are
//! passed on from the packet without a copy; only what is out of order is copied. Memory is bounded
//! by [`Limits`], and what is dropped is counted.

mod acked_ahead;
mod clock;
mod close;
mod connection;
mod context;
mod deferred;
mod echo;
mod evict;
mod expiry;
mod fragments;
mod half;
mod half_streams;
mod handshake;
mod key;
mod paths;
mod predict;
mod push;
mod queue;
mod retained;
mod table;
mod timers;
mod watch;

pub use fragments::{Defragmented, Defragmenter};

use crate::flow::{Direction, Flow, Reset};
use crate::frame::Timestamp;
use crate::limits::{Limits, time};
use crate::packet::{Packet, TcpFlags, Transport};
use crate::policy::Policy;
use crate::stats::ReassemblyStats;
use crate::stop::Stop;
use crate::stream::{Ending, GapReason, PacketInfo, StreamEvent};

use clock::Clock;
use connection::{is_acceptable, next_review, settle, sides};
use context::{Segment, SegmentContext, carrier};
use key::Key;
use paths::Crossing;
use predict::WITHOUT_MEANING;
use retained::Tails;
use table::{Entry, Stage, Table};
use timers::TimerQueue;
use watch::Watch;

/// Reassembles the packets of all flows. It keeps no state of its caller: the caller finds its
/// state of a flow by [`Flow::slot`], and compares [`Flow::id`].
pub struct Reassembler {
    table: Table,
    crossing: Crossing,
    shared: Shared,
    /// Nanoseconds after which a quiet flow is removed.
    idle: i64,
    /// Times at which flows are to be reviewed.
    timers: TimerQueue,
    /// When quiet flows were last removed.
    swept: Timestamp,
    clock: Clock,
    stop: Stop,
    last_id: u64,
}

/// State that all flows share.
struct Shared {
    limits: Limits,
    policy: Policy,
    stats: ReassemblyStats,
    /// See [`SegmentContext::grace`].
    grace: u32,
    queued: usize,
    tails: Tails,
    /// The time of the [`Clock`].
    now: Timestamp,
    watch: Watch,
}

impl Shared {
    fn ctx<'t>(
        &'t mut self,
        dir: Direction,
        by: &'t PacketInfo,
        emit: &'t mut dyn FnMut(&StreamEvent<'_>),
    ) -> SegmentContext<'t> {
        SegmentContext {
            dir,
            by,
            now: self.now,
            reach: REACH,
            limits: &self.limits,
            policy: self.policy,
            stats: &mut self.stats,
            grace: &mut self.grace,
            queued: &mut self.queued,
            tails: &mut self.tails,
            emit,
        }
    }
}

/// Bytes that a segment may begin after the end of the receiver's window: the window may have grown
/// unseen.
const REACH: u64 = 4 << 20;

impl Reassembler {
    /// A reassembler without flows; a flow that was quiet for `idle` nanoseconds of capture time is
    /// removed.
    #[must_use]
    pub fn new(limits: Limits, policy: Policy, idle: i64) -> Self {
        Self {
            table: Table::default(),
            crossing: Crossing::default(),
            shared: Shared {
                limits,
                policy,
                stats: ReassemblyStats::default(),
                grace: time::GAP_GRACE_PACKETS,
                queued: 0,
                tails: Tails::default(),
                now: Timestamp::default(),
                watch: Watch::default(),
            },
            idle,
            timers: TimerQueue::default(),
            swept: Timestamp::default(),
            clock: Clock::default(),
            stop: Stop::default(),
            last_id: 0,
        }
    }

    /// The same, but long work ends early once `stop` is set.
    #[must_use]
    pub fn until(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Advances the clock to the capture time `ts`.
    #[inline]
    fn at(&mut self, ts: Timestamp) -> Timestamp {
        let now = self.clock.at(ts);
        self.shared.now = now;
        self.table.now = now;
        now
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ReassemblyStats {
        self.shared.stats
    }

    /// Processes a packet that is no fragment. Calls `deliver` for each event of its flow, in
    /// order.
    pub fn push(&mut self, packet: &Packet<'_>, deliver: impl FnMut(&Flow, &StreamEvent<'_>)) {
        self.at(packet.ts);
        self.push_from(&[], packet, deliver);
    }

    /// Processes a packet whose bytes may lie in a `block` that stays valid until [`Self::settle`]:
    /// delivered bytes are retained by reference until then, since most of them are acknowledged by
    /// that time. Call [`Self::expire_from`] with the packet's time before.
    ///
    /// Returns `false` for a copy of a packet that was used, captured with another tag or by
    /// another tap.
    pub fn push_from(
        &mut self,
        block: &[u8],
        packet: &Packet<'_>,
        mut deliver: impl FnMut(&Flow, &StreamEvent<'_>),
    ) -> bool {
        let by = &carrier(packet);
        let (key, sender) = Key::of(packet);
        let used = if let Transport::Tcp(tcp) = &packet.transport {
            let segment = Segment {
                packet,
                tcp,
                sender,
                options: packet.options(),
                damaged: false,
            };
            self.push_segment(&key, segment, by, block, &mut deliver)
        } else {
            self.push_datagram(&key, sender, packet, by, &mut deliver)
        };
        self.timers.sweep(&mut self.table);
        self.enforce_limits(block, &mut deliver);
        used
    }

    /// Ends the capture: emits everything that waits, flow by flow.
    pub fn finish(&mut self, mut deliver: impl FnMut(&Flow, &StreamEvent<'_>)) {
        for slot in self.table.all() {
            self.forget(slot, Ending::Capture, GapReason::End, &[], &mut deliver);
        }
    }

    fn segment(
        &mut self,
        slot: usize,
        segment: &Segment<'_>,
        by: &PacketInfo,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let dir = entry.direction(segment.sender);
        if segment.packet.tunnels > 0 {
            entry.flow.note_tunnel(dir, segment.packet);
        }
        let damaged = entry.is_dropped(segment, dir, &mut self.shared);
        if !damaged && entry.predicts(segment, dir, self.shared.policy) {
            let stage = entry.accept_predicted(segment, dir, by, block, &mut self.shared, deliver);
            return self.table.touch(slot, stage);
        }
        if !damaged && entry.predicts_acked_ahead(segment, dir, &self.shared) {
            let shared = (&mut self.shared, &mut self.timers);
            entry.accept_acked_ahead(segment, dir, by, block, shared, deliver);
            return self.table.touch(slot, Stage::Open);
        }
        if entry.predicts_syn_ack(segment, dir, self.shared.policy) {
            entry.begin(segment, dir, by, deliver);
            return self.table.touch(slot, Stage::Open);
        }
        self.segment_by_rules(slot, segment, damaged, by, block, deliver);
    }

    /// Processes a segment that was not predicted, by all rules. `damaged`: its receiver drops it.
    fn segment_by_rules(
        &mut self,
        slot: usize,
        segment: &Segment<'_>,
        damaged: bool,
        by: &PacketInfo,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let dir = entry.direction(segment.sender);
        let payload = segment.payload();
        // The checksum of a segment without bytes matters if it acknowledges bytes that were not
        // captured.
        let damaged = damaged
            || payload.is_empty()
                && entry.acks_unseen(segment, dir)
                && entry.has_bad_checksum(segment, dir, self.shared.policy);
        let mut segment = Segment {
            damaged,
            ..*segment
        };
        // A segment without bytes is not compared with retained bytes, unless waiting bytes may be
        // delivered by it.
        if !(payload.is_empty() && entry.halves.have_no_slow_state()) {
            self.settle(block);
        }
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        if segment.has(TcpFlags::SYN) {
            entry.learn_roles(&segment);
        }
        let dir = entry.direction(segment.sender);
        if entry.flow.handshake.done.is_none() {
            entry.time_handshake(&segment, dir, by);
        }
        let announces = dir == Direction::ToServer && !segment.has(TcpFlags::RST) && !damaged;
        let stalled = u32::from(announces && segment.tcp.window == 0);
        let Flow {
            tcp_analysis,
            changes,
            ..
        } = &mut entry.flow;
        tcp_analysis.stalled = tcp_analysis.stalled.saturating_add(stalled);
        *changes = changes.wrapping_add(stalled);
        let (repeated, conflicts) = (self.shared.stats.retransmitted, self.shared.stats.conflicts);
        let mut known = entry.flow.reset;
        entry.bidirectional |= entry.halves.half(dir.reverse()).is_started();
        entry.last = *by;
        let mut stage = entry.stage;
        let Entry {
            flow,
            halves,
            bidirectional,
            timer,
            reset,
            ..
        } = entry;
        let mut emit = |event: &StreamEvent<'_>| deliver(flow, event);
        if segment.payload().is_empty() {
            emit(&StreamEvent::NoPayload { dir, by });
        }
        let mut ctx = self.shared.ctx(dir, by, &mut emit);
        let (own, peer) = sides(halves.both(), dir);
        let is_acceptable = is_acceptable(own, &segment, &mut ctx);
        if is_acceptable {
            // The acknowledgement first: bytes of this segment may respond to what it acknowledges.
            let mut needs = 0;
            if damaged {
                own.note_refused();
            } else {
                own.observe(&segment);
                own.note_number(&segment);
                own.note_shown(&segment);
            }
            if segment.has(TcpFlags::ACK) && !damaged {
                (ctx.dir, ctx.reach) = (dir.reverse(), own.window().saturating_add(REACH));
                if segment.has(TcpFlags::SYN) {
                    peer.begins_at(segment.tcp.ack);
                }
                // RFC 9293 section 3.10.7.4: what acknowledges something not yet sent is dropped.
                let believed;
                (needs, believed) = peer.acknowledged(segment.tcp.ack, &mut ctx);
                segment.damaged |= !believed;
                ctx.dir = dir;
            }
            ctx.reach = peer.window().saturating_add(REACH);
            if !segment.payload().is_empty() && own.is_beyond(&segment) && own.unreset() {
                ctx.stats.resets_ignored += 1;
                stage = Stage::Open;
                known = None;
            }
            let carries = !segment.payload().is_empty()
                || segment.has(TcpFlags::SYN)
                || segment.has(TcpFlags::FIN);
            if carries {
                own.take(&segment, needs, peer.reached(), &mut ctx);
            }
            if stage == Stage::Embryo
                && (dir == Direction::ToClient
                    || segment.tcp.flags.0 & !WITHOUT_MEANING != TcpFlags::SYN.0)
            {
                stage = Stage::Open;
            }
        } else if segment.has(TcpFlags::RST) && !segment.has(TcpFlags::SYN) {
            let refused = segment.damaged || own.has_sums() && ctx.is_damaged(&segment);
            let believed = !refused && (!own.is_started() || own.is_next(segment.tcp.seq));
            if believed && !own.is_ended() {
                own.reset(&ctx);
                known.get_or_insert(Reset { dir, by: *by });
                stage = Stage::Closed;
            } else {
                ctx.stats.resets_ignored += u64::from(!own.is_ended());
            }
        }
        settle(own, peer, true, *bidirectional, &mut ctx);
        if own.is_closing() && (peer.is_closing() || !peer.is_started()) {
            stage = Stage::Closed;
        } else if stage == Stage::Closed
            && !*reset
            && own.reset_since().or(peer.reset_since()).is_none()
        {
            // The other side sends after a FIN that seemed to end the connection, or the FIN was
            // not part of the stream.
            stage = Stage::Open;
        }
        if let Some(moment) = next_review(own, peer, *bidirectional, self.shared.now) {
            self.timers.set(timer, moment, flow);
        }
        if known.is_some() != flow.reset.is_some() {
            flow.reset = known;
            flow.changes = flow.changes.wrapping_add(1);
        }
        if self.shared.stats.conflicts > conflicts {
            self.shared.watch.restart();
        }
        let repeated = self.shared.stats.retransmitted - repeated;
        if repeated > 0 {
            flow.tcp_analysis.repeated = flow.tcp_analysis.repeated.saturating_add(repeated as u32);
            flow.changes = flow.changes.wrapping_add(1);
        }
        self.table.touch(slot, stage);
    }
}

#[cfg(test)]
mod tests;

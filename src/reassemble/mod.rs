//! *reassemble*: packets become streams.
//!
//! [`Defragmenter`] puts IP datagrams together, [`Reassembler`] TCP streams. In-order bytes are
//! passed on as they lie in the packet; only what is out of order is copied. What the two cannot
//! place is said too, so that nothing is lost unseen.

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

/// Puts the packets of all flows into order. It keeps nothing that its caller knows of a flow:
/// the caller finds that by [`Flow::slot`], and compares [`Flow::id`].
pub struct Reassembler {
    table: Table,
    crossing: Crossing,
    shared: Shared,
    /// Nanoseconds after which a quiet flow is forgotten.
    idle: i64,
    /// Moments at which a flow is to be looked at again.
    timers: TimerQueue,
    /// When quiet flows were last looked for.
    swept: Timestamp,
    clock: Clock,
    stop: Stop,
    last_id: u64,
}

/// What all flows share.
struct Shared {
    limits: Limits,
    policy: Policy,
    stats: ReassemblyStats,
    /// See [`SegmentContext::grace`].
    grace: u32,
    queued: usize,
    tails: Tails,
    /// What it is by the [`Clock`].
    now: Timestamp,
    watch: Watch,
}

impl Shared {
    fn ctx<'t>(
        &'t mut self,
        dir: Direction,
        by: &'t PacketInfo,
        say: &'t mut dyn FnMut(&StreamEvent<'_>),
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
            say,
        }
    }
}

/// Bytes that a segment may lie beyond the receiver's window: windows grow while the capture looks
/// away.
const REACH: u64 = 4 << 20;

impl Reassembler {
    /// A reassembler without flows; `idle` is how many nanoseconds of capture time a quiet one is
    /// remembered.
    #[must_use]
    pub fn new(limits: Limits, policy: Policy, idle: i64) -> Self {
        Self {
            table: Table::new(limits.slots()),
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

    /// The same, but what takes long ends when `stop` is set.
    #[must_use]
    pub fn until(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// It is `ts` by the capture.
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

    /// Take a packet (no fragment). `deliver` is called for each thing there is to say of its flow,
    /// in order.
    pub fn push(&mut self, packet: &Packet<'_>, deliver: impl FnMut(&Flow, &StreamEvent<'_>)) {
        self.at(packet.ts);
        self.push_from(&[], packet, deliver);
    }

    /// Take a packet whose bytes may lie in a `block` that stays until [`Self::settle`]: what has
    /// to be remembered of delivered bytes is copied only then, and most of it is acknowledged by
    /// that time and need not be. What time it is was told [before](Self::expire_from).
    ///
    /// False: it is a copy of a packet that was used, seen with another tag or from another tap.
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

    /// The capture is over: everything that waits is said, flow by flow.
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
        let payload = segment.payload();
        // Summed while nothing hangs on it, it may turn out to be one that the receiver drops.
        let damaged = !payload.is_empty()
            && self.shared.watch.wants(payload.len())
            && entry.is_spoilt(segment, dir, self.shared.policy);
        if !damaged && entry.predicts(segment, dir, self.shared.policy) {
            let stage = entry.accept_predicted(segment, dir, by, block, &mut self.shared, deliver);
            return self.table.touch(slot, stage);
        }
        if entry.predicts_response(segment, dir, self.shared.policy) {
            entry.begin(segment, dir, by, deliver);
            return self.table.touch(slot, Stage::Open);
        }
        let segment = &Segment {
            damaged,
            ..*segment
        };
        // What brings no bytes, and lets none go that wait, has nothing to be compared with those
        // that were delivered.
        if !(segment.payload().is_empty() && entry.halves.are_untroubled()) {
            self.settle(block);
        }
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        if segment.has(TcpFlags::SYN) {
            entry.learn_roles(segment);
        }
        let dir = entry.direction(segment.sender);
        if entry.flow.handshake.done.is_none() {
            entry.time_handshake(segment, dir, by);
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
            alarm,
            reset,
            ..
        } = entry;
        let mut say = |event: &StreamEvent<'_>| deliver(flow, event);
        if segment.payload().is_empty() {
            say(&StreamEvent::NoPayload { dir, by });
        }
        let mut ctx = self.shared.ctx(dir, by, &mut say);
        let (own, peer) = sides(halves.both(), dir);
        let is_acceptable = is_acceptable(own, segment, &mut ctx);
        if is_acceptable {
            // What the peer said comes first: this segment may answer it.
            let mut needs = 0;
            if !damaged {
                own.heard(segment);
                own.note_number(segment);
            }
            if segment.has(TcpFlags::ACK) && !damaged {
                (ctx.dir, ctx.reach) = (dir.reverse(), own.window().saturating_add(REACH));
                if segment.has(TcpFlags::SYN) {
                    peer.begins_at(segment.tcp.ack);
                }
                needs = peer.acknowledged(segment.tcp.ack, &mut ctx);
                ctx.dir = dir;
            }
            ctx.reach = peer.window().saturating_add(REACH);
            if !segment.payload().is_empty() && own.is_beyond(segment) && own.unreset() {
                ctx.stats.resets_ignored += 1;
                stage = Stage::Open;
                known = None;
            }
            let carries = !segment.payload().is_empty()
                || segment.has(TcpFlags::SYN)
                || segment.has(TcpFlags::FIN);
            if carries {
                own.take(segment, needs, peer.reached(), &mut ctx);
            }
            if stage == Stage::Embryo
                && (dir == Direction::ToClient
                    || segment.tcp.flags.0 & !WITHOUT_MEANING != TcpFlags::SYN.0)
            {
                stage = Stage::Open;
            }
        } else if segment.has(TcpFlags::RST) && !segment.has(TcpFlags::SYN) {
            let believed = (!own.is_started() || own.is_next(segment.tcp.seq))
                && !(own.has_sums() && ctx.is_damaged(segment));
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
            // The other side speaks behind a FIN that seemed to be the end of all, or the FIN was
            // not the stream's.
            stage = Stage::Open;
        }
        if let Some(moment) = next_review(own, peer, *bidirectional, self.shared.now) {
            self.timers.set(alarm, moment, flow);
        }
        if known.is_some() != flow.reset.is_some() {
            flow.reset = known;
            flow.changes = flow.changes.wrapping_add(1);
        }
        if self.shared.stats.conflicts > conflicts {
            self.shared.watch.rouse();
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

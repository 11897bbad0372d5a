//! *reassemble*: packets become streams.
//!
//! [`Defragmenter`] puts IP datagrams together, [`Reassembler`] TCP streams. In-order bytes are passed on as they lie in the
//! packet; only what is out of order is copied. What the two cannot place is said too, so that nothing is lost unseen.

mod fragments;
mod half;
mod handshake;
mod queue;
mod room;
mod table;

pub use fragments::{Defragmented, Defragmenter};

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::flow::{Direction, Endpoint, Flow};
use crate::frame::Timestamp;
use crate::limits::{Limits, time};
use crate::packet::{Packet, Tcp, TcpFlags, Transport};
use crate::stats::ReassemblyStats;
use crate::stream::{Carrier, Ending, GapReason, StreamEvent};

use half::{Half, Shop};
use table::{Entry, Key, Stage, Table};

/// Puts the packets of all flows into order. `S` rides along with each flow; what it is, is not its business.
pub struct Reassembler<S> {
    table: Table<S>,
    limits: Limits,
    /// Nanoseconds after which a quiet flow is forgotten.
    idle: i64,
    stats: ReassemblyStats,
    queued: usize,
    /// Moments at which a flow's holes are to be looked at again.
    alarms: BinaryHeap<Reverse<(Timestamp, u64)>>,
    fresh_alarms: Vec<Timestamp>,
    /// When quiet flows were last looked for.
    swept: Timestamp,
    last_id: u64,
}

impl<S: Default> Reassembler<S> {
    /// A reassembler without flows; `idle` is how many nanoseconds of capture time a quiet one is remembered.
    #[must_use]
    pub fn new(limits: Limits, idle: i64) -> Self {
        Self {
            table: Table::default(),
            limits,
            idle,
            stats: ReassemblyStats::default(),
            queued: 0,
            alarms: BinaryHeap::new(),
            fresh_alarms: Vec::new(),
            swept: Timestamp::default(),
            last_id: 0,
        }
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> ReassemblyStats {
        self.stats
    }

    /// Take a packet (no fragment). `deliver` is called for each thing there is to say of its flow, in order.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        mut deliver: impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        let by = carrier(packet);
        let (src, dst) = packet.ends();
        let key = Key::new(packet.ip.protocol, packet.path, src, dst);
        if let Transport::Tcp(tcp) = packet.transport {
            let mut slot = self.table.find(&key);
            if let Some(old) = slot
                && self.begins_anew(old, &tcp, src, by)
            {
                self.close(old, Ending::Abandoned, GapReason::End, &mut deliver);
                self.table.remove(old);
                slot = None;
            }
            let slot = slot.unwrap_or_else(|| self.open(key, src, dst, packet, Some(&tcp), by));
            self.segment(slot, packet, &tcp, src, by, &mut deliver);
        } else {
            let slot = self
                .table
                .find(&key)
                .unwrap_or_else(|| self.open(key, src, dst, packet, None, by));
            self.table.touch(slot, Stage::Open);
            let Some(entry) = self.table.get(slot) else {
                return;
            };
            entry.last = by;
            let dir = direction(&entry.flow, src);
            let cut = u64::from(packet.cut);
            let event = match packet.payload {
                [] => StreamEvent::Bare { dir, by },
                bytes => StreamEvent::Datagram {
                    dir,
                    bytes,
                    cut,
                    by,
                },
            };
            deliver(&entry.flow, &mut entry.state, event);
        }
        self.make_room(&mut deliver);
    }

    /// Note that it is `now`: give up what was waited for long enough, forget what was quiet for too long.
    pub fn expire(
        &mut self,
        now: Timestamp,
        mut deliver: impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        while let Some(&Reverse((moment, id))) = self.alarms.peek()
            && moment <= now
        {
            self.alarms.pop();
            if let Some(slot) = self.table.find_id(id) {
                self.review(slot, now, false, &mut deliver);
            }
        }
        // Patience is counted in seconds: a look at the longest quiet flows now and then is enough.
        if now.since(self.swept).unsigned_abs() < SWEEP {
            return;
        }
        self.swept = now;
        for (stage, patience) in [
            (Stage::Closed, time::LINGER),
            (Stage::Embryo, time::EMBRYO),
            (Stage::Open, self.idle),
        ] {
            while let Some((slot, ts)) = self.table.oldest(stage)
                && now.since(ts) >= patience
            {
                self.forget(slot, Ending::Abandoned, GapReason::End, &mut deliver);
            }
        }
    }

    /// The capture is over: everything that waits is said, flow by flow.
    pub fn finish(&mut self, mut deliver: impl FnMut(&Flow, &mut S, StreamEvent<'_>)) {
        for slot in self.table.all() {
            self.forget(slot, Ending::Capture, GapReason::End, &mut deliver);
        }
    }

    /// Look at a flow by its id. False: it is no longer there.
    pub fn visit(&mut self, id: u64, look: impl FnOnce(&Flow, &mut S)) -> bool {
        let Some(entry) = self.table.find_id(id).and_then(|slot| self.table.get(slot)) else {
            return false;
        };
        look(&entry.flow, &mut entry.state);
        true
    }

    fn segment(
        &mut self,
        slot: usize,
        packet: &Packet<'_>,
        tcp: &Tcp,
        src: Endpoint,
        by: Carrier,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let dir = direction(&entry.flow, src);
        let mut stage = entry.stage;
        if dir == Direction::ToClient || tcp.flags.0 != TcpFlags::SYN.0 {
            stage = if stage == Stage::Embryo {
                Stage::Open
            } else {
                stage
            };
        }
        entry.two_sided |= entry.half(dir.reverse()).is_started();
        entry.last = by;
        let Entry {
            flow,
            state,
            halves,
            ..
        } = entry;
        let mut say = |event: StreamEvent<'_>| deliver(flow, state, event);
        let mut shop = Shop {
            limits: &self.limits,
            stats: &mut self.stats,
            queued: &mut self.queued,
            alarms: &mut self.fresh_alarms,
        };
        let [to_server, to_client] = halves;
        let (own, peer) = match dir {
            Direction::ToServer => (to_server, to_client),
            Direction::ToClient => (to_client, to_server),
        };
        if packet.payload.is_empty() {
            say(StreamEvent::Bare { dir, by });
        }
        // What the peer said comes first: this segment may answer it.
        if tcp.flags.has(TcpFlags::ACK) && !tcp.flags.has(TcpFlags::SYN) {
            peer.acknowledged(dir.reverse(), tcp.ack, by, &mut shop, &mut say);
        }
        let reset = tcp.flags.has(TcpFlags::RST);
        let believed = !own.is_started() || own.is_next(tcp.seq);
        let syn_again = tcp.flags.has(TcpFlags::SYN) && own.is_started() && !own.is_isn(tcp.seq);
        let bare_reset = reset && packet.payload.is_empty();
        if !(syn_again || bare_reset) {
            let carries = !packet.payload.is_empty()
                || tcp.flags.has(TcpFlags::SYN)
                || tcp.flags.has(TcpFlags::FIN);
            if carries || own.is_started() {
                own.segment(
                    tcp,
                    dir,
                    packet.payload,
                    u64::from(packet.cut),
                    by,
                    &mut shop,
                    &mut say,
                );
            }
        }
        if reset && believed {
            own.end(dir, Ending::Reset, GapReason::End, by, &mut shop, &mut say);
            peer.end(
                dir.reverse(),
                Ending::Reset,
                GapReason::End,
                by,
                &mut shop,
                &mut say,
            );
            stage = Stage::Closed;
        } else if reset {
            shop.stats.resets_ignored += 1;
        }
        if own.is_ended() && (peer.is_ended() || !peer.is_started()) {
            stage = Stage::Closed;
        }
        self.review(slot, by.ts, true, deliver);
        self.table.touch(slot, stage);
    }

    /// Look at a flow's holes, and note when to look again.
    fn review(
        &mut self,
        slot: usize,
        now: Timestamp,
        packet: bool,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        self.each_half(slot, deliver, |half, dir, sides, shop, say| {
            let by = Carrier {
                ts: sides.last.ts.max(now),
                ..sides.last
            };
            half.review(dir, by, packet, !sides.two_sided, shop, say);
        });
        let Some(id) = self.table.get(slot).map(|entry| entry.flow.id) else {
            return;
        };
        for moment in self.fresh_alarms.drain(..) {
            self.alarms.push(Reverse((moment, id)));
        }
    }

    /// Say everything that waits in a flow, and end it.
    fn close(
        &mut self,
        slot: usize,
        how: Ending,
        reason: GapReason,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        self.each_half(slot, deliver, |half, dir, sides, shop, say| {
            half.end(dir, how, reason, sides.last, shop, say);
        });
        self.fresh_alarms.clear();
    }

    /// Do something with both directions of a flow.
    fn each_half(
        &mut self,
        slot: usize,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
        mut visit: impl FnMut(
            &mut Half,
            Direction,
            Sides,
            &mut Shop<'_>,
            &mut dyn FnMut(StreamEvent<'_>),
        ),
    ) {
        let Some(entry) = self.table.get(slot) else {
            return;
        };
        let sides = Sides {
            last: entry.last,
            two_sided: entry.two_sided,
        };
        let Entry {
            flow,
            state,
            halves,
            ..
        } = entry;
        let mut shop = Shop {
            limits: &self.limits,
            stats: &mut self.stats,
            queued: &mut self.queued,
            alarms: &mut self.fresh_alarms,
        };
        let mut say = |event: StreamEvent<'_>| deliver(flow, state, event);
        for (dir, half) in [Direction::ToServer, Direction::ToClient]
            .into_iter()
            .zip(halves)
        {
            visit(half, dir, sides, &mut shop, &mut say);
        }
    }

    fn forget(
        &mut self,
        slot: usize,
        how: Ending,
        reason: GapReason,
        deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>),
    ) {
        self.close(slot, how, reason, deliver);
        self.table.remove(slot);
    }
}

/// What both directions of a flow share.
#[derive(Clone, Copy)]
struct Sides {
    /// The latest packet.
    last: Carrier,
    /// Both had packets.
    two_sided: bool,
}

/// Nanoseconds between two looks for quiet flows.
const SWEEP: u64 = 100_000_000;

fn direction(flow: &Flow, src: Endpoint) -> Direction {
    if src == flow.client {
        Direction::ToServer
    } else {
        Direction::ToClient
    }
}

fn carrier(packet: &Packet<'_>) -> Carrier {
    let (flags, icmp) = match packet.transport {
        Transport::Tcp(tcp) => (tcp.flags, None),
        Transport::Icmp(kind, code) | Transport::Igmp(kind, code) => {
            (TcpFlags::default(), Some((kind, code)))
        }
        Transport::Udp(_) | Transport::Other => (TcpFlags::default(), None),
    };
    Carrier {
        frame: packet.frame,
        ts: packet.ts,
        flags,
        icmp,
    }
}

#[cfg(test)]
mod tests;

//! Flows whose packets take several paths: another tag or tunnel on the way back, or each packet
//! seen with a tag and without.
//!
//! A packet that would open a flow is first held against the flows of the same ends on other paths;
//! only a connection's own numbers can tell that it is one of theirs. Networks that use the same
//! addresses stay apart, for their numbers do not fit.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use foldhash::quality::RandomState;

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::{Packet, TcpFlags, Transport};
use crate::recent::Recent;
use crate::stream::PacketInfo;

use super::Reassembler;
use super::context::Segment;
use super::echo::Echo;
use super::half::HalfStream;
use super::key::{Key, Sender};
use super::table::{Entry, KeyHash, Stage};

/// Paths of a flow beside its first one.
const OTHER_PATHS: usize = 4;
/// Nanoseconds between the copies of one packet on several paths.
const APART: i64 = 50_000_000;
/// Nanoseconds within which a datagram is answered.
const ANSWER: i64 = 5_000_000_000;
/// How far the two numbers of a segment may be from those that the connection expects, at the most,
/// and multiplied: by chance, one segment in a milliard is so near.
const FAR: u64 = 4 << 20;
const CHANCE: u64 = 1 << 30;

/// The paths that packets of a flow take beside its first one, of which there is at least one.
#[derive(Default)]
pub(super) struct Paths(Vec<OtherPath>);

/// One of them.
pub(super) struct OtherPath {
    key: Key,
    /// Its packets have the ports at the other addresses.
    turned: bool,
    /// It shows packets that are seen on another path as well.
    mirror: bool,
    /// When its first packet was seen.
    since: Timestamp,
}

impl Paths {
    /// Whether packets of this key take one of the paths; then, whether their ports are at the
    /// other addresses.
    pub(super) fn find(&self, key: &Key) -> Option<bool> {
        let way = self.0.iter().find(|way| way.key == *key)?;
        Some(way.turned)
    }

    /// One more.
    pub(super) fn add(&mut self, way: OtherPath) {
        self.0.push(way);
    }

    fn is_full(&self) -> bool {
        self.0.len() >= OTHER_PATHS
    }
}

impl OtherPath {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

/// What the paths of packets have in common.
#[derive(Default)]
pub(super) struct Crossing {
    hasher: RandomState,
    recent: Recent,
}

impl Crossing {
    /// Whether a packet of a flow on several paths was used already, from another one.
    fn is_copy(&mut self, flow: u64, key: &Key, packet: &Packet<'_>) -> bool {
        let mut hasher = self.hasher.build_hasher();
        flow.hash(&mut hasher);
        // Without a segment's checksum: one of the two may have been seen before the network card
        // made it.
        let (before, rest) = packet.ip_payload.split_at_checked(16).unwrap_or_default();
        let tail = if before.is_empty() {
            packet.ip_payload
        } else {
            rest
        };
        hasher.write(before);
        hasher.write(tail.get(2..).unwrap_or_default());
        let (hash, now) = (hasher.finish(), packet.ts.nanos());
        self.recent.is_copy(hash, key.place(), now, APART, false)
    }
}

/// What a packet is to a flow with [other paths](super::table::Table::paths).
pub(super) enum Crossed {
    /// A packet of its own, of this sender.
    Own(Sender),
    /// A copy of one that was used.
    Copy,
    /// Another flow's: its bytes are others.
    Foreign,
}

/// A flow that a packet on another path belongs to.
pub(super) struct Joined {
    pub(super) slot: usize,
    /// Which end of the flow sent it.
    pub(super) sender: Sender,
    /// It is a copy of a packet that was used.
    pub(super) copy: bool,
}

/// How well a segment fits a connection.
struct Fit {
    /// How far its numbers are from those expected, multiplied.
    distance: u64,
    mirror: bool,
    copy: bool,
}

impl Reassembler {
    /// The connection on another path that a segment belongs to.
    #[cold]
    pub(super) fn join(
        &mut self,
        key: &Key,
        place: KeyHash,
        segment: &Segment<'_>,
        by: &PacketInfo,
        block: &[u8],
    ) -> Option<Joined> {
        self.settle(block);
        let mut best: Option<(usize, bool, Sender, Fit)> = None;
        for slot in self.table.others(place) {
            let Some((entry, turned)) = self.may_take(slot, key) else {
                continue;
            };
            let sender = if turned {
                segment.sender.other()
            } else {
                segment.sender
            };
            if let Some(fit) = entry.fit(&Segment { sender, ..*segment }, by.ts)
                && best
                    .as_ref()
                    .is_none_or(|(.., best)| fit.distance < best.distance)
            {
                best = Some((slot, turned, sender, fit));
            }
        }
        let (slot, turned, sender, fit) = best?;
        let entry = self.table.get(slot)?;
        let again = segment.has(TcpFlags::SYN) && !segment.has(TcpFlags::ACK);
        if fit.mirror && again && entry.stage == Stage::Closed {
            entry.echo = Echo::Unsure;
        }
        let id = entry.flow.id;
        let way = OtherPath {
            key: *key,
            turned,
            mirror: fit.mirror,
            since: by.ts,
        };
        self.table.found_by(slot, way);
        let copy = fit.copy | self.crossing.is_copy(id, key, segment.packet);
        Some(Joined { slot, sender, copy })
    }

    /// The flow on another path that a datagram belongs to: it is a copy of the latest one, or the
    /// answer to it.
    #[inline]
    pub(super) fn join_datagram(
        &mut self,
        key: &Key,
        place: KeyHash,
        sender: Sender,
        packet: &Packet<'_>,
    ) -> Option<Joined> {
        match self.table.has_met_others() {
            true => self.join_one_of(key, place, sender, packet),
            false => None,
        }
    }

    #[cold]
    fn join_one_of(
        &mut self,
        key: &Key,
        place: KeyHash,
        sender: Sender,
        packet: &Packet<'_>,
    ) -> Option<Joined> {
        let mark = mark(packet);
        let others = self.table.others(place);
        let alone = others.len() == 1;
        for slot in others {
            let Some((entry, false)) = self.may_take(slot, key) else {
                continue;
            };
            let since = packet.ts.since(entry.last.ts).saturating_abs();
            let copy = entry.pending == Some(mark) && since <= APART && is_summed(packet);
            let ports = (entry.flow.client.port, entry.flow.server.port);
            let responses = alone
                && !entry.bidirectional
                // Addresses and ports are no evidence where one of the two can choose all of them.
                && packet.tunnels == 0
                && !entry.flow.is_tunnelled()
                && entry.direction(sender) == Direction::ToClient
                && ports.0 >= 1024.max(ports.1)
                && since <= ANSWER;
            if copy || responses {
                let id = entry.flow.id;
                let way = OtherPath {
                    key: *key,
                    turned: false,
                    mirror: copy,
                    since: packet.ts,
                };
                self.table.found_by(slot, way);
                let copy = copy | self.crossing.is_copy(id, key, packet);
                return Some(Joined { slot, sender, copy });
            }
        }
        None
    }

    /// A flow that packets of this key may belong to, and whether their ports are at the other
    /// addresses then.
    fn may_take(&mut self, slot: usize, key: &Key) -> Option<(&mut Entry, bool)> {
        if self.table.paths(slot).is_some_and(|paths| paths.is_full()) {
            return None;
        }
        let entry = self.table.get(slot)?;
        let turned = Key::of_flow(&entry.flow).0.is_like(key)?;
        Some((entry, turned))
    }

    /// What a packet is to a flow that may have [other paths](super::table::Table::paths).
    pub(super) fn crosses(
        &mut self,
        slot: usize,
        key: &Key,
        sender: Sender,
        packet: &Packet<'_>,
        segment: Option<&Segment<'_>>,
    ) -> Crossed {
        let Some(paths) = self.table.paths(slot) else {
            return Crossed::Own(sender);
        };
        let at = paths.0.iter().position(|way| way.key == *key);
        let way = at.and_then(|at| paths.0.get(at));
        let sender = match way {
            Some(way) if way.turned => sender.other(),
            _ => sender,
        };
        let mirror = way.is_some_and(|way| way.mirror);
        let new = way.is_some_and(|way| packet.ts.since(way.since).saturating_abs() <= APART);
        let Some(entry) = self.table.get(slot) else {
            return Crossed::Own(sender);
        };
        let id = entry.flow.id;
        if let (Some(segment), true) = (segment, mirror) {
            let half = entry.halves.made().get(entry.direction(sender).index());
            let agrees =
                half.and_then(|half| half.matches_delivered(segment.first(), segment.payload()));
            let passed = half.is_some_and(|half| half.has_passed(segment));
            if agrees == Some(true) && new && passed {
                // What it is a copy of came before anybody looked for copies.
                return Crossed::Copy;
            }
            if agrees == Some(false) {
                // The same numbers by chance, or by a generator's habit: they were two connections
                // from the start.
                if let (Some(paths), Some(at)) = (self.table.paths(slot), at) {
                    paths.0.swap_remove(at);
                }
                self.table.forget_recent();
                return Crossed::Foreign;
            }
        }
        match self.crossing.is_copy(id, key, packet) {
            true => Crossed::Copy,
            false => Crossed::Own(sender),
        }
    }
}

/// Whether a datagram has a checksum: only then its first bytes tell it from all others of its
/// length.
fn is_summed(packet: &Packet<'_>) -> bool {
    match packet.transport {
        Transport::Udp(_) => packet.ip_payload.get(6..8).is_some_and(|sum| sum != [0, 0]),
        Transport::Icmp(..) => true,
        Transport::Tcp(_) | Transport::Igmp(..) | Transport::Other => false,
    }
}

/// A datagram in short: its first bytes, which are its length and checksum as well, and its last
/// ones.
#[inline]
pub(super) fn mark(packet: &Packet<'_>) -> u32 {
    let bytes = packet.ip_payload;
    let mixed = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29)
        }
        _ => bytes.len() as u64,
    };
    (mixed ^ mixed >> 32) as u32
}

impl Entry {
    /// How well a segment on another path fits the connection.
    fn fit(&mut self, segment: &Segment<'_>, now: Timestamp) -> Option<Fit> {
        let dir = self.direction(segment.sender);
        let near = now.since(self.last.ts).saturating_abs() <= APART;
        let again = self.is_echo(segment, dir, now);
        let begun = self.halves.begun().map(|start| start.base);
        let (own, peer) = match (self.halves.made(), dir) {
            ([to_server, to_client], Direction::ToServer) => (Some(to_server), Some(to_client)),
            ([to_server, to_client], Direction::ToClient) => (Some(to_client), Some(to_server)),
            _ => (None, None),
        };
        let [own_begun, peer_begun] = match dir {
            Direction::ToServer => [begun, None],
            Direction::ToClient => [None, begun],
        };
        // What each side sends next, and what it has said that it has got.
        let next =
            |half: Option<&HalfStream>, begun: Option<u32>| begun.or_else(|| half?.expected());
        let (own_next, peer_next) = (next(own, own_begun), next(peer, peer_begun));
        let got = |half: Option<&HalfStream>| half?.last_ack();
        let (syn, acks) = (segment.has(TcpFlags::SYN), segment.has(TcpFlags::ACK));
        let seen = own.is_some_and(HalfStream::is_started) || own_begun.is_some();
        if syn && seen {
            let same = own_begun.map_or_else(
                || own.is_some_and(|own| own.is_isn(segment.tcp.seq)),
                |base| base == segment.first(),
            );
            let mirror = same && (near || again);
            return mirror.then_some(Fit {
                distance: 0,
                mirror,
                copy: true,
            });
        }
        let apart =
            |one: u32, other: u32| u64::from(one.wrapping_sub(other).cast_signed().unsigned_abs());
        let seq = own_next
            .or(got(peer))
            .map(|want| apart(segment.first(), want));
        let ack = peer_next
            .or(got(own))
            .filter(|_| acks)
            .map(|want| apart(segment.tcp.ack, want));
        let distance = match (seq, ack) {
            // The answer to a SYN is that of no other.
            (Some(seq), Some(0)) if syn => seq.min(CHANCE),
            (Some(seq), Some(ack)) if seq.max(ack) <= FAR => (seq + 1) * (ack + 1),
            (Some(0), None) | (None, Some(0)) => CHANCE,
            _ => return None,
        };
        let repeats = own.and_then(|own| own.matches_delivered(segment.first(), segment.payload()));
        let fits = distance <= CHANCE && repeats != Some(false);
        fits.then_some(Fit {
            distance,
            mirror: seen && near,
            copy: repeats == Some(true) && near,
        })
    }
}

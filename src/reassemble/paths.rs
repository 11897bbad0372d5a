//! Flows with packets on several paths: with another tag or tunnel on the way back, or each packet
//! seen with a tag and without.
//!
//! A packet that would open a flow is first compared with the flows of the same ends on other
//! paths. It joins one only if its sequence numbers fit that connection. Networks that use the same
//! addresses stay separate, since their numbers do not fit.

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

/// Paths of a flow in addition to its first one, at most.
const OTHER_PATHS: usize = 4;
/// Nanoseconds between the copies of one packet on several paths, at most.
const APART: i64 = 50_000_000;
/// Nanoseconds within which a datagram gets its response.
const ANSWER: i64 = 5_000_000_000;
/// The distance of each of the two numbers of a segment from those that the connection expects, at
/// most; and the product of both distances. By chance, one segment in 10^9 is that close.
const FAR: u64 = 4 << 20;
const CHANCE: u64 = 1 << 30;

/// The paths of a flow in addition to its first one; at least one.
#[derive(Default)]
pub(super) struct Paths(Vec<OtherPath>);

/// An additional path.
pub(super) struct OtherPath {
    key: Key,
    /// Its packets have the ports exchanged.
    turned: bool,
    /// It carries copies of packets of another path.
    mirror: bool,
    /// The time of its first packet.
    since: Timestamp,
}

impl Paths {
    /// If packets of this key take one of the paths: whether their ports are exchanged.
    pub(super) fn find(&self, key: &Key) -> Option<bool> {
        let way = self.0.iter().find(|way| way.key == *key)?;
        Some(way.turned)
    }

    /// Adds a path.
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

/// Detects copies of packets on several paths.
#[derive(Default)]
pub(super) struct Crossing {
    hasher: RandomState,
    recent: Recent,
}

impl Crossing {
    /// Whether a packet of a flow on several paths was already used, on another path.
    fn is_copy(&mut self, flow: u64, key: &Key, packet: &Packet<'_>) -> bool {
        let mut hasher = self.hasher.build_hasher();
        flow.hash(&mut hasher);
        // Without the checksum: one of the two copies may have been captured before the network
        // card computed it.
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

/// The relation of a packet to a flow with [other paths](super::table::Table::paths).
pub(super) enum Crossed {
    /// A packet of the flow, from this sender.
    Own(Sender),
    /// A copy of a packet that was used.
    Copy,
    /// A packet of another flow: its bytes differ.
    Foreign,
}

/// The flow that a packet on another path belongs to.
pub(super) struct Joined {
    pub(super) slot: usize,
    /// The end of the flow that sent the packet.
    pub(super) sender: Sender,
    /// Whether it is a copy of a packet that was used.
    pub(super) copy: bool,
}

/// How closely a segment fits a connection.
struct Fit {
    /// The product of the distances of its two numbers from those expected.
    distance: u64,
    mirror: bool,
    copy: bool,
}

impl Reassembler {
    /// Returns the connection on another path that a segment belongs to.
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

    /// Returns the flow on another path that a datagram belongs to: as a copy of its latest
    /// datagram, or as the response to it.
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
                // Addresses and ports are no evidence if one of the flows is in a tunnel: the
                // sender of the tunnel chooses all of them.
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

    /// The flow in this slot, if packets of this key may belong to it, and whether their ports are
    /// exchanged then.
    fn may_take(&mut self, slot: usize, key: &Key) -> Option<(&mut Entry, bool)> {
        if self.table.paths(slot).is_some_and(|paths| paths.is_full()) {
            return None;
        }
        let entry = self.table.get(slot)?;
        let turned = Key::of_flow(&entry.flow).0.is_like(key)?;
        Some((entry, turned))
    }

    /// Returns the relation of a packet to a flow that may have [other
    /// paths](super::table::Table::paths).
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
                // The original came before copies were recorded.
                return Crossed::Copy;
            }
            if agrees == Some(false) {
                // The numbers are equal by chance or by the habit of a generator: these are two
                // connections.
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

/// Whether a datagram has a checksum: without one its first bytes do not distinguish it from others
/// of the same length.
fn is_summed(packet: &Packet<'_>) -> bool {
    match packet.transport {
        Transport::Udp(_) => packet.ip_payload.get(6..8).is_some_and(|sum| sum != [0, 0]),
        Transport::Icmp(..) => true,
        Transport::Tcp(_) | Transport::Igmp(..) | Transport::Other => false,
    }
}

/// A hash of a datagram: its first 8 bytes, which include length and checksum, and its last 8.
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
    /// Returns how closely a segment on another path fits the connection, if it does.
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
        // The next number of each side, and the last number that it acknowledged.
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
            // A SYN-ACK responds to one SYN only.
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

//! How connections begin: which end is the client, and when a segment on the ports of an old
//! connection begins a new one. Each decision takes constant time.

use crate::flow::{Direction, Endpoint, Flow, Roles};
use crate::packet::{Packet, TcpFlags};
use crate::stream::PacketInfo;

use super::Reassembler;
use super::connection::sides;
use super::context::Segment;
use super::echo::{Echo, EchoMatch};
use super::half::HalfStream;
use super::key::{Key, Sender};
use super::table::{Entry, KeyHash, Stage};

/// Nanoseconds of silence after which a SYN begins a new connection at once.
const QUIET: i64 = 60_000_000_000;

/// What a segment on the ports of an old connection means.
#[derive(Clone, Copy, Default)]
pub(super) struct PortReuse {
    /// It begins a new connection.
    pub(super) anew: bool,
    /// The client of the new connection, if the old one determines it.
    pub(super) client: Option<Endpoint>,
    /// It is a copy of a segment of the old connection, which is used once.
    pub(super) copy: bool,
}

impl Reassembler {
    /// Decides whether a segment that is not [ordinary](Entry::is_ordinary) begins a new connection
    /// on the ports of an old one.
    pub(super) fn starts_new_connection(
        &mut self,
        slot: usize,
        segment: &Segment<'_>,
        by: &PacketInfo,
    ) -> PortReuse {
        let (idle, stats) = (self.idle, &mut self.shared.stats);
        let anew = |anew: bool| PortReuse {
            anew,
            ..PortReuse::default()
        };
        let copy = PortReuse {
            copy: true,
            ..PortReuse::default()
        };
        let Some(entry) = self.table.get(slot) else {
            return anew(false);
        };
        let dir = entry.direction(segment.sender);
        if entry.echo != Echo::None {
            match entry.echoes(segment, dir) {
                EchoMatch::Copy => return copy,
                EchoMatch::Another => {
                    return PortReuse {
                        anew: true,
                        client: (!segment.has(TcpFlags::SYN)).then_some(entry.flow.client),
                        copy: false,
                    };
                }
                EchoMatch::Other => {}
            }
        }
        if segment.has(TcpFlags::RST) {
            return anew(false);
        }
        if !segment.has(TcpFlags::SYN) {
            if !entry.reset {
                // After such silence the flow would have been removed, had the clock not jumped.
                // Its sequence numbers decide whether it is the same connection.
                return PortReuse {
                    anew: by.ts.since(entry.last.ts) >= idle && !entry.may_have(segment, dir),
                    client: Some(entry.flow.client),
                    copy: false,
                };
            }
            // The RST ended the flow, and neither end obeyed it: the same connection continues, as
            // another flow.
            let goes_on = !segment.payload().is_empty()
                && segment.has(TcpFlags::ACK)
                && entry.halves.half(dir).is_beyond(segment);
            stats.resets_ignored += u64::from(goes_on);
            return PortReuse {
                anew: goes_on,
                client: Some(entry.flow.client),
                copy: false,
            };
        }
        if segment.has(TcpFlags::ACK) {
            // It responds to a SYN that was ignored before: that connection is real.
            let responses = |isn: u32| segment.tcp.ack == isn.wrapping_add(1);
            return anew(entry.pending.is_some_and(responses));
        }
        if entry.is_echo(segment, dir, by.ts) {
            (entry.echo, entry.odd) = (Echo::Unsure, true);
            return copy;
        }
        if entry.stage == Stage::Closed {
            return anew(true);
        }
        if entry.halves.half(dir).is_isn(segment.tcp.seq) {
            return anew(false);
        }
        if by.ts.since(entry.last.ts) > QUIET {
            return anew(true);
        }
        if entry.halves.half(dir).is_started() {
            entry.pending = Some(segment.tcp.seq);
            stats.resyncs_ignored += 1;
        }
        anew(false)
    }

    /// Inserts a flow for a TCP connection that begins with this segment; `client` is given if it
    /// continues an older flow.
    pub(super) fn open(
        &mut self,
        key: (Key, KeyHash),
        segment: &Segment<'_>,
        client: Option<Endpoint>,
        by: &PacketInfo,
    ) -> usize {
        let (src, dst) = segment.packet.ends();
        let (client_sends, roles) = match (segment.has(TcpFlags::SYN), segment.has(TcpFlags::ACK)) {
            (true, acks) => (!acks, Roles::Seen),
            // Servers have the low, registered ports; between two high ports the first sender is
            // the client.
            (false, _) => (
                src.port > dst.port || src.port.min(dst.port) >= 1024,
                Roles::Guessed,
            ),
        };
        let client_sends = client.map_or(client_sends, |client| client == src);
        let embryo = roles == Roles::Seen && client_sends && segment.payload().is_empty();
        let stage = if embryo { Stage::Embryo } else { Stage::Open };
        let sender = segment.sender;
        let client = match client_sends {
            true => sender,
            false => key.0.peer(sender),
        };
        self.insert(key, (sender, client), roles, segment.packet, by, stage)
    }

    /// Inserts a flow for datagrams: the first sender is the client.
    pub(super) fn open_datagrams(
        &mut self,
        key: (Key, KeyHash),
        sender: Sender,
        packet: &Packet<'_>,
        by: &PacketInfo,
    ) -> usize {
        let ends = (sender, sender);
        self.insert(key, ends, Roles::Guessed, packet, by, Stage::Open)
    }

    fn insert(
        &mut self,
        key: (Key, KeyHash),
        (sender, client): (Sender, Sender),
        roles: Roles,
        packet: &Packet<'_>,
        by: &PacketInfo,
        stage: Stage,
    ) -> usize {
        self.last_id += 1;
        self.shared.stats.flows += 1;
        let (src, dst) = packet.ends();
        let ends = if client == sender {
            (src, dst)
        } else {
            (dst, src)
        };
        let flow = Flow {
            path: packet.path,
            roles,
            opened: by.frame,
            ..Flow::new(self.last_id, packet.ip.protocol, ends.0, ends.1)
        };
        let mut flow = flow;
        if packet.tunnels > 0 {
            flow.note_tunnel(sender.direction(client), packet);
        }
        debug_assert_eq!(
            Key::of_flow(&flow).1,
            client,
            "the client is one end of the key"
        );
        self.table.insert(key, client, flow, by, stage)
    }
}

impl Entry {
    /// Whether a segment can neither begin another connection on the same ports nor be a copy: it
    /// has no SYN or is a RST, nothing about the connection is [odd](Self::odd), and the connection
    /// was not quiet for `idle` nanoseconds.
    #[inline]
    pub(super) fn is_ordinary(&self, segment: &Segment<'_>, by: &PacketInfo, idle: i64) -> bool {
        !self.odd
            && (!segment.has(TcpFlags::SYN) || segment.has(TcpFlags::RST))
            && by.ts.since(self.last.ts) < idle
    }

    /// Whether the numbers of a segment can be those of this connection.
    fn may_have(&mut self, segment: &Segment<'_>, dir: Direction) -> bool {
        let (own, peer) = sides(self.halves.both(), dir);
        let acks = segment.has(TcpFlags::ACK);
        own.is_near(segment.tcp.seq, peer.window())
            && (!acks || peer.is_near(segment.tcp.ack, own.window()))
    }

    /// Records the time of the handshake segment that this is, if it is one.
    pub(super) fn time_handshake(
        &mut self,
        segment: &Segment<'_>,
        dir: Direction,
        by: &PacketInfo,
    ) {
        let handshake = &mut self.flow.handshake;
        let changed = match (segment.has(TcpFlags::SYN), segment.has(TcpFlags::ACK), dir) {
            (true, false, Direction::ToServer) if handshake.syn.is_none() => {
                handshake.syn = Some(by.ts);
                true
            }
            (true, false, Direction::ToServer) if handshake.answered.is_none() => {
                let before = handshake.repeats;
                handshake.repeats = before.saturating_add(1);
                handshake.repeats != before
            }
            (true, true, Direction::ToClient) if handshake.answered.is_none() => {
                handshake.answered = Some(by.ts);
                true
            }
            (false, true, Direction::ToServer)
                if handshake.answered.is_some() && handshake.done.is_none() =>
            {
                handshake.done = Some(by.ts);
                true
            }
            _ => false,
        };
        self.flow.changes = self.flow.changes.wrapping_add(u32::from(changed));
    }

    /// Sets the roles by a SYN, unless bytes were already emitted with guessed roles.
    pub(super) fn learn_roles(&mut self, segment: &Segment<'_>) {
        let halves = self.halves.both();
        let untouched = halves.iter().all(HalfStream::is_untouched);
        if self.flow.roles == Roles::Seen || !untouched {
            return;
        }
        self.flow.roles = Roles::Seen;
        self.flow.changes = self.flow.changes.wrapping_add(1);
        let client_sends = !segment.has(TcpFlags::ACK);
        if client_sends != (self.direction(segment.sender) == Direction::ToServer) {
            self.swap_ends();
            self.flow.tunnels.swap(0, 1);
            self.halves.both().swap(0, 1);
        }
    }
}

//! The *flow*: a conversation between two endpoints, in both directions.
//!
//! Plain data: the reassembler owns and updates a flow, all later stages read it.

use std::fmt;
use std::net::IpAddr;

use crate::frame::Timestamp;
use crate::packet::{Packet, Tunnel, protocol};
use crate::stream::PacketInfo;

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Endpoint {
    /// Address.
    pub addr: IpAddr,
    /// Port; 0 for protocols without ports.
    pub port: u16,
}

/// `127.0.0.1:80`, `[::1]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            IpAddr::V4(addr) => write!(f, "{addr}:{}", self.port),
            IpAddr::V6(addr) => write!(f, "[{addr}]:{}", self.port),
        }
    }
}

/// The direction of a packet or stream. The client is the sender of the SYN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    /// From the client to the server.
    #[default]
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// The opposite direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// 0 for [`Self::ToServer`], 1 for [`Self::ToClient`]: the index into a pair of half-streams.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// How the roles of client and server were determined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Roles {
    /// From the handshake.
    Seen,
    /// From the ports or the first sender: the capture joined midstream, or the protocol has no
    /// handshake.
    Guessed,
}

/// A conversation between two endpoints of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Unique within the run, in order of first packets.
    pub id: u64,
    /// Its slot in the reassembler's table. Slots are reused: a later flow may have the same.
    pub slot: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// The endpoint that opened the flow.
    pub client: Endpoint,
    /// The other endpoint.
    pub server: Endpoint,
    /// As [`crate::packet::Packet::path`].
    pub path: u32,
    /// The tunnel of the first packet of each direction, by [`Direction::index`].
    pub tunnels: [Option<Tunnel>; 2],
    /// Whether the roles are certain.
    pub roles: Roles,
    /// Frame number of its first packet.
    pub opened: u64,
    /// The times of its TCP handshake.
    pub handshake: Handshake,
    /// The RST that ends it, unless a later packet contradicted the RST.
    pub reset: Option<Reset>,
    /// TCP problems so far.
    pub tcp_analysis: TcpAnalysis,
    /// The number of changes to this value; a copy with the same number is up to date.
    pub changes: u32,
}

/// The times of a TCP handshake (RFC 9293 section 3.5), as far as it was captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handshake {
    /// The client's first SYN.
    pub syn: Option<Timestamp>,
    /// The server's first SYN with ACK.
    pub answered: Option<Timestamp>,
    /// The client's first ACK after it.
    pub done: Option<Timestamp>,
    /// How often the client retransmitted its SYN.
    pub repeats: u8,
}

/// A RST that no later packet has contradicted.
#[derive(Clone, Copy, Debug)]
pub struct Reset {
    /// Who sent it.
    pub dir: Direction,
    /// Its packet.
    pub by: PacketInfo,
}

/// Counts of what slows a connection down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpAnalysis {
    /// Retransmitted segments, of both directions.
    pub repeated: u32,
    /// How often the client advertised a zero window.
    pub stalled: u32,
}

impl TcpAnalysis {
    /// The counts since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            repeated: self.repeated.saturating_sub(earlier.repeated),
            stalled: self.stalled.saturating_sub(earlier.stalled),
        }
    }
}

impl Flow {
    /// A flow between two endpoints of which only the first sender, `client`, is known.
    #[must_use]
    pub fn new(id: u64, protocol: u8, client: Endpoint, server: Endpoint) -> Self {
        Self {
            id,
            slot: 0,
            protocol,
            client,
            server,
            path: 0,
            tunnels: [None; 2],
            roles: Roles::Guessed,
            opened: 0,
            handshake: Handshake::default(),
            reset: None,
            tcp_analysis: TcpAnalysis::default(),
            changes: 0,
        }
    }

    /// Records the tunnel of a packet of direction `dir`.
    #[cold]
    pub fn note_tunnel(&mut self, dir: Direction, packet: &Packet<'_>) {
        if let Some(first @ None) = self.tunnels.get_mut(dir.index()) {
            *first = packet.tunnel;
            self.changes = self.changes.wrapping_add(1);
        }
    }

    /// The tunnel that direction `dir` came in.
    #[must_use]
    pub fn tunnel(&self, dir: Direction) -> Option<Tunnel> {
        self.tunnels.get(dir.index()).copied().flatten()
    }

    /// Whether the first packet of a direction came in a tunnel.
    #[must_use]
    pub fn is_tunnelled(&self) -> bool {
        self.tunnels.iter().any(Option::is_some)
    }

    /// The sender of direction `dir`.
    #[must_use]
    pub const fn source(&self, dir: Direction) -> Endpoint {
        match dir {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }

    /// The receiver of direction `dir`.
    #[must_use]
    pub const fn destination(&self, dir: Direction) -> Endpoint {
        self.source(dir.reverse())
    }

    /// Whether the protocol has ports and they are known. They are not known if the header was cut.
    #[must_use]
    pub const fn has_ports(&self) -> bool {
        matches!(self.protocol, protocol::TCP | protocol::UDP)
            && (self.client.port != 0 || self.server.port != 0)
    }
}

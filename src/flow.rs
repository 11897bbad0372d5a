//! The *flow*: a conversation between two endpoints, both ways.

use std::fmt;
use std::net::IpAddr;

use crate::frame::Timestamp;
use crate::packet::protocol;
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

/// Which way something goes. The client is who sent the SYN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    /// From the client to the server.
    #[default]
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// The other one.
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

/// How the roles of client and server were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Roles {
    /// From the handshake.
    Seen,
    /// From the ports or the first sender: the capture joined in the middle, or the protocol has no
    /// handshake.
    Guessed,
}

/// A conversation between two endpoints of one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Unique within the run, in order of first packets.
    pub id: u64,
    /// Where the reassembler keeps it; a later flow may have the same.
    pub slot: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Who began.
    pub client: Endpoint,
    /// Who was spoken to.
    pub server: Endpoint,
    /// As [`crate::packet::Packet::path`].
    pub path: u32,
    /// How sure the roles are.
    pub roles: Roles,
    /// The frame of its first packet.
    pub opened: u64,
    /// How it began.
    pub handshake: Handshake,
    /// The RST that ends it, as far as it is known to be one.
    pub reset: Option<Reset>,
    /// What went wrong in it so far.
    pub tcp_analysis: TcpAnalysis,
    /// How often what is known of it has changed.
    pub changes: u32,
}

/// The moments of a TCP handshake (RFC 9293 section 3.5), as far as they were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handshake {
    /// The client's first SYN.
    pub syn: Option<Timestamp>,
    /// The server's first SYN with ACK.
    pub answered: Option<Timestamp>,
    /// The client's first ACK behind it.
    pub done: Option<Timestamp>,
    /// How often the client sent its SYN again.
    pub repeats: u8,
}

/// A RST that nothing has contradicted so far.
#[derive(Clone, Copy, Debug)]
pub struct Reset {
    /// Who sent it.
    pub dir: Direction,
    /// Its packet.
    pub by: PacketInfo,
}

/// What slows a connection down, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpAnalysis {
    /// Segments sent again, of both directions.
    pub repeated: u32,
    /// How often the client announced that it has no room (a window of 0).
    pub stalled: u32,
}

impl TcpAnalysis {
    /// What was added since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            repeated: self.repeated.saturating_sub(earlier.repeated),
            stalled: self.stalled.saturating_sub(earlier.stalled),
        }
    }
}

impl Flow {
    /// Of two endpoints, of which nothing more is known than that `client` spoke first.
    #[must_use]
    pub fn new(id: u64, protocol: u8, client: Endpoint, server: Endpoint) -> Self {
        Self {
            id,
            slot: 0,
            protocol,
            client,
            server,
            path: 0,
            roles: Roles::Guessed,
            opened: 0,
            handshake: Handshake::default(),
            reset: None,
            tcp_analysis: TcpAnalysis::default(),
            changes: 0,
        }
    }

    /// Who sends in direction `dir`.
    #[must_use]
    pub const fn source(&self, dir: Direction) -> Endpoint {
        match dir {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }

    /// Who receives in direction `dir`.
    #[must_use]
    pub const fn destination(&self, dir: Direction) -> Endpoint {
        self.source(dir.reverse())
    }

    /// Whether the protocol has ports, and they are known: of a header that was cut they may not
    /// be.
    #[must_use]
    pub const fn has_ports(&self) -> bool {
        matches!(self.protocol, protocol::TCP | protocol::UDP)
            && (self.client.port != 0 || self.server.port != 0)
    }
}

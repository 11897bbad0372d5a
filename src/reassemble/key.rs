//! What names a flow: protocol, path, and its two ends in an order that does not depend on the
//! direction.
//!
//! The hash is that of the addresses, the ports and the protocol alone, whichever address has which
//! port: flows of the same ends on different paths are found together, and so are those of a
//! connection whose directions differ in more than they should.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::flow::{Direction, Flow};
use crate::packet::{Ip, Packet, Ports};

/// As plain numbers, since one is made and compared for each packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    low: u128,
    high: u128,
    /// The ports of the low end and of the high one, and the path.
    ports: u64,
    /// The protocol, and whether the addresses are IPv6 ones.
    kind: u16,
}

/// Which end of its key sends a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sender {
    Low,
    High,
}

impl Key {
    /// The key of a packet's flow, and which end of it sent the packet.
    #[inline]
    pub(super) fn of(packet: &Packet<'_>) -> (Self, Sender) {
        let Ip {
            src, dst, protocol, ..
        } = &packet.ip;
        let Ports { src: from, dst: to } = packet.ports();
        Self::between((src, from), (dst, to), *protocol, packet.path)
    }

    /// The key of a flow, and which end of it the client is.
    pub(super) fn of_flow(flow: &Flow) -> (Self, Sender) {
        let [client, server] = [&flow.client, &flow.server].map(|end| (&end.addr, end.port));
        Self::between(client, server, flow.protocol, flow.path)
    }

    /// Whether this is the key of a flow whose client is this end of it: [`Self::of_flow`] without
    /// putting its ends into order.
    #[inline]
    pub(super) fn is_of(&self, flow: &Flow, client: Sender) -> bool {
        let (low, high) = match client {
            Sender::Low => (&flow.client, &flow.server),
            Sender::High => (&flow.server, &flow.client),
        };
        let ports = u64::from(low.port) << 48 | u64::from(high.port) << 32;
        self.ports == ports | u64::from(flow.path)
            && self.low == number(&low.addr)
            && self.high == number(&high.addr)
            && self.kind == kind(flow.protocol, &low.addr)
    }

    /// The ports and the path: what keys of equal hash and equal addresses differ by.
    pub(super) fn place(&self) -> u64 {
        self.ports
    }

    /// Whether another key has the same addresses and protocol, and how its ends are to these:
    /// `Some(false)` as they are, `Some(true)` with the ports at the other addresses.
    pub(super) fn is_like(&self, other: &Self) -> Option<bool> {
        let [own, others] = [self.ports, other.ports].map(|ports| (ports >> 32) as u32);
        let turned = others.rotate_left(16);
        let alike = (self.low, self.high, self.kind) == (other.low, other.high, other.kind);
        match alike {
            true if own == others => Some(false),
            true if own == turned => Some(true),
            _ => None,
        }
    }

    /// Which end the packets of this one go to. Where both ends are one, so are these.
    #[inline]
    pub(super) fn peer(&self, sender: Sender) -> Sender {
        let [low, high] = [self.ports >> 48, self.ports >> 32 & 0xffff];
        match sender {
            Sender::Low if self.low != self.high || low != high => Sender::High,
            _ => Sender::Low,
        }
    }

    /// The key of what goes between two ends, and which of them the first is.
    #[inline]
    fn between(
        one: (&IpAddr, u16),
        other: (&IpAddr, u16),
        protocol: u8,
        path: u32,
    ) -> (Self, Sender) {
        let kind = kind(protocol, one.0);
        let [one, other] = [one, other].map(|(addr, port)| (number(addr), port));
        let (low, high, first) = match one <= other {
            true => (one, other, Sender::Low),
            false => (other, one, Sender::High),
        };
        let ports = u64::from(low.1) << 48 | u64::from(high.1) << 32;
        let key = Self {
            low: low.0,
            high: high.0,
            ports: ports | u64::from(path),
            kind,
        };
        (key, first)
    }
}

impl Sender {
    /// The other end.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }

    /// Which way it sends where this is the client.
    #[inline]
    pub(super) fn direction(self, client: Self) -> Direction {
        match self == client {
            true => Direction::ToServer,
            false => Direction::ToClient,
        }
    }
}

/// In few steps: the addresses of most keys are short.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        if let (Ok(low), Ok(high)) = (u32::try_from(self.low), u32::try_from(self.high)) {
            hasher.write_u64(u64::from(low) << 32 | u64::from(high));
        } else {
            hasher.write_u128(self.low);
            hasher.write_u128(self.high);
        }
        let ports = (self.ports >> 32) as u32;
        let ordered = ports.min(ports.rotate_left(16));
        hasher.write_u64(u64::from(ordered) << 16 | u64::from(self.kind));
    }
}

#[inline]
fn kind(protocol: u8, addr: &IpAddr) -> u16 {
    u16::from_be_bytes([protocol, u8::from(addr.is_ipv6())])
}

#[inline]
fn number(addr: &IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

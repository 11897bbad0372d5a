//! What names a flow: protocol, path, and its two ends in an order that does not depend on the direction.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::flow::{Direction, Flow};
use crate::packet::Packet;

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
        let (ip, ports) = (&packet.ip, packet.ports());
        let wide = ip.src.is_ipv6();
        let src = (number(&ip.src), ports.src);
        let dst = (number(&ip.dst), ports.dst);
        let (low, high, sender) = match src <= dst {
            true => (src, dst, Sender::Low),
            false => (dst, src, Sender::High),
        };
        let ports = u64::from(low.1) << 48 | u64::from(high.1) << 32;
        let key = Self {
            low: low.0,
            high: high.0,
            ports: ports | u64::from(packet.path),
            kind: u16::from_be_bytes([ip.protocol, u8::from(wide)]),
        };
        (key, sender)
    }
}

impl Sender {
    /// The client of a flow.
    pub(super) fn client_of(flow: &Flow) -> Self {
        let [client, server] = [flow.client, flow.server].map(|end| (number(&end.addr), end.port));
        match client <= server {
            true => Self::Low,
            false => Self::High,
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
        hasher.write_u64(self.ports);
        hasher.write_u16(self.kind);
    }
}

#[inline]
fn number(addr: &IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

//! Discards duplicates of a packet that was captured on several interfaces: `any` captures a packet
//! that crosses a bridge two or three times.
//!
//! The memory is fixed ([`Recent`]); a missed duplicate counts as a retransmission.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use foldhash::quality::RandomState;

use crate::frame::{Frame, LinkType};
use crate::packet::Packet;
use crate::recent::Recent;

/// The largest time between two copies of a packet, in nanoseconds.
const APART: i64 = 20_000_000;

/// Detects copies by where they were captured ([`Recent`]).
///
/// A frame of `any` names its interface (Linux cooked capture v2). The v1 header has only a
/// hardware address, which a bridge shares with its ports. There, IPv4 packets with equal
/// identifications are copies, because a sender increments the identification when it retransmits.
pub(super) struct Dedup {
    live: bool,
    /// Live: frames came from more than one interface.
    several: bool,
    hasher: RandomState,
    recent: Recent,
}

impl Dedup {
    /// `live`: of a live capture. Interfaces of files are distinguished only by the frames'
    /// headers, because two files may contain the same packets.
    pub(super) fn new(live: bool) -> Self {
        Self {
            live,
            several: false,
            hasher: RandomState::default(),
            recent: Recent::default(),
        }
    }

    /// Whether another interface has already captured the packet.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "most runs look up no packet; inlined, they decide that without a call"
    )]
    pub(super) fn is_copy(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> bool {
        let cooked = matches!(frame.link, LinkType::LINUX_SLL | LinkType::LINUX_SLL2);
        // In a file, only the cooked header identifies the interface.
        (self.live || cooked) && self.was_used(frame, packet)
    }

    #[inline(never)]
    fn was_used(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> bool {
        self.several |= self.live && frame.interface > 0;
        let own = self.several.then_some(u64::from(frame.interface));
        let Some(place) = place(frame).or(own) else {
            return false;
        };
        let id = identification(frame);
        let hash = self.hash(packet, id);
        let now = frame.ts.nanos();
        self.recent.is_copy(hash, place, now, APART, id.is_some())
    }

    /// A hash of the packet without the fields that change on its way (hops, checksums of IP).
    fn hash(&self, packet: &Packet<'_>, id: Option<u16>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        id.hash(&mut hasher);
        packet.path.hash(&mut hasher);
        packet.ip.src.hash(&mut hasher);
        packet.ip.dst.hash(&mut hasher);
        packet.ip.protocol.hash(&mut hasher);
        let fragment = packet.ip.fragment;
        fragment
            .map(|piece| (piece.id, piece.offset, piece.more))
            .hash(&mut hasher);
        packet.cut.hash(&mut hasher);
        hasher.write(packet.ip_payload);
        hasher.finish()
    }
}

/// The interface of a frame of Linux' `any`, from its link header.
fn place(frame: &Frame<'_>) -> Option<u64> {
    // The interface index (SLL2); or packet type, hardware type and address (SLL).
    let bytes = match frame.link {
        LinkType::LINUX_SLL2 => frame.bytes.get(4..8)?,
        LinkType::LINUX_SLL => frame.bytes.get(..14)?,
        _ => return None,
    };
    // FNV-1a: sufficient to distinguish a handful of interfaces.
    let mut place = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        place = (place ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Some(place)
}

/// The identification of the outermost IPv4 header of a frame of `any`. Zero does not identify a
/// packet.
fn identification(frame: &Frame<'_>) -> Option<u16> {
    let header = match frame.link {
        LinkType::LINUX_SLL => frame.bytes.get(14..)?,
        _ => return None,
    };
    match header {
        [8, 0, 0x45..=0x4f, _, _, _, a, b, ..] => Some(u16::from_be_bytes([*a, *b])),
        _ => None,
    }
    .filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::frame::Timestamp;

    /// A datagram on `any`, of packet type `way`, on an interface whose hardware address ends in
    /// `last`.
    fn sll(way: u8, last: u8, id: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, way, 0, 1, 0, 6, 2, 0, 0, 0, 0, last, 0, 0, 8, 0];
        bytes.extend([0x45, 0, 0, 28 + payload.len() as u8, 0, id, 0x40, 0]);
        bytes.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 5, 0]);
        bytes.extend([0, 8 + payload.len() as u8, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_same_bytes_from_another_interface_are_a_copy_and_from_the_same_one_are_not() {
        // (milliseconds, way, interface, identification, payload, is a copy)
        let table: [(i64, u8, u8, u8, &[u8], bool); 15] = [
            (0, 4, 1, 0, b"one", false),
            (0, 0, 2, 0, b"one", true),
            (1, 0, 3, 0, b"one", true),
            // Retransmitted: once more on each interface.
            (2, 4, 1, 0, b"one", false),
            (3, 0, 2, 0, b"one", true),
            (4, 0, 2, 0, b"one", false),
            (5, 0, 2, 0, b"two", false),
            (6, 4, 1, 0, b"two", true),
            // Too late to be a copy.
            (27, 0, 3, 0, b"two", false),
            (300, 0, 3, 0, b"one", false),
            (300, 4, 3, 0, b"one", true),
            // A bridge and its port, which share a hardware address.
            (400, 4, 1, 7, b"one", false),
            (400, 4, 1, 7, b"one", true),
            (401, 4, 1, 8, b"one", false),
            (430, 4, 1, 8, b"one", false),
        ];
        let mut copies = Dedup::new(false);
        for (number, (millis, way, last, id, payload, want)) in table.into_iter().enumerate() {
            let bytes = sll(way, last, id, payload);
            let frame = Frame {
                number: number as u64,
                ts: Timestamp::from_nanos(millis * 1_000_000),
                interface: 0,
                link: LinkType::LINUX_SLL,
                wire_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let packet = decode::frame(&frame).unwrap();
            assert_eq!(copies.is_copy(&frame, &packet), want, "{number}");
        }
    }

    #[test]
    fn without_an_identification_copies_are_found_by_interface_number() {
        // IPv6 and IPv4 without an identification: (milliseconds, interface, is a copy)
        let table = [
            (0, 3, false),
            (0, 4, true),
            (0, 9, true),
            (1, 3, false),
            (1, 9, true),
            // More interfaces than are remembered.
            (2, 5, true),
            (2, 6, true),
            (2, 7, true),
            (3, 3, false),
            (40, 4, false),
        ];
        let mut six = vec![0x60, 0, 0, 0, 0, 9, 17, 64];
        six.extend([0xfd; 32]);
        six.extend([4, 0, 5, 0, 0, 9, 0, 0, b'x']);
        let four = sll(0, 1, 0, b"x")[16..].to_vec();
        for (ether_type, ip) in [([0x86, 0xdd], six), ([8, 0], four)] {
            let mut copies = Dedup::new(true);
            for (number, (millis, interface, want)) in table.into_iter().enumerate() {
                let mut bytes = ether_type.to_vec();
                bytes.extend([0, 0, 0, 0, 0, interface, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
                bytes.extend(&ip);
                let frame = Frame {
                    number: number as u64,
                    ts: Timestamp::from_nanos(millis * 1_000_000),
                    interface: 0,
                    link: LinkType::LINUX_SLL2,
                    wire_len: bytes.len() as u32,
                    bytes: &bytes,
                };
                let packet = decode::frame(&frame).unwrap();
                assert_eq!(
                    copies.is_copy(&frame, &packet),
                    want,
                    "{ether_type:?} {number}"
                );
            }
        }
    }

    #[test]
    fn separately_captured_interfaces_are_identified_by_number() {
        let bytes = sll(0, 1, 0, b"x")[16..].to_vec();
        let mut copies = Dedup::new(true);
        let mut is_copy = |interface| {
            let frame = Frame {
                number: 1,
                ts: Timestamp::default(),
                interface,
                link: LinkType::RAW,
                wire_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let packet = decode::frame(&frame).unwrap();
            copies.is_copy(&frame, &packet)
        };
        // With a single interface, nothing is remembered.
        assert!(!is_copy(0) && !is_copy(0));
        assert!(!is_copy(1));
        assert!(is_copy(0));
        assert!(!is_copy(0));
        assert!(is_copy(1));
    }
}

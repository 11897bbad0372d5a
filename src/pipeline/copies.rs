//! One packet that was captured on several interfaces is used once: `any` sees what crosses a bridge two or three times.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use foldhash::quality::RandomState;

use crate::frame::{Frame, LinkType};
use crate::packet::Packet;

/// Nanoseconds between the first and the last copy of a packet.
const APART: i64 = 20_000_000;
/// Packets remembered. A newer one takes the place of an older one: then its copies are used as well, as if sent again.
const SLOTS: usize = 8192;
/// Interfaces that one packet is known from.
const PLACES: usize = 4;

/// The packets of the last moments.
///
/// The same bytes from the same interface are no copy but were sent again; so a packet is a copy as long as its interface
/// has seen it less often than another one has.
pub(super) struct Copies {
    hasher: RandomState,
    slots: Vec<Slot>,
    /// Packets that were not used because of a copy.
    pub(super) found: u64,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    ts: i64,
    /// Where it was seen, and how often; 0 for a free place.
    places: [(u64, u32); PLACES],
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            slots: Vec::new(),
            found: 0,
        }
    }
}

impl Copies {
    /// Whether the packet was used already, from another interface. `alone`: what the frames' link headers do not tell apart
    /// is no other interface but perhaps another file.
    pub(super) fn is_copy(&mut self, frame: &Frame<'_>, packet: &Packet<'_>, alone: bool) -> bool {
        let Some(place) = place(frame).or((!alone).then_some(u64::from(frame.interface) << 48))
        else {
            return false;
        };
        let hash = self.hash(packet);
        let now = frame.ts.nanos();
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let at = hash as usize % SLOTS;
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        let near = now.saturating_sub(slot.ts).saturating_abs() <= APART;
        if slot.hash != hash || !near || slot.places[0].1 == 0 {
            *slot = Slot {
                hash,
                ts: now,
                places: [(0, 0); PLACES],
            };
        }
        let most = slot.places.iter().map(|(_, seen)| *seen).max();
        let mut places = slot.places.iter_mut();
        let Some(own) = places.find(|(one, seen)| *one == place || *seen == 0) else {
            return false;
        };
        *own = (place, own.1.saturating_add(1));
        let copy = Some(own.1) <= most;
        self.found += u64::from(copy);
        copy
    }

    /// All that makes a packet what it is, but for what changes on its way (hops, checksums of IP).
    fn hash(&self, packet: &Packet<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
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

/// The interface of a frame, as far as its link header tells: that of Linux' `any`.
fn place(frame: &Frame<'_>) -> Option<u64> {
    // The number of the interface (SLL2), or the way, the type of the hardware and its address (SLL).
    let bytes = match frame.link {
        LinkType::LINUX_SLL2 => frame.bytes.get(4..8)?,
        LinkType::LINUX_SLL => frame.bytes.get(..14)?,
        _ => return None,
    };
    // FNV-1a: good enough to tell a handful of interfaces.
    let mut place = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        place = (place ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::frame::Timestamp;

    /// A datagram on `any`: which way it passes an interface whose hardware address ends in `last`.
    fn sll(way: u8, last: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, way, 0, 1, 0, 6, 2, 0, 0, 0, 0, last, 0, 0, 8, 0];
        bytes.extend([0x45, 0, 0, 28 + payload.len() as u8, 0, 0, 0x40, 0]);
        bytes.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 5, 0]);
        bytes.extend([0, 8 + payload.len() as u8, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_same_bytes_from_another_interface_are_a_copy_and_from_the_same_one_are_not() {
        // (milliseconds, way, interface, payload, is a copy)
        let table: [(i64, u8, u8, &[u8], bool); 11] = [
            (0, 4, 1, b"one", false),
            (0, 0, 2, b"one", true),
            (1, 0, 3, b"one", true),
            // Sent again: once more on each.
            (2, 4, 1, b"one", false),
            (3, 0, 2, b"one", true),
            (4, 0, 2, b"one", false),
            (5, 0, 2, b"two", false),
            (6, 4, 1, b"two", true),
            // Too late to be a copy.
            (27, 0, 3, b"two", false),
            (300, 0, 3, b"one", false),
            (300, 4, 3, b"one", true),
        ];
        let mut copies = Copies::default();
        for (number, (millis, way, last, payload, want)) in table.into_iter().enumerate() {
            let bytes = sll(way, last, payload);
            let frame = Frame {
                number: number as u64,
                ts: Timestamp::from_nanos(millis * 1_000_000),
                interface: 0,
                link: LinkType::LINUX_SLL,
                wire_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let packet = decode::frame(&frame).unwrap();
            assert_eq!(copies.is_copy(&frame, &packet, true), want, "{number}");
        }
        assert_eq!(copies.found, 5);
    }

    #[test]
    fn interfaces_that_are_captured_apart_are_told_by_their_number() {
        let bytes = sll(0, 1, b"x")[16..].to_vec();
        let mut copies = Copies::default();
        let mut is_copy = |interface, alone| {
            let frame = Frame {
                number: 1,
                ts: Timestamp::default(),
                interface,
                link: LinkType::RAW,
                wire_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let packet = decode::frame(&frame).unwrap();
            copies.is_copy(&frame, &packet, alone)
        };
        assert!(!is_copy(0, true) && !is_copy(0, true));
        assert!(!is_copy(0, false));
        assert!(is_copy(1, false));
        assert!(!is_copy(1, false));
    }
}

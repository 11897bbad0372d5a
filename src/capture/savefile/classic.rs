//! The classic pcap format, in both byte orders and both precisions (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>).

use crate::frame::{LinkType, Timestamp};
use crate::limits::RECORD_BYTES;

use super::Step;

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;

/// What the file header says.
pub(super) struct Classic {
    swapped: bool,
    /// Nanoseconds in a unit of the fraction.
    unit: i64,
    link: LinkType,
    /// Bytes of a record's header: Kuznetzov's patch made it longer.
    record: usize,
}

/// (magic number as read little-endian, swapped, unit, record header)
const MAGICS: [(u32, bool, i64, usize); 6] = [
    (0xa1b2_c3d4, false, 1000, 16),
    (0xd4c3_b2a1, true, 1000, 16),
    (0xa1b2_3c4d, false, 1, 16),
    (0x4d3c_b2a1, true, 1, 16),
    (0xa1b2_cd34, false, 1000, 24),
    (0x34cd_b2a1, true, 1000, 24),
];

pub(super) fn is_magic(bytes: [u8; 4]) -> bool {
    MAGICS
        .iter()
        .any(|(magic, ..)| *magic == u32::from_le_bytes(bytes))
}

impl Classic {
    /// Read the file header.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let magic = u32::from_le_bytes(*header.first_chunk()?);
        let (_, swapped, unit, record) = *MAGICS.iter().find(|(known, ..)| *known == magic)?;
        let network = u32::from_le_bytes(*header.last_chunk()?);
        let network = if swapped {
            network.swap_bytes()
        } else {
            network
        };
        // The upper bits tell of frame check sequences; DLT_RAW of some systems is LINKTYPE_RAW.
        let link = match network & 0x03ff_ffff {
            12 | 14 => LinkType::RAW,
            other => LinkType(other),
        };
        Some(Self {
            swapped,
            unit,
            link,
            record,
        })
    }

    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    pub(super) fn step(&self, bytes: &[u8]) -> Step {
        let Some(header) = bytes.first_chunk::<16>() else {
            return Step::Need(self.record);
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
        let field = |bytes: [u8; 4]| match self.swapped {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
        let (seconds, fraction) = (field([a, b, c, d]), field([e, f, g, h]));
        let (captured, wire_len) = (field([i, j, k, l]), field([m, n, o, p]));
        let len = captured as usize;
        if len > RECORD_BYTES {
            return Step::Bad("a record has an impossible length");
        }
        let to = self.record + len;
        if bytes.len() < to {
            return Step::Need(to);
        }
        Step::Frame {
            from: self.record,
            to,
            len: to,
            ts: Timestamp::new(
                i64::from(seconds),
                i64::from(fraction).saturating_mul(self.unit),
            ),
            interface: 0,
            link: self.link,
            // A crafted record may have more bytes than the wire had: those that are there are the truth.
            wire_len: wire_len.max(captured),
        }
    }
}

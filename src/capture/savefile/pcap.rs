//! The classic capture file (draft-ietf-opsawg-pcap): a header, then records. Lengths are checked
//! before they are used.
//!
//! ```text
//! magic  major  minor  zone  figures  snaplen  link      24 bytes, in the writer's byte order
//! seconds  fraction  captured  length  [8 more]  bytes...    for each frame
//! ```

use std::io;

use crate::frame::{LinkType, Timestamp};
use crate::limits::RECORD_BYTES;

use super::buffer::Buffer;
use super::{Damage, Record, Step};
use crate::capture::{FormatError, MAX_SNAPLEN};

/// Length of the file header in bytes.
pub(super) const HEADER: usize = 24;
/// The upper bits of the link type state whether frames end with a checksum, and its length.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// Values of the file header, which determine how records are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    big_endian: bool,
    /// Nanoseconds in one unit of a record's fraction.
    unit: i64,
    record_header: usize,
    lengths: Lengths,
    link: LinkType,
    snaplen: u32,
    /// Number of the interface, once it has been announced.
    interface: Option<u32>,
}

/// Order of the two lengths in a record: versions before 2.3 had them swapped, and 2.3 had both
/// orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lengths {
    CapturedFirst,
    CapturedLast,
    SmallerIsCaptured,
}

/// Byte order, unit in nanoseconds and length of a record header, if these are the first bytes of a
/// classic capture file.
pub(super) fn magic(first: &[u8]) -> Option<(bool, i64, usize)> {
    match first.first_chunk()? {
        [0xa1, 0xb2, 0xc3, 0xd4] => Some((true, 1000, 16)),
        [0xd4, 0xc3, 0xb2, 0xa1] => Some((false, 1000, 16)),
        [0xa1, 0xb2, 0x3c, 0x4d] => Some((true, 1, 16)),
        [0x4d, 0x3c, 0xb2, 0xa1] => Some((false, 1, 16)),
        // Alexey Kuznetzov's variant: interface index, protocol and packet type follow in each
        // record
        [0xa1, 0xb2, 0xcd, 0x34] => Some((true, 1000, 24)),
        [0x34, 0xcd, 0xb2, 0xa1] => Some((false, 1000, 24)),
        _ => None,
    }
}

impl Reader {
    /// Parses the file header.
    pub(super) fn new(header: &[u8; HEADER]) -> Result<Self, FormatError> {
        let (big_endian, unit, record_header) = magic(header).ok_or(FormatError::Unknown)?;
        let half = |at: usize| {
            let bytes = [header[at], header[at + 1]];
            if big_endian {
                u16::from_be_bytes(bytes)
            } else {
                u16::from_le_bytes(bytes)
            }
        };
        let lengths = match (half(4), half(6)) {
            (2, 0..=2) => Lengths::CapturedLast,
            (2, 3) => Lengths::SmallerIsCaptured,
            (2, 4) => Lengths::CapturedFirst,
            _ => return Err(FormatError::Version),
        };
        let snaplen = word(big_endian, header, 16);
        Ok(Self {
            big_endian,
            unit,
            record_header,
            lengths,
            link: LinkType(word(big_endian, header, 20) & LINK_TYPE_BITS),
            snaplen: if snaplen == 0 || snaplen > i32::MAX as u32 {
                MAX_SNAPLEN
            } else {
                snaplen
            },
            interface: None,
        })
    }

    /// Returns the next record. The caller has consumed the file header.
    #[inline]
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        announce: impl FnOnce(LinkType, u32) -> Option<u32>,
    ) -> io::Result<Step> {
        if self.interface.is_none() {
            self.interface = Some(announce(self.link, self.snaplen).unwrap_or_default());
            return Ok(Step::Again);
        }
        self.fetch(buffer)
    }

    /// Fast path: the next record, if it is complete in the buffer and valid.
    #[inline]
    pub(super) fn at_hand(&self, buffer: &mut Buffer) -> Option<Record> {
        let interface = self.interface?;
        let header = self.header(buffer.window().first_chunk()?);
        let length = header.captured as usize;
        let whole = self.record_header + length;
        if length > RECORD_BYTES || buffer.window().len() < whole {
            return None;
        }
        let start = buffer.start() + self.record_header;
        buffer.consume(whole);
        Some(Record {
            ts: header.ts,
            interface,
            link: self.link,
            wire_len: header.wire_len.max(header.captured),
            start,
            length,
        })
    }

    /// Reads until the next record is complete, or returns why there is none.
    #[cold]
    fn fetch(&self, buffer: &mut Buffer) -> io::Result<Step> {
        if !buffer.holds(self.record_header)? {
            return Ok(if buffer.window().is_empty() {
                Step::End
            } else {
                Step::Damaged(Damage::Cut)
            });
        }
        let Some(header) = buffer.window().first_chunk() else {
            return Ok(Step::Damaged(Damage::Cut));
        };
        let captured = self.header(header).captured;
        if captured as usize > RECORD_BYTES {
            return Ok(Step::Damaged(Damage::Length(captured)));
        }
        if !buffer.holds(self.record_header + captured as usize)? {
            return Ok(Step::Damaged(Damage::Cut));
        }
        let record = self.at_hand(buffer);
        Ok(record.map_or(Step::Damaged(Damage::Cut), Step::Frame))
    }

    #[inline]
    fn header(&self, header: &[u8; 16]) -> Header {
        let word = |at| word(self.big_endian, header, at);
        let (mut captured, mut wire_len) = (word(8), word(12));
        match self.lengths {
            Lengths::CapturedFirst => {}
            Lengths::SmallerIsCaptured if captured <= wire_len => {}
            _ => (captured, wire_len) = (wire_len, captured),
        }
        // The sum of 32-bit seconds and fractions cannot overflow 64 bits.
        let nanos = i64::from(word(0)) * 1_000_000_000 + i64::from(word(4)) * self.unit;
        Header {
            ts: Timestamp::from_nanos(nanos),
            captured,
            wire_len,
        }
    }
}

/// The fields of a record header.
struct Header {
    ts: Timestamp,
    captured: u32,
    wire_len: u32,
}

#[inline]
fn word<const N: usize>(big_endian: bool, bytes: &[u8; N], at: usize) -> u32 {
    let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian {
        u32::from_be_bytes(word)
    } else {
        u32::from_le_bytes(word)
    }
}

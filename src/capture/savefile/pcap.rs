//! The classic capture file (draft-ietf-opsawg-pcap): one header, then records.
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

/// Length of the file's header.
pub(super) const HEADER: usize = 24;
/// The upper bits of the link type say whether frames end with a checksum, and how long it is.
const LINK_TYPE_BITS: u32 = 0x03ff_ffff;

/// What the header said, and so how to read records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    big_endian: bool,
    /// Nanoseconds that one unit of a record's fraction stands for.
    unit: i64,
    record_header: usize,
    lengths: Lengths,
    link: LinkType,
    snaplen: u32,
    /// Set when the interface has been announced.
    interface: Option<u32>,
}

/// Which of a record's two lengths comes first: versions before 2.3 had them the other way round,
/// 2.3 had both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lengths {
    CapturedFirst,
    CapturedLast,
    SmallerIsCaptured,
}

/// Byte order, unit and length of a record's header, if these are the first bytes of a classic
/// capture file.
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
    /// Read the file's header.
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

    /// The next record. The header's bytes are consumed by whoever made the reader.
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

    /// The next record, when all of it is in the buffer and nothing is wrong with it.
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

    /// Read on until the next record is there, or say why there is none.
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
        // Of 32-bit seconds and fractions the sum is far from 64 bits.
        let nanos = i64::from(word(0)) * 1_000_000_000 + i64::from(word(4)) * self.unit;
        Header {
            ts: Timestamp::from_nanos(nanos),
            captured,
            wire_len,
        }
    }
}

/// What the header of a record says.
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

//! The pcapng file (draft-ietf-opsawg-pcapng): blocks, of which sections, interfaces and packets
//! are read. Memory is bounded by the largest block that is parsed.
//!
//! ```text
//! type  length  body...  length      for each block; the section's header says which byte order
//! ```
//!
//! All other blocks (names, statistics, secrets, custom ones) of any length are skipped.

use std::io;

use crate::frame::{LinkType, Timestamp};
use crate::limits::{INTERFACE_NAME, RECORD_BYTES};

use super::buffer::Buffer;
use super::{Damage, Record, Step};
use crate::capture::MAX_SNAPLEN;

/// First bytes of a section header, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET_OBSOLETE: u32 = 2;
const PACKET_SIMPLE: u32 = 3;
const PACKET: u32 = 6;
/// The largest block that is parsed: a packet and space for its options.
const LARGEST: usize = RECORD_BYTES + (1 << 20);

/// Position and state within a section.
#[derive(Default, Debug)]
pub(super) struct Reader {
    big_endian: bool,
    section: Vec<Interface>,
    /// Remaining bytes of a block being skipped.
    skipping: u64,
    /// Time of the previous packet: simple packets have none.
    latest: Timestamp,
    /// Number of invalid blocks of known kinds.
    pub(super) bad_blocks: u64,
    /// Number of packets with impossible times; see [`Timestamp::held`].
    pub(super) bad_times: u64,
}

/// The properties of a section's interface that its packets need.
#[derive(Clone, Copy, Debug)]
struct Interface {
    /// Its number in the run; `None` if there are too many.
    number: Option<u32>,
    link: LinkType,
    snaplen: u32,
    clock: Clock,
}

/// Clock of an interface.
#[derive(Clone, Copy, Debug)]
struct Clock {
    unit: Unit,
    /// Seconds added to each timestamp.
    offset: i64,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// Nanoseconds per tick.
    Nanoseconds(u64),
    /// Ticks per nanosecond.
    PerNanosecond(u64),
    /// Base-2 logarithm of the ticks per second.
    Binary(u32),
}

/// Whether these 12 first bytes begin a pcapng file.
pub(super) fn is_section(first: &[u8]) -> bool {
    first.starts_with(&MAGIC)
        && matches!(
            first.get(8..12),
            Some([0x1a, 0x2b, 0x3c, 0x4d] | [0x4d, 0x3c, 0x2b, 0x1a])
        )
}

impl Reader {
    /// Reads the next block; `announce` gives an interface (name, link type, snap length) its
    /// number in the run.
    #[inline]
    pub(super) fn step(
        &mut self,
        buffer: &mut Buffer,
        announce: impl FnOnce(Option<String>, LinkType, u32) -> Option<u32>,
    ) -> io::Result<Step> {
        if self.skipping > 0 {
            return self.skip(buffer);
        }
        if !buffer.holds(12)? {
            return Ok(if buffer.window().is_empty() {
                Step::End
            } else {
                Step::Damaged(Damage::Cut)
            });
        }
        let kind = self.word(buffer.window(), 0);
        if kind == SECTION {
            match buffer.window().get(8..12) {
                Some([0x1a, 0x2b, 0x3c, 0x4d]) => self.big_endian = true,
                Some([0x4d, 0x3c, 0x2b, 0x1a]) => self.big_endian = false,
                _ => return Ok(Step::Damaged(Damage::Section)),
            }
        }
        let declared = self.word(buffer.window(), 4);
        if declared < 12 || !declared.is_multiple_of(4) {
            return Ok(Step::Damaged(Damage::Length(declared)));
        }
        if !matches!(
            kind,
            SECTION | INTERFACE | PACKET_OBSOLETE | PACKET_SIMPLE | PACKET
        ) {
            self.skipping = u64::from(declared);
            return Ok(Step::Again);
        }
        let length = declared as usize;
        if length > LARGEST {
            return Ok(Step::Damaged(Damage::Length(declared)));
        }
        if !buffer.holds(length)? {
            return Ok(Step::Damaged(Damage::Cut));
        }
        let block = &buffer.window()[..length];
        if self.word(block, length - 4) != declared {
            return Ok(Step::Damaged(Damage::Trailer));
        }
        let body = &block[8..length - 4];
        let start = buffer.start() + 8;
        let record = match kind {
            SECTION => {
                if self.half(body, 4) != 1 {
                    return Ok(Step::Damaged(Damage::Section));
                }
                self.section.clear();
                None
            }
            INTERFACE => {
                self.interface(body, announce);
                None
            }
            PACKET => self.packet(body, start),
            PACKET_SIMPLE => self.simple(body, start),
            _ => self.obsolete(body, start),
        };
        buffer.consume(length);
        Ok(record.map_or(Step::Again, Step::Frame))
    }

    fn skip(&mut self, buffer: &mut Buffer) -> io::Result<Step> {
        if !buffer.holds(1)? {
            return Ok(Step::Damaged(Damage::Cut));
        }
        let count = buffer
            .window()
            .len()
            .min(usize::try_from(self.skipping).unwrap_or(usize::MAX));
        buffer.consume(count);
        self.skipping -= count as u64;
        Ok(Step::Again)
    }

    /// Enhanced Packet Block: interface, time (high, low), captured, length, bytes.
    #[inline]
    fn packet(&mut self, body: &[u8], start: usize) -> Option<Record> {
        let Some(header) = body.first_chunk::<20>() else {
            return self.bad();
        };
        let interface = self.word(header, 0) as usize;
        self.timed(interface, header, body.len(), start)
    }

    /// Packet Block of older drafts: interface and a drop count share the first word.
    fn obsolete(&mut self, body: &[u8], start: usize) -> Option<Record> {
        let Some(header) = body.first_chunk::<20>() else {
            return self.bad();
        };
        let interface = usize::from(self.half(header, 0));
        self.timed(interface, header, body.len(), start)
    }

    #[inline]
    fn timed(
        &mut self,
        interface: usize,
        header: &[u8; 20],
        body: usize,
        start: usize,
    ) -> Option<Record> {
        let captured = self.word(header, 12);
        let known = self
            .section
            .get(interface)
            .and_then(|one| one.number.map(|number| (number, one)));
        let Some((number, interface)) = known else {
            return self.bad();
        };
        if captured as usize > body - header.len() {
            return self.bad();
        }
        let ticks = u64::from(self.word(header, 4)) << 32 | u64::from(self.word(header, 8));
        let (ts, held) = interface.clock.timestamp(ticks);
        self.bad_times += u64::from(held);
        let link = interface.link;
        self.latest = ts;
        let wire_len = self.word(header, 16).max(captured);
        Some(Record {
            ts,
            interface: number,
            link,
            wire_len,
            start: start + header.len(),
            length: captured as usize,
        })
    }

    /// Simple Packet Block: the length, then bytes; the section's first interface, no time.
    fn simple(&mut self, body: &[u8], start: usize) -> Option<Record> {
        let Some(&Interface {
            number: Some(number),
            link,
            snaplen,
            ..
        }) = self.section.first()
        else {
            return self.bad();
        };
        if body.len() < 4 {
            return self.bad();
        }
        let wire_len = self.word(body, 0);
        let captured = wire_len.min(snaplen) as usize;
        if captured > body.len() - 4 {
            return self.bad();
        }
        Some(Record {
            ts: self.latest,
            interface: number,
            link,
            wire_len,
            start: start + 4,
            length: captured,
        })
    }

    fn bad(&mut self) -> Option<Record> {
        self.bad_blocks += 1;
        None
    }

    /// Interface Description Block: link type, snap length, options.
    fn interface(
        &mut self,
        body: &[u8],
        announce: impl FnOnce(Option<String>, LinkType, u32) -> Option<u32>,
    ) {
        if body.len() < 8 || self.section.len() >= crate::limits::INTERFACES {
            // It still takes a place in the list: packets refer to interfaces by index.
            self.bad_blocks += 1;
            if self.section.len() < crate::limits::INTERFACES {
                self.section.push(Interface {
                    number: None,
                    link: LinkType(u32::MAX),
                    snaplen: 0,
                    clock: Clock::DEFAULT,
                });
            }
            return;
        }
        let link = LinkType(u32::from(self.half(body, 0)));
        let snaplen = match self.word(body, 4) {
            0 => MAX_SNAPLEN,
            snaplen => snaplen,
        };
        let (mut name, mut clock) = (None, Clock::DEFAULT);
        let mut options = &body[8..];
        while options.len() >= 4 {
            let (code, length) = (self.half(options, 0), usize::from(self.half(options, 2)));
            let Some(value) = options.get(4..4 + length) else {
                break;
            };
            match (code, value) {
                (0, _) => break,
                (2, _) => {
                    let value = value.get(..INTERFACE_NAME).unwrap_or(value);
                    let text = String::from_utf8_lossy(value);
                    name = Some(text.trim_end_matches('\0').to_owned());
                }
                (9, [resolution, ..]) => clock.unit = Unit::of(*resolution),
                (14, _) if length >= 8 => {
                    let (first, second) = (
                        u64::from(self.word(value, 0)),
                        u64::from(self.word(value, 4)),
                    );
                    let offset = if self.big_endian {
                        first << 32 | second
                    } else {
                        second << 32 | first
                    };
                    clock.offset = offset.cast_signed();
                }
                _ => {}
            }
            options = options
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        let number = announce(name, link, snaplen);
        if number.is_none() {
            self.bad_blocks += 1;
        }
        self.section.push(Interface {
            number,
            link,
            snaplen,
            clock,
        });
    }

    /// Whether the section has described an interface.
    pub(super) fn knows_an_interface(&self) -> bool {
        !self.section.is_empty()
    }

    #[inline]
    fn word(&self, bytes: &[u8], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian {
            u32::from_be_bytes(word)
        } else {
            u32::from_le_bytes(word)
        }
    }

    #[inline]
    fn half(&self, bytes: &[u8], at: usize) -> u16 {
        let half = [bytes[at], bytes[at + 1]];
        if self.big_endian {
            u16::from_be_bytes(half)
        } else {
            u16::from_le_bytes(half)
        }
    }
}

impl Clock {
    /// The default: microseconds since 1970.
    const DEFAULT: Self = Self {
        unit: Unit::Nanoseconds(1000),
        offset: 0,
    };

    /// Converts a timestamp. Also returns whether it was outside the supported range.
    #[inline]
    fn timestamp(self, ticks: u64) -> (Timestamp, bool) {
        let nanos = match self.unit {
            Unit::Nanoseconds(unit) => u128::from(ticks) * u128::from(unit),
            Unit::PerNanosecond(ticks_each) => u128::from(ticks / ticks_each),
            Unit::Binary(power) => (u128::from(ticks) * 1_000_000_000) >> power,
        };
        // 64-bit values times 10^9 cannot overflow 128 bits.
        Timestamp::held(i128::from(self.offset) * 1_000_000_000 + nanos.cast_signed())
    }
}

impl Unit {
    /// `if_tsresol`: a negative power of 10, or of 2 with the highest bit set.
    fn of(resolution: u8) -> Self {
        let power = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            Self::Binary(power)
        } else if power <= 9 {
            Self::Nanoseconds(10u64.pow(9 - power))
        } else {
            Self::PerNanosecond(10u64.checked_pow(power - 9).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_every_resolution_give_nanoseconds() {
        for (resolution, ticks, nanos) in [
            (0, 2, 2_000_000_000),
            (3, 1500, 1_500_000_000),
            (6, 1, 1000),
            (9, 7, 7),
            (12, 7999, 7),
            (0x80, 3, 3_000_000_000),
            (0x8a, 512, 500_000_000),
            (0xff, u64::MAX, 0),
            (0x7f, u64::MAX, 1),
            (0, u64::MAX, Timestamp::LATEST.nanos()),
        ] {
            let clock = Clock {
                unit: Unit::of(resolution),
                offset: 0,
            };
            assert_eq!(clock.timestamp(ticks).0.nanos(), nanos, "{resolution:#x}");
        }
        let clock = Clock {
            offset: -2,
            ..Clock::DEFAULT
        };
        assert_eq!(clock.timestamp(3_000_000).0.nanos(), 1_000_000_000);
    }

    /// With each resolution and offset, times beyond the range are clamped to its ends, and no
    /// others.
    #[test]
    fn clocks_of_every_resolution_and_offset_stay_in_the_range() {
        let offsets = [i64::MIN, -9_300_000_000, -1, 0, 1, 9_300_000_000, i64::MAX];
        for resolution in 0..=u8::MAX {
            for offset in offsets {
                let clock = Clock {
                    unit: Unit::of(resolution),
                    offset,
                };
                let mut last = Timestamp::EARLIEST;
                for ticks in [0, 1, 999, 1 << 30, 1 << 40, 1 << 62, u64::MAX] {
                    let (ts, held) = clock.timestamp(ticks);
                    assert!(Timestamp::EARLIEST <= last && last <= ts && ts <= Timestamp::LATEST);
                    let far = offset.unsigned_abs() > 9_214_646_400;
                    assert!(
                        held || !far || ts > Timestamp::EARLIEST,
                        "{clock:?} {ticks}"
                    );
                    assert!(!held || ts == Timestamp::EARLIEST || ts == Timestamp::LATEST);
                    last = ts;
                }
            }
        }
    }
}

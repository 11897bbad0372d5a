//! The pcapng format (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>): several sections, each with its byte
//! order and its interfaces. Blocks that are no packets are passed over.

use crate::frame::{LinkType, Timestamp};
use crate::limits::RECORD_BYTES;

use super::Step;

/// What was read of the blocks so far.
#[derive(Default)]
pub(super) struct Next {
    swapped: bool,
    /// Interfaces of this section.
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before.
    before: u32,
    /// The last packet's time, for blocks that have none.
    last: Timestamp,
}

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    resolution: Resolution,
    /// Seconds to add.
    offset: i64,
}

/// Units of a timestamp in a second.
#[derive(Clone, Copy)]
struct Resolution(u64);

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;
/// Interfaces of a file; more make no sense and would only take memory.
const INTERFACES: usize = 65_536;

pub(super) fn is_magic(bytes: [u8; 4]) -> bool {
    u32::from_le_bytes(bytes) == SECTION
}

/// The first interface's link type, when its block is among the first bytes.
pub(super) fn first_link(bytes: &[u8]) -> Option<LinkType> {
    let mut next = Next::default();
    let mut at = 0;
    let mut bad = 0;
    while let Step::Skip(len) = next.step(bytes.get(at..)?, &mut bad) {
        if let Some(interface) = next.interfaces.first() {
            return Some(interface.link);
        }
        at += len;
    }
    None
}

impl Next {
    /// Interfaces seen.
    pub(super) fn interfaces(&self) -> u32 {
        self.before + self.interfaces.len() as u32
    }

    pub(super) fn step(&mut self, bytes: &[u8], bad: &mut u64) -> Step {
        let Some(head) = bytes.first_chunk::<12>() else {
            return Step::Need(12);
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *head;
        let mut kind = self.field([a, b, c, d]);
        if is_magic([a, b, c, d]) {
            self.swapped = match u32::from_le_bytes([i, j, k, l]) {
                0x1a2b_3c4d => false,
                0x4d3c_2b1a => true,
                _ => return Step::Bad("a section has no byte order"),
            };
            kind = SECTION;
        }
        let len = self.field([e, f, g, h]) as usize;
        if !(12..=RECORD_BYTES).contains(&len) || !len.is_multiple_of(4) {
            return Step::Bad("a block has an impossible length");
        }
        let Some(body) = bytes.get(8..len - 4) else {
            return Step::Need(len);
        };
        if bytes.len() < len {
            return Step::Need(len);
        }
        let step = match kind {
            SECTION => {
                self.before += self.interfaces.len() as u32;
                self.interfaces.clear();
                Some(Step::Skip(len))
            }
            INTERFACE => self.interface(body).map(|()| Step::Skip(len)),
            ENHANCED => self.enhanced(body, len),
            SIMPLE => self.simple(body, len),
            PACKET => self.packet(body, len),
            _ => Some(Step::Skip(len)),
        };
        step.unwrap_or_else(|| {
            *bad += 1;
            Step::Skip(len)
        })
    }

    fn interface(&mut self, body: &[u8]) -> Option<()> {
        let link = self.short(body, 0)?;
        let snaplen = self.long(body, 4)?;
        let (mut resolution, mut offset) = (Resolution(1_000_000), 0);
        let mut options = body.get(8..)?;
        while let (Some(code), Some(len)) = (self.short(options, 0), self.short(options, 2)) {
            let len = usize::from(len);
            let Some(value) = options.get(4..4 + len) else {
                break;
            };
            match (code, value) {
                (0, _) => break,
                (9, [exponent]) => resolution = Resolution::new(*exponent)?,
                (14, _) => {
                    let bytes = *value.first_chunk::<8>()?;
                    offset = if self.swapped {
                        i64::from_be_bytes(bytes)
                    } else {
                        i64::from_le_bytes(bytes)
                    };
                }
                _ => {}
            }
            options = options
                .get(4 + len.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        if self.interfaces.len() < INTERFACES {
            let link = if link == 12 || link == 14 {
                LinkType::RAW
            } else {
                LinkType(u32::from(link))
            };
            self.interfaces.push(Interface {
                link,
                snaplen,
                resolution,
                offset,
            });
        }
        Some(())
    }

    fn enhanced(&mut self, body: &[u8], len: usize) -> Option<Step> {
        let interface = self.long(body, 0)?;
        let time = u64::from(self.long(body, 4)?) << 32 | u64::from(self.long(body, 8)?);
        let (captured, wire_len) = (self.long(body, 12)?, self.long(body, 16)?);
        self.frame(interface, Some(time), captured, wire_len, body, 20, len)
    }

    /// The obsolete packet block.
    fn packet(&mut self, body: &[u8], len: usize) -> Option<Step> {
        let interface = u32::from(self.short(body, 0)?);
        let time = u64::from(self.long(body, 4)?) << 32 | u64::from(self.long(body, 8)?);
        let (captured, wire_len) = (self.long(body, 12)?, self.long(body, 16)?);
        self.frame(interface, Some(time), captured, wire_len, body, 20, len)
    }

    /// The simple packet block has no time, and says only the length on the wire.
    fn simple(&mut self, body: &[u8], len: usize) -> Option<Step> {
        let wire_len = self.long(body, 0)?;
        let snaplen = self.interfaces.first()?.snaplen;
        let captured = if snaplen == 0 {
            wire_len
        } else {
            wire_len.min(snaplen)
        };
        let captured = captured.min(body.len() as u32 - 4);
        self.frame(0, None, captured, wire_len, body, 4, len)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "they are the fields of three kinds of block"
    )]
    fn frame(
        &mut self,
        interface: u32,
        time: Option<u64>,
        captured: u32,
        wire_len: u32,
        body: &[u8],
        at: usize,
        len: usize,
    ) -> Option<Step> {
        let known = *self.interfaces.get(interface as usize)?;
        let to = at.checked_add(captured as usize)?;
        body.get(at..to)?;
        let ts = time.map_or(self.last, |time| known.resolution.at(time, known.offset));
        self.last = ts;
        let wire_len = wire_len.max(captured);
        let interface = self.before + interface;
        Some(Step::Frame {
            from: 8 + at,
            to: 8 + to,
            len,
            ts,
            interface,
            link: known.link,
            wire_len,
        })
    }

    fn field(&self, bytes: [u8; 4]) -> u32 {
        if self.swapped {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn long(&self, body: &[u8], at: usize) -> Option<u32> {
        Some(self.field(*body.get(at..)?.first_chunk()?))
    }

    fn short(&self, body: &[u8], at: usize) -> Option<u16> {
        let bytes = *body.get(at..)?.first_chunk()?;
        Some(if self.swapped {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }
}

impl Resolution {
    /// From `if_tsresol`: a negative power of ten, or of two when the highest bit is set.
    fn new(exponent: u8) -> Option<Self> {
        let power = u32::from(exponent & 0x7f);
        let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
        base.checked_pow(power).map(Self)
    }

    fn at(self, time: u64, offset: i64) -> Timestamp {
        let (seconds, rest) = (time / self.0, time % self.0);
        let nanos = u128::from(rest) * 1_000_000_000 / u128::from(self.0);
        let seconds = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_add(offset);
        Timestamp::new(seconds, nanos as i64)
    }
}

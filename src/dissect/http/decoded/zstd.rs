//! The decoder of `zstd` (RFC 8878). It decodes all frames in sequence, skips skippable ones, and
//! does not verify checksums; its memory is reserved from the budget before it grows.
//!
//! The `ruzstd` crate returns no output before a whole window was decoded or the frame has ended,
//! and an event stream does neither. The decoder therefore passes an empty last block right after
//! the frame's header. `ruzstd` then offers all of its output, and still decodes further blocks.
//! The output is read in place and not removed, since later blocks refer to it. Once it has become
//! large it is removed, and its last window is passed back as raw blocks.

use std::io::{self, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::stage::{Decoder, ExpansionLimit, Failure, Sink};
use crate::dissect::budget::{Budget, Reservation};
use crate::limits::ZSTD_WINDOW;

/// Maximum size of a block (RFC 8878 section 3.1.1.2.4).
const BLOCK: usize = 128 << 10;
/// Memory for tables, in addition to the window and the buffers of blocks.
const TABLES: usize = 64 << 10;
/// An empty raw block that is marked as the last, and four bytes in place of a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decodes a zstd stream.
pub(super) struct Zstd {
    /// The decoder of the open frame, with its output.
    frame: Option<FrameDecoder>,
    /// Number of output bytes in `frame` that were passed on.
    emitted: usize,
    /// How far back the frame's blocks may refer, in bytes.
    window: usize,
    /// Whether the frame ends with a checksum.
    checksum: bool,
    /// The bytes received of the next element, which is a frame's header or a block.
    element: Vec<u8>,
    /// Length of the frame's header, which is kept at the start of `element` until the first block
    /// was decoded. If that block is malformed, the header is emitted as sent.
    header: usize,
    at: At,
    /// Whether a frame was decoded to its end.
    any: bool,
    reservation: Reservation,
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// In a frame's header.
    Header,
    /// In a block.
    Block,
    /// In a skippable frame or a checksum, of which this many bytes are left.
    Skip(u32),
}

impl Zstd {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        Some(Self {
            frame: None,
            emitted: 0,
            window: 0,
            checksum: false,
            element: Vec::new(),
            header: 0,
            at: At::Header,
            any: false,
            reservation: Reservation::new(budget, TABLES, limit)?,
            limit,
        })
    }

    /// Returns the length of the element as far as it is known. `None` if there is no such element.
    fn needed(&self) -> Option<usize> {
        let element = self.element.get(self.header..).unwrap_or_default();
        let needed = match (self.at, element) {
            (At::Header, []) => Some(1),
            // RFC 8878 section 3.1.2.
            (At::Header, [0x50..=0x5f]) => Some(2),
            (At::Header, [0x50..=0x5f, 0x2a]) => Some(3),
            (At::Header, [0x50..=0x5f, 0x2a, 0x4d]) => Some(4),
            (At::Header, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => Some(8),
            // Section 3.1.1.1.
            (At::Header, [0x28]) => Some(2),
            (At::Header, [0x28, 0xb5]) => Some(3),
            (At::Header, [0x28, 0xb5, 0x2f]) => Some(4),
            (At::Header, [0x28, 0xb5, 0x2f, 0xfd]) => Some(5),
            (At::Header, [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..]) => {
                let single = descriptor & 0x20 != 0;
                let size = match descriptor >> 6 {
                    0 => usize::from(single),
                    1 => 2,
                    2 => 4,
                    _ => 8,
                };
                let dictionary = match descriptor & 3 {
                    3 => 4,
                    size => usize::from(size),
                };
                [usize::from(!single), dictionary, size]
                    .into_iter()
                    .try_fold(5_usize, usize::checked_add)
            }
            (At::Header, _) => None,
            // Section 3.1.1.2.
            (At::Block, [a, b, c, ..]) => {
                let size = u32::from_le_bytes([*a, *b, *c, 0]).wrapping_shr(3) as usize;
                match (a >> 1) & 3 {
                    _ if size > BLOCK => None,
                    3 => None,
                    1 => Some(4),
                    _ => size.checked_add(3),
                }
            }
            (At::Block, _) => Some(3),
            (At::Skip(_), _) => Some(0),
        };
        needed?.checked_add(self.header)
    }

    /// Parses a complete frame header. `None` if it is malformed, or requires a dictionary or a
    /// window that is too large.
    fn header(&mut self) -> Option<()> {
        if let [_, 0x2a, 0x4d, 0x18, a, b, c, d] = self.element[..] {
            self.at = At::Skip(u32::from_le_bytes([a, b, c, d]));
            self.element.clear();
            return Some(());
        }
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(ZSTD_WINDOW);
        frame.init(self.element.as_slice()).ok()?;
        frame
            .decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1))
            .ok()?;
        self.window = window(&self.element)?;
        self.checksum = self.element.get(4)? & 4 != 0;
        (self.frame, self.emitted) = (Some(frame), 0);
        self.header = self.element.len();
        self.at = At::Block;
        Some(())
    }

    /// Decodes a complete block and passes on its output. `used` is the number of bytes in hand
    /// that are consumed with it.
    fn block(&mut self, used: usize, sink: Sink<'_>) -> Result<(), Failure> {
        let block = self.element.get_mut(self.header..).unwrap_or_default();
        let (Some(frame), Some(first)) = (&mut self.frame, block.first_mut()) else {
            return Err(Failure::Broken(used));
        };
        let last = *first & 1;
        // Clear the last-block flag, so that the decoder does not expect the checksum.
        *first &= !1;
        let unpacked = frame.decode_blocks(&*block, BlockDecodingStrategy::UptoBlocks(1));
        if unpacked.is_err() {
            if let Some(first) = block.first_mut() {
                *first |= last;
            }
            return Err(Failure::Broken(used));
        }
        self.element.clear();
        self.header = 0;
        let mut peek = Peek {
            skip: self.emitted,
            sink,
            result: Ok(()),
        };
        // `Peek` always returns an error, so that no output is removed.
        let _ = frame.collect_to_writer(&mut peek);
        peek.result.map_err(|_| Failure::ExpansionLimit(used))?;
        self.emitted = frame.can_collect();
        if last == 1 {
            (self.frame, self.emitted) = (None, 0);
            self.any = true;
            self.at = if self.checksum {
                At::Skip(4)
            } else {
                At::Header
            };
            self.reservation.resize(self.memory(), self.limit);
            return Ok(());
        }
        if self.emitted > self.window.saturating_add(self.window.max(2 * BLOCK)) {
            self.rebase().ok_or(Failure::Broken(used))?;
        }
        if self.reservation.resize(self.memory(), self.limit) {
            Ok(())
        } else {
            Err(Failure::OverBudget(used))
        }
    }

    /// Empties the frame's buffer except for its last window.
    fn rebase(&mut self) -> Option<()> {
        let frame = self.frame.as_mut()?;
        let all = frame.collect()?;
        let window = all.get(all.len().saturating_sub(self.window)..)?;
        let mut block = Vec::with_capacity(BLOCK.saturating_add(3));
        for raw in window.chunks(BLOCK.min(self.window).max(1)) {
            let [a, b, c, _] = u32::try_from(raw.len()).ok()?.wrapping_shl(3).to_le_bytes();
            block.clear();
            block.extend_from_slice(&[a, b, c]);
            block.extend_from_slice(raw);
            frame
                .decode_blocks(block.as_slice(), BlockDecodingStrategy::UptoBlocks(1))
                .ok()?;
        }
        self.emitted = frame.can_collect();
        Some(())
    }

    /// Allocates space for an element of `needed` bytes, if the budget allows it.
    fn reserve(&mut self, needed: usize) -> Option<()> {
        if needed > self.element.capacity() {
            let more = needed.saturating_sub(self.element.capacity());
            let sum = self.memory().saturating_add(more);
            if !self.reservation.resize(sum, self.limit) {
                return None;
            }
            let lacking = needed.saturating_sub(self.element.len());
            self.element.reserve_exact(lacking);
        }
        Some(())
    }

    /// Estimates the allocated memory: the frame's buffer, which grows by doubling, literals and
    /// sequences of a block, and the element.
    fn memory(&self) -> usize {
        let buffer = self.emitted.next_power_of_two();
        let block = self.emitted.min(BLOCK).saturating_mul(4);
        [TABLES, buffer, block, self.element.capacity()]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// The window size of a frame that was accepted, from its header (RFC 8878 section 3.1.1.1.2).
fn window(header: &[u8]) -> Option<usize> {
    let [_, _, _, _, descriptor, rest @ ..] = header else {
        return None;
    };
    if descriptor & 0x20 == 0 {
        let byte = rest.first()?;
        let base = 1_usize.checked_shl(u32::from(byte >> 3).checked_add(10)?)?;
        let eighths = (base >> 3).checked_mul(usize::from(byte & 7))?;
        return base.checked_add(eighths);
    }
    // The content size is in the last bytes of the header.
    let (len, more) = match descriptor >> 6 {
        0 => (1, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let size = rest.get(rest.len().checked_sub(len)?..)?;
    let size = size.iter().rev().try_fold(0_usize, |sum, byte| {
        Some(sum.checked_mul(256)? | usize::from(*byte))
    })?;
    size.checked_add(more)
}

impl Decoder for Zstd {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        let mut used = 0_usize;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if let At::Skip(left) = self.at {
                let skipped = (left as usize).min(rest.len());
                used = used.saturating_add(skipped);
                let left = left.saturating_sub(skipped as u32);
                if left > 0 {
                    self.at = At::Skip(left);
                    return Ok(());
                }
                self.at = At::Header;
                continue;
            }
            let needed = self.needed().ok_or(Failure::Broken(used))?;
            let lacking = needed.saturating_sub(self.element.len());
            if lacking == 0 {
                match self.at {
                    At::Header => self.header().ok_or(Failure::Broken(used))?,
                    _ => self.block(used, sink)?,
                }
                continue;
            }
            self.reserve(needed).ok_or(Failure::OverBudget(used))?;
            let there = rest.get(..lacking.min(rest.len())).unwrap_or_default();
            self.element.extend_from_slice(there);
            used = used.saturating_add(there.len());
            if there.len() < lacking {
                return Ok(());
            }
        }
    }

    fn held(&self) -> &[u8] {
        &self.element
    }

    fn is_done(&self) -> bool {
        self.any && self.element.is_empty() && self.at != At::Block
    }

    fn reserved(&self) -> usize {
        self.reservation.bytes()
    }
}

/// Passes on the output after the first `skip` bytes, and removes none of it.
struct Peek<'p> {
    skip: usize,
    sink: Sink<'p>,
    result: Result<(), ExpansionLimit>,
}

impl Write for Peek<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fresh = bytes.get(self.skip..).unwrap_or_default();
        self.result = (self.sink)(fresh);
        Err(io::ErrorKind::Other.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

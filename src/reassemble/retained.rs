//! The tail: bytes of a stream that are delivered, kept for a while so that a later copy of them
//! can be compared.
//!
//! Bytes that the receiver acknowledged cannot be replaced any more, so what is not acknowledged is
//! kept, up to a bound, and a little in front of it as context.

use std::ops::Range;

use crate::flow::Direction;

/// The last delivered bytes of one direction; the last of them stands in front of the next offset.
#[derive(Default)]
pub(super) struct Retained {
    bytes: Vec<u8>,
    /// Bytes behind these that were delivered and lie where they were read; and how many of the
    /// first of them were forgotten since.
    fresh: u32,
    void: u32,
}

/// The buffers of all tails.
#[derive(Default)]
pub(super) struct Tails {
    /// Delivered bytes that were not copied yet, of all directions, in their order.
    pub(super) fresh: Vec<Fresh>,
    /// Buffers not in use.
    spare: Vec<Vec<u8>>,
    /// Bytes of the buffers in use.
    pub(super) size: usize,
}

/// Delivered bytes that lie in a block of a file, which is still there.
pub(super) struct Fresh {
    /// Slot and id of their flow, and their direction.
    pub(super) flow: (u32, u64),
    pub(super) dir: Direction,
    /// Where in the block they are.
    pub(super) at: Range<usize>,
}

/// Where in `block` these bytes are, if they are.
pub(super) fn place(block: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes.as_ptr().addr().checked_sub(block.as_ptr().addr())?;
    let end = start.checked_add(bytes.len())?;
    (end <= block.len()).then_some(start..end)
}

/// Bytes of context kept in front of what is not acknowledged.
pub(super) const CONTEXT: usize = 4 << 10;
/// Bytes that are not acknowledged and kept, of one direction.
const MOST: usize = 64 << 10;
/// A buffer that is used again is not larger.
const SPARE_SIZE: usize = 16 << 10;
/// Buffers that wait to be used again.
const SPARES: usize = 64;

/// How much of a tail counts, when so many of its last bytes are not acknowledged.
fn counts(open: u64) -> usize {
    usize::try_from(open).unwrap_or(MOST).clamp(CONTEXT, MOST)
}

impl Retained {
    /// The bytes that count; `open` is how many of all are not acknowledged.
    pub(super) fn bytes(&self, open: u64) -> &[u8] {
        debug_assert!(self.fresh == 0, "what was lent is settled first");
        let from = self.bytes.len().saturating_sub(counts(open));
        self.bytes.get(from..).unwrap_or_default()
    }

    /// Note that bytes were delivered which are kept where they are until [`Self::settle`].
    pub(super) fn defer_copy(&mut self, len: usize) {
        self.fresh += len as u32;
    }

    /// Copy the first bytes that were lent, if they count; `open` is how many of all are not
    /// acknowledged.
    pub(super) fn settle(&mut self, bytes: &[u8], open: u64, tails: &mut Tails) {
        let len = bytes.len() as u32;
        self.fresh = self.fresh.saturating_sub(len);
        if self.void > 0 {
            self.void = self.void.saturating_sub(len);
        } else if self.fresh as usize >= counts(open) {
            self.bytes.clear();
        } else {
            self.push(bytes, open, tails);
        }
    }

    /// Add delivered bytes; `open` is how many of all are not acknowledged.
    pub(super) fn push(&mut self, bytes: &[u8], open: u64, tails: &mut Tails) {
        let before = self.bytes.capacity();
        if before == 0 {
            self.bytes = tails.spare.pop().unwrap_or_default();
        }
        let keep = counts(open);
        let (len, capacity) = (self.bytes.len() + bytes.len(), self.bytes.capacity());
        let spare = len.saturating_sub(keep).min(self.bytes.len());
        if len > capacity && capacity >= 2 * CONTEXT && spare >= capacity / 4 {
            // A quarter of the buffer or nothing, so that each byte is moved a few times at the
            // most; else it grows.
            self.bytes.drain(..spare);
        }
        let bytes = bytes
            .get(bytes.len().saturating_sub(2 * MOST)..)
            .unwrap_or_default();
        self.bytes.extend_from_slice(bytes);
        tails.size = tails.size - before + self.bytes.capacity();
    }

    /// Give the buffer back, and forget what was lent.
    pub(super) fn release(&mut self, tails: &mut Tails) {
        self.void = self.fresh;
        if self.bytes.capacity() == 0 {
            return;
        }
        let mut bytes = std::mem::take(&mut self.bytes);
        tails.size -= bytes.capacity();
        if tails.spare.len() < SPARES && (1..=SPARE_SIZE).contains(&bytes.capacity()) {
            bytes.clear();
            tails.spare.push(bytes);
        }
    }
}

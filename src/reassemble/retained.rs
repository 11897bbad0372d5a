//! Delivered bytes of a stream, retained so that a later copy of them can be compared. The retained
//! size of a direction is bounded.
//!
//! Acknowledged bytes cannot be replaced any more. So only bytes that are not acknowledged are
//! retained, and some bytes before them as context.

use std::ops::Range;

use crate::flow::Direction;

/// The last delivered bytes of one direction. The last of them precedes the next offset.
#[derive(Default)]
pub(super) struct Retained {
    bytes: Vec<u8>,
    /// Bytes delivered after `bytes` that still lie in their block; and how many of the first of
    /// them were released since.
    fresh: u32,
    void: u32,
}

/// The buffers of all tails.
#[derive(Default)]
pub(super) struct Tails {
    /// Delivered bytes that were not copied yet, of all directions, in order of delivery.
    pub(super) fresh: Vec<Fresh>,
    /// Buffers not in use.
    spare: Vec<Vec<u8>>,
    /// Bytes of the buffers in use.
    pub(super) size: usize,
}

/// Delivered bytes in a block of a file that is still in memory.
pub(super) struct Fresh {
    /// Slot and id of their flow, and their direction.
    pub(super) flow: (u32, u64),
    pub(super) dir: Direction,
    /// Their range in the block.
    pub(super) at: Range<usize>,
}

/// The range of `bytes` in `block`, if they lie in it.
pub(super) fn place(block: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes.as_ptr().addr().checked_sub(block.as_ptr().addr())?;
    let end = start.checked_add(bytes.len())?;
    (end <= block.len()).then_some(start..end)
}

/// Bytes of context retained before the first byte that is not acknowledged.
pub(super) const CONTEXT: usize = 4 << 10;
/// Unacknowledged bytes that are retained of one direction, at most.
const MOST: usize = 64 << 10;
/// Capacity of a buffer that is reused, at most.
const SPARE_SIZE: usize = 16 << 10;
/// Buffers kept for reuse, at most.
const SPARES: usize = 64;

/// Bytes to retain if the last `open` bytes are not acknowledged.
fn counts(open: u64) -> usize {
    usize::try_from(open).unwrap_or(MOST).clamp(CONTEXT, MOST)
}

impl Retained {
    /// The retained bytes; `open` is the number of unacknowledged bytes.
    pub(super) fn bytes(&self, open: u64) -> &[u8] {
        debug_assert!(self.fresh == 0, "what was lent is settled first");
        let from = self.bytes.len().saturating_sub(counts(open));
        self.bytes.get(from..).unwrap_or_default()
    }

    /// Records that bytes were delivered which stay in their block until [`Self::settle`].
    pub(super) fn defer_copy(&mut self, len: usize) {
        self.fresh += len as u32;
    }

    /// Copies the first bytes that were deferred, if they are to be retained; `open` is the number
    /// of unacknowledged bytes.
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

    /// Appends delivered bytes; `open` is the number of unacknowledged bytes.
    pub(super) fn push(&mut self, bytes: &[u8], open: u64, tails: &mut Tails) {
        let before = self.bytes.capacity();
        if before == 0 {
            self.bytes = tails.spare.pop().unwrap_or_default();
        }
        let keep = counts(open);
        let (len, capacity) = (self.bytes.len() + bytes.len(), self.bytes.capacity());
        let spare = len.saturating_sub(keep).min(self.bytes.len());
        if len > capacity && capacity >= 2 * CONTEXT && spare >= capacity / 4 {
            // Moves bytes only if a quarter of the buffer is free then, so that each byte is moved
            // a few times at most; otherwise the buffer grows.
            self.bytes.drain(..spare);
        }
        let bytes = bytes
            .get(bytes.len().saturating_sub(2 * MOST)..)
            .unwrap_or_default();
        self.bytes.extend_from_slice(bytes);
        tails.size = tails.size - before + self.bytes.capacity();
    }

    /// Returns the buffer for reuse, and drops deferred bytes.
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

//! The blocks of memory that hold remembered frames: blocks of a file, kept as read, and own
//! blocks, into which other frames are copied.
//!
//! A block is freed when none of its frames is remembered.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// Capacity of an own block in bytes.
const CAPACITY: usize = 256 << 10;

/// The position of a frame's bytes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Number of the block.
    pub(super) block: u64,
    /// 32 bits suffice, since a block is at most the largest record plus a read buffer. Compact,
    /// because many positions are kept.
    pub(super) start: u32,
    pub(super) len: u32,
}

/// The blocks in the order of their numbers.
#[derive(Default)]
pub(super) struct Blocks {
    full: VecDeque<Arc<Vec<u8>>>,
    /// The number of the first block.
    first: u64,
    /// The own block being filled. Its number follows that of the last full block.
    open: Vec<u8>,
    /// A freed block, for reuse.
    spare: Vec<u8>,
}

impl Blocks {
    /// Copies a frame into the open block.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Place {
        if self.open.len() + bytes.len() > CAPACITY {
            self.seal();
        }
        let (start, len) = (self.open.len() as u32, bytes.len() as u32);
        self.open.extend_from_slice(bytes);
        let block = self.first + self.full.len() as u64;
        Place { block, start, len }
    }

    /// Keeps a block and returns its number.
    pub(super) fn keep(&mut self, block: Arc<Vec<u8>>) -> u64 {
        self.seal();
        self.full.push_back(block);
        self.first + self.full.len() as u64 - 1
    }

    /// The bytes at a position in a block that is still kept.
    pub(super) fn bytes(&self, place: Place) -> &[u8] {
        let (start, len) = (place.start as usize, place.len as usize);
        let at = place.block.checked_sub(self.first);
        let block = at.and_then(|at| match self.full.get(at as usize) {
            Some(block) => Some(&**block),
            None => (at == self.full.len() as u64).then_some(&self.open),
        });
        let bytes = block.and_then(|block| block.get(start..start + len));
        debug_assert!(bytes.is_some(), "what is remembered is there");
        bytes.unwrap_or_default()
    }

    /// Frees the blocks before block `number`, which contains the oldest remembered frame. Later
    /// frames are in no earlier block.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first < number
            && let Some(block) = self.full.pop_front()
        {
            self.first += 1;
            if let Ok(buffer) = Arc::try_unwrap(block) {
                self.spare = buffer;
            }
        }
    }

    /// A freed buffer for reuse; empty if there is none or it is unusually large.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        let buffer = mem::take(&mut self.spare);
        match buffer.capacity() <= 2 * CAPACITY {
            true => buffer,
            false => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.full.len()
    }

    /// Closes the open block and opens another one.
    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut buffer = self.spare();
        buffer.clear();
        buffer.reserve(CAPACITY);
        let mut full = mem::replace(&mut self.open, buffer);
        // Not if it is nearly full, because shrinking copies it.
        if full.len() < full.capacity() / 4 * 3 {
            full.shrink_to_fit();
        }
        self.full.push_back(Arc::new(full));
    }
}

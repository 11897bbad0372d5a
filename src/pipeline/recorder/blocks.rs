//! The blocks of memory that remembered frames lie in: those of a file, kept as they were read, and own ones, which frames that lie
//! elsewhere are copied into. A block goes when no frame in it is remembered.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// Bytes of an own block.
const ROOM: usize = 256 << 10;

/// Where a frame's bytes are.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Number of the block.
    pub(super) block: u64,
    pub(super) start: usize,
    pub(super) len: usize,
}

/// The blocks, in the order of their numbers.
#[derive(Default)]
pub(super) struct Blocks {
    full: VecDeque<Arc<Vec<u8>>>,
    /// Number of the first of them.
    first: u64,
    /// The own one that is being filled; its number is the one behind the last of the full ones.
    open: Vec<u8>,
    /// One that went, to be used again.
    spare: Vec<u8>,
}

impl Blocks {
    /// Copy a frame.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Place {
        if self.open.len() + bytes.len() > ROOM {
            self.fill();
        }
        let (start, len) = (self.open.len(), bytes.len());
        self.open.extend_from_slice(bytes);
        let block = self.first + self.full.len() as u64;
        Place { block, start, len }
    }

    /// Keep a block; gives its number.
    pub(super) fn keep(&mut self, block: Arc<Vec<u8>>) -> u64 {
        self.fill();
        self.full.push_back(block);
        self.first + self.full.len() as u64 - 1
    }

    /// The bytes of a place in a block that is still there.
    pub(super) fn bytes(&self, place: Place) -> &[u8] {
        let at = usize::try_from(place.block.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let block = self.full.get(at).map_or(&self.open, |block| block);
        let bytes = block.get(place.start..place.start + place.len);
        debug_assert!(bytes.is_some(), "what is remembered is there");
        bytes.unwrap_or_default()
    }

    /// Let the blocks in front of the one with this number go.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first < number
            && let Some(block) = self.full.pop_front()
        {
            self.first += 1;
            if let Ok(memory) = Arc::try_unwrap(block) {
                self.spare = memory;
            }
        }
    }

    /// The memory of a block that went, if there is one.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        mem::take(&mut self.spare)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.full.len()
    }

    /// The open block is full enough.
    fn fill(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut memory = self.spare();
        memory.clear();
        memory.reserve(ROOM);
        let full = mem::replace(&mut self.open, memory);
        self.full.push_back(Arc::new(full));
    }
}

//! The blocks of memory that remembered frames lie in: those of a file, kept as they were read, and
//! own ones, which frames that lie elsewhere are copied into. A block goes when no frame in it is
//! remembered.

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
    /// Small numbers, as no block is as large as the largest record and a read buffer: many places
    /// are remembered.
    pub(super) start: u32,
    pub(super) len: u32,
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
            self.seal();
        }
        let (start, len) = (self.open.len() as u32, bytes.len() as u32);
        self.open.extend_from_slice(bytes);
        let block = self.first + self.full.len() as u64;
        Place { block, start, len }
    }

    /// Keep a block; gives its number.
    pub(super) fn keep(&mut self, block: Arc<Vec<u8>>) -> u64 {
        self.seal();
        self.full.push_back(block);
        self.first + self.full.len() as u64 - 1
    }

    /// The bytes of a place in a block that is still there.
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

    /// Let the blocks in front of the one with this number go, in which the oldest frame is: later
    /// ones are in no earlier block.
    pub(super) fn forget_before(&mut self, number: u64) {
        while self.first < number
            && let Some(block) = self.full.pop_front()
        {
            self.first += 1;
            if let Ok(flow_state) = Arc::try_unwrap(block) {
                self.spare = flow_state;
            }
        }
    }

    /// The memory of a block that went, if there is one and it is no larger than usual.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        let flow_state = mem::take(&mut self.spare);
        match flow_state.capacity() <= 2 * ROOM {
            true => flow_state,
            false => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.full.len()
    }

    /// Nothing more is copied into the open block: another one is opened.
    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut flow_state = self.spare();
        flow_state.clear();
        flow_state.reserve(ROOM);
        let mut full = mem::replace(&mut self.open, flow_state);
        // Not where it is nearly full: it is moved for that.
        if full.len() < full.capacity() / 4 * 3 {
            full.shrink_to_fit();
        }
        self.full.push_back(Arc::new(full));
    }
}

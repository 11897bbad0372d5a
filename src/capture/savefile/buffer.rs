//! The read buffer of a capture file. Frames are borrowed from it without a copy, and stay valid
//! until the buffer is refilled.

use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::input::Input;
use super::stretches::{LENGTH, MARGIN, Stretches};

/// Bytes read while only the file header is needed.
const HEAD: usize = if cfg!(test) { 32 } else { 4 << 10 };

/// A window on a capture file that only moves forward.
pub(super) struct Buffer {
    input: Input,
    /// The file's chunks, if another thread helps to read it.
    stretches: Option<Arc<Stretches>>,
    /// Memory for the unconsumed rest of a block until more of the file is read.
    small: Vec<u8>,
    bytes: Vec<u8>,
    /// Offset in `bytes` of the first byte that belongs to the file.
    first: usize,
    start: usize,
    end: usize,
    /// Unpacked bytes of the file before `bytes[first]`.
    before: u64,
    /// Whether the buffered bytes certainly lack the sought bytes.
    lacks: bool,
    ended: bool,
    /// Whether consumed bytes stay in place until they are taken with [`Self::exchange`].
    keeps: bool,
}

impl Buffer {
    /// Creates a small buffer, so that many files may be open at once.
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            stretches: None,
            small: Vec::new(),
            bytes: Vec::new(),
            first: 0,
            start: 0,
            end: 0,
            before: 0,
            lacks: false,
            ended: false,
            keeps: false,
        }
    }

    /// Whether consumed bytes are still in place.
    pub(super) fn has_consumed(&self) -> bool {
        self.start > self.first
    }

    /// Switches to [keeping](Self::keeps) consumed bytes, and to reading together with another
    /// thread if the file permits that.
    pub(super) fn share(&mut self, stretches: &Arc<Stretches>) {
        self.keeps = true;
        let file = self.input.plain().filter(|_| !self.ended);
        stretches.turn_to(file.cloned(), self.input.bytes_read());
        self.stretches = file.map(|_| Arc::clone(stretches));
    }

    /// The consumed bytes still in place, possibly preceded by unused bytes.
    pub(super) fn consumed(&self) -> &[u8] {
        &self.bytes[..self.start]
    }

    /// Whether they certainly lack the sought bytes.
    pub(super) fn lacks(&self) -> bool {
        self.lacks
    }

    /// Continues in other memory of full size. Returns the old memory, with the consumed bytes in
    /// place.
    pub(super) fn exchange(&mut self, memory: Vec<u8>) -> Vec<u8> {
        let left = &self.bytes[self.start..self.end];
        let mut next = memory;
        if let Some(stretches) = &self.stretches {
            // The next chunk has its own memory.
            stretches.give_back(next);
            next = mem::take(&mut self.small);
            next.clear();
            next.extend_from_slice(left);
        } else {
            let capacity = left.len().max(LENGTH);
            if next.is_empty() {
                // Fresh zeroed pages are not touched before they are read into.
                next = vec![0; capacity];
            } else if next.len() < capacity {
                next.resize(capacity, 0);
            }
            next[..left.len()].copy_from_slice(left);
        }
        self.before = self.position();
        (self.first, self.start, self.end) = (0, 0, left.len());
        mem::replace(&mut self.bytes, next)
    }

    /// Returns the memory for reuse by the next file.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// The underlying file.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The buffered bytes that are not consumed.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Offset of the window, for use with [`Self::slice`].
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Consumed bytes, which stay in place until the next [`Self::fill`].
    #[inline]
    pub(super) fn slice(&self, start: usize, length: usize) -> &[u8] {
        &self.bytes[start..start + length]
    }

    /// Number of unpacked bytes of the file consumed so far.
    pub(super) fn position(&self) -> u64 {
        self.before + (self.start - self.first) as u64
    }

    /// Moves the window forward by at most its length.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Whether the window holds `length` bytes, after [reading](Self::fill) more if necessary.
    #[inline]
    pub(super) fn holds(&mut self, length: usize) -> io::Result<bool> {
        Ok(self.window().len() >= length || self.fill(length)?)
    }

    /// Reads until the window holds `length` bytes; `false` if the file ends before.
    ///
    /// Moves the unconsumed bytes to the front first, which invalidates all borrowed offsets. A
    /// buffer that [keeps](Self::keeps) consumed bytes returns `WouldBlock` instead until they are
    /// taken.
    #[cold]
    pub(super) fn fill(&mut self, length: usize) -> io::Result<bool> {
        if self.keeps && self.has_consumed() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.stretches.is_some() {
            return self.fill_together(length);
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.before = self.position();
            (self.first, self.start, self.end) = (0, 0, self.end - self.start);
        }
        if self.bytes.len() < length.max(HEAD) {
            self.bytes.resize(length.max(HEAD), 0);
        }
        while self.end < length {
            if self.ended {
                return Ok(false);
            }
            match self.input.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The same with chunks that this thread or the other one has read.
    fn fill_together(&mut self, length: usize) -> io::Result<bool> {
        while self.window().len() < length
            && !self.ended
            && let Some(stretches) = &self.stretches
        {
            let mut stretch = stretches.next()?;
            self.input.passed(stretch.length);
            self.ended = stretch.length == 0;
            let left = &self.bytes[self.start..self.end];
            let come = stretch.bytes();
            self.lacks = stretches.lack([left, come], [self.lacks, stretch.lacks]);
            if let Some(start) = MARGIN.checked_sub(left.len())
                && !self.ended
            {
                // Put the unconsumed bytes before the chunk: they are usually fewer than the
                // chunk's.
                stretch.memory[start..MARGIN].copy_from_slice(left);
                self.before = self.position();
                (self.first, self.start, self.end) = (start, start, MARGIN + stretch.length);
                self.small = mem::replace(&mut self.bytes, stretch.memory);
            } else {
                // Reserve only what is needed: the memory may be kept for long.
                let more = (length - left.len()).max(come.len());
                self.bytes.truncate(self.end);
                self.bytes.reserve_exact(more);
                self.bytes.extend_from_slice(come);
                self.end = self.bytes.len();
                stretches.give_back(stretch.memory);
            }
        }
        Ok(self.window().len() >= length)
    }
}

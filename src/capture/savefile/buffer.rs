//! The read buffer: frames are lent out of it where they lie.

use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::input::Input;
use super::stretches::{LENGTH, MARGIN, Stretches};

/// Bytes asked for while only the header is wanted.
const HEAD: usize = if cfg!(test) { 32 } else { 4 << 10 };

/// A window on a capture file that only moves forward.
pub(super) struct Buffer {
    input: Input,
    /// The file, where it is read together with another thread.
    stretches: Option<Arc<Stretches>>,
    /// Memory for what is left of a block until more of the file comes.
    small: Vec<u8>,
    bytes: Vec<u8>,
    /// The first byte that is of the file.
    first: usize,
    start: usize,
    end: usize,
    /// Unpacked bytes of the file before `bytes[first]`.
    before: u64,
    /// What is here certainly lacks what is sought.
    lacks: bool,
    ended: bool,
    /// What is consumed stays in its place until it is taken with [`Self::exchange`].
    keeps: bool,
}

impl Buffer {
    /// Small at first, so that many files may be open and waiting.
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

    /// Whether something was consumed that is still in its place.
    pub(super) fn has_consumed(&self) -> bool {
        self.start > self.first
    }

    /// [Keep](Self::keeps) what is consumed, and read on together with another thread, where this
    /// is a file for that.
    pub(super) fn share(&mut self, stretches: &Arc<Stretches>) {
        self.keeps = true;
        let file = self.input.plain().filter(|_| !self.ended);
        stretches.turn_to(file.cloned(), self.input.bytes_read());
        self.stretches = file.map(|_| Arc::clone(stretches));
    }

    /// All that was consumed and is still in its place, perhaps with something in front of it.
    pub(super) fn consumed(&self) -> &[u8] {
        &self.bytes[..self.start]
    }

    /// Whether that certainly lacks what is sought.
    pub(super) fn lacks(&self) -> bool {
        self.lacks
    }

    /// Go on in other memory, of full size; gives the old one, with all that was consumed where it
    /// was.
    pub(super) fn exchange(&mut self, memory: Vec<u8>) -> Vec<u8> {
        let left = &self.bytes[self.start..self.end];
        let mut next = memory;
        if let Some(stretches) = &self.stretches {
            // What comes next brings its own.
            stretches.give_back(next);
            next = mem::take(&mut self.small);
            next.clear();
            next.extend_from_slice(left);
        } else {
            let room = left.len().max(LENGTH);
            if next.is_empty() {
                // The system's zeros: not written before they are read into.
                next = vec![0; room];
            } else if next.len() < room {
                next.resize(room, 0);
            }
            next[..left.len()].copy_from_slice(left);
        }
        self.before = self.position();
        (self.first, self.start, self.end) = (0, 0, left.len());
        mem::replace(&mut self.bytes, next)
    }

    /// The memory, for the next file.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// The file behind.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// What is here and not consumed.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the window starts; for [`Self::slice`].
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Consumed bytes, still in place until the next [`Self::fill`].
    #[inline]
    pub(super) fn slice(&self, start: usize, length: usize) -> &[u8] {
        &self.bytes[start..start + length]
    }

    /// Unpacked bytes of the file consumed so far.
    pub(super) fn position(&self) -> u64 {
        self.before + (self.start - self.first) as u64
    }

    /// Move the window forward, by no more than it holds.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Whether the window holds `length` bytes, after [reading on](Self::fill) if need be.
    #[inline]
    pub(super) fn holds(&mut self, length: usize) -> io::Result<bool> {
        Ok(self.window().len() >= length || self.fill(length)?)
    }

    /// Read until the window holds `length` bytes; `false` when the file ends before.
    ///
    /// Moves what is left to the front first: after this, nothing lent before is in its place. A
    /// buffer that [keeps](Self::keeps) what is consumed is silent instead until it is taken.
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

    /// The same with what this thread or the other one has read of the file.
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
                // Less is moved where what is left goes in front of what comes.
                stretch.memory[start..MARGIN].copy_from_slice(left);
                self.before = self.position();
                (self.first, self.start, self.end) = (start, start, MARGIN + stretch.length);
                self.small = mem::replace(&mut self.bytes, stretch.memory);
            } else {
                // Not more than is needed: it may be kept for long.
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

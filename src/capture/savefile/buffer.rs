//! A large buffer in front of a reader: bytes are looked at where they lie.

use std::io::{self, Cursor, Read};
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::limits::RECORD_BYTES;

/// Bytes read ahead of what is done.
pub(super) struct Buffer {
    source: Origin,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes taken from the source.
    read: u64,
}

enum Origin {
    /// Reads do not wait for long.
    Ready(Box<dyn Read>),
    /// Reads may wait for ever (a pipe): it is asked first.
    Waiting(Box<dyn Waits>),
}

/// Something to read from that can be waited for.
pub(super) trait Waits: Read + AsFd {}
impl<T: Read + AsFd> Waits for T {}

/// What became of a wish for bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Got {
    /// They are there.
    Enough,
    /// Not yet.
    Nothing,
    /// They will never be.
    End,
}

/// Read at once, when there is that much.
const BLOCK: usize = 1 << 20;
/// Milliseconds to wait for a pipe.
const WAIT: u16 = 20;

impl Buffer {
    pub(super) fn new(source: Box<dyn Read>) -> Self {
        Self::of(Origin::Ready(source))
    }

    pub(super) fn waiting(source: impl Waits + 'static) -> Self {
        Self::of(Origin::Waiting(Box::new(source)))
    }

    fn of(source: Origin) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            read: 0,
        }
    }

    /// The bytes at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Be done with `len` bytes; says where they lie, for [`Self::at`], until the next call of [`Self::fill`].
    pub(super) fn consume(&mut self, len: usize) -> usize {
        let start = self.start;
        self.start = (start + len).min(self.end);
        start
    }

    /// Bytes by their place.
    pub(super) fn at(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// Bytes taken from the source.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Bytes that are done with.
    pub(super) fn done(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    /// Have at least `len` bytes at hand.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<Got> {
        let room = len.clamp(BLOCK, RECORD_BYTES + BLOCK);
        while self.end - self.start < len {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.bytes.len() < room {
                self.bytes.resize(room, 0);
            }
            let space = self.bytes.get_mut(self.end..).unwrap_or_default();
            let got = match &mut self.source {
                Origin::Ready(source) => source.read(space),
                Origin::Waiting(source) => {
                    if !is_readable(source.as_fd()) {
                        return Ok(Got::Nothing);
                    }
                    source.read(space)
                }
            };
            match got {
                Ok(0) => return Ok(Got::End),
                Ok(got) => {
                    self.end += got;
                    self.read += got as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Ok(Got::Nothing);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Got::Enough)
    }

    /// Give the source back, with the bytes at hand in front.
    pub(super) fn into_read(self) -> Box<dyn Read> {
        let first = Cursor::new(self.bytes().to_vec());
        match self.source {
            Origin::Ready(source) => Box::new(first.chain(source)),
            Origin::Waiting(source) => Box::new(first.chain(source)),
        }
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(WAIT)).is_ok_and(|ready| ready > 0)
}

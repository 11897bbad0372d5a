//! The bytes of one capture file, unpacked: a regular file, a pipe or standard input; plain, gzip
//! or zstd. A read blocks for at most [`PATIENCE_MS`], except on the disk.
//!
//! A regular file is read directly. Any other input may be silent for hours, so it is polled with a
//! time limit first. If it is silent, the read fails with [`io::ErrorKind::WouldBlock`], and can be
//! repeated later.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::zstd;

/// Maximum time to wait for a silent pipe, in milliseconds.
const PATIENCE_MS: u8 = 20;

/// The readable side of a capture file.
pub(super) struct Input {
    stage: Stage,
    /// Compressed bytes read from the file, shared with the innermost reader.
    read: Arc<AtomicU64>,
    /// Size of a regular file.
    pub(super) total: Option<u64>,
    /// Whether the file is compressed.
    pub(super) packed: bool,
    /// The file itself, if it is a regular one that is read from its beginning.
    file: Option<Arc<File>>,
}

enum Stage {
    /// The first bytes, which identify the compression, have not all arrived.
    Sniffing {
        first: Vec<u8>,
        rest: Box<dyn Read + Send>,
    },
    Reading(Box<dyn Read + Send>),
    /// Placeholder while one stage replaces another.
    Between,
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let standard = path == Path::new("-");
        let file = if standard {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open(path)?
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let read = Arc::new(AtomicU64::new(0));
        let total = metadata.is_file().then_some(metadata.len());
        let counted = Arc::clone(&read);
        let mut regular = None;
        let reader: Box<dyn Read + Send> = if metadata.is_file() {
            let file = Arc::new(file);
            // Standard input may be at any offset, and its other owner may continue to read it.
            regular = (!standard).then(|| Arc::clone(&file));
            Box::new(Counted {
                reader: file,
                counted,
            })
        } else {
            Box::new(Counted {
                reader: RetryRead { file, dry: false },
                counted,
            })
        };
        Ok(Self {
            stage: Stage::Sniffing {
                first: Vec::new(),
                rest: reader,
            },
            read,
            total,
            packed: false,
            file: regular,
        })
    }

    /// Creates an input from any reader.
    #[cfg(test)]
    pub(super) fn from_reader(reader: impl Read + Send + 'static) -> Self {
        let stage = Stage::Sniffing {
            first: Vec::new(),
            rest: Box::new(reader),
        };
        Self {
            stage,
            read: Arc::default(),
            total: None,
            packed: false,
            file: None,
        }
    }

    /// Bytes read from the file so far, before unpacking.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The file, if it can be read independently of this reader, from [`Self::bytes_read`] on: a
    /// regular file that is not compressed. Valid after the first read.
    pub(super) fn plain(&self) -> Option<&Arc<File>> {
        let reading = matches!(self.stage, Stage::Reading(_)) && !self.packed;
        self.file.as_ref().filter(|_| reading)
    }

    /// Counts bytes that were read independently of this reader.
    pub(super) fn passed(&self, count: usize) {
        self.read.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Detects the compression.
    fn sniff(&mut self) -> io::Result<()> {
        let Stage::Sniffing { first, rest } = &mut self.stage else {
            return Ok(());
        };
        let mut chunk = [0; 4];
        while first.len() < chunk.len() {
            let missing = chunk.len() - first.len();
            match rest.read(&mut chunk[..missing])? {
                0 => break,
                count => first.extend_from_slice(&chunk[..count]),
            }
        }
        let packing = Packing::of(first);
        let Stage::Sniffing { first, rest } = std::mem::replace(&mut self.stage, Stage::Between)
        else {
            return Ok(());
        };
        let whole = Cursor::new(first).chain(rest);
        self.packed = packing.is_some();
        self.stage = Stage::Reading(match packing {
            None => Box::new(whole),
            Some(Packing::Gzip) => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                32 << 10,
                whole,
            ))),
            Some(Packing::Zstd) => Box::new(zstd::Decoder::new(BufReader::with_capacity(
                32 << 10,
                whole,
            ))),
        });
        Ok(())
    }
}

impl Read for Input {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if matches!(self.stage, Stage::Sniffing { .. }) {
            self.sniff()?;
        }
        match &mut self.stage {
            Stage::Reading(reader) => reader.read(target),
            _ => Ok(0),
        }
    }
}

/// Compression formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// Detects a format by its first four bytes: RFC 1952 (with deflate, its only method), or RFC
    /// 8878 (a frame, or a skippable one).
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A reader that counts bytes.
struct Counted<R> {
    reader: R,
    counted: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(target)?;
        self.counted.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Reads a pipe, a terminal or a socket. Waits for bytes for at most [`PATIENCE_MS`], and not at
/// all after a successful read, so that the results so far are shown first.
struct RetryRead {
    file: File,
    dry: bool,
}

impl Read for RetryRead {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        let patience = if self.dry { PATIENCE_MS } else { 0 };
        let ready = poll(&mut fds, PollTimeout::from(patience));
        self.dry = matches!(ready, Ok(0));
        match ready {
            Ok(0) | Err(Errno::EINTR) => Err(io::ErrorKind::WouldBlock.into()),
            Ok(_) => self.file.read(target),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_is_detected_by_the_first_bytes() {
        assert_eq!(Packing::of(&[0x1f, 0x8b, 8, 0]), Some(Packing::Gzip));
        assert_eq!(Packing::of(&[0x28, 0xb5, 0x2f, 0xfd]), Some(Packing::Zstd));
        assert_eq!(Packing::of(&[0x54, 0x2a, 0x4d, 0x18]), Some(Packing::Zstd));
        assert_eq!(Packing::of(&[0xd4, 0xc3, 0xb2, 0xa1]), None);
        assert_eq!(Packing::of(&[0x1f]), None);
    }

    #[test]
    fn a_silent_pipe_would_block_and_then_goes_on() {
        use std::io::Write;
        use std::os::fd::OwnedFd;
        let (reader, mut writer) = io::pipe().unwrap();
        let file = File::from(OwnedFd::from(reader));
        let mut patient = RetryRead { file, dry: false };
        let mut bytes = [0; 8];
        assert_eq!(
            patient.read(&mut bytes).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        writer.write_all(b"abc").unwrap();
        assert_eq!(patient.read(&mut bytes).unwrap(), 3);
        drop(writer);
        assert_eq!(patient.read(&mut bytes).unwrap(), 0);
    }
}

//! Bytes of one capture file, unpacked: a regular file, a pipe or standard input, plain, gzip or
//! zstd.
//!
//! A regular file is read as it comes. Anything else may be silent for hours, so it is asked with a
//! time limit first, and a silent one is an error of kind [`io::ErrorKind::WouldBlock`], after
//! which reading simply goes on with the next call.

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

/// How long a silent pipe is waited for.
const PATIENCE_MS: u8 = 20;

/// The readable side of a capture file.
pub(super) struct Input {
    stage: Stage,
    /// Compressed bytes taken from the file, shared with the reader at the bottom.
    read: Arc<AtomicU64>,
    /// Size of a regular file.
    pub(super) total: Option<u64>,
    /// Whether what is read had to be unpacked.
    pub(super) packed: bool,
    /// The file itself, if it is a regular one, which is read from its beginning.
    file: Option<Arc<File>>,
}

enum Stage {
    /// The first bytes, which say how the file is packed, are not all here.
    Sniffing {
        first: Vec<u8>,
        rest: Box<dyn Read + Send>,
    },
    Reading(Box<dyn Read + Send>),
    /// Only while one stage becomes the other.
    Between,
}

impl Input {
    /// Open a file; `-` is standard input.
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
            // Standard input may begin anywhere, and who gave it may read on behind us.
            regular = (!standard).then(|| Arc::clone(&file));
            Box::new(Counted {
                reader: file,
                counted,
            })
        } else {
            Box::new(Counted {
                reader: Patient { file, dry: false },
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

    /// From any reader.
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

    /// Bytes taken from the file so far, before unpacking.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The file, where it can be read on without this, from [`Self::bytes_read`] on: it is a
    /// regular one and not packed, as far as is known once it was read from.
    pub(super) fn plain(&self) -> Option<&Arc<File>> {
        let reading = matches!(self.stage, Stage::Reading(_)) && !self.packed;
        self.file.as_ref().filter(|_| reading)
    }

    /// So many bytes were read without this.
    pub(super) fn passed(&self, count: usize) {
        self.read.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Find out how the file is packed.
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

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first four bytes: RFC 1952 (with deflate, its only method) and RFC 8878 (a frame, or
    /// one to be skipped).
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Counts what passes.
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

/// A pipe, a terminal or a socket: waits for bytes for [`PATIENCE_MS`] at most, and not at all when
/// it has just become dry, so that what was gathered until then can be shown first.
struct Patient {
    file: File,
    dry: bool,
}

impl Read for Patient {
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
    fn packing_is_told_by_the_first_bytes() {
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
        let mut patient = Patient { file, dry: false };
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

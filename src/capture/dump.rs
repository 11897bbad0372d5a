//! Writing capture files, for `-O`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::frame::{Frame, LinkType};

/// The format of a capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Classic pcap with microseconds: what ngrep writes. One link type.
    Microseconds,
    /// Classic pcap with nanoseconds. One link type.
    Nanoseconds,
    /// pcapng, with any number of link types.
    Next,
}

/// A capture file that is being written. Frames are whole in it after each [`Self::flush`].
pub struct Dump {
    out: Box<dyn Write>,
    format: Format,
    links: Vec<LinkType>,
    refused: u64,
    record: Vec<u8>,
}

impl Dump {
    /// Write to `out`; the header is written with the first frame, whose link type it names, or by [`Self::finish`].
    #[must_use]
    pub fn new(out: Box<dyn Write>, format: Format) -> Self {
        Self {
            out,
            format,
            links: Vec::new(),
            refused: 0,
            record: Vec::new(),
        }
    }

    /// Create a file for payload: 0600, not through a symbolic link, emptied.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(path)
    }

    /// Write the file's header, for frames of `link`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, link: LinkType) -> io::Result<()> {
        if !self.links.is_empty() {
            return Ok(());
        }
        self.record.clear();
        match self.format {
            Format::Microseconds | Format::Nanoseconds => {
                let magic: u32 = if self.format == Format::Nanoseconds {
                    0xa1b2_3c4d
                } else {
                    0xa1b2_c3d4
                };
                for field in [magic, 0x0004_0002, 0, 0, 262_144, link.0] {
                    self.record.extend(field.to_le_bytes());
                }
                self.links.push(link);
            }
            Format::Next => {
                for field in [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28] {
                    self.record.extend(field.to_le_bytes());
                }
                self.interface(link);
            }
        }
        self.out.write_all(&self.record)
    }

    /// Write a frame.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.begin(frame.link)?;
        self.record.clear();
        let known = self.links.iter().position(|link| *link == frame.link);
        let (len, wire_len) = (frame.bytes.len() as u32, frame.wire_len);
        match (self.format, known) {
            (Format::Next, known) => {
                let interface = known.unwrap_or_else(|| {
                    self.interface(frame.link);
                    self.links.len() - 1
                });
                let padding = frame.bytes.len().next_multiple_of(4) - frame.bytes.len();
                let total = 32 + len + padding as u32;
                let ts = frame.ts.nanos() as u64;
                for field in [
                    6,
                    total,
                    interface as u32,
                    (ts >> 32) as u32,
                    ts as u32,
                    len,
                    wire_len,
                ] {
                    self.record.extend(field.to_le_bytes());
                }
                self.record.extend_from_slice(frame.bytes);
                self.record.extend_from_slice(&[0; 3][..padding]);
                self.record.extend(total.to_le_bytes());
            }
            (_, None) => {
                self.refused += 1;
                return Ok(());
            }
            (format, Some(_)) => {
                let nanos = frame.ts.subsec_nanos();
                let fraction = if format == Format::Nanoseconds {
                    nanos
                } else {
                    nanos / 1000
                };
                for field in [frame.ts.seconds() as u32, fraction, len, wire_len] {
                    self.record.extend(field.to_le_bytes());
                }
                self.record.extend_from_slice(frame.bytes);
            }
        }
        // One write a record: a reader of the file never sees half a one for long.
        self.out.write_all(&self.record)
    }

    /// Make all written frames visible.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Frames that could not stand in the file, being of another link type than its first.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Put an interface block (nanoseconds) into the record.
    fn interface(&mut self, link: LinkType) {
        self.links.push(link);
        for field in [1_u32, 32, link.0, 262_144] {
            self.record.extend(field.to_le_bytes());
        }
        // if_tsresol = 9, end of options, length
        self.record.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        self.record.extend(32_u32.to_le_bytes());
    }
}

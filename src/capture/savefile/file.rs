//! One capture file: detects its format and reads its records. Any bytes give records, a damage
//! report or an error.

use std::io;
use std::path::{Path, PathBuf};

use super::buffer::Buffer;
use super::input::Input;
use super::{Damage, Interfaces, Record, Step, pcap, pcapng};
use crate::capture::{CaptureError, FormatError};

/// An open file.
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    /// Its number among the files of the run, from 1.
    pub(super) number: usize,
    pub(super) buffer: Buffer,
    /// `None` until the first bytes have arrived.
    pub(super) format: Option<Format>,
    pub(super) frames: u64,
}

pub(super) enum Format {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
}

impl OpenFile {
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let input = Input::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::IsADirectory => CaptureError::NotACapture {
                path: path.to_owned(),
                what: FormatError::Directory,
            },
            _ => CaptureError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        let regular = input.total.is_some();
        let mut file = Self::of(path, input);
        if regular {
            file.recognise()?;
        }
        Ok(file)
    }

    pub(super) fn of(path: &Path, input: Input) -> Self {
        Self {
            path: path.to_owned(),
            number: 1,
            buffer: Buffer::new(input),
            format: None,
            frames: 0,
        }
    }

    /// Detects the format; `false` while the first bytes have not arrived.
    pub(super) fn recognise(&mut self) -> Result<bool, CaptureError> {
        match self.format() {
            Ok(Ok(format)) => {
                self.format = Some(format);
                Ok(true)
            }
            Ok(Err(what)) => Err(CaptureError::NotACapture {
                path: self.path.clone(),
                what,
            }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if self.is_packing(&error) => Err(CaptureError::NotACapture {
                path: self.path.clone(),
                what: FormatError::Packed,
            }),
            Err(source) => Err(CaptureError::Io {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn format(&mut self) -> io::Result<Result<Format, FormatError>> {
        let buffer = &mut self.buffer;
        buffer.fill(4)?;
        if buffer.window().is_empty() {
            return Ok(Err(FormatError::Empty));
        }
        if buffer.window().starts_with(&pcapng::MAGIC) {
            if !buffer.fill(12)? {
                return Ok(Err(FormatError::Cut));
            }
            let known = pcapng::is_section(buffer.window());
            return Ok(if known {
                Ok(Format::Pcapng(pcapng::Reader::default()))
            } else {
                Err(FormatError::Unknown)
            });
        }
        if pcap::magic(buffer.window()).is_none() {
            buffer.fill(FOREIGN)?;
            return Ok(Err(stranger(buffer.window())));
        }
        buffer.fill(pcap::HEADER)?;
        let Some(header) = buffer.window().first_chunk() else {
            return Ok(Err(FormatError::Cut));
        };
        let reader = pcap::Reader::new(header);
        buffer.consume(pcap::HEADER);
        Ok(reader.map(Format::Pcap))
    }

    /// Fast path: the next record, if it is complete in the buffer and valid.
    #[inline]
    pub(super) fn at_hand(&mut self) -> Option<Record> {
        match &self.format {
            Some(Format::Pcap(reader)) => reader.at_hand(&mut self.buffer),
            _ => None,
        }
    }

    /// Reads one record or block, or returns why there is none.
    #[inline]
    pub(super) fn step(&mut self, interfaces: &mut Interfaces) -> Result<Step, CaptureError> {
        let path = &self.path;
        let step = match &mut self.format {
            Some(Format::Pcap(reader)) => reader.step(&mut self.buffer, |link, snaplen| {
                interfaces.number(path, None, link, snaplen)
            }),
            Some(Format::Pcapng(reader)) => reader.step(&mut self.buffer, |name, link, snaplen| {
                interfaces.number(path, name, link, snaplen)
            }),
            None => {
                return Ok(if self.recognise()? {
                    Step::Again
                } else {
                    Step::Wait
                });
            }
        };
        step.or_else(|error| self.failed(error))
    }

    #[cold]
    fn failed(&self, error: io::Error) -> Result<Step, CaptureError> {
        if error.kind() == io::ErrorKind::WouldBlock {
            Ok(Step::Wait)
        } else if self.is_packing(&error) {
            Ok(Step::Damaged(Damage::Packing))
        } else {
            Err(CaptureError::Io {
                path: self.path.clone(),
                source: error,
            })
        }
    }

    /// Whether an error comes from decompression and not from the disk.
    fn is_packing(&self, error: &io::Error) -> bool {
        self.buffer.input().packed && error.raw_os_error().is_none()
    }
}

/// Magic numbers of captures in formats of other programs, and their names.
const FOREIGN_MAGICS: [(&[u8], &str); 10] = [
    (b"snoop\0\0\0", "snoop (Solaris)"),
    (b"RTSS", "Microsoft Network Monitor"),
    (b"GMBU", "Microsoft Network Monitor"),
    (b"TRSNIFF data    \x1a", "the Sniffer"),
    (b"XCP\0", "NetXRay or the Windows Sniffer"),
    (b"\x7fver", "EtherPeek or OmniPeek"),
    (b"iptrace ", "iptrace (AIX)"),
    (b"btsnoop\0", "btsnoop (Bluetooth)"),
    (b"\x05VNF", "Visual Networks"),
    (b"\xc1\xb6\x84\x02", "CommView"),
];
/// Length of the longest of them in bytes.
const FOREIGN: usize = 17;

/// Classifies the first bytes of a file in an unsupported format.
pub(super) fn stranger(first: &[u8]) -> FormatError {
    let foreign = FOREIGN_MAGICS
        .iter()
        .find(|(magic, _)| first.starts_with(magic));
    match foreign {
        Some((_, name)) => FormatError::Foreign(name),
        None if first.is_empty() => FormatError::Empty,
        None if is_text(first) => FormatError::Text,
        None => FormatError::Unknown,
    }
}

/// Whether the first bytes are text: no control characters except white space. Bytes beyond ASCII
/// may be any language.
fn is_text(first: &[u8]) -> bool {
    first
        .iter()
        .take(512)
        .all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

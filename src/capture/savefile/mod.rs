//! Frames from capture files: pcap and pcapng, compressed or not, or standard input.
//!
//! Files are opened and their first bytes looked at before root is given up. Frames are lent in place from a large buffer.

mod buffer;
mod classic;
mod next;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::frame::{Frame, LinkType, Timestamp};
use crate::stats::CaptureStats;

use super::{CaptureError, Next, Source};
use buffer::{Buffer, Got};

/// Capture files, one after the other, as one run.
pub struct Savefiles {
    files: VecDeque<Savefile>,
    link: LinkType,
    frames: u64,
    /// Interfaces of the files that were read to their end.
    interfaces: u32,
    stats: CaptureStats,
    warnings: Vec<String>,
    total: Option<u64>,
    read: u64,
}

struct Savefile {
    path: PathBuf,
    buffer: Buffer,
    format: Format,
}

enum Format {
    Classic(classic::Classic),
    Next(next::Next),
}

/// What a format's reader found at the buffer's start.
enum Step {
    /// A record: where its bytes lie behind the buffer's start, and what it says. `len` bytes are done with it.
    Frame {
        from: usize,
        to: usize,
        len: usize,
        ts: Timestamp,
        interface: u32,
        link: LinkType,
        wire_len: u32,
    },
    /// Something else, of this length.
    Skip(usize),
    /// This many bytes are needed to say more.
    Need(usize),
    /// The file makes no sense from here on.
    Bad(&'static str),
}

/// How much of the files was read.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes read, as they lie on the disk.
    pub read: u64,
    /// Bytes of all files.
    pub total: u64,
}

impl Savefiles {
    /// Open files; `-` is standard input.
    ///
    /// # Errors
    /// When one of them cannot be read or is no capture.
    pub fn open(paths: &[PathBuf]) -> Result<Self, CaptureError> {
        let mut total = Some(0);
        let files = paths
            .iter()
            .map(|path| {
                let (file, size) = open(path)?;
                total = total.zip(size).map(|(total, size)| total + size);
                Ok(file)
            })
            .collect::<Result<VecDeque<_>, _>>()?;
        let link = files.front().map_or(LinkType::ETHERNET, Savefile::link);
        let (stats, warnings) = (CaptureStats::default(), Vec::new());
        Ok(Self {
            files,
            link,
            frames: 0,
            interfaces: 0,
            stats,
            warnings,
            total,
            read: 0,
        })
    }

    /// How far it is; unknown when standard input is among the files.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let current = self.files.front().map_or(0, |file| file.buffer.read());
        Some(Progress {
            read: self.read + current,
            total: self.total?,
        })
    }
}

impl Source for Savefiles {
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError> {
        let (from, to, ts, interface, link, wire_len) = loop {
            let Some(file) = self.files.front_mut() else {
                return Ok(Next::End);
            };
            let step = match &mut file.format {
                Format::Classic(classic) => classic.step(file.buffer.bytes()),
                Format::Next(next) => next.step(file.buffer.bytes(), &mut self.stats.bad_blocks),
            };
            let wrong = match step {
                Step::Frame {
                    from,
                    to,
                    len,
                    ts,
                    interface,
                    link,
                    wire_len,
                } => {
                    let start = file.buffer.consume(len);
                    break (
                        start + from,
                        start + to,
                        ts,
                        interface + self.interfaces,
                        link,
                        wire_len,
                    );
                }
                Step::Skip(len) => {
                    file.buffer.consume(len);
                    continue;
                }
                Step::Need(len) => match file.buffer.fill(len) {
                    Ok(Got::Enough) => continue,
                    Ok(Got::Nothing) => return Ok(Next::Idle),
                    Ok(Got::End) if file.buffer.bytes().is_empty() => None,
                    Ok(Got::End) => Some("it ends in the middle of a record".to_owned()),
                    Err(error) => Some(error.to_string()),
                },
                Step::Bad(what) => Some(what.to_owned()),
            };
            if let Some(wrong) = wrong {
                self.stats.cut_files += 1;
                let (path, at) = (file.path.display(), file.buffer.done());
                self.warnings.push(format!(
                    "{path}: {wrong} at byte {at}; everything before it was read"
                ));
            }
            if let Some(done) = self.files.pop_front() {
                self.read += done.buffer.read();
                self.interfaces += match done.format {
                    Format::Classic(_) => 1,
                    Format::Next(next) => next.interfaces(),
                };
            }
        };
        self.frames += 1;
        self.stats.frames += 1;
        let bytes = self
            .files
            .front()
            .map_or(&[][..], |file| file.buffer.at(from, to));
        Ok(Next::Frame(Frame {
            number: self.frames,
            ts,
            interface,
            link,
            wire_len,
            bytes,
        }))
    }

    fn stats(&mut self) -> CaptureStats {
        self.stats
    }

    fn link(&self) -> LinkType {
        self.link
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

impl Savefile {
    fn link(&self) -> LinkType {
        match &self.format {
            Format::Classic(classic) => classic.link(),
            Format::Next(_) => next::first_link(self.buffer.bytes()).unwrap_or(LinkType::ETHERNET),
        }
    }
}

/// Whether a file starts as a capture does, or as a compressed file.
#[must_use]
pub fn looks_like_capture(path: &Path) -> bool {
    let mut magic = [0; 4];
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file())
        || file.read_exact(&mut magic).is_err()
    {
        return false;
    }
    classic::is_magic(magic) || next::is_magic(magic) || is_gzip(&magic) || is_zstd(&magic)
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

fn is_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Open one file; its size when it is a regular one.
fn open(path: &Path) -> Result<(Savefile, Option<u64>), CaptureError> {
    let io_error = |source| CaptureError::Io {
        path: path.to_owned(),
        source,
    };
    let not = |what| CaptureError::NotACapture {
        path: path.to_owned(),
        what,
    };
    let (mut buffer, size) = if path == Path::new("-") {
        (Buffer::waiting(io::stdin()), None)
    } else {
        let file = File::open(path).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        if metadata.is_dir() {
            return Err(not("is a directory"));
        }
        match metadata.is_file() {
            true => (Buffer::new(Box::new(file)), Some(metadata.len())),
            false => (Buffer::waiting(file), None),
        }
    };
    let first = |buffer: &mut Buffer, len| loop {
        match buffer.fill(len) {
            Ok(Got::Nothing) => {}
            Ok(_) => break Ok(()),
            Err(error) => break Err(io_error(error)),
        }
    };
    first(&mut buffer, 4)?;
    if is_gzip(buffer.bytes()) {
        let raw = buffer.into_read();
        buffer = Buffer::new(Box::new(flate2::read::MultiGzDecoder::new(raw)));
    } else if is_zstd(buffer.bytes()) {
        let raw = buffer.into_read();
        let decoder = ruzstd::decoding::StreamingDecoder::new(raw)
            .map_err(|error| io_error(io::Error::other(error.to_string())))?;
        buffer = Buffer::new(Box::new(decoder));
    }
    first(&mut buffer, 24)?;
    let bytes = buffer.bytes();
    let file = if let Some(classic) = classic::Classic::new(bytes) {
        buffer.consume(classic::HEADER);
        Ok(Format::Classic(classic))
    } else if bytes
        .first_chunk()
        .is_some_and(|magic| next::is_magic(*magic))
    {
        first(&mut buffer, 4096)?;
        Ok(Format::Next(next::Next::default()))
    } else if bytes.is_empty() {
        Err(not("is empty"))
    } else if bytes
        .first_chunk()
        .is_some_and(|magic| classic::is_magic(*magic))
    {
        Err(not("ends inside of the file header"))
    } else if bytes
        .iter()
        .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    {
        Err(not("looks like text"))
    } else {
        Err(not("does not start like one"))
    };
    Ok((
        Savefile {
            path: path.to_owned(),
            buffer,
            format: file?,
        },
        size,
    ))
}

#[cfg(test)]
mod tests;

//! Capture files: pcap and pcapng, plain or compressed with gzip or zstd, from disk or from a pipe,
//! read in order as one run. A record never causes more memory use than [`limits`] allows.
//!
//! This reader replaces libpcap's: it is several times as fast, lends frames directly from the read
//! buffer, and reads files that libpcap rejects. A file that is damaged further on yields
//! everything before the damage and a [`Warning`], and the next file follows. A file that is not a
//! capture is an error, either on opening or, for a pipe, once its first bytes have arrived.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::frame::{Frame, LinkType, Timestamp};
use crate::frame_files::FrameFiles;
use crate::limits;
use crate::stats::CaptureStats;

use super::{CaptureError, FormatError, Interface, Next, Progress, Source, Warning};
use file::{Format, OpenFile};
use input::Packing;
pub use stretches::{Sought, Stretches};

mod buffer;
mod file;
mod input;
mod pcap;
mod pcapng;
mod stretches;
#[cfg(test)]
mod tests;
mod zstd;

/// Capture files, read one after the other. By default, none.
#[derive(Default)]
pub struct Savefiles {
    current: Option<OpenFile>,
    /// The files after the current one, in reverse order.
    waiting: Vec<OpenFile>,
    /// Which frames lie in which file.
    frame_files: FrameFiles,
    interfaces: Interfaces,
    stats: CaptureStats,
    warnings: Vec<Warning>,
    /// Compressed bytes of the files that are done.
    read_before: u64,
    /// Total size of all files, if all are regular ones.
    total: Option<u64>,
    /// Whether there were several files: an empty one among them is skipped.
    several: bool,
    /// If set, frames stay in place, and plain files are read together with another thread; see
    /// [`Self::share`].
    stretches: Option<Arc<Stretches>>,
}

impl Savefiles {
    /// Opens all files (`-` is standard input) and reads their first bytes. No file is opened
    /// later. If there are several, one that is [empty](CaptureError::is_of_nothing) gives a
    /// [`Warning`].
    ///
    /// # Errors
    /// A file cannot be opened, or is a regular file and not a capture; or all files are empty.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, CaptureError> {
        Self::make_room_for(paths.len());
        let several = paths.len() > 1;
        let (mut files, mut empty) = (Vec::with_capacity(paths.len()), Vec::new());
        for (at, path) in paths.iter().enumerate() {
            match OpenFile::open(path.as_ref()) {
                Err(error) if several && error.is_of_nothing() => empty.push(error),
                file => files.push(OpenFile {
                    number: at + 1,
                    ..file?
                }),
            }
        }
        if files.is_empty()
            && let Some(error) = empty.pop()
        {
            return Err(error);
        }
        let mut source = Self::of(files);
        source.several = several;
        for error in &empty {
            source.pass_over(error);
        }
        source.advance();
        source.meet_an_interface();
        Ok(source)
    }

    /// Raises the limit on open files for this many at once, because the default is low.
    pub fn make_room_for(files: usize) {
        let wanted = (files as u64).saturating_add(OTHER_FILES);
        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
            && wanted > soft
        {
            // If this is not permitted, opening fails later.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
        }
    }

    fn of(mut files: Vec<OpenFile>) -> Self {
        let total = files.iter().map(|file| file.buffer.input().total).sum();
        files.reverse();
        Self {
            current: None,
            waiting: files,
            frame_files: FrameFiles::default(),
            interfaces: Interfaces::default(),
            stats: CaptureStats::default(),
            warnings: Vec::new(),
            read_before: 0,
            total,
            several: false,
            stretches: None,
        }
    }

    /// Which frames lie in which file; further files are added when they are reached.
    #[must_use]
    pub fn frame_files(&self) -> FrameFiles {
        self.frame_files.clone()
    }

    /// From now on frames stay in place, in a block of memory, until it is taken with
    /// [`Self::exchange`]. Until then the source returns [`Next::Idle`] instead of reading on.
    /// Plain files are read together with the thread that receives the result: it may call
    /// [`help`](Stretches::help) whenever it is otherwise idle. Each part is searched for `sought`,
    /// see [`Self::lacks`].
    pub fn share(&mut self, sought: Option<Sought>) -> Arc<Stretches> {
        let stretches = Arc::new(Stretches::new(sought));
        if let Some(file) = &mut self.current {
            file.buffer.share(&stretches);
        }
        self.stretches = Some(Arc::clone(&stretches));
        stretches
    }

    /// The memory block with the frames lent since the last [`Self::exchange`], and the bytes
    /// between and around them.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        let file = self.current.as_ref();
        file.map_or(&[], |file| file.buffer.consumed())
    }

    /// Whether that block certainly lacks the sought bytes.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|file| file.buffer.lacks())
    }

    /// Continues in `memory`. Returns the block with the frames lent since the last call, each at
    /// its old address.
    pub fn exchange(&mut self, memory: Vec<u8>) -> Vec<u8> {
        match &mut self.current {
            // If no frame was lent there is no block to return, and a partly read record need not
            // move.
            Some(file) if file.buffer.has_consumed() => file.buffer.exchange(memory),
            _ => memory,
        }
    }

    /// Returns the next frame, and [the block](Self::kept) that contains it.
    ///
    /// # Errors
    /// See [`Source::next_frame`].
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "so that the result is not stored only to be loaded again"
    )]
    pub fn next_kept(&mut self) -> Result<(Next<'_>, &[u8]), CaptureError> {
        let record = match self.current.as_mut().and_then(OpenFile::at_hand) {
            Some(record) => record,
            None => match self.seek()? {
                Ok(record) => record,
                Err(none) => return Ok((none, &[])),
            },
        };
        let Some(file) = &mut self.current else {
            return Ok((Next::End, &[]));
        };
        file.frames += 1;
        self.stats.frames += 1;
        let frame = Frame {
            number: self.stats.frames,
            ts: record.ts,
            interface: record.interface,
            link: record.link,
            wire_len: record.wire_len,
            bytes: file.buffer.slice(record.start, record.length),
        };
        Ok((Next::Frame(frame), file.buffer.consumed()))
    }

    /// Advances to the next record, skipping everything else; or returns why there is none now.
    fn seek(&mut self) -> Result<Result<Record, Next<'static>>, CaptureError> {
        while let Some(file) = &mut self.current {
            let step = match file.step(&mut self.interfaces) {
                Err(error) if self.several && error.is_of_nothing() => {
                    self.pass_over(&error);
                    self.advance();
                    continue;
                }
                step => step?,
            };
            match step {
                Step::Frame(record) => return Ok(Ok(record)),
                Step::Again => {}
                Step::Wait => return Ok(Err(Next::Idle)),
                // The file repeats this once its last frames are taken.
                Step::End | Step::Damaged(_)
                    if self.stretches.is_some() && file.buffer.has_consumed() =>
                {
                    return Ok(Err(Next::Idle));
                }
                Step::End => {
                    self.close();
                    self.advance();
                }
                Step::Damaged(damage) => {
                    self.warn(damage);
                    self.close();
                    self.advance();
                }
            }
        }
        Ok(Err(Next::End))
    }

    /// Advances to the next file; `false` if there is none.
    fn advance(&mut self) -> bool {
        let memory = self.current.take().map(|file| {
            self.read_before += file.buffer.input().bytes_read();
            file.buffer.into_memory()
        });
        self.current = self.waiting.pop();
        if let Some(file) = &mut self.current {
            self.frame_files.begins(file.number, self.stats.frames);
            // Until now its buffer was only large enough for the header.
            if let Some(stretches) = &self.stretches {
                file.buffer.share(stretches);
            }
            file.buffer.exchange(memory.unwrap_or_default());
        }
        self.current.is_some()
    }

    /// Waits until the first file has its first interface, even if it is a slow pipe, for callers
    /// that need the link type before the first frame. Errors of the file are reported when it is
    /// read.
    pub fn wait_for_an_interface(&mut self) {
        while let Some(file) = &mut self.current {
            match file.format.is_some() || matches!(file.recognise(), Ok(true) | Err(_)) {
                false => {}
                true if self.meet_an_interface() => {}
                true => return,
            }
        }
    }

    /// Reads the first regular file up to its first interface, so that its link type is available
    /// before its first frame. `true` if it is a pipe that has not delivered it yet.
    fn meet_an_interface(&mut self) -> bool {
        while let Some(OpenFile {
            format: Some(format),
            buffer,
            path,
            ..
        }) = &mut self.current
        {
            let step = match format {
                Format::Pcapng(reader) if reader.knows_an_interface() => return false,
                Format::Pcapng(reader) if self.interfaces.list.is_empty() => reader
                    .step(buffer, |name, link, snaplen| {
                        self.interfaces.number(path, name, link, snaplen)
                    }),
                Format::Pcap(reader) if self.interfaces.list.is_empty() => reader
                    .step(buffer, |link, snaplen| {
                        self.interfaces.number(path, None, link, snaplen)
                    }),
                _ => return false,
            };
            // Ends and damage are reported again: the reader does not move past them.
            match step {
                Ok(Step::Again) => {}
                Ok(_) => return false,
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Records why a file ends early.
    fn warn(&mut self, damage: Damage) {
        let Some(file) = &self.current else { return };
        self.stats.cut_files += 1;
        let frames = if file.frames == 1 { "frame" } else { "frames" };
        let text = format!(
            "{damage} at byte {} after {} {frames}; what came before was read",
            file.buffer.position(),
            file.frames
        );
        self.warnings.push(Warning {
            about: file.path.display().to_string(),
            text,
        });
    }

    /// Records that a file is empty.
    fn pass_over(&mut self, error: &CaptureError) {
        let CaptureError::NotACapture { path, what } = error else {
            return;
        };
        self.stats.cut_files += u64::from(*what == FormatError::Cut);
        self.warnings.push(Warning {
            about: path.display().to_string(),
            text: what.to_string(),
        });
    }

    /// Adds the totals of a finished file.
    fn close(&mut self) {
        let Some(OpenFile {
            path,
            format: Some(Format::Pcapng(reader)),
            ..
        }) = &self.current
        else {
            return;
        };
        self.stats.bad_times += reader.bad_times;
        if reader.bad_blocks > 0 {
            let text = format!("{} pcapng blocks could not be read", reader.bad_blocks);
            self.stats.bad_blocks += reader.bad_blocks;
            self.warnings.push(Warning {
                about: path.display().to_string(),
                text,
            });
        }
    }
}

impl Source for Savefiles {
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError> {
        self.next_kept().map(|(next, _)| next)
    }

    fn stats(&mut self) -> CaptureStats {
        let mut stats = self.stats;
        if let Some(OpenFile {
            format: Some(Format::Pcapng(reader)),
            ..
        }) = &self.current
        {
            stats.bad_blocks += reader.bad_blocks;
            stats.bad_times += reader.bad_times;
        }
        stats
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces.list
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn progress(&self) -> Option<Progress> {
        let current = self
            .current
            .as_ref()
            .map_or(0, |file| file.buffer.input().bytes_read());
        Some(Progress {
            read: self.read_before + current,
            total: self.total,
        })
    }
}

/// What kind of file a path names, as far as that can be determined without blocking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// Not a readable capture; the reason, if it was recognised.
    Other(Option<FormatError>),
    /// A regular file that begins like a capture, possibly compressed (the content is not
    /// examined), or a pipe.
    Capture,
}

/// Classifies the file that a path names.
#[must_use]
pub fn named(path: &Path) -> Named {
    // Check before opening: opening a named pipe would wait for its writer.
    let Ok(metadata) = path.metadata() else {
        return Named::Other(None);
    };
    if metadata.file_type().is_fifo() {
        return Named::Capture;
    }
    if metadata.is_dir() {
        return Named::Other(Some(FormatError::Directory));
    }
    if !metadata.is_file() {
        return Named::Other(None);
    }
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut first));
    let known = Packing::of(&first).is_some()
        || pcap::magic(&first).is_some()
        || pcapng::is_section(&first);
    match read {
        Err(_) => Named::Other(None),
        Ok(_) if known => Named::Capture,
        Ok(_) => Named::Other(Some(file::stranger(&first))),
    }
}

/// Regular capture files in the order of their first packets. `None` if they are in this order, or
/// if it is not known: one is a pipe.
///
/// A file without a packet, or that is not a capture, stays after the file before it.
#[must_use]
pub fn in_order(paths: &[PathBuf]) -> Option<Vec<PathBuf>> {
    let regular = |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.is_file());
    if paths.len() < 2 || !paths.iter().all(regular) {
        return None;
    }
    let mut last = None;
    let mut timed: Vec<(Option<Timestamp>, &PathBuf)> = paths
        .iter()
        .map(|path| {
            last = first_time(path).or(last);
            (last, path)
        })
        .collect();
    if timed.is_sorted_by_key(|(time, _)| *time) {
        return None;
    }
    timed.sort_by_key(|(time, _)| *time);
    Some(timed.into_iter().map(|(_, path)| path.clone()).collect())
}

/// The time of the first packet of a regular file.
fn first_time(path: &Path) -> Option<Timestamp> {
    let mut file = OpenFile::open(path).ok()?;
    let mut interfaces = Interfaces::default();
    loop {
        match file.step(&mut interfaces) {
            Ok(Step::Frame(record)) => return Some(record.ts),
            Ok(Step::Again) => {}
            _ => return None,
        }
    }
}

/// Number of open files other than those being read.
const OTHER_FILES: u64 = 256;

/// The interfaces of all files. Equal ones share a number: sections and files often repeat theirs.
#[derive(Default)]
struct Interfaces {
    list: Vec<Interface>,
    numbers: HashMap<Interface, u32, foldhash::fast::RandomState>,
}

impl Interfaces {
    /// The number of an interface in this run; `None` if there are more than
    /// [`limits::INTERFACES`].
    fn number(
        &mut self,
        path: &Path,
        name: Option<String>,
        link: LinkType,
        snaplen: u32,
    ) -> Option<u32> {
        let interface = Interface {
            source: path.display().to_string(),
            name,
            link,
            snaplen,
        };
        if let Some(number) = self.numbers.get(&interface) {
            return Some(*number);
        }
        let number = self.list.len();
        if number >= limits::INTERFACES {
            return None;
        }
        self.list.push(interface.clone());
        self.numbers.insert(interface, number as u32);
        Some(number as u32)
    }
}

/// Result of reading on in a file.
#[derive(Debug)]
enum Step {
    Frame(Record),
    /// Something other than a frame.
    Again,
    /// A pipe is silent.
    Wait,
    End,
    Damaged(Damage),
}

/// A frame, and the position of its bytes in the buffer.
#[derive(Clone, Copy, Debug)]
struct Record {
    ts: Timestamp,
    interface: u32,
    link: LinkType,
    wire_len: u32,
    start: usize,
    length: usize,
}

/// Why the rest of a file cannot be read.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Cut,
    Length(u32),
    Trailer,
    Section,
    Packing,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the file is cut in the middle of a record"),
            Self::Length(length) => write!(f, "a record has the impossible length {length}"),
            Self::Trailer => f.write_str("a block's two lengths differ"),
            Self::Section => f.write_str("a section's header makes no sense"),
            Self::Packing => f.write_str("the compressed data are cut or damaged"),
        }
    }
}

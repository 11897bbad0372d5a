//! `--streams DIR`: each direction of each TCP connection as a file of its bytes, and a list of the holes in them.
//!
//! Files are named as tcpflow names them: source address and port, destination address and port, padded with zeros; when the
//! same pair is used again, `c1`, `c2` and so on behind that. A file is never written over.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::flow::{Direction, Endpoint, Flow};
use crate::packet::protocol;
use crate::stream::{GapReason, StreamEvent};

/// The folder that streams are written to.
pub struct Streams {
    /// Where files are made: the opened folder, whatever becomes of its path and of our rights.
    place: PathBuf,
    _folder: File,
    index: BufWriter<File>,
    fill_gaps: bool,
    files: HashMap<(u64, Direction), Stream>,
    /// Streams whose file is open, those used longest ago first; one may stand here more than once.
    open: VecDeque<(u64, Direction)>,
    opened: usize,
}

/// One direction.
struct Stream {
    name: String,
    file: Option<BufWriter<File>>,
    /// Bytes that lie in front of the next one, holes included.
    at: u64,
    /// The file ends in a hole.
    hollow: bool,
}

/// Files that are open at once.
const OPEN: usize = 128;
/// Bytes gathered for each of them.
const GATHERED: usize = 16 << 10;

impl Streams {
    /// Make the folder if it is not there, and begin its index.
    ///
    /// # Errors
    /// Those of making files; one is that the folder has an index.
    pub fn create(folder: &Path, fill_gaps: bool) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let handle = File::open(folder)?;
        let place = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let place = if place.is_dir() {
            place
        } else {
            folder.to_owned()
        };
        let mut index = BufWriter::new(fresh(&place.join("index.tsv"))?);
        index.write_all(b"file\toffset\tlength\treason\n")?;
        Ok(Self {
            place,
            _folder: handle,
            index,
            fill_gaps,
            files: HashMap::new(),
            open: VecDeque::new(),
            opened: 0,
        })
    }

    /// Take what is said of a flow.
    pub(super) fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>) -> io::Result<()> {
        if flow.protocol != protocol::TCP {
            return Ok(());
        }
        match *event {
            StreamEvent::Data { dir, bytes, .. } => {
                let stream = self.ready(flow, dir)?;
                stream.at += bytes.len() as u64;
                stream.hollow = false;
                match &mut stream.file {
                    Some(file) => file.write_all(bytes),
                    None => Ok(()),
                }
            }
            StreamEvent::Gap {
                dir,
                offset,
                len,
                reason,
                ..
            } => {
                let fill = self.fill_gaps;
                let stream = self.ready(flow, dir)?;
                if let (true, Some(file)) = (fill, &mut stream.file) {
                    // Not written: the file system keeps a hole, of whatever size.
                    io::Seek::seek(file, io::SeekFrom::Current(i64::try_from(len).unwrap_or(0)))?;
                    stream.at += len;
                    stream.hollow = true;
                }
                let name = stream.name.clone();
                writeln!(self.index, "{name}\t{offset}\t{len}\t{}", word(reason))
            }
            StreamEvent::End { dir, .. } => match self.files.remove(&(flow.id, dir)) {
                Some(mut stream) => {
                    self.opened -= usize::from(stream.file.is_some());
                    stream.close()
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Write what is gathered.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        for (_, mut stream) in self.files.drain() {
            stream.close()?;
        }
        self.index.flush()
    }

    /// The stream, with its file open.
    fn ready(&mut self, flow: &Flow, dir: Direction) -> io::Result<&mut Stream> {
        let key = (flow.id, dir);
        if self
            .files
            .get(&key)
            .is_none_or(|stream| stream.file.is_none())
        {
            self.make_room()?;
            let stream = match self.files.remove(&key) {
                Some(stream) => Stream {
                    file: Some(again(&self.place.join(&stream.name))?),
                    ..stream
                },
                None => self.begin(flow, dir)?,
            };
            self.opened += 1;
            self.open.push_back(key);
            self.files.insert(key, stream);
        }
        self.files
            .get_mut(&key)
            .ok_or_else(|| io::Error::other("the stream's file is gone"))
    }

    /// Close files until there is room for one more.
    fn make_room(&mut self) -> io::Result<()> {
        while self.opened >= OPEN || self.open.len() > 2 * OPEN {
            let Some(oldest) = self.open.pop_front() else {
                break;
            };
            if let Some(stream) = self.files.get_mut(&oldest)
                && stream.file.is_some()
            {
                stream.close()?;
                self.opened -= 1;
            }
        }
        Ok(())
    }

    /// A file with a name that is free.
    fn begin(&self, flow: &Flow, dir: Direction) -> io::Result<Stream> {
        let pair = name(flow.source(dir), flow.destination(dir));
        let numbered = |number: u64| match number {
            0 => pair.clone(),
            number => format!("{pair}c{number}"),
        };
        // Numbers are given in their order, so the first free one is found by halving.
        let taken = |number: u64| self.place.join(numbered(number)).symlink_metadata().is_ok();
        let mut high = 1;
        while taken(high - 1) {
            high *= 2;
        }
        let mut low = high / 2;
        while low < high {
            let middle = low + (high - low) / 2;
            if taken(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let name = numbered(low);
        let file = fresh(&self.place.join(&name))?;
        Ok(Stream {
            name,
            file: Some(BufWriter::with_capacity(GATHERED, file)),
            at: 0,
            hollow: false,
        })
    }
}

impl Stream {
    fn close(&mut self) -> io::Result<()> {
        let Some(mut writer) = self.file.take() else {
            return Ok(());
        };
        writer.flush()?;
        match self.hollow {
            true => writer.get_ref().set_len(self.at),
            false => Ok(()),
        }
    }
}

fn fresh(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// A file of ours, to go on at its end.
fn again(path: &Path) -> io::Result<BufWriter<File>> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
    Ok(BufWriter::with_capacity(GATHERED, file))
}

fn name(src: Endpoint, dst: Endpoint) -> String {
    let end = |end: Endpoint| match end.addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            format!("{a:03}.{b:03}.{c:03}.{d:03}.{:05}", end.port)
        }
        IpAddr::V6(addr) => {
            let groups: Vec<String> = addr
                .segments()
                .iter()
                .map(|group| format!("{group:04x}"))
                .collect();
            format!("{}.{:05}", groups.join(":"), end.port)
        }
    };
    format!("{}-{}", end(src), end(dst))
}

fn word(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Acked => "acked",
        GapReason::Overflow => "overflow",
        GapReason::Timeout => "timeout",
        GapReason::End => "end",
        GapReason::Evicted => "evicted",
        GapReason::Snaplen => "snaplen",
    }
}

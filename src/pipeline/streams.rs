//! `--streams DIR`: one file of bytes per direction of each TCP connection, and an index of the
//! gaps in them.
//!
//! The files are named like those of tcpflow 1.6: source address and port, destination address and
//! port. IPv4 addresses and ports are zero-padded, IPv6 addresses are short. Then come `--` and the
//! VLAN number, if there is one, and, if the name is already used, `c1`, `c2` and so on. Existing
//! files are never overwritten.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat, mkdirat};

use crate::flow::{Direction, Endpoint, Flow};
#[cfg(test)]
use crate::packet::path_of;
use crate::packet::{protocol, vlan_of};
use crate::stream::StreamEvent;
use crate::unwritten::Unwritten;

/// The folder that streams are written to.
pub struct Streams {
    /// Its path, for errors.
    path: PathBuf,
    /// The opened folder. It stays valid if its path or the process's rights change. The sandbox
    /// allows opening files below it and nowhere else.
    folder: File,
    index: BufWriter<File>,
    fill_gaps: bool,
    files: HashMap<(u64, Direction), Stream>,
    /// Streams with an open file, least recently used first. A stream may occur more than once.
    open: VecDeque<(u64, Direction)>,
    opened: usize,
}

/// One direction of a connection.
struct Stream {
    name: String,
    file: Option<BufWriter<File>>,
    /// The offset of the next byte, gaps included.
    at: u64,
    /// The file ends in a gap.
    hollow: bool,
}

/// The number of files that are open at once.
const OPEN: usize = 128;
/// The write buffer per open file, in bytes.
const GATHERED: usize = 16 << 10;

impl Streams {
    /// Creates the folder if it is missing, and its index. `own` is called with each new file and
    /// may change its owner.
    ///
    /// # Errors
    /// Errors of creating files. One is that the folder already has an index.
    pub fn create(
        folder: &Path,
        fill_gaps: bool,
        own: &dyn Fn(&File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let path = folder.to_owned();
        let folder = place(folder, own)?;
        let index = fresh(&folder, "index.tsv")?;
        own(&index)?;
        let mut index = BufWriter::new(index);
        index.write_all(b"file\toffset\tlength\treason\n")?;
        Ok(Self {
            path,
            folder,
            index,
            fill_gaps,
            files: HashMap::new(),
            open: VecDeque::new(),
            opened: 0,
        })
    }

    /// The folder in which the files are created.
    #[must_use]
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Writes an event of a flow.
    pub(super) fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>) -> io::Result<()> {
        let result = self.take(flow, event);
        result.map_err(|error| Unwritten::wrap(&self.path, error))
    }

    /// Writes all buffered data.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let result = self.close();
        result.map_err(|error| Unwritten::wrap(&self.path, error))
    }

    fn take(&mut self, flow: &Flow, event: &StreamEvent<'_>) -> io::Result<()> {
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
                    // Seeks instead of writing, so that the file system stores a sparse hole of any
                    // size.
                    io::Seek::seek(file, io::SeekFrom::Current(i64::try_from(len).unwrap_or(0)))?;
                    stream.at += len;
                    stream.hollow = true;
                }
                let name = stream.name.clone();
                writeln!(self.index, "{name}\t{offset}\t{len}\t{}", reason.name())
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

    fn close(&mut self) -> io::Result<()> {
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
            self.close_oldest()?;
            let stream = match self.files.remove(&key) {
                Some(stream) => Stream {
                    file: Some(again(&self.folder, &stream.name)?),
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

    /// Closes files until one more may be opened.
    fn close_oldest(&mut self) -> io::Result<()> {
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

    /// Creates a file under the first free name.
    fn begin(&self, flow: &Flow, dir: Direction) -> io::Result<Stream> {
        let pair = name(flow.source(dir), flow.destination(dir), flow.path);
        let numbered = |number: u64| match number {
            0 => pair.clone(),
            number => format!("{pair}c{number}"),
        };
        // Numbers are assigned in order, so the first free one is found by binary search.
        let taken = |number: u64| {
            let name = numbered(number);
            fstatat(&self.folder, name.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
        };
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
        let file = fresh(&self.folder, &name)?;
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

/// Creates a file. Like [`again`], it follows no link and opens for writing only, as the sandbox
/// requires.
fn fresh(folder: &File, name: &str) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    Ok(File::from(openat(folder, name, flags, mode)?))
}

/// Reopens one of our files for appending.
fn again(folder: &File, name: &str) -> io::Result<BufWriter<File>> {
    let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::empty())?);
    io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
    Ok(BufWriter::with_capacity(GATHERED, file))
}

/// Opens the folder; creates it and its parents if they are missing. A symbolic link is rejected,
/// because the location may belong to another user while this process is root.
fn place(path: &Path, own: &dyn Fn(&File) -> io::Result<()>) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let missing = match openat(AT_FDCWD, path, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(folder) => return Ok(File::from(folder)),
        Err(Errno::ENOENT) => Errno::ENOENT,
        Err(_) if path.is_symlink() => {
            return Err(io::Error::other(
                "it is a symbolic link, which is not followed",
            ));
        }
        Err(errno) => return Err(errno.into()),
    };
    let name = path.file_name().ok_or(missing)?;
    let above = match path.parent() {
        Some(above) if above != Path::new("") => {
            match openat(AT_FDCWD, above, flags, Mode::empty()) {
                Ok(above) => File::from(above),
                Err(_) => place(above, own)?,
            }
        }
        _ => File::open(".")?,
    };
    mkdirat(&above, name, Mode::S_IRWXU)?;
    let made = File::from(openat(
        &above,
        name,
        flags | OFlag::O_NOFOLLOW,
        Mode::empty(),
    )?);
    // Only the directory just made changes its owner, not one that somebody put in its place.
    let mut entries = Dir::openat(&made, ".", flags, Mode::empty())?;
    if entries.iter().count() > 2 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    own(&made)?;
    Ok(made)
}

fn name(src: Endpoint, dst: Endpoint, path: u32) -> String {
    let end = |end: Endpoint| match end.addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            format!("{a:03}.{b:03}.{c:03}.{d:03}.{:05}", end.port)
        }
        IpAddr::V6(addr) => format!("{}.{:05}", short(addr), end.port),
    };
    let vlan = vlan_of(path).map_or_else(String::new, |vlan| format!("--{vlan}"));
    format!("{}-{}{vlan}", end(src), end(dst))
}

/// The form of `inet_ntop`: addresses in `::/96` end like an IPv4 address.
fn short(addr: Ipv6Addr) -> String {
    match addr.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => addr.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names are those of tcpflow 1.6.1.
    #[test]
    fn files_are_named_as_tcpflow_names_them() {
        let table = [
            (
                "10.0.0.1",
                "10.0.0.2",
                None,
                "010.000.000.001.33262-010.000.000.002.02080",
            ),
            (
                "10.0.0.1",
                "10.0.0.2",
                Some(42),
                "010.000.000.001.33262-010.000.000.002.02080--42",
            ),
            ("fd77::1", "fd77::2", None, "fd77::1.33262-fd77::2.02080"),
            (
                "fd77::1",
                "fd77::2",
                Some(42),
                "fd77::1.33262-fd77::2.02080--42",
            ),
            (
                "::ffff:10.0.0.1",
                "::1",
                None,
                "::ffff:10.0.0.1.33262-::1.02080",
            ),
            (
                "2001:db8:0:0:1::2",
                "fe80::1:0:0:2",
                None,
                "2001:db8::1:0:0:2.33262-fe80::1:0:0:2.02080",
            ),
            ("2001:0:0:1::", "::", None, "2001:0:0:1::.33262-::.02080"),
            (
                "1:2:3:0:5:6:7:8",
                "::10.0.0.1",
                None,
                "1:2:3:0:5:6:7:8.33262-::10.0.0.1.02080",
            ),
        ];
        for (src, dst, vlan, expected) in table {
            let end = |addr: &str, port| Endpoint {
                addr: addr.parse().unwrap(),
                port,
            };
            let path = vlan.map_or(0, path_of);
            assert_eq!(name(end(src, 33262), end(dst, 2080), path), expected);
        }
    }
}

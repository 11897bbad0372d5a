//! Writes capture files for `-O`: classic pcap, byte for byte as libpcap writes it, or pcapng,
//! which can hold several link types. A file is created readable by its owner only, and never
//! through a symbolic link.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::frame::{Frame, LinkType, Timestamp};
use crate::unwritten::{Named, Unwritten};

use super::{Interface, privileges};

/// Bytes buffered before a write, with [`Flush::Buffered`].
const BUFFER: usize = 64 << 10;

/// Bytes of a record besides its packet, at most.
const RECORD: u64 = 36;

/// Format of a written capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    /// Classic pcap with microseconds, the format that libpcap and therefore ngrep writes.
    Pcap,
    /// Classic pcap with nanoseconds.
    PcapNanos,
    /// pcapng, with nanoseconds.
    Pcapng,
}

impl FileFormat {
    /// Returns pcapng if the name ends in `.pcapng`, otherwise classic pcap with microseconds.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let pcapng = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("pcapng"));
        if pcapng { Self::Pcapng } else { Self::Pcap }
    }
}

/// When written packets reach the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// Immediately, so that another program can follow the file.
    EachPacket,
    /// When 64 KiB are buffered, on [`CaptureWriter::flush`] and at the end.
    Buffered,
}

/// Writes frames to a capture file.
pub struct CaptureWriter<W: Write> {
    out: W,
    format: FileFormat,
    flush: Flush,
    link: LinkType,
    snaplen: u32,
    /// Bytes not yet written.
    pending: Vec<u8>,
    /// Interface numbers of the run and their link types, in the order of their pcapng
    /// descriptions.
    described: Vec<(u32, LinkType)>,
    written: u64,
    refused: u64,
    /// When the next file begins; `None`: there is one.
    rotation: Option<Rotation<W>>,
}

/// When a file is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// It has this many bytes, or would have more with the next packet.
    Bytes(u64),
    /// Its packets span this many nanoseconds of capture time.
    Nanos(i64),
}

/// Files that are written in turn.
struct Rotation<W> {
    full: Full,
    /// Opens the next file, empty.
    next: Box<dyn FnMut() -> io::Result<W> + Send>,
    /// Bytes in the current file, and the time of its first packet.
    bytes: u64,
    since: Option<Timestamp>,
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a file and writes its header. `link` and `snaplen` are those of the input's first
    /// interface; pcapng takes those of the others from their packets.
    ///
    /// # Errors
    /// The header cannot be written.
    pub fn new(
        out: W,
        format: FileFormat,
        flush: Flush,
        link: LinkType,
        snaplen: u32,
    ) -> io::Result<Self> {
        let (pending, described) = (Vec::new(), Vec::new());
        let mut writer = Self {
            out,
            format,
            flush,
            link,
            snaplen,
            pending,
            described,
            written: 0,
            refused: 0,
            rotation: None,
        };
        writer.header();
        writer.flush()?;
        Ok(writer)
    }

    /// From now on begins the file that `next` returns when the current one is full.
    #[must_use]
    pub fn rotated(
        mut self,
        full: Full,
        next: impl FnMut() -> io::Result<W> + Send + 'static,
    ) -> Self {
        self.rotation = Some(Rotation {
            full,
            next: Box::new(next),
            bytes: 0,
            since: None,
        });
        self
    }

    /// Begins the next file if the current one is full, and counts a frame in it.
    fn rotate(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let Some(rotation) = &mut self.rotation else {
            return Ok(());
        };
        let size = frame.bytes.len() as u64 + RECORD;
        let since = *rotation.since.get_or_insert(frame.ts);
        let full = match rotation.full {
            Full::Bytes(most) => rotation.bytes > 0 && rotation.bytes + size > most,
            Full::Nanos(most) => frame.ts.since(since) >= most,
        };
        if !full {
            rotation.bytes += size;
            return Ok(());
        }
        (rotation.bytes, rotation.since) = (size, Some(frame.ts));
        let next = (rotation.next)();
        self.flush()?;
        self.out = next?;
        self.header();
        Ok(())
    }

    /// Begins a file.
    fn header(&mut self) {
        let link = self.link;
        match self.format {
            FileFormat::Pcap => self.classic_header(0xa1b2_c3d4),
            FileFormat::PcapNanos => self.classic_header(0xa1b2_3c4d),
            FileFormat::Pcapng => {
                self.u32s(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d]);
                self.u16s(&[1, 0]);
                self.u32s(&[u32::MAX, u32::MAX, 28]);
                // libpcap rejects a file without an interface, even if it has no packets.
                self.described.clear();
                self.describe(link, None);
                self.described.push((0, link));
            }
        }
    }

    /// Writes a frame that came from `interface`. Returns `false`, and counts the frame, if a
    /// classic file cannot hold its link type.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, frame: &Frame<'_>, interface: Option<&Interface>) -> io::Result<bool> {
        if self.rotation.is_some() {
            self.rotate(frame)?;
        }
        if self.format == FileFormat::Pcapng {
            self.pcapng_packet(frame, interface);
        } else if frame.link == self.link {
            let fraction = frame.ts.subsec_nanos();
            let fraction = if self.format == FileFormat::Pcap {
                fraction / 1000
            } else {
                fraction
            };
            self.u32s(&[
                frame.ts.seconds().cast_unsigned() as u32,
                fraction,
                frame.bytes.len() as u32,
                frame.wire_len,
            ]);
            self.pending.extend_from_slice(frame.bytes);
        } else {
            self.refused += 1;
            return Ok(false);
        }
        self.written += 1;
        if self.flush == Flush::EachPacket || self.pending.len() >= BUFFER {
            self.flush()?;
        }
        Ok(true)
    }

    /// Writes all buffered bytes to the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = self
            .out
            .write_all(&self.pending)
            .and_then(|()| self.out.flush());
        // Also after a failure: a packet written in part must not be written again.
        self.pending.clear();
        result
    }

    /// Number of packets written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Number of packets not written because their link type differs from that of a classic file.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn classic_header(&mut self, magic: u32) {
        self.u32s(&[magic]);
        self.u16s(&[2, 4]);
        self.u32s(&[0, 0, self.snaplen, self.link.0]);
    }

    /// Writes an Enhanced Packet Block, after an Interface Description Block if the interface is
    /// new.
    fn pcapng_packet(&mut self, frame: &Frame<'_>, interface: Option<&Interface>) {
        let key = (frame.interface, frame.link);
        let known = self.described.iter().position(|one| *one == key);
        let number = known.unwrap_or_else(|| {
            self.describe(frame.link, interface);
            self.described.push(key);
            self.described.len() - 1
        });
        let ticks = frame.ts.nanos().max(0).cast_unsigned();
        let (captured, padded) = (frame.bytes.len(), frame.bytes.len().next_multiple_of(4));
        let length = padded as u32 + 32;
        self.u32s(&[
            6,
            length,
            number as u32,
            (ticks >> 32) as u32,
            ticks as u32,
            captured as u32,
            frame.wire_len,
        ]);
        self.pending.extend_from_slice(frame.bytes);
        self.pending
            .resize(self.pending.len() + padded - captured, 0);
        self.u32s(&[length]);
    }

    /// Writes an Interface Description Block: link type, snap length, `if_name`, `if_tsresol` 9,
    /// end of options.
    fn describe(&mut self, link: LinkType, interface: Option<&Interface>) {
        let name = interface
            .and_then(|one| one.name.as_deref())
            .unwrap_or_default()
            .as_bytes();
        let name = &name[..name.len().min(256)];
        let named = if name.is_empty() {
            0
        } else {
            4 + name.len().next_multiple_of(4)
        };
        let length = (20 + named + 8 + 4) as u32;
        self.u32s(&[1, length]);
        self.u16s(&[link.0 as u16, 0]);
        self.u32s(&[interface.map_or(self.snaplen, |one| one.snaplen)]);
        if !name.is_empty() {
            self.u16s(&[2, name.len() as u16]);
            self.pending.extend_from_slice(name);
            self.pending.resize(
                self.pending.len() + name.len().next_multiple_of(4) - name.len(),
                0,
            );
        }
        self.u16s(&[9, 1]);
        self.pending.extend_from_slice(&[9, 0, 0, 0]);
        self.u16s(&[0, 0]);
        self.u32s(&[length]);
    }

    fn u32s(&mut self, values: &[u32]) {
        for value in values {
            self.pending.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn u16s(&mut self, values: &[u16]) {
        for value in values {
            self.pending.extend_from_slice(&value.to_le_bytes());
        }
    }
}

impl<W: Write> Drop for CaptureWriter<W> {
    fn drop(&mut self) {
        // Only reached without a flush after an error; callers that handle failures call `flush`
        // first.
        let _ = self.flush();
    }
}

/// Creates the file to write to, or with `force` truncates an existing one; `-` is standard output.
///
/// The file is readable by its owner only, because it holds other people's traffic. Symbolic links
/// are not followed, because the directory may belong to another user while this process is root;
/// links of the system (`/dev/stdout`, `/dev/fd/3`) are. For the same reason, an existing file of
/// another user in a directory that everybody can write to (`/tmp`) is refused. Under `sudo`, a new
/// file belongs to the user who ran it.
///
/// Write errors name the path ([`crate::unwritten::Unwritten`]).
///
/// # Errors
/// The file cannot be created.
pub fn create(path: &Path, force: bool) -> io::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let writer = create_file(path, force)?;
    let path = path.to_owned();
    Ok(Box::new(Named { writer, path }))
}

/// Creates the files of a ring, as [`create`] does, all at once: later nothing can be created.
/// Their names have a number, `x-1.pcap` for `x.pcap`.
///
/// # Errors
/// A file cannot be created.
pub fn create_ring(path: &Path, files: usize) -> io::Result<Ring> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|one| one.to_string_lossy());
    let extension = extension.map_or_else(String::new, |one| format!(".{one}"));
    let one = |number: usize| {
        let path = path.with_file_name(format!("{stem}-{number}{extension}"));
        let file = create_file(&path, true).map_err(|error| Unwritten::wrap(&path, error))?;
        Ok((Arc::new(file), path))
    };
    let files = (1..=files).map(one).collect::<io::Result<_>>()?;
    Ok(Ring { files, next: 0 })
}

/// Open files that are written in turn. When the last one is full, the first one is overwritten.
pub struct Ring {
    files: Vec<(Arc<File>, PathBuf)>,
    next: usize,
}

impl Ring {
    /// Writes these bytes to all files, so that those that are not reached are captures too.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn fill(&mut self, header: &[u8]) -> io::Result<()> {
        self.files.iter().try_for_each(|(file, path)| {
            let result = file.as_ref().write_all(header);
            result.map_err(|error| Unwritten::wrap(path, error))
        })
    }

    /// The next file, emptied.
    ///
    /// # Errors
    /// It cannot be emptied.
    pub fn advance(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let at = self.next % self.files.len().max(1);
        self.next = at + 1;
        let (file, path) = self.files.get(at).ok_or(io::ErrorKind::NotFound)?;
        let emptied = file.set_len(0).and_then(|()| file.as_ref().rewind());
        emptied.map_err(|error| Unwritten::wrap(path, error))?;
        Ok(Box::new(Named {
            writer: Arc::clone(file),
            path: path.clone(),
        }))
    }
}

fn create_file(path: &Path, force: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if is_system_path(path) {
        return options.open(path);
    }
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some((user, group)) = privileges::sudo_user() {
                fchown(&file, Some(user), Some(group))?;
            }
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path)?;
            if metadata.is_symlink() {
                return Err(io::Error::other(
                    "it is a symbolic link, which is not followed",
                ));
            }
            if metadata.is_file() && !force {
                return Err(io::Error::other(
                    "it already exists; use --force to overwrite it",
                ));
            }
            let file = options.open(path)?;
            if is_unsafe_target(path, &file.metadata()?)? {
                return Err(io::Error::other("it belongs to somebody else"));
            }
            file.set_len(0).or_else(|error| match metadata.is_file() {
                true => Err(error),
                false => Ok(()),
            })?;
            Ok(file)
        }
        Err(error) => Err(error),
    }
}

/// Returns whether a path is one of the system's own links and devices, which no other user can
/// have created.
fn is_system_path(path: &Path) -> bool {
    let world_writable = ["/dev/shm", "/dev/mqueue"];
    path.starts_with("/dev")
        && !path.components().any(|part| part == Component::ParentDir)
        && !world_writable
            .iter()
            .any(|directory| path.starts_with(directory))
}

/// Returns whether a file in a directory writable by everybody belongs neither to this user nor to
/// the directory's owner. Whoever created it there could read what is written to it.
fn is_unsafe_target(path: &Path, file: &Metadata) -> io::Result<bool> {
    const STICKY_WORLD_WRITABLE: u32 = 0o1002;
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
    .metadata()?;
    let owner = file.uid();
    let ours = owner == geteuid().as_raw()
        || privileges::sudo_user().is_some_and(|(user, _)| user == owner);
    Ok(
        directory.mode() & STICKY_WORLD_WRITABLE == STICKY_WORLD_WRITABLE
            && !ours
            && owner != directory.uid(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn frame(interface: u32, link: LinkType, bytes: &[u8]) -> Frame<'_> {
        let ts = Timestamp::new(0x0102_0304, 500_000_600);
        Frame {
            number: 1,
            ts,
            interface,
            link,
            wire_len: 9,
            bytes,
        }
    }

    fn written(format: FileFormat, flush: Flush, frames: &[Frame<'_>]) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let mut writer =
            CaptureWriter::new(&mut out, format, flush, LinkType::ETHERNET, 65535).unwrap();
        let interface = Interface {
            source: String::new(),
            name: Some("eth0".to_owned()),
            link: LinkType::RAW,
            snaplen: 7,
        };
        for frame in frames {
            writer
                .write(frame, (frame.interface == 1).then_some(&interface))
                .unwrap();
        }
        writer.flush().unwrap();
        let refused = writer.refused();
        drop(writer);
        (out, refused)
    }

    #[test]
    fn classic_files_are_libpcaps_bytes() {
        let header = [
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0,
            0,
        ];
        let record = [
            4, 3, 2, 1, 0x20, 0xa1, 7, 0, 3, 0, 0, 0, 9, 0, 0, 0, b'a', b'b', b'c',
        ];
        let frames = [
            frame(0, LinkType::ETHERNET, b"abc"),
            frame(0, LinkType::RAW, b"no"),
        ];
        let (out, refused) = written(FileFormat::Pcap, Flush::Buffered, &frames);
        assert_eq!(out, [&header[..], &record].concat());
        assert_eq!(refused, 1);
        let (out, _) = written(FileFormat::PcapNanos, Flush::EachPacket, &frames);
        assert_eq!(out[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        assert_eq!(out[28..32], 500_000_600u32.to_le_bytes());
    }

    /// Files in memory, of which each begins when the one before is full.
    fn rotated(format: FileFormat, full: Full, frames: &[Frame<'_>]) -> Vec<Vec<u8>> {
        use std::sync::Mutex;
        #[derive(Clone)]
        struct Files(Arc<Mutex<Vec<Vec<u8>>>>);
        impl Write for Files {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().last_mut().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let files = Files(Arc::new(Mutex::new(vec![Vec::new()])));
        let again = files.clone();
        let next = move || {
            again.0.lock().unwrap().push(Vec::new());
            Ok(again.clone())
        };
        let link = LinkType::ETHERNET;
        let writer = CaptureWriter::new(files.clone(), format, Flush::EachPacket, link, 65535);
        let mut writer = writer.unwrap().rotated(full, next);
        for frame in frames {
            writer.write(frame, None).unwrap();
        }
        drop(writer);
        let files = files.0.lock().unwrap();
        files.clone()
    }

    #[test]
    fn a_full_file_is_followed_by_the_next_with_a_header_of_its_own() {
        let at = |nanos| Frame {
            ts: Timestamp::from_nanos(nanos),
            ..frame(0, LinkType::ETHERNET, b"abcdefgh")
        };
        let frames = [at(0), at(5), at(10), at(11), at(30)];
        let one = |format, full| {
            let files = rotated(format, full, &frames);
            files.iter().map(Vec::len).collect::<Vec<_>>()
        };
        let (header, record) = (24, 24);
        // At least one packet fits, however small a file is to be.
        let each = [header + record; 5];
        assert_eq!(one(FileFormat::PcapNanos, Full::Bytes(1)), each);
        let pairs = [header + 2 * record, header + 2 * record, header + record];
        assert_eq!(one(FileFormat::Pcap, Full::Bytes(2 * (8 + RECORD))), pairs);
        assert_eq!(one(FileFormat::Pcap, Full::Nanos(10)), pairs);
        assert_eq!(
            one(FileFormat::Pcap, Full::Nanos(100)),
            [header + 5 * record]
        );
        let files = rotated(FileFormat::Pcapng, Full::Nanos(10), &frames);
        assert!(
            files
                .iter()
                .all(|file| file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]))
        );
    }

    #[test]
    fn pcapng_holds_several_link_types_and_can_be_read_again() {
        use crate::capture::{Next, Source, savefile::Savefiles};
        let frames = [
            frame(1, LinkType::RAW, b"abc"),
            frame(0, LinkType::ETHERNET, b"defgh"),
            frame(1, LinkType::RAW, b""),
        ];
        let (out, refused) = written(FileFormat::Pcapng, Flush::EachPacket, &frames);
        assert_eq!(refused, 0);
        let path =
            std::env::temp_dir().join(format!("spygrep-writer-{}.pcapng", std::process::id()));
        std::fs::write(&path, out).unwrap();
        let mut source = Savefiles::open(&[&path]).unwrap();
        std::fs::remove_file(&path).unwrap();
        for expected in frames {
            match source.next_frame().unwrap() {
                Next::Frame(seen) => {
                    assert_eq!(
                        (seen.ts, seen.link, seen.wire_len, seen.bytes),
                        (expected.ts, expected.link, 9, expected.bytes)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(source.next_frame(), Ok(Next::End)));
        let interfaces: Vec<_> = source
            .interfaces()
            .iter()
            .map(|one| (one.name.as_deref(), one.snaplen))
            .collect();
        assert_eq!(interfaces, [(None, 65535), (Some("eth0"), 7)]);
    }

    #[test]
    fn packets_are_written_at_once_or_gathered() {
        struct Writes<'a>(&'a mut Vec<usize>);
        impl Write for Writes<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let frame = frame(0, LinkType::ETHERNET, &[0; 984]);
        for (flush, expected) in [
            (Flush::EachPacket, vec![24, 1000, 1000, 1000]),
            (Flush::Buffered, vec![24, 3000]),
        ] {
            let mut writes = Vec::new();
            let mut writer = CaptureWriter::new(
                Writes(&mut writes),
                FileFormat::Pcap,
                flush,
                LinkType::ETHERNET,
                0,
            )
            .unwrap();
            for _ in 0..3 {
                writer.write(&frame, None).unwrap();
            }
            if flush == Flush::Buffered {
                writer.flush().unwrap();
            }
            drop(writer);
            assert_eq!(writes, expected);
        }
    }

    #[test]
    fn files_are_private_truncated_and_never_opened_through_a_link() {
        let directory = std::env::temp_dir().join(format!("spygrep-create-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (file, link) = (directory.join("file"), directory.join("link"));
        drop(create(&file, true).unwrap());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "old").unwrap();
        drop(create(&file, true).unwrap());
        assert_eq!(file.metadata().unwrap().len(), 0);
        std::os::unix::fs::symlink(directory.join("elsewhere"), &link).unwrap();
        assert!(create(&link, true).is_err());
        assert!(!directory.join("elsewhere").exists());
        drop(create(Path::new("/dev/null"), true).unwrap());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_name_decides_the_format() {
        assert_eq!(FileFormat::of(Path::new("a.PcapNG")), FileFormat::Pcapng);
        assert_eq!(FileFormat::of(Path::new("a.pcap")), FileFormat::Pcap);
        assert_eq!(FileFormat::of(Path::new("-")), FileFormat::Pcap);
    }
}

//! The writer of capture files for `-O`: classic pcap, byte for byte libpcap's, or pcapng, which may hold several link types.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Component, Path};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::frame::{Frame, LinkType};
use crate::unwritten::Named;

use super::{Interface, privileges};

/// Bytes that are gathered before they are written, with [`Flush::Gathered`].
const GATHER: usize = 64 << 10;

/// The format of a written capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpFormat {
    /// Classic pcap with microseconds: what libpcap, and so ngrep, writes.
    Pcap,
    /// Classic pcap with nanoseconds.
    PcapNanos,
    /// pcapng, with nanoseconds.
    Pcapng,
}

impl DumpFormat {
    /// pcapng when the name ends in `.pcapng`, else classic pcap with microseconds.
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
    /// Each one at once, so that another program may follow the file.
    EachPacket,
    /// When 64 KiB have gathered, at [`Dump::flush`] and at the end.
    Gathered,
}

/// Writes frames to a capture file.
pub struct Dump<W: Write> {
    out: W,
    format: DumpFormat,
    flush: Flush,
    link: LinkType,
    snaplen: u32,
    /// What is not written yet.
    pending: Vec<u8>,
    /// The run's interface numbers in the order of their pcapng descriptions.
    described: Vec<(u32, LinkType)>,
    written: u64,
    refused: u64,
}

impl<W: Write> Dump<W> {
    /// Begin a file; its header is written at once. `link` and `snaplen` are the input's, of its first interface; pcapng takes
    /// those of the others from their packets.
    ///
    /// # Errors
    /// The header cannot be written.
    pub fn new(
        out: W,
        format: DumpFormat,
        flush: Flush,
        link: LinkType,
        snaplen: u32,
    ) -> io::Result<Self> {
        let (pending, described) = (Vec::new(), Vec::new());
        let mut dump = Self {
            out,
            format,
            flush,
            link,
            snaplen,
            pending,
            described,
            written: 0,
            refused: 0,
        };
        match format {
            DumpFormat::Pcap => dump.classic_header(0xa1b2_c3d4),
            DumpFormat::PcapNanos => dump.classic_header(0xa1b2_3c4d),
            DumpFormat::Pcapng => {
                dump.words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d]);
                dump.halves(&[1, 0]);
                dump.words(&[u32::MAX, u32::MAX, 28]);
                // libpcap reads no file without an interface, not even to find it empty.
                dump.describe(link, None);
                dump.described.push((0, link));
            }
        }
        dump.flush()?;
        Ok(dump)
    }

    /// Write a frame; `interface` is the one it came from. `false` when a classic file cannot hold its link type: it is counted.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, frame: &Frame<'_>, interface: Option<&Interface>) -> io::Result<bool> {
        if self.format == DumpFormat::Pcapng {
            self.pcapng_packet(frame, interface);
        } else if frame.link == self.link {
            let fraction = frame.ts.subsec_nanos();
            let fraction = if self.format == DumpFormat::Pcap {
                fraction / 1000
            } else {
                fraction
            };
            self.words(&[
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
        if self.flush == Flush::EachPacket || self.pending.len() >= GATHER {
            self.flush()?;
        }
        Ok(true)
    }

    /// Hand everything on to the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = self
            .out
            .write_all(&self.pending)
            .and_then(|()| self.out.flush());
        // After a failure as well: half a packet must not be followed by itself.
        self.pending.clear();
        result
    }

    /// Packets written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Packets that a classic file could not hold, because their link type is another one than the file's.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn classic_header(&mut self, magic: u32) {
        self.words(&[magic]);
        self.halves(&[2, 4]);
        self.words(&[0, 0, self.snaplen, self.link.0]);
    }

    /// Enhanced Packet Block, behind its interface's description if that is new.
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
        self.words(&[
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
        self.words(&[length]);
    }

    /// Interface Description Block: link type, snap length, `if_name`, `if_tsresol` 9, end of options.
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
        self.words(&[1, length]);
        self.halves(&[link.0 as u16, 0]);
        self.words(&[interface.map_or(self.snaplen, |one| one.snaplen)]);
        if !name.is_empty() {
            self.halves(&[2, name.len() as u16]);
            self.pending.extend_from_slice(name);
            self.pending.resize(
                self.pending.len() + name.len().next_multiple_of(4) - name.len(),
                0,
            );
        }
        self.halves(&[9, 1]);
        self.pending.extend_from_slice(&[9, 0, 0, 0]);
        self.halves(&[0, 0]);
        self.words(&[length]);
    }

    fn words(&mut self, words: &[u32]) {
        for word in words {
            self.pending.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn halves(&mut self, halves: &[u16]) {
        for half in halves {
            self.pending.extend_from_slice(&half.to_le_bytes());
        }
    }
}

impl<W: Write> Drop for Dump<W> {
    fn drop(&mut self) {
        // A way out after an error; who wants to hear of a failure calls `flush` first.
        let _ = self.flush();
    }
}

/// Create the file to write to, or with `force` empty an existing one; `-` is standard output.
///
/// Only its owner may read it, for it holds other people's traffic. A symbolic link is not followed, because the directory
/// may belong to somebody else and we may be root; the system's own links (`/dev/stdout`, `/dev/fd/3`) are. For the same
/// reason a file of somebody else's in a folder where everybody may make files (`/tmp`) is not written to. Under `sudo` a
/// new file belongs to the user who called it.
///
/// Errors of writing to it have its name ([`crate::unwritten::Unwritten`]).
///
/// # Errors
/// It cannot be created.
pub fn create(path: &Path, force: bool) -> io::Result<Box<dyn Write + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let writer = create_file(path, force)?;
    let path = path.to_owned();
    Ok(Box::new(Named { writer, path }))
}

fn create_file(path: &Path, force: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if is_systems(path) {
        return options.open(path);
    }
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some((user, group)) = privileges::caller() {
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
                return Err(io::Error::other("it is there; --force writes over it"));
            }
            let file = options.open(path)?;
            if is_a_trap(path, &file.metadata()?)? {
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

/// The links and devices that the system itself has, which nobody can have put there.
fn is_systems(path: &Path) -> bool {
    let made_by_all = ["/dev/shm", "/dev/mqueue"];
    path.starts_with("/dev")
        && !path.components().any(|part| part == Component::ParentDir)
        && !made_by_all.iter().any(|folder| path.starts_with(folder))
}

/// Whether a file in a folder of everybody's is neither ours nor the folder owner's: who put it there would read our bytes.
fn is_a_trap(path: &Path, file: &Metadata) -> io::Result<bool> {
    const STICKY_FOR_ALL: u32 = 0o1002;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
    .metadata()?;
    let owner = file.uid();
    let ours =
        owner == geteuid().as_raw() || privileges::caller().is_some_and(|(user, _)| user == owner);
    Ok(folder.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL && !ours && owner != folder.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Timestamp;
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

    fn dump(format: DumpFormat, flush: Flush, frames: &[Frame<'_>]) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        let mut dump = Dump::new(&mut out, format, flush, LinkType::ETHERNET, 65535).unwrap();
        let interface = Interface {
            source: String::new(),
            name: Some("eth0".to_owned()),
            link: LinkType::RAW,
            snaplen: 7,
        };
        for frame in frames {
            dump.write(frame, (frame.interface == 1).then_some(&interface))
                .unwrap();
        }
        dump.flush().unwrap();
        let refused = dump.refused();
        drop(dump);
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
        let (out, refused) = dump(DumpFormat::Pcap, Flush::Gathered, &frames);
        assert_eq!(out, [&header[..], &record].concat());
        assert_eq!(refused, 1);
        let (out, _) = dump(DumpFormat::PcapNanos, Flush::EachPacket, &frames);
        assert_eq!(out[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        assert_eq!(out[28..32], 500_000_600u32.to_le_bytes());
    }

    #[test]
    fn pcapng_holds_several_link_types_and_can_be_read_again() {
        use crate::capture::{Next, Source, savefile::Savefiles};
        let frames = [
            frame(1, LinkType::RAW, b"abc"),
            frame(0, LinkType::ETHERNET, b"defgh"),
            frame(1, LinkType::RAW, b""),
        ];
        let (out, refused) = dump(DumpFormat::Pcapng, Flush::EachPacket, &frames);
        assert_eq!(refused, 0);
        let path = std::env::temp_dir().join(format!("spygrep-dump-{}.pcapng", std::process::id()));
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
            (Flush::Gathered, vec![24, 3000]),
        ] {
            let mut writes = Vec::new();
            let mut dump = Dump::new(
                Writes(&mut writes),
                DumpFormat::Pcap,
                flush,
                LinkType::ETHERNET,
                0,
            )
            .unwrap();
            for _ in 0..3 {
                dump.write(&frame, None).unwrap();
            }
            if flush == Flush::Gathered {
                dump.flush().unwrap();
            }
            drop(dump);
            assert_eq!(writes, expected);
        }
    }

    #[test]
    fn files_are_private_emptied_and_never_behind_a_link() {
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
        assert_eq!(DumpFormat::of(Path::new("a.PcapNG")), DumpFormat::Pcapng);
        assert_eq!(DumpFormat::of(Path::new("a.pcap")), DumpFormat::Pcap);
        assert_eq!(DumpFormat::of(Path::new("-")), DumpFormat::Pcap);
    }
}

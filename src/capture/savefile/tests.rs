//! Files made here, byte by byte, and read back.

use proptest::prelude::*;

use super::*;
use crate::capture::dump::{Dump, Format as Written};

/// Gives a few bytes at a time.
struct Dribble(std::io::Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(self.1);
        self.0.read(&mut out[..len])
    }
}

fn read(bytes: Vec<u8>, at_once: usize) -> (Vec<String>, Vec<String>) {
    let mut buffer = Buffer::new(Box::new(Dribble(std::io::Cursor::new(bytes), at_once)));
    buffer.fill(24).unwrap();
    let format = match classic::Classic::new(buffer.bytes()) {
        Some(classic) => {
            buffer.consume(classic::HEADER);
            Format::Classic(classic)
        }
        None => Format::Next(next::Next::default()),
    };
    let file = Savefile {
        path: "test".into(),
        buffer,
        format,
    };
    let mut files = Savefiles {
        link: file.link(),
        files: [file].into(),
        frames: 0,
        interfaces: 0,
        stats: CaptureStats::default(),
        warnings: Vec::new(),
        total: None,
        read: 0,
    };
    let mut frames = Vec::new();
    while let Next::Frame(frame) = files.next_frame().unwrap() {
        frames.push(format!(
            "#{} {} if{} link{} {}/{} {}",
            frame.number,
            frame.ts.nanos(),
            frame.interface,
            frame.link,
            frame.bytes.len(),
            frame.wire_len,
            String::from_utf8_lossy(frame.bytes)
        ));
    }
    (frames, files.warnings())
}

fn classic(swapped: bool, magic: u32, records: &[(u32, u32, u32, &str)]) -> Vec<u8> {
    let field = |value: u32| {
        if swapped {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut bytes = Vec::new();
    for value in [magic, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(field(value));
    }
    for (seconds, fraction, wire_len, text) in records {
        for value in [*seconds, *fraction, text.len() as u32, *wire_len] {
            bytes.extend(field(value));
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

#[test]
fn classic_files_of_all_orders_and_precisions_are_read() {
    let records = [(1, 5, 3, "one"), (2, 6, 100, "two")];
    for (magic, unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
        for swapped in [false, true] {
            let (frames, warnings) = read(classic(swapped, magic, &records), 7);
            let first = format!("#1 {} if0 link1 3/3 one", 1_000_000_000 + 5 * unit);
            let second = format!("#2 {} if0 link1 3/100 two", 2_000_000_000_i64 + 6 * unit);
            assert_eq!(frames, [first, second], "{magic:x} {swapped}");
            assert!(warnings.is_empty());
        }
    }
}

#[test]
fn what_is_before_a_cut_or_an_impossible_record_is_read() {
    let whole = classic(false, 0xa1b2_c3d4, &[(1, 0, 3, "one"), (2, 0, 3, "two")]);
    for end in 44..whole.len() - 1 {
        let (frames, warnings) = read(whole[..end].to_vec(), 1000);
        assert_eq!((frames.len(), warnings.len()), (1, 1), "cut at {end}");
        assert!(
            warnings[0].contains("middle of a record at byte 43"),
            "{warnings:?}"
        );
    }
    let mut absurd = whole;
    absurd[43 + 8..43 + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let (frames, warnings) = read(absurd, 1000);
    assert_eq!(frames.len(), 1);
    assert!(warnings[0].contains("impossible length"), "{warnings:?}");
}

fn block(swapped: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let field = |value: u32| {
        if swapped {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let padded = body.len().next_multiple_of(4);
    let len = field(12 + padded as u32);
    let mut bytes = [&field(kind)[..], &len, body].concat();
    bytes.resize(8 + padded, 0);
    bytes.extend(len);
    bytes
}

/// A section with two interfaces (Ethernet, snap length 4, microseconds; raw IP, nanoseconds) and a packet of each kind.
fn section(swapped: bool) -> Vec<u8> {
    let long = |value: u32| {
        if swapped {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let short = |value: u16| {
        if swapped {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut bytes = block(
        swapped,
        SECTION,
        &[&long(0x1a2b_3c4d)[..], &long(1), &[0xff; 8]].concat(),
    );
    bytes.extend(block(
        swapped,
        1,
        &[&short(1)[..], &short(0), &long(4)].concat(),
    ));
    let resolution = [&short(9)[..], &short(1), &[9, 0, 0, 0], &[0; 4]].concat();
    bytes.extend(block(
        swapped,
        1,
        &[&short(101)[..], &short(0), &long(0), &resolution].concat(),
    ));
    bytes.extend(block(swapped, 5, &[0; 20])); // interface statistics
    let packet = |interface: u32, time: u32, text: &str| {
        let len = long(text.len() as u32);
        [
            &long(interface)[..],
            &long(0),
            &long(time),
            &len,
            &len,
            text.as_bytes(),
        ]
        .concat()
    };
    bytes.extend(block(swapped, 6, &packet(0, 7, "micro")));
    bytes.extend(block(swapped, 6, &packet(1, 7, "nano")));
    bytes.extend(block(swapped, 3, &[&long(9)[..], b"simp"].concat()));
    bytes.extend(block(swapped, 6, &packet(9, 7, "no such interface")));
    bytes
}

const SECTION: u32 = 0x0a0d_0d0a;

#[test]
fn sections_and_interfaces_of_a_pcapng_are_told_apart() {
    let bytes = [section(false), section(true)].concat();
    for at_once in [1, 5, 100_000] {
        let (frames, warnings) = read(bytes.clone(), at_once);
        assert_eq!(
            frames,
            [
                "#1 7000 if0 link1 5/5 micro",
                "#2 7 if1 link101 4/4 nano",
                "#3 7 if0 link1 4/9 simp",
                "#4 7000 if2 link1 5/5 micro",
                "#5 7 if3 link101 4/4 nano",
                "#6 7 if2 link1 4/9 simp",
            ]
        );
        assert!(warnings.is_empty());
    }
}

#[test]
fn what_is_dumped_is_read_back() {
    for (format, unit) in [
        (Written::Microseconds, 1000),
        (Written::Nanoseconds, 1),
        (Written::Next, 1),
    ] {
        let path =
            std::env::temp_dir().join(format!("spygrep-dump-{}-{format:?}", std::process::id()));
        let mut dump = Dump::new(Box::new(Dump::create(&path).unwrap()), format);
        for (number, link) in [(1, LinkType::ETHERNET), (2, LinkType::RAW)] {
            let ts = Timestamp::from_nanos(1_700_000_000_123_456_789);
            dump.write(&Frame {
                number,
                ts,
                interface: 0,
                link,
                wire_len: 9,
                bytes: b"hello",
            })
            .unwrap();
        }
        dump.flush().unwrap();
        let mut files = Savefiles::open(std::slice::from_ref(&path)).unwrap();
        let mut times = Vec::new();
        while let Next::Frame(frame) = files.next_frame().unwrap() {
            assert_eq!((frame.bytes, frame.wire_len), (&b"hello"[..], 9));
            times.push(frame.ts.nanos());
        }
        let want = 1_700_000_000_123_456_789 / unit * unit;
        let count = if format == Written::Next { 2 } else { 1 };
        assert_eq!(times, vec![want; count], "{format:?}");
        assert_eq!(dump.refused(), 2 - count as u64);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn files_that_are_no_captures_are_named() {
    let directory = std::env::temp_dir();
    let Err(CaptureError::NotACapture { what, .. }) =
        Savefiles::open(std::slice::from_ref(&directory))
    else {
        panic!()
    };
    assert_eq!(what, "is a directory");
    for (name, content, want) in [
        ("empty", &b""[..], "is empty"),
        (
            "text",
            b"hello, world, this is no capture",
            "looks like text",
        ),
        ("bytes", &[0; 40], "does not start like one"),
    ] {
        let path = directory.join(format!("spygrep-not-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        assert!(!looks_like_capture(&path));
        let Err(CaptureError::NotACapture { what, .. }) =
            Savefiles::open(std::slice::from_ref(&path))
        else {
            panic!()
        };
        assert_eq!(what, want);
        std::fs::remove_file(path).unwrap();
    }
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        swapped: bool,
        damage in prop::collection::vec((0usize..600, any::<u8>()), 1..10),
        cut in 24usize..600,
    ) {
        let mut bytes = [section(swapped), section(!swapped)].concat();
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(cut);
        read(bytes, 100);
    }
}

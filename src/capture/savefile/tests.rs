//! Files made of bytes, read whole, in pieces and damaged.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::write::GzEncoder;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::input::Input;
use super::*;
use crate::capture::{Looks, MAX_SNAPLEN};

/// A frame as owned values: number, time, interface, link, wire length, bytes.
type Seen = (u64, i64, u32, u32, u32, Vec<u8>);

fn source(files: Vec<Vec<u8>>) -> Savefiles {
    let open = |(index, bytes): (usize, Vec<u8>)| {
        OpenFile::of(
            Path::new(&format!("file{index}")),
            Input::from_reader(io::Cursor::new(bytes)),
        )
    };
    let mut source = Savefiles::of(files.into_iter().enumerate().map(open).collect());
    source.advance();
    source
}

fn drain(source: &mut Savefiles) -> Result<Vec<Seen>, CaptureError> {
    let mut seen = Vec::new();
    loop {
        match source.next_frame()? {
            Next::Frame(f) => {
                seen.push((
                    f.number,
                    f.ts.nanos(),
                    f.interface,
                    f.link.0,
                    f.wire_len,
                    f.bytes.to_vec(),
                ));
            }
            Next::Idle => {}
            Next::End => return Ok(seen),
        }
    }
}

fn read(bytes: Vec<u8>) -> (Vec<Seen>, Vec<String>) {
    let mut source = source(vec![bytes]);
    let seen = drain(&mut source).unwrap();
    let warnings = source.take_warnings();
    (seen, warnings.iter().map(ToString::to_string).collect())
}

/// The same of files that another thread helps to read, as long as it is not at something else. Where a block is said to lack the
/// needle, no frame in it has one.
fn read_together(files: &[Vec<u8>], needle: &'static [u8]) -> (Vec<Seen>, Vec<String>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("spygrep-together-{number}-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let paths: Vec<_> = (0..files.len())
        .map(|index| directory.join(format!("{index}.pcap")))
        .collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let mut source = Savefiles::open(&paths).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();

    let lacks = move |bytes: &[u8]| !bytes.windows(needle.len()).any(|part| part == needle);
    let stretches = source.share(Some(Sought {
        lacks: Box::new(lacks),
        reach: needle.len() - 1,
    }));
    let (mut seen, mut told, mut memory) = (Vec::<Seen>::new(), 0, Vec::new());
    let mut roomy = 0;
    // It goes also when something here fails.
    let wanted = Arc::new(());
    let helps = Arc::downgrade(&wanted);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut turns = 0_u32;
            while helps.strong_count() > 0 {
                turns += 1;
                if turns.is_multiple_of(3) || !stretches.help() {
                    std::thread::yield_now();
                }
            }
        });
        loop {
            match source.next_kept().unwrap() {
                (Next::Frame(f), block) => {
                    assert!(block.as_ptr_range().contains(&f.bytes.as_ptr()) || f.bytes.is_empty());
                    let bytes = f.bytes.to_vec();
                    let ts = f.ts.nanos();
                    seen.push((f.number, ts, f.interface, f.link.0, f.wire_len, bytes));
                    continue;
                }
                (Next::Idle, _) => {}
                (Next::End, _) => break,
            }
            let lacking = source.lacks();
            assert!(!lacking || seen[told..].iter().all(|frame| lacks(&frame.5)));
            told = seen.len();
            memory = source.exchange(memory);
            roomy += usize::from(memory.capacity() > 2 * memory.len().max(200));
        }
        drop(wanted);
    });
    let warnings = source.take_warnings();
    assert!(
        roomy <= warnings.len(),
        "only of a record that is cut there is room left"
    );
    (seen, warnings.iter().map(ToString::to_string).collect())
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    fn u32(self, n: u32) -> [u8; 4] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.u32(*word)).collect()
    }

    fn pcap_header(self, magic: u32, minor: u16, snaplen: u32, link: u32) -> Vec<u8> {
        [
            &self.u32(magic)[..],
            &self.u16(2),
            &self.u16(minor),
            &self.words(&[0, 0, snaplen, link]),
        ]
        .concat()
    }
    fn record(self, sec: u32, fraction: u32, wire_len: u32, bytes: &[u8]) -> Vec<u8> {
        [
            &self.words(&[sec, fraction, bytes.len() as u32, wire_len])[..],
            bytes,
        ]
        .concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = (padded + 12) as u32;
        let padding = vec![0; padded - body.len()];
        [
            &self.words(&[kind, length])[..],
            body,
            &padding,
            &self.u32(length),
        ]
        .concat()
    }
    fn section(self) -> Vec<u8> {
        self.block(
            0x0a0d_0d0a,
            &[
                &self.u32(0x1a2b_3c4d)[..],
                &self.u16(1),
                &self.u16(0),
                &[0xff; 8],
            ]
            .concat(),
        )
    }
    fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&self.u16(link)[..], &[0, 0], &self.u32(snaplen)].concat();
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }
    fn packet(self, interface: u32, ticks: u64, wire_len: u32, bytes: &[u8]) -> Vec<u8> {
        let words = [
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            bytes.len() as u32,
            wire_len,
        ];
        self.block(6, &[&self.words(&words)[..], bytes].concat())
    }
}

const LITTLE: Order = Order(false);
const BIG: Order = Order(true);

/// Named: `nsec_pcap`, `swapped`.
#[test]
fn classic_files_of_every_magic_give_the_same_frame() {
    for order in [LITTLE, BIG] {
        for (magic, fraction, extra) in [
            (0xa1b2_c3d4, 7, 0),
            (0xa1b2_3c4d, 7000, 0),
            (0xa1b2_cd34, 7, 8),
        ] {
            let mut file = order.pcap_header(magic, 4, 65535, 1);
            let mut record = order.record(3, fraction, 60, b"abc");
            record.splice(16..16, vec![9; extra]);
            file.extend(record);
            let (seen, warnings) = read(file);
            assert_eq!(
                seen,
                [(1, 3_000_007_000, 0, 1, 60, b"abc".to_vec())],
                "{magic:x}"
            );
            assert!(warnings.is_empty());
        }
    }
}

#[test]
fn checksum_bits_are_no_part_of_the_link_type() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 0, 0x5400_0001);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    let mut source = source(vec![file]);
    assert_eq!(drain(&mut source).unwrap()[0].3, 1);
    assert_eq!(source.interfaces()[0].snaplen, MAX_SNAPLEN);
}

#[test]
fn old_versions_have_their_lengths_the_other_way_round() {
    for (minor, swapped) in [(1, true), (3, true), (3, false), (4, false)] {
        let mut file = LITTLE.pcap_header(0xa1b2_c3d4, minor, 65535, 1);
        let lengths = if swapped {
            [0, 0, 60, 3]
        } else {
            [0, 0, 3, 60]
        };
        file.extend(LITTLE.words(&lengths));
        file.extend(b"abc");
        assert_eq!(
            read(file).0,
            [(1, 0, 0, 1, 60, b"abc".to_vec())],
            "2.{minor}"
        );
    }
}

#[test]
fn a_frame_is_at_least_as_long_as_its_bytes() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 2, 1);
    file.extend(LITTLE.record(0, 0, 1, b"abc"));
    assert_eq!(read(file).0, [(1, 0, 0, 1, 3, b"abc".to_vec())]);
}

/// Named: `empty`.
#[test]
fn a_file_without_frames_is_fine() {
    for file in [
        LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1),
        LITTLE.section(),
    ] {
        assert_eq!(read(file), (vec![], vec![]));
    }
}

/// Named: `pcapng_two_linktypes`, `pcapng_two_snaplens`, `pcapng_multi_section`, `pcapng_spb`, `pcapng_tsresol`.
#[test]
fn pcapng_sections_interfaces_and_all_kinds_of_packets() {
    let mut file = LITTLE.section();
    file.extend(LITTLE.interface(1, 0, &[(2, b"eth0"), (0, b"")]));
    file.extend(LITTLE.block(5, &[0; 44]));
    file.extend(LITTLE.interface(113, 96, &[(9, &[9]), (14, &[10, 0, 0, 0, 0, 0, 0, 0])]));
    file.extend(LITTLE.packet(0, 1_000_001, 5, b"hello"));
    file.extend(LITTLE.packet(1, 5, 200, b"cut"));
    file.extend(LITTLE.block(3, &[&LITTLE.u32(3)[..], b"spb"].concat()));
    file.extend(LITTLE.block(
        2,
        &[&LITTLE.words(&[0x0009_0001, 0, 6, 2, 2])[..], b"pb"].concat(),
    ));
    file.extend(BIG.section());
    file.extend(BIG.interface(101, 0, &[(14, &[0, 0, 0, 0, 0, 0, 0, 1]), (9, &[0x80])]));
    file.extend(BIG.packet(0, 4, 1, b"x"));
    file.extend(LITTLE.section());
    file.extend(LITTLE.interface(1, 0, &[(2, b"eth0")]));
    file.extend(LITTLE.packet(0, 2_000_000, 1, b"y"));
    let mut source = source(vec![file]);
    assert_eq!(
        drain(&mut source).unwrap(),
        [
            (1, 1_000_001_000, 0, 1, 5, b"hello".to_vec()),
            (2, 10_000_000_005, 1, 113, 200, b"cut".to_vec()),
            (3, 10_000_000_005, 0, 1, 3, b"spb".to_vec()),
            (4, 10_000_000_006, 1, 113, 2, b"pb".to_vec()),
            (5, 5_000_000_000, 2, 101, 1, b"x".to_vec()),
            (6, 2_000_000_000, 0, 1, 1, b"y".to_vec()),
        ]
    );
    let names: Vec<_> = source
        .interfaces()
        .iter()
        .map(|one| (one.name.as_deref(), one.snaplen))
        .collect();
    assert_eq!(
        names,
        [(Some("eth0"), MAX_SNAPLEN), (None, 96), (None, MAX_SNAPLEN)]
    );
    assert!(source.take_warnings().is_empty());
}

#[test]
fn packets_that_make_no_sense_are_counted_and_stepped_over() {
    let mut file = BIG.section();
    file.extend(BIG.packet(0, 0, 1, b"before any interface"));
    file.extend(BIG.interface(1, 0, &[]));
    file.extend(BIG.packet(1, 0, 1, b"of an unknown interface"));
    let mut long = BIG.packet(0, 0, 4, b"long");
    long[20..24].copy_from_slice(&BIG.u32(99));
    file.extend(long);
    file.extend(BIG.packet(0, 0, 1, b"!"));
    let mut source = source(vec![file]);
    assert_eq!(drain(&mut source).unwrap().len(), 1);
    assert_eq!(source.stats().bad_blocks, 3);
    assert_eq!(source.take_warnings().len(), 1);
}

#[test]
fn what_lies_before_a_cut_is_read_and_one_warning_given() {
    let mut classic = BIG.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    classic.extend(BIG.record(0, 0, 3, b"abc"));
    let first = classic.len();
    classic.extend(BIG.record(0, 0, 3, b"def"));
    let mut blocks = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.packet(0, 0, 3, b"abc"),
    ]
    .concat();
    let first_block = blocks.len();
    blocks.extend(LITTLE.packet(0, 0, 3, b"def"));
    for (file, first) in [(classic, first), (blocks, first_block)] {
        for length in first..=file.len() {
            let mut source = source(vec![file[..length].to_vec()]);
            let whole = length == file.len();
            assert_eq!(drain(&mut source).unwrap().len(), 1 + usize::from(whole));
            let cut = !whole && length != first;
            let warnings = source.take_warnings();
            assert_eq!(warnings.len(), usize::from(cut));
            assert_eq!(source.stats().cut_files, u64::from(cut));
            if cut {
                let expected = format!(
                    "file0: the file is cut in the middle of a record at byte {first} after 1 frame; what came before was read"
                );
                assert_eq!(warnings[0].to_string(), expected);
            }
        }
    }
}

/// Named: `absurd_caplen`.
#[test]
fn an_impossible_length_ends_the_file_and_the_next_one_goes_on() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    let good = file.clone();
    file.extend(LITTLE.words(&[0, 0, 0xffff_ffff, 0xffff_ffff]));
    file.extend([0; 100]);
    let mut source = source(vec![file, good]);
    let seen = drain(&mut source).unwrap();
    assert_eq!(
        seen.iter().map(|one| (one.0, one.2)).collect::<Vec<_>>(),
        [(1, 0), (2, 1)]
    );
    let warning = source.take_warnings().remove(0).to_string();
    assert!(
        warning.starts_with("file0: a record has the impossible length 4294967295 at byte 43"),
        "{warning}"
    );
}

#[test]
fn a_large_record_grows_the_buffer() {
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i >> 8) as u8).collect();
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    file.extend(LITTLE.record(0, 0, 3_000_000, &large));
    file.extend(LITTLE.record(0, 0, 3, b"def"));
    let (seen, _) = read(file);
    assert_eq!(
        seen.iter().map(|one| one.5.len()).collect::<Vec<_>>(),
        [3, 3_000_000, 3]
    );
    assert_eq!(seen[1].5, large);
}

/// Named: `gzip/zstd named`.
#[test]
fn packed_files_are_unpacked_and_their_damage_is_a_cut() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    for i in 0..20_000u32 {
        file.extend(LITTLE.record(i, 0, 60, &i.wrapping_mul(2_654_435_761).to_be_bytes()));
    }
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    let packed = [
        gzip.finish().unwrap(),
        compress_to_vec(&file[..], CompressionLevel::Fastest),
    ];
    let (plain, _) = read(file);
    for packed in packed {
        let half = packed[..packed.len() / 2].to_vec();
        assert_eq!(read(packed), (plain.clone(), vec![]));
        let mut source = source(vec![half]);
        let seen = drain(&mut source).unwrap();
        assert!(plain.starts_with(&seen));
        assert_eq!(source.stats().cut_files, 1);
    }
}

/// Named: `bad_magic`.
#[test]
fn what_is_no_capture_is_refused_with_a_reason() {
    let version = LITTLE.pcap_header(0xa1b2_c3d4, 9, 65535, 1);
    let mut damaged_gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
    damaged_gzip.extend([0xff; 40]);
    let cases: [(&[u8], Looks); 8] = [
        (b"", Looks::Empty),
        (b"GET / HTTP/1.1\r\n", Looks::Text),
        ("grüße".as_bytes(), Looks::Text),
        (&[0; 100], Looks::Unknown),
        (&version[..23], Looks::Cut),
        (&version, Looks::Version),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 1], Looks::Cut),
        (&damaged_gzip, Looks::Packed),
    ];
    for (bytes, expected) in cases {
        match drain(&mut source(vec![bytes.to_vec()])) {
            Err(CaptureError::NotACapture { what, .. }) => assert_eq!(what, expected, "{bytes:?}"),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

#[test]
fn paths_are_opened_checked_and_measured() {
    let directory = std::env::temp_dir().join(format!("spygrep-savefile-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (capture, text) = (directory.join("a.pcap"), directory.join("b.txt"));
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 1234, 113);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    std::fs::write(&capture, &file).unwrap();
    std::fs::write(&text, "just text, nothing more").unwrap();

    assert!(looks_like_capture(&capture));
    assert!(!looks_like_capture(&text));
    assert!(!looks_like_capture(&directory));
    assert!(!looks_like_capture(&directory.join("missing")));

    let error = |path: &Path| Savefiles::open(&[path]).err().unwrap();
    assert!(matches!(
        error(&directory),
        CaptureError::NotACapture {
            what: Looks::Directory,
            ..
        }
    ));
    assert!(matches!(
        error(&text),
        CaptureError::NotACapture {
            what: Looks::Text,
            ..
        }
    ));
    assert!(matches!(
        error(&directory.join("missing")),
        CaptureError::Io { .. }
    ));

    let mut source = Savefiles::open(&[&capture, &capture]).unwrap();
    assert_eq!(source.interfaces()[0].link, LinkType::LINUX_SLL);
    assert_eq!(source.interfaces()[0].snaplen, 1234);
    let total = 2 * file.len() as u64;
    assert_eq!(source.progress().unwrap().total, Some(total));
    assert_eq!(drain(&mut source).unwrap().len(), 2);
    let all = Progress {
        read: total,
        total: Some(total),
    };
    assert_eq!(source.progress(), Some(all));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_pipe_is_idle_while_it_is_silent_whatever_it_carries() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    for bytes in [
        file.clone(),
        gzip.finish().unwrap(),
        compress_to_vec(&file[..], CompressionLevel::Fastest),
    ] {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let mut source = Savefiles::open(&[path]).unwrap();
        assert!(matches!(source.next_frame(), Ok(Next::Idle)));
        writer.write_all(&bytes[..10]).unwrap();
        assert!(matches!(source.next_frame(), Ok(Next::Idle)));
        writer.write_all(&bytes[10..]).unwrap();
        let mut seen = 0;
        for _ in 0..3 {
            seen += usize::from(matches!(source.next_frame(), Ok(Next::Frame(_))));
        }
        assert_eq!(seen, 1);
        let read = Progress {
            read: bytes.len() as u64,
            total: None,
        };
        assert_eq!(source.progress(), Some(read));
        drop(writer);
        drop(reader);
        assert!(matches!(source.next_frame(), Ok(Next::End)));
    }
}

/// Gives as many bytes at a time as the list says, over and over; 0 stands for "would block".
struct Dripping {
    bytes: io::Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Dripping {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        if size == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = target.len().min(size);
        self.bytes.read(&mut target[..most])
    }
}

fn some_file() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::collection::vec(
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..80)),
        0..30,
    );
    (frames, any::<bool>(), 0..2usize).prop_map(|(frames, big, format)| {
        let order = Order(big);
        let mut file = Vec::new();
        if format == 0 {
            file.extend(order.pcap_header(0xa1b2_c3d4, 4, 65535, 1));
            for (number, bytes) in &frames {
                file.extend(order.record(*number, 5, 90, bytes));
            }
        } else {
            file.extend(order.section());
            file.extend(order.interface(1, 0, &[(9, &[9])]));
            for (number, bytes) in &frames {
                file.extend(order.packet(0, u64::from(*number), 90, bytes));
                if number % 3 == 0 {
                    file.extend(order.block(0x0bad, bytes));
                }
            }
        }
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn frames_do_not_depend_on_how_the_bytes_come(file in some_file(), mut sizes in prop::collection::vec(0..40usize, 1..9)) {
        sizes.push(1);
        let (whole, warnings) = read(file.clone());
        prop_assert!(warnings.is_empty());
        let input = Input::from_reader(Dripping { bytes: io::Cursor::new(file), sizes, turn: 0 });
        let mut pieces = Savefiles::of(vec![OpenFile::of(Path::new("pieces"), input)]);
        pieces.advance();
        prop_assert_eq!(drain(&mut pieces).unwrap(), whole);
        prop_assert!(pieces.take_warnings().is_empty());
    }

    #[test]
    fn damaged_files_never_panic(
        file in some_file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0u8, 1, 3, 6, 0x7f, 0x80, 0xff])), 1..8),
    ) {
        let mut file = file;
        for (place, value) in changes {
            let place = place.index(file.len());
            file[place] = value;
        }
        let mut source = source(vec![file]);
        let _ = drain(&mut source);
        prop_assert!(source.take_warnings().len() <= 2);
    }

    #[test]
    fn frames_do_not_depend_on_who_reads_them(
        files in prop::collection::vec(some_file(), 1..4),
        cut in any::<prop::sample::Index>(),
        large in prop::collection::vec(prop::sample::select(b"abcdefgh".to_vec()), 0..1000),
    ) {
        let mut files = files;
        files.push([
            LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1),
            large.chunks(9).flat_map(|bytes| LITTLE.record(1, 2, 3, bytes)).collect(),
            LITTLE.record(1, 2, 3, &large),
            LITTLE.record(1, 2, 3, &large[large.len() / 2..]),
        ].concat());
        let last = files.last_mut().unwrap();
        last.truncate(24 + cut.index(last.len() - 23));
        let mut alone = source(files.clone());
        let seen = drain(&mut alone).unwrap();
        let warnings: Vec<_> = alone.take_warnings().iter().map(|warning| warning.text.clone()).collect();
        let (together, said) = read_together(&files, b"abc");
        prop_assert_eq!(together, seen);
        prop_assert_eq!(said.len(), warnings.len());
        for (said, warning) in said.iter().zip(&warnings) {
            prop_assert!(said.ends_with(warning), "{} {}", said, warning);
        }
    }
}

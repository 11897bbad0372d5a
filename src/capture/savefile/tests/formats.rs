//! What each format says, and what is wrong with a file.

use std::io::Write;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::capture::{FormatError, MAX_SNAPLEN};

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

/// Named: `pcapng_two_linktypes`, `pcapng_two_snaplens`, `pcapng_multi_section`, `pcapng_spb`,
/// `pcapng_tsresol`.
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
    let cases: [(&[u8], FormatError); 12] = [
        (b"", FormatError::Empty),
        (b"GET / HTTP/1.1\r\n", FormatError::Text),
        ("grüße".as_bytes(), FormatError::Text),
        (&[0; 100], FormatError::Unknown),
        (&version[..23], FormatError::Cut),
        (&version, FormatError::Version),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 1], FormatError::Cut),
        (&damaged_gzip, FormatError::Packed),
        (
            b"snoop\0\0\0\0\0\0\x02\0\0\0\x04",
            FormatError::Foreign("snoop (Solaris)"),
        ),
        (
            b"GMBU\0\x02\x01\0",
            FormatError::Foreign("Microsoft Network Monitor"),
        ),
        (
            b"RTSS\x01\x01\x01\0",
            FormatError::Foreign("Microsoft Network Monitor"),
        ),
        (b"snoop around", FormatError::Text),
    ];
    for (bytes, expected) in cases {
        match drain(&mut source(vec![bytes.to_vec()])) {
            Err(CaptureError::NotACapture { what, .. }) => assert_eq!(what, expected, "{bytes:?}"),
            other => panic!("{bytes:?}: {other:?}"),
        }
    }
}

/// Captures that rotate through many files leave some of them empty, even without a file header.
#[test]
fn a_file_with_nothing_in_it_among_others_is_passed_over() {
    let mut file = LITTLE.pcap_header(0xa1b2_c3d4, 4, 65535, 1);
    file.extend(LITTLE.record(0, 0, 3, b"abc"));
    let files = vec![vec![], file.clone(), vec![], file[..20].to_vec(), file];
    let mut source = source(files);
    source.several = true;
    assert_eq!(drain(&mut source).unwrap().len(), 2);
    let warnings = source.take_warnings();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "file0: it is empty",
            "file2: it is empty",
            "file3: it ends inside its file header"
        ]
    );
    assert_eq!(source.stats().cut_files, 1);
}

/// Impossible times are clamped to the ends of the range, and counted.
#[test]
fn impossible_times_are_counted() {
    let mut file = LITTLE.section();
    file.extend(LITTLE.interface(1, 0, &[(9, &[9])]));
    file.extend(LITTLE.interface(1, 0, &[(14, &i64::MIN.to_le_bytes())]));
    for (interface, ticks) in [(0, 7), (0, u64::MAX), (1, 1), (0, 8)] {
        file.extend(LITTLE.packet(interface, ticks, 1, b"x"));
    }
    let mut source = source(vec![file]);
    let seen = drain(&mut source).unwrap();
    let times: Vec<i64> = seen.iter().map(|frame| frame.1).collect();
    let (earliest, latest) = (Timestamp::EARLIEST.nanos(), Timestamp::LATEST.nanos());
    assert_eq!(times, [7, latest, earliest, 8]);
    assert_eq!(source.stats().bad_times, 2);
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

    let empty = directory.join("empty.pcap");
    std::fs::write(&empty, "").unwrap();
    let other = |what| Named::Other(what);
    assert_eq!(named(&capture), Named::Capture);
    assert_eq!(named(&text), other(Some(FormatError::Text)));
    assert_eq!(named(&empty), other(Some(FormatError::Empty)));
    assert_eq!(named(&directory), other(Some(FormatError::Directory)));
    assert_eq!(named(&directory.join("missing")), other(None));

    let error = |path: &Path| Savefiles::open(&[path]).err().unwrap();
    assert!(matches!(
        error(&directory),
        CaptureError::NotACapture {
            what: FormatError::Directory,
            ..
        }
    ));
    assert!(matches!(
        error(&text),
        CaptureError::NotACapture {
            what: FormatError::Text,
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

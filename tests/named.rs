//! The named tests that go through the whole program: packets made here, and what is printed of
//! them.
//!
//! `tests/named.md` lists all names and says what each is; that each has its test is checked here.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use crate::{project, scratch, spygrep, text};

/// An IPv4 packet.
fn v4(protocol: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + payload.len() as u16).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(payload);
    bytes
}

/// An IPv6 packet.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend([&[0; 15][..], &[1], &[0; 15], &[2]].concat());
    bytes.extend(payload);
    bytes
}

fn fragment_v6(id: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let field = (offset | u16::from(more)).to_be_bytes();
    v6(
        44,
        &[&[17, 0, field[0], field[1], 0, 0, 0, id][..], payload].concat(),
    )
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [1000, 2000, 8 + payload.len() as u16, 0_u16] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn tcp_header(seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [40_000_u16.to_be_bytes(), 80_u16.to_be_bytes()].concat();
    bytes.extend(seq.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

const SYN: u8 = 0x02;
const FIN: u8 = 0x11;
const ACK: u8 = 0x10;

/// A connection of one direction: its payloads, one segment each, and a FIN.
fn connection(payloads: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut packets = vec![v4(6, 0, 0, &tcp_header(0, SYN, b""))];
    let mut seq = 1;
    for payload in payloads {
        packets.push(v4(6, 0, 0, &tcp_header(seq, ACK, payload)));
        seq += payload.len() as u32;
    }
    packets.push(v4(6, 0, 0, &tcp_header(seq, FIN, b"")));
    packets
}

/// With something left out: the first part, a hole, the second part, and the end.
fn holed(first: &[u8], hole: u32, second: &[u8]) -> Vec<Vec<u8>> {
    let at = 1 + first.len() as u32;
    vec![
        v4(6, 0, 0, &tcp_header(0, SYN, b"")),
        v4(6, 0, 0, &tcp_header(1, ACK, first)),
        v4(6, 0, 0, &tcp_header(at + hole, ACK, second)),
        v4(
            6,
            0,
            0,
            &tcp_header(at + hole + second.len() as u32, FIN, b""),
        ),
    ]
}

/// A capture file of packets of a link type, a millisecond apart.
fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, link]
        .map(u32::to_le_bytes)
        .concat();
    for (at, packet) in packets.iter().enumerate() {
        let len = packet.len() as u32;
        for number in [1 + at as u32 / 1000, at as u32 % 1000 * 1000, len, len] {
            file.extend(number.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// What is printed of a capture, standard output and standard error.
fn printed(name: &str, file: &[u8], pattern: &str) -> (String, String) {
    let path = scratch(&format!("named-{}", name.replace(['/', ' ', '<'], "-"))).join("made.pcap");
    fs::write(&path, file).expect("there is room");
    let output = spygrep()
        .args(["-R", "--regexp", pattern, "-I"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{name}: {}",
        text(&output.stderr)
    );
    (text(&output.stdout), text(&output.stderr))
}

const RAW: u32 = 101;
const ETHERNET: u32 = 1;

/// A name, packets, a pattern, and how many records are printed.
type Row<'a> = (&'a str, u32, Vec<Vec<u8>>, &'a str, usize);

fn check(table: Vec<Row<'_>>) {
    for (name, link, packets, pattern, records) in table {
        let (out, _) = printed(name, &pcap(link, &packets), pattern);
        let found = out.lines().filter(|line| line.contains(" -> ")).count();
        assert_eq!(found, records, "{name}:\n{out}");
    }
}

#[test]
fn matches_are_found_however_the_stream_is_cut() {
    let one_byte: Vec<&[u8]> = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxneedleyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy".chunks(1).collect();
    let long = [b"a".repeat(40_000), b"a".repeat(30_000)];
    check(vec![
        (
            "match_across_2",
            RAW,
            connection(&[b"nee", b"dle"]),
            "needle",
            1,
        ),
        (
            "match_across_100_one_byte",
            RAW,
            connection(&one_byte),
            "needle",
            1,
        ),
        (
            "match_longer_than_window",
            RAW,
            connection(&[b"S", &long[0], &long[1], b"b"]),
            "Sa+b",
            1,
        ),
        (
            "two_matches_one_segment",
            RAW,
            connection(&[b"needle needle"]),
            "needle",
            1,
        ),
        (
            "boundary_word",
            RAW,
            connection(&[b"foo", b"d"]),
            r"\bfoo\b",
            0,
        ),
        (
            "boundary_word",
            RAW,
            connection(&[b"foo", b" "]),
            r"\bfoo\b",
            1,
        ),
        (
            "crlf_split",
            RAW,
            connection(&[b"foo\r", b"\nbar"]),
            "foo$",
            1,
        ),
        (
            "no_match_across_gap",
            RAW,
            holed(b"SEC", 4, b"RET"),
            "SECRET",
            0,
        ),
        (
            "no_match_across_gap",
            RAW,
            holed(b"SEC", 4, b"RET"),
            "SEC|RET",
            2,
        ),
        (
            "dollar_not_at_gap",
            RAW,
            holed(b"foo", 4, b"bar"),
            "foo$",
            0,
        ),
        (
            "caret_not_after_gap",
            RAW,
            holed(b"foo", 4, b"bar"),
            "^bar",
            0,
        ),
        (
            "word_boundary_at_gap",
            RAW,
            holed(b"foo", 4, b" bar"),
            r"\bfoo\b",
            1,
        ),
        (
            "redos_pattern",
            RAW,
            [
                connection(&[&b"a".repeat(1400)]),
                vec![v4(17, 0, 0, &udp(b"aa"))],
            ]
            .concat(),
            "(a+)+$",
            2,
        ),
    ]);
}

#[test]
fn fragments() {
    let whole = udp(b"AAAAAAAAneedleBB");
    let (one, two, three) = (&whole[..8], &whole[8..16], &whole[16..]);
    let piece = |id: u16, at: u16, more: bool, bytes: &[u8]| {
        v4(17, id, (at / 8) | (u16::from(more) << 13), bytes)
    };
    let split = tcp_header(1, ACK, b"needle over fragments");
    let tiny = vec![
        v4(6, 0, 0, &tcp_header(0, SYN, b"")),
        v4(6, 9, 0x2000, &split[..8]),
        v4(6, 9, 1, &split[8..]),
    ];
    let mut flood: Vec<Vec<u8>> = (0..3000)
        .map(|id| piece(id, 0, true, &udp(b"flood")))
        .collect();
    flood.push(v4(17, 0, 0, &udp(b"needle")));
    let pieces: Vec<Vec<u8>> = (0..8192_u16)
        .map(|at| piece(5, at.wrapping_mul(8) & 0xfff8, true, b"xxxxxxxx"))
        .collect();
    let text: Vec<u8> = udp(b"ABCDEFGHneedle");
    check(vec![
        (
            "frag_in_order",
            RAW,
            vec![
                piece(1, 0, true, one),
                piece(1, 8, true, two),
                piece(1, 16, false, three),
            ],
            "Aneedle",
            1,
        ),
        (
            "frag_reverse",
            RAW,
            vec![
                piece(1, 16, false, three),
                piece(1, 8, true, two),
                piece(1, 0, true, one),
            ],
            "Aneedle",
            1,
        ),
        ("frag_tiny_tcp_header", RAW, tiny, "needle over", 1),
        (
            "frag_overlap_v4",
            RAW,
            vec![
                piece(1, 0, true, one),
                piece(1, 8, true, b"evilevil"),
                piece(1, 8, true, two),
                piece(1, 16, false, three),
            ],
            "evil|AAAAAAAA",
            2,
        ),
        (
            "frag_overlap_v6",
            RAW,
            vec![
                fragment_v6(1, 0, true, one),
                fragment_v6(1, 8, true, b"evilevil"),
                fragment_v6(1, 8, true, two),
            ],
            "evil|AAAAAAAA",
            2,
        ),
        (
            "frag_missing",
            RAW,
            vec![piece(1, 0, true, &text[..16])],
            "ABCDEFGH",
            1,
        ),
        (
            "frag_id_reuse",
            RAW,
            vec![
                piece(1, 0, true, one),
                piece(1, 8, true, two),
                piece(1, 16, false, three),
                piece(1, 0, true, one),
                piece(1, 8, true, two),
                piece(1, 16, false, three),
            ],
            "Aneedle",
            2,
        ),
        (
            "teardrop_short_end",
            RAW,
            vec![piece(1, 0, true, &whole), piece(1, 8, false, b"x")],
            "needle",
            1,
        ),
        (
            "ping_of_death",
            RAW,
            vec![piece(1, 65_528, false, b"needle needle needle")],
            "needle",
            1,
        ),
        (
            "atomic_fragment_v6",
            RAW,
            vec![fragment_v6(1, 0, false, &udp(b"needle"))],
            "needle",
            1,
        ),
        ("frag_flood", RAW, flood, "needle", 1),
        (
            "frag_8192_pieces",
            RAW,
            [pieces, vec![v4(17, 0, 0, &udp(b"needle"))]].concat(),
            "needle",
            1,
        ),
    ]);
}

#[test]
fn links_and_headers() {
    let core = v4(17, 0, 0, &udp(b"needle"));
    let frame = |kind: &[u8], inner: &[u8]| [&[2; 12][..], kind, inner].concat();
    let tags = |count: usize| {
        frame(
            &[&[0x81, 0, 0, 5][..]].concat().repeat(count),
            &[&[8, 0][..], &core].concat(),
        )
    };
    let mut cut_off = core.clone();
    cut_off[2..4].fill(0);
    let mut six = v6(17, &udp(b"needle"));
    six[4..6].fill(0);
    let mut padded = frame(&[8, 0], &v4(17, 0, 0, &udp(b"x")));
    padded.extend(b"needle in the padding");
    let with = |at: usize, byte: u8| {
        let mut bytes = v4(6, 0, 0, &tcp_header(1, ACK, b"needle"));
        bytes[at] = byte;
        bytes
    };
    let loops = v6(0, &[0, 0, 1, 4, 0, 0, 0, 0].repeat(200));
    let large = udp(&[&b"x".repeat(60_000)[..], b"needle"].concat());
    check(vec![
        ("padding_not_searched", ETHERNET, vec![padded], "needle", 0),
        ("ip_len_zero_tso", RAW, vec![cut_off], "needle", 1),
        ("gro_64k", RAW, vec![v4(17, 0, 0, &large)], "needle", 1),
        ("ipv6_jumbo_len0", RAW, vec![six], "needle", 1),
        (
            "vlan_1..3",
            ETHERNET,
            vec![tags(1), tags(2), tags(3)],
            "needle",
            3,
        ),
        ("vlan_4", ETHERNET, vec![tags(4)], "needle", 1),
        (
            "qinq",
            ETHERNET,
            vec![frame(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], &core)],
            "needle",
            1,
        ),
        (
            "sll",
            113,
            vec![[&[0; 14][..], &[8, 0], &core].concat()],
            "needle",
            1,
        ),
        (
            "sll2",
            276,
            vec![[&[8, 0][..], &[0; 18], &core].concat()],
            "needle",
            1,
        ),
        (
            "null/loop (both byte orders)",
            0,
            vec![
                [&[2, 0, 0, 0][..], &core].concat(),
                [&[0, 0, 0, 2][..], &core].concat(),
            ],
            "needle",
            2,
        ),
        (
            "null/loop (both byte orders)",
            108,
            vec![[&[0, 0, 0, 2][..], &core].concat()],
            "needle",
            1,
        ),
        ("raw ip", RAW, vec![core.clone()], "needle", 1),
        (
            "pppoe",
            ETHERNET,
            vec![frame(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 0, 0, 0x21], &core)],
            "needle",
            1,
        ),
        (
            "mpls",
            ETHERNET,
            vec![frame(&[0x88, 0x47, 0, 0, 1, 64], &core)],
            "needle",
            1,
        ),
        (
            "ipip/6in4",
            RAW,
            vec![v4(4, 0, 0, &core), v4(41, 0, 0, &v6(17, &udp(b"needle")))],
            "needle",
            2,
        ),
        ("ihl<5", RAW, vec![with(0, 0x44), core.clone()], "needle", 1),
        ("doff<5", RAW, vec![with(32, 0x40)], "needle", 1),
        ("doff>len", RAW, vec![with(32, 0xf0)], "needle", 1),
        (
            "ext_header_loop_v6",
            RAW,
            vec![loops, core.clone()],
            "needle",
            1,
        ),
    ]);
}

#[test]
fn http_as_attackers_send_it() {
    let ask = b"GET /needle HTTP/1.1\r\nHost: a\r\n\r\n";
    let many: Vec<u8> = [
        &b"GET / HTTP/1.1\r\n"[..],
        &b"A: b\r\n".repeat(5000),
        b"\r\n",
        ask,
    ]
    .concat();
    let endless: Vec<u8> = [
        &b"GET / HTTP/1.1\r\nA: "[..],
        &b"x".repeat(200_000),
        b" needle",
    ]
    .concat();
    let slow: Vec<u8> = [
        &b"GET / HTTP/1.1\r\n"[..],
        &b"A: b\r\n".repeat(7000),
        b"X: needle\r\n\r\n",
    ]
    .concat();
    let slow: Vec<&[u8]> = slow.chunks(1).collect();
    let post =
        |fields: &[u8], body: &[u8]| [&b"POST / HTTP/1.1\r\n"[..], fields, b"\r\n", body].concat();
    let cut = |bytes: &[u8]| connection(&[bytes]);
    let long_body = [&b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234"[..]].concat();
    check(vec![
        (
            "gap_in_http_body",
            RAW,
            holed(
                &long_body,
                10,
                b"56789HTTP/1.1 404 needle\r\nContent-Length: 0\r\n\r\n",
            ),
            "404 needle",
            1,
        ),
        (
            "gap_in_http_head",
            RAW,
            holed(
                b"GET / HTTP/1.1\r\nA: ",
                10,
                &[&b"b\r\n\r\n"[..], ask].concat(),
            ),
            "GET /needle",
            1,
        ),
        (
            "newline_in_host_header",
            RAW,
            cut(b"GET /needle HTTP/1.1\r\nHost: a\nb\r\n\r\n"),
            "needle",
            1,
        ),
        ("huge_header_count", RAW, cut(&many), "needle", 1),
        (
            "header_64k_no_end",
            RAW,
            endless_segments(&endless),
            "needle",
            1,
        ),
        (
            "chunk_size_ffffffffffffffff",
            RAW,
            cut(&post(
                b"Transfer-Encoding: chunked\r\n",
                b"ffffffffffffffff\r\nneedle",
            )),
            "needle",
            1,
        ),
        (
            "chunk_empty_line",
            RAW,
            cut(&post(b"Transfer-Encoding: chunked\r\n", b"\r\n\r\nneedle")),
            "needle",
            1,
        ),
        ("header_byte_at_a_time", RAW, connection(&slow), "needle", 1),
        (
            "CL_and_TE",
            RAW,
            cut(&post(
                b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                b"6\r\nneedle\r\n0\r\n\r\n",
            )),
            "needle",
            1,
        ),
        (
            "dup_CL_differ",
            RAW,
            cut(&post(
                b"Content-Length: 3\r\nContent-Length: 6\r\n",
                b"needle",
            )),
            "needle",
            1,
        ),
        (
            "obs_fold",
            RAW,
            cut(b"GET / HTTP/1.1\r\nA: b\r\n needle\r\n\r\n"),
            "needle",
            1,
        ),
        (
            "bare_LF",
            RAW,
            cut(b"GET /needle HTTP/1.1\nHost: a\n\n"),
            "needle",
            1,
        ),
    ]);
}

fn endless_segments(bytes: &[u8]) -> Vec<Vec<u8>> {
    connection(&bytes.chunks(1400).collect::<Vec<_>>())
}

/// Named: `gzip_bomb`. 1 MB that becomes 1 GiB of zeros is decoded up to its limit, and what
/// follows is read.
#[test]
fn a_bomb_is_cut_and_the_next_message_is_read() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(&vec![0; 16 << 20])
        .expect("memory takes it");
    let bomb = encoder.finish().expect("memory takes it").repeat(64);
    assert!((1_000_000..1 << 20).contains(&bomb.len()));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let next = b"HTTP/1.1 404 needle\r\nContent-Length: 0\r\n\r\n";
    let stream = [head.as_bytes(), &bomb, next].concat();
    let (out, errors) = printed(
        "gzip_bomb",
        &pcap(RAW, &endless_segments(&stream)),
        "needle|200 OK",
    );
    let records: Vec<_> = out.lines().filter(|line| line.contains(" -> ")).collect();
    assert_eq!(records.len(), 2, "{out}");
    assert!(out.contains("HTTP/1.1 404 needle"), "{out}");
    assert!(errors.contains("they swell like a bomb: 1"), "{errors}");
}

#[test]
fn nothing_that_steers_a_terminal_is_printed() {
    for (name, bytes) in [
        ("esc_in_payload", &b"needle \x1b[31m"[..]),
        ("c1_in_latin1", b"needle \x9b31m"),
        ("utf8_c1_c2_9b", b"needle \xc2\x9b31m"),
        ("bidi_override_202e", b"needle \xe2\x80\xaeevil"),
        ("osc52", b"needle \x1b]52;c;ZXZpbA==\x07"),
        ("lone_cr", b"needle\rhidden"),
        ("backspace_overstrike", b"needle\x08\x08\x08x"),
    ] {
        let (out, _) = printed(name, &pcap(RAW, &[v4(17, 0, 0, &udp(bytes))]), "needle");
        assert!(out.contains("needle"), "{name}");
        let raw = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{9b}');
        assert!(!out.chars().any(raw), "{name}: {out:?}");
    }
}

/// Named: `non_utf8_path`.
#[test]
fn a_path_that_is_no_text_is_read() {
    let name = OsStr::from_bytes(b"caf\xe9-\xff.pcap");
    let path = scratch("named-non-utf8").join(name);
    fs::write(&path, pcap(RAW, &[v4(17, 0, 0, &udp(b"needle"))])).expect("there is room");
    let output = spygrep()
        .args(["-R", "needle"])
        .arg(&path)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn all_names_have_a_test() {
    let list = fs::read_to_string(project().join("tests/named.md")).expect("the list is there");
    let mut found = Vec::new();
    for row in list.lines().filter(|row| row.starts_with("| `")) {
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [name, _, file] = columns[..] else {
            panic!("{row}")
        };
        let [name, file] = [name, file].map(|column| column.trim().trim_matches('`'));
        let source = fs::read_to_string(project().join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(name), "{name} is not in {file}");
        assert!(!found.contains(&name), "{name} is there twice");
        found.push(name);
    }
    println!("{} named cases", found.len());
    assert!(found.len() > 150, "rows of the table are not read");
}

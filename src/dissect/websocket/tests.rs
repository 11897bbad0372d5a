//! WebSocket as charts, whole and byte by byte.

use flate2::{Compress, Compression, FlushCompress};

use crate::dissect::testing::{
    CLIENT_END, Cut, Play, SERVER_END, Step, client, client_gap, expect, server, server_gap,
};
use crate::message::{Decoding, Parts};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const TEXT: u8 = 0x81;
const COMPRESSED: u8 = 0xc1;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(first, payload);
    bytes[1] |= 0x80;
    let at = bytes.len() - payload.len();
    for (byte, key) in bytes[at..].iter_mut().zip(MASK.iter().cycle()) {
        *byte ^= key;
    }
    bytes.splice(at..at, MASK);
    bytes
}

/// Compresses the messages of a direction, one after the other.
struct Sender(Compress);

impl Sender {
    fn new() -> Self {
        Self(Compress::new(Compression::best(), false))
    }

    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 64);
        self.0
            .compress_vec(text, &mut out, FlushCompress::Sync)
            .unwrap();
        assert_eq!(out.split_off(out.len() - 4), [0, 0, 0xff, 0xff]);
        out
    }
}

/// The handshake, with what the server agrees to.
fn handshake(extensions: &str) -> [Step; 2] {
    let request =
        "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let listed = match extensions {
        "" => String::new(),
        listed => format!("Sec-WebSocket-Extensions: {listed}\r\n"),
    };
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n{listed}\r\n"
    );
    [client(request.as_bytes()), server(response.as_bytes())]
}

/// The chart of what comes after the handshake.
fn after(play: &Play) -> Vec<&str> {
    let lines = play.chart.lines().iter().map(String::as_str);
    let after = lines.skip_while(|line| !line.starts_with("< end"));
    after.skip(1).collect()
}

/// Plays the steps after a handshake, whole and cut, and expects the same of each.
fn expect_after(extensions: &str, steps: &[Step], chart: &[&str]) -> Play {
    let steps = [&handshake(extensions)[..], steps].concat();
    for cut in [Cut::Bytes, Cut::Lengths(vec![7, 3]), Cut::Lengths(vec![2])] {
        let play = Play::of(&steps, &cut);
        assert_eq!(after(&play), chart, "{cut:?}");
    }
    let play = Play::of(&steps, &Cut::Whole);
    assert_eq!(after(&play), chart);
    assert!(play.chart.is_quiet());
    play
}

#[test]
fn messages_of_both_directions_are_told() {
    let play = expect_after(
        "",
        &[
            client(&masked(TEXT, b"hello")),
            server(&[frame(TEXT, b"echo"), frame(0x89, b"")].concat()),
            client(&[masked(0x8a, b""), masked(0x82, b"\0\x01")].concat()),
            server(&frame(TEXT, &[b'x'; 200])),
            client(&masked(0x88, b"\x03\xe8bye")),
            server(&frame(0x88, b"\x03\xe9")),
            CLIENT_END,
            SERVER_END,
        ],
        &[
            "> ws.text #1",
            "> body \"hello\"",
            "> end",
            "< ws.text #2",
            "< body \"echo\"",
            "< end",
            "<1 ws.ping #3",
            "<1 end",
            ">1 ws.pong #4",
            ">1 end",
            "> ws.binary #5",
            "> body \"\\x00\\x01\"",
            "> end",
            "< ws.text #6",
            &format!("< body \"{}\"", "x".repeat(200)),
            "< end",
            ">1 ws.close #7",
            ">1 head \"1000 normal closure: \"",
            ">1 brief \"1000 normal closure: \"",
            ">1 body \"bye\"",
            ">1 end",
            "<1 ws.close #8",
            "<1 head \"1001 going away\"",
            "<1 brief \"1001 going away\"",
            "<1 end",
        ],
    );
    assert_eq!((play.stats.requests, play.stats.responses), (1, 1));
    assert_eq!((play.stats.odd, play.stats.malformed), (0, 0));
}

#[test]
fn the_handshake_may_come_with_the_first_message() {
    let [request, Step::Write(dir, mut response)] = handshake("") else {
        panic!("the server writes");
    };
    response.extend(frame(TEXT, b"welcome"));
    let play = Play::of(&[request, Step::Write(dir, response)], &Cut::Whole);
    assert_eq!(
        after(&play),
        ["< ws.text #1", "< body \"welcome\"", "< end"]
    );
}

#[test]
fn fragments_are_one_message_and_control_frames_come_between() {
    let play = expect_after(
        "",
        &[
            client(&[masked(0x01, b"one "), masked(0x89, b"ping")].concat()),
            client(&[masked(0x00, b""), masked(0x80, b"two")].concat()),
        ],
        &[
            "> ws.text #1",
            "> body \"one \"",
            ">1 ws.ping #2",
            ">1 body \"ping\"",
            ">1 end",
            "> body \"two\"",
            "> end",
        ],
    );
    let parts = play.chart.bodies.iter().map(|facts| facts.parts);
    let fragments = Some(Parts {
        count: 3,
        noun: "fragment",
        always: true,
    });
    assert!(parts.eq([None, fragments]));
}

#[test]
fn compressed_messages_are_decompressed_with_and_without_the_window_of_those_before() {
    let takes_over = "permessage-deflate; server_max_window_bits=15";
    for anew in ["", "; client_no_context_takeover"] {
        let mut sender = Sender::new();
        let mut texts = Vec::new();
        for text in ["needle in a haystack", "needle in a haystack, again"] {
            if !anew.is_empty() {
                sender = Sender::new();
            }
            texts.push(sender.message(text.as_bytes()));
        }
        let (start, end) = texts[1].split_at(3);
        let play = expect_after(
            &format!("{takes_over}{anew}"),
            &[
                client(&masked(COMPRESSED, &texts[0])),
                client(&[masked(0x41, start), masked(0x80, end)].concat()),
                client(&masked(TEXT, b"plain")),
                server(&frame(TEXT, b"plain")),
            ],
            &[
                "> ws.text #1",
                "> body \"needle in a haystack\"",
                "> end",
                "> ws.text #2",
                "> body \"needle in a haystack, again\"",
                "> end",
                "> ws.text #3",
                "> body \"plain\"",
                "> end",
                "< ws.text #4",
                "< body \"plain\"",
                "< end",
            ],
        );
        let states = play.chart.bodies.iter().map(|facts| facts.state);
        assert!(states.eq([
            Decoding::Decoded,
            Decoding::Decoded,
            Decoding::AsSent,
            Decoding::AsSent
        ]));
        let sizes = play.chart.bodies.iter().map(|facts| facts.wire as usize);
        assert!(sizes.eq([texts[0].len(), texts[1].len(), 5, 5]));
    }
}

#[test]
fn after_a_gap_nothing_is_decompressed_with_another_window() {
    let mut sender = Sender::new();
    let texts: Vec<_> = ["first of many", "second of many", "third of many"]
        .iter()
        .map(|text| sender.message(text.as_bytes()))
        .collect();
    let sent = |text: &[u8]| format!("> body \"{}\"", text.escape_ascii());
    let lost = masked(COMPRESSED, &texts[1]).len() as u64;
    let steps = [
        client(&masked(COMPRESSED, &texts[0])),
        client_gap(lost),
        client(&[masked(COMPRESSED, &texts[2]), masked(TEXT, b"plain text")].concat()),
    ];
    let steps = [&handshake("permessage-deflate")[..], &steps].concat();
    let play = Play::of(&steps, &Cut::Whole);
    let chart = [
        "> ws.text #1",
        "> body \"first of many\"",
        "> end",
        "> tcp.burst #2",
        &format!("> missing {lost}"),
        "> end incomplete",
        "> ws.text #3",
        &sent(&texts[2]),
        "> end",
        "> ws.text #4",
        "> body \"plain text\"",
        "> end",
    ];
    assert_eq!(after(&play), chart);
    let states = play.chart.bodies.iter().map(|facts| facts.state);
    assert!(states.eq([Decoding::Decoded, Decoding::NoStart, Decoding::AsSent]));
    assert_eq!((play.stats.broken_bodies, play.stats.odd), (1, 0));
    // Where every message begins anew, the next one is read.
    let anew = "permessage-deflate; client_no_context_takeover";
    let (one, two) = (
        Sender::new().message(b"first"),
        Sender::new().message(b"third"),
    );
    let steps = [
        &handshake(anew)[..],
        &[
            client(&masked(COMPRESSED, &one)),
            client_gap(20),
            client(&[masked(COMPRESSED, &two), masked(TEXT, b"plain text")].concat()),
        ],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Whole);
    assert!(after(&play).contains(&"> body \"third\""));
}

#[test]
fn a_gap_within_a_message_is_only_that() {
    let whole = frame(TEXT, b"0123456789abcdef");
    let (before, after_gap) = (&whole[..6], &whole[10..]);
    let steps = [
        &handshake("")[..],
        &[
            server(before),
            server_gap(4),
            server(&[after_gap, &frame(TEXT, b"next")].concat()),
        ],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Whole);
    assert_eq!(
        after(&play),
        [
            "< ws.text #1",
            "< body \"0123\"",
            "< missing 4",
            "< body \"89abcdef\"",
            "< end",
            "< ws.text #2",
            "< body \"next\"",
            "< end",
        ]
    );
    // Masked bytes after it are unmasked at their place.
    let whole = masked(TEXT, b"0123456789abcdef");
    let steps = [
        &handshake("")[..],
        &[client(&whole[..9]), client_gap(3), client(&whole[12..])],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Whole);
    assert!(
        after(&play).contains(&"> body \"6789abcdef\""),
        "{:?}",
        after(&play)
    );
    // One that reaches beyond it breaks it off where more of it was to come.
    let start = frame(0x01, b"0123456789abcdef");
    let steps = [
        &handshake("")[..],
        &[
            server(&start[..6]),
            server_gap(20),
            server(&frame(0x80, b"the end of another")),
            server(&frame(TEXT, b"and a message")),
        ],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Whole);
    let outline = after(&play);
    assert_eq!(
        outline[..4],
        [
            "< ws.text #1",
            "< body \"0123\"",
            "< missing 12",
            "< end incomplete"
        ]
    );
    assert!(
        outline.contains(&"< body \"and a message\""),
        "{outline:#?}"
    );
    assert_eq!(play.stats.odd, 0);
}

#[test]
fn a_connection_is_joined_in_the_middle() {
    let mut play = Play {
        midstream: true,
        ..Play::default()
    };
    let compressed = Sender::new().message(b"not to be guessed");
    play.perform(
        &[
            server(&frame(TEXT, b"{\"price\": 17}")),
            client(&masked(TEXT, b"{\"op\": \"sell\"}")),
            server(
                &[
                    frame(COMPRESSED, &compressed),
                    frame(TEXT, b"{\"price\": 18}"),
                ]
                .concat(),
            ),
        ],
        &Cut::Whole,
    );
    let texts = play
        .chart
        .lines()
        .iter()
        .filter(|line| line.contains("body"));
    let texts: Vec<&String> = texts.collect();
    assert_eq!(texts[0], "< body \"{\\\"price\\\": 17}\"");
    assert_eq!(texts[1], "> body \"{\\\"op\\\": \\\"sell\\\"}\"");
    assert_eq!(texts[3], "< body \"{\\\"price\\\": 18}\"");
    assert_eq!(play.chart.bodies[2].state, Decoding::NoStart);
    assert_eq!(play.stats.odd, 0);
}

#[test]
fn odd_frames_are_read_and_marked() {
    let table: &[(Step, &str, &str)] = &[
        (
            client(&frame(TEXT, b"open")),
            "ws.text",
            "a frame of the client that is not masked",
        ),
        (
            server(&masked(TEXT, b"shut")),
            "ws.text",
            "a frame of the server that is masked",
        ),
        (
            server(&frame(0xa1, b"rsv")),
            "ws.text",
            "reserved bits that nothing was agreed on for",
        ),
        (
            server(&frame(0x83, b"new")),
            "ws.data",
            "a frame of a reserved type",
        ),
        (
            server(&frame(0x8b, b"new")),
            "ws.control",
            "a frame of a reserved type",
        ),
        (
            server(&frame(0x80, b"more")),
            "ws.continuation",
            "a continuation of nothing",
        ),
        (
            server(&frame(0x89, &[b'p'; 126])),
            "ws.ping",
            "a control frame of more than 125 bytes",
        ),
        (
            server(&frame(0x88, b"\x03")),
            "ws.close",
            "a code of one byte",
        ),
    ];
    for (step, kind, odd) in table {
        let steps = [&handshake("")[..], std::slice::from_ref(step)].concat();
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(&steps, &cut);
            assert!(after(&play)[0].contains(kind), "{odd}: {:?}", after(&play));
            assert_eq!(play.chart.oddities, [*odd]);
            assert_eq!((play.stats.odd, play.stats.malformed), (1, 0), "{odd}");
        }
    }
    // A message that begins within another breaks that one off.
    let steps = [
        &handshake("")[..],
        &[server(&[frame(0x01, b"one"), frame(TEXT, b"two")].concat())],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Bytes);
    assert_eq!(after(&play)[2], "< end incomplete");
    assert_eq!(
        play.chart.oddities,
        ["a message that begins within another"]
    );
}

#[test]
fn what_is_no_frame_is_raw() {
    let never = [&b"\x81\x7f"[..], &[0xff; 8], b"no frame at all"].concat();
    let steps = [&handshake("")[..], &[server(&never)]].concat();
    let play = Play::of(&steps, &Cut::Whole);
    assert_eq!(after(&play)[0], "< tcp.burst #1");
    assert_eq!(play.stats.malformed, 1);
}

#[test]
fn bombs_are_cut_and_broken_data_are_as_sent() {
    let zeros = vec![0; 8 << 20];
    let mut sender = Sender::new();
    let mut bomb = Vec::with_capacity(64 << 10);
    sender
        .0
        .compress_vec(&zeros, &mut bomb, FlushCompress::Sync)
        .unwrap();
    bomb.truncate(bomb.len() - 4);
    let behind = sender.message(b"needle behind the bomb");
    let steps = [
        &handshake("permessage-deflate")[..],
        &[
            server(&frame(COMPRESSED, &bomb)),
            server(&frame(COMPRESSED, &behind)),
            server(&frame(COMPRESSED, b"\x07no deflate")),
            server(&frame(COMPRESSED, &behind)),
        ],
    ]
    .concat();
    let play = Play::of(&steps, &Cut::Whole);
    let states = play.chart.bodies.iter().map(|facts| facts.state);
    let expected = [
        Decoding::Cut,
        Decoding::Decoded,
        Decoding::Broken,
        Decoding::NoStart,
    ];
    assert!(states.eq(expected), "{:?}", play.chart.bodies);
    assert!(play.chart.bytes < 4 << 20, "{}", play.chart.bytes);
    assert_eq!((play.stats.bombs, play.stats.broken_bodies), (1, 2));
    assert!(after(&play).contains(&"< body \"needle behind the bomb\""));
}

#[test]
fn other_upgrades_are_raw() {
    let request = client(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: chat\r\n\r\n");
    let response = server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n");
    let stats = expect(
        &[request, response, server(b"welcome")],
        &[
            "> http.request #0",
            "> head \"GET / HTTP/1.1\\r\\nHost: h\\r\\nUpgrade: chat\\r\\n\\r\\n\"",
            "> brief \"GET h/\"",
            "> end",
            "< http.response #0",
            "< head \"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: chat\\r\\n\\r\\n\"",
            "< brief 101 \"101 Switching Protocols\"",
            "< end",
            "< tcp.burst #1",
            "< body \"welcome\"",
            "< end",
        ],
    );
    assert_eq!(stats.responses, 1);
}

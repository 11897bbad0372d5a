//! Failures are records: what is refused, not answered, closed or reset; and what cannot be known
//! is not told.

use std::path::Path;

use serde_json::Value;

use crate::frames::{ACK, FIN, Numbers, PSH, RST, SYN, tcp, write_at};
use crate::{run, scratch, text};

/// A packet of a chart: when, whether the client sends it, its flags, and how many bytes each side
/// has sent before.
type Step = (u32, bool, u8, [u32; 2], &'static [u8]);

const ASK: &[u8] = b"GET /page HTTP/1.1\r\nHost: shop\r\n\r\n";
const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
/// Where the request ends.
const ASKED: u32 = ASK.len() as u32;
/// A connection is there, and a request.
const OPEN: [Step; 4] = [
    (0, true, SYN, [0, 0], b""),
    (1, false, SYN | ACK, [0, 0], b""),
    (2, true, ACK, [0, 0], b""),
    (3, true, PSH | ACK, [0, 0], ASK),
];

fn packets(port: u16, steps: &[Step]) -> Vec<(u32, Vec<u8>)> {
    let packet = |(now, up, flags, sent, bytes): &Step| {
        let [client, server] = [1000 + sent[0], 5000 + sent[1]];
        let (own, peer) = if *up {
            (client, server)
        } else {
            (server, client)
        };
        let seq = own - u32::from(flags & SYN != 0);
        let ack = if flags & ACK == 0 { 0 } else { peer };
        (*now, tcp(*up, port, *flags, seq, ack, bytes))
    };
    steps.iter().map(packet).collect()
}

fn capture(path: &Path, mut packets: Vec<(u32, Vec<u8>)>) {
    packets.sort_by_key(|(now, _)| *now);
    write_at(path, packets.iter().map(|(now, packet)| (*now, packet)));
}

/// What is printed of a capture, the same by one thread and by two.
fn printed(arguments: &str, path: &Path) -> String {
    let [one, two] = ["1", "2"].map(|threads| {
        let ran = run(&format!(
            "--threads {threads} -q {arguments} {}",
            path.display()
        ));
        text(&ran.stdout)
    });
    assert_eq!(one, two, "{arguments}");
    one
}

/// Each chart, and the lines that tell of its failure in `spy`: none, where nothing can be known.
#[test]
fn what_failed_is_told_by_whom_and_when() {
    let path = scratch("failures").join("one.pcap");
    let with = |more: &[Step]| [&OPEN[..], more].concat();
    let ends = "T 192.0.2.1:40000 -> 192.0.2.2:80";
    let back = "T 192.0.2.2:80 -> 192.0.2.1:40000";
    let table: [(&str, Vec<Step>, String); 18] = [
        (
            "refused",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1, false, RST | ACK, [0, 0], b""),
            ],
            format!("{ends} refused (RST)\n"),
        ),
        (
            "SYNs and nothing else",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1000, true, SYN, [0, 0], b""),
                (3000, true, SYN, [0, 0], b""),
            ],
            format!("{ends} no response to 3 SYNs so far\n"),
        ),
        (
            "one SYN at the end of the capture",
            vec![(0, true, SYN, [0, 0], b"")],
            String::new(),
        ),
        (
            "the server closes",
            with(&[
                (4, false, FIN | ACK, [ASKED, 0], b""),
                (5, true, FIN | ACK, [ASKED, 1], b""),
                (6, false, ACK, [ASKED + 1, 1], b""),
            ]),
            format!("{back} [AF] #1 <- no response · the server closed (FIN) after 1 ms\n"),
        ),
        (
            "the server resets",
            with(&[(2003, false, RST | ACK, [ASKED, 0], b"")]),
            format!("{back} [AR] #1 <- no response · the server reset (RST) after 2 s\n"),
        ),
        (
            "the server had closed a kept connection",
            vec![
                OPEN[0],
                OPEN[1],
                OPEN[2],
                (3, false, FIN | ACK, [0, 0], b""),
                (4, true, PSH | ACK, [0, 1], ASK),
                (5, false, RST, [0, 1], b""),
            ],
            format!("{back} [AF] #1 <- no response · the server had closed (FIN) 1 ms before\n"),
        ),
        (
            "the client gives up",
            with(&[
                (4, false, ACK, [ASKED, 0], b""),
                (2003, true, FIN | ACK, [ASKED, 0], b""),
                (2004, false, ACK, [ASKED + 1, 0], b""),
            ]),
            format!("{back} #1 <- no response · the client closed (FIN) after 2 s\n"),
        ),
        (
            "the client gives up, and the server closes then",
            with(&[
                (2003, true, FIN | ACK, [ASKED, 0], b""),
                (2004, false, FIN | ACK, [ASKED + 1, 0], b""),
                (2005, true, ACK, [ASKED + 1, 1], b""),
            ]),
            format!("{back} #1 <- no response · the client closed (FIN) after 2 s\n"),
        ),
        (
            "the client resets",
            with(&[
                (4, false, ACK, [ASKED, 0], b""),
                (503, true, RST | ACK, [ASKED, 0], b""),
            ]),
            format!("{back} #1 <- no response · the client reset (RST) after 500 ms\n"),
        ),
        (
            "the client has said all, and the server closes",
            with(&[
                (3, true, FIN | ACK, [ASKED, 0], b""),
                (103, false, FIN | ACK, [ASKED + 1, 0], b""),
                (104, true, ACK, [ASKED + 1, 1], b""),
            ]),
            format!("{back} [AF] #1 <- no response · the server closed (FIN) after 100 ms\n"),
        ),
        (
            "the client has said all, and the capture ends",
            with(&[
                (3, true, FIN | ACK, [ASKED, 0], b""),
                (4, false, ACK, [ASKED + 1, 0], b""),
            ]),
            String::new(),
        ),
        (
            "the answer was lost",
            with(&[
                (9, true, ACK, [ASKED, 100], b""),
                (10, false, FIN | ACK, [ASKED, 100], b""),
                (11, true, FIN | ACK, [ASKED, 101], b""),
                (12, false, ACK, [ASKED + 1, 101], b""),
            ]),
            String::new(),
        ),
        (
            "only the client was captured",
            vec![
                (0, true, SYN, [0, 0], b""),
                (2, true, ACK, [0, 0], b""),
                (3, true, PSH | ACK, [0, 0], ASK),
                (2003, true, FIN | ACK, [ASKED, 0], b""),
            ],
            String::new(),
        ),
        (
            "the capture ends",
            with(&[(4, false, ACK, [ASKED, 0], b"")]),
            String::new(),
        ),
        (
            "what nobody understands is closed by the server",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1, false, SYN | ACK, [0, 0], b""),
                (2, true, PSH | ACK, [0, 0], b"hello\n"),
                (5, false, FIN | ACK, [6, 0], b""),
                (6, true, FIN | ACK, [6, 1], b""),
                (7, false, ACK, [7, 1], b""),
            ],
            format!("{ends} closed without a response · the server closed (FIN) after 3 ms\n"),
        ),
        (
            "what nobody understands is reset by the server",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1, false, SYN | ACK, [0, 0], b""),
                (2, true, PSH | ACK, [0, 0], b"hello\n"),
                (5, false, RST | ACK, [6, 0], b""),
            ],
            format!("{ends} reset without a response · the server reset (RST) after 3 ms\n"),
        ),
        (
            "what nobody understands goes one way",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1, false, SYN | ACK, [0, 0], b""),
                (2, true, PSH | ACK, [0, 0], b"hello\n"),
                (3, true, FIN | ACK, [6, 0], b""),
                (4, false, FIN | ACK, [7, 0], b""),
                (5, true, ACK, [7, 1], b""),
            ],
            String::new(),
        ),
        (
            "nothing was asked",
            vec![
                (0, true, SYN, [0, 0], b""),
                (1, false, SYN | ACK, [0, 0], b""),
                (2, true, RST, [0, 0], b""),
            ],
            String::new(),
        ),
    ];
    for (what, steps, want) in table {
        capture(&path, packets(40_000, &steps));
        let shown = printed("''", &path);
        let told = |line: &&str| line.starts_with("T ") && !line.ends_with("[AP] #1");
        let lines: String = shown
            .lines()
            .filter(told)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(lines, want, "{what}: {shown}");
    }
}

#[test]
fn an_answer_that_is_reset_says_so() {
    let path = scratch("failures-broken").join("one.pcap");
    let half = HALF.len() as u32;
    let steps = [
        &OPEN[..],
        &[
            (13, false, PSH | ACK, [ASKED, 0], HALF),
            (14, true, ACK, [ASKED, half], b""),
            (203, false, RST | ACK, [ASKED, half], b""),
        ],
    ]
    .concat();
    capture(&path, packets(40_000, &steps));
    let shown = printed("''", &path);
    let want = "incomplete · the server reset (RST) after 200 ms";
    assert!(shown.contains(want), "{shown}");
    let shown = printed("GET", &path);
    assert!(
        shown.contains("incomplete") && shown.contains(want.split(" · ").nth(1).expect("two")),
        "{shown}"
    );
    let log = printed("-W log -q ''", &path);
    assert!(
        log.contains("reset       4 B    10 ms          -    200, incomplete, the server reset (RST) after 200 ms\n"),
        "{log}"
    );
    let table = printed("--stats ''", &path);
    assert!(table.contains("reset ×1"), "{table}");
    let json = printed("--json ''", &path);
    let found = json
        .lines()
        .find(|line| line.contains("http.response"))
        .expect("it is there");
    let found: Value = serde_json::from_str(found).expect("JSON");
    let failure = &found["data"]["failure"];
    assert_eq!(
        (&failure["what"], &failure["by"], &failure["with"]),
        (&"broken_off".into(), &"server".into(), &"RST".into())
    );
}

#[test]
fn syns_that_nobody_answers_are_told_when_they_were_waited_for() {
    let path = scratch("failures-silent").join("some.pcap");
    let mut all = packets(
        40_000,
        &[
            (0, true, SYN, [0, 0], b""),
            (1000, true, SYN, [0, 0], b""),
            (3000, true, SYN, [0, 0], b""),
        ],
    );
    // Time passes by packets: no pause counts for more than some seconds.
    for second in 1..5 {
        all.extend(packets(40_009, &[(second * 4000, true, ACK, [0, 0], b"")]));
    }
    // One alone says nothing, unless servers are heard.
    all.extend(packets(40_001, &[(0, true, SYN, [0, 0], b"")]));
    let later = |heard: bool| {
        let mut steps = OPEN.to_vec();
        let whole = b"HTTP/1.1 204 No Content\r\n\r\n";
        if heard {
            steps.push((4, false, PSH | ACK, [ASKED, 0], whole));
        }
        for step in &mut steps {
            step.0 += if heard { 500 } else { 20_000 };
        }
        steps
    };
    let mut unheard = all.clone();
    unheard.extend(packets(40_002, &later(false)));
    capture(&path, unheard);
    let shown = printed("''", &path);
    assert_eq!(shown.matches("no response").count(), 1, "{shown}");
    assert!(
        shown.contains("T 192.0.2.1:40000 -> 192.0.2.2:80 no response to 3 SYNs · 16 s\n"),
        "{shown}"
    );
    let mut heard = all;
    heard.extend(packets(40_002, &later(true)));
    heard.extend(packets(40_003, &later(false)));
    capture(&path, heard);
    let shown = printed("''", &path);
    assert!(
        shown.contains("T 192.0.2.1:40001 -> 192.0.2.2:80 1 SYN, no response seen\n"),
        "{shown}"
    );
}

/// The answer to a client that gave up is told as it comes all the same.
#[test]
fn who_gives_up_may_get_an_answer_after_all() {
    let path = scratch("failures-late").join("one.pcap");
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let steps = [
        &OPEN[..],
        &[
            (4, false, ACK, [ASKED, 0], b""),
            (1003, true, FIN | ACK, [ASKED, 0], b""),
            (1004, false, ACK, [ASKED + 1, 0], b""),
            (3003, false, PSH | ACK, [ASKED + 1, 0], whole),
            (3004, true, RST, [ASKED + 1, 0], b""),
        ],
    ]
    .concat();
    capture(&path, packets(40_000, &steps));
    let shown = printed("''", &path);
    let told: Vec<&str> = shown.lines().filter(|line| line.contains(" <- ")).collect();
    assert_eq!(told.len(), 2, "{shown}");
    assert!(
        told[0].ends_with("#1 <- no response · the client closed (FIN) after 1 s"),
        "{shown}"
    );
    assert!(told[1].contains("#1 <- 200 OK · 2 B · 3 s !"), "{shown}");
    let log = printed("-W log -q ''", &path);
    assert_eq!(log.lines().count(), 1, "an exchange has one line: {log}");
}

#[test]
fn a_failure_is_a_row_a_count_and_a_record_of_json() {
    let path = scratch("failures-views").join("some.pcap");
    let mut all = packets(
        40_000,
        &[
            (0, true, SYN, [0, 0], b""),
            (40, false, RST | ACK, [0, 0], b""),
        ],
    );
    let closed = [
        &OPEN[..],
        &[(1503, false, FIN | ACK, [ASKED, 0], b"")],
        &[(1504, true, FIN | ACK, [ASKED, 1], b"")],
        &[(1505, false, ACK, [ASKED + 1, 1], b"")],
    ]
    .concat();
    all.extend(packets(40_001, &closed));
    capture(&path, all);
    let log = printed("-W log ''", &path);
    let row = |word: &str| log.lines().find(|row| row.contains(word)).expect("a row");
    let refused = row(" tcp ");
    assert!(
        refused.contains(" refused ") && refused.ends_with(" 40 ms          -"),
        "{log}"
    );
    let closed = row(" GET shop/page ");
    assert!(
        closed.contains(" no response    -    1.5 s !        -    ")
            && closed.ends_with("the server closed (FIN) after 1.5 s"),
        "{log}"
    );
    let table = printed("--stats ''", &path);
    assert!(
        table.contains("refused ×1") && table.contains("no response ×1"),
        "{table}"
    );
    for (arguments, many) in [("--count ''", "3"), ("--count GET", "1")] {
        assert_eq!(printed(arguments, &path).trim(), many, "{arguments}");
    }
    assert!(printed("--list ''", &path).contains("T 192.0.2.1:40000 -> 192.0.2.2:80\n"));
    // The first record is the request; what became of it belongs to it.
    let shown = printed("-n 1 ''", &path);
    assert!(!shown.contains("refused"), "{shown}");
    let har: Value = serde_json::from_str(&printed("--har - ''", &path)).expect("JSON");
    assert_eq!(
        har["log"]["entries"][0]["response"]["_error"],
        "no response: the server closed (FIN) after 1.5 s"
    );
    let json = printed("--json ''", &path);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |kind: &str| {
        let mut found = lines.iter().filter(|line| line["data"]["kind"] == kind);
        found.next().expect("it is there")
    };
    let refused = of("tcp.failure");
    assert_eq!(refused["type"], "match");
    assert_eq!(refused["data"]["id"], Value::Null);
    assert_eq!(refused["data"]["frames"], serde_json::json!([1, 6]));
    let failure = &refused["data"]["failure"];
    assert_eq!(
        (&failure["what"], &failure["after"]),
        (&"refused".into(), &0.04.into())
    );
    let unanswered = of("http.response");
    assert_eq!(unanswered["data"]["id"], 1);
    assert_eq!(unanswered["data"]["http"]["status"], Value::Null);
    let failure = &unanswered["data"]["failure"];
    assert_eq!(
        (
            &failure["what"],
            &failure["by"],
            &failure["with"],
            &failure["after"]
        ),
        (
            &"no_answer".into(),
            &"server".into(),
            &"FIN".into(),
            &1.5.into()
        )
    );
    assert_eq!(lines.last().expect("a summary")["data"]["matched"], 3);
    let byline = printed("-W byline ''", &path);
    assert!(
        byline.contains("T 192.0.2.1:40000 -> 192.0.2.2:80 refused (RST)\n"),
        "{byline}"
    );
    assert!(
        byline.contains(" #1 <- no response, the server closed (FIN) after 1.5 s\n"),
        "{byline}"
    );
    // With a pattern only the other half of what matches.
    let shown = printed("GET", &path);
    assert!(
        !shown.contains("refused") && shown.contains("no response"),
        "{shown}"
    );
    let shown = printed("nothing", &path);
    assert_eq!(shown, "");
}

/// IPv4 or IPv6 TCP segment with a SYN, or the RST that answers it.
fn knock(v6: bool, client: u16, up: bool) -> Vec<u8> {
    let flags = if up { SYN } else { RST | ACK };
    let packet = tcp(
        up,
        client,
        flags,
        if up { 999 } else { 0 },
        if up { 0 } else { 1000 },
        b"",
    );
    if !v6 {
        return packet;
    }
    let segment = &packet[20..];
    let mut packet = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    let end = |last: u8| {
        let mut addr = [0_u8; 16];
        (addr[0], addr[1], addr[15]) = (0x20, 1, last);
        addr
    };
    let (src, dst) = if up { (1, 2) } else { (2, 1) };
    packet.extend(end(src));
    packet.extend(end(dst));
    packet.extend(segment);
    packet
}

#[test]
fn both_addresses_of_a_server_that_refuse_are_one_line() {
    let path = scratch("failures-eyeballs").join("one.pcap");
    let packets = vec![
        (0, knock(true, 40_000, true)),
        (1, knock(true, 40_000, false)),
        (2, knock(false, 40_001, true)),
        (3, knock(false, 40_001, false)),
        // Much later it is another attempt.
        (9000, knock(false, 40_002, true)),
        (9001, knock(false, 40_002, false)),
    ];
    capture(&path, packets);
    assert_eq!(
        printed("''", &path),
        "\nT [2001::1]:40000 -> [2001::2]:80 refused (RST) · 192.0.2.2:80 too\n\
         \nT 192.0.2.1:40002 -> 192.0.2.2:80 refused (RST)\n"
    );
}

/// Named: `a_flood_of_failures_is_a_few_lines`.
#[test]
fn a_flood_of_failures_is_a_few_lines() {
    let path = scratch("failures-flood").join("some.pcap");
    let mut all = Vec::new();
    for port in 1..=20_000_u16 {
        let now = u32::from(port) / 10;
        for (up, flags) in [(true, SYN), (false, RST | ACK)] {
            let [seq, ack] = if up { [999, 0] } else { [0, 1000] };
            all.push((now, tcp(up, port, flags, seq, ack, b"")));
        }
    }
    capture(&path, all);
    let shown = printed("''", &path);
    assert!(
        shown.lines().filter(|line| !line.is_empty()).count() < 60,
        "{shown}"
    );
    let counted: u64 = shown
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let words = line.split(" · ").nth(1);
            let number = words.and_then(|words| words.split(' ').next());
            number.map_or(1, |number| number.parse().expect("a number"))
        })
        .sum();
    assert_eq!(counted, 20_000, "each of them is counted: {shown}");
    let shown = printed("--stats ''", &path);
    assert!(shown.contains("refused ×20000"), "{shown}");
    assert_eq!(
        printed("-n 3 ''", &path)
            .lines()
            .filter(|line| line.starts_with('T'))
            .count(),
        3
    );
    // SYNs of which nothing more is heard, fast: none of them has waited.
    let mut numbers = Numbers(1);
    let flood = (0..40_000_u32).map(|at| {
        let port = u16::try_from(1 + numbers.below(60_000)).expect("a port");
        (at / 100, tcp(true, port, SYN, at, 0, b""))
    });
    capture(&path, flood.collect());
    let shown = printed("''", &path);
    assert!(shown.lines().count() < 100, "{shown}");
}

/// HTTP/2: a request that is taken back is over, whatever becomes of its connection; and one that
/// waits is paired, however many do.
#[test]
fn a_stream_that_is_reset_is_over() {
    const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut bytes = vec![0, 0, u8::try_from(payload.len()).expect("it is short")];
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    };
    // `:method: GET`, `:path: /`; `:status: 200`.
    let get = |stream| frame(1, 5, stream, b"\x82\x84");
    let ok = |stream| frame(1, 5, stream, b"\x88");
    let path = scratch("failures").join("streams.pcap");
    let connection = |asks: &[u8], responses: &[u8]| {
        let (client, server) = (1000 + asks.len() as u32, 5000 + responses.len() as u32);
        vec![
            (0, tcp(true, 40000, SYN, 999, 0, b"")),
            (1, tcp(false, 40000, SYN | ACK, 4999, 1000, b"")),
            (2, tcp(true, 40000, PSH | ACK, 1000, 5000, asks)),
            (3, tcp(false, 40000, PSH | ACK, 5000, client, responses)),
            (4, tcp(false, 40000, FIN | ACK, server, client, b"")),
            (5, tcp(true, 40000, FIN | ACK, client, server + 1, b"")),
            (6, tcp(false, 40000, ACK, server + 1, client + 1, b"")),
        ]
    };

    let taken_back = frame(3, 0, 1, &[0, 0, 0, 8]);
    let asks = [BEGIN, &get(1), &taken_back, &get(3)].concat();
    capture(&path, connection(&asks, &[SETTINGS, &ok(3)].concat()));
    let spy = printed("", &path);
    assert!(
        spy.contains("#1\nRST_STREAM CANCEL \u{b7} stream 1\n"),
        "{spy}"
    );
    assert!(!spy.contains("no response"), "{spy}");
    assert!(spy.contains("#2 <- 200 \u{b7} 0 B \u{b7} 1 ms\n"), "{spy}");
    let log = printed("-W log", &path);
    let reset = "RST_STREAM CANCEL \u{b7} stream 1\n";
    assert_eq!(log.matches(reset).count(), 1, "{log}");
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(!log.contains("no response"), "{log}");

    let streams = || (0..1000).map(|at| 2 * at + 1);
    let asks = [BEGIN.to_vec(), streams().flat_map(get).collect()].concat();
    let responses: Vec<u8> = streams().flat_map(ok).collect();
    let responses = [SETTINGS, &responses].concat();
    capture(&path, connection(&asks, &responses));
    let log = printed("-W log", &path);
    let paired = |line: &&str| {
        let behind = line.split_once("GET /").map_or("", |(_, behind)| behind);
        behind.trim_start().starts_with("200 ")
    };
    assert_eq!(log.lines().filter(paired).count(), 1000);
    assert!(!log.contains("answer"));
}

//! What must hold for any bytes, one function for each parser. The fuzzer calls them with what it
//! invents, and `cargo test` with generated and mutated bytes, so that both hold the same things.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use spygrep::capture::savefile::Savefiles;
use spygrep::capture::{Next, Source as _};
use spygrep::decode;
use spygrep::dissect::{self, Budget, FlowDissector};
use spygrep::flow::{Direction, Endpoint, Flow, Roles};
use spygrep::frame::{Frame, LinkType, Timestamp};
use spygrep::limits::{Limits, time};
use spygrep::message::{Decoding, Kind, Known, MessageEvent, MessageId, Part, Role};
use spygrep::packet::{Fragment, Ip, Packet, Ports, Tcp, TcpFlags, Transport};
use spygrep::pipeline::{Pipeline, Settings};
use spygrep::policy::{Overlap, Policy};
use spygrep::reassemble::{Defragmented, Defragmenter, Reassembler};
use spygrep::render::{self, Escape, Out, Output, OutputArgument, Time, View};
use spygrep::search::{KeepLimits, MessageBuffer, Options, Query, QuerySpec};
use spygrep::stats::DissectStats;
use spygrep::stop::Stop;
use spygrep::stream::{Ending, PacketInfo, StreamEvent};

/// Bytes that are taken one after the other; zeros when there are no more.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const LINKS: [u32; 42] = [
    1, 0, 101, 113, 276, 9, 50, 51, 104, 105, 108, 117, 119, 127, 163, 228, 229, 239, 6, 10, 12,
    14, 147, 8, 100, 107, 109, 122, 138, 149, 166, 192, 204, 205, 206, 226, 242, 258, 281, 282,
    284, 285,
];

fn frame(link: u32, number: u64, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number,
        ts: Timestamp::from_nanos(number.cast_signed() * 1_000_000),
        interface: 0,
        link: LinkType(link),
        wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        bytes,
    }
}

/// What a burst begins with is a hello of TLS or not; what it says of itself is bounded.
pub fn hello(data: &[u8]) {
    if let Some(hello) = dissect::hello(data) {
        assert!(dissect::is_tls(data));
        // A byte that is no UTF-8 becomes one character.
        let name = hello.name.map_or(0, |name| name.chars().count());
        assert!(name <= 255 && hello.protocols.len() <= 4);
        assert_eq!(hello.version >> 8, 3);
    }
    let burst = Kind {
        name: "tcp.burst",
        side: Role::Single,
        sized: true,
    };
    let told = dissect::describe(burst, &Known::of_head(data), &[]);
    assert_eq!(told.opaque.is_some(), dissect::is_tls(data));
}

/// Any frame gives a packet inside of it, or a reason.
pub fn decode(data: &[u8]) {
    let mut input = Input(data);
    let link = LINKS[usize::from(input.byte()) % LINKS.len()];
    let frame = frame(link, 1, input.0);
    for packet in [decode::frame(&frame), decode::outermost(&frame)]
        .into_iter()
        .flatten()
    {
        assert!(packet.ip_payload.len() <= frame.bytes.len());
        assert!(
            packet.ip_payload.ends_with(packet.payload)
                || packet.payload.len() < packet.ip_payload.len()
        );
        let _ = packet.is_damaged();
    }
    let doubtful = decode::frame(&frame).is_ok_and(|packet| packet.doubtful);
    if let Some((datagram, inner)) = decode::around(&frame) {
        assert!(doubtful && datagram.payload.get(inner).is_some());
    }
    let mut scratch = Vec::new();
    assert!(decode::untagged(&frame, &mut scratch).len() <= frame.bytes.len());
}

/// The byte that an honest sender has at a place.
fn truth(at: usize) -> u8 {
    b'a' + (at % 26) as u8
}

fn ip(protocol: u8, fragment: Option<Fragment>) -> Ip {
    Ip {
        src: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        dst: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
        protocol,
        ttl: 64,
        fragment,
    }
}

/// Pieces of one datagram, cut and sent in any way: when it is whole, it is what was sent.
pub fn defragment(data: &[u8]) {
    let mut input = Input(data);
    let limits = Limits {
        fragment_datagrams: 4,
        fragment_bytes: 4096,
        fragment_pieces: 16,
        ..Limits::default()
    };
    let mut defragmenter = Defragmenter::new(limits, false);
    let text: Vec<u8> = (0..4096).map(truth).collect();
    let mut number = 0;
    let mut lost = |piece: &Packet<'_>| assert!(piece.payload.len() <= 4096);
    while !input.is_empty() {
        number += 1;
        let (offset, len) = (
            usize::from(input.byte()) % 64 * 8,
            usize::from(input.byte()),
        );
        let how = input.byte();
        let bytes = &text[offset..offset + len];
        let id = u32::from(how >> 1 & 7);
        let fragment = Fragment {
            id,
            offset: offset as u32,
            more: how & 1 == 1,
        };
        let packet = Packet {
            frame: number,
            ts: Timestamp::from_nanos(number.cast_signed() * i64::from(how) * 10_000_000),
            path: 0,
            tunnels: 0,
            tunnel: None,
            doubtful: false,
            ip: ip(17, Some(fragment)),
            ip_header: &[],
            transport: Transport::Other,
            ip_payload: bytes,
            payload: bytes,
            cut: u32::from(how & 0x80 != 0),
        };
        defragmenter.expire(packet.ts, &mut lost);
        if let Defragmented::Whole { bytes, .. } = defragmenter.push(&packet, &mut lost) {
            assert_eq!(bytes, &text[..bytes.len()]);
        }
    }
    defragmenter.finish(&mut lost);
}

/// Segments of two honest hosts, cut, lost, repeated and shuffled in any way, with lies about
/// everything but the bytes: what is delivered is in order and true, and nothing is held in the
/// end.
pub fn reassemble(data: &[u8]) {
    let mut input = Input(data);
    let isn = [0, 1000, u32::MAX - 30, u32::MAX][usize::from(input.byte()) % 4];
    let overlap = [Overlap::First, Overlap::Last, Overlap::Bsd, Overlap::Linux];
    let policy = Policy {
        overlap: overlap[usize::from(input.byte()) % 4],
        ..Policy::default()
    };
    let limits = Limits {
        memory: 8192,
        tails: 4096,
        reorder_bytes: 4096,
        ..Limits::default()
    };
    let mut reassembler = Reassembler::new(limits, policy, time::IDLE_FILE);
    // What is true of a place depends on where the stream was joined.
    let mut offsets: HashMap<u64, [u64; 2]> = HashMap::new();
    let mut check = |flow: &Flow, event: &StreamEvent<'_>| match *event {
        StreamEvent::Data {
            dir, offset, bytes, ..
        } => {
            assert_eq!(offset, offsets.entry(flow.id).or_default()[dir.index()]);
            assert!(!bytes.is_empty());
            assert!(
                bytes
                    .windows(2)
                    .all(|pair| pair[1] == pair[0] + 1 || pair == [b'z', b'a'])
            );
            offsets.entry(flow.id).or_default()[dir.index()] += bytes.len() as u64;
        }
        StreamEvent::Gap {
            dir, offset, len, ..
        } => {
            assert_eq!(offset, offsets.entry(flow.id).or_default()[dir.index()]);
            assert!(len > 0);
            offsets.entry(flow.id).or_default()[dir.index()] += len;
        }
        StreamEvent::OutOfStream {
            bytes,
            context,
            after,
            ..
        } => assert!(context < bytes.len() && after < bytes.len()),
        _ => {}
    };
    let (mut number, mut now) = (0, 0);
    while !input.is_empty() {
        number += 1;
        let (how, offset) = (input.byte(), u32::from(input.byte()));
        let (len, ack) = (usize::from(input.byte()) % 40, u32::from(input.byte()));
        now += i64::from(how >> 6) * i64::from(how >> 6) * 20_000_000;
        let to_server = how & 1 == 0;
        let flags = match how >> 1 & 15 {
            0 => TcpFlags::SYN.0,
            1 => TcpFlags::SYN.0 | TcpFlags::ACK.0,
            2 => TcpFlags::FIN.0 | TcpFlags::ACK.0,
            3 => TcpFlags::RST.0,
            4 => 0,
            5 => TcpFlags::ACK.0 | TcpFlags::URG.0,
            6 => 0xff,
            _ => TcpFlags::ACK.0,
        };
        let syn = flags & TcpFlags::SYN.0 != 0;
        let first = if syn { 0 } else { offset as usize };
        let bytes: Vec<u8> = (first..first + len).map(truth).collect();
        let seq = isn.wrapping_add(if syn { 0 } else { 1 + offset });
        let tcp = Tcp {
            ports: if to_server {
                Ports {
                    src: 40_000,
                    dst: 80,
                }
            } else {
                Ports {
                    src: 80,
                    dst: 40_000,
                }
            },
            seq,
            ack: isn.wrapping_add(1).wrapping_add(ack),
            flags: TcpFlags(flags),
            window: u16::from(ack as u8),
            window_scale: None,
            urgent: offset as u16,
        };
        let mut packet = Packet {
            frame: number,
            ts: Timestamp::from_nanos(now),
            path: 0,
            tunnels: 0,
            tunnel: None,
            doubtful: false,
            ip: ip(6, None),
            ip_header: &[],
            transport: Transport::Tcp(tcp),
            ip_payload: &bytes,
            payload: &bytes,
            cut: u32::from(how == 0xff),
        };
        if !to_server {
            std::mem::swap(&mut packet.ip.src, &mut packet.ip.dst);
        }
        reassembler.expire(packet.ts, &mut check);
        reassembler.push(&packet, &mut check);
        assert!(reassembler.held() < 64 << 10);
    }
    reassembler.finish(&mut check);
    assert_eq!(reassembler.held(), 0);
}

const PATTERNS: [&str; 20] = [
    "ab",
    "(?i)aB",
    "a+b",
    "^a",
    "a$",
    r"\bab\b",
    "a.*b",
    "(a|b)c",
    "[ab]{2,4}c",
    "a(b|$)",
    "^$",
    r"\Ba",
    "abc|bcd|cde",
    "a[^b]*c",
    "(?:ab){2}",
    "a??b",
    "b\\b",
    "^(a|b)+$",
    "c(?i)ab",
    "aa|a",
];

/// A text cut in any way holds what it holds in one piece.
pub fn search(data: &[u8]) {
    let mut input = Input(data);
    let pattern = PATTERNS[usize::from(input.byte()) % PATTERNS.len()];
    let flags = input.byte();
    let asked = QuerySpec {
        any: vec![pattern.to_owned()],
        options: Options {
            line_anchors: flags & 1 == 1,
            crlf: flags & 2 == 2,
            dot_all: flags & 4 == 4,
            ignore_case: flags & 8 == 8,
            ..Options::default()
        },
        ..QuerySpec::default()
    };
    let Ok(query) = Query::compile(&asked) else {
        return;
    };
    let keep = KeepLimits {
        head: 0,
        body: usize::from(flags >> 4),
        around: true,
        first: None,
    };
    let mut unit = MessageBuffer::default();
    unit.begin(&query, None, false);
    let mut text = Vec::new();
    while !input.is_empty() {
        let len = usize::from(input.byte()) % 9;
        // Few letters, so that something is found.
        let piece: Vec<u8> = input
            .take(len)
            .iter()
            .map(|byte| b"abcABC\r\n d\x80\0"[usize::from(*byte) % 12])
            .collect();
        unit.feed(&query, &keep, Part::Body, &piece, query.misses(&piece));
        text.extend(piece);
    }
    unit.end(&query, true);
    assert_eq!(
        unit.holds(&query),
        query.holds_in(&text, &mut Vec::new()),
        "{pattern} in {text:?}"
    );
    let kept = unit.show(&query).text.bytes.len();
    assert!(kept <= text.len());
}

/// Any file gives frames of bounded size, or an error.
pub fn savefile(data: &[u8]) {
    let path = std::env::temp_dir().join(format!("spygrep-fuzz-{}", std::process::id()));
    std::fs::write(&path, data).expect("there is room for a file");
    if let Ok(mut files) = Savefiles::open(&[&path]) {
        let mut frames = 0_usize;
        while let Ok(Next::Frame(frame)) = files.next_frame() {
            assert!(frame.bytes.len() <= 16 << 20);
            frames += 1;
            assert!(frames <= 64 << 20);
        }
    }
}

/// What is said of two streams that keep the rules does not depend on how they were cut, and it is
/// no more than was sent, unless it was coded.
pub fn http(data: &[u8]) {
    let mut input = Input(data);
    let asks = usize::from(input.byte()) << 4;
    let step = 1 + usize::from(input.byte()) % 19;
    let (request, response) = (input.take(asks), input.0);
    same(request, response, step);
}

/// The same of the two sides of an HTTP/2 connection, behind what each begins with.
pub fn http2(data: &[u8]) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let mut input = Input(data);
    let asks = usize::from(input.byte()) << 2;
    let step = 1 + usize::from(input.byte()) % 19;
    let request = [PREFACE, SETTINGS, input.take(asks)].concat();
    same(&request, &[SETTINGS, input.0].concat(), step);
}

/// The same of both sides of a WebSocket connection, after its handshake.
pub fn websocket(data: &[u8]) {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
    const EXTENSIONS: [&str; 4] = [
        "",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n",
        "Sec-WebSocket-Extensions: x-other\r\n",
    ];
    let mut input = Input(data);
    let asks = usize::from(input.byte()) << 2;
    let how = usize::from(input.byte());
    let extensions = EXTENSIONS[how % EXTENSIONS.len()];
    let response =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{extensions}\r\n");
    let client = input.take(asks);
    let writes = [
        (Direction::ToServer, REQUEST),
        (Direction::ToClient, response.as_bytes()),
        (Direction::ToServer, client),
        (Direction::ToClient, input.0),
    ];
    same_writes(&writes, 1 + how % 19);
}

/// The same of a coded body of any bytes.
pub fn body(data: &[u8]) {
    const CODINGS: [&str; 8] = [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, gzip",
        "br, gzip",
        "zstd, deflate",
        "deflate, zstd",
    ];
    const CHARSETS: [&str; 4] = ["utf-8", "latin1", "utf-16", "gb18030"];
    let mut input = Input(data);
    let (how, step) = (usize::from(input.byte()), usize::from(input.byte()));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: {}\r\nContent-Type: text/plain; charset={}\r\nContent-Length: {}\r\n\r\n",
        CODINGS[how % 8],
        CHARSETS[how / 8 % 4],
        input.0.len()
    );
    same(b"", &[head.as_bytes(), input.0].concat(), 1 + step % 97);
}

/// Both are told the same in one piece and in pieces of `step` bytes.
fn same(request: &[u8], response: &[u8], step: usize) {
    let writes = [
        (Direction::ToServer, request),
        (Direction::ToClient, response),
    ];
    same_writes(&writes, step);
}

/// The same of what both sides write, one after the other.
fn same_writes(writes: &[(Direction, &[u8])], step: usize) {
    let (whole, exact) = told(writes, usize::MAX);
    let (pieces, exact_too) = told(writes, step);
    if exact && exact_too {
        assert_eq!(whole, pieces);
    }
}

/// What is said of what both sides write, each in pieces of `step` bytes, until the capture
/// ends: the text of each message by parts. And whether that is all that can be said: where a bomb
/// is cut, and where brotli data break, depends on the pieces.
fn told(writes: &[(Direction, &[u8])], step: usize) -> (Vec<String>, bool) {
    let end = |last, port| Endpoint {
        addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
        port,
    };
    let flow = Flow {
        roles: Roles::Seen,
        ..Flow::new(1, 6, end(1, 40_000), end(2, 80))
    };
    let limits = Limits {
        decoded: 1 << 20,
        ..Limits::default()
    };
    let decoders = Budget::default();
    let (mut conversation, mut stats) = (FlowDissector::default(), DissectStats::default());
    let mut record = Record::default();
    let mut on_event = |event: StreamEvent<'_>| {
        let mut tell = |id: MessageId, by: &PacketInfo, what: MessageEvent<'_>| match what {
            MessageEvent::Complete(whole) => {
                whole.in_pieces(by, |_, what| record.add(id, what));
            }
            piece => record.add(id, piece),
        };
        conversation.on_event(&limits, &decoders, &mut stats, &flow, &event, &mut tell);
    };
    let by = &PacketInfo::default();
    let mut offsets = [0_u64; 2];
    for (dir, bytes) in writes {
        let (dir, offset) = (*dir, &mut offsets[dir.index()]);
        for piece in bytes.chunks(step.min(bytes.len().max(1))) {
            on_event(StreamEvent::Data {
                dir,
                offset: *offset,
                seq: *offset as u32,
                midstream: false,
                bytes: piece,
                by,
            });
            *offset += piece.len() as u64;
        }
    }
    let open = decoders.held() > 0;
    for dir in [Direction::ToServer, Direction::ToClient] {
        let how = Ending::Capture;
        on_event(StreamEvent::End { dir, how, by });
    }
    // Where a body ends whose head is not clear, the segments tell.
    let upgraded = writes.len() > 2;
    let framed = upgraded || writes[0].1.starts_with(b"PRI");
    let clear = (stats.odd == 0 || framed) && stats.malformed == 0;
    // Of frames a head is longer than what was sent, and has a bound of its own.
    let heads = if record.frames { 80 << 10 } else { 1 };
    let sent: usize = writes.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(record.coded || open || record.bytes <= sent * heads);
    drop(conversation);
    assert_eq!(decoders.held(), 0);
    // Without a preface, frames are recognised by the segments that they begin.
    let joined = record.frames && !framed;
    // What cannot be frames is raw, as the segments cut it.
    let broken = framed && record.bursts || upgraded && record.broken;
    let inexact = record.inexact || joined || broken || (open && record.brotli);
    // Each message by itself: the first bytes of a body may be told late, as few as they are.
    let mut lines = record.lines;
    lines.sort_by_key(|line| line.split(' ').next().unwrap_or_default().to_owned());
    (lines, clear && !inexact)
}

/// What was said of messages.
#[derive(Default)]
struct Record {
    /// A line for each part of a message, however many pieces it came in.
    lines: Vec<String>,
    /// Bytes of text.
    bytes: usize,
    /// A body was decoded, or could not be.
    coded: bool,
    /// What was said depends on the pieces.
    inexact: bool,
    /// Some text may name brotli.
    brotli: bool,
    /// There were frames of HTTP/2.
    frames: bool,
    /// There were raw bursts.
    bursts: bool,
    /// Data could not be decompressed.
    broken: bool,
}

impl Record {
    fn add(&mut self, id: MessageId, what: MessageEvent<'_>) {
        let dir = match id.number {
            0 => id.dir.index().to_string(),
            number => format!("{}.{number}", id.dir.index()),
        };
        match what {
            MessageEvent::Start(begin) => {
                self.frames |= id.number > 0 || begin.kind.name.starts_with("http2.");
                self.bursts |= begin.kind.name == "tcp.burst";
                // Whether an answer to nothing has a body, the segments tell.
                let unasked = begin.kind.side == Role::Response && begin.exchange.is_none();
                self.inexact |= unasked && id.number == 0;
                self.lines.push(format!("{dir} ({}", begin.kind.name));
            }
            MessageEvent::Data { part, bytes } => {
                self.bytes += bytes.len();
                let head = format!("{dir} {part:?} ");
                let text = bytes.escape_ascii().to_string();
                let own = format!("{dir} ");
                let mut lines = self.lines.iter_mut().rev();
                let last = lines.find(|line| line.starts_with(&own));
                match last.filter(|last| last.starts_with(&head)) {
                    Some(last) => last.push_str(&text),
                    None => self.lines.push(head + &text),
                }
                let last = self.lines.last().map(|line| line.to_ascii_lowercase());
                self.brotli |= last.is_some_and(|line| line.contains("br"));
            }
            MessageEvent::Body(facts) => {
                self.coded |= facts.state != Decoding::AsSent;
                self.broken |= facts.state == Decoding::Broken;
                self.inexact |= match facts.state {
                    Decoding::Cut | Decoding::NoRoom => true,
                    Decoding::Broken => self.brotli,
                    _ => false,
                };
                self.lines.push(format!("{dir} {facts:?}"));
            }
            MessageEvent::End { complete } => self.lines.push(format!("{dir} ) {complete}")),
            MessageEvent::Fork { reading, name } => {
                self.lines.push(format!("{dir} reading {reading} {name}"));
            }
            MessageEvent::Reading { .. }
            | MessageEvent::Summary { .. }
            | MessageEvent::Status(_)
            | MessageEvent::Gap { .. }
            | MessageEvent::Complete(_) => {}
        }
    }
}

/// Nothing that steers a terminal comes through.
pub fn escape(data: &[u8]) {
    for utf8 in [false, true] {
        let escape = Escape {
            utf8,
            tab: true,
            dot: '.',
        };
        let mut out = Vec::new();
        escape.write(data, &mut out);
        let text = std::str::from_utf8(&out).expect("what is shown is text");
        for shown in text.chars() {
            let steers = shown.is_control() && !matches!(shown, '\t' | '\n');
            let turns = matches!(shown, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            assert!(!steers && !turns, "{shown:?}");
        }
        assert!(out.len() <= data.len() * 4 + 64);
    }
}

/// The whole program on any frames: it comes to an end.
pub fn program(data: &[u8]) {
    let mut input = Input(data);
    let link = LINKS[usize::from(input.byte()) % 4];
    let how = input.byte();
    let settings = settings("a[^b]*c|GET", how);
    let show = render::Settings {
        packets: how & 1 == 1,
        ..render::Settings::default()
    };
    let renderer = render::renderer(show, Out::new(Box::new(std::io::sink()), true));
    let mut pipeline = Pipeline::new(settings, renderer, None, None, None);
    let mut number = 0;
    while !input.is_empty() {
        number += 1 + u64::from(input.byte());
        let len = usize::from(input.byte());
        pipeline.frame(&frame(link, number, input.take(len)));
    }
    pipeline.finish();
}

/// What the whole program is to do.
fn settings(pattern: &str, how: u8) -> Settings {
    let asked = QuerySpec {
        any: vec![pattern.to_owned()],
        ..QuerySpec::default()
    };
    let limits = Limits {
        memory: 64 << 10,
        tails: 16 << 10,
        flows: 64,
        embryos: 16,
        burst: 4096,
        head: 4096,
        body: 4096,
        ..Limits::default()
    };
    Settings {
        packets: how & 1 == 1,
        filter: None,
        query: Query::compile(&asked).expect("the pattern is valid"),
        conditions: spygrep::search::Conditions::default(),
        span: spygrep::frame::Span::default(),
        invert: how & 2 == 2,
        show_empty: how & 4 == 4,
        max_count: None,
        search_first: None,
        wire: how & 8 == 8,
        before: usize::from(how >> 4 & 1),
        after: usize::from(how >> 5 & 1),
        pair: how & 0x40 == 0x40,
        stand_out: Vec::new(),
        live: how & 0x80 == 0x80,
        limits,
        policy: Policy::default(),
        idle: time::IDLE_FILE,
        stop: Stop::default(),
    }
}

/// The packets of one connection, in order: a needle is cut by two of them. Every other one is of
/// HTTP.
fn connection(port: u16) -> [Vec<u8>; 8] {
    let packet = |up: bool, flags: u8, seq: u32, ack: u32, text: &[u8]| {
        let mut packet = vec![0x45, 0, 0, 40 + text.len() as u8, 0, 0, 0, 0, 64, 6, 0, 0];
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (src, dst) = if up {
            (client, server)
        } else {
            (server, client)
        };
        packet.extend([src, dst].concat());
        let (from, to) = if up { (port, 7) } else { (7, port) };
        packet.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
        packet.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(text);
        packet
    };
    let [first, second, response]: [&[u8]; 3] = match port % 2 {
        0 => [b"a nee", b"dle.", b"well"],
        _ => [
            b"GET /nee",
            b"dle HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        ],
    };
    let reached = 100 + first.len() as u32;
    let (end, answered) = (reached + second.len() as u32, 300 + response.len() as u32);
    let flags = |flags: TcpFlags| flags.0 | TcpFlags::ACK.0;
    let (syn, fin, ack) = (flags(TcpFlags::SYN), flags(TcpFlags::FIN), TcpFlags::ACK.0);
    [
        packet(true, TcpFlags::SYN.0, 99, 0, b""),
        packet(false, syn, 299, 100, b""),
        packet(true, ack, 100, 300, first),
        packet(false, ack, 300, reached, b""),
        packet(true, ack, reached, 300, second),
        packet(false, ack, 300, end, response),
        packet(true, fin, end, answered, b""),
        packet(false, fin, answered, end + 1, b""),
    ]
}

/// A pcapng file of an interface with this resolution and offset, and of packets with their ticks.
pub fn pcapng(resolution: u8, offset: [u8; 8], packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let length = (body.len().next_multiple_of(4) + 12) as u32;
        let mut block = [kind.to_le_bytes(), length.to_le_bytes()].concat();
        block.extend(body);
        block.resize(length as usize - 4, 0);
        block.extend(length.to_le_bytes());
        block
    };
    let section = [
        0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
    ];
    let mut file = block(0x0a0d_0d0a, &section);
    let mut interface = vec![
        101, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, resolution, 0, 0, 0, 14, 0, 8, 0,
    ];
    interface.extend(offset);
    file.extend(block(1, &interface));
    for (ticks, packet) in packets {
        let length = packet.len() as u32;
        let words = [0, (ticks >> 32) as u32, *ticks as u32, length, length];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend(packet);
        file.extend(block(6, &body));
    }
    file
}

/// Whatever the times of packets are, in every resolution and offset: the run ends, and what lies
/// in order is found.
pub fn time(data: &[u8]) {
    let mut input = Input(data);
    let (how, resolution) = (input.byte(), input.byte());
    let offset = match input.byte() {
        0xff => [0; 8].map(|_| input.byte()),
        byte => [byte, byte, 0, 0, 0, 0, 0, 0],
    };
    let mut packets = Vec::new();
    let mut ticks = 0_u64;
    let mut whole = 0;
    for port in 1024_u16.. {
        if input.is_empty() {
            break;
        }
        let before = packets.len();
        for packet in connection(port) {
            if input.is_empty() {
                break;
            }
            let step = u64::from(input.byte());
            ticks = match input.byte() {
                0 => u64::MAX,
                1 => 0,
                2 => 1 << (step % 64),
                3 => u64::from_le_bytes([0; 8].map(|_| input.byte())),
                how @ 4..64 => ticks.wrapping_sub(step << (how % 64)),
                how => ticks.wrapping_add(step << (how % 64)),
            };
            packets.push((ticks, packet));
        }
        // The fifth packet brings the rest of the needle.
        whole += u64::from(packets.len() >= before + 5);
    }
    let own = (std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(format!("spygrep-fuzz-time-{own:?}"));
    std::fs::write(&path, pcapng(resolution, offset, &packets)).expect("there is room for a file");
    let times = [Time::Absolute, Time::OfDay, Time::Delta, Time::SinceFirst];
    let (name, view) = [
        ("", View::Spy),
        ("", View::Byline),
        ("json", View::Spy),
        ("only-matching", View::Spy),
        ("", View::Log),
        ("har", View::Spy),
        ("stats", View::Spy),
        ("diff", View::Spy),
    ][usize::from(how & 7)];
    let output = Output::named(name).map(|output| match output.argument {
        OutputArgument::Every(_) => Output {
            argument: OutputArgument::Every(Some(1_000_000_000)),
            ..output
        },
        _ => output,
    });
    let show = render::Settings {
        output,
        with_flow: true,
        view,
        timing: how & 8 == 8,
        time: times[usize::from(how >> 4 & 3)],
        ..render::Settings::default()
    };
    let renderer = render::renderer(show, Out::new(Box::new(std::io::sink()), true));
    let mut pipeline = Pipeline::new(settings("needle", how & 0x80), renderer, None, None, None);
    let mut files = Savefiles::open(&[&path]).expect("it is a capture");
    std::fs::remove_file(&path).expect("it is ours, and open");
    let mut frames = 0;
    while let Ok(Next::Frame(frame)) = files.next_frame() {
        frames += 1;
        pipeline.frame(&frame);
    }
    pipeline.finish();
    assert_eq!(frames, packets.len());
    // The others show exchanges as one.
    if how & 7 < 4 {
        assert_eq!(pipeline.stats().output.matched, whole);
    }
}

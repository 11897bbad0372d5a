//! What single stages take: `cargo bench --bench stages`. Frames, segments and messages a second
//! stand beside the times.

use std::net::{IpAddr, Ipv4Addr};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use spygrep::decode;
use spygrep::dissect::{self, Budget, FlowDissector};
use spygrep::exchange::Silence;
use spygrep::flow::{Direction, Endpoint, Flow, Roles};
use spygrep::frame::{Frame, LinkType, Timestamp};
use spygrep::hit::{Carried, Heading, Hit, Pair, Piece, Portion, Text, Why};
use spygrep::limits::{Limits, time};
use spygrep::message::{BodyFacts, Kind, Known, MessageEvent, Part, Summary};
use spygrep::packet::{Packet, TcpFlags, Transport};
use spygrep::policy::Policy;
use spygrep::reassemble::Reassembler;
use spygrep::render::{self, Out, Output, View};
use spygrep::search::{KeepLimits, MessageBuffer, Options, Query, QuerySpec};
use spygrep::stats::DissectStats;
use spygrep::stream::{PacketInfo, StreamEvent};
use spygrep::times::Times;

fn main() {
    // Enough that what is cold at first does not count.
    divan::Divan::default()
        .sample_size(1000)
        .config_with_args()
        .main();
}

/// Bytes of a full segment.
const SEGMENT: usize = 1460;
const TCP: u8 = 6;
const UDP: u8 = 17;

const QUESTION: &[u8] =
    b"GET /page/1 HTTP/1.1\r\nHost: example.test\r\nAccept-Language: en\r\nUser-Agent: bench\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789";

/// Text in which nothing is found.
fn text(len: usize) -> Vec<u8> {
    let words = b"the quick brown fox jumps over a lazy dog while NEEDLES are sought in hay \n";
    words.iter().copied().cycle().take(len).collect()
}

/// An Ethernet frame from the client to the server.
fn ethernet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let transport: &[u8] = match protocol {
        UDP => &[0x10, 0, 2, 2, 0, 0, 0, 0],
        _ => &[
            0x10, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0,
        ],
    };
    let len = u16::try_from(20 + transport.len() + payload.len()).expect("a packet is short");
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend(len.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(transport);
    frame.extend(payload);
    frame
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        ts: Timestamp::default(),
        interface: 0,
        link: LinkType::ETHERNET,
        wire_len: bytes.len() as u32,
        bytes,
    }
}

/// From a frame to its packet: protocol, and bytes of payload.
#[divan::bench(args = [(TCP, SEGMENT), (TCP, 0), (UDP, 100)])]
fn decode_a_frame(bencher: Bencher<'_, '_>, (protocol, len): (u8, usize)) {
    let bytes = ethernet(protocol, &text(len));
    let frame = frame(&bytes);
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| decode::frame(black_box(&frame)).map(|packet| packet.payload.len()));
}

/// A segment that comes in order, and its acknowledgement: two packets. So many connections take
/// turns.
#[divan::bench(args = [1, 1000, 50_000])]
fn reassemble_a_segment_and_an_ack(bencher: Bencher<'_, '_>, connections: u32) {
    let bytes = ethernet(TCP, &text(SEGMENT));
    let model = decode::frame(&frame(&bytes)).expect("it is a packet");
    let mut reassembler: Reassembler =
        Reassembler::new(Limits::default(), Policy::default(), time::IDLE_FILE);
    let mut delivered = 0;
    let mut number = 0;
    let mut push = |up: bool, connection: u32, flags: u8, payload, seq, ack| {
        number += 1;
        let mut packet = Packet {
            frame: number,
            ts: Timestamp::from_nanos(number as i64 * 10_000),
            payload,
            ..model
        };
        let client = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 | connection));
        let Transport::Tcp(tcp) = &mut packet.transport else {
            panic!("it is a segment")
        };
        (tcp.seq, tcp.ack, tcp.flags) = (seq, ack, TcpFlags(flags));
        packet.ip.src = client;
        if !up {
            std::mem::swap(&mut packet.ip.src, &mut packet.ip.dst);
            std::mem::swap(&mut tcp.ports.src, &mut tcp.ports.dst);
        }
        reassembler.push(&packet, |_, event| {
            delivered += u64::from(matches!(event, StreamEvent::Data { .. }));
        });
    };
    for connection in 0..connections {
        push(true, connection, 0x02, &[], 0, 0);
        push(false, connection, 0x12, &[], 0, 1);
    }
    let mut seqs = vec![1_u32; connections as usize];
    let mut segments = 0;
    bencher.counter(ItemsCount::new(2_usize)).bench_local(|| {
        let connection = (segments % u64::from(connections)) as u32;
        let seq = &mut seqs[connection as usize];
        push(false, connection, 0x10, model.payload, *seq, 1);
        *seq = seq.wrapping_add(SEGMENT as u32);
        push(true, connection, 0x10, &[], 1, *seq);
        segments += 1;
    });
    assert_eq!(delivered, segments, "each segment is delivered at once");
}

/// A flow between a client and a server.
fn flow() -> Flow {
    let end = |host, port| Endpoint {
        addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)),
        port,
    };
    Flow {
        roles: Roles::Seen,
        ..Flow::new(1, TCP, end(1, 4096), end(2, 80))
    }
}

/// Questions and answers on one connection; the kind of the last message, and how many there were.
#[derive(Default)]
struct Exchanges {
    conversation: FlowDissector,
    decoders: Budget,
    stats: DissectStats,
    offset: u64,
    kind: Kind,
    count: u64,
}

impl Exchanges {
    fn next(&mut self, limits: &Limits, flow: &Flow) {
        let messages = [
            (Direction::ToServer, QUESTION),
            (Direction::ToClient, ANSWER),
        ];
        for (dir, bytes) in messages {
            let event = StreamEvent::Data {
                dir,
                offset: self.offset * bytes.len() as u64,
                seq: (self.offset * bytes.len() as u64) as u32,
                midstream: false,
                bytes,
                by: &PacketInfo::default(),
            };
            self.conversation.on_event(
                limits,
                &self.decoders,
                &mut self.stats,
                flow,
                &event,
                &mut |_, _, said| match said {
                    MessageEvent::Start(begin) => self.kind = begin.kind,
                    MessageEvent::Complete(whole) => {
                        self.kind = whole.begin.kind;
                        self.count += 1;
                    }
                    MessageEvent::End { .. } => self.count += 1,
                    _ => (),
                },
            );
        }
        self.offset += 1;
    }
}

/// A question and an answer, each of them a head and at most 10 bytes of body.
#[divan::bench]
fn dissect_two_heads(bencher: Bencher<'_, '_>) {
    let (limits, flow) = (Limits::default(), flow());
    let mut exchanges = Exchanges::default();
    bencher
        .counter(ItemsCount::new(2_usize))
        .bench_local(|| exchanges.next(&limits, &flow));
    assert_eq!(exchanges.count, 2 * exchanges.offset, "all were understood");
}

/// The facts of a head that is to be shown.
#[divan::bench]
fn describe_a_head(bencher: Bencher<'_, '_>) {
    let mut exchanges = Exchanges::default();
    exchanges.next(&Limits::default(), &flow());
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| dissect::describe(exchanges.kind, &Known::of_head(black_box(ANSWER)), &[]));
}

/// The body of a message, fed in one full segment, in which nothing is found.
#[divan::bench(args = [
    "NEEDLE-[0-9]+-END",
    "(?i)needle-",
    "NEEDLE-[0-9]+|HAYSTACK-[0-9]+|PITCHFORK-[a-z]+",
    "[0-9]{7}[a-f]",
    "[a-z]{12}[0-9]",
])]
fn search_a_segment(bencher: Bencher<'_, '_>, pattern: &str) {
    let options = Options {
        line_anchors: true,
        crlf: true,
        ..Options::default()
    };
    let asked = QuerySpec {
        any: vec![pattern.to_owned()],
        options,
        ..QuerySpec::default()
    };
    let query = Query::compile(&asked).expect("the pattern is valid");
    let keep = KeepLimits {
        head: Limits::default().head,
        body: 0,
        around: true,
        first: None,
    };
    let bytes = text(SEGMENT);
    let mut unit = MessageBuffer::default();
    unit.begin(&query, None, false);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| unit.feed(&query, &keep, Part::Body, black_box(&bytes), false));
    assert!(!unit.holds(&query), "nothing is there to be found");
}

/// An answer of 92 bytes with one match, written into memory.
#[divan::bench(args = ["spy", "log", "byline", "normal", "single", "none", "-x", "--json"])]
fn render_a_record(bencher: Bencher<'_, '_>, view: &str) {
    let mut exchanges = Exchanges::default();
    exchanges.next(&Limits::default(), &flow());
    let about = dissect::describe(exchanges.kind, &Known::of_head(ANSWER), &[]);
    let flow = flow();
    let hit = Hit {
        number: 1,
        why: Why::Match,
        heading: Heading {
            protocol: TCP,
            ts: Timestamp::default(),
            src: flow.server,
            dst: flow.client,
            dir: spygrep::flow::Direction::ToServer,
            ports: true,
            flags: TcpFlags(0x18),
            icmp: None,
            tunnel: None,
            fragment: None,
        },
        kind: exchanges.kind,
        portion: Portion::Whole,
        text: Text {
            bytes: ANSWER,
            pieces: &[Piece::Kept(0..ANSWER.len())],
        },
        start: 0,
        carried: Carried::default(),
        failed: None,
        head: ANSWER.len() - 10,
        began: Timestamp::default(),
        brief: Summary {
            status: 200,
            ..Summary::default()
        },
        frames: &[],
        matches: &[9..12],
        styles: &about.styles,
        fields: &about.fields,
        facts: &about.facts,
        opaque: None,
        body_size: 10,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        aside: None,
        midstream: false,
        pending: false,
    };
    let plain = render::Settings::default();
    let settings = render::Settings {
        output: view.strip_prefix("--").and_then(Output::named),
        view: match view {
            "log" => View::Log,
            "byline" => View::Byline,
            "normal" => View::Normal,
            "single" => View::Single,
            "none" => View::None,
            _ => View::Spy,
        },
        hex: view == "-x",
        ..plain
    };
    let pair = Pair {
        number: 1,
        request: None,
        response: Some(&hit),
        title: b"GET example.test/page/1",
        times: Times::default(),
        failed: None,
        silence: Silence::None,
    };
    let mut renderer = render::renderer(settings, Out::new(Box::new(std::io::sink()), true));
    let pairs = renderer.wants().pairs;
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench_local(|| match pairs {
            true => renderer.pair(black_box(&pair)),
            false => renderer.hit(black_box(&hit)),
        });
}

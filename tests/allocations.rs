//! In-order bytes that match nothing cost no heap: after a connection is warm, its segments
//! allocate nothing at all.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spygrep::frame::{Frame, LinkType, Timestamp};
use spygrep::limits::{Limits, time};
use spygrep::pipeline::{Pipeline, Settings};
use spygrep::render::{self, Out};
use spygrep::search::{Options, Query, QuerySpec};

use crate::frames::{ACK, PSH, SYN, tcp};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one only counts and passes on"
)]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn pipeline() -> Pipeline {
    let options = Options {
        line_anchors: true,
        crlf: true,
        ..Options::default()
    };
    let asked = QuerySpec {
        any: vec!["NEEDLE-[0-9]+-END".into()],
        options,
        ..QuerySpec::default()
    };
    let limits = Limits::default();
    let settings = Settings {
        packets: false,
        filter: None,
        query: Query::compile(&asked).expect("the pattern is valid"),
        conditions: spygrep::search::Conditions::default(),
        span: spygrep::frame::Span::default(),
        invert: false,
        show_empty: false,
        max_count: None,
        search_first: None,
        wire: false,
        before: 0,
        after: 0,
        pair: false,
        stand_out: Vec::new(),
        live: false,
        policy: spygrep::policy::Policy::default(),
        limits,
        idle: time::IDLE_FILE,
        stop: spygrep::stop::Stop::default(),
    };
    let renderer = render::renderer(
        render::Settings::default(),
        Out::new(Box::new(std::io::sink()), true),
    );
    Pipeline::new(settings, renderer, None, None, None)
}

/// Packets of keep-alive exchanges, ready to be pushed.
fn exchanges(count: usize) -> Vec<Vec<u8>> {
    let ask = b"GET /a/path HTTP/1.1\r\nHost: example.test\r\nAccept-Language: en\r\n\r\n";
    let body = vec![b'x'; 20_000];
    let response = [
        &b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20000\r\n\r\n"[..],
        &body,
    ]
    .concat();
    let mut packets = vec![
        tcp(true, 4000, SYN, 99, 0, b""),
        tcp(false, 4000, SYN | ACK, 499, 100, b""),
    ];
    let (mut up, mut down) = (100_u32, 500_u32);
    for _ in 0..count {
        packets.push(tcp(true, 4000, PSH | ACK, up, down, ask));
        up += u32::try_from(ask.len()).expect("short");
        for segment in response.chunks(1460) {
            packets.push(tcp(false, 4000, ACK, down, up, segment));
            down += u32::try_from(segment.len()).expect("short");
        }
        packets.push(tcp(true, 4000, ACK, up, down, b""));
    }
    packets
}

#[test]
fn in_order_segments_that_match_nothing_allocate_nothing() {
    let packets = exchanges(200);
    let mut pipeline = pipeline();
    let mut before = 0;
    for (number, bytes) in (1_u64..).zip(&packets) {
        if number == packets.len() as u64 / 2 {
            before = ALLOCATIONS.with(Cell::get);
        }
        let ts = Timestamp::from_nanos(i64::try_from(number).expect("few") * 10_000);
        let wire_len = u32::try_from(bytes.len()).expect("short");
        pipeline.frame(&Frame {
            number,
            ts,
            interface: 0,
            link: LinkType::RAW,
            wire_len,
            bytes,
        });
    }
    let more = ALLOCATIONS.with(Cell::get) - before;
    let stats = pipeline.stats();
    assert!(before > 0, "nothing was counted");
    assert_eq!(
        (stats.dissect.requests, stats.dissect.responses),
        (200, 200)
    );
    assert_eq!(more, 0, "allocations in the second hundred exchanges");
}

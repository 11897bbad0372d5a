//! Records as they are printed.

use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::*;
use crate::flow::{Direction, Endpoint};
use crate::frame::Timestamp;
use crate::hit::{Carried, Piece, Text};
use crate::message::{BodyFacts, Fact, HeadStyle, Kind, Summary};
use crate::packet::TcpFlags;
use crate::render::Body;
use crate::stream::GapReason;
use crate::stream::OutOfStreamReason;
use crate::times::Times;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings() -> Settings {
    Settings::default()
}

fn printed(settings: Settings, show: impl FnOnce(&mut Spy)) -> String {
    let sink = Sink::default();
    let mut spy = Spy::new(settings, Out::new(Box::new(sink.clone()), false));
    show(&mut spy);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn heading(response: bool) -> Heading {
    let end = |port| Endpoint {
        addr: IpAddr::from([127, 0, 0, 1]),
        port,
    };
    let (src, dst) = if response {
        (end(5000), end(45438))
    } else {
        (end(45438), end(5000))
    };
    let (ts, flags) = (Timestamp::default(), TcpFlags(0x18));
    Heading {
        protocol: 6,
        ts,
        src,
        dst,
        dir: if response {
            Direction::ToClient
        } else {
            Direction::ToServer
        },
        ports: true,
        flags,
        icmp: None,
        tunnel: None,
        fragment: None,
    }
}

fn kind(response: bool) -> Kind {
    match response {
        true => Kind {
            name: "http.response",
            side: Role::Response,
            sized: true,
        },
        false => Kind {
            name: "http.request",
            side: Role::Request,
            sized: true,
        },
    }
}

fn hit<'a>(
    text: &'a [u8],
    pieces: &'a [Piece],
    head: usize,
    matches: &'a [Range<usize>],
    body_size: u64,
) -> Hit<'a> {
    Hit {
        number: 1,
        why: Why::Match,
        heading: heading(false),
        kind: kind(false),
        portion: Portion::Whole,
        text: Text {
            bytes: text,
            pieces,
        },
        start: 0,
        carried: Carried::default(),
        head,
        matches,
        styles: &[],
        fields: &[],
        began: Timestamp::default(),
        brief: Summary::default(),
        frames: &[],
        facts: &[],
        opaque: None,
        body_size,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        failed: None,
        aside: None,
        midstream: false,
        pending: false,
    }
}

fn whole(text: &[u8]) -> Vec<Piece> {
    vec![Piece::Kept(0..text.len())]
}

#[test]
fn a_request_is_a_header_line_and_its_lines() {
    let text = b"GET / HTTP/1.1\r\nHost: localhost:5000\r\n\r\n";
    let pieces = whole(text);
    let got = printed(settings(), |spy| {
        spy.hit(&hit(text, &pieces, text.len(), &[], 0)).unwrap();
    });
    assert_eq!(
        got,
        "\nT 127.0.0.1:45438 -> 127.0.0.1:5000 [AP] #1\nGET / HTTP/1.1\nHost: localhost:5000\n"
    );
}

#[test]
fn matches_and_headers_are_coloured_and_nothing_else_changes() {
    let text = b"GET / HTTP/1.1\r\nHost: x:5000\r\n\r\n";
    let pieces = whole(text);
    let styles = [(0..3, HeadStyle::Method), (16..20, HeadStyle::Name)];
    let request = Hit {
        styles: &styles,
        ..hit(text, &pieces, text.len(), &[24..28], 0)
    };
    let plain = printed(settings(), |spy| spy.hit(&request).unwrap());
    let color = printed(
        Settings {
            color: true,
            ..settings()
        },
        |spy| spy.hit(&request).unwrap(),
    );
    assert!(
        color.contains(
            "\x1b[1mGET\x1b[0m / HTTP/1.1\n\x1b[36mHost\x1b[0m: x:\x1b[1m\x1b[31m5000\x1b[0m\n"
        ),
        "{color:?}"
    );
    let mut stripped = String::new();
    let mut rest = color.as_str();
    while let Some(at) = rest.find('\x1b') {
        stripped += &rest[..at];
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    assert_eq!(stripped + rest, plain);
}

#[test]
fn the_other_half_is_one_line() {
    let fact = |value: &str| Fact {
        name: "x",
        value: value.into(),
        summary: true,
        many: false,
        literal: false,
    };
    let facts = [fact("200 OK"), fact("text/html"), fact("fr")];
    let response = Companion {
        number: 1,
        heading: heading(true),
        kind: kind(true),
        title: b"200 OK",
        title_cut: false,
        facts: &facts,
        role: Some(HeadStyle::Success),
        body_size: 55,
        body: BodyFacts::default(),
        times: Some(Times {
            response_end: Some(Timestamp::from_nanos(1_300_000)),
            ..Times::default()
        }),
        incomplete: false,
        failed: None,
    };
    assert_eq!(
        printed(settings(), |spy| spy.companion(&response).unwrap()),
        "\nT 127.0.0.1:5000 -> 127.0.0.1:45438 [AP] #1 <- 200 OK · text/html · fr · 55 B · 1.3 ms\n"
    );
    let request = Companion {
        heading: heading(false),
        kind: kind(false),
        title: b"GET localhost:5000/\x1b[0m",
        title_cut: true,
        facts: &[],
        role: None,
        times: None,
        ..response
    };
    assert_eq!(
        printed(
            Settings {
                signs: false,
                ..settings()
            },
            |spy| spy.companion(&request).unwrap()
        ),
        "\nT 127.0.0.1:45438 -> 127.0.0.1:5000 [AP] #1 -> GET localhost:5000/.[0m...\n"
    );
}

#[test]
fn long_bodies_are_cut_and_lines_with_matches_are_shown_all_the_same() {
    let mut text = Vec::new();
    for number in 0..100 {
        text.extend_from_slice(format!("line {number}\n").as_bytes());
    }
    let at = text
        .windows(8)
        .position(|window| window == b"line 77\n")
        .unwrap();
    let pieces = whole(&text);
    let got = printed(settings(), |spy| {
        spy.hit(&hit(&text, &pieces, 0, &[at..at + 4], text.len() as u64))
            .unwrap();
    });
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(
        lines[41..],
        [
            "line 39",
            "... 296 B ...",
            "line 77",
            "... 176 B more (--body=full)"
        ]
    );
    let full = Settings {
        body: Body::Full,
        ..settings()
    };
    let got = printed(full, |spy| {
        spy.hit(&hit(&text, &pieces, 0, &[], text.len() as u64))
            .unwrap();
    });
    assert_eq!(got.lines().count(), 102);
}

#[test]
fn missing_and_skipped_bytes_are_marked_where_they_were() {
    let text = b"begin of an excerpt\nend";
    let pieces = [
        Piece::Kept(0..5),
        Piece::Missing(1448, GapReason::Acked),
        Piece::Kept(5..20),
        Piece::Skipped(146_432),
        Piece::Kept(20..23),
        Piece::Skipped(2048),
    ];
    let got = printed(settings(), |spy| {
        spy.hit(&hit(text, &pieces, 0, &[20..23], 200_000)).unwrap();
    });
    let lines: Vec<&str> = got.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "begin",
            "[1448 bytes not captured]",
            " of an excerpt",
            "... 143 KiB ...",
            "end",
            "... 2 KiB more (--body=full)"
        ]
    );
}

#[test]
fn what_is_not_for_reading_is_one_line() {
    let text = b"HTTP/1.1 200 OK\r\n\r\n\x89PNG\0\0";
    let pieces = whole(text);
    let image = Hit {
        opaque: Some("image/png"),
        ..hit(text, &pieces, 19, &[], 18 << 10)
    };
    let got = printed(settings(), |spy| spy.hit(&image).unwrap());
    assert!(
        got.ends_with("HTTP/1.1 200 OK\n\n[image/png, 18 KiB]\n"),
        "{got:?}"
    );
}

#[test]
fn the_header_line_says_what_is_unusual() {
    let odd = Hit {
        aside: Some(OutOfStreamReason::Conflict),
        midstream: true,
        incomplete: true,
        ..hit(b"x", &[], 0, &[], 1)
    };
    let got = printed(settings(), |spy| spy.hit(&odd).unwrap());
    assert_eq!(
        got,
        "\nT 127.0.0.1:45438 -> 127.0.0.1:5000 [AP] #1 [conflict] · joined mid-connection · incomplete\n"
    );
}

#[test]
fn a_header_line_says_what_decoding_did() {
    let gzip = Fact {
        name: "http.content_encoding",
        value: "gzip".into(),
        summary: false,
        many: false,
        literal: false,
    };
    let table = [
        (Decoding::Decoded, "16 B (gzip 34 B)", None),
        (Decoding::AsSent, "16 B", None),
        (Decoding::Broken, "16 B", Some("[not decoded: broken gzip]")),
        (
            Decoding::NoRoom,
            "16 B",
            Some("[not decoded: no room for gzip]"),
        ),
        (
            Decoding::Cut,
            "16 B",
            Some("[body cut: it swells to 256 times its size]"),
        ),
    ];
    for (state, says, mark) in table {
        let body = BodyFacts {
            wire: 34,
            state,
            reading: None,
            parts: None,
            reset: None,
        };
        let facts = std::slice::from_ref(&gzip);
        assert_eq!(size(16, &body, facts), says);
        assert_eq!(undecoded(&body, facts).as_deref(), mark);
    }
    assert_eq!(
        size(
            16,
            &BodyFacts {
                wire: 34,
                state: Decoding::Decoded,
                reading: None,
                parts: None,
                reset: None,
            },
            &[]
        ),
        "16 B"
    );
}

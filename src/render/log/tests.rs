//! Log lines as they are printed.

use std::io::Write;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::*;
use crate::exchange::Silence;
use crate::flow::Direction;
use crate::hit::Carried;
use crate::hit::Text;
use crate::message::{BodyFacts, Fact, HeadStyle, Kind, Summary};
use crate::packet::TcpFlags;
use crate::stream::GapReason;
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

fn printed(settings: Settings, show: impl FnOnce(&mut Log)) -> String {
    let sink = Sink::default();
    let mut log = Log::new(settings, Out::new(Box::new(sink.clone()), false));
    show(&mut log);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// Times since the first line, which do not depend on the time zone.
fn settings() -> Settings {
    Settings {
        time: Time::SinceFirst,
        ..Settings::default()
    }
}

fn end(last: u8, port: u16) -> Endpoint {
    Endpoint {
        addr: IpAddr::from([10, 0, 0, last]),
        port,
    }
}

/// A field is written `Name: value`.
const NAME: Range<usize> = 0..4;

fn hit<'a>(text: &'a [u8], side: Role, facts: &'a [Fact], rest: Parts<'a>) -> Hit<'a> {
    let (src, dst) = match side {
        Role::Response => (end(2, 80), end(1, 40_000)),
        _ => (end(1, 40_000), end(2, 80)),
    };
    let heading = Heading {
        protocol: 6,
        ts: Timestamp::default(),
        src,
        dst,
        dir: match side {
            Role::Response => Direction::ToClient,
            _ => Direction::ToServer,
        },
        ports: true,
        flags: TcpFlags(0x18),
        icmp: None,
        tunnel: None,
        fragment: None,
    };
    Hit {
        number: 7,
        why: Why::Match,
        heading,
        kind: Kind {
            name: "",
            side,
            sized: true,
        },
        portion: Portion::Whole,
        text: Text {
            bytes: text,
            pieces: rest.pieces,
        },
        head: 0,
        start: 0,
        carried: Carried::default(),
        began: Timestamp::default(),
        brief: Summary {
            status: if side == Role::Response { 503 } else { 0 },
            ..Summary::default()
        },
        frames: &[],
        matches: &[],
        styles: &[(9..10, HeadStyle::ServerError)],
        fields: rest.fields,
        facts,
        opaque: None,
        body_size: 1300,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        failed: None,
        aside: None,
        midstream: false,
        pending: false,
    }
}

#[derive(Clone, Copy, Default)]
struct Parts<'a> {
    pieces: &'a [Piece],
    fields: &'a [(Range<usize>, Range<usize>)],
}

fn asked(method: &str, host: &str, target: &str) -> Vec<Fact> {
    [
        ("http.method", method),
        ("http.host", host),
        ("http.target", target),
    ]
    .map(|(name, value)| Fact {
        name,
        value: value.to_owned(),
        summary: false,
        many: false,
        literal: false,
    })
    .to_vec()
}

/// The response begins after 20 ms and ends after `total`.
fn times(total: i64) -> Times {
    let at = Timestamp::from_nanos;
    Times {
        asked: at(0),
        request_end: Some(at(0)),
        answered: Some(at(20_000_000)),
        response_end: Some(at(total)),
        ..Times::default()
    }
}

fn pair<'a>(request: Option<&'a Hit<'a>>, response: Option<&'a Hit<'a>>, total: i64) -> Pair<'a> {
    Pair {
        number: 7,
        request,
        response,
        title: b"",
        times: times(total),
        silence: Silence::None,
        failed: None,
    }
}

const BEGIN: &str = "+0.000000        7  ";

#[test]
fn an_exchange_is_a_line_under_titles() {
    let facts = asked("GET", "web", "/a?b=c");
    let request = hit(b"", Role::Request, &facts, Parts::default());
    let response = hit(b"", Role::Response, &[], Parts::default());
    let text = printed(settings(), |log| {
        log.pair(&pair(Some(&request), Some(&response), 25_000_000))
            .unwrap();
        log.pair(&pair(Some(&request), None, 0)).unwrap();
        for silence in [Silence::Unknown, Silence::Unseen] {
            let pair = pair(Some(&request), None, 0);
            log.pair(&Pair { silence, ..pair }).unwrap();
        }
        log.pair(&pair(None, Some(&response), 1_500_000_000))
            .unwrap();
        let titled = Pair {
            title: b"GET web/t",
            ..pair(None, Some(&response), 1_500_000_000)
        };
        log.pair(&titled).unwrap();
    });
    let ends = "10.0.0.1:40000         10.0.0.2:80          ";
    let want = format!(
        "TIME             #  FROM                   TO                     REQUEST                                   STATUS      SIZE     WAIT      TOTAL\n\
         {BEGIN}{ends}  GET web/a?b=c                                503   1.3 KiB    20 ms      25 ms\n\
         {BEGIN}{ends}  GET web/a?b=c                                  -         -        -          -    no answer\n\
         {BEGIN}{ends}  GET web/a?b=c                                  -         -        -          -    answer unknown\n\
         {BEGIN}{ends}  GET web/a?b=c                                  -         -        -          -    answer not captured\n\
         {BEGIN}{ends}  -                                            503   1.3 KiB        -          -    no question\n\
         {BEGIN}{ends}  GET web/t                                    503   1.3 KiB    20 ms      1.5 s !\n"
    );
    assert_eq!(text, want);
}

#[test]
fn what_is_not_wanted_is_not_printed() {
    let burst = hit(b"hi", Role::Single, &[], Parts::default());
    for (quiet, lines) in [(0, 2), (1, 1), (3, 1), (4, 0)] {
        let settings = Settings {
            quiet,
            ..settings()
        };
        let text = printed(settings, |log| log.hit(&burst).unwrap());
        assert_eq!(text.lines().count(), lines, "-q {quiet} times");
    }
    let next = Hit {
        portion: Portion::Next,
        ..burst
    };
    let text = printed(settings(), |log| log.hit(&next).unwrap());
    assert_eq!(text, "");
}

#[test]
fn a_long_request_is_cut_where_lines_have_an_end_and_pushes_its_line_elsewhere() {
    let target = format!("/{}", "x".repeat(100));
    let facts = asked("GET", "web", &target);
    let request = hit(b"", Role::Request, &facts, Parts::default());
    let shown = |columns, fits| {
        let settings = Settings {
            columns,
            fits,
            quiet: 1,
            ..settings()
        };
        printed(settings, |log| {
            log.pair(&pair(Some(&request), Some(&request), 2_500_000_000))
                .unwrap();
        })
    };
    assert!(shown(80, false).contains(&format!("GET web{target}")));
    for (columns, width) in [(140, 140), (131, 131), (120, 120), (80, 118)] {
        let line = shown(columns, true);
        assert!(
            line.contains("GET web/xx") && line.contains("x...  "),
            "{line}"
        );
        assert_eq!(line.trim_end().width(), width, "{line}");
    }
}

#[test]
fn headers_are_columns_and_nothing_in_them_steers_a_terminal() {
    let text = "Name \x1b[31mred\u{202e}\t\r\n\x07".as_bytes();
    let end = text.len();
    let with = [(NAME, 5..end)];
    let twice = [(NAME, 5..6), (NAME, 6..9)];
    let pieces = [Piece::Kept(0..end), Piece::Missing(4, GapReason::Timeout)];
    let none = Parts::default();
    let fields = |fields| Parts {
        pieces: &pieces,
        fields,
    };
    let facts = asked("GET\x1b", "we\u{202e}b", "/\x07");
    let table = [
        (fields(&with[..]), none, ".[31mred.....     -"),
        (none, fields(&with[..]), ".[31mred.....     -"),
        (fields(&twice[..]), fields(&with[..]), "., [31            -"),
        (none, none, "-                 -"),
    ];
    for (asks, responses, want) in table {
        let request = hit(text, Role::Request, &facts, asks);
        let response = hit(text, Role::Response, &[], responses);
        let settings = Settings {
            fields: vec!["NAME".into(), "x\x1b".into()],
            ..settings()
        };
        let shown = printed(settings, |log| {
            log.pair(&pair(Some(&request), Some(&response), 25_000_000))
                .unwrap();
        });
        let (titles, line) = shown.split_once('\n').unwrap();
        assert!(titles.ends_with("  NAME              x."), "{titles}");
        let (line, notes) = line.split_at(
            line.trim_end()
                .len()
                .min(line.find("bytes").unwrap_or(usize::MAX)),
        );
        assert!(line.trim_end().ends_with(want), "{line}");
        assert!(line.contains("GET. we.b/."), "{line}");
        assert_eq!(notes.trim_end() == "bytes missing", want.starts_with('.'));
    }
    // Where lines are cut, so are values that exceed their column.
    let settings = Settings {
        fields: vec!["name".into()],
        fits: true,
        columns: 140,
        ..settings()
    };
    let long = format!("Name {}", "v".repeat(100));
    let with = [(NAME, 5..long.len())];
    let request = hit(long.as_bytes(), Role::Request, &facts, fields(&with));
    let shown = printed(settings, |log| {
        log.pair(&pair(Some(&request), None, 0)).unwrap();
    });
    assert!(shown.contains("  vvvvvvvvvvvvv...  "), "{shown}");
}

#[test]
fn bursts_and_datagrams_are_their_first_words() {
    let long = b"word ".repeat(200);
    let table: [(u8, &[u8], &str); 6] = [
        (6, b"hello\r\nworld\r\n", "tcp hello world "),
        (17, b"\x1b]0;owned\x07", "udp .]0;owned. "),
        (58, b"", "icmp  "),
        (132, b"\xff\xfe", "ip 132 .. "),
        (6, "  \t caf\u{e9}".as_bytes(), "tcp café "),
        (6, &long, "tcp word word word word word word wor...  "),
    ];
    for (protocol, text, want) in table {
        let mut hit = hit(text, Role::Single, &[], Parts::default());
        hit.heading.protocol = protocol;
        let line = printed(settings(), |log| log.hit(&hit).unwrap());
        assert!(line.contains(want), "{line}");
    }
    let mut empty = hit(b"", Role::Single, &[], Parts::default());
    (empty.why, empty.number, empty.heading.flags) = (Why::Empty, 0, TcpFlags::SYN);
    let line = printed(settings(), |log| log.hit(&empty).unwrap());
    assert!(
        line.contains("   -  10.0.0.1:40000") && line.contains("tcp [S] "),
        "{line}"
    );
}

#[test]
fn marks_are_words() {
    let mut response = hit(b"", Role::Response, &[], Parts::default());
    let mut request = hit(b"", Role::Request, &[], Parts::default());
    (response.incomplete, response.brief.odd) = (true, Some("a rule"));
    response.body.state = Decoding::Broken;
    request.midstream = true;
    let line = printed(settings(), |log| {
        log.pair(&pair(Some(&request), Some(&response), 25_000_000))
            .unwrap();
    });
    let words =
        "no question, joined mid-connection, incomplete, [irregular: a rule], coding broken\n";
    assert!(line.ends_with(words), "{line}");
}

#[test]
fn a_status_is_coloured_by_its_class_and_a_slow_time_beside_its_mark() {
    let facts = asked("GET", "web", "/");
    let request = hit(b"", Role::Request, &facts, Parts::default());
    let response = hit(b"", Role::Response, &[], Parts::default());
    let settings = Settings {
        color: true,
        quiet: 1,
        ..settings()
    };
    let line = printed(settings, |log| {
        log.pair(&pair(Some(&request), Some(&response), 1_500_000_000))
            .unwrap();
    });
    assert!(line.contains("\x1b[1m\x1b[31m503\x1b[0m"), "{line:?}");
    assert!(line.contains("\x1b[1m\x1b[33m1.5 s !\x1b[0m"), "{line:?}");
}

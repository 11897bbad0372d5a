//! ngrep's layouts, `-o`, the tallies and the output, through the table of renderers; and
//! properties of all views.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::flow::{Direction, Endpoint};
use crate::frame::Timestamp;
use crate::hit::{Carried, FragmentMark, Heading, Piece, Portion, Text, Why};
use crate::message::{BodyFacts, HeadStyle, Kind, Role, Summary};
use crate::packet::TcpFlags;
use crate::stream::GapReason;

const HELLO: &[u8] =
    b"GET /hello.txt HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

/// What was written, and in how many writes.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<(Vec<u8>, usize)>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (text, pieces) = &mut *self.0.borrow_mut();
        text.extend_from_slice(bytes);
        *pieces += usize::from(!bytes.is_empty());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(view: View, packets: bool) -> Settings {
    Settings {
        view,
        packets,
        escape: Escape {
            utf8: !packets,
            tab: !packets,
            dot: '.',
        },
        ..Settings::default()
    }
}

/// The output of a renderer.
fn printed(settings: Settings, show: impl FnOnce(&mut dyn Renderer)) -> String {
    let sink = Sink::default();
    let mut shown = renderer(settings, Out::new(Box::new(sink.clone()), false));
    show(&mut *shown);
    let text = sink.0.borrow().0.clone();
    String::from_utf8(text).unwrap()
}

fn end(port: u16) -> Endpoint {
    Endpoint {
        addr: IpAddr::from([127, 0, 0, 1]),
        port,
    }
}

fn hit<'a>(text: &'a [u8], pieces: &'a [Piece], matches: &'a [Range<usize>]) -> Hit<'a> {
    Hit {
        number: 4,
        why: Why::Match,
        heading: Heading {
            protocol: 6,
            ts: Timestamp::default(),
            src: end(60932),
            dst: end(8080),
            dir: Direction::ToServer,
            ports: true,
            flags: TcpFlags(0x18),
            icmp: None,
            tunnel: None,
            fragment: None,
        },
        kind: Kind::default(),
        portion: Portion::Whole,
        text: Text {
            bytes: text,
            pieces,
        },
        start: 0,
        carried: Carried::default(),
        head: 0,
        matches,
        styles: &[],
        fields: &[],
        began: Timestamp::default(),
        brief: Summary::default(),
        frames: &[],
        facts: &[],
        opaque: None,
        body_size: text.len() as u64,
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

/// Shows one hit of the whole `text`.
fn one(settings: Settings, text: &[u8], matches: &[Range<usize>]) -> String {
    let pieces = whole(text);
    printed(settings, |shown| {
        shown.hit(&hit(text, &pieces, matches)).unwrap();
    })
}

#[test]
fn packets_are_shown_as_ngrep_does() {
    let text = HELLO;
    let row = " /hello.txt HTTP/1.1..Host: 127.0.0.1:8080..User-Agent: curl/7.88.1..Acc\n  \
               ept: */*....                                                               \n";
    let head = "\nT 127.0.0.1:60932 -> 127.0.0.1:8080 [AP]";
    let line =
        "GET /hello.txt HTTP/1.1..Host: 127.0.0.1:8080..User-Agent: curl/7.88.1..Accept: */*....";
    let lines = "GET /hello.txt HTTP/1.1.\nHost: 127.0.0.1:8080.\nUser-Agent: curl/7.88.1.\nAccept: */*.\n.\n\n";
    for (view, want) in [
        (View::Normal, format!("{head} #4\n  GET{row}")),
        (View::Byline, format!("{head} #4\n{lines}")),
        (View::Single, format!("{head} {line}\n")),
        (View::None, format!("{head} #4\n{line}\n")),
    ] {
        assert_eq!(one(settings(view, true), text, &[0..3]), want, "{view:?}");
    }
    // In rows each character is coloured separately, and only the first match.
    let color = Settings {
        color: true,
        ..settings(View::Normal, true)
    };
    let marked = "  \x1b[01;31mG\x1b[00m\x1b[01;31mE\x1b[00m\x1b[01;31mT\x1b[00m";
    assert_eq!(
        one(color, text, &[0..3, 31..40]),
        format!("{head} #4\n{marked}{row}")
    );
}

#[test]
fn marks_banner_and_exit_are_there_as_far_as_ngrep_is_not_quiet() {
    let banner = Banner {
        source: "input: http.pcap".into(),
        filter: "((ip || ip6) || (vlan && (ip || ip6)))".into(),
        pattern: Some(("GET".into(), true)),
        output: Some("out.pcap".into()),
        ..Banner::default()
    };
    let mut stats = Stats::default();
    (stats.decode.packets, stats.output.matched) = (7, 0);
    let printed = |quiet, live| {
        let settings = Settings {
            quiet,
            live,
            ..settings(View::Normal, true)
        };
        printed(settings, |shown| {
            shown.begin(&banner).unwrap();
            shown.frame().unwrap();
            shown.frame().unwrap();
            shown.finish(&stats).unwrap();
        })
    };
    let lines = "input: http.pcap\nfilter: ((ip || ip6) || (vlan && (ip || ip6)))\ndon't match: GET\noutput: out.pcap\n";
    assert_eq!(printed(0, false), format!("{lines}##exit\n"));
    assert_eq!(
        printed(0, true),
        format!("{lines}##exit\n7 received, 0 matched\n")
    );
    assert_eq!(printed(1, true), lines);
    assert_eq!(printed(2, true), "");
}

#[test]
fn packets_without_text_have_a_header_line_which_single_does_not_end() {
    let empty = Hit {
        why: Why::Empty,
        ..hit(b"", &[], &[])
    };
    let fragment = Hit {
        heading: Heading {
            ports: false,
            flags: TcpFlags(0),
            fragment: Some(FragmentMark {
                id: 8175,
                offset: 1480,
                len: 40,
                later: true,
            }),
            ..empty.heading
        },
        ..empty
    };
    let show = |settings, hit: &Hit<'_>| printed(settings, |shown| shown.hit(hit).unwrap());
    let line = "T 127.0.0.1:60932 -> 127.0.0.1:8080 [AP]";
    assert_eq!(
        show(settings(View::Normal, true), &empty),
        format!("\n{line} #4\n")
    );
    assert_eq!(
        show(settings(View::Single, true), &empty),
        format!("\n{line} ")
    );
    assert_eq!(
        show(settings(View::Single, false), &empty),
        format!("{line} \n")
    );
    assert_eq!(
        show(settings(View::Normal, true), &fragment),
        "\nT 127.0.0.1 -> 127.0.0.1 +8175@1480:40 #4\n"
    );
}

#[test]
fn quiet_levels_take_the_text_and_then_everything() {
    for view in [View::Spy, View::Byline, View::Normal, View::None] {
        let quiet = |quiet| {
            one(
                Settings {
                    quiet,
                    ..settings(view, false)
                },
                b"text",
                &[],
            )
        };
        assert!(quiet(2).contains("text"), "{view:?}");
        assert_eq!(
            quiet(3),
            "\nT 127.0.0.1:60932 -> 127.0.0.1:8080 [AP] #4\n",
            "{view:?}"
        );
        assert_eq!(quiet(4), "", "{view:?}");
    }
}

#[test]
fn messages_have_all_matches_coloured_with_one_pair_each() {
    let color = Settings {
        color: true,
        ..settings(View::Byline, false)
    };
    let got = one(color, b"one two\none", &[0..3, 8..11]);
    let red = "\x1b[1m\x1b[31mone\x1b[0m";
    assert!(got.ends_with(&format!("{red} two\n{red}\n")), "{got:?}");
}

#[test]
fn messages_say_where_bytes_are_missing_and_not_shown() {
    let text = b"begin end";
    let pieces = [
        Piece::Kept(0..6),
        Piece::Missing(1448, GapReason::Acked),
        Piece::Skipped(146_432),
        Piece::Kept(6..9),
        Piece::Skipped(2048),
    ];
    let got = printed(settings(View::Byline, false), |shown| {
        shown.hit(&hit(text, &pieces, &[6..9])).unwrap();
    });
    let lines: Vec<&str> = got.lines().skip(2).collect();
    assert_eq!(
        lines[..4],
        [
            "begin ",
            "[1448 bytes not captured]",
            "... 143 KiB ...",
            "end"
        ]
    );
    assert_eq!(lines[4], "... 2 KiB more (--body=full)");
}

#[test]
fn rows_count_the_columns_of_wide_characters_and_cut_none_of_them() {
    let narrow = Settings {
        columns: 10,
        ..settings(View::Normal, false)
    };
    let got = one(narrow, "你好吗ab".as_bytes(), &[]);
    assert!(got.ends_with("\n  你好 \n  吗ab \n"), "{got:?}");
    // A flood of combining marks is limited in rows, too, and so are parts of a character that a
    // match cuts.
    let flood = format!("a{}", "\u{301}".repeat(20));
    for view in [
        View::Spy,
        View::Normal,
        View::Byline,
        View::Single,
        View::None,
    ] {
        let matches: Vec<_> = (0..20).map(|at| 1 + at * 2..3 + at * 2).collect();
        let got = one(settings(view, false), flood.as_bytes(), &matches);
        assert_eq!(got.matches('\u{301}').count(), 8, "{view:?}");
        let got = one(settings(view, false), "é".as_bytes(), &[0..1]);
        assert!(got.is_ascii() || view == View::Normal, "{view:?}: {got:?}");
    }
}

#[test]
fn rows_of_a_large_message_take_linear_time() {
    // Four megabytes: if each character were searched for to the end of its text, this would take
    // hours.
    let text = vec![b'x'; 4 << 20];
    let got = one(settings(View::Normal, false), &text, &[]);
    assert_eq!(got.bytes().filter(|byte| *byte == b'x').count(), text.len());
}

#[test]
fn only_what_matches_is_printed_one_a_line() {
    let only = |with_flow, color| Settings {
        output: Output::named("only-matching"),
        with_flow,
        time: Time::SinceFirst,
        color,
        ..settings(View::Spy, false)
    };
    let text = b"a\r\nb two";
    assert_eq!(one(only(false, true), text, &[0..4, 5..8]), "a..b\ntwo\n");
    assert_eq!(
        one(only(true, false), text, &[5..8]),
        "T +0.000000 127.0.0.1:60932 -> 127.0.0.1:8080 [AP] #4: two\n"
    );
    let pieces = whole(text);
    let context = Hit {
        why: Why::Context,
        ..hit(text, &pieces, &[0..1])
    };
    assert_eq!(
        printed(only(false, false), |shown| shown.hit(&context).unwrap()),
        ""
    );
}

#[test]
fn conversations_are_listed_once_from_their_clients_side() {
    let request = hit(b"x", &[], &[]);
    let response = Hit {
        kind: Kind {
            name: "http.response",
            side: Role::Response,
            sized: true,
        },
        heading: Heading {
            src: request.heading.dst,
            dst: request.heading.src,
            dir: Direction::ToClient,
            ..request.heading
        },
        ..request
    };
    let other = Hit {
        heading: Heading {
            src: end(60938),
            ..request.heading
        },
        ..request
    };
    let list = Settings {
        output: Output::named("list"),
        ..settings(View::Spy, false)
    };
    let got = printed(list, |shown| {
        for hit in [&response, &request, &response, &other] {
            shown.hit(hit).unwrap();
        }
    });
    assert_eq!(
        got,
        "T 127.0.0.1:60932 -> 127.0.0.1:8080\nT 127.0.0.1:60938 -> 127.0.0.1:8080\n"
    );
}

#[test]
fn counts_are_printed_at_the_end_and_nothing_is_nothing() {
    let mut stats = Stats::default();
    stats.output.matched = 3;
    for (name, want) in [("count", "3\n"), ("exists", "")] {
        let settings = Settings {
            output: Output::named(name),
            ..settings(View::Spy, false)
        };
        let got = printed(settings, |shown| {
            shown.hit(&hit(b"x", &[], &[])).unwrap();
            shown.finish(&stats).unwrap();
        });
        assert_eq!(got, want);
    }
}

#[test]
fn records_are_written_each_by_itself_unless_nobody_waits() {
    for (gather, before, after) in [(false, 3, 3), (true, 0, 1)] {
        let sink = Sink::default();
        let out = Out::new(Box::new(sink.clone()), gather);
        let mut shown = renderer(settings(View::Spy, false), out);
        let pieces = whole(b"text");
        for _ in 0..3 {
            shown.hit(&hit(b"text", &pieces, &[])).unwrap();
        }
        assert_eq!(sink.0.borrow().1, before);
        shown.flush().unwrap();
        assert_eq!(sink.0.borrow().1, after);
    }
    let sink = Sink::default();
    let mut shown = renderer(
        settings(View::Byline, false),
        Out::new(Box::new(sink.clone()), true),
    );
    let large = vec![b'x'; 70 << 10];
    let pieces = whole(&large);
    shown.hit(&hit(&large, &pieces, &[])).unwrap();
    assert_eq!(sink.0.borrow().1, 1, "64 KiB are not exceeded by much");
}

#[test]
fn a_failed_write_keeps_its_error() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut shown = renderer(
        settings(View::Spy, false),
        Out::new(Box::new(Broken), false),
    );
    let error = shown.hit(&hit(b"x", &[], &[])).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// Sorted, non-overlapping ranges below `len`, from any numbers.
fn ranges(len: usize, cuts: &[usize]) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (len + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect()
}

/// `text` without the program's own colours.
fn without_colors(mut text: String) -> String {
    for own in [
        "1m", "2m", "31m", "32m", "33m", "36m", "0m", "01;31m", "00m",
    ] {
        text = text.replace(&format!("\x1b[{own}"), "");
    }
    text
}

proptest! {
    #[test]
    fn no_view_lets_anything_through_that_steers_a_terminal(
        text in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(b'\x1b'), Just(b'\n'), Just(b'\r'), Just(0xc2), Just(0x9b), Just(0xe2), Just(0x80), Just(0xae),
        ], 0..120),
        found in prop::collection::vec(any::<usize>(), 0..8),
        parts in prop::collection::vec(any::<usize>(), 0..8),
        (utf8, hex, packets, color) in any::<(bool, bool, bool, bool)>(),
    ) {
        let (pieces, matches) = (whole(&text), ranges(text.len(), &found));
        let styles: Vec<_> =
            ranges(text.len(), &parts).into_iter().map(|range| (range, HeadStyle::KeyValue)).collect();
        for view in [View::Spy, View::Byline, View::Normal, View::Single, View::None] {
            for output in [None, Output::named("only-matching")] {
                let mut settings = Settings { output, with_flow: true, hex, color, body: Body::Full, ..settings(view, packets) };
                settings.escape.utf8 = utf8;
                let message = Hit { styles: &styles, ..hit(&text, &pieces, &matches) };
                let got = printed(settings, |shown| shown.hit(&message).unwrap());
                let odd = without_colors(got.clone())
                    .chars()
                    .any(|c| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c));
                prop_assert!(!odd, "{view:?} {output:?} {got:?}");
            }
        }
    }
}

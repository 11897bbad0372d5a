//! Lines for messages that are rare in captures.

use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::flow::{Direction, Endpoint};
use crate::hit::{Heading, Piece};
use crate::packet::TcpFlags;
use crate::stream::{GapReason, OutOfStreamReason};

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(settings: Settings, show: impl FnOnce(&mut Json)) -> Vec<Value> {
    let sink = Sink::default();
    show(&mut Json::new(
        settings,
        Out::new(Box::new(sink.clone()), false),
    ));
    let text = String::from_utf8(sink.0.borrow().clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn one(hit: &Hit<'_>) -> Value {
    let mut lines = written(Settings::default(), |json| json.hit(hit).unwrap());
    lines.remove(0)
}

fn companion() -> Companion<'static> {
    let end = |port| Endpoint {
        addr: IpAddr::from([127, 0, 0, 1]),
        port,
    };
    Companion {
        number: 7,
        heading: Heading {
            protocol: 6,
            ts: Timestamp::from_nanos(-1),
            src: end(1),
            dst: end(2),
            dir: Direction::ToServer,
            ports: true,
            flags: TcpFlags::ACK,
            icmp: None,
            tunnel: None,
            fragment: None,
        },
        kind: Kind::default(),
        title: b"GET /",
        title_cut: false,
        facts: &[],
        role: None,
        body_size: 0,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        failed: None,
    }
}

#[test]
fn positions_count_decoded_bytes_and_gaps_have_no_length() {
    let text = b"head\n\n0123456789match";
    let pieces = [
        Piece::Kept(0..10),
        Piece::Missing(3, GapReason::Acked),
        Piece::Kept(10..16),
        Piece::Skipped(90),
        Piece::Kept(16..21),
    ];
    let about = companion();
    let hit = Hit {
        text: Text {
            bytes: text,
            pieces: &pieces,
        },
        head: 6,
        matches: &[2..8, 9..11, 16..21],
        body_size: 105,
        aside: Some(OutOfStreamReason::Late),
        midstream: true,
        ..hit_of(&about)
    };
    let data = &one(&hit)["data"];
    assert_eq!(data["body"]["text"], "0123456789");
    assert_eq!(data["body"]["truncated"], true);
    assert_eq!(data["excerpts"], json!([{"start": 100, "text": "match"}]));
    assert_eq!(
        data["gaps"],
        json!([{"where": "body", "offset": 4, "length": 3, "reason": "acked"}])
    );
    assert_eq!(
        data["submatches"],
        json!([
            {"where": "head", "match": {"text": "ad\n\n01"}, "start": 2, "end": 8},
            {"where": "body", "match": {"text": "34"}, "start": 3, "end": 5},
            {"where": "body", "match": {"text": "match"}, "start": 100, "end": 105},
        ])
    );
    assert_eq!(data["marks"], json!(["late", "joined"]));
    assert_eq!(data["time"], "1969-12-31T23:59:59.999999999Z");
}

#[test]
fn later_portions_are_excerpts_after_the_shown_bytes() {
    let about = companion();
    let pieces = [Piece::Skipped(5), Piece::Kept(0..4)];
    let hit = Hit {
        kind: Kind {
            name: "http.response",
            side: Role::Response,
            sized: true,
        },
        portion: Portion::Next,
        text: Text {
            bytes: b"word",
            pieces: &pieces,
        },
        start: 1000,
        matches: &[0..4],
        body_size: 1009,
        ..hit_of(&about)
    };
    let data = &one(&hit)["data"];
    assert_eq!(
        (&data["portion"], &data["http"]),
        (&json!("next"), &Value::Null)
    );
    assert_eq!(data["excerpts"], json!([{"start": 1005, "text": "word"}]));
    assert_eq!(data["submatches"][0]["start"], 1005);
    assert_eq!(
        (&data["body"]["text"], &data["body"]["size"]),
        (&json!(""), &Value::Null)
    );
    assert!(data["timing"]["total"].is_null());
}

#[test]
fn a_request_that_was_not_kept_has_the_known_fields() {
    let lines = written(Settings::default(), |json| {
        json.companion(&companion()).unwrap();
    });
    assert_eq!(lines[0]["type"], "match");
    let data = &lines[0]["data"];
    assert_eq!(
        (&data["id"], &data["marks"]),
        (&json!(7), &json!(["not_kept"]))
    );
    assert!(data["body"].is_null() && data["began"].is_null());
}

#[test]
fn the_end_of_a_run_has_its_reason() {
    let lines = written(Settings::default(), |json| {
        json.begin(&Banner::default()).unwrap();
        json.end(&Ending::Broken("the file \"x\" broke".into()))
            .unwrap();
        let mut stats = Stats::default();
        stats.capture.dropped = 3;
        stats.output.pending = 2;
        stats.decode.malformed = 1;
        json.finish(&stats).unwrap();
    });
    assert_eq!(
        lines[1],
        json!({"type": "end", "data": {"reason": "error", "error": "the file \"x\" broke"}})
    );
    assert_eq!(lines[2]["data"]["lost"], 3);
    assert_eq!(lines[2]["data"]["pending"], 2);
    assert_eq!(lines[2]["data"]["losses"], json!({"malformed_frames": 1}));
}

//! Bodies and their layout; matches are in angle brackets, as `<...>`.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::flow::{Direction, Endpoint};
use crate::frame::Timestamp;
use crate::hit::{Carried, Heading, Text, Why};
use crate::message::{BodyFacts, Kind, Summary};
use crate::packet::TcpFlags;

/// Lays out a body of this type; `<` and `>` delimit the matches in input and output.
fn laid_out(media: &str, marked: &str) -> Option<String> {
    let field = format!("Content-Type: {media}");
    let head = format!("{field}\r\n\r\n");
    let mut text = head.clone().into_bytes();
    let mut matches: Vec<Range<usize>> = Vec::new();
    for byte in marked.bytes() {
        match byte {
            b'<' => matches.push(text.len()..text.len()),
            b'>' => matches.last_mut().unwrap().end = text.len(),
            byte => text.push(byte),
        }
    }
    let readable = readable(&text, head.len(), &[(0..12, 14..field.len())], &matches)?;
    let mut out = Vec::new();
    let mut at = 0;
    for found in &readable.matches {
        out.extend_from_slice(&readable.text[at..found.start]);
        out.push(b'<');
        out.extend_from_slice(&readable.text[found.clone()]);
        out.push(b'>');
        at = found.end;
    }
    out.extend_from_slice(&readable.text[at..]);
    let out = String::from_utf8_lossy(&out).into_owned();
    Some(out.strip_prefix(&head).unwrap().to_owned())
}

fn readable(
    text: &[u8],
    head: usize,
    fields: &[(Range<usize>, Range<usize>)],
    matches: &[Range<usize>],
) -> Option<Readable> {
    let end = Endpoint {
        addr: IpAddr::from([127, 0, 0, 1]),
        port: 80,
    };
    of(&Hit {
        number: 1,
        why: Why::Match,
        heading: Heading {
            protocol: 6,
            ts: Timestamp::default(),
            src: end,
            dst: end,
            dir: Direction::ToServer,
            ports: true,
            flags: TcpFlags(0),
            icmp: None,
            tunnel: None,
            fragment: None,
        },
        kind: Kind::default(),
        portion: Portion::Whole,
        start: 0,
        carried: Carried::default(),
        text: Text {
            bytes: text,
            pieces: &[Piece::Kept(0..head), Piece::Kept(head..text.len())],
        },
        head,
        began: Timestamp::default(),
        brief: Summary::default(),
        frames: &[],
        matches,
        styles: &[],
        fields,
        facts: &[],
        opaque: None,
        body_size: (text.len() - head) as u64,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        failed: None,
        aside: None,
        midstream: false,
        pending: false,
    })
}

#[test]
fn json_is_indented_and_nothing_else() {
    let table = [
        (
            r#"{"a":1,"b":[true,null]}"#,
            "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ]\n}",
        ),
        ("{}", "{}"),
        ("[ [ ] , { } ]\n", "[\n  [],\n  {}\n]"),
        (
            r#"{"b":1,"a":1,"b":1.0}"#,
            "{\n  \"b\": 1,\n  \"a\": 1,\n  \"b\": 1.0\n}",
        ),
        (r#"{"a":1,oops} x"#, "{\n  \"a\": 1,oops} x"),
        (r#"["caf\u00e9 , [ ""#, "[\n  \"caf\\u00e9 , [ \""),
        // Matches: in a token, across tokens, in blanks only.
        (r#"{"us<er":"al>ice"}"#, "{\n  \"us<er\":> <\"al>ice\"\n}"),
        ("[1,<  >2]", "[\n  1,\n  2\n]"),
        ("<[1]>", "<[>\n  <1>\n<]>"),
    ];
    for (body, want) in table {
        assert_eq!(
            laid_out("application/json", body).as_deref(),
            Some(want),
            "{body}"
        );
    }
    assert!(laid_out("application/problem+json; charset=utf-8", "{}").is_some());
    for (media, body) in [
        ("application/json", "none"),
        ("text/html", "{}"),
        ("application/json", ""),
    ] {
        assert_eq!(laid_out(media, body), None, "{media} {body}");
    }
}

#[test]
fn the_fields_of_a_form_are_decoded_line_by_line() {
    let table = [
        ("user=alice&lang=fr", "user = alice\nlang = fr"),
        ("q=a+b%20c%26d", "q = a b c&d"),
        ("q=caf%C3%A9", "q = café"),
        // Left as sent if the result is not text: control characters, other encodings, invalid
        // escapes.
        (
            "a=1%0a2&b=%E9&c=%zz&d=100%&e=%4",
            "a = 1%0a2\nb = %E9\nc = %zz\nd = 100%\ne = %4",
        ),
        ("flag&x=&=y&a=b=c", "flag\nx = \n = y\na = b=c"),
        ("us<er=a%20>b", "us<er> = <a >b"),
        ("a=%C3<%A9>", "a = <é>"),
    ];
    for (body, want) in table {
        let media = "application/x-www-form-urlencoded";
        assert_eq!(laid_out(media, body).as_deref(), Some(want), "{body}");
    }
}

#[test]
fn the_parts_of_a_multipart_body_are_separated() {
    let media = "multipart/form-data; boundary=\"XX\"";
    let text = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n--XX--\r\n";
    assert_eq!(laid_out(media, text).as_deref(), Some(text));
    let image = "--XX\r\nContent-Type: image/png; x\r\n\r\n\0PNG\r\n--XX\r\n\r\n--XY <b>\r\n--XX--";
    let want = "--XX\r\nContent-Type: image/png; x\r\n\r\n[image/png, 4 B]\n--XX\r\n\r\n--XY <b>\r\n--XX--";
    assert_eq!(laid_out(media, image).as_deref(), Some(want));
    let table = [
        // A matching binary part is shown; a part may lack fields, an empty line or an end.
        ("--XX\n\n\0<P>NG\n--XX--", "--XX\n\n\0<P>NG\n--XX--"),
        ("--XX\n\n\0PNG", "--XX\n\n[binary, 4 B]\n"),
        ("pre\n--XX\nhalf", "pre\n--XX\nhalf"),
        ("--XX--\n\0", "--XX--\n[binary, 1 B]\n"),
    ];
    for (body, want) in table {
        assert_eq!(laid_out(media, body).as_deref(), Some(want), "{body:?}");
    }
    assert_eq!(laid_out(media, "no boundary --XX here"), None);
    assert_eq!(laid_out("multipart/mixed", "--XX\n"), None);
}

#[test]
fn deep_nesting_does_not_swell() {
    let deep = format!("{}{}", "[".repeat(100), "1,".repeat(1000));
    let text = laid_out("application/json", &deep).unwrap();
    assert!(text.len() < 40 * deep.len(), "{}", text.len());
}

proptest! {
    #[test]
    fn nothing_is_lost_of_json_but_blanks(body in r#"[\[\]{},:" 0-9a-e\\]{1,60}"#) {
        let bare = |text: &str| -> String { text.split_whitespace().collect() };
        if let Some(text) = laid_out("application/json", &body) {
            prop_assert_eq!(bare(&text), bare(&body));
        }
    }
}

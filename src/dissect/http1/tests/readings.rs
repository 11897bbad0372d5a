//! Tests of bodies that are not framed, coded or encoded as their heads declare, and of malformed
//! heads that receivers understand differently. Each case is a response in which some receiver
//! reads `TEXT`, so that a search must find it.

use super::super::super::http::decoded::tests::{deflate, gzip, zlib, zstd};
use super::super::super::testing::{
    CLIENT_END, Cut, Play, SERVER_END, Step, client, client_gap, server, server_gap,
};
use super::{GET, OK};

const TEXT: &[u8] = b"a text with a NEEDLE in it";

/// An uncompressed metablock of brotli, and the empty last one.
fn brotli(text: &[u8]) -> Vec<u8> {
    // Window bits 16; not last, 4 nibbles of length, uncompressed; then last and empty.
    let len = u32::try_from(text.len() - 1).unwrap();
    let bits = len << 4 | 1 << 20;
    let mut bytes = bits.to_le_bytes()[..3].to_vec();
    bytes.extend(text);
    bytes.push(3);
    bytes
}

fn chunked(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in text.chunks(5) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Where the text of a body is found: in the message as shown, or in another reading.
fn found(play: &Play, text: &[u8]) -> Vec<&'static str> {
    let has = |bytes: &[u8]| memchr::memmem::find(bytes, text).is_some();
    let shown = has(&play.chart.texts[1]).then_some("shown");
    let readings = play.chart.readings.iter();
    let others = readings.filter(|(_, bytes)| has(bytes));
    shown
        .into_iter()
        .chain(others.map(|(name, _)| *name))
        .collect()
}

/// Plays a response, and another exchange after it, cut into pieces.
fn play(response: &[u8], cut: &Cut) -> Play {
    let steps = [
        client(GET),
        server(response),
        client(GET),
        server(OK),
        CLIENT_END,
        SERVER_END,
    ];
    let play = Play::of(&steps, cut);
    assert!(play.chart.is_quiet());
    assert_eq!(play.decoders.held(), 0, "all memory is given back");
    play
}

/// Expects the text to be found there, and the next response to be parsed, however the bytes are
/// cut. In some codings, and then in the bytes as sent, a short text is stored literally as well.
fn expect(head: &str, body: &[u8], place: &'static str, next: bool) {
    let response = [head.as_bytes(), body].concat();
    for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(vec![7])] {
        let play = play(&response, &cut);
        let printed = response.escape_ascii();
        let found = found(&play, TEXT);
        assert!(
            found.contains(&place),
            "{printed} {cut:?} {:#?}",
            play.chart.lines()
        );
        let last = play.chart.outline().join("\n");
        if next {
            assert!(last.ends_with("< end"), "{printed} {cut:?} {last}");
            assert!(
                last.contains("\n< brief 200 \"200 OK\"\n< end"),
                "{printed} {last}"
            );
        }
    }
}

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// A head with these fields and the length of a body.
fn head(fields: &str, body: &[u8]) -> String {
    format!("{PLAIN}{fields}Content-Length: {}\r\n\r\n", body.len())
}

#[test]
fn a_body_that_is_not_coded_as_declared_is_shown_decoded() {
    let codings: [(&str, Vec<u8>); 5] = [
        ("gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", deflate(TEXT)),
        ("zstd", zstd(TEXT)),
        ("br", brotli(TEXT)),
    ];
    for declared in [
        "gzip",
        "deflate",
        "zstd",
        "br",
        "gzip, gzip",
        "gzip, deflate",
    ] {
        for (coding, body) in &codings {
            let field = format!("Content-Encoding: {declared}\r\n");
            expect(&head(&field, body), body, "shown", true);
            let play = play(&[head(&field, body).as_bytes(), body].concat(), &Cut::Whole);
            let reading = play.chart.bodies[0].reading;
            if !declared.contains(coding) {
                assert_eq!(reading, Some(*coding), "{declared} {coding}");
            }
        }
        let field = format!("Content-Encoding: {declared}\r\n");
        expect(&head(&field, TEXT), TEXT, "shown", true);
    }
}

#[test]
fn a_coded_body_without_a_declaration_is_shown_decoded() {
    for (coding, body) in [
        ("gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("zstd", zstd(TEXT)),
        ("chunked", chunked(TEXT)),
    ] {
        expect(&head("", &body), &body, "shown", true);
        let got = play(&[head("", &body).as_bytes(), &body].concat(), &Cut::Whole);
        assert_eq!(got.chart.bodies[0].reading, Some(coding));
        assert_eq!(
            got.chart.readings,
            [("sent", body.clone())],
            "it is searched as sent too"
        );
        // A file that is downloaded is shown as sent, and searched all the same.
        let file = head("", &body).replace("text/plain", "application/x-file");
        expect(&file, &body, coding, true);
        // Until the stream ends.
        expect(&format!("{PLAIN}\r\n"), &body, "shown", false);
    }
}

#[test]
fn a_coding_that_was_applied_once_more_than_declared_is_undone() {
    let twice = gzip(&gzip(TEXT));
    expect(
        &head("Content-Encoding: gzip\r\n", &twice),
        &twice,
        "shown",
        true,
    );
    let mixed = zstd(&zlib(TEXT));
    expect(
        &head("Content-Encoding: zstd\r\n", &mixed),
        &mixed,
        "shown",
        true,
    );
}

#[test]
fn names_of_codings_with_surplus_characters_are_known() {
    for (field, body) in [
        ("Content-Encoding: gzip;", gzip(TEXT)),
        ("Content-Encoding: \"gzip\"", gzip(TEXT)),
        ("Content-Encoding: deflate;", deflate(TEXT)),
        ("Content-Encoding: gzip;q=1", gzip(TEXT)),
        ("Content-Encoding:: gzip", gzip(TEXT)),
        ("Content-Encoding: \x0bgzip", gzip(TEXT)),
        ("Content-Encoding: gzip\0", gzip(TEXT)),
        ("Content-Encoding\0: deflate", deflate(TEXT)),
        ("Content-Encoding:\0deflate", deflate(TEXT)),
        ("Content-Encoding : deflate", deflate(TEXT)),
        ("Content-Encoding\x0b: deflate", deflate(TEXT)),
        ("Content-Encoding\r\n : deflate", deflate(TEXT)),
        ("Content-Encoding:\r\n deflate", deflate(TEXT)),
        ("X: y\rContent-Encoding: deflate", deflate(TEXT)),
        ("X-Content-Encoding deflate", deflate(TEXT)),
        ("Content-Encoding: x deflate", deflate(TEXT)),
        ("Content-Encoding: x-deflate", deflate(TEXT)),
        ("Content-Encoding: lzma br", brotli(TEXT)),
        ("Content-Encoding\n\t: br", brotli(TEXT)),
        ("Content-Encoding: deflate,", deflate(TEXT)),
        ("Content-Encoding: , gzip", gzip(TEXT)),
        (
            "Content-Encoding: gzip\r\nContent-Encoding: identity",
            gzip(TEXT),
        ),
    ] {
        let response = head(&format!("{field}\r\n"), &body);
        expect(&response, &body, "shown", true);
    }
}

#[test]
fn a_body_is_chunked_if_its_bytes_are_whatever_the_head_declares() {
    for field in [
        "Transfer-Encoding: x",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: x chunked",
        "Transfer-Encoding: chunked;",
        "Transfer-Encoding: chunked\x7f",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked, x",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: =?UTF-8?B?Y2h1bmtlZAo=?=",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\x0b: chunked",
        "Transfer-Encoding\0: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding\r\n \r\n :\r\n chunked",
        "Transfer Encoding: chunked",
        "Transfer-Encoding chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 5000",
    ] {
        let body = chunked(TEXT);
        let response = format!("{PLAIN}{field}\r\n\r\n");
        expect(&response, &body, "shown", true);
        let got = play(&[response.as_bytes(), &body].concat(), &Cut::Whole);
        assert_eq!(got.chart.readings[0], ("sent", body), "{field}");
        // The same with a body that is not chunked.
        let until = if field.contains("Content-Length") {
            None
        } else {
            Some(TEXT.len())
        };
        let len = until.map_or_else(String::new, |len| format!("Content-Length: {len}\r\n"));
        expect(
            &format!("{PLAIN}{field}\r\n{len}\r\n"),
            TEXT,
            "shown",
            until.is_some(),
        );
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect(old, &chunked(TEXT), "shown", true);
    expect(old, TEXT, "shown", false);
}

#[test]
fn chunks_whose_sizes_only_some_can_read_are_read_as_those_do() {
    let body = chunked(TEXT);
    let head = format!("{PLAIN}Transfer-Encoding: chunked\r\n\r\n");
    for size in [
        "+5",
        "10000000005",
        "100000000000000005",
        "5 junk",
        "5,5",
        "5\"",
        "5:",
    ] {
        let odd = body
            .escape_ascii()
            .to_string()
            .replace("5\\r\\n", &format!("{size}\\r\\n"));
        let odd = odd.replace("\\r\\n", "\r\n").into_bytes();
        assert_ne!(odd, body, "{size}");
        expect(&head, &odd, "shown", false);
        let got = play(&[head.as_bytes(), &odd].concat(), &Cut::Whole);
        assert_eq!(got.chart.bodies[0].reading, Some("chunked"), "{size}");
        assert_eq!(got.chart.readings[0].0, "sent", "{size}");
    }
    // A text that starts with a number is not chunked.
    let text = [b"5 is a number, ", TEXT].concat();
    expect(&head, &text, "shown", false);
    let got = play(&[head.as_bytes(), &text].concat(), &Cut::Whole);
    assert_eq!(got.chart.bodies[0].reading, Some("sent"));
}

#[test]
fn chunks_and_codings_are_undone_together() {
    for (field, body) in [
        (
            "Transfer-Encoding: x chunked\r\nContent-Encoding: gzip",
            gzip(TEXT),
        ),
        (
            "Transfer-Encoding : chunked\r\nContent-Encoding : deflate",
            deflate(TEXT),
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Encoding: deflate",
            gzip(TEXT),
        ),
        ("Transfer-Encoding: chunked", gzip(TEXT)),
    ] {
        let response = format!("{PLAIN}{field}\r\n\r\n");
        expect(&response, &chunked(&body), "shown", true);
    }
    // Declared as chunked, which it is not.
    let response = format!("{PLAIN}Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n");
    expect(&response, &gzip(TEXT), "shown", false);
}

#[test]
fn what_lies_in_the_framing_is_searched_where_some_do_not_see_framing() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 18\r\nTransfer-Encoding: chunked\r\n\r\n1;NEEDLE\r\nx\r\n0\r\n\r\n";
    for cut in [Cut::Whole, Cut::Bytes] {
        let play = Play::of(&[client(request), client(GET)], &cut);
        assert_eq!(
            play.chart.readings,
            [("sent", b"1;NEEDLE\r\nx\r\n0\r\n\r\n".to_vec())]
        );
        assert_eq!(play.chart.outline()[2..4], ["> end", "> http.request #1"]);
    }
}

#[test]
fn a_length_that_is_no_number_ends_no_body() {
    for field in [
        "Content-Length: +26",
        "Content-Length: 0x1a",
        "Content-Length: 26 26",
        "Content-Length: -1",
        "Content-Length: 26.9",
        "Content-Length: (26),",
        "Content-Length: 26, 27",
        "Content-Length: 26\r\nContent-Length: 27",
        "Content-Length: 5\r\nContent-Length: 50",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
    ] {
        for (coding, body) in [
            ("", TEXT.to_vec()),
            ("Content-Encoding: gzip\r\n", gzip(TEXT)),
        ] {
            let response = format!("{PLAIN}{coding}{field}\r\n\r\n");
            expect(&response, &body, "shown", true);
        }
    }
}

#[test]
fn status_lines_that_some_read_do_not_hide_a_body() {
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1\x0b200\x0bok",
        "http/1.1 200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 0200",
        "HTTP/1.10 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP 200 OK",
        "HTTP/1,1 200 OK",
        "HTTP/foo 200 OK",
        "HTTP1.1 200 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1",
        "HTTP/1.1\rX: y",
        "HTTP/1.1 200",
        "HTTP/1.1 000",
        "HTTP/1.1 305 Use",
        "ICY 200 OK",
        "\r\n\r\n\r\nHTTP/1.1 200 OK",
        "junkHTTP/1.1 200 OK",
        "\0HTTP/1.1 200 OK",
        "SIP/2.0 200 ok\r\nHTTP/1.1 200 ok",
    ] {
        let body = chunked(TEXT);
        let response = [
            format!("{line}\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(),
            &body,
        ]
        .concat();
        let got = play(&response, &Cut::Whole);
        assert_eq!(
            found(&got, TEXT),
            ["shown"],
            "{line} {:#?}",
            got.chart.lines()
        );
        let outline = got.chart.outline();
        assert_eq!(outline.last(), Some(&"< end"), "{line}");
        assert!(
            outline
                .iter()
                .filter(|line| line.starts_with("< http.response #"))
                .count()
                == 2,
            "{outline:#?}"
        );
    }
}

#[test]
fn heads_that_end_where_some_see_an_end_do_not_hide_a_body() {
    let body = gzip(TEXT);
    for head in [
        "HTTP/1.1 200 ok\rContent-Encoding: gzip\rConnection: close\r\n\n",
        "HTTP/1.1 200 ok\r\nContent-Encoding: gzip\n\r\n",
        "HTTP/1.1 200 ok\nContent-Encoding: gzip\n\n",
        "HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n \r\n\r\n",
        "HTTP/1.1 200 ok\r\nContent-Encoding: gzip\n\r\r\n\r\n",
        "HTTP/1.1 200 ok\rContent-Encoding: gzip\rConnection: close\r\r",
    ] {
        let response = [head.as_bytes(), &body].concat();
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(&[client(GET), server(&response), SERVER_END], &cut);
            assert_eq!(found(&play, TEXT), ["shown"], "{head:?}");
        }
    }
}

#[test]
fn text_is_read_in_its_characters_whoever_names_them() {
    let utf16 = |mark: bool, big: bool| -> Vec<u8> {
        let text = [if mark { "\u{feff}" } else { "" }, "{\"a\": \"caf\u{e9}\"}"].concat();
        let bytes = |unit: u16| match big {
            true => unit.to_be_bytes(),
            false => unit.to_le_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    };
    let text = "{\"a\": \"caf\u{e9}\"}".as_bytes();
    for media in [
        "text/plain",
        "text/plain; charset=utf-8",
        "application/json",
        "text/html",
    ] {
        for (mark, big) in [(true, false), (true, true), (false, false), (false, true)] {
            let body = utf16(mark, big);
            for body in [body.clone(), gzip(&body)] {
                let response = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(vec![7])] {
                    let play = play(&[response.as_bytes(), &body].concat(), &cut);
                    assert_eq!(
                        found(&play, text),
                        ["shown"],
                        "{media} {mark} {big} {cut:?}"
                    );
                    let named = play.chart.bodies[0].reading.is_some();
                    assert_eq!(named, !mark || body[0] == 0x1f, "{media} {mark} {big}");
                }
            }
        }
    }
    let latin: &[&[u8]] = &[
        b"<html><meta charset=iso-8859-1><p>caf\xe9",
        b"<html><title>caf\xe9</title><meta http-equiv=Content-Type content='text/html; charset=iso-8859-1'>",
        b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>caf\xe9</a>",
    ];
    for body in latin {
        let response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(vec![7])] {
            let play = play(&[response.as_bytes(), body].concat(), &cut);
            assert_eq!(found(&play, "caf\u{e9}".as_bytes()), ["shown"], "{cut:?}");
            // The declaration in the head takes precedence.
            let declared = response.replace("text/html", "text/html; charset=utf-8");
            let play = Play::of(
                &[client(GET), server(&[declared.as_bytes(), body].concat())],
                &cut,
            );
            assert_eq!(found(&play, b"caf\xe9"), ["shown"], "{cut:?}");
        }
    }
}

#[test]
fn of_two_content_types_both_are_searched() {
    let body = b"\x82\xcd\x82\xa2";
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Type: text/html; charset=shift_jis\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for cut in [Cut::Whole, Cut::Bytes] {
        let play = play(&[response.as_bytes(), body].concat(), &cut);
        assert_eq!(found(&play, body), ["shown"]);
        assert_eq!(found(&play, "\u{306f}\u{3044}".as_bytes()), ["Shift_JIS"]);
    }
}

#[test]
fn clear_messages_have_no_other_reading() {
    let gzipped = gzip(TEXT);
    let bodies: [(&str, &[u8]); 6] = [
        ("Content-Type: text/plain\r\n", TEXT),
        ("Content-Type: text/html\r\n", b"<html><meta charset=utf-8>"),
        ("Content-Type: application/json\r\n", b"{\"a\": 1}"),
        (
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
            &gzipped,
        ),
        ("Content-Type: text/plain\r\n", b"12345"),
        ("Content-Type: image/png\r\n", b"\x89PNG\r\n"),
    ];
    for (fields, body) in bodies {
        let sent = format!("HTTP/1.1 200 OK\r\n{fields}");
        let whole = format!("{sent}Content-Length: {}\r\n\r\n", body.len());
        let in_chunks = format!("{sent}Transfer-Encoding: chunked\r\n\r\n");
        for response in [
            [whole.as_bytes(), body].concat(),
            [in_chunks.as_bytes(), &chunked(body)].concat(),
        ] {
            for cut in [Cut::Whole, Cut::Bytes] {
                let play = play(&response, &cut);
                assert_eq!(play.chart.readings, [], "{fields}");
                assert_eq!(play.chart.bodies[0].reading, None, "{fields}");
                assert_eq!(play.stats.odd, 0);
            }
        }
    }
}

#[test]
fn readings_of_one_body_and_their_memory_are_bounded() {
    let body = gzip(TEXT);
    let response = [head("Content-Encoding: x\r\n", &body).as_bytes(), &body].concat();
    let mut play = Play::default();
    play.limits.decoders = 1000;
    play.perform(&[client(GET), server(&response)], &Cut::Whole);
    assert_eq!(play.chart.readings, []);
    assert!(
        play.chart.texts[1].ends_with(&body),
        "it is emitted as sent"
    );
}

#[test]
fn another_reading_that_swells_is_dropped_and_counted() {
    let bomb = gzip(&vec![0; 4 << 20]);
    let head = head("", &bomb).replace("text/plain", "application/x-file");
    let mut play = Play::default();
    play.limits.decoded = 1 << 20;
    play.perform(
        &[client(GET), server(&[head.as_bytes(), &bomb].concat())],
        &Cut::Whole,
    );
    assert!(
        play.chart.texts[1].ends_with(&bomb),
        "the message is emitted as sent"
    );
    assert_eq!(play.chart.bodies[0].reading, None);
    let (name, text) = &play.chart.readings[0];
    assert_eq!(*name, "gzip");
    assert!(text.len() < 2 << 20);
    assert_eq!(play.stats.bombs, 1);
}

#[test]
fn numbers_in_lines_are_no_chunks() {
    for body in [
        &b"1\n2\n3\n4\n5\n6\n7\n8\n"[..],
        b"1\r\n2\r\n3\r\n4\r\n",
        b"0\n1\n",
    ] {
        let response = [head("", body).as_bytes(), body].concat();
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = play(&response, &cut);
            let lines = play.chart.lines();
            let printed = format!("< body \"{}\"", body.escape_ascii());
            assert!(lines.contains(&printed), "{lines:#?}");
            assert_eq!(play.chart.bodies[0].reading, None);
        }
        // Bytes are emitted as they arrive, unless they may be valid chunks.
        let mut play = Play::default();
        let begun = response.len() - body.len() + 2;
        play.perform(&[client(GET), server(&response[..begun])], &Cut::Whole);
        let as_it_comes = play.chart.texts[1].ends_with(&response[..begun]);
        assert_eq!(as_it_comes, body[1] == b'\n');
    }
}

#[test]
fn an_expected_body_that_is_never_sent_is_none() {
    let post =
        b"POST /up HTTP/1.1\r\nHost: h:1\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";
    let early = [client(post), server(OK), client(GET), server(OK)];
    for cut in [Cut::Whole, Cut::Bytes] {
        let play = Play::of(&early, &cut);
        let lines = play.chart.outline();
        assert_eq!(
            lines[5..8],
            [
                "> end incomplete",
                "> http.request #1",
                "> brief \"GET h:1/a\""
            ]
        );
        assert_eq!(lines[9], "< http.response #1");
    }
    // A client that received 100 (Continue) sends any body, and so does one that did not wait.
    let go_on = server(b"HTTP/1.1 100 Continue\r\n\r\n");
    for steps in [
        vec![client(post), go_on, client(b"GET / H"), server(OK)],
        vec![client(post), client(b"a body!"), server(OK)],
        vec![client(&[&post[..], b"a body!"].concat()), server(OK)],
    ] {
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(&steps, &cut);
            let outline = play.chart.outline();
            assert!(outline.contains(&"> end"), "{outline:#?}");
            assert_eq!(outline.last(), Some(&"< end"));
        }
    }
}

#[test]
fn what_is_left_over_does_not_swallow_the_next_message() {
    // Letters after a response without a body, and a body without a length.
    for (left, request) in [
        (&b"OK"[..], &b""[..]),
        (b"Not Found", b""),
        (b"", b"{\"q\":1}"),
        (b"", b"user"),
    ] {
        let steps = [
            client(&[GET, request].concat()),
            server(&[b"HTTP/1.1 204 No Content\r\n\r\n", left].concat()),
            client(GET),
            server(OK),
        ];
        let play = Play::of(&steps, &Cut::Whole);
        let outline = play.chart.outline();
        let tail = outline[outline.len() - 3..].join(" ");
        assert!(tail.starts_with("< http.response"), "{outline:#?}");
        let requests = outline
            .iter()
            .filter(|line| line.starts_with("> http.request"));
        assert_eq!(requests.count(), 2, "{outline:#?}");
    }
    // In the same segment as the next one.
    let steps = [client(GET), client(&[b"user", GET].concat())];
    let play = Play::of(&steps, &Cut::Whole);
    assert_eq!(
        play.chart.outline()[3..],
        [
            "> tcp.burst #1",
            "> end",
            "> http.request #2",
            "> brief \"GET h:1/a\"",
            "> end"
        ]
    );
}

#[test]
fn a_start_line_is_used_however_its_head_ends() {
    let table: &[(&[u8], &[u8], &[&str])] = &[
        // The request as far as it was captured, the response likewise, and the summary of both.
        (
            b"GET /a HTTP/1.1\r\nHost: h:1\r\nAcc",
            b"HTTP/1.1 404 Not Found\r\nServ",
            &[r#"> brief "GET h:1/a""#, r#"< brief 404 "404 Not Found""#],
        ),
        (
            b"GET /a HTTP/1.1\r\nHost: exam",
            b"HTTP/1.1 404 Not Fo",
            &[r#"> brief "GET /a""#, r#"< brief 404 "404""#],
        ),
        (
            b"POST /a/long/pa",
            b"HTTP/1.1 200 ",
            &[r#"> brief "POST /a/long/pa...""#, r#"< brief 200 "200""#],
        ),
    ];
    for (request, response, briefs) in table {
        for again in [false, true] {
            let mut steps = match again {
                // On a connection that is known to be HTTP, and on a new one.
                true => vec![client(GET), server(OK)],
                false => vec![],
            };
            steps.extend([
                client(request),
                client_gap(30),
                server(response),
                server_gap(40),
                client(GET),
                server(OK),
            ]);
            for cut in [Cut::Whole, Cut::Bytes] {
                let play = Play::of(&steps, &cut);
                let outline = play.chart.outline();
                let from = if again { 6 } else { 0 };
                let first = usize::from(again);
                assert_eq!(
                    outline[from..from + 8],
                    [
                        format!("> http.request #{first}").as_str(),
                        briefs[0],
                        "> missing 30",
                        "> end incomplete",
                        format!("< http.response #{first}").as_str(),
                        briefs[1],
                        "< missing 40",
                        "< end incomplete",
                    ],
                    "{cut:?}"
                );
                assert_eq!(play.stats.odd, 0);
            }
        }
    }
    // An ambiguous start is no request because a gap follows it.
    for request in [&b"GET"[..], b"GET ", b"GET x", b"WORD /a", b"HTTP/1.1 20"] {
        let play = Play::of(&[client(request), client_gap(9), client(GET)], &Cut::Whole);
        assert_eq!(
            play.chart.outline()[0],
            "> tcp.burst #0",
            "{}",
            request.escape_ascii()
        );
    }
}

#[test]
fn in_an_upgraded_connection_the_server_may_send_requests() {
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: PTTH/1.0\r\n\r\n";
    let event = b"POST /event HTTP/1.1\r\nContent-Length: 5\r\n\r\nevent";
    let steps: Vec<Step> = vec![
        client(b"POST /reverse HTTP/1.1\r\nUpgrade: PTTH/1.0\r\nContent-Length: 0\r\n\r\n"),
        server(response),
        server(event),
        client(OK),
        server(event),
        client(OK),
    ];
    for cut in [Cut::Whole, Cut::Bytes] {
        let play = Play::of(&steps, &cut);
        let outline = play.chart.outline();
        let pairs = outline.iter().filter(|line| line.contains("http."));
        assert_eq!(
            pairs.copied().collect::<Vec<_>>(),
            [
                "> http.request #0",
                "< http.response #0",
                "< http.request #1",
                "> http.response #1",
                "< http.request #2",
                "> http.response #2",
            ]
        );
        assert_eq!(play.stats.odd, 0);
    }
}

//! Tests of bodies that cannot be decoded, or not to their end. What was decoded is kept, and the
//! rest is emitted as sent.

use proptest::prelude::*;

use super::super::super::super::testing::{Cut, Play, SERVER_END, client, server, server_gap};
use super::{
    GET, chunked, deflate, expect_text, gzip, noise, played, response, samples, zlib, zstd,
};
use crate::message::{BodyFacts, Decoding};

#[test]
fn a_body_that_is_not_coded_as_declared_is_emitted_as_sent_from_its_start() {
    let texts: [&[u8]; 6] = [
        b"<html><body>not coded at all</body></html>",
        b"{\"a\": 1}",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\xffreserved flags",
        b"(\xb5/\xfdnot a frame",
        b"x",
    ];
    for coding in ["gzip", "deflate", "zstd", "gzip, gzip", "zstd, deflate"] {
        for text in texts {
            let fields = format!(
                "Content-Type: text/plain; charset=latin1\r\nContent-Encoding: {coding}\r\n"
            );
            expect_text(&fields, text, text, Decoding::Broken);
        }
    }
    expect_text(
        "Content-Encoding: br\r\n",
        b"<html>",
        b"<html>",
        Decoding::Broken,
    );
}

#[test]
fn a_coding_that_was_not_applied_is_passed_over() {
    let text = b"coded once";
    expect_text(
        "Content-Encoding: gzip, gzip\r\n",
        &gzip(text),
        text,
        Decoding::Broken,
    );
    expect_text(
        "Content-Encoding: gzip, zstd\r\n",
        &gzip(text),
        text,
        Decoding::Broken,
    );
    expect_text(
        "Content-Encoding: zstd, gzip\r\n",
        &gzip(text),
        text,
        Decoding::Broken,
    );
}

#[test]
fn bytes_after_the_end_are_emitted_as_sent() {
    let table = [
        ("gzip", gzip(b"text")),
        ("deflate", zlib(b"text")),
        ("deflate", deflate(b"text")),
        ("zstd", zstd(b"text")),
    ];
    for (coding, body) in table {
        let fields = format!("Content-Encoding: {coding}\r\n");
        let body = [&body[..], b"behind"].concat();
        expect_text(&fields, &body, b"textbehind", Decoding::Broken);
    }
}

/// Whether the emitted text of a coded body is a prefix of the right text, followed by a suffix of
/// the bytes as sent.
fn is_emitted(got: &[u8], text: &[u8], sent: &[u8]) -> bool {
    let right = got.iter().zip(text).take_while(|(a, b)| a == b).count();
    (0..=right).any(|from| sent.ends_with(&got[from..]))
}

#[test]
fn an_error_in_the_middle_keeps_the_bytes_before_and_after_it() {
    let text = noise(9000);
    for (coding, body) in [
        ("gzip", gzip(&text)),
        ("zstd", zstd(&text)),
        ("deflate", zlib(&text)),
    ] {
        let mut broken = body.clone();
        let middle = broken.len() / 2;
        broken[middle..middle + 40].fill(0xff);
        let fields = format!("Content-Encoding: {coding}\r\n");
        let (whole, facts, play) = played(&response(&fields, &broken), &Cut::Whole);
        if facts.state == Decoding::Broken {
            assert_eq!(play.stats.broken_bodies, 1);
            assert!(whole.len() > 100);
        }
        for cut in [Cut::Bytes, Cut::Lengths(vec![2]), Cut::Lengths(vec![700])] {
            let (got, other, _) = played(&response(&fields, &broken), &cut);
            assert_eq!(
                (got.len(), got == whole, other),
                (whole.len(), true, facts),
                "{coding} {cut:?}"
            );
        }
    }
}

#[test]
fn a_truncated_body_is_decoded_as_far_as_it_goes() {
    let text = samples::parts().concat();
    let bodies = [
        ("gzip", gzip(&text)),
        ("deflate", deflate(&text)),
        ("br", samples::BROTLI.concat()),
        ("zstd", samples::ZSTD.concat()),
    ];
    for (coding, body) in bodies {
        let fields = format!("Content-Encoding: {coding}\r\n");
        for len in 1..body.len() - 9 {
            // Complete by its framing, but not by its coding.
            let (got, facts, _) = played(&response(&fields, &body[..len]), &Cut::Whole);
            assert_eq!(facts.state, Decoding::Broken, "{coding} {len}");
            assert!(is_emitted(&got, &text, &body[..len]), "{coding} {len}");
            // The stream ends in the body.
            let sent = response(&fields, &body);
            let sent = &sent[..sent.len() - body.len() + len];
            let steps = [client(GET), server(sent), SERVER_END];
            for cut in [Cut::Whole, Cut::Bytes] {
                let play = Play::of(&steps, &cut);
                assert!(play.chart.texts[1].ends_with(&got), "{coding} {len}");
                assert_eq!(play.chart.bodies[0].wire, len as u64);
            }
        }
    }
}

#[test]
fn after_a_gap_nothing_is_decoded_and_nothing_is_lost() {
    let text = noise(3000);
    for (coding, body) in [
        ("gzip", gzip(&text)),
        ("zstd", zstd(&text)),
        ("gzip", b"\x1f\x8b\x08xxxxx".to_vec()),
    ] {
        let fields = format!("Content-Encoding: {coding}\r\n");
        let sent = response(&fields, &body);
        let head = sent.len() - body.len();
        let (front, gap) = (body.len() / 2, body.len() / 4);
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(
                &[
                    client(&[GET, GET].concat()),
                    server(&sent[..head + front]),
                    server_gap(gap as u64),
                    server(&sent[head + front + gap..]),
                    server(b"HTTP/1.1 204 next\r\n\r\n"),
                ],
                &cut,
            );
            let missing = format!("< missing {gap}");
            let outline = play.chart.outline();
            assert_eq!(
                outline[6..],
                [
                    "< http.response #0",
                    r#"< brief 200 "200 OK""#,
                    &missing,
                    "< end",
                    "< http.response #1",
                    r#"< brief 204 "204 next""#,
                    "< end"
                ]
            );
            let after = [&body[front + gap..], b"HTTP/1.1 204 next\r\n\r\n"].concat();
            assert!(play.chart.texts[1].ends_with(&after));
            let wire = (body.len() - gap) as u64;
            assert_eq!(
                play.chart.bodies,
                [BodyFacts {
                    wire,
                    state: Decoding::Broken,
                    reading: None,
                    parts: None,
                    reset: None,
                }]
            );
        }
    }
}

#[test]
fn a_gap_in_chunk_framing_ends_decoding_too() {
    let body = gzip(&noise(3000));
    let sent = chunked(
        "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        &body,
        10_000,
    );
    let play = Play::of(
        &[
            client(GET),
            server(&sent[..90]),
            server_gap(2),
            server(&sent[92..]),
            SERVER_END,
        ],
        &Cut::Whole,
    );
    assert!(play.chart.texts[1].ends_with(&sent[sent.len() - 300..sent.len() - 7]));
    assert_eq!(play.chart.bodies[0].state, Decoding::Broken);
}

#[test]
fn single_byte_characters_are_decoded_after_a_gap() {
    let sent = response(
        "Content-Type: text/plain; charset=latin1\r\n",
        b"\xe7a...\xe7b",
    );
    let play = Play::of(
        &[
            client(GET),
            server(&sent[..sent.len() - 5]),
            server_gap(3),
            server(b"\xe7b"),
            SERVER_END,
        ],
        &Cut::Whole,
    );
    let lines = play.chart.lines();
    assert_eq!(
        lines[lines.len() - 4..],
        [
            r#"< body "\xc3\xa7a""#,
            "< missing 3",
            r#"< body "\xc3\xa7b""#,
            "< end"
        ]
    );
    assert_eq!(play.chart.bodies[0].state, Decoding::Decoded);
}

proptest! {
    #[test]
    fn damage_gives_the_same_text_however_it_is_cut(
        which in 0..4_usize,
        faults in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lengths in proptest::collection::vec(1..600_usize, 1..5),
    ) {
        let text = [noise(700), samples::parts().concat(), noise(2000)].concat();
        let (coding, mut body) = match which {
            0 => ("gzip", [gzip(&text), gzip(&text)].concat()),
            1 => ("deflate", deflate(&text)),
            2 => ("zstd", [samples::ZSTD.concat(), zstd(&text)].concat()),
            _ => ("br", samples::BROTLI.concat()),
        };
        for (at, byte) in faults {
            *at.get_mut(&mut body) = byte;
        }
        let sent = response(&format!("Content-Encoding: {coding}\r\n"), &body);
        let (whole, facts, _) = played(&sent, &Cut::Whole);
        for cut in [Cut::Bytes, Cut::Lengths(lengths)] {
            let (got, other, _) = played(&sent, &cut);
            prop_assert_eq!(facts, other);
            // With brotli, the output before an error depends on the bytes that arrived with it.
            prop_assert!(got == whole || coding == "br" && facts.state == Decoding::Broken);
        }
    }
}

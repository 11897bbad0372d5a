//! Tests of coded bodies in whole conversations, cut in many ways. Every cut must give the same
//! text.

mod bounds;
mod broken;
mod samples;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::super::super::testing::{CLIENT_END, Cut, Play, SERVER_END, client, server};
use crate::message::{BodyFacts, Decoding};

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

pub(in crate::dissect) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::dissect) fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::dissect) fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::dissect) fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// Text with little repetition.
fn noise(len: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|i| format!("{:x} ", i.wrapping_mul(2_654_435_761)).into_bytes())
        .take(len)
        .collect()
}

/// A response with a body of known length.
fn response(fields: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The same response in chunks.
fn chunked(fields: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Plays `response` and another one. Returns the text and the facts of the first body.
fn played(response: &[u8], cut: &Cut) -> (Vec<u8>, BodyFacts, Play) {
    let next = b"HTTP/1.1 204 next\r\n\r\n";
    let steps = [
        client(&[GET, GET].concat()),
        server(&[response, next].concat()),
        CLIENT_END,
        SERVER_END,
    ];
    let play = Play::of(&steps, cut);
    let all = &play.chart.texts[1];
    let head = all.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let body = all[head..]
        .strip_suffix(next)
        .expect("the next message is read in step");
    let facts = play.chart.bodies.first().copied().unwrap_or_default();
    assert!(play.chart.is_quiet());
    assert_eq!(play.decoders.held(), 0, "all memory is given back");
    (body.to_vec(), facts, play)
}

const CUTS: [fn() -> Cut; 4] = [
    || Cut::Whole,
    || Cut::Bytes,
    || Cut::Lengths(vec![2]),
    || Cut::Lengths(vec![7]),
];

/// Expects a body to be emitted as `text`, however it is cut and framed.
fn expect_text(fields: &str, body: &[u8], text: &[u8], state: Decoding) {
    let in_chunks = format!("{fields}Transfer-Encoding: chunked\r\n");
    for sent in [response(fields, body), chunked(&in_chunks, body, 17)] {
        for cut in CUTS {
            let (got, facts, _) = played(&sent, &cut());
            assert_eq!(
                got.escape_ascii().to_string(),
                text.escape_ascii().to_string(),
                "{fields} {:?}",
                cut()
            );
            let wire = body.len() as u64;
            assert_eq!(
                (facts.wire, facts.state),
                (wire, state),
                "{fields} {:?}",
                cut()
            );
        }
    }
}

#[test]
fn each_coding_is_undone_however_it_is_cut() {
    let text = samples::parts().concat();
    let text = text.as_slice();
    let long = noise(70_000);
    let table: &[(&str, Vec<u8>, &[u8])] = &[
        ("gzip", gzip(text), text),
        ("x-gzip", gzip(text), text),
        ("GZIP", gzip(b"short"), b"short"),
        ("gzip", gzip(&long), &long),
        ("gzip", gzip(b""), b""),
        ("deflate", zlib(text), text),
        ("deflate", deflate(text), text),
        ("deflate", deflate(b""), b""),
        ("deflate", deflate(b"a"), b"a"),
        ("deflate", zlib(&long), &long),
        ("br", samples::BROTLI.concat(), text),
        ("zstd", samples::ZSTD.concat(), text),
        ("zstd", zstd(text), text),
        ("zstd", zstd(&long), &long),
        (
            "zstd",
            compress_to_vec(text, CompressionLevel::Uncompressed),
            text,
        ),
        ("identity, gzip", gzip(text), text),
    ];
    for (coding, body, text) in table {
        let fields = format!("Content-Encoding: {coding}\r\n");
        expect_text(&fields, body, text, Decoding::Decoded);
    }
}

#[test]
fn codings_on_top_of_each_other_are_undone_in_reverse() {
    let text = samples::parts().concat();
    let table = [
        (
            "Content-Encoding: zstd, gzip\r\n",
            gzip(&samples::ZSTD.concat()),
        ),
        (
            "Content-Encoding: br\r\nContent-Encoding: deflate\r\n",
            zlib(&samples::BROTLI.concat()),
        ),
        (
            "Content-Encoding: gzip,deflate,gzip,zstd\r\n",
            zstd(&gzip(&deflate(&gzip(&text)))),
        ),
    ];
    for (fields, body) in &table {
        expect_text(fields, body, &text, Decoding::Decoded);
    }
}

#[test]
fn codings_of_the_transfer_are_undone_first() {
    let text = samples::parts().concat();
    let sent = chunked("Transfer-Encoding: gzip, chunked\r\n", &gzip(&text), 17);
    let both = chunked(
        "Content-Encoding: br\r\nTransfer-Encoding: deflate, chunked\r\n",
        &zlib(&samples::BROTLI.concat()),
        100,
    );
    for sent in [sent, both] {
        for cut in CUTS {
            let (got, facts, _) = played(&sent, &cut());
            assert_eq!((&got, facts.state), (&text, Decoding::Decoded));
        }
    }
}

#[test]
fn a_body_until_close_is_decoded() {
    let text = noise(5000);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n";
    let steps = [
        client(GET),
        server(&[head, gzip(&text).as_slice()].concat()),
        SERVER_END,
    ];
    for cut in CUTS {
        let play = Play::of(&steps, &cut());
        assert!(play.chart.texts[1].ends_with(&text));
        assert_eq!(
            play.chart.bodies.last().map(|body| body.state),
            Some(Decoding::Decoded)
        );
    }
}

#[test]
fn a_request_is_decoded_too() {
    let body = gzip(b"a question");
    let head = format!(
        "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let play = Play::of(
        &[client(&[head.as_bytes(), &body].concat()), CLIENT_END],
        &Cut::Bytes,
    );
    assert!(play.chart.texts[0].ends_with(b"\r\n\r\na question"));
}

#[test]
fn all_members_and_frames_of_a_body_are_decoded() {
    let mut named = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x03\0abcname\0comment\0\x12\x34".to_vec();
    named.extend(&gzip(b" the end")[10..]);
    let gzips = [gzip(b"one "), gzip(b""), gzip(b"two"), named].concat();
    expect_text(
        "Content-Encoding: gzip\r\n",
        &gzips,
        b"one two the end",
        Decoding::Decoded,
    );
    let padded = [gzip(b"one"), vec![0; 100]].concat();
    expect_text(
        "Content-Encoding: gzip\r\n",
        &padded,
        b"one",
        Decoding::Decoded,
    );
    let skipped = b"\x51\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let frames = [skipped.clone(), zstd(b"one "), skipped, zstd(b"two")].concat();
    expect_text(
        "Content-Encoding: zstd\r\n",
        &frames,
        b"one two",
        Decoding::Decoded,
    );
}

#[test]
fn flushed_data_is_emitted_at_once() {
    let parts = samples::parts();
    let synced = |zlib_header: bool| {
        let mut codec = flate2::Compress::new(Compression::default(), zlib_header);
        parts.each_ref().map(|part| {
            let mut out = Vec::with_capacity(10_000);
            codec
                .compress_vec(part, &mut out, flate2::FlushCompress::Sync)
                .unwrap();
            out
        })
    };
    let mut gzipped = synced(false);
    gzipped[0].splice(0..0, *b"\x1f\x8b\x08\0\0\0\0\0\0\xff");
    let owned = |pieces: [&[u8]; 4]| [pieces[0].to_vec(), pieces[1].to_vec(), pieces[2].to_vec()];
    let table = [
        ("gzip", gzipped),
        ("deflate", synced(true)),
        ("deflate", synced(false)),
        ("br", owned(samples::BROTLI)),
        ("zstd", owned(samples::ZSTD)),
    ];
    for (coding, pieces) in table {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let mut play = Play::default();
        play.perform(&[client(GET), server(head.as_bytes())], &Cut::Whole);
        let mut text = Vec::new();
        for (piece, part) in pieces.iter().zip(&parts) {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece].concat();
            play.perform(&[server(&chunk)], &Cut::Lengths(vec![50]));
            text.extend(part);
            assert!(play.chart.texts[1].ends_with(&text), "{coding}");
            play.perform(&[server(b"\r\n")], &Cut::Whole);
        }
    }
}

#[test]
fn characters_become_utf_8_in_text_and_nowhere_else() {
    let utf16 = |big: bool, text: &str| -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let table: &[(&str, &[u8], &str)] = &[
        (
            "text/plain; charset=iso-8859-1",
            b"Fran\xe7ais \x80",
            "Fran\u{e7}ais \u{20ac}",
        ),
        (
            "text/html; charset=\"windows-1251\"",
            b"\xcf\xf0\xe8\xe2\xe5\xf2",
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}",
        ),
        (
            "application/json; charset=utf-16",
            &utf16(false, "\u{feff}{\"a\": \"\u{1f600}\"}"),
            "{\"a\": \"\u{1f600}\"}",
        ),
        (
            "text/xml; charset=utf-16",
            &utf16(true, "\u{feff}<\u{e7}/>"),
            "<\u{e7}/>",
        ),
        (
            "text/xml; charset=utf-16be",
            &utf16(true, "<\u{e7}/>"),
            "<\u{e7}/>",
        ),
        (
            "text/plain; charset=shift_jis",
            b"\x93\xfa\x96\x7b",
            "\u{65e5}\u{672c}",
        ),
        (
            "text/plain; charset=iso-2022-jp",
            b"\x1b$B#A\x1b(Bx",
            "\u{ff21}x",
        ),
    ];
    for (media, bytes, text) in table {
        let fields = format!("Content-Type: {media}\r\n");
        expect_text(&fields, bytes, text.as_bytes(), Decoding::Decoded);
        let fields = format!("Content-Type: {media}\r\nContent-Encoding: gzip\r\n");
        expect_text(&fields, &gzip(bytes), text.as_bytes(), Decoding::Decoded);
    }
    let as_sent = [
        "Content-Type: image/png; charset=iso-8859-1\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/plain; charset=martian\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Encoding: compress\r\n",
        "Content-Encoding: compress, gzip\r\n",
    ];
    for fields in as_sent {
        expect_text(fields, b"Fran\xe7ais", b"Fran\xe7ais", Decoding::AsSent);
    }
}

#[test]
fn no_body_is_no_coded_body() {
    let heads: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: br\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for head in heads {
        let (body, _, play) = played(head, &Cut::Whole);
        assert_eq!(
            (body.as_slice(), play.chart.bodies.len()),
            (b"".as_slice(), 0)
        );
        assert_eq!(play.stats.broken_bodies, 0);
    }
}

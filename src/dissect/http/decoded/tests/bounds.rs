//! Tests of the expansion limits, and of the memory of the decoders. All memory must be returned to
//! the budget.

use super::super::super::super::testing::{Cut, Play, client, server};
use super::{GET, chunked, gzip, noise, played, response, samples, zlib, zstd};
use crate::limits::{Limits, SWELL};
use crate::message::Decoding;

/// Plays responses with these limits.
fn within(limits: Limits, responses: &[u8], cut: &Cut) -> Play {
    let mut play = Play {
        limits,
        ..Play::default()
    };
    let requests = [GET, GET, GET].concat();
    play.perform(&[client(&requests), server(responses)], cut);
    play
}

#[test]
fn a_bomb_is_cut_counted_and_the_next_message_is_read() {
    let zeros = vec![0; 4 << 20];
    let limits = Limits {
        decoded: 1 << 20,
        ..Limits::default()
    };
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        ("gzip, deflate", zlib(&gzip(&zeros))),
    ];
    for (coding, bomb) in bombs {
        let fields = format!("Content-Encoding: {coding}\r\n");
        let next = response(&fields.replace(", deflate", ""), b"");
        let sent = [response(&fields, &bomb), next].concat();
        for cut in [Cut::Whole, Cut::Lengths(vec![1000])] {
            let play = within(limits, &sent, &cut);
            let body = play.chart.bodies[0];
            assert_eq!(
                (body.state, body.wire),
                (Decoding::Cut, bomb.len() as u64),
                "{coding}"
            );
            assert_eq!(play.chart.outline().last(), Some(&"< end"));
            assert_eq!((play.stats.responses, play.stats.bombs), (2, 1));
            assert!(
                play.chart.bytes < (1 << 20) + 200_000,
                "{coding}: {}",
                play.chart.bytes
            );
            assert!(play.stats.undecoded_bytes <= bomb.len() as u64);
            assert!(!coding.starts_with("deflate") || play.stats.undecoded_bytes > 0);
            assert_eq!(play.decoders.held(), 0);
        }
    }
}

#[test]
fn what_shrinks_well_is_no_bomb() {
    // About 200 times smaller when compressed, and larger than the expansion that is always
    // allowed.
    let lines = b"127.0.0.1 - - GET /index.html HTTP/1.1 200 1234\n".repeat(40_000);
    let mut text = lines;
    for (at, byte) in text.iter_mut().enumerate() {
        if at % 500 == 0 {
            *byte = b'a' + (at / 500 % 23) as u8;
        }
    }
    let body = gzip(&text);
    assert!(text.len() as u64 / (body.len() as u64) < SWELL && text.len() / body.len() > 30);
    let limits = Limits {
        decoded: 100_000,
        ..Limits::default()
    };
    let play = within(
        limits,
        &response("Content-Encoding: gzip\r\n", &body),
        &Cut::Lengths(vec![1448]),
    );
    assert_eq!(play.chart.bodies[0].state, Decoding::Decoded);
    assert!(play.chart.texts[1].ends_with(&text));
}

#[test]
fn without_memory_a_body_is_emitted_as_sent_and_counted() {
    let text = noise(3000);
    for (coding, body) in [
        ("gzip", gzip(&text)),
        ("deflate", zlib(&text)),
        ("br", samples::BROTLI.concat()),
        ("zstd", zstd(&text)),
        ("gzip, zstd", zstd(&gzip(&text))),
    ] {
        let limits = Limits {
            decoders: 1000,
            ..Limits::default()
        };
        let sent = response(&format!("Content-Encoding: {coding}\r\n"), &body);
        let play = within(limits, &sent, &Cut::Lengths(vec![100]));
        assert_eq!(play.chart.bodies[0].state, Decoding::NoRoom, "{coding}");
        assert_eq!(play.stats.undecoded_bodies, 1);
        assert!(play.chart.texts[1].ends_with(&body), "{coding}");
        assert_eq!(play.decoders.held(), 0);
    }
}

#[test]
fn a_decoder_that_grows_beyond_the_budget_is_given_up() {
    let text = noise(600_000);
    let body = zstd(&text);
    let sent = response("Content-Encoding: zstd\r\n", &body);
    let limits = Limits {
        decoders: 900_000,
        ..Limits::default()
    };
    let play = within(limits, &sent, &Cut::Lengths(vec![1448]));
    assert_eq!(play.chart.bodies[0].state, Decoding::NoRoom);
    assert!(play.chart.texts[1].ends_with(&body[body.len() - 100..]));
    // The tables and the window of brotli.
    let limits = Limits {
        decoders: 12_000,
        ..Limits::default()
    };
    let body = samples::BROTLI.concat();
    let play = within(
        limits,
        &response("Content-Encoding: br\r\n", &body),
        &Cut::Bytes,
    );
    assert_eq!(play.chart.bodies[0].state, Decoding::NoRoom);
    assert!(play.chart.texts[1].ends_with(&body));
}

#[test]
fn open_bodies_share_the_budget_and_give_it_back() {
    let body = gzip(&noise(3000));
    let sent = response("Content-Encoding: gzip\r\n", &body);
    let limits = Limits {
        decoders: 100 << 10,
        ..Limits::default()
    };
    let mut plays: Vec<Play> = Vec::new();
    for _ in 0..3 {
        let decoders = plays
            .first()
            .map(|play| play.decoders.clone())
            .unwrap_or_default();
        let mut play = Play {
            limits,
            decoders,
            ..Play::default()
        };
        play.perform(&[client(GET), server(&sent[..sent.len() - 1])], &Cut::Whole);
        plays.push(play);
    }
    let budget = plays[0].decoders.clone();
    assert_eq!(budget.held(), 96 << 10);
    for play in &mut plays {
        play.perform(&[server(&sent[sent.len() - 1..])], &Cut::Whole);
    }
    assert_eq!(budget.held(), 0);
    let states: Vec<_> = plays
        .iter()
        .map(|play| play.chart.bodies[0].state)
        .collect();
    assert_eq!(
        states,
        [Decoding::Decoded, Decoding::Decoded, Decoding::NoRoom]
    );
    // A flow that is reset returns its memory as well.
    let mut play = Play::default();
    play.perform(&[client(GET), server(&sent[..sent.len() - 1])], &Cut::Whole);
    let budget = play.decoders.clone();
    assert!(budget.held() > 0);
    drop(play);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_long_zstd_body_keeps_to_its_window() {
    // With a window of 4 MiB, the frame's buffer is emptied many times.
    let text = noise(20 << 20);
    let body = zstd(&text);
    let sent = chunked(
        "Content-Encoding: zstd\r\nTransfer-Encoding: chunked\r\n",
        &body,
        100_000,
    );
    let (got, facts, _) = played(&sent, &Cut::Lengths(vec![60_000]));
    assert_eq!(facts.state, Decoding::Decoded);
    assert!(got == text);
}

#[test]
fn half_a_block_is_charged_before_it_is_there() {
    // A raw block that declares 128 KiB.
    let body = [&b"\x28\xb5\x2f\xfd\0\x58\0\0\x10"[..], b"first of many"].concat();
    let sent = [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n",
        &body[..],
    ]
    .concat();
    let play = within(Limits::default(), &sent, &Cut::Bytes);
    assert!(
        (192 << 10..200 << 10).contains(&play.decoders.held()),
        "{}",
        play.decoders.held()
    );
    let limits = Limits {
        decoders: 100 << 10,
        ..Limits::default()
    };
    let play = within(limits, &sent, &Cut::Bytes);
    assert!(play.chart.texts[1].ends_with(&body));
    assert_eq!(play.decoders.held(), 0);
}

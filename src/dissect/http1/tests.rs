//! Tests of whole HTTP/1.x conversations. Each is played whole and byte by byte, and both must give
//! the same messages.

mod readings;

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::testing::{
    CLIENT_END, Cut, Play, SERVER_END, Step, client, client_gap, expect, server, server_gap,
};
use crate::flow::Direction;
use crate::stream::Ending;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// The outlines of both cuts, which must be the same.
fn outline(steps: &[Step]) -> Vec<String> {
    let of = |cut| {
        Play::of(steps, &cut)
            .chart
            .outline()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let whole = of(Cut::Whole);
    assert_eq!(whole, of(Cut::Bytes));
    whole
}

#[test]
fn a_request_and_its_response() {
    let stats = expect(
        &[client(GET), server(OK), CLIENT_END, SERVER_END],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "hi""#,
            "< end",
        ],
    );
    assert_eq!(
        (
            stats.requests,
            stats.responses,
            stats.unanswered,
            stats.malformed,
            stats.odd
        ),
        (1, 1, 0, 0, 0)
    );
}

#[test]
fn a_message_begins_with_its_first_byte_and_ends_with_its_last() {
    let mut play = Play::default();
    play.perform(&[client(GET)], &Cut::Bytes);
    assert_eq!(play.chart.frames, [1, GET.len() as u64]);
    play.perform(&[server(OK)], &Cut::Bytes);
    assert_eq!(
        play.chart.frames[2..],
        [GET.len() as u64 + 1, (GET.len() + OK.len()) as u64]
    );
}

#[test]
fn a_response_ends_with_its_last_byte_and_not_with_the_next() {
    let play = Play::of(&[client(GET), server(OK)], &Cut::Bytes);
    assert!(play.chart.is_quiet(), "{:#?}", play.chart.lines());
}

#[test]
fn pipelined_requests_and_responses_pair_in_order() {
    let requests = b"POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\n\r\n";
    let responses = b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n";
    expect(
        &[client(requests), server(responses)],
        &[
            "> http.request #0",
            r#"> head "POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n""#,
            r#"> brief "POST /1""#,
            r#"> body "abc""#,
            "> end",
            "> http.request #1",
            r#"> head "GET /2 HTTP/1.1\r\n\r\n""#,
            r#"> brief "GET /2""#,
            "> end",
            "> http.request #2",
            r#"> head "HEAD /3 HTTP/1.1\r\n\r\n""#,
            r#"> brief "HEAD /3""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n""#,
            r#"< brief 201 "201 Created""#,
            r#"< body "x""#,
            "< end",
            "< http.response #1",
            r#"< head "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n""#,
            r#"< brief 404 "404 No""#,
            "< end",
            "< http.response #2",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            "< end",
        ],
    );
}

#[test]
fn chunks_are_joined_and_trailers_kept() {
    let response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n\
        3\r\nabc\r\n0A;ext=1\r\n0123456789\r\n0\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let stats = expect(
        &[client(GET), client(GET), server(response)],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "> http.request #1",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "abc0123456789""#,
            r#"< trailer "X: y\r\n\r\n""#,
            "< end",
            "< http.response #1",
            r#"< head "HTTP/1.1 204 No Content\r\n\r\n""#,
            r#"< brief 204 "204 No Content""#,
            "< end",
        ],
    );
    assert_eq!(stats.framing_bytes, 3 + 2 + 10 + 2 + 3);
}

#[test]
fn a_chunked_request_without_trailers() {
    let request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    expect(
        &[client(request), CLIENT_END],
        &[
            "> http.request #0",
            r#"> head "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n""#,
            r#"> brief "POST /""#,
            r#"> body "ab""#,
            "> end",
        ],
    );
}

#[test]
fn a_body_until_close_is_complete_only_after_a_fin() {
    let response = b"HTTP/1.0 200 OK\r\n\r\nall of it";
    for (how, end) in [
        (Ending::Fin, "< end"),
        (Ending::Reset, "< end incomplete"),
        (Ending::Capture, "< end incomplete"),
    ] {
        let lines = outline(&[
            client(GET),
            server(response),
            Step::End(Direction::ToClient, how),
        ]);
        assert_eq!(
            lines[3..],
            ["< http.response #0", r#"< brief 200 "200 OK""#, end]
        );
    }
}

#[test]
fn a_stream_that_ends_inside_a_message_leaves_it_incomplete() {
    let table: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200 OK\r\nConten", r#"< brief 200 "200 OK""#),
        (b"HTTP/1.1 404 Not Fo", r#"< brief 404 "404""#),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            "< body \"hi\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
            "< body \"hi\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n5",
            "< body \"hi\"",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
            "< trailer \"X: y\"",
        ),
    ];
    for (response, text) in table {
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(&[client(GET), server(response), SERVER_END], &cut);
            let lines = play.chart.lines();
            assert_eq!(
                lines[lines.len() - 2..],
                [text, "< end incomplete"],
                "{cut:?}"
            );
        }
    }
}

#[test]
fn interim_responses_are_messages_and_leave_the_exchange_open() {
    let responses = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(
        outline(&[client(GET), server(responses)])[3..],
        [
            "< http.response #0",
            r#"< brief 100 "100 Continue" interim"#,
            "< end",
            "< http.response #0",
            r#"< brief 103 "103 Early Hints" interim"#,
            "< end",
            "< http.response #0",
            r#"< brief 304 "304 Not Modified""#,
            "< end",
        ]
    );
}

#[test]
fn an_upgrade_turns_both_directions_raw_without_complaint() {
    let request = b"GET /chat HTTP/1.1\r\nUpgrade: chat/2\r\n\r\n";
    let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat/2\r\n\r\n\x81\x02hi";
    let stats = expect(
        &[
            client(request),
            server(response),
            client(b"\x81\x85abcdefghi"),
            server(b"\x88\x00"),
            CLIENT_END,
            SERVER_END,
        ],
        &[
            "> http.request #0",
            r#"> head "GET /chat HTTP/1.1\r\nUpgrade: chat/2\r\n\r\n""#,
            r#"> brief "GET /chat""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat/2\r\n\r\n""#,
            r#"< brief 101 "101 Switching Protocols""#,
            "< end",
            "< tcp.burst #1",
            r#"< body "\x81\x02hi""#,
            "< end",
            "> tcp.burst #2",
            r#"> body "\x81\x85abcdefghi""#,
            "> end",
            "< tcp.burst #3 goes on",
            r#"< body "\x88\x00""#,
            "< end",
        ],
    );
    assert_eq!((stats.malformed, stats.unanswered), (0, 0));
}

#[test]
fn a_tunnel_may_carry_http_again() {
    let lines = outline(&[
        client(b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"),
        server(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n"),
        client(GET),
        server(OK),
    ]);
    assert_eq!(
        lines,
        [
            "> http.request #0",
            r#"> brief "CONNECT h:80""#,
            "> end",
            "< http.response #0",
            r#"< brief 200 "200 Connection established""#,
            "< end",
            "> http.request #1",
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #1",
            r#"< brief 200 "200 OK""#,
            "< end",
        ]
    );
}

#[test]
fn a_refused_tunnel_stays_http() {
    let lines = outline(&[
        client(b"CONNECT h:80 HTTP/1.1\r\n\r\n"),
        server(b"HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno"),
        client(GET),
        server(OK),
    ]);
    assert_eq!(
        lines[9..],
        ["< http.response #1", r#"< brief 200 "200 OK""#, "< end"]
    );
}

#[test]
fn joined_in_the_middle_the_rest_of_a_message_is_raw_and_the_next_one_is_read() {
    expect(
        &[server(b"rest of a body</html>"), client(GET), server(OK)],
        &[
            "< tcp.burst #0",
            r#"< body "rest of a body</html>""#,
            "< end",
            "> http.request #1",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #1",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "hi""#,
            "< end",
        ],
    );
}

#[test]
fn a_response_without_a_captured_request_belongs_to_no_exchange() {
    assert_eq!(
        outline(&[server(OK), client(GET), server(OK)]),
        [
            "< http.response #?",
            r#"< brief 200 "200 OK""#,
            "< end",
            "> http.request #0",
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< brief 200 "200 OK""#,
            "< end",
        ]
    );
}

#[test]
fn swapped_roles_do_not_matter() {
    let swap = |step| match step {
        Step::Write(dir, bytes) => Step::Write(dir.reverse(), bytes),
        step => step,
    };
    let lines = outline(&[swap(client(GET)), swap(server(OK))]);
    assert_eq!(
        lines,
        [
            "< http.request #0",
            r#"< brief "GET h:1/a""#,
            "< end",
            "> http.response #0",
            r#"> brief 200 "200 OK""#,
            "> end",
        ]
    );
}

#[test]
fn a_gap_in_a_body_of_known_length_keeps_everything_in_step() {
    expect(
        &[
            client(GET),
            client(GET),
            server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
            server_gap(4),
            server(b"hijHTTP/1.1 204 None\r\n\r\n"),
        ],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "> http.request #1",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "abc""#,
            "< missing 4",
            r#"< body "hij""#,
            "< end",
            "< http.response #1",
            r#"< head "HTTP/1.1 204 None\r\n\r\n""#,
            r#"< brief 204 "204 None""#,
            "< end",
        ],
    );
}

#[test]
fn a_gap_to_the_very_end_of_a_body_ends_it() {
    let lines = outline(&[
        client(GET),
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        server_gap(7),
        client(GET),
        server(OK),
    ]);
    assert_eq!(
        lines[5..],
        [
            "< missing 7",
            "< end",
            "> http.request #1",
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #1",
            r#"< brief 200 "200 OK""#,
            "< end"
        ]
    );
}

#[test]
fn a_gap_beyond_a_body_is_shown_on_both_sides_of_its_end_and_leaves_one_pair_after_it() {
    let lines = outline(&[
        client(&[GET, GET, GET].concat()),
        server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        server_gap(70),
        server(OK),
    ]);
    assert_eq!(
        lines[9..],
        [
            "< http.response #0",
            r#"< brief 200 "200 OK""#,
            "< missing 7",
            "< end",
            "< tcp.burst #3",
            "< missing 63",
            "< end incomplete",
            "< http.response #2",
            r#"< brief 200 "200 OK""#,
            "< end",
        ]
    );
}

#[test]
fn a_gap_in_a_head_shows_what_is_there_and_the_next_message_is_read() {
    expect(
        &[
            client(GET),
            server(b"HTTP/1.1 200 OK\r\nServ"),
            server_gap(30),
            server(b"Last: 1\r\n\r\nbody"),
            client(GET),
            server(OK),
        ],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 200 OK\r\nServ""#,
            r#"< brief 200 "200 OK""#,
            "< missing 30",
            "< end incomplete",
            "< tcp.burst #1",
            r#"< body "Last: 1\r\n\r\nbody""#,
            "< end",
            "> http.request #2",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #2",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "hi""#,
            "< end",
        ],
    );
}

#[test]
fn a_gap_inside_a_chunk_keeps_everything_in_step() {
    let lines = outline(&[
        client(GET),
        server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc"),
        server_gap(4),
        server(b"hij\r\n0\r\n\r\n"),
    ]);
    assert_eq!(lines[5..], ["< missing 4", "< end"]);
}

#[test]
fn after_a_gap_across_chunks_all_is_body_until_a_segment_starts_with_a_response() {
    expect(
        &[
            client(GET),
            server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            server_gap(100),
            server(b"cd\r\n0\r\n\r\n"),
            client(GET),
            server(OK),
        ],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< http.response #0",
            r#"< head "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "ab""#,
            "< missing 100",
            r#"< body "cd\r\n0\r\n\r\n""#,
            "> http.request #1",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "< end incomplete",
            "< http.response #1",
            r#"< head "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n""#,
            r#"< brief 200 "200 OK""#,
            r#"< body "hi""#,
            "< end",
        ],
    );
}

#[test]
fn after_lost_requests_no_pair_is_certain() {
    let lines = outline(&[
        client(GET),
        client_gap(50),
        client(GET),
        server(OK),
        server(OK),
        server(OK),
    ]);
    let responses: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("response"))
        .collect();
    assert_eq!(
        responses,
        [
            "< http.response #0",
            "< http.response #?",
            "< http.response #?"
        ]
    );
    assert_eq!(
        lines[3..6],
        ["> tcp.burst #1", "> missing 50", "> end incomplete"]
    );
}

#[test]
fn the_response_to_an_unseen_head_has_no_body() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let endless = b"HTTP/1.1 200 OK\r\n\r\n";
    for head in [&head[..], chunked, endless] {
        for cut in [Cut::Whole, Cut::Lengths(vec![5])] {
            let play = Play::of(&[server(head), server(OK), SERVER_END], &cut);
            assert_eq!(play.chart.texts[1], [head, OK].concat());
            let ends = play
                .chart
                .outline()
                .iter()
                .filter(|line| **line == "< end")
                .count();
            assert_eq!(ends, 2, "{:#?}", play.chart.lines());
        }
    }
    // A body that comes is one, also after a gap, and also one that looks like a status line at
    // first.
    for body in [&b"HTTP is a protocol"[..], b"HTTP/1.1 2", b"<html>"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let play = Play::of(
            &[server(head.as_bytes()), server(body), server(OK)],
            &Cut::Whole,
        );
        let text = [head.as_bytes(), body, OK].concat();
        assert_eq!(play.chart.texts[1], text, "{:#?}", play.chart.lines());
        assert!(play.chart.is_quiet());
    }
    assert_eq!(
        outline(&[
            server(head),
            server_gap(60),
            server(b"0123456789"),
            server(OK)
        ])[2..],
        [
            "< missing 60",
            "< end",
            "< http.response #?",
            r#"< brief 200 "200 OK""#,
            "< end"
        ]
    );
}

#[test]
fn heads_that_break_the_rules_are_odd_and_read_when_their_framing_is_clear() {
    let table: &[(&[u8], &str)] = &[
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "POST /"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "POST /"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST /"),
        (b"GET / HTTP/1.1\r\nX: a\r\n  folded\r\n\r\n", "GET /"),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", "GET h/"),
        (b"GET / HTTP/1.1\nHost: h\n\n", "GET h/"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "GET /a b"),
        (b"GET  /  HTTP/1.1\r\n\r\n", "GET /"),
        (b"get / HTTP/1.1\r\n\r\n", "get /"),
        (b"GET / HTTP/1.7\r\n\r\n", "GET /"),
        (b"GET / HTTP/1.1\r\nX: \x01\r\n\r\n", "GET /"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET /"),
    ];
    for (request, title) in table {
        let lines = outline(&[client(request), client(GET)]);
        let brief = format!("> brief \"{title}\" odd");
        assert_eq!(
            lines[..4],
            ["> http.request #0", &brief, "> end", "> http.request #1"],
            "{}",
            request.escape_ascii()
        );
    }
}

#[test]
fn odd_responses_are_parsed_when_their_framing_is_clear() {
    let table: &[(&[u8], &str)] = &[
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", r#"200 "200""#),
        (
            b"HTTP/1.1 200 \xe4\r\nContent-Length: 0\r\n\r\n",
            r#"200 "200 \xe4""#,
        ),
        (
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            r#"200 "200 OK" odd"#,
        ),
        (
            b"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 0\r\n\r\n",
            r#"200 "200 OK" odd"#,
        ),
        (
            b"ICY 200 OK\r\nicy-name: x\r\n\r\nmusic",
            r#"200 "200 OK" odd"#,
        ),
    ];
    for (response, brief) in table {
        let lines = outline(&[client(GET), server(response), SERVER_END]);
        assert_eq!(
            lines[3..],
            ["< http.response #0", &format!("< brief {brief}"), "< end"],
            "{}",
            response.escape_ascii()
        );
    }
}

#[test]
fn the_rule_that_a_message_breaks_is_reported() {
    let table: &[(&[u8], &str)] = &[
        (
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "both Content-Length and Transfer-Encoding",
        ),
        (
            b"Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Lengths that differ",
        ),
        (
            b"Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length twice",
        ),
        (
            b"Content-Length: x\r\n",
            "a Content-Length that is no number",
        ),
        (b"X: a\r\n b\r\n", "a folded header line"),
        (b"X : a\r\n", "space in front of a header's colon"),
        (b"no colon\r\n", "a header line without a colon"),
        (b": a\r\n", "a header line without a name"),
        (b"X: \x01\r\n", "characters that do not belong in a head"),
        (b"X: a\n", "lines that end without CR"),
        (b"X: a\r\n", ""),
    ];
    for (fields, why) in table {
        let head = [b"GET / HTTP/1.1\r\n", *fields, b"\r\n"].concat();
        let play = Play::of(&[client(&head)], &Cut::Whole);
        assert_eq!(
            play.chart.oddities.concat(),
            *why,
            "{}",
            fields.escape_ascii()
        );
    }
}

#[test]
fn a_long_head_keeps_its_framing_and_its_pair() {
    let fields = "X-Many: abcdefghijklmnopqrstuvwxyz\r\n".repeat(100_000);
    let huge = format!("X-Long: {}\r\n", "z".repeat(200_000));
    for between in [&fields, &huge] {
        let request =
            format!("POST /a HTTP/1.1\r\nHost: h:1\r\n{between}Content-Length: 3\r\n\r\nabc");
        let response = format!(
            "HTTP/1.1 200 OK\r\n{between}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        );
        let lines = outline(&[
            client(request.as_bytes()),
            server(response.as_bytes()),
            client(GET),
            server(OK),
        ]);
        assert_eq!(
            lines,
            [
                "> http.request #0",
                r#"> brief "POST h:1/a" odd"#,
                "> end",
                "< http.response #0",
                r#"< brief 200 "200 OK" odd"#,
                "< end",
                "> http.request #1",
                r#"> brief "GET h:1/a""#,
                "> end",
                "< http.response #1",
                r#"< brief 200 "200 OK""#,
                "< end",
            ]
        );
    }
}

#[test]
fn a_request_in_place_of_a_response_is_an_exchange_of_its_own() {
    let lines = outline(&[client(GET), server(GET), server(OK)]);
    assert_eq!(
        lines[3..],
        [
            "< http.request #1",
            r#"< brief "GET h:1/a" odd"#,
            "< end",
            "< http.response #0",
            r#"< brief 200 "200 OK""#,
            "< end",
        ]
    );
}

#[test]
fn a_body_whose_framing_is_unclear_goes_on_until_a_segment_begins_with_a_start_line() {
    let table: &[&[u8]] = &[
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"Content-Length: +3\r\n\r\n",
        b"Content-Length: 18446744073709551616\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked, x\r\n\r\n",
    ];
    for fields in table {
        let request = [b"POST / HTTP/1.1\r\n", *fields, b"xyz"].concat();
        let steps = [client(&request), client(b"uvw"), client(GET), server(OK)];
        let play = Play::of(&steps, &Cut::Whole);
        let text = [b"xyzuvw", GET].concat();
        assert!(
            play.chart.texts[0].ends_with(&text),
            "{:#?}",
            play.chart.lines()
        );
        let lines = outline(&steps);
        assert_eq!(lines[0], "> http.request #0");
        assert!(lines[1].starts_with(r#"> brief "POST /""#));
        assert_eq!(lines[2..4], ["> end incomplete", "> http.request #1"]);
    }
}

#[test]
fn bytes_that_turn_out_not_to_be_http_are_raw_and_counted() {
    let stats = expect(
        &[
            client(GET),
            client(b"GET /old\r\n"),
            server(b"plain text"),
            CLIENT_END,
            SERVER_END,
        ],
        &[
            "> http.request #0",
            r#"> head "GET /a HTTP/1.1\r\nHost: h:1\r\n\r\n""#,
            r#"> brief "GET h:1/a""#,
            "> end",
            "> tcp.burst #1",
            r#"> body "GET /old\r\n""#,
            "> end",
            "< tcp.burst #2",
            r#"< body "plain text""#,
            "< end",
        ],
    );
    assert_eq!((stats.malformed, stats.unanswered), (1, 1));
}

#[test]
fn after_a_raw_response_the_next_exchange_pairs() {
    let lines = outline(&[client(GET), server(b"<html>raw"), client(GET), server(OK)]);
    assert_eq!(
        lines[8..],
        [
            "< http.response #2",
            r#"< brief 200 "200 OK" likely"#,
            "< end"
        ]
    );
}

#[test]
fn where_chunks_break_the_rest_is_body_as_sent_and_nothing_disappears() {
    let table: &[(&[u8], &[u8])] = &[
        (b"xyz\r\nabc", b"xyz\r\nabc"),
        (b"10000000000000000\r\nabc", b"10000000000000000\r\nabc"),
        (b"2\r\nabcd\r\n", b"abcd\r\n"),
        (b"{\"error\": \"text\"}", b"{\"error\": \"text\"}"),
        (b"2\r\nab\r\n{\"error\": 1}", b"ab{\"error\": 1}"),
        (
            b"2\r\nab\r\nnot a size\r\nand more",
            b"abnot a size\r\nand more",
        ),
    ];
    for (chunks, body) in table {
        let response = [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            *chunks,
        ]
        .concat();
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(&[client(GET), server(&response), SERVER_END], &cut);
            let outline = play.chart.outline();
            let printed = chunks.escape_ascii();
            assert_eq!(outline[5..], ["< end incomplete"], "{printed}");
            assert!(play.chart.texts[1].ends_with(body), "{printed}");
            assert_eq!(play.chart.bodies[0].reading, Some("sent"), "{printed}");
            assert_eq!(play.stats.malformed, 1);
            assert_eq!(
                play.chart.bytes + play.stats.framing_bytes,
                (GET.len() + response.len()) as u64
            );
        }
    }
}

#[test]
fn after_broken_chunks_the_next_response_is_parsed() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    // The last one omits its last chunk.
    for chunks in [&b"{\"a\": 1}"[..], b"2\r\nab\r\nxyz", b"2\r\nab\r\n"] {
        let steps = [
            client(GET),
            server(&[head, chunks].concat()),
            client(GET),
            server(OK),
        ];
        let lines = outline(&steps);
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "< end incomplete",
                "< http.response #1",
                r#"< brief 200 "200 OK""#,
                "< end"
            ],
            "{}",
            chunks.escape_ascii()
        );
    }
}

#[test]
fn odd_chunk_sizes_are_read_and_all_is_searched_as_sent_too() {
    let table: &[&[u8]] = &[
        b"3\x0b\r\nNEE\r\n3\x0b\r\nDLE\r\n0\r\n\r\n",
        b"\n3\r\nNEE\r\n\n3\r\nDLE\r\n0\r\n\r\n",
        b"\r3\r\nNEE\r\n3\r\nDLE\r\n0\r\n\r\n",
        b"0x3\r\nNEE\r\n0x3\r\nDLE\r\n0x0\r\n\r\n",
        b" 3 \r\nNEE\r\n 3 \r\nDLE\r\n 0 \r\n\r\n",
        b"0000000000000000000003\r\nNEE\r\n3;ext=\"a\"\r\nDLE\r\n000\r\n\r\n",
        b"3\nNEE\n3\nDLE\n0\n\n",
    ];
    for chunks in table {
        let response = [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            *chunks,
        ]
        .concat();
        for cut in [Cut::Whole, Cut::Bytes] {
            let play = Play::of(
                &[client(GET), server(&response), client(GET), server(OK)],
                &cut,
            );
            let printed = chunks.escape_ascii();
            assert!(
                play.chart
                    .lines()
                    .iter()
                    .any(|line| line == r#"< body "NEEDLE""#),
                "{printed}"
            );
            assert_eq!(play.chart.outline()[5], "< end", "{printed}");
            let is_odd = chunks[0] == b'3' && chunks[1] == b'\r' || chunks.starts_with(b"000");
            if !is_odd && chunks[0] != b'\n' && chunks[0] != b'\r' {
                assert_eq!(
                    play.chart.readings[0],
                    ("sent", chunks.to_vec()),
                    "{printed}"
                );
            }
        }
    }
}

#[test]
fn a_chunk_of_the_largest_size_does_not_overflow() {
    let lines = outline(&[
        client(GET),
        server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"),
        server_gap(u64::MAX),
        server(b"def"),
        SERVER_END,
    ]);
    assert_eq!(
        lines[5..],
        [
            format!("< missing {}", u64::MAX).as_str(),
            "< end incomplete"
        ]
    );
}

#[test]
fn very_many_fields_are_read_leniently() {
    let fields = |count: usize| "A: b\r\n".repeat(count);
    for (count, odd) in [
        (63, ""),
        (64, ""),
        (200, ""),
        (255, ""),
        (256, " odd"),
        (3000, " odd"),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\n{}Content-Length: 2\r\n\r\nhi",
            fields(count)
        );
        let lines = outline(&[client(request.as_bytes()), client(GET)]);
        assert_eq!(
            lines[1..4],
            [
                format!("> brief \"POST /\"{odd}").as_str(),
                "> end",
                "> http.request #1"
            ],
            "{count}"
        );
    }
}

#[test]
fn a_start_line_beyond_the_limit_is_emitted_raw() {
    let request = [
        b"GET /".as_slice(),
        &vec![b'x'; 100_000],
        b" HTTP/1.1\r\n\r\n",
    ]
    .concat();
    let lines = outline(&[client(&request), client(GET)]);
    assert_eq!(
        lines[..5],
        [
            "> http.request #0",
            "> end incomplete",
            "> tcp.burst #1 goes on",
            "> end",
            "> http.request #2"
        ]
    );
    let play = Play::of(&[client(&request)], &Cut::Lengths(vec![1448]));
    assert_eq!(play.chart.texts[0], request);
    assert_eq!(play.stats.malformed, 1);
}

#[test]
fn a_head_byte_by_byte_takes_linear_time() {
    let fields = "Some-Name: and a value\r\n".repeat(2500);
    let request = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    assert!(request.len() > 60_000 && request.len() < 65_536);
    let started = Instant::now();
    let play = Play::of(&[client(request.as_bytes())], &Cut::Bytes);
    assert_eq!(play.chart.outline().last(), Some(&"> end"));
    // A head that is parsed again for each byte takes a hundred times this.
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_start_line_byte_by_byte_over_many_writes_is_recognised() {
    let steps: Vec<_> = GET.iter().map(|byte| client(&[*byte])).collect();
    let play = Play::of(&steps, &Cut::Whole);
    assert_eq!(
        play.chart.outline(),
        ["> http.request #0", r#"> brief "GET h:1/a""#, "> end"]
    );
}

#[test]
fn empty_lines_between_messages_are_framing() {
    let steps = [
        client(&[b"\r\n", GET].concat()),
        client(b"\r\n\r\n"),
        client(GET),
    ];
    let lines = outline(&steps);
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert_eq!(lines[3], "> http.request #1");
    assert_eq!(Play::of(&steps, &Cut::Whole).stats.framing_bytes, 6);
}

#[test]
fn a_kept_connection_holds_no_more_and_no_more() {
    let mut play = Play::default();
    let exchange = [client(GET), server(OK)];
    play.perform(&exchange, &Cut::Lengths(vec![20]));
    let held = play.dissector.held();
    for _ in 0..100 {
        play.perform(&exchange, &Cut::Lengths(vec![20]));
    }
    assert_eq!(play.dissector.held(), held);
}

#[test]
fn a_line_of_no_known_method_needs_the_version_to_be_a_request() {
    let table: &[(&[u8], bool)] = &[
        (b"BREW /pot HTTP/1.1\r\n\r\n", true),
        (b"BREW http://h/pot HTTP/1.0\n\n", true),
        (b"EHLO h\r\n", false),
        (b"get key\r\n", false),
        (b"OPTIONS * RTSP/1.0\r\n\r\n", false),
        (b"SSH-2.0-OpenSSH_9\r\n", false),
        (b"HTTP/2.0 200 OK\r\n\r\n", true),
        (b"PRI * HTTP/2.0\r\n\r\n", false),
        (b"an access log of GET / HTTP/1.1\r\n", false),
        (b"\x16\x03\x01", false),
    ];
    for (bytes, http) in table {
        let lines = outline(&[client(bytes), CLIENT_END]);
        assert_eq!(lines[0].contains("http"), *http, "{}", bytes.escape_ascii());
        assert_eq!(lines.len(), if *http { 3 } else { 2 });
    }
}

#[test]
fn a_very_long_start_line_is_recognised_by_its_method_and_path() {
    let request = [b"GET /".as_slice(), &[b'x'; 9000], b" HTTP/1.1\r\n\r\n"].concat();
    let lines = outline(&[client(&request)]);
    assert_eq!(
        (lines[0].as_str(), lines[2].as_str()),
        ("> http.request #0", "> end")
    );
}

#[test]
fn a_very_long_start_line_of_no_known_method_is_recognised_by_its_end() {
    for (method, version, http) in [
        ("XYZ", "HTTP/1.1", true),
        ("MY-METHOD", "HTTP/1.0", true),
        ("XYZ", "RTSP/1.0", false),
        ("word", "HTTP/1.1", false),
    ] {
        let line = format!("{method} /{} {version}\r\n\r\n", "x".repeat(1000));
        let lines = outline(&[client(line.as_bytes()), CLIENT_END]);
        assert_eq!(lines[0].contains("http"), http, "{method} {version}");
    }
}

/// A message of one direction, as bytes.
fn message(response: bool) -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    let fields = proptest::collection::vec("[A-Z][a-z-]{0,8}: [ -~]{0,12}\r\n", 0..4);
    (body, fields, 0..3_u8, "/[a-z]{0,300}").prop_map(move |(body, fields, framing, path)| {
        let start = if response {
            "HTTP/1.1 200 OK\r\n".to_owned()
        } else {
            format!("POST {path} HTTP/1.1\r\n")
        };
        let mut bytes = [start, fields.concat()].concat().into_bytes();
        match framing {
            0 => bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
            1 => {
                bytes.extend_from_slice(
                    format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(),
                );
                bytes.extend_from_slice(&body);
            }
            _ => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(7) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\nT: v\r\n\r\n");
            }
        }
        bytes
    })
}

/// Writes that partly look like HTTP, and gaps.
fn noise() -> impl Strategy<Value = Vec<Step>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..20),
        prop::sample::select(vec![
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"HTTP/1.1 101 X\r\n\r\n".to_vec(),
            b"CONNECT h:1 HTTP/1.1\r\n\r\n".to_vec(),
            b"Content-Length: 5\r\n".to_vec(),
            b"Transfer-Encoding: chunked\r\n\r\n".to_vec(),
            b"\r\n".to_vec(),
            b"\n".to_vec(),
            b"5\r\nabcde\r\n".to_vec(),
            b"0\r\n\r\n".to_vec(),
            b"FOO".to_vec(),
        ]),
    ];
    let dir = prop::sample::select(vec![Direction::ToServer, Direction::ToClient]);
    let write = (dir.clone(), proptest::collection::vec(piece, 1..5))
        .prop_map(|(dir, bytes)| Step::Write(dir, bytes.concat()));
    let step = prop_oneof![
        8 => write,
        1 => (dir, 1..30_u64).prop_map(|(dir, len)| Step::Gap(dir, len)),
        1 => (1..200_i64).prop_map(Step::Pause),
    ];
    proptest::collection::vec(step, 1..20)
}

proptest! {
    #[test]
    fn any_cut_of_a_valid_conversation_gives_the_same_messages(
        requests in proptest::collection::vec(message(false), 1..4),
        responses in proptest::collection::vec(message(true), 1..4),
        lengths in proptest::collection::vec(1..60_usize, 1..6),
    ) {
        let steps = [client(&requests.concat()), server(&responses.concat()), CLIENT_END, SERVER_END];
        let whole = Play::of(&steps, &Cut::Whole);
        // Only the kind of each line, since a path may have any name.
        let broken = |line: &str| line.starts_with("tcp.burst") || line == "end incomplete";
        prop_assert!(!whole.chart.lines().iter().any(|line| broken(&line[2..])));
        for cut in [Cut::Bytes, Cut::Lengths(lengths)] {
            let play = Play::of(&steps, &cut);
            prop_assert_eq!(play.chart.lines(), whole.chart.lines());
        }
    }

    #[test]
    fn every_byte_of_any_traffic_is_emitted_or_counted_as_framing(
        mut steps in noise(),
        lengths in proptest::collection::vec(1..20_usize, 1..6),
    ) {
        steps.extend([CLIENT_END, SERVER_END]);
        for cut in [Cut::Whole, Cut::Bytes, Cut::Lengths(lengths)] {
            let play = Play::of(&steps, &cut);
            prop_assert!(play.chart.is_quiet());
            let sent: usize = steps.iter().map(|step| if let Step::Write(_, bytes) = step { bytes.len() } else { 0 }).sum();
            // For chunks that no head declares, the framing is part of another reading.
            let printed: usize = play.chart.readings.iter().filter(|(name, _)| *name == "sent").map(|(_, text)| text.len()).sum();
            let all = play.chart.bytes + play.stats.framing_bytes;
            prop_assert!(all == sent as u64 || all < sent as u64 && printed > 0, "{all} of {sent} {:#?}", play.chart.lines());
        }
    }

    #[test]
    fn when_idle_is_called_does_not_matter(steps in noise()) {
        let mut ticking = Play { ticking: true, ..Play::default() };
        ticking.perform(&steps, &Cut::Whole);
        let quiet: Vec<_> = steps.iter().cloned().chain([CLIENT_END, SERVER_END]).collect();
        ticking.perform(&[CLIENT_END, SERVER_END], &Cut::Whole);
        let play = Play::of(&quiet, &Cut::Whole);
        prop_assert_eq!(play.chart.lines(), ticking.chart.lines());
        prop_assert_eq!(&play.chart.frames, &ticking.chart.frames);
    }
}

//! HTTP/2 as charts, whole and byte by byte.

use super::frames::PREFACE;
use super::hpack::testing::unhex;
use crate::dissect::testing::{
    CLIENT_END, Cut, Play, SERVER_END, Step, client, client_gap, expect, server, server_gap,
};
use crate::limits::STREAMS;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WHOLE: u8 = END_STREAM | END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A block of literals that are not indexed.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

fn get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":path", path), (":authority", "h")])
}

fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(1, WHOLE, stream, &get(path))
}

fn response(stream: u32, flags: u8) -> Vec<u8> {
    frame(1, flags, stream, &unhex("88"))
}

fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, bytes)
}

fn settings() -> Vec<u8> {
    frame(4, 0, 0, &unhex("0003 00000080"))
}

/// The beginning of a client's side, and what follows.
fn begin(more: &[Vec<u8>]) -> Step {
    client(&[PREFACE.to_vec(), settings(), more.concat()].concat())
}

fn answer(more: &[Vec<u8>]) -> Step {
    server(&[settings(), more.concat()].concat())
}

fn again(more: &[Vec<u8>]) -> Step {
    server(&more.concat())
}

#[test]
fn requests_and_responses_of_many_streams_are_paired() {
    let stats = expect(
        &[
            begin(&[request(1, "/a"), request(3, "/b")]),
            answer(&[
                response(3, END_HEADERS),
                data(3, 0, b"bb"),
                response(1, END_HEADERS),
                data(3, 0, b"BB"),
                data(1, END_STREAM, b"a"),
                data(3, END_STREAM, b""),
            ]),
        ],
        &[
            ">1 http.request #0",
            ">1 head \"GET /a HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">1 brief \"GET h/a\"",
            ">1 end",
            ">3 http.request #1",
            ">3 head \"GET /b HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">3 brief \"GET h/b\"",
            ">3 end",
            "<3 http.response #1",
            "<3 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<3 brief 200 \"200\"",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"a\"",
            "<1 end",
            "<3 body \"bbBB\"",
            "<3 end",
        ],
    );
    assert_eq!((stats.requests, stats.responses, stats.odd), (2, 2, 0));
    let emitted = 2 * "GET /a HTTP/2\r\nhost: h\r\n\r\n".len();
    assert!(
        stats.framing_bytes > emitted as u64,
        "{}",
        stats.framing_bytes
    );
}

#[test]
fn heads_come_in_parts_and_with_padding() {
    let head = get("/long");
    let (first, rest) = head.split_at(5);
    let (second, third) = rest.split_at(4);
    let padded = [&[3][..], &[0, 0, 0, 0, 9], first, &[0; 3]].concat();
    expect(
        &[
            begin(&[
                frame(1, PADDED | 0x20 | END_STREAM, 1, &padded),
                frame(9, 0, 1, second),
                frame(9, END_HEADERS, 1, third),
            ]),
            answer(&[
                response(1, END_HEADERS),
                data(1, PADDED, b"\x02ab\0\0"),
                data(1, PADDED, b"\x01\0"),
                data(1, PADDED | END_STREAM, b"\0c"),
            ]),
        ],
        &[
            ">1 http.request #0",
            ">1 head \"GET /long HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">1 brief \"GET h/long\"",
            ">1 end",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"abc\"",
            "<1 end",
        ],
    );
}

#[test]
fn interim_responses_trailers_and_uploads_are_told() {
    let post = block(&[(":method", "POST"), (":path", "/up")]);
    let typed = block(&[(":status", "200"), ("content-type", "application/grpc")]);
    let play = Play::of(
        &[
            begin(&[frame(1, END_HEADERS, 1, &post)]),
            answer(&[frame(1, END_HEADERS, 1, &block(&[(":status", "100")]))]),
            client(&data(1, 0, b"body")),
            again(&[frame(1, END_HEADERS, 1, &typed), data(1, 0, b"ok")]),
            client(&data(1, END_STREAM, b"!")),
            again(&[frame(1, WHOLE, 1, &block(&[("grpc-status", "0")]))]),
        ],
        &Cut::Whole,
    );
    assert_eq!(
        play.chart.lines(),
        [
            ">1 http.request #0",
            ">1 head \"POST /up HTTP/2\\r\\n\\r\\n\"",
            ">1 brief \"POST /up\"",
            "<1 http.response #0",
            "<1 head \"HTTP/2 100\\r\\n\\r\\n\"",
            "<1 brief 100 \"100\" interim",
            "<1 end",
            ">1 body \"body\"",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\ncontent-type: application/grpc\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"ok\"",
            ">1 body \"!\"",
            ">1 end",
            "<1 trailer \"grpc-status: 0\\r\\n\"",
            "<1 end",
        ]
    );
}

#[test]
fn a_pushed_request_is_one_of_its_client() {
    let promise = [&[0, 0, 0, 2][..], &get("/css")].concat();
    let play = Play::of(
        &[
            begin(&[request(1, "/")]),
            answer(&[
                frame(5, END_HEADERS, 1, &promise),
                response(2, WHOLE),
                response(1, WHOLE),
            ]),
        ],
        &Cut::Bytes,
    );
    assert_eq!(
        play.chart.outline(),
        [
            ">1 http.request #0",
            ">1 brief \"GET h/\"",
            ">1 end",
            ">2 http.request #1",
            ">2 brief \"GET h/css\"",
            ">2 end",
            "<2 http.response #1",
            "<2 brief 200 \"200\"",
            "<2 end",
            "<1 http.response #0",
            "<1 brief 200 \"200\"",
            "<1 end",
        ]
    );
}

#[test]
fn streams_and_connections_are_ended_early() {
    let goaway = [&unhex("00000003 00000000")[..], b"bye"].concat();
    let reset = |stream, code: u32| frame(3, 0, stream, &code.to_be_bytes());
    let play = Play::of(
        &[
            begin(&[
                request(1, "/a"),
                request(3, "/b"),
                request(5, "/c"),
                reset(5, 8),
            ]),
            answer(&[
                response(1, END_HEADERS),
                data(1, 0, b"half"),
                reset(1, 2),
                response(3, WHOLE),
                reset(3, 0),
                reset(3, 11),
                frame(7, 0, 0, &goaway),
                frame(7, 0, 0, &goaway),
            ]),
        ],
        &Cut::Whole,
    );
    let outline = play.chart.lines();
    assert_eq!(
        outline[12..],
        [
            "> http2.reset #2",
            "> head \"RST_STREAM CANCEL \\xc2\\xb7 stream 5\"",
            "> brief \"RST_STREAM CANCEL \\xc2\\xb7 stream 5\"",
            "> end",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"half\"",
            "<1 end incomplete",
            "<3 http.response #1",
            "<3 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<3 brief 200 \"200\"",
            "<3 end",
            "< http2.reset #3",
            "< head \"RST_STREAM ENHANCE_YOUR_CALM \\xc2\\xb7 stream 3\"",
            "< brief \"RST_STREAM ENHANCE_YOUR_CALM \\xc2\\xb7 stream 3\"",
            "< end",
            "< http2.goaway #4",
            "< head \"GOAWAY NO_ERROR \\xc2\\xb7 last stream 3 \\xc2\\xb7 \"",
            "< brief \"GOAWAY NO_ERROR \\xc2\\xb7 last stream 3 \\xc2\\xb7 \"",
            "< body \"bye\"",
            "< end",
        ]
    );
    assert_eq!(play.chart.bodies[0].reset, Some("INTERNAL_ERROR"));
}

#[test]
fn what_a_reset_means_depends_on_the_response() {
    let post = block(&[(":method", "POST"), (":path", "/up")]);
    let reset = |stream, code: u32| frame(3, 0, stream, &code.to_be_bytes());
    let play = Play::of(
        &[
            begin(&[
                frame(1, END_HEADERS, 1, &post),
                frame(1, END_HEADERS, 3, &post),
            ]),
            // The rest of the first upload is not needed, and the second one is not taken.
            answer(&[response(1, WHOLE), reset(1, 0), reset(3, 0)]),
        ],
        &Cut::Whole,
    );
    assert_eq!(
        play.chart.lines()[6..],
        [
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 end",
            ">1 end incomplete",
            ">3 end incomplete",
            "< http2.reset #1",
            "< head \"RST_STREAM NO_ERROR \\xc2\\xb7 stream 3\"",
            "< brief \"RST_STREAM NO_ERROR \\xc2\\xb7 stream 3\"",
            "< end",
        ]
    );
    let resets: Vec<_> = play.chart.bodies.iter().map(|body| body.reset).collect();
    assert_eq!(resets, [Some("NO_ERROR")]);
}

#[test]
fn an_upgraded_request_is_that_of_the_first_stream() {
    expect(
        &[
            client(b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"),
            server(
                &[
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n".to_vec(),
                    settings(),
                    response(1, END_HEADERS),
                    data(1, END_STREAM, b"hello"),
                ]
                .concat(),
            ),
            begin(&[request(3, "/b")]),
            again(&[response(3, WHOLE)]),
        ],
        &[
            "> http.request #0",
            "> head \"GET /a HTTP/1.1\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: \\r\\n\\r\\n\"",
            "> brief \"GET /a\"",
            "> end",
            "< http.response #0",
            "< head \"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: h2c\\r\\n\\r\\n\"",
            "< brief 101 \"101 Switching Protocols\" interim",
            "< end",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"hello\"",
            "<1 end",
            ">3 http.request #1",
            ">3 head \"GET /b HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">3 brief \"GET h/b\"",
            ">3 end",
            "<3 http.response #1",
            "<3 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<3 brief 200 \"200\"",
            "<3 end",
        ],
    );
}

#[test]
fn coded_bodies_are_decoded() {
    let gzip = crate::dissect::http::decoded::tests::gzip(b"needle");
    let head = block(&[(":status", "200"), ("content-encoding", "gzip")]);
    for cut in [Cut::Whole, Cut::Bytes] {
        let play = Play::of(
            &[
                begin(&[request(1, "/a")]),
                answer(&[
                    frame(1, END_HEADERS, 1, &head),
                    data(1, 0, &gzip[..7]),
                    data(1, END_STREAM, &gzip[7..]),
                ]),
            ],
            &cut,
        );
        let lines = play.chart.lines();
        assert_eq!(lines[lines.len() - 2..], ["<1 body \"needle\"", "<1 end"]);
    }
}

/// Entries that a header refers to, which come with the response before it.
fn indexed(stream: u32) -> [Vec<u8>; 2] {
    let put = [unhex("88 40"), b"\x01k\x01v".to_vec()].concat();
    [
        frame(1, WHOLE, stream, &put),
        frame(1, WHOLE, stream + 2, &unhex("88 be")),
    ]
}

#[test]
fn a_hole_in_data_is_nothing_but_that() {
    let [put, used] = indexed(3);
    let body = data(1, END_STREAM, b"0123456789");
    expect(
        &[
            begin(&[request(1, "/a"), request(3, "/b"), request(5, "/c")]),
            answer(&[put, response(1, END_HEADERS), body[..12].to_vec()]),
            server_gap(4),
            again(&[body[16..].to_vec(), used]),
        ],
        &[
            ">1 http.request #0",
            ">1 head \"GET /a HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">1 brief \"GET h/a\"",
            ">1 end",
            ">3 http.request #1",
            ">3 head \"GET /b HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">3 brief \"GET h/b\"",
            ">3 end",
            ">5 http.request #2",
            ">5 head \"GET /c HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">5 brief \"GET h/c\"",
            ">5 end",
            "<3 http.response #1",
            "<3 head \"HTTP/2 200\\r\\nk: v\\r\\n\\r\\n\"",
            "<3 brief 200 \"200\"",
            "<3 end",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"012\"",
            "<1 missing 4",
            "<1 body \"789\"",
            "<1 end",
            "<5 http.response #2",
            "<5 head \"HTTP/2 200\\r\\nk: v\\r\\n\\r\\n\"",
            "<5 brief 200 \"200\"",
            "<5 end",
        ],
    );
}

#[test]
fn behind_a_hole_frames_are_read_again_and_nothing_is_wrong() {
    let [put, used] = indexed(3);
    let mut play = Play::of(
        &[
            begin(&[request(1, "/a"), request(3, "/b"), request(5, "/c")]),
            answer(&[put, response(1, END_HEADERS), data(1, 0, b"one")]),
            server_gap(30),
            // In the middle of a frame, and then at the beginning of one.
            again(&[b"rest of a frame".to_vec()]),
            again(&[data(1, END_STREAM, b"two"), used]),
        ],
        &Cut::Whole,
    );
    assert_eq!(
        play.chart.lines()[16..],
        [
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 body \"one\"",
            "<1 end incomplete",
            "< tcp.burst #3",
            "< missing 30",
            "< body \"rest of a frame\"",
            "< end",
            "<1 http2.data #4",
            "<1 body \"two\"",
            "<1 end",
            "<5 http.response #2",
            "<5 head \"HTTP/2 200\\r\\n(header 62): (sent in what was not captured)\\r\\n\\r\\n\"",
            "<5 brief 200 \"200\" odd",
            "<5 end",
        ]
    );
    assert_eq!((play.stats.unknown_fields, play.stats.odd), (1, 1));
    // Requests that were lost: their responses have none.
    play.perform(
        &[
            client_gap(100),
            again(&[response(7, WHOLE)]),
            client(&request(9, "/d")),
            again(&[response(9, WHOLE)]),
        ],
        &Cut::Whole,
    );
    let outline = play.chart.outline();
    assert_eq!(
        outline[outline.len() - 12..],
        [
            "<7 http.response #?",
            "<7 brief 200 \"200\"",
            "<7 end",
            "> tcp.burst #5",
            "> missing 100",
            "> end incomplete",
            ">9 http.request #6",
            ">9 brief \"GET h/d\"",
            ">9 end",
            "<9 http.response #6",
            "<9 brief 200 \"200\"",
            "<9 end",
        ]
    );
}

#[test]
fn a_connection_is_joined_in_the_middle() {
    let steps = [
        client(&frame(1, WHOLE, 9, &unhex("82 be bf"))),
        again(&[
            frame(1, END_HEADERS, 9, &unhex("88 c0")),
            data(9, END_STREAM, b"text"),
        ]),
    ];
    for cut in [Cut::Whole, Cut::Bytes] {
        let mut play = Play {
            midstream: true,
            ..Play::default()
        };
        play.perform(&steps, &cut);
        let unknown = |index| format!("(header {index}): (sent before the capture began)\\r\\n");
        assert_eq!(
            play.chart.lines(),
            [
                ">9 http.request #0".to_owned(),
                format!(
                    ">9 head \"GET ? HTTP/2\\r\\n{}{}\\r\\n\"",
                    unknown(62),
                    unknown(63)
                ),
                ">9 brief \"GET ?\" odd".to_owned(),
                ">9 end".to_owned(),
                "<9 http.response #0".to_owned(),
                format!("<9 head \"HTTP/2 200\\r\\n{}\\r\\n\"", unknown(64)),
                "<9 brief 200 \"200\" odd".to_owned(),
                "<9 body \"text\"".to_owned(),
                "<9 end".to_owned(),
            ]
        );
    }
}

#[test]
fn odd_frames_are_passed_over() {
    let stats = expect(
        &[
            begin(&[
                // Padding that is longer than its frame, a head without a stream, a stray part.
                frame(1, PADDED | WHOLE, 1, b"\x09ab"),
                frame(1, WHOLE, 0, b"\x82"),
                frame(9, END_HEADERS, 1, b"\x82"),
                // A reset of three bytes, an extension, data without a stream.
                frame(3, 0, 1, b"abc"),
                frame(0xfa, 0xff, 1, b"anything"),
                data(0, 0, b"lost"),
                request(1, "/a"),
            ]),
            answer(&[frame(2, 0, 1, b"short"), response(1, WHOLE)]),
        ],
        &[
            "> http2.data #0",
            "> body \"lost\"",
            "> end",
            ">1 http.request #1",
            ">1 head \"GET /a HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">1 brief \"GET h/a\"",
            ">1 end",
            "<1 http.response #1",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 end",
        ],
    );
    assert_eq!(stats.odd, 5);
}

#[test]
fn what_is_no_frame_is_raw() {
    let play = Play::of(
        &[
            begin(&[request(1, "/a")]),
            answer(&[
                response(1, END_HEADERS),
                b"this is no frame of HTTP/2".to_vec(),
            ]),
            SERVER_END,
            CLIENT_END,
        ],
        &Cut::Whole,
    );
    assert_eq!(
        play.chart.lines()[7..],
        [
            "<1 end incomplete",
            "< tcp.burst #1",
            "< body \"this is no frame of HTTP/2\"",
            "< end",
        ]
    );
    assert_eq!(play.stats.malformed, 1);
}

#[test]
fn floods_are_bounded_and_counted() {
    // A head of any number of parts.
    let mut flood = vec![frame(1, END_STREAM, 1, &get("/a"))];
    flood.extend((0..200).map(|_| frame(9, 0, 1, &[0x82; 1000])));
    flood.push(frame(9, END_HEADERS, 1, &[0x82]));
    flood.push(request(3, "/b"));
    let play = Play::of(&[begin(&flood)], &Cut::Whole);
    let outline = play.chart.outline();
    assert_eq!(
        outline[outline.len() - 3..],
        [">3 http.request #1", ">3 brief \"GET h/b\"", ">3 end"]
    );
    assert_eq!((play.stats.malformed, play.stats.header_bombs), (1, 1));
    // Requests that are taken back at once.
    let reset = |stream| [request(stream, "/"), frame(3, 0, stream, &[0, 0, 0, 8])].concat();
    let flood: Vec<_> = (0..3000).map(|at| reset(at * 2 + 1)).collect();
    let play = Play::of(&[begin(&flood)], &Cut::Whole);
    assert_eq!(
        (play.stats.requests, play.stats.streams_forgotten),
        (3000, 0)
    );
    // Requests without an end, and those whose responses do not come.
    let open = |stream, flags| frame(1, flags, stream, &get("/"));
    for flags in [END_HEADERS, WHOLE] {
        let many = STREAMS as u32 + 10;
        let flood: Vec<_> = (0..many).map(|at| open(at * 2 + 1, flags)).collect();
        let play = Play::of(&[begin(&flood), CLIENT_END], &Cut::Whole);
        assert_eq!(play.stats.streams_forgotten, 10);
        assert!(play.chart.is_quiet());
    }
    // Fields that swell.
    let mut bomb = unhex("82 84 40 01 61 7f d11e");
    bomb.extend([b'x'; 4000]);
    bomb.extend([0xbe; 10_000]);
    let play = Play::of(&[begin(&[frame(1, WHOLE, 1, &bomb)])], &Cut::Whole);
    assert_eq!((play.stats.header_bombs, play.stats.requests), (1, 1));
    assert!(play.chart.bytes < 70_000);
}

#[test]
fn a_stream_may_carry_websocket() {
    let connect = block(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":path", "/chat"),
        (":authority", "h"),
    ]);
    let agreed = block(&[(":status", "200")]);
    let (text, masked) = (b"\x81\x05hello", b"\x81\x82\x01\x01\x01\x01ih");
    let stats = expect(
        &[
            begin(&[frame(1, END_HEADERS, 1, &connect), request(3, "/other")]),
            answer(&[frame(1, END_HEADERS, 1, &agreed), data(1, 0, &text[..4])]),
            again(&[data(1, 0, &text[4..]), response(3, WHOLE)]),
            client(&data(
                1,
                0,
                &[&masked[..], b"\x89\x80\x01\x01\x01\x01"].concat(),
            )),
            client(&data(1, END_STREAM, b"\x88\x82\0\0\0\0\x03\xe8")),
            again(&[data(1, END_STREAM, b"\x88\x02\x03\xe8")]),
        ],
        &[
            ">1 http.request #0",
            ">1 head \"CONNECT /chat HTTP/2\\r\\nhost: h\\r\\n:protocol: websocket\\r\\n\\r\\n\"",
            ">1 brief \"CONNECT h/chat\"",
            ">1 end",
            ">3 http.request #1",
            ">3 head \"GET /other HTTP/2\\r\\nhost: h\\r\\n\\r\\n\"",
            ">3 brief \"GET h/other\"",
            ">3 end",
            "<1 http.response #0",
            "<1 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<1 brief 200 \"200\"",
            "<1 end",
            "<1 ws.text #2",
            "<1 body \"hello\"",
            "<1 end",
            "<3 http.response #1",
            "<3 head \"HTTP/2 200\\r\\n\\r\\n\"",
            "<3 brief 200 \"200\"",
            "<3 end",
            ">1 ws.text #3",
            ">1 body \"hi\"",
            ">1 end",
            ">2147483649 ws.ping #4",
            ">2147483649 end",
            ">2147483649 ws.close #5",
            ">2147483649 head \"1000 normal closure\"",
            ">2147483649 brief \"1000 normal closure\"",
            ">2147483649 end",
            "<2147483649 ws.close #6",
            "<2147483649 head \"1000 normal closure\"",
            "<2147483649 brief \"1000 normal closure\"",
            "<2147483649 end",
        ],
    );
    assert_eq!((stats.odd, stats.malformed), (0, 0));
    // One that is refused is answered like any other request; a reset ends what is open.
    let refused = block(&[(":status", "404")]);
    let play = Play::of(
        &[
            begin(&[
                frame(1, END_HEADERS, 1, &connect),
                frame(1, END_HEADERS, 3, &connect),
            ]),
            answer(&[
                frame(1, END_HEADERS, 1, &refused),
                data(1, END_STREAM, b"no"),
                frame(1, END_HEADERS, 3, &agreed),
                data(3, 0, b"\x01\x02ab"),
                frame(3, 0, 3, &[0, 0, 0, 8]),
            ]),
        ],
        &Cut::Whole,
    );
    let outline = play.chart.outline();
    let expected = [
        "<1 http.response #0",
        "<1 brief 404 \"404\"",
        "<1 end",
        "<3 http.response #1",
        "<3 brief 200 \"200\"",
        "<3 end",
        "<3 ws.text #2",
        "<3 end incomplete",
        "< http2.reset #1",
    ];
    assert!(
        outline.windows(expected.len()).any(|part| part == expected),
        "{outline:#?}"
    );
}

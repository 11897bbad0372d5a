//! The talk's questions, asked of real programs: which word is in a body however it was coded and
//! cut, who is slow, what is waited for.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::Signal;

use crate::frames::{ACK, PSH, SYN, tcp, write};
use crate::live::Listening;
use crate::{run, scratch, spygrep, text};

/// A capture of an answer whose gzip body comes in chunks of 17 bytes, in segments of one byte.
fn finely_cut(folder: &Path) -> PathBuf {
    let mut coder = GzEncoder::new(Vec::new(), Compression::best());
    let hay = "<li>nothing here</li>\n".repeat(40);
    write!(coder, "{hay}<li>the needle</li>\n{hay}").expect("a vector takes all");
    let coded = coder.finish().expect("a vector takes all");
    let mut response =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for chunk in coded.chunks(17) {
        response.extend(format!("{:x}\r\n", chunk.len()).bytes());
        response.extend(chunk);
        response.extend(b"\r\n");
    }
    response.extend(b"0\r\n\r\n");
    let ask = b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut packets = vec![
        tcp(true, 40_000, SYN, 99, 0, b""),
        tcp(false, 40_000, SYN | ACK, 499, 100, b""),
        tcp(true, 40_000, PSH | ACK, 100, 500, ask),
    ];
    let acked = 100 + u32::try_from(ask.len()).expect("short");
    for (at, byte) in (500_u32..).zip(&response) {
        packets.push(tcp(false, 40_000, PSH | ACK, at, acked, &[*byte]));
    }
    let path = folder.join("cut.pcap");
    write(&path, &packets);
    path
}

#[test]
fn a_word_in_a_coded_body_is_found_however_it_was_cut() {
    let path = finely_cut(&scratch("coded"));
    let path = path.display();
    let spy = run(&format!("-q --color=always needle {path}"));
    let shown = text(&spy.stdout);
    assert!(
        shown.contains("<li>the \x1b[1m\x1b[31mneedle\x1b[0m</li>"),
        "{shown}"
    );
    assert_eq!(
        text(&run(&format!("-q -o needle {path}")).stdout),
        "needle\n"
    );
    let json = text(&run(&format!("-q --json needle {path}")).stdout);
    let found = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON"))
        .find(|line| line["type"] == "match")
        .expect("the answer matches");
    let body = &found["data"]["body"];
    let word = &found["data"]["submatches"][0];
    let (start, end) = (word["start"].as_u64(), word["end"].as_u64());
    assert_eq!(
        (&word["where"], &word["match"]["text"]),
        (&"body".into(), &"needle".into())
    );
    let range = usize::try_from(start.unwrap()).unwrap()..usize::try_from(end.unwrap()).unwrap();
    assert_eq!(&body["text"].as_str().expect("it is text")[range], "needle");
    assert_eq!(body["encoding"], "gzip");
}

#[test]
#[ignore = "needs root: captures on lo"]
fn who_is_waited_for_is_told_when_the_run_ends_before_the_response() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let listening = Listening::start(&["", "tcp", "port", &port.to_string()]);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    client
        .write_all(b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n")
        .expect("sent");
    listening.wait_for("GET /slow");
    std::thread::sleep(Duration::from_millis(300));
    let (status, said) = listening.end(Signal::SIGINT);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 request has no response yet:"), "{said}");
    assert!(said.contains("#1 GET shop/slow"), "{said}");
    assert!(
        said.contains("34 B sent and acknowledged; the server has not sent a byte back"),
        "{said}"
    );
}

/// A capture of two interfaces may have the acknowledgement in front of what it acknowledges.
#[test]
fn a_question_is_acknowledged_whichever_was_captured_first() {
    let path = scratch("acknowledged").join("late.pcap");
    let request = b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n";
    let end = 1001 + request.len() as u32;
    let packets = [
        tcp(true, 40_000, SYN, 1000, 0, b""),
        tcp(false, 40_000, SYN | ACK, 5000, 1001, b""),
        tcp(false, 40_000, ACK, 5001, end, b""),
        tcp(true, 40_000, PSH | ACK, 1001, 5001, request),
    ];
    write(&path, &packets);
    for threads in [1, 2] {
        let output = run(&format!("--threads {threads} slow {}", path.display()));
        let said = text(&output.stderr);
        assert!(said.contains("34 B sent and acknowledged;"), "{said}");
    }
}

#[test]
#[ignore = "needs root: captures on lo"]
fn a_slow_request_is_shown_as_soon_as_it_is_slow() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let port_word = port.to_string();
    let listening = Listening::start(&["--slow", "300ms", "", "tcp", "port", &port_word]);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let (mut connection, _) = server.accept().expect("accepted");
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let mut got = [0; 1000];
    for path in ["/fast", "/slow"] {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.write_all(ask.as_bytes()).expect("sent");
        assert!(connection.read(&mut got).expect("it came") > 0);
        if path == "/slow" {
            // No answer yet, and shown all the same; the fast one is not.
            let lines = listening.wait_for("GET /slow");
            assert!(
                !lines.iter().any(|line| line.contains("/fast")),
                "{lines:?}"
            );
        }
        connection.write_all(response).expect("sent");
        assert!(client.read(&mut got).expect("it came") > 0);
    }
    listening.wait_for("200 OK");
    assert_eq!(listening.end(Signal::SIGTERM).0, Some(0));
}

#[test]
#[ignore = "needs root: captures on lo"]
fn an_event_stream_is_searched_while_it_runs() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let listening = Listening::start(&["tick-2", "tcp", "port", &port.to_string()]);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let (mut connection, _) = server.accept().expect("accepted");
    client
        .write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
    connection
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
        )
        .expect("sent");
    for number in 0..4 {
        write!(coder, "data: tick-{number}\n\n").expect("a vector takes all");
        coder.flush().expect("a vector takes all");
        connection.write_all(coder.get_ref()).expect("sent");
        coder.get_mut().clear();
    }
    // The connection is open, and will be.
    listening.wait_for("data: tick-2");
    assert_eq!(listening.end(Signal::SIGTERM).0, Some(0));
}

#[test]
fn conditions_hold_on_exchanges() {
    let lines = |arguments: &str| {
        let output = spygrep()
            .args(arguments.split(' '))
            .args(["-q", "-W", "log", "-I", "pcaps/http-keepalive.pcap"])
            .output()
            .expect("the program starts");
        (output.status.code(), text(&output.stdout).lines().count())
    };
    let (status, all) = lines("--status 100-599");
    assert_eq!(status, Some(0));
    assert!(all > 1);
    assert_eq!(lines("--status 5xx").0, Some(1));
    assert_eq!(lines("--method post,put").0, Some(1));
    assert_eq!(lines("--method get").1, all);
    assert_eq!(lines("--host nowhere").0, Some(1));
    assert_eq!(lines("--host 127.*,localhost").1, all);
    assert_eq!(lines("--header nobody-sends-this").0, Some(1));
    assert_eq!(lines("--header user-agent:curl").1, all);
    assert_eq!(lines("--slow 1m").0, Some(1));
}

#[test]
fn conditions_go_with_patterns_and_halves() {
    let of = |arguments: &str| {
        let output = run(&format!("-q {arguments} pcaps/french-website.pcap"));
        (output.status.code(), text(&output.stdout))
    };
    let (_, both) = of("--header accept-language ''");
    assert!(
        both.contains("GET / HTTP/1.1") && both.contains("Hello"),
        "{both}"
    );
    assert!(
        !both.contains("curl/") && !both.contains("Bonjour"),
        "{both}"
    );
    let (_, requests) = of("--only req ''");
    assert!(
        requests.contains("curl/") && !requests.contains("200 OK"),
        "{requests}"
    );
    let (_, responses) = of("--only resp ''");
    assert!(
        responses.contains("200 OK") && !responses.contains("curl/"),
        "{responses}"
    );
    let (status, _) = of("--only resp curl");
    assert_eq!(status, Some(1), "the other half is not searched");
    let (_, word) = of("--status 200 Bonjour");
    assert!(
        word.contains("Bonjour") && word.contains("-> GET localhost:5000/"),
        "{word}"
    );
    assert_eq!(of("--status 404 Bonjour").0, Some(1));
    let (_, midstream) = of("--status 200 --and Host curl");
    assert!(midstream.contains("curl/"), "{midstream}");
}

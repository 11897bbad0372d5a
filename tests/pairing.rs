//! Which response is whose, when it was over, and what a capture cannot tell: connections made to
//! order, and spoilt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::frames::{ACK, Numbers, PSH, SYN, tcp, write_at};
use super::{run, scratch, text};

const FIN: u8 = 1;
const RST: u8 = 4;

/// A connection from the client's `port`, as a tap in its middle sees it.
struct Line {
    port: u16,
    /// Milliseconds.
    now: u32,
    /// The next sequence numbers of client and server.
    next: [u32; 2],
    packets: Vec<(u32, Vec<u8>)>,
}

impl Line {
    /// One behind its handshake.
    fn new(port: u16, now: u32) -> Self {
        let mut line = Self::midstream(port, now);
        let [client, server] = line.next;
        line.packets = vec![
            (now, tcp(true, port, SYN, client - 1, 0, b"")),
            (now, tcp(false, port, SYN | ACK, server - 1, client, b"")),
            (now, tcp(true, port, ACK, client, server, b"")),
        ];
        line
    }

    /// One whose handshake was not captured.
    fn midstream(port: u16, now: u32) -> Self {
        Self {
            port,
            now,
            // The server's numbers begin anew soon.
            next: [100 + 7_000 * now, u32::MAX - 59 - 7_000 * now],
            packets: Vec::new(),
        }
    }

    /// A side sends; it has received all that the other one has sent.
    fn send(&mut self, up: bool, flags: u8, bytes: &[u8]) -> &mut Self {
        let [own, peer] = if up { [0, 1] } else { [1, 0] };
        let packet = tcp(
            up,
            self.port,
            flags | ACK,
            self.next[own],
            self.next[peer],
            bytes,
        );
        self.packets.push((self.now, packet));
        let len = bytes.len() + usize::from(flags & FIN > 0);
        self.next[own] = self.next[own].wrapping_add(u32::try_from(len).expect("it is short"));
        self
    }

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.send(true, PSH, bytes)
    }

    fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.send(false, PSH, bytes)
    }

    /// What was sent last was not captured.
    fn lost(&mut self) -> &mut Self {
        self.packets.pop();
        self
    }

    fn wait(&mut self, millis: u32) -> &mut Self {
        self.now += millis;
        self
    }

    fn ask(&mut self, path: &str) -> &mut Self {
        self.client(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())
    }

    fn response(&mut self, status: u16) -> &mut Self {
        let text = format!("HTTP/1.1 {status} Words\r\nContent-Length: 5\r\n\r\nhello");
        self.server(text.as_bytes())
    }

    fn write(&self, path: &Path) {
        write_at(
            path,
            self.packets.iter().map(|(now, packet)| (*now, packet)),
        );
    }
}

/// The messages that are told of a capture, on one thread and on two.
fn told(arguments: &str, path: &Path) -> Vec<Value> {
    let of = |threads: u8| {
        let arguments = format!(
            "-q --threads {threads} --json {arguments} {}",
            path.display()
        );
        text(&run(&arguments).stdout)
    };
    let lines = of(1);
    assert_eq!(lines, of(2), "{}", path.display());
    lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .filter(|event| event["type"] == "match" && event["data"]["http"].is_object())
        .map(|event| event["data"].clone())
        .collect()
}

/// The exchanges of a capture: `GET /a 200`, `-` for what is not there, `?` behind a response to
/// one of several requests.
fn exchanges(path: &Path) -> Vec<String> {
    let mut found: BTreeMap<u64, [String; 2]> = BTreeMap::new();
    for message in told("''", path) {
        let number = message["id"].as_u64().expect("a number");
        let halves = found
            .entry(number)
            .or_insert(["-".to_owned(), "-".to_owned()]);
        let http = &message["http"];
        if message["kind"] == "http.request" {
            let target = http["target"].as_str().unwrap_or_default();
            halves[0] = format!("{} {target}", http["method"].as_str().unwrap_or_default());
        } else {
            let marks = message["marks"].as_array().expect("a list");
            let unsure = if marks.contains(&"unpaired".into()) {
                "?"
            } else {
                ""
            };
            halves[1] = format!("{}{unsure}", http["status"]);
        }
    }
    found.into_values().map(|halves| halves.join(" ")).collect()
}

fn file(name: &str) -> PathBuf {
    scratch("pairing").join(name)
}

#[test]
fn behind_a_loss_the_next_exchange_is_paired_again() {
    let path = scratch("pairing-lost").join("lost.pcap");
    let check = |name: &str, line: &Line, want: &[&str]| {
        line.write(&path);
        let mut got = exchanges(&path);
        got.sort();
        let mut want = want.to_vec();
        want.sort_unstable();
        assert_eq!(got, want, "{name}");
    };
    for (begun, name) in [
        (true, "with its handshake"),
        (false, "joined in the middle"),
    ] {
        let new = || {
            if begun {
                Line::new(40_000, 0)
            } else {
                Line::midstream(40_000, 0)
            }
        };
        let mut line = new();
        line.ask("/a")
            .response(201)
            .lost()
            .wait(9)
            .ask("/b")
            .response(202)
            .wait(9);
        line.ask("/c").response(203).send(true, FIN, b"");
        check(name, &line, &["GET /a -", "GET /b 202", "GET /c 203"]);

        let mut line = new();
        line.ask("/a")
            .lost()
            .response(201)
            .wait(9)
            .ask("/b")
            .response(202)
            .wait(9);
        line.ask("/c")
            .lost()
            .response(203)
            .wait(9)
            .ask("/d")
            .response(404)
            .send(true, FIN, b"");
        check(name, &line, &["- 201", "GET /b 202", "- 203", "GET /d 404"]);

        let mut line = new();
        line.ask("/a")
            .response(201)
            .lost()
            .wait(9)
            .ask("/b")
            .lost()
            .response(202)
            .wait(9);
        line.ask("/c")
            .response(203)
            .wait(9)
            .ask("/d")
            .response(404)
            .send(true, FIN, b"");
        // Without the handshake nobody knows that the first response is missing in front of it.
        let second = if begun { "- 202" } else { "- 202?" };
        let want = ["GET /a -", second, "GET /c 203", "GET /d 404"];
        check(name, &line, &want);
    }
    // In a pipelined run what was lost leaves several choices, until the last one.
    let mut line = Line::new(40_000, 0);
    let received = line.next[1];
    for asked in ["/a", "/b", "/c", "/d"] {
        line.ask(asked);
    }
    line.response(201)
        .lost()
        .response(202)
        .response(203)
        .response(404)
        .wait(9);
    line.ask("/e").response(405).send(true, FIN, b"");
    assert_ne!(received, line.next[1]);
    let want = [
        "GET /a -",
        "GET /b -",
        "GET /c -",
        "GET /d 404",
        "- 202?",
        "- 203?",
        "GET /e 405",
    ];
    check("pipelined", &line, &want);
    // Whether the first request is that of the first response cannot be known when another one was
    // lost in front of it.
    let mut line = Line::new(40_000, 0);
    line.ask("/a")
        .lost()
        .ask("/b")
        .response(201)
        .response(202)
        .send(true, FIN, b"");
    check("pipelined", &line, &["GET /b -", "- 201?", "- 202?"]);
}

#[test]
fn files_of_one_direction_each_are_paired_by_their_numbers() {
    let folder = scratch("pairing-files");
    let mut line = Line::new(40_000, 0);
    for (path, status) in [("/a", 201), ("/b", 202), ("/c", 203), ("/d", 404)] {
        line.ask(path).response(status).wait(9);
    }
    let sides = [true, false].map(|up| {
        let from = if up { 1 } else { 2 };
        let own = line.packets.iter().filter(|(_, packet)| packet[15] == from);
        own.cloned().collect::<Vec<_>>()
    });
    let both = [[0, 1], [1, 0]].map(|order| {
        let path = folder.join(format!("{}.pcap", order[0]));
        let packets = order.iter().flat_map(|side| &sides[*side]);
        write_at(&path, packets.map(|(now, packet)| (*now, packet)));
        exchanges(&path)
    });
    assert_eq!(
        both[0],
        ["GET /a 201", "GET /b 202", "GET /c 203", "GET /d 404"]
    );
    // Nothing is known of the requests when the responses are told.
    assert!(
        both[1].iter().all(|exchange| exchange.contains('-')),
        "{both:?}"
    );
}

/// Kept connections of one exchange after the other, or of some at once, of which packets are lost:
/// how many responses are paired rightly, wrongly, and with nothing.
fn lossy(path: &Path, seed: u64, depth: usize, lost_of_1000: usize) -> [usize; 3] {
    let mut numbers = Numbers(seed);
    let mut packets = Vec::new();
    for port in 40_000..40_030 {
        let mut line = Line::new(port, u32::from(port - 40_000) * 3);
        let mut number = 0;
        while number < 24 {
            let many = 1 + numbers.below(depth);
            for at in number..number + many {
                let fill = "x".repeat([0, 0, 3, 40][numbers.below(4)]);
                line.ask(&format!("/{port}/{at}/{fill}"));
            }
            for at in number..number + many {
                let body = "y".repeat([0, 10, 300][numbers.below(3)]);
                let id = format!("/{port}/{at}/");
                let head = format!(
                    "HTTP/1.1 200 OK\r\nX-Id: {id}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                line.server((head + &body).as_bytes());
            }
            line.wait(50 + u32::try_from(numbers.below(50)).expect("it is little"));
            number += many;
        }
        line.send(true, FIN, b"")
            .send(false, FIN, b"")
            .send(true, 0, b"");
        packets.append(&mut line.packets);
    }
    packets.retain(|_| numbers.below(1000) >= lost_of_1000);
    packets.sort_by_key(|(now, _)| *now);
    write_at(path, packets.iter().map(|(now, packet)| (*now, packet)));
    let mut asked = BTreeMap::new();
    let mut count = [0; 3];
    for message in told("''", path) {
        let number = message["id"].as_u64();
        if message["kind"] == "http.request" {
            asked.insert(
                number,
                message["http"]["target"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
            continue;
        }
        if message["http"]["status"].is_null() {
            // Why there is no response.
            continue;
        }
        let headers = message["http"]["headers"].as_array().expect("a list");
        let id = headers.iter().find(|field| field[0] == "X-Id");
        let id = id
            .and_then(|field| field[1]["text"].as_str())
            .expect("each has one");
        count[match asked.get(&number) {
            Some(target) if target.starts_with(id) => 0,
            Some(_) => 1,
            None => 2,
        }] += 1;
    }
    count
}

#[test]
fn no_pair_is_wrong_whatever_is_lost() {
    let path = scratch("pairing-lossy").join("lossy.pcap");
    // Of about 720 responses, so many are paired rightly at least.
    for (depth, lost, least) in [
        (1, 0, 720),
        (1, 1, 715),
        (1, 5, 705),
        (1, 10, 690),
        (1, 20, 670),
        (1, 50, 600),
        (4, 0, 720),
        (4, 1, 650),
        (4, 5, 500),
        (4, 10, 400),
        (4, 20, 250),
    ] {
        for seed in 1..=3 {
            let [right, wrong, _] = lossy(&path, seed, depth, lost);
            assert_eq!(wrong, 0, "depth {depth}, {lost} of 1000 lost, seed {seed}");
            assert!(
                right >= least,
                "{right} right: depth {depth}, {lost} of 1000 lost, seed {seed}"
            );
        }
    }
}

/// One of the times of the exchange that asked for `path`, in milliseconds.
fn millis(path: &Path, target: &str, part: &str) -> f64 {
    let all = told("''", path);
    let number = &all
        .iter()
        .find(|message| message["http"]["target"] == target)
        .expect(target)["id"];
    let response = all
        .iter()
        .find(|message| message["id"] == *number && message["timing"].is_object());
    response.expect("it was answered")["timing"][part]
        .as_f64()
        .expect(part)
        * 1000.0
}

#[test]
fn a_message_ends_with_its_last_byte_and_not_when_that_is_believed() {
    let path = file("ends.pcap");
    let endless = b"HTTP/1.1 200 OK\r\n\r\nso far";
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nso far";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nso far\r\n";
    let begun = || {
        let mut line = Line::new(40_000, 0);
        line.ask("/a").wait(2);
        line
    };
    let mut rows = Vec::new();
    for response in [&endless[..], long, chunked] {
        for up in [false, true] {
            let mut line = begun();
            line.server(response).wait(1).send(up, RST, b"");
            // Another one shows that time has passed.
            let mut other = Line::new(41_000, 5000);
            other.ask("/b").wait(1).response(200);
            line.packets.append(&mut other.packets);
            rows.push(("a reset", line, "/a", "total", 2.0));
        }
        let mut line = begun();
        line.server(response).wait(20_000);
        let mut again = Line::new(40_000, line.now);
        again.ask("/b").wait(1).response(200);
        line.packets.append(&mut again.packets);
        rows.push(("the same ports again", line, "/a", "total", 2.0));
    }
    let body = [b'x'; 700];
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1400\r\n\r\n";
    let mut line = begun();
    line.server(head).server(&body).wait(1).server(&body).lost();
    line.wait(1)
        .send(true, 0, b"")
        .wait(600)
        .send(true, FIN, b"");
    rows.push(("a lost tail", line, "/a", "total", 4.0));
    // A tail that nobody acknowledges may have come at any time.
    let mut line = begun();
    line.server(head).server(&body).wait(30_000);
    let mut other = Line::new(41_000, line.now);
    other.ask("/b").response(200);
    line.packets.append(&mut other.packets);
    rows.push(("a tail that did not come", line, "/a", "total", 2.0));
    let mut line = begun();
    line.server(chunked)
        .wait(1)
        .server(&body)
        .lost()
        .server(b"3\r\nend\r\n0\r\n\r\n");
    line.wait(500).ask("/b").response(200).send(true, FIN, b"");
    rows.push(("a hole across chunks", line, "/a", "total", 3.0));
    // The server has all of the request 50 ms before it answers.
    let mut line = Line::new(40_000, 0);
    line.client(b"POST /a HTTP/1.1\r\nContent-Length: 1400\r\n\r\n")
        .client(&body)
        .wait(1);
    line.client(&body)
        .lost()
        .wait(1)
        .send(false, 0, b"")
        .wait(50)
        .response(200)
        .wait(9);
    line.ask("/b").response(200).send(true, FIN, b"");
    for (part, want) in [("send", 2.0), ("wait", 50.0)] {
        let line = Line {
            packets: line.packets.clone(),
            ..line
        };
        rows.push(("the lost tail of a request", line, "/a", part, want));
    }
    for (name, line, target, part, want) in rows {
        line.write(&path);
        let got = millis(&path, target, part);
        assert!(
            (got - want).abs() < 0.01,
            "{name}: {part} {got}, wanted {want}"
        );
    }
}

#[test]
fn of_a_direction_that_was_not_captured_nothing_is_claimed() {
    let path = scratch("pairing-one-sided").join("up.pcap");
    let said = |line: &Line, arguments: &str| {
        line.write(&path);
        let output = run(&format!("{arguments} {}", path.display()));
        text(&output.stderr) + &text(&output.stdout)
    };
    let mut line = Line::new(40_000, 0);
    line.ask("/a")
        .response(200)
        .send(true, 0, b"")
        .send(true, FIN, b"");
    let all = line.packets.clone();
    line.packets.retain(|(_, packet)| packet[15] == 1);
    let got = said(&line, "GET");
    assert!(
        got.contains("1 request has no response in the capture:"),
        "{got}"
    );
    assert!(
        got.contains("sent; a response came, which was not captured"),
        "{got}"
    );
    assert!(
        !got.contains("not acknowledged") && !got.contains("so far"),
        "{got}"
    );
    assert!(said(&line, "-W log ''").contains("response not captured"));
    // Only its FIN, and nothing else.
    let mut silent = Line::new(40_000, 0);
    silent
        .ask("/a")
        .send(false, FIN, b"")
        .lost()
        .send(true, 0, b"");
    silent.packets.retain(|(_, packet)| packet[15] == 1);
    let got = said(&silent, "GET");
    assert!(
        got.contains("sent; no packet of the server was captured"),
        "{got}"
    );
    // The handshake was: it is known that nothing came.
    let mut line = Line::new(40_000, 0);
    line.ask("/a");
    let got = said(&line, "GET");
    assert!(
        got.contains("not acknowledged; the server has not sent a byte back"),
        "{got}"
    );
    assert!(said(&line, "-W log ''").contains("no response"));
    // Something was lost.
    let mut line = Line::new(40_000, 0);
    line.packets = all;
    line.packets
        .retain(|(_, packet)| packet.len() < 80 || packet[15] == 1);
    assert!(said(&line, "-W log ''").contains("response unknown"));
}

#[test]
fn the_response_to_a_head_that_was_not_captured_has_no_body() {
    let path = scratch("pairing-head").join("head.pcap");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n";
    let mut line = Line::new(40_000, 0);
    for _ in 0..2 {
        line.client(b"HEAD / HTTP/1.1\r\n\r\n")
            .lost()
            .server(head)
            .wait(5);
        line.ask("/").lost().response(201).wait(5);
    }
    line.ask("/").lost().server(head).wait(1);
    line.server(&[b'x'; 400])
        .wait(1)
        .ask("/")
        .lost()
        .response(202);
    line.packets.retain(|(_, packet)| packet[15] == 2);
    line.write(&path);
    let sizes: Vec<_> = told("''", &path)
        .iter()
        .map(|message| {
            (
                message["http"]["status"].as_u64(),
                message["body"]["size"].as_u64(),
            )
        })
        .collect();
    let want = [(200, 0), (201, 5), (200, 0), (201, 5), (200, 400), (202, 5)];
    assert_eq!(sizes, want.map(|(status, size)| (Some(status), Some(size))));
}

#[test]
fn a_request_that_is_refused_before_its_end_is_kept_as_far_as_it_came() {
    let path = scratch("pairing-refused").join("refused.pcap");
    let mut line = Line::new(40_000, 0);
    line.client(b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n")
        .client(b"begun");
    line.response(413)
        .wait(3)
        .client(b", more")
        .send(false, RST, b"");
    line.write(&path);
    let output = run(&format!("-q --har - {}", path.display()));
    let archive: Value = serde_json::from_str(&text(&output.stdout)).expect("an archive");
    let entries = archive["log"]["entries"].as_array().expect("a list");
    assert_eq!(entries.len(), 1);
    let request = &entries[0]["request"];
    assert_eq!(
        (&request["method"], &request["url"]),
        (&"POST".into(), &"http://h/up".into())
    );
    assert_eq!(request["headers"].as_array().map(Vec::len), Some(2));
    assert_eq!(request["postData"]["text"], "begun");
    assert_eq!(request["postData"]["comment"], "it is incomplete");
    assert_eq!(entries[0]["response"]["status"], 413);
    let output = run(&format!("--curl 1 {}", path.display()));
    assert!(
        text(&output.stderr).contains("the response came before the body was complete"),
        "{output:?}"
    );
    // Wanted for what it says itself, it is there as well.
    let output = run(&format!("-q -W log begun {}", path.display()));
    assert!(text(&output.stdout).contains("413"), "{output:?}");
    let output = run(&format!("-q --pair hello {}", path.display()));
    assert!(
        text(&output.stdout).contains("POST /up HTTP/1.1"),
        "{output:?}"
    );
    // It is shown once where it matches as well.
    let output = run(&format!("-q --pair '' {}", path.display()));
    let shown = text(&output.stdout);
    assert_eq!(shown.matches("POST /up HTTP/1.1").count(), 1, "{shown}");
}

#[test]
fn a_pair_of_a_connection_that_was_joined_in_the_middle_is_marked_as_likely() {
    let folder = scratch("pairing-likely");
    for midstream in [true, false] {
        let path = folder.join(format!("{midstream}.pcap"));
        let mut line = match midstream {
            true => Line::midstream(40_000, 0),
            false => Line::new(40_000, 0),
        };
        for _ in 0..2 {
            line.client(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                .response(200);
        }
        line.write(&path);
        let shown = |arguments: &str| {
            let command = format!("-q {arguments} {}", path.display());
            text(&run(&command).stdout)
        };
        let responses = if midstream { 2 } else { 0 };
        for (arguments, mark) in [
            ("--json ''", r#""marks":["likely_pair"]"#),
            ("''", "[its request is likely]"),
            ("-W log", "[its request is likely]"),
            ("--har -", "its request is likely, and not certain"),
        ] {
            let shown = shown(arguments);
            let marks = shown.matches(mark).count();
            assert_eq!(marks, responses, "joined {midstream}: {arguments}\n{shown}");
        }
    }
}

//! On loopback, with real sockets. Ignored unless asked for: capturing needs root.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{needs_root, spygrep, text};

/// Long enough for the slowest machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program, listening on `lo`; its lines as they come.
pub(crate) struct Listening {
    pub(crate) child: Child,
    lines: mpsc::Receiver<String>,
}

impl Listening {
    /// Start, and wait until it listens. Panics without root.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        needs_root();
        let mut command = spygrep();
        command.args(["-d", "lo"]).args(arguments);
        Self::of(command)
    }

    /// Start this command, and wait until it listens.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut banner = String::new();
        BufReader::new(child.stderr.as_mut().expect("piped"))
            .read_line(&mut banner)
            .expect("it speaks");
        assert!(banner.starts_with("spygrep: lo"), "{banner}");
        let (send, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        Self { child, lines }
    }

    /// Wait for a line that contains `part`; all lines up to it.
    pub(crate) fn wait_for(&self, part: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(part)) {
            let line = self.lines.recv_timeout(PATIENCE);
            seen.push(line.unwrap_or_else(|_| panic!("no line with {part:?} in {seen:?}")));
        }
        seen
    }

    /// End the run; what it still writes on standard output.
    pub(crate) fn ends_with(mut self) -> String {
        let id = i32::try_from(self.child.id()).expect("it has an id");
        kill(Pid::from_raw(id), Signal::SIGINT).expect("it is there");
        let lines: Vec<String> = self.lines.iter().collect();
        let _ = self.child.wait();
        lines.join("\n")
    }

    /// Send a signal, and wait for the end: exit status, and what was still said.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        let id = i32::try_from(self.child.id()).expect("it has an id");
        kill(Pid::from_raw(id), signal).expect("it is there");
        let mut said = Vec::new();
        self.child
            .stderr
            .take()
            .expect("piped")
            .read_to_end(&mut said)
            .expect("it ends");
        (self.child.wait().expect("it ends").code(), text(&said))
    }
}

/// A server that sends each answer in pieces, with a pause before each; and what its clients got,
/// in order.
struct Trickle {
    port: u16,
    server: std::thread::JoinHandle<()>,
}

/// An answer in pieces, and the pause before each.
type Answer = (Duration, Vec<Vec<u8>>);

impl Trickle {
    /// Serve one connection for each answer, and end each behind it.
    fn serve(responses: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let server = std::thread::spawn(move || {
            for (pause, pieces) in responses {
                let (mut connection, _) = listener.accept().expect("accepted");
                let mut asked = Vec::new();
                let mut room = [0; 4096];
                let is_whole = |asked: &[u8]| match asked.starts_with(b"POST") {
                    true => asked.ends_with(b"end"),
                    false => asked.ends_with(b"\r\n\r\n"),
                };
                while !is_whole(&asked) {
                    let got = connection.read(&mut room).expect("asked");
                    assert!(got > 0, "the client asks");
                    asked.extend_from_slice(&room[..got]);
                }
                for piece in pieces {
                    std::thread::sleep(pause);
                    connection.write_all(&piece).expect("sent");
                }
            }
        });
        Self { port, server }
    }

    /// Ask, in pieces with a pause between them; gives all that came back.
    fn ask(&self, pieces: &[&[u8]], pause: Duration) -> Vec<u8> {
        let mut client = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        for piece in pieces {
            client.write_all(piece).expect("sent");
            std::thread::sleep(pause);
        }
        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("answered");
        got
    }
}

/// A test that fails leaves nothing behind that listens.
impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Named: `match_ends_at_segment_end_then_idle`.
#[test]
#[ignore = "needs root: captures on lo"]
fn a_record_is_there_while_the_program_runs_and_each_signal_is_a_normal_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let port = socket.local_addr().expect("it is bound").port();
        let listening = Listening::start(&["needle", "udp", "port", &port.to_string()]);
        socket
            .send_to(b"a needle", ("127.0.0.1", port))
            .expect("sent");
        listening.wait_for("a needle");
        let (status, said) = listening.end(signal);
        assert_eq!(status, Some(0), "{signal}: {said}");
        assert!(said.contains("1 packet, 0 lost"), "{signal}: {said}");
    }
}

/// Named: `quiet_interface_ctrl_c`.
#[test]
#[ignore = "needs root: captures on lo"]
fn a_quiet_interface_ends_at_once_with_status_1() {
    let listening = Listening::start(&["needle", "udp", "port", "9"]);
    assert_eq!(listening.end(Signal::SIGINT).0, Some(1));
}

#[test]
#[ignore = "needs root: captures on lo"]
fn a_request_is_shown_before_its_answer_comes() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let listening = Listening::start(&["Accept-Language", "tcp", "port", &port.to_string()]);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    client
        .write_all(b"GET /page HTTP/1.1\r\nHost: x\r\nAccept-Language: fr\r\n\r\n")
        .expect("sent");
    listening.wait_for("Accept-Language: fr");
    let (mut connection, _) = server.accept().expect("accepted");
    connection
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        .expect("sent");
    let lines = listening.wait_for("200 OK");
    assert!(
        lines
            .last()
            .is_some_and(|line| line.contains("#1 <- 200 OK · 2 B")),
        "{lines:?}"
    );
    let (status, said) = listening.end(Signal::SIGTERM);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 request, 1 response"), "{said}");
}

/// Answers as servers trickle them: with a length, in chunks, until the end of the connection, and
/// after a long wait.
fn responses() -> Vec<Answer> {
    let words = |from: usize, to: usize| -> String {
        (from..to)
            .map(|at| format!("{{\"i\": {at}, \"word\": \"word{at} é\"}},\n"))
            .collect()
    };
    let millis = Duration::from_millis;
    let body = words(0, 8);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // Cut inside of lines and characters.
    let mut pieces = vec![head.into_bytes()];
    pieces.extend(body.as_bytes().chunks(body.len() / 4).map(<[u8]>::to_vec));
    let json = (millis(300), pieces);
    let mut pieces = vec![
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec(),
    ];
    pieces.extend((0..8).map(|at| {
        let event = format!("data: word{at}\n\n");
        format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
    }));
    pieces.push(b"0\r\n\r\n".to_vec());
    let events = (millis(200), pieces);
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec()];
    pieces.extend((0..40).map(|at| format!(" word{at}").into_bytes()));
    let tokens = (millis(50), pieces);
    let polled = (
        millis(1200),
        vec![b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal".to_vec()],
    );
    vec![json, events, tokens, polled]
}

/// The body of an answer as its client gets it.
fn body_of(response: &[u8]) -> String {
    let response = text(response);
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    if !head.contains("chunked") {
        return body.to_owned();
    }
    let mut chunks = body.split("\r\n");
    let mut whole = String::new();
    while let (Some(_), Some(chunk)) = (chunks.next(), chunks.next()) {
        whole.push_str(chunk);
    }
    whole
}

/// Asks for each of the answers while the program listens; gives what the clients got and what it
/// printed.
fn listen_to(arguments: &[&str], last: &str) -> (Vec<String>, Vec<String>) {
    let trickle = Trickle::serve(responses());
    let port = trickle.port.to_string();
    let listening = Listening::start(&[arguments, &["", "port", &port]].concat());
    let up = b"word1 word2 word3 end";
    let asked = format!(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        up.len()
    );
    let (first, rest) = up.split_at(9);
    let upload: [&[u8]; 3] = [asked.as_bytes(), first, rest];
    let mut got = Vec::new();
    let mut bodies = vec![text(up)];
    got.push(trickle.ask(&upload, Duration::from_millis(300)));
    for _ in 1..4 {
        got.push(trickle.ask(&[b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"], Duration::ZERO));
    }
    bodies.extend(got.iter().map(|response| body_of(response)));
    trickle.server.join().expect("it served");
    let lines = listening.wait_for(last);
    let (status, said) = listening.end(Signal::SIGTERM);
    assert_eq!(status, Some(0), "{said}");
    (bodies, lines)
}

/// Named: `live_answers_are_shown_whole`.
#[test]
#[ignore = "needs root: captures on lo"]
fn live_an_answer_that_takes_its_time_is_shown_whole() {
    for arguments in [&[][..], &["--body=full"], &["-W", "byline"], &["--pair"]] {
        let (bodies, lines) = listen_to(arguments, "final");
        let shown = lines.join("\n");
        let plain: String = shown.split_whitespace().collect();
        for body in &bodies {
            for word in body.split_whitespace() {
                assert!(
                    plain.contains(word),
                    "{arguments:?}: {word} is missing in {shown}"
                );
            }
        }
        let ends: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains(" <- 200 OK"))
            .collect();
        assert!(ends.len() >= 3, "{shown}");
        if arguments.is_empty() {
            assert!(
                shown.contains("#2 <- 200 OK · text/event-stream · 8 events · 104 B · "),
                "{shown}"
            );
            assert!(!shown.contains(" more ("), "{shown}");
        }
    }
}

#[test]
#[ignore = "needs root: captures on lo"]
fn live_the_bodies_in_json_are_what_the_clients_got() {
    let (bodies, lines) = listen_to(&["--json"], "\"id\":4,\"kind\":\"http.response\"");
    let mut all = std::collections::BTreeMap::<String, String>::new();
    for line in &lines {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let data = &line["data"];
        if let Some(kind) = data["kind"].as_str() {
            let part = data["body"]["text"].as_str().expect("text");
            let key = format!("{} {kind}", data["id"]);
            all.entry(key).or_default().push_str(part);
        }
    }
    assert_eq!(all["1 http.request"], bodies[0]);
    for (id, body) in (1..=4).zip(&bodies[1..]) {
        assert_eq!(all[&format!("{id} http.response")], *body, "{id}");
    }
}

#[test]
#[ignore = "needs root: captures on lo"]
fn what_is_refused_is_shown() {
    // A port that was free, and on which nobody listens now.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port is free")
        .port();
    let listening = Listening::start(&["port", &port.to_string()]);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let lines = listening.wait_for("refused (RST)");
    let last = lines.last().expect("it was waited for");
    // The name of the process follows, where it can be known.
    assert!(
        last.contains(&format!("-> 127.0.0.1:{port} refused (RST)")),
        "{last}"
    );
    let (status, said) = listening.end(Signal::SIGINT);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
#[ignore = "needs root: captures on lo"]
fn a_client_that_gives_up_and_a_server_that_hangs_up_are_shown() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let listening = Listening::start(&["", "tcp", "port", &port.to_string()]);
    let ask = b"GET /slow HTTP/1.1\r\nHost: shop\r\n\r\n";
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let (connection, _) = server.accept().expect("accepted");
    client.write_all(ask).expect("sent");
    std::thread::sleep(Duration::from_millis(700));
    drop(client);
    listening.wait_for("#1 <- no response · the client closed (FIN) after ");
    drop(connection);
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let (mut connection, _) = server.accept().expect("accepted");
    client.write_all(ask).expect("sent");
    let mut room = [0; 100];
    assert_eq!(connection.read(&mut room).expect("it came"), ask.len());
    drop(connection);
    listening.wait_for("#2 <- no response · the server closed (FIN) after ");
    let (status, said) = listening.end(Signal::SIGINT);
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("no response yet"), "{said}");
}

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
    assert!(said.contains("1 request, 1 answer"), "{said}");
}

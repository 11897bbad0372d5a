//! Why nothing is shown, and what is lost: on a terminal, and on interfaces made for it. Ignored
//! unless asked for: it needs root and ip(8). Every text on invented systems:
//! `src/run/diagnose/tests.rs`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::privileges::{copy, remove};
use crate::{needs_root, spygrep, text, words};

/// Long enough for the slowest machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program with its standard error on a terminal.
struct Run {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Run {
    /// Start, and wait for the banner. Panics without root.
    fn start(arguments: &str) -> Self {
        needs_root();
        let terminal = openpty(None, None).expect("the system has terminals");
        let child = spygrep()
            .args(words(arguments))
            .stdout(Stdio::piped())
            .stderr(terminal.slave)
            .spawn()
            .expect("the program starts");
        let (send, said) = mpsc::channel();
        let out = BufReader::new(File::from(terminal.master));
        std::thread::spawn(move || {
            out.split(b'\n')
                .map_while(Result::ok)
                .try_for_each(|line| send.send(plain(&line)))
        });
        let run = Self { child, said };
        run.wait_for("Ctrl-C stops");
        run
    }

    /// Wait for a line that contains `part`; all lines up to it.
    fn wait_for(&self, part: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(part)) {
            let line = self.said.recv_timeout(PATIENCE);
            seen.push(line.unwrap_or_else(|_| panic!("no line with {part:?} in {seen:?}")));
        }
        seen
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("it has an id");
        kill(Pid::from_raw(id), signal).expect("it is there");
    }

    /// Its end: exit status, standard output, and what else was said.
    fn end(mut self) -> (Option<i32>, String, Vec<String>) {
        let mut out = Vec::new();
        let mut stdout = self.child.stdout.take().expect("piped");
        stdout.read_to_end(&mut out).expect("it ends");
        let status = self.child.wait().expect("it ends").code();
        let mut said = Vec::new();
        while let Ok(line) = self.said.recv_timeout(Duration::from_millis(500)) {
            said.push(line);
        }
        (status, text(&out), said)
    }
}

/// A line of a terminal without colours and without what was overwritten.
fn plain(line: &[u8]) -> String {
    let line = text(line);
    let mut shown = String::new();
    let mut rest = line.trim_end_matches('\r');
    while let Some((before, after)) = rest.split_once('\x1b') {
        shown.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    shown.push_str(rest);
    shown.rsplit('\r').next().unwrap_or_default().to_owned()
}

/// A pair of interfaces, `NAMEa` and `NAMEb`, that goes with this value.
struct Veth(String);

impl Veth {
    fn new(name: &str) -> Self {
        needs_root();
        let (a, b) = (format!("{name}a"), format!("{name}b"));
        let _ = ip(&format!("link del {a}"));
        let made = ip(&format!("link add {a} type veth peer name {b}"))
            && ip(&format!("link set {a} up"))
            && ip(&format!("link set {b} up"));
        assert!(made, "ip(8) cannot make interfaces here");
        Self(name.to_owned())
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        let _ = ip(&format!("link del {}a", self.0));
    }
}

fn ip(arguments: &str) -> bool {
    let mut command = Command::new("ip");
    command.args(arguments.split(' ')).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs root: makes interfaces"]
fn nothing_arrives_and_the_service_is_elsewhere() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let veth = Veth::new("sgq");
    let run = Run::start(&format!("-d {}a needle tcp port {port}", veth.0));
    let lines = run.wait_for("that passes");
    let first = format!(
        "spygrep: hint: nothing on {}a for 3 s that passes \"tcp port {port}\"",
        veth.0
    );
    assert_eq!(lines.last(), Some(&first));
    let next = run.wait_for("served").concat();
    assert_eq!(
        next,
        format!(
            "  127.0.0.1:{port} is served here: that traffic is on lo   ->  -d lo   (or -d any)"
        )
    );
    run.signal(Signal::SIGINT);
    assert_eq!(run.end().0, Some(1));
}

#[test]
#[ignore = "needs root: captures on lo"]
fn packets_arrive_and_nothing_matches() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let run = Run::start(&format!("-d lo Accept-Langauge tcp port {port}"));
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    std::io::Write::write_all(
        &mut client,
        b"GET / HTTP/1.1\r\nAccept-Language: fr\r\n\r\n",
    )
    .expect("sent");
    let lines = run.wait_for("none contains");
    assert!(
        lines.last().is_some_and(|line| line.ends_with(
            "1 message seen, none contains /Accept-Langauge/   (case-sensitive; try -i)"
        )),
        "{lines:?}"
    );
    run.signal(Signal::SIGINT);
    let (status, _, said) = run.end();
    // Said once.
    assert!(
        !said.iter().any(|line| line.contains("none contains")),
        "{said:?}"
    );
    assert_eq!(status, Some(1));
}

#[test]
#[ignore = "needs root: captures on lo"]
fn nothing_is_asked_for() {
    let run = Run::start("-d lo");
    run.wait_for("hint: first a pattern, then a tcpdump filter: spygrep 'GET|POST' port 5000");
    run.signal(Signal::SIGINT);
    run.end();
}

#[test]
#[ignore = "needs root: makes interfaces"]
fn an_interface_that_goes_down_or_away_is_said_within_two_seconds() {
    let veth = Veth::new("sgd");
    let device = format!("{}a", veth.0);
    let run = Run::start(&format!("-d {device} needle"));
    let within = |part: &str| {
        let begun = Instant::now();
        run.wait_for(part);
        assert!(begun.elapsed() < Duration::from_secs(2), "{part}");
    };
    assert!(ip(&format!("link set {device} down")));
    within("the device is down; nothing is captured from it until it is up again");
    assert!(ip(&format!("link set {device} up")));
    within("the device is up again");
    assert!(ip(&format!("link del {device}")));
    within(&format!("error: {device} is gone"));
    assert_eq!(run.end().0, Some(2));
}

/// Datagrams sent while the program does not run overflow any buffer: what it found and what it
/// says is lost are all.
#[test]
#[ignore = "needs root: makes interfaces"]
fn what_is_reported_as_lost_is_what_is_missing() {
    const SENT: u64 = 50_000;
    let veth = Veth::new("sgl");
    let device = format!("{}a", veth.0);
    let ready = ip(&format!("addr add 198.51.100.1/24 dev {device}"))
        && ip(&format!(
            "neigh replace 198.51.100.2 lladdr 02:00:00:00:00:02 dev {device}"
        ));
    assert!(ready, "an address can be given");
    let to = "198.51.100.2:9";
    let run = Run::start(&format!(
        "-d {device} --buffer-size 1M --count needle udp dst port 9"
    ));
    let socket = UdpSocket::bind("198.51.100.1:0").expect("bound");
    let mut payload = [b'.'; 200];
    payload[100..106].copy_from_slice(b"needle");
    let send = |many: u64| {
        for _ in 0..many {
            while socket.send_to(&payload, to).is_err() {
                std::thread::yield_now();
            }
        }
    };
    send(SENT / 10);
    run.signal(Signal::SIGSTOP);
    send(SENT / 10 * 8);
    run.signal(Signal::SIGCONT);
    let warned = run.wait_for("lost so far");
    assert!(
        run.wait_for("--buffer-size").concat().contains("narrow it"),
        "{warned:?}"
    );
    send(SENT / 10);
    std::thread::sleep(Duration::from_secs(1));
    run.signal(Signal::SIGINT);
    let (status, out, said) = run.end();
    assert_eq!(status, Some(0), "{said:?}");
    let found: u64 = out.trim().parse().expect("a number");
    // A slow machine warns more than once before.
    let end = said
        .iter()
        .rfind(|line| line.contains(" packet") && line.contains(" lost"))
        .expect("a summary");
    let number = |behind: &str| -> u64 {
        let digits: String = behind.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    let (packets, rest) = end.split_once(" packet").expect("counted");
    let lost = number(rest.split(" lost").next().unwrap_or_default());
    println!("{SENT} sent: {found} found, {lost} reported lost");
    assert_eq!(number(packets), found, "{said:?}");
    assert!(lost > 0, "{said:?}");
    assert_eq!(found + lost, SENT, "{said:?}");
}

/// A bridge and its port have the same packet.
#[test]
#[ignore = "needs root: makes interfaces"]
fn a_packet_on_several_interfaces_is_used_once() {
    let veth = Veth::new("sgc");
    let (port, far) = (format!("{}a", veth.0), format!("{}b", veth.0));
    let bridge = format!("{}r", veth.0);
    let _ = ip(&format!("link del {bridge}"));
    let ready = ip(&format!("link add {bridge} type bridge"))
        && ip(&format!("link set {port} master {bridge}"))
        && ip(&format!("link set {bridge} up"))
        && ip(&format!("addr add 203.0.113.1/24 dev {bridge}"))
        && ip(&format!(
            "neigh replace 203.0.113.2 lladdr 02:00:00:00:00:02 dev {bridge}"
        ));
    assert!(ready, "ip(8) cannot make a bridge here");
    let six = ip(&format!("addr add fd00:5e::1/64 dev {bridge} nodad"))
        && ip(&format!(
            "neigh replace fd00:5e::2 lladdr 02:00:00:00:00:02 dev {bridge}"
        ));
    let run = Run::start(
        "-d any --count needle udp dst port 9 and (host 203.0.113.2 or host fd00:5e::2)",
    );
    let socket = UdpSocket::bind("203.0.113.1:0").expect("bound");
    // Not connected, their identification is zero; then it counts on. IPv6 has none.
    for _ in 0..2 {
        socket.send_to(b"a needle", "203.0.113.2:9").expect("sent");
    }
    socket.connect("203.0.113.2:9").expect("there is a way");
    for _ in 0..3 {
        socket.send(b"a needle").expect("sent");
    }
    if six {
        let socket = UdpSocket::bind("[fd00:5e::1]:0").expect("bound");
        for _ in 0..2 {
            socket.send_to(b"a needle", "[fd00:5e::2]:9").expect("sent");
        }
    } else {
        println!("without IPv6: it is not here");
    }
    let sent = if six { 7 } else { 5 };
    std::thread::sleep(Duration::from_secs(1));
    run.signal(Signal::SIGINT);
    let (_, out, said) = run.end();
    let _ = ip(&format!("link del {bridge}"));
    // The bridge, its port, and the far end of its wire.
    assert_eq!(out, format!("{sent}\n"), "{said:?}");
    let end = said.concat();
    let copies = format!("{sent} packets, 0 lost · {} copies", 2 * sent);
    assert!(end.contains(&copies), "{far}: {end}");
}

#[test]
#[ignore = "needs root: makes interfaces"]
fn an_interface_that_is_down_or_not_there_is_an_error() {
    let veth = Veth::new("sge");
    let device = format!("{}a", veth.0);
    assert!(ip(&format!("link set {device} down")));
    let table = [
        (
            device.as_str(),
            format!(
                "spygrep: error: {device} is down; nothing can arrive there\n  to switch it on:  sudo ip link set {device} up\n"
            ),
        ),
        (
            "ol",
            "spygrep: error: there is no interface \"ol\"; did you mean lo?\n  up:   ".to_owned(),
        ),
    ];
    for (name, want) in table {
        let output = spygrep().args(["-d", name, "x"]).output().expect("it runs");
        let said = text(&output.stderr);
        assert!(said.starts_with(&want), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// Without rights it says what to do, for good with the path of the program itself.
#[test]
#[ignore = "needs root: becomes another user"]
fn capturing_without_rights_says_what_to_do() {
    needs_root();
    let program = copy("no-rights");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["-d", "lo", "GET|POST"])
        .output();
    remove(&program);
    let output = output.expect("setpriv(1) of util-linux starts it");
    let said = text(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("spygrep: error: capturing on lo needs more rights than user "),
        "{said}"
    );
    let host = [
        "  now:        sudo spygrep -d lo 'GET|POST'".to_owned(),
        format!(
            "  for good:   sudo setcap cap_net_raw+ep {}   (then everybody here may sniff)",
            program.display()
        ),
    ];
    let container = said.contains("--cap-add=NET_RAW");
    assert!(container || lines[1..3] == host, "{said}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
#[ignore = "needs root: captures on lo"]
fn what_the_terminal_shows_of_the_key_that_ends_the_run_has_its_own_line() {
    let run = Run::start("-d lo needle udp port 9");
    run.signal(Signal::SIGINT);
    let (status, _, said) = run.end();
    assert_eq!(status, Some(1));
    assert_eq!(said.first().map(String::as_str), Some(""), "{said:?}");
    assert!(said[1].starts_with("spygrep: "), "{said:?}");
}

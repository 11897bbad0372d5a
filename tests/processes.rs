//! Which process says it: clients that live for a moment, at once and one after the other, beside a
//! load of twice the processors. Ignored unless asked for: the kernel's events need root.
//!
//! Each client puts its own number into what it sends, so every record has the truth beside it.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::live::Listening;
use crate::{spygrep, text};

/// Processes that only compute, twice as many as there are processors.
pub(crate) struct Load(Vec<Child>);

impl Load {
    pub(crate) fn start() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let one = |_| {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .expect("there is a shell")
        };
        Self((0..2 * processors).map(one).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server of this process that answers every request, until the tests end; its port.
pub(crate) fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                continue;
            };
            std::thread::spawn(move || {
                let mut room = [0; 512];
                let _ = connection.read(&mut room);
                let _ = connection.write_all(b"HTTP/1.0 204 No Content\r\n\r\n");
            });
        }
    });
    port
}

/// A client that sends one request with its own number, and ends.
pub(crate) fn asking(port: u16) -> String {
    format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' $$ >&3; read -r line <&3"
    )
}

fn bash(script: &str) -> Child {
    Command::new("bash")
        .args(["-c", script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is bash")
}

/// The data of the records in lines of JSON.
fn records(lines: &[String]) -> Vec<Value> {
    let values = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    values
        .filter(|value| value["type"] == "match" || value["type"] == "context")
        .map(|value| value["data"].clone())
        .collect()
}

/// Hold the requests to the numbers in their targets; returns how many there are.
fn hold(records: &[Value], server: Option<u32>) -> usize {
    let requests: Vec<&Value> = records
        .iter()
        .filter(|record| record["kind"] == "http.request")
        .collect();
    for record in &requests {
        let target = record["http"]["target"].as_str().expect("it has one");
        let pid: u64 = target[1..].parse().expect("it is a number");
        assert_eq!(record["client"]["pid"], pid, "{record}");
        assert_eq!(record["client"]["name"], "bash", "{record}");
        if let Some(server) = server {
            assert_eq!(record["server"]["pid"], server, "{record}");
        }
    }
    requests.len()
}

/// Wait for the answers of so many requests, and end.
fn all(listening: Listening, many: usize) -> Vec<Value> {
    let mut lines = Vec::new();
    for _ in 0..many {
        lines.extend(listening.wait_for("\"kind\":\"http.response\""));
    }
    let (_, said) = listening.end(Signal::SIGINT);
    assert!(!said.contains("lost: names"), "{said}");
    records(&lines)
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn a_thousand_short_clients_have_their_names() {
    let port = server();
    let filter = format!("tcp port {port}");
    let listening = Listening::start(&["--json", "", &filter]);
    let _load = Load::start();
    for _ in 0..1000 {
        let _ = bash(&asking(port)).wait();
    }
    let records = all(listening, 1000);
    assert_eq!(hold(&records, Some(std::process::id())), 1000);
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn two_hundred_at_once() {
    let port = server();
    let filter = format!("tcp port {port}");
    let listening = Listening::start(&["--json", "", &filter]);
    let _load = Load::start();
    let clients: Vec<Child> = (0..200).map(|_| bash(&asking(port))).collect();
    for mut client in clients {
        let _ = client.wait();
    }
    let records = all(listening, 200);
    assert_eq!(hold(&records, Some(std::process::id())), 200);
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn refused_ones_as_well() {
    // Free, because it was bound and is no longer.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("it is bound").port()
    };
    let filter = format!("tcp port {port}");
    let listening = Listening::start(&["--json", "", &filter]);
    let mut asked = HashSet::new();
    let mut lines = Vec::new();
    for _ in 0..40 {
        let mut client = bash(&format!("exec 3<>/dev/tcp/127.0.0.1/{port}"));
        asked.insert(u64::from(client.id()));
        let _ = client.wait();
        // A flood is counted, not shown one by one.
        lines.extend(listening.wait_for("tcp.failure"));
        std::thread::sleep(std::time::Duration::from_millis(110));
    }
    listening.end(Signal::SIGINT);
    let records = records(&lines);
    let named: HashSet<u64> = records
        .iter()
        .filter_map(|record| record["client"]["pid"].as_u64())
        .collect();
    assert_eq!(named, asked);
    assert!(records.iter().all(|record| record["server"].is_null()));
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn short_datagram_sockets() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let port = socket.local_addr().expect("it is bound").port();
    let filter = format!("udp port {port}");
    let listening = Listening::start(&["--json", "", &filter]);
    let _load = Load::start();
    let script = format!("exec 3<>/dev/udp/127.0.0.1/{port}; printf 'from %s' $$ >&3");
    for _ in 0..300 {
        let _ = bash(&script).wait();
    }
    let mut lines = Vec::new();
    for _ in 0..300 {
        lines.extend(listening.wait_for("udp.datagram"));
    }
    listening.end(Signal::SIGINT);
    let records = records(&lines);
    assert_eq!(records.len(), 300);
    for record in &records {
        let said = record["body"]["text"].as_str().expect("it is text");
        let pid: u64 = said[5..].parse().expect("it is a number");
        assert_eq!(record["client"]["pid"], pid, "{record}");
    }
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn conditions_on_processes_hold_for_either_end() {
    let port = server();
    let filter = format!("tcp port {port}");
    let own = std::process::id().to_string();
    let table: [(&[&str], &str, usize); 6] = [
        (&["--exe", "bash"], "", 2),
        (&["--exe", "/*/bash"], "", 2),
        (&["--exe", "nosuch"], "", 0),
        (&["--owner", "root"], "", 2),
        (&["--owner", "54321"], "", 0),
        // The server is this process.
        (&["--pid", &own], "", 2),
    ];
    for (options, pattern, many) in table {
        let mut arguments = vec!["--count"];
        arguments.extend(options);
        arguments.extend([pattern, filter.as_str()]);
        let listening = Listening::start(&arguments);
        let _ = bash(&asking(port)).wait();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let counted = listening.ends_with();
        assert_eq!(counted.trim(), many.to_string(), "{options:?}");
    }
}

#[test]
#[ignore = "needs root: events of the kernel"]
fn in_another_namespace_it_is_the_same() {
    let script = "ip link set lo up; exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_spygrep"))
        .args(["-d", "lo", "--json", "", "tcp"])
        .stdin(Stdio::null());
    let listening = Listening::of(command);
    let target = listening.child.id().to_string();
    let inside = |script: &str| {
        Command::new("nsenter")
            .args(["--target", &target, "--net", "bash", "-c", script])
            .stderr(Stdio::null())
            .spawn()
            .expect("there is nsenter")
    };
    let mut client = inside("exec 3<>/dev/tcp/127.0.0.1/5");
    let pid = client.id();
    let _ = client.wait();
    let lines = listening.wait_for("tcp.failure");
    listening.end(Signal::SIGINT);
    let records = records(&lines);
    assert_eq!(records[0]["client"]["pid"], pid, "{records:?}");
}

#[test]
fn files_say_nothing_about_processes() {
    let out = spygrep()
        .args(["--exe", "curl", "", "pcaps/french-website.pcap"])
        .output()
        .expect("it starts");
    assert_eq!(out.status.code(), Some(2));
    let said = text(&out.stderr);
    assert!(said.contains("does not say which process"), "{said}");
    let out = spygrep()
        .args(["--ngrep", "--exe", "curl", "x"])
        .output()
        .expect("it starts");
    assert!(text(&out.stderr).contains("leave out --ngrep"));
}

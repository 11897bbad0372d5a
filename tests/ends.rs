//! How a run ends: by each signal, with a pipe that says no more or is not read, by a full disk, by
//! SIGKILL. Always in the sandbox, which is the default. What needs root says so and passes over
//! where it is not.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::frames::{ACK, PSH, SYN, ip, tcp, write};
use crate::live::Listening;
use crate::{needs_root, run, scratch, spygrep, text};

/// Long enough for the slowest machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);
/// A person does not call this waiting.
const SOON: Duration = Duration::from_secs(2);

/// What is written at once is one datagram.
#[test]
fn each_message_is_one_write() {
    let request = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let path = scratch("writes").join("one.pcap");
    let packets = [
        tcp(true, 40_000, SYN, 99, 0, b""),
        tcp(false, 40_000, SYN | ACK, 499, 100, b""),
        tcp(true, 40_000, PSH | ACK, 100, 500, request.as_bytes()),
    ];
    write(&path, &packets);
    let file = path.display().to_string();
    for (arguments, many) in [(&["slow", &file][..], 2), (&["(", &file][..], 1)] {
        let (here, there) = UnixDatagram::pair().expect("there are sockets");
        let status = spygrep()
            .args(arguments)
            .stderr(OwnedFd::from(there))
            .stdout(Stdio::null())
            .status()
            .expect("the program starts");
        assert!(status.code().is_some());
        here.set_nonblocking(true).expect("it can be asked");
        let mut messages = Vec::new();
        let mut room = [0; 4096];
        while let Ok(len) = here.recv(&mut room) {
            messages.push(text(&room[..len]));
        }
        assert_eq!(messages.len(), many, "{messages:?}");
        for message in &messages {
            assert!(message.starts_with("spygrep: "), "{message:?}");
            assert!(message.ends_with('\n'), "{message:?}");
        }
    }
}

/// A capture file's header: classic pcap of raw IP packets.
fn header() -> Vec<u8> {
    let fields = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101];
    fields
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect()
}

/// A record of a capture file: a datagram of `payload` in that second.
fn record(second: u32, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("short");
    let mut datagram = vec![0x10, 0, 0, 9];
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let packet = ip(true, 17, (0, 0), &datagram);
    let length = u32::try_from(packet.len()).expect("short");
    let fields = [1_700_000_000 + second, 0, length, length];
    let mut record: Vec<u8> = fields
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    record.extend(packet);
    record
}

/// The program with pipes at all its ends; what it is given is not at its end before `ChildStdin`
/// is dropped.
fn piped(arguments: &[&str]) -> (Child, ChildStdin) {
    let mut child = spygrep()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdin = child.stdin.take().expect("piped");
    (child, stdin)
}

fn send(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).expect("it has an id");
    kill(Pid::from_raw(id), signal).expect("it is there");
}

/// Wait for its end, but not for ever.
fn end(mut child: Child, within: Duration) -> (Option<i32>, String) {
    let begun = Instant::now();
    while child.try_wait().expect("it is ours").is_none() {
        if begun.elapsed() > within {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut said = Vec::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_end(&mut said).expect("it has ended");
    let code = child.wait().expect("it has ended").code();
    (code, text(&said))
}

/// Write a capture that never ends, until nobody reads it: datagrams with a needle, of all lengths.
fn pour(mut input: ChildStdin) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = header();
        for number in 0_usize.. {
            let mut payload = format!("needle {number} ").into_bytes();
            payload.resize(20 + number * 37 % 1400, b'.');
            bytes.extend(record(u32::try_from(number / 1000).unwrap_or(0), &payload));
            if bytes.len() > 10_000 && input.write_all(&std::mem::take(&mut bytes)).is_err() {
                return;
            }
        }
    })
}

/// Whether tcpdump is here, to be asked as well.
fn has_tcpdump() -> bool {
    let here = Command::new("tcpdump").arg("--version").output().is_ok();
    if !here {
        println!("tcpdump is not here: its word is left out");
    }
    here
}

/// The packets of a file that was perhaps cut, by our own reader and by tcpdump, who both may say
/// that its end is cut, and nothing else.
fn packets(path: &Path) -> u64 {
    let output = run(&format!("--count '' -I {}", path.display()));
    let said = text(&output.stderr);
    let counted: u64 = text(&output.stdout).trim().parse().expect(&said);
    assert_eq!(
        output.status.code(),
        Some(i32::from(counted == 0)),
        "{said}"
    );
    let mut lines = said.lines().collect::<Vec<_>>();
    lines.retain(|line| !line.contains("the file is cut in the middle of a record"));
    // What is left is the summary: every packet is a datagram, and was searched.
    assert_eq!(lines.len(), 1, "{said}");
    let noun = if counted == 1 { "packet" } else { "packets" };
    let summary = format!("spygrep: {counted} {noun}");
    assert!(lines[0].starts_with(&summary), "{said}");
    assert!(said.lines().count() <= 2, "{said}");
    if has_tcpdump() {
        let output = Command::new("tcpdump")
            .args(["-nr", &path.to_string_lossy()])
            .output()
            .expect("it is here");
        let said = text(&output.stderr);
        let mut lines = said.lines().filter(|line| {
            !line.starts_with("reading from file") && !line.starts_with("dropped privs")
        });
        let complaint = lines.next();
        assert!(
            complaint.is_none_or(|line| line.contains("truncated")) && lines.next().is_none(),
            "{said}"
        );
        let shown = text(&output.stdout).lines().count();
        assert_eq!(shown as u64, counted, "{said}");
    }
    counted
}

#[test]
fn killed_at_any_moment_what_was_saved_is_read_up_to_the_last_whole_packet() {
    let folder = scratch("killed");
    let mut most = 0;
    for name in ["saved.pcap", "saved.pcapng"] {
        for moment in [0, 3, 11, 29, 53, 97] {
            let path = folder.join(format!("{moment}-{name}"));
            let words = ["-q", "-O", &path.to_string_lossy(), "needle", "-I", "-"];
            let mut command = spygrep();
            command.args(words).stdout(Stdio::null());
            let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
            let pouring = pour(child.stdin.take().expect("piped"));
            let begun = Instant::now();
            // What comes before the file's header is there has no packet to lose.
            while fs::metadata(&path).map_or(0, |file| file.len()) < 28 {
                assert!(begun.elapsed() < PATIENCE, "nothing is written");
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(moment));
            assert_eq!(child.try_wait().expect("it is ours"), None, "it runs");
            child.kill().expect("it runs");
            child.wait().expect("it is over");
            pouring.join().expect("it only writes");
            most = packets(&path).max(most);
        }
    }
    assert!(most > 1000, "at most {most} packets were written");
}

#[test]
#[ignore = "needs root: captures on lo"]
fn a_hit_that_is_shown_live_is_in_the_file_whatever_happens_then() {
    let folder = scratch("killed-live");
    for name in ["live.pcap", "live.pcapng"] {
        let path = folder.join(name);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let port = socket.local_addr().expect("it is bound").port();
        let filter = port.to_string();
        let words = [
            "-O",
            &path.to_string_lossy(),
            "needle",
            "udp",
            "port",
            &filter,
        ];
        let mut listening = Listening::start(&words);
        for number in 1..=20 {
            let payload = format!("needle {number}, whole");
            let to = ("127.0.0.1", port);
            socket.send_to(payload.as_bytes(), to).expect("sent");
            listening.wait_for(&payload);
            let saved = text(&fs::read(&path).expect("it is there"));
            assert!(saved.contains(&payload), "{payload} is not in the file");
        }
        // And in the middle of a flood.
        let flood = std::thread::spawn(move || {
            for _ in 0..20_000 {
                let _ = socket.send_to(b"needle, one of many", ("127.0.0.1", port));
            }
        });
        listening.wait_for("one of many");
        listening.child.kill().expect("it runs");
        listening.child.wait().expect("it is over");
        flood.join().expect("it only sends");
        let counted = packets(&path);
        assert!(counted > 20, "{counted}");
    }
}

/// Wait until it catches SIGUSR1: before, it would die of it.
fn wait_until_it_catches(child: &Child) {
    let begun = Instant::now();
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    let bit = 1 << (Signal::SIGUSR1 as u32 - 1);
    while caught().is_none_or(|mask| mask & bit == 0) {
        assert!(begun.elapsed() < PATIENCE, "it does not catch signals");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_pipe_that_stays_open_is_shown_at_once_asked_about_and_left_by_each_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for (payload, status) in [("a needle", 0), ("a straw", 1)] {
            let (mut child, mut input) = piped(&["needle", "-I", "-"]);
            let whole = [header(), record(0, payload.as_bytes())].concat();
            // A pipe does not know where a record ends.
            input.write_all(&whole[..30]).expect("it reads");
            wait_until_it_catches(&child);
            input.write_all(&whole[30..]).expect("it reads");
            let written = Instant::now();
            if status == 0 {
                let out = BufReader::new(child.stdout.as_mut().expect("piped"));
                let mut shown = out.lines().map_while(Result::ok);
                assert!(shown.any(|line| line == payload));
                assert!(written.elapsed() < SOON, "{:?}", written.elapsed());
            }
            let mut said = BufReader::new(child.stderr.take().expect("piped"));
            let mut line = String::new();
            while !line.contains("1 packet captured") {
                assert!(written.elapsed() < PATIENCE, "{line}");
                send(&child, Signal::SIGUSR1);
                line.clear();
                said.read_line(&mut line).expect("it speaks");
            }
            let counters = format!(
                "spygrep: 1 packet captured, 0 lost, 1 message searched, {} matched\n",
                1 - status
            );
            assert_eq!(line, counters);
            send(&child, signal);
            let mut rest = String::new();
            said.read_to_string(&mut rest).expect("it ends");
            let code = child.wait().expect("it ends").code();
            assert_eq!(code, Some(status), "{signal}: {rest}");
            let last = rest.lines().last();
            assert_eq!(last, Some("spygrep: 1 packet"), "{signal}: {rest}");
            drop(input);
        }
    }
}

/// Packets that keep coming, and never so many that it is time to look at the clock for their
/// number.
#[test]
fn a_pipe_that_trickles_is_shown_while_it_does() {
    let (mut child, mut input) = piped(&["needle", "-I", "-"]);
    let trickling = std::thread::spawn(move || {
        let _ = input.write_all(&[header(), record(0, b"a needle")].concat());
        while input.write_all(&record(0, b"a straw")).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let written = Instant::now();
    let out = BufReader::new(child.stdout.as_mut().expect("piped"));
    let mut shown = out.lines().map_while(Result::ok);
    assert!(shown.any(|line| line == "a needle"));
    assert!(written.elapsed() < SOON, "{:?}", written.elapsed());
    wait_until_it_catches(&child);
    send(&child, Signal::SIGINT);
    assert_eq!(end(child, SOON).0, Some(0));
    trickling.join().expect("it only writes");
}

/// At its own speed, a record waits for as long as it did on the wire, but not a person who wants
/// to leave.
#[test]
fn a_replay_is_left_while_it_waits() {
    let path = scratch("replay").join("replay.pcap");
    let records = [
        header(),
        record(0, b"needle one"),
        record(50, b"needle two"),
    ];
    fs::write(&path, records.concat()).expect("there is room");
    let (mut child, _) = piped(&["-D", "needle", "-I", &path.to_string_lossy()]);
    let out = BufReader::new(child.stdout.as_mut().expect("piped"));
    let mut shown = out.lines().map_while(Result::ok);
    assert!(shown.any(|line| line == "needle one"));
    send(&child, Signal::SIGINT);
    let (code, said) = end(child, SOON);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_second_interrupt_ends_at_once_what_nobody_reads() {
    let (mut child, input) = piped(&["needle", "-I", "-"]);
    let pouring = pour(input);
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0; 9]).expect("it shows something");
    // Time to fill the pipe.
    std::thread::sleep(Duration::from_millis(300));
    send(&child, Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        child.try_wait().expect("it is ours"),
        None,
        "nothing blocks it"
    );
    send(&child, Signal::SIGINT);
    assert_eq!(end(child, SOON).0, Some(130));
    pouring.join().expect("it only writes");
}

#[test]
fn one_signal_is_enough_when_somebody_reads_on() {
    let (mut child, input) = piped(&["needle", "-I", "-"]);
    let pouring = pour(input);
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut [0; 9]).expect("it shows something");
    std::thread::sleep(Duration::from_millis(100));
    send(&child, Signal::SIGINT);
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        stdout.read_to_end(&mut all).map(|_| all)
    });
    let (code, said) = end(child, SOON);
    let shown = reading.join().expect("it reads").expect("it ends");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" packets"), "{said}");
    assert!(shown.ends_with(b".\n"), "the last record is whole");
    pouring.join().expect("it only writes");
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    for options in [
        &[][..],
        &["--json"],
        &["-W", "byline"],
        &["-o"],
        &["--ngrep"],
    ] {
        let mut words = options.to_vec();
        words.extend(["needle", "-I", "-"]);
        let (mut child, input) = piped(&words);
        let pouring = pour(input);
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut [0; 1]).expect("it shows something");
        drop(stdout);
        let (code, said) = end(child, PATIENCE);
        assert!(!said.contains("rror") && !said.contains("roken"), "{said}");
        assert_eq!(code, Some(0), "{options:?}");
        pouring.join().expect("it only writes");
    }
}

/// A file system of so many KiB in a folder, which goes with this value.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn new(folder: &'a Path, kibibytes: u32) -> Self {
        needs_root();
        let size = format!("size={kibibytes}k");
        let flags = MsFlags::empty();
        mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some(&size[..]))
            .expect("root may mount a file system");
        Self(folder)
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // A test that fails may leave somebody in it.
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
#[ignore = "needs root: mounts a file system"]
fn a_full_disk_is_said_by_the_name_of_the_file_and_what_was_saved_is_read() {
    let folder = scratch("full");
    let disk = Disk::new(&folder, 64);
    for name in ["full.pcap", "full.pcapng"] {
        let path = folder.join(name);
        let (child, input) = piped(&[
            "--count",
            "-O",
            &path.to_string_lossy(),
            "needle",
            "-I",
            "-",
        ]);
        let pouring = pour(input);
        let (code, said) = end(child, PATIENCE);
        pouring.join().expect("it only writes");
        assert_eq!(code, Some(2), "{said}");
        let error = format!(
            "spygrep: error: cannot write {}: the disk is full",
            path.display()
        );
        assert_eq!(said.lines().last(), Some(&error[..]), "{said}");
        let saved = packets(&path);
        assert!(saved > 10, "{saved}");
        fs::remove_file(&path).expect("it is ours");
    }
    drop(disk);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_to_its_new_end() {
    let path = scratch("grows").join("grows.pcap");
    let first = [header(), record(0, b"needle one"), record(1, b"needle two")];
    fs::write(&path, first.concat()).expect("there is room");
    // At its own speed: a second between the two.
    let mut child = spygrep()
        .args(["-D", "needle", "-I", &path.to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    while line != "needle one\n" {
        line.clear();
        assert_ne!(out.read_line(&mut line).expect("it shows"), 0);
    }
    let mut file = File::options()
        .append(true)
        .open(&path)
        .expect("it is ours");
    // Half of the last one is not there when it ends.
    let last = record(1, b"needle four");
    let more = [record(1, b"needle three"), last[..20].to_vec()].concat();
    file.write_all(&more).expect("there is room");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it ends");
    let (code, said) = end(child, PATIENCE);
    assert_eq!(code, Some(0));
    assert!(
        rest.ends_with("needle three\n") && rest.contains("needle two"),
        "{rest}"
    );
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    assert!(said.contains("3 packets"), "{said}");
}

/// `spygrep ... | head -1`, by a shell.
#[test]
fn the_first_line_is_all_that_head_wants() {
    let line = format!(
        "'{}' '' pcaps/http-keepalive.pcap | head -1",
        env!("CARGO_BIN_EXE_spygrep")
    );
    let output: Output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(crate::project())
        .output()
        .expect("there is a shell");
    let said = text(&output.stderr);
    assert!(!said.contains("rror") && !said.contains("ipe"), "{said}");
}

/// That nobody reads what it says of itself is no reason to fail.
#[test]
fn standard_error_may_be_shut() {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    drop(reader);
    let output = spygrep()
        .args(["", "pcaps/http-keepalive.pcap"])
        .stderr(OwnedFd::from(writer))
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(!output.stdout.is_empty());
}

/// A pipe tells its link type late: what depends on it waits for that.
#[test]
fn packets_of_a_pipe_are_saved_and_filtered_by_its_link_type() {
    let folder = scratch("pipe-link");
    let capture = [header(), record(0, b"a needle"), record(0, b"a straw")].concat();
    for (name, options) in [
        ("spy.pcap", ""),
        ("spy.pcapng", ""),
        ("ngrep.pcap", "--ngrep"),
    ] {
        let path = folder.join(name);
        let name = path.to_string_lossy();
        let mut words = vec!["-O", &name, "needle", "-I", "-"];
        words.extend(options.split_whitespace());
        let (child, mut input) = piped(&words);
        std::thread::sleep(Duration::from_millis(100));
        input.write_all(&capture).expect("it reads");
        drop(input);
        assert_eq!(end(child, PATIENCE).0, Some(0), "{name}");
        assert_eq!(packets(&path), 1, "{name}");
    }
}

/// What goes wrong at the end of a run with a pager is said when the pager is left, not under it.
#[test]
fn an_error_comes_behind_the_pager() {
    let script = "cat\nsleep 0.3\necho the pager is left >&2\n";
    let pager = crate::pager("pager-error", script);
    let line = format!(
        "{} --pager --diff=1,77 -I pcaps/http-keepalive.pcap",
        env!("CARGO_BIN_EXE_spygrep")
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(crate::project())
        .env("PAGER", &pager)
        .stdin(Stdio::null())
        .output()
        .expect("script(1) of util-linux makes a terminal");
    let shown = text(&output.stdout);
    let place = |part: &str| {
        shown
            .find(part)
            .unwrap_or_else(|| panic!("no {part:?} in {shown}"))
    };
    assert!(
        place("there is no exchange #77") > place("the pager is left"),
        "{shown}"
    );
    // So are messages that belong to the run.
    assert!(
        place("responses · ") > place("the pager is left"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(2), "{shown}");
}

#[test]
fn a_file_without_a_match_is_a_capture_all_the_same() {
    let folder = scratch("no-match");
    for name in ["none.pcap", "none.pcapng"] {
        let path = folder.join(name);
        let line = "NOSUCH -I pcaps/http-keepalive.pcap -O";
        let output = run(&format!("{line} {}", path.display()));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(packets(&path), 0, "{name}");
    }
}

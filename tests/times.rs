//! Whatever times packets have, the run comes to its end, shows what there is, and signals end it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::frames::{ACK, PSH, SYN, tcp};
use crate::properties::held::pcapng;
use crate::{scratch, spygrep, text};

const PATIENCE: Duration = Duration::from_mins(1);

/// Exchanges on one connection, all of whose segments are in order.
fn exchanges(count: u32) -> Vec<Vec<u8>> {
    let mut packets = vec![
        tcp(true, 4000, SYN, 99, 0, b""),
        tcp(false, 4000, SYN | ACK, 299, 100, b""),
        tcp(true, 4000, ACK, 100, 300, b""),
    ];
    let (mut seq, mut ack) = (100, 300);
    for number in 0..count {
        let ask = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{number:04}");
        packets.push(tcp(true, 4000, PSH | ACK, seq, ack, ask.as_bytes()));
        seq += u32::try_from(ask.len()).expect("short");
        packets.push(tcp(false, 4000, PSH | ACK, ack, seq, response.as_bytes()));
        ack += u32::try_from(response.len()).expect("short");
    }
    // A hole that nobody fills, a reset, and a FIN: what is waited for.
    packets.push(tcp(true, 4001, PSH | ACK, 100, 300, b"first"));
    packets.push(tcp(true, 4001, PSH | ACK, 150, 300, b"third"));
    packets.push(tcp(false, 4001, ACK, 300, 155, b""));
    packets.push(tcp(false, 4001, 4, 300, 0, b""));
    packets.push(tcp(true, 4002, 1 | ACK, 100, 300, b"last"));
    packets
}

/// Run to the end, which must come: status, output, and what is said.
fn ends(arguments: &[&str], file: &Path) -> (Option<i32>, String, String) {
    let (out, err) = (file.with_extension("out"), file.with_extension("err"));
    let create = |path: &PathBuf| fs::File::create(path).expect("there is room");
    let mut child = spygrep()
        .args(arguments)
        .arg("-I")
        .arg(file)
        .stdout(create(&out))
        .stderr(create(&err))
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{arguments:?} does not end: {}", file.display());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let read = |path: &PathBuf| text(&fs::read(path).expect("it is there"));
    (status.code(), read(&out), read(&err))
}

/// The moments at both ends of what pcapng can state, and between.
#[test]
fn times_at_all_extremes_come_to_an_end() {
    let file = scratch("extremes").join("extremes.pcapng");
    let extremes = [
        0,
        1,
        1_700_000_000_000_000,
        i64::MAX.cast_unsigned() / 1000,
        i64::MAX.cast_unsigned(),
        u64::MAX,
    ];
    let offsets = [i64::MIN, -9_223_372_036, 0, 9_223_372_036, i64::MAX];
    let packets = exchanges(4);
    for (case, resolution) in [0, 3, 6, 9, 12, 0x7f, 0x80, 0x89, 0xa0, 0xff]
        .into_iter()
        .enumerate()
    {
        let offset = offsets[case % offsets.len()];
        let times =
            |at: usize| extremes[(at * 5 + case) % extremes.len()].wrapping_sub(at as u64 * 1000);
        let timed: Vec<(u64, Vec<u8>)> = packets
            .iter()
            .enumerate()
            .map(|(at, packet)| (times(at), packet.clone()))
            .collect();
        let capture = pcapng(resolution, offset.to_le_bytes(), &timed);
        fs::write(&file, capture).expect("there is room");
        for arguments in [
            &["-t", ""][..],
            &["--threads", "1", "-T", ""],
            &["-W", "log", "-T", "-T", ""],
            &["--json", ""],
            &["--timing", "--pair", ""],
            &["--stats=5s"],
            &["--har", "-"],
            &["--slow", "1s"],
            &["-A", "1", "-B", "1", "GET /2"],
            &["--ngrep", "-t", ""],
        ] {
            let (status, out, said) = ends(arguments, &file);
            assert_ne!(status, Some(2), "{resolution:#x} {arguments:?}: {said}");
            assert!(!said.contains("panicked"), "{said}");
            if arguments.len() == 2 && arguments[0] == "-t" {
                assert_eq!(out.matches("GET /").count(), 4, "{resolution:#x}: {out}");
            }
        }
    }
    // What no clock can have shown is counted.
    let timed: Vec<(u64, Vec<u8>)> = packets
        .iter()
        .map(|packet| (u64::MAX, packet.clone()))
        .collect();
    fs::write(&file, pcapng(6, [0; 8], &timed)).expect("there is room");
    let (_, _, said) = ends(&[""], &file);
    assert!(
        said.contains(&format!(
            "impossible times in capture files: {}",
            packets.len()
        )),
        "{said}"
    );
}

/// A clock that is set, ahead or back, in the middle of a connection: everything is paired as
/// without it.
#[test]
fn a_clock_that_jumps_forgets_no_connection() {
    let file = scratch("jumps").join("jumps.pcapng");
    let packets = exchanges(20);
    let start = 1_700_000_000_000_000_u64;
    let hour = 3_600_000_000_u64;
    let log = |jump: &dyn Fn(u64) -> u64| {
        let timed: Vec<(u64, Vec<u8>)> = packets
            .iter()
            .zip(0..)
            .map(|(packet, at)| (jump(start + at * 1000), packet.clone()))
            .collect();
        fs::write(&file, pcapng(6, [0; 8], &timed)).expect("there is room");
        for arguments in [
            &["-W", "log", "/"][..],
            &["-W", "log", "--threads", "1", "/"],
        ] {
            let (_, out, said) = ends(arguments, &file);
            assert_eq!(out.matches(" 200 ").count(), 20, "{out}{said}");
            assert!(
                !out.contains("no response") && !out.contains("no request"),
                "{out}"
            );
        }
    };
    log(&|time| time);
    log(&|time| time + if time % 20_000 < 10_000 { 0 } else { 2 * hour });
    log(&|time| time + if time < start + 10_000 { 0 } else { 25 * hour });
    log(&|time| time - if time < start + 10_000 { 0 } else { 25 * hour });
    log(&|time| time + (time - start) * 7200);
    log(&|time| start + start - time);
    log(&|time| {
        if time == start + 9_000 {
            u64::MAX
        } else {
            time
        }
    });
    log(&|time| if time % 2_000 == 0 { 0 } else { time });
}

/// Two SIGTERMs are enough wherever the run is, as two SIGINTs are.
#[test]
fn a_second_signal_leaves_at_once() {
    let file = scratch("second").join("second.pcap");
    let packets: Vec<Vec<u8>> = (0..2000)
        .map(|at| {
            tcp(
                true,
                4000 + at % 100,
                PSH | ACK,
                100 + u32::from(at / 100) * 1000,
                300,
                &[b'a'; 1000],
            )
        })
        .collect();
    crate::frames::write(&file, &packets);
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        // Nobody reads what it shows.
        let mut child = spygrep()
            .args(["a", "-I"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let id = Pid::from_raw(i32::try_from(child.id()).expect("it has an id"));
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        while child.try_wait().expect("it is ours").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            kill(id, signal).expect("it is there");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(child.wait().expect("it is over").code(), Some(code));
    }
}

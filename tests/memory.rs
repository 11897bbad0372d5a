//! The memory of a run is bounded, whatever comes: small ones of the floods of `benches/floods`,
//! through a pipe, so that no page of a file counts. Each flood is larger than its bound, so what
//! keeps all of it fails.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use crate::spygrep;

/// A flood: its name, how many packets it has, which is its packet of that number (an IPv4 packet),
/// and the MiB it may cost (see docs/security.md).
type Flood = (&'static str, u32, fn(u32) -> Vec<u8>, u64);

const FLOODS: [Flood; 3] = [
    ("SYNs that nobody answers", 1_600_000, syn, 96),
    ("what follows a hole", 150_000, behind_a_hole, 96),
    ("fragments that lack the others", 250_000, fragment, 256),
];

/// Bytes of a segment behind the hole, or of a fragment.
const LENGTH: usize = 1400;

/// A packet from an address, with what follows its addresses.
fn packet(from: u32, protocol: u8, fragment: [u16; 2], rest: &[&[u8]]) -> Vec<u8> {
    let length = 20 + rest.iter().map(|part| part.len()).sum::<usize>();
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(length).expect("short").to_be_bytes());
    packet.extend(fragment.iter().flat_map(|half| half.to_be_bytes()));
    packet.extend([64, protocol, 0, 0]);
    packet.extend(from.to_be_bytes());
    packet.extend([198, 51, 100, 20]);
    packet.extend(rest.concat());
    packet
}

fn segment(client: u32, flags: u8, seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut head = vec![0x80, 0, 0, 80];
    head.extend(seq.to_be_bytes());
    head.extend([0, 0, 1, 0xf4, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet(client, 6, [0, 0], &[&head, payload])
}

fn syn(number: u32) -> Vec<u8> {
    // Spread as those of a flood are, and none twice: the multiplier is odd.
    segment(number.wrapping_mul(0x9e37_79b1), 2, number, b"")
}

fn behind_a_hole(number: u32) -> Vec<u8> {
    let Some(behind) = number.checked_sub(1) else {
        return segment(0x0a00_0001, 2, 0, b"");
    };
    let seq = 2 + behind * u32::try_from(LENGTH).expect("short");
    segment(0x0a00_0001, 16, seq, &[b'x'; LENGTH])
}

fn fragment(number: u32) -> Vec<u8> {
    let id = u16::try_from(number % 65_536).expect("16 bits");
    let head = [4, 0, 0, 80, 16, 0, 0, 0];
    let from = 0x0a00_0000 + number / 65_536;
    packet(from, 17, [id, 0x2000], &[&head, &[b'x'; LENGTH]])
}

/// Write a capture file of them, 10 microseconds apart.
fn pour(input: ChildStdin, many: u32, make: fn(u32) -> Vec<u8>) {
    let mut out = BufWriter::with_capacity(1 << 16, input);
    let mut put = |fields: &[u32], bytes: &[u8]| {
        for field in fields {
            out.write_all(&field.to_le_bytes()).expect("it reads on");
        }
        out.write_all(bytes).expect("it reads on");
    };
    put(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101], b"");
    for number in 0..many {
        let packet = make(number);
        let length = u32::try_from(packet.len()).expect("short");
        let (second, micros) = (number / 100_000, number % 100_000 * 10);
        put(&[1_700_000_000 + second, micros, length, length], &packet);
    }
    out.flush().expect("it reads on");
}

/// The most memory that a process had, in KiB, looked at until it is gone.
fn highest_peak(id: u32) -> u64 {
    let mut peak = 0;
    let status = format!("/proc/{id}/status");
    while let Ok(status) = fs::read_to_string(&status) {
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        // One that is over and not waited for has no memory.
        let Some(kibibytes) = kibibytes else { break };
        peak = peak.max(kibibytes);
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

#[test]
fn floods_through_a_pipe_cost_no_more_than_is_promised() {
    for (name, many, make, allowed) in FLOODS {
        let mut child = spygrep()
            .args(["-q", "--regexp", "NEEDLE-[0-9]+-END", "-I", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        // Looked at from the first byte until it is gone: what it does at the end counts as well.
        let id = child.id();
        let watch = std::thread::spawn(move || highest_peak(id));
        pour(child.stdin.take().expect("piped"), many, make);
        let code = child.wait().expect("it is over").code();
        let peak = watch.join().expect("it ends with the process");
        assert_eq!(code, Some(1), "{name}: all was read, and nothing found");
        println!("{name}: {} MiB of {allowed}", peak / 1024);
        assert!(peak > 1024, "{name}: nothing was measured");
        assert!(peak / 1024 <= allowed, "{name}: {} MiB", peak / 1024);
    }
}

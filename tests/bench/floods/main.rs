//! What hostile traffic costs: `cargo bench --bench floods`.
//!
//! Each workload is made here and written into spygrep's standard input, a pipe, so that no page of a file counts as memory. The
//! table has the peak memory, and the processor time for a packet in the first million packets and in the last (in the first
//! quarter and the last, where there are fewer than four million): what is kept does not make the next packet dearer.
//!
//! `cargo bench --bench floods -- NAME ...` runs some of them, in the order of the table. `... -- --write NAME PACKETS` writes so
//! many packets to standard output instead: for a profiler that counts instructions, where time is not exact enough.

use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATTERN: &str = "NEEDLE-[0-9]+-END";
const MILLION: u64 = 1_000_000;
/// Bytes of a segment behind the hole.
const BEHIND: u32 = 1024;

/// A workload: its name, how many packets it has, which is its packet of that number, and the memory it may cost in MiB.
type Flood = (&'static str, u64, fn(&mut Frames, u64), u64);

const FLOODS: [Flood; 8] = [
    ("syns", 10 * MILLION, syn, 96),
    ("syns-answered", 20 * MILLION, answered, 256),
    ("flows", 70 * MILLION, flow, 160),
    ("flows-unclosed", 20 * MILLION, unclosed, 160),
    ("hole", 2 + (2 << 30) / BEHIND as u64, hole, 96),
    ("one-flow", 4 * MILLION, whole, 96),
    ("reversed", 4 * MILLION, reversed, 96),
    ("fragments", MILLION, fragment, 256),
];

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [write, name, packets] = words.as_slice()
        && write == "--write"
    {
        let packets = packets.parse().expect("a number of packets");
        let flood = FLOODS.iter().find(|flood| flood.0 == name);
        let (.., make, _) = flood.expect("the name of a workload");
        let mut frames = Frames::to(io::stdout().lock());
        (0..packets).for_each(|number| make(&mut frames, number));
        return frames.out.flush().expect("standard output is read");
    }
    println!(
        "{:15} {:>9} {:>9} {:>7}   {:>9} {:>9} {:>6}",
        "workload", "packets", "peak MiB", "allowed", "first", "last", "ratio"
    );
    for flood in FLOODS {
        if words.is_empty() || words.iter().any(|word| word == flood.0) {
            measure(flood);
        }
    }
}

fn measure((name, packets, make, allowed): Flood) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_spygrep"))
        .args(["-q", "--regexp", PATTERN, "-I", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("spygrep starts");
    let mut frames = Frames::to(child.stdin.take().expect("its input is a pipe"));
    let window = MILLION.min(packets / 4);
    let marks = [window, packets - window];
    let mut times = vec![processor(&child)];
    for number in 0..packets {
        if marks.contains(&number) {
            frames.out.flush().expect("spygrep reads on");
            times.push(processor(&child));
        }
        make(&mut frames, number);
    }
    frames.out.flush().expect("spygrep reads on");
    times.push(processor(&child));
    drop(frames);
    // What it does at the end counts as well: its memory is looked at until it is gone.
    let mut peak = 0;
    while child.try_wait().expect("it can be waited for").is_none() {
        peak = memory(&child).unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    let per_packet = |from: u64, to: u64| (to - from) as f64 / window as f64;
    let [start, first_end, last_start, end] = times[..] else {
        panic!("four looks at the clock")
    };
    let (first, last) = (per_packet(start, first_end), per_packet(last_start, end));
    println!(
        "{name:15} {packets:>9} {:>9.1} {allowed:>7}   {first:>6.0} ns {last:>6.0} ns {:>6.2}",
        peak as f64 / 1024.0,
        last / first
    );
}

/// Nanoseconds that a process has been on a processor.
fn processor(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", child.id()));
    text.ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .expect("Linux tells how long a process ran")
}

/// The most KiB that a process had in memory; nothing when it is over.
fn memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Where packets are written to, and how many were.
struct Frames {
    out: BufWriter<Box<dyn Write>>,
    count: u64,
}

impl Frames {
    fn to(out: impl Write + 'static) -> Self {
        let mut out = BufWriter::with_capacity(1 << 16, Box::new(out) as Box<dyn Write>);
        for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
            put(&mut out, &field.to_le_bytes());
        }
        Self { out, count: 0 }
    }

    /// An IPv4 packet, 10 microseconds after the one before.
    fn ip(&mut self, ends: [u32; 2], protocol: u8, id: u16, fragment: u16, payload: &[&[u8]]) {
        let len = 20 + payload.iter().map(|part| part.len()).sum::<usize>() as u32;
        let mut head = [0; 36];
        let micros = self.count * 10;
        self.count += 1;
        let fields = [
            1_700_000_000 + (micros / MILLION) as u32,
            (micros % MILLION) as u32,
            len,
            len,
        ];
        for (place, field) in head.chunks_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let words = [
            0x4500_0000 | len,
            u32::from(id) << 16 | u32::from(fragment),
            0x4000_0000 | u32::from(protocol) << 16,
            ends[0],
            ends[1],
        ];
        for (place, word) in head[16..].chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        put(&mut self.out, &head);
        for part in payload {
            put(&mut self.out, part);
        }
    }

    /// A segment of the client of a number, or of its server.
    fn tcp(&mut self, up: bool, client: u64, flags: u8, seq: u32, ack: u32, payload: &[u8]) {
        // Spread as those of a flood are, and none twice: the multiplier is odd.
        let mixed = (client as u32).wrapping_mul(0x9e37_79b1);
        let (address, port) = (0x0a00_0000 | mixed >> 8, 0x8000 | mixed & 0xff);
        let (ends, ports) = match up {
            true => ([address, SERVER], port << 16 | HTTP),
            false => ([SERVER, address], HTTP << 16 | port),
        };
        let mut head = [0; 20];
        let words = [ports, seq, ack, 0x5000_ffff | u32::from(flags) << 16, 0];
        for (place, word) in head.chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        self.ip(ends, 6, 0, 0, &[&head, payload]);
    }
}

const SERVER: u32 = 0xc633_6414;
const HTTP: u32 = 80;
const SYN: u8 = 2;
const ACK: u8 = 16;
const PSH: u8 = 24;
const FIN: u8 = 17;

fn put(out: &mut impl Write, bytes: &[u8]) {
    match out.write_all(bytes) {
        // `head` has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.expect("packets can be written"),
    }
}

/// SYNs that nobody answers.
fn syn(frames: &mut Frames, number: u64) {
    frames.tcp(true, number, SYN, number as u32, 0, b"");
}

/// SYNs and their answers, and no more.
fn answered(frames: &mut Frames, number: u64) {
    let isn = (number / 2) as u32;
    match number % 2 {
        0 => frames.tcp(true, number / 2, SYN, isn, 0, b""),
        _ => frames.tcp(false, number / 2, SYN | ACK, 99, isn.wrapping_add(1), b""),
    }
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

/// Connections with one exchange, from the SYN to the last acknowledgement.
fn flow(frames: &mut Frames, number: u64) {
    let (client, up) = (number / 7, (number / 7) as u32);
    let asked = up.wrapping_add(1 + ASK.len() as u32);
    let told = 500 + ANSWER.len() as u32;
    match number % 7 {
        0 => frames.tcp(true, client, SYN, up, 0, b""),
        1 => frames.tcp(false, client, SYN | ACK, 499, up.wrapping_add(1), b""),
        2 => frames.tcp(true, client, PSH, up.wrapping_add(1), 500, ASK),
        3 => frames.tcp(false, client, PSH, 500, asked, ANSWER),
        4 => frames.tcp(true, client, FIN, asked, told, b""),
        5 => frames.tcp(false, client, FIN, told, asked.wrapping_add(1), b""),
        _ => frames.tcp(true, client, ACK, asked.wrapping_add(1), told + 1, b""),
    }
}

/// Connections that say something and are never heard of again.
fn unclosed(frames: &mut Frames, number: u64) {
    let (client, isn) = (number / 2, (number / 2) as u32);
    match number % 2 {
        0 => frames.tcp(true, client, SYN, isn, 0, b""),
        _ => frames.tcp(true, client, PSH, isn.wrapping_add(1), 500, ASK),
    }
}

/// One connection that lacks its first byte, and 2 GiB behind that.
fn hole(frames: &mut Frames, number: u64) {
    match number {
        0 => frames.tcp(true, 0, SYN, 0, 0, b""),
        1 => frames.tcp(false, 0, SYN | ACK, 499, 1, b""),
        _ => {
            let seq = 2 + (number as u32 - 2).wrapping_mul(BEHIND);
            frames.tcp(true, 0, ACK, seq, 500, &[b'x'; BEHIND as usize]);
        }
    }
}

/// One connection that lacks nothing.
fn whole(frames: &mut Frames, number: u64) {
    let seq = 2 + (number as u32).wrapping_mul(BEHIND);
    match number {
        0 => frames.tcp(true, 0, SYN, 1 + BEHIND, 0, b""),
        _ => frames.tcp(true, 0, ACK, seq, 500, &[b'x'; BEHIND as usize]),
    }
}

/// Connections of 4096 segments of one byte each, the last of them first.
fn reversed(frames: &mut Frames, number: u64) {
    let (client, at) = (number / 4098, (number % 4098) as u32);
    match at {
        0 => frames.tcp(true, client, SYN, 0, 0, b""),
        1 => frames.tcp(false, client, SYN | ACK, 499, 1, b""),
        _ => frames.tcp(true, client, ACK, 4098 - at, 500, b"x"),
    }
}

/// First fragments of datagrams whose others never come.
fn fragment(frames: &mut Frames, number: u64) {
    let client = 0x0a00_0000 | (number >> 16) as u32;
    frames.ip(
        [client, SERVER],
        17,
        number as u16,
        0x2000,
        &[&[4, 0, 0, 80, 16, 0, 0, 0], &[b'x'; 1400]],
    );
}

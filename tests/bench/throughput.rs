//! spygrep and ngrep side by side on generated captures: `cargo bench`.
//!
//! Both read the same file from the page cache, in turn, five times; the table has medians and their ratio. `SPYGREP_BENCH_MIB`
//! sets the size of the files (256), `SPYGREP_BENCH_DIR` where they lie (the target directory; they are made once).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATTERN: &str = "NEEDLE-[0-9]+-END";
const RUNS: usize = 5;

fn main() {
    let mebibytes = std::env::var("SPYGREP_BENCH_MIB")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(256);
    let folder = std::env::var_os("SPYGREP_BENCH_DIR").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder).expect("a folder for captures can be made");
    let ngrep = Command::new("ngrep")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !ngrep {
        println!("ngrep is not installed: only spygrep is measured");
    }
    println!(
        "{:8} {:>9} {:>9} {:>7}   pattern {PATTERN}, {mebibytes} MiB each",
        "workload", "spygrep", "ngrep", "ratio"
    );
    let workloads: [(&str, fn(&mut Workload)); 3] =
        [("http", http), ("small", small), ("flows", flows)];
    for (name, make) in workloads {
        let file = folder.join(format!("{name}-{mebibytes}.pcap"));
        if !file.exists() {
            let mut workload = Workload::create(&file, mebibytes << 20);
            while !workload.is_full() {
                make(&mut workload);
            }
            workload.out.flush().expect("the capture can be written");
        }
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            times[0].push(time(
                Command::new(env!("CARGO_BIN_EXE_spygrep"))
                    .args(["-q", PATTERN])
                    .arg(&file),
            ));
            if ngrep {
                times[1].push(time(
                    Command::new("ngrep")
                        .arg("-q")
                        .arg("-I")
                        .arg(&file)
                        .arg(PATTERN),
                ));
            }
        }
        let [ours, theirs] = times.map(median);
        let ratio = theirs.map(|theirs| {
            format!(
                "{:.2}",
                ours.unwrap_or_default().as_secs_f64() / theirs.as_secs_f64()
            )
        });
        let shown = |time: Option<Duration>| {
            time.map_or("-".to_owned(), |time| {
                format!("{:.3} s", time.as_secs_f64())
            })
        };
        println!(
            "{name:8} {:>9} {:>9} {:>7}",
            shown(ours),
            shown(theirs),
            ratio.unwrap_or("-".into())
        );
    }
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let elapsed = start.elapsed();
    assert!(
        status.is_ok_and(|status| status.code().is_some_and(|code| code < 2)),
        "a run failed"
    );
    elapsed
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// A capture file that is being made.
struct Workload {
    out: BufWriter<File>,
    size: usize,
    written: usize,
    packets: u32,
    numbers: u64,
    port: u16,
}

impl Workload {
    fn create(path: &Path, size: usize) -> Self {
        let out = BufWriter::new(File::create(path).expect("the capture can be made"));
        let mut workload = Self {
            out,
            size,
            written: 0,
            packets: 0,
            numbers: 1,
            port: 1024,
        };
        for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            workload.put(&field.to_le_bytes());
        }
        workload
    }

    fn is_full(&self) -> bool {
        self.written >= self.size
    }

    fn below(&mut self, end: u64) -> u64 {
        self.numbers = self
            .numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.numbers >> 33) % end
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out
            .write_all(bytes)
            .expect("the capture can be written");
        self.written += bytes.len();
    }

    /// An Ethernet frame with an IPv4 packet.
    fn packet(&mut self, up: bool, protocol: u8, payload: &[u8]) {
        let len = 34 + payload.len();
        self.packets += 1;
        let wire = u32::try_from(len).expect("short");
        for field in [
            1_700_000_000 + self.packets / 100_000,
            self.packets % 100_000 * 10,
            wire,
            wire,
        ] {
            self.put(&field.to_le_bytes());
        }
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend(u16::try_from(len - 14).expect("short").to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        frame.extend(
            if up {
                [client, server]
            } else {
                [server, client]
            }
            .concat(),
        );
        frame.extend(payload);
        self.put(&frame);
    }

    fn tcp(&mut self, up: bool, flags: u8, seq: u32, ack: u32, payload: &[u8]) {
        let (src, dst) = if up { (self.port, 80) } else { (80, self.port) };
        let mut segment = Vec::with_capacity(1480);
        segment.extend(src.to_be_bytes());
        segment.extend(dst.to_be_bytes());
        segment.extend(seq.to_be_bytes());
        segment.extend(ack.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.packet(up, 6, &segment);
    }

    /// Text with a needle now and then.
    fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: &[u8] =
            b"the quick brown fox jumps over a lazy dog while NEEDLES are sought in hay \n";
        let start = usize::try_from(self.below(WORDS.len() as u64)).expect("small");
        let mut text: Vec<u8> = WORDS
            .iter()
            .copied()
            .cycle()
            .skip(start)
            .take(len)
            .collect();
        if self.below(1000) == 0 {
            let needle = format!("NEEDLE-{}-END", self.below(1_000_000));
            let at = text.len() / 2;
            text.splice(at..(at + needle.len()).min(len), needle.bytes());
        }
        text
    }
}

/// A keep-alive connection of 100 exchanges, bodies of 20 KB in segments of 1460 bytes.
fn http(workload: &mut Workload) {
    workload.port = workload.port.wrapping_add(1).max(1024);
    workload.tcp(true, 0x02, 99, 0, b"");
    workload.tcp(false, 0x12, 499, 100, b"");
    let (mut up, mut down) = (100_u32, 500_u32);
    for number in 0..100 {
        let ask = format!(
            "GET /page/{number} HTTP/1.1\r\nHost: example.test\r\nAccept-Language: en\r\nUser-Agent: bench\r\n\r\n"
        );
        workload.tcp(true, 0x18, up, down, ask.as_bytes());
        up = up.wrapping_add(u32::try_from(ask.len()).expect("short"));
        let body = workload.text(20_000);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        for segment in [head.as_bytes(), &body].concat().chunks(1460) {
            workload.tcp(false, 0x10, down, up, segment);
            down = down.wrapping_add(u32::try_from(segment.len()).expect("short"));
        }
        workload.tcp(true, 0x10, up, down, b"");
    }
    workload.tcp(true, 0x11, up, down, b"");
    workload.tcp(false, 0x11, down, up.wrapping_add(1), b"");
    workload.tcp(true, 0x10, up.wrapping_add(1), down.wrapping_add(1), b"");
}

/// Datagrams of 60 to 160 bytes between 1000 pairs of ports.
fn small(workload: &mut Workload) {
    let len = 60 + usize::try_from(workload.below(100)).expect("small");
    let port = 2000 + u16::try_from(workload.below(1000)).expect("small");
    let text = workload.text(len);
    let mut datagram = Vec::with_capacity(200);
    datagram.extend(port.to_be_bytes());
    datagram.extend(514_u16.to_be_bytes());
    datagram.extend(u16::try_from(8 + text.len()).expect("short").to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(text);
    workload.packet(true, 17, &datagram);
}

/// A connection with one short exchange.
fn flows(workload: &mut Workload) {
    workload.port = workload.port.wrapping_add(1).max(1024);
    let isn = u32::try_from(workload.below(1 << 30)).expect("31 bits");
    let ask = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
    let body = workload.text(400);
    let answer = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
        &body,
    ]
    .concat();
    let (up, down) = (isn.wrapping_add(1), isn.wrapping_add(7));
    let (up_end, down_end) = (
        up.wrapping_add(u32::try_from(ask.len()).expect("short")),
        down.wrapping_add(u32::try_from(answer.len()).expect("short")),
    );
    workload.tcp(true, 0x02, isn, 0, b"");
    workload.tcp(false, 0x12, down.wrapping_sub(1), up, b"");
    workload.tcp(true, 0x18, up, down, ask);
    workload.tcp(false, 0x18, down, up_end, &answer);
    workload.tcp(true, 0x11, up_end, down_end, b"");
    workload.tcp(false, 0x11, down_end, up_end.wrapping_add(1), b"");
    workload.tcp(
        true,
        0x10,
        up_end.wrapping_add(1),
        down_end.wrapping_add(1),
        b"",
    );
}

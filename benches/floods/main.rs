//! What hostile traffic costs: `cargo bench --bench floods`.
//!
//! Each workload is made here and written into spygrep's standard input, a pipe, so that no page of
//! a file counts as memory. The table has the peak memory, and the processor time for a packet in
//! the first million packets and in the last (in the first quarter and the last, where there are
//! fewer than four million): what is kept does not make the next packet dearer.
//!
//! `cargo bench --bench floods -- NAME ...` runs some of them, in the order of the table. `... --
//! --write NAME PACKETS` writes so many packets to standard output instead: for a profiler that
//! counts instructions, where time is not exact enough. `... -- --each` prints what one more flow,
//! segment or message costs instead: see [`each`].

mod each;
mod floods;
mod frames;

use std::fs;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use floods::{FLOODS, Flood};
use frames::Frames;

const PATTERN: &str = "NEEDLE-[0-9]+-END";
const MILLION: u64 = 1_000_000;

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
    if words.iter().any(|word| word == "--each") {
        return each::table();
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
    let (mut child, mut frames) = start();
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

/// spygrep, and its standard input as frames.
fn start() -> (Child, Frames) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_spygrep"))
        .args(["-q", "--regexp", PATTERN, "-I", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("spygrep starts");
    let input = child.stdin.take().expect("its input is a pipe");
    (child, Frames::to(input))
}

/// Nanoseconds that the threads of a process have been on a processor.
fn processor(child: &Child) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
    let ran = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    let ran: u64 = ran.sum();
    assert!(ran > 0, "Linux tells how long a thread ran");
    ran
}

/// The most KiB that a process had in memory; nothing when it is over.
fn memory(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

//! Runs of programs: their time, their peak memory, what they print.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// A program and its arguments.
pub(crate) type Call = Vec<String>;

/// spygrep with `arguments`, on a file.
pub(crate) fn spygrep(arguments: &[&str], file: &Path) -> Call {
    call(env!("CARGO_BIN_EXE_spygrep"), arguments, file)
}

/// ngrep with `arguments`, on a file.
pub(crate) fn ngrep(arguments: &[&str], file: &Path) -> Call {
    call("ngrep", arguments, file)
}

fn call(program: &str, arguments: &[&str], file: &Path) -> Call {
    let file = file.to_str().expect("the path is text");
    [&[program, "-q", "-I", file], arguments]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// Median wall time of each call, run in turn so many times, with `output` as their output; nothing
/// for no call. One call of each goes in front, so that the file and the programs are in memory.
pub(crate) fn medians<const N: usize>(
    calls: [Option<&Call>; N],
    runs: usize,
    output: Option<&Path>,
) -> [Option<Duration>; N] {
    let mut times = [const { Vec::new() }; N];
    for run in 0..=runs {
        for (call, times) in calls.iter().zip(&mut times) {
            let time = call.map(|call| time(call, output));
            times.extend(time.filter(|_| run > 0));
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    })
}

/// Wall time of a call that must not fail; 1 as its status is that nothing was found.
pub(crate) fn time(call: &Call, output: Option<&Path>) -> Duration {
    let output = output.map_or(Stdio::null(), |path| {
        File::create(path).expect("a file can be made").into()
    });
    let mut command = command(call);
    command.stdin(Stdio::null()).stdout(output);
    let start = Instant::now();
    let status = command.stderr(Stdio::null()).status();
    let elapsed = start.elapsed();
    let status = status.expect("it can be started");
    assert!(
        status.code().is_some_and(|code| code < 2),
        "{} ended with {status}",
        call.join(" ")
    );
    elapsed
}

/// Wall time of a call, to the millisecond; nothing when it took longer and was ended.
pub(crate) fn time_within(call: &Call, patience: Duration) -> Option<Duration> {
    let mut command = command(call);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let child = command.stderr(Stdio::null()).spawn();
    let mut child = child.expect("it can be started");
    while start.elapsed() < patience {
        let ended = child.try_wait().expect("it can be waited for");
        if let Some(status) = ended {
            assert!(status.success(), "{} ended with {status}", call.join(" "));
            return Some(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("it is a child of this program");
    child.wait().expect("it can be waited for");
    None
}

fn command(call: &Call) -> Command {
    let mut command = Command::new(&call[0]);
    command.args(&call[1..]);
    command
}

/// Whether a program can be started.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !there {
        println!("{program} is not installed: it is left out");
    }
    there
}

/// Lines that a call prints.
pub(crate) fn lines(call: &Call) -> u64 {
    let output = command(call).stderr(Stdio::null()).output();
    let text = output.expect("it can be started").stdout;
    memchr::memchr_iter(b'\n', &text).count() as u64
}

/// The most kibibytes that a call has in memory while it reads `file` from a pipe, so that no page
/// of a file counts as its memory. The kernel tells the most of all children that a process had, so
/// each call gets a process of its own to be the child of: [`peak_of_child`].
pub(crate) fn peak(call: &Call, file: &Path) -> u64 {
    let own = std::env::current_exe().expect("the program has a path");
    let mut command = Command::new(own);
    command.arg("--peak").arg(file).args(call);
    let output = command.stderr(Stdio::inherit()).output();
    let text = output.expect("it can be started").stdout;
    let text = String::from_utf8(text).expect("it prints a number");
    text.trim().parse().expect("it prints a number")
}

/// Run a program on a file in a pipe, and print its peak memory in kibibytes.
pub(crate) fn peak_of_child(file: &str, call: &[String]) {
    let mut child = command(&call.to_vec())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut pipe = child.stdin.take().expect("its input is a pipe");
    let mut file = File::open(file).expect("the capture is there");
    match io::copy(&mut file, &mut pipe) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => (),
        copied => drop(copied.expect("the capture can be written")),
    }
    drop(pipe);
    child.wait().expect("it can be waited for");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("Linux counts");
    println!("{}", usage.max_rss());
}

/// How much two busy threads get done at once, over one: 2 where each has a core of its own, 1
/// where they share one.
pub(crate) fn cores() -> f64 {
    let start = Instant::now();
    busy();
    let one = start.elapsed();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(busy);
        busy();
    });
    2.0 * one.as_secs_f64() / start.elapsed().as_secs_f64()
}

/// Additions that do not wait for each other, some hundredths of a second of them.
fn busy() {
    let mut sums = [0_u64; 8];
    for step in 0..20_000_000_u64 {
        for sum in &mut sums {
            *sum = sum.wrapping_add(std::hint::black_box(step));
        }
    }
    std::hint::black_box(sums);
}

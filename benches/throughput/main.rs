//! spygrep beside other programs on generated captures: `cargo bench`.
//!
//! ```text
//! cargo bench --bench throughput -- [WORKLOAD ...] [--peers] [--patterns] [--views] [--all]
//! cargo bench --bench throughput -- [WORKLOAD ...] --instructions [--write]
//! ```
//!
//! Without a switch: wall time of spygrep, ngrep and a bare read loop on libpcap, the peak memory
//! of the first two, and whether all needles were found. `--peers`: tcpdump, tshark, tcpflow,
//! httpry. `--patterns` and `--views`: kinds of pattern and of output, against ngrep's. `--all`:
//! all of these. `--instructions`: see [`instructions`].
//!
//! All read the same file from the page cache, in turn; the tables have medians and ratios.
//! `SPYGREP_BENCH_RUNS` says how often (5), `SPYGREP_BENCH_MIB` how large the files are (256),
//! `SPYGREP_BENCH_DIR` where they lie (in the target directory; they are made once, from a fixed
//! seed). Two threads want two cores: how many there really were is told below the table.

mod asked;
mod capture;
mod instructions;
mod peers;
mod runs;
mod table;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use table::{Table, mebibytes, ratio, seconds};
use workloads::{Made, WORKLOADS, Workload};

/// What is searched for: the form of the needles.
const PATTERN: &str = "NEEDLE-[0-9]+-END";

/// What is to be measured, and how.
struct Plan {
    /// Names of workloads; none: all that a table has.
    names: Vec<String>,
    /// Where the captures lie.
    folder: PathBuf,
    /// The size of a capture.
    mebibytes: u64,
    /// Runs of which the median is taken.
    runs: usize,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // As a child of itself.
    match words.as_slice() {
        [read, file] if read == "--loop" => {
            peers::read(file);
            return ExitCode::SUCCESS;
        }
        [peak, file, call @ ..] if peak == "--peak" => {
            runs::peak_of_child(file, call);
            return ExitCode::SUCCESS;
        }
        _ => (),
    }
    let words = words.into_iter().filter(|word| word != "--bench");
    let (switches, names): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('-'));
    if let Err(wrong) = understood(&switches, &names) {
        eprintln!("what is {wrong}? See the head of benches/throughput/main.rs");
        return ExitCode::from(2);
    }
    let plan = Plan::of(names);
    let is_asked = |name: &str| switches.iter().any(|switch| switch == name);
    if is_asked("--instructions") {
        let good = instructions::table(&plan, is_asked("--write"));
        return ExitCode::from(u8::from(!good));
    }
    let all = is_asked("--all");
    let mut good = true;
    if switches.is_empty() || all {
        good = workloads_table(&plan);
    }
    let tables: [(&str, fn(&Plan)); 3] = [
        ("--peers", peers::table),
        ("--patterns", asked::patterns),
        ("--views", asked::outputs),
    ];
    for (switch, table) in tables {
        if all || is_asked(switch) {
            table(&plan);
        }
    }
    ExitCode::from(u8::from(!good))
}

/// The first word that means nothing, if there is one.
fn understood<'a>(switches: &'a [String], names: &'a [String]) -> Result<(), &'a str> {
    const SWITCHES: [&str; 6] = [
        "--peers",
        "--patterns",
        "--views",
        "--all",
        "--instructions",
        "--write",
    ];
    let is_switch = |word: &&String| SWITCHES.contains(&word.as_str());
    let is_name = |word: &&String| WORKLOADS.iter().any(|workload| workload.name == *word);
    let mut wrong = switches.iter().filter(|word| !is_switch(word));
    let mut unknown = names.iter().filter(|word| !is_name(word));
    wrong
        .next()
        .or_else(|| unknown.next())
        .map_or(Ok(()), |word| Err(word))
}

impl Plan {
    fn of(names: Vec<String>) -> Self {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        let folder = std::env::var_os("SPYGREP_BENCH_DIR").map_or_else(
            || Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench"),
            PathBuf::from,
        );
        std::fs::create_dir_all(&folder).expect("a folder for captures can be made");
        Self {
            names,
            folder,
            mebibytes: number("SPYGREP_BENCH_MIB").unwrap_or(256),
            runs: number("SPYGREP_BENCH_RUNS").unwrap_or(5) as usize,
        }
    }

    /// Those that were named; if none were, those of `usual`, or all.
    fn workloads(&self, usual: &[&str]) -> impl Iterator<Item = &'static Workload> {
        WORKLOADS
            .iter()
            .filter(move |workload| match self.is_whole() {
                true => usual.is_empty() || usual.contains(&workload.name),
                false => self.names.iter().any(|name| name == workload.name),
            })
    }

    /// No workload was named.
    fn is_whole(&self) -> bool {
        self.names.is_empty()
    }
}

/// Time and memory on each workload. False: needles were missed.
fn workloads_table(plan: &Plan) -> bool {
    let ngrep = runs::is_there("ngrep");
    println!(
        "{PATTERN} in files of {} MiB, median of {} runs\n",
        plan.mebibytes, plan.runs
    );
    let mut table = Table::new(&[
        "workload",
        "packets",
        "spygrep",
        "ngrep",
        "libpcap",
        "/ ngrep",
        "/ libpcap",
        "MiB",
        "ngrep's",
        "needles",
    ]);
    let mut good = true;
    let mut cores = vec![runs::cores()];
    for workload in plan.workloads(&[]) {
        let Made {
            path,
            packets,
            needles,
        } = workload.file(&plan.folder, plan.mebibytes);
        let [ours, theirs] = [runs::spygrep, runs::ngrep].map(|call| call(&[PATTERN], &path));
        let calls = [
            Some(&ours),
            ngrep.then_some(&theirs),
            Some(&peers::bare(&path)),
        ];
        let [time, ngreps, libpcaps] = runs::medians(calls, plan.runs, None);
        let pipe = Path::new("-");
        let peak = runs::peak(&runs::spygrep(&[PATTERN], pipe), &path);
        let ngreps_peak = ngrep.then(|| runs::peak(&runs::ngrep(&[PATTERN], pipe), &path));
        let found = runs::lines(&runs::spygrep(&["-o", PATTERN], &path));
        good &= found == needles;
        table.row(vec![
            workload.name.into(),
            packets.to_string(),
            seconds(time),
            seconds(ngreps),
            seconds(libpcaps),
            ratio(time, ngreps),
            ratio(time, libpcaps),
            mebibytes(Some(peak)),
            mebibytes(ngreps_peak),
            format!("{found} of {needles}"),
        ]);
        cores.push(runs::cores());
    }
    table.print();
    let least = cores.iter().copied().fold(f64::INFINITY, f64::min);
    let most = cores.iter().copied().fold(0.0, f64::max);
    println!("Meanwhile two busy threads did {least:.1} to {most:.1} times the work of one.");
    good
}

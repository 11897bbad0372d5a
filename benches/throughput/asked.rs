//! Kinds of pattern and kinds of output, against ngrep's with the same pattern and in its own way
//! to print.

use std::path::Path;

use crate::runs::{self, Call};
use crate::table::{Table, ratio, seconds};
use crate::{PATTERN, Plan};

/// A kind of pattern: its name, and the arguments, which both programs take.
type Kind = (&'static str, &'static [&'static str]);

/// Of the two classes the first stands nowhere in most texts, the second begins at every letter.
const KINDS: [Kind; 6] = [
    ("literal prefix", &[PATTERN]),
    ("ignoring case", &["-i", "needle"]),
    (
        "alternation",
        &["NEEDLE-[0-9]+|HAYSTACK-[0-9]+|PITCHFORK-[a-z]+"],
    ),
    ("class, rare", &["[0-9]{7}[a-f]"]),
    ("class, everywhere", &["[a-z]{12}[0-9]"]),
    ("none", &[""]),
];

/// A kind of output: its name, spygrep's arguments, ngrep's.
type Output = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// `FILE` is the name of a file to write to.
const OUTPUTS: [Output; 15] = [
    ("no hit", &["ABSENT-[0-9]+"], &["ABSENT-[0-9]+"]),
    ("spy", &["-W", "spy", ""], &[""]),
    (
        "spy --body full",
        &["-W", "spy", "--body", "full", ""],
        &[""],
    ),
    ("log", &["-W", "log", ""], &[""]),
    ("byline", &["-W", "byline", ""], &["-W", "byline", ""]),
    (
        "byline --body full",
        &["-W", "byline", "--body", "full", ""],
        &["-W", "byline", ""],
    ),
    ("normal", &["-W", "normal", ""], &["-W", "normal", ""]),
    ("single", &["-W", "single", ""], &["-W", "single", ""]),
    ("none", &["-W", "none", ""], &["-W", "none", ""]),
    ("-x", &["-x", ""], &["-x", ""]),
    ("--json", &["--json", ""], &[""]),
    ("--ngrep", &["--ngrep", ""], &[""]),
    (
        "--ngrep -W byline",
        &["--ngrep", "-W", "byline", ""],
        &["-W", "byline", ""],
    ),
    (
        "-O hits",
        &["-O", "FILE", PATTERN],
        &["-O", "FILE", PATTERN],
    ),
    ("-O all", &["-O", "FILE", ""], &["-O", "FILE", ""]),
];

/// Views that are printed into a file as well: how they are written counts there.
const INTO_A_FILE: [&str; 2] = ["byline", "--json"];

/// The files are smaller than those of the workloads, since there are many runs.
const SHARE: u64 = 4;
/// Smaller still where all of it is printed.
const SHOWN_SHARE: u64 = 16;

/// A row for each kind of pattern.
pub(crate) fn patterns(plan: &Plan) {
    let ngrep = runs::is_there("ngrep");
    println!(
        "files of {} MiB, median of {} runs\n",
        plan.mebibytes / SHARE,
        plan.runs
    );
    let mut table = Table::new(&["workload", "pattern", "spygrep", "ngrep", "ratio"]);
    for workload in plan.workloads(&["http", "small"]) {
        let made = workload.file(&plan.folder, plan.mebibytes / SHARE);
        for (name, arguments) in KINDS {
            let ours = runs::spygrep(arguments, &made.path);
            let theirs = runs::ngrep(arguments, &made.path);
            let calls = [Some(&ours), ngrep.then_some(&theirs)];
            let [ours, theirs] = runs::medians(calls, plan.runs, None);
            table.row(vec![
                workload.name.into(),
                name.into(),
                seconds(ours),
                seconds(theirs),
                ratio(ours, theirs),
            ]);
        }
    }
    table.print();
}

/// A row for each kind of output.
pub(crate) fn outputs(plan: &Plan) {
    let ngrep = runs::is_there("ngrep");
    println!(
        "files of {} MiB, median of {} runs\n",
        plan.mebibytes / SHOWN_SHARE,
        plan.runs
    );
    let mut table = Table::new(&["workload", "output", "into", "spygrep", "ngrep", "ratio"]);
    let (hits, printed) = (plan.folder.join("hits.pcap"), plan.folder.join("printed"));
    for workload in plan.workloads(&["http", "small"]) {
        let made = workload.file(&plan.folder, plan.mebibytes / SHOWN_SHARE);
        for (name, ours, theirs) in OUTPUTS {
            let ours = runs::spygrep(ours, &made.path);
            let theirs = runs::ngrep(theirs, &made.path);
            let [ours, theirs] = [ours, theirs].map(|call| into_file(call, &hits));
            let calls = [Some(&ours), ngrep.then_some(&theirs)];
            let file = INTO_A_FILE.contains(&name).then_some(Some(&*printed));
            for into in [None].into_iter().chain(file) {
                let [ours, theirs] = runs::medians(calls, plan.runs, into);
                table.row(vec![
                    workload.name.into(),
                    name.into(),
                    into.map_or("/dev/null", |_| "a file").into(),
                    seconds(ours),
                    seconds(theirs),
                    ratio(ours, theirs),
                ]);
            }
        }
    }
    table.print();
    for left in [hits, printed] {
        // Not there if nothing was measured.
        let _ = std::fs::remove_file(left);
    }
}

/// `FILE` in a call becomes the name of a file.
fn into_file(call: Call, file: &Path) -> Call {
    let file = file.to_str().expect("the path is text");
    let words = call.into_iter();
    words
        .map(|word| if word == "FILE" { file.into() } else { word })
        .collect()
}

//! How many instructions a packet takes: what two builds can be compared by without noise, on a
//! machine that others use too.
//!
//! Valgrind counts, on small captures, with what the start of the program takes (an empty capture)
//! taken off. The numbers belong to a compiler and a kind of processor: where
//! `benches/instructions.txt` was made on another, write it anew from the commit before, with
//! `--instructions --write`, and compare with that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::capture::Capture;
use crate::runs::is_there;
use crate::table::Table;
use crate::{PATTERN, Plan};

/// Mebibytes of a capture.
const SIZE: u64 = 2;
/// So many hundredths more than before are too many.
const ALLOWED: u64 = 5;

/// What is asked of all workloads; and what of some.
const SEARCH: &[&str] = &[PATTERN];
const SHOWN: [(&str, &str, &[&str]); 3] = [
    ("http", "shown", &[""]),
    ("http", "--json", &["--json", ""]),
    ("small", "shown", &[""]),
];

/// Compare with the committed numbers, or with `write` replace them. False: something takes more
/// than is allowed.
pub(crate) fn table(plan: &Plan, write: bool) -> bool {
    assert!(is_there("valgrind"), "valgrind counts the instructions");
    let before = fs::read_to_string(committed()).unwrap_or_default();
    let mut table = Table::new(&["workload", "asked", "a packet", "before", "more"]);
    let (mut good, mut text) = (true, String::new());
    let empty = plan.folder.join("empty.pcap");
    let file = fs::File::create(&empty).expect("the capture can be made");
    let begun = Capture::begin(file, 0).finish();
    begun.expect("the capture can be written");
    for workload in plan.workloads(&[]) {
        let made = workload.file(&plan.folder, SIZE);
        let others = SHOWN.iter().filter(|shown| shown.0 == workload.name);
        let all = others.map(|(_, asked, arguments)| (*asked, *arguments));
        for (asked, arguments) in [("search", SEARCH)].into_iter().chain(all) {
            let start = count(arguments, &empty);
            let each = count(arguments, &made.path).saturating_sub(start) / made.packets;
            let name = format!("{} {asked} ", workload.name);
            let old = before.lines().find_map(|line| line.strip_prefix(&name));
            let old: Option<u64> = old.and_then(|number| number.parse().ok());
            let worse = old.is_some_and(|old| each * 100 > old * (100 + ALLOWED));
            good &= !worse;
            text += &format!("{name}{each}\n");
            let more = old.map(|old| (each as f64 / old as f64 - 1.0) * 100.0);
            table.row(vec![
                workload.name.into(),
                asked.into(),
                each.to_string(),
                old.map_or("-".into(), |old| old.to_string()),
                more.map_or("-".into(), |more| format!("{more:+.1} %")),
                if worse { "too many" } else { "" }.into(),
            ]);
        }
    }
    table.print();
    if write {
        assert!(plan.is_whole(), "the numbers of all workloads are written");
        let text = format!("{HEAD}# {}\n{text}", compiler());
        fs::write(committed(), text).expect("the numbers can be written");
    }
    good || write
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// What stands at the head of the file.
const HEAD: &str = "# Instructions for a packet, written by: cargo bench --bench throughput -- --instructions --write
";

/// The compiler and the kind of processor that the numbers belong to.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("{} {}", version.unwrap_or_default(), std::env::consts::ARCH)
}

/// Instructions of a whole run.
fn count(arguments: &[&str], file: &Path) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(env!("CARGO_BIN_EXE_spygrep"))
        // Valgrind itself does what the sandbox forbids.
        .args(["--no-sandbox", "-q", "-I"])
        .arg(file)
        .args(arguments)
        .output()
        .expect("valgrind can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("I   refs:"));
    let number = line.and_then(|line| line.split("refs:").nth(1));
    let digits = number.map(|number| number.trim().replace(',', ""));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.unwrap_or_else(|| panic!("valgrind counts: {said}"))
}

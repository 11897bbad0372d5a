//! What is printed of each capture in `pcaps/`: `tests/golden/NAME.txt` has commands, their output
//! and exit status.
//!
//! `UPDATE_GOLDEN=1 cargo test golden` writes the outputs anew; read the difference before it is
//! committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{project, run, text};

/// A command, what it prints, and its exit status.
struct Case {
    command: String,
    output: String,
}

fn cases(path: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in fs::read_to_string(path)
        .expect("golden files are text")
        .split_inclusive('\n')
    {
        match (line.strip_prefix("$ spygrep "), cases.last_mut()) {
            (Some(command), _) => cases.push(Case {
                command: command.trim_end().to_owned(),
                output: String::new(),
            }),
            (None, Some(case)) => case.output.push_str(line),
            (None, None) => panic!("{}: starts with no command", path.display()),
        }
    }
    cases
}

fn printed(command: &str) -> String {
    let output = run(command);
    let mut printed = text(&output.stdout);
    if !printed.is_empty() && !printed.ends_with('\n') {
        printed.push('\n');
    }
    let _ = writeln!(printed, "= {}", output.status.code().unwrap_or(-1));
    printed
}

#[test]
fn each_capture_is_shown_as_it_was() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(project().join("tests/golden")).expect("there are golden files") {
        let path = entry.expect("a folder can be read").path();
        let mut written = String::new();
        for case in cases(&path) {
            count += 1;
            let got = printed(&case.command);
            if got != case.output {
                wrong.push(format!(
                    "$ spygrep {}\nwanted:\n{}got:\n{got}",
                    case.command, case.output
                ));
            }
            let _ = write!(written, "$ spygrep {}\n{got}", case.command);
        }
        if update {
            fs::write(&path, written).expect("golden files can be written");
        }
    }
    println!("{count} commands");
    assert!(count > 50, "only {count} commands");
    assert!(update || wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_capture_has_a_golden_file() {
    let stem = |path: &Path| {
        path.file_name().map(|name| {
            name.to_string_lossy()
                .split('.')
                .next()
                .unwrap_or("")
                .to_owned()
        })
    };
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(project().join(folder)).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("a folder can be read").path());
        paths
            .filter(|path| path.is_file() && path.extension().is_none_or(|kind| kind != "md"))
            .filter_map(|path| stem(&path))
            .collect()
    };
    let missing: Vec<String> = names("pcaps")
        .difference(&names("tests/golden"))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "no golden file for {missing:?}");
}

#[test]
fn each_capture_is_described() {
    let readme = fs::read_to_string(project().join("pcaps/README.md")).expect("pcaps has a README");
    for entry in fs::read_dir(project().join("pcaps")).expect("there are captures") {
        let path = entry.expect("a folder can be read").path();
        let name = path
            .file_name()
            .expect("files have names")
            .to_string_lossy()
            .into_owned();
        assert!(
            path.is_dir() || name == "README.md" || readme.contains(&format!("`{name}`")),
            "{name} is not in pcaps/README.md"
        );
    }
}

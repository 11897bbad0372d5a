//! `--streams`: the bytes of each direction as files.

use std::fs;
use std::path::Path;

use crate::{run, scratch, text};

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("it can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

const ASKS: &str = "192.000.002.010.40000-198.051.100.020.00080";
const ANSWERS: &str = "198.051.100.020.00080-192.000.002.010.40000";

#[test]
fn each_direction_is_a_file_and_holes_are_listed() {
    let folder = scratch("streams").join("made");
    let output = run(&format!(
        "-R -q --streams {} '' pcaps/http-gap.pcap",
        folder.display()
    ));
    assert_eq!(output.status.code(), Some(0), "records are still printed");
    assert!(text(&output.stdout).contains("GET /needle"));
    assert_eq!(names(&folder), [ASKS, ANSWERS, "index.tsv"]);
    let asked = fs::read_to_string(folder.join(ASKS)).expect("it is text");
    assert_eq!(asked.matches("GET /needle").count(), 2);
    let index = fs::read_to_string(folder.join("index.tsv")).expect("it is text");
    let rows: Vec<Vec<&str>> = index
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows[0], ["file", "offset", "length", "reason"]);
    assert_eq!(
        (rows[1][0], rows[1][2], rows[1][3]),
        (ANSWERS, "10", "acked")
    );
    assert_eq!(rows.len(), 2);

    let again = run(&format!(
        "-R -q --streams {} '' pcaps/http-gap.pcap",
        folder.display()
    ));
    assert_eq!(again.status.code(), Some(2), "nothing is written over");
    assert!(text(&again.stderr).contains("name another folder"));
}

#[test]
fn holes_are_filled_when_asked() {
    let (bare, filled) = (scratch("streams-bare"), scratch("streams-filled"));
    for (folder, option) in [(&bare, ""), (&filled, "--fill-gaps")] {
        let _ = fs::remove_file(folder.join("index.tsv"));
        let _ = fs::remove_file(folder.join(ASKS));
        let _ = fs::remove_file(folder.join(ANSWERS));
        let output = run(&format!(
            "-R -q {option} --streams {} '' pcaps/http-gap.pcap",
            folder.display()
        ));
        assert_eq!(output.status.code(), Some(0));
    }
    let index = fs::read_to_string(bare.join("index.tsv")).expect("it is text");
    let at: usize = index
        .lines()
        .nth(1)
        .and_then(|row| row.split('\t').nth(1))
        .and_then(|at| at.parse().ok())
        .expect("an offset");
    let bare = fs::read(bare.join(ANSWERS)).expect("it is there");
    let filled = fs::read(filled.join(ANSWERS)).expect("it is there");
    assert_eq!(filled, [&bare[..at], &[0; 10], &bare[at..]].concat());
}

#[test]
fn streams_need_streams() {
    for (arguments, why) in [
        (
            "--fill-gaps '' pcaps/http-gap.pcap",
            "there is no --streams",
        ),
        (
            "--ngrep --streams none -I pcaps/http-gap.pcap needle",
            "packets one by one",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(text(&output.stderr).contains(why), "{arguments}");
    }
}

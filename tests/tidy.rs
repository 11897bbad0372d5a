//! The shape of the source: nouns are files, verbs are folders; a library has one home; hostile bytes cannot panic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::project;

const VERBS: [&str; 6] = [
    "capture",
    "decode",
    "reassemble",
    "dissect",
    "search",
    "render",
];
/// May know all verbs.
const COMPOSITION: [&str; 6] = ["lib.rs", "main.rs", "pipeline.rs", "run.rs", "run", "cli"];
/// A library, and the only places that may name it.
const HOMES: [(&str, &[&str]); 12] = [
    ("pcap::", &["capture/"]),
    ("etherparse::", &["decode/"]),
    ("httparse::", &["dissect/http1/"]),
    ("brotli_decompressor::", &["dissect/http1/"]),
    ("encoding_rs::", &["dissect/http1/"]),
    ("clap::", &["cli/"]),
    ("clap_complete::", &["cli/"]),
    ("clap_mangen::", &["cli/"]),
    ("regex_automata::", &["search/"]),
    ("regex_syntax::", &["search/"]),
    ("flate2::", &["capture/savefile/", "dissect/http1/"]),
    ("ruzstd::", &["capture/savefile/", "dissect/http1/"]),
];

/// A source file: its path below `src`, and its lines without comments and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = project().join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let path = file
                .strip_prefix(&root)
                .expect("found below src")
                .to_string_lossy()
                .into_owned();
            let text = fs::read_to_string(&file).expect("source is text");
            let code = if is_test(&path) {
                String::new()
            } else {
                code(&text)
            };
            Source { path, text, code }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("chart.rs")
}

/// What stands in front of the tests, without comments.
fn code(text: &str) -> String {
    let before = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = before
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What a file may not name, and does.
fn strangers(path: &str, code: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let first = path.split('/').next().unwrap_or_default();
    let knows_all = COMPOSITION.contains(&first) || first == "pipeline";
    for verb in VERBS {
        if verb != first && !knows_all && code.contains(&format!("crate::{verb}")) {
            wrong.push(format!("{path} names crate::{verb}"));
        }
    }
    for (library, homes) in HOMES {
        let used = code
            .match_indices(library)
            .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        if used && !homes.iter().any(|home| path.starts_with(home)) && path != "main.rs" {
            wrong.push(format!("{path} names {library}"));
        }
    }
    wrong
}

/// Ways to panic.
fn panics(code: &str) -> Vec<&str> {
    let ways = [
        ".unwrap()",
        ".expect(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
    ];
    code.lines()
        .filter(|line| ways.iter().any(|way| line.contains(way)))
        .collect()
}

#[test]
fn verbs_know_nouns_and_themselves_and_libraries_have_one_home() {
    let wrong: Vec<String> = sources()
        .iter()
        .flat_map(|source| strangers(&source.path, &source.code))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        strangers("search/unit.rs", "use crate::render::Out;").len(),
        1
    );
    assert_eq!(strangers("flow.rs", "use crate::decode;").len(), 1);
    assert_eq!(strangers("search/unit.rs", "use pcap::Capture;").len(), 1);
    assert!(strangers("pipeline.rs", "use crate::render::Out;").is_empty());
}

#[test]
fn hostile_bytes_meet_no_way_to_panic() {
    for source in sources() {
        if ["decode/", "reassemble/", "dissect/"]
            .iter()
            .any(|verb| source.path.starts_with(verb))
        {
            assert!(
                panics(&source.code).is_empty(),
                "{}: {:?}",
                source.path,
                panics(&source.code)
            );
        }
    }
    assert_eq!(panics("let a = b.unwrap();").len(), 1);
}

#[test]
fn files_say_what_they_are_for_and_hold_one_idea() {
    for source in sources() {
        assert!(
            source.text.starts_with("//!"),
            "{} does not say what it is for",
            source.path
        );
        let lines = source.code.lines().count();
        assert!(
            lines <= 500,
            "{} has {lines} lines of code: what is its second idea?",
            source.path
        );
    }
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["TODO", "FIXME", "XXX", "HACK"];
    for source in sources() {
        assert!(
            !words.iter().any(|word| source.text.contains(word)),
            "{} leaves something to do",
            source.path
        );
    }
}

/// The fuzz targets are built with a lock file of their own, which no other build would find out of date.
#[test]
fn what_the_fuzz_targets_are_locked_to_has_every_library() {
    let read = |path: &str| fs::read_to_string(project().join(path)).expect("it is text");
    let (manifest, lock) = (read("Cargo.toml"), read("tests/fuzz/Cargo.lock"));
    let libraries = manifest
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("there are dependencies");
    for library in libraries
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(" = ").next())
        .filter(|name| !name.is_empty())
    {
        assert!(
            lock.contains(&format!("\nname = \"{library}\"\n")),
            "tests/fuzz/Cargo.lock lacks {library}"
        );
    }
}

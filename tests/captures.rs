//! `--streams` of captures that we did not make, against tables of what is in them.
//!
//! The captures are not ours to give away: they lie in `../shared/captures` where there are any. Rows are held where the tools
//! that made the table agree on the bytes (GOLD, AGREE), and where copies conflict (POLICY) to the copy that came first.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{project, scratch, spygrep, text};

/// A table with its heading: each row by the names of its columns.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    let table = fs::read_to_string(path).expect("the table is text");
    let mut lines = table.lines().map(|line| line.split('\t'));
    let heading: Vec<&str> = lines.next().expect("a heading").collect();
    lines
        .map(|fields| {
            let named = heading.iter().zip(fields);
            named.map(|(&name, is)| (name.to_owned(), is.to_owned()))
        })
        .map(Iterator::collect)
        .collect()
}

/// `192.0.2.10:80` as it stands in the name of a file.
fn end(text: &str) -> String {
    match text.parse().expect("an address and a port") {
        SocketAddr::V4(end) => {
            let [a, b, c, d] = end.ip().octets();
            format!("{a:03}.{b:03}.{c:03}.{d:03}.{:05}", end.port())
        }
        SocketAddr::V6(_) => panic!("the tables have no IPv6"),
    }
}

/// Each time that a pair of ports was used: what the file of one direction holds, where it has one.
fn uses(folder: &Path, name: &str, reverse: &str) -> Vec<Option<String>> {
    let suffixes = (0..).map(|number| match number {
        0 => String::new(),
        _ => format!("c{number}"),
    });
    suffixes
        .map(|suffix| [name, reverse].map(|name| folder.join(format!("{name}{suffix}"))))
        .take_while(|both| both.iter().any(|file| file.exists()))
        .map(|[file, _]| file.exists().then(|| sha256(&file)))
        .collect()
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum")
        .arg(file)
        .output()
        .expect("sha256sum is installed");
    text(&output.stdout)
        .split(' ')
        .next()
        .expect("a sum")
        .to_owned()
}

/// Write the streams of a capture.
fn streams(name: &str, capture: &Path) -> PathBuf {
    let folder = scratch(&format!("captures-{}", name.replace('/', "-"))).join("streams");
    let status = spygrep()
        .args(["-R", "-q", "--streams"])
        .arg(&folder)
        .args(["", "-I"])
        .arg(capture)
        .stdout(Stdio::null())
        .status()
        .expect("the program starts");
    assert_eq!(status.code(), Some(0), "{name}");
    folder
}

#[test]
fn streams_are_what_other_tools_agree_on() {
    let shared = project().join("../shared/captures");
    if !shared.is_dir() {
        println!("skipped: there is no ../shared/captures");
        return;
    }
    let mut folders: HashMap<String, PathBuf> = HashMap::new();
    let files: HashMap<String, PathBuf> = rows(&shared.join("manifest.tsv"))
        .into_iter()
        .map(|row| (row["name"].clone(), shared.join(&row["file"])))
        .collect();
    let (mut held, mut wrong) = (0, Vec::new());
    for row in rows(&shared.join("streams.tsv")) {
        let (capture, verdict) = (&row["cap"], row["verdict"].as_str());
        if !["GOLD", "AGREE", "POLICY"].contains(&verdict) {
            continue;
        }
        let folder = folders
            .entry(capture.clone())
            .or_insert_with(|| streams(capture, &files[capture]));
        let (src, dst) = (end(&row["src"]), end(&row["dst"]));
        let uses = uses(folder, &format!("{src}-{dst}"), &format!("{dst}-{src}"));
        // A direction that says nothing has no file.
        let wanted = (row["len"] != "0").then(|| row["sha256"].clone());
        match uses.contains(&wanted) || (wanted.is_none() && uses.is_empty()) {
            true => held += 1,
            false => wrong.push(format!("{capture} {src}-{dst} {verdict}: {uses:?}")),
        }
    }
    println!("{held} streams as the tables have them");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

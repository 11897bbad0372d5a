//! Streams and exchanges of captures that we did not make, against tables of what is in them.
//!
//! The captures are not ours to give away: they lie outside of the repository, in the folder that
//! `SPYGREP_CAPTURES` names or in `../shared/captures`, and the tests are ignored unless asked for.
//! Rows are held where the tools that made the table agree on the bytes (GOLD, AGREE), and where
//! copies conflict (POLICY) to the copy that came first; exchanges where they agree on all of it
//! (A).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

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

/// The folder of the captures outside of the repository. Panics where there is none.
pub(crate) fn outside() -> PathBuf {
    let named = std::env::var_os("SPYGREP_CAPTURES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| project().join("../shared/captures"));
    assert!(
        folder.join("manifest.tsv").is_file(),
        "no captures in {}: SPYGREP_CAPTURES names their folder",
        folder.display()
    );
    folder
}

/// That folder, and the files of the captures by their names in the tables.
fn captures() -> (PathBuf, HashMap<String, PathBuf>) {
    let shared = outside();
    let files = rows(&shared.join("manifest.tsv"))
        .into_iter()
        .map(|row| (row["name"].clone(), shared.join(&row["file"])))
        .collect();
    (shared, files)
}

/// An exchange as a row of the table: client, server, method, host, target, status, size, and the
/// start of the body's sum.
type Exchange = [String; 8];

/// The exchanges of a capture, as `--json` tells them.
fn exchanges(name: &str, capture: &Path) -> Vec<Exchange> {
    let output = spygrep()
        .args(["-R", "-q", "--json", "--max-body", "64M", "", "-I"])
        .arg(capture)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{name}");
    let mut all: BTreeMap<u64, Exchange> = BTreeMap::new();
    for line in text(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        let data = &line["data"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let http = &data["http"];
        let (Some(id), true) = (data["id"].as_u64(), http.is_object()) else {
            continue;
        };
        let row = all.entry(id).or_default();
        let (src, dst) = (word(&data["flow"]["src"]), word(&data["flow"]["dst"]));
        if data["kind"] == "http.request" {
            let host = header(http, "Host").map_or(String::new(), word);
            let target = cut(&word(&http["target"]));
            row[..5].clone_from_slice(&[src, dst, word(&http["method"]), host, target]);
        } else if !(100..=199).contains(&http["status"].as_u64().unwrap_or(0))
            || http["status"] == 101
        {
            let body = &data["body"];
            let bytes = match body["bytes"].as_str() {
                Some(coded) => base64::engine::general_purpose::STANDARD
                    .decode(coded)
                    .expect("base64"),
                None => word(&body["text"]).into_bytes(),
            };
            let file = scratch("captures-body").join("body");
            fs::write(&file, bytes).expect("a scratch file can be written");
            row[5] = http["status"].to_string();
            // The table's makers leave characters as they are sent; a body that is only turned into
            // UTF-8 has its sent size there.
            let coded = header(http, "Content-Encoding").is_some();
            let turned = body["state"] == "decoded" && !coded;
            row[6] = body[if turned { "wire_size" } else { "size" }].to_string();
            row[7] = match turned {
                true => String::new(),
                false => sha256(&file)[..16].to_owned(),
            };
        }
    }
    all.into_values().collect()
}

/// The first value of a header.
fn header<'v>(http: &'v Value, name: &str) -> Option<&'v Value> {
    let headers = http["headers"].as_array().expect("an array");
    let found = headers.iter().find(|pair| pair[0] == name);
    found.map(|pair| &pair[1]["text"])
}

/// A long target as the table has it: its start, its length, and a sum.
fn cut(target: &str) -> String {
    if target.len() <= 260 {
        return target.to_owned();
    }
    let file = scratch("captures-target").join("target");
    fs::write(&file, target).expect("a scratch file can be written");
    let sum = &sha256(&file)[..12];
    format!("{}...#{}#{sum}", &target[..260], target.len())
}

#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn exchanges_are_what_other_tools_agree_on() {
    let (shared, files) = captures();
    let mut found: HashMap<String, Vec<Exchange>> = HashMap::new();
    let (mut held, mut wrong) = (0, Vec::new());
    for row in rows(&shared.join("http1.tsv")) {
        let capture = &row["cap"];
        if row["grade"] != "A" {
            continue;
        }
        let exchanges = found
            .entry(capture.clone())
            .or_insert_with(|| exchanges(capture, &files[capture]));
        let answered = row["status"] != "-";
        let want: Vec<&str> = [
            "client", "server", "method", "host", "uri", "status", "rlen", "rsha",
        ]
        .iter()
        .map(|column| row[*column].as_str())
        .collect();
        let is = |exchange: &Exchange| {
            let known = if answered { 7 } else { 5 };
            let sums = [exchange[7].as_str(), want[7]];
            exchange[..known] == want[..known]
                && (!answered || sums.contains(&"") || sums[0] == sums[1])
                && (answered || exchange[5].is_empty())
        };
        match exchanges.iter().position(is) {
            Some(at) => {
                exchanges.remove(at);
                held += 1;
            }
            None => wrong.push(format!("{capture} {want:?}")),
        }
    }
    println!("{held} exchanges as the table has them");
    assert!(wrong.is_empty(), "{}\n{found:#?}", wrong.join("\n"));
}

#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn streams_are_what_other_tools_agree_on() {
    let (shared, files) = captures();
    let mut folders: HashMap<String, PathBuf> = HashMap::new();
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

/// Answers that some browser turns into a known text, and that are coded and framed to confuse
/// whoever looks for it.
#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn every_needle_of_the_evader_is_found_in_one_message() {
    let folder = outside().join("evader");
    let rows = rows(&folder.join("INDEX.tsv"));
    let missed = rows.iter().filter(|row| {
        let output = spygrep()
            .args([
                "-R",
                "-q",
                "--count",
                "EICAR-STANDARD-ANTIVIRUS-TEST-FILE",
                "-I",
            ])
            .arg(folder.join(&row["file"]))
            .output()
            .expect("the program starts");
        text(&output.stdout) != "1\n"
    });
    let missed: Vec<_> = missed.map(|row| &row["uri"]).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(rows.len() >= 84);
}

/// What is said of HTTP/2 in a capture: requests and the statuses of their responses.
fn requests_and_statuses(name: &str, capture: &Path) -> (Vec<String>, Vec<String>) {
    let output = spygrep()
        .args(["-R", "-q", "--json", "", "-I"])
        .arg(capture)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{name}");
    let (mut requests, mut statuses) = (Vec::new(), Vec::new());
    let mut asked = std::collections::BTreeSet::new();
    for line in text(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        let data = &line["data"];
        let http = &data["http"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if data["kind"] == "http.request" {
            asked.insert(data["id"].as_u64());
            requests.push(format!(
                "{} {}",
                word(&http["method"]),
                word(&http["target"])
            ));
        } else if data["kind"] == "http.response" {
            assert!(asked.contains(&data["id"].as_u64()), "{name}: {data}");
            statuses.push(http["status"].to_string());
        }
    }
    (requests, statuses)
}

#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn http2_in_cleartext_is_read_as_its_index_says() {
    let folder = outside().join("encrypted");
    let mut count = 0;
    for line in fs::read_to_string(folder.join("INDEX.tsv"))
        .expect("an index")
        .lines()
    {
        let columns: Vec<&str> = line.split('\t').collect();
        let name = columns[0];
        if !name.starts_with("h2c-") {
            continue;
        }
        let (mut requests, mut statuses) = requests_and_statuses(name, &folder.join(name));
        let mut expected: Vec<String> = columns[7].split("; ").map(ToOwned::to_owned).collect();
        let mut told: Vec<String> = columns[8].split(' ').map(ToOwned::to_owned).collect();
        for list in [&mut requests, &mut statuses, &mut expected, &mut told] {
            list.sort();
        }
        assert_eq!((requests, statuses), (expected, told), "{name}");
        count += 1;
    }
    assert!(count >= 8);
}

/// A message of WebSocket: its sender, its kind, its text.
type WebSocketMessage = (String, String, String);

/// The messages of WebSocket in a capture, as `--json` tells them.
fn websocket_messages(capture: &Path) -> Vec<WebSocketMessage> {
    let output = spygrep()
        .args(["-R", "-q", "--json", "", "-I"])
        .arg(capture)
        .output()
        .expect("the program starts");
    let lines = text(&output.stdout);
    let lines = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        line["data"].clone()
    });
    let of = |data: Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = word(&data["kind"]);
        let body = &data["body"];
        let text = body["text"].as_str().or(body["bytes"].as_str());
        kind.starts_with("ws.").then(|| {
            let text = text.unwrap_or_default().to_owned();
            (word(&data["flow"]["src"]), kind, text)
        })
    };
    lines.filter_map(of).collect()
}

#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn websocket_is_read_as_its_index_says() {
    let folder = outside().join("encrypted");
    let index = fs::read_to_string(folder.join("INDEX.tsv")).expect("an index");
    let mut count = 0;
    let mut plain = Vec::new();
    let rows = index
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let mut rows: Vec<_> = rows.filter(|row| row[0].starts_with("ws-")).collect();
    // The others are told by what is different.
    rows.sort_by_key(|row| row[0] != "ws-plain.pcap");
    for row in rows {
        let (name, truth) = (row[0], row[6]);
        let (requests, statuses) = requests_and_statuses(name, &folder.join(name));
        assert_eq!(
            (requests.join("; "), statuses.join(" ")),
            (row[7].into(), row[8].into())
        );
        let messages = websocket_messages(&folder.join(name));
        let texts = || messages.iter().map(|(_, _, text)| text);
        for quoted in truth.split('"').skip(1).step_by(2) {
            assert!(
                texts().any(|text| text.ends_with(quoted)),
                "{name}: {quoted}"
            );
        }
        let said = |kind: &[&str]| {
            let of = |client: bool| {
                let own = messages
                    .iter()
                    .filter(move |(src, ..)| src.ends_with(":8086") != client);
                let own = own.filter(|(_, own, _)| kind.contains(&own.as_str()));
                own.map(|(_, _, text)| text.clone()).collect::<Vec<_>>()
            };
            [of(true), of(false)]
        };
        let data = said(&["ws.text", "ws.binary"]);
        let control = [said(&["ws.ping"]), said(&["ws.pong"]), said(&["ws.close"])];
        match name {
            "ws-plain.pcap" => {
                assert_eq!(data.each_ref().map(Vec::len), [5, 5]);
                let none = Vec::new();
                let [ping, close] =
                    ["are you there", "done for today"].map(|text| vec![text.to_owned()]);
                let expected = [
                    [ping.clone(), none.clone()],
                    [none, ping],
                    [close.clone(), close],
                ];
                assert_eq!(control, expected);
                plain = data.concat();
            }
            "ws-deflate.pcap" => assert_eq!(data.concat(), plain),
            "ws-deflate-window9-frag.pcap" => {
                let mut all = data.concat();
                let mut expected = plain.clone();
                for at in [8, 3] {
                    all.remove(at);
                    expected.remove(at);
                }
                assert_eq!(all, expected);
            }
            _ => {}
        }
        count += 1;
    }
    assert!(count >= 4);
}

//! `--json`: every line is what `docs/spygrep.schema.json` says, for every capture at hand; and
//! what the lines say.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::frames::{ACK, PSH, SYN, ip, tcp, write};
use crate::{project, run, scratch, spygrep, text};

/// The schema, compiled.
struct Schema(jsonschema::Validator);

impl Schema {
    fn read() -> Self {
        let path = project().join("docs/spygrep.schema.json");
        let schema = fs::read_to_string(path).expect("the schema is there");
        let schema: Value = serde_json::from_str(&schema).expect("it is JSON");
        Self(jsonschema::validator_for(&schema).expect("it is a schema"))
    }

    /// The lines of a run, each held to the rules that are the same for all.
    fn lines(&self, what: &str, printed: &[u8]) -> Vec<Value> {
        let printed = std::str::from_utf8(printed).expect("JSON is UTF-8");
        assert!(printed.ends_with('\n'), "{what}: the last line is whole");
        let lines: Vec<Value> = printed
            .split_terminator('\n')
            .map(|line| {
                assert!(
                    !line.chars().any(steers),
                    "{what}: something steers in {line}"
                );
                let value: Value = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{what}: {error}: {line}"));
                assert_eq!(colons(line), keys(&value), "{what}: a key twice in {line}");
                let error = self.0.iter_errors(&value).next();
                let error = error.map(|it| format!("{it} at {}", it.instance_path()));
                assert_eq!(error, None, "{what}: {line}");
                value
            })
            .collect();
        let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
        for once in ["begin", "end", "summary"] {
            assert_eq!(of(once), 1, "{what}: {once} comes once");
        }
        assert_eq!(lines[0]["type"], "begin", "{what}");
        assert_eq!(lines[lines.len() - 1]["type"], "summary", "{what}");
        assert_eq!(lines[lines.len() - 2]["type"], "end", "{what}");
        for data in lines.iter().map(|line| &line["data"]) {
            submatches_are_where_they_say(what, data);
        }
        lines
    }

    /// The messages of a run: `match` or `context`, and the data.
    fn messages(&self, arguments: &str) -> Vec<(String, Value)> {
        let output = run(arguments);
        assert!(
            output.status.code().is_some_and(|code| code < 2),
            "{arguments}: {}",
            text(&output.stderr)
        );
        let lines = self.lines(arguments, &output.stdout);
        let name = |line: &Value| line["type"].as_str().unwrap_or_default().to_owned();
        lines
            .iter()
            .map(|line| (name(line), line["data"].clone()))
            .filter(|(name, _)| name == "match" || name == "context")
            .collect()
    }
}

/// Controls, DEL, C1, bidirectional and zero-width characters, and separators of lines.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Colons outside of strings: one for each key.
fn colons(line: &str) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in line.bytes() {
        match byte {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' => escaped = true,
            b'"' => inside = !inside,
            b':' => count += usize::from(!inside),
            _ => {}
        }
    }
    count
}

/// Keys of all objects, each counted once in its object.
fn keys(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(keys).sum::<usize>(),
        Value::Array(all) => all.iter().map(keys).sum(),
        _ => 0,
    }
}

/// What `{"text":..}` or `{"bytes":..}` stands for.
fn bytes(value: &Value) -> Vec<u8> {
    let object: &Map<String, Value> = value.as_object().expect("text or bytes");
    match (object.get("text"), object.get("bytes")) {
        (Some(text), None) => text.as_str().expect("a string").into(),
        (None, Some(bytes)) => BASE64
            .decode(bytes.as_str().expect("a string"))
            .expect("Base64"),
        _ => panic!("text or bytes: {value}"),
    }
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a size")
}

/// Submatches in the body are found at their place in its start, or in an excerpt.
fn submatches_are_where_they_say(what: &str, data: &Value) {
    let Some(submatches) = data["submatches"].as_array() else {
        return;
    };
    for submatch in submatches {
        let (start, end) = (number(&submatch["start"]), number(&submatch["end"]));
        let found = bytes(&submatch["match"]);
        assert_eq!(end - start, found.len(), "{what}: {submatch}");
        if submatch["where"] == "head" {
            continue;
        }
        let excerpts = data["excerpts"].as_array().expect("a list");
        let excerpts = excerpts
            .iter()
            .map(|excerpt| (number(&excerpt["start"]), bytes(excerpt)));
        let texts = [(0, bytes(&data["body"]))].into_iter().chain(excerpts);
        let at_its_place = texts.into_iter().any(|(from, text)| {
            let here = start.checked_sub(from);
            here.and_then(|here| text.get(here..here + found.len())) == Some(&found[..])
        });
        assert!(at_its_place, "{what}: {submatch} is not in {data}");
    }
}

/// Capture files below a folder.
fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            captures(&path, found);
        } else if [".pcap", ".pcapng", ".cap", ".gz", ".zst", ".ntar"]
            .iter()
            .any(|kind| name.ends_with(kind))
        {
            found.push(path);
        }
    }
}

#[test]
fn every_line_of_every_capture_is_what_the_schema_says() {
    let mut files = Vec::new();
    captures(&project().join("pcaps"), &mut files);
    assert!(files.len() >= 40, "{files:?}");
    let kinds = kinds_of_lines(&files);
    for kind in [
        "http.request",
        "http.response",
        "tcp.burst",
        "tcp.aside",
        "udp.datagram",
        "icmp.message",
        "empty",
    ] {
        assert!(kinds.contains_key(kind), "{kind}: {kinds:?}");
    }
}

#[test]
#[ignore = "needs captures outside of the repository: SPYGREP_CAPTURES"]
fn every_line_of_captures_that_others_made_is_what_the_schema_says() {
    let mut files = Vec::new();
    captures(&crate::captures::outside(), &mut files);
    assert!(files.len() >= 40, "{files:?}");
    let kinds = kinds_of_lines(&files);
    println!("{} files: {kinds:?}", files.len());
}

/// Hold each line that is printed of these files to the schema, and count the kinds of messages.
fn kinds_of_lines(files: &[PathBuf]) -> BTreeMap<String, usize> {
    let schema = Schema::read();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        for options in [
            &["-e", "--regexp", ""][..],
            &["--regexp", "[a-z]{3}|needle"],
        ] {
            let output = spygrep()
                .args(["-q", "--json", "-I"])
                .arg(file)
                .args(options)
                .output()
                .expect("the program starts");
            let what = format!("{} {options:?}", file.display());
            if output.stdout.is_empty() {
                // It cannot be opened at all.
                assert_eq!(output.status.code(), Some(2), "{what}");
                continue;
            }
            for line in schema.lines(&what, &output.stdout) {
                let kind = line["data"]["kind"].as_str().unwrap_or("none").to_owned();
                *kinds.entry(kind).or_default() += 1;
            }
        }
    }
    kinds
}

/// A connection with one request and one answer.
fn exchange(request: &[u8], response: &[u8]) -> Vec<Vec<u8>> {
    let (asks, responses) = (PSH | ACK, PSH | ACK);
    let up = 1 + u32::try_from(request.len()).expect("short");
    let mut packets = vec![
        tcp(true, 1000, SYN, 0, 0, b""),
        tcp(false, 1000, SYN | ACK, 0, 1, b""),
        tcp(true, 1000, ACK, 1, 1, b""),
        tcp(true, 1000, asks, 1, 1, request),
    ];
    let mut seq = 1;
    for part in response.chunks(32_000) {
        packets.push(tcp(false, 1000, responses, seq, up, part));
        seq += u32::try_from(part.len()).expect("short");
        packets.push(tcp(true, 1000, ACK, up, seq, b""));
    }
    packets
}

fn response(fields: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    [b"HTTP/1.1 200 OK\r\n", fields, length.as_bytes(), body].concat()
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";

/// All values of a byte; a line end has a blank behind it, so that it stands in the value of a
/// field that is folded.
fn all_bytes() -> Vec<u8> {
    let mut all: Vec<u8> = (0..=255).filter(|byte| *byte != b'\r').collect();
    let at = all
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("it is there");
    all.splice(at..=at, *b"\r\n ");
    all
}

#[test]
fn json_all_256_bytes() {
    let all = all_bytes();
    for value in 0..=255 {
        assert!(all.contains(&value), "{value}");
    }
    let field = [b"X-All: ", &all[..], b"\r\n"].concat();
    let path = scratch("json-bytes").join("made.pcap");
    write(
        &path,
        &[
            exchange(GET, &response(&field, &all)),
            vec![ip(true, 99, (0, 0), &all)],
        ]
        .concat(),
    );
    let messages = Schema::read().messages(&format!("-q --json '' {}", path.display()));
    let (_, told) = &messages[1];
    assert_eq!(told["kind"], "http.response", "{told}");
    let header = &told["http"]["headers"][0];
    assert_eq!(header[0], "X-All", "{told}");
    assert_eq!(bytes(&header[1]), all);
    assert_eq!(bytes(&told["body"]), all);
    let (_, raw) = &messages[2];
    assert_eq!(
        (&raw["flow"]["proto"], bytes(&raw["body"])),
        (&"99".into(), all)
    );
    // Text that steers is text, and is escaped.
    let steering = "\u{9b}31m \u{202e}evil\u{2066}\u{200b}\u{2028}\u{2029}\u{7f}\u{0}\u{1b}[31m";
    write(&path, &exchange(GET, &response(b"", steering.as_bytes())));
    let messages = Schema::read().messages(&format!("-q --json '' {}", path.display()));
    assert_eq!(messages[1].1["body"]["text"], steering);
}

#[test]
fn a_word_is_a_submatch_at_its_offset() {
    let path = scratch("json-offsets").join("made.pcap");
    let request = b"POST /word HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n a word.\n";
    write(
        &path,
        &exchange(request, &response(b"A: word\r\n", b"no such thing")),
    );
    let messages = Schema::read().messages(&format!("-q --json word {}", path.display()));
    let places = |data: &Value| -> Vec<(String, usize, usize)> {
        let all = data["submatches"].as_array().expect("a list");
        all.iter()
            .map(|it| {
                let place = it["where"].as_str().expect("a word").to_owned();
                (place, number(&it["start"]), number(&it["end"]))
            })
            .collect()
    };
    assert_eq!(
        places(&messages[0].1),
        [("head".into(), 6, 10), ("body".into(), 3, 7)]
    );
    assert_eq!(places(&messages[1].1), [("head".into(), 20, 24)]);
}

#[test]
fn matches_far_inside_are_excerpts_at_their_offsets() {
    let schema = Schema::read();
    let path = scratch("json-excerpts").join("made.pcap");
    let mut body = Vec::new();
    for line in 0..9999 {
        body.extend(format!("line {line:04}: some words é and more of them\n").bytes());
    }
    write(&path, &exchange(GET, &response(b"", &body)));
    // `lines` finds each submatch at its place.
    let few = schema.messages(&format!(
        "-q --json --max-body 1001 'line 9[0-9]00' {}",
        path.display()
    ));
    let told = &few[1].1;
    assert_eq!(few[0].0, "context", "the question is told in full");
    assert_eq!(told["portion"], Value::Null);
    assert_eq!(
        told["excerpts"].as_array().map(Vec::len),
        Some(10),
        "{told}"
    );
    assert_eq!(told["body"]["truncated"], true);
    assert_eq!(number(&told["body"]["size"]), body.len());
    assert!(
        told["body"]["text"].is_string(),
        "no character is cut: {told}"
    );

    let many = schema.messages(&format!(
        "-q --json --max-body 1001 'line [0-9]*' {}",
        path.display()
    ));
    let responses: Vec<&Value> = many[1..].iter().map(|(_, data)| data).collect();
    let portions: Vec<&str> = responses
        .iter()
        .map(|data| data["portion"].as_str().expect("portions"))
        .collect();
    assert_eq!(
        (portions[0], portions[portions.len() - 1]),
        ("first", "last")
    );
    assert!(portions.len() > 2, "{portions:?}");
    let mut starts: Vec<usize> = Vec::new();
    for data in &responses {
        for found in data["submatches"].as_array().expect("a list") {
            starts.push(number(&found["start"]));
        }
    }
    starts.dedup();
    let line = body.len() / 9999;
    let want: Vec<usize> = (0..9999).map(|at| at * line).collect();
    assert_eq!(starts, want, "each match is told once, at its place");
}

#[test]
fn a_head_that_is_cut_is_marked() {
    let messages =
        Schema::read().messages("-q --json -S 30 --regexp '' -I pcaps/french-website.pcap");
    for (_, data) in &messages {
        assert_eq!(data["marks"][0], "head_cut", "{data}");
        assert_eq!(bytes(&data["body"]), b"");
    }
}

#[test]
fn both_halves_come_and_answers_have_times() {
    let schema = Schema::read();
    let french = "pcaps/french-website.pcap";
    let names = |arguments: &str| -> Vec<(String, usize, String)> {
        let messages = schema.messages(&format!("-q --json {arguments}"));
        messages
            .iter()
            .map(|(name, data)| {
                let kind = data["kind"].as_str().unwrap_or_default();
                assert_eq!(kind == "http.response", data["timing"].is_object());
                (name.clone(), number(&data["id"]), kind.to_owned())
            })
            .collect()
    };
    let row = |name: &str, id: usize, kind: &str| (name.to_owned(), id, kind.to_owned());
    let curl = [
        row("match", 2, "http.request"),
        row("context", 2, "http.response"),
    ];
    assert_eq!(names(&format!("curl {french}")), curl);
    assert_eq!(names(&format!("--pair curl {french}")), curl);
    assert_eq!(names(&format!("-n 1 curl {french}")), curl);
    assert_eq!(names(&format!("--status 200 curl {french}")), curl, "held");
    assert_eq!(names(&format!("--only req curl {french}")), curl[..1]);
    let answered = [
        row("context", 2, "http.request"),
        row("match", 2, "http.response"),
    ];
    assert_eq!(names(&format!("'Language: fr' {french}")), answered);
    // Neighbours of the same conversation.
    let keep = "pcaps/http-keepalive.pcap";
    let plain = names(&format!("'GET /json' {keep}"));
    let around = names(&format!("-A 1 -B 1 'GET /json' {keep}"));
    assert!(around.len() > plain.len(), "{around:?}");
    assert!(
        around
            .iter()
            .filter(|row| row.0 == "match")
            .eq(plain.iter().filter(|row| row.0 == "match"))
    );
    let neighbours = schema.messages(&format!("-q --json -A 1 -B 1 'GET /json' {keep}"));
    for (_, data) in neighbours {
        assert_ne!(data["frames"].as_array().map_or(0, Vec::len), 0, "{data}");
    }
}

/// Questions and answers of five exchanges, one after the other on one connection.
fn five_exchanges(path: &Path) {
    let mut packets = vec![
        tcp(true, 4000, SYN, 99, 0, b""),
        tcp(false, 4000, SYN | ACK, 299, 100, b""),
        tcp(true, 4000, ACK, 100, 300, b""),
    ];
    let (mut seq, mut ack) = (100, 300);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
    for number in 1..=5 {
        let ask = format!("GET /q{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        packets.push(tcp(true, 4000, PSH | ACK, seq, ack, ask.as_bytes()));
        seq += length(ask.as_bytes());
        let response = response(b"", format!("body{number}").as_bytes());
        packets.push(tcp(false, 4000, PSH | ACK, ack, seq, &response));
        ack += length(&response);
    }
    write(path, &packets);
}

/// `-A` and `-B` count messages in JSON as they do on the screen; what is shown beside them is the
/// other half of a match.
#[test]
fn neighbours_are_those_of_the_screen() {
    let schema = Schema::read();
    let path = scratch("json-neighbours").join("five.pcap");
    five_exchanges(&path);
    // `q` and `a` with the exchange's number; the hit in brackets.
    for (options, pattern, messages) in [
        ("-B 2", "GET /q3", "q2 a2 [q3] a3"),
        ("-B 1", "GET /q3", "a2 [q3] a3"),
        ("-B 3", "GET /q3", "a1 q2 a2 [q3] a3"),
        ("-B 9", "GET /q3", "q1 a1 q2 a2 [q3] a3"),
        ("-B 1", "body3", "q3 [a3]"),
        ("-B 2", "body3", "a2 q3 [a3]"),
        ("", "body3", "q3 [a3]"),
        ("-A 1", "GET /q3", "[q3] a3"),
        ("-A 2", "GET /q3", "[q3] a3 q4"),
        ("-A 3", "GET /q3", "[q3] a3 q4 a4"),
        ("-A 2", "body3", "q3 [a3] q4 a4"),
        ("--context 1", "body3", "q3 [a3] q4"),
        ("-B 2 -A 1", "/q[24] ", "q1 a1 [q2] a2 q3 a3 [q4] a4"),
        ("-B 2", "q4|body4", "q3 a3 [q4] [a4]"),
        ("-B 4 --only req", "GET /q3", "q1 a1 q2 a2 [q3]"),
    ] {
        let line = format!("{options} '{pattern}' -I {}", path.display());
        let printed = run(&format!("--json {line}"));
        let lines = schema.lines(&line, &printed.stdout);
        let shown: Vec<String> = lines
            .iter()
            .filter(|line| ["match", "context"].contains(&line["type"].as_str().unwrap_or("")))
            .map(|line| {
                let data = &line["data"];
                let half = if data["kind"] == "http.request" {
                    "q"
                } else {
                    "a"
                };
                match line["type"] == "match" {
                    true => format!("[{half}{}]", data["id"]),
                    false => format!("{half}{}", data["id"]),
                }
            })
            .collect();
        assert_eq!(shown.join(" "), messages, "{line}");
        // The screen has the same in full, but for the other half of a match, which is one line
        // there unless it is a neighbour.
        let printed = run(&format!("-q {line}"));
        let screen = text(&printed.stdout);
        let own = messages
            .split(' ')
            .filter(|word| word.starts_with('['))
            .map(|word| word.trim_matches(['[', ']']));
        let halves: Vec<String> = own
            .map(|own| match own.split_at(1) {
                ("q", number) => format!("a{number}"),
                (_, number) => format!("q{number}"),
            })
            .collect();
        for word in messages.split(' ') {
            let (half, number) = word.trim_matches(['[', ']']).split_at(1);
            let full = match half {
                "q" => screen.matches(&format!("GET /q{number} HTTP")).count(),
                _ => screen.matches(&format!("body{number}\n")).count(),
            };
            let beside = halves.contains(&word.to_owned());
            assert!(
                full == 1 || beside && full == 0,
                "{line}: {word} in {screen}"
            );
        }
        assert!(
            screen.matches("GET /q").count() <= messages.matches('q').count(),
            "{line}: {screen}"
        );
    }
}

#[test]
fn the_last_lines_tell_how_it_went() {
    let schema = Schema::read();
    let last = |arguments: &str| {
        let output = run(&format!("--json {arguments}"));
        let lines = schema.lines(arguments, &output.stdout);
        let [.., end, summary] = &lines[..] else {
            panic!("{arguments}")
        };
        (
            output.status.code(),
            end["data"].clone(),
            summary["data"].clone(),
        )
    };
    let (status, end, summary) = last("nothing pcaps/http-gap.pcap");
    assert_eq!((status, &end["reason"]), (Some(1), &"source".into()));
    assert_eq!(summary["losses"]["gap_bytes"], 10);
    let (status, end, summary) = last("-n 1 needle pcaps/http-gap.pcap");
    assert_eq!((status, &end["reason"]), (Some(0), &"count".into()));
    assert_eq!(summary["matched"], 1);
    // What the source counts is in it, too.
    let (status, _, summary) = last("hello pcaps/cut-in-a-record.pcap");
    assert_eq!(status, Some(0));
    assert_eq!(summary["losses"]["cut_files"], 1, "{summary}");
}

#[test]
fn an_error_in_a_file_is_told_and_summed_up() {
    let mut child = spygrep()
        .args(["--json", "--regexp", "needle"])
        .args(["-I", "pcaps/http-gap.pcap", "-I", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut printed = String::new();
    out.read_line(&mut printed).expect("a line at once");
    // The second input turns out to be no capture when the first is being read.
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"this is a text\n").expect("it is read");
    drop(input);
    out.read_to_string(&mut printed).expect("it ends");
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    let lines = Schema::read().lines("an error", printed.as_bytes());
    let [begin, .., end, summary] = &lines[..] else {
        panic!("{printed}")
    };
    assert_eq!(begin["data"]["source"]["files"][1]["text"], "-");
    assert_eq!(end["data"]["reason"], "error");
    let error = end["data"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("looks like text"), "{error}");
    assert_eq!(summary["data"]["matched"], 2, "{printed}");
}

#[test]
fn what_goes_with_it_and_what_does_not() {
    for other in [
        "--count", "--list", "--exists", "-o", "-W log", "--stats", "--curl 1",
    ] {
        let output = run(&format!("--json {other} curl pcaps/french-website.pcap"));
        assert_eq!(output.status.code(), Some(2), "{other}");
        assert!(output.stdout.is_empty(), "{other}");
        assert!(text(&output.stderr).contains("choose one"), "{other}");
    }
    let output = run("--json --ngrep -I pcaps/french-website.pcap curl");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("packets one by one"));
}

//! Live, a message is shown while it comes: the portions, one after the other, are what a file of
//! the same packets shows.
//!
//! The pipeline is driven as the live loop drives it, with ticks through the pauses; and as a file
//! is read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ::spygrep::capture::Next;
use ::spygrep::cli::args::Args;
use ::spygrep::cli::config;
use ::spygrep::frame::Timestamp;
use ::spygrep::pipeline::Pipeline;
use ::spygrep::render::{self, Out};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::frames::{ACK, FIN, Numbers, PSH, SYN, tcp, write_at};
use crate::{project, scratch, text, words};

/// What a renderer wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("nobody fails")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Milliseconds between two ticks of the live loop, and how long a pause is ticked through.
const TICK: i64 = 10;
const PAUSE: i64 = 3000;

/// What is printed of a file, as a file or as if its packets came now.
fn shown(arguments: &str, path: &Path, live: bool) -> String {
    let mut typed: Vec<OsString> = vec!["spygrep".into()];
    typed.extend(words(arguments).into_iter().map(OsString::from));
    typed.extend(["-I".into(), path.as_os_str().to_owned()]);
    let args = Args::read(typed).expect("the arguments are good");
    let mut config = config::configure(&args, false).unwrap_or_else(|problem| panic!("{problem}"));
    config.pipeline.live = live;
    config.render.live = live;
    let written = Written::default();
    let out = Out::new(Box::new(written.clone()), false);
    let renderer = render::renderer(config.render, out);
    let mut pipeline = Pipeline::new(config.pipeline, renderer, config.recorder, None, None);
    pipeline
        .renderer()
        .begin(&config.banner)
        .expect("it is written");
    let mut last: Option<Timestamp> = None;
    let pass = |pipeline: &mut Pipeline, from: Timestamp, millis: i64| {
        for passed in (TICK..millis.min(PAUSE)).step_by(usize::try_from(TICK).expect("small")) {
            pipeline.tick(from.plus(passed * 1_000_000));
        }
    };
    loop {
        match config.input.source().next_frame() {
            Ok(Next::Frame(frame)) => {
                if let Some(last) = last.filter(|_| live) {
                    pass(&mut pipeline, last, frame.ts.since(last) / 1_000_000);
                }
                last = Some(last.map_or(frame.ts, |last| last.max(frame.ts)));
                pipeline.frame(&frame);
            }
            Ok(Next::Idle) => {}
            // A file that is cut: what is in front of that counts.
            Ok(Next::End) | Err(_) => break,
        }
    }
    if let Some(last) = last.filter(|_| live) {
        pass(&mut pipeline, last, 400);
    }
    pipeline.ended(config.input.source().stats(), render::Ending::Source);
    pipeline.finish();
    assert!(pipeline.failure().is_none());
    drop(pipeline);
    let bytes = written.0.lock().expect("nobody fails");
    text(&bytes)
}

/// A header line: who to whom, `#N`, and what stands behind it.
fn header(line: &str) -> Option<(String, &str)> {
    let (ends, rest) = line.split_once(" [")?;
    let (kind, ends) = ends.split_once(' ')?;
    if !["T", "U", "I"].contains(&kind) || !ends.contains(" -> ") {
        return None;
    }
    let (_, rest) = rest.split_once("] ")?;
    match rest.strip_prefix('#') {
        Some(rest) => {
            let (number, notes) = rest.split_once(' ').unwrap_or((rest, ""));
            Some((format!("{ends} #{number}"), notes))
        }
        // The single layout: the text stands in the same line.
        None => Some((ends.to_owned(), rest)),
    }
}

/// By message, what is shown of it: its text without line ends, which stand where it was cut as
/// well, and its last header line.
fn messages(printed: &str, single: bool) -> BTreeMap<String, (String, String)> {
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut current = String::new();
    for line in printed.lines() {
        if let Some((key, notes)) = header(line) {
            // An answer that came in portions has a line more, that says so.
            if single && notes.starts_with("<- ") {
                continue;
            }
            let entry = all.entry(key.clone()).or_default();
            if single {
                entry.0.push_str(notes);
            } else if notes != "continued" && !notes.starts_with("<- ") {
                notes.clone_into(&mut entry.1);
            } else if notes.contains(" B") || notes.contains("iB") {
                let facts = notes.split(" · ").filter(|fact| !fact.ends_with(" events"));
                let facts: Vec<&str> = facts.filter(|fact| !fact.ends_with(" event")).collect();
                let facts = facts.into_iter().filter(|fact| *fact != "context");
                entry.1 = facts.collect::<Vec<_>>().join(" · ");
            }
            current = key;
        } else if let Some(entry) = all.get_mut(&current) {
            entry.0.push_str(line);
        }
    }
    all
}

/// The same of ngrep's layouts: an answer in portions has a line at its end that one in a piece has
/// not.
fn texts(printed: &str, single: bool) -> BTreeMap<String, String> {
    let all = messages(printed, single).into_iter();
    // Rows are filled with blanks.
    all.map(|(key, (text, _))| (key, text.replace(' ', "")))
        .collect()
}

/// Bytes of the rows of a dump.
fn dumped(printed: &str) -> BTreeMap<String, Vec<u8>> {
    let mut all: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = String::new();
    for line in printed.lines() {
        if let Some((key, _)) = header(line) {
            current = key;
        } else {
            let digits = line.get(..56).unwrap_or_default().split_whitespace();
            let bytes = digits.map_while(|digits| u8::from_str_radix(digits, 16).ok());
            all.entry(current.clone()).or_default().extend(bytes);
        }
    }
    all
}

/// What `{"text":..}` or `{"bytes":..}` stands for.
fn bytes(value: &Value) -> Vec<u8> {
    match (value["text"].as_str(), value["bytes"].as_str()) {
        (Some(text), _) => text.into(),
        (None, Some(bytes)) => BASE64.decode(bytes).expect("Base64"),
        (None, None) => Vec::new(),
    }
}

/// Messages of `--json`, those in portions put together.
fn records(printed: &str) -> BTreeMap<String, Value> {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for line in printed.lines() {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let kind = line["type"].take();
        let mut data = line["data"].take();
        if kind != "match" && kind != "context" {
            continue;
        }
        // An interim answer has the number of the final one.
        let status = data["http"]["status"].as_u64();
        let interim = status.is_some_and(|status| status < 200 && status != 101);
        let key = format!(
            "{} {} {} {interim}",
            data["id"], data["kind"], data["flow"]["src"]
        );
        let body = bytes(&data["body"]);
        let mut excerpts = Vec::new();
        for excerpt in data["excerpts"].as_array().expect("a list") {
            excerpts.push((excerpt["start"].as_u64().expect("a place"), bytes(excerpt)));
        }
        let portion = data["portion"].take();
        let earlier = all.remove(&key);
        let earlier = match portion.as_str() {
            None => {
                assert_eq!(earlier, None, "{key} comes once");
                None
            }
            Some("first") => {
                assert_eq!(earlier, None, "{key} begins once");
                None
            }
            Some(_) => Some(earlier.unwrap_or_else(|| panic!("{key} has begun"))),
        };
        let join = |name: &str, data: &mut Value| {
            if let Some(earlier) = &earlier {
                let mut list = earlier[name].as_array().expect("a list").clone();
                list.append(data[name].as_array_mut().expect("a list"));
                data[name] = list.into();
            }
        };
        join("submatches", &mut data);
        join("gaps", &mut data);
        join("marks", &mut data);
        if let Some(marks) = data["marks"].as_array_mut() {
            // Each portion has them all.
            marks.sort_by_key(Value::to_string);
            marks.dedup();
        }
        let mut whole = Vec::new();
        if let Some(earlier) = &earlier {
            whole = serde_json::from_value(earlier["text"].clone()).expect("bytes");
            data["http"] = earlier["http"].clone();
            let mut before: Vec<(u64, Vec<u8>)> =
                serde_json::from_value(earlier["excerpts"].clone()).expect("excerpts");
            before.append(&mut excerpts);
            excerpts = before;
        }
        whole.extend(body);
        // An excerpt that was cut is one.
        let mut merged: Vec<(u64, Vec<u8>)> = Vec::new();
        for (at, bytes) in excerpts {
            match merged.last_mut() {
                Some((start, last)) if *start + last.len() as u64 == at => last.extend(bytes),
                _ => merged.push((at, bytes)),
            }
        }
        data["text"] = serde_json::to_value(whole).expect("bytes");
        data["excerpts"] = serde_json::to_value(merged).expect("excerpts");
        data["why"] = kind;
        if portion.is_null() || portion == "last" {
            let object = data["body"].as_object_mut();
            if let Some(object) = object {
                object.remove("text");
                object.remove("bytes");
            }
        }
        all.insert(key, data);
    }
    all
}

/// Views, each with a way to compare what they print.
const VIEWS: [(&str, Way); 12] = [
    ("", Way::Spy),
    ("--body=full", Way::Spy),
    ("--body=none", Way::Spy),
    ("-W byline", Way::Texts),
    ("-W normal", Way::Texts),
    ("-W none", Way::Texts),
    ("-W single", Way::Single),
    ("-x --body=full", Way::Dump),
    ("--json", Way::Json),
    ("--json --max-body 64", Way::Json),
    ("-o", Way::Lines),
    ("--redact", Way::Spy),
];

/// Outputs that take exchanges as one: they are the same to the byte.
const WHOLE: [&str; 5] = [
    "--har -",
    "-W log -q",
    "--stats -q",
    "--diff=1,2",
    "--count",
];

/// What is asked for.
const ASKED: [&str; 11] = [
    "''",
    "word3",
    "word[36]",
    "'id=[0-9]+'",
    "'(?s)data.*?end'",
    "--pair GET",
    "--pair ''",
    "--only resp ''",
    "--status 200 ''",
    "--not nosuch ''",
    "--and word3 data",
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Spy,
    Texts,
    Single,
    Dump,
    Json,
    Lines,
}

/// Two maps are the same; else the first entry that differs is told.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    live: &BTreeMap<String, T>,
    file: &BTreeMap<String, T>,
) {
    for (key, want) in file {
        assert_eq!(live.get(key), Some(want), "{what}: {key}");
    }
    let more = live.keys().find(|key| !file.contains_key(*key));
    assert_eq!(more, None, "{what}: only live");
}

/// When a hole is given up is told by the next packet, and live by the time alone: without when
/// messages ended.
fn timeless(records: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let without = |(key, mut data): (String, Value)| {
        for name in ["time", "timing", "flow", "why"] {
            data[name].take();
        }
        (key, data)
    };
    records.into_iter().map(without).collect()
}

/// Hold a live run against that of a file in which packets are missing.
fn expect_the_same_texts(path: &Path, asked: &[&str]) {
    for asked in asked {
        for view in ["", "--body=full", "-W byline"] {
            let arguments = format!("{view} {asked}");
            let [file, live] = [false, true].map(|live| shown(&arguments, path, live));
            let what = format!("{arguments} {}", path.display());
            same(&what, &texts(&live, false), &texts(&file, false));
        }
        let arguments = format!("--json {asked}");
        let [file, live] =
            [false, true].map(|live| timeless(records(&shown(&arguments, path, live))));
        same(&format!("{arguments} {}", path.display()), &live, &file);
    }
}

/// Hold a live run against that of the file.
fn expect_the_same(path: &Path, asked: &[&str]) {
    for asked in asked {
        for (view, way) in VIEWS {
            let arguments = format!("{view} {asked}");
            let [file, live] = [false, true].map(|live| shown(&arguments, path, live));
            let what = format!("{arguments} {}", path.display());
            match way {
                Way::Spy => same(&what, &messages(&live, false), &messages(&file, false)),
                Way::Texts => same(&what, &texts(&live, false), &texts(&file, false)),
                Way::Single => same(&what, &texts(&live, true), &texts(&file, true)),
                Way::Dump => same(&what, &dumped(&live), &dumped(&file)),
                Way::Json => same(&what, &records(&live), &records(&file)),
                Way::Lines => {
                    let sorted = |printed: &str| {
                        let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
                        lines.sort();
                        lines
                    };
                    assert_eq!(sorted(&live), sorted(&file), "{what}");
                }
            }
        }
        for view in WHOLE {
            let arguments = format!("{view} {asked}");
            let [file, live] = [false, true].map(|live| shown(&arguments, path, live));
            assert_eq!(live, file, "{arguments} {}", path.display());
        }
    }
}

/// One side's bytes in pieces, each with the pause in front of it, in milliseconds.
type Pieces = Vec<(u32, Vec<u8>)>;

/// Cut a text into pieces with pauses.
fn cut(numbers: &mut Numbers, text: &[u8]) -> Pieces {
    let mut pieces = Vec::new();
    let mut rest = text;
    let most = [1, 7, 40, 400, 3000, 60_000][numbers.below(6)].max(text.len() / 30);
    while !rest.is_empty() {
        let len = (1 + numbers.below(most)).min(rest.len()).min(1400);
        let (now, later) = rest.split_at(len);
        let pause = match numbers.below(4) {
            0 => 0,
            1 => 20 + numbers.below(80),
            2 => 100 + numbers.below(400),
            _ => 500 + numbers.below(1500),
        };
        // A message of many pieces has few long pauses.
        let pause = if pieces.len() > 12 {
            pause % 130
        } else {
            pause
        };
        pieces.push((u32::try_from(pause).expect("short"), now.to_vec()));
        rest = later;
    }
    pieces
}

/// A body, and its media type.
fn body(numbers: &mut Numbers) -> (&'static str, Vec<u8>) {
    let mut text = String::new();
    let kind = numbers.below(6);
    let many = [1, 8, 60, 300][numbers.below(4)];
    for number in 0..many {
        text += &match kind {
            0 => format!("data: {{\"id={number}\": \"word{number} é 𝄞\"}}\n\n"),
            1 => format!("{{\"i\": {number}, \"word\": \"word{number}\"}},\r\n"),
            2 => format!(" token id={number} word{} ", number % 7),
            3 => format!("<p>hay and hay, {number}</p>\n<p>word{}</p>\n", number % 40),
            4 => format!("a line data {number} \r\n\r\nand its end\n"),
            _ => format!("\u{0}\u{1}binary {number} word3 \u{7f}"),
        };
    }
    let mut bytes = text.into_bytes();
    let media = match kind {
        0 => "text/event-stream",
        1 => "application/json",
        2 | 4 => "text/plain",
        3 => "text/html; charset=utf-8",
        _ => {
            bytes.insert(0, 0x89);
            "image/png"
        }
    };
    (media, bytes)
}

/// A body as a server compresses it that sends what it has.
fn compressed(body: &[u8]) -> Vec<u8> {
    let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in body.chunks(300) {
        coder.write_all(piece).expect("a vector takes all");
        coder.flush().expect("a vector takes all");
    }
    coder.finish().expect("a vector takes all")
}

/// An answer as it is sent; `true`: the connection ends with it.
fn response(numbers: &mut Numbers, chunks: bool) -> (Vec<u8>, bool) {
    let (media, mut body) = body(numbers);
    let status = ["200 OK", "200 OK", "404 Not Found"][numbers.below(3)];
    let mut sent = format!("HTTP/1.1 {status}\r\nContent-Type: {media}\r\n").into_bytes();
    if numbers.below(5) == 0 {
        body = compressed(&body);
        sent.extend(b"Content-Encoding: gzip\r\n");
    }
    match if chunks {
        numbers.below(5)
    } else {
        4 * numbers.below(2)
    } {
        0 => {
            sent.extend(b"\r\n");
            sent.extend(body);
            (sent, true)
        }
        1 | 2 => {
            sent.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks([5, 100, 5000][numbers.below(3)].max(body.len() / 50)) {
                sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
                sent.extend(chunk);
                sent.extend(b"\r\n");
            }
            sent.extend(b"0\r\n\r\n");
            (sent, false)
        }
        _ => {
            sent.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            sent.extend(body);
            (sent, false)
        }
    }
}

/// A capture of so many exchanges on connections that overlap, whose messages come in pieces with
/// pauses from 20 ms to 2 s. With `losses` one segment in so many is not in it.
fn capture(path: &Path, seed: u64, exchanges: usize, losses: Option<usize>) {
    let mut numbers = Numbers(seed);
    let mut packets: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut made = 0;
    let mut port = 40_000;
    while made < exchanges {
        port += 1;
        let mut now = u32::try_from(numbers.below(20_000)).expect("short");
        // What each side has sent, from its first byte.
        let mut next = [1000_u32, 5000];
        packets.push((now, tcp(true, port, SYN, 999, 0, b"")));
        packets.push((now, tcp(false, port, SYN | ACK, 4999, 1000, b"")));
        packets.push((now, tcp(true, port, ACK, 1000, 5000, b"")));
        let mut over = false;
        for _ in 0..=numbers.below(3) {
            made += 1;
            let word = ["hay", "word3", "GET"][numbers.below(3)];
            let request = match numbers.below(3) {
                0 => format!(
                    "POST /up/{word} HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nword3 id=9\r\n"
                ),
                _ => format!(
                    "GET /{word}?token=abc HTTP/1.1\r\nHost: a\r\nCookie: sid=12345678\r\n\r\n"
                ),
            };
            // Where chunks are framed is not known behind a hole.
            let (response, closes) = response(&mut numbers, losses.is_none());
            for (up, sent) in [(true, request.into_bytes()), (false, response)] {
                let pieces = match numbers.below(3) {
                    0 => vec![(5, sent)],
                    _ => cut(&mut numbers, &sent),
                };
                for (pause, piece) in pieces {
                    now += pause;
                    for segment in piece.chunks(1400) {
                        let [own, peer] = if up { next } else { [next[1], next[0]] };
                        packets.push((now, tcp(up, port, PSH | ACK, own, peer, segment)));
                        let sent = u32::try_from(segment.len()).expect("short");
                        next[usize::from(!up)] = own + sent;
                        let [own, peer] = if up { [next[1], next[0]] } else { next };
                        packets.push((now, tcp(!up, port, ACK, own, peer, b"")));
                    }
                }
            }
            over = closes;
            if over {
                break;
            }
        }
        if over || numbers.below(2) == 0 {
            packets.push((now + 1, tcp(false, port, FIN | ACK, next[1], next[0], b"")));
            packets.push((
                now + 1,
                tcp(true, port, FIN | ACK, next[0], next[1] + 1, b""),
            ));
            packets.push((
                now + 1,
                tcp(false, port, ACK, next[1] + 1, next[0] + 1, b""),
            ));
        }
    }
    // Of those with content: of a lost FIN only the time tells.
    packets.retain(|(_, packet)| {
        packet.len() <= 40 || losses.is_none_or(|one_in| numbers.below(one_in) > 0)
    });
    packets.sort_by_key(|(now, _)| *now);
    write_at(path, packets.iter().map(|(now, packet)| (*now, packet)));
}

fn fixtures() -> Vec<PathBuf> {
    let files = std::fs::read_dir(project().join("pcaps")).expect("there are captures");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| ["pcap", "pcapng", "gz", "zst"].contains(&kind))
    });
    paths.sort();
    paths
}

#[test]
fn live_and_from_the_file_each_capture_shows_the_same() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 30, "there are captures");
    for path in &fixtures {
        expect_the_same(path, &["''", "e", "[a-z]+e", "--pair GET"]);
    }
}

#[test]
fn live_and_from_the_file_200_exchanges_with_pauses_show_the_same() {
    let folder = scratch("portions");
    for seed in 1..=5 {
        let path = folder.join(format!("{seed}.pcap"));
        capture(&path, seed, 40, None);
        expect_the_same(&path, &ASKED);
    }
}

#[test]
fn live_and_from_the_file_exchanges_with_losses_show_the_same() {
    let folder = scratch("portions-losses");
    for seed in 11..=13 {
        let path = folder.join(format!("{seed}.pcap"));
        capture(&path, seed, 40, Some(30));
        expect_the_same_texts(&path, &["''", "word3", "'id=[0-9]+'", "--pair GET"]);
    }
}

#[test]
fn live_and_from_the_file_the_same_packets_are_saved() {
    let folder = scratch("portions-saved");
    let path = folder.join("some.pcap");
    capture(&path, 21, 40, None);
    for asked in [
        "''",
        "word3",
        "--pair GET",
        "-A 1 -B 1 word3",
        "--status 404 ''",
    ] {
        let [file, live] = [false, true].map(|live| {
            let saved = folder.join(format!("{live}.pcap"));
            let arguments = format!("-q --force -O {} {asked}", saved.display());
            shown(&arguments, &path, live);
            let bytes = std::fs::read(&saved).expect("it was written");
            let mut packets = Vec::new();
            let mut rest = bytes.get(24..).expect("a header");
            while let Some((head, behind)) = rest.split_at_checked(16) {
                let len = u32::from_le_bytes(head[8..12].try_into().expect("four bytes"));
                let len = usize::try_from(len).expect("short");
                packets.push([head, &behind[..len]].concat());
                rest = &behind[len..];
            }
            packets.sort();
            packets
        });
        assert!(!file.is_empty(), "{asked}");
        assert!(
            live == file,
            "{asked}: {} and {} packets",
            live.len(),
            file.len()
        );
    }
}

//! Whatever is a pattern is searched for, in messages and packet by packet, and starts at once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::frames::{ACK, Numbers, PSH, SYN, ip, tcp, write};
use crate::{run, scratch, spygrep, text};

/// A person does not call this waiting, on the slowest machine.
const SOON: Duration = Duration::from_secs(10);

fn count(arguments: &[&str], file: &Path) -> String {
    let output = spygrep()
        .args(["-q", "--count"])
        .args(arguments)
        .arg("-I")
        .arg(file)
        .output()
        .expect("the program starts");
    assert_ne!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

/// A datagram to a name server's port.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x30, 0x39, 0, 53];
    bytes.extend(
        u16::try_from(8 + payload.len())
            .expect("short")
            .to_be_bytes(),
    );
    bytes.extend([0, 0]);
    bytes.extend(payload);
    ip(true, 17, (0, 0), &bytes)
}

/// A question about a name.
fn request(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("short"));
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    datagram(&bytes)
}

/// A connection whose client says these, each in a segment of its own.
fn says(port: u16, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut packets = vec![
        tcp(true, port, SYN, 99, 0, b""),
        tcp(false, port, SYN | ACK, 299, 100, b""),
        tcp(true, port, ACK, 100, 300, b""),
    ];
    let mut seq = 100;
    for text in texts {
        packets.push(tcp(true, port, PSH | ACK, seq, 300, text));
        seq += u32::try_from(text.len()).expect("short");
    }
    packets
}

#[test]
fn everyday_patterns_with_counts_are_found_and_marked() {
    let file = scratch("counts").join("counts.pcap");
    let body = br#"{"token": "0123456789", "name": "secret"}"#;
    let head = format!(
        "POST /login?id=12345&next=status HTTP/1.1\r\nHost: a\r\nCookie: lang=en; session={}\r\nContent-Length: {}\r\n\r\n",
        "0123456789abcdef".repeat(2),
        body.len()
    );
    let message = [head.as_bytes(), body, b"passwd := x"].concat();
    // Cut in a place that is inside of all of them, and byte by byte.
    let bytes: Vec<&[u8]> = message.chunks(1).collect();
    let mut packets = says(4000, &[&message]);
    packets.extend(says(4001, &bytes));
    write(&file, &packets);
    for (pattern, matches) in [
        ("POST.{1,100}HTTP", true),
        ("token.{0,50}secret", true),
        ("Cookie:.{0,100}session=.{32}", true),
        ("(?i)(password|passwd|pwd).{0,10}[=:].{0,30}", false),
        (r"id=\d+.{0,30}status", true),
        ("k.{9}1.{20}e", false),
        ("k.{10}2.{20}a", false),
        ("T.{6}H.{0,2}$", false),
        ("l.{1,200}d=", true),
        ("(?s)(?i)l.{1,200}D", true),
        ("t[^b]{25}c", false),
        ("\"[^b]{25}s", true),
        (r"(?:\w.{0,40}){3}secret", true),
        (r"\btoken\b.{0,50}\bsecret\b", true),
        ("x.{50}y", false),
        // What one of them says of blanks and names is its own matter.
        (r"(?x) token .{0,50} secret # a comment", true),
    ] {
        let expected = if matches { "2" } else { "0" };
        assert_eq!(
            count(&["--only", "req", pattern], &file),
            expected,
            "{pattern}"
        );
    }
    for pattern in [r"id=\d+.{0,30}status", r"\btoken\b.{0,50}\bsecret\b"] {
        let arguments = ["--only", "req", "--unicode", pattern];
        assert_eq!(count(&arguments, &file), "2", "{pattern}");
    }
    let several = [
        "--regexp",
        "(?x) nosuch # a comment",
        "--regexp",
        "(?<it>token).{0,50}secret",
        "--regexp",
        "(?<it>nosuch)",
    ];
    assert_eq!(count(&several, &file), "2");
    // The match is shown, and packet by packet it is found as well.
    let shown = run(&format!(
        "-q -o 'token.{{0,50}}secret' -I {}",
        file.display()
    ));
    assert_eq!(
        text(&shown.stdout).lines().next(),
        Some(r#"token": "0123456789", "name": "secret"#)
    );
    assert_eq!(
        count(
            &[
                "--and",
                "session=.{32}",
                "--not",
                "x.{50}y",
                "POST.{1,100}HTTP"
            ],
            &file
        ),
        "2"
    );
    let shown = run(&format!(
        "--ngrep -q -W byline 'POST.{{1,100}}HTTP' -I {}",
        file.display()
    ));
    assert!(
        text(&shown.stdout).contains("POST /login"),
        "{}",
        text(&shown.stderr)
    );
}

#[test]
fn words_in_unicode_are_words() {
    let file = scratch("unicode").join("unicode.pcap");
    let texts = [
        "caf\u{e9} au lait",
        "un caf\u{e9}",
        "d\u{e9}caf\u{e9}in\u{e9}",
        "CAF\u{c9}!",
    ];
    let packets: Vec<Vec<u8>> = texts.iter().map(|text| datagram(text.as_bytes())).collect();
    write(&file, &packets);
    for (arguments, expected) in [
        (&["caf\u{e9}"][..], "3"),
        (&["--unicode", "-w", "caf\u{e9}"], "2"),
        (&["--unicode", "-i", "-w", "caf\u{e9}"], "3"),
        (&["--unicode", r"\bcaf\w"], "2"),
        (&["--unicode", r"\Bcaf\w"], "1"),
        (&["--unicode", r"(?i)caf\u{e9}$"], "1"),
        (&["--unicode", r"^\w{3,20}\b"], "3"),
    ] {
        let arguments: Vec<String> = arguments
            .iter()
            .map(|word| word.replace(r"\u{e9}", "\u{e9}"))
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(count(&arguments, &file), expected, "{arguments:?}");
    }
}

#[test]
fn long_lists_start_at_once() {
    let folder = scratch("lists");
    let mut numbers = Numbers(7);
    let mut word = || -> String {
        let len = 5 + numbers.below(8);
        (0..len)
            .map(|_| char::from(b"etaoinshrdlucmfwypvbgkjqxz"[numbers.below(26)]))
            .collect()
    };
    let words: Vec<String> = (0..10_000).map(|_| word()).collect();
    let list = folder.join("words");
    fs::write(&list, words.join("\n")).expect("there is room");
    let rules: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| match at % 3 {
            0 => format!("{word}[0-9]+x"),
            1 => format!("({word}|{word}s) ?="),
            _ => format!("{word}.{{1,9}};"),
        })
        .collect();
    let ruled = folder.join("rules");
    fs::write(&ruled, rules.join("\n")).expect("there is room");
    let file = folder.join("words.pcap");
    let said = format!("a {} b", words[9_999]);
    let upper = said.to_uppercase();
    let rule = format!("{}77x", words[9_999]);
    write(
        &file,
        &says(
            4000,
            &[
                said.as_bytes(),
                b"\n",
                upper.as_bytes(),
                b"\n",
                rule.as_bytes(),
            ],
        ),
    );
    let (list, ruled) = (list.to_string_lossy(), ruled.to_string_lossy());
    for (arguments, expected) in [
        (vec!["-f", &*list], "2"),
        (vec!["-i", "-f", &*list], "3"),
        (vec!["-w", "-i", "-f", &*list], "2"),
        (vec!["--unicode", "-i", "-f", &*list], "3"),
        (vec!["--fixed-strings", "-i", "-f", &*list], "3"),
        (vec!["-i", "-f", &*ruled], "1"),
        (vec!["--unicode", r"\w{3,20}77x"], "1"),
        (vec!["--unicode", r"a \w{100,}"], "0"),
        (vec!["--unicode", "-i", r"(?:\w{4,9} ?){1,9}"], "3"),
    ] {
        let begun = Instant::now();
        assert_eq!(count(&arguments, &file), expected, "{arguments:?}");
        assert!(
            begun.elapsed() < SOON,
            "{arguments:?}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn a_dot_is_any_byte_of_what_is_no_text() {
    let folder = scratch("dot");
    let file = folder.join("dot.pcap");
    let names = [
        "storage.googleapis.com",
        "www.example.com",
        "api.stackoverflow.com",
        "a.cloudflare.net",
        "abcdefghi.abcdefghijklm.org",
    ];
    let mut packets: Vec<Vec<u8>> = names.iter().map(|name| request(name)).collect();
    packets.push(datagram(b"storage\ngoogleapis\ncom"));
    packets.push(datagram(b"\x83\xa4name\xa3bob\xa3age\x0a"));
    // A stream that is no text, its name cut anywhere; one of lines; and one that turns out late to
    // be none.
    packets.extend(says(
        4000,
        &[
            b"\0\x22\x12\x34\x07sto",
            b"rage\x0agoo",
            b"gleapis\x03com\0",
        ],
    ));
    packets.extend(says(4001, &[b"storage\ngoogle", b"apis\ncom\n"]));
    write(&file, &packets);
    for (arguments, expected) in [
        (&["storage.googleapis.com"][..], "2"),
        (&["www.example.com"], "1"),
        (&["api.stackoverflow.com"], "1"),
        (&["a.cloudflare.net"], "1"),
        (&["abcdefghi.abcdefghijklm.org"], "1"),
        (&["age."], "2"),
        (&["name.bob.age.$"], "1"),
        (&["--dotall", "storage.googleapis.com"], "4"),
        // What is decoded has its dots; the lines of the stream are not crossed.
        (&["--no-dotall", "storage.googleapis.com"], "1"),
        (&["(?-s)storage.googleapis.com"], "1"),
        (&[r"storage[^\n]googleapis"], "1"),
        (&["^storage$"], "2"),
        (&["-v", "storage.googleapis.com"], "8"),
        (
            &["--regexp", "storage", "--not", "storage.googleapis", "udp"],
            "1",
        ),
        (&["com", "--and", "e.googleapis"], "2"),
    ] {
        let only: Vec<&str> = arguments
            .iter()
            .copied()
            .filter(|word| !word.starts_with("-v"))
            .collect();
        let invert = only.len() < arguments.len();
        let mut all = if invert { vec!["-v"] } else { vec![] };
        all.extend(only);
        assert_eq!(count(&all, &file), expected, "{arguments:?}");
    }
    // A match found both ways is shown once, with its length bytes.
    let shown = run(&format!(
        "-q -o storage.googleapis.com -I {}",
        file.display()
    ));
    assert_eq!(
        text(&shown.stdout),
        "storage.googleapis.com\nstorage.googleapis.com\n"
    );
    let both = run(&format!("-q --json 'google.*com' -I {}", file.display()));
    let matches = text(&both.stdout);
    let datagram = matches
        .lines()
        .find(|line| line.contains("\"kind\":\"dns."))
        .expect("it is there");
    assert_eq!(datagram.matches("\"start\"").count(), 1, "{datagram}");
}

//! Messages that lie in one piece, of which most are passed over at a glance, are shown as those
//! that come byte by byte.

use std::path::{Path, PathBuf};

use super::frames::{ACK, Numbers, PSH, SYN, tcp, write_at};
use super::{run, scratch, text};

/// Ways to look at a capture: what is wanted of a message that does not match differs from one to
/// the other.
const WAYS: [&str; 22] = [
    "needle",
    "-t needle",
    "-i NEEDLE",
    "-A 1 needle",
    "-B 1 needle",
    "-v needle",
    "-n 2 needle",
    "-S 30 needle",
    "--pair needle",
    "--and hay needle",
    "--not hay needle",
    "--status 2xx needle",
    "--method GET needle",
    "--header X:needle needle",
    "--only resp needle",
    "-t -W log needle",
    "--json needle",
    "--json ''",
    "--list needle",
    "--har - needle",
    "--count needle",
    "-o needle",
];

/// A question and the messages that answer it: with a needle or without, in the head or in the
/// body.
fn exchange(numbers: &mut Numbers) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut word = || ["hay", "hay", "hay", "needle"][numbers.below(4)];
    let (path, field, body) = (word(), word(), word());
    let request = match numbers.below(5) {
        0 => format!(
            "POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        1 => format!("HEAD /{path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        2 => format!("GET /{path} HTTP/1.0\nX-Bare: {field}\n\n"),
        _ => format!("GET /{path} HTTP/1.1\r\nHost: a\r\nX: {field}\r\n\r\n"),
    };
    let mut word = || ["hay", "hay", "hay", "needle"][numbers.below(4)];
    let (field, body) = (word(), word());
    let len = body.len();
    let head = request.starts_with("HEAD");
    let body = if head { "" } else { body };
    let last = match numbers.below(6) {
        0 => format!("HTTP/1.1 204 No Content\r\nX: {field}\r\n\r\n"),
        1 if !head => format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n"
        ),
        2 => format!(
            "HTTP/1.1 404 Not Found\r\nContent-Length: {len}\r\nContent-Length: {len}\r\n\r\n{body}"
        ),
        3 => format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nContent-Type: text/plain; charset=latin1\r\n\r\n{body}"
        ),
        _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nX: {field}\r\n\r\n{body}"),
    };
    let mut responses = vec![last.into_bytes()];
    if numbers.below(6) == 0 {
        responses.insert(0, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    }
    (request.into_bytes(), responses)
}

/// A capture of some connections, with at most `most` bytes in a segment. All of a message comes at
/// one moment, but for the first bytes of some, which come alone. Gives the numbers of each
/// message's frames.
fn capture(path: &Path, seed: u64, most: usize) -> Vec<Vec<u64>> {
    let mut numbers = Numbers(seed);
    let (mut packets, mut frames) = (Vec::new(), Vec::new());
    let mut now = 0;
    for port in 40_000..40_012 {
        let mut next = [100_u32, 500];
        packets.push((now, tcp(true, port, SYN, 99, 0, b"")));
        packets.push((now, tcp(false, port, SYN | ACK, 499, 100, b"")));
        let mut say = |up: bool, bytes: &[u8], first: usize| {
            let (first, rest) = bytes.split_at(first);
            let before = packets.len() as u64;
            for bytes in [first, rest] {
                now += 7;
                for piece in bytes.chunks(most) {
                    let [own, peer] = if up { next } else { [next[1], next[0]] };
                    packets.push((now, tcp(up, port, PSH | ACK, own, peer, piece)));
                    next[usize::from(!up)] = own + u32::try_from(piece.len()).expect("it is short");
                }
            }
            frames.push((before + 1..=packets.len() as u64).collect());
        };
        // The first is answered before it was asked; some are asked before the one in front of them
        // is answered.
        if port % 4 == 0 {
            say(false, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0);
        }
        for _ in 0..numbers.below(8) {
            let asked: Vec<_> = (0..=numbers.below(3))
                .map(|_| exchange(&mut numbers))
                .collect();
            let mut first = || [0, 0, 0, 4, 15][numbers.below(5)];
            for (request, _) in &asked {
                say(true, request, first());
            }
            for response in asked.iter().flat_map(|(_, responses)| responses) {
                say(false, response, first());
            }
        }
    }
    write_at(path, packets.iter().map(|(now, packet)| (*now, packet)));
    frames
}

/// What is shown, but for what tells of segments: how many there were, and which.
fn shown(way: &str, path: &Path) -> String {
    let ran = run(&format!("-q {way} {}", path.display()));
    let out = text(&ran.stdout).replace(&path.display().to_string(), "FILE");
    let lines = out.lines().map(|line| {
        let Ok(mut json) = serde_json::from_str::<serde_json::Value>(line) else {
            return line.to_owned();
        };
        let data = json.get_mut("data").and_then(|data| data.as_object_mut());
        if let Some(data) = data {
            data.remove("frames");
            data.remove("packets");
        }
        json.to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn messages_in_one_piece_are_shown_as_those_in_many() {
    let folder: PathBuf = scratch("whole");
    let (whole, cut) = (folder.join("whole.pcap"), folder.join("cut.pcap"));
    for seed in 1..=6 {
        capture(&whole, seed, 1400);
        capture(&cut, seed, 1);
        for way in WAYS {
            let [whole, cut] = [&whole, &cut].map(|path| shown(way, path));
            assert_eq!(whole, cut, "{way}, seed {seed}");
            assert!(!whole.is_empty(), "{way}, seed {seed}");
        }
    }
}

#[test]
fn each_packet_that_brought_bytes_of_a_message_is_one_of_its_frames() {
    let path = scratch("whole-frames").join("some.pcap");
    for (seed, most) in [(1, 1400), (2, 1), (3, 1), (4, 5), (5, 40)] {
        let mut expected = capture(&path, seed, most);
        for threads in [1, 2] {
            let ran = run(&format!(
                "-q --threads {threads} --json '' {}",
                path.display()
            ));
            let lines = text(&ran.stdout);
            let frames = lines.lines().filter_map(|line| {
                let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
                let frames = json["data"].get("frames")?.as_array()?.iter();
                Some(frames.filter_map(serde_json::Value::as_u64).collect())
            });
            let mut told: Vec<Vec<u64>> = frames.collect();
            told.sort();
            expected.sort();
            assert_eq!(told, expected, "seed {seed}, {most} bytes");
        }
    }
}

//! Needles cut by segments, fragments, chunks and bursts; some segments out of order, some sent
//! twice: each is found, once.

use crate::frames::{ACK, Numbers, PSH, SYN, ip, tcp, write};
use crate::{scratch, spygrep, text};

/// Needles of each kind.
const EACH: usize = 100;

fn needle(number: usize) -> String {
    format!("NEEDLE-{number:03}-END")
}

fn hay(numbers: &mut Numbers) -> String {
    (0..numbers.below(60))
        .map(|_| char::from(b"abcdefgh NED-\r\n"[numbers.below(15)]))
        .collect()
}

/// Where a needle that starts at `start` is cut.
fn cut(numbers: &mut Numbers, start: usize) -> usize {
    start + 1 + numbers.below(needle(0).len() - 1)
}

/// A connection: what the server says, cut into segments at `cuts`; each segment pushed.
fn connection(
    numbers: &mut Numbers,
    port: u16,
    ask: &str,
    response: &str,
    cuts: &[usize],
) -> Vec<Vec<u8>> {
    let start = tcp(true, port, SYN, 99, 0, b"");
    let reply = tcp(false, port, SYN | ACK, 499, 100, b"");
    let mut packets = vec![
        start,
        reply,
        tcp(true, port, PSH | ACK, 100, 500, ask.as_bytes()),
    ];
    let acked = 100 + u32::try_from(ask.len()).expect("short");
    let mut segments = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&response.len()]) {
        if to > from {
            let seq = 500 + u32::try_from(from).expect("short");
            segments.push(tcp(
                false,
                port,
                PSH | ACK,
                seq,
                acked,
                &response.as_bytes()[from..to],
            ));
            from = to;
        }
    }
    for at in 1..segments.len() {
        if numbers.below(20) == 0 {
            segments.swap(at - 1, at);
        }
    }
    for segment in segments {
        if numbers.below(100) == 0 {
            packets.push(segment.clone());
        }
        packets.push(segment);
    }
    packets
}

#[test]
fn needles_cut_in_every_way_are_found_once() {
    let mut numbers = Numbers(42);
    let mut packets = Vec::new();
    for kind in 0..3 {
        for at in 0..EACH {
            let number = kind * EACH + at;
            let port = u16::try_from(10_000 + number).expect("few");
            let (front, back) = (hay(&mut numbers), hay(&mut numbers));
            let body = format!("{front}{}{back}", needle(number));
            let (ask, response, start) = match kind {
                // A line protocol: each segment is a burst.
                0 => ("hello\n".to_owned(), body, front.len()),
                1 => {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    let start = head.len() + front.len();
                    (
                        "GET / HTTP/1.1\r\n\r\n".to_owned(),
                        format!("{head}{body}"),
                        start,
                    )
                }
                _ => {
                    let chunk = cut(&mut numbers, front.len());
                    let (first, second) = body.split_at(chunk);
                    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    let chunks = format!(
                        "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                        first.len(),
                        second.len()
                    );
                    (
                        "GET / HTTP/1.1\r\n\r\n".to_owned(),
                        format!("{head}{chunks}"),
                        head.len() + 4 + front.len(),
                    )
                }
            };
            let mut cuts = vec![cut(&mut numbers, start), cut(&mut numbers, start)];
            cuts.sort_unstable();
            packets.extend(connection(&mut numbers, port, &ask, &response, &cuts));
        }
    }
    for at in 0..EACH {
        // The first fragment ends inside of the needle: 8 bytes of UDP header, and a multiple of 8
        // in all.
        let text = format!(
            "{}{}{}",
            "x".repeat(8 * numbers.below(10)),
            needle(3 * EACH + at),
            hay(&mut numbers)
        );
        let start = text.find("NEEDLE").expect("it is there");
        let mut datagram = vec![0x10, 0, 0x20, 0];
        datagram.extend(u16::try_from(8 + text.len()).expect("short").to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(text.as_bytes());
        let end = 8 + start + 8;
        let id = u16::try_from(at).expect("few");
        let first = ip(true, 17, (id, 0x2000), &datagram[..end]);
        let second = ip(
            true,
            17,
            (id, u16::try_from(end / 8).expect("short")),
            &datagram[end..],
        );
        packets.extend(if numbers.below(2) == 0 {
            [first, second]
        } else {
            [second, first]
        });
    }
    let file = scratch("needles").join("needles.pcap");
    write(&file, &packets);
    let output = spygrep()
        .args(["-o", "NEEDLE-[0-9]+-END"])
        .arg(&file)
        .output()
        .expect("the program starts");
    let mut found: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    found.sort();
    let wanted: Vec<String> = (0..4 * EACH).map(needle).collect();
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|needle| !found.contains(needle))
        .collect();
    assert!(
        missing.is_empty(),
        "{} are missing: {missing:?}",
        missing.len()
    );
    assert_eq!(found, wanted);
}

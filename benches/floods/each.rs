//! What one more of something costs: `cargo bench --bench floods -- --each`.
//!
//! spygrep is given few of a kind, then (in a run of its own) many, and the difference of the peaks
//! of its memory is divided by the difference of the numbers. So it is all that a flow, a segment
//! or a message takes, with its place in every table and what the allocator adds; tables grow by
//! doubling, which makes it a few tenths more or less for other numbers.

use std::io::Write as _;
use std::time::Duration;

use crate::floods::{ANSWER, ASK, fragment};
use crate::frames::{ACK, FIN, Frames, PSH, SERVER, SYN};
use crate::{memory, processor, start};

/// A kind of thing: what it is, how few and how many, the packets of the one of that number, and
/// the bytes of text it holds.
type Kind = (&'static str, [u64; 2], fn(&mut Frames, u64), u64);

/// None has so many that a bound bites.
const KINDS: [Kind; 12] = [
    ("unanswered SYN", [4000, 16_000], syn, 0),
    ("open connection", FLOWS, connect, 0),
    ("the same behind an exchange", FLOWS, exchanged, 0),
    ("the same in a question's wait", FLOWS, asked, 0),
    ("the same in an answer's body", FLOWS, answering, 1000),
    ("closed connection", [4000, 16_000], closed, 0),
    ("pair of ports with a datagram", FLOWS, datagram, 0),
    ("one more open question", [8000, 64_000], pipelined, 0),
    (
        "segment behind a hole",
        [8000, 64_000],
        |frames, number| behind(frames, number, 1),
        1,
    ),
    (
        "the same, full",
        [8000, 64_000],
        |frames, number| behind(frames, number, 1460),
        1460,
    ),
    ("unacknowledged segment", [2000, 8000], delivered, 1460),
    ("lone fragment", [100, 1000], fragment, 1400),
];

const FLOWS: [u64; 2] = [16_000, 65_000];
/// Things of one connection, where it has several: not more unacknowledged bytes than are kept.
const OF_ONE: u64 = 40;

const MILLISECOND: u64 = 1_000_000;

/// Print the table.
pub(crate) fn table() {
    println!("{:32} {:>7} {:>7}", "one more", "bytes", "of text");
    for (name, [few, many], make, text) in KINDS {
        let [less, more] = [few, many].map(|count| peak(count, make));
        let each = (more.saturating_sub(less) * 1024) as f64 / (many - few) as f64;
        println!("{name:32} {each:>7.0} {text:>7}");
    }
}

/// The peak memory in KiB once so many were read, while the input is still open: what ends with it
/// is not counted.
fn peak(count: u64, make: fn(&mut Frames, u64)) -> u64 {
    let (mut child, mut frames) = start();
    (0..count).for_each(|number| make(&mut frames, number));
    frames.out.flush().expect("spygrep reads on");
    let mut before = 0;
    let mut now = processor(&child);
    // While it waits for input it does next to nothing.
    while now - before > MILLISECOND {
        std::thread::sleep(50 * Duration::from_nanos(MILLISECOND));
        (before, now) = (now, processor(&child));
    }
    let peak = memory(&child).expect("it waits for more");
    drop(frames);
    child.wait().expect("it can be waited for");
    peak
}

fn syn(frames: &mut Frames, number: u64) {
    frames.tcp(true, number, SYN, 99, 0, b"");
}

fn connect(frames: &mut Frames, number: u64) {
    syn(frames, number);
    frames.tcp(false, number, SYN | ACK, 499, 100, b"");
    frames.tcp(true, number, ACK, 100, 500, b"");
}

/// The client's next byte behind its question.
const ASKED: u32 = 100 + ASK.len() as u32;

fn asked(frames: &mut Frames, number: u64) {
    connect(frames, number);
    frames.tcp(true, number, PSH, 100, 500, ASK);
    frames.tcp(false, number, ACK, 500, ASKED, b"");
}

fn exchanged(frames: &mut Frames, number: u64) {
    asked(frames, number);
    frames.tcp(false, number, PSH, 500, ASKED, ANSWER);
    frames.tcp(true, number, ACK, ASKED, TOLD, b"");
}

/// The server's next byte behind its answer.
const TOLD: u32 = 500 + ANSWER.len() as u32;

fn closed(frames: &mut Frames, number: u64) {
    exchanged(frames, number);
    frames.tcp(true, number, FIN, ASKED, TOLD, b"");
    frames.tcp(false, number, FIN, TOLD, ASKED + 1, b"");
    frames.tcp(true, number, ACK, ASKED + 1, TOLD + 1, b"");
}

fn answering(frames: &mut Frames, number: u64) {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    asked(frames, number);
    let text = [HEAD, &[b'x'; 1000]].concat();
    frames.tcp(false, number, ACK, 500, ASKED, &text);
    frames.tcp(true, number, ACK, ASKED, 500 + text.len() as u32, b"");
}

fn datagram(frames: &mut Frames, number: u64) {
    let client = 0x0a00_0000 | number as u32;
    let header = [4, 0, 0, 80, 0, 18, 0, 0];
    frames.ip([client, SERVER], 17, 0, 0, &[&header, b"0123456789"]);
}

/// Its connection and its place there; the first of a connection opens it.
fn of_one(frames: &mut Frames, number: u64) -> (u64, u32) {
    let (client, at) = (number / OF_ONE, (number % OF_ONE) as u32);
    if at == 0 {
        connect(frames, client);
    }
    (client, at)
}

fn pipelined(frames: &mut Frames, number: u64) {
    let (client, at) = of_one(frames, number);
    let seq = 100 + at * ASK.len() as u32;
    frames.tcp(true, client, PSH, seq, 500, ASK);
    frames.tcp(false, client, ACK, 500, seq + ASK.len() as u32, b"");
}

/// A byte is missing in front of each, so that no two are one piece.
fn behind(frames: &mut Frames, number: u64, len: usize) {
    let (client, at) = of_one(frames, number);
    let seq = 101 + at * (len as u32 + 1);
    frames.tcp(true, client, ACK, seq, 500, &[b'x'; 1460][..len]);
}

/// Kept to be compared with a later copy, since the receiver may take that one.
fn delivered(frames: &mut Frames, number: u64) {
    let (client, at) = of_one(frames, number);
    frames.tcp(true, client, ACK, 100 + at * 1460, 500, &[b'x'; 1460]);
}

//! The floods: which packet each has at which place.

use crate::frames::{ACK, FIN, Frames, PSH, SERVER, SYN};

const MILLION: u64 = 1_000_000;
/// Bytes of a segment behind the hole.
const BEHIND: u32 = 1024;

/// A workload: its name, how many packets it has, which is its packet of that number, and the
/// memory it may cost in MiB.
pub(crate) type Flood = (&'static str, u64, fn(&mut Frames, u64), u64);

pub(crate) const FLOODS: [Flood; 8] = [
    ("syns", 10 * MILLION, syn, 96),
    ("syns-answered", 20 * MILLION, answered, 256),
    ("flows", 70 * MILLION, flow, 160),
    ("flows-unclosed", 20 * MILLION, unclosed, 160),
    ("hole", 2 + (2 << 30) / BEHIND as u64, hole, 96),
    ("one-flow", 4 * MILLION, whole, 96),
    ("reversed", 4 * MILLION, reversed, 96),
    ("fragments", MILLION, fragment, 256),
];

/// SYNs that nobody answers.
fn syn(frames: &mut Frames, number: u64) {
    frames.tcp(true, number, SYN, number as u32, 0, b"");
}

/// SYNs and their answers, and no more.
fn answered(frames: &mut Frames, number: u64) {
    let isn = (number / 2) as u32;
    match number % 2 {
        0 => frames.tcp(true, number / 2, SYN, isn, 0, b""),
        _ => frames.tcp(false, number / 2, SYN | ACK, 99, isn.wrapping_add(1), b""),
    }
}

pub(crate) const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

/// Connections with one exchange, from the SYN to the last acknowledgement.
fn flow(frames: &mut Frames, number: u64) {
    let (client, up) = (number / 7, (number / 7) as u32);
    let asked = up.wrapping_add(1 + ASK.len() as u32);
    let told = 500 + ANSWER.len() as u32;
    match number % 7 {
        0 => frames.tcp(true, client, SYN, up, 0, b""),
        1 => frames.tcp(false, client, SYN | ACK, 499, up.wrapping_add(1), b""),
        2 => frames.tcp(true, client, PSH, up.wrapping_add(1), 500, ASK),
        3 => frames.tcp(false, client, PSH, 500, asked, ANSWER),
        4 => frames.tcp(true, client, FIN, asked, told, b""),
        5 => frames.tcp(false, client, FIN, told, asked.wrapping_add(1), b""),
        _ => frames.tcp(true, client, ACK, asked.wrapping_add(1), told + 1, b""),
    }
}

/// Connections that say something and are never heard of again.
fn unclosed(frames: &mut Frames, number: u64) {
    let (client, isn) = (number / 2, (number / 2) as u32);
    match number % 2 {
        0 => frames.tcp(true, client, SYN, isn, 0, b""),
        _ => frames.tcp(true, client, PSH, isn.wrapping_add(1), 500, ASK),
    }
}

/// One connection that lacks its first byte, and 2 GiB behind that.
fn hole(frames: &mut Frames, number: u64) {
    match number {
        0 => frames.tcp(true, 0, SYN, 0, 0, b""),
        1 => frames.tcp(false, 0, SYN | ACK, 499, 1, b""),
        _ => {
            let seq = 2 + (number as u32 - 2).wrapping_mul(BEHIND);
            frames.tcp(true, 0, ACK, seq, 500, &[b'x'; BEHIND as usize]);
        }
    }
}

/// One connection that lacks nothing.
fn whole(frames: &mut Frames, number: u64) {
    let seq = 2 + (number as u32).wrapping_mul(BEHIND);
    match number {
        0 => frames.tcp(true, 0, SYN, 1 + BEHIND, 0, b""),
        _ => frames.tcp(true, 0, ACK, seq, 500, &[b'x'; BEHIND as usize]),
    }
}

/// Connections of 4096 segments of one byte each, the last of them first.
fn reversed(frames: &mut Frames, number: u64) {
    let (client, at) = (number / 4098, (number % 4098) as u32);
    match at {
        0 => frames.tcp(true, client, SYN, 0, 0, b""),
        1 => frames.tcp(false, client, SYN | ACK, 499, 1, b""),
        _ => frames.tcp(true, client, ACK, 4098 - at, 500, b"x"),
    }
}

/// First fragments of datagrams whose others never come.
pub(crate) fn fragment(frames: &mut Frames, number: u64) {
    let client = 0x0a00_0000 | (number >> 16) as u32;
    frames.ip(
        [client, SERVER],
        17,
        number as u16,
        0x2000,
        &[&[4, 0, 0, 80, 16, 0, 0, 0], &[b'x'; 1400]],
    );
}

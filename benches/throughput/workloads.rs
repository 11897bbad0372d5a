//! The workloads: what each puts into its capture file. Those that say nothing else hold HTTP
//! answers with needles in them.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::capture::{ACK, Capture, FIN_ACK, PSH_ACK, SYN, SYN_ACK, header};

/// A workload: its name, and what makes its next packets.
pub(crate) struct Workload {
    /// Its name, in tables and as an argument.
    pub(crate) name: &'static str,
    /// Adds a connection, a datagram or a SYN to the capture.
    make: fn(&mut Capture),
}

/// All of them, in the order of the tables.
pub(crate) const WORKLOADS: [Workload; 7] = [
    Workload::new("http", http),
    Workload::new("bulk", bulk),
    Workload::new("small", small),
    Workload::new("flows", flows),
    Workload::new("messy", messy),
    Workload::new("syns", syns),
    Workload::new("bytes", bytes),
];

/// A capture file that is there.
pub(crate) struct Made {
    pub(crate) path: PathBuf,
    /// Frames in it.
    pub(crate) packets: u64,
    /// Needles that a search of its streams has to find.
    pub(crate) needles: u64,
}

impl Workload {
    const fn new(name: &'static str, make: fn(&mut Capture)) -> Self {
        Self { name, make }
    }

    /// The capture of about so many mebibytes, made if it is not there. What is in it stands in a
    /// file beside it.
    pub(crate) fn file(&self, folder: &Path, mebibytes: u64) -> Made {
        let path = folder.join(format!("{}-{mebibytes}.pcap", self.name));
        let beside = path.with_extension("counts");
        let counts = fs::read_to_string(&beside).ok().filter(|_| path.exists());
        let counts = counts.unwrap_or_else(|| {
            let capture = if let Ok(there) = fs::metadata(&path) {
                // Made by an earlier benchmark, that did not count: the same frames are counted
                // without being written.
                let capture = self.fill(io::sink(), mebibytes);
                let same = capture.written == there.len();
                assert!(same, "{} is of another size", path.display());
                capture
            } else {
                let part = path.with_extension("part");
                let file = File::create(&part).expect("the capture can be made");
                let capture = self.fill(file, mebibytes);
                fs::rename(part, &path).expect("the capture can be named");
                capture
            };
            let counts = format!("{} packets, {} needles\n", capture.packets, capture.needles);
            fs::write(beside, &counts).expect("the counts can be written");
            counts
        });
        let mut numbers = counts.split(' ').filter_map(|word| word.parse().ok());
        let [packets, needles] =
            [numbers.next(), numbers.next()].map(|number| number.expect("it was counted"));
        Made {
            path,
            packets,
            needles,
        }
    }

    fn fill(&self, out: impl io::Write + 'static, mebibytes: u64) -> Capture {
        let mut capture = Capture::begin(out, mebibytes << 20);
        while !capture.is_full() {
            (self.make)(&mut capture);
        }
        capture.finish().expect("the capture can be written");
        capture
    }
}

/// The positions of the two directions of a connection.
struct Ends {
    up: u32,
    down: u32,
}

/// The handshake of a connection of the next port.
fn connect(capture: &mut Capture) -> Ends {
    capture.next_port();
    capture.tcp(true, SYN, 99, 0, b"");
    capture.tcp(false, SYN_ACK, 499, 100, b"");
    Ends { up: 100, down: 500 }
}

fn close(capture: &mut Capture, Ends { up, down }: &Ends) {
    let (up_end, down_end) = (up.wrapping_add(1), down.wrapping_add(1));
    capture.tcp(true, FIN_ACK, *up, *down, b"");
    capture.tcp(false, FIN_ACK, *down, up_end, b"");
    capture.tcp(true, ACK, up_end, down_end, b"");
}

/// A request in segments of `size` bytes.
fn ask(capture: &mut Capture, ends: &mut Ends, number: usize, size: usize) {
    let ask = format!(
        "GET /page/{number} HTTP/1.1\r\nHost: example.test\r\nAccept-Language: en\r\nUser-Agent: bench\r\n\r\n"
    );
    for segment in ask.as_bytes().chunks(size) {
        capture.tcp(true, PSH_ACK, ends.up, ends.down, segment);
        ends.up = ends.up.wrapping_add(segment.len() as u32);
    }
}

/// The head of an answer with a body of so many bytes.
fn head(len: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n").into()
}

/// The next bytes of an answer in segments of `size`; each `every`th of them is acknowledged (0:
/// none).
fn tell(capture: &mut Capture, ends: &mut Ends, bytes: &[u8], size: usize, every: usize) {
    for (segment, number) in bytes.chunks(size).zip(1..) {
        capture.tcp(false, ACK, ends.down, ends.up, segment);
        ends.down = ends.down.wrapping_add(segment.len() as u32);
        if every != 0 && number % every == 0 {
            capture.tcp(true, ACK, ends.up, ends.down, b"");
        }
    }
}

/// A keep-alive connection of 100 exchanges, bodies of 20 KB in segments of 1460 bytes.
fn http(capture: &mut Capture) {
    let mut ends = connect(capture);
    for number in 0..100 {
        ask(capture, &mut ends, number, 1460);
        let body = capture.text(20_000);
        let response = [head(body.len()), body].concat();
        tell(capture, &mut ends, &response, 1460, 0);
        capture.tcp(true, ACK, ends.up, ends.down, b"");
    }
    close(capture, &ends);
}

/// A download of 16 MB, in segments as a network card joins them: 16 times 1448 bytes, every second
/// one acknowledged.
fn bulk(capture: &mut Capture) {
    const PIECES: usize = 800;
    const PIECE: usize = 20_000;
    let mut ends = connect(capture);
    ask(capture, &mut ends, 0, 1460);
    let mut waiting = head(PIECES * PIECE);
    for _ in 0..PIECES {
        waiting.extend(capture.text(PIECE));
        let full = waiting.len() / SEGMENT * SEGMENT;
        tell(capture, &mut ends, &waiting[..full], SEGMENT, 2);
        waiting.drain(..full);
    }
    tell(capture, &mut ends, &waiting, SEGMENT, 1);
    close(capture, &ends);
}

/// Bytes of a segment of [`bulk`].
const SEGMENT: usize = 16 * 1448;

/// Datagrams of 60 to 160 bytes between 1000 pairs of ports.
fn small(capture: &mut Capture) {
    let len = 60 + capture.below(100) as usize;
    let port = 2000 + capture.below(1000) as u16;
    let text = capture.text(len);
    let fields = [port, 514, 8 + text.len() as u16, 0];
    let header = fields.map(u16::to_be_bytes).concat();
    capture.packet(true, 17, &[&header, &text]);
}

/// A connection with one short exchange.
fn flows(capture: &mut Capture) {
    capture.next_port();
    let isn = capture.below(1 << 30) as u32;
    let ask = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
    let body = capture.text(400);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let response = [head.as_bytes(), &body].concat();
    let (up, down) = (isn.wrapping_add(1), isn.wrapping_add(7));
    let ends = Ends {
        up: up.wrapping_add(ask.len() as u32),
        down: down.wrapping_add(response.len() as u32),
    };
    capture.tcp(true, SYN, isn, 0, b"");
    capture.tcp(false, SYN_ACK, down.wrapping_sub(1), up, b"");
    capture.tcp(true, PSH_ACK, up, down, ask);
    capture.tcp(false, PSH_ACK, down, ends.up, &response);
    close(capture, &ends);
}

/// As [`http`], over a bad line: of a thousand segments 10 are lost and sent again eight segments
/// later, 20 overtake their predecessor, 10 come twice, 5 are sent again with the end of the
/// segment before, and 1 is missed by the capture alone.
fn messy(capture: &mut Capture) {
    let mut ends = connect(capture);
    for number in 0..100 {
        ask(capture, &mut ends, number, 1460);
        let body = capture.text(20_000);
        let head = head(body.len());
        let needle = capture.needle.clone();
        let needle = needle.map(|needle| needle.start + head.len()..needle.end + head.len());
        let response = [head, body].concat();
        let (sent, missed) = disorder(capture, response.len());
        for Range { start, end } in sent {
            let seq = ends.down.wrapping_add(start as u32);
            capture.tcp(false, ACK, seq, ends.up, &response[start..end]);
        }
        let cut = |missed: &Range<usize>| {
            let needle = needle.as_ref();
            needle.is_some_and(|needle| missed.start < needle.end && needle.start < missed.end)
        };
        capture.needles -= u64::from(missed.iter().any(cut));
        ends.down = ends.down.wrapping_add(response.len() as u32);
        capture.tcp(true, ACK, ends.up, ends.down, b"");
    }
    close(capture, &ends);
}

/// The segments of so many bytes in the order in which they are captured, and those that are not
/// captured.
fn disorder(capture: &mut Capture, len: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let (mut sent, mut late, mut missed) = (Vec::new(), Vec::new(), Vec::new());
    for (number, start) in (0..len).step_by(1460).enumerate() {
        let segment = start..len.min(start + 1460);
        match capture.below(1000) {
            0 => missed.push(segment),
            1..=10 => late.push((number + 8, segment)),
            11..=30 => sent.insert(sent.len().saturating_sub(1), segment),
            31..=40 => sent.extend([segment.clone(), segment]),
            41..=45 if start > 0 => {
                let middle = segment.end.min(start + 760);
                sent.extend([start - 700..middle, middle..segment.end]);
            }
            _ => sent.push(segment),
        }
        late.retain(|(due, segment)| {
            let is_due = *due <= number;
            sent.extend(is_due.then(|| segment.clone()));
            !is_due
        });
    }
    sent.extend(late.into_iter().map(|(_, segment)| segment));
    (sent, missed)
}

/// A SYN of a flood: nobody answers it. No needles.
fn syns(capture: &mut Capture) {
    // An odd multiplier: no address and port comes twice.
    let mixed = (capture.packets as u32).wrapping_mul(0x9e37_79b1);
    let [a, b, c, port] = mixed.to_be_bytes();
    let ports = (0x8000 | u16::from(port), 80);
    let ends = [[11, a, b, c], [10, 0, 0, 2]];
    capture.between(ends, 6, &[&header(ports, SYN, mixed, 0)]);
}

/// A keep-alive connection of 10 exchanges with bodies of 400 bytes, each byte a segment of its
/// own.
fn bytes(capture: &mut Capture) {
    let mut ends = connect(capture);
    for number in 0..10 {
        ask(capture, &mut ends, number, 1);
        let body = capture.text(400);
        let response = [head(body.len()), body].concat();
        tell(capture, &mut ends, &response, 1, 16);
        capture.tcp(true, ACK, ends.up, ends.down, b"");
    }
    close(capture, &ends);
}

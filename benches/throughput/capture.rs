//! A capture file that is being made: frames, pseudo-random numbers from a fixed seed, text with
//! needles in it.

use std::io::{self, BufWriter, Write};
use std::ops::Range;

/// TCP flags.
pub(crate) const SYN: u8 = 0x02;
pub(crate) const SYN_ACK: u8 = 0x12;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const PSH_ACK: u8 = 0x18;
pub(crate) const FIN_ACK: u8 = 0x11;

/// The addresses of client and server.
const ENDS: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 0, 2]];
/// One text in so many has a needle.
const HAY: u64 = 1000;

/// The file, and what a generator keeps between two calls.
pub(crate) struct Capture {
    out: BufWriter<Box<dyn Write>>,
    size: u64,
    /// Bytes of the file so far.
    pub(crate) written: u64,
    /// Frames so far.
    pub(crate) packets: u64,
    /// Needles that the frames hold whole: what a search of the streams has to find.
    pub(crate) needles: u64,
    /// Where the needle lies in the text made last, if it has one.
    pub(crate) needle: Option<Range<usize>>,
    /// The client's port.
    pub(crate) port: u16,
    numbers: u64,
}

impl Capture {
    /// A file of about `size` bytes: [`Self::is_full`] says when it has them.
    pub(crate) fn begin(out: impl Write + 'static, size: u64) -> Self {
        let mut capture = Self {
            out: BufWriter::with_capacity(1 << 16, Box::new(out)),
            size,
            written: 0,
            packets: 0,
            needles: 0,
            needle: None,
            port: 1024,
            numbers: 1,
        };
        for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            capture.put(&field.to_le_bytes());
        }
        capture
    }

    pub(crate) fn is_full(&self) -> bool {
        self.written >= self.size
    }

    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A number below `end`: the next of Knuth's linear congruential generator.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.numbers = self
            .numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.numbers >> 33) % end
    }

    fn put(&mut self, bytes: &[u8]) {
        self.out
            .write_all(bytes)
            .expect("the capture can be written");
        self.written += bytes.len() as u64;
    }

    /// An Ethernet frame with an IPv4 packet of the client (`up`) or of the server.
    pub(crate) fn packet(&mut self, up: bool, protocol: u8, payload: &[&[u8]]) {
        let [client, server] = ENDS;
        let ends = match up {
            true => [client, server],
            false => [server, client],
        };
        self.between(ends, protocol, payload);
    }

    /// The same between any two addresses, 10 microseconds after the frame before.
    pub(crate) fn between(&mut self, ends: [[u8; 4]; 2], protocol: u8, payload: &[&[u8]]) {
        let len = 34 + payload.iter().map(|part| part.len()).sum::<usize>();
        self.packets += 1;
        let (wire, number) = (len as u32, self.packets as u32);
        let mut head = [0; 50];
        let fields = [
            1_700_000_000 + number / 100_000,
            number % 100_000 * 10,
            wire,
            wire,
        ];
        for (place, field) in head.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        head[16..32].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0]);
        let whole = u16::try_from(len - 14).expect("a packet is short");
        head[32..34].copy_from_slice(&whole.to_be_bytes());
        head[34..42].copy_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
        head[42..].copy_from_slice(&ends.concat());
        self.put(&head);
        for part in payload {
            self.put(part);
        }
    }

    /// A segment between the client's port and port 80.
    pub(crate) fn tcp(&mut self, up: bool, flags: u8, seq: u32, ack: u32, payload: &[u8]) {
        let ports = if up { (self.port, 80) } else { (80, self.port) };
        self.packet(up, 6, &[&header(ports, flags, seq, ack), payload]);
    }

    /// Begin the connection of the next port.
    pub(crate) fn next_port(&mut self) {
        self.port = self.port.wrapping_add(1).max(1024);
    }

    /// Text with a needle now and then.
    pub(crate) fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: &[u8] =
            b"the quick brown fox jumps over a lazy dog while NEEDLES are sought in hay \n";
        let start = usize::try_from(self.below(WORDS.len() as u64)).expect("it is small");
        let words = WORDS.iter().copied().cycle();
        let mut text: Vec<u8> = words.skip(start).take(len).collect();
        self.needle = None;
        if self.below(HAY) == 0 {
            let needle = format!("NEEDLE-{}-END", self.below(1_000_000));
            let at = text.len() / 2;
            let place = at..(at + needle.len()).min(len);
            text.splice(place.clone(), needle.bytes());
            self.needle = Some(place);
            self.needles += 1;
        }
        text
    }
}

/// A TCP header without options.
pub(crate) fn header((src, dst): (u16, u16), flags: u8, seq: u32, ack: u32) -> [u8; 20] {
    let words = [
        u32::from(src) << 16 | u32::from(dst),
        seq,
        ack,
        0x5000_ffff | u32::from(flags) << 16,
        0,
    ];
    let mut header = [0; 20];
    for (place, word) in header.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    header
}

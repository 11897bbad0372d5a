//! Packets, written into a pipe as a capture of raw IP.

use std::io::{BufWriter, ErrorKind, Write};

const MILLION: u64 = 1_000_000;

/// The server's address.
pub(crate) const SERVER: u32 = 0xc633_6414;
/// Its port.
const HTTP: u32 = 80;
/// TCP flags.
pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const PSH: u8 = 24;
pub(crate) const FIN: u8 = 17;

/// Where packets are written to, and how many were.
pub(crate) struct Frames {
    pub(crate) out: BufWriter<Box<dyn Write>>,
    count: u64,
}

impl Frames {
    pub(crate) fn to(out: impl Write + 'static) -> Self {
        let mut out = BufWriter::with_capacity(1 << 16, Box::new(out) as Box<dyn Write>);
        for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
            put(&mut out, &field.to_le_bytes());
        }
        Self { out, count: 0 }
    }

    /// An IPv4 packet, 10 microseconds after the one before.
    pub(crate) fn ip(
        &mut self,
        ends: [u32; 2],
        protocol: u8,
        id: u16,
        fragment: u16,
        payload: &[&[u8]],
    ) {
        let len = 20 + payload.iter().map(|part| part.len()).sum::<usize>() as u32;
        let mut head = [0; 36];
        let micros = self.count * 10;
        self.count += 1;
        let fields = [
            1_700_000_000 + (micros / MILLION) as u32,
            (micros % MILLION) as u32,
            len,
            len,
        ];
        for (place, field) in head.chunks_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let words = [
            0x4500_0000 | len,
            u32::from(id) << 16 | u32::from(fragment),
            0x4000_0000 | u32::from(protocol) << 16,
            ends[0],
            ends[1],
        ];
        for (place, word) in head[16..].chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        put(&mut self.out, &head);
        for part in payload {
            put(&mut self.out, part);
        }
    }

    /// A segment of the client of a number, or of its server.
    pub(crate) fn tcp(
        &mut self,
        up: bool,
        client: u64,
        flags: u8,
        seq: u32,
        ack: u32,
        payload: &[u8],
    ) {
        // Spread as those of a flood are, and none twice: the multiplier is odd.
        let mixed = (client as u32).wrapping_mul(0x9e37_79b1);
        let (address, port) = (0x0a00_0000 | mixed >> 8, 0x8000 | mixed & 0xff);
        let (ends, ports) = match up {
            true => ([address, SERVER], port << 16 | HTTP),
            false => ([SERVER, address], HTTP << 16 | port),
        };
        let mut head = [0; 20];
        let words = [ports, seq, ack, 0x5000_ffff | u32::from(flags) << 16, 0];
        for (place, word) in head.chunks_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        self.ip(ends, 6, 0, 0, &[&head, payload]);
    }
}

fn put(out: &mut impl Write, bytes: &[u8]) {
    match out.write_all(bytes) {
        // `head` has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.expect("packets can be written"),
    }
}

//! Frames made to order: raw IP packets, and capture files of them.

use std::path::Path;

/// TCP flags.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// An IPv4 packet between 192.0.2.1 (`up`) and 192.0.2.2; `fragment` is identification, and flags
/// with offset.
pub(crate) fn ip(up: bool, protocol: u8, fragment: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let (src, dst) = if up {
        (client, server)
    } else {
        (server, client)
    };
    let mut packet = vec![0x45, 0];
    packet.extend(
        u16::try_from(20 + payload.len())
            .expect("a packet is short")
            .to_be_bytes(),
    );
    packet.extend(fragment.0.to_be_bytes());
    packet.extend(fragment.1.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(src);
    packet.extend(dst);
    packet.extend(payload);
    packet
}

/// A TCP segment between the client's `port` and port 80.
pub(crate) fn tcp(up: bool, port: u16, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = if up { (port, 80) } else { (80, port) };
    let mut segment = Vec::new();
    segment.extend(src.to_be_bytes());
    segment.extend(dst.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(up, 6, (0, 0), &segment)
}

/// A capture file of raw IP packets, a millisecond apart.
pub(crate) fn write(path: &Path, packets: &[Vec<u8>]) {
    write_at(path, (0..).zip(packets));
}

/// The same with no more than `most` bytes of each packet.
pub(crate) fn write_cut(path: &Path, packets: &[Vec<u8>], most: usize) {
    write_parts(path, (0..).zip(packets), most);
}

/// A capture file of raw IP packets, each at its millisecond.
pub(crate) fn write_at<'p>(path: &Path, packets: impl Iterator<Item = (u32, &'p Vec<u8>)>) {
    write_parts(path, packets, usize::MAX);
}

fn write_parts<'p>(path: &Path, packets: impl Iterator<Item = (u32, &'p Vec<u8>)>, most: usize) {
    let mut bytes = Vec::new();
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 101] {
        bytes.extend(field.to_le_bytes());
    }
    for (moment, packet) in packets {
        let part = &packet[..most.min(packet.len())];
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a packet is short");
        for field in [
            1_700_000_000 + moment / 1000,
            moment % 1000 * 1000,
            len(part),
            len(packet),
        ] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(part);
    }
    std::fs::write(path, bytes).expect("a file in the target directory can be written");
}

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// The next one, below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

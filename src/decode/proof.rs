//! Checks whether bytes are an IP packet: by its lengths, and by its checksums where it has any.
//! Pure; reads each byte at most once.

use crate::packet::{fold, protocol, sum};

/// How far bytes prove that they are a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Proof {
    /// They contradict an IP packet.
    Wrong,
    /// They may be a packet: the header is consistent, and its length fits the captured bytes.
    Fits,
    /// They are a packet: a checksum is correct.
    Sure,
}

/// Classifies bytes that begin with an IP header. `cut`: not all of them were captured.
pub(super) fn of_ip(bytes: &[u8], cut: bool) -> Proof {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => v4(bytes, cut),
        Some(6) => v6(bytes, cut),
        _ => Proof::Wrong,
    }
}

/// The bytes of a packet, without those after its end.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let len = match bytes {
        [0x40..=0x4f, _, t0, t1, ..] => usize::from(u16::from_be_bytes([*t0, *t1])),
        [0x60..=0x6f, _, _, _, l0, l1, ..] => usize::from(u16::from_be_bytes([*l0, *l1])) + 40,
        _ => 0,
    };
    bytes.get(..len).filter(|_| len > 0).unwrap_or(bytes)
}

/// Maximum bytes after a packet that are padding of a minimal Ethernet frame (without its header),
/// or the frame's checksum.
const PADDING: usize = 50;

/// Number of the captured bytes that belong to a packet of length `len`; `None` if it does not fit.
fn fitting(bytes: &[u8], len: usize, cut: bool) -> Option<usize> {
    let there = len <= bytes.len();
    (there || cut).then_some(len.min(bytes.len()))
}

fn v4(bytes: &[u8], cut: bool) -> Proof {
    let [first, _, t0, t1, _, _, f0, _, ttl, _, c0, c1, ..] = bytes else {
        return Proof::Wrong;
    };
    let header_len = usize::from(first & 0x0f) * 4;
    let Some(header) = bytes.get(..header_len).filter(|_| header_len >= 20) else {
        return Proof::Wrong;
    };
    let total = usize::from(u16::from_be_bytes([*t0, *t1]));
    if total == 0 {
        // A segment before segmentation offload.
        return Proof::Fits;
    }
    let Some(len) = fitting(bytes, total, cut) else {
        return Proof::Wrong;
    };
    if total < header_len || f0 & 0x80 != 0 || *ttl == 0 {
        return Proof::Wrong;
    }
    match ([*c0, *c1], fold(sum(header))) {
        ([0, 0], _) => Proof::Fits,
        (_, 0xffff) if bytes.len() - len <= PADDING => Proof::Sure,
        (_, 0xffff) => Proof::Fits,
        _ => Proof::Wrong,
    }
}

fn v6(bytes: &[u8], cut: bool) -> Proof {
    let Some((header, after_header)) = bytes.split_first_chunk::<40>() else {
        return Proof::Wrong;
    };
    let [_, _, _, _, l0, l1, next, hops, addresses @ ..] = header;
    let Some(len) = fitting(
        after_header,
        usize::from(u16::from_be_bytes([*l0, *l1])),
        cut,
    ) else {
        return Proof::Wrong;
    };
    let payload = after_header.get(..len).unwrap_or_default();
    if *hops == 0 || !is_known(*next) || (payload.is_empty() && !matches!(next, 0 | 59)) {
        return Proof::Wrong;
    }
    let pseudo =
        sum(addresses) + u64::from((len as u32).to_be()) + u64::from(u16::from(*next).to_be());
    let summed = matches!(*next, protocol::TCP | protocol::UDP | protocol::ICMPV6);
    match summed
        && !cut
        && fold(pseudo + sum(payload)) == 0xffff
        && after_header.len() - len <= PADDING
    {
        true => Proof::Sure,
        false => Proof::Fits,
    }
}

/// Whether this is a common transport protocol or an IPv6 extension header.
const fn is_known(next: u8) -> bool {
    matches!(
        next,
        0 | 4 | 6 | 17 | 41 | 43 | 44 | 47 | 50 | 51 | 58 | 59 | 60 | 89 | 103 | 112 | 115 | 132
    )
}

/// Whether complete bytes may be the payload of an IP header with this protocol number.
pub(super) fn of_transport(number: u8, bytes: &[u8]) -> bool {
    match (number, bytes) {
        (4 | 41, _) => of_ip(bytes, false) != Proof::Wrong,
        (
            protocol::TCP,
            [
                s0,
                s1,
                d0,
                d1,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                offset,
                flags,
                _,
                _,
                _,
                _,
                u0,
                u1,
                ..,
            ],
        ) => {
            let header = usize::from(offset >> 4) * 4;
            let urgent = flags & 0x20 != 0 || [*u0, *u1] == [0, 0];
            let ports = [*s0, *s1] != [0, 0] && [*d0, *d1] != [0, 0];
            (20..=bytes.len()).contains(&header)
                && offset & 0x0e == 0
                && urgent
                && ports
                && *flags != 0
        }
        (protocol::UDP, [_, _, _, _, l0, l1, _, _, ..]) => {
            usize::from(u16::from_be_bytes([*l0, *l1])) == bytes.len()
        }
        (protocol::ICMP | protocol::ICMPV6, [kind, ..])
            if number == protocol::ICMP || *kind >= 1 =>
        {
            number == protocol::ICMPV6 || fold(sum(bytes)) == 0xffff
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_proves_itself_by_its_lengths_and_sums() {
        // Captured from the wire, with a correct checksum.
        let four = [
            0x45, 0, 0, 0x28, 0, 2, 0x40, 0, 0x40, 6, 0x26, 0xcc, 10, 0, 0, 1, 10, 0, 0, 2, //
            0x9c, 0x40, 0, 80, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0x50, 2, 0xfa, 0, 1, 0x67, 0, 0,
        ];
        let with = |at: usize, byte: u8| {
            let mut bytes = four.to_vec();
            bytes[at] = byte;
            bytes
        };
        for (bytes, cut, want) in [
            (four.to_vec(), false, Proof::Sure),
            ([&four[..], &[0; 18]].concat(), false, Proof::Sure),
            ([&four[..], &[0; 60]].concat(), false, Proof::Fits),
            (four[..30].to_vec(), false, Proof::Wrong),
            (four[..30].to_vec(), true, Proof::Sure),
            (four[..19].to_vec(), true, Proof::Wrong),
            (with(0, 0x44), false, Proof::Wrong),
            (with(12, 11), false, Proof::Wrong),
            (with(8, 0), false, Proof::Wrong),
            (with(3, 19), false, Proof::Wrong),
            (
                [&with(10, 0)[..11], &[0], &four[12..]].concat(),
                false,
                Proof::Fits,
            ),
            (b"GET / HTTP/1.1".to_vec(), false, Proof::Wrong),
        ] {
            assert_eq!(of_ip(&bytes, cut), want, "{bytes:02x?} {cut}");
        }
        let mut six = vec![0x60, 0, 0, 0, 0, 9, 17, 64];
        six.extend([1; 32]);
        six.extend([4, 0, 5, 0, 0, 9, 0, 0, b'x']);
        assert_eq!(of_ip(&six, false), Proof::Fits);
        let pseudo = 16 * 0x0101 + 9 + 17;
        let udp = 0x0400 + 0x0500 + 9 + (u32::from(b'x') << 8);
        let folded = (pseudo + udp) % 0xffff;
        six[46..48].copy_from_slice(&(!folded as u16).to_be_bytes());
        assert_eq!(of_ip(&six, false), Proof::Sure);
        six[7] = 0;
        assert_eq!(of_ip(&six, false), Proof::Wrong);
    }
}

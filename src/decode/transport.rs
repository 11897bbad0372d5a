//! The transport headers: TCP, UDP, ICMP, IGMP. Any bytes give a header or [`Transport::Other`].

use etherparse::{TcpHeaderSlice, TcpOptionElement};

use crate::packet::{Ports, Tcp, TcpFlags, Transport, protocol};

/// Decodes the transport header at the start of `bytes`. Returns it and the bytes after it.
///
/// An inconsistent header gives [`Transport::Other`] with all bytes as payload, so that they are
/// still searched. For a header that the capture cut, [`headers`] decodes the captured part.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it matches on one byte, and its common arm should be inlined into the caller"
)]
pub(super) fn decode(number: u8, bytes: &[u8]) -> (Transport, &[u8]) {
    let known = match number {
        protocol::TCP => tcp(bytes),
        protocol::UDP => udp(bytes),
        protocol::ICMP | protocol::ICMPV6 => {
            control(bytes).map(|(kind, code, rest)| (Transport::Icmp(kind, code), rest))
        }
        protocol::IGMP => {
            control(bytes).map(|(kind, code, rest)| (Transport::Igmp(kind, code), rest))
        }
        _ => None,
    };
    known.unwrap_or((Transport::Other, bytes))
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "most packets are TCP")]
fn tcp(bytes: &[u8]) -> Option<(Transport, &[u8])> {
    let header = TcpHeaderSlice::from_slice(bytes).ok()?;
    let flags = TcpFlags(*bytes.get(13)?);
    // Only a SYN carries the option, so other segments skip the options.
    let window_scale = flags.has(TcpFlags::SYN).then(|| window_scale(&header));
    let tcp = Tcp {
        ports: Ports {
            src: header.source_port(),
            dst: header.destination_port(),
        },
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags,
        window: header.window_size(),
        window_scale: window_scale.flatten(),
        urgent: header.urgent_pointer(),
    };
    Some((Transport::Tcp(tcp), bytes.get(header.slice().len()..)?))
}

/// RFC 7323 section 2.2.
#[inline(never)]
fn window_scale(header: &TcpHeaderSlice<'_>) -> Option<u8> {
    header.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::WindowScale(shift)) => Some(shift),
        _ => None,
    })
}

/// UDP's own length ends the payload only if it lies inside the datagram (RFC 768; 0 is a
/// jumbogram, RFC 2675).
#[inline]
fn udp(bytes: &[u8]) -> Option<(Transport, &[u8])> {
    let [s0, s1, d0, d1, l0, l1, _, _, rest @ ..] = bytes else {
        return None;
    };
    let ports = Ports {
        src: u16::from_be_bytes([*s0, *s1]),
        dst: u16::from_be_bytes([*d0, *d1]),
    };
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let payload = len
        .checked_sub(8)
        .and_then(|len| rest.get(..len))
        .unwrap_or(rest);
    Some((Transport::Udp(ports), payload))
}

/// The same for a datagram of which `cut` bytes were not captured: the captured part of a header
/// does not become payload. Also returns how many payload bytes are missing, as far as the header
/// shows.
pub(super) fn headers(number: u8, bytes: &[u8], cut: usize) -> (Transport, &[u8], usize) {
    let (transport, payload) = decode(number, bytes);
    if cut == 0 || !matches!(transport, Transport::Other) {
        return (transport, payload, cut);
    }
    match (number, bytes) {
        (protocol::TCP, [s0, s1, d0, d1, rest @ ..]) => {
            let ports = [*s0, *s1, *d0, *d1];
            cut_tcp(ports, rest, bytes.len(), cut).unwrap_or((Transport::Other, bytes, cut))
        }
        (protocol::UDP, [s0, s1, d0, d1, ..]) => {
            let ports = ports([*s0, *s1, *d0, *d1]);
            let cut = cut.saturating_sub(8_usize.saturating_sub(bytes.len()));
            (Transport::Udp(ports), &[], cut)
        }
        (protocol::TCP | protocol::UDP | protocol::ICMP | protocol::ICMPV6 | protocol::IGMP, _) => {
            (Transport::Other, &[], cut)
        }
        _ => (transport, payload, cut),
    }
}

/// Decodes a TCP header of which only `there` bytes were captured, including the ports. `None` if
/// the header would not have fitted even without the cut.
fn cut_tcp(
    four: [u8; 4],
    rest: &[u8],
    there: usize,
    cut: usize,
) -> Option<(Transport, &'static [u8], usize)> {
    let word = |at: usize| {
        let word = rest.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    };
    let header = match rest.get(8) {
        Some(offset) => usize::from(offset >> 4) * 4,
        None => 20,
    };
    if header < 20 || header < there || header > there.saturating_add(cut) {
        return None;
    }
    let window = rest.get(10..12).map_or(u16::MAX, |pair| {
        pair.iter().fold(0, |all, byte| all << 8 | u16::from(*byte))
    });
    let tcp = Tcp {
        ports: ports(four),
        seq: word(0).unwrap_or_default(),
        ack: word(4).unwrap_or_default(),
        // Without its flags it does not affect its stream.
        flags: TcpFlags(rest.get(9).copied().unwrap_or_default()),
        window,
        window_scale: None,
        urgent: 0,
    };
    let missing = header - there;
    Some((Transport::Tcp(tcp), &[], cut.saturating_sub(missing)))
}

fn ports([s0, s1, d0, d1]: [u8; 4]) -> Ports {
    Ports {
        src: u16::from_be_bytes([s0, s1]),
        dst: u16::from_be_bytes([d0, d1]),
    }
}

fn control(bytes: &[u8]) -> Option<(u8, u8, &[u8])> {
    let [kind, code, _, _, rest @ ..] = bytes else {
        return None;
    };
    Some((*kind, *code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tcp_header_with_options_gives_its_facts() {
        let syn = [
            0x1f, 0x90, 0xd4, 0x31, 0, 0, 0, 1, 0, 0, 0, 2, 0x70, 0x02, 0xff, 0xff, 0, 0, 0,
            0, //
            1, 3, 3, 7, 0, 0, 0, 0, b'h', b'i',
        ];
        let (Transport::Tcp(tcp), payload) = decode(protocol::TCP, &syn) else {
            panic!("not TCP")
        };
        assert_eq!(
            (tcp.ports.src, tcp.ports.dst, tcp.seq, tcp.ack),
            (8080, 54321, 1, 2)
        );
        assert_eq!((tcp.flags, tcp.window_scale), (TcpFlags::SYN, Some(7)));
        assert_eq!(payload, b"hi");
    }

    #[test]
    fn headers_that_are_cut_or_lie_leave_all_bytes_as_payload() {
        let table: [(u8, &[u8]); 5] = [
            (protocol::TCP, &[0; 19]),
            (protocol::TCP, &[0; 20]), // data offset 0
            (
                protocol::TCP,
                &[
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0, 0, 0, 0, 0, 0,
                ],
            ), // data offset past the end
            (protocol::UDP, &[0; 7]),
            (protocol::ICMP, &[8, 0, 0]),
        ];
        for (number, bytes) in table {
            let (transport, payload) = decode(number, bytes);
            assert!(matches!(transport, Transport::Other), "{number} {bytes:?}");
            assert_eq!(payload, bytes);
        }
    }

    #[test]
    fn the_udp_length_ends_the_payload_when_it_can() {
        let with_len = |len: u8| [0, 1, 0, 2, 0, len, 0, 0, b'a', b'b', b'c'];
        for (len, want) in [
            (10, &b"ab"[..]),
            (11, b"abc"),
            (8, b""),
            (0, b"abc"),
            (7, b"abc"),
            (200, b"abc"),
        ] {
            let bytes = with_len(len);
            assert_eq!(decode(protocol::UDP, &bytes).1, want, "length {len}");
        }
    }
}

//! *decode*: frames become packets. Pure; any bytes give a packet or a named reason why not, and nothing panics.
//!
//! The layers are taken off from the outside: [`link`] (wireless ones: [`ieee80211`]), then [`ip`], then
//! [`transport`]; and again, when a [`tunnel`] has a packet inside. The most [`common`] frame is taken apart in one step.

mod common;
mod ieee80211;
mod ip;
mod link;
mod transport;
mod tunnel;

pub use link::untagged;

use crate::frame::{Frame, Timestamp};
use crate::limits::TUNNELS;
use crate::packet::{Ip, Packet, Undecoded};

/// The packet in a frame.
///
/// # Errors
/// Why there is none.
#[inline]
pub fn frame<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Undecoded> {
    match common::decode(frame) {
        Some(packet) => Ok(packet),
        None => packet(frame, ip::Extensions::Skip),
    }
}

/// The packet in a frame as ngrep sees it: behind the IPv6 header stands the payload, unless that is a fragment header.
///
/// # Errors
/// Why there is none.
pub fn outermost<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Undecoded> {
    packet(frame, ip::Extensions::Show)
}

/// The packet that was put together from fragments: the IP facts of the first, and all bytes behind its IP headers.
#[must_use]
pub fn datagram<'a>(first: &Packet<'_>, whole: &'a [u8]) -> Packet<'a> {
    let ip = Ip {
        fragment: None,
        ..first.ip
    };
    let (transport, payload) = transport::decode(ip.protocol, whole);
    let packet = Packet {
        frame: first.frame,
        ts: first.ts,
        path: first.path,
        ip,
        transport,
        ip_payload: whole,
        payload,
        tunnels: first.tunnels,
        cut: 0,
    };
    let mut inner = packet;
    unwrap(&mut inner);
    match inner.ip.fragment {
        None => inner,
        // Pieces inside of a whole: what they are pieces of is not waited for twice.
        Some(_) => packet,
    }
}

#[inline(never)]
fn packet<'a>(frame: &Frame<'a>, extensions: ip::Extensions) -> Result<Packet<'a>, Undecoded> {
    let link = link::decode(frame)?;
    let missing = (frame.wire_len as usize).saturating_sub(frame.bytes.len());
    // One value from here to the caller, so that it is written once.
    let mut result = layer((frame.number, frame.ts), &link, missing, extensions);
    if let Ok(packet) = &mut result
        && extensions == ip::Extensions::Skip
        && tunnel::is_likely(packet.ip.protocol, packet.transport)
    {
        unwrap(packet);
    }
    result
}

/// One IP packet.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a packet is large: made in place, not handed on"
)]
fn layer<'a>(
    (number, ts): (u64, Timestamp),
    link: &link::Link<'a>,
    missing: usize,
    extensions: ip::Extensions,
) -> Result<Packet<'a>, Undecoded> {
    ip::decode(link.ip, missing, extensions, |decoded| {
        let ip::Decoded {
            ip,
            payload: ip_payload,
            cut,
        } = decoded;
        let later = ip.fragment.is_some_and(|fragment| fragment.offset != 0);
        let (transport, payload) = if later {
            (crate::packet::Transport::Other, ip_payload)
        } else {
            transport::decode(ip.protocol, ip_payload)
        };
        Packet {
            frame: number,
            ts,
            path: link.path,
            tunnels: 0,
            ip,
            transport,
            ip_payload,
            payload,
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        }
    })
}

/// Take tunnels off, but for those that are deeper than [`TUNNELS`]. A piece of a packet has no inside.
fn unwrap(packet: &mut Packet<'_>) {
    while packet.ip.fragment.is_none()
        && let Some(link) = tunnel::inside(packet)
        && let Ok(inner) = layer(
            (packet.frame, packet.ts),
            &link,
            packet.cut as usize,
            ip::Extensions::Skip,
        )
    {
        let tunnels = packet.tunnels + 1;
        if tunnels > TUNNELS {
            packet.tunnels = tunnels;
            break;
        }
        *packet = Packet {
            // Which tunnel is inside of which matters.
            path: packet.path.rotate_left(11) ^ inner.path ^ u32::from(packet.ip.protocol),
            tunnels,
            ..inner
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::LinkType;
    use crate::packet::{Fragment, Transport};

    fn raw(bytes: &[u8], wire_len: usize) -> Frame<'_> {
        let link = LinkType::RAW;
        Frame {
            number: 1,
            ts: Timestamp::default(),
            interface: 0,
            link,
            wire_len: wire_len as u32,
            bytes,
        }
    }

    /// A UDP datagram over IPv4 with `total` in its length field.
    fn v4(total: u16, flags_offset: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend([0x12, 0x34]);
        bytes.extend(flags_offset.to_be_bytes());
        bytes.extend([64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
        bytes.extend([0x10, 0, 0x20, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn the_payload_ends_where_the_ip_length_says() {
        // (total length, captured behind the headers, wire adds, payload, cut)
        let table: [(u16, &[u8], usize, &[u8], u32); 5] = [
            (30, b"hi", 0, b"hi", 0),
            (30, b"hi\0\0\0\0", 0, b"hi", 0),
            (100, b"hi", 70, b"hi", 70),
            (0, b"hi", 0, b"hi", 0),
            (0, b"hi", 5, b"hi", 5),
        ];
        for (total, behind, more, want, cut) in table {
            let bytes = v4(total, 0, behind);
            let packet = frame(&raw(&bytes, bytes.len() + more)).unwrap();
            assert_eq!(
                (packet.payload, packet.cut),
                (want, cut),
                "total length {total}"
            );
        }
    }

    #[test]
    fn fragments_are_told_by_offset_and_flag() {
        let first = v4(36, 0x2000, b"12345678");
        let packet = frame(&raw(&first, first.len())).unwrap();
        assert_eq!(
            packet.ip.fragment,
            Some(Fragment {
                id: 0x1234,
                offset: 0,
                more: true
            })
        );
        assert!(matches!(packet.transport, Transport::Udp(_)));
        assert_eq!(
            (packet.payload, packet.ip_payload.len()),
            (&b"12345678"[..], 16)
        );
        let later = v4(36, 0x0002, b"12345678");
        let packet = frame(&raw(&later, later.len())).unwrap();
        assert_eq!(
            packet.ip.fragment,
            Some(Fragment {
                id: 0x1234,
                offset: 16,
                more: false
            })
        );
        assert!(matches!(packet.transport, Transport::Other));
        assert_eq!(packet.payload.len(), 16);
    }

    #[test]
    fn extension_headers_are_walked_or_shown() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 18, 0, 64];
        bytes.extend([0; 32]);
        bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop
        bytes.extend([0, 1, 0, 2, 0, 10, 0, 0, b'h', b'i']);
        let walked = frame(&raw(&bytes, bytes.len())).unwrap();
        assert_eq!((walked.ip.protocol, walked.payload), (17, &b"hi"[..]));
        let shown = outermost(&raw(&bytes, bytes.len())).unwrap();
        assert_eq!((shown.ip.protocol, shown.payload.len()), (0, 18));
    }

    #[test]
    fn impossible_headers_are_named() {
        let mut short_header = v4(30, 0, b"hi");
        short_header[0] = 0x44;
        assert_eq!(
            frame(&raw(&short_header, 30)).err(),
            Some(Undecoded::Malformed)
        );
        assert_eq!(
            frame(&raw(&[0x50; 40], 40)).err(),
            Some(Undecoded::Malformed)
        );
        assert_eq!(
            frame(&raw(&v4(30, 0, b"hi")[..19], 30)).err(),
            Some(Undecoded::Cut)
        );
        assert_eq!(frame(&raw(&[0x60; 39], 39)).err(), Some(Undecoded::Cut));
        assert_eq!(frame(&raw(&[], 0)).err(), Some(Undecoded::Cut));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_packet_inside_the_frame_or_a_reason(
            link in prop::sample::select(vec![0, 1, 6, 9, 10, 12, 50, 51, 101, 104, 108, 113, 117, 228, 229, 276, 9999]),
            start in prop::sample::select(vec![&[][..], &[0x45, 0, 0, 40], &[0x60, 0, 0, 0, 0, 8, 44]]),
            rest in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let bytes = [start, &rest].concat();
            let frame = Frame { link: LinkType(link), ..raw(&bytes, bytes.len()) };
            for packet in [super::frame(&frame), outermost(&frame)].into_iter().flatten() {
                prop_assert!(packet.ip_payload.len() <= bytes.len());
                prop_assert!(packet.payload.len() <= packet.ip_payload.len());
            }
        }
    }
}

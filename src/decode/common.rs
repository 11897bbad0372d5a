//! Fast path for the most common frame: Ethernet with one complete IPv4 packet without options,
//! containing TCP or UDP and no tunnel. The result equals that of the general decoder
//! (`it_makes_what_the_layers_make`).
//!
//! All fields have fixed offsets, so a few comparisons identify the frame, and the general
//! decoder's checks are unnecessary.

use std::net::{IpAddr, Ipv4Addr};

use crate::frame::{Frame, LinkType};
use crate::packet::{Ip, Packet, protocol};

use super::{transport, tunnel};

/// Decodes a frame of this kind; `None` for any other frame.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    let (headers, after_headers) = frame.bytes.split_first_chunk::<34>()?;
    let [
        ..,
        0x08,
        0,
        0x45,
        _,
        t0,
        t1,
        _,
        _,
        f0,
        f1,
        ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = *headers
    else {
        return None;
    };
    let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    if frame.link != LinkType::ETHERNET
        || is_fragment
        || !matches!(protocol, protocol::TCP | protocol::UDP)
    {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([t0, t1]));
    let ip_payload = after_headers.get(..total.checked_sub(20)?)?;
    let (transport, payload) = transport::decode(protocol, ip_payload);
    if tunnel::is_likely(protocol, transport, payload) {
        return None;
    }
    let ip = Ip {
        src: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        dst: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        protocol,
        ttl,
        fragment: None,
    };
    Some(Packet {
        frame: frame.number,
        ts: frame.ts,
        path: 0,
        tunnels: 0,
        tunnel: None,
        doubtful: false,
        ip,
        ip_header: headers.get(14..).unwrap_or_default(),
        transport,
        ip_payload,
        payload,
        cut: 0,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode;
    use crate::decode::{ip::Extensions, packet};
    use crate::frame::Timestamp;

    proptest! {
        /// Frames of this kind, and similar ones.
        #[test]
        fn it_makes_what_the_layers_make(
            link in prop::sample::select(vec![1, 1, 1, 101]),
            kind in prop::sample::select(vec![[8, 0], [8, 0], [8, 0], [0x81, 0], [0x86, 0xdd]]),
            first in prop::sample::select(vec![0x45, 0x45, 0x45, 0x46, 0x44, 0x65]),
            wrong in -3..6_i32,
            fragment in prop::sample::select(vec![[0, 0], [0x40, 0], [0x80, 0], [0x20, 0], [0, 1]]),
            protocol in prop::sample::select(vec![6, 6, 17, 17, 1, 4]),
            ports in prop::sample::select(vec![[0, 80, 0x13, 0x88], [0x12, 0xb5, 0x12, 0xb5]]),
            offset in prop::sample::select(vec![0x50, 0x50, 0x80, 0x40, 0xf0]),
            flags in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut segment = ports.to_vec();
            segment.extend([0, 0, 0, 1, 0, 0, 0, 2, offset, flags]);
            segment.extend(&rest);
            let total = (20 + segment.len() as i32 + wrong) as u16;
            let mut bytes = vec![0; 12];
            bytes.extend(kind);
            bytes.extend([first, 0]);
            bytes.extend(total.to_be_bytes());
            bytes.extend([0, 7]);
            bytes.extend(fragment);
            bytes.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            bytes.extend(&segment);
            let frame = Frame {
                number: 3,
                ts: Timestamp::from_nanos(4),
                interface: 0,
                link: LinkType(link),
                wire_len: bytes.len() as u32,
                bytes: &bytes,
            };
            let (made, layers) = (decode::frame(&frame), packet(&frame, Extensions::Skip));
            prop_assert_eq!(format!("{made:?}"), format!("{layers:?}"));
            if super::decode(&frame).is_none() {
                let plain = (link, kind, first, offset) == (1, [8, 0], 0x45, 0x50) && rest.len() > 6;
                let whole = plain && wrong <= 0 && fragment[0] & 0x20 == 0 && fragment[1] == 0;
                let known = ports[0] == 0x12 && protocol == 17;
                prop_assert!(!whole || known || !matches!(protocol, 6 | 17), "it is of this kind");
            }
        }
    }
}

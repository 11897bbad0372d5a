//! Tunnels: an IP packet, or a frame with one, inside of an IP packet.
//!
//! What only looks like a tunnel (a datagram on a tunnel's port) stays what it is: each kind is read only as far as its
//! header makes sense, and [`super`] takes the inner packet only if its IP header does.

use crate::packet::{Packet, Ports, Transport};

use super::ieee80211;
use super::link::{self, Link, plain};

/// Whether a packet is worth a closer look: most are not, and all are asked.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "asked for in a call, what the transport header says would have to be written down for it"
)]
pub(super) fn is_likely(protocol: u8, transport: Transport) -> bool {
    match transport {
        Transport::Udp(ports) => is_known(ports.dst) || is_known(ports.src),
        Transport::Other => matches!(protocol, 4 | 41 | 47 | 137),
        _ => false,
    }
}

/// Ports that IANA gave to tunnels.
const fn is_known(port: u16) -> bool {
    matches!(port, 2152 | 3544 | 4754 | 4789 | 5072 | 6081 | 6635 | 8472)
}

/// What is inside of a packet, when that is a tunnel's.
pub(super) fn inside<'a>(packet: &Packet<'a>) -> Option<Link<'a>> {
    match packet.transport {
        Transport::Udp(ports) => udp(ports, packet.payload),
        Transport::Other => match packet.ip.protocol {
            // IP in IP (RFC 2003), 6in4 (RFC 4213).
            4 | 41 => Some(plain(packet.ip_payload)),
            47 => gre(packet.ip_payload),
            137 => link::mpls(packet.ip_payload).ok(),
            _ => None,
        },
        _ => None,
    }
}

/// By the port that IANA gave the tunnel; answers come from it.
fn udp(ports: Ports, bytes: &[u8]) -> Option<Link<'_>> {
    let known = |ports: Ports| match ports.dst {
        4789 | 8472 => vxlan(bytes),
        6081 => geneve(bytes),
        2152 => gtp(bytes),
        3544 => teredo(bytes),
        5072 => ayiya(bytes),
        4754 => gre(bytes),
        6635 => link::mpls(bytes).ok(),
        _ => None,
    };
    let turned = Ports {
        src: ports.dst,
        dst: ports.src,
    };
    known(ports).or_else(|| known(turned))
}

/// RFC 7348: a flag that the network's number is there, that number, a frame.
fn vxlan(bytes: &[u8]) -> Option<Link<'_>> {
    let [flags, _, _, _, v0, v1, v2, _, frame @ ..] = bytes else {
        return None;
    };
    let inner = (flags & 0x08 != 0).then(|| link::ethernet(frame).ok())??;
    Some(within(inner, u32::from_be_bytes([0, *v0, *v1, *v2])))
}

/// RFC 8926: options, then a frame or a packet by its `EtherType`.
fn geneve(bytes: &[u8]) -> Option<Link<'_>> {
    let [first, _, p0, p1, v0, v1, v2, _, rest @ ..] = bytes else {
        return None;
    };
    let inner = rest.get(usize::from(first & 0x3f) * 4..)?;
    let inner = (first >> 6 == 0)
        .then(|| carried(u16::from_be_bytes([*p0, *p1]), inner))
        .flatten()?;
    Some(within(inner, u32::from_be_bytes([0, *v0, *v1, *v2])))
}

/// 3GPP TS 29.281 section 5: user data, with or without extension headers. The tunnel's number is of one direction only.
fn gtp(bytes: &[u8]) -> Option<Link<'_>> {
    let [flags, 0xff, _, _, _, _, _, _, rest @ ..] = bytes else {
        return None;
    };
    if flags >> 4 != 3 {
        return None;
    }
    if flags.trailing_zeros() >= 3 {
        return Some(plain(rest));
    }
    let mut next = *rest.get(3)?;
    let mut rest = rest.get(4..)?;
    while flags & 0x04 != 0 && next != 0 {
        let len = usize::from(*rest.first()?) * 4;
        next = *rest.get(len.checked_sub(1)?)?;
        rest = rest.get(len..)?;
    }
    Some(plain(rest))
}

/// RFC 4380 section 5.1.1: perhaps an authentication and an origin in front of an IPv6 packet.
fn teredo(mut bytes: &[u8]) -> Option<Link<'_>> {
    if let [0, 1, id, auth, rest @ ..] = bytes {
        bytes = rest.get(usize::from(*id) + usize::from(*auth) + 9..)?;
    }
    if let [0, 0, ..] = bytes {
        bytes = bytes.get(8..)?;
    }
    (bytes.first()? >> 4 == 6).then(|| plain(bytes))
}

/// draft-massar-v6ops-ayiya: an identity and a signature in front of an IPv6 or IPv4 packet.
fn ayiya(bytes: &[u8]) -> Option<Link<'_>> {
    let [identity, signature, operation, next, ..] = bytes else {
        return None;
    };
    let header = 8 + (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
    let forwards = operation & 0x0f == 1 && matches!(next, 4 | 41);
    forwards.then(|| bytes.get(header..).map(plain)).flatten()
}

/// RFC 2784, RFC 2890; version 1 is that of PPTP (RFC 2637).
fn gre(bytes: &[u8]) -> Option<Link<'_>> {
    let [f0, f1, p0, p1, ..] = bytes else {
        return None;
    };
    let flags = u16::from_be_bytes([*f0, *f1]);
    let kind = u16::from_be_bytes([*p0, *p1]);
    let optional = |bit: u16| if flags & bit != 0 { 4 } else { 0 };
    // The source routes of RFC 1701 are not in use.
    let header = match (flags & 0x07, flags & 0x4000) {
        (0, 0) => 4 + optional(0x8000) + optional(0x2000) + optional(0x1000),
        (1, 0) => 8 + optional(0x1000) + optional(0x0080),
        _ => return None,
    };
    let inner = bytes.get(header..)?;
    match kind {
        // draft-foschiano-erspan: type I has no header, type II one of 8 bytes, and then GRE numbers its packets.
        0x88be => link::ethernet(inner.get(if optional(0x1000) > 0 { 8 } else { 0 }..)?).ok(),
        0x22eb => {
            let more = if inner.get(11)? & 1 == 1 { 8 } else { 0 };
            link::ethernet(inner.get(12 + more..)?).ok()
        }
        0x880b => link::ppp(inner).ok(),
        // Aruba's access points: the frame as it was on the air.
        0x8200..=0x83ff | 0x9000 => ieee80211::decode(inner).ok(),
        kind => carried(kind, inner),
    }
}

/// What an `EtherType` announces: a packet, or a whole frame (transparent Ethernet bridging).
fn carried(kind: u16, bytes: &[u8]) -> Option<Link<'_>> {
    match kind {
        0x6558 => link::ethernet(bytes).ok(),
        kind => link::ether_type(kind, bytes).ok(),
    }
}

/// Networks of different numbers may use the same addresses.
fn within(inner: Link<'_>, network: u32) -> Link<'_> {
    let path = inner.path.rotate_left(7) ^ (network + 1).wrapping_mul(0x85eb_ca6b);
    Link { path, ..inner }
}

#[cfg(test)]
mod tests {
    use crate::decode::frame;
    use crate::frame::{Frame, LinkType, Timestamp};
    use crate::limits::TUNNELS;
    use crate::packet::{Packet, Undecoded};

    fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0];
        bytes.extend((20 + payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(payload);
        bytes
    }

    fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend([protocol, 64]);
        bytes.extend([1; 32]);
        bytes.extend(payload);
        bytes
    }

    fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [src, dst, 8 + payload.len() as u16, 0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(payload);
        bytes
    }

    /// What everything is wrapped around.
    fn core() -> Vec<u8> {
        v4(17, &udp(1000, 2000, b"needle"))
    }

    fn ethernet(kind: u16, inner: &[u8]) -> Vec<u8> {
        [&[2; 12][..], &kind.to_be_bytes(), inner].concat()
    }

    fn wireless(quality: bool, bridges: bool) -> Vec<u8> {
        let mut bytes = vec![
            if quality { 0x88 } else { 0x08 },
            if bridges { 3 } else { 1 },
        ];
        bytes.resize(
            if bridges { 30 } else { 24 } + if quality { 2 } else { 0 },
            0,
        );
        bytes.extend([0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
        bytes.extend(core());
        bytes
    }

    fn decoded(link: LinkType, bytes: &[u8]) -> Result<Packet<'_>, Undecoded> {
        frame(&Frame {
            number: 1,
            ts: Timestamp::default(),
            interface: 0,
            link,
            wire_len: bytes.len() as u32,
            bytes,
        })
    }

    fn gre(flags: u16, kind: u16, optional: usize, inner: &[u8]) -> Vec<u8> {
        let mut bytes = flags.to_be_bytes().to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend(vec![0; optional]);
        bytes.extend(inner);
        v4(47, &bytes)
    }

    /// A datagram on a tunnel's port.
    fn over(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
        v4(17, &udp(50_000, port, &[header, inner].concat()))
    }

    #[test]
    fn each_tunnel_leads_to_the_packet_inside() {
        let core = core();
        let frame = ethernet(0x0800, &core);
        let tagged = ethernet(0x8100, &[&[0, 7, 8, 0], &core[..]].concat());
        let six = v6(17, &udp(1000, 2000, b"needle"));
        let label = [&[0, 0, 0x11, 64][..], &core].concat();
        let table: Vec<(&str, Vec<u8>)> = vec![
            ("ipip", v4(4, &core)),
            ("6in4", v4(41, &six)),
            ("4in6", v6(4, &core)),
            ("gre", gre(0, 0x0800, 0, &core)),
            ("gre with all options", gre(0xb000, 0x86dd, 12, &six)),
            ("gre with a frame", gre(0x2000, 0x6558, 4, &frame)),
            (
                "gre of pptp",
                gre(
                    0x3081,
                    0x880b,
                    12,
                    &[&[0xff, 3, 0, 0x21][..], &core].concat(),
                ),
            ),
            ("gre with labels", gre(0, 0x8847, 0, &label)),
            ("erspan I", gre(0, 0x88be, 0, &frame)),
            ("erspan II", gre(0x1000, 0x88be, 12, &tagged)),
            ("erspan III", gre(0x1000, 0x22eb, 16, &frame)),
            ("aruba", gre(0, 0x9000, 0, &wireless(false, false))),
            ("mpls in ip", v4(137, &label)),
            ("vxlan", over(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame)),
            (
                "vxlan of linux",
                over(8472, &[8, 0, 0, 0, 0, 0, 5, 0], &tagged),
            ),
            (
                "geneve",
                over(6081, &[1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 4], &frame),
            ),
            (
                "geneve with ip",
                over(6081, &[0, 0, 8, 0, 0, 0, 5, 0], &core),
            ),
            ("gtp", over(2152, &[0x30, 0xff, 0, 9, 0, 0, 0, 1], &core)),
            (
                "gtp with extensions",
                over(
                    2152,
                    &[0x34, 0xff, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0],
                    &core,
                ),
            ),
            ("teredo", over(3544, &[], &six)),
            (
                "teredo with origin",
                over(3544, &[0, 0, 1, 2, 3, 4, 5, 6], &six),
            ),
            (
                "teredo with all",
                over(
                    3544,
                    &[
                        0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6,
                    ],
                    &six,
                ),
            ),
            (
                "ayiya",
                over(
                    5072,
                    &[&[0x41, 0x52, 0x11, 41, 0, 0, 0, 0][..], &[0; 36]].concat(),
                    &six,
                ),
            ),
            ("gre in udp", over(4754, &[0, 0, 8, 0], &core)),
            ("mpls in udp", over(6635, &[0, 0, 0x11, 64], &core)),
        ];
        for (name, bytes) in table {
            let packet = decoded(LinkType::RAW, &bytes).unwrap();
            assert_eq!(packet.payload, b"needle", "{name}");
            assert_eq!(packet.tunnels, 1, "{name}");
        }
    }

    #[test]
    fn frames_of_other_links_lead_to_the_packet_inside() {
        let core = core();
        let radiotap = [&[0, 0, 10, 0, 0, 0, 0, 0, 0, 0][..], &wireless(true, false)].concat();
        let prism = [vec![0x44, 0, 0, 0], vec![0; 140], wireless(false, true)].concat();
        let avs = [
            vec![0x80, 0x21, 0x10, 1, 0, 0, 0, 64],
            vec![0; 56],
            wireless(true, true),
        ]
        .concat();
        let len = (core.len() as u16 + 4).to_le_bytes();
        let log = [
            &[2, 0, 0, 1, 5, 0, 10, 0, 0, 0, 0, 0, len[0], len[1], 9, 0][..],
            &core,
        ]
        .concat();
        for (link, bytes) in [
            (LinkType::IEEE802_11, wireless(false, false)),
            (LinkType::IEEE802_11, wireless(true, true)),
            (LinkType::IEEE802_11_RADIOTAP, radiotap),
            (LinkType(119), prism),
            (LinkType(163), avs),
            (LinkType::NFLOG, log),
        ] {
            let packet = decoded(link, &bytes).unwrap_or_else(|why| panic!("{link}: {why:?}"));
            assert_eq!(packet.payload, b"needle", "{link}");
        }
        let mut secret = wireless(false, false);
        secret[1] |= 0x40;
        assert_eq!(
            decoded(LinkType::IEEE802_11, &secret).err(),
            Some(Undecoded::NotIp(None))
        );
    }

    #[test]
    fn what_is_no_tunnel_stays_as_it_is() {
        for port in [4789, 6081, 2152, 3544, 5072, 4754, 6635] {
            let bytes = over(port, b"GET / HTTP/1.1", b"");
            let packet = decoded(LinkType::RAW, &bytes).unwrap();
            assert_eq!(
                (packet.payload, packet.tunnels),
                (&b"GET / HTTP/1.1"[..], 0),
                "{port}"
            );
        }
    }

    #[test]
    fn tunnel_depth_bomb() {
        let mut bytes = core();
        for _ in 0..30 {
            bytes = v4(4, &bytes);
        }
        let packet = decoded(LinkType::RAW, &bytes).unwrap();
        assert_eq!((packet.tunnels, packet.ip.protocol), (TUNNELS + 1, 4));
        assert!(
            packet.payload.ends_with(b"needle"),
            "it is searched as it is"
        );
    }

    #[test]
    fn networks_with_the_same_addresses_are_told_apart() {
        let frame = ethernet(0x0800, &core());
        let one = over(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame);
        let other = over(4789, &[8, 0, 0, 0, 0, 0, 6, 0], &frame);
        let path = |bytes: &[u8]| decoded(LinkType::RAW, bytes).unwrap().path;
        assert_ne!(path(&one), path(&other));
        assert_ne!(path(&one), path(&core()));
    }
}

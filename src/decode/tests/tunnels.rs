//! Tunnels, each around the same packet.

use super::*;
use crate::limits::TUNNELS;

fn gre(flags: u16, kind: u16, optional: usize, inner: &[u8]) -> Vec<u8> {
    let mut bytes = flags.to_be_bytes().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(vec![0; optional]);
    bytes.extend(inner);
    packet4(47, &bytes)
}

/// A datagram on a tunnel's port.
fn over(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    packet4(17, &udp(50_000, port, &[header, inner].concat()))
}

/// A service chain header (RFC 8300) before IPv4.
const CHAIN: [u8; 8] = [0, 0x02, 2, 1, 0, 0, 1, 0xff];
/// An authentication header before IPv4.
const AH: [u8; 24] = [
    4, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
];

/// A payload in an RFC 4303 frame, with null encryption and a checksum of the given length.
fn encapsulated(next: u8, payload: &[u8], sum: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 0, 0, 0, 1];
    bytes.extend(payload);
    let padding = (payload.len() + 2).next_multiple_of(4) - payload.len() - 2;
    bytes.extend((1..=padding).map(|number| number as u8));
    bytes.extend([padding as u8, next]);
    bytes.extend(vec![0xd5; sum]);
    bytes
}

#[test]
fn each_tunnel_leads_to_the_packet_inside() {
    let core = core();
    let frame = ethernet(0x0800, &core);
    let tagged = ethernet(0x8100, &[&[0, 7, 8, 0], &core[..]].concat());
    let six = packet6(17, &udp(1000, 2000, b"needle"));
    let label = [&[0, 0, 0x11, 64][..], &core].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("ipip", packet4(4, &core)),
        ("6in4", packet4(41, &six)),
        ("4in6", packet6(4, &core)),
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
        ("mpls in ip", packet4(137, &label)),
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
        ("ipip of old", packet4(94, &core)),
        ("etherip", packet4(97, &[&[0x30, 0][..], &frame].concat())),
        (
            "gre with service chain",
            gre(0, 0x894f, 0, &[&CHAIN[..], &core].concat()),
        ),
        (
            "gre of cisco's metadata",
            gre(
                0,
                0x8909,
                0,
                &[&[8, 0, 1, 1, 0, 1, 0, 9][..], &core].concat(),
            ),
        ),
        ("wccp", gre(0, 0x883e, 0, &core)),
        (
            "wccp 2",
            gre(0, 0x883e, 0, &[&[0, 0, 0, 0][..], &core].concat()),
        ),
        (
            "l2tp 2",
            over(1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], &core),
        ),
        (
            "l2tp 2 with all",
            over(
                1701,
                &[0x4a, 2, 0, 50, 0, 1, 0, 1, 0, 0, 0, 0, 0, 2, 9, 9, 0, 0x21],
                &core,
            ),
        ),
        (
            "l2tp 3 in udp",
            over(1701, &[0, 3, 0, 0, 0, 0, 0, 7], &frame),
        ),
        (
            "l2tp 3",
            packet4(115, &[&[0, 0, 0, 7][..], &frame].concat()),
        ),
        (
            "l2tp 3 with a cookie and a sublayer",
            packet4(
                115,
                &[
                    &[0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0][..],
                    &tagged,
                ]
                .concat(),
            ),
        ),
        ("vxlan gpe", over(4790, &[0x0c, 0, 0, 1, 0, 0, 5, 0], &core)),
        (
            "vxlan gpe with a frame",
            over(4790, &[0x08, 0, 0, 0, 0, 0, 5, 0], &frame),
        ),
        (
            "vxlan gpe with service chain",
            over(
                4790,
                &[&[0x0c, 0, 0, 4, 0, 0, 5, 0][..], &CHAIN].concat(),
                &core,
            ),
        ),
        ("lisp", over(4341, &[0x80, 0, 0, 1, 0, 0, 0, 1], &core)),
        ("capwap", over(5247, &[0, 0x10, 0, 0, 0, 0, 0, 0], &frame)),
        (
            "capwap from the air",
            over(
                5247,
                &[0, 0x10, 0x03, 0, 0, 0, 0, 0],
                &wireless(true, false),
            ),
        ),
        ("capwap from the air, turned", {
            let mut air = wireless(false, false);
            air.swap(0, 1);
            over(5247, &[0, 0x10, 0x03, 0, 0, 0, 0, 0], &air)
        }),
        ("tzsp", over(37008, &[1, 0, 0, 1, 10, 1, 9, 0, 1], &frame)),
        (
            "esp with no encryption",
            packet4(50, &encapsulated(4, &core, 12)),
        ),
        (
            "esp with no encryption, 16",
            packet4(50, &encapsulated(4, &core, 16)),
        ),
        ("esp in udp", over(4500, &[], &encapsulated(4, &core, 12))),
        (
            "ah around a packet",
            packet4(51, &[&AH[..], &core].concat()),
        ),
    ];
    for (name, bytes) in table {
        let packet = decoded(LinkType::RAW, &bytes).unwrap();
        assert_eq!(packet.payload, b"needle", "{name}");
        // An authentication header belongs to the IP headers.
        assert_eq!(packet.tunnels, 1, "{name}");
        let four = packet.ip.src.is_ipv4();
        assert_eq!(
            packet.doubtful,
            !four && name.starts_with("teredo") || name == "ayiya" || name == "geneve",
            "{name}"
        );
    }
}

#[test]
fn each_port_is_known_by_its_place() {
    for port in 0..=u16::MAX {
        let asked = tunnel::is_likely(17, Transport::Udp(Ports { src: 9, dst: port }), b"");
        assert_eq!(asked, tunnel::PORTS.contains(&port), "{port}");
    }
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
        bytes = packet4(4, &bytes);
    }
    let packet = decoded(LinkType::RAW, &bytes).unwrap();
    assert_eq!((packet.tunnels, packet.ip.protocol), (TUNNELS + 1, 4));
    assert!(
        packet.payload.ends_with(b"needle"),
        "it is searched as it is"
    );
}

#[test]
fn networks_with_the_same_addresses_are_distinguished() {
    let frame = ethernet(0x0800, &core());
    let one = over(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame);
    let other = over(4789, &[8, 0, 0, 0, 0, 0, 6, 0], &frame);
    let path = |bytes: &[u8]| decoded(LinkType::RAW, bytes).unwrap().path;
    assert_ne!(path(&one), path(&other));
    assert_ne!(path(&one), path(&core()));
}

/// IP headers that precede another one's header.
#[test]
fn what_stands_in_front_of_a_transport_header_is_taken_off() {
    let inner = udp(1000, 2000, b"needle");
    let mut ah = AH.to_vec();
    ah[0] = 17;
    let segment = [
        &[
            0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 1, 2, 0, 0, 0, 0,
        ][..],
        b"needle",
    ]
    .concat();
    for (name, bytes) in [
        ("ah", packet4(51, &[&ah[..], &inner].concat())),
        ("ah in IPv6", packet6(51, &[&ah[..], &inner].concat())),
        ("esp", packet4(50, &encapsulated(17, &inner, 12))),
        (
            "esp with segments",
            packet4(50, &encapsulated(6, &segment, 16)),
        ),
        ("esp in IPv6", packet6(50, &encapsulated(6, &segment, 12))),
        (
            "esp with a number in front",
            packet4(
                50,
                &[&[0; 8][..], &[7; 8], &encapsulated(6, &segment, 16)[8..]].concat(),
            ),
        ),
    ] {
        let packet = decoded(LinkType::RAW, &bytes).unwrap();
        assert_eq!(packet.payload, b"needle", "{name}");
        assert!(
            matches!(packet.ip.protocol, 6 | 17) && packet.path == 0,
            "{name}"
        );
    }
    // Encrypted bytes may look like anything.
    let mut secret = encapsulated(17, &inner, 12);
    for byte in &mut secret[8..] {
        *byte ^= 0x5a;
    }
    let bytes = packet4(50, &secret);
    let packet = decoded(LinkType::RAW, &bytes).unwrap();
    assert_eq!((packet.ip.protocol, packet.payload), (50, &secret[..]));
}

#[test]
fn a_datagram_is_taken_apart_by_what_is_inside_of_it() {
    let frame = ethernet(0x0800, &core());
    let vxlan = [8, 0, 0, 0, 0, 0, 5, 0];
    let geneve = [1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 4];
    let between = |src, dst, header: &[u8], inner: &[u8]| {
        packet4(17, &udp(src, dst, &[header, inner].concat()))
    };
    let damaged = |at: usize, byte: u8| {
        let mut frame = frame.clone();
        frame[14 + at] = byte;
        frame
    };
    let unsummed = {
        let mut frame = frame.clone();
        frame[24..26].fill(0);
        frame
    };
    let plain = [0, 0, 0x65, 0x58, 0, 0, 5, 0];
    let mut six = vec![0x60, 0, 0, 0, 0, 9, 17, 64];
    six.extend([1; 32]);
    six.extend([4, 0, 5, 0, 0, 9, 0, 0, b'x']);
    let trailing = [&frame[..], &[b'x'; 80]].concat();
    // (from, to, header, inside, decoded, doubtful)
    let table: [(u16, u16, &[u8], &[u8], bool, bool); 16] = [
        (50_000, 4789, &vxlan, &frame, true, false),
        (50_000, 4789, &vxlan, &unsummed, true, true),
        (50_000, 4789, &vxlan, &trailing, true, true),
        (50_000, 4789, &vxlan, &damaged(10, 1), false, false),
        (50_000, 4789, &vxlan, &damaged(2, 9), false, false),
        (50_000, 4799, &vxlan, &frame, true, true),
        (50_000, 4799, &vxlan, &unsummed, false, false),
        (4789, 514, &vxlan, &frame, true, true),
        (4789, 514, &vxlan, &unsummed, false, false),
        (6081, 514, &geneve, &unsummed, false, false),
        (6081, 514, &geneve, &frame, true, true),
        // The options of the tunnel's header are searched as well.
        (50_000, 6081, &geneve, &frame, true, true),
        (50_000, 6081, &plain, &frame, true, false),
        // The source port proves no more than another port.
        (3544, 50_000, &[], &six, false, false),
        // A valid inner packet is not decoded either if only GRE's or GTP's own port would identify
        // the tunnel.
        (4754, 514, &[0, 0, 8, 0], &core(), false, false),
        (
            2152,
            514,
            &[0x30, 0xff, 0, 9, 0, 0, 0, 1],
            &core(),
            false,
            false,
        ),
    ];
    for (number, (src, dst, header, inner, apart, doubtful)) in table.into_iter().enumerate() {
        let bytes = between(src, dst, header, inner);
        let packet = decoded(LinkType::RAW, &bytes).unwrap();
        assert_eq!(packet.tunnels == 1, apart, "{number}");
        assert_eq!(packet.doubtful, doubtful, "{number}");
        let named = packet.tunnel.map(|tunnel| tunnel.name);
        let name = [&geneve[..], &plain].contains(&header);
        let name = if name { "geneve" } else { "vxlan" };
        assert_eq!(named, apart.then_some(name), "{number}");
        let around = super::around(&on(LinkType::RAW, &bytes));
        assert_eq!(around.is_some(), doubtful, "{number}");
        if let Some((outer, range)) = around {
            assert_eq!(outer.ports(), Ports { src, dst });
            let own = [&[header, inner].concat()[..]].concat();
            assert_eq!(outer.payload, own);
            assert_eq!(own[range.start], 0x45);
            assert_eq!(range.len(), core().len(), "without the bytes after it");
        }
    }
}

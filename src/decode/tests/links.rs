//! Frames of all link types and with all tags, each around the same packet.

use super::*;
use crate::foreign::{Foreign, Wireless};

/// The path, and whether the needle is in the payload.
fn path(link: LinkType, bytes: &[u8]) -> u32 {
    let packet = decoded(link, bytes).unwrap_or_else(|why| panic!("{link}: {why:?}"));
    assert_eq!(packet.payload, b"needle", "{link} {bytes:02x?}");
    packet.path
}

#[test]
fn each_link_type_leads_to_the_packet_inside() {
    let (core, six) = (core(), packet6(17, &udp(1000, 2000, b"needle")));
    let frame = ethernet(0x0800, &core);
    let on = |header: &[u8], inner: &[u8]| [header, inner].concat();
    let mut sll = vec![0; 14];
    sll.extend([0x08, 0]);
    let mut sll2 = vec![0x86, 0xdd];
    sll2.extend([0; 18]);
    let radiotap = [0, 0, 10, 0, 0, 0, 0, 0, 0, 0];
    let avs = [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56]].concat();
    let len = (core.len() as u16 + 4).to_le_bytes();
    let log = [2, 0, 0, 1, 5, 0, 10, 0, 0, 0, 0, 0, len[0], len[1], 9, 0];
    let mut pktap = vec![108, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    pktap.resize(108, 0);
    let mut pktap_raw = pktap.clone();
    pktap_raw[8] = 12;
    let tagged = |tag: &[u8]| [&[2; 12][..], tag, &frame[12..]].concat();
    let table: Vec<(LinkType, Vec<u8>)> = vec![
        (LinkType::ETHERNET, frame.clone()),
        (
            LinkType::ETHERNET,
            on(&[2; 12], &on(&[0, 60, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &core)),
        ),
        (
            LinkType::ETHERNET,
            on(&[2; 12], &on(&[0, 60, 6, 6, 3], &core)),
        ),
        // Some captures declare Ethernet and have none.
        (LinkType::ETHERNET, core.clone()),
        (LinkType::LINUX_SLL, on(&sll, &core)),
        (LinkType::LINUX_SLL2, on(&sll2, &six)),
        (LinkType::NULL, on(&[2, 0, 0, 0], &core)),
        (LinkType::NULL, on(&[0, 0, 0, 30], &six)),
        (LinkType::NULL, on(&[23, 0, 0, 0], &six)),
        (LinkType::NULL, on(&[0, 0, 0, 26], &six)),
        (LinkType::NULL, on(&[0x00, 0x08, 0, 0], &core)),
        (LinkType::NULL, on(&[0, 0, 0x86, 0xdd], &six)),
        (LinkType::LOOP, on(&[0, 0, 0, 2], &core)),
        (LinkType::LOOP, on(&[0, 0, 0, 24], &six)),
        (LinkType::RAW, core.clone()),
        (LinkType(12), six.clone()),
        (LinkType::PPP, on(&[0xff, 0x03, 0x00, 0x21], &core)),
        (LinkType::PPP, on(&[0x57], &six)),
        (LinkType::PPP, on(&[0x00, 0x31, 0, 1], &frame)),
        (
            LinkType::PPP,
            on(&[0x00, 0x3d, 0xc0, 0, 0, 1, 0x00, 0x21], &core),
        ),
        (
            LinkType::PPP_WITH_DIR,
            on(&[1, 0xff, 0x03, 0x00, 0x21], &core),
        ),
        (LinkType::PPP_WITH_DIR, on(&[0, 0x21], &core)),
        (LinkType::PPP_PPPD, on(&[0, 0x03, 0x00, 0x21], &core)),
        (LinkType::PPP_PPPD, on(&[0xff, 0x03, 0x00, 0x57], &six)),
        (
            LinkType::PPP_ETHER,
            on(&[0x11, 0, 0, 1, 0, 3, 0, 0x21], &core),
        ),
        (LinkType::C_HDLC, on(&[0x0f, 0, 0x08, 0], &core)),
        (LinkType::C_HDLC_WITH_DIR, on(&[0, 0x0f, 0, 0x08, 0], &core)),
        (LinkType::FRELAY, on(&[0x18, 0x41, 3, 0xcc], &core)),
        (
            LinkType::FRELAY,
            on(&[0x18, 0x40, 0x12, 0x35, 3, 0x8e], &six),
        ),
        (
            LinkType::FRELAY,
            on(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &core),
        ),
        (
            LinkType::FRELAY,
            on(&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &frame),
        ),
        (LinkType::FRELAY, on(&[0x18, 0x41, 8, 0], &core)),
        (
            LinkType::FRELAY_WITH_DIR,
            on(&[1, 0x18, 0x41, 3, 0xcc], &core),
        ),
        (
            LinkType::ATM_RFC1483,
            on(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &core),
        ),
        (LinkType::SLIP, on(&[1; 16], &core)),
        (
            LinkType::IP_OVER_FC,
            on(&[1; 16], &on(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &core)),
        ),
        (
            LinkType::APPLE_IP_OVER_IEEE1394,
            on(&[1; 16], &on(&[8, 0], &core)),
        ),
        (LinkType::IPOIB, on(&[1; 40], &on(&[8, 0, 0, 0], &core))),
        (LinkType::IPOIB, on(&[8, 0, 0, 0], &core)),
        (
            LinkType::ENC,
            on(&[2, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 4, 0, 0], &core),
        ),
        (LinkType::IPNET, on(&[1; 24], &core)),
        (LinkType::PPI, on(&[0, 0, 8, 0, 1, 0, 0, 0], &frame)),
        (
            LinkType::PPI,
            on(
                &[0, 0, 12, 0, 105, 0, 0, 0, 1, 2, 3, 4],
                &wireless(true, false),
            ),
        ),
        (LinkType::PKTAP, on(&pktap, &frame)),
        (LinkType::PKTAP, on(&pktap_raw, &core)),
        (LinkType(149), on(&pktap, &frame)),
        (LinkType::DSA_TAG_DSA, tagged(&[0xc0, 0x08, 0, 0])),
        (
            LinkType::DSA_TAG_EDSA,
            tagged(&[0xda, 0xda, 0, 0, 0xc0, 0x08, 0, 0]),
        ),
        (LinkType::DSA_TAG_BRCM, tagged(&[0x20, 0, 0, 1])),
        (LinkType::DSA_TAG_BRCM_PREPEND, on(&[0x20, 0, 0, 1], &frame)),
        (LinkType::IEEE802_11, wireless(false, false)),
        (LinkType::IEEE802_11, wireless(true, true)),
        (
            LinkType::IEEE802_11_RADIOTAP,
            on(&radiotap, &wireless(true, false)),
        ),
        (
            LinkType(119),
            on(
                &[&[0x44, 0, 0, 0][..], &[0; 140]].concat(),
                &wireless(false, true),
            ),
        ),
        (LinkType(163), on(&avs, &wireless(true, true))),
        (LinkType::NFLOG, on(&log, &core)),
    ];
    for (link, bytes) in &table {
        assert_eq!(path(*link, bytes), 0);
        assert!(LinkType::KNOWN.contains(link), "{link}");
        for len in 0..bytes.len() {
            // However the frame is cut, there is a packet or a reason.
            let _ = decoded(*link, &bytes[..len]);
        }
    }
}

#[test]
fn each_tag_leads_to_the_packet_inside() {
    let core = core();
    let six = packet6(17, &udp(1000, 2000, b"needle"));
    let frame = ethernet(0x0800, &core);
    let typed = |tag: &[u8]| [tag, &[8, 0], &core].concat();
    let macsec = |tag: &[u8]| [&typed(tag), &[9; 16][..]].concat();
    let chain = [&[0, 6, 1, 1, 0, 0, 1, 0xff][..], &[0; 16]].concat();
    let word = [0, 0, 0x11, 64, 0, 0, 0, 0];
    let isl = [
        &[
            1, 0, 0x0c, 0, 0, 0, 2, 2, 2, 2, 2, 2, 0, 80, 0xaa, 0xaa, 3, 0, 0, 0x0c,
        ][..],
        &[0, 20, 0, 0, 0, 0],
        &frame,
    ]
    .concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("priority", ethernet(0x8100, &typed(&[0x60, 0]))),
        ("vn-tag", ethernet(0x8926, &typed(&[0, 1, 0, 2]))),
        ("e-tag", ethernet(0x893f, &typed(&[0, 1, 0, 2, 0, 0]))),
        (
            "cisco's metadata",
            ethernet(0x8909, &typed(&[1, 1, 0, 1, 0, 9])),
        ),
        ("hsr", ethernet(0x892f, &typed(&[0x10, 40, 0, 7]))),
        ("macsec", ethernet(0x88e5, &macsec(&[0, 0, 0, 0, 0, 1]))),
        (
            "macsec with a channel",
            ethernet(
                0x88e5,
                &macsec(&[0x20, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 0, 1]),
            ),
        ),
        (
            "service chain",
            ethernet(0x894f, &[&chain[..], &core].concat()),
        ),
        ("service chain with a frame", {
            let mut chain = chain.clone();
            chain[3] = 3;
            ethernet(0x894f, &[&chain[..], &frame].concat())
        }),
        (
            "pppoe",
            ethernet(
                0x8864,
                &[&[0x11, 0, 0, 1, 0, 3, 0, 0x21][..], &core].concat(),
            ),
        ),
        (
            "labels",
            ethernet(
                0x8847,
                &[&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], &core].concat(),
            ),
        ),
        (
            "labels before IPv6",
            ethernet(0x8847, &[&[0, 0, 0x11, 64][..], &six].concat()),
        ),
        ("a wire", ethernet(0x8847, &[&word[..4], &frame].concat())),
        (
            "a wire with a control word",
            ethernet(0x8847, &[&word[..], &frame].concat()),
        ),
        ("a wire whose address looks like IP", {
            let mut frame = frame.clone();
            frame[0] = 0x44;
            ethernet(0x8847, &[&word[..4], &frame].concat())
        }),
        (
            "trill",
            ethernet(0x22f3, &[&[0, 1, 0, 1, 0, 2][..], &frame].concat()),
        ),
        (
            "fabric path",
            ethernet(0x8903, &[&[0, 1][..], &frame].concat()),
        ),
        (
            "mesh",
            ethernet(
                0x4305,
                &[&[0x40, 15, 50, 1, 2, 2, 2, 2, 2, 2][..], &frame].concat(),
            ),
        ),
        (
            "switch chip",
            ethernet(0xdada, &typed(&[0, 0, 0xc0, 8, 0, 0])),
        ),
        ("isl", isl),
        ("bridged", ethernet(0x6558, &frame)),
    ];
    for (name, bytes) in &table {
        assert_eq!(path(LinkType::ETHERNET, bytes), 0, "{name}");
        for len in 0..bytes.len() {
            let _ = decoded(LinkType::ETHERNET, &bytes[..len]);
        }
    }
    // Networks with the same addresses are distinguished.
    let mut paths = vec![0];
    for bytes in [
        ethernet(0x8100, &typed(&[0, 7])),
        ethernet(0x88a8, &typed(&[0x60, 8])),
        ethernet(0x9200, &typed(&[0, 9])),
        ethernet(0x88e7, &[&[0, 0, 0, 1][..], &frame].concat()),
        ethernet(0x88e7, &[&[0, 0, 0, 2][..], &frame].concat()),
    ] {
        let path = path(LinkType::ETHERNET, &bytes);
        assert!(!paths.contains(&path), "{bytes:02x?}");
        paths.push(path);
    }
}

#[test]
fn tags_of_any_depth_are_removed_and_distinguish_paths() {
    let tagged = |tags: &[u8]| {
        let mut bytes = vec![0; 12];
        for tag in tags {
            bytes.extend([0x81, 0x00, 0, *tag]);
        }
        [bytes, vec![8, 0], core()].concat()
    };
    let mut paths = Vec::new();
    for tags in [&[][..], &[1], &[2], &[1, 2], &[2, 1], &[1, 2, 3, 4, 5, 6]] {
        let bytes = tagged(tags);
        let path = path(LinkType::ETHERNET, &bytes);
        assert!(!paths.contains(&path), "{tags:?}");
        paths.push(path);
        let mut scratch = Vec::new();
        let frame = on(LinkType::ETHERNET, &bytes);
        assert_eq!(untagged(&frame, &mut scratch), tagged(&[]), "{tags:?}");
    }
    assert_eq!(paths[0], 0);
    // Id 0, before or after another tag.
    assert_eq!(path(LinkType::ETHERNET, &tagged(&[0, 2])), paths[2]);
    assert_eq!(path(LinkType::ETHERNET, &tagged(&[2, 0])), paths[2]);
    // Other tags that can be cut out.
    let mixed = [
        &[2; 12][..],
        &[0x89, 0x26, 0, 1, 0, 2, 0x89, 0x3f, 0, 1, 0, 2, 0, 0, 8, 0],
    ]
    .concat();
    let mut scratch = Vec::new();
    let frame = on(LinkType::ETHERNET, &mixed);
    assert_eq!(untagged(&frame, &mut scratch), ethernet(0x0800, &[]));
}

#[test]
fn what_is_not_ip_has_a_name() {
    let at = |kind: u16| Undecoded::NotIp(Foreign::EtherType(kind));
    let air = |kind| Undecoded::NotIp(Foreign::Wireless(kind));
    let secret = |bytes: [u8; 2]| {
        let mut frame = wireless(false, false);
        frame[..2].copy_from_slice(&bytes);
        frame
    };
    let arp = ethernet(0x0806, &[0, 1]);
    let table: Vec<(LinkType, Vec<u8>, Undecoded)> = vec![
        (LinkType::ETHERNET, arp.clone(), at(0x0806)),
        (
            LinkType::ETHERNET,
            ethernet(0x8100, &[0, 7, 8, 6]),
            at(0x0806),
        ),
        (
            LinkType::ETHERNET,
            ethernet(0x88e5, &[0x2c, 0, 0, 0, 0, 1]),
            at(0x88e5),
        ),
        (LinkType::ETHERNET, ethernet(0x88fb, &[0; 40]), at(0x88fb)),
        (
            LinkType::ETHERNET,
            ethernet(0x8847, &[&[0, 0, 0x11, 64][..], &[0x10; 40]].concat()),
            at(0x8847),
        ),
        (
            LinkType::ETHERNET,
            ethernet(38, &[0x42, 0x42, 3, 0, 0]),
            Undecoded::NotIp(Foreign::Lsap(0x42)),
        ),
        (
            LinkType::ETHERNET,
            ethernet(38, &[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 1]),
            Undecoded::NotIp(Foreign::Snap(0x0c, 0x2000)),
        ),
        (
            LinkType::PPP,
            vec![0xff, 3, 0xc0, 0x21, 1],
            Undecoded::NotIp(Foreign::Ppp(0xc021)),
        ),
        (
            LinkType::PPP,
            vec![0xfd, 0],
            Undecoded::NotIp(Foreign::Ppp(0xfd)),
        ),
        (
            LinkType::NULL,
            vec![7, 0, 0, 0, 1],
            Undecoded::NotIp(Foreign::Family(7)),
        ),
        (
            LinkType::FRELAY,
            vec![0x18, 0x41, 3, 0x81],
            Undecoded::NotIp(Foreign::Nlpid(0x81)),
        ),
        (
            LinkType::IEEE802_11,
            secret([0x08, 0x40]),
            air(Wireless::Encrypted),
        ),
        (
            LinkType::IEEE802_11,
            secret([0x80, 0]),
            air(Wireless::Management),
        ),
        (
            LinkType::IEEE802_11,
            secret([0xd4, 0]),
            air(Wireless::Control),
        ),
        (
            LinkType::IEEE802_11,
            secret([0x48, 0]),
            air(Wireless::Empty),
        ),
        (
            LinkType::NFLOG,
            vec![2, 0, 0, 1],
            Undecoded::NotIp(Foreign::Nothing),
        ),
        (LinkType(147), arp.clone(), Undecoded::LinkType(147)),
        (LinkType(149), arp.clone(), Undecoded::LinkType(149)),
        (
            LinkType::PPI,
            [&[0, 0, 8, 0, 147, 0, 0, 0][..], &arp].concat(),
            Undecoded::LinkType(147),
        ),
        (LinkType::ETHERNET, arp[..13].to_vec(), Undecoded::Cut),
    ];
    for (link, bytes, want) in table {
        assert_eq!(
            decoded(link, &bytes).err(),
            Some(want),
            "{link} {bytes:02x?}"
        );
    }
}

//! Decodes frames of each layer and checks the packets.

use proptest::prelude::*;

use super::*;
use crate::frame::LinkType;
use crate::packet::{Fragment, Ports, Tcp, TcpFlags, fold, sum};

mod links;
mod tunnels;

/// An IPv4 packet with a correct checksum.
fn packet4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = !fold(sum(&bytes)) as u16;
    bytes[10..12].copy_from_slice(&sum.to_ne_bytes());
    bytes.extend(payload);
    bytes
}

fn packet6(protocol: u8, payload: &[u8]) -> Vec<u8> {
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

/// The packet that all layers are wrapped around.
fn core() -> Vec<u8> {
    packet4(17, &udp(1000, 2000, b"needle"))
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

fn on(link: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        link,
        ..raw(bytes, bytes.len())
    }
}

fn decoded(link: LinkType, bytes: &[u8]) -> Result<Packet<'_>, Undecoded> {
    super::frame(&on(link, bytes))
}

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
    // (total length, captured after the headers, wire adds, payload, cut)
    let table: [(u16, &[u8], usize, &[u8], u32); 5] = [
        (30, b"hi", 0, b"hi", 0),
        (30, b"hi\0\0\0\0", 0, b"hi", 0),
        (100, b"hi", 70, b"hi", 70),
        (0, b"hi", 0, b"hi", 0),
        (0, b"hi", 5, b"hi", 5),
    ];
    for (total, captured, more, want, cut) in table {
        let bytes = v4(total, 0, captured);
        let packet = frame(&raw(&bytes, bytes.len() + more)).unwrap();
        assert_eq!(
            (packet.payload, packet.cut),
            (want, cut),
            "total length {total}"
        );
    }
}

#[test]
fn fragments_are_recognised_by_offset_and_flag() {
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
fn what_is_there_of_a_header_that_the_capture_cut_is_no_payload() {
    let mut segment = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9];
    segment.extend([0x80, 0x18, 0x01, 0x02, 0, 0, 0, 5]);
    segment.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    segment.extend(b"text");
    let whole = packet4(6, &segment);
    let facts = |len: usize| {
        let packet = super::frame(&raw(&whole[..len], whole.len())).unwrap();
        let Transport::Tcp(tcp) = packet.transport else {
            panic!("{len} bytes are not TCP");
        };
        assert_eq!(
            tcp.ports,
            Ports {
                src: 40_000,
                dst: 80
            },
            "{len}"
        );
        (tcp, packet.payload.len(), packet.cut)
    };
    // (bytes of the header, sequence and acknowledgement number, flags, window, payload, cut)
    for (len, seq, ack, flags, window, payload, cut) in [
        (4, 0, 0, 0, u16::MAX, 0, 16),
        (11, 7, 0, 0, u16::MAX, 0, 16),
        (13, 7, 9, 0, u16::MAX, 0, 4),
        (14, 7, 9, 0x18, u16::MAX, 0, 4),
        (16, 7, 9, 0x18, 0x0102, 0, 4),
        (20, 7, 9, 0x18, 0x0102, 0, 4),
        (31, 7, 9, 0x18, 0x0102, 0, 4),
        (32, 7, 9, 0x18, 0x0102, 0, 4),
        (34, 7, 9, 0x18, 0x0102, 2, 2),
    ] {
        let (tcp, payload_len, missing) = facts(20 + len);
        let Tcp { seq: s, ack: a, .. } = tcp;
        assert_eq!(
            (s, a, tcp.flags, tcp.window),
            (seq, ack, TcpFlags(flags), window),
            "{len}"
        );
        assert_eq!((payload_len, missing), (payload, cut), "{len}");
    }
    let datagram = packet4(17, &udp(1000, 2000, b"needle"));
    for (len, cut) in [(4, 6), (7, 6), (8, 6), (9, 5)] {
        let packet = super::frame(&raw(&datagram[..20 + len], datagram.len())).unwrap();
        assert!(matches!(packet.transport, Transport::Udp(ports) if ports.dst == 2000));
        assert_eq!((packet.payload.len(), packet.cut), (len.max(8) - 8, cut));
    }
    for bytes in [&whole[..20], &whole[..23], &datagram[..22]] {
        let packet = super::frame(&raw(bytes, 80)).unwrap();
        assert!(matches!(packet.transport, Transport::Other) && packet.payload.is_empty());
    }
    // A wrong length was not caused by the capture.
    let mut lying = packet4(6, &segment[..24]);
    lying[32] = 0xf0;
    let packet = super::frame(&raw(&lying, lying.len())).unwrap();
    assert_eq!(packet.payload.len(), 24);
    // ngrep differs.
    let packet = outermost(&raw(&whole[..24], whole.len())).unwrap();
    assert_eq!(packet.payload.len(), 4);
}

#[test]
fn extension_headers_have_no_number_that_is_too_many() {
    let mut headers = Vec::new();
    for _ in 0..9 {
        headers.extend([60, 0, 1, 4, 0, 0, 0, 0]);
    }
    headers[64] = 17;
    headers.extend(udp(1000, 2000, b"needle"));
    let bytes = packet6(60, &headers);
    let packet = super::frame(&raw(&bytes, bytes.len())).unwrap();
    assert_eq!(packet.payload, b"needle");
    // In fragments, the bytes before the transport header are part of the whole.
    let first = Packet {
        ip: Ip {
            protocol: 60,
            ..packet.ip
        },
        ..packet
    };
    assert_eq!(datagram(&first, &headers).payload, b"needle");
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
        link in prop::sample::select([&LinkType::KNOWN[..], &[LinkType(9999)]].concat()),
        start in prop::sample::select(vec![&[][..], &[0x45, 0, 0, 40], &[0x60, 0, 0, 0, 0, 8, 44]]),
        rest in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let bytes = [start, &rest].concat();
        let frame = on(link, &bytes);
        for packet in [super::frame(&frame), outermost(&frame)].into_iter().flatten() {
            prop_assert!(packet.ip_payload.len() <= bytes.len());
            prop_assert!(packet.payload.len() <= packet.ip_payload.len());
        }
        if let Some((outer, range)) = around(&frame) {
            prop_assert!(outer.payload.get(range).is_some());
        }
    }
}

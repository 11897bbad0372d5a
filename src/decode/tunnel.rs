//! Tunnels: a packet, or a frame with one, inside an IP packet. Bytes that are not a
//! consistent tunnel remain the payload of the outer packet.
//!
//! Each kind is decoded only while its header is consistent, and the inner packet is accepted only
//! if its IP header is. The port of a datagram is no proof, since the sender chooses it: an inner
//! packet is marked [doubtful](Inside::doubtful) unless its checksum proves it and the datagram
//! goes to the tunnel's port.

use crate::packet::{Packet, Ports, Transport};

use super::ether::{Link, Next, Peeled, number, peel};
use super::ieee80211;
use super::link::plain;
use super::proof::{self, Proof};

/// The content of a tunnel.
pub(super) struct Inside<'a> {
    /// What kind of tunnel it is.
    pub(super) name: &'static str,
    pub(super) what: What<'a>,
    /// Whether the content may be something other than a tunnel's.
    pub(super) doubtful: bool,
}

/// A packet, or the rest of the outer one after a header.
pub(super) enum What<'a> {
    Packet(Link<'a>),
    /// The bytes after a removed header, and their protocol.
    Rest(u8, &'a [u8]),
}

/// Whether a packet may be a tunnel. Called for every packet; most are none.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "in a call, the decoded transport header would have to be stored in memory"
)]
pub(super) fn is_likely(number: u8, transport: Transport, payload: &[u8]) -> bool {
    match transport {
        Transport::Udp(ports) => {
            is_known(ports.dst) || responses_from(ports.src) || begins_a_frame(payload)
        }
        Transport::Other => matches!(number, 4 | 41 | 47 | 50 | 94 | 97 | 115 | 137),
        _ => false,
    }
}

/// Ports that IANA assigned to tunnels, or that they use in practice.
pub(super) const PORTS: [u16; 14] = [
    1701, 2152, 3544, 4341, 4500, 4754, 4789, 4790, 5072, 5247, 6081, 6635, 8472, 37008,
];

/// The same ports as a perfect hash table, so that one comparison decides. Empty slots contain a
/// port that hashes to another slot.
const PLACES: [u16; 64] = {
    let mut places = [PORTS[0]; 64];
    let mut at = 1;
    while at < PORTS.len() {
        places[place(PORTS[at])] = PORTS[at];
        at += 1;
    }
    places
};

const fn place(port: u16) -> usize {
    ((port ^ port >> 4) & 63) as usize
}

#[inline]
fn is_known(port: u16) -> bool {
    PLACES.get(place(port)) == Some(&port)
}

/// Ports from which tunnels respond to arbitrary ports.
#[inline]
fn responses_from(port: u16) -> bool {
    is_known(port) && matches!(port, 1701 | 3544 | 4500 | 5072 | 5247)
}

/// Whether a datagram begins like VXLAN or Geneve with a frame inside, on any port.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "called for each datagram, and mostly decided by the first bytes"
)]
fn begins_a_frame(payload: &[u8]) -> bool {
    let Some(eight) = payload.first_chunk::<8>() else {
        return false;
    };
    let word = u64::from_be_bytes(*eight);
    // The last byte is reserved.
    word.trailing_zeros() >= 8
        && match (word >> 32) as u32 {
            0x0800_0000 => true,
            // Version and options length, a flag, reserved bits, and an EtherType.
            word => word & 0xc0bf_0000 == 0 && matches!(word & 0xffff, 0x6558 | 0x0800 | 0x86dd),
        }
}

/// Returns the content of a packet if it is a tunnel.
pub(super) fn inside<'a>(packet: &Packet<'a>) -> Option<Inside<'a>> {
    if packet.ip.fragment.is_some() {
        return None;
    }
    let cut = packet.cut > 0;
    let bytes = packet.ip_payload;
    let link = match (packet.transport, packet.ip.protocol) {
        (Transport::Udp(ports), _) => return udp(ports, packet.payload, cut),
        // IP in IP (RFC 2003), 6in4 (RFC 4213), and their predecessor (94).
        (Transport::Other, 4 | 41 | 94) => plain(bytes),
        (Transport::Other, 47) => gre(bytes)?,
        (Transport::Other, 50) => {
            let what = encapsulated(bytes, cut)?;
            return Some(Inside {
                name: "esp",
                what,
                doubtful: false,
            });
        }
        // RFC 3378: only a version.
        (Transport::Other, 97) => match bytes {
            [0x30 | 0x03, 0x00, frame @ ..] => peel(Next::Frame, frame).ok()?,
            _ => return None,
        },
        (Transport::Other, 115) => sessions(bytes, cut)?,
        (Transport::Other, 137) => peel(Next::Labels, bytes).ok()?,
        _ => return None,
    };
    let name = match packet.ip.protocol {
        47 => "gre",
        97 => "etherip",
        115 => "l2tp",
        137 => "mpls",
        _ => "ip",
    };
    Some(Inside {
        name,
        what: What::Packet(link),
        doubtful: false,
    })
}

/// Finds a tunnel in a datagram: by its destination port, for some tunnels by its source port, and
/// for VXLAN and Geneve by the content.
fn udp(ports: Ports, bytes: &[u8], cut: bool) -> Option<Inside<'_>> {
    let own = is_known(ports.dst).then_some((ports.dst, Proof::Fits));
    let response = responses_from(ports.src).then_some((ports.src, Proof::Sure));
    // On another port than the tunnel's own, a consistent header is not enough.
    let shape = match bytes.first() {
        _ if own.is_some() || !begins_a_frame(bytes) => None,
        Some(0x08) => Some((VXLAN, Proof::Sure)),
        _ => Some((GENEVE, Proof::Sure)),
    };
    [own, response, shape]
        .into_iter()
        .flatten()
        .find_map(|(port, enough)| {
            let what = reading(port, bytes, cut)?;
            let proof = match &what {
                What::Packet(link) => proof::of_ip(link.ip, cut),
                What::Rest(..) => Proof::Fits,
            };
            let doubtful =
                port != ports.dst || proof != Proof::Sure || !is_all_of(port, bytes, &what);
            let name = name(port);
            (proof >= enough).then_some(Inside {
                name,
                what,
                doubtful,
            })
        })
}

/// Bytes that the headers of a tunnel and of a frame have, at the most, where nothing is hidden in
/// their options.
const HEADERS: usize = 52;

/// Whether a datagram is hardly more than the packet that was found in it: what else there is may
/// be what its receiver reads.
fn is_all_of(port: u16, bytes: &[u8], what: &What<'_>) -> bool {
    // The options of Geneve may be anything.
    let has_options = bytes.first().is_some_and(|first| first & 0x3f > 0);
    let most = match port {
        GENEVE if has_options => 0,
        _ => HEADERS,
    };
    let What::Packet(link) = what else {
        return true;
    };
    let packet = proof::trimmed(link.ip);
    let rest = link.ip.get(packet.len()..).unwrap_or_default();
    let before = bytes.len().saturating_sub(link.ip.len());
    before <= most && rest.iter().all(|byte| *byte == 0)
}

/// What the tunnel of this port is called.
const fn name(port: u16) -> &'static str {
    match port {
        VXLAN | 8472 => "vxlan",
        4790 => "vxlan-gpe",
        GENEVE => "geneve",
        2152 => "gtp",
        3544 => "teredo",
        5072 => "ayiya",
        4754 => "gre",
        6635 => "mpls",
        1701 => "l2tp",
        5247 => "capwap",
        4341 => "lisp",
        37008 => "tzsp",
        4500 => "esp",
        _ => "udp",
    }
}

const VXLAN: u16 = 4789;
const GENEVE: u16 = 6081;

/// Decodes a datagram as the tunnel with this port.
fn reading(port: u16, bytes: &[u8], cut: bool) -> Option<What<'_>> {
    let link = match port {
        VXLAN | 8472 => vxlan(bytes),
        4790 => vxlan_gpe(bytes),
        GENEVE => geneve(bytes),
        2152 => gtp(bytes),
        3544 => teredo(bytes),
        5072 => ayiya(bytes),
        4754 => gre(bytes),
        6635 => peel(Next::Labels, bytes).ok(),
        1701 => l2tp(bytes, cut),
        5247 => capwap(bytes),
        4341 => bytes.get(8..).map(plain),
        37008 => tzsp(bytes),
        // RFC 3948: a datagram that begins with four zero bytes is IKE, any other is ESP.
        4500 if bytes.starts_with(&[0; 4]) => None,
        4500 => return encapsulated(bytes, cut),
        _ => None,
    }?;
    Some(What::Packet(link))
}

/// RFC 7348: a flag that the network id is present, the id, and a frame.
fn vxlan(bytes: &[u8]) -> Option<Link<'_>> {
    let [flags, _, _, _, v0, v1, v2, _, frame @ ..] = bytes else {
        return None;
    };
    let inner = (flags & 0x08 != 0).then(|| peel(Next::Frame, frame).ok())??;
    Some(within(inner, u32::from_be_bytes([0, *v0, *v1, *v2])))
}

/// draft-ietf-nvo3-vxlan-gpe: like VXLAN, with the kind of the content if a flag is set.
fn vxlan_gpe(bytes: &[u8]) -> Option<Link<'_>> {
    let [flags, _, _, next, v0, v1, v2, _, rest @ ..] = bytes else {
        return None;
    };
    let next = match (flags & 0x0c, next) {
        (0x08, _) | (0x0c, 3) => Next::Frame,
        (0x0c, 1 | 2) => Next::Ip,
        (0x0c, 4) => Next::EtherType(0x894f),
        (0x0c, 5) => Next::Labels,
        _ => return None,
    };
    let inner = peel(next, rest).ok()?;
    Some(within(inner, u32::from_be_bytes([0, *v0, *v1, *v2])))
}

/// RFC 8926: options, then a frame or a packet according to the `EtherType`.
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

/// 3GPP TS 29.281 section 5: user data, with or without extension headers. The tunnel id belongs to
/// one direction only, so it is not part of the path.
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

/// RFC 4380 section 5.1.1: optional authentication and origin headers before an IPv6 packet.
fn teredo(mut bytes: &[u8]) -> Option<Link<'_>> {
    if let [0, 1, id, auth, rest @ ..] = bytes {
        bytes = rest.get(usize::from(*id) + usize::from(*auth) + 9..)?;
    }
    if let [0, 0, ..] = bytes {
        bytes = bytes.get(8..)?;
    }
    (bytes.first()? >> 4 == 6).then(|| plain(bytes))
}

/// draft-massar-v6ops-ayiya: an identity and a signature before an IPv6 or IPv4 packet.
fn ayiya(bytes: &[u8]) -> Option<Link<'_>> {
    let [identity, signature, operation, next, ..] = bytes else {
        return None;
    };
    let header = 8 + (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
    let forwards = operation & 0x0f == 1 && matches!(next, 4 | 41);
    forwards.then(|| bytes.get(header..).map(plain)).flatten()
}

/// RFC 2661 section 3.1: a PPP frame after the optional fields given by the flags; version 3 has
/// [sessions](sessions). Tunnel and session ids belong to one direction only.
fn l2tp(bytes: &[u8], cut: bool) -> Option<Link<'_>> {
    let [flags @ ..=0x7f, version, rest @ ..] = bytes else {
        return None;
    };
    let optional = |flag: u8, len: usize| if flags & flag != 0 { len } else { 0 };
    match version & 0x0f {
        2 => {
            let header = optional(0x40, 2) + 4 + optional(0x08, 4);
            let offset = match optional(0x02, 2) {
                0 => 0,
                len => len + usize::from(number(rest, header).ok()?),
            };
            peel(Next::Ppp, rest.get(header + offset..)?).ok()
        }
        3 => sessions(rest.get(2..)?, cut),
        _ => None,
    }
}

/// RFC 3931: a session id, then a frame. Before it there may be a cookie of 4 or 8 bytes and a
/// sublayer header of 4, which only the endpoints know, so all lengths are tried.
fn sessions(bytes: &[u8], cut: bool) -> Option<Link<'_>> {
    let (session, rest) = bytes.split_first_chunk::<4>()?;
    if *session == [0; 4] {
        return None;
    }
    [0, 4, 8, 12].into_iter().find_map(|header| {
        let frame = rest.get(header..)?;
        [Next::Frame, Next::Ppp].into_iter().find_map(|next| {
            let link = peel(next, frame).ok()?;
            let proof = proof::of_ip(link.ip, cut);
            let six = link.ip.first()? >> 4 == 6;
            (proof == Proof::Sure || six && proof == Proof::Fits).then_some(link)
        })
    })
}

/// RFC 5415 section 4.3: a header with its own length, and a wired or wireless frame.
fn capwap(bytes: &[u8]) -> Option<Link<'_>> {
    // Another first byte marks an encrypted packet.
    let [0x00, h0, h1, h2, ..] = bytes else {
        return None;
    };
    let bits = u32::from_be_bytes([0, *h0, *h1, *h2]);
    let (fragment, alive) = (bits & 0x80 != 0, bits & 0x08 != 0);
    let frame = bytes.get((bits >> 19) as usize * 4..)?;
    if fragment || alive {
        return None;
    }
    if bits & 0x100 == 0 {
        return peel(Next::Frame, frame).ok();
    }
    // Some access points swap the two bytes of frame control.
    air(ieee80211::decode(frame)).or_else(|| air(ieee80211::swapped(frame)))
}

fn air(peeled: Peeled<'_>) -> Option<Link<'_>> {
    let (next, rest) = peeled.ok()?;
    peel(next, rest).ok()
}

/// TZSP, sent by sniffing access points: a header, tags up to an end tag, and a wired or wireless
/// frame.
fn tzsp(bytes: &[u8]) -> Option<Link<'_>> {
    let [1, 0 | 1, 0, kind, tags @ ..] = bytes else {
        return None;
    };
    let mut tags = tags;
    loop {
        tags = match tags {
            [0, rest @ ..] => rest,
            [1, frame @ ..] => {
                return match kind {
                    1 => peel(Next::Frame, frame).ok(),
                    18 => air(ieee80211::decode(frame)),
                    _ => None,
                };
            }
            [_, len, rest @ ..] => rest.get(usize::from(*len)..)?,
            _ => return None,
        };
    }
}

/// RFC 4303 with null encryption (RFC 2410). At the end there is padding of a known pattern, its
/// length, the protocol, and a checksum whose length only the endpoints know. With AES-GMAC (RFC
/// 4543) an initialisation vector precedes the payload.
fn encapsulated(bytes: &[u8], cut: bool) -> Option<What<'_>> {
    const FORMS: [(usize, usize); 6] = [(0, 12), (0, 16), (8, 16), (0, 0), (0, 24), (0, 32)];
    let body = bytes.get(8..).filter(|_| !cut)?;
    FORMS.into_iter().find_map(|(number, sum)| {
        let end = body.len().checked_sub(sum)?;
        let [all @ .., padding, next] = body.get(number..end)? else {
            return None;
        };
        let len = all.len().checked_sub(usize::from(*padding))?;
        let (bytes, padding) = all.split_at_checked(len)?;
        let mut pattern = padding.iter().zip(1_u16..);
        let padded = pattern.all(|(byte, want)| u16::from(*byte) == want);
        (padded && proof::of_transport(*next, bytes)).then(|| match next {
            4 | 41 => What::Packet(plain(bytes)),
            next => What::Rest(*next, bytes),
        })
    })
}

/// RFC 2784, RFC 2890; version 1 is PPTP's (RFC 2637).
fn gre(bytes: &[u8]) -> Option<Link<'_>> {
    let [f0, f1, p0, p1, ..] = bytes else {
        return None;
    };
    let flags = u16::from_be_bytes([*f0, *f1]);
    let kind = u16::from_be_bytes([*p0, *p1]);
    let optional = |bit: u16| if flags & bit != 0 { 4 } else { 0 };
    // The source routes of RFC 1701 are not used.
    let header = match (flags & 0x07, flags & 0x4000) {
        (0, 0) => 4 + optional(0x8000) + optional(0x2000) + optional(0x1000),
        (1, 0) => 8 + optional(0x1000) + optional(0x0080),
        _ => return None,
    };
    let inner = bytes.get(header..)?;
    let (next, inner) = match kind {
        // draft-foschiano-erspan: type I has no header; type II has one of 8 bytes, and its GRE
        // packets are numbered.
        0x88be => (
            Next::Frame,
            inner.get(if optional(0x1000) > 0 { 8 } else { 0 }..)?,
        ),
        0x22eb => {
            let more = if inner.get(11)? & 1 == 1 { 8 } else { 0 };
            (Next::Frame, inner.get(12 + more..)?)
        }
        0x880b => (Next::Ppp, inner),
        // Cisco's WCCP: version 2 has a header.
        0x883e if inner.first()? >> 4 == 4 => (Next::Ip, inner),
        0x883e => (Next::Ip, inner.get(4..)?),
        // Cisco's metadata follows the type here.
        0x8909 => (Next::EtherType(number(inner, 0).ok()?), inner.get(8..)?),
        // Aruba access points: the wireless frame.
        0x8200..=0x83ff | 0x9000 => ieee80211::decode(inner).ok()?,
        kind => return carried(kind, inner),
    };
    peel(next, inner).ok()
}

/// The payload of an `EtherType`: a packet, or a whole frame (transparent Ethernet bridging).
fn carried(kind: u16, bytes: &[u8]) -> Option<Link<'_>> {
    (kind > 1500)
        .then(|| peel(Next::EtherType(kind), bytes).ok())
        .flatten()
}

/// Mixes the network id into the path: different networks may use the same addresses.
fn within(inner: Link<'_>, network: u32) -> Link<'_> {
    let path = inner.path.rotate_left(7) ^ (network + 1).wrapping_mul(0x85eb_ca6b);
    Link { path, ..inner }
}

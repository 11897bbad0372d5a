//! The headers before the IP header, layer by layer: Ethernet, its tags, IEEE 802.2, MPLS labels,
//! PPP. Any nesting is accepted, and decoding ends because each layer takes at least one byte.
//!
//! Each layer returns what comes [next](Next).

use crate::foreign::Foreign;
use crate::frame::LinkType;
use crate::packet::{Undecoded, path_of};

use super::link;
use super::proof::{self, Proof};

/// The IP packet of a frame, and the networks it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    /// The bytes from the IP header to the end of the frame, including padding.
    pub(super) ip: &'a [u8],
    /// Hash of the VLAN tags; 0 if there are none.
    pub(super) path: u32,
}

/// The kind of the next layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// An IP header.
    Ip,
    /// An Ethernet frame.
    Frame,
    /// The protocol with this `EtherType`.
    EtherType(u16),
    /// An IEEE 802.2 header.
    Llc,
    /// A PPP frame.
    Ppp,
    /// MPLS labels.
    Labels,
    /// A frame of this link type.
    Link(LinkType),
}

/// Result of removing a layer: the kind of the next one, and its bytes.
pub(super) type Peeled<'a> = Result<(Next, &'a [u8]), Undecoded>;

/// Removes all layers before the IP header.
pub(super) fn peel(mut next: Next, mut bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let mut path = 0;
    loop {
        (next, bytes) = match next {
            Next::Ip => return Ok(Link { ip: bytes, path }),
            Next::Frame => frame(bytes)?,
            Next::EtherType(kind) => ether_type(kind, bytes, &mut path)?,
            Next::Llc => llc(bytes)?,
            Next::Ppp => ppp(bytes)?,
            Next::Labels => labels(bytes)?,
            Next::Link(link) => link::decode(link, bytes)?,
        };
    }
}

/// Reads the `EtherType` at offset `at`; its payload follows.
pub(super) fn typed(bytes: &[u8], at: usize) -> Peeled<'_> {
    Ok((
        Next::EtherType(number(bytes, at)?),
        after(bytes, at.saturating_add(2))?,
    ))
}

/// Length in bytes, including the `EtherType`, of a tag that can be cut out of a frame so that an
/// untagged frame remains; 0 for others.
const fn tag(ether_type: u16) -> usize {
    match ether_type {
        // 802.1Q, 802.1ad, and older QinQ.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => 4,
        // VN-tag, and HSR (IEC 62439-3).
        0x8926 | 0x892f => 6,
        // E-tag (802.1BR), and Cisco's metadata.
        0x893f | 0x8909 => 8,
        _ => 0,
    }
}

/// End offset of the tags that begin at `start`.
pub(super) fn end_of_tags(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while let Ok(kind) = number(bytes, end)
        && tag(kind) > 0
    {
        end += tag(kind);
    }
    end
}

/// IEEE 802.3: an `EtherType`, or a length followed by 802.2.
fn frame(bytes: &[u8]) -> Peeled<'_> {
    // Cisco's Inter-Switch Link: a frame inside a frame, recognised by its first five bytes.
    if let [0x01 | 0x03, 0x00, 0x0c, 0x00, 0x00, ..] = bytes
        && number(bytes, 14) == Ok(0xaaaa)
    {
        return Ok((Next::Frame, after(bytes, 26)?));
    }
    typed(bytes, 12)
}

/// Decodes the payload of an `EtherType`. Networks with different ids may use the same addresses,
/// so the ids are mixed into the path. Ids that differ between the two directions are not.
fn ether_type<'a>(kind: u16, bytes: &'a [u8], path: &mut u32) -> Peeled<'a> {
    match kind {
        0x0800 | 0x86dd => Ok((Next::Ip, bytes)),
        ..=1500 => Ok((Next::Llc, bytes)),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            // Id 0 means no network: the tag only has a priority (802.1Q).
            match number(bytes, 0)? & 0x0fff {
                0 => {}
                // The hash distinguishes tag 1 in tag 2 from tag 2 in tag 1.
                tag => *path = path.rotate_left(13) ^ path_of(tag),
            }
            typed(bytes, 2)
        }
        0x8926 | 0x892f | 0x893f | 0x8909 => typed(bytes, tag(kind) - 2),
        0x6558 => Ok((Next::Frame, bytes)),
        0x8847 | 0x8848 => Ok((Next::Labels, bytes)),
        0x8864 => Ok((Next::Ppp, after(bytes, 6)?)),
        0x880b => Ok((Next::Ppp, bytes)),
        // 802.1ah: flags, a service id, and a customer's frame.
        0x88e7 => {
            let [_, s0, s1, s2, frame @ ..] = bytes else {
                return Err(Undecoded::Cut);
            };
            let service = u32::from_be_bytes([0, *s0, *s1, *s2]);
            *path = path.rotate_left(17) ^ (service + 1).wrapping_mul(0xc2b2_ae35);
            Ok((Next::Frame, frame))
        }
        // 802.1AE: flags (encrypted or not), an optional channel id, and a trailing checksum.
        0x88e5 => {
            let control = *bytes.first().ok_or(Undecoded::Cut)?;
            if control & 0x8c != 0 {
                return Err(Undecoded::NotIp(Foreign::EtherType(kind)));
            }
            typed(bytes, if control & 0x20 != 0 { 14 } else { 6 })
        }
        // RFC 8300: the header has its own length and the kind of the next layer.
        0x894f => {
            let [version, length, _, next, ..] = bytes else {
                return Err(Undecoded::Cut);
            };
            let next = match (version >> 6, next) {
                (0, 1 | 2) => Next::Ip,
                (0, 3) => Next::Frame,
                (0, 4) => Next::EtherType(kind),
                (0, 5) => Next::Labels,
                _ => return Err(Undecoded::NotIp(Foreign::EtherType(kind))),
            };
            let length = usize::from(length & 0x3f).max(2) * 4;
            Ok((next, after(bytes, length)?))
        }
        // RFC 6325: nicknames of bridges, and optional options.
        0x22f3 => {
            let options = usize::from((number(bytes, 0)? >> 6) & 0x1f) * 4;
            Ok((Next::Frame, after(bytes, 6 + options)?))
        }
        // FabricPath: its addresses are the outer ones.
        0x8903 => Ok((Next::Frame, after(bytes, 2)?)),
        // Marvell's tag with an EtherType.
        0xdada => typed(bytes, 6),
        // B.A.T.M.A.N. unicast, with or without a fourth address, and broadcast.
        0x4305 => match bytes {
            [0x40, 15, ..] => Ok((Next::Frame, after(bytes, 10)?)),
            [0x42, 15, ..] => Ok((Next::Frame, after(bytes, 18)?)),
            [0x01, 15, ..] => Ok((Next::Frame, after(bytes, 14)?)),
            _ => Err(Undecoded::NotIp(Foreign::EtherType(kind))),
        },
        other => Err(Undecoded::NotIp(Foreign::EtherType(other))),
    }
}

/// IEEE 802.2: IP with its own service access point, SNAP, or an ISO network-layer id.
fn llc(bytes: &[u8]) -> Peeled<'_> {
    match bytes {
        [0xaa | 0xab, 0xaa | 0xab, 0x03, rest @ ..] => snap(rest),
        [0x06, 0x06, 0x03, ip @ ..] => Ok((Next::Ip, ip)),
        [0xfe, 0xfe, 0x03, rest @ ..] if matches!(rest, [0x8e | 0xcc, ..]) => nlpid(rest),
        [sap, _, _, ..] => Err(Undecoded::NotIp(Foreign::Lsap(*sap))),
        _ => Err(Undecoded::Cut),
    }
}

/// SNAP with an `EtherType` (RFC 1042, or a bridge's 802.1H), with whole frames (RFC 2427 section
/// 4.2), or with other protocols.
fn snap(bytes: &[u8]) -> Peeled<'_> {
    let [o0, o1, o2, p0, p1, rest @ ..] = bytes else {
        return Err(Undecoded::Cut);
    };
    let organisation = u32::from_be_bytes([0, *o0, *o1, *o2]);
    match (organisation, u16::from_be_bytes([*p0, *p1])) {
        (0 | 0x00_00f8, kind) => Ok((Next::EtherType(kind), rest)),
        (0x00_80c2, 1 | 7) => Ok((Next::Frame, rest)),
        (organisation, protocol) => Err(Undecoded::NotIp(Foreign::Snap(organisation, protocol))),
    }
}

/// ISO network-layer ids as in frame relay (RFC 2427 section 3); a zero byte may precede them.
pub(super) fn nlpid(bytes: &[u8]) -> Peeled<'_> {
    match bytes {
        [0x00, 0x80, rest @ ..] | [0x80, rest @ ..] => snap(rest),
        [0x8e | 0xcc, ip @ ..] | [0x00, 0x8e | 0xcc, ip @ ..] => Ok((Next::Ip, ip)),
        [0xcf, rest @ ..] => Ok((Next::Ppp, rest)),
        [0x00, other, ..] | [other, ..] => Err(Undecoded::NotIp(Foreign::Nlpid(*other))),
        [] => Err(Undecoded::Cut),
    }
}

/// RFC 1661, RFC 1662: the address and control bytes are optional, and the protocol may have one
/// byte.
fn ppp(bytes: &[u8]) -> Peeled<'_> {
    let bytes = match bytes {
        [0xff | 0x0f, 0x03, rest @ ..] => rest,
        _ => bytes,
    };
    match bytes {
        [0x00, 0x21 | 0x57, ip @ ..] | [0x21 | 0x57, ip @ ..] => Ok((Next::Ip, ip)),
        [0x08, 0x00, ip @ ..] | [0x86, 0xdd, ip @ ..] => Ok((Next::Ip, ip)),
        [0x02, 0x81 | 0x83, labels @ ..] => Ok((Next::Labels, labels)),
        // A bridged frame (RFC 3518), and an unfragmented packet of a multilink bundle (RFC 1990).
        [0x00, 0x31, _, 1, frame @ ..] | [0x31, _, 1, frame @ ..] => Ok((Next::Frame, frame)),
        [0x00, 0x3d, 0xc0..=0xff, _, _, _, rest @ ..] | [0x3d, 0xc0..=0xff, _, _, _, rest @ ..] => {
            Ok((Next::Ppp, rest))
        }
        [first, ..] if first & 1 == 1 => Err(Undecoded::NotIp(Foreign::Ppp(u16::from(*first)))),
        _ => Err(Undecoded::NotIp(Foreign::Ppp(number(bytes, 0)?))),
    }
}

/// RFC 3032: labels up to the bottom of the stack. The first four bits after it show what follows:
/// IP, or a pseudowire (RFC 4448) with or without a control word.
fn labels(mut bytes: &[u8]) -> Peeled<'_> {
    loop {
        let (label, rest) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
        bytes = rest;
        if label[2] & 1 == 1 {
            break;
        }
    }
    let first = *bytes.first().ok_or(Undecoded::Cut)?;
    let word = bytes.get(4..).unwrap_or_default();
    if matches!(first >> 4, 4 | 6) && proof::of_ip(bytes, true) != Proof::Wrong {
        Ok((Next::Ip, bytes))
    } else if first >> 4 == 0 && begins_frame(word) {
        Ok((Next::Frame, word))
    } else if begins_frame(bytes) {
        Ok((Next::Frame, bytes))
    } else if matches!(first >> 4, 4 | 6) {
        Ok((Next::Ip, bytes))
    } else {
        Err(Undecoded::NotIp(Foreign::EtherType(0x8847)))
    }
}

/// Whether an Ethernet frame probably begins here: its `EtherType` is IP, a tag, or a protocol with
/// a known name, or it has a length and 802.2.
fn begins_frame(bytes: &[u8]) -> bool {
    let Ok(kind) = number(bytes, 12) else {
        return false;
    };
    match kind {
        0x0800 => matches!(bytes.get(14), Some(0x45..=0x4f)),
        0x86dd => matches!(bytes.get(14), Some(0x60..=0x6f)),
        3..=1500 => matches!(
            bytes.get(14..16),
            Some([0x42, 0x42] | [0xaa, 0xaa] | [0xfe, 0xfe])
        ),
        kind => tag(kind) > 0 || Foreign::EtherType(kind).name().is_some(),
    }
}

/// The big-endian number at `offset`.
pub(super) fn number(bytes: &[u8], offset: usize) -> Result<u16, Undecoded> {
    let pair = bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<2>())
        .ok_or(Undecoded::Cut)?;
    Ok(u16::from_be_bytes(*pair))
}

/// The bytes from `offset` on.
pub(super) fn after(bytes: &[u8], offset: usize) -> Result<&[u8], Undecoded> {
    bytes.get(offset..).ok_or(Undecoded::Cut)
}

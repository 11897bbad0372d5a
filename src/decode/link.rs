//! Link layers: everything in front of the IP header.

use crate::frame::{Frame, LinkType};
use crate::packet::{Undecoded, path_of};

use super::ieee80211;

/// The IP packet of a frame, and what is wrapped around it.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    /// From the IP header to the end of the frame, padding included.
    pub(super) ip: &'a [u8],
    /// A mix of the VLAN tags; 0 for none.
    pub(super) path: u32,
}

/// Take the link layer off.
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Result<Link<'a>, Undecoded> {
    let bytes = frame.bytes;
    match frame.link {
        LinkType::ETHERNET => ethernet(bytes),
        LinkType::LINUX_SLL => ether_type(at(bytes, 14)?, behind(bytes, 16)?),
        LinkType::LINUX_SLL2 => ether_type(at(bytes, 0)?, behind(bytes, 20)?),
        LinkType::NULL | LinkType::LOOP => null(bytes),
        LinkType(12 | 14) | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => Ok(plain(bytes)),
        LinkType::PPP | LinkType::PPP_SERIAL => ppp(bytes),
        LinkType::PPP_ETHER => pppoe(bytes),
        LinkType::C_HDLC => ether_type(at(bytes, 2)?, behind(bytes, 4)?),
        // ngrep's fixed lengths: a MAC header and LLC/SNAP.
        LinkType::TOKEN_RING => ether_type(at(bytes, 20)?, behind(bytes, 22)?),
        LinkType::FDDI => ether_type(at(bytes, 19)?, behind(bytes, 21)?),
        LinkType::PFLOG => pflog(bytes),
        LinkType::NFLOG => nflog(bytes),
        LinkType::IEEE802_11 => ieee80211::decode(bytes),
        LinkType::IEEE802_11_RADIOTAP => ieee80211::radiotap(bytes),
        LinkType(119 | 163) => ieee80211::prism(bytes),
        LinkType(other) => Err(Undecoded::LinkType(other)),
    }
}

/// The frame's bytes without its VLAN tags, so that a capture filter means the same for tagged and untagged frames.
/// Borrowed from the frame when it has none, else copied into `scratch`.
pub fn untagged<'f>(frame: &Frame<'f>, scratch: &'f mut Vec<u8>) -> &'f [u8] {
    let bytes = frame.bytes;
    let addresses = match frame.link {
        LinkType::ETHERNET => 12,
        LinkType::LINUX_SLL => 14,
        _ => return bytes,
    };
    let mut end = addresses;
    while at(bytes, end).is_ok_and(is_tag) {
        end += 4;
    }
    if end == addresses {
        return bytes;
    }
    scratch.clear();
    scratch.extend_from_slice(bytes.get(..addresses).unwrap_or_default());
    scratch.extend_from_slice(bytes.get(end..).unwrap_or_default());
    scratch
}

/// `EtherType`s that are a VLAN tag: 802.1Q, 802.1ad, and the older `QinQ`.
const fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100)
}

pub(super) fn ethernet(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    match at(bytes, 12)? {
        // IEEE 802.3: a length, then LLC; SNAP carries an EtherType (RFC 1042).
        length if length <= 1500 => snap(behind(bytes, 14)?),
        kind => ether_type(kind, behind(bytes, 14)?),
    }
}

/// LLC and SNAP (RFC 1042), with the code of Ethernet or that of a bridge (IEEE 802.1H).
pub(super) fn snap(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    match bytes {
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, rest @ ..] => ether_type(at(rest, 0)?, behind(rest, 2)?),
        _ => Err(Undecoded::NotIp(None)),
    }
}

/// Linux' packet filter log: attributes of a length and a kind, in the byte order of the machine that captured.
fn nflog(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    const PAYLOAD: u16 = 9;
    let mut rest = behind(bytes, 4)?;
    while let [l0, l1, k0, k1, ..] = rest {
        let little = u16::from_le_bytes([*k0, *k1]) < 256;
        let number = |pair: [u8; 2]| match little {
            true => u16::from_le_bytes(pair),
            false => u16::from_be_bytes(pair),
        };
        let (len, kind) = (usize::from(number([*l0, *l1])), number([*k0, *k1]));
        if len < 4 {
            return Err(Undecoded::Malformed);
        }
        if kind & 0x7fff == PAYLOAD {
            return Ok(plain(rest.get(4..len).unwrap_or(&rest[4..])));
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Err(Undecoded::NotIp(None))
}

/// What an `EtherType` announces; VLAN tags to any depth.
pub(super) fn ether_type(mut kind: u16, mut bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let mut path = 0_u32;
    while is_tag(kind) {
        // The mix must tell tag 1 in tag 2 from tag 2 in tag 1.
        path = path.rotate_left(13) ^ path_of(at(bytes, 0)? & 0x0fff);
        kind = at(bytes, 2)?;
        bytes = behind(bytes, 4)?;
    }
    match kind {
        0x0800 | 0x86dd => Ok(Link { ip: bytes, path }),
        0x8864 => pppoe(bytes).map(|inner| Link { path, ..inner }),
        0x8847 | 0x8848 => mpls(bytes).map(|inner| Link { path, ..inner }),
        other => Err(Undecoded::NotIp(Some(other))),
    }
}

/// BSD loopback: an address family in the byte order of the machine that captured (LOOP: of the network).
fn null(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let (family, ip) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
    // One of the two readings is a small number.
    match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        // AF_INET, and AF_INET6 of Linux, the BSDs and macOS.
        2 | 10 | 24 | 28 | 30 => Ok(plain(ip)),
        _ => Err(Undecoded::NotIp(None)),
    }
}

/// RFC 1661, RFC 1662: the address and control bytes may be left out, and the protocol may be one byte.
pub(super) fn ppp(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let bytes = match bytes {
        [0xff | 0x0f, 0x03, rest @ ..] => rest,
        _ => bytes,
    };
    match bytes {
        [0x00, 0x21 | 0x57, ip @ ..] | [0x21 | 0x57, ip @ ..] => Ok(plain(ip)),
        [0x08, 0x00, ip @ ..] | [0x86, 0xdd, ip @ ..] => Ok(plain(ip)),
        [0x02, 0x81 | 0x83, labels @ ..] => mpls(labels),
        [] => Err(Undecoded::Cut),
        _ => Err(Undecoded::NotIp(None)),
    }
}

/// RFC 2516, a session's data.
fn pppoe(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    ppp(behind(bytes, 6)?)
}

/// RFC 3032: labels up to the bottom of the stack; what is behind them shows by its first four bits.
pub(super) fn mpls(mut bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    loop {
        let (label, rest) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
        bytes = rest;
        if label[2] & 1 == 1 {
            break;
        }
    }
    match bytes.first().ok_or(Undecoded::Cut)? >> 4 {
        4 | 6 => Ok(plain(bytes)),
        _ => Err(Undecoded::NotIp(None)),
    }
}

/// OpenBSD's packet filter log: the header says its own length, rounded up to four.
fn pflog(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let len = usize::from(*bytes.first().ok_or(Undecoded::Cut)?);
    Ok(plain(behind(bytes, len.next_multiple_of(4))?))
}

pub(super) const fn plain(ip: &[u8]) -> Link<'_> {
    Link { ip, path: 0 }
}

fn at(bytes: &[u8], offset: usize) -> Result<u16, Undecoded> {
    let pair = bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<2>())
        .ok_or(Undecoded::Cut)?;
    Ok(u16::from_be_bytes(*pair))
}

fn behind(bytes: &[u8], offset: usize) -> Result<&[u8], Undecoded> {
    bytes.get(offset..).ok_or(Undecoded::Cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Timestamp;
    use crate::packet::vlan_of;

    fn frame(link: LinkType, bytes: &[u8]) -> Frame<'_> {
        Frame {
            number: 1,
            ts: Timestamp::default(),
            interface: 0,
            link,
            wire_len: bytes.len() as u32,
            bytes,
        }
    }

    fn tagged(tags: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        for tag in tags {
            bytes.extend([0x81, 0x00, 0, *tag]);
        }
        bytes.extend([0x08, 0x00, 0x45, 0xff]);
        bytes
    }

    #[test]
    fn each_link_type_leads_to_the_ip_header() {
        let mut sll = vec![0; 14];
        sll.extend([0x08, 0, 0x45]);
        let mut sll2 = vec![0x86, 0xdd];
        sll2.extend([0; 18]);
        sll2.push(0x60);
        let table: [(LinkType, &[u8], u8); 10] = [
            (LinkType::LINUX_SLL, &sll, 0x45),
            (LinkType::LINUX_SLL2, &sll2, 0x60),
            (LinkType::NULL, &[2, 0, 0, 0, 0x45], 0x45),
            (LinkType::NULL, &[0, 0, 0, 30, 0x60], 0x60),
            (LinkType::LOOP, &[0, 0, 0, 2, 0x45], 0x45),
            (LinkType::RAW, &[0x45], 0x45),
            (LinkType::PPP, &[0xff, 0x03, 0x00, 0x21, 0x45], 0x45),
            (LinkType::PPP, &[0x57, 0x60], 0x60),
            (LinkType::C_HDLC, &[0x0f, 0, 0x08, 0, 0x45], 0x45),
            (
                LinkType::PPP_ETHER,
                &[0x11, 0, 0, 1, 0, 3, 0, 0x21, 0x45],
                0x45,
            ),
        ];
        for (link, bytes, first) in table {
            let got = decode(&frame(link, bytes)).unwrap_or_else(|why| panic!("{link}: {why:?}"));
            assert_eq!(got.ip.first(), Some(&first), "{link}");
        }
    }

    #[test]
    fn vlan_tags_of_any_depth_are_taken_off_and_tell_paths_apart() {
        let mut paths = Vec::new();
        for tags in [&[][..], &[1], &[2], &[1, 2], &[2, 1], &[1, 2, 3, 4, 5, 6]] {
            let bytes = tagged(tags);
            let link = decode(&frame(LinkType::ETHERNET, &bytes)).unwrap();
            assert_eq!(link.ip, [0x45, 0xff], "{tags:?}");
            assert!(!paths.contains(&link.path), "{tags:?}");
            let alone = match tags {
                [tag] => Some(u16::from(*tag)),
                _ => None,
            };
            assert_eq!(vlan_of(link.path), alone, "{tags:?}");
            paths.push(link.path);
            let mut scratch = Vec::new();
            assert_eq!(
                untagged(&frame(LinkType::ETHERNET, &bytes), &mut scratch),
                tagged(&[]),
                "{tags:?}"
            );
        }
        assert_eq!(paths[0], 0);
    }

    #[test]
    fn what_is_not_ip_has_a_name() {
        let mut arp = vec![0; 12];
        arp.extend([0x08, 0x06, 0, 1]);
        assert_eq!(
            decode(&frame(LinkType::ETHERNET, &arp)).err(),
            Some(Undecoded::NotIp(Some(0x0806)))
        );
        assert_eq!(
            decode(&frame(LinkType(147), &arp)).err(),
            Some(Undecoded::LinkType(147))
        );
        assert_eq!(
            decode(&frame(LinkType::ETHERNET, &arp[..13])).err(),
            Some(Undecoded::Cut)
        );
    }
}

//! Link types: what a frame begins with, by the number that its capture gives.

use crate::foreign::Foreign;
use crate::frame::{Frame, LinkType};
use crate::packet::Undecoded;

use super::ether::{Link, Next, Peeled, behind, end_of_tags, nlpid, number, peel, typed};
use super::ieee80211;
use super::proof::{self, Proof};

/// Take the link layer off.
#[inline]
pub(super) fn take_off<'a>(frame: &Frame<'a>) -> Result<Link<'a>, Undecoded> {
    if let (LinkType::ETHERNET, Some((header, ip))) =
        (frame.link, frame.bytes.split_first_chunk::<14>())
        && matches!(header, [.., 0x08, 0x00] | [.., 0x86, 0xdd])
    {
        // Nearly all that are not the most common frame.
        return Ok(plain(ip));
    }
    let (next, bytes) = decode(frame.link, frame.bytes)?;
    let found = peel(next, bytes);
    let cut = frame.missing() > 0;
    match found {
        // Some interfaces say Ethernet and give bare packets.
        Err(Undecoded::NotIp(_) | Undecoded::Cut)
            if frame.link == LinkType::ETHERNET && proof::of_ip(bytes, cut) == Proof::Sure =>
        {
            Ok(plain(bytes))
        }
        found => found,
    }
}

/// What a frame of this link type begins with. What has a link type inside is taken off here as
/// well.
pub(super) fn decode(link: LinkType, bytes: &[u8]) -> Peeled<'_> {
    match link {
        LinkType::ETHERNET => Ok((Next::Frame, bytes)),
        LinkType::LINUX_SLL => typed(bytes, 14),
        LinkType::LINUX_SLL2 => Ok((Next::EtherType(number(bytes, 0)?), behind(bytes, 20)?)),
        LinkType::NULL | LinkType::LOOP => null(bytes),
        LinkType(12 | 14) | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
            Ok((Next::Ip, bytes))
        }
        LinkType::PPP | LinkType::PPP_SERIAL => Ok((Next::Ppp, bytes)),
        LinkType::PPP_ETHER => Ok((Next::Ppp, behind(bytes, 6)?)),
        // The first byte is the direction; some leave it away, and pppd has it in place of the
        // address.
        LinkType::PPP_WITH_DIR => match bytes {
            [0 | 1, rest @ ..] => Ok((Next::Ppp, rest)),
            _ => Ok((Next::Ppp, bytes)),
        },
        LinkType::PPP_PPPD => match bytes {
            [0 | 1, 0x03, rest @ ..] => Ok((Next::Ppp, rest)),
            _ => Ok((Next::Ppp, bytes)),
        },
        LinkType::C_HDLC => typed(bytes, 2),
        LinkType::C_HDLC_WITH_DIR => typed(bytes, 3),
        LinkType::FRELAY => frame_relay(bytes),
        LinkType::FRELAY_WITH_DIR => frame_relay(behind(bytes, 1)?),
        LinkType::ATM_RFC1483 => Ok((Next::Llc, bytes)),
        LinkType::SLIP => Ok((Next::Ip, behind(bytes, 16)?)),
        // ngrep's fixed lengths: a MAC header and LLC/SNAP.
        LinkType::TOKEN_RING => typed(bytes, 20),
        LinkType::FDDI => typed(bytes, 19),
        LinkType::IP_OVER_FC => Ok((Next::Llc, behind(bytes, 16)?)),
        LinkType::APPLE_IP_OVER_IEEE1394 => typed(bytes, 16),
        LinkType::IPOIB => ipoib(bytes),
        LinkType::PFLOG => pflog(bytes),
        LinkType::NFLOG => nflog(bytes),
        // The address family, the association, and flags; what it is shows by itself.
        LinkType::ENC => Ok((Next::Ip, behind(bytes, 12)?)),
        LinkType::IPNET => Ok((Next::Ip, behind(bytes, 24)?)),
        LinkType::IEEE802_11 => ieee80211::decode(bytes),
        LinkType::IEEE802_11_RADIOTAP => ieee80211::radiotap(bytes),
        LinkType(119 | 163) => ieee80211::prism(bytes),
        // Tags of switch chips: behind the addresses, with an EtherType of their own, or in front
        // of the frame.
        LinkType::DSA_TAG_BRCM | LinkType::DSA_TAG_DSA => typed(bytes, 16),
        LinkType::DSA_TAG_EDSA => typed(bytes, 20),
        LinkType::DSA_TAG_BRCM_PREPEND => Ok((Next::Frame, behind(bytes, 4)?)),
        LinkType::PPI => ppi(bytes),
        LinkType::PKTAP => pktap(bytes).ok_or(Undecoded::Cut),
        // A number for users, and that of pktap where it was new.
        LinkType(149) => pktap(bytes).ok_or(Undecoded::LinkType(149)),
        LinkType(other) => Err(Undecoded::LinkType(other)),
    }
}

/// The frame's bytes without its tags, so that a capture filter means the same for tagged and
/// untagged frames. Borrowed from the frame when it has none, else copied into `scratch`.
pub fn untagged<'f>(frame: &Frame<'f>, scratch: &'f mut Vec<u8>) -> &'f [u8] {
    let bytes = frame.bytes;
    let addresses = match frame.link {
        LinkType::ETHERNET => 12,
        LinkType::LINUX_SLL => 14,
        _ => return bytes,
    };
    let end = end_of_tags(bytes, addresses);
    if end == addresses {
        return bytes;
    }
    scratch.clear();
    scratch.extend_from_slice(bytes.get(..addresses).unwrap_or_default());
    scratch.extend_from_slice(bytes.get(end..).unwrap_or_default());
    scratch
}

pub(super) const fn plain(ip: &[u8]) -> Link<'_> {
    Link { ip, path: 0 }
}

/// Linux' packet filter log: attributes of a length and a kind, in the byte order of the machine
/// that captured.
fn nflog(bytes: &[u8]) -> Peeled<'_> {
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
            return Ok((Next::Ip, rest.get(4..len).unwrap_or(&rest[4..])));
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Err(Undecoded::NotIp(Foreign::Nothing))
}

/// BSD loopback: an address family in the byte order of the machine that captured (LOOP: of the
/// network), or an `EtherType`.
fn null(bytes: &[u8]) -> Peeled<'_> {
    let (family, rest) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
    // One of the two readings is a small number.
    match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        // AF_INET, and AF_INET6 of Linux, Windows, NetBSD and OpenBSD, Solaris, FreeBSD, macOS.
        2 | 10 | 23 | 24 | 26 | 28 | 30 => Ok((Next::Ip, rest)),
        kind @ 0x0600..=0xffff => Ok((Next::EtherType(kind as u16), rest)),
        family => Err(Undecoded::NotIp(Foreign::Family(family))),
    }
}

/// Q.922's address, whose last byte is odd; then RFC 2427's control and identifier, or an
/// `EtherType` as Cisco has it.
fn frame_relay(bytes: &[u8]) -> Peeled<'_> {
    let address = bytes.iter().take(4).position(|byte| byte & 1 == 1);
    let rest = behind(bytes, address.ok_or(Undecoded::Malformed)? + 1)?;
    match rest {
        [0x03, rest @ ..] => nlpid(rest),
        _ => typed(rest, 0),
    }
}

/// RFC 4391 section 6, behind what captures put in front: nothing, a hardware address, or a global
/// routing header.
fn ipoib(bytes: &[u8]) -> Peeled<'_> {
    let begins = |at: &usize| {
        matches!(number(bytes, *at), Ok(0x0800 | 0x86dd | 0x0806)) && number(bytes, at + 2) == Ok(0)
    };
    let at = [40, 20, 0].into_iter().find(begins).unwrap_or(40);
    Ok((Next::EtherType(number(bytes, at)?), behind(bytes, at + 4)?))
}

/// OpenBSD's packet filter log: the header says its own length, rounded up to four.
fn pflog(bytes: &[u8]) -> Peeled<'_> {
    let len = usize::from(*bytes.first().ok_or(Undecoded::Cut)?);
    Ok((Next::Ip, behind(bytes, len.next_multiple_of(4))?))
}

/// What tells of a packet in front of it: its length, and the link type behind it.
fn ppi(bytes: &[u8]) -> Peeled<'_> {
    let [_, _, l0, l1, d0, d1, d2, d3, ..] = bytes else {
        return Err(Undecoded::Cut);
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    let link = LinkType(u32::from_le_bytes([*d0, *d1, *d2, *d3]));
    match len {
        ..8 => Err(Undecoded::Malformed),
        len => Ok((Next::Link(link), behind(bytes, len)?)),
    }
}

/// Darwin's: its length, the type of what follows, the link type, and much of who sent it. `None`:
/// it is none.
fn pktap(bytes: &[u8]) -> Option<(Next, &[u8])> {
    let word = |at: usize| {
        let four = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*four))
    };
    let (len, kind, link) = (word(0)?, word(4)?, word(8)?);
    let len = usize::try_from(len).ok()?;
    let sound = kind == 1 && (52..=1024).contains(&len) && link <= 0xffff;
    let rest = sound.then(|| bytes.get(len..)).flatten()?;
    Some((Next::Link(LinkType(link)), rest))
}

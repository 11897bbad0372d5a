//! Removes the link layer, by the link type of the capture. Unknown link types give an error.

use crate::foreign::Foreign;
use crate::frame::{Frame, LinkType};
use crate::packet::Undecoded;

use super::ether::{Link, Next, Peeled, after, end_of_tags, nlpid, number, peel, typed};
use super::ieee80211;
use super::proof::{self, Proof};

/// Removes all headers before the IP header.
#[inline]
pub(super) fn take_off<'a>(frame: &Frame<'a>) -> Result<Link<'a>, Undecoded> {
    if let (LinkType::ETHERNET, Some((header, ip))) =
        (frame.link, frame.bytes.split_first_chunk::<14>())
        && matches!(header, [.., 0x08, 0x00] | [.., 0x86, 0xdd])
    {
        // Nearly all frames that the fast path for common frames rejects.
        return Ok(plain(ip));
    }
    let (next, bytes) = decode(frame.link, frame.bytes)?;
    let found = peel(next, bytes);
    let cut = frame.missing() > 0;
    match found {
        // Some interfaces declare Ethernet and deliver bare IP packets.
        Err(Undecoded::NotIp(_) | Undecoded::Cut)
            if frame.link == LinkType::ETHERNET && proof::of_ip(bytes, cut) == Proof::Sure =>
        {
            Ok(plain(bytes))
        }
        found => found,
    }
}

/// Decodes the first header of a frame with this link type. If it contains a link type, that header
/// is decoded as well.
pub(super) fn decode(link: LinkType, bytes: &[u8]) -> Peeled<'_> {
    match link {
        LinkType::ETHERNET => Ok((Next::Frame, bytes)),
        LinkType::LINUX_SLL => typed(bytes, 14),
        LinkType::LINUX_SLL2 => Ok((Next::EtherType(number(bytes, 0)?), after(bytes, 20)?)),
        LinkType::NULL | LinkType::LOOP => null(bytes),
        LinkType(12 | 14) | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
            Ok((Next::Ip, bytes))
        }
        LinkType::PPP | LinkType::PPP_SERIAL => Ok((Next::Ppp, bytes)),
        LinkType::PPP_ETHER => Ok((Next::Ppp, after(bytes, 6)?)),
        // The first byte is the direction; some captures omit it, and pppd has it in place of the
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
        LinkType::FRELAY_WITH_DIR => frame_relay(after(bytes, 1)?),
        LinkType::ATM_RFC1483 => Ok((Next::Llc, bytes)),
        LinkType::SLIP => Ok((Next::Ip, after(bytes, 16)?)),
        // ngrep's fixed lengths: a MAC header and LLC/SNAP.
        LinkType::TOKEN_RING => typed(bytes, 20),
        LinkType::FDDI => typed(bytes, 19),
        LinkType::IP_OVER_FC => Ok((Next::Llc, after(bytes, 16)?)),
        LinkType::APPLE_IP_OVER_IEEE1394 => typed(bytes, 16),
        LinkType::IPOIB => ipoib(bytes),
        LinkType::PFLOG => pflog(bytes),
        LinkType::NFLOG => nflog(bytes),
        // Address family, association, and flags; the IP version is in the packet itself.
        LinkType::ENC => Ok((Next::Ip, after(bytes, 12)?)),
        LinkType::IPNET => Ok((Next::Ip, after(bytes, 24)?)),
        LinkType::IEEE802_11 => ieee80211::decode(bytes),
        LinkType::IEEE802_11_RADIOTAP => ieee80211::radiotap(bytes),
        LinkType(119 | 163) => ieee80211::prism(bytes),
        // Tags of switch chips: after the addresses, with an EtherType of their own, or before the
        // frame.
        LinkType::DSA_TAG_BRCM | LinkType::DSA_TAG_DSA => typed(bytes, 16),
        LinkType::DSA_TAG_EDSA => typed(bytes, 20),
        LinkType::DSA_TAG_BRCM_PREPEND => Ok((Next::Frame, after(bytes, 4)?)),
        LinkType::PPI => ppi(bytes),
        LinkType::PKTAP => pktap(bytes).ok_or(Undecoded::Cut),
        // A number reserved for users, which pktap used before it had its own.
        LinkType(149) => pktap(bytes).ok_or(Undecoded::LinkType(149)),
        LinkType(other) => Err(Undecoded::LinkType(other)),
    }
}

/// Returns the bytes of a frame without its tags, so that a capture filter has the same meaning for
/// tagged and untagged frames. Borrowed from the frame if it has no tags, otherwise copied into
/// `scratch`.
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

/// Linux netfilter log (NFLOG): attributes with a length and a kind, in the byte order of the
/// capturing machine.
fn nflog(bytes: &[u8]) -> Peeled<'_> {
    const PAYLOAD: u16 = 9;
    let mut rest = after(bytes, 4)?;
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

/// BSD loopback: an address family in the byte order of the capturing machine (LOOP: in network
/// order), or an `EtherType`.
fn null(bytes: &[u8]) -> Peeled<'_> {
    let (family, rest) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
    // Only one of the two byte orders gives a small number.
    match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        // AF_INET, and AF_INET6 of Linux, Windows, NetBSD and OpenBSD, Solaris, FreeBSD, macOS.
        2 | 10 | 23 | 24 | 26 | 28 | 30 => Ok((Next::Ip, rest)),
        kind @ 0x0600..=0xffff => Ok((Next::EtherType(kind as u16), rest)),
        family => Err(Undecoded::NotIp(Foreign::Family(family))),
    }
}

/// A Q.922 address, whose last byte is odd, followed by RFC 2427's control and identifier, or by an
/// `EtherType` (Cisco).
fn frame_relay(bytes: &[u8]) -> Peeled<'_> {
    let address = bytes.iter().take(4).position(|byte| byte & 1 == 1);
    let rest = after(bytes, address.ok_or(Undecoded::Malformed)? + 1)?;
    match rest {
        [0x03, rest @ ..] => nlpid(rest),
        _ => typed(rest, 0),
    }
}

/// RFC 4391 section 6, after what captures put before it: nothing, a hardware address, or a global
/// routing header.
fn ipoib(bytes: &[u8]) -> Peeled<'_> {
    let begins = |at: &usize| {
        matches!(number(bytes, *at), Ok(0x0800 | 0x86dd | 0x0806)) && number(bytes, at + 2) == Ok(0)
    };
    let at = [40, 20, 0].into_iter().find(begins).unwrap_or(40);
    Ok((Next::EtherType(number(bytes, at)?), after(bytes, at + 4)?))
}

/// OpenBSD's packet filter log: the header has its own length, which is rounded up to a multiple of
/// four.
fn pflog(bytes: &[u8]) -> Peeled<'_> {
    let len = usize::from(*bytes.first().ok_or(Undecoded::Cut)?);
    Ok((Next::Ip, after(bytes, len.next_multiple_of(4))?))
}

/// Per-packet information (PPI): its length, and the link type of the frame after it.
fn ppi(bytes: &[u8]) -> Peeled<'_> {
    let [_, _, l0, l1, d0, d1, d2, d3, ..] = bytes else {
        return Err(Undecoded::Cut);
    };
    let len = usize::from(u16::from_le_bytes([*l0, *l1]));
    let link = LinkType(u32::from_le_bytes([*d0, *d1, *d2, *d3]));
    match len {
        ..8 => Err(Undecoded::Malformed),
        len => Ok((Next::Link(link), after(bytes, len)?)),
    }
}

/// Darwin's pktap: its length, the type of what follows, the link type, and metadata of the sender.
/// `None` if it is none.
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

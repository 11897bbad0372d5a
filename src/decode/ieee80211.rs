//! Wireless frames (IEEE 802.11), with or without a receiver's metadata before them. Encrypted
//! frames give an error.

use crate::foreign::{Foreign, Wireless};
use crate::packet::Undecoded;

use super::ether::{Next, Peeled};

/// A frame after a radiotap header, which has its own length.
pub(super) fn radiotap(bytes: &[u8]) -> Peeled<'_> {
    match bytes {
        [0, _, l0, l1, ..] => {
            let len = usize::from(u16::from_le_bytes([*l0, *l1]));
            decode(bytes.get(len..).ok_or(Undecoded::Cut)?)
        }
        [] | [0] | [0, _] | [0, _, _] => Err(Undecoded::Cut),
        _ => Err(not_ip(Wireless::Unknown)),
    }
}

/// A frame after a Prism or an AVS header: AVS has a magic number and its length; Prism's is fixed.
pub(super) fn prism(bytes: &[u8]) -> Peeled<'_> {
    let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(Undecoded::Cut)?;
    let len = match magic {
        [0x80, 0x21, 0x10, 0x01 | 0x02] => {
            let len = rest.first_chunk::<4>().ok_or(Undecoded::Cut)?;
            usize::try_from(u32::from_be_bytes(*len)).map_err(|_| Undecoded::Malformed)?
        }
        _ => 144,
    };
    decode(bytes.get(len..).ok_or(Undecoded::Cut)?)
}

/// An unencrypted data frame that carries one packet.
pub(super) fn decode(bytes: &[u8]) -> Peeled<'_> {
    match bytes {
        [kind, flags, ..] => data(*kind, *flags, bytes),
        _ => Err(Undecoded::Cut),
    }
}

/// The same with the two bytes of frame control swapped.
pub(super) fn swapped(bytes: &[u8]) -> Peeled<'_> {
    match bytes {
        [flags, kind, ..] => data(*kind, *flags, bytes),
        _ => Err(Undecoded::Cut),
    }
}

fn data(kind: u8, flags: u8, bytes: &[u8]) -> Peeled<'_> {
    match (kind & 0x0f, kind & 0x40, flags & 0x40) {
        (0x08, 0, 0) => {}
        (0x08, 0, _) => return Err(not_ip(Wireless::Encrypted)),
        (0x08, ..) => return Err(not_ip(Wireless::Empty)),
        (0x00, ..) => return Err(not_ip(Wireless::Management)),
        (0x04, ..) => return Err(not_ip(Wireless::Control)),
        _ => return Err(not_ip(Wireless::Unknown)),
    }
    let quality = kind & 0x80 != 0;
    // Frames between access points have a fourth address.
    let addresses = if flags & 0x03 == 0x03 { 30 } else { 24 };
    let mut header = addresses;
    if quality {
        let control = bytes.get(addresses).ok_or(Undecoded::Cut)?;
        if control & 0x80 != 0 {
            return Err(not_ip(Wireless::Aggregate));
        }
        header += 2 + if flags & 0x80 != 0 { 4 } else { 0 };
    }
    Ok((Next::Llc, bytes.get(header..).ok_or(Undecoded::Cut)?))
}

const fn not_ip(kind: Wireless) -> Undecoded {
    Undecoded::NotIp(Foreign::Wireless(kind))
}

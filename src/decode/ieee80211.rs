//! Wireless frames (IEEE 802.11), with or without what the receiver notes in front of them.

use crate::packet::Undecoded;

use super::link::{Link, snap};

/// A frame behind a radiotap header, which says its own length.
pub(super) fn radiotap(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    match bytes {
        [0, _, l0, l1, ..] => {
            let len = usize::from(u16::from_le_bytes([*l0, *l1]));
            decode(bytes.get(len..).ok_or(Undecoded::Cut)?)
        }
        [] | [0] | [0, _] | [0, _, _] => Err(Undecoded::Cut),
        _ => Err(Undecoded::NotIp(None)),
    }
}

/// A frame behind a Prism or an AVS header: AVS says so, and its length; Prism's is fixed.
pub(super) fn prism(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
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

/// A data frame that is not encrypted, and carries one packet.
pub(super) fn decode(bytes: &[u8]) -> Result<Link<'_>, Undecoded> {
    let [kind, flags, ..] = bytes else {
        return Err(Undecoded::Cut);
    };
    let data = kind & 0x0f == 0x08 && kind & 0x40 == 0;
    let protected = flags & 0x40 != 0;
    if !data || protected {
        return Err(Undecoded::NotIp(None));
    }
    let quality = kind & 0x80 != 0;
    // A fourth address between access points.
    let addresses = if flags & 0x03 == 0x03 { 30 } else { 24 };
    let mut header = addresses;
    if quality {
        let control = bytes.get(addresses).ok_or(Undecoded::Cut)?;
        if control & 0x80 != 0 {
            // Several packets in one frame.
            return Err(Undecoded::NotIp(None));
        }
        header += 2 + if flags & 0x80 != 0 { 4 } else { 0 };
    }
    snap(bytes.get(header..).ok_or(Undecoded::Cut)?)
}

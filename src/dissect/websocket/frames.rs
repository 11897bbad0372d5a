//! *Frames* (RFC 6455 section 5.2): their headers, and where they can be recognised among bytes of
//! which nothing is known. Pure functions of bytes.

use super::super::ProbeResult;
use super::Kind;

/// Bytes of the longest header.
pub(super) const HEADER: usize = 14;
/// Bytes of the payload of a control frame (RFC 6455 section 5.5).
pub(super) const CONTROL: u64 = 125;
/// Bytes of a text by which a frame is recognised that is alone.
const TEXT: usize = 8;
/// Bytes of a frame that is looked at whole.
const LOOKED: u64 = 16 << 10;

/// What a frame is (RFC 6455 section 11.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// Reserved for other frames of data, or of control.
    Reserved {
        control: bool,
    },
}

impl Opcode {
    const fn of(byte: u8) -> Self {
        match byte & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => Self::Reserved {
                control: other & 8 != 0,
            },
        }
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(
            self,
            Self::Close | Self::Ping | Self::Pong | Self::Reserved { control: true }
        )
    }

    /// The kind of a message that begins with such a frame.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Text => super::TEXT,
            Self::Binary => super::BINARY,
            Self::Close => super::CLOSE,
            Self::Ping => super::PING,
            Self::Pong => super::PONG,
            Self::Continuation => super::CONTINUATION,
            Self::Reserved { control: false } => super::DATA,
            Self::Reserved { control: true } => super::CONTROL,
        }
    }
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// It is the last frame of its message.
    pub(super) fin: bool,
    /// The first reserved bit: the message is compressed, if that was agreed on.
    pub(super) compressed: bool,
    /// The other reserved bits.
    pub(super) reserved: bool,
    /// What the payload is masked with.
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(super) len: u64,
    /// Its length has more bytes than it needs.
    pub(super) long: bool,
    /// Bytes of the header.
    pub(super) size: usize,
}

/// What bytes are that should begin with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// They begin with this one.
    Header(Header),
    /// At least this many bytes are needed.
    Need(usize),
    /// They do not: no frame has that many bytes.
    Never,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Read {
        let [first, second, rest @ ..] = bytes else {
            return Read::Need(2);
        };
        let masked = second & 0x80 != 0;
        let wide: usize = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let size = wide
            .saturating_add(if masked { 4 } else { 0 })
            .saturating_add(2);
        if bytes.len() < size {
            return Read::Need(size);
        }
        let (len, rest) = rest.split_at_checked(wide).unwrap_or_default();
        let len = len
            .iter()
            .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let (len, least) = match wide {
            0 => (u64::from(second & 0x7f), 0),
            2 => (len, 126),
            _ => (len, 1 << 16),
        };
        if len >> 63 != 0 {
            return Read::Never;
        }
        Read::Header(Self {
            opcode: Opcode::of(*first),
            fin: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            reserved: first & 0x30 != 0,
            mask: rest.first_chunk().copied().filter(|_| masked),
            len,
            long: len < least,
            size,
        })
    }

    /// The rule that it breaks. `masked`: whether those of its direction are to be; `extended`:
    /// whether the first reserved bit has a meaning.
    pub(super) fn oddity(&self, masked: Option<bool>, extended: bool) -> Option<&'static str> {
        let control = self.opcode.is_control();
        if matches!(self.opcode, Opcode::Reserved { .. }) {
            Some("a frame of a reserved type")
        } else if self.reserved || self.compressed && (control || !extended) {
            Some("reserved bits that nothing was agreed on for")
        } else if control && self.len > CONTROL {
            Some("a control frame of more than 125 bytes")
        } else if control && !self.fin {
            Some("a control frame in parts")
        } else if masked == Some(true) && self.mask.is_none() {
            Some("a frame of the client that is not masked")
        } else if masked == Some(false) && self.mask.is_some() {
            Some("a frame of the server that is masked")
        } else if self.long {
            Some("a length in more bytes than it needs")
        } else {
            None
        }
    }
}

/// What speaks for a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Looks {
    /// Nothing: it is none.
    Not,
    /// It may be one.
    Plausible,
    /// Its payload is what it says, and is short.
    Like,
    /// Its payload is what it says: text, or the reason of a close.
    Very,
}

/// Whether bytes begin with frames of a connection of which nothing is known.
///
/// Text is certain if it is not short. Of other frames two in a row are, of which one has text.
pub(super) fn probe(bytes: &[u8]) -> ProbeResult {
    // The first frame of a message, whole or not, or a control frame: nearly no text begins so.
    if !matches!(bytes.first(), Some(0x01 | 0x81 | 0x82 | 0x88..=0x8a | 0xc1)) {
        return ProbeResult::NotForUs;
    }
    let mut at = 0_usize;
    let mut before: Option<(Looks, bool)> = None;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let header = match Header::read(rest) {
            Read::Header(header) => header,
            Read::Need(need) => {
                return ProbeResult::Unsure {
                    need: at.saturating_add(need),
                };
            }
            Read::Never => return ProbeResult::NotForUs,
        };
        let masked = header.mask.is_some();
        let empty = header.len == 0 && header.opcode == Opcode::Text;
        if empty || header.len > LOOKED || before.is_some_and(|(_, other)| other != masked) {
            return ProbeResult::NotForUs;
        }
        let whole = header.size.saturating_add(header.len as usize);
        let Some(payload) = rest.get(header.size..whole) else {
            if looks(&header, rest.get(header.size..).unwrap_or_default(), false) == Looks::Not {
                return ProbeResult::NotForUs;
            }
            return ProbeResult::Unsure {
                need: at.saturating_add(whole),
            };
        };
        match (looks(&header, payload, true), before) {
            (Looks::Not, _) => return ProbeResult::NotForUs,
            (Looks::Very, _) | (Looks::Like, Some(_)) => return ProbeResult::Certain,
            (Looks::Plausible, Some((Looks::Like | Looks::Very, _))) => {
                return ProbeResult::Certain;
            }
            (Looks::Plausible, Some(_)) => return ProbeResult::NotForUs,
            (looks, None) => before = Some((looks, masked)),
        }
        at = at.saturating_add(whole);
    }
}

/// What speaks for a frame whose payload begins so. `whole`: that is all of it.
fn looks(header: &Header, payload: &[u8], whole: bool) -> Looks {
    let odd = header.reserved || header.long || matches!(header.opcode, Opcode::Reserved { .. });
    let control = header.opcode.is_control();
    if odd || control && (!header.fin || header.compressed || header.len > CONTROL) {
        return Looks::Not;
    }
    let plain: Vec<u8>;
    let payload = match header.mask {
        Some(mask) => {
            let keys = mask.iter().cycle();
            plain = payload
                .iter()
                .zip(keys)
                .map(|(byte, key)| byte ^ key)
                .collect();
            &plain
        }
        None => payload,
    };
    match header.opcode {
        Opcode::Text if header.compressed => Looks::Plausible,
        Opcode::Text if !is_text(payload, whole && header.fin) => Looks::Not,
        Opcode::Text if header.len >= TEXT as u64 => Looks::Very,
        Opcode::Text if header.len > 0 => Looks::Like,
        Opcode::Close => match payload {
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                match known && is_text(reason, whole) {
                    true if whole => Looks::Very,
                    true => Looks::Plausible,
                    false => Looks::Not,
                }
            }
            [] => Looks::Plausible,
            [_] if whole => Looks::Not,
            [_] => Looks::Plausible,
        },
        _ => Looks::Plausible,
    }
}

/// Whether bytes are readable. `whole`: no character is cut at their end.
fn is_text(bytes: &[u8], whole: bool) -> bool {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && !whole => {
            let valid = bytes.get(..error.valid_up_to());
            valid
                .and_then(|valid| str::from_utf8(valid).ok())
                .unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_readable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().all(is_readable)
}

/// Whether a segment of a known connection begins with a frame again. `masked`: whether those of
/// its direction are to be; `extended`: whether messages may be compressed.
///
/// All of the segment must be frames. Of the last one only the start may be there, but then it must
/// be text that reads as such.
pub(super) fn resumes(bytes: &[u8], masked: Option<bool>, extended: bool) -> bool {
    let mut rest = bytes;
    let mut count = 0_u32;
    let mut best = Looks::Not;
    while !rest.is_empty() {
        let header = match Header::read(rest) {
            Read::Header(header) => header,
            Read::Need(_) => return best > Looks::Plausible || count > 1,
            Read::Never => return false,
        };
        if header.oddity(masked, extended).is_some() {
            return false;
        }
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        let payload = rest.get(header.size..).unwrap_or_default();
        let (payload, after) = payload.split_at_checked(len).unwrap_or((payload, &[]));
        let whole = payload.len() == len;
        let now = looks(&header, payload, whole);
        match now {
            Looks::Not => return false,
            Looks::Plausible if !whole => return best > Looks::Plausible,
            _ => best = best.max(now),
        }
        count = count.saturating_add(1);
        rest = after;
    }
    // Whole frames up to the end of the segment.
    count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8]) -> Header {
        match Header::read(bytes) {
            Read::Header(header) => header,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn headers_are_read() {
        let table: &[(&[u8], Opcode, u64, usize)] = &[
            (b"\x81\x05hello", Opcode::Text, 5, 2),
            (b"\x82\x7e\x01\x00", Opcode::Binary, 256, 4),
            (b"\x82\x7f\0\0\0\0\0\x01\0\0", Opcode::Binary, 1 << 16, 10),
            (b"\x89\x80\x01\x02\x03\x04", Opcode::Ping, 0, 6),
            (b"\x00\x00", Opcode::Continuation, 0, 2),
            (b"\x8b\x00", Opcode::Reserved { control: true }, 0, 2),
        ];
        for (bytes, opcode, len, size) in table {
            let header = header(bytes);
            assert_eq!(
                (header.opcode, header.len, header.size),
                (*opcode, *len, *size)
            );
            for cut in 0..*size {
                assert!(matches!(Header::read(&bytes[..cut]), Read::Need(need) if need > cut));
            }
        }
        assert_eq!(header(b"\x89\x80\x01\x02\x03\x04").mask, Some([1, 2, 3, 4]));
        assert_eq!(Header::read(b"\x82\x7f\x80\0\0\0\0\0\0\0"), Read::Never);
    }

    #[test]
    fn the_rules_of_headers() {
        let table: &[(&[u8], Option<bool>, Option<&str>)] = &[
            (b"\x81\x00", Some(false), None),
            (b"\x81\x00", None, None),
            (
                b"\x81\x00",
                Some(true),
                Some("a frame of the client that is not masked"),
            ),
            (
                b"\x81\x80\0\0\0\0",
                Some(false),
                Some("a frame of the server that is masked"),
            ),
            (b"\x83\x00", None, Some("a frame of a reserved type")),
            (
                b"\xa1\x00",
                None,
                Some("reserved bits that nothing was agreed on for"),
            ),
            (
                b"\xc1\x00",
                None,
                Some("reserved bits that nothing was agreed on for"),
            ),
            (b"\x09\x00", None, Some("a control frame in parts")),
            (
                b"\x89\x7e\0\x7e",
                None,
                Some("a control frame of more than 125 bytes"),
            ),
            (
                b"\x81\x7e\0\x7d",
                None,
                Some("a length in more bytes than it needs"),
            ),
        ];
        for (bytes, masked, odd) in table {
            assert_eq!(
                header(bytes).oddity(*masked, false),
                *odd,
                "{}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(header(b"\xc1\x00").oddity(None, true), None);
    }

    #[test]
    fn frames_are_recognised_by_their_text() {
        let unsure = |need| ProbeResult::Unsure { need };
        let table: &[(&[u8], ProbeResult)] = &[
            (b"\x81\x08{\"a\": 1}", ProbeResult::Certain),
            (b"\x81\x88\x01\x01\x01\x01z#`#;!0|", ProbeResult::Certain),
            (b"\x81\x08{\"a\"", unsure(10)),
            (b"\x81\x08{\"a\0", ProbeResult::NotForUs),
            (b"\x81\x02hi", unsure(6)),
            (b"\x81\x02hi\x89\x00", ProbeResult::Certain),
            (b"\x89\x00\x81\x02hi", ProbeResult::Certain),
            (b"\x89\x00\x8a\x00", ProbeResult::NotForUs),
            (b"\x88\x05\x03\xe8bye", ProbeResult::Certain),
            (b"\x88\x05\x13\xe8bye", ProbeResult::NotForUs),
            (b"\x82\x04\0\0\0\0\x81\x02ok", ProbeResult::Certain),
            (b"\x82\x04\0\0\0\0\x82\x02ok", ProbeResult::NotForUs),
            (b"GET / HTTP/1.1\r\n\r\n", ProbeResult::NotForUs),
            (
                b"\x81\0\0\x44 CKFDENECFDEFFCFGEFFCCACACACACACA\0",
                ProbeResult::NotForUs,
            ),
            (b"", ProbeResult::NotForUs),
        ];
        for (bytes, probed) in table {
            assert_eq!(probe(bytes), *probed, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn frames_begin_again_where_they_fill_a_segment() {
        let table: &[(&[u8], bool)] = &[
            (b"\x81\x02hi", true),
            (b"\x82\x02\0\0", true),
            (b"\x82\x03\0\0", false),
            (b"\x81\x7e\x01\0a long text of which more is to come", true),
            (b"\x81\x7e\x01\0a long \0text", false),
            (b"\x81\x02hi\x82", true),
            (b"\x82\x02\0\0\x82", false),
            (b"\x81\x82\0\0\0\0hi", false),
            (b"lo\x81\x02hi", false),
            (b"", false),
        ];
        for (bytes, resumed) in table {
            assert_eq!(
                resumes(bytes, Some(false), false),
                *resumed,
                "{}",
                bytes.escape_ascii()
            );
        }
    }
}

//! *Frames* (RFC 9113 sections 4 and 6): their headers, and what their payloads say. Pure functions
//! of bytes.

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 9;
/// What a client's side of a connection begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest payload of a frame, unless the receiver's SETTINGS allow more.
pub(super) const USUAL: u32 = 16_384;

/// What flags mean, for the types that have them.
pub(super) mod flag {
    pub(in crate::dissect::http2) const END_STREAM: u8 = 0x1;
    pub(in crate::dissect::http2) const ACK: u8 = 0x1;
    pub(in crate::dissect::http2) const END_HEADERS: u8 = 0x4;
    pub(in crate::dissect::http2) const PADDED: u8 = 0x8;
    pub(in crate::dissect::http2) const PRIORITY: u8 = 0x20;
}

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    Goaway,
    WindowUpdate,
    Continuation,
    /// Of an extension.
    Other(u8),
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// Bytes of the payload.
    pub(super) len: u32,
    pub(super) kind: Type,
    flags: u8,
    /// The stream; 0 is the connection.
    pub(super) stream: u32,
    /// A bit that is to be 0.
    reserved: bool,
}

impl Header {
    /// Reads the header that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEADER>()?;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Some(Self {
            len: u32::from_be_bytes([0, l0, l1, l2]),
            kind: match kind {
                0 => Type::Data,
                1 => Type::Headers,
                2 => Type::Priority,
                3 => Type::Reset,
                4 => Type::Settings,
                5 => Type::PushPromise,
                6 => Type::Ping,
                7 => Type::Goaway,
                8 => Type::WindowUpdate,
                9 => Type::Continuation,
                other => Type::Other(other),
            },
            flags,
            stream: stream & 0x7fff_ffff,
            reserved: stream >> 31 != 0,
        })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it keeps the rules for its type, as far as the header goes.
    pub(super) const fn is_by_the_rules(&self) -> bool {
        let of_stream = self.stream != 0;
        match self.kind {
            Type::Data | Type::Headers | Type::Continuation => of_stream,
            Type::Priority => of_stream && self.len == 5,
            Type::Reset => of_stream && self.len == 4,
            Type::Settings => {
                let whole = match self.has(flag::ACK) {
                    true => self.len == 0,
                    false => self.len.is_multiple_of(6),
                };
                !of_stream && whole
            }
            Type::PushPromise => of_stream && self.len >= 4,
            Type::Ping => !of_stream && self.len == 8,
            Type::Goaway => !of_stream && self.len >= 8,
            Type::WindowUpdate => self.len == 4,
            Type::Other(_) => true,
        }
    }

    /// Whether it is likely to be a frame's header where one is not certain to begin: of a known
    /// type with known flags, of a stream that a client opened or of none, and of a usual size.
    pub(super) const fn is_plausible(&self) -> bool {
        let known = match self.kind {
            Type::Data => flag::END_STREAM | flag::PADDED,
            Type::Headers => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            Type::PushPromise => flag::END_HEADERS | flag::PADDED,
            Type::Continuation => flag::END_HEADERS,
            Type::Settings | Type::Ping => flag::ACK,
            Type::Priority | Type::Reset | Type::Goaway | Type::WindowUpdate => 0,
            Type::Other(_) => return false,
        };
        let small = match self.kind {
            Type::Settings => self.len <= 6 * 32,
            Type::Headers => self.len > 0,
            _ => true,
        };
        let of_client = self.stream == 0 || !self.stream.is_multiple_of(2);
        self.flags & !known == 0
            && !self.reserved
            && small
            && of_client
            && self.len <= USUAL
            && self.is_by_the_rules()
    }

    /// Bytes of the frame.
    pub(super) const fn whole(&self) -> usize {
        (self.len as usize).saturating_add(HEADER)
    }

    /// The payload without its padding; `None` when there is more of that than payload.
    fn unpadded<'p>(&self, payload: &'p [u8]) -> Option<&'p [u8]> {
        if !self.has(flag::PADDED) {
            return Some(payload);
        }
        let (padding, rest) = payload.split_first()?;
        rest.get(..rest.len().checked_sub(usize::from(*padding))?)
    }

    /// The part of a block that a HEADERS frame has.
    pub(super) fn fragment<'p>(&self, payload: &'p [u8]) -> Option<&'p [u8]> {
        let payload = self.unpadded(payload)?;
        match self.has(flag::PRIORITY) {
            true => payload.get(5..),
            false => Some(payload),
        }
    }

    /// The stream that a `PUSH_PROMISE` frame promises, and the part of a block that it has.
    pub(super) fn promise<'p>(&self, payload: &'p [u8]) -> Option<(u32, &'p [u8])> {
        let (stream, fragment) = self.unpadded(payload)?.split_first_chunk::<4>()?;
        Some((u32::from_be_bytes(*stream) & 0x7fff_ffff, fragment))
    }
}

/// What a GOAWAY frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Goaway<'p> {
    /// The last stream that was, or may be, worked on.
    pub(super) last: u32,
    /// See [`error`].
    pub(super) code: u32,
    /// Anything, mostly text.
    pub(super) debug: &'p [u8],
}

impl<'p> Goaway<'p> {
    /// Reads a payload.
    pub(super) fn read(payload: &'p [u8]) -> Option<Self> {
        let (last, rest) = payload.split_first_chunk::<4>()?;
        let (code, debug) = rest.split_first_chunk::<4>()?;
        Some(Self {
            last: u32::from_be_bytes(*last) & 0x7fff_ffff,
            code: u32::from_be_bytes(*code),
            debug,
        })
    }
}

/// The code that a `RST_STREAM` frame gives.
pub(super) fn reset_code(payload: &[u8]) -> Option<u32> {
    payload
        .first_chunk::<4>()
        .map(|code| u32::from_be_bytes(*code))
}

/// The name of an error (RFC 9113 section 7).
pub(super) const fn error(code: u32) -> &'static str {
    match code {
        0 => "NO_ERROR",
        1 => "PROTOCOL_ERROR",
        2 => "INTERNAL_ERROR",
        3 => "FLOW_CONTROL_ERROR",
        4 => "SETTINGS_TIMEOUT",
        5 => "STREAM_CLOSED",
        6 => "FRAME_SIZE_ERROR",
        7 => "REFUSED_STREAM",
        8 => "CANCEL",
        9 => "COMPRESSION_ERROR",
        10 => "CONNECT_ERROR",
        11 => "ENHANCE_YOUR_CALM",
        12 => "INADEQUATE_SECURITY",
        13 => "HTTP_1_1_REQUIRED",
        _ => "an unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::http2::hpack::testing::unhex;

    fn header(hex: &str) -> Header {
        Header::read(&unhex(hex)).expect("nine bytes are a header")
    }

    #[test]
    fn headers_are_read() {
        let read = header("000102 01 25 80000003");
        assert_eq!((read.len, read.kind, read.stream), (258, Type::Headers, 3));
        assert!(read.has(flag::END_STREAM) && read.has(flag::END_HEADERS));
        assert!(read.has(flag::PRIORITY) && !read.has(flag::PADDED));
        assert!(read.reserved && !read.is_plausible() && read.is_by_the_rules());
        assert_eq!(Header::read(&[0; 8]), None);
    }

    #[test]
    fn plausible_frames_are_told_from_others() {
        let table = [
            ("000000 04 00 00000000", true),
            ("000006 04 00 00000000", true),
            ("000000 04 01 00000000", true),
            ("000006 04 01 00000000", false),
            ("000005 04 00 00000000", false),
            ("000004 08 00 00000000", true),
            ("000004 08 00 00000001", true),
            ("000004 08 00 00000002", false),
            ("000008 06 01 00000000", true),
            ("000008 06 01 00000001", false),
            ("000010 00 00 00000000", false),
            ("000010 00 01 00000001", true),
            ("000010 00 04 00000001", false),
            ("004000 00 00 00000001", true),
            ("004001 00 00 00000001", false),
            ("000010 01 25 00000001", true),
            ("000000 01 05 00000001", false),
            ("000004 03 00 00000001", true),
            ("000005 02 00 00000001", true),
            ("000008 07 00 00000000", true),
            ("000000 00 00 00000000", false),
            ("000010 0a 00 00000000", false),
        ];
        for (hex, plausible) in table {
            assert_eq!(header(hex).is_plausible(), plausible, "{hex}");
        }
    }

    #[test]
    fn padding_is_taken_off() {
        let padded = header("000006 01 2c 00000001");
        assert_eq!(padded.fragment(b"\x02PRIOR12"), Some(&b""[..]));
        assert_eq!(padded.fragment(b"\x02PRIORab12"), Some(&b"ab"[..]));
        assert_eq!(padded.fragment(b"\x05PRIOR12"), None);
        assert_eq!(padded.fragment(b"\x03ab"), None);
        assert_eq!(padded.fragment(b""), None);
        let promise = header("000006 05 0c 00000001");
        assert_eq!(
            promise.promise(b"\x01\x80\0\0\x02ab!"),
            Some((2, &b"ab"[..]))
        );
        assert_eq!(promise.promise(b"\x01\0\0\x02!"), None);
    }

    #[test]
    fn errors_are_read() {
        let goaway = Goaway::read(b"\x80\0\0\x03\0\0\0\x0bcalm").expect("it is whole");
        assert_eq!((goaway.last, error(goaway.code)), (3, "ENHANCE_YOUR_CALM"));
        assert_eq!(goaway.debug, b"calm");
        assert_eq!(Goaway::read(b"\0\0\0\x03\0\0\0"), None);
        assert_eq!(reset_code(b"\0\0\0\x08"), Some(8));
    }
}

//! *gRPC*: the messages of a call, which are the body of a request and of a response of HTTP/2
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>), as text; and how a call
//! ended.
//!
//! Each message is taken off its prefix, decompressed, and written as soon as it is whole. At most
//! [`MESSAGE`] bytes of one are kept, from the decoders' budget; a larger one is emitted as sent.
//! So is what cannot be decompressed, and all that follows bytes that are no prefix.

mod status;
mod wire;

pub use self::status::NAMES;
pub(in crate::dissect) use self::status::{facts, status};

use super::budget::{Budget, Reservation};
use super::http::decoded::{Bounds, Coding, Codings, ExpansionLimit, Piece, Stage};
use crate::message::Decoding;

/// Bytes of a message that is taken apart.
const MESSAGE: usize = 1 << 20;
/// Bytes of a message when it is decompressed; the default limit of receivers.
const PLAIN: usize = 4 << 20;
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// How the messages of a body are coded.
#[derive(Clone, Copy, Debug)]
pub(in crate::dissect) struct Encoding {
    /// What undoes the compression of those that are marked as compressed.
    coding: Option<Coding>,
}

impl Encoding {
    /// That of a body with this `Content-Type`, if its messages are those of a call.
    /// `grpc-encoding` is `encoding`.
    pub(in crate::dissect) fn of(media: &[u8], encoding: Option<&[u8]>) -> Option<Self> {
        const NAME: &[u8] = b"application/grpc";
        // One byte rules out nearly all others.
        if !matches!(media.get(12), Some(b'g' | b'G')) {
            return None;
        }
        let (name, rest) = media.split_at_checked(NAME.len())?;
        let rest = rest.strip_prefix(b"-web").unwrap_or(rest);
        let is = name.eq_ignore_ascii_case(NAME) && matches!(rest, [] | [b'+' | b';' | b' ', ..]);
        is.then(|| {
            let codings = Codings::default().and(encoding.unwrap_or_default());
            Self {
                coding: codings.undoable().first().copied().flatten(),
            }
        })
    }
}

/// The messages of one direction of a call.
pub(in crate::dissect) struct Messages {
    encoding: Encoding,
    prefix: [u8; PREFIX],
    /// Bytes of the prefix.
    len: usize,
    open: Option<Open>,
    /// Messages so far.
    pub(in crate::dissect) count: u64,
    /// Their bytes, decompressed.
    pub(in crate::dissect) size: u64,
    pub(in crate::dissect) state: Decoding,
    /// All that comes is emitted as sent.
    lost: bool,
}

/// A message of which more is to come.
struct Open {
    flags: u8,
    len: u32,
    /// Bytes that are to come.
    left: usize,
    /// Its bytes so far, and the memory for them; `None` if it is emitted as sent.
    kept: Option<(Vec<u8>, Reservation)>,
}

/// The flags of a prefix.
mod flag {
    pub(super) const COMPRESSED: u8 = 1;
    /// Not a message but fields in place of a trailer (gRPC-Web).
    pub(super) const TRAILER: u8 = 0x80;
}

/// Receives text.
pub(in crate::dissect) type Sink<'s> = &'s mut dyn FnMut(&[u8]);

impl Messages {
    pub(in crate::dissect) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            prefix: [0; PREFIX],
            len: 0,
            open: None,
            count: 0,
            size: 0,
            state: Decoding::Decoded,
            lost: false,
        }
    }

    /// Takes the next bytes of the body.
    pub(in crate::dissect) fn push(
        &mut self,
        bytes: &[u8],
        (budget, limit): (&Budget, usize),
        sink: Sink<'_>,
    ) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.lost {
                return sink(rest);
            }
            let Some(open) = &mut self.open else {
                let Some((byte, later)) = rest.split_first() else {
                    return;
                };
                rest = later;
                self.prefix_byte(*byte, (budget, limit), sink);
                continue;
            };
            let (now, later) = rest.split_at_checked(open.left).unwrap_or((rest, &[]));
            open.left = open.left.saturating_sub(now.len());
            rest = later;
            if let Some((kept, room)) = &mut open.kept {
                if room.resize(kept.len().saturating_add(now.len()), limit) {
                    kept.extend_from_slice(now);
                } else {
                    sink(kept);
                    sink(now);
                    open.kept = None;
                    self.state = Decoding::NoRoom;
                }
            } else {
                sink(now);
            }
            if open.left == 0 {
                self.whole((budget, limit), sink);
            }
        }
    }

    /// Takes a byte of a prefix.
    fn prefix_byte(&mut self, byte: u8, (budget, limit): (&Budget, usize), sink: Sink<'_>) {
        if let Some(place) = self.prefix.get_mut(self.len) {
            *place = byte;
            self.len = self.len.saturating_add(1);
        }
        if self.len == 1 && byte & !(flag::COMPRESSED | flag::TRAILER) != 0 {
            return self.lose(sink);
        }
        if self.len < PREFIX {
            return;
        }
        let [flags, len @ ..] = self.prefix;
        let len = u32::from_be_bytes(len);
        self.len = 0;
        let left = usize::try_from(len).unwrap_or(usize::MAX);
        let kept = (left <= MESSAGE)
            .then(|| Reservation::new(budget, 0, limit))
            .flatten()
            .map(|room| (Vec::new(), room));
        let large = kept.is_none();
        self.open = Some(Open {
            flags,
            len,
            left,
            kept,
        });
        if large {
            self.count = self.count.saturating_add(1);
            self.size = self.size.saturating_add(len.into());
            self.title(u64::from(len), None, sink);
        } else if left == 0 {
            self.whole((budget, limit), sink);
        }
    }

    /// What comes is no prefix, or its place is not known: it is emitted as sent.
    fn lose(&mut self, sink: Sink<'_>) {
        let prefix = self.prefix.get(..self.len).unwrap_or_default();
        if !prefix.is_empty() {
            sink(prefix);
        }
        self.len = 0;
        if let Some((kept, _)) = self.open.take().and_then(|open| open.kept) {
            sink(&kept);
        }
        self.lost = true;
        self.state = Decoding::Broken;
    }

    /// Bytes are missing.
    pub(in crate::dissect) fn gap(&mut self, sink: Sink<'_>) {
        if !self.lost {
            self.lose(sink);
        }
    }

    /// The body ends. `whole`: by its own framing.
    pub(in crate::dissect) fn finish(&mut self, whole: bool, sink: Sink<'_>) {
        let rest = self.len > 0 || self.open.is_some();
        if rest {
            let state = self.state;
            self.lose(sink);
            // One that was cut off is no mistake of its sender.
            if !whole {
                self.state = state;
            }
        }
    }

    fn title(&self, size: u64, coded: Option<(&str, usize)>, sink: Sink<'_>) {
        let count = self.count;
        let title = match coded {
            Some((name, wire)) => format!("message {count} ({size} B, {name} {wire} B)\n"),
            None => format!("message {count} ({size} B)\n"),
        };
        sink(title.as_bytes());
    }

    /// All bytes of a message have come.
    fn whole(&mut self, (budget, limit): (&Budget, usize), sink: Sink<'_>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let Some((kept, _room)) = open.kept else {
            return sink(b"\n");
        };
        if open.flags & flag::TRAILER != 0 {
            return sink(&kept);
        }
        self.count = self.count.saturating_add(1);
        if open.flags & flag::COMPRESSED == 0 {
            self.size = self.size.saturating_add(open.len.into());
            self.title(open.len.into(), None, sink);
            return write(&kept, sink);
        }
        let coding = self.encoding.coding;
        let plain = coding.map(|coding| (coding, decompress(coding, &kept, (budget, limit))));
        if let Some((coding, Ok(plain))) = plain {
            let size = plain.len() as u64;
            self.size = self.size.saturating_add(size);
            self.title(size, Some((coding.name(), kept.len())), sink);
            return write(&plain, sink);
        }
        self.state = match plain {
            Some((_, Err(state))) => state,
            _ => Decoding::Broken,
        };
        self.size = self.size.saturating_add(open.len.into());
        self.title(open.len.into(), None, sink);
        sink(&kept);
        sink(b"\n");
    }
}

/// Undoes the compression of a whole message.
fn decompress(
    coding: Coding,
    bytes: &[u8],
    (budget, limit): (&Budget, usize),
) -> Result<Vec<u8>, Decoding> {
    let mut stage = Stage::new(coding, budget, limit).ok_or(Decoding::NoRoom)?;
    let bounds = Bounds {
        wire: bytes.len() as u64,
        free: PLAIN as u64,
    };
    let mut plain = Vec::new();
    let mut take = |piece: Piece<'_>| {
        let Piece::Decoded(text) = piece else {
            return Ok(());
        };
        if plain.len().saturating_add(text.len()) > PLAIN {
            return Err(ExpansionLimit { at: 0 });
        }
        plain.extend_from_slice(text);
        Ok(())
    };
    let pushed = stage.push(Piece::Decoded(bytes), bounds, &mut take);
    let pushed = pushed.and_then(|()| stage.finish(true, &mut take));
    match (pushed, stage.state()) {
        (Err(_), _) => Err(Decoding::Cut),
        (Ok(()), Decoding::Decoded) => Ok(plain),
        (Ok(()), state) => Err(state),
    }
}

/// Writes a message: by its fields, or as it is.
fn write(bytes: &[u8], sink: Sink<'_>) {
    if bytes.is_empty() {
    } else if wire::is_message(bytes) {
        wire::write(bytes, 1, sink);
    } else {
        sink(bytes);
        sink(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn framed(flags: u8, bytes: &[u8]) -> Vec<u8> {
        let len = (bytes.len() as u32).to_be_bytes();
        [&[flags][..], &len, bytes].concat()
    }

    /// The text of a body in pieces of `step` bytes, how it was decoded, and how many messages
    /// there were.
    fn told(body: &[u8], step: usize, whole: bool) -> (String, Decoding, u64) {
        let encoding = Encoding::of(b"application/grpc+proto", Some(b"gzip")).unwrap();
        let budget = Budget::default();
        let mut messages = Messages::new(encoding);
        let mut out = Vec::new();
        let mut sink = |text: &[u8]| out.extend_from_slice(text);
        for piece in body.chunks(step) {
            messages.push(piece, (&budget, 64 << 20), &mut sink);
        }
        messages.finish(whole, &mut sink);
        let (state, count) = (messages.state, messages.count);
        drop(messages);
        assert_eq!(budget.held(), 0);
        (out.escape_ascii().to_string(), state, count)
    }

    #[test]
    fn messages_are_written_however_they_are_cut() {
        let long = [&b"\x0a\x64"[..], &[b'x'; 100]].concat();
        let coded = gzip(&long);
        let body = [
            framed(0, b"\x08\x05"),
            framed(0, b""),
            framed(1, &coded),
            framed(0, b"{\"a\":1}"),
            framed(1, b"no gzip"),
            framed(0x80, b"grpc-status: 0\r\n"),
        ]
        .concat();
        let x = "x".repeat(100);
        let expected = format!(
            "message 1 (2 B)\\n  1: 5\\nmessage 2 (0 B)\\nmessage 3 (102 B, gzip {} B)\\n  1: \\\"{x}\\\"\\nmessage 4 (7 B)\\n{{\\\"a\\\":1}}\\nmessage 5 (7 B)\\nno gzip\\ngrpc-status: 0\\r\\n",
            coded.len()
        );
        for step in [1, 2, 7, 1000] {
            assert_eq!(
                told(&body, step, true),
                (expected.clone(), Decoding::Broken, 5)
            );
        }
    }

    #[test]
    fn what_is_no_message_is_as_sent() {
        let table: &[(&[u8], bool, &str, Decoding)] = &[
            (b"plain text", true, "plain text", Decoding::Broken),
            (b"\0\0\0\0\x05ab", false, "ab", Decoding::Decoded),
            (b"\0\0\0\0\x05ab", true, "ab", Decoding::Broken),
            (b"\0\0", false, "\\x00\\x00", Decoding::Decoded),
        ];
        for (body, whole, text, state) in table {
            for step in [1, 100] {
                let (told, decoded, _) = told(body, step, *whole);
                assert_eq!((told.as_str(), decoded), (*text, *state));
            }
        }
        let large = framed(0, &vec![b'x'; MESSAGE + 1]);
        let (text, state, count) = told(&large, 1000, true);
        assert!(text.starts_with("message 1 (1048577 B)\\nxxx"));
        assert_eq!(
            (state, count, text.len()),
            (Decoding::Decoded, 1, MESSAGE + 1 + 25)
        );
    }

    #[test]
    fn a_message_that_swells_is_cut() {
        let bomb = gzip(&vec![0; PLAIN + 1]);
        let (text, state, _) = told(&framed(1, &bomb), 1000, true);
        assert_eq!(state, Decoding::Cut);
        assert!(text.starts_with("message 1 ("));
    }

    #[test]
    fn bodies_are_calls_by_their_type() {
        let is = |media: &str| Encoding::of(media.as_bytes(), None).is_some();
        for media in [
            "application/grpc",
            "application/grpc+proto",
            "Application/grpc; x=y",
            "application/grpc-web+proto",
        ] {
            assert!(is(media), "{media}");
        }
        for media in [
            "application/grpcx",
            "application/grpc-web-text",
            "text/plain",
            "",
        ] {
            assert!(!is(media), "{media}");
        }
    }
}

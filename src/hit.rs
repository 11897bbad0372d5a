//! The *hit*: a message to be shown, with everything that a renderer needs and nothing else.
//!
//! A hit borrows all its data for the duration of a call. Its ranges are sorted and do not overlap.

use std::ops::Range;

use crate::exchange::Silence;
use crate::failure::Failed;
use crate::flow::{Direction, Endpoint};
use crate::frame::Timestamp;
use crate::message::{BodyFacts, Fact, HeadStyle, Kind, Summary};
use crate::packet::{TcpFlags, Tunnel};
use crate::stream::{GapReason, OutOfStreamReason};
use crate::times::Times;

/// A message (with `--ngrep`, a packet) to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// `#N`: the number of its exchange, burst or datagram. With `--ngrep`: the number of its frame
    /// among those that passed the filter.
    pub number: u64,
    /// Why it is shown.
    pub why: Why,
    /// Sender, receiver, and time.
    pub heading: Heading,
    /// The kind of the message.
    pub kind: Kind,
    /// Which portion of the message this is.
    pub portion: Portion,
    /// Its text as far as it was kept. In a portion: the text that no earlier portion contained.
    pub text: Text<'a>,
    /// Bytes of the body before this text. Earlier portions showed or skipped them.
    pub start: u64,
    /// What this portion needs to know of earlier ones.
    pub carried: Carried,
    /// The number of bytes at the start of `text.bytes` that are the message's head. Only the first
    /// portion has any.
    pub head: usize,
    /// When its first byte was captured.
    pub began: Timestamp,
    /// Facts that are recorded for every message.
    pub brief: Summary,
    /// The frames that carried it, if they are recorded ([`crate::render::Wants::frames`]).
    pub frames: &'a [u64],
    /// Where the pattern matches: ranges into `text.bytes`, sorted, not overlapping, none empty.
    pub matches: &'a [Range<usize>],
    /// The styles of parts of the head: ranges into `text.bytes`, sorted, not overlapping.
    pub styles: &'a [(Range<usize>, HeadStyle)],
    /// The head's fields in order: the ranges of name and value in `text.bytes`, without
    /// surrounding whitespace.
    pub fields: &'a [(Range<usize>, Range<usize>)],
    /// Facts by name.
    pub facts: &'a [Fact],
    /// The body's media type if the body is not readable text.
    pub opaque: Option<&'a str>,
    /// Bytes of the whole decoded body.
    pub body_size: u64,
    /// How the decoded body relates to the bytes on the wire.
    pub body: BodyFacts,
    /// The times of the exchange, for a response whose request was captured.
    pub times: Option<Times>,
    /// The message did not end by its own framing: the stream broke or ended inside it, or was
    /// given up there.
    pub incomplete: bool,
    /// What ended the connection inside the message, if that was captured.
    pub failed: Option<Failed>,
    /// Why the bytes have no place in their stream, if they have none.
    pub aside: Option<OutOfStreamReason>,
    /// The capture joined the flow midstream, and this is the flow's first message.
    pub midstream: bool,
    /// A request whose response is still missing when the flow or the capture ends.
    pub pending: bool,
}

/// An exchange shown as one record: a request and its response, as far as they were captured.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// `#N`.
    pub number: u64,
    /// The request; `None` if it was not captured, or did not fit into the memory for kept
    /// requests.
    pub request: Option<&'a Hit<'a>>,
    /// The final response; `None` if there is none (yet).
    pub response: Option<&'a Hit<'a>>,
    /// The request in a few words, as far as it is known: `GET host/path`.
    pub title: &'a [u8],
    /// The times of the exchange. Without a request, `asked` is the time of the response's first
    /// byte.
    pub times: Times,
    /// Without a response: what is known about its absence.
    pub silence: Silence,
    /// Why there is no response, if the packets show it.
    pub failed: Option<Failed>,
}

/// Why something is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Why {
    /// It matches; with `-v`, it does not.
    Match,
    /// Context of a match (`-A`, `-B`), or with `--pair` the other message of its exchange.
    Context,
    /// It has no payload, and `-e` shows such packets.
    Empty,
}

/// A portion of a message. Most messages are shown whole. A message that takes long in a live
/// capture, or has more matches than are kept at once, is shown in several portions. The
/// concatenated texts of the portions equal the text of the whole message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Portion {
    /// All of it.
    Whole,
    /// The first of several.
    First,
    /// Neither the first nor the last.
    Next,
    /// The last of several.
    Last,
}

/// State that carries over from earlier portions of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    /// Bytes at the start of [`Text::bytes`] that an earlier portion showed and no piece covers: a
    /// match may begin in them.
    pub len: usize,
    /// The number of those bytes that belong to the head.
    pub head: usize,
    /// The offset of the first of those bytes: in the head if `head` is not 0, else in the body.
    pub at: u64,
    /// The number of last matches that reach the end of this portion and may still grow. They are
    /// repeated in the next portion.
    pub unsettled: usize,
    /// Bytes at the end of this portion in which a match may have begun that ends in a later
    /// portion.
    pub open: usize,
    /// Earlier portions skipped bytes of the body.
    pub skipped: bool,
}

impl Hit<'_> {
    /// The final matches: all of them, except those that a later portion may still extend.
    #[must_use]
    pub fn settled(&self) -> &[Range<usize>] {
        let settled = self.matches.len().saturating_sub(self.carried.unsettled);
        self.matches.get(..settled).unwrap_or_default()
    }

    /// Whether this is the last portion of the message.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self.portion, Portion::Whole | Portion::Last)
    }
}

/// The kept text of a message: its bytes, and the pieces that map them to the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<'a> {
    /// All kept bytes, the pieces concatenated.
    pub bytes: &'a [u8],
    /// The pieces, in order; their ranges cover `bytes` from [`Carried::len`] on.
    pub pieces: &'a [Piece],
}

/// A piece of a message's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Kept bytes: a range of [`Text::bytes`].
    Kept(Range<usize>),
    /// This many bytes were searched and are not kept.
    Skipped(u64),
    /// This many bytes were not captured.
    Missing(u64, GapReason),
}

/// The fields of ngrep's header line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heading {
    /// IP protocol number.
    pub protocol: u8,
    /// The time of the message's last byte; with `--ngrep`, of the packet.
    pub ts: Timestamp,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// The direction in its flow; with `--ngrep`, of no meaning.
    pub dir: Direction,
    /// Whether the protocol has ports and they are known.
    pub ports: bool,
    /// TCP flags of the message's last packet.
    pub flags: TcpFlags,
    /// Type and code, for ICMP and IGMP.
    pub icmp: Option<(u8, u8)>,
    /// The tunnel that the payload came in.
    pub tunnel: Option<Tunnel>,
    /// With `--ngrep`: the position of a fragment.
    pub fragment: Option<FragmentMark>,
}

/// ngrep's mark of a fragment, `+8175@1480:40`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentMark {
    /// Identification.
    pub id: u32,
    /// Offset of the fragment in its datagram, in bytes.
    pub offset: u32,
    /// Payload bytes shown.
    pub len: usize,
    /// Not the first fragment: marked with `+`.
    pub later: bool,
}

/// The other message of an exchange of which one message was shown. It is shown as one line,
/// without its text.
#[derive(Clone, Copy, Debug)]
pub struct Companion<'a> {
    /// Number of the exchange.
    pub number: u64,
    /// Sender, receiver, and time.
    pub heading: Heading,
    /// The kind of the message.
    pub kind: Kind,
    /// The message in a few words: a response's facts, a request's title.
    pub title: &'a [u8],
    /// Whether the title was cut.
    pub title_cut: bool,
    /// Facts by name; empty for a request.
    pub facts: &'a [Fact],
    /// The class of the status in the title, for its colour.
    pub role: Option<HeadStyle>,
    /// Bytes of the decoded body.
    pub body_size: u64,
    /// As [`Hit::body`].
    pub body: BodyFacts,
    /// As [`Hit::times`].
    pub times: Option<Times>,
    /// As [`Hit::incomplete`].
    pub incomplete: bool,
    /// As [`Hit::failed`].
    pub failed: Option<Failed>,
}

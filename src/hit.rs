//! The *hit*: a message that is shown, with everything a renderer needs and nothing else.

use std::ops::Range;

use crate::exchange::Silence;
use crate::failure::Failed;
use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::message::{BodyFacts, Fact, HeadStyle, Kind, Summary};
use crate::packet::TcpFlags;
use crate::stream::{GapReason, OutOfStreamReason};
use crate::times::Times;

/// A message (with `--ngrep` a packet) to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// `#N`: the number of its exchange, burst or datagram; with `--ngrep` of its frame behind the
    /// filter.
    pub number: u64,
    /// Why it is shown.
    pub why: Why,
    /// Who said it to whom, and when.
    pub heading: Heading,
    /// What it is.
    pub kind: Kind,
    /// Which portion of the message this is.
    pub portion: Portion,
    /// Its text, as far as it was kept; of a portion what no earlier one has.
    pub text: Text<'a>,
    /// Bytes of the body before that: earlier portions have shown them, or passed over them.
    pub start: u64,
    /// What of earlier portions still matters to this one.
    pub carried: Carried,
    /// How many bytes at the start of `text.bytes` are the message's head; only its first portion
    /// has it.
    pub head: usize,
    /// When its first byte was captured.
    pub began: Timestamp,
    /// Facts that every message has.
    pub brief: Summary,
    /// The frames that brought it, as far as they are noted ([`crate::render::Wants::frames`]).
    pub frames: &'a [u64],
    /// Where the pattern matches: ranges into `text.bytes`, sorted, not overlapping, none empty.
    pub matches: &'a [Range<usize>],
    /// What parts of the head are: ranges into `text.bytes`, sorted, not overlapping.
    pub styles: &'a [(Range<usize>, HeadStyle)],
    /// The head's fields in order: where name and value are in `text.bytes`, without the space
    /// around them.
    pub fields: &'a [(Range<usize>, Range<usize>)],
    /// Facts by name.
    pub facts: &'a [Fact],
    /// The body's media type, when the body is not for reading.
    pub opaque: Option<&'a str>,
    /// Bytes of the whole decoded body.
    pub body_size: u64,
    /// How that relates to what was sent.
    pub body: BodyFacts,
    /// For an answer whose question was captured: the times of the exchange.
    pub times: Option<Times>,
    /// It did not end by its own framing: the stream broke, ended or was given up in it.
    pub incomplete: bool,
    /// What ended its connection in the middle of it, where that was seen.
    pub failed: Option<Failed>,
    /// The bytes have no place in their stream; this is why.
    pub aside: Option<OutOfStreamReason>,
    /// The capture joined its flow in the middle, and this is the flow's first message.
    pub midstream: bool,
    /// It is a question that waits for its answer to this day: the flow or the capture ended.
    pub pending: bool,
}

/// An exchange as one: a question and its answer, as far as they were captured.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// `#N`.
    pub number: u64,
    /// The question; `None` when it was not captured, or there was no room to keep it.
    pub request: Option<&'a Hit<'a>>,
    /// The final answer; `None` when there is none (yet).
    pub response: Option<&'a Hit<'a>>,
    /// The question in a few words, as far as it is known: `GET host/path`.
    pub title: &'a [u8],
    /// When what happened. Without a question `asked` is the answer's first byte.
    pub times: Times,
    /// Without an answer: what is known of that.
    pub silence: Silence,
    /// Why there is no answer, where that was seen.
    pub failed: Option<Failed>,
}

/// Why something is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Why {
    /// It was asked for: it matches, or with `-v` does not.
    Match,
    /// It is a neighbour of a match, or with `--pair` the other half of its exchange.
    Context,
    /// It has no payload, and `-e` asks for those.
    Empty,
}

/// A portion of a message. Most messages come whole. One that takes its time live, or has more
/// matches than are held at once, comes in several: their texts, one after the other, are the text
/// that would have come whole.
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

/// What of earlier portions of a message still matters to a portion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    /// Bytes at the start of [`Text::bytes`] that an earlier portion has shown and no piece covers:
    /// a match may begin in them.
    pub len: usize,
    /// How many of those belong to the head.
    pub head: usize,
    /// The place of the first of them: in the head when some belong to it, else in the body.
    pub at: u64,
    /// How many of the last matches reach the end of this portion and may become longer: they come
    /// again with the next portion.
    pub unsettled: usize,
    /// Bytes at the end of this portion in which a match may have begun that ends in a later one.
    pub open: usize,
    /// Earlier portions have passed over bytes of the body.
    pub skipped: bool,
}

impl Hit<'_> {
    /// The matches that will not change any more: all of them, but in a portion behind which more
    /// comes.
    #[must_use]
    pub fn settled(&self) -> &[Range<usize>] {
        let settled = self.matches.len().saturating_sub(self.carried.unsettled);
        self.matches.get(..settled).unwrap_or_default()
    }

    /// Whether no portion of the message comes after this one.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self.portion, Portion::Whole | Portion::Last)
    }
}

/// The kept text of a message: `bytes`, and how the pieces of it lie in the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<'a> {
    /// All kept bytes, piece behind piece.
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

/// The facts of ngrep's header line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heading {
    /// IP protocol number.
    pub protocol: u8,
    /// The moment the message was complete (with `--ngrep`: the packet's).
    pub ts: Timestamp,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// Whether the ports mean anything.
    pub ports: bool,
    /// TCP flags of the message's last packet.
    pub flags: TcpFlags,
    /// Type and code, for ICMP and IGMP.
    pub icmp: Option<(u8, u8)>,
    /// With `--ngrep`: a fragment's place.
    pub fragment: Option<FragmentMark>,
}

/// ngrep's mark of a fragment, `+8175@1480:40`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentMark {
    /// Identification.
    pub id: u32,
    /// Offset in bytes.
    pub offset: u32,
    /// Payload bytes shown.
    pub len: usize,
    /// Not the first fragment: marked with `+`.
    pub later: bool,
}

/// The other half of an exchange whose one half was shown: one line, no text.
#[derive(Clone, Copy, Debug)]
pub struct Companion<'a> {
    /// Number of the exchange.
    pub number: u64,
    /// Who said it to whom, and when.
    pub heading: Heading,
    /// What it is.
    pub kind: Kind,
    /// The message in a few words: from its facts for an answer, its title for a question.
    pub title: &'a [u8],
    /// Whether the title was cut.
    pub title_cut: bool,
    /// Facts by name (none for a question).
    pub facts: &'a [Fact],
    /// What the status in the title says, for its colour.
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

//! The *message*: what a person would call one thing that was said. A request, an answer, a burst,
//! a datagram.
//!
//! A message is told in pieces ([`MessageEvent`]), so that one of any size is searched to its last
//! byte in constant memory; one that lies in one piece is told at once.

use std::ops::Range;

use crate::flow::Direction;
use crate::stream::{GapReason, PacketInfo};

/// What sort of message it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    /// Its name in machine-readable output: `http.request`, `tcp.burst`, `udp.datagram`.
    pub name: &'static str,
    /// Its part in an exchange.
    pub side: Role,
    /// The size of its body is worth a word. Not that of a DNS response, whose text is its head.
    pub sized: bool,
}

/// The part of a message in an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Role {
    /// It asks; an answer may follow.
    Request,
    /// It answers.
    Response,
    /// It is an exchange of its own: a burst, a datagram.
    #[default]
    Single,
}

/// Which open message of a flow an event belongs to: its direction, and a number in it.
///
/// Any number of messages may be open in a direction; their events interleave freely. Number 0 is
/// the direction itself: where a protocol sends one message after the other, all have it. A
/// protocol with several messages in flight gives each a number of its own, a stream's say. A
/// number is free for another message after [`MessageEvent::End`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct MessageId {
    /// The direction of its bytes.
    pub dir: Direction,
    /// Which of the direction's open messages it is.
    pub number: u32,
}

impl From<Direction> for MessageId {
    /// The message of a direction that has one at a time.
    fn from(dir: Direction) -> Self {
        Self { dir, number: 0 }
    }
}

/// A piece of a message, in this order: one `Start`; any number of the others; one `End`. Or all of
/// it at once: `Complete`.
#[derive(Clone, Copy, Debug)]
pub enum MessageEvent<'a> {
    /// A message begins. Said at its first byte, so that its number and time are those of that
    /// byte.
    Start(Start),
    /// The next bytes of its text, decoded; lent for the call, never empty.
    Data {
        /// Which part of the message they are.
        part: Part,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// What is known of the message now that its head was read. At most once, behind the head's
    /// text.
    Summary {
        /// The facts that every message is asked for.
        brief: Summary,
        /// The message in a few words, as sent: `GET /path`, `200 OK`.
        title: &'a [u8],
    },
    /// Bytes of the message that were not captured. No match crosses them.
    Gap {
        /// How many (on the wire, undecoded).
        len: u64,
        /// Why.
        reason: GapReason,
    },
    /// The body may be read in another way than the one that is told as `Text`: by this name, from
    /// here on. The text of that reading is all that was told so far, then its
    /// [`MessageEvent::Reading`]. At most [`crate::limits::READINGS`] a message, numbered from 0.
    Fork {
        /// Its number in the message.
        reading: u8,
        /// What the bytes are taken for: `gzip`, `sent` for no coding and no framing.
        name: &'static str,
    },
    /// The next bytes of another reading; lent for the call, never empty. They are searched, and
    /// not shown unless they match where the message's own text does not.
    Reading {
        /// Its number.
        reading: u8,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// What became of the body. At most once, right before `End`, and only when bytes of a body
    /// were captured or the message was broken off.
    Body(BodyFacts),
    /// The message is over.
    End {
        /// It was seen to its end by its own framing. False when the stream ended, broke or was
        /// given up in it.
        complete: bool,
    },
    /// A message, from its first byte to its last.
    Complete(Complete<'a>),
}

/// A message that lies in one piece, and whose body is told as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Complete<'a> {
    /// How it begins.
    pub begin: Start,
    /// The packet of its first byte.
    pub first: &'a PacketInfo,
    /// All of its text, of which the first `head` bytes are its head.
    pub text: &'a [u8],
    /// See there.
    pub head: usize,
    /// As in [`MessageEvent::Summary`].
    pub brief: Summary,
    /// As in [`MessageEvent::Summary`].
    pub title: &'a [u8],
}

impl Complete<'_> {
    /// The same in pieces, each with its packet; the message's last byte came with `by`.
    pub fn in_pieces(&self, by: &PacketInfo, mut say: impl FnMut(&PacketInfo, MessageEvent<'_>)) {
        let (head, body) = self
            .text
            .split_at_checked(self.head)
            .unwrap_or((self.text, &[]));
        let (brief, title) = (self.brief, self.title);
        say(self.first, MessageEvent::Start(self.begin));
        say(
            by,
            MessageEvent::Data {
                part: Part::Head,
                bytes: head,
            },
        );
        say(by, MessageEvent::Summary { brief, title });
        if !body.is_empty() {
            say(
                by,
                MessageEvent::Data {
                    part: Part::Body,
                    bytes: body,
                },
            );
            say(
                by,
                MessageEvent::Body(BodyFacts {
                    wire: body.len() as u64,
                    ..BodyFacts::default()
                }),
            );
        }
        say(by, MessageEvent::End { complete: true });
    }
}

/// How a message begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// What it is.
    pub kind: Kind,
    /// Which exchange of its flow it belongs to, counted from 0; an answer has its question's.
    /// `None`: an answer whose question was not captured.
    pub exchange: Option<u64>,
    /// It goes on where the direction's last message ended: matches cross from that one into this
    /// one.
    pub continues: bool,
}

/// A part of a message's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Part {
    /// Start line and header fields, with the empty line behind them, as sent.
    Head,
    /// Body, decoded; all of a burst or a datagram.
    Body,
    /// Fields behind a chunked body, as sent.
    Trailer,
}

/// Small facts of a message that are wanted for each one, shown or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// The status of an answer, 0 for none.
    pub status: u16,
    /// An answer before the answer (1xx): the exchange stays open.
    pub interim: bool,
    /// The message breaks this rule of its protocol, and was read all the same.
    pub odd: Option<&'static str>,
    /// An answer to one of several questions, and which one is not certain: packets were lost, or
    /// the capture began in the middle.
    pub unpaired: bool,
    /// A request that its server made in the client's place, to push the response.
    pub pushed: bool,
    /// It is the end of its exchange: there will be no response.
    pub ends_exchange: bool,
    /// An answer whose exchange is likely, and not certain: where it was counted from, the client
    /// looked as if it waited for each answer.
    pub likely: bool,
}

/// How the text of a message's body relates to the bytes that were sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BodyFacts {
    /// Captured bytes of the body as it was sent: without its framing (chunk sizes), before
    /// anything was decoded.
    pub wire: u64,
    /// What was done to them.
    pub state: Decoding,
    /// What they were taken for, where that is not what the head says: `gzip`, `chunked`; `sent`
    /// for neither coding nor framing.
    pub reading: Option<&'static str>,
    /// Events of an event stream; `None` for any other body.
    pub events: Option<u64>,
    /// Why one of the two sides broke the message off, by the protocol's name for that:
    /// `INTERNAL_ERROR`.
    pub reset: Option<&'static str>,
}

/// What was done to a body's bytes to make them text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Decoding {
    /// Nothing: they carry no coding, or one that is not known.
    #[default]
    AsSent,
    /// All were decoded: decompressed, or turned into UTF-8, or both.
    Decoded,
    /// Decoding failed, at the first byte or later: from there on they were told as sent.
    Broken,
    /// They swell like a bomb: decoding was stopped, and the rest is not told but counted
    /// ([`crate::stats::DissectStats::undecoded_bytes`]).
    Cut,
    /// There was no memory left for its decoder: from there on, mostly the first byte, they were
    /// told as sent.
    NoRoom,
}

/// What a message is, in detail: asked for only when it is shown, read from its kept head.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Facts by name, in order.
    pub facts: Vec<Fact>,
    /// What parts of the head are, for colours: ranges into the head, sorted, not overlapping.
    pub styles: Vec<(Range<usize>, HeadStyle)>,
    /// The fields of the head in order: where name and value are, without the space around them.
    pub fields: Vec<(Range<usize>, Range<usize>)>,
    /// The media type when the body is not for reading (an image, an archive).
    pub opaque: Option<String>,
}

/// One fact of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// Its name: `http.status`.
    pub name: &'static str,
    /// Its value as text; it came off the wire, so it goes to a terminal only through
    /// `render/escape`.
    pub value: String,
    /// It belongs into the message's one-line summary.
    pub summary: bool,
    /// There may be any number of facts with this name: they are a list in machine-readable output.
    pub many: bool,
}

impl HeadStyle {
    /// Whether it is an answer's status.
    #[must_use]
    pub const fn is_status(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Redirect | Self::ClientError | Self::ServerError
        )
    }
}

/// What a part of a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum HeadStyle {
    /// What is asked: a method.
    Method,
    /// An answer's status: all went well (2xx).
    Success,
    /// An answer's status: look elsewhere (3xx).
    Redirect,
    /// An answer's status: the asker is at fault (4xx).
    ClientError,
    /// An answer's status: the answerer is at fault (5xx).
    ServerError,
    /// The name of a field.
    Name,
    /// The name of a field that stands out: negotiation, identity, or asked for by the user.
    KeyName,
    /// The value of a field that stands out.
    KeyValue,
}

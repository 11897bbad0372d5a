//! The *message*: one request, response, burst or datagram.
//!
//! A message is emitted in pieces ([`MessageEvent`]), so a message of any size is searched to its
//! last byte in constant memory. One that lies in one buffer is emitted as a single event.

use std::ops::Range;

use crate::flow::Direction;
use crate::stream::{GapReason, PacketInfo};

/// The kind of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    /// Its name in machine-readable output: `http.request`, `tcp.burst`, `udp.datagram`.
    pub name: &'static str,
    /// Its role in an exchange.
    pub side: Role,
    /// Whether the size of its body is worth showing. False for a DNS response: its text is all
    /// head.
    pub sized: bool,
}

/// The role of a message in an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Role {
    /// A request; a response may follow.
    Request,
    /// A response.
    Response,
    /// An exchange of its own: a burst or a datagram.
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
    /// A message begins. Emitted at its first byte, so that its number and time are those of that
    /// byte.
    Start(Start),
    /// The next bytes of its text, decoded. Borrowed for the call, never empty.
    Data {
        /// Which part of the message they are.
        part: Part,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Emitted at most once, after the text of the head, when the head was parsed.
    Summary {
        /// The facts that are recorded for every message.
        brief: Summary,
        /// The message in a few words, as on the wire: `GET /path`, `200 OK`.
        title: &'a [u8],
    },
    /// Bytes of the message that were not captured. No match spans them.
    Gap {
        /// How many (on the wire, undecoded).
        len: u64,
        /// Why.
        reason: GapReason,
    },
    /// The body may also be read in the way called `name`, from here on. The text of that reading
    /// is all text emitted so far, followed by its [`MessageEvent::Reading`] bytes. At most
    /// [`crate::limits::READINGS`] per message, numbered from 0.
    Fork {
        /// The number of the reading in its message.
        reading: u8,
        /// What the bytes are taken for: `gzip`; `sent` means no coding and no framing.
        name: &'static str,
    },
    /// The next bytes of another reading. Borrowed for the call, never empty. They are searched,
    /// and shown only if they match and the message's own text does not.
    Reading {
        /// The number of the reading.
        reading: u8,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// How the call ended. Emitted at most once, after the body and before `End`.
    Status(&'a CallStatus),
    /// How the body was decoded. Emitted at most once, right before `End`, and only if bytes of a
    /// body were captured or the message was broken off.
    Body(BodyFacts),
    /// The message ends.
    End {
        /// The message ended by its own framing. False if the stream ended or broke inside the
        /// message, or was given up there.
        complete: bool,
    },
    /// A whole message, from its first byte to its last.
    Complete(Complete<'a>),
}

/// A message that lies in one buffer and whose body needed no decoding.
#[derive(Clone, Copy, Debug)]
pub struct Complete<'a> {
    /// How the message begins.
    pub begin: Start,
    /// The packet of its first byte.
    pub first: &'a PacketInfo,
    /// The text of the message; the first `head` bytes are its head.
    pub text: &'a [u8],
    /// The length of the head in bytes.
    pub head: usize,
    /// As in [`MessageEvent::Summary`].
    pub brief: Summary,
    /// As in [`MessageEvent::Summary`].
    pub title: &'a [u8],
}

impl Complete<'_> {
    /// Emits the message piece by piece, each piece with its packet. `by` is the packet of the
    /// message's last byte.
    pub fn in_pieces(&self, by: &PacketInfo, mut emit: impl FnMut(&PacketInfo, MessageEvent<'_>)) {
        let (head, body) = self
            .text
            .split_at_checked(self.head)
            .unwrap_or((self.text, &[]));
        let (brief, title) = (self.brief, self.title);
        emit(self.first, MessageEvent::Start(self.begin));
        emit(
            by,
            MessageEvent::Data {
                part: Part::Head,
                bytes: head,
            },
        );
        emit(by, MessageEvent::Summary { brief, title });
        if !body.is_empty() {
            emit(
                by,
                MessageEvent::Data {
                    part: Part::Body,
                    bytes: body,
                },
            );
            emit(
                by,
                MessageEvent::Body(BodyFacts {
                    wire: body.len() as u64,
                    ..BodyFacts::default()
                }),
            );
        }
        emit(by, MessageEvent::End { complete: true });
    }
}

/// How a message begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// The kind of the message.
    pub kind: Kind,
    /// The number of its exchange within the flow, from 0; a response has the number of its
    /// request. `None` for a response whose request was not captured.
    pub exchange: Option<u64>,
    /// The message continues the direction's previous one: a match may span both.
    pub continues: bool,
}

/// A part of a message's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Part {
    /// Start line and header fields with the empty line after them, as sent.
    Head,
    /// Body, decoded; all of a burst or a datagram.
    Body,
    /// Fields after a chunked body, as sent.
    Trailer,
}

/// Small facts that are recorded for each message, shown or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// The status of a response; 0 for none.
    pub status: u16,
    /// An interim response (1xx): the exchange stays open.
    pub interim: bool,
    /// The protocol rule that the message breaks. The message was parsed nevertheless.
    pub odd: Option<&'static str>,
    /// A response to one of several requests, and it is not certain to which: packets were lost, or
    /// the capture began midstream.
    pub unpaired: bool,
    /// A request that its server made in the client's place, to push the response.
    pub pushed: bool,
    /// It is the end of its exchange: there will be no response.
    pub ends_exchange: bool,
    /// An answer whose exchange is likely, and not certain: where it was counted from, the client
    /// looked as if it waited for each answer.
    pub likely: bool,
}

/// How the text of a message's body relates to the bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BodyFacts {
    /// Captured bytes of the body as sent, before decoding and without framing (chunk sizes).
    pub wire: u64,
    /// How the bytes were decoded.
    pub state: Decoding,
    /// What the bytes were taken for, if that differs from what the head declares: `gzip`,
    /// `chunked`; `sent` for neither coding nor framing.
    pub reading: Option<&'static str>,
    /// What the body consists of, if it is made of parts that are worth counting.
    pub parts: Option<Parts>,
    /// Why one of the two sides broke the message off, by the protocol's name for that:
    /// `INTERNAL_ERROR`.
    pub reset: Option<&'static str>,
}

/// The parts of a body: events, fragments, messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// How many there are.
    pub count: u64,
    /// What one of them is called.
    pub noun: &'static str,
    /// Whether the count is worth a word also for a message that is shown at once.
    pub always: bool,
}

/// How a call ended, apart from the status that the head of its response has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallStatus {
    /// The code, if it is a number.
    pub code: Option<u16>,
    /// What the server says of it, with the protocol's escapes undone. It comes from the wire.
    pub message: String,
}

/// How the bytes of a body became text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Decoding {
    /// Not at all: the body has no coding, or an unknown one.
    #[default]
    AsSent,
    /// All bytes were decoded: decompressed, converted to UTF-8, or both.
    Decoded,
    /// Decoding failed, at the first byte or later. From there on the bytes are as sent.
    Broken,
    /// Decoding stopped because the body expands like a decompression bomb. The remaining bytes are
    /// not emitted but counted ([`crate::stats::DissectStats::undecoded_bytes`]).
    Cut,
    /// The decoder memory was used up. From there on, mostly from the first byte, the bytes are as
    /// sent.
    NoRoom,
    /// What the bytes refer to was not captured, or could not be decoded itself. They are as sent.
    NoStart,
}

/// What a message is described from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its head, as far as it was kept. A message without one: its first bytes.
    pub head: &'a [u8],
    /// The facts of its body; the default as long as it is open.
    pub body: &'a BodyFacts,
    /// How the call ended, if that came after the body.
    pub status: Option<&'a CallStatus>,
}

impl<'a> Known<'a> {
    /// Nothing is known but the head.
    #[must_use]
    pub const fn of_head(head: &'a [u8]) -> Self {
        const NOTHING: &BodyFacts = &BodyFacts {
            wire: 0,
            state: Decoding::AsSent,
            reading: None,
            parts: None,
            reset: None,
        };
        Self {
            head,
            body: NOTHING,
            status: None,
        }
    }
}

/// The details of a message. Computed from what is known of it, and only if the message is shown.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Facts by name, in order.
    pub facts: Vec<Fact>,
    /// The styles of parts of the head: ranges into the head, sorted, not overlapping.
    pub styles: Vec<(Range<usize>, HeadStyle)>,
    /// The fields of the head in order: the ranges of name and value, without surrounding
    /// whitespace.
    pub fields: Vec<(Range<usize>, Range<usize>)>,
    /// The media type if the body is not readable text (an image, an archive).
    pub opaque: Option<String>,
}

/// One fact of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// Its name: `http.status`.
    pub name: &'static str,
    /// Its value as text. It comes from the wire, so it reaches a terminal only through
    /// `render/escape`.
    pub value: String,
    /// Whether it is part of the message's one-line summary.
    pub summary: bool,
    /// Several facts may have this name: machine-readable output makes them a list.
    pub many: bool,
    /// The value is a number or a truth value, which machine-readable output writes as one.
    pub literal: bool,
}

impl HeadStyle {
    /// Whether this is the status of a response.
    #[must_use]
    pub const fn is_status(self) -> bool {
        matches!(
            self,
            Self::Success | Self::Redirect | Self::ClientError | Self::ServerError
        )
    }
}

/// The style of a part of a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum HeadStyle {
    /// A request method.
    Method,
    /// Response status 2xx (RFC 9110 section 15.3).
    Success,
    /// Response status 3xx (RFC 9110 section 15.4).
    Redirect,
    /// Response status 4xx (RFC 9110 section 15.5).
    ClientError,
    /// Response status 5xx (RFC 9110 section 15.6).
    ServerError,
    /// The name of a field.
    Name,
    /// The name of an emphasised field: negotiation, identity, or named by the user.
    KeyName,
    /// The value of an emphasised field.
    KeyValue,
}

//! *dissect*: streams become messages.
//!
//! A [`FlowDissector`] is given what the reassembler says of one flow, finds out what is spoken
//! there, and tells the messages as [`MessageEvent`]. Nothing here searches, shows or knows the
//! time.
//!
//! ```text
//! StreamEvent ──▶ Conversation ──probe──▶ Dissector ──▶ Said
//!                              └─fallback─▶ raw bursts ─▶ Said
//! ```
//!
//! To add a protocol: its file (or folder) here, and a line in [`PROTOCOLS`].

mod budget;
mod direction;
mod dns;
mod driver;
mod flow_dissector;
mod http;
mod http1;
mod http2;
mod output;
mod preamble;
mod raw;
mod tls;

#[cfg(test)]
mod testing;

use std::fmt;

pub use budget::Budget;
use direction::Place;
pub use flow_dissector::FlowDissector;
use output::Output;
pub use tls::{Hello, hello, is_tls};

use crate::flow::{Direction, Flow};
use crate::message::{Description, Kind, MessageEvent, Part};
use crate::stream::{Ending, GapReason, PacketInfo};

/// What can be dissected: one line for each protocol, in probe order.
static PROTOCOLS: [Protocol; 3] = [http1::PROTOCOL, http2::PROTOCOL, dns::PROTOCOL];

/// Whether the datagrams of a flow may be dissected, so that their text is not their bytes.
#[must_use]
pub fn may_dissect_datagrams(flow: &Flow) -> bool {
    datagram_protocol(flow).is_some()
}

/// The protocol that is asked for the datagrams of a flow.
fn datagram_protocol(flow: &Flow) -> Option<&'static Protocol> {
    let listed = |protocol: &&Protocol| {
        let ports = protocol.datagram_ports;
        ports.contains(&flow.server.port) || ports.contains(&flow.client.port)
    };
    let is_udp = flow.protocol == crate::packet::protocol::UDP;
    PROTOCOLS.iter().filter(|_| is_udp).find(listed)
}

/// Says in detail what a message of `kind` is, from its head as it was sent; of a burst, which has
/// none, from its first bytes. `stand_out` are names of fields that the user asked to stand out, in
/// any case.
#[must_use]
pub fn describe(kind: Kind, head: &[u8], stand_out: &[String]) -> Description {
    if kind == raw::BURST {
        return tls::describe(head);
    }
    let family = kind.name.split('.').next().unwrap_or_default();
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == family);
    protocol.map_or_else(Description::default, |protocol| {
        (protocol.describe)(kind, head, stand_out)
    })
}

/// A protocol that can be dissected.
struct Protocol {
    /// The part of its kinds' names in front of the dot.
    name: &'static str,
    /// Looks at the first bytes of a direction of a stream.
    probe: fn(&[u8], &Flow) -> ProbeResult,
    /// The UDP ports, of either end, whose datagrams it is asked about; what it does not claim
    /// stays raw.
    datagram_ports: &'static [u16],
    /// Whether bytes before a hole begin a message, although the probe would want more.
    cut: fn(&[u8]) -> bool,
    /// A dissector for one flow.
    start: fn() -> Box<dyn Dissector>,
    /// See [`describe`].
    describe: fn(Kind, &[u8], &[String]) -> Description,
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a probe says of the first bytes of something. It depends on the bytes alone, never on how
/// they were cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProbeResult {
    /// It is this protocol.
    Certain,
    /// A beginning that hardly anything else has, but too short: waited for, however slowly the
    /// rest comes.
    Likely {
        /// How many bytes to have before asking again.
        need: usize,
    },
    /// It may be. Not worth holding back a burst for longer than the burst lasts.
    Unsure {
        /// How many bytes to have before asking again.
        need: usize,
    },
    /// It is something else.
    NotForUs,
}

/// The protocol that `bytes` begin with, as far as can be said.
fn recognise(bytes: &[u8], flow: &Flow) -> (ProbeResult, Option<&'static Protocol>) {
    let mut best = (ProbeResult::NotForUs, None);
    for protocol in &PROTOCOLS {
        match ((protocol.probe)(bytes, flow), best.0) {
            (ProbeResult::Certain, _) => return (ProbeResult::Certain, Some(protocol)),
            (
                probed @ ProbeResult::Likely { .. },
                ProbeResult::Unsure { .. } | ProbeResult::NotForUs,
            )
            | (probed @ ProbeResult::Unsure { .. }, ProbeResult::NotForUs) => {
                best = (probed, Some(protocol));
            }
            _ => {}
        }
    }
    best
}

/// One protocol's knowledge of one flow; it sees both directions.
///
/// It holds no bytes: what it does not consume is kept by the conversation and shown again, with
/// more behind it. It ends each message it began before it leaves a direction.
trait Dissector: Send {
    /// Reads on in `input`, one step: a head, a line of framing. Called again with what it leaves,
    /// until what it needs is not there.
    ///
    /// # Errors
    /// The bytes cannot be this protocol: the direction is told as raw bursts from there on.
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed>;

    /// Takes a datagram of a flow on one of the protocol's ports.
    fn datagram(
        &mut self,
        _flow: &Flow,
        _dir: Direction,
        _bytes: &[u8],
        _voice: &mut Output<'_>,
    ) -> Claim {
        Claim::NotMine
    }

    /// Takes bytes of a body that [`Then::Body`] asked for.
    fn body(&mut self, dir: Direction, bytes: &[u8], out: &mut Output<'_>) {
        out.text(dir, Part::Body, bytes);
    }

    /// Hears that bytes of such a body are missing.
    fn missing(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        out.say(dir, MessageEvent::Gap { len, reason });
    }

    /// Hears of a hole anywhere else. `gap.waiting` is not shown again, unless the answer is
    /// [`Then::Raw`].
    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap;

    /// Hears that a direction ended; says how many of the `waiting` bytes it told. The others are
    /// told as a raw burst.
    fn end(&mut self, dir: Direction, how: Ending, waiting: &[u8], out: &mut Output<'_>) -> usize;

    /// Takes note that bytes of a direction are none of its own, outside of what [`Self::gap`]
    /// told: they were lost, or are told as raw bytes.
    fn missed(&mut self, dir: Direction, missed: Missed);

    /// Takes the beginning of a message of which a hole hides the rest, in front of [`Self::gap`];
    /// false if it is none.
    fn begin_cut(&mut self, _input: &Input<'_>, _voice: &mut Output<'_>) -> bool {
        false
    }

    /// Looks for the beginning of its next message in bytes of a direction which no probe
    /// recognises, and which are raw otherwise. For those that knows what to expect there.
    fn seek(&self, _dir: Direction, _bytes: &[u8]) -> Seek {
        Seek::Nowhere
    }

    /// Whether bytes with which a segment of a raw direction begins are its own again.
    fn resumes(&self, _dir: Direction, _bytes: &[u8]) -> bool {
        false
    }

    /// Takes the connection over from a dissector that named it in [`Then::Upgrade`].
    fn succeed(&mut self, _upgrade: &Upgrade) {}

    /// Forgets everything, to be as new for another flow.
    fn reset(&mut self);

    /// Bytes of memory that it takes, about, without what [`Budget`] counts.
    fn held(&self) -> usize;
}

/// What a dissector makes of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    /// It emitted the datagram's messages.
    Taken,
    /// The datagram is not of its protocol; nothing was emitted.
    NotMine,
}

/// What a dissector is shown.
struct Input<'a> {
    /// Direction.
    dir: Direction,
    /// All bytes at hand that were not consumed; at least as many as it needed.
    bytes: &'a [u8],
    /// The segment that brought the first of them.
    first: PacketInfo,
    /// Where the first of them is.
    place: Place,
    /// Where the next byte of the other direction is, once one was seen.
    other: Option<Place>,
    /// The first of them is the first of its segment.
    at_segment_start: bool,
    /// The protocol's probe was just certain of them.
    recognised: bool,
}

/// Where a message begins in bytes that no probe recognises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seek {
    /// Behind this many bytes, which belong to none.
    At(usize),
    /// There may be one when more bytes are there. Not worth holding back a burst for longer than
    /// the burst lasts.
    Unsure,
    /// In none of them.
    Nowhere,
}

/// How far a dissector came.
struct Progress {
    /// Bytes it has done with.
    consumed: usize,
    /// What is to be done from the first unconsumed byte on.
    then: Then,
}

impl Progress {
    /// `consumed` bytes are done, and `need` are needed from there.
    const fn need(consumed: usize, need: usize) -> Self {
        Self {
            consumed,
            then: Then::Need(need),
        }
    }
}

/// What is to be done from the first unconsumed byte on.
enum Then {
    /// Ask again when this many bytes are there; with 0 at once.
    Need(usize),
    /// Give this many to [`Dissector::body`] as they come, then ask again at once. `u64::MAX`: all
    /// until the end.
    Body(u64),
    /// Drop this many, which are framing, then ask again at once.
    Skip(u64),
    /// The direction is no longer this protocol's: raw bursts, until something is recognised at the
    /// beginning of one. The bytes in hand are one, which the protocol's probe must not be certain
    /// of.
    Raw,
    /// Both directions belong to another dissector. Neither has an open message.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "part of the contract; HTTP/1 names its successor")
    )]
    Become(Box<dyn Dissector>),
    /// Both directions belong to another protocol from here on. Neither has an open message.
    Upgrade(Upgrade),
}

/// How a connection goes on in another protocol.
struct Upgrade {
    /// Its name in [`PROTOCOLS`].
    protocol: &'static str,
    /// The exchange of that request, which the other protocol responds to.
    exchange: Option<u64>,
}

/// The bytes cannot be what the dissector understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Malformed {
    /// Bytes that were told nevertheless.
    consumed: usize,
    /// They were told in a message that broke off there, so that its text goes on in the raw burst
    /// behind it.
    continues: bool,
}

/// A hole that is not inside a body of known length.
struct Gap<'a> {
    /// Direction.
    dir: Direction,
    /// Offset of the first byte that is missing.
    offset: u64,
    /// How many bytes are missing.
    len: u64,
    /// Why.
    reason: GapReason,
    /// How many of them still belong to the body that [`Then::Body`] asked for; fewer than `len`.
    body: u64,
    /// Bytes in front of the hole that were not consumed.
    waiting: &'a [u8],
}

/// Bytes of a direction in which messages may begin that are not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Missed {
    /// Offsets of the first byte and of the one behind the last. `None`: they were captured and not
    /// understood, or are those in front of the first byte of a stream that was joined in the
    /// middle.
    range: Option<(u64, u64)>,
    /// The first of them begins a message.
    boundary: bool,
}

impl Missed {
    /// What was not understood, or came before the capture.
    const UNREAD: Self = Self {
        range: None,
        boundary: false,
    };

    /// With more behind it.
    fn and(self, more: Self) -> Self {
        let range = match (self.range, more.range) {
            (Some((from, to)), Some((next, end))) if to == next => Some((from, end)),
            _ => None,
        };
        Self { range, ..self }
    }
}

/// What a dissector makes of a hole.
struct AfterGap {
    /// How many of the missing bytes it told as missing. For [`Then::Raw`] the others are told with
    /// the next burst.
    told: u64,
    /// How many of the waiting bytes it told.
    consumed: usize,
    /// What is to be done behind the hole.
    then: Then,
}

impl AfterGap {
    /// Nothing was open: all is told with the next burst.
    const RAW: Self = Self {
        told: 0,
        consumed: 0,
        then: Then::Raw,
    };
}

/// One of something for each direction.
#[derive(Clone, Copy, Default, Debug)]
struct PerDirection<T> {
    to_server: T,
    to_client: T,
}

impl<T> PerDirection<T> {
    const fn of(&self, dir: Direction) -> &T {
        match dir {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    const fn of_mut(&mut self, dir: Direction) -> &mut T {
        match dir {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

//! *dissect*: turns the events of a flow into messages. Memory per direction is bounded by
//! [`crate::limits::Limits`], every call ends after a bounded number of steps, and no input panics.
//!
//! A [`FlowDissector`] takes the reassembler's events of one flow in order, recognises the protocol
//! and emits [`MessageEvent`]s. Nothing here searches, renders or reads the clock.
//!
//! ```text
//! StreamEvent ──▶ FlowDissector ──probe──▶ Dissector ──▶ MessageEvent
//!                               └─fallback─▶ raw bursts ─▶ MessageEvent
//! ```
//!
//! To add a protocol, add its file (or folder) here and an entry in [`PROTOCOLS`]. Its
//! [`Dissector`] reads the streams and datagrams of one flow; [`driver`] buffers the bytes and
//! calls it.

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
mod websocket;

#[cfg(test)]
mod testing;

use std::fmt;

pub use budget::Budget;
use direction::Place;
pub use flow_dissector::FlowDissector;
use output::Output;
pub use tls::{Hello, hello, is_tls};

use crate::flow::{Direction, Flow};
use crate::message::{Description, Kind, Known, MessageEvent, Part};
use crate::stream::{Ending, GapReason, PacketInfo};

/// The protocols that can be dissected, in probe order.
static PROTOCOLS: [Protocol; 4] = [
    http1::PROTOCOL,
    http2::PROTOCOL,
    websocket::PROTOCOL,
    dns::PROTOCOL,
];

/// Returns whether the datagrams of a flow may be dissected: the text of their messages may then
/// differ from their bytes.
#[must_use]
pub fn may_dissect_datagrams(flow: &Flow) -> bool {
    datagram_protocol(flow).is_some()
}

/// Returns the protocol whose dissector gets the datagrams of a flow: the first that lists the port
/// of either end.
fn datagram_protocol(flow: &Flow) -> Option<&'static Protocol> {
    let (server, client) = (flow.server.port, flow.client.port);
    let is_listed = DATAGRAM_PORTS.contains(server) || DATAGRAM_PORTS.contains(client);
    if !is_listed || flow.protocol != crate::packet::protocol::UDP {
        return None;
    }
    PROTOCOLS.iter().find(|protocol| {
        let ports = protocol.datagram_ports;
        ports.contains(&server) || ports.contains(&client)
    })
}

/// The ports that any protocol lists for its datagrams: one test for each datagram, however many
/// protocols there are.
static DATAGRAM_PORTS: PortSet = PortSet::of(&PROTOCOLS);

/// A set of ports, one bit each.
struct PortSet([u64; 1024]);

impl PortSet {
    const fn of(protocols: &[Protocol]) -> Self {
        let mut bits = [0; 1024];
        let mut rest = protocols;
        while let [protocol, others @ ..] = rest {
            let mut ports = protocol.datagram_ports;
            while let [port, more @ ..] = ports {
                bits[*port as usize / 64] |= 1 << (*port % 64);
                ports = more;
            }
            rest = others;
        }
        Self(bits)
    }

    #[inline]
    fn contains(&self, port: u16) -> bool {
        let bits = self.0.get(usize::from(port / 64));
        bits.is_some_and(|bits| bits >> (port % 64) & 1 == 1)
    }
}

/// Describes a message of `kind` in detail, from what is known of it. `stand_out` lists field names
/// (any case) that the user asked to highlight.
#[must_use]
pub fn describe(kind: Kind, known: &Known<'_>, stand_out: &[String]) -> Description {
    if kind == raw::BURST {
        return tls::describe(known.head);
    }
    let family = kind.name.split('.').next().unwrap_or_default();
    let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == family);
    protocol.map_or_else(Description::default, |protocol| {
        (protocol.describe)(kind, known, stand_out)
    })
}

/// A protocol that can be dissected.
struct Protocol {
    /// The part before the dot in the names of its message kinds.
    name: &'static str,
    /// Classifies the first bytes of a direction of a stream. Must be pure and cheap: it is called
    /// again whenever more bytes arrive.
    probe: fn(&[u8], &Flow) -> ProbeResult,
    /// UDP ports, of either end, whose datagrams are passed to [`Dissector::datagram`]. A datagram
    /// that is not claimed stays raw.
    datagram_ports: &'static [u16],
    /// Returns whether the bytes before a gap are the start of a message, although the probe asked
    /// for more bytes than there are.
    cut: fn(&[u8]) -> bool,
    /// Creates a dissector for one flow.
    start: fn() -> Box<dyn Dissector>,
    /// See [`describe`].
    describe: fn(Kind, &Known<'_>, &[String]) -> Description,
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The result of a probe. It depends on the bytes alone, never on how they were cut into segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProbeResult {
    /// The bytes are this protocol.
    Certain,
    /// The start is distinctive but too short to decide. The bytes are held until the rest arrives,
    /// however long that takes.
    Likely {
        /// Total number of bytes required for the next probe.
        need: usize,
    },
    /// The bytes may be this protocol. They are held no longer than the current burst lasts.
    Unsure {
        /// Total number of bytes required for the next probe.
        need: usize,
    },
    /// The bytes are something else.
    NotForUs,
}

/// Probes all protocols. Returns the best result and its protocol: `Certain` before `Likely` before
/// `Unsure`, earlier entries of [`PROTOCOLS`] first.
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

/// The state of one protocol in one flow, both directions.
///
/// A dissector buffers no bytes: the driver keeps the bytes that it does not consume and passes
/// them again, followed by later ones. A dissector must end each message it started before it gives
/// up a direction.
trait Dissector: Send {
    /// Takes one step in `input`: a head, or a line of framing. The driver calls again with the
    /// unconsumed bytes until fewer are there than the returned [`Then::Need`] requires.
    ///
    /// # Errors
    /// The bytes cannot be this protocol. The direction is emitted as raw bursts from there on.
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed>;

    /// Takes a datagram of a flow on one of the protocol's ports. A dissector that returns
    /// [`Claim::NotMine`] must have emitted nothing.
    fn datagram(
        &mut self,
        _flow: &Flow,
        _dir: Direction,
        _bytes: &[u8],
        _out: &mut Output<'_>,
    ) -> Claim {
        Claim::NotMine
    }

    /// Takes bytes of the body that [`Then::Body`] announced.
    fn body(&mut self, dir: Direction, bytes: &[u8], out: &mut Output<'_>) {
        out.text(dir, Part::Body, bytes);
    }

    /// Reports that `len` bytes of that body are missing.
    fn body_gap(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        out.emit(dir, MessageEvent::Gap { len, reason });
    }

    /// Reports a gap anywhere else. `gap.waiting` is not passed again: unless [`Then::Raw`] is
    /// returned, the bytes that were not consumed are dropped.
    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap;

    /// Reports the end of a direction. Returns how many of the `waiting` bytes were emitted; the
    /// others become a raw burst.
    fn end(&mut self, dir: Direction, how: Ending, waiting: &[u8], out: &mut Output<'_>) -> usize;

    /// Reports bytes of a direction that the dissector does not get outside of [`Self::gap`]: they
    /// were lost, or are emitted as raw bytes.
    fn missed(&mut self, dir: Direction, missed: Missed);

    /// Takes the start of a message that a gap cuts off; [`Self::gap`] follows. Returns false if
    /// the bytes start no message.
    fn begin_cut(&mut self, _input: &Input<'_>, _out: &mut Output<'_>) -> bool {
        false
    }

    /// Looks for the start of the next message in raw bytes that no probe recognises. Only a
    /// dissector that knows what to expect there needs to implement this.
    fn seek(&self, _dir: Direction, _bytes: &[u8]) -> Seek {
        Seek::Nowhere
    }

    /// Whether bytes with which a segment of a raw direction begins are its own again.
    fn resumes(&self, _dir: Direction, _bytes: &[u8]) -> bool {
        false
    }

    /// Takes the connection over from a dissector that named it in [`Then::Upgrade`].
    fn succeed(&mut self, _upgrade: &Upgrade) {}

    /// Resets to the initial state, for use with another flow.
    fn reset(&mut self);

    /// Bytes of memory that it takes, about, without what [`Budget`] counts.
    fn held(&self) -> usize;
}

/// Whether a dissector takes a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    /// The dissector emitted the datagram's messages.
    Taken,
    /// The datagram is not of this protocol; nothing was emitted.
    NotMine,
}

/// The bytes that a dissector reads, with their context.
struct Input<'a> {
    /// Direction of the bytes.
    dir: Direction,
    /// All available bytes that were not consumed; at least as many as [`Then::Need`] asked for.
    bytes: &'a [u8],
    /// The segment that contains the first byte.
    first: PacketInfo,
    /// Position of the first byte.
    place: Place,
    /// Position of the next byte of the other direction; `None` until its first byte was seen.
    other: Option<Place>,
    /// Whether the first byte is the first of its segment.
    at_segment_start: bool,
    /// Whether the protocol's probe has just returned [`ProbeResult::Certain`] for these bytes.
    recognised: bool,
}

/// Result of the search for a message start in bytes that no probe recognises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seek {
    /// A message starts after this many bytes, which belong to no message.
    At(usize),
    /// A message may start here; more bytes are required. They are held no longer than the current
    /// burst lasts.
    Unsure,
    /// No message starts in the bytes.
    Nowhere,
}

/// The result of one step of a dissector.
struct Progress {
    /// Number of bytes that were consumed.
    consumed: usize,
    /// What to do with the first unconsumed byte and those after it.
    then: Then,
}

impl Progress {
    /// `consumed` bytes are done; at least `need` bytes are required for the next step.
    const fn need(consumed: usize, need: usize) -> Self {
        Self {
            consumed,
            then: Then::Need(need),
        }
    }
}

/// What to do with the first unconsumed byte and those after it.
enum Then {
    /// Call [`Dissector::data`] again once this many bytes are available; 0 means at once.
    Need(usize),
    /// Pass this many bytes to [`Dissector::body`] as they arrive, then call [`Dissector::data`]
    /// again at once. `u64::MAX` means all bytes until the end of the direction.
    Body(u64),
    /// Drop this many bytes, which are framing, then call [`Dissector::data`] again at once.
    Skip(u64),
    /// The direction leaves this protocol and is emitted as raw bursts, until a probe recognises
    /// the start of one. The unconsumed bytes start such a burst; the protocol's own probe must not
    /// be certain of them, or the two would alternate without end.
    Raw,
    /// Another dissector takes over both directions. Neither may have an open message.
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
    /// The direction of that request.
    client: Direction,
    /// The extensions of the other protocol that the two sides agreed on, as sent.
    extensions: Vec<u8>,
}

/// The bytes violate the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Malformed {
    /// Number of bytes that were emitted nevertheless.
    consumed: usize,
    /// Whether the message that contains them was cut off after them, so that the text of the raw
    /// burst that follows continues it.
    continues: bool,
}

/// A gap that is not inside a body of known length.
struct Gap<'a> {
    /// Direction of the missing bytes.
    dir: Direction,
    /// Offset of the first missing byte.
    offset: u64,
    /// Number of missing bytes.
    len: u64,
    /// Why the bytes were given up.
    reason: GapReason,
    /// Number of missing bytes that still belong to the body that [`Then::Body`] announced; less
    /// than `len`.
    body: u64,
    /// Bytes before the gap that were not consumed.
    waiting: &'a [u8],
}

/// A range of bytes that the dissector did not read. Any number of messages may start in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Missed {
    /// Offsets of the first byte and of the byte after the last. `None` if the bytes were captured
    /// but not understood, or precede the first byte of a stream that was joined midstream.
    range: Option<(u64, u64)>,
    /// Whether the first byte of the range starts a message.
    boundary: bool,
}

impl Missed {
    /// Bytes that were not understood, or that preceded the capture.
    const UNREAD: Self = Self {
        range: None,
        boundary: false,
    };

    /// Extends the range by `more`, which comes after it. Ranges that are not adjacent become
    /// `None`.
    fn and(self, more: Self) -> Self {
        let range = match (self.range, more.range) {
            (Some((from, to)), Some((next, end))) if to == next => Some((from, end)),
            _ => None,
        };
        Self { range, ..self }
    }
}

/// How a dissector handled a gap.
struct AfterGap {
    /// Number of missing bytes that it emitted as missing. With [`Then::Raw`] the others are
    /// emitted with the next burst.
    emitted: u64,
    /// Number of `waiting` bytes that it emitted.
    consumed: usize,
    /// What to do with the bytes after the gap.
    then: Then,
}

impl AfterGap {
    /// No message was open: all is emitted with the next burst.
    const RAW: Self = Self {
        emitted: 0,
        consumed: 0,
        then: Then::Raw,
    };
}

/// One value for each direction.
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

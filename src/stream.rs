//! The *stream*: the ordered bytes of one direction of a flow, and the events about them.
//!
//! [`crate::reassemble`] emits these events and [`crate::dissect`] consumes them. They account for
//! every captured byte: in order, as a gap of known size, or out of stream.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::TcpFlags;

/// The packet that carried something; for an event of a timer, the flow's latest packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketInfo {
    /// Number of its frame.
    pub frame: u64,
    /// When it was captured.
    pub ts: Timestamp,
    /// Its TCP flags; none for other protocols.
    pub flags: TcpFlags,
    /// Type and code, for ICMP and IGMP.
    pub icmp: Option<(u8, u8)>,
    /// Its TCP acknowledgement number as sent. Meaningful only with the ACK flag ([`Self::acked`]).
    pub ack: u32,
}

impl PacketInfo {
    /// The sequence number of the next byte that the sender expects from the other direction.
    /// `None` unless this is a TCP segment with the ACK flag.
    #[must_use]
    pub fn acked(&self) -> Option<u32> {
        self.flags.has(TcpFlags::ACK).then_some(self.ack)
    }
}

/// An event of a flow. The reassembler emits one call per event, in causal order.
///
/// `offset` is a 64-bit count of the bytes of one direction, 0 for its first byte (the one after
/// the SYN). Bytes and packet are borrowed for the call.
#[derive(Clone, Copy, Debug)]
pub enum Event<B, C> {
    /// The next bytes of a direction, in order, each exactly once. `by.flags` has PSH if the
    /// segment that ends with these bytes had it.
    Data {
        /// Direction.
        dir: Direction,
        /// Offset of the first of `bytes`.
        offset: u64,
        /// The sequence number of the first of `bytes`, to compare acknowledgement numbers of the
        /// other direction with.
        seq: u32,
        /// The beginning of the stream was not captured: offset 0 is the first captured byte.
        midstream: bool,
        /// The bytes, never empty.
        bytes: B,
        /// The segment that carried them. A queued segment keeps its own.
        by: C,
    },
    /// The payload of a datagram, never empty.
    Datagram {
        /// Direction.
        dir: Direction,
        /// Payload.
        bytes: B,
        /// Bytes after these that the snap length cut off.
        cut: u64,
        /// Its packet.
        by: C,
    },
    /// A packet without payload (a SYN, a bare acknowledgement, an empty datagram).
    NoPayload {
        /// Direction.
        dir: Direction,
        /// The packet.
        by: C,
    },
    /// Bytes of a direction that will not come: the next [`Self::Data`] begins `len` bytes later.
    Gap {
        /// Direction.
        dir: Direction,
        /// Offset of the first missing byte.
        offset: u64,
        /// The number of missing bytes.
        len: u64,
        /// Why they are given up.
        reason: GapReason,
        /// The packet whose bytes were cut off, or else the flow's latest packet. For acknowledged
        /// bytes: the latest when they were acknowledged.
        by: C,
    },
    /// Bytes that have no place in the stream. They are searched alone, so that no match is missed.
    OutOfStream {
        /// Direction.
        dir: Direction,
        /// The offset that their segment claims.
        offset: u64,
        /// The bytes, surrounded by bytes of the stream where those are known.
        bytes: B,
        /// The number of leading bytes that belong to the stream: only a match that reaches past
        /// them is new.
        context: usize,
        /// The number of trailing bytes that belong to the stream: only a match that begins before
        /// them is new. `context` + `after` exceed the length where only a match over a seam is
        /// new.
        after: usize,
        /// Why they have no place in the stream.
        why: OutOfStreamReason,
        /// Their segment.
        by: C,
    },
    /// The receiver of `dir` has acknowledged all bytes below `offset`. Emitted when `offset`
    /// grows. If no packet of `dir` was captured, `offset` counts from the first acknowledgement
    /// on.
    Acked {
        /// Direction of the acknowledged bytes.
        dir: Direction,
        /// The first offset that is not acknowledged.
        offset: u64,
        /// The packet with the acknowledgement.
        by: C,
    },
    /// Nothing more comes in this direction. Emitted once for each direction that had any event.
    End {
        /// Direction.
        dir: Direction,
        /// Why.
        how: Ending,
        /// The latest packet of the flow.
        by: C,
    },
    /// The flow is removed: its last event. Emitted once for each flow, TCP or not.
    Closed {
        /// Why.
        how: Ending,
        /// The latest packet of the flow.
        by: C,
    },
}

/// The form in which events are emitted: bytes and packet are borrowed.
pub type StreamEvent<'a> = Event<&'a [u8], &'a PacketInfo>;

impl StreamEvent<'_> {
    /// The borrowed bytes; `[]` for an event that has none.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        match *self {
            Self::Data { bytes, .. }
            | Self::Datagram { bytes, .. }
            | Self::OutOfStream { bytes, .. } => bytes,
            Self::NoPayload { .. }
            | Self::Gap { .. }
            | Self::Acked { .. }
            | Self::End { .. }
            | Self::Closed { .. } => &[],
        }
    }
}

impl<B, C> Event<B, C> {
    /// The packet that caused the event.
    pub const fn by(&self) -> &C {
        match self {
            Self::Data { by, .. }
            | Self::Datagram { by, .. }
            | Self::NoPayload { by, .. }
            | Self::Gap { by, .. }
            | Self::OutOfStream { by, .. }
            | Self::Acked { by, .. }
            | Self::End { by, .. }
            | Self::Closed { by, .. } => by,
        }
    }

    /// The same event with `bytes` in place of its own, if it has any, and with the packet `by`.
    #[inline]
    pub fn with<Bytes, By>(&self, bytes: Bytes, by: By) -> Event<Bytes, By> {
        match *self {
            Self::Data {
                dir,
                offset,
                seq,
                midstream,
                ..
            } => Event::Data {
                dir,
                offset,
                seq,
                midstream,
                bytes,
                by,
            },
            Self::Datagram { dir, cut, .. } => Event::Datagram {
                dir,
                bytes,
                cut,
                by,
            },
            Self::OutOfStream {
                dir,
                offset,
                context,
                after,
                why,
                ..
            } => Event::OutOfStream {
                dir,
                offset,
                bytes,
                context,
                after,
                why,
                by,
            },
            Self::NoPayload { dir, .. } => Event::NoPayload { dir, by },
            Self::Gap {
                dir,
                offset,
                len,
                reason,
                ..
            } => Event::Gap {
                dir,
                offset,
                len,
                reason,
                by,
            },
            Self::Acked { dir, offset, .. } => Event::Acked { dir, offset, by },
            Self::End { dir, how, .. } => Event::End { dir, how, by },
            Self::Closed { how, .. } => Event::Closed { how, by },
        }
    }
}

/// Why missing bytes are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum GapReason {
    /// The receiver acknowledged them: they were sent, and the capture missed them.
    Acked,
    /// Too many bytes are queued after them ([`crate::limits::Limits::reorder_bytes`]).
    Overflow,
    /// They did not come before the timeout.
    Timeout,
    /// The stream or the capture ended.
    End,
    /// The flow's memory was needed elsewhere.
    Evicted,
    /// The snap length cut them off.
    Snaplen,
}

impl GapReason {
    /// Its name in lists and machine-readable output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Overflow => "overflow",
            Self::Timeout => "timeout",
            Self::End => "end",
            Self::Evicted => "evicted",
            Self::Snaplen => "snaplen",
        }
    }
}

/// Why bytes have no place in their stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum OutOfStreamReason {
    /// They fill a gap that was already given up, or come before the first byte of a midstream
    /// flow.
    Late,
    /// They differ from bytes delivered or queued for the same place.
    Conflict,
    /// Their segment had no ACK flag: a receiver drops it (RFC 9293 section 3.10.7.4).
    NoAck,
    /// They are what an application reads that takes the urgent byte out of its stream (no
    /// `SO_OOBINLINE`).
    Urgent,
    /// Their segment's checksum is wrong.
    BadChecksum,
    /// Their segment has flags that exclude each other.
    BadFlags,
    /// They come after the FIN.
    AfterFin,
    /// They came in a RST segment.
    WithRst,
    /// They are too far from the stream's position to belong to it.
    OutOfWindow,
    /// They surround a packet that was decapsulated from their datagram, which may not be a
    /// tunnel's.
    Around,
}

impl OutOfStreamReason {
    /// Its name, as in the label. Machine-readable output replaces `-` by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Conflict => "conflict",
            Self::NoAck => "no-ack",
            Self::Urgent => "urgent",
            Self::BadChecksum => "bad-checksum",
            Self::BadFlags => "bad-flags",
            Self::AfterFin => "after-fin",
            Self::WithRst => "rst-data",
            Self::OutOfWindow => "out-of-window",
            Self::Around => "around-tunnel",
        }
    }
}

/// How a direction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Ending {
    /// By FIN, with all bytes delivered: the true end of the text.
    Fin,
    /// By a RST.
    Reset,
    /// The flow was idle for too long, or was evicted, or a new connection reused its ports.
    Abandoned,
    /// The capture ended.
    Capture,
}

//! The *stream*: one direction of a flow, in order; and what can be said about it.
//!
//! These events are the whole truth about a tapped conversation: bytes, a hole of a known size,
//! bytes that belong nowhere, an end. [`crate::reassemble`] gives them, [`crate::dissect`] takes
//! them.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::TcpFlags;

/// The packet that brought something (or, for a timer's event, the latest one).
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketInfo {
    /// Number of its frame.
    pub frame: u64,
    /// When it was captured.
    pub ts: Timestamp,
    /// Its TCP flags, none for other protocols.
    pub flags: TcpFlags,
    /// Type and code, for ICMP and IGMP.
    pub icmp: Option<(u8, u8)>,
    /// Its TCP acknowledgement number as sent, which means something with the ACK flag only
    /// ([`Self::acked`]).
    pub ack: u32,
}

impl PacketInfo {
    /// The sequence number of the next byte that the sender expects of the other direction; `None`
    /// for what is no TCP segment, or has no ACK flag.
    #[must_use]
    pub fn acked(&self) -> Option<u32> {
        self.flags.has(TcpFlags::ACK).then_some(self.ack)
    }
}

/// What the reassembler says of a flow, one call each, in causal order.
///
/// `offset` counts the bytes of one direction from its first byte (the one behind the SYN), 0
/// upwards, in 64 bits; the bytes are lent for the call, and so is their packet.
#[derive(Clone, Copy, Debug)]
pub enum Event<B, C> {
    /// The next bytes of a direction, in order, each exactly once. `by.flags` has PSH when the
    /// segment that ends here had it.
    Data {
        /// Direction.
        dir: Direction,
        /// Offset of the first of `bytes`.
        offset: u64,
        /// The sequence number of the first of `bytes`: what an acknowledgement number of the other
        /// direction is compared with.
        seq: u32,
        /// Where the stream begins was not seen: offset 0 is the first byte that was captured.
        midstream: bool,
        /// The bytes, never empty.
        bytes: B,
        /// The segment that brought them (queued segments keep their own).
        by: C,
    },
    /// The payload of a datagram, never empty.
    Datagram {
        /// Direction.
        dir: Direction,
        /// Payload.
        bytes: B,
        /// Bytes behind these that the snap length cut off.
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
    /// Bytes of a direction that will not come: the next [`Self::Data`] starts `len` further on.
    Gap {
        /// Direction.
        dir: Direction,
        /// Offset of the first missing byte.
        offset: u64,
        /// How many are missing.
        len: u64,
        /// Why they are given up.
        reason: GapReason,
        /// The packet whose bytes were cut off; or the latest one of the flow, at the moment when
        /// the bytes were acknowledged if they were.
        by: C,
    },
    /// Bytes that have no place in the stream. They are searched alone, so that nothing is missed.
    OutOfStream {
        /// Direction.
        dir: Direction,
        /// Where they claim to belong.
        offset: u64,
        /// The bytes, with the stream's around them where there are some.
        bytes: B,
        /// How many of `bytes` are the stream's, in front: only a match that reaches beyond them is
        /// new.
        context: usize,
        /// How many of `bytes` are the stream's, behind.
        after: usize,
        /// Why they have no place.
        why: OutOfStreamReason,
        /// Their segment.
        by: C,
    },
    /// The receiver of `dir` has acknowledged all bytes below `offset` (said when that grows). Of a
    /// direction of which no packet was captured, `offset` counts from the first acknowledgement
    /// on.
    Acked {
        /// Direction of the acknowledged bytes.
        dir: Direction,
        /// First offset that is not acknowledged.
        offset: u64,
        /// The packet with the acknowledgement.
        by: C,
    },
    /// Nothing more comes in this direction. Said once for each direction that ever was said to
    /// have anything.
    End {
        /// Direction.
        dir: Direction,
        /// Why.
        how: Ending,
        /// The latest packet of the flow.
        by: C,
    },
    /// The flow is forgotten: this is the last that is said of it. Said once for each flow, TCP or
    /// not.
    Closed {
        /// Why.
        how: Ending,
        /// The latest packet of the flow.
        by: C,
    },
}

/// As it is told.
pub type StreamEvent<'a> = Event<&'a [u8], &'a PacketInfo>;

impl StreamEvent<'_> {
    /// The bytes it lends; `[]` for what has none.
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
    /// The packet that brought it.
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

    /// The same with other bytes in place of its own, if it has any, and with another packet.
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

/// Why bytes are given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum GapReason {
    /// The receiver acknowledged them, so they were sent and the capture missed them.
    Acked,
    /// Too much waits behind them ([`crate::limits::Limits::reorder_bytes`]).
    Overflow,
    /// They were waited for too long.
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
    /// They fill a gap that was already given up, or come before the first byte of a stream joined
    /// in the middle.
    Late,
    /// They differ from bytes delivered or queued for the same place.
    Conflict,
    /// Their segment had no ACK flag: a receiver drops it (RFC 9293 section 3.10.7.4).
    NoAck,
    /// They are what a program reads that takes the urgent byte out of its stream.
    Urgent,
    /// Their segment's checksum is wrong.
    BadChecksum,
    /// Their segment has flags that exclude each other.
    BadFlags,
    /// They lie behind the FIN.
    AfterFin,
    /// They came in a RST segment.
    WithRst,
    /// They are too far from the stream's position to belong to it.
    OutOfWindow,
    /// They lie around a packet that was taken out of their datagram, which may be none of a
    /// tunnel's.
    Around,
}

impl OutOfStreamReason {
    /// Its name, as its label has it; machine-readable output has `_` for `-`.
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
    /// By FIN, all bytes delivered: a true end of the text.
    Fin,
    /// By a RST.
    Reset,
    /// Nothing was heard for too long, or its place was needed, or a new connection took its ports.
    Abandoned,
    /// The capture ended.
    Capture,
}

//! The context in which a half-stream processes a segment: the segment, and the state that all
//! flows share.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::limits::Limits;
use crate::packet::{Packet, Tcp, TcpFlags, TcpOptions, Transport};
use crate::policy::{Checksum, Policy};
use crate::stats::ReassemblyStats;
use crate::stream::{OutOfStreamReason, PacketInfo, StreamEvent};

use super::key::Sender;
use super::retained::Tails;

/// A TCP segment.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) packet: &'a Packet<'a>,
    pub(super) tcp: &'a Tcp,
    pub(super) sender: Sender,
    pub(super) options: TcpOptions,
    /// Its receiver probably drops it: its checksum is wrong although that of the first segment of
    /// its direction was right, or its [options](super::table::Entry::is_refused) do not fit the
    /// connection.
    pub(super) damaged: bool,
}

impl<'a> Segment<'a> {
    /// Whether all of `flags` are set.
    pub(super) fn has(&self, flags: TcpFlags) -> bool {
        self.tcp.flags.has(flags)
    }

    pub(super) fn payload(&self) -> &'a [u8] {
        self.packet.payload
    }

    /// Payload bytes that the snap length cut off.
    pub(super) fn cut(&self) -> u64 {
        u64::from(self.packet.cut)
    }

    /// The sequence number of its first payload byte.
    pub(super) fn first(&self) -> u32 {
        self.tcp
            .seq
            .wrapping_add(u32::from(self.has(TcpFlags::SYN)))
    }
}

/// The direction that is processed, and the state that all flows share.
pub(super) struct SegmentContext<'t> {
    /// The direction that is processed.
    pub(super) dir: Direction,
    /// The packet that is processed, or the latest one of the flow.
    pub(super) by: &'t PacketInfo,
    /// The time of the clock without jumps.
    pub(super) now: Timestamp,
    /// How far after the next byte a segment may begin: the receiver's window and a margin.
    pub(super) reach: u64,
    pub(super) limits: &'t Limits,
    pub(super) policy: Policy,
    pub(super) stats: &'t mut ReassemblyStats,
    /// Packets of its flow after which an acknowledged gap is given up.
    pub(super) grace: &'t mut u32,
    /// Waiting bytes of all flows.
    pub(super) queued: &'t mut usize,
    /// Retained delivered bytes of all flows.
    pub(super) tails: &'t mut Tails,
    pub(super) emit: &'t mut dyn FnMut(&StreamEvent<'_>),
}

impl SegmentContext<'_> {
    /// Whether a segment's checksum is wrong, and the policy lets that count.
    pub(super) fn is_damaged(&self, segment: &Segment<'_>) -> bool {
        self.policy.checksum != Checksum::Off && segment.packet.is_damaged()
    }

    /// Emits bytes that are not part of the stream.
    pub(super) fn emit_apart(&mut self, why: OutOfStreamReason, offset: u64, bytes: &[u8]) {
        self.emit_in_context(why, offset, bytes, 0, 0);
    }

    /// Emits another reading of the stream, in which only a match that ends after the first
    /// `context` bytes and begins before the last `after` ones is new.
    pub(super) fn emit_seam(
        &mut self,
        why: OutOfStreamReason,
        offset: u64,
        bytes: &[u8],
        context: usize,
        after: usize,
    ) {
        if context == 0 || after >= bytes.len() || context >= bytes.len() {
            return;
        }
        self.emit_out_of_stream(why, offset, bytes, context, after);
    }

    /// Emits bytes that are not part of the stream, with `context` bytes of it before them and
    /// `after` bytes of it after them.
    pub(super) fn emit_in_context(
        &mut self,
        why: OutOfStreamReason,
        offset: u64,
        bytes: &[u8],
        context: usize,
        after: usize,
    ) {
        if bytes.len() <= context + after {
            return;
        }
        self.emit_out_of_stream(why, offset, bytes, context, after);
    }

    fn emit_out_of_stream(
        &mut self,
        why: OutOfStreamReason,
        offset: u64,
        bytes: &[u8],
        context: usize,
        after: usize,
    ) {
        self.stats.asides += 1;
        (self.emit)(&StreamEvent::OutOfStream {
            dir: self.dir,
            offset,
            bytes,
            context,
            after,
            why,
            by: self.by,
        });
    }
}

/// The facts of a packet that accompany its bytes.
pub(super) fn carrier(packet: &Packet<'_>) -> PacketInfo {
    let (flags, ack, icmp) = match packet.transport {
        Transport::Tcp(tcp) => (tcp.flags, tcp.ack, None),
        Transport::Icmp(kind, code) | Transport::Igmp(kind, code) => {
            (TcpFlags::default(), 0, Some((kind, code)))
        }
        Transport::Udp(_) | Transport::Other => (TcpFlags::default(), 0, None),
    };
    PacketInfo {
        frame: packet.frame,
        ts: packet.ts,
        flags,
        icmp,
        ack,
    }
}

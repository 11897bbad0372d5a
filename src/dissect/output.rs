//! The sink that a dissector emits message events into. It adds the current packet to each event,
//! numbers the exchanges, and carries the limits and counters; it stores no events.

use super::budget::Budget;
use crate::flow::Flow;
use crate::limits::Limits;
use crate::message::{Kind, MessageEvent, MessageId, Part, Start};
use crate::stats::DissectStats;
use crate::stream::PacketInfo;

/// Forwards the message events of one flow while one of its events is handled.
pub(super) struct Output<'v> {
    /// The configured limits.
    pub(super) limits: &'v Limits,
    /// The memory budget shared by all decoders.
    pub(super) decoders: &'v Budget,
    /// The counters.
    pub(super) stats: &'v mut DissectStats,
    /// The flow.
    pub(super) flow: &'v Flow,
    /// The current packet.
    pub(super) by: PacketInfo,
    /// Recognise nothing: all streams are emitted as raw bursts.
    pub(super) raw_only: bool,
    /// Number of exchanges of the flow so far.
    pub(super) exchanges: &'v mut u64,
    /// Receives the events.
    pub(super) sink: &'v mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
}

impl Output<'_> {
    /// Emits an event of the current packet.
    pub(super) fn emit(&mut self, id: impl Into<MessageId>, event: MessageEvent<'_>) {
        (self.sink)(id.into(), &self.by, event);
    }

    /// Emits an event of another packet.
    pub(super) fn emit_from(
        &mut self,
        id: impl Into<MessageId>,
        by: &PacketInfo,
        event: MessageEvent<'_>,
    ) {
        (self.sink)(id.into(), by, event);
    }

    /// Starts a message whose first byte is in the packet `first`.
    pub(super) fn begin(
        &mut self,
        id: impl Into<MessageId>,
        first: &PacketInfo,
        kind: Kind,
        exchange: Option<u64>,
        continues: bool,
    ) {
        self.emit_from(
            id,
            first,
            MessageEvent::Start(Start {
                kind,
                exchange,
                continues,
            }),
        );
    }

    /// Emits text, unless it is empty.
    pub(super) fn text(&mut self, id: impl Into<MessageId>, part: Part, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.emit(id, MessageEvent::Data { part, bytes });
        }
    }

    /// Starts another reading of the open message, with the number `reading`.
    pub(super) fn fork(&mut self, id: impl Into<MessageId>, reading: u8, name: &'static str) {
        self.emit(id, MessageEvent::Fork { reading, name });
    }

    /// Emits text of another reading, unless it is empty.
    pub(super) fn reading(&mut self, id: impl Into<MessageId>, reading: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.emit(id, MessageEvent::Reading { reading, bytes });
        }
    }

    /// Counts bytes of framing, which are not emitted.
    pub(super) fn framing(&mut self, len: usize) {
        self.stats.framing_bytes = self.stats.framing_bytes.saturating_add(len as u64);
    }

    /// Returns the ordinal of a new exchange in its flow, from 0.
    pub(super) fn next_exchange(&mut self) -> u64 {
        let ordinal = *self.exchanges;
        *self.exchanges = ordinal.saturating_add(1);
        ordinal
    }
}

//! The *voice*: what a dissector speaks through. It knows who brought the bytes at hand, counts
//! exchanges, and carries the limits and counters along. It keeps nothing.

use super::budget::Budget;
use crate::flow::Flow;
use crate::limits::Limits;
use crate::message::{Kind, MessageEvent, MessageId, Part, Start};
use crate::stats::DissectStats;
use crate::stream::PacketInfo;

/// Passes on what is said of one flow during one event.
pub(super) struct Output<'v> {
    /// The bounds.
    pub(super) limits: &'v Limits,
    /// What all decoders hold.
    pub(super) decoders: &'v Budget,
    /// The counters.
    pub(super) stats: &'v mut DissectStats,
    /// The flow.
    pub(super) flow: &'v Flow,
    /// The packet at hand.
    pub(super) by: PacketInfo,
    /// Nothing is recognised: all streams are raw.
    pub(super) wire: bool,
    /// How many exchanges the flow has had.
    pub(super) exchanges: &'v mut u64,
    /// Who listens.
    pub(super) listener: &'v mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
}

impl Output<'_> {
    /// Says something that the packet at hand brought.
    pub(super) fn say(&mut self, id: impl Into<MessageId>, said: MessageEvent<'_>) {
        (self.listener)(id.into(), &self.by, said);
    }

    /// Says something that another packet brought.
    pub(super) fn say_by(
        &mut self,
        id: impl Into<MessageId>,
        by: &PacketInfo,
        said: MessageEvent<'_>,
    ) {
        (self.listener)(id.into(), by, said);
    }

    /// Begins a message whose first byte came with `first`.
    pub(super) fn begin(
        &mut self,
        id: impl Into<MessageId>,
        first: &PacketInfo,
        kind: Kind,
        exchange: Option<u64>,
        continues: bool,
    ) {
        self.say_by(
            id,
            first,
            MessageEvent::Start(Start {
                kind,
                exchange,
                continues,
            }),
        );
    }

    /// Says text, if there is any.
    pub(super) fn text(&mut self, id: impl Into<MessageId>, part: Part, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.say(id, MessageEvent::Data { part, bytes });
        }
    }

    /// Begins another reading of the open message, the `reading`th.
    pub(super) fn fork(&mut self, id: impl Into<MessageId>, reading: u8, name: &'static str) {
        self.say(id, MessageEvent::Fork { reading, name });
    }

    /// Says text of another reading, if there is any.
    pub(super) fn reading(&mut self, id: impl Into<MessageId>, reading: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.say(id, MessageEvent::Reading { reading, bytes });
        }
    }

    /// Counts bytes that frame text and are not said.
    pub(super) fn framing(&mut self, len: usize) {
        self.stats.framing_bytes = self.stats.framing_bytes.saturating_add(len as u64);
    }

    /// The place of a new exchange in its flow.
    pub(super) fn next_exchange(&mut self) -> u64 {
        let ordinal = *self.exchanges;
        *self.exchanges = ordinal.saturating_add(1);
        ordinal
    }
}

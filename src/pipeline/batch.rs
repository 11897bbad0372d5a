//! The *batch*: the stream events of some frames, with their bytes, on the way from the reader
//! thread to the consumer.
//!
//! Bytes of frames are not copied: the file block that contains the frames travels with the batch.

use std::ops::Range;
use std::sync::Arc;

use crate::capture::{Progress, Warning};
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::packet::Packet;
use crate::stats::Stats;
use crate::stream::{Event, PacketInfo, StreamEvent};

use super::ingest::StreamSink;
use super::recorder::{Pair, Scope};
use super::selector::Interest;

/// The events of some frames, in order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// Clock ticks without an event, before the records that count them
    /// ([`Record::ticks_before`]).
    pub(super) ticks: Vec<Timestamp>,
    /// Updates of flows, in the order of the records with [`Record::flow_updated`].
    pub(super) flows: Vec<Flow>,
    /// Frames that datagrams were reassembled from, in the order of the [`RecordKind::Fragments`],
    /// which give their number.
    pub(super) fragments: Vec<u64>,
    /// The packets, if packets are recorded, in the order of the records with [`Record::packet`].
    pub(super) packets: Vec<PacketRef>,
    /// The block of the file that contains the frames.
    pub(super) block: Arc<Vec<u8>>,
    /// The prefilter found no match candidate in the block.
    pub(super) lacks: bool,
    /// Bytes that lie in no frame of the block: they were queued, or reassembled from fragments.
    pub(super) copies: Vec<u8>,
    /// The counters of ingest and of the source, up to here.
    pub(super) stats: Stats,
    pub(super) progress: Option<Progress>,
    pub(super) warnings: Vec<Warning>,
}

/// One event. Holds no heap data, so clearing a batch is O(1).
pub(super) struct Record {
    /// The current time.
    pub(super) now: Timestamp,
    /// The packet of an event.
    pub(super) by: PacketInfo,
    /// The bytes of the event, if it has any.
    pub(super) place: BytesRef,
    /// Number of [`Batch::ticks`] consumed before this record.
    pub(super) ticks_before: u32,
    /// The clock advanced to `now` with this record.
    pub(super) advances: bool,
    /// Run the consumer's timers now; the reassembler's have fired.
    pub(super) timers_due: bool,
    /// The next of [`Batch::flows`] replaces the consumer's copy of this flow.
    pub(super) flow_updated: bool,
    /// The next of [`Batch::packets`] comes after the clock tick and before the event.
    pub(super) packet: bool,
    pub(super) what: RecordKind,
}

/// A captured packet, for the recorder.
pub(super) struct PacketRef {
    /// Its frame, with `bytes` empty; `place` refers to the bytes.
    pub(super) frame: Frame<'static>,
    pub(super) place: BytesRef,
    pub(super) pair: Option<Pair>,
}

pub(super) enum RecordKind {
    /// No event: only the clock or a packet.
    Time,
    /// The following events come from a datagram reassembled from this many of
    /// [`Batch::fragments`].
    Fragments(usize),
    /// An event of the flow in this slot.
    Event(u32, Event<(), ()>),
}

/// A reference to bytes of a batch.
#[derive(Clone, Copy, Default)]
pub(super) struct BytesRef {
    /// The start: an index into the copies, or an address in the block. The address stays valid
    /// when the block moves to another thread.
    pub(super) at: usize,
    pub(super) len: usize,
    /// The bytes are in the block, not in the copies.
    pub(super) in_block: bool,
}

impl Batch {
    /// The bytes of a reference.
    pub(super) fn bytes(&self, place: BytesRef) -> &[u8] {
        let (part, start) = match place.in_block {
            true => (&*self.block, self.offset(place.at)),
            false => (&self.copies, place.at),
        };
        let end = start.checked_add(place.len);
        let bytes = end.and_then(|end| part.get(start..end));
        debug_assert!(bytes.is_some(), "the bytes of an event are in its batch");
        bytes.unwrap_or_default()
    }

    /// The index in the block of an address.
    pub(super) fn offset(&self, at: usize) -> usize {
        at.wrapping_sub(self.block.as_ptr().addr())
    }

    /// The total length of the packets' frames if all lie in the block; `None` if some do not.
    pub(super) fn frame_bytes(&self) -> Option<usize> {
        let places = self.packets.iter().map(|seen| seen.place);
        places
            .map(|place| place.in_block.then_some(place.len))
            .sum()
    }

    /// The addresses of bytes that certainly contain no match.
    pub(super) fn no_match_in(&self) -> Range<usize> {
        match self.lacks {
            true => {
                let addresses = self.block.as_ptr_range();
                addresses.start.addr()..addresses.end.addr()
            }
            false => 0..0,
        }
    }

    /// Whether the batch is large enough to send. Ticks are not counted: there are no more of them
    /// than frames in a block.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.copies.len() >= COPIES
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ticks.is_empty() && self.warnings.is_empty()
    }

    /// Empties the batch for reuse.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.ticks.clear();
        self.flows.clear();
        self.fragments.clear();
        self.packets.clear();
        self.copies.clear();
        self.copies.shrink_to(COPIES);
        self.warnings.clear();
    }
}

/// Records per batch, unless one frame causes more.
const RECORDS: usize = 8192;
/// Copied bytes per batch, unless one frame causes more.
const COPIES: usize = 256 << 10;

/// The version of a flow last sent to the consumer: its id (0 before the first) and its changes.
type SentVersion = (u64, u32);

/// The sink of ingest that collects events into batches.
pub(super) struct BatchWriter<F> {
    pub(super) batch: Batch,
    /// Sends a batch and returns an empty one.
    send: F,
    now: Timestamp,
    /// Ticks since the last record.
    ticks_before: u32,
    advances: bool,
    timers_due: bool,
    /// Addresses of the current frame within the block; may be empty. `None`: there is no block,
    /// and all bytes are copied.
    frame: Option<Range<usize>>,
    interest: Interest,
    /// The versions sent, by flow slot.
    sent: Vec<SentVersion>,
    /// What is recorded, if anything is.
    recorded: Option<Scope>,
    /// A packet came since the last record.
    packet: bool,
}

impl<F: FnMut(Batch) -> Batch> BatchWriter<F> {
    /// A writer that sends the events in `interest`, and all packets if they are recorded.
    pub(super) fn new(interest: Interest, recorded: Option<Scope>, send: F) -> Self {
        Self {
            batch: Batch::default(),
            send,
            now: Timestamp::default(),
            ticks_before: 0,
            advances: false,
            timers_due: false,
            frame: None,
            interest,
            sent: Vec::new(),
            recorded,
            packet: false,
        }
    }

    /// The following events come from this frame.
    pub(super) fn at(&mut self, frame: &Frame<'_>) {
        let start = frame.bytes.as_ptr().addr();
        self.frame = Some(start..start.saturating_add(frame.bytes.len()));
    }

    /// The following events belong to no block. The events of the previous block must have been
    /// sent.
    pub(super) fn without_block(&mut self) {
        self.frame = None;
    }

    /// Whether there is no block.
    pub(super) fn is_without_block(&self) -> bool {
        self.frame.is_none()
    }

    /// The buffer of a block that was sent before, for reuse.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        // If the recorder still holds the block, its buffer cannot be reused.
        Arc::try_unwrap(std::mem::take(&mut self.batch.block)).unwrap_or_default()
    }

    /// Sends the batch with the block that its frames lie in. `lacks`: the block certainly contains
    /// no match.
    pub(super) fn send(&mut self, block: Vec<u8>, lacks: bool) {
        self.record_pending();
        // The ticks after the last record are not counted in any record.
        self.ticks_before = 0;
        self.batch.block = Arc::new(block);
        self.batch.lacks = lacks;
        if !self.batch.is_empty() {
            let sent = std::mem::take(&mut self.batch);
            let (stats, progress) = (sent.stats, sent.progress);
            self.batch = (self.send)(sent);
            // Valid until they are next updated.
            (self.batch.stats, self.batch.progress) = (stats, progress);
        }
    }

    /// Records pending ticks, and a pending packet without events.
    #[inline]
    fn record_pending(&mut self) {
        if self.advances && self.timers_due && !self.packet {
            (self.advances, self.timers_due) = (false, false);
            self.batch.ticks.push(self.now);
            self.ticks_before += 1;
        } else if self.advances || self.timers_due || self.packet {
            self.record(
                &PacketInfo::default(),
                BytesRef::default(),
                false,
                RecordKind::Time,
            );
        }
    }

    /// Records an event, preceded by the update of its flow if that changed.
    #[inline(never)]
    fn record_event(&mut self, flow: &Flow, flow_updated: bool, event: &StreamEvent<'_>) {
        if flow_updated {
            self.batch.flows.push(*flow);
            self.note_sent(flow.slot, (flow.id, flow.changes));
        }
        if let StreamEvent::Closed { .. } = event {
            self.note_sent(flow.slot, SentVersion::default());
        }
        let place = self.place(event.bytes());
        let what = RecordKind::Event(flow.slot, event.with((), ()));
        self.record(event.by(), place, flow_updated, what);
        // A flush can deliver megabytes at once. Without a block to keep alive, send every full
        // batch immediately.
        if self.frame.is_none() && self.batch.is_full() {
            let spare = self.spare();
            self.send(spare, false);
        }
    }

    fn note_sent(&mut self, slot: u32, version: SentVersion) {
        let slot = slot as usize;
        if self.sent.len() <= slot {
            self.sent.resize(slot + 1, SentVersion::default());
        }
        if let Some(sent) = self.sent.get_mut(slot) {
            *sent = version;
        }
    }

    fn record(&mut self, by: &PacketInfo, place: BytesRef, flow_updated: bool, what: RecordKind) {
        self.batch.records.push(Record {
            now: self.now,
            by: *by,
            place,
            ticks_before: std::mem::take(&mut self.ticks_before),
            advances: std::mem::take(&mut self.advances),
            timers_due: std::mem::take(&mut self.timers_due),
            flow_updated,
            packet: std::mem::take(&mut self.packet),
            what,
        });
    }

    fn place(&mut self, bytes: &[u8]) -> BytesRef {
        let (at, len) = (bytes.as_ptr().addr(), bytes.len());
        if let Some(frame) = &self.frame
            && frame.contains(&at)
            && at.saturating_add(len) <= frame.end
        {
            return BytesRef {
                at,
                len,
                in_block: true,
            };
        }
        let at = self.batch.copies.len();
        self.batch.copies.extend_from_slice(bytes);
        BytesRef {
            at,
            len,
            in_block: false,
        }
    }
}

impl<F: FnMut(Batch) -> Batch> StreamSink for BatchWriter<F> {
    fn time(&mut self, now: Timestamp) {
        self.record_pending();
        (self.now, self.advances) = (now, true);
    }

    fn run_timers(&mut self, _now: Timestamp) {
        self.timers_due = true;
    }

    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        let Some(scope) = self.recorded else { return };
        let place = self.place(frame.bytes);
        self.packet = true;
        self.batch.packets.push(PacketRef {
            frame: Frame {
                bytes: &[],
                ..*frame
            },
            place,
            pair: scope.pair(packet),
        });
    }

    fn fragments(&mut self, frames: &[u64]) {
        self.batch.fragments.extend_from_slice(frames);
        let what = RecordKind::Fragments(frames.len());
        self.record(&PacketInfo::default(), BytesRef::default(), false, what);
    }

    #[allow(
        clippy::inline_always,
        reason = "most events are dropped here; inlined, the caller need not construct them"
    )]
    #[inline(always)]
    fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        let sent = self.sent.get(flow.slot as usize);
        let (id, changes) = sent.copied().unwrap_or_default();
        let known = id == flow.id;
        if self.interest.includes(flow, self.now, event, known) {
            self.record_event(flow, !known || changes != flow.changes, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(place: BytesRef) -> PacketRef {
        let frame = Frame {
            number: 1,
            ts: Timestamp::default(),
            interface: 0,
            link: crate::frame::LinkType::RAW,
            wire_len: 0,
            bytes: &[],
        };
        let pair = None;
        PacketRef { frame, place, pair }
    }

    /// Copied packets would be ordered after the block, but before its remaining frames.
    #[test]
    fn a_block_of_a_batch_with_copied_packets_is_not_to_be_kept() {
        let place = |len, in_block| BytesRef {
            at: 0,
            len,
            in_block,
        };
        let mut batch = Batch::default();
        batch
            .packets
            .extend([60, 40].map(|len| seen(place(len, true))));
        assert_eq!(batch.frame_bytes(), Some(100));
        batch.packets.push(seen(place(10, false)));
        assert_eq!(batch.frame_bytes(), None);
    }
}

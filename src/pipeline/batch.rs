//! The *batch*: what the front told of some frames, with the bytes, on its way from one thread to
//! another.
//!
//! Bytes of frames are not copied: the block of the file that the frames lie in goes along.

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

/// What is told of some frames, in order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// Moments at which nothing was told, in the order of the records that come behind them.
    pub(super) quiet: Vec<Timestamp>,
    /// What became known of flows, in the order of the records that say so.
    pub(super) flows: Vec<Flow>,
    /// Frames from which something was put together, in the order of the records that say of how
    /// many.
    pub(super) fragments: Vec<u64>,
    /// The packets, where they are told, in the order of the records that follow one.
    pub(super) packets: Vec<PacketRef>,
    /// The part of the file that the frames lie in.
    pub(super) block: Arc<Vec<u8>>,
    /// What is sought is certainly not in there.
    pub(super) lacks: bool,
    /// Bytes that lie in no frame of the block: they had to wait, or were put together.
    pub(super) copies: Vec<u8>,
    /// The front's counters by now, and the source's.
    pub(super) stats: Stats,
    pub(super) progress: Option<Progress>,
    pub(super) warnings: Vec<Warning>,
}

/// One thing that is told. It owns nothing, so that thousands are forgotten at once.
pub(super) struct Record {
    /// What it is by then.
    pub(super) now: Timestamp,
    /// The packet of an event.
    pub(super) by: PacketInfo,
    /// Where its bytes are, if it has any.
    pub(super) place: BytesRef,
    /// So many of the batch's quiet moments passed before.
    pub(super) quiet: u32,
    /// It has just become that.
    pub(super) ticks: bool,
    /// Of what time alone ends, the streams' part was told: now the listener's own.
    pub(super) due: bool,
    /// The next of the batch's flows is what is known of this flow from now on.
    pub(super) flow_updated: bool,
    /// The next of the batch's packets was seen behind the time and before the rest.
    pub(super) packet: bool,
    pub(super) what: RecordKind,
}

/// A packet, for the recorder.
pub(super) struct PacketRef {
    /// Its frame, without the bytes, and where those are.
    pub(super) frame: Frame<'static>,
    pub(super) place: BytesRef,
    pub(super) pair: Option<Pair>,
}

pub(super) enum RecordKind {
    /// Nothing but the time.
    Time,
    /// What follows was put together from so many of the batch's next fragments.
    Fragments(usize),
    /// An event of the flow in this slot.
    Event(u32, Event<(), ()>),
}

/// Where bytes are.
#[derive(Clone, Copy, Default)]
pub(super) struct BytesRef {
    /// Of the first of them: its place in the copies, or its address in the block, which stays the
    /// same when the block goes to another thread.
    pub(super) at: usize,
    pub(super) len: usize,
    /// They are in the block.
    pub(super) in_block: bool,
}

impl Batch {
    /// The bytes of a place.
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

    /// Where in the block an address is.
    pub(super) fn offset(&self, at: usize) -> usize {
        at.wrapping_sub(self.block.as_ptr().addr())
    }

    /// Bytes of the block that are frames of the packets. None: some lie elsewhere.
    pub(super) fn told(&self) -> Option<usize> {
        let places = self.packets.iter().map(|seen| seen.place);
        places
            .map(|place| place.in_block.then_some(place.len))
            .sum()
    }

    /// Addresses of the bytes in which what is sought certainly is not.
    pub(super) fn no_match_in(&self) -> Range<usize> {
        match self.lacks {
            true => {
                let addresses = self.block.as_ptr_range();
                addresses.start.addr()..addresses.end.addr()
            }
            false => 0..0,
        }
    }

    /// Whether it is time to send it: there is much in it. (Of quiet moments there are no more than
    /// frames in a block.)
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.copies.len() >= COPIES
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.quiet.is_empty() && self.warnings.is_empty()
    }

    /// Make it ready to be filled again.
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.quiet.clear();
        self.flows.clear();
        self.fragments.clear();
        self.packets.clear();
        self.copies.clear();
        self.copies.shrink_to(COPIES);
        self.warnings.clear();
    }
}

/// Records that are sent together, unless they come from one frame.
const RECORDS: usize = 8192;
/// Bytes that are copied for one batch, unless they come from one frame.
const COPIES: usize = 256 << 10;

/// The version of a flow that was sent last: its id (0 for none), and its changes until then.
type SentVersion = (u64, u32);

/// Listens to the ingest, and gathers what it tells.
pub(super) struct BatchWriter<F> {
    pub(super) batch: Batch,
    /// Takes a batch, gives an empty one.
    send: F,
    now: Timestamp,
    /// Quiet moments since the last record.
    quiet: u32,
    ticks: bool,
    due: bool,
    /// Addresses of the frame that lies in the block, which may have no bytes. None: there is no
    /// block, and all bytes are copied.
    frame: Option<Range<usize>>,
    interest: Interest,
    /// By the flows' slots.
    sent: Vec<SentVersion>,
    /// What is recorded, if anything is.
    recorded: Option<Scope>,
    /// A packet was seen.
    packet: bool,
}

impl<F: FnMut(Batch) -> Batch> BatchWriter<F> {
    /// Sends the events that are of interest, and all packets where they are recorded.
    pub(super) fn new(interest: Interest, recorded: Option<Scope>, send: F) -> Self {
        Self {
            batch: Batch::default(),
            send,
            now: Timestamp::default(),
            quiet: 0,
            ticks: false,
            due: false,
            frame: None,
            interest,
            sent: Vec::new(),
            recorded,
            packet: false,
        }
    }

    /// What is told from here on is told of this frame.
    pub(super) fn at(&mut self, frame: &Frame<'_>) {
        let start = frame.bytes.as_ptr().addr();
        self.frame = Some(start..start.saturating_add(frame.bytes.len()));
    }

    /// What is told from here on lies in no block. All that was told of one must be sent.
    pub(super) fn apart(&mut self) {
        self.frame = None;
    }

    /// Whether that is so.
    pub(super) fn is_apart(&self) -> bool {
        self.frame.is_none()
    }

    /// The memory of a block that was sent before, to be used again.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        // Where it is kept by someone it is not to be had.
        Arc::try_unwrap(std::mem::take(&mut self.batch.block)).unwrap_or_default()
    }

    /// Send what there is, with the block that its frames lie in, and whether that certainly lacks
    /// what is sought.
    pub(super) fn send(&mut self, block: Vec<u8>, lacks: bool) {
        self.settle();
        // What is behind the last record needs none.
        self.quiet = 0;
        self.batch.block = Arc::new(block);
        self.batch.lacks = lacks;
        if !self.batch.is_empty() {
            let sent = std::mem::take(&mut self.batch);
            let (stats, progress) = (sent.stats, sent.progress);
            self.batch = (self.send)(sent);
            // As long as nobody says more.
            (self.batch.stats, self.batch.progress) = (stats, progress);
        }
    }

    /// Time that nothing was told of is told now, and a packet that brought nothing.
    #[inline]
    fn settle(&mut self) {
        if self.ticks && self.due && !self.packet {
            (self.ticks, self.due) = (false, false);
            self.batch.quiet.push(self.now);
            self.quiet += 1;
        } else if self.ticks || self.due || self.packet {
            self.record(
                &PacketInfo::default(),
                BytesRef::default(),
                false,
                RecordKind::Time,
            );
        }
    }

    /// Tell an event, and what became known of its flow.
    #[inline(never)]
    fn tell(&mut self, flow: &Flow, flow_updated: bool, event: &StreamEvent<'_>) {
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
        // What is let go at once may be large: event by event it is sent, where no block has to
        // wait for its frames.
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
            quiet: std::mem::take(&mut self.quiet),
            ticks: std::mem::take(&mut self.ticks),
            due: std::mem::take(&mut self.due),
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
        self.settle();
        (self.now, self.ticks) = (now, true);
    }

    fn run_timers(&mut self, _now: Timestamp) {
        self.due = true;
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
        reason = "most of it is not told, which is seen where it is made: then it need not be"
    )]
    #[inline(always)]
    fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        let sent = self.sent.get(flow.slot as usize);
        let (id, changes) = sent.copied().unwrap_or_default();
        let known = id == flow.id;
        if self.interest.includes(flow, self.now, event, known) {
            self.tell(flow, !known || changes != flow.changes, event);
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

    /// Those that are copied would come to lie behind the block, and in front of its other frames.
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
        assert_eq!(batch.told(), Some(100));
        batch.packets.push(seen(place(10, false)));
        assert_eq!(batch.told(), None);
    }
}

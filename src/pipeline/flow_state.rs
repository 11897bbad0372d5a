//! The state of a flow between its packets.
//!
//! The consumer keeps one per flow ([`super::consumer`]). It is small while nothing is open,
//! because there may be hundreds of thousands.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::dissect::FlowDissector;
use crate::exchange::{Evidence, Exchange, ResponseProgress, Silence};
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits::{OPEN_MESSAGES, time};
use crate::message::{BodyFacts, CallStatus, Description, Known, MessageId, Role, Start, Summary};
use crate::packet::TcpFlags;
use crate::search::{Context, MessageBuffer, Query, ScanState};
use crate::stream::{OutOfStreamReason, PacketInfo, StreamEvent};

use super::owned_hit::OwnedHit;

/// The state of one flow.
#[derive(Default)]
pub(super) struct FlowState {
    pub(super) conversation: FlowDissector,
    pub(super) tracking: Tracking,
}

impl FlowState {
    /// Bytes of memory that it has allocated, about.
    pub(super) fn held(&self) -> usize {
        self.conversation.held() + self.tracking.held()
    }
}

/// The selector's part of a flow's state.
#[derive(Default)]
pub(super) struct Tracking {
    /// The open (or held) message of each direction that has number 0.
    open: [Option<Box<OpenMessage>>; 2],
    /// Those with other numbers. An entry without a message is free.
    others: Vec<(MessageId, Option<Box<OpenMessage>>)>,
    /// The scan state of each direction whose text continues across messages.
    marks: [ScanState; 2],
    /// There is a gap at the scan state of each direction.
    pub(super) holed: [bool; 2],
    /// The directions that have ended.
    pub(super) ended: [bool; 2],
    /// The offset after the last byte of each direction.
    pub(super) reached: [u64; 2],
    /// The acknowledged offset of each direction, and the time of its last acknowledgement.
    pub(super) acked: [(u64, Timestamp); 2],
    /// Gaps and raw bursts of each direction, and responses in it whose request is not known.
    pub(super) missed: [u32; 2],
    /// Exchanges whose final response is incomplete.
    pub(super) exchanges: VecDeque<Exchange>,
    /// Messages that may be shown because of others.
    pub(super) neighbours: Option<Box<Kept>>,
    /// Frames of each direction with bytes not emitted yet, if frames are recorded.
    pub(super) pending_frames: Option<Box<[Vec<u64>; 2]>>,
    /// The flow's first message has begun.
    pub(super) begun: bool,
    /// A burst of the flow began with a TLS record.
    pub(super) tls: bool,
    /// The flow is in the selector's timer list.
    pub(super) timed: bool,
    /// The flow had a request: its failures are those of its exchanges.
    pub(super) has_requests: bool,
    /// Its failure was recorded.
    pub(super) failed: bool,
    /// What was held of the flow was given up: each direction goes on as if it was joined in the
    /// middle.
    pub(super) shed: [bool; 2],
    /// The offset that each direction had reached when its last response ended.
    pub(super) answered: [u64; 2],
    /// When bytes of each direction were last lost or out of stream.
    pub(super) lost: [Option<Timestamp>; 2],
    /// Time of the client's last bytes.
    pub(super) client_data_at: Timestamp,
    /// The FINs of both directions, if a response was still expected.
    pub(super) fins: Option<Box<[Option<PacketInfo>; 2]>>,
}

/// Messages that are kept because others may cause them to be shown.
#[derive(Default)]
pub(super) struct Kept {
    /// The context for `-A` and `-B`.
    pub(super) context: Context<Rc<OwnedHit>>,
    /// Requests that are kept until their response: to be shown with it, or if its facts meet the
    /// conditions.
    pub(super) requests: VecDeque<Rc<OwnedHit>>,
}

/// An open message.
#[derive(Default)]
pub(super) struct OpenMessage {
    pub(super) unit: MessageBuffer,
    /// Alternative readings, by their number.
    pub(super) readings: Vec<AltReading>,
    pub(super) begin: Start,
    pub(super) id: MessageId,
    pub(super) number: u64,
    /// The packet of its first byte.
    pub(super) first: PacketInfo,
    /// The packet of its last byte so far.
    pub(super) last: LastPacket,
    pub(super) brief: Summary,
    /// How its body was decoded; set at the end.
    pub(super) body: BodyFacts,
    /// How the call ended, if that came after the body.
    pub(super) status: Option<Box<CallStatus>>,
    /// Its head was parsed.
    pub(super) briefed: bool,
    /// It ended with an undecided match and is held until the next burst.
    pub(super) held: bool,
    /// Time alone does not end the hold; only further data does.
    pub(super) waits: bool,
    /// It is the flow's first message, and the flow was joined midstream.
    pub(super) midstream: bool,
    /// Its flow has too many that are open: only the beginning of its head is kept.
    pub(super) unkept: bool,
    /// A portion of it was shown; this describes its head.
    pub(super) portions: Option<Description>,
    /// A portion was a match, not only shown with its request.
    pub(super) counted: bool,
    /// Time of the first text since it was last shown.
    pub(super) fresh: Option<Timestamp>,
    /// Nanoseconds of the pauses between its bytes.
    pub(super) paused: i64,
    /// The stream offset of the data that its first byte came with.
    pub(super) from: u64,
    /// It has no place in its stream; or it has, and a conflicting copy of some of its bytes came.
    pub(super) aside: Option<OutOfStreamReason>,
    /// What is known of the conditions on a response whose request was not captured.
    pub(super) evidence: Evidence,
    /// Frames that carried it, for `-O`.
    pub(super) frames: Vec<u64>,
    /// How many of them were saved with its portions.
    pub(super) saved: usize,
}

/// An alternative reading of an open message.
pub(super) struct AltReading {
    /// What the bytes are taken for.
    pub(super) name: &'static str,
    pub(super) unit: Box<MessageBuffer>,
}

/// The packet of a message's last byte.
#[derive(Clone, Copy, Default)]
pub(super) struct LastPacket {
    pub(super) ts: Timestamp,
    pub(super) flags: TcpFlags,
    pub(super) icmp: Option<(u8, u8)>,
}

/// Frames that are recorded per message.
pub(super) const FRAMES: usize = 65_536;

impl OpenMessage {
    /// Becomes the state of a new message. The caller starts the message buffer.
    pub(super) fn start(&mut self, begin: Start, number: u64, id: MessageId, by: &PacketInfo) {
        self.readings.clear();
        self.begin = begin;
        self.id = id;
        self.number = number;
        self.first = *by;
        self.last = by.into();
        self.brief = Summary::default();
        self.body = BodyFacts::default();
        self.status = None;
        self.briefed = false;
        self.held = false;
        self.waits = false;
        self.midstream = false;
        self.unkept = false;
        self.portions = None;
        self.counted = false;
        self.fresh = None;
        self.paused = 0;
        self.aside = None;
        self.evidence = Evidence::default();
        self.frames.clear();
        self.saved = 0;
    }

    /// What it is described from, with this head.
    pub(super) fn known<'a>(&'a self, head: &'a [u8]) -> Known<'a> {
        Known {
            head,
            body: &self.body,
            status: self.status.as_deref(),
        }
    }

    /// Whether it has new text that could be shown while it is open. A body that is not readable
    /// text is shown, or named, when the message ends.
    pub(super) fn is_new(&self) -> bool {
        let named = self.portions.as_ref();
        self.fresh.is_some()
            && self.briefed
            && self.begin.kind.side == Role::Response
            && named.is_none_or(|described| described.opaque.is_none())
            && self.unit.is_new()
    }

    /// Text came with this packet.
    pub(super) fn comes(&mut self, by: &PacketInfo) {
        let pause = by.ts.since(self.last.ts);
        if pause >= time::BURST_PAUSE {
            self.paused = self.paused.saturating_add(pause);
        }
        self.last = by.into();
        self.fresh.get_or_insert(by.ts);
    }

    /// Records frames that carried it: those of the list after the last recorded one.
    pub(super) fn note_frames(&mut self, frames: &[u64]) {
        // Searched from the end: the last recorded frame is near it.
        if self.frames.len() >= FRAMES {
            return;
        }
        let last = self.frames.last();
        let noted = last.and_then(|last| frames.iter().rposition(|frame| frame == last));
        let new = frames
            .get(noted.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let count = FRAMES.saturating_sub(self.frames.len()).min(new.len());
        self.frames.extend_from_slice(&new[..count]);
    }
}

impl From<&PacketInfo> for LastPacket {
    fn from(by: &PacketInfo) -> Self {
        Self {
            ts: by.ts,
            flags: by.flags,
            icmp: by.icmp,
        }
    }
}

/// Bytes of the description of a message that was shown in part, about.
const DESCRIPTION: usize = 1024;

impl OpenMessage {
    /// Bytes of memory that it takes, about.
    fn held(&self) -> usize {
        let readings = self.readings.iter();
        let readings = readings.map(|reading| size_of::<MessageBuffer>() + reading.unit.held());
        size_of::<Self>()
            + self.unit.held()
            + readings.sum::<usize>()
            + self.frames.capacity() * size_of::<u64>()
            + usize::from(self.portions.is_some()) * DESCRIPTION
    }
}

impl Kept {
    /// Bytes of memory that it takes, about. A message that is in both lists counts twice.
    fn held(&self) -> usize {
        let kept = self.context.before().chain(&self.requests);
        size_of::<Self>() + kept.map(|kept| kept.size()).sum::<usize>()
    }
}

impl Tracking {
    /// Whether the flow has too many open messages for another one to be kept.
    pub(super) fn is_crowded(&self) -> bool {
        let mut open = self.others.iter().filter(|(_, open)| open.is_some());
        self.others.len() >= OPEN_MESSAGES && open.nth(OPEN_MESSAGES - 1).is_some()
    }

    /// Bytes of memory that it has allocated, about.
    fn held(&self) -> usize {
        let frames = self.pending_frames.iter().flat_map(|frames| frames.iter());
        let frames = frames.map(|frames| frames.capacity() * size_of::<u64>());
        self.opened().map(OpenMessage::held).sum::<usize>()
            + self.exchanges.capacity() * size_of::<Exchange>()
            + self.neighbours.as_ref().map_or(0, |kept| kept.held())
            + frames.sum::<usize>()
    }

    /// The open message with this id, if there is one.
    pub(super) fn open(&mut self, id: impl Into<MessageId>) -> &mut Option<Box<OpenMessage>> {
        let id = id.into();
        match id.number {
            0 => &mut self.open[id.dir.index()],
            _ => self.other(id),
        }
    }

    /// The same of one whose number is not 0. A flow has few of them: they are found by a walk.
    /// What was found is the first one from then on, since most events are of the same message as
    /// the one before.
    #[cold]
    fn other(&mut self, id: MessageId) -> &mut Option<Box<OpenMessage>> {
        let others = &mut self.others;
        let at = others
            .iter()
            .position(|(other, open)| *other == id && open.is_some())
            .or_else(|| others.iter().position(|(_, open)| open.is_none()));
        let at = at.unwrap_or_else(|| {
            others.push((id, None));
            others.len() - 1
        });
        others.swap(0, at);
        let (other, open) = &mut others[0];
        *other = id;
        open
    }

    /// The open message with this id, and the frames of its direction of which nothing was emitted
    /// yet.
    pub(super) fn open_with_frames(
        &mut self,
        id: MessageId,
    ) -> Option<(&mut OpenMessage, Option<&[u64]>)> {
        let frames = self.pending_frames.as_deref();
        let frames = frames.map(|frames| &*frames[id.dir.index()]);
        let open = if id.number == 0 {
            &mut self.open[id.dir.index()]
        } else {
            let mut others = self.others.iter_mut();
            let open = others.find(|(other, open)| *other == id && open.is_some());
            &mut open?.1
        };
        Some((open.as_deref_mut()?, frames))
    }

    /// The ids of the open messages.
    pub(super) fn ids(&self) -> Vec<MessageId> {
        self.opened().map(|open| open.id).collect()
    }

    /// The open messages.
    pub(super) fn opened(&self) -> impl Iterator<Item = &OpenMessage> {
        let others = self.others.iter().filter_map(|(_, open)| open.as_deref());
        self.open.iter().flatten().map(|open| &**open).chain(others)
    }

    /// The same, to be changed.
    fn opened_mut(&mut self) -> impl Iterator<Item = &mut OpenMessage> {
        let others = self.others.iter_mut();
        let others = others.filter_map(|(_, open)| open.as_deref_mut());
        let own = self.open.iter_mut().flatten();
        own.map(|open| &mut **open).chain(others)
    }

    /// The event as the dissector is to take it, where that is not as it is: the first bytes of a
    /// direction since what was held of the flow was given up are those of one that is joined in
    /// the middle.
    #[inline]
    pub(super) fn resumed<'e>(&mut self, event: &StreamEvent<'e>) -> Option<StreamEvent<'e>> {
        if self.shed == [false; 2] {
            return None;
        }
        let mut event = *event;
        if let StreamEvent::Data { dir, midstream, .. } = &mut event {
            *midstream |= std::mem::take(&mut self.shed[dir.index()]);
        }
        Some(event)
    }

    /// Marks the open message as contested: a differing copy of a byte at `offset` came. Has no
    /// effect if the byte is before the message.
    pub(super) fn contest(&mut self, dir: Direction, offset: u64) {
        let of_dir = self.opened_mut().filter(|open| open.id.dir == dir);
        for open in of_dir.filter(|open| offset >= open.from) {
            open.aside.get_or_insert(OutOfStreamReason::Conflict);
        }
    }

    pub(super) fn mark(&mut self, dir: Direction) -> &mut ScanState {
        &mut self.marks[dir.index()]
    }

    /// Whether a timer is needed, live: for a held burst, or an open message that can be shown,
    /// with `pair` because its request was.
    pub(super) fn is_due(&self, query: &Query, pair: bool) -> bool {
        let mut opened = self.opened();
        opened.any(|open| (open.held && !open.waits) || self.is_due_of(open, query, pair))
    }

    /// Whether an open message can be shown now.
    pub(super) fn is_due_of(&self, open: &OpenMessage, query: &Query, pair: bool) -> bool {
        open.is_new() && (open.unit.holds(query) || (pair && self.is_asked_for(open)))
    }

    /// Whether the request of a response was shown.
    pub(super) fn is_asked_for(&self, open: &OpenMessage) -> bool {
        let mut exchanges = self.exchanges.iter();
        exchanges.any(|exchange| Some(exchange.ordinal) == open.begin.exchange && exchange.shown)
    }

    /// The open request of this number.
    pub(super) fn request_dir(&mut self, dir: Direction, number: u64) -> Option<&mut OpenMessage> {
        self.opened_mut().find(|open| {
            open.id.dir == dir && open.begin.kind.side == Role::Request && open.number == number
        })
    }

    /// Removes and returns the kept request of this number.
    pub(super) fn request(&mut self, number: u64) -> Option<Rc<OwnedHit>> {
        let requests = &mut self.neighbours.as_mut()?.requests;
        let at = requests.iter().position(|kept| kept.number == number)?;
        requests.remove(at)
    }

    pub(super) fn exchange(&mut self, ordinal: Option<u64>) -> Option<&mut Exchange> {
        let ordinal = ordinal?;
        self.exchanges
            .iter_mut()
            .find(|exchange| exchange.ordinal == ordinal)
    }

    /// The state of a response direction.
    pub(super) fn progress(&self, dir: Direction) -> ResponseProgress {
        ResponseProgress {
            acknowledged: self.acked[dir.index()].0,
            missed: self.missed[dir.index()],
        }
    }

    /// Whether a packet of a direction was captured: it carried or acknowledged bytes, or was the
    /// SYN or its reply.
    pub(super) fn is_seen(&self, flow: &Flow, dir: Direction) -> bool {
        let other = dir.reverse().index();
        let begun = match dir {
            Direction::ToServer => flow.handshake.syn.is_some(),
            Direction::ToClient => flow.handshake.answered.is_some(),
        };
        begun || self.reached[dir.index()] > 0 || self.acked[other].0 > 0
    }

    /// Why the response to a request is missing.
    pub(super) fn silence(&self, flow: &Flow, exchange: &Exchange) -> Silence {
        let dir = exchange.request_dir.reverse();
        if !self.is_seen(flow, dir) {
            Silence::Unseen
        } else if self.missed[dir.index()] != exchange.progress.missed {
            Silence::Unknown
        } else {
            Silence::None
        }
    }

    /// The request of an exchange is complete: `last` is its last packet, `sent` its size in bytes.
    pub(super) fn request_ended(
        &mut self,
        ordinal: Option<u64>,
        dir: Direction,
        last: LastPacket,
        sent: u64,
    ) {
        let reached = self.reached[dir.index()];
        let (acked, acked_at) = self.acked[dir.index()];
        let Some(exchange) = self.exchange(ordinal) else {
            return;
        };
        exchange.request_end = Some(last.ts);
        exchange.request_flags = last.flags;
        exchange.request_end_offset = reached;
        if acked >= reached {
            // The capture recorded the acknowledgement before the end of the request.
            exchange.acknowledged.get_or_insert(acked_at.max(last.ts));
        }
        exchange.sent = sent;
    }

    /// Removes and returns an exchange.
    pub(super) fn close(&mut self, ordinal: Option<u64>) -> Option<Exchange> {
        let ordinal = ordinal?;
        let at = self
            .exchanges
            .iter()
            .position(|exchange| exchange.ordinal == ordinal)?;
        match at {
            // The usual case, and cheaper than `remove`.
            0 => self.exchanges.pop_front(),
            at => self.exchanges.remove(at),
        }
    }
}

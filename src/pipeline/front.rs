//! The *front*: from a frame to what is said of streams. Filter, decoder, copies, fragments, reassembly.
//!
//! It knows nothing of what becomes of the events: who listens may search them at once, or carry them to another thread.

use std::ops::Range;

use crate::capture::filter::Filter;
use crate::decode;
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::limits::TUNNELS;
use crate::packet::{Packet, Transport};
use crate::reassemble::{Defragmented, Defragmenter, Reassembler};
use crate::stats::{DecodeStats, ReassemblyStats, Stats};
use crate::stream::{Aside, StreamEvent};

use super::copies::Copies;

/// The verbs between a frame and a stream. `S` rides along with each flow.
pub(super) struct Front<S> {
    filter: Option<Filter>,
    scratch: Vec<u8>,
    decoded: DecodeStats,
    copies: Copies,
    defragmenter: Defragmenter,
    reassembler: Reassembler<S>,
}

/// Who is told what the front makes of frames: in this order for each, and all of it before the next frame is taken.
pub(super) trait Listener<S> {
    /// It is `now`. What time alone has ended in the streams is told next.
    fn now(&mut self, now: Timestamp);
    /// Of what time alone ends, the streams' part was told: the slot and id of the next flow that the listener has waited for.
    fn due(&mut self, now: Timestamp) -> Option<(u32, u64)>;
    /// That flow.
    fn idle(&mut self, now: Timestamp, flow: &Flow, state: &mut S);
    /// A packet passed the filter; what it brings is told next.
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>);
    /// What is told next was put together from these frames; `[]`: from the packet at hand again.
    fn whole(&mut self, frames: &[u64]);
    /// Something is to be said of a flow.
    fn event(&mut self, flow: &Flow, state: &mut S, event: &StreamEvent<'_>);
}

impl<S: Default> Front<S> {
    pub(super) fn new(
        filter: Option<Filter>,
        copies: Copies,
        defragmenter: Defragmenter,
        reassembler: Reassembler<S>,
    ) -> Self {
        Self {
            filter,
            scratch: Vec::new(),
            decoded: DecodeStats::default(),
            copies,
            defragmenter,
            reassembler,
        }
    }

    /// One like this, before its first frame, whose flows carry something else.
    pub(super) fn carrying<T: Default>(self) -> Front<T> {
        Front::new(
            self.filter,
            self.copies,
            self.defragmenter,
            self.reassembler.carrying(),
        )
    }

    /// Whether all packets are taken: there is no filter.
    pub(super) fn takes_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Take a frame. It may lie in a `block` that stays until [`Self::settle`].
    pub(super) fn frame(
        &mut self,
        block: &[u8],
        frame: &Frame<'_>,
        listener: &mut impl Listener<S>,
    ) {
        self.tick(block, frame.ts, listener);
        // Looked at where it was made: a packet is large.
        let decoded = decode::frame(frame);
        let packet = match &decoded {
            Ok(packet) => packet,
            Err(why) => return self.decoded.count(*why),
        };
        // A later fragment has no ports to be filtered by: it is judged with the first one's datagram.
        let later = packet
            .ip
            .fragment
            .is_some_and(|fragment| fragment.offset > 0);
        if let Some(filter) = self.filter.as_mut().filter(|_| !later) {
            let bytes = match filter.wants_tags() {
                true => frame.bytes,
                false => decode::untagged(frame, &mut self.scratch),
            };
            if !filter.passes(frame.link, frame.wire_len, bytes) {
                if packet.ip.fragment.is_some() {
                    self.defragmenter.ignore(packet);
                }
                return self.decoded.filtered += 1;
            }
        }
        if self.copies.is_copy(frame, packet) {
            return self.decoded.copies += 1;
        }
        self.decoded.packets += 1;
        self.decoded.too_deep += u64::from(packet.tunnels > TUNNELS);
        self.decoded.snaplen_bytes += u64::from(packet.cut);
        listener.packet(frame, packet);
        self.packet(block, packet, listener);
        if packet.doubtful
            && let Some((datagram, inner)) = decode::around(frame)
        {
            around(&mut self.reassembler, block, &datagram, inner, listener);
        }
    }

    fn packet(&mut self, block: &[u8], packet: &Packet<'_>, listener: &mut impl Listener<S>) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        if packet.ip.fragment.is_none() {
            if !push(reassembler, block, packet, listener) {
                self.decoded.packets -= 1;
                self.decoded.copies += 1;
            }
            return;
        }
        match defragmenter.push(packet, &mut |piece| {
            apart(reassembler, block, piece, listener);
        }) {
            Defragmented::Waiting => {}
            Defragmented::Apart => apart(reassembler, block, packet, listener),
            Defragmented::Whole {
                first,
                bytes,
                frames,
            } => {
                listener.whole(frames);
                reassembler.settle(block);
                let packet = decode::datagram(&first, bytes);
                push(reassembler, &[], &packet, listener);
                if packet.doubtful
                    && let Some((datagram, inner)) = decode::around_datagram(&first, bytes)
                {
                    around(reassembler, &[], &datagram, inner, listener);
                }
                listener.whole(&[]);
            }
        }
    }

    /// Note that it is `now`.
    pub(super) fn tick(&mut self, block: &[u8], now: Timestamp, listener: &mut impl Listener<S>) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        listener.now(now);
        defragmenter.expire(now, &mut |piece| {
            apart(reassembler, block, piece, listener);
        });
        reassembler.expire_from(block, now, |flow, state, event| {
            listener.event(flow, state, event);
        });
        while let Some(flow) = listener.due(now) {
            reassembler.visit(flow, |flow, state| listener.idle(now, flow, state));
        }
    }

    /// The block goes that frames were taken from.
    pub(super) fn settle(&mut self, block: &[u8]) {
        self.reassembler.settle(block);
    }

    /// The capture is over: everything that waits is told.
    pub(super) fn finish(&mut self, listener: &mut impl Listener<S>) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        defragmenter.finish(&mut |piece| apart(reassembler, &[], piece, listener));
        reassembler.finish(|flow, state, event| listener.event(flow, state, event));
    }

    /// Look at a flow by its slot and id.
    pub(super) fn visit(&mut self, flow: (u32, u64), look: impl FnOnce(&Flow, &mut S)) {
        self.reassembler.visit(flow, look);
    }

    /// Bytes that wait, and may all be told at the next frame.
    pub(super) fn waiting(&self) -> usize {
        self.reassembler.waiting()
    }

    /// The counters of this part.
    pub(super) fn stats(&self) -> Stats {
        let fragments = self.defragmenter.stats();
        Stats {
            decode: self.decoded,
            reassembly: ReassemblyStats {
                defragmented: fragments.defragmented,
                fragments_lost: fragments.fragments_lost,
                fragment_bytes_lost: fragments.fragment_bytes_lost,
                fragment_conflicts: fragments.fragment_conflicts,
                ..self.reassembler.stats()
            },
            ..Stats::default()
        }
    }
}

fn push<S: Default>(
    reassembler: &mut Reassembler<S>,
    block: &[u8],
    packet: &Packet<'_>,
    listener: &mut impl Listener<S>,
) -> bool {
    reassembler.push_from(block, packet, |flow, state, event| {
        listener.event(flow, state, event);
    })
}

/// What lies around a packet in a datagram that may be none of a tunnel's: searched alone, with the packet beside it.
fn around<S: Default>(
    reassembler: &mut Reassembler<S>,
    block: &[u8],
    datagram: &Packet<'_>,
    inner: Range<usize>,
    listener: &mut impl Listener<S>,
) {
    reassembler.push_from(block, datagram, |flow, state, event| match *event {
        StreamEvent::Datagram { dir, bytes, by, .. } => {
            let len = bytes.len();
            // In front of the packet, and behind it.
            for (context, after) in [(0, len - inner.start.min(len)), (inner.end.min(len), 0)] {
                let event = StreamEvent::Aside {
                    dir,
                    offset: 0,
                    bytes,
                    context,
                    after,
                    why: Aside::Around,
                    by,
                };
                if context + after < len {
                    listener.event(flow, state, &event);
                }
            }
        }
        _ => listener.event(flow, state, event),
    });
}

/// A fragment that has no datagram is searched alone, as one of its two ends' other messages.
fn apart<S: Default>(
    reassembler: &mut Reassembler<S>,
    block: &[u8],
    piece: &Packet<'_>,
    listener: &mut impl Listener<S>,
) {
    let alone = Packet {
        transport: Transport::Other,
        payload: piece.ip_payload,
        ..*piece
    };
    reassembler.push_from(block, &alone, |flow, state, event| match *event {
        StreamEvent::Datagram { dir, bytes, by, .. } => {
            let event = StreamEvent::Aside {
                dir,
                offset: 0,
                bytes,
                context: 0,
                after: 0,
                why: Aside::Late,
                by,
            };
            listener.event(flow, state, &event);
        }
        _ => listener.event(flow, state, event),
    });
}

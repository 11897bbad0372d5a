//! The *front*: from a frame to what is said of streams. Filter, decoder, copies, fragments,
//! reassembly.
//!
//! It knows nothing of what becomes of the events: who listens may search them at once, or carry
//! them to another thread.

use std::ops::Range;

use crate::capture::filter::Filter;
use crate::decode;
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::limits::TUNNELS;
use crate::packet::{Packet, Transport};
use crate::reassemble::{Defragmented, Defragmenter, Reassembler};
use crate::stats::{DecodeStats, ReassemblyStats, Stats};
use crate::stream::{OutOfStreamReason, StreamEvent};

use super::dedup::Dedup;

/// The verbs between a frame and a stream.
pub(super) struct Ingest {
    filter: Option<Filter>,
    scratch: Vec<u8>,
    decoded: DecodeStats,
    copies: Dedup,
    defragmenter: Defragmenter,
    reassembler: Reassembler,
}

/// Receives what becomes of frames. For each frame the calls come in the order of these methods,
/// and all of them before the next frame is taken.
pub(super) trait StreamSink {
    /// It is `now`. The events of streams that time alone ends follow.
    fn time(&mut self, now: Timestamp);
    /// The reassembler's timers for `now` have fired: the sink runs its own.
    fn run_timers(&mut self, now: Timestamp);
    /// A packet passed the filter; its events follow.
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>);
    /// The following events come from a datagram reassembled from `frames`; an empty slice switches
    /// back to the current packet.
    fn fragments(&mut self, frames: &[u64]);
    /// An event of a flow.
    fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>);
}

impl Ingest {
    pub(super) fn new(
        filter: Option<Filter>,
        copies: Dedup,
        defragmenter: Defragmenter,
        reassembler: Reassembler,
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

    /// Whether all packets are taken: there is no filter.
    pub(super) fn takes_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Take a frame. It may lie in a `block` that stays until [`Self::settle`].
    pub(super) fn frame(&mut self, block: &[u8], frame: &Frame<'_>, sink: &mut impl StreamSink) {
        self.tick(block, frame.ts, sink);
        // Looked at where it was made: a packet is large.
        let decoded = decode::frame(frame);
        let packet = match &decoded {
            Ok(packet) => packet,
            Err(why) => return self.decoded.count(*why),
        };
        // A later fragment has no ports to be filtered by: it is judged with the first one's
        // datagram.
        let later = packet
            .ip
            .fragment
            .is_some_and(|fragment| fragment.offset > 0);
        if let Some(filter) = self.filter.as_mut().filter(|_| !later) {
            let bytes = match filter.needs_vlan_tags() {
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
        sink.packet(frame, packet);
        self.packet(block, packet, sink);
        if packet.doubtful
            && let Some((datagram, inner)) = decode::around(frame)
        {
            around(&mut self.reassembler, block, &datagram, inner, sink);
        }
    }

    fn packet(&mut self, block: &[u8], packet: &Packet<'_>, sink: &mut impl StreamSink) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        if packet.ip.fragment.is_none() {
            if !push(reassembler, block, packet, sink) {
                self.decoded.packets -= 1;
                self.decoded.copies += 1;
            }
            return;
        }
        match defragmenter.push(packet, &mut |piece| {
            apart(reassembler, block, piece, sink);
        }) {
            Defragmented::Waiting => {}
            Defragmented::Apart => apart(reassembler, block, packet, sink),
            Defragmented::Whole {
                first,
                bytes,
                frames,
            } => {
                sink.fragments(frames);
                reassembler.settle(block);
                let packet = decode::datagram(&first, bytes);
                push(reassembler, &[], &packet, sink);
                if packet.doubtful
                    && let Some((datagram, inner)) = decode::around_datagram(&first, bytes)
                {
                    around(reassembler, &[], &datagram, inner, sink);
                }
                sink.fragments(&[]);
            }
        }
    }

    /// Note that it is `now`.
    pub(super) fn tick(&mut self, block: &[u8], now: Timestamp, sink: &mut impl StreamSink) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        sink.time(now);
        defragmenter.expire(now, &mut |piece| {
            apart(reassembler, block, piece, sink);
        });
        reassembler.expire_from(block, now, |flow, event| sink.event(flow, event));
        sink.run_timers(now);
    }

    /// The block goes that frames were taken from.
    pub(super) fn settle(&mut self, block: &[u8]) {
        self.reassembler.settle(block);
    }

    /// The capture is over: everything that waits is told.
    pub(super) fn finish(&mut self, sink: &mut impl StreamSink) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        defragmenter.finish(&mut |piece| apart(reassembler, &[], piece, sink));
        reassembler.finish(|flow, event| sink.event(flow, event));
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

fn push(
    reassembler: &mut Reassembler,
    block: &[u8],
    packet: &Packet<'_>,
    sink: &mut impl StreamSink,
) -> bool {
    reassembler.push_from(block, packet, |flow, event| sink.event(flow, event))
}

/// What lies around a packet in a datagram that may be none of a tunnel's: searched alone, with the
/// packet beside it.
fn around(
    reassembler: &mut Reassembler,
    block: &[u8],
    datagram: &Packet<'_>,
    inner: Range<usize>,
    sink: &mut impl StreamSink,
) {
    reassembler.push_from(block, datagram, |flow, event| match *event {
        StreamEvent::Datagram { dir, bytes, by, .. } => {
            let len = bytes.len();
            // In front of the packet, and behind it.
            for (context, after) in [(0, len - inner.start.min(len)), (inner.end.min(len), 0)] {
                let event = StreamEvent::OutOfStream {
                    dir,
                    offset: 0,
                    bytes,
                    context,
                    after,
                    why: OutOfStreamReason::Around,
                    by,
                };
                if context + after < len {
                    sink.event(flow, &event);
                }
            }
        }
        _ => sink.event(flow, event),
    });
}

/// A fragment that has no datagram is searched alone, as one of its two ends' other messages.
fn apart(
    reassembler: &mut Reassembler,
    block: &[u8],
    piece: &Packet<'_>,
    sink: &mut impl StreamSink,
) {
    let alone = Packet {
        transport: Transport::Other,
        payload: piece.ip_payload,
        ..*piece
    };
    reassembler.push_from(block, &alone, |flow, event| match *event {
        StreamEvent::Datagram { dir, bytes, by, .. } => {
            let event = StreamEvent::OutOfStream {
                dir,
                offset: 0,
                bytes,
                context: 0,
                after: 0,
                why: OutOfStreamReason::Late,
                by,
            };
            sink.event(flow, &event);
        }
        _ => sink.event(flow, event),
    });
}

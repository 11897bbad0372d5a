//! *Ingest*: from frames to stream events. Filters, decodes, removes duplicates, defragments and
//! reassembles.
//!
//! It does not depend on the use of the events: the sink may search them at once, or send them to
//! another thread.

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

/// The stages from a frame to stream events.
pub(super) struct Ingest {
    filter: Option<Filter>,
    scratch: Vec<u8>,
    decoded: DecodeStats,
    copies: Dedup,
    defragmenter: Defragmenter,
    reassembler: Reassembler,
}

/// Receives the results of ingest. For each frame the calls come in the order of these methods, all
/// before the next frame is processed.
pub(super) trait StreamSink {
    /// The clock advances to `now`. The events of streams that end by timeout follow.
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

    /// Whether there is no filter, so that all packets are processed.
    pub(super) fn takes_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Processes a frame. It may lie in a `block` that stays valid until [`Self::release_block`].
    pub(super) fn frame(&mut self, block: &[u8], frame: &Frame<'_>, sink: &mut impl StreamSink) {
        self.tick(block, frame.ts, sink);
        // Matched by reference, because a packet is large to move.
        let decoded = decode::frame(frame);
        let packet = match &decoded {
            Ok(packet) => packet,
            Err(why) => return self.decoded.count(*why),
        };
        // A later fragment has no ports to filter by. The decision on the datagram's first fragment
        // covers it.
        let later = packet
            .ip
            .fragment
            .is_some_and(|fragment| fragment.offset > 0);
        if let Some(filter) = self.filter.as_mut().filter(|_| !later) {
            let bytes = match filter.needs_vlan_tags() {
                true => frame.bytes,
                false => decode::untagged(frame, &mut self.scratch),
            };
            // `less` and `greater` mean the frame as the expression sees it, without the tags.
            let removed = u32::try_from(frame.bytes.len() - bytes.len()).unwrap_or(0);
            if !filter.passes(frame.link, frame.wire_len.saturating_sub(removed), bytes) {
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

    /// Advances the clock to `now`.
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

    /// Call before the block of the processed frames is freed or reused.
    pub(super) fn release_block(&mut self, block: &[u8]) {
        self.reassembler.settle(block);
    }

    /// The capture ended: delivers all queued data.
    pub(super) fn finish(&mut self, sink: &mut impl StreamSink) {
        let Self {
            defragmenter,
            reassembler,
            ..
        } = self;
        defragmenter.finish(&mut |piece| apart(reassembler, &[], piece, sink));
        reassembler.finish(|flow, event| sink.event(flow, event));
    }

    /// Queued bytes, which the next frame may release all at once.
    pub(super) fn waiting(&self) -> usize {
        self.reassembler.waiting()
    }

    /// The counters of the ingest stages.
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

/// Searches the bytes around a packet that was decapsulated from a datagram which may not be a
/// tunnel's. They are out of stream, with the packet as their context.
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
            // The bytes before the packet, and those after it.
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

/// Searches a fragment without a datagram alone, as part of the flow between its two addresses.
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

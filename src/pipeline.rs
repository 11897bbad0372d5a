//! The one file that knows all the verbs, and joins them.
//!
//! ```text
//! Frame ─▶ filter ─▶ decode ─┬─▶ defragment ─▶ reassemble ─▶ dissect ─▶ search ─▶ render      messages
//!                            └─▶ search ─▶ render                                             packets (--ngrep)
//! ```
//!
//! Its rooms: `desk` (from what is said to what is shown), `memory` (what is remembered of a flow), `telling` (how a message
//! becomes a hit), `packets` (ngrep's way), `copies` (a packet on several interfaces), `recorder` (the packets for `-O`), `streams` (the files of `--streams`).

mod copies;
mod desk;
mod kept;
mod memory;
mod packets;
mod recorder;
mod show;
mod streams;
mod telling;

use std::io;

use crate::capture::filter::Filter;
use crate::decode;
use crate::frame::{Frame, Timestamp};
use crate::limits::{Limits, TUNNELS};
use crate::packet::Packet;
use crate::policy::Policy;
use crate::reassemble::{Defragmented, Defragmenter, Reassembler};
use crate::render::{Ending, Renderer};
use crate::search::{Conditions, Keep, Query};
use crate::stats::{CaptureStats, DecodeStats, Stats};
use crate::stream::{Aside, StreamEvent};

use copies::Copies;
pub use desk::Unanswered;
use desk::{Desk, Orders};
use memory::Memory;
use packets::Packets;
pub use recorder::{Recorder, Scope};
pub use show::Pace;
use show::Show;
pub use streams::Streams;

/// What a run is to do with frames.
pub struct Settings {
    /// Packets, as ngrep, instead of messages.
    pub packets: bool,
    /// The user's capture filter, unless the kernel applies it exactly.
    pub filter: Option<Filter>,
    /// What is looked for.
    pub query: Query,
    /// What exchanges must be like.
    pub conditions: Conditions,
    /// Show what does not match.
    pub invert: bool,
    /// Also show what has no payload.
    pub show_empty: bool,
    /// No more hits after this many.
    pub max_count: Option<u64>,
    /// Search and show only this many bytes of each message.
    pub search_first: Option<usize>,
    /// Bytes as they were sent: nothing is dissected.
    pub wire: bool,
    /// Neighbours in front of a hit, in the same conversation.
    pub before: usize,
    /// Neighbours behind a hit, in the same conversation (with `packets`: any packets).
    pub after: usize,
    /// Both halves of an exchange in full when one is a hit.
    pub pair: bool,
    /// Names of header fields that stand out as well.
    pub stand_out: Vec<String>,
    /// Packets are captured now, not read from a file.
    pub live: bool,
    /// Bounds.
    pub limits: Limits,
    /// Decisions.
    pub policy: Policy,
    /// Nanoseconds after which a quiet flow is forgotten.
    pub idle: i64,
}

/// The spine, from a frame to what is shown of it.
pub struct Pipeline {
    filter: Option<Filter>,
    scratch: Vec<u8>,
    decoded: DecodeStats,
    captured: CaptureStats,
    ending: Ending,
    copies: Copies,
    way: Way,
}

/// How packets become hits.
enum Way {
    /// Through streams and messages.
    Messages(Box<Messages>),
    /// One by one, as ngrep.
    Packets(Box<Packets>),
}

/// The verbs between a packet and a message.
struct Messages {
    defragmenter: Defragmenter,
    reassembler: Reassembler<Memory>,
    desk: Desk,
}

impl Pipeline {
    /// A pipeline that shows hits through `renderer`, saves their packets in `recorder`, all bytes in `streams`, and asks `pace` before each record.
    #[must_use]
    pub fn new(
        settings: Settings,
        renderer: Box<dyn Renderer>,
        recorder: Option<Recorder>,
        streams: Option<Streams>,
        pace: Option<Pace>,
    ) -> Self {
        let Settings {
            filter,
            query,
            conditions,
            limits,
            ..
        } = settings;
        let wants = renderer.wants();
        let show = Show::new(renderer, recorder, streams, pace);
        let way = if settings.packets {
            let mut packets = Packets::new(query, show);
            packets.invert = settings.invert;
            packets.show_empty = settings.show_empty;
            packets.max_count = settings.max_count;
            packets.search_first = settings.search_first;
            packets.after = settings.after as u64;
            Way::Packets(Box::new(packets))
        } else {
            let orders = Orders {
                invert: settings.invert,
                show_empty: settings.show_empty,
                max_count: settings.max_count,
                keep: Keep {
                    head: limits.head,
                    body: wants.body,
                    around: !wants.pairs,
                    first: settings.search_first,
                },
                wire: settings.wire,
                before: settings.before,
                after: settings.after,
                pair: (settings.pair || wants.others) && conditions.only.is_none(),
                companions: wants.companions && conditions.only.is_none(),
                pairs: wants.pairs,
                frames: wants.frames,
                stand_out: settings.stand_out,
                live: settings.live,
                limits,
                query,
                conditions,
            };
            Way::Messages(Box::new(Messages {
                defragmenter: Defragmenter::new(limits, filter.is_some()),
                reassembler: Reassembler::new(limits, settings.policy, settings.idle),
                desk: Desk::new(orders, show),
            }))
        };
        Self {
            filter,
            scratch: Vec::new(),
            decoded: DecodeStats::default(),
            captured: CaptureStats::default(),
            ending: Ending::default(),
            copies: Copies::new(settings.live),
            way,
        }
    }

    /// Take a frame through the spine.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        match &mut self.way {
            Way::Packets(packets) => {
                if self
                    .filter
                    .as_mut()
                    .is_none_or(|filter| filter.passes(frame.link, frame.wire_len, frame.bytes))
                {
                    self.decoded.packets += 1;
                    packets.frame(frame, self.decoded.packets, &mut self.decoded);
                }
            }
            Way::Messages(messages) => {
                messages.tick(frame.ts);
                let packet = match decode::frame(frame) {
                    Ok(packet) => packet,
                    Err(why) => return self.decoded.count(why),
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
                            messages.defragmenter.ignore(&packet);
                        }
                        return;
                    }
                }
                if self.copies.is_copy(frame, &packet) {
                    return self.decoded.copies += 1;
                }
                self.decoded.packets += 1;
                self.decoded.too_deep += u64::from(packet.tunnels > TUNNELS);
                self.decoded.snaplen_bytes += u64::from(packet.cut);
                messages.packet(frame, &packet);
            }
        }
    }

    /// Note that it is `now`: live, when nothing comes.
    pub fn tick(&mut self, now: Timestamp) {
        if let Way::Messages(messages) = &mut self.way {
            messages.tick(now);
        }
    }

    /// Note what the source counted, and why it is not asked any more: the outputs tell it when they [finish](Self::finish).
    pub fn ended(&mut self, captured: CaptureStats, why: Ending) {
        (self.captured, self.ending) = (captured, why);
    }

    /// The capture is over: everything that waits is said and shown.
    pub fn finish(&mut self) {
        if let Way::Messages(messages) = &mut self.way {
            let Messages {
                defragmenter,
                reassembler,
                desk,
            } = &mut **messages;
            defragmenter.finish(&mut |piece| apart(reassembler, desk, piece));
            reassembler.finish(|flow, memory, event| desk.event(flow, memory, &event));
        }
        let stats = self.stats();
        let ending = std::mem::take(&mut self.ending);
        let show = self.show();
        let result = show.renderer.end(&ending);
        show.note(result);
        let result = show.renderer.finish(&stats);
        show.note(result);
        if let Some(recorder) = &mut show.recorder {
            let result = recorder.finish();
            show.note(result);
        }
        if let Some(streams) = &mut show.streams {
            let result = streams.finish();
            show.note(result);
        }
    }

    /// The oldest question that was shown and has no answer.
    pub fn waits_for(&mut self) -> Option<Unanswered> {
        let Way::Messages(messages) = &mut self.way else {
            return None;
        };
        let (number, flow) = messages.desk.oldest()?;
        let mut found = None;
        messages.reassembler.visit(flow, |flow, memory| {
            found = Unanswered::of(flow, memory.exchanges(), number);
        });
        found
    }

    /// Questions that were shown, and whose answers the end of the capture cut off: how many, and the first of them.
    #[must_use]
    pub fn left_waiting(&self) -> (u64, &[Unanswered]) {
        match &self.way {
            Way::Messages(messages) => messages.desk.left(),
            Way::Packets(_) => (0, &[]),
        }
    }

    /// The latest moment of capture time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.way {
            Way::Messages(messages) => messages.desk.now,
            Way::Packets(_) => Timestamp::default(),
        }
    }

    /// Write what is gathered.
    pub fn flush(&mut self) {
        let show = self.show();
        let result = show.renderer.flush();
        show.note(result);
    }

    /// Nothing more can be shown.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.way {
            Way::Messages(messages) => {
                messages.desk.is_done() || messages.desk.show.renderer.is_done()
            }
            Way::Packets(packets) => packets.is_done(),
        }
    }

    /// The write that failed, if one has: the run is to end.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.show().failure()
    }

    /// Whether anything was shown (with `--ngrep`, or matched what is not shown).
    #[must_use]
    pub fn has_matched(&self) -> bool {
        match &self.way {
            Way::Messages(messages) => messages.desk.output.matched > 0,
            Way::Packets(packets) => packets.output.matched + packets.shown > 0,
        }
    }

    /// The counters; the source's are those of [`Self::ended`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            capture: self.captured,
            decode: self.decoded,
            ..Stats::default()
        };
        match &self.way {
            Way::Messages(messages) => {
                let Messages {
                    defragmenter,
                    reassembler,
                    desk,
                } = &**messages;
                let fragments = defragmenter.stats();
                stats.reassembly = reassembler.stats();
                stats.reassembly.defragmented = fragments.defragmented;
                stats.reassembly.fragments_lost = fragments.fragments_lost;
                stats.reassembly.fragment_bytes_lost = fragments.fragment_bytes_lost;
                stats.reassembly.fragment_conflicts = fragments.fragment_conflicts;
                stats.dissect = desk.dissected();
                stats.output = desk.output;
                stats.output.pending = desk.left().0;
                stats.output.packets_forgotten =
                    desk.show.recorder.as_ref().map_or(0, Recorder::forgotten);
            }
            Way::Packets(packets) => stats.output = packets.output,
        }
        stats
    }

    /// The renderer, to begin with.
    pub fn renderer(&mut self) -> &mut dyn Renderer {
        &mut *self.show().renderer
    }

    fn show(&mut self) -> &mut Show {
        match &mut self.way {
            Way::Messages(messages) => &mut messages.desk.show,
            Way::Packets(packets) => &mut packets.show,
        }
    }
}

impl Messages {
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        let Self {
            defragmenter,
            reassembler,
            desk,
        } = self;
        if let Some(recorder) = &mut desk.show.recorder {
            let result = recorder.remember(frame, packet);
            desk.show.note(result);
        }
        if packet.ip.fragment.is_none() {
            return reassembler.push(packet, |flow, memory, event| {
                desk.event(flow, memory, &event);
            });
        }
        let became = defragmenter.push(packet, &mut |piece| apart(reassembler, desk, piece));
        match became {
            Defragmented::Waiting => {}
            Defragmented::Apart => apart(reassembler, desk, packet),
            Defragmented::Whole {
                first,
                bytes,
                frames,
            } => {
                desk.fragments.extend_from_slice(frames);
                let whole = decode::datagram(&first, bytes);
                reassembler.push(&whole, |flow, memory, event| {
                    desk.event(flow, memory, &event);
                });
                desk.fragments.clear();
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let Self {
            defragmenter,
            reassembler,
            desk,
        } = self;
        desk.now = desk.now.max(now);
        if desk.wants_ticks {
            let result = desk.show.renderer.tick(desk.now);
            desk.show.note(result);
        }
        defragmenter.expire(now, &mut |piece| apart(reassembler, desk, piece));
        reassembler.expire(now, |flow, memory, event| desk.event(flow, memory, &event));
        while let Some(flow) = desk.due(now) {
            reassembler.visit(flow, |flow, memory| desk.idle(now, flow, memory));
        }
    }
}

/// A fragment that has no datagram is searched alone, as one of its two ends' other messages.
fn apart(reassembler: &mut Reassembler<Memory>, desk: &mut Desk, piece: &Packet<'_>) {
    let alone = Packet {
        transport: crate::packet::Transport::Other,
        payload: piece.ip_payload,
        ..*piece
    };
    reassembler.push(&alone, |flow, memory, event| match event {
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
            desk.event(flow, memory, &event);
        }
        event => desk.event(flow, memory, &event),
    });
}

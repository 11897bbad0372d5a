//! The one file that knows all the verbs, and joins them.
//!
//! ```text
//! Frame ─▶ filter ─▶ decode ─┬─▶ defragment ─▶ reassemble ─▶ dissect ─▶ search ─▶ render
//!                            └─▶ search ─▶ render   (--ngrep: packets, not messages)
//! ```
//!
//! Its rooms: `front` (from a frame to what is said of streams), `selector` (from there to what is
//! shown), `flow_state` (what is remembered of a flow), `hit_builder` (how a message becomes a
//! hit), `packets` (ngrep's way), `copies` (a packet on several interfaces), `recorder` (the
//! packets for `-O`), `streams` (the files of `--streams`).
//!
//! Of files, the front may have a thread of its own: `ahead`. What it tells goes to the desk in
//! batches (`batch`), and `behind` gives them to it in their order: what comes out is the same to
//! the byte.

mod account;
mod batch;
mod consumer;
mod dedup;
mod flow_state;
mod hit_builder;
mod ingest;
mod outputs;
mod owned_hit;
mod packets;
mod reader_thread;
mod recorder;
mod replay;
mod selector;
mod streams;

use std::io;

use crate::capture::filter::Filter;
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::limits::Limits;
use crate::policy::Policy;
use crate::reassemble::{Defragmenter, Reassembler};
use crate::render::{Ending, Renderer};
use crate::search::{Conditions, KeepLimits, Query};
use crate::stats::{CaptureStats, DecodeStats, Stats};
use crate::stop::Stop;

use consumer::Consumer;
use dedup::Dedup;
use flow_state::FlowState;
use ingest::Ingest;
use outputs::Outputs;
pub use outputs::Pace;
use packets::Packets;
pub use reader_thread::{ReaderEvent, ReaderThread};
pub use recorder::{Recorder, Scope};
use replay::BatchReplay;
pub use selector::PendingRequest;
use selector::{SelectOptions, Selector};
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
    /// What takes long inside of the pipeline ends when this is set.
    pub stop: Stop,
}

/// The spine, from a frame to what is shown of it.
pub struct Pipeline {
    captured: CaptureStats,
    ending: Ending,
    mode: Mode,
}

/// How packets become hits.
enum Mode {
    /// Through streams and messages.
    Messages(Box<MessageMode>),
    /// The same, while another thread reads ahead.
    Batches(Box<BatchReplay>),
    /// One by one, as ngrep.
    Packets(Box<PacketMode>),
}

/// The verbs between a frame and what is shown of messages.
struct MessageMode {
    ingest: Ingest,
    consumer: Consumer,
}

/// The verbs between a frame and what is shown of packets.
struct PacketMode {
    filter: Option<Filter>,
    /// Of the frame in hand, behind the filter.
    number: u64,
    decoded: DecodeStats,
    packets: Packets,
}

impl Pipeline {
    /// A pipeline that shows hits through `renderer`, saves their packets in `recorder`, all bytes
    /// in `streams`, and asks `pace` before each record.
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
        let outputs = Outputs::new(renderer, recorder, streams, pace);
        let mode = if settings.packets {
            let mut packets = Packets::new(query, outputs);
            packets.invert = settings.invert;
            packets.show_empty = settings.show_empty;
            packets.max_count = settings.max_count;
            packets.search_first = settings.search_first;
            packets.after = settings.after as u64;
            Mode::Packets(Box::new(PacketMode {
                filter,
                number: 0,
                decoded: DecodeStats::default(),
                packets,
            }))
        } else {
            let options = SelectOptions {
                invert: settings.invert,
                show_empty: settings.show_empty,
                max_count: settings.max_count,
                keep: KeepLimits {
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
                masked: wants.masked,
                frames: wants.frames,
                stand_out: settings.stand_out,
                live: settings.live,
                limits,
                query,
                conditions,
            };
            let defragmenter = Defragmenter::new(limits, filter.is_some());
            let reassembler =
                Reassembler::new(limits, settings.policy, settings.idle).until(settings.stop);
            Mode::Messages(Box::new(MessageMode {
                ingest: Ingest::new(filter, Dedup::new(settings.live), defragmenter, reassembler),
                consumer: Consumer::new(Selector::new(options, outputs), limits.held()),
            }))
        };
        Self {
            captured: CaptureStats::default(),
            ending: Ending::default(),
            mode,
        }
    }

    /// Take a frame through the spine. (While another thread reads ahead, none is taken.)
    pub fn frame(&mut self, frame: &Frame<'_>) {
        match &mut self.mode {
            Mode::Messages(messages) => messages.ingest.frame(&[], frame, &mut messages.consumer),
            Mode::Batches(_) => {}
            Mode::Packets(singles) => singles.frame(frame),
        }
    }

    /// Note that it is `now`: live, when nothing comes.
    pub fn tick(&mut self, now: Timestamp) {
        if let Mode::Messages(messages) = &mut self.mode {
            messages.ingest.tick(&[], now, &mut messages.consumer);
        }
    }

    /// Note what the source counted, and why it is not asked any more: the outputs tell it when
    /// they [finish](Self::finish).
    pub fn ended(&mut self, captured: CaptureStats, why: Ending) {
        (self.captured, self.ending) = (captured, why);
    }

    /// The capture is over: everything that waits is said and shown.
    pub fn finish(&mut self) {
        match &mut self.mode {
            Mode::Messages(messages) => {
                messages.ingest.finish(&mut messages.consumer);
                messages.consumer.selector.finish_failures();
            }
            Mode::Batches(behind) => behind.consumer.selector.finish_failures(),
            Mode::Packets(_) => {}
        }
        let stats = self.stats();
        let ending = std::mem::take(&mut self.ending);
        let outputs = self.show();
        let result = outputs.renderer.end(&ending);
        outputs.note(result);
        let result = outputs.renderer.finish(&stats);
        outputs.note(result);
        if let Some(recorder) = &mut outputs.recorder {
            let result = recorder.flush();
            outputs.note(result);
        }
        if let Some(streams) = &mut outputs.streams {
            let result = streams.finish();
            outputs.note(result);
        }
    }

    /// The oldest question that was shown and has no answer.
    pub fn waits_for(&mut self) -> Option<PendingRequest> {
        let (number, flow) = self.selector()?.oldest()?;
        let mut found = None;
        let look = |flow: &Flow, flow_state: &mut FlowState| {
            found = PendingRequest::of(flow, flow_state, number);
        };
        match &mut self.mode {
            Mode::Messages(messages) => messages.consumer.visit(flow, look),
            Mode::Batches(behind) => behind.consumer.visit(flow, look),
            Mode::Packets(_) => {}
        }
        found
    }

    /// Questions that were shown, and whose answers the end of the capture cut off: how many, and
    /// the first of them.
    #[must_use]
    pub fn left_waiting(&self) -> (u64, &[PendingRequest]) {
        self.selector().map_or((0, &[]), Selector::left)
    }

    /// The latest moment of capture time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.selector()
            .map_or_else(Timestamp::default, |selector| selector.now)
    }

    /// Write what is gathered.
    pub fn flush(&mut self) {
        let outputs = self.show();
        let result = outputs.renderer.flush();
        outputs.note(result);
        if let Some(recorder) = &mut outputs.recorder {
            let result = recorder.flush();
            outputs.note(result);
        }
    }

    /// Nothing more can be shown.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.mode {
            Mode::Packets(singles) => singles.packets.is_done(),
            _ => self
                .selector()
                .is_some_and(|selector| selector.is_done() || selector.outputs.renderer.is_done()),
        }
    }

    /// The write that failed, if one has: the run is to end.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.show().failure()
    }

    /// Whether anything was shown (with `--ngrep`, or matched what is not shown).
    #[must_use]
    pub fn has_matched(&self) -> bool {
        match &self.mode {
            Mode::Packets(singles) => singles.packets.output.matched + singles.packets.shown > 0,
            _ => self
                .selector()
                .is_some_and(|selector| selector.output.matched > 0),
        }
    }

    /// The counters; the source's are those of [`Self::ended`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (ingest, output) = match &self.mode {
            Mode::Messages(messages) => (
                messages.ingest.stats(),
                messages.consumer.selector.counted(),
            ),
            Mode::Batches(behind) => (behind.stats, behind.consumer.selector.counted()),
            Mode::Packets(singles) => (
                Stats {
                    decode: singles.decoded,
                    ..Stats::default()
                },
                singles.packets.output,
            ),
        };
        let capture = match &self.mode {
            Mode::Batches(behind) if self.captured.frames == 0 => behind.stats.capture,
            _ => self.captured,
        };
        Stats {
            capture,
            dissect: self.selector().map(Selector::dissected).unwrap_or_default(),
            output,
            ..ingest
        }
    }

    /// The renderer, to begin with.
    pub fn renderer(&mut self) -> &mut dyn Renderer {
        &mut *self.show().renderer
    }

    fn show(&mut self) -> &mut Outputs {
        match &mut self.mode {
            Mode::Messages(messages) => &mut messages.consumer.selector.outputs,
            Mode::Batches(behind) => &mut behind.consumer.selector.outputs,
            Mode::Packets(singles) => &mut singles.packets.outputs,
        }
    }

    fn selector(&self) -> Option<&Selector> {
        match &self.mode {
            Mode::Messages(messages) => Some(&messages.consumer.selector),
            Mode::Batches(behind) => Some(&behind.consumer.selector),
            Mode::Packets(_) => None,
        }
    }
}

impl PacketMode {
    fn frame(&mut self, frame: &Frame<'_>) {
        let passes = self
            .filter
            .as_mut()
            .is_none_or(|filter| filter.passes(frame.link, frame.wire_len, frame.bytes));
        if !passes {
            return self.decoded.filtered += 1;
        }
        self.number += 1;
        self.packets.frame(frame, self.number, &mut self.decoded);
    }
}

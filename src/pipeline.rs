//! The pipeline: the only module that depends on all stages, and joins them.
//!
//! Events reach the selector in the order of the frames, with one thread or two. The memory of each
//! stage is bounded by [`crate::limits`] and by constants next to the buffers.
//!
//! ```text
//! Frame ─▶ filter ─▶ decode ─┬─▶ defragment ─▶ reassemble ─▶ dissect ─▶ search ─▶ render
//!                            └─▶ search ─▶ render   (--ngrep: packets, not messages)
//! ```
//!
//! | module | task |
//! | --- | --- |
//! | `ingest` | from frames to stream events |
//! | `dedup` | drops duplicates of a packet captured on several interfaces |
//! | `consumer` | passes stream events to the selector, with the `flow_state` of their flow |
//! | `selector` | from message events to hits |
//! | `hit_builder` | builds a hit from a message |
//! | `outputs` | the renderer, the `recorder` (`-O`) and `streams` (`--streams`) |
//! | `packets` | packet mode (`--ngrep`) |
//! | `reader_thread` | runs ingest of files in a thread of its own |
//! | `batch`, `replay` | carry the events of that thread to the consumer, in order |
//!
//! The output of a run with a reader thread is byte for byte the same as without one.

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
use crate::frame::{Frame, Span, Timestamp};
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

/// The settings of a run.
pub struct Settings {
    /// Packet mode, like ngrep: packets instead of messages.
    pub packets: bool,
    /// The user's capture filter; `None` if the kernel applies it exactly.
    pub filter: Option<Filter>,
    /// The pattern.
    pub query: Query,
    /// Conditions on exchanges.
    pub conditions: Conditions,
    /// Show only exchanges, bursts, datagrams and failures that began in this span.
    pub span: Span,
    /// Show what does not match.
    pub invert: bool,
    /// Also show packets without payload.
    pub show_empty: bool,
    /// Stop showing hits after this many.
    pub max_count: Option<u64>,
    /// Search and show only this many bytes of each message.
    pub search_first: Option<usize>,
    /// Search bytes as sent, without dissecting them.
    pub wire: bool,
    /// Context messages before a hit, of the same flow.
    pub before: usize,
    /// Context messages after a hit, of the same flow (with `packets`: packets of any flow).
    pub after: usize,
    /// Show both messages of an exchange in full when one is a hit.
    pub pair: bool,
    /// Further header fields to emphasise.
    pub stand_out: Vec<String>,
    /// Packets are captured live, not read from a file.
    pub live: bool,
    /// The bounds of all buffers.
    pub limits: Limits,
    /// The user's decisions on ambiguous traffic.
    pub policy: Policy,
    /// Nanoseconds after which an idle flow is removed.
    pub idle: i64,
    /// Long-running stages stop when this is set.
    pub stop: Stop,
}

/// All stages from a frame to the outputs.
pub struct Pipeline {
    captured: CaptureStats,
    ending: Ending,
    mode: Mode,
}

/// How packets become hits.
enum Mode {
    /// By streams and messages, in one thread.
    Messages(Box<MessageMode>),
    /// By streams and messages, with a reader thread.
    Batches(Box<BatchReplay>),
    /// One by one, like ngrep.
    Packets(Box<PacketMode>),
}

/// The stages from a frame to shown messages.
struct MessageMode {
    ingest: Ingest,
    consumer: Consumer,
}

/// The stages from a frame to shown packets.
struct PacketMode {
    filter: Option<Filter>,
    span: Span,
    /// The number of the current frame among those that passed the filter.
    number: u64,
    decoded: DecodeStats,
    packets: Packets,
}

impl Pipeline {
    /// A pipeline that shows hits with `renderer`, saves their packets with `recorder`, saves all
    /// bytes with `streams`, and calls `pace` before each record.
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
                span: settings.span,
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
                    around: !wants.pairs || wants.around,
                    first: settings.search_first,
                },
                wire: settings.wire,
                before: settings.before,
                after: settings.after,
                pair: (settings.pair || wants.others) && conditions.only.is_none(),
                companions: wants.companions && conditions.only.is_none(),
                pairs: wants.pairs,
                span: settings.span,
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

    /// Processes a frame. Ignored while a reader thread supplies the frames.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        match &mut self.mode {
            Mode::Messages(messages) => messages.ingest.frame(&[], frame, &mut messages.consumer),
            Mode::Batches(_) => {}
            Mode::Packets(packet_mode) => packet_mode.frame(frame),
        }
    }

    /// Advances the clock to `now`. For a live capture without packets.
    pub fn tick(&mut self, now: Timestamp) {
        if let Mode::Messages(messages) = &mut self.mode {
            messages.ingest.tick(&[], now, &mut messages.consumer);
        }
    }

    /// Records the source's counters and the reason of its end, which the outputs report in
    /// [`finish`](Self::finish).
    pub fn ended(&mut self, captured: CaptureStats, why: Ending) {
        (self.captured, self.ending) = (captured, why);
    }

    /// The capture ended: processes and shows everything that is buffered.
    pub fn finish(&mut self) {
        match &mut self.mode {
            Mode::Messages(messages) => {
                messages.ingest.finish(&mut messages.consumer);
                messages.consumer.selector.finish_failures();
            }
            Mode::Batches(replay) => replay.consumer.selector.finish_failures(),
            Mode::Packets(_) => {}
        }
        let stats = self.stats();
        let ending = std::mem::take(&mut self.ending);
        let outputs = self.outputs();
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

    /// The oldest request that was shown and has no response.
    pub fn waits_for(&mut self) -> Option<PendingRequest> {
        let (number, flow) = self.selector()?.oldest()?;
        let mut found = None;
        let look = |flow: &Flow, flow_state: &mut FlowState| {
            found = PendingRequest::of(flow, flow_state, number);
        };
        match &mut self.mode {
            Mode::Messages(messages) => messages.consumer.visit(flow, look),
            Mode::Batches(replay) => replay.consumer.visit(flow, look),
            Mode::Packets(_) => {}
        }
        found
    }

    /// The number of shown requests whose responses the end of the capture cut off, and the first
    /// of them.
    #[must_use]
    pub fn left_waiting(&self) -> (u64, &[PendingRequest]) {
        self.selector().map_or((0, &[]), Selector::left)
    }

    /// The latest capture time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.selector()
            .map_or_else(Timestamp::default, |selector| selector.now)
    }

    /// Flushes the outputs.
    pub fn flush(&mut self) {
        let outputs = self.outputs();
        let result = outputs.renderer.flush();
        outputs.note(result);
        if let Some(recorder) = &mut outputs.recorder {
            let result = recorder.flush();
            outputs.note(result);
        }
    }

    /// Whether nothing more can be shown.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.mode {
            Mode::Packets(packet_mode) => packet_mode.packets.is_done(),
            _ => self
                .selector()
                .is_some_and(|selector| selector.is_done() || selector.outputs.renderer.is_done()),
        }
    }

    /// The first write error, if there was one. It ends the run.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.outputs().failure()
    }

    /// Whether anything was shown; with `--ngrep`, or matched without being shown.
    #[must_use]
    pub fn has_matched(&self) -> bool {
        match &self.mode {
            Mode::Packets(packet_mode) => {
                packet_mode.packets.output.matched + packet_mode.packets.shown > 0
            }
            _ => self
                .selector()
                .is_some_and(|selector| selector.output.matched > 0),
        }
    }

    /// All counters; those of the source come from [`Self::ended`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (ingest, output) = match &self.mode {
            Mode::Messages(messages) => (
                messages.ingest.stats(),
                messages.consumer.selector.counted(),
            ),
            Mode::Batches(replay) => (replay.stats, replay.consumer.selector.counted()),
            Mode::Packets(packet_mode) => (
                Stats {
                    decode: packet_mode.decoded,
                    ..Stats::default()
                },
                packet_mode.packets.output,
            ),
        };
        let capture = match &self.mode {
            Mode::Batches(replay) if self.captured.frames == 0 => replay.stats.capture,
            _ => self.captured,
        };
        Stats {
            capture,
            dissect: self.selector().map(Selector::dissected).unwrap_or_default(),
            output,
            ..ingest
        }
    }

    /// The renderer.
    pub fn renderer(&mut self) -> &mut dyn Renderer {
        &mut *self.outputs().renderer
    }

    fn outputs(&mut self) -> &mut Outputs {
        match &mut self.mode {
            Mode::Messages(messages) => &mut messages.consumer.selector.outputs,
            Mode::Batches(replay) => &mut replay.consumer.selector.outputs,
            Mode::Packets(packet_mode) => &mut packet_mode.packets.outputs,
        }
    }

    fn selector(&self) -> Option<&Selector> {
        match &self.mode {
            Mode::Messages(messages) => Some(&messages.consumer.selector),
            Mode::Batches(replay) => Some(&replay.consumer.selector),
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
        if !self.span.contains(frame.ts) {
            return;
        }
        self.packets.frame(frame, self.number, &mut self.decoded);
    }
}

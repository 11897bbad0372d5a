//! The *selector*: turns message events into hits. It numbers messages, matches them, pairs
//! requests with responses, and calls the outputs.
//!
//! Its pools and byte counts are bounded by the constants here and in [`crate::limits`].

mod decide;
mod exchanges;
mod failed;
mod failures;
mod fast_path;
mod frame_log;
mod messages;
mod options;
mod out_of_stream;
mod pending;
mod readings;
mod timers;
mod verdict;

use std::collections::VecDeque;
use std::ops::Range;

use crate::dissect::{self, Budget, FlowDissector};
use crate::exchange::Exchange;
use crate::flow::{Direction, Flow, Handshake};
use crate::frame::Timestamp;
use crate::limits::{Limits, time};

use crate::stats::{DissectStats, OutputStats};
use crate::stream::{Ending, OutOfStreamReason, PacketInfo, StreamEvent};

use super::flow_state::{FlowState, OpenMessage, Tracking};
use super::outputs::Outputs;
use super::recorder::Recorder;
use exchanges::acknowledged;
use failed::Failures;
use failures::Cause;
use frame_log::keep_pending_frames;
pub(super) use options::SelectOptions;
use pending::Pending;
pub use pending::PendingRequest;

/// Consumes message events and emits hits.
pub(super) struct Selector {
    options: SelectOptions,
    pub(super) outputs: Outputs,
    /// Lent to the flow in process. Boxed, because this happens for each event.
    dissecting: Option<Box<Dissecting>>,
    pub(super) output: OutputStats,
    last_number: u64,
    /// A pool of open messages with their buffers.
    #[allow(clippy::vec_box, reason = "the boxes move between here and the flows")]
    message_pool: Vec<Box<OpenMessage>>,
    /// A pool of flow dissectors, reset.
    dissector_pool: Vec<FlowDissector>,
    /// A pool of buffers for open exchanges.
    exchange_pool: Vec<VecDeque<Exchange>>,
    /// Flows with a timer, in the order of their due times.
    timers: VecDeque<(Timestamp, (u32, u64))>,
    /// Bytes of bursts held until a match is decided.
    held_bytes: usize,
    /// Responses still expected for requests that were shown.
    responses_expected: u64,
    /// Context messages still to be shown after the last hits.
    after_context_left: u64,
    /// Bytes of kept requests.
    kept_bytes: usize,
    /// Shown requests without a response, by number, for reports of what is awaited.
    waiting: Pending,
    /// Failures of connections are records.
    pub(super) wants_failures: bool,
    /// Failures to be shown.
    failures: Failures,
    /// What ended the direction in process.
    cause: Option<Cause>,
    /// Bytes of a server were captured: so the responding side is part of the capture.
    server_captured: bool,
    /// The latest capture time.
    pub(super) now: Timestamp,
    /// The renderer needs clock ticks.
    pub(super) wants_ticks: bool,
    /// Frames of the fragments that the current datagram was reassembled from; empty for a packet.
    pub(super) fragments: Vec<u64>,
    /// The stream offset of the current bytes.
    at: u64,
    /// Addresses of bytes in which no match begins, as found by the reader thread.
    pub(super) no_match_in: Range<usize>,
}

/// Which events without bytes are needed. Events with bytes always are.
#[derive(Clone, Copy)]
pub(super) struct Interest {
    /// Packets without payload.
    no_payload: bool,
    /// The ends of connections that failed before any bytes were sent.
    failures: bool,
}

impl Interest {
    /// Whether an event is needed. The end of a flow is not needed if none of its events was, so a
    /// flood of SYNs costs the consumer nothing.
    pub(super) fn includes(
        self,
        flow: &Flow,
        now: Timestamp,
        event: &StreamEvent<'_>,
        known: bool,
    ) -> bool {
        match event {
            StreamEvent::NoPayload { .. } => self.no_payload,
            StreamEvent::End { .. } | StreamEvent::Closed { .. } => {
                known || (self.failures && may_have_failed(flow, now))
            }
            _ => true,
        }
    }
}

/// Whether a flow with nothing but its SYN, and perhaps a RST, may have failed.
fn may_have_failed(flow: &Flow, now: Timestamp) -> bool {
    unanswered_syn(flow).is_some_and(|syn| flow.reset.is_some() || may_be_silent(flow, syn, now))
}

/// The first SYN of a flow, if it was not answered.
fn unanswered_syn(flow: &Flow) -> Option<Timestamp> {
    let Handshake { syn, answered, .. } = flow.handshake;
    syn.filter(|_| answered.is_none())
}

/// Whether the wait for a SYN-ACK was long enough: the SYN was retransmitted, or is long ago.
fn may_be_silent(flow: &Flow, syn: Timestamp, now: Timestamp) -> bool {
    flow.handshake.repeats > 0 || now.since(syn) >= time::EMBRYO
}

/// State that the dissectors of all flows share.
#[derive(Default)]
struct Dissecting {
    stats: DissectStats,
    /// The memory of their decoders.
    decoders: Budget,
    /// Those of [`SelectOptions::limits`]: here they are lent, which a copy for each event is not
    /// worth.
    limits: Limits,
}

/// The least number of bytes that the query's statistics learn from: with fewer, the search is not
/// where the time goes.
const LESSON: usize = 64;
/// The size of each pool of reusable objects.
const SPARE: usize = 64;

impl Selector {
    pub(super) fn new(options: SelectOptions, outputs: Outputs) -> Self {
        let wants_ticks = outputs.renderer.wants().ticks;
        let dissecting = Box::new(Dissecting {
            limits: options.limits,
            ..Dissecting::default()
        });
        Self {
            wants_failures: options.want_failures(),
            options,
            outputs,
            dissecting: Some(dissecting),
            output: OutputStats::default(),
            last_number: 0,
            message_pool: Vec::new(),
            dissector_pool: Vec::new(),
            exchange_pool: Vec::new(),
            timers: VecDeque::new(),
            held_bytes: 0,
            responses_expected: 0,
            after_context_left: 0,
            kept_bytes: 0,
            waiting: Pending::default(),
            failures: Failures::default(),
            cause: None,
            server_captured: false,
            now: Timestamp::default(),
            wants_ticks,
            fragments: Vec::new(),
            at: 0,
            no_match_in: 0..0,
        }
    }

    /// The counters of the dissectors.
    pub(super) fn dissected(&self) -> DissectStats {
        let counted = self.dissecting.as_ref();
        counted.map_or_else(DissectStats::default, |dissecting| dissecting.stats)
    }

    /// The counters of search and output.
    pub(super) fn counted(&self) -> OutputStats {
        OutputStats {
            pending: self.left().0,
            matches_forgotten: self.options.query.forgotten(),
            packets_forgotten: self
                .outputs
                .recorder
                .as_ref()
                .map_or(0, Recorder::forgotten),
            ..self.output
        }
    }

    /// Which events without bytes the selector needs.
    pub(super) fn interest(&self) -> Interest {
        Interest {
            no_payload: self.options.show_empty,
            failures: self.wants_failures,
        }
    }

    /// Whether packets without payload are shown.
    pub(super) fn shows_empty(&self) -> bool {
        self.options.show_empty
    }

    /// Advances the clock to `now`.
    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        if self.wants_ticks {
            let result = self.outputs.renderer.tick(self.now);
            self.outputs.note(result);
        }
        if self.failures.due <= self.now {
            self.show_failures(self.now);
        }
    }

    /// Nothing more can be shown: `max_count` is reached, and no companion or context is awaited.
    pub(super) fn is_done(&self) -> bool {
        !self.is_taking() && self.responses_expected == 0 && self.after_context_left == 0
    }

    /// Consumes a stream event.
    pub(super) fn event(
        &mut self,
        flow: &Flow,
        flow_state: &mut FlowState,
        event: &StreamEvent<'_>,
    ) {
        if let Some(streams) = &mut self.outputs.streams {
            let result = streams.event(flow, event);
            self.outputs.note(result);
        }
        if self.options.query.learns() && event.bytes().len() >= LESSON {
            self.options.query.learn(event.bytes());
        }
        let FlowState {
            conversation,
            tracking,
        } = flow_state;
        let now = match *event {
            StreamEvent::NoPayload { dir, by } => return self.bare(flow, dir, by),
            StreamEvent::Acked { dir, offset, by } => {
                return acknowledged(tracking, dir, offset, by.ts);
            }
            StreamEvent::Closed { how, .. } => {
                self.retire(conversation);
                return self.over(flow, tracking, how);
            }
            StreamEvent::OutOfStream {
                dir,
                offset,
                why,
                by,
                ..
            } => {
                tracking.lost[dir.index()] = Some(by.ts);
                if why == OutOfStreamReason::Conflict {
                    tracking.contest(dir, offset);
                }
                return self.aside(flow, event, by);
            }
            StreamEvent::Gap { dir, by, .. } => {
                tracking.lost[dir.index()] = Some(by.ts);
                self.release(flow, tracking, dir, false);
                by.ts
            }
            StreamEvent::Data {
                dir,
                offset,
                bytes,
                by,
                ..
            } => {
                self.at = offset;
                tracking.reached[dir.index()] = offset + bytes.len() as u64;
                match dir {
                    Direction::ToServer => tracking.client_data_at = by.ts,
                    Direction::ToClient => self.server_captured = true,
                }
                by.ts
            }
            StreamEvent::Datagram { bytes, .. }
                if (self.options.wire || !dissect::may_dissect_datagrams(flow))
                    && self.can_skip(tracking, bytes) =>
            {
                conversation.skip();
                return self.skip_datagram(tracking);
            }
            // Nothing open that could end. (A FIN or a RST may be a failure.)
            StreamEvent::End {
                how: Ending::Abandoned | Ending::Capture,
                ..
            } if conversation.is_new() => return,
            StreamEvent::End { dir, how, by } => {
                if matches!(how, Ending::Fin | Ending::Reset) {
                    let ts = by.ts;
                    self.cause = Some(Cause { dir, how, ts });
                }
                by.ts
            }
            StreamEvent::Datagram { by, .. } => by.ts,
        };
        let mut dissecting = self.dissecting.take().unwrap_or_default();
        let Dissecting {
            stats,
            decoders,
            limits,
        } = &mut *dissecting;
        if matches!(event, StreamEvent::Data { .. })
            && conversation.is_new()
            && let Some(other) = self.dissector_pool.pop()
        {
            *conversation = other;
        }
        if self.options.wire {
            conversation.stay_raw();
        }
        let resumed = tracking.resumed(event);
        let event = resumed.as_ref().unwrap_or(event);
        if let StreamEvent::Data { dir, by, .. } = *event
            && self.records_frames()
        {
            self.note_pending(tracking, dir, by);
        }
        conversation.on_event(
            limits,
            decoders,
            stats,
            flow,
            event,
            &mut |id, by, event| {
                self.message_event(flow, tracking, id, by, event);
            },
        );
        self.dissecting = Some(dissecting);
        keep_pending_frames(tracking, conversation);
        if let StreamEvent::Gap { dir, .. } = *event {
            self.note_gap(tracking, dir);
        }
        if let StreamEvent::End { dir, how, by } = *event {
            self.end_of(flow, tracking, dir, how, by);
            self.cause = None;
            let other = tracking.ended[dir.reverse().index()];
            tracking.ended[dir.index()] = true;
            if other {
                // The flow is kept for late packets for a while, but its messages have ended.
                tracking.pending_frames = None;
                return self.retire(conversation);
            }
        }
        if !tracking.timed {
            self.set_timer(flow, conversation, tracking, now.after(time::BURST_PAUSE));
        }
    }

    /// Bytes of a direction are missing: no match crosses them, and a message may be among them.
    fn note_gap(&self, tracking: &mut Tracking, dir: Direction) {
        self.options.query.mark_gap(tracking.mark(dir));
        tracking.holed[dir.index()] = true;
        let missed = &mut tracking.missed[dir.index()];
        *missed = missed.saturating_add(1);
    }

    /// Gives up what is held of a flow, to bound memory: its open messages end here, incomplete,
    /// and are searched and shown as far as they came; its open exchanges stay without a response.
    /// The flow goes on as one that is joined in the middle.
    #[cold]
    pub(super) fn shed(&mut self, flow: &Flow, flow_state: &mut FlowState) {
        self.output.flows_shed += 1;
        let by = &PacketInfo {
            ts: self.now,
            ..PacketInfo::default()
        };
        let how = Ending::Abandoned;
        let ended = flow_state.tracking.ended;
        for dir in [Direction::ToServer, Direction::ToClient] {
            self.event(flow, flow_state, &StreamEvent::End { dir, how, by });
        }
        self.over(flow, &mut flow_state.tracking, how);
        let FlowState {
            conversation,
            tracking,
        } = flow_state;
        self.retire(conversation);
        tracking.neighbours = None;
        tracking.pending_frames = None;
        tracking.exchanges = VecDeque::new();
        tracking.ended = ended;
        tracking.shed = [true; 2];
    }

    /// Takes back a flow dissector, for reuse by another flow.
    fn retire(&mut self, conversation: &mut FlowDissector) {
        if conversation.is_new() {
            return;
        }
        let mut old = std::mem::take(conversation);
        if self.dissector_pool.len() < SPARE {
            old.reset();
            self.dissector_pool.push(old);
        }
    }

    /// The oldest request that was shown and has no response: its number, and slot and id of its
    /// flow.
    pub(super) fn oldest(&self) -> Option<(u64, (u32, u64))> {
        self.waiting.oldest()
    }

    /// The number of requests that were shown and got no response, and the first of them.
    pub(super) fn left(&self) -> (u64, &[PendingRequest]) {
        self.waiting.left()
    }

    fn is_taking(&self) -> bool {
        self.options
            .max_count
            .is_none_or(|most| self.output.matched < most)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A direction ended: decides a match at the very end of its text.
    fn end_of(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        dir: Direction,
        how: Ending,
        by: &PacketInfo,
    ) {
        self.release(flow, tracking, dir, how == Ending::Fin);
        if matches!(how, Ending::Fin | Ending::Reset) {
            self.ended(flow, tracking, dir, how, by);
        }
        if dir == Direction::ToClient {
            self.answered_all(flow, tracking, how);
        }
        if let Some(neighbours) = &mut tracking.neighbours {
            self.after_context_left -= neighbours.context.give_up() as u64;
        }
    }

    /// The flow is removed.
    fn over(&mut self, flow: &Flow, tracking: &mut Tracking, how: Ending) {
        if let Some(syn) = unanswered_syn(flow)
            && may_be_silent(flow, syn, self.now)
        {
            self.silent(flow, tracking, syn, how);
        }
        self.answered_all(flow, tracking, how);
        if let Some(neighbours) = &mut tracking.neighbours {
            self.after_context_left -= neighbours.context.give_up() as u64;
            let requests = neighbours.requests.iter();
            self.kept_bytes -= requests
                .map(|kept| kept.size())
                .sum::<usize>()
                .min(self.kept_bytes);
        }
    }
}

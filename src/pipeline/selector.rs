//! From what is said to what is shown: numbers, searches, pairs questions with answers, and calls
//! the renderer.

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

/// The place where messages come in and hits go out.
pub(super) struct Selector {
    options: SelectOptions,
    pub(super) outputs: Outputs,
    /// Lent to the flow in hand. In one piece, since that happens for each event.
    dissecting: Option<Box<Dissecting>>,
    pub(super) output: OutputStats,
    last_number: u64,
    /// Open messages that are not used now, with their buffers.
    #[allow(clippy::vec_box, reason = "the boxes move between here and the flows")]
    spare: Vec<Box<OpenMessage>>,
    /// Conversations of flows that are over, as new.
    quiet: Vec<FlowDissector>,
    /// Room for open exchanges that no flow needs now.
    rooms: Vec<VecDeque<Exchange>>,
    /// Flows with something that time alone ends, in the order of their moments.
    timers: VecDeque<(Timestamp, (u32, u64))>,
    /// Bytes of bursts that wait for a match to be decided.
    held: usize,
    /// Answers still to come to questions that were shown.
    responses_expected: u64,
    /// Neighbours still to come behind the last hits.
    after_context_left: u64,
    /// Bytes of kept questions.
    kept: usize,
    /// Questions without an answer, by number, for those who ask what is waited for.
    waiting: Pending,
    /// Failures of connections are records.
    pub(super) wants_failures: bool,
    /// Failures that are to be shown.
    failures: Failures,
    /// What ends the direction in hand.
    cause: Option<Cause>,
    /// Bytes of a server were seen: who answers is captured as well.
    hears_servers: bool,
    /// The latest moment.
    pub(super) now: Timestamp,
    /// The renderer wants to know it.
    pub(super) wants_ticks: bool,
    /// Frames of the fragments that the datagram in hand was put together from.
    pub(super) fragments: Vec<u64>,
    /// Where the bytes in hand begin in their stream.
    at: u64,
    /// Addresses of bytes in which no match begins: another thread has looked at them.
    pub(super) no_match_in: Range<usize>,
}

/// Which events without bytes are needed; those with bytes always are.
#[derive(Clone, Copy)]
pub(super) struct Interest {
    /// Packets without payload.
    no_payload: bool,
    /// The ends of connections that failed before a byte was sent.
    failures: bool,
}

impl Interest {
    /// Whether an event is needed. The end of a flow of which nothing was needed is not missed: a
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

/// Whether a flow may have failed of which nothing but its SYN was seen, and a RST.
fn may_have_failed(flow: &Flow, now: Timestamp) -> bool {
    unanswered_syn(flow).is_some_and(|syn| flow.reset.is_some() || may_be_silent(flow, syn, now))
}

/// The first SYN of a flow, if it was not answered.
fn unanswered_syn(flow: &Flow) -> Option<Timestamp> {
    let Handshake { syn, answered, .. } = flow.handshake;
    syn.filter(|_| answered.is_none())
}

/// Whether the answer to a SYN was waited for: the SYN was sent again, or it is long ago.
fn may_be_silent(flow: &Flow, syn: Timestamp, now: Timestamp) -> bool {
    flow.handshake.repeats > 0 || now.since(syn) >= time::EMBRYO
}

/// What the dissectors of all flows share.
#[derive(Default)]
struct Dissecting {
    stats: DissectStats,
    /// What their decoders hold.
    decoders: Budget,
    /// Those of [`SelectOptions::limits`]: here they are lent, which a copy for each event is not
    /// worth.
    limits: Limits,
}

/// Bytes that the search learns from, at least: in less the time for them is not in the search.
const LESSON: usize = 64;
/// Open messages, and rooms for exchanges, kept for use again.
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
            spare: Vec::new(),
            quiet: Vec::new(),
            rooms: Vec::new(),
            timers: VecDeque::new(),
            held: 0,
            responses_expected: 0,
            after_context_left: 0,
            kept: 0,
            waiting: Pending::default(),
            failures: Failures::default(),
            cause: None,
            hears_servers: false,
            now: Timestamp::default(),
            wants_ticks,
            fragments: Vec::new(),
            at: 0,
            no_match_in: 0..0,
        }
    }

    /// What the dissectors counted.
    pub(super) fn dissected(&self) -> DissectStats {
        let counted = self.dissecting.as_ref();
        counted.map_or_else(DissectStats::default, |dissecting| dissecting.stats)
    }

    /// What was shown, and what was not.
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

    /// What the selector needs of events that bring no bytes.
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

    /// It is `now`.
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

    /// Nothing more can be shown: `max_count` is reached, and no companion or neighbour is awaited.
    pub(super) fn is_done(&self) -> bool {
        !self.is_taking() && self.responses_expected == 0 && self.after_context_left == 0
    }

    /// Take what the reassembler says of a flow.
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
                    Direction::ToServer => tracking.spoke = by.ts,
                    Direction::ToClient => self.hears_servers = true,
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
            // Nothing was said that could end. (What ends by a FIN or a RST may be a failure.)
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
            && let Some(other) = self.quiet.pop()
        {
            *conversation = other;
        }
        if self.options.wire {
            conversation.stay_raw();
        }
        let resumed = tracking.resumed(event);
        let event = resumed.as_ref().unwrap_or(event);
        if let StreamEvent::Data { dir, by, .. } = *event
            && self.wants_frames()
        {
            self.bring(tracking, dir, by);
        }
        conversation.on_event(limits, decoders, stats, flow, event, &mut |id, by, said| {
            self.said(flow, tracking, id, by, said);
        });
        self.dissecting = Some(dissecting);
        keep_pending_frames(tracking, conversation);
        if let StreamEvent::Gap { dir, .. } = *event {
            self.options.query.mark_gap(tracking.mark(dir));
            tracking.holed[dir.index()] = true;
            let missed = &mut tracking.missed[dir.index()];
            *missed = missed.saturating_add(1);
        }
        if let StreamEvent::End { dir, how, by } = *event {
            self.end_of(flow, tracking, dir, how, by);
            self.cause = None;
            let other = tracking.ended[dir.reverse().index()];
            tracking.ended[dir.index()] = true;
            if other {
                // The flow is remembered for a while, for what comes late; what was said in it is
                // not.
                tracking.pending_frames = None;
                return self.retire(conversation);
            }
        }
        if !tracking.timed {
            self.set_timer(flow, conversation, tracking, now.after(time::BURST_PAUSE));
        }
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

    /// Nothing more is said in a conversation: the next flow may have it.
    fn retire(&mut self, conversation: &mut FlowDissector) {
        if conversation.is_new() {
            return;
        }
        let mut old = std::mem::take(conversation);
        if self.quiet.len() < SPARE {
            old.reset();
            self.quiet.push(old);
        }
    }

    /// Number, and slot and id of the flow, of the oldest question that was shown and has no
    /// answer.
    pub(super) fn oldest(&self) -> Option<(u64, (u32, u64))> {
        self.waiting.oldest()
    }

    /// Questions that were shown and are left without an answer: how many, and the first of them.
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

    /// A direction ended: a match at the very end of its text is decided now.
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

    /// The flow is forgotten.
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
            self.kept -= requests
                .map(|kept| kept.size())
                .sum::<usize>()
                .min(self.kept);
        }
    }
}

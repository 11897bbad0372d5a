//! From what is said to what is shown: numbers, searches, pairs questions with answers, and calls the renderer.

mod alone;
mod exchanges;
mod frames;
mod glance;
mod orders;
mod timers;
mod verdict;
mod waiting;

use std::collections::VecDeque;

use crate::dissect::{Budget, Conversation, is_tls};
use crate::exchange::Exchange;
use crate::flow::{Direction, Flow, Roles};
use crate::frame::Timestamp;
use crate::limits::time;
use crate::message::{Begin, Kind, Said, Side};
use crate::packet::protocol;

use crate::stats::{DissectStats, OutputStats};
use crate::stream::{Carrier, Ending, StreamEvent};

use super::kept::Kept;
use super::memory::{Last, Memory, Open, State};
use super::recorder::Recorder;
use super::show::Show;
use exchanges::acknowledged;
use frames::keep_untold;
pub(super) use orders::Orders;
pub use waiting::Unanswered;
use waiting::Waiting;

/// The place where messages come in and hits go out.
pub(super) struct Desk {
    orders: Orders,
    pub(super) show: Show,
    /// Lent to the flow in hand. In one piece, since that happens for each event.
    dissecting: Option<Box<Dissecting>>,
    pub(super) output: OutputStats,
    last_number: u64,
    /// Open messages that are not used now, with their buffers.
    #[allow(clippy::vec_box, reason = "the boxes move between here and the flows")]
    spare: Vec<Box<Open>>,
    /// Conversations of flows that are over, as new.
    quiet: Vec<Conversation>,
    /// Room for open exchanges that no flow needs now.
    rooms: Vec<VecDeque<Exchange>>,
    /// Flows with something that time alone ends, in the order of their moments.
    timers: VecDeque<(Timestamp, (u32, u64))>,
    /// Bytes of bursts that wait for a match to be decided.
    held: usize,
    /// Answers still to come to questions that were shown.
    owed: u64,
    /// Neighbours still to come behind the last hits.
    following: u64,
    /// Bytes of kept questions.
    kept: usize,
    /// Questions without an answer, by number, for those who ask what is waited for.
    waiting: Waiting,
    /// The latest moment.
    pub(super) now: Timestamp,
    /// The renderer wants to know it.
    pub(super) wants_ticks: bool,
    /// Frames of the fragments that the datagram in hand was put together from.
    pub(super) fragments: Vec<u64>,
}

/// What the dissectors of all flows share.
#[derive(Default)]
struct Dissecting {
    stats: DissectStats,
    /// What their decoders hold.
    decoders: Budget,
}

/// Open messages, and rooms for exchanges, kept for use again.
const SPARE: usize = 64;
/// Bytes of all held bursts together.
const HELD: usize = 16 << 20;

impl Desk {
    pub(super) fn new(orders: Orders, show: Show) -> Self {
        let wants_ticks = show.renderer.wants().ticks;
        Self {
            orders,
            show,
            dissecting: Some(Box::default()),
            output: OutputStats::default(),
            last_number: 0,
            spare: Vec::new(),
            quiet: Vec::new(),
            rooms: Vec::new(),
            timers: VecDeque::new(),
            held: 0,
            owed: 0,
            following: 0,
            kept: 0,
            waiting: Waiting::default(),
            now: Timestamp::default(),
            wants_ticks,
            fragments: Vec::new(),
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
            packets_forgotten: self.show.recorder.as_ref().map_or(0, Recorder::forgotten),
            ..self.output
        }
    }

    /// Packets without payload are shown.
    pub(super) fn wants_bare(&self) -> bool {
        self.orders.show_empty
    }

    /// It is `now`.
    pub(super) fn at(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        if self.wants_ticks {
            let result = self.show.renderer.tick(self.now);
            self.show.note(result);
        }
    }

    /// Nothing more can be shown: `max_count` is reached, and no companion or neighbour is awaited.
    pub(super) fn is_done(&self) -> bool {
        !self.is_taking() && self.owed == 0 && self.following == 0
    }

    /// Take what the reassembler says of a flow.
    pub(super) fn event(&mut self, flow: &Flow, memory: &mut Memory, event: &StreamEvent<'_>) {
        if let Some(streams) = &mut self.show.streams {
            let result = streams.event(flow, event);
            self.show.note(result);
        }
        let Memory {
            conversation,
            state,
        } = memory;
        let now = match *event {
            StreamEvent::Bare { dir, by } => return self.bare(flow, dir, by),
            StreamEvent::Acked { dir, offset, by } => {
                return acknowledged(state, dir, offset, by.ts);
            }
            StreamEvent::Over { how, .. } => {
                self.retire(conversation);
                return self.over(flow, state, how);
            }
            StreamEvent::Aside { by, .. } => return self.aside(flow, event, by),
            StreamEvent::Gap { dir, by, .. } => {
                self.release(flow, state, dir, false);
                by.ts
            }
            StreamEvent::Data {
                dir,
                offset,
                bytes,
                by,
            } => {
                state.reached[dir.index()] = offset + bytes.len() as u64;
                by.ts
            }
            StreamEvent::Datagram { bytes, .. } if self.passes_over(state, bytes) => {
                conversation.pass_over();
                return self.pass_over_datagram(state);
            }
            StreamEvent::Datagram { by, .. } | StreamEvent::End { by, .. } => by.ts,
        };
        let limits = self.orders.limits;
        let mut dissecting = self.dissecting.take().unwrap_or_default();
        let Dissecting { stats, decoders } = &mut *dissecting;
        if matches!(event, StreamEvent::Data { .. })
            && conversation.is_new()
            && let Some(other) = self.quiet.pop()
        {
            *conversation = other;
        }
        if self.orders.wire {
            conversation.stay_raw();
        }
        if let StreamEvent::Data { dir, by, .. } = *event
            && self.wants_frames()
        {
            self.bring(state, dir, by);
        }
        conversation.on_event(
            &limits,
            decoders,
            stats,
            flow,
            event,
            &mut |dir, by, said| {
                self.said(flow, state, dir, by, said);
            },
        );
        self.dissecting = Some(dissecting);
        keep_untold(state, conversation);
        if let StreamEvent::Gap { dir, .. } = *event {
            self.orders.query.mark_gap(state.mark(dir));
            state.holed[dir.index()] = true;
        }
        if let StreamEvent::End { dir, how, .. } = *event {
            self.end_of(flow, state, dir, how);
            let other = state.ended[dir.reverse().index()];
            state.ended[dir.index()] = true;
            if other {
                // The flow is remembered for a while, for what comes late; what was said in it is not.
                state.untold = None;
                return self.retire(conversation);
            }
        }
        if !state.timed {
            self.set_timer(flow, conversation, state, now.plus(time::BURST_PAUSE));
        }
    }

    /// Nothing more is said in a conversation: the next flow may have it.
    fn retire(&mut self, conversation: &mut Conversation) {
        let mut old = std::mem::take(conversation);
        if self.quiet.len() < SPARE && !old.is_new() {
            old.renew();
            self.quiet.push(old);
        }
    }

    /// Number, and slot and id of the flow, of the oldest question that was shown and has no answer.
    pub(super) fn oldest(&self) -> Option<(u64, (u32, u64))> {
        self.waiting.oldest()
    }

    /// Questions that were shown and are left without an answer: how many, and the first of them.
    pub(super) fn left(&self) -> (u64, &[Unanswered]) {
        self.waiting.left()
    }

    fn is_taking(&self) -> bool {
        self.orders
            .max_count
            .is_none_or(|most| self.output.matched < most)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn said(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        by: &Carrier,
        said: Said<'_>,
    ) {
        match said {
            Said::Begin(begin) => self.begin(flow, state, dir, by, begin),
            Said::Text { part, bytes } => {
                let Some(open) = state.open(dir) else { return };
                open.last = by.into();
                open.fresh = true;
                let tls = is_burst(open.begin.kind) && open.unit.said() == 0 && is_tls(bytes);
                open.unit
                    .feed(&self.orders.query, &self.orders.keep, part, bytes);
                let full = open.unit.is_full();
                state.tls |= tls;
                if self.wants_frames() {
                    self.note_frames(state, dir, by);
                }
                if full {
                    self.portion(flow, state, dir);
                }
            }
            Said::Brief { brief, title } => {
                let Some(open) = state.open(dir) else { return };
                open.brief = brief;
                self.briefed(flow, state, dir, title);
            }
            Said::Missing { len, reason } => {
                let Some(open) = state.open(dir) else { return };
                open.unit.missing(&self.orders.query, len, reason);
            }
            Said::Body(facts) => {
                let Some(open) = state.open(dir) else { return };
                open.body = facts;
            }
            Said::End { complete } => {
                self.end_frames(state, dir);
                self.end(flow, state, dir, by, complete);
            }
            Said::Whole(whole) if self.passes_over_message(state, &whole) => {
                self.pass_over_message(flow, state, dir, by, &whole);
            }
            Said::Whole(whole) => {
                whole.in_pieces(by, |by, said| self.said(flow, state, dir, by, said));
            }
        }
    }

    fn begin(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        by: &Carrier,
        begin: Begin,
    ) {
        let number = match begin.kind.side {
            Side::Answers => match state.exchange(begin.exchange) {
                Some(exchange) => exchange.number,
                None => self.next_number(),
            },
            Side::Asks | Side::Speaks => self.next_number(),
        };
        if begin.continues
            && let Some(open) = state.open(dir).as_deref_mut()
            && open.held
        {
            // The match that is undecided may end in this burst: the two are one record.
            open.held = false;
            self.held = self.held.saturating_sub(open.unit.size());
            return;
        }
        self.release(flow, state, dir, true);
        if begin.kind.side == Side::Asks
            && let Some(ordinal) = begin.exchange
        {
            self.ask(flow, state, ordinal, number, dir, by, b"");
        }
        let first = !std::mem::replace(&mut state.begun, true);
        let mut open = self.spare.pop().unwrap_or_default();
        open.start(begin, number, dir, by);
        open.joined = first && flow.roles == Roles::Guessed && flow.protocol == protocol::TCP;
        // Behind a hole a burst goes on with a text whose middle is missing.
        let holed = std::mem::take(&mut state.holed[dir.index()]) && is_burst(begin.kind);
        open.unit.begin(
            &self.orders.query,
            (begin.continues || holed).then(|| &*state.mark(dir)),
        );
        *state.open(dir) = Some(open);
    }

    fn end(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        by: &Carrier,
        complete: bool,
    ) {
        let Some(open) = state.open(dir) else { return };
        open.last = Last {
            ts: by.ts.max(open.last.ts),
            ..by.into()
        };
        let query = &self.orders.query;
        if is_burst(open.begin.kind) {
            let undecided = !open.unit.holds(query) && open.unit.is_open(query);
            if undecided && self.held < HELD && open.unit.size() <= self.orders.limits.burst {
                open.held = true;
                self.held += open.unit.size();
                return;
            }
        } else {
            open.unit.end(query, complete);
        }
        self.close(flow, state, dir, complete);
    }

    /// A held burst waits no longer: its text ends here, truly or not.
    fn release(&mut self, flow: &Flow, state: &mut State, dir: Direction, truly: bool) {
        if let Some(open) = state.open(dir)
            && std::mem::take(&mut open.held)
        {
            self.held = self.held.saturating_sub(open.unit.size());
            open.unit.end(&self.orders.query, truly);
            self.close(flow, state, dir, true);
        }
    }

    /// A direction ended: a match at the very end of its text is decided now.
    fn end_of(&mut self, flow: &Flow, state: &mut State, dir: Direction, how: Ending) {
        self.release(flow, state, dir, how == Ending::Fin);
        if dir == Direction::ToClient {
            self.answered_all(flow, state, how);
        }
        if let Some(neighbours) = &mut state.neighbours {
            self.following -= neighbours.context.give_up() as u64;
        }
    }

    /// The flow is forgotten.
    fn over(&mut self, flow: &Flow, state: &mut State, how: Ending) {
        self.answered_all(flow, state, how);
        if let Some(neighbours) = &mut state.neighbours {
            self.following -= neighbours.context.give_up() as u64;
            let questions = neighbours.questions.iter();
            self.kept -= questions.map(Kept::size).sum::<usize>().min(self.kept);
        }
    }
}

/// Whether a message's text goes on in the next one of its direction.
fn is_burst(kind: Kind) -> bool {
    kind.name == "tcp.burst"
}

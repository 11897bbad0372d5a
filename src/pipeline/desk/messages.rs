//! Messages while they are open: begun, fed, and over.

use crate::dissect::is_tls;
use crate::flow::{Direction, Flow, Roles};
use crate::message::{Begin, Kind, Said, Side};
use crate::packet::protocol;
use crate::pipeline::memory::{Last, State};
use crate::stream::{Carrier, GapReason};

use super::Desk;

/// Bytes of all held bursts together.
const HELD: usize = 16 << 20;

impl Desk {
    /// A dissector tells of a direction; `by` is the packet.
    pub(super) fn said(
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
                let lacks = self.lacks(bytes);
                let Some(open) = state.open(dir) else { return };
                open.comes(by);
                let tls = is_burst(open.begin.kind) && open.unit.said() == 0 && is_tls(bytes);
                let query = &self.orders.query;
                open.unit.feed(query, &self.orders.keep, part, bytes, lacks);
                let full = open.unit.is_full();
                state.tls |= tls;
                if self.wants_frames() {
                    self.note_frames(state, dir, by);
                }
                if full {
                    self.portion(flow, state, dir, true);
                }
            }
            Said::Brief { brief, title } => {
                let Some(open) = state.open(dir) else { return };
                open.brief = brief;
                open.briefed = true;
                state.missed[dir.index()] += u32::from(brief.unpaired);
                self.briefed(flow, state, dir, title);
            }
            Said::Missing { len, reason } => {
                let Some(open) = state.open(dir) else { return };
                open.missing(&self.orders.query, len, reason);
                if matches!(reason, GapReason::Acked | GapReason::Snaplen) {
                    // They were there by then.
                    open.last.ts = open.last.ts.max(by.ts);
                }
            }
            Said::Fork { name, .. } => {
                let Some(open) = state.open(dir) else { return };
                open.fork(name);
            }
            Said::Reading { reading, bytes } => self.reading(state, dir, reading, bytes),
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
        let number = self.number(state, &begin);
        if begin.continues
            && let Some(open) = state.open(dir).as_deref_mut()
            && open.held
        {
            // The match that is undecided may end in this burst: the two are one record.
            (open.held, open.waits) = (false, false);
            self.held = self.held.saturating_sub(open.unit.size());
            return;
        }
        self.release(flow, state, dir, true);
        if begin.kind.side == Side::Asks
            && let Some(ordinal) = begin.exchange
        {
            self.ask(flow, state, ordinal, number, dir, by, b"");
        }
        if is_burst(begin.kind) {
            // It may be an answer that nobody understands.
            let missed = &mut state.missed[dir.index()];
            *missed = missed.saturating_add(1);
        }
        let first = !std::mem::replace(&mut state.begun, true);
        if first && self.wants_failures && flow.handshake.answered.is_some() {
            self.failures.opened(flow);
        }
        let mut open = self.spare.pop().unwrap_or_default();
        open.start(begin, number, dir, by);
        open.from = self.at;
        open.joined = first && flow.roles == Roles::Guessed && flow.protocol == protocol::TCP;
        // Behind a hole a burst goes on with a text whose middle is missing.
        let holed = std::mem::take(&mut state.holed[dir.index()]) && is_burst(begin.kind);
        open.unit.begin(
            &self.orders.query,
            (begin.continues || holed).then(|| &*state.mark(dir)),
            begin.kind.side == Side::Speaks,
        );
        *state.open(dir) = Some(open);
    }

    /// The number of a message that begins: an answer has its question's.
    pub(super) fn number(&mut self, state: &mut State, begin: &Begin) -> u64 {
        let asked = match begin.kind.side {
            // What is single may be a request sent again.
            Side::Answers | Side::Speaks => state.exchange(begin.exchange),
            Side::Asks => None,
        };
        asked.map_or_else(|| self.next_number(), |exchange| exchange.number)
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
        if complete {
            open.last = Last {
                ts: by.ts.max(open.last.ts),
                ..by.into()
            };
        }
        let query = &self.orders.query;
        if is_burst(open.begin.kind) {
            let undecided = !open.unit.holds(query) && open.unit.is_open(query);
            if undecided && self.held < HELD && open.unit.size() <= self.orders.limits.burst {
                open.held = true;
                self.held += open.unit.size();
                return;
            }
        } else {
            open.end(query, complete);
        }
        self.close(flow, state, dir, complete);
    }

    /// A held burst waits no longer: its text ends here, truly or not.
    pub(super) fn release(&mut self, flow: &Flow, state: &mut State, dir: Direction, truly: bool) {
        if let Some(open) = state.open(dir)
            && std::mem::take(&mut open.held)
        {
            self.held = self.held.saturating_sub(open.unit.size());
            open.unit.end(&self.orders.query, truly);
            self.close(flow, state, dir, true);
        }
    }
}

/// Whether a message's text goes on in the next one of its direction.
pub(super) fn is_burst(kind: Kind) -> bool {
    kind.name == "tcp.burst"
}

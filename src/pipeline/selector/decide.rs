//! Decides at the end of a message whether it is shown, shown in one line, kept for others, or
//! dropped.
//!
//! Portions of long live messages are decided here as well.

use std::rc::Rc;

use crate::exchange::Exchange;
use crate::flow::{Direction, Flow, TcpAnalysis};
use crate::hit::{Portion, Why};
use crate::message::{MessageId, Role};
use crate::pipeline::flow_state::{OpenMessage, Tracking};
use crate::pipeline::hit_builder::{self, HitMeta};
use crate::pipeline::owned_hit::OwnedHit;
use crate::search::{Extent, Outcome};

use super::verdict::{Facts, Verdict, verdict};
use super::{SPARE, Selector};

impl Selector {
    /// Shows the text so far of an open message. `full`: the buffer of context lines around matches
    /// is full; else the message takes long.
    pub(super) fn portion(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        full: bool,
    ) {
        let Some(mut open) = tracking.open(id).take() else {
            return;
        };
        self.show_portion(flow, tracking, &mut open, full);
        *tracking.open(id) = Some(open);
    }

    fn show_portion(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        full: bool,
    ) {
        open.fresh = None;
        let first = open.portions.is_none();
        let query = &self.options.query;
        let exchange = tracking.exchange(open.begin.exchange).map(|it| *it);
        let wanted = !self.options.pairs
            && self.options.conditions.admits(open.begin.kind.side)
            && self.outcome(exchange.as_ref(), open) == Outcome::Holds;
        let decided = wanted && query.stays() && !self.options.invert;
        let found = decided && open.unit.holds(query);
        // Together with its request it is shown whatever it contains.
        let with = decided && self.options.pair && tracking.is_asked_for(open);
        if !(found && (open.counted || self.is_taking()) || with) {
            // A message that may still turn out not to match is not shown. It stays buffered, and
            // the buffer grows no further.
            if full {
                open.unit.pause_excerpts();
            }
            return;
        }
        let description = first.then(|| hit_builder::described(open));
        let named = description
            .as_ref()
            .or(open.portions.as_ref())
            .is_some_and(|described| described.opaque.is_some());
        let extent = match full {
            true => Extent::All,
            false if named => Extent::Head,
            false if self.options.masked => Extent::Paragraphs,
            false => Extent::All,
        };
        if !open.unit.cut(extent) {
            return;
        }
        open.portions = description.or(open.portions.take());
        if found && self.is_taking() && !std::mem::replace(&mut open.counted, true) {
            let asked = self.count_hit(flow, tracking, &open.frames, open.number);
            let ordinal = open.begin.exchange;
            if open.begin.kind.side == Role::Response
                && let Some(exchange) = tracking.exchange(ordinal)
                && !std::mem::replace(&mut exchange.shown, true)
            {
                let exchange = *exchange;
                self.responses_expected += 1;
                if !asked {
                    self.request(
                        flow,
                        tracking,
                        open.id.dir.reverse(),
                        &exchange,
                        open.brief.interim,
                    );
                }
            }
        } else if open.counted {
            self.save_rest(flow, open);
        }
        open.saved = open.frames.len();
        let portion = if first { Portion::First } else { Portion::Next };
        let why = if open.counted {
            Why::Match
        } else {
            Why::Context
        };
        let meta = HitMeta {
            portion,
            why,
            ..HitMeta::MATCH
        };
        self.show(flow, open, &meta);
        open.unit.forget();
    }

    /// Saves the packets since the last portion.
    fn save_rest(&mut self, flow: &Flow, open: &OpenMessage) {
        let rest = open.frames.get(open.saved..).unwrap_or_default();
        self.outputs.save(flow, rest);
    }

    /// The message ends: decides, shows or keeps it, and frees it.
    pub(super) fn close(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        complete: bool,
    ) {
        let Some(mut open) = tracking.open(id).take() else {
            return;
        };
        let dir = id.dir;
        let (side, ordinal) = (open.begin.kind.side, open.begin.exchange);
        self.count_message(flow, tracking);
        match side {
            Role::Single => open.unit.mark(tracking.mark(dir)),
            Role::Request => tracking.request_ended(ordinal, dir, open.last, open.unit.received()),
            Role::Response => {}
        }
        let exchange = match side {
            // Looked up only if its outcome matters.
            Role::Request if self.options.conditions.is_empty() => None,
            Role::Request => tracking.exchange(ordinal).copied(),
            Role::Response if open.brief.interim => tracking.exchange(ordinal).copied(),
            Role::Response => tracking.close(ordinal),
            Role::Single => None,
        };
        self.recycle_exchanges(tracking);
        let over = side == Role::Response && !open.brief.interim;
        let shown = |exchange: &Exchange| exchange.shown;
        let request_shown = over && exchange.as_ref().is_some_and(shown);
        let responses_expected = |exchange: &Exchange| exchange.shown && !exchange.failed;
        self.responses_expected -=
            u64::from(over && exchange.as_ref().is_some_and(responses_expected));
        if side == Role::Response {
            tracking.answered[dir.index()] = tracking.reached[dir.index()];
        }
        let failed = match complete || side != Role::Response {
            true => None,
            false => self.broken_off(flow, tracking, dir, exchange.as_ref(), &open),
        };
        let answered = exchange.as_ref().filter(|_| side == Role::Response);
        if let Some(exchange) = answered.filter(|_| over) {
            self.waiting.done(exchange.number);
        }
        // A closure, because most messages are not shown.
        let meta = |open: &OpenMessage| HitMeta {
            complete,
            times: answered.map(|exchange| hit_builder::times(flow, exchange, Some(open))),
            failed,
            ..HitMeta::MATCH
        };
        let context = |open: &OpenMessage| HitMeta {
            why: Why::Context,
            ..meta(open)
        };
        let found =
            open.unit.holds(&self.options.query) != self.options.invert && !open.unit.is_empty();
        let found = found && self.options.conditions.admits(side);
        let outcome = self.outcome(exchange.as_ref(), &open);
        let facts = Facts {
            pairs: self.options.pairs,
            side,
            found,
            outcome,
            portions: open.portions.is_some(),
            counted: open.counted,
            taking: self.is_taking(),
        };
        match verdict(&facts) {
            Verdict::InPair => {
                let meta = if found { meta(&open) } else { context(&open) };
                self.close_in_pair(flow, tracking, &mut open, exchange.as_ref(), &meta, outcome);
            }
            Verdict::LastPortion { count } => {
                let meta = meta(&open);
                self.show_last_portion(flow, tracking, &mut open, count, meta);
            }
            Verdict::Match => {
                let meta = meta(&open);
                self.show_match(flow, tracking, &mut open, answered, &meta);
            }
            Verdict::KeepRequest => {
                if let Some(exchange) = tracking.exchange(ordinal) {
                    exchange.matched = true;
                }
                let meta = meta(&open);
                self.keep_request(flow, tracking, &mut open, &meta);
            }
            Verdict::Unmatched if self.passes(tracking) || request_shown && self.options.pair => {
                let context = context(&open);
                self.show(flow, &mut open, &context);
            }
            Verdict::Unmatched => {
                if request_shown && self.options.companions {
                    let meta = meta(&open);
                    self.response(flow, &mut open, &meta);
                }
                self.remember(flow, tracking, &mut open, context);
            }
        }
        if over && let Some(exchange) = &exchange {
            self.drop_request(tracking, exchange.number);
        }
        if open.brief.ends_exchange {
            self.end_exchange(flow, tracking, ordinal);
        }
        if self.message_pool.len() < SPARE {
            self.message_pool.push(open);
        }
    }

    /// Shows what follows the last portion of a message. `count`: it is counted as a match now.
    fn show_last_portion(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        count: bool,
        meta: HitMeta,
    ) {
        if count {
            open.counted = true;
            self.count_hit(flow, tracking, &open.frames, open.number);
        } else if open.counted {
            self.save_rest(flow, open);
        }
        let why = match open.counted {
            true => Why::Match,
            false => Why::Context,
        };
        let meta = HitMeta {
            portion: Portion::Last,
            why,
            ..meta
        };
        self.show(flow, open, &meta);
    }

    /// Shows a message that matches; before a response, its request. `answered`: the exchange of a
    /// response.
    fn show_match(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        answered: Option<&Exchange>,
        meta: &HitMeta,
    ) {
        let asked = self.count_hit(flow, tracking, &open.frames, open.number);
        self.expect_response(flow, tracking, open);
        if let Some(exchange) = answered.filter(|exchange| !exchange.shown) {
            if !asked {
                let dir = open.id.dir.reverse();
                self.request(flow, tracking, dir, exchange, open.brief.interim);
            }
            if let Some(exchange) = tracking.exchange(open.begin.exchange) {
                // Shown with an interim response: the final one need not repeat it.
                exchange.shown = true;
                self.responses_expected += 1;
            }
        }
        self.show(flow, open, meta);
    }

    pub(super) fn count_message(&mut self, flow: &Flow, tracking: &Tracking) {
        self.output.messages += 1;
        if tracking.tls {
            self.output.tls += 1;
            self.output.tls_port = flow.server.port;
        }
    }

    /// A message ends whose exchange is shown as one record.
    fn close_in_pair(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        exchange: Option<&Exchange>,
        meta: &HitMeta,
        outcome: Outcome,
    ) {
        let found = meta.why == Why::Match;
        let (ordinal, dir) = (open.begin.exchange, open.id.dir);
        match open.begin.kind.side {
            Role::Request => {
                if outcome == Outcome::Fails {
                    return;
                }
                // Without the exchange, an earlier response has ended it and was shown with the
                // request as received so far.
                let Some(exchange) = tracking.exchange(ordinal) else {
                    return;
                };
                exchange.matched = found;
                self.waiting.ask(flow, exchange.number);
                self.keep_request(flow, tracking, open, meta);
            }
            Role::Response if open.brief.interim => {
                if let Some(exchange) = tracking.exchange(ordinal) {
                    exchange.matched |= found;
                }
            }
            Role::Response if outcome == Outcome::Holds => {
                let mut exchange = exchange
                    .copied()
                    .unwrap_or_else(|| unmatched_response(open));
                let request_dir = dir.reverse();
                let matched =
                    exchange.matched || self.is_matched(tracking, request_dir, exchange.number);
                let request = self.request_of(flow, tracking, request_dir, exchange.number);
                if exchange.request_end.is_none()
                    && let Some(open) = tracking.request_dir(request_dir, exchange.number)
                {
                    exchange.sent = open.unit.received();
                }
                if found || matched {
                    let failed = meta.failed;
                    let response = Ok((open, meta));
                    self.pair(flow, request.as_ref(), &exchange, failed, response);
                }
            }
            Role::Response | Role::Single => {}
        }
    }

    /// A request is shown: marks that its response is to be shown with it.
    fn expect_response(&mut self, flow: &Flow, tracking: &mut Tracking, open: &OpenMessage) {
        if open.begin.kind.side == Role::Request
            && let Some(exchange) = tracking.exchange(open.begin.exchange)
        {
            self.waiting.ask(flow, exchange.number);
            if (self.options.companions || self.options.pair)
                && !std::mem::replace(&mut exchange.shown, true)
            {
                self.responses_expected += 1;
            }
        }
    }

    /// Whether a message is shown as context after a hit.
    fn passes(&mut self, tracking: &mut Tracking) -> bool {
        let neighbours = tracking.neighbours.as_mut();
        let passes = neighbours.is_some_and(|neighbours| neighbours.context.passes());
        self.after_context_left -= u64::from(passes);
        passes
    }

    /// Before a hit is shown: counts it, saves its packets, and shows the context before it.
    /// Returns whether request `number` was part of that context.
    pub(super) fn count_hit(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        frames: &[u64],
        number: u64,
    ) -> bool {
        self.output.matched += 1;
        self.outputs.save(flow, frames);
        let mut asked = false;
        if self.options.before + self.options.after > 0 {
            let neighbours = tracking.neighbours.get_or_insert_default();
            let outputs = &mut self.outputs;
            let more = neighbours.context.hit(self.options.after, |kept| {
                asked |= kept.is_request(number);
                if kept.is_to_be_shown() {
                    outputs.hit(&kept.hit());
                }
            });
            self.after_context_left += more as u64;
        }
        asked
    }

    pub(super) fn show(&mut self, flow: &Flow, open: &mut OpenMessage, meta: &HitMeta) {
        let (outputs, tls) = (&mut self.outputs, &mut self.output.tls_shown);
        self.options.lend(flow, open, meta, |hit| {
            *tls += u64::from(hit.facts.iter().any(|fact| fact.name == "tls.hello"));
            outputs.hit(hit);
        });
    }

    /// Shows the request of a response that is a hit, in full or in one line.
    ///
    /// An incomplete request is shown as far as it was received. It is shown in one line if it will
    /// be shown itself: because it matches, or because of `interim`, an interim response before the
    /// rest of the request.
    fn request(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        dir: Direction,
        exchange: &Exchange,
        interim: bool,
    ) {
        let number = exchange.number;
        let kept = match self.options.pair {
            true if interim || self.is_matched(tracking, dir, number) => {
                self.take_request(tracking, number)
            }
            true => self.request_of(flow, tracking, dir, number),
            false => None,
        };
        if let Some(kept) = kept {
            if kept.is_to_be_shown() {
                self.outputs.hit(&kept.hit());
            }
        } else if self.options.companions {
            self.outputs
                .companion(&hit_builder::request(flow, dir, exchange));
        }
    }

    /// Shows the response to a request that was shown, in one line.
    fn response(&mut self, flow: &Flow, open: &mut OpenMessage, meta: &HitMeta) {
        let outputs = &mut self.outputs;
        hit_builder::with_response(&self.options.query, flow, open, meta, |companion| {
            outputs.companion(companion);
        });
    }

    /// Keeps a message that is not shown, for context or for its response.
    fn remember(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        meta: impl Fn(&OpenMessage) -> HitMeta,
    ) {
        let request = self.options.pair && open.begin.kind.side == Role::Request;
        let before = self.options.before;
        if !request && before == 0 {
            return;
        }
        let meta = &meta(open);
        let mut kept = None;
        if request {
            kept = self.keep_request(flow, tracking, open, meta);
            if before == 0 {
                return;
            }
        }
        // For `-O` alone, frames are recorded, but packets of context are not saved.
        let asked = self.options.frames;
        if kept.is_none() {
            self.options.lend(flow, open, meta, |hit| {
                let frames = if asked { hit.frames } else { &[] };
                kept = Some(Rc::new(OwnedHit::new(hit, frames)));
            });
        }
        if let Some(kept) = kept {
            let neighbours = tracking.neighbours.get_or_insert_default();
            neighbours.context.remember(kept, before);
        }
    }
}

/// A placeholder exchange for a response whose request was not captured.
fn unmatched_response(open: &OpenMessage) -> Exchange {
    Exchange {
        answered: Some(open.first.ts),
        evidence: open.evidence,
        ..Exchange::new(
            open.number,
            u64::MAX,
            open.id.dir.reverse(),
            &open.first,
            TcpAnalysis::default(),
        )
    }
}

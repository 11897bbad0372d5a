//! What becomes of a message: shown, told in one line, kept for others, or forgotten.

use std::rc::Rc;

use crate::exchange::Exchange;
use crate::flow::{Direction, Flow, TcpAnalysis};
use crate::hit::{Portion, Why};
use crate::message::{MessageId, Role};
use crate::pipeline::flow_state::{OpenMessage, Tracking};
use crate::pipeline::hit_builder::{self, HitMeta};
use crate::pipeline::owned_hit::OwnedHit;
use crate::search::{Extent, Outcome};

use super::{SPARE, Selector};

impl Selector {
    /// Show what has come of a message, and go on: it takes its time; or `full`: more lines around
    /// matches are kept than may wait.
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
        // With its question it is shown whatever is in it.
        let with = decided && self.options.pair && tracking.is_asked_for(open);
        if !(found && (open.counted || self.is_taking()) || with) {
            // What may yet turn out not to be wanted is not shown: it waits, and no more is kept
            // than may wait.
            if full {
                open.unit.sate();
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
        self.tell(flow, open, &meta);
        open.unit.forget();
    }

    /// Save the packets that came since the last portion.
    fn save_rest(&mut self, flow: &Flow, open: &OpenMessage) {
        let rest = open.frames.get(open.saved..).unwrap_or_default();
        self.outputs.save(flow, rest);
    }

    /// A message is over: decide, show, forget.
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
            Role::Request => tracking.asked(ordinal, dir, open.last, open.unit.said()),
            Role::Response => {}
        }
        let exchange = match side {
            // Looked at only where its standing matters.
            Role::Request if self.options.conditions.is_empty() => None,
            Role::Request => tracking.exchange(ordinal).copied(),
            Role::Response if open.brief.interim => tracking.exchange(ordinal).copied(),
            Role::Response => tracking.close(ordinal),
            Role::Single => None,
        };
        self.give_back_room(tracking);
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
        // Made where it is wanted: of most messages nothing is told.
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
        let holds = found && outcome == Outcome::Holds;
        if self.options.pairs && side != Role::Single {
            let meta = if found { meta(&open) } else { context(&open) };
            self.close_in_pair(flow, tracking, &mut open, exchange.as_ref(), &meta, outcome);
        } else if open.portions.is_some() {
            if holds && !open.counted && self.is_taking() {
                open.counted = true;
                self.count_hit(flow, tracking, &open.frames, open.number);
            } else if open.counted {
                self.save_rest(flow, &open);
            }
            let meta = HitMeta {
                portion: Portion::Last,
                why: if open.counted {
                    Why::Match
                } else {
                    Why::Context
                },
                ..meta(&open)
            };
            self.tell(flow, &mut open, &meta);
        } else if holds && self.is_taking() {
            let asked = self.count_hit(flow, tracking, &open.frames, open.number);
            self.expect_response(flow, tracking, &open);
            if let Some(exchange) = answered.filter(|exchange| !exchange.shown) {
                if !asked {
                    self.request(flow, tracking, dir.reverse(), exchange, open.brief.interim);
                }
                if let Some(exchange) = tracking.exchange(ordinal) {
                    // An interim answer told it; the final one need not again.
                    exchange.shown = true;
                    self.responses_expected += 1;
                }
            }
            let meta = meta(&open);
            self.tell(flow, &mut open, &meta);
        } else if found && side == Role::Request && outcome == Outcome::Open && self.is_taking() {
            // It is shown when the conditions on its answer are known to hold.
            if let Some(exchange) = tracking.exchange(ordinal) {
                exchange.matched = true;
            }
            let meta = meta(&open);
            self.keep_request(flow, tracking, &mut open, &meta);
        } else if self.passes(tracking) || request_shown && self.options.pair {
            let context = context(&open);
            self.tell(flow, &mut open, &context);
        } else {
            if request_shown && self.options.companions {
                let meta = meta(&open);
                self.response(flow, &mut open, &meta);
            }
            self.remember(flow, tracking, &mut open, context);
        }
        if over && let Some(exchange) = &exchange {
            self.drop_request(tracking, exchange.number);
        }
        if open.brief.ends_exchange {
            self.end_exchange(flow, tracking, ordinal);
        }
        if self.spare.len() < SPARE {
            self.spare.push(open);
        }
    }

    pub(super) fn count_message(&mut self, flow: &Flow, tracking: &Tracking) {
        self.output.messages += 1;
        if tracking.tls {
            self.output.tls += 1;
            self.output.tls_port = flow.server.port;
        }
    }

    /// A message is over whose exchange is shown as one.
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
                // Without it the answer was over before, and was shown with what there was of the
                // question.
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
                let mut exchange = exchange.copied().unwrap_or_else(|| alone(open));
                let request_dir = dir.reverse();
                let matched =
                    exchange.matched || self.is_matched(tracking, request_dir, exchange.number);
                let request = self.request_of(flow, tracking, request_dir, exchange.number);
                if exchange.request_end.is_none()
                    && let Some(open) = tracking.request_dir(request_dir, exchange.number)
                {
                    exchange.sent = open.unit.said();
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

    /// A question is shown: its answer is to be shown with it.
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

    /// Whether a message is shown because it comes behind a hit.
    fn passes(&mut self, tracking: &mut Tracking) -> bool {
        let neighbours = tracking.neighbours.as_mut();
        let passes = neighbours.is_some_and(|neighbours| neighbours.context.passes());
        self.after_context_left -= u64::from(passes);
        passes
    }

    /// A hit is about to be shown: count it, save its packets, and show what belongs in front of
    /// it. Says whether the question of that `number` was among it.
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
                asked |= kept.asks(number);
                if kept.is_to_be_shown() {
                    outputs.hit(&kept.hit());
                }
            });
            self.after_context_left += more as u64;
        }
        asked
    }

    pub(super) fn tell(&mut self, flow: &Flow, open: &mut OpenMessage, meta: &HitMeta) {
        let (outputs, tls) = (&mut self.outputs, &mut self.output.tls_shown);
        self.options.lend(flow, open, meta, |hit| {
            *tls += u64::from(hit.facts.iter().any(|fact| fact.name == "tls.hello"));
            outputs.hit(hit);
        });
    }

    /// Show the question of a hit that is an answer: in full, or in one line.
    /// A question that is not over is shown as far as it came. It is told in one line if it will be
    /// shown by itself: it matches, or `interim`: the answer is no final one, so the rest is to
    /// come.
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

    /// Show the answer to a question that was shown, in one line.
    fn response(&mut self, flow: &Flow, open: &mut OpenMessage, meta: &HitMeta) {
        let outputs = &mut self.outputs;
        hit_builder::with_response(&self.options.query, flow, open, meta, |companion| {
            outputs.companion(companion);
        });
    }

    /// Keep a message that is not shown for those that may want it.
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
        // For `-O` alone they are noted, but a neighbour's packets are not saved.
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

/// The exchange of an answer whose question was not captured.
fn alone(open: &OpenMessage) -> Exchange {
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

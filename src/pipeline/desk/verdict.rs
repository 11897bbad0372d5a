//! What becomes of a message: shown, told in one line, kept for others, or forgotten.

use std::rc::Rc;

use crate::exchange::Exchange;
use crate::flow::{Direction, Flow, Troubles};
use crate::hit::{Portion, Why};
use crate::message::Side;
use crate::pipeline::kept::Kept;
use crate::pipeline::memory::{Open, State};
use crate::pipeline::telling::{self, Manner};
use crate::search::{Extent, Standing};

use super::{Desk, SPARE};

impl Desk {
    /// Show what has come of a message, and go on: it takes its time; or `full`: more lines around
    /// matches are kept than may wait.
    pub(super) fn portion(&mut self, flow: &Flow, state: &mut State, dir: Direction, full: bool) {
        let Some(mut open) = state.open(dir).take() else {
            return;
        };
        self.show_portion(flow, state, dir, &mut open, full);
        *state.open(dir) = Some(open);
    }

    fn show_portion(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        open: &mut Open,
        full: bool,
    ) {
        open.fresh = None;
        let first = open.portions.is_none();
        let query = &self.orders.query;
        let exchange = state.exchange(open.begin.exchange).map(|it| *it);
        let wanted = !self.orders.pairs
            && self.orders.conditions.admits(open.begin.kind.side)
            && self.standing(exchange.as_ref(), open) == Standing::Holds;
        let decided = wanted && query.stays() && !self.orders.invert;
        let found = decided && open.unit.holds(query);
        // With its question it is shown whatever is in it.
        let with = decided && self.orders.pair && state.is_asked_for(open);
        if !(found && (open.counted || self.is_taking()) || with) {
            // What may yet turn out not to be wanted is not shown: it waits, and no more is kept
            // than may wait.
            if full {
                open.unit.sate();
            }
            return;
        }
        let description = first.then(|| telling::described(open));
        let named = description
            .as_ref()
            .or(open.portions.as_ref())
            .is_some_and(|described| described.opaque.is_some());
        let extent = match full {
            true => Extent::All,
            false if named => Extent::Head,
            false if self.orders.masked => Extent::Paragraphs,
            false => Extent::All,
        };
        if !open.unit.cut(extent) {
            return;
        }
        open.portions = description.or(open.portions.take());
        if found && self.is_taking() && !std::mem::replace(&mut open.counted, true) {
            let asked = self.count_hit(flow, state, &open.frames, open.number);
            let ordinal = open.begin.exchange;
            if open.begin.kind.side == Side::Answers
                && let Some(exchange) = state.exchange(ordinal)
                && !std::mem::replace(&mut exchange.shown, true)
            {
                let exchange = *exchange;
                self.owed += 1;
                if !asked {
                    self.question(flow, state, dir.reverse(), &exchange, open.brief.interim);
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
        let manner = Manner {
            portion,
            why,
            ..Manner::MATCH
        };
        self.tell(flow, open, &manner);
        open.unit.forget();
    }

    /// Save the packets that came since the last portion.
    fn save_rest(&mut self, flow: &Flow, open: &Open) {
        let rest = open.frames.get(open.saved..).unwrap_or_default();
        self.show.save(flow, rest);
    }

    /// A message is over: decide, show, forget.
    pub(super) fn close(&mut self, flow: &Flow, state: &mut State, dir: Direction, complete: bool) {
        let Some(mut open) = state.open(dir).take() else {
            return;
        };
        let (side, ordinal) = (open.begin.kind.side, open.begin.exchange);
        self.count_message(flow, state);
        match side {
            Side::Speaks => open.unit.mark(state.mark(dir)),
            Side::Asks => state.asked(ordinal, dir, open.last, open.unit.said()),
            Side::Answers => {}
        }
        let exchange = match side {
            // Looked at only where its standing matters.
            Side::Asks if self.orders.conditions.is_empty() => None,
            Side::Asks => state.exchange(ordinal).copied(),
            Side::Answers if open.brief.interim => state.exchange(ordinal).copied(),
            Side::Answers => state.close(ordinal),
            Side::Speaks => None,
        };
        self.give_back_room(state);
        let over = side == Side::Answers && !open.brief.interim;
        let shown = |exchange: &Exchange| exchange.shown;
        let question_shown = over && exchange.as_ref().is_some_and(shown);
        let owed = |exchange: &Exchange| exchange.shown && !exchange.failed;
        self.owed -= u64::from(over && exchange.as_ref().is_some_and(owed));
        if side == Side::Answers {
            state.answered[dir.index()] = state.reached[dir.index()];
        }
        let failed = match complete || side != Side::Answers {
            true => None,
            false => self.broken_off(flow, state, dir, exchange.as_ref(), &open),
        };
        let answered = exchange.as_ref().filter(|_| side == Side::Answers);
        if let Some(exchange) = answered.filter(|_| over) {
            self.waiting.done(exchange.number);
        }
        // Made where it is wanted: of most messages nothing is told.
        let manner = |open: &Open| Manner {
            complete,
            times: answered.map(|exchange| telling::times(flow, exchange, Some(open))),
            failed,
            ..Manner::MATCH
        };
        let context = |open: &Open| Manner {
            why: Why::Context,
            ..manner(open)
        };
        let found =
            open.unit.holds(&self.orders.query) != self.orders.invert && !open.unit.is_empty();
        let found = found && self.orders.conditions.admits(side);
        let standing = self.standing(exchange.as_ref(), &open);
        let holds = found && standing == Standing::Holds;
        if self.orders.pairs && side != Side::Speaks {
            let manner = if found { manner(&open) } else { context(&open) };
            self.close_in_pair(flow, state, &mut open, exchange.as_ref(), &manner, standing);
        } else if open.portions.is_some() {
            if holds && !open.counted && self.is_taking() {
                open.counted = true;
                self.count_hit(flow, state, &open.frames, open.number);
            } else if open.counted {
                self.save_rest(flow, &open);
            }
            let manner = Manner {
                portion: Portion::Last,
                why: if open.counted {
                    Why::Match
                } else {
                    Why::Context
                },
                ..manner(&open)
            };
            self.tell(flow, &mut open, &manner);
        } else if holds && self.is_taking() {
            let asked = self.count_hit(flow, state, &open.frames, open.number);
            self.expect_answer(flow, state, &open);
            if let Some(exchange) = answered.filter(|exchange| !exchange.shown) {
                if !asked {
                    self.question(flow, state, dir.reverse(), exchange, open.brief.interim);
                }
                if let Some(exchange) = state.exchange(ordinal) {
                    // An interim answer told it; the final one need not again.
                    exchange.shown = true;
                    self.owed += 1;
                }
            }
            let manner = manner(&open);
            self.tell(flow, &mut open, &manner);
        } else if found && side == Side::Asks && standing == Standing::Open && self.is_taking() {
            // It is shown when the conditions on its answer are known to hold.
            if let Some(exchange) = state.exchange(ordinal) {
                exchange.matched = true;
            }
            let manner = manner(&open);
            self.keep_question(flow, state, &mut open, &manner);
        } else if self.passes(state) || question_shown && self.orders.pair {
            let context = context(&open);
            self.tell(flow, &mut open, &context);
        } else {
            if question_shown && self.orders.companions {
                let manner = manner(&open);
                self.answer(flow, &mut open, &manner);
            }
            self.remember(flow, state, &mut open, context);
        }
        if over && let Some(exchange) = &exchange {
            self.drop_question(state, exchange.number);
        }
        if self.spare.len() < SPARE {
            self.spare.push(open);
        }
    }

    pub(super) fn count_message(&mut self, flow: &Flow, state: &State) {
        self.output.messages += 1;
        if state.tls {
            self.output.tls += 1;
            self.output.tls_port = flow.server.port;
        }
    }

    /// A message is over whose exchange is shown as one.
    fn close_in_pair(
        &mut self,
        flow: &Flow,
        state: &mut State,
        open: &mut Open,
        exchange: Option<&Exchange>,
        manner: &Manner,
        standing: Standing,
    ) {
        let found = manner.why == Why::Match;
        let (ordinal, dir) = (open.begin.exchange, open.dir);
        match open.begin.kind.side {
            Side::Asks => {
                if standing == Standing::Fails {
                    return;
                }
                // Without it the answer was over before, and was shown with what there was of the
                // question.
                let Some(exchange) = state.exchange(ordinal) else {
                    return;
                };
                exchange.matched = found;
                self.waiting.ask(flow, exchange.number);
                self.keep_question(flow, state, open, manner);
            }
            Side::Answers if open.brief.interim => {
                if let Some(exchange) = state.exchange(ordinal) {
                    exchange.matched |= found;
                }
            }
            Side::Answers if standing == Standing::Holds => {
                let mut exchange = exchange.copied().unwrap_or_else(|| alone(open));
                let asking = dir.reverse();
                let matched = exchange.matched || self.is_matched(state, asking, exchange.number);
                let question = self.question_of(flow, state, asking, exchange.number);
                if exchange.asked_whole.is_none()
                    && let Some(open) = state.asking(asking, exchange.number)
                {
                    exchange.sent = open.unit.said();
                }
                if found || matched {
                    let failed = manner.failed;
                    let answer = Ok((open, manner));
                    self.pair(flow, question.as_ref(), &exchange, failed, answer);
                }
            }
            Side::Answers | Side::Speaks => {}
        }
    }

    /// A question is shown: its answer is to be shown with it.
    fn expect_answer(&mut self, flow: &Flow, state: &mut State, open: &Open) {
        if open.begin.kind.side == Side::Asks
            && let Some(exchange) = state.exchange(open.begin.exchange)
        {
            self.waiting.ask(flow, exchange.number);
            if (self.orders.companions || self.orders.pair)
                && !std::mem::replace(&mut exchange.shown, true)
            {
                self.owed += 1;
            }
        }
    }

    /// Whether a message is shown because it comes behind a hit.
    fn passes(&mut self, state: &mut State) -> bool {
        let neighbours = state.neighbours.as_mut();
        let passes = neighbours.is_some_and(|neighbours| neighbours.context.passes());
        self.following -= u64::from(passes);
        passes
    }

    /// A hit is about to be shown: count it, save its packets, and show what belongs in front of
    /// it. Says whether the question of that `number` was among it.
    pub(super) fn count_hit(
        &mut self,
        flow: &Flow,
        state: &mut State,
        frames: &[u64],
        number: u64,
    ) -> bool {
        self.output.matched += 1;
        self.show.save(flow, frames);
        let mut asked = false;
        if self.orders.before + self.orders.after > 0 {
            let neighbours = state.neighbours.get_or_insert_default();
            let show = &mut self.show;
            let more = neighbours.context.hit(self.orders.after, |kept| {
                asked |= kept.asks(number);
                if kept.is_to_be_shown() {
                    show.hit(&kept.hit());
                }
            });
            self.following += more as u64;
        }
        asked
    }

    pub(super) fn tell(&mut self, flow: &Flow, open: &mut Open, manner: &Manner) {
        let (show, tls) = (&mut self.show, &mut self.output.tls_shown);
        self.orders.lend(flow, open, manner, |hit| {
            *tls += u64::from(hit.facts.iter().any(|fact| fact.name == "tls.hello"));
            show.hit(hit);
        });
    }

    /// Show the question of a hit that is an answer: in full, or in one line.
    /// A question that is not over is shown as far as it came. It is told in one line if it will be
    /// shown by itself: it matches, or `interim`: the answer is no final one, so the rest is to
    /// come.
    fn question(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        exchange: &Exchange,
        interim: bool,
    ) {
        let number = exchange.number;
        let kept = match self.orders.pair {
            true if interim || self.is_matched(state, dir, number) => {
                self.take_question(state, number)
            }
            true => self.question_of(flow, state, dir, number),
            false => None,
        };
        if let Some(kept) = kept {
            if kept.is_to_be_shown() {
                self.show.hit(&kept.hit());
            }
        } else if self.orders.companions {
            self.show.companion(&telling::question(flow, dir, exchange));
        }
    }

    /// Show the answer to a question that was shown, in one line.
    fn answer(&mut self, flow: &Flow, open: &mut Open, manner: &Manner) {
        let show = &mut self.show;
        telling::with_answer(&self.orders.query, flow, open, manner, |companion| {
            show.companion(companion);
        });
    }

    /// Keep a message that is not shown for those that may want it.
    fn remember(
        &mut self,
        flow: &Flow,
        state: &mut State,
        open: &mut Open,
        manner: impl Fn(&Open) -> Manner,
    ) {
        let question = self.orders.pair && open.begin.kind.side == Side::Asks;
        let before = self.orders.before;
        if !question && before == 0 {
            return;
        }
        let manner = &manner(open);
        let mut kept = None;
        if question {
            kept = self.keep_question(flow, state, open, manner);
            if before == 0 {
                return;
            }
        }
        // For `-O` alone they are noted, but a neighbour's packets are not saved.
        let asked = self.orders.frames;
        if kept.is_none() {
            self.orders.lend(flow, open, manner, |hit| {
                let frames = if asked { hit.frames } else { &[] };
                kept = Some(Rc::new(Kept::new(hit, frames)));
            });
        }
        if let Some(kept) = kept {
            let neighbours = state.neighbours.get_or_insert_default();
            neighbours.context.remember(kept, before);
        }
    }
}

/// The exchange of an answer whose question was not captured.
fn alone(open: &Open) -> Exchange {
    Exchange {
        answered: Some(open.first.ts),
        findings: open.findings,
        ..Exchange::new(
            open.number,
            u64::MAX,
            open.dir.reverse(),
            &open.first,
            Troubles::default(),
        )
    }
}

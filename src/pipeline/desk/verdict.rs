//! What becomes of a message: shown, told in one line, kept for others, or forgotten.

use crate::exchange::Exchange;
use crate::flow::{Direction, Flow};
use crate::hit::{Portion, Why};
use crate::message::Side;
use crate::pipeline::kept::Kept;
use crate::pipeline::memory::{Open, State};
use crate::pipeline::telling::{self, Manner};

use super::{Desk, SPARE};

impl Desk {
    /// A message has more matches than are held at once: show those, and go on.
    pub(super) fn portion(&mut self, flow: &Flow, state: &mut State, dir: Direction) {
        let Some(mut open) = state.open(dir).take() else {
            return;
        };
        let first = !open.portions;
        // What may yet turn out not to be wanted is not shown, and its excerpts are given up.
        let query = &self.orders.query;
        let decided = query.is_simple() && !self.orders.invert && open.unit.holds(query);
        if decided && (!first || self.is_taking()) {
            if first {
                self.count_hit(flow, state, &open);
                open.portions = true;
                let ordinal = open.begin.exchange;
                if open.begin.kind.side == Side::Answers
                    && let Some(exchange) = state.exchange(ordinal)
                    && !std::mem::replace(&mut exchange.shown, true)
                {
                    let exchange = *exchange;
                    self.owed += 1;
                    self.question(flow, state, dir.reverse(), &exchange);
                }
            }
            let portion = if first { Portion::First } else { Portion::Next };
            self.tell(
                flow,
                &mut open,
                &Manner {
                    portion,
                    ..Manner::MATCH
                },
            );
        }
        open.unit.forget();
        open.fresh = false;
        *state.open(dir) = Some(open);
    }

    /// A message is over: decide, show, forget.
    pub(super) fn close(&mut self, flow: &Flow, state: &mut State, dir: Direction, complete: bool) {
        let Some(mut open) = state.open(dir).take() else {
            return;
        };
        let (side, ordinal) = (open.begin.kind.side, open.begin.exchange);
        self.output.messages += 1;
        match side {
            Side::Speaks => open.unit.mark(state.mark(dir)),
            Side::Asks => {
                if let Some(exchange) = state.exchange(ordinal) {
                    (exchange.asked_whole, exchange.asked_flags) =
                        (Some(open.last.ts), open.last.flags);
                }
            }
            Side::Answers => {}
        }
        let exchange = match side {
            Side::Answers if open.brief.interim => state.exchange(ordinal).copied(),
            Side::Answers => state.close(ordinal),
            Side::Asks | Side::Speaks => None,
        };
        if state.exchanges.is_empty() && state.exchanges.capacity() > 0 {
            // A quiet flow keeps no room for its next exchange: there may be very many.
            let room = std::mem::take(&mut state.exchanges);
            if self.rooms.len() < SPARE {
                self.rooms.push(room);
            }
        }
        let question_shown = !open.brief.interim && exchange.is_some_and(|exchange| exchange.shown);
        self.owed -= u64::from(question_shown);
        let manner = Manner {
            complete,
            wait: exchange
                .and_then(|exchange| Some(exchange.answered?.since(exchange.asked_whole?))),
            took: exchange.map(|exchange| open.last.ts.since(exchange.asked)),
            ..Manner::MATCH
        };
        let context = Manner {
            why: Why::Context,
            ..manner
        };
        let holds =
            open.unit.holds(&self.orders.query) != self.orders.invert && !open.unit.is_empty();
        if open.portions {
            self.show.save(flow, &open.frames);
            self.tell(
                flow,
                &mut open,
                &Manner {
                    portion: Portion::Last,
                    ..manner
                },
            );
        } else if holds && self.is_taking() {
            self.count_hit(flow, state, &open);
            if let Some(exchange) = exchange.filter(|exchange| !exchange.shown) {
                self.question(flow, state, dir.reverse(), &exchange);
                if let Some(exchange) = state.exchange(ordinal) {
                    // An interim answer told it; the final one need not again.
                    exchange.shown = true;
                    self.owed += 1;
                }
            }
            self.tell(flow, &mut open, &manner);
        } else if question_shown && self.orders.pair {
            self.tell(flow, &mut open, &context);
        } else if state
            .neighbours
            .as_mut()
            .is_some_and(|neighbours| neighbours.context.passes())
        {
            self.following -= 1;
            self.tell(flow, &mut open, &context);
        } else {
            if question_shown && self.orders.companions {
                self.answer(flow, &mut open, &manner);
            }
            self.remember(flow, state, &mut open, &context);
        }
        if self.spare.len() < SPARE {
            self.spare.push(open);
        }
    }

    /// A hit is about to be shown: count it, save its packets, and show what belongs in front of it.
    fn count_hit(&mut self, flow: &Flow, state: &mut State, open: &Open) {
        self.output.matched += 1;
        self.show.save(flow, &open.frames);
        if self.orders.before + self.orders.after > 0 {
            let neighbours = state.neighbours.get_or_insert_default();
            let show = &mut self.show;
            self.following += neighbours
                .context
                .hit(self.orders.after, |kept| show.hit(&kept.hit()))
                as u64;
        }
        if open.begin.kind.side == Side::Asks
            && (self.orders.companions || self.orders.pair)
            && let Some(exchange) = state.exchange(open.begin.exchange)
            && !std::mem::replace(&mut exchange.shown, true)
        {
            self.owed += 1;
        }
    }

    pub(super) fn tell(&mut self, flow: &Flow, open: &mut Open, manner: &Manner) {
        let show = &mut self.show;
        telling::with_hit(
            &self.orders.query,
            &self.orders.stand_out,
            flow,
            open,
            manner,
            |hit| show.hit(hit),
        );
    }

    /// Show the question of a hit that is an answer: in full, or in one line.
    fn question(&mut self, flow: &Flow, state: &mut State, dir: Direction, exchange: &Exchange) {
        if self.orders.pair
            && let Some(neighbours) = &mut state.neighbours
            && let Some(at) = neighbours
                .questions
                .iter()
                .position(|kept| kept.number == exchange.number)
            && let Some(kept) = neighbours.questions.remove(at)
        {
            self.show.hit(&kept.hit());
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
    fn remember(&mut self, flow: &Flow, state: &mut State, open: &mut Open, manner: &Manner) {
        let question = self.orders.pair && open.begin.kind.side == Side::Asks;
        let (before, room) = (self.orders.before, self.orders.limits.exchanges);
        if before == 0 && !question {
            return;
        }
        telling::with_hit(
            &self.orders.query,
            &self.orders.stand_out,
            flow,
            open,
            manner,
            |hit| {
                let kept = Kept::new(hit);
                let neighbours = state.neighbours.get_or_insert_default();
                if question {
                    if neighbours.questions.len() >= room {
                        neighbours.questions.pop_front();
                    }
                    neighbours.questions.push_back(kept);
                } else {
                    neighbours.context.remember(kept, before);
                }
            },
        );
    }
}

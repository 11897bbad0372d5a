//! Exchanges while they are open: what is learnt of them, what waits for their answers, what
//! becomes of them without one.

use std::rc::Rc;

use crate::dissect;
use crate::exchange::{Exchange, Silence, Title};
use crate::failure::Failed;
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::hit::{Hit, Pair, Why};
use crate::message::Side;
use crate::pipeline::kept::Kept;
use crate::pipeline::memory::{Open, State};
use crate::pipeline::telling::{self, Manner};
use crate::search::Standing;
use crate::stream::{Carrier, Ending};

use super::failures::why_unanswered;
use super::{Desk, SPARE};

/// Bytes of all kept questions together; what is over is not kept, and shown in one line.
const KEPT: usize = 16 << 20;

/// The receiver of `dir` has acknowledged what lies in front of `offset`.
pub(super) fn acknowledged(state: &mut State, dir: Direction, offset: u64, ts: Timestamp) {
    state.acked[dir.index()] = (offset, ts);
    for exchange in &mut state.exchanges {
        if exchange.asked_whole.is_some() && exchange.asking == dir && exchange.asked_end <= offset
        {
            exchange.acknowledged.get_or_insert(ts);
        }
    }
}

impl Desk {
    /// A question begins. Its title may not be known yet.
    #[allow(
        clippy::too_many_arguments,
        reason = "what is known of a question, each from another place"
    )]
    pub(super) fn ask(
        &mut self,
        flow: &Flow,
        state: &mut State,
        ordinal: u64,
        number: u64,
        dir: Direction,
        by: &Carrier,
        title: &[u8],
    ) {
        if state.exchanges.len() >= self.orders.limits.exchanges
            && let Some(forgotten) = state.exchanges.pop_front()
        {
            self.output.exchanges_forgotten += 1;
            self.unanswered(flow, state, &forgotten, false);
        }
        if state.exchanges.capacity() == 0 {
            // Most flows have one at a time, and there may be very many flows.
            state.exchanges = self.rooms.pop().unwrap_or_default();
            state.exchanges.reserve_exact(1);
        }
        state.asks = true;
        state.exchanges.push_back(Exchange {
            title: Title::new(title),
            heard: state.heard(dir.reverse()),
            reached: state.reached[dir.reverse().index()],
            ..Exchange::new(number, ordinal, dir, by, flow.troubles)
        });
    }

    /// A quiet flow keeps no room for its next exchange: there may be very many.
    pub(super) fn give_back_room(&mut self, state: &mut State) {
        if state.exchanges.is_empty() && state.exchanges.capacity() > 0 {
            let room = std::mem::take(&mut state.exchanges);
            if self.rooms.len() < SPARE {
                self.rooms.push(room);
            }
        }
    }

    /// The head of the open message is known.
    pub(super) fn briefed(&mut self, flow: &Flow, state: &mut State, dir: Direction, title: &[u8]) {
        let Some(open) = state.open(dir).as_deref() else {
            return;
        };
        let (ordinal, brief) = (open.begin.exchange, open.brief);
        let (side, began) = (open.begin.kind.side, open.first.ts);
        let asks = !self.orders.conditions.is_empty() && !brief.interim;
        if asks {
            self.learn(state, dir);
        }
        let Some(exchange) = state.exchange(ordinal) else {
            return;
        };
        match side {
            Side::Asks => exchange.title = Title::new(title),
            Side::Answers if !brief.interim => {
                exchange.answered = Some(began);
                let asked = exchange.asked_whole.unwrap_or(exchange.asked);
                let conditions = &self.orders.conditions;
                conditions.waited(&mut exchange.findings, began.since(asked));
            }
            _ => {}
        }
        if asks {
            self.decide(flow, state, ordinal);
        }
    }

    /// Learn from the head of the open message what the conditions are on.
    fn learn(&mut self, state: &mut State, dir: Direction) {
        let Some(mut open) = state.open(dir).take() else {
            return;
        };
        let exchange = state.exchange(open.begin.exchange);
        let known = exchange.map_or(&mut open.findings, |exchange| &mut exchange.findings);
        let (kind, head) = (open.begin.kind, open.unit.head());
        let about = dissect::describe(kind, head, &[]);
        self.orders.conditions.learn(known, kind.side, head, &about);
        *state.open(dir) = Some(open);
    }

    /// How the exchange of a message stands.
    pub(super) fn standing(&self, exchange: Option<&Exchange>, open: &Open) -> Standing {
        if self.orders.conditions.is_empty() {
            return Standing::Holds;
        }
        let known = exchange.map_or(&open.findings, |exchange| &exchange.findings);
        match open.begin.kind.side {
            Side::Speaks => Standing::Holds,
            Side::Asks | Side::Answers => self.orders.conditions.standing(known),
        }
    }

    /// Something was learnt of an exchange: its question may be shown now, or need not be kept any
    /// longer.
    pub(super) fn decide(&mut self, flow: &Flow, state: &mut State, ordinal: Option<u64>) {
        let Some(exchange) = state.exchange(ordinal) else {
            return;
        };
        let (number, matched) = (exchange.number, exchange.matched);
        match self.orders.conditions.standing(&exchange.findings) {
            Standing::Fails => {
                exchange.matched = false;
                self.drop_question(state, number);
            }
            Standing::Holds if matched && !exchange.shown && !self.orders.pairs => {
                let exchange = *exchange;
                self.show_held(flow, state, &exchange, false);
                if (self.orders.companions || self.orders.pair)
                    && let Some(exchange) = state.exchange(ordinal)
                {
                    exchange.shown = true;
                    exchange.matched = false;
                    self.owed += 1;
                    self.waiting.ask(flow, number);
                }
            }
            _ => {}
        }
    }

    /// Show a question that was held until its conditions were decided.
    fn show_held(&mut self, flow: &Flow, state: &mut State, exchange: &Exchange, pending: bool) {
        let kept = self.take_question(state, exchange.number);
        if !self.is_taking() {
            return;
        }
        let frames = kept.as_ref().map_or(&[][..], |kept| &kept.frames);
        self.count_hit(flow, state, frames, exchange.number);
        if let Some(kept) = kept {
            self.show.hit(&Hit {
                why: Why::Match,
                pending,
                ..kept.hit()
            });
        } else {
            // There was no room to keep it.
            let companion = telling::question(flow, exchange.asking, exchange);
            self.show.companion(&companion);
        }
    }

    /// Live: a question that was waited for long enough need not wait for its answer to be shown.
    pub(super) fn slow(&mut self, now: Timestamp, flow: &Flow, state: &mut State) {
        if !self.is_slow(state) {
            return;
        }
        let conditions = &self.orders.conditions;
        let mut known = Vec::new();
        for exchange in &mut state.exchanges {
            if let (None, Some(asked), Some(least)) = (
                exchange.findings.slow,
                exchange.asked_whole,
                conditions.slow,
            ) && now.since(asked) >= least
            {
                exchange.findings.slow = Some(true);
                known.push(exchange.ordinal);
            }
        }
        for ordinal in known {
            self.decide(flow, state, Some(ordinal));
        }
    }

    /// Whether a question of the flow waits to be slow enough.
    pub(super) fn is_slow(&self, state: &State) -> bool {
        self.orders.conditions.slow.is_some()
            && state
                .exchanges
                .iter()
                .any(|exchange| exchange.matched && exchange.findings.slow.is_none())
    }

    /// No more answers come in this flow.
    pub(super) fn answered_all(&mut self, flow: &Flow, state: &mut State, how: Ending) {
        while let Some(exchange) = state.exchanges.pop_front() {
            self.unanswered(flow, state, &exchange, how == Ending::Capture);
        }
    }

    /// An exchange is forgotten that has no final answer; `left`: because the capture ended.
    pub(super) fn unanswered(
        &mut self,
        flow: &Flow,
        state: &mut State,
        exchange: &Exchange,
        left: bool,
    ) {
        self.waiting.done(exchange.number);
        self.owed -= u64::from(exchange.shown && !exchange.failed);
        let why = why_unanswered(flow, state, exchange);
        if let Some(why) = why.filter(|_| !self.orders.pairs && self.tells_unanswered(exchange)) {
            self.show_unanswered(flow, exchange, &why);
        }
        let since = exchange.asked_whole.unwrap_or(exchange.asked);
        let waited = self.now.since(since);
        let conditions = &self.orders.conditions;
        let holds = exchange.matched && conditions.holds_unanswered(&exchange.findings, waited);
        if left && why.is_none() && !exchange.failed && (exchange.shown || holds) {
            self.waiting.leave(flow, state, exchange);
        }
        if holds && self.orders.pairs {
            let question = self.take_question(state, exchange.number);
            let failed = why.map(|why| why.failed);
            let silence = state.silence(flow, exchange);
            self.pair(flow, question.as_ref(), exchange, failed, Err(silence));
        } else if holds && !exchange.shown && !conditions.is_empty() {
            self.show_held(flow, state, exchange, why.is_none());
            if let Some(why) = why {
                self.show_unanswered(flow, exchange, &why);
            }
        } else {
            self.drop_question(state, exchange.number);
        }
    }

    /// Show an exchange as one.
    pub(super) fn pair(
        &mut self,
        flow: &Flow,
        question: Option<&Rc<Kept>>,
        exchange: &Exchange,
        failed: Option<Failed>,
        answer: Result<(&mut Open, &Manner), Silence>,
    ) {
        if !self.is_taking() {
            return;
        }
        self.output.matched += 1;
        let mut frames = question.map_or_else(Vec::new, |kept| kept.frames.clone());
        if let Ok((open, _)) = &answer {
            frames.extend_from_slice(&open.frames);
        }
        self.show.save(flow, &frames);
        let question = question.map(|kept| kept.hit());
        let times = telling::times(
            flow,
            exchange,
            answer.as_ref().ok().map(|(open, _)| &**open),
        );
        let pair = Pair {
            number: exchange.number,
            question: question.as_ref(),
            answer: None,
            title: exchange.title.bytes(),
            times,
            silence: answer.as_ref().err().copied().unwrap_or_default(),
            failed,
        };
        let show = &mut self.show;
        let Ok((open, manner)) = answer else {
            return show.pair(&pair);
        };
        self.orders.lend(flow, open, manner, |hit| {
            show.pair(&Pair {
                answer: Some(hit),
                ..pair
            });
        });
    }

    /// Keep a question until more is known, if there is room.
    pub(super) fn keep_question(
        &mut self,
        flow: &Flow,
        state: &mut State,
        open: &mut Open,
        manner: &Manner,
    ) -> Option<Rc<Kept>> {
        let room = self.orders.limits.exchanges;
        let mut kept = None;
        self.orders.lend(flow, open, manner, |hit| {
            kept = Some(Rc::new(Kept::new(hit, hit.frames)));
        });
        let kept = kept?;
        if self.kept + kept.size() > KEPT {
            self.output.questions_not_kept += 1;
            return None;
        }
        self.kept += kept.size();
        let questions = &mut state.neighbours.get_or_insert_default().questions;
        if questions.len() >= room
            && let Some(oldest) = questions.pop_front()
        {
            self.kept -= oldest.size();
        }
        questions.push_back(Rc::clone(&kept));
        Some(kept)
    }

    /// Take the question of this number: the kept one, or as much as has come of one that is not
    /// over.
    pub(super) fn question_of(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        number: u64,
    ) -> Option<Rc<Kept>> {
        if let Some(kept) = self.take_question(state, number) {
            return Some(kept);
        }
        let mut kept = None;
        if let Some(open) = state.asking(dir, number) {
            let manner = Manner {
                why: Why::Context,
                complete: false,
                ..Manner::MATCH
            };
            self.orders.lend(flow, open, &manner, |hit| {
                kept = Some(Rc::new(Kept::new(hit, hit.frames)));
            });
        }
        kept
    }

    /// Whether a question of this number that is not over matches by now.
    pub(super) fn is_matched(&self, state: &mut State, dir: Direction, number: u64) -> bool {
        let orders = &self.orders;
        orders.conditions.admits(Side::Asks)
            && state
                .asking(dir, number)
                .is_some_and(|open| open.unit.holds(&orders.query) != orders.invert)
    }

    pub(super) fn take_question(&mut self, state: &mut State, number: u64) -> Option<Rc<Kept>> {
        let kept = state.question(number)?;
        self.kept -= kept.size();
        Some(kept)
    }

    pub(super) fn drop_question(&mut self, state: &mut State, number: u64) {
        drop(self.take_question(state, number));
    }
}

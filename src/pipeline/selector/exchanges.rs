//! Open exchanges: their facts, the requests kept for their responses, and their end without a
//! response.
//!
//! Kept requests are bounded by [`KEPT`], exchanges per flow by
//! [`crate::limits::Limits::exchanges`].

use std::rc::Rc;

use crate::dissect;
use crate::exchange::{Exchange, Silence, Title};
use crate::failure::Failed;
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::hit::{Hit, Pair, Why};
use crate::message::{MessageId, Role};
use crate::pipeline::flow_state::{OpenMessage, Tracking};
use crate::pipeline::hit_builder::{self, HitMeta};
use crate::pipeline::owned_hit::OwnedHit;
use crate::search::Outcome;
use crate::stream::{Ending, PacketInfo};

use super::failures::why_unanswered;
use super::{SPARE, Selector};

/// Total bytes of requests kept for their responses. Requests over the limit are shown in one line.
const KEPT: usize = 16 << 20;

/// The receiver of `dir` has acknowledged the bytes before `offset`.
pub(super) fn acknowledged(tracking: &mut Tracking, dir: Direction, offset: u64, ts: Timestamp) {
    tracking.acked[dir.index()] = (offset, ts);
    for exchange in &mut tracking.exchanges {
        if exchange.request_end.is_some()
            && exchange.request_dir == dir
            && exchange.request_end_offset <= offset
        {
            exchange.acknowledged.get_or_insert(ts);
        }
    }
}

impl Selector {
    /// A request begins. Its title may not be known yet.
    #[allow(
        clippy::too_many_arguments,
        reason = "what is known of a question, each from another place"
    )]
    pub(super) fn ask(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        ordinal: u64,
        number: u64,
        dir: Direction,
        by: &PacketInfo,
        title: &[u8],
    ) {
        if tracking.exchanges.len() >= self.options.limits.exchanges
            && let Some(forgotten) = tracking.exchanges.pop_front()
        {
            self.output.exchanges_forgotten += 1;
            self.unanswered(flow, tracking, &forgotten, false);
        }
        if tracking.exchanges.capacity() == 0 {
            // Most flows have one exchange at a time, and there may be very many flows.
            tracking.exchanges = self.exchange_pool.pop().unwrap_or_default();
            tracking.exchanges.reserve_exact(1);
        }
        tracking.has_requests = true;
        tracking.exchanges.push_back(Exchange {
            title: Title::new(title),
            progress: tracking.progress(dir.reverse()),
            reached: tracking.reached[dir.reverse().index()],
            ..Exchange::new(number, ordinal, dir, by, flow.tcp_analysis)
        });
    }

    /// Returns the buffer of a flow without open exchanges to the pool: there may be very many
    /// flows.
    pub(super) fn recycle_exchanges(&mut self, tracking: &mut Tracking) {
        if tracking.exchanges.is_empty() && tracking.exchanges.capacity() > 0 {
            let buffer = std::mem::take(&mut tracking.exchanges);
            if self.exchange_pool.len() < SPARE {
                self.exchange_pool.push(buffer);
            }
        }
    }

    /// The head of the open message was parsed.
    pub(super) fn briefed(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        title: &[u8],
    ) {
        let Some(open) = tracking.open(id).as_deref() else {
            return;
        };
        let (ordinal, brief) = (open.begin.exchange, open.brief);
        let (side, began) = (open.begin.kind.side, open.first.ts);
        let asks = !self.options.conditions.is_empty() && !brief.interim;
        if asks {
            self.learn(tracking, id);
        }
        let Some(exchange) = tracking.exchange(ordinal) else {
            return;
        };
        match side {
            Role::Request => exchange.title = Title::new(title),
            Role::Response if !brief.interim => {
                exchange.answered = Some(began);
                let asked = exchange.request_end.unwrap_or(exchange.asked);
                let conditions = &self.options.conditions;
                conditions.waited(&mut exchange.evidence, began.since(asked));
            }
            _ => {}
        }
        if asks {
            self.decide(flow, tracking, ordinal);
        }
    }

    /// Evaluates the conditions on the head of the open message.
    fn learn(&mut self, tracking: &mut Tracking, id: MessageId) {
        let Some(mut open) = tracking.open(id).take() else {
            return;
        };
        let (kind, head) = (open.begin.kind, open.unit.head());
        let about = dissect::describe(kind, &open.known(head), &[]);
        let exchange = tracking.exchange(open.begin.exchange);
        let known = exchange.map_or(&mut open.evidence, |exchange| &mut exchange.evidence);
        self.options
            .conditions
            .learn(known, kind.side, head, &about);
        *tracking.open(id) = Some(open);
    }

    /// The outcome of the conditions for the exchange of a message. One is that it began in the
    /// span.
    pub(super) fn outcome(&self, exchange: Option<&Exchange>, open: &OpenMessage) -> Outcome {
        let began = exchange.map_or(open.first.ts, |exchange| exchange.asked);
        if !self.options.span.contains(began) {
            return Outcome::Fails;
        }
        if self.options.conditions.is_empty() {
            return Outcome::Holds;
        }
        let known = exchange.map_or(&open.evidence, |exchange| &exchange.evidence);
        match open.begin.kind.side {
            Role::Single => Outcome::Holds,
            Role::Request | Role::Response => self.options.conditions.outcome(known),
        }
    }

    /// After new evidence on an exchange: shows its request, or drops the kept request, if decided.
    pub(super) fn decide(&mut self, flow: &Flow, tracking: &mut Tracking, ordinal: Option<u64>) {
        let Some(exchange) = tracking.exchange(ordinal) else {
            return;
        };
        let (number, matched) = (exchange.number, exchange.matched);
        match self.options.conditions.outcome(&exchange.evidence) {
            Outcome::Fails => {
                exchange.matched = false;
                self.drop_request(tracking, number);
            }
            Outcome::Holds if matched && !exchange.shown && !self.options.pairs => {
                let exchange = *exchange;
                self.show_held(flow, tracking, &exchange, false);
                if (self.options.companions || self.options.pair)
                    && let Some(exchange) = tracking.exchange(ordinal)
                {
                    exchange.shown = true;
                    exchange.matched = false;
                    self.responses_expected += 1;
                    self.waiting.ask(flow, number);
                }
            }
            _ => {}
        }
    }

    /// Shows a request that was held until its conditions were decided.
    fn show_held(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        exchange: &Exchange,
        pending: bool,
    ) {
        let kept = self.take_request(tracking, exchange.number);
        if !self.is_taking() {
            return;
        }
        let frames = kept.as_ref().map_or(&[][..], |kept| &kept.frames);
        self.count_hit(flow, tracking, frames, exchange.number);
        if let Some(kept) = kept {
            self.outputs.hit(&Hit {
                why: Why::Match,
                pending,
                ..kept.hit()
            });
        } else {
            // The request exceeded the limit for kept requests.
            let companion = hit_builder::request(flow, exchange.request_dir, exchange);
            self.outputs.companion(&companion);
        }
    }

    /// Live: a request that has waited long enough is shown without waiting for its response.
    pub(super) fn slow(&mut self, now: Timestamp, flow: &Flow, tracking: &mut Tracking) {
        if !self.is_slow(tracking) {
            return;
        }
        let conditions = &self.options.conditions;
        let mut known = Vec::new();
        for exchange in &mut tracking.exchanges {
            if let (None, Some(asked), Some(least)) = (
                exchange.evidence.slow,
                exchange.request_end,
                conditions.slow,
            ) && now.since(asked) >= least
            {
                exchange.evidence.slow = Some(true);
                known.push(exchange.ordinal);
            }
        }
        for ordinal in known {
            self.decide(flow, tracking, Some(ordinal));
        }
    }

    /// Whether a request of the flow is held by the condition `--slow`.
    pub(super) fn is_slow(&self, tracking: &Tracking) -> bool {
        self.options.conditions.slow.is_some()
            && tracking
                .exchanges
                .iter()
                .any(|exchange| exchange.matched && exchange.evidence.slow.is_none())
    }

    /// No more responses come in this flow.
    pub(super) fn answered_all(&mut self, flow: &Flow, tracking: &mut Tracking, how: Ending) {
        while let Some(exchange) = tracking.exchanges.pop_front() {
            self.unanswered(flow, tracking, &exchange, how == Ending::Capture);
        }
    }

    /// Ends an exchange that will have no response.
    #[cold]
    pub(super) fn end_exchange(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        ordinal: Option<u64>,
    ) {
        if let Some(exchange) = tracking.close(ordinal) {
            self.unanswered(flow, tracking, &exchange, false);
            self.recycle_exchanges(tracking);
        }
    }

    /// Drops an exchange without a final response. `left`: because the capture ended.
    pub(super) fn unanswered(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        exchange: &Exchange,
        left: bool,
    ) {
        self.waiting.done(exchange.number);
        self.responses_expected -= u64::from(exchange.shown && !exchange.failed);
        let why = why_unanswered(flow, tracking, exchange);
        if let Some(why) = why.filter(|_| !self.options.pairs && self.reports_unanswered(exchange))
        {
            self.show_unanswered(flow, exchange, &why);
        }
        let since = exchange.request_end.unwrap_or(exchange.asked);
        let waited = self.now.since(since);
        let conditions = &self.options.conditions;
        let holds = exchange.matched
            && self.options.span.contains(exchange.asked)
            && conditions.holds_unanswered(&exchange.evidence, waited);
        if left && why.is_none() && !exchange.failed && (exchange.shown || holds) {
            self.waiting.leave(flow, tracking, exchange);
        }
        if holds && self.options.pairs {
            let request = self.take_request(tracking, exchange.number);
            let failed = why.map(|why| why.failed);
            let silence = tracking.silence(flow, exchange);
            self.pair(flow, request.as_ref(), exchange, failed, Err(silence));
        } else if holds && !exchange.shown && !conditions.is_empty() {
            self.show_held(flow, tracking, exchange, why.is_none());
            if let Some(why) = why {
                self.show_unanswered(flow, exchange, &why);
            }
        } else {
            self.drop_request(tracking, exchange.number);
        }
    }

    /// Shows an exchange as one record.
    pub(super) fn pair(
        &mut self,
        flow: &Flow,
        request: Option<&Rc<OwnedHit>>,
        exchange: &Exchange,
        failed: Option<Failed>,
        response: Result<(&mut OpenMessage, &HitMeta), Silence>,
    ) {
        if !self.is_taking() {
            return;
        }
        self.output.matched += 1;
        let mut frames = request.map_or_else(Vec::new, |kept| kept.frames.clone());
        if let Ok((open, _)) = &response {
            frames.extend_from_slice(&open.frames);
        }
        self.outputs.save(flow, &frames);
        let request = request.map(|kept| kept.hit());
        let times = hit_builder::times(
            flow,
            exchange,
            response.as_ref().ok().map(|(open, _)| &**open),
        );
        let pair = Pair {
            number: exchange.number,
            request: request.as_ref(),
            response: None,
            title: exchange.title.bytes(),
            times,
            silence: response.as_ref().err().copied().unwrap_or_default(),
            failed,
        };
        let outputs = &mut self.outputs;
        let Ok((open, meta)) = response else {
            return outputs.pair(&pair);
        };
        self.options.lend(flow, open, meta, |hit| {
            outputs.pair(&Pair {
                response: Some(hit),
                ..pair
            });
        });
    }

    /// Keeps a request until more is known, within the memory limit.
    pub(super) fn keep_request(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        open: &mut OpenMessage,
        meta: &HitMeta,
    ) -> Option<Rc<OwnedHit>> {
        let most = self.options.limits.exchanges;
        let mut kept = None;
        self.options.lend(flow, open, meta, |hit| {
            kept = Some(Rc::new(OwnedHit::new(hit, hit.frames)));
        });
        let kept = kept?;
        if self.kept_bytes + kept.size() > KEPT {
            self.output.requests_not_kept += 1;
            return None;
        }
        self.kept_bytes += kept.size();
        let requests = &mut tracking.neighbours.get_or_insert_default().requests;
        if requests.len() >= most
            && let Some(oldest) = requests.pop_front()
        {
            self.kept_bytes -= oldest.size();
        }
        requests.push_back(Rc::clone(&kept));
        Some(kept)
    }

    /// The request of this number: the kept one, or an incomplete one as far as it was received.
    pub(super) fn request_of(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        dir: Direction,
        number: u64,
    ) -> Option<Rc<OwnedHit>> {
        if let Some(kept) = self.take_request(tracking, number) {
            return Some(kept);
        }
        let mut kept = None;
        if let Some(open) = tracking.request_dir(dir, number) {
            let meta = HitMeta {
                why: Why::Context,
                complete: false,
                ..HitMeta::MATCH
            };
            self.options.lend(flow, open, &meta, |hit| {
                kept = Some(Rc::new(OwnedHit::new(hit, hit.frames)));
            });
        }
        kept
    }

    /// Whether an incomplete request of this number matches so far.
    pub(super) fn is_matched(&self, tracking: &mut Tracking, dir: Direction, number: u64) -> bool {
        let options = &self.options;
        options.conditions.admits(Role::Request)
            && tracking
                .request_dir(dir, number)
                .is_some_and(|open| open.unit.holds(&options.query) != options.invert)
    }

    pub(super) fn take_request(
        &mut self,
        tracking: &mut Tracking,
        number: u64,
    ) -> Option<Rc<OwnedHit>> {
        let kept = tracking.request(number)?;
        self.kept_bytes -= kept.size();
        Some(kept)
    }

    pub(super) fn drop_request(&mut self, tracking: &mut Tracking, number: u64) {
        drop(self.take_request(tracking, number));
    }
}

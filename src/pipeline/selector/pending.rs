//! What is waited for: the questions that have no answer yet, of all flows.

use std::collections::BTreeMap;

use crate::exchange::{Exchange, Silence};
use crate::flow::{Endpoint, Flow};
use crate::frame::Timestamp;
use crate::pipeline::flow_state::{FlowState, Tracking};

/// A question without an answer.
#[derive(Clone, Debug)]
pub struct PendingRequest {
    /// `#N`.
    pub number: u64,
    /// The question in a few words, as sent.
    pub title: Vec<u8>,
    /// Who asks.
    pub client: Endpoint,
    /// Who is asked.
    pub server: Endpoint,
    /// Bytes of the question.
    pub sent: u64,
    /// They were acknowledged.
    pub acknowledged: bool,
    /// The last byte of the question.
    pub since: Timestamp,
    /// The answer has begun and is not over.
    pub begun: bool,
    /// What is known of it, if it has not.
    pub silence: Silence,
    /// The client acknowledged bytes of the server since, of which none were captured.
    pub received: bool,
}

impl PendingRequest {
    /// The question of this number that a flow waits with.
    pub(in crate::pipeline) fn of(
        flow: &Flow,
        flow_state: &FlowState,
        number: u64,
    ) -> Option<Self> {
        let tracking = &flow_state.tracking;
        let mut exchanges = tracking.exchanges.iter();
        let exchange = exchanges.find(|exchange| exchange.number == number)?;
        Some(Self::new(flow, tracking, exchange))
    }

    fn new(flow: &Flow, tracking: &Tracking, exchange: &Exchange) -> Self {
        let silence = tracking.silence(flow, exchange);
        let acknowledged = tracking.heard(exchange.request_dir.reverse()).acknowledged;
        let received = acknowledged.saturating_sub(exchange.heard.acknowledged);
        Self {
            number: exchange.number,
            title: exchange.title.bytes().to_vec(),
            client: flow.client,
            server: flow.server,
            sent: exchange.sent,
            acknowledged: exchange.acknowledged.is_some(),
            since: exchange.request_end.unwrap_or(exchange.asked),
            begun: exchange.answered.is_some(),
            silence,
            // A FIN has a number, too.
            received: silence == Silence::Unseen && received > 1,
        }
    }
}

/// The oldest questions that were shown and have no answer.
#[derive(Default)]
pub(super) struct Pending {
    asked: BTreeMap<u64, (u32, u64)>,
    /// Those that the end of the capture left without one.
    left: Vec<PendingRequest>,
    /// How many there were of those.
    many: u64,
}

/// Questions remembered: a person looks at the oldest.
const REMEMBERED: usize = 256;
/// Questions told at the end.
const TOLD: usize = 8;

impl Pending {
    /// A question was shown and has no answer yet.
    pub(super) fn ask(&mut self, flow: &Flow, number: u64) {
        if self.asked.len() < REMEMBERED {
            self.asked.insert(number, (flow.slot, flow.id));
        }
    }

    /// It has one now, or never will.
    pub(super) fn done(&mut self, number: u64) {
        self.asked.remove(&number);
    }

    /// The oldest: its number, and slot and id of its flow.
    pub(super) fn oldest(&self) -> Option<(u64, (u32, u64))> {
        let (number, flow) = self.asked.first_key_value()?;
        Some((*number, *flow))
    }

    /// The capture ended in front of an answer.
    pub(super) fn leave(&mut self, flow: &Flow, tracking: &Tracking, exchange: &Exchange) {
        self.many += 1;
        let at = self
            .left
            .partition_point(|left| left.number < exchange.number);
        if at < TOLD {
            self.left
                .insert(at, PendingRequest::new(flow, tracking, exchange));
            self.left.truncate(TOLD);
        }
    }

    /// How many were left without an answer, and the first of them.
    pub(super) fn left(&self) -> (u64, &[PendingRequest]) {
        (self.many, &self.left)
    }
}

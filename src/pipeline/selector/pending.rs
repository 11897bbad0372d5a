//! Pending requests: the shown requests of all flows that have no response yet.
//!
//! At most [`REMEMBERED`] are tracked, the oldest first.

use std::collections::BTreeMap;

use crate::exchange::{Exchange, Silence};
use crate::flow::{Endpoint, Flow};
use crate::frame::Timestamp;
use crate::pipeline::flow_state::{FlowState, Tracking};

/// A request without a response.
#[derive(Clone, Debug)]
pub struct PendingRequest {
    /// `#N`.
    pub number: u64,
    /// The request in a few words, as sent.
    pub title: Vec<u8>,
    /// The sender of the request.
    pub client: Endpoint,
    /// The receiver of the request.
    pub server: Endpoint,
    /// Bytes of the request.
    pub sent: u64,
    /// The whole request was acknowledged.
    pub acknowledged: bool,
    /// Time of the request's last byte.
    pub since: Timestamp,
    /// The response has begun and is incomplete.
    pub begun: bool,
    /// Why the response may be missing, if it has not begun.
    pub silence: Silence,
    /// The client acknowledged bytes of the server since, none of which were captured.
    pub received: bool,
}

impl PendingRequest {
    /// The pending request of this number in a flow.
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
        let acknowledged = tracking
            .progress(exchange.request_dir.reverse())
            .acknowledged;
        let received = acknowledged.saturating_sub(exchange.progress.acknowledged);
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
            // More than one, because a FIN takes a sequence number, too.
            received: silence == Silence::Unseen && received > 1,
        }
    }
}

/// The oldest requests that were shown and have no response.
#[derive(Default)]
pub(super) struct Pending {
    asked: BTreeMap<u64, (u32, u64)>,
    /// Those whose response the end of the capture cut off.
    left: Vec<PendingRequest>,
    /// The number of those.
    many: u64,
}

/// Requests that are tracked; the oldest ones are of interest.
const REMEMBERED: usize = 256;
/// Requests that are listed at the end.
const LISTED: usize = 8;

impl Pending {
    /// A request was shown and has no response yet.
    pub(super) fn ask(&mut self, flow: &Flow, number: u64) {
        if self.asked.len() < REMEMBERED {
            self.asked.insert(number, (flow.slot, flow.id));
        }
    }

    /// The request got its response, or never will.
    pub(super) fn done(&mut self, number: u64) {
        self.asked.remove(&number);
    }

    /// The oldest request: its number, and slot and id of its flow.
    pub(super) fn oldest(&self) -> Option<(u64, (u32, u64))> {
        let (number, flow) = self.asked.first_key_value()?;
        Some((*number, *flow))
    }

    /// The capture ended before the response.
    pub(super) fn leave(&mut self, flow: &Flow, tracking: &Tracking, exchange: &Exchange) {
        self.many += 1;
        let at = self
            .left
            .partition_point(|left| left.number < exchange.number);
        if at < LISTED {
            self.left
                .insert(at, PendingRequest::new(flow, tracking, exchange));
            self.left.truncate(LISTED);
        }
    }

    /// The number of requests left without a response, and the first of them.
    pub(super) fn left(&self) -> (u64, &[PendingRequest]) {
        (self.many, &self.left)
    }
}

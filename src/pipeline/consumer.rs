//! The consumer of stream events: the selector, and its state of each flow.
//!
//! It is the same with one thread and with two: ingest calls it directly, or a batch is replayed
//! into it. A state is found by [`Flow::slot`] and valid only for the same [`Flow::id`], so the
//! reassembler carries no state of its consumers.

use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::packet::Packet;
use crate::stream::StreamEvent;

use super::account::{self, Account};
use super::flow_state::FlowState;
use super::ingest::StreamSink;
use super::selector::Selector;

/// The selector and the flows that it tracks.
pub(super) struct Consumer {
    pub(super) selector: Selector,
    /// By flow slot. As many as the reassembler tracks at once.
    flows: Vec<Option<FlowEntry>>,
    /// What they hold.
    account: Account,
    /// The slot of the flow that is looked at next for being idle.
    hand: usize,
    /// The most flows that there are at once.
    most: usize,
}

/// Flows from which on idle ones are parked.
const MANY: usize = 1024;
/// Flows that are looked at for each new one: more than one, since some of them are busy.
const LOOKS: usize = 3;

/// A flow with at least one consumed event.
struct FlowEntry {
    flow: Flow,
    flow_state: FlowState,
    /// What it holds, as far as it was counted.
    account: account::Entry,
}

impl FlowEntry {
    /// What the flow held when it was last counted, and what its decoders hold.
    fn held(&self) -> usize {
        self.account.held + self.flow_state.conversation.reserved()
    }

    /// Counts what the flow holds.
    fn count(&mut self, account: &mut Account) {
        let held = self.flow_state.held();
        account.change(self.account.counted(held), held);
    }
}

impl Consumer {
    /// A consumer of at most `most` flows at once, which hold `memory` bytes.
    pub(super) fn new(selector: Selector, memory: usize, most: usize) -> Self {
        Self {
            selector,
            flows: Vec::new(),
            account: Account::new(memory),
            hand: 0,
            most,
        }
    }

    /// Where there are many flows: looks at a few, in turn, and parks those that are idle. Called
    /// for each new flow, so that flows that stay busy are not parked over and over.
    fn park_some(&mut self) {
        if self.flows.len() < MANY {
            return;
        }
        for _ in 0..LOOKS {
            self.hand = (self.hand + 1) % self.flows.len();
            if let Some(Some(entry)) = self.flows.get_mut(self.hand) {
                self.selector.park(&mut entry.flow_state);
            }
        }
    }

    /// Counts what the flows hold that grew since the last time. If all together hold too
    /// much, those that hold most are shed.
    #[cold]
    fn settle_account(&mut self) {
        let Self {
            selector,
            flows,
            account,
            ..
        } = self;
        while let Some(slot) = account.next_touched() {
            if let Some(Some(entry)) = flows.get_mut(slot as usize) {
                entry.count(account);
            }
        }
        if !account.is_exceeded(selector.decoding()) {
            return;
        }
        let mut largest: Vec<(usize, usize)> = flows
            .iter()
            .enumerate()
            .filter_map(|(slot, entry)| Some((entry.as_ref()?.held(), slot)))
            .filter(|(held, _)| *held > 0)
            .collect();
        largest.sort_unstable();
        while !account.is_relieved(selector.decoding())
            && let Some((_, slot)) = largest.pop()
        {
            if let Some(Some(entry)) = flows.get_mut(slot) {
                selector.shed(&entry.flow, &mut entry.flow_state);
                entry.count(account);
            }
        }
    }

    /// Calls `look` with the flow of this slot and id, if it is tracked.
    pub(super) fn visit(&mut self, of: (u32, u64), look: impl FnOnce(&Flow, &mut FlowState)) {
        if let Some(entry) = entry(&mut self.flows, of) {
            look(&entry.flow, &mut entry.flow_state);
        }
    }

    /// Inserts or updates a flow. A flow with another id replaces the one in its slot.
    pub(super) fn update(&mut self, flow: &Flow) {
        let slot = flow.slot as usize;
        if self.flows.len() <= slot {
            reserve(&mut self.flows, self.most);
            self.flows.resize_with(slot + 1, || None);
        }
        match self.flows.get_mut(slot) {
            Some(Some(entry)) if entry.flow.id == flow.id => entry.flow = *flow,
            Some(entry) => {
                let before = entry.replace(FlowEntry {
                    flow: *flow,
                    flow_state: FlowState::default(),
                    account: account::Entry::default(),
                });
                self.account
                    .change(before.map_or(0, |entry| entry.account.held), 0);
                self.park_some();
            }
            None => {}
        }
    }

    /// Consumes the first event of a flow, if the selector needs it.
    #[cold]
    fn first_event(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        if self
            .selector
            .interest()
            .includes(flow, self.selector.now, event, false)
            && self.selector.wants(flow)
        {
            self.update(flow);
            self.take(flow.slot, event);
        }
    }

    /// Consumes an event of the flow in this slot, which [`Self::update`] inserted.
    pub(super) fn take(&mut self, slot: u32, event: &StreamEvent<'_>) {
        if let Some(place) = self.flows.get_mut(slot as usize)
            && let Some(entry) = place
        {
            self.selector
                .event(&entry.flow, &mut entry.flow_state, event);
            if matches!(event, StreamEvent::Closed { .. }) {
                self.account.change(entry.account.held, 0);
                *place = None;
            } else if self
                .account
                .receive(&mut entry.account, event.bytes().len(), slot)
            {
                self.settle_account();
            }
        }
    }
}

/// Once there are [`MANY`] flows, reserves room for all: address space, of which what is used
/// becomes memory. A table of this size that grows leaves holes behind, which are as large.
fn reserve(flows: &mut Vec<Option<FlowEntry>>, most: usize) {
    if flows.len() >= MANY {
        flows.reserve_exact(most.saturating_sub(flows.len()));
    }
}

/// The flow of this slot and id, if it is tracked.
fn entry(flows: &mut [Option<FlowEntry>], (slot, id): (u32, u64)) -> Option<&mut FlowEntry> {
    let entry = flows.get_mut(slot as usize)?.as_mut();
    entry.filter(|entry| entry.flow.id == id)
}

impl StreamSink for Consumer {
    fn time(&mut self, now: Timestamp) {
        self.selector.at(now);
    }

    #[inline]
    fn run_timers(&mut self, now: Timestamp) {
        let Self {
            selector, flows, ..
        } = self;
        while let Some(of) = selector.due(now) {
            if let Some(entry) = entry(flows, of) {
                selector.idle(now, &entry.flow, &mut entry.flow_state);
            }
        }
    }

    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        if let Some(scope) = self.selector.outputs.recorded() {
            self.selector.outputs.remember(frame, scope.pair(packet));
        }
    }

    fn fragments(&mut self, frames: &[u64]) {
        self.selector.fragments.clear();
        self.selector.fragments.extend_from_slice(frames);
    }

    #[allow(
        clippy::inline_always,
        reason = "one call for each packet: 1 % of all instructions on small datagrams"
    )]
    #[inline(always)]
    fn event(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        if let StreamEvent::NoPayload { .. } = event
            && !self.selector.shows_empty()
        {
            return;
        }
        if let Some(place) = self.flows.get_mut(flow.slot as usize)
            && let Some(entry) = place
            && entry.flow.id == flow.id
        {
            if entry.flow.changes != flow.changes {
                entry.flow = *flow;
            }
            self.selector.event(flow, &mut entry.flow_state, event);
            if let StreamEvent::Closed { .. } = event {
                self.account.change(entry.account.held, 0);
                *place = None;
            } else if self
                .account
                .receive(&mut entry.account, event.bytes().len(), flow.slot)
            {
                self.settle_account();
            }
        } else {
            self.first_event(flow, event);
        }
    }
}

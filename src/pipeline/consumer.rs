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
}

/// A flow with at least one consumed event.
struct FlowEntry {
    flow: Flow,
    flow_state: FlowState,
    /// What it holds, as far as it was counted.
    account: account::Entry,
}

impl FlowEntry {
    /// Counts what the flow holds.
    fn count(&mut self, account: &mut Account) {
        let held = self.flow_state.held();
        account.change(self.account.counted(held), held);
    }
}

impl Consumer {
    /// A consumer whose flows hold `memory` bytes at most.
    pub(super) fn new(selector: Selector, memory: usize) -> Self {
        Self {
            selector,
            flows: Vec::new(),
            account: Account::new(memory),
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
        } = self;
        while let Some(slot) = account.next_touched() {
            if let Some(Some(entry)) = flows.get_mut(slot as usize) {
                entry.count(account);
            }
        }
        if !account.is_exceeded() {
            return;
        }
        let mut largest: Vec<(usize, usize)> = flows
            .iter()
            .enumerate()
            .filter_map(|(slot, entry)| Some((entry.as_ref()?.account.held, slot)))
            .filter(|(held, _)| *held > 0)
            .collect();
        largest.sort_unstable();
        while !account.is_relieved()
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

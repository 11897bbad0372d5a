//! *Behind*: what another thread has read ahead goes to the desk, in the order in which it was told.

use crate::capture::{Progress, Warning};
use crate::flow::Flow;
use crate::frame::Timestamp;
use crate::stats::Stats;
use crate::stream::StreamEvent;

use super::ahead::Reading;
use super::batch::{Batch, What};
use super::desk::Desk;
use super::memory::Memory;

/// The desk, and what it remembers of the flows that the other thread tells of.
pub(super) struct Behind {
    pub(super) desk: Desk,
    pub(super) reading: Reading,
    /// By the flows' slots. There are as many as the other thread has flows.
    known: Vec<Option<Known>>,
    /// The other thread's counters, when it last told.
    pub(super) stats: Stats,
}

/// A flow, and what is remembered of it.
struct Known {
    flow: Flow,
    memory: Memory,
}

impl Behind {
    pub(super) fn new(desk: Desk, reading: Reading) -> Self {
        Self {
            desk,
            reading,
            known: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Take all that a batch tells.
    pub(super) fn take(&mut self, mut batch: Batch) -> (Option<Progress>, Vec<Warning>) {
        self.stats = batch.stats;
        let kept = self.desk.show.keep(&batch);
        self.desk.lacking = batch.lacking();
        let (mut flows, mut packets) = (batch.flows.iter(), batch.packets.iter());
        let (mut quiet, mut fragments) = (batch.quiet.iter(), batch.fragments.iter());
        for record in &batch.records {
            for now in quiet.by_ref().take(record.quiet as usize) {
                self.quiet(*now);
            }
            if record.ticks {
                self.desk.at(record.now);
            }
            if record.due {
                self.pass(record.now);
            }
            if record.packet
                && let Some(seen) = packets.next()
            {
                self.desk.show.remember_seen(seen, &batch, kept);
            }
            match &record.what {
                What::Time => {}
                What::Fragments(count) => {
                    self.desk.fragments.clear();
                    self.desk.fragments.extend(fragments.by_ref().take(*count));
                }
                What::Event(slot, event) => {
                    if record.learns
                        && let Some(flow) = flows.next()
                    {
                        self.learn(*flow);
                    }
                    let bytes = batch.bytes(record.place);
                    self.event(*slot, &event.with(bytes, &record.by));
                }
            }
        }
        for now in quiet {
            self.quiet(*now);
        }
        // The memory is used again.
        self.desk.lacking = 0..0;
        let news = (batch.progress, std::mem::take(&mut batch.warnings));
        if kept.is_some() {
            batch.block = self.desk.show.spare().into();
        }
        // Where the other thread is gone nobody wants it.
        let _ = self.reading.empty.send(batch);
        news
    }

    /// Look at a flow by its slot and id.
    pub(super) fn visit(&mut self, (slot, id): (u32, u64), look: impl FnOnce(&Flow, &mut Memory)) {
        if let Some(Some(known)) = self.known.get_mut(slot as usize)
            && known.flow.id == id
        {
            look(&known.flow, &mut known.memory);
        }
    }

    /// A moment at which nothing was told.
    fn quiet(&mut self, now: Timestamp) {
        self.desk.at(now);
        self.pass(now);
    }

    /// What time alone ends.
    fn pass(&mut self, now: Timestamp) {
        let Self { desk, known, .. } = self;
        while let Some((slot, id)) = desk.due(now) {
            if let Some(Some(known)) = known.get_mut(slot as usize)
                && known.flow.id == id
            {
                desk.idle(now, &known.flow, &mut known.memory);
            }
        }
    }

    fn learn(&mut self, flow: Flow) {
        let slot = flow.slot as usize;
        if self.known.len() <= slot {
            self.known.resize_with(slot + 1, || None);
        }
        match self.known.get_mut(slot) {
            Some(Some(known)) if known.flow.id == flow.id => known.flow = flow,
            Some(place) => {
                *place = Some(Known {
                    flow,
                    memory: Memory::default(),
                });
            }
            None => {}
        }
    }

    fn event(&mut self, slot: u32, event: &StreamEvent<'_>) {
        let Some(place) = self.known.get_mut(slot as usize) else {
            return;
        };
        let Some(known) = place else { return };
        self.desk.event(&known.flow, &mut known.memory, event);
        if matches!(event, StreamEvent::Over { .. }) {
            *place = None;
        }
    }
}

//! Replays the batches of the reader thread into the consumer, in the order of their events.
//!
//! The calls are the same as those of [`super::ingest`] in a run with one thread.

use crate::capture::{Progress, Warning};
use crate::frame::Timestamp;
use crate::stats::Stats;

use super::batch::{Batch, RecordKind};
use super::consumer::Consumer;
use super::ingest::StreamSink as _;
use super::reader_thread::ReaderHandle;

pub(super) struct BatchReplay {
    pub(super) consumer: Consumer,
    pub(super) reading: ReaderHandle,
    /// The reader thread's counters, as of its last batch.
    pub(super) stats: Stats,
}

impl BatchReplay {
    pub(super) fn new(consumer: Consumer, reading: ReaderHandle) -> Self {
        Self {
            consumer,
            reading,
            stats: Stats::default(),
        }
    }

    /// Consumes a batch.
    pub(super) fn take(&mut self, mut batch: Batch) -> (Option<Progress>, Vec<Warning>) {
        self.stats = batch.stats;
        let kept = self.consumer.selector.outputs.keep(&batch);
        self.consumer.selector.no_match_in = batch.no_match_in();
        let (mut flows, mut packets) = (batch.flows.iter(), batch.packets.iter());
        let (mut ticks, mut fragments) = (batch.ticks.iter(), batch.fragments.iter());
        for record in &batch.records {
            for now in ticks.by_ref().take(record.ticks_before as usize) {
                self.tick(*now);
            }
            if record.advances {
                self.consumer.time(record.now);
            }
            if record.timers_due {
                self.consumer.run_timers(record.now);
            }
            if record.packet
                && let Some(seen) = packets.next()
            {
                self.consumer
                    .selector
                    .outputs
                    .remember_seen(seen, &batch, kept);
            }
            match &record.what {
                RecordKind::Time => {}
                RecordKind::Fragments(count) => {
                    let frames = fragments.by_ref().take(*count);
                    self.consumer.selector.fragments.clear();
                    self.consumer.selector.fragments.extend(frames);
                }
                RecordKind::Event(slot, event) => {
                    if record.flow_updated
                        && let Some(flow) = flows.next()
                    {
                        self.consumer.update(flow);
                    }
                    let bytes = batch.bytes(record.place);
                    self.consumer.take(*slot, &event.with(bytes, &record.by));
                }
            }
        }
        for now in ticks {
            self.tick(*now);
        }
        // The block's memory will be reused.
        self.consumer.selector.no_match_in = 0..0;
        let news = (batch.progress, std::mem::take(&mut batch.warnings));
        if kept.is_some() {
            batch.block = self.consumer.selector.outputs.spare().into();
        }
        // The receiver is gone if the reader thread has ended.
        let _ = self.reading.empty.send(batch);
        news
    }

    /// A clock tick without an event.
    fn tick(&mut self, now: Timestamp) {
        self.consumer.time(now);
        self.consumer.run_timers(now);
    }
}

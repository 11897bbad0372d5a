//! Replays the batches of the reader thread into the consumer, in the order of their events.

use crate::capture::{Progress, Warning};
use crate::frame::Timestamp;
use crate::stats::Stats;

use super::ahead::Reading;
use super::batch::{Batch, What};
use super::consumer::Consumer;
use super::front::StreamSink as _;

pub(super) struct Behind {
    pub(super) consumer: Consumer,
    pub(super) reading: Reading,
    /// The other thread's counters, when it last told.
    pub(super) stats: Stats,
}

impl Behind {
    pub(super) fn new(consumer: Consumer, reading: Reading) -> Self {
        Self {
            consumer,
            reading,
            stats: Stats::default(),
        }
    }

    /// Take all that a batch tells.
    pub(super) fn take(&mut self, mut batch: Batch) -> (Option<Progress>, Vec<Warning>) {
        self.stats = batch.stats;
        let kept = self.consumer.desk.show.keep(&batch);
        self.consumer.desk.lacking = batch.lacking();
        let (mut flows, mut packets) = (batch.flows.iter(), batch.packets.iter());
        let (mut quiet, mut fragments) = (batch.quiet.iter(), batch.fragments.iter());
        for record in &batch.records {
            for now in quiet.by_ref().take(record.quiet as usize) {
                self.quiet(*now);
            }
            if record.ticks {
                self.consumer.time(record.now);
            }
            if record.due {
                self.consumer.run_timers(record.now);
            }
            if record.packet
                && let Some(seen) = packets.next()
            {
                self.consumer.desk.show.remember_seen(seen, &batch, kept);
            }
            match &record.what {
                What::Time => {}
                What::Fragments(count) => {
                    let frames = fragments.by_ref().take(*count);
                    self.consumer.desk.fragments.clear();
                    self.consumer.desk.fragments.extend(frames);
                }
                What::Event(slot, event) => {
                    if record.learns
                        && let Some(flow) = flows.next()
                    {
                        self.consumer.update(flow);
                    }
                    let bytes = batch.bytes(record.place);
                    self.consumer.take(*slot, &event.with(bytes, &record.by));
                }
            }
        }
        for now in quiet {
            self.quiet(*now);
        }
        // The memory is used again.
        self.consumer.desk.lacking = 0..0;
        let news = (batch.progress, std::mem::take(&mut batch.warnings));
        if kept.is_some() {
            batch.block = self.consumer.desk.show.spare().into();
        }
        // Where the other thread is gone nobody wants it.
        let _ = self.reading.empty.send(batch);
        news
    }

    /// A moment at which nothing was told.
    fn quiet(&mut self, now: Timestamp) {
        self.consumer.time(now);
        self.consumer.run_timers(now);
    }
}

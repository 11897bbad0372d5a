//! Timers: the times at which flows are to be reviewed. Their number is bounded by that of the
//! flows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::table::{Stage, Table};
use crate::flow::Flow;
use crate::frame::Timestamp;

/// Obsolete timers that may be kept, in addition to two for each flow.
pub(super) const SPARE: usize = 1024;

/// The timers, soonest first; each with the slot and the id of its flow.
///
/// One timer of a flow is valid; the flow records it. A timer that an earlier one replaced stays in
/// the queue until there are many of them.
#[derive(Default)]
pub(super) struct TimerQueue(BinaryHeap<Reverse<Timer>>);

type Timer = (Timestamp, u32, u64);

impl TimerQueue {
    /// Sets a timer at `moment`, unless `timer`, the valid one of the flow, is sooner.
    pub(super) fn set(&mut self, timer: &mut Option<Timestamp>, moment: Timestamp, flow: &Flow) {
        if timer.is_none_or(|timer| moment < timer) {
            *timer = Some(moment);
            self.0.push(Reverse((moment, flow.slot, flow.id)));
        }
    }

    /// Returns the next timer that is due by `now`.
    #[inline]
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Timer> {
        let Reverse((moment, ..)) = *self.0.peek()?;
        if moment > now {
            return None;
        }
        self.0.pop().map(|Reverse(timer)| timer)
    }

    /// Removes obsolete timers, if there are many.
    #[inline]
    pub(super) fn sweep(&mut self, table: &mut Table) {
        if self.0.len() <= SPARE {
            return;
        }
        let stages = [Stage::Embryo, Stage::Open, Stage::Closed];
        let flows: usize = stages.into_iter().map(|stage| table.len(stage)).sum();
        if self.0.len() > flows.saturating_mul(2).saturating_add(SPARE) {
            self.0.retain(|Reverse((moment, slot, id))| {
                table
                    .get(*slot as usize)
                    .is_some_and(|entry| entry.flow.id == *id && entry.timer == Some(*moment))
            });
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

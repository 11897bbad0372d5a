//! *Alarms*: the moments at which flows are to be looked at again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::table::{Stage, Table};
use crate::flow::Flow;
use crate::frame::Timestamp;

/// Alarms that may stand for nothing, beside two for each flow.
pub(super) const SPARE: usize = 1024;

/// The moments, soonest first; each with the slot and the id of its flow.
///
/// A flow has one that counts, which the flow knows. One that a sooner one replaced stays where it
/// is until there are many.
#[derive(Default)]
pub(super) struct TimerQueue(BinaryHeap<Reverse<Timer>>);

type Timer = (Timestamp, u32, u64);

impl TimerQueue {
    /// Have a flow looked at at `moment`, unless `alarm`, the one of it that counts, is sooner.
    pub(super) fn set(&mut self, timer: &mut Option<Timestamp>, moment: Timestamp, flow: &Flow) {
        if timer.is_none_or(|timer| moment < timer) {
            *timer = Some(moment);
            self.0.push(Reverse((moment, flow.slot, flow.id)));
        }
    }

    /// The next one whose moment has come by `now`.
    #[inline]
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Timer> {
        let Reverse((moment, ..)) = *self.0.peek()?;
        if moment > now {
            return None;
        }
        self.0.pop().map(|Reverse(timer)| timer)
    }

    /// Drop what stands for nothing, when there is much of it beside what the flows need.
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

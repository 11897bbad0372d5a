//! Keeping to the limits: who is forgotten when there are too many flows, or too much waits in them.

use crate::flow::Flow;
use crate::stream::{Ending, GapReason, StreamEvent};

use super::Reassembler;
use super::half::Half;
use super::table::{Stage, Table};

impl<S: Default> Reassembler<S> {
    /// Keep to the limits.
    pub(super) fn make_room(&mut self, deliver: &mut impl FnMut(&Flow, &mut S, StreamEvent<'_>)) {
        while self.table.len(Stage::Embryo) > self.limits.embryos {
            let Some((slot, _)) = self.table.oldest(Stage::Embryo) else {
                break;
            };
            self.stats.evicted_embryos += 1;
            self.forget(slot, Ending::Abandoned, GapReason::Evicted, deliver);
        }
        while self.table.len(Stage::Open) + self.table.len(Stage::Closed) > self.limits.flows {
            let oldest = self
                .table
                .oldest(Stage::Closed)
                .or_else(|| self.table.oldest(Stage::Open));
            let Some((slot, _)) = oldest else { break };
            if self
                .table
                .get(slot)
                .is_some_and(|entry| entry.stage != Stage::Closed)
            {
                self.stats.evicted_flows += 1;
            }
            self.forget(slot, Ending::Abandoned, GapReason::Evicted, deliver);
        }
        if self.queued > self.limits.memory {
            // Rare, so a walk over all flows may find the one that holds most: benign ones hold little.
            let held = |slot: usize, table: &mut Table<S>| {
                table.get(slot).map_or(0, |entry| {
                    entry.halves.iter().map(Half::queued).sum::<usize>()
                })
            };
            let all = self.table.all();
            if let Some(slot) = all
                .into_iter()
                .max_by_key(|slot| held(*slot, &mut self.table))
            {
                self.stats.evicted_flows += 1;
                self.forget(slot, Ending::Abandoned, GapReason::Evicted, deliver);
            }
        }
    }
}

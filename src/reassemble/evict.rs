//! Enforcement of the limits: which flows are removed when there are too many, or too many bytes
//! wait in them. Every removal is counted.

use crate::flow::Flow;
use crate::stream::{Ending, GapReason, StreamEvent};

use super::Reassembler;
use super::half::HalfStream;
use super::table::{Entry, Stage};

impl Reassembler {
    /// Bytes of streams in memory: waiting, or retained for comparison.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.queued + self.shared.tails.size
    }

    /// Waiting bytes of streams: as many may be emitted at once.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queued
    }

    /// Enforces the limits.
    pub(super) fn enforce_limits(
        &mut self,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) {
        while self.table.len(Stage::Embryo) > self.shared.limits.embryos {
            let Some((slot, _)) = self.table.oldest(Stage::Embryo) else {
                break;
            };
            self.shared.stats.evicted_embryos += 1;
            self.forget(slot, Ending::Abandoned, GapReason::Evicted, block, deliver);
        }
        let (flows, closed) = (self.shared.limits.flows, self.shared.limits.closed);
        while self.table.len(Stage::Closed) > closed
            || self.table.len(Stage::Open) + self.table.len(Stage::Closed) > flows
        {
            let oldest = self
                .table
                .oldest(Stage::Closed)
                .or_else(|| self.table.oldest(Stage::Open));
            let Some((slot, _)) = oldest else { break };
            let costs = |entry: &mut Entry| !entry.is_over();
            self.shared.stats.evicted_flows += u64::from(self.table.get(slot).is_some_and(costs));
            self.forget(slot, Ending::Abandoned, GapReason::Evicted, block, deliver);
        }
        if self.shared.tails.size > self.shared.limits.tails {
            self.settle(block);
        }
        self.limit_tails();
        if self.shared.queued > self.shared.limits.queued() {
            self.shed_queues(block, deliver);
        }
    }

    /// Enforces the limit of retained bytes: many flows may reach theirs at one moment.
    #[inline]
    pub(super) fn limit_tails(&mut self) {
        if self.shared.tails.size > self.shared.limits.tails {
            self.shed_tails();
        }
    }

    /// Releases the retained bytes of the flows that were quiet for longest, until half of the
    /// budget is free.
    fn shed_tails(&mut self) {
        for stage in [Stage::Closed, Stage::Open] {
            let mut at = self.table.oldest(stage).map(|(slot, _)| slot);
            while let Some(slot) = at
                && self.shared.tails.size > self.shared.limits.tails / 2
            {
                if let Some(entry) = self.table.get(slot) {
                    for half in entry.halves.both_made().into_iter().flatten() {
                        half.release_tail(&mut self.shared.tails);
                    }
                }
                at = self.table.newer(slot);
            }
        }
    }

    /// Removes the flows with the most waiting bytes until the limit holds: flows of honest peers
    /// hold little (Dharmapurikar and Paxson 2005). A walk over all flows frees an eighth of the
    /// budget, so that walks are rare.
    fn shed_queues(&mut self, block: &[u8], deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>)) {
        let mut holders: Vec<(usize, usize)> = Vec::new();
        for slot in self.table.all() {
            let held = self.table.get(slot).map_or(0, |entry| {
                entry.halves.made().iter().map(HalfStream::queued).sum()
            });
            if held > 0 {
                holders.push((held, slot));
            }
        }
        holders.sort_unstable_by(|one, other| other.cmp(one));
        for (_, slot) in holders {
            if self.shared.queued <= self.shared.limits.queued() / 8 * 7 {
                break;
            }
            self.shared.stats.evicted_flows += 1;
            self.forget(slot, Ending::Abandoned, GapReason::Evicted, block, deliver);
        }
    }
}

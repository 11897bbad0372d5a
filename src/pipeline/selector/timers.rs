//! Timers: the flows in which something ends, or is to be shown, by time alone.

use crate::dissect::FlowDissector;
use crate::flow::Flow;
use crate::frame::Timestamp;
use crate::limits::time;
use crate::pipeline::flow_state::{FlowState, Tracking};

use super::frame_log::keep_pending_frames;
use super::{Dissecting, Selector};

impl Selector {
    /// Look at the flow again when time alone ends something in it: a raw burst, or by `review`
    /// what is shown live.
    pub(super) fn set_timer(
        &mut self,
        flow: &Flow,
        conversation: &FlowDissector,
        tracking: &mut Tracking,
        review: Option<Timestamp>,
    ) {
        let moment = match conversation.open_burst_since() {
            Some(since) => since.after(time::BURST_PAUSE),
            None if self.options.live
                && (tracking.is_due(&self.options.query, self.options.pair)
                    || self.is_slow(tracking)) =>
            {
                review
            }
            None => return,
        };
        // A moment beyond the range never comes.
        let Some(moment) = moment else { return };
        tracking.timed = true;
        // Mostly it is the latest; not where the clock went back.
        let at = match self.timers.back() {
            Some((latest, _)) if *latest > moment => {
                self.timers.partition_point(|(other, _)| *other <= moment)
            }
            _ => self.timers.len(),
        };
        self.timers.insert(at, (moment, (flow.slot, flow.id)));
    }

    /// Slot and id of the next flow whose moment has come by `now`.
    pub(in crate::pipeline) fn due(&mut self, now: Timestamp) -> Option<(u32, u64)> {
        let (_, flow) = self.timers.pop_front_if(|(moment, _)| *moment <= now)?;
        Some(flow)
    }

    /// Take note that time has passed for a flow that [`Self::due`] named.
    pub(in crate::pipeline) fn idle(
        &mut self,
        now: Timestamp,
        flow: &Flow,
        flow_state: &mut FlowState,
    ) {
        let FlowState {
            conversation,
            tracking,
        } = flow_state;
        tracking.timed = false;
        let mut dissecting = self.dissecting.take().unwrap_or_default();
        let Dissecting {
            stats,
            decoders,
            limits,
        } = &mut *dissecting;
        conversation.idle(now, flow, limits, decoders, stats, &mut |id, by, said| {
            self.said(flow, tracking, id, by, said);
        });
        self.dissecting = Some(dissecting);
        keep_pending_frames(tracking, conversation);
        if self.options.live {
            self.slow(now, flow, tracking);
            for id in tracking.ids() {
                let Some(mut open) = tracking.open(id).take() else {
                    continue;
                };
                let quiet = now.since(open.last.ts);
                let query = &self.options.query;
                let late = |since: Timestamp| now.since(since) >= time::PORTION;
                let is_due = (quiet >= time::BURST_PAUSE || open.fresh.is_some_and(late))
                    && tracking.is_due_of(&open, query, self.options.pair);
                let mut ends = false;
                if open.held && quiet >= time::CANDIDATE_HOLD {
                    // A text that would match if it ended here is not waited for. What would not is
                    // one record with what comes.
                    ends = self.options.invert || open.unit.would_hold(query);
                    open.waits = !ends;
                }
                *tracking.open(id) = Some(open);
                if ends {
                    self.release(flow, tracking, id.dir, true);
                } else if is_due {
                    // An answer that goes on and on is shown while it does.
                    self.portion(flow, tracking, id, false);
                }
            }
        }
        self.set_timer(flow, conversation, tracking, now.after(time::REVIEW));
    }
}

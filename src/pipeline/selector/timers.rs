//! Timers: the flows in which something ends, or is to be shown, by time alone.
//!
//! A flow has at most one timer; inserting one is O(1) while the clock advances.

use crate::dissect::FlowDissector;
use crate::flow::Flow;
use crate::frame::Timestamp;
use crate::limits::time;
use crate::pipeline::flow_state::{FlowState, Tracking};

use super::frame_log::keep_pending_frames;
use super::{Dissecting, Selector};

impl Selector {
    /// Sets a timer for the flow if it has an open raw burst; or, by `review`, if it has live text
    /// to show.
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
        // A time outside the range never comes.
        let Some(moment) = moment else { return };
        tracking.timed = true;
        // Usually appended; not if the clock went back.
        let at = match self.timers.back() {
            Some((latest, _)) if *latest > moment => {
                self.timers.partition_point(|(other, _)| *other <= moment)
            }
            _ => self.timers.len(),
        };
        self.timers.insert(at, (moment, (flow.slot, flow.id)));
    }

    /// Slot and id of the next flow whose timer is due by `now`.
    pub(in crate::pipeline) fn due(&mut self, now: Timestamp) -> Option<(u32, u64)> {
        let (_, flow) = self.timers.pop_front_if(|(moment, _)| *moment <= now)?;
        Some(flow)
    }

    /// Runs the timer of a flow that [`Self::due`] returned.
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
        conversation.idle(now, flow, limits, decoders, stats, &mut |id, by, event| {
            self.message_event(flow, tracking, id, by, event);
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
                    // A text that matches if it ends here is not held longer. Any other text forms
                    // one record with the text after it.
                    ends = self.options.invert || open.unit.would_hold(query);
                    open.waits = !ends;
                }
                *tracking.open(id) = Some(open);
                if ends {
                    self.release(flow, tracking, id.dir, true);
                } else if is_due {
                    // A long response is shown while it is received.
                    self.portion(flow, tracking, id, false);
                }
            }
        }
        self.set_timer(flow, conversation, tracking, now.after(time::REVIEW));
    }
}

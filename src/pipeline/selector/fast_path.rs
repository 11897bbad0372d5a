//! The fast path: skips complete messages that cannot match, if no option needs non-matching
//! messages.
//!
//! A skipped message costs at most one prefilter scan; counters and numbers stay the same.

use crate::capture::savefile::Sought;
use crate::flow::Flow;
use crate::message::{Complete, MessageId, Role};
use crate::pipeline::flow_state::Tracking;
use crate::stream::PacketInfo;

use super::Selector;

impl Selector {
    /// The prefilter for whole blocks of a file.
    pub(in crate::pipeline) fn sought(&self) -> Option<Sought> {
        let glance = self.options.query.glance()?;
        Some(Sought {
            reach: glance.reach(),
            lacks: Box::new(move |bytes| glance.lacks(bytes)),
        })
    }

    /// Whether a text outside of exchanges, such as a datagram, can be skipped.
    pub(super) fn can_skip(&self, tracking: &Tracking, text: &[u8]) -> bool {
        let options = &self.options;
        !options.invert
            && options.before == 0
            && tracking.neighbours.is_none()
            && (self.lacks(text) || options.query.misses(text))
    }

    /// Whether certainly no match begins in these bytes.
    pub(super) fn lacks(&self, bytes: &[u8]) -> bool {
        let addresses = bytes.as_ptr_range();
        let (start, end) = (addresses.start.addr(), addresses.end.addr());
        self.no_match_in.start <= start && end <= self.no_match_in.end
    }

    /// Skips a datagram: only its number remains.
    pub(super) fn skip_datagram(&mut self, tracking: &mut Tracking) {
        self.next_number();
        self.output.messages += 1;
        tracking.begun = true;
    }

    /// Whether a message can be skipped: it cannot match, and its exchange does not need it.
    pub(super) fn passes_over_message(
        &self,
        tracking: &mut Tracking,
        whole: &Complete<'_>,
    ) -> bool {
        let options = &self.options;
        options.conditions.is_empty()
            && !options.pairs
            && !options.pair
            && !tracking
                .exchange(whole.begin.exchange)
                .is_some_and(|exchange| exchange.shown)
            && self.can_skip(tracking, whole.text)
    }

    /// Skips a message: only what its response needs remains.
    pub(super) fn pass_over_message(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        by: &PacketInfo,
        whole: &Complete<'_>,
    ) {
        let dir = id.dir;
        self.release(flow, tracking, dir, true);
        tracking.begun = true;
        tracking.holed[dir.index()] = false;
        self.end_frames(tracking, id);
        self.count_message(flow, tracking);
        let number = self.number(tracking, &whole.begin);
        let ordinal = whole.begin.exchange;
        match whole.begin.kind.side {
            Role::Request => {
                if let Some(ordinal) = ordinal {
                    self.ask(
                        flow,
                        tracking,
                        ordinal,
                        number,
                        dir,
                        whole.first,
                        whole.title,
                    );
                }
                tracking.request_ended(ordinal, dir, by.into(), whole.text.len() as u64);
            }
            Role::Response if !whole.brief.interim => {
                tracking.missed[dir.index()] += u32::from(whole.brief.unpaired);
                if let Some(exchange) = tracking.close(ordinal) {
                    self.waiting.done(exchange.number);
                }
            }
            Role::Response | Role::Single => {}
        }
        if whole.begin.kind.side == Role::Response {
            tracking.answered[dir.index()] = tracking.reached[dir.index()];
        }
        if whole.brief.ends_exchange {
            self.end_exchange(flow, tracking, ordinal);
        }
        self.recycle_exchanges(tracking);
    }
}

//! What is passed over at a glance: it lies in one piece, has certainly no match, and nobody wants
//! what has none.

use crate::capture::savefile::Sought;
use crate::flow::{Direction, Flow};
use crate::message::{Side, Whole};
use crate::pipeline::memory::State;
use crate::stream::Carrier;

use super::Desk;

impl Desk {
    /// What may be looked for in whole blocks of a file.
    pub(in crate::pipeline) fn sought(&self) -> Option<Sought> {
        let glance = self.orders.query.glance()?;
        Some(Sought {
            reach: glance.reach(),
            lacks: Box::new(move |bytes| glance.lacks(bytes)),
        })
    }

    /// Whether a text can be passed over that has no part in an exchange: a datagram.
    pub(super) fn passes_over(&self, state: &State, text: &[u8]) -> bool {
        let orders = &self.orders;
        !orders.invert
            && orders.before == 0
            && state.neighbours.is_none()
            && (self.lacks(text) || orders.query.misses(text))
    }

    /// Whether it is known that no match begins in these bytes.
    pub(super) fn lacks(&self, bytes: &[u8]) -> bool {
        let addresses = bytes.as_ptr_range();
        let (start, end) = (addresses.start.addr(), addresses.end.addr());
        self.lacking.start <= start && end <= self.lacking.end
    }

    /// Of a datagram that is passed over nothing stays but its number.
    pub(super) fn pass_over_datagram(&mut self, state: &mut State) {
        self.next_number();
        self.output.messages += 1;
        state.begun = true;
    }

    /// Whether a message can be passed over: it is not wanted because of another one either.
    pub(super) fn passes_over_message(&self, state: &mut State, whole: &Whole<'_>) -> bool {
        let orders = &self.orders;
        orders.conditions.is_empty()
            && !orders.pairs
            && !orders.pair
            && !state
                .exchange(whole.begin.exchange)
                .is_some_and(|exchange| exchange.shown)
            && self.passes_over(state, whole.text)
    }

    /// Of a message that is passed over only what its answer needs stays.
    pub(super) fn pass_over_message(
        &mut self,
        flow: &Flow,
        state: &mut State,
        dir: Direction,
        by: &Carrier,
        whole: &Whole<'_>,
    ) {
        self.release(flow, state, dir, true);
        state.begun = true;
        state.holed[dir.index()] = false;
        self.end_frames(state, dir);
        self.count_message(flow, state);
        let number = self.number(state, &whole.begin);
        let ordinal = whole.begin.exchange;
        match whole.begin.kind.side {
            Side::Asks => {
                if let Some(ordinal) = ordinal {
                    self.ask(flow, state, ordinal, number, dir, whole.first, whole.title);
                }
                state.asked(ordinal, dir, by.into(), whole.text.len() as u64);
            }
            Side::Answers if !whole.brief.interim => {
                state.missed[dir.index()] += u32::from(whole.brief.unpaired);
                if let Some(exchange) = state.close(ordinal) {
                    self.waiting.done(exchange.number);
                }
            }
            Side::Answers | Side::Speaks => {}
        }
        if whole.begin.kind.side == Side::Answers {
            state.answered[dir.index()] = state.reached[dir.index()];
        }
        self.give_back_room(state);
    }
}

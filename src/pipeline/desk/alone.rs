//! What belongs to no message: bytes without a place in their stream, packets without payload.

use crate::flow::{Direction, Flow};
use crate::hit::Why;
use crate::message::{Begin, Kind, Part, Side};
use crate::pipeline::telling::Manner;
use crate::stream::{Aside, Carrier};

use super::Desk;

impl Desk {
    /// Bytes that have no place in their stream are searched by themselves.
    pub(super) fn aside(
        &mut self,
        flow: &Flow,
        dir: Direction,
        bytes: &[u8],
        why: Aside,
        by: &Carrier,
    ) {
        let mut open = self.spare.pop().unwrap_or_default();
        open.start(ASIDE, self.next_number(), dir, by);
        open.aside = Some(why);
        open.unit.begin(&self.orders.query, None);
        open.unit
            .feed(&self.orders.query, &self.orders.keep, Part::Body, bytes);
        open.unit.end(&self.orders.query, false);
        self.output.messages += 1;
        if open.unit.holds(&self.orders.query) != self.orders.invert && self.is_taking() {
            self.output.matched += 1;
            self.show.save(flow, &[by.frame]);
            self.tell(flow, &mut open, &Manner::MATCH);
        }
        self.spare.push(open);
    }

    /// A packet without payload, for `-e`.
    pub(super) fn bare(&mut self, flow: &Flow, dir: Direction, by: &Carrier) {
        if self.orders.show_empty && self.is_taking() {
            let mut open = self.spare.pop().unwrap_or_default();
            open.start(ASIDE, 0, dir, by);
            open.unit.begin(&self.orders.query, None);
            self.tell(
                flow,
                &mut open,
                &Manner {
                    why: Why::Empty,
                    ..Manner::MATCH
                },
            );
            self.spare.push(open);
        }
    }
}

/// What has no place in a stream.
const ASIDE: Begin = Begin {
    kind: Kind {
        name: "tcp.aside",
        side: Side::Speaks,
    },
    exchange: None,
    continues: false,
};

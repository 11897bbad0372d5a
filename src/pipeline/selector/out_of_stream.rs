//! What belongs to no message: bytes without a place in their stream, packets without payload.

use std::ops::Range;

use crate::flow::{Direction, Flow};
use crate::hit::Why;
use crate::message::{Kind, Part, Role, Start};
use crate::pipeline::hit_builder::HitMeta;
use crate::stream::{OutOfStreamReason, PacketInfo, StreamEvent};

use super::Selector;

impl Selector {
    /// Bytes that have no place in their stream are searched by themselves.
    pub(super) fn aside(&mut self, flow: &Flow, event: &StreamEvent<'_>, by: &PacketInfo) {
        let StreamEvent::OutOfStream {
            dir,
            bytes,
            context,
            after,
            why,
            ..
        } = *event
        else {
            return;
        };
        if why == OutOfStreamReason::Around
            && (self.options.query.is_empty() || self.options.invert)
        {
            // Headers, most probably: worth to be searched, and nothing that anybody said.
            return;
        }
        let own = context..bytes.len().saturating_sub(after);
        let bytes = match self.around(bytes, own.clone()) {
            Some(range) => bytes.get(range).unwrap_or_default(),
            // A match in the stream's own bytes alone was found in the stream.
            None => bytes.get(own).unwrap_or_default(),
        };
        let mut open = self.spare.pop().unwrap_or_default();
        open.start(ASIDE, self.next_number(), dir.into(), by);
        open.aside = Some(why);
        if self.options.frames {
            open.note_frames(self.frames_of(&[by.frame]));
        }
        open.unit.begin(&self.options.query, None, true);
        let query = &self.options.query;
        open.unit
            .feed(query, &self.options.keep, Part::Body, bytes, false);
        open.unit.end(&self.options.query, false);
        self.output.messages += 1;
        if open.unit.holds(&self.options.query) != self.options.invert && self.is_taking() {
            self.output.matched += 1;
            self.outputs.save(flow, &[by.frame]);
            self.tell(flow, &mut open, &HitMeta::MATCH);
        }
        self.spare.push(open);
    }

    /// `own` and the matches that reach into it.
    fn around(&self, bytes: &[u8], own: Range<usize>) -> Option<Range<usize>> {
        if own.len() == bytes.len() {
            return Some(own);
        }
        let mut extents = Vec::new();
        self.options.query.holds_in(bytes, &mut extents);
        extents.retain(|found| found.start < own.end && found.end > own.start);
        let (first, last) = (extents.first()?, extents.last()?);
        Some(own.start.min(first.start)..own.end.max(last.end))
    }

    /// A packet without payload, for `-e`.
    pub(super) fn bare(&mut self, flow: &Flow, dir: Direction, by: &PacketInfo) {
        if self.options.show_empty && self.is_taking() {
            let mut open = self.spare.pop().unwrap_or_default();
            open.start(ASIDE, 0, dir.into(), by);
            if self.options.frames {
                open.note_frames(&[by.frame]);
            }
            open.unit.begin(&self.options.query, None, true);
            self.tell(
                flow,
                &mut open,
                &HitMeta {
                    why: Why::Empty,
                    ..HitMeta::MATCH
                },
            );
            self.spare.push(open);
        }
    }
}

/// What has no place in a stream.
const ASIDE: Start = Start {
    kind: Kind {
        name: "tcp.aside",
        side: Role::Single,
        sized: true,
    },
    exchange: None,
    continues: false,
};

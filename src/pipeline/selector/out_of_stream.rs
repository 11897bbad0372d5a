//! Input outside of messages: out-of-stream bytes, and packets without payload.
//!
//! Both are handled at once; nothing is kept of them.

use std::ops::Range;

use crate::flow::{Direction, Flow};
use crate::hit::Why;
use crate::message::{Kind, Part, Role, Start};
use crate::pipeline::hit_builder::HitMeta;
use crate::stream::{OutOfStreamReason, PacketInfo, StreamEvent};

use super::Selector;

impl Selector {
    /// Searches bytes that have no place in their stream, alone.
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
            // Most likely headers: worth searching, but not a message.
            return;
        }
        let own = context..bytes.len().saturating_sub(after);
        let bytes = match self.around(bytes, own.clone()) {
            Some(range) => bytes.get(range).unwrap_or_default(),
            // Two readings without a match over their seam.
            None if own.is_empty() => return,
            // A match within the stream's own bytes was found in the stream.
            None => bytes.get(own).unwrap_or_default(),
        };
        let mut open = self.message_pool.pop().unwrap_or_default();
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
        let found = open.unit.holds(&self.options.query) != self.options.invert;
        if found && self.is_taking() && self.options.span.contains(by.ts) {
            self.output.matched += 1;
            self.outputs.save(flow, &[by.frame]);
            self.show(flow, &mut open, &HitMeta::MATCH);
        }
        self.message_pool.push(open);
    }

    /// The smallest range that contains `own` and the matches that overlap it; `None` without a
    /// match.
    fn around(&self, bytes: &[u8], own: Range<usize>) -> Option<Range<usize>> {
        if own.len() == bytes.len() {
            return Some(own);
        }
        let mut extents = Vec::new();
        self.options.query.holds_in(bytes, &mut extents);
        extents.retain(|found| found.start < own.end && found.end > own.start);
        let (first, last) = (extents.first()?, extents.last()?);
        Some(match own.is_empty() {
            true => first.start..last.end,
            false => own.start.min(first.start)..own.end.max(last.end),
        })
    }

    /// Shows a packet without payload, for `-e`.
    pub(super) fn bare(&mut self, flow: &Flow, dir: Direction, by: &PacketInfo) {
        if self.options.show_empty && self.is_taking() && self.options.span.contains(by.ts) {
            let mut open = self.message_pool.pop().unwrap_or_default();
            open.start(ASIDE, 0, dir.into(), by);
            if self.options.frames {
                open.note_frames(&[by.frame]);
            }
            open.unit.begin(&self.options.query, None, true);
            self.show(
                flow,
                &mut open,
                &HitMeta {
                    why: Why::Empty,
                    ..HitMeta::MATCH
                },
            );
            self.message_pool.push(open);
        }
    }
}

/// A message that has no place in its stream.
const ASIDE: Start = Start {
    kind: Kind {
        name: "tcp.aside",
        side: Role::Single,
        sized: true,
    },
    exchange: None,
    continues: false,
};

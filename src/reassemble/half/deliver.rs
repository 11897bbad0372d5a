//! Bytes in order: emitted, and retained so that a later copy of them can be compared.

use crate::reassemble::context::SegmentContext;
use crate::reassemble::echo::mark;
use crate::reassemble::retained::{Fresh, Tails, place};
use crate::stream::{PacketInfo, StreamEvent};

use super::HalfStream;

impl HalfStream {
    /// Delivers bytes at the next offset.
    pub(super) fn deliver(&mut self, bytes: &[u8], by: &PacketInfo, ctx: &mut SegmentContext<'_>) {
        if bytes.is_empty() {
            return;
        }
        self.emit_data(bytes, by, ctx);
        // Copied last: a load after these stores would have to wait for them.
        self.tail.push(bytes, self.open(), ctx.tails);
    }

    /// The same for bytes that may lie in a `block` which stays valid: those to retain are copied
    /// when it is released.
    pub(in crate::reassemble) fn deliver_from(
        &mut self,
        block: &[u8],
        bytes: &[u8],
        by: &PacketInfo,
        flow: (u32, u64),
        ctx: &mut SegmentContext<'_>,
    ) {
        let Some(at) = place(block, bytes) else {
            return self.deliver(bytes, by, ctx);
        };
        if !bytes.is_empty() {
            self.emit_data(bytes, by, ctx);
            self.tail.defer_copy(bytes.len());
            let dir = ctx.dir;
            ctx.tails.fresh.push(Fresh { flow, dir, at });
        }
    }

    /// Copies bytes that were delivered from a block, which is about to be released.
    pub(in crate::reassemble) fn settle(&mut self, bytes: &[u8], tails: &mut Tails) {
        let open = self.open();
        self.tail.settle(bytes, open, tails);
    }

    #[inline(never)]
    fn note_first(&mut self, bytes: &[u8]) {
        self.mark = mark(bytes);
    }

    fn emit_data(&mut self, bytes: &[u8], by: &PacketInfo, ctx: &mut SegmentContext<'_>) {
        debug_assert!(!self.ended, "no byte follows the end");
        let (offset, seq) = (
            self.emitted_offset(self.next),
            self.base.wrapping_add(self.next as u32),
        );
        if offset == 0 {
            self.note_first(bytes);
        }
        self.next = self.next.saturating_add(bytes.len() as u64);
        (ctx.emit)(&StreamEvent::Data {
            dir: ctx.dir,
            offset,
            seq,
            midstream: self.midstream,
            bytes,
            by,
        });
        if let Some(slow) = &self.slow
            && (slow.other.is_some() || !slow.urgent.is_empty())
        {
            self.read_otherwise(self.next.saturating_sub(bytes.len() as u64), bytes, ctx);
        }
    }

    /// The number of delivered bytes that are not acknowledged.
    pub(super) fn open(&self) -> u64 {
        self.next.saturating_sub(self.acked)
    }

    /// The last delivered bytes.
    pub(super) fn tail(&self) -> &[u8] {
        self.tail.bytes(self.open())
    }
}

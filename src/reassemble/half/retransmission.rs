//! Bytes before the next offset: copies of delivered ones, which are compared, and late ones of
//! gaps that were given up.

use crate::limits::time;
use crate::reassemble::context::SegmentContext;
use crate::reassemble::retained::CONTEXT;
use crate::stream::OutOfStreamReason;

use super::{HalfStream, JOINED};

/// Gaps that were given up and whose bytes did not arrive since.
#[derive(Default)]
pub(super) struct GapHistory {
    ranges: Vec<(u64, u64)>,
    /// The bytes before a joined stream are among them.
    midstream: bool,
}

/// Gaps that are recorded, at most; the oldest is dropped first.
const RANGES: usize = 64;
/// Contradicting copies of a direction that are emitted, and their bytes, at most; further ones are
/// counted.
const CONFLICTS: u32 = 1024;
pub(super) const CONFLICT_BYTES: usize = 1 << 20;

impl GapHistory {
    /// Records a gap.
    pub(super) fn add(&mut self, low: u64, high: u64) {
        if self.ranges.len() >= RANGES {
            self.ranges.remove(0);
        }
        self.ranges.push((low, high));
    }

    /// Removes and returns the parts of a range that were given up.
    fn fill(&mut self, low: u64, high: u64) -> Vec<(u64, u64)> {
        let mut filled = Vec::new();
        for (from, to) in std::mem::take(&mut self.ranges) {
            let (start, stop) = (from.max(low), to.min(high));
            if start >= stop {
                self.ranges.push((from, to));
                continue;
            }
            filled.push((start, stop));
            let left = [(from, start), (stop, to)];
            self.ranges
                .extend(left.into_iter().filter(|(from, to)| from < to));
        }
        self.ranges.truncate(RANGES);
        filled
    }
}

impl HalfStream {
    /// Whether the bytes at a sequence number equal the delivered ones. `None`: none of those is
    /// retained.
    pub(in crate::reassemble) fn matches_delivered(&self, seq: u32, bytes: &[u8]) -> Option<bool> {
        let offset = u64::try_from(self.offset_of(seq)?).ok()?;
        let kept = self.next.saturating_sub(self.tail().len() as u64);
        let (low, high) = (
            offset.max(kept),
            offset.saturating_add(bytes.len() as u64).min(self.next),
        );
        let part = |bytes: &[u8], from: u64| -> Option<Vec<u8>> {
            let (low, high) = (low.checked_sub(from)?, high.checked_sub(from)?);
            let range = usize::try_from(low).ok()?..usize::try_from(high).ok()?;
            bytes.get(range).map(<[u8]>::to_vec)
        };
        let (new, old) = (part(bytes, offset)?, part(self.tail(), kept)?);
        (!new.is_empty()).then(|| new == old)
    }

    /// Processes bytes that start before the next offset: emits the late ones, and those that
    /// differ from delivered ones.
    pub(super) fn retransmitted(
        &mut self,
        offset: u64,
        bytes: &[u8],
        ctx: &mut SegmentContext<'_>,
    ) {
        let end = offset.saturating_add(bytes.len() as u64).min(self.next);
        let slice = |low: u64, high: u64| {
            let from = usize::try_from(low.saturating_sub(offset)).unwrap_or(usize::MAX);
            let to = usize::try_from(high.saturating_sub(offset)).unwrap_or(usize::MAX);
            let to = to.min(bytes.len());
            bytes.get(from..to).unwrap_or_default()
        };
        let mut unknown = end - offset.min(end);
        let midstream = self.midstream;
        let before = midstream && offset < JOINED;
        if before || self.slow.is_some() {
            let lost = &mut self.slow_state().lost;
            if midstream && !std::mem::replace(&mut lost.midstream, true) {
                lost.add(0, JOINED);
            }
            for (low, high) in lost.fill(offset, end) {
                unknown = unknown.saturating_sub(high - low);
                // The gap was given up too early.
                *ctx.grace = ctx
                    .grace
                    .saturating_mul(2)
                    .min(time::GAP_GRACE_PACKETS_MOST);
                ctx.emit_apart(
                    OutOfStreamReason::Late,
                    self.emitted_offset(low),
                    slice(low, high),
                );
            }
        }
        if unknown == 0 {
            return;
        }
        ctx.stats.retransmitted += 1;
        let kept = self.next.saturating_sub(self.tail().len() as u64);
        let low = offset.max(kept);
        if low < end {
            unknown = unknown.saturating_sub(end - low);
            let from = usize::try_from(low - kept).unwrap_or(usize::MAX);
            let old = self.tail().get(from..).unwrap_or_default();
            let new = slice(low, end);
            if let Some(first) = new.iter().zip(old).position(|(new, old)| new != old) {
                let copy = slice(low, u64::MAX);
                self.conflict((low + first as u64, end), copy, low, ctx);
            }
        }
        ctx.stats.uncompared_bytes += unknown;
    }

    /// Emits a copy that was not used, after the stream's bytes before it: `copy` starts at offset
    /// `at`, differs first at `from`, and contends for the bytes up to `to`.
    pub(super) fn conflict(
        &mut self,
        (from, to): (u64, u64),
        copy: &[u8],
        at: u64,
        ctx: &mut SegmentContext<'_>,
    ) {
        ctx.stats.conflicts += 1;
        let end = at.saturating_add(copy.len() as u64);
        let after = usize::try_from(end.saturating_sub(to)).unwrap_or(0);
        let skip = usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX);
        let loser = copy.get(skip..).unwrap_or_default();
        let emitted_from = self.emitted_offset(from);
        let next = self.next;
        let tail = self.tail.bytes(self.open());
        let slow = self.slow.get_or_insert_default();
        slow.conflicts = slow.conflicts.saturating_add(1);
        slow.conflict_bytes = slow.conflict_bytes.saturating_add(loser.len());
        if slow.conflicts > CONFLICTS || slow.conflict_bytes > CONFLICT_BYTES {
            ctx.stats.conflicts_unsearched += 1;
            return;
        }
        let mut text = Vec::new();
        // The waiting bytes before it; before those, delivered ones.
        slow.queue.copy_before(from, CONTEXT, &mut text);
        let start = from.saturating_sub(text.len() as u64);
        if start <= next {
            let distance = usize::try_from(next - start).unwrap_or(usize::MAX);
            let upto = tail.len().saturating_sub(distance);
            let low = upto.saturating_sub(CONTEXT - text.len());
            text.splice(
                0..0,
                tail.get(low..upto).unwrap_or_default().iter().copied(),
            );
        }
        let context = text.len();
        text.extend_from_slice(loser);
        ctx.emit_in_context(
            OutOfStreamReason::Conflict,
            emitted_from,
            &text,
            context,
            after,
        );
        let before = text.get(..context).unwrap_or_default();
        self.in_other_reading((from, to), loser, before, ctx);
    }
}

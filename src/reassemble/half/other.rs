//! The reading of a receiver that took other copies than those delivered: the unused copy, with the
//! bytes before it in the same reading, and those that follow. A match may span the seams of
//! copies, or the place of an urgent byte.

use crate::reassemble::context::SegmentContext;
use crate::reassemble::retained::CONTEXT;
use crate::stream::OutOfStreamReason;

use super::HalfStream;
use super::retransmission::CONFLICT_BYTES;

/// Another reading of a direction, up to an offset.
pub(super) struct Other {
    why: OutOfStreamReason,
    /// Its last bytes.
    text: Vec<u8>,
    /// The end in `text` of the last difference from the stream: only a match that begins before it
    /// is new.
    differs: usize,
    /// The offset after it.
    end: u64,
}

/// Urgent bytes that are awaited, at most.
const URGENT: usize = 16;

impl Other {
    /// The bytes before an offset, and how many of them precede the end of the last difference.
    fn before(&self, offset: u64) -> Option<(&[u8], usize)> {
        let distance = usize::try_from(self.end.checked_sub(offset)?).ok()?;
        let len = self.text.len().checked_sub(distance)?;
        Some((self.text.get(..len)?, self.differs.min(len)))
    }

    /// Drops bytes that are too old to be context.
    fn trim(&mut self) {
        let spare = self.text.len().saturating_sub(CONTEXT);
        self.text.drain(..spare);
        self.differs = self.differs.saturating_sub(spare);
    }
}

impl HalfStream {
    /// Emits an unused copy, from `from` to `to`, after other unused copies: only a match that
    /// spans both is new. `context` is the stream before it, if there are no others.
    pub(super) fn in_other_reading(
        &mut self,
        (from, to): (u64, u64),
        copy: &[u8],
        context: &[u8],
        ctx: &mut SegmentContext<'_>,
    ) {
        let emitted_from = self.emitted_offset(from);
        let next = self.next;
        let slow = self.slow.get_or_insert_default();
        let before = slow.other.take().and_then(|mut other| {
            if other.end < from {
                return None;
            }
            let (text, differs) = other.before(from)?;
            let len = text.len();
            (other.differs, other.end) = (differs, from);
            other.text.truncate(len);
            Some(other)
        });
        let mut other = before.unwrap_or_else(|| Other {
            why: OutOfStreamReason::Conflict,
            text: context.to_vec(),
            differs: 0,
            end: from,
        });
        let seam = other.text.len();
        other.text.extend_from_slice(copy);
        if other.differs > 0 {
            slow.conflict_bytes = slow.conflict_bytes.saturating_add(other.text.len());
            if slow.conflict_bytes <= CONFLICT_BYTES {
                let after = other.text.len() - other.differs;
                ctx.emit_seam(other.why, emitted_from, &other.text, seam, after);
            }
        }
        let contended = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        other.differs = seam.saturating_add(contended).min(other.text.len());
        other.end = from.saturating_add(copy.len() as u64);
        if other.end < next {
            // The bytes that follow were already delivered.
            let tail = self.tail.bytes(next.saturating_sub(self.acked));
            let len = usize::try_from(next - other.end).unwrap_or(usize::MAX);
            let Some(at) = tail.len().checked_sub(len) else {
                return;
            };
            let after = tail.get(at..).unwrap_or_default();
            other.end = next;
            other.follow(after, emitted_from, &mut slow.conflict_bytes, ctx);
        }
        other.trim();
        slow.other = (other.differs > 0).then_some(other);
    }

    /// Records that urgent data ends at this offset (RFC 9293 section 3.8.5): the receiver may
    /// remove its last byte from the stream.
    pub(super) fn expect_urgent(&mut self, at: u64) {
        let next = self.next;
        let urgent = &mut self.slow_state().urgent;
        if at >= next && urgent.len() < URGENT && !urgent.contains(&at) {
            urgent.push(at);
        }
    }

    /// Continues the other reading with bytes delivered at this offset; if a byte of them is
    /// urgent, another reading lacks it (RFC 6093 section 3).
    #[cold]
    pub(super) fn read_otherwise(
        &mut self,
        offset: u64,
        bytes: &[u8],
        ctx: &mut SegmentContext<'_>,
    ) {
        let end = offset.saturating_add(bytes.len() as u64);
        let emitted_from = self.emitted_offset(offset);
        let open = self.open();
        let Some(slow) = &mut self.slow else {
            return;
        };
        slow.urgent.retain(|at| *at >= offset);
        let mut inside: Vec<u64> = slow.urgent.extract_if(.., |at| *at < end).collect();
        inside.sort_unstable();
        if let Some(mut other) = slow.other.take()
            && (offset..end).contains(&other.end)
            && let Some(new) = usize::try_from(other.end - offset)
                .ok()
                .and_then(|from| bytes.get(from..))
        {
            other.end = end;
            other.follow(new, emitted_from, &mut slow.conflict_bytes, ctx);
            slow.other = Some(other);
        }
        for at in inside.into_iter().rev() {
            let distance = usize::try_from(end - at).unwrap_or(usize::MAX);
            let mut other = match slow.other.take() {
                Some(other) if other.end == end => other,
                _ => {
                    let tail = self.tail.bytes(open);
                    let from = tail.len().saturating_sub(CONTEXT);
                    let tail = tail.get(from..).unwrap_or_default();
                    Other {
                        why: OutOfStreamReason::Urgent,
                        text: [tail, bytes].concat(),
                        differs: 0,
                        end,
                    }
                }
            };
            if let Some(place) = other.text.len().checked_sub(distance) {
                other.text.remove(place);
                other.why = OutOfStreamReason::Urgent;
                // The last one is removed first.
                other.differs = match other.differs > place {
                    true => other.differs - 1,
                    false => place,
                };
                slow.conflict_bytes = slow.conflict_bytes.saturating_add(other.text.len());
                if slow.conflict_bytes <= CONFLICT_BYTES {
                    let after = other.text.len() - place;
                    ctx.emit_seam(
                        OutOfStreamReason::Urgent,
                        emitted_from,
                        &other.text,
                        place,
                        after,
                    );
                }
            }
            slow.other = Some(other);
        }
        if let Some(other) = &mut slow.other {
            other.trim();
        }
        slow.other.take_if(|other| other.differs == 0);
    }
}

impl Other {
    /// Appends the stream's next bytes: a match may span the seam.
    fn follow(
        &mut self,
        bytes: &[u8],
        emitted_from: u64,
        spent: &mut usize,
        ctx: &mut SegmentContext<'_>,
    ) {
        let seam = self.text.len();
        self.text.extend_from_slice(bytes);
        *spent = spent.saturating_add(seam + bytes.len().min(CONTEXT));
        if *spent > CONFLICT_BYTES {
            self.differs = 0;
            return;
        }
        let len = self.text.len().min(seam + CONTEXT);
        let text = self.text.get(..len).unwrap_or_default();
        ctx.emit_seam(self.why, emitted_from, text, seam, len - self.differs);
    }
}

//! Bytes of one direction that wait for others: arithmetic on ranges, without TCP. No two pieces
//! overlap.
//!
//! Pieces never overlap. Of two copies of a byte one stays, and one that differs from it is handed
//! back.

use std::collections::BTreeMap;

use crate::policy::Overlap;
use crate::stream::PacketInfo;

/// Out-of-order bytes by their offset.
#[derive(Default)]
pub(super) struct Queue {
    pieces: BTreeMap<u64, Piece>,
    bytes: usize,
}

/// Bytes that wait.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) facts: Facts,
}

/// Facts of waiting bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) by: PacketInfo,
    /// The offset of the peer's stream before which these bytes are not delivered: they were sent
    /// by
    pub(super) needs: u64,
    /// Bytes after these that the snap length cut off.
    pub(super) cut: u64,
    /// Another copy of these is better: the checksum is wrong.
    pub(super) weak: bool,
}

/// Copies that lost.
#[derive(Default)]
pub(super) struct Losers {
    /// From the first byte of the new segment that differs from a copy that stays to the last one
    /// that contends.
    pub(super) new: Option<(u64, u64)>,
    /// Bytes that had waited and differ from those that replace them.
    pub(super) old: Vec<(u64, Vec<u8>)>,
}

/// What a piece costs beside its bytes: its share of the tree's nodes, and the allocation.
const OVERHEAD: usize = 144;

impl Queue {
    /// Where the first piece starts.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.keys().next().copied()
    }

    /// The offset of the peer's stream before which the first piece is not delivered.
    pub(super) fn needs(&self) -> Option<u64> {
        self.pieces.values().next().map(|piece| piece.facts.needs)
    }

    /// Whether any piece has a wrong checksum.
    pub(super) fn has_weak(&self) -> bool {
        self.pieces.values().any(|piece| piece.facts.weak)
    }

    /// The peer will not come farther than `reached`: nothing waits for more than that.
    pub(super) fn stop_waiting_beyond(&mut self, reached: u64) {
        for piece in self.pieces.values_mut() {
            piece.facts.needs = piece.facts.needs.min(reached);
        }
    }

    /// Whether the piece that is next at `offset` has a wrong checksum.
    pub(super) fn is_doubted(&self, offset: u64) -> bool {
        let first = self.pieces.first_key_value();
        first.is_some_and(|(at, piece)| piece.facts.weak && *at <= offset)
    }

    /// Take the first piece when it starts at or before `offset`.
    pub(super) fn take(&mut self, offset: u64) -> Option<(u64, Piece)> {
        let entry = self.pieces.first_entry()?;
        if *entry.key() > offset {
            return None;
        }
        let (at, piece) = entry.remove_entry();
        self.bytes = self.bytes.saturating_sub(piece.bytes.len() + OVERHEAD);
        Some((at, piece))
    }

    /// Put bytes between the pieces, and over those that they win against; says which copies lost
    /// and differ.
    pub(super) fn insert(
        &mut self,
        offset: u64,
        bytes: &[u8],
        facts: Facts,
        overlap: Overlap,
    ) -> Losers {
        let end = offset.saturating_add(bytes.len() as u64);
        let mut losers = Losers::default();
        let mut at = offset;
        let mut fresh: Vec<(u64, u64)> = Vec::new();
        let mut beaten: Vec<u64> = Vec::new();
        for (&start, piece) in self.pieces.range(self.from(offset)..end) {
            let stop = start.saturating_add(piece.bytes.len() as u64);
            if stop <= offset {
                continue;
            }
            let (low, high) = (start.max(offset), stop.min(end));
            let wins = match (piece.facts.weak, facts.weak) {
                (true, false) => true,
                (false, true) => false,
                // What the older one has seen nobody else has: its acknowledgement may be false.
                _ if facts.needs < piece.facts.needs => true,
                _ => match overlap {
                    Overlap::First => false,
                    Overlap::Last => true,
                    Overlap::Bsd => offset < start,
                    Overlap::Linux => offset < start || (offset == start && end > stop),
                },
            };
            let (new, old) = (
                part(bytes, offset, low, high).unwrap_or_default(),
                part(&piece.bytes, start, low, high).unwrap_or_default(),
            );
            let differs = new.iter().zip(old).position(|(new, old)| new != old);
            if wins {
                beaten.push(start);
                if differs.is_some() {
                    losers.old.push((low, old.to_vec()));
                }
                continue;
            }
            if let Some(first) = differs {
                let (from, _) = losers.new.unwrap_or((low + first as u64, high));
                losers.new = Some((from, high));
            }
            if low > at {
                fresh.push((at, low));
            }
            at = high;
        }
        if at < end {
            fresh.push((at, end));
        }
        for start in beaten {
            self.cut_out(start, offset, end);
        }
        for (low, high) in fresh {
            if let Some(new) = part(bytes, offset, low, high) {
                let cut = if high == end { facts.cut } else { 0 };
                self.put(low, new.to_vec(), Facts { cut, ..facts });
            }
        }
        losers
    }

    /// Prepends to `into` up to `most` waiting bytes that end at `offset`, without a gap.
    pub(super) fn copy_before(&self, offset: u64, most: usize, into: &mut Vec<u8>) {
        let mut end = offset;
        for (&start, piece) in self.pieces.range(..offset).rev() {
            let low = start.max(offset.saturating_sub(most as u64));
            let Some(bytes) = part(&piece.bytes, start, low, end) else {
                break;
            };
            into.splice(0..0, bytes.iter().copied());
            if low > start {
                break;
            }
            end = start;
        }
    }

    /// Where the piece starts that may reach over `offset`.
    fn from(&self, offset: u64) -> u64 {
        let before = self.pieces.range(..=offset).next_back();
        before.map_or(offset, |(at, _)| *at)
    }

    /// Take the bytes from `low` to `high` out of the piece at `start`.
    fn cut_out(&mut self, start: u64, low: u64, high: u64) {
        let Some(piece) = self.pieces.remove(&start) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(piece.bytes.len() + OVERHEAD);
        let stop = start.saturating_add(piece.bytes.len() as u64);
        for (from, to) in [(start, low.min(stop)), (high.max(start), stop)] {
            if from < to
                && let Some(left) = part(&piece.bytes, start, from, to)
            {
                let cut = if to == stop { piece.facts.cut } else { 0 };
                self.put(from, left.to_vec(), Facts { cut, ..piece.facts });
            }
        }
    }

    fn put(&mut self, at: u64, bytes: Vec<u8>, facts: Facts) {
        self.bytes += bytes.len() + OVERHEAD;
        self.pieces.insert(at, Piece { bytes, facts });
    }

    /// Whether the pieces are all bytes from 0 to `end`, and no more.
    pub(super) fn covers(&self, end: u64) -> bool {
        let mut at = 0;
        for (&start, piece) in &self.pieces {
            if start != at {
                return false;
            }
            at += piece.bytes.len() as u64;
        }
        at == end
    }

    /// What the queue costs, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }

    /// How many pieces wait.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }
}

/// The bytes from `low` to `high` of `bytes`, which start at `offset`.
fn part(bytes: &[u8], offset: u64, low: u64, high: u64) -> Option<&[u8]> {
    let from = usize::try_from(low.checked_sub(offset)?).ok()?;
    let to = usize::try_from(high.checked_sub(offset)?).ok()?;
    bytes.get(from..to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each byte's winner, byte by byte, without ranges.
    fn wins(overlap: Overlap, new: (usize, usize), old: (usize, usize)) -> bool {
        match overlap {
            Overlap::First => false,
            Overlap::Last => true,
            Overlap::Bsd => new.0 < old.0,
            Overlap::Linux => new.0 < old.0 || (new.0 == old.0 && new.1 > old.1),
        }
    }

    proptest! {
        #[test]
        fn every_byte_has_one_winner_and_no_loser_goes_unseen(
            chunks in prop::collection::vec((0usize..40, prop::collection::vec(any::<bool>(), 1..12)), 1..12),
            overlap in prop::sample::select(vec![Overlap::First, Overlap::Last]),
        ) {
            let mut queue = Queue::default();
            let mut model: [Option<u8>; 64] = [None; 64];
            for (offset, bits) in &chunks {
                let bytes: Vec<u8> = bits.iter().map(|bit| u8::from(*bit)).collect();
                let mut differs = false;
                for (at, byte) in (*offset..).zip(&bytes) {
                    differs |= model[at].is_some_and(|old| old != *byte);
                    if overlap == Overlap::Last {
                        model[at] = Some(*byte);
                    }
                    model[at].get_or_insert(*byte);
                }
                let losers = queue.insert(*offset as u64, &bytes, Facts::default(), overlap);
                prop_assert_eq!(losers.new.is_some() || !losers.old.is_empty(), differs);
            }
            prop_assert_eq!(drained(queue), model);
        }

        #[test]
        fn two_chunks_are_ruled_by_where_they_start_and_end(
            (a, b, c, d) in (0usize..12, 1usize..12, 0usize..12, 1usize..12),
            overlap in prop::sample::select(vec![Overlap::First, Overlap::Last, Overlap::Bsd, Overlap::Linux]),
        ) {
            let (old, new) = ((a, a + b), (c, c + d));
            let mut queue = Queue::default();
            queue.insert(old.0 as u64, &vec![b'o'; b], Facts::default(), overlap);
            queue.insert(new.0 as u64, &vec![b'n'; d], Facts::default(), overlap);
            let mut model = [None; 64];
            model[old.0..old.1].fill(Some(b'o'));
            for byte in &mut model[new.0..new.1] {
                if byte.is_none() || wins(overlap, new, old) {
                    *byte = Some(b'n');
                }
            }
            prop_assert_eq!(drained(queue), model);
        }
    }

    fn drained(mut queue: Queue) -> [Option<u8>; 64] {
        let mut got = [None; 64];
        let mut next = 0;
        while let Some((at, piece)) = queue.take(u64::MAX) {
            assert!(at >= next, "pieces overlap");
            next = at + piece.bytes.len() as u64;
            for (at, byte) in (at as usize..).zip(piece.bytes) {
                got[at] = Some(byte);
            }
        }
        assert_eq!((queue.size(), queue.len()), (0, 0));
        got
    }
}

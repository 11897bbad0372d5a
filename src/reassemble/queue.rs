//! Bytes of one direction that came before their turn: pure arithmetic on ranges, no TCP.
//!
//! Pieces never overlap: the first copy of a byte stays, and a later one that differs is handed back.

use std::collections::BTreeMap;

use crate::stream::Carrier;

/// Out-of-order bytes by their offset.
#[derive(Default)]
pub(super) struct Queue {
    pieces: BTreeMap<u64, Piece>,
    bytes: usize,
}

/// Bytes that wait.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) by: Carrier,
}

/// What a piece costs beside its bytes: the tree's node and the allocation.
const OVERHEAD: usize = 96;

impl Queue {
    /// Where the first piece starts.
    pub(super) fn first(&self) -> Option<u64> {
        self.pieces.keys().next().copied()
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

    /// Put bytes into the holes between the pieces. True: some of them differ from a copy that is already there.
    pub(super) fn insert(&mut self, offset: u64, bytes: &[u8], by: Carrier) -> bool {
        let end = offset.saturating_add(bytes.len() as u64);
        let from = self
            .pieces
            .range(..=offset)
            .next_back()
            .map_or(offset, |(at, _)| *at);
        let mut differs = false;
        let mut at = offset;
        let mut holes: Vec<(u64, u64)> = Vec::new();
        for (&start, piece) in self.pieces.range(from..end) {
            let stop = start.saturating_add(piece.bytes.len() as u64);
            if stop <= at {
                continue;
            }
            if start > at {
                holes.push((at, start));
            }
            let (low, high) = (start.max(offset), stop.min(end));
            differs |= part(bytes, offset, low, high) != part(&piece.bytes, start, low, high);
            at = at.max(stop);
        }
        if at < end {
            holes.push((at, end));
        }
        for (low, high) in holes {
            if let Some(new) = part(bytes, offset, low, high) {
                self.bytes += new.len() + OVERHEAD;
                self.pieces.insert(
                    low,
                    Piece {
                        bytes: new.to_vec(),
                        by,
                    },
                );
            }
        }
        differs
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

    proptest! {
        #[test]
        fn the_first_copy_of_each_byte_stays(
            chunks in prop::collection::vec((0u64..40, prop::collection::vec(any::<bool>(), 1..12)), 1..12),
        ) {
            let mut queue = Queue::default();
            let mut model = [None; 64];
            for (offset, bits) in &chunks {
                let bytes: Vec<u8> = bits.iter().map(|bit| u8::from(*bit)).collect();
                let mut differs = false;
                for (at, byte) in (*offset as usize..).zip(&bytes) {
                    differs |= model[at].is_some_and(|old| old != *byte);
                    model[at].get_or_insert(*byte);
                }
                prop_assert_eq!(queue.insert(*offset, &bytes, Carrier::default()), differs);
            }
            let mut got = [None; 64];
            let mut next = 0;
            while let Some((at, piece)) = queue.take(u64::MAX) {
                prop_assert!(at >= next, "pieces overlap");
                next = at + piece.bytes.len() as u64;
                for (at, byte) in (at as usize..).zip(piece.bytes) {
                    got[at] = Some(byte);
                }
            }
            prop_assert_eq!(got, model);
            prop_assert_eq!((queue.size(), queue.len()), (0, 0));
        }
    }
}

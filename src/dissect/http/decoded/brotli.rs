//! `br` (RFC 7932). Its window is at most 16 MiB: what the format calls large windows is no part of
//! HTTP.

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper as _, StandardAlloc,
};

use super::stage::{Decoder, Failure, Sink};
use crate::dissect::budget::{Budget, Reservation};

type State = BrotliState<Meter, Meter, Meter>;

/// Bytes given to the decoder at once. What it decoded of them is lost when they hold a mistake,
/// and they are told as sent.
const PIECE: usize = 512;
/// Bytes taken from the decoder at once.
const ROOM: usize = 8 << 10;

/// Unpacks a brotli stream.
pub(super) struct Brotli {
    state: Box<State>,
    done: bool,
    _charge: Reservation,
}

impl Brotli {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        let charge = Reservation::new(budget, size_of::<State>(), limit)?;
        let meter = || {
            Some(Meter {
                charge: Reservation::new(budget, 0, limit)?,
                limit,
                refused: false,
            })
        };
        Some(Self {
            state: Box::new(State::new_strict(meter()?, meter()?, meter()?)),
            done: false,
            _charge: charge,
        })
    }

    fn was_refused(&self) -> bool {
        self.state.alloc_u8.refused || self.state.alloc_u32.refused || self.state.alloc_hc.refused
    }

    /// Takes a piece that begins behind `before` bytes of those in hand.
    fn piece(&mut self, piece: &[u8], before: usize, sink: Sink<'_>) -> Result<(), Failure> {
        let mut room = [0; ROOM];
        let (mut used, mut left) = (0, piece.len());
        loop {
            let failed = before.saturating_add(used);
            if self.done {
                return if left == 0 {
                    Ok(())
                } else {
                    Err(Failure::Broken(failed))
                };
            }
            let (mut given, mut free, mut total) = (0, room.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut used,
                piece,
                &mut free,
                &mut given,
                &mut room,
                &mut total,
                &mut self.state,
            );
            sink(room.get(..given).unwrap_or_default())
                .map_err(|_| Failure::ExpansionLimit(before.saturating_add(used)))?;
            match result {
                BrotliResult::ResultSuccess => self.done = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultFailure if self.was_refused() => {
                    return Err(Failure::OverBudget(failed));
                }
                BrotliResult::ResultFailure => return Err(Failure::Broken(failed)),
            }
        }
    }
}

impl Decoder for Brotli {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        let mut before = 0_usize;
        for piece in bytes.chunks(PIECE) {
            self.piece(piece, before, sink)?;
            before = before.saturating_add(piece.len());
        }
        Ok(())
    }

    fn held(&self) -> &[u8] {
        b""
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

/// Allocates for a decoder what the budget has.
struct Meter {
    charge: Reservation,
    limit: usize,
    /// It did not have as much as was asked for.
    refused: bool,
}

impl<T: Clone + Default> Allocator<T> for Meter {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    /// `len` places, or none: then the decoder fails.
    fn alloc_cell(&mut self, len: usize) -> Self::AllocatedMemory {
        let bytes = len.saturating_mul(size_of::<T>());
        let sum = self.charge.bytes().saturating_add(bytes);
        if self.charge.resize(sum, self.limit) {
            StandardAlloc::default().alloc_cell(len)
        } else {
            self.refused = true;
            Self::AllocatedMemory::default()
        }
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        let bytes = memory.slice().len().saturating_mul(size_of::<T>());
        let rest = self.charge.bytes().saturating_sub(bytes);
        self.charge.resize(rest, self.limit);
    }
}

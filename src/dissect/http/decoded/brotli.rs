//! The decoder of `br` (RFC 7932), with a window of at most 16 MiB: HTTP does not allow the large
//! windows of the format. All its memory is reserved from the budget.

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper as _, StandardAlloc,
};

use super::stage::{Decoder, Failure, Sink};
use crate::dissect::budget::{Budget, Reservation};

type State = BrotliState<Meter, Meter, Meter>;

/// Number of bytes passed to the decoder at once. If they contain an error, their output is lost
/// and they are emitted as sent.
const PIECE: usize = 512;
/// Size of the output buffer, in bytes.
const BUFFER: usize = 8 << 10;

/// Decodes a brotli stream.
pub(super) struct Brotli {
    state: Box<State>,
    done: bool,
    reservation: Reservation,
}

impl Brotli {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        let reservation = Reservation::new(budget, size_of::<State>(), limit)?;
        let meter = || {
            Some(Meter {
                reservation: Reservation::new(budget, 0, limit)?,
                limit,
                refused: false,
            })
        };
        Some(Self {
            state: Box::new(State::new_strict(meter()?, meter()?, meter()?)),
            done: false,
            reservation,
        })
    }

    fn was_refused(&self) -> bool {
        self.state.alloc_u8.refused || self.state.alloc_u32.refused || self.state.alloc_hc.refused
    }

    /// Decodes a piece that starts after `before` of the bytes in hand.
    fn piece(&mut self, piece: &[u8], before: usize, sink: Sink<'_>) -> Result<(), Failure> {
        let mut buffer = [0; BUFFER];
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
            let (mut given, mut free, mut total) = (0, buffer.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut used,
                piece,
                &mut free,
                &mut given,
                &mut buffer,
                &mut total,
                &mut self.state,
            );
            sink(buffer.get(..given).unwrap_or_default())
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

    fn reserved(&self) -> usize {
        let State {
            alloc_u8,
            alloc_u32,
            alloc_hc,
            ..
        } = &*self.state;
        let of = |meter: &Meter| meter.reservation.bytes();
        let meters = of(alloc_u8)
            .saturating_add(of(alloc_u32))
            .saturating_add(of(alloc_hc));
        self.reservation.bytes().saturating_add(meters)
    }
}

/// Allocates memory for a decoder as far as the budget allows.
struct Meter {
    reservation: Reservation,
    limit: usize,
    /// Whether the budget has refused an allocation.
    refused: bool,
}

impl<T: Clone + Default> Allocator<T> for Meter {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    /// Allocates `len` cells, or none if the budget refuses, which makes the decoder fail.
    fn alloc_cell(&mut self, len: usize) -> Self::AllocatedMemory {
        let bytes = len.saturating_mul(size_of::<T>());
        let sum = self.reservation.bytes().saturating_add(bytes);
        if self.reservation.resize(sum, self.limit) {
            StandardAlloc::default().alloc_cell(len)
        } else {
            self.refused = true;
            Self::AllocatedMemory::default()
        }
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        let bytes = memory.slice().len().saturating_mul(size_of::<T>());
        let rest = self.reservation.bytes().saturating_sub(bytes);
        self.reservation.resize(rest, self.limit);
    }
}

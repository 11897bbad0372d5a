//! A stage of the chain: undoes one coding. It stops when the output exceeds the expansion limit,
//! and loses no byte: where it cannot decode, it passes on the bytes as sent.

use super::brotli::Brotli;
use super::codings::Coding;
use super::dechunk::Dechunk;
use super::deflate::Deflate;
use super::gzip::Gzip;
use super::look::magic;
use super::zstd::Zstd;
use crate::dissect::budget::Budget;
use crate::limits::SWELL;
use crate::message::Decoding;

/// Number of bytes from the start of a body that are kept until the first output, so that a body
/// which is not coded as declared is emitted as sent from its first byte. The tables of a deflate
/// block have at most 290 bytes, so wrong ones are detected within them.
const START: usize = 4096;

/// Bytes that pass through the stages.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// The output of a decoder, or the input of the first.
    Decoded(&'a [u8]),
    /// Bytes that could not be decoded.
    AsSent(&'a [u8]),
}

/// The body exceeds the expansion limit, like a decompression bomb; decoding stops.
#[derive(Debug)]
pub(in crate::dissect) struct ExpansionLimit {
    /// How many of the bytes in hand had been decoded.
    pub(in crate::dissect) at: usize,
}

/// The limits of expansion.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of the body as sent, including those in hand.
    pub(super) wire: u64,
    /// Number of decoded bytes that are allowed whatever the ratio.
    pub(super) free: u64,
}

/// Takes the output of a decoder.
pub(in crate::dissect) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), ExpansionLimit>;

/// Why a decoder stops, and how many of the bytes in hand it had consumed.
#[derive(Debug)]
pub(in crate::dissect) enum Failure {
    /// The next bytes violate the format.
    Broken(usize),
    /// The decoder needs more memory than the budget has.
    OverBudget(usize),
    /// The sink reached the expansion limit.
    ExpansionLimit(usize),
}

impl Failure {
    /// The failure, with `used` bytes consumed before it.
    pub(super) const fn after(self, used: usize) -> Self {
        match self {
            Self::Broken(at) => Self::Broken(at.saturating_add(used)),
            Self::OverBudget(at) => Self::OverBudget(at.saturating_add(used)),
            Self::ExpansionLimit(at) => Self::ExpansionLimit(at.saturating_add(used)),
        }
    }
}

/// Undoes a coding. A call passes on all output that its input allows before it returns.
pub(super) trait Decoder: Send {
    /// Takes the next bytes, all of them unless it fails. Not called again after a failure.
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure>;

    /// The last input bytes, of which nothing was output yet.
    fn held(&self) -> &[u8];

    /// Whether the body may end here.
    fn is_done(&self) -> bool;
}

/// One coding of one body.
pub(super) struct Stage {
    coding: Coding,
    /// `None` if the body is passed on as sent.
    decoder: Option<Box<dyn Decoder>>,
    /// All input so far, until there is output.
    start: Option<Vec<u8>>,
    /// Whether the stage decodes bytes that the stage before it could not.
    bypass: bool,
    /// Number of output bytes.
    out: u64,
    /// The result so far.
    state: Decoding,
}

impl Stage {
    /// Creates a stage. `None` if the memory of all decoders would exceed `limit` bytes.
    pub(super) fn new(coding: Coding, budget: &Budget, limit: usize) -> Option<Self> {
        let decoder: Box<dyn Decoder> = match coding {
            Coding::Gzip => Box::new(Gzip::new(budget, limit)?),
            Coding::Deflate => Box::new(Deflate::new(budget, limit)?),
            Coding::Brotli => Box::new(Brotli::new(budget, limit)?),
            Coding::Zstd => Box::new(Zstd::new(budget, limit)?),
            Coding::Chunked => Box::new(Dechunk::default()),
        };
        Some(Self {
            coding,
            decoder: Some(decoder),
            start: Some(Vec::new()),
            bypass: false,
            out: 0,
            state: Decoding::Decoded,
        })
    }

    /// The result so far.
    pub(super) const fn state(&self) -> Decoding {
        self.state
    }

    /// Takes the next bytes.
    pub(super) fn push(
        &mut self,
        piece: Piece<'_>,
        bounds: Bounds,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ExpansionLimit>,
    ) -> Result<(), ExpansionLimit> {
        let bytes = match piece {
            Piece::Decoded(bytes) => bytes,
            // An earlier stage failed, perhaps because its coding was never applied. This stage
            // decodes its bytes, unless it has decoded others before.
            Piece::AsSent(bytes) if self.bypass || self.is_fresh() => {
                self.bypass = true;
                bytes
            }
            Piece::AsSent(bytes) => {
                self.fail(Decoding::Broken, b"", sink)?;
                return sink(Piece::AsSent(bytes));
            }
        };
        if self.is_another(bytes) {
            return self.fail(Decoding::Broken, bytes, sink);
        }
        let Some(decoder) = &mut self.decoder else {
            return sink(Piece::AsSent(bytes));
        };
        let (start, out) = (&mut self.start, &mut self.out);
        let pushed = decoder.push(bytes, &mut |text| {
            if text.is_empty() {
                return Ok(());
            }
            *start = None;
            *out = out.saturating_add(text.len() as u64);
            if *out > bounds.free && *out > bounds.wire.saturating_mul(SWELL) {
                return Err(ExpansionLimit { at: 0 });
            }
            sink(Piece::Decoded(text))
        });
        let (state, at) = match pushed {
            Ok(()) => {
                self.keep_start(bytes);
                return Ok(());
            }
            Err(Failure::ExpansionLimit(at)) => return Err(ExpansionLimit { at }),
            Err(Failure::Broken(at)) => (Decoding::Broken, at),
            Err(Failure::OverBudget(at)) => (Decoding::NoRoom, at),
        };
        // `start` contains all earlier input. It is dropped if it would exceed the limit with the
        // bytes consumed here, so that the result does not depend on how the input was cut.
        self.start = self
            .start
            .take()
            .filter(|start| start.len().saturating_add(at) <= START);
        let at = if self.start.is_some() { 0 } else { at };
        self.fail(state, bytes.get(at..).unwrap_or_default(), sink)
    }

    /// Ends the body; `whole` means that its own framing ended it. Bytes that were not decoded are
    /// passed on as sent.
    pub(super) fn finish(
        &mut self,
        whole: bool,
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ExpansionLimit>,
    ) -> Result<(), ExpansionLimit> {
        let Some(decoder) = self.decoder.as_deref() else {
            return Ok(());
        };
        let waits = self
            .start
            .as_ref()
            .map_or(!decoder.held().is_empty(), |start| !start.is_empty());
        if !decoder.is_done() && !self.is_fresh() && (waits || whole) {
            return self.fail(Decoding::Broken, b"", sink);
        }
        Ok(())
    }

    /// Whether the first bytes have the signature of another coding. Brotli has no signature, and
    /// may decode such bytes as text.
    fn is_another(&self, bytes: &[u8]) -> bool {
        self.coding == Coding::Brotli
            && self.is_fresh()
            && matches!(magic(bytes), Some(Ok(Coding::Gzip | Coding::Zstd)))
    }

    /// Whether there was any output.
    pub(super) const fn has_output(&self) -> bool {
        self.out > 0
    }

    /// Whether no byte has arrived.
    fn is_fresh(&self) -> bool {
        self.decoder.is_some() && self.start.as_ref().is_some_and(Vec::is_empty)
    }

    /// Keeps the start of the input until there is output.
    fn keep_start(&mut self, bytes: &[u8]) {
        if let Some(start) = &mut self.start {
            if start.len().saturating_add(bytes.len()) > START {
                self.start = None;
            } else {
                start.extend_from_slice(bytes);
            }
        }
    }

    /// Drops the decoder, and passes on the bytes that it consumed without output, then `rest`.
    fn fail(
        &mut self,
        state: Decoding,
        rest: &[u8],
        sink: &mut dyn FnMut(Piece<'_>) -> Result<(), ExpansionLimit>,
    ) -> Result<(), ExpansionLimit> {
        let Some(decoder) = self.decoder.take() else {
            return Ok(());
        };
        self.state = state;
        let start = self.start.take();
        let held = start.as_deref().unwrap_or_else(|| decoder.held());
        for bytes in [held, rest] {
            if !bytes.is_empty() {
                sink(Piece::AsSent(bytes))?;
            }
        }
        Ok(())
    }
}

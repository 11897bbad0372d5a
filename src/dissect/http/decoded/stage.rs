//! A *stage*: undoes one coding, knows when it swells too much, and loses no byte when it cannot go
//! on.

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

/// Bytes from a body's first one on that are kept until something is decoded, so that a body which
/// is not coded as it says is told as sent from its very start. A deflate block's tables have 290
/// bytes, and wrong ones are seen in them.
const START: usize = 4096;

/// Bytes on their way through the stages.
#[derive(Clone, Copy)]
pub(super) enum Piece<'a> {
    /// They came out of what was decoded so far.
    Decoded(&'a [u8]),
    /// They could not be decoded.
    AsSent(&'a [u8]),
}

/// The body swells like a bomb: this is the end of it.
#[derive(Debug)]
pub(super) struct ExpansionLimit {
    /// How many of the bytes in hand were decoded by then.
    pub(super) at: usize,
}

/// What a body may swell to.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of the body as sent, those in hand too.
    pub(super) wire: u64,
    /// Decoded bytes that are believed in any case.
    pub(super) free: u64,
}

/// Who takes what is decoded.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<(), ExpansionLimit>;

/// Why a decoder does not go on, and how many of the bytes in hand it had done with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The bytes behind are not what the coding allows.
    Broken(usize),
    /// It needs more memory than there is.
    OverBudget(usize),
    /// Its sink takes no more.
    ExpansionLimit(usize),
}

impl Failure {
    /// The same, where `used` bytes were done with before.
    pub(super) const fn behind(self, used: usize) -> Self {
        match self {
            Self::Broken(at) => Self::Broken(at.saturating_add(used)),
            Self::OverBudget(at) => Self::OverBudget(at.saturating_add(used)),
            Self::ExpansionLimit(at) => Self::ExpansionLimit(at.saturating_add(used)),
        }
    }
}

/// Undoes a coding. All output that the input gives is passed on before a call returns.
pub(super) trait Decoder: Send {
    /// Takes the next bytes, all of them unless it fails. Not called again behind a failure.
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure>;

    /// The last bytes it took of which nothing has come out: they wait for more.
    fn held(&self) -> &[u8];

    /// The body may end here.
    fn is_done(&self) -> bool;
}

/// One coding of one body.
pub(super) struct Stage {
    coding: Coding,
    /// `None` when the body is passed on as sent.
    decoder: Option<Box<dyn Decoder>>,
    /// All bytes so far, while nothing came out.
    start: Option<Vec<u8>>,
    /// It decodes what the stage in front could not.
    bypass: bool,
    /// Bytes that came out.
    out: u64,
    /// How it goes.
    state: Decoding,
}

impl Stage {
    /// For a coding; `None` when decoders hold so much that this one would make it more than
    /// `limit` bytes.
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

    /// How it went.
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
            // The coding that could not be undone was never applied, perhaps. This one may have
            // been.
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
                self.remember(bytes);
                return Ok(());
            }
            Err(Failure::ExpansionLimit(at)) => return Err(ExpansionLimit { at }),
            Err(Failure::Broken(at)) => (Decoding::Broken, at),
            Err(Failure::OverBudget(at)) => (Decoding::NoRoom, at),
        };
        // What is kept from the start has all that came before; that it is too long must not depend
        // on the cut.
        self.start = self
            .start
            .take()
            .filter(|start| start.len().saturating_add(at) <= START);
        let at = if self.start.is_some() { 0 } else { at };
        self.fail(state, bytes.get(at..).unwrap_or_default(), sink)
    }

    /// Takes note that the body is over; `whole`: by its own framing. What was not decoded is
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

    /// Whether the first bytes have the mark of another coding. Brotli, which has none, may read
    /// some text in them.
    fn is_another(&self, bytes: &[u8]) -> bool {
        self.coding == Coding::Brotli
            && self.is_fresh()
            && matches!(magic(bytes), Some(Ok(Coding::Gzip | Coding::Zstd)))
    }

    /// Something came out of it.
    pub(super) const fn gave(&self) -> bool {
        self.out > 0
    }

    /// No byte came yet.
    fn is_fresh(&self) -> bool {
        self.decoder.is_some() && self.start.as_ref().is_some_and(Vec::is_empty)
    }

    /// Keeps the beginning of a body of which nothing came out yet.
    fn remember(&mut self, bytes: &[u8]) {
        if let Some(start) = &mut self.start {
            if start.len().saturating_add(bytes.len()) > START {
                self.start = None;
            } else {
                start.extend_from_slice(bytes);
            }
        }
    }

    /// Gives the decoder up, and passes on what it took and did not decode, then `rest`.
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

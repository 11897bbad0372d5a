//! The decoder of `deflate`: zlib streams (RFC 1950), and the raw deflate data (RFC 1951) that many
//! servers send under that name. Checksums are not verified: a wrong one would show that there is
//! an error, but not where. Memory is 48 KiB for each stream.

use flate2::{Decompress, FlushDecompress, Status};

use super::stage::{Decoder, Failure, Sink};
use crate::dissect::budget::{Budget, Reservation};

/// Memory of an [`Inflate`]: a window of 32 KiB, and tables.
const MEMORY: usize = 48 << 10;
/// Size of the output buffer, in bytes. It is as large as the window, so that all output before a
/// malformed byte is passed on.
const BUFFER: usize = 32 << 10;

/// Decodes raw deflate data. Allocates nothing before the first byte.
pub(in crate::dissect) struct Inflate {
    state: Option<Decompress>,
    _reservation: Reservation,
}

impl Inflate {
    pub(in crate::dissect) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        let reservation = Reservation::new(budget, MEMORY, limit)?;
        Some(Self {
            state: None,
            _reservation: reservation,
        })
    }

    /// Starts over with other data.
    pub(in crate::dissect) fn restart(&mut self) {
        if let Some(state) = &mut self.state {
            state.reset(false);
        }
    }

    /// Takes bytes. Returns how many belong to the data, and whether the data has ended.
    pub(in crate::dissect) fn push(
        &mut self,
        bytes: &[u8],
        sink: Sink<'_>,
    ) -> Result<(usize, bool), Failure> {
        let state = self.state.get_or_insert_with(|| Decompress::new(false));
        #[expect(
            clippy::large_stack_arrays,
            reason = "on the heap each open body would have one"
        )]
        let mut buffer = [0; BUFFER];
        let mut used = 0_usize;
        loop {
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let input = bytes.get(used..).unwrap_or_default();
            let status = state.decompress(input, &mut buffer, FlushDecompress::None);
            let taken = state.total_in().saturating_sub(before_in) as usize;
            let given = state.total_out().saturating_sub(before_out) as usize;
            used = used.saturating_add(taken);
            sink(buffer.get(..given).unwrap_or_default())
                .map_err(|_| Failure::ExpansionLimit(used))?;
            match status {
                Ok(Status::StreamEnd) => return Ok((used, true)),
                // The window may contain more output although all input was consumed.
                Ok(_) if taken > 0 || given > 0 => {}
                Ok(_) if used >= bytes.len() => return Ok((used, false)),
                Ok(_) | Err(_) => return Err(Failure::Broken(used)),
            }
        }
    }
}

/// Decodes a body that is declared as `deflate`.
pub(super) struct Deflate {
    inflate: Inflate,
    at: At,
    /// The first two bytes, which may be a zlib header.
    head: [u8; 2],
    /// The range of bytes in `head` that were not decoded yet.
    waiting: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Data {
        zlib: bool,
    },
    /// In the checksum or after it; this many bytes of it are left.
    Trailer(usize),
}

impl Deflate {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        Some(Self {
            inflate: Inflate::new(budget, limit)?,
            at: At::Head,
            head: [0; 2],
            waiting: (0, 0),
        })
    }

    /// Decides by the first two bytes.
    fn head(&mut self, used: usize, sink: Sink<'_>) -> Result<(), Failure> {
        let [method, flags] = self.head;
        // A zlib header: method 8 with a window of at most 32 KiB, and both bytes together a
        // multiple of 31. Raw deflate data looks like this only if it starts with a stored block
        // after odd padding.
        let checked = u16::from_be_bytes(self.head).checked_rem(31) == Some(0);
        // As raw deflate data, 0x78 is such a stored block whatever the check bits are.
        let zlib = method & 0x0f == 8 && method >> 4 <= 7 && (checked || method == 0x78);
        // The stream requires a preset dictionary, which is not available. Or it is HTML or JSON,
        // which raw deflate would decode to noise without an error.
        if zlib && flags & 0x20 != 0 || is_text(self.head) {
            return Err(Failure::Broken(used));
        }
        self.at = At::Data { zlib };
        if !zlib {
            let head = self.head;
            match self.inflate.push(&head, sink) {
                Ok((taken, over)) => {
                    self.waiting.0 = taken;
                    if over {
                        self.at = At::Trailer(0);
                    }
                }
                Err(Failure::Broken(taken)) => {
                    self.waiting.0 = taken;
                    return Err(Failure::Broken(used));
                }
                Err(Failure::OverBudget(_)) => return Err(Failure::OverBudget(used)),
                Err(Failure::ExpansionLimit(_)) => return Err(Failure::ExpansionLimit(used)),
            }
            if self.waiting.0 < 2 {
                return Err(Failure::Broken(used));
            }
        }
        self.waiting = (0, 0);
        Ok(())
    }
}

/// Whether the bytes start text; deflate data hardly ever starts like this.
const fn is_text(head: [u8; 2]) -> bool {
    match head {
        [b'<', next] => next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'),
        [b'{', next] => next.is_ascii_whitespace() || matches!(next, b'"' | b'}'),
        [b'[', next] => next.is_ascii_whitespace() || matches!(next, b'"' | b'{' | b'[' | b']'),
        _ => false,
    }
}

impl Decoder for Deflate {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        let mut used = 0_usize;
        loop {
            let Some((first, rest)) = bytes.get(used..).and_then(<[u8]>::split_first) else {
                return Ok(());
            };
            match self.at {
                At::Head => {
                    used = used.saturating_add(1);
                    if let Some(place) = self.head.get_mut(self.waiting.1) {
                        *place = *first;
                        self.waiting.1 = self.waiting.1.saturating_add(1);
                    }
                    if self.waiting.1 == self.head.len() {
                        self.head(used, sink)?;
                    }
                }
                At::Data { zlib } => {
                    let data = bytes.get(used..).unwrap_or_default();
                    let (taken, over) = self
                        .inflate
                        .push(data, sink)
                        .map_err(|failure| failure.after(used))?;
                    used = used.saturating_add(taken);
                    if over {
                        self.at = At::Trailer(if zlib { 4 } else { 0 });
                    }
                }
                At::Trailer(0) => return Err(Failure::Broken(used)),
                At::Trailer(left) => {
                    let skipped = left.min(rest.len().saturating_add(1));
                    used = used.saturating_add(skipped);
                    self.at = At::Trailer(left.saturating_sub(skipped));
                }
            }
        }
    }

    fn held(&self) -> &[u8] {
        let (from, to) = self.waiting;
        self.head.get(from..to).unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        matches!(self.at, At::Trailer(_))
    }
}

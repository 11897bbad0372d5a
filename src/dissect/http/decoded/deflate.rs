//! `deflate`: zlib streams (RFC 1950), and what many servers send under that name, deflate data
//! alone (RFC 1951). Checksums are not compared: a wrong one says that something is amiss, not
//! what.

use flate2::{Decompress, FlushDecompress, Status};

use super::stage::{Decoder, Failure, Sink};
use crate::dissect::budget::{Budget, Reservation};

/// What an [`Inflate`] allocates: a window of 32 KiB, and tables.
const MEMORY: usize = 48 << 10;
/// As large as the window, so that nothing that was decoded in front of a mistake is left in it.
const ROOM: usize = 32 << 10;

/// Unpacks deflate data. It allocates nothing before the first byte.
pub(super) struct Inflate {
    state: Option<Decompress>,
    _charge: Reservation,
}

impl Inflate {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        let charge = Reservation::new(budget, MEMORY, limit)?;
        Some(Self {
            state: None,
            _charge: charge,
        })
    }

    /// Begins other data.
    pub(super) fn restart(&mut self) {
        if let Some(state) = &mut self.state {
            state.reset(false);
        }
    }

    /// Takes bytes; says how many belong to the data, and whether that is over.
    pub(super) fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(usize, bool), Failure> {
        let state = self.state.get_or_insert_with(|| Decompress::new(false));
        #[expect(
            clippy::large_stack_arrays,
            reason = "on the heap each open body would have one"
        )]
        let mut room = [0; ROOM];
        let mut used = 0_usize;
        loop {
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let input = bytes.get(used..).unwrap_or_default();
            let status = state.decompress(input, &mut room, FlushDecompress::None);
            let taken = state.total_in().saturating_sub(before_in) as usize;
            let given = state.total_out().saturating_sub(before_out) as usize;
            used = used.saturating_add(taken);
            sink(room.get(..given).unwrap_or_default())
                .map_err(|_| Failure::ExpansionLimit(used))?;
            match status {
                Ok(Status::StreamEnd) => return Ok((used, true)),
                // Its window may hold more although the input is used up.
                Ok(_) if taken > 0 || given > 0 => {}
                Ok(_) if used >= bytes.len() => return Ok((used, false)),
                Ok(_) | Err(_) => return Err(Failure::Broken(used)),
            }
        }
    }
}

/// Unpacks what is called `deflate`.
pub(super) struct Deflate {
    inflate: Inflate,
    at: At,
    /// The first two bytes: a zlib header, or not.
    head: [u8; 2],
    /// Of those, which wait.
    waiting: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Data {
        zlib: bool,
    },
    /// In the checksum, or behind it; this many bytes of it are left.
    Behind(usize),
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

    /// Looks at the two first bytes.
    fn head(&mut self, used: usize, sink: Sink<'_>) -> Result<(), Failure> {
        let [method, flags] = self.head;
        // Deflate with a window of at most 32 KiB; together a multiple of 31. Deflate data would
        // have to begin with a stored block behind odd padding to look like this.
        let checked = u16::from_be_bytes(self.head).checked_rem(31) == Some(0);
        // As deflate data 0x78 is that stored block, whatever the check bits are.
        let zlib = method & 0x0f == 8 && method >> 4 <= 7 && (checked || method == 0x78);
        // It wants a dictionary, which only its makers know; or it is a page or JSON, which as
        // deflate data is noise with no mistake in it.
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
                        self.at = At::Behind(0);
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

/// Text begins like this, and deflate data hardly ever.
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
                        .map_err(|failure| failure.behind(used))?;
                    used = used.saturating_add(taken);
                    if over {
                        self.at = At::Behind(if zlib { 4 } else { 0 });
                    }
                }
                At::Behind(0) => return Err(Failure::Broken(used)),
                At::Behind(left) => {
                    let skipped = left.min(rest.len().saturating_add(1));
                    used = used.saturating_add(skipped);
                    self.at = At::Behind(left.saturating_sub(skipped));
                }
            }
        }
    }

    fn held(&self) -> &[u8] {
        let (from, to) = self.waiting;
        self.head.get(from..to).unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        matches!(self.at, At::Behind(_))
    }
}

//! Where text goes: gathered by record, written when somebody waits for it.

use std::io::{self, Write};

/// The output. Records are put together in [`Self::text`] and given away by [`Self::record`].
pub struct Out {
    writer: Box<dyn Write>,
    text: Vec<u8>,
    /// Somebody flushes when there is nothing more to gather, or nobody waits: a file is replayed, and not onto a terminal.
    gather: bool,
}

/// Gathered at most.
const GATHERED: usize = 64 << 10;

impl Out {
    /// Write to `writer`; with `gather`, in large pieces.
    #[must_use]
    pub fn new(writer: Box<dyn Write>, gather: bool) -> Self {
        Self {
            writer,
            text: Vec::with_capacity(GATHERED),
            gather,
        }
    }

    /// The text of the record that is being put together.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// A record is complete.
    pub(super) fn record(&mut self) -> io::Result<()> {
        if self.gather && self.text.len() < GATHERED {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Write what was gathered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let result = self
            .writer
            .write_all(&self.text)
            .and_then(|()| self.writer.flush());
        self.text.clear();
        result
    }
}

//! The output of a renderer: collects the text of a record, then writes it. A record is either
//! written at once, or buffered up to 64 KiB.

use std::io::{self, Write};

/// An output. Renderers append a record to [`Self::text`] and end it with [`Self::record`].
pub struct Out {
    writer: Box<dyn Write>,
    text: Vec<u8>,
    /// Buffer several records. Safe if the caller flushes whenever it idles, or if nobody waits for
    /// the output: a file is replayed, and not to a terminal.
    buffered: bool,
}

/// Bytes buffered before a write.
const BUFFER_SIZE: usize = 64 << 10;

impl Out {
    /// Creates an output to `writer`. With `buffered`, several records are written at once.
    #[must_use]
    pub fn new(writer: Box<dyn Write>, buffered: bool) -> Self {
        Self {
            writer,
            text: Vec::with_capacity(BUFFER_SIZE),
            buffered,
        }
    }

    /// Text of the current record.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends a record.
    pub(super) fn record(&mut self) -> io::Result<()> {
        if self.buffered && self.text.len() < BUFFER_SIZE {
            Ok(())
        } else {
            self.flush()
        }
    }

    /// Writes what is buffered.
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

//! The decoder of chunks (RFC 9112 section 7.1) in a body whose end is known without them, since
//! its head does not declare them. It buffers one line of at most 1 KiB.

use super::stage::{Decoder, Failure, Sink};
use crate::dissect::http1::body::{any_chunk_size, chunk_size};

/// Maximum length of a line of the framing, in bytes.
const LINE: usize = 1024;

/// Decodes chunks.
#[derive(Default)]
pub(super) struct Dechunk {
    at: At,
    /// The current line, as far as it was received.
    line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum At {
    #[default]
    Size,
    /// This many bytes of data are left.
    Data(u64),
    /// Before the line end after a chunk.
    AfterData,
    /// After the last chunk, before the empty line.
    End,
    /// After the empty line: no byte may follow.
    Over,
}

impl Dechunk {
    /// Parses the current line, which is complete. Returns false if it is malformed.
    fn read_line(&mut self) -> bool {
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let is_blank = line.iter().all(|byte| *byte <= b' ');
        match self.at {
            At::Size if is_blank => {}
            At::Size => match chunk_size(line).or_else(|| any_chunk_size(line)) {
                Some(0) => self.at = At::End,
                Some(size) => self.at = At::Data(size),
                None => return false,
            },
            At::AfterData if is_blank => self.at = At::Size,
            At::End if is_blank => self.at = At::Over,
            At::AfterData | At::End => return false,
            At::Data(_) | At::Over => {}
        }
        self.line.clear();
        true
    }
}

impl Decoder for Dechunk {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        let mut used = 0_usize;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            match self.at {
                At::Over => return Err(Failure::Broken(used)),
                At::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    sink(rest.get(..len).unwrap_or_default())
                        .map_err(|_| Failure::ExpansionLimit(used))?;
                    used = used.saturating_add(len);
                    self.at = match left.saturating_sub(len as u64) {
                        0 => At::AfterData,
                        left => At::Data(left),
                    };
                }
                At::Size | At::AfterData | At::End => {
                    let end = memchr::memchr(b'\n', rest).map(|at| at.saturating_add(1));
                    let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    if self.line.len().saturating_add(part.len()) > LINE {
                        return Err(Failure::Broken(used));
                    }
                    self.line.extend_from_slice(part);
                    if end.is_some() && !self.read_line() {
                        // The whole line is emitted as sent, including the part received earlier.
                        let known = self.line.len().saturating_sub(part.len());
                        self.line.truncate(known);
                        return Err(Failure::Broken(used));
                    }
                    used = used.saturating_add(part.len());
                }
            }
        }
        Ok(())
    }

    fn held(&self) -> &[u8] {
        &self.line
    }

    fn is_done(&self) -> bool {
        matches!(self.at, At::End | At::Over)
    }

    fn reserved(&self) -> usize {
        0
    }
}

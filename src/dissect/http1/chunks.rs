//! Chunked bodies: the framing of chunks (RFC 9112 section 7.1), the trailer fields, and what
//! remains of a body after a gap. No input fails: where the framing is malformed, the rest of the
//! body is emitted as sent.

use memchr::memchr;

use super::super::output::Output;
use super::super::{Input, Malformed, ProbeResult, Progress, Then};
use super::body::looks_chunked;
use super::start_line::probe;
use super::{Http1, Stage, body};
use crate::message::Part;

/// Maximum length of a chunk's first line and of a trailer line, in bytes.
const LINE: usize = 8 << 10;

impl Http1 {
    /// Parses the first line of a chunk, `looked` bytes of which contain no line end.
    pub(super) fn chunk_size(
        &mut self,
        input: &Input<'_>,
        looked: usize,
        out: &mut Output<'_>,
    ) -> Progress {
        let dir = input.dir;
        let line = match line(input.bytes, looked, out.limits.head) {
            Line::Whole(line) => line,
            Line::Begun(len) if looks_chunked(input.bytes) != Some(false) => {
                self.directions.of_mut(dir).stage = Stage::ChunkSize(len);
                return Progress::need(0, len.saturating_add(1));
            }
            Line::Begun(_) | Line::TooLong => return self.no_chunk(input, out),
        };
        let body = self.bodies.of_mut(dir);
        let consumed = line.len().saturating_add(1);
        let framing = input.bytes.get(..consumed).unwrap_or_default();
        let size = match body::chunk_size(line) {
            Some(size) => {
                if body.is_empty() && !line.ends_with(b"\r") {
                    // The first line of a text may be a number on its own.
                    body.search_as_sent(dir.into(), out);
                }
                size
            }
            None if line.iter().all(|byte| *byte <= b' ') => {
                body.read_as("chunked");
                body.framing(dir.into(), framing, out);
                self.directions.of_mut(dir).stage = Stage::ChunkSize(0);
                return Progress::need(consumed, 1);
            }
            None => {
                let Some(size) = body::odd_chunk_size(line) else {
                    return self.no_chunk(input, out);
                };
                if body.is_empty() {
                    body.search_as_sent(dir.into(), out);
                }
                body.read_as("chunked");
                size
            }
        };
        body.framing(dir.into(), framing, out);
        if size == 0 {
            body.finish(dir.into(), true, out);
            self.directions.of_mut(dir).stage = Stage::Trailer {
                looked: 0,
                any: false,
            };
            return Progress::need(consumed, 1);
        }
        self.directions.of_mut(dir).stage = Stage::Chunk;
        Progress {
            consumed,
            then: Then::Body(size),
        }
    }

    /// Handles bytes that are no chunk where one should start. If a message starts there, its
    /// sender omitted the last chunk. Otherwise all bytes are body until a segment starts with a
    /// start line.
    fn no_chunk(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let dir = input.dir;
        match probe(input.bytes) {
            ProbeResult::Certain => {
                self.break_off(dir, out);
                return Progress::need(0, 1);
            }
            ProbeResult::Likely { need } => return Progress::need(0, need),
            ProbeResult::Unsure { .. } | ProbeResult::NotForUs => {}
        }
        out.stats.malformed = out.stats.malformed.saturating_add(1);
        let body = self.bodies.of_mut(dir);
        body.read_without_chunks();
        body.push(dir.into(), input.bytes, out);
        self.directions.of_mut(dir).stage = Stage::Lost;
        Progress::need(input.bytes.len(), 1)
    }

    /// Parses the line end after a chunk.
    pub(super) fn chunk_end(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let consumed = match input.bytes {
            [] => return Progress::need(0, 1),
            [b'\r'] => return Progress::need(0, 2),
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return self.no_chunk(input, out),
        };
        let framing = input.bytes.get(..consumed).unwrap_or_default();
        self.bodies
            .of(input.dir)
            .framing(input.dir.into(), framing, out);
        self.directions.of_mut(input.dir).stage = Stage::ChunkSize(0);
        Progress::need(consumed, 1)
    }

    /// Parses a line after the last chunk. `any` means that it is not the first.
    pub(super) fn trailer(
        &mut self,
        input: &Input<'_>,
        looked: usize,
        any: bool,
        out: &mut Output<'_>,
    ) -> Result<Progress, Malformed> {
        let state = self.directions.of_mut(input.dir);
        let line = match line(input.bytes, looked, out.limits.head) {
            Line::Whole(line) => line,
            Line::Begun(looked) => {
                state.stage = Stage::Trailer { looked, any };
                return Ok(Progress::need(0, looked.saturating_add(1)));
            }
            Line::TooLong => return Err(self.give_up(input.dir, 0, out)),
        };
        let consumed = line.len().saturating_add(1);
        let last = matches!(line, [] | [b'\r']);
        if last && !any {
            let framing = input.bytes.get(..consumed).unwrap_or_default();
            self.bodies
                .of(input.dir)
                .framing(input.dir.into(), framing, out);
        } else {
            out.text(
                input.dir,
                Part::Trailer,
                input.bytes.get(..consumed).unwrap_or_default(),
            );
        }
        if last {
            return Ok(self.over(input.dir, consumed, out));
        }
        state.stage = Stage::Trailer {
            looked: 0,
            any: true,
        };
        Ok(Progress::need(consumed, 1))
    }

    /// Parses a body after a gap in its chunks: all bytes are body until a segment starts with a
    /// start line.
    pub(super) fn lost_body(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let probed = if input.at_segment_start {
            probe(input.bytes)
        } else {
            ProbeResult::NotForUs
        };
        match probed {
            ProbeResult::Certain => {
                self.break_off(input.dir, out);
                Progress::need(0, 1)
            }
            ProbeResult::Likely { need } => Progress::need(0, need),
            ProbeResult::Unsure { .. } | ProbeResult::NotForUs => {
                self.bodies
                    .of_mut(input.dir)
                    .push(input.dir.into(), input.bytes, out);
                Progress::need(input.bytes.len(), 1)
            }
        }
    }
}

/// The state of a line of chunk framing or of a trailer.
enum Line<'a> {
    /// The line is complete; its line feed is not included.
    Whole(&'a [u8]),
    /// This many bytes contain no line feed.
    Begun(usize),
    /// The line exceeds the limit.
    TooLong,
}

/// The line at the start of `bytes`, the first `looked` of which contain no line feed.
fn line(bytes: &[u8], looked: usize, limit: usize) -> Line<'_> {
    let limit = limit.min(LINE);
    let window = bytes.get(..limit).unwrap_or(bytes);
    match memchr(b'\n', window.get(looked..).unwrap_or_default()) {
        Some(at) => Line::Whole(window.get(..looked.saturating_add(at)).unwrap_or_default()),
        None if window.len() < limit => Line::Begun(window.len()),
        None => Line::TooLong,
    }
}

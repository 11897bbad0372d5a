//! The state of one direction of a stream: its mode, its buffered bytes, and its raw bursts. The
//! buffer holds at most [`crate::limits::Limits::head`] bytes; its allocation is freed when it is
//! empty and larger than 16 KiB.

use super::driver::Raw;
use super::output::Output;
use super::raw::Burst;
use super::{Dissector, Missed, Seek, preamble};
use crate::flow::Direction;
use crate::stream::PacketInfo;

/// Largest allocation of an empty buffer that is kept for reuse, in bytes. There may be very many
/// idle connections.
const KEPT: usize = 512;
/// Position of a byte in its direction: offset in the stream and TCP sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) seq: u32,
}

impl Place {
    /// The position `len` bytes later.
    pub(super) const fn plus(self, len: u64) -> Self {
        Self {
            offset: self.offset.saturating_add(len),
            seq: self.seq.wrapping_add(len as u32),
        }
    }

    /// The position `len` bytes earlier.
    pub(super) const fn minus(self, len: u64) -> Self {
        Self {
            offset: self.offset.saturating_sub(len),
            seq: self.seq.wrapping_sub(len as u32),
        }
    }

    /// Offset of the byte with the sequence number `seq`, which must be within 2 GiB of this one.
    /// Negative if it precedes the first known byte.
    pub(super) const fn of(self, seq: u32) -> i64 {
        let distance = seq.wrapping_sub(self.seq).cast_signed();
        self.offset.cast_signed().saturating_add(distance as i64)
    }
}

/// Mode, buffered bytes and bursts of one direction.
pub(super) struct DirectionBuffer {
    /// What to do with the next byte.
    pub(super) mode: Mode,
    /// Buffered bytes: received and not consumed.
    pub(super) waiting: Vec<u8>,
    /// The packet of the first buffered byte.
    pub(super) first: PacketInfo,
    /// Whether the first buffered byte is the first of its segment.
    pub(super) at_segment_start: bool,
    /// In [`Mode::Raw`]: the buffered bytes are held until the rest arrives, however long that
    /// takes ([`super::ProbeResult::Likely`]).
    pub(super) likely: bool,
    /// Raw bursts before, between and after the dissected bytes.
    pub(super) burst: Burst,
    /// Position of the next byte; `None` until the first byte was seen.
    pub(super) place: Option<Place>,
    /// Bytes that were lost while the flow had no dissector.
    pub(super) missed: Option<Missed>,
}

impl Default for DirectionBuffer {
    fn default() -> Self {
        Self {
            mode: Mode::Raw,
            waiting: Vec::new(),
            first: PacketInfo::default(),
            at_segment_start: false,
            likely: false,
            burst: Burst::new(),
            place: None,
            missed: None,
        }
    }
}

impl DirectionBuffer {
    /// Returns whether a pause would end a burst or release buffered bytes.
    pub(super) fn may_pause(&self) -> bool {
        self.mode == Mode::Raw
            && (self.burst.is_open() || (!self.waiting.is_empty() && !self.likely))
    }

    /// Emits the buffered bytes as a raw burst, and ends the burst.
    pub(super) fn flush(
        &mut self,
        dir: Direction,
        dissector: Option<&mut Box<dyn Dissector>>,
        out: &mut Output<'_>,
    ) {
        let mut waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let by = std::mem::replace(&mut out.by, self.burst.last());
            self.emit_raw(dir, &waiting, self.first, dissector, out);
            out.by = by;
        }
        waiting.clear();
        self.put_back(waiting);
        self.burst.close(dir, out);
    }

    /// Emits bytes as a raw burst. `first` is the packet of the first byte.
    pub(super) fn emit_raw(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        first: PacketInfo,
        dissector: Option<&mut Box<dyn Dissector>>,
        out: &mut Output<'_>,
    ) {
        if let Some(dissector) = dissector
            && !self.burst.is_open()
        {
            dissector.missed(dir, Missed::UNREAD);
        }
        self.burst.rule_out_start();
        self.burst.text(dir, bytes, &first, out);
    }

    /// Looks for the start of a message after bytes that no probe recognises. `None` means that all
    /// of them are raw.
    #[cold]
    pub(super) fn seek(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        first: PacketInfo,
        dissector: Option<&mut Box<dyn Dissector>>,
        out: &mut Output<'_>,
    ) -> Option<Raw> {
        let found = match &dissector {
            Some(dissector) => dissector.seek(dir, bytes),
            None => Seek::Nowhere,
        };
        let found = match found {
            Seek::Nowhere => preamble::seek(bytes, out.flow),
            found => found,
        };
        match found {
            Seek::At(0) => {
                self.burst.finish(dir, out);
                self.mode = Mode::Need(1);
                Some(Raw::Recognised)
            }
            Seek::At(at) => {
                let before = bytes.get(..at).unwrap_or(bytes);
                self.emit_raw(dir, before, first, dissector, out);
                self.burst.close(dir, out);
                Some(Raw::Part(before.len()))
            }
            Seek::Unsure if bytes.len() < out.limits.head => {
                self.likely = false;
                Some(Raw::NeedMore)
            }
            Seek::Unsure | Seek::Nowhere => None,
        }
    }

    /// Makes `waiting` the buffer again. An empty one that is larger than [`KEPT`] is freed.
    pub(super) fn put_back(&mut self, waiting: Vec<u8>) {
        self.waiting = if waiting.is_empty() && waiting.capacity() > KEPT {
            Vec::new()
        } else {
            waiting
        };
    }
}

/// What to do with the next byte of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// It belongs to a raw burst, or starts something that is recognised.
    Raw,
    /// The dissector is called once this many bytes are available.
    Need(usize),
    /// This many bytes of a body follow.
    Body(u64),
    /// This many bytes of framing follow.
    Skip(u64),
}

/// Splits off the part of `bytes` that belongs to the `left` bytes. Returns it, and the mode of the
/// byte after it.
pub(super) fn share(bytes: &[u8], left: u64, mode: fn(u64) -> Mode) -> (&[u8], Mode) {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (
        bytes.get(..len).unwrap_or_default(),
        less(left, len as u64, mode),
    )
}

/// The mode after `len` of `left` bytes: the dissector is called at 0, and `u64::MAX` never ends.
pub(super) fn less(left: u64, len: u64, mode: fn(u64) -> Mode) -> Mode {
    match left.saturating_sub(len) {
        _ if left == u64::MAX => mode(left),
        0 => Mode::Need(0),
        left => mode(left),
    }
}

//! One *half* of a talk: a direction's mode, the bytes of it that wait, and its bursts.

use super::driver::Raw;
use super::output::Output;
use super::raw::Burst;
use super::{Dissector, Missed, Seek, preamble};
use crate::flow::Direction;
use crate::stream::PacketInfo;

/// The largest buffer that a direction keeps for use again while it is empty. There may be very
/// many idle connections: a larger buffer is freed.
const KEPT: usize = 512;
/// Where a byte stands in its direction: as an offset, and as it was numbered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) seq: u32,
}

impl Place {
    /// So many bytes further on.
    pub(super) const fn plus(self, len: u64) -> Self {
        Self {
            offset: self.offset.saturating_add(len),
            seq: self.seq.wrapping_add(len as u32),
        }
    }

    /// So many bytes before.
    pub(super) const fn minus(self, len: u64) -> Self {
        Self {
            offset: self.offset.saturating_sub(len),
            seq: self.seq.wrapping_sub(len as u32),
        }
    }

    /// The offset of the byte with the sequence number `seq`, which is not far from here: negative
    /// in front of the first one that is known.
    pub(super) const fn of(self, seq: u32) -> i64 {
        let distance = seq.wrapping_sub(self.seq).cast_signed();
        self.offset.cast_signed().saturating_add(distance as i64)
    }
}

/// One direction.
pub(super) struct DirectionBuffer {
    /// What is done with the next byte.
    pub(super) mode: Mode,
    /// Bytes that were seen and not consumed.
    pub(super) waiting: Vec<u8>,
    /// What brought the first of them.
    pub(super) first: PacketInfo,
    /// It was the first of its segment.
    pub(super) at_segment_start: bool,
    /// In [`Mode::Raw`]: what waits is worth waiting for, however long the rest takes.
    pub(super) likely: bool,
    /// Its raw bursts, before, between and behind what is dissected.
    pub(super) burst: Burst,
    /// Where the next byte is, once one was seen.
    pub(super) place: Option<Place>,
    /// Bytes that were lost when there was no dissector to be told of them.
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
    /// Whether a pause would end something.
    pub(super) fn may_pause(&self) -> bool {
        self.mode == Mode::Raw
            && (self.burst.is_open() || (!self.waiting.is_empty() && !self.likely))
    }

    /// Tells what waits as a raw burst, and ends the burst.
    pub(super) fn settle(
        &mut self,
        dir: Direction,
        dissector: Option<&mut Box<dyn Dissector>>,
        out: &mut Output<'_>,
    ) {
        let mut waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let by = std::mem::replace(&mut out.by, self.burst.last());
            self.tell_raw(dir, &waiting, self.first, dissector, out);
            out.by = by;
        }
        waiting.clear();
        self.put_back(waiting);
        self.burst.close(dir, out);
    }

    /// Tells bytes as a raw burst; the first of them came with `first`.
    pub(super) fn tell_raw(
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
        self.burst.settle_for_raw();
        self.burst.text(dir, bytes, &first, out);
    }

    /// Looks for the beginning of something behind bytes that are the beginning of nothing. `None`:
    /// all are raw.
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
                self.tell_raw(dir, before, first, dissector, out);
                self.burst.close(dir, out);
                Some(Raw::Part(before.len()))
            }
            Seek::Unsure if bytes.len() < out.limits.head => {
                self.likely = false;
                Some(Raw::Waits)
            }
            Seek::Unsure | Seek::Nowhere => None,
        }
    }

    /// Goes on waiting in this buffer, which keeps its room unless that is large.
    pub(super) fn put_back(&mut self, waiting: Vec<u8>) {
        self.waiting = if waiting.is_empty() && waiting.capacity() > KEPT {
            Vec::new()
        } else {
            waiting
        };
    }
}

/// What is done with the next byte of a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// It belongs to a raw burst, or begins something.
    Raw,
    /// The dissector is asked when there are this many.
    Need(usize),
    /// It is body.
    Body(u64),
    /// It is framing.
    Skip(u64),
}

/// The part of `bytes` that belongs to the `left` bytes, and what is to be done behind it.
pub(super) fn share(bytes: &[u8], left: u64, mode: fn(u64) -> Mode) -> (&[u8], Mode) {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (
        bytes.get(..len).unwrap_or_default(),
        less(left, len as u64, mode),
    )
}

/// `left` without `len`: at 0 the dissector is asked, `u64::MAX` has no end.
pub(super) fn less(left: u64, len: u64, mode: fn(u64) -> Mode) -> Mode {
    match left.saturating_sub(len) {
        _ if left == u64::MAX => mode(left),
        0 => Mode::Need(0),
        left => mode(left),
    }
}

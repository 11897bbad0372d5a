//! The stream driver: recognises the protocol in the streams of a flow, passes the bytes to its
//! dissector, and falls back to raw bursts. It is the only place that buffers stream bytes, at most
//! [`crate::limits::Limits::head`] of them in each direction, and it contains nothing specific to a
//! protocol.

use super::direction::{DirectionBuffer, Mode, less, share};
use super::output::Output;
use super::{
    Dissector, Gap, Input, Malformed, Missed, PROTOCOLS, PerDirection, Place, ProbeResult,
    Protocol, Then, recognise,
};
use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::TcpFlags;
use crate::stream::{Ending, GapReason, PacketInfo};

/// Maximum number of consecutive steps of a dissector that consume nothing. One that exceeds it is
/// treated as malformed, so that every call ends.
const STEPS: u8 = 8;

/// The part of a [`super::FlowDissector`] that only a flow with stream data needs.
#[derive(Default)]
pub(super) struct StreamDriver {
    directions: PerDirection<DirectionBuffer>,
    /// The dissector with its protocol's name. The name is empty after [`Then::Become`], since no
    /// probe recognises a successor.
    dissector: Option<(&'static str, Box<dyn Dissector>)>,
    /// A dissector of an earlier flow, reset for reuse.
    spare: Option<(&'static str, Box<dyn Dissector>)>,
}

impl StreamDriver {
    /// See [`super::FlowDissector::open_burst_since`].
    pub(super) fn open_burst_since(&self) -> Option<Timestamp> {
        let directions = [&self.directions.to_server, &self.directions.to_client];
        directions
            .into_iter()
            .filter(|buffer| buffer.may_pause())
            .map(|buffer| buffer.burst.since())
            .min()
    }

    /// Resets to the initial state, for use with another flow. Keeps the dissector for reuse.
    pub(super) fn reset(&mut self) {
        self.directions = PerDirection::default();
        if let Some((name, mut dissector)) = self.dissector.take() {
            dissector.reset();
            self.spare = Some((name, dissector));
        }
    }

    /// See [`super::FlowDissector::waits_since`].
    pub(super) fn waits_since(&self, dir: Direction) -> Option<&PacketInfo> {
        let buffer = self.directions.of(dir);
        (!buffer.waiting.is_empty()).then_some(&buffer.first)
    }

    /// Bytes of memory that this value has allocated.
    pub(super) fn held(&self) -> usize {
        let of = |half: &DirectionBuffer| half.waiting.capacity();
        let waiting = of(&self.directions.to_server).saturating_add(of(&self.directions.to_client));
        let dissectors = [&self.dissector, &self.spare];
        let dissectors = dissectors.into_iter().flatten();
        dissectors
            .map(|(_, dissector)| dissector.held())
            .fold(waiting, usize::saturating_add)
    }

    /// Records that a direction was joined midstream, unless some of its bytes were seen before.
    #[cold]
    #[inline(never)]
    pub(super) fn join(&mut self, dir: Direction) {
        let buffer = self.directions.of_mut(dir);
        if buffer.place.is_none() {
            miss(buffer, dissector(&mut self.dissector), dir, Missed::UNREAD);
        }
    }

    /// Takes the next bytes of a direction. `place` is the position of the first.
    pub(super) fn data(
        &mut self,
        dir: Direction,
        place: Place,
        bytes: &[u8],
        out: &mut Output<'_>,
    ) {
        let other = self.directions.of_mut(dir.reverse());
        if other.mode == Mode::Raw {
            other.flush(dir.reverse(), dissector(&mut self.dissector), out);
        }
        self.pause(dir, out.by.ts, out);

        let end = place.plus(bytes.len() as u64);
        self.take(dir, end, bytes, out);

        let push = out.by.flags.has(TcpFlags::PSH);
        let buffer = self.directions.of_mut(dir);
        buffer.place = Some(end);
        buffer.burst.touch(out.by);
        if push && buffer.mode == Mode::Raw && (buffer.waiting.is_empty() || !buffer.likely) {
            buffer.flush(dir, dissector(&mut self.dissector), out);
        }
    }

    /// Ends a direction's burst if `now` is at least a pause after its last byte. Bytes that are
    /// likely to start a message stay buffered.
    pub(super) fn pause(&mut self, dir: Direction, now: Timestamp, out: &mut Output<'_>) {
        let buffer = self.directions.of_mut(dir);
        let worth_waiting = buffer.likely && !buffer.waiting.is_empty();
        if buffer.mode == Mode::Raw && !worth_waiting && buffer.burst.is_over(now) {
            buffer.flush(dir, dissector(&mut self.dissector), out);
        }
    }

    /// Processes the buffered bytes and `bytes`, which end before `end`. Unconsumed bytes are
    /// buffered.
    fn take(&mut self, dir: Direction, end: Place, bytes: &[u8], out: &mut Output<'_>) {
        let mut rest = bytes;
        let mut fresh = true;
        while !rest.is_empty() {
            let buffer = self.directions.of_mut(dir);
            if buffer.waiting.is_empty() {
                let used = self.pass((dir, end), rest, 0, fresh, out);
                let left = rest.get(used..).unwrap_or_default();
                if !left.is_empty() {
                    let buffer = self.directions.of_mut(dir);
                    buffer.first = out.by;
                    buffer.at_segment_start = fresh && used == 0;
                    buffer.waiting.extend_from_slice(left);
                }
                return;
            }
            let mut held = std::mem::take(&mut buffer.waiting);
            let before = held.len();
            let space = out.limits.head.saturating_sub(before).clamp(1, rest.len());
            held.extend_from_slice(rest.get(..space).unwrap_or_default());
            let at = end.minus(rest.len().saturating_sub(space) as u64);
            let used = self.pass((dir, at), &held, before, fresh, out);
            let buffer = self.directions.of_mut(dir);
            if let Some(of_rest) = used.checked_sub(before) {
                held.clear();
                rest = rest.get(of_rest..).unwrap_or_default();
                fresh = fresh && of_rest == 0;
            } else {
                held.drain(..used);
                rest = rest.get(space..).unwrap_or_default();
                fresh = false;
            }
            buffer.put_back(held);
        }
    }

    /// Processes `bytes`, which end before `end`, until fewer are left than the next step requires.
    /// Returns how many were used. The first `held` bytes come from the buffer, the others are
    /// borrowed from the segment; `fresh` means that the first borrowed byte is the first of its
    /// segment.
    fn pass(
        &mut self,
        (dir, end): (Direction, Place),
        bytes: &[u8],
        held: usize,
        fresh: bool,
        out: &mut Output<'_>,
    ) -> usize {
        let mut used = 0;
        let mut steps = 0;
        let mut recognised = false;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let buffer = self.directions.of_mut(dir);
            let (first, at_segment_start) = if used < held {
                (buffer.first, used == 0 && buffer.at_segment_start)
            } else {
                (out.by, used == held && fresh)
            };
            let done = match buffer.mode {
                Mode::Raw => match self.raw(dir, rest, first, at_segment_start, out) {
                    Raw::Emitted => return bytes.len(),
                    Raw::Part(len) => len,
                    Raw::NeedMore => return used,
                    Raw::Recognised => {
                        recognised = true;
                        0
                    }
                },
                Mode::Need(need) if rest.len() < need => return used,
                Mode::Body(_) | Mode::Skip(_) if rest.is_empty() => return used,
                Mode::Need(_) => self.step(
                    &Input {
                        dir,
                        bytes: rest,
                        first,
                        place: end.minus(rest.len() as u64),
                        other: self.directions.of(dir.reverse()).place,
                        at_segment_start,
                        recognised: std::mem::take(&mut recognised),
                    },
                    steps,
                    out,
                ),
                Mode::Body(left) => {
                    let (now, then) = share(rest, left, Mode::Body);
                    buffer.mode = then;
                    if let Some(dissector) = dissector(&mut self.dissector) {
                        dissector.body(dir, now, out);
                    }
                    now.len()
                }
                Mode::Skip(left) => {
                    let (now, then) = share(rest, left, Mode::Skip);
                    buffer.mode = then;
                    out.framing(now.len());
                    now.len()
                }
            };
            used = used.saturating_add(done).min(bytes.len());
            steps = if done == 0 {
                steps.saturating_add(1)
            } else {
                0
            };
        }
    }

    /// Lets the dissector take one step. Returns how many bytes it consumed.
    fn step(&mut self, input: &Input<'_>, steps: u8, out: &mut Output<'_>) -> usize {
        let result = match dissector(&mut self.dissector) {
            Some(dissector) if steps < STEPS => dissector.data(input, out),
            _ => Err(Malformed {
                consumed: 0,
                continues: false,
            }),
        };
        match result {
            Ok(progress) => {
                self.apply(input.dir, progress.then, out);
                progress.consumed
            }
            Err(Malformed {
                consumed,
                continues,
            }) => {
                self.malformed(input.dir, continues, out);
                consumed
            }
        }
    }

    /// Enters the mode that the dissector returned.
    fn apply(&mut self, dir: Direction, then: Then, out: &mut Output<'_>) {
        let mode = match then {
            Then::Need(need) if need > out.limits.head => {
                return self.malformed(dir, false, out);
            }
            Then::Need(need) => Mode::Need(need),
            Then::Body(0) | Then::Skip(0) => Mode::Need(0),
            Then::Body(len) => Mode::Body(len),
            Then::Skip(len) => Mode::Skip(len),
            Then::Raw => {
                self.directions.of_mut(dir).burst.enter(true, false);
                Mode::Raw
            }
            Then::Become(next) => {
                self.dissector = Some(("", next));
                self.directions.of_mut(dir.reverse()).mode = Mode::Need(1);
                Mode::Need(1)
            }
            Then::Upgrade(upgrade) => {
                let mut known = PROTOCOLS.iter();
                let known = known.find(|protocol| protocol.name == upgrade.protocol);
                if let Some(protocol) = known {
                    let mut next = (protocol.start)();
                    next.succeed(&upgrade);
                    self.dissector = Some((protocol.name, next));
                    let other = self.directions.of_mut(dir.reverse());
                    other.burst.finish(dir.reverse(), out);
                    other.mode = Mode::Need(1);
                    Mode::Need(1)
                } else {
                    self.directions.of_mut(dir).burst.enter(true, false);
                    Mode::Raw
                }
            }
        };
        self.directions.of_mut(dir).mode = mode;
    }

    fn malformed(&mut self, dir: Direction, continues: bool, out: &mut Output<'_>) {
        out.stats.malformed = out.stats.malformed.saturating_add(1);
        let buffer = self.directions.of_mut(dir);
        buffer.mode = Mode::Raw;
        buffer.burst.enter(false, continues);
    }

    /// Emits raw bytes, unless they are or may be the start of something that is recognised.
    fn raw(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        first: PacketInfo,
        at_segment_start: bool,
        out: &mut Output<'_>,
    ) -> Raw {
        if bytes.is_empty() {
            return Raw::NeedMore;
        }
        let taken = self.directions.of(dir.reverse()).mode != Mode::Raw;
        let buffer = self.directions.of_mut(dir);
        if at_segment_start
            && !out.raw_only
            && let Some((_, dissector)) = &self.dissector
            && dissector.resumes(dir, bytes)
        {
            buffer.burst.finish(dir, out);
            buffer.mode = Mode::Need(1);
            return Raw::Recognised;
        }
        if buffer.burst.at_boundary() {
            let (probed, protocol) = if out.raw_only {
                (ProbeResult::NotForUs, None)
            } else {
                recognise(bytes, out.flow)
            };
            match (probed, protocol) {
                (ProbeResult::Certain, Some(protocol)) => {
                    let same = self
                        .dissector
                        .as_ref()
                        .is_some_and(|(name, _)| *name == protocol.name);
                    if same || !taken {
                        buffer.burst.finish(dir, out);
                        buffer.mode = Mode::Need(1);
                        if !same {
                            self.begin(protocol);
                        }
                        return Raw::Recognised;
                    }
                }
                (ProbeResult::Likely { need } | ProbeResult::Unsure { need }, _)
                    if need <= out.limits.head =>
                {
                    buffer.likely = matches!(probed, ProbeResult::Likely { .. });
                    return Raw::NeedMore;
                }
                (ProbeResult::NotForUs, _) if !out.raw_only => {
                    let dissector = dissector(&mut self.dissector);
                    if let Some(raw) = buffer.seek(dir, bytes, first, dissector, out) {
                        return raw;
                    }
                }
                _ => {}
            }
        }
        let buffer = self.directions.of_mut(dir);
        buffer.emit_raw(dir, bytes, first, dissector(&mut self.dissector), out);
        Raw::Emitted
    }

    /// Installs a dissector for `protocol`, and reports the bytes that were lost before there was
    /// one.
    fn begin(&mut self, protocol: &'static Protocol) {
        let spare = self.spare.take().filter(|(name, _)| *name == protocol.name);
        let (name, mut dissector) = spare.unwrap_or_else(|| (protocol.name, (protocol.start)()));
        for dir in [Direction::ToServer, Direction::ToClient] {
            if let Some(missed) = self.directions.of_mut(dir).missed.take() {
                dissector.missed(dir, missed);
            }
        }
        self.dissector = Some((name, dissector));
    }

    /// Passes the buffered bytes before a gap to the dissector if they start a message, since no
    /// more of them will arrive.
    fn begin_cut(&mut self, dir: Direction, out: &mut Output<'_>) {
        let buffer = self.directions.of_mut(dir);
        if buffer.waiting.is_empty() || matches!(buffer.mode, Mode::Body(_) | Mode::Skip(_)) {
            return;
        }
        if buffer.mode == Mode::Raw {
            let begins = buffer.likely && buffer.burst.at_boundary();
            let Some(protocol) = recognise(&buffer.waiting, out.flow).1.filter(|_| begins) else {
                return;
            };
            if !(protocol.cut)(&buffer.waiting) {
                return;
            }
            buffer.burst.finish(dir, out);
            let taken = self.directions.of(dir.reverse()).mode != Mode::Raw;
            match &self.dissector {
                Some((name, _)) if *name == protocol.name => {}
                _ if taken => return,
                _ => self.begin(protocol),
            }
        }
        let other = self.directions.of(dir.reverse()).place;
        let buffer = self.directions.of_mut(dir);
        let waiting = std::mem::take(&mut buffer.waiting);
        let place = buffer.place.unwrap_or_default();
        let input = Input {
            dir,
            bytes: &waiting,
            first: buffer.first,
            place: place.minus(waiting.len() as u64),
            other,
            at_segment_start: buffer.at_segment_start,
            recognised: false,
        };
        if let Some(dissector) = dissector(&mut self.dissector)
            && dissector.begin_cut(&input, out)
        {
            buffer.mode = Mode::Need(usize::MAX);
        }
        buffer.waiting = waiting;
    }

    /// Handles a gap of `len` bytes from `offset` on.
    pub(super) fn gap(
        &mut self,
        dir: Direction,
        (offset, len): (u64, u64),
        reason: GapReason,
        out: &mut Output<'_>,
    ) {
        self.begin_cut(dir, out);
        let buffer = self.directions.of_mut(dir);
        if !matches!(reason, GapReason::Acked | GapReason::Snaplen) {
            // The time of the missing bytes is unknown. What ends here had its last byte before
            // them.
            out.by = buffer.burst.last_or(out.by);
        }
        let untouched = buffer.place.is_none();
        buffer.place = buffer.place.map(|place| place.plus(len));
        let place = buffer.place.unwrap_or_default();
        let body = match buffer.mode {
            Mode::Raw => {
                let missed = Missed {
                    range: Some((offset, offset.saturating_add(len))),
                    boundary: untouched,
                };
                miss(buffer, dissector(&mut self.dissector), dir, missed);
                if !buffer.waiting.is_empty() {
                    let waiting = std::mem::take(&mut buffer.waiting);
                    buffer.emit_raw(
                        dir,
                        &waiting,
                        buffer.first,
                        dissector(&mut self.dissector),
                        out,
                    );
                }
                return buffer.burst.gap(dir, len, reason, out);
            }
            Mode::Body(left) if left >= len => {
                buffer.mode = less(left, len, Mode::Body);
                if let Some(dissector) = dissector(&mut self.dissector) {
                    dissector.body_gap(dir, len, reason, out);
                }
                self.pass((dir, place), &[], 0, false, out);
                return;
            }
            Mode::Skip(left) if left >= len => {
                buffer.mode = less(left, len, Mode::Skip);
                self.pass((dir, place), &[], 0, false, out);
                return;
            }
            Mode::Body(left) => left,
            Mode::Need(_) | Mode::Skip(_) => 0,
        };
        let waiting = std::mem::take(&mut buffer.waiting);
        let first = buffer.first;
        let Some(dissector_here) = dissector(&mut self.dissector) else {
            return;
        };
        let after = dissector_here.gap(
            &Gap {
                dir,
                offset,
                len,
                reason,
                body,
                waiting: &waiting,
            },
            out,
        );
        self.apply(dir, after.then, out);
        self.pass((dir, place), &[], 0, false, out);
        let buffer = self.directions.of_mut(dir);
        if buffer.mode == Mode::Raw {
            let rest = waiting.get(after.consumed..).unwrap_or_default();
            buffer.emit_raw(dir, rest, first, dissector(&mut self.dissector), out);
            let missing = len.saturating_sub(after.emitted);
            if missing > 0 {
                buffer.burst.gap(dir, missing, reason, out);
            } else {
                buffer.burst.enter(true, false);
            }
        }
    }

    /// Handles the end of a direction.
    pub(super) fn end(&mut self, dir: Direction, how: Ending, out: &mut Output<'_>) {
        let buffer = self.directions.of_mut(dir);
        if how != Ending::Fin {
            // The direction ended with its last byte, not when its end was detected.
            out.by = buffer.burst.last_or(out.by);
        }
        let waiting = std::mem::take(&mut buffer.waiting);
        let first = buffer.first;
        let emitted = match dissector(&mut self.dissector) {
            Some(dissector) if buffer.mode != Mode::Raw => {
                buffer.burst.enter(false, false);
                dissector.end(dir, how, &waiting, out)
            }
            _ => 0,
        };
        buffer.mode = Mode::Raw;
        let rest = waiting.get(emitted..).unwrap_or_default();
        if !rest.is_empty() {
            buffer.emit_raw(dir, rest, first, dissector(&mut self.dissector), out);
        }
        buffer.burst.finish(dir, out);
    }
}

/// Reports bytes that the dissector does not get. Without a dissector they are recorded for the
/// next.
fn miss(
    buffer: &mut DirectionBuffer,
    dissector: Option<&mut Box<dyn Dissector>>,
    dir: Direction,
    missed: Missed,
) {
    if let Some(dissector) = dissector {
        return dissector.missed(dir, missed);
    }
    let all = buffer.missed.map_or(missed, |earlier| earlier.and(missed));
    buffer.missed = Some(all);
}

/// What was done with raw bytes.
pub(super) enum Raw {
    /// All were emitted.
    Emitted,
    /// This many were emitted; something else starts after them.
    Part(usize),
    /// They may start something: they stay buffered until more bytes arrive.
    NeedMore,
    /// They start something that was recognised: the dissector is called next.
    Recognised,
}

fn dissector<'d>(
    of: &'d mut Option<(&'static str, Box<dyn Dissector>)>,
) -> Option<&'d mut Box<dyn Dissector>> {
    of.as_mut().map(|(_, dissector)| dissector)
}

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;
    use crate::dissect::{AfterGap, Progress};
    use crate::limits::Limits;
    use crate::message::{Kind, MessageEvent, MessageId, Part, Role};
    use crate::stats::DissectStats;

    /// A protocol for the tests: `b3abc` is a message with a body of 3 bytes, `s3abc` is framing,
    /// `n` hands over to raw bursts, `B` to [`Caesar`].
    #[derive(Default)]
    struct Toy {
        open: bool,
    }
    /// Another one: each byte is a message of its own, whose text is the byte plus one.
    struct Caesar;

    const TOY: Kind = Kind {
        name: "toy",
        side: Role::Single,
        sized: true,
    };

    impl Dissector for Toy {
        fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
            let len = |byte: &u8| u64::from(byte - b'0');
            if std::mem::take(&mut self.open) {
                out.emit(input.dir, MessageEvent::End { complete: true });
                return Ok(Progress::need(0, 1));
            }
            match input.bytes {
                [b'b' | b's'] => Ok(Progress::need(0, 2)),
                [b'b', digit, ..] => {
                    out.begin(input.dir, &input.first, TOY, None, false);
                    self.open = true;
                    Ok(Progress {
                        consumed: 2,
                        then: Then::Body(len(digit)),
                    })
                }
                [b's', digit, ..] => Ok(Progress {
                    consumed: 2,
                    then: Then::Skip(len(digit)),
                }),
                [b'n', ..] => Ok(Progress {
                    consumed: 1,
                    then: Then::Raw,
                }),
                [b'B', ..] => Ok(Progress {
                    consumed: 1,
                    then: Then::Become(Box::new(Caesar)),
                }),
                [] | [b'!', ..] => Ok(Progress::need(0, 1)),
                _ => Err(Malformed {
                    consumed: 0,
                    continues: false,
                }),
            }
        }

        fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap {
            if std::mem::take(&mut self.open) {
                out.emit(gap.dir, MessageEvent::End { complete: false });
            }
            AfterGap::RAW
        }

        fn end(&mut self, _: Direction, _: Ending, _: &[u8], _: &mut Output<'_>) -> usize {
            0
        }

        fn missed(&mut self, _: Direction, _: Missed) {}

        fn held(&self) -> usize {
            0
        }

        fn reset(&mut self) {
            *self = Self::default();
        }
    }

    impl Dissector for Caesar {
        fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
            out.begin(input.dir, &input.first, TOY, None, false);
            out.text(input.dir, Part::Body, &[input.bytes[0] + 1]);
            out.emit(input.dir, MessageEvent::End { complete: true });
            Ok(Progress::need(1, 1))
        }

        fn gap(&mut self, _: &Gap<'_>, _: &mut Output<'_>) -> AfterGap {
            AfterGap::RAW
        }

        fn end(&mut self, _: Direction, _: Ending, _: &[u8], _: &mut Output<'_>) -> usize {
            0
        }

        fn missed(&mut self, _: Direction, _: Missed) {}

        fn held(&self) -> usize {
            0
        }

        fn reset(&mut self) {}
    }

    /// Returns the emitted events in short form, and the counters: `(` start (`[` of a burst),
    /// text, `?` and the length of a gap, `)` end.
    fn play(pieces: &[&[u8]], gap: u64, after: &[u8]) -> (String, DissectStats) {
        let mut driver = StreamDriver {
            dissector: Some(("toy", Box::<Toy>::default())),
            ..StreamDriver::default()
        };
        driver.directions.to_server.mode = Mode::Need(1);
        let (limits, mut stats, mut exchanges) = (Limits::default(), DissectStats::default(), 0);
        let mut chart = String::new();
        let mut sink = |_: MessageId, _: &PacketInfo, event: MessageEvent<'_>| match event {
            MessageEvent::Start(begin) => chart.push_str(if begin.kind == TOY { "(" } else { "[" }),
            MessageEvent::Data { bytes, .. } => chart.push_str(&bytes.escape_ascii().to_string()),
            MessageEvent::Gap { len, .. } => chart.extend(["?", &len.to_string()]),
            MessageEvent::End { .. } => chart.push(')'),
            MessageEvent::Summary { .. }
            | MessageEvent::Status(_)
            | MessageEvent::Body(_)
            | MessageEvent::Complete(_)
            | MessageEvent::Fork { .. }
            | MessageEvent::Reading { .. } => {
                unreachable!("a toy has none of these")
            }
        };
        let mut out = Output {
            raw_only: false,
            flow: &super::super::testing::flow(crate::packet::protocol::TCP),
            limits: &limits,
            decoders: &Budget::default(),
            stats: &mut stats,
            by: PacketInfo::default(),
            exchanges: &mut exchanges,
            sink: &mut sink,
        };
        let dir = Direction::ToServer;
        let mut place = Place::default();
        for piece in pieces {
            driver.data(dir, place, piece, &mut out);
            place = place.plus(piece.len() as u64);
        }
        if gap > 0 {
            driver.gap(dir, (place.offset, gap), GapReason::Acked, &mut out);
            driver.data(dir, place.plus(gap), after, &mut out);
        }
        driver.end(dir, Ending::Fin, &mut out);
        (chart, stats)
    }

    #[test]
    fn a_dissector_gets_the_bytes_it_needs_however_they_were_cut() {
        let table: &[(&[u8], &str)] = &[
            (b"b3abcb1xb0", "(abc)(x)()"),
            (b"s3abcb1x", "(x)"),
            (b"b1xnb1x", "(x)[b1x)"),
            (b"b1xBabc", "(x)(b)(c)(d)"),
            (b"b1x~b1x", "(x)[~b1x)"),
            (b"b1x!!!", "(x)[!!!)"),
            (b"b1xb", "(x)[b)"),
        ];
        for (bytes, chart) in table {
            let bytewise: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(
                play(&[*bytes], 0, b"").0,
                *chart,
                "{}",
                bytes.escape_ascii()
            );
            assert_eq!(
                play(&bytewise, 0, b"").0,
                *chart,
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn a_dissector_that_makes_no_progress_is_malformed() {
        assert_eq!(play(&[b"!"], 0, b"").1.malformed, 1);
        assert_eq!(play(&[b"~"], 0, b"").1.malformed, 1);
        assert_eq!(play(&[b"b1x"], 0, b"").1.malformed, 0);
    }

    #[test]
    fn framing_that_is_skipped_is_counted() {
        assert_eq!(play(&[b"s3a", b"bcb1x"], 0, b"").1.framing_bytes, 3);
    }

    #[test]
    fn gaps_are_emitted_where_they_occur() {
        assert_eq!(play(&[b"b9abc"], 2, b"fghib1x").0, "(abc?2fghi)(x)");
        assert_eq!(play(&[b"b9abc"], 6, b"b1x").0, "(abc?6)(x)");
        assert_eq!(play(&[b"b9abc"], 7, b"b1x").0, "(abc)[?7b1x)");
        assert_eq!(play(&[b"s9abc"], 2, b"fghib1x").0, "(x)");
        assert_eq!(play(&[b"b1xb"], 2, b"b1x").0, "(x)[b?2)[b1x)");
    }
}

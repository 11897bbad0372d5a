//! *HTTP/2* (RFC 9113): many requests and responses of a connection at once, each on a stream of
//! its own, as messages of HTTP.
//!
//! A direction is a row of frames. Blocks of fields become heads as a person would write them
//! (`head`), the bytes of DATA frames are emitted where they lie, and responses are paired with
//! their requests by the number of their stream. All other frames frame text: they are counted.
//!
//! It is lenient: a frame that breaks the rules is passed over, and the next one read. After a
//! gap frames are read again from the first segment on that begins with one (`joined`).

mod blocks;
mod describe;
mod frames;
mod head;
mod hpack;
mod joined;
mod streams;
#[cfg(test)]
mod tests;

use self::blocks::{Gathered, What};
use self::frames::{Goaway, HEADER, Header, PREFACE, Type, USUAL, error, flag, reset_code};
use self::head::Head;
use self::hpack::{Block, Decoder, Why};
use self::streams::{Open, Stream, Streams};
use super::http::decoded::Plan;
use super::output::Output;
use super::{
    AfterGap, Dissector, Gap, Input, Malformed, Missed, PerDirection, Progress, Protocol, Then,
    Upgrade,
};
use crate::flow::Direction;
use crate::message::{BodyFacts, Kind, MessageEvent, MessageId, Part, Role, Summary};
use crate::stream::{Ending, GapReason, PacketInfo};

/// The end of a connection.
const GOAWAY: Kind = Kind {
    name: "http2.goaway",
    side: Role::Single,
    sized: false,
};
/// The end of a stream on which no message was open.
const RESET: Kind = Kind {
    name: "http2.reset",
    side: Role::Single,
    sized: false,
};
/// Data of a message of which the head is not known.
const DATA: Kind = Kind {
    name: "http2.data",
    side: Role::Single,
    sized: true,
};

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "http2",
    probe: |bytes, _| joined::probe(bytes),
    cut: |_| false,
    datagram_ports: &[],
    start: || Box::<Http2>::default(),
    describe: |kind, known, _| describe::describe(kind, known.head),
};

/// Both directions of a connection.
#[derive(Default)]
struct Http2 {
    directions: PerDirection<DirectionState>,
    streams: Streams,
    /// The fields of the block at hand.
    block: Block,
    /// The head at hand.
    head: Head,
}

/// One direction.
#[derive(Default)]
struct DirectionState {
    hpack: Decoder,
    /// A frame was read.
    begun: bool,
    /// The DATA frame whose bytes come next, or have just come.
    data: Option<Data>,
    /// A block that comes in several frames.
    gathered: Option<Gathered>,
    /// The stream whose block was given up: the rest of it is passed over.
    overflown: Option<u32>,
    /// The last stream, error and size of the last GOAWAY frame. Many programs send the same twice.
    goaway: Option<(u32, u32, usize)>,
}

/// A DATA frame.
#[derive(Clone, Copy, Debug)]
struct Data {
    stream: u32,
    padding: u8,
    /// The message ends with it.
    ends: bool,
}

impl Dissector for Http2 {
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        let dir = input.dir;
        let state = self.directions.of_mut(dir);
        if let Some(data) = state.data.take() {
            if data.ends {
                self.end_message(dir, data.stream, true, None, out);
            }
            return Ok(Progress {
                consumed: 0,
                then: Then::Skip(data.padding.into()),
            });
        }
        let bytes = input.bytes;
        if bytes.first() == PREFACE.first() {
            if bytes.starts_with(PREFACE) {
                if !state.begun {
                    state.hpack = Decoder::default();
                }
                state.begun = true;
                out.framing(PREFACE.len());
                return Ok(Progress::need(PREFACE.len(), HEADER));
            }
            if PREFACE.starts_with(bytes) {
                return Ok(Progress::need(0, PREFACE.len()));
            }
        }
        let Some(header) = Header::read(bytes) else {
            return Ok(Progress::need(0, HEADER));
        };
        if matches!(header.kind, Type::Other(_)) && header.len > USUAL {
            self.lose(dir, out);
            return Err(Malformed {
                consumed: 0,
                continues: false,
            });
        }
        let begins = header.kind == Type::Settings && !header.has(flag::ACK);
        if !std::mem::replace(&mut state.begun, true) && !begins {
            state.hpack.forget(Why::Before);
        }
        if state.gathered.is_some() && header.kind != Type::Continuation {
            // RFC 9113 section 6.10: nothing comes between the frames of a block.
            self.give_up_block(dir, out);
            odd(out);
        }
        Ok(self.frame(input, &header, out))
    }

    fn body(&mut self, dir: Direction, bytes: &[u8], out: &mut Output<'_>) {
        let Some(data) = self.directions.of(dir).data else {
            return;
        };
        let mut bytes = bytes;
        if let Some(tunnel) = self.streams.tunnel(data.stream)
            && !tunnel.is_lost(dir)
        {
            let taken = tunnel.push(dir, bytes, out);
            bytes = bytes.get(taken..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let first = out.by;
            self.data_of(dir, data.stream, &first, out);
        }
        if let Some(stream) = self.streams.get(data.stream) {
            let half = stream.halves.of_mut(dir);
            half.body.push(id(dir, data.stream), bytes, out);
        }
    }

    fn body_gap(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        let Some(data) = self.directions.of(dir).data else {
            return;
        };
        if let Some(tunnel) = self.streams.tunnel(data.stream)
            && !tunnel.is_lost(dir)
        {
            return tunnel.gap(dir, len, reason, out);
        }
        if let Some(stream) = self.streams.get(data.stream) {
            let id = id(dir, data.stream);
            stream.halves.of_mut(dir).body.gap(id, out);
            out.emit(id, MessageEvent::Gap { len, reason });
        }
    }

    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap {
        let &Gap {
            dir, reason, body, ..
        } = gap;
        if body > 0 {
            self.body_gap(dir, body, reason, out);
        }
        if let Some(data) = self.directions.of(dir).data
            && data.ends
        {
            self.end_message(dir, data.stream, true, None, out);
        }
        self.lose(dir, out);
        AfterGap {
            emitted: body,
            ..AfterGap::RAW
        }
    }

    fn end(&mut self, dir: Direction, _how: Ending, _: &[u8], out: &mut Output<'_>) -> usize {
        self.lose(dir, out);
        0
    }

    fn missed(&mut self, dir: Direction, _missed: Missed) {
        let state = self.directions.of_mut(dir);
        let why = match state.begun {
            true => Why::Lost,
            false => Why::Before,
        };
        state.hpack.forget(why);
    }

    fn resumes(&self, _dir: Direction, bytes: &[u8]) -> bool {
        joined::resumes(bytes, self.streams.highest)
    }

    fn succeed(&mut self, upgrade: &Upgrade) {
        // RFC 9113 section 3.1 (RFC 7540 section 3.2): the request is that of stream 1.
        let stream = self.streams.entry(1);
        stream.exchange = upgrade.exchange;
    }

    fn held(&self) -> usize {
        let of = |state: &DirectionState| {
            let gathered = state.gathered.as_ref().map_or(0, Gathered::held);
            state.hpack.held().saturating_add(gathered)
        };
        let Self {
            directions,
            streams,
            block,
            head,
        } = self;
        of(&directions.to_server)
            .saturating_add(of(&directions.to_client))
            .saturating_add(streams.held())
            .saturating_add(block.held())
            .saturating_add(head.text.capacity())
            .saturating_add(head.title.capacity())
    }

    fn reset(&mut self) {
        let Self {
            directions,
            streams,
            block: _,
            head: _,
        } = self;
        *directions = PerDirection::default();
        streams.clear();
    }
}

impl Http2 {
    /// Reads a frame, of which the header is there.
    fn frame(&mut self, input: &Input<'_>, header: &Header, out: &mut Output<'_>) -> Progress {
        let (dir, whole) = (input.dir, header.whole());
        let skip = Progress {
            consumed: 0,
            then: Then::Skip(whole as u64),
        };
        match header.kind {
            Type::Data => return self.data_frame(input, header, out),
            Type::Priority | Type::Settings | Type::Ping | Type::WindowUpdate | Type::Other(_) => {
                if !header.is_by_the_rules() {
                    odd(out);
                }
                return skip;
            }
            _ => {}
        }
        if whole > out.limits.head {
            // Larger than what is kept of a block.
            out.stats.malformed = out.stats.malformed.saturating_add(1);
            self.forget_block(dir, header);
            return skip;
        }
        let Some(payload) = input.bytes.get(HEADER..whole) else {
            return Progress::need(0, whole);
        };
        if !header.is_by_the_rules() {
            odd(out);
            self.forget_block(dir, header);
            return skip;
        }
        out.framing(HEADER);
        let stream = header.stream;
        match header.kind {
            Type::Headers => match header.fragment(payload) {
                Some(fragment) => {
                    let what = What::Head {
                        ends: header.has(flag::END_STREAM),
                    };
                    self.fragment((dir, stream), what, header, fragment, &input.first, out);
                }
                None => self.odd_block(dir, header, out),
            },
            Type::PushPromise => match header.promise(payload) {
                Some((promised, fragment)) => {
                    let what = What::Promise { promised };
                    self.fragment((dir, stream), what, header, fragment, &input.first, out);
                }
                None => self.odd_block(dir, header, out),
            },
            Type::Continuation => self.continuation(dir, header, payload, out),
            Type::Reset => {
                out.framing(payload.len());
                let code = reset_code(payload).unwrap_or_default();
                self.reset_frame((dir, stream), code, &input.first, out);
            }
            Type::Goaway => {
                let Some(received) = Goaway::read(payload) else {
                    return Progress::need(whole, HEADER);
                };
                let now = Some((received.last, received.code, payload.len()));
                let before = std::mem::replace(&mut self.directions.of_mut(dir).goaway, now);
                if before == now {
                    out.framing(payload.len());
                } else {
                    goaway(dir, &received, &input.first, out);
                }
            }
            _ => {}
        }
        Progress::need(whole, HEADER)
    }

    /// A DATA frame: its bytes are emitted as they come.
    fn data_frame(&mut self, input: &Input<'_>, header: &Header, out: &mut Output<'_>) -> Progress {
        let dir = input.dir;
        let (mut before, mut len, mut padding) = (HEADER, header.len, 0);
        let mut stream = header.stream;
        if header.has(flag::PADDED) && len > 0 {
            let Some(many) = input.bytes.get(HEADER) else {
                return Progress::need(0, HEADER.saturating_add(1));
            };
            // More padding than payload is none.
            if let Some(rest) = len.saturating_sub(1).checked_sub(u32::from(*many)) {
                (before, len, padding) = (before.saturating_add(1), rest, *many);
            } else {
                odd(out);
            }
        }
        if !header.is_by_the_rules() {
            odd(out);
            stream = 0;
        }
        out.framing(before);
        let ends = header.has(flag::END_STREAM) || stream == 0;
        if len > 0 {
            self.data_of(dir, stream, &input.first, out);
        }
        self.directions.of_mut(dir).data = Some(Data {
            stream,
            padding,
            ends,
        });
        Progress {
            consumed: before,
            then: Then::Body(len.into()),
        }
    }

    /// Data of a stream comes: if the head of its message is not known, that is a message of its
    /// own.
    fn data_of(&mut self, dir: Direction, stream: u32, first: &PacketInfo, out: &mut Output<'_>) {
        let open = self.streams.get(stream);
        let takes = |stream: &Stream| {
            let tunnel = stream.tunnel.as_ref();
            tunnel.is_some_and(|tunnel| !tunnel.is_lost(dir))
                || stream.halves.of(dir).open.is_some()
        };
        if open.is_some_and(|open| takes(open)) {
            return;
        }
        self.make_room(stream, out);
        let entry = self.streams.entry(stream);
        let exchange = entry.exchange.unwrap_or_else(|| out.next_exchange());
        let half = entry.halves.of_mut(dir);
        half.open = Some(Open::Data);
        half.body.begin(&Plan::default(), out);
        out.begin(id(dir, stream), first, DATA, Some(exchange), false);
    }

    /// A stream is ended by one of the two sides.
    fn reset_frame(
        &mut self,
        (dir, number): (Direction, u32),
        code: u32,
        first: &PacketInfo,
        out: &mut Output<'_>,
    ) {
        let Some(stream) = self.streams.get(number) else {
            // After a whole response it is worth a word only if something went wrong.
            if code != 0 {
                reset((dir, number), code, None, first, out);
            }
            return;
        };
        let (exchange, answered) = (stream.exchange, stream.answered);
        let halves = [Direction::ToServer, Direction::ToClient]
            .map(|half| (half, stream.halves.of(half).open));
        // RFC 9113 section 8.1: after a whole response it only means that the rest of the request
        // is not needed.
        let mark = (code != 0 || !answered).then(|| error(code));
        let tunnels = stream.tunnel.is_some();
        let mut responds = answered && !(tunnels && code != 0);
        for (half, open) in halves {
            responds |= matches!(open, Some(Open::Response | Open::Data));
            if open.is_some() || tunnels {
                self.end_message(half, number, false, mark, out);
            }
        }
        if !responds {
            reset((dir, number), code, exchange, first, out);
        }
        self.streams.remove(number);
    }

    /// Ends the open message of a stream's direction, if there is one.
    fn end_message(
        &mut self,
        dir: Direction,
        number: u32,
        complete: bool,
        reset: Option<&'static str>,
        out: &mut Output<'_>,
    ) {
        let Some(stream) = self.streams.get(number) else {
            return;
        };
        if let Some(tunnel) = &mut stream.tunnel {
            tunnel.end(dir, out);
            if tunnel.is_over() {
                stream.tunnel = None;
            }
        }
        let half = stream.halves.of_mut(dir);
        let Some(open) = half.open.take() else {
            return self.streams.settle(number);
        };
        stream.answered |= open == Open::Response;
        let id = id(dir, number);
        half.body.finish(id, complete, out);
        let facts = half.body.facts(out);
        if facts.is_some() || reset.is_some() {
            out.emit(
                id,
                MessageEvent::Body(BodyFacts {
                    reset,
                    ..facts.unwrap_or_default()
                }),
            );
        }
        out.emit(id, MessageEvent::End { complete });
        self.streams.settle(number);
    }

    /// What comes next in a direction is not known: its open messages break off, and so does its
    /// table.
    fn lose(&mut self, dir: Direction, out: &mut Output<'_>) {
        self.give_up_block(dir, out);
        let state = self.directions.of_mut(dir);
        state.data = None;
        state.overflown = None;
        state.hpack.forget(Why::Lost);
        for stream in self.streams.open_in(dir) {
            self.end_message(dir, stream, false, None, out);
        }
    }

    /// Forgets the oldest stream if there are too many for another one.
    fn make_room(&mut self, stream: u32, out: &mut Output<'_>) {
        let Some(oldest) = self.streams.surplus(stream) else {
            return;
        };
        for dir in [Direction::ToServer, Direction::ToClient] {
            self.end_message(dir, oldest, false, None, out);
        }
        self.streams.remove(oldest);
        out.stats.streams_forgotten = out.stats.streams_forgotten.saturating_add(1);
    }
}

/// The message of a stream's direction.
const fn id(dir: Direction, stream: u32) -> MessageId {
    MessageId {
        dir,
        number: stream,
    }
}

/// Counts what breaks a rule.
fn odd(out: &mut Output<'_>) {
    out.stats.odd = out.stats.odd.saturating_add(1);
}

/// Emits that a side ends the connection.
fn goaway(dir: Direction, received: &Goaway<'_>, first: &PacketInfo, out: &mut Output<'_>) {
    let text = describe::goaway(received);
    let exchange = out.next_exchange();
    single(dir, (GOAWAY, exchange), (&text, received.debug), first, out);
}

/// Emits that a side ends a stream on which no message is open. `exchange` is that of the stream's
/// request, if that was captured.
fn reset(
    (dir, stream): (Direction, u32),
    code: u32,
    exchange: Option<u64>,
    first: &PacketInfo,
    out: &mut Output<'_>,
) {
    let exchange = exchange.unwrap_or_else(|| out.next_exchange());
    let text = describe::reset(stream, code);
    single(dir, (RESET, exchange), (&text, b""), first, out);
}

/// Emits a message that is no request and no response.
fn single(
    dir: Direction,
    (kind, exchange): (Kind, u64),
    (head, body): (&str, &[u8]),
    first: &PacketInfo,
    out: &mut Output<'_>,
) {
    out.begin(dir, first, kind, Some(exchange), false);
    out.text(dir, Part::Head, head.as_bytes());
    let summary = MessageEvent::Summary {
        brief: Summary {
            ends_exchange: kind == RESET,
            ..Summary::default()
        },
        title: head.as_bytes(),
    };
    out.emit(dir, summary);
    out.text(dir, Part::Body, body);
    out.emit(dir, MessageEvent::End { complete: true });
}

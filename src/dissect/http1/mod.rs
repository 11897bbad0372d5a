//! *HTTP/1.x*: two state machines, one for each direction of a connection, that share the
//! [`pairing`] of requests and responses. At most [`crate::limits::Limits::head`] bytes of a head
//! are buffered, bodies stream in bounded memory, and every byte is either emitted or counted as
//! framing.
//!
//! A direction is a sequence of messages: start line and fields ([`head`]), then a body that ends
//! by one of a few rules ([`body`]). The start line decides whether a message is a request or a
//! response; the direction does not, since the roles may have been guessed. What cannot be framed
//! with certainty is emitted as raw bursts, and HTTP is read again from the next start line on.

pub(super) mod body;
mod chunks;
mod describe;
mod head;
mod long_head;
mod message_start;
mod odd_line;
mod pairing;
mod start_line;
#[cfg(test)]
mod tests;
mod unasked;

use self::start_line::{is_cut, probe};

use self::body::{Framing, Perhaps};
use self::head::{EndSearch, Head};
use self::long_head::LongHead;
use self::pairing::{OpenRequest, Pairing};
use self::start_line::StartLine;
use super::http::decoded::Body;
use super::http::{REQUEST, RESPONSE};
use super::output::Output;
use super::{
    AfterGap, Dissector, Gap, Input, Malformed, Missed, PerDirection, ProbeResult, Progress,
    Protocol, Seek, Then,
};
use crate::flow::Direction;
use crate::message::{MessageEvent, Part};
use crate::stream::{Ending, GapReason};

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "http",
    probe: |bytes, _| probe(bytes),
    cut: is_cut,
    datagram_ports: &[],
    start: || Box::<Http1>::default(),
    describe: |kind, known, stand_out| describe::describe(kind, known.head, stand_out),
};

/// The state of both directions of a connection.
#[derive(Default)]
struct Http1 {
    directions: PerDirection<DirectionState>,
    bodies: PerDirection<Body>,
    long_heads: PerDirection<Option<Box<LongHead>>>,
    /// The direction of requests, as seen in the first message; `None` before that.
    request_dir: Option<Direction>,
    /// Whether HTTP has ended (CONNECT, 101): bytes that look like a malformed message are then not
    /// searched for one.
    left: bool,
    pairing: Pairing,
}

/// The state of the open message of one direction.
#[derive(Clone, Copy, Default, Debug)]
struct DirectionState {
    stage: Stage,
    /// Whether the message is a response.
    response: bool,
    /// Whether the message has the other role than its direction: a request in the direction of
    /// responses, or the reverse.
    roles_swapped: bool,
    /// The exchange of a request.
    exchange: u64,
    /// The request that a response answers, if it is known.
    request: Option<OpenRequest>,
    /// Whether the response may belong to one of several requests.
    unpaired: bool,
    /// It is likely the response to `request`, and not certain.
    likely: bool,
    /// Whether the body ends with the stream.
    until_close: bool,
    /// Whether HTTP may have ended: bytes that are no message are then not counted as malformed.
    tunnel: bool,
    /// Whether the server responded 100 (Continue), so that the request's body follows.
    continue_seen: bool,
    /// The protocol that comes next, if the response says so and it can be dissected.
    upgrades: Option<&'static str>,
}

impl DirectionState {
    /// Resets the state at the end of a message.
    fn reset(&mut self) {
        *self = Self {
            tunnel: self.tunnel,
            ..Self::default()
        };
    }
}

/// Position of the next byte in its message.
#[derive(Clone, Copy, Default, Debug)]
enum Stage {
    /// Before a message.
    #[default]
    Start,
    /// In a head; the message was started.
    Head(EndSearch),
    /// In a head of which more was emitted than is buffered.
    LongHead,
    /// Before a body that may be absent, since the request is not known.
    Unasked(Framing),
    /// Before a body that is only sent if the server accepts it (`Expect`).
    Expected(Framing),
    /// Before a body whose first bytes decide its framing.
    Perhaps(Perhaps),
    /// In a body that the driver passes on; after its end when [`Dissector::data`] is called.
    Body,
    /// In the first line of a chunk, `n` bytes of which contain no line end.
    ChunkSize(usize),
    /// In a chunk; after its last byte when [`Dissector::data`] is called.
    Chunk,
    /// After the last chunk. `looked` bytes of the current line contain no line end; `any` means
    /// that trailer fields were emitted.
    Trailer { looked: usize, any: bool },
    /// In a body whose end is no longer known.
    Lost,
}

impl Dissector for Http1 {
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        match self.directions.of(input.dir).stage {
            Stage::Start => self.start(input, out),
            Stage::Head(search) => self.head(input, search, None, out),
            Stage::LongHead => self.long_head(input, out),
            Stage::Unasked(framing) => Ok(self.unasked(input, framing, out)),
            Stage::Expected(framing) => Ok(self.expected(input, framing, out)),
            Stage::Perhaps(perhaps) => Ok(self.perhaps(input, perhaps, out)),
            Stage::Body => Ok(self.over(input.dir, 0, out)),
            Stage::ChunkSize(looked) => Ok(self.chunk_size(input, looked, out)),
            Stage::Chunk => Ok(self.chunk_end(input, out)),
            Stage::Trailer { looked, any } => self.trailer(input, looked, any, out),
            Stage::Lost => Ok(self.lost_body(input, out)),
        }
    }

    fn body(&mut self, dir: Direction, bytes: &[u8], out: &mut Output<'_>) {
        self.bodies.of_mut(dir).push(dir.into(), bytes, out);
    }

    fn body_gap(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        self.bodies.of_mut(dir).gap(dir.into(), out);
        out.emit(dir, MessageEvent::Gap { len, reason });
    }

    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap {
        let &Gap {
            dir, len, reason, ..
        } = gap;
        let (from, boundary) = match self.directions.of(dir).stage {
            Stage::Start => (gap.offset, gap.waiting.is_empty()),
            // The next message starts after the end of the body.
            Stage::Body => (gap.offset.saturating_add(gap.body), true),
            _ => (gap.offset, false),
        };
        let range = Some((from, gap.offset.saturating_add(len)));
        self.lose(dir, Missed { range, boundary });
        if let Stage::Unasked(framing) = self.directions.of(dir).stage
            && let Some(after) = self.gap_unasked(gap, framing, out)
        {
            return after;
        }
        let missing =
            |len: u64, out: &mut Output<'_>| out.emit(dir, MessageEvent::Gap { len, reason });
        let state = self.directions.of_mut(dir);
        match state.stage {
            Stage::Start => AfterGap::RAW,
            Stage::Head(_) | Stage::LongHead => {
                self.cut_head(dir, gap.waiting, out);
                missing(len, out);
                self.break_off(dir, out);
                AfterGap {
                    emitted: len,
                    consumed: gap.waiting.len(),
                    then: Then::Raw,
                }
            }
            Stage::Body => {
                self.bodies.of_mut(dir).gap(dir.into(), out);
                missing(gap.body, out);
                self.over(dir, 0, out);
                AfterGap {
                    emitted: gap.body,
                    consumed: 0,
                    then: Then::Raw,
                }
            }
            Stage::Unasked(_)
            | Stage::ChunkSize(_)
            | Stage::Chunk
            | Stage::Trailer { .. }
            | Stage::Expected(_)
            | Stage::Perhaps(_) => {
                let body = self.bodies.of_mut(dir);
                match state.stage {
                    Stage::Unasked(_) | Stage::Perhaps(_) => {
                        body.push(dir.into(), gap.waiting, out);
                    }
                    _ => body.framing(dir.into(), gap.waiting, out),
                }
                body.give_up(dir.into(), out);
                missing(len, out);
                state.stage = Stage::Lost;
                AfterGap {
                    emitted: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
            Stage::Lost => {
                self.bodies.of_mut(dir).push(dir.into(), gap.waiting, out);
                missing(len, out);
                AfterGap {
                    emitted: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
        }
    }

    fn end(&mut self, dir: Direction, how: Ending, waiting: &[u8], out: &mut Output<'_>) -> usize {
        let state = *self.directions.of(dir);
        match state.stage {
            Stage::Start => return 0,
            Stage::Head(_) => {
                if let Some(end) = odd_end(waiting) {
                    self.odd_head(dir, waiting, end, out);
                } else {
                    self.cut_head(dir, waiting, out);
                }
            }
            Stage::LongHead => out.text(dir, Part::Head, waiting),
            Stage::Trailer { .. } => out.text(dir, Part::Trailer, waiting),
            Stage::Unasked(_) | Stage::Expected(_) | Stage::Perhaps(_) | Stage::Lost => {
                self.bodies.of_mut(dir).push(dir.into(), waiting, out);
            }
            Stage::ChunkSize(_) if self.bodies.of(dir).is_empty() => {
                // The bytes may be a whole body that is not chunked.
                self.bodies.of_mut(dir).push(dir.into(), waiting, out);
            }
            Stage::Body | Stage::Chunk | Stage::ChunkSize(_) => {
                self.bodies.of(dir).framing(dir.into(), waiting, out);
            }
        }
        if state.until_close && how == Ending::Fin {
            self.over(dir, 0, out);
        } else {
            self.break_off(dir, out);
        }
        waiting.len()
    }

    fn missed(&mut self, dir: Direction, missed: Missed) {
        self.lose(dir, missed);
    }

    fn begin_cut(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> bool {
        let stage = self.directions.of(input.dir).stage;
        if !matches!(stage, Stage::Start) || !is_cut(input.bytes) {
            return false;
        }
        let begin = self.begin(input, out);
        out.emit_from(input.dir, &input.first, MessageEvent::Start(begin));
        self.directions.of_mut(input.dir).stage = Stage::Head(EndSearch::default());
        true
    }

    fn seek(&self, dir: Direction, bytes: &[u8]) -> Seek {
        match self.request_dir.filter(|_| !self.left) {
            Some(request_dir) if request_dir == dir => odd_line::seek_request(bytes),
            Some(_) => odd_line::seek_response(bytes),
            None => Seek::Nowhere,
        }
    }

    fn reset(&mut self) {
        let Self {
            directions,
            bodies,
            long_heads,
            request_dir,
            left,
            pairing,
        } = self;
        *directions = PerDirection::default();
        for dir in [Direction::ToServer, Direction::ToClient] {
            bodies.of_mut(dir).reset();
        }
        *long_heads = PerDirection::default();
        *request_dir = None;
        *left = false;
        pairing.reset();
    }

    fn held(&self) -> usize {
        let bodies = &self.bodies;
        let bodies = bodies
            .to_server
            .held()
            .saturating_add(bodies.to_client.held());
        self.pairing.held().saturating_add(bodies)
    }
}

impl Http1 {
    fn start(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        let state = self.directions.of_mut(input.dir);
        // RFC 9112 section 2.2: empty lines before a request line are ignored.
        let empty = input
            .bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        if empty > 0 {
            out.framing(empty);
            return Ok(Progress::need(empty, 1));
        }
        let probed = match input.recognised {
            true => ProbeResult::Certain,
            false => probe(input.bytes),
        };
        match probed {
            ProbeResult::Certain => {}
            ProbeResult::Likely { need } => return Ok(Progress::need(0, need)),
            // Letters may start a method, or be left over from the last message. They are held no
            // longer than the burst lasts.
            ProbeResult::Unsure { .. } => return Ok(self.leave(input.dir)),
            ProbeResult::NotForUs if std::mem::take(&mut state.tunnel) => {
                return Ok(self.leave(input.dir));
            }
            ProbeResult::NotForUs if self.seek(input.dir, input.bytes) == Seek::At(0) => {}
            ProbeResult::NotForUs => {
                self.lose(input.dir, Missed::UNREAD);
                out.stats.malformed = out.stats.malformed.saturating_add(1);
                return Ok(self.leave(input.dir));
            }
        }
        let begin = self.begin(input, out);
        self.head(input, EndSearch::default(), Some(begin), out)
    }

    /// Leaves HTTP: the next bytes are raw until a probe recognises a start line.
    fn leave(&mut self, dir: Direction) -> Progress {
        self.directions.of_mut(dir).tunnel = false;
        Progress {
            consumed: 0,
            then: Then::Raw,
        }
    }

    /// Ends a head that is cut off. Emits the bytes that are there, and a summary if the start line
    /// is complete.
    fn cut_head(&mut self, dir: Direction, head: &[u8], out: &mut Output<'_>) {
        let state = *self.directions.of(dir);
        out.text(dir, Part::Head, head);
        if !matches!(state.stage, Stage::Head(_)) {
            return;
        }
        if let Some(Head {
            line: Some(line),
            fields,
            ..
        }) = Head::of_part(head, state.response)
        {
            let mut buffer = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut buffer, out);
            // A cut target is marked as such.
            let cut = matches!(line, StartLine::Request(line) if line.version.is_empty());
            let title = match cut {
                true => &[title, b"..."].concat(),
                false => title,
            };
            out.emit(dir, MessageEvent::Summary { brief, title });
        }
    }

    /// Handles the end of the stream in a head without an empty line. Some receivers accept one
    /// that ends at `end`.
    fn odd_head(&mut self, dir: Direction, bytes: &[u8], end: usize, out: &mut Output<'_>) {
        let Some((head, body)) = bytes.split_at_checked(end) else {
            return;
        };
        let response = self.directions.of(dir).response;
        out.text(dir, Part::Head, head);
        if let Head {
            line: Some(line),
            fields,
            ..
        } = Head::of(head, response)
        {
            let mut buffer = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut buffer, out);
            out.emit(dir, MessageEvent::Summary { brief, title });
            self.bodies.of_mut(dir).begin(&fields.plan(), out);
        }
        if !body.is_empty() {
            self.bodies.of_mut(dir).push(dir.into(), body, out);
        }
    }

    /// Ends the complete message after `consumed` bytes.
    fn over(&mut self, dir: Direction, consumed: usize, out: &mut Output<'_>) -> Progress {
        self.end_message(dir, true, out);
        self.directions.of_mut(dir).reset();
        Progress::need(consumed, 1)
    }

    /// Ends the message as incomplete.
    fn break_off(&mut self, dir: Direction, out: &mut Output<'_>) {
        self.end_message(dir, false, out);
        self.directions.of_mut(dir).reset();
    }

    /// Emits the facts of the body and the end of the message.
    fn end_message(&mut self, dir: Direction, complete: bool, out: &mut Output<'_>) {
        let body = self.bodies.of_mut(dir);
        body.finish(dir.into(), complete, out);
        if let Some(facts) = body.facts(out) {
            out.emit(dir, MessageEvent::Body(facts));
        }
        *self.long_heads.of_mut(dir) = None;
        if !self.directions.of(dir).response {
            self.pairing.request_ends(out.by.acked());
        }
        out.emit(dir, MessageEvent::End { complete });
    }

    /// Ends the message: the rest cannot be parsed.
    fn give_up(&mut self, dir: Direction, consumed: usize, out: &mut Output<'_>) -> Malformed {
        self.break_off(dir, out);
        self.lose(dir, Missed::UNREAD);
        Malformed {
            consumed,
            continues: true,
        }
    }

    /// Reports to the pairing that messages of a direction may have been lost.
    fn lose(&mut self, dir: Direction, missed: Missed) {
        if self.request_dir.unwrap_or(Direction::ToServer) == dir {
            self.pairing.lose_requests(missed);
        } else {
            self.pairing.lose_responses(missed);
        }
    }
}

/// Returns where a head ends for receivers that accept CR alone as a line end.
fn odd_end(head: &[u8]) -> Option<usize> {
    memchr::memmem::find(head, b"\r\r").map(|at| at.saturating_add(2))
}

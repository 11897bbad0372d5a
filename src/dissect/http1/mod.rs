//! *HTTP/1.x*: requests and answers of a connection, as two state machines that share the
//! [`pairing`].
//!
//! A direction is a row of messages: start line and fields (`head`), a body that ends by one of a
//! few rules (`body`). Which of the two a message is, its start line says, not its direction: the
//! roles may have been guessed. What cannot be framed with certainty is left to raw bursts, and
//! read again from the next start line on.

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
    describe: describe::describe,
};

/// Both directions of a connection.
#[derive(Default)]
struct Http1 {
    directions: PerDirection<DirectionState>,
    bodies: PerDirection<Body>,
    long_heads: PerDirection<Option<Box<LongHead>>>,
    /// Who was first seen to ask, or to be answered.
    asker: Option<Direction>,
    /// HTTP is over: what looks like a broken message of it is none.
    left: bool,
    pairing: Pairing,
}

/// One direction.
#[derive(Clone, Copy, Default, Debug)]
struct DirectionState {
    stage: Stage,
    /// The message is an answer.
    response: bool,
    /// It comes from the side that does the other thing.
    roles_swapped: bool,
    /// The exchange of the request.
    exchange: u64,
    /// The question of the answer.
    request: Option<OpenRequest>,
    /// It is one of several, and which is not certain.
    unpaired: bool,
    /// It is likely the response to `request`, and not certain.
    likely: bool,
    /// The body ends with the stream.
    until_close: bool,
    /// HTTP may be over: what is no message is no mistake.
    tunnel: bool,
    /// The request was told to go on, so that its body comes.
    wanted: bool,
    /// The response says that HTTP/2 comes next, in which the request is responded to.
    upgrades: bool,
}

impl DirectionState {
    /// The message is over.
    fn reset(&mut self) {
        *self = Self {
            tunnel: self.tunnel,
            ..Self::default()
        };
    }
}

/// Where in a message the next byte is.
#[derive(Clone, Copy, Default, Debug)]
enum Stage {
    /// In front of one.
    #[default]
    Start,
    /// In the head. The message was begun.
    Head(EndSearch),
    /// In a head of which more was told than is kept.
    LongHead,
    /// In front of a body that the message may not have, since its request is not known.
    Unasked(Framing),
    /// In front of a body that only comes if it is wanted.
    Expected(Framing),
    /// In front of a body of which its first bytes say how it is framed.
    Perhaps(Perhaps),
    /// In a body that the conversation passes on; behind it when asked.
    Body,
    /// In the first line of a chunk; this many bytes of it have no line end.
    ChunkSize(usize),
    /// In a chunk; behind its last byte when asked.
    Chunk,
    /// Behind the last chunk; fields were told (`any`).
    Trailer { looked: usize, any: bool },
    /// In a body of which it is not known any more where it ends.
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

    fn missing(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        self.bodies.of_mut(dir).hole(dir.into(), out);
        out.say(dir, MessageEvent::Gap { len, reason });
    }

    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap {
        let &Gap {
            dir, len, reason, ..
        } = gap;
        let (from, boundary) = match self.directions.of(dir).stage {
            Stage::Start => (gap.offset, gap.waiting.is_empty()),
            // Behind the end of the body another message begins.
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
            |len: u64, out: &mut Output<'_>| out.say(dir, MessageEvent::Gap { len, reason });
        let half = self.directions.of_mut(dir);
        match half.stage {
            Stage::Start => AfterGap::RAW,
            Stage::Head(_) | Stage::LongHead => {
                self.cut_head(dir, gap.waiting, out);
                missing(len, out);
                self.break_off(dir, out);
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Raw,
                }
            }
            Stage::Body => {
                self.bodies.of_mut(dir).hole(dir.into(), out);
                missing(gap.body, out);
                self.over(dir, 0, out);
                AfterGap {
                    told: gap.body,
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
                match half.stage {
                    Stage::Unasked(_) | Stage::Perhaps(_) => {
                        body.push(dir.into(), gap.waiting, out);
                    }
                    _ => body.framing(dir.into(), gap.waiting, out),
                }
                body.give_up(dir.into(), out);
                missing(len, out);
                half.stage = Stage::Lost;
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
            Stage::Lost => {
                self.bodies.of_mut(dir).push(dir.into(), gap.waiting, out);
                missing(len, out);
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
        }
    }

    fn end(&mut self, dir: Direction, how: Ending, waiting: &[u8], out: &mut Output<'_>) -> usize {
        let half = *self.directions.of(dir);
        match half.stage {
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
                // It may be all of a body that comes in no chunks.
                self.bodies.of_mut(dir).push(dir.into(), waiting, out);
            }
            Stage::Body | Stage::Chunk | Stage::ChunkSize(_) => {
                self.bodies.of(dir).framing(dir.into(), waiting, out);
            }
        }
        if half.until_close && how == Ending::Fin {
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
        out.say_by(input.dir, &input.first, MessageEvent::Start(begin));
        self.directions.of_mut(input.dir).stage = Stage::Head(EndSearch::default());
        true
    }

    fn seek(&self, dir: Direction, bytes: &[u8]) -> Seek {
        match self.asker.filter(|_| !self.left) {
            Some(asker) if asker == dir => odd_line::seek_request(bytes),
            Some(_) => odd_line::seek_response(bytes),
            None => Seek::Nowhere,
        }
    }

    fn reset(&mut self) {
        let Self {
            directions,
            bodies,
            long_heads,
            asker,
            left,
            pairing,
        } = self;
        *directions = PerDirection::default();
        for dir in [Direction::ToServer, Direction::ToClient] {
            bodies.of_mut(dir).reset();
        }
        *long_heads = PerDirection::default();
        *asker = None;
        *left = false;
        pairing.reset();
    }

    fn held(&self) -> usize {
        let bodies = &self.bodies;
        let bodies = bodies
            .to_server
            .held()
            .saturating_add(bodies.to_client.held());
        let own = size_of::<Self>().saturating_add(self.pairing.held());
        own.saturating_add(bodies)
    }
}

impl Http1 {
    fn start(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        let half = self.directions.of_mut(input.dir);
        // RFC 9112 section 2.2: empty lines in front of a request line are ignored.
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
            // Letters may begin a method, or be left over from the message before: not worth more
            // than the burst lasts.
            ProbeResult::Unsure { .. } => return Ok(self.leave(input.dir)),
            ProbeResult::NotForUs if std::mem::take(&mut half.tunnel) => {
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

    /// What comes is none of HTTP, as far as can be said.
    fn leave(&mut self, dir: Direction) -> Progress {
        self.directions.of_mut(dir).tunnel = false;
        Progress {
            consumed: 0,
            then: Then::Raw,
        }
    }

    /// The head of the open message was cut. What is there of it is told, and read if its start
    /// line is whole.
    fn cut_head(&mut self, dir: Direction, head: &[u8], out: &mut Output<'_>) {
        let half = *self.directions.of(dir);
        out.text(dir, Part::Head, head);
        if !matches!(half.stage, Stage::Head(_)) {
            return;
        }
        if let Some(Head {
            line: Some(line),
            fields,
            ..
        }) = Head::of_part(head, half.response)
        {
            let mut room = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut room, out);
            // What was cut is not told as the whole.
            let cut = matches!(line, StartLine::Request(line) if line.version.is_empty());
            let title = match cut {
                true => &[title, b"..."].concat(),
                false => title,
            };
            out.say(dir, MessageEvent::Summary { brief, title });
        }
    }

    /// The stream ended in a head without an empty line, but there is what some take for one, in
    /// front of `end`.
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
            let mut room = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut room, out);
            out.say(dir, MessageEvent::Summary { brief, title });
            self.bodies.of_mut(dir).begin(&fields.plan(), out);
        }
        if !body.is_empty() {
            self.bodies.of_mut(dir).push(dir.into(), body, out);
        }
    }

    /// Ends the message, whole, behind `consumed` bytes.
    fn over(&mut self, dir: Direction, consumed: usize, out: &mut Output<'_>) -> Progress {
        self.end_message(dir, true, out);
        self.directions.of_mut(dir).reset();
        Progress::need(consumed, 1)
    }

    /// Ends the message, which is not whole.
    fn break_off(&mut self, dir: Direction, out: &mut Output<'_>) {
        self.end_message(dir, false, out);
        self.directions.of_mut(dir).reset();
    }

    /// Says what is left to say of the message.
    fn end_message(&mut self, dir: Direction, complete: bool, out: &mut Output<'_>) {
        let body = self.bodies.of_mut(dir);
        body.finish(dir.into(), complete, out);
        if let Some(facts) = body.facts(out) {
            out.say(dir, MessageEvent::Body(facts));
        }
        *self.long_heads.of_mut(dir) = None;
        if !self.directions.of(dir).response {
            self.pairing.request_ends(out.by.acked());
        }
        out.say(dir, MessageEvent::End { complete });
    }

    /// Ends the message: it cannot be read on.
    fn give_up(&mut self, dir: Direction, consumed: usize, out: &mut Output<'_>) -> Malformed {
        self.break_off(dir, out);
        self.lose(dir, Missed::UNREAD);
        Malformed {
            consumed,
            continues: true,
        }
    }

    /// Messages of a direction may have been missed.
    fn lose(&mut self, dir: Direction, missed: Missed) {
        if self.asker.unwrap_or(Direction::ToServer) == dir {
            self.pairing.lose_requests(missed);
        } else {
            self.pairing.lose_responses(missed);
        }
    }
}

/// Behind what some take for the end of a head, if its lines end with CR alone.
fn odd_end(head: &[u8]) -> Option<usize> {
    memchr::memmem::find(head, b"\r\r").map(|at| at.saturating_add(2))
}

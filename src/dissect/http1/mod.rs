//! *HTTP/1.x*: requests and answers of a connection, as two state machines that share the
//! [`pairing`].
//!
//! A direction is a row of messages: start line and fields (`head`), a body that ends by one of a
//! few rules (`body`). Which of the two a message is, its start line says, not its direction: the
//! roles may have been guessed. What cannot be framed with certainty is left to raw bursts, and
//! read again from the next start line on.

mod body;
mod chunks;
mod decoded;
mod describe;
mod head;
mod long_head;
mod odd_line;
mod opening;
mod pairing;
mod start_line;
#[cfg(test)]
mod tests;
mod unasked;

use self::start_line::{is_cut, probe};

use self::body::{Framing, Perhaps};
use self::decoded::Body;
use self::head::{EndSearch, Head};
use self::long_head::LongHead;
use self::pairing::{Asked, Pairing};
use self::start_line::StartLine;
use super::voice::Voice;
use super::{
    AfterGap, Both, Dissector, Gap, Input, Malformed, Missed, Progress, Protocol, Seek, Then,
    Verdict,
};
use crate::flow::Direction;
use crate::message::{Kind, MessageEvent, Part, Role};
use crate::stream::{Ending, GapReason};

const REQUEST: Kind = Kind {
    name: "http.request",
    side: Role::Request,
    sized: true,
};
const RESPONSE: Kind = Kind {
    name: "http.response",
    side: Role::Response,
    sized: true,
};

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
    halves: Both<Half>,
    bodies: Both<Body>,
    long_heads: Both<Option<Box<LongHead>>>,
    /// Who was first seen to ask, or to be answered.
    asker: Option<Direction>,
    /// HTTP is over: what looks like a broken message of it is none.
    left: bool,
    pairing: Pairing,
}

/// One direction.
#[derive(Clone, Copy, Default, Debug)]
struct Half {
    stage: Stage,
    /// The message is an answer.
    answer: bool,
    /// It comes from the side that does the other thing.
    contrary: bool,
    /// The exchange of the request.
    exchange: u64,
    /// The question of the answer.
    asked: Option<Asked>,
    /// It is one of several, and which is not certain.
    unpaired: bool,
    /// The body ends with the stream.
    until_close: bool,
    /// HTTP may be over: what is no message is no mistake.
    tunnel: bool,
    /// The request was told to go on, so that its body comes.
    wanted: bool,
}

impl Half {
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
    fn dissect(&mut self, input: &Input<'_>, voice: &mut Voice<'_>) -> Result<Progress, Malformed> {
        match self.halves.of(input.dir).stage {
            Stage::Start => self.start(input, voice),
            Stage::Head(search) => self.head(input, search, None, voice),
            Stage::LongHead => self.long_head(input, voice),
            Stage::Unasked(framing) => Ok(self.unasked(input, framing, voice)),
            Stage::Expected(framing) => Ok(self.expected(input, framing, voice)),
            Stage::Perhaps(perhaps) => Ok(self.perhaps(input, perhaps, voice)),
            Stage::Body => Ok(self.over(input.dir, 0, voice)),
            Stage::ChunkSize(looked) => Ok(self.chunk_size(input, looked, voice)),
            Stage::Chunk => Ok(self.chunk_end(input, voice)),
            Stage::Trailer { looked, any } => self.trailer(input, looked, any, voice),
            Stage::Lost => Ok(self.lost_body(input, voice)),
        }
    }

    fn body(&mut self, dir: Direction, bytes: &[u8], voice: &mut Voice<'_>) {
        self.bodies.of_mut(dir).push(dir, bytes, voice);
    }

    fn missing(&mut self, dir: Direction, len: u64, reason: GapReason, voice: &mut Voice<'_>) {
        self.bodies.of_mut(dir).hole(dir, voice);
        voice.say(dir, MessageEvent::Gap { len, reason });
    }

    fn gap(&mut self, gap: &Gap<'_>, voice: &mut Voice<'_>) -> AfterGap {
        let &Gap {
            dir, len, reason, ..
        } = gap;
        let (from, boundary) = match self.halves.of(dir).stage {
            Stage::Start => (gap.offset, gap.waiting.is_empty()),
            // Behind the end of the body another message begins.
            Stage::Body => (gap.offset.saturating_add(gap.body), true),
            _ => (gap.offset, false),
        };
        let range = Some((from, gap.offset.saturating_add(len)));
        self.lose(dir, Missed { range, boundary });
        if let Stage::Unasked(framing) = self.halves.of(dir).stage
            && let Some(after) = self.gap_unasked(gap, framing, voice)
        {
            return after;
        }
        let missing =
            |len: u64, voice: &mut Voice<'_>| voice.say(dir, MessageEvent::Gap { len, reason });
        let half = self.halves.of_mut(dir);
        match half.stage {
            Stage::Start => AfterGap::RAW,
            Stage::Head(_) | Stage::LongHead => {
                self.cut_head(dir, gap.waiting, voice);
                missing(len, voice);
                self.break_off(dir, voice);
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Raw,
                }
            }
            Stage::Body => {
                self.bodies.of_mut(dir).hole(dir, voice);
                missing(gap.body, voice);
                self.over(dir, 0, voice);
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
                    Stage::Unasked(_) | Stage::Perhaps(_) => body.push(dir, gap.waiting, voice),
                    _ => body.framing(dir, gap.waiting, voice),
                }
                body.give_up(dir, voice);
                missing(len, voice);
                half.stage = Stage::Lost;
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
            Stage::Lost => {
                self.bodies.of_mut(dir).push(dir, gap.waiting, voice);
                missing(len, voice);
                AfterGap {
                    told: len,
                    consumed: gap.waiting.len(),
                    then: Then::Need(1),
                }
            }
        }
    }

    fn end(&mut self, dir: Direction, how: Ending, waiting: &[u8], voice: &mut Voice<'_>) -> usize {
        let half = *self.halves.of(dir);
        match half.stage {
            Stage::Start => return 0,
            Stage::Head(_) => {
                if let Some(end) = odd_end(waiting) {
                    self.odd_head(dir, waiting, end, voice);
                } else {
                    self.cut_head(dir, waiting, voice);
                }
            }
            Stage::LongHead => voice.text(dir, Part::Head, waiting),
            Stage::Trailer { .. } => voice.text(dir, Part::Trailer, waiting),
            Stage::Unasked(_) | Stage::Expected(_) | Stage::Perhaps(_) | Stage::Lost => {
                self.bodies.of_mut(dir).push(dir, waiting, voice);
            }
            Stage::ChunkSize(_) if self.bodies.of(dir).is_empty() => {
                // It may be all of a body that comes in no chunks.
                self.bodies.of_mut(dir).push(dir, waiting, voice);
            }
            Stage::Body | Stage::Chunk | Stage::ChunkSize(_) => {
                self.bodies.of(dir).framing(dir, waiting, voice);
            }
        }
        if half.until_close && how == Ending::Fin {
            self.over(dir, 0, voice);
        } else {
            self.break_off(dir, voice);
        }
        waiting.len()
    }

    fn missed(&mut self, dir: Direction, missed: Missed) {
        self.lose(dir, missed);
    }

    fn begin_cut(&mut self, input: &Input<'_>, voice: &mut Voice<'_>) -> bool {
        let stage = self.halves.of(input.dir).stage;
        if !matches!(stage, Stage::Start) || !is_cut(input.bytes) {
            return false;
        }
        let begin = self.begin(input, voice);
        voice.say_by(input.dir, &input.first, MessageEvent::Start(begin));
        self.halves.of_mut(input.dir).stage = Stage::Head(EndSearch::default());
        true
    }

    fn seek(&self, dir: Direction, bytes: &[u8]) -> Seek {
        match self.asker.filter(|_| !self.left) {
            Some(asker) if asker == dir => odd_line::seek_request(bytes),
            Some(_) => odd_line::seek_answer(bytes),
            None => Seek::Nowhere,
        }
    }

    fn renew(&mut self) {
        let Self {
            halves,
            bodies,
            long_heads,
            asker,
            left,
            pairing,
        } = self;
        *halves = Both::default();
        for dir in [Direction::ToServer, Direction::ToClient] {
            bodies.of_mut(dir).renew();
        }
        *long_heads = Both::default();
        *asker = None;
        *left = false;
        pairing.renew();
    }
}

impl Http1 {
    fn start(&mut self, input: &Input<'_>, voice: &mut Voice<'_>) -> Result<Progress, Malformed> {
        let half = self.halves.of_mut(input.dir);
        // RFC 9112 section 2.2: empty lines in front of a request line are ignored.
        let empty = input
            .bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        if empty > 0 {
            voice.framing(empty);
            return Ok(Progress::need(empty, 1));
        }
        let verdict = match input.recognised {
            true => Verdict::Certain,
            false => probe(input.bytes),
        };
        match verdict {
            Verdict::Certain => {}
            Verdict::Likely { need } => return Ok(Progress::need(0, need)),
            // Letters may begin a method, or be left over from the message before: not worth more
            // than the burst lasts.
            Verdict::Unsure { .. } => return Ok(self.leave(input.dir)),
            Verdict::NotForUs if std::mem::take(&mut half.tunnel) => {
                return Ok(self.leave(input.dir));
            }
            Verdict::NotForUs if self.seek(input.dir, input.bytes) == Seek::At(0) => {}
            Verdict::NotForUs => {
                self.lose(input.dir, Missed::UNREAD);
                voice.stats.malformed = voice.stats.malformed.saturating_add(1);
                return Ok(self.leave(input.dir));
            }
        }
        let begin = self.begin(input, voice);
        self.head(input, EndSearch::default(), Some(begin), voice)
    }

    /// What comes is none of HTTP, as far as can be said.
    fn leave(&mut self, dir: Direction) -> Progress {
        self.halves.of_mut(dir).tunnel = false;
        Progress {
            consumed: 0,
            then: Then::Raw,
        }
    }

    /// The head of the open message was cut. What is there of it is told, and read if its start
    /// line is whole.
    fn cut_head(&mut self, dir: Direction, head: &[u8], voice: &mut Voice<'_>) {
        let half = *self.halves.of(dir);
        voice.text(dir, Part::Head, head);
        if !matches!(half.stage, Stage::Head(_)) {
            return;
        }
        if let Some(Head {
            line: Some(line),
            fields,
            ..
        }) = Head::of_part(head, half.answer)
        {
            let mut room = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut room, voice);
            // What was cut is not told as the whole.
            let cut = matches!(line, StartLine::Request(line) if line.version.is_empty());
            let title = match cut {
                true => &[title, b"..."].concat(),
                false => title,
            };
            voice.say(dir, MessageEvent::Summary { brief, title });
        }
    }

    /// The stream ended in a head without an empty line, but there is what some take for one, in
    /// front of `end`.
    fn odd_head(&mut self, dir: Direction, bytes: &[u8], end: usize, voice: &mut Voice<'_>) {
        let Some((head, body)) = bytes.split_at_checked(end) else {
            return;
        };
        let answer = self.halves.of(dir).answer;
        voice.text(dir, Part::Head, head);
        if let Head {
            line: Some(line),
            fields,
            ..
        } = Head::of(head, answer)
        {
            let mut room = [0; describe::TITLE];
            let (brief, title) = self.brief(dir, &line, &fields, None, &mut room, voice);
            voice.say(dir, MessageEvent::Summary { brief, title });
            self.bodies.of_mut(dir).begin(&fields.plan(), voice);
        }
        if !body.is_empty() {
            self.bodies.of_mut(dir).push(dir, body, voice);
        }
    }

    /// Ends the message, whole, behind `consumed` bytes.
    fn over(&mut self, dir: Direction, consumed: usize, voice: &mut Voice<'_>) -> Progress {
        self.end_message(dir, true, voice);
        self.halves.of_mut(dir).reset();
        Progress::need(consumed, 1)
    }

    /// Ends the message, which is not whole.
    fn break_off(&mut self, dir: Direction, voice: &mut Voice<'_>) {
        self.end_message(dir, false, voice);
        self.halves.of_mut(dir).reset();
    }

    /// Says what is left to say of the message.
    fn end_message(&mut self, dir: Direction, complete: bool, voice: &mut Voice<'_>) {
        let body = self.bodies.of_mut(dir);
        body.finish(dir, complete, voice);
        if let Some(facts) = body.facts(voice) {
            voice.say(dir, MessageEvent::Body(facts));
        }
        *self.long_heads.of_mut(dir) = None;
        if !self.halves.of(dir).answer {
            self.pairing.request_ends(voice.by.acked());
        }
        voice.say(dir, MessageEvent::End { complete });
    }

    /// Ends the message: it cannot be read on.
    fn give_up(&mut self, dir: Direction, consumed: usize, voice: &mut Voice<'_>) -> Malformed {
        self.break_off(dir, voice);
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

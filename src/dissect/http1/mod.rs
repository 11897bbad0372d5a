//! *HTTP/1.x*: requests and answers of a connection, as two state machines that share the [`pairing`].
//!
//! A direction is a row of messages: start line and fields (`head`), a body that ends by one of a few rules (`body`).
//! Which of the two a message is, its start line says, not its direction: the roles may have been guessed.
//! What cannot be framed with certainty is left to raw bursts, and read again from the next start line on.

mod body;
mod chunks;
mod decoded;
mod describe;
mod head;
mod long_head;
mod opening;
mod pairing;
mod start_line;
#[cfg(test)]
mod tests;
mod unasked;

use start_line::probe;

use self::body::Framing;
use self::decoded::Body;
use self::head::EndSearch;
use self::long_head::LongHead;
use self::pairing::{Asked, Pairing};
use super::voice::Voice;
use super::{
    AfterGap, Both, Dissector, Gap, Input, Malformed, Missed, Progress, Protocol, Then, Verdict,
};
use crate::flow::Direction;
use crate::message::{Kind, Part, Said, Side};
use crate::stream::{Ending, GapReason};

const REQUEST: Kind = Kind {
    name: "http.request",
    side: Side::Asks,
    sized: true,
};
const RESPONSE: Kind = Kind {
    name: "http.response",
    side: Side::Answers,
    sized: true,
};

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "http",
    probe: |bytes, _| probe(bytes),
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
            Stage::Body => Ok(self.over(input.dir, 0, voice)),
            Stage::ChunkSize(looked) => self.chunk_size(input, looked, voice),
            Stage::Chunk => self.chunk_end(input, voice),
            Stage::Trailer { looked, any } => self.trailer(input, looked, any, voice),
            Stage::Lost => Ok(self.lost_body(input, voice)),
        }
    }

    fn body(&mut self, dir: Direction, bytes: &[u8], voice: &mut Voice<'_>) {
        self.bodies.of_mut(dir).push(dir, bytes, voice);
    }

    fn missing(&mut self, dir: Direction, len: u64, reason: GapReason, voice: &mut Voice<'_>) {
        self.bodies.of_mut(dir).hole(dir, voice);
        voice.say(dir, Said::Missing { len, reason });
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
            |len: u64, voice: &mut Voice<'_>| voice.say(dir, Said::Missing { len, reason });
        let half = self.halves.of_mut(dir);
        match half.stage {
            Stage::Start => AfterGap {
                told: 0,
                consumed: 0,
                then: Then::Raw,
            },
            Stage::Head(_) | Stage::LongHead => {
                voice.text(dir, Part::Head, gap.waiting);
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
            Stage::Unasked(_) | Stage::ChunkSize(_) | Stage::Chunk | Stage::Trailer { .. } => {
                match half.stage {
                    Stage::Unasked(_) => self.bodies.of_mut(dir).push(dir, gap.waiting, voice),
                    _ => voice.framing(gap.waiting.len()),
                }
                self.bodies.of_mut(dir).give_up(dir, voice);
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
            Stage::Head(_) | Stage::LongHead => voice.text(dir, Part::Head, waiting),
            Stage::Trailer { .. } => voice.text(dir, Part::Trailer, waiting),
            Stage::Unasked(_) | Stage::Lost => {
                self.bodies.of_mut(dir).push(dir, waiting, voice);
            }
            Stage::Body | Stage::Chunk | Stage::ChunkSize(_) => voice.framing(waiting.len()),
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

    fn renew(&mut self) {
        let Self {
            halves,
            bodies,
            long_heads,
            asker,
            pairing,
        } = self;
        *halves = Both::default();
        *bodies = Both::default();
        *long_heads = Both::default();
        *asker = None;
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
            Verdict::Certain => {
                let begin = self.begin(input, voice);
                self.head(input, EndSearch::default(), Some(begin), voice)
            }
            Verdict::Likely { need } => Ok(Progress::need(0, need)),
            Verdict::Unsure { need } if !half.tunnel => Ok(Progress::need(0, need)),
            Verdict::Unsure { .. } | Verdict::NotForUs if half.tunnel => {
                half.tunnel = false;
                Ok(Progress {
                    consumed: 0,
                    then: Then::Raw,
                })
            }
            Verdict::Unsure { .. } | Verdict::NotForUs => {
                self.lose(input.dir, Missed::UNREAD);
                Err(Malformed {
                    consumed: 0,
                    continues: false,
                })
            }
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
            voice.say(dir, Said::Body(facts));
        }
        *self.long_heads.of_mut(dir) = None;
        voice.say(dir, Said::End { complete });
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

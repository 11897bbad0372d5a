//! The *opening* of a message: from its first byte to the end of its head, where its framing and its pair are known.

use super::super::voice::Voice;
use super::super::{Input, Malformed, Progress, Then};
use super::body::Framing;
use super::decoded::Plan;
use super::head::{EndSearch, Fields, line_end};
use super::pairing::Method;
use super::start_line::{RequestLine, StatusLine, is_answer};
use super::{Half, Http1, REQUEST, RESPONSE, Stage, describe};
use crate::flow::Direction;
use crate::message::{Brief, Part, Said};

impl Http1 {
    /// A message begins in front of `input`.
    pub(super) fn begin(&mut self, input: &Input<'_>, voice: &mut Voice<'_>) {
        let dir = input.dir;
        let answer = is_answer(input.bytes);
        let asker = *self
            .asker
            .get_or_insert(if answer { dir.reverse() } else { dir });
        let mut half = Half {
            answer,
            contrary: (asker == dir) == answer,
            ..Half::default()
        };
        let exchange = if answer {
            half.asked = if half.contrary {
                None
            } else {
                self.pairing.asked(voice.stats)
            };
            half.asked.map(|asked| asked.exchange)
        } else {
            half.exchange = voice.next_exchange();
            voice.stats.requests = voice.stats.requests.saturating_add(1);
            if !half.contrary {
                self.pairing
                    .ask(half.exchange, voice.limits.exchanges, voice.stats);
            }
            Some(half.exchange)
        };
        *self.halves.of_mut(dir) = half;
        voice.begin(
            dir,
            &input.first,
            if answer { RESPONSE } else { REQUEST },
            exchange,
            false,
        );
    }

    /// Looks for the end of the head, and reads it.
    pub(super) fn head(
        &mut self,
        input: &Input<'_>,
        mut search: EndSearch,
        voice: &mut Voice<'_>,
    ) -> Result<Progress, Malformed> {
        let (dir, limit) = (input.dir, voice.limits.head);
        let window = input.bytes.get(..limit).unwrap_or(input.bytes);
        let Some(end) = search.end(window) else {
            if window.len() < limit {
                self.halves.of_mut(dir).stage = Stage::Head(search);
                return Ok(Progress::need(0, window.len().saturating_add(1)));
            }
            voice.text(dir, Part::Head, window);
            return Err(self.give_up(dir, window.len(), voice));
        };
        let head = window.get(..end).unwrap_or(window);
        voice.text(dir, Part::Head, head);
        let half = *self.halves.of(dir);
        let line = head.get(..line_end(head, 0)).unwrap_or_default();
        let framing = if half.answer {
            StatusLine::of(line).map(|line| self.answer(dir, &line, head, search.bare, voice))
        } else {
            RequestLine::of(line).map(|line| self.request(dir, &line, head, search.bare, voice))
        };
        let (framing, plan) = framing.unzip();
        if let Some(Framing::Chunked | Framing::Length(_) | Framing::UntilClose) = framing {
            let plan = plan.unwrap_or_default();
            self.bodies.of_mut(dir).begin(plan, voice);
        }
        let half = self.halves.of_mut(dir);
        match framing {
            None | Some(Framing::Unclear) => Err(self.give_up(dir, end, voice)),
            Some(Framing::None) => Ok(self.over(dir, end, voice)),
            Some(Framing::Tunnel) => {
                self.over(dir, end, voice);
                self.halves.of_mut(dir.reverse()).tunnel = true;
                Ok(Progress {
                    consumed: end,
                    then: Then::Raw,
                })
            }
            Some(Framing::Chunked) => {
                half.stage = Stage::ChunkSize(0);
                Ok(Progress::need(end, 1))
            }
            Some(Framing::Length(len)) => {
                half.stage = Stage::Body;
                Ok(Progress {
                    consumed: end,
                    then: Then::Body(len),
                })
            }
            Some(Framing::UntilClose) => {
                (half.stage, half.until_close) = (Stage::Body, true);
                Ok(Progress {
                    consumed: end,
                    then: Then::Body(u64::MAX),
                })
            }
        }
    }

    fn request(
        &mut self,
        dir: Direction,
        line: &RequestLine<'_>,
        head: &[u8],
        bare: bool,
        voice: &mut Voice<'_>,
    ) -> (Framing, Plan) {
        let half = self.halves.of(dir);
        let fields = Fields::of(head, false);
        self.pairing.name(half.exchange, Method::of(line.method));
        let framing = Framing::of_request(&fields);
        let odd = bare
            || half.contrary
            || fields.is_odd(line.minor)
            || line.method.iter().any(u8::is_ascii_lowercase);
        count_odd(odd, voice);
        let mut room = [0; describe::TITLE];
        let title = describe::request_title(line, fields.host, &mut room);
        voice.say(
            dir,
            Said::Brief {
                brief: Brief {
                    odd,
                    ..Brief::default()
                },
                title,
            },
        );
        (framing, fields.plan())
    }

    fn answer(
        &mut self,
        dir: Direction,
        line: &StatusLine<'_>,
        head: &[u8],
        bare: bool,
        voice: &mut Voice<'_>,
    ) -> (Framing, Plan) {
        let half = self.halves.of(dir);
        let fields = Fields::of(head, true);
        let method = half.asked.map_or(Method::Other, |asked| asked.method);
        let framing = Framing::of_answer(&fields, line.status, method);
        let interim = matches!(line.status, 100 | 102..=199);
        let odd = bare || half.contrary || line.minor.is_none_or(|minor| fields.is_odd(minor));
        if !interim {
            voice.stats.answers = voice.stats.answers.saturating_add(1);
            if !half.contrary {
                self.pairing.answered(half.asked, voice.stats);
            }
        }
        count_odd(odd, voice);
        voice.say(
            dir,
            Said::Brief {
                brief: Brief {
                    status: line.status,
                    interim,
                    odd,
                },
                title: line.words,
            },
        );
        (framing, fields.plan())
    }
}

fn count_odd(odd: bool, voice: &mut Voice<'_>) {
    if odd {
        voice.stats.odd = voice.stats.odd.saturating_add(1);
    }
}

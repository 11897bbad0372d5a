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
        // Written where it stays.
        let half = self.halves.of_mut(dir);
        *half = Half::default();
        half.answer = answer;
        half.contrary = (asker == dir) == answer;
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
            return self.begin_long_head(input, window, voice);
        };
        let head = window.get(..end).unwrap_or(window);
        voice.text(dir, Part::Head, head);
        let &Half { answer, asked, .. } = self.halves.of(dir);
        let line = head.get(..line_end(head, 0)).unwrap_or_default();
        let fields = Fields::of(head, answer);
        let bare = search.bare.then_some("lines that end without CR");
        let framing = if answer {
            StatusLine::of(line).map(|line| {
                let method = asked.map_or(Method::Other, |asked| asked.method);
                self.answer(dir, &line, &fields, bare, voice);
                Framing::of_answer(&fields, line.status, method)
            })
        } else {
            RequestLine::of(line).map(|line| {
                self.request(dir, &line, &fields, bare, voice);
                Framing::of_request(&fields)
            })
        };
        match framing {
            Some(framing) => self.behind_head(dir, end, framing, fields.plan(), voice),
            None => Err(self.give_up(dir, end, voice)),
        }
    }

    /// Goes on behind a head, which ends behind `end` bytes.
    pub(super) fn behind_head(
        &mut self,
        dir: Direction,
        end: usize,
        framing: Framing,
        plan: Plan,
        voice: &mut Voice<'_>,
    ) -> Result<Progress, Malformed> {
        if let Framing::Chunked | Framing::Length(_) | Framing::UntilClose = framing {
            self.bodies.of_mut(dir).begin(plan, voice);
        }
        let half = self.halves.of_mut(dir);
        match framing {
            Framing::Unclear => Err(self.give_up(dir, end, voice)),
            Framing::None => Ok(self.over(dir, end, voice)),
            Framing::Tunnel => {
                self.over(dir, end, voice);
                self.halves.of_mut(dir.reverse()).tunnel = true;
                Ok(Progress {
                    consumed: end,
                    then: Then::Raw,
                })
            }
            Framing::Chunked => {
                half.stage = Stage::ChunkSize(0);
                Ok(Progress::need(end, 1))
            }
            Framing::Length(len) => {
                half.stage = Stage::Body;
                Ok(Progress {
                    consumed: end,
                    then: Then::Body(len),
                })
            }
            Framing::UntilClose => {
                (half.stage, half.until_close) = (Stage::Body, true);
                Ok(Progress {
                    consumed: end,
                    then: Then::Body(u64::MAX),
                })
            }
        }
    }

    /// A request's head is known; `odd` is what was seen to break a rule before its fields were read.
    pub(super) fn request(
        &mut self,
        dir: Direction,
        line: &RequestLine<'_>,
        fields: &Fields<'_>,
        odd: Option<&'static str>,
        voice: &mut Voice<'_>,
    ) {
        let half = self.halves.of(dir);
        self.pairing.name(half.exchange, Method::of(line.method));
        let odd = half
            .contrary
            .then_some("a request from the side that answers")
            .or(fields.oddity(line.minor))
            .or(odd)
            .or_else(|| {
                let lower = line.method.iter().any(u8::is_ascii_lowercase);
                lower.then_some("a method in lower case")
            });
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
    }

    /// An answer's head is known.
    pub(super) fn answer(
        &mut self,
        dir: Direction,
        line: &StatusLine<'_>,
        fields: &Fields<'_>,
        odd: Option<&'static str>,
        voice: &mut Voice<'_>,
    ) {
        let half = self.halves.of(dir);
        let interim = matches!(line.status, 100 | 102..=199);
        let odd = half
            .contrary
            .then_some("an answer from the side that asks")
            .or(match line.minor {
                Some(minor) => fields.oddity(minor),
                None => Some("ICY in place of HTTP"),
            })
            .or(odd);
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
    }
}

fn count_odd(odd: Option<&'static str>, voice: &mut Voice<'_>) {
    if odd.is_some() {
        voice.stats.odd = voice.stats.odd.saturating_add(1);
    }
}

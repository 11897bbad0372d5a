//! The start of a message: from its first byte to the end of its head, where its framing and its
//! exchange are known. A message that is complete in one buffer and needs no decoding is emitted as
//! one event, without a copy.

use super::super::output::Output;
use super::super::{Input, Malformed, ProbeResult, Progress, Then, Upgrade};
use super::body::{Framing, Perhaps, looks_chunked};
use std::ops::Range;

use super::super::http::decoded::{Hints, Plan};
use super::head::{EndSearch, FieldLines, Fields, Head, has_bare_line_end};
use super::pairing::{Method, Stand};
use super::start_line::{RequestLine, StartLine, StatusLine, is_response, probe};
use super::{DirectionState, Http1, REQUEST, RESPONSE, Stage, describe};
use crate::flow::Direction;
use crate::message::{Complete, MessageEvent, Part, Start, Summary};

impl Http1 {
    /// Starts a message at the first byte of `input`. The caller emits the returned event.
    pub(super) fn begin(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Start {
        let dir = input.dir;
        let response = is_response(input.bytes);
        let request_dir =
            *self
                .request_dir
                .get_or_insert(if response { dir.reverse() } else { dir });
        self.left = false;
        // Written in place, which avoids a copy.
        let state = self.directions.of_mut(dir);
        *state = DirectionState::default();
        state.response = response;
        state.roles_swapped = (request_dir == dir) == response;
        let stand = Stand {
            place: input.place,
            at_segment_start: input.at_segment_start,
            acks: input.first.acked(),
            other: input.other,
        };
        let exchange = if response {
            state.request = if state.roles_swapped {
                None
            } else {
                self.pairing.request(&stand)
            };
            state.unpaired = !state.roles_swapped && self.pairing.is_unsure();
            state.likely = state.request.is_some() && self.pairing.is_likely();
            state.request.map(|request| request.exchange)
        } else {
            state.exchange = out.next_exchange();
            out.stats.requests = out.stats.requests.saturating_add(1);
            if !state.roles_swapped {
                self.pairing
                    .ask(state.exchange, &stand, out.limits.exchanges, out.stats);
            }
            Some(state.exchange)
        };
        Start {
            kind: if response { RESPONSE } else { REQUEST },
            exchange,
            continues: false,
        }
    }

    /// Searches for the end of the head, and parses it. `begin` is the start event if it was not
    /// emitted yet.
    pub(super) fn head(
        &mut self,
        input: &Input<'_>,
        mut search: EndSearch,
        begin: Option<Start>,
        out: &mut Output<'_>,
    ) -> Result<Progress, Malformed> {
        let (dir, limit) = (input.dir, out.limits.head);
        let window = input.bytes.get(..limit).unwrap_or(input.bytes);
        let emit_start = |out: &mut Output<'_>| {
            if let Some(begin) = begin {
                out.emit_from(dir, &input.first, MessageEvent::Start(begin));
            }
        };
        let &DirectionState {
            response, request, ..
        } = self.directions.of(dir);
        let at_once = begin.and_then(|_| Head::at_once(window, response));
        // Looked at where it was read: it is large.
        let late;
        let (read, bare) = if let Some(head) = &at_once {
            let bare = has_bare_line_end(window.get(..head.len).unwrap_or_default());
            debug_assert_eq!(search.end(window), Some(head.len), "heads end alike");
            debug_assert_eq!(search.bare, bare, "their line ends are alike");
            (head, bare)
        } else if let Some(end) = search.end(window) {
            late = Head::of(window.get(..end).unwrap_or(window), response);
            (&late, search.bare)
        } else {
            emit_start(out);
            if window.len() < limit {
                self.directions.of_mut(dir).stage = Stage::Head(search);
                return Ok(Progress::need(0, window.len().saturating_add(1)));
            }
            return self.begin_long_head(input, window, out);
        };
        let (end, fields) = (read.len, &read.fields);
        let head = window.get(..end).unwrap_or(window);
        let bare = bare.then_some("lines that end without CR");
        let Some(line) = &read.line else {
            emit_start(out);
            out.text(dir, Part::Head, head);
            return Err(self.give_up(dir, end, out));
        };
        if let StartLine::Response(StatusLine { status: 101, .. }) = line {
            self.directions.of_mut(dir).upgrades = upgrades(head);
        }
        let mut buffer = [0; describe::TITLE];
        let (brief, title) = self.brief(dir, line, fields, bare, &mut buffer, out);
        let framing = match line {
            StartLine::Request(_) => Framing::of_request(fields),
            StartLine::Response(line) => {
                let method = request.map_or(Method::Other, |request| request.method);
                Framing::of_response(fields, line.status, method)
            }
        };
        let (mut framing, mut plan) = (framing, Plan::default());
        if framing != Framing::None {
            plan = fields.plan();
            if !fields.are_clear(brief.odd.is_some()) {
                plan.hints = Hints::of(head);
                framing = framing.in_doubt(fields, plan.hints.chunked);
            }
        }
        if let Some(begin) = begin
            && let Some(text) = whole(input.bytes, end, framing)
            && plan.leaves(text.get(end..).unwrap_or_default())
            && !(fields.expects && text.len() > end)
        {
            self.directions.of_mut(dir).reset();
            if !response {
                self.pairing.request_ends(out.by.acked());
            }
            let whole = Complete {
                begin,
                first: &input.first,
                text,
                head: end,
                brief,
                title,
            };
            out.emit(dir, MessageEvent::Complete(whole));
            return Ok(Progress::need(text.len(), 1));
        }
        emit_start(out);
        out.text(dir, Part::Head, head);
        out.emit(dir, MessageEvent::Summary { brief, title });
        let expected = fields.expects && !response;
        Ok(self.after_head(dir, (end, head), framing, &plan, expected, out))
    }

    /// Continues after `head`, of which the last `end` bytes come next. `expected` means that the
    /// body is only sent if the server accepts it.
    pub(super) fn after_head(
        &mut self,
        dir: Direction,
        (end, head): (usize, &[u8]),
        framing: Framing,
        plan: &Plan<'_>,
        expected: bool,
        out: &mut Output<'_>,
    ) -> Progress {
        match framing {
            Framing::None => self.over(dir, end, out),
            Framing::Tunnel => {
                let DirectionState {
                    upgrades, request, ..
                } = *self.directions.of(dir);
                self.over(dir, end, out);
                let other = self.directions.of(dir.reverse());
                if let Some(protocol) = upgrades
                    && matches!(other.stage, Stage::Start)
                {
                    return Progress {
                        consumed: end,
                        then: Then::Upgrade(Upgrade {
                            protocol,
                            exchange: request.map(|request| request.exchange),
                            client: dir.reverse(),
                            extensions: extensions(head),
                        }),
                    };
                }
                self.directions.of_mut(dir.reverse()).tunnel = true;
                // The tunnel contains another connection, in which the server may send the
                // requests.
                self.pairing.reset();
                (self.request_dir, self.left) = (None, true);
                Progress {
                    consumed: end,
                    then: Then::Raw,
                }
            }
            Framing::Chunked
            | Framing::Length(_)
            | Framing::UntilClose
            | Framing::Open
            | Framing::Perhaps(_) => {
                self.bodies.of_mut(dir).begin(plan, out);
                let state = self.directions.of_mut(dir);
                if Self::is_unasked(state) {
                    state.stage = Stage::Unasked(framing);
                    state.until_close = matches!(framing, Framing::UntilClose | Framing::Open);
                    return Progress::need(end, 1);
                }
                if expected {
                    state.stage = Stage::Expected(framing);
                    return Progress::need(end, 1);
                }
                self.body_begins(dir, end, framing)
            }
        }
    }

    /// Continues before a body, after `consumed` bytes.
    pub(super) fn body_begins(
        &mut self,
        dir: Direction,
        consumed: usize,
        framing: Framing,
    ) -> Progress {
        let state = self.directions.of_mut(dir);
        let (stage, then) = match framing {
            Framing::Chunked => (Stage::ChunkSize(0), Then::Need(1)),
            Framing::Length(len) => (Stage::Body, Then::Body(len)),
            Framing::UntilClose => (Stage::Body, Then::Body(u64::MAX)),
            Framing::Perhaps(perhaps) => (Stage::Perhaps(perhaps), Then::Need(1)),
            Framing::Open | Framing::None | Framing::Tunnel => (Stage::Lost, Then::Need(1)),
        };
        state.stage = stage;
        state.until_close = matches!(framing, Framing::UntilClose | Framing::Open);
        Progress { consumed, then }
    }

    /// Decides whether the body of a request follows, or the next request: the client was to wait
    /// for the server's consent before it sends the body (RFC 9110 section 10.1.1).
    pub(super) fn expected(
        &mut self,
        input: &Input<'_>,
        framing: Framing,
        out: &mut Output<'_>,
    ) -> Progress {
        let dir = input.dir;
        if !self.directions.of(dir).continue_seen {
            match probe(input.bytes) {
                ProbeResult::Certain if !is_response(input.bytes) => {
                    self.break_off(dir, out);
                    return Progress::need(0, 1);
                }
                ProbeResult::Likely { need } => return Progress::need(0, need),
                _ => {}
            }
        }
        self.body_begins(dir, 0, framing)
    }

    /// Decides whether a body is chunked.
    pub(super) fn perhaps(
        &mut self,
        input: &Input<'_>,
        perhaps: Perhaps,
        out: &mut Output<'_>,
    ) -> Progress {
        let Perhaps { len, declared } = perhaps;
        let dir = input.dir;
        let all = len.is_some_and(|len| input.bytes.len() as u64 >= len);
        let body = self.bodies.of_mut(dir);
        match looks_chunked(input.bytes) {
            Some(true) => {
                // A receiver that does not see the chunked framing takes the chunk sizes for text.
                body.search_as_sent(dir.into(), out);
                if !declared {
                    body.read_as("chunked");
                }
                self.body_begins(dir, 0, Framing::Chunked)
            }
            None if !all => Progress::need(0, input.bytes.len().saturating_add(1)),
            _ => {
                if declared {
                    body.read_without_chunks();
                }
                let framing = len.map_or(Framing::Open, Framing::Length);
                let progress = self.body_begins(dir, 0, framing);
                self.directions.of_mut(dir).until_close &= !declared;
                progress
            }
        }
    }

    /// Returns the summary of a message and its title, which may be composed in `buffer`. `odd` is
    /// a rule that was found to be broken before the fields were parsed.
    pub(super) fn brief<'t>(
        &mut self,
        dir: Direction,
        line: &StartLine<'t>,
        fields: &Fields<'_>,
        odd: Option<&'static str>,
        buffer: &'t mut [u8; describe::TITLE],
        out: &mut Output<'_>,
    ) -> (Summary, &'t [u8]) {
        match line {
            StartLine::Request(line) => {
                let brief = self.request(dir, line, fields, odd, out);
                (brief, describe::request_title(line, fields.host, buffer))
            }
            StartLine::Response(line) => (self.response(dir, line, fields, odd, out), line.words),
        }
    }

    /// Returns the summary of a request.
    fn request(
        &mut self,
        dir: Direction,
        line: &RequestLine<'_>,
        fields: &Fields<'_>,
        odd: Option<&'static str>,
        out: &mut Output<'_>,
    ) -> Summary {
        let state = self.directions.of(dir);
        self.pairing.name(state.exchange, Method::of(line.method));
        let odd = state
            .roles_swapped
            .then_some("a request from the side that answers")
            .or(line.odd)
            .or(fields.oddity(line.minor))
            .or(odd)
            .or_else(|| {
                let lower = line.method.iter().any(u8::is_ascii_lowercase);
                lower.then_some("a method in lower case")
            });
        count_odd(odd, out);
        Summary {
            odd,
            ..Summary::default()
        }
    }

    /// Returns the summary of a response.
    fn response(
        &mut self,
        dir: Direction,
        line: &StatusLine<'_>,
        fields: &Fields<'_>,
        odd: Option<&'static str>,
        out: &mut Output<'_>,
    ) -> Summary {
        // The request is responded to again in HTTP/2 (RFC 7540 section 3.2).
        let upgrades = self.directions.of(dir).upgrades;
        let interim = matches!(line.status, 100 | 102..=199) || upgrades == Some("http2");
        self.directions.of_mut(dir.reverse()).continue_seen |= line.status == 100;
        let state = self.directions.of(dir);
        let odd = state
            .roles_swapped
            .then_some("an answer from the side that asks")
            .or(line.odd)
            .or(fields.oddity(line.minor))
            .or(odd);
        if interim {
            self.pairing.interim();
        } else {
            out.stats.responses = out.stats.responses.saturating_add(1);
            if !state.roles_swapped {
                self.pairing.answered(state.request, out.stats);
            }
        }
        count_odd(odd, out);
        Summary {
            status: line.status,
            interim,
            odd,
            unpaired: state.unpaired,
            pushed: false,
            ends_exchange: false,
            likely: state.likely,
        }
    }
}

/// The protocol that comes next after a response with status 101, if it can be dissected.
fn upgrades(head: &[u8]) -> Option<&'static str> {
    let value = values(head, b"upgrade").next()?;
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    let names: [(&[u8], _); 2] = [(b"h2c", "http2"), (b"websocket", "ws")];
    names
        .into_iter()
        .find_map(|(name, protocol)| is(name).then_some(protocol))
}

/// The extensions of WebSocket that a response lists, separated by commas (RFC 6455 section 9.1).
fn extensions(head: &[u8]) -> Vec<u8> {
    let lists: Vec<&[u8]> = values(head, b"sec-websocket-extensions").collect();
    lists.join(&b',')
}

/// The values of the fields with this name, in any case.
fn values<'h>(head: &'h [u8], name: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    let text = |range: Range<usize>| head.get(range).unwrap_or_default().trim_ascii();
    FieldLines::of(head)
        .filter(move |line| text(line.name.clone()).eq_ignore_ascii_case(name))
        .map(move |line| text(line.value))
}

/// The text of a message with a head of `end` bytes, if all of it is in `bytes`.
fn whole(bytes: &[u8], end: usize, framing: Framing) -> Option<&[u8]> {
    let body = match framing {
        Framing::None => 0,
        Framing::Length(len) => usize::try_from(len).ok()?,
        Framing::Chunked
        | Framing::UntilClose
        | Framing::Tunnel
        | Framing::Open
        | Framing::Perhaps(_) => return None,
    };
    bytes.get(..end.checked_add(body)?)
}

fn count_odd(odd: Option<&'static str>, out: &mut Output<'_>) {
    if odd.is_some() {
        out.stats.odd = out.stats.odd.saturating_add(1);
    }
}

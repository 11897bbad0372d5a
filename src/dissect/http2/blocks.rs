//! *Blocks* of fields, in one frame or in several: they begin messages, or end them as trailers.

use super::frames::{Header, Type, flag};
use super::head::{Sort, sort};
use super::hpack::{Block, Flaw, Known, Why};
use super::streams::Open;
use super::{Http2, id, odd};
use crate::dissect::http::decoded::{Plan, charset_of, is_event_stream};
use crate::dissect::http::{REQUEST, RESPONSE};
use crate::dissect::output::Output;
use crate::dissect::websocket::Tunnel;
use crate::flow::Direction;
use crate::message::{Complete, Kind, MessageEvent, Part, Start, Summary};
use crate::stream::PacketInfo;

/// Bytes of a block.
const BLOCK: usize = 64 << 10;

/// What a block is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The head of a message, or its trailer.
    Head {
        /// Nothing follows it.
        ends: bool,
    },
    /// A request that the server makes in the client's place.
    Promise {
        /// The stream of it.
        promised: u32,
    },
}

/// A block of which more frames are to come.
pub(super) struct Gathered {
    stream: u32,
    what: What,
    /// The packet of its first byte.
    first: PacketInfo,
    bytes: Vec<u8>,
}

impl Gathered {
    /// Bytes of memory that it takes, about.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Http2 {
    /// The first part of a block.
    pub(super) fn fragment(
        &mut self,
        (dir, stream): (Direction, u32),
        what: What,
        header: &Header,
        fragment: &[u8],
        first: &PacketInfo,
        out: &mut Output<'_>,
    ) {
        let state = self.directions.of_mut(dir);
        state.overflown = None;
        if header.has(flag::END_HEADERS) {
            self.whole_block((dir, stream), what, fragment, first, out);
        } else {
            state.gathered = Some(Gathered {
                stream,
                what,
                first: *first,
                bytes: fragment.to_vec(),
            });
        }
    }

    /// The next part of a block.
    pub(super) fn continuation(
        &mut self,
        dir: Direction,
        header: &Header,
        payload: &[u8],
        out: &mut Output<'_>,
    ) {
        let state = self.directions.of_mut(dir);
        let last = header.has(flag::END_HEADERS);
        let gathered = state.gathered.take_if(|open| open.stream == header.stream);
        let Some(mut gathered) = gathered else {
            if state.overflown != Some(header.stream) {
                self.give_up_block(dir, out);
                odd(out);
                self.directions.of_mut(dir).hpack.forget(Why::Lost);
            } else if last {
                state.overflown = None;
            }
            return out.framing(payload.len());
        };
        let capacity = BLOCK.saturating_sub(gathered.bytes.len());
        let fits = payload.get(..capacity).unwrap_or(payload);
        gathered.bytes.extend_from_slice(fits);
        let over = fits.len() < payload.len();
        state.gathered = Some(gathered);
        if over {
            out.stats.malformed = out.stats.malformed.saturating_add(1);
            state.overflown = Some(header.stream).filter(|_| !last);
            self.give_up_block(dir, out);
        } else if last {
            self.end_block(dir, out);
        }
    }

    /// What was gathered is a whole block.
    fn end_block(&mut self, dir: Direction, out: &mut Output<'_>) {
        let Some(gathered) = self.directions.of_mut(dir).gathered.take() else {
            return;
        };
        let Gathered {
            stream,
            what,
            first,
            bytes,
        } = gathered;
        self.whole_block((dir, stream), what, &bytes, &first, out);
    }

    /// The rest of a block does not come, or is too much: it is read as far as it goes.
    pub(super) fn give_up_block(&mut self, dir: Direction, out: &mut Output<'_>) {
        if self.directions.of(dir).gathered.is_some() {
            self.end_block(dir, out);
            self.directions.of_mut(dir).hpack.forget(Why::Lost);
        }
    }

    /// A frame with a block breaks the rules.
    pub(super) fn odd_block(&mut self, dir: Direction, header: &Header, out: &mut Output<'_>) {
        odd(out);
        out.framing(header.len as usize);
        self.forget_block(dir, header);
    }

    /// A frame is passed over: if it has a part of a block, what that did to the table is not
    /// known.
    pub(super) fn forget_block(&mut self, dir: Direction, header: &Header) {
        let has_block = matches!(
            header.kind,
            Type::Headers | Type::PushPromise | Type::Continuation
        );
        if has_block {
            self.directions.of_mut(dir).hpack.forget(Why::Lost);
        }
    }

    fn whole_block(
        &mut self,
        (dir, stream): (Direction, u32),
        what: What,
        bytes: &[u8],
        first: &PacketInfo,
        out: &mut Output<'_>,
    ) {
        let hpack = &mut self.directions.of_mut(dir).hpack;
        hpack.decode(bytes, &mut self.block);
        if self.block.flaw == Some(Flaw::Bomb) {
            out.stats.header_bombs = out.stats.header_bombs.saturating_add(1);
        }
        match what {
            What::Promise { promised } => {
                self.request((dir.reverse(), promised), first, true, true, out);
            }
            What::Head { ends } => self.head((dir, stream), first, ends, out),
        }
    }

    /// A block on a stream is there.
    fn head(
        &mut self,
        (dir, stream): (Direction, u32),
        first: &PacketInfo,
        ends: bool,
        out: &mut Output<'_>,
    ) {
        let open = self.streams.get(stream);
        let open = open.and_then(|stream| stream.halves.of(dir).open);
        match (open, sort(&self.block)) {
            (Some(_), _) | (None, Sort::Neither { unknown: false }) => {
                self.trailer((dir, stream), first, ends, out);
            }
            (None, Sort::Request) => self.request((dir, stream), first, ends, false, out),
            (None, Sort::Response) => self.response((dir, stream), first, ends, out),
            (None, Sort::Neither { unknown: true }) => match dir {
                Direction::ToServer => self.request((dir, stream), first, ends, false, out),
                Direction::ToClient => self.response((dir, stream), first, ends, out),
            },
        }
    }

    /// Fields after a body.
    fn trailer(
        &mut self,
        (dir, stream): (Direction, u32),
        first: &PacketInfo,
        ends: bool,
        out: &mut Output<'_>,
    ) {
        self.head.write_trailer(&self.block);
        if self.streams.tunnel(stream).is_some() {
            odd(out);
            return self.end_message(dir, stream, ends, None, out);
        }
        self.data_of(dir, stream, first, out);
        if let Some(open) = self.streams.get(stream) {
            // Its first bytes may wait to be looked at.
            let body = &mut open.halves.of_mut(dir).body;
            body.finish(id(dir, stream), ends, out);
        }
        out.text(id(dir, stream), Part::Trailer, &self.head.text);
        if ends {
            self.end_message(dir, stream, true, None, out);
        } else {
            odd(out);
        }
    }

    /// The head of a request. `pushed`: its server made it.
    fn request(
        &mut self,
        (dir, number): (Direction, u32),
        first: &PacketInfo,
        ends: bool,
        pushed: bool,
        out: &mut Output<'_>,
    ) {
        self.head.write(&self.block, false);
        self.make_room(number, out);
        let exchange = out.next_exchange();
        out.stats.requests = out.stats.requests.saturating_add(1);
        let stream = self.streams.entry(number);
        stream.exchange = Some(exchange);
        stream.answered = false;
        stream.asks_tunnel = values(&self.block, b":protocol").any(|name| name == b"websocket");
        // The request is its head. What the client sends then is not its body.
        let ends = ends || stream.asks_tunnel;
        let summary = Summary {
            odd: self.head.odd,
            pushed,
            ..Summary::default()
        };
        self.message(
            (dir, number),
            (REQUEST, Some(exchange)),
            summary,
            first,
            ends,
            out,
        );
    }

    /// The head of a response, or of an interim one.
    fn response(
        &mut self,
        (dir, number): (Direction, u32),
        first: &PacketInfo,
        ends: bool,
        out: &mut Output<'_>,
    ) {
        self.head.write(&self.block, true);
        self.make_room(number, out);
        let stream = self.streams.entry(number);
        let exchange = stream.exchange;
        let interim = matches!(self.head.status, 100..=199);
        if !interim {
            out.stats.responses = out.stats.responses.saturating_add(1);
        }
        let summary = Summary {
            status: self.head.status,
            interim,
            odd: self.head.odd,
            ..Summary::default()
        };
        let tunnels = stream.asks_tunnel && matches!(self.head.status, 200..=299) && !ends;
        if tunnels {
            let lists: Vec<&[u8]> = values(&self.block, b"sec-websocket-extensions").collect();
            let tunnel = Tunnel::new(number, dir.reverse(), &lists.join(&b','));
            stream.tunnel = Some(Box::new(tunnel));
        }
        let ends = ends || interim || tunnels;
        self.message(
            (dir, number),
            (RESPONSE, exchange),
            summary,
            first,
            ends,
            out,
        );
    }

    /// Emits the start of a message, whose head is written, or all of it.
    fn message(
        &mut self,
        (dir, number): (Direction, u32),
        (kind, exchange): (Kind, Option<u64>),
        summary: Summary,
        first: &PacketInfo,
        ends: bool,
        out: &mut Output<'_>,
    ) {
        if self.head.unknown {
            out.stats.unknown_fields = out.stats.unknown_fields.saturating_add(1);
        }
        if summary.odd.is_some() {
            odd(out);
        }
        let begin = Start {
            kind,
            exchange,
            continues: false,
        };
        let (id, text, title) = (id(dir, number), &self.head.text, &self.head.title);
        if ends {
            out.emit(
                id,
                MessageEvent::Complete(Complete {
                    begin,
                    first,
                    text,
                    head: text.len(),
                    brief: summary,
                    title,
                }),
            );
            if kind == RESPONSE && !summary.interim {
                self.streams.entry(number).answered = true;
            }
            return self.streams.settle(number);
        }
        out.emit_from(id, first, MessageEvent::Start(begin));
        out.text(id, Part::Head, text);
        out.emit(
            id,
            MessageEvent::Summary {
                brief: summary,
                title,
            },
        );
        let half = self.streams.entry(number).halves.of_mut(dir);
        half.open = Some(if kind == REQUEST {
            Open::Request
        } else {
            Open::Response
        });
        half.body.begin(&plan(&self.block), out);
    }
}

/// The values of the fields with this name.
fn values<'b>(block: &'b Block, name: &[u8]) -> impl Iterator<Item = &'b [u8]> {
    let fields = block.fields().filter(move |(named, ..)| *named == name);
    let known = fields.filter(|(_, _, known)| *known == Known::All);
    known.map(|(_, value, _)| value)
}

/// What is to be undone to the body of a message, by the fields of its head.
fn plan(block: &Block) -> Plan<'_> {
    let mut plan = Plan::default();
    for (name, value, known) in block.fields() {
        match name {
            _ if known != Known::All => {}
            b"content-encoding" => plan.codings = plan.codings.and(value),
            b"content-type" => match plan.media {
                None => {
                    (plan.labelled, plan.charset) = charset_of(value);
                    plan.media = Some(value);
                    plan.events = is_event_stream(value);
                }
                Some(media) if media == value => {}
                Some(_) => plan.other_charset = charset_of(value).1,
            },
            _ => {}
        }
    }
    plan
}

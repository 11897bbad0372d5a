//! Test harness: plays the events of a flow into a [`FlowDissector`] and draws the emitted messages
//! as a chart. The chart has one line for each event, and adjacent text of one part is one line, so
//! that it does not depend on how the bytes were cut:
//!
//! ```text
//! > http.request #0
//! > head "GET / HTTP/1.1\r\n\r\n"
//! > brief "GET /"
//! > end
//! < http.response #0
//! ```

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::{Budget, FlowDissector};
use crate::flow::{Direction, Endpoint, Flow, Roles};
use crate::frame::Timestamp;
use crate::limits::Limits;
use crate::message::{BodyFacts, MessageEvent, MessageId, Part};
use crate::packet::{TcpFlags, protocol};
use crate::stats::DissectStats;
use crate::stream::{Ending, GapReason, PacketInfo, StreamEvent};

/// How the writes of a play are cut into segments.
#[derive(Clone, Debug)]
pub(super) enum Cut {
    /// One segment for each write.
    Whole,
    /// One segment for each byte.
    Bytes,
    /// Segments of these lengths, used in turn.
    Lengths(Vec<usize>),
}

/// One step of a play.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A write of an application. Its last segment has PSH.
    Write(Direction, Vec<u8>),
    /// A write whose last segment has no PSH.
    Unpushed(Direction, Vec<u8>),
    /// Missing bytes.
    Gap(Direction, u64),
    /// The end of a direction.
    End(Direction, Ending),
    /// A pause of this many milliseconds.
    Pause(i64),
}

pub(super) fn client(bytes: &[u8]) -> Step {
    Step::Write(Direction::ToServer, bytes.to_vec())
}

pub(super) fn server(bytes: &[u8]) -> Step {
    Step::Write(Direction::ToClient, bytes.to_vec())
}

pub(super) fn client_gap(len: u64) -> Step {
    Step::Gap(Direction::ToServer, len)
}

pub(super) fn server_gap(len: u64) -> Step {
    Step::Gap(Direction::ToClient, len)
}

pub(super) const CLIENT_END: Step = Step::End(Direction::ToServer, Ending::Fin);
pub(super) const SERVER_END: Step = Step::End(Direction::ToClient, Ending::Fin);

/// A play: the dissector of a flow, its surroundings, and the chart.
#[derive(Default)]
pub(super) struct Play {
    pub(super) dissector: FlowDissector,
    pub(super) limits: Limits,
    pub(super) decoders: Budget,
    pub(super) stats: DissectStats,
    pub(super) now: Timestamp,
    /// Whether to call `idle` before every packet.
    pub(super) ticking: bool,
    pub(super) chart: Chart,
    pub(super) frame: u64,
    /// Number of bytes that each direction has sent, captured or not.
    pub(super) sent: [u64; 2],
    /// Number of sent bytes that the receiver acknowledges from now on. `None`: all.
    pub(super) received: [Option<u64>; 2],
    /// Whether the handshake is missing from the capture.
    pub(super) midstream: bool,
}

/// Initial sequence numbers.
const ISN: [u32; 2] = [u32::MAX - 100, 5000];

impl Play {
    pub(super) fn of(steps: &[Step], cut: &Cut) -> Self {
        let mut play = Self::default();
        play.perform(steps, cut);
        play
    }

    pub(super) fn perform(&mut self, steps: &[Step], cut: &Cut) {
        for step in steps {
            match step {
                Step::Write(dir, bytes) => self.write(*dir, bytes, cut, true),
                Step::Unpushed(dir, bytes) => self.write(*dir, bytes, cut, false),
                &Step::Gap(dir, len) => {
                    let by = self.packet(dir, TcpFlags::ACK);
                    let offset = self.send(dir, len);
                    self.event(&StreamEvent::Gap {
                        dir,
                        offset,
                        len,
                        reason: GapReason::Acked,
                        by: &by,
                    });
                }
                &Step::End(dir, how) => {
                    let by = self.packet(dir, TcpFlags::FIN);
                    self.event(&StreamEvent::End { dir, how, by: &by });
                }
                Step::Pause(millis) => {
                    self.now = self.now.plus(millis * 1_000_000);
                    self.idle();
                }
            }
        }
    }

    fn write(&mut self, dir: Direction, mut bytes: &[u8], cut: &Cut, push: bool) {
        let mut turn = 0;
        while !bytes.is_empty() {
            let len = match cut {
                Cut::Whole => bytes.len(),
                Cut::Bytes => 1,
                Cut::Lengths(lengths) => lengths[turn % lengths.len()].clamp(1, bytes.len()),
            };
            turn += 1;
            let (now, later) = bytes.split_at(len);
            bytes = later;
            let flags = if push && later.is_empty() {
                TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0)
            } else {
                TcpFlags::ACK
            };
            let by = self.packet(dir, flags);
            let offset = self.send(dir, now.len() as u64);
            self.event(&StreamEvent::Data {
                dir,
                offset,
                seq: ISN[dir.index()].wrapping_add(1).wrapping_add(offset as u32),
                midstream: self.midstream,
                bytes: now,
                by: &by,
            });
        }
    }

    /// Sends `len` bytes. Returns the offset of the first.
    fn send(&mut self, dir: Direction, len: u64) -> u64 {
        let sent = &mut self.sent[dir.index()];
        let from = *sent;
        *sent = from.saturating_add(len);
        from
    }

    fn packet(&mut self, dir: Direction, flags: TcpFlags) -> PacketInfo {
        let other = dir.reverse().index();
        let received = self.received[other].unwrap_or(self.sent[other]);
        self.frame += 1;
        self.now = self.now.plus(1000);
        self.idle();
        PacketInfo {
            frame: self.frame,
            ts: self.now,
            flags,
            icmp: None,
            ack: ISN[other].wrapping_add(1).wrapping_add(received as u32),
        }
    }

    pub(super) fn event(&mut self, event: &StreamEvent<'_>) {
        self.event_of(protocol::TCP, event);
    }

    pub(super) fn event_of(&mut self, protocol: u8, event: &StreamEvent<'_>) {
        self.event_in(&flow(protocol), event);
    }

    /// Dissects an event of this flow.
    pub(super) fn event_in(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        let Self {
            dissector,
            limits,
            decoders,
            stats,
            chart,
            ..
        } = self;
        let emit = &mut |id, by: &PacketInfo, event: MessageEvent<'_>| chart.record(id, by, &event);
        dissector.on_event(limits, decoders, stats, flow, event, emit);
    }

    fn idle(&mut self) {
        if self.ticking {
            let Self {
                dissector,
                limits,
                decoders,
                stats,
                chart,
                now,
                ..
            } = self;
            dissector.idle(
                *now,
                &flow(protocol::TCP),
                limits,
                decoders,
                stats,
                &mut |id, by: &PacketInfo, event: MessageEvent<'_>| chart.record(id, by, &event),
            );
        }
    }
}

/// The emitted events.
#[derive(Default)]
pub(super) struct Chart {
    lines: Vec<String>,
    /// Message and part of the text in the last line.
    text: Option<(MessageId, Part)>,
    /// The open messages.
    open: Vec<MessageId>,
    /// Number of bytes of text.
    pub(super) bytes: u64,
    /// The text of each direction.
    pub(super) texts: [Vec<u8>; 2],
    /// The rules that messages broke ([`crate::message::Summary::odd`]).
    pub(super) oddities: Vec<&'static str>,
    pub(super) bodies: Vec<BodyFacts>,
    /// The other readings of all messages: their names and their text.
    pub(super) readings: Vec<(&'static str, Vec<u8>)>,
    /// Indexes into `readings` for the open message of each direction, by the number of the
    /// reading.
    places: [Vec<usize>; 2],
    /// The frame of each `Start` and each `End`.
    pub(super) frames: Vec<u64>,
}

impl Chart {
    fn record(&mut self, id: MessageId, by: &PacketInfo, event: &MessageEvent<'_>) {
        if let MessageEvent::Complete(whole) = event {
            return whole.in_pieces(by, |by, event| self.record(id, by, &event));
        }
        let dir = id.dir;
        let mut arrow = [">", "<"][dir.index()].to_owned();
        if id.number > 0 {
            let _ = write!(arrow, "{}", id.number);
        }
        assert_eq!(
            self.open.contains(&id),
            !matches!(event, MessageEvent::Start(_)),
            "{arrow} {event:?} {:#?}",
            self.lines
        );
        let text = self.text.take();
        let mut line = format!("{arrow} ");
        match *event {
            MessageEvent::Complete(_) => unreachable!("it is recorded in pieces"),
            MessageEvent::Fork { reading, name } => {
                let places = &mut self.places[dir.index()];
                assert_eq!(usize::from(reading), places.len(), "readings are numbered");
                places.push(self.readings.len());
                self.readings.push((name, Vec::new()));
                self.text = text;
                return;
            }
            MessageEvent::Reading { reading, bytes } => {
                assert!(!bytes.is_empty());
                let place = self.places[dir.index()][usize::from(reading)];
                self.readings[place].1.extend_from_slice(bytes);
                self.text = text;
                return;
            }
            MessageEvent::Start(begin) => {
                self.open.push(id);
                self.places[dir.index()].clear();
                self.frames.push(by.frame);
                let exchange = begin
                    .exchange
                    .map_or("?".to_owned(), |number| number.to_string());
                let _ = write!(
                    line,
                    "{} #{exchange}{}",
                    begin.kind.name,
                    if begin.continues { " goes on" } else { "" }
                );
            }
            MessageEvent::Data { part, bytes } => {
                assert!(!bytes.is_empty());
                self.bytes += bytes.len() as u64;
                self.texts[dir.index()].extend_from_slice(bytes);
                self.text = Some((id, part));
                if text == self.text {
                    let last = self.lines.last_mut().expect("text was recorded before");
                    last.pop();
                    let _ = write!(last, "{}\"", bytes.escape_ascii());
                    return;
                }
                let _ = write!(
                    line,
                    "{} \"{}\"",
                    format!("{part:?}").to_lowercase(),
                    bytes.escape_ascii()
                );
            }
            MessageEvent::Summary { brief, title } => {
                line.push_str("brief ");
                if brief.status > 0 {
                    let _ = write!(line, "{} ", brief.status);
                }
                let _ = write!(line, "\"{}\"", title.escape_ascii());
                line.push_str(if brief.interim { " interim" } else { "" });
                line.push_str(if brief.odd.is_some() { " odd" } else { "" });
                line.push_str(if brief.likely { " likely" } else { "" });
                self.oddities.extend(brief.odd);
            }
            MessageEvent::Gap { len, .. } => {
                let _ = write!(line, "missing {len}");
            }
            MessageEvent::Body(facts) => {
                self.bodies.push(facts);
                self.text = text;
                return;
            }
            MessageEvent::Status(status) => {
                let code = status.code.map(|code| format!("{code} "));
                let _ = write!(
                    line,
                    "status {}{:?}",
                    code.unwrap_or_default(),
                    status.message
                );
            }
            MessageEvent::End { complete } => {
                self.open.retain(|open| *open != id);
                self.frames.push(by.frame);
                line.push_str(if complete { "end" } else { "end incomplete" });
            }
        }
        self.lines.push(line);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The lines that are not text.
    pub(super) fn outline(&self) -> Vec<&str> {
        let text = ["head", "body", "trailer"];
        let is_text = |line: &str| {
            let wanted = line.split(' ').nth(1).unwrap_or_default();
            text.contains(&wanted)
        };
        self.lines
            .iter()
            .map(String::as_str)
            .filter(|line| !is_text(line))
            .collect()
    }
}

/// Plays `steps` whole and byte by byte, and expects the same chart from both.
pub(super) fn expect(steps: &[Step], chart: &[&str]) -> DissectStats {
    let mut whole = DissectStats::default();
    for (cut, ticking) in [
        (Cut::Bytes, false),
        (Cut::Bytes, true),
        (Cut::Lengths(vec![7, 3]), false),
        (Cut::Whole, false),
    ] {
        let mut play = Play {
            ticking,
            ..Play::default()
        };
        play.perform(steps, &cut);
        assert_eq!(
            play.chart.lines(),
            chart,
            "{cut:?} {ticking}\n{:#?}",
            play.chart.lines()
        );
        whole = play.stats;
    }
    whole
}

pub(super) fn flow(protocol: u8) -> Flow {
    let end = |last, port| Endpoint {
        addr: Ipv4Addr::new(127, 0, 0, last).into(),
        port,
    };
    Flow {
        roles: Roles::Seen,
        ..Flow::new(1, protocol, end(1, 40000), end(2, 5000))
    }
}

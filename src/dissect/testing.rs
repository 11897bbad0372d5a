//! For tests: plays a conversation and draws what is said of it as a chart, one line each:
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
    /// Each in one.
    Whole,
    /// One byte each.
    Bytes,
    /// Lengths, used in turn.
    Lengths(Vec<usize>),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// One write of an application; PSH on its last segment.
    Write(Direction, Vec<u8>),
    /// A write of which the last segment has no PSH.
    Unpushed(Direction, Vec<u8>),
    /// Bytes are missing.
    Gap(Direction, u64),
    /// A direction ends.
    End(Direction, Ending),
    /// Nothing happens for so many milliseconds.
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

/// A conversation on the stage.
#[derive(Default)]
pub(super) struct Play {
    pub(super) conversation: FlowDissector,
    pub(super) limits: Limits,
    pub(super) decoders: Budget,
    pub(super) stats: DissectStats,
    pub(super) now: Timestamp,
    /// Call `idle` all the time.
    pub(super) ticking: bool,
    pub(super) chart: Chart,
    pub(super) frame: u64,
    /// How many bytes each direction has sent, captured or not.
    pub(super) sent: [u64; 2],
    /// How many of them the other side has received, as it says from now on. `None`: all.
    pub(super) received: [Option<u64>; 2],
    /// The handshake was not captured.
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
                    let by = self.carrier(dir, TcpFlags::ACK);
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
                    let by = self.carrier(dir, TcpFlags::FIN);
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
            let by = self.carrier(dir, flags);
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

    /// So many bytes are sent; says from which offset on.
    fn send(&mut self, dir: Direction, len: u64) -> u64 {
        let sent = &mut self.sent[dir.index()];
        let from = *sent;
        *sent = from.saturating_add(len);
        from
    }

    fn carrier(&mut self, dir: Direction, flags: TcpFlags) -> PacketInfo {
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

    /// Takes an event of this flow.
    pub(super) fn event_in(&mut self, flow: &Flow, event: &StreamEvent<'_>) {
        let Self {
            conversation,
            limits,
            decoders,
            stats,
            chart,
            ..
        } = self;
        let say = &mut |id, by: &PacketInfo, said: MessageEvent<'_>| chart.hear(id, by, &said);
        conversation.on_event(limits, decoders, stats, flow, event, say);
    }

    fn idle(&mut self) {
        if self.ticking {
            let Self {
                conversation,
                limits,
                decoders,
                stats,
                chart,
                now,
                ..
            } = self;
            conversation.idle(
                *now,
                &flow(protocol::TCP),
                limits,
                decoders,
                stats,
                &mut |id, by: &PacketInfo, said: MessageEvent<'_>| chart.hear(id, by, &said),
            );
        }
    }
}

/// What was said.
#[derive(Default)]
pub(super) struct Chart {
    lines: Vec<String>,
    /// Message and part of the text in the last line.
    text: Option<(MessageId, Part)>,
    /// The open messages.
    open: Vec<MessageId>,
    /// Bytes of text.
    pub(super) bytes: u64,
    /// All text of each direction.
    pub(super) texts: [Vec<u8>; 2],
    /// What became of each body. They are no lines: most bodies are as sent, and their sizes are
    /// seen. The rules that messages were said to break.
    pub(super) oddities: Vec<&'static str>,
    pub(super) bodies: Vec<BodyFacts>,
    /// The other readings of all messages: what the bytes were taken for, and the text.
    pub(super) readings: Vec<(&'static str, Vec<u8>)>,
    /// Where those of each direction's open message begin in them, in the order of their numbers.
    places: [Vec<usize>; 2],
    /// The frame of each `Start` and each `End`.
    pub(super) frames: Vec<u64>,
}

impl Chart {
    fn hear(&mut self, id: MessageId, by: &PacketInfo, said: &MessageEvent<'_>) {
        if let MessageEvent::Complete(whole) = said {
            return whole.in_pieces(by, |by, said| self.hear(id, by, &said));
        }
        let dir = id.dir;
        let mut arrow = [">", "<"][dir.index()].to_owned();
        if id.number > 0 {
            let _ = write!(arrow, "{}", id.number);
        }
        assert_eq!(
            self.open.contains(&id),
            !matches!(said, MessageEvent::Start(_)),
            "{arrow} {said:?} {:#?}",
            self.lines
        );
        let text = self.text.take();
        let mut line = format!("{arrow} ");
        match *said {
            MessageEvent::Complete(_) => unreachable!("it was heard in pieces"),
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
                    let last = self.lines.last_mut().expect("text was said before");
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

    /// Only the lines that are not text.
    pub(super) fn outline(&self) -> Vec<&str> {
        let text = ["head", "body", "trailer"];
        let is_text = |line: &str| {
            let said = line.split(' ').nth(1).unwrap_or_default();
            text.contains(&said)
        };
        self.lines
            .iter()
            .map(String::as_str)
            .filter(|line| !is_text(line))
            .collect()
    }
}

/// Plays `steps` whole and byte by byte, and wants the chart for both.
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

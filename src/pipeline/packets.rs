//! Packet mode (`--ngrep`): each packet is a message and is searched alone.
//!
//! No state is kept between packets except the counters.

use std::ops::Range;

use crate::decode;
use crate::flow::Direction;
use crate::frame::Frame;
use crate::hit::{Carried, FragmentMark, Heading, Hit, Piece, Portion, Text, Why};
use crate::message::{BodyFacts, Kind, Role, Summary};
use crate::packet::{Packet, TcpFlags, Transport};
use crate::search::Query;
use crate::stats::{DecodeStats, OutputStats};

use super::outputs::Outputs;

/// Options and counters of packet mode.
pub(super) struct Packets {
    pub(super) query: Query,
    pub(super) invert: bool,
    pub(super) show_empty: bool,
    pub(super) max_count: Option<u64>,
    pub(super) search_first: Option<usize>,
    /// Packets to show after a match, of any flow.
    pub(super) after: u64,
    pub(super) outputs: Outputs,
    pub(super) output: OutputStats,
    /// Packets that were shown, matching or not.
    pub(super) shown: u64,
    after_context_left: u64,
    matches: Vec<Range<usize>>,
    pieces: Vec<Piece>,
}

impl Packets {
    pub(super) fn new(query: Query, outputs: Outputs) -> Self {
        Self {
            query,
            invert: false,
            show_empty: false,
            max_count: None,
            search_first: None,
            after: 0,
            outputs,
            output: OutputStats::default(),
            shown: 0,
            after_context_left: 0,
            matches: Vec::new(),
            pieces: Vec::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.max_count
            .is_some_and(|most| self.output.matched >= most)
    }

    /// Processes the frame that is the `number`th to pass the filter.
    pub(super) fn frame(&mut self, frame: &Frame<'_>, number: u64, decoded: &mut DecodeStats) {
        let packet = match decode::outermost(frame) {
            Ok(packet) => packet,
            Err(why) => return decoded.count(why),
        };
        decoded.packets += 1;
        let result = self.outputs.renderer.frame();
        self.outputs.note(result);
        let payload = packet.payload;
        let payload = self
            .search_first
            .and_then(|first| payload.get(..first))
            .unwrap_or(payload);
        let mut shown = if self.after_context_left > 0 {
            Some(Why::Context)
        } else {
            None
        };
        self.after_context_left = self.after_context_left.saturating_sub(1);
        self.matches.clear();
        if payload.is_empty() {
            if !self.show_empty {
                return;
            }
            shown = Some(Why::Empty);
        } else {
            self.output.messages += 1;
            let holds = self.query.holds_in(payload, &mut self.matches);
            // Like ngrep, counts the matches, even if it shows the others (`-v`).
            self.output.matched += u64::from(holds);
            if holds != self.invert {
                shown = Some(Why::Match);
                self.after_context_left = self.after;
            }
        }
        let Some(why) = shown else { return };
        self.shown += u64::from(why == Why::Match);
        self.pieces.clear();
        if !payload.is_empty() {
            self.pieces.push(Piece::Kept(0..payload.len()));
        }
        if let Some(recorder) = &mut self.outputs.recorder {
            let result = recorder.save_now(frame);
            self.outputs.note(result);
        }
        let hit = Hit {
            number,
            why,
            heading: heading(&packet, payload.len()),
            kind: Kind {
                name: "packet",
                side: Role::Single,
                sized: true,
            },
            portion: Portion::Whole,
            text: Text {
                bytes: payload,
                pieces: &self.pieces,
            },
            start: 0,
            carried: Carried::default(),
            head: 0,
            matches: &self.matches,
            styles: &[],
            fields: &[],
            began: frame.ts,
            brief: Summary::default(),
            frames: &[],
            facts: &[],
            opaque: None,
            body_size: payload.len() as u64,
            body: BodyFacts::default(),
            times: None,
            incomplete: false,
            failed: None,
            aside: None,
            midstream: false,
            pending: false,
        };
        self.outputs.hit(&hit);
    }
}

fn heading(packet: &Packet<'_>, len: usize) -> Heading {
    let (flags, icmp) = match packet.transport {
        Transport::Tcp(tcp) => (tcp.flags, None),
        Transport::Icmp(kind, code) | Transport::Igmp(kind, code) => {
            (TcpFlags::default(), Some((kind, code)))
        }
        Transport::Udp(_) | Transport::Other => (TcpFlags::default(), None),
    };
    let (src, dst) = packet.ends();
    let fragment = packet.ip.fragment.map(|fragment| FragmentMark {
        id: fragment.id,
        offset: fragment.offset,
        len,
        later: fragment.offset > 0,
    });
    Heading {
        protocol: packet.ip.protocol,
        ts: packet.ts,
        src,
        dst,
        dir: Direction::ToServer,
        ports: src.port != 0 || dst.port != 0,
        flags,
        icmp,
        tunnel: None,
        fragment,
    }
}

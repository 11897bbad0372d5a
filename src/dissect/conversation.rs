//! The *conversation*: what a flow's events mean, as messages. It picks the events that carry text
//! apart; streams are read by [`Talk`], datagrams are messages as they are.

use super::budget::Budget;
use super::half::Place;
use super::raw;
use super::talk::Talk;
use super::voice::Voice;
use super::{Claim, Dissector, datagram_protocol};
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits::Limits;
use crate::message::MessageEvent;
use crate::stats::DissectStats;
use crate::stream::{PacketInfo, StreamEvent};

/// What is known of the messages of one flow.
///
/// It is small as long as no stream data was seen. Its calls are [`Self::on_event`] for each event
/// of the flow, in order, and [`Self::idle`] at any time.
#[derive(Default)]
pub struct Conversation {
    exchanges: u64,
    wire: bool,
    talk: Option<Box<Talk>>,
    /// What reads the flow's datagrams.
    datagrams: Option<Box<dyn Dissector>>,
}

impl Conversation {
    /// Tells streams as raw bursts, whatever is spoken in them. For a flow of which nothing was
    /// said yet.
    pub fn stay_raw(&mut self) {
        self.wire = true;
    }

    /// Whether nothing was said of the flow.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.talk.is_none() && self.exchanges == 0
    }

    /// Forgets the flow, to be used for another one. What it has allocated is kept where it is
    /// small.
    pub fn renew(&mut self) {
        (self.exchanges, self.wire) = (0, false);
        self.datagrams = None;
        if let Some(talk) = &mut self.talk {
            talk.renew();
        }
    }

    /// Passes over a datagram of which nothing is to be said: it is counted.
    pub fn skip(&mut self) {
        self.exchanges = self.exchanges.saturating_add(1);
    }

    /// Takes the next event of the flow and says what it means. Bytes are lent to `say` for its
    /// call. The decoders of all conversations of a run share `decoders`.
    ///
    /// [`StreamEvent::OutOfStream`], [`StreamEvent::Acked`], [`StreamEvent::NoPayload`] and
    /// [`StreamEvent::Closed`] have no place in a message: nothing is said of them.
    pub fn on_event(
        &mut self,
        limits: &Limits,
        decoders: &Budget,
        stats: &mut DissectStats,
        flow: &Flow,
        event: &StreamEvent<'_>,
        say: &mut dyn FnMut(Direction, &PacketInfo, MessageEvent<'_>),
    ) {
        let mut voice = Voice {
            flow,
            limits,
            decoders,
            stats,
            by: PacketInfo::default(),
            wire: self.wire,
            exchanges: &mut self.exchanges,
            listener: say,
        };
        match *event {
            StreamEvent::Data {
                dir,
                offset,
                seq,
                joined,
                bytes,
                by,
            } => {
                voice.by = *by;
                let talk = self.talk.get_or_insert_default();
                if joined {
                    talk.join(dir);
                }
                talk.data(dir, Place { offset, seq }, bytes, &mut voice);
            }
            StreamEvent::Gap {
                dir,
                offset,
                len,
                reason,
                by,
            } => {
                voice.by = *by;
                let talk = self.talk.get_or_insert_default();
                talk.gap(dir, (offset, len), reason, &mut voice);
            }
            StreamEvent::End { dir, how, by } => {
                voice.by = *by;
                if let Some(talk) = &mut self.talk {
                    talk.end(dir, how, &mut voice);
                }
            }
            StreamEvent::Datagram {
                dir,
                bytes,
                cut,
                by,
            } => {
                voice.by = *by;
                if !self.wire && cut == 0 && self.datagrams.is_none() {
                    let protocol = datagram_protocol(flow);
                    self.datagrams = protocol.map(|protocol| (protocol.start)());
                }
                let claim = match &mut self.datagrams {
                    Some(dissector) if cut == 0 => dissector.datagram(flow, dir, bytes, &mut voice),
                    _ => Claim::NotMine,
                };
                if claim == Claim::NotMine {
                    raw::datagram(flow, dir, bytes, cut, &mut voice);
                }
            }
            StreamEvent::NoPayload { .. }
            | StreamEvent::OutOfStream { .. }
            | StreamEvent::Acked { .. }
            | StreamEvent::Closed { .. } => {}
        }
    }

    /// Ends a raw burst behind which nothing came for [`crate::limits::time::BURST_PAUSE`]. What is
    /// told does not depend on when, or whether, this is called; only how soon.
    pub fn idle(
        &mut self,
        now: Timestamp,
        flow: &Flow,
        limits: &Limits,
        decoders: &Budget,
        stats: &mut DissectStats,
        say: &mut dyn FnMut(Direction, &PacketInfo, MessageEvent<'_>),
    ) {
        let Some(talk) = &mut self.talk else { return };
        let mut voice = Voice {
            flow,
            limits,
            decoders,
            stats,
            by: PacketInfo::default(),
            wire: self.wire,
            exchanges: &mut self.exchanges,
            listener: say,
        };
        for dir in [Direction::ToServer, Direction::ToClient] {
            talk.pause(dir, now, &mut voice);
        }
    }

    /// When the last byte of the open raw burst came, if there is one: [`Self::idle`] has something
    /// to do a pause later.
    #[must_use]
    pub fn open_burst_since(&self) -> Option<Timestamp> {
        self.talk.as_ref()?.open_burst_since()
    }

    /// What brought the first of a direction's bytes that wait for more to be told, if any do.
    #[must_use]
    pub fn waits_since(&self, dir: Direction) -> Option<&PacketInfo> {
        self.talk.as_ref()?.waits_since(dir)
    }

    /// Bytes of memory held for bytes that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.talk.as_ref().map_or(0, |talk| talk.held())
    }
}

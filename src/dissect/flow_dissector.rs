//! The *conversation*: what a flow's events mean, as messages. It picks the events that carry text
//! apart; streams are read by [`StreamDriver`], datagrams are messages as they are.

use super::budget::Budget;
use super::direction::Place;
use super::driver::StreamDriver;
use super::output::Output;
use super::raw;
use super::{Claim, Dissector, datagram_protocol};
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits::Limits;
use crate::message::{MessageEvent, MessageId};
use crate::stats::DissectStats;
use crate::stream::{PacketInfo, StreamEvent};

/// What is known of the messages of one flow.
///
/// It is small as long as no stream data was seen. Its calls are [`Self::on_event`] for each event
/// of the flow, in order, and [`Self::idle`] at any time.
#[derive(Default)]
pub struct FlowDissector {
    exchanges: u64,
    wire: bool,
    driver: Option<Box<StreamDriver>>,
    /// What reads the flow's datagrams.
    datagrams: Option<Box<dyn Dissector>>,
}

impl FlowDissector {
    /// Tells streams as raw bursts, whatever is spoken in them. For a flow of which nothing was
    /// said yet.
    pub fn stay_raw(&mut self) {
        self.wire = true;
    }

    /// Whether nothing was said of the flow.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.driver.is_none() && self.exchanges == 0
    }

    /// Forgets the flow, to be used for another one. What it has allocated is kept where it is
    /// small.
    pub fn reset(&mut self) {
        (self.exchanges, self.wire) = (0, false);
        self.datagrams = None;
        if let Some(driver) = &mut self.driver {
            driver.reset();
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
        say: &mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
    ) {
        let mut out = Output {
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
                midstream,
                bytes,
                by,
            } => {
                out.by = *by;
                let driver = self.driver.get_or_insert_default();
                if midstream {
                    driver.join(dir);
                }
                driver.data(dir, Place { offset, seq }, bytes, &mut out);
            }
            StreamEvent::Gap {
                dir,
                offset,
                len,
                reason,
                by,
            } => {
                out.by = *by;
                let driver = self.driver.get_or_insert_default();
                driver.gap(dir, (offset, len), reason, &mut out);
            }
            StreamEvent::End { dir, how, by } => {
                out.by = *by;
                if let Some(driver) = &mut self.driver {
                    driver.end(dir, how, &mut out);
                }
            }
            StreamEvent::Datagram {
                dir,
                bytes,
                cut,
                by,
            } => {
                out.by = *by;
                if !self.wire && cut == 0 && self.datagrams.is_none() {
                    let protocol = datagram_protocol(flow);
                    self.datagrams = protocol.map(|protocol| (protocol.start)());
                }
                let claim = match &mut self.datagrams {
                    Some(dissector) if cut == 0 => dissector.datagram(flow, dir, bytes, &mut out),
                    _ => Claim::NotMine,
                };
                if claim == Claim::NotMine {
                    raw::datagram(flow, dir, bytes, cut, &mut out);
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
        say: &mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
    ) {
        let Some(driver) = &mut self.driver else {
            return;
        };
        let mut out = Output {
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
            driver.pause(dir, now, &mut out);
        }
    }

    /// When the last byte of the open raw burst came, if there is one: [`Self::idle`] has something
    /// to do a pause later.
    #[must_use]
    pub fn open_burst_since(&self) -> Option<Timestamp> {
        self.driver.as_ref()?.open_burst_since()
    }

    /// What brought the first of a direction's bytes that wait for more to be told, if any do.
    #[must_use]
    pub fn waits_since(&self, dir: Direction) -> Option<&PacketInfo> {
        self.driver.as_ref()?.waits_since(dir)
    }

    /// Bytes of memory that this value has allocated, about, without what the decoders' [`Budget`]
    /// counts.
    #[must_use]
    pub fn held(&self) -> usize {
        let driver = self.driver.as_ref();
        let driver = driver.map_or(0, |driver| size_of_val(&**driver) + driver.held());
        let datagrams = self.datagrams.as_ref();
        driver + datagrams.map_or(0, |dissector| dissector.held())
    }
}

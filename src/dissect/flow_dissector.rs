//! The dissector of one flow: turns the flow's events into message events. Streams go through
//! [`StreamDriver`]; datagrams are passed to their protocol or emitted as they are.

use super::budget::Budget;
use super::direction::Place;
use super::driver::StreamDriver;
use super::output::Output;
use super::parked::Parked;
use super::raw;
use super::{Claim, Dissector, datagram_protocol};
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits::Limits;
use crate::message::{MessageEvent, MessageId};
use crate::stats::DissectStats;
use crate::stream::{PacketInfo, StreamEvent};

/// The dissection state of one flow.
///
/// Call [`Self::on_event`] for each event of the flow in order, and [`Self::idle`] at any time.
/// Small until the first stream data arrives: the driver is allocated then.
#[derive(Default)]
pub struct FlowDissector {
    exchanges: u64,
    raw_only: bool,
    driver: Option<Box<StreamDriver>>,
    /// Takes the place of the driver while nothing is open.
    parked: Option<Box<Parked>>,
    /// The dissector of the flow's datagrams.
    datagrams: Option<Box<dyn Dissector>>,
}

impl FlowDissector {
    /// Emits all streams as raw bursts, whatever protocol they use. Call it before the first event
    /// of a flow.
    pub fn stay_raw(&mut self) {
        self.raw_only = true;
    }

    /// Returns whether no event of the flow has been dissected.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.driver.is_none() && self.parked.is_none() && self.exchanges == 0
    }

    /// Returns whether the next stream data requires a driver that is not there, which
    /// [`Self::reuse`] can provide.
    #[must_use]
    pub fn lacks_driver(&self) -> bool {
        self.driver.is_none()
    }

    /// If nothing is open in the flow: frees most of its memory, and returns it as a dissector that
    /// is reset. The flow goes on as if this had not been called.
    pub fn park(&mut self) -> Option<Self> {
        if self.datagrams.is_some() {
            return None;
        }
        self.parked = Some(Box::new(self.driver.as_mut()?.park()?));
        Some(Self {
            driver: self.driver.take(),
            ..Self::default()
        })
    }

    /// Takes the memory of a dissector that is reset.
    pub fn reuse(&mut self, other: Self) {
        self.driver = other.driver;
        self.unpark();
    }

    /// Continues from the parked state, if there is one.
    #[cold]
    fn unpark(&mut self) {
        if let Some(parked) = self.parked.take() {
            self.driver.get_or_insert_default().unpark(*parked);
        }
    }

    /// Resets for use with another flow. Small allocations are kept.
    pub fn reset(&mut self) {
        (self.exchanges, self.raw_only) = (0, false);
        (self.datagrams, self.parked) = (None, None);
        if let Some(driver) = &mut self.driver {
            driver.reset();
        }
    }

    /// Skips a datagram whose messages nobody needs. It is counted as an exchange all the same.
    pub fn skip(&mut self) {
        self.exchanges = self.exchanges.saturating_add(1);
    }

    /// Dissects the next event of the flow and emits its messages to `emit`. Bytes are lent to
    /// `emit` for the call. The decoders of all flows of a run share `decoders`.
    ///
    /// [`StreamEvent::OutOfStream`], [`StreamEvent::Acked`], [`StreamEvent::NoPayload`] and
    /// [`StreamEvent::Closed`] belong to no message: nothing is emitted for them.
    pub fn on_event(
        &mut self,
        limits: &Limits,
        decoders: &Budget,
        stats: &mut DissectStats,
        flow: &Flow,
        event: &StreamEvent<'_>,
        emit: &mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
    ) {
        if self.driver.is_none() && !matches!(event, StreamEvent::Datagram { .. }) {
            self.unpark();
        }
        let mut out = Output {
            flow,
            limits,
            decoders,
            stats,
            by: PacketInfo::default(),
            raw_only: self.raw_only,
            exchanges: &mut self.exchanges,
            sink: emit,
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
                if !self.raw_only && cut == 0 && self.datagrams.is_none() {
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

    /// Ends a raw burst after which nothing arrived for [`crate::limits::time::BURST_PAUSE`]. The
    /// emitted events are the same whether or not this is called; they are only emitted sooner.
    pub fn idle(
        &mut self,
        now: Timestamp,
        flow: &Flow,
        limits: &Limits,
        decoders: &Budget,
        stats: &mut DissectStats,
        emit: &mut dyn FnMut(MessageId, &PacketInfo, MessageEvent<'_>),
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
            raw_only: self.raw_only,
            exchanges: &mut self.exchanges,
            sink: emit,
        };
        for dir in [Direction::ToServer, Direction::ToClient] {
            driver.pause(dir, now, &mut out);
        }
    }

    /// Time of the last byte of the open raw burst, if there is one. [`Self::idle`] ends that burst
    /// one pause later.
    #[must_use]
    pub fn open_burst_since(&self) -> Option<Timestamp> {
        self.driver.as_ref()?.open_burst_since()
    }

    /// The packet of the first buffered byte of a direction, if any bytes are buffered.
    #[must_use]
    pub fn waits_since(&self, dir: Direction) -> Option<&PacketInfo> {
        self.driver.as_ref()?.waits_since(dir)
    }

    /// Bytes of memory that this value has allocated, about, without what the decoders' [`Budget`]
    /// counts.
    #[must_use]
    pub fn held(&self) -> usize {
        let driver = self.driver.as_ref();
        let driver = driver.map_or(0, |driver| driver.held());
        let datagrams = self.datagrams.as_ref();
        driver + datagrams.map_or(0, |dissector| dissector.held())
    }

    /// Bytes that the decoders of the flow's bodies hold of their [`Budget`].
    #[must_use]
    pub fn reserved(&self) -> usize {
        let driver = self.driver.as_ref();
        driver.map_or(0, |driver| driver.reserved())
    }
}

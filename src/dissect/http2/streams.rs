//! *Streams* of a connection while they are open: their exchanges, and the open message of each
//! direction.

use std::collections::BTreeMap;

use super::super::PerDirection;
use super::super::http::decoded::Body;
use super::super::websocket::Tunnel;
use crate::flow::Direction;
use crate::limits::STREAMS;

/// A stream.
#[derive(Default)]
pub(super) struct Stream {
    /// The exchange of its request, if that was captured.
    pub(super) exchange: Option<u64>,
    pub(super) halves: PerDirection<Half>,
    /// The final response is over.
    pub(super) answered: bool,
    /// The request asks for WebSocket in the stream (RFC 8441).
    pub(super) asks_tunnel: bool,
    /// What both sides send in the stream after that was agreed to.
    pub(super) tunnel: Option<Box<Tunnel>>,
}

/// A direction of a stream.
#[derive(Default)]
pub(super) struct Half {
    /// Its open message.
    pub(super) open: Option<Open>,
    pub(super) body: Body,
}

/// What an open message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Open {
    Request,
    Response,
    /// Data of which the head is not known.
    Data,
}

impl Stream {
    fn is_open(&self) -> bool {
        let halves = [&self.halves.to_server, &self.halves.to_client];
        self.tunnel.is_some() || halves.iter().any(|half| half.open.is_some())
    }
}

/// The streams of a connection that may still have something to say.
#[derive(Default)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    /// The highest number that was seen.
    pub(super) highest: u32,
}

impl Streams {
    pub(super) fn get(&mut self, number: u32) -> Option<&mut Stream> {
        self.open.get_mut(&number)
    }

    /// The connection in the stream with this number.
    pub(super) fn tunnel(&mut self, number: u32) -> Option<&mut Tunnel> {
        self.open.get_mut(&number)?.tunnel.as_deref_mut()
    }

    /// The stream with this number, which may be new.
    pub(super) fn entry(&mut self, number: u32) -> &mut Stream {
        self.highest = self.highest.max(number);
        self.open.entry(number).or_default()
    }

    /// Which one is to be forgotten before a new one with this number, if there are too many.
    pub(super) fn surplus(&self, number: u32) -> Option<u32> {
        if self.open.len() < STREAMS || self.open.contains_key(&number) {
            return None;
        }
        self.open.keys().next().copied()
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.open.remove(&number);
    }

    /// Forgets a stream if nothing is to come of it: its response is over, or was the only message
    /// of it that was captured.
    pub(super) fn settle(&mut self, number: u32) {
        if let Some(stream) = self.open.get(&number)
            && !stream.is_open()
            && (stream.answered || stream.exchange.is_none())
        {
            self.open.remove(&number);
        }
    }

    /// Bytes of memory that they take, about.
    pub(super) fn held(&self) -> usize {
        let bodies = self.open.values().map(|stream| {
            let halves = &stream.halves;
            let bodies = halves.to_server.body.held();
            let tunnel = usize::from(stream.tunnel.is_some()) * size_of::<Tunnel>();
            bodies
                .saturating_add(halves.to_client.body.held())
                .saturating_add(tunnel)
        });
        let own = self.open.len().saturating_mul(size_of::<Stream>());
        bodies.fold(own, usize::saturating_add)
    }

    /// Those with an open message in a direction.
    pub(super) fn open_in(&self, dir: Direction) -> Vec<u32> {
        let open = self.open.iter();
        let open = open
            .filter(|(_, stream)| stream.tunnel.is_some() || stream.halves.of(dir).open.is_some());
        open.map(|(number, _)| *number).collect()
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.highest = 0;
    }
}

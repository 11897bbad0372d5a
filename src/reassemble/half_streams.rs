//! Both directions of a connection, allocated when they are needed: a datagram flow has none, and
//! most SYNs of a flood are not followed by a segment. A flow that was not allocated is not written
//! to, so that a flood stays in the cache.

use crate::flow::Direction;

use super::half::{HalfStream, Start};

/// Both directions of a flow. By default no segment of them was received.
#[derive(Default)]
pub(super) struct HalfStreams {
    /// The client's plain SYN, if no other segment was received.
    begun: Option<Start>,
    /// To the server, and to the client.
    made: Option<[HalfStream; 2]>,
}

impl HalfStreams {
    /// Begins a direction with its first segment, a plain SYN: the client's, or the server's
    /// response to it.
    pub(super) fn begin(&mut self, dir: Direction, start: Start) {
        match dir {
            Direction::ToServer => self.begun = Some(start),
            Direction::ToClient => self.half(dir).begin(start),
        }
    }

    /// The client's plain SYN, if no other segment was received.
    pub(super) fn begun(&self) -> Option<Start> {
        self.begun
    }

    /// Those that were made.
    pub(super) fn made(&self) -> &[HalfStream] {
        self.made.as_ref().map_or(&[], |both| both)
    }

    /// Both of them, if they were made.
    pub(super) fn both_made(&mut self) -> Option<&mut [HalfStream; 2]> {
        self.made.as_mut()
    }

    /// Whether a wrong checksum counts in direction `dir`: a right one was seen.
    pub(super) fn have_sums(&self, dir: Direction) -> bool {
        match self.made().get(dir.index()) {
            Some(half) => half.has_sums(),
            None => {
                dir == Direction::ToServer
                    && self.begun.is_some_and(|start| start.valid_checksum_seen)
            }
        }
    }

    /// Whether no byte waits or is missing in either direction.
    pub(super) fn have_no_slow_state(&self) -> bool {
        self.made().iter().all(HalfStream::has_no_slow_state)
    }

    /// Both of them, which are made if need be.
    pub(super) fn both(&mut self) -> &mut [HalfStream; 2] {
        if self.made.is_none() {
            self.make();
        }
        self.made.get_or_insert_default()
    }

    /// One of them, which is made if need be.
    pub(super) fn half(&mut self, dir: Direction) -> &mut HalfStream {
        let [to_server, to_client] = self.both();
        match dir {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn make(&mut self) {
        // Made in their place: they are large.
        let [client, _] = self.made.insert(Default::default());
        if let Some(start) = self.begun.take() {
            client.begin(start);
        }
    }
}

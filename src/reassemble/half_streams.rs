//! Both directions of a connection, made when they are needed: a datagram has none, and of most
//! SYNs of a flood nothing more is heard. What is not made is not written, so that a flood stays in
//! the cache.

use crate::flow::Direction;

use super::half::{HalfStream, Start};

/// Both directions of a flow. By default, nothing was heard of them.
#[derive(Default)]
pub(super) struct HalfStreams {
    /// The client's plain SYN, when nothing else was heard.
    begun: Option<Start>,
    /// To the server, and to the client.
    made: Option<[HalfStream; 2]>,
}

impl HalfStreams {
    /// Begin one of them, of which nothing was heard before, with its plain SYN: the client's, or
    /// the server's behind that.
    pub(super) fn begin(&mut self, dir: Direction, start: Start) {
        match dir {
            Direction::ToServer => self.begun = Some(start),
            Direction::ToClient => self.half(dir).begin(start),
        }
    }

    /// The client's plain SYN, when nothing else was heard.
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

    /// Whether a checksum that is wrong says something, in one of them.
    pub(super) fn have_sums(&self, dir: Direction) -> bool {
        match self.made().get(dir.index()) {
            Some(half) => half.has_sums(),
            None => {
                dir == Direction::ToServer
                    && self.begun.is_some_and(|start| start.valid_checksum_seen)
            }
        }
    }

    /// Whether nothing waits or is missing in them.
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

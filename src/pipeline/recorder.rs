//! The packets for `-O`: the one thing that runs backwards along the spine.
//!
//! A match is known only packets later, so recent frames are remembered, up to [`crate::limits::Limits::recorder`] bytes
//! over all flows; what fell out of that before it was wanted is counted.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write};

use crate::capture::dump::Dump;
use crate::capture::{Interface, MAX_SNAPLEN};
use crate::flow::{Endpoint, Flow};
use crate::frame::Frame;
use crate::packet::Packet;

/// How much of a match is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The packets of the message.
    Message,
    /// All packets of its connection.
    Flow,
}

/// Remembers frames and writes those that are wanted.
pub struct Recorder {
    dump: Dump<Box<dyn Write + Send>>,
    scope: Scope,
    room: usize,
    bytes: usize,
    recent: VecDeque<Remembered>,
    /// Flows with a match, of which all further packets are wanted.
    wanted: HashSet<Pair>,
    forgotten: u64,
}

struct Remembered {
    number: u64,
    pair: Pair,
    written: bool,
    frame: OwnedFrame,
}

struct OwnedFrame {
    ts: crate::frame::Timestamp,
    interface: u32,
    link: crate::frame::LinkType,
    wire_len: u32,
    bytes: Vec<u8>,
}

/// The two ends of a flow, in an order that does not depend on the direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Pair(u8, Endpoint, Endpoint);

impl Pair {
    fn new(protocol: u8, one: Endpoint, other: Endpoint) -> Self {
        if one <= other {
            Self(protocol, one, other)
        } else {
            Self(protocol, other, one)
        }
    }

    fn of_packet(packet: &Packet<'_>) -> Self {
        let (src, dst) = packet.ends();
        Self::new(packet.ip.protocol, src, dst)
    }

    fn of_flow(flow: &Flow) -> Self {
        Self::new(flow.protocol, flow.client, flow.server)
    }
}

impl Recorder {
    /// Writes to `dump`, and remembers `room` bytes of frames.
    #[must_use]
    pub fn new(dump: Dump<Box<dyn Write + Send>>, scope: Scope, room: usize) -> Self {
        Self {
            dump,
            scope,
            room,
            bytes: 0,
            recent: VecDeque::new(),
            wanted: HashSet::new(),
            forgotten: 0,
        }
    }

    /// Remember a frame, which may turn out to be wanted; write it at once when its flow already is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn remember(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) -> io::Result<()> {
        let pair = Pair::of_packet(packet);
        if self.scope == Scope::Flow && self.wanted.contains(&pair) {
            return put(&mut self.dump, frame);
        }
        self.bytes += frame.bytes.len();
        self.recent.push_back(Remembered {
            number: frame.number,
            pair,
            written: false,
            frame: OwnedFrame {
                ts: frame.ts,
                interface: frame.interface,
                link: frame.link,
                wire_len: frame.wire_len,
                bytes: frame.bytes.to_vec(),
            },
        });
        while self.bytes > self.room && self.recent.len() > 1 {
            if let Some(oldest) = self.recent.pop_front() {
                self.bytes -= oldest.frame.bytes.len();
            }
        }
        Ok(())
    }

    /// Write the packets of a match: the frames numbered `frames`, or all of `flow`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn save(&mut self, flow: &Flow, frames: &[u64]) -> io::Result<()> {
        match self.scope {
            Scope::Message => {
                for &number in frames {
                    match self
                        .recent
                        .binary_search_by_key(&number, |remembered| remembered.number)
                    {
                        Ok(at) => self.write(at)?,
                        Err(_) => self.forgotten += 1,
                    }
                }
            }
            Scope::Flow => {
                let pair = Pair::of_flow(flow);
                if self.wanted.insert(pair) {
                    for at in 0..self.recent.len() {
                        if self.recent[at].pair == pair {
                            self.write(at)?;
                        }
                    }
                }
            }
        }
        self.dump.flush()
    }

    /// Write one frame that is at hand.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn save_now(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        put(&mut self.dump, frame)?;
        self.dump.flush()
    }

    /// Write what the writer holds back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.dump.flush()
    }

    /// Packets that were wanted and no longer remembered, or could not stand in the file.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten + self.dump.refused()
    }

    fn write(&mut self, at: usize) -> io::Result<()> {
        let Some(remembered) = self.recent.get_mut(at) else {
            return Ok(());
        };
        if std::mem::replace(&mut remembered.written, true) {
            return Ok(());
        }
        let OwnedFrame {
            ts,
            interface,
            link,
            wire_len,
            bytes,
        } = &remembered.frame;
        let frame = Frame {
            number: remembered.number,
            ts: *ts,
            interface: *interface,
            link: *link,
            wire_len: *wire_len,
            bytes,
        };
        put(&mut self.dump, &frame)
    }
}

/// Write a frame. What the file says of its interface is its link type: that is all a frame knows of it.
fn put(dump: &mut Dump<Box<dyn Write + Send>>, frame: &Frame<'_>) -> io::Result<()> {
    let interface = Interface {
        source: String::new(),
        name: None,
        link: frame.link,
        snaplen: MAX_SNAPLEN,
    };
    dump.write(frame, Some(&interface)).map(|_| ())
}

//! Saves the packets of matches (`-O`).
//!
//! A match is known only packets later, so recent frames are remembered, up to
//! [`crate::limits::Limits::recorder`] bytes over all flows. A frame that was evicted before its
//! match is counted.

mod blocks;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Write};
use std::sync::Arc;

use crate::capture::writer::CaptureWriter;
use crate::capture::{Interface, MAX_SNAPLEN};
use crate::flow::{Endpoint, Flow};
use crate::frame::{Frame, LinkType, Timestamp};
use crate::packet::Packet;

use blocks::{Blocks, Place};

/// Which packets of a match are saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The packets of the message.
    Message,
    /// All packets of its connection.
    Flow,
}

impl Scope {
    /// The flow of a packet, if the scope needs it.
    pub(super) fn pair(self, packet: &Packet<'_>) -> Option<Pair> {
        (self == Self::Flow).then(|| Pair::of_packet(packet))
    }
}

/// Remembers frames and writes those of matches.
pub struct Recorder {
    dump: CaptureWriter<Box<dyn Write + Send>>,
    scope: Scope,
    capacity: usize,
    recent: VecDeque<Remembered>,
    /// The total of their bytes.
    size: usize,
    /// Their bytes.
    blocks: Blocks,
    /// Their flows, with [`Scope::Flow`].
    pairs: VecDeque<OfFlow>,
    /// The last remembered frame of each of these flows, by its [ordinal](Self::remembered).
    newest: HashMap<Pair, u64>,
    /// Frames remembered so far.
    remembered: u64,
    /// Flows with a match: all their further packets are written.
    wanted: HashSet<Pair>,
    /// The same flows, oldest first: the oldest is evicted if there are too many.
    order: VecDeque<Pair>,
    forgotten: u64,
}

/// Maximum number of flows whose later packets are still to be recorded. Each evicted flow counts
/// as one lost packet, because the true number is not known.
const WANTED: usize = 1 << 17;

/// A remembered frame. Compact, because there are very many.
struct Remembered {
    number: u64,
    ts: Timestamp,
    place: Place,
    interface: u32,
    link: LinkType,
    wire_len: u32,
    written: bool,
}

/// The flow of a remembered frame, and the ordinal of the remembered frame of it before.
struct OfFlow {
    pair: Pair,
    before: Option<u64>,
}

/// The two endpoints of a flow, in an order that does not depend on the direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair(u8, Endpoint, Endpoint);

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
    /// Writes to `dump`, and remembers up to `capacity` bytes of frames.
    #[must_use]
    pub fn new(dump: CaptureWriter<Box<dyn Write + Send>>, scope: Scope, capacity: usize) -> Self {
        Self {
            dump,
            scope,
            capacity,
            recent: VecDeque::new(),
            size: 0,
            blocks: Blocks::default(),
            pairs: VecDeque::new(),
            newest: HashMap::new(),
            remembered: 0,
            wanted: HashSet::new(),
            order: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Which packets of a match are saved.
    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// Remembers a frame, or writes it at once if its flow already had a match. `pair` is the
    /// result of [`Scope::pair`].
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn remember(&mut self, frame: &Frame<'_>, pair: Option<Pair>) -> io::Result<()> {
        self.note(frame, pair, None)
    }

    /// The same for a frame in a [kept](Self::keep) block, at the given start.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn remember_kept(
        &mut self,
        frame: &Frame<'_>,
        (block, start): (u64, usize),
    ) -> io::Result<()> {
        let (start, len) = (start as u32, frame.bytes.len() as u32);
        self.note(frame, None, Some(Place { block, start, len }))
    }

    /// Keeps a block, of which `frames` bytes are frames to remember, and returns its number.
    /// `None`: the share is too small and the frames are to be copied, so that the blocks do not
    /// occupy much more than the frames they hold.
    pub(super) fn keep(&mut self, block: &Arc<Vec<u8>>, frames: usize) -> Option<u64> {
        // A file block has a margin at its start and may have unused capacity at its end. With
        // [`Scope::Flow`], frames of flows with a match are not remembered, so a block may hold
        // next to nothing.
        let most = self.scope == Scope::Message && frames > block.capacity() / 5 * 3;
        most.then(|| self.blocks.keep(Arc::clone(block)))
    }

    /// A freed buffer for reuse, if there is one.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        self.blocks.spare()
    }

    fn note(
        &mut self,
        frame: &Frame<'_>,
        pair: Option<Pair>,
        place: Option<Place>,
    ) -> io::Result<()> {
        if let Some(pair) = pair {
            if self.wanted.contains(&pair) {
                return put(&mut self.dump, frame);
            }
            let before = self.newest.insert(pair, self.remembered);
            self.pairs.push_back(OfFlow { pair, before });
        }
        let place = place.unwrap_or_else(|| self.blocks.copy(frame.bytes));
        let last = self.recent.back().map_or(0, |last| last.place.block);
        debug_assert!(last <= place.block, "blocks go in their order");
        self.recent.push_back(Remembered {
            number: frame.number,
            ts: frame.ts,
            place,
            interface: frame.interface,
            link: frame.link,
            wire_len: frame.wire_len,
            written: false,
        });
        self.size += frame.bytes.len();
        while self.size > self.capacity
            && self.recent.len() > 1
            && let Some(oldest) = self.recent.pop_front()
        {
            self.size -= oldest.place.len as usize;
            // The frame that was just remembered is not counted yet.
            let ordinal = self.remembered - self.recent.len() as u64;
            if let Some(OfFlow { pair, .. }) = self.pairs.pop_front()
                && self.newest.get(&pair) == Some(&ordinal)
            {
                self.newest.remove(&pair);
            }
        }
        self.remembered += 1;
        if let Some(oldest) = self.recent.front() {
            self.blocks.forget_before(oldest.place.block);
        }
        Ok(())
    }

    /// Writes the packets of a match: the frames numbered `frames`, or all of `flow`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn save(&mut self, flow: &Flow, frames: &[u64]) -> io::Result<()> {
        match self.scope {
            Scope::Message => self.save_frames(frames)?,
            Scope::Flow => {
                let pair = Pair::of_flow(flow);
                if self.wanted.insert(pair) {
                    self.order.push_back(pair);
                    if self.order.len() > WANTED
                        && let Some(oldest) = self.order.pop_front()
                    {
                        self.wanted.remove(&oldest);
                        self.forgotten += 1;
                    }
                    for at in self.of_flow(pair) {
                        self.write(at)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The places of the remembered frames of a flow, in their order. They are forgotten as those
    /// of a flow: later ones are written at once.
    fn of_flow(&mut self, pair: Pair) -> Vec<usize> {
        let first = self.remembered - self.recent.len() as u64;
        let mut places = Vec::new();
        let mut next = self.newest.remove(&pair);
        while let Some(ordinal) = next
            && let Some(at) = ordinal.checked_sub(first)
        {
            places.push(at as usize);
            next = self.pairs.get(at as usize).and_then(|of| of.before);
        }
        places.reverse();
        places
    }

    fn save_frames(&mut self, frames: &[u64]) -> io::Result<()> {
        for &number in frames {
            match self
                .recent
                .binary_search_by_key(&number, |remembered| remembered.number)
            {
                Ok(at) => self.write(at)?,
                Err(_) => self.forgotten += 1,
            }
        }
        Ok(())
    }

    /// Writes the current frame.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn save_now(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        put(&mut self.dump, frame)
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// If it fails.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.dump.flush()
    }

    /// Packets of matches that were no longer remembered, or that the file format cannot hold.
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
        let frame = Frame {
            number: remembered.number,
            ts: remembered.ts,
            interface: remembered.interface,
            link: remembered.link,
            wire_len: remembered.wire_len,
            bytes: self.blocks.bytes(remembered.place),
        };
        put(&mut self.dump, &frame)
    }
}

/// Writes a frame. The file describes its interface only by link type, the only property that a
/// frame has of it.
fn put(dump: &mut CaptureWriter<Box<dyn Write + Send>>, frame: &Frame<'_>) -> io::Result<()> {
    let interface = Interface {
        source: Arc::default(),
        name: None,
        link: frame.link,
        snaplen: MAX_SNAPLEN,
    };
    dump.write(frame, Some(&interface)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crate::capture::writer::{FileFormat, Flush};

    use super::*;

    /// A file whose content can be read while it is written.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The frame's number, repeated that many times.
    fn bytes(number: u64) -> Vec<u8> {
        vec![number as u8; 60 + number as usize % 50]
    }

    fn frame(number: u64, bytes: &[u8]) -> Frame<'_> {
        Frame {
            number,
            ts: Timestamp::default(),
            interface: 0,
            link: LinkType::ETHERNET,
            wire_len: bytes.len() as u32,
            bytes,
        }
    }

    fn recorder(capacity: usize) -> (Recorder, Shared) {
        let file = Shared::default();
        let out: Box<dyn Write + Send> = Box::new(file.clone());
        let (format, link) = (FileFormat::Pcap, LinkType::ETHERNET);
        let dump = CaptureWriter::new(out, format, Flush::Buffered, link, MAX_SNAPLEN).unwrap();
        (Recorder::new(dump, Scope::Message, capacity), file)
    }

    /// The frame bytes in a file, concatenated.
    fn written(file: &Shared) -> Vec<u8> {
        let file = file.0.lock().unwrap();
        let mut written = Vec::new();
        let mut rest = &file[24..];
        while let Some((header, body)) = rest.split_at_checked(16) {
            let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            written.extend_from_slice(&body[..len]);
            rest = &body[len..];
        }
        written
    }

    #[test]
    fn frames_are_whole_wherever_they_lie_and_old_ones_are_counted() {
        // As many bytes as some blocks have.
        let last = 12_000;
        for kept in [false, true] {
            let (mut recorder, file) = recorder(1000);
            let mut expected = Vec::new();
            // Every other block is kept; the frames of the others are copied.
            for first in (1..=last).step_by(7) {
                let numbers = first..(first + 7).min(last + 1);
                let frames: Vec<Vec<u8>> = numbers.clone().map(bytes).collect();
                let block = Arc::new(frames.concat());
                let number = (kept && first % 2 == 0)
                    .then(|| recorder.keep(&block, block.len()))
                    .flatten();
                let mut start = 0;
                for (one, bytes) in numbers.zip(&frames) {
                    let frame = frame(one, bytes);
                    match number {
                        Some(block) => recorder.remember_kept(&frame, (block, start)),
                        None => recorder.remember(&frame, None),
                    }
                    .unwrap();
                    start += bytes.len();
                    if one % 3 == 0 {
                        // The second occurrence is already written.
                        recorder.save_frames(&[one - 2, one, one]).unwrap();
                        expected.extend([one - 2, one].map(self::bytes).concat());
                    }
                }
                assert!(recorder.blocks.len() <= 20, "blocks that nobody needs go");
            }
            assert_eq!(recorder.forgotten(), 0);
            recorder.save_frames(&[1, last - 20]).unwrap();
            assert_eq!(recorder.forgotten(), 2);
            recorder.flush().unwrap();
            assert!(written(&file) == expected);
        }
    }

    #[test]
    fn all_remembered_frames_of_a_flow_are_written_in_their_order() {
        let pair = |port: u16| {
            let end = |port| Endpoint {
                addr: [10, 0, 0, 1].into(),
                port,
            };
            Pair::new(17, end(port), end(53))
        };
        for capacity in [usize::MAX, 3000] {
            let (mut recorder, file) = recorder(capacity);
            recorder.scope = Scope::Flow;
            let mut expected = Vec::new();
            for number in 1..=1000 {
                let (bytes, port) = (bytes(number), number % 7);
                let one = pair(port as u16);
                recorder
                    .remember(&frame(number, &bytes), Some(one))
                    .unwrap();
                if recorder.wanted.contains(&one) {
                    expected.extend(&bytes);
                } else if number % 400 == 0 {
                    // Of the frames before, those of this flow that still fit.
                    let oldest = recorder.recent.front().map_or(0, |oldest| oldest.number);
                    let mine = (oldest..=number).filter(|other| other % 7 == port);
                    expected.extend(mine.flat_map(self::bytes));
                    let Pair(protocol, client, server) = one;
                    let flow = Flow::new(number, protocol, client, server);
                    recorder.save(&flow, &[]).unwrap();
                }
                assert!(
                    recorder.newest.len() <= 7 && recorder.pairs.len() == recorder.recent.len()
                );
            }
            recorder.flush().unwrap();
            assert!(written(&file) == expected, "{capacity}");
        }
    }

    #[test]
    fn a_block_with_little_in_it_is_not_kept() {
        let (mut recorder, _) = recorder(1000);
        let block = Arc::new(vec![0; 1000]);
        assert_eq!(recorder.keep(&block, 0), None);
        assert_eq!(recorder.keep(&block, 600), None);
        assert_eq!(recorder.keep(&block, 700), Some(0));
        let mut oversized = Vec::with_capacity(2000);
        oversized.resize(1000, 0);
        assert_eq!(recorder.keep(&Arc::new(oversized), 1000), None);
        let (mut of_flows, _) = self::recorder(1000);
        of_flows.scope = Scope::Flow;
        assert_eq!(of_flows.keep(&block, 1000), None);
    }
}

//! *Messages* of both directions, from their frames. The state is the open frame and the open
//! message of each direction, and the window of its compression.

use super::super::PerDirection;
use super::super::http::decoded::{ExpansionLimit, Failure, Inflate};
use super::super::output::Output;
use super::agreement::Agreement;
use super::frames::{self, Header, Opcode};
use super::{CLOSE, describe};
use crate::flow::Direction;
use crate::limits::SWELL;
use crate::message::{BodyFacts, Decoding, Kind, MessageEvent, MessageId, Part, Parts, Summary};
use crate::stream::{GapReason, PacketInfo};

/// Bytes that are unmasked at once.
const CHUNK: usize = 4096;
/// Bytes of a message that are decompressed whatever the ratio; beyond them [`SWELL`] applies.
const FREE: u64 = 1 << 20;
/// Bytes from the start of a message that are kept until the first output, so that one that is not
/// compressed is emitted as sent from its first byte.
const START: usize = 4096;
/// What ends the data of a message, and is not sent (RFC 7692 section 7.2.1).
const TAIL: &[u8] = b"\0\0\xff\xff";

/// The ids of the messages of a direction: of data, and of control frames between its fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    data: MessageId,
    control: MessageId,
}

impl Ids {
    /// Those of a direction that has nothing else.
    pub(super) const fn of(dir: Direction) -> Self {
        Self {
            data: MessageId { dir, number: 0 },
            control: MessageId { dir, number: 1 },
        }
    }

    /// Those of a stream, whose number has 31 bits.
    pub(super) const fn of_stream(dir: Direction, stream: u32) -> Self {
        Self {
            data: MessageId {
                dir,
                number: stream,
            },
            control: MessageId {
                dir,
                number: stream | 1 << 31,
            },
        }
    }
}

/// Both directions of a connection.
#[derive(Default)]
pub(super) struct Messages {
    /// The direction of the client, if it is known.
    client: Option<Direction>,
    agreed: Agreement,
    sides: PerDirection<Side>,
}

/// One direction.
#[derive(Default)]
struct Side {
    frame: Option<Frame>,
    /// The open message of data.
    open: Option<Open>,
    /// The open control frame.
    control: Option<Control>,
    inflate: Option<Inflate>,
    /// The window is not that of the sender.
    strange: bool,
    /// Bytes before the next frame were not captured.
    after_gap: bool,
}

/// The frame whose payload comes.
#[derive(Clone, Copy)]
struct Frame {
    mask: Option<[u8; 4]>,
    /// Bytes of payload so far, captured or not.
    at: u64,
    control: bool,
    fin: bool,
}

/// An open message of data.
struct Open {
    /// Its bytes as sent so far.
    wire: u64,
    /// Its bytes so far, decompressed.
    text: u64,
    compressed: bool,
    state: Decoding,
    fragments: u64,
    /// What was decompressed without any output so far; at most [`START`] bytes of it.
    start: Vec<u8>,
}

/// An open control frame.
struct Control {
    /// The first bytes of a close: its code.
    code: Option<[u8; 2]>,
    /// How many of them are there.
    len: usize,
    kind: Kind,
    wire: u64,
    odd: Option<&'static str>,
    begun: bool,
}

impl Messages {
    /// Those of a connection whose handshake was captured. `client` is the direction of its client;
    /// `extensions` are those that the response lists.
    pub(super) fn new(client: Direction, extensions: &[u8]) -> Self {
        Self {
            client: Some(client),
            agreed: Agreement::of(extensions, client),
            sides: PerDirection::default(),
        }
    }

    /// A frame begins. Its payload follows, then [`Self::end_frame`].
    pub(super) fn frame(
        &mut self,
        dir: Direction,
        ids: Ids,
        header: &Header,
        first: &PacketInfo,
        out: &mut Output<'_>,
    ) {
        if self.client.is_none() {
            let masked = header.mask.is_some();
            self.client = Some(if masked { dir } else { dir.reverse() });
        }
        let masked = self.client.map(|client| client == dir);
        let mut odd = header.oddity(masked, self.agreed.is_extended());
        let side = self.sides.of_mut(dir);
        let after_gap = std::mem::take(&mut side.after_gap);
        side.frame = Some(Frame {
            mask: header.mask,
            at: 0,
            control: header.opcode.is_control(),
            fin: header.fin,
        });
        let kind = header.opcode.kind();
        if header.opcode.is_control() {
            count(odd, out);
            let exchange = out.next_exchange();
            out.begin(ids.control, first, kind, Some(exchange), false);
            side.control = Some(Control {
                code: (kind == CLOSE).then_some([0; 2]),
                len: 0,
                kind,
                wire: 0,
                odd,
                begun: false,
            });
            return;
        }
        if header.opcode == Opcode::Continuation {
            if let Some(open) = &mut side.open {
                open.fragments = open.fragments.saturating_add(1);
                return count(odd, out);
            }
            if !after_gap {
                odd = odd.or(Some("a continuation of nothing"));
            }
        } else if side.open.is_some() {
            odd = odd.or(Some("a message that begins within another"));
            self.end_message(dir, ids, false, out);
        }
        count(odd, out);
        let exchange = out.next_exchange();
        out.begin(ids.data, first, kind, Some(exchange), false);
        if odd.is_some() {
            out.emit(ids.data, summary(odd, b""));
        }
        let compressed = header.compressed && self.agreed.is_extended();
        let state = match compressed {
            true => self.decompression(dir, header.opcode, out),
            false => Decoding::AsSent,
        };
        self.sides.of_mut(dir).open = Some(Open {
            wire: 0,
            text: 0,
            compressed,
            state,
            fragments: 1,
            start: Vec::new(),
        });
    }

    /// How the bytes of a compressed message that begins will be decoded.
    fn decompression(&mut self, dir: Direction, opcode: Opcode, out: &Output<'_>) -> Decoding {
        let Some(anew) = self.agreed.begins_anew(dir) else {
            return Decoding::NoStart;
        };
        let side = self.sides.of_mut(dir);
        if opcode == Opcode::Continuation || side.strange && !anew {
            return Decoding::NoStart;
        }
        if let Some(inflate) = &mut side.inflate {
            if anew || side.strange {
                inflate.restart();
            }
        } else {
            side.inflate = Inflate::new(out.decoders, out.limits.decoders);
            if side.inflate.is_none() {
                side.strange = true;
                return Decoding::NoRoom;
            }
        }
        side.strange = false;
        Decoding::Decoded
    }

    /// Takes payload of the frame.
    pub(super) fn payload(&mut self, dir: Direction, ids: Ids, bytes: &[u8], out: &mut Output<'_>) {
        let side = self.sides.of_mut(dir);
        let Some(frame) = &mut side.frame else {
            return;
        };
        let (at, control) = (frame.at, frame.control);
        frame.at = at.saturating_add(bytes.len() as u64);
        let Some(mut mask) = frame.mask else {
            return match control {
                true => side.control(ids, bytes, out),
                false => side.data(ids, bytes, out),
            };
        };
        mask.rotate_left((at & 3) as usize);
        let mut scratch = [0; CHUNK];
        for part in bytes.chunks(CHUNK) {
            let plain = scratch.get_mut(..part.len()).unwrap_or_default();
            plain.copy_from_slice(part);
            for word in plain.chunks_mut(mask.len()) {
                for (byte, key) in word.iter_mut().zip(mask) {
                    *byte ^= key;
                }
            }
            match control {
                true => side.control(ids, plain, out),
                false => side.data(ids, plain, out),
            }
        }
    }

    /// Bytes of the frame's payload are missing.
    pub(super) fn gap(
        &mut self,
        dir: Direction,
        ids: Ids,
        (len, reason): (u64, GapReason),
        out: &mut Output<'_>,
    ) {
        let side = self.sides.of_mut(dir);
        let Some(frame) = &mut side.frame else {
            return;
        };
        frame.at = frame.at.saturating_add(len);
        let id = if frame.control { ids.control } else { ids.data };
        if !frame.control
            && let Some(open) = &mut side.open
            && open.compressed
        {
            side.strange = true;
            if open.state == Decoding::Decoded {
                open.state = Decoding::Broken;
            }
        }
        if let Some(control) = side.control.as_mut().filter(|_| frame.control) {
            control.begin(ids, out);
        }
        out.emit(id, MessageEvent::Gap { len, reason });
    }

    /// The payload of the frame is over, if there is one: it may end its message.
    pub(super) fn end_frame(&mut self, dir: Direction, ids: Ids, out: &mut Output<'_>) {
        let Some(frame) = self.sides.of_mut(dir).frame.take() else {
            return;
        };
        if frame.control {
            self.end_control(dir, ids, true, out);
        } else if frame.fin {
            self.end_message(dir, ids, true, out);
        }
    }

    fn end_control(&mut self, dir: Direction, ids: Ids, complete: bool, out: &mut Output<'_>) {
        let Some(mut control) = self.sides.of_mut(dir).control.take() else {
            return;
        };
        control.begin(ids, out);
        if control.wire > 0 {
            let facts = BodyFacts {
                wire: control.wire,
                ..BodyFacts::default()
            };
            out.emit(ids.control, MessageEvent::Body(facts));
        }
        out.emit(ids.control, MessageEvent::End { complete });
    }

    fn end_message(&mut self, dir: Direction, ids: Ids, complete: bool, out: &mut Output<'_>) {
        let side = self.sides.of_mut(dir);
        if side.open.as_ref().is_some_and(|open| open.compressed) {
            if complete {
                side.inflate(ids, TAIL, out);
            } else {
                side.strange = true;
            }
        }
        let Some(open) = side.open.take() else {
            return;
        };
        let stats = &mut *out.stats;
        let counter = match open.state {
            Decoding::AsSent | Decoding::Decoded => None,
            Decoding::Broken | Decoding::NoStart => Some(&mut stats.broken_bodies),
            Decoding::Cut => Some(&mut stats.bombs),
            Decoding::NoRoom => Some(&mut stats.undecoded_bodies),
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        if open.wire > 0 || !complete {
            let parts = (open.fragments > 1).then_some(Parts {
                count: open.fragments,
                noun: "fragment",
                always: true,
            });
            out.emit(
                ids.data,
                MessageEvent::Body(BodyFacts {
                    wire: open.wire,
                    state: open.state,
                    parts,
                    ..BodyFacts::default()
                }),
            );
        }
        out.emit(ids.data, MessageEvent::End { complete });
    }

    /// What comes next in a direction is not known: its open messages break off.
    pub(super) fn lose(&mut self, dir: Direction, ids: Ids, out: &mut Output<'_>) {
        self.end_control(dir, ids, false, out);
        self.end_message(dir, ids, false, out);
        self.sides.of_mut(dir).frame = None;
        self.miss(dir);
    }

    /// Bytes of a direction were not read.
    pub(super) fn miss(&mut self, dir: Direction) {
        let side = self.sides.of_mut(dir);
        side.after_gap = true;
        side.strange = true;
    }

    /// Whether a segment of a direction begins with a frame again.
    pub(super) fn resumes(&self, dir: Direction, bytes: &[u8]) -> bool {
        let masked = self.client.map(|client| client == dir);
        frames::resumes(bytes, masked, self.agreed.is_extended())
    }
}

impl Side {
    /// Takes data, unmasked.
    fn data(&mut self, ids: Ids, bytes: &[u8], out: &mut Output<'_>) {
        let Some(open) = &mut self.open else {
            return;
        };
        open.wire = open.wire.saturating_add(bytes.len() as u64);
        match open.state {
            Decoding::Decoded => self.inflate(ids, bytes, out),
            Decoding::Cut => self.inflate_unseen(bytes, out),
            _ => out.text(ids.data, Part::Body, bytes),
        }
    }

    /// Decompresses bytes of the open message.
    fn inflate(&mut self, ids: Ids, bytes: &[u8], out: &mut Output<'_>) {
        let (Some(open), Some(inflate)) = (&mut self.open, &mut self.inflate) else {
            return;
        };
        if open.state == Decoding::Cut {
            return self.inflate_unseen(bytes, out);
        }
        if open.state != Decoding::Decoded {
            return;
        }
        let (wire, text) = (open.wire, &mut open.text);
        let mut swells = false;
        let pushed = inflate.push(bytes, &mut |plain| {
            *text = text.saturating_add(plain.len() as u64);
            swells |= *text > FREE && *text > wire.saturating_mul(SWELL);
            if !swells {
                out.text(ids.data, Part::Body, plain);
            }
            // What is not shown still belongs to the window.
            match *text > out.limits.decoded {
                true => Err(ExpansionLimit { at: 0 }),
                false => Ok(()),
            }
        });
        if swells {
            open.state = Decoding::Cut;
        }
        match pushed {
            Ok((_, false)) if open.text == 0 => {
                let room = START.saturating_sub(open.start.len());
                let kept = bytes.get(..room).unwrap_or(bytes);
                open.start.extend_from_slice(kept);
            }
            Ok((_, false)) => open.start = Vec::new(),
            Ok((used, true)) => {
                // A block that says that it is the last one. The next message, or what is left of
                // this one, has a window that a decoder does not keep.
                self.strange = true;
                let left = bytes.get(used..).unwrap_or_default();
                if left.iter().any(|byte| !matches!(byte, 0 | 0xff)) {
                    open.state = Decoding::Broken;
                    out.text(ids.data, Part::Body, left);
                } else {
                    inflate.restart();
                }
            }
            Err(Failure::ExpansionLimit(_)) => {
                self.strange = true;
                self.inflate = None;
            }
            Err(Failure::Broken(at) | Failure::OverBudget(at)) => {
                self.strange = true;
                open.state = Decoding::Broken;
                let at = if open.text == 0 { 0 } else { at };
                let start = std::mem::take(&mut open.start);
                if open.text == 0 {
                    out.text(ids.data, Part::Body, &start);
                }
                // The tail was not sent.
                if !std::ptr::eq(bytes, TAIL) {
                    out.text(ids.data, Part::Body, bytes.get(at..).unwrap_or_default());
                }
            }
        }
    }

    /// Decompresses bytes of a message that swells like a bomb, for the sake of the window alone.
    fn inflate_unseen(&mut self, bytes: &[u8], out: &mut Output<'_>) {
        let (Some(open), Some(inflate)) = (&mut self.open, &mut self.inflate) else {
            let counter = &mut out.stats.undecoded_bytes;
            *counter = counter.saturating_add(bytes.len() as u64);
            return;
        };
        let (text, most) = (&mut open.text, out.limits.decoded);
        let pushed = inflate.push(bytes, &mut |plain| {
            *text = text.saturating_add(plain.len() as u64);
            match *text > most {
                true => Err(ExpansionLimit { at: 0 }),
                false => Ok(()),
            }
        });
        let counter = &mut out.stats.undecoded_bytes;
        *counter = counter.saturating_add(bytes.len() as u64);
        if !matches!(pushed, Ok((_, false))) {
            self.strange = true;
            self.inflate = None;
        }
    }

    /// Takes payload of a control frame, unmasked.
    fn control(&mut self, ids: Ids, mut bytes: &[u8], out: &mut Output<'_>) {
        let Some(control) = &mut self.control else {
            return;
        };
        control.wire = control.wire.saturating_add(bytes.len() as u64);
        if let Some(code) = &mut control.code {
            while let Some(place) = code.get_mut(control.len)
                && let Some((byte, rest)) = bytes.split_first()
            {
                *place = *byte;
                control.len = control.len.saturating_add(1);
                bytes = rest;
            }
        }
        if !bytes.is_empty() {
            control.reason(ids, out);
            out.text(ids.control, Part::Body, bytes);
        }
    }
}

impl Control {
    /// Emits what comes before the text of the frame, of which more may come.
    fn reason(&mut self, ids: Ids, out: &mut Output<'_>) {
        self.head(ids, true, out);
    }

    /// The same, of a frame without text.
    fn begin(&mut self, ids: Ids, out: &mut Output<'_>) {
        self.head(ids, false, out);
    }

    fn head(&mut self, ids: Ids, reason: bool, out: &mut Output<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let mut head = String::new();
        if let Some(code) = self.code {
            match self.len {
                2 => head = describe::close(u16::from_be_bytes(code), reason),
                0 => {}
                _ => {
                    count(Some(""), out);
                    self.odd = self.odd.or(Some("a code of one byte"));
                }
            }
        }
        out.text(ids.control, Part::Head, head.as_bytes());
        debug_assert!(
            self.code.is_none() || self.kind == CLOSE,
            "only a close has a code"
        );
        if self.odd.is_some() || !head.is_empty() {
            out.emit(ids.control, summary(self.odd, head.as_bytes()));
        }
    }
}

fn summary<'a>(odd: Option<&'static str>, title: &'a [u8]) -> MessageEvent<'a> {
    MessageEvent::Summary {
        brief: Summary {
            odd,
            ..Summary::default()
        },
        title,
    }
}

/// Counts what breaks a rule.
fn count(odd: Option<&'static str>, out: &mut Output<'_>) {
    if odd.is_some() {
        out.stats.odd = out.stats.odd.saturating_add(1);
    }
}

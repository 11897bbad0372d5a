//! A *tunnel*: a WebSocket connection in a stream of another one (RFC 8441), whose bytes come in
//! pieces of any length. At most a header's bytes are kept of each direction.

use super::super::PerDirection;
use super::super::output::Output;
use super::frames::{HEADER, Header, Read};
use super::messages::{Ids, Messages};
use crate::flow::Direction;
use crate::stream::{GapReason, PacketInfo};

/// Both directions of the connection in a stream.
pub(in crate::dissect) struct Tunnel {
    messages: Messages,
    sides: PerDirection<Side>,
    stream: u32,
}

/// Where the next byte of a direction is.
#[derive(Default)]
struct Side {
    /// The start of a header.
    head: [u8; HEADER],
    /// Bytes of it.
    len: usize,
    /// The packet of its first byte.
    first: PacketInfo,
    /// Bytes of the open frame's payload that are to come.
    left: u64,
    /// The bytes are no frames, or it is not known where one begins.
    lost: bool,
    /// The direction has ended.
    over: bool,
}

impl Tunnel {
    /// The connection in `stream`, whose client sends in the direction `client`. `extensions` are
    /// those that the response lists.
    pub(in crate::dissect) fn new(stream: u32, client: Direction, extensions: &[u8]) -> Self {
        Self {
            messages: Messages::new(client, extensions),
            sides: PerDirection::default(),
            stream,
        }
    }

    /// Takes the next bytes of a direction, which the packet `by` carried. Returns how many were
    /// taken: all of them, unless they are no frames.
    pub(in crate::dissect) fn push(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        out: &mut Output<'_>,
    ) -> usize {
        let ids = Ids::of_stream(dir, self.stream);
        let side = self.sides.of_mut(dir);
        let mut rest = bytes;
        while !side.lost && !rest.is_empty() {
            if side.left > 0 {
                let len = usize::try_from(side.left).unwrap_or(usize::MAX);
                let (now, later) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                self.messages.payload(dir, ids, now, out);
                side.left = side.left.saturating_sub(now.len() as u64);
                rest = later;
            } else {
                if side.len == 0 {
                    side.first = out.by;
                }
                let (Some(place), Some((byte, later))) =
                    (side.head.get_mut(side.len), rest.split_first())
                else {
                    break;
                };
                *place = *byte;
                side.len = side.len.saturating_add(1);
                let head = side.head.get(..side.len).unwrap_or_default();
                match Header::read(head) {
                    Read::Need(_) => {}
                    Read::Never => {
                        side.lost = true;
                        self.messages.lose(dir, ids, out);
                        break;
                    }
                    Read::Header(header) => {
                        out.framing(header.size);
                        side.len = 0;
                        side.left = header.len;
                        self.messages.frame(dir, ids, &header, &side.first, out);
                    }
                }
                rest = later;
            }
            if side.left == 0 && side.len == 0 {
                self.messages.end_frame(dir, ids, out);
            }
        }
        bytes.len().saturating_sub(rest.len())
    }

    /// Whether the next bytes of a direction are not taken.
    pub(in crate::dissect) fn is_lost(&self, dir: Direction) -> bool {
        self.sides.of(dir).lost
    }

    /// Bytes of a direction are missing. After one within a frame the next frame is read.
    pub(in crate::dissect) fn gap(
        &mut self,
        dir: Direction,
        len: u64,
        reason: GapReason,
        out: &mut Output<'_>,
    ) {
        let ids = Ids::of_stream(dir, self.stream);
        let side = self.sides.of_mut(dir);
        let within = len.min(side.left);
        if within > 0 {
            side.left = side.left.saturating_sub(within);
            self.messages.gap(dir, ids, (within, reason), out);
            if side.left == 0 {
                self.messages.end_frame(dir, ids, out);
            }
        }
        if within < len {
            side.lost = true;
            self.messages.lose(dir, ids, out);
        }
    }

    /// A direction ends, or what comes next in it is not known.
    pub(in crate::dissect) fn end(&mut self, dir: Direction, out: &mut Output<'_>) {
        self.messages
            .lose(dir, Ids::of_stream(dir, self.stream), out);
        let side = self.sides.of_mut(dir);
        (side.lost, side.over) = (true, true);
    }

    /// Whether both directions have ended.
    pub(in crate::dissect) fn is_over(&self) -> bool {
        self.sides.to_server.over && self.sides.to_client.over
    }
}

//! *WebSocket* (RFC 6455): the messages of both directions of a connection after its handshake.
//!
//! Frames become messages: fragments are joined, what a client masks is unmasked, and what
//! `permessage-deflate` (RFC 7692) compresses is decompressed, as the bytes come. Payload that is
//! neither is emitted where it lies. Control frames, which may come between fragments, are messages
//! of their own.
//!
//! It is lenient: a frame that breaks the rules is read all the same, and marked. After a gap
//! frames are read again from the first segment on that begins with some ([`frames::resumes`]). A
//! connection whose handshake was not captured is recognised by its text ([`frames::probe`]).

mod agreement;
mod describe;
mod frames;
mod messages;
#[cfg(test)]
mod tests;
mod tunnel;

use self::frames::{Header, Read};
use self::messages::{Ids, Messages};
use super::output::Output;
use super::{
    AfterGap, Dissector, Gap, Input, Malformed, Missed, Progress, Protocol, Then, Upgrade,
};
use crate::flow::Direction;
use crate::message::{Kind, Role};
use crate::stream::{Ending, GapReason};

pub(super) use self::tunnel::Tunnel;

const fn kind(name: &'static str) -> Kind {
    Kind {
        name,
        side: Role::Single,
        sized: true,
    }
}

const TEXT: Kind = kind("ws.text");
const BINARY: Kind = kind("ws.binary");
/// The rest of a message whose first frame was not captured.
const CONTINUATION: Kind = kind("ws.continuation");
/// A message of a reserved type.
const DATA: Kind = kind("ws.data");
const PING: Kind = kind("ws.ping");
const PONG: Kind = kind("ws.pong");
const CLOSE: Kind = kind("ws.close");
/// A control frame of a reserved type.
const CONTROL: Kind = kind("ws.control");

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "ws",
    probe: |bytes, _| frames::probe(bytes),
    cut: |_| false,
    datagram_ports: &[],
    start: || Box::<WebSocket>::default(),
    describe: |kind, known, _| describe::describe(kind, known),
};

/// Both directions of a connection.
#[derive(Default)]
struct WebSocket {
    messages: Messages,
}

impl Dissector for WebSocket {
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        let (dir, ids) = (input.dir, Ids::of(input.dir));
        self.messages.end_frame(dir, ids, out);
        match Header::read(input.bytes) {
            Read::Need(need) => Ok(Progress::need(0, need)),
            Read::Never => {
                self.messages.lose(dir, ids, out);
                Err(Malformed {
                    consumed: 0,
                    continues: false,
                })
            }
            Read::Header(header) => {
                out.framing(header.size);
                self.messages.frame(dir, ids, &header, &input.first, out);
                Ok(Progress {
                    consumed: header.size,
                    then: Then::Body(header.len),
                })
            }
        }
    }

    fn body(&mut self, dir: Direction, bytes: &[u8], out: &mut Output<'_>) {
        self.messages.payload(dir, Ids::of(dir), bytes, out);
    }

    fn body_gap(&mut self, dir: Direction, len: u64, reason: GapReason, out: &mut Output<'_>) {
        self.messages.gap(dir, Ids::of(dir), (len, reason), out);
    }

    fn gap(&mut self, gap: &Gap<'_>, out: &mut Output<'_>) -> AfterGap {
        let &Gap {
            dir, reason, body, ..
        } = gap;
        let ids = Ids::of(dir);
        if body > 0 {
            self.messages.gap(dir, ids, (body, reason), out);
            self.messages.end_frame(dir, ids, out);
        }
        self.messages.lose(dir, ids, out);
        AfterGap {
            emitted: body,
            ..AfterGap::RAW
        }
    }

    fn end(&mut self, dir: Direction, _how: Ending, _: &[u8], out: &mut Output<'_>) -> usize {
        let ids = Ids::of(dir);
        self.messages.lose(dir, ids, out);
        0
    }

    fn missed(&mut self, dir: Direction, _missed: Missed) {
        self.messages.miss(dir);
    }

    fn resumes(&self, dir: Direction, bytes: &[u8]) -> bool {
        self.messages.resumes(dir, bytes)
    }

    fn succeed(&mut self, upgrade: &Upgrade) {
        self.messages = Messages::new(upgrade.client, &upgrade.extensions);
    }

    fn held(&self) -> usize {
        // Windows are what the budget of the decoders counts.
        size_of::<Self>()
    }

    fn reset(&mut self) {
        self.messages = Messages::default();
    }
}

//! DNS (RFC 1035) over UDP and TCP, multicast DNS (RFC 6762) and LLMNR (RFC 4795): queries and
//! responses as messages, paired by their id and question.
//!
//! Bytes that are not one whole, well-formed message are left to others: nothing is guessed. At
//! most [`OPEN`] queries of a flow are remembered until their responses come.

mod text;

use std::collections::VecDeque;

use simple_dns::{Packet, PacketFlag};

use super::output::Output;
use super::{
    AfterGap, Claim, Dissector, Gap, Input, Malformed, Missed, PerDirection, ProbeResult, Progress,
    Protocol,
};
use crate::flow::{Direction, Flow};
use crate::message::{Kind, MessageEvent, Part, Role, Summary};
use crate::packet::protocol;
use crate::stream::{Ending, PacketInfo};

pub(super) const PROTOCOL: Protocol = Protocol {
    name: "dns",
    probe,
    cut: |_| false,
    datagram_ports: &[DNS_PORT, MDNS_PORT, LLMNR_PORT],
    start: || Box::<Dns>::default(),
    describe: |kind, known, _| text::describe(kind, known.head),
};

const DNS_PORT: u16 = 53;
const MDNS_PORT: u16 = 5353;
const LLMNR_PORT: u16 = 5355;

/// Maximum number of queries of a flow that are kept until their responses arrive; the oldest is
/// dropped first.
const OPEN: usize = 64;
/// Bytes of the header (RFC 1035 section 4.1.1), and of the length before it in a stream (4.2.2).
const HEADER: usize = 12;
const LENGTH: usize = 2;

const QUERY: Kind = Kind {
    name: "dns.query",
    side: Role::Request,
    sized: false,
};
const RESPONSE: Kind = Kind {
    name: "dns.response",
    side: Role::Response,
    sized: false,
};

/// A query without its response.
struct OpenQuery {
    id: u16,
    /// The question, as [`text::question`] writes it.
    question: String,
    dir: Direction,
    exchange: u64,
}

/// The DNS state of one flow.
#[derive(Default)]
struct Dns {
    open: VecDeque<OpenQuery>,
    /// Whether a gap broke the framing of a direction: the bytes after it may start anywhere in a
    /// message.
    lost: PerDirection<bool>,
}

/// Whether a stream on port 53 begins with the length and header of a message.
fn probe(bytes: &[u8], flow: &Flow) -> ProbeResult {
    if flow.protocol != protocol::TCP || ![flow.client.port, flow.server.port].contains(&DNS_PORT) {
        return ProbeResult::NotForUs;
    }
    let Some((start, _)) = bytes.split_first_chunk::<{ LENGTH + HEADER }>() else {
        return ProbeResult::Unsure {
            need: LENGTH + HEADER,
        };
    };
    let [l0, l1, _, _, flags, _, q0, q1, ..] = *start;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    // A query or a response with one question, or none (a zone transfer's later messages).
    let plausible = len >= HEADER && flags >> 3 & 0xf <= 5 && u16::from_be_bytes([q0, q1]) <= 1;
    match plausible {
        true => ProbeResult::Certain,
        false => ProbeResult::NotForUs,
    }
}

impl Dns {
    /// Emits the message that `bytes` are; false: they are none.
    fn message(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        first: &PacketInfo,
        multicast: bool,
        out: &mut Output<'_>,
    ) -> bool {
        let Ok(packet) = Packet::parse(bytes) else {
            return false;
        };
        if packet.questions.is_empty() && packet.answers.is_empty() {
            let rest = packet.name_servers.len() + packet.additional_records.len();
            // A query without any content is hardly a message. A failure may have no question.
            if rest == 0 && !packet.has_flags(PacketFlag::RESPONSE) {
                return false;
            }
        }
        let question = text::question(&packet);
        let is_response = packet.has_flags(PacketFlag::RESPONSE);
        let open = (self.open.iter()).position(|open| {
            open.id == packet.id() && (open.dir == dir) != is_response && open.question == question
        });
        let (kind, exchange) = match (multicast, is_response, open) {
            // In multicast DNS any host may respond, once, repeatedly or not at all.
            (true, ..) => {
                let kind = if is_response { RESPONSE } else { QUERY };
                let kind = Kind {
                    side: Role::Single,
                    ..kind
                };
                (kind, Some(out.next_exchange()))
            }
            (false, true, open) => {
                let open = open.and_then(|at| self.open.remove(at));
                (RESPONSE, open.map(|open| open.exchange))
            }
            // The query is sent again: it belongs to the same exchange.
            (false, false, Some(at)) => {
                let kind = Kind {
                    side: Role::Single,
                    ..QUERY
                };
                (kind, self.open.get(at).map(|open| open.exchange))
            }
            (false, false, None) => {
                let exchange = out.next_exchange();
                if self.open.len() >= OPEN {
                    self.open.pop_front();
                }
                self.open.push_back(OpenQuery {
                    id: packet.id(),
                    question: question.clone(),
                    dir,
                    exchange,
                });
                (QUERY, Some(exchange))
            }
        };
        if kind.side == Role::Request {
            out.stats.requests = out.stats.requests.saturating_add(1);
        } else if kind.side == Role::Response {
            out.stats.responses = out.stats.responses.saturating_add(1);
        }
        out.begin(dir, first, kind, exchange, false);
        let text = match is_response {
            true => text::response(&packet, &question),
            false => text::query(&packet, &question),
        };
        out.text(dir, Part::Head, text.as_bytes());
        out.emit(
            dir,
            MessageEvent::Summary {
                brief: Summary::default(),
                title: text.lines().next().unwrap_or_default().as_bytes(),
            },
        );
        out.emit(dir, MessageEvent::End { complete: true });
        true
    }
}

impl Dissector for Dns {
    fn data(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Result<Progress, Malformed> {
        let malformed = Malformed {
            consumed: 0,
            continues: false,
        };
        if std::mem::take(self.lost.of_mut(input.dir)) {
            return Err(malformed);
        }
        let Some((length, rest)) = input.bytes.split_first_chunk::<LENGTH>() else {
            return Ok(Progress::need(0, LENGTH));
        };
        let len = usize::from(u16::from_be_bytes(*length));
        let Some(message) = rest.get(..len) else {
            return Ok(Progress::need(0, LENGTH.saturating_add(len)));
        };
        if !self.message(input.dir, message, &input.first, false, out) {
            return Err(malformed);
        }
        out.framing(LENGTH);
        Ok(Progress::need(LENGTH.saturating_add(len), 1))
    }

    fn datagram(
        &mut self,
        flow: &Flow,
        dir: Direction,
        bytes: &[u8],
        out: &mut Output<'_>,
    ) -> Claim {
        let ports = [flow.client.port, flow.server.port];
        let multicast = ports.contains(&MDNS_PORT)
            && (flow.client.addr.is_multicast() || flow.server.addr.is_multicast());
        let by = out.by;
        match self.message(dir, bytes, &by, multicast, out) {
            true => Claim::Taken,
            false => Claim::NotMine,
        }
    }

    fn gap(&mut self, gap: &Gap<'_>, _out: &mut Output<'_>) -> AfterGap {
        *self.lost.of_mut(gap.dir) = true;
        AfterGap::RAW
    }

    fn end(&mut self, _: Direction, _: Ending, _: &[u8], _: &mut Output<'_>) -> usize {
        0
    }

    fn missed(&mut self, _: Direction, _: Missed) {}

    fn reset(&mut self) {
        self.open.clear();
        self.lost = PerDirection::default();
    }

    fn held(&self) -> usize {
        let questions = self.open.iter().map(|query| query.question.capacity());
        let open = self.open.capacity().saturating_mul(size_of::<OpenQuery>());
        questions.fold(open, usize::saturating_add)
    }
}

#[cfg(test)]
mod tests;

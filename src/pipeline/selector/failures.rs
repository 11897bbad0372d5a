//! Failures: connections that are refused or not answered, and requests whose connection ends
//! before their response does.
//!
//! Only what the packets show is reported. Nothing is reported if bytes of the other side were
//! lost, if that side was never captured, or because the capture ended. A flood of failures becomes
//! a few records and a count.

use crate::exchange::{Exchange, Silence};
use crate::failure::{End, Failed, Failure, FailureKind, More};
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::hit::Heading;
use crate::limits::time;
use crate::packet::{TcpFlags, protocol};
use crate::pipeline::flow_state::{OpenMessage, Tracking};
use crate::stream::{Ending, PacketInfo};

use super::Selector;
use super::failed::Held;

/// A client that ends its side this long after its request, or later, gives up waiting (in
/// nanoseconds). An earlier FIN only means that it has sent everything.
const GIVES_UP: i64 = 100_000_000;
/// A client FIN within this time of the request did not end the exchange if the server's FIN comes
/// later (in nanoseconds).
const HALF_CLOSE: i64 = 10_000_000;

/// What ended a direction.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    pub(super) dir: Direction,
    pub(super) how: Ending,
    pub(super) ts: Timestamp,
}

/// Why a request has no response.
#[derive(Clone, Copy)]
pub(super) struct Why {
    pub(super) failed: Failed,
    /// The packet that shows it, and its direction.
    by: PacketInfo,
    dir: Direction,
}

impl Selector {
    /// A direction ended: detects the failures that this reveals.
    pub(super) fn ended(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        dir: Direction,
        how: Ending,
        by: &PacketInfo,
    ) {
        if flow.protocol != protocol::TCP {
            return;
        }
        let waits = !tracking.exchanges.is_empty();
        if how == Ending::Fin {
            let silent = dir == Direction::ToServer && tracking.reached[1] == 0;
            if waits || silent {
                tracking.fins.get_or_insert_default()[dir.index()] = Some(*by);
            }
            if dir == Direction::ToServer && waits {
                self.given_up(flow, tracking, by);
            }
        }
        if let Some((kind, by)) = failed(flow, tracking, dir, how, by) {
            self.connection_failed(flow, tracking, kind, &by);
        }
    }

    /// A flow ends without a reply to its first SYN: the SYNs may be all its packets.
    #[cold]
    pub(super) fn silent(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        syn: Timestamp,
        how: Ending,
    ) {
        if flow.reset.is_some() || tracking.reached != [0, 0] || tracking.acked[0].0 > 0 {
            return;
        }
        let syns = u32::from(flow.handshake.repeats) + 1;
        let waited = self.now.since(syn);
        let given_up = how == Ending::Abandoned && waited >= time::EMBRYO;
        // A client that retransmits its SYN got no reply. A single SYN may be all that the filter
        // passes.
        let known = match syns {
            1 => given_up && self.server_captured,
            _ => given_up || how == Ending::Capture,
        };
        if known {
            let kind = FailureKind::Silent {
                syns,
                over: given_up,
            };
            let by = PacketInfo {
                frame: flow.opened,
                ts: self.now,
                ..PacketInfo::default()
            };
            let failed = Failed {
                kind,
                after: waited,
            };
            self.connection_failed(flow, tracking, failed, &by);
        }
    }

    /// Records the failure of a connection that packet `by` shows.
    fn connection_failed(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        failed: Failed,
        by: &PacketInfo,
    ) {
        let began = flow.handshake.syn.unwrap_or(by.ts);
        if !self.wants_failures
            || !self.is_taking()
            || !self.options.span.contains(began)
            || std::mem::replace(&mut tracking.failed, true)
        {
            return;
        }
        let frames = [flow.opened, by.frame];
        let is_one = self.failures.add(Held {
            flow: *flow,
            failed,
            known: self.now,
            ts: by.ts,
            frames,
            other: None,
        });
        if is_one {
            self.outputs.save(flow, frames_of(&frames));
        }
    }

    /// Shows the failures that are due by `now`.
    #[cold]
    pub(in crate::pipeline) fn show_failures(&mut self, now: Timestamp) {
        while let Some(held) = self.failures.next(now) {
            self.show_failure(&held, None);
        }
        for (first, more) in self.failures.next_counted(now) {
            self.show_failure(&first, more);
        }
    }

    /// The capture ended: shows all failures.
    pub(in crate::pipeline) fn finish_failures(&mut self) {
        self.show_failures(self.failures.end(self.now));
    }

    fn show_failure(&mut self, held: &Held, more: Option<More>) {
        if !self.is_taking() {
            return;
        }
        self.output.matched += 1;
        self.outputs.failed(&Failure {
            number: 0,
            asked_for: true,
            heading: heading(
                &held.flow,
                Direction::ToServer,
                held.ts,
                TcpFlags::default(),
            ),
            failed: held.failed,
            frames: frames_of(&held.frames),
            other: held.other,
            more,
        });
    }

    /// Whether a missing response is reported: failures are requested, or the request was shown.
    pub(super) fn reports_unanswered(&self, exchange: &Exchange) -> bool {
        let began_in_span = self.options.span.contains(exchange.asked);
        let asked_for = self.wants_failures && self.is_taking() && began_in_span;
        !exchange.failed && (exchange.shown || asked_for)
    }

    /// Shows the failure of a request without a response.
    pub(super) fn show_unanswered(&mut self, flow: &Flow, exchange: &Exchange, why: &Why) {
        let asked_for = self.wants_failures && self.is_taking();
        self.output.matched += u64::from(asked_for);
        self.outputs.save(flow, &[why.by.frame]);
        let dir = exchange.request_dir.reverse();
        // The flags of a packet in the other direction do not fit the record's direction.
        let flags = match why.dir == dir {
            true => why.by.flags,
            false => TcpFlags::default(),
        };
        self.outputs.failed(&Failure {
            number: exchange.number,
            asked_for,
            heading: heading(flow, dir, why.by.ts, flags),
            failed: why.failed,
            frames: &[why.by.frame],
            other: None,
            more: None,
        });
    }

    /// The client ended its side. If it has waited for a while, it gives up, although the server
    /// may not notice.
    fn given_up(&mut self, flow: &Flow, tracking: &mut Tracking, by: &PacketInfo) {
        if self.options.pairs {
            return;
        }
        let known: Vec<u64> = tracking
            .exchanges
            .iter()
            .filter(|exchange| self.reports_unanswered(exchange) && exchange.answered.is_none())
            .filter(|exchange| {
                let asked = exchange
                    .request_end
                    .filter(|_| exchange.request_dir == Direction::ToServer);
                asked.is_some_and(|asked| by.ts.since(asked) >= GIVES_UP)
            })
            .map(|exchange| exchange.ordinal)
            .collect();
        for ordinal in known {
            let exchange = tracking.exchange(Some(ordinal)).copied();
            let Some(exchange) = exchange else { continue };
            if let Some(why) = why_unanswered(flow, tracking, &exchange) {
                self.show_unanswered(flow, &exchange, &why);
                self.responses_expected -= u64::from(exchange.shown);
                self.waiting.done(exchange.number);
                if let Some(exchange) = tracking.exchange(Some(ordinal)) {
                    exchange.failed = true;
                }
            }
        }
    }

    /// What ended the connection inside a response.
    pub(super) fn broken_off(
        &self,
        flow: &Flow,
        tracking: &Tracking,
        dir: Direction,
        exchange: Option<&Exchange>,
        open: &OpenMessage,
    ) -> Option<Failed> {
        let cause = self.cause.filter(|cause| cause.dir == dir)?;
        let lost = tracking.lost[dir.index()];
        if lost.is_some_and(|lost| lost >= open.first.ts) {
            return None;
        }
        let (by_server, reset, ts) = match (cause.how, flow.reset) {
            (Ending::Fin, _) => (dir == Direction::ToClient, false, cause.ts),
            (Ending::Reset, Some(reset)) => (reset.dir == Direction::ToClient, true, reset.by.ts),
            _ => return None,
        };
        let asked = exchange.map(|exchange| exchange.request_end.unwrap_or(exchange.asked));
        Some(Failed {
            kind: FailureKind::BrokenOff(End { by_server, reset }),
            after: ts.since(asked.unwrap_or(open.first.ts)),
        })
    }
}

/// Why a request has no response, if the packets show it. `None` if a response may have come.
pub(super) fn why_unanswered(flow: &Flow, tracking: &Tracking, exchange: &Exchange) -> Option<Why> {
    let answering = exchange.request_dir.reverse();
    let [asking_at, answering_at] = [exchange.request_dir.index(), answering.index()];
    let lost = tracking.lost[answering_at].is_some_and(|lost| lost >= exchange.asked);
    // Bytes that came since and were not a response.
    let received =
        tracking.reached[answering_at] > exchange.reached.max(tracking.answered[answering_at]);
    // Bytes that were not captured may have been the response.
    let unknown = tracking.silence(flow, exchange) == Silence::Unknown;
    if flow.protocol != protocol::TCP || exchange.answered.is_some() || lost || received || unknown
    {
        return None;
    }
    let fins = tracking.fins.as_deref().copied().unwrap_or_default();
    let end = |dir: Direction| {
        let fin = fins[dir.index()].map(|by| (by, false));
        let reset = flow.reset.filter(|reset| reset.dir == dir);
        let end = fin.or(reset.map(|reset| (reset.by, true)));
        // The server may have ended its side before the request reached it.
        end.filter(|(by, _)| by.ts >= exchange.asked || dir == answering)
    };
    let asked = exchange.request_end.unwrap_or(exchange.asked);
    let seen = flow.handshake.answered.is_some()
        || tracking.acked[asking_at].0 > 0
        || tracking.reached[answering_at] > 0;
    let (by, reset, dir) = match (end(exchange.request_dir), end(answering)) {
        // A client that has sent everything may still receive.
        (Some((client, false)), Some((server, reset)))
            if client.ts <= server.ts && client.ts.since(asked) < HALF_CLOSE =>
        {
            (server, reset, answering)
        }
        (Some((client, reset)), Some((server, _))) if client.ts <= server.ts => {
            (client, reset, exchange.request_dir)
        }
        (_, Some((server, reset))) => (server, reset, answering),
        (Some((client, reset)), None) if seen && (reset || client.ts.since(asked) >= GIVES_UP) => {
            (client, reset, exchange.request_dir)
        }
        _ => return None,
    };
    let by_server = dir == Direction::ToClient;
    Some(Why {
        failed: Failed {
            kind: FailureKind::Unanswered(End { by_server, reset }),
            after: by.ts.since(asked),
        },
        by,
        dir,
    })
}

/// The failure of a connection at the end of a direction, and the packet that shows it.
fn failed(
    flow: &Flow,
    tracking: &Tracking,
    dir: Direction,
    how: Ending,
    by: &PacketInfo,
) -> Option<(Failed, PacketInfo)> {
    let syn = flow.handshake.syn?;
    let [asked, answered] = tracking.reached;
    if how == Ending::Reset
        && flow.handshake.answered.is_none()
        && (asked, answered, tracking.acked[0].0) == (0, 0, 0)
    {
        let reset = flow
            .reset
            .filter(|reset| reset.dir == Direction::ToClient)?;
        let after = reset.by.ts.since(syn);
        let kind = FailureKind::Refused;
        return Some((Failed { kind, after }, reset.by));
    }
    // For an unknown protocol: the client sent bytes, and the server ended the connection without
    // sending any.
    let client_ended = tracking.fins.as_ref().is_some_and(|fins| fins[0].is_some());
    let whole = flow.handshake.answered.is_some() && tracking.lost[1].is_none();
    if asked == 0 || answered > 0 || !whole || tracking.has_requests || client_ended {
        return None;
    }
    let (by, reset) = match (how, dir, flow.reset) {
        (Ending::Fin, Direction::ToClient, _) => (*by, false),
        (Ending::Reset, _, Some(reset)) if reset.dir == Direction::ToClient => (reset.by, true),
        _ => return None,
    };
    let end = End {
        by_server: true,
        reset,
    };
    let failed = Failed {
        kind: FailureKind::Unanswered(end),
        after: by.ts.since(tracking.client_data_at),
    };
    Some((failed, by))
}

/// The first and the last frame, once if they are the same.
fn frames_of(frames: &[u64; 2]) -> &[u64] {
    match frames {
        [first, last] if first == last => &frames[..1],
        _ => frames,
    }
}

fn heading(flow: &Flow, dir: Direction, ts: Timestamp, flags: TcpFlags) -> Heading {
    Heading {
        protocol: flow.protocol,
        ts,
        src: flow.source(dir),
        dst: flow.destination(dir),
        dir,
        ports: flow.has_ports(),
        flags,
        icmp: None,
        tunnel: flow.tunnel(dir),
        fragment: None,
    }
}

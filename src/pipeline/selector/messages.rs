//! Open messages: start, text, end.
//!
//! A message costs its buffer ([`crate::search`]); held bursts are bounded by [`HELD`].

use crate::dissect::is_tls;
use crate::flow::{Direction, Flow, Roles};
use crate::message::{Kind, MessageEvent, MessageId, Role, Start};
use crate::packet::protocol;
use crate::pipeline::flow_state::{LastPacket, Tracking};
use crate::search::KeepLimits;
use crate::stream::{GapReason, PacketInfo};

use super::Selector;

/// Bytes of the head of a message that is not kept: enough for what it is.
const UNKEPT_HEAD: usize = 1024;
/// Total bytes of held bursts.
const HELD: usize = 16 << 20;

impl Selector {
    /// Consumes a message event of a message; `by` is its packet.
    pub(super) fn message_event(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        by: &PacketInfo,
        event: MessageEvent<'_>,
    ) {
        match event {
            MessageEvent::Start(begin) => self.begin(flow, tracking, id, by, begin),
            MessageEvent::Data { part, bytes } => {
                let lacks = self.lacks(bytes);
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.comes(by);
                let tls = is_burst(open.begin.kind) && open.unit.received() == 0 && is_tls(bytes);
                let query = &self.options.query;
                let unkept = KeepLimits {
                    head: UNKEPT_HEAD,
                    body: 0,
                    around: false,
                    ..self.options.keep
                };
                let keep = match open.unkept {
                    true => &unkept,
                    false => &self.options.keep,
                };
                open.unit.feed(query, keep, part, bytes, lacks);
                let full = open.unit.is_full();
                tracking.tls |= tls;
                if self.records_frames() {
                    self.note_frames(tracking, id, by);
                }
                if full {
                    self.portion(flow, tracking, id, true);
                }
            }
            MessageEvent::Summary { brief, title } => {
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.brief = brief;
                open.briefed = true;
                tracking.missed[id.dir.index()] += u32::from(brief.unpaired);
                self.briefed(flow, tracking, id, title);
            }
            MessageEvent::Gap { len, reason } => {
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.missing(&self.options.query, len, reason);
                if matches!(reason, GapReason::Acked | GapReason::Snaplen) {
                    // The bytes had been sent by then.
                    open.last.ts = open.last.ts.max(by.ts);
                }
            }
            MessageEvent::Fork { name, .. } => {
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.fork(name);
            }
            MessageEvent::Reading { reading, bytes } => self.reading(tracking, id, reading, bytes),
            MessageEvent::Status(status) => {
                if let Some(open) = tracking.open(id) {
                    open.status = Some(Box::new(status.clone()));
                }
            }
            MessageEvent::Body(facts) => {
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.body = facts;
            }
            MessageEvent::End { complete } => {
                self.end_frames(tracking, id);
                self.end(flow, tracking, id, by, complete);
            }
            MessageEvent::Complete(whole) if self.passes_over_message(tracking, &whole) => {
                self.pass_over_message(flow, tracking, id, by, &whole);
            }
            MessageEvent::Complete(whole) => {
                whole.in_pieces(by, |by, event| {
                    self.message_event(flow, tracking, id, by, event);
                });
            }
        }
    }

    fn begin(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        by: &PacketInfo,
        begin: Start,
    ) {
        let number = self.number(tracking, &begin);
        if begin.continues
            && let Some(open) = tracking.open(id).as_deref_mut()
            && open.held
        {
            // The undecided match may end in this burst: both bursts are one record.
            (open.held, open.waits) = (false, false);
            self.held_bytes = self.held_bytes.saturating_sub(open.unit.size());
            return;
        }
        self.release(flow, tracking, id.dir, true);
        if begin.kind.side == Role::Request
            && let Some(ordinal) = begin.exchange
        {
            self.ask(flow, tracking, ordinal, number, id.dir, by, b"");
        }
        if is_burst(begin.kind) {
            // It may be a response that no dissector understands.
            let missed = &mut tracking.missed[id.dir.index()];
            *missed = missed.saturating_add(1);
        }
        let first = !std::mem::replace(&mut tracking.begun, true);
        if first && self.wants_failures && flow.handshake.answered.is_some() {
            self.failures.opened(flow);
        }
        let unkept = id.number != 0 && tracking.is_crowded();
        self.output.messages_not_kept += u64::from(unkept);
        let mut open = self.message_pool.pop().unwrap_or_default();
        open.start(begin, number, id, by);
        open.from = self.at;
        open.unkept = unkept;
        open.midstream = first && flow.roles == Roles::Guessed && flow.protocol == protocol::TCP;
        // After a gap, a burst continues a text whose middle is missing.
        let holed = id.number == 0
            && std::mem::take(&mut tracking.holed[id.dir.index()])
            && is_burst(begin.kind);
        open.unit.begin(
            &self.options.query,
            (begin.continues || holed).then(|| &*tracking.mark(id.dir)),
            begin.kind.side == Role::Single,
        );
        *tracking.open(id) = Some(open);
    }

    /// The number of a message that begins: a response has that of its request.
    pub(super) fn number(&mut self, tracking: &mut Tracking, begin: &Start) -> u64 {
        let asked = match begin.kind.side {
            // A single message may be a retransmitted request.
            Role::Response | Role::Single => tracking.exchange(begin.exchange),
            Role::Request => None,
        };
        asked.map_or_else(|| self.next_number(), |exchange| exchange.number)
    }

    fn end(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        by: &PacketInfo,
        complete: bool,
    ) {
        let Some(open) = tracking.open(id) else {
            return;
        };
        if complete {
            open.last = LastPacket {
                ts: by.ts.max(open.last.ts),
                ..by.into()
            };
        }
        let query = &self.options.query;
        if is_burst(open.begin.kind) {
            let undecided = !open.unit.holds(query) && open.unit.is_open(query);
            if undecided && self.held_bytes < HELD && open.unit.size() <= self.options.limits.burst
            {
                open.held = true;
                self.held_bytes += open.unit.size();
                return;
            }
        } else {
            open.end(query, complete);
        }
        self.close(flow, tracking, id, complete);
    }

    /// Ends the hold of a burst: its text ends here. `truly`: the stream ends here as well.
    pub(super) fn release(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        dir: Direction,
        truly: bool,
    ) {
        if let Some(open) = tracking.open(dir)
            && std::mem::take(&mut open.held)
        {
            self.held_bytes = self.held_bytes.saturating_sub(open.unit.size());
            open.unit.end(&self.options.query, truly);
            self.close(flow, tracking, dir.into(), true);
        }
    }
}

/// Whether a message's text continues in the next message of its direction.
pub(super) fn is_burst(kind: Kind) -> bool {
    kind.name == "tcp.burst"
}

//! Messages while they are open: begun, fed, and over.

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
/// Bytes of all held bursts together.
const HELD: usize = 16 << 20;

impl Selector {
    /// A dissector tells of a message; `by` is the packet.
    pub(super) fn said(
        &mut self,
        flow: &Flow,
        tracking: &mut Tracking,
        id: MessageId,
        by: &PacketInfo,
        said: MessageEvent<'_>,
    ) {
        match said {
            MessageEvent::Start(begin) => self.begin(flow, tracking, id, by, begin),
            MessageEvent::Data { part, bytes } => {
                let lacks = self.lacks(bytes);
                let Some(open) = tracking.open(id) else {
                    return;
                };
                open.comes(by);
                let tls = is_burst(open.begin.kind) && open.unit.said() == 0 && is_tls(bytes);
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
                if self.wants_frames() {
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
                    // They were there by then.
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
                whole.in_pieces(by, |by, said| self.said(flow, tracking, id, by, said));
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
            // The match that is undecided may end in this burst: the two are one record.
            (open.held, open.waits) = (false, false);
            self.held = self.held.saturating_sub(open.unit.size());
            return;
        }
        self.release(flow, tracking, id.dir, true);
        if begin.kind.side == Role::Request
            && let Some(ordinal) = begin.exchange
        {
            self.ask(flow, tracking, ordinal, number, id.dir, by, b"");
        }
        if is_burst(begin.kind) {
            // It may be an answer that nobody understands.
            let missed = &mut tracking.missed[id.dir.index()];
            *missed = missed.saturating_add(1);
        }
        let first = !std::mem::replace(&mut tracking.begun, true);
        if first && self.wants_failures && flow.handshake.answered.is_some() {
            self.failures.opened(flow);
        }
        let unkept = id.number != 0 && tracking.is_crowded();
        self.output.messages_not_kept += u64::from(unkept);
        let mut open = self.spare.pop().unwrap_or_default();
        open.start(begin, number, id, by);
        open.from = self.at;
        open.unkept = unkept;
        open.midstream = first && flow.roles == Roles::Guessed && flow.protocol == protocol::TCP;
        // Behind a hole a burst goes on with a text whose middle is missing.
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

    /// The number of a message that begins: an answer has its question's.
    pub(super) fn number(&mut self, tracking: &mut Tracking, begin: &Start) -> u64 {
        let asked = match begin.kind.side {
            // What is single may be a request sent again.
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
            if undecided && self.held < HELD && open.unit.size() <= self.options.limits.burst {
                open.held = true;
                self.held += open.unit.size();
                return;
            }
        } else {
            open.end(query, complete);
        }
        self.close(flow, tracking, id, complete);
    }

    /// A held burst waits no longer: its text ends here, truly or not.
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
            self.held = self.held.saturating_sub(open.unit.size());
            open.unit.end(&self.options.query, truly);
            self.close(flow, tracking, dir.into(), true);
        }
    }
}

/// Whether a message's text goes on in the next one of its direction.
pub(super) fn is_burst(kind: Kind) -> bool {
    kind.name == "tcp.burst"
}

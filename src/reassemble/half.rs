//! One direction of a TCP connection: from segments to bytes in order.
//!
//! All arithmetic is on 64-bit offsets; a 32-bit sequence number is placed by its signed distance from the next byte
//! expected, so a wrap is nothing special (RFC 9293 section 3.4).

mod gaps;

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::limits::{Limits, time};
use crate::packet::{Tcp, TcpFlags};
use crate::stats::ReassemblyStats;
use crate::stream::{Aside, Carrier, Ending, GapReason, StreamEvent};

use super::queue::Queue;

/// One direction.
#[derive(Default)]
pub(super) struct Half {
    /// The sequence number of offset 0, once known.
    base: Option<u32>,
    /// The next offset to be delivered.
    next: u64,
    /// The peer has acknowledged everything below this.
    acked: u64,
    /// Where the FIN stands.
    fin: Option<u64>,
    /// Bytes behind a hole.
    queue: Option<Box<Queue>>,
    /// The hole at `next`.
    hole: Option<Hole>,
    /// [`StreamEvent::End`] was said.
    ended: bool,
}

/// A hole that is waited for.
#[derive(Clone, Copy)]
struct Hole {
    since: Timestamp,
    /// Since when it is acknowledged, and how many packets of the flow ago.
    acked: Option<(Timestamp, u32)>,
}

/// What all halves work with.
pub(super) struct Shop<'a> {
    pub(super) limits: &'a Limits,
    pub(super) stats: &'a mut ReassemblyStats,
    /// Bytes queued in all flows.
    pub(super) queued: &'a mut usize,
    /// Moments at which a hole is to be looked at again.
    pub(super) alarms: &'a mut Vec<Timestamp>,
}

/// Farther away than this, bytes do not belong to the stream: half of what 32 bits can tell.
const WINDOW: i64 = 1 << 30;
/// Bytes in front of a stream joined in the middle that still are taken for its own.
const LATE: i64 = 64 << 10;

impl Half {
    /// Whether anything is known of the direction.
    pub(super) fn is_started(&self) -> bool {
        self.base.is_some()
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether `seq` is this direction's initial sequence number.
    pub(super) fn is_isn(&self, seq: u32) -> bool {
        self.base == Some(seq.wrapping_add(1))
    }

    /// Whether `seq` is exactly the next one expected (RFC 5961 section 3.2).
    pub(super) fn is_next(&self, seq: u32) -> bool {
        self.place(seq) == Some(self.next as i64)
    }

    /// Take a segment's bytes and FIN.
    #[allow(
        clippy::too_many_arguments,
        reason = "a segment, whose it is, and what all halves work with"
    )]
    pub(super) fn segment(
        &mut self,
        tcp: &Tcp,
        dir: Direction,
        payload: &[u8],
        cut: u64,
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let syn = tcp.flags.has(TcpFlags::SYN);
        let first = tcp.seq.wrapping_add(u32::from(syn));
        self.base.get_or_insert(first);
        let Some(start) = self.place(first) else {
            return;
        };
        let len = payload.len() as u64;
        let distance = start.saturating_sub(self.next as i64);
        let mut aside = |why: Aside, shop: &mut Shop<'_>| {
            if !payload.is_empty() {
                shop.stats.asides += 1;
                say(StreamEvent::Aside {
                    dir,
                    offset: start.max(0) as u64,
                    bytes: payload,
                    context: 0,
                    why,
                    by,
                });
            }
        };
        if tcp.flags.has(TcpFlags::RST) {
            return aside(Aside::WithRst, shop);
        }
        if !syn && !tcp.flags.has(TcpFlags::ACK) {
            return aside(Aside::NoAck, shop);
        }
        if !(-WINDOW..WINDOW).contains(&distance) {
            return aside(Aside::OutOfWindow, shop);
        }
        let Ok(offset) = u64::try_from(start) else {
            // In front of a stream that was joined in the middle.
            if start >= -LATE && start.saturating_add(len as i64) <= 0 {
                return aside(Aside::Late, shop);
            }
            let own = usize::try_from(-start)
                .unwrap_or(usize::MAX)
                .min(payload.len());
            let (before, payload) = payload.split_at(own);
            if !before.is_empty() {
                shop.stats.asides += 1;
                say(StreamEvent::Aside {
                    dir,
                    offset: 0,
                    bytes: before,
                    context: 0,
                    why: Aside::Late,
                    by,
                });
            }
            return self.bytes(dir, 0, payload, by, shop, say);
        };
        if self.fin.is_some_and(|fin| offset >= fin) {
            return aside(Aside::AfterFin, shop);
        }
        // A keep-alive repeats the last byte, often with a wrong value (RFC 9293 section 3.8.4).
        let is_keep_alive =
            len == 1 && offset.saturating_add(1) == self.next && !tcp.flags.has(TcpFlags::FIN);
        if !payload.is_empty() && !is_keep_alive {
            self.bytes(dir, offset, payload, by, shop, say);
        }
        let mut end = offset.saturating_add(len);
        if cut > 0 && end == self.next {
            self.lose(dir, cut, GapReason::Snaplen, by, shop, say);
        }
        end = end.saturating_add(cut);
        if tcp.flags.has(TcpFlags::FIN) {
            self.fin.get_or_insert(end);
        }
        self.deliver(dir, by, shop, say);
    }

    /// Nothing more comes: deliver what waits, with the gaps in it, and end.
    pub(super) fn end(
        &mut self,
        dir: Direction,
        how: Ending,
        reason: GapReason,
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        if !self.is_started() || self.ended {
            return;
        }
        while let Some(first) = self.queue.as_ref().and_then(|queue| queue.first()) {
            self.lose(dir, first.saturating_sub(self.next), reason, by, shop, say);
            self.deliver(dir, by, shop, say);
        }
        if let Some(fin) = self.fin
            && fin > self.next
        {
            self.lose(dir, fin - self.next, reason, by, shop, say);
            self.deliver(dir, by, shop, say);
        }
        if !self.ended {
            self.ended = true;
            say(StreamEvent::End { dir, how, by });
        }
    }

    /// Bytes that wait behind a hole.
    pub(super) fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.size())
    }

    /// Where a sequence number stands; negative in front of offset 0.
    fn place(&self, seq: u32) -> Option<i64> {
        let expected = self.base?.wrapping_add(self.next as u32);
        let distance = seq.wrapping_sub(expected).cast_signed();
        (self.next as i64).checked_add(i64::from(distance))
    }

    fn bytes(
        &mut self,
        dir: Direction,
        offset: u64,
        bytes: &[u8],
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let end = offset.saturating_add(bytes.len() as u64);
        if end <= self.next {
            shop.stats.retransmitted += 1;
            return;
        }
        let seen = usize::try_from(self.next.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (at, fresh) = (offset.max(self.next), bytes.get(seen..).unwrap_or_default());
        let empty = self
            .queue
            .as_ref()
            .is_none_or(|queue| queue.first().is_none_or(|first| first >= end));
        if at == self.next && empty {
            // In order, and nothing of it is queued: passed on as it lies.
            self.next = end;
            self.hole = None;
            say(StreamEvent::Data {
                dir,
                offset: at,
                bytes: fresh,
                by,
            });
            return;
        }
        shop.stats.out_of_order += 1;
        let queue = self.queue.get_or_insert_default();
        let before = queue.size();
        let differs = queue.insert(at, fresh, by);
        *shop.queued += queue.size() - before;
        if differs {
            shop.stats.conflicts += 1;
            say(StreamEvent::Aside {
                dir,
                offset: at,
                bytes: fresh,
                context: 0,
                why: Aside::Conflict,
                by,
            });
        }
        if at > self.next && self.hole.is_none() {
            self.await_hole(by, shop);
        }
    }

    /// From now on the hole at `next` is waited for.
    fn await_hole(&mut self, by: Carrier, shop: &mut Shop<'_>) {
        self.hole = Some(Hole {
            since: by.ts,
            acked: None,
        });
        shop.alarms.push(by.ts.plus(time::GAP_TIMEOUT));
    }

    /// Deliver what has its turn now.
    fn deliver(
        &mut self,
        dir: Direction,
        by: Carrier,
        shop: &mut Shop<'_>,
        say: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        while let Some(queue) = &mut self.queue {
            let before = queue.size();
            let Some((at, piece)) = queue.take(self.next) else {
                break;
            };
            *shop.queued = shop.queued.saturating_sub(before - queue.size());
            let seen = usize::try_from(self.next.saturating_sub(at)).unwrap_or(usize::MAX);
            if let Some(fresh) = piece.bytes.get(seen..).filter(|fresh| !fresh.is_empty()) {
                let offset = self.next;
                self.next = offset.saturating_add(fresh.len() as u64);
                say(StreamEvent::Data {
                    dir,
                    offset,
                    bytes: fresh,
                    by: piece.by,
                });
            }
            self.hole = None;
        }
        match self.queue.as_ref().map(|queue| queue.len()) {
            Some(0) => self.queue = None,
            Some(_) if self.hole.is_none() => {
                self.await_hole(by, shop);
            }
            _ => {}
        }
        if self.fin == Some(self.next) && !self.ended {
            self.ended = true;
            self.hole = None;
            say(StreamEvent::End {
                dir,
                how: Ending::Fin,
                by,
            });
        }
    }
}

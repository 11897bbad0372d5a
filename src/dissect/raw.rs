//! Raw messages: stream bytes of no known protocol are emitted as bursts, datagrams as one message
//! each. Every byte is emitted once and in order, and a burst has at most
//! [`crate::limits::Limits::burst`] bytes.
//!
//! A burst is what one direction sends up to a PSH flag, a change of direction, a pause or that
//! limit. The driver decides when one ends; this file emits it.

use super::output::Output;
use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::limits;
use crate::message::{Kind, MessageEvent, Part, Role};
use crate::packet::protocol;
use crate::stream::{GapReason, PacketInfo};

/// A burst: bytes that one direction sends without interruption.
pub(super) const BURST: Kind = Kind {
    name: "tcp.burst",
    side: Role::Single,
    sized: true,
};
const UDP: Kind = Kind {
    name: "udp.datagram",
    side: Role::Single,
    sized: true,
};
const ICMP: Kind = Kind {
    name: "icmp.message",
    side: Role::Single,
    sized: true,
};
const IGMP: Kind = Kind {
    name: "igmp.message",
    side: Role::Single,
    sized: true,
};
const IP: Kind = Kind {
    name: "ip.datagram",
    side: Role::Single,
    sized: true,
};

/// The state of a direction's bursts while none is open.
pub(super) struct ParkedBurst {
    continues: bool,
    boundary: bool,
    last: PacketInfo,
}

impl ParkedBurst {
    /// Restores the bursts.
    pub(super) fn restore(self) -> Burst {
        Burst {
            continues: self.continues,
            boundary: self.boundary,
            last: self.last,
            ..Burst::default()
        }
    }
}

/// The raw bursts of one direction.
#[derive(Default, Debug)]
pub(super) struct Burst {
    /// Whether a burst is open.
    open: bool,
    /// Number of bytes in the open burst.
    len: usize,
    /// Whether the next burst continues the text of the last message.
    continues: bool,
    /// Whether the next byte may start something that is recognised: it is the first, or the last
    /// message before it was complete.
    boundary: bool,
    /// The last packet of the direction.
    last: PacketInfo,
    /// Missing bytes before the next burst.
    missing: Option<(u64, GapReason)>,
}

impl Burst {
    /// For a direction without any bytes so far.
    pub(super) fn new() -> Self {
        Self {
            boundary: true,
            ..Self::default()
        }
    }

    /// Whether no burst is open, and none that begins next has bytes missing before it.
    pub(super) const fn is_idle(&self) -> bool {
        !self.open && self.missing.is_none()
    }

    /// What has to be remembered while it [is idle](Self::is_idle).
    pub(super) const fn park(&self) -> ParkedBurst {
        ParkedBurst {
            continues: self.continues,
            boundary: self.boundary,
            last: self.last,
        }
    }

    /// Whether a burst is open.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the next byte may start something other than raw bytes.
    pub(super) const fn at_boundary(&self) -> bool {
        self.boundary && !self.open
    }

    /// Time of the direction's last packet.
    pub(super) const fn since(&self) -> Timestamp {
        self.last.ts
    }

    /// Whether the direction has been silent long enough to end a burst.
    pub(super) const fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.last.ts) >= limits::time::BURST_PAUSE
    }

    /// The direction's last packet.
    pub(super) const fn last(&self) -> PacketInfo {
        self.last
    }

    /// The direction's last packet, or `by` if there was none.
    pub(super) const fn last_or(&self, by: PacketInfo) -> PacketInfo {
        match self.last.frame {
            0 => by,
            _ => self.last,
        }
    }

    /// Records the direction's last packet.
    pub(super) const fn touch(&mut self, by: PacketInfo) {
        self.last = by;
    }

    /// Emits the following bytes as bursts. `boundary`: they may start something that is
    /// recognised; `continues`: they continue the text before them.
    pub(super) const fn enter(&mut self, boundary: bool, continues: bool) {
        self.boundary = boundary;
        self.continues = continues;
    }

    /// Records that the next bytes start nothing that is recognised.
    pub(super) const fn rule_out_start(&mut self) {
        self.boundary = false;
    }

    /// Emits bytes; `first` is the packet of the first of them. A burst that reaches the limit ends
    /// and the next one continues it.
    pub(super) fn text(
        &mut self,
        dir: Direction,
        mut bytes: &[u8],
        first: &PacketInfo,
        out: &mut Output<'_>,
    ) {
        let limit = out.limits.burst.max(1);
        while !bytes.is_empty() {
            if !self.open {
                self.begin(dir, first, out);
            }
            let space = limit.saturating_sub(self.len).min(bytes.len());
            let (now, later) = bytes.split_at_checked(space).unwrap_or((bytes, &[]));
            out.text(dir, Part::Body, now);
            self.len = self.len.saturating_add(space);
            self.last = out.by;
            if self.len >= limit {
                self.end(dir, true, out);
                self.continues = true;
                self.boundary = false;
            }
            bytes = later;
        }
    }

    /// Ends the open burst, if there is one. The next byte may start anything.
    pub(super) fn close(&mut self, dir: Direction, out: &mut Output<'_>) {
        if self.open {
            self.end(dir, true, out);
            self.continues = true;
        }
        self.boundary = true;
    }

    /// Emits a gap: in the open burst, which it ends, or else before the next burst.
    pub(super) fn gap(
        &mut self,
        dir: Direction,
        len: u64,
        reason: GapReason,
        out: &mut Output<'_>,
    ) {
        if self.open {
            out.emit(dir, MessageEvent::Gap { len, reason });
            self.last = out.by;
            self.end(dir, false, out);
        } else {
            let before = self.missing.map_or(0, |(len, _)| len);
            self.missing = Some((len.saturating_add(before), reason));
        }
        self.continues = false;
        self.boundary = true;
    }

    /// Emits a gap that no burst follows as a burst of its own. The next burst continues nothing.
    pub(super) fn finish(&mut self, dir: Direction, out: &mut Output<'_>) {
        self.close(dir, out);
        if self.missing.is_some() {
            let by = out.by;
            self.begin(dir, &by, out);
            self.last = by;
            self.end(dir, false, out);
        }
        self.continues = false;
    }

    fn begin(&mut self, dir: Direction, first: &PacketInfo, out: &mut Output<'_>) {
        let exchange = out.next_exchange();
        out.begin(dir, first, BURST, Some(exchange), self.continues);
        if let Some((len, reason)) = self.missing.take() {
            out.emit_from(dir, first, MessageEvent::Gap { len, reason });
        }
        self.open = true;
        self.len = 0;
    }

    fn end(&mut self, dir: Direction, complete: bool, out: &mut Output<'_>) {
        self.open = false;
        let last = self.last;
        out.emit_from(dir, &last, MessageEvent::End { complete });
    }
}

/// Emits a datagram as one message. `cut` is the number of bytes that the snap length cut off.
pub(super) fn datagram(flow: &Flow, dir: Direction, bytes: &[u8], cut: u64, out: &mut Output<'_>) {
    let kind = match flow.protocol {
        protocol::UDP => UDP,
        protocol::ICMP | protocol::ICMPV6 => ICMP,
        protocol::IGMP => IGMP,
        _ => IP,
    };
    let (exchange, by) = (out.next_exchange(), out.by);
    out.begin(dir, &by, kind, Some(exchange), false);
    out.text(dir, Part::Body, bytes);
    if cut > 0 {
        out.emit(
            dir,
            MessageEvent::Gap {
                len: cut,
                reason: GapReason::Snaplen,
            },
        );
    }
    out.emit(dir, MessageEvent::End { complete: cut == 0 });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{
        CLIENT_END, Cut, Play, SERVER_END, Step, client, client_gap, expect, server,
    };
    use super::*;
    use crate::stream::StreamEvent;

    fn unpushed(bytes: &[u8]) -> Step {
        Step::Unpushed(Direction::ToServer, bytes.to_vec())
    }

    #[test]
    fn a_push_ends_a_burst_and_the_text_goes_on() {
        expect(
            &[client(b"one."), client(b"two.")],
            &[
                "> tcp.burst #0",
                r#"> body "one.""#,
                "> end",
                "> tcp.burst #1 goes on",
                r#"> body "two.""#,
                "> end",
            ],
        );
    }

    #[test]
    fn a_push_ends_a_burst_even_if_it_might_have_begun_something() {
        let play = Play::of(&[client(b"PING"), client(b"PONG")], &Cut::Whole);
        assert_eq!(
            play.chart.outline(),
            ["> tcp.burst #0", "> end", "> tcp.burst #1 goes on", "> end"]
        );
    }

    #[test]
    fn the_other_direction_ends_a_burst() {
        expect(
            &[unpushed(b"say: "), server(b"what?"), unpushed(b"this: ")],
            &[
                "> tcp.burst #0",
                r#"> body "say: ""#,
                "> end",
                "< tcp.burst #1",
                r#"< body "what?""#,
                "< end",
                "> tcp.burst #2 goes on",
                r#"> body "this: ""#,
            ],
        );
    }

    #[test]
    fn a_pause_ends_a_burst_whether_or_not_anybody_looks() {
        expect(
            &[
                unpushed(b"one."),
                Step::Pause(99),
                unpushed(b"two."),
                Step::Pause(100),
                unpushed(b"abc"),
                CLIENT_END,
            ],
            &[
                "> tcp.burst #0",
                r#"> body "one.two.""#,
                "> end",
                "> tcp.burst #1 goes on",
                r#"> body "abc""#,
                "> end",
            ],
        );
    }

    #[test]
    fn a_burst_that_may_pause_is_open_since_its_last_byte() {
        let mut play = Play::default();
        play.perform(&[unpushed(b"one."), Step::Pause(50)], &Cut::Whole);
        assert_eq!(
            play.dissector.open_burst_since(),
            Some(Timestamp::from_nanos(1000))
        );
        play.ticking = true;
        play.perform(&[Step::Pause(50)], &Cut::Whole);
        assert_eq!(play.dissector.open_burst_since(), None);
        assert!(play.chart.is_quiet());
        assert_eq!(play.chart.frames, [1, 1]);
    }

    #[test]
    fn a_pause_ends_the_waiting_for_more_of_what_may_be_anything() {
        let mut play = Play {
            ticking: true,
            ..Play::default()
        };
        play.perform(&[unpushed(b"WORD")], &Cut::Whole);
        assert!(play.chart.lines().is_empty());
        assert!(play.dissector.open_burst_since().is_some());
        play.perform(&[Step::Pause(100)], &Cut::Whole);
        assert_eq!(
            play.chart.lines(),
            ["> tcp.burst #0", r#"> body "WORD""#, "> end"]
        );
    }

    #[test]
    fn a_burst_has_a_bound() {
        let mut play = Play::default();
        play.limits.burst = 4;
        play.perform(&[client(b"123456789")], &Cut::Lengths(vec![3]));
        assert_eq!(
            play.chart.lines(),
            [
                "> tcp.burst #0",
                r#"> body "1234""#,
                "> end",
                "> tcp.burst #1 goes on",
                r#"> body "5678""#,
                "> end",
                "> tcp.burst #2 goes on",
                r#"> body "9""#,
                "> end",
            ]
        );
    }

    #[test]
    fn missing_bytes_are_emitted_where_they_were() {
        expect(
            &[
                unpushed(b"a: "),
                client_gap(5),
                client(b"b: "),
                client_gap(6),
                client_gap(1),
                client(b"c: "),
                client_gap(9),
                CLIENT_END,
                SERVER_END,
            ],
            &[
                "> tcp.burst #0",
                r#"> body "a: ""#,
                "> missing 5",
                "> end incomplete",
                "> tcp.burst #1",
                r#"> body "b: ""#,
                "> end",
                "> tcp.burst #2",
                "> missing 7",
                r#"> body "c: ""#,
                "> end",
                "> tcp.burst #3",
                "> missing 9",
                "> end incomplete",
            ],
        );
    }

    #[test]
    fn a_datagram_is_a_message() {
        let table = [
            (protocol::UDP, 0, "> udp.datagram #0"),
            (protocol::ICMP, 0, "> icmp.message #0"),
            (protocol::ICMPV6, 0, "> icmp.message #0"),
            (protocol::IGMP, 0, "> igmp.message #0"),
            (47, 9, "> ip.datagram #0"),
        ];
        for (number, cut, begin) in table {
            let mut play = Play::default();
            let by = PacketInfo::default();
            let event = StreamEvent::Datagram {
                dir: Direction::ToServer,
                bytes: b"hi",
                cut,
                by: &by,
            };
            play.event_of(number, &event);
            let end: &[&str] = if cut == 0 {
                &["> end"]
            } else {
                &["> missing 9", "> end incomplete"]
            };
            assert_eq!(
                play.chart.lines(),
                [&[begin, r#"> body "hi""#], end].concat()
            );
            play.event_of(number, &event);
            assert!(play.chart.lines().iter().any(|line| line.ends_with("#1")));
        }
    }
}

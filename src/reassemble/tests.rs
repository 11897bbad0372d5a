//! Connections as sequence charts.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::flow::Roles;
use crate::packet::{Ip, Ports, protocol};

/// Packets as they are captured, and what is said of them. The client's initial sequence number is 1000, the server's 5000.
struct Chart {
    reassembler: Reassembler<()>,
    said: Vec<String>,
    now: i64,
    frame: u64,
}

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;

impl Chart {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self {
            reassembler: Reassembler::new(limits, time::IDLE_FILE),
            said: Vec::new(),
            now: 0,
            frame: 0,
        }
    }

    fn handshake() -> Self {
        Self::new()
            .send(C, "S", 1000, 0, "")
            .send(S, "SA", 5000, 1001, "")
            .send(C, "A", 1001, 5001, "")
    }

    fn send(mut self, dir: Direction, flags: &str, seq: u32, ack: u32, payload: &str) -> Self {
        self.push(dir, flags, seq, ack, payload.as_bytes(), 0);
        self
    }

    /// Data behind the usual handshake, at an offset, acknowledging all of nothing.
    fn data(self, dir: Direction, offset: u32, payload: &str) -> Self {
        let (seq, ack) = if dir == C {
            (1001 + offset, 5001)
        } else {
            (5001 + offset, 1001)
        };
        self.send(dir, "AP", seq, ack, payload)
    }

    /// A bare acknowledgement by `dir` of all bytes below `offset`.
    fn ack(self, dir: Direction, offset: u32) -> Self {
        let (seq, ack) = if dir == C {
            (1001, 5001 + offset)
        } else {
            (5001, 1001 + offset)
        };
        self.send(dir, "A", seq, ack, "")
    }

    fn wait(mut self, millis: i64) -> Self {
        self.now += millis * 1_000_000;
        let said = &mut self.said;
        self.reassembler
            .expire(Timestamp::from_nanos(self.now), |_, (), event| {
                tell(&event, said);
            });
        self
    }

    fn finish(mut self) -> Vec<String> {
        let said = &mut self.said;
        self.reassembler.finish(|_, (), event| tell(&event, said));
        self.said
    }

    fn push(&mut self, dir: Direction, flags: &str, seq: u32, ack: u32, payload: &[u8], cut: u32) {
        self.frame += 1;
        self.now += 1_000;
        let flags = flags.chars().fold(0, |bits, letter| {
            bits | match letter {
                'S' => TcpFlags::SYN.0,
                'A' => TcpFlags::ACK.0,
                'F' => TcpFlags::FIN.0,
                'R' => TcpFlags::RST.0,
                'P' => TcpFlags::PSH.0,
                other => panic!("no flag {other}"),
            }
        });
        let (client, server) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let ((src, sport), (dst, dport)) = if dir == C {
            ((client, 40_000), (server, 80))
        } else {
            ((server, 80), (client, 40_000))
        };
        let tcp = Tcp {
            ports: Ports {
                src: sport,
                dst: dport,
            },
            seq,
            ack,
            flags: TcpFlags(flags),
            window: 1000,
            window_scale: None,
            urgent: 0,
        };
        let ip = Ip {
            src: IpAddr::V4(src),
            dst: IpAddr::V4(dst),
            protocol: protocol::TCP,
            ttl: 64,
            fragment: None,
        };
        let ts = Timestamp::from_nanos(self.now);
        let transport = Transport::Tcp(tcp);
        let packet = Packet {
            frame: self.frame,
            ts,
            path: 0,
            ip,
            transport,
            ip_payload: payload,
            payload,
            cut,
        };
        let said = &mut self.said;
        self.reassembler
            .push(&packet, |_, (), event| tell(&event, said));
    }
}

fn tell(event: &StreamEvent<'_>, said: &mut Vec<String>) {
    let name = |dir: Direction| if dir == C { "C" } else { "S" };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match *event {
        StreamEvent::Data { dir, bytes, .. } => match said
            .last_mut()
            .filter(|last| last.starts_with(&format!("{} data ", name(dir))))
        {
            Some(last) => *last += &text(bytes),
            None => said.push(format!("{} data {}", name(dir), text(bytes))),
        },
        StreamEvent::Gap {
            dir, len, reason, ..
        } => said.push(format!("{} gap {len} {reason:?}", name(dir))),
        StreamEvent::Aside {
            dir, bytes, why, ..
        } => said.push(format!("{} {why:?} {}", name(dir), text(bytes))),
        StreamEvent::End { dir, how, .. } => said.push(format!("{} end {how:?}", name(dir))),
        StreamEvent::Bare { .. } | StreamEvent::Acked { .. } | StreamEvent::Datagram { .. } => {}
    }
}

/// What is said up to the ends by the capture's end.
fn said(chart: Chart) -> String {
    let mut said = chart.finish();
    said.retain(|line| !line.ends_with("end Capture"));
    said.join("; ")
}

#[test]
fn bytes_come_in_order_and_once() {
    let table: [(&str, &[(u32, &str)], &str); 9] = [
        ("inorder", &[(0, "AAAA"), (4, "BBBB")], "C data AAAABBBB"),
        ("swap2", &[(4, "BBBB"), (0, "AAAA")], "C data AAAABBBB"),
        (
            "two_holes_fill_second_first",
            &[(8, "CC"), (4, "BB"), (6, "bb"), (0, "AAAA")],
            "C data AAAABBbbCC",
        ),
        ("retrans_same", &[(0, "AAAA"), (0, "AAAA")], "C data AAAA"),
        (
            "retrans_longer",
            &[(0, "AAAA"), (0, "AAAABBBB")],
            "C data AAAABBBB",
        ),
        (
            "retrans_shorter",
            &[(0, "AAAABBBB"), (0, "AAAA")],
            "C data AAAABBBB",
        ),
        (
            "retrans_partial_overlap",
            &[(0, "012345"), (4, "456789")],
            "C data 0123456789",
        ),
        (
            "repacketised",
            &[(0, "012"), (3, "34567"), (0, "01234"), (5, "567")],
            "C data 01234567",
        ),
        (
            "queued_same_diff",
            &[(4, "BBBB"), (4, "YYYY"), (0, "AAAA")],
            "C Conflict YYYY; C data AAAABBBB",
        ),
    ];
    for (name, segments, want) in table {
        let chart = segments
            .iter()
            .fold(Chart::handshake(), |chart, (offset, text)| {
                chart.data(C, *offset, text)
            });
        assert_eq!(said(chart), want, "{name}");
    }
}

#[test]
fn reverse_all() {
    let mut chart = Chart::with(Limits {
        reorder_segments: 5000,
        ..Limits::default()
    });
    chart.push(C, "S", 1000, 0, b"", 0);
    for at in (0..4096_u32).rev() {
        chart.push(C, "A", 1001 + at, 5001, &[b'a' + (at % 26) as u8], 0);
    }
    let want: String = (0..4096_u32)
        .map(|at| char::from(b'a' + (at % 26) as u8))
        .collect();
    assert_eq!(said(chart), format!("C data {want}"));
}

#[test]
fn gap_acked() {
    let chart = Chart::handshake()
        .data(C, 0, "AAAA")
        .data(C, 8, "CCCC")
        .ack(S, 12);
    assert_eq!(chart.said, ["C data AAAA"], "not before the grace is over");
    assert_eq!(
        said(chart.wait(60)),
        "C data AAAA; C gap 4 Acked; C data CCCC"
    );
}

#[test]
fn ack_before_data() {
    let chart = Chart::handshake()
        .data(C, 0, "AAAA")
        .ack(S, 8)
        .data(C, 4, "BBBB")
        .wait(100);
    assert_eq!(said(chart), "C data AAAABBBB");
}

#[test]
fn gaps_are_given_up_at_the_end_and_in_time() {
    let hole = || Chart::handshake().data(C, 0, "AAAA").data(C, 8, "CCCC");
    assert_eq!(
        said(hole()),
        "C data AAAA; C gap 4 End; C data CCCC",
        "gap_never_acked_eof"
    );
    let timed = hole().data(S, 0, "x").wait(9_000);
    assert_eq!(timed.said, ["C data AAAA", "S data x"]);
    assert_eq!(
        said(timed.wait(2_000)),
        "C data AAAA; S data x; C gap 4 Timeout; C data CCCC",
        "gap_timeout_10s"
    );
}

#[test]
fn gap_late_fill_is_not_delivered_twice() {
    let chart = Chart::handshake()
        .data(C, 4, "BBBB")
        .ack(S, 8)
        .wait(100)
        .data(C, 0, "AAAA");
    assert_eq!(said(chart), "C gap 4 Acked; C data BBBB");
}

#[test]
fn ooo_cap_segments() {
    let mut chart = Chart::handshake();
    for at in 0..2000_u32 {
        chart.push(C, "A", 1001 + 10 + at * 2, 5001, b"x", 0);
    }
    assert!(
        chart
            .said
            .iter()
            .any(|line| line.contains("gap 10 Overflow")),
        "{:?}",
        chart.said.first()
    );
    let asides = chart
        .said
        .iter()
        .filter(|line| !line.contains("gap") && !line.contains("data"))
        .count();
    assert_eq!(asides, 0);
}

#[test]
fn what_has_no_place_is_said_aside() {
    let table: [(&str, Chart, &str); 7] = [
        (
            "zero_fill_bomb",
            Chart::handshake().data(C, 1 << 30, "x"),
            "C OutOfWindow x",
        ),
        (
            "no_ack_flag_insertion",
            Chart::handshake()
                .send(C, "P", 1001, 0, "EVIL")
                .data(C, 0, "AAAA"),
            "C NoAck EVIL; C data AAAA",
        ),
        (
            "keepalive_1",
            Chart::handshake().data(C, 0, "AAAA").data(C, 3, "\0"),
            "C data AAAA",
        ),
        (
            "data_after_fin",
            Chart::handshake()
                .send(C, "AF", 1001, 5001, "AAAA")
                .data(C, 5, "BB"),
            "C data AAAA; C end Fin; C AfterFin BB",
        ),
        (
            "rst_with_data",
            Chart::handshake().send(C, "R", 1001, 0, "bye"),
            "C WithRst bye; C end Reset; S end Reset",
        ),
        (
            "midstream_ooo",
            Chart::new()
                .data(C, 4, "BBBB")
                .data(C, 0, "AAAA")
                .data(C, 8, "CCCC"),
            "C data BBBB; C Late AAAA; C data CCCC",
        ),
        (
            "rst_out_of_window",
            Chart::handshake()
                .send(S, "R", 9_999, 0, "")
                .data(S, 0, "x"),
            "S data x",
        ),
    ];
    for (name, chart, want) in table {
        assert_eq!(said(chart), want, "{name}");
    }
}

#[test]
fn connections_end_and_ports_are_used_again() {
    let closed = || {
        Chart::handshake()
            .send(C, "AF", 1001, 5001, "AAAA")
            .send(S, "AF", 5001, 1006, "")
            .send(C, "A", 1006, 5002, "")
    };
    assert_eq!(
        said(closed()),
        "C data AAAA; C end Fin; S end Fin",
        "fin_with_data"
    );
    let again = closed()
        .send(C, "S", 7000, 0, "")
        .send(C, "AP", 7001, 1, "BB");
    assert_eq!(
        said(again),
        "C data AAAA; C end Fin; S end Fin; C data BB",
        "reuse_after_fin"
    );
    let fin_first = Chart::handshake()
        .send(C, "AF", 1005, 5001, "BBBB")
        .data(C, 0, "AAAA");
    assert_eq!(said(fin_first), "C data AAAABBBB; C end Fin", "fin_ooo");
    let half = Chart::handshake()
        .send(C, "AF", 1001, 5001, "")
        .data(S, 0, "more")
        .data(S, 4, "!");
    assert_eq!(said(half), "C end Fin; S data more!", "half_close");
    let desync = Chart::handshake()
        .data(C, 0, "AAAA")
        .send(C, "S", 7000, 0, "")
        .data(C, 4, "BBBB");
    assert_eq!(said(desync), "C data AAAABBBB", "syn_other_isn_unanswered");
    let answered = Chart::handshake()
        .data(C, 0, "AAAA")
        .send(C, "S", 7000, 0, "")
        .send(S, "SA", 9000, 7001, "");
    assert_eq!(
        said(answered),
        "C data AAAA; C end Abandoned; S end Abandoned",
        "syn_other_isn_answered"
    );
}

#[test]
fn snaplen_cut_is_a_gap_in_its_place() {
    let mut chart = Chart::handshake();
    chart.push(C, "A", 1001, 5001, b"HEAD", 6);
    chart.push(C, "A", 1011, 5001, b"TAIL", 0);
    assert_eq!(said(chart), "C data HEAD; C gap 6 Snaplen; C data TAIL");
}

#[test]
fn roles_come_from_the_handshake() {
    for (flags, client_sends) in [("S", true), ("SA", false)] {
        let mut chart = Chart::new();
        chart.push(C, flags, 1000, 1, b"", 0);
        chart.reassembler.visit(1, |flow, ()| {
            assert_eq!(
                (flow.client.port == 40_000, flow.roles),
                (client_sends, Roles::Seen),
                "{flags}"
            );
        });
    }
}

#[test]
fn a_syn_flood_and_many_flows_are_bounded() {
    let limits = Limits {
        embryos: 10,
        flows: 20,
        ..Limits::default()
    };
    let mut reassembler: Reassembler<()> = Reassembler::new(limits, time::IDLE_FILE);
    for port in 1..=200_u16 {
        for flags in [TcpFlags::SYN, TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0)] {
            if flags == TcpFlags::SYN || port > 100 {
                let tcp = Tcp {
                    ports: Ports { src: port, dst: 80 },
                    seq: 0,
                    ack: 0,
                    flags,
                    window: 0,
                    window_scale: None,
                    urgent: 0,
                };
                let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let ip = Ip {
                    src: addr,
                    dst: addr,
                    protocol: protocol::TCP,
                    ttl: 64,
                    fragment: None,
                };
                let (ts, transport) = (Timestamp::default(), Transport::Tcp(tcp));
                let packet = Packet {
                    frame: 1,
                    ts,
                    path: 0,
                    ip,
                    transport,
                    ip_payload: &[],
                    payload: &[],
                    cut: 0,
                };
                reassembler.push(&packet, |_, (), _| ());
            }
        }
    }
    let left = reassembler.table.all().len();
    assert!(left <= 30, "{left} flows");
    assert!(reassembler.stats().evicted_embryos >= 90);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn any_cut_any_order_any_repetition_gives_the_text(
        text in prop::collection::vec(b'a'..=b'z', 1..200),
        cuts in prop::collection::vec(0usize..200, 0..20),
        order in prop::collection::vec(any::<u16>(), 40),
        isn in prop::sample::select(vec![0_u32, 1000, u32::MAX - 100, u32::MAX - 1, u32::MAX]),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut segments: Vec<(usize, usize)> = cuts.windows(2).map(|pair| (pair[0], pair[1])).collect();
        let again: Vec<_> = segments.iter().copied().step_by(3).collect();
        segments.extend(again);
        let mut keyed: Vec<_> = order.iter().cycle().zip(segments).collect();
        keyed.sort_by_key(|(key, _)| **key);
        let mut chart = Chart::new();
        chart.push(C, "S", isn, 0, b"", 0);
        for (_, (from, to)) in keyed {
            chart.push(C, "A", isn.wrapping_add(1).wrapping_add(from as u32), 1, &text[from..to], 0);
        }
        prop_assert_eq!(&chart.said, &[format!("C data {}", String::from_utf8_lossy(&text))]);
        prop_assert_eq!(chart.reassembler.queued, 0);
    }
}

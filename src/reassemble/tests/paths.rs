//! Connections whose packets take several paths, and those that come twice.

use super::*;

/// The emitted events, the packets that were copies, and the flows.
fn played(chart: &str, turned: bool) -> (String, usize, usize) {
    let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
    player.turned = turned;
    player.play(chart);
    let (copies, flows) = (player.copies, player.flows.len());
    (player.finish(), copies, flows)
}

#[test]
fn the_two_directions_are_one_connection_whatever_paths_they_take() {
    // (chart, emitted events, flows)
    let table = [
        // Another tag on the way back, or one on one of the ways alone.
        (
            "via 10 20; hs; C+0 ASK; S+0a3 ANSWER; C a6",
            "C data ASK; S data ANSWER",
            1,
        ),
        (
            "via 0 20; hs; C+0 ASK; S+0a3 ANSWER; C+3a6 MORE",
            "C data ASK; S data ANSWER; C data MORE",
            1,
        ),
        // Joined in the middle: the numbers of one side fit those of the other.
        (
            "via 10 20; C+0a9 ASK; S+9a3 ANSWER; C+3a15 MORE",
            "C data ASK; S data ANSWER; C data MORE",
            1,
        ),
        (
            "via 10 20; S+9a3 ANSWER; C+3a15 MORE; S+15a7 X",
            "S data ANSWER; C data MORE; S data X",
            1,
        ),
        (
            "via 10 20; C:A:4:5010; S+9a3 ANSWER; C+3a15 MORE",
            "S data ANSWER; C data MORE",
            1,
        ),
        (
            "via 10 20; C:A:4:5010; S:A:5010:4; C+3a9 ASK; S+9a6 ANSWER",
            "C data ASK; S data ANSWER",
            1,
        ),
        // Some of it is missing, or comes late.
        (
            "via 10 20; C+0a9 ASK; S+500a3 ANSWER",
            "C data ASK; S data ANSWER",
            1,
        ),
        (
            "via 10 20; C+0a9 ASK; S+9 ANSWER; C+3a15 X",
            "C data ASK; S data ANSWER; C data X",
            1,
        ),
        // The server's SYN is in front of the client's.
        (
            "via 10 20; S:SA:5000:1; C:S:0:0; C+0 ASK; S+0a3 X",
            "C data ASK; S data X",
            1,
        ),
        // Refused on another path.
        ("via 10 20; C:S:0:0; S:RA:0:1; wait 1100", "C end Reset", 1),
        // A connection moves to another path, in the middle of it.
        (
            "via 10 10; hs; C+0 ONE; via 30 10; C+3 TWO; S+0a6 X",
            "C data ONETWO; S data X",
            1,
        ),
        // New ones on the same ports, each with its answers on another path.
        (
            "via 10 20; hs; C+0 ONE; S+0a3 X; C:FA:4:5002; S:FA:5002:5; C:A:5:5003; isn 9000; via 10 20; C:S:0:0; \
             S:SA:5000:1; C+0 TWO; S+0a3 Y",
            "C data ONE; S data X; C end Fin; S end Fin; C data TWO; S data Y",
            2,
        ),
        // Numbers that do not fit are those of another network with the same addresses.
        (
            "via 10 10; hs; C+0 ONE; via 20 20; C:A:900000:70; S:AP:123456789:900003 X",
            "C data ONE; S data X",
            2,
        ),
        (
            "via 10 10; hs; C+0 ONE; via 20 20; isn 77000; C:S:0:0; S:SA:5000:1; C+0 TWO",
            "C data ONETWO",
            2,
        ),
        ("via 10 10; C:S:0:0; via 20 20; S:SA:5000:77", "", 2),
        // The same numbers by habit: not at the same time, or with other bytes.
        (
            "via 10 10; hs; C+0 ONE; wait 100; via 20 20; hs; C+0 TWO",
            "C data ONETWO",
            2,
        ),
        (
            "via 10 10; hs; C+0 ONE; via 20 20; hs; C+0 TWO; S+0a3 X",
            "C data ONETWO; S data X",
            2,
        ),
    ];
    for (chart, want, flows) in table {
        let (emitted, _, met) = played(chart, false);
        assert_eq!((&*emitted, met), (want, flows), "{chart}");
    }
    // Both ways between the same addresses in the same order: only the ports and the numbers tell.
    let (emitted, _, flows) = played("hs; C+0 ASK; S+0a3 ANSWER; C+3a6 X", true);
    assert_eq!(
        (&*emitted, flows),
        ("C data ASK; S data ANSWER; C data X", 1)
    );
}

#[test]
fn a_packet_that_is_seen_with_a_tag_and_without_is_used_once() {
    let steps = "C:S:0:0|S:SA:5000:1|C:A:1:5001|C+0 ASK|S+0a3 ANSWER|C a6|C:FA:4:5007|S:FA:5007:5|C:A:5:5008";
    for paths in [("0 0", "7 7"), ("7 7", "0 0"), ("10 10", "20 20")] {
        let mut chart = String::new();
        for step in steps.split('|') {
            chart += &format!("via {}; {step}; via {}; {step}; ", paths.0, paths.1);
        }
        let (emitted, copies, flows) = played(chart.trim_end_matches("; "), false);
        assert_eq!(
            (&*emitted, copies, flows),
            ("C data ASK; S data ANSWER; C end Fin; S end Fin", 9, 1),
            "{paths:?}"
        );
    }
    // In bunches; sent again, which is no copy. (What brings nothing does no harm.)
    let chart = "via 0 0; hs; C+0 ONE; via 7 7; hs; C+0 ONE; via 0 0; C+3 TWO; C+6 X; via 7 7; C+3 TWO; C+6 X; \
                 via 0 0; C+3 TWO; S+0a7 X; via 7 7; C+3 TWO; S+0a7 X";
    let (emitted, copies, flows) = played(chart, false);
    assert_eq!(
        (&*emitted, copies, flows),
        ("C data ONETWOX; S data X", 6, 1)
    );
    let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
    player.play(chart);
    assert_eq!(
        player.reassembler.stats().retransmitted,
        1,
        "once sent again"
    );
}

#[test]
fn a_connection_that_comes_once_more_behind_its_end_is_used_once() {
    let whole = "hs; C+0 ASK; S+0a3 ANSWER; C:FA:4:5007; S:FA:5007:5; C:A:5:5008";
    let emitted = "C data ASK; S data ANSWER; C end Fin; S end Fin";
    for between in ["wait 20", "wait 900", "wait 5; via 7 7"] {
        let (stated, copies, flows) = played(&format!("{whole}; {between}; {whole}"), false);
        assert_eq!((&*stated, copies, flows), (emitted, 8, 1), "{between}");
    }
    // Another tap does not see all.
    let (stated, copies, flows) = played(
        &format!("{whole}; wait 20; C:S:0:0; C+0 ASK; S:FA:5007:5"),
        false,
    );
    assert_eq!((&*stated, copies, flows), (emitted, 3, 1));
    // What begins with the same number and is not the same, is too late, or has another server's
    // number.
    let other = whole.replace("ASK", "ASQ");
    let again = format!("{emitted}; {}", emitted.replace("ASK", "ASQ"));
    for (between, then) in [
        ("wait 20", other.clone()),
        ("wait 1500", other.clone()),
        (
            "wait 20",
            other.replace("hs;", "C:S:0:0; S:SA:5000:1; C:A:1:5001;"),
        ),
    ] {
        let (stated, _, flows) = played(&format!("{whole}; {between}; {then}"), false);
        assert_eq!((stated, flows), (again.clone(), 2), "{between}; {then}");
    }
    let third = "hs; C+0 ASK; S+0a3 ANSWER; C:FA:4:5007; S:FA:5007:5; wait 20; C:S:0:0; S:SA:6000:1; C:A:1:6001; \
                 C:PA:1:6001 MORE";
    let (stated, _, flows) = played(third, false);
    assert_eq!((stated, flows), (format!("{emitted}; C data MORE"), 2));
    // Refused, and tried again with the same number: each try is one.
    let (_, copies, flows) = played("C:S:0:0; S:RA:0:1; wait 500; C:S:0:0; S:RA:0:1", false);
    assert_eq!((copies, flows), (0, 2));
}

#[test]
fn datagrams_on_several_paths_are_one_conversation_when_that_is_certain() {
    let datagram = |at: i64, up: bool, path: u32, ports: (u16, u16), text: &[u8]| {
        let hosts = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let (src, dst, from, to) = match up {
            true => (hosts[0], hosts[1], ports.0, ports.1),
            false => (hosts[1], hosts[0], ports.1, ports.0),
        };
        let mut bytes = Vec::new();
        let sum = text
            .iter()
            .fold(7, |sum: u16, byte| sum.wrapping_mul(31) ^ u16::from(*byte));
        for number in [from, to, 8 + text.len() as u16, sum] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(text);
        (at, src, dst, path, Ports { src: from, dst: to }, bytes)
    };
    let dns = (40_000, 53);
    // (datagrams, flows, copies)
    let table = [
        (
            vec![
                datagram(0, true, 0, dns, b"ask"),
                datagram(1, true, 7, dns, b"ask"),
                datagram(2, false, 0, dns, b"x"),
                datagram(2, false, 7, dns, b"x"),
            ],
            1,
            2,
        ),
        // An answer on another path; not so long after, and not between two that may each have
        // asked.
        (
            vec![
                datagram(0, true, 10, dns, b"ask"),
                datagram(90, false, 20, dns, b"x"),
                datagram(91, true, 10, dns, b"y"),
            ],
            1,
            0,
        ),
        (
            vec![
                datagram(0, true, 10, dns, b"ask"),
                datagram(9000, false, 20, dns, b"x"),
            ],
            2,
            0,
        ),
        (
            vec![
                datagram(0, true, 10, (53, 53), b"ask"),
                datagram(90, false, 20, (53, 53), b"x"),
            ],
            2,
            0,
        ),
        // Other bytes on another path are another network's, and so are the same ones later.
        (
            vec![
                datagram(0, true, 10, dns, b"ask"),
                datagram(1, true, 20, dns, b"asq"),
            ],
            2,
            0,
        ),
        (
            vec![
                datagram(0, true, 10, dns, b"ask"),
                datagram(100, true, 20, dns, b"ask"),
            ],
            2,
            0,
        ),
    ];
    for (number, (datagrams, flows, copies)) in table.into_iter().enumerate() {
        let limits = Limits::default();
        let mut reassembler = Reassembler::new(limits, Policy::default(), time::IDLE_FILE);
        let (mut met, mut unused) = (BTreeSet::new(), 0);
        for (millis, src, dst, path, ports, bytes) in &datagrams {
            let packet = Packet {
                frame: 1,
                ts: Timestamp::from_nanos(millis * 1_000_000),
                path: *path,
                tunnels: 0,
                tunnel: None,
                doubtful: false,
                ip: Ip {
                    src: *src,
                    dst: *dst,
                    protocol: protocol::UDP,
                    ttl: 64,
                    fragment: None,
                },
                ip_header: &[],
                transport: Transport::Udp(*ports),
                ip_payload: bytes,
                payload: &bytes[8..],
                cut: 0,
            };
            let used = reassembler.push_from(&[], &packet, |flow, _| {
                met.insert(flow.id);
            });
            unused += usize::from(!used);
        }
        assert_eq!((met.len(), unused), (flows, copies), "{number}");
    }
}

//! Every diagnosis, on made-up systems.

use super::*;

fn tcp(address: &str, port: u16) -> ListeningSocket {
    ListeningSocket {
        protocol: protocol::TCP,
        address: address.parse().unwrap(),
        port,
    }
}

/// Packet counters from `lo 214, docker0 0`.
fn carried(text: &str) -> Vec<InterfaceTraffic> {
    let parts = text.split(", ").filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, packets) = part.split_once(' ').unwrap();
            InterfaceTraffic {
                name: name.to_owned(),
                packets: packets.parse().unwrap(),
            }
        })
        .collect()
}

#[test]
fn nothing_arrives() {
    let addresses: Vec<(String, IpAddr)> = [
        ("lo", "127.0.0.1"),
        ("eth0", "192.0.2.15"),
        ("eth1", "198.51.100.7"),
    ]
    .map(|(name, address)| (name.to_owned(), address.parse().unwrap()))
    .into();
    let other_namespaces = [
        OtherNamespace {
            pid: 17,
            listeners: vec![tcp("0.0.0.0", 1)],
        },
        OtherNamespace {
            pid: 4711,
            listeners: vec![tcp("0.0.0.0", 7000)],
        },
    ];
    let here = [
        tcp("127.0.0.1", 5000),
        tcp("198.51.100.7", 81),
        tcp("0.0.0.0", 80),
        tcp("::1", 6000),
        tcp("127.0.0.1", 6000),
        tcp("::1", 6001),
        tcp("::", 6002),
    ];
    // (interfaces, filter, packets in the meantime, lines after the first)
    let table: [(&str, &str, &str, &[&str]); 16] = [
        (
            "eth0",
            "port 5000",
            "lo 214, eth0 0, docker0 0",
            &[
                "127.0.0.1:5000 is served here: that traffic is on lo   ->  -d lo   (or -d any)",
                "in the same time lo carried 214 packets",
            ],
        ),
        (
            "eth0",
            "tcp port 80",
            "lo 0, eth0 3",
            &[
                "port 80 is served here on all addresses: this machine's own requests are on lo   ->  -d lo   (or -d any)",
                "in the same time eth0 carried 3 packets; none of them passes",
            ],
        ),
        (
            "lo",
            "tcp port 80",
            "lo 0, eth0 1",
            &[
                "port 80 is served here on all addresses: requests may arrive on another interface   ->  -d any",
                "in the same time eth0 carried 1 packet",
            ],
        ),
        (
            "eth0",
            "port 81",
            "",
            &[
                "198.51.100.7:81 is served here: that traffic is on eth1   ->  -d eth1   (or -d any)",
            ],
        ),
        (
            "lo",
            "port 5000",
            "lo 0",
            &[
                "127.0.0.1:5000 is served here, but receives no requests",
                "in the same time no interface carried a packet",
            ],
        ),
        (
            "any",
            "port 80",
            "eth0 1500, lo 3, eth1 0",
            &[
                "port 80 is served here, but receives no requests",
                "in the same time eth0 carried 1,500 packets, lo carried 3 packets; none of them passes",
            ],
        ),
        (
            "any",
            "port 5001",
            "lo 0",
            &[
                "nothing listens on port 5001 here",
                "in the same time no interface carried a packet",
            ],
        ),
        (
            "any",
            "udp port 5000",
            "",
            &["nothing listens on port 5000 here"],
        ),
        (
            "any",
            "port 7000",
            "",
            &[
                "nothing listens on port 7000 here",
                "a process in another network namespace does: sudo nsenter -t 4711 -n spygrep 'a b' port 7000",
            ],
        ),
        (
            "lo",
            "ip host 127.0.0.1 and port 6000",
            "",
            &[
                "it listens on ::1 as well; the filter \"ip host 127.0.0.1 and port 6000\" excludes IPv6",
                "[::1]:6000 is served here, but receives no requests",
            ],
        ),
        (
            "lo",
            "ip and port 6001",
            "",
            &[
                "it listens on ::1; the filter \"ip and port 6001\" excludes IPv6",
                "[::1]:6001 is served here, but receives no requests",
            ],
        ),
        (
            "any",
            "port 6002",
            "",
            &["port 6002 is served here, but receives no requests"],
        ),
        (
            "eth0",
            "host 192.0.2.1",
            "eth0 0",
            &["in the same time no interface carried a packet"],
        ),
        (
            "eth0",
            "",
            "eth0 0, lo 7",
            &["in the same time lo carried 7 packets"],
        ),
        (
            "eth0",
            "not port 22",
            "eth0 9",
            &["in the same time eth0 carried 9 packets; none of them passes"],
        ),
        ("eth0", "arp", "", &[]),
    ];
    for (devices, filter, now, want) in table {
        let lines = no_traffic(&NoTraffic {
            devices: &[devices.to_owned()],
            addresses: &addresses,
            filter: (!filter.is_empty()).then_some(filter),
            line: "'a b' port 7000",
            seconds: 3,
            listeners: &here,
            before: &carried(now)
                .into_iter()
                .map(|one| InterfaceTraffic { packets: 0, ..one })
                .collect::<Vec<_>>(),
            now: &carried(now),
            other_namespaces: &other_namespaces,
        });
        let first = match filter {
            "" => format!("nothing on {devices} for 3 s"),
            filter => format!("nothing on {devices} for 3 s that passes \"{filter}\""),
        };
        assert_eq!(lines[0], first);
        assert_eq!(lines[1..], *want, "{devices} {filter}");
        assert!(lines.len() <= LINES);
    }
}

#[test]
fn what_was_carried_before_does_not_count() {
    let input = NoTraffic {
        devices: &["eth0".to_owned()],
        addresses: &[],
        filter: None,
        line: "",
        seconds: 3,
        listeners: &[],
        before: &carried("lo 200, eth0 10"),
        now: &carried("lo 205, eth0 10, veth9 2"),
        other_namespaces: &[],
    };
    assert_eq!(
        no_traffic(&input)[1],
        "in the same time lo carried 5 packets, veth9 carried 2 packets"
    );
}

#[test]
fn packets_arrive_and_nothing_matches() {
    let run = |pattern: &'static str, packets, messages, tls| Unmatched {
        pattern,
        case_sensitive: true,
        conditions: false,
        invert: false,
        show_empty: false,
        packets,
        messages,
        tls: (tls, 443),
    };
    let text = |run: &Unmatched<'_>| unmatched(run).map(|lines| lines.join("\n"));
    let tls = "\nmost are TLS on port 443, so encrypted: only names in its hellos can be found";
    let table = [
        (run("x", 0, 0, 0), None),
        (
            run("x", 12, 0, 0),
            Some("12 packets seen, none with content: acknowledgements, opening and closing (-e shows them)".to_owned()),
        ),
        (
            Unmatched { show_empty: true, ..run("x", 12, 0, 0) },
            Some("12 packets seen, none with content: acknowledgements, opening and closing".to_owned()),
        ),
        (
            run("Accept-Langauge", 900, 312, 0),
            Some("312 messages seen, none contains /Accept-Langauge/   (case-sensitive; try -i)".to_owned()),
        ),
        (
            Unmatched { case_sensitive: false, ..run("abc", 9, 3, 1) },
            Some("3 messages seen, none contains /abc/".to_owned()),
        ),
        (
            Unmatched { invert: true, ..run("abc", 9, 3, 0) },
            Some("3 messages seen, all contain /abc/".to_owned()),
        ),
        (run("5000", 9, 1, 0), Some("1 message seen, none contains /5000/".to_owned())),
        (
            run("5000", 9, 1204, 1000),
            Some(format!("1,204 messages seen, none contains /5000/{tls}")),
        ),
        (run("", 9, 3, 0), None),
        (
            Unmatched { conditions: true, ..run("", 9, 3, 0) },
            Some("3 messages seen, none meets the conditions".to_owned()),
        ),
        (
            Unmatched { conditions: true, ..run("1", 9, 3, 0) },
            Some("3 messages seen, none contains /1/ and meets the conditions".to_owned()),
        ),
    ];
    for (run, want) in table {
        assert_eq!(text(&run), want);
    }
}

#[test]
fn files_have_packets_that_nobody_asked_for() {
    assert_eq!(none_passes(0, Some("port 1")), None);
    let text = |frames, filter| none_passes(frames, filter).unwrap();
    assert_eq!(
        text(1204, Some("port 1")),
        "1,204 packets were read, and none of them passes \"port 1\""
    );
    assert_eq!(text(1, None), "1 packet was read, and it is not IP");
    assert_eq!(text(2, None), "2 packets were read, and none of them is IP");
}

#[test]
fn packets_are_lost() {
    let what = |dropped, captured, rate, filter| {
        packet_loss(&PacketLoss {
            dropped,
            captured,
            rate,
            filter,
            buffer: 1 << 20,
            at_most: false,
        })
    };
    assert_eq!(
        what(1204, 56_129, 60_000, Some("port 80")),
        [
            "1,204 packets lost so far (2.1 %): this filter lets 60,000 packets/s through",
            "narrow it (port ..., host ...) or enlarge the buffer: --buffer-size 64M",
        ]
    );
    assert_eq!(
        what(1, 1_000_000, 0, None)[0],
        "1 packet lost so far (under 0.1 %)"
    );
    assert_eq!(
        what(10, 90, 50, None)[0],
        "10 packets lost so far (10.0 %): 50 packets/s arrive, without a filter"
    );
}

#[test]
fn packets_of_lo_are_counted_twice_on_any() {
    let lines = packet_loss(&PacketLoss {
        dropped: 200,
        captured: 200,
        rate: 0,
        filter: None,
        buffer: 32 << 20,
        at_most: true,
    });
    assert_eq!(
        lines,
        [
            "up to 200 packets lost so far (50.0 %)",
            "narrow it (port ..., host ...) or enlarge the buffer: --buffer-size 128M",
            "on any the kernel counts lost packets of lo twice   ->  -d lo counts them once",
        ]
    );
}

#[test]
fn captures_are_cut_and_packets_come_twice() {
    assert_eq!(truncated(96, 0, false), None);
    assert_eq!(
        truncated(96, 5, false).unwrap(),
        "this capture keeps only 96 bytes per packet; bodies are missing (capture with tcpdump -s 0)"
    );
    assert_eq!(
        truncated(96, 5, true).unwrap(),
        "this run keeps only 96 bytes per packet; bodies are missing (leave out -s)"
    );
    assert_eq!(duplicates(0), None);
    assert_eq!(
        duplicates(1).unwrap(),
        "1 copy of packets seen elsewhere, used once"
    );
    assert_eq!(
        duplicates(2048).unwrap(),
        "2,048 copies of packets seen elsewhere, used once"
    );
}

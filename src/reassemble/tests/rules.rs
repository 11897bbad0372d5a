//! What holds for every stream, whatever the sender does.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::reassemble::timers;

/// A player after the usual handshake.
fn connected(form: Form, limits: Limits) -> Player {
    let mut player = Player::new(form, Policy::default(), limits);
    player.play("hs");
    player
}

fn data(player: &mut Player, offset: u32, bytes: &[u8], more: &str) {
    let flags = format!("A{more}");
    player.push(
        C,
        &flags,
        1001_u32.wrapping_add(offset),
        5001,
        bytes,
        &Extra::default(),
    );
}

fn alphabet(len: u32) -> String {
    (0..len)
        .map(|at| char::from(b'a' + (at % 26) as u8))
        .collect()
}

#[test]
fn reverse_all() {
    for form in FOUR {
        let mut player = connected(*form, Limits::default());
        let text = alphabet(4096);
        for at in (0..4096).rev() {
            data(&mut player, at, &text.as_bytes()[at as usize..][..1], "");
        }
        assert_eq!(player.finish(), format!("C data {text}"), "{form:?}");
    }
}

#[test]
fn conflict_flood() {
    let mut player = connected(Form::AsIs, Limits::default());
    data(&mut player, 0, b"AAAA", "");
    for at in 0..10_000_u32 {
        data(&mut player, 0, format!("{at:04}").as_bytes(), "");
    }
    let stats = player.reassembler.stats();
    assert_eq!(
        (stats.conflicts, stats.conflicts_unsearched),
        (10_000, 8_976)
    );
    let emitted: usize = player
        .emitted
        .iter()
        .filter(|line| line.contains("Conflict"))
        .map(|line| line.len() - "C Conflict ".len())
        .sum();
    assert_eq!(emitted, 1024 * 4);
}

/// A flow that is to be looked at late, then soon, over and over.
#[test]
fn alarms_do_not_pile_up() {
    let mut player = connected(Form::AsIs, Limits::default());
    for at in 0..20_000_u32 {
        data(&mut player, at * 2 + 1, b"x", "");
        player.push(S, "A", 5001, 1001 + at * 2 + 2, b"", &Extra::default());
        player.wait(51);
        assert!(player.reassembler.timers.len() <= 2 * timers::SPARE);
    }
}

/// A connection that was refused has an end of one side only; nobody looks at it over and over to
/// find another.
#[test]
fn a_refused_connection_is_at_rest() {
    let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
    player.play("C:S:0:0; S:RA:0:1; wait 500");
    assert_eq!(player.reassembler.timers.len(), 1);
    player.play("wait 1100");
    assert_eq!(player.reassembler.timers.len(), 0);
    assert_eq!(player.finish(), "C end Reset");
}

#[test]
fn urgent_64k_budget() {
    let mut player = connected(Form::AsIs, Limits::default());
    for at in 0..66_000 {
        player.push(
            C,
            "AU",
            1001 + at,
            5001,
            b"u",
            &Extra {
                urgent: 1,
                ..Extra::default()
            },
        );
    }
    data(&mut player, 66_000, b"END", "");
    let size: usize = player.seams.iter().map(String::len).sum();
    assert!(size <= 2 << 20, "{size}");
    assert_eq!(player.finish(), format!("C data {}END", "u".repeat(66_000)));
}

#[test]
fn ooo_cap_bytes() {
    for form in WHOLE {
        let mut player = connected(*form, Limits::default());
        for at in 0..2048_u32 {
            data(&mut player, 10 + at * 1024, &[b'x'; 1024], "");
            assert!(player.reassembler.held() < 3 << 20);
        }
        assert_eq!(player.emitted[0], "C gap 10 Overflow", "{form:?}");
        assert!(player.finish().len() > 2 << 20, "{form:?}");
    }
}

#[test]
fn ooo_cap_segments() {
    for form in FOUR {
        let mut player = connected(*form, Limits::default());
        for at in 0..10_000_u32 {
            data(&mut player, 10 + at * 2, b"x", "");
            assert!(player.reassembler.shared.queued <= (1 << 20) + 1024);
        }
        assert_eq!(player.emitted[0], "C gap 10 Overflow", "{form:?}");
    }
}

/// Named: `stream_6GiB_synthetic`.
#[test]
fn stream_6_gib_synthetic() {
    let mut player = connected(Form::AsIs, Limits::default());
    let chunk = vec![b'x'; 32 << 10];
    let mut last = (0, 0);
    for at in 0..(6_u64 << 30 >> 15) {
        player.emitted.clear();
        data(&mut player, (at << 15) as u32, &chunk, "");
        last = (at, player.emitted.len());
        let next = ((at + 1) << 15) as u32;
        player.push(
            S,
            "A",
            5001,
            1001_u32.wrapping_add(next),
            b"",
            &Extra::default(),
        );
    }
    assert_eq!(last, ((6 << 15) - 1, 1));
    let entry = player.reassembler.table.get(0).unwrap();
    assert_eq!(entry.halves.half(C).delivered(), 6 << 30);
}

/// Named: `port_0`, `same_ip_same_port_self_connect`.
#[test]
fn port_0_and_same_ip_same_port_self_connect() {
    let mut reassembler: Reassembler =
        Reassembler::new(Limits::default(), Policy::default(), time::IDLE_FILE);
    let mut emitted = Vec::new();
    for (flags, seq, payload) in [
        (TcpFlags::SYN, 1, &b""[..]),
        (TcpFlags::ACK, 2, b"AAAA"),
        (TcpFlags::ACK, 6, b"BB"),
    ] {
        let tcp = Tcp {
            ports: Ports { src: 0, dst: 0 },
            seq,
            ack: 2,
            flags,
            window: 0,
            window_scale: None,
            urgent: 0,
        };
        reassembler.push(&packet(tcp, payload), |_, event| {
            record(event, &mut emitted);
        });
    }
    assert_eq!(emitted, ["C data AAAABB"]);
}

/// A capture that missed more than any window goes on with the stream, and not with pieces of it
/// for ever.
#[test]
fn a_stream_goes_on_behind_a_loss_larger_than_its_window() {
    let mut player = connected(Form::AsIs, Limits::default());
    data(&mut player, 0, b"AAAA", "");
    for at in 0..40_u32 {
        for _copy in 0..2 {
            data(&mut player, 100_000_000 + at * 2, b"xx", "");
        }
    }
    let emitted = player.emitted.join("; ");
    assert!(
        emitted.starts_with(&format!("C data AAAA; C OutOfWindow {}", "xx".repeat(30))),
        "{emitted}"
    );
    assert!(
        emitted.ends_with(&format!("Overflow; C Late xx; C data {}", "xx".repeat(24))),
        "{emitted}"
    );
}

#[test]
fn timestamps_go_back() {
    let mut player = connected(Form::AsIs, Limits::default());
    data(&mut player, 8, b"CCCC", "");
    player.now -= 5_000_000_000;
    data(&mut player, 4, b"BBBB", "");
    player.wait(-60_000);
    data(&mut player, 0, b"AAAA", "");
    player.wait(120_000);
    assert_eq!(player.finish(), "C data AAAABBBBCCCC");
}

#[test]
fn roles_come_from_the_handshake_then_from_ports() {
    for (chart, client) in [
        ("C:S:0:0", 40_000),
        ("S:SA:5000:1", 40_000),
        ("S+0 x", 40_000),
        ("C+0 x", 40_000),
        ("S:S:5000:0", 80),
        ("S a1; C:S:0:0; C+0 x", 40_000),
    ] {
        let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
        player.play(chart);
        assert_eq!(player.clients.last(), Some(&client), "{chart}");
    }
}

/// The header of a segment from a port to a server whose window is full.
fn from(port: u16, flags: TcpFlags, seq: u32) -> Tcp {
    Tcp {
        ports: Ports { src: port, dst: 80 },
        seq,
        ack: 0,
        flags,
        window: 0,
        window_scale: None,
        urgent: 0,
    }
}

fn packet(tcp: Tcp, payload: &[u8]) -> Packet<'_> {
    let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Packet {
        frame: 1,
        ts: Timestamp::default(),
        path: 0,
        tunnels: 0,
        tunnel: None,
        doubtful: false,
        ip: Ip {
            src: addr,
            dst: addr,
            protocol: protocol::TCP,
            ttl: 64,
            fragment: None,
        },
        ip_header: &[],
        transport: Transport::Tcp(tcp),
        ip_payload: payload,
        payload,
        cut: 0,
    }
}

#[test]
fn delivered_bytes_are_bounded_when_time_lets_go_of_many_flows_at_once() {
    let limits = Limits {
        tails: 64 << 10,
        ..Limits::default()
    };
    let mut reassembler: Reassembler = Reassembler::new(limits, Policy::default(), time::IDLE_FILE);
    let after = [b'x'; 4000];
    for port in 0..100 {
        // The second and the third wait after a gap of a byte.
        for (seq, bytes) in [(1000, &b"ab"[..]), (1003, &after[..]), (5003, &after[..])] {
            let tcp = Tcp {
                ports: Ports {
                    src: 40_000 + port,
                    dst: 80,
                },
                seq,
                ack: 0,
                flags: TcpFlags::ACK,
                window: 1000,
                window_scale: None,
                urgent: 0,
            };
            reassembler.push(&packet(tcp, bytes), |_, _| {});
        }
    }
    assert!(reassembler.waiting() > 100 * 8000, "they wait");
    for second in 1..=15 {
        let now = Timestamp::from_nanos(second * 1_000_000_000);
        reassembler.expire(now, |_, _| {});
    }
    assert_eq!(reassembler.waiting(), 0, "they were let go");
    assert!(reassembler.held() <= 64 << 10);
}

proptest! {
    /// Whatever times are stated, each call comes to its end, and nothing is held when all is over.
    #[test]
    fn any_times_come_to_an_end(
        steps in prop::collection::vec((0_usize..8, prop::sample::select(vec![
            i64::MIN + 1, i64::MIN + 2, -1, 0, 1, 1_700_000_000_000_000_000, i64::MAX - 1, i64::MAX,
        ]), -20_000_000_000_i64..20_000_000_000), 1..40),
    ) {
        let mut player = connected(Form::AsIs, Limits::default());
        for (what, base, offset) in steps {
            player.now = base.saturating_add(offset);
            player.play(match what {
                0 => "C+0 AAAA",
                1 => "C+8 CCCC",
                2 => "S a12",
                3 => "S+0 xx",
                4 => "C:R:13:0",
                5 => "C+12 !F",
                6 => "hs",
                _ => "jump 1",
            });
        }
        player.finish();
    }
}

/// Named: `syn_flood_10M`, `flow_flood_with_data_10M`.
#[test]
fn floods_of_syns_and_flows_are_bounded() {
    let limits = Limits {
        embryos: 10,
        flows: 20,
        tails: 4096,
        ..Limits::default()
    };
    let mut reassembler: Reassembler = Reassembler::new(limits, Policy::default(), time::IDLE_FILE);
    let syn_ack = TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0);
    for port in 1..=200_u16 {
        for (flags, payload) in [
            (TcpFlags::SYN, &b""[..]),
            (syn_ack, b""),
            (TcpFlags::ACK, &[b'x'; 1000]),
        ] {
            if flags == TcpFlags::SYN || port > 100 {
                let tcp = from(port, flags, 0);
                reassembler.push(&packet(tcp, payload), |_, _| ());
                assert!(reassembler.shared.tails.size < 4096 + 16_384);
            }
        }
    }
    assert!(reassembler.table.all().len() <= 30);
    assert!(reassembler.stats().evicted_embryos >= 90);
    assert!(reassembler.stats().evicted_flows >= 70);
}

/// However many connections end, only the latest are remembered to absorb what comes late.
#[test]
fn connections_that_are_over_are_bounded() {
    let limits = Limits {
        closed: 10,
        ..Limits::default()
    };
    let mut reassembler: Reassembler = Reassembler::new(limits, Policy::default(), time::IDLE_FILE);
    let fin = TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0);
    let mut over = 0;
    let mut flows_after = |port, flags, seq| {
        let tcp = Tcp {
            window: 1000,
            ..from(port, flags, seq)
        };
        reassembler.push(&packet(tcp, b""), |_, event| {
            over += u32::from(matches!(event, StreamEvent::Closed { .. }));
        });
        let closed = reassembler.table.len(Stage::Closed);
        (reassembler.stats().flows, closed)
    };
    for port in 1..=100 {
        flows_after(port, TcpFlags::SYN, 1);
        flows_after(port, fin, 2);
    }
    assert_eq!(flows_after(100, fin, 2), (100, 10), "it is known");
    assert_eq!(flows_after(1, fin, 2).0, 101, "it was forgotten");
    for port in 200..=215 {
        flows_after(port, TcpFlags::SYN, 1);
        // It may be a lie, for which it is remembered a second longer.
        flows_after(port, TcpFlags::RST, 2);
    }
    assert_eq!((over, reassembler.stats().evicted_flows), (107, 6));
}

#[test]
fn too_much_that_waits_is_given_up_where_most_waits() {
    let limits = Limits {
        memory: 200_000,
        ..Limits::default()
    };
    let mut reassembler: Reassembler = Reassembler::new(limits, Policy::default(), time::IDLE_FILE);
    for port in 1..=2000_u16 {
        for (seq, len) in [(0, 1), (100, usize::from(port) % 700 + 1)] {
            let tcp = from(port, TcpFlags::ACK, seq);
            reassembler.push(&packet(tcp, &vec![b'x'; len]), |_, _| ());
            assert!(reassembler.shared.queued <= 100_000);
        }
    }
    assert!(reassembler.stats().evicted_flows > 100);
}

/// Named: `hash_collision_keys`. Where a flow lies in the table is a secret of each run.
#[test]
fn places_of_flows_cannot_be_foretold() {
    let (key, _) = Key::of(&packet(from(1, TcpFlags::SYN, 0), b""));
    let places: HashSet<table::KeyHash> = (0..8)
        .map(|_| table::Table::default().place(&key))
        .collect();
    assert_eq!(places.len(), 8);
}

/// All ways in which chunks on a line can lie to each other (Allen's relations), in every order:
/// the first copy of each byte is delivered, and each byte of another copy is emitted as well
/// (named tests `triplets`, P2).
#[test]
fn triplets() {
    let ranges: Vec<(usize, usize)> = (0..5)
        .flat_map(|low| (low + 1..6).map(move |high| (low, high)))
        .collect();
    let mut charts = 0;
    for one in &ranges {
        for two in &ranges {
            check_chunks(&[*one, *two]);
            for three in &ranges {
                check_chunks(&[*one, *two, *three]);
                charts += 1;
            }
        }
    }
    assert_eq!(charts, 15 * 15 * 15);
}

/// The chunks come after a gap of one byte, which is filled at last: all wait, and the first copy
/// wins.
fn check_chunks(chunks: &[(usize, usize)]) {
    let mut player = connected(Form::AsIs, Limits::default());
    let mut model: [Option<u8>; 6] = [None; 6];
    let mut copies = HashSet::new();
    for (number, (low, high)) in chunks.iter().enumerate() {
        let letter = b'a' + number as u8;
        data(&mut player, 2 + *low as u32, &vec![letter; high - low], "");
        for winner in model.iter_mut().take(*high).skip(*low) {
            if *winner.get_or_insert(letter) != letter {
                copies.insert(letter);
            }
        }
    }
    for filler in [0, 1] {
        data(&mut player, filler, b".", "");
    }
    let first = model.iter().position(Option::is_some).unwrap();
    let want: String = model
        .iter()
        .skip(first)
        .map_while(|byte| byte.map(char::from))
        .collect();
    let emitted = player.emitted.join("; ");
    let delivered = if first == 0 {
        format!("C data ..{want}")
    } else {
        "C data ..".to_owned()
    };
    assert!(emitted.ends_with(&delivered), "{chunks:?}: {emitted}");
    for letter in copies {
        let asides = player
            .emitted
            .iter()
            .filter(|line| line.starts_with("C Conflict"));
        assert!(
            asides
                .into_iter()
                .any(|line| line.contains(char::from(letter))),
            "{chunks:?}: {emitted}"
        );
    }
}

/// A segment of a hostile sender: offset, bytes, whether the text is the true one, flags.
fn hostile() -> impl Strategy<Value = (u32, u8, bool, u8)> {
    (
        0..60_u32,
        2..9_u8,
        prop::bool::weighted(0.7),
        prop::sample::select(vec![0, 0, 0, 0, 0, 1, 2, 3]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// P1: any cut, any order, any repetition gives the text.
    #[test]
    fn p1_any_cut_any_order_any_repetition_gives_the_text(
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
        let mut player = Player::new(Form::AsIs, Policy::default(), Limits::default());
        player.push(C, "S", isn, 0, b"", &Extra::default());
        for (_, (from, to)) in keyed {
            let seq = isn.wrapping_add(1).wrapping_add(from as u32);
            player.push(C, "A", seq, 1, &text[from..to], &Extra::default());
        }
        prop_assert_eq!(&player.emitted, &[format!("C data {}", String::from_utf8_lossy(&text))]);
        prop_assert_eq!(player.reassembler.shared.queued, 0);
    }

    /// P3 and P4: whatever is sent, every byte is emitted or counted, each place is delivered once
    /// and in order, and memory keeps to its bounds.
    #[test]
    fn p4_every_byte_is_said_or_counted(
        segments in prop::collection::vec((hostile(), 0..40_i64), 1..60),
        acks in prop::collection::vec(0..80_u32, 60),
        overlap in prop::sample::select(vec![Overlap::First, Overlap::Last, Overlap::Bsd, Overlap::Linux]),
    ) {
        let limits = Limits { memory: 16 << 10, tails: 4 << 10, ..Limits::default() };
        let mut player = Player::new(Form::AsIs, super::overlap(overlap), limits);
        player.play("hs");
        let mut sent = HashSet::new();
        let mut seen = HashSet::new();
        let mut next = 0;
        let mut rewound = false;
        let mut hear = |event: &StreamEvent<'_>| match *event {
            StreamEvent::Data { dir: C, offset, bytes, .. } => {
                rewound |= offset != next;
                next = offset + bytes.len() as u64;
                seen.extend((offset..).zip(bytes.iter().copied()));
            }
            StreamEvent::Gap { dir: C, offset, len, .. } => {
                rewound |= offset != next;
                next = offset + len;
            }
            StreamEvent::End { dir: C, .. } => next = 0,
            StreamEvent::OutOfStream { dir: C, offset, bytes, context, .. } => {
                seen.extend((offset..).zip(bytes[context..].iter().copied()));
            }
            _ => {}
        };
        for (((offset, len, honest, kind), wait), ack) in segments.into_iter().zip(acks) {
            let alphabet = if honest { b'a' } else { b'A' };
            let bytes: Vec<u8> = (0..u32::from(len)).map(|at| alphabet + ((offset + at) % 26) as u8).collect();
            sent.extend((u64::from(offset)..).zip(bytes.iter().copied()));
            let flags = match kind {
                0 => TcpFlags::ACK,
                1 => TcpFlags(TcpFlags::ACK.0 | TcpFlags::FIN.0),
                2 => TcpFlags::RST,
                _ => TcpFlags(0),
            };
            player.now += wait * 1_000_000;
            let now = Timestamp::from_nanos(player.now);
            player.reassembler.expire(now, |_, event| hear(event));
            for (dir, flags, seq, ack, bytes) in [
                (C, flags, 1001 + offset, 5001, &bytes[..]),
                (S, TcpFlags::ACK, 5001, 1001 + ack, b""),
            ] {
                let (host, port) = (|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), [40_000, 80]);
                let (from, to) = (dir.index(), dir.reverse().index());
                let tcp = Tcp {
                    ports: Ports { src: port[from], dst: port[to] },
                    seq,
                    ack,
                    flags,
                    window: 1000,
                    window_scale: None,
                    urgent: 0,
                };
                let mut packet = packet(tcp, bytes);
                (packet.ip.src, packet.ip.dst) = (host(from as u8 + 1), host(to as u8 + 1));
                packet.ts = now;
                player.reassembler.push(&packet, |_, event| hear(event));
            }
            prop_assert!(player.reassembler.shared.queued <= 8 << 10);
            prop_assert!(player.reassembler.shared.tails.size <= 8 << 10);
        }
        player.reassembler.finish(|_, event| hear(event));
        prop_assert!(!rewound, "out of order");
        let stats = player.reassembler.stats();
        if stats.uncompared_bytes == 0 && stats.conflicts_unsearched == 0 {
            let unseen: Vec<_> = sent.difference(&seen).collect();
            prop_assert!(unseen.is_empty(), "{:?}", unseen);
        }
        prop_assert_eq!(player.reassembler.held(), 0);
    }
}

//! The short ways do what the long ones would: segments as a hostile sender mixes them, taken with
//! and without prediction.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

thread_local! {
    static SHORT: Cell<bool> = const { Cell::new(true) };
    /// Segments that took a short one.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

pub(in crate::reassemble) fn fast_path_enabled() -> bool {
    SHORT.get()
}

/// A segment was predicted.
pub(in crate::reassemble) fn taken() {
    TAKEN.set(TAKEN.get() + 1);
}

/// What happens next: a segment of one side, relative to what that side has sent so far, and how
/// long after the one before.
#[derive(Clone, Debug)]
struct Step {
    dir: Direction,
    /// Its first byte, from the next one; its acknowledgement, from what the other side has sent.
    at: i32,
    ack: i32,
    len: usize,
    flags: u8,
    window: u16,
    scale: Option<u8>,
    cut: u32,
    urgent: u16,
    bad: bool,
    /// The bytes are not the true ones.
    other: bool,
    millis: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let (ack, syn, fin, rst) = (
        TcpFlags::ACK.0,
        TcpFlags::SYN.0,
        TcpFlags::FIN.0,
        TcpFlags::RST.0,
    );
    let flags = prop_oneof![
        40 => Just(ack),
        20 => Just(ack | TcpFlags::PSH.0),
        3 => Just(ack | TcpFlags::ECE.0 | TcpFlags::CWR.0),
        3 => Just(ack | fin),
        2 => Just(syn),
        2 => Just(syn | ack),
        1 => Just(syn | TcpFlags::ECE.0 | TcpFlags::CWR.0),
        1 => Just(syn | ack | TcpFlags::ECE.0),
        1 => Just(rst),
        1 => Just(rst | ack),
        1 => Just(0),
        1 => Just(ack | TcpFlags::URG.0),
        1 => any::<u8>(),
    ];
    let near = || prop_oneof![30 => Just(0), 2 => -12..12_i32, 1 => Just(-1), 1 => -100_000_000..100_000_000_i32];
    let ack = prop_oneof![10 => near(), 1 => 0..12_i32];
    let place = (any::<bool>(), near(), ack, 0..7_usize, flags);
    let facts = (
        prop_oneof![9 => Just(1000_u16), 1 => 0..2_u16, 1 => any::<u16>()],
        prop::option::of(0..16_u8),
        prop_oneof![20 => Just(0_u32), 1 => 1..6_u32],
        0..5_u16,
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
        prop_oneof![30 => 0..5_i64, 3 => 30..70_i64, 1 => 900..12_000_i64, 1 => -3000..0_i64, 1 => Just(70_000)],
    );
    (place, facts).prop_map(
        |((client, at, ack, len, flags), (window, scale, cut, urgent, bad, other, millis))| Step {
            dir: if client { C } else { S },
            at,
            ack,
            len,
            flags,
            window,
            scale,
            cut,
            urgent,
            bad,
            other,
            millis,
        },
    )
}

/// All events of some steps, and the state after each.
fn run(steps: &[Step], shaken: bool, isn: u32, policy: Policy) -> Vec<String> {
    let limits = Limits {
        reorder_bytes: 2000,
        ..Limits::default()
    };
    let mut reassembler: Reassembler = Reassembler::new(limits, policy, time::IDLE_FILE);
    let mut emitted = Vec::new();
    let mut sent = [isn, 5000_u32];
    let greeting = [(C, 0x02), (S, 0x12), (C, 0x10)].map(|(dir, flags)| Step {
        dir,
        at: 0,
        ack: 0,
        len: 0,
        flags,
        window: 1000,
        scale: Some(2),
        cut: 0,
        urgent: 0,
        bad: false,
        other: false,
        millis: 0,
    });
    let greeting = if shaken { &greeting[..] } else { &[] };
    let mut now = 1_000_000_000_i64;
    for (frame, step) in greeting.iter().chain(steps).enumerate() {
        now += step.millis * 1_000_000;
        let ts = Timestamp::from_nanos(now);
        reassembler.expire(ts, |flow, event| {
            emitted.push(format!("{flow:?} {event:?}"));
        });
        let (own, peer) = (step.dir.index(), step.dir.reverse().index());
        let seq = sent[own].wrapping_add_signed(step.at);
        let fresh = step.len as u32
            + u32::from(step.flags & TcpFlags::SYN.0 > 0)
            + u32::from(step.flags & TcpFlags::FIN.0 > 0);
        if step.at == 0 {
            sent[own] = sent[own].wrapping_add(fresh + step.cut);
        }
        let alphabet = if step.other { b'A' } else { b'a' };
        let mut bytes = vec![0; 20];
        bytes.extend((0..step.len as u32).map(|at| alphabet + (seq.wrapping_add(at) % 26) as u8));
        // As in charts: the card is left to sum the segment.
        bytes[16..18].copy_from_slice(&(0x1409_u16 ^ u16::from(step.bad) << 8).to_be_bytes());
        let ends = [(1, 40_000), (2, 80)];
        let host = |last: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let packet = Packet {
            frame: frame as u64 + 1,
            ts,
            path: 0,
            tunnels: 0,
            tunnel: None,
            doubtful: false,
            ip: Ip {
                src: host(ends[own].0),
                dst: host(ends[peer].0),
                protocol: protocol::TCP,
                ttl: 64,
                fragment: None,
            },
            ip_header: &[],
            transport: Transport::Tcp(Tcp {
                ports: Ports {
                    src: ends[own].1,
                    dst: ends[peer].1,
                },
                seq,
                ack: sent[peer].wrapping_add_signed(step.ack),
                flags: TcpFlags(step.flags),
                window: step.window,
                window_scale: step.scale,
                urgent: step.urgent,
            }),
            ip_payload: &bytes,
            payload: &bytes[20..],
            cut: step.cut,
        };
        reassembler.push(&packet, |flow, event| {
            emitted.push(format!("{flow:?} {event:?}"));
        });
        let known = reassembler.table.get(0).map(|entry| {
            let facts = (entry.stage, entry.bidirectional, entry.reset, entry.pending);
            format!("{facts:?} {:?} {:?}", entry.last, entry.timer)
        });
        let (stats, held, timers) = (
            reassembler.stats(),
            reassembler.held(),
            reassembler.timers.len(),
        );
        emitted.push(format!("{known:?} {stats:?} {held} {timers}"));
    }
    reassembler.finish(|flow, event| emitted.push(format!("{flow:?} {event:?}")));
    emitted
}

#[test]
fn what_is_predicted_is_what_all_the_rules_together_do() {
    let policies = (
        prop::sample::select(vec![Overlap::First, Overlap::Last, Overlap::Linux]),
        prop::sample::select(vec![Checksum::Auto, Checksum::On, Checksum::Off]),
    );
    let isns = prop::sample::select(vec![0, 1000, u32::MAX - 9]);
    let steps = prop::collection::vec(step(), 1..60);
    let cases = 1000;
    let mut runner = TestRunner::new(Config::with_cases(cases));
    runner
        .run(
            &(steps, any::<bool>(), isns, policies),
            |(steps, shaken, isn, (overlap, checksum))| {
                let policy = Policy { overlap, checksum };
                let [long, short] = [false, true].map(|way| {
                    SHORT.set(way);
                    run(&steps, shaken, isn, policy)
                });
                prop_assert_eq!(long, short);
                Ok(())
            },
        )
        .unwrap();
    assert!(
        TAKEN.get() > u64::from(cases),
        "next to nothing was predicted"
    );
}

/// Bytes far ahead become the stream, but not all of them were captured that the receiver
/// acknowledged: what is missing after them is waited for, and nothing is predicted meanwhile.
#[test]
fn a_run_far_ahead_of_which_more_is_acknowledged_is_no_end_of_trouble() {
    let step = |dir, flags, at, ack, len, window, millis| Step {
        dir,
        at,
        ack,
        len,
        flags,
        window,
        scale: Some(10),
        cut: 0,
        urgent: 0,
        bad: false,
        other: false,
        millis,
    };
    let far = |at: i32| step(C, 0x10, 10_000_000 + at, 0, 1, 1, 0);
    let mut steps = vec![
        step(C, 0x02, 0, 0, 0, 1, 0),
        step(S, 0x12, 0, 0, 0, 1, 0),
        step(S, 0x10, 0, 0, 0, 1, 0),
    ];
    steps.extend((0..14).map(far));
    steps.push(step(S, 0x10, 0, 20_000_000, 0, 65_535, 0));
    steps.push(step(S, 0x10, 0, 0, 0, 1, 0));
    steps.extend((14..18).map(far));
    // It was sent: so says who sent it.
    steps.push(step(C, 0x10, 20_000_000, 0, 0, 1, 0));
    steps.push(step(S, 0x10, 0, 0, 0, 1, 60));
    let [long, short] = [false, true].map(|way| {
        SHORT.set(way);
        run(&steps, false, 1000, Policy::default())
    });
    assert_eq!(long, short);
    let lost = |line: &&String| line.contains("Gap") && line.contains("Acked");
    assert_eq!(long.iter().filter(lost).count(), 1, "{long:#?}");
}

//! Connections as sequence charts: packets as they are captured, and the events that are emitted
//! for them.
//!
//! A chart is a text of steps: `hs` is the usual handshake; `C+4 BBBB` bytes of the client at
//! offset 4; `C+4a8 BBBB` the same, acknowledging eight bytes of the server; `S a12` a bare
//! acknowledgement of twelve bytes of the client; `S:SA:5000:1001` a segment with flags, sequence
//! and acknowledgement number; `wait 60` milliseconds. After a segment, `!F` adds a flag, `!bad`
//! spoils the checksum, `!cut6` cuts six bytes off, `!urg3` marks the third byte urgent, `!md5`
//! signs it, `!ts7` gives it a timestamp. Initial
//! sequence numbers are 1000 and 5000; `isn 4294967290` is another one for the client. After `via
//! 10 20` the client's packets have path 10, the server's 20.

mod charts;
mod deferred;
mod others;
mod paths;
pub(super) mod predicted;
mod rules;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::limits::time;
use crate::packet::{Ip, Ports, Tcp, protocol};
use crate::policy::{Checksum, Overlap};

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;

/// How a chart is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    AsIs,
    /// Each byte in a segment of its own.
    Bytes,
    /// With a path, as after a VLAN tag.
    Vlan,
    V6,
}

const FOUR: &[Form] = &[Form::AsIs, Form::Bytes, Form::Vlan, Form::V6];
/// Where the cut into bytes changes what is meant: counts of packets, flags of one segment, the
/// keep-alive's one byte.
const WHOLE: &[Form] = &[Form::AsIs, Form::Vlan, Form::V6];

struct Player {
    reassembler: Reassembler,
    form: Form,
    emitted: Vec<String>,
    now: i64,
    frame: u64,
    isn: u32,
    clients: Vec<u16>,
    /// Of the client's packets and the server's.
    paths: [u32; 2],
    /// The server's packets have the ports at the other addresses.
    turned: bool,
    /// Other readings, over their seams.
    seams: Vec<String>,
    /// Packets that were copies, and flows that were spoken of.
    copies: usize,
    flows: BTreeSet<u64>,
}

/// What is between the header and the payload of one segment.
#[derive(Default)]
struct Extra {
    bad: bool,
    cut: u32,
    urgent: u16,
    /// Bytes of options.
    options: Vec<u8>,
}

impl Player {
    fn new(form: Form, policy: Policy, limits: Limits) -> Self {
        Self {
            reassembler: Reassembler::new(limits, policy, time::IDLE_FILE),
            form,
            emitted: Vec::new(),
            now: 0,
            frame: 0,
            isn: 1000,
            clients: Vec::new(),
            paths: [u32::from(form == Form::Vlan); 2],
            turned: false,
            seams: Vec::new(),
            copies: 0,
            flows: BTreeSet::new(),
        }
    }

    fn play(&mut self, chart: &str) {
        for step in chart.split(';').map(str::trim) {
            let mut words = step.split(' ');
            let first = words.next().unwrap();
            let rest: Vec<&str> = words.collect();
            match first {
                "hs" => self.play("C:S:0:0; S:SA:5000:1; C:A:1:5001"),
                "wait" => self.wait(rest[0].parse().unwrap()),
                "jump" => self.jump(rest[0].parse().unwrap()),
                "isn" => self.isn = rest[0].parse().unwrap(),
                "via" => self.paths = [0, 1].map(|of| rest[of].parse().unwrap()),
                _ => self.step(first, &rest),
            }
        }
    }

    /// Time passes, and is looked at each second: one long pause would be a clock that jumps.
    fn wait(&mut self, millis: i64) {
        let mut left = millis;
        while left > 0 {
            self.now += left.min(1000) * 1_000_000;
            left -= 1000;
            let now = Timestamp::from_nanos(self.now);
            let emitted = &mut self.emitted;
            self.reassembler
                .expire(now, |_, event| record(event, emitted));
        }
    }

    /// The clock is set, by so many seconds.
    fn jump(&mut self, seconds: i64) {
        self.now = self
            .now
            .saturating_add(seconds.saturating_mul(1_000_000_000));
        let emitted = &mut self.emitted;
        self.reassembler
            .expire(Timestamp::from_nanos(self.now), |_, event| {
                record(event, emitted);
            });
    }

    fn finish(mut self) -> String {
        let emitted = &mut self.emitted;
        self.reassembler.finish(|_, event| record(event, emitted));
        assert_eq!(self.reassembler.held(), 0, "all is given back");
        self.emitted.retain(|line| !line.ends_with("end Capture"));
        self.emitted.join("; ")
    }

    fn step(&mut self, first: &str, rest: &[&str]) {
        let dir = if first.starts_with('C') { C } else { S };
        let base = |dir: Direction| if dir == C { self.isn } else { 5000 };
        let (own, peer) = (
            base(dir).wrapping_add(1),
            base(dir.reverse()).wrapping_add(1),
        );
        let number = |text: &str| text.parse::<u32>().unwrap();
        let mut extra = Extra::default();
        let mut payload = "";
        let (mut flags, seq, ack);
        if let Some(parts) = first.get(1..).and_then(|rest| rest.strip_prefix(':')) {
            // Numbers of the client's own count are relative to its initial sequence number below
            // 1000.
            let absolute = |text: &str, of: Direction| match (of, number(text)) {
                (Direction::ToServer, small @ 0..1000) => self.isn.wrapping_add(small),
                (_, number) => number,
            };
            let parts: Vec<&str> = parts.split(':').collect();
            flags = parts[0].to_owned();
            seq = absolute(parts[1], dir);
            ack = absolute(parts[2], dir.reverse());
        } else if let Some(at) = first.get(1..).and_then(|rest| rest.strip_prefix('+')) {
            let (offset, acked) = at.split_once('a').unwrap_or((at, "0"));
            flags = "AP".to_owned();
            seq = own.wrapping_add(number(offset));
            ack = peer.wrapping_add(number(acked));
        } else {
            let acked = rest[0].strip_prefix('a').unwrap();
            return self.push(dir, "A", own, peer.wrapping_add(number(acked)), b"", &extra);
        }
        for word in rest {
            match word.strip_prefix('!') {
                Some("bad") => extra.bad = true,
                Some("md5") => {
                    extra.options = [&[1, 1, 19, 18][..], &[7; 16]].concat();
                }
                Some(stamp) if stamp.starts_with("ts") => {
                    let stamp = number(&stamp[2..]).to_be_bytes();
                    extra.options = [&[1, 1, 8, 10][..], &stamp, &[0; 4]].concat();
                }
                Some(cut) if cut.starts_with("cut") => extra.cut = number(&cut[3..]),
                Some(urgent) if urgent.starts_with("urg") => {
                    extra.urgent = urgent[3..].parse().unwrap();
                    flags.push('U');
                }
                Some(more) => flags.push_str(more),
                None => payload = word,
            }
        }
        self.push(dir, &flags, seq, ack, payload.as_bytes(), &extra);
    }

    fn push(
        &mut self,
        dir: Direction,
        flags: &str,
        seq: u32,
        ack: u32,
        payload: &[u8],
        extra: &Extra,
    ) {
        let bits = flags.chars().fold(0, |bits, letter| bits | flag(letter).0);
        if self.form != Form::Bytes || payload.len() < 2 {
            return self.segment(dir, TcpFlags(bits), seq, ack, payload, extra);
        }
        let (syn, fin) = (TcpFlags::SYN.0, TcpFlags::FIN.0);
        for (at, byte) in payload.iter().enumerate() {
            let mut bits = bits;
            let mut seq = seq.wrapping_add(at as u32);
            if at > 0 {
                seq = seq.wrapping_add(u32::from(bits & syn != 0));
                bits &= !syn;
            }
            if at + 1 < payload.len() {
                bits &= !fin;
            }
            self.segment(dir, TcpFlags(bits), seq, ack, &[*byte], extra);
        }
    }

    fn segment(
        &mut self,
        dir: Direction,
        flags: TcpFlags,
        seq: u32,
        ack: u32,
        payload: &[u8],
        extra: &Extra,
    ) {
        self.frame += 1;
        self.now = self.now.saturating_add(1_000);
        let v6 = self.form == Form::V6;
        let host = |last: u8| match v6 {
            false => IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
            true => IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into())),
        };
        let ends = [(host(1), 40_000), (host(2), 80)];
        let [(src, sport), (dst, dport)] = match dir {
            Direction::ToServer => ends,
            Direction::ToClient if self.turned => [(host(1), 80), (host(2), 40_000)],
            Direction::ToClient => [ends[1], ends[0]],
        };
        // The sum of the pseudo-header alone: the network card is left to do the rest.
        let sum: u16 = if v6 { 0xfa0a } else { 0x1409 };
        let mut bytes = vec![0; 20];
        bytes[4..8].copy_from_slice(&seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&ack.to_be_bytes());
        bytes[12] = ((20 + extra.options.len()) as u8 / 4) << 4;
        bytes[13] = flags.0;
        bytes[16..18].copy_from_slice(&(sum ^ u16::from(extra.bad) << 8).to_be_bytes());
        bytes.extend(&extra.options);
        let header = bytes.len();
        bytes.extend(payload);
        let tcp = Tcp {
            ports: Ports {
                src: sport,
                dst: dport,
            },
            seq,
            ack,
            flags,
            window: 1000,
            window_scale: None,
            urgent: extra.urgent,
        };
        let packet = Packet {
            frame: self.frame,
            ts: Timestamp::from_nanos(self.now),
            path: self.paths[dir.index()],
            tunnels: 0,
            tunnel: None,
            doubtful: false,
            ip: Ip {
                src,
                dst,
                protocol: protocol::TCP,
                ttl: 64,
                fragment: None,
            },
            ip_header: &[],
            transport: Transport::Tcp(tcp),
            ip_payload: &bytes,
            payload: &bytes[header..],
            cut: extra.cut,
        };
        let (emitted, clients, flows) = (&mut self.emitted, &mut self.clients, &mut self.flows);
        let seams = &mut self.seams;
        let used = self.reassembler.push_from(&[], &packet, |flow, event| {
            clients.push(flow.client.port);
            flows.insert(flow.id);
            if let StreamEvent::OutOfStream {
                bytes,
                context,
                after,
                ..
            } = *event
                && context + after >= bytes.len()
            {
                seams.push(String::from_utf8_lossy(bytes).into_owned());
            }
            record(event, emitted);
        });
        self.copies += usize::from(!used);
    }
}

fn flag(letter: char) -> TcpFlags {
    match letter {
        'S' => TcpFlags::SYN,
        'A' => TcpFlags::ACK,
        'F' => TcpFlags::FIN,
        'R' => TcpFlags::RST,
        'P' => TcpFlags::PSH,
        'U' => TcpFlags::URG,
        'E' => TcpFlags::ECE,
        'W' => TcpFlags::CWR,
        other => panic!("no flag {other}"),
    }
}

/// An event as a line; what continues the line before is joined to it.
fn record(event: &StreamEvent<'_>, emitted: &mut Vec<String>) {
    let name = |dir: Direction| if dir == C { "C" } else { "S" };
    let mut join = |head: String, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match emitted.last_mut().filter(|last| last.starts_with(&head)) {
            Some(last) => *last += &text,
            None => emitted.push(head + &text),
        }
    };
    match *event {
        StreamEvent::Data { dir, bytes, .. } => join(format!("{} data ", name(dir)), bytes),
        StreamEvent::OutOfStream {
            dir,
            bytes,
            why,
            context,
            after,
            ..
        } => {
            if context + after >= bytes.len() {
                // Of a seam nothing is its own.
                return;
            }
            let (front, own) = bytes.split_at(context);
            let front = String::from_utf8_lossy(front).into_owned();
            let front = if front.is_empty() {
                front
            } else {
                format!("<{front}>")
            };
            let own = &own[..own.len() - after];
            join(format!("{} {why:?} {front}", name(dir)), own);
        }
        StreamEvent::Gap {
            dir, len, reason, ..
        } => {
            emitted.push(format!("{} gap {len} {reason:?}", name(dir)));
        }
        StreamEvent::End { dir, how, .. } => emitted.push(format!("{} end {how:?}", name(dir))),
        StreamEvent::NoPayload { .. }
        | StreamEvent::Acked { .. }
        | StreamEvent::Datagram { .. }
        | StreamEvent::Closed { .. } => {}
    }
}

/// The events that are emitted for a chart, under the usual rules.
fn emitted(chart: &str, form: Form) -> String {
    said_by(chart, form, Policy::default())
}

fn said_by(chart: &str, form: Form, policy: Policy) -> String {
    let mut player = Player::new(form, policy, Limits::default());
    player.play(chart);
    player.finish()
}

fn overlap(overlap: Overlap) -> Policy {
    Policy {
        overlap,
        ..Policy::default()
    }
}

//! IP fragments become datagrams (RFC 791 section 3.2, RFC 8200 section 4.5). Datagrams, fragments,
//! bytes and time are bounded.
//!
//! The first copy of each byte is used. Fragments of a datagram that is given up are returned one
//! by one, so that they are searched.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::frame::Timestamp;
use crate::limits::{Limits, time};
use crate::packet::{Ip, Packet, Transport, Tunnel};
use crate::policy::Overlap;
use crate::stats::ReassemblyStats;
use crate::stream::PacketInfo;

use super::queue::{Facts, Queue};

/// The result for a fragment.
#[allow(
    clippy::large_enum_variant,
    reason = "it is looked at where it is returned, and never kept"
)]
pub enum Defragmented<'a> {
    /// Other fragments are missing.
    Waiting,
    /// It completed its datagram: the packet facts and all bytes, which [`crate::decode`] turns
    /// into a packet.
    Whole {
        /// The facts of the first fragment, in the frame that completed the datagram.
        first: Packet<'static>,
        /// The bytes after the IP headers.
        bytes: &'a [u8],
        /// The frames that brought it.
        frames: &'a [u64],
    },
    /// It is not part of a datagram (it contradicts another fragment, or exceeds the size of a
    /// datagram): it is searched alone.
    Apart,
}

/// Incomplete datagrams.
pub struct Defragmenter {
    limits: Limits,
    /// A capture filter decides by first fragments, and all later ones arrive.
    filtered: bool,
    open: HashMap<Key, Datagram, RandomState>,
    /// In the order of their first fragments.
    order: VecDeque<(Timestamp, Key, u64)>,
    bytes: usize,
    /// A header checksum was right, so that a wrong one means something.
    valid_checksum_seen: bool,
    serial: u64,
    whole: Vec<u8>,
    frames: Vec<u64>,
    stats: ReassemblyStats,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    /// Of IPv4 (RFC 791 section 3.2); 0 for IPv6, where that of the first fragment alone counts
    /// (RFC 8200 section 4.5).
    protocol: u8,
    id: u32,
    path: u32,
}

impl Key {
    fn of(packet: &Packet<'_>) -> Option<Self> {
        Some(Self {
            src: packet.ip.src,
            dst: packet.ip.dst,
            protocol: match packet.ip.src {
                IpAddr::V4(_) => packet.ip.protocol,
                IpAddr::V6(_) => 0,
            },
            id: packet.ip.fragment?.id,
            path: packet.path,
        })
    }
}

struct Datagram {
    serial: u64,
    /// The filter rejected it: its fragments are dropped.
    ignored: bool,
    /// Its first fragment was seen.
    headed: bool,
    queue: Queue,
    /// The offset of its end, once the last fragment was received.
    end: Option<u64>,
    /// The checksum of that fragment's header is wrong.
    end_is_weak: bool,
    ip: Ip,
    path: u32,
    tunnel: Option<Tunnel>,
    frames: Vec<u64>,
    pieces: usize,
}

impl Datagram {
    /// A datagram of which this is the first fragment received.
    fn new(serial: u64, packet: &Packet<'_>) -> Self {
        Self {
            serial,
            ignored: false,
            headed: false,
            queue: Queue::default(),
            end: None,
            end_is_weak: false,
            ip: packet.ip,
            path: packet.path,
            tunnel: packet.tunnel,
            frames: Vec::new(),
            pieces: 0,
        }
    }
}

/// The most an IP datagram can carry.
const LARGEST: u64 = 65_535;

impl Defragmenter {
    /// A defragmenter without datagrams. `filtered`: a capture filter decides by first fragments,
    /// and all later ones arrive.
    #[must_use]
    pub fn new(limits: Limits, filtered: bool) -> Self {
        Self {
            limits,
            filtered,
            open: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            valid_checksum_seen: false,
            serial: 0,
            whole: Vec::new(),
            frames: Vec::new(),
            stats: ReassemblyStats::default(),
        }
    }

    /// The counters (those of fragments).
    #[must_use]
    pub fn stats(&self) -> ReassemblyStats {
        self.stats
    }

    /// Processes a fragment. Calls `lost` for the fragments of datagrams that are given up to stay
    /// within the limits.
    pub fn push(
        &mut self,
        packet: &Packet<'_>,
        lost: &mut dyn FnMut(&Packet<'_>),
    ) -> Defragmented<'_> {
        let Some(fragment) = packet.ip.fragment else {
            return Defragmented::Apart;
        };
        let (offset, len) = (u64::from(fragment.offset), packet.ip_payload.len() as u64);
        let end = offset.saturating_add(len);
        if end > LARGEST || len == 0 || packet.cut > 0 {
            self.stats.fragments_lost += 1;
            self.stats.fragment_bytes_lost += len;
            return Defragmented::Apart;
        }
        let Some(key) = Key::of(packet) else {
            return Defragmented::Apart;
        };
        while !self.open.contains_key(&key) && self.open.len() >= self.limits.fragment_datagrams
            || self.bytes > self.limits.fragment_bytes
        {
            let Some((_, oldest, serial)) = self.order.pop_front() else {
                break;
            };
            self.give_up(&oldest, serial, packet.ts, lost);
        }
        let weak = packet.has_wrong_header_sum();
        self.valid_checksum_seen |= !weak && !packet.ip_header.is_empty();
        if weak && self.valid_checksum_seen {
            // Every receiver drops it.
            self.stats.fragment_conflicts += 1;
            return Defragmented::Apart;
        }
        let serial = self.serial;
        let datagram = self.open.entry(key).or_insert_with(|| {
            self.serial += 1;
            self.order.push_back((packet.ts, key, serial));
            Datagram::new(serial, packet)
        });
        if datagram.ignored {
            return Defragmented::Waiting;
        }
        if datagram.end_is_weak && !weak {
            (datagram.end, datagram.end_is_weak) = (None, false);
        }
        datagram.headed |= offset == 0;
        datagram.pieces += 1;
        if datagram.pieces > self.limits.fragment_pieces {
            self.stats.fragment_bytes_lost += len;
            return Defragmented::Apart;
        }
        let beyond = datagram
            .end
            .is_some_and(|known| end > known || (!fragment.more && end != known));
        let before = datagram.queue.size();
        let by = PacketInfo {
            frame: packet.frame,
            ts: packet.ts,
            ..PacketInfo::default()
        };
        let known = Facts {
            by,
            weak,
            ..Facts::default()
        };
        let losers = (!beyond).then(|| {
            let queue = &mut datagram.queue;
            queue.insert(offset, packet.ip_payload, known, Overlap::First)
        });
        if losers.is_none_or(|losers| losers.new.is_some()) {
            self.bytes += datagram.queue.size() - before;
            self.stats.fragment_conflicts += 1;
            return Defragmented::Apart;
        }
        self.bytes += datagram.queue.size() - before;
        datagram.frames.push(packet.frame);
        if !fragment.more {
            (datagram.end, datagram.end_is_weak) = (Some(end), weak);
        }
        if offset == 0 {
            datagram.ip = packet.ip;
        }
        let doubted = self.valid_checksum_seen && datagram.queue.has_weak();
        if doubted || !datagram.end.is_some_and(|end| datagram.queue.covers(end)) {
            return Defragmented::Waiting;
        }
        let Some(mut datagram) = self.open.remove(&key) else {
            return Defragmented::Waiting;
        };
        self.bytes = self.bytes.saturating_sub(datagram.queue.size());
        self.stats.defragmented += 1;
        self.whole.clear();
        while let Some((_, piece)) = datagram.queue.take(u64::MAX) {
            self.whole.extend_from_slice(&piece.bytes);
        }
        self.frames = datagram.frames;
        let first = Packet {
            tunnels: u8::from(datagram.tunnel.is_some()),
            tunnel: datagram.tunnel,
            ..facts(datagram.ip, datagram.path, packet.frame, packet.ts)
        };
        Defragmented::Whole {
            first,
            bytes: &self.whole,
            frames: &self.frames,
        }
    }

    /// The filter rejected the datagram of this first fragment: its other fragments are dropped
    /// without being counted as lost.
    pub fn ignore(&mut self, packet: &Packet<'_>) {
        let nothing = Packet {
            ip_payload: packet.ip_payload.get(..1).unwrap_or_default(),
            ..*packet
        };
        let _ = self.push(&nothing, &mut |_| ());
        if let Some(datagram) = Key::of(packet).and_then(|key| self.open.get_mut(&key)) {
            datagram.ignored = true;
            self.bytes = self.bytes.saturating_sub(datagram.queue.size());
            datagram.queue = Queue::default();
        }
    }

    /// Advances the clock to `now`. Calls `lost` for the fragments of datagrams that were waited
    /// for long enough.
    pub fn expire(&mut self, now: Timestamp, lost: &mut dyn FnMut(&Packet<'_>)) {
        while let Some(&(since, key, serial)) = self.order.front()
            && now.since(since) >= time::FRAGMENT
        {
            self.order.pop_front();
            self.give_up(&key, serial, now, lost);
        }
    }

    /// Ends the capture. Calls `lost` for all fragments.
    pub fn finish(&mut self, lost: &mut dyn FnMut(&Packet<'_>)) {
        while let Some((since, key, serial)) = self.order.pop_front() {
            self.give_up(&key, serial, since, lost);
        }
    }

    fn give_up(
        &mut self,
        key: &Key,
        serial: u64,
        now: Timestamp,
        lost: &mut dyn FnMut(&Packet<'_>),
    ) {
        if self
            .open
            .get(key)
            .is_none_or(|datagram| datagram.serial != serial)
        {
            return;
        }
        let Some(mut datagram) = self.open.remove(key) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(datagram.queue.size());
        if datagram.ignored {
            return;
        }
        self.stats.fragments_lost += 1;
        while let Some((_, piece)) = datagram.queue.take(u64::MAX) {
            self.stats.fragment_bytes_lost += piece.bytes.len() as u64;
            if self.filtered && !datagram.headed {
                // Only its first fragment could decide whether it passes the filter.
                continue;
            }
            let facts = facts(
                datagram.ip,
                datagram.path,
                piece.facts.by.frame,
                piece.facts.by.ts.max(now),
            );
            lost(&Packet {
                tunnels: u8::from(datagram.tunnel.is_some()),
                tunnel: datagram.tunnel,
                ip_payload: &piece.bytes,
                payload: &piece.bytes,
                ..facts
            });
        }
    }
}

fn facts(ip: Ip, path: u32, frame: u64, ts: Timestamp) -> Packet<'static> {
    Packet {
        frame,
        ts,
        path,
        tunnels: 0,
        tunnel: None,
        doubtful: false,
        ip,
        ip_header: &[],
        transport: Transport::Other,
        ip_payload: &[],
        payload: &[],
        cut: 0,
    }
}

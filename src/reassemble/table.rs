//! All flows: found by their ends, kept in the order of their last packets, bounded in number.

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::flow::{Direction, Endpoint, Flow};
use crate::frame::Timestamp;
use crate::stream::Carrier;

use super::half::Half;
use super::index::Index;

/// What names a flow: protocol, path, and its two ends in an order that does not depend on the direction. As plain numbers, since
/// one is made and compared for each packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    low: u128,
    high: u128,
    /// Of the low end, then of the high one.
    ports: [u16; 2],
    path: u32,
    protocol: u8,
    /// The addresses are IPv6 ones.
    wide: bool,
}

impl Key {
    pub(super) fn new(protocol: u8, path: u32, one: Endpoint, other: Endpoint) -> Self {
        let [one, other] = [one, other].map(|end| (number(end.addr), end.port, end.addr.is_ipv6()));
        let ((low, low_port, wide), (high, high_port, _)) = match one <= other {
            true => (one, other),
            false => (other, one),
        };
        Self {
            low,
            high,
            ports: [low_port, high_port],
            path,
            protocol,
            wide,
        }
    }
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(addr.to_bits()),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

/// A flow and what is known of it.
pub(super) struct Entry<S> {
    pub(super) key: Key,
    pub(super) flow: Flow,
    pub(super) state: S,
    pub(super) halves: [Half; 2],
    /// The latest packet.
    pub(super) last: Carrier,
    pub(super) stage: Stage,
    /// The initial sequence number of a SYN that would begin another connection, if it is answered.
    pub(super) pending: Option<u32>,
    /// Both directions had packets.
    pub(super) two_sided: bool,
    /// It ended by a RST.
    pub(super) reset: bool,
    /// When it is to be looked at again.
    pub(super) alarm: Option<Timestamp>,
    /// When it was put into its place in the order.
    linked: Timestamp,
    newer: Option<usize>,
    older: Option<usize>,
}

/// How far a flow is; each stage has its own order of last packets, and its own patience.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Only a SYN was seen.
    Embryo,
    /// It lives.
    Open,
    /// It ended, and absorbs late packets.
    Closed,
}

impl<S> Entry<S> {
    pub(super) fn half(&mut self, dir: Direction) -> &mut Half {
        let [to_server, to_client] = &mut self.halves;
        match dir {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }
}

/// Nanoseconds by which the order of flows may be wrong.
const EXACT: i64 = 100_000_000;

/// The flows.
pub(super) struct Table<S> {
    slots: Vec<Option<Entry<S>>>,
    free: Vec<usize>,
    index: Index,
    hasher: RandomState,
    orders: [Order; 3],
    /// The flow found last: traffic comes in runs.
    recent: Option<(Key, usize)>,
}

/// A list of slots, from the one that was quiet for longest to the newest.
#[derive(Clone, Copy, Default)]
struct Order {
    oldest: Option<usize>,
    newest: Option<usize>,
    len: usize,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::default(),
            hasher: RandomState::default(),
            orders: [Order::default(); 3],
            recent: None,
        }
    }
}

impl<S> Table<S> {
    pub(super) fn find(&mut self, key: &Key) -> Option<usize> {
        if let Some((recent, slot)) = &self.recent
            && recent == key
        {
            return Some(*slot);
        }
        let slots = &self.slots;
        let holds = |slot: usize| matches!(slots.get(slot), Some(Some(entry)) if entry.key == *key);
        let slot = self.index.find(self.place(key), holds)?;
        self.recent = Some((*key, slot));
        Some(slot)
    }

    /// The hash of a key, which another table gives another one.
    pub(super) fn place(&self, key: &Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    pub(super) fn get(&mut self, slot: usize) -> Option<&mut Entry<S>> {
        self.slots.get_mut(slot)?.as_mut()
    }

    pub(super) fn insert(
        &mut self,
        key: Key,
        flow: Flow,
        state: S,
        last: Carrier,
        stage: Stage,
    ) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(place) = self.slots.get_mut(slot) {
            // Made in its place: an entry is large.
            *place = Some(Entry {
                key,
                flow: Flow {
                    slot: u32::try_from(slot).unwrap_or(u32::MAX),
                    ..flow
                },
                state,
                halves: [Half::default(), Half::default()],
                last,
                stage,
                pending: None,
                two_sided: false,
                reset: false,
                alarm: None,
                linked: Timestamp::default(),
                newer: None,
                older: None,
            });
        }
        self.index.insert(self.place(&key), slot);
        self.link(slot, stage);
        self.recent = Some((key, slot));
        slot
    }

    pub(super) fn remove(&mut self, slot: usize) {
        self.unlink(slot);
        if let Some(place) = self.slots.get_mut(slot)
            && place.is_some()
        {
            *place = None;
            self.index.remove(slot);
            self.recent = None;
            self.free.push(slot);
        }
    }

    /// A packet of the flow came: it is the newest of its stage.
    pub(super) fn touch(&mut self, slot: usize, stage: Stage) {
        let Some(entry) = self.get(slot) else { return };
        let old = std::mem::replace(&mut entry.stage, stage);
        // A flow's place need not be exact: moved at every packet, it would cost more than the packet.
        let moved = entry.last.ts.since(entry.linked);
        if old == stage && moved < EXACT {
            return;
        }
        if let Some(entry) = self.get(slot) {
            entry.stage = old;
        }
        self.unlink(slot);
        if let Some(entry) = self.get(slot) {
            entry.stage = stage;
        }
        self.link(slot, stage);
    }

    /// The flow of a stage that was quiet for longest, and since when.
    pub(super) fn oldest(&mut self, stage: Stage) -> Option<(usize, Timestamp)> {
        let slot = self.order(stage).oldest?;
        let ts = self.get(slot)?.last.ts;
        Some((slot, ts))
    }

    /// The flow of the same stage whose last packet came next.
    pub(super) fn newer(&mut self, slot: usize) -> Option<usize> {
        self.get(slot)?.newer
    }

    pub(super) fn len(&mut self, stage: Stage) -> usize {
        self.order(stage).len
    }

    /// All slots in use, by the flows' ids.
    pub(super) fn all(&self) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        let mut all: Vec<(u64, usize)> = slots
            .filter_map(|(slot, entry)| Some((entry.as_ref()?.flow.id, slot)))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, slot)| slot).collect()
    }

    fn order(&mut self, stage: Stage) -> &mut Order {
        let [embryo, open, closed] = &mut self.orders;
        match stage {
            Stage::Embryo => embryo,
            Stage::Open => open,
            Stage::Closed => closed,
        }
    }

    fn link(&mut self, slot: usize, stage: Stage) {
        let order = self.order(stage);
        let before = order.newest.replace(slot);
        order.oldest.get_or_insert(slot);
        order.len += 1;
        if let Some(entry) = self.get(slot) {
            entry.older = before;
            entry.newer = None;
            entry.linked = entry.last.ts;
        }
        if let Some(entry) = before.and_then(|before| self.get(before)) {
            entry.newer = Some(slot);
        }
    }

    fn unlink(&mut self, slot: usize) {
        let Some(entry) = self.get(slot) else { return };
        let (stage, older, newer) = (entry.stage, entry.older, entry.newer);
        if let Some(entry) = older.and_then(|older| self.get(older)) {
            entry.newer = newer;
        }
        if let Some(entry) = newer.and_then(|newer| self.get(newer)) {
            entry.older = older;
        }
        let order = self.order(stage);
        if order.oldest == Some(slot) {
            order.oldest = newer;
        }
        if order.newest == Some(slot) {
            order.newest = older;
        }
        order.len = order.len.saturating_sub(1);
    }
}

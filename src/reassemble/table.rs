//! All flows: found by their ends, in the order of their last packets, and bounded in number.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::flow::{Direction, Flow};
use crate::frame::Timestamp;
use crate::stream::PacketInfo;

use super::echo::Echo;
use super::half::HalfStream;
use super::half_streams::HalfStreams;
use super::key::{Key, Sender};
use super::paths::{OtherPath, Paths};

/// A flow and its state.
pub(super) struct Entry {
    place: KeyHash,
    /// Its bucket in the index.
    bucket: u32,
    /// The end of the key that is the client.
    client: Sender,
    pub(super) flow: Flow,
    pub(super) halves: HalfStreams,
    /// The latest packet.
    pub(super) last: PacketInfo,
    pub(super) stage: Stage,
    /// The initial sequence number of a SYN that would begin another connection once it is
    /// answered; of a datagram flow, the hash of its latest datagram.
    pub(super) pending: Option<u32>,
    /// Both directions had packets.
    pub(super) bidirectional: bool,
    /// It ended by a RST.
    pub(super) reset: bool,
    /// Each of its packets needs further checks: it [ended by a RST](Self::reset), has [other
    /// paths](Table::paths), or [is repeated](Self::echo).
    pub(super) odd: bool,
    /// Whether a copy of the whole flow follows its end.
    pub(super) echo: Echo,
    /// When it is to be reviewed.
    pub(super) timer: Option<Timestamp>,
    /// When it was last moved in the order.
    linked: Timestamp,
    newer: Option<u32>,
    older: Option<u32>,
}

impl Entry {
    /// The direction of a packet from this sender.
    #[inline]
    pub(super) fn direction(&self, sender: Sender) -> Direction {
        sender.direction(self.client)
    }

    /// Whether no segment is expected any more: it is kept to absorb late ones.
    pub(super) fn is_over(&self) -> bool {
        let over = |half: &HalfStream| half.is_closing() || !half.is_started();
        self.stage == Stage::Closed && self.halves.made().iter().all(over)
    }

    /// Exchanges client and server.
    pub(super) fn swap_ends(&mut self) {
        std::mem::swap(&mut self.flow.client, &mut self.flow.server);
        self.client = Key::of_flow(&self.flow).1;
    }
}

/// The stage of a flow. Each stage has its own order of last packets and its own timeout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Only a SYN was seen.
    Embryo,
    /// A segment other than a SYN was seen.
    Open,
    /// It ended, and is kept to absorb late packets.
    Closed,
}

/// Initial capacity of the index.
const FEW: usize = 64;
/// Nanoseconds by which the order of flows may be inexact.
const EXACT: i64 = 100_000_000;

/// The flows.
pub(super) struct Table {
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// The slots by their hashes. At most half of its capacity is used, so that removed entries
    /// leave few tombstones which later look-ups would have to pass.
    index: HashTable<u32>,
    hasher: RandomState,
    orders: [LruList; 3],
    /// The time of the clock without jumps.
    pub(super) now: Timestamp,
    /// The flow found last: packets of a flow arrive in runs.
    recent: Option<(Key, usize)>,
    /// Flows that are indexed by the hash of their whole key.
    crowded: usize,
    /// Flows with the same ends on other paths that the last unsuccessful look-up met.
    met: usize,
    /// Additional paths of flows, by slot.
    paths: HashMap<u32, Paths, RandomState>,
}

/// The hash of a key, seeded for each table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct KeyHash(u64);

/// Flows with the same ends on different paths that share one hash, at most. Further ones are
/// indexed by their whole key, and are not found together. So the time of a look-up is bounded.
const CROWD: usize = 16;

/// A list of slots, from the longest quiet to the newest.
#[derive(Clone, Copy, Default)]
struct LruList {
    oldest: Option<u32>,
    newest: Option<u32>,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            orders: [LruList::default(); 3],
            now: Timestamp::default(),
            recent: None,
            crowded: 0,
            met: 0,
            paths: HashMap::default(),
        }
    }
}

impl Table {
    /// Returns the slot of the flow with this key, or the hash to insert it with.
    #[inline]
    pub(super) fn find(&mut self, key: &Key) -> Result<usize, KeyHash> {
        match &self.recent {
            Some((recent, slot)) if recent == key => Ok(*slot),
            _ => self.look_up(key),
        }
    }

    fn look_up(&mut self, key: &Key) -> Result<usize, KeyHash> {
        let (slots, paths) = (&self.slots, &self.paths);
        let place = self.place(key);
        let mut others = 0;
        let holds = |slot: &u32| {
            taken(slots, *slot).is_some_and(|entry| {
                entry.place == place
                    && (key.is_of(&entry.flow, entry.client)
                        || is_also_on(paths.get(slot), key, &mut others))
            })
        };
        let found = self.index.find(place.0, holds).copied();
        let slot = if let Some(slot) = found {
            slot as usize
        } else {
            self.met = others;
            match self.crowded {
                0 => return Err(place),
                _ => self.in_the_crowd(key).ok_or(place)?,
            }
        };
        self.recent = Some((*key, slot));
        Ok(slot)
    }

    /// The slot of a flow that is indexed by its whole key.
    #[cold]
    fn in_the_crowd(&self, key: &Key) -> Option<usize> {
        let place = self.own_place(key);
        let holds = |slot: &u32| {
            taken(&self.slots, *slot)
                .is_some_and(|entry| entry.place == place && key.is_of(&entry.flow, entry.client))
        };
        Some(*self.index.find(place.0, holds)? as usize)
    }

    /// Where a key has its place.
    pub(super) fn place(&self, key: &Key) -> KeyHash {
        KeyHash(self.hasher.hash_one(key))
    }

    /// The place of a whole key, with its path.
    fn own_place(&self, key: &Key) -> KeyHash {
        KeyHash(self.hasher.hash_one((key, key.place())))
    }

    /// Whether the last look-up, which found none, met flows with the same ends on other paths.
    #[inline]
    pub(super) fn has_met_others(&self) -> bool {
        self.met > 0
    }

    /// The slots of flows with the same ends on other paths, of which the place is this one.
    pub(super) fn others(&self, place: KeyHash) -> Vec<usize> {
        let there = self.index.iter_hash(place.0);
        there
            .filter(|slot| taken(&self.slots, **slot).is_some_and(|entry| entry.place == place))
            .map(|slot| *slot as usize)
            .collect()
    }

    /// The other paths that packets of a flow take.
    pub(super) fn paths(&mut self, slot: usize) -> Option<&mut Paths> {
        self.paths.get_mut(&u32::try_from(slot).ok()?)
    }

    /// Packets of another key belong to a flow from now on.
    pub(super) fn found_by(&mut self, slot: usize, way: OtherPath) {
        let key = *way.key();
        if let Some(entry) = self.get(slot) {
            entry.odd = true;
            self.paths.entry(slot as u32).or_default().add(way);
            self.recent = Some((key, slot));
        }
    }

    /// A flow is no longer reached by another key.
    pub(super) fn forget_recent(&mut self) {
        self.recent = None;
    }

    pub(super) fn get(&mut self, slot: usize) -> Option<&mut Entry> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Add a flow, which is not in it, as the last look-up found.
    pub(super) fn insert(
        &mut self,
        (key, place): (Key, KeyHash),
        client: Sender,
        flow: Flow,
        last: &PacketInfo,
        stage: Stage,
    ) -> usize {
        let crowded = self.met >= CROWD;
        let place = match crowded {
            true => self.own_place(&key),
            false => place,
        };
        self.crowded += usize::from(crowded);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(free) = self.slots.get_mut(slot) {
            // Made in its place: an entry is large.
            *free = Some(Entry {
                place,
                bucket: 0,
                client,
                flow: Flow {
                    slot: u32::try_from(slot).unwrap_or(u32::MAX),
                    ..flow
                },
                halves: HalfStreams::default(),
                last: *last,
                stage,
                pending: None,
                bidirectional: false,
                reset: false,
                odd: false,
                echo: Echo::None,
                timer: None,
                linked: Timestamp::default(),
                newer: None,
                older: None,
            });
        }
        if self.index.capacity() < (2 * self.index.len()).max(FEW) {
            self.rearrange();
        }
        // Within the capacity no other entry moves.
        let indexed = self.index.insert_unique(place.0, slot as u32, |_| 0);
        let bucket = indexed.bucket_index() as u32;
        if let Some(entry) = self.get(slot) {
            entry.bucket = bucket;
        }
        self.link(slot, stage);
        self.recent = Some((key, slot));
        slot
    }

    pub(super) fn remove(&mut self, slot: usize) {
        self.unlink(slot);
        if self.crowded > 0 {
            self.leave_crowd(slot);
        }
        if let Some(taken) = self.slots.get_mut(slot)
            && let Some(Entry { bucket, odd, .. }) = taken
        {
            if *odd {
                self.paths.remove(&(slot as u32));
            }
            // Not looked for, and not looked at: it is mostly far away.
            if let Ok(found) = self.index.get_bucket_entry(*bucket as usize) {
                debug_assert_eq!(*found.get() as usize, slot, "it is where it was put");
                found.remove();
            }
            *taken = None;
            self.recent = None;
            self.free.push(slot);
        }
    }

    /// A flow goes that may have a place of its own.
    #[cold]
    fn leave_crowd(&mut self, slot: usize) {
        if let Some(Some(entry)) = self.slots.get(slot) {
            let (key, _) = Key::of_flow(&entry.flow);
            self.crowded -= usize::from(entry.place == self.own_place(&key));
        }
    }

    /// Grows the index, which moves all entries.
    #[cold]
    fn rearrange(&mut self) {
        let Self { slots, index, .. } = self;
        let hash = |slot: &u32| taken(slots, *slot).map_or(0, |entry| entry.place.0);
        index.reserve(index.len().max(FEW), hash);
        for bucket in 0..index.num_buckets() {
            if let Some(slot) = index.get_bucket(bucket)
                && let Some(Some(entry)) = slots.get_mut(*slot as usize)
            {
                entry.bucket = bucket as u32;
            }
        }
    }

    /// Records a packet of the flow: the flow becomes the newest of its stage.
    #[inline]
    pub(super) fn touch(&mut self, slot: usize, stage: Stage) {
        let now = self.now;
        let Some(entry) = self.get(slot) else { return };
        // The order need not be exact: moving a flow at every packet would cost more than the
        // packet.
        if entry.stage == stage && now.since(entry.linked) < EXACT {
            return;
        }
        self.unlink(slot);
        if let Some(entry) = self.get(slot) {
            entry.stage = stage;
        }
        self.link(slot, stage);
    }

    /// The flow of a stage that was quiet for longest, and since when, approximately.
    pub(super) fn oldest(&mut self, stage: Stage) -> Option<(usize, Timestamp)> {
        let slot = self.order(stage).oldest? as usize;
        let since = self.get(slot)?.linked;
        Some((slot, since))
    }

    /// The flow of the same stage whose last packet came next.
    pub(super) fn newer(&mut self, slot: usize) -> Option<usize> {
        self.get(slot)?.newer.map(|newer| newer as usize)
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

    fn order(&mut self, stage: Stage) -> &mut LruList {
        let [embryo, open, closed] = &mut self.orders;
        match stage {
            Stage::Embryo => embryo,
            Stage::Open => open,
            Stage::Closed => closed,
        }
    }

    fn link(&mut self, slot: usize, stage: Stage) {
        let (own, now) = (slot as u32, self.now);
        let order = self.order(stage);
        let before = order.newest.replace(own);
        order.oldest.get_or_insert(own);
        order.len += 1;
        if let Some(entry) = self.get(slot) {
            entry.older = before;
            entry.newer = None;
            entry.linked = now;
        }
        if let Some(entry) = before.and_then(|before| self.get(before as usize)) {
            entry.newer = Some(own);
        }
    }

    fn unlink(&mut self, slot: usize) {
        let Some(entry) = self.get(slot) else { return };
        let (stage, older, newer) = (entry.stage, entry.older, entry.newer);
        if let Some(entry) = older.and_then(|older| self.get(older as usize)) {
            entry.newer = newer;
        }
        if let Some(entry) = newer.and_then(|newer| self.get(newer as usize)) {
            entry.older = older;
        }
        let order = self.order(stage);
        let slot = slot as u32;
        if order.oldest == Some(slot) {
            order.oldest = newer;
        }
        if order.newest == Some(slot) {
            order.newest = older;
        }
        order.len = order.len.saturating_sub(1);
    }
}

/// Whether a flow is found by this key, although the key is not its own; counts in `others` if not.
#[cold]
fn is_also_on(paths: Option<&Paths>, key: &Key, others: &mut usize) -> bool {
    let found = paths.is_some_and(|paths| paths.find(key).is_some());
    *others += usize::from(!found);
    found
}

fn taken(slots: &[Option<Entry>], slot: u32) -> Option<&Entry> {
    slots.get(slot as usize)?.as_ref()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::flow::Endpoint;
    use crate::packet::protocol;

    fn flow(number: u32) -> Flow {
        let end = |addr: u32, port| Endpoint {
            addr: IpAddr::V4(Ipv4Addr::from_bits(addr)),
            port,
        };
        Flow::new(
            u64::from(number),
            protocol::TCP,
            end(0x0a00_0001 + number, 40_000),
            end(0xc0a8_0001, 80),
        )
    }

    /// Marks of flows that went would make each look-up dearer than the one before, and the table
    /// larger.
    #[test]
    fn flows_that_went_leave_nothing_behind() {
        let mut table = Table::default();
        let mut most = 0;
        for number in 0..200_000_u32 {
            let (key, _) = Key::of_flow(&flow(number));
            let place = table.find(&key).unwrap_err();
            table.insert(
                (key, place),
                Key::of_flow(&flow(number)).1,
                flow(number),
                &PacketInfo::default(),
                Stage::Open,
            );
            if let Some(old) = number.checked_sub(1000) {
                let slot = table.find(&Key::of_flow(&flow(old)).0).unwrap();
                assert_eq!(
                    table.get(slot).map(|entry| entry.flow.id),
                    Some(u64::from(old))
                );
                table.remove(slot);
            }
            most = most.max(table.index.capacity());
        }
        assert_eq!((table.index.len(), table.all().len()), (1000, 1000));
        assert!(most < 8 * 1000 && table.slots.len() <= 1001, "{most}");
    }

    /// Flows of one pair of ends on very many paths would make each look-up dearer than the one
    /// before.
    #[test]
    fn flows_of_the_same_ends_are_not_looked_for_among_all_of_them() {
        let mut table = Table::default();
        let on = |path| Flow { path, ..flow(0) };
        for path in 0..1000 {
            let (key, client) = Key::of_flow(&on(path));
            let place = table.find(&key).unwrap_err();
            assert_eq!(table.met, CROWD.min(path as usize));
            let last = PacketInfo::default();
            table.insert((key, place), client, on(path), &last, Stage::Open);
        }
        for path in [0, 15, 16, 17, 500, 999] {
            let (key, _) = Key::of_flow(&on(path));
            assert!(table.find(&key).is_ok(), "{path}");
        }
        let place = table.find(&Key::of_flow(&on(1000)).0).unwrap_err();
        assert_eq!(table.others(place).len(), CROWD);
        for path in 0..1000 {
            let slot = table.find(&Key::of_flow(&on(path)).0).unwrap();
            table.remove(slot);
        }
        assert_eq!((table.crowded, table.index.len()), (0, 0));
    }
}

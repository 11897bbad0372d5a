//! *Recent* packets: which one was used already, from another place.

/// Packets remembered. A newer one takes the place of an older one: then its copies are used as
/// well, as if sent again.
const SLOTS: usize = 8192;
/// Places that one packet is known from.
const PLACES: usize = 4;

/// The packets of the last moments, each by a hash of what it is, and the places where they were
/// seen.
///
/// The same packet from the same place was sent again; so one is a copy as long as its place has
/// seen it less often than another one has.
#[derive(Default)]
pub struct Recent {
    /// Made with the first packet.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    ts: i64,
    /// Where it was seen, and how often; 0 for a free place.
    places: [(u64, u32); PLACES],
}

impl Recent {
    /// Note a packet that was seen at `place` at the moment `now`. Whether it is a copy of one that
    /// was seen elsewhere, at the most `apart` nanoseconds before or behind; if it is `unique`,
    /// whoever sends it again makes another one of it, and each equal one is a copy.
    pub fn is_copy(&mut self, hash: u64, place: u64, now: i64, apart: i64, unique: bool) -> bool {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let Some(slot) = self.slots.get_mut(hash as usize % SLOTS) else {
            return false;
        };
        let near = now.saturating_sub(slot.ts).saturating_abs() <= apart;
        if slot.hash != hash || !near || slot.places[0].1 == 0 {
            *slot = Slot {
                hash,
                ts: now,
                places: [(0, 0); PLACES],
            };
        } else if unique {
            return true;
        }
        let most = slot.places.iter().map(|(_, seen)| *seen).max();
        let mut places = slot.places.iter_mut();
        let Some(own) = places.find(|(one, seen)| *one == place || *seen == 0) else {
            // Of one more place: what is sent again is told by the first ones.
            return true;
        };
        *own = (place, own.1.saturating_add(1));
        Some(own.1) <= most
    }
}

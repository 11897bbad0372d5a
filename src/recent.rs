//! *Recent* packets: detects copies of a packet captured in several places.
//!
//! A direct-mapped table of fixed size; a look-up costs one slot and never fails.

/// Slots. A newer packet overwrites an older one with the same slot; copies of the older one then
/// count as retransmissions.
const SLOTS: usize = 8192;
/// Capture places remembered per packet.
const PLACES: usize = 4;

/// Recently captured packets, by a hash of their content, with the places that captured them.
///
/// The same packet from the same place is a retransmission. So a packet is a copy as long as its
/// place has captured it less often than another place has.
#[derive(Default)]
pub struct Recent {
    /// Allocated with the first packet.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    ts: i64,
    /// The places and how often each captured the packet; a count of 0 marks a free entry.
    places: [(u64, u32); PLACES],
}

impl Recent {
    /// Records a packet captured at `place` at time `now`. Returns whether it is a copy of a packet
    /// that another place captured within `apart` nanoseconds before or after. `unique`: the sender
    /// gives each retransmission a new identity, so every equal packet is a copy.
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
            // More places than entries: the known places detect retransmissions.
            return true;
        };
        *own = (place, own.1.saturating_add(1));
        Some(own.1) <= most
    }
}

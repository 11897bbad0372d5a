//! Packets enter here: each is assigned to its flow, or opens one.

use crate::flow::{Direction, Endpoint, Flow};
use crate::packet::Packet;
use crate::stream::{Ending, GapReason, PacketInfo, StreamEvent};

use super::Reassembler;
use super::context::Segment;
use super::key::{Key, Sender};
use super::paths::{Crossed, Joined, mark};
use super::table::Stage;

/// The relation of a segment to the flow that was found for its key.
enum SegmentMatch {
    /// A segment of the flow.
    Own,
    /// A copy of a segment that was used.
    Copy,
    /// A segment of another flow: the flow is no longer found by its key.
    Foreign,
    /// The first segment of another connection on the same ports; with the client of that
    /// connection, if known.
    Anew(Option<Endpoint>),
}

impl Reassembler {
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "it is half of the function that it is called in, and the one that most packets take"
    )]
    pub(super) fn push_segment(
        &mut self,
        key: &Key,
        mut segment: Segment<'_>,
        by: &PacketInfo,
        block: &[u8],
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) -> bool {
        let mut found = self.table.find(key);
        let mut client = None;
        if let Ok(old) = found
            && self
                .table
                .get(old)
                .is_some_and(|entry| !entry.is_ordinary(&segment, by, self.idle))
        {
            match self.look_closer(old, key, &mut segment, by, block) {
                SegmentMatch::Copy => return false,
                SegmentMatch::Own => {}
                SegmentMatch::Foreign => found = self.table.find(key),
                SegmentMatch::Anew(known) => {
                    client = known;
                    let (how, reason) = (Ending::Abandoned, GapReason::End);
                    self.close(old, how, reason, block, deliver);
                    self.table.remove(old);
                    found = self.table.find(key);
                }
            }
        } else if let Err(place) = found
            && self.table.has_met_others()
            && let Some(midstream) = self.join(key, place, &segment, by, block)
        {
            let Joined { slot, sender, copy } = midstream;
            if copy {
                return false;
            }
            (found, segment.sender) = (Ok(slot), sender);
        }
        match found {
            Err(place) => {
                let slot = self.open((*key, place), &segment, client, by);
                let plain = segment.is_plain_syn(self.shared.policy);
                match self.table.get(slot) {
                    Some(entry) if plain => {
                        entry.begin(&segment, Direction::ToServer, by, deliver);
                    }
                    _ => self.segment(slot, &segment, by, block, deliver),
                }
            }
            Ok(slot) => self.segment(slot, &segment, by, block, deliver),
        }
        true
    }

    /// What a segment is to a flow that is [odd](Entry::odd), or that it may begin anew.
    #[cold]
    fn look_closer(
        &mut self,
        slot: usize,
        key: &Key,
        segment: &mut Segment<'_>,
        by: &PacketInfo,
        block: &[u8],
    ) -> SegmentMatch {
        if self.table.paths(slot).is_some() {
            self.settle(block);
            match self.crosses(slot, key, segment.sender, segment.packet, Some(segment)) {
                Crossed::Copy => return SegmentMatch::Copy,
                Crossed::Foreign => return SegmentMatch::Foreign,
                Crossed::Own(sender) => segment.sender = sender,
            }
        }
        let again = self.starts_new_connection(slot, segment, by);
        match (again.copy, again.anew) {
            (true, _) => SegmentMatch::Copy,
            (_, true) => SegmentMatch::Anew(again.client),
            _ => SegmentMatch::Own,
        }
    }

    pub(super) fn push_datagram(
        &mut self,
        key: &Key,
        mut sender: Sender,
        packet: &Packet<'_>,
        by: &PacketInfo,
        deliver: &mut impl FnMut(&Flow, &StreamEvent<'_>),
    ) -> bool {
        let found = self.table.find(key);
        let slot = match found {
            Ok(slot) => slot,
            Err(place) => match self.join_datagram(key, place, sender, packet) {
                Some(midstream) if midstream.copy => return false,
                Some(midstream) => {
                    sender = midstream.sender;
                    midstream.slot
                }
                None => self.open_datagrams((*key, place), sender, packet, by),
            },
        };
        self.table.touch(slot, Stage::Open);
        let Some(mut entry) = self.table.get(slot) else {
            return true;
        };
        if entry.odd && found.is_ok() {
            match self.crosses(slot, key, sender, packet, None) {
                Crossed::Copy => return false,
                Crossed::Own(own) => sender = own,
                Crossed::Foreign => {}
            }
            let Some(again) = self.table.get(slot) else {
                return true;
            };
            entry = again;
        }
        entry.last = *by;
        entry.pending = Some(mark(packet));
        let dir = entry.direction(sender);
        entry.bidirectional |= dir == Direction::ToClient;
        if packet.tunnels > 0 {
            entry.flow.note_tunnel(dir, packet);
        }
        let cut = u64::from(packet.cut);
        let event = match packet.payload {
            [] => StreamEvent::NoPayload { dir, by },
            bytes => StreamEvent::Datagram {
                dir,
                bytes,
                cut,
                by,
            },
        };
        deliver(&entry.flow, &event);
        true
    }
}

//! The frames of a message, for `-O` and for views that name them: each that brought bytes of it,
//! though they had to wait for others before anything was told.

use crate::dissect::FlowDissector;
use crate::flow::Direction;
use crate::message::MessageId;
use crate::pipeline::flow_state::{FRAMES, Tracking};
use crate::stream::PacketInfo;

use super::Selector;
use super::messages::is_burst;

/// Frames for which a direction keeps room.
const FEW: usize = 16;

impl Selector {
    /// Somebody wants to know them.
    pub(super) fn wants_frames(&self) -> bool {
        self.outputs.recorder.is_some() || self.options.frames
    }

    /// Bytes of a direction are about to be read.
    pub(super) fn bring(&self, tracking: &mut Tracking, dir: Direction, by: &PacketInfo) {
        let pending_frames = &mut tracking.pending_frames.get_or_insert_default()[dir.index()];
        if pending_frames.len() < FRAMES {
            pending_frames.extend_from_slice(self.frames_of(&[by.frame]));
        }
    }

    /// Text was told of the open message of a direction.
    pub(super) fn note_frames(&self, tracking: &mut Tracking, id: MessageId, by: &PacketInfo) {
        let Some((open, pending_frames)) = tracking.open_with_frames(id) else {
            return;
        };
        match pending_frames {
            Some(pending_frames) => open.note_frames(pending_frames),
            // A datagram, which never waits.
            None => open.note_frames(self.frames_of(&[by.frame])),
        }
    }

    /// The open message of a direction is over: what the packet in hand has behind it belongs to
    /// the next one.
    pub(super) fn end_frames(&self, tracking: &mut Tracking, id: MessageId) {
        note_framing(tracking, id);
        if let Some(pending_frames) = &mut tracking.pending_frames {
            let pending_frames = &mut pending_frames[id.dir.index()];
            let earlier = pending_frames
                .len()
                .saturating_sub(self.frames_of(&[0]).len());
            pending_frames.drain(..earlier);
        }
    }

    /// The frames of the packet in hand, which is in this `one` if it was not put together.
    pub(super) fn frames_of<'f>(&'f self, one: &'f [u64; 1]) -> &'f [u64] {
        match &*self.fragments {
            [] => one,
            fragments => fragments,
        }
    }
}

/// All that could be told by now was; what is left waits.
#[inline]
pub(super) fn keep_pending_frames(tracking: &mut Tracking, conversation: &FlowDissector) {
    if tracking.pending_frames.is_some() {
        keep_frames(tracking, conversation);
    }
}

fn keep_frames(tracking: &mut Tracking, conversation: &FlowDissector) {
    for dir in [Direction::ToServer, Direction::ToClient] {
        note_framing(tracking, dir.into());
        let Some(pending_frames) = &mut tracking.pending_frames else {
            return;
        };
        let pending_frames = &mut pending_frames[dir.index()];
        if let Some(first) = conversation.waits_since(dir) {
            let told = pending_frames
                .iter()
                .position(|frame| *frame == first.frame);
            pending_frames.drain(..told.unwrap_or_default());
        } else {
            pending_frames.clear();
            pending_frames.shrink_to(FEW);
        }
    }
}

/// A message's bytes may have been nothing but framing, or wait behind its beginning. (A burst has
/// none of which no text is told, and what waits behind it may be something else.)
fn note_framing(tracking: &mut Tracking, id: MessageId) {
    if let Some((open, Some(pending_frames))) = tracking.open_with_frames(id)
        && !is_burst(open.begin.kind)
    {
        open.note_frames(pending_frames);
    }
}

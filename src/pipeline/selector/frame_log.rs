//! The frames of a message, for `-O` and for views that list them: every frame that carried bytes
//! of it, even if its bytes were buffered before they were emitted.
//!
//! At most [`FRAMES`] per message.

use crate::dissect::FlowDissector;
use crate::flow::Direction;
use crate::message::MessageId;
use crate::pipeline::flow_state::{FRAMES, Tracking};
use crate::stream::PacketInfo;

use super::Selector;
use super::messages::is_burst;

/// Capacity that an empty list keeps, in frames.
const FEW: usize = 16;

impl Selector {
    /// Whether frames are recorded.
    pub(super) fn records_frames(&self) -> bool {
        self.outputs.recorder.is_some() || self.options.frames
    }

    /// Bytes of a direction are about to be dissected.
    pub(super) fn note_pending(&self, tracking: &mut Tracking, dir: Direction, by: &PacketInfo) {
        let pending_frames = &mut tracking.pending_frames.get_or_insert_default()[dir.index()];
        if pending_frames.len() < FRAMES {
            pending_frames.extend_from_slice(self.frames_of(&[by.frame]));
        }
    }

    /// Text of an open message was emitted.
    pub(super) fn note_frames(&self, tracking: &mut Tracking, id: MessageId, by: &PacketInfo) {
        let Some((open, pending_frames)) = tracking.open_with_frames(id) else {
            return;
        };
        match pending_frames {
            Some(pending_frames) => open.note_frames(pending_frames),
            // A datagram, whose bytes are never buffered.
            None => open.note_frames(self.frames_of(&[by.frame])),
        }
    }

    /// An open message ends: the remaining bytes of the current packet belong to the
    /// next message.
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

    /// The frames of the current packet: `one` unless it was reassembled from fragments.
    pub(super) fn frames_of<'f>(&'f self, one: &'f [u64; 1]) -> &'f [u64] {
        match &*self.fragments {
            [] => one,
            fragments => fragments,
        }
    }
}

/// Drops the frames whose bytes were all emitted; keeps those of buffered bytes.
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
            let emitted = pending_frames
                .iter()
                .position(|frame| *frame == first.frame);
            pending_frames.drain(..emitted.unwrap_or_default());
        } else {
            pending_frames.clear();
            pending_frames.shrink_to(FEW);
        }
    }
}

/// Assigns the pending frames to the open message: its bytes may be framing only, or buffered after
/// its start. Not for a burst, which emits all its bytes; buffered bytes after it may belong to
/// another kind of message.
fn note_framing(tracking: &mut Tracking, id: MessageId) {
    if let Some((open, Some(pending_frames))) = tracking.open_with_frames(id)
        && !is_burst(open.begin.kind)
    {
        open.note_frames(pending_frames);
    }
}

//! The frames of a message, for `-O` and for views that name them: each that brought bytes of it,
//! though they had to wait for others before anything was told.

use crate::dissect::Conversation;
use crate::flow::Direction;
use crate::pipeline::memory::{FRAMES, State};
use crate::stream::Carrier;

use super::Desk;
use super::messages::is_burst;

/// Frames for which a direction keeps room.
const FEW: usize = 16;

impl Desk {
    /// Somebody wants to know them.
    pub(super) fn wants_frames(&self) -> bool {
        self.show.recorder.is_some() || self.orders.frames
    }

    /// Bytes of a direction are about to be read.
    pub(super) fn bring(&self, state: &mut State, dir: Direction, by: &Carrier) {
        let untold = &mut state.untold.get_or_insert_default()[dir.index()];
        if untold.len() < FRAMES {
            untold.extend_from_slice(self.frames_of(&[by.frame]));
        }
    }

    /// Text was told of the open message of a direction.
    pub(super) fn note_frames(&self, state: &mut State, dir: Direction, by: &Carrier) {
        let Some(open) = &mut state.open[dir.index()] else {
            return;
        };
        match &state.untold {
            Some(untold) => open.note_frames(&untold[dir.index()]),
            // A datagram, which never waits.
            None => open.note_frames(self.frames_of(&[by.frame])),
        }
    }

    /// The open message of a direction is over: what the packet in hand has behind it belongs to
    /// the next one.
    pub(super) fn end_frames(&self, state: &mut State, dir: Direction) {
        note_framing(state, dir);
        if let Some(untold) = &mut state.untold {
            let untold = &mut untold[dir.index()];
            let earlier = untold.len().saturating_sub(self.frames_of(&[0]).len());
            untold.drain(..earlier);
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
pub(super) fn keep_untold(state: &mut State, conversation: &Conversation) {
    for dir in [Direction::ToServer, Direction::ToClient] {
        note_framing(state, dir);
        let Some(untold) = &mut state.untold else {
            return;
        };
        let untold = &mut untold[dir.index()];
        if let Some(first) = conversation.waits_since(dir) {
            let told = untold.iter().position(|frame| *frame == first.frame);
            untold.drain(..told.unwrap_or_default());
        } else {
            untold.clear();
            untold.shrink_to(FEW);
        }
    }
}

/// A message's bytes may have been nothing but framing, or wait behind its beginning. (A burst has
/// none of which no text is told, and what waits behind it may be something else.)
fn note_framing(state: &mut State, dir: Direction) {
    if let (Some(open), Some(untold)) = (&mut state.open[dir.index()], &state.untold)
        && !is_burst(open.begin.kind)
    {
        open.note_frames(&untold[dir.index()]);
    }
}

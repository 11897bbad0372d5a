//! A *parked* stream driver: what has to be remembered of a connection in which nothing is open.
//! It takes a few hundred bytes, because there may be very many idle connections, and a driver that
//! is restored from it goes on as if it had never been parked.

use std::any::Any;

use super::PerDirection;
use super::direction::{DirectionBuffer, Mode, Place};
use super::raw::ParkedBurst;

/// The state of a protocol's dissector in which nothing is open. Only the dissector that made it
/// knows its type.
pub(super) type State = Box<dyn Any + Send>;

/// The state of a driver in which nothing is open.
pub(super) struct Parked {
    pub(super) directions: PerDirection<ParkedDirection>,
    /// The name of the dissector's protocol, and its state.
    pub(super) dissector: Option<(&'static str, State)>,
}

/// The state of a direction without buffered bytes.
pub(super) struct ParkedDirection {
    /// The bytes that the dissector needs; `None` in [`Mode::Raw`].
    need: Option<u32>,
    burst: ParkedBurst,
    place: Option<Place>,
}

impl ParkedDirection {
    /// Restores the direction.
    pub(super) fn restore(self) -> DirectionBuffer {
        DirectionBuffer {
            mode: self
                .need
                .map_or(Mode::Raw, |need| Mode::Need(need as usize)),
            burst: self.burst.restore(),
            place: self.place,
            ..DirectionBuffer::default()
        }
    }
}

impl DirectionBuffer {
    /// Whether it is between two messages, and has nothing buffered.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.mode, Mode::Raw | Mode::Need(_))
            && self.waiting.is_empty()
            && self.missed.is_none()
            && self.burst.is_idle()
    }

    /// What has to be remembered of it while it [is idle](Self::is_idle).
    pub(super) fn park(&self) -> ParkedDirection {
        ParkedDirection {
            need: match self.mode {
                Mode::Need(need) => Some(u32::try_from(need).unwrap_or(u32::MAX)),
                Mode::Raw | Mode::Body(_) | Mode::Skip(_) => None,
            },
            burst: self.burst.park(),
            place: self.place,
        }
    }
}

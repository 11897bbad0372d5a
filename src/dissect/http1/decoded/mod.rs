//! *Decoded bodies*: what was done to a body for the way is undone before it is told, as it comes, in constant memory.
//!
//! ```text
//! Body ──bytes──▶ Stage ──▶ ... ──▶ Stage ──▶ Text ──▶ told
//!                 (undoes the last coding)    (characters become UTF-8)
//! ```
//!
//! A flow whose bodies carry no coding holds no [`Chain`], and its bytes are told where they lie.

mod brotli;
mod charset;
mod codings;
mod deflate;
mod events;
mod gzip;
mod stage;
#[cfg(test)]
mod tests;
mod zstd;

pub(super) use self::charset::{charset_of, parameter as charset_parameter};
pub(super) use self::codings::Codings;
pub(super) use self::events::is_event_stream;

use encoding_rs::Encoding;

use self::charset::Text;
use self::events::Events;
use self::stage::{Bounds, Piece, Stage, Swells};
use super::super::voice::Voice;
use crate::flow::Direction;
use crate::message::{BodyFacts, Decoding, Part};

/// A character set that is none of UTF-8's.
pub(super) type Charset = &'static Encoding;

/// What is to be undone to a body, as its head says.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Plan {
    /// The codings, in the order they were applied.
    pub(super) codings: Codings,
    /// What its characters are encoded in, if that is not UTF-8.
    pub(super) charset: Option<Charset>,
    /// Its text is a stream of events, which are counted.
    pub(super) events: bool,
}

impl Plan {
    /// Nothing is: the body is told as it is sent.
    pub(super) fn is_none(&self) -> bool {
        self.codings.undoable().is_empty() && self.charset.is_none()
    }
}

/// The body of a direction's open message. Its calls: [`Self::begin`] behind the head, any number of the others,
/// [`Self::finish`] behind the last byte, and [`Self::facts`] when the message ends.
#[derive(Default)]
pub(super) struct Body {
    /// Bytes so far, as sent.
    wire: u64,
    /// What was done to them; what the chain says is not in it yet.
    state: Decoding,
    /// What undoes the codings; `None` when the bytes are told as they are.
    chain: Option<Box<Chain>>,
    /// The events of its text, if it is a stream of them.
    events: Option<Events>,
}

/// All that is undone to one body.
struct Chain {
    /// What undoes each coding; the last one that was applied comes first. At most [`crate::limits::CODINGS`].
    stages: Vec<Stage>,
    text: Text,
}

impl Body {
    /// A body begins.
    pub(super) fn begin(&mut self, plan: Plan, voice: &Voice<'_>) {
        *self = Self {
            events: plan.events.then(Events::default),
            ..Self::default()
        };
        if plan.is_none() {
            return;
        }
        let codings = plan.codings.undoable();
        let mut stages = Vec::with_capacity(codings.len());
        for coding in codings.iter().rev().flatten() {
            let Some(stage) = Stage::new(*coding, voice.decoders, voice.limits.decoders) else {
                self.state = Decoding::NoRoom;
                return;
            };
            stages.push(stage);
        }
        // Text that stays compressed has no characters.
        let charset = plan.charset.filter(|_| plan.codings.are_known());
        if !stages.is_empty() || charset.is_some() {
            let text = Text::new(charset);
            self.chain = Some(Box::new(Chain { stages, text }));
        }
    }

    /// Its next bytes.
    pub(super) fn push(&mut self, dir: Direction, bytes: &[u8], voice: &mut Voice<'_>) {
        let len = bytes.len() as u64;
        self.wire = self.wire.saturating_add(len);
        if let Some(chain) = &mut self.chain {
            let bounds = Bounds {
                wire: self.wire,
                free: voice.limits.decoded,
            };
            let events = &mut self.events;
            let tell = &mut |text: &[u8]| tell(events, dir, text, voice);
            let passed = pass(
                &mut chain.stages,
                &mut chain.text,
                bounds,
                Piece::Decoded(bytes),
                tell,
            );
            if let Err(Swells { at }) = passed {
                self.cut(bytes.len().saturating_sub(at), voice);
            }
        } else if self.state == Decoding::Cut {
            skip(len, voice);
        } else {
            tell(&mut self.events, dir, bytes, voice);
        }
    }

    /// Bytes are missing behind those. No coding can be undone behind a hole; characters can.
    pub(super) fn hole(&mut self, dir: Direction, voice: &mut Voice<'_>) {
        if let Some(chain) = &mut self.chain
            && chain.stages.is_empty()
            && chain
                .text
                .hole(&mut |text| tell(&mut self.events, dir, text, voice))
        {
            return;
        }
        self.give_up(dir, voice);
    }

    /// Nothing can be decoded any more: what is held, and all that follows, is told as sent.
    pub(super) fn give_up(&mut self, dir: Direction, voice: &mut Voice<'_>) {
        if self.chain.is_some() {
            self.settle(dir, false, voice);
            if matches!(self.state, Decoding::AsSent | Decoding::Decoded) {
                self.state = Decoding::Broken;
            }
        }
    }

    /// It is over; `whole`: by its own framing. What is held is told.
    pub(super) fn finish(&mut self, dir: Direction, whole: bool, voice: &mut Voice<'_>) {
        if self.chain.is_some() {
            self.settle(dir, whole, voice);
        }
    }

    /// What became of it, unless it had no bytes. It is counted, and forgotten.
    pub(super) fn facts(&mut self, voice: &mut Voice<'_>) -> Option<BodyFacts> {
        let Self {
            wire,
            state,
            events,
            ..
        } = std::mem::take(self);
        if wire == 0 {
            return None;
        }
        let stats = &mut *voice.stats;
        let counter = match state {
            Decoding::AsSent | Decoding::Decoded => None,
            Decoding::Broken => Some(&mut stats.broken_bodies),
            Decoding::Cut => Some(&mut stats.bombs),
            Decoding::NoRoom => Some(&mut stats.undecoded_bodies),
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        Some(BodyFacts {
            wire,
            state,
            events: events.as_ref().map(Events::count),
        })
    }

    /// Ends the chain, and takes note of how it went.
    fn settle(&mut self, dir: Direction, whole: bool, voice: &mut Voice<'_>) {
        let Some(mut chain) = self.chain.take() else {
            return;
        };
        let bounds = Bounds {
            wire: self.wire,
            free: voice.limits.decoded,
        };
        let events = &mut self.events;
        let tell = &mut |text: &[u8]| tell(events, dir, text, voice);
        match chain.finish(whole, bounds, tell) {
            Ok(state) => self.state = state,
            Err(Swells { .. }) => self.cut(0, voice),
        }
    }

    /// Stops decoding; the last `left` bytes that came are not told.
    fn cut(&mut self, left: usize, voice: &mut Voice<'_>) {
        self.chain = None;
        self.state = Decoding::Cut;
        skip(left as u64, voice);
    }
}

impl Chain {
    /// Tells what is held; says what was done to the body.
    fn finish(
        &mut self,
        whole: bool,
        bounds: Bounds,
        tell: &mut dyn FnMut(&[u8]),
    ) -> Result<Decoding, Swells> {
        let mut state = Decoding::Decoded;
        let mut stages = &mut *self.stages;
        while let Some((stage, later)) = stages.split_first_mut() {
            stage.finish(whole, &mut |piece| {
                pass(later, &mut self.text, bounds, piece, tell)
            })?;
            if state == Decoding::Decoded {
                state = stage.state();
            }
            stages = later;
        }
        self.text.finish(tell);
        Ok(state)
    }
}

/// Passes a piece through the stages, then to the text.
fn pass(
    stages: &mut [Stage],
    text: &mut Text,
    bounds: Bounds,
    piece: Piece<'_>,
    tell: &mut dyn FnMut(&[u8]),
) -> Result<(), Swells> {
    let Some((stage, later)) = stages.split_first_mut() else {
        text.push(piece, tell);
        return Ok(());
    };
    stage.push(piece, bounds, &mut |piece| {
        pass(later, text, bounds, piece, tell)
    })
}

/// Tells text of a body.
#[inline]
fn tell(events: &mut Option<Events>, dir: Direction, text: &[u8], voice: &mut Voice<'_>) {
    if let Some(events) = events {
        events.push(text);
    }
    voice.text(dir, Part::Body, text);
}

/// Counts bytes that are not told.
fn skip(len: u64, voice: &mut Voice<'_>) {
    voice.stats.undecoded_bytes = voice.stats.undecoded_bytes.saturating_add(len);
}

//! Decoding of bodies: undoes the codings and the character set of a body as its bytes arrive, in
//! bounded memory. No byte is lost: what cannot be decoded is emitted as sent, and what exceeds the
//! expansion limit is counted.
//!
//! ```text
//! Body ──bytes──▶ Chain ──▶ text of the message
//!                   └─────▶ other readings, if it is doubtful how the body is coded
//! ```
//!
//! A flow whose bodies carry no coding allocates no [`Chain`], and its bytes are emitted without a
//! copy.

mod brotli;
mod chain;
mod charset;
mod codings;
mod dechunk;
mod deflate;
mod events;
mod gzip;
mod look;
mod stage;
#[cfg(test)]
pub(in crate::dissect) mod tests;
mod text;
mod zstd;

pub(in crate::dissect) use self::charset::{charset_of, parameter as charset_parameter};
pub(in crate::dissect) use self::codings::{Codings, Hints};
pub(in crate::dissect) use self::deflate::Inflate;
pub(in crate::dissect) use self::events::is_event_stream;
pub(in crate::dissect) use self::stage::{ExpansionLimit, Failure};

use encoding_rs::Encoding;

use self::chain::{Chain, Look, Outcome};
use self::events::Events;
use self::look::{About, Media, is_doubtful};
use self::stage::{Bounds, Stage};
use self::text::TextSink;
use super::super::budget::Reservation;
use super::super::output::Output;
use crate::limits::{READING_KEPT, READINGS};
use crate::message::{BodyFacts, Decoding, MessageId, Part, Parts};

/// A character set other than UTF-8.
pub(in crate::dissect) type Charset = &'static Encoding;

/// What must be undone to get the text of a body, as declared by its head.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::dissect) struct Plan<'h> {
    /// The codings, in the order in which they were applied.
    pub(in crate::dissect) codings: Codings,
    /// The character set, unless it is UTF-8.
    pub(in crate::dissect) charset: Option<Charset>,
    /// The character set of a second `Content-Type`.
    pub(in crate::dissect) other_charset: Option<Charset>,
    /// The value of `Content-Type`.
    pub(in crate::dissect) media: Option<&'h [u8]>,
    /// Whether `Content-Type` declares a character set.
    pub(in crate::dissect) labelled: bool,
    /// What a head that breaks the rules may mean in addition.
    pub(in crate::dissect) hints: Hints,
    /// Whether the text is an event stream, whose events are counted.
    pub(in crate::dissect) events: bool,
}

impl Plan<'_> {
    fn media(&self) -> Media {
        match Media::of(self.media.unwrap_or_default()) {
            // The declaration in the head takes precedence over one in the text.
            Media::Markup if self.labelled => Media::Text,
            media => media,
        }
    }

    /// Whether the head declares nothing that must be undone.
    fn is_none(&self) -> bool {
        let chars = self.charset.is_none() && self.other_charset.is_none();
        self.codings.is_none() && chars && !self.hints.has_unmarked()
    }

    /// Whether `body`, which is complete, is emitted as sent.
    pub(in crate::dissect) fn leaves(&self, body: &[u8]) -> bool {
        self.is_none() && !is_doubtful(body, true, || self.media())
    }
}

/// The body of a direction's open message. Call [`Self::begin`] after the head, any number of the
/// others, [`Self::finish`] after the last byte, and [`Self::facts`] when the message ends.
#[derive(Default)]
pub(in crate::dissect) struct Body {
    /// Number of bytes so far, as sent.
    wire: u64,
    /// How the bytes were decoded, without the state of the open chain.
    state: Decoding,
    /// The actual form of the bytes, if it differs from what the head declares.
    reading: Option<&'static str>,
    /// The type of a body without a chain, until its first bytes were examined.
    fresh: Option<Media>,
    /// Decodes the bytes; `None` if they are emitted as sent.
    chain: Option<Box<Chain>>,
    /// The other readings: the memory that is reserved for each.
    readings: Vec<Reservation>,
    /// The number of the reading as sent: all bytes with their framing, which may be body.
    sent: Option<u8>,
    /// The event counter, if the text is an event stream.
    events: Option<Events>,
}

/// Emits the text of a body and of its readings.
struct TextEmitter<'t, 'v> {
    id: MessageId,
    out: &'t mut Output<'v>,
    readings: &'t mut Vec<Reservation>,
    events: &'t mut Option<Events>,
}

impl<'t, 'v> TextEmitter<'t, 'v> {
    const fn new(
        id: MessageId,
        out: &'t mut Output<'v>,
        (readings, events): (&'t mut Vec<Reservation>, &'t mut Option<Events>),
    ) -> Self {
        Self {
            id,
            out,
            readings,
            events,
        }
    }
}

impl TextSink for TextEmitter<'_, '_> {
    fn text(&mut self, reading: Option<u8>, bytes: &[u8]) {
        match reading {
            None => {
                if let Some(events) = self.events {
                    events.push(bytes);
                }
                self.out.text(self.id, Part::Body, bytes);
            }
            Some(reading) => self.out.reading(self.id, reading, bytes),
        }
    }

    fn fork(&mut self, name: &'static str) -> Option<u8> {
        let number = u8::try_from(self.readings.len()).ok()?;
        if self.readings.len() >= READINGS {
            return None;
        }
        let limit = self.out.limits.decoders;
        let Some(reservation) = Reservation::new(self.out.decoders, READING_KEPT, limit) else {
            let counter = &mut self.out.stats.undecoded_bodies;
            *counter = counter.saturating_add(1);
            return None;
        };
        self.readings.push(reservation);
        self.out.fork(self.id, number, name);
        Some(number)
    }

    fn drop_reading(&mut self) {
        let counter = &mut self.out.stats.bombs;
        *counter = counter.saturating_add(1);
    }
}

/// Bytes that a chain holds beside what its decoders are charged with: the first bytes of a body
/// that are looked at, and its outputs. About.
const CHAIN: usize = 2 << 10;

impl Body {
    /// Bytes of memory that it has allocated, about, without what the decoders' budget counts.
    pub(in crate::dissect) fn held(&self) -> usize {
        usize::from(self.chain.is_some()) * CHAIN
    }

    /// Starts a body.
    pub(in crate::dissect) fn begin(&mut self, plan: &Plan<'_>, out: &Output<'_>) {
        debug_assert!(
            self.chain.is_none() && self.readings.is_empty(),
            "the last one is over"
        );
        self.events = plan.events.then(Events::default);
        let media = plan.media();
        if plan.is_none() {
            self.fresh = Some(media);
            return;
        }
        let codings = plan.codings.undoable();
        let mut stages = Vec::with_capacity(codings.len());
        for coding in codings.iter().rev().flatten() {
            let Some(stage) = Stage::new(*coding, out.decoders, out.limits.decoders) else {
                self.state = Decoding::NoRoom;
                return;
            };
            stages.push(stage);
        }
        self.chain = Some(Box::new(Chain::new(stages, look(plan, media, out))));
    }

    /// Resets for use with another flow. The test is cheap, since the last body is usually
    /// complete.
    pub(in crate::dissect) fn reset(&mut self) {
        let open = self.fresh.is_some() || self.chain.is_some() || self.wire > 0;
        if open || self.state != Decoding::AsSent || !self.readings.is_empty() {
            *self = Self::default();
        }
    }

    /// Starts a reading of all later bytes as sent, including those that are taken for framing.
    pub(in crate::dissect) fn search_as_sent(&mut self, id: MessageId, out: &mut Output<'_>) {
        let mut emitter = TextEmitter::new(id, out, (&mut self.readings, &mut self.events));
        self.sent = emitter.fork("sent");
    }

    /// Records the actual form of the body, which differs from what its head declares.
    pub(in crate::dissect) const fn read_as(&mut self, name: &'static str) {
        self.reading = Some(name);
    }

    /// Records that the body is read as sent, although it was declared to be chunked.
    pub(in crate::dissect) fn read_without_chunks(&mut self) {
        self.reading = Some("sent");
        if let Some(chain) = &mut self.chain {
            chain.doubt_chunks();
        }
    }

    /// Whether no byte of the body has arrived.
    pub(in crate::dissect) const fn is_empty(&self) -> bool {
        self.wire == 0
    }

    /// Takes bytes of framing.
    pub(in crate::dissect) fn framing(&self, id: MessageId, bytes: &[u8], out: &mut Output<'_>) {
        out.framing(bytes.len());
        if let Some(reading) = self.sent {
            out.reading(id, reading, bytes);
        }
    }

    /// Takes the next bytes of the body.
    pub(in crate::dissect) fn push(&mut self, id: MessageId, bytes: &[u8], out: &mut Output<'_>) {
        let len = bytes.len() as u64;
        self.wire = self.wire.saturating_add(len);
        if let Some(reading) = self.sent {
            out.reading(id, reading, bytes);
        }
        if let Some(media) = self.fresh.take()
            && (self.reading.is_some() || is_doubtful(bytes, false, || media))
        {
            let plan = Plan {
                hints: Hints {
                    chunked: self.reading.is_some(),
                    ..Hints::NONE
                },
                ..Plan::default()
            };
            self.chain = Some(Box::new(Chain::new(Vec::new(), look(&plan, media, out))));
        }
        let bounds = self.bounds(out);
        if let Some(chain) = &mut self.chain {
            let mut emitter = TextEmitter::new(id, out, (&mut self.readings, &mut self.events));
            if let Err(ExpansionLimit { at }) = chain.push(bytes, bounds, &mut emitter) {
                self.cut(bytes.len().saturating_sub(at), out);
            }
        } else if self.state == Decoding::Cut {
            skip(len, out);
        } else {
            if let Some(events) = &mut self.events {
                events.push(bytes);
            }
            out.text(id, Part::Body, bytes);
        }
    }

    /// Handles a gap. A character set can be decoded after a gap, a coding cannot.
    pub(in crate::dissect) fn gap(&mut self, id: MessageId, out: &mut Output<'_>) {
        // The bytes after a gap are not the first of the body.
        self.fresh = None;
        let bounds = self.bounds(out);
        if let Some(chain) = &mut self.chain {
            let mut emitter = TextEmitter::new(id, out, (&mut self.readings, &mut self.events));
            if chain.gap(bounds, &mut emitter) {
                return;
            }
        }
        self.give_up(id, out);
    }

    /// Stops decoding: buffered bytes and all later ones are emitted as sent.
    pub(in crate::dissect) fn give_up(&mut self, id: MessageId, out: &mut Output<'_>) {
        self.fresh = None;
        if self.chain.is_some() {
            self.end_chain(id, false, out);
            if self.state == Decoding::Decoded {
                self.state = Decoding::Broken;
            }
        }
    }

    /// Ends the body and emits buffered bytes. `whole` means that its own framing ended it.
    pub(in crate::dissect) fn finish(&mut self, id: MessageId, whole: bool, out: &mut Output<'_>) {
        if self.chain.is_some() {
            self.end_chain(id, whole, out);
        }
    }

    /// The limits of expansion.
    fn bounds(&self, out: &Output<'_>) -> Bounds {
        Bounds {
            wire: self.wire,
            free: out.limits.decoded,
        }
    }

    /// Returns the facts of the body, unless it was empty; counts its state and resets it.
    pub(in crate::dissect) fn facts(&mut self, out: &mut Output<'_>) -> Option<BodyFacts> {
        let wire = std::mem::take(&mut self.wire);
        let (state, reading) = (std::mem::take(&mut self.state), self.reading.take());
        let events = self.events.take();
        (self.fresh, self.chain, self.sent) = (None, None, None);
        self.readings.clear();
        if wire == 0 {
            return None;
        }
        let stats = &mut *out.stats;
        let counter = match state {
            Decoding::AsSent | Decoding::Decoded => None,
            Decoding::Broken | Decoding::NoStart => Some(&mut stats.broken_bodies),
            Decoding::Cut => Some(&mut stats.bombs),
            Decoding::NoRoom => Some(&mut stats.undecoded_bodies),
        };
        if let Some(counter) = counter {
            *counter = counter.saturating_add(1);
        }
        Some(BodyFacts {
            wire,
            state,
            reading,
            parts: events.as_ref().map(|events| Parts {
                count: events.count(),
                noun: "event",
                always: false,
            }),
            reset: None,
        })
    }

    /// Ends the chain and records its outcome.
    fn end_chain(&mut self, id: MessageId, whole: bool, out: &mut Output<'_>) {
        let bounds = self.bounds(out);
        let Some(mut chain) = self.chain.take() else {
            return;
        };
        let mut emitter = TextEmitter::new(id, out, (&mut self.readings, &mut self.events));
        match chain.finish(whole, bounds, &mut emitter) {
            Ok(Outcome { state, reading }) => {
                self.state = state;
                self.reading = reading.or(self.reading);
            }
            Err(ExpansionLimit { .. }) => self.cut(0, out),
        }
    }

    /// Stops decoding. The last `left` bytes in hand are only counted.
    fn cut(&mut self, left: usize, out: &mut Output<'_>) {
        self.chain = None;
        self.state = Decoding::Cut;
        skip(left as u64, out);
    }
}

/// The context for examining the first bytes of a body.
fn look(plan: &Plan<'_>, media: Media, out: &Output<'_>) -> Look {
    Look {
        about: About {
            media,
            hints: plan.hints,
            mistaken: false,
        },
        charset: plan.charset,
        other: plan.other_charset,
        unknown: !plan.codings.are_known(),
        budget: out.decoders.clone(),
        limit: out.limits.decoders,
        held: Vec::new(),
    }
}

/// Counts bytes that are not emitted.
fn skip(len: u64, out: &mut Output<'_>) {
    out.stats.undecoded_bytes = out.stats.undecoded_bytes.saturating_add(len);
}

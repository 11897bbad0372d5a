//! *Decoded bodies*: what was done to a body for the way is undone before it is told, as it comes,
//! in constant memory.
//!
//! ```text
//! Body ──bytes──▶ Chain ──▶ told
//!                   └─────▶ other readings, where it is doubtful what was done
//! ```
//!
//! A flow whose bodies carry no coding holds no [`Chain`], and its bytes are told where they lie.

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
pub(in crate::dissect) use self::events::is_event_stream;

use encoding_rs::Encoding;

use self::chain::{Chain, Look, Outcome};
use self::events::Events;
use self::look::{About, Media, is_doubtful};
use self::stage::{Bounds, ExpansionLimit, Stage};
use self::text::Listener;
use super::super::budget::Reservation;
use super::super::output::Output;
use crate::limits::{READING_KEPT, READINGS};
use crate::message::{BodyFacts, Decoding, MessageId, Part};

/// A character set that is none of UTF-8's.
pub(in crate::dissect) type Charset = &'static Encoding;

/// What is to be undone to a body, as its head says.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::dissect) struct Plan<'h> {
    /// The codings, in the order they were applied.
    pub(in crate::dissect) codings: Codings,
    /// What its characters are encoded in, if that is not UTF-8.
    pub(in crate::dissect) charset: Option<Charset>,
    /// The same by a second `Content-Type`.
    pub(in crate::dissect) other_charset: Option<Charset>,
    /// Its `Content-Type`.
    pub(in crate::dissect) media: Option<&'h [u8]>,
    /// That says what its characters are encoded in.
    pub(in crate::dissect) labelled: bool,
    /// What a head that breaks the rules may mean beside that.
    pub(in crate::dissect) hints: Hints,
    /// Its text is a stream of events, which are counted.
    pub(in crate::dissect) events: bool,
}

impl Plan<'_> {
    fn media(&self) -> Media {
        match Media::of(self.media.unwrap_or_default()) {
            // What the head says counts more than what the text does.
            Media::Markup if self.labelled => Media::Text,
            media => media,
        }
    }

    /// Nothing is by what the head says.
    fn is_none(&self) -> bool {
        let chars = self.charset.is_none() && self.other_charset.is_none();
        self.codings.is_none() && chars && !self.hints.has_unmarked()
    }

    /// Nothing is to this body, all of which is there: it is told as it was sent.
    pub(in crate::dissect) fn leaves(&self, body: &[u8]) -> bool {
        self.is_none() && !is_doubtful(body, true, || self.media())
    }
}

/// The body of an open message. Its calls: [`Self::begin`] behind the head, any number
/// of the others, [`Self::finish`] behind the last byte, and [`Self::facts`] when the message ends.
#[derive(Default)]
pub(in crate::dissect) struct Body {
    /// Bytes so far, as sent.
    wire: u64,
    /// What was done to them; what the chain says is not in it yet.
    state: Decoding,
    /// What the bytes were taken for, where that is not what the head says.
    reading: Option<&'static str>,
    /// What it is for, until its first bytes were looked at.
    fresh: Option<Media>,
    /// What undoes the codings; `None` when the bytes are told as they are.
    chain: Option<Box<Chain>>,
    /// Other readings, by the memory they are charged with.
    readings: Vec<Reservation>,
    /// The one of all bytes with their framing, which may be none.
    sent: Option<u8>,
    /// The events of its text, if it is a stream of them.
    events: Option<Events>,
}

/// Tells the text of a body and of its readings.
struct Teller<'t, 'v> {
    id: MessageId,
    out: &'t mut Output<'v>,
    readings: &'t mut Vec<Reservation>,
    events: &'t mut Option<Events>,
}

impl<'t, 'v> Teller<'t, 'v> {
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

impl Listener for Teller<'_, '_> {
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
        let Some(charge) = Reservation::new(self.out.decoders, READING_KEPT, limit) else {
            let counter = &mut self.out.stats.undecoded_bodies;
            *counter = counter.saturating_add(1);
            return None;
        };
        self.readings.push(charge);
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

    /// A body begins.
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

    /// Forgets all, for another flow. Mostly there is nothing: the last one is over.
    pub(in crate::dissect) fn reset(&mut self) {
        let open = self.fresh.is_some() || self.chain.is_some() || self.wire > 0;
        if open || self.state != Decoding::AsSent || !self.readings.is_empty() {
            *self = Self::default();
        }
    }

    /// All bytes from here on are another reading, with what is taken for framing.
    pub(in crate::dissect) fn search_as_sent(&mut self, id: MessageId, out: &mut Output<'_>) {
        let mut teller = Teller::new(id, out, (&mut self.readings, &mut self.events));
        self.sent = teller.fork("sent");
    }

    /// It is read in this way, which is not what its head says.
    pub(in crate::dissect) const fn read_as(&mut self, name: &'static str) {
        self.reading = Some(name);
    }

    /// It is read as sent, although it was said to come in chunks.
    pub(in crate::dissect) fn read_without_chunks(&mut self) {
        self.reading = Some("sent");
        if let Some(chain) = &mut self.chain {
            chain.doubt_chunks();
        }
    }

    /// No byte of it came yet.
    pub(in crate::dissect) const fn is_empty(&self) -> bool {
        self.wire == 0
    }

    /// Bytes that frame it.
    pub(in crate::dissect) fn framing(&self, id: MessageId, bytes: &[u8], out: &mut Output<'_>) {
        out.framing(bytes.len());
        if let Some(reading) = self.sent {
            out.reading(id, reading, bytes);
        }
    }

    /// Its next bytes.
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
            let mut teller = Teller::new(id, out, (&mut self.readings, &mut self.events));
            if let Err(ExpansionLimit { at }) = chain.push(bytes, bounds, &mut teller) {
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

    /// Bytes are missing behind those. No coding can be undone behind a hole; characters can.
    pub(in crate::dissect) fn hole(&mut self, id: MessageId, out: &mut Output<'_>) {
        // What is behind a hole is not the first of it.
        self.fresh = None;
        let bounds = self.bounds(out);
        if let Some(chain) = &mut self.chain {
            let mut teller = Teller::new(id, out, (&mut self.readings, &mut self.events));
            if chain.hole(bounds, &mut teller) {
                return;
            }
        }
        self.give_up(id, out);
    }

    /// Nothing can be decoded any more: what is held, and all that follows, is told as sent.
    pub(in crate::dissect) fn give_up(&mut self, id: MessageId, out: &mut Output<'_>) {
        self.fresh = None;
        if self.chain.is_some() {
            self.settle(id, false, out);
            if self.state == Decoding::Decoded {
                self.state = Decoding::Broken;
            }
        }
    }

    /// It is over; `whole`: by its own framing. What is held is told.
    pub(in crate::dissect) fn finish(&mut self, id: MessageId, whole: bool, out: &mut Output<'_>) {
        if self.chain.is_some() {
            self.settle(id, whole, out);
        }
    }

    /// What it may swell to.
    fn bounds(&self, out: &Output<'_>) -> Bounds {
        Bounds {
            wire: self.wire,
            free: out.limits.decoded,
        }
    }

    /// What became of it, unless it had no bytes. It is counted, and forgotten.
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
            reading,
            events: events.as_ref().map(Events::count),
            reset: None,
        })
    }

    /// Ends the chain, and takes note of how it went.
    fn settle(&mut self, id: MessageId, whole: bool, out: &mut Output<'_>) {
        let bounds = self.bounds(out);
        let Some(mut chain) = self.chain.take() else {
            return;
        };
        let mut teller = Teller::new(id, out, (&mut self.readings, &mut self.events));
        match chain.finish(whole, bounds, &mut teller) {
            Ok(Outcome { state, reading }) => {
                self.state = state;
                self.reading = reading.or(self.reading);
            }
            Err(ExpansionLimit { .. }) => self.cut(0, out),
        }
    }

    /// Stops decoding; the last `left` bytes that came are not told.
    fn cut(&mut self, left: usize, out: &mut Output<'_>) {
        self.chain = None;
        self.state = Decoding::Cut;
        skip(left as u64, out);
    }
}

/// What is needed to look at the first bytes of a body.
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

/// Counts bytes that are not told.
fn skip(len: u64, out: &mut Output<'_>) {
    out.stats.undecoded_bytes = out.stats.undecoded_bytes.saturating_add(len);
}

//! Alternative readings of an open message: each is searched as a text of its own, and shown if it
//! alone matches.
//!
//! At most [`crate::limits::READINGS`] per message.

use crate::limits::READING_KEPT;
use crate::message::{BodyFacts, Decoding, MessageId, Part};
use crate::pipeline::flow_state::{AltReading, OpenMessage, Tracking};
use crate::search::{KeepLimits, Query};
use crate::stream::GapReason;

use super::Selector;

impl Selector {
    /// Text of an alternative reading.
    #[cold]
    pub(super) fn reading(
        &mut self,
        tracking: &mut Tracking,
        id: MessageId,
        reading: u8,
        bytes: &[u8],
    ) {
        let Some(open) = tracking.open(id).as_deref_mut() else {
            return;
        };
        let Some(AltReading { unit, .. }) = open.readings.get_mut(usize::from(reading)) else {
            return;
        };
        let keep = KeepLimits {
            body: self.options.keep.body.min(READING_KEPT),
            // The text kept so far is enough to show.
            around: self.options.keep.around && !unit.is_full(),
            ..self.options.keep
        };
        unit.feed(&self.options.query, &keep, Part::Body, bytes, false);
    }
}

impl OpenMessage {
    /// Adds an alternative reading, which shares the message's text so far.
    #[cold]
    pub(super) fn fork(&mut self, name: &'static str) {
        let unit = Box::new(self.unit.clone());
        self.readings.push(AltReading { name, unit });
    }

    /// Records a gap in each reading.
    pub(super) fn missing(&mut self, query: &Query, len: u64, reason: GapReason) {
        self.unit.missing(query, len, reason);
        for reading in &mut self.readings {
            reading.unit.missing(query, len, reason);
        }
    }

    /// Ends the text of each reading; `truly`: it was not cut off. If the message's own text does
    /// not match, the first reading that does replaces it.
    pub(super) fn end(&mut self, query: &Query, truly: bool) {
        self.unit.end(query, truly);
        if self.readings.is_empty() {
            return;
        }
        for reading in &mut self.readings {
            reading.unit.end(query, truly);
        }
        // A message that was shown in part continues with its own text.
        if self.portions.is_some() || self.unit.holds(query) || self.unit.is_refused(query) {
            return;
        }
        let mut readings = std::mem::take(&mut self.readings).into_iter();
        if let Some(AltReading { name, unit }) = readings.find(|reading| reading.unit.holds(query))
        {
            self.unit = *unit;
            self.body = match name {
                // The body has the size as sent.
                "sent" => BodyFacts::default(),
                _ => BodyFacts {
                    state: Decoding::Decoded,
                    ..self.body
                },
            };
            self.body.reading = Some(name);
        }
    }
}

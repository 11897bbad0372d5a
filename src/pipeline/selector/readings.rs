//! Other readings of an open message: each is searched as a text of its own, and shown where it
//! alone matches.

use crate::limits::READING_KEPT;
use crate::message::{BodyFacts, Decoding, MessageId, Part};
use crate::pipeline::flow_state::{OpenMessage, Reading, Tracking};
use crate::search::{KeepLimits, Query};
use crate::stream::GapReason;

use super::Selector;

impl Selector {
    /// The next bytes of such a reading.
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
        let Some(Reading { unit, .. }) = open.readings.get_mut(usize::from(reading)) else {
            return;
        };
        let keep = KeepLimits {
            body: self.options.keep.body.min(READING_KEPT),
            // What is kept already is enough to show.
            around: self.options.keep.around && !unit.is_full(),
            ..self.options.keep
        };
        unit.feed(&self.options.query, &keep, Part::Body, bytes, false);
    }
}

impl OpenMessage {
    /// The message has another reading, which has its text so far in common with it.
    #[cold]
    pub(super) fn fork(&mut self, name: &'static str) {
        let unit = Box::new(self.unit.clone());
        self.readings.push(Reading { name, unit });
    }

    /// Bytes are missing, in each reading.
    pub(super) fn missing(&mut self, query: &Query, len: u64, reason: GapReason) {
        self.unit.missing(query, len, reason);
        for reading in &mut self.readings {
            reading.unit.missing(query, len, reason);
        }
    }

    /// The message is over, with its text's true end or cut off, in each reading. The first one
    /// that matches is what is shown if the message as it was told does not.
    pub(super) fn end(&mut self, query: &Query, truly: bool) {
        self.unit.end(query, truly);
        if self.readings.is_empty() {
            return;
        }
        for reading in &mut self.readings {
            reading.unit.end(query, truly);
        }
        // Of a message that was shown in part the rest follows.
        if self.portions.is_some() || self.unit.holds(query) || self.unit.is_refused(query) {
            return;
        }
        let mut readings = std::mem::take(&mut self.readings).into_iter();
        if let Some(Reading { name, unit }) = readings.find(|reading| reading.unit.holds(query)) {
            self.unit = *unit;
            self.body = match name {
                // It has the size that it was sent with.
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

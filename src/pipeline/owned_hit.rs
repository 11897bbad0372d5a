//! An owned copy of a hit: a message that another one may cause to be shown, as its context or as
//! its exchange partner.
//!
//! Its memory is charged by [`OwnedHit::size`].

use std::cell::Cell;
use std::ops::Range;

use crate::failure::Failed;
use crate::frame::Timestamp;
use crate::hit::{Carried, Heading, Hit, Piece, Portion, Text, Why};
use crate::message::{BodyFacts, Fact, HeadStyle, Kind, Role, Summary};
use crate::process::Ends;
use crate::times::Times;

/// An owned [`Hit`].
pub(super) struct OwnedHit {
    pub(super) number: u64,
    why: Why,
    heading: Heading,
    to_client: bool,
    kind: Kind,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    start: u64,
    carried: Carried,
    head: usize,
    began: Timestamp,
    brief: Summary,
    pub(super) frames: Vec<u64>,
    matches: Vec<Range<usize>>,
    styles: Vec<(Range<usize>, HeadStyle)>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    facts: Vec<Fact>,
    opaque: Option<String>,
    body_size: u64,
    body: BodyFacts,
    times: Option<Times>,
    incomplete: bool,
    failed: Option<Failed>,
    midstream: bool,
    pending: bool,
    /// Whether it was shown. It is shown at most once.
    shown: Cell<bool>,
}

/// Overhead in bytes of a kept message besides its text: the struct and its small allocations.
const OVERHEAD: usize = 1024;

impl OwnedHit {
    /// A copy of a message, with the reason for which it may be shown. `frames` are those that
    /// carried it.
    pub(super) fn new(hit: &Hit<'_>, frames: &[u64]) -> Self {
        Self {
            number: hit.number,
            why: hit.why,
            heading: hit.heading,
            to_client: hit.who.to_client,
            kind: hit.kind,
            bytes: hit.text.bytes.to_vec(),
            pieces: hit.text.pieces.to_vec(),
            start: hit.start,
            carried: hit.carried,
            head: hit.head,
            began: hit.began,
            brief: hit.brief,
            frames: frames.to_vec(),
            matches: hit.matches.to_vec(),
            styles: hit.styles.to_vec(),
            fields: hit.fields.to_vec(),
            facts: hit.facts.to_vec(),
            opaque: hit.opaque.map(str::to_owned),
            body_size: hit.body_size,
            body: hit.body,
            times: hit.times,
            incomplete: hit.incomplete,
            failed: hit.failed,
            midstream: hit.midstream,
            pending: hit.pending,
            shown: Cell::new(false),
        }
    }

    /// Whether it is a request of this number.
    pub(super) fn is_request(&self, number: u64) -> bool {
        self.kind.side == Role::Request && self.number == number
    }

    /// Marks it as shown. Returns whether it was not shown before.
    pub(super) fn is_to_be_shown(&self) -> bool {
        !self.shown.replace(true)
    }

    /// Approximate size in bytes.
    pub(super) fn size(&self) -> usize {
        let fields = self.fields.len() + self.styles.len() + self.matches.len();
        OVERHEAD + self.bytes.len() + 8 * self.frames.len() + 32 * fields
    }

    /// A borrowed hit.
    pub(super) fn hit(&self) -> Hit<'_> {
        Hit {
            number: self.number,
            why: self.why,
            heading: self.heading,
            // Looked up when it is shown.
            who: Ends {
                to_client: self.to_client,
                ..Ends::default()
            },
            kind: self.kind,
            portion: Portion::Whole,
            text: Text {
                bytes: &self.bytes,
                pieces: &self.pieces,
            },
            start: self.start,
            carried: self.carried,
            head: self.head,
            began: self.began,
            brief: self.brief,
            frames: &self.frames,
            matches: &self.matches,
            styles: &self.styles,
            fields: &self.fields,
            facts: &self.facts,
            opaque: self.opaque.as_deref(),
            body_size: self.body_size,
            body: self.body,
            times: self.times,
            incomplete: self.incomplete,
            failed: self.failed,
            aside: None,
            midstream: self.midstream,
            pending: self.pending,
        }
    }
}

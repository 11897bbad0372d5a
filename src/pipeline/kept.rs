//! A message kept whole, because another one may want it to be shown: a neighbour, or the other half of an exchange.

use std::ops::Range;

use crate::hit::{Heading, Hit, Piece, Portion, Text, Why};
use crate::message::{Fact, Kind, Role};

/// An owned [`Hit`].
pub(super) struct Kept {
    pub(super) number: u64,
    heading: Heading,
    kind: Kind,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    head: usize,
    matches: Vec<Range<usize>>,
    styles: Vec<(Range<usize>, Role)>,
    facts: Vec<Fact>,
    opaque: Option<String>,
    body_size: u64,
    wait: Option<i64>,
    took: Option<i64>,
    incomplete: bool,
    joined: bool,
}

impl Kept {
    pub(super) fn new(hit: &Hit<'_>) -> Self {
        Self {
            number: hit.number,
            heading: hit.heading,
            kind: hit.kind,
            bytes: hit.text.bytes.to_vec(),
            pieces: hit.text.pieces.to_vec(),
            head: hit.head,
            matches: hit.matches.to_vec(),
            styles: hit.styles.to_vec(),
            facts: hit.facts.to_vec(),
            opaque: hit.opaque.map(str::to_owned),
            body_size: hit.body_size,
            wait: hit.wait,
            took: hit.took,
            incomplete: hit.incomplete,
            joined: hit.joined,
        }
    }

    /// It as a hit that is shown as context.
    pub(super) fn hit(&self) -> Hit<'_> {
        Hit {
            number: self.number,
            why: Why::Context,
            heading: self.heading,
            kind: self.kind,
            portion: Portion::Whole,
            text: Text {
                bytes: &self.bytes,
                pieces: &self.pieces,
            },
            head: self.head,
            matches: &self.matches,
            styles: &self.styles,
            facts: &self.facts,
            opaque: self.opaque.as_deref(),
            body_size: self.body_size,
            wait: self.wait,
            took: self.took,
            incomplete: self.incomplete,
            aside: None,
            joined: self.joined,
        }
    }
}

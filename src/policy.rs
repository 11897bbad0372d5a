//! The *policy*: the user's decisions where a passive listener cannot know what the receiver did.
//!
//! Plain options; [`crate::reassemble`] applies them.

/// Which copy of a byte is used if copies differ and none is delivered yet (`--overlap`).
///
/// No choice is right for all receivers: PYROLYSE (2025) found 14 to 20 behaviours among 23 stacks.
/// So the copy that is not used is searched as well, out of stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overlap {
    /// The copy that came first (RFC 9293 section 3.10.7.4 trims later ones).
    #[default]
    First,
    /// The copy that came last.
    Last,
    /// The first copy, but a segment that begins at a lower sequence number wins (4.4BSD).
    Bsd,
    /// As `Bsd`, and a segment with the same start that is longer wins (Linux).
    Linux,
}

/// When TCP checksums are verified (`--checksum`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// When the result matters: for a RST, a FIN, and copies that differ. Also for the first
    /// segments of a run, after copies that differed, and by sampling, so that a damaged copy that
    /// comes first is not delivered.
    #[default]
    Auto,
    /// Always: a segment with a wrong checksum is searched out of stream.
    On,
    /// Never.
    Off,
}

/// The decisions of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// How differing copies are resolved.
    pub overlap: Overlap,
    /// When checksums are verified.
    pub checksum: Checksum,
}

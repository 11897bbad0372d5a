//! Finds secrets in text and replaces each with `***N***`, where N is its length in bytes. Takes
//! linear time for any input, and reports how offsets into the text move.
//!
//! Redacted wherever they are in a message:
//! - the value of a header field, parameter, form field, JSON member or line `name: value` whose
//!   name is that of a secret (listed in [`names`]). The scheme of `Authorization` and the names
//!   and attributes of cookies are kept: `Authorization: Bearer ***32***`, `Cookie: sid=***24***`,
//!   `?token=***8***`, `"password":"***7***"`. Lists of strings and parts of a multipart form count
//!   as values, and JSON inside a JSON string is JSON;
//! - the password in a URL, `http://user:***5***@host/`; also the user if there is no password;
//! - the number of a payment card (13 to 19 digits, alone or in groups, starting with 2 to 6, with
//!   a valid check digit), except for its last four digits.
//!
//! The length reveals little and often helps: an empty token, a truncated token. Asterisks need no
//! quoting in JSON, URLs, forms or shell quotes. The placeholder of a JSON number is quoted, so
//! that JSON stays valid.
//!
//! Only kept text is searched. Not recognised: a value whose name was not kept or not captured; a
//! secret without a name (`PASS`, a path); XML; a compressed body that was not decoded; bytes
//! around a match far into a body.
//!
//! The names and syntaxes are those of HTTP and of what it carries.

mod find;
mod names;
mod renderer;

use std::borrow::Cow;
use std::ops::Range;

use find::Secret;
use find::Syntax;
pub(super) use renderer::Redacting;

/// Redacts text that is not a whole message: a title, a target, the value of an attribute.
#[must_use]
pub fn redacted(text: &[u8]) -> Cow<'_, [u8]> {
    let mut secrets = Vec::new();
    find::all(text, 0..text.len(), Syntax::Line, &mut secrets);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Redaction::new(text, secrets, &[]).bytes)
}

/// Redacted text with the mapping of offsets from the original.
#[derive(Debug)]
pub(super) struct Redaction {
    /// The redacted text.
    pub(super) bytes: Vec<u8>,
    edits: Vec<Edit>,
}

/// A replacement: ranges in the original and in the redacted text.
#[derive(Debug)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

/// A message to redact.
pub(super) struct Input<'a> {
    /// All kept bytes.
    pub(super) bytes: &'a [u8],
    /// Length of the head in bytes.
    pub(super) head: usize,
    /// Names and values of the header fields.
    pub(super) fields: &'a [(Range<usize>, Range<usize>)],
    /// Syntax of the body.
    pub(super) body: Syntax,
    /// Boundaries between kept pieces; no placeholder crosses one.
    pub(super) cuts: &'a [usize],
}

impl Redaction {
    /// Redacts a message; `None` if it has no secrets. Takes linear time.
    pub(super) fn of(message: &Input<'_>) -> Option<Self> {
        let Input { bytes, head, .. } = *message;
        let head = head.min(bytes.len());
        let mut secrets = Vec::new();
        for (name, value) in message.fields {
            let name = bytes.get(name.clone()).unwrap_or_default();
            find::field(bytes, name, value.clone(), &mut secrets);
        }
        find::all(bytes, 0..head, Syntax::Line, &mut secrets);
        find::all(bytes, head..bytes.len(), message.body, &mut secrets);
        if secrets.is_empty() {
            return None;
        }
        let mut cuts = message.cuts.to_vec();
        cuts.push(head);
        cuts.sort_unstable();
        Some(Self::new(bytes, secrets, &cuts))
    }

    /// `cuts` must be sorted; no placeholder crosses one.
    fn new(text: &[u8], mut secrets: Vec<Secret>, cuts: &[usize]) -> Self {
        secrets.sort_unstable_by_key(|secret| (secret.range.start, secret.range.end));
        let mut redaction = Self {
            bytes: Vec::with_capacity(text.len()),
            edits: Vec::with_capacity(secrets.len()),
        };
        let mut done = 0;
        let mut secrets = secrets.into_iter().peekable();
        while let Some(mut secret) = secrets.next() {
            while let Some(next) = secrets.next_if(|next| next.range.start < secret.range.end) {
                secret.range.end = secret.range.end.max(next.range.end);
                secret.unquoted &= next.unquoted;
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
                    redaction.copy(text, done..from);
                    redaction.put(from..end, secret.unquoted);
                    done = end;
                    from = end;
                }
            }
        }
        redaction.copy(text, done..text.len());
        redaction
    }

    fn copy(&mut self, text: &[u8], range: Range<usize>) {
        self.bytes
            .extend_from_slice(text.get(range).unwrap_or_default());
    }

    fn put(&mut self, old: Range<usize>, unquoted: bool) {
        let start = self.bytes.len();
        let quote = if unquoted { "\"" } else { "" };
        let placeholder = format!("{quote}***{}***{quote}", old.len());
        self.bytes.extend_from_slice(placeholder.as_bytes());
        let new = start..self.bytes.len();
        self.edits.push(Edit { old, new });
    }

    /// Number of redacted secrets.
    pub(super) fn count(&self) -> u64 {
        self.edits.len() as u64
    }

    /// Maps the start of a range. A start inside a secret moves to the start of its placeholder.
    pub(super) fn map_start(&self, at: usize) -> usize {
        let edit = self.edits.partition_point(|edit| edit.old.end <= at);
        match self.edits.get(edit) {
            Some(edit) if edit.old.start <= at => edit.new.start,
            _ => self.map_after(edit, at),
        }
    }

    /// Maps the end of a range. An end inside a secret moves to the end of its placeholder.
    pub(super) fn map_end(&self, at: usize) -> usize {
        let edit = self.edits.partition_point(|edit| edit.old.end < at);
        match self.edits.get(edit) {
            Some(edit) if edit.old.start < at => edit.new.end,
            _ => self.map_after(edit, at),
        }
    }

    /// Maps a range; the result covers whole placeholders only.
    pub(super) fn map_range(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.map_start(range.start);
        start..self.map_end(range.end).max(start)
    }

    /// Maps an offset that lies after all edits before index `edit` and in none.
    fn map_after(&self, edit: usize, at: usize) -> usize {
        match edit.checked_sub(1).and_then(|last| self.edits.get(last)) {
            Some(last) => last.new.end + at.saturating_sub(last.old.end),
            None => at,
        }
    }
}

#[cfg(test)]
mod tests;

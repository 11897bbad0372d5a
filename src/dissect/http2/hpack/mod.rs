//! *HPACK* (RFC 7541), of one who listens: blocks of fields become text, and what was not captured
//! is shown as such.
//!
//! The decoders that are to be had are made for an endpoint: they give up at a reference to what
//! they have not seen. Here such a reference is a field whose text is not known, never a wrong one;
//! and the block is read on.

mod huffman;
mod number;
mod static_table;
mod table;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use self::table::{Entry, Found, Name, Table};

/// Bytes of the text of a block's fields that are kept.
const FIELDS: usize = 64 << 10;
/// What a field costs beyond its text.
const FIELD: usize = 32;

/// Why an entry of the table is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// It was sent before the capture began.
    Before,
    /// It was sent in what was not captured, or not understood.
    Lost,
    /// The table is larger than what is kept of one.
    NotKept,
    /// There is no such entry: the block breaks the rules.
    NoEntry,
}

impl Why {
    /// The same in a few words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Before => "sent before the capture began",
            Self::Lost => "sent in what was not captured",
            Self::NotKept => "not kept, the table is too large",
            Self::NoEntry => "no such entry",
        }
    }
}

/// What is known of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// Name and value.
    All,
    /// The value. The name is that of the entry with this index.
    Value(u32, Why),
    /// Only that it is the entry with this index.
    Nothing(u32, Why),
}

/// A field of a block; the ranges are of the block's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Field {
    name: Range<usize>,
    value: Range<usize>,
    pub(super) known: Known,
}

/// The fields of a block. It is made once and used for each block.
#[derive(Default, Debug)]
pub(super) struct Block {
    text: Vec<u8>,
    fields: Vec<Field>,
    /// A rule that it breaks.
    pub(super) flaw: Option<Flaw>,
}

/// What is wrong with a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// It ends in a field, or a number in it is too large: what follows is not known.
    Cut,
    /// Its fields swell like a bomb: those that follow are not kept.
    Bomb,
    /// A string breaks the rules of its coding: it is known as far as that.
    Coding,
    /// A reference to an entry that there is not.
    NoEntry,
    /// The table's size changes after a field.
    LateSize,
}

impl Flaw {
    /// The same in a few words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Cut => "a header block that breaks off",
            Self::Bomb => "header fields that swell like a bomb",
            Self::Coding => "a header string with a broken coding",
            Self::NoEntry => "a reference to a header that there is not",
            Self::LateSize => "a change of the header table behind a header",
        }
    }
}

impl Block {
    /// The fields in order, each with its name and its value, which are empty where they are not
    /// known.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8], Known)> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let fields = self.fields.iter();
        fields.map(move |field| (text(&field.name), text(&field.value), field.known))
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn held(&self) -> usize {
        let fields = self.fields.capacity().saturating_mul(size_of::<Field>());
        self.text.capacity().saturating_add(fields)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.flaw = None;
        if self.text.capacity() > FIELDS {
            self.text = Vec::new();
        }
    }

    /// Takes note of what is wrong, the first time.
    const fn note(&mut self, flaw: Flaw) {
        if self.flaw.is_none() {
            self.flaw = Some(flaw);
        }
    }

    /// Appends `text`; where it is.
    fn add(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        start..self.text.len()
    }

    /// The field is all there, in the text from `start` on: it is kept, if it fits.
    fn keep(&mut self, start: usize, field: Field) {
        let held = self.fields.len().saturating_mul(FIELD);
        if self.flaw == Some(Flaw::Bomb) || self.text.len().saturating_add(held) > FIELDS {
            self.text.truncate(start);
            self.flaw = Some(Flaw::Bomb);
        } else {
            self.fields.push(field);
        }
    }

    /// A field of which not all is known, as it is shown.
    fn keep_unknown(&mut self, index: u32, why: Why) {
        if why == Why::NoEntry {
            self.note(Flaw::NoEntry);
        }
        let at = self.text.len();
        let field = Field {
            name: at..at,
            value: at..at,
            known: Known::Nothing(index, why),
        };
        self.keep(at, field);
    }
}

/// The decoder of one direction.
#[derive(Default, Debug)]
pub(super) struct Decoder {
    table: Table,
}

impl Decoder {
    /// Bytes of memory that it takes, about.
    pub(super) fn held(&self) -> usize {
        self.table.held()
    }

    /// Fields of the direction were not seen, or not understood.
    pub(super) fn forget(&mut self, why: Why) {
        self.table.forget(why);
    }

    /// Reads a whole block. After [`Flaw::Cut`] the table is forgotten.
    pub(super) fn decode(&mut self, mut bytes: &[u8], block: &mut Block) {
        block.clear();
        while !bytes.is_empty() {
            let Some(used) = self.field(bytes, block) else {
                block.flaw = Some(match block.flaw {
                    Some(Flaw::Bomb) => Flaw::Bomb,
                    _ => Flaw::Cut,
                });
                self.table.forget(Why::Lost);
                return;
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Reads one field; how many bytes it has. `None` when it is cut.
    fn field(&mut self, bytes: &[u8], block: &mut Block) -> Option<usize> {
        match bytes.first()? {
            0x80.. => {
                let (index, used) = number::read(bytes, 7)?;
                self.indexed(index, block);
                Some(used)
            }
            0x40..=0x7f => self.literal(bytes, 6, true, block),
            0x20..=0x3f => {
                let (capacity, used) = number::read(bytes, 5)?;
                if !block.fields.is_empty() {
                    block.note(Flaw::LateSize);
                }
                self.table.resize(usize::try_from(capacity).ok()?);
                Some(used)
            }
            0x00..=0x1f => self.literal(bytes, 4, false, block),
        }
    }

    /// A field that is an entry of a table.
    fn indexed(&self, index: u32, block: &mut Block) {
        let start = block.text.len();
        let (name, value) = match self.table.get(index) {
            Found::Static(at) => {
                let Some((name, value)) = static_table::STATIC.get(usize::from(at)) else {
                    return;
                };
                (Ok(*name), *value)
            }
            Found::Entry(entry) => (entry.name.text(), &*entry.value),
            Found::Unknown(why) => return block.keep_unknown(index, why),
        };
        if block.flaw == Some(Flaw::Bomb) {
            return;
        }
        let known = match name {
            Ok(_) => Known::All,
            Err((index, why)) => Known::Value(index, why),
        };
        let name = block.add(name.unwrap_or_default());
        let value = block.add(value);
        block.keep(start, Field { name, value, known });
    }

    /// A field with a value of its own, and a name of its own or that of an entry. `put`: it
    /// becomes an entry.
    fn literal(
        &mut self,
        bytes: &[u8],
        prefix: u32,
        put: bool,
        block: &mut Block,
    ) -> Option<usize> {
        let (index, mut used) = number::read(bytes, prefix)?;
        let start = block.text.len();
        let (name, known) = if index == 0 {
            let (name, len) = string(bytes.get(used..)?, block)?;
            used = used.saturating_add(len);
            (NameOf::Text(name), Known::All)
        } else {
            match self.table.get(index) {
                Found::Static(at) => (NameOf::Entry(Name::Static(at)), Known::All),
                Found::Entry(entry) => {
                    let known = match entry.name.text() {
                        Ok(_) => Known::All,
                        Err((index, why)) => Known::Value(index, why),
                    };
                    (NameOf::Entry(entry.name.clone()), known)
                }
                Found::Unknown(why) => {
                    if why == Why::NoEntry {
                        block.note(Flaw::NoEntry);
                    }
                    let name = Name::Unknown(index, why);
                    (NameOf::Entry(name), Known::Value(index, why))
                }
            }
        };
        let (value, len) = string(bytes.get(used..)?, block)?;
        used = used.saturating_add(len);
        if put {
            let text = |range: &Range<usize>| block.text.get(range.clone()).unwrap_or_default();
            let name = match &name {
                NameOf::Text(range) => Name::Sent(Arc::from(text(range))),
                NameOf::Entry(name) => name.clone(),
            };
            let value = text(&value).into();
            self.table.insert(Entry { name, value });
        }
        if block.flaw == Some(Flaw::Bomb) {
            block.text.truncate(start);
            return Some(used);
        }
        let name = match name {
            NameOf::Text(range) => range,
            NameOf::Entry(name) => block.add(name.text().unwrap_or_default()),
        };
        block.keep(start, Field { name, value, known });
        Some(used)
    }
}

/// Where a literal's name is.
enum NameOf {
    /// In the block's text.
    Text(Range<usize>),
    /// In an entry.
    Entry(Name),
}

/// Reads a string (RFC 7541 section 5.2) and appends it to the block's text: where it is, and how
/// many bytes it has as sent.
fn string(bytes: &[u8], block: &mut Block) -> Option<(Range<usize>, usize)> {
    let coded = bytes.first()? & 0x80 != 0;
    let (len, before) = number::read(bytes, 7)?;
    let end = before.checked_add(usize::try_from(len).ok()?)?;
    let sent = bytes.get(before..end)?;
    if !coded {
        return Some((block.add(sent), end));
    }
    let start = block.text.len();
    if !huffman::decode(sent, &mut block.text) {
        block.note(Flaw::Coding);
    }
    Some((start..block.text.len(), end))
}

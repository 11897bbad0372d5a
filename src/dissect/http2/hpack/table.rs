//! The *dynamic table* (RFC 7541 section 2.3.2), of one who listens: it may lack entries.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Why;
use super::static_table::STATIC;

/// What an entry counts beyond its name and its value.
const OVERHEAD: usize = 32;
/// What a table may hold before its encoder says anything else.
const INITIAL: usize = 4096;
/// Bytes that are kept of a table, however much its encoder may have.
pub(super) const KEPT: usize = 64 << 10;

/// A name, shared by the entries that were made of each other.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// That of the static table's entry, counted from 0.
    Static(u8),
    /// As it was sent.
    Sent(Arc<[u8]>),
    /// Of the entry with this index, which is not known.
    Unknown(u32, Why),
}

impl Name {
    /// The text, if it is known.
    pub(super) fn text(&self) -> Result<&[u8], (u32, Why)> {
        match self {
            Self::Static(at) => Ok(STATIC.get(usize::from(*at)).map_or(b"", |(name, _)| name)),
            Self::Sent(name) => Ok(name),
            Self::Unknown(index, why) => Err((*index, *why)),
        }
    }
}

/// An entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) value: Box<[u8]>,
}

impl Entry {
    fn size(&self) -> usize {
        let name = self.name.text().map_or(0, <[u8]>::len);
        name.saturating_add(self.value.len())
            .saturating_add(OVERHEAD)
    }
}

/// What an index means.
#[derive(Debug)]
pub(super) enum Found<'t> {
    /// The static table's entry, counted from 0.
    Static(u8),
    /// An entry of this table.
    Entry(&'t Entry),
    /// An entry that is not known.
    Unknown(Why),
}

/// The entries that are known, the newest first.
///
/// An entry's index is its distance from the newest one. Each one that was put in since the table
/// was last [forgotten](Self::forget) is there, so an index that is found means that entry. One
/// that the encoder has put out by now may still be there: it is not referred to.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    /// What the encoder may have.
    capacity: usize,
    /// Why there may be entries after those.
    lacks: Option<Why>,
}

impl Default for Table {
    /// Of a connection that begins.
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            capacity: INITIAL,
            lacks: None,
        }
    }
}

impl Table {
    /// What `index` refers to; 0 refers to nothing.
    pub(super) fn get(&self, index: u32) -> Found<'_> {
        let Some(at) = usize::try_from(index).ok().and_then(|at| at.checked_sub(1)) else {
            return Found::Unknown(Why::NoEntry);
        };
        let Some(at) = at.checked_sub(STATIC.len()) else {
            return Found::Static(at as u8);
        };
        let found = self.entries.get(at).map(Found::Entry);
        found.unwrap_or(Found::Unknown(self.lacks.unwrap_or(Why::NoEntry)))
    }

    /// Puts an entry in, as the newest one.
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.shrink(self.bound().saturating_sub(size));
        if size > self.bound() {
            // RFC 7541 section 4.4: that empties the table. But if its size is not known, it may be
            // in there.
            if self.lacks.is_some() || self.capacity > KEPT {
                self.forget(self.lacks.unwrap_or(Why::NotKept));
            }
            return;
        }
        self.size = self.size.saturating_add(size);
        self.entries.push_front(entry);
    }

    /// The size of the encoder's table from here on, in bytes.
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        if capacity == 0 {
            // Whatever there was is gone.
            self.lacks = None;
            self.size = 0;
            self.entries.clear();
        }
        self.shrink(self.bound());
    }

    /// Entries may have been put in that were not seen: where the others are is not known any more.
    pub(super) fn forget(&mut self, why: Why) {
        self.entries.clear();
        self.size = 0;
        self.lacks = Some(why);
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn held(&self) -> usize {
        let spare = self.entries.capacity().saturating_mul(size_of::<Entry>());
        self.size.saturating_add(spare)
    }

    /// Bytes that are kept. As long as the table lacks entries, the capacity of the encoder's table
    /// is unknown as well.
    fn bound(&self) -> usize {
        match self.lacks {
            Some(_) => KEPT,
            None => self.capacity.min(KEPT),
        }
    }

    /// Puts the oldest entries out until no more than `bound` bytes are there.
    fn shrink(&mut self, bound: usize) {
        while self.size > bound
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size = self.size.saturating_sub(oldest.size());
            if self.capacity > KEPT {
                self.lacks.get_or_insert(Why::NotKept);
            }
        }
    }
}

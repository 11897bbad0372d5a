//! A row of the result: one compared item, with the text of each side.

/// One compared item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct DiffRow {
    /// Name of the compared item.
    pub(super) name: Vec<u8>,
    /// Lines of A's text; empty if A does not have the item.
    pub(super) a: Vec<Vec<u8>>,
    /// Lines of B's text.
    pub(super) b: Vec<Vec<u8>>,
    /// Shown in place of an absent item.
    pub(super) absent: &'static str,
    /// Result of the comparison.
    pub(super) kind: RowKind,
}

/// Result of comparing one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowKind {
    /// Equal; `name` holds the whole text.
    Same,
    /// Different.
    Differs,
    /// Different, as in any two exchanges.
    Noise,
    /// A remark on the rows before; `name` holds the text.
    Note,
}

impl DiffRow {
    /// A row for an item that both have.
    pub(super) fn same(line: Vec<u8>) -> Self {
        Self::line(line, RowKind::Same)
    }

    /// A remark on the rows before.
    pub(super) fn note(text: String) -> Self {
        Self::line(text.into_bytes(), RowKind::Note)
    }

    fn line(name: Vec<u8>, kind: RowKind) -> Self {
        Self {
            name,
            a: Vec::new(),
            b: Vec::new(),
            absent: "",
            kind,
        }
    }

    /// A row for an item that differs.
    pub(super) fn differs(name: &[u8], a: Vec<Vec<u8>>, b: Vec<Vec<u8>>) -> Self {
        Self {
            name: name.to_vec(),
            a,
            b,
            absent: "(not there)",
            kind: RowKind::Differs,
        }
    }
}

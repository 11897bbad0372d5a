//! A *row*: one thing that was compared, with what each side has.

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// What was compared.
    pub(super) name: Vec<u8>,
    /// A's text by line; none: there is no such thing.
    pub(super) a: Vec<Vec<u8>>,
    /// B's.
    pub(super) b: Vec<Vec<u8>>,
    /// What to say for what is not there.
    pub(super) absent: &'static str,
    /// What came of it.
    pub(super) found: Found,
}

/// What came of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// They are the same: `name` has all that is said.
    Same,
    /// They differ.
    Differs,
    /// They differ, as they do in each two exchanges.
    Noise,
    /// More words on what is above: `name` has them.
    Note,
}

impl Row {
    /// What both have.
    pub(super) fn same(line: Vec<u8>) -> Self {
        Self::line(line, Found::Same)
    }

    /// Words on the rows above.
    pub(super) fn note(text: String) -> Self {
        Self::line(text.into_bytes(), Found::Note)
    }

    fn line(name: Vec<u8>, found: Found) -> Self {
        Self {
            name,
            a: Vec::new(),
            b: Vec::new(),
            absent: "",
            found,
        }
    }

    /// What differs.
    pub(super) fn differs(name: &[u8], a: Vec<Vec<u8>>, b: Vec<Vec<u8>>) -> Self {
        Self {
            name: name.to_vec(),
            a,
            b,
            absent: "(not there)",
            found: Found::Differs,
        }
    }
}

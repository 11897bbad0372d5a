//! What differs between two exchanges.

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Difference {
    settings: Settings,
    numbers: Option<(u64, u64)>,
    out: Out,
}

impl Difference {
    pub(super) fn new(settings: Settings, numbers: Option<(u64, u64)>, out: Out) -> Self {
        Self {
            settings,
            numbers,
            out,
        }
    }
}

impl Renderer for Difference {
    fn hit(&mut self, _hit: &Hit<'_>) -> io::Result<()> {
        Ok(())
    }

    fn pair(&mut self, _pair: &Pair<'_>) -> io::Result<()> {
        self.out.record()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            body: self.settings.max_body,
            pairs: true,
            ..Wants::NOTHING
        }
    }
}

//! An HTTP archive (HAR 1.2).

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Har {
    settings: Settings,
    out: Out,
}

impl Har {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self { settings, out }
    }
}

impl Renderer for Har {
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

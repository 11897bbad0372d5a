//! JSON, a line for each record.

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Json {
    settings: Settings,
    out: Out,
}

impl Json {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self { settings, out }
    }
}

impl Renderer for Json {
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
            others: true,
            frames: true,
            ..Wants::NOTHING
        }
    }
}

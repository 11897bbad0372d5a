//! One line for each exchange.

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Log {
    settings: Settings,
    out: Out,
}

impl Log {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self { settings, out }
    }
}

impl Renderer for Log {
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

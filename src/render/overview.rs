//! A table of hosts and paths with their times.

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Overview {
    settings: Settings,
    every: Option<i64>,
    out: Out,
}

impl Overview {
    pub(super) fn new(settings: Settings, every: Option<i64>, out: Out) -> Self {
        Self {
            settings,
            every,
            out,
        }
    }
}

impl Renderer for Overview {
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

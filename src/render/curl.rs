//! The curl command of an exchange.

use std::io;

use crate::hit::{Hit, Pair};

use super::{Out, Renderer, Settings, Wants};

/// The output.
pub(super) struct Curl {
    settings: Settings,
    number: u64,
    out: Out,
}

impl Curl {
    pub(super) fn new(settings: Settings, number: u64, out: Out) -> Self {
        Self {
            settings,
            number,
            out,
        }
    }
}

impl Renderer for Curl {
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

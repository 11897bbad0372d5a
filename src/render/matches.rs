//! `-o`: only the matched text, one line for each match. Messages without a match are skipped.

use std::io;

use crate::hit::{Hit, Why};
use crate::stats::Stats;

use super::style::{Paint, painted};
use super::{Clock, Out, OutputFormat, Renderer, Settings, Time, Wants, heading};

/// `-o`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    letter: Some('o'),
    help: "Show only the matched text, one match a line",
    words: "the matched text",
    of_messages: false,
    ..OutputFormat::new("only-matching", |settings, _, out| {
        Box::new(Matches::new(settings, out))
    })
};

/// The `-o` output.
pub(super) struct Matches {
    settings: Settings,
    out: Out,
    clock: Clock,
}

impl Matches {
    fn new(settings: Settings, out: Out) -> Self {
        let time = if settings.time == Time::None {
            Time::Absolute
        } else {
            settings.time
        };
        Self {
            settings,
            out,
            clock: Clock::new(time),
        }
    }
}

impl Renderer for Matches {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if hit.why != Why::Match {
            return Ok(());
        }
        for found in hit.settled() {
            if self.settings.with_flow {
                let stamp = self.clock.stamp(hit.heading.ts);
                let line = heading::line(&hit.heading, &stamp, self.settings.protocol_number, true);
                let name = heading::label(hit.who.src(), &self.settings.escape);
                let name = name.map(|name| format!(" {name}")).unwrap_or_default();
                self.out
                    .text()
                    .extend_from_slice(format!("{line} #{}{name}: ", hit.number).as_bytes());
            }
            let (escape, color) = (self.settings.escape, self.settings.color);
            let bytes = &hit.text.bytes[found.clone()];
            let text = self.out.text();
            painted(
                color && self.settings.with_flow,
                Some(Paint::Match),
                text,
                |text| {
                    escape.write(bytes, text);
                },
            );
            text.push(b'\n');
            self.out.record()?;
        }
        Ok(())
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            body: 4 << 10,
            matches: true,
            ..Wants::NOTHING
        }
    }
}

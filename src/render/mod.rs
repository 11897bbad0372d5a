//! *render*: hits become text. A table of renderers, each one file; hits in, bytes out.
//!
//! Everything that came off the wire passes [`escape`], and colours come from [`style`] alone: there is no other way to a
//! terminal.

mod classic;
mod escape;
mod heading;
mod hex;
mod human;
mod matches;
mod out;
mod spy;
mod style;
mod tally;

use std::io;

pub use escape::Escape;
pub use heading::Clock;
pub use human::{duration, size};
pub use out::Out;

use crate::hit::{Companion, Hit};
use crate::limits::Limits;
use crate::stats::Stats;

/// Shows hits.
pub trait Renderer {
    /// The run begins.
    ///
    /// # Errors
    /// When it cannot be written, as all of these.
    fn begin(&mut self, _banner: &Banner) -> io::Result<()> {
        Ok(())
    }

    /// A packet passed the capture filter (said with `--ngrep` only).
    ///
    /// # Errors
    /// When it cannot be written.
    fn frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// A message is to be shown.
    ///
    /// # Errors
    /// When it cannot be written.
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()>;

    /// The other half of an exchange of which one half was shown.
    ///
    /// # Errors
    /// When it cannot be written.
    fn companion(&mut self, _companion: &Companion<'_>) -> io::Result<()> {
        Ok(())
    }

    /// The run is over.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        Ok(())
    }

    /// Write what was gathered.
    ///
    /// # Errors
    /// When it cannot be written.
    fn flush(&mut self) -> io::Result<()>;

    /// What it needs of each message.
    fn wants(&self) -> Wants;
}

/// What a renderer needs of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wants {
    /// Bytes of the start of its body.
    pub body: usize,
    /// The other halves of exchanges.
    pub companions: bool,
}

/// What is known when a run begins.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// `interface: lo (127.0.0.0/255.0.0.0)`, `input: file.pcap`.
    pub source: String,
    /// The capture filter in force.
    pub filter: String,
    /// The pattern, if there is one; `true`: what does not match is shown.
    pub pattern: Option<(String, bool)>,
    /// The name of `-O`'s file.
    pub output: Option<String>,
}

/// Layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The message by line, with highlights.
    Spy,
    /// ngrep's layouts.
    Byline,
    /// Rows of the terminal's width.
    Normal,
    /// One line for each record.
    Single,
    /// No layout at all.
    None,
}

/// What is shown at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Records, in a [`View`].
    Records,
    /// The matched text; `true`: with time and flow.
    Matches(bool),
    /// How many records match.
    Count,
    /// Nothing.
    Nothing,
    /// Conversations.
    Conversations,
}

/// How much of a body is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing of it.
    None,
    /// 40 lines or 4 KiB, and the lines with matches.
    Short,
    /// All that was kept.
    Full,
}

/// Time stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Time {
    /// None.
    None,
    /// Local time.
    Absolute,
    /// Since the record before.
    Delta,
    /// Since the first record.
    SinceFirst,
}

/// How to show.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What.
    pub what: What,
    /// Layout.
    pub view: View,
    /// Bytes in hexadecimal.
    pub hex: bool,
    /// As ngrep, packet by packet: marks, banner, `exit`.
    pub packets: bool,
    /// Columns of the terminal.
    pub columns: usize,
    /// How bytes become characters.
    pub escape: Escape,
    /// Colours.
    pub color: bool,
    /// Signs beyond ASCII for the program's own words.
    pub signs: bool,
    /// Time stamps.
    pub time: Time,
    /// The number of the IP protocol.
    pub protocol_number: bool,
    /// `-q`, counted.
    pub quiet: u8,
    /// How much of a body.
    pub body: Body,
    /// Bytes of a body that are kept for [`Body::Full`].
    pub max_body: usize,
    /// Packets come from an interface: ngrep's closing line is wanted.
    pub live: bool,
}

/// Records in the `spy` view without colour, as into a pipe.
impl Default for Settings {
    fn default() -> Self {
        Self {
            what: What::Records,
            view: View::Spy,
            hex: false,
            packets: false,
            columns: 80,
            escape: Escape {
                utf8: true,
                tab: true,
                dot: '.',
            },
            color: false,
            signs: true,
            time: Time::None,
            protocol_number: false,
            quiet: 0,
            body: Body::Short,
            max_body: Limits::default().body,
            live: false,
        }
    }
}

/// Bytes of a body for [`Body::Short`].
const SHORT_BODY: usize = 4 << 10;

/// The renderer for `settings`, writing to `out`.
#[must_use]
pub fn renderer(settings: Settings, out: Out) -> Box<dyn Renderer> {
    match (settings.what, settings.view) {
        (What::Records, View::Spy) => Box::new(spy::Spy::new(settings, out)),
        (What::Records, _) => Box::new(classic::Classic::new(settings, out)),
        (What::Matches(with_flow), _) => Box::new(matches::Matches::new(settings, with_flow, out)),
        (What::Count | What::Nothing | What::Conversations, _) => {
            Box::new(tally::Tally::new(settings, out))
        }
    }
}

impl Settings {
    /// What a renderer of records needs.
    fn wants_records(&self) -> Wants {
        let body = match self.body {
            Body::None => 0,
            Body::Short => SHORT_BODY,
            Body::Full => self.max_body,
        };
        Wants {
            body,
            companions: self.quiet < 4,
        }
    }
}

#[cfg(test)]
mod tests;

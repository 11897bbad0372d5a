//! *render*: hits become text. A table of renderers, each one file; hits in, bytes out.
//!
//! Everything that came off the wire passes [`escape`], and colours come from [`style`] alone: there is no other way to a
//! terminal.

mod classic;
mod curl;
mod difference;
mod escape;
mod har;
mod heading;
mod hex;
mod human;
mod json;
mod log;
mod matches;
mod out;
mod overview;
mod readable;
mod request;
mod row;
mod spy;
mod style;
mod tally;
mod timing;

use std::io;
use std::path::PathBuf;

pub use escape::Escape;
pub use heading::Clock;
pub use human::{duration, size};
pub use out::Out;

use crate::frame::Timestamp;
use crate::hit::{Companion, Hit, Pair};
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

    /// An exchange of which a half matches is over, or will have no answer. Said beside the hits, to those that want it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn pair(&mut self, _pair: &Pair<'_>) -> io::Result<()> {
        Ok(())
    }

    /// It is `now`, in capture time. Said to those that want it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn tick(&mut self, _now: Timestamp) -> io::Result<()> {
        Ok(())
    }

    /// It has all that it wants: the run may end.
    fn is_done(&self) -> bool {
        false
    }

    /// What the run came to, when that is something else than whether anything matched: whether it is what was asked for, or
    /// what stood in the way.
    fn outcome(&self) -> Option<Result<bool, String>> {
        None
    }

    /// What is worth telling a user who waits, once; not a record.
    fn news(&mut self) -> Option<String> {
        None
    }

    /// No more hits come, and why; [`Self::finish`] follows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&mut self, _why: &Ending) -> io::Result<()> {
        Ok(())
    }

    /// The run is over. With two runs ([`Settings::two_runs`]) it is said for each, as is the beginning.
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
    /// The other halves of exchanges, as one line.
    pub companions: bool,
    /// The other halves of exchanges, in full.
    pub others: bool,
    /// Exchanges as one: [`Renderer::pair`] instead of hits, companions and others; datagrams and bursts stay hits.
    pub pairs: bool,
    /// The numbers of each message's frames.
    pub frames: bool,
    /// [`Renderer::tick`].
    pub ticks: bool,
}

/// What those want that want nothing.
impl Wants {
    /// No bodies, no companions.
    pub const NOTHING: Self = Self {
        body: 0,
        companions: false,
        others: false,
        pairs: false,
        frames: false,
        ticks: false,
    };
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
    /// The interfaces that are listened to.
    pub interfaces: Vec<String>,
    /// The capture files that are read.
    pub files: Vec<PathBuf>,
    /// Any of these patterns, as they are searched for;
    pub patterns: Vec<String>,
    /// and all of these (`--and`);
    pub and: Vec<String>,
    /// and none of these (`--not`).
    pub not: Vec<String>,
}

/// Why a run ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// The source has no more.
    #[default]
    Source,
    /// All that was asked for was shown (`-n`).
    Enough,
    /// A signal, or an output that takes no more.
    Stopped,
    /// The source broke; this is what the user is told.
    Broken(String),
}

/// Layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The message by line, with highlights.
    Spy,
    /// A line for each exchange.
    Log,
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
    /// JSON, a line for each record.
    Json,
    /// An HTTP archive.
    Har,
    /// The curl command of the exchange of this number.
    Curl(u64),
    /// A table of times, every so many nanoseconds as well.
    Overview(Option<i64>),
    /// The difference of two exchanges: those of these numbers, or the first two that ask for the same.
    Difference(Option<(u64, u64)>),
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
    /// Local time without its day, to the millisecond.
    OfDay,
    /// Since the record before.
    Delta,
    /// Since the first record.
    SinceFirst,
}

/// How to show.
#[derive(Clone, Debug)]
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
    /// Lines are read in that many columns: on a terminal, or because the user said so.
    pub fits: bool,
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
    /// Where the time of an exchange went.
    pub timing: bool,
    /// JSON, forms and multipart bodies by line.
    pub pretty: bool,
    /// Secrets are masked.
    pub masked: bool,
    /// Names of header fields that are columns of the log.
    pub fields: Vec<String>,
    /// Packets come from an interface: ngrep's closing line is wanted.
    pub live: bool,
    /// Two files are two runs, to be compared; numbers begin anew in the second.
    pub two_runs: bool,
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
            fits: false,
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
            timing: false,
            pretty: false,
            masked: false,
            fields: Vec::new(),
            live: false,
            two_runs: false,
        }
    }
}

/// Bytes of a body for [`Body::Short`].
const SHORT_BODY: usize = 4 << 10;

/// The renderer for `settings`, writing to `out`.
#[must_use]
pub fn renderer(settings: Settings, out: Out) -> Box<dyn Renderer> {
    match (settings.what, settings.view) {
        (What::Records, View::Log) => Box::new(log::Log::new(settings, out)),
        (What::Json, _) => Box::new(json::Json::new(settings, out)),
        (What::Har, _) => Box::new(har::Har::new(settings, out)),
        (What::Curl(number), _) => Box::new(curl::Curl::new(settings, number, out)),
        (What::Overview(every), _) => Box::new(overview::Overview::new(settings, every, out)),
        (What::Difference(numbers), _) => {
            Box::new(difference::Difference::new(settings, numbers, out))
        }
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
            ..Wants::NOTHING
        }
    }
}

#[cfg(test)]
mod tests;

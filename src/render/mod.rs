//! *render*: hits become text. A table of renderers, each one file; hits in, bytes out.
//!
//! Everything that came off the wire passes [`escape`], and colours come from [`style`] alone:
//! there is no other way to a terminal.

mod classic;
mod curl;
mod diff;
mod escape;
mod failed;
mod har;
mod heading;
mod hex;
mod human;
mod json;
mod log;
mod matches;
mod out;
mod overview;
mod parts;
mod portions;
mod quote;
mod readable;
mod redact;
mod request;
mod row;
mod settings;
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
pub use quote::single as quoted;
pub use redact::redacted;
pub use settings::{Body, OutputKind, Settings, Time, View};

use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::hit::{Companion, Hit, Pair};
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

    /// An exchange of which a half matches is over, or will have no answer. Said beside the hits,
    /// to those that want it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn pair(&mut self, _pair: &Pair<'_>) -> io::Result<()> {
        Ok(())
    }

    /// A connection failed, or a request that was shown will have no answer.
    ///
    /// # Errors
    /// When it cannot be written.
    fn failure(&mut self, _failure: &Failure<'_>) -> io::Result<()> {
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

    /// What the run came to, when that is something else than whether anything matched: whether it
    /// is what was asked for, or what stood in the way.
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

    /// What there is to say of the output when the run is over, a line each. Said to people, beside
    /// the output.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The run is over. With two runs ([`Settings::two_runs`]) it is said for each, as is the
    /// beginning.
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
    /// Exchanges as one: [`Renderer::pair`] instead of hits, companions and others; datagrams and
    /// bursts stay hits.
    pub pairs: bool,
    /// The numbers of each message's frames.
    pub frames: bool,
    /// Secrets are masked: no portion of a message may end in the middle of one.
    pub masked: bool,
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
        masked: false,
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

/// The renderer for `settings`, writing to `out`.
#[must_use]
pub fn renderer(settings: Settings, out: Out) -> Box<dyn Renderer> {
    let (redact, what) = (settings.redact, settings.what);
    let plain = plain(settings, out);
    // What compares values must see them, and masks what it shows itself.
    let compares = matches!(what, OutputKind::Diff(_));
    match redact && !compares {
        true => Box::new(redact::Redacting::new(plain, what)),
        false => plain,
    }
}

/// The renderer that shows secrets as well.
fn plain(settings: Settings, out: Out) -> Box<dyn Renderer> {
    match (settings.what, settings.view) {
        (OutputKind::Records, View::Log) => Box::new(log::Log::new(settings, out)),
        (OutputKind::Json, _) => Box::new(json::Json::new(settings, out)),
        (OutputKind::Har, _) => Box::new(har::Har::new(settings, out)),
        (OutputKind::Curl(number), _) => Box::new(curl::Curl::new(settings, number, out)),
        (OutputKind::Overview(every), _) => Box::new(overview::Overview::new(settings, every, out)),
        (OutputKind::Diff(numbers), _) => Box::new(diff::Diff::new(settings, numbers, out)),
        (OutputKind::Records, View::Spy) => Box::new(spy::Spy::new(settings, out)),
        (OutputKind::Records, _) => Box::new(classic::Classic::new(settings, out)),
        (OutputKind::Matches(with_flow), _) => {
            Box::new(matches::Matches::new(settings, with_flow, out))
        }
        (OutputKind::Count | OutputKind::Nothing | OutputKind::Conversations, _) => {
            Box::new(tally::Tally::new(settings, out))
        }
    }
}

#[cfg(test)]
mod tests;

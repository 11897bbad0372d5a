//! *render*: hits become text. One file per renderer; a renderer receives hits and writes bytes,
//! and holds bounded memory.
//!
//! All captured bytes pass through [`escape`], and colours come from [`style`] alone: nothing else
//! reaches a terminal.

mod classic;
mod curl;
mod diff;
mod display_filter;
mod escape;
mod failed;
mod har;
mod heading;
mod hex;
mod html;
mod human;
mod json;
mod log;
mod matches;
mod out;
mod outputs;
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
pub use outputs::{
    OUTPUTS, Output, OutputArgument, OutputEnd, OutputFormat, OutputValue, Secrets, masking,
};
pub use quote::single as quoted;
pub use redact::redacted;
pub use settings::{Body, Settings, Time, View};

use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::frame_files::FrameFiles;
use crate::hit::{Companion, Hit, Pair};
use crate::stats::Stats;

/// Shows hits. Methods are called in capture order, between [`begin`](Self::begin) and
/// [`finish`](Self::finish).
pub trait Renderer {
    /// Called when the run begins.
    ///
    /// # Errors
    /// If the output cannot be written, as for all methods here.
    fn begin(&mut self, _banner: &Banner) -> io::Result<()> {
        Ok(())
    }

    /// Called for each packet that passes the capture filter (only with `--ngrep`).
    ///
    /// # Errors
    /// If the output cannot be written.
    fn frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Shows a message.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()>;

    /// Shows the other message of an exchange of which one message was shown.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn companion(&mut self, _companion: &Companion<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Shows an exchange with a matching message, once it is complete or known to have no response.
    /// Called in addition to the hits, if [`Wants::pairs`] is set.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn pair(&mut self, _pair: &Pair<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Shows that a connection failed, or that a request that was shown will have no response.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn failure(&mut self, _failure: &Failure<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Reports that the capture time is `now`. Called if [`Wants::ticks`] is set.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn tick(&mut self, _now: Timestamp) -> io::Result<()> {
        Ok(())
    }

    /// Whether the renderer needs no more hits, so that the run may end.
    fn is_done(&self) -> bool {
        false
    }

    /// The result of the run, if that is not simply whether anything matched: whether the requested
    /// result was found, or why there is none.
    fn outcome(&self) -> Option<Result<bool, String>> {
        None
    }

    /// A status message for a waiting user, returned once; not a record.
    fn news(&mut self) -> Option<String> {
        None
    }

    /// Called when no more hits will come, with the reason; [`Self::finish`] follows.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn end(&mut self, _why: &Ending) -> io::Result<()> {
        Ok(())
    }

    /// Remarks on the output after the run, one line each. They are shown to people, apart from the
    /// output.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Called when the run is over. With two runs ([`Settings::two_runs`]), begin and finish are
    /// called for each.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        Ok(())
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn flush(&mut self) -> io::Result<()>;

    /// What the renderer needs of each message.
    fn wants(&self) -> Wants;
}

/// What a renderer needs of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wants {
    /// Bytes of the start of its body.
    pub body: usize,
    /// The other messages of exchanges, as one line.
    pub companions: bool,
    /// The other messages of exchanges, in full.
    pub others: bool,
    /// Exchanges as a whole: [`Renderer::pair`] instead of hits, companions and others; datagrams
    /// and bursts remain hits.
    pub pairs: bool,
    /// Where in its text the matches are.
    pub matches: bool,
    /// With `pairs`: also the text around each match, beyond the start of the body.
    pub around: bool,
    /// The frame numbers of each message.
    pub frames: bool,
    /// Secrets are redacted, so no portion of a message may end inside one.
    pub masked: bool,
    /// Calls of [`Renderer::tick`].
    pub ticks: bool,
}

/// The needs of a renderer that shows no messages.
impl Wants {
    /// No bodies and no companions.
    pub const NOTHING: Self = Self {
        body: 0,
        companions: false,
        others: false,
        pairs: false,
        matches: false,
        around: false,
        frames: false,
        masked: false,
        ticks: false,
    };
}

/// Facts about the run that are available when it begins.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// `interface: lo (127.0.0.0/255.0.0.0)`, `input: file.pcap`.
    pub source: String,
    /// The capture filter in force.
    pub filter: String,
    /// The pattern, if there is one; `true`: messages that do not match are shown.
    pub pattern: Option<(String, bool)>,
    /// The name of the file given with `-O`.
    pub output: Option<String>,
    /// The interfaces that are captured.
    pub interfaces: Vec<String>,
    /// The capture files that are read, in their order.
    pub files: Vec<PathBuf>,
    /// Which frames lie in which of them.
    pub frame_files: FrameFiles,
    /// The name that the user gives to what is captured (`--label`).
    pub label: String,
    /// Patterns of which any must match, as they are searched for.
    pub patterns: Vec<String>,
    /// Patterns that must all match as well (`--and`).
    pub and: Vec<String>,
    /// Patterns that must not match (`--not`).
    pub not: Vec<String>,
}

/// Why a run ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Ending {
    /// The source has no more packets.
    #[default]
    Source,
    /// The requested number of records was shown (`-n`).
    Enough,
    /// A signal was received, or the output is closed.
    Stopped,
    /// The source failed; the text is the message for the user.
    Broken(String),
}

/// The renderer for `settings`, writing to `out`.
#[must_use]
pub fn renderer(settings: Settings, out: Out) -> Box<dyn Renderer> {
    let (redact, output) = (settings.redact, settings.output);
    let secrets = output.map_or(Secrets::Shown, |output| output.format.secrets);
    let plain = plain(settings, out);
    // A renderer that compares values needs the original ones, and redacts what it shows itself.
    match redact && secrets != Secrets::Compared {
        true => Box::new(redact::Redacting::new(plain, secrets == Secrets::Masked)),
        false => plain,
    }
}

/// The renderer without redaction.
fn plain(settings: Settings, out: Out) -> Box<dyn Renderer> {
    match (settings.output, settings.view) {
        (Some(Output { format, argument }), _) => (format.build)(settings, argument, out),
        (None, View::Log) => Box::new(log::Log::new(settings, out)),
        (None, View::Spy) => Box::new(spy::Spy::new(settings, out)),
        (None, _) => Box::new(classic::Classic::new(settings, out)),
    }
}

#[cfg(test)]
mod tests;

//! *capture*: the only code that waits for packets. It gives frames, one by one, from interfaces or from files.

pub mod devices;
pub mod dump;
pub mod filter;
pub mod live;
pub mod privileges;
pub mod savefile;

use std::path::PathBuf;

use crate::frame::{Frame, LinkType};
use crate::stats::CaptureStats;

/// What a source gives.
#[derive(Debug)]
pub enum Next<'a> {
    /// A frame, lent until the next call.
    Frame(Frame<'a>),
    /// Nothing right now. Given at least every 20 ms while nothing comes, so that timers run and signals are seen.
    Idle,
    /// Nothing ever more.
    End,
}

/// Where frames come from.
pub trait Source {
    /// The next frame.
    ///
    /// # Errors
    /// When nothing more can be read; what was given before stays true.
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError>;

    /// The counters as they are now.
    fn stats(&mut self) -> CaptureStats;

    /// The link type of the first interface or file.
    fn link(&self) -> LinkType;

    /// Warnings that were not yet taken, in words.
    fn warnings(&mut self) -> Vec<String>;
}

/// Why nothing can be captured or read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is no such interface.
    #[error("there is no interface \"{0}\"")]
    NoSuchDevice(String),
    /// The program may not listen there.
    #[error("no right to capture on {0}")]
    NoRights(String),
    /// The interface is there and down.
    #[error("{0} is down; nothing can arrive there")]
    Down(String),
    /// The interface went away or down while it was listened on.
    #[error("{device} is gone: {detail}")]
    Gone {
        /// Its name.
        device: String,
        /// libpcap's words.
        detail: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {}", path.display(), source)]
    Io {
        /// Its name.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no capture.
    #[error("{} is no capture file: it {what}", path.display())]
    NotACapture {
        /// Its name.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A filter does not compile.
    #[error("{detail}")]
    Filter {
        /// The filter as given.
        filter: String,
        /// libpcap's words.
        detail: String,
    },
    /// Anything else that libpcap says.
    #[error("{device}: {detail}")]
    Other {
        /// The interface.
        device: String,
        /// libpcap's words.
        detail: String,
    },
}

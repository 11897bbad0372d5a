//! The first verb: *capture* waits for frames, from devices ([`live`]) or from files ([`savefile`]).
//!
//! This is the only code that waits for packets and the only code that names the `pcap` crate. It does not look inside a
//! frame; the one exception is the user's own [`filter`], which libpcap runs. Beside the sources live their neighbours:
//! the list of [`devices`], the writer of capture files ([`dump`]) and the giving up of root's rights ([`privileges`]).

use std::fmt;

use crate::frame::{Frame, LinkType};
use crate::stats::CaptureStats;

mod bpf;
pub mod counters;
mod device;
pub mod devices;
pub mod dump;
mod error;
pub mod filter;
mod gauges;
mod linktype;
pub mod live;
pub mod privileges;
pub mod rights;
pub mod savefile;
pub mod system;

pub use error::{CaptureError, Looks};

/// What a source has to say when it is asked for the next frame.
#[derive(Debug)]
pub enum Next<'a> {
    /// A frame, lent until the next call.
    Frame(Frame<'a>),
    /// Nothing right now: a live device or an open pipe is quiet. It may also come without a reason; ask again.
    Idle,
    /// Nothing ever again.
    End,
}

/// Where frames come from.
///
/// A call waits 20 ms at most (a regular file: as long as the disk takes), so that whoever drives the run sees signals and
/// lets time pass. After an error or [`Next::End`] the source is not asked again.
pub trait Source {
    /// The next frame, numbered from 1 over the whole run.
    ///
    /// # Errors
    /// The source cannot go on: a device went away, a disk failed, an input turned out to be no capture. A capture file
    /// that is damaged further on is no error: it is a [`Warning`] and the next file.
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError>;

    /// The counters so far. Asks the kernel when live, so not for every frame.
    fn stats(&mut self) -> CaptureStats;

    /// The interfaces known so far; [`Frame::interface`] is an index into it. It only grows.
    fn interfaces(&self) -> &[Interface];

    /// What a person should be told, once: since the last call.
    fn take_warnings(&mut self) -> Vec<Warning>;

    /// How far a replay is; `None` while capturing live.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// One interface that frames come from, of this machine or as a file describes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Interface {
    /// The device, or the file that describes it.
    pub source: String,
    /// Its name: the device's, or what a pcapng file says. Hostile text when it comes from a file.
    pub name: Option<String>,
    /// What its frames start with.
    pub link: LinkType,
    /// Frames were cut to this many bytes; never 0, libpcap's largest (262,144) where nothing is said.
    pub snaplen: u32,
}

/// libpcap's largest snap length, which stands for "whole frames".
pub const MAX_SNAPLEN: u32 = 262_144;

/// Something that does not end the run but that a person should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The file or device it is about.
    pub about: String,
    /// What happened, and where.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// How far a replay is, in bytes as they lie on the disk (compressed ones before they are unpacked).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes read so far, of all files together.
    pub read: u64,
    /// Bytes of all files; `None` when one of them is no regular file, such as a pipe.
    pub total: Option<u64>,
}

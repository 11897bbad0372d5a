//! *capture*: reads frames from network devices ([`live`]) and capture files ([`savefile`]). It is
//! the only code that blocks on input and the only code that names the `pcap` crate; it never looks
//! inside a frame, except by running the user's own [`filter`].
//!
//! The folder also holds the list of [`devices`], the [`writer`] of capture files, what the kernel
//! reports about the network ([`netinfo`], [`proc_net_dev`]) and the dropping of [`privileges`].

use std::fmt;
use std::sync::Arc;

use crate::frame::{Frame, LinkType};
use crate::stats::CaptureStats;

mod bpf;
mod device;
pub mod devices;
mod error;
pub mod filter;
mod linktype;
pub mod live;
pub mod netinfo;
pub mod privileges;
pub mod proc_net_dev;
pub mod savefile;
mod sysfs;
pub mod writer;

pub use error::{CaptureError, FormatError};

/// Result of asking a source for the next frame.
#[derive(Debug)]
pub enum Next<'a> {
    /// A frame, borrowed until the next call.
    Frame(Frame<'a>),
    /// No frame now: a live device or an open pipe is quiet. May also be spurious; call again.
    Idle,
    /// No more frames.
    End,
}

/// A source of frames.
///
/// A call blocks for at most 20 ms (for a regular file: as long as the disk takes), so that the
/// caller can handle signals and timers. The source must not be called again after an error or
/// [`Next::End`].
pub trait Source {
    /// Returns the next frame, numbered from 1 over the whole run.
    ///
    /// # Errors
    /// The source cannot continue: a device disappeared, a disk failed, or an input is not a
    /// capture. A capture file that is damaged further on is not an error: it yields a [`Warning`]
    /// and the next file is read.
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError>;

    /// Returns the counters so far. Live sources query the kernel, so do not call this for every
    /// frame.
    fn stats(&mut self) -> CaptureStats;

    /// The interfaces seen so far, indexed by [`Frame::interface`]. The list only grows.
    fn interfaces(&self) -> &[Interface];

    /// Returns the warnings since the last call.
    fn take_warnings(&mut self) -> Vec<Warning>;

    /// Progress of a replay; `None` when capturing live.
    fn progress(&self) -> Option<Progress> {
        None
    }
}

/// An interface that frames come from, of this machine or as described by a file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Interface {
    /// The device, or the file that describes the interface.
    pub source: Arc<str>,
    /// The name of the device, or the one in a pcapng file. Untrusted text when it comes from a
    /// file.
    pub name: Option<String>,
    /// Link type of its frames.
    pub link: LinkType,
    /// Maximum bytes captured of each frame; never 0, and [`MAX_SNAPLEN`] when unspecified.
    pub snaplen: u32,
}

/// libpcap's largest snap length, which means "whole frames".
pub const MAX_SNAPLEN: u32 = 262_144;

/// A problem that does not end the run but that the user should see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The file or device concerned.
    pub about: String,
    /// What happened, and where.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// Progress of a replay, in bytes on disk (compressed bytes for compressed files).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes read so far, over all files.
    pub read: u64,
    /// Total bytes of all files; `None` if one of them is not a regular file, for example a pipe.
    pub total: Option<u64>,
}

//! Why a source cannot be opened or cannot go on. The friendly text and the hint are added where the error is shown.

use std::io;
use std::path::PathBuf;

use super::filter::FilterError;

/// What ends a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is no network device of this name.
    #[error("{name}: no such device")]
    NoSuchDevice {
        /// As it was asked for.
        name: String,
    },
    /// The operating system does not let this user capture.
    #[error("{device}: no permission to capture: {detail}")]
    NoRights {
        /// The device.
        device: String,
        /// libpcap's words.
        detail: String,
    },
    /// The device exists and is not up.
    #[error("{name}: the device is down")]
    DeviceDown {
        /// The device.
        name: String,
    },
    /// The device went away while it was captured from.
    #[error("{name}: the device is gone")]
    DeviceGone {
        /// The device.
        name: String,
    },
    /// Anything else that libpcap says about a device.
    #[error("{name}: {detail}")]
    Device {
        /// The device.
        name: String,
        /// libpcap's words.
        detail: String,
    },
    /// A file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A file can be read and is no capture.
    #[error("{}: not a capture file: {what}", path.display())]
    NotACapture {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// What it seems to be.
        what: Looks,
    },
    /// The capture filter cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The program was started set-uid or set-gid.
    #[error("it does not run set-uid or set-gid")]
    SetId,
    /// Root's rights could not be given up.
    #[error("cannot give up root's rights: {detail}")]
    Privileges {
        /// Which step failed, and how.
        detail: String,
    },
}

impl CaptureError {
    /// Whether it is that a file has nothing in it, or not even a header: as whoever captures into it has just begun it.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        matches!(
            self,
            Self::NotACapture {
                what: Looks::Empty | Looks::Cut,
                ..
            }
        )
    }
}

/// What a file that is no capture seems to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Looks {
    /// No bytes at all.
    #[error("it is empty")]
    Empty,
    /// Printable characters.
    #[error("it looks like text")]
    Text,
    /// A directory.
    #[error("it is a directory")]
    Directory,
    /// A capture's first bytes, and then the end before its header is complete.
    #[error("it ends inside its file header")]
    Cut,
    /// A capture of a version of the format that nobody defined.
    #[error("it has an unknown version of the format")]
    Version,
    /// A capture in a format of other programs, by its name.
    #[error("it is a file of {0}")]
    Foreign(&'static str),
    /// A compressed file that cannot be unpacked.
    #[error("it cannot be unpacked")]
    Packed,
    /// Something else.
    #[error("its first bytes are of no known format")]
    Unknown,
}

//! Errors of opening or reading a source. They hold the facts only; the command line adds the hint
//! that goes with them.

use std::io;
use std::path::PathBuf;

use super::filter::FilterError;

/// An error that ends a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// No network device has this name.
    #[error("{name}: no such device")]
    NoSuchDevice {
        /// The requested name.
        name: String,
    },
    /// The operating system does not allow this user to capture.
    #[error("{device}: no permission to capture: {detail}")]
    NoRights {
        /// The device.
        device: String,
        /// libpcap's message.
        detail: String,
    },
    /// The device exists but is not up.
    #[error("{name}: the device is down")]
    DeviceDown {
        /// The device.
        name: String,
    },
    /// The device disappeared during the capture.
    #[error("{name}: the device is gone")]
    DeviceGone {
        /// The device.
        name: String,
    },
    /// Any other error that libpcap reports for a device.
    #[error("{name}: {detail}")]
    Device {
        /// The device.
        name: String,
        /// libpcap's message.
        detail: String,
    },
    /// A file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file can be read but is not a capture.
    #[error("{}: not a capture file: {what}", path.display())]
    NotACapture {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// Why it was not recognised.
        what: FormatError,
    },
    /// The capture filter cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The process was started set-uid or set-gid.
    #[error("it does not run set-uid or set-gid")]
    SetId,
    /// Root privileges could not be dropped.
    #[error("cannot drop root privileges: {detail}")]
    Privileges {
        /// The step that failed, and its error.
        detail: String,
    },
}

impl CaptureError {
    /// Whether the file is empty or has an incomplete file header, as when a capture into it has
    /// just begun.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        matches!(
            self,
            Self::NotACapture {
                what: FormatError::Empty | FormatError::Cut,
                ..
            }
        )
    }
}

/// Why a file was not recognised as a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FormatError {
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// The file starts with printable characters.
    #[error("it looks like text")]
    Text,
    /// The path is a directory.
    #[error("it is a directory")]
    Directory,
    /// The magic number of a capture, but an incomplete file header.
    #[error("it ends inside its file header")]
    Cut,
    /// A version of the format that is not defined.
    #[error("it has an unknown version of the format")]
    Version,
    /// A capture in a format of other programs: its name.
    #[error("it is a file of {0}")]
    Foreign(&'static str),
    /// A compressed file that cannot be decompressed.
    #[error("it cannot be decompressed")]
    Packed,
    /// Any other first bytes.
    #[error("its format is not recognised")]
    Unknown,
}

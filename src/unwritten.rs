//! An error of writing to a file, with the name of the file.
//!
//! The name travels inside the `io::Error` to the place that reports it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An I/O error of writing, with the path of the file.
#[derive(Debug)]
pub struct Unwritten {
    /// The path.
    pub path: PathBuf,
    /// The error.
    pub source: io::Error,
}

impl Unwritten {
    /// Wraps an error with the path, unless it already has one. The error kind stays.
    #[must_use]
    pub fn wrap(path: &Path, source: io::Error) -> io::Error {
        if Self::of(&source).is_some() {
            return source;
        }
        let path = path.to_owned();
        io::Error::new(source.kind(), Self { path, source })
    }

    /// The wrapped error; `None` if `error` was not wrapped.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.source)
    }
}

impl Error for Unwritten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A writer that adds its path to all errors.
pub struct Named<W> {
    /// The inner writer.
    pub writer: W,
    /// Its path.
    pub path: PathBuf,
}

impl<W: io::Write> io::Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.writer.write(bytes);
        result.map_err(|error| match error.kind() {
            // Not an error: the caller retries.
            io::ErrorKind::Interrupted => error,
            _ => Unwritten::wrap(&self.path, error),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.writer.flush();
        result.map_err(|error| Unwritten::wrap(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_name_goes_along_and_the_kind_stays() {
        let path = PathBuf::from("/tmp/full.pcap");
        let mut small = [0; 1];
        let mut named = Named {
            writer: &mut small[..],
            path: path.clone(),
        };
        let error = named.write_all(b"two").unwrap_err();
        // A full slice returns a length of 0, which is not an error of the writer.
        assert!(Unwritten::of(&error).is_none());
        let error = Unwritten::wrap(&path, io::ErrorKind::StorageFull.into());
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(Unwritten::of(&error).unwrap().path, path);
        assert!(error.to_string().starts_with("/tmp/full.pcap: "));
    }
}

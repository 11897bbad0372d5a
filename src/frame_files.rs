//! Where a frame of the run lies: in which file, and as which of the file's frames.
//!
//! The reader of the files adds an entry as each file begins; a renderer looks frames up, possibly
//! in another thread. Frames keep one number over the whole run, so the stages between pay nothing.

use std::sync::{Arc, Mutex, PoisonError};

/// Which file each frame of a run lies in. Clones share their entries: at most one for each file
/// of the run.
#[derive(Clone, Debug, Default)]
pub struct FrameFiles(Arc<Mutex<Vec<Entry>>>);

/// The frames after `before` lie in this file, up to the next entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    before: u64,
    file: usize,
}

/// The place of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FramePlace {
    /// The number of the file, from 1, in the order in which files are read.
    pub file: usize,
    /// The number of the frame in the file, from 1: Wireshark's.
    pub frame: u64,
}

impl FrameFiles {
    /// A file begins after `before` frames of the run; `file` is its number, from 1. Files begin in
    /// the order of their frames.
    pub fn begins(&self, file: usize, before: u64) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(Entry { before, file });
    }

    /// The place of the frame with this number in the run. Without files (live) all frames are
    /// those of the first.
    #[must_use]
    pub fn place(&self, number: u64) -> FramePlace {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two entries with the same number of frames before, the first file has none.
        let after = entries.partition_point(|entry| entry.before < number);
        match after.checked_sub(1).and_then(|at| entries.get(at)) {
            Some(entry) => FramePlace {
                file: entry.file,
                frame: number - entry.before,
            },
            None => FramePlace {
                file: 1,
                frame: number,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_in_their_file() {
        let files = FrameFiles::default();
        let place = |number| {
            let place = files.place(number);
            (place.file, place.frame)
        };
        assert_eq!(place(7), (1, 7));
        for (file, before) in [(1, 0), (2, 3), (3, 3), (5, 4)] {
            files.begins(file, before);
        }
        let all: Vec<_> = (1..=6).map(place).collect();
        assert_eq!(all, [(1, 1), (1, 2), (1, 3), (3, 1), (5, 1), (5, 2)]);
    }
}

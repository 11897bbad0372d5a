//! The progress line of a long file, on a terminal: below the records, removed before each record.
//!
//! Drawn at most every [`EVERY`].

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::FileTypeExt as _;
use std::time::{Duration, Instant};

use crate::capture::Progress;
use crate::render;

use super::status::{StatusLine, columns, cut};

/// File size in bytes from which the line is shown at once.
const LARGE: u64 = 50 << 20;
/// Running time after which it is shown for smaller files.
const LONG: Duration = Duration::from_secs(1);
/// Interval of drawing.
const EVERY: Duration = Duration::from_millis(100);

/// Draws the progress line while files are read.
pub(super) struct ProgressLine {
    line: StatusLine,
    begun: Instant,
    drawn: Instant,
    columns: usize,
}

impl ProgressLine {
    /// The progress line for files. `None` if standard error is no terminal, or standard output is
    /// a pipe: a program that reads our output from a pipe may write to the same terminal at any
    /// time, even inside the line.
    pub(super) fn new(line: StatusLine, quiet: bool) -> Option<Self> {
        let now = Instant::now();
        let piped = std::fs::metadata("/dev/stdout").is_ok_and(|it| it.file_type().is_fifo());
        (!quiet && !piped && io::stderr().is_terminal()).then(|| Self {
            line,
            begun: now,
            drawn: now,
            columns: columns(),
        })
    }

    /// Draws the line if it is due.
    pub(super) fn look(&mut self, progress: Option<Progress>) {
        if self.drawn.elapsed() < EVERY {
            return;
        }
        self.drawn = Instant::now();
        let passed = self.begun.elapsed();
        if let Some(progress) = progress.filter(|progress| is_worth(progress, passed)) {
            self.line.draw(&cut(&text(progress, passed), self.columns));
        }
    }
}

fn is_worth(progress: &Progress, passed: Duration) -> bool {
    passed >= LONG || progress.total.is_some_and(|total| total >= LARGE)
}

/// `12 % · 312 MiB of 2.5 GiB · 410 MiB/s · 5 s left`; unknown parts are omitted.
fn text(progress: Progress, passed: Duration) -> String {
    let read = progress.read;
    let seconds = passed.as_secs_f64();
    let rate = if seconds > 0.0 {
        read as f64 / seconds
    } else {
        0.0
    };
    let mut parts = Vec::new();
    match progress.total.filter(|total| *total > 0) {
        Some(total) => {
            // The file may grow while it is read.
            let percent = (read.saturating_mul(100) / total).min(100);
            parts.push(format!("{percent} %"));
            parts.push(format!("{} of {}", render::size(read), render::size(total)));
        }
        None => parts.push(format!("{} read", render::size(read))),
    }
    parts.push(format!("{}/s", render::size(rate as u64)));
    if let Some(total) = progress.total.filter(|_| rate >= 1.0) {
        let left = (total.saturating_sub(read) as f64 / rate).ceil();
        parts.push(match left {
            ..120.0 => format!("{left:.0} s left"),
            ..7200.0 => format!("{:.0} min left", left / 60.0),
            _ => format!("{:.0} h left", left / 3600.0),
        });
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_progress_rate_and_time_left() {
        const MIB: u64 = 1 << 20;
        let table = [
            (
                312 * MIB,
                Some(2560 * MIB),
                760,
                "12 % · 312 MiB of 2.5 GiB · 411 MiB/s · 6 s left",
            ),
            (0, Some(100 * MIB), 100, "0 % · 0 B of 100 MiB · 0 B/s"),
            (
                100 * MIB,
                Some(100 * MIB),
                1000,
                "100 % · 100 MiB of 100 MiB · 100 MiB/s · 0 s left",
            ),
            (
                120 * MIB,
                Some(100 * MIB),
                1000,
                "100 % · 120 MiB of 100 MiB · 120 MiB/s · 0 s left",
            ),
            (
                MIB,
                Some(601 * MIB),
                1000,
                "0 % · 1 MiB of 601 MiB · 1 MiB/s · 10 min left",
            ),
            (
                MIB,
                Some(36_001 * MIB),
                1000,
                "0 % · 1 MiB of 35 GiB · 1 MiB/s · 10 h left",
            ),
            (312 * MIB, None, 1000, "312 MiB read · 312 MiB/s"),
            (0, Some(0), 0, "0 B read · 0 B/s"),
        ];
        for (read, total, millis, wanted) in table {
            let got = text(Progress { read, total }, Duration::from_millis(millis));
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_short_run_has_none() {
        let of = |total: Option<u64>| Progress { read: 1, total };
        for (total, millis, wanted) in [
            (Some(1000), 300, false),
            (Some(1000), 1000, true),
            (Some(LARGE), 100, true),
            (None, 300, false),
            (None, 1500, true),
        ] {
            assert_eq!(is_worth(&of(total), Duration::from_millis(millis)), wanted);
        }
    }
}

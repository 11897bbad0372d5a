//! Tables of text: the first column to the left, the others to the right.

use std::time::Duration;

/// A table that is printed when it is whole.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(title: &[&str]) -> Self {
        Self(vec![title.iter().map(ToString::to_string).collect()])
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.0.push(cells);
    }

    /// Print it, with an empty line behind it. Columns of text are as wide as their widest cell.
    pub(crate) fn print(&self) {
        let wide = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in &self.0 {
            let cells = row.iter().enumerate().map(|(column, cell)| match column {
                0 => format!("{cell:width$}", width = wide(0)),
                _ => format!("{cell:>width$}", width = wide(column)),
            });
            println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        println!();
    }
}

/// Seconds, `-` for what was not measured.
pub(crate) fn seconds(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.3} s", time.as_secs_f64()))
}

/// The first time over the second.
pub(crate) fn ratio(ours: Option<Duration>, theirs: Option<Duration>) -> String {
    let ratio = |(ours, theirs): (Duration, Duration)| ours.as_secs_f64() / theirs.as_secs_f64();
    ours.zip(theirs)
        .map_or("-".into(), |pair| format!("{:.2}", ratio(pair)))
}

/// Mebibytes of so many kibibytes.
pub(crate) fn mebibytes(kibibytes: Option<u64>) -> String {
    kibibytes.map_or("-".into(), |kibibytes| {
        format!("{:.1}", kibibytes as f64 / 1024.0)
    })
}

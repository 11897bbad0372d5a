//! `--stats`: a table of hosts, and of what they are asked for, with counts and times. It names
//! HTTP: its rows are methods and paths.
//!
//! Each table is of all that came since the start. Hosts that are asked most come first, and of
//! each the slowest paths: by the time that 95 of 100 exchanges stay below; one that was never
//! answered is slower than any.

mod book;
mod table;
mod took;

use std::io;

use crate::exchange::Silence;
use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::hit::{Hit, Pair, Portion, Why};
use crate::stats::Stats;

use super::request::Request;
use super::{Out, Renderer, Settings, Wants, human};

use book::Book;

/// The output.
pub(super) struct Overview {
    settings: Settings,
    /// Nanoseconds of capture time between two tables.
    every: Option<i64>,
    out: Out,
    book: Book,
    /// Bursts and datagrams.
    apart: u64,
    /// When the capture began, and the latest moment of it.
    span: Option<(Timestamp, Timestamp)>,
    /// How many tables' times have gone by.
    passed: i64,
    /// Something was counted since the last table.
    fresh: bool,
    printed: bool,
}

impl Overview {
    pub(super) fn new(mut settings: Settings, every: Option<i64>, out: Out) -> Self {
        // A tab would leave the column.
        settings.escape.tab = false;
        Self {
            settings,
            every: every.filter(|nanos| *nanos > 0),
            out,
            book: Book::new(),
            apart: 0,
            span: None,
            passed: 0,
            fresh: false,
            printed: false,
        }
    }

    /// Print the table; `after` so many nanoseconds, when it is one of several.
    fn table(&mut self, after: Option<i64>) -> io::Result<()> {
        let text = self.out.text();
        if std::mem::replace(&mut self.printed, true) {
            text.push(b'\n');
        }
        if let Some(after) = after {
            let line = format!("After {}, since the start:\n", human::duration(after));
            text.extend_from_slice(line.as_bytes());
        }
        table::print(&self.book, &self.settings, text);
        if self.apart > 0 && self.settings.quiet == 0 {
            let many = match self.apart {
                1 => "1 burst or datagram is".to_owned(),
                more => format!("{more} bursts and datagrams are"),
            };
            text.extend_from_slice(
                format!("{many} no exchange and not in the table.\n").as_bytes(),
            );
        }
        self.fresh = false;
        self.out.record()
    }
}

impl Renderer for Overview {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        let first = matches!(hit.portion, Portion::Whole | Portion::First);
        if first && hit.why == Why::Match {
            self.apart += 1;
            self.fresh = true;
        }
        Ok(())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let asked = Request::of(pair);
        let server = match (pair.request, pair.response) {
            (Some(hit), _) => hit.heading.dst.to_string(),
            (None, Some(hit)) => hit.heading.src.to_string(),
            (None, None) => "-".to_owned(),
        };
        let (host, method, path) = match &asked {
            Some(request) => {
                let (host, path) = request.place();
                (host, request.method, path)
            }
            None => ("", "", "(request not captured)"),
        };
        let host = if host.is_empty() { &server } else { host };
        let status = pair
            .response
            .map(|hit| hit.brief.status)
            .ok_or(pair.silence);
        let failed = pair.response.map_or(pair.failed, |hit| hit.failed);
        let class = book::class(status, failed.as_ref());
        // Without a question nobody knows when it was asked.
        let nanos = pair.times.total().filter(|_| asked.is_some());
        self.book.add([host, method, path], class, nanos);
        self.fresh = true;
        Ok(())
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        // A request that has no answer comes as a pair.
        if failure.number == 0 {
            let server = failure.heading.dst.to_string();
            let class = book::class(Err(Silence::None), Some(&failure.failed));
            let many = failure.more.map_or(1, |more| more.count);
            self.book
                .add_many([&server, "", "(connection)"], class, many);
            self.fresh = true;
        }
        Ok(())
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        let (began, latest) = self.span.get_or_insert((now, now));
        *latest = now.max(*latest);
        let span = latest.since(*began);
        let Some(every) = self.every else {
            return Ok(());
        };
        // Nothing came since the last one of the moments that have gone by: this is how it was
        // then.
        let passed = span / every;
        if passed > self.passed {
            self.passed = passed;
            if self.fresh {
                return self.table(Some(passed * every));
            }
        }
        Ok(())
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        let span = self.span.map_or(0, |(began, latest)| latest.since(began));
        if self.fresh {
            self.table(self.every.map(|_| span))?;
        }
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            pairs: true,
            ticks: self.every.is_some(),
            ..Wants::NOTHING
        }
    }
}

#[cfg(test)]
mod tests;

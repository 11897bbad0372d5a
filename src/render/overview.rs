//! The `--stats` output: a table of hosts and requested paths, with counts and times. Memory is
//! bounded by the number of rows, whatever is captured.
//!
//! Each table covers everything since the start. Hosts are sorted by number of requests, the paths
//! of each by their 95th percentile; a request without a response counts as slowest. The rows are
//! methods and paths, so this view depends on HTTP.

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
use super::{
    Out, OutputArgument, OutputFormat, OutputValue, Renderer, Settings, Wants, heading, human,
};

use book::Book;

/// `--stats[=EVERY]`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Every,
    help: "Show a table of hosts and paths with their times at the end, or every so often: --stats=5s",
    examples: &[(
        "--stats, --stats=5s",
        "a table of hosts and paths, at the end or every so often",
    )],
    words: "a table of times",
    is_whole: true,
    ..OutputFormat::new("stats", |settings, argument, out| {
        let every = match argument {
            OutputArgument::Every(every) => every,
            _ => None,
        };
        Box::new(Overview::new(settings, every, out))
    })
};

/// The `--stats` output.
pub(super) struct Overview {
    settings: Settings,
    /// Interval between two tables, in nanoseconds of capture time.
    every: Option<i64>,
    out: Out,
    book: Book,
    /// Number of bursts and datagrams.
    apart: u64,
    /// First and last time of the capture.
    span: Option<(Timestamp, Timestamp)>,
    /// Number of intervals that have passed.
    passed: i64,
    /// Whether anything was counted since the last table.
    fresh: bool,
    printed: bool,
}

impl Overview {
    fn new(mut settings: Settings, every: Option<i64>, out: Out) -> Self {
        // A tab would break the columns.
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

    /// Prints the table. `after`: time since the start in nanoseconds, if there are several tables.
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
        let request = Request::of(pair);
        let server = match (pair.request, pair.response) {
            (Some(hit), _) => hit.heading.dst.to_string(),
            (None, Some(hit)) => hit.heading.src.to_string(),
            (None, None) => "-".to_owned(),
        };
        let (host, method, path) = match &request {
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
        // Without a request the total time is unknown.
        let nanos = pair.times.total().filter(|_| request.is_some());
        self.book.add([host, method, path], class, nanos);
        let known = pair.request.or(pair.response);
        let client = known.and_then(|hit| heading::label(hit.who.client, &self.settings.escape));
        if let Some(client) = client {
            self.book.ask(host, client);
        }
        self.fresh = true;
        Ok(())
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        // A request without a response arrives as a pair.
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
        // Nothing was counted since the last passed interval, so the table shows the state at its
        // end.
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

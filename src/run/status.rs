//! The status line of a live run on a terminal: what it waits for. It is below the records and
//! removed before each record.
//!
//! Drawn at most every [`EVERY`].

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::exchange::Silence;
use crate::frame::Timestamp;
use crate::pipeline::{PendingRequest, Pipeline};
use crate::render;

use super::notes::clean;

/// Waiting time in nanoseconds from which a request is shown.
const WORTH: i64 = 500_000_000;
/// Interval of drawing.
const EVERY: Duration = Duration::from_millis(100);

/// The line. Shared by all writers to the terminal, which remove it first.
#[derive(Clone, Default)]
pub(super) struct StatusLine {
    stands: Rc<Cell<bool>>,
}

impl StatusLine {
    /// Removes the line if it is drawn; returns whether it was.
    pub(super) fn clear(&self) -> bool {
        let stood = self.stands.take();
        if stood {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
        stood
    }

    pub(super) fn draw(&self, text: &str) {
        self.stands.set(true);
        let _ = io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
    }
}

/// A writer that removes the line before it writes.
pub(super) struct StatusAwareWriter<W> {
    pub(super) writer: W,
    pub(super) line: StatusLine,
}

impl<W: Write> Write for StatusAwareWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.clear();
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Draws the line while a response is awaited.
pub(super) struct Watch {
    line: StatusLine,
    drawn: Instant,
    columns: usize,
}

impl Watch {
    /// The watch; `None` if nobody sees the line.
    pub(super) fn new(line: StatusLine, live: bool, quiet: bool) -> Option<Self> {
        (live && !quiet && io::stderr().is_terminal()).then(|| Self {
            line,
            drawn: Instant::now(),
            columns: columns(),
        })
    }

    /// Draws the line if it is due. `idle` is shown while no response is awaited.
    pub(super) fn look(&mut self, pipeline: &mut Pipeline, idle: Option<&str>) {
        if self.drawn.elapsed() < EVERY {
            return;
        }
        self.drawn = Instant::now();
        let now = pipeline.now();
        match pipeline
            .waits_for()
            .filter(|request| now.since(request.since) >= WORTH)
        {
            Some(request) => self.line.draw(&cut(&text(&request, now), self.columns)),
            None => match idle {
                Some(text) => self
                    .line
                    .draw(&cut(&format!("... {}", clean(text)), self.columns)),
                None => {
                    self.line.clear();
                }
            },
        }
    }
}

fn text(request: &PendingRequest, now: Timestamp) -> String {
    let state = match (request.begun, request.acknowledged) {
        (true, _) => "the response has begun",
        (_, true) => "request acknowledged",
        _ if request.silence == Silence::Unseen => "no packet of the server was captured",
        _ => "request not acknowledged",
    };
    format!(
        "... #{} waiting for {} · {state} · {}",
        request.number,
        request.server,
        render::duration(now.since(request.since))
    )
}

/// The width of the terminal in columns.
pub(super) fn columns() -> usize {
    let columns = terminal_size::terminal_size_of(io::stderr()).map_or(80, |size| size.0.0);
    usize::from(columns)
}

/// Cuts the text to one row, because a line that wraps could not be removed.
pub(super) fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Endpoint;
    use std::net::IpAddr;

    #[test]
    fn it_shows_the_awaited_request_and_its_age() {
        let end = |port: u16| Endpoint {
            addr: IpAddr::from([127, 0, 0, 1]),
            port,
        };
        let mut request = PendingRequest {
            number: 7,
            title: b"GET /".to_vec(),
            client: end(41060),
            server: end(5000),
            sent: 82,
            acknowledged: true,
            since: Timestamp::from_nanos(1_000_000_000),
            begun: false,
            silence: Silence::None,
            received: false,
        };
        let now = Timestamp::from_nanos(2_400_000_000);
        assert_eq!(
            text(&request, now),
            "... #7 waiting for 127.0.0.1:5000 · request acknowledged · 1.4 s"
        );
        request.acknowledged = false;
        assert!(text(&request, now).contains("not acknowledged"));
        request.silence = Silence::Unseen;
        assert!(text(&request, now).contains("no packet of the server was captured"));
        request.silence = Silence::None;
        request.begun = true;
        assert!(text(&request, now).contains("begun"));
        assert_eq!(cut("häh?", 3), "hä");
    }

    #[test]
    fn what_is_written_takes_it_away() {
        let line = StatusLine::default();
        line.stands.set(true);
        let mut above = StatusAwareWriter {
            writer: Vec::new(),
            line: line.clone(),
        };
        above.write_all(b"record").expect("a vector takes all");
        assert!(!line.stands.get());
        assert_eq!(above.writer, b"record");
    }
}

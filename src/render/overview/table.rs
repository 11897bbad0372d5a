//! Formats the table as text. The whole table is available, so each column is as wide as its
//! contents.
//!
//! ```text
//! REQUESTS           COUNT  STATUS      MEDIAN        P95        P99        MAX
//! 127.0.0.1:5000         3  2xx ×3     0.78 ms    2 s !      2 s !      2 s !
//!   GET /slow            1  2xx ×1     2 s !      2 s !      2 s !      2 s !  ████████████
//! ```

use std::cmp::Reverse;

use unicode_width::UnicodeWidthStr as _;

use crate::message::HeadStyle;
use crate::render::row::{GAP, Row as Line, cut};
use crate::render::style::Paint;
use crate::render::{Settings, timing};

use super::book::{Book, CLASSES, HOSTS, Host, NOT_CAPTURED, PATHS, Row};
use super::took::{Percentiles, Together};

/// Minimum width of the columns of counts and of times.
const COUNT: usize = 6;
const TOOK: usize = 9;
/// Minimum width of the column of names, and its maximum where line length is unlimited. A wider
/// name shifts its own line.
const NAME: [usize; 2] = [24, 60];
/// Characters of the longest bar.
const BAR: usize = 20;

/// A line of the table.
struct Shown {
    name: String,
    count: String,
    status: String,
    paint: Option<Paint>,
    times: Option<Percentiles>,
    bar: bool,
    /// A text without columns.
    note: bool,
}

/// Processes that are named below a host.
const CLIENTS: usize = 6;

/// Prints the table of `book`.
pub(super) fn print(book: &Book, settings: &Settings, out: &mut Vec<u8>) {
    let mut reader = Reader {
        together: Together::new(),
        settings,
    };
    let lines = reader.all(book);
    let longest = lines
        .iter()
        .filter(|line| line.bar)
        .filter_map(|line| line.times)
        .map(|times| times.p95)
        .max();
    let widest = |of: fn(&Shown) -> usize| {
        let rows = lines.iter().filter(|line| !line.note);
        rows.map(of).max().unwrap_or(0)
    };
    let count = widest(|line| line.count.width()).max(COUNT);
    let status = widest(|line| line.status.width()).max(COUNT);
    let others = count + status + 4 * TOOK + BAR + 7 * GAP;
    let most = match settings.fits {
        true => settings.columns.saturating_sub(others).max(NAME[0]),
        false => NAME[1],
    };
    let name = widest(|line| line.name.width()).clamp(NAME[0], most);
    if lines.is_empty() {
        return;
    }
    if settings.quiet == 0 {
        let dim = Some(Paint::Dim);
        let mut row = Line::new(out, settings.color);
        row.left("REQUESTS", name, dim);
        row.right("COUNT", count, dim);
        row.left("STATUS", status, dim);
        for title in ["MEDIAN  ", "P95  ", "P99  ", "MAX  "] {
            row.right(title, TOOK, dim);
        }
        row.end();
    }
    for mut line in lines {
        let mut row = Line::new(out, settings.color);
        if line.note {
            if settings.fits {
                cut(&mut line.name, settings.columns);
            }
            row.left(&line.name, 0, Some(Paint::Dim));
            row.end();
            continue;
        }
        if settings.fits {
            cut(&mut line.name, name);
        }
        row.left(&line.name, name, None);
        row.right(&line.count, count, None);
        row.left(&line.status, status, line.paint);
        let times = line.times;
        for nanos in [
            times.map(|times| times.median),
            times.map(|times| times.p95),
            times.map(|times| times.p99),
            times.map(|times| times.max),
        ] {
            let slow = nanos.is_some_and(timing::is_slow);
            row.right(&timing::marked(nanos), TOOK, slow.then_some(Paint::Slow));
        }
        if let (true, Some(times), Some(longest)) = (line.bar, times, longest) {
            let share = times.p95 as f64 / longest.max(1) as f64;
            row.left(&timing::bar(share, BAR, settings.signs), 0, None);
        }
        row.end();
    }
    if settings.quiet == 0 {
        notes(book, out);
    }
}

/// Remarks below the table.
fn notes(book: &Book, out: &mut Vec<u8>) {
    let mut note = |text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    };
    note(
        "Times are from the first byte of a request to the last of its response; bars are of P95.",
    );
    match book.folded() {
        0 => {}
        many => note(&format!(
            "{many} of these requests are counted as others: only the first {PATHS} paths and {HOSTS} hosts have lines."
        )),
    }
    let rows = book.hosts.values().flat_map(Host::rows);
    match rows
        .chain([&book.others])
        .filter(|row| row.took.is_coarse())
        .count()
    {
        0 => {}
        many => note(&format!(
            "The times of {many} lines are exact to one part in 100."
        )),
    }
}

/// Converts rows to lines.
struct Reader<'a> {
    together: Together,
    settings: &'a Settings,
}

impl Reader<'_> {
    fn all(&mut self, book: &Book) -> Vec<Shown> {
        let mut hosts: Vec<(u64, &String, &Host)> = book
            .hosts
            .iter()
            .map(|(name, host)| (host.rows().map(|row| row.count).sum(), name, host))
            .collect();
        hosts.sort_unstable_by_key(|(count, name, _)| (Reverse(*count), *name));
        let mut lines = Vec::new();
        for (_, name, host) in hosts {
            lines.push(self.line(name, &mut host.rows()));
            let mut paths: Vec<_> = host
                .paths
                .iter()
                .map(|((method, path), row)| {
                    let name = format!("{method} {path}");
                    let line = self.line(name.trim_start(), &mut [row].into_iter());
                    (row.count, line)
                })
                .collect();
            paths.sort_by(|(count, line), (other_count, other)| {
                let slowest = |line: &Shown| line.times.map_or(i64::MAX, |times| times.p95);
                let key = (Reverse(slowest(line)), Reverse(*count), &line.name);
                key.cmp(&(Reverse(slowest(other)), Reverse(*other_count), &other.name))
            });
            lines.extend(paths.into_iter().map(|(_, line)| line.below()));
            // If a host has only a common row, its own line already shows it.
            if host.others.count > 0 && !host.paths.is_empty() {
                lines.push(
                    self.line("other paths", &mut [&host.others].into_iter())
                        .below(),
                );
            }
            lines.extend(self.asked_by(host));
        }
        if book.others.count > 0 {
            lines.push(self.line("other hosts", &mut [&book.others].into_iter()));
        }
        lines
    }

    /// The processes that asked a host, those that asked most first.
    fn asked_by(&self, host: &Host) -> Option<Shown> {
        let mut clients: Vec<(&String, &u64)> = host.clients.iter().collect();
        clients.sort_unstable_by_key(|(name, count)| (Reverse(**count), *name));
        let times = if self.settings.signs { '×' } else { 'x' };
        let rest = clients.len().saturating_sub(CLIENTS);
        let mut names: Vec<String> = clients
            .into_iter()
            .take(CLIENTS)
            .map(|(name, count)| format!("{name} {times}{count}"))
            .collect();
        if rest > 0 {
            names.push(format!("and {rest} more"));
        }
        (!names.is_empty()).then(|| Shown {
            name: format!("  asked by  {}", names.join("   ")),
            count: String::new(),
            status: String::new(),
            paint: None,
            times: None,
            bar: false,
            note: true,
        })
    }

    /// The line for the sum of several rows.
    fn line(&mut self, name: &str, rows: &mut dyn Iterator<Item = &Row>) -> Shown {
        let rows: Vec<&Row> = rows.collect();
        let mut shown = Vec::new();
        self.settings.escape.write_str(name, &mut shown);
        let sum = |class: usize| rows.iter().map(|row| row.classes[class]).sum::<u64>();
        let times = if self.settings.signs { '×' } else { 'x' };
        let classes: Vec<(usize, u64)> = (0..CLASSES.len())
            .map(|class| (class, sum(class)))
            .filter(|(_, many)| *many > 0)
            .collect();
        let status: Vec<String> = classes
            .iter()
            .map(|(class, many)| format!("{} {times}{many}", CLASSES[*class]))
            .collect();
        // The worst class determines the colour; `not captured` does not count.
        let classes = classes.iter().map(|(class, _)| *class);
        let paint = classes.filter(|class| *class < NOT_CAPTURED).max();
        let took = rows.iter().map(|row| (&row.took, row.max));
        Shown {
            name: String::from_utf8(shown).unwrap_or_default(),
            count: rows.iter().map(|row| row.count).sum::<u64>().to_string(),
            status: status.join("  "),
            paint: paint.and_then(|class| match class {
                3 => Some(Paint::Part(HeadStyle::ClientError)),
                4 => Some(Paint::Part(HeadStyle::ServerError)),
                6 => Some(Paint::Slow),
                7 | 8 => Some(Paint::Failed),
                _ => None,
            }),
            times: self.together.of(took),
            bar: false,
            note: false,
        }
    }
}

impl Shown {
    /// Indents the line of a path below its host.
    fn below(self) -> Self {
        Self {
            name: format!("  {}", self.name),
            bar: true,
            ..self
        }
    }
}

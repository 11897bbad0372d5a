//! How the difference of two exchanges is laid out: what both have, `-` what only A has, `+` what only B has, `~` what differs;
//! at the end, dimmed, what always differs.

use crate::render::Settings;
use crate::render::style::{Paint, painted};

use super::exchange::{Exchange, Message};
use super::row::{Found, Row};
use super::{bodies, fields, likely, secrets};

/// Columns of a name, at most: what stands behind a longer one is moved to the right.
const NAME: usize = 32;

/// Two exchanges, compared.
pub(super) struct Comparison<'e> {
    a: &'e Exchange,
    b: &'e Exchange,
    request: Vec<Row>,
    answer: Vec<Row>,
    unsure: bool,
}

/// What a comparison came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    /// They are the same, but for what always differs.
    Same,
    /// They are the same as far as they were kept.
    Unsure,
    /// They differ.
    Different,
}

impl<'e> Comparison<'e> {
    pub(super) fn of(a: &'e Exchange, b: &'e Exchange, masked: bool) -> Self {
        let (request, unsure) = halves(a.question.as_ref(), b.question.as_ref(), "request", masked);
        let (answer, also) = halves(a.answer.as_ref(), b.answer.as_ref(), "answer", masked);
        Self {
            a,
            b,
            request,
            answer,
            unsure: unsure || also,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.has(Found::Differs) {
            true => Verdict::Different,
            false if self.unsure => Verdict::Unsure,
            false => Verdict::Same,
        }
    }

    fn has(&self, found: Found) -> bool {
        self.rows().any(|row| row.found == found)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.request.iter().chain(&self.answer)
    }

    /// Append it to `out`.
    pub(super) fn write(&self, settings: &Settings, out: &mut Vec<u8>) {
        let named = |row: &Row| match row.found {
            Found::Differs | Found::Noise => escaped(settings, &row.name).chars().count(),
            Found::Same | Found::Note => 0,
        };
        let mut page = Page {
            settings,
            width: self.rows().map(named).max().unwrap_or(0).min(NAME) + 2,
            out,
        };
        page.title(self.a, self.b);
        for (name, rows) in [("request", &self.request), ("answer", &self.answer)] {
            if !rows.is_empty() {
                page.words(&format!("\n  {name}\n"), None);
                let (noise, rest): (Vec<&Row>, Vec<&Row>) =
                    rows.iter().partition(|row| row.found == Found::Noise);
                rest.into_iter().chain(noise).for_each(|row| page.row(row));
            }
        }
        match (self.verdict(), self.has(Found::Noise)) {
            (Verdict::Different, _) => page.likely(self.a, self.b),
            (Verdict::Unsure, _) => page.words("\n  the same as far as they were kept\n", None),
            (Verdict::Same, true) => page.words(
                "\n  the same, but for what differs in each two exchanges\n",
                None,
            ),
            (Verdict::Same, false) => page.words("\n  the same\n", None),
        }
    }
}

/// The rows of two halves, and whether more may differ than they say.
fn halves(a: Option<&Message>, b: Option<&Message>, half: &str, masked: bool) -> (Vec<Row>, bool) {
    let start =
        |message: &Message| vec![secrets::shown(masked, b"", message.start_line()).into_owned()];
    match (a, b) {
        (Some(a), Some(b)) => {
            let line = format!("{} line", if half == "request" { half } else { "status" });
            let mut rows = fields::rows(a, b, &line, masked);
            let (of_bodies, unsure) = bodies::rows(a, b, masked);
            rows.extend(of_bodies);
            (rows, unsure)
        }
        (Some(a), None) => (
            vec![Row::differs(half.as_bytes(), start(a), Vec::new())],
            false,
        ),
        (None, Some(b)) => (
            vec![Row::differs(half.as_bytes(), Vec::new(), start(b))],
            false,
        ),
        (None, None) => (Vec::new(), false),
    }
}

struct Page<'p> {
    settings: &'p Settings,
    /// Columns of names, with the space behind them.
    width: usize,
    out: &'p mut Vec<u8>,
}

impl Page<'_> {
    fn words(&mut self, words: &str, paint: Option<Paint>) {
        painted(self.settings.color, paint, self.out, |out| {
            out.extend_from_slice(words.as_bytes());
        });
    }

    fn title(&mut self, a: &Exchange, b: &Exchange) {
        let shown = |exchange: &Exchange| {
            let masked = self.settings.masked;
            let asks = secrets::shown(masked, b"", exchange.asks.as_bytes());
            escaped(self.settings, &asks)
        };
        let who = |name: &str, exchange: &Exchange| {
            let place = escaped(self.settings, exchange.place.as_bytes());
            format!("{name} = #{} {place}", exchange.number)
        };
        let text = match a.asks == b.asks {
            true => format!("{}        {}   {}\n", shown(a), who("A", a), who("B", b)),
            false => format!(
                "{}   {}\n{}   {}\n",
                who("A", a),
                shown(a),
                who("B", b),
                shown(b)
            ),
        };
        self.words(&text, None);
    }

    fn row(&mut self, row: &Row) {
        let (sign, paint) = match (row.found, row.a.is_empty(), row.b.is_empty()) {
            (Found::Same, ..) => (' ', None),
            (Found::Note, ..) => (' ', Some(Paint::Dim)),
            (_, false, true) => ('-', Some(Paint::OnlyA)),
            (_, true, false) => ('+', Some(Paint::OnlyB)),
            _ => ('~', Some(Paint::Differs)),
        };
        let paint = paint.map(|paint| match row.found {
            Found::Noise => Paint::Dim,
            _ => paint,
        });
        let name = escaped(self.settings, &row.name);
        if matches!(row.found, Found::Same | Found::Note) {
            return self.line(&format!("  {sign} {name}"), paint);
        }
        let width = self.width;
        let absent = [row.absent.as_bytes().to_vec()];
        let mut front = format!("  {sign} {name:width$}");
        for (side, lines) in [('A', &row.a), ('B', &row.b)] {
            let lines = if lines.is_empty() { &absent[..] } else { lines };
            for line in lines {
                let text = escaped(self.settings, line);
                self.line(format!("{front}{side}  {text}").trim_end(), paint);
                front = " ".repeat(4 + width);
            }
        }
    }

    fn line(&mut self, text: &str, paint: Option<Paint>) {
        self.words(text, paint);
        self.out.push(b'\n');
    }

    /// What the difference is likely to come from, and how to see whether it does.
    fn likely(&mut self, a: &Exchange, b: &Exchange) {
        let Some(likely) = likely::likely(a, b) else {
            return;
        };
        let says = escaped(self.settings, likely.says.as_bytes());
        self.words(&format!("\n  likely: {says}\n"), None);
        let command = likely.field.and_then(|(name, value)| {
            let value = secrets::shown(self.settings.masked, name.as_bytes(), &value);
            likely::command(&a.asks, &name, &value)
        });
        // What is not shown as it is would not be what was sent.
        let exact = |command: &String| escaped(self.settings, command.as_bytes()) == *command;
        if let Some(command) = command.filter(exact) {
            self.words(&format!("  try:    {command}\n"), None);
        }
    }
}

/// Bytes off the wire, as they may be shown.
fn escaped(settings: &Settings, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    settings.escape.write(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

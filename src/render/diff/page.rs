//! Lays out the comparison of two exchanges. Lines begin with ` ` if both have them, `-` or `+` if
//! only A or B has, `~` if they differ; noise comes last, dimmed.

use crate::render::Settings;
use crate::render::style::{Paint, painted};

use super::exchange::{Exchange, Message};
use super::row::{DiffRow, RowKind};
use super::{bodies, fields, likely_cause, secrets};

/// Maximum width of the column of names; longer names push their values to the right.
const MAX_NAME_WIDTH: usize = 32;

/// The comparison of two exchanges.
pub(super) struct Comparison<'e> {
    a: &'e Exchange,
    b: &'e Exchange,
    request: Vec<DiffRow>,
    response: Vec<DiffRow>,
    unsure: bool,
}

/// Result of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verdict {
    /// Equal, except for noise.
    Same,
    /// Equal as far as they were kept.
    Unsure,
    /// Different.
    Different,
}

impl<'e> Comparison<'e> {
    pub(super) fn of(a: &'e Exchange, b: &'e Exchange, redact: bool) -> Self {
        let (request, unsure) = messages(a.request.as_ref(), b.request.as_ref(), "request", redact);
        let (response, response_unsure) =
            messages(a.response.as_ref(), b.response.as_ref(), "response", redact);
        Self {
            a,
            b,
            request,
            response,
            unsure: unsure || response_unsure,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.has(RowKind::Differs) {
            true => Verdict::Different,
            false if self.unsure => Verdict::Unsure,
            false => Verdict::Same,
        }
    }

    fn has(&self, kind: RowKind) -> bool {
        self.rows().any(|row| row.kind == kind)
    }

    fn rows(&self) -> impl Iterator<Item = &DiffRow> {
        self.request.iter().chain(&self.response)
    }

    /// Appends the page to `out`.
    pub(super) fn write(&self, settings: &Settings, out: &mut Vec<u8>) {
        let named = |row: &DiffRow| match row.kind {
            RowKind::Differs | RowKind::Noise => escaped(settings, &row.name).chars().count(),
            RowKind::Same | RowKind::Note => 0,
        };
        let mut page = Page {
            settings,
            width: self
                .rows()
                .map(named)
                .max()
                .unwrap_or(0)
                .min(MAX_NAME_WIDTH)
                + 2,
            out,
        };
        page.title(self.a, self.b);
        for (name, rows) in [("request", &self.request), ("response", &self.response)] {
            if !rows.is_empty() {
                page.text(&format!("\n  {name}\n"), None);
                let (noise, rest): (Vec<&DiffRow>, Vec<&DiffRow>) =
                    rows.iter().partition(|row| row.kind == RowKind::Noise);
                rest.into_iter().chain(noise).for_each(|row| page.row(row));
            }
        }
        match (self.verdict(), self.has(RowKind::Noise)) {
            (Verdict::Different, _) => page.cause(self.a, self.b),
            (Verdict::Unsure, _) => page.text("\n  the same as far as they were kept\n", None),
            (Verdict::Same, true) => page.text(
                "\n  the same, but for what differs in each two exchanges\n",
                None,
            ),
            (Verdict::Same, false) => page.text("\n  the same\n", None),
        }
    }
}

/// Compares the requests or the responses. Also returns whether there may be more differences than
/// the rows show.
fn messages(
    a: Option<&Message>,
    b: Option<&Message>,
    role: &str,
    redact: bool,
) -> (Vec<DiffRow>, bool) {
    let start =
        |message: &Message| vec![secrets::display(redact, b"", message.start_line()).into_owned()];
    match (a, b) {
        (Some(a), Some(b)) => {
            let line = format!("{} line", if role == "request" { role } else { "status" });
            let mut rows = fields::rows(a, b, &line, redact);
            let (of_bodies, unsure) = bodies::rows(a, b, redact);
            rows.extend(of_bodies);
            (rows, unsure)
        }
        (Some(a), None) => (
            vec![DiffRow::differs(role.as_bytes(), start(a), Vec::new())],
            false,
        ),
        (None, Some(b)) => (
            vec![DiffRow::differs(role.as_bytes(), Vec::new(), start(b))],
            false,
        ),
        (None, None) => (Vec::new(), false),
    }
}

struct Page<'p> {
    settings: &'p Settings,
    /// Width of the column of names with its padding.
    width: usize,
    out: &'p mut Vec<u8>,
}

impl Page<'_> {
    fn text(&mut self, text: &str, paint: Option<Paint>) {
        painted(self.settings.color, paint, self.out, |out| {
            out.extend_from_slice(text.as_bytes());
        });
    }

    fn title(&mut self, a: &Exchange, b: &Exchange) {
        let shown = |exchange: &Exchange| {
            let redact = self.settings.redact;
            let method_url = secrets::display(redact, b"", exchange.method_url.as_bytes());
            escaped(self.settings, &method_url)
        };
        let who = |name: &str, exchange: &Exchange| {
            let origin = escaped(self.settings, exchange.origin.as_bytes());
            format!("{name} = #{} {origin}", exchange.number)
        };
        let text = match a.method_url == b.method_url {
            true => format!("{}        {}   {}\n", shown(a), who("A", a), who("B", b)),
            false => format!(
                "{}   {}\n{}   {}\n",
                who("A", a),
                shown(a),
                who("B", b),
                shown(b)
            ),
        };
        self.text(&text, None);
    }

    fn row(&mut self, row: &DiffRow) {
        let (sign, paint) = match (row.kind, row.a.is_empty(), row.b.is_empty()) {
            (RowKind::Same, ..) => (' ', None),
            (RowKind::Note, ..) => (' ', Some(Paint::Dim)),
            (_, false, true) => ('-', Some(Paint::OnlyA)),
            (_, true, false) => ('+', Some(Paint::OnlyB)),
            _ => ('~', Some(Paint::Differs)),
        };
        let paint = paint.map(|paint| match row.kind {
            RowKind::Noise => Paint::Dim,
            _ => paint,
        });
        let name = escaped(self.settings, &row.name);
        if matches!(row.kind, RowKind::Same | RowKind::Note) {
            return self.line(&format!("  {sign} {name}"), paint);
        }
        let width = self.width;
        let absent = [row.absent.as_bytes().to_vec()];
        let mut lead = format!("  {sign} {name:width$}");
        for (side, lines) in [('A', &row.a), ('B', &row.b)] {
            let lines = if lines.is_empty() { &absent[..] } else { lines };
            for line in lines {
                let text = escaped(self.settings, line);
                self.line(format!("{lead}{side}  {text}").trim_end(), paint);
                lead = " ".repeat(4 + width);
            }
        }
    }

    fn line(&mut self, text: &str, paint: Option<Paint>) {
        self.text(text, paint);
        self.out.push(b'\n');
    }

    /// Writes the likely cause of the difference, and a command to verify it.
    fn cause(&mut self, a: &Exchange, b: &Exchange) {
        let Some(likely) = likely_cause::likely_cause(a, b) else {
            return;
        };
        let text = escaped(self.settings, likely.text.as_bytes());
        self.text(&format!("\n  likely: {text}\n"), None);
        let command = likely.field.and_then(|(name, value)| {
            let value = secrets::display(self.settings.redact, name.as_bytes(), &value);
            likely_cause::command(&a.method_url, &name, &value)
        });
        // Escaping changes the command, so it would not send what was sent.
        let exact = |command: &String| escaped(self.settings, command.as_bytes()) == *command;
        if let Some(command) = command.filter(exact) {
            self.text(&format!("  try:    {command}\n"), None);
        }
    }
}

/// Escapes captured bytes for display.
fn escaped(settings: &Settings, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    settings.escape.write(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

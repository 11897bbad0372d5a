//! ngrep's four layouts and its hex dump. With `--ngrep` the output is byte for byte ngrep's,
//! including marks and banner; otherwise on messages: no marks, every match coloured, and every
//! record ends its line.

mod rows;

use std::io;
use std::ops::Range;

use crate::failure::Failure;
use crate::hit::{Companion, Heading, Hit, Piece, Portion, Why};
use crate::message::Role;
use crate::process::Ends;
use crate::stats::Stats;
use crate::times::Times;

use super::portions::Portions;
use super::style::{Paint, painted, within};
use super::{Banner, Clock, Out, Renderer, Settings, View, Wants, failed, heading, hex, human};

use rows::rows;

/// The renderer of ngrep's layouts.
pub(super) struct Classic {
    settings: Settings,
    out: Out,
    clock: Clock,
    portions: Portions<()>,
}

/// ngrep's escape sequences for a match.
const COLOR_ON: &[u8] = b"\x1b[01;31m";
const COLOR_OFF: &[u8] = b"\x1b[00m";

impl Classic {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self {
            clock: Clock::new(settings.time),
            portions: Portions::default(),
            settings,
            out,
        }
    }

    /// Width of the text in the normal layout: five columns less than the terminal, as in ngrep.
    fn width(&self) -> usize {
        self.settings.columns.saturating_sub(5).max(1)
    }

    /// Writes the kept pieces of a message with their matches, and marks between them.
    fn text(&mut self, hit: &Hit<'_>) {
        // ngrep colours only the first match.
        let matches = if self.settings.packets {
            &hit.matches[..hit.matches.len().min(1)]
        } else {
            hit.matches
        };
        let mut hidden = 0;
        for piece in hit.text.pieces {
            match piece {
                Piece::Kept(range) => {
                    self.mark(hidden);
                    hidden = 0;
                    let inside = within(matches, range);
                    self.piece(&hit.text.bytes[range.clone()], &inside);
                }
                Piece::Skipped(len) => hidden += len,
                Piece::Missing(len, _) => {
                    self.mark(hidden);
                    hidden = 0;
                    self.note(&format!("[{len} bytes not captured]"));
                }
            }
        }
        if hidden > 0 && hit.is_end() {
            self.note(&format!("... {} more (--body=full)", human::size(hidden)));
        }
    }

    fn mark(&mut self, hidden: u64) {
        if hidden > 0 {
            self.note(&format!("... {} ...", human::size(hidden)));
        }
    }

    fn note(&mut self, note: &str) {
        let single = self.settings.view == View::Single;
        let text = self.out.text();
        if !single && text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(note.as_bytes());
        if !single {
            text.push(b'\n');
        }
    }

    fn piece(&mut self, bytes: &[u8], matches: &[Range<usize>]) {
        let width = self.width();
        let Self { settings, out, .. } = self;
        let (escape, text) = (settings.escape, out.text());
        let coloured = if settings.color { matches } else { &[] };
        if settings.hex {
            hex::rows(bytes, coloured, &escape, text, &mut |cell, text| {
                in_ngrep_color(text, |text| text.extend_from_slice(cell));
            });
            return;
        }
        match settings.view {
            View::Normal | View::Spy | View::Log => rows(bytes, width, escape, coloured, text),
            View::Byline => {
                let mut at = 0;
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    let ends = line.ends_with(b"\n");
                    let shown = &line[..line.len() - usize::from(ends)];
                    highlighted(shown, at, matches, settings, text);
                    if ends {
                        text.push(b'\n');
                    }
                    at += line.len();
                }
            }
            View::Single | View::None => highlighted(bytes, 0, matches, settings, text),
        }
    }
}

/// A message in one line.
struct Summary<'a> {
    heading: &'a Heading,
    who: Ends<'a>,
    number: u64,
    title: &'a [u8],
    /// For a response, the size of its body and its times.
    response: Option<(u64, Option<Times>)>,
}

impl Classic {
    fn summary(&mut self, summary: &Summary<'_>) {
        let stamp = self.clock.stamp(summary.heading.ts);
        let number = self.settings.protocol_number;
        let line = heading::line(summary.heading, &stamp, number, true);
        let (escape, single) = (self.settings.escape, self.settings.view == View::Single);
        let text = self.out.text();
        if !single {
            text.push(b'\n');
        }
        text.extend_from_slice(format!("{line} #{}", summary.number).as_bytes());
        let responses = summary.response.is_some();
        text.extend_from_slice(if responses { b" <- " } else { b" -> " });
        escape.write(summary.title, text);
        if let Some((size, times)) = summary.response {
            let took = times
                .and_then(|times| times.total())
                .map(|took| format!(", {}", human::duration(took)))
                .unwrap_or_default();
            text.extend_from_slice(format!(", {}{took}", human::size(size)).as_bytes());
        }
        if let Some(name) = heading::label(summary.who.src(), &escape) {
            text.extend_from_slice(format!("  {name}").as_bytes());
        }
        text.push(b'\n');
    }
}

impl Renderer for Classic {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        if self.settings.packets && self.settings.quiet < 2 {
            let text = self.out.text();
            text.extend_from_slice(
                format!("{}\nfilter: {}\n", banner.source, banner.filter).as_bytes(),
            );
            if let Some((pattern, inverted)) = &banner.pattern {
                let not = if *inverted { "don't " } else { "" };
                text.extend_from_slice(format!("{not}match: {pattern}\n").as_bytes());
            }
            if let Some(output) = &banner.output {
                text.extend_from_slice(format!("output: {output}\n").as_bytes());
            }
            return self.out.record();
        }
        Ok(())
    }

    fn frame(&mut self) -> io::Result<()> {
        if self.settings.packets && self.settings.quiet == 0 {
            self.out.text().push(b'#');
            return self.out.record();
        }
        Ok(())
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        let Settings {
            packets,
            quiet,
            view,
            ..
        } = self.settings;
        if quiet >= 4 {
            return Ok(());
        }
        let single = view == View::Single;
        let begins = matches!(hit.portion, Portion::Whole | Portion::First);
        let has_text = quiet < 3 && hit.why != Why::Empty && !hit.text.pieces.is_empty();
        if begins || (has_text && (single || self.portions.is_apart(hit))) {
            let stamp = self.clock.stamp(hit.heading.ts);
            let line = heading::line(
                &hit.heading,
                &stamp,
                self.settings.protocol_number,
                !packets,
            );
            let name = heading::label(hit.who.src(), &self.settings.escape);
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            let text = self.out.text();
            if packets || !single {
                text.push(b'\n');
            }
            text.extend_from_slice(line.as_bytes());
            if single {
                text.extend_from_slice(name.as_bytes());
                text.push(b' ');
            } else {
                if hit.number > 0 {
                    text.extend_from_slice(format!(" #{}", hit.number).as_bytes());
                }
                if !begins {
                    text.extend_from_slice(b" continued");
                }
                text.extend_from_slice(name.as_bytes());
                text.push(b'\n');
            }
        }
        if begins || has_text {
            self.portions.wrote(hit);
        }
        if has_text {
            self.text(hit);
            let text = self.out.text();
            // The byline layout always adds a line end, even after a payload that ends in one.
            match view {
                View::Byline | View::Single | View::None if !self.settings.hex => text.push(b'\n'),
                _ => {}
            }
        } else if single && !packets && begins {
            self.out.text().push(b'\n');
        }
        if hit.portion == Portion::Last && hit.kind.side == Role::Response {
            let mut summaries = hit.facts.iter().filter(|fact| fact.summary);
            let title = summaries.next().map_or("", |fact| fact.value.as_str());
            self.portions.interrupt();
            self.summary(&Summary {
                heading: &hit.heading,
                who: hit.who,
                number: hit.number,
                title: title.as_bytes(),
                response: Some((hit.body_size, hit.times)),
            });
        }
        self.out.record()
    }

    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        self.portions.interrupt();
        let responses = companion.kind.side == Role::Response;
        self.summary(&Summary {
            heading: &companion.heading,
            who: companion.who,
            number: companion.number,
            title: companion.title,
            response: responses.then_some((companion.body_size, companion.times)),
        });
        self.out.record()
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        self.portions.interrupt();
        let stamp = self.clock.stamp(failure.heading.ts);
        let number = self.settings.protocol_number;
        let mut line = heading::line(&failure.heading, &stamp, number, true);
        if failure.number > 0 {
            line.push_str(&format!(" #{} <-", failure.number));
        }
        let mut words = failed::parts(failure).join(", ");
        let name = heading::label(failure.who.src(), &self.settings.escape);
        words.extend(name.map(|name| format!("  {name}")));
        let single = self.settings.view == View::Single;
        let lead = if single { "" } else { "\n" };
        let text = self.out.text();
        text.extend_from_slice(format!("{lead}{line} {words}\n").as_bytes());
        self.out.record()
    }

    fn finish(&mut self, stats: &Stats) -> io::Result<()> {
        if self.settings.packets && self.settings.quiet == 0 {
            let text = self.out.text();
            text.extend_from_slice(b"exit\n");
            if self.settings.live {
                let (received, matched) = (stats.decode.packets, stats.output.matched);
                text.extend_from_slice(
                    format!("{received} received, {matched} matched\n").as_bytes(),
                );
            }
        }
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        let wants = self.settings.wants_records();
        if self.settings.packets {
            Wants {
                body: usize::MAX,
                companions: false,
                ..wants
            }
        } else {
            wants
        }
    }
}

/// Appends what `write` appends, in ngrep's colour.
fn in_ngrep_color(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    text.extend_from_slice(COLOR_ON);
    write(text);
    text.extend_from_slice(COLOR_OFF);
}

/// Appends `bytes`, which start at `offset` relative to `matches`, with each match in colour.
fn highlighted(
    bytes: &[u8],
    offset: usize,
    matches: &[Range<usize>],
    settings: &Settings,
    text: &mut Vec<u8>,
) {
    let (escape, mut marks) = (settings.escape, 0);
    super::style::segments(offset..offset + bytes.len(), matches, &[], |part, paint| {
        let shown = &bytes[part.start - offset..part.end - offset];
        if settings.packets && settings.color && paint == Some(Paint::Match) {
            in_ngrep_color(text, |text| escape.write_on(shown, &mut marks, text));
        } else {
            painted(settings.color, paint, text, |text| {
                escape.write_on(shown, &mut marks, text);
            });
        }
    });
}

//! The default view: ngrep's header line, extended to the right, then the message by line, decoded
//! and highlighted. Captured bytes are always escaped.

mod lines;

use std::borrow::Cow;
use std::io;

use crate::failure::Failure;
use crate::hit::{Companion, Heading, Hit, Piece, Portion, Text, Why};
use crate::message::{BodyFacts, Decoding, Fact, Role};
use crate::stats::Stats;
use crate::times::Times;

use lines::{Lines, Rejoined, SoFar};

use super::portions::Portions;
use super::style::{Paint, painted};
use super::{Clock, Out, Renderer, Settings, Wants, failed, heading, human, readable, timing};

/// The default view.
pub(super) struct Spy {
    settings: Settings,
    out: Out,
    clock: Clock,
    portions: Portions<SoFar>,
}

impl Spy {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self {
            clock: Clock::new(settings.time),
            portions: Portions::default(),
            settings,
            out,
        }
    }

    /// Writes the header line, followed by `tail`.
    fn heading(&mut self, heading: &Heading, number: u64, side: Role, tail: &[Note<'_>]) {
        let stamp = self.clock.stamp(heading.ts);
        let mut line = heading::line(heading, &stamp, self.settings.protocol_number, true);
        if number > 0 {
            line.push_str(&format!(" #{number}"));
        }
        let (color, escape) = (self.settings.color, self.settings.escape);
        let paint = if side == Role::Response {
            Paint::ToClient
        } else {
            Paint::ToServer
        };
        let separator = if self.settings.signs { " · " } else { " | " };
        let text = self.out.text();
        text.push(b'\n');
        painted(color, Some(paint), text, |text| {
            text.extend_from_slice(line.as_bytes());
        });
        for (at, note) in tail.iter().enumerate() {
            let lead = match (at, side) {
                (0, Role::Response) if note.opens => " <- ",
                (0, _) if note.opens => " -> ",
                (0, _) => " ",
                _ => separator,
            };
            painted(color, Some(Paint::Dim), text, |text| {
                text.extend_from_slice(lead.as_bytes());
            });
            painted(color, note.paint, text, |text| {
                escape.write(note.text, text);
            });
        }
        text.push(b'\n');
    }

    /// Writes the header line of a message, with the facts available so far.
    fn title(&mut self, hit: &Hit<'_>) {
        let mut facts = response_facts(hit);
        let slow = match facts.last_mut() {
            Some(text) if is_slow(hit.times) => {
                text.push_str(SLOW);
                true
            }
            _ => false,
        };
        let last = facts.len();
        let mut roles = hit.styles.iter().map(|(_, role)| *role);
        let status = roles.find(|role| role.is_status()).map(Paint::Part);
        let mut notes: Vec<Note<'_>> = facts
            .iter()
            .enumerate()
            .map(|(at, text)| Note {
                text: text.as_bytes(),
                paint: match slow && at + 1 == last {
                    true => Some(Paint::Slow),
                    false => status.filter(|_| at == 0),
                },
                opens: at == 0,
            })
            .collect();
        let summaries = hit.facts.iter().filter(|fact| fact.summary);
        let summaries = summaries.filter(|_| hit.kind.side == Role::Single);
        notes.extend(summaries.map(|fact| Note {
            text: fact.value.as_bytes(),
            paint: None,
            opens: false,
        }));
        let parts = parts(&hit.body, false).filter(|_| hit.kind.side == Role::Single);
        notes.extend(parts.iter().map(|text| Note {
            text: text.as_bytes(),
            paint: None,
            opens: false,
        }));
        let labels = labels(hit);
        let undecoded = undecoded(&hit.body, hit.facts);
        notes.extend(undecoded.iter().map(|text| Note {
            text: text.as_bytes(),
            paint: Some(Paint::Dim),
            opens: false,
        }));
        notes.extend(labels.iter().map(|text| Note {
            text: text.as_bytes(),
            paint: Some(Paint::Dim),
            opens: false,
        }));
        self.heading(&hit.heading, hit.number, hit.kind.side, &notes);
    }

    fn message(&mut self, hit: &Hit<'_>) {
        let wanted = self.settings.pretty && !self.settings.hex;
        let readable = wanted.then(|| readable::of(hit)).flatten();
        if let Some(readable) = readable {
            return self.lines(&Hit {
                text: Text {
                    bytes: &readable.text,
                    pieces: &[Piece::Kept(0..readable.text.len())],
                },
                matches: &readable.matches,
                ..*hit
            });
        }
        self.lines(hit);
    }

    fn lines(&mut self, hit: &Hit<'_>) {
        let mut so_far = self.portions.take(hit);
        let rejoined = Rejoined::of(hit, &mut so_far);
        let whole = rejoined.as_ref().map(|rejoined| rejoined.lend(hit));
        let mut lines = Lines {
            settings: &self.settings,
            hit: whole.as_ref().unwrap_or(hit),
            out: self.out.text(),
            continues: so_far.is_open(),
            so_far,
        };
        match self.settings.hex {
            true => lines.hex(),
            false => lines.all(),
        }
        let so_far = lines.so_far;
        self.portions.put(hit, so_far);
    }
}

/// Whether the time at the end of a response's header line is marked as slow.
fn is_slow(times: Option<Times>) -> bool {
    times.is_some_and(|times| timing::took_long(&times))
}

/// A short fact at the right of a header line.
struct Note<'a> {
    text: &'a [u8],
    paint: Option<Paint>,
    /// Whether it states what the message is, and is therefore preceded by an arrow.
    opens: bool,
}

/// Shown in the header line of a portion that does not directly follow the one before.
const CONTINUED: &[u8] = b"continued";
/// Marks long times.
const SLOW: &str = " !";

impl Renderer for Spy {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let begins = matches!(hit.portion, Portion::Whole | Portion::First);
        if begins {
            self.title(hit);
        }
        if self.settings.quiet < 3 && hit.why != Why::Empty {
            let apart = self.portions.is_apart(hit);
            let from = self.out.text().len();
            self.message(hit);
            let wrote = self.out.text().len() > from;
            if begins || wrote {
                self.portions.wrote(hit);
            }
            if apart && wrote {
                let text = self.out.text().split_off(from);
                let continued = Note {
                    text: CONTINUED,
                    paint: Some(Paint::Dim),
                    opens: false,
                };
                self.heading(&hit.heading, hit.number, hit.kind.side, &[continued]);
                self.out.text().extend(text);
            }
        } else {
            self.portions.interrupt();
        }
        let ends = hit.portion == Portion::Last && hit.kind.side == Role::Response;
        if ends {
            self.title(hit);
            self.portions.interrupt();
        }
        if self.settings.timing
            && let Some(times) = hit.times
        {
            if self.settings.quiet < 3 && !ends {
                // Separate the line from the body.
                self.out.text().push(b'\n');
            }
            timing::append(&times, &self.settings, self.out.text());
        }
        self.out.record()
    }

    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        self.portions.interrupt();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let summary = companion.facts.iter().filter(|fact| fact.summary);
        texts.extend(summary.map(|fact| fact.value.clone().into_bytes()));
        if texts.is_empty() {
            let mut title = companion.title.to_vec();
            if companion.title_cut {
                title.extend_from_slice(b"...");
            }
            texts.push(title);
        }
        texts.extend(parts(&companion.body, false).map(String::into_bytes));
        if companion.kind.side == Role::Response && companion.kind.sized {
            let size = size(companion.body_size, &companion.body, companion.facts);
            texts.push(size.into_bytes());
        }
        texts.extend(undecoded(&companion.body, companion.facts).map(String::into_bytes));
        if companion.incomplete {
            texts.push(b"incomplete".to_vec());
        }
        let ended = companion.failed.as_ref().and_then(failed::broken_off);
        texts.extend(ended.map(String::into_bytes));
        texts.extend(
            companion
                .times
                .and_then(|times| times.total())
                .map(|took| human::duration(took).into_bytes()),
        );
        let slow = match texts.last_mut() {
            Some(text) if is_slow(companion.times) => {
                text.extend_from_slice(SLOW.as_bytes());
                true
            }
            _ => false,
        };
        let last = texts.len();
        let notes: Vec<Note<'_>> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| Note {
                text,
                paint: match slow && at + 1 == last {
                    true => Some(Paint::Slow),
                    false => companion.role.filter(|_| at == 0).map(Paint::Part),
                },
                opens: at == 0,
            })
            .collect();
        self.heading(
            &companion.heading,
            companion.number,
            companion.kind.side,
            &notes,
        );
        if self.settings.timing
            && let Some(times) = companion.times
        {
            timing::append(&times, &self.settings, self.out.text());
        }
        self.out.record()
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        self.portions.interrupt();
        let parts = failed::parts(failure);
        let notes: Vec<Note<'_>> = parts
            .iter()
            .enumerate()
            .map(|(at, text)| Note {
                text: text.as_bytes(),
                paint: (at == 0).then_some(Paint::Failed),
                opens: at == 0 && failure.number > 0,
            })
            .collect();
        let side = match failure.number {
            0 => Role::Single,
            _ => Role::Response,
        };
        self.heading(&failure.heading, failure.number, side, &notes);
        self.out.record()
    }

    fn finish(&mut self, _stats: &Stats) -> io::Result<()> {
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_records()
    }
}

/// How many parts a body has, if that is worth a word. `late`: the body was shown as it came.
fn parts(body: &BodyFacts, late: bool) -> Option<String> {
    let parts = body.parts.filter(|parts| parts.always || late)?;
    let plural = if parts.count == 1 { "" } else { "s" };
    Some(format!("{} {}{plural}", parts.count, parts.noun))
}

/// Formats the size of a body, and its encoded size if it was encoded: `16 B (gzip 34 B)`.
fn size(decoded: u64, body: &BodyFacts, facts: &[Fact]) -> String {
    let size = human::size(decoded);
    let coding = body.reading.or_else(|| coding(facts));
    match coding.filter(|_| body.state == Decoding::Decoded) {
        Some(coding) => format!("{size} ({coding} {})", human::size(body.wire)),
        None => size,
    }
}

/// The declared content coding of a body.
fn coding(facts: &[Fact]) -> Option<&str> {
    let found = facts
        .iter()
        .find(|fact| fact.name == "http.content_encoding")?;
    let name = found.value.trim();
    let longest = name.get(..CODING).map_or(name, |start| start);
    (!longest.is_empty() && !longest.eq_ignore_ascii_case("identity")).then_some(longest)
}

/// Maximum bytes shown of a coding's name.
const CODING: usize = 32;

/// Why a body was not fully decoded.
fn undecoded(body: &BodyFacts, facts: &[Fact]) -> Option<String> {
    let coding = coding(facts).unwrap_or("coding");
    match body.state {
        Decoding::AsSent | Decoding::Decoded => None,
        Decoding::Broken => Some(format!("[not decoded: broken {coding}]")),
        Decoding::Cut => Some(format!(
            "[body cut: it swells to {} times its size]",
            crate::limits::SWELL
        )),
        Decoding::NoRoom => Some(format!("[not decoded: no room for {coding}]")),
        Decoding::NoStart => Some("[compressed, its beginning was not captured]".to_owned()),
    }
}

/// Facts for the header line of a response: its status and how long it took.
fn response_facts(hit: &Hit<'_>) -> Vec<String> {
    if hit.kind.side != Role::Response || hit.why == Why::Empty {
        return Vec::new();
    }
    let summaries = hit.facts.iter().filter(|fact| fact.summary);
    let mut facts: Vec<String> = summaries.map(|fact| fact.value.clone()).collect();
    if hit.is_end() {
        facts.extend(parts(&hit.body, hit.portion == Portion::Last));
    }
    if hit.is_end() && hit.kind.sized {
        facts.push(size(hit.body_size, &hit.body, hit.facts));
    }
    let took = hit.times.and_then(|times| times.total());
    facts.extend(took.map(human::duration));
    facts
}

pub(super) fn labels(hit: &Hit<'_>) -> Vec<Cow<'static, str>> {
    let mut labels: Vec<Cow<'static, str>> = Vec::new();
    labels.extend(hit.aside.map(|aside| format!("[{}]", aside.name()).into()));
    // Facts about the beginning are not repeated after the last portion.
    let begins = hit.portion != Portion::Last;
    if hit.midstream && begins {
        labels.push("joined mid-connection".into());
    }
    if hit.incomplete {
        labels.push("incomplete".into());
    }
    let reset = hit.body.reset.filter(|_| hit.is_end());
    labels.extend(reset.map(|why| format!("[reset: {why}]").into()));
    let ended = hit.failed.as_ref().and_then(failed::broken_off);
    labels.extend(ended.map(Cow::Owned));
    let odd = hit.brief.odd.filter(|_| begins);
    labels.extend(odd.map(|why| format!("[irregular: {why}]").into()));
    if hit.brief.pushed && begins {
        labels.push("pushed".into());
    }
    if hit.brief.unpaired && begins {
        labels.push("[its request is not certain]".into());
    }
    if hit.brief.likely && begins {
        labels.push("[its request is likely]".into());
    }
    let reading = hit.body.reading.filter(|_| hit.is_end());
    labels.extend(reading.map(|name| format!("[read as {name}]").into()));
    if hit.pending {
        labels.push("no answer yet".into());
    }
    if hit.why == Why::Context && begins {
        labels.push("context".into());
    }
    labels
}

#[cfg(test)]
mod tests;

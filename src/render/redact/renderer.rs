//! A renderer that redacts every hit before it passes it to another renderer. The search ran
//! before, on the original bytes.

use std::io;
use std::ops::Range;

use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::hit::{Carried, Companion, Hit, Pair, Piece, Text};
use crate::message::{Fact, HeadStyle};
use crate::stats::Stats;

use super::{Input, Redaction, Syntax, redacted};
use crate::render::parts::field;
use crate::render::{Banner, Ending, Renderer, Wants};

/// Wraps a renderer so that it never receives secrets.
pub(in crate::render) struct Redacting {
    inner: Box<dyn Renderer>,
    /// Redaction is this output's default, so the closing remarks mention it.
    announce: bool,
    secrets: u64,
}

impl Redacting {
    /// `announce`: the user did not ask for redaction, so the closing remarks mention it.
    pub(in crate::render) fn new(inner: Box<dyn Renderer>, announce: bool) -> Self {
        Self {
            inner,
            announce,
            secrets: 0,
        }
    }

    fn redact(&mut self, hit: &Hit<'_>) -> RedactedHit {
        let redacted_hit = RedactedHit::of(hit);
        self.secrets += redacted_hit.secrets;
        redacted_hit
    }
}

/// The redacted parts of a hit.
#[derive(Default)]
struct RedactedHit {
    /// The redacted text; `None` if it has no secrets.
    text: Option<RedactedText>,
    facts: Vec<Fact>,
    secrets: u64,
}

/// A redacted text and the ranges in it.
struct RedactedText {
    bytes: Vec<u8>,
    head: usize,
    pieces: Vec<Piece>,
    matches: Vec<Range<usize>>,
    carried: Carried,
    styles: Vec<(Range<usize>, HeadStyle)>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl RedactedHit {
    fn of(hit: &Hit<'_>) -> Self {
        let form = field(hit, "content-type").is_some_and(|kind| {
            let form = b"application/x-www-form-urlencoded";
            kind.get(..form.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(form))
        });
        let cuts: Vec<usize> = hit
            .text
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Kept(range) => Some(range.end),
                Piece::Skipped(_) | Piece::Missing(..) => None,
            })
            .collect();
        let redaction = Redaction::of(&Input {
            bytes: hit.text.bytes,
            head: hit.head,
            fields: hit.fields,
            body: if form { Syntax::Form } else { Syntax::Text },
            cuts: &cuts,
        });
        Self {
            facts: facts(hit.facts),
            secrets: redaction.as_ref().map_or(0, Redaction::count),
            text: redaction.map(|redaction| RedactedText::of(hit, redaction)),
        }
    }

    fn as_hit<'a>(&'a self, hit: &Hit<'a>) -> Hit<'a> {
        let hit = Hit {
            facts: &self.facts,
            ..*hit
        };
        let Some(text) = &self.text else { return hit };
        Hit {
            text: Text {
                bytes: &text.bytes,
                pieces: &text.pieces,
            },
            head: text.head,
            carried: text.carried,
            matches: &text.matches,
            styles: &text.styles,
            fields: &text.fields,
            ..hit
        }
    }
}

impl RedactedText {
    fn of(hit: &Hit<'_>, redaction: Redaction) -> Self {
        let mut matches: Vec<Range<usize>> = Vec::with_capacity(hit.matches.len());
        let mut settled = 0;
        for (at, found) in hit.matches.iter().enumerate() {
            if at == hit.settled().len() {
                settled = matches.len();
            }
            // Merge matches inside the same placeholder.
            let found = redaction.map_range(found);
            match matches.last_mut() {
                Some(last) if found.start < last.end => last.end = last.end.max(found.end),
                _ => matches.push(found),
            }
        }
        let mut done = 0;
        let styles = hit.styles.iter().filter_map(|(range, role)| {
            let range = redaction.map_range(range);
            let range = range.start.max(done)..range.end;
            done = done.max(range.end);
            (range.start < range.end).then_some((range, *role))
        });
        let pieces = hit.text.pieces.iter().map(|piece| match piece {
            Piece::Kept(range) => Piece::Kept(redaction.map_range(range)),
            other => other.clone(),
        });
        let fields = hit.fields.iter();
        let unsettled = match hit.carried.unsettled {
            0 => 0,
            _ => matches.len() - settled,
        };
        Self {
            head: redaction.map_end(hit.head),
            carried: Carried {
                len: redaction.map_end(hit.carried.len),
                head: redaction.map_end(hit.carried.head),
                unsettled,
                ..hit.carried
            },
            pieces: pieces.collect(),
            styles: styles.collect(),
            fields: fields
                .map(|(name, value)| (redaction.map_range(name), redaction.map_range(value)))
                .collect(),
            matches,
            bytes: redaction.bytes,
        }
    }
}

fn facts(facts: &[Fact]) -> Vec<Fact> {
    let redacted_fact = |fact: &Fact| Fact {
        value: String::from_utf8_lossy(&redacted(fact.value.as_bytes())).into_owned(),
        ..*fact
    };
    facts.iter().map(redacted_fact).collect()
}

impl Renderer for Redacting {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        self.inner.begin(banner)
    }

    fn frame(&mut self) -> io::Result<()> {
        self.inner.frame()
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        let redacted_hit = self.redact(hit);
        self.inner.hit(&redacted_hit.as_hit(hit))
    }

    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        self.inner.companion(&Companion {
            title: &redacted(companion.title),
            facts: &facts(companion.facts),
            ..*companion
        })
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let request = pair.request.map(|hit| (self.redact(hit), hit));
        let response = pair.response.map(|hit| (self.redact(hit), hit));
        let request = request.as_ref().map(|(redacted, hit)| redacted.as_hit(hit));
        let response = response
            .as_ref()
            .map(|(redacted, hit)| redacted.as_hit(hit));
        self.inner.pair(&Pair {
            request: request.as_ref(),
            response: response.as_ref(),
            title: &redacted(pair.title),
            ..*pair
        })
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        self.inner.failure(failure)
    }

    fn tick(&mut self, now: Timestamp) -> io::Result<()> {
        self.inner.tick(now)
    }

    fn news(&mut self) -> Option<String> {
        self.inner.news()
    }

    fn end(&mut self, why: &Ending) -> io::Result<()> {
        self.inner.end(why)
    }

    fn is_done(&self) -> bool {
        self.inner.is_done()
    }

    fn outcome(&self) -> Option<Result<bool, String>> {
        self.inner.outcome()
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = self.inner.remarks();
        if self.announce && self.secrets > 0 {
            let many = match self.secrets {
                1 => "1 secret is".to_owned(),
                many => format!("{many} secrets are"),
            };
            remarks.push(format!(
                "{many} masked (***LENGTH***); --show-secrets shows them"
            ));
        }
        remarks
    }

    fn finish(&mut self, stats: &Stats) -> io::Result<()> {
        self.inner.finish(stats)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            masked: true,
            ..self.inner.wants()
        }
    }
}

//! Secrets are masked before a renderer sees them: a renderer around another one. What was searched is what was sent.

use std::io;
use std::ops::Range;

use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::hit::{Carried, Companion, Hit, Pair, Piece, Text};
use crate::message::{Fact, Role};
use crate::stats::Stats;

use super::parts::field;
use super::redact::{self, Masking, Message, Zone};
use super::{Banner, Ending, Renderer, Wants, What};

/// A renderer that shows no secrets.
pub(super) struct Masked {
    inner: Box<dyn Renderer>,
    /// It was not asked for, so the user is told.
    told: bool,
    secrets: u64,
}

impl Masked {
    /// `inner` shows `what`.
    pub(super) fn new(inner: Box<dyn Renderer>, what: What) -> Self {
        Self {
            inner,
            told: matches!(what, What::Har | What::Curl(_)),
            secrets: 0,
        }
    }

    fn mask(&mut self, hit: &Hit<'_>) -> Rewritten {
        let rewritten = Rewritten::of(hit);
        self.secrets += rewritten.secrets;
        rewritten
    }
}

/// What changes in a hit.
#[derive(Default)]
struct Rewritten {
    /// Of the text; `None` when it stays as it is.
    text: Option<Texts>,
    facts: Vec<Fact>,
    secrets: u64,
}

/// A text, and what lies in it.
struct Texts {
    bytes: Vec<u8>,
    head: usize,
    pieces: Vec<Piece>,
    matches: Vec<Range<usize>>,
    carried: Carried,
    styles: Vec<(Range<usize>, Role)>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Rewritten {
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
        let masking = Masking::of(&Message {
            bytes: hit.text.bytes,
            head: hit.head,
            fields: hit.fields,
            body: if form { Zone::Form } else { Zone::Text },
            cuts: &cuts,
        });
        Self {
            facts: facts(hit.facts),
            secrets: masking.as_ref().map_or(0, Masking::count),
            text: masking.map(|masking| Texts::of(hit, masking)),
        }
    }

    fn lend<'a>(&'a self, hit: &Hit<'a>) -> Hit<'a> {
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

impl Texts {
    fn of(hit: &Hit<'_>, masking: Masking) -> Self {
        let mut matches: Vec<Range<usize>> = Vec::with_capacity(hit.matches.len());
        let mut settled = 0;
        for (at, found) in hit.matches.iter().enumerate() {
            if at == hit.settled().len() {
                settled = matches.len();
            }
            // Matches inside of one mask are one.
            let found = masking.range(found);
            match matches.last_mut() {
                Some(last) if found.start < last.end => last.end = last.end.max(found.end),
                _ => matches.push(found),
            }
        }
        let mut done = 0;
        let styles = hit.styles.iter().filter_map(|(range, role)| {
            let range = masking.range(range);
            let range = range.start.max(done)..range.end;
            done = done.max(range.end);
            (range.start < range.end).then_some((range, *role))
        });
        let pieces = hit.text.pieces.iter().map(|piece| match piece {
            Piece::Kept(range) => Piece::Kept(masking.range(range)),
            other => other.clone(),
        });
        let fields = hit.fields.iter();
        let unsettled = match hit.carried.unsettled {
            0 => 0,
            _ => matches.len() - settled,
        };
        Self {
            head: masking.end(hit.head),
            carried: Carried {
                len: masking.end(hit.carried.len),
                head: masking.end(hit.carried.head),
                unsettled,
                ..hit.carried
            },
            pieces: pieces.collect(),
            styles: styles.collect(),
            fields: fields
                .map(|(name, value)| (masking.range(name), masking.range(value)))
                .collect(),
            matches,
            bytes: masking.bytes,
        }
    }
}

fn facts(facts: &[Fact]) -> Vec<Fact> {
    let masked = |fact: &Fact| Fact {
        value: String::from_utf8_lossy(&redact::text(fact.value.as_bytes())).into_owned(),
        ..*fact
    };
    facts.iter().map(masked).collect()
}

impl Renderer for Masked {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        self.inner.begin(banner)
    }

    fn frame(&mut self) -> io::Result<()> {
        self.inner.frame()
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        let rewritten = self.mask(hit);
        self.inner.hit(&rewritten.lend(hit))
    }

    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        self.inner.companion(&Companion {
            title: &redact::text(companion.title),
            facts: &facts(companion.facts),
            ..*companion
        })
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        let question = pair.question.map(|hit| (self.mask(hit), hit));
        let answer = pair.answer.map(|hit| (self.mask(hit), hit));
        let question = question.as_ref().map(|(masked, hit)| masked.lend(hit));
        let answer = answer.as_ref().map(|(masked, hit)| masked.lend(hit));
        self.inner.pair(&Pair {
            question: question.as_ref(),
            answer: answer.as_ref(),
            title: &redact::text(pair.title),
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
        if self.told && self.secrets > 0 {
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

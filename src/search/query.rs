//! The question a message is asked: any of some patterns, and others, and not others.

use std::ops::Range;

use super::pattern::{Options, Pattern, PatternError};
use super::prefilter::Glance;
use super::settled::{Certain, Settled};
use super::streaming::{Automaton, Scan};

/// What the user asked, as typed.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Patterns of which any may match; none: everything matches.
    pub any: Vec<String>,
    /// Patterns that must match as well, each.
    pub and: Vec<String>,
    /// Patterns that must not match.
    pub not: Vec<String>,
    /// How they are read.
    pub options: Options,
}

/// A question, compiled.
#[derive(Debug)]
pub struct Query {
    terms: Vec<Term>,
    /// The patterns whose extents are shown.
    shown: Option<regex::bytes::Regex>,
    /// Which of those are certain before a text is over.
    settled: Option<Settled>,
    learns: bool,
}

/// One pattern of a question.
#[derive(Debug)]
struct Term {
    automaton: Automaton,
    regex: regex::bytes::Regex,
    /// Whether it must be found or must not be.
    wanted: bool,
}

/// How far one pattern of a question got in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    scan: Scan,
    found: bool,
}

/// How far a direction's text was read, to go on in its next message.
#[derive(Clone, Debug, Default)]
pub struct Bookmark(Vec<Progress>);

impl Query {
    /// Compile a question.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn compile(asked: &Asked) -> Result<Self, PatternError> {
        let mut terms = Vec::new();
        let one = |patterns: &[String], wanted: bool| {
            let Pattern { regex, hir } = Pattern::compile(patterns, &asked.options)?;
            let settled = Settled::new(&hir);
            let automaton = Automaton::new(&hir).map_err(|detail| PatternError {
                pattern: patterns.join(" | "),
                at: None,
                what: if detail.contains("Unicode word") {
                    "a word boundary in Unicode cannot be searched in a stream".to_owned()
                } else {
                    format!("the pattern cannot be searched in a stream: {detail}")
                },
                instead: asked
                    .options
                    .unicode
                    .then(|| r"with --unicode write (?-u:\b) for \b".to_owned()),
            })?;
            let term = Term {
                automaton,
                regex,
                wanted,
            };
            Ok((term, settled))
        };
        // An empty pattern matches everything: then nothing need be searched.
        let (mut shown, mut settled) = (None, None);
        if !asked.any.is_empty() && !asked.any.iter().any(String::is_empty) {
            let (term, certain) = one(&asked.any, true)?;
            shown = Some(term.regex.clone());
            settled = Some(certain);
            terms.push(term);
        }
        for pattern in &asked.and {
            terms.push(one(std::slice::from_ref(pattern), true)?.0);
        }
        for pattern in &asked.not {
            terms.push(one(std::slice::from_ref(pattern), false)?.0);
        }
        let learns = terms.iter().any(|term| term.automaton.learns());
        Ok(Self {
            terms,
            shown,
            settled,
            learns,
        })
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a match once found decides the question: there is nothing else that must or must not be there.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.terms.len() <= 1 && self.terms.iter().all(|term| term.wanted)
    }

    /// Whether a question that holds at some place in a message holds at its end: nothing must not be there.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.terms.iter().all(|term| term.wanted)
    }

    /// Ask of a text that lies in one piece; `extents` gets the matches to be shown.
    pub fn holds_in(&self, text: &[u8], extents: &mut Vec<Range<usize>>) -> bool {
        extents.clear();
        let holds = self
            .terms
            .iter()
            .all(|term| term.regex.is_match(text) == term.wanted);
        // Of the one pattern that was just not found there are no extents: most texts are read once.
        if holds || !self.is_simple() {
            self.extents(text, 0, 0, extents);
        }
        holds
    }

    /// Whether a text that lies in one piece does not hold, as far as that can be told at a glance.
    #[must_use]
    pub fn misses(&self, text: &[u8]) -> bool {
        let mut wanted = self.terms.iter().filter(|term| term.wanted);
        wanted.any(|term| term.automaton.misses(text))
    }

    /// What tells that of large pieces of any bytes, not only of texts. None: it would not pay.
    #[must_use]
    pub fn glance(&self) -> Option<Glance> {
        match &*self.terms {
            [term] if term.wanted => term.automaton.glance(),
            _ => None,
        }
    }

    /// Whether it is to [learn](Self::learn) from texts.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// Learn from a text that it is asked of what is rare in such texts: then it takes less time.
    #[cold]
    pub fn learn(&mut self, text: &[u8]) {
        for term in &mut self.terms {
            term.automaton.learn(text);
        }
        self.learns = self.terms.iter().any(|term| term.automaton.learns());
    }

    /// The matches in one piece of text that begin at `from` or later, none empty, appended to `extents`; the text starts at
    /// `offset`.
    pub(super) fn extents(
        &self,
        text: &[u8],
        from: usize,
        offset: usize,
        extents: &mut Vec<Range<usize>>,
    ) {
        let Some(regex) = &self.shown else { return };
        let mut at = from;
        while at < text.len()
            && let Some(found) = regex.find_at(text, at)
        {
            if found.is_empty() {
                at = found.end() + 1;
            } else {
                at = found.end();
                extents.push(offset + found.start()..offset + found.end());
            }
        }
    }

    /// How far the matches in the start of a text are those of the whole text, from `from` on: of the `found` ones, as
    /// [`Self::extents`] told them, and where the next one is to be looked for.
    pub(super) fn certain(&self, text: &[u8], from: usize, found: &[Range<usize>]) -> Certain {
        let Some(settled) = &self.settled else {
            return Certain {
                matches: found.len(),
                resume: text.len(),
            };
        };
        let certain = settled.of(text, from);
        if settled.counts() {
            return certain;
        }
        // By lines: a match that reaches into the last one is looked for again.
        let matches = found.partition_point(|found| found.end <= certain.resume);
        let again = found.get(matches).map_or(text.len(), |found| found.start);
        Certain {
            matches,
            resume: certain.resume.min(again),
        }
    }

    /// Start reading a message: at a text's start, or where `bookmark` says the direction's text goes on.
    pub(super) fn begin(&self, progress: &mut Vec<Progress>, bookmark: Option<&Bookmark>) {
        progress.clear();
        match bookmark {
            Some(Bookmark(marks)) if marks.len() == self.terms.len() => {
                progress.extend(marks.iter().map(|mark| Progress {
                    found: false,
                    ..*mark
                }));
            }
            _ => progress.extend(self.terms.iter().map(|term| Progress {
                scan: term.automaton.start(),
                found: false,
            })),
        }
    }

    /// Read on. `found` is told of each match to be shown, as [`Automaton::feed`] tells it. `lacks`: what [`Self::glance`] gave has
    /// seen that nothing is in the bytes.
    pub(super) fn feed(
        &self,
        progress: &mut [Progress],
        bytes: &[u8],
        lacks: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        for (term, progress) in self.terms.iter().zip(progress) {
            let any = &mut progress.found;
            // Only the first term can be the one that is shown.
            if self.shown.is_some() && std::ptr::eq(term, &raw const self.terms[0]) {
                term.automaton
                    .feed(&mut progress.scan, bytes, lacks, &mut |end, len| {
                        *any = true;
                        found(end, len);
                    });
            } else {
                term.automaton
                    .feed(&mut progress.scan, bytes, lacks, &mut |_, _| *any = true);
            }
        }
    }

    /// Bytes are missing.
    pub(super) fn gap(&self, progress: &mut [Progress]) {
        for (term, progress) in self.terms.iter().zip(progress) {
            progress.found |= term.automaton.gap(&mut progress.scan);
        }
    }

    /// The message ends: truly, or cut off.
    pub(super) fn end(&self, progress: &mut [Progress], truly: bool) {
        for (term, progress) in self.terms.iter().zip(progress) {
            progress.found |= match truly {
                true => term.automaton.ends_at_end(&progress.scan),
                false => term.automaton.ends_at_gap(&progress.scan),
            };
        }
    }

    /// Whether the message holds, as far as it was read.
    pub(super) fn holds(&self, progress: &[Progress]) -> bool {
        self.terms
            .iter()
            .zip(progress)
            .all(|(term, progress)| term.wanted == progress.found)
    }

    /// Whether the message would hold if its text ended truly here.
    pub(super) fn would_hold(&self, progress: &[Progress]) -> bool {
        let found = |(term, progress): (&Term, &Progress)| {
            let found = progress.found || term.automaton.ends_at_end(&progress.scan);
            term.wanted == found
        };
        self.terms.iter().zip(progress).all(found)
    }

    /// Whether the verdict can still change by what was already read: a match is begun.
    pub(super) fn is_open(&self, progress: &[Progress]) -> bool {
        self.terms
            .iter()
            .zip(progress)
            .any(|(term, progress)| term.automaton.is_open(&progress.scan))
    }

    /// Let `bookmark` stand behind missing bytes: no text begins there, and no line.
    pub fn mark_gap(&self, bookmark: &mut Bookmark) {
        bookmark.0.clear();
        bookmark.0.extend(self.terms.iter().map(|term| Progress {
            scan: term.automaton.start_behind_gap(),
            found: false,
        }));
    }

    /// Note in `bookmark` how far was read.
    pub(super) fn mark(progress: &[Progress], bookmark: &mut Bookmark) {
        bookmark.0.clear();
        bookmark.0.extend_from_slice(progress);
    }
}

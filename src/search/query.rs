//! The question a message is asked: any of some patterns, and others, and not others.

use std::ops::Range;

use regex_automata::Input;

use regex_automata::meta::Regex;

use super::pattern::{Options, Pattern, PatternError};
use super::plain;
use super::prefilter::BlockPrefilter;
use super::settled::{Certain, Settled};
use super::streaming::{Automaton, Scan};

/// What the user asked, as typed.
#[derive(Clone, Debug, Default)]
pub struct QuerySpec {
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
    /// The patterns whose extents are shown are those of the first term.
    shows: bool,
    /// Terms that are searched otherwise in what is no text.
    wides: usize,
    /// Which of the extents are certain before a text is over.
    settled: Option<Settled>,
    learns: bool,
}

/// One pattern of a question.
#[derive(Debug)]
struct Term {
    search: Search,
    /// The same where `.` matches every byte, if that is something else: for what is no text.
    wide: Option<Box<Search>>,
    /// Whether it must be found or must not be.
    wanted: bool,
}

/// A pattern, ready to be searched for.
#[derive(Debug)]
struct Search {
    automaton: Automaton,
    regex: Regex,
}

/// How far one search got in a message.
#[derive(Debug)]
pub(super) struct Progress {
    scan: Scan,
    found: bool,
}

impl Clone for Progress {
    fn clone(&self) -> Self {
        Self {
            scan: self.scan.clone(),
            found: self.found,
        }
    }

    #[allow(clippy::inline_always, reason = "it copies a few words")]
    #[inline(always)]
    fn clone_from(&mut self, other: &Self) {
        self.scan.clone_from(&other.scan);
        self.found = other.found;
    }
}

/// How far a direction's text was read, to go on in its next message.
#[derive(Clone, Debug, Default)]
pub struct ScanState(Vec<Progress>);

impl Query {
    /// Compile a question.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn compile(asked: &QuerySpec) -> Result<Self, PatternError> {
        let mut terms = Vec::new();
        let one = |patterns: &[String], wanted: bool| {
            let Pattern { regex, hir, wide } = Pattern::compile(patterns, &asked.options)?;
            let too_large = |detail| PatternError::too_large(patterns, detail);
            let settled = Settled::new(&hir);
            // What the one finds the other does: so both may look for what that begins with.
            let outline = wide.as_ref().map_or(&hir, |(_, wide)| wide);
            let search = |regex, hir| {
                let automaton = Automaton::new(hir, outline).map_err(too_large)?;
                Ok(Search { automaton, regex })
            };
            let term = Term {
                search: search(regex, &hir)?,
                wide: match &wide {
                    Some((regex, hir)) => Some(Box::new(search(regex.clone(), hir)?)),
                    None => None,
                },
                wanted,
            };
            Ok((term, settled))
        };
        // An empty pattern matches everything: then nothing need be searched.
        let shows = !asked.any.is_empty() && !asked.any.iter().any(String::is_empty);
        let mut settled = None;
        if shows {
            let (term, certain) = one(&asked.any, true)?;
            settled = Some(certain);
            terms.push(term);
        }
        for pattern in &asked.and {
            terms.push(one(std::slice::from_ref(pattern), true)?.0);
        }
        for pattern in &asked.not {
            terms.push(one(std::slice::from_ref(pattern), false)?.0);
        }
        let learns = terms.iter().any(Term::learns);
        let wides = terms.iter().filter(|term| term.wide.is_some()).count();
        Ok(Self {
            terms,
            shows,
            wides,
            settled,
            learns,
        })
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a match once found decides the question: there is nothing else that must or must not
    /// be there.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.terms.len() <= 1 && self.terms.iter().all(|term| term.wanted)
    }

    /// Whether a question that holds at some place in a message holds at its end: nothing must not
    /// be there.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.terms.iter().all(|term| term.wanted)
    }

    /// Whether what is no text is searched otherwise.
    pub(super) fn is_wide(&self) -> bool {
        self.wides > 0
    }

    /// Ask of bytes that lie in one piece, which need be no text; `extents` gets the matches to be
    /// shown.
    pub fn holds_in(&self, bytes: &[u8], extents: &mut Vec<Range<usize>>) -> bool {
        extents.clear();
        let text = !self.is_wide() || plain::is_text(bytes);
        let holds = self
            .terms
            .iter()
            .all(|term| term.regex(text).is_match(bytes) == term.wanted);
        // Of the one pattern that was just not found there are no extents: most texts are read
        // once.
        if holds || !self.is_simple() {
            self.extents(bytes, 0, 0, text, extents);
        }
        holds
    }

    /// Whether a text that lies in one piece does not hold, as far as that can be told at a glance.
    #[must_use]
    pub fn misses(&self, text: &[u8]) -> bool {
        let mut wanted = self.terms.iter().filter(|term| term.wanted);
        wanted.any(|term| term.search.automaton.misses(text))
    }

    /// What tells that of large pieces of any bytes, not only of texts. None: it would not pay.
    #[must_use]
    pub fn glance(&self) -> Option<BlockPrefilter> {
        match &*self.terms {
            [term] if term.wanted => term.search.automaton.glance(),
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
            let wide = term.wide.as_deref_mut();
            for search in [&mut term.search].into_iter().chain(wide) {
                search.automaton.learn(text);
            }
        }
        self.learns = self.terms.iter().any(Term::learns);
    }

    /// Messages whose begun matches were forgotten for want of room, up to now.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        let searches = self.searches();
        searches.map(|search| search.automaton.forgotten()).sum()
    }

    /// The matches in one piece that begin at `from` or later, of a message that is `is_text` or is
    /// not; none empty, appended to `extents`. The piece starts at `offset`.
    pub(super) fn extents(
        &self,
        text: &[u8],
        from: usize,
        offset: usize,
        is_text: bool,
        extents: &mut Vec<Range<usize>>,
    ) {
        let Some(term) = self.terms.first().filter(|_| self.shows) else {
            return;
        };
        let regex = term.regex(is_text);
        let mut at = from;
        while at < text.len()
            && let Some(found) = regex.find(Input::new(text).range(at..))
        {
            if found.is_empty() {
                at = found.end() + 1;
            } else {
                at = found.end();
                extents.push(offset + found.start()..offset + found.end());
            }
        }
    }

    /// How far the matches in the start of a text are those of the whole text, from `from` on: of
    /// the `found` ones, as [`Self::extents`] told them, and where the next one is to be looked
    /// for.
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

    /// Start reading a message: at a text's start, or where `bookmark` says the direction's text
    /// goes on. `raw`: it may be no text.
    pub(super) fn begin(
        &self,
        progress: &mut Vec<Progress>,
        bookmark: Option<&ScanState>,
        raw: bool,
    ) {
        let count = self.count(raw);
        match bookmark {
            Some(ScanState(marks)) if marks.len() == count => {
                copy(marks, progress);
                for progress in progress {
                    progress.found = false;
                }
            }
            _ if progress.len() == count => {
                for (search, progress) in self.searches().zip(progress) {
                    search.automaton.restart(&mut progress.scan);
                    progress.found = false;
                }
            }
            _ => self.place(progress, raw, Automaton::start),
        }
    }

    /// Read on in a message that is `text` up to here, with these bytes, or is not. `found` is told
    /// of each match to be shown, as [`Automaton::feed`] tells it. `lacks`: what [`Self::glance`]
    /// gave has seen that nothing is in the bytes.
    pub(super) fn feed(
        &self,
        progress: &mut [Progress],
        bytes: &[u8],
        lacks: bool,
        text: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        if let ([term], [progress]) = (&*self.terms, &mut *progress) {
            let shown = self.shows && (text || term.wide.is_none());
            return term.search.feed(progress, bytes, lacks, shown, found);
        }
        // Only the first term can be the one that is shown, and of its two searches one is.
        let (own, wide) = progress.split_at_mut(self.terms.len().min(progress.len()));
        for (at, (term, progress)) in self.terms.iter().zip(own).enumerate() {
            let shown = self.shows && at == 0 && (text || term.wide.is_none());
            term.search.feed(progress, bytes, lacks, shown, found);
        }
        for ((at, search), progress) in self.wide().zip(wide) {
            let shown = self.shows && at == 0 && !text;
            search.feed(progress, bytes, lacks, shown, found);
        }
    }

    /// Bytes are missing.
    pub(super) fn gap(&self, progress: &mut [Progress]) {
        for (search, progress) in self.searches().zip(progress) {
            progress.found |= search.automaton.gap(&mut progress.scan);
        }
    }

    /// The message ends: truly, or cut off.
    pub(super) fn end(&self, progress: &mut [Progress], truly: bool) {
        for (search, progress) in self.searches().zip(progress) {
            progress.found |= match truly {
                true => search.automaton.ends_at_end(&progress.scan),
                false => search.automaton.ends_at_gap(&progress.scan),
            };
        }
    }

    /// Whether the message holds, as far as it was read and is `text` or is not.
    pub(super) fn holds(&self, progress: &[Progress], text: bool) -> bool {
        if let ([term], [progress]) = (&*self.terms, progress) {
            return term.wanted == progress.found;
        }
        let (own, wide) = progress.split_at(self.terms.len().min(progress.len()));
        let mut wide = wide.iter();
        self.terms.iter().zip(own).all(|(term, progress)| {
            let wide = term.wide.as_ref().and_then(|_| wide.next());
            let found = progress.found || wide.is_some_and(|wide| wide.found && !text);
            term.wanted == found
        })
    }

    /// Whether a pattern was found that must not be there.
    pub(super) fn refuses(&self, progress: &[Progress]) -> bool {
        let mut terms = self.terms.iter().zip(progress);
        terms.any(|(term, progress)| !term.wanted && progress.found)
    }

    /// Whether the message would hold if its text ended truly here.
    pub(super) fn would_hold(&self, progress: &[Progress]) -> bool {
        let found = |(term, progress): (&Term, &Progress)| {
            let found = progress.found || term.search.automaton.ends_at_end(&progress.scan);
            term.wanted == found
        };
        self.terms.iter().zip(progress).all(found)
    }

    /// Whether the verdict can still change by what was already read: a match is begun.
    pub(super) fn is_open(&self, progress: &[Progress], text: bool) -> bool {
        if let ([term], [progress]) = (&*self.terms, progress) {
            return term.search.automaton.is_open(&progress.scan);
        }
        let count = match text {
            true => self.terms.len(),
            false => progress.len(),
        };
        let mut searches = self.searches().zip(progress).take(count);
        searches.any(|(search, progress)| search.automaton.is_open(&progress.scan))
    }

    /// Let `bookmark` stand behind missing bytes of what may be no text: no text begins there, and
    /// no line.
    pub fn mark_gap(&self, bookmark: &mut ScanState) {
        self.place(&mut bookmark.0, true, Automaton::start_behind_gap);
    }

    /// Note in `bookmark` how far was read.
    pub(super) fn mark(progress: &[Progress], bookmark: &mut ScanState) {
        copy(progress, &mut bookmark.0);
    }

    /// Let each search stand `at` a place.
    fn place(&self, progress: &mut Vec<Progress>, raw: bool, at: impl Fn(&Automaton) -> Scan) {
        let searches = self.searches().take(self.count(raw));
        progress.clear();
        progress.extend(searches.map(|search| Progress {
            scan: at(&search.automaton),
            found: false,
        }));
    }

    /// How many searches a message has.
    fn count(&self, raw: bool) -> usize {
        self.terms.len() + if raw { self.wides } else { 0 }
    }

    /// Each term's search; and behind them those of what is no text.
    fn searches(&self) -> impl Iterator<Item = &Search> {
        let own = self.terms.iter().map(|term| &term.search);
        own.chain(self.wide().map(|(_, search)| search))
    }

    /// The searches of what is no text, where they are others, with the numbers of their terms.
    fn wide(&self) -> impl Iterator<Item = (usize, &Search)> {
        let terms = self.terms.iter().enumerate();
        terms.filter_map(|(at, term)| Some((at, term.wide.as_deref()?)))
    }
}

/// Copy how far searches got; mostly there is one, as before.
#[inline]
fn copy(from: &[Progress], to: &mut Vec<Progress>) {
    match (from, &mut **to) {
        ([from], [to]) => to.clone_from(from),
        _ => from.clone_into(to),
    }
}

impl Term {
    /// For a text, or for what is none.
    fn regex(&self, text: bool) -> &Regex {
        match &self.wide {
            Some(wide) if !text => &wide.regex,
            _ => &self.search.regex,
        }
    }

    fn learns(&self) -> bool {
        let wide = self.wide.as_ref();
        self.search.automaton.learns() || wide.is_some_and(|wide| wide.automaton.learns())
    }
}

impl Search {
    /// Read on; `found` is told of matches that are `shown`.
    #[inline]
    fn feed(
        &self,
        progress: &mut Progress,
        bytes: &[u8],
        lacks: bool,
        shown: bool,
        found: &mut dyn FnMut(usize, usize),
    ) {
        let Progress { scan, found: any } = progress;
        match shown {
            true => self.automaton.feed(scan, bytes, lacks, &mut |end, len| {
                *any = true;
                found(end, len);
            }),
            false => self
                .automaton
                .feed(scan, bytes, lacks, &mut |_, _| *any = true),
        }
    }
}

//! The query that each message is matched against: one alternation, and patterns that must or must
//! not match as well. Matching is incremental and takes linear time.

use std::ops::Range;

use super::extents::Finder;
use super::pattern::{Options, Pattern, PatternError};
use super::plain;
use super::prefilter::BlockPrefilter;
use super::settled::{Certain, Settled};
use super::streaming::{Automaton, Scan};

/// A query as typed.
#[derive(Clone, Debug, Default)]
pub struct QuerySpec {
    /// Alternative patterns; if there are none, everything matches.
    pub any: Vec<String>,
    /// Patterns of which each must match as well.
    pub and: Vec<String>,
    /// Patterns that must not match.
    pub not: Vec<String>,
    /// How the patterns are interpreted.
    pub options: Options,
}

/// A compiled query.
#[derive(Debug)]
pub struct Query {
    terms: Vec<Term>,
    /// Whether there is a first term whose matches are shown.
    shows: bool,
    /// Number of terms that have a separate search for binary data.
    wides: usize,
    /// Determines which matches are final before a text ends.
    settled: Option<Settled>,
    learns: bool,
}

/// One pattern of a query.
#[derive(Debug)]
struct Term {
    search: Search,
    /// The same with a `.` that matches every byte, where that differs: for binary data.
    wide: Option<Box<Search>>,
    /// Whether it must match or must not match.
    wanted: bool,
}

/// A compiled pattern.
#[derive(Debug)]
struct Search {
    automaton: Automaton,
    finder: Finder,
}

/// State of one search in a message.
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

/// State of the searches at the end of a message whose text continues in the flow's next one.
#[derive(Clone, Debug, Default)]
pub struct ScanState(Vec<Progress>);

impl Query {
    /// Compiles a query.
    ///
    /// # Errors
    /// The first pattern that cannot be compiled.
    pub fn compile(spec: &QuerySpec) -> Result<Self, PatternError> {
        let mut terms = Vec::new();
        let one = |patterns: &[String], wanted: bool| {
            let Pattern { regex, hir, wide } = Pattern::compile(patterns, &spec.options)?;
            let too_large = |detail| PatternError::too_large(patterns, detail);
            let settled = Settled::new(&hir);
            // Whatever matches one matches the other, so both can use the prefilter of the wider
            // one.
            let outline = wide.as_ref().map_or(&hir, |(_, wide)| wide);
            let search = |regex, hir| {
                let automaton = Automaton::new(hir, outline).map_err(too_large)?;
                let finder = Finder::new(regex, hir);
                Ok(Search { automaton, finder })
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
        // An empty pattern matches everything, so nothing needs to be searched.
        let shows = !spec.any.is_empty() && !spec.any.iter().any(String::is_empty);
        let mut settled = None;
        if shows {
            let (term, certain) = one(&spec.any, true)?;
            settled = Some(certain);
            terms.push(term);
        }
        for pattern in &spec.and {
            terms.push(one(std::slice::from_ref(pattern), true)?.0);
        }
        for pattern in &spec.not {
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

    /// Whether the first match decides the query: no other pattern must or must not match.
    #[must_use]
    pub fn is_simple(&self) -> bool {
        self.terms.len() <= 1 && self.terms.iter().all(|term| term.wanted)
    }

    /// Whether a message that matches at some point still matches at its end: no pattern is
    /// excluded.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.terms.iter().all(|term| term.wanted)
    }

    /// Whether binary data has a separate search.
    pub(super) fn is_wide(&self) -> bool {
        self.wides > 0
    }

    /// Whether contiguous bytes, text or binary, match. `extents` receives the matches to be shown.
    pub fn holds_in(&self, bytes: &[u8], extents: &mut Vec<Range<usize>>) -> bool {
        extents.clear();
        let text = !self.is_wide() || plain::is_text(bytes);
        let holds = self
            .terms
            .iter()
            .all(|term| term.finder(text).is_match(bytes) == term.wanted);
        // If the only pattern was not found there are no extents. Skip the second pass: most texts
        // do not match.
        if holds || !self.is_simple() {
            self.extents(bytes, 0, 0, text, extents);
        }
        holds
    }

    /// Whether the prefilters rule out a match in contiguous text.
    #[must_use]
    pub fn misses(&self, text: &[u8]) -> bool {
        let mut wanted = self.terms.iter().filter(|term| term.wanted);
        wanted.any(|term| term.search.automaton.misses(text))
    }

    /// Returns a prefilter for large blocks of any bytes; `None` if it would not pay off.
    #[must_use]
    pub fn glance(&self) -> Option<BlockPrefilter> {
        match &*self.terms {
            [term] if term.wanted => term.search.automaton.glance(),
            _ => None,
        }
    }

    /// Whether further calls of [`learn`](Self::learn) are useful.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// Measures byte frequencies on a searched text, which makes later searches faster.
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

    /// Number of messages whose undecided matches were dropped because of the memory limit.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        let searches = self.searches();
        searches.map(|search| search.automaton.forgotten()).sum()
    }

    /// Appends to `extents` the non-empty matches in `text` that begin at `from` or later, shifted
    /// by `offset`. `is_text`: whether the message is text.
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
        term.finder(is_text).each(text, from, &mut |found| {
            extents.push(offset + found.start..offset + found.end);
        });
    }

    /// How many of the matches in the start of a text, from `from` on, are also those of the whole
    /// text, and where the next search starts. `found` are the matches as [`Self::extents`]
    /// returned them.
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
        // The unit is a line: a match that reaches into the last line is searched for again.
        let matches = found.partition_point(|found| found.end <= certain.resume);
        let again = found.get(matches).map_or(text.len(), |found| found.start);
        Certain {
            matches,
            resume: certain.resume.min(again),
        }
    }

    /// Starts a message: at the start of a text, or where `bookmark` says that the text continues.
    /// `raw`: the message may be binary.
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

    /// Searches the next bytes of a message. `text`: whether the message is text up to their end.
    /// `found` receives each match to be shown, in the terms of [`Automaton::feed`]. `lacks`: the
    /// block prefilter found no candidate in the bytes.
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
        // Only the matches of the first term are shown, from one of its two searches.
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

    /// Records that bytes are missing.
    pub(super) fn gap(&self, progress: &mut [Progress]) {
        for (search, progress) in self.searches().zip(progress) {
            progress.found |= search.automaton.gap(&mut progress.scan);
        }
    }

    /// Ends the message: truly, or cut off.
    pub(super) fn end(&self, progress: &mut [Progress], truly: bool) {
        for (search, progress) in self.searches().zip(progress) {
            progress.found |= match truly {
                true => search.automaton.ends_at_end(&progress.scan),
                false => search.automaton.ends_at_gap(&progress.scan),
            };
        }
    }

    /// Whether the message matches, as far as it was searched. `text`: whether it is text.
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

    /// Whether a pattern that must not match was found.
    pub(super) fn refuses(&self, progress: &[Progress]) -> bool {
        let mut terms = self.terms.iter().zip(progress);
        terms.any(|(term, progress)| !term.wanted && progress.found)
    }

    /// Whether the message would match if its text ended here.
    pub(super) fn would_hold(&self, progress: &[Progress]) -> bool {
        let found = |(term, progress): (&Term, &Progress)| {
            let found = progress.found || term.search.automaton.ends_at_end(&progress.scan);
            term.wanted == found
        };
        self.terms.iter().zip(progress).all(found)
    }

    /// Whether later bytes can complete a match that has begun.
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

    /// Places `bookmark` after missing bytes of possibly binary data: neither a text nor a line
    /// begins there.
    pub fn mark_gap(&self, bookmark: &mut ScanState) {
        self.place(&mut bookmark.0, true, Automaton::start_after_gap);
    }

    /// Stores the state of the searches in `bookmark`.
    pub(super) fn mark(progress: &[Progress], bookmark: &mut ScanState) {
        copy(progress, &mut bookmark.0);
    }

    /// Resets each search to the state `at`.
    fn place(&self, progress: &mut Vec<Progress>, raw: bool, at: impl Fn(&Automaton) -> Scan) {
        let searches = self.searches().take(self.count(raw));
        progress.clear();
        progress.extend(searches.map(|search| Progress {
            scan: at(&search.automaton),
            found: false,
        }));
    }

    /// Number of searches of a message.
    fn count(&self, raw: bool) -> usize {
        self.terms.len() + if raw { self.wides } else { 0 }
    }

    /// The search of each term, followed by the separate ones for binary data.
    fn searches(&self) -> impl Iterator<Item = &Search> {
        let own = self.terms.iter().map(|term| &term.search);
        own.chain(self.wide().map(|(_, search)| search))
    }

    /// The separate searches for binary data, with the numbers of their terms.
    fn wide(&self) -> impl Iterator<Item = (usize, &Search)> {
        let terms = self.terms.iter().enumerate();
        terms.filter_map(|(at, term)| Some((at, term.wide.as_deref()?)))
    }
}

/// Copies search states. Usually there is exactly one, as before.
#[inline]
fn copy(from: &[Progress], to: &mut Vec<Progress>) {
    match (from, &mut **to) {
        ([from], [to]) => to.clone_from(from),
        _ => from.clone_into(to),
    }
}

impl Term {
    /// The engine for text, or for binary data.
    fn finder(&self, text: bool) -> &Finder {
        match &self.wide {
            Some(wide) if !text => &wide.finder,
            _ => &self.search.finder,
        }
    }

    fn learns(&self) -> bool {
        let wide = self.wide.as_ref();
        self.search.automaton.learns() || wide.is_some_and(|wide| wide.automaton.learns())
    }
}

impl Search {
    /// Searches the next bytes; `found` is called only if matches are `shown`.
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

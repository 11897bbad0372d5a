//! The *prefilter*: finds where a match can begin, or what every match contains, many bytes at a
//! time. It may report places where there is no match, but misses none.

use std::sync::OnceLock;

use memchr::arch::all::packedpair::HeuristicFrequencyRank;
use memchr::memmem::{Finder, FinderBuilder};
use regex_automata::{MatchKind, Span, util::prefilter};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{Extractor, Literal};

use super::anchor::Anchor;

/// Maximum length in bytes of a needle where there are several: the last bytes of each piece, up to
/// this many, are walked one by one.
const NEEDLE: usize = 12;
/// Number of bytes counted before byte frequencies are considered known.
const SAMPLE: usize = 64 << 10;

/// Finds the places where a match can begin, or its anchor.
#[derive(Clone, Debug)]
pub(super) enum Prefilter {
    /// All matches begin with this needle.
    One(Box<Needle>),
    /// Matches begin with one of several needles.
    Several(prefilter::Prefilter),
    /// Matches contain the anchor, wherever they begin.
    Inner(Box<Anchor>),
}

/// One needle, searched for by its two rarest bytes. Byte frequencies are guessed at first and then
/// measured on the searched text: with a bad guess, half of the time is spent on false candidates.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    bytes: Box<[u8]>,
    finder: Finder<'static>,
    counted: Counted,
}

/// Byte frequencies.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    each: [u32; 256],
    all: usize,
}

/// For each byte, the number of rarer bytes.
pub(super) struct Ranks([u8; 256]);

/// Whether a match can begin in arbitrary bytes. Shared by several threads, for large blocks.
#[derive(Debug)]
pub struct BlockPrefilter {
    at_start: Prefilter,
    learned: OnceLock<Prefilter>,
}

impl Prefilter {
    /// Returns a prefilter for this pattern, if it has one.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        if let Some(bytes) = needle(hir) {
            let finder = Finder::new(&bytes).into_owned();
            return Some(Self::One(Box::new(Needle {
                bytes,
                finder,
                counted: Counted::default(),
            })));
        }
        let kind = MatchKind::LeftmostFirst;
        let usual = prefilter::Prefilter::from_hir_prefix(kind, hir)?;
        let longer = needles(hir)
            .and_then(|needles| prefilter::Prefilter::new(kind, &needles))
            .filter(prefilter::Prefilter::is_fast);
        Some(Self::Several(longer.unwrap_or(usual)))
    }

    /// Returns a prefilter that finds what every match of the pattern contains, if it has one.
    pub(super) fn inner(hir: &Hir) -> Option<Self> {
        let literals = match Self::new(hir) {
            Some(Self::Several(literals)) => Some(literals),
            _ => None,
        };
        Some(Self::Inner(Box::new(Anchor::new(hir, literals)?)))
    }

    /// Offset of the first candidate.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(needle) => needle.finder.find(bytes),
            Self::Several(needles) => {
                let found = needles.find(bytes, Span::from(0..bytes.len()))?;
                Some(found.start)
            }
            Self::Inner(anchor) => anchor.find(bytes),
        }
    }

    /// Length of the longest needle in bytes.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::One(needle) => needle.bytes.len(),
            Self::Several(needles) => needles.max_needle_len(),
            Self::Inner(anchor) => anchor.longest(),
        }
    }

    /// Whether more samples of searched text are useful.
    pub(super) fn learns(&self) -> bool {
        match self {
            Self::One(needle) => needle.counted.learns(),
            Self::Several(_) => false,
            Self::Inner(anchor) => anchor.learns(),
        }
    }

    /// Counts the byte frequencies of a sample of the searched text.
    #[cold]
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        match self {
            Self::One(needle) => needle.learn(bytes),
            Self::Several(_) => {}
            Self::Inner(anchor) => anchor.learn(bytes),
        }
    }

    /// Returns a prefilter of large blocks that any thread may use; `None` where it would be slow.
    pub(super) fn glance(&self) -> Option<BlockPrefilter> {
        let fast = match self {
            Self::One(_) | Self::Inner(_) => true,
            Self::Several(needles) => needles.is_fast(),
        };
        fast.then(|| BlockPrefilter {
            at_start: self.clone(),
            learned: OnceLock::new(),
        })
    }
}

impl Needle {
    fn learn(&mut self, bytes: &[u8]) {
        if self.counted.learns() && self.counted.count(bytes) {
            let ranks = self.counted.ranks();
            let builder = FinderBuilder::new();
            self.finder = builder.build_forward_with_ranker_owned(ranks, self.bytes.clone());
        }
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            each: [0; 256],
            all: 0,
        }
    }
}

impl Counted {
    /// Whether more bytes are to be counted.
    pub(super) fn learns(&self) -> bool {
        self.all < SAMPLE
    }

    /// Counts bytes, as far as they are still needed. Returns whether these were the last.
    pub(super) fn count(&mut self, bytes: &[u8]) -> bool {
        let sample = &bytes[..bytes.len().min(SAMPLE - self.all)];
        for byte in sample {
            self.each[usize::from(*byte)] += 1;
        }
        self.all += sample.len();
        !self.learns()
    }

    /// How often each byte was counted.
    pub(super) fn each(&self) -> &[u32; 256] {
        &self.each
    }

    pub(super) fn ranks(&self) -> Ranks {
        let mut order: Vec<u8> = (0..=255).collect();
        // Among equally frequent bytes, prefer those that are no letters or digits: those are
        // frequent elsewhere.
        order.sort_by_key(|byte| (self.each[usize::from(*byte)], byte.is_ascii_alphanumeric()));
        let mut ranks = [0; 256];
        for (rank, byte) in (0..=255).zip(order) {
            ranks[usize::from(byte)] = rank;
        }
        Ranks(ranks)
    }
}

impl HeuristicFrequencyRank for Ranks {
    fn rank(&self, byte: u8) -> u8 {
        self.0[usize::from(byte)]
    }
}

impl BlockPrefilter {
    /// Whether no match begins in these bytes. If so, none begins in any part of them.
    #[must_use]
    pub fn lacks(&self, bytes: &[u8]) -> bool {
        let prefilter = match bytes.len() >= SAMPLE {
            true => self.learned.get_or_init(|| {
                let mut prefilter = self.at_start.clone();
                prefilter.learn(bytes);
                prefilter
            }),
            false => &self.at_start,
        };
        prefilter.find(bytes).is_none()
    }

    /// Length of the longest prefix of a needle: so many bytes before a split, a match can begin
    /// that a search of the two sides separately does not find.
    #[must_use]
    pub fn reach(&self) -> usize {
        self.at_start.longest().saturating_sub(1)
    }
}

/// The prefix of all matches, if they have one of more than one byte.
fn needle(hir: &Hir) -> Option<Box<[u8]>> {
    let mut begins = Extractor::new().extract(hir);
    begins.optimize_for_prefix_by_preference();
    match begins.literals()? {
        [one] if one.as_bytes().len() > 1 => Some(one.as_bytes().into()),
        _ => None,
    }
}

/// The prefixes of the matches, when there are several. The library's prefilter searches for four
/// bytes of each and stops at each word that begins with them; these are longer.
fn needles(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let whole = Extractor::new().extract(hir);
    let mut short = whole.clone();
    short.optimize_for_prefix_by_preference();
    let (whole, short) = (whole.literals()?, short.literals()?);
    let begins = |long: &Literal, short: &Literal| long.as_bytes().starts_with(short.as_bytes());
    let all = whole
        .iter()
        .all(|long| short.iter().any(|short| begins(long, short)));
    if short.len() < 2 || !all {
        return None;
    }
    let shared = |short: &Literal| {
        let mut group = whole.iter().filter(|long| begins(long, short));
        let first = group.next().map_or(short, |first| first).as_bytes();
        let len = group.fold(first.len().min(NEEDLE), |len, other| {
            let pairs = first.iter().zip(other.as_bytes());
            pairs
                .take(len)
                .take_while(|(one, other)| one == other)
                .count()
        });
        first[..len].to_vec()
    };
    Some(short.iter().map(shared).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(pattern: &str) -> Hir {
        regex_syntax::parse(pattern).unwrap()
    }

    #[test]
    fn needles_are_as_long_as_what_they_share() {
        let table: [(&str, Option<&[&str]>); 4] = [
            ("needle-[0-9]", None),
            ("needle-[0-9]|haystack", Some(&["needle-", "haystack"])),
            (
                "pitchforks|pitchfork-of-the-barn|a-b",
                Some(&["pitchforks", "pitchfork-of", "a-b"]),
            ),
            ("[a-z]+x|needle", None),
        ];
        for (pattern, expected) in table {
            let found = needles(&parsed(pattern));
            let expected =
                expected.map(|all| all.iter().map(|it| it.as_bytes().to_vec()).collect());
            assert_eq!(found, expected, "{pattern:?}");
        }
    }

    #[test]
    fn one_needle_is_all_that_the_matches_have_in_common() {
        for (pattern, expected) in [
            ("needle-[0-9]+-END", Some("needle-")),
            (r"\bneedle", Some("needle")),
            ("needle", Some("needle")),
            ("needles?", Some("needle")),
            ("needle|pin", None),
            ("n[a-z]+", None),
            ("[a-z]+", None),
            ("x*", None),
            ("", None),
        ] {
            let found = needle(&parsed(pattern));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{pattern}");
        }
    }

    #[test]
    fn what_is_rare_is_learned_once() {
        let mut prefilter = Prefilter::new(&parsed("needle-")).unwrap();
        let hay = b"needles, needles and needles: ".repeat(100);
        for _ in 0..=SAMPLE / hay.len() {
            assert!(prefilter.learns());
            prefilter.learn(&hay);
        }
        assert!(!prefilter.learns());
        let Prefilter::One(needle) = &prefilter else {
            panic!("one needle");
        };
        let Ranks(ranks) = needle.counted.ranks();
        assert!(
            "nedl"
                .bytes()
                .all(|byte| ranks[usize::from(byte)] > ranks[usize::from(b'-')])
        );
        assert_eq!(prefilter.find(b"needles and a needle-7"), Some(14));
        assert!(!Prefilter::new(&parsed("needle|pin")).unwrap().learns());
    }

    proptest! {
        /// Holds whatever sample was learned.
        #[test]
        fn a_needle_is_found_where_it_is(
            sample in prop::collection::vec(any::<u8>(), 1..200),
            text in prop::collection::vec(prop::sample::select(b"abc-".to_vec()), 0..200),
        ) {
            let mut prefilter = Prefilter::new(&parsed("ab-c")).unwrap();
            let found = text.windows(4).position(|bytes| bytes == b"ab-c");
            prop_assert_eq!(prefilter.find(&text), found);
            let glance = prefilter.glance().unwrap();
            while prefilter.learns() {
                prefilter.learn(&sample);
            }
            prop_assert_eq!(prefilter.find(&text), found);
            let mut large = sample.repeat(SAMPLE / sample.len() + 1);
            let lacks = !large.windows(4).any(|bytes| bytes == b"ab-c");
            prop_assert_eq!(glance.lacks(&large), lacks);
            large.splice(..0, text.iter().copied());
            prop_assert_eq!(glance.lacks(&large), lacks && !large.windows(4).any(|bytes| bytes == b"ab-c"));
        }
    }
}

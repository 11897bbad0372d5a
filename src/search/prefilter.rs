//! The *prefilter*: where in some bytes a match can begin, found many bytes at a time.

use std::sync::OnceLock;

use memchr::arch::all::packedpair::HeuristicFrequencyRank;
use memchr::memmem::{Finder, FinderBuilder};
use regex_automata::{MatchKind, Span, util::prefilter};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{Extractor, Literal};

/// Bytes of a needle at most, where there are several: that many are walked at the end of each
/// piece.
const NEEDLE: usize = 12;
/// Bytes that are counted before it is known which are rare.
const SAMPLE: usize = 64 << 10;

/// Finds where a match can begin.
#[derive(Clone, Debug)]
pub(super) enum Prefilter {
    /// All matches begin with this.
    One(Box<Needle>),
    /// They begin in several ways.
    Several(prefilter::Prefilter),
}

/// Looked for by its two rarest bytes. Which those are is guessed at first, and then learned from
/// what it is looked for in: with a bad guess half of the time goes into places that only look like
/// it.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    bytes: Box<[u8]>,
    finder: Finder<'static>,
    counted: Counted,
}

/// How often each byte was seen.
#[derive(Clone, Debug)]
struct Counted {
    each: [u32; 256],
    all: usize,
}

/// For each byte, how many others are rarer.
struct Ranks([u8; 256]);

/// Whether a match can begin in bytes of any kind: asked by several threads, of large pieces.
#[derive(Debug)]
pub struct BlockPrefilter {
    at_start: Prefilter,
    learned: OnceLock<Prefilter>,
}

impl Prefilter {
    /// One for this pattern, if there is any.
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        if let Some(bytes) = needle(hir) {
            let finder = Finder::new(&bytes).into_owned();
            let counted = Counted {
                each: [0; 256],
                all: 0,
            };
            return Some(Self::One(Box::new(Needle {
                bytes,
                finder,
                counted,
            })));
        }
        let kind = MatchKind::LeftmostFirst;
        let usual = prefilter::Prefilter::from_hir_prefix(kind, hir)?;
        let longer = needles(hir)
            .and_then(|needles| prefilter::Prefilter::new(kind, &needles))
            .filter(prefilter::Prefilter::is_fast);
        Some(Self::Several(longer.unwrap_or(usual)))
    }

    /// Where the first match can begin.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::One(needle) => needle.finder.find(bytes),
            Self::Several(needles) => {
                let found = needles.find(bytes, Span::from(0..bytes.len()))?;
                Some(found.start)
            }
        }
    }

    /// Bytes of the longest needle.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::One(needle) => needle.bytes.len(),
            Self::Several(needles) => needles.max_needle_len(),
        }
    }

    /// Whether it can learn from what it is asked about.
    pub(super) fn learns(&self) -> bool {
        match self {
            Self::One(needle) => needle.learns(),
            Self::Several(_) => false,
        }
    }

    /// Learn from some of the bytes that it is asked about.
    #[cold]
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if let Self::One(needle) = self {
            needle.learn(bytes);
        }
    }

    /// What may be asked of large pieces by any thread. None where that would take long.
    pub(super) fn glance(&self) -> Option<BlockPrefilter> {
        let fast = match self {
            Self::One(_) => true,
            Self::Several(needles) => needles.is_fast(),
        };
        fast.then(|| BlockPrefilter {
            at_start: self.clone(),
            learned: OnceLock::new(),
        })
    }
}

impl Needle {
    fn learns(&self) -> bool {
        self.counted.all < SAMPLE
    }

    fn learn(&mut self, bytes: &[u8]) {
        if !self.learns() {
            return;
        }
        let sample = &bytes[..bytes.len().min(SAMPLE - self.counted.all)];
        for byte in sample {
            self.counted.each[usize::from(*byte)] += 1;
        }
        self.counted.all += sample.len();
        if !self.learns() {
            let ranks = self.counted.ranks();
            let builder = FinderBuilder::new();
            self.finder = builder.build_forward_with_ranker_owned(ranks, self.bytes.clone());
        }
    }
}

impl Counted {
    fn ranks(&self) -> Ranks {
        let mut order: Vec<u8> = (0..=255).collect();
        // Of those that are equally rare, letters and digits are less so elsewhere.
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
    /// Whether no match begins in there. What it says of some bytes holds for each part of them.
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

    /// A match can begin in so many bytes in front of a cut, and not be seen when each side is
    /// looked at alone.
    #[must_use]
    pub fn reach(&self) -> usize {
        self.at_start.longest().saturating_sub(1)
    }
}

/// What all matches begin with.
fn needle(hir: &Hir) -> Option<Box<[u8]>> {
    let mut begins = Extractor::new().extract(hir);
    begins.optimize_for_prefix_by_preference();
    match begins.literals()? {
        [one] if one.as_bytes().len() > 1 => Some(one.as_bytes().into()),
        _ => None,
    }
}

/// What the matches begin with, when they begin in several ways. Of each way the usual prefilter
/// seeks four bytes, and stops at each word that begins so.
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
        /// Whatever was learned.
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

//! The *anchor*: consecutive bytes that every match contains, wherever in it. Text without them
//! holds no whole match; the anchor may report places that belong to none, but misses no match.
//!
//! A match holds none of the [breaks](Breaks). So the text before an anchor, and the end of a
//! piece, need only be walked from the last break on, and the state is the same as if all bytes
//! had been walked. On HTTP `[a-z]+@[a-z]+\.(com|org)` takes a fifth, and `[0-9a-f]{40}` a fifth,
//! of the instructions that the walk takes.

mod parts;

use memchr::memmem::{Finder, FinderBuilder};
use regex_automata::{Span, util::prefilter};
use regex_syntax::hir::Hir;

use super::prefilter::Counted;
use parts::ByteSet;

/// Bytes that are in no match.
#[derive(Clone, Debug)]
pub(super) struct Breaks(Box<[bool; 256]>);

/// Finds what every match contains.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    /// Sets of bytes: each match contains a byte of each set of a part, one after the other.
    parts: Vec<Vec<ByteSet>>,
    /// Whole literals of which each match contains one.
    literals: Option<prefilter::Prefilter>,
    /// What is searched for.
    place: Place,
    counted: Counted,
}

/// Something that every match contains.
#[derive(Clone, Debug)]
struct Place {
    finder: Find,
    /// Number of bytes before and after what the finder finds that belong to the anchor.
    before: usize,
    after: usize,
    /// What else is there: distances from the anchor's first byte, the rarest first.
    checks: Vec<(usize, ByteSet)>,
    /// Estimated instructions per byte of text.
    cost: f32,
}

#[derive(Clone, Debug)]
enum Find {
    /// One of up to three bytes.
    Byte([u8; 3], usize),
    Needle(Box<Finder<'static>>),
    /// As many bytes of a set, one after the other.
    Run(Box<[bool; 256]>, usize),
    Literals(Box<prefilter::Prefilter>),
}

/// Minimum share of breaks in a text for which an anchor pays off.
const FEWEST: f32 = 1.0 / 256.0;
/// Estimated instructions: for each byte that is walked, for each place that the finder returns,
/// and for each byte of a run that is looked at.
const WALK: f32 = 6.0;
const FOUND: f32 = 24.0;
const LOOK: f32 = 5.0;
/// The same per byte, for the search of one, two, three bytes, of a needle, and of several.
const BYTES: [f32; 3] = [0.1, 0.15, 0.2];
const NEEDLE: f32 = 0.25;
const SEVERAL: f32 = 0.7;
const MANY: f32 = 4.0;
/// Maximum number of checks.
const CHECKS: usize = 12;

impl Breaks {
    /// The breaks of a pattern; `None` if there are hardly any in usual texts. `begins`: the bytes
    /// after which the automaton does not show that no match has begun.
    pub(super) fn new(hir: &Hir, begins: &[bool; 256]) -> Option<Self> {
        let mut inside = parts::alphabet(hir);
        inside.join(&ByteSet::of_table(begins));
        let breaks = inside.complement();
        let share = frequencies(&GUESS).share(&breaks);
        (share > FEWEST).then(|| Self(breaks.table()))
    }

    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    /// The offset after the last break; 0 if there is none.
    #[inline]
    pub(super) fn after_last(&self, bytes: &[u8]) -> usize {
        let last = bytes.iter().rposition(|byte| self.has(*byte));
        last.map_or(0, |at| at + 1)
    }
}

impl Anchor {
    /// The anchor of a pattern, if it has one that pays off. `literals`: each match begins with one
    /// of them.
    pub(super) fn new(hir: &Hir, literals: Option<prefilter::Prefilter>) -> Option<Self> {
        if hir.properties().minimum_len().is_none_or(|len| len == 0) {
            return None;
        }
        let parts = parts::parts(hir);
        let place = best(&parts, literals.as_ref(), &frequencies(&GUESS), None)?;
        Some(Self {
            parts,
            literals,
            place,
            counted: Counted::default(),
        })
    }

    /// Offset of the first anchor.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        self.place.find(bytes)
    }

    /// Length in bytes of the longest anchor that may be chosen.
    pub(super) fn longest(&self) -> usize {
        let parts = self.parts.iter().map(Vec::len);
        let literals = self
            .literals
            .as_ref()
            .map(prefilter::Prefilter::max_needle_len);
        parts.chain(literals).max().unwrap_or(0)
    }

    /// Whether more samples of searched text are useful.
    pub(super) fn learns(&self) -> bool {
        self.counted.learns()
    }

    /// Counts the byte frequencies of a sample of the searched text. When they are known, chooses
    /// what is rarest in it.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if self.learns() && self.counted.count(bytes) {
            let frequencies = frequencies(self.counted.each());
            let literals = self.literals.as_ref();
            if let Some(place) = best(&self.parts, literals, &frequencies, Some(&self.counted)) {
                self.place = place;
            }
        }
    }
}

impl Place {
    #[inline]
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let end = bytes.len().checked_sub(self.after)?;
        let mut from = self.before;
        loop {
            let text = bytes.get(from..end)?;
            let found = match &self.finder {
                Find::Byte([a, _, _], 1) => memchr::memchr(*a, text),
                Find::Byte([a, b, _], 2) => memchr::memchr2(*a, *b, text),
                Find::Byte([a, b, c], _) => memchr::memchr3(*a, *b, *c, text),
                Find::Needle(finder) => finder.find(text),
                Find::Run(set, len) => run(set, *len, text),
                Find::Literals(literals) => {
                    let found = literals.find(text, Span::from(0..text.len()));
                    found.map(|found| found.start)
                }
            };
            let at = from + found?;
            let start = at - self.before;
            let holds = |(distance, set): &(usize, ByteSet)| set.has(bytes[start + distance]);
            if self.checks.iter().all(holds) {
                return Some(start);
            }
            from = at + 1;
        }
    }
}

/// Finds the first `len` consecutive bytes of a set. Looks at few bytes where others are frequent:
/// at the last byte of each window first.
#[inline]
fn run(set: &[bool; 256], len: usize, bytes: &[u8]) -> Option<usize> {
    // All bytes of `start..known` are in the set.
    let (mut start, mut known) = (0, 0);
    while let Some(window) = bytes.get(..start + len) {
        let unknown = &window[known..];
        match unknown.iter().rposition(|byte| !set[usize::from(*byte)]) {
            Some(other) => {
                start = known + other + 1;
                known = window.len();
            }
            None => return Some(start),
        }
    }
    None
}

/// How often bytes are expected, from how often they were counted.
struct Frequencies([f32; 256]);

fn frequencies(counts: &[u32; 256]) -> Frequencies {
    // A byte that was not seen is rare, not impossible.
    let all: f32 = counts.iter().map(|count| *count as f32 + 0.5).sum();
    Frequencies(counts.map(|count| (count as f32 + 0.5) / all))
}

impl Frequencies {
    fn share(&self, set: &ByteSet) -> f32 {
        set.iter().map(|byte| self.0[usize::from(byte)]).sum()
    }
}

/// Usual frequencies, before any text is known: those of HTTP.
static GUESS: [u32; 256] = {
    let mut counts = [30; 256];
    let mut byte = 0;
    while byte < 256 {
        counts[byte] = match byte as u8 {
            b' ' => 1000,
            b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 500,
            b'q' | b'z' | b'x' | b'j' => 20,
            b'a'..=b'z' => 200,
            b'0'..=b'9' => 150,
            b'.' | b'/' | b'-' | b'=' | b'"' | b',' | b'\n' | b'\r' => 120,
            b'A'..=b'Z' | b':' | b'<' | b'>' | b'_' => 60,
            _ => 30,
        };
        byte += 1;
    }
    counts
};

/// The cheapest place; `None` if walking is cheaper than each.
fn best(
    parts: &[Vec<ByteSet>],
    literals: Option<&prefilter::Prefilter>,
    frequencies: &Frequencies,
    counted: Option<&Counted>,
) -> Option<Place> {
    let mut best: Option<Place> = literals.map(|literals| Place {
        finder: Find::Literals(Box::new(literals.clone())),
        before: 0,
        after: 0,
        checks: Vec::new(),
        cost: match literals.is_fast() {
            true => SEVERAL,
            false => MANY,
        },
    });
    let mut offer = |place: Place| {
        if best.as_ref().is_none_or(|best| place.cost < best.cost) {
            best = Some(place);
        }
    };
    for part in parts {
        let shares: Vec<f32> = part.iter().map(|set| frequencies.share(set)).collect();
        for (at, set) in part.iter().enumerate() {
            if let Some((bytes, count)) = set.few() {
                let cost = BYTES[count - 1] + shares[at] * FOUND;
                offer(place(
                    Find::Byte(bytes, count),
                    part,
                    &shares,
                    at..at + 1,
                    cost,
                ));
            }
        }
        for needle in singles(part) {
            let bytes = part[needle.clone()].iter().flat_map(ByteSet::iter);
            let bytes: Vec<u8> = bytes.collect();
            let mut rarest: Vec<f32> = shares[needle.clone()].to_vec();
            rarest.sort_by(f32::total_cmp);
            let cost = NEEDLE + rarest[0] * rarest[1] * FOUND;
            let finder = match counted {
                None => Finder::new(&bytes).into_owned(),
                Some(counted) => {
                    FinderBuilder::new().build_forward_with_ranker_owned(counted.ranks(), bytes)
                }
            };
            offer(place(
                Find::Needle(Box::new(finder)),
                part,
                &shares,
                needle,
                cost,
            ));
        }
        for window in windows(part) {
            let len = window.len();
            let mut union = ByteSet::default();
            part[window.clone()].iter().for_each(|set| union.join(set));
            let inside = frequencies.share(&union).min(1.0);
            let looks = 1.0 / (1.0 - inside).max(0.001);
            let step = len as f32 - looks + 1.0;
            if step > 1.0 {
                let hits = inside.powf(len as f32);
                let cost = LOOK * looks / step + hits * (FOUND + len as f32 * WALK);
                let finder = Find::Run(union.table(), len);
                offer(place(finder, part, &shares, window, cost));
            }
        }
    }
    best.filter(|place| place.cost < WALK)
}

/// A place in a part, of which the finder finds what is in `found`.
fn place(
    finder: Find,
    part: &[ByteSet],
    shares: &[f32],
    found: std::ops::Range<usize>,
    cost: f32,
) -> Place {
    let exact = !matches!(finder, Find::Run(..));
    let others = (0..part.len()).filter(|at| !(exact && found.contains(at)));
    // In a run any bytes of the union may come: the anchor is the run alone.
    let mut checks: Vec<(usize, ByteSet)> = match exact {
        true => others.map(|at| (at, part[at])).collect(),
        false => Vec::new(),
    };
    checks.retain(|(at, _)| shares[*at] < 0.5);
    checks.sort_by(|(one, _), (other, _)| shares[*one].total_cmp(&shares[*other]));
    checks.truncate(CHECKS);
    Place {
        finder,
        before: if exact { found.start } else { 0 },
        after: if exact { part.len() - found.end } else { 0 },
        checks,
        cost,
    }
}

/// The stretches of a part that are one byte each, of at least two bytes.
fn singles(part: &[ByteSet]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < part.len() {
            let len = part[at..].iter().take_while(|set| set.len() == 1).count();
            let found = at..at + len;
            at += len + 1;
            if len > 1 {
                return Some(found);
            }
        }
        None
    })
}

/// The stretches of a part in which runs are searched for: all of it, and those of equal sets.
fn windows(part: &[ByteSet]) -> Vec<std::ops::Range<usize>> {
    let mut windows = Vec::new();
    if part.len() > 1 {
        windows.push(0..part.len());
    }
    let mut at = 0;
    for equal in part.chunk_by(|one, other| one == other) {
        if equal.len() > 1 && equal.len() < part.len() {
            windows.push(at..at + equal.len());
        }
        at += equal.len();
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anchor(pattern: &str) -> Option<Anchor> {
        let mut parser = regex_syntax::ParserBuilder::new();
        let hir = parser.unicode(false).utf8(false).build().parse(pattern);
        Anchor::new(&hir.unwrap(), None)
    }

    #[test]
    fn an_anchor_is_what_is_rare() {
        for (pattern, text, found) in [
            ("[a-z]+@[a-z]+", "mail joe at a@ or @b, joe@home", Some(24)),
            ("[0-9a-f]{6}", "facade deadly fade1 cafe0123", Some(0)),
            ("[0-9a-f]{6}", "fade deadly fade1 cafe0123", Some(18)),
            ("(?i)sid=[0-9]", "SID= sid=a Sid=7", Some(11)),
            ("x[0-9]{3}", "12 x12 x123", Some(7)),
            ("[a-z]+password", "password mypassword", Some(10)),
        ] {
            let anchor = anchor(pattern).unwrap();
            assert_eq!(anchor.find(text.as_bytes()), found, "{pattern}");
        }
        for pattern in ["a*", "[a-z ]+", "", "(?s).{20}"] {
            assert!(anchor(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn what_is_rare_is_learned() {
        let mut anchor = anchor("[a-z]+@[a-z]+q").unwrap();
        let before = anchor.place.cost;
        while anchor.learns() {
            anchor.learn(b"a@b, c@d, @@@@@: ");
        }
        assert!(matches!(anchor.place.finder, Find::Byte([b'q', _, _], 1)));
        assert!(before < WALK && anchor.place.cost < WALK);
        assert_eq!(anchor.find(b"joe@homeq"), Some(7));
    }

    proptest! {
        #[test]
        fn a_run_is_found_where_it_is(
            text in prop::collection::vec(prop::sample::select(b"ab-".to_vec()), 0..60),
            len in 1usize..6,
        ) {
            let mut set = [false; 256];
            for byte in b"ab" {
                set[usize::from(*byte)] = true;
            }
            let inside = |window: &[u8]| window.iter().all(|byte| set[usize::from(*byte)]);
            let expected = text.windows(len).position(inside);
            prop_assert_eq!(run(&set, len, &text), expected);
        }
    }
}

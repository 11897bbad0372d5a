//! Which bytes the matches of a pattern consist of: sets of bytes, and the order in which every
//! match has them. Takes bounded time and memory for any pattern.

use regex_syntax::hir::{Class, Hir, HirKind};

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 == 1
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    fn of(ranges: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut set = Self::default();
        for (start, end) in ranges {
            (start..=end).for_each(|byte| set.insert(byte));
        }
        set
    }

    /// The bytes of a [table](Self::table).
    pub(super) fn of_table(table: &[bool; 256]) -> Self {
        let bytes = (0..=255).filter(|byte| table[usize::from(*byte)]);
        Self::of(bytes.map(|byte| (byte, byte)))
    }

    /// Adds the bytes of another set.
    pub(super) fn join(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }

    pub(super) fn complement(&self) -> Self {
        Self(self.0.map(|word| !word))
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255).filter(|byte| self.has(*byte))
    }

    /// The bytes, if they are one to three, and their number.
    pub(super) fn few(&self) -> Option<([u8; 3], usize)> {
        let len = self.len();
        let mut few = [0; 3];
        let places = few.get_mut(..len).filter(|places| !places.is_empty())?;
        for (place, byte) in places.iter_mut().zip(self.iter()) {
            *place = byte;
        }
        Some((few, len))
    }

    /// For each byte, whether it is in the set.
    pub(super) fn table(&self) -> Box<[bool; 256]> {
        let mut table = Box::new([false; 256]);
        self.iter().for_each(|byte| table[usize::from(byte)] = true);
        table
    }
}

/// Maximum length of a part, and of all that is added to parts.
const LONGEST: usize = 64;
const BUDGET: usize = 4096;
/// Sets of more bytes are useless at the ends of a part.
const WIDE: usize = 160;

/// The sets of bytes that each match contains, one byte of each set of a part after the other.
pub(super) fn parts(hir: &Hir) -> Vec<Vec<ByteSet>> {
    let mut builder = Builder {
        done: Vec::new(),
        open: Vec::new(),
        budget: BUDGET,
    };
    builder.add(hir);
    builder.cut();
    builder.done
}

struct Builder {
    done: Vec<Vec<ByteSet>>,
    open: Vec<ByteSet>,
    budget: usize,
}

impl Builder {
    fn add(&mut self, hir: &Hir) {
        if self.budget == 0 {
            // What follows is not adjacent to what was added.
            return self.cut();
        }
        self.budget -= 1;
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                for byte in &literal.0 {
                    self.push(ByteSet::of([(*byte, *byte)].into_iter()));
                }
            }
            HirKind::Class(class) => match bytes(class) {
                Some(set) => self.push(set),
                None => self.cut(),
            },
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(all) => all.iter().for_each(|hir| self.add(hir)),
            HirKind::Repetition(repetition) => {
                let min = (repetition.min as usize).min(LONGEST);
                (0..min).for_each(|_| self.add(&repetition.sub));
                if repetition.max != Some(repetition.min) || repetition.min as usize > min {
                    self.cut();
                    // The last repetitions are adjacent to what follows.
                    (0..min).for_each(|_| self.add(&repetition.sub));
                }
            }
            HirKind::Alternation(_) => match fixed(hir, LONGEST) {
                Some(sets) => sets.into_iter().for_each(|set| self.push(set)),
                None => self.cut(),
            },
        }
    }

    fn push(&mut self, set: ByteSet) {
        if self.budget == 0 {
            return self.cut();
        }
        self.budget -= 1;
        if self.open.len() == LONGEST {
            self.cut();
        }
        self.open.push(set);
    }

    /// Ends a part.
    fn cut(&mut self) {
        let is_wide = |set: &ByteSet| set.len() > WIDE;
        let mut part = std::mem::take(&mut self.open);
        let end = part.iter().rposition(|set| !is_wide(set));
        part.truncate(end.map_or(0, |end| end + 1));
        let start = part.iter().position(|set| !is_wide(set));
        part.drain(..start.unwrap_or(0));
        if !part.is_empty() && !self.done.contains(&part) {
            self.done.push(part);
        }
    }
}

/// The sets of bytes of a pattern whose matches all have one length of at most `most`.
fn fixed(hir: &Hir, most: usize) -> Option<Vec<ByteSet>> {
    let len = hir.properties().minimum_len()?;
    if hir.properties().maximum_len() != Some(len) || len > most {
        return None;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(Vec::new()),
        HirKind::Literal(literal) => {
            let each = literal.0.iter();
            Some(
                each.map(|byte| ByteSet::of([(*byte, *byte)].into_iter()))
                    .collect(),
            )
        }
        HirKind::Class(class) => Some(vec![bytes(class)?]),
        HirKind::Capture(capture) => fixed(&capture.sub, most),
        HirKind::Concat(all) => {
            let each: Option<Vec<_>> = all.iter().map(|hir| fixed(hir, most)).collect();
            Some(each?.concat())
        }
        HirKind::Repetition(repetition) if repetition.max == Some(repetition.min) => {
            let once = fixed(&repetition.sub, most)?;
            // Bounded by `most`, unless nothing is repeated.
            let times = (repetition.min as usize).min(most);
            Some(once.repeat(times))
        }
        HirKind::Repetition(_) => None,
        HirKind::Alternation(all) => {
            let mut sets = vec![ByteSet::default(); len];
            for hir in all {
                let one = fixed(hir, most)?;
                sets.iter_mut()
                    .zip(&one)
                    .for_each(|(set, one)| set.join(one));
            }
            Some(sets)
        }
    }
}

/// A class of single bytes; `None` if it has longer characters.
fn bytes(class: &Class) -> Option<ByteSet> {
    match class {
        Class::Bytes(class) => {
            let ranges = class.ranges().iter();
            Some(ByteSet::of(
                ranges.map(|range| (range.start(), range.end())),
            ))
        }
        Class::Unicode(class) => {
            let ranges = class.ranges().iter();
            let ascii = ranges.map(|range| {
                let (start, end) = (u8::try_from(range.start()), u8::try_from(range.end()));
                let (start, end) = (start.ok()?, end.ok()?);
                end.is_ascii().then_some((start, end))
            });
            let ascii: Option<Vec<_>> = ascii.collect();
            Some(ByteSet::of(ascii?.into_iter()))
        }
    }
}

/// All bytes that matches may contain.
pub(super) fn alphabet(hir: &Hir) -> ByteSet {
    let mut set = ByteSet::default();
    collect(hir, &mut set);
    set
}

fn collect(hir: &Hir, set: &mut ByteSet) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| set.insert(*byte)),
        HirKind::Class(class) => match (bytes(class), class) {
            (Some(bytes), _) => set.join(&bytes),
            (None, Class::Unicode(class)) => {
                for range in class.ranges() {
                    let (start, end) = (range.start(), range.end());
                    let ascii = (start as u32 & 0x7f) as u8;
                    if start.is_ascii() {
                        let end = if end.is_ascii() { end as u8 } else { 0x7f };
                        (ascii..=end).for_each(|byte| set.insert(byte));
                    }
                }
                // All bytes of longer characters.
                (0x80..=0xff).for_each(|byte| set.insert(byte));
            }
            (None, Class::Bytes(_)) => {}
        },
        HirKind::Repetition(repetition) => collect(&repetition.sub, set),
        HirKind::Capture(capture) => collect(&capture.sub, set),
        HirKind::Concat(all) | HirKind::Alternation(all) => {
            for hir in all {
                collect(hir, set);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as text: a byte, the bytes of a small set, or the size of a large one.
    fn shown(pattern: &str) -> Vec<String> {
        let mut parser = regex_syntax::ParserBuilder::new();
        let parsed = parser.unicode(false).utf8(false).build().parse(pattern);
        let hir = parsed.unwrap();
        let set = |set: &ByteSet| match set.len() {
            1 => set.iter().map(char::from).collect(),
            2..=4 => format!("[{}]", set.iter().map(char::from).collect::<String>()),
            len => format!("<{len}>"),
        };
        let parts = parts(&hir);
        parts
            .iter()
            .map(|part| part.iter().map(set).collect())
            .collect()
    }

    #[test]
    fn parts_are_what_each_match_has_one_after_the_other() {
        let table: [(&str, &[&str]); 14] = [
            ("needle", &["needle"]),
            ("[a-z]+@[a-z]+", &["<26>", "<26>@<26>"]),
            (r"\.(com|org)", &[".[co][or][gm]"]),
            (r"\.(com|net|info)", &["."]),
            ("ab?c", &["a", "c"]),
            ("(ab){2,3}c", &["abab", "ababc"]),
            ("(?i)sid=", &["[Ss][Ii][Dd]="]),
            ("a(?u:.)b", &["a", "b"]),
            ("x.y", &["x<255>y"]),
            (r"\bfoo\b", &["foo"]),
            ("a|b", &["[ab]"]),
            ("a|bc", &[]),
            ("[a-c]{3}", &["[abc][abc][abc]"]),
            ("x*", &[]),
        ];
        for (pattern, expected) in table {
            assert_eq!(shown(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn any_pattern_takes_bounded_time() {
        let nested = (0..40).fold("a".to_owned(), |inner, _| format!("(?:{inner}){{9,}}"));
        for pattern in ["(?:(?:(?:a{90}b?){90}){90}){90}".to_owned(), nested] {
            let mut parser = regex_syntax::ParserBuilder::new();
            let hir = parser.nest_limit(1000).build().parse(&pattern).unwrap();
            let parts = parts(&hir);
            assert!(!parts.is_empty());
            assert!(parts.iter().all(|part| part.len() <= LONGEST));
        }
    }

    #[test]
    fn the_alphabet_has_all_bytes_of_all_characters() {
        let hir = regex_syntax::parse("é|[x-z]|[~-é]").unwrap();
        let set = alphabet(&hir);
        let ascii: Vec<u8> = set.iter().filter(u8::is_ascii).collect();
        assert_eq!(ascii, b"xyz~\x7f");
        assert!((0x80..=0xff).all(|byte| set.has(byte)));
    }
}

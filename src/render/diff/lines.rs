//! Compares texts by line, with a patience diff: lines that occur once in each text are anchors,
//! and the ranges between anchors are compared again. The time is bounded by the number of lines,
//! whatever they contain.

use std::collections::HashMap;
use std::ops::Range;

/// Ranges of lines of A and of B that differ.
pub(super) type Hunk = (Range<usize>, Range<usize>);

/// Maximum depth of the comparison.
const MAX_DEPTH: usize = 16;
/// Maximum number of pairs of lines for which a range is compared exactly (longest common
/// subsequence).
const MAX_PAIRS: usize = 4096;

/// Splits a text into lines without their ends.
pub(super) fn of(text: &[u8]) -> Vec<&[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect()
}

/// Returns the differing ranges of two texts, in order.
pub(super) fn hunks(a: &[&[u8]], b: &[&[u8]]) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    let mut ranges = vec![(0..a.len(), 0..b.len(), MAX_DEPTH)];
    while let Some((in_a, in_b, depth)) = ranges.pop() {
        let (in_a, in_b) = trim(a, b, in_a, in_b);
        if in_a.is_empty() && in_b.is_empty() {
            continue;
        }
        let pairs = match in_a.is_empty() || in_b.is_empty() || depth == 0 {
            true => Vec::new(),
            false => anchors(a, b, &in_a, &in_b),
        };
        if pairs.is_empty() {
            hunks.push((in_a, in_b));
            continue;
        }
        // Push in reverse, so that the first range is compared first.
        let (mut at_a, mut at_b) = (in_a.start, in_b.start);
        let mut between = Vec::new();
        for (one, other) in pairs {
            between.push((at_a..one, at_b..other, depth - 1));
            (at_a, at_b) = (one + 1, other + 1);
        }
        between.push((at_a..in_a.end, at_b..in_b.end, depth - 1));
        ranges.extend(between.into_iter().rev());
    }
    hunks
}

/// Removes equal lines at both ends.
fn trim(
    a: &[&[u8]],
    b: &[&[u8]],
    in_a: Range<usize>,
    in_b: Range<usize>,
) -> (Range<usize>, Range<usize>) {
    let of_a = a.get(in_a.clone()).unwrap_or_default();
    let of_b = b.get(in_b.clone()).unwrap_or_default();
    let pairs = of_a.iter().zip(of_b);
    let front = pairs.take_while(|(one, other)| one == other).count();
    let rest = of_a.iter().skip(front).rev();
    let pairs = rest.zip(of_b.iter().skip(front).rev());
    let back = pairs.take_while(|(one, other)| one == other).count();
    (
        in_a.start + front..in_a.end - back,
        in_b.start + front..in_b.end - back,
    )
}

/// Returns pairs of equal lines that anchor two ranges, in order in both.
fn anchors(
    a: &[&[u8]],
    b: &[&[u8]],
    in_a: &Range<usize>,
    in_b: &Range<usize>,
) -> Vec<(usize, usize)> {
    if in_a.len().saturating_mul(in_b.len()) <= MAX_PAIRS {
        return longest_common(a, b, in_a, in_b);
    }
    // Last position and number of occurrences of each line in both ranges.
    let mut places: HashMap<&[u8], [(usize, usize); 2]> = HashMap::new();
    for (side, lines, range) in [(0, a, in_a), (1, b, in_b)] {
        for at in range.clone() {
            if let Some(line) = lines.get(at)
                && let Some(place) = places.entry(line).or_default().get_mut(side)
            {
                *place = (at, place.1 + 1);
            }
        }
    }
    let once = |lines: &[(usize, usize); 2]| match lines {
        [(one, 1), (other, 1)] => Some((*one, *other)),
        _ => None,
    };
    let mut pairs: Vec<(usize, usize)> = places.values().filter_map(once).collect();
    pairs.sort_unstable();
    longest_increasing(&pairs)
}

/// Longest subsequence whose second numbers increase.
fn longest_increasing(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // `ends` holds, for each length, the pair with the lowest second number that ends such a
    // subsequence; `before` holds the predecessor of each pair.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    let second = |at: usize| pairs.get(at).map_or(0, |pair| pair.1);
    for (at, pair) in pairs.iter().enumerate() {
        let len = ends.partition_point(|end| second(*end) < pair.1);
        before.push(len.checked_sub(1).and_then(|last| ends.get(last).copied()));
        match ends.get_mut(len) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut chain = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(here) = at {
        chain.extend(pairs.get(here).copied());
        at = before.get(here).copied().flatten();
    }
    chain.reverse();
    chain
}

/// Longest common subsequence of two short ranges.
fn longest_common(
    a: &[&[u8]],
    b: &[&[u8]],
    in_a: &Range<usize>,
    in_b: &Range<usize>,
) -> Vec<(usize, usize)> {
    let width = in_b.len() + 1;
    let same = |one: usize, other: usize| a.get(in_a.start + one) == b.get(in_b.start + other);
    // Length of the longest common subsequence of the lines from each pair of positions on.
    let mut longest = vec![0_usize; width * (in_a.len() + 1)];
    let of = |table: &[usize], one: usize, other: usize| {
        table.get(one * width + other).copied().unwrap_or(0)
    };
    for one in (0..in_a.len()).rev() {
        for other in (0..in_b.len()).rev() {
            let best = match same(one, other) {
                true => of(&longest, one + 1, other + 1) + 1,
                false => of(&longest, one + 1, other).max(of(&longest, one, other + 1)),
            };
            if let Some(place) = longest.get_mut(one * width + other) {
                *place = best;
            }
        }
    }
    let (mut one, mut other) = (0, 0);
    let mut pairs = Vec::new();
    while one < in_a.len() && other < in_b.len() {
        if same(one, other) {
            pairs.push((in_a.start + one, in_b.start + other));
            (one, other) = (one + 1, other + 1);
        } else if of(&longest, one + 1, other) >= of(&longest, one, other + 1) {
            one += 1;
        } else {
            other += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<&[u8]> {
        of(text.as_bytes())
    }

    #[test]
    fn hunks_are_what_is_not_in_both() {
        let table: [(&str, &str, &[Hunk]); 8] = [
            ("a\nb\nc\n", "a\nb\nc", &[]),
            ("a\r\nb\r\n", "a\nb\n", &[]),
            ("a\nb\nc\n", "a\nx\nc\n", &[(1..2, 1..2)]),
            ("a\nc\n", "a\nb\nc\n", &[(1..1, 1..2)]),
            ("a\nb\nc\n", "c\n", &[(0..2, 0..0)]),
            ("", "a\n", &[(0..0, 0..1)]),
            (
                "a\nb\nc\nd\n",
                "x\nb\ny\nd\n",
                &[(0..1, 0..1), (2..3, 2..3)],
            ),
            ("}\n}\na\n}\n", "}\n}\nb\n}\n", &[(2..3, 2..3)]),
        ];
        for (a, b, want) in table {
            assert_eq!(hunks(&lines(a), &lines(b)), want, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_long_text_is_anchored_by_lines_that_occur_once() {
        let text = |odd: usize| -> String {
            (0..500)
                .map(|at| {
                    if at % 100 == odd {
                        format!("odd {odd}\n")
                    } else {
                        format!("{at}\n")
                    }
                })
                .collect()
        };
        let (one, two) = (text(10), text(20));
        let found = hunks(&lines(&one), &lines(&two));
        assert_eq!(found.len(), 10, "{found:?}");
        assert!(
            found.iter().all(|(a, b)| a.len() == 1 && a == b),
            "{found:?}"
        );
    }

    #[test]
    fn texts_with_nothing_in_common_are_compared_quickly() {
        let text = |name: &str| -> String {
            (0..200_000)
                .map(|at| format!("{name}{}\n", at % 7))
                .collect()
        };
        let (one, two) = (text("a"), text("b"));
        assert_eq!(
            hunks(&lines(&one), &lines(&two)),
            [(0..200_000, 0..200_000)]
        );
    }

    proptest! {
        #[test]
        fn what_is_outside_of_hunks_is_the_same(a in prop::collection::vec(0..4_u8, 0..200), b in prop::collection::vec(0..4_u8, 0..200)) {
            let names: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
            let pick = |list: &[u8]| -> Vec<&[u8]> { list.iter().map(|at| names[usize::from(*at)]).collect() };
            let (a, b) = (pick(&a), pick(&b));
            let (mut at_a, mut at_b) = (0, 0);
            for (in_a, in_b) in hunks(&a, &b).into_iter().chain([(a.len()..a.len(), b.len()..b.len())]) {
                prop_assert_eq!(&a[at_a..in_a.start], &b[at_b..in_b.start]);
                (at_a, at_b) = (in_a.end, in_b.end);
            }
        }
    }
}

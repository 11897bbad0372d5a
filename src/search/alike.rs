//! Factors common prefixes out of alternations: `[aA]b|[aA]c` becomes `[aA](?:b|c)`. The result
//! matches the same texts, and its depth is bounded.
//!
//! An alternation of ten thousand words has ten thousand first states; with shared prefixes it has
//! as many as there are letters. Only then can an automaton be built from it quickly.

use std::collections::HashMap;
use std::iter;

use foldhash::fast::RandomState;
use regex_syntax::hir::{Class, Hir, HirKind, Literal, Look, Repetition};

/// Alternations with fewer branches than this are not rewritten: nothing is gained.
const FEW: usize = 32;
/// Maximum branching depth of an alternative in the tree; each branch becomes one nesting level of
/// the rewritten pattern.
const DEEP: usize = 100;

/// Returns the pattern with shared prefixes, or `None` where no part of it is worth rewriting.
pub(super) fn shared(hir: &Hir) -> Option<Hir> {
    match hir.kind() {
        HirKind::Alternation(all) if all.len() >= FEW => Tree::of(all)?.into_hir(),
        HirKind::Alternation(all) => several(all).map(Hir::alternation),
        HirKind::Concat(all) => several(all).map(Hir::concat),
        HirKind::Capture(capture) => shared(&capture.sub),
        HirKind::Repetition(repetition) => Some(Hir::repetition(Repetition {
            sub: Box::new(shared(&repetition.sub)?),
            ..repetition.clone()
        })),
        _ => None,
    }
}

fn several(all: &[Hir]) -> Option<Vec<Hir>> {
    let parts: Vec<Option<Hir>> = all.iter().map(shared).collect();
    if parts.iter().all(Option::is_none) {
        return None;
    }
    let parts = parts.into_iter().zip(all);
    Some(
        parts
            .map(|(new, old)| new.unwrap_or_else(|| old.clone()))
            .collect(),
    )
}

/// Alternatives as a prefix tree: a shared prefix is a shared path from the root.
struct Tree {
    nodes: Vec<Node>,
    ways: HashMap<(usize, Step), usize, RandomState>,
}

#[derive(Default)]
struct Node {
    /// The part of the pattern on the edge that leads here.
    step: Option<Hir>,
    children: Vec<usize>,
    /// Whether an alternative ends here.
    is_end: bool,
    /// Number of branching nodes on the path from the root.
    depth: usize,
}

/// The key by which parts of a pattern are compared.
#[derive(PartialEq, Eq, Hash)]
enum Step {
    Byte(u8),
    Class(Vec<(u32, u32)>),
    Look(u32),
    /// Any other part. It is never shared; the number makes it unique.
    Other(usize),
}

impl Tree {
    /// Builds the tree; `None` when it would be deeper than [`DEEP`].
    fn of(all: &[Hir]) -> Option<Self> {
        let mut tree = Self {
            nodes: vec![Node::default()],
            ways: HashMap::default(),
        };
        for alternative in all {
            let mut at = 0;
            for part in parts(alternative) {
                at = tree.follow(at, part)?;
            }
            tree.nodes[at].is_end = true;
        }
        Some(tree)
    }

    fn follow(&mut self, from: usize, part: Hir) -> Option<usize> {
        let key = match part.kind() {
            HirKind::Literal(Literal(bytes)) if bytes.len() == 1 => Step::Byte(bytes[0]),
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.ranges().iter();
                Step::Class(
                    ranges
                        .map(|one| (one.start().into(), one.end().into()))
                        .collect(),
                )
            }
            HirKind::Class(Class::Unicode(class)) => {
                let ranges = class.ranges().iter();
                // Keep classes of bytes and classes of characters distinct.
                let ranges = ranges.map(|one| (one.start() as u32, one.end() as u32));
                Step::Class(iter::once((u32::MAX, u32::MAX)).chain(ranges).collect())
            }
            HirKind::Look(look) => Step::Look(Look::as_repr(*look)),
            _ => Step::Other(self.nodes.len()),
        };
        let new = self.nodes.len();
        let to = *self.ways.entry((from, key)).or_insert(new);
        if to == new {
            let branches = !self.nodes[from].children.is_empty() || self.nodes[from].is_end;
            let depth = self.nodes[from].depth + usize::from(branches);
            if depth > DEEP {
                return None;
            }
            self.nodes[from].children.push(new);
            self.nodes.push(Node {
                step: Some(part),
                depth,
                ..Node::default()
            });
        }
        Some(to)
    }

    fn into_hir(mut self) -> Option<Hir> {
        // Children have higher indices than their parents, so parents are built last.
        let mut done: HashMap<usize, Hir, RandomState> = HashMap::default();
        for at in (0..self.nodes.len()).rev() {
            if at > 0 && self.is_passed(at) {
                continue;
            }
            let children = std::mem::take(&mut self.nodes[at].children);
            let mut ways: Vec<Hir> = Vec::with_capacity(children.len() + 1);
            for child in children {
                let mut way = Vec::new();
                let mut to = child;
                way.extend(self.nodes[to].step.take());
                while self.is_passed(to) {
                    to = *self.nodes[to].children.first()?;
                    way.extend(self.nodes[to].step.take());
                }
                way.extend(done.remove(&to));
                ways.push(Hir::concat(way));
            }
            if self.nodes[at].is_end {
                ways.push(Hir::empty());
            }
            done.insert(at, Hir::alternation(ways));
        }
        done.remove(&0)
    }

    /// Whether the node has exactly one child and ends no alternative.
    fn is_passed(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        node.children.len() == 1 && !node.is_end
    }
}

/// The concatenated parts of an alternative, in order.
fn parts(hir: &Hir) -> Vec<Hir> {
    match hir.kind() {
        HirKind::Empty => Vec::new(),
        HirKind::Capture(capture) => parts(&capture.sub),
        HirKind::Concat(all) => all.iter().flat_map(parts).collect(),
        HirKind::Literal(Literal(bytes)) => {
            bytes.iter().map(|byte| Hir::literal([*byte])).collect()
        }
        _ => vec![hir.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pattern: &str) -> Hir {
        let mut parser = regex_syntax::ParserBuilder::new();
        parser
            .utf8(false)
            .unicode(false)
            .build()
            .parse(pattern)
            .unwrap()
    }

    fn finds(hir: &Hir, text: &[u8]) -> bool {
        let regex = regex_automata::meta::Builder::new()
            .configure(regex_automata::meta::Config::new().utf8_empty(false))
            .build_from_hir(hir)
            .unwrap();
        regex.is_match(text)
    }

    #[test]
    fn what_is_shared_matches_what_the_alternatives_match() {
        let mut words: Vec<String> = (0..60)
            .map(|number| format!("{}{}", ["cat", "cart", "do", "dog"][number % 4], number / 4))
            .collect();
        words.extend(
            [
                "cat",
                r"^do+[gG]",
                r"^do+x",
                "(?i)Dog9z",
                r"(?:ca|co)t",
                r"\bx\b",
                "",
            ]
            .map(str::to_owned),
        );
        for skip in 0..words.len() {
            let mut some = words.clone();
            some.swap_remove(skip);
            some.pop();
            let hir = parsed(&some.join("|"));
            let shared = shared(&hir).expect("there are many");
            for text in words.iter().map(String::as_bytes).chain([
                &b"ca"[..],
                b"dooG",
                b"DOG9Z",
                b"cot",
                b"a x b",
                b"axb",
            ]) {
                assert_eq!(
                    finds(&shared, text),
                    finds(&hir, text),
                    "{}",
                    text.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn few_alternatives_and_deep_ones_stay_what_they_are() {
        assert!(shared(&parsed("cat|cart|dog")).is_none());
        let nested: Vec<String> = (1..200).map(|len| "(?i)a".repeat(len)).collect();
        assert!(shared(&parsed(&nested.join("|"))).is_none());
    }
}

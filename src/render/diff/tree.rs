//! Compares JSON texts by key path. The order of an object's members does not matter, that of an
//! array's elements does; numbers are compared as written, strings unescaped.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::render::readable::tokens::{Token, Tokens};

/// Maximum number of values of a text; larger texts are compared by line.
const MAX_NODES: usize = 1 << 18;
/// Maximum bytes of a name in a displayed path.
const NAME: usize = 64;

/// A JSON text as a tree. The children of a value follow it in `nodes`.
pub(super) struct Tree<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
}

/// A JSON value.
struct Node {
    /// Its name in the enclosing object, with quotes; empty in an array.
    key: Range<usize>,
    /// Text of a scalar; opening bracket of a container.
    text: Range<usize>,
    /// Index after the value's last descendant.
    end: usize,
    container: bool,
}

/// A difference: its path and the text on each side; `None` if a side lacks the value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) path: Vec<u8>,
    /// Last name in the path, unescaped; empty if it has none.
    pub(super) name: Vec<u8>,
    pub(super) a: Option<Vec<u8>>,
    pub(super) b: Option<Vec<u8>>,
}

impl<'a> Tree<'a> {
    /// Parses a text that is exactly one JSON value.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut open = Vec::new();
        let mut key = 0..0;
        let mut tokens = Tokens::of(text);
        for (token, range) in tokens.by_ref() {
            match token {
                Token::Key => key = range,
                Token::Open | Token::Scalar => {
                    if nodes.len() == MAX_NODES {
                        return None;
                    }
                    let container = token == Token::Open;
                    if container {
                        open.push(nodes.len());
                    }
                    nodes.push(Node {
                        key: std::mem::replace(&mut key, 0..0),
                        text: range,
                        end: nodes.len() + 1,
                        container,
                    });
                }
                Token::Close => {
                    let end = nodes.len();
                    if let Some(node) = open.pop().and_then(|at| nodes.get_mut(at)) {
                        node.end = end;
                    }
                }
                Token::Comma | Token::Colon => {}
            }
        }
        tokens.is_whole().then_some(Self { text, nodes })
    }

    /// Indices of a value's children.
    fn children(&self, at: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes.get(at).map_or(0, |node| node.end);
        let mut next = at + 1;
        std::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.nodes.get(child)?.end;
            Some(child)
        })
    }

    fn bytes(&self, range: &Range<usize>) -> &'a [u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn key(&self, at: usize) -> Cow<'a, [u8]> {
        let node = self.nodes.get(at);
        unescaped(node.map_or(&[], |node| self.bytes(&node.key)))
    }

    /// Text of a scalar; opening bracket of a container.
    fn scalar(&self, at: usize) -> &'a [u8] {
        self.nodes
            .get(at)
            .map_or(&[], |node| self.bytes(&node.text))
    }

    fn is_container(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| node.container)
    }

    /// A value in a few bytes.
    fn short(&self, at: usize) -> Vec<u8> {
        let Some(node) = self.nodes.get(at).filter(|node| node.container) else {
            return self.scalar(at).to_vec();
        };
        match (self.scalar(at), node.end == at + 1) {
            (b"{", true) => b"{}".to_vec(),
            (b"{", false) => b"{...}".to_vec(),
            (_, true) => b"[]".to_vec(),
            (_, false) => b"[...]".to_vec(),
        }
    }
}

/// Unescapes a JSON string; returns other scalars and invalid strings as written.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => Cow::Borrowed(inside),
        [b'"', ..] => serde_json::from_slice::<String>(text)
            .map_or(Cow::Borrowed(text), |text| Cow::Owned(text.into_bytes())),
        _ => Cow::Borrowed(text),
    }
}

/// Returns the first `max` differences, in A's order and then B's, and the number of all.
pub(super) fn changes(a: &Tree<'_>, b: &Tree<'_>, max: usize) -> (Vec<Change>, usize) {
    let mut comparison = Comparison {
        a,
        b,
        path: Vec::new(),
        max,
        changes: Vec::new(),
        count: 0,
    };
    comparison.values(0, 0);
    (comparison.changes, comparison.count)
}

struct Comparison<'t, 'a> {
    a: &'t Tree<'a>,
    b: &'t Tree<'a>,
    /// Steps from the root to the current value.
    path: Vec<Step>,
    max: usize,
    changes: Vec<Change>,
    count: usize,
}

#[derive(Clone, Copy)]
enum Step {
    /// A member, named like this value of A.
    InA(usize),
    /// A member, named like this value of B.
    InB(usize),
    /// An element of an array.
    Index(usize),
}

impl Comparison<'_, '_> {
    /// Compares two values with the same path. Recursion is as deep as the brackets, which the
    /// tokenizer bounds.
    fn values(&mut self, at_a: usize, at_b: usize) {
        let (a, b) = (self.a, self.b);
        match (a.is_container(at_a), b.is_container(at_b)) {
            (true, true) if a.scalar(at_a) == b.scalar(at_b) => {
                if a.scalar(at_a) == b"{" {
                    self.members(at_a, at_b);
                } else {
                    self.elements(at_a, at_b);
                }
            }
            (false, false) => {
                let (one, other) = (a.scalar(at_a), b.scalar(at_b));
                let alike = one.starts_with(b"\"") == other.starts_with(b"\"");
                if one != other && !(alike && unescaped(one) == unescaped(other)) {
                    self.change(Some(at_a), Some(at_b));
                }
            }
            _ => self.change(Some(at_a), Some(at_b)),
        }
    }

    /// Members with the same name are compared in order.
    fn members(&mut self, at_a: usize, at_b: usize) {
        let (a, b) = (self.a, self.b);
        let mut named: HashMap<Cow<'_, [u8]>, VecDeque<usize>> = HashMap::new();
        for child in b.children(at_b) {
            named.entry(b.key(child)).or_default().push_back(child);
        }
        for child in a.children(at_a) {
            self.path.push(Step::InA(child));
            match named.get_mut(&a.key(child)).and_then(VecDeque::pop_front) {
                Some(other) => self.values(child, other),
                None => self.change(Some(child), None),
            }
            self.path.pop();
        }
        let mut left: Vec<usize> = named.into_values().flatten().collect();
        left.sort_unstable();
        for child in left {
            self.path.push(Step::InB(child));
            self.change(None, Some(child));
            self.path.pop();
        }
    }

    fn elements(&mut self, at_a: usize, at_b: usize) {
        let (a, b) = (self.a, self.b);
        let (mut left, mut right) = (a.children(at_a), b.children(at_b));
        for index in 0.. {
            self.path.push(Step::Index(index));
            match (left.next(), right.next()) {
                (Some(one), Some(other)) => self.values(one, other),
                (None, None) => {
                    self.path.pop();
                    return;
                }
                (one, other) => self.change(one, other),
            }
            self.path.pop();
        }
    }

    fn change(&mut self, at_a: Option<usize>, at_b: Option<usize>) {
        self.count += 1;
        if self.changes.len() < self.max {
            self.changes.push(Change {
                path: self.path_text(),
                name: self.name(),
                a: at_a.map(|at| self.a.short(at)),
                b: at_b.map(|at| self.b.short(at)),
            });
        }
    }

    fn name(&self) -> Vec<u8> {
        let named = |step: &Step| match step {
            Step::InA(at) => Some(self.a.key(*at)),
            Step::InB(at) => Some(self.b.key(*at)),
            Step::Index(_) => None,
        };
        let name = self.path.iter().rev().find_map(named);
        name.unwrap_or_default().into_owned()
    }

    /// The path in jq's syntax.
    fn path_text(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for step in &self.path {
            let key = match step {
                Step::InA(at) => self.a.key(*at),
                Step::InB(at) => self.b.key(*at),
                Step::Index(index) => {
                    path.extend_from_slice(format!("[{index}]").as_bytes());
                    continue;
                }
            };
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let (shown, cut) = match key.get(..NAME) {
                Some(start) => (start, &b"..."[..]),
                None => (&*key, &b""[..]),
            };
            path.push(b'.');
            let quote = match key.iter().all(plain) && !key.is_empty() {
                true => &b""[..],
                false => b"\"",
            };
            for part in [quote, shown, cut, quote] {
                path.extend_from_slice(part);
            }
        }
        if path.is_empty() {
            path.push(b'.');
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PATH: A | B` for each difference.
    fn differences(a: &str, b: &str) -> String {
        let (a, b) = (Tree::of(a.as_bytes()), Tree::of(b.as_bytes()));
        let (changes, _) = changes(&a.unwrap(), &b.unwrap(), 20);
        let text =
            |text: Option<Vec<u8>>| text.map_or("-".into(), |it| String::from_utf8(it).unwrap());
        let line = |change: Change| {
            let path = String::from_utf8(change.path).unwrap();
            format!("{path}: {} | {}", text(change.a), text(change.b))
        };
        changes.into_iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn values_are_compared_by_their_path() {
        let table = [
            (r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#, ""),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, r#".a: 1 | "1""#),
            (
                r#"{"a":{"b":[1,2]}}"#,
                r#"{"a":{"b":[1,3]}}"#,
                ".a.b[1]: 2 | 3",
            ),
            (r#"{"a":1}"#, r#"{"b":1}"#, ".a: 1 | -; .b: - | 1"),
            ("[1]", "[1,{},[2]]", "[1]: - | {}; [2]: - | [...]"),
            ("[1,2]", "[2,1]", "[0]: 1 | 2; [1]: 2 | 1"),
            (r#"{"a b":1}"#, r#"{"a b":2}"#, r#"."a b": 1 | 2"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":3}"#, ".a: 2 | 3"),
            (r#"{"a":1,"a":2}"#, r#"{"a":1}"#, ".a: 2 | -"),
            (r#"{"a":{"b":1}}"#, r#"{"a":[]}"#, ".a: {...} | []"),
            (r#"["caf\u00e9"]"#, "[\"café\"]", ""),
            (r#"{"\u0061":1}"#, r#"{"a":1}"#, ""),
            (r#"["\ud800"]"#, r#"["x"]"#, r#"[0]: "\ud800" | "x""#),
            // Equal as doubles.
            (
                "[12345678901234567890123]",
                "[12345678901234567890124]",
                "[0]: 12345678901234567890123 | 12345678901234567890124",
            ),
            ("1", "2", ".: 1 | 2"),
        ];
        for (a, b, want) in table {
            assert_eq!(differences(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn only_the_first_differences_are_kept_and_all_are_counted() {
        let list = |value: &str| format!("[{}]", [value; 50].join(","));
        let (one, two) = (list("1"), list("2"));
        let (a, b) = (
            Tree::of(one.as_bytes()).unwrap(),
            Tree::of(two.as_bytes()).unwrap(),
        );
        let (changes, count) = changes(&a, &b, 20);
        assert_eq!((changes.len(), count), (20, 50));
    }

    #[test]
    fn what_is_no_json_or_too_much_of_it_has_no_tree() {
        assert!(Tree::of(b"<html>").is_none());
        assert!(Tree::of(b"[1").is_none());
        let many = format!("[{}1]", "1,".repeat(MAX_NODES));
        assert!(Tree::of(many.as_bytes()).is_none());
    }
}

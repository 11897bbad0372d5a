//! Finds secrets in JSON without parsing it. It may therefore be truncated, or itself be a string
//! in JSON (`{\"token\":\"..\"}`).

use std::ops::Range;

use memchr::{memchr_iter, memrchr};

use super::{Secret, hide};
use crate::render::redact::names::{self, is_secret};

/// Appends the values of members with a secret's name: strings, numbers, lists of strings.
pub(super) fn members(text: &[u8], found: &mut Vec<Secret>) {
    let mut done = 0;
    for colon in memchr_iter(b':', text) {
        if colon < done || !is_secret(name(text.get(..colon).unwrap_or_default())) {
            continue;
        }
        let at = skip(text, colon + 1, b"");
        done = match text.get(at) {
            Some(b'[') => {
                let mut at = skip(text, at + 1, b",");
                while let Some(range) = string(text, at) {
                    at = skip(text, after_quote(text, range.end), b",");
                    hide(range, found);
                }
                at
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = text.get(at..).unwrap_or_default();
                let in_number = |byte: &&u8| {
                    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
                };
                let range = at..at + number.iter().take_while(in_number).count();
                let unquoted = true;
                found.push(Secret {
                    range: range.clone(),
                    unquoted,
                });
                range.end
            }
            _ => match string(text, at) {
                Some(range) => {
                    hide(range.clone(), found);
                    range.end
                }
                None => continue,
            },
        };
    }
}

/// Returns the quoted name that ends `before`, without its quotes; empty if there is none.
fn name(before: &[u8]) -> &[u8] {
    let Some(name) = before.trim_ascii_end().strip_suffix(b"\"") else {
        return b"";
    };
    let name = name
        .get(name.len().saturating_sub(names::MAX_NAME)..)
        .unwrap_or_default();
    memrchr(b'"', name).map_or(b"", |quote| name.get(quote + 1..).unwrap_or_default())
}

/// Returns the offset after blanks and bytes of `also`.
fn skip(text: &[u8], at: usize, also: &[u8]) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let skipped = |byte: &&u8| byte.is_ascii_whitespace() || also.contains(byte);
    at + rest.iter().take_while(skipped).count()
}

/// Returns the content of the string that starts at `at`, up to its closing quote or the end of the
/// text.
fn string(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let slashes = backslashes(rest.iter());
    if rest.get(slashes) != Some(&b'"') {
        return None;
    }
    let start = at + slashes + 1;
    let rest = text.get(start..).unwrap_or_default();
    let mut run = 0_usize;
    for (offset, byte) in rest.iter().enumerate() {
        match byte {
            b'\\' => run += 1,
            // A quote of this nesting depth or less: a quote at depth n has 2^n - 1 backslashes.
            b'"' if run.trailing_ones() <= slashes.trailing_ones() => {
                // The backslashes that escape the quote are not part of the content.
                let own = (1_usize << run.trailing_ones()) - 1;
                return Some(start..start + offset - own);
            }
            _ => run = 0,
        }
    }
    Some(start..text.len())
}

/// Returns the offset after the closing quote at `at`.
fn after_quote(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let slashes = backslashes(rest.iter());
    (at + slashes + 1).min(text.len())
}

fn backslashes<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.take_while(|byte| **byte == b'\\').count()
}

//! Finds payment card numbers (ISO/IEC 7812): 13 to 19 digits, in one run or in groups separated by
//! one blank, `-` or `+`. Only numbers that start with 2 to 6 and have a valid check digit are
//! taken.

use super::{Secret, hide};

/// Bounds on the digits of a number, and how many of them are kept.
const MIN_DIGITS: usize = 13;
const MAX_DIGITS: usize = 19;
const KEPT: usize = 4;

/// Appends all card numbers, except for their last four digits.
pub(super) fn numbers(text: &[u8], found: &mut Vec<Secret>) {
    let mut at = 0;
    while let Some(next) = text
        .get(at..)
        .and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        let start = at + next;
        let group = digits_at(text, start);
        at = match number(text, start) {
            Some((last_four, end)) => {
                hide(start..last_four, found);
                end
            }
            None => start + group,
        };
    }
}

/// Finds the longest number that starts with the group of digits at `start`. Returns the offset of
/// its last four digits and its end.
fn number(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if !matches!(text.get(start), Some(b'2'..=b'6')) {
        return None;
    }
    let mut digits = [0_u8; MAX_DIGITS];
    let mut places = [0_usize; MAX_DIGITS];
    let (mut len, mut at, mut best) = (0, start, None);
    loop {
        let group = digits_at(text.get(..at + MAX_DIGITS + 1).unwrap_or(text), at);
        if group == 0 || len + group > MAX_DIGITS {
            return best;
        }
        for place in at..at + group {
            let digit = text.get(place).map_or(0, |byte| byte - b'0');
            if let (Some(to), Some(at)) = (digits.get_mut(len), places.get_mut(len)) {
                (*to, *at) = (digit, place);
            }
            len += 1;
        }
        at += group;
        let digits = digits.get(..len).unwrap_or_default();
        if len >= MIN_DIGITS && is_luhn_valid(digits) {
            best = places.get(len - KEPT).map(|last_four| (*last_four, at));
        }
        match text.get(at) {
            Some(b' ' | b'-' | b'+') => at += 1,
            _ => return best,
        }
    }
}

/// Number of consecutive digits.
fn digits_at(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Luhn's formula.
fn is_luhn_valid(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => 2 * digit - if digit > 4 { 9 } else { 0 },
        })
        .sum();
    sum.is_multiple_of(10)
}

//! The numbers of payment cards (ISO/IEC 7812): 13 to 19 digits, in one run or in groups with one blank, `-` or `+` between
//! them, beginning with 2 to 6 as those of banks and shops do, the last a check digit.

use super::{Secret, hide};

/// Digits of a number, and how many of them stay.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;
const SHOWN: usize = 4;

/// All card numbers but for their last four digits.
pub(super) fn numbers(text: &[u8], found: &mut Vec<Secret>) {
    let mut at = 0;
    while let Some(next) = text
        .get(at..)
        .and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        let start = at + next;
        let group = run(text, start);
        at = match number(text, start) {
            Some((last_four, end)) => {
                hide(start..last_four, found);
                end
            }
            None => start + group,
        };
    }
}

/// The longest number that begins with the group of digits at `start`: where its last four digits begin, and its end.
fn number(text: &[u8], start: usize) -> Option<(usize, usize)> {
    if !matches!(text.get(start), Some(b'2'..=b'6')) {
        return None;
    }
    let mut digits = [0_u8; LONGEST];
    let mut places = [0_usize; LONGEST];
    let (mut len, mut at, mut best) = (0, start, None);
    loop {
        let group = run(text.get(..at + LONGEST + 1).unwrap_or(text), at);
        if group == 0 || len + group > LONGEST {
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
        if len >= SHORTEST && is_checked(digits) {
            best = places.get(len - SHOWN).map(|last_four| (*last_four, at));
        }
        match text.get(at) {
            Some(b' ' | b'-' | b'+') => at += 1,
            _ => return best,
        }
    }
}

/// Digits in a row.
fn run(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Luhn's formula.
fn is_checked(digits: &[u8]) -> bool {
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

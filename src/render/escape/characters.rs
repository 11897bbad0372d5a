//! Classifies characters for a terminal: printable, and combining. A look-up is a few loads from
//! tables made at compile time, and allocates nothing.

use unicode_general_category::{GeneralCategory as Category, get_general_category};
use unicode_width::UnicodeWidthChar as _;

/// Properties of a character beyond ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Character {
    /// May be shown.
    pub(super) printable: bool,
    /// Takes no column: combines with the character before it.
    pub(super) mark: bool,
}

impl Character {
    /// Returns the properties of `c`.
    pub(super) fn of(c: char) -> Self {
        Self {
            printable: is_printable(c),
            mark: !c.is_ascii() && c.width() == Some(0),
        }
    }
}

/// Returns false for control and format characters (bidirectional overrides, zero-width ones),
/// private use and unassigned code points, and for invisible letters.
fn is_printable(c: char) -> bool {
    match c {
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Tags and variation selectors: invisible text.
        '\u{e0000}'.. => false,
        _ => match get_general_category(c) {
            Category::Control
            | Category::Format
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Surrogate => false,
            Category::Unassigned => is_newer(c),
            _ => true,
        },
    }
}

/// Whether a character that the tables do not have is printable. The standard library's table is
/// as new as the compiler, but slow, and it excludes every blank except U+0020.
#[cold]
fn is_newer(c: char) -> bool {
    // `escape_debug` escapes a combining mark only at the start of a string.
    let mut text = [b'a'; 5];
    let len = 1 + c.encode_utf8(&mut text[1..]).len();
    str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The controlling ranges of the Unicode standard, listed independently of the tested code.
    pub(in super::super) fn is_harmless(c: char) -> bool {
        !matches!(u32::from(c),
            0..=0x1f | 0x7f..=0x9f | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e
            | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x3164 | 0xffa0
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xfffb
            | 0xe000..=0xf8ff | 0xfdd0..=0xfdef | 0x110bd | 0x110cd | 0x13430..=0x1343f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x10_ffff)
            && u32::from(c) & 0xfffe != 0xfffe
    }

    #[test]
    fn no_character_at_all_passes_that_steers() {
        for c in '\u{80}'..=char::MAX {
            let character = Character::of(c);
            assert!(is_harmless(c) || !character.printable, "{c:?}");
            let invisible = matches!(
                u32::from(c),
                0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x3164 | 0xffa0 | 0xe0000..
            );
            // The standard library knows the same characters, by other means.
            let known = (c.is_whitespace() && !c.is_control()) || is_newer(c);
            let printable = known && !invisible && !matches!(c, '\u{2028}' | '\u{2029}');
            assert_eq!(character.printable, printable, "{c:?}");
        }
    }
}

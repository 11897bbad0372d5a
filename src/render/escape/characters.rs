//! Classifies characters for a terminal: printable, and combining. Results are cached in blocks,
//! because a look-up in Unicode tables takes longer than ngrep needs to print three bytes, and a
//! text uses few blocks.

use std::sync::OnceLock;

use unicode_width::UnicodeWidthChar as _;

/// Properties of a character beyond ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Character {
    /// May be shown.
    pub(super) printable: bool,
    /// Takes no column: combines with the character before it.
    pub(super) mark: bool,
}

/// Characters in a block.
const BLOCK: usize = 256;
/// Number of cached blocks, 64 bytes each. They cover the two planes with scripts and emoji.
const BLOCKS: usize = 0x2_0000 / BLOCK;

/// One bit for each character of a block.
type Bits = [u64; BLOCK / 64];

/// Properties of the characters in a block.
struct Block {
    printable: Bits,
    marks: Bits,
}

static CACHE: [OnceLock<Block>; BLOCKS] = [const { OnceLock::new() }; BLOCKS];

impl Character {
    /// Returns the properties of `c`.
    pub(super) fn of(c: char) -> Self {
        let code = c as usize;
        let Some(cached) = CACHE.get(code / BLOCK) else {
            return Self::uncached(c);
        };
        let block = cached.get_or_init(|| Block::at(code / BLOCK * BLOCK));
        let (word, bit) = (code % BLOCK / 64, code % 64);
        let is_in = |bits: &Bits| bits[word] >> bit & 1 == 1;
        Self {
            printable: is_in(&block.printable),
            mark: is_in(&block.marks),
        }
    }

    /// Computes the properties without the cache.
    fn uncached(c: char) -> Self {
        Self {
            printable: is_printable(c),
            mark: !c.is_ascii() && c.width() == Some(0),
        }
    }
}

impl Block {
    /// Computes the block that starts at this code point.
    fn at(start: usize) -> Self {
        let (mut printable, mut marks) = (Bits::default(), Bits::default());
        for (at, code) in (start..start + BLOCK).enumerate() {
            // Surrogates are not characters.
            let found = char::from_u32(code as u32).map(Character::uncached);
            let bit = |is: bool| u64::from(is) << (at % 64);
            printable[at / 64] |= bit(found.is_some_and(|found| found.printable));
            marks[at / 64] |= bit(found.is_some_and(|found| found.mark));
        }
        Self { printable, marks }
    }
}

/// Returns false for control and format characters (bidirectional overrides, zero-width ones),
/// private use and unassigned code points. The standard library's table, which is as new as the
/// compiler, excludes all of these, but also every blank except U+0020, and it includes some
/// invisible letters.
fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' => false,
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Tags and variation selectors: invisible text.
        '\u{e0000}'.. => false,
        _ if c.is_control() => false,
        _ if c.is_whitespace() => true,
        _ => {
            // `escape_debug` escapes a combining mark only at the start of a string.
            let mut text = [b'a'; 5];
            let len = 1 + c.encode_utf8(&mut text[1..]).len();
            str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().count() == 2)
        }
    }
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
            assert_eq!(character, Character::uncached(c), "{c:?}");
        }
    }
}

//! What a character is to a terminal. The answers are remembered: finding one takes longer than ngrep takes to print three
//! bytes, and a text uses few of them.

use std::sync::OnceLock;

use unicode_width::UnicodeWidthChar as _;

/// What is known of a character beyond ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Character {
    /// It may be shown.
    pub(super) printable: bool,
    /// It takes no column: it combines with the one in front of it.
    pub(super) mark: bool,
}

/// Characters that are looked at together.
const BLOCK: usize = 256;
/// Blocks that are remembered, 64 bytes each: the two planes with the scripts and the emoji.
const BLOCKS: usize = 0x2_0000 / BLOCK;

/// A bit for each character of a block.
type Bits = [u64; BLOCK / 64];

/// The answers for a block.
struct Block {
    printable: Bits,
    marks: Bits,
}

static KNOWN: [OnceLock<Block>; BLOCKS] = [const { OnceLock::new() }; BLOCKS];

impl Character {
    /// What `c` is.
    pub(super) fn of(c: char) -> Self {
        let code = c as usize;
        let Some(known) = KNOWN.get(code / BLOCK) else {
            return Self::found(c);
        };
        let block = known.get_or_init(|| Block::at(code / BLOCK * BLOCK));
        let (word, bit) = (code % BLOCK / 64, code % 64);
        let is_in = |bits: &Bits| bits[word] >> bit & 1 == 1;
        Self {
            printable: is_in(&block.printable),
            mark: is_in(&block.marks),
        }
    }

    /// The same, not remembered.
    fn found(c: char) -> Self {
        Self {
            printable: is_printable(c),
            mark: !c.is_ascii() && c.width() == Some(0),
        }
    }
}

impl Block {
    /// The block that begins with this code point.
    fn at(start: usize) -> Self {
        let (mut printable, mut marks) = (Bits::default(), Bits::default());
        for (at, code) in (start..start + BLOCK).enumerate() {
            // Surrogates are no characters.
            let found = char::from_u32(code as u32).map(Character::found);
            let bit = |is: bool| u64::from(is) << (at % 64);
            printable[at / 64] |= bit(found.is_some_and(|found| found.printable));
            marks[at / 64] |= bit(found.is_some_and(|found| found.mark));
        }
        Self { printable, marks }
    }
}

/// Neither a control nor a format character (bidirectional overrides, zero-width ones), nor of private use, nor none at
/// all. The standard library's table knows all of these, and is as new as the compiler; it also refuses every blank but
/// the first, and lets letters pass that show nothing.
fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' => false,
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Tags and more variation selectors: text that nobody sees.
        '\u{e0000}'.. => false,
        _ if c.is_control() => false,
        _ if c.is_whitespace() => true,
        _ => {
            // Behind a letter a combining mark is not escaped for being one.
            let mut text = [b'a'; 5];
            let len = 1 + c.encode_utf8(&mut text[1..]).len();
            str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().count() == 2)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Said apart from what is tested: the ranges of the Unicode standard that steer.
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
            assert_eq!(character, Character::found(c), "{c:?}");
        }
    }
}

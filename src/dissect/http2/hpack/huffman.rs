//! The *Huffman code* of strings (RFC 7541 section 5.2 and appendix B). Pure functions of bytes.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and
//! shorter ones come first. So the lengths say all, and the tables are made of them.

/// How many bits the code of each byte has.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// The longest code, which the end of a string (EOS) has as well.
const LONGEST: usize = 30;

/// Codes of up to this many bits are found in one step: those of nearly all text.
const SHORT: u32 = 8;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Codes {
    /// The first of them.
    first: u32,
    /// How many there are.
    count: u32,
    /// The place of the first one's symbol in [`SYMBOLS`].
    at: usize,
}

const NONE: Codes = Codes {
    first: 0,
    count: 0,
    at: 0,
};

/// The symbols in the order of their codes.
const SYMBOLS: [u8; 256] = {
    let mut symbols = [0; 256];
    let (mut length, mut at) = (1, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                symbols[at] = symbol as u8;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    symbols
};

/// The codes by their length.
const BY_LENGTH: [Codes; LONGEST + 1] = {
    let mut by_length = [NONE; LONGEST + 1];
    let (mut length, mut first, mut at) = (1, 0, 0);
    while length <= LONGEST {
        first <<= 1;
        let (mut count, mut symbol) = (0, 0);
        while symbol < 256 {
            if LENGTHS[symbol] as usize == length {
                count += 1;
            }
            symbol += 1;
        }
        by_length[length] = Codes { first, count, at };
        first += count;
        at += count as usize;
        length += 1;
    }
    by_length
};

/// The symbol and the length of the code that a byte begins with; length 0 for a longer code.
const QUICK: [(u8, u8); 1 << SHORT] = {
    let mut quick = [(0, 0); 1 << SHORT];
    let mut length = 1;
    while length <= SHORT as usize {
        let codes = BY_LENGTH[length];
        let mut index = 0;
        while index < codes.count {
            let symbol = SYMBOLS[codes.at + index as usize];
            let free = SHORT - length as u32;
            let first = (codes.first + index) << free;
            let mut fill = 0;
            while fill < 1 << free {
                quick[(first + fill) as usize] = (symbol, length as u8);
                fill += 1;
            }
            index += 1;
        }
        length += 1;
    }
    quick
};

/// Appends the text of `coded` to `text`; false if it breaks the code's rules, where what it says
/// up to there was appended: EOS in it, or a padding that is not the beginning of EOS, or of more
/// than 7 bits.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> bool {
    // The next bits, the first of them the highest; `have` of them are there.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut coded = coded.iter();
    loop {
        while have <= 56 {
            let Some(byte) = coded.next() else {
                break;
            };
            bits |= u64::from(*byte) << 56_u32.saturating_sub(have);
            have = have.saturating_add(8);
        }
        let Some((symbol, length)) = next(bits).filter(|(_, length)| *length <= have) else {
            // Ones fill the last byte up; EOS has more of them.
            let padding = u64::MAX.checked_shl(64_u32.saturating_sub(have));
            return have < 8 && bits == padding.unwrap_or_default();
        };
        text.push(symbol);
        bits <<= length;
        have = have.saturating_sub(length);
    }
}

/// The symbol that the highest bits say, and how many bits its code has; `None` for EOS.
fn next(bits: u64) -> Option<(u8, u32)> {
    let (symbol, length) = *QUICK.get((bits >> 56) as usize)?;
    if length > 0 {
        return Some((symbol, length.into()));
    }
    let lengths = BY_LENGTH.iter().enumerate().skip(SHORT as usize);
    for (length, codes) in lengths.skip(1) {
        let code = (bits >> 64_usize.saturating_sub(length)) as u32;
        let index = code.wrapping_sub(codes.first);
        if index < codes.count {
            let symbol = SYMBOLS.get(codes.at.saturating_add(index as usize))?;
            return Some((*symbol, length as u32));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::http2::hpack::testing::unhex;

    fn decoded(coded: &[u8]) -> (String, bool) {
        let mut text = Vec::new();
        let whole = decode(coded, &mut text);
        (text.escape_ascii().to_string(), whole)
    }

    /// Codes a text, bit by bit.
    fn code(text: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        for byte in text {
            let place = SYMBOLS.iter().position(|symbol| symbol == byte).unwrap();
            let length = usize::from(LENGTHS[usize::from(*byte)]);
            let codes = BY_LENGTH[length];
            let code = codes.first + (place - codes.at) as u32;
            bits += &format!("{code:0length$b}");
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let byte = |at: usize| u8::from_str_radix(&bits[at..at + 8], 2).unwrap();
        (0..bits.len()).step_by(8).map(byte).collect()
    }

    #[test]
    fn the_strings_of_rfc_7541_are_decoded() {
        let table = [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                "9d29ad171863c78f0b97c8e9ae82ae43d3",
                "https://www.example.com",
            ),
            ("9bd9ab", "gzip"),
        ];
        for (hex, text) in table {
            assert_eq!(decoded(&unhex(hex)), (text.to_owned(), true));
        }
    }

    #[test]
    fn every_byte_is_decoded() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        assert!(decode(&code(&all), &mut text));
        assert_eq!(text, all);
    }

    #[test]
    fn rules_of_the_code_are_looked_after() {
        let table: &[(&[u8], &str, bool)] = &[
            (b"", "", true),
            // `0` is 00000: three ones after it, or something else.
            (&[0b0000_0111], "0", true),
            (&[0b0000_0110], "0", false),
            (&[0b0000_0000], "0", false),
            // A byte of padding is too much, and EOS is no text.
            (&[0b0000_0111, 0xff], "0", false),
            (&[0xff; 4], "", false),
            (&[0b0000_0111, 0xff, 0xff, 0xff, 0xff, 0], "0", false),
        ];
        for (coded, text, whole) in table {
            assert_eq!(decoded(coded), ((*text).to_owned(), *whole), "{coded:x?}");
        }
    }
}

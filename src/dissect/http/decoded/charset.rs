//! The character set of text, by its head and by its first bytes. Pure functions of at most 1 KiB
//! of a body.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memmem};

use super::Charset;
use super::look::Media;

/// Names of ASCII, whose bytes are UTF-8. The WHATWG's table maps them to windows-1252.
const ASCII: [&str; 4] = ["ascii", "us-ascii", "ansi_x3.4-1968", "iso646-us"];

/// Returns whether a `Content-Type` declares a character set; and that set, if the body is text and
/// not UTF-8.
pub(crate) fn charset_of(content_type: &[u8]) -> (bool, Option<Charset>) {
    let Some(label) = parameter(content_type) else {
        return (false, None);
    };
    let is_text = || matches!(Media::of(content_type), Media::Text | Media::Markup);
    let charset = named(label).filter(|found| *found != UTF_8 && is_text());
    (true, charset)
}

/// The `charset` parameter of a `Content-Type`, as sent.
pub(crate) fn parameter(content_type: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"charset";
    let semicolon = |text: &[u8]| text.iter().position(|byte| *byte == b';');
    let mut rest = content_type;
    loop {
        rest = rest.get(semicolon(rest)?.saturating_add(1)..)?;
        let (name, value) = rest.trim_ascii_start().split_at_checked(NAME.len())?;
        if name.eq_ignore_ascii_case(NAME)
            && let Some(value) = value.trim_ascii_start().strip_prefix(b"=")
        {
            let end = semicolon(value).unwrap_or(value.len());
            let value = value.get(..end)?.trim_ascii();
            let quoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            let value = quoted.unwrap_or(value);
            if !value.is_empty() {
                return Some(value);
            }
        }
    }
}

/// The encoding with this name; ASCII is UTF-8. `None` for an unknown name.
fn named(label: &[u8]) -> Option<Charset> {
    // Nearly always: the search through the table of all names is 1 % of short connections.
    if label.eq_ignore_ascii_case(b"utf-8") {
        return Some(UTF_8);
    }
    let is_ascii = ASCII
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name.as_bytes()));
    match is_ascii {
        true => Some(UTF_8),
        false => Encoding::for_label_no_replacement(label),
    }
}

/// Number of bytes of markup that are searched for a declaration (1024, as in the WHATWG's HTML).
pub(super) const PRESCAN: usize = 1024;

/// The character set that markup declares in a `meta` element, an XML declaration or `@charset`;
/// UTF-8 if it declares none. `None` if more bytes are required. `all` means that there are no
/// more.
pub(super) fn declared(first: &[u8], all: bool) -> Option<Charset> {
    let window = first.get(..PRESCAN).unwrap_or(first);
    let names = [&b"charset"[..], b"CHARSET", b"Charset", b"encoding"];
    let is_named = |name: &&[u8]| memmem::find(window, name).is_some();
    if names.iter().any(is_named)
        && let Some(found) = declaration(window)
    {
        // A receiver that could read the name did not read UTF-16.
        let is_wide = found == UTF_16LE || found == UTF_16BE;
        return Some(if is_wide { UTF_8 } else { found });
    }
    (all || first.len() >= PRESCAN).then_some(UTF_8)
}

#[cold]
fn declaration(window: &[u8]) -> Option<Charset> {
    if let Some(rest) = window.strip_prefix(b"@charset \"") {
        named(rest.get(..memchr(b'"', rest)?)?)
    } else if window.starts_with(b"<?xml") {
        let end = memmem::find(window, b"?>")?;
        let declaration = window.get(..end)?;
        attribute(declaration, b"encoding").map_or(Some(UTF_8), named)
    } else {
        in_meta(window)
    }
}

/// The declaration in the first `meta` element that has one, outside of comments.
fn in_meta(window: &[u8]) -> Option<Charset> {
    let mut at = 0_usize;
    loop {
        let rest = window.get(at..)?;
        let tag = memchr(b'<', rest)?;
        let rest = rest.get(tag..)?;
        let (len, found) = if rest.starts_with(b"<!--") {
            (memmem::find(rest, b"-->")?.saturating_add(3), None)
        } else {
            let len = memchr(b'>', rest)?.saturating_add(1);
            let is_meta = rest
                .get(..5)
                .is_some_and(|name| name.eq_ignore_ascii_case(b"<meta"));
            let tag = rest.get(..len).filter(|_| is_meta);
            (len, tag.and_then(|tag| attribute(tag, b"charset")))
        };
        if let Some(found) = found.and_then(named) {
            return Some(found);
        }
        at = at.saturating_add(tag).saturating_add(len);
    }
}

/// The value after `name` and `=`, with or without quotes; also inside the value of another
/// attribute.
fn attribute<'t>(tag: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut places = tag
        .windows(name.len())
        .enumerate()
        .filter(|(_, part)| part.eq_ignore_ascii_case(name))
        .map(|(at, part)| at.saturating_add(part.len()));
    places.find_map(|at| {
        let rest = tag.get(at..)?.trim_ascii_start().strip_prefix(b"=")?;
        let rest = rest.trim_ascii_start();
        let quote = rest.first().filter(|byte| matches!(byte, b'"' | b'\''));
        let (rest, ends): (_, fn(&u8) -> bool) = match quote {
            Some(_) => (rest.get(1..)?, |byte| matches!(byte, b'"' | b'\'')),
            None => (rest, |byte| {
                byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b';' | b'>' | b'?')
            }),
        };
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        rest.get(..end).map(<[u8]>::trim_ascii)
    })
}

/// The byte order of UTF-16 that bytes start with, by a byte order mark or by the zeros of ASCII
/// characters.
pub(super) fn is_utf_16(first: &[u8]) -> Option<Charset> {
    let is_ascii = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match *first {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [one, 0, other, 0, ..] if is_ascii(one) && is_ascii(other) => Some(UTF_16LE),
        [0, one, 0, other, ..] if is_ascii(one) && is_ascii(other) => Some(UTF_16BE),
        [one, 0] if is_ascii(one) => Some(UTF_16LE),
        [0, one] if is_ascii(one) => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_declares_its_own_character_set() {
        let table: &[(&str, Option<&str>)] = &[
            ("<html><meta charset=latin1>", Some("windows-1252")),
            ("<meta charset='shift_jis'/>", Some("Shift_JIS")),
            ("<META CHARSET=\"koi8-r\">", Some("KOI8-R")),
            (
                "<meta http-equiv=Content-Type content=\"text/html; charset=iso-2022-jp\">",
                Some("ISO-2022-JP"),
            ),
            (
                "<?xml version='1.0' encoding='iso-8859-2'?>",
                Some("ISO-8859-2"),
            ),
            ("@charset \"windows-1251\";", Some("windows-1251")),
            (
                "<!-- <meta charset=latin1> --><meta charset=big5>",
                Some("Big5"),
            ),
            ("<meta charset=martian><meta charset=big5>", Some("Big5")),
            ("<meta charset=utf-8>", None),
            ("<meta charset=utf-16>", None),
            ("<meta charset=us-ascii>", None),
            ("<p>charset=latin1</p>", None),
            ("<?xml version='1.0'?>", None),
            ("<meta charset", None),
            ("<meta charset=latin1", None),
            ("charset", None),
            ("", None),
        ];
        for (text, name) in table {
            let found = declared(text.as_bytes(), true).expect("all is there");
            assert_eq!(found.name(), name.unwrap_or("UTF-8"), "{text}");
        }
        assert_eq!(declared(b"<html>", false), None);
        let late = format!("{}<meta charset=latin1>", " ".repeat(1024));
        assert_eq!(declared(late.as_bytes(), false), Some(UTF_8));
    }

    #[test]
    fn utf_16_has_marks() {
        let table: &[(&[u8], Option<Charset>)] = &[
            (b"\xff\xfe", Some(UTF_16LE)),
            (b"\xfe\xff", Some(UTF_16BE)),
            (b"{\0\"\0", Some(UTF_16LE)),
            (b"\0{\0\"", Some(UTF_16BE)),
            (b"1\0", Some(UTF_16LE)),
            (b"\0\0\0\x18ftyp", None),
            (b"a\0b", None),
            (b"a\0\0\0", None),
            (b"ab", None),
            (b"", None),
        ];
        for (bytes, charset) in table {
            assert_eq!(is_utf_16(bytes), *charset, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn only_text_has_a_charset_and_utf_8_is_none() {
        let table: &[(&str, Option<&str>)] = &[
            ("text/html; charset=ISO-8859-1", Some("windows-1252")),
            (
                "text/plain;format=flowed; Charset=\"windows-1251\"",
                Some("windows-1251"),
            ),
            ("application/json; charset=utf-16", Some("UTF-16LE")),
            (
                "application/problem+json;charset=shift_jis",
                Some("Shift_JIS"),
            ),
            ("application/xml; charset = koi8-r", Some("KOI8-R")),
            (
                "application/x-www-form-urlencoded; charset=latin1",
                Some("windows-1252"),
            ),
            ("text/html; charset=UTF-8", None),
            ("text/html; charset=us-ascii", None),
            ("text/html; charset=none", None),
            ("text/html; charset=iso-2022-kr", None),
            ("text/html; charset=", None),
            (
                "text/html; charset=; Charset = latin1 ",
                Some("windows-1252"),
            ),
            (
                "text/html;charset=latin1;charset=big5",
                Some("windows-1252"),
            ),
            ("text/html; x=charset=latin1", None),
            ("text/html; charset", None),
            ("text/html; charset; q=1", None),
            ("text/html; charsets=latin1", None),
            ("charset=latin1", None),
            ("text/html", None),
            ("image/png; charset=latin1", None),
            ("application/octet-stream; charset=latin1", None),
            ("", None),
        ];
        for (content_type, name) in table {
            let (_, found) = charset_of(content_type.as_bytes());
            let found = found.map(Encoding::name);
            assert_eq!(found, *name, "{content_type}");
        }
    }
}

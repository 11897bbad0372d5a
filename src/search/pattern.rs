//! Compiles patterns as typed into regular expressions over bytes. Compiled size is bounded; a
//! pattern over the limit gives an error.

use regex_automata::meta::{self, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Hir, Look};

/// How patterns are interpreted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Letters match in both cases.
    pub ignore_case: bool,
    /// A match starts and ends where a word does.
    pub word: bool,
    /// Patterns are literal text.
    pub fixed_strings: bool,
    /// Patterns are bytes in hexadecimal.
    pub hex: bool,
    /// Unicode classes and case folding.
    pub unicode: bool,
    /// `.` matches line ends.
    pub dot_all: bool,
    /// `^` and `$` match at line ends.
    pub line_anchors: bool,
    /// CR LF is a line end.
    pub crlf: bool,
    /// Repetitions are lazy; this affects which end of a match is shown.
    pub lazy: bool,
    /// `\x` is the letter x, as in the regular-expression library that ngrep uses.
    pub plain_x: bool,
    /// In binary data `.` matches every byte.
    pub any_byte: bool,
}

/// Why a pattern cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct PatternError {
    /// The pattern as typed.
    pub pattern: String,
    /// Byte range of the fault in the pattern; `None` when it has no single place.
    pub at: Option<(usize, usize)>,
    /// Description of the fault.
    pub what: String,
    /// What to use instead, if known.
    pub instead: Option<String>,
    /// Whether the pattern is valid but exceeds the size limit.
    pub is_large: bool,
}

impl PatternError {
    /// An error for `patterns` that together exceed the size limit.
    pub(super) fn too_large(patterns: &[String], detail: String) -> Self {
        Self {
            pattern: patterns.join(" | "),
            at: None,
            what: detail,
            instead: Some("count less in {n,m}, or search for a part of it".into()),
            is_large: true,
        }
    }
}

/// A compiled alternation of patterns.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Finds the extents of matches in contiguous text.
    pub(super) regex: Regex,
    /// For the streaming automaton.
    pub(super) hir: Hir,
    /// The same with a `.` that matches every byte, where that differs.
    pub(super) wide: Option<(Regex, Hir)>,
}

/// Size limit of one compiled pattern, in bytes: the default of the library. Several patterns
/// together may be larger.
const COMPILED: usize = 10 << 20;
const SEVERAL: usize = 64 << 20;

impl Pattern {
    /// Compiles `patterns` into one alternation.
    ///
    /// # Errors
    /// The first fault in the first pattern that has one.
    pub(super) fn compile(patterns: &[String], options: &Options) -> Result<Self, PatternError> {
        let sources = patterns.iter().map(|pattern| source(pattern, options));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        // Each pattern is parsed separately, so that a fault is reported at its place and inline
        // flags such as `(?x)` and group names of one pattern do not affect the others.
        let parsed = |options: &Options| -> Result<Hir, PatternError> {
            let each = sources.iter().zip(patterns).map(|(source, pattern)| {
                parse(source, options).map_err(|error| explain(pattern, source, &error))
            });
            let any = Hir::alternation(each.collect::<Result<Vec<_>, _>>()?);
            Ok(match (options.word, options.unicode) {
                (false, _) => any,
                // Half-boundaries: the pattern itself may start or end with a non-word character,
                // as `-v` does.
                (true, false) => between(Look::WordStartHalfAscii, any, Look::WordEndHalfAscii),
                (true, true) => between(Look::WordStartHalfUnicode, any, Look::WordEndHalfUnicode),
            })
        };
        let size = match (patterns.len(), options.word) {
            (1, false) => COMPILED,
            _ => SEVERAL,
        };
        let compiled = |hir: Hir| {
            let regex =
                regex(&hir, size).map_err(|detail| PatternError::too_large(patterns, detail))?;
            Ok((regex, hir))
        };
        let (regex, hir) = compiled(parsed(options)?)?;
        let dots = sources.iter().any(|source| source.contains('.'));
        let wide = match options.any_byte && !options.dot_all && dots {
            true => Some(parsed(&Options {
                dot_all: true,
                ..*options
            })?),
            false => None,
        };
        let wide = wide.filter(|wide| *wide != hir);
        let wide = wide.map(compiled).transpose()?;
        Ok(Self { regex, hir, wide })
    }
}

fn between(start: Look, hir: Hir, end: Look) -> Hir {
    Hir::concat(vec![Hir::look(start), hir, Hir::look(end)])
}

/// The engine that finds extents. Capture groups are not recorded: for ten thousand patterns they
/// would need gigabytes.
fn regex(hir: &Hir, size: usize) -> Result<Regex, String> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .which_captures(WhichCaptures::Implicit)
        .nfa_size_limit(Some(size));
    let built = meta::Builder::new().configure(config).build_from_hir(hir);
    built.map_err(|error| error.to_string())
}

/// The pattern as regex source: hexadecimal and literal patterns are converted.
fn source(pattern: &str, options: &Options) -> Result<String, PatternError> {
    if options.hex {
        return hex(pattern);
    }
    if options.fixed_strings {
        return Ok(regex_syntax::escape(pattern));
    }
    Ok(if options.plain_x {
        without_x(pattern)
    } else {
        pattern.to_owned()
    })
}

/// Replaces `\x00` by `x00`.
fn without_x(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for c in pattern.chars() {
        if escaped && c == 'x' {
            out.pop();
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    out
}

/// Converts hexadecimal digits, such as `0x474554` or `47 45 54`, to a regex of these bytes.
fn hex(pattern: &str) -> Result<String, PatternError> {
    let wrong = |what: &str| PatternError {
        pattern: pattern.to_owned(),
        at: None,
        what: what.to_owned(),
        instead: Some("write two digits a byte: -X 0x474554".into()),
        is_large: false,
    };
    let digits = pattern
        .strip_prefix("0x")
        .or(pattern.strip_prefix("0X"))
        .unwrap_or(pattern);
    let digits: String = digits.chars().filter(|c| *c != ' ').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong("this is not hexadecimal"));
    }
    if digits.len() % 2 == 1 {
        return Err(wrong(
            "a hexadecimal pattern needs an even number of digits",
        ));
    }
    let bytes = digits.as_bytes().chunks(2);
    Ok(bytes
        .map(|pair| format!(r"(?-u:\x{})", String::from_utf8_lossy(pair)))
        .collect())
}

#[allow(clippy::result_large_err, reason = "one per pattern, before the run")]
fn parse(source: &str, options: &Options) -> Result<Hir, regex_syntax::Error> {
    regex_syntax::ParserBuilder::new()
        .unicode(options.unicode)
        .utf8(false)
        .case_insensitive(options.ignore_case)
        .dot_matches_new_line(options.dot_all)
        .multi_line(options.line_anchors)
        .crlf(options.crlf)
        .swap_greed(options.lazy)
        .build()
        .parse(source)
}

/// Converts the library's error to plain words about the pattern as typed.
fn explain(pattern: &str, part: &str, error: &regex_syntax::Error) -> PatternError {
    use regex_syntax::ast::ErrorKind as Kind;
    let (span, what, instead) = match error {
        regex_syntax::Error::Parse(error) => {
            let what = match error.kind() {
                Kind::ClassUnclosed => "this bracket is never closed".to_owned(),
                Kind::GroupUnclosed => "this parenthesis is never closed".to_owned(),
                Kind::GroupUnopened => "this parenthesis was never opened".to_owned(),
                Kind::RepetitionMissing => "there is nothing to repeat before this".to_owned(),
                Kind::EscapeUnexpectedEof => "nothing follows the backslash".to_owned(),
                Kind::UnsupportedLookAround => "look-around is not supported".to_owned(),
                Kind::UnsupportedBackreference => "back-references are not supported".to_owned(),
                other => other.to_string(),
            };
            let instead = match error.kind() {
                Kind::UnsupportedLookAround => Some(
                    r"say it with --and PATTERN or --not PATTERN on the same message, or with \b"
                        .to_owned(),
                ),
                Kind::UnsupportedBackreference => {
                    Some("search for the repeated text itself".to_owned())
                }
                _ => None,
            };
            (Some(*error.span()), what, instead)
        }
        regex_syntax::Error::Translate(error) => {
            let what = error.kind().to_string();
            let instead = what
                .to_lowercase()
                .contains("unicode")
                .then(|| "add --unicode".to_owned());
            (Some(*error.span()), what, instead)
        }
        other => (None, other.to_string(), None),
    };
    // An empty span is a place between two characters: report the character after it.
    let at = span.filter(|_| part == pattern).map(|span| {
        (
            span.start.offset,
            span.end.offset.max(span.start.offset + 1),
        )
    });
    PatternError {
        pattern: pattern.to_owned(),
        at,
        what,
        instead,
        is_large: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, options: Options, text: &[u8]) -> Result<bool, PatternError> {
        Ok(Pattern::compile(&[pattern.to_owned()], &options)?
            .regex
            .is_match(text))
    }

    #[test]
    fn patterns_are_read_as_their_options_say() {
        let plain = Options::default();
        let lines = Options {
            line_anchors: true,
            crlf: true,
            ..plain
        };
        let table: [(&str, Options, &[u8], bool); 24] = [
            (
                r"\x00\\x",
                Options {
                    plain_x: true,
                    ..plain
                },
                br"x00\x",
                true,
            ),
            (
                r"\x00",
                Options {
                    plain_x: true,
                    ..plain
                },
                b"\x00",
                false,
            ),
            (r"\xff", plain, b"a\xff", true),
            ("é", plain, "café".as_bytes(), true),
            ("caf.+ au", plain, "café au lait".as_bytes(), true),
            (r"\w+é", plain, "café".as_bytes(), true),
            (
                "get",
                Options {
                    ignore_case: true,
                    ..plain
                },
                b"GET",
                true,
            ),
            (
                "É",
                Options {
                    ignore_case: true,
                    unicode: true,
                    ..plain
                },
                "é".as_bytes(),
                true,
            ),
            ("^Host", plain, b"GET /\r\nHost: x", false),
            ("^Host", lines, b"GET /\r\nHost: x", true),
            ("x$", lines, b"Host: x\r\n", true),
            ("/.Host", plain, b"/\nHost", false),
            (
                "/.Host",
                Options {
                    dot_all: true,
                    ..plain
                },
                b"/\nHost",
                true,
            ),
            (
                "a.c",
                Options {
                    fixed_strings: true,
                    ..plain
                },
                b"abc",
                false,
            ),
            (
                "a.c",
                Options {
                    fixed_strings: true,
                    ..plain
                },
                b"a.c",
                true,
            ),
            ("0x474554", Options { hex: true, ..plain }, b"GET", true),
            ("47 45 54", Options { hex: true, ..plain }, b"GET", true),
            ("ff00", Options { hex: true, ..plain }, b"\xff\x00", true),
            (
                "user|pass",
                Options {
                    word: true,
                    ..plain
                },
                b"user",
                true,
            ),
            (
                "user|pass",
                Options {
                    word: true,
                    ..plain
                },
                b"superuser",
                false,
            ),
            (
                "user|pass",
                Options {
                    word: true,
                    ..plain
                },
                b"a pass.",
                true,
            ),
            (
                "user|pass",
                Options {
                    word: true,
                    ..plain
                },
                b"password",
                false,
            ),
            (
                "-v",
                Options {
                    word: true,
                    ..plain
                },
                b"a -v b",
                true,
            ),
            ("(?i)get", plain, b"GeT", true),
        ];
        for (pattern, options, text, want) in table {
            assert_eq!(
                finds(pattern, options, text),
                Ok(want),
                "{pattern} {options:?}"
            );
        }
    }

    #[test]
    fn faults_are_described_in_plain_words_with_their_place() {
        let table = [
            ("[a", Some((0, 1)), "never closed", false),
            ("(a", Some((0, 1)), "never closed", false),
            ("a)", Some((1, 2)), "never opened", false),
            ("*a", Some((0, 1)), "nothing to repeat", false),
            ("(?=a)", Some((0, 3)), "look-around", true),
            (r"(a)\1", Some((3, 5)), "back-references", true),
        ];
        for (pattern, at, what, instead) in table {
            let error = finds(pattern, Options::default(), b"").unwrap_err();
            assert_eq!(error.at, at, "{pattern}: {error}");
            assert!(error.what.contains(what), "{pattern}: {error}");
            assert_eq!(error.instead.is_some(), instead, "{pattern}");
        }
        for pattern in ["abc", "4g"] {
            assert!(
                finds(
                    pattern,
                    Options {
                        hex: true,
                        ..Options::default()
                    },
                    b""
                )
                .is_err(),
                "{pattern}"
            );
        }
        assert!(
            finds(r"(?:\w{1000}){1000}", Options::default(), b"")
                .unwrap_err()
                .is_large
        );
    }
}

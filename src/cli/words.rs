//! Splits the words into pattern, capture filter and files: ngrep's algorithm, extended by grep's
//! files.
//!
//! The decision is pure except for two callbacks: one compiles a filter, one looks at a file.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The interpretation of the words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The pattern, if there is one.
    pub pattern: Option<String>,
    /// The capture filter, if there is one.
    pub filter: Option<String>,
    /// Capture files.
    pub files: Vec<PathBuf>,
}

/// Why the words have no interpretation.
#[derive(Debug, PartialEq, Eq)]
pub enum WordsError {
    /// A word is not UTF-8 and not a file.
    NotText(OsString),
    /// The words after the pattern are not a filter.
    Filter {
        /// The words.
        filter: String,
        /// The compiler's error text.
        detail: String,
    },
}

/// What a word names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// No file to read.
    Nothing,
    /// An empty file: judged by its name, or by the other files, a capture that has just begun.
    Empty,
    /// A capture.
    Capture,
}

/// Decides what `words` mean.
///
/// One word is always a pattern, unless `has_pattern`: patterns were given by options. If the words
/// after the first are not a filter and all words together are one, there is no pattern: `port 80`.
/// Trailing words that name captures are files; so is `-` after another word.
///
/// # Errors
/// If neither interpretation gives a filter.
pub fn decide(
    words: &[OsString],
    has_pattern: bool,
    names: &dyn Fn(&OsStr) -> Names,
    compile: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<Words, WordsError> {
    let named: Vec<Names> = words
        .iter()
        .enumerate()
        .map(|(at, word)| match word == "-" && (at > 0 || has_pattern) {
            true => Names::Capture,
            false => names(word),
        })
        .collect();
    let mut files_from = named
        .iter()
        .rposition(|names| *names == Names::Nothing)
        .map_or(0, |last| last + 1);
    while named.get(files_from) == Some(&Names::Empty)
        && !words
            .get(files_from)
            .is_some_and(|word| is_capture_name(word))
    {
        files_from += 1;
    }
    let (words, files) = words.split_at(files_from);
    let files = files.iter().map(PathBuf::from).collect();
    let words: Vec<&str> = words
        .iter()
        .map(|word| {
            word.to_str()
                .ok_or_else(|| WordsError::NotText(word.clone()))
        })
        .collect::<Result<_, _>>()?;
    let all = words.join(" ");
    if has_pattern {
        let filter = (!all.is_empty()).then_some(all);
        if let Some(filter) = &filter {
            compile(filter).map_err(|detail| WordsError::Filter {
                filter: filter.clone(),
                detail,
            })?;
        }
        return Ok(Words {
            pattern: None,
            filter,
            files,
        });
    }
    let Some((pattern, rest)) = words.split_first() else {
        return Ok(Words {
            files,
            ..Words::default()
        });
    };
    let pattern = Some((*pattern).to_owned());
    if rest.is_empty() {
        return Ok(Words {
            pattern,
            filter: None,
            files,
        });
    }
    let rest = rest.join(" ");
    match compile(&rest) {
        Ok(()) => Ok(Words {
            pattern,
            filter: Some(rest),
            files,
        }),
        Err(detail) => match compile(&all) {
            Ok(()) => Ok(Words {
                pattern: None,
                filter: Some(all),
                files,
            }),
            // The error of the first attempt, which concerns what the user meant as the filter.
            Err(_) => Err(WordsError::Filter {
                filter: rest,
                detail,
            }),
        },
    }
}

/// Whether a file name is one that programs give to captures: `x.pcap`, `x.pcap12`, `x.pcapng.gz`.
#[must_use]
pub fn is_capture_name(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        extension.starts_with("pcap") || ["cap", "dmp", "gz", "zst"].contains(&extension)
    })
}

/// Whether a pattern looks like the beginning of a filter and may have been meant as one.
#[must_use]
pub fn is_filter_keyword(pattern: &str) -> bool {
    const KEYWORDS: [&str; 24] = [
        "and",
        "arp",
        "broadcast",
        "dst",
        "ether",
        "gateway",
        "greater",
        "host",
        "icmp",
        "icmp6",
        "ip",
        "ip6",
        "less",
        "multicast",
        "net",
        "not",
        "or",
        "port",
        "portrange",
        "proto",
        "src",
        "tcp",
        "udp",
        "vlan",
    ];
    KEYWORDS.contains(&pattern)
}

/// Whether two words differ in one letter, or only in the order of their letters, so that one may
/// be a typo of the other.
#[must_use]
pub fn is_close(known: &str, typed: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<u8> = text.bytes().collect();
        letters.sort_unstable();
        letters
    };
    let pairs = known.bytes().zip(typed.bytes());
    let differ = pairs.filter(|(one, other)| one != other).count();
    known.len() == typed.len() && (differ == 1 || sorted(known) == sorted(typed))
}

/// The program's arguments, quoted for a shell.
#[must_use]
pub fn line() -> String {
    quoted(
        std::env::args_os()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned()),
    )
}

/// Words quoted for a shell.
pub fn quoted(words: impl Iterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%".contains(c);
    let words: Vec<String> = words
        .map(|word| match !word.is_empty() && word.chars().all(plain) {
            true => word,
            false => crate::render::quoted(&word),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces libpcap: accepts a few words.
    fn compiles(filter: &str) -> Result<(), String> {
        let valid = [
            "port 80",
            "tcp",
            "tcp port 80",
            "not port 80",
            "tcp and port 80",
            "host 127.0.0.1",
        ];
        valid
            .contains(&filter)
            .then_some(())
            .ok_or_else(|| "syntax error".to_owned())
    }

    fn decided(line: &str, has_pattern: bool) -> Result<Words, WordsError> {
        let words: Vec<OsString> = line
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(|w| w.replace("''", "").into())
            .collect();
        let names = |word: &OsStr| match word.to_str() {
            Some("zero.pcap1" | "zero") => Names::Empty,
            Some("a.pcap" | "b.pcap") => Names::Capture,
            _ => Names::Nothing,
        };
        decide(&words, has_pattern, &names, &mut compiles)
    }

    #[allow(clippy::unnecessary_wraps, reason = "compared with what decide gives")]
    fn words(
        pattern: Option<&str>,
        filter: Option<&str>,
        files: &[&str],
    ) -> Result<Words, WordsError> {
        Ok(Words {
            pattern: pattern.map(str::to_owned),
            filter: filter.map(str::to_owned),
            files: files.iter().map(PathBuf::from).collect(),
        })
    }

    #[test]
    fn words_mean_what_they_mean_to_ngrep() {
        assert_eq!(decided("", false), words(None, None, &[]));
        assert_eq!(decided("8080", false), words(Some("8080"), None, &[]));
        assert_eq!(decided("tcp", false), words(Some("tcp"), None, &[]));
        assert_eq!(decided("port 80", false), words(None, Some("port 80"), &[]));
        assert_eq!(
            decided("tcp port 80", false),
            words(Some("tcp"), Some("port 80"), &[])
        );
        assert_eq!(
            decided("tcp and port 80", false),
            words(None, Some("tcp and port 80"), &[])
        );
        assert_eq!(
            decided("not port 80", false),
            words(Some("not"), Some("port 80"), &[])
        );
        assert_eq!(
            decided("'' port 80", false),
            words(Some(""), Some("port 80"), &[])
        );
        assert_eq!(
            decided("GET tcp port 80", false),
            words(Some("GET"), Some("tcp port 80"), &[])
        );
    }

    #[test]
    fn an_invalid_filter_is_an_error_about_the_words_after_the_pattern() {
        let wrong = Err(WordsError::Filter {
            filter: "prot 80".into(),
            detail: "syntax error".into(),
        });
        assert_eq!(decided("GET prot 80", false), wrong);
        assert_eq!(decided("prot 80", true), wrong);
    }

    #[test]
    fn trailing_captures_are_files() {
        assert_eq!(decided("a.pcap", false), words(None, None, &["a.pcap"]));
        assert_eq!(
            decided("5000 a.pcap b.pcap", false),
            words(Some("5000"), None, &["a.pcap", "b.pcap"])
        );
        assert_eq!(
            decided("5000 port 80 a.pcap", false),
            words(Some("5000"), Some("port 80"), &["a.pcap"])
        );
        assert_eq!(
            decided("5000 zero.pcap1 a.pcap zero", false),
            words(Some("5000"), None, &["zero.pcap1", "a.pcap", "zero"])
        );
        assert_eq!(
            decided("zero a.pcap zero", false),
            words(Some("zero"), None, &["a.pcap", "zero"])
        );
        assert_eq!(decided("zero", false), words(Some("zero"), None, &[]));
        assert_eq!(
            decided("zero.pcap1", false),
            words(None, None, &["zero.pcap1"])
        );
        assert_eq!(decided("5000 -", false), words(Some("5000"), None, &["-"]));
        assert_eq!(decided("-", false), words(Some("-"), None, &[]));
        assert_eq!(decided("-", true), words(None, None, &["-"]));
    }

    #[test]
    fn a_line_can_be_pasted_into_a_shell() {
        let words = ["GET|POST", "", "port", "80", "it's", "-d", "eth0.1"];
        assert_eq!(
            quoted(words.into_iter().map(str::to_owned)),
            r"'GET|POST' '' port 80 'it'\''s' -d eth0.1"
        );
    }

    #[test]
    fn patterns_given_otherwise_leave_all_words_to_the_filter() {
        assert_eq!(decided("tcp", true), words(None, Some("tcp"), &[]));
        assert_eq!(decided("a.pcap", true), words(None, None, &["a.pcap"]));
    }
}

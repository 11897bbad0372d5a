//! Splits the words into pattern, capture filter and files: ngrep's algorithm, extended by grep's
//! files and by filters that begin with a word of the filter language.
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
    /// All words are the filter, while ngrep would search for the first: the words after
    /// `--regexp` that do so, quoted for a shell.
    pub text_instead: Option<String>,
}

/// What decides besides the words themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Given {
    /// Patterns are given by options: all words are the filter.
    pub has_pattern: bool,
    /// ngrep's algorithm, unchanged.
    pub ngrep: bool,
    /// The filter is in a file, so that no word belongs to it.
    pub has_filter: bool,
    /// An option concerns the pattern, so that a single word is one.
    pub about_pattern: bool,
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
    /// A folder with captures in it.
    Folder,
}

/// Decides what `words` mean.
///
/// One word is a pattern, unless patterns were given by options. If the words after the first are
/// not a filter and all words together are one, there is no pattern: `port 80`. Trailing words that
/// name captures are files; so is `-` after another word.
///
/// Unlike in ngrep, there is no pattern either if all words together are a filter and the first is
/// a word of the filter language (`tcp port 80`, `not port 22`, `udp`), or if a single word with a
/// blank in it is a filter (`'tcp port 80'`).
///
/// # Errors
/// If neither interpretation gives a filter.
pub fn decide(
    words: &[OsString],
    given: Given,
    names: &dyn Fn(&OsStr) -> Names,
    compile: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<Words, WordsError> {
    let files_from = files_from(words, given, names);
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
    if given.has_pattern {
        let filter = (!all.is_empty()).then_some(all);
        if let Some(filter) = &filter {
            compile(filter).map_err(|detail| WordsError::Filter {
                filter: filter.clone(),
                detail,
            })?;
        }
        return Ok(Words {
            filter,
            files,
            ..Words::default()
        });
    }
    if is_meant_as_filter(&words, given) && compile(&all).is_ok() {
        return Ok(Words {
            filter: Some(all),
            files,
            // ngrep takes some of these words as a filter as well: `port 80`.
            text_instead: (words.len() == 1 || compile(&words[1..].join(" ")).is_ok())
                .then(|| quoted(words.iter().map(ToString::to_string))),
            ..Words::default()
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
            files,
            ..Words::default()
        });
    }
    let rest = rest.join(" ");
    match compile(&rest) {
        Ok(()) => Ok(Words {
            pattern,
            filter: Some(rest),
            files,
            ..Words::default()
        }),
        Err(detail) => match compile(&all) {
            Ok(()) => Ok(Words {
                filter: Some(all),
                files,
                ..Words::default()
            }),
            // The error of the first attempt, which concerns what the user meant as the filter.
            Err(_) => Err(WordsError::Filter {
                filter: rest,
                detail,
            }),
        },
    }
}

/// The index of the first of the trailing words that are files.
fn files_from(words: &[OsString], given: Given, names: &dyn Fn(&OsStr) -> Names) -> usize {
    let named: Vec<Names> = words
        .iter()
        .enumerate()
        .map(
            |(at, word)| match (word == "-", at > 0 || given.has_pattern) {
                (true, true) => Names::Capture,
                (_, may_be_input) => match names(word) {
                    // A bare name of a folder may also be a pattern or part of a filter.
                    Names::Folder if is_folder_name(word) => Names::Capture,
                    Names::Folder
                        if may_be_input && !word.to_str().is_some_and(is_filter_keyword) =>
                    {
                        Names::Capture
                    }
                    Names::Folder => Names::Nothing,
                    names => names,
                },
            },
        )
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
    files_from
}

/// Whether words that are a filter are meant as one, although ngrep takes the first as the pattern.
fn is_meant_as_filter(words: &[&str], given: Given) -> bool {
    // Words of the language that stay a pattern in the first place.
    const NOT_FIRST: [&str; 5] = ["and", "broadcast", "gateway", "multicast", "or"];
    let is_first = |word: &str| is_filter_keyword(word) && !NOT_FIRST.contains(&word);
    if given.ngrep || given.has_filter {
        return false;
    }
    match words {
        [word] if word.contains(char::is_whitespace) => {
            !given.about_pattern && !looks_up_a_name(word)
        }
        [word] => !given.about_pattern && is_first(word),
        [first, ..] => is_first(first),
        [] => false,
    }
}

/// Whether compiling the text may look up the name of a host or network. A text to search for is
/// not worth a query to a name server: `host unreachable`.
fn looks_up_a_name(text: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || "()!".contains(c));
    let mut before = "";
    words.any(|word| {
        let name = ["host", "net", "src", "dst", "gateway"].contains(&before)
            && word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && word != "localhost"
            && !is_filter_keyword(word);
        if !word.is_empty() {
            before = word;
        }
        name && !word.is_empty()
    })
}

/// Whether a word is certainly a path, if it names a folder: `.`, `..`, `captures/`.
fn is_folder_name(word: &OsStr) -> bool {
    word == "." || word == ".." || word.as_encoded_bytes().contains(&b'/')
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
        let given = Given {
            has_pattern,
            ngrep: true,
            ..Given::default()
        };
        decided_with(line, given)
    }

    fn decided_with(line: &str, given: Given) -> Result<Words, WordsError> {
        let words: Vec<OsString> = line
            .split(' ')
            .filter(|w| !w.is_empty())
            .map(|w| w.replace("''", "").replace('_', " ").into())
            .collect();
        let names = |word: &OsStr| match word.to_str() {
            Some("zero.pcap1" | "zero") => Names::Empty,
            Some("a.pcap" | "b.pcap") => Names::Capture,
            Some("folder" | "folder/" | "." | "tcp") => Names::Folder,
            _ => Names::Nothing,
        };
        decide(&words, given, &names, &mut compiles)
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
            text_instead: None,
        })
    }

    #[test]
    fn words_of_the_filter_language_are_a_filter() {
        let plain = Given::default();
        let about_pattern = Given {
            about_pattern: true,
            ..plain
        };
        let has_filter = Given {
            has_filter: true,
            ..plain
        };
        let table = [
            ("tcp port 80", plain, None, Some("tcp port 80"), true),
            ("not port 80", plain, None, Some("not port 80"), true),
            ("tcp", plain, None, Some("tcp"), true),
            ("tcp a.pcap", plain, None, Some("tcp"), true),
            ("tcp_port_80", plain, None, Some("tcp port 80"), true),
            // ngrep takes these as a filter as well.
            ("port 80", plain, None, Some("port 80"), false),
            (
                "tcp and port 80",
                plain,
                None,
                Some("tcp and port 80"),
                false,
            ),
            // No filter: the first word is searched for.
            ("host port 80", plain, Some("host"), Some("port 80"), false),
            ("less", plain, Some("less"), None, false),
            ("GET tcp", plain, Some("GET"), Some("tcp"), false),
            ("not_found", plain, Some("not found"), None, false),
            ("tcp", about_pattern, Some("tcp"), None, false),
            (
                "tcp port 80",
                about_pattern,
                None,
                Some("tcp port 80"),
                true,
            ),
            ("tcp", has_filter, Some("tcp"), None, false),
        ];
        for (line, given, pattern, filter, all_filter) in table {
            let got = decided_with(line, given).expect(line);
            assert_eq!(
                (got.pattern.as_deref(), got.filter.as_deref()),
                (pattern, filter),
                "{line}"
            );
            let quoted = line
                .contains('_')
                .then(|| format!("'{}'", line.replace('_', " ")));
            let text = all_filter.then(|| quoted.unwrap_or_else(|| line.replace(" a.pcap", "")));
            assert_eq!(got.text_instead, text, "{line}");
        }
    }

    #[test]
    fn no_name_is_looked_up_for_a_text() {
        for (text, want) in [
            ("host unreachable", true),
            ("not src foo", true),
            ("host 10.0.0.1 and not port 22", false),
            ("host localhost", false),
            ("src port 80", false),
            ("host example.com", false),
            ("tcp[13] & 2 != 0", false),
        ] {
            assert_eq!(looks_up_a_name(text), want, "{text}");
        }
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
    fn folders_with_captures_are_input_where_they_are_no_text() {
        let plain = Given::default();
        for (line, pattern, files) in [
            ("GET folder", Some("GET"), &["folder"][..]),
            ("GET .", Some("GET"), &["."]),
            ("folder/", None, &["folder/"]),
            ("folder", Some("folder"), &[]),
            ("GET folder a.pcap", Some("GET"), &["folder", "a.pcap"]),
            ("GET tcp", Some("GET"), &[]),
        ] {
            let got = decided_with(line, plain).expect(line);
            let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
            assert_eq!(
                (got.pattern.as_deref(), got.files),
                (pattern, files),
                "{line}"
            );
        }
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

//! Hints: what the user may have meant instead.
//!
//! Pure functions of the words; they never change the behaviour.

use std::path::Path;

use crate::capture::FormatError;
use crate::capture::filter::Filter;
use crate::capture::savefile::{self, Named};
use crate::frame::LinkType;

use super::problem::Problem;
use super::words::{self, Words};

/// Files are not read in the given order.
pub const IN_ORDER: &str = "files are read in the order of their first packets, which is not the given one; --as-given keeps that";

/// A pipe is on standard input, and interfaces are captured.
pub const UNREAD_PIPE: &str =
    "standard input is a pipe, which is not read; to read a capture from it: spygrep PATTERN -";

/// A pattern that may have been meant as a filter, or the other way round, or a URL.
#[must_use]
pub fn pattern(words: &Words, pattern: &str, ngrep: bool) -> Option<String> {
    if ngrep {
        return None;
    }
    let filter = words.filter.as_deref().unwrap_or_default();
    if let Some(text) = &words.text_instead {
        return Some(format!(
            "\"{filter}\" is the capture filter; to search for the text: spygrep --regexp {text}"
        ));
    }
    words.pattern.as_ref()?;
    if let Some((host, path)) = url(pattern) {
        let host = words::quoted(std::iter::once(host));
        let path = words::quoted(std::iter::once(format!("^{}", regex::escape(&path))));
        return Some(format!(
            "a URL is not in the text of a request; its parts are: --host {host} --path {path}"
        ));
    }
    if words::is_filter_keyword(pattern) {
        return Some(match filter {
            "" => format!(
                "searching for the text \"{pattern}\"; for a filter alone: spygrep '' {pattern}"
            ),
            _ => format!(
                "\"{pattern}\" was read as the pattern; for a filter alone: spygrep '' {pattern} {filter}"
            ),
        });
    }
    let port = !pattern.is_empty()
        && pattern.len() <= 5
        && pattern.bytes().all(|byte| byte.is_ascii_digit());
    (port && filter.is_empty()).then(|| {
        format!("{pattern} is a regex (it matches \"Host: localhost:{pattern}\"); for the port: spygrep port {pattern}")
    })
}

/// Host without port, and path without query, of a pasted URL.
fn url(text: &str) -> Option<(String, String)> {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))?;
    let (host, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = match (host.strip_prefix('['), host.rsplit_once(':')) {
        (Some(address), _) => address.split(']').next().unwrap_or_default(),
        (None, Some((host, port))) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    (!host.is_empty()).then(|| (host.to_owned(), path.to_owned()))
}

/// The usage hint if nothing is requested.
#[must_use]
pub fn nothing_asked(words: &Words, pattern: &str, otherwise: bool) -> Option<String> {
    let nothing = pattern.is_empty()
        && words.pattern.is_none()
        && words.filter.is_none()
        && words.files.is_empty();
    (nothing && !otherwise).then(|| {
        "first a pattern, then a tcpdump filter: spygrep 'GET|POST' port 5000   (spygrep -h)"
            .to_owned()
    })
}

/// The error for a filter that does not compile, with the wrong word underlined if it can be found.
#[must_use]
pub fn filter_problem(filter: &str, detail: &str) -> Problem {
    let mut problem = Problem::new(format!("the capture filter is not valid: \"{filter}\""));
    match bottleneck(filter) {
        Some((at, word)) => {
            let column = "spygrep: error: the capture filter is not valid: \"".len() - 2 + at;
            let meant = closest(word)
                .map(|known| format!(" perhaps: {known}"))
                .unwrap_or_default();
            problem = problem.advise(format!(
                "{}{}{meant}",
                " ".repeat(column),
                "^".repeat(word.len())
            ));
        }
        None => {
            problem = problem.advise(detail.trim_start_matches("can't parse filter expression: "));
        }
    }
    problem.advise("filters are tcpdump's: port 5000, host 10.0.0.1, tcp and not port 22")
}

/// The error for a word that was meant as a file: it is no capture, does not exist, or comes before
/// the filter.
#[must_use]
pub fn file_problem(filter: &str) -> Option<Problem> {
    let named = |word: &&str| {
        [".pcap", ".pcapng", ".cap", ".gz", ".zst"]
            .iter()
            .any(|ending| word.ends_with(ending))
    };
    let missing = |word: &str| {
        Problem::new(format!("there is no file {word}"))
            .advise("is it in another folder? ls -l *.pcap*")
    };
    let is_missing = |word: &&str| named(word) && !Path::new(word).exists();
    if let Some(word) = filter.split_whitespace().find(is_missing) {
        return Some(missing(word));
    }
    if let Some((word, rest)) = filter.split_once(char::is_whitespace)
        && Path::new(word).is_file()
    {
        return Some(
            Problem::new(format!("the file {word} comes before the filter"))
                .advise(format!("files come last:  spygrep PATTERN {rest} {word}")),
        );
    }
    let word = filter.split_whitespace().last()?;
    let path = Path::new(word);
    if let Named::Other(Some(what)) = savefile::named(path) {
        return Some(match what {
            FormatError::Directory => {
                Problem::new(format!("there is no capture file in the folder {word}"))
                    .advise("folders in it are not searched: name the files, or their folder")
            }
            what => Problem::no_capture(path, what),
        });
    }
    None
}

/// The first word at which the filter breaks: the words before it form a filter. libpcap gives no
/// position.
fn bottleneck(filter: &str) -> Option<(usize, &str)> {
    let unknown = |word: &str| {
        word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !words::is_filter_keyword(word)
            && Filter::check(&format!("host {word}"), LinkType::ETHERNET).is_err()
            && Filter::check(word, LinkType::ETHERNET).is_err()
    };
    filter
        .split_whitespace()
        .find(|word| unknown(word))
        .map(|word| (filter.find(word).unwrap_or(0), word))
}

/// The keyword that differs in one letter, or by a swap of two.
fn closest(word: &str) -> Option<&'static str> {
    const KNOWN: [&str; 12] = [
        "port",
        "host",
        "portrange",
        "proto",
        "tcp",
        "udp",
        "icmp",
        "src",
        "dst",
        "net",
        "vlan",
        "not",
    ];
    KNOWN.into_iter().find(|known| words::is_close(known, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_word_of_a_filter_is_underlined() {
        let text = filter_problem("prot 5000", "syntax error").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "spygrep: error: the capture filter is not valid: \"prot 5000\""
        );
        assert_eq!(lines[1].find('^'), lines[0].find("prot"));
        assert!(lines[1].ends_with("^^^^ perhaps: port"), "{text}");
    }

    #[test]
    fn a_pattern_that_looks_like_a_filter_gives_a_hint() {
        let words = |pattern: &str, filter: Option<&str>| Words {
            pattern: Some(pattern.into()),
            filter: filter.map(str::to_owned),
            ..Words::default()
        };
        assert!(
            pattern(&words("not", Some("port 80")), "not", false)
                .unwrap()
                .contains("spygrep '' not port 80")
        );
        assert!(
            pattern(&words("5000", None), "5000", false)
                .unwrap()
                .contains("spygrep port 5000")
        );
        assert_eq!(pattern(&words("5000", Some("tcp")), "5000", false), None);
        assert_eq!(pattern(&words("hello", None), "hello", false), None);
        assert_eq!(pattern(&words("not", None), "not", true), None);
        let url = |text: &str| pattern(&words(text, None), text, false).unwrap_or_default();
        for (text, want) in [
            ("http://localhost:5000/", "--host localhost --path '^/'"),
            ("https://a.test/x.y?z#q", r"--host a.test --path '^/x\.y'"),
            ("http://[::1]:80", "--host ::1 --path '^/'"),
            ("http://", ""),
            ("ftp://a/", ""),
        ] {
            assert!(url(text).ends_with(want), "{text}: {}", url(text));
            assert_eq!(url(text).is_empty(), want.is_empty(), "{text}");
        }
    }

    #[test]
    fn words_that_are_all_the_filter_give_a_hint() {
        let words = Words {
            filter: Some("tcp port 80".to_owned()),
            text_instead: Some("tcp port 80".to_owned()),
            ..Words::default()
        };
        assert_eq!(
            pattern(&words, "", false).unwrap(),
            "\"tcp port 80\" is the capture filter; to search for the text: spygrep --regexp tcp port 80"
        );
        assert_eq!(pattern(&words, "", true), None);
    }
}

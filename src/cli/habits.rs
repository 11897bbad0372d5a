//! Habits of tcpdump and grep users that are valid here with another meaning.
//!
//! Each gives a hint and never changes the behaviour.

use std::path::Path;

use super::args::Args;
use super::problem::Problem;
use super::words::{self, Words};

/// A line width below this is rarely intended; it is more likely a count.
const NARROW: u16 = 40;
/// A context above this is rarely intended; it is more likely a size, as of tcpdump's buffer.
const MANY: usize = 500;

/// The hints for a command line, from its options, the interpretation of its words, and the names
/// of the machine's interfaces.
#[must_use]
pub(super) fn habits(args: &Args, words: &Words, interfaces: &[String]) -> Vec<String> {
    let first = args
        .words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    let is_capture = [".pcap", ".pcapng", ".cap"]
        .iter()
        .any(|ending| first.contains(ending));
    let has_pattern = words
        .pattern
        .as_ref()
        .is_some_and(|pattern| !pattern.is_empty())
        || !args.regexp.is_empty()
        || !args.pattern_files.is_empty();
    let mut hints = Vec::new();
    let mut hint = |when: bool, text: String| hints.extend(when.then_some(text));
    hint(
        args.ignore_case
            && (interfaces.iter().any(|name| name == first)
                || (looks_like_interface(first) && args.words.len() > 1)),
        format!("-i ignores case, as in grep; for the interface: -d {first}"),
    );
    hint(
        args.word && is_capture,
        format!("-w matches words, as in grep; to save packets: -O {first}"),
    );
    hint(
        args.container_names && !words.files.is_empty(),
        "-r is not needed: files are read as they are named".to_owned(),
    );
    hint(
        is_capture && words.files.is_empty() && !args.word,
        format!("there is no capture file {first}; it is searched for as text"),
    );
    hint(
        args.container_names && words.files.is_empty() && !is_capture,
        "-r is ngrep's option for the names of containers; addresses are shown as they are"
            .to_owned(),
    );
    hint(
        args.line_buffered && !words.files.is_empty(),
        "-l is always on, as every record is written at once; for the names of files: --list"
            .to_owned(),
    );
    hint(
        args.realtime && args.read.is_empty() && words.files.is_empty(),
        "-D replays a file at its own speed; to list interfaces: -L".to_owned(),
    );
    hint(
        args.invert && !has_pattern,
        "-v shows what does not match, and everything matches no pattern; for more detail: --pair, --body=full"
            .to_owned(),
    );
    hint(
        args.hex_pattern && !has_pattern,
        "-X takes the pattern as bytes; to see bytes beside the text: -x".to_owned(),
    );
    hint(
        args.color_always && first.len() < 4 && first.parse::<u16>().is_ok(),
        format!(
            "-C is colour, as in ngrep, and {first} the pattern; for neighbours: --context {first}"
        ),
    );
    if let Some(columns) = args.width.filter(|columns| (1..NARROW).contains(columns)) {
        hint(
            true,
            format!(
                "-c is the width of lines, as in ngrep; to stop after {columns} matches: -n {columns}; how many match: --count"
            ),
        );
    }
    if let Some(size) = args.before.filter(|before| *before >= MANY) {
        hint(
            true,
            format!(
                "-B shows messages before a match, as in grep; for the kernel's buffer: --buffer-size {size}k"
            ),
        );
    }
    if let Some(text) = args
        .nonprintable
        .as_deref()
        .filter(|text| text.chars().count() > 1)
    {
        hint(
            true,
            format!(
                "-P takes one character, shown for what cannot be shown; for a pattern: --regexp '{text}'"
            ),
        );
    }
    hints
}

/// A problem with words that make no sense: they may be the value that another tool takes with one
/// of our option letters, which is then the cause.
#[must_use]
pub(super) fn instead(args: &Args, problem: Problem) -> Problem {
    let first = args
        .words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    if args.show_empty && args.words.len() > 1 {
        let words = args.words.iter().filter_map(|word| word.to_str());
        let patterns: Vec<String> = words
            .take_while(|word| !Path::new(word).exists())
            .take(2)
            .map(|word| {
                format!(
                    "--regexp {}",
                    words::quoted(std::iter::once(word.to_owned()))
                )
            })
            .collect();
        return Problem::new(
            "-e takes no pattern: as in ngrep, it shows packets without payload too",
        )
        .advise(format!("for patterns: {}", patterns.join(" ")));
    }
    if args.color_always && first.parse::<u16>().is_ok() {
        return Problem::new("-C takes no number: as in ngrep, it is colour")
            .advise(format!("for neighbours: --context {first}"));
    }
    if args.hex_pattern {
        return problem.advise("-X takes the pattern as bytes; to see bytes beside the text: -x");
    }
    match &args.filter_file {
        Some(path) => problem.advise(format!(
            "-F names a file with the capture filter, as in ngrep; for plain text: --fixed-strings {}",
            path.display()
        )),
        None => problem,
    }
}

/// Whether a word looks like the name of an interface: `eth0`, `wlp3s0`, `lo`, `docker0`.
fn looks_like_interface(word: &str) -> bool {
    let prefix = [
        "eth", "en", "wl", "br-", "docker", "veth", "tun", "tap", "wg", "virbr", "bond",
    ];
    let named = prefix.iter().any(|prefix| word.starts_with(prefix));
    ["lo", "any"].contains(&word)
        || (named && word.bytes().any(|byte| byte.is_ascii_digit()) && word.len() < 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn args(line: &str) -> Args {
        let words = ["spygrep"].into_iter().chain(line.split(' '));
        Args::read(words.map(OsString::from)).expect(line)
    }

    /// The words as ngrep's algorithm takes them, approximately: the last is a file if it looks
    /// like one.
    fn words(args: &Args) -> Words {
        let all: Vec<String> = args
            .words
            .iter()
            .map(|word| word.display().to_string())
            .collect();
        let is_file = |word: &&String| word.ends_with(".here.pcap");
        let is_filter = all.first().is_some_and(|word| word == "port");
        Words {
            pattern: all
                .first()
                .filter(|word| !is_filter && !is_file(word))
                .cloned(),
            filter: is_filter.then(|| all.join(" ")),
            files: all.iter().filter(is_file).map(Into::into).collect(),
            text_instead: None,
        }
    }

    #[test]
    fn a_habit_gets_one_hint_and_plain_use_none() {
        let interfaces = ["any".to_owned(), "lo".to_owned()];
        let table = [
            ("-i lo port 80", "for the interface: -d lo"),
            ("-w x.pcap", "to save packets: -O x.pcap"),
            ("-r x.here.pcap", "-r is not needed"),
            ("-r x", "names of containers"),
            ("-r x.pcap", "there is no capture file x.pcap"),
            ("-i eth7 port 80", "for the interface: -d eth7"),
            ("-i eth7", ""),
            ("-i english port 80", ""),
            ("-l GET x.here.pcap", "-l is always on"),
            ("-l GET", ""),
            ("-D", "to list interfaces: -L"),
            ("-v port 80", "-v shows what does not match"),
            ("-X port 80", "bytes beside the text: -x"),
            ("-C 3 error", "--context 3"),
            ("-c 10 GET", "-n 10"),
            ("-B 4096 GET", "--buffer-size 4096k"),
            ("-P GET x", "--regexp 'GET'"),
            ("-i GET", ""),
            ("-w token", ""),
            ("-D x.here.pcap", ""),
            ("-v GET", ""),
            ("-v --regexp GET", ""),
            ("-C GET", ""),
            ("-X 474554", ""),
            ("-c 120 GET", ""),
            ("-c 0 GET", ""),
            ("-B 3 GET", ""),
            ("-P . GET", ""),
        ];
        for (line, wanted) in table {
            let args = args(line);
            let hints = habits(&args, &words(&args), &interfaces);
            match wanted {
                "" => assert_eq!(hints, Vec::<String>::new(), "{line}"),
                _ => assert!(
                    hints.len() == 1 && hints[0].contains(wanted),
                    "{line}: {hints:?}"
                ),
            }
        }
    }

    #[test]
    fn words_that_make_no_sense_are_explained_by_the_letter() {
        let table = [
            (
                "-e GET -e POST",
                "-e takes no pattern: as in ngrep, it shows packets without payload too\n  \
                 for patterns: --regexp GET --regexp POST",
            ),
            (
                "-C 3 error",
                "-C takes no number: as in ngrep, it is colour\n  for neighbours: --context 3",
            ),
            (
                "-X port 80",
                "cause\n  -X takes the pattern as bytes; to see bytes beside the text: -x",
            ),
            (
                "-F token",
                "cause\n  -F names a file with the capture filter, as in ngrep; for plain text: \
                 --fixed-strings token",
            ),
            ("GET prot 80", "cause"),
        ];
        for (line, wanted) in table {
            let got = instead(&args(line), Problem::new("cause"));
            assert_eq!(
                got.to_string(),
                format!("spygrep: error: {wanted}"),
                "{line}"
            );
        }
    }
}

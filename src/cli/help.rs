//! Help: `-h` is one screen, `--help` lists all options, `--help TOPIC` shows a page on one topic.
//!
//! All texts are static or generated from the table of options.

use clap::CommandFactory as _;

use super::args::Args;
use super::problem::Problem;
use crate::render::{OUTPUTS, masking};

/// `-h`: at most 24 lines of at most 80 columns, examples first.
pub const SHORT: &str = include_str!("help/short.txt");
/// The text after the options in `--help`.
const LONG: &str = include_str!("help/long.txt");
/// The pages, by name.
const TOPICS: [(&str, &str); 8] = [
    ("patterns", include_str!("help/patterns.txt")),
    ("filters", include_str!("help/filters.txt")),
    ("views", include_str!("help/views.txt")),
    ("exchanges", include_str!("help/exchanges.txt")),
    ("json", include_str!("help/json.txt")),
    ("streams", include_str!("help/streams.txt")),
    ("permissions", include_str!("help/permissions.txt")),
    ("ngrep", include_str!("help/ngrep.txt")),
];
/// Aliases of topics.
const ALSO: [(&str, &str); 6] = [
    ("regex", "patterns"),
    ("filter", "filters"),
    ("conditions", "exchanges"),
    ("outputs", "exchanges"),
    ("rights", "permissions"),
    ("root", "permissions"),
];

/// `--help`: all options, grouped.
#[must_use]
pub fn all() -> String {
    let mut command = Args::command();
    format!("{}\n{LONG}", command.render_help())
}

/// The sections after the options: their headings, and their lines without indentation. Excludes
/// the list of topics.
pub(super) fn sections() -> Vec<(&'static str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in LONG.lines() {
        match (line.strip_suffix(':'), sections.last_mut()) {
            (Some(heading), _) if !line.starts_with(' ') => sections.push((heading, String::new())),
            (_, Some((_, text))) => {
                text.push_str(line.strip_prefix("  ").unwrap_or(line));
                text.push('\n');
            }
            (_, None) => {}
        }
    }
    sections.retain(|(heading, _)| !heading.starts_with("Topics"));
    sections
}

/// `--help TOPIC`.
///
/// # Errors
/// If there is no such page; the error lists the topics.
pub fn topic(name: &str) -> Result<String, Problem> {
    let name = name.to_ascii_lowercase();
    let name = ALSO
        .iter()
        .find(|(other, _)| *other == name)
        .map_or(name.as_str(), |(_, known)| known);
    let page = TOPICS.iter().find(|(known, _)| *known == name);
    page.map(|(_, text)| wrapped(&with_outputs(text), COLUMNS))
        .ok_or_else(|| {
            let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
            Problem::new(format!("there is no help on \"{name}\""))
                .advise(format!("topics:  {}", names.join("  ")))
                .advise("options: spygrep --help    on one screen: spygrep -h")
        })
}

/// Width of a topic's page.
const COLUMNS: usize = 80;

/// Wraps what is wider than `columns`: a paragraph as a whole, the second column of a table within
/// that column, and any other indented line with two more blanks.
#[must_use]
pub(super) fn wrapped(text: &str, columns: usize) -> String {
    let indent = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut rest) = (String::new(), lines.as_slice());
    while let Some((first, after)) = rest.split_first() {
        let hang = match (indent(first), second_column(first)) {
            (0, _) => 0,
            (_, Some(at)) if at < columns * 2 / 3 => at,
            (indented, _) => indented + 2,
        };
        let belongs = |line: &&&str| !line.trim().is_empty() && indent(line) == hang;
        let many = 1 + match first.trim().is_empty() {
            true => 0,
            false => after.iter().take_while(belongs).count(),
        };
        let (block, next) = rest.split_at(many);
        rest = next;
        if block.iter().all(|line| line.chars().count() <= columns) {
            out.extend(block.iter().flat_map(|line| [*line, "\n"]));
            continue;
        }
        // The blanks that align the first line stay as they are.
        let start = if hang > indent(first) + 2 {
            hang
        } else {
            indent(first)
        };
        let (mut line, words): (String, String) = (
            first.chars().take(start).collect(),
            first.chars().skip(start).collect(),
        );
        let words = format!("{words} {}", block[1..].join(" "));
        let mut is_empty = true;
        for word in words.split_whitespace() {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > columns {
                out.extend([line.as_str(), "\n"]);
                line = " ".repeat(hang);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        out.extend([line.as_str(), "\n"]);
    }
    out
}

/// Where the second column of a line begins: after the first run of blanks inside it.
fn second_column(line: &str) -> Option<usize> {
    let begin = line.len() - line.trim_start().len();
    let gap = line.get(begin..)?.find("  ")? + begin;
    let rest = line.get(gap..)?;
    let blanks = rest.len() - rest.trim_start().len();
    Some(line.get(..gap + blanks)?.chars().count())
}

/// The pages, by name.
pub(super) fn pages() -> impl Iterator<Item = (&'static str, String)> {
    TOPICS
        .iter()
        .map(|(name, page)| (*name, with_outputs(page)))
}

/// A page with the lines of the table of outputs in the places for them.
fn with_outputs(page: &str) -> String {
    let examples = OUTPUTS.iter().flat_map(|format| format.examples);
    let lines: String = examples
        .map(|(typed, what)| format!("  {typed:<30} {what}\n"))
        .collect();
    page.replace("{outputs}\n", &lines)
        .replace("{masking}", &masking())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options named in a text: `-i`, `--and`, `-qqq` as `-q`.
    fn named(text: &str) -> Vec<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words
            .filter_map(|word| match word.strip_prefix("--") {
                Some(long) if !long.is_empty() && !long.starts_with('-') => Some(word.to_owned()),
                Some(_) => None,
                None => {
                    let letter = word.strip_prefix('-')?.chars().next()?;
                    let all = word[1..].chars().all(|c| c == letter);
                    (letter.is_ascii_alphabetic() && all).then(|| format!("-{letter}"))
                }
            })
            .collect()
    }

    #[test]
    fn each_option_that_a_text_names_is_there() {
        let command = Args::command();
        let known: Vec<String> = command
            .get_arguments()
            .flat_map(|arg| {
                let short = arg.get_short_and_visible_aliases().unwrap_or_default();
                let short = short.into_iter().map(|letter| format!("-{letter}"));
                let long = arg.get_long().map(|long| format!("--{long}"));
                short.chain(long).collect::<Vec<_>>()
            })
            .collect();
        // Options of tcpdump and nsenter, in examples.
        let others = ["-U", "--target", "--net"];
        let pages = pages().map(|(_, text)| text);
        for page in pages.chain([SHORT.to_owned(), LONG.to_owned()]) {
            for option in named(&page) {
                // `-r` in an example is an option of jq or sort.
                let theirs = others.contains(&option.as_str());
                assert!(theirs || known.contains(&option), "{option} in:\n{page}");
            }
        }
        assert_eq!(
            named("--and P, -qqq, a-b --color=x"),
            ["--and", "-q", "--color"]
        );
    }

    #[test]
    fn pages_are_short_and_narrow() {
        for (name, page, lines, columns) in
            pages().map(|(name, page)| (name, page, 30, 92)).chain([
                ("-h", SHORT.to_owned(), 24, 80),
                ("after --help", LONG.to_owned(), 40, 92),
            ])
        {
            assert!(page.lines().count() <= lines, "{name} is too long");
            for line in page.lines() {
                assert!(line.chars().count() <= columns, "{name}: {line}");
            }
        }
    }

    #[test]
    fn what_is_too_wide_is_wrapped_in_its_column() {
        for (text, want) in [
            ("short\nlines\n", "short\nlines\n"),
            (
                "a paragraph of words that are\ntoo wide\n\nx\n",
                "a paragraph of words\nthat are too wide\n\nx\n",
            ),
            (
                "  -a   what the option does\n  -b   b\n",
                "  -a   what the\n       option does\n  -b   b\n",
            ),
            (
                "  -a   what it does and\n       more\n",
                "  -a   what it does\n       and more\n",
            ),
            (
                "  a command that is long\n  b\n",
                "  a command that is\n    long\n  b\n",
            ),
        ] {
            assert_eq!(wrapped(text, 20), want);
        }
        for (name, page) in pages() {
            for columns in [COLUMNS, 72] {
                for line in wrapped(&page, columns).lines() {
                    assert!(line.chars().count() <= columns, "{name}: {line}");
                }
            }
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(words(&wrapped(&page, 60)), words(&page));
        }
    }

    #[test]
    fn a_topic_has_its_page_and_another_word_the_list() {
        for (name, begins) in [
            ("patterns", "Patterns"),
            ("JSON", "--json"),
            ("conditions", "An exchange"),
            ("filter", "Capture filters"),
        ] {
            assert!(topic(name).unwrap().starts_with(begins), "{name}");
        }
        let wrong = topic("tls").unwrap_err().to_string();
        assert!(wrong.contains("no help on \"tls\"") && wrong.contains("patterns  filters"));
        for (name, _) in TOPICS {
            assert!(LONG.contains(name) && SHORT.contains(name), "{name}");
        }
    }
}

//! Rewrites clap's errors: what is wrong, and what may have been meant.
//!
//! An error has at most four lines.

use std::error::Error as _;
use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Args;
use super::problem::Problem;

/// Options of other tools that are used without their number or do not exist here, with advice.
const HABITS: &[(&str, &str)] = &[
    (
        "-n",
        "spygrep never looks names up, so tcpdump's -n is not needed",
    ),
    (
        "-c",
        "-c is the width of lines, as in ngrep; how many match: --count; stop after some: -n NUM",
    ),
    ("-A", "text is always shown, so tcpdump's -A is not needed"),
    ("-S", "tcpdump's -S is not needed; for case: -i"),
    (
        "-E",
        "patterns are regular expressions already; leave -E out",
    ),
    (
        "-G",
        "patterns are regular expressions already; leave -G out",
    ),
    ("-a", "all bytes are searched; leave -a out"),
    ("-b", "each record has its number: #N"),
    ("-g", "capture filters are words: spygrep PATTERN port 80"),
    ("-j", "JSON is --json"),
    (
        "-U",
        "every packet and record is written at once; leave -U out",
    ),
    ("-Y", "conditions on messages: spygrep --help exchanges"),
    ("-Z", "to become somebody else: --user NAME"),
    (
        "--line-buffered",
        "every record is written when it is complete; leave it out",
    ),
    (
        "--immediate-mode",
        "every record is written when it is complete; leave it out",
    ),
    ("--list-devices", "to list the interfaces: -L"),
    ("--list-interface", "to list the interfaces: -L"),
    ("--interface", "for the interface: -d IF"),
    (
        "--filter",
        "capture filters are words: spygrep PATTERN port 80",
    ),
    (
        "--recursive",
        "a folder is read with the captures in it; leave it out",
    ),
    ("--files-with-matches", "for the names of files: --list"),
    (
        "--extended-regexp",
        "patterns are regular expressions already; leave it out",
    ),
];

/// The error with matching advice; `typed` is the command line.
#[must_use]
pub fn problem(error: &clap::Error, typed: &[OsString]) -> Problem {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let shown = text(ContextKind::InvalidArg).unwrap_or_default();
    // clap gives an option by its long name and with its value: `--max-count <NUM>`.
    let name = shown.split([' ', '=', '[', '<']).next().unwrap_or_default();
    let option = Known::find(name);
    let name = option.as_typed(name, typed);
    let name = name.as_str();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::UnknownArgument if name == "--port" => {
            return Problem::new("there is no option --port")
                .advise(format!("for a port: spygrep port {}", port(typed)));
        }
        ErrorKind::UnknownArgument => {
            let problem = Problem::new(format!("there is no option {name}"));
            let has_advice = HABITS.iter().any(|(habit, _)| *habit == name);
            match suggested(error).filter(|_| !has_advice) {
                Some(meant) => problem.advise(format!("did you mean {meant}?")),
                None => problem,
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            Problem::new(format!("{name} wants {}", option.value_text()))
        }
        ErrorKind::InvalidValue => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(all)) => all.join(", "),
                _ => option.value_text(),
            };
            Problem::new(format!("{name} wants {valid}; \"{value}\" is none of them"))
        }
        ErrorKind::ValueValidation => match error.source().map(ToString::to_string) {
            Some(reason) if reason.starts_with('"') => Problem::new(format!("{name}: {reason}")),
            _ => Problem::new(format!(
                "{name} wants {}, not \"{value}\"",
                option.value_text()
            )),
        },
        ErrorKind::TooManyValues => {
            Problem::new(format!("{name} takes no value; \"{value}\" is one"))
        }
        ErrorKind::InvalidUtf8 => Problem::new("what was typed is not UTF-8"),
        _ => {
            let text = error.to_string();
            let text = text.lines().next().unwrap_or_default();
            Problem::new(text.trim_start_matches("error: "))
        }
    };
    let letter = option.letter();
    let habit = HABITS
        .iter()
        .find(|(habit, _)| *habit == name || letter.as_deref() == Some(*habit));
    let problem = match habit {
        Some((_, advice)) => problem.advise(*advice),
        None => problem,
    };
    if error.kind() == ErrorKind::UnknownArgument && habit.is_none() {
        return problem
            .advise(format!(
                "for a pattern that begins with a dash: spygrep --regexp='{name}'"
            ))
            .advise("all options: spygrep --help");
    }
    problem
}

/// The number after `--port`, or an example.
fn port(typed: &[OsString]) -> &str {
    let mut words = typed.iter().filter_map(|word| word.to_str());
    let number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let given = words.by_ref().find_map(|word| {
        word.strip_prefix("--port")
            .map(|rest| rest.strip_prefix('='))
    });
    let given = given.and_then(|inside| inside.or_else(|| words.next()));
    given.filter(number).unwrap_or("5000")
}

/// clap's suggestion.
fn suggested(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(meant) => Some(meant.clone()),
        _ => None,
    }
}

/// An option of the table.
struct Known(Option<clap::Arg>);

impl Known {
    fn find(name: &str) -> Self {
        let found = Args::command()
            .get_arguments()
            .find(|arg| {
                let long = arg.get_long().map(|long| format!("--{long}"));
                let letters = arg.get_short_and_visible_aliases().unwrap_or_default();
                long.as_deref() == Some(name) || letters.iter().any(|it| format!("-{it}") == name)
            })
            .cloned();
        Self(found)
    }

    /// The value that the option needs.
    fn value_text(&self) -> String {
        let names = self.0.as_ref().and_then(clap::Arg::get_value_names);
        let value = names
            .and_then(|names| names.first())
            .map_or("", |name| name.as_str());
        match value {
            "NUM" | "N" => "a number".into(),
            "BYTES" => "a size: 65536, 64k, 16M".into(),
            "COLUMNS" => "a number of columns".into(),
            "DURATION" => "a duration: 500ms, 2s, 1m".into(),
            "FILE" => "the name of a file".into(),
            "DIR" => "the name of a folder".into(),
            "IF" => "the name of an interface".into(),
            "PATTERN" | "REGEX" => "a pattern".into(),
            "" => "a value".into(),
            // `in|out`: the possible values themselves.
            other => other.replace('|', ", "),
        }
    }

    fn letter(&self) -> Option<String> {
        let letter = self.0.as_ref().and_then(clap::Arg::get_short)?;
        Some(format!("-{letter}"))
    }

    /// The option by its letter, unless the long name was typed.
    fn as_typed(&self, long: &str, typed: &[OsString]) -> String {
        let is_long = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with(long));
        match self.letter() {
            Some(letter) if !typed.iter().any(is_long) => letter,
            _ => long.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        let words = ["spygrep"].into_iter().chain(line.split(' '));
        let typed: Vec<OsString> = words.map(OsString::from).collect();
        let error = Args::read(typed.clone()).expect_err(line);
        problem(&error, &typed).to_string()
    }

    #[test]
    fn errors_say_what_is_wanted_and_what_may_have_been_meant() {
        let table = [
            (
                "-n port 80",
                "-n wants a number, not \"port\"",
                "never looks names up",
            ),
            (
                "-nn port 80",
                "-n wants a number, not \"n\"",
                "never looks names up",
            ),
            ("x -n", "-n wants a number", "never looks names up"),
            (
                "--max-count many x",
                "--max-count wants a number, not \"many\"",
                "names up",
            ),
            (
                "-c GET",
                "-c wants a number of columns, not \"GET\"",
                "--count",
            ),
            (
                "-A port 80",
                "-A wants a number, not \"port\"",
                "text is always shown",
            ),
            ("-S port 80", "-S: \"port\" is no size", "-i"),
            (
                "-W 80 x",
                "-W wants spy, log, byline, normal, single, none",
                "\"80\" is none of them",
            ),
            (
                "--body all x",
                "--body wants none, short, full",
                "\"all\" is none of them",
            ),
            (
                "-Q inout x",
                "-Q wants in, out",
                "\"inout\" is none of them",
            ),
            ("--slow 5 x", "--slow: \"5\" is no duration", "500ms"),
            (
                "--status 9 x",
                "--status: \"9\" is no list of statuses",
                "5xx",
            ),
            (
                "--acept x",
                "there is no option --acept",
                "spygrep --regexp='--acept'",
            ),
            (
                "--coutn x",
                "there is no option --coutn",
                "did you mean --count?",
            ),
            (
                "-E x",
                "there is no option -E",
                "regular expressions already",
            ),
            ("-j x", "there is no option -j", "--json"),
            (
                "--port 80 x",
                "there is no option --port",
                "spygrep port 80",
            ),
            ("--port=80", "there is no option --port", "spygrep port 80"),
            ("x --port", "there is no option --port", "spygrep port 5000"),
            ("-Z nobody x", "there is no option -Z", "--user"),
            (
                "--line-buffered x",
                "there is no option --line-buffered",
                "leave it out",
            ),
            ("--pair=yes x", "--pair takes no value", "\"yes\" is one"),
            (
                "--generate troff",
                "--generate wants man, complete-bash",
                "\"troff\"",
            ),
            ("x -I", "-I wants the name of a file", ""),
        ];
        for (line, what, advice) in table {
            let text = message(line);
            assert!(
                text.starts_with(&format!("spygrep: error: {what}")),
                "{line}: {text}"
            );
            assert!(text.contains(advice), "{line}: {text}");
            assert!(text.lines().count() <= 4, "{line}: {text}");
        }
    }
}

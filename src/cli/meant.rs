//! Interprets the words and options for patterns, filters and conditions, and compiles them.
//!
//! Opens nothing but pattern files.

use std::ffi::OsStr;
use std::path::Path;

use crate::capture::filter::Filter;
use crate::capture::savefile::{self, Named, StandardInput};
use crate::capture::{FormatError, devices};
use crate::frame::LinkType;
use crate::process::ProcessConditions;
use crate::search::{Conditions, Options, Query, QuerySpec};

use super::args::Args;
use super::problem::Problem;
use super::words::{self, Given, Names, Words, WordsError};
use super::{conditions, habits};

/// The interpretation of a command line.
pub(super) struct Meant {
    pub(super) words: Words,
    pub(super) asked: QuerySpec,
    pub(super) conditions: Conditions,
    pub(super) processes: ProcessConditions,
    /// Hints on what the user may have meant instead.
    pub(super) hints: Vec<String>,
}

/// Interprets `args`, and compiles the query. Opens nothing but pattern files.
pub(super) fn meant(args: &Args, ngrep: bool) -> Result<(Meant, Query), Problem> {
    if args.kill.is_some() {
        return Err(Problem::new(
            "spygrep only listens: it sends nothing, so there is no -K",
        ));
    }
    let instead = |problem: Problem| habits::instead(args, problem);
    let (words, patterns) = meaning(args, ngrep).map_err(instead)?;
    let interfaces = match args.ignore_case {
        true => devices::list().unwrap_or_default(),
        false => Vec::new(),
    };
    let interfaces: Vec<String> = interfaces.into_iter().map(|device| device.name).collect();
    let hints = habits::habits(args, &words, &interfaces);
    let asked = asked(args, &words, patterns, ngrep)?;
    // Compiled here so that an invalid pattern is reported before anything is opened.
    let query = Query::compile(&asked).map_err(|error| instead(Problem::pattern(&error)))?;
    let conditions = conditions::conditions(&args.exchanges)?;
    if (ngrep || args.wire) && !conditions.is_empty() {
        return Err(Problem::new(
            "conditions on exchanges need messages: leave out --ngrep or --wire",
        ));
    }
    let processes = conditions::processes(args)?;
    if ngrep && !processes.is_empty() {
        return Err(Problem::new(
            "conditions on processes need messages: leave out --ngrep",
        ));
    }
    let meant = Meant {
        words,
        asked,
        conditions,
        processes,
        hints,
    };
    Ok((meant, query))
}

/// The interpretation of the words, and the patterns given by options.
fn meaning(args: &Args, ngrep: bool) -> Result<(Words, Vec<String>), Problem> {
    let mut patterns = args.regexp.clone();
    for path in &args.pattern_files {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::new(format!(
                "cannot read the patterns in {}: {error}",
                path.display()
            ))
        })?;
        patterns.extend(text.lines().map(str::to_owned));
    }
    let has_pattern = !args.regexp.is_empty() || !args.pattern_files.is_empty();
    let names = |word: &OsStr| match savefile::named(Path::new(word)) {
        _ if ngrep => Names::Nothing,
        Named::Capture => Names::Capture,
        Named::Other(Some(FormatError::Empty)) => Names::Empty,
        Named::Other(Some(FormatError::Directory)) if has_captures(Path::new(word)) => {
            Names::Folder
        }
        Named::Other(_) => Names::Nothing,
    };
    // The words are compiled for Ethernet: whether they are a filter hardly depends on the link
    // type, and no source is open yet.
    let mut compiles = |text: &str| {
        if args.filter_file.is_some() {
            return Ok(());
        }
        Filter::check(text, LinkType::ETHERNET).map_err(|error| error.detail)
    };
    let given = Given {
        has_pattern,
        ngrep,
        has_filter: args.filter_file.is_some(),
        about_pattern: args.ignore_case
            || args.word
            || args.invert
            || args.hex_pattern
            || args.fixed_strings
            || args.has_output(|format| format.option == "only-matching"),
    };
    let mut words =
        words::decide(&args.words, given, &names, &mut compiles).map_err(|error| match error {
            WordsError::NotText(word) => Problem::new(format!(
                "\"{}\" is neither UTF-8 nor a capture file",
                word.display()
            )),
            WordsError::Filter { filter, detail } => super::hints::file_problem(&filter)
                .filter(|_| !ngrep)
                .unwrap_or_else(|| super::hints::filter_problem(&filter, &detail)),
        })?;
    let unread = args.read.is_empty() && words.files.is_empty() && args.devices.is_empty();
    if !ngrep && unread && savefile::standard_input() == StandardInput::Capture {
        words.files.push("-".into());
    }
    Ok((words, patterns))
}

fn has_captures(folder: &Path) -> bool {
    savefile::in_folder(folder).is_ok_and(|files| !files.is_empty())
}

fn asked(
    args: &Args,
    words: &Words,
    mut patterns: Vec<String>,
    ngrep: bool,
) -> Result<QuerySpec, Problem> {
    if args.hex_pattern && (args.ignore_case || args.word) {
        return Err(Problem::new(
            "-X gives bytes, so -i and -w mean nothing with it",
        ));
    }
    patterns.extend(words.pattern.clone());
    let options = Options {
        ignore_case: args.ignore_case,
        word: args.word && !ngrep,
        fixed_strings: args.fixed_strings,
        hex: args.hex_pattern,
        unicode: args.unicode,
        dot_all: (args.dotall || ngrep) && !args.no_dotall,
        line_anchors: true,
        crlf: !ngrep,
        lazy: ngrep,
        plain_x: ngrep,
        any_byte: !ngrep && !args.no_dotall,
    };
    patterns.retain(|pattern| !pattern.is_empty());
    if ngrep && args.word {
        // Like ngrep's -w, with the group around the pattern that ngrep omits.
        patterns = patterns
            .iter()
            .map(|word| format!(r"((^(?:{word})\W)|(\W(?:{word})$)|(\W(?:{word})\W))"))
            .collect();
    }
    Ok(QuerySpec {
        any: patterns,
        and: args.and.clone(),
        not: args.not.clone(),
        options,
    })
}

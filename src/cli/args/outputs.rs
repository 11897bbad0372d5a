//! The options that select an output. They are made from the table of outputs, with the texts of
//! its lines.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::cli::units;
use crate::render::{OUTPUTS, Output, OutputArgument, OutputFormat, OutputValue};

/// The selected outputs: those of messages, or the others, which the help lists elsewhere.
#[derive(Debug, Clone, Default)]
pub struct OutputArgs<const OF_MESSAGES: bool>(Vec<Chosen>);

/// An output that was selected on the command line.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The output.
    pub output: Output,
    /// Its file, if it takes one; `-` is standard output.
    file: Option<PathBuf>,
}

impl Chosen {
    /// The file to write; `None` for standard output.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| *path != Path::new("-"))
    }

    /// The output in words, with its argument.
    #[must_use]
    pub fn words(&self) -> String {
        let words = self.output.format.words;
        match (&self.file, self.output.argument) {
            (Some(path), _) => format!("{words} {}", path.display()),
            (None, OutputArgument::Number(number)) => format!("{words} #{number}"),
            (None, _) => words.to_owned(),
        }
    }
}

impl<const OF_MESSAGES: bool> OutputArgs<OF_MESSAGES> {
    /// The selected outputs, in the order of the table.
    #[must_use]
    pub fn chosen(&self) -> &[Chosen] {
        &self.0
    }

    fn formats() -> impl Iterator<Item = &'static OutputFormat> {
        OUTPUTS
            .iter()
            .filter(|format| format.of_messages == OF_MESSAGES)
    }
}

impl<const OF_MESSAGES: bool> clap::Args for OutputArgs<OF_MESSAGES> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::formats().map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const OF_MESSAGES: bool> clap::FromArgMatches for OutputArgs<OF_MESSAGES> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(
            Self::formats()
                .filter_map(|format| given(format, matches))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The option of an output.
fn option(format: &'static OutputFormat) -> Arg {
    let heading = match format.of_messages {
        true => "What to make of exchanges",
        false => "How to show it",
    };
    let option = Arg::new(format.option)
        .long(format.option)
        .short(format.letter)
        .help(format.help)
        .help_heading(heading);
    // An optional value is given with `=`: the next word is the pattern.
    let optional = |option: Arg| option.num_args(0..=1).require_equals(true);
    match format.value {
        OutputValue::Nothing => option.action(ArgAction::SetTrue),
        OutputValue::File => option
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf)),
        OutputValue::Number => option.value_name("N").value_parser(value_parser!(u64)),
        OutputValue::Every => optional(option.value_name("EVERY").value_parser(units::nanos)),
        OutputValue::Numbers => optional(option.value_name("A,B").value_parser(units::pair)),
        OutputValue::Form => {
            let names = format.forms.iter().map(|form| form_name(form));
            let names: Vec<&str> = names.collect();
            let option = option.value_name("FORM").hide_possible_values(true);
            optional(option.value_parser(PossibleValuesParser::new(names)))
        }
    }
}

/// The value that selects another form of an output.
fn form_name(form: &'static OutputFormat) -> &'static str {
    form.option.split('=').nth(1).unwrap_or_default()
}

/// The output, if its option was given.
fn given(format: &'static OutputFormat, matches: &ArgMatches) -> Option<Chosen> {
    let name = format.option;
    let chosen = |argument, file| Chosen {
        output: Output { format, argument },
        file,
    };
    if format.value == OutputValue::Nothing {
        let is_given = matches.get_flag(name);
        return is_given.then(|| chosen(OutputArgument::Nothing, None));
    }
    if !matches.contains_id(name) {
        return None;
    }
    let argument = match format.value {
        OutputValue::Form => {
            let named = matches.get_one::<String>(name);
            let mut forms = format.forms.iter().copied();
            let form = named.and_then(|named| forms.find(|form| form_name(form) == named));
            let format = form.unwrap_or(format);
            return Some(Chosen {
                output: Output {
                    format,
                    argument: OutputArgument::Nothing,
                },
                file: None,
            });
        }
        OutputValue::Nothing | OutputValue::File => OutputArgument::Nothing,
        OutputValue::Number => OutputArgument::Number(*matches.get_one(name)?),
        OutputValue::Every => OutputArgument::Every(matches.get_one(name).copied()),
        OutputValue::Numbers => OutputArgument::Numbers(matches.get_one(name).copied()),
    };
    let file = match format.value {
        OutputValue::File => matches.get_one::<PathBuf>(name).cloned(),
        _ => None,
    };
    Some(chosen(argument, file))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::Args;
    use super::*;

    fn chosen(line: &str) -> Vec<Chosen> {
        let words = ["spygrep"].into_iter().chain(line.split(' '));
        let args = Args::read(words.map(OsString::from)).expect(line);
        args.outputs().cloned().collect()
    }

    #[test]
    fn an_output_has_its_argument() {
        for (line, name, argument, words) in [
            ("--json x", "json", OutputArgument::Nothing, "JSON lines"),
            (
                "--json=rows x",
                "json=rows",
                OutputArgument::Nothing,
                "JSON rows, one for each exchange",
            ),
            (
                "--har a.har x",
                "har",
                OutputArgument::Nothing,
                "HTTP archive a.har",
            ),
            (
                "--curl 4 x",
                "curl",
                OutputArgument::Number(4),
                "a curl command for #4",
            ),
            (
                "--stats x",
                "stats",
                OutputArgument::Every(None),
                "a table of times",
            ),
            (
                "--stats=2s x",
                "stats",
                OutputArgument::Every(Some(2_000_000_000)),
                "a table of times",
            ),
            (
                "--diff 1,2 x",
                "diff",
                OutputArgument::Numbers(Some((1, 2))),
                "what differs",
            ),
            (
                "-o x",
                "only-matching",
                OutputArgument::Nothing,
                "the matched text",
            ),
        ] {
            let [found] = &chosen(line)[..] else {
                panic!("{line}");
            };
            assert_eq!(found.output.format.option, name, "{line}");
            assert_eq!(found.output.argument, argument, "{line}");
            assert_eq!(found.words(), words, "{line}");
        }
        assert!(chosen("x").is_empty());
        assert_eq!(chosen("--json -o x").len(), 2);
    }

    #[test]
    fn a_dash_is_standard_output() {
        assert_eq!(chosen("--har - x")[0].file(), None);
        let named = chosen("--har ./- x");
        assert_eq!(named[0].file(), Some(Path::new("./-")));
    }
}

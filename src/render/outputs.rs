//! The table of outputs. The command line, the help, the description of a run and the renderer of
//! a run are made from its lines, so an output is one file and one line.

use super::{Body, Out, Renderer, Settings};
use super::{curl, diff, display_filter, har, html, json, matches, overview, tally};

/// All outputs besides the records of a [view](super::View), in the order of the help.
pub static OUTPUTS: &[OutputFormat] = &[
    overview::OUTPUT,
    diff::OUTPUT,
    json::OUTPUT,
    har::OUTPUT,
    html::OUTPUT,
    curl::OUTPUT,
    display_filter::OUTPUT,
    matches::OUTPUT,
    tally::COUNT,
    tally::EXISTS,
    tally::LIST,
];

/// An output that an option selects.
pub struct OutputFormat {
    /// The option's long name, without dashes.
    pub option: &'static str,
    /// The option's letter.
    pub letter: Option<char>,
    /// The option's value.
    pub value: OutputValue,
    /// The option's help: a sentence without its full stop.
    pub help: &'static str,
    /// Lines of the page on exchanges: what is typed, and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// The output in a few words; an argument follows.
    pub words: &'static str,
    /// It is about messages or exchanges, so packets (`--ngrep`) do not have it.
    pub of_messages: bool,
    /// What it does with secrets.
    pub secrets: Secrets,
    /// It is useful without a pattern, so the user needs no hint to give one.
    pub is_whole: bool,
    /// It lays out bodies for reading, unless `--pretty` is never.
    pub lays_out: bool,
    /// When the run ends.
    pub ends: OutputEnd,
    /// How much of a body it shows unless the user says so.
    pub body: Body,
    /// It has a place for the user's `--label`.
    pub has_label: bool,
    /// It is for programs that must know whether it is whole: stopped by a signal, the run has a
    /// status of its own.
    pub must_be_whole: bool,
    /// Its other forms, by the value of its option; their `option` has it: `json=rows`.
    pub forms: &'static [&'static OutputFormat],
    /// Makes the renderer.
    pub build: fn(Settings, OutputArgument, Out) -> Box<dyn Renderer>,
}

/// The value that an output's option takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputValue {
    /// None.
    Nothing,
    /// The file to write; `-` is standard output.
    File,
    /// The number of an exchange.
    Number,
    /// An optional duration.
    Every,
    /// The optional numbers of two exchanges.
    Numbers,
    /// The optional name of another form.
    Form,
}

/// The value that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputArgument {
    /// None, or a file, which is opened elsewhere.
    Nothing,
    /// The number of an exchange.
    Number(u64),
    /// Nanoseconds.
    Every(Option<i64>),
    /// The numbers of two exchanges.
    Numbers(Option<(u64, u64)>),
}

/// What an output does with secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrets {
    /// It shows them, unless `--redact` is given.
    Shown,
    /// It is made to be passed on: it masks them, unless `--show-secrets` is given.
    Masked,
    /// As [`Self::Masked`], and it needs the original values, since it compares them.
    Compared,
}

/// When a run with an output ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputEnd {
    /// With its source.
    Source,
    /// At the first match.
    FirstMatch,
    /// When the output is complete, which may be before its source ends.
    Complete,
}

impl OutputFormat {
    /// An output of messages that shows secrets and ends with its source. The start of the lines of
    /// the table.
    pub(super) const fn new(
        option: &'static str,
        build: fn(Settings, OutputArgument, Out) -> Box<dyn Renderer>,
    ) -> Self {
        Self {
            option,
            letter: None,
            value: OutputValue::Nothing,
            help: "",
            examples: &[],
            words: "",
            of_messages: true,
            secrets: Secrets::Shown,
            is_whole: false,
            lays_out: false,
            ends: OutputEnd::Source,
            body: Body::Short,
            has_label: false,
            must_be_whole: false,
            forms: &[],
            build,
        }
    }

    /// The option as it is typed: `-o`, `--har`.
    #[must_use]
    pub fn flag(&self) -> String {
        match self.letter {
            Some(letter) => format!("-{letter}"),
            None => format!("--{}", self.option),
        }
    }

    /// Whether secrets are masked unless the user wants them.
    #[must_use]
    pub fn masks(&self) -> bool {
        self.secrets != Secrets::Shown
    }
}

/// Outputs are compared by their options.
impl PartialEq for OutputFormat {
    fn eq(&self, other: &Self) -> bool {
        self.option == other.option
    }
}

impl Eq for OutputFormat {}

impl std::fmt::Debug for OutputFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.option)
    }
}

/// An output that was selected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Output {
    /// Its line of the table.
    pub format: &'static OutputFormat,
    /// Its argument.
    pub argument: OutputArgument,
}

impl Output {
    /// The output with the option `name`, with no argument; `None` if there is no such output.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let format = all().find(|format| format.option == name)?;
        let argument = match format.value {
            OutputValue::Nothing | OutputValue::File | OutputValue::Form => OutputArgument::Nothing,
            OutputValue::Number => OutputArgument::Number(0),
            OutputValue::Every => OutputArgument::Every(None),
            OutputValue::Numbers => OutputArgument::Numbers(None),
        };
        Some(Self { format, argument })
    }
}

/// All outputs, each with its other forms after it.
pub(super) fn all() -> impl Iterator<Item = &'static OutputFormat> {
    let forms = |format: &'static OutputFormat| format.forms.iter().copied();
    OUTPUTS
        .iter()
        .flat_map(move |format| std::iter::once(format).chain(forms(format)))
}

/// The options of the outputs that mask secrets, in a sentence: `--har, --curl and --diff`.
#[must_use]
pub fn masking() -> String {
    let masking = all().filter(|format| format.masks());
    let flags: Vec<String> = masking.map(OutputFormat::flag).collect();
    match flags.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_output_has_its_own_option_and_its_words() {
        let outputs: Vec<_> = all().collect();
        for (at, format) in outputs.iter().copied().enumerate() {
            assert!(!format.help.is_empty() && !format.words.is_empty());
            assert!(!format.help.ends_with('.'), "{format:?}");
            assert_eq!(format.examples.is_empty(), !format.of_messages);
            for other in outputs[..at].iter().copied() {
                assert_ne!(format, other);
                assert!(format.letter.is_none() || format.letter != other.letter);
            }
            let named = Output::named(format.option).expect("it is in the table");
            assert_eq!(named.format, format);
        }
        assert_eq!(Output::named("no-such"), None);
    }

    #[test]
    fn outputs_that_are_passed_on_mask_secrets() {
        assert_eq!(masking(), "--diff, --json=rows, --har, --html and --curl");
    }
}

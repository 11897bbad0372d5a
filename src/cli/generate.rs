//! Texts generated from the table of options: the man page, shell completions, and the table of
//! `docs/options.md`.
//!
//! Deterministic: the same table gives the same text.

mod man;

use clap::{Arg, CommandFactory as _};
use clap_complete::Shell;

use super::args::{Args, Generated};

/// `--generate`.
#[must_use]
pub fn generate(what: Generated) -> String {
    let shell = match what {
        Generated::Man => return man::page(),
        Generated::CompleteBash => Shell::Bash,
        Generated::CompleteZsh => Shell::Zsh,
        Generated::CompleteFish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "spygrep", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The options as a table in Markdown, grouped as in `--help`.
#[must_use]
pub fn table() -> String {
    let mut table = String::from("| option | what it does |\n| --- | --- |\n");
    for (heading, options) in groups(&Args::command()) {
        table.push_str(&format!("| **{heading}** | |\n"));
        for option in options {
            let names = names(option).join(", ");
            let row = format!("`{names}` | {}", about(option)).replace('|', "\\|");
            // The one unescaped bar, which separates the columns.
            let row = row.replacen("` \\| ", "` | ", 1);
            table.push_str(&format!("| {row} |\n"));
        }
    }
    table
}

/// The visible options under their headings, in order.
fn groups(command: &clap::Command) -> Vec<(&str, Vec<&Arg>)> {
    let mut groups: Vec<(&str, Vec<&Arg>)> = Vec::new();
    for option in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let heading = option.get_help_heading().unwrap_or("Other");
        match groups.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, options)) => options.push(option),
            None => groups.push((heading, vec![option])),
        }
    }
    groups
}

/// `-d IF`, `--device IF`: the names of an option with its value.
fn names(option: &Arg) -> Vec<String> {
    let value = match option.get_value_names() {
        Some(names) if option.get_action().takes_values() => names.first().map(ToString::to_string),
        _ => None,
    };
    let optional = option
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0);
    let with = |name: String, gap: &str| match &value {
        Some(value) if optional && option.is_require_equals_set() => format!("{name}[={value}]"),
        Some(value) if optional => format!("{name} [{value}]"),
        Some(value) => format!("{name}{gap}{value}"),
        None => name,
    };
    let short = option
        .get_short()
        .map(|letter| with(format!("-{letter}"), " "));
    let long = option.get_long().map(|long| with(format!("--{long}"), " "));
    short.into_iter().chain(long).collect()
}

/// The help of an option in one line.
fn about(option: &Arg) -> String {
    option
        .get_help()
        .map_or_else(String::new, ToString::to_string)
        .replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_a_heading_and_a_sentence() {
        let command = Args::command();
        for (heading, options) in groups(&command) {
            assert_ne!(heading, "Other", "{:?}", options[0]);
            for option in options {
                assert!(!about(option).is_empty(), "{option:?}");
            }
        }
    }

    #[test]
    fn options_are_named_as_they_are_typed() {
        let command = Args::command();
        let named = |id: &str| {
            let option = command.get_arguments().find(|arg| arg.get_id() == id);
            names(option.expect(id)).join(", ")
        };
        for (id, wanted) in [
            ("devices", "-d IF, --device IF"),
            ("pair", "--pair"),
            ("color", "--color[=WHEN]"),
            ("help", "--help [TOPIC]"),
            ("delta", "-T, --delta"),
        ] {
            assert_eq!(named(id), wanted);
        }
        assert!(table().contains("| `--only req\\|resp` | Search"));
    }
}

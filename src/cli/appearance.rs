//! Output settings: the view, its width, colours and characters.
//!
//! Derived from the options and the terminal; nothing is written here.

use std::io::{self, IsTerminal as _};

use crate::limits::Limits;
use crate::render::{self, Body, Escape, Output, Time, View};

use super::args::{Args, BodyName, ColorName, ViewName};
use super::problem::Problem;

pub(super) fn render(
    args: &Args,
    ngrep: bool,
    live: bool,
    limits: Limits,
) -> Result<render::Settings, Problem> {
    let dot = match args.nonprintable.as_deref() {
        None => '.',
        Some(text) => match text
            .chars()
            .next()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
        {
            Some(c) => c,
            None => return Err(Problem::new("-P wants a printable ASCII character")),
        },
    };
    let view = match args.view {
        None if ngrep => View::Normal,
        None | Some(ViewName::Spy) => View::Spy,
        Some(ViewName::Log) => View::Log,
        Some(ViewName::Byline) => View::Byline,
        Some(ViewName::Normal) => View::Normal,
        Some(ViewName::Single) => View::Single,
        Some(ViewName::None) => View::None,
    };
    if args.hex && !matches!(view, View::Normal | View::Spy) {
        return Err(Problem::new(
            "-x has a layout of its own; it goes with -W spy and -W normal only",
        ));
    }
    let output = output(args)?;
    if ngrep {
        only_messages(args, view)?;
    }
    let columns = columns(args, ngrep)?;
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let utf8_locale =
        locale.is_none_or(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
    let utf8 = if ngrep {
        args.utf8
    } else {
        !args.ascii && (utf8_locale || args.utf8)
    };
    Ok(render::Settings {
        output,
        by_exchange: false,
        view,
        hex: args.hex,
        packets: ngrep,
        columns: usize::from(columns),
        fits: args.width.is_some_and(|columns| columns > 0) || io::stdout().is_terminal(),
        escape: Escape {
            utf8,
            tab: !ngrep && !matches!(view, View::Normal | View::Single),
            dot,
        },
        color: color(args, ngrep),
        signs: utf8,
        time: match (args.time, args.delta) {
            (true, _) => Time::Absolute,
            (_, 0) => Time::None,
            (_, count) if count % 2 == 1 => Time::Delta,
            _ => Time::SinceFirst,
        },
        with_flow: args.with_flow,
        protocol_number: args.protocol_number,
        quiet: args.quiet,
        body: body(args, output),
        max_body: limits.body,
        timing: args.exchanges.timing,
        pretty: match args.exchanges.pretty {
            Some(ColorName::Always) => true,
            Some(ColorName::Never) => false,
            _ => io::stdout().is_terminal() || output.is_some_and(|output| output.format.lays_out),
        },
        redact: redact(args, output),
        fields: args.show_header.clone(),
        live,
        ..render::Settings::default()
    })
}

/// The width of lines: that of `-c`, else of the terminal.
fn columns(args: &Args, ngrep: bool) -> Result<u16, Problem> {
    // ngrep takes the width from standard input.
    let size = match ngrep {
        true => terminal_size::terminal_size_of(io::stdin()),
        false => terminal_size::terminal_size(),
    };
    let given = args.width.filter(|columns| *columns > 0);
    let columns = given.or(size.map(|(width, _)| width.0)).unwrap_or(80);
    if columns >= 6 {
        return Ok(columns);
    }
    let problem = Problem::new("-c is the width of lines, as in ngrep: at least 6 columns");
    Err(match given {
        Some(many) => problem.advise(format!(
            "to stop after {many}: -n {many}; how many match: --count"
        )),
        None => problem,
    })
}

/// The selected output. At most one of the options that select it may be given.
fn output(args: &Args) -> Result<Option<Output>, Problem> {
    let log = args.view == Some(ViewName::Log);
    let chosen: Vec<(String, Option<Output>)> = args
        .outputs()
        .map(|chosen| (chosen.output.format.flag(), Some(chosen.output)))
        .chain(log.then(|| ("-W log".to_owned(), None)))
        .collect();
    if args.exchanges.label.is_some() && !args.has_output(|format| format.has_label) {
        return Err(Problem::new(
            "--label names a column of --json=rows; there are no rows",
        ));
    }
    match chosen.as_slice() {
        [] => Ok(None),
        [(_, output)] => Ok(*output),
        [(one, _), (other, _), ..] => Err(Problem::new(format!(
            "{one} and {other} each decide what is shown; choose one"
        ))),
    }
}

/// Rejects options for messages with `--ngrep`, which handles packets only.
fn only_messages(args: &Args, view: View) -> Result<(), Problem> {
    let of_messages =
        view == View::Log || args.exchanges.timing || args.has_output(|format| format.of_messages);
    match of_messages {
        true => Err(Problem::new(
            "--ngrep looks at packets one by one; leave it out for what is about messages",
        )),
        false => Ok(()),
    }
}

/// How much of a body is shown.
fn body(args: &Args, output: Option<Output>) -> Body {
    match args.body {
        None => output.map_or(Body::Short, |output| output.format.body),
        Some(BodyName::Short) => Body::Short,
        Some(BodyName::None) => Body::None,
        Some(BodyName::Full) => Body::Full,
    }
}

/// Whether secrets are masked: output meant for others has none unless requested.
fn redact(args: &Args, output: Option<Output>) -> bool {
    let masks = output.is_some_and(|output| output.format.masks());
    args.exchanges.redact || (masks && !args.exchanges.show_secrets)
}

/// `--color`, then `CLICOLOR_FORCE` and `NO_COLOR`, then whether the output is a terminal.
fn color(args: &Args, ngrep: bool) -> bool {
    let set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match args.color {
        Some(ColorName::Always) => true,
        Some(ColorName::Never) => false,
        _ if args.color_always => true,
        _ if ngrep => false,
        _ if set("NO_COLOR") => false,
        _ if set("CLICOLOR_FORCE") => true,
        _ => {
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

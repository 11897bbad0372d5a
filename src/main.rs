//! The program: parses the arguments, runs, and sets the exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use spygrep::capture::privileges;
use spygrep::cli::args::Args;
use spygrep::cli::extcap::{self, Extcap};
use spygrep::cli::problem::Problem;
use spygrep::cli::{config, explain, generate, help, interfaces, options_file, usage, version};
use spygrep::run::{self, Outcome};

fn main() -> ExitCode {
    let as_ngrep = std::env::args_os().next().is_some_and(|name| {
        Path::new(&name)
            .file_name()
            .is_some_and(|name| name == "ngrep")
    });
    let typed: Vec<OsString> = std::env::args_os().collect();
    let outcome = match extcap::call(&typed) {
        Some(Extcap::Answer(text)) => print(&text),
        Some(Extcap::Capture(typed)) => parse(&typed).and_then(|args| run(&args, false)),
        None if as_ngrep => parse(&typed).and_then(|args| run(&args, true)),
        None => with_options(typed).and_then(|args| run(&args, false)),
    };
    match outcome {
        Ok(Outcome::Matched) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Ok(Outcome::Stopped) => ExitCode::from(3),
        Err(problem) => {
            // One write, because another program may write to the same terminal.
            let _ = std::io::stderr().write_all(format!("{problem}\n").as_bytes());
            ExitCode::from(2)
        }
    }
}

fn parse(typed: &[OsString]) -> Result<Args, Problem> {
    Args::read(typed.iter().cloned()).map_err(|error| usage::problem(&error, typed))
}

/// Parses the command line after the options of the user's file.
fn with_options(typed: Vec<OsString>) -> Result<Args, Problem> {
    let (typed, warning) = options_file::with_options(typed)?;
    if let Some(warning) = warning {
        let _ = writeln!(std::io::stderr(), "spygrep: warning: {warning}");
    }
    parse(&typed)
}

fn print(text: &str) -> Result<Outcome, Problem> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Outcome::Matched),
        // The pager was closed.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Matched),
        Err(error) => Err(Problem::output(&error)),
    }
}

fn run(args: &Args, as_ngrep: bool) -> Result<Outcome, Problem> {
    privileges::refuse_set_id().map_err(|error| Problem::capture(&error))?;
    if args.short_help {
        return print(help::SHORT);
    }
    if let Some(topic) = &args.help {
        return match topic.as_str() {
            "" => print(&help::all()),
            topic => print(&help::topic(topic)?),
        };
    }
    if args.short_version {
        return print(&version::short());
    }
    if args.version {
        return print(&version::long());
    }
    if args.selftest.is_some() {
        return run::selftest(args);
    }
    if let Some(what) = args.generate {
        return print(&generate::generate(what));
    }
    if args.index {
        return run::index(args);
    }
    if args.list_interfaces {
        if as_ngrep || args.ngrep {
            return Err(Problem::new(
                "-L is no option of ngrep here; spygrep -L lists the interfaces",
            ));
        }
        return print(&interfaces::list()?);
    }
    if args.explain {
        return print(&explain::explain(args, as_ngrep)?);
    }
    run::run(config::configure(args, as_ngrep)?)
}

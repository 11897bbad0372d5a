//! The program: parses the arguments, runs, and sets the exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use spygrep::capture::privileges;
use spygrep::cli::args::{self, Args};
use spygrep::cli::problem::Problem;
use spygrep::cli::{config, explain, generate, help, interfaces, usage, version};
use spygrep::render::OutputEnd;
use spygrep::run::{self, Outcome};

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    if let Some(helper) = run::helper(&typed) {
        return helper;
    }
    let as_ngrep = typed.first().is_some_and(|name| args::is_ngrep(name));
    let mut failed = 2;
    let outcome = Args::read(typed.clone())
        .map_err(|error| usage::problem(&error, &typed))
        .and_then(|args| {
            if args.command.is_some()
                && !args.has_output(|format| format.ends == OutputEnd::FirstMatch)
            {
                failed = run::NOT_RUN;
            }
            run(&args, as_ngrep)
        });
    match outcome {
        Ok(Outcome::Matched) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Ok(Outcome::Command(status)) => ExitCode::from(status),
        Err(problem) => {
            // One write, because another program may write to the same terminal.
            let _ = std::io::stderr().write_all(format!("{problem}\n").as_bytes());
            ExitCode::from(failed)
        }
    }
}

fn run(args: &Args, as_ngrep: bool) -> Result<Outcome, Problem> {
    privileges::refuse_set_id().map_err(|error| Problem::capture(&error))?;
    let print = |text: &str| match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Outcome::Matched),
        // The pager was closed.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Matched),
        Err(error) => Err(Problem::output(&error)),
    };
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

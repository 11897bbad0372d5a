//! The program: parse, run, exit status.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;

use spygrep::capture::privileges::{self, sandbox};
use spygrep::cli::args::Args;
use spygrep::cli::problem::Problem;
use spygrep::cli::{config, interfaces};
use spygrep::run::{self, Outcome};

fn main() -> ExitCode {
    let as_ngrep = std::env::args_os().next().is_some_and(|name| {
        Path::new(&name)
            .file_name()
            .is_some_and(|name| name == "ngrep")
    });
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    match run(&args, as_ngrep) {
        Ok(Outcome::Matched) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "{problem}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args, as_ngrep: bool) -> Result<Outcome, Problem> {
    privileges::refuse_set_id().map_err(|error| Problem::capture(&error))?;
    let say = |text: &str| match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(Outcome::Matched),
        Err(error) => Err(Problem::new(format!("cannot write the output: {error}"))),
    };
    if args.version {
        let version = env!("CARGO_PKG_VERSION");
        return say(&format!(
            "spygrep {version}\nsandbox on this system: {}\n",
            sandbox::offered()
        ));
    }
    if args.selftest.is_some() {
        return run::selftest(args);
    }
    if args.list_interfaces {
        if as_ngrep || args.ngrep {
            return Err(Problem::new(
                "-L is no option of ngrep here; spygrep -L lists the interfaces",
            ));
        }
        return say(&interfaces::list()?);
    }
    run::run(config::configure(args, as_ngrep)?)
}

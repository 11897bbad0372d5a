//! Enters the sandbox with what a run needs, and tests that the sandbox holds.
//!
//! The state that [`sandbox::enter`] returns names the layers in force.

#[cfg(target_os = "linux")]
use std::io;
use std::os::fd::AsRawFd;

use crate::capture::live::Live;
#[cfg(target_os = "linux")]
use crate::capture::live::LiveSettings;
use crate::capture::privileges::sandbox::{self, Layers, Needs, SandboxState};
#[cfg(target_os = "linux")]
use crate::capture::privileges::{self, selftest};
use crate::cli::args::Args;
#[cfg(target_os = "linux")]
use crate::cli::config;
use crate::cli::config::Input;
use crate::cli::problem::Problem;
use crate::pipeline::Streams;

use super::Outcome;

/// Enters the sandbox; `threads` starts the threads of the run in between (see [`sandbox::enter`]).
/// Without an input, only open files are read.
pub(super) fn enclose(
    layers: Layers,
    input: Option<&Input>,
    streams: Option<&Streams>,
    threads: impl FnOnce(),
) -> SandboxState {
    let devices = match input {
        Some(Input::Live(live, _)) => sockets(live),
        Some(Input::Files(..)) | None => Vec::new(),
    };
    let folder = streams.map(Streams::folder);
    sandbox::enter(layers, &Needs { devices, folder }, threads)
}

fn sockets(live: &Live) -> Vec<i32> {
    let sockets = live.sockets();
    sockets.iter().map(AsRawFd::as_raw_fd).collect()
}

/// `--sandbox-selftest`: drops privileges as a run does (with a device, if `lo` may be opened) and
/// prints what is refused then. Returns [`Outcome::Matched`] if everything is.
///
/// # Errors
/// If privileges cannot be dropped, or the table cannot be written.
#[cfg(target_os = "linux")]
pub fn selftest(args: &Args) -> Result<Outcome, Problem> {
    let cannot = |error: io::Error| Problem::new(format!("the self-test cannot start: {error}"));
    let settings = LiveSettings {
        devices: vec!["lo".to_owned()],
        ..LiveSettings::default()
    };
    let live = Live::open(&settings);
    let descriptors = selftest::Descriptors::open().map_err(cannot)?;
    let outcome = privileges::give_up(args.user.as_deref(), args.keep_root)
        .map_err(|error| Problem::capture(&error))?;
    let layers = config::layers(args);
    let needs = Needs {
        devices: live.as_ref().map(sockets).unwrap_or_default(),
        folder: None,
    };
    let state = sandbox::enter(layers, &needs, || {});
    let mut out = io::stdout();
    let written = io::Write::write_all(
        &mut out,
        format!("user: {outcome}\nsandbox: {state}\n").as_bytes(),
    );
    // Outside of the sandbox the attempts would succeed, and nothing may be sent.
    let devices = match (&live, layers) {
        (Ok(live), Layers::All | Layers::Seccomp) => live.sockets(),
        _ => Vec::new(),
    };
    let held = written.and_then(|()| selftest::run(&descriptors, &devices, &mut out));
    match held {
        Ok(true) => Ok(Outcome::Matched),
        Ok(false) => Ok(Outcome::Nothing),
        Err(error) => Err(Problem::output(&error)),
    }
}

/// The sandbox is Linux's, so elsewhere there is nothing to test.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn selftest(_args: &Args) -> Result<Outcome, Problem> {
    Err(Problem::new(
        "there is no sandbox on this system to be tested",
    ))
}

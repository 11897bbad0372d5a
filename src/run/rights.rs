//! Into the sandbox: what a run takes with it, and the proof that it holds.

use std::io;
use std::os::fd::AsRawFd;

use crate::capture::live::{Live, LiveSettings};
use crate::capture::privileges::sandbox::{self, Needs, State, Walls};
use crate::capture::privileges::{self, selftest};
use crate::cli::args::Args;
use crate::cli::config::{self, Input};
use crate::cli::problem::Problem;
use crate::pipeline::Streams;

use super::Outcome;

/// Raise the walls around what is open; `threads` starts those that there will be.
pub(super) fn enclose(
    walls: Walls,
    input: &Input,
    streams: Option<&Streams>,
    threads: impl FnOnce(),
) -> State {
    let devices = match input {
        Input::Live(live, _) => sockets(live),
        Input::Files(..) => Vec::new(),
    };
    let folder = streams.map(Streams::folder);
    sandbox::raise(walls, &Needs { devices, folder }, threads)
}

fn sockets(live: &Live) -> Vec<i32> {
    let sockets = live.sockets();
    sockets.iter().map(AsRawFd::as_raw_fd).collect()
}

/// `--sandbox-selftest`: give up rights as a run does (with a device, where we may open `lo`), and show what is refused then.
/// It "matches" when everything is.
///
/// # Errors
/// Rights could not be given up, or the table not be written.
pub fn selftest(args: &Args) -> Result<Outcome, Problem> {
    let cannot = |error: io::Error| Problem::new(format!("the self-test cannot start: {error}"));
    let settings = LiveSettings {
        devices: vec!["lo".to_owned()],
        ..LiveSettings::default()
    };
    let live = Live::open(&settings);
    let before = selftest::Before::open().map_err(cannot)?;
    let outcome = privileges::give_up(args.user.as_deref(), args.keep_root)
        .map_err(|error| Problem::capture(&error))?;
    let walls = config::walls(args);
    let needs = Needs {
        devices: live.as_ref().map(sockets).unwrap_or_default(),
        folder: None,
    };
    let state = sandbox::raise(walls, &needs, || {});
    let mut out = io::stdout();
    let told = io::Write::write_all(
        &mut out,
        format!("user: {outcome}\nsandbox: {state}\n").as_bytes(),
    );
    // Outside of the sandbox the tries would work, and nothing is to be sent.
    let devices = match (&live, walls) {
        (Ok(live), Walls::All | Walls::Seccomp) => live.sockets(),
        _ => Vec::new(),
    };
    let held = told.and_then(|()| selftest::run(&before, &devices, &mut out));
    match held {
        Ok(true) => Ok(Outcome::Matched),
        Ok(false) => Ok(Outcome::Nothing),
        Err(error) => Err(Problem::output(&error)),
    }
}

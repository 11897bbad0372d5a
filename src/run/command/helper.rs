//! The helper: the parent of the command. It has the rights of the user and no others.
//!
//! It ends when the command has ended, or when the run is gone; the command goes on then.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command as Process, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::capture::privileges::Identity;

use super::message::{Answer, ORDER, Order};

/// Milliseconds after which the helper looks whether the command has ended; a signal is quicker.
const LOOK: u8 = 50;
/// Descendants that are named.
const LEFT: usize = 16;

/// Runs the helper with its arguments: the user to become, then the command. Its standard output
/// is the socket to the run.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let Some((identity, argv)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    match prepare(identity) {
        Ok(identity) => {
            tell(&Answer::Ready);
            serve(identity.as_ref(), argv);
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Becomes the user. What ends the run does not end the helper before the command.
fn prepare(identity: &OsString) -> io::Result<Option<Identity>> {
    let text = identity.to_str().unwrap_or_default();
    let identity = match text {
        "" => None,
        text => Some(Identity::parse(text).ok_or(io::ErrorKind::InvalidInput)?),
    };
    if let Some(identity) = &identity {
        identity.become_it()?;
    }
    for signal in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    // Processes whose parents end become children of the helper, so they are seen to go on.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(identity)
}

fn tell(answer: &Answer) -> bool {
    let socket = io::stdout();
    let flags = MsgFlags::MSG_NOSIGNAL;
    send(socket.as_fd().as_raw_fd(), &answer.encode(), flags).is_ok()
}

/// The next order; `None` if there is none, an error if the run is gone.
fn order(wait: PollTimeout) -> Result<Option<Order>, ()> {
    let socket = io::stdout();
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, wait) {
        Ok(0) | Err(Errno::EINTR) => return Ok(None),
        Ok(_) => {}
        Err(_) => return Err(()),
    }
    let mut bytes = [0; ORDER];
    let socket = socket.as_fd().as_raw_fd();
    match recv(socket, &mut bytes, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => Err(()),
        Ok(len) => Ok(bytes.get(..len).and_then(Order::decode)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(_) => Err(()),
    }
}

/// Starts the command when it may begin, and waits for its end.
fn serve(identity: Option<&Identity>, argv: &[OsString]) {
    loop {
        match order(PollTimeout::NONE) {
            Ok(Some(Order::Go)) => break,
            Ok(_) => {}
            Err(()) => return,
        }
    }
    let child = match start(identity, argv) {
        Ok(child) => child,
        Err(error) => {
            tell(&Answer::NotRun(
                error.raw_os_error().unwrap_or(Errno::EIO as i32),
            ));
            return;
        }
    };
    tell(&Answer::Started(child.as_raw().cast_unsigned()));
    loop {
        match order(PollTimeout::from(LOOK)) {
            Ok(Some(Order::Signal(number))) => {
                if let Ok(signal) = Signal::try_from(number) {
                    let _ = kill(child, signal);
                }
            }
            Ok(_) => {}
            Err(()) => return,
        }
        if let Some(end) = reap(child) {
            for (pid, name) in descendants() {
                tell(&Answer::Left(pid, name));
            }
            tell(&end);
            return;
        }
    }
}

/// Starts the command, with the user's names in its environment.
fn start(identity: Option<&Identity>, argv: &[OsString]) -> io::Result<Pid> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| io::Error::from_raw_os_error(Errno::ENOENT as i32))?;
    let mut process = Process::new(program);
    process.args(arguments).arg0(program);
    if let Some(identity) = identity {
        process.envs(identity.environment());
    }
    // A terminal stays a terminal: it is the same descriptor, not a pipe.
    let stderr = io::stderr().as_fd().try_clone_to_owned()?;
    let child = process
        .stdin(Stdio::inherit())
        .stdout(Stdio::from(stderr))
        .stderr(Stdio::inherit())
        .spawn()?;
    Ok(Pid::from_raw(child.id().cast_signed()))
}

/// Waits for every process that has ended; returns how the command ended, if it is among them.
fn reap(child: Pid) -> Option<Answer> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => {
                return Some(Answer::Exited(u8::try_from(status & 0xff).unwrap_or(1)));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Some(Answer::Killed(signal as i32));
            }
            Ok(WaitStatus::StillAlive) => return None,
            Err(Errno::EINTR) | Ok(_) => {}
            // No child is left, and the command's end was not seen.
            Err(_) => return Some(Answer::Killed(Signal::SIGKILL as i32)),
        }
    }
}

/// The processes that go on below this one.
fn descendants() -> Vec<(u32, String)> {
    let mut parents: Vec<(u32, u32, String)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = fs::read_to_string(entry.path().join("stat"));
        if let (Some(pid), Ok(stat)) = (pid, stat)
            && let Some((name, rest)) = stat
                .split_once('(')
                .and_then(|(_, rest)| rest.rsplit_once(") "))
        {
            let mut fields = rest.split(' ');
            let zombie = fields.next() == Some("Z");
            let parent = fields.next().and_then(|parent| parent.parse().ok());
            if let (Some(parent), false) = (parent, zombie) {
                parents.push((pid, parent, name.to_owned()));
            }
        }
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut tree = vec![std::process::id()];
    while let Some(parent) = tree.pop() {
        for (pid, of, name) in &parents {
            if *of == parent && found.len() < LEFT {
                found.push((*pid, name.clone()));
                tree.push(*pid);
            }
        }
    }
    found
}

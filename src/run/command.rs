//! `-- COMMAND`: starts a command as the user who called, and has its exit status.
//!
//! A *helper*, which is this program again, starts the command and waits for it. It is started by
//! root before the privileges are dropped, becomes the user at once, and never has more rights than
//! the command. The command begins when the capture runs, and nothing of us is in it: no tracing,
//! no filter of system calls, no bit that forbids it new privileges.

mod helper;
mod message;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
use nix::unistd::write;

use crate::capture::privileges::{self, Identity};
use crate::cli::problem::Problem;
use crate::cli::words;

use super::notes::{Notes, clean};

use helper::run as run_helper;
use message::{Answer, Order};

/// The first argument of the helper: no word that a user types.
pub(super) const HELPER: &str = "--spygrep-helper";
/// The exit status if spygrep itself fails, as of env and timeout.
pub const NOT_RUN: u8 = 125;
/// Packets of the command that the kernel still holds when it has ended come within this time.
const LAST: Duration = Duration::from_millis(60);
/// Longest wait for the helper to start.
const START: Duration = Duration::from_secs(5);

/// The command of a run.
pub(super) struct Command {
    argv: Vec<OsString>,
    socket: OwnedFd,
    helper: Child,
    /// It runs as `nobody`, because nobody else is known.
    nobody: bool,
    /// The command's process, once it runs.
    pid: Option<u32>,
    /// How it ended, and when.
    ended: Option<(Status, Instant)>,
    /// Its descendants that go on.
    left: Vec<(u32, String)>,
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
    /// It could not be started: the error.
    NotRun(i32),
    /// The helper ended without a word.
    Unknown,
}

impl Status {
    /// The exit status of the run.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(NOT_RUN),
            Self::NotRun(error) if error == Errno::ENOENT as i32 => 127,
            Self::NotRun(_) => 126,
            Self::Unknown => NOT_RUN,
        }
    }
}

impl Command {
    /// Starts the helper, which waits with the command. `environment` is added to the command's.
    /// Called before the privileges are dropped.
    ///
    /// # Errors
    /// The helper cannot be started.
    pub(super) fn prepare(
        argv: &[OsString],
        user: Option<&str>,
        keep_root: bool,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, Problem> {
        let cannot = |error: &dyn std::fmt::Display| {
            Problem::new(format!("the command cannot be started: {error}"))
        };
        let identity = privileges::identity(user, keep_root).map_err(|error| cannot(&error))?;
        let flags = SockFlag::SOCK_CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|error| cannot(&error.desc()))?;
        let mut process = Process::new("/proc/self/exe");
        // The command has our standard input, and writes to our standard error: standard output is
        // for records only.
        process
            .arg0("spygrep")
            .arg(HELPER)
            .arg(identity.as_ref().map(Identity::to_text).unwrap_or_default())
            .args(argv)
            .stdin(Stdio::inherit())
            .stdout(Stdio::from(theirs))
            .stderr(Stdio::inherit())
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let helper = process.spawn().map_err(|error| cannot(&error))?;
        drop(process);
        let command = Self {
            argv: argv.to_vec(),
            socket,
            helper,
            nobody: user.is_none() && identity.as_ref().is_some_and(Identity::is_nobody),
            pid: None,
            ended: None,
            left: Vec::new(),
        };
        match command.wait_until_ready() {
            true => Ok(command),
            false => Err(cannot(&"its helper does not start")),
        }
    }

    fn wait_until_ready(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd as _;
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(START).unwrap_or(PollTimeout::NONE);
        let _ = poll(&mut fds, timeout);
        self.receive() == Ok(Some(Answer::Ready))
    }

    /// The process of the helper. The descendants of it, and of nothing else, are the command's.
    pub(super) fn helper(&self) -> u32 {
        self.helper.id()
    }

    /// The command as typed, for messages.
    pub(super) fn title(&self) -> String {
        let words = self
            .argv
            .iter()
            .map(|word| word.to_string_lossy().into_owned());
        words::quoted(words)
    }

    /// The base name of the program.
    fn name(&self) -> String {
        let name = self.argv.first().map(Path::new);
        let base = name.and_then(|name| name.file_name()).unwrap_or_default();
        clean(&base.to_string_lossy())
    }

    /// Starts the command.
    pub(super) fn go(&self, notes: &Notes) {
        if self.nobody {
            notes.hint("the command runs as nobody: --user NAME for somebody else, -R for root");
        }
        self.order(Order::Go);
    }

    /// Passes a signal on to the command.
    pub(super) fn signal(&self, signal: Signal) {
        self.order(Order::Signal(signal as i32));
    }

    fn order(&self, order: Order) {
        // If the helper is gone, the next answer says so.
        let _ = write(&self.socket, &order.encode());
    }

    /// The next answer that is there; an error if the helper is gone.
    fn receive(&self) -> Result<Option<Answer>, ()> {
        let mut bytes = [0; message::ANSWER];
        match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Err(()),
            Ok(len) => Ok(bytes.get(..len).and_then(Answer::decode)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(_) => Err(()),
        }
    }

    /// Takes in what the helper reports.
    pub(super) fn look(&mut self) {
        while self.ended.is_none() {
            match self.receive() {
                Ok(None) => return,
                Ok(Some(Answer::Ready)) => {}
                Ok(Some(Answer::Started(pid))) => self.pid = Some(pid),
                Ok(Some(Answer::Left(pid, name))) => self.left.push((pid, name)),
                Ok(Some(Answer::NotRun(error))) => self.end(Status::NotRun(error)),
                Ok(Some(Answer::Exited(status))) => self.end(Status::Exited(status)),
                Ok(Some(Answer::Killed(signal))) => self.end(Status::Killed(signal)),
                Err(()) => self.end(Status::Unknown),
            }
        }
    }

    fn end(&mut self, status: Status) {
        self.ended = Some((status, Instant::now()));
    }

    /// Whether the command has ended, and what it sent last has been captured.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some_and(|(_, at)| at.elapsed() >= LAST)
    }

    /// How it ended; [`Status::Unknown`] before.
    pub(super) fn status(&self) -> Status {
        self.ended.map_or(Status::Unknown, |(status, _)| status)
    }

    /// Reports how the command ended.
    pub(super) fn report(&self, notes: &Notes) {
        let name = self.name();
        let name = match self.pid {
            Some(pid) => format!("{name}[{pid}]"),
            None => name,
        };
        match self.status() {
            Status::Exited(status) => notes.remark(&format!("{name} ended with {status}")),
            Status::Killed(signal) => {
                let word = Signal::try_from(signal).map_or("a signal", Signal::as_str);
                notes.remark(&format!("{name} was ended by {word}"));
            }
            Status::NotRun(error) => {
                let text = format!("{name}: {}", Errno::from_raw(error).desc());
                notes.warn(&text);
                if error == Errno::ENOENT as i32 && std::env::var_os("SUDO_UID").is_some() {
                    notes.hint(
                        "sudo has a PATH of its own: sudo env \"PATH=$PATH\" spygrep ... -- ...",
                    );
                }
            }
            Status::Unknown => notes.warn("the helper is gone; the command goes on"),
        }
        for (pid, name) in &self.left {
            notes.remark(&format!("{}[{pid}] goes on", clean(name)));
        }
    }
}

/// If these are the arguments of a helper, runs it to its end.
#[must_use]
pub fn helper_of(arguments: &[OsString]) -> Option<std::process::ExitCode> {
    let (first, rest) = arguments.get(1..)?.split_first()?;
    (first == OsStr::new(HELPER)).then(|| run_helper(rest))
}

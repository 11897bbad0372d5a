//! The sandbox: what is left to a process that only reads what is open already, thinks, and writes to what is open already.
//!
//! Two walls. *Landlock*: no file can be opened, no TCP port bound or connected to, no signal sent to others. *seccomp*: the
//! system calls of the list in `walls.rs` and no others, on every thread. A refused call is an error (`EPERM`), not the end:
//! libpcap tries harmless things that it can do without (it opens sysfs for its statistics), a refusal can be tested and
//! seen, and an intruder gains nothing by going on. Only a call of another architecture kills.
//!
//! Each wall stands as far as the kernel has it; a missing one is no error but is shown ([`offered`], [`State`]).
//! What a run needs is therefore opened, compiled, looked up and started before: devices, all input and output files, the
//! pager, the time zone, the filter for each link type. `--streams` alone makes files while it runs: in its folder, only
//! there, only to write, and never through a symbolic link.

use std::fmt;
use std::os::fd::{BorrowedFd, RawFd};

/// What a run needs in the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// Sockets of devices. They are read from; writing to one would send a packet, so it is refused.
    pub devices: Vec<RawFd>,
    /// A folder in which files are made.
    pub folder: Option<BorrowedFd<'a>>,
}

/// Which walls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walls {
    /// Both.
    All,
    /// Only Landlock.
    Landlock,
    /// Only seccomp.
    Seccomp,
    /// None: `--no-sandbox`.
    None,
}

/// How far a wall stands, or could.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wall {
    /// It is not wanted.
    Off,
    /// It stands; what it does, in words.
    Up(String),
    /// The kernel cannot; why.
    Missing(String),
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Up(what) => f.write_str(what),
            Self::Missing(why) => write!(f, "not here ({why})"),
        }
    }
}

/// Both walls. Displayed, it is the line that a person is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Files, TCP and signals.
    pub landlock: Wall,
    /// System calls.
    pub seccomp: Wall,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (&self.landlock, &self.seccomp) == (&Wall::Off, &Wall::Off) {
            return f.write_str("off");
        }
        write!(f, "Landlock {} · seccomp {}", self.landlock, self.seccomp)
    }
}

/// What this kernel offers; nothing is changed.
#[must_use]
pub fn offered() -> State {
    #[cfg(target_os = "linux")]
    let state = super::walls::offered();
    #[cfg(not(target_os = "linux"))]
    let state = elsewhere();
    state
}

/// Raise the walls, for good. To be called last, with one thread: Landlock holds for the thread that asks and those it starts.
/// `threads` is called when that wall stands, to start those that the run needs; after that none can be.
#[must_use]
pub fn raise(walls: Walls, needs: &Needs<'_>, threads: impl FnOnce()) -> State {
    if walls == Walls::None {
        threads();
        return State {
            landlock: Wall::Off,
            seccomp: Wall::Off,
        };
    }
    #[cfg(target_os = "linux")]
    let state = super::walls::raise(walls, needs, threads);
    #[cfg(not(target_os = "linux"))]
    let state = {
        let _ = needs;
        threads();
        elsewhere()
    };
    state
}

#[cfg(not(target_os = "linux"))]
fn elsewhere() -> State {
    let missing = || Wall::Missing("it is Linux's".to_owned());
    State {
        landlock: missing(),
        seccomp: missing(),
    }
}

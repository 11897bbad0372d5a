//! The sandbox: restricts the process to reading and writing what is already open. A layer that the
//! kernel lacks is not an error, but it is reported ([`available`], [`SandboxState`]).
//!
//! There are two layers. *Landlock*: no file can be opened, no TCP port bound or connected to, no
//! signal sent to another process. *seccomp*: only the system calls listed in `layers.rs`, on every
//! thread. A refused call fails with `EPERM` instead of killing the process: libpcap tries harmless
//! calls that it can do without (it opens sysfs for its statistics), a refusal can be tested, and
//! an attacker gains nothing from it. Only a call of another architecture kills the process.
//!
//! Whatever a run needs is therefore opened, compiled, resolved and started before: devices, input
//! and output files, the pager, the time zone, the filter for each link type. Only `--streams`
//! creates files during the run: in its directory only, write-only, and never through a symbolic
//! link.

use std::fmt;
use std::os::fd::{BorrowedFd, RawFd};

/// What a run uses inside the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// Sockets of devices. They can be read; writing is refused, because it would send a packet.
    pub devices: Vec<RawFd>,
    /// A directory in which files are created.
    pub folder: Option<BorrowedFd<'a>>,
}

/// Selects the layers to enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layers {
    /// Both.
    All,
    /// Only Landlock.
    Landlock,
    /// Only seccomp.
    Seccomp,
    /// None: `--no-sandbox`.
    None,
}

/// State of one layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LayerState {
    /// Not requested.
    Off,
    /// Enforced, or available; describes what it restricts.
    Up(String),
    /// Not supported by the kernel; the reason.
    Missing(String),
}

impl fmt::Display for LayerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Up(what) => f.write_str(what),
            Self::Missing(why) => write!(f, "not here ({why})"),
        }
    }
}

/// State of both layers. Its `Display` is the line shown to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SandboxState {
    /// Restricts files, TCP and signals.
    pub landlock: LayerState,
    /// Restricts system calls.
    pub seccomp: LayerState,
}

impl fmt::Display for SandboxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (&self.landlock, &self.seccomp) == (&LayerState::Off, &LayerState::Off) {
            return f.write_str("off");
        }
        write!(f, "Landlock {} · seccomp {}", self.landlock, self.seccomp)
    }
}

/// Returns what this kernel supports, without entering anything.
#[must_use]
pub fn available() -> SandboxState {
    #[cfg(target_os = "linux")]
    let state = super::layers::available();
    #[cfg(not(target_os = "linux"))]
    let state = unsupported();
    state
}

/// Enters the layers, irreversibly. Must be called last and from the only thread: Landlock applies
/// to the calling thread and those it starts. `threads` is called between the two layers to start
/// the threads of the run; none can be started afterwards.
#[must_use]
pub fn enter(layers: Layers, needs: &Needs<'_>, threads: impl FnOnce()) -> SandboxState {
    if layers == Layers::None {
        threads();
        return SandboxState {
            landlock: LayerState::Off,
            seccomp: LayerState::Off,
        };
    }
    #[cfg(target_os = "linux")]
    let state = super::layers::enter(layers, needs, threads);
    #[cfg(not(target_os = "linux"))]
    let state = {
        let _ = needs;
        threads();
        unsupported()
    };
    state
}

#[cfg(not(target_os = "linux"))]
fn unsupported() -> SandboxState {
    let missing = || LayerState::Missing("it is Linux's".to_owned());
    SandboxState {
        landlock: missing(),
        seccomp: missing(),
    }
}

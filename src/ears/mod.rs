//! *ears*: which process has which socket, from the kernel. It is the only code that names perf
//! events.
//!
//! [`Ears::open`] is called by root before the privileges are dropped; what it opened is memory and
//! a socket for questions, which need no rights. An event is older than the first packet of its
//! socket, so a name is there when the packet is shown, and nothing waits for one.

#[cfg(target_os = "linux")]
mod before;
#[cfg(target_os = "linux")]
mod diag;
pub mod event;
mod format;
mod group;
#[cfg(target_os = "linux")]
mod rings;
pub mod table;
#[cfg(target_os = "linux")]
mod tracefs;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{Ears, available};

/// Which process is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// Those of all.
    All,
    /// A process and its descendants are marked.
    Tree(u32),
    /// The descendants of a process that begin from now on are marked.
    Children(u32),
}

/// How processes are named on this system, as a text for the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// The kernel reports every socket.
    Exact,
    /// Only processes that were there before are known, and the users of the others.
    Before(String),
    /// Nothing is known; the reason.
    Missing(String),
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact => f.write_str("exact: kernel tracepoints"),
            Self::Before(why) => write!(
                f,
                "those that run before spygrep; of later ones the user ({why})"
            ),
            Self::Missing(why) => write!(f, "not here: {why}"),
        }
    }
}

/// Other systems have no such events.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn available() -> Way {
    Way::Missing("it is Linux's".to_owned())
}

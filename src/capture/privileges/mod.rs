//! Drops privileges once all devices, inputs and outputs are open, before the first captured byte
//! is parsed. Each step is irreversible.
//!
//! The order: [`refuse_set_id`] at the start; then [`give_up`], which changes the [`user`], drops
//! every capability and prevents regaining them; finally the [`sandbox`], after which nothing can
//! be opened, created, executed or sent. `-R` skips the first half of [`give_up`] (user and
//! capabilities), nothing else.

mod capabilities;
mod identity;
#[cfg(target_os = "linux")]
mod layers;
pub mod sandbox;
#[cfg(target_os = "linux")]
pub mod selftest;
mod user;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{getegid, geteuid, getgid, getuid};

use super::CaptureError;

pub use identity::describe_process;
pub(super) use user::sudo_user;
pub use user::{Outcome, cannot_write_to, chown_output, current_user, target_user};

/// Refuses to run set-uid or set-gid. The caller would choose the environment, the files and the
/// directory, and the code that reads them is not written for that.
///
/// # Errors
/// The real and the effective user or group differ.
pub fn refuse_set_id() -> Result<(), CaptureError> {
    if getuid() == geteuid() && getgid() == getegid() {
        Ok(())
    } else {
        Err(CaptureError::SetId)
    }
}

/// Becomes `user`, or the user who ran `sudo`, or `nobody`, if this process is root, and drops
/// every capability in any case; `keep_root` skips both. Then, always: no privileges can be gained
/// by executing a program, no core file is written, and only root can inspect this process.
///
/// Must be called before other threads start, because capabilities belong to a thread.
///
/// # Errors
/// A step failed, or root could be regained. The process must not continue then.
pub fn give_up(name: Option<&str>, keep_root: bool) -> Result<Outcome, CaptureError> {
    let outcome = if keep_root {
        Outcome::Kept
    } else {
        capabilities::empty_bounding_set()?;
        let outcome = user::give_up(name)?;
        capabilities::drop_all()?;
        outcome
    };
    step("core files", setrlimit(Resource::RLIMIT_CORE, 0, 0))?;
    #[cfg(target_os = "linux")]
    {
        use nix::sys::prctl::{set_dumpable, set_no_new_privs};
        step("no new privileges", set_no_new_privs())?;
        step("not dumpable", set_dumpable(false))?;
    }
    Ok(outcome)
}

/// Adds the name of a step to its error.
fn step(name: &str, result: Result<(), Errno>) -> Result<(), CaptureError> {
    result.map_err(|errno| CaptureError::Privileges {
        detail: format!("{name}: {}", errno.desc()),
    })
}

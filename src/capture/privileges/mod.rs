//! Giving up rights, once all devices, inputs and outputs are open: what follows reads hostile bytes.
//!
//! In this order, and each for good: [`refuse_set_id`] first of all; then [`give_up`], which becomes another [`user`], drops
//! every capability and sees to it that no rights come back; last the [`sandbox`], after which nothing can be opened, made,
//! run or sent any more. `-R` leaves out the first half of [`give_up`] (user and capabilities stay), and nothing else.

mod capabilities;
pub mod sandbox;
pub mod selftest;
mod user;
#[cfg(target_os = "linux")]
mod walls;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{getegid, geteuid, getgid, getuid};

use super::CaptureError;

pub(super) use user::caller;
pub use user::{Outcome, current_user, give_away, heir, shut_out_of};

/// Refuse to run set-uid or set-gid: who calls could choose the environment, the files and the directory, and none of this
/// program's reading of them is written for that.
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

/// Become `user`, or who called `sudo`, or `nobody`, if we are root; and drop every capability, whoever we are. `keep_root`
/// leaves both out. Then, in any case: no rights can come back by running a program, no memory goes into a core file, and
/// nobody but root may look into this process.
///
/// To be called before other threads start: capabilities belong to a thread.
///
/// # Errors
/// A step failed, or root's rights could be had back. The process must not go on then.
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

/// One step, by its name.
fn step(name: &str, result: Result<(), Errno>) -> Result<(), CaptureError> {
    result.map_err(|errno| CaptureError::Privileges {
        detail: format!("{name}: {}", errno.desc()),
    })
}

//! Another user than root: who called `sudo`, whom `--user` names, or nobody.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, fchown, geteuid, setgroups, setuid};

use crate::capture::CaptureError;

use super::step;

/// Who a system without a user `nobody` takes instead: the number that the kernel gives to nobody.
const NOBODY: u32 = 65534;

/// What [`super::give_up`] did about the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// There was nothing to give up.
    NotRoot,
    /// Root was to be kept.
    Kept,
    /// The process now runs as this user.
    Became {
        /// The user's name, or number where there is no name.
        user: String,
        /// The user's number.
        uid: u32,
        /// The group's number.
        gid: u32,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("as started, not root"),
            Self::Kept => f.write_str("as started (-R)"),
            Self::Became { user, uid, gid } => write!(f, "{user} ({uid}, group {gid})"),
        }
    }
}

/// Become `user`, or who called `sudo`, or `nobody`, for good. Does nothing without root's rights.
pub(super) fn give_up(user: Option<&str>) -> Result<Outcome, CaptureError> {
    if !geteuid().is_root() {
        return Ok(Outcome::NotRoot);
    }
    let (uid, gid, user) = target(user)?;
    if uid.is_root() {
        return Err(CaptureError::Privileges {
            detail: format!("\"{user}\" is root"),
        });
    }
    step("setgroups", setgroups(&[]))?;
    step("setresgid", become_group(gid))?;
    step("setresuid", become_user(uid))?;
    if setuid(Uid::from_raw(0)).is_ok() || geteuid().is_root() {
        return Err(CaptureError::Privileges {
            detail: "they could be had back".to_owned(),
        });
    }
    Ok(Outcome::Became {
        user,
        uid: uid.as_raw(),
        gid: gid.as_raw(),
    })
}

/// The name of the user that runs this, or the number where there is no name.
#[must_use]
pub fn current_user() -> String {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// Whom [`super::give_up`] would become; `None` without root's rights.
///
/// # Errors
/// There is no such user.
pub fn heir(user: Option<&str>) -> Result<Option<String>, CaptureError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    target(user).map(|(.., name)| Some(name))
}

/// Make an open file theirs whom [`super::give_up`] becomes. Does nothing without root's rights.
///
/// # Errors
/// There is no such user, or the file system refuses.
pub fn give_away(file: &File, user: Option<&str>) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid, _) = target(user).map_err(io::Error::other)?;
    Ok(fchown(file, Some(uid), Some(gid))?)
}

/// Whether they whom [`super::give_up`] becomes may make files in a folder; if not, who they are. Groups beside their own are
/// not theirs then. Only to say so in time: it is the system that decides.
///
/// # Errors
/// There is no such user, or the folder cannot be looked at.
pub fn shut_out_of(folder: &Path, user: Option<&str>) -> io::Result<Option<String>> {
    const WRITE_AND_SEARCH: u32 = 0o3;
    if !geteuid().is_root() {
        return Ok(None);
    }
    let (uid, gid, name) = target(user).map_err(io::Error::other)?;
    let metadata = folder.metadata()?;
    let mode = match () {
        () if metadata.uid() == uid.as_raw() => metadata.mode() >> 6,
        () if metadata.gid() == gid.as_raw() => metadata.mode() >> 3,
        () => metadata.mode(),
    };
    Ok((mode & WRITE_AND_SEARCH != WRITE_AND_SEARCH).then_some(name))
}

/// The user and group who called us through `sudo`; `None` when nobody did, or we are not root.
pub(in crate::capture) fn caller() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let number = |name: &str| std::env::var(name).ok();
    sudo(number("SUDO_UID").as_deref(), number("SUDO_GID").as_deref())
}

/// Both numbers, and neither of them root's.
fn sudo(uid: Option<&str>, gid: Option<&str>) -> Option<(u32, u32)> {
    let number = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|number| *number != 0 && *number != u32::MAX)
    };
    Some((number(uid?)?, number(gid?)?))
}

/// Where there is no list of users, nobody is in it: the C library says so in several ways.
fn known(found: Result<Option<User>, Errno>) -> Result<Option<User>, Errno> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        found => found,
    }
}

fn target(user: Option<&str>) -> Result<(Uid, Gid, String), CaptureError> {
    let said = |errno: Errno| CaptureError::Privileges {
        detail: format!("list of users: {}", errno.desc()),
    };
    if let Some(name) = user {
        let user = known(User::from_name(name)).map_err(said)?;
        let none = || CaptureError::Privileges {
            detail: format!("there is no user \"{name}\""),
        };
        return user
            .map(|user| (user.uid, user.gid, user.name))
            .ok_or_else(none);
    }
    if let Some((uid, gid)) = caller() {
        let user = known(User::from_uid(Uid::from_raw(uid))).map_err(said)?;
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        return Ok((Uid::from_raw(uid), Gid::from_raw(gid), name));
    }
    let nobody = known(User::from_name("nobody"))
        .map_err(said)?
        .filter(|user| !user.uid.is_root());
    Ok(match nobody {
        Some(user) => (user.uid, user.gid, user.name),
        None => (
            Uid::from_raw(NOBODY),
            Gid::from_raw(NOBODY),
            NOBODY.to_string(),
        ),
    })
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn become_group(gid: Gid) -> Result<(), Errno> {
    nix::unistd::setresgid(gid, gid, gid)
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn become_user(uid: Uid) -> Result<(), Errno> {
    nix::unistd::setresuid(uid, uid, uid)
}

/// For root, `setgid` sets all three numbers.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
fn become_group(gid: Gid) -> Result<(), Errno> {
    nix::unistd::setgid(gid)
}

/// For root, `setuid` sets all three numbers.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
fn become_user(uid: Uid) -> Result<(), Errno> {
    setuid(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_who_called_sudo_unless_it_is_root() {
        assert_eq!(sudo(Some("1000"), Some("100")), Some((1000, 100)));
        for (uid, gid) in [
            (None, Some("100")),
            (Some("1000"), None),
            (Some("0"), Some("0")),
            (Some("1000"), Some("0")),
            (Some("-1"), Some("100")),
            (Some("4294967295"), Some("100")),
            (Some("root"), Some("100")),
        ] {
            assert_eq!(sudo(uid, gid), None, "{uid:?} {gid:?}");
        }
    }

    #[test]
    fn without_a_caller_it_is_nobody() {
        let (uid, gid, name) = target(None).unwrap();
        assert!(!uid.is_root());
        assert!(gid.as_raw() != 0);
        assert!(!name.is_empty());
    }
}

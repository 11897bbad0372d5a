//! Changes from root to another user: the one given by `--user`, the one who ran `sudo`, or
//! `nobody`. The change is verified to be irreversible.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, fchown, geteuid, setuid};

use crate::capture::CaptureError;

use super::step;

/// User and group id used if the system has no user `nobody`; the kernel's overflow id.
const NOBODY: u32 = 65534;

/// What [`super::give_up`] did about the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The process was not root.
    NotRoot,
    /// Root was kept on request.
    Kept,
    /// The process now runs as this user.
    Became {
        /// User name, or the user id if it has no name.
        user: String,
        /// User id.
        uid: u32,
        /// Group id.
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

/// Becomes `user`, or the user who ran `sudo`, or `nobody`, irreversibly. Does nothing unless root.
pub(super) fn give_up(user: Option<&str>) -> Result<Outcome, CaptureError> {
    if !geteuid().is_root() {
        return Ok(Outcome::NotRoot);
    }
    let (uid, gid, user) = resolve(user)?;
    if uid.is_root() {
        return Err(CaptureError::Privileges {
            detail: format!("\"{user}\" is root"),
        });
    }
    step("setgroups", leave_groups())?;
    step("setresgid", become_group(gid))?;
    step("setresuid", become_user(uid))?;
    if setuid(Uid::from_raw(0)).is_ok() || geteuid().is_root() {
        return Err(CaptureError::Privileges {
            detail: "root can be regained".to_owned(),
        });
    }
    Ok(Outcome::Became {
        user,
        uid: uid.as_raw(),
        gid: gid.as_raw(),
    })
}

/// Name of the effective user, or the user id if it has no name.
#[must_use]
pub fn current_user() -> String {
    let uid = geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// Returns the user that [`super::give_up`] would become; `None` unless root.
///
/// # Errors
/// There is no such user, or the user database cannot be read.
pub fn target_user(user: Option<&str>) -> Result<Option<String>, CaptureError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    resolve(user).map(|(.., name)| Some(name))
}

/// Changes the owner of an open file to the user that [`super::give_up`] becomes. Does nothing
/// unless root.
///
/// # Errors
/// There is no such user, or the file system refuses.
pub fn chown_output(file: &File, user: Option<&str>) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid, _) = resolve(user).map_err(io::Error::other)?;
    Ok(fchown(file, Some(uid), Some(gid))?)
}

/// Returns the name of the user that [`super::give_up`] becomes if that user lacks permission to
/// create files in a directory. Ignores supplementary groups, because they are dropped. Only used
/// to report the problem early; the system decides.
///
/// # Errors
/// There is no such user, or the directory cannot be examined.
pub fn cannot_write_to(folder: &Path, user: Option<&str>) -> io::Result<Option<String>> {
    const WRITE_AND_SEARCH: u32 = 0o3;
    if !geteuid().is_root() {
        return Ok(None);
    }
    let (uid, gid, name) = resolve(user).map_err(io::Error::other)?;
    let metadata = folder.metadata()?;
    let mode = match () {
        () if metadata.uid() == uid.as_raw() => metadata.mode() >> 6,
        () if metadata.gid() == gid.as_raw() => metadata.mode() >> 3,
        () => metadata.mode(),
    };
    Ok((mode & WRITE_AND_SEARCH != WRITE_AND_SEARCH).then_some(name))
}

/// User and group ids of the user who ran `sudo`; `None` without `sudo`, or unless root.
pub(in crate::capture) fn sudo_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let number = |name: &str| std::env::var(name).ok();
    parse_sudo(number("SUDO_UID").as_deref(), number("SUDO_GID").as_deref())
}

/// Parses both ids; neither may be root's.
fn parse_sudo(uid: Option<&str>, gid: Option<&str>) -> Option<(u32, u32)> {
    let number = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|number| *number != 0 && *number != u32::MAX)
    };
    Some((number(uid?)?, number(gid?)?))
}

/// Without a list of users there are none: the C library reports that in several ways.
fn known(found: Result<Option<User>, Errno>) -> Result<Option<User>, Errno> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        found => found,
    }
}

fn resolve(user: Option<&str>) -> Result<(Uid, Gid, String), CaptureError> {
    let to_error = |errno: Errno| CaptureError::Privileges {
        detail: format!("list of users: {}", errno.desc()),
    };
    if let Some(name) = user {
        let user = known(User::from_name(name)).map_err(to_error)?;
        let no_such_user = || CaptureError::Privileges {
            detail: format!("there is no user \"{name}\""),
        };
        return user
            .map(|user| (user.uid, user.gid, user.name))
            .ok_or_else(no_such_user);
    }
    if let Some((uid, gid)) = sudo_user() {
        let user = known(User::from_uid(Uid::from_raw(uid))).map_err(to_error)?;
        let name = user.map_or_else(|| uid.to_string(), |user| user.name);
        return Ok((Uid::from_raw(uid), Gid::from_raw(gid), name));
    }
    let nobody = known(User::from_name("nobody"))
        .map_err(to_error)?
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

#[cfg(not(target_vendor = "apple"))]
fn leave_groups() -> Result<(), Errno> {
    nix::unistd::setgroups(&[])
}

/// Apple's systems keep the groups of a user elsewhere, and nix has no call for them.
#[cfg(target_vendor = "apple")]
#[allow(clippy::unnecessary_wraps, reason = "the same signature everywhere")]
fn leave_groups() -> Result<(), Errno> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn become_group(gid: Gid) -> Result<(), Errno> {
    nix::unistd::setresgid(gid, gid, gid)
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn become_user(uid: Uid) -> Result<(), Errno> {
    nix::unistd::setresuid(uid, uid, uid)
}

/// For root, `setgid` sets the real, effective and saved ids.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
fn become_group(gid: Gid) -> Result<(), Errno> {
    nix::unistd::setgid(gid)
}

/// For root, `setuid` sets the real, effective and saved ids.
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
fn become_user(uid: Uid) -> Result<(), Errno> {
    setuid(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_who_called_sudo_unless_it_is_root() {
        assert_eq!(parse_sudo(Some("1000"), Some("100")), Some((1000, 100)));
        for (uid, gid) in [
            (None, Some("100")),
            (Some("1000"), None),
            (Some("0"), Some("0")),
            (Some("1000"), Some("0")),
            (Some("-1"), Some("100")),
            (Some("4294967295"), Some("100")),
            (Some("root"), Some("100")),
        ] {
            assert_eq!(parse_sudo(uid, gid), None, "{uid:?} {gid:?}");
        }
    }

    #[test]
    fn without_a_caller_it_is_nobody() {
        let (uid, gid, name) = resolve(None).unwrap();
        assert!(!uid.is_root());
        assert!(gid.as_raw() != 0);
        assert!(!name.is_empty());
    }
}

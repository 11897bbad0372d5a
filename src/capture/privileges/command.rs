//! The user as whom a command runs: the one that [`give_up`](super::give_up) becomes, with its
//! groups.
//!
//! Only the helper that starts the command becomes this user.

use std::ffi::{CString, OsString};
use std::io;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};

use crate::capture::CaptureError;

use super::user::resolve;

/// A user to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    uid: u32,
    gid: u32,
    /// The name; the number if there is none.
    name: String,
}

/// The user as whom a command runs; `None` for the one who runs this process.
///
/// # Errors
/// There is no such user, or the user database cannot be read.
pub fn identity(user: Option<&str>, keep_root: bool) -> Result<Option<Identity>, CaptureError> {
    if keep_root || !geteuid().is_root() {
        return Ok(None);
    }
    let (uid, gid, name) = resolve(user)?;
    Ok(Some(Identity {
        uid: uid.as_raw(),
        gid: gid.as_raw(),
        name,
    }))
}

impl Identity {
    /// As an argument of the helper: [`Self::parse`] reads it.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{}:{}", self.uid, self.gid, self.name)
    }

    /// Reads [`Self::to_text`]. Root is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next()?.parse::<u32>().ok().filter(|id| *id != 0);
        let (uid, gid) = (number()?, number()?);
        let name = parts.next()?.to_owned();
        Some(Self { uid, gid, name })
    }

    /// Whether it is `nobody`, because nobody else is known.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.name == "nobody"
    }

    /// Becomes this user, with all its groups, for good.
    ///
    /// # Errors
    /// A step failed, or root can be regained.
    pub fn become_it(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if User::from_uid(uid).ok().flatten().is_some() {
            let name = CString::new(self.name.as_str())?;
            groups(&name, gid)?;
        } else {
            setgroups(&[gid])?;
        }
        setgid(gid)?;
        setuid(uid)?;
        if setuid(Uid::from_raw(0)).is_ok() || geteuid().is_root() {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }

    /// The variables that a login sets.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut all: Vec<(OsString, OsString)> = vec![
            ("USER".into(), self.name.as_str().into()),
            ("LOGNAME".into(), self.name.as_str().into()),
        ];
        if let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.uid)) {
            all.push(("HOME".into(), user.dir.into()));
            all.push(("SHELL".into(), user.shell.into()));
        }
        all
    }
}

#[cfg(not(target_vendor = "apple"))]
fn groups(name: &CString, gid: Gid) -> nix::Result<()> {
    nix::unistd::initgroups(name, gid)
}

#[cfg(target_vendor = "apple")]
fn groups(_: &CString, gid: Gid) -> nix::Result<()> {
    setgroups(&[gid])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written_and_root_is_none() {
        let dev = Identity {
            uid: 1000,
            gid: 100,
            name: "dev:x".into(),
        };
        assert_eq!(Identity::parse(&dev.to_text()), Some(dev));
        for text in ["", "0:0:root", "1000:0:dev", "x:1:dev", "1000", "1000:100"] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
    }
}

//! Root is given up once everything is open.

use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};

/// Why root could not be given up: the program must not go on.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// There is no such user.
    #[error("there is no user \"{0}\"")]
    NoSuchUser(String),
    /// The system refused.
    #[error("cannot become {user}: {source}")]
    Refused {
        /// Who was to be become.
        user: String,
        /// Why not.
        source: nix::Error,
    },
    /// Root's rights came back.
    #[error("the rights of root could be taken back; not going on")]
    Regained,
}

/// Become `user`, or who called sudo, or nobody. Does nothing when not root; says who the program now is.
///
/// # Errors
/// When that is not possible.
pub fn give_up(user: Option<&str>) -> Result<Option<String>, PrivilegesError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let (name, uid, gid) = match user {
        Some(name) => named(name)?,
        None => invoking().map_or_else(|| named("nobody"), Ok)?,
    };
    let refused = |source| PrivilegesError::Refused {
        user: name.clone(),
        source,
    };
    setgroups(&[]).map_err(refused)?;
    setresgid(gid, gid, gid).map_err(refused)?;
    setresuid(uid, uid, uid).map_err(refused)?;
    if !uid.is_root() && nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(PrivilegesError::Regained);
    }
    Ok(Some(name))
}

/// Who called sudo, unless that was root.
fn invoking() -> Option<(String, Uid, Gid)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let (uid, gid) = (number("SUDO_UID")?, number("SUDO_GID")?);
    (uid != 0).then(|| {
        (
            format!("user {uid}"),
            Uid::from_raw(uid),
            Gid::from_raw(gid),
        )
    })
}

fn named(name: &str) -> Result<(String, Uid, Gid), PrivilegesError> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok((user.name, user.uid, user.gid)),
        _ => Err(PrivilegesError::NoSuchUser(name.to_owned())),
    }
}

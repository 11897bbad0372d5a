//! Finds the descriptions of tracepoints, which the kernel shows in tracefs.
//!
//! It is read where it is mounted; else the kernel makes a mount that is in no folder and that
//! nobody else sees.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::format;

/// Where systems mount it.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// A description of a tracepoint.
pub(super) struct Description {
    pub(super) id: u64,
    pub(super) format: String,
}

/// The folder of all tracepoints.
pub(super) struct Tracefs(OwnedFd);

impl Tracefs {
    /// Finds it.
    ///
    /// # Errors
    /// It may not be read, or the kernel has none.
    pub(super) fn open() -> io::Result<Self> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for place in PLACES {
            if let Ok(root) = openat(CWD, place, folder, Mode::empty())
                && openat(&root, "events", folder, Mode::empty()).is_ok()
            {
                return Ok(Self(root));
            }
        }
        let system = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(system.as_fd())?;
        let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let root = fsmount(system.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, read_only)?;
        Ok(Self(root))
    }

    /// The description of `group/name`.
    ///
    /// # Errors
    /// The kernel has no such tracepoint, or it may not be read.
    pub(super) fn describe(&self, event: &str) -> io::Result<Description> {
        let read = |file: &str| -> io::Result<String> {
            let path = format!("events/{event}/{file}");
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = File::from(openat(&self.0, path, flags, Mode::empty())?);
            let mut text = String::new();
            file.take(format::BYTES).read_to_string(&mut text)?;
            Ok(text)
        };
        let id = read("id")?;
        let id = id.trim().parse().map_err(io::Error::other)?;
        Ok(Description {
            id,
            format: read("format")?,
        })
    }
}

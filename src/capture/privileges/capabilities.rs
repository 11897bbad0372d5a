//! Linux capabilities. None is needed once a device is open, not even `cap_net_raw`, so all are
//! dropped.

use crate::capture::CaptureError;

#[cfg(target_os = "linux")]
mod linux {
    use caps::{CapSet, Capability, CapsHashSet};

    use super::CaptureError;

    fn step<T>(name: &str, result: Result<T, caps::errors::CapsError>) -> Result<T, CaptureError> {
        result.map_err(|error| CaptureError::Privileges {
            detail: format!("{name}: {error}"),
        })
    }

    /// Empties the bounding set, so that no program executed later can have a capability. This
    /// requires `cap_setpcap`, so it must come before the change of user; without it,
    /// no-new-privileges has to suffice.
    pub(in super::super) fn empty_bounding_set() -> Result<(), CaptureError> {
        let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
        if !step("capabilities", may)? {
            return Ok(());
        }
        for capability in caps::runtime::thread_all_supported() {
            let dropped = caps::drop(None, CapSet::Bounding, capability);
            step("bounding set", dropped)?;
        }
        Ok(())
    }

    /// Drops every capability of the process, including inheritable and ambient ones, and verifies
    /// that none is left.
    pub(in super::super) fn drop_all() -> Result<(), CaptureError> {
        if caps::runtime::ambient_set_supported().is_ok() {
            step("ambient set", caps::clear(None, CapSet::Ambient))?;
        }
        for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
            step("capabilities", caps::clear(None, set))?;
        }
        for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
            let left: CapsHashSet = step("capabilities", caps::read(None, set))?;
            if !left.is_empty() {
                return Err(CaptureError::Privileges {
                    detail: format!("capabilities are left: {left:?}"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{drop_all, empty_bounding_set};

/// Other systems have no capabilities.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
pub(super) fn empty_bounding_set() -> Result<(), CaptureError> {
    Ok(())
}

/// Other systems have no capabilities.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "as on Linux")]
pub(super) fn drop_all() -> Result<(), CaptureError> {
    Ok(())
}

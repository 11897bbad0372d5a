//! A device's state and loss counters in Linux sysfs. The files are opened once, with the device,
//! and read repeatedly, because nothing can be opened in the sandbox.
//!
//! libpcap opens its two loss counters on each query; in the sandbox that fails, and its total
//! would then go backwards.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `IFF_UP` in a device's flags.
const UP: u64 = 1;
/// The counters that libpcap adds up for `ps_ifdrop`.
const LOST: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

/// State of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DeviceState {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Removed. A device that later takes its name is a different one.
    Gone,
}

/// The open sysfs files of one device.
#[derive(Debug)]
pub(super) struct SysfsDevice {
    flags: File,
    lost: Vec<File>,
    /// Sum of the counters when the device was opened.
    before: u64,
}

impl SysfsDevice {
    /// Opens the files of a device; `None` if it is not in sysfs (`any`, or another namespace's) or
    /// if there is no sysfs.
    pub(super) fn open(name: &str) -> Option<Self> {
        super::netinfo::in_own_namespace(name)
            .then(|| Self::open_in(Path::new("/sys/class/net"), name))
            .flatten()
    }

    fn open_in(root: &Path, name: &str) -> Option<Self> {
        if name.contains('/') || name.starts_with('.') {
            return None;
        }
        let folder = root.join(name);
        let lost = LOST
            .iter()
            .filter_map(|counter| File::open(folder.join("statistics").join(counter)).ok());
        let mut sysfs = Self {
            flags: File::open(folder.join("flags")).ok()?,
            lost: lost.collect(),
            before: 0,
        };
        sysfs.before = sysfs.lost();
        Some(sysfs)
    }

    /// Current state of the device.
    pub(super) fn state(&self) -> DeviceState {
        match number(&self.flags) {
            None => DeviceState::Gone,
            Some(flags) if flags & UP == 0 => DeviceState::Down,
            Some(_) => DeviceState::Up,
        }
    }

    /// Frames that the device dropped since [`Self::open`].
    pub(super) fn lost(&self) -> u64 {
        let sum: u64 = self.lost.iter().filter_map(number).sum();
        sum.saturating_sub(self.before)
    }
}

/// Reads the number in a sysfs file, `12` or `0x1003`. Fails once the device has been removed.
fn number(file: &File) -> Option<u64> {
    let mut bytes = [0; 32];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_device_is_up_or_down_and_its_losses_count_from_the_start() {
        let root = std::env::temp_dir().join(format!("spygrep-sysfs-{}", std::process::id()));
        let counters = root.join("eth9/statistics");
        fs::create_dir_all(&counters).unwrap();
        let set = |file: &str, text: &str| fs::write(root.join("eth9").join(file), text).unwrap();
        set("flags", "0x1003\n");
        set("statistics/rx_missed_errors", "7\n");
        set("statistics/rx_fifo_errors", "1\n");
        let sysfs = SysfsDevice::open_in(&root, "eth9").unwrap();
        assert_eq!((sysfs.state(), sysfs.lost()), (DeviceState::Up, 0));
        set("statistics/rx_missed_errors", "9\n");
        set("flags", "0x1002\n");
        assert_eq!((sysfs.state(), sysfs.lost()), (DeviceState::Down, 2));
        set("flags", "");
        assert_eq!(sysfs.state(), DeviceState::Gone);
        for name in ["any", "../eth9", ".."] {
            assert!(SysfsDevice::open_in(&root, name).is_none(), "{name}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}

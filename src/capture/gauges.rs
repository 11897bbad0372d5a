//! What Linux says of a device in sysfs: whether it is up, and what it lost itself.
//!
//! The files are opened once, with the device, and read again and again: in the sandbox nothing can be opened. libpcap opens
//! its two counters each time, cannot there, and would then count backwards.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `IFF_UP` in a device's flags.
const UP: u64 = 1;
/// The counters that libpcap adds up for its "dropped by the interface".
const LOST: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

/// How a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// Switched on.
    Up,
    /// Switched off.
    Down,
    /// No longer there; one that comes back under its name is another one.
    Gone,
}

/// The open files of one device.
#[derive(Debug)]
pub(super) struct Gauges {
    flags: File,
    lost: Vec<File>,
    /// What the counters said at the start.
    before: u64,
}

impl Gauges {
    /// Of a device; `None` for what is no device of sysfs (`any`, another namespace's), and where there is no sysfs.
    pub(super) fn open(name: &str) -> Option<Self> {
        super::system::is_own(name)
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
        let mut gauges = Self {
            flags: File::open(folder.join("flags")).ok()?,
            lost: lost.collect(),
            before: 0,
        };
        gauges.before = gauges.lost();
        Some(gauges)
    }

    /// How the device is now.
    pub(super) fn condition(&self) -> Condition {
        match number(&self.flags) {
            None => Condition::Gone,
            Some(flags) if flags & UP == 0 => Condition::Down,
            Some(_) => Condition::Up,
        }
    }

    /// Frames that the device itself lost since it was opened.
    pub(super) fn lost(&self) -> u64 {
        let sum: u64 = self.lost.iter().filter_map(number).sum();
        sum.saturating_sub(self.before)
    }
}

/// The number that a file of sysfs consists of, `12` or `0x1003`. A device that is gone fails to be read.
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
        let root = std::env::temp_dir().join(format!("spygrep-gauges-{}", std::process::id()));
        let counters = root.join("eth9/statistics");
        fs::create_dir_all(&counters).unwrap();
        let set = |file: &str, text: &str| fs::write(root.join("eth9").join(file), text).unwrap();
        set("flags", "0x1003\n");
        set("statistics/rx_missed_errors", "7\n");
        set("statistics/rx_fifo_errors", "1\n");
        let gauges = Gauges::open_in(&root, "eth9").unwrap();
        assert_eq!((gauges.condition(), gauges.lost()), (Condition::Up, 0));
        set("statistics/rx_missed_errors", "9\n");
        set("flags", "0x1002\n");
        assert_eq!((gauges.condition(), gauges.lost()), (Condition::Down, 2));
        set("flags", "");
        assert_eq!(gauges.condition(), Condition::Gone);
        for name in ["any", "../eth9", ".."] {
            assert!(Gauges::open_in(&root, name).is_none(), "{name}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}

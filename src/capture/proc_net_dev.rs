//! The kernel's packet counters of all devices, from `/proc/net/dev`. Yields packet rates as a
//! capture on a device would see them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Path of the counters, for the network namespace of this process.
const FILE: &str = "/proc/net/dev";

/// Packet counters at one moment, by device name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot(BTreeMap<String, Counters>);

/// Packets of one device since it was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
}

impl Snapshot {
    /// Reads the counters; `None` if the system does not have them.
    #[must_use]
    pub fn now() -> Option<Self> {
        std::fs::read_to_string(FILE)
            .ok()
            .map(|text| Self::of(&text))
    }

    /// Parses the text of `/proc/net/dev`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(rows(text).collect())
    }

    /// Packets per second that a capture on `device` would have seen between an earlier snapshot
    /// and this one; `any` sees those of all devices. A packet through `lo` is counted as sent and
    /// as received but captured once. `None` for a device that is not in both snapshots.
    #[must_use]
    pub fn rate(&self, earlier: &Self, device: &str, passed: Duration) -> Option<f64> {
        let one = |name: &str| {
            let (now, then) = (self.0.get(name)?, earlier.0.get(name)?);
            let received = now.received.saturating_sub(then.received);
            let sent = now.sent.saturating_sub(then.sent);
            Some(if name == "lo" {
                received
            } else {
                received + sent
            })
        };
        let packets = match device {
            "any" => self.0.keys().filter_map(|name| one(name)).sum(),
            _ => one(device)?,
        };
        let seconds = passed.as_secs_f64();
        (seconds > 0.0).then(|| packets as f64 / seconds)
    }
}

/// Parses the text of `/proc/net/dev`, in its order: two lines of headings, then a line for each
/// device with its name, a colon, eight receive counters (packets are the second) and eight
/// transmit counters. Skips lines of any other form.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (String, Counters)> {
    text.lines().filter_map(|line| {
        let (name, numbers) = line.rsplit_once(':')?;
        let mut numbers = numbers.split_whitespace().map(str::parse);
        let counters = Counters {
            received: numbers.nth(1)?.ok()?,
            sent: numbers.nth(7)?.ok()?,
        };
        Some((name.trim().to_owned(), counters))
    })
}

/// Takes two snapshots `wait` apart. Returns them and the time that passed.
#[must_use]
pub fn sample(wait: Duration) -> Option<(Snapshot, Snapshot, Duration)> {
    let start = Instant::now();
    let earlier = Snapshot::now()?;
    std::thread::sleep(wait);
    Some((earlier, Snapshot::now()?, start.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(rows: &[(&str, u64, u64)]) -> Snapshot {
        let mut text = String::from(
            "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
        );
        for (name, received, sent) in rows {
            text.push_str(&format!(
                "{name:>6}: 999 {received} 0 0 0 0 0 0 888 {sent} 0 0 0 0 0 0\n"
            ));
        }
        Snapshot::of(&text)
    }

    #[test]
    fn rates_are_what_a_listener_sees() {
        let earlier = snapshot(&[("lo", 100, 100), ("eth0", 10, 20), ("new:1", 5, 5)]);
        let later = snapshot(&[
            ("lo", 150, 150),
            ("eth0", 30, 25),
            ("new:1", 0, 7),
            ("up", 9, 9),
        ]);
        let half = Duration::from_millis(500);
        for (device, wanted) in [
            ("lo", Some(100.0)),
            ("eth0", Some(50.0)),
            // A counter that went backwards was reset.
            ("new:1", Some(4.0)),
            ("up", None),
            ("nosuch", None),
            ("any", Some(154.0)),
        ] {
            assert_eq!(later.rate(&earlier, device, half), wanted, "{device}");
        }
        assert_eq!(later.rate(&earlier, "lo", Duration::ZERO), None);
    }

    #[test]
    fn lines_that_are_no_counters_are_passed_over() {
        for text in [
            "",
            "lo",
            "lo:",
            "lo: 1 2 3",
            "lo: a b c d e f g h i j",
            "\n\n:",
        ] {
            assert_eq!(Snapshot::of(text), Snapshot::default(), "{text:?}");
        }
    }
}

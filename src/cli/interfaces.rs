//! `-L`: the interfaces with their state, packet rates and addresses.
//!
//! Takes `WAIT` to measure the rates.

use std::time::Duration;

use crate::capture::devices::{self, Device};
use crate::capture::proc_net_dev;

use super::problem::Problem;

/// How long packets are counted.
const WAIT: Duration = Duration::from_millis(500);

/// The list: a heading and one line per interface in aligned columns, `any` first.
///
/// # Errors
/// If libpcap cannot list them.
pub fn list() -> Result<String, Problem> {
    let devices = devices::list().map_err(|error| Problem::new(error.to_string()))?;
    if devices.is_empty() {
        return Err(
            Problem::new("no interface can be listened on").advise("as root: sudo spygrep -L")
        );
    }
    let watched = proc_net_dev::sample(WAIT);
    let rate = |device: &Device| {
        let (earlier, later, passed) = watched.as_ref()?;
        later.rate(earlier, &device.name, *passed)
    };
    Ok(table(devices, rate))
}

fn table(mut devices: Vec<Device>, rate: impl Fn(&Device) -> Option<f64>) -> String {
    devices.sort_by_key(|device| device.name != "any");
    let rows = devices.iter().map(|device| {
        let packets = rate(device).map_or_else(String::new, |rate| format!("{rate:.0}"));
        [
            device.name.clone(),
            state(device).to_owned(),
            packets,
            about(device),
        ]
    });
    let heading = ["interface", "state", "packets/s", "addresses"].map(str::to_owned);
    let rows: Vec<[String; 4]> = [heading].into_iter().chain(rows).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |[name, state, packets, about]: &[String; 4]| {
        let line = format!("{name:first$}  {state:second$}  {packets:>third$}  {about}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// The state of an interface in one word: `running` has a link, `up` has none.
pub(super) fn state(device: &Device) -> &'static str {
    match (device.up, device.running) {
        (true, true) => "running",
        (true, false) => "up",
        (false, _) => "down",
    }
}

/// The addresses of an interface, or the system's description of it.
pub(super) fn about(device: &Device) -> String {
    let addresses: Vec<String> = device
        .addresses
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    match (&device.description, addresses.is_empty()) {
        _ if device.name == "any" => "all interfaces at once".to_owned(),
        (Some(description), true) => description.clone(),
        _ => addresses.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::devices::Address;

    #[test]
    fn columns_are_aligned_and_any_comes_first() {
        let device = |name: &str, addresses: &[&str], up: bool, running: bool| Device {
            name: name.to_owned(),
            description: (name == "usbmon0").then(|| "Raw USB traffic".to_owned()),
            addresses: addresses
                .iter()
                .map(|text| Address {
                    address: text.parse().expect("an address"),
                    netmask: None,
                })
                .collect(),
            up,
            running,
            loopback: name == "lo",
        };
        let devices = vec![
            device("lo", &["127.0.0.1", "::1"], true, true),
            device("any", &[], true, true),
            device("docker0", &["172.17.0.1"], true, false),
            device("usbmon0", &[], false, false),
        ];
        let rates = |device: &Device| match device.name.as_str() {
            "any" => Some(1234.4),
            "lo" => Some(0.6),
            "docker0" => Some(0.0),
            _ => None,
        };
        assert_eq!(
            table(devices, rates),
            "\
interface  state    packets/s  addresses
any        running       1234  all interfaces at once
lo         running          1  127.0.0.1 ::1
docker0    up               0  172.17.0.1
usbmon0    down                Raw USB traffic
"
        );
    }
}

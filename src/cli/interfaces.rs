//! `-L`: the interfaces with their state and addresses.

use crate::capture::devices::{self, Device};

use super::problem::Problem;

/// The list, a line each, columns aligned.
///
/// # Errors
/// When libpcap cannot list them.
pub fn list() -> Result<String, Problem> {
    let devices = devices::list().map_err(|error| Problem::new(error.to_string()))?;
    if devices.is_empty() {
        return Err(
            Problem::new("no interface can be listened on").advise("as root: sudo spygrep -L")
        );
    }
    let width = devices
        .iter()
        .map(|device| device.name.len())
        .max()
        .unwrap_or(0);
    Ok(devices
        .iter()
        .map(|device| {
            format!(
                "{:width$}  {:7}  {}\n",
                device.name,
                state(device),
                about(device)
            )
        })
        .collect())
}

fn state(device: &Device) -> &'static str {
    match (device.up, device.running) {
        (true, true) => "running",
        (true, false) => "up",
        (false, _) => "down",
    }
}

fn about(device: &Device) -> String {
    let addresses: Vec<String> = device
        .addresses
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    match (&device.description, addresses.is_empty()) {
        (Some(description), true) => description.clone(),
        _ => addresses.join(" "),
    }
}

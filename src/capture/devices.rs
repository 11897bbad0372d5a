//! The interfaces of this machine.

use std::net::{IpAddr, Ipv4Addr};

use super::CaptureError;

/// An interface.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// What libpcap says of it.
    pub description: Option<String>,
    /// Its addresses, with their netmasks where they have one.
    pub addresses: Vec<(IpAddr, Option<IpAddr>)>,
    /// It is up.
    pub up: bool,
    /// It is up and has a carrier.
    pub running: bool,
    /// It is a loopback interface.
    pub loopback: bool,
}

/// All interfaces that can be captured on, in libpcap's order.
///
/// # Errors
/// When libpcap cannot list them.
pub fn list() -> Result<Vec<Device>, CaptureError> {
    let devices = pcap::Device::list().map_err(|error| CaptureError::Other {
        device: "interfaces".into(),
        detail: error.to_string(),
    })?;
    Ok(devices
        .into_iter()
        .map(|device| Device {
            up: device.flags.is_up(),
            running: device.flags.is_running(),
            loopback: device.flags.is_loopback(),
            addresses: device
                .addresses
                .iter()
                .map(|address| (address.addr, address.netmask))
                .collect(),
            description: device.desc,
            name: device.name,
        })
        .collect())
}

/// The IPv4 network and mask of an interface, for ngrep's banner; none for `any` or without an address.
#[must_use]
pub fn network(name: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let device = list()
        .ok()?
        .into_iter()
        .find(|device| device.name == name)?;
    device
        .addresses
        .into_iter()
        .find_map(|address| match address {
            (IpAddr::V4(addr), Some(IpAddr::V4(mask))) => Some((addr & mask, mask)),
            _ => None,
        })
}

//! The network devices of this machine, as libpcap lists them. Listing needs no privileges and
//! opens no device.

use std::net::{IpAddr, Ipv4Addr};

use super::CaptureError;

/// A device to capture from; this user may lack permission to open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Name, as accepted by `-d`.
    pub name: String,
    /// Description, if the system has one.
    pub description: Option<String>,
    /// IP addresses.
    pub addresses: Vec<Address>,
    /// The device is up (`IFF_UP`).
    pub up: bool,
    /// The device is up and has a link (`IFF_RUNNING`).
    pub running: bool,
    /// The device is a loopback device.
    pub loopback: bool,
}

/// An IP address of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Mask of its network.
    pub netmask: Option<IpAddr>,
}

impl Device {
    /// Network and mask of the first IPv4 address (`127.0.0.0`, `255.0.0.0`), like libpcap's
    /// `pcap_lookupnet`.
    #[must_use]
    pub fn ipv4_network(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        self.addresses
            .iter()
            .find_map(|one| match (one.address, one.netmask) {
                (IpAddr::V4(address), Some(IpAddr::V4(mask))) => Some((address & mask, mask)),
                _ => None,
            })
    }
}

/// Returns all devices in libpcap's order, in which the default device comes first.
///
/// # Errors
/// Fails if libpcap cannot list the devices.
pub fn list() -> Result<Vec<Device>, CaptureError> {
    let devices = pcap::Device::list().map_err(|error| CaptureError::Device {
        name: "devices".to_owned(),
        detail: super::device::message(&error),
    })?;
    Ok(devices.into_iter().map(Device::from).collect())
}

/// Returns the device to capture from by default: `any` on Linux, elsewhere libpcap's first device.
///
/// # Errors
/// Fails, except on Linux, if the devices cannot be listed or there is no device.
pub fn default_name() -> Result<String, CaptureError> {
    if cfg!(target_os = "linux") {
        return Ok("any".to_owned());
    }
    let first = list()?.into_iter().next();
    first
        .map(|device| device.name)
        .ok_or_else(|| CaptureError::NoSuchDevice {
            name: "default device".to_owned(),
        })
}

/// Returns the IPv4 network and mask of a device; `None` for `any`, for a device without an IPv4
/// address and for an unknown name.
#[must_use]
pub fn ipv4_network(name: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    list()
        .ok()?
        .iter()
        .find(|device| device.name == name)?
        .ipv4_network()
}

impl From<pcap::Device> for Device {
    fn from(device: pcap::Device) -> Self {
        let addresses = device.addresses.iter();
        Self {
            addresses: addresses
                .map(|one| Address {
                    address: one.addr,
                    netmask: one.netmask,
                })
                .collect(),
            up: device.flags.is_up(),
            running: device.flags.is_running(),
            loopback: device.flags.is_loopback(),
            name: device.name,
            description: device.desc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_is_the_first_ipv4_address_under_its_mask() {
        let v6 = Address {
            address: "::1".parse().unwrap(),
            netmask: None,
        };
        let v4 = Address {
            address: "10.1.2.3".parse().unwrap(),
            netmask: Some("255.255.0.0".parse().unwrap()),
        };
        let mut device = Device {
            name: "eth0".to_owned(),
            description: None,
            addresses: vec![v6, v4],
            up: true,
            running: true,
            loopback: false,
        };
        assert_eq!(
            device.ipv4_network(),
            Some((Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(255, 255, 0, 0)))
        );
        device.addresses.pop();
        assert_eq!(device.ipv4_network(), None);
    }
}

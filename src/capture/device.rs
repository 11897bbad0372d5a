//! Opens one network device with libpcap and classifies libpcap's errors. Options that the device
//! does not support (promiscuous mode, nanoseconds) are left out instead of failing.

use std::io::{self, Read};
use std::os::fd::AsRawFd;

use pcap::{Active, Capture, Linktype, Precision};

use crate::frame::LinkType;

use super::live::{CaptureDirection, LiveSettings};
use super::{CaptureError, Warning, devices};

/// Opens a device. Returns it with the length of one unit of its timestamps' fractions, in
/// nanoseconds: 1 or 1000. A refused promiscuous mode adds a warning.
pub(super) fn open(
    name: &str,
    settings: &LiveSettings,
    warnings: &mut Vec<Warning>,
) -> Result<(Capture<Active>, i64), CaptureError> {
    let to_error = |error: &pcap::Error| explain(name, &message(error), false);
    // libpcap warns that `any` has no promiscuous mode, and the `pcap` crate treats a warning as an
    // error.
    let promiscuous = settings.promiscuous && name != "any";
    let (capture, unit) = match activate_precise(name, settings, promiscuous) {
        Err(refusal) if promiscuous => {
            let plain = activate_precise(name, settings, false).map_err(|_| to_error(&refusal))?;
            let text = format!("not in promiscuous mode: {}", message(&refusal));
            warnings.push(Warning {
                about: name.to_owned(),
                text,
            });
            plain
        }
        other => other.map_err(|error| to_error(&error))?,
    };
    let capture = finish(capture, settings).map_err(|error| to_error(&error))?;
    Ok((capture, unit))
}

/// Opens with nanosecond timestamps if available, otherwise again with microseconds.
fn activate_precise(
    name: &str,
    settings: &LiveSettings,
    promiscuous: bool,
) -> Result<(Capture<Active>, i64), pcap::Error> {
    let capture = activate(name, settings, promiscuous, Precision::Nano)?;
    if is_nano(&capture) {
        return Ok((capture, 1));
    }
    drop(capture);
    activate(name, settings, promiscuous, Precision::Micro).map(|capture| (capture, 1000))
}

fn activate(
    name: &str,
    settings: &LiveSettings,
    promiscuous: bool,
    precision: Precision,
) -> Result<Capture<Active>, pcap::Error> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    Capture::from_device(name)?
        .snaplen(number(settings.snaplen))
        .buffer_size(number(settings.buffer_size))
        .promisc(promiscuous)
        .timeout(i32::from(settings.timeout_ms))
        .precision(precision)
        .open()
}

fn finish(
    mut capture: Capture<Active>,
    settings: &LiveSettings,
) -> Result<Capture<Active>, pcap::Error> {
    let cooked = i32::try_from(LinkType::LINUX_SLL.0).map(Linktype);
    let cooked2 = i32::try_from(LinkType::LINUX_SLL2.0).map(Linktype);
    if let (true, Ok(cooked), Ok(cooked2)) = (settings.per_packet_interface, cooked, cooked2)
        && capture.get_datalink() == cooked
    {
        // Ignore failure: libpcap before 1.10 lacks cooked v2. Frames then do not name their
        // interface, so some duplicates cannot be distinguished from retransmissions.
        let _ = capture.set_datalink(cooked2);
    }
    match settings.direction {
        None => {}
        Some(CaptureDirection::In) => capture.direction(pcap::Direction::In)?,
        Some(CaptureDirection::Out) => capture.direction(pcap::Direction::Out)?,
    }
    capture.setnonblock()
}

/// Returns whether timestamps have nanoseconds, as requested. The `pcap` crate does not expose the
/// granted precision, but libpcap writes it into the magic number of a capture file; that file may
/// be a pipe.
fn is_nano(capture: &Capture<Active>) -> bool {
    let magic = || -> io::Result<[u8; 4]> {
        let (mut reader, writer) = io::pipe()?;
        let path = format!("/dev/fd/{}", writer.as_raw_fd());
        let mut file = capture.savefile(path).map_err(io::Error::other)?;
        file.flush().map_err(io::Error::other)?;
        let mut magic = [0; 4];
        reader.read_exact(&mut magic)?;
        Ok(magic)
    };
    magic().is_ok_and(|magic| u32::from_ne_bytes(magic) == 0xa1b2_3c4d)
}

/// Classifies an error of libpcap. Its errors are text only, so the list of devices is consulted as
/// well.
pub(super) fn explain(name: &str, message: &str, was_open: bool) -> CaptureError {
    let name = name.to_owned();
    let lower = message.to_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") {
        return CaptureError::NoRights {
            device: name,
            detail: message.to_owned(),
        };
    }
    let known = devices::list()
        .unwrap_or_default()
        .into_iter()
        .find(|device| device.name == name);
    match known {
        None if was_open => CaptureError::DeviceGone { name },
        None if ["no such device", "doesn't exist", "does not exist"]
            .iter()
            .any(|text| lower.contains(text)) =>
        {
            CaptureError::NoSuchDevice { name }
        }
        Some(device) if !device.up && name != "any" => CaptureError::DeviceDown { name },
        _ => CaptureError::Device {
            name,
            detail: message.to_owned(),
        },
    }
}

/// libpcap's message without the crate's prefix.
pub(super) fn message(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified() {
        let explained = explain("eth0", "socket: Operation not permitted", false);
        assert!(matches!(explained, CaptureError::NoRights { .. }));
        let explained = explain("no-such-device", "SIOCGIFHWADDR: No such device", false);
        assert!(matches!(explained, CaptureError::NoSuchDevice { .. }));
        let explained = explain("no-such-device", "The interface disappeared", true);
        assert!(matches!(explained, CaptureError::DeviceGone { .. }));
        let explained = explain("any", "something else", true);
        assert!(matches!(
            explained,
            CaptureError::Device { .. } | CaptureError::DeviceGone { .. }
        ));
    }
}

//! Opening one network device with libpcap, and what libpcap's errors mean.

use std::io::{self, Read};
use std::os::fd::AsRawFd;

use pcap::{Active, Capture, Linktype, Precision};

use crate::frame::LinkType;

use super::live::{LiveSettings, Way};
use super::{CaptureError, Warning, devices};

/// Open a device, without what it refuses: the promiscuous mode, nanoseconds. With it come the nanoseconds in one unit of
/// its time stamps' fractions, 1 or 1000.
pub(super) fn open(
    name: &str,
    settings: &LiveSettings,
    warnings: &mut Vec<Warning>,
) -> Result<(Capture<Active>, i64), CaptureError> {
    let said = |error: &pcap::Error| explain(name, &words(error), false);
    // libpcap warns about the promiscuous mode of `any`, and the crate takes a warning for an error.
    let promiscuous = settings.promiscuous && name != "any";
    let (capture, unit) = match activate_precise(name, settings, promiscuous) {
        Err(refusal) if promiscuous => {
            let plain = activate_precise(name, settings, false).map_err(|_| said(&refusal))?;
            let text = format!("not in promiscuous mode: {}", words(&refusal));
            warnings.push(Warning {
                about: name.to_owned(),
                text,
            });
            plain
        }
        other => other.map_err(|error| said(&error))?,
    };
    let capture = finish(capture, settings).map_err(|error| said(&error))?;
    Ok((capture, unit))
}

/// With nanoseconds if they are granted, else again with microseconds.
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
    if let (true, Ok(cooked), Ok(cooked2)) = (settings.tells_interface, cooked, cooked2)
        && capture.get_datalink() == cooked
    {
        // Without it, libpcap is older than 1.10: some copies are not told from what was sent again.
        let _ = capture.set_datalink(cooked2);
    }
    match settings.direction {
        None => {}
        Some(Way::In) => capture.direction(pcap::Direction::In)?,
        Some(Way::Out) => capture.direction(pcap::Direction::Out)?,
    }
    capture.setnonblock()
}

/// Whether a device's time stamps are nanoseconds, as was asked for. The `pcap` crate does not say what was granted, but
/// libpcap writes it into the first bytes of a capture file, and that file may be a pipe of ours.
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

/// What an error of libpcap means. Its errors are texts only, so the list of devices is asked as well.
pub(super) fn explain(name: &str, said: &str, was_open: bool) -> CaptureError {
    let name = name.to_owned();
    let lower = said.to_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") {
        return CaptureError::NoRights {
            device: name,
            detail: said.to_owned(),
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
            detail: said.to_owned(),
        },
    }
}

/// libpcap's words alone.
pub(super) fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
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

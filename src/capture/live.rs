//! Frames from network devices, through libpcap. A call never blocks for longer than
//! [`LiveSettings::timeout_ms`], whatever the devices do.
//!
//! libpcap's own read timeout starts with the first packet, so on a quiet device it would block for
//! ever. The devices are therefore non-blocking, and all of them are polled together. Immediate
//! mode is not used: its fixed-size slots drop frames under load where blocks of frames do not.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture};

use crate::frame::{Frame, Timestamp};
use crate::stats::CaptureStats;

use super::device::{self, explain, message};
use super::filter::{FilterError, KernelFilter};
use super::sysfs::{DeviceState, SysfsDevice};
use super::{CaptureError, Interface, MAX_SNAPLEN, Next, Source, Warning, devices, linktype};

/// Frames read from one device before the next ready device is served.
const FRAMES_PER_TURN: u32 = 256;

/// How often the state of the devices is checked; a device that goes down must be reported within
/// two seconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Capture options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveSettings {
    /// Device names; empty means [`devices::default_name`].
    pub devices: Vec<String>,
    /// Maximum bytes captured of each frame.
    pub snaplen: u32,
    /// Also capture frames addressed to other machines, if the device supports it.
    pub promiscuous: bool,
    /// Size of the kernel's buffer for each device, in bytes.
    pub buffer_size: u32,
    /// For `any`, request the interface of each frame (Linux cooked v2), if libpcap supports it.
    pub per_packet_interface: bool,
    /// Restricts the capture to received or sent frames.
    pub direction: Option<CaptureDirection>,
    /// Milliseconds after which the kernel delivers a partly filled block, and after which a quiet
    /// source returns [`Next::Idle`].
    pub timeout_ms: u8,
}

/// Direction in which a frame passes a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaptureDirection {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            snaplen: MAX_SNAPLEN,
            promiscuous: true,
            per_packet_interface: true,
            buffer_size: 32 << 20,
            direction: None,
            timeout_ms: 15,
        }
    }
}

/// A live capture of one or more devices.
pub struct Live {
    devices: Vec<Device>,
    interfaces: Vec<Interface>,
    warnings: Vec<Warning>,
    timeout_ms: u8,
    frames: u64,
    /// Index of the device being served.
    current: usize,
    turn: u32,
    /// Time of the last check of the devices' states.
    last_check: Instant,
}

struct Device {
    capture: Capture<Active>,
    /// Nanoseconds in one unit of a timestamp's fraction: 1 or 1000.
    unit: i64,
    loopback: bool,
    sysfs: Option<SysfsDevice>,
    /// Has reported data in `poll` and has not been drained since.
    ready: bool,
    /// A warning that it is down has been emitted.
    down: bool,
    /// Extends libpcap's 32-bit counters.
    dropped: WideCounter,
    interface_dropped: WideCounter,
}

impl Live {
    /// Opens the devices. The kernel starts to buffer all frames immediately, so set a filter next.
    ///
    /// # Errors
    /// A device does not exist, is down, or may not be captured from.
    pub fn open(settings: &LiveSettings) -> Result<Self, CaptureError> {
        let names = match &settings.devices[..] {
            [] => vec![devices::default_name()?],
            names => names.to_vec(),
        };
        let loopbacks = devices::list().unwrap_or_default();
        let mut live = Self {
            devices: Vec::new(),
            interfaces: Vec::new(),
            warnings: Vec::new(),
            timeout_ms: settings.timeout_ms,
            frames: 0,
            current: 0,
            turn: FRAMES_PER_TURN,
            last_check: Instant::now(),
        };
        for name in names {
            let (capture, unit) = device::open(&name, settings, &mut live.warnings)?;
            let link = linktype::link_type(capture.get_datalink());
            let loopback = loopbacks
                .iter()
                .any(|device| device.loopback && device.name == name);
            let (dropped, interface_dropped) = (WideCounter::default(), WideCounter::default());
            live.devices.push(Device {
                capture,
                unit,
                loopback,
                sysfs: SysfsDevice::open(&name),
                ready: false,
                down: false,
                dropped,
                interface_dropped,
            });
            live.interfaces.push(Interface {
                source: name.as_str().into(),
                name: Some(name),
                link,
                snaplen: settings.snaplen,
            });
        }
        Ok(live)
    }

    /// Installs a filter in the kernel for every device.
    ///
    /// # Errors
    /// libpcap rejects the expression for one of the devices.
    pub fn set_filter(&mut self, filter: KernelFilter<'_>) -> Result<(), CaptureError> {
        for (device, interface) in self.devices.iter_mut().zip(&self.interfaces) {
            let mut refusal = String::new();
            let accepted = filter.candidates().iter().any(|text| {
                let result = device.capture.filter(text, true);
                refusal = result.as_ref().err().map(message).unwrap_or_default();
                result.is_ok()
            });
            if !accepted {
                let detail = format!("{refusal} (on {})", interface.source);
                return Err(FilterError {
                    expression: filter.expression().to_owned(),
                    detail,
                }
                .into());
            }
        }
        Ok(())
    }

    /// The sockets of the devices.
    #[must_use]
    pub fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        let devices = self.devices.iter();
        devices.map(|device| device.capture.as_fd()).collect()
    }

    /// Returns the index of the device to read from: the current one for the rest of its turn, then
    /// the next ready one.
    fn ready(&mut self) -> Option<usize> {
        let count = self.devices.len();
        if self.turn > 0 && self.devices.get(self.current)?.ready {
            return Some(self.current);
        }
        let next = (1..=count)
            .map(|step| (self.current + step) % count)
            .find(|index| self.devices[*index].ready)?;
        (self.current, self.turn) = (next, FRAMES_PER_TURN);
        Some(next)
    }

    /// Blocks until a device has frames, the timeout expires or a signal arrives.
    fn wait(&mut self) -> Result<(), CaptureError> {
        let mut fds: Vec<_> = self
            .devices
            .iter()
            .map(|device| PollFd::new(device.capture.as_fd(), PollFlags::POLLIN))
            .collect();
        let states: Vec<PollFlags> = match poll(&mut fds, PollTimeout::from(self.timeout_ms)) {
            Ok(0) | Err(Errno::EINTR) => return self.check_devices(),
            Ok(_) => fds
                .iter()
                .map(|fd| fd.revents().unwrap_or(PollFlags::POLLERR))
                .collect(),
            Err(errno) => {
                let name = self
                    .interfaces
                    .first()
                    .map(|one| one.source.to_string())
                    .unwrap_or_default();
                return Err(CaptureError::Device {
                    name,
                    detail: errno.desc().to_owned(),
                });
            }
        };
        for (device, state) in self.devices.iter_mut().zip(states) {
            // On an error or hang-up, the next read returns libpcap's description of it.
            device.ready = !state.is_empty();
        }
        self.check_devices()
    }

    /// Reports devices that went down or came up. A device that is down may come up again and
    /// continue, so this is a warning; one that disappeared never returns, even if a new device
    /// takes its name, so this is an error.
    fn check_devices(&mut self) -> Result<(), CaptureError> {
        if self.last_check.elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        self.last_check = Instant::now();
        for (device, interface) in self.devices.iter_mut().zip(&self.interfaces) {
            let Some(sysfs) = &device.sysfs else {
                continue;
            };
            let name = interface.source.to_string();
            let down = match sysfs.state() {
                DeviceState::Gone => return Err(CaptureError::DeviceGone { name }),
                state => state == DeviceState::Down,
            };
            if std::mem::replace(&mut device.down, down) == down {
                continue;
            }
            let text = match down {
                true => "the device is down; nothing is captured from it until it is up again",
                false => "the device is up again",
            };
            self.warnings.push(Warning {
                about: name,
                text: text.to_owned(),
            });
        }
        Ok(())
    }
}

impl Source for Live {
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError> {
        if self.ready().is_none() {
            self.wait()?;
        }
        let Some(index) = self.ready() else {
            return Ok(Next::Idle);
        };
        self.turn -= 1;
        // No loop over the devices here: the borrow of the returned packet could not leave it.
        let interface = &self.interfaces[index];
        let Device {
            capture,
            unit,
            sysfs,
            ready,
            ..
        } = &mut self.devices[index];
        match capture.next_packet() {
            Ok(packet) => {
                self.frames += 1;
                let captured = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
                #[allow(
                    clippy::useless_conversion,
                    reason = "the fields' types differ from system to system"
                )]
                let (seconds, fraction) = (
                    i64::from(packet.header.ts.tv_sec),
                    i64::from(packet.header.ts.tv_usec),
                );
                Ok(Next::Frame(Frame {
                    number: self.frames,
                    ts: Timestamp::new(seconds, fraction * *unit),
                    interface: index as u32,
                    link: interface.link,
                    wire_len: packet.header.len.max(captured),
                    bytes: packet.data,
                }))
            }
            Err(pcap::Error::TimeoutExpired) => {
                *ready = false;
                Ok(Next::Idle)
            }
            Err(error) => {
                // In the sandbox the devices can no longer be listed, so prefer the sysfs files
                // opened at the start.
                let name = interface.source.to_string();
                Err(match sysfs.as_ref().map(SysfsDevice::state) {
                    Some(DeviceState::Gone) => CaptureError::DeviceGone { name },
                    Some(_) => CaptureError::Device {
                        name,
                        detail: message(&error),
                    },
                    None => explain(&name, &message(&error), true),
                })
            }
        }
    }

    fn stats(&mut self) -> CaptureStats {
        let mut stats = CaptureStats {
            frames: self.frames,
            ..CaptureStats::default()
        };
        for (device, interface) in self.devices.iter_mut().zip(&self.interfaces) {
            if let Ok(now) = device.capture.stats() {
                device.dropped.set(now.dropped);
                device.interface_dropped.set(now.if_dropped);
            }
            // On loopback the kernel counts each frame twice, sent and received, and libpcap passes
            // on the received one only, so about half of the drops would have been visible.
            // (Filtering the sent ones in the kernel with `inbound` loses other frames: libpcap
            // applies a new filter in user space for a while, where the direction is unknown.)
            let dropped = device.dropped.total;
            stats.dropped_at_most |= *interface.source == *"any" && dropped > 0;
            stats.dropped += if device.loopback {
                dropped.div_ceil(2)
            } else {
                dropped
            };
            stats.interface_dropped += match &device.sysfs {
                Some(sysfs) => sysfs.lost(),
                None => device.interface_dropped.total,
            };
        }
        stats
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }
}

/// Extends a wrapping 32-bit counter of libpcap to 64 bits.
#[derive(Default, Debug)]
struct WideCounter {
    last: u32,
    total: u64,
}

impl WideCounter {
    fn set(&mut self, now: u32) {
        self.total += u64::from(now.wrapping_sub(self.last));
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_on_when_libpcaps_overflow() {
        let mut counter = WideCounter::default();
        for (now, total) in [
            (5, 5),
            (5, 5),
            (u32::MAX, u64::from(u32::MAX)),
            (4, u64::from(u32::MAX) + 5),
        ] {
            counter.set(now);
            assert_eq!(counter.total, total);
        }
    }
}

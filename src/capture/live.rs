//! Frames from network devices, through libpcap.
//!
//! libpcap's own read time-out starts with the first packet, so on a quiet device it would wait for ever. The devices are
//! therefore not blocking, and all of them are polled together for [`LiveSettings::timeout_ms`] at most. No immediate mode:
//! its fixed slots lose frames where blocks of frames lose none.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture};

use crate::frame::{Frame, Timestamp};
use crate::stats::CaptureStats;

use super::device::{self, explain, words};
use super::filter::{FilterError, KernelFilter};
use super::gauges::{Condition, Gauges};
use super::{CaptureError, Interface, MAX_SNAPLEN, Next, Source, Warning, devices, linktype};

/// Frames taken from one device before another one that also has some gets its turn.
const TURN: u32 = 256;

/// How often it is asked whether a device is down or gone: a person is to know it within two seconds.
const LOOK: Duration = Duration::from_millis(500);

/// How to capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveSettings {
    /// Which devices; empty is [`devices::default_name`].
    pub devices: Vec<String>,
    /// Bytes kept of each frame.
    pub snaplen: u32,
    /// Take frames that are for other machines, where the device can.
    pub promiscuous: bool,
    /// Bytes of the kernel's buffer, for each device.
    pub buffer_size: u32,
    /// Of `any`, have each frame say its interface (Linux cooked 2), where libpcap can.
    pub tells_interface: bool,
    /// Only what comes in or only what goes out.
    pub direction: Option<Way>,
    /// Milliseconds after which the kernel hands over a block that is not full, and a quiet source says [`Next::Idle`].
    pub timeout_ms: u8,
}

/// Which way a frame passes a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
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
            tells_interface: true,
            buffer_size: 32 << 20,
            direction: None,
            timeout_ms: 15,
        }
    }
}

/// Open devices.
pub struct Live {
    devices: Vec<Device>,
    interfaces: Vec<Interface>,
    warnings: Vec<Warning>,
    timeout_ms: u8,
    frames: u64,
    /// The device whose turn it is, and for how many more frames.
    current: usize,
    turn: u32,
    /// When the devices' conditions were looked at.
    looked: Instant,
}

struct Device {
    capture: Capture<Active>,
    /// Nanoseconds in one unit of a time stamp's fraction: 1 or 1000.
    unit: i64,
    loopback: bool,
    gauges: Option<Gauges>,
    /// It may have frames: it was polled so, and has not been empty since.
    ready: bool,
    /// It was said to be down.
    down: bool,
    /// libpcap's counters have 32 bits.
    dropped: Counter,
    interface_dropped: Counter,
}

impl Live {
    /// Open the devices. The kernel starts to collect frames at once, all of them: set a filter next.
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
            turn: TURN,
            looked: Instant::now(),
        };
        for name in names {
            let (capture, unit) = device::open(&name, settings, &mut live.warnings)?;
            let link = linktype::link_type(capture.get_datalink());
            let loopback = loopbacks
                .iter()
                .any(|device| device.loopback && device.name == name);
            let (dropped, interface_dropped) = (Counter::default(), Counter::default());
            live.devices.push(Device {
                capture,
                unit,
                loopback,
                gauges: Gauges::open(&name),
                ready: false,
                down: false,
                dropped,
                interface_dropped,
            });
            live.interfaces.push(Interface {
                source: name.clone(),
                name: Some(name),
                link,
                snaplen: settings.snaplen,
            });
        }
        Ok(live)
    }

    /// Let the kernel pass only what is wanted, on every device.
    ///
    /// # Errors
    /// libpcap does not take the expression for one of the devices.
    pub fn set_filter(&mut self, filter: KernelFilter<'_>) -> Result<(), CaptureError> {
        for (device, interface) in self.devices.iter_mut().zip(&self.interfaces) {
            let mut refusal = String::new();
            let accepted = filter.candidates().iter().any(|text| {
                let result = device.capture.filter(text, true);
                refusal = result.as_ref().err().map(words).unwrap_or_default();
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

    /// The devices' sockets.
    #[must_use]
    pub fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        let devices = self.devices.iter();
        devices.map(|device| device.capture.as_fd()).collect()
    }

    /// The device to read from now, if one has frames: the current one for the rest of its turn, else the next ready one.
    fn ready(&mut self) -> Option<usize> {
        let count = self.devices.len();
        if self.turn > 0 && self.devices.get(self.current)?.ready {
            return Some(self.current);
        }
        let next = (1..=count)
            .map(|step| (self.current + step) % count)
            .find(|index| self.devices[*index].ready)?;
        (self.current, self.turn) = (next, TURN);
        Some(next)
    }

    /// Wait until a device has frames, the time-out passes or a signal comes.
    fn wait(&mut self) -> Result<(), CaptureError> {
        let mut fds: Vec<_> = self
            .devices
            .iter()
            .map(|device| PollFd::new(device.capture.as_fd(), PollFlags::POLLIN))
            .collect();
        let states: Vec<PollFlags> = match poll(&mut fds, PollTimeout::from(self.timeout_ms)) {
            Ok(0) | Err(Errno::EINTR) => return self.look(),
            Ok(_) => fds
                .iter()
                .map(|fd| fd.revents().unwrap_or(PollFlags::POLLERR))
                .collect(),
            Err(errno) => {
                let name = self
                    .interfaces
                    .first()
                    .map(|one| one.source.clone())
                    .unwrap_or_default();
                return Err(CaptureError::Device {
                    name,
                    detail: errno.desc().to_owned(),
                });
            }
        };
        for (device, state) in self.devices.iter_mut().zip(states) {
            // An error or a hang-up is for libpcap to explain: reading tells it.
            device.ready = !state.is_empty();
        }
        self.look()
    }

    /// A device that only goes down may come up again, and then its frames go on: a person should know why it is quiet. One
    /// that goes away never comes back, whatever gets its name.
    fn look(&mut self) -> Result<(), CaptureError> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for (device, interface) in self.devices.iter_mut().zip(&self.interfaces) {
            let Some(gauges) = &device.gauges else {
                continue;
            };
            let name = &interface.source;
            let down = match gauges.condition() {
                Condition::Gone => return Err(CaptureError::DeviceGone { name: name.clone() }),
                condition => condition == Condition::Down,
            };
            if std::mem::replace(&mut device.down, down) == down {
                continue;
            }
            let text = match down {
                true => "the device is down; nothing is captured from it until it is up again",
                false => "the device is up again",
            };
            self.warnings.push(Warning {
                about: name.clone(),
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
        // One device is read from once: what it lends cannot be handed out from inside a loop.
        let interface = &self.interfaces[index];
        let Device {
            capture,
            unit,
            gauges,
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
                // By then nothing more may be listed: what was opened before knows it.
                let name = interface.source.clone();
                Err(match gauges.as_ref().map(Gauges::condition) {
                    Some(Condition::Gone) => CaptureError::DeviceGone { name },
                    Some(_) => CaptureError::Device {
                        name,
                        detail: words(&error),
                    },
                    None => explain(&name, &words(&error), true),
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
            // The kernel sees each of a loopback's frames twice, out and in, and libpcap passes the second: of the dropped
            // ones, about half would have been seen. (Filtering the first out in the kernel, with `inbound`, loses others:
            // libpcap applies a new filter itself for a while, and does not know the direction there.)
            let dropped = device.dropped.total;
            stats.dropped_at_most |= interface.source == "any" && dropped > 0;
            stats.dropped += if device.loopback {
                dropped.div_ceil(2)
            } else {
                dropped
            };
            stats.interface_dropped += match &device.gauges {
                Some(gauges) => gauges.lost(),
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

/// A 32-bit counter of libpcap, continued beyond its end.
#[derive(Default, Debug)]
struct Counter {
    last: u32,
    total: u64,
}

impl Counter {
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
        let mut counter = Counter::default();
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

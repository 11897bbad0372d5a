//! Frames from interfaces, through libpcap.
//!
//! Captures are not in immediate mode (its fixed slots lose packets where block reads lose none) but have a read time-out of
//! some milliseconds, and are not blocking: all are waited for together by `poll`, which ends after 20 ms at the latest. A
//! read time-out of libpcap alone does not fire while an interface is quiet.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pcap::{Active, Capture, Linktype};

use crate::frame::{Frame, LinkType, Timestamp};
use crate::stats::CaptureStats;

use super::{CaptureError, Next, Source, filter};

/// How to listen.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// Interfaces by name.
    pub devices: Vec<String>,
    /// Bytes kept of each packet.
    pub snaplen: usize,
    /// Take packets that are not for this machine.
    pub promiscuous: bool,
    /// The kernel's buffer in bytes, for each interface.
    pub buffer_size: usize,
    /// Only what comes in or goes out.
    pub direction: Option<Way>,
}

/// A direction, seen from the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Into the machine.
    In,
    /// Out of it.
    Out,
}

/// Interfaces that are listened on.
pub struct Live {
    interfaces: Vec<Interface>,
    /// Whose turn it is.
    turn: usize,
    /// Interfaces that had nothing since the last wait.
    empty: usize,
    frames: u64,
    stats: CaptureStats,
    warnings: Vec<String>,
}

struct Interface {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
}

/// Milliseconds after which the kernel hands over a block that is not full; bounds how late a packet is seen.
const BLOCK_TIMEOUT: i32 = 10;
/// Milliseconds of waiting for all interfaces.
const WAIT: u16 = 20;

impl Live {
    /// Open the interfaces.
    ///
    /// # Errors
    /// When one of them cannot be listened on.
    pub fn open(settings: &LiveSettings) -> Result<Self, CaptureError> {
        let mut warnings = Vec::new();
        let interfaces = settings
            .devices
            .iter()
            .map(|name| Interface::open(name, settings, &mut warnings))
            .collect::<Result<Vec<_>, _>>()?;
        let empty = interfaces.len();
        Ok(Self {
            interfaces,
            turn: 0,
            empty,
            frames: 0,
            stats: CaptureStats::default(),
            warnings,
        })
    }

    /// Let the kernel drop what does not pass: with `exactly`, the filter as it is; else a superset of it, for a filter
    /// that is run again on what comes.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn filter(&mut self, text: &str, exactly: bool) -> Result<(), CaptureError> {
        for interface in &mut self.interfaces {
            let tries = match exactly {
                true => vec![text.to_owned()],
                // Where an interface has no tags, the word is an error.
                false => vec![
                    filter::superset(text, true),
                    filter::superset(text, false),
                    text.to_owned(),
                ],
            };
            let mut result = Ok(());
            for attempt in tries {
                result = interface.capture.filter(&attempt, true);
                if result.is_ok() {
                    break;
                }
            }
            result.map_err(|error| CaptureError::Filter {
                filter: text.to_owned(),
                detail: error.to_string(),
            })?;
        }
        Ok(())
    }

    /// Wait until an interface has something, at most [`WAIT`].
    fn wait(&mut self) -> Result<(), CaptureError> {
        let mut gone = None;
        {
            let mut fds: Vec<PollFd<'_>> = self
                .interfaces
                .iter()
                .map(|interface| PollFd::new(interface.fd(), PollFlags::POLLIN))
                .collect();
            // An interrupted wait is one that is over: a signal is looked at by the caller.
            let _ = poll(&mut fds, PollTimeout::from(WAIT));
            for (at, fd) in fds.iter().enumerate() {
                let events = fd.revents().unwrap_or(PollFlags::empty());
                if events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL)
                {
                    gone = Some(at);
                }
            }
        }
        if let Some(interface) = gone.and_then(|at| self.interfaces.get_mut(at)) {
            // The read says what is wrong, and clears the error where it was but a passing one.
            if let Err(error) = interface.capture.next_packet()
                && error != pcap::Error::TimeoutExpired
            {
                return Err(CaptureError::Gone {
                    device: interface.name.clone(),
                    detail: error.to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Source for Live {
    fn next_frame(&mut self) -> Result<Next<'_>, CaptureError> {
        if self.empty >= self.interfaces.len() {
            self.wait()?;
            self.empty = 0;
        }
        let (at, count) = (self.turn, self.interfaces.len());
        let Some(interface) = self.interfaces.get_mut(at) else {
            self.turn = 0;
            return Ok(Next::Idle);
        };
        let link = interface.link;
        // One read, and no loop around it: a lent frame must be given back before the next read.
        match interface.capture.next_packet() {
            Ok(packet) => {
                self.frames += 1;
                self.stats.frames += 1;
                let time = packet.header.ts;
                Ok(Next::Frame(Frame {
                    number: self.frames,
                    ts: Timestamp::new(time.tv_sec, time.tv_usec * 1000),
                    interface: at as u32,
                    link,
                    wire_len: packet.header.len,
                    bytes: packet.data,
                }))
            }
            Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets) => {
                self.turn = (at + 1) % count;
                self.empty += 1;
                Ok(Next::Idle)
            }
            Err(error) => Err(CaptureError::Gone {
                device: interface.name.clone(),
                detail: error.to_string(),
            }),
        }
    }

    fn stats(&mut self) -> CaptureStats {
        self.stats.dropped = 0;
        self.stats.interface_dropped = 0;
        for interface in &mut self.interfaces {
            if let Ok(counted) = interface.capture.stats() {
                self.stats.dropped += u64::from(counted.dropped);
                self.stats.interface_dropped += u64::from(counted.if_dropped);
            }
        }
        self.stats
    }

    fn link(&self) -> LinkType {
        self.interfaces
            .first()
            .map_or(LinkType::ETHERNET, |interface| interface.link)
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

impl Interface {
    fn open(
        name: &str,
        settings: &LiveSettings,
        warnings: &mut Vec<String>,
    ) -> Result<Self, CaptureError> {
        let attempt = |promiscuous: bool| {
            Capture::from_device(name)?
                .promisc(promiscuous)
                .snaplen(i32::try_from(settings.snaplen).unwrap_or(i32::MAX))
                .timeout(BLOCK_TIMEOUT)
                .buffer_size(i32::try_from(settings.buffer_size).unwrap_or(i32::MAX))
                .open()
        };
        let opened = match attempt(settings.promiscuous) {
            Err(error) if settings.promiscuous && !is_final(&error.to_string()) => {
                let plain = attempt(false);
                if plain.is_ok() {
                    warnings.push(format!(
                        "{name} cannot be promiscuous; listening all the same"
                    ));
                }
                plain
            }
            other => other,
        };
        let capture = opened.map_err(|error| explain(name, &error.to_string()))?;
        if let Some(way) = settings.direction {
            let direction = match way {
                Way::In => pcap::Direction::In,
                Way::Out => pcap::Direction::Out,
            };
            capture
                .direction(direction)
                .map_err(|error| CaptureError::Other {
                    device: name.to_owned(),
                    detail: error.to_string(),
                })?;
        }
        let capture = capture
            .setnonblock()
            .map_err(|error| explain(name, &error.to_string()))?;
        let Linktype(number) = capture.get_datalink();
        let link = match number {
            12 => LinkType::RAW,
            other => LinkType(u32::try_from(other).unwrap_or(u32::MAX)),
        };
        Ok(Self {
            name: name.to_owned(),
            capture,
            link,
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        debug_assert!(self.capture.as_raw_fd() >= 0);
        self.capture.as_fd()
    }
}

/// Trying again without promiscuous mode cannot help.
fn is_final(detail: &str) -> bool {
    ["No such device", "permission", "not permitted", "not up"]
        .iter()
        .any(|words| detail.contains(words))
}

/// libpcap has words only, and no codes.
fn explain(name: &str, detail: &str) -> CaptureError {
    let name = name.to_owned();
    if detail.contains("No such device") {
        CaptureError::NoSuchDevice(name)
    } else if detail.contains("ermission") || detail.contains("not permitted") {
        CaptureError::NoRights(name)
    } else if detail.contains("not up") {
        CaptureError::Down(name)
    } else {
        CaptureError::Other {
            device: name,
            detail: detail.to_owned(),
        }
    }
}

//! Errors for the user: what is wrong, and what to do.
//!
//! The first line states the error, the next lines give advice that can be pasted. Never an errno
//! alone, never more than six lines.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use crate::capture::devices::Device;
use crate::capture::{CaptureError, FormatError};
use crate::search::PatternError;
use crate::unwritten::Unwritten;

use super::words;

/// An error for the user: the run ends with status 2.
#[derive(Debug)]
pub struct Problem {
    what: String,
    advice: Vec<String>,
}

impl Problem {
    /// An error that states what is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: Vec::new(),
        }
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn advise(mut self, line: impl Into<String>) -> Self {
        self.advice.push(line.into());
        self
    }
}

impl Problem {
    /// The statement of the error, without advice.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The advice, line by line.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.advice.iter().map(String::as_str)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spygrep: error: {}", self.what)?;
        for line in &self.advice {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl Problem {
    /// An invalid pattern, with the position underlined.
    #[must_use]
    pub fn pattern(error: &PatternError) -> Self {
        let mut problem = Self::new(match error.is_large {
            true => "the pattern is too large",
            false => "the pattern is not valid",
        });
        problem.advise_line(&format!("  {}", shortened(&error.pattern, error.at)));
        match error.at {
            Some((from, to)) => {
                let column = error
                    .pattern
                    .get(..from)
                    .map_or(0, |before| before.chars().count());
                let marks = error
                    .pattern
                    .get(from..to)
                    .map_or(1, |part| part.chars().count().max(1));
                problem.advise_line(&format!(
                    "  {}{} {}",
                    " ".repeat(column),
                    "^".repeat(marks),
                    error.what
                ));
            }
            None => problem.advise_line(&error.what),
        }
        if let Some(instead) = &error.instead {
            problem.advise(instead)
        } else {
            let quoted = crate::render::quoted(&error.pattern);
            problem.advise(format!(
                "to search for the characters themselves: --fixed-strings {quoted}"
            ))
        }
    }

    /// An output that cannot be written: standard output, unless the error names a file.
    #[must_use]
    pub fn output(error: &std::io::Error) -> Self {
        Self::new(match Unwritten::of(error) {
            Some(file) => {
                format!(
                    "cannot write {}: {}",
                    file.path.display(),
                    plain(&file.source)
                )
            }
            None => format!("cannot write the output: {}", plain(error)),
        })
    }

    /// A source that cannot be opened or read.
    #[must_use]
    pub fn capture(error: &CaptureError) -> Self {
        let problem = Self::new(error.to_string());
        match error {
            CaptureError::NoSuchDevice { name } => {
                let devices = crate::capture::devices::list().unwrap_or_default();
                Self::no_such_device(name, &devices)
            }
            CaptureError::NoRights { device, .. } => {
                // Without rights, opening any name fails the same way, even if no such interface
                // exists.
                let devices = crate::capture::devices::list().unwrap_or_default();
                let known = |name: &str| devices.iter().any(|one| one.name == name);
                if !devices.is_empty() && device != "any" && !known(device) {
                    return Self::no_such_device(device, &devices);
                }
                let program = std::env::current_exe()
                    .map_or_else(|_| "spygrep".into(), |path| path.display().to_string());
                Self::no_rights(&Rights {
                    device,
                    user: &crate::capture::privileges::current_user(),
                    line: &words::line(),
                    program: &program,
                    container: crate::capture::netinfo::in_container(),
                })
            }
            CaptureError::SetId => {
                let program = std::env::current_exe()
                    .map_or_else(|_| "spygrep".into(), |path| path.display().to_string());
                Self::new("installed set-uid or set-gid, spygrep does not run: whoever calls it would be root")
                    .advise(format!("take that away:        sudo chmod u-s,g-s {program}"))
                    .advise(format!("and capture with this: sudo setcap cap_net_raw+ep {program}   (then everybody here may sniff)"))
            }
            CaptureError::Privileges { .. } => {
                problem.advise("-R stays root; the sandbox holds all the same")
            }
            CaptureError::DeviceDown { name } => {
                Self::new(format!("{name} is down; nothing can arrive there"))
                    .advise(format!("to switch it on:  sudo ip link set {name} up"))
                    .advise("all that are up:  -d any   (the default)")
            }
            CaptureError::DeviceGone { name } => Self::new(format!("{name} is gone"))
                .advise("spygrep -L lists the interfaces that are there"),
            CaptureError::NotACapture { path, what } => Self::no_capture(path, *what),
            CaptureError::Io { source, .. } if source.raw_os_error() == Some(TOO_MANY) => {
                Self::new("so many files cannot be open at once")
                    .advise("allow more of them (ulimit -n 4096), or read fewer")
            }
            CaptureError::Io { path, source } => {
                Self::new(format!("cannot read {}: {}", path.display(), plain(source)))
                    .advise("give the name of a capture file to -I, or - for standard input")
            }
            _ => problem,
        }
    }

    /// A readable file that is not a capture.
    #[must_use]
    pub fn no_capture(path: &Path, what: FormatError) -> Self {
        let problem = Self::new(format!("{} is no capture file: {what}", path.display()))
            .advise("spygrep reads pcap and pcapng, gzip and zstd compressed too");
        match (what, path.to_str()) {
            (FormatError::Foreign(_), Some(name)) => {
                let made = format!("{name}.pcap");
                let line = ["editcap", "-F", "pcap", name, &made].map(str::to_owned);
                let line = words::quoted(line.into_iter());
                problem.advise(format!("to convert it (Wireshark has the tool):  {line}"))
            }
            _ => problem,
        }
    }

    /// An unknown interface: suggests similar names and lists the interfaces.
    fn no_such_device(name: &str, devices: &[Device]) -> Self {
        let mut known = devices.iter();
        let meant = known
            .find(|device| words::is_close(&device.name, name))
            .map(|device| format!("; did you mean {}?", device.name))
            .unwrap_or_default();
        // Interfaces without an address are those that libpcap adds for purposes other than
        // networks.
        let up: Vec<String> = devices
            .iter()
            .filter(|device| device.up)
            .filter_map(|device| {
                let mut addresses = device.addresses.iter().map(|one| one.address);
                let first = device.addresses.first()?.address;
                let address = addresses.find(IpAddr::is_ipv4).unwrap_or(first);
                Some(format!("{} {address}", device.name))
            })
            .take(UP)
            .collect();
        let problem = Self::new(format!("there is no interface \"{name}\"{meant}"));
        match up.is_empty() {
            true => problem,
            false => problem.advise(format!("up:   {}", up.join("   "))),
        }
        .advise("all:  -d any   (the default)")
    }

    /// Missing rights for capturing.
    fn no_rights(rights: &Rights<'_>) -> Self {
        let Rights {
            device,
            user,
            line,
            program,
            container,
        } = *rights;
        let line = if line.is_empty() {
            String::new()
        } else {
            format!(" {line}")
        };
        let problem = Self::new(format!(
            "capturing on {device} needs more rights than user {user} has"
        ));
        let problem = match (container, user) {
            (true, _) => problem.advise(
                "container:  start it with --cap-add=NET_RAW   (and --net=host to see the host)",
            ),
            (false, "root") => {
                problem.advise("root here may not capture: give the process CAP_NET_RAW")
            }
            (false, _) => problem
                .advise(format!("now:        sudo spygrep{line}"))
                .advise(format!(
                    "for good:   sudo setcap cap_net_raw+ep {}   (then everybody here may sniff)",
                    words::quoted(std::iter::once(program.to_owned()))
                )),
        };
        problem.advise("no rights:  spygrep PATTERN capture.pcap   (reading files needs none)")
    }

    fn advise_line(&mut self, line: &str) {
        self.advice.push(line.to_owned());
    }
}

/// `EMFILE`: the process has reached its limit of open files.
const TOO_MANY: i32 = 24;

/// The number of running interfaces that are listed.
const UP: usize = 6;

/// Facts for the error about missing rights.
struct Rights<'a> {
    device: &'a str,
    user: &'a str,
    /// The program's arguments.
    line: &'a str,
    /// The path of the program.
    program: &'a str,
    /// The program runs in a container.
    container: bool,
}

/// A pattern without its text far after the position of the error.
fn shortened(pattern: &str, at: Option<(usize, usize)>) -> String {
    let shown = at.map_or(0, |(_, to)| to) + SHOWN;
    match pattern.char_indices().find(|(place, _)| *place >= shown) {
        Some((end, _)) => format!("{} ...", pattern.get(..end).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

/// Bytes of a pattern that are always shown.
const SHOWN: usize = 200;

/// The system's error text without its number.
pub(super) fn plain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    ) {
        return "the disk is full".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::devices::Address;

    #[test]
    fn an_output_is_named_and_a_full_disk_is_described_in_words() {
        use std::io::{Error, ErrorKind};
        let full = || Error::from(ErrorKind::StorageFull);
        let file = Unwritten::wrap(std::path::Path::new("/tmp/a.pcap"), full());
        let text = |error: &Error| Problem::output(error).what().to_owned();
        assert_eq!(text(&file), "cannot write /tmp/a.pcap: the disk is full");
        assert_eq!(text(&full()), "cannot write the output: the disk is full");
        let other = Error::from_raw_os_error(5);
        assert_eq!(text(&other), "cannot write the output: input/output error");
    }

    #[test]
    fn an_interface_that_is_not_there() {
        let device = |name: &str, up, addresses: &[&str]| Device {
            name: name.to_owned(),
            description: None,
            addresses: addresses
                .iter()
                .map(|text| Address {
                    address: text.parse().unwrap(),
                    netmask: None,
                })
                .collect(),
            up,
            running: up,
            loopback: false,
        };
        let devices = [
            device("eth0", true, &["fe80::1", "192.0.2.15"]),
            device("eth1", false, &["192.0.2.16"]),
            device("lo", true, &["127.0.0.1", "::1"]),
            device("any", true, &[]),
        ];
        assert_eq!(
            Problem::no_such_device("eht0", &devices).to_string(),
            "spygrep: error: there is no interface \"eht0\"; did you mean eth0?\n  \
             up:   eth0 192.0.2.15   lo 127.0.0.1\n  all:  -d any   (the default)"
        );
        assert_eq!(
            Problem::no_such_device("wlan7", &[]).to_string(),
            "spygrep: error: there is no interface \"wlan7\"\n  all:  -d any   (the default)"
        );
    }

    #[test]
    fn no_rights_on_a_host_in_a_container_and_as_root() {
        let table = [
            (
                "julia",
                false,
                "  now:        sudo spygrep -d lo 'a b'\n  \
                 for good:   sudo setcap cap_net_raw+ep '/opt/my tools/spygrep'   (then everybody here may sniff)\n",
            ),
            (
                "julia",
                true,
                "  container:  start it with --cap-add=NET_RAW   (and --net=host to see the host)\n",
            ),
            (
                "root",
                false,
                "  root here may not capture: give the process CAP_NET_RAW\n",
            ),
        ];
        for (user, container, advice) in table {
            let rights = Rights {
                device: "lo",
                user,
                line: "-d lo 'a b'",
                program: "/opt/my tools/spygrep",
                container,
            };
            assert_eq!(
                Problem::no_rights(&rights).to_string(),
                format!(
                    "spygrep: error: capturing on lo needs more rights than user {user} has\n{advice}  \
                     no rights:  spygrep PATTERN capture.pcap   (reading files needs none)"
                )
            );
        }
    }
}

//! What is wrong, in the user's words, and what to do: the texts of all errors and hints.
//!
//! First line what is wrong, then what to do, ready to paste; never an errno alone, never more than six lines.

use std::fmt;

use crate::capture::CaptureError;
use crate::search::PatternError;

use super::words;

/// An error for the user: the run ends with status 2.
#[derive(Debug)]
pub struct Problem {
    what: String,
    advice: Vec<String>,
}

impl Problem {
    /// What is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: Vec::new(),
        }
    }

    /// And a line of what to do.
    #[must_use]
    pub fn advise(mut self, line: impl Into<String>) -> Self {
        self.advice.push(line.into());
        self
    }
}

impl Problem {
    /// What is wrong, without what to do.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do, line by line.
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
    /// A pattern that is none, with the place underlined.
    #[must_use]
    pub fn pattern(error: &PatternError) -> Self {
        let mut problem = Self::new("the pattern is not valid");
        problem.advise_line(&format!("  {}", error.pattern));
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
            let quoted = error.pattern.replace('\'', r"'\''");
            problem.advise(format!(
                "to search for the characters themselves: --fixed-strings '{quoted}'"
            ))
        }
    }

    /// A source that cannot be opened or read on.
    #[must_use]
    pub fn capture(error: &CaptureError) -> Self {
        let problem = Self::new(error.to_string());
        match error {
            CaptureError::NoSuchDevice { name } => {
                let devices = crate::capture::devices::list().unwrap_or_default();
                let meant = devices
                    .iter()
                    .find(|device| words::is_close(&device.name, name));
                let meant = meant.map(|device| format!("; did you mean {}?", device.name));
                let meant = meant.unwrap_or_default();
                let up: Vec<&str> = devices
                    .iter()
                    .filter(|device| device.up)
                    .map(|device| device.name.as_str())
                    .collect();
                Self::new(format!("there is no interface \"{name}\"{meant}"))
                    .advise(format!("up:   {}", up.join("  ")))
                    .advise("all:  -d any   (the default)")
            }
            CaptureError::NoRights { device, .. } => {
                let line: Vec<String> = std::env::args().skip(1).collect();
                let program = std::env::current_exe()
                    .map_or_else(|_| "spygrep".into(), |path| path.display().to_string());
                let user = std::env::var("USER").unwrap_or_else(|_| "this user".into());
                Self::new(format!("capturing on {device} needs more rights than {user} has"))
                    .advise(format!("now:        sudo spygrep {}", line.join(" ")))
                    .advise(format!("for good:   sudo setcap cap_net_raw+ep {program}   (then everybody here may sniff)"))
                    .advise("no rights:  spygrep PATTERN capture.pcap   (reading files needs none)")
            }
            CaptureError::DeviceDown { name } => {
                Self::new(format!("{name} is down; nothing can arrive there"))
                    .advise(format!("sudo ip link set {name} up"))
            }
            CaptureError::DeviceGone { name } => Self::new(format!("{name} is gone"))
                .advise("spygrep -L lists the interfaces that are there"),
            CaptureError::NotACapture { path, what } => {
                Self::new(format!("{} is no capture file: {what}", path.display()))
                    .advise("spygrep reads pcap and pcapng, gzip and zstd compressed too")
            }
            CaptureError::Io { path, source } => {
                Self::new(format!("cannot read {}: {}", path.display(), plain(source)))
                    .advise("give the name of a capture file to -I, or - for standard input")
            }
            _ => problem,
        }
    }

    fn advise_line(&mut self, line: &str) {
        self.advice.push(line.to_owned());
    }
}

/// The system's words without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

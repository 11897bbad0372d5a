//! When the doctor is asked: on a terminal, live, each thing once a run.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::capture::devices;
use crate::capture::system::{Carried, System};
use crate::cli::config::About;
use crate::stats::Stats;

use super::{Quiet, TLS, Unmatched, none_passes, nothing, unmatched};

/// Nothing arrived for so long.
const SILENCE: Duration = Duration::from_secs(3);
/// Packets arrived for so long, and nothing was shown.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is told again, on the status line.
const AGAIN: Duration = Duration::from_secs(30);
/// How often it is looked.
const EVERY: Duration = Duration::from_millis(200);

/// What the doctor knows of a run, and has said.
pub(in crate::run) struct Rounds {
    about: About,
    devices: Vec<String>,
    filter: Option<String>,
    pattern: String,
    system: System,
    addresses: Vec<(String, IpAddr)>,
    /// What the interfaces had carried at the start.
    before: Vec<Carried>,
    started: Instant,
    looked: Instant,
    /// When the first packet had come.
    arrived: Option<Instant>,
    silent: bool,
    unmatched: Option<Instant>,
    tls: bool,
    /// What stands on the status line while nothing else is waited for.
    status: Option<String>,
}

impl Rounds {
    /// Ask the system what can only be asked with root's rights, and what is there before the run.
    pub(in crate::run) fn begin(
        about: &About,
        devices: &[String],
        filter: Option<&str>,
        pattern: &str,
    ) -> Self {
        let mut system = System::open();
        let now = Instant::now();
        Self {
            about: about.clone(),
            devices: devices.to_vec(),
            filter: filter.map(str::to_owned),
            pattern: pattern.to_owned(),
            addresses: addresses(),
            before: system.carried(),
            system,
            started: now,
            looked: now,
            arrived: None,
            silent: false,
            unmatched: None,
            tls: false,
            status: None,
        }
    }

    /// Whether it is time to look.
    pub(in crate::run) fn is_due(&mut self) -> bool {
        let due = self.looked.elapsed() >= EVERY;
        if due {
            self.looked = Instant::now();
        }
        due
    }

    /// What is to be said now.
    pub(in crate::run) fn look(&mut self, stats: &Stats) -> Option<Vec<String>> {
        if stats.decode.packets == 0 {
            let due = !self.silent && self.started.elapsed() >= SILENCE;
            self.silent |= due;
            return due.then(|| self.nothing());
        }
        if stats.output.tls_shown > 0 && !std::mem::replace(&mut self.tls, true) {
            return Some(vec![TLS.to_owned()]);
        }
        let arrived = *self.arrived.get_or_insert_with(Instant::now);
        if stats.output.matched > 0 {
            self.status = None;
            return None;
        }
        let since = self.unmatched.map_or(arrived, |said| said);
        let wait = match self.unmatched {
            None => PATIENCE,
            Some(_) => AGAIN,
        };
        if since.elapsed() < wait {
            return None;
        }
        let lines = unmatched(&seen(&self.about, &self.pattern, stats))?;
        if self.unmatched.replace(Instant::now()).is_none() {
            return Some(lines);
        }
        self.status = lines.into_iter().next();
        None
    }

    /// What stands on the status line.
    pub(in crate::run) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// At the end, what was not said while there was time.
    pub(in crate::run) fn end(&mut self, stats: &Stats) -> Option<Vec<String>> {
        (stats.output.matched == 0 && self.unmatched.is_none())
            .then(|| unmatched(&seen(&self.about, &self.pattern, stats)))
            .flatten()
    }

    fn nothing(&mut self) -> Vec<String> {
        let (listeners, now) = (self.system.listeners(), self.system.carried());
        nothing(&Quiet {
            devices: &self.devices,
            addresses: &self.addresses,
            filter: self.filter.as_deref(),
            line: &self.about.line,
            seconds: self.started.elapsed().as_secs(),
            listeners: &listeners,
            before: &self.before,
            now: &now,
            elsewhere: self.system.elsewhere(),
        })
    }
}

/// At the end of files in which nothing matched.
pub(in crate::run) fn not_in_file(
    about: &About,
    pattern: &str,
    filter: Option<&str>,
    stats: &Stats,
) -> Option<Vec<String>> {
    let frames = stats.capture.frames;
    match (stats.output.matched, stats.decode.packets) {
        (0, 0) => none_passes(frames, filter).map(|line| vec![line]),
        (0, _) => unmatched(&seen(about, pattern, stats)),
        _ => None,
    }
}

/// A run's numbers, for [`unmatched`].
fn seen<'a>(about: &About, pattern: &'a str, stats: &Stats) -> Unmatched<'a> {
    Unmatched {
        pattern,
        case_sensitive: about.case_sensitive,
        conditions: about.conditions,
        invert: about.invert,
        show_empty: about.show_empty,
        packets: stats.decode.packets,
        messages: stats.output.messages,
        tls: (stats.output.tls, stats.output.tls_port),
    }
}

fn addresses() -> Vec<(String, IpAddr)> {
    let devices = devices::list().unwrap_or_default();
    devices
        .iter()
        .flat_map(|device| {
            let addresses = device.addresses.iter();
            addresses.map(|one| (device.name.clone(), one.address))
        })
        .collect()
}

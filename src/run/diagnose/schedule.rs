//! Decides when to diagnose: only on a terminal, and each text once in a run. Files are diagnosed
//! at their end.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::capture::devices;
use crate::capture::netinfo::{InterfaceTraffic, NetInfo};
use crate::cli::config::About;
use crate::stats::Stats;

use super::{NoTraffic, TLS, Unmatched, no_traffic, none_passes, unmatched};

/// Time without a packet before [`no_traffic`] is shown.
const NO_TRAFFIC_AFTER: Duration = Duration::from_secs(3);
/// Time with packets but without a match before [`unmatched`] is shown.
const UNMATCHED_AFTER: Duration = Duration::from_secs(5);
/// Interval for updating that text on the status line.
const STATUS_INTERVAL: Duration = Duration::from_secs(30);
/// Minimum interval between checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// State of the diagnosis during a live run.
pub(in crate::run) struct Schedule {
    about: About,
    devices: Vec<String>,
    filter: Option<String>,
    pattern: String,
    netinfo: NetInfo,
    addresses: Vec<(String, IpAddr)>,
    /// Packets of the interfaces at the start.
    before: Vec<InterfaceTraffic>,
    started: Instant,
    last_check: Instant,
    /// When the first packet was noticed.
    first_packet: Option<Instant>,
    no_traffic_shown: bool,
    unmatched: Option<Instant>,
    tls_shown: bool,
    /// Text for the status line while nothing else is shown there.
    status: Option<String>,
}

impl Schedule {
    /// Opens what needs root, and records the state before the run.
    pub(in crate::run) fn begin(
        about: &About,
        devices: &[String],
        filter: Option<&str>,
        pattern: &str,
    ) -> Self {
        let mut netinfo = NetInfo::open();
        let now = Instant::now();
        Self {
            about: about.clone(),
            devices: devices.to_vec(),
            filter: filter.map(str::to_owned),
            pattern: pattern.to_owned(),
            addresses: addresses(),
            before: netinfo.traffic(),
            netinfo,
            started: now,
            last_check: now,
            first_packet: None,
            no_traffic_shown: false,
            unmatched: None,
            tls_shown: false,
            status: None,
        }
    }

    /// Returns whether a check is due, and restarts the interval.
    pub(in crate::run) fn is_due(&mut self) -> bool {
        let due = self.last_check.elapsed() >= CHECK_INTERVAL;
        if due {
            self.last_check = Instant::now();
        }
        due
    }

    /// Returns the text that is due now, if any.
    pub(in crate::run) fn check(&mut self, stats: &Stats) -> Option<Vec<String>> {
        if stats.decode.packets == 0 {
            let due = !self.no_traffic_shown && self.started.elapsed() >= NO_TRAFFIC_AFTER;
            self.no_traffic_shown |= due;
            return due.then(|| self.no_traffic());
        }
        if stats.output.tls_shown > 0 && !std::mem::replace(&mut self.tls_shown, true) {
            return Some(vec![TLS.to_owned()]);
        }
        let first_packet = *self.first_packet.get_or_insert_with(Instant::now);
        if stats.output.matched > 0 {
            self.status = None;
            return None;
        }
        let since = self.unmatched.map_or(first_packet, |shown| shown);
        let wait = match self.unmatched {
            None => UNMATCHED_AFTER,
            Some(_) => STATUS_INTERVAL,
        };
        if since.elapsed() < wait {
            return None;
        }
        let lines = unmatched(&unmatched_input(&self.about, &self.pattern, stats))?;
        if self.unmatched.replace(Instant::now()).is_none() {
            return Some(lines);
        }
        self.status = lines.into_iter().next();
        None
    }

    /// Text for the status line.
    pub(in crate::run) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns, at the end of the run, the text for which there was no time before.
    pub(in crate::run) fn end(&mut self, stats: &Stats) -> Option<Vec<String>> {
        (stats.output.matched == 0 && self.unmatched.is_none())
            .then(|| unmatched(&unmatched_input(&self.about, &self.pattern, stats)))
            .flatten()
    }

    fn no_traffic(&mut self) -> Vec<String> {
        let (listeners, now) = (self.netinfo.listeners(), self.netinfo.traffic());
        no_traffic(&NoTraffic {
            devices: &self.devices,
            addresses: &self.addresses,
            filter: self.filter.as_deref(),
            line: &self.about.line,
            seconds: self.started.elapsed().as_secs(),
            listeners: &listeners,
            before: &self.before,
            now: &now,
            other_namespaces: self.netinfo.other_namespaces(),
        })
    }
}

/// Diagnoses, at the end of files, why nothing matched.
pub(in crate::run) fn files(
    about: &About,
    pattern: &str,
    filter: Option<&str>,
    stats: &Stats,
) -> Option<Vec<String>> {
    let frames = stats.capture.frames;
    match (stats.output.matched, stats.decode.packets) {
        (0, 0) => none_passes(frames, filter).map(|line| vec![line]),
        (0, _) => unmatched(&unmatched_input(about, pattern, stats)),
        _ => None,
    }
}

/// Takes the input of [`unmatched`] from the counters.
fn unmatched_input<'a>(about: &About, pattern: &'a str, stats: &Stats) -> Unmatched<'a> {
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

//! The signals that end a run or request its status.
//!
//! A handler sets a flag; a second SIGINT or SIGTERM exits at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::flag;

use crate::cli::problem::Problem;
use crate::stop::Stop;

/// Signals as flags. The first ending signal ends the run normally; a SIGINT or SIGTERM after it
/// exits at once.
#[derive(Clone)]
pub(super) struct Signals {
    stop: Stop,
    /// The signal came from a key, which the terminal echoes.
    key: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
    /// The last of SIGTERM and SIGHUP; 0 for none. They come to this process alone.
    sent: Arc<AtomicUsize>,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Problem> {
        let signals = Self {
            stop: Stop::default(),
            key: Arc::default(),
            report: Arc::default(),
            sent: Arc::default(),
        };
        let cannot = |error: io::Error| Problem::new(format!("cannot catch signals: {error}"));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, signals.stop.flag())
                .map_err(cannot)?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            flag::register(signal, signals.stop.flag()).map_err(cannot)?;
        }
        for signal in [SIGINT, SIGQUIT] {
            flag::register(signal, Arc::clone(&signals.key)).map_err(cannot)?;
        }
        for signal in [SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&signals.sent), number).map_err(cannot)?;
        }
        flag::register(SIGUSR1, Arc::clone(&signals.report)).map_err(cannot)?;
        Ok(signals)
    }

    pub(super) fn stop(&self) -> bool {
        self.stop.is_set()
    }

    /// The flag that ends a run, for all of its parts.
    pub(super) fn stops(&self) -> Stop {
        self.stop.clone()
    }

    /// Whether a key has ended the run since the last call.
    pub(super) fn key(&self) -> bool {
        self.key.swap(false, Ordering::Relaxed)
    }

    /// SIGTERM or SIGHUP, if one came since the last call.
    pub(super) fn passed_on(&self) -> Option<Signal> {
        match self.sent.swap(0, Ordering::Relaxed) {
            0 => None,
            number => Signal::try_from(i32::try_from(number).ok()?).ok(),
        }
    }

    pub(super) fn report(&self) -> bool {
        self.report.swap(false, Ordering::Relaxed)
    }
}

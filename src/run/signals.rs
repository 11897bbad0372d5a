//! The signals that end a run, or ask how it goes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::flag;

use crate::cli::problem::Problem;

/// Signals, as flags. The first of those that end is a normal end; a second SIGINT leaves at once.
#[derive(Clone)]
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    /// By a key, which the terminal shows.
    key: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Problem> {
        let signals = Self {
            stop: Arc::default(),
            key: Arc::default(),
            report: Arc::default(),
        };
        let cannot = |error: io::Error| Problem::new(format!("cannot catch signals: {error}"));
        flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&signals.stop))
            .map_err(cannot)?;
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            flag::register(signal, Arc::clone(&signals.stop)).map_err(cannot)?;
        }
        for signal in [SIGINT, SIGQUIT] {
            flag::register(signal, Arc::clone(&signals.key)).map_err(cannot)?;
        }
        flag::register(SIGUSR1, Arc::clone(&signals.report)).map_err(cannot)?;
        Ok(signals)
    }

    pub(super) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether a key has ended the run since it was last asked.
    pub(super) fn key(&self) -> bool {
        self.key.swap(false, Ordering::Relaxed)
    }

    pub(super) fn report(&self) -> bool {
        self.report.swap(false, Ordering::Relaxed)
    }
}

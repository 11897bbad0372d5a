//! Reports lost packets during a live run.
//!
//! Reports only new losses, with the rate since the last check.

use std::time::Instant;

use crate::stats::CaptureStats;

use super::diagnose::{PacketLoss, packet_loss};

/// Reports lost packets whenever there are more.
pub(super) struct Losses {
    filter: Option<String>,
    /// Size of the kernel's buffer in bytes.
    buffer: usize,
    reported: u64,
    /// Packet count at the last check, and its time.
    arrived: (u64, Instant),
}

impl Losses {
    /// The state before any report.
    pub(super) fn new(filter: Option<String>, buffer: usize) -> Self {
        Self {
            filter,
            buffer,
            reported: 0,
            arrived: (0, Instant::now()),
        }
    }

    /// The report that is due now, if any.
    pub(super) fn look(&mut self, now: &CaptureStats) -> Option<Vec<String>> {
        let arrived = now.frames.saturating_add(now.dropped);
        let (before, at) = std::mem::replace(&mut self.arrived, (arrived, Instant::now()));
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        let rate = arrived.saturating_sub(before) as f64 / seconds;
        if now.dropped <= self.reported {
            return None;
        }
        self.reported = now.dropped;
        Some(packet_loss(&PacketLoss {
            dropped: now.dropped,
            captured: now.frames,
            rate: rate as u64,
            filter: self.filter.as_deref(),
            buffer: self.buffer,
            at_most: now.dropped_at_most,
        }))
    }
}

//! Lost packets, told while they are lost.

use std::time::Instant;

use crate::stats::CaptureStats;

use super::diagnose::{PacketLoss, packet_loss};

/// Tells of lost packets, whenever there are more.
pub(super) struct Losses {
    filter: Option<String>,
    /// Bytes of the kernel's buffer.
    buffer: usize,
    told: u64,
    /// Packets that had come when it was last looked, and when that was.
    came: (u64, Instant),
}

impl Losses {
    /// Nothing was told yet.
    pub(super) fn new(filter: Option<String>, buffer: usize) -> Self {
        Self {
            filter,
            buffer,
            told: 0,
            came: (0, Instant::now()),
        }
    }

    /// What there is to say now.
    pub(super) fn look(&mut self, now: &CaptureStats) -> Option<Vec<String>> {
        let came = now.frames.saturating_add(now.dropped);
        let (before, at) = std::mem::replace(&mut self.came, (came, Instant::now()));
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        let rate = came.saturating_sub(before) as f64 / seconds;
        if now.dropped <= self.told {
            return None;
        }
        self.told = now.dropped;
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

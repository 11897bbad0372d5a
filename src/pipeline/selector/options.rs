//! The options of the selector, and the construction of hits from them.
//!
//! Plain data, fixed for a run.

use crate::flow::Flow;
use crate::frame::Span;
use crate::hit::Hit;
use crate::limits::Limits;
use crate::pipeline::flow_state::OpenMessage;
use crate::pipeline::hit_builder::{self, HitMeta};
use crate::search::{Conditions, KeepLimits, Query};

/// The options of the selector.
pub(in crate::pipeline) struct SelectOptions {
    pub(in crate::pipeline) query: Query,
    pub(in crate::pipeline) conditions: Conditions,
    /// Only what began in it is shown.
    pub(in crate::pipeline) span: Span,
    pub(in crate::pipeline) invert: bool,
    pub(in crate::pipeline) show_empty: bool,
    pub(in crate::pipeline) max_count: Option<u64>,
    pub(in crate::pipeline) keep: KeepLimits,
    pub(in crate::pipeline) wire: bool,
    pub(in crate::pipeline) before: usize,
    pub(in crate::pipeline) after: usize,
    pub(in crate::pipeline) pair: bool,
    pub(in crate::pipeline) companions: bool,
    /// Exchanges are shown as one record.
    pub(in crate::pipeline) pairs: bool,
    /// Secrets are masked in the output: no portion ends in the middle of one.
    pub(in crate::pipeline) masked: bool,
    /// Frames of messages are recorded.
    pub(in crate::pipeline) frames: bool,
    pub(in crate::pipeline) stand_out: Vec<String>,
    pub(in crate::pipeline) live: bool,
    pub(in crate::pipeline) limits: Limits,
}

impl SelectOptions {
    /// Whether connection failures are records: true if nothing restricts the output.
    pub(super) fn want_failures(&self) -> bool {
        self.query.is_empty() && self.conditions.is_empty() && !self.invert
    }

    /// Calls a function with a message as a hit.
    pub(super) fn lend(
        &self,
        flow: &Flow,
        open: &mut OpenMessage,
        meta: &HitMeta,
        then: impl FnOnce(&Hit<'_>),
    ) {
        hit_builder::with_hit(&self.query, &self.stand_out, flow, open, meta, then);
    }
}

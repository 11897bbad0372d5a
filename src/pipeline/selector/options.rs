//! What the desk is to do, and how a message is lent as a hit by it.

use crate::flow::Flow;
use crate::hit::Hit;
use crate::limits::Limits;
use crate::pipeline::flow_state::OpenMessage;
use crate::pipeline::hit_builder::{self, HitMeta};
use crate::search::{Conditions, KeepLimits, Query};

/// What the desk is to do.
pub(in crate::pipeline) struct SelectOptions {
    pub(in crate::pipeline) query: Query,
    pub(in crate::pipeline) conditions: Conditions,
    pub(in crate::pipeline) invert: bool,
    pub(in crate::pipeline) show_empty: bool,
    pub(in crate::pipeline) max_count: Option<u64>,
    pub(in crate::pipeline) keep: KeepLimits,
    pub(in crate::pipeline) wire: bool,
    pub(in crate::pipeline) before: usize,
    pub(in crate::pipeline) after: usize,
    pub(in crate::pipeline) pair: bool,
    pub(in crate::pipeline) companions: bool,
    /// Exchanges are shown as one.
    pub(in crate::pipeline) pairs: bool,
    /// Secrets are masked in what is shown: no portion ends in the middle of one.
    pub(in crate::pipeline) masked: bool,
    /// The frames of messages are asked for.
    pub(in crate::pipeline) frames: bool,
    pub(in crate::pipeline) stand_out: Vec<String>,
    pub(in crate::pipeline) live: bool,
    pub(in crate::pipeline) limits: Limits,
}

impl SelectOptions {
    /// Whether failures of connections are records: everything is asked for.
    pub(super) fn want_failures(&self) -> bool {
        self.query.is_empty() && self.conditions.is_empty() && !self.invert
    }

    /// Lend a message as a hit.
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

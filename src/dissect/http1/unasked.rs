//! Bodies of responses whose request is not known. The response to a HEAD has no body, whatever its
//! fields declare (RFC 9112 section 6.3): the next response then starts where the body would.

use super::super::output::Output;
use super::super::{AfterGap, Gap, Input, ProbeResult, Progress, Then};
use super::body::Framing;
use super::start_line::{is_response, probe};
use super::{DirectionState, Http1};
use crate::message::MessageEvent;

impl Http1 {
    /// Decides whether a body or the next response starts here. The next response must be at the
    /// start of a segment and have a status line.
    pub(super) fn unasked(
        &mut self,
        input: &Input<'_>,
        framing: Framing,
        out: &mut Output<'_>,
    ) -> Progress {
        let dir = input.dir;
        let probed = match input.at_segment_start {
            true => probe(input.bytes),
            false => ProbeResult::NotForUs,
        };
        let whole = |len| len <= input.bytes.len() as u64;
        match (probed, framing) {
            (ProbeResult::Certain, _) if is_response(input.bytes) => self.over(dir, 0, out),
            // A complete body is preferred over bytes that may start a status line.
            (ProbeResult::Likely { .. }, Framing::Length(len)) if whole(len) => {
                self.body_begins(dir, 0, framing)
            }
            (ProbeResult::Likely { need }, _) if b"HTTP/".starts_with(start(input.bytes)) => {
                Progress::need(0, need)
            }
            _ => self.body_begins(dir, 0, framing),
        }
    }

    /// Handles a gap where the body would start, or in its first bytes: the missing bytes belong to
    /// the body. `None` if the gap extends beyond the body.
    pub(super) fn gap_unasked(
        &mut self,
        gap: &Gap<'_>,
        framing: Framing,
        out: &mut Output<'_>,
    ) -> Option<AfterGap> {
        let &Gap {
            dir, len, reason, ..
        } = gap;
        let waiting = gap.waiting.len() as u64;
        let left = match framing {
            Framing::Length(body) => body.saturating_sub(waiting),
            Framing::UntilClose => u64::MAX,
            _ => 0,
        };
        if left < len {
            return None;
        }
        let Progress { then, .. } = self.body_begins(dir, 0, framing);
        let body = self.bodies.of_mut(dir);
        if !gap.waiting.is_empty() {
            body.push(dir.into(), gap.waiting, out);
        }
        body.gap(dir.into(), out);
        out.emit(dir, MessageEvent::Gap { len, reason });
        Some(AfterGap {
            emitted: len,
            consumed: gap.waiting.len(),
            then: match then {
                Then::Body(u64::MAX) => then,
                _ => Then::Body(left.saturating_sub(len)),
            },
        })
    }

    /// Whether a message is a response whose request is not known, so that it may have no body.
    pub(super) fn is_unasked(state: &DirectionState) -> bool {
        state.response && state.request.is_none()
    }
}

/// The first bytes, as many as `HTTP/` has.
fn start(bytes: &[u8]) -> &[u8] {
    bytes.get(..b"HTTP/".len()).unwrap_or(bytes)
}

//! Builds a hit from an open message: its text from the message buffer, its facts from the
//! dissector of its kind.
//!
//! Hits are borrowed, so that building one copies no text.

use crate::dissect;
use crate::exchange::Exchange;
use crate::failure::Failed;
use crate::flow::{Direction, Flow};
use crate::hit::{Companion, Heading, Hit, Piece, Portion, Why};
use crate::message::{BodyFacts, Description, Kind, Known, Role};
use crate::search::Query;
use crate::times::Times;

use super::flow_state::{LastPacket, OpenMessage};

/// How a message is shown.
#[derive(Clone, Copy)]
pub(super) struct HitMeta {
    pub(super) portion: Portion,
    pub(super) why: Why,
    pub(super) complete: bool,
    pub(super) pending: bool,
    pub(super) times: Option<Times>,
    pub(super) failed: Option<Failed>,
}

impl HitMeta {
    /// A whole match.
    pub(super) const MATCH: Self = Self {
        portion: Portion::Whole,
        why: Why::Match,
        complete: true,
        pending: false,
        times: None,
        failed: None,
    };
}

/// The description of a message, from its kept head. A message without a head is described by its
/// first bytes.
pub(super) fn described(open: &OpenMessage) -> Description {
    dissect::describe(open.begin.kind, &open.known(open.unit.head()), &[])
}

/// Calls a function with a message as a hit.
pub(super) fn with_hit(
    query: &Query,
    stand_out: &[String],
    flow: &Flow,
    open: &mut OpenMessage,
    meta: &HitMeta,
    then: impl FnOnce(&Hit<'_>),
) {
    let heading = heading(flow, open.id.dir, open.last);
    let shown = match meta.portion {
        Portion::First | Portion::Next => open.unit.show_portion(query),
        Portion::Whole | Portion::Last => open.unit.show(query),
    };
    let later = matches!(meta.portion, Portion::Next | Portion::Last);
    let described = open.portions.as_ref().filter(|_| later);
    let begins = || {
        let head = match shown.text.pieces {
            // A message without a head is described by its first bytes.
            [Piece::Kept(range), ..]
                if open.begin.kind.side == Role::Single && shown.start == 0 =>
            {
                range.clone()
            }
            _ => 0..shown.head,
        };
        let head = shown.text.bytes.get(head).unwrap_or_default();
        let known = Known {
            head,
            body: &open.body,
            status: open.status.as_deref(),
        };
        dissect::describe(open.begin.kind, &known, stand_out)
    };
    let description = described.map_or_else(begins, without_places);
    then(&Hit {
        number: open.number,
        why: meta.why,
        heading,
        kind: open.begin.kind,
        portion: meta.portion,
        text: shown.text,
        start: shown.start,
        carried: shown.carried,
        head: shown.head,
        matches: shown.matches,
        styles: &description.styles,
        fields: &description.fields,
        began: open.first.ts,
        brief: open.brief,
        frames: &open.frames,
        facts: &description.facts,
        opaque: description.opaque.as_deref(),
        body_size: shown.body_size,
        body: open.body,
        times: meta.times,
        incomplete: !meta.complete,
        failed: meta.failed,
        aside: open.aside,
        midstream: open.midstream,
        pending: meta.pending,
    });
}

/// A description without ranges, for the portions after the one that contained the head.
fn without_places(described: &Description) -> Description {
    let roles = described.styles.iter().map(|(_, role)| *role);
    Description {
        facts: described.facts.clone(),
        opaque: described.opaque.clone(),
        styles: roles
            .filter(|role| role.is_status())
            .map(|role| (0..0, role))
            .collect(),
        ..Description::default()
    }
}

/// Calls a function with a response as the companion of its request.
pub(super) fn with_response(
    query: &Query,
    flow: &Flow,
    open: &mut OpenMessage,
    meta: &HitMeta,
    then: impl FnOnce(&Companion<'_>),
) {
    let heading = heading(flow, open.id.dir, open.last);
    let shown = open.unit.show(query);
    let head = shown.text.bytes.get(..shown.head).unwrap_or_default();
    let known = Known {
        head,
        body: &open.body,
        status: open.status.as_deref(),
    };
    let description = dissect::describe(open.begin.kind, &known, &[]);
    let title = description
        .facts
        .iter()
        .find(|fact| fact.summary)
        .map_or("", |fact| fact.value.as_str());
    then(&Companion {
        number: open.number,
        heading,
        kind: open.begin.kind,
        title: title.as_bytes(),
        title_cut: false,
        facts: &description.facts,
        role: description
            .styles
            .iter()
            .map(|(_, role)| *role)
            .find(|role| role.is_status()),
        body_size: shown.body_size,
        body: open.body,
        times: meta.times,
        incomplete: !meta.complete,
        failed: meta.failed,
    });
}

/// A request as the companion of its response.
pub(super) fn request<'a>(flow: &Flow, dir: Direction, exchange: &'a Exchange) -> Companion<'a> {
    let ts = exchange.request_end.unwrap_or(exchange.asked);
    Companion {
        number: exchange.number,
        heading: heading(
            flow,
            dir,
            LastPacket {
                ts,
                flags: exchange.request_flags,
                icmp: None,
            },
        ),
        kind: Kind {
            name: "question",
            side: Role::Request,
            sized: true,
        },
        title: exchange.title.bytes(),
        title_cut: exchange.title.is_cut(),
        facts: &[],
        role: None,
        body_size: 0,
        body: BodyFacts::default(),
        times: None,
        incomplete: false,
        failed: None,
    }
}

/// The times of an exchange, including those of its response once that has ended.
pub(super) fn times(flow: &Flow, exchange: &Exchange, response: Option<&OpenMessage>) -> Times {
    Times {
        handshake: flow.handshake,
        first: exchange.ordinal == 0,
        asked: exchange.asked,
        request_end: exchange.request_end,
        acknowledged: exchange.acknowledged,
        answered: exchange.answered,
        response_end: response.map(|response| response.last.ts),
        sent: exchange.sent,
        paused: response.map_or(0, |response| response.paused),
        received: response.map_or(0, |response| response.unit.received()),
        tcp_analysis: flow.tcp_analysis.since(exchange.tcp_analysis),
    }
}

fn heading(flow: &Flow, dir: Direction, last: LastPacket) -> Heading {
    Heading {
        protocol: flow.protocol,
        ts: last.ts,
        src: flow.source(dir),
        dst: flow.destination(dir),
        dir,
        ports: flow.has_ports(),
        flags: last.flags,
        icmp: last.icmp,
        tunnel: flow.tunnel(dir),
        fragment: None,
    }
}

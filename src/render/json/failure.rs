//! A failure as data: a record of its own, with the fields of a message, or a member of an
//! incomplete message. Field names are part of the schema.

use crate::failure::{Failed, Failure, FailureKind, More};

use super::line::Line;
use super::record::{Frames, Moments, ends, flow};

/// Writes the fields of a failure that is a record: of a connection, or of a request without a
/// response.
///
/// `who`: the processes are written, and whether what is secret in them is left out.
pub(super) fn record(
    failure: &Failure<'_>,
    frames: &Frames,
    line: &mut Line<'_>,
    moments: &mut Moments,
    who: Option<bool>,
) {
    let responses = failure.number > 0;
    match responses {
        true => line.key("id").number(failure.number),
        false => line.key("id").null(),
    }
    line.key("kind").string(match responses {
        true => "http.response",
        false => "tcp.failure",
    });
    line.key("time").string(moments.text(failure.heading.ts));
    line.key("began").null();
    line.key("flow").object(|line| flow(line, &failure.heading));
    if let Some(masked) = who {
        ends(line, &failure.who, masked);
    }
    frames.write(line);
    match responses {
        true => line.key("http").object(|line| {
            for key in ["status", "reason", "version"] {
                line.key(key).null();
            }
            line.key("headers").array(|_| ());
            line.key("head").null();
        }),
        false => line.key("http").null(),
    }
    line.key("body").null();
    line.key("excerpts").array(|_| ());
    line.key("gaps").array(|_| ());
    line.key("incomplete").bool(responses);
    line.key("marks").array(|_| ());
    line.key("portion").null();
    line.key("submatches").array(|_| ());
    match responses {
        true => line.key("timing").object(|line| {
            for key in ["connect", "send", "wait", "receive", "total"] {
                line.key(key).null();
            }
        }),
        false => line.key("timing").null(),
    }
    member(&failure.failed, line, |line| {
        let other = failure.other.map(|other| other.to_string());
        line.key("other").string_or_null(other.as_deref());
        let count = failure.more.map_or(1, |more| more.count);
        line.key("count").number(count);
        if let Some(More {
            ports: (low, high), ..
        }) = failure.more
        {
            line.key("ports").array(|line| {
                line.number(u64::from(low));
                line.number(u64::from(high));
            });
        } else {
            line.key("ports").null();
        }
    });
}

/// Writes a failure as the last member of an object.
pub(super) fn member(failed: &Failed, line: &mut Line<'_>, more: impl FnOnce(&mut Line<'_>)) {
    let (kind, end, syns) = match failed.kind {
        FailureKind::Refused => ("refused", None, None),
        FailureKind::Silent { syns, .. } => ("no_answer_to_syn", None, Some(syns)),
        FailureKind::Unanswered(end) => ("no_answer", Some(end), None),
        FailureKind::BrokenOff(end) => ("broken_off", Some(end), None),
    };
    let by = end.map(|end| if end.by_server { "server" } else { "client" });
    let with = end.map(|end| if end.reset { "RST" } else { "FIN" });
    line.key("failure").object(|line| {
        line.key("what").string(kind);
        line.key("by").string_or_null(by);
        line.key("with").string_or_null(with);
        line.key("after").seconds(Some(failed.after));
        match syns {
            Some(syns) => line.key("syns").number(u64::from(syns)),
            None => line.key("syns").null(),
        }
        more(line);
    });
}

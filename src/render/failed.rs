//! Describes failures in words. Pure; returns short phrases in plain English.

use crate::failure::{End, Failed, Failure, FailureKind, More};

use super::human;

/// Describes a failure as phrases in order; the first names the failure.
pub(super) fn parts(failure: &Failure<'_>) -> Vec<String> {
    let Failed { kind, after } = failure.failed;
    let mut parts = match kind {
        FailureKind::Refused => vec!["refused (RST)".to_owned()],
        FailureKind::Silent { syns: 1, .. } => vec!["1 SYN, no response seen".to_owned()],
        FailureKind::Silent { syns, over: true } => {
            vec![
                format!("no response to {syns} SYNs"),
                human::duration(after),
            ]
        }
        FailureKind::Silent { syns, over: false } => {
            vec![format!("no response to {syns} SYNs so far")]
        }
        FailureKind::Unanswered(end) if failure.number > 0 => {
            vec!["no response".to_owned(), ended(end, after)]
        }
        FailureKind::Unanswered(end) => {
            let how = if end.reset { "reset" } else { "closed" };
            vec![format!("{how} without a response"), ended(end, after)]
        }
        FailureKind::BrokenOff(end) => vec!["incomplete".to_owned(), ended(end, after)],
    };
    if let Some(other) = failure.other {
        parts.push(format!("{other} too"));
    }
    if let Some(more) = &failure.more {
        parts.push(counted(more));
    }
    parts
}

/// Formats an end: `the server closed (FIN) after 1 ms`.
pub(super) fn ended(end: End, after: i64) -> String {
    let who = if end.by_server { "server" } else { "client" };
    let how = if end.reset {
        "reset (RST)"
    } else {
        "closed (FIN)"
    };
    match after {
        ..0 => format!(
            "the {who} had {how} {} before",
            human::duration(after.saturating_neg())
        ),
        _ => format!("the {who} {how} after {}", human::duration(after)),
    }
}

/// Which endpoint ended the connection, if one did.
pub(super) fn end_of(failed: &Failed) -> Option<String> {
    match failed.kind {
        FailureKind::Unanswered(end) | FailureKind::BrokenOff(end) => {
            Some(ended(end, failed.after))
        }
        FailureKind::Refused | FailureKind::Silent { .. } => None,
    }
}

/// What ended the connection in the middle of a message.
pub(super) fn broken_off(failed: &Failed) -> Option<String> {
    match failed.kind {
        FailureKind::BrokenOff(end) => Some(ended(end, failed.after)),
        FailureKind::Refused | FailureKind::Silent { .. } | FailureKind::Unanswered(_) => None,
    }
}

/// A single word, for a column.
pub(super) const fn word(failed: &Failed) -> &'static str {
    match failed.kind {
        FailureKind::Refused => "refused",
        FailureKind::Unanswered(End { reset: true, .. })
        | FailureKind::BrokenOff(End { reset: true, .. }) => "reset",
        FailureKind::BrokenOff(_) => "cut off",
        FailureKind::Silent { .. } | FailureKind::Unanswered(_) => "no response",
    }
}

/// Formats a count: `1,021 connections like this, to ports 4 to 1024`.
fn counted(more: &More) -> String {
    let clients = if more.clients {
        " of several clients"
    } else {
        ""
    };
    let servers = if more.servers {
        " to several servers"
    } else {
        ""
    };
    let ports = match more.ports {
        (low, high) if low == high => String::new(),
        (low, high) => format!(", ports {low} to {high}"),
    };
    format!(
        "{} connections like this{clients}{servers}{ports}",
        more.count
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_its_endpoint_kind_and_time() {
        for (by_server, reset, want) in [
            (true, false, "the server closed (FIN) after 1 ms"),
            (true, true, "the server reset (RST) after 1 ms"),
            (false, false, "the client closed (FIN) after 1 ms"),
            (false, true, "the client reset (RST) after 1 ms"),
        ] {
            assert_eq!(ended(End { by_server, reset }, 1_000_000), want);
        }
        let end = End {
            by_server: true,
            reset: false,
        };
        let had = "the server had closed (FIN) 0.3 ms before";
        assert_eq!(ended(end, -300_000), had);
    }

    #[test]
    fn many_are_described_by_what_they_have_in_common() {
        let more = More {
            count: 1021,
            clients: false,
            servers: false,
            ports: (4, 1024),
        };
        assert_eq!(
            counted(&more),
            "1021 connections like this, ports 4 to 1024"
        );
        let more = More {
            count: 2,
            clients: true,
            servers: true,
            ports: (80, 80),
        };
        assert_eq!(
            counted(&more),
            "2 connections like this of several clients to several servers"
        );
    }
}

//! What a message that is none of HTTP's own is, for people: the end of a connection, of a stream,
//! and data of which the head is not known.

use super::frames::{Goaway, error};
use super::{DATA, Kind};
use crate::message::{Description, Fact};

/// `GOAWAY NO_ERROR · last stream 3`; what its sender says of it follows.
pub(super) fn goaway(frame: &Goaway<'_>) -> String {
    let dot = if frame.debug.is_empty() { "" } else { " · " };
    format!(
        "GOAWAY {} · last stream {}{dot}",
        error(frame.code),
        frame.last
    )
}

/// `RST_STREAM CANCEL · stream 5`.
pub(super) fn reset(stream: u32, code: u32) -> String {
    format!("RST_STREAM {} · stream {stream}", error(code))
}

/// See [`crate::dissect::describe`].
pub(super) fn describe(kind: Kind, head: &[u8]) -> Description {
    let mut description = Description::default();
    if kind == DATA {
        return description;
    }
    let text = String::from_utf8_lossy(head);
    let mut words = text.split(' ');
    description.facts.push(Fact {
        name: "http2.title",
        value: text.trim_end_matches(" · ").to_owned(),
        summary: false,
        many: false,
        literal: false,
    });
    description.facts.extend(words.nth(1).map(|code| Fact {
        name: "http2.error",
        value: code.to_owned(),
        summary: false,
        many: false,
        literal: false,
    }));
    description
}

//! What a message is, for people: its kind, the code of a close, how it came.

use super::{CLOSE, CONTINUATION, CONTROL, DATA, Kind};
use crate::message::{Decoding, Description, Fact, Known};

/// The head of a close: its code, and what that means (RFC 6455 section 7.4.1, and the registry
/// there). The reason follows.
pub(super) fn close(code: u16, reason: bool) -> String {
    let words = match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1007 => "invalid payload",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        _ => "",
    };
    let space = if words.is_empty() { "" } else { " " };
    let colon = if reason { ": " } else { "" };
    format!("{code}{space}{words}{colon}")
}

/// See [`crate::dissect::describe`].
pub(super) fn describe(kind: Kind, known: &Known<'_>) -> Description {
    let Known { head, body, .. } = known;
    let mut description = Description::default();
    let mut fact = |name, value: &str, summary, literal| {
        description.facts.push(Fact {
            name,
            value: value.to_owned(),
            summary,
            many: false,
            literal,
        });
    };
    let word = match kind {
        CONTINUATION => "continuation",
        DATA => "data",
        CONTROL => "control",
        kind => kind.name.split('.').nth(1).unwrap_or_default(),
    };
    fact("title", &format!("websocket {word}"), true, false);
    if kind == CLOSE {
        let digits = head.iter().take_while(|byte| byte.is_ascii_digit());
        let code = String::from_utf8(digits.copied().collect()).unwrap_or_default();
        if !code.is_empty() {
            fact("ws.code", &code, false, true);
        }
    }
    let coded = !matches!(body.state, Decoding::AsSent);
    fact("ws.compressed", &coded.to_string(), false, true);
    if let Some(parts) = body.parts {
        fact("ws.fragments", &parts.count.to_string(), false, true);
    }
    description
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_says_what_its_code_means() {
        assert_eq!(close(1000, true), "1000 normal closure: ");
        assert_eq!(close(1001, false), "1001 going away");
        assert_eq!(close(4321, true), "4321: ");
    }
}

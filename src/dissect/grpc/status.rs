//! How a call ended: `grpc-status` and `grpc-message`, in a trailer or in the head of a response
//! that has nothing else.

use crate::message::{CallStatus, Fact};

/// Bytes of a message that are kept.
const MESSAGE: usize = 1024;

/// The names of the codes that a call of gRPC may end with, from 0 on
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
pub const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status that fields have, if they have one.
pub(in crate::dissect) fn status<'f>(
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> Option<CallStatus> {
    let (mut code, mut message) = (None, &b""[..]);
    for (name, value) in fields {
        if name.eq_ignore_ascii_case(b"grpc-status") {
            code = Some(value);
        } else if name.eq_ignore_ascii_case(b"grpc-message") {
            message = value;
        }
    }
    let code = str::from_utf8(code?)
        .ok()
        .and_then(|code| code.trim().parse().ok());
    Some(CallStatus {
        code,
        message: unescaped(message),
    })
}

/// A message with its percent signs undone.
fn unescaped(message: &[u8]) -> String {
    let message = message.get(..MESSAGE).unwrap_or(message);
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some((byte, later)) = rest.split_first() {
        rest = later;
        if *byte == b'%'
            && let (Some(high), Some(low)) = (digit(later.first()), digit(later.get(1)))
        {
            out.push((high << 4 | low) as u8);
            rest = later.get(2..).unwrap_or_default();
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The facts of a status: its code, its name, its message, and both in one for people.
pub(in crate::dissect) fn facts(status: &CallStatus) -> Vec<Fact> {
    let name = status.code.and_then(|code| NAMES.get(usize::from(code)));
    let code = status.code.map(|code| code.to_string());
    let outcome = match (name, &code) {
        (Some(name), _) => (*name).to_owned(),
        (None, Some(code)) => format!("status {code}"),
        (None, None) => "status ?".to_owned(),
    };
    let fact = |name, value: String, summary, literal| Fact {
        name,
        value,
        summary,
        many: false,
        literal,
    };
    let both = match status.message.as_str() {
        "" => outcome.clone(),
        message => format!("{outcome}: {message}"),
    };
    let mut facts = vec![fact("call", both, true, false)];
    facts.extend(code.map(|code| fact("grpc.status", code, false, true)));
    facts.push(fact("grpc.outcome", outcome, false, false));
    if !status.message.is_empty() {
        facts.push(fact("grpc.message", status.message.clone(), false, false));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_a_name_and_a_message() {
        let table: &[(&[(&str, &str)], Option<u16>, &str)] = &[
            (&[("grpc-status", "0")], Some(0), "OK"),
            (
                &[
                    ("x", "y"),
                    ("grpc-message", "no%20such%3a caf%C3%A9 100%"),
                    ("grpc-status", "5"),
                ],
                Some(5),
                "NOT_FOUND: no such: café 100%",
            ),
            (&[("grpc-status", "99")], Some(99), "status 99"),
            (&[("grpc-status", "none")], None, "status ?"),
        ];
        for (fields, code, text) in table {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let status = status(fields).unwrap();
            assert_eq!(status.code, *code);
            assert_eq!(facts(&status)[0].value, *text);
        }
        assert_eq!(
            status([(&b"grpc-message"[..], &b"x"[..])].into_iter()),
            None
        );
    }
}

//! Redacts secrets in displayed values. Values are compared as captured, so different secrets are
//! still reported as different.

use std::borrow::Cow;

use crate::render::redact;

/// Returns the displayed form of a value: of a header field, of a JSON member, or without a name.
pub(super) fn display<'v>(redact: bool, name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
    if !redact {
        return Cow::Borrowed(value);
    }
    if name.is_empty() {
        return redact::redacted(value);
    }
    // The name decides whether a value is a secret.
    let lead = [name, b": "].concat();
    let line = [&lead, value].concat();
    match redact::redacted(&line) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(line) => Cow::Owned(line.get(lead.len()..).unwrap_or_default().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_by_their_names() {
        let table: &[(&str, &str, &str)] = &[
            ("Authorization", "Bearer abcdefgh", "Bearer ***8***"),
            ("Cookie", "sid=abcdefgh", "sid=***8***"),
            ("password", "abcdefgh", "***8***"),
            ("Accept", "text/html", "text/html"),
            (
                "",
                "GET /?token=abcdefgh HTTP/1.1",
                "GET /?token=***8*** HTTP/1.1",
            ),
        ];
        for (name, value, want) in table {
            let got = display(true, name.as_bytes(), value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), *want, "{name}");
            let got = display(false, name.as_bytes(), value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), *value, "{name}");
        }
    }
}

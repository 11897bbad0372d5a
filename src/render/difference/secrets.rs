//! Values are compared as they are, and shown with their secrets masked.

use std::borrow::Cow;

use crate::render::redact;

/// What is shown of the value of a field, of a member of a JSON object, or of what has no name.
pub(super) fn shown<'v>(masked: bool, name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
    if !masked {
        return Cow::Borrowed(value);
    }
    if name.is_empty() {
        return redact::text(value);
    }
    // Whether a value is a secret hangs on its name.
    let lead = [name, b": "].concat();
    let line = [&lead, value].concat();
    match redact::text(&line) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(line) => Cow::Owned(line.get(lead.len()..).unwrap_or_default().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_their_names() {
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
            let got = shown(true, name.as_bytes(), value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), *want, "{name}");
            let got = shown(false, name.as_bytes(), value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), *value, "{name}");
        }
    }
}

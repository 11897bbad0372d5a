//! The likely cause of a difference between two responses. Reported only if a fixed table of rules
//! has it, and always marked as *likely*; the rules name header fields and statuses of HTTP.

use super::exchange::{Exchange, Message};
use super::fields;
use crate::render::quote::single;

/// A rule: a difference between responses, and the request fields known to cause it.
struct Rule {
    /// Completes `the responses differ in ...`.
    differs_in: &'static str,
    /// Returns whether the responses differ in this.
    applies: fn(&Message, &Message) -> bool,
    /// Request fields, at least one of which must differ.
    request_fields: &'static [&'static str],
    /// Different request bodies may be the cause as well.
    body: bool,
}

/// The rules; the first that applies is reported. Statuses come first, because a different status
/// changes everything else too.
const RULES: [Rule; 8] = [
    Rule {
        differs_in: "who is let in",
        applies: |a, b| statuses(a, b, |status| matches!(status, 401 | 403), is_success),
        request_fields: &["Authorization", "Cookie", "X-Api-Key"],
        body: false,
    },
    Rule {
        differs_in: "whether there is something new",
        applies: |a, b| statuses(a, b, |status| status == 304, |status| status == 200),
        request_fields: &["If-None-Match", "If-Modified-Since"],
        body: false,
    },
    Rule {
        differs_in: "whether the request was understood",
        applies: |a, b| statuses(a, b, |status| matches!(status, 400 | 415), is_success),
        request_fields: &["Content-Type"],
        body: true,
    },
    Rule {
        differs_in: "where they lead",
        applies: |a, b| differ(a, b, "location"),
        request_fields: &["Host", "X-Forwarded-Proto"],
        body: false,
    },
    Rule {
        differs_in: "language",
        applies: |a, b| {
            differ(a, b, "content-language")
                || (varies(a, b).iter().any(|name| is(name, "accept-language"))
                    && differ_at_all(a, b))
        },
        request_fields: &["Accept-Language"],
        body: false,
    },
    Rule {
        differs_in: "media type",
        applies: |a, b| differ(a, b, "content-type"),
        request_fields: &["Accept"],
        body: false,
    },
    Rule {
        differs_in: "what they allow other origins",
        applies: |a, b| {
            let allows = |(name, _): &(&[u8], &[u8])| {
                name.to_ascii_lowercase().starts_with(b"access-control-")
            };
            let all = |message: &Message| -> Vec<Vec<u8>> {
                let fields = message.fields().filter(allows);
                let mut all: Vec<_> = fields
                    .map(|(name, value)| [&name.to_ascii_lowercase(), &b":"[..], value].concat())
                    .collect();
                all.sort_unstable();
                all
            };
            all(a) != all(b)
        },
        request_fields: &["Origin"],
        body: false,
    },
    Rule {
        differs_in: "compression",
        applies: |a, b| differ(a, b, "content-encoding"),
        request_fields: &["Accept-Encoding"],
        body: false,
    },
];

/// A likely cause.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LikelyCause {
    /// The sentence to show.
    pub(super) text: String,
    /// The field with A's value, or B's if A has none, if exactly one field with one value is the
    /// cause.
    pub(super) field: Option<(String, Vec<u8>)>,
}

/// Returns the likely cause of the difference between two exchanges.
pub(super) fn likely_cause(a: &Exchange, b: &Exchange) -> Option<LikelyCause> {
    let (request_a, request_b) = (a.request.as_ref()?, b.request.as_ref()?);
    let (response_a, response_b) = (a.response.as_ref()?, b.response.as_ref()?);
    for rule in &RULES {
        if !(rule.applies)(response_a, response_b) {
            continue;
        }
        let mut reasons: Vec<String> = rule
            .request_fields
            .iter()
            .filter_map(|name| reason(request_a, request_b, name))
            .collect();
        let body = rule.body && request_a.body() != request_b.body();
        let one = rule
            .request_fields
            .iter()
            .find(|name| reason(request_a, request_b, name).is_some());
        let one = one.filter(|_| reasons.len() == 1 && !body);
        if body {
            reasons.push("the bodies that they sent differ".into());
        }
        if !reasons.is_empty() {
            return Some(LikelyCause {
                text: format!(
                    "the responses differ in {} and {}.",
                    rule.differs_in,
                    reasons.join(", ")
                ),
                field: one.and_then(|name| value(request_a, request_b, name)),
            });
        }
    }
    by_vary(request_a, request_b, response_a, response_b)
}

/// The last rule: request fields that the server lists in `Vary`.
fn by_vary(
    request_a: &Message,
    request_b: &Message,
    response_a: &Message,
    response_b: &Message,
) -> Option<LikelyCause> {
    if !differ_at_all(response_a, response_b) {
        return None;
    }
    // Bodies are compared decompressed, so `Accept-Encoding` is not a cause.
    let names = varies(response_a, response_b);
    let names = names.iter().filter(|name| !is(name, "accept-encoding"));
    let found: Vec<(&str, String)> = names
        .take(VARY)
        .filter_map(|name| Some((name.as_str(), reason(request_a, request_b, name)?)))
        .collect();
    let (one, _) = found.first()?;
    let reasons: Vec<&str> = found.iter().map(|(_, reason)| reason.as_str()).collect();
    Some(LikelyCause {
        text: format!(
            "the responses differ and {}, which the server lists in Vary.",
            reasons.join(", ")
        ),
        field: value(request_a, request_b, one).filter(|_| found.len() == 1),
    })
}

/// Maximum number of names read from a `Vary` field.
const VARY: usize = 16;

/// Describes how a request field differs, if it does.
fn reason(a: &Message, b: &Message, name: &str) -> Option<String> {
    let (in_a, in_b) = (a.values(name.as_bytes()), b.values(name.as_bytes()));
    if in_a == in_b {
        return None;
    }
    Some(match (in_a.is_empty(), in_b.is_empty()) {
        (false, true) => format!("only A sent {name}"),
        (true, false) => format!("only B sent {name}"),
        _ => format!("A and B sent different {name}"),
    })
}

fn value(a: &Message, b: &Message, name: &str) -> Option<(String, Vec<u8>)> {
    let (in_a, in_b) = (a.values(name.as_bytes()), b.values(name.as_bytes()));
    match (in_a.as_slice(), in_b.as_slice()) {
        ([value], _) | ([], [value]) => Some((name.to_owned(), value.to_vec())),
        _ => None,
    }
}

fn is(name: &str, other: &str) -> bool {
    name.eq_ignore_ascii_case(other)
}

fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
}

/// Returns whether one status matches `this` and the other `that`.
fn statuses(a: &Message, b: &Message, this: fn(u16) -> bool, that: fn(u16) -> bool) -> bool {
    (this(a.status) && that(b.status)) || (that(a.status) && this(b.status))
}

fn differ(a: &Message, b: &Message, name: &str) -> bool {
    a.values(name.as_bytes()) != b.values(name.as_bytes())
}

/// Returns whether two responses differ in more than noise.
fn differ_at_all(a: &Message, b: &Message) -> bool {
    let significant = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = message.fields().filter(|(name, _)| !fields::is_noise(name));
        let mut fields: Vec<_> = fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        fields.sort_unstable();
        fields
    };
    a.status != b.status || a.body() != b.body() || significant(a) != significant(b)
}

/// Names in the `Vary` fields of both responses.
fn varies(a: &Message, b: &Message) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for value in a.values(b"vary").into_iter().chain(b.values(b"vary")) {
        for name in value.split(|byte| *byte == b',').take(VARY) {
            let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
            if names.len() < 2 * VARY && !names.iter().any(|known| is(known, &name)) {
                names.push(name);
            }
        }
    }
    names
}

/// Returns a curl command with the same method and URL and this header field. It is meant for
/// pasting, so there is none unless it is exact.
pub(super) fn command(method_url: &str, name: &str, value: &[u8]) -> Option<String> {
    let (method, url) = method_url.split_once(' ')?;
    let head = match method {
        "GET" => "",
        "HEAD" => "-I ",
        _ => return None,
    };
    let value = std::str::from_utf8(value).ok()?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    if !is_url || name.is_empty() || !name.bytes().all(token) {
        return None;
    }
    // curl expands brackets in a URL as patterns.
    let globs = if url.contains(['[', ']', '{', '}']) {
        "-g "
    } else {
        ""
    };
    // curl removes a field given with a colon and no value; a semicolon sends it empty.
    let field = if value.is_empty() {
        format!("{name};")
    } else {
        format!("{name}: {value}")
    };
    Some(format!(
        "curl {head}{globs}-H {} {}",
        single(&field),
        plain_or_quoted(url)
    ))
}

fn plain_or_quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@%+=,".contains(&byte);
    match word.bytes().all(plain) {
        true => word.to_owned(),
        false => single(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(request: &str, response: &str) -> Exchange {
        let fields = |text: &str| -> String {
            let (fields, body) = text.split_once(" || ").unwrap_or((text, ""));
            let lines = fields.split(" | ").filter(|line| !line.is_empty());
            let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
            format!("{lines}\r\n{body}")
        };
        let (status, rest) = response.split_once(' ').unwrap_or((response, ""));
        let request = format!("GET /x HTTP/1.1\r\n{}", fields(request));
        let response = format!("HTTP/1.1 {status} Words\r\n{}", fields(rest));
        Exchange::parsed(1, &request, &response)
    }

    #[test]
    fn only_rules_of_the_table_are_reported() {
        // Request and response of A, of B, the sentence, and the field to try.
        let table = [
            (
                "Accept-Language: en",
                "200 Content-Language: en",
                "",
                "200 Content-Language: fr",
                "the responses differ in language and only A sent Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept-Language: en",
                "200 Content-Language: en",
                "Accept-Language: fr",
                "200 Content-Language: fr",
                "the responses differ in language and A and B sent different Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept-Language: en",
                "200 Vary: Accept-Language || a",
                "",
                "200 Vary: accept-language || b",
                "the responses differ in language and only A sent Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept: text/html",
                "200 Content-Type: text/html",
                "Accept: */*",
                "200 Content-Type: text/plain",
                "the responses differ in media type and A and B sent different Accept.",
                "Accept: text/html",
            ),
            (
                "",
                "200",
                "Accept-Encoding: gzip",
                "200 Content-Encoding: gzip",
                "the responses differ in compression and only B sent Accept-Encoding.",
                "Accept-Encoding: gzip",
            ),
            (
                "",
                "401 Content-Type: a",
                "Authorization: x",
                "200 Content-Type: b",
                "the responses differ in who is let in and only B sent Authorization.",
                "Authorization: x",
            ),
            (
                "Cookie: a",
                "200",
                "X-Api-Key: b",
                "403",
                "the responses differ in who is let in and only A sent Cookie, only B sent X-Api-Key.",
                "",
            ),
            (
                "If-None-Match: x",
                "304",
                "",
                "200",
                "the responses differ in whether there is something new and only A sent If-None-Match.",
                "If-None-Match: x",
            ),
            (
                "Content-Type: a",
                "415",
                "Content-Type: b",
                "201",
                "the responses differ in whether the request was understood and A and B sent different Content-Type.",
                "Content-Type: a",
            ),
            (
                " || a",
                "400",
                " || b",
                "200",
                "the responses differ in whether the request was understood and the bodies that they sent differ.",
                "",
            ),
            (
                "Host: a",
                "302 Location: http://a/",
                "Host: b",
                "302 Location: http://b/",
                "the responses differ in where they lead and A and B sent different Host.",
                "Host: a",
            ),
            (
                "Origin: a",
                "200 Access-Control-Allow-Origin: a",
                "",
                "200",
                "the responses differ in what they allow other origins and only A sent Origin.",
                "Origin: a",
            ),
            (
                "X-Tenant: a",
                "200 Vary: X-Tenant || a",
                "X-Tenant: b",
                "200 Vary: X-Tenant || b",
                "the responses differ and A and B sent different X-Tenant, which the server lists in Vary.",
                "X-Tenant: a",
            ),
            // Differences with many possible causes yield nothing.
            (
                "User-Agent: a",
                "200 || a",
                "User-Agent: b",
                "200 || b",
                "",
                "",
            ),
            ("User-Agent: a", "200", "User-Agent: b", "500", "", ""),
            ("Accept-Language: en", "200", "", "200", "", ""),
            ("", "401", "", "200", "", ""),
            (
                "Accept-Encoding: gzip",
                "200 Vary: Accept-Encoding || a",
                "",
                "200 Vary: Accept-Encoding || b",
                "",
                "",
            ),
        ];
        for (request_a, response_a, request_b, response_b, says, field) in table {
            let got = likely_cause(
                &exchange(request_a, response_a),
                &exchange(request_b, response_b),
            );
            let text = got.as_ref().map_or("", |likely| &likely.text);
            assert_eq!(text, says);
            let tried = got
                .and_then(|likely| likely.field)
                .map_or(String::new(), |(name, value)| {
                    format!("{name}: {}", String::from_utf8_lossy(&value))
                });
            assert_eq!(tried, field, "{says}");
        }
    }

    #[test]
    fn a_command_is_one_to_paste() {
        let table: [(&str, &str, &[u8], Option<&str>); 9] = [
            (
                "GET http://localhost:5000/",
                "Accept-Language",
                b"en-US,en;q=0.9",
                Some("curl -H 'Accept-Language: en-US,en;q=0.9' http://localhost:5000/"),
            ),
            (
                "HEAD http://h/?a=1&b",
                "Cookie",
                b"it's",
                Some(r"curl -I -H 'Cookie: it'\''s' 'http://h/?a=1&b'"),
            ),
            (
                "GET http://[::1]/",
                "Accept",
                b"",
                Some("curl -g -H 'Accept;' 'http://[::1]/'"),
            ),
            (
                "GET http://h/$(reboot)",
                "A",
                b"`x`",
                Some("curl -H 'A: `x`' 'http://h/$(reboot)'"),
            ),
            ("POST http://h/", "A", b"b", None),
            ("GET -o/etc/passwd", "A", b"b", None),
            ("GET http://h/", "@/etc/passwd", b"b", None),
            ("GET http://h/", "A", b"\xff", None),
            ("GET", "A", b"b", None),
        ];
        for (method_url, name, value, want) in table {
            assert_eq!(
                command(method_url, name, value).as_deref(),
                want,
                "{method_url}"
            );
        }
    }
}

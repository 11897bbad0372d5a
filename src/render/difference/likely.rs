//! What the difference of two answers is likely to come from: said only where a fixed table has it, and always as *likely*. It
//! names fields and statuses of HTTP.

use super::exchange::{Exchange, Message};
use super::fields;
use crate::render::quote::single;

/// A line of the table: what differs in the answers, and which fields of the requests are known to bring that about.
struct Clue {
    /// `the answers differ in ...`
    what: &'static str,
    /// Whether that is so.
    applies: fn(&Message, &Message) -> bool,
    /// The fields, at least one of which must differ.
    ask: &'static [&'static str],
    /// The requests' bodies may be it as well.
    body: bool,
}

/// The table; the first line that applies is said. Statuses come first: with them everything else differs, too.
const CLUES: [Clue; 8] = [
    Clue {
        what: "who is let in",
        applies: |a, b| statuses(a, b, |status| matches!(status, 401 | 403), is_good),
        ask: &["Authorization", "Cookie", "X-Api-Key"],
        body: false,
    },
    Clue {
        what: "whether there is something new",
        applies: |a, b| statuses(a, b, |status| status == 304, |status| status == 200),
        ask: &["If-None-Match", "If-Modified-Since"],
        body: false,
    },
    Clue {
        what: "whether the request was understood",
        applies: |a, b| statuses(a, b, |status| matches!(status, 400 | 415), is_good),
        ask: &["Content-Type"],
        body: true,
    },
    Clue {
        what: "where they lead",
        applies: |a, b| differ(a, b, "location"),
        ask: &["Host", "X-Forwarded-Proto"],
        body: false,
    },
    Clue {
        what: "language",
        applies: |a, b| {
            differ(a, b, "content-language")
                || (varies(a, b).iter().any(|name| is(name, "accept-language"))
                    && differ_at_all(a, b))
        },
        ask: &["Accept-Language"],
        body: false,
    },
    Clue {
        what: "media type",
        applies: |a, b| differ(a, b, "content-type"),
        ask: &["Accept"],
        body: false,
    },
    Clue {
        what: "what they allow other origins",
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
        ask: &["Origin"],
        body: false,
    },
    Clue {
        what: "compression",
        applies: |a, b| differ(a, b, "content-encoding"),
        ask: &["Accept-Encoding"],
        body: false,
    },
];

/// What is likely.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Likely {
    /// A sentence.
    pub(super) says: String,
    /// When it is one field with one value: A's, or B's if A has none.
    pub(super) field: Option<(String, Vec<u8>)>,
}

/// What the difference of two exchanges is likely to come from.
pub(super) fn likely(a: &Exchange, b: &Exchange) -> Option<Likely> {
    let (asked_a, asked_b) = (a.question.as_ref()?, b.question.as_ref()?);
    let (answer_a, answer_b) = (a.answer.as_ref()?, b.answer.as_ref()?);
    for clue in &CLUES {
        if !(clue.applies)(answer_a, answer_b) {
            continue;
        }
        let mut reasons: Vec<String> = clue
            .ask
            .iter()
            .filter_map(|name| reason(asked_a, asked_b, name))
            .collect();
        let body = clue.body && asked_a.body() != asked_b.body();
        let one = clue
            .ask
            .iter()
            .find(|name| reason(asked_a, asked_b, name).is_some());
        let one = one.filter(|_| reasons.len() == 1 && !body);
        if body {
            reasons.push("the bodies that they sent differ".into());
        }
        if !reasons.is_empty() {
            return Some(Likely {
                says: format!(
                    "the answers differ in {} and {}.",
                    clue.what,
                    reasons.join(", ")
                ),
                field: one.and_then(|name| value(asked_a, asked_b, name)),
            });
        }
    }
    by_vary(asked_a, asked_b, answer_a, answer_b)
}

/// The last line of the table: what the server says that it looks at.
fn by_vary(
    asked_a: &Message,
    asked_b: &Message,
    answer_a: &Message,
    answer_b: &Message,
) -> Option<Likely> {
    if !differ_at_all(answer_a, answer_b) {
        return None;
    }
    // Compression is undone before anything is compared.
    let names = varies(answer_a, answer_b);
    let names = names.iter().filter(|name| !is(name, "accept-encoding"));
    let found: Vec<(&str, String)> = names
        .take(VARY)
        .filter_map(|name| Some((name.as_str(), reason(asked_a, asked_b, name)?)))
        .collect();
    let (one, _) = found.first()?;
    let reasons: Vec<&str> = found.iter().map(|(_, reason)| reason.as_str()).collect();
    Some(Likely {
        says: format!(
            "the answers differ and {}, which the server says it looks at (Vary).",
            reasons.join(", ")
        ),
        field: value(asked_a, asked_b, one).filter(|_| found.len() == 1),
    })
}

/// Fields of `Vary` that are looked at.
const VARY: usize = 16;

/// How a field of the questions differs, if it does.
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

fn is_good(status: u16) -> bool {
    matches!(status, 200..=299)
}

/// Whether one answer's status is like this and the other's like that.
fn statuses(a: &Message, b: &Message, this: fn(u16) -> bool, that: fn(u16) -> bool) -> bool {
    (this(a.status) && that(b.status)) || (that(a.status) && this(b.status))
}

fn differ(a: &Message, b: &Message, name: &str) -> bool {
    a.values(name.as_bytes()) != b.values(name.as_bytes())
}

/// Whether two answers differ in more than what always does.
fn differ_at_all(a: &Message, b: &Message) -> bool {
    let telling = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = message.fields().filter(|(name, _)| !fields::is_noise(name));
        let mut fields: Vec<_> = fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
            .collect();
        fields.sort_unstable();
        fields
    };
    a.status != b.status || a.body() != b.body() || telling(a) != telling(b)
}

/// The names in the answers' `Vary`.
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

/// The command that asks as the one side did, but for this field: one to paste, so it is given only when it is exact.
pub(super) fn command(asks: &str, name: &str, value: &[u8]) -> Option<String> {
    let (method, url) = asks.split_once(' ')?;
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
    // curl takes brackets in a URL for patterns.
    let globs = if url.contains(['[', ']', '{', '}']) {
        "-g "
    } else {
        ""
    };
    // And a field without a value for one that is not to be sent.
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

    fn exchange(request: &str, answer: &str) -> Exchange {
        let fields = |text: &str| -> String {
            let (fields, body) = text.split_once(" || ").unwrap_or((text, ""));
            let lines = fields.split(" | ").filter(|line| !line.is_empty());
            let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
            format!("{lines}\r\n{body}")
        };
        let (status, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        let question = format!("GET /x HTTP/1.1\r\n{}", fields(request));
        let answer = format!("HTTP/1.1 {status} Words\r\n{}", fields(rest));
        Exchange::made(1, &question, &answer)
    }

    #[test]
    fn only_what_the_table_has_is_said() {
        // Request and answer of A, of B, what is said, and the field that is to be tried.
        let table = [
            (
                "Accept-Language: en",
                "200 Content-Language: en",
                "",
                "200 Content-Language: fr",
                "the answers differ in language and only A sent Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept-Language: en",
                "200 Content-Language: en",
                "Accept-Language: fr",
                "200 Content-Language: fr",
                "the answers differ in language and A and B sent different Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept-Language: en",
                "200 Vary: Accept-Language || a",
                "",
                "200 Vary: accept-language || b",
                "the answers differ in language and only A sent Accept-Language.",
                "Accept-Language: en",
            ),
            (
                "Accept: text/html",
                "200 Content-Type: text/html",
                "Accept: */*",
                "200 Content-Type: text/plain",
                "the answers differ in media type and A and B sent different Accept.",
                "Accept: text/html",
            ),
            (
                "",
                "200",
                "Accept-Encoding: gzip",
                "200 Content-Encoding: gzip",
                "the answers differ in compression and only B sent Accept-Encoding.",
                "Accept-Encoding: gzip",
            ),
            (
                "",
                "401 Content-Type: a",
                "Authorization: x",
                "200 Content-Type: b",
                "the answers differ in who is let in and only B sent Authorization.",
                "Authorization: x",
            ),
            (
                "Cookie: a",
                "200",
                "X-Api-Key: b",
                "403",
                "the answers differ in who is let in and only A sent Cookie, only B sent X-Api-Key.",
                "",
            ),
            (
                "If-None-Match: x",
                "304",
                "",
                "200",
                "the answers differ in whether there is something new and only A sent If-None-Match.",
                "If-None-Match: x",
            ),
            (
                "Content-Type: a",
                "415",
                "Content-Type: b",
                "201",
                "the answers differ in whether the request was understood and A and B sent different Content-Type.",
                "Content-Type: a",
            ),
            (
                " || a",
                "400",
                " || b",
                "200",
                "the answers differ in whether the request was understood and the bodies that they sent differ.",
                "",
            ),
            (
                "Host: a",
                "302 Location: http://a/",
                "Host: b",
                "302 Location: http://b/",
                "the answers differ in where they lead and A and B sent different Host.",
                "Host: a",
            ),
            (
                "Origin: a",
                "200 Access-Control-Allow-Origin: a",
                "",
                "200",
                "the answers differ in what they allow other origins and only A sent Origin.",
                "Origin: a",
            ),
            (
                "X-Tenant: a",
                "200 Vary: X-Tenant || a",
                "X-Tenant: b",
                "200 Vary: X-Tenant || b",
                "the answers differ and A and B sent different X-Tenant, which the server says it looks at (Vary).",
                "X-Tenant: a",
            ),
            // Nothing is said of what may have many reasons.
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
        for (ask_a, answer_a, ask_b, answer_b, says, field) in table {
            let got = likely(&exchange(ask_a, answer_a), &exchange(ask_b, answer_b));
            let text = got.as_ref().map_or("", |likely| &likely.says);
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
        for (asks, name, value, want) in table {
            assert_eq!(command(asks, name, value).as_deref(), want, "{asks}");
        }
    }
}

//! Descriptions of messages for people: the title, and the [`Description`] of a buffered head.
//! Called only for messages that are shown.

use std::ops::Range;

use memchr::memchr;

use super::super::http::decoded::{Codings, charset_parameter};
use super::head::{FieldLine, FieldLines, first_line};
use super::start_line::{RequestLine, StatusLine};
use crate::message::{Description, Fact, HeadStyle, Kind, Role};

/// Maximum length of a title in bytes; longer ones are cut.
pub(super) const TITLE: usize = 512;

/// Fields of negotiation and identity: two clients get different responses because of them.
/// `Accept` and `Accept-*` stand out as well.
const STAND_OUT: [&str; 5] = [
    "content-language",
    "authorization",
    "cookie",
    "set-cookie",
    "location",
];

/// Facts that are the value of one field.
const FACTS: [(&str, &str); 7] = [
    ("user-agent", "http.user_agent"),
    ("referer", "http.referer"),
    ("location", "http.location"),
    ("server", "http.server"),
    ("content-length", "http.content_length"),
    ("content-encoding", "http.content_encoding"),
    ("transfer-encoding", "http.transfer_encoding"),
];

/// Subtypes of `application/` that are not readable text. So are those with one of
/// [`OPAQUE_PREFIXES`].
const OPAQUE: [&str; 22] = [
    "octet-stream",
    "zip",
    "gzip",
    "x-gzip",
    "x-tar",
    "x-gtar",
    "x-bzip2",
    "x-xz",
    "x-7z-compressed",
    "x-rar-compressed",
    "zstd",
    "pdf",
    "wasm",
    "java-archive",
    "x-protobuf",
    "protobuf",
    "grpc",
    "msgpack",
    "x-msgpack",
    "cbor",
    "dns-message",
    "x-shockwave-flash",
];
const OPAQUE_PREFIXES: [&str; 8] = [
    "vnd.ms-",
    "vnd.openxmlformats",
    "vnd.oasis.",
    "vnd.rar",
    "vnd.debian.binary",
    "vnd.android.package",
    "font-",
    "x-font-",
];

/// Composes the title of a request in `buffer`, its method and target URI: `GET
/// localhost:5000/path`.
pub(super) fn request_title<'t>(
    line: &RequestLine<'_>,
    host: Option<&[u8]>,
    buffer: &'t mut [u8; TITLE],
) -> &'t [u8] {
    let host = host
        .filter(|_| line.target.starts_with(b"/"))
        .unwrap_or_default();
    let mut len = 0_usize;
    for part in [line.method, b" ", host, line.target] {
        let rest = buffer.get_mut(len..).unwrap_or_default();
        let fits = part.len().min(rest.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..fits), part.get(..fits)) {
            to.copy_from_slice(from);
        }
        len = len.saturating_add(fits);
    }
    buffer.get(..len).unwrap_or_default()
}

/// See [`crate::dissect::describe`].
pub(crate) fn describe(kind: Kind, head: &[u8], stand_out: &[String]) -> Description {
    let line = first_line(head);
    let mut about = About {
        head,
        description: Description::default(),
    };
    match kind.side {
        Role::Request => about.request(line),
        Role::Response => about.response(line),
        Role::Single => {}
    }
    about.fields(kind.side == Role::Response, stand_out);
    about.description
}

/// A description under construction.
struct About<'h> {
    head: &'h [u8],
    description: Description,
}

impl About<'_> {
    fn fact(&mut self, name: &'static str, value: &[u8], summary: bool) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.description.facts.push(Fact {
            name,
            value,
            summary,
            many: false,
            literal: false,
        });
    }

    fn style(&mut self, range: Range<usize>, role: HeadStyle) {
        if !range.is_empty() {
            self.description.styles.push((range, role));
        }
    }

    fn request(&mut self, line: &[u8]) {
        if !line.ends_with(b"\n") {
            return self.cut_request(line);
        }
        let Some(request) = RequestLine::of(line) else {
            return;
        };
        let host = self.value("host");
        let host = host.and_then(|range| self.head.get(range));
        let mut buffer = [0; TITLE];
        let title = request_title(&request, host, &mut buffer);
        self.fact("http.title", title, true);
        self.fact("http.method", request.method, false);
        self.fact("http.target", request.target, false);
        if let Some(host) = host {
            self.fact("http.host", host, false);
        }
        self.fact("http.version", request.version, false);
        self.style(0..request.method.len(), HeadStyle::Method);
    }

    /// Describes a request whose start line is cut off.
    fn cut_request(&mut self, line: &[u8]) {
        let Some(request) = RequestLine::of_part(line) else {
            return;
        };
        let cut = request.version.is_empty();
        let mut buffer = [0; TITLE];
        let title = request_title(&request, None, &mut buffer);
        let more: &[u8] = if cut { b"..." } else { b"" };
        self.fact("http.title", &[title, more].concat(), true);
        self.fact("http.method", request.method, false);
        if !cut {
            self.fact("http.target", request.target, false);
        }
        self.style(0..request.method.len(), HeadStyle::Method);
    }

    fn response(&mut self, line: &[u8]) {
        let Some(response) = StatusLine::of(line) else {
            return;
        };
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let code = response.words.iter().take_while(is_digit).count();
        let reason = response.words.get(code..).unwrap_or_default();
        self.fact("http.title", response.words, true);
        if response.status > 0 {
            let status = format!("{:03}", response.status);
            self.fact("http.status", status.as_bytes(), false);
        }
        self.fact("http.reason", reason.trim_ascii(), false);
        if let Some(version) = response.version {
            self.fact("http.version", version, false);
        }
        let role = match response.status {
            300..=399 => HeadStyle::Redirect,
            400..=499 => HeadStyle::ClientError,
            500.. => HeadStyle::ServerError,
            _ => HeadStyle::Success,
        };
        let (words, line) = (response.words.as_ptr().addr(), line.as_ptr().addr());
        let start = words.saturating_sub(line);
        self.style(start..start.saturating_add(response.words.len()), role);
    }

    fn fields(&mut self, response: bool, stand_out: &[String]) {
        let (mut media, mut names) = (None, Vec::new());
        let (mut content, mut transfer) = (Codings::default(), Codings::default());
        for FieldLine { name, value } in FieldLines::of(self.head) {
            self.description.fields.push((name.clone(), value.clone()));
            let named = self.head.get(name.clone()).unwrap_or_default();
            let text = self.head.get(value.clone()).unwrap_or_default();
            let is = |other: &str| named.eq_ignore_ascii_case(other.as_bytes());
            if is("content-type") {
                let bare = text
                    .get(..memchr(b';', text).unwrap_or(text.len()))
                    .unwrap_or_default()
                    .trim_ascii();
                media = Some(String::from_utf8_lossy(bare).into_owned());
                self.fact("http.content_type", bare, response);
                if let Some(charset) = charset_parameter(text) {
                    self.fact("http.charset", charset, false);
                }
            } else if is("content-language") {
                self.fact("http.content_language", text, response);
            } else if let Some((_, fact)) = FACTS.iter().find(|(field, _)| is(field)) {
                self.fact(fact, text, false);
            }
            if is("content-encoding") {
                content = content.and(text);
                names.extend(codings_of(text));
            } else if is("transfer-encoding") {
                transfer = transfer.and(text);
                names.extend(codings_of(text));
            }
            let accepts = named
                .get(..6)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"accept"))
                && matches!(named.get(6), None | Some(b'-'));
            let stands_out = accepts
                || STAND_OUT.iter().any(|field| is(field))
                || stand_out.iter().any(|field| is(field));
            if stands_out {
                self.style(name, HeadStyle::KeyName);
                self.style(value, HeadStyle::KeyValue);
            } else {
                self.style(name, HeadStyle::Name);
            }
        }
        if content.then(transfer).are_known() {
            // These codings are undone before the body is emitted.
            names.clear();
        }
        self.description.opaque = opaque(media.as_deref(), &names);
    }

    /// The range of the value of the first field with this name.
    fn value(&self, name: &str) -> Option<Range<usize>> {
        let is = |field: &FieldLine| {
            self.head
                .get(field.name.clone())
                .is_some_and(|named| named.eq_ignore_ascii_case(name.as_bytes()))
        };
        FieldLines::of(self.head).find(is).map(|field| field.value)
    }
}

/// The codings in a field's list.
fn codings_of(list: &[u8]) -> impl Iterator<Item = String> {
    let names = list
        .split(|byte| *byte == b',')
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase());
    names.filter(|name| !matches!(name.as_str(), "" | "identity" | "chunked"))
}

/// The name of a body that is not readable text: `image/png`, `text/html, gzip`. `None` if it is
/// readable.
fn opaque(media: Option<&str>, codings: &[String]) -> Option<String> {
    let unreadable = media.is_some_and(is_opaque);
    let names = || {
        media
            .into_iter()
            .chain(codings.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(", ")
    };
    (unreadable || !codings.is_empty()).then(names)
}

fn is_opaque(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    if media.ends_with("+xml") || media.ends_with("+json") {
        return false;
    }
    match media.split_once('/') {
        Some(("image" | "audio" | "video" | "font", _)) => true,
        Some(("application", name)) => {
            OPAQUE.contains(&name)
                || OPAQUE_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{REQUEST, RESPONSE};
    use super::*;

    fn facts(description: &Description) -> Vec<(&str, &str)> {
        description
            .facts
            .iter()
            .map(|fact| (fact.name, fact.value.as_str()))
            .collect()
    }

    fn summary(description: &Description) -> String {
        let parts: Vec<_> = description
            .facts
            .iter()
            .filter(|fact| fact.summary)
            .map(|fact| fact.value.as_str())
            .collect();
        parts.join(" · ")
    }

    fn styles<'h>(description: &Description, head: &'h [u8]) -> Vec<(&'h str, HeadStyle)> {
        let text = |range: &Range<usize>| {
            std::str::from_utf8(&head[range.clone()]).expect("test heads are text")
        };
        assert!(
            description
                .styles
                .windows(2)
                .all(|pair| pair[0].0.end <= pair[1].0.start),
            "sorted, not overlapping"
        );
        description
            .styles
            .iter()
            .map(|(range, role)| (text(range), *role))
            .collect()
    }

    #[test]
    fn a_request_is_described() {
        let head = b"GET /a?b=1 HTTP/1.1\r\nHost: localhost:5000\r\nUser-Agent: curl/8\r\naccept-language: de\r\nX-Id: 7\r\n\r\n";
        let description = describe(REQUEST, head, &["x-ID".to_owned()]);
        assert_eq!(summary(&description), "GET localhost:5000/a?b=1");
        assert_eq!(
            facts(&description),
            [
                ("http.title", "GET localhost:5000/a?b=1"),
                ("http.method", "GET"),
                ("http.target", "/a?b=1"),
                ("http.host", "localhost:5000"),
                ("http.version", "1.1"),
                ("http.user_agent", "curl/8"),
            ]
        );
        assert_eq!(
            styles(&description, head),
            [
                ("GET", HeadStyle::Method),
                ("Host", HeadStyle::Name),
                ("User-Agent", HeadStyle::Name),
                ("accept-language", HeadStyle::KeyName),
                ("de", HeadStyle::KeyValue),
                ("X-Id", HeadStyle::KeyName),
                ("7", HeadStyle::KeyValue),
            ]
        );
    }

    #[test]
    fn a_response_is_described() {
        let head = b"HTTP/1.0 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\nContent-Language: fr\r\n\r\n";
        let description = describe(RESPONSE, head, &[]);
        assert_eq!(summary(&description), "404 Not Found · text/html · fr");
        assert_eq!(
            facts(&description),
            [
                ("http.title", "404 Not Found"),
                ("http.status", "404"),
                ("http.reason", "Not Found"),
                ("http.version", "1.0"),
                ("http.content_type", "text/html"),
                ("http.charset", "utf-8"),
                ("http.content_language", "fr"),
            ]
        );
        assert_eq!(
            styles(&description, head),
            [
                ("404 Not Found", HeadStyle::ClientError),
                ("Content-Type", HeadStyle::Name),
                ("Content-Language", HeadStyle::KeyName),
                ("fr", HeadStyle::KeyValue),
            ]
        );
        assert_eq!(description.opaque, None);
    }

    #[test]
    fn odd_heads_are_described_as_far_as_they_go() {
        let head = b"HTTP/1.1 302\nLocation : /a\n\t/b\nno colon\n: no name\nEmpty:\n\n";
        let description = describe(RESPONSE, head, &[]);
        assert_eq!(
            styles(&description, head),
            [
                ("302", HeadStyle::Redirect),
                ("Location", HeadStyle::KeyName),
                ("/a\n\t/b", HeadStyle::KeyValue),
                ("Empty", HeadStyle::Name)
            ]
        );
        assert_eq!(
            facts(&describe(REQUEST, b"GET /a/pa", &[])),
            [("http.title", "GET /a/pa..."), ("http.method", "GET")]
        );
        for line in [&b"GET /a "[..], b"GET /a HT", b"GET /a HTTP/1"] {
            assert_eq!(
                facts(&describe(REQUEST, line, &[])),
                [
                    ("http.title", "GET /a"),
                    ("http.method", "GET"),
                    ("http.target", "/a")
                ]
            );
        }
        let cut = b"GET /a HTTP/1.1\r\nA: b\r\nHost: exa";
        assert_eq!(
            facts(&describe(REQUEST, cut, &[])),
            [
                ("http.title", "GET /a"),
                ("http.method", "GET"),
                ("http.target", "/a"),
                ("http.version", "1.1")
            ]
        );
        assert_eq!(facts(&describe(RESPONSE, b"", &[])), []);
        assert_eq!(facts(&describe(REQUEST, b"\xff\x00\n\n", &[])), []);
    }

    #[test]
    fn bodies_that_are_not_for_reading_are_named() {
        let table: &[(&str, Option<&str>)] = &[
            ("Content-Type: text/html\r\n", None),
            ("", None),
            ("Content-Type: image/png\r\n", Some("image/png")),
            ("Content-Type: image/svg+xml\r\n", None),
            (
                "Content-Type: Application/ZIP; x=y\r\n",
                Some("Application/ZIP"),
            ),
            ("Content-Type: application/json\r\n", None),
            (
                "Content-Type: application/vnd.oasis.opendocument.text\r\n",
                Some("application/vnd.oasis.opendocument.text"),
            ),
            (
                "Content-Type: text/html; charset=x\r\nContent-Encoding: gzip\r\n",
                None,
            ),
            (
                "Content-Type: text/html; charset=x\r\nContent-Encoding: compress, gzip\r\n",
                Some("text/html, compress, gzip"),
            ),
            ("Content-Encoding: identity\r\n", None),
            ("Content-Encoding: br\r\n", None),
            ("Content-Encoding: exi\r\n", Some("exi")),
            (
                "Content-Type: image/png\r\nContent-Encoding: gzip\r\n",
                Some("image/png"),
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", None),
            ("Transfer-Encoding: chunked\r\n", None),
        ];
        for (fields, name) in table {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(
                describe(RESPONSE, head.as_bytes(), &[]).opaque.as_deref(),
                *name,
                "{fields}"
            );
        }
    }

    #[test]
    fn a_title_is_method_and_place() {
        type Case = (&'static [u8], Option<&'static [u8]>, &'static str);
        let table: &[Case] = &[
            (b"GET /p HTTP/1.1", Some(b"a:1"), "GET a:1/p"),
            (b"GET /p HTTP/1.1", None, "GET /p"),
            (b"GET http://b/p HTTP/1.1", Some(b"a"), "GET http://b/p"),
            (b"CONNECT b:443 HTTP/1.1", Some(b"a"), "CONNECT b:443"),
            (b"OPTIONS * HTTP/1.1", Some(b"a"), "OPTIONS *"),
        ];
        for (line, host, title) in table {
            let line = RequestLine::of(line).expect("a request line");
            assert_eq!(
                request_title(&line, *host, &mut [0; TITLE]),
                title.as_bytes()
            );
        }
        let long = [b"GET /".as_slice(), &[b'x'; 2000], b" HTTP/1.1"].concat();
        let line = RequestLine::of(&long).expect("a request line");
        assert_eq!(request_title(&line, None, &mut [0; TITLE]).len(), TITLE);
    }
}

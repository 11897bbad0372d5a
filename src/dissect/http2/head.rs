//! The *head*: the fields of a block become the text of a head as a person would write it, with the
//! pseudo-fields in the start line. Pure functions of fields.
//!
//! ```text
//! :method: GET                      GET /a HTTP/2
//! :scheme: http                     host: localhost:8080
//! :path: /a                  ──▶    accept: */*
//! :authority: localhost:8080
//! accept: */*
//! ```

use memchr::memchr2;

use super::hpack::{Block, Flaw, Known, Why};

/// Bytes of a title; what does not fit is cut.
const TITLE: usize = 512;
/// What stands in the start line for what is not known.
const UNKNOWN: &[u8] = b"?";

/// What a block is, by its pseudo-fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// It begins a request.
    Request,
    /// It begins a response.
    Response,
    /// It has none: trailers; or those that it has are not known.
    Neither {
        /// Some of its fields are not known.
        unknown: bool,
    },
}

/// The pseudo-fields of a block (RFC 9113 section 8.3), the first of each.
#[derive(Clone, Copy, Default, Debug)]
struct Pseudo<'b> {
    method: Option<&'b [u8]>,
    scheme: Option<&'b [u8]>,
    authority: Option<&'b [u8]>,
    path: Option<&'b [u8]>,
    protocol: Option<&'b [u8]>,
    status: Option<&'b [u8]>,
    /// A field is not known.
    unknown: Option<Why>,
    /// A rule that they break.
    odd: Option<&'static str>,
}

impl<'b> Pseudo<'b> {
    fn of(block: &'b Block) -> Self {
        let mut pseudo = Self::default();
        let mut late = false;
        for (name, value, known) in block.fields() {
            let (Known::Value(_, why) | Known::Nothing(_, why)) = known else {
                if name.first() == Some(&b':') {
                    pseudo.note(name, value, late);
                } else {
                    late = true;
                }
                continue;
            };
            pseudo.unknown = pseudo.unknown.or(Some(why));
        }
        pseudo
    }

    /// Takes a field. `late`: a field that is no pseudo-field came before it.
    fn note(&mut self, name: &[u8], value: &'b [u8], late: bool) {
        let field = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" => &mut self.protocol,
            b":status" => &mut self.status,
            _ => {
                self.odd = Some("a pseudo-header that there is not");
                return;
            }
        };
        if field.is_some() {
            self.odd = Some("a pseudo-header twice");
            return;
        }
        *field = Some(value);
        if late {
            self.odd = Some("a pseudo-header behind a header");
        }
    }

    fn sort(&self) -> Sort {
        let asks = [
            self.method,
            self.path,
            self.authority,
            self.scheme,
            self.protocol,
        ];
        if self.status.is_some() {
            Sort::Response
        } else if asks.iter().any(Option::is_some) {
            Sort::Request
        } else {
            let unknown = self.unknown.is_some();
            Sort::Neither { unknown }
        }
    }

    /// The rule that they break as the head of a request or of a response.
    fn oddity(&self, response: bool) -> Option<&'static str> {
        let lacks = |field: Option<&[u8]>| field.is_none() && self.unknown.is_none();
        let connects = self.method == Some(b"CONNECT") && self.protocol.is_none();
        let path = self.path.or(self.authority.filter(|_| connects));
        match response {
            true if lacks(self.status) => Some("a response without a status"),
            true if self.sort() == Sort::Response && self.method.or(self.path).is_some() => {
                Some("a response with a method or a path")
            }
            true => self.odd,
            false if lacks(self.method) => Some("a request without a method"),
            false if lacks(path) => Some("a request without a path"),
            false => self.odd,
        }
    }
}

/// What a block is.
pub(super) fn sort(block: &Block) -> Sort {
    Pseudo::of(block).sort()
}

/// The text of a head. It is made once and written again for each.
#[derive(Default, Debug)]
pub(super) struct Head {
    /// Start line and fields, with the empty line after them.
    pub(super) text: Vec<u8>,
    /// In a few words.
    pub(super) title: Vec<u8>,
    /// Of a response; 0 where it is not known.
    pub(super) status: u16,
    /// A rule that it breaks.
    pub(super) odd: Option<&'static str>,
    /// Some of its fields are not known.
    pub(super) unknown: bool,
}

impl Head {
    /// Writes the head of a response, or of a request.
    pub(super) fn write(&mut self, block: &Block, response: bool) {
        let pseudo = Pseudo::of(block);
        self.begin(block, &pseudo, pseudo.oddity(response));
        if response {
            self.status_line(&pseudo);
        } else {
            self.request_line(&pseudo);
        }
        self.fields(block, Some(&pseudo));
    }

    /// Writes fields alone.
    pub(super) fn write_trailer(&mut self, block: &Block) {
        let pseudo = Pseudo::of(block);
        self.begin(block, &pseudo, None);
        self.fields(block, None);
    }

    fn begin(&mut self, block: &Block, pseudo: &Pseudo<'_>, odd: Option<&'static str>) {
        self.text.clear();
        self.title.clear();
        self.status = 0;
        self.unknown = pseudo.unknown.is_some();
        let unknown = pseudo
            .unknown
            .map(|_| "headers that refer to what was not captured");
        self.odd = block.flaw.map(Flaw::words).or(odd).or(unknown);
    }

    fn request_line(&mut self, pseudo: &Pseudo<'_>) {
        let method = pseudo.method.unwrap_or(UNKNOWN);
        let connects = method == b"CONNECT" && pseudo.path.is_none();
        let (target, host) = match connects {
            true => (pseudo.authority.unwrap_or(UNKNOWN), None),
            false => (pseudo.path.unwrap_or(UNKNOWN), pseudo.authority),
        };
        self.put(method);
        self.put(b" ");
        self.put(target);
        self.text.extend_from_slice(b" HTTP/2\r\n");
        let named = host.filter(|_| target.starts_with(b"/"));
        for part in [method, b" ", named.unwrap_or_default(), target] {
            let capacity = TITLE.saturating_sub(self.title.len());
            self.title.extend(part.iter().take(capacity));
        }
        if let Some(authority) = pseudo.authority {
            self.line(b"host", authority);
        }
        if let Some(protocol) = pseudo.protocol {
            self.line(b":protocol", protocol);
        }
    }

    fn status_line(&mut self, pseudo: &Pseudo<'_>) {
        let status = pseudo.status.unwrap_or(UNKNOWN);
        if let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = status {
            let digit = |byte: &u8| u16::from(byte.saturating_sub(b'0'));
            let tens = digit(a).saturating_mul(10).saturating_add(digit(b));
            self.status = tens.saturating_mul(10).saturating_add(digit(c));
        } else if pseudo.status.is_some() {
            self.note("a status that is not of three digits");
        }
        self.put(b"HTTP/2 ");
        self.put(status);
        self.text.extend_from_slice(b"\r\n");
        self.title.extend(status.iter().take(TITLE));
    }

    /// The fields that are not in the start line, and the empty line; without a start line only
    /// the fields.
    fn fields(&mut self, block: &Block, start: Option<&Pseudo<'_>>) {
        let authority = start.and_then(|pseudo| pseudo.authority);
        for (name, value, known) in block.fields() {
            match known {
                Known::All if start.is_some() && name.first() == Some(&b':') => {}
                Known::All if name == b"host" && authority == Some(value) => {}
                Known::All => {
                    self.look(name, value, authority);
                    self.line(name, value);
                }
                Known::Value(index, _) => {
                    let name = format!("(header {index})");
                    self.line(name.as_bytes(), value);
                }
                Known::Nothing(index, why) => {
                    let line = format!("(header {index}): ({})\r\n", why.words());
                    self.text.extend_from_slice(line.as_bytes());
                }
            }
        }
        if start.is_some() {
            self.text.extend_from_slice(b"\r\n");
        }
    }

    /// Looks whether a field breaks a rule (RFC 9113 section 8.2).
    fn look(&mut self, name: &[u8], value: &[u8], authority: Option<&[u8]>) {
        let of_connection = match name {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => true,
            b"te" => value != b"trailers",
            _ => false,
        };
        if of_connection {
            self.note("a header of HTTP/1 connections");
        } else if name.iter().any(u8::is_ascii_uppercase) {
            self.note("a header name in upper case");
        } else if name == b"host" && authority.is_some() {
            self.note("a host that is not the :authority");
        } else if name.is_empty()
            || name
                .iter()
                .any(|byte| !byte.is_ascii_graphic() || *byte == b':')
        {
            self.note("characters that do not belong in a header");
        }
    }

    fn note(&mut self, odd: &'static str) {
        self.odd = self.odd.or(Some(odd));
    }

    fn line(&mut self, name: &[u8], value: &[u8]) {
        self.put(name);
        self.text.extend_from_slice(b": ");
        self.put(value);
        self.text.extend_from_slice(b"\r\n");
    }

    /// Writes what is within a line: no byte of it ends the line.
    fn put(&mut self, text: &[u8]) {
        if memchr2(b'\r', b'\n', text).is_none() {
            return self.text.extend_from_slice(text);
        }
        self.note("characters that do not belong in a header");
        for byte in text {
            match byte {
                b'\r' => self.text.extend_from_slice(b"\\r"),
                b'\n' => self.text.extend_from_slice(b"\\n"),
                byte => self.text.push(*byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hpack::Decoder;
    use super::*;

    /// A block of literals, or of indexed fields where there is no name.
    fn block(fields: &[(&str, &str)]) -> Block {
        let mut bytes = Vec::new();
        for (name, value) in fields {
            if name.is_empty() {
                bytes.push(value.parse::<u8>().unwrap() | 0x80);
                continue;
            }
            bytes.push(0);
            for text in [name, value] {
                bytes.push(u8::try_from(text.len()).unwrap());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        let mut decoder = Decoder::default();
        decoder.forget(Why::Before);
        let mut block = Block::default();
        decoder.decode(&bytes, &mut block);
        block
    }

    fn head(fields: &[(&str, &str)]) -> Head {
        let block = block(fields);
        let mut head = Head::default();
        match sort(&block) {
            Sort::Request => head.write(&block, false),
            Sort::Response => head.write(&block, true),
            Sort::Neither { .. } => head.write_trailer(&block),
        }
        head
    }

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", "h:1"),
    ];

    #[test]
    fn heads_are_written_as_a_person_would() {
        let table: &[(&[(&str, &str)], &str, &str, Option<&str>)] = &[
            (
                &[
                    GET[0],
                    GET[1],
                    GET[2],
                    GET[3],
                    ("accept-language", "de"),
                    ("host", "h:1"),
                ],
                "GET /a HTTP/2\r\nhost: h:1\r\naccept-language: de\r\n\r\n",
                "GET h:1/a",
                None,
            ),
            (
                &[(":status", "404"), ("server", "x")],
                "HTTP/2 404\r\nserver: x\r\n\r\n",
                "404",
                None,
            ),
            (
                &[(":method", "CONNECT"), (":authority", "h:1")],
                "CONNECT h:1 HTTP/2\r\nhost: h:1\r\n\r\n",
                "CONNECT h:1",
                None,
            ),
            (
                &[
                    (":method", "CONNECT"),
                    (":protocol", "websocket"),
                    GET[1],
                    GET[2],
                    GET[3],
                ],
                "CONNECT /a HTTP/2\r\nhost: h:1\r\n:protocol: websocket\r\n\r\n",
                "CONNECT h:1/a",
                None,
            ),
            (&[("grpc-status", "0")], "grpc-status: 0\r\n", "", None),
            (
                &[("", "62"), (":path", "/a")],
                "? /a HTTP/2\r\n(header 62): (sent before the capture began)\r\n\r\n",
                "? /a",
                Some("headers that refer to what was not captured"),
            ),
            (
                &[GET[0], GET[1], ("", "63"), ("a", "b")],
                "GET ? HTTP/2\r\n(header 63): (sent before the capture began)\r\na: b\r\n\r\n",
                "GET ?",
                Some("headers that refer to what was not captured"),
            ),
            (
                &[GET[0], GET[1], GET[2], GET[3], ("host", "other")],
                "GET /a HTTP/2\r\nhost: h:1\r\nhost: other\r\n\r\n",
                "GET h:1/a",
                Some("a host that is not the :authority"),
            ),
            (
                &[(":status", "200"), ("a", "b\r\nc: d")],
                "HTTP/2 200\r\na: b\\r\\nc: d\r\n\r\n",
                "200",
                Some("characters that do not belong in a header"),
            ),
            (
                &[(":status", "200"), ("Upper", "x")],
                "HTTP/2 200\r\nUpper: x\r\n\r\n",
                "200",
                Some("a header name in upper case"),
            ),
            (
                &[(":status", "2000")],
                "HTTP/2 2000\r\n\r\n",
                "2000",
                Some("a status that is not of three digits"),
            ),
            (
                &[GET[0], GET[1]],
                "GET ? HTTP/2\r\n\r\n",
                "GET ?",
                Some("a request without a path"),
            ),
            (
                &[("a", "b"), GET[0], GET[2]],
                "GET /a HTTP/2\r\na: b\r\n\r\n",
                "GET /a",
                Some("a pseudo-header behind a header"),
            ),
            (
                &[GET[0], GET[2], GET[2]],
                "GET /a HTTP/2\r\n\r\n",
                "GET /a",
                Some("a pseudo-header twice"),
            ),
            (
                &[(":status", "200"), ("transfer-encoding", "chunked")],
                "HTTP/2 200\r\ntransfer-encoding: chunked\r\n\r\n",
                "200",
                Some("a header of HTTP/1 connections"),
            ),
        ];
        for (fields, text, title, odd) in table {
            let head = head(fields);
            assert_eq!(
                head.text.escape_ascii().to_string(),
                text.as_bytes().escape_ascii().to_string()
            );
            assert_eq!(head.title.escape_ascii().to_string(), *title);
            assert_eq!(head.odd, *odd, "{text}");
        }
    }

    #[test]
    fn the_status_is_a_number() {
        assert_eq!(head(&[(":status", "103")]).status, 103);
        assert_eq!(head(&[(":status", "abc")]).status, 0);
    }
}

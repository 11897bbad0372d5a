//! An exchange kept until it can be compared with another. Owns copies of its bytes, bounded by the
//! limit on kept messages.

use std::ops::Range;

use crate::hit::{Hit, Pair, Piece};
use crate::render::parts::fact;

/// A request and its response.
pub(super) struct Exchange {
    /// Number of the exchange, shown as `#N`.
    pub(super) number: u64,
    /// Where it comes from: the client's address, or a file.
    pub(super) origin: String,
    /// Method and URL of the request as far as they are known: `GET http://localhost:5000/`.
    pub(super) method_url: String,
    /// The client's `User-Agent`.
    pub(super) program: String,
    /// `None` if it was not captured or not kept.
    pub(super) request: Option<Message>,
    /// `None` if there was none.
    pub(super) response: Option<Message>,
}

/// What is kept of a message.
#[derive(Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
    head: usize,
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// Size of the whole decoded body in bytes.
    pub(super) body_size: u64,
    /// The body is complete.
    pub(super) whole: bool,
    /// Media type, if it has one.
    pub(super) media: Option<String>,
    /// Description of the body if it is not text.
    pub(super) opaque: Option<String>,
    /// Status of a response, 0 for a request.
    pub(super) status: u16,
}

impl Exchange {
    /// Copies `pair`. `file` is its origin if files are compared.
    pub(super) fn of(pair: &Pair<'_>, file: Option<&str>) -> Self {
        let origin = match (file, pair.request, pair.response) {
            (Some(file), ..) => file.to_owned(),
            (_, Some(request), _) => request.heading.src.to_string(),
            (_, _, Some(response)) => response.heading.dst.to_string(),
            (..) => String::new(),
        };
        Self {
            number: pair.number,
            origin,
            method_url: pair
                .request
                .and_then(method_url)
                .unwrap_or_else(|| String::from_utf8_lossy(pair.title).into_owned()),
            program: pair
                .request
                .and_then(|request| fact(request, "http.user_agent"))
                .unwrap_or_default()
                .to_owned(),
            request: pair.request.map(Message::of),
            response: pair.response.map(Message::of),
        }
    }

    /// Approximate memory use in bytes.
    pub(super) fn size(&self) -> usize {
        let of = |message: &Option<Message>| {
            message
                .as_ref()
                .map_or(0, |it| it.bytes.len() + 32 * it.fields.len())
        };
        512 + 2 * self.method_url.len() + of(&self.request) + of(&self.response)
    }
}

/// Method and URL from a request's attributes.
fn method_url(request: &Hit<'_>) -> Option<String> {
    let (method, target) = (fact(request, "http.method")?, fact(request, "http.target")?);
    Some(match fact(request, "http.host") {
        Some(host) if target.starts_with('/') => format!("{method} http://{host}{target}"),
        _ => format!("{method} {target}"),
    })
}

impl Message {
    fn of(hit: &Hit<'_>) -> Self {
        // Bytes after a gap have unknown offsets, so only those before it are kept.
        let mut kept = 0;
        let mut whole = !hit.incomplete;
        for piece in hit.text.pieces {
            match piece {
                Piece::Kept(range) if range.start == kept => kept = range.end,
                _ => {
                    whole = false;
                    break;
                }
            }
        }
        let bytes = hit.text.bytes.get(..kept).unwrap_or_default();
        Self {
            bytes: bytes.to_vec(),
            head: hit.head.min(kept),
            fields: hit.fields.to_vec(),
            body_size: hit.body_size,
            whole,
            media: fact(hit, "http.content_type").map(str::to_ascii_lowercase),
            opaque: hit.opaque.map(str::to_owned),
            status: hit.brief.status,
        }
    }

    /// First line of the head.
    pub(super) fn start_line(&self) -> &[u8] {
        let head = self.bytes.get(..self.head).unwrap_or_default();
        head.split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default()
            .trim_ascii_end()
    }

    /// Names and values of the header fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let text = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.fields
            .iter()
            .map(move |(name, value)| (text(name), text(value)))
    }

    /// Values of the header fields with this name.
    pub(super) fn values(&self, name: &[u8]) -> Vec<&[u8]> {
        let named = self
            .fields()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The body, as far as it was kept.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or_default()
    }
}

#[cfg(test)]
impl Message {
    /// Parses a head and a body as they are sent.
    pub(super) fn parsed(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut fields = Vec::new();
        let mut at = 0;
        for line in head.split("\r\n") {
            if let Some((name, value)) = line.split_once(": ") {
                let end = at + name.len();
                fields.push((at..end, end + 2..end + 2 + value.len()));
            }
            at += line.len() + 2;
        }
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut parsed = Self {
            bytes: text.as_bytes().to_vec(),
            head: head.len() + 4,
            fields,
            body_size: body.len() as u64,
            whole: true,
            media: None,
            opaque: None,
            status: status.unwrap_or(0),
        };
        let media = parsed
            .values(b"content-type")
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        parsed.media = media;
        parsed
    }
}

#[cfg(test)]
impl Exchange {
    /// Parses a request and a response as they are sent.
    pub(super) fn parsed(number: u64, request: &str, response: &str) -> Self {
        let request = Message::parsed(request);
        let line = String::from_utf8_lossy(request.start_line()).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        Self {
            number,
            origin: String::new(),
            method_url: format!("{} http://localhost{}", words[0], words[1]),
            program: String::new(),
            response: Some(Message::parsed(response)),
            request: Some(request),
        }
    }
}

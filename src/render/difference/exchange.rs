//! An exchange that is kept until there is another to compare it with.

use std::ops::Range;

use crate::hit::{Hit, Pair, Piece};
use crate::render::parts::fact;

/// A question and its answer.
pub(super) struct Exchange {
    /// `#N`.
    pub(super) number: u64,
    /// Where it is from: the client's address, or a file.
    pub(super) place: String,
    /// What was asked for, method and URL: `GET http://localhost:5000/`. As far as it is known.
    pub(super) asks: String,
    /// The program that asked, as it calls itself.
    pub(super) program: String,
    /// `None` when it was not captured, or there was no room for it.
    pub(super) question: Option<Message>,
    /// `None` when there was none.
    pub(super) answer: Option<Message>,
}

/// What is kept of a message.
#[derive(Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
    head: usize,
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// Bytes of the whole decoded body.
    pub(super) body_size: u64,
    /// All of the body is here.
    pub(super) whole: bool,
    /// Its media type, if it says one.
    pub(super) media: Option<String>,
    /// What to call the body when it is not for reading.
    pub(super) opaque: Option<String>,
    /// The status of an answer, 0 for none.
    pub(super) status: u16,
}

impl Exchange {
    /// `pair`, which is in `file`, if the files are what is compared.
    pub(super) fn of(pair: &Pair<'_>, file: Option<&str>) -> Self {
        let place = match (file, pair.question, pair.answer) {
            (Some(file), ..) => file.to_owned(),
            (_, Some(question), _) => question.heading.src.to_string(),
            (_, _, Some(answer)) => answer.heading.dst.to_string(),
            (..) => String::new(),
        };
        Self {
            number: pair.number,
            place,
            asks: pair
                .question
                .and_then(asks)
                .unwrap_or_else(|| String::from_utf8_lossy(pair.title).into_owned()),
            program: pair
                .question
                .and_then(|question| fact(question, "http.user_agent"))
                .unwrap_or_default()
                .to_owned(),
            question: pair.question.map(Message::of),
            answer: pair.answer.map(Message::of),
        }
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn size(&self) -> usize {
        let of = |message: &Option<Message>| {
            message
                .as_ref()
                .map_or(0, |it| it.bytes.len() + 32 * it.fields.len())
        };
        512 + 2 * self.asks.len() + of(&self.question) + of(&self.answer)
    }
}

/// Method and URL, from a question's facts.
fn asks(question: &Hit<'_>) -> Option<String> {
    let (method, target) = (
        fact(question, "http.method")?,
        fact(question, "http.target")?,
    );
    Some(match fact(question, "http.host") {
        Some(host) if target.starts_with('/') => format!("{method} http://{host}{target}"),
        _ => format!("{method} {target}"),
    })
}

impl Message {
    fn of(hit: &Hit<'_>) -> Self {
        // What stands behind a hole is not known to be in its place.
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

    /// The first line of the head.
    pub(super) fn start_line(&self) -> &[u8] {
        let head = self.bytes.get(..self.head).unwrap_or_default();
        head.split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default()
            .trim_ascii_end()
    }

    /// Names and values of the head's fields.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let text = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.fields
            .iter()
            .map(move |(name, value)| (text(name), text(value)))
    }

    /// The values of the fields of this name.
    pub(super) fn values(&self, name: &[u8]) -> Vec<&[u8]> {
        let named = self
            .fields()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The body, as far as it is here.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or_default()
    }
}

#[cfg(test)]
impl Message {
    /// From a head and a body as they are sent.
    pub(super) fn made(text: &str) -> Self {
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
        let mut made = Self {
            bytes: text.as_bytes().to_vec(),
            head: head.len() + 4,
            fields,
            body_size: body.len() as u64,
            whole: true,
            media: None,
            opaque: None,
            status: status.unwrap_or(0),
        };
        let media = made
            .values(b"content-type")
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        made.media = media;
        made
    }
}

#[cfg(test)]
impl Exchange {
    /// From a question and an answer as they are sent.
    pub(super) fn made(number: u64, question: &str, answer: &str) -> Self {
        let question = Message::made(question);
        let line = String::from_utf8_lossy(question.start_line()).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        Self {
            number,
            place: String::new(),
            asks: format!("{} http://localhost{}", words[0], words[1]),
            program: String::new(),
            answer: Some(Message::made(answer)),
            question: Some(question),
        }
    }
}

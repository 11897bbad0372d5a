//! The curl command that asks again what an exchange asked: for a POSIX shell, ready to be pasted or piped into `sh`.
//!
//! It sends the same request, byte for byte, but for the place of `Host` and `Content-Length`, which curl sends first and
//! last, for `Connection: keep-alive` and `close`, and for a chunked or compressed body, which it sends plain. When it could
//! not, it is not printed, and the run ends with an error that says why: a command must not lie.
//!
//! How it stays within its quotes is in [`quote`].

mod fields;

use std::io;

use crate::hit::{Hit, Pair};
use crate::message::{Decoding, Side};

use super::parts::{body, fact, field, is_early, is_whole, start_line};
use super::quote::{is_plain, printf, quoted};
use super::{Out, Renderer, Settings, Wants};
use fields::{Fields, Place};

/// The output.
pub(super) struct Curl {
    settings: Settings,
    number: u64,
    out: Out,
    /// What became of it, once the exchange was seen.
    outcome: Option<Result<bool, String>>,
    /// In what the command is not what was sent.
    remarks: Vec<String>,
}

/// Bytes of a body in an argument; Linux allows 128 KiB with what quoting adds. A longer one goes through a pipe.
const ARGUMENT: usize = 32 << 10;

/// Bytes of a body that curl sends without asking first (`Expect`), in all its versions.
const ASKS: usize = 1024;

impl Curl {
    pub(super) fn new(settings: Settings, number: u64, out: Out) -> Self {
        Self {
            settings,
            number,
            out,
            outcome: None,
            remarks: Vec::new(),
        }
    }

    /// The command for a question, or why there is none; `answered`: it was, perhaps before its body was over.
    fn command(&mut self, question: &Hit<'_>, answered: bool) -> Result<String, &'static str> {
        let (method, target) = start_line(question)
            .filter(|_| question.kind.name == "http.request")
            .ok_or("it is no HTTP request")?;
        if method == b"CONNECT" {
            return Err("it asks a proxy for a tunnel; what goes through that is not known");
        }
        if answered && is_early(question) {
            return Err("it was answered before its body was over, so that not all of it was sent");
        }
        if !is_whole(question) {
            return Err("not all of it was captured and kept (--max-body keeps more of a body)");
        }
        self.look_at_coding(question)?;
        let fields = Fields::of(question)?;
        let place = Place::of(question, target);
        let body = body(question);
        let has_body = question.body_size > 0 || field(question, "content-length").is_some();
        let escape = &self.settings.escape;
        let piped = has_body
            && (body.len() > ARGUMENT
                || body.starts_with(b"@")
                || !body
                    .split(|byte| *byte == b'\n')
                    .all(|line| is_plain(line, escape)));
        let mut words = Vec::new();
        match (method, has_body) {
            (b"HEAD", false) => words.push("-I".to_owned()),
            (b"HEAD", true) => return Err("curl sends no body with HEAD"),
            (b"GET", false) | (b"POST", true) => {}
            _ => words.push(format!("-X {}", quoted(method, escape))),
        }
        match fact(question, "http.version") {
            Some("1.1") => {}
            Some("1.0") => words.push("--http1.0".to_owned()),
            _ => return Err("curl speaks no such version of HTTP"),
        }
        place.write(&mut words, escape);
        fields.write(&place, has_body, body.len() > ASKS, &mut words, escape);
        if has_body {
            words.push(match piped {
                true => "--data-binary @-".to_owned(),
                false => format!("--data-binary {}", quoted(body, escape)),
            });
        }
        let pipe = match piped {
            true => format!("printf '{}' | ", printf(body)),
            false => String::new(),
        };
        let url = quoted(place.url.as_bytes(), escape);
        let words: String = words.iter().map(|word| format!(" \\\n  {word}")).collect();
        Ok(format!("{pipe}curl {url}{words}\n"))
    }

    /// A body that was decoded is sent as it is now, if that means the same.
    fn look_at_coding(&mut self, question: &Hit<'_>) -> Result<(), &'static str> {
        let sent = question.body.wire;
        match question.body.state {
            Decoding::AsSent if sent > 0 && sent < question.body_size => {
                Err("it has fields behind its body, which curl does not send")
            }
            Decoding::AsSent => Ok(()),
            Decoding::Decoded if question.body.reading.is_some() => {
                Err("its body was not read as its head says")
            }
            Decoding::Decoded => {
                let kind = field(question, "content-type").unwrap_or_default();
                let kind = String::from_utf8_lossy(kind).to_ascii_lowercase();
                if kind.contains("charset=") && !kind.contains("utf-8") {
                    return Err("its body was turned into UTF-8, which is not what was sent");
                }
                self.remarks
                    .push("the body was sent compressed; the command sends it plain".to_owned());
                Ok(())
            }
            Decoding::Broken | Decoding::Cut | Decoding::NoRoom => {
                Err("its body could not be decoded")
            }
        }
    }
}

impl Renderer for Curl {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if hit.number == self.number && hit.kind.side == Side::Speaks {
            self.outcome = Some(Err(format!("#{} is no HTTP exchange", self.number)));
        }
        Ok(())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        if pair.number != self.number || self.outcome.is_some() {
            return Ok(());
        }
        let command = match pair.question {
            Some(question) => self.command(question, pair.answer.is_some()),
            None => Err("its request was not captured, or there was no room to keep it"),
        };
        match command {
            Ok(command) => {
                self.outcome = Some(Ok(true));
                // Each line was made to pass as it is; this is what holds it.
                for line in command.split_inclusive('\n') {
                    let text = self.out.text();
                    self.settings
                        .escape
                        .write_str(line.trim_end_matches('\n'), text);
                    text.push(b'\n');
                }
                self.out.flush()
            }
            Err(why) => {
                let number = self.number;
                self.outcome = Some(Err(format!(
                    "there is no curl command for #{number}: {why}"
                )));
                Ok(())
            }
        }
    }

    fn is_done(&self) -> bool {
        self.outcome.is_some()
    }

    fn outcome(&self) -> Option<Result<bool, String>> {
        Some(self.outcome.clone().unwrap_or(Ok(false)))
    }

    fn remarks(&self) -> Vec<String> {
        match self.outcome {
            Some(Ok(_)) => self.remarks.clone(),
            Some(Err(_)) => Vec::new(),
            None => vec![format!("there is no exchange #{}", self.number)],
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_exchanges()
    }
}

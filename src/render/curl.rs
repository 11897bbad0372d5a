//! Prints a curl command that repeats the request of an exchange, for a POSIX shell. The command
//! sends the same bytes, or none is printed and the run ends with an error that gives the reason.
//!
//! Exceptions: curl sends `Host` first and `Content-Length` last; `Connection: keep-alive` and
//! `close` are left out; a chunked or compressed body is sent plain. Quoting is in
//! [`quote`](super::quote).

mod fields;

use std::io;

use crate::hit::{Hit, Pair};
use crate::message::{Decoding, Role};

use super::parts::{body, fact, field, is_early, is_whole, no_exchange, start_line};
use super::quote::{is_plain, printf, quoted};
use super::{
    Escape, Out, OutputArgument, OutputEnd, OutputFormat, OutputValue, Renderer, Secrets, Settings,
    Wants,
};
use fields::{Destination, Fields};

/// `--curl N`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Number,
    help: "Print the curl command that repeats the request of this exchange",
    examples: &[("--curl N", "the curl command that repeats request #N")],
    words: "a curl command for",
    secrets: Secrets::Masked,
    is_whole: true,
    ends: OutputEnd::Complete,
    ..OutputFormat::new("curl", |settings, argument, out| {
        let number = match argument {
            OutputArgument::Number(number) => number,
            _ => 0,
        };
        Box::new(Curl::new(settings, number, out))
    })
};

/// The `--curl` output.
pub(super) struct Curl {
    settings: Settings,
    number: u64,
    out: Out,
    /// The last exchange that was seen.
    last: u64,
    /// Result, once the exchange was seen.
    outcome: Option<Result<bool, String>>,
    /// Ways in which the command differs from what was sent.
    remarks: Vec<String>,
}

/// Maximum bytes of a body in an argument, since Linux allows 128 KiB including quoting. A longer
/// one is piped.
const MAX_ARGUMENT: usize = 32 << 10;

/// Largest body that every version of curl sends without `Expect: 100-continue`, in bytes.
const EXPECT_THRESHOLD: usize = 1024;

impl Curl {
    fn new(settings: Settings, number: u64, out: Out) -> Self {
        Self {
            settings,
            number,
            out,
            last: 0,
            outcome: None,
            remarks: Vec::new(),
        }
    }
}

/// A command that repeats a request.
pub(super) struct Command {
    /// The lines of the command. They need no escaping, as far as `command` can tell.
    pub(super) text: String,
    /// In which way it differs from what was sent.
    remark: Option<&'static str>,
}

/// Returns the command that repeats the request of an exchange, or why there is none.
pub(super) fn command(pair: &Pair<'_>, escape: &Escape) -> Result<Command, &'static str> {
    let request = pair
        .request
        .ok_or("its request was not captured, or was not kept, to bound memory")?;
    let (method, target) = start_line(request)
        .filter(|_| request.kind.name == "http.request")
        .ok_or("it is not an HTTP request")?;
    if method == b"CONNECT" {
        return Err("it requests a tunnel from a proxy, whose content is not decoded");
    }
    if pair.response.is_some() && is_early(request) {
        return Err("the response came before the body was complete, so not all of it was sent");
    }
    if !is_whole(request) {
        return Err("it was not captured and kept completely (--max-body keeps more of a body)");
    }
    let remark = check_coding(request)?;
    let fields = Fields::of(request)?;
    let destination = Destination::of(request, target);
    let body = body(request);
    let has_body = request.body_size > 0 || field(request, "content-length").is_some();
    let piped = has_body
        && (body.len() > MAX_ARGUMENT
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
    match fact(request, "http.version") {
        Some("1.1") => {}
        Some("1.0") => words.push("--http1.0".to_owned()),
        Some("2") => words.push("--http2-prior-knowledge".to_owned()),
        _ => return Err("curl does not support its version of HTTP"),
    }
    destination.write(&mut words, escape);
    fields.write(
        &destination,
        has_body,
        body.len() > EXPECT_THRESHOLD,
        &mut words,
        escape,
    );
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
    let url = quoted(destination.url.as_bytes(), escape);
    let words: String = words.iter().map(|word| format!(" \\\n  {word}")).collect();
    let text = format!("{pipe}curl {url}{words}\n");
    Ok(Command { text, remark })
}

/// Checks that a decoded body can be sent plain; returns a remark on that.
fn check_coding(request: &Hit<'_>) -> Result<Option<&'static str>, &'static str> {
    let sent = request.body.wire;
    if request.body.size.is_some() {
        return Err("its body is shown as text and is not what was sent");
    }
    match request.body.state {
        Decoding::AsSent if sent > 0 && sent < request.body_size => {
            Err("it has trailer fields, which curl does not send")
        }
        Decoding::AsSent => Ok(None),
        Decoding::Decoded if request.body.reading.is_some() => {
            Err("its body was not read as its head declares")
        }
        Decoding::Decoded => {
            let kind = field(request, "content-type").unwrap_or_default();
            let kind = String::from_utf8_lossy(kind).to_ascii_lowercase();
            if kind.contains("charset=") && !kind.contains("utf-8") {
                return Err("its body was converted to UTF-8 and is not what was sent");
            }
            Ok(Some(
                "the body was sent compressed; the command sends it plain",
            ))
        }
        Decoding::Broken | Decoding::Cut | Decoding::NoRoom | Decoding::NoStart => {
            Err("its body could not be decoded")
        }
    }
}

impl Renderer for Curl {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if hit.number == self.number && hit.kind.side == Role::Single {
            self.outcome = Some(Err(format!("#{} is not an HTTP exchange", self.number)));
        }
        Ok(())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        self.last = self.last.max(pair.number);
        if pair.number != self.number || self.outcome.is_some() {
            return Ok(());
        }
        match command(pair, &self.settings.escape) {
            Ok(command) => {
                self.outcome = Some(Ok(true));
                self.remarks.extend(command.remark.map(str::to_owned));
                // Every line is already free of characters that would be escaped; this enforces it.
                for line in command.text.split_inclusive('\n') {
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
        let missing = || Err(no_exchange(self.number, self.last));
        Some(self.outcome.clone().unwrap_or_else(missing))
    }

    fn remarks(&self) -> Vec<String> {
        match self.outcome {
            Some(Ok(_)) => self.remarks.clone(),
            _ => Vec::new(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        self.settings.wants_exchanges()
    }
}

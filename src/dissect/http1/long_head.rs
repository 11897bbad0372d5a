//! Long heads: a head that exceeds the bytes that are buffered of one is emitted and parsed line by
//! line. It takes constant memory, and the message keeps its framing and its exchange.

use memchr::memchr_iter;

use super::super::http::decoded::{Charset, Plan};
use super::super::output::Output;
use super::super::{Input, Malformed, Progress};
use super::body::Framing;
use super::head::{Fields, first_line};
use super::pairing::Method;
use super::start_line::StartLine;
use super::{Http1, Stage, describe};
use crate::message::{MessageEvent, Part};

/// The rule that such a message breaks.
const WHY: &str = "a head of more than 64 KiB";

/// The state of a long head.
#[derive(Clone, Copy)]
pub(super) struct LongHead {
    /// The fields that determine the framing and coding of the body.
    fields: Fields<'static>,
    charset: Option<Charset>,
    /// For a response: its status, and the method of its request.
    responses: Option<(u16, Method)>,
    /// Whether the next byte is inside a line that is too long to parse.
    inside: bool,
}

impl LongHead {
    fn framing(&self) -> Framing {
        match self.responses {
            Some((status, method)) => Framing::of_response(&self.fields, status, method),
            None => Framing::of_request(&self.fields),
        }
    }

    fn plan(&self) -> Plan<'static> {
        Plan {
            charset: self.charset,
            ..self.fields.plan()
        }
    }

    /// Parses the complete lines. Returns their total length, and whether the empty line is among
    /// them.
    fn read(&mut self, lines: &[u8]) -> (usize, bool) {
        let mut from = 0_usize;
        for at in memchr_iter(b'\n', lines) {
            let line = lines.get(from..at).unwrap_or_default();
            from = at.saturating_add(1);
            if std::mem::take(&mut self.inside) {
                continue;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                return (from, true);
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
                continue;
            };
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            self.charset = self
                .fields
                .note_more(name.trim_ascii(), value, self.charset);
        }
        (from, false)
    }
}

impl Http1 {
    /// Starts a long head: `window`, which is as much as is buffered of a head, does not contain
    /// its end. Emits its complete lines and the summary.
    pub(super) fn begin_long_head(
        &mut self,
        input: &Input<'_>,
        window: &[u8],
        out: &mut Output<'_>,
    ) -> Result<Progress, Malformed> {
        let dir = input.dir;
        let state = *self.directions.of(dir);
        let end = memchr::memrchr(b'\n', window).map_or(0, |at| at.saturating_add(1));
        let (part, _) = window.split_at_checked(end).unwrap_or((window, b""));
        let Some(line) = StartLine::of(first_line(part), state.response) else {
            out.text(dir, Part::Head, window);
            return Err(self.give_up(dir, window.len(), out));
        };
        let fields = Fields::lenient(part);
        let mut buffer = [0; describe::TITLE];
        let (brief, title) = self.brief(dir, &line, &fields, Some(WHY), &mut buffer, out);
        let responses = match line {
            StartLine::Request(_) => None,
            StartLine::Response(line) => {
                let method = state
                    .request
                    .map_or(Method::Other, |request| request.method);
                Some((line.status, method))
            }
        };
        out.text(dir, Part::Head, part);
        out.emit(dir, MessageEvent::Summary { brief, title });
        *self.long_heads.of_mut(dir) = Some(Box::new(LongHead {
            charset: fields.plan().charset,
            fields: fields.without_text(),
            responses,
            inside: false,
        }));
        self.directions.of_mut(dir).stage = Stage::LongHead;
        Ok(Progress::need(end, 1))
    }

    /// Continues a long head.
    pub(super) fn long_head(
        &mut self,
        input: &Input<'_>,
        out: &mut Output<'_>,
    ) -> Result<Progress, Malformed> {
        let (dir, limit) = (input.dir, out.limits.head);
        let window = input.bytes.get(..limit).unwrap_or(input.bytes);
        let Some(long) = self.long_heads.of_mut(dir) else {
            return Err(self.give_up(dir, 0, out));
        };
        let (read, over) = long.read(window);
        let read = if read == 0 && window.len() >= limit {
            // The content of such a line is not parsed.
            long.inside = true;
            window.len()
        } else {
            read
        };
        out.text(dir, Part::Head, window.get(..read).unwrap_or_default());
        if over {
            let (framing, plan) = (long.framing(), long.plan());
            *self.long_heads.of_mut(dir) = None;
            return Ok(self.after_head(dir, (read, b""), framing, &plan, false, out));
        }
        Ok(match read {
            0 => Progress::need(0, window.len().saturating_add(1)),
            read => Progress::need(read, 1),
        })
    }
}

//! Messages on standard error: banner, hints, warnings, awaited responses, and the closing summary.
//!
//! Each message is one write, so that messages of other programs do not split it.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write};
use std::rc::Rc;

use crate::cli::config::Input;
use crate::exchange::Silence;
use crate::frame::Timestamp;
use crate::pipeline::PendingRequest;
use crate::render;
use crate::stats::Stats;

use super::diagnose;
use super::signals::Signals;
use super::status::StatusLine;

/// The writer of messages on standard error.
#[derive(Clone)]
pub(super) struct Notes {
    pub(super) quiet: bool,
    pub(super) color: bool,
    pub(super) line: StatusLine,
    /// Secrets are masked in the titles of messages.
    pub(super) redact: bool,
    /// While a pager owns the terminal: the messages to write once it is left.
    pub(super) held: Option<Rc<RefCell<String>>>,
}

/// Maximum bytes of messages that are held while a pager runs; the first ones are kept.
const HELD: usize = 64 << 10;

impl Notes {
    fn write_line(&self, kind: &str, color: u8, text: &str) {
        self.write_lines(kind, color, text, &[]);
    }

    /// A message of several lines, in one write: output of another program on the same terminal
    /// comes before or after it, not inside.
    fn write_lines(&self, kind: &str, color: u8, first: &str, more: &[String]) {
        let kind = match (kind.is_empty(), self.color) {
            (true, _) => String::new(),
            (_, true) => format!("\x1b[{color}m{kind}:\x1b[0m "),
            (_, false) => format!("{kind}: "),
        };
        let mut text = format!("spygrep: {kind}{}\n", clean(first));
        for line in more {
            text.push_str(&format!("  {}\n", clean(line)));
        }
        self.line.clear();
        match &self.held {
            Some(held) => {
                let mut held = held.borrow_mut();
                if held.len() + text.len() <= HELD {
                    held.push_str(&text);
                }
            }
            None => {
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }

    /// Writes the messages that were held; later ones are written at once.
    pub(super) fn release(&mut self) {
        if let Some(held) = self.held.take() {
            let _ = io::stderr().write_all(held.take().as_bytes());
        }
    }

    /// A signal ends the run: the terminal's echo of the key gets a line of its own.
    #[cold]
    pub(super) fn interrupted(&self, signals: &Signals) {
        if signals.key() && io::stderr().is_terminal() && !self.line.clear() {
            let _ = io::stderr().write_all(b"\n");
        }
    }

    pub(super) fn banner(
        &self,
        input: &Input,
        pattern: &str,
        filter: Option<&str>,
        command: Option<&str>,
    ) {
        if self.quiet {
            return;
        }
        let Input::Live(_, names) = input else { return };
        let mut parts = vec![names.join(", ")];
        parts.extend((!pattern.is_empty()).then(|| format!("/{pattern}/")));
        parts.extend(filter.map(|filter| format!("filter {filter}")));
        if parts.len() == 1 {
            parts.push("every message with content".into());
        }
        match command {
            Some(command) => parts.push(format!("runs {command}, whose output follows")),
            None => parts.push("Ctrl-C stops".into()),
        }
        self.write_line("", 0, &parts.join(" · "));
    }

    /// A hint: written only to a terminal.
    pub(super) fn hint(&self, text: &str) {
        if !self.quiet && io::stderr().is_terminal() {
            self.write_line("hint", 36, text);
        }
    }

    /// A remark on the output or the wait.
    pub(super) fn remark(&self, text: &str) {
        if !self.quiet {
            self.write_line("", 0, text);
        }
    }

    /// A hint of several lines.
    pub(super) fn hints(&self, lines: &[String]) {
        if let Some((first, more)) = lines.split_first()
            && !self.quiet
            && io::stderr().is_terminal()
        {
            self.write_lines("hint", 36, first, more);
        }
    }

    pub(super) fn warn(&self, text: &str) {
        self.write_line("warning", 33, text);
    }

    /// A warning of several lines.
    pub(super) fn warn_lines(&self, lines: &[String]) {
        if let Some((first, more)) = lines.split_first() {
            self.write_lines("warning", 33, first, more);
        }
    }

    pub(super) fn summary(&self, stats: &Stats, live: bool) {
        if self.quiet {
            return;
        }
        let mut line = String::new();
        if stats.dissect.requests + stats.dissect.responses > 0 {
            let requests = count(stats.dissect.requests, "request", "requests");
            line = format!(
                "{requests}, {} · ",
                count(stats.dissect.responses, "response", "responses")
            );
        }
        line.push_str(&count(stats.decode.packets, "packet", "packets"));
        if live || stats.capture.dropped > 0 {
            line.push_str(&format!(", {} lost", lost(stats)));
        }
        line.extend(frames(stats));
        line.push_str(&losses(stats));
        let copies = diagnose::duplicates(stats.decode.copies);
        line.extend(copies.map(|text| format!(" · {text}")));
        self.write_line("", 0, &line);
    }

    /// Lists requests whose responses the end of the capture cut off.
    pub(super) fn left_waiting(&self, many: u64, first: &[PendingRequest], now: Timestamp) {
        if self.quiet || many == 0 {
            return;
        }
        let requests = count(many, "request has", "requests have");
        let unseen = |request: &PendingRequest| request.silence == Silence::Unseen;
        let what = match first.iter().all(unseen) {
            true => "no response in the capture",
            false => "no response yet",
        };
        let mut lines = Vec::new();
        for request in first {
            let title = match self.redact {
                true => render::redacted(&request.title),
                false => (&request.title[..]).into(),
            };
            // If the response was not captured, the waiting time is unknown.
            let waited = match unseen(request) {
                true => String::new(),
                false => format!("   {} so far", render::duration(now.since(request.since))),
            };
            lines.push(format!(
                "#{} {}   {} -> {}{waited}",
                request.number,
                String::from_utf8_lossy(&title),
                request.client,
                request.server,
            ));
            lines.push(format!(
                "   {} sent{}",
                render::size(request.sent),
                silence(request)
            ));
        }
        let rest = many.saturating_sub(first.len() as u64);
        if rest > 0 {
            lines.push(format!("and {rest} more"));
        }
        self.write_lines("", 0, &format!("{requests} {what}:"), &lines);
    }

    /// Reports connections that were left out because nobody knows whose they are.
    pub(super) fn nameless(&self, (many, lost): (u64, u64)) {
        if lost > 0 {
            let events = count(lost, "event", "events");
            self.warn(&format!(
                "{events} about processes were lost: names may be missing"
            ));
        }
        if many > 0 && !self.quiet {
            let left = count(many, "connection", "connections");
            self.write_line("", 0, &format!("{left} could not be given to a process"));
        }
    }

    pub(super) fn counters(&self, stats: &Stats) {
        let text = format!(
            "{} captured, {} lost, {} searched, {} matched{}",
            count(stats.capture.frames, "packet", "packets"),
            lost(stats),
            count(stats.output.messages, "message", "messages"),
            stats.output.matched,
            losses(stats)
        );
        self.write_line("", 0, &text);
    }
}

/// All losses, separated for one line.
fn losses(stats: &Stats) -> String {
    let losses = stats.losses().into_iter();
    losses
        .map(|loss| format!(" · {}: {}", loss.words, loss.count))
        .collect()
}

/// What is known of a request without a response.
fn silence(request: &PendingRequest) -> String {
    let acknowledgement = match (request.acknowledged, request.silence) {
        (true, _) => " and acknowledged",
        (false, Silence::Unseen) => "",
        (false, _) => ", not acknowledged",
    };
    let response = match (request.begun, request.silence, request.received) {
        (true, ..) => "the response has begun and is not complete",
        (_, Silence::None, _) => "the server has not sent a byte back",
        (_, Silence::Unknown, _) => {
            "its response is not certain: packets were lost, or not understood"
        }
        (_, Silence::Unseen, false) => "no packet of the server was captured",
        (_, Silence::Unseen, true) => "a response came, which was not captured",
    };
    format!("{acknowledgement}; {response}")
}

/// File names, interface names and titles come from outside and may contain control characters.
pub(super) fn clean(text: &str) -> String {
    let mut out = Vec::new();
    render::Escape {
        utf8: true,
        tab: true,
        dot: '.',
    }
    .write_str(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The number of frames, and the kinds of non-IP frames. `None` if every frame yielded a packet.
fn frames(stats: &Stats) -> Option<String> {
    let decode = &stats.decode;
    let foreign = decode.foreign();
    let odd = decode.link_type.total() + decode.cut + decode.malformed;
    if foreign.is_empty() && odd == 0 {
        return None;
    }
    let mut text = format!(" · {}", count(stats.capture.frames, "frame", "frames"));
    let kinds: Vec<String> = foreign
        .into_iter()
        .map(|(name, many)| match name {
            Some(name) if name.contains(" 0x") || name.contains(" family ") => {
                format!("{many} of {name}")
            }
            Some(name) => format!("{many} {name}"),
            None => format!("{many} of other kinds"),
        })
        .collect();
    if !kinds.is_empty() {
        let many = decode.not_ip.total();
        text.push_str(&format!(", {many} of them no IP: {}", kinds.join(", ")));
    }
    Some(text)
}

/// The number of packets dropped by the kernel, possibly as an upper bound.
fn lost(stats: &Stats) -> String {
    let most = match stats.capture.dropped_at_most {
        true => "up to ",
        false => "",
    };
    format!("{most}{}", stats.capture.dropped)
}

fn count(many: u64, one: &str, more: &str) -> String {
    format!("{many} {}", if many == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::Foreign;
    use crate::packet::Undecoded;

    #[test]
    fn frames_without_ip_are_listed_by_name() {
        let mut stats = Stats::default();
        stats.capture.frames = 20;
        stats.decode.packets = 5;
        assert_eq!(frames(&stats), None);
        stats.decode.count(Undecoded::LinkType(147));
        assert_eq!(frames(&stats).as_deref(), Some(" · 20 frames"));
        for (many, kind) in [
            (3, Foreign::EtherType(0x8926)),
            (12, Foreign::EtherType(0x0806)),
            (1, Foreign::Family(7)),
        ] {
            for _ in 0..many {
                stats.decode.count(Undecoded::NotIp(kind));
            }
        }
        assert_eq!(
            frames(&stats).as_deref(),
            Some(
                " · 20 frames, 16 of them no IP: 12 ARP, 3 of EtherType 0x8926, 1 of address family 7"
            )
        );
    }

    #[test]
    fn what_may_be_counted_twice_is_no_exact_number() {
        let mut stats = Stats::default();
        stats.capture.dropped = 12;
        assert_eq!(lost(&stats), "12");
        stats.capture.dropped_at_most = true;
        assert_eq!(lost(&stats), "up to 12");
    }
}

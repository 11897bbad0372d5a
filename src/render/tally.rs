//! The `--count`, `--exists` and `--list` outputs: the number or existence of records instead of
//! the records. Memory is bounded.

use std::collections::HashSet;
use std::io;

use crate::failure::Failure;
use crate::flow::Endpoint;
use crate::hit::{Heading, Hit, Why};
use crate::message::Role;
use crate::process::Ends;
use crate::stats::Stats;

use super::{Out, OutputEnd, OutputFormat, Renderer, Settings, Wants, heading};

/// `--count`.
pub(super) const COUNT: OutputFormat = OutputFormat {
    help: "Show only how many records match",
    words: "how many match",
    of_messages: false,
    ..OutputFormat::new("count", |settings, _, out| {
        Box::new(Tally::new(settings, Part::Count, out))
    })
};

/// `--exists`.
pub(super) const EXISTS: OutputFormat = OutputFormat {
    help: "Show nothing; the exit status is whether anything matched. Stops at the first match",
    words: "nothing but the status",
    of_messages: false,
    ends: OutputEnd::FirstMatch,
    ..OutputFormat::new("exists", |settings, _, out| {
        Box::new(Tally::new(settings, Part::Nothing, out))
    })
};

/// `--list`.
pub(super) const LIST: OutputFormat = OutputFormat {
    help: "Show one line for each conversation with a match",
    words: "a line for each conversation",
    of_messages: false,
    ..OutputFormat::new("list", |settings, _, out| {
        Box::new(Tally::new(settings, Part::Conversations, out))
    })
};

/// What is shown of the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Their number.
    Count,
    /// Nothing.
    Nothing,
    /// Their conversations.
    Conversations,
}

/// The renderer of these outputs.
pub(super) struct Tally {
    settings: Settings,
    shown: Part,
    out: Out,
    listed: HashSet<(u8, Endpoint, Endpoint)>,
    /// Responses whose requests were counted.
    second_halves: u64,
}

/// Conversations remembered; more are listed each time they match.
const LISTED: usize = 1 << 20;

impl Tally {
    fn new(settings: Settings, shown: Part, out: Out) -> Self {
        Self {
            settings,
            shown,
            out,
            listed: HashSet::new(),
            second_halves: 0,
        }
    }
}

impl Renderer for Tally {
    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        // A response has times if its request was captured.
        let responses = hit.kind.side == Role::Response && hit.times.is_some();
        if self.settings.by_exchange && hit.why == Why::Match && responses {
            self.second_halves += 1;
        }
        if self.shown != Part::Conversations || hit.why != Why::Match {
            return Ok(());
        }
        self.list(hit.heading, hit.kind.side == Role::Response, hit.who)
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        if self.shown != Part::Conversations || !failure.asked_for {
            return Ok(());
        }
        self.list(failure.heading, failure.number > 0, failure.who)
    }

    fn finish(&mut self, stats: &Stats) -> io::Result<()> {
        if self.shown == Part::Count {
            let count = stats.output.matched.saturating_sub(self.second_halves);
            self.out
                .text()
                .extend_from_slice(format!("{count}\n").as_bytes());
        }
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            body: 0,
            ..Wants::NOTHING
        }
    }
}

impl Tally {
    /// Lists a conversation once. `turned`: the message is from the server.
    fn list(&mut self, mut line: Heading, turned: bool, who: Ends<'_>) -> io::Result<()> {
        let ends = (line.src.min(line.dst), line.src.max(line.dst));
        if self.listed.len() < LISTED && !self.listed.insert((line.protocol, ends.0, ends.1)) {
            return Ok(());
        }
        // A conversation is named from its client's side.
        if turned {
            (line.src, line.dst) = (line.dst, line.src);
        }
        line.flags = crate::packet::TcpFlags::default();
        let mut text = heading::line(&line, "", self.settings.protocol_number, true);
        let names = heading::labels(&who, &self.settings.escape);
        if !names.is_empty() {
            text.push_str("  ");
            text.push_str(&names);
        }
        self.out
            .text()
            .extend_from_slice(format!("{text}\n").as_bytes());
        self.out.record()
    }
}

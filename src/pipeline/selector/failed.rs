//! Failed connections on their way to be shown: both addresses of one server are one, and of a
//! flood most are counted.

use std::collections::VecDeque;

use crate::failure::{Failed, FailureKind, More};
use crate::flow::{Endpoint, Flow};
use crate::frame::Timestamp;

/// Failures of connections that are shown one by one in each [`WINDOW`].
const SHOWN: u32 = 10;
/// Nanoseconds in which more than that are counted together.
const WINDOW: i64 = 1_000_000_000;
/// Nanoseconds within which a client tries both addresses of a server (RFC 8305).
const EYEBALLS: i64 = 250_000_000;
/// Connections that are remembered to have come about.
const OPENED: usize = 64;
/// When nothing is to be shown.
const NEVER: Timestamp = Timestamp::from_nanos(i64::MAX);

/// Failures of connections that are to be shown.
pub(super) struct Failures {
    /// When the next one is to be shown.
    pub(super) due: Timestamp,
    /// Those that may yet get the other address of their server.
    held: VecDeque<Held>,
    /// Since when failures are counted, and how many of them were shown.
    window: Timestamp,
    shown: u32,
    /// The others, by what happened.
    more: Vec<Group>,
    /// The last connections that came about.
    opened: VecDeque<Opened>,
}

/// A failed connection.
pub(super) struct Held {
    pub(super) flow: Flow,
    pub(super) failed: Failed,
    /// When it was known to have failed.
    pub(super) known: Timestamp,
    /// When that happened.
    pub(super) ts: Timestamp,
    pub(super) frames: [u64; 2],
    pub(super) other: Option<Endpoint>,
}

/// Failures that are not shown one by one.
struct Group {
    first: Held,
    more: More,
}

/// A connection that came about: the port and the kind of address of its server, and when its SYN
/// was sent.
#[derive(Clone, Copy)]
struct Opened {
    port: u16,
    v4: bool,
    syn: Timestamp,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            due: NEVER,
            held: VecDeque::new(),
            window: Timestamp::default(),
            shown: 0,
            more: Vec::new(),
            opened: VecDeque::new(),
        }
    }
}

impl Failures {
    /// Note when the next of them is to be shown.
    fn set_due(&mut self) {
        let held = self.held.front().map(|held| held.known.plus(EYEBALLS));
        let counted = (!self.more.is_empty()).then(|| self.window.plus(WINDOW));
        let soonest = held.into_iter().chain(counted).min();
        self.due = soonest.unwrap_or(NEVER);
    }

    /// A connection came about.
    pub(super) fn opened(&mut self, flow: &Flow) {
        let Some(syn) = flow.handshake.syn else {
            return;
        };
        if self.opened.len() >= OPENED {
            self.opened.pop_front();
        }
        self.opened.push_back(Opened {
            port: flow.server.port,
            v4: flow.server.addr.is_ipv4(),
            syn,
        });
    }

    /// Whether the client had what it wanted from the other address of its server.
    fn came_about_elsewhere(&self, held: &Held) -> bool {
        let Flow {
            server, handshake, ..
        } = held.flow;
        self.opened.iter().any(|opened| {
            opened.port == server.port
                && opened.v4 != server.addr.is_ipv4()
                && handshake.syn.is_some_and(|syn| opened.syn >= syn)
                && opened.syn.since(held.ts) < EYEBALLS
        })
    }

    /// One more. False: it is none, since the client has its connection.
    pub(super) fn add(&mut self, held: Held) -> bool {
        if held.failed.kind == FailureKind::Refused && self.came_about_elsewhere(&held) {
            return false;
        }
        self.keep(held);
        self.set_due();
        true
    }

    fn keep(&mut self, held: Held) {
        let pair = self.held.iter_mut().find(|other| {
            other.other.is_none()
                && kind(&other.failed) == kind(&held.failed)
                && other.flow.server.port == held.flow.server.port
                && other.flow.server.addr.is_ipv4() != held.flow.server.addr.is_ipv4()
                && held.known.since(other.known) < EYEBALLS
        });
        if let Some(pair) = pair {
            pair.other = Some(held.flow.server);
            return;
        }
        if held.known.since(self.window) >= WINDOW && self.more.is_empty() {
            (self.window, self.shown) = (held.known, 0);
        }
        if self.shown < SHOWN {
            self.shown += 1;
            return self.held.push_back(held);
        }
        let (client, server) = (held.flow.client, held.flow.server);
        let mut groups = self.more.iter_mut();
        match groups.find(|group| kind(&group.first.failed) == kind(&held.failed)) {
            Some(Group { first, more }) => {
                more.count += 1;
                more.clients |= first.flow.client.addr != client.addr;
                more.servers |= first.flow.server.addr != server.addr;
                let (low, high) = more.ports;
                more.ports = (low.min(server.port), high.max(server.port));
            }
            // There are few kinds.
            None => self.more.push(Group {
                more: More {
                    count: 1,
                    clients: false,
                    servers: false,
                    ports: (server.port, server.port),
                },
                first: held,
            }),
        }
    }

    /// The next one that waits for nothing more by `now`.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Held> {
        let next = self
            .held
            .pop_front_if(|held| now.since(held.known) >= EYEBALLS);
        self.set_due();
        next
    }

    /// Those that were counted together in a window that is over by `now`.
    pub(super) fn next_counted(&mut self, now: Timestamp) -> Vec<(Held, Option<More>)> {
        if now.since(self.window) < WINDOW {
            return Vec::new();
        }
        (self.window, self.shown) = (now, 0);
        let groups = std::mem::take(&mut self.more).into_iter();
        self.set_due();
        groups
            .map(|Group { first, more }| (first, (more.count > 1).then_some(more)))
            .collect()
    }

    /// A moment by which nothing has to wait any more.
    pub(super) fn end(&self, now: Timestamp) -> Timestamp {
        now.plus(EYEBALLS).max(self.window.plus(WINDOW))
    }
}

/// What is counted together.
fn kind(failed: &Failed) -> u8 {
    match failed.kind {
        FailureKind::Refused => 0,
        FailureKind::Silent { .. } => 1,
        FailureKind::Unanswered(end) => 2 + u8::from(end.reset),
        FailureKind::BrokenOff(_) => 4,
    }
}

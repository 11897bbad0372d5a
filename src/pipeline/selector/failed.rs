//! The queue of failed connections. Merges the failures of both addresses of one server, and counts
//! most failures of a flood instead of showing them.
//!
//! Few kinds of failure and few recent connections are stored, so the memory is small.

use std::collections::VecDeque;

use crate::failure::{Failed, FailureKind, More};
use crate::flow::{Endpoint, Flow};
use crate::frame::Timestamp;

/// Connection failures that are shown one by one per [`WINDOW`].
const SHOWN: u32 = 10;
/// The window in nanoseconds. Further failures within it are counted.
const WINDOW: i64 = 1_000_000_000;
/// A client tries the second address of a server within this time, in nanoseconds (RFC 8305).
const EYEBALLS: i64 = 250_000_000;
/// Recently established connections that are remembered.
const OPENED: usize = 64;
/// The due time if nothing is queued.
const NEVER: Timestamp = Timestamp::from_nanos(i64::MAX);

/// Connection failures to be shown.
pub(super) struct Failures {
    /// The time at which the next one is due.
    pub(super) due: Timestamp,
    /// Failures held for a matching failure of the server's other address.
    held: VecDeque<Held>,
    /// The start of the current window, and how many failures were shown in it.
    window: Timestamp,
    shown: u32,
    /// The counted failures, by kind.
    more: Vec<Group>,
    /// The last established connections.
    opened: VecDeque<Opened>,
}

/// A failed connection.
pub(super) struct Held {
    pub(super) flow: Flow,
    pub(super) failed: Failed,
    /// When the failure was detected.
    pub(super) known: Timestamp,
    /// When the failure happened.
    pub(super) ts: Timestamp,
    pub(super) frames: [u64; 2],
    pub(super) other: Option<Endpoint>,
}

/// Counted failures of one kind.
struct Group {
    first: Held,
    more: More,
}

/// An established connection: port and address family of its server, and the time of its SYN.
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
    /// Updates `due`.
    fn set_due(&mut self) {
        let held = self.held.front().map(|held| held.known.plus(EYEBALLS));
        let counted = (!self.more.is_empty()).then(|| self.window.plus(WINDOW));
        let soonest = held.into_iter().chain(counted).min();
        self.due = soonest.unwrap_or(NEVER);
    }

    /// Records an established connection.
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

    /// Whether the client reached the other address of the same server.
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

    /// Queues a failure. Returns false if it is none, because the client is connected to the
    /// server's other address.
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
            // The list is searched linearly, because there are few kinds.
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

    /// The next failure that is due by `now`.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Held> {
        let next = self
            .held
            .pop_front_if(|held| now.since(held.known) >= EYEBALLS);
        self.set_due();
        next
    }

    /// The counted failures of a window that ended by `now`.
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

    /// A time by which every queued failure is due.
    pub(super) fn end(&self, now: Timestamp) -> Timestamp {
        now.plus(EYEBALLS).max(self.window.plus(WINDOW))
    }
}

/// The kind by which failures are counted.
fn kind(failed: &Failed) -> u8 {
    match failed.kind {
        FailureKind::Refused => 0,
        FailureKind::Silent { .. } => 1,
        FailureKind::Unanswered(end) => 2 + u8::from(end.reset),
        FailureKind::BrokenOff(_) => 4,
    }
}

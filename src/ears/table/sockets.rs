//! Sockets by their addresses, and the connections that are being opened.
//!
//! The oldest socket is forgotten first.

use std::collections::{HashMap, VecDeque};

use crate::flow::Endpoint;
use crate::limits::processes as limits;
use crate::packet::protocol;

use super::lives::Since;

/// Protocol, own address, peer's address.
pub(super) type Key = (u8, Endpoint, Endpoint);

/// Whose socket it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The process that opened it.
    Opened(Since),
    /// A process that listens accepted it.
    Accepted {
        /// The one that closed it.
        worker: Option<Since>,
    },
}

#[derive(Debug)]
struct Socket {
    owner: Owner,
    /// When it was last used.
    seen: u64,
    /// Which of the entries of the queue is its own.
    turn: u64,
}

/// A connection that is being opened.
#[derive(Debug)]
struct Begun {
    socket: u64,
    since: Since,
    local: Endpoint,
}

/// All sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    by_key: HashMap<Key, Socket>,
    /// Keys in the order of their sockets' beginning.
    order: VecDeque<(u64, Key)>,
    /// The process behind an address of this machine and its peer; `None` if there are several.
    by_local: HashMap<(u8, Endpoint), Option<(Since, Endpoint)>>,
    begun: HashMap<Endpoint, Vec<Begun>>,
    begun_order: VecDeque<(Endpoint, u64)>,
    turn: u64,
}

impl Sockets {
    /// A process begins to connect.
    pub(super) fn begin(&mut self, socket: u64, since: Since, local: Endpoint, remote: Endpoint) {
        while self.begun_order.len() >= limits::SOCKETS
            && let Some((remote, socket)) = self.begun_order.pop_front()
        {
            self.begun(socket, remote);
        }
        self.begun_order.push_back((remote, socket));
        let begun = self.begun.entry(remote).or_default();
        // The address of the socket is used again.
        begun.retain(|begun| begun.socket != socket);
        begun.push(Begun {
            socket,
            since,
            local,
        });
    }

    /// The process that began to connect this socket, which has an address now.
    pub(super) fn begun(&mut self, socket: u64, remote: Endpoint) -> Option<Since> {
        let begun = self.begun.get_mut(&remote)?;
        let at = begun.iter().position(|begun| begun.socket == socket)?;
        let since = begun.swap_remove(at).since;
        if begun.is_empty() {
            self.begun.remove(&remote);
        }
        Some(since)
    }

    /// The process that waits for an answer from `remote`, if it is the only one there.
    pub(super) fn pending(&self, local: Endpoint, remote: Endpoint) -> Option<Since> {
        let mut begun = self
            .begun
            .get(&remote)?
            .iter()
            .filter(|begun| begun.local.addr == local.addr)
            .map(|begun| begun.since);
        let first = begun.next()?;
        begun.all(|other| other.pid == first.pid).then_some(first)
    }

    /// A socket has an owner now.
    pub(super) fn insert(&mut self, key: Key, owner: Owner, time: u64) {
        while self.by_key.len() >= limits::SOCKETS
            && let Some((turn, key)) = self.order.pop_front()
        {
            if self
                .by_key
                .get(&key)
                .is_some_and(|socket| socket.turn == turn)
            {
                self.remove(&key);
            }
        }
        self.turn += 1;
        let turn = self.turn;
        let (protocol, local, remote) = key;
        if let Owner::Opened(since) = owner {
            let one = self.by_local.entry((protocol, local));
            let one = one.or_insert(Some((since, remote)));
            // A socket of UDP may have many peers.
            let same = one.is_some_and(|(before, peer)| match protocol {
                protocol::UDP => before.pid == since.pid,
                _ => peer == remote,
            });
            *one = same.then_some((since, remote));
        }
        self.by_key.insert(
            key,
            Socket {
                owner,
                seen: time,
                turn,
            },
        );
        self.order.push_back((turn, key));
        // Sockets that were opened again have entries that are no longer theirs.
        if self.order.len() > 2 * limits::SOCKETS {
            let by_key = &self.by_key;
            self.order
                .retain(|(turn, key)| by_key.get(key).is_some_and(|socket| socket.turn == *turn));
        }
    }

    fn remove(&mut self, key: &Key) {
        self.by_key.remove(key);
        self.by_local.remove(&(key.0, key.1));
    }

    /// The owner of a socket, to be changed.
    pub(super) fn owner(&mut self, key: &Key) -> Option<&mut Owner> {
        self.by_key.get_mut(key).map(|socket| &mut socket.owner)
    }

    /// The owner of a socket. One of UDP is forgotten after a silence, because its port may be used
    /// by another process then.
    pub(super) fn find(&mut self, key: Key, now: u64) -> Option<Owner> {
        let socket = self.by_key.get_mut(&key)?;
        if key.0 == protocol::UDP && now.saturating_sub(socket.seen) > limits::SILENCE {
            self.remove(&key);
            return None;
        }
        socket.seen = socket.seen.max(now);
        Some(socket.owner)
    }

    /// The process that opened the only socket with this address of its own.
    pub(super) fn alone(&self, (protocol, local): (u8, Endpoint), now: u64) -> Option<Since> {
        let (since, remote) = (*self.by_local.get(&(protocol, local))?)?;
        let seen = self.by_key.get(&(protocol, local, remote))?.seen;
        let silent = protocol == protocol::UDP && now.saturating_sub(seen) > limits::SILENCE;
        (!silent).then_some(since)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> [usize; 4] {
        [
            self.by_key.len(),
            self.order.len(),
            self.by_local.len(),
            self.begun_order.len(),
        ]
    }
}

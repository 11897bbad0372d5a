//! The table of processes and their sockets: events in, names out.
//!
//! It reads no clock and no file. A process is a *life*: a pid that is used again is another one.
//! All maps are bounded by [`limits::processes`](crate::limits::processes).

mod lives;
mod sockets;

use std::collections::HashMap;
use std::rc::Rc;

use crate::flow::Endpoint;
use crate::limits::processes as limits;
use crate::packet::protocol;
use crate::process::{Container, How, Process};

use super::event::{Event, What};
use super::group::Place;

pub(super) use lives::{Life, Program};
use lives::{Lives, Since};
use sockets::{Owner, Sockets};

/// States of TCP (`include/net/tcp_states.h`).
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const CLOSE: u8 = 7;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;

/// The names of users and containers, which files keep.
#[derive(Debug, Default)]
pub struct Names {
    /// Users by number.
    pub users: HashMap<u32, String>,
    /// Containers by identifier.
    pub containers: HashMap<String, String>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Table {
    lives: Lives,
    sockets: Sockets,
    /// Processes that hold a listening socket, by its address.
    listeners: HashMap<Endpoint, Vec<u32>>,
    /// Paths of control groups.
    groups: HashMap<u64, Rc<str>>,
    /// Processes that hold a socket, by the socket's inode, as the first look found them.
    inodes: HashMap<u64, Vec<u32>>,
    names: Names,
    /// The process whose descendants are chosen.
    root: Option<u32>,
    now: u64,
    lost: u64,
}

/// An address that stands for every address of the machine.
fn any(port: u16) -> Endpoint {
    Endpoint {
        addr: std::net::IpAddr::from([0, 0, 0, 0]),
        port,
    }
}

/// A listener on every address has one key, whatever its version.
fn listener(local: Endpoint) -> Endpoint {
    match local.addr.is_unspecified() {
        true => any(local.port),
        false => local,
    }
}

impl Table {
    /// An empty table with the names of users and containers.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    /// Every descendant of `root` that begins from now on is chosen; `root` itself is not.
    pub fn choose_children(&mut self, root: u32) {
        self.root = Some(root);
    }

    /// The process `pid`, its descendants now and those to come are chosen.
    pub fn choose(&mut self, pid: u32) {
        self.lives.choose(pid);
    }

    /// Records a process that the first look found, and the sockets that it holds.
    pub(super) fn found(&mut self, pid: u32, life: Life, inodes: &[u64]) {
        if !self.lives.insert(pid, life) {
            return;
        }
        for inode in inodes {
            if self.inodes.len() < limits::INODES || self.inodes.contains_key(inode) {
                let holders = self.inodes.entry(*inode).or_default();
                if holders.len() < limits::HOLDERS {
                    holders.push(pid);
                }
            }
        }
    }

    /// Records a listening socket that the first look found.
    pub(super) fn found_listener(&mut self, local: Endpoint, inode: u64) {
        for pid in self.inodes.get(&inode).cloned().unwrap_or_default() {
            self.listens(pid, local);
        }
    }

    /// Records the path of a control group.
    pub(super) fn found_group(&mut self, id: u64, path: &str) {
        if self.groups.len() >= limits::GROUPS {
            self.groups.clear();
        }
        self.groups.insert(id, path.into());
    }

    /// Events that were lost so far.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes in events. They are sorted by time first, because they come from several processors.
    pub fn take(&mut self, events: &mut Vec<Event>) {
        events.sort_by_key(|event| event.time);
        for event in events.drain(..) {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        let Event {
            time,
            pid,
            group,
            what,
        } = event;
        self.now = self.now.max(time);
        match what {
            What::State {
                socket,
                old,
                new,
                local,
                remote,
            } => {
                self.join_group(pid, time, group);
                self.state((pid, time), socket, [old, new], local, remote);
            }
            What::Datagram { local, remote } => {
                self.join_group(pid, time, group);
                self.datagram(Since { pid, time }, local, remote);
            }
            What::Exec { path } => self.lives.executes(pid, time, path),
            What::Fork { parent } => {
                let chosen = self.root == Some(parent);
                let listens = self.lives.fork(pid, parent, time, chosen);
                for local in listens {
                    self.hold(pid, local);
                }
            }
            What::Exit => {
                for local in self.lives.exit(pid, time) {
                    self.let_go(pid, local);
                }
            }
            What::Name { name, exec } => {
                // Listening sockets are closed by an exec, as a rule; a program that executes
                // itself again, and was the only one to hold a socket, keeps it.
                let alone = |local: &Endpoint| {
                    self.listeners
                        .get(local)
                        .is_some_and(|holders| holders.len() == 1)
                };
                let left = self.lives.named(pid, time, name, exec, alone);
                for local in left {
                    self.let_go(pid, local);
                }
            }
            What::Group { id, path } => self.found_group(id, &path),
            What::Lost(many) => self.lost = self.lost.saturating_add(many),
        }
        self.lives.forget(self.now);
    }

    /// The process runs in the control group in which it opened a socket.
    fn join_group(&mut self, pid: u32, time: u64, group: u64) {
        if let Some(path) = self.groups.get(&group)
            && let Some(life) = self.lives.at_mut(pid, time)
            && life.group.as_ref() != Some(path)
        {
            life.group = Some(Rc::clone(path));
        }
    }

    fn state(
        &mut self,
        (pid, time): (u32, u64),
        socket: u64,
        [old, new]: [u8; 2],
        local: Endpoint,
        remote: Endpoint,
    ) {
        let key = (protocol::TCP, local, remote);
        match (old, new) {
            // The connecting process; the port of the socket is not known yet.
            (CLOSE, SYN_SENT) => {
                let since = Since { pid, time };
                self.sockets.begin(socket, since, local, remote);
            }
            // Connected, refused or timed out, whatever runs at the moment: now it has a port.
            (SYN_SENT, _) => {
                if let Some(since) = self.sockets.begun(socket, remote) {
                    self.sockets.insert(key, Owner::Opened(since), time);
                }
            }
            // A connection was accepted by the kernel; the process that runs is any.
            (SYN_RECV, ESTABLISHED) => {
                let worker = None;
                self.sockets.insert(key, Owner::Accepted { worker }, time);
            }
            (_, LISTEN) => self.listens(pid, local),
            // Closed, mostly by the process that holds it; only one that may is believed.
            (_, FIN_WAIT1 | LAST_ACK) => {
                let may = self.holders(local).contains(&pid);
                if may && let Some(Owner::Accepted { worker }) = self.sockets.owner(&key) {
                    *worker = Some(Since { pid, time });
                }
            }
            _ => {}
        }
    }

    fn datagram(&mut self, since: Since, local: Endpoint, remote: Endpoint) {
        let reverse = (protocol::UDP, remote, local);
        // The kernel looks for the way back in the same thread, when it delivers what the thread
        // has sent.
        if let Some(Owner::Opened(other)) = self.sockets.owner(&reverse)
            && other.pid == since.pid
        {
            return;
        }
        let key = (protocol::UDP, listener(local), remote);
        self.sockets.insert(key, Owner::Opened(since), since.time);
    }

    fn listens(&mut self, pid: u32, local: Endpoint) {
        let local = listener(local);
        if self.lives.listens(pid, self.now, local) {
            self.hold(pid, local);
        }
    }

    fn hold(&mut self, pid: u32, local: Endpoint) {
        if self.listeners.len() >= limits::LISTENERS && !self.listeners.contains_key(&local) {
            return;
        }
        let holders = self.listeners.entry(local).or_default();
        if holders.len() < limits::HOLDERS && !holders.contains(&pid) {
            holders.push(pid);
        }
    }

    fn let_go(&mut self, pid: u32, local: Endpoint) {
        if let Some(holders) = self.listeners.get_mut(&local) {
            holders.retain(|holder| *holder != pid);
            if holders.is_empty() {
                self.listeners.remove(&local);
            }
        }
    }

    /// The processes that hold the socket which listens on an address, or on every address.
    fn holders(&self, local: Endpoint) -> &[u32] {
        let exact = self.listeners.get(&local);
        let holders = exact.or_else(|| self.listeners.get(&any(local.port)));
        holders.map_or(&[], Vec::as_slice)
    }

    /// The process of a socket. TCP and UDP only.
    pub fn who(&mut self, key: (u8, Endpoint, Endpoint)) -> Option<Process> {
        let (protocol, local, remote) = key;
        let mut found = self.sockets.find(key, self.now);
        if found.is_none() && protocol == protocol::UDP {
            found = self
                .sockets
                .find((protocol, any(local.port), remote), self.now);
        }
        if found.is_none() && protocol == protocol::TCP {
            found = self.sockets.pending(local, remote).map(Owner::Opened);
        }
        if let Some(owner) = found {
            return match owner {
                Owner::Opened(since) => self.process(since, How::Kernel),
                Owner::Accepted {
                    worker: Some(since),
                } => self.process(since, How::Kernel),
                Owner::Accepted { worker: None } => self.common(self.holders(local), How::Listener),
            };
        }
        let alone = self.sockets.alone((protocol, local), self.now)?;
        // A socket of UDP has any number of peers; one of TCP another one only by translation.
        let how = match protocol {
            protocol::UDP => How::Kernel,
            _ => How::Nat,
        };
        self.process(alone, how)
    }

    /// The process that holds a socket since before the run, by the socket's inode; or the one that
    /// listens where the socket was accepted.
    pub(super) fn before(&self, inode: u64, local: Endpoint) -> Option<Process> {
        match self.inodes.get(&inode) {
            Some(holders) => self.common(holders, How::Before),
            None => self.common(self.holders(local), How::Listener),
        }
    }

    /// A process of which only the user is known.
    pub(super) fn of_user(&self, uid: u32) -> Process {
        Process {
            how: How::User,
            ..self.with_user(Process::default(), uid)
        }
    }

    /// The process, with its user.
    pub(super) fn with_user(&self, process: Process, uid: u32) -> Process {
        Process {
            uid: Some(uid),
            user: self.names.users.get(&uid).cloned(),
            ..process
        }
    }

    /// The one process of these that lives, or what all of them have in common.
    fn common(&self, holders: &[u32], how: How) -> Option<Process> {
        let time = self.now;
        let mut living = holders
            .iter()
            .filter(|pid| !self.is_passing(**pid, holders))
            .filter_map(|pid| self.process(Since { pid: *pid, time }, how));
        let mut first = living.next()?;
        for other in living {
            if other.called() != first.called() {
                return None;
            }
            first.pid = None;
            first.chosen &= other.chosen;
            if other.container != first.container {
                first.container = None;
            }
        }
        Some(first)
    }

    /// Whether a process holds a socket only because its parent does, and has just begun: it may be
    /// about to execute a program.
    fn is_passing(&self, pid: u32, holders: &[u32]) -> bool {
        self.lives.at(pid, self.now).is_some_and(|life| {
            let young = life.start > 0 && self.now.saturating_sub(life.start) < limits::PASSING;
            young && holders.contains(&life.parent)
        })
    }

    fn process(&self, since: Since, how: How) -> Option<Process> {
        let life = self.lives.at(since.pid, since.time)?;
        let Place { container, unit } = match &life.group {
            Some(path) => Place::of(path),
            None => Place::default(),
        };
        let container = container.map(|id| Container {
            name: self.names.containers.get(&id).cloned(),
            id,
        });
        let process = Process {
            pid: Some(since.pid),
            name: life.program.name.clone(),
            script: life.program.script.clone(),
            exe: life.program.exe.clone(),
            uid: None,
            user: None,
            container,
            unit,
            how,
            chosen: life.chosen,
        };
        Some(match life.uid {
            Some(uid) => self.with_user(process, uid),
            None => process,
        })
    }
}

#[cfg(test)]
mod tests;

//! The ears: rings, the table that they fill, and questions about single sockets.
//!
//! Nothing here blocks.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use nix::time::{ClockId, clock_gettime};

use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::packet::protocol;
use crate::process::{Process, Who};

use super::diag::{Diag, LISTEN};
use super::event::Event;
use super::rings::Rings;
use super::table::Table;
use super::{Chosen, Way, before};

/// Answers of the kernel that are remembered.
const ANSWERS: usize = 4096;
/// Nanoseconds for which an answer is not asked for again.
const FRESH: i64 = 1_000_000_000;

/// Names processes from what the kernel reports.
pub struct Ears {
    rings: Option<Rings>,
    table: Table,
    diag: Option<Diag>,
    /// The addresses of this machine.
    own: HashSet<IpAddr>,
    /// Everything that happened before this moment has been read.
    read: Timestamp,
    events: Vec<Event>,
    answers: HashMap<(u8, Endpoint, Endpoint), (Timestamp, Option<Rc<Process>>)>,
    /// Whether the user of every process is needed.
    users: bool,
}

impl Ears {
    /// Opens what the rights suffice for, and looks at what is there. `users`: the user of every
    /// process is needed, which costs a question to the kernel for each connection.
    #[must_use]
    pub fn open(chosen: Chosen, users: bool) -> (Self, Way) {
        // Rings first: what begins during the look is in both.
        let rings = Rings::open();
        let mut table = Table::new(before::names());
        before::look(&mut table);
        let diag = Diag::open().ok();
        for found in diag.iter().flat_map(Diag::listeners) {
            table.found_listener(found.local, found.inode);
        }
        match chosen {
            Chosen::All => {}
            Chosen::Tree(pid) => table.choose(pid),
            Chosen::Children(pid) => table.choose_children(pid),
        }
        let way = way(rings.as_ref().err());
        let ears = Self {
            rings: rings.ok(),
            table,
            diag,
            own: addresses(),
            read: Timestamp::default(),
            events: Vec::new(),
            answers: HashMap::new(),
            users,
        };
        (ears, way)
    }

    fn is_own(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || self.own.contains(&addr)
    }

    /// What the kernel says of a socket now.
    fn ask(&self, key: (u8, Endpoint, Endpoint), known: Option<&Process>) -> Option<Process> {
        let (protocol, local, remote) = key;
        let diag = self.diag.as_ref().filter(|_| self.is_own(local.addr))?;
        let found = diag.find(protocol, local, remote)?;
        // A listener answers for connections that are over, or another machine's.
        if found.inode == 0 || protocol == protocol::TCP && found.state == LISTEN {
            return None;
        }
        let process = match known {
            Some(process) => process.clone(),
            None => match self.table.before(found.inode, local) {
                Some(process) => process,
                None => return Some(self.table.of_user(found.uid)),
            },
        };
        Some(self.table.with_user(process, found.uid))
    }
}

/// Why there are no rings, in a few words.
fn way(refused: Option<&io::Error>) -> Way {
    match refused {
        None => Way::Exact,
        Some(error) => Way::Before(match error.kind() {
            io::ErrorKind::PermissionDenied => "perf events: permission denied".to_owned(),
            _ => format!("perf events: {error}"),
        }),
    }
}

/// How processes are named here, without a run: opens the rings and closes them.
#[must_use]
pub fn available() -> Way {
    way(Rings::open().err().as_ref())
}

/// The addresses of this machine.
fn addresses() -> HashSet<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    all.filter_map(|one| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
    })
    .collect()
}

/// A clock's time; the epoch if there is no such clock.
fn now(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| {
        time.tv_sec()
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec())
    })
}

impl Who for Ears {
    fn until(&mut self, wanted: Timestamp) {
        if wanted <= self.read {
            return;
        }
        // Before the rings are read: an event that comes during the reading is read next time.
        self.read = Timestamp::from_nanos(now(ClockId::CLOCK_REALTIME));
        if let Some(rings) = &self.rings {
            rings.read(&mut self.events);
            self.table.take(&mut self.events);
        }
    }

    fn who(&mut self, protocol: u8, local: Endpoint, remote: Endpoint) -> Option<Rc<Process>> {
        if !matches!(protocol, protocol::TCP | protocol::UDP) {
            return None;
        }
        let key = (protocol, local, remote);
        let process = self.table.who(key);
        let is_whole = |process: &Process| process.uid.is_some() || !self.users;
        if process.as_ref().is_some_and(is_whole) {
            return process.map(Rc::new);
        }
        if let Some((at, answer)) = self.answers.get(&key) {
            let same = |answer: &Rc<Process>| match &process {
                Some(process) => process.pid == answer.pid && process.name == answer.name,
                None => false,
            };
            // The user of a process is asked for once; a socket without one again after a while.
            if self.read.since(*at) < FRESH || answer.as_ref().is_some_and(same) {
                return answer.clone().or_else(|| process.map(Rc::new));
            }
        }
        let answer = self.ask(key, process.as_ref()).map(Rc::new);
        if self.answers.len() >= ANSWERS {
            self.answers.clear();
        }
        self.answers.insert(key, (self.read, answer.clone()));
        answer.or_else(|| process.map(Rc::new))
    }

    fn lost(&self) -> u64 {
        self.table.lost()
    }
}

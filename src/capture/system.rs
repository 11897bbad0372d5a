//! What this machine knows of its own network: who listens, what the interfaces carried, and other network namespaces.
//!
//! The files are opened once, before root is given up and nothing more can be opened, and read again from the start later.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::counters::{Counters, rows};
use crate::packet::protocol;

/// Bytes read of one file; a machine with more sockets is answered from the first of them.
const READ: u64 = 4 << 20;
/// Processes that are looked at for their namespace, and namespaces whose sockets are read.
const PROCESSES: usize = 8192;
const NAMESPACES: usize = 64;
/// The tables of sockets.
const TABLES: [(&str, u8); 4] = [
    ("tcp", protocol::TCP),
    ("tcp6", protocol::TCP),
    ("udp", protocol::UDP),
    ("udp6", protocol::UDP),
];

/// A socket that waits for others to speak first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// [`protocol::TCP`] or [`protocol::UDP`].
    pub protocol: u8,
    /// Where; unspecified for all addresses (`::` takes IPv4 as well, as a rule).
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// What an interface carried since it exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// The interface.
    pub name: String,
    /// Packets, in and out.
    pub packets: u64,
}

/// Another network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// A process in it.
    pub pid: u32,
    /// Who listened there when the run began.
    pub listeners: Vec<Listener>,
}

/// What the system says, now and again. A file that cannot be opened says nothing.
#[derive(Debug)]
pub struct System {
    sockets: Vec<(u8, File)>,
    counters: Option<File>,
    elsewhere: Vec<Elsewhere>,
}

impl System {
    /// Open what there is to ask. Other namespaces are read now, as far as this user may.
    #[must_use]
    pub fn open() -> Self {
        let tables = TABLES.into_iter();
        Self {
            sockets: tables
                .filter_map(|(name, protocol)| {
                    Some((protocol, File::open(format!("/proc/self/net/{name}")).ok()?))
                })
                .collect(),
            counters: File::open("/proc/self/net/dev").ok(),
            elsewhere: elsewhere(),
        }
    }

    /// Who listens.
    pub fn listeners(&mut self) -> Vec<Listener> {
        let tables = self.sockets.iter_mut();
        tables
            .flat_map(|(protocol, file)| sockets(*protocol, &again(file)))
            .collect()
    }

    /// What each interface carried.
    pub fn carried(&mut self) -> Vec<Carried> {
        self.counters
            .as_mut()
            .map(|file| counters(&again(file)))
            .unwrap_or_default()
    }

    /// Other namespaces in which somebody listens.
    #[must_use]
    pub fn elsewhere(&self) -> &[Elsewhere] {
        &self.elsewhere
    }
}

/// Whether an interface of this name is in the program's own network namespace. A mounted `/sys` may be another one's: then the
/// name means something else there.
pub(super) fn is_own(name: &str) -> bool {
    let own = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    counters(&own).iter().any(|carried| carried.name == name)
}

/// Whether this program runs in a container: its rights are then given where the container is started.
#[must_use]
pub fn in_container() -> bool {
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| is_container(&text))
}

/// Whether the control groups of the first process are those of a container.
fn is_container(cgroups: &str) -> bool {
    ["/docker", "/kubepods", "/lxc", "/libpod", "/containerd"]
        .iter()
        .any(|name| cgroups.contains(name))
}

fn again(file: &mut File) -> String {
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(0)).is_ok() {
        let _ = file.take(READ).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The namespaces that are not ours, each by its first process, as far as somebody listens there.
fn elsewhere() -> Vec<Elsewhere> {
    let namespace = |process: &str| fs::metadata(format!("/proc/{process}/ns/net"));
    let Ok(own) = namespace("self") else {
        return Vec::new();
    };
    let mut known = BTreeSet::from([own.ino()]);
    let mut found = Vec::new();
    let Ok(processes) = fs::read_dir("/proc") else {
        return found;
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.take(PROCESSES) {
        if known.len() > NAMESPACES {
            break;
        }
        let Ok(theirs) = namespace(&pid.to_string()) else {
            continue;
        };
        if !known.insert(theirs.ino()) {
            continue;
        }
        let listeners: Vec<Listener> = TABLES
            .into_iter()
            .flat_map(|(name, protocol)| {
                let file = File::open(format!("/proc/{pid}/net/{name}"));
                let text = file.map(|mut file| again(&mut file));
                sockets(protocol, &text.unwrap_or_default())
            })
            .collect();
        if !listeners.is_empty() {
            found.push(Elsewhere { pid, listeners });
        }
    }
    found
}

/// The listening sockets of a table in `/proc/net`.
fn sockets(protocol: u8, table: &str) -> Vec<Listener> {
    // TCP's LISTEN; a UDP socket that is not connected counts as closed.
    let state = match protocol {
        protocol::TCP => "0A",
        _ => "07",
    };
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let (local, _, is) = (columns.next()?, columns.next()?, columns.next()?);
            let (address, port) = local.split_once(':')?;
            Some(Listener {
                protocol,
                address: address_of(address)?,
                port: u16::from_str_radix(port, 16).ok()?,
            })
            .filter(|_| is == state)
        })
        .collect()
}

/// An address as the kernel prints it: words of 32 bits, as they are in memory.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(IpAddr::from(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let bytes: [u8; 16] = words.try_into().ok()?;
            // An IPv6 socket that is bound to an IPv4 address.
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The packets of each interface in `/proc/net/dev`.
fn counters(table: &str) -> Vec<Carried> {
    let carried = |(name, counted): (String, Counters)| Carried {
        name,
        packets: counted.received.saturating_add(counted.sent),
    };
    rows(table).map(carried).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn listeners_are_read_from_the_tables_of_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n\
            1: 0100007F:1388 0100007F:C350 01 00000000:00000000 00:00000000 00000000\n\
            2: 00000000:0050 00000000:0000 0A\n\
            3: nonsense\n";
        let listener = |address: &str, port| Listener {
            protocol: protocol::TCP,
            address: address.parse().unwrap(),
            port,
        };
        if cfg!(target_endian = "little") {
            assert_eq!(
                sockets(protocol::TCP, table),
                [listener("127.0.0.1", 5000), listener("0.0.0.0", 80)]
            );
            let six = "sl\n0: 00000000000000000000000001000000:1388 00000000000000000000000000000000:0000 0A\n\
                1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A\n";
            assert_eq!(
                sockets(protocol::TCP, six),
                [listener("::1", 5000), listener("127.0.0.1", 80)]
            );
        }
    }

    #[test]
    fn counters_are_read_from_the_table_of_devices() {
        let table = "Inter-|   Receive\n face |bytes packets errs\n\
            \x20   lo:  100       5 0 0 0 0 0 0 200 7 0 0 0 0 0 0\n\
            veth1:100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\nbroken: 1\n";
        let carried: Vec<(String, u64)> = counters(table)
            .into_iter()
            .map(|carried| (carried.name, carried.packets))
            .collect();
        assert_eq!(carried, [("lo".to_owned(), 12), ("veth1".to_owned(), 3)]);
    }

    #[test]
    fn a_container_is_known_by_its_control_groups() {
        for (text, want) in [
            ("0::/init.scope\n", false),
            ("0::/\n", false),
            ("12:pids:/docker/0123\n", true),
            ("0::/kubepods.slice/kubepods-besteffort.slice\n", true),
        ] {
            assert_eq!(is_container(text), want, "{text}");
        }
    }

    #[test]
    fn the_real_system_is_read_again_and_again() {
        let mut system = System::open();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let here = [
            (protocol::TCP, tcp.local_addr().unwrap()),
            (protocol::UDP, udp.local_addr().unwrap()),
        ];
        let now = system.listeners();
        for (protocol, at) in here {
            let (address, port) = (at.ip(), at.port());
            let listener = Listener {
                protocol,
                address,
                port,
            };
            assert!(now.contains(&listener), "{listener:?}");
        }
        drop(tcp);
        let (_, at) = here[0];
        assert!(
            !system
                .listeners()
                .iter()
                .any(|one| one.protocol == protocol::TCP && one.port == at.port())
        );
        let lo = |system: &mut System| {
            let carried = system.carried();
            let lo = carried.iter().find(|one| one.name == "lo");
            lo.expect("there is one").packets
        };
        let before = lo(&mut system);
        udp.send_to(b"hi", here[1].1).unwrap();
        assert!(lo(&mut system) > before);
    }

    #[test]
    fn an_interface_is_watched() {
        assert!(is_own("lo") && !is_own("no-such-device"));
    }
}

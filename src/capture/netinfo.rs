//! What the kernel reports about this machine's network: listening sockets, packets per interface,
//! and other network namespaces. The files are opened once, before privileges are dropped, and
//! re-read from their start later.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::proc_net_dev::{Counters, rows};
use crate::packet::protocol;

/// Maximum bytes read of one file; sockets beyond them are ignored.
const READ: u64 = 4 << 20;
/// Maximum number of processes whose namespace is examined.
const PROCESSES: usize = 8192;
const NAMESPACES: usize = 64;
/// Socket tables in `/proc/PID/net` and their IP protocols.
const TABLES: [(&str, u8); 4] = [
    ("tcp", protocol::TCP),
    ("tcp6", protocol::TCP),
    ("udp", protocol::UDP),
    ("udp6", protocol::UDP),
];

/// A listening TCP socket, or an unconnected UDP socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListeningSocket {
    /// [`protocol::TCP`] or [`protocol::UDP`].
    pub protocol: u8,
    /// Local address; unspecified for all addresses (`::` usually accepts IPv4 too).
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
}

/// Packets of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfaceTraffic {
    /// Name of the interface.
    pub name: String,
    /// Packets received and sent since the interface was created.
    pub packets: u64,
}

/// Another network namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherNamespace {
    /// A process in it.
    pub pid: u32,
    /// Sockets listening there when the run began.
    pub listeners: Vec<ListeningSocket>,
}

/// Open files of the kernel's network tables. A file that cannot be opened yields nothing.
#[derive(Debug)]
pub struct NetInfo {
    sockets: Vec<(u8, File)>,
    counters: Option<File>,
    other_namespaces: Vec<OtherNamespace>,
}

impl NetInfo {
    /// Opens the files. Other namespaces are read now, as far as this user may.
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
            other_namespaces: other_namespaces(),
        }
    }

    /// Reads the listening sockets.
    pub fn listeners(&mut self) -> Vec<ListeningSocket> {
        let tables = self.sockets.iter_mut();
        tables
            .flat_map(|(protocol, file)| listening(*protocol, &reread(file)))
            .collect()
    }

    /// Reads the packets of each interface.
    pub fn traffic(&mut self) -> Vec<InterfaceTraffic> {
        self.counters
            .as_mut()
            .map(|file| traffic(&reread(file)))
            .unwrap_or_default()
    }

    /// Other namespaces that have listening sockets.
    #[must_use]
    pub fn other_namespaces(&self) -> &[OtherNamespace] {
        &self.other_namespaces
    }
}

/// Returns whether an interface of this name is in this process' network namespace. A mounted
/// `/sys` may belong to another namespace, where the name means a different device.
pub(super) fn in_own_namespace(name: &str) -> bool {
    let own = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    traffic(&own).iter().any(|traffic| traffic.name == name)
}

/// Returns whether this process runs in a container, where capabilities are granted by the
/// container runtime.
#[must_use]
pub fn in_container() -> bool {
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| is_container(&text))
}

/// Recognises the control groups of a container's first process.
fn is_container(cgroups: &str) -> bool {
    ["/docker", "/kubepods", "/lxc", "/libpod", "/containerd"]
        .iter()
        .any(|name| cgroups.contains(name))
}

fn reread(file: &mut File) -> String {
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(0)).is_ok() {
        let _ = file.take(READ).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Finds other namespaces with listening sockets, each by its first process.
fn other_namespaces() -> Vec<OtherNamespace> {
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
        let listeners: Vec<ListeningSocket> = TABLES
            .into_iter()
            .flat_map(|(name, protocol)| {
                let file = File::open(format!("/proc/{pid}/net/{name}"));
                let text = file.map(|mut file| reread(&mut file));
                listening(protocol, &text.unwrap_or_default())
            })
            .collect();
        if !listeners.is_empty() {
            found.push(OtherNamespace { pid, listeners });
        }
    }
    found
}

/// Parses the listening sockets from a table in `/proc/net`.
fn listening(protocol: u8, table: &str) -> Vec<ListeningSocket> {
    // 0A is TCP_LISTEN. An unconnected UDP socket has state 07, TCP_CLOSE.
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
            Some(ListeningSocket {
                protocol,
                address: address_of(address)?,
                port: u16::from_str_radix(port, 16).ok()?,
            })
            .filter(|_| is == state)
        })
        .collect()
}

/// Parses an address as the kernel prints it: 32-bit words in host byte order.
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
            // Maps an IPv4-mapped address to IPv4.
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// Parses the packets of each interface from `/proc/net/dev`.
fn traffic(table: &str) -> Vec<InterfaceTraffic> {
    let traffic = |(name, counted): (String, Counters)| InterfaceTraffic {
        name,
        packets: counted.received.saturating_add(counted.sent),
    };
    rows(table).map(traffic).collect()
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
        let listener = |address: &str, port| ListeningSocket {
            protocol: protocol::TCP,
            address: address.parse().unwrap(),
            port,
        };
        if cfg!(target_endian = "little") {
            assert_eq!(
                listening(protocol::TCP, table),
                [listener("127.0.0.1", 5000), listener("0.0.0.0", 80)]
            );
            let six = "sl\n0: 00000000000000000000000001000000:1388 00000000000000000000000000000000:0000 0A\n\
                1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A\n";
            assert_eq!(
                listening(protocol::TCP, six),
                [listener("::1", 5000), listener("127.0.0.1", 80)]
            );
        }
    }

    #[test]
    fn counters_are_read_from_the_table_of_devices() {
        let table = "Inter-|   Receive\n face |bytes packets errs\n\
            \x20   lo:  100       5 0 0 0 0 0 0 200 7 0 0 0 0 0 0\n\
            veth1:100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\nbroken: 1\n";
        let traffic: Vec<(String, u64)> = traffic(table)
            .into_iter()
            .map(|traffic| (traffic.name, traffic.packets))
            .collect();
        assert_eq!(traffic, [("lo".to_owned(), 12), ("veth1".to_owned(), 3)]);
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
        let mut info = NetInfo::open();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let here = [
            (protocol::TCP, tcp.local_addr().unwrap()),
            (protocol::UDP, udp.local_addr().unwrap()),
        ];
        let now = info.listeners();
        for (protocol, at) in here {
            let (address, port) = (at.ip(), at.port());
            let listener = ListeningSocket {
                protocol,
                address,
                port,
            };
            assert!(now.contains(&listener), "{listener:?}");
        }
        drop(tcp);
        let (_, at) = here[0];
        assert!(
            !info
                .listeners()
                .iter()
                .any(|one| one.protocol == protocol::TCP && one.port == at.port())
        );
        let lo = |info: &mut NetInfo| {
            let traffic = info.traffic();
            let lo = traffic.iter().find(|one| one.name == "lo");
            lo.expect("there is one").packets
        };
        let before = lo(&mut info);
        udp.send_to(b"hi", here[1].1).unwrap();
        assert!(lo(&mut info) > before);
    }

    #[test]
    fn an_interface_is_watched() {
        assert!(in_own_namespace("lo") && !in_own_namespace("no-such-device"));
    }
}

//! Questions to the kernel about one socket, by its addresses (`sock_diag`, `linux/inet_diag.h`).
//!
//! Any user may ask. An answer that is not whole counts as none; nothing waits for one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::{read, write};

use crate::flow::Endpoint;
use crate::packet::protocol;

/// `AF_INET`, `AF_INET6`.
const V4: u8 = 2;
const V6: u8 = 10;
/// `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST`, `NLM_F_DUMP`; `NLMSG_ERROR` and `NLMSG_DONE`.
const BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Bytes of a netlink header, of a request with it, and of an answer without it.
const HEADER: usize = 16;
const ASKED: usize = 72;
const ANSWER: usize = 72;
/// Offsets in an answer.
const STATE: usize = 1;
const LOCAL_PORT: usize = 4;
const LOCAL: usize = 8;
const UNREAD: usize = 56;
const UID: usize = 64;
const INODE: usize = 68;
/// `TCP_LISTEN`.
pub(super) const LISTEN: u8 = 10;
/// Answers that are read of all listening sockets.
const LISTENERS: usize = 4096;

/// What the kernel says of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Its state (`include/net/tcp_states.h`).
    pub(super) state: u8,
    /// Its own address.
    pub(super) local: Endpoint,
    /// 0 for one that no process has: not accepted yet, or closed.
    pub(super) inode: u64,
    /// The user that made it; says nothing if there is no inode.
    pub(super) uid: u32,
    /// Bytes that came and were not read; of a listening socket the connections that wait to be
    /// accepted.
    pub(super) unread: u32,
}

/// A socket for questions, of one network namespace.
#[derive(Debug)]
pub(super) struct Diag(OwnedFd);

impl Diag {
    /// Opens it, for the namespace of this thread.
    ///
    /// # Errors
    /// The kernel has no `sock_diag`.
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkSockDiag,
        )?;
        Ok(Self(socket))
    }

    /// The socket of TCP or UDP with these addresses.
    pub(super) fn find(&self, number: u8, local: Endpoint, remote: Endpoint) -> Option<Found> {
        // UDP is asked from the view of a datagram that comes in.
        let ends = match number {
            protocol::UDP => [remote, local],
            _ => [local, remote],
        };
        let family = match local.addr {
            IpAddr::V4(_) => V4,
            IpAddr::V6(_) => V6,
        };
        self.drain();
        let request = request(REQUEST, family, number, u32::MAX, ends);
        write(&self.0, &request).ok()?;
        let mut answer = [0; 512];
        let len = read(&self.0, &mut answer).ok()?;
        answers(answer.get(..len)?).next()?
    }

    /// All sockets of TCP that listen.
    pub(super) fn listeners(&self) -> Vec<Found> {
        let mut found = Vec::new();
        let none = Endpoint {
            addr: IpAddr::from([0, 0, 0, 0]),
            port: 0,
        };
        for family in [V4, V6] {
            self.drain();
            let flags = REQUEST | DUMP;
            let request = request(flags, family, protocol::TCP, 1 << LISTEN, [none; 2]);
            if write(&self.0, &request).is_err() {
                continue;
            }
            let mut buffer = vec![0; 32 << 10];
            while let Ok(len) = read(&self.0, &mut buffer)
                && len > 0
            {
                let mut all = answers(buffer.get(..len).unwrap_or_default());
                while found.len() < LISTENERS
                    && let Some(Some(one)) = all.next()
                {
                    found.push(one);
                }
            }
        }
        found
    }

    /// Drops answers that nobody read.
    fn drain(&self) {
        let mut buffer = [0; 512];
        while read(&self.0, &mut buffer).is_ok_and(|len| len > 0) {}
    }
}

fn request(flags: u16, family: u8, protocol: u8, states: u32, ends: [Endpoint; 2]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ASKED);
    bytes.extend((ASKED as u32).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, protocol, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    for end in ends {
        bytes.extend(end.port.to_be_bytes());
    }
    for end in ends {
        match end.addr {
            IpAddr::V4(addr) => {
                bytes.extend(addr.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(addr) => bytes.extend(addr.octets()),
        }
    }
    // Any interface, any socket.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    bytes
}

/// The answers in what was read: `None` at an error or the end.
fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Option<Found>> {
    std::iter::from_fn(move || {
        let len = number(bytes, 0)? as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let message = bytes.get(..len)?.get(HEADER..)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        if kind == ERROR || kind == DONE {
            return Some(None);
        }
        Some(answer(message))
    })
}

fn answer(message: &[u8]) -> Option<Found> {
    let message = message.get(..ANSWER)?;
    let addr = message.get(LOCAL..LOCAL + 16)?;
    let addr = match *message.first()? {
        V4 => IpAddr::V4(Ipv4Addr::from(*addr.first_chunk::<4>()?)),
        _ => Ipv6Addr::from(*addr.first_chunk::<16>()?).to_canonical(),
    };
    let port = u16::from_be_bytes(*message.get(LOCAL_PORT..)?.first_chunk()?);
    Some(Found {
        state: *message.get(STATE)?,
        local: Endpoint { addr, port },
        inode: u64::from(number(message, INODE)?),
        uid: number(message, UID)?,
        unread: number(message, UNREAD)?,
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn end(address: SocketAddr) -> Endpoint {
        Endpoint {
            addr: address.ip().to_canonical(),
            port: address.port(),
        }
    }

    #[test]
    fn a_connection_is_found_from_both_sides_with_what_is_unread() {
        let diag = Diag::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = end(listener.local_addr().unwrap());
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = end(stream.local_addr().unwrap());
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let ours = diag.find(protocol::TCP, client, server).unwrap();
        assert!(ours.inode > 0);
        assert_eq!(ours.uid, nix::unistd::getuid().as_raw());
        // Not accepted: it has no inode, and one connection waits.
        let theirs = diag.find(protocol::TCP, server, client).unwrap();
        assert_eq!((theirs.inode, theirs.unread), (0, 18));
        let any = Endpoint { port: 0, ..client };
        let backlog = diag.find(protocol::TCP, server, any).unwrap();
        assert_eq!((backlog.state, backlog.unread), (LISTEN, 1));
        // Accepted, and not read.
        let (mut accepted, _) = listener.accept().unwrap();
        let theirs = diag.find(protocol::TCP, server, client).unwrap();
        assert!(theirs.inode > 0 && theirs.unread == 18);
        let mut text = [0; 18];
        accepted.read_exact(&mut text).unwrap();
        let theirs = diag.find(protocol::TCP, server, client).unwrap();
        assert_eq!(theirs.unread, 0);
        drop((stream, accepted, listener));
        let none = Endpoint { port: 1, ..client };
        assert_eq!(diag.find(protocol::TCP, none, client), None);
    }

    #[test]
    fn sockets_of_udp_and_of_mapped_addresses_are_found() {
        let diag = Diag::open().unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let [local, remote] = [&client, &server].map(|one| end(one.local_addr().unwrap()));
        assert!(diag.find(protocol::UDP, local, remote).unwrap().inode > 0);
        assert!(diag.find(protocol::UDP, remote, local).unwrap().inode > 0);
        let Ok(listener) = TcpListener::bind("[::]:0") else {
            return;
        };
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let client = end(stream.local_addr().unwrap());
        let server = Endpoint { port, ..client };
        assert!(diag.find(protocol::TCP, server, client).is_some());
        let all = diag.listeners();
        assert!(
            all.iter()
                .any(|one| one.local.port == port && one.inode > 0)
        );
    }

    #[test]
    fn an_answer_that_is_not_whole_is_none() {
        let mut whole = vec![0; HEADER + ANSWER];
        whole[..4].copy_from_slice(&88_u32.to_ne_bytes());
        whole[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        whole[16] = V4;
        assert!(answers(&whole).next().unwrap().is_some());
        for len in 0..whole.len() {
            assert_eq!(answers(&whole[..len]).flatten().next(), None, "{len}");
        }
        whole[..4].copy_from_slice(&0_u32.to_ne_bytes());
        assert_eq!(answers(&whole).flatten().next(), None);
    }
}

//! What the kernel reports about processes and sockets, from the bytes of a perf record
//! (`linux/perf_event.h`).
//!
//! Parsing accepts any bytes; a record that is cut yields nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Endpoint;

use super::format::{ExecLayout, Field, RouteLayout, StateLayout};

/// Types of records.
const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;
const CGROUP: u32 = 19;
/// `PERF_RECORD_MISC_COMM_EXEC`: the name changed by an exec.
const BY_EXEC: u16 = 0x2000;
/// `AF_INET6`.
const V6: u64 = 10;
/// Bytes of a path that are kept.
const PATH: usize = 512;

/// An event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Nanoseconds of the monotonic clock.
    pub time: u64,
    /// The process.
    pub pid: u32,
    /// Its control group; 0 if it is unknown.
    pub group: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A TCP socket changed its state (`include/net/tcp_states.h`).
    State {
        /// The kernel's address of the socket, which names it.
        socket: u64,
        /// The state before.
        old: u8,
        /// The state after.
        new: u8,
        /// Its own address.
        local: Endpoint,
        /// The peer's address.
        remote: Endpoint,
    },
    /// A UDP socket looked for the route of a datagram.
    Datagram {
        /// Its own address; unspecified if the route decides.
        local: Endpoint,
        /// The receiver.
        remote: Endpoint,
    },
    /// The process executes another program.
    Exec {
        /// The path as it was given.
        path: String,
    },
    /// The process began.
    Fork {
        /// The process that began it.
        parent: u32,
    },
    /// The process ended.
    Exit,
    /// The process has another name.
    Name {
        /// The name.
        name: String,
        /// By executing a program.
        exec: bool,
    },
    /// A control group exists.
    Group {
        /// Its number.
        id: u64,
        /// Its path.
        path: String,
    },
    /// So many events were lost.
    Lost(u64),
}

/// Which records a ring has, and their layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Changes of TCP's states.
    State(StateLayout),
    /// Routes of datagrams.
    Route(RouteLayout),
    /// Executed programs.
    Exec(ExecLayout),
    /// Processes: forks, exits, names and control groups.
    Tasks,
}

/// Reads a record's bytes in order.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl Event {
    /// The event of a record; `None` for one that says nothing here. `groups`: samples have the
    /// number of their control group.
    pub(super) fn of(kind: &Kind, groups: bool, record: &[u8]) -> Option<Self> {
        let mut reader = Reader(record);
        let (number, misc) = (reader.u32()?, reader.u16()?);
        reader.u16()?;
        match number {
            SAMPLE => Self::sample(kind, groups, reader),
            LOST => {
                reader.u64()?;
                let what = What::Lost(reader.u64()?);
                Some(Self {
                    time: 0,
                    pid: 0,
                    group: 0,
                    what,
                })
            }
            FORK | EXIT => {
                let [pid, parent] = [reader.u32()?, reader.u32()?];
                let thread = reader.u32()?;
                reader.u32()?;
                let time = reader.u64()?;
                let what = match number {
                    // A thread begins or ends, not a process.
                    FORK if pid == parent => return None,
                    EXIT if pid != thread => return None,
                    FORK => What::Fork { parent },
                    _ => What::Exit,
                };
                Some(Self {
                    time,
                    pid,
                    group: 0,
                    what,
                })
            }
            COMM => {
                let [pid, thread] = [reader.u32()?, reader.u32()?];
                let exec = misc & BY_EXEC != 0;
                if pid != thread {
                    return None;
                }
                let (name, time) = text_and_time(reader.0)?;
                Some(Self {
                    time,
                    pid,
                    group: 0,
                    what: What::Name { name, exec },
                })
            }
            CGROUP => {
                let id = reader.u64()?;
                let (path, time) = text_and_time(reader.0)?;
                Some(Self {
                    time,
                    pid: 0,
                    group: id,
                    what: What::Group { id, path },
                })
            }
            _ => None,
        }
    }

    fn sample(kind: &Kind, groups: bool, mut reader: Reader<'_>) -> Option<Self> {
        let pid = reader.u32()?;
        reader.u32()?;
        let time = reader.u64()?;
        let size = reader.u32()?;
        let raw = reader.bytes(size as usize)?;
        let group = match groups {
            true => reader.u64().unwrap_or_default(),
            false => 0,
        };
        let what = match kind {
            Kind::State(layout) => state(layout, raw)?,
            Kind::Route(layout) => What::Datagram {
                local: endpoint(&layout.local, &layout.local_port, raw)?,
                remote: endpoint(&layout.remote, &layout.remote_port, raw)?,
            },
            Kind::Exec(layout) => {
                let place = layout.path.number(raw)?;
                let (at, len) = (place & 0xffff, place >> 16 & 0xffff);
                let text = raw.get(at as usize..)?;
                let text = text.get(..len as usize).unwrap_or(text);
                What::Exec {
                    path: until_nul(text),
                }
            }
            Kind::Tasks => return None,
        };
        Some(Self {
            time,
            pid,
            group,
            what,
        })
    }
}

fn state(layout: &StateLayout, raw: &[u8]) -> Option<What> {
    let state = |field: &Field| field.number(raw).and_then(|state| u8::try_from(state).ok());
    let version = usize::from(layout.family.number(raw)? == V6);
    let end = |ends: &[Field; 2], port: &Field| endpoint(ends.get(version)?, port, raw);
    Some(What::State {
        socket: layout.socket.number(raw)?,
        old: state(&layout.old)?,
        new: state(&layout.new)?,
        local: end(&layout.local, &layout.local_port)?,
        remote: end(&layout.remote, &layout.remote_port)?,
    })
}

/// An address of four or sixteen bytes, and its port. An IPv4 address in IPv6 is one of IPv4.
fn endpoint(addr: &Field, port: &Field, raw: &[u8]) -> Option<Endpoint> {
    let bytes = addr.bytes(raw)?;
    let addr = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(v4), _) => IpAddr::V4(Ipv4Addr::from(v4)),
        (_, Ok(v6)) => Ipv6Addr::from(v6).to_canonical(),
        _ => return None,
    };
    Some(Endpoint {
        addr,
        port: u16::try_from(port.number(raw)?).ok()?,
    })
}

/// A text that a zero ends, and the time in the trailer that all records have.
fn text_and_time(bytes: &[u8]) -> Option<(String, u64)> {
    let (text, trailer) = bytes.split_at_checked(bytes.len().checked_sub(16)?)?;
    let time = trailer.last_chunk::<8>()?;
    Some((until_nul(text), u64::from_ne_bytes(*time)))
}

/// The text before the first zero, of at most [`PATH`] bytes.
fn until_nul(bytes: &[u8]) -> String {
    let len = memchr::memchr(0, bytes).unwrap_or(bytes.len()).min(PATH);
    String::from_utf8_lossy(bytes.get(..len).unwrap_or_default()).into_owned()
}

/// For the fuzzer: the events of arbitrary bytes, with the layouts of a recent kernel.
#[must_use]
pub fn parse_any(format: &str, record: &[u8]) -> Vec<Event> {
    let kinds = [
        StateLayout::of(format).map(Kind::State),
        RouteLayout::of(format).map(Kind::Route),
        ExecLayout::of(format).map(Kind::Exec),
        Some(Kind::Tasks),
    ];
    let both = |kind: &Kind| {
        [
            Event::of(kind, true, record),
            Event::of(kind, false, record),
        ]
    };
    let events = kinds.iter().flatten().flat_map(both);
    events.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::format::tests::{EXEC_6_18, ROUTE_6_18, ROUTE6_6_18, STATE_6_18};
    use super::*;

    /// A sample as kernel 6.18 wrote it: a connect to 127.0.0.1:1, whose local port is still 0.
    const CONNECT: [u8; 112] = [
        9, 0, 0, 0, 1, 0, 0x70, 0, 0xf7, 0x15, 0, 0, 0xf7, 0x15, 0, 0, 0xb7, 0x9c, 0x16, 0x12,
        0x63, 0x17, 0, 0, 0x4c, 0, 0, 0, 0xef, 8, 0, 1, 0xf7, 0x15, 0, 0, 0x80, 0x5c, 0x2d, 8,
        0x81, 0x88, 0xff, 0xff, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 2, 0, 6, 0, 0x7f, 0, 0, 1,
        0x7f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x7f, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0xff, 0xff, 0x7f, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];

    /// A name by exec, as kernel 6.18 wrote it.
    const NAME: [u8; 40] = [
        3, 0, 0, 0, 0, 0x20, 0x28, 0, 0xf7, 0x15, 0, 0, 0xf7, 0x15, 0, 0, 0x63, 0x75, 0x72, 0x6c,
        0, 0, 0, 0, 0xf7, 0x15, 0, 0, 0xf7, 0x15, 0, 0, 0x6d, 0x22, 0xb9, 0x10, 0x63, 0x17, 0, 0,
    ];

    /// A fork, as kernel 6.18 wrote it.
    const BEGAN: [u8; 48] = [
        7, 0, 0, 0, 0, 0, 0x30, 0, 0xf7, 0x15, 0, 0, 0xf6, 0x15, 0, 0, 0xf7, 0x15, 0, 0, 0xf6,
        0x15, 0, 0, 0x51, 0x25, 0xb3, 0x10, 0x63, 0x17, 0, 0, 0xf6, 0x15, 0, 0, 0xf6, 0x15, 0, 0,
        0x7b, 0x23, 0xb3, 0x10, 0x63, 0x17, 0, 0,
    ];

    fn end(text: &str) -> Endpoint {
        let (addr, port) = text.rsplit_once(':').unwrap();
        Endpoint {
            addr: addr.trim_matches(['[', ']']).parse().unwrap(),
            port: port.parse().unwrap(),
        }
    }

    #[test]
    fn a_connect_is_read_with_its_process_and_group() {
        let kind = Kind::State(StateLayout::of(STATE_6_18).unwrap());
        let event = Event::of(&kind, true, &CONNECT).unwrap();
        assert_eq!((event.pid, event.group), (5623, 1));
        assert_eq!(
            event.what,
            What::State {
                socket: 0xffff_8881_082d_5c80,
                old: 7,
                new: 2,
                local: end("127.0.0.1:0"),
                remote: end("127.0.0.1:1"),
            }
        );
        for len in 0..CONNECT.len() - 8 {
            assert_eq!(Event::of(&kind, true, &CONNECT[..len]), None);
        }
    }

    #[test]
    fn processes_begin_have_names_and_end() {
        let began = Event::of(&Kind::Tasks, true, &BEGAN).unwrap();
        assert_eq!((began.pid, began.what), (5623, What::Fork { parent: 5622 }));
        let mut ended = BEGAN;
        ended[0] = 4;
        assert_eq!(
            Event::of(&Kind::Tasks, true, &ended).unwrap().what,
            What::Exit
        );
        // A thread.
        ended[16] = 0xf8;
        assert_eq!(Event::of(&Kind::Tasks, true, &ended), None);
        let mut thread = BEGAN;
        thread[12] = 0xf7;
        assert_eq!(Event::of(&Kind::Tasks, true, &thread), None);
        let name = Event::of(&Kind::Tasks, true, &NAME).unwrap();
        let curl = What::Name {
            name: "curl".into(),
            exec: true,
        };
        assert_eq!((name.pid, name.what), (5623, curl));
    }

    /// A sample with these bytes of a tracepoint.
    fn sample(raw: &[u8]) -> Vec<u8> {
        let mut bytes = vec![9, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0];
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend((raw.len() as u32).to_ne_bytes());
        bytes.extend(raw);
        bytes
    }

    #[test]
    fn datagrams_have_both_ends_in_both_versions() {
        let mut raw = [0_u8; 76];
        raw[28..32].copy_from_slice(&[10, 0, 0, 2]);
        raw[32..36].copy_from_slice(&[127, 0, 0, 53]);
        raw[56..58].copy_from_slice(&40_000_u16.to_ne_bytes());
        raw[58..60].copy_from_slice(&53_u16.to_ne_bytes());
        let kind = Kind::Route(RouteLayout::of(ROUTE_6_18).unwrap());
        let event = Event::of(&kind, false, &sample(&raw)).unwrap();
        let (local, remote) = (end("10.0.0.2:40000"), end("127.0.0.53:53"));
        assert_eq!(event.what, What::Datagram { local, remote });
        let mut raw = [0_u8; 102];
        raw[46] = 1;
        // An IPv4 address in IPv6.
        raw[57..63].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        raw[64..66].copy_from_slice(&9_u16.to_ne_bytes());
        let kind = Kind::Route(RouteLayout::of(ROUTE6_6_18).unwrap());
        let event = Event::of(&kind, false, &sample(&raw)).unwrap();
        let (local, remote) = (end("[::1]:9"), end("127.0.0.1:0"));
        assert_eq!(event.what, What::Datagram { local, remote });
    }

    #[test]
    fn the_path_of_a_program_ends_at_its_zero() {
        let mut raw = [0_u8; 20].to_vec();
        raw[8..12].copy_from_slice(&(0x0009_0014_u32).to_ne_bytes());
        raw.extend(b"/bin/tru\0junk");
        let kind = Kind::Exec(ExecLayout::of(EXEC_6_18).unwrap());
        let event = Event::of(&kind, false, &sample(&raw)).unwrap();
        let path = "/bin/tru".into();
        assert_eq!(event.what, What::Exec { path });
        // The place of the path is outside of the record.
        raw[8..12].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(Event::of(&kind, false, &sample(&raw)), None);
    }
}

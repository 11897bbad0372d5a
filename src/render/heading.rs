//! ngrep's header line: endpoints, time, and kind of packet. The clock caches the text of one
//! second.

use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::tz::TimeZone;

use crate::flow::Endpoint;
use crate::frame::Timestamp;
use crate::hit::Heading;
use crate::packet::{Tunnel, protocol};
use crate::process::{Ends, Process};

use super::{Escape, Time};

/// Formats the timestamps of records. Caches the text of the last second, since records come in
/// runs.
#[derive(Debug)]
pub struct Clock {
    time: Time,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    second: i64,
    text: String,
    zone: TimeZone,
}

impl Clock {
    /// Creates a clock for this format, in the machine's time zone.
    #[must_use]
    pub fn new(time: Time) -> Self {
        Self {
            time,
            first: None,
            last: None,
            second: i64::MIN,
            text: String::new(),
            // Reading the time zone searches system files, so it is read only if it is needed.
            zone: match time {
                Time::Absolute | Time::OfDay => TimeZone::system(),
                Time::None | Time::Delta | Time::SinceFirst => TimeZone::UTC,
            },
        }
    }

    /// The timestamp of a record, followed by a blank; empty if no timestamps are shown.
    pub fn stamp(&mut self, ts: Timestamp) -> String {
        let first = *self.first.get_or_insert(ts);
        let last = self.last.replace(ts).unwrap_or(ts);
        match self.time {
            Time::None => String::new(),
            Time::Absolute => {
                let second = self.second(ts, "%Y/%m/%d %H:%M:%S");
                format!("{second}.{:06} ", ts.subsec_nanos() / 1000)
            }
            Time::OfDay => {
                let second = self.second(ts, "%H:%M:%S");
                format!("{second}.{:03} ", ts.subsec_nanos() / 1_000_000)
            }
            Time::Delta => delta(ts.since(last)),
            Time::SinceFirst => delta(ts.since(first)),
        }
    }

    /// The second of a timestamp in local time. A clock uses one format only.
    fn second(&mut self, ts: Timestamp, format: &str) -> &str {
        if self.second != ts.seconds() {
            self.second = ts.seconds();
            self.text = jiff::Timestamp::from_second(ts.seconds()).map_or_else(
                |_| format!("{} s", ts.seconds()),
                |second| {
                    second
                        .to_zoned_datetime(self.zone.clone())
                        .strftime(format)
                        .to_string()
                },
            );
        }
        &self.text
    }
}

fn delta(nanos: i64) -> String {
    let sign = if nanos < 0 { '-' } else { '+' };
    let micros = nanos.unsigned_abs() / 1000;
    format!("{sign}{}.{:06} ", micros / 1_000_000, micros % 1_000_000)
}

/// The header line up to the flags: `T 127.0.0.1:60932 -> 127.0.0.1:8080 [AP]`.
///
/// `stamp` follows the letter. `brackets`: put IPv6 addresses in brackets (ngrep does not).
pub(super) fn line(heading: &Heading, stamp: &str, number: bool, brackets: bool) -> String {
    let mut line = String::with_capacity(96);
    line.push(protocol::letter(heading.protocol));
    if number {
        let _ = write!(line, "({})", heading.protocol);
    }
    let _ = write!(line, " {stamp}");
    end(&mut line, heading.src, heading.ports, brackets);
    line.push_str(" -> ");
    end(&mut line, heading.dst, heading.ports, brackets);
    if heading.flags.any() {
        let _ = write!(line, " [{}]", heading.flags);
    }
    if let Some((kind, code)) = heading.icmp {
        let _ = write!(line, " {kind}:{code}");
    }
    if let Some(mark) = heading.fragment {
        let plus = if mark.later { "+" } else { "" };
        let _ = write!(line, " {plus}{}@{}:{}", mark.id, mark.offset, mark.len);
    }
    if let Some(tunnel) = &heading.tunnel {
        let _ = write!(line, " [{}]", within(tunnel));
    }
    line
}

/// The name of a process, escaped. Its name is hostile text.
pub(super) fn label(process: Option<&Process>, escape: &Escape) -> Option<String> {
    let mut out = Vec::new();
    escape.write_str(&process?.to_string(), &mut out);
    // A name has no lines and no columns.
    Some(String::from_utf8_lossy(&out).replace(['\n', '\t'], "."))
}

/// Client and server: `curl[8123] -> site.py[5210]`. Empty if none is known.
pub(super) fn labels(ends: &Ends<'_>, escape: &Escape) -> String {
    let [client, server] = [ends.client, ends.server].map(|end| label(end, escape));
    match (client, server) {
        (Some(client), Some(server)) => format!("{client} -> {server}"),
        (Some(client), None) => client,
        (None, Some(server)) => format!("-> {server}"),
        (None, None) => String::new(),
    }
}

/// The name of an IP protocol, in a column.
pub(super) fn protocol_name(number: u8) -> String {
    match number {
        protocol::TCP => "tcp".to_owned(),
        protocol::UDP => "udp".to_owned(),
        protocol::ICMP | protocol::ICMPV6 => "icmp".to_owned(),
        number => format!("ip {number}"),
    }
}

/// What something came in: `in vxlan 10.0.0.3 -> 10.0.0.4`.
pub(super) fn within(tunnel: &Tunnel) -> String {
    format!("in {} {} -> {}", tunnel.name, tunnel.src, tunnel.dst)
}

fn end(line: &mut String, end: Endpoint, ports: bool, brackets: bool) {
    let _ = match (ports, brackets, end.addr) {
        (true, true, IpAddr::V6(_)) => write!(line, "{end}"),
        (true, _, addr) => write!(line, "{addr}:{}", end.port),
        (false, _, addr) => write!(line, "{addr}"),
    };
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::flow::Direction;
    use crate::hit::FragmentMark;
    use crate::packet::TcpFlags;

    fn v4(last: u8, port: u16) -> Endpoint {
        Endpoint {
            addr: IpAddr::from([127, 0, 0, last]),
            port,
        }
    }

    #[test]
    fn lines_are_ngreps() {
        let heading = Heading {
            protocol: 6,
            ts: Timestamp::default(),
            src: v4(1, 60932),
            dst: v4(2, 8080),
            dir: Direction::ToServer,
            ports: true,
            flags: TcpFlags(0x18),
            icmp: None,
            tunnel: None,
            fragment: None,
        };
        assert_eq!(
            line(&heading, "", false, true),
            "T 127.0.0.1:60932 -> 127.0.0.2:8080 [AP]"
        );
        assert_eq!(
            line(&heading, "+0.000001 ", true, true),
            "T(6) +0.000001 127.0.0.1:60932 -> 127.0.0.2:8080 [AP]"
        );
        let none = TcpFlags(0);
        let tunnelled = Heading {
            tunnel: Some(Tunnel {
                name: "vxlan",
                src: v4(3, 0).addr,
                dst: v4(4, 0).addr,
            }),
            ..heading
        };
        let marked = line(&tunnelled, "", false, true);
        assert!(
            marked.ends_with(" [in vxlan 127.0.0.3 -> 127.0.0.4]"),
            "{marked}"
        );
        let icmp = Heading {
            protocol: 1,
            ports: false,
            flags: none,
            icmp: Some((8, 0)),
            ..heading
        };
        assert_eq!(line(&icmp, "", false, true), "I 127.0.0.1 -> 127.0.0.2 8:0");
        let mark = Some(FragmentMark {
            id: 8175,
            offset: 1480,
            len: 40,
            later: true,
        });
        let fragment = Heading {
            protocol: 17,
            ports: false,
            flags: none,
            fragment: mark,
            ..heading
        };
        assert_eq!(
            line(&fragment, "", false, true),
            "U 127.0.0.1 -> 127.0.0.2 +8175@1480:40"
        );
        let src = Endpoint {
            addr: IpAddr::V6(Ipv6Addr::LOCALHOST),
            port: 5000,
        };
        let v6 = Heading { src, ..heading };
        assert_eq!(
            line(&v6, "", false, true),
            "T [::1]:5000 -> 127.0.0.2:8080 [AP]"
        );
        assert_eq!(
            line(&v6, "", false, false),
            "T ::1:5000 -> 127.0.0.2:8080 [AP]"
        );
    }

    #[test]
    fn the_time_of_day_is_to_the_millisecond() {
        let mut clock = Clock::new(Time::OfDay);
        clock.zone = TimeZone::UTC;
        let stamps = [0, 1_999_000, 86_399_999_999_999].map(Timestamp::from_nanos);
        assert_eq!(
            stamps.map(|ts| clock.stamp(ts)),
            ["00:00:00.000 ", "00:00:00.001 ", "23:59:59.999 "]
        );
    }

    #[test]
    fn deltas_count_from_the_record_before_or_the_first() {
        let stamps = |time| {
            let mut clock = Clock::new(time);
            [5_000_000_000, 6_500_001_000, 6_000_000_000]
                .map(|nanos| clock.stamp(Timestamp::from_nanos(nanos)))
        };
        assert_eq!(
            stamps(Time::Delta),
            ["+0.000000 ", "+1.500001 ", "-0.500001 "]
        );
        assert_eq!(
            stamps(Time::SinceFirst),
            ["+0.000000 ", "+1.500001 ", "+1.000000 "]
        );
    }
}

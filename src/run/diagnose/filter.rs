//! Extracts ports, protocols and the IP version from the words of a capture filter. This is an
//! approximation for hints; it does not parse the filter language.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::protocol_of;

/// Common names of ports.
const NAMES: [(&str, u16); 8] = [
    ("http", 80),
    ("https", 443),
    ("ssh", 22),
    ("domain", 53),
    ("smtp", 25),
    ("ntp", 123),
    ("syslog", 514),
    ("http-alt", 8080),
];

/// What a filter selects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FilterTerms {
    ports: Vec<RangeInclusive<u16>>,
    protocols: Vec<u8>,
    /// The filter excludes IPv6.
    pub(super) only_ipv4: bool,
}

impl FilterTerms {
    /// Reads a filter. Negated terms (`not port 22`) are ignored.
    pub(super) fn of(filter: &str) -> Self {
        let spaced: String = filter
            .chars()
            .flat_map(|c| match c {
                '(' | ')' | '!' => vec![' ', c, ' '],
                c => vec![c],
            })
            .collect();
        let mut terms = Self::default();
        let (mut six, mut four) = (false, false);
        let (mut not, mut after) = (false, "");
        for word in spaced.split_whitespace() {
            match word {
                "not" | "!" => (not, after) = (true, ""),
                "and" | "&&" => (not, after) = (false, ""),
                "or" | "||" | "(" | ")" | "src" | "dst" => {}
                "port" | "portrange" | "host" | "net" => after = word,
                "ip6" | "icmp6" => six |= !not,
                "ip" => four |= !not,
                _ => {
                    if let Some(protocol) = protocol_of(word).filter(|_| !not) {
                        terms.protocols.push(protocol);
                    } else if after.starts_with("port") && !not {
                        terms.ports.extend(ports(word));
                    } else if !not {
                        four |= word.parse::<Ipv4Addr>().is_ok();
                        six |= word.contains("::");
                    }
                }
            }
        }
        terms.only_ipv4 = four && !six;
        terms
    }

    pub(super) fn has_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    pub(super) fn selects(&self, protocol: u8, port: u16) -> bool {
        let mut ports = self.ports.iter();
        (self.protocols.is_empty() || self.protocols.contains(&protocol))
            && ports.any(|range| range.contains(&port))
    }

    /// Formats the ports: `port 80`, `ports 80, 8080-8089`.
    pub(super) fn ports(&self) -> String {
        let names: Vec<String> = self
            .ports
            .iter()
            .map(|range| match range.start() == range.end() {
                true => range.start().to_string(),
                false => format!("{}-{}", range.start(), range.end()),
            })
            .collect();
        let noun = match names.len() {
            1 if !names[0].contains('-') => "port",
            _ => "ports",
        };
        format!("{noun} {}", names.join(", "))
    }
}

fn ports(word: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| {
        let named = NAMES.iter().find(|(name, _)| *name == text);
        text.parse().ok().or(named.map(|(_, port)| *port))
    };
    match word.split_once('-') {
        Some((from, to)) if port(word).is_none() => Some(port(from)?..=port(to)?),
        _ => port(word).map(|port| port..=port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_protocols_are_found_in_a_filter() {
        // (filter, ports, selects TCP, selects UDP, IPv4 only); protocols are tested with the first
        // port.
        let table = [
            ("port 5000", "port 5000", true, true, false),
            ("tcp port 5000", "port 5000", true, false, false),
            (
                "tcp and port 80 or 8080",
                "ports 80, 8080",
                true,
                false,
                false,
            ),
            ("port (80 or 8080)", "ports 80, 8080", true, true, false),
            ("udp portrange 10-20", "ports 10-20", false, true, false),
            (
                "dst port https and not port 22",
                "port 443",
                true,
                true,
                false,
            ),
            ("port http-alt", "port 8080", true, true, false),
            ("!port 22 && tcp dst port 25", "port 25", true, false, false),
            (
                "ip host 127.0.0.1 and port 5000",
                "port 5000",
                true,
                true,
                true,
            ),
            ("host 10.0.0.1 and port 5000", "port 5000", true, true, true),
            ("(ip or ip6) and port 5000", "port 5000", true, true, false),
            ("host ::1 and port 5000", "port 5000", true, true, false),
        ];
        for (filter, ports, tcp, udp, only_ipv4) in table {
            let terms = FilterTerms::of(filter);
            assert_eq!(terms.ports(), ports, "{filter}");
            let first = *terms.ports[0].start();
            assert_eq!(
                (
                    terms.selects(6, first),
                    terms.selects(17, first),
                    terms.only_ipv4
                ),
                (tcp, udp, only_ipv4),
                "{filter}"
            );
            assert!(!terms.selects(6, 22), "{filter}");
        }
        assert!(!FilterTerms::of("tcp and host 10.0.0.1").has_ports());
        assert!(!FilterTerms::of("not port 22").has_ports());
    }
}

//! Diagnoses why a run shows nothing, or loses packets, and suggests what to do. Each text is a
//! pure function of the counters and of what the system reports, has at most [`LINES`] lines and
//! can be pasted where it is a command.
//!
//! `filter` extracts ports and protocols from a capture filter; `schedule` decides when which text
//! is due.

mod filter;
mod schedule;

use std::net::IpAddr;

use crate::capture::netinfo::{InterfaceTraffic, ListeningSocket, OtherNamespace};
use crate::packet::protocol;

use filter::FilterTerms;
pub(super) use schedule::{Schedule, files};

/// Maximum lines of one text.
const LINES: usize = 6;
/// Number of interfaces whose packets are listed.
const BUSIEST: usize = 3;

/// Input of [`no_traffic`]: the system and the run, while no packet has arrived.
pub(super) struct NoTraffic<'a> {
    /// Interfaces of the capture.
    pub(super) devices: &'a [String],
    /// Names and addresses of all interfaces.
    pub(super) addresses: &'a [(String, IpAddr)],
    /// The capture filter as typed.
    pub(super) filter: Option<&'a str>,
    /// The arguments of the program, quoted for a shell.
    pub(super) line: &'a str,
    /// Whole seconds since the start.
    pub(super) seconds: u64,
    /// Listening sockets now.
    pub(super) listeners: &'a [ListeningSocket],
    /// Packets of the interfaces at the start.
    pub(super) before: &'a [InterfaceTraffic],
    /// Packets of the interfaces now.
    pub(super) now: &'a [InterfaceTraffic],
    /// Other network namespaces.
    pub(super) other_namespaces: &'a [OtherNamespace],
}

/// Explains why no packet arrives.
pub(super) fn no_traffic(input: &NoTraffic<'_>) -> Vec<String> {
    let on = input.devices.join(", ");
    let passes = input
        .filter
        .map_or_else(String::new, |text| format!(" that passes \"{text}\""));
    let mut lines = vec![format!("nothing on {on} for {} s{passes}", input.seconds)];
    if let Some(terms) = input.filter.map(FilterTerms::of)
        && terms.has_ports()
    {
        service_hints(input, &terms, &mut lines);
    }
    lines.extend(traffic(input));
    lines.truncate(LINES);
    lines
}

/// Adds whether the filter's ports are served, and on which interface their traffic is.
fn service_hints(input: &NoTraffic<'_>, terms: &FilterTerms, lines: &mut Vec<String>) {
    let selected = |listener: &&ListeningSocket| terms.selects(listener.protocol, listener.port);
    let here: Vec<&ListeningSocket> = input.listeners.iter().filter(selected).collect();
    let Some(first) = here.first() else {
        let ports = terms.ports();
        lines.push(format!("nothing listens on {ports} here"));
        let mut others = input.other_namespaces.iter();
        if let Some(other) = others.find(|other| other.listeners.iter().any(|one| selected(&one))) {
            lines.push(format!(
                "a process in another network namespace does: sudo nsenter -t {} -n spygrep {}",
                other.pid, input.line
            ));
        }
        return;
    };
    // A service that listens only on IPv6 addresses. A listener on `::` usually serves IPv4 as
    // well.
    let six = |listener: &&&ListeningSocket| listener.address.is_ipv6();
    if terms.only_ipv4
        && let Some(listener) = here.iter().find(six)
        && (!listener.address.is_unspecified() || here.iter().all(|one| six(&one)))
    {
        let also = if here.len() > 1 { " as well" } else { "" };
        let filter = input.filter.unwrap_or_default();
        lines.push(format!(
            "it listens on {}{also}; the filter \"{filter}\" excludes IPv6",
            listener.address
        ));
    }
    let sees = |name: &str| input.devices.iter().any(|one| one == name || one == "any");
    let seen = here.iter().any(|listener| {
        let device = interface_of(input, listener);
        device.is_some_and(&sees)
    });
    if seen {
        lines.push(format!(
            "{} is served here, but receives no requests",
            address_text(first)
        ));
        return;
    }
    match interface_of(input, first) {
        Some(device) => lines.push(format!(
            "{} is served here: that traffic is on {device}   ->  -d {device}   (or -d any)",
            address_text(first)
        )),
        None if !sees("lo") => lines.push(format!(
            "{} is served here on all addresses: this machine's own requests are on lo   ->  -d lo   (or -d any)",
            address_text(first)
        )),
        None => lines.push(format!(
            "{} is served here on all addresses: requests may arrive on another interface   ->  -d any",
            address_text(first)
        )),
    }
}

/// Formats an address: `127.0.0.1:5000`, `[::1]:5000`, `port 5000`.
fn address_text(listener: &ListeningSocket) -> String {
    match listener.address {
        address if address.is_unspecified() => format!("port {}", listener.port),
        address => std::net::SocketAddr::new(address, listener.port).to_string(),
    }
}

/// Returns the interface through which a socket is reached; `None` if it listens on all addresses.
fn interface_of<'a>(input: &'a NoTraffic<'_>, listener: &ListeningSocket) -> Option<&'a str> {
    let address = listener.address;
    if address.is_unspecified() {
        // A capture on all interfaces includes the right one.
        return input
            .devices
            .iter()
            .any(|one| one == "any")
            .then_some("any");
    }
    if address.is_loopback() {
        return Some("lo");
    }
    let mut addresses = input.addresses.iter();
    let found = addresses.find(|(_, one)| *one == address);
    found.map(|(name, _)| name.as_str())
}

/// Lists what the interfaces carried in the meantime.
fn traffic(input: &NoTraffic<'_>) -> Option<String> {
    let mut carried: Vec<(&str, u64)> = input
        .now
        .iter()
        .map(|now| {
            let mut before = input.before.iter();
            let before = before.find(|before| before.name == now.name);
            let before = before.map_or(0, |before| before.packets);
            (now.name.as_str(), now.packets.saturating_sub(before))
        })
        .collect();
    if carried.is_empty() {
        return None;
    }
    carried.sort_by_key(|(_, packets)| std::cmp::Reverse(*packets));
    let any = input.devices.iter().any(|one| one == "any");
    let ours = |name: &str| any || input.devices.iter().any(|one| one == name);
    let own: u64 = carried
        .iter()
        .filter(|(name, _)| ours(name))
        .map(|(_, packets)| packets)
        .sum();
    let listed: Vec<String> = carried
        .iter()
        .filter(|(name, packets)| *packets > 0 && (any || !ours(name)))
        .take(BUSIEST)
        .map(|(name, packets)| format!("{name} carried {}", packets_of(*packets)))
        .collect();
    Some(match (own, listed.is_empty()) {
        (0, true) => "in the same time no interface carried a packet".to_owned(),
        (0, false) => format!("in the same time {}", listed.join(", ")),
        (_, false) if any => format!(
            "in the same time {}; none of them passes",
            listed.join(", ")
        ),
        (own, _) => format!(
            "in the same time {} carried {}; none of them passes",
            input.devices.join(", "),
            packets_of(own)
        ),
    })
}

/// Input of [`unmatched`]: the run, while packets arrive and nothing is shown.
pub(super) struct Unmatched<'a> {
    /// The pattern as typed; empty without a pattern.
    pub(super) pattern: &'a str,
    /// The pattern is case-sensitive.
    pub(super) case_sensitive: bool,
    /// Exchanges must meet conditions.
    pub(super) conditions: bool,
    /// Matches are inverted (`-v`).
    pub(super) invert: bool,
    /// Packets without content are shown.
    pub(super) show_empty: bool,
    /// Packets that passed the filter.
    pub(super) packets: u64,
    /// Messages that were searched.
    pub(super) messages: u64,
    /// Number of TLS messages among them, and a server port of theirs.
    pub(super) tls: (u64, u16),
}

/// Explains why nothing matches. `None` if there is nothing to explain yet.
pub(super) fn unmatched(run: &Unmatched<'_>) -> Option<Vec<String>> {
    if run.packets == 0 {
        return None;
    }
    if run.messages == 0 {
        let way = match run.show_empty {
            true => "",
            false => " (-e shows them)",
        };
        return Some(vec![format!(
            "{} seen, none with content: acknowledgements, opening and closing{way}",
            packets_of(run.packets)
        )]);
    }
    let messages = count(run.messages, "message", "messages");
    let mut lines = vec![match (run.pattern, run.conditions) {
        ("", false) => return None,
        ("", true) => format!("{messages} seen, none meets the conditions"),
        (pattern, conditions) => {
            let letters = pattern.chars().any(char::is_alphabetic);
            let case = match run.case_sensitive && letters {
                true => "   (case-sensitive; try -i)",
                false => "",
            };
            let none = if run.invert {
                "all contain"
            } else {
                "none contains"
            };
            let case = if run.invert { "" } else { case };
            let and = if conditions {
                " and meets the conditions"
            } else {
                ""
            };
            format!("{messages} seen, {none} /{pattern}/{and}{case}")
        }
    }];
    let (tls, port) = run.tls;
    if tls > run.messages / 2 {
        lines.push(format!(
            "most are TLS on port {port}, so encrypted: only names in its hellos can be found"
        ));
    }
    Some(lines)
}

/// Explains why no packet of the files was used. `None` for files without packets.
pub(super) fn none_passes(frames: u64, filter: Option<&str>) -> Option<String> {
    let packets = packets_of(frames);
    Some(match (frames, filter) {
        (0, _) => return None,
        (1, Some(filter)) => format!("{packets} was read, and it does not pass \"{filter}\""),
        (1, None) => format!("{packets} was read, and it is not IP"),
        (_, Some(filter)) => {
            format!("{packets} were read, and none of them passes \"{filter}\"")
        }
        (_, None) => format!("{packets} were read, and none of them is IP"),
    })
}

/// Hint when TLS is shown.
pub(super) const TLS: &str = "TLS encrypts messages; only the names in its hellos can be searched. \
     To read them, capture where they are not encrypted: between the TLS proxy and the server, or on lo";

/// Input of [`packet_loss`].
pub(super) struct PacketLoss<'a> {
    /// Packets dropped by the kernel so far.
    pub(super) dropped: u64,
    /// Packets captured so far.
    pub(super) captured: u64,
    /// Packets per second since the last check, captured or dropped.
    pub(super) rate: u64,
    /// The capture filter, if there is one.
    pub(super) filter: Option<&'a str>,
    /// Size of the kernel's buffer in bytes.
    pub(super) buffer: usize,
    /// Some drops may be counted twice.
    pub(super) at_most: bool,
}

/// Reports lost packets and what to do.
pub(super) fn packet_loss(loss: &PacketLoss<'_>) -> Vec<String> {
    let all = loss.dropped.saturating_add(loss.captured).max(1);
    let share = loss.dropped as f64 * 100.0 / all as f64;
    let share = match share {
        share if share < 0.1 => "under 0.1 %".to_owned(),
        share => format!("{share:.1} %"),
    };
    let through = match (loss.rate, loss.filter) {
        (0, _) => String::new(),
        (rate, Some(_)) => format!(": this filter lets {} packets/s through", grouped(rate)),
        (rate, None) => format!(": {} packets/s arrive, without a filter", grouped(rate)),
    };
    let noun = if loss.dropped == 1 {
        "packet"
    } else {
        "packets"
    };
    let larger = (loss.buffer.max(16 << 20) >> 20).saturating_mul(4);
    let most = if loss.at_most { "up to " } else { "" };
    let mut lines = vec![format!(
        "{most}{} {noun} lost so far ({share}){through}",
        grouped(loss.dropped)
    )];
    lines.push(format!(
        "narrow it (port ..., host ...) or enlarge the buffer: --buffer-size {larger}M"
    ));
    if loss.at_most {
        lines.push(
            "on any the kernel counts lost packets of lo twice   ->  -d lo counts them once"
                .to_owned(),
        );
    }
    lines
}

/// Reports that packets are truncated, and how to capture whole ones.
pub(super) fn truncated(snaplen: u32, missing: u64, live: bool) -> Option<String> {
    (missing > 0).then(|| {
        let (whose, better) = match live {
            true => ("this run", "leave out -s"),
            false => ("this capture", "capture with tcpdump -s 0"),
        };
        format!("{whose} keeps only {snaplen} bytes per packet; bodies are missing ({better})")
    })
}

/// Reports duplicate packets.
pub(super) fn duplicates(many: u64) -> Option<String> {
    (many > 0).then(|| {
        let copies = match many {
            1 => "1 copy".to_owned(),
            many => format!("{} copies", grouped(many)),
        };
        format!("{copies} of packets seen elsewhere, used once")
    })
}

fn packets_of(many: u64) -> String {
    count(many, "packet", "packets")
}

fn count(many: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(many), if many == 1 { one } else { more })
}

/// Formats a number with separators: `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The IP protocol number of a word in a filter.
fn protocol_of(word: &str) -> Option<u8> {
    match word {
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

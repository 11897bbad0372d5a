//! The doctor: says why nothing is shown. Each text is a pure function of what is known of the system and of the run.
//!
//! First what is wrong, then what to do, ready to paste; never more than [`LINES`] lines. `filter`: what a capture filter asks for;
//! `rounds`: when which of them is due.

mod filter;
mod rounds;

use std::net::IpAddr;

use crate::capture::system::{Carried, Elsewhere, Listener};
use crate::packet::protocol;

use filter::Asked;
pub(super) use rounds::{Rounds, not_in_file};

/// Lines of one text.
const LINES: usize = 6;
/// Interfaces of which the packets are told.
const BUSIEST: usize = 3;

/// What is known when nothing arrived.
pub(super) struct Quiet<'a> {
    /// The interfaces that are captured from.
    pub(super) devices: &'a [String],
    /// Names and addresses of all interfaces.
    pub(super) addresses: &'a [(String, IpAddr)],
    /// The capture filter as typed.
    pub(super) filter: Option<&'a str>,
    /// The words behind the program's name, quoted for a shell.
    pub(super) line: &'a str,
    /// Whole seconds since the start.
    pub(super) seconds: u64,
    /// Who listens now.
    pub(super) listeners: &'a [Listener],
    /// What the interfaces had carried at the start.
    pub(super) before: &'a [Carried],
    /// And now.
    pub(super) now: &'a [Carried],
    /// Other network namespaces.
    pub(super) elsewhere: &'a [Elsewhere],
}

/// Nothing arrives: what that may come from.
pub(super) fn nothing(quiet: &Quiet<'_>) -> Vec<String> {
    let on = quiet.devices.join(", ");
    let passes = quiet
        .filter
        .map_or_else(String::new, |text| format!(" that passes \"{text}\""));
    let mut lines = vec![format!("nothing on {on} for {} s{passes}", quiet.seconds)];
    if let Some(asked) = quiet.filter.map(Asked::of)
        && asked.has_ports()
    {
        served(quiet, &asked, &mut lines);
    }
    lines.extend(traffic(quiet));
    lines.truncate(LINES);
    lines
}

/// Who serves the ports that are asked for, and where that can be seen.
fn served(quiet: &Quiet<'_>, asked: &Asked, lines: &mut Vec<String>) {
    let wanted = |listener: &&Listener| asked.wants(listener.protocol, listener.port);
    let here: Vec<&Listener> = quiet.listeners.iter().filter(wanted).collect();
    let Some(first) = here.first() else {
        let ports = asked.ports();
        lines.push(format!("nobody listens on {ports} here"));
        let mut others = quiet.elsewhere.iter();
        if let Some(other) = others.find(|other| other.listeners.iter().any(|one| wanted(&one))) {
            lines.push(format!(
                "somebody does in another network namespace: sudo nsenter -t {} -n spygrep {}",
                other.pid, quiet.line
            ));
        }
        return;
    };
    // IPv6 alone is served by what listens on one of its addresses; on `::` IPv4 is, too, as a rule.
    let six = |listener: &&&Listener| listener.address.is_ipv6();
    if asked.only_ipv4
        && let Some(listener) = here.iter().find(six)
        && (!listener.address.is_unspecified() || here.iter().all(|one| six(&one)))
    {
        let also = if here.len() > 1 { " as well" } else { "" };
        let filter = quiet.filter.unwrap_or_default();
        lines.push(format!(
            "it listens on {}{also}; the filter \"{filter}\" excludes IPv6",
            listener.address
        ));
    }
    let sees = |name: &str| quiet.devices.iter().any(|one| one == name || one == "any");
    let seen = here.iter().any(|listener| {
        let device = device_of(quiet, listener);
        device.is_some_and(&sees)
    });
    if seen {
        lines.push(format!(
            "{} is served here, but nobody asks for it",
            place(first)
        ));
        return;
    }
    match device_of(quiet, first) {
        Some(device) => lines.push(format!(
            "{} is served here: that traffic is on {device}   ->  -d {device}   (or -d any)",
            place(first)
        )),
        None if !sees("lo") => lines.push(format!(
            "{} is served here on all addresses: what this machine asks itself is on lo   ->  -d lo   (or -d any)",
            place(first)
        )),
        None => lines.push(format!(
            "{} is served here on all addresses: others may ask on another interface   ->  -d any",
            place(first)
        )),
    }
}

/// `127.0.0.1:5000`, `[::1]:5000`, `port 5000`.
fn place(listener: &Listener) -> String {
    match listener.address {
        address if address.is_unspecified() => format!("port {}", listener.port),
        address => std::net::SocketAddr::new(address, listener.port).to_string(),
    }
}

/// The interface that one must use to reach a listener; `None` for one on all addresses.
fn device_of<'a>(quiet: &'a Quiet<'_>, listener: &Listener) -> Option<&'a str> {
    let address = listener.address;
    if address.is_unspecified() {
        // All of them lead to it when all are captured from.
        return quiet
            .devices
            .iter()
            .any(|one| one == "any")
            .then_some("any");
    }
    if address.is_loopback() {
        return Some("lo");
    }
    let mut addresses = quiet.addresses.iter();
    let found = addresses.find(|(_, one)| *one == address);
    found.map(|(name, _)| name.as_str())
}

/// What the interfaces carried in the same time.
fn traffic(quiet: &Quiet<'_>) -> Option<String> {
    let mut carried: Vec<(&str, u64)> = quiet
        .now
        .iter()
        .map(|now| {
            let mut before = quiet.before.iter();
            let before = before.find(|before| before.name == now.name);
            let before = before.map_or(0, |before| before.packets);
            (now.name.as_str(), now.packets.saturating_sub(before))
        })
        .collect();
    if carried.is_empty() {
        return None;
    }
    carried.sort_by_key(|(_, packets)| std::cmp::Reverse(*packets));
    let any = quiet.devices.iter().any(|one| one == "any");
    let ours = |name: &str| any || quiet.devices.iter().any(|one| one == name);
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
            quiet.devices.join(", "),
            packets_of(own)
        ),
    })
}

/// What is known when packets arrive and nothing is shown.
pub(super) struct Unmatched<'a> {
    /// The pattern as typed; empty when there is none.
    pub(super) pattern: &'a str,
    /// Case matters to it.
    pub(super) case_sensitive: bool,
    /// Exchanges must meet conditions.
    pub(super) conditions: bool,
    /// What does not match is looked for.
    pub(super) invert: bool,
    /// Packets that passed the filter.
    pub(super) packets: u64,
    /// Messages that were searched.
    pub(super) messages: u64,
    /// Those of them that are TLS, and a server's port of those.
    pub(super) tls: (u64, u16),
}

/// Packets arrive, nothing matches. `None` when there is nothing to say (yet).
pub(super) fn unmatched(run: &Unmatched<'_>) -> Option<Vec<String>> {
    if run.packets == 0 {
        return None;
    }
    if run.messages == 0 {
        return Some(vec![format!(
            "{} seen, none with content: acknowledgements, opening and closing (-e shows them)",
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

/// Files have packets, and none is looked at. `None` for files without any.
pub(super) fn none_passes(frames: u64, filter: Option<&str>) -> Option<String> {
    let packets = packets_of(frames);
    Some(match (frames, filter) {
        (0, _) => return None,
        (1, Some(filter)) => format!("{packets} was read, and it does not pass \"{filter}\""),
        (1, None) => format!("{packets} was read, and it is no IP"),
        (_, Some(filter)) => {
            format!("{packets} were read, and none of them passes \"{filter}\"")
        }
        (_, None) => format!("{packets} were read, and none of them is IP"),
    })
}

/// What to know of TLS that was shown.
pub(super) const TLS: &str = "TLS hides what is said; the names in its hellos can be searched. \
     To read it, listen where it is plain: in front of the proxy that encrypts, or on lo";

/// What was lost while running, or at its end.
pub(super) struct Lost<'a> {
    /// Packets that the kernel dropped, in all.
    pub(super) dropped: u64,
    /// Packets that were captured, in all.
    pub(super) captured: u64,
    /// Packets that came, captured or not, in a second of the time since the last look.
    pub(super) rate: u64,
    /// There is a filter.
    pub(super) filter: Option<&'a str>,
    /// Bytes of the kernel's buffer.
    pub(super) buffer: usize,
    /// Some may be counted twice.
    pub(super) at_most: bool,
}

/// Packets were lost: how many, and what to do.
pub(super) fn lost(lost: &Lost<'_>) -> Vec<String> {
    let all = lost.dropped.saturating_add(lost.captured).max(1);
    let share = lost.dropped as f64 * 100.0 / all as f64;
    let share = match share {
        share if share < 0.1 => "under 0.1 %".to_owned(),
        share => format!("{share:.1} %"),
    };
    let through = match (lost.rate, lost.filter) {
        (0, _) => String::new(),
        (rate, Some(_)) => format!(": this filter lets {} packets/s through", grouped(rate)),
        (rate, None) => format!(": {} packets/s come, there is no filter", grouped(rate)),
    };
    let noun = if lost.dropped == 1 {
        "packet"
    } else {
        "packets"
    };
    let larger = (lost.buffer.max(16 << 20) >> 20).saturating_mul(4);
    let most = if lost.at_most { "up to " } else { "" };
    let mut lines = vec![format!(
        "{most}{} {noun} lost so far ({share}){through}",
        grouped(lost.dropped)
    )];
    lines.push(format!(
        "narrow it (port ..., host ...) or enlarge the buffer: --buffer-size {larger}M"
    ));
    if lost.at_most {
        lines.push(
            "on any the kernel counts lost packets of lo twice   ->  -d lo counts them once"
                .to_owned(),
        );
    }
    lines
}

/// A capture that was cut: what that means, and how to do better.
pub(super) fn cut(snaplen: u32, missing: u64, live: bool) -> Option<String> {
    (missing > 0).then(|| {
        let (whose, better) = match live {
            true => ("this run", "leave out -s"),
            false => ("this capture", "capture with tcpdump -s 0"),
        };
        format!("{whose} keeps only {snaplen} bytes per packet; bodies are missing ({better})")
    })
}

/// Packets that came several times.
pub(super) fn copies(many: u64) -> Option<String> {
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

/// `1,204`.
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

/// TCP or UDP, as a filter calls them.
fn protocol_of(word: &str) -> Option<u8> {
    match word {
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! The user's capture filter: libpcap's expression language, compiled for each link type: when its first frame comes, or before.
//!
//! There are two uses. `--ngrep` takes the text as it is: the kernel filters exactly, or [`Filter`] does on a file's frames.
//! The message views let the kernel pass a little too much ([`KernelFilter::Superset`]), take the VLAN tags off a frame and
//! then ask [`Filter`], so that `port 80` means port 80 on tagged frames as well and under `not`, and so that the later
//! fragments of a datagram, which have no ports, are there to be put together. Taking tags off is not done here.
//!
//! Two limits of the language as the `pcap` crate offers it: `ip broadcast` does not work (the network mask is not passed),
//! and names of hosts are looked up when the filter is compiled.

use crate::frame::LinkType;

use super::bpf::Program;

/// A filter expression that libpcap does not take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter {expression:?}: {detail}")]
pub struct FilterError {
    /// As the user wrote it.
    pub expression: String,
    /// libpcap's words.
    pub detail: String,
}

/// A filter expression, run on frames and on bare IP packets in this process.
pub struct Filter {
    expression: String,
    /// A frame as libpcap wants it, where that is not as it came.
    scratch: Vec<u8>,
    live: bool,
    wants_tags: bool,
    /// One for each link type seen; a handful at most, so a list is the fastest map.
    programs: Vec<(LinkType, Result<Program, String>)>,
    /// Programs for link types that may yet be seen.
    prepared: Vec<(LinkType, Result<Program, String>)>,
    /// Index of the program used last.
    last: usize,
    raw_ip: Option<Result<Program, String>>,
    uncompiled: u64,
}

impl Filter {
    /// For frames out of files. Nothing is compiled yet; an empty expression passes everything.
    #[must_use]
    pub fn for_files(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            scratch: Vec::new(),
            live: false,
            wants_tags: names_tags(expression),
            programs: Vec::new(),
            prepared: Vec::new(),
            last: 0,
            raw_ip: None,
            uncompiled: 0,
        }
    }

    /// For frames from a device, whose kernel has already run this filter or a [`KernelFilter::Superset`] of it: what only the
    /// kernel knows (`inbound`, `ifindex`) is left to it.
    #[must_use]
    pub fn for_devices(expression: &str) -> Self {
        Self {
            live: true,
            ..Self::for_files(expression)
        }
    }

    /// Compile for these link types, and for bare IP packets, now: names in the expression (of hosts, of ports) are looked up
    /// then, and in the sandbox they cannot be.
    pub fn prepare(&mut self, links: impl IntoIterator<Item = LinkType>) {
        for link in links {
            let program = Program::compile(&self.expression, link);
            self.prepared.push((link, program));
        }
        self.raw_ip = Some(Program::compile(&self.expression, LinkType::RAW));
    }

    /// Whether libpcap takes an expression for frames of a link type.
    ///
    /// # Errors
    /// It does not; says why.
    pub fn check(expression: &str, link: LinkType) -> Result<(), FilterError> {
        match Program::compile(expression, link) {
            Ok(_) => Ok(()),
            Err(detail) => Err(FilterError {
                expression: expression.to_owned(),
                detail,
            }),
        }
    }

    /// How many instructions libpcap makes of an expression for frames of a link type.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn length(expression: &str, link: LinkType) -> Result<usize, FilterError> {
        Program::compile(expression, link)
            .map(|program| program.length())
            .map_err(|detail| FilterError {
                expression: expression.to_owned(),
                detail,
            })
    }

    /// The expression as it was given.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The expression speaks of VLAN tags itself, so frames must be shown to it with their tags.
    #[must_use]
    pub fn wants_tags(&self) -> bool {
        self.wants_tags
    }

    /// Whether a frame passes. A frame of a link type for which the expression has no meaning does not, and is counted.
    ///
    /// `wire_len` is the frame's length before it was cut, less the tags that were taken off.
    pub fn passes(&mut self, link: LinkType, wire_len: u32, bytes: &[u8]) -> bool {
        if self
            .programs
            .get(self.last)
            .is_none_or(|(known, _)| *known != link)
        {
            self.last = self.place(link);
        }
        let Some((_, Ok(program))) = self.programs.get(self.last) else {
            self.uncompiled += 1;
            return false;
        };
        let bytes = match link {
            LinkType::NULL | LinkType::LOOP => with_own_family(link, bytes, &mut self.scratch),
            _ => bytes,
        };
        (self.live && program.asks_kernel()) || program.passes(wire_len, bytes)
    }

    /// Whether an IP packet without a link header passes: a datagram put together from its fragments. `None` when the
    /// expression has no meaning for one (it asks for a hardware address, a tag, a direction).
    pub fn passes_ip(&mut self, packet: &[u8]) -> Option<bool> {
        let expression = &self.expression;
        let program = self
            .raw_ip
            .get_or_insert_with(|| Program::compile(expression, LinkType::RAW));
        let program = program
            .as_ref()
            .ok()
            .filter(|program| !program.asks_kernel())?;
        Some(program.passes(u32::try_from(packet.len()).unwrap_or(u32::MAX), packet))
    }

    /// Frames that did not pass because the expression has no meaning for their link type.
    #[must_use]
    pub fn uncompiled(&self) -> u64 {
        self.uncompiled
    }

    /// To be asked at the end, or after [`Self::passes`] said no: link types were seen and the expression has a meaning for none.
    ///
    /// # Errors
    /// That is so; libpcap's words for the first of them.
    pub fn verdict(&self) -> Result<(), FilterError> {
        match self.programs.first() {
            Some((_, Err(detail))) if self.programs.iter().all(|(_, program)| program.is_err()) => {
                Err(FilterError {
                    expression: self.expression.clone(),
                    detail: detail.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The index of a link type's program, compiled now if need be.
    fn place(&mut self, link: LinkType) -> usize {
        if let Some(place) = self.programs.iter().position(|(known, _)| *known == link) {
            return place;
        }
        let ready = self.prepared.iter().position(|(known, _)| *known == link);
        let mut program = match ready {
            Some(place) => self.prepared.swap_remove(place).1,
            None => Program::compile(&self.expression, link),
        };
        if !self.live && program.as_ref().is_ok_and(Program::asks_kernel) {
            program = Err("a direction or an interface is not known in a capture file".to_owned());
        }
        self.programs.push((link, program));
        self.programs.len() - 1
    }
}

/// What the kernel is asked to let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelFilter<'a> {
    /// Exactly what passes this expression, as libpcap reads it.
    Exact(&'a str),
    /// What passes this expression, every IP fragment, and every tagged frame; a [`Filter`] decides.
    Superset(&'a str),
}

impl KernelFilter<'_> {
    /// The expression as the user wrote it.
    #[must_use]
    pub fn expression(&self) -> &str {
        match self {
            Self::Exact(expression) | Self::Superset(expression) => expression,
        }
    }

    /// What the kernel is given for frames of a link type, and how many instructions that is; `None` when nothing compiles.
    #[must_use]
    pub fn compiled(&self, link: LinkType) -> Option<(String, usize)> {
        self.candidates().into_iter().find_map(|text| {
            let length = Filter::length(&text, link).ok()?;
            Some((text, length))
        })
    }

    /// What to give to the kernel, best first: not every link type has tags, and not every one has IP.
    pub(super) fn candidates(&self) -> Vec<String> {
        match self {
            Self::Exact(expression) => vec![(*expression).to_owned()],
            Self::Superset(expression) if expression.trim().is_empty() => vec![String::new()],
            // The direction cannot be asked again behind the kernel: better to lose later fragments than to show the wrong way.
            Self::Superset(expression) if asks_kernel(expression) => vec![(*expression).to_owned()],
            Self::Superset(expression) => {
                let mut all = vec![
                    kernel_superset(expression),
                    format!("{FRAGMENTS} or ({expression})"),
                ];
                all.dedup();
                all.push((*expression).to_owned());
                all
            }
        }
    }
}

/// Every fragment of IPv4 (more to come, or not at the start) and of IPv6.
const FRAGMENTS: &str = "(ip[6:2] & 0x3fff != 0) or (ip6[6] = 44)";

/// The expression that lets through whatever `expression` means, tagged or not, and all fragments.
///
/// The order matters: in libpcap's language `vlan` moves the place where everything *after* it looks, so what does not care
/// comes first and `vlan` last. An expression that moves the place itself (`vlan`, `mpls`, `pppoes`) is not given a `vlan`.
#[must_use]
pub fn kernel_superset(expression: &str) -> String {
    if moves_offsets(expression) {
        format!("{FRAGMENTS} or ({expression})")
    } else {
        format!("{FRAGMENTS} or ({expression}) or vlan")
    }
}

fn asks_kernel(expression: &str) -> bool {
    Program::compile(expression, LinkType::ETHERNET).is_ok_and(|program| program.asks_kernel())
}

fn names_tags(expression: &str) -> bool {
    words(expression).any(|word| word == "vlan")
}

fn moves_offsets(expression: &str) -> bool {
    words(expression).any(|word| matches!(word, "vlan" | "mpls" | "pppoes" | "geneve" | "vxlan"))
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
}

/// BSD loopback frames name the address family as the capturing machine does, in its byte order; a filter compiled here
/// compares with this machine's.
fn with_own_family<'a>(link: LinkType, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let Some((family, rest)) = bytes.split_first_chunk::<4>() else {
        return bytes;
    };
    let own: u32 = match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
        24 | 28 | 30 => 10,
        other => other,
    };
    scratch.clear();
    scratch.extend(match link {
        LinkType::LOOP => own.to_be_bytes(),
        _ => own.to_ne_bytes(),
    });
    scratch.extend_from_slice(rest);
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet, IPv4, UDP from port 1 to `port`; with a tag if asked.
    fn frame(port: u16, tagged: bool) -> Vec<u8> {
        let mut frame = vec![0; 12];
        if tagged {
            frame.extend([0x81, 0, 0, 5]);
        }
        frame.extend([8, 0]);
        frame.extend(ip(port));
        frame
    }

    fn ip(port: u16) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1,
        ];
        packet.extend(port.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    fn passes(filter: &mut Filter, link: LinkType, bytes: &[u8]) -> bool {
        filter.passes(link, bytes.len() as u32, bytes)
    }

    #[test]
    fn one_filter_serves_several_link_types() {
        let mut filter = Filter::for_files("udp port 53");
        for (port, expected) in [(53, true), (54, false)] {
            assert_eq!(
                passes(&mut filter, LinkType::ETHERNET, &frame(port, false)),
                expected
            );
            assert_eq!(passes(&mut filter, LinkType::RAW, &ip(port)), expected);
            assert_eq!(filter.passes_ip(&ip(port)), Some(expected));
        }
        assert_eq!(filter.programs.len(), 2);
        assert_eq!(filter.verdict(), Ok(()));
    }

    #[test]
    fn an_empty_expression_passes_everything() {
        let mut filter = Filter::for_files("");
        assert!(passes(&mut filter, LinkType::ETHERNET, &frame(1, false)));
        assert!(passes(&mut filter, LinkType::ETHERNET, &[]));
        assert_eq!(KernelFilter::Superset(" ").candidates(), [""]);
    }

    #[test]
    fn a_link_type_without_meaning_passes_nothing_and_is_counted() {
        let mut filter = Filter::for_files("ether host 00:00:00:00:00:00");
        assert!(!passes(&mut filter, LinkType::RAW, &ip(53)));
        assert_eq!(filter.uncompiled(), 1);
        assert_eq!(
            filter.verdict().unwrap_err().expression,
            "ether host 00:00:00:00:00:00"
        );
        assert!(passes(&mut filter, LinkType::ETHERNET, &frame(53, false)));
        assert_eq!(filter.verdict(), Ok(()));
        assert_eq!(filter.passes_ip(&ip(53)), None);
    }

    #[test]
    fn nonsense_is_refused_with_reason() {
        let error = Filter::check("port http and", LinkType::ETHERNET).unwrap_err();
        assert_eq!(error.expression, "port http and");
        assert!(!error.detail.is_empty());
        assert_eq!(Filter::check("tcp port 80", LinkType::ETHERNET), Ok(()));
        assert!(Filter::check("a\0b", LinkType::ETHERNET).is_err());
    }

    #[test]
    fn the_superset_keeps_tagged_frames_and_fragments() {
        let later_fragment = {
            let mut frame = frame(0xffff, false);
            frame[20] = 0;
            frame[21] = 3;
            frame
        };
        for expression in [
            "udp port 53",
            "not udp port 7",
            "vlan and udp port 53",
            "mpls or udp port 53",
        ] {
            let mut kernel = Filter::for_files(&kernel_superset(expression));
            assert!(
                passes(&mut kernel, LinkType::ETHERNET, &later_fragment),
                "{expression}"
            );
            let tagged = expression.contains("mpls")
                || passes(&mut kernel, LinkType::ETHERNET, &frame(53, true));
            assert!(tagged, "{expression}");
        }
        let mut kernel = Filter::for_files(&kernel_superset("udp port 53"));
        assert!(passes(&mut kernel, LinkType::ETHERNET, &frame(53, false)));
        assert!(!passes(&mut kernel, LinkType::ETHERNET, &frame(54, false)));
    }

    #[test]
    fn an_expression_about_tags_wants_them() {
        assert!(Filter::for_files("vlan 5 and port 80").wants_tags());
        assert!(!Filter::for_files("host vlan.example.org").wants_tags());
    }

    #[test]
    fn what_only_the_kernel_knows_is_left_to_it() {
        if Filter::check("inbound", LinkType::ETHERNET).is_err() {
            return; // a system whose kernel does not know it either
        }
        assert!(passes(
            &mut Filter::for_devices("inbound"),
            LinkType::ETHERNET,
            &frame(1, false)
        ));
        let mut filter = Filter::for_files("inbound");
        assert!(!passes(&mut filter, LinkType::ETHERNET, &frame(1, false)));
        assert!(filter.verdict().is_err());
    }
}

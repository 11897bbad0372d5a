//! The user's capture filter, in libpcap's expression language. A [`Filter`] holds one program for
//! each link type, compiled in advance or when the first frame of that type arrives.
//!
//! There are two uses. `--ngrep` uses the expression unchanged: either the kernel filters exactly,
//! or [`Filter`] does for frames from files. The message views install a wider filter in the kernel
//! ([`KernelFilter::Superset`]), remove VLAN tags from each frame and then run [`Filter`]. So `port
//! 80` also matches tagged frames, also under `not`, and later fragments of a datagram, which have
//! no ports, are available for reassembly. Tags are removed by the caller.
//!
//! The `pcap` crate imposes two limits: `ip broadcast` does not work, because the network mask is
//! not passed on, and host names are resolved when the filter is compiled.

use crate::frame::LinkType;

use super::bpf::Program;

/// A filter expression that libpcap rejects.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter {expression:?}: {detail}")]
pub struct FilterError {
    /// The expression as the user wrote it.
    pub expression: String,
    /// libpcap's message.
    pub detail: String,
}

/// A filter expression that runs in this process, on frames and on bare IP packets.
pub struct Filter {
    expression: String,
    /// Copy of a frame whose header must be rewritten for libpcap.
    scratch: Vec<u8>,
    live: bool,
    needs_vlan_tags: bool,
    /// One entry for each link type seen, a handful at most, so a linear search is fastest.
    programs: Vec<(LinkType, Result<Program, String>)>,
    /// Programs compiled in advance, for link types that have not been seen yet.
    prepared: Vec<(LinkType, Result<Program, String>)>,
    /// Index of the most recently used program.
    last: usize,
    raw_ip: Option<Result<Program, String>>,
    uncompiled: u64,
}

impl Filter {
    /// Creates a filter for frames from files. Compiles nothing yet; an empty expression passes
    /// everything.
    #[must_use]
    pub fn for_files(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            scratch: Vec::new(),
            live: false,
            needs_vlan_tags: mentions_vlan(expression),
            programs: Vec::new(),
            prepared: Vec::new(),
            last: 0,
            raw_ip: None,
            uncompiled: 0,
        }
    }

    /// Creates a filter for frames from a device whose kernel already runs this filter or a
    /// [`KernelFilter::Superset`] of it. Primitives that only the kernel can evaluate (`inbound`,
    /// `ifindex`) are taken as passed.
    #[must_use]
    pub fn for_devices(expression: &str) -> Self {
        Self {
            live: true,
            ..Self::for_files(expression)
        }
    }

    /// Compiles the expression now, for these link types and for bare IP packets. Required before
    /// the sandbox is entered, because names of hosts and ports cannot be resolved in it.
    pub fn prepare(&mut self, links: impl IntoIterator<Item = LinkType>) {
        for link in links {
            let program = Program::compile(&self.expression, link);
            self.prepared.push((link, program));
        }
        self.raw_ip = Some(Program::compile(&self.expression, LinkType::RAW));
    }

    /// Checks that libpcap accepts an expression for frames of a link type.
    ///
    /// # Errors
    /// libpcap rejects it; the error holds its message.
    pub fn check(expression: &str, link: LinkType) -> Result<(), FilterError> {
        match Program::compile(expression, link) {
            Ok(_) => Ok(()),
            Err(detail) => Err(FilterError {
                expression: expression.to_owned(),
                detail,
            }),
        }
    }

    /// Number of instructions that libpcap compiles an expression to for frames of a link type.
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

    /// The expression matches VLAN tags itself, so frames must be passed with their tags.
    #[must_use]
    pub fn needs_vlan_tags(&self) -> bool {
        self.needs_vlan_tags
    }

    /// Returns whether a frame passes. A frame of a link type for which the expression does not
    /// compile does not pass and is counted.
    ///
    /// `wire_len` is the frame's length on the wire in bytes, minus the removed tags.
    pub fn passes(&mut self, link: LinkType, wire_len: u32, bytes: &[u8]) -> bool {
        if self
            .programs
            .get(self.last)
            .is_none_or(|(known, _)| *known != link)
        {
            self.last = self.program_index(link);
        }
        let Some((_, Ok(program))) = self.programs.get(self.last) else {
            self.uncompiled += 1;
            return false;
        };
        let bytes = match link {
            LinkType::NULL | LinkType::LOOP => with_local_family(link, bytes, &mut self.scratch),
            _ => bytes,
        };
        (self.live && program.needs_kernel()) || program.passes(wire_len, bytes)
    }

    /// Returns whether an IP packet without a link header passes, for example a reassembled
    /// datagram. `None` if the expression does not apply to one (it names a hardware address, a tag
    /// or a direction).
    pub fn passes_ip(&mut self, packet: &[u8]) -> Option<bool> {
        let expression = &self.expression;
        let program = self
            .raw_ip
            .get_or_insert_with(|| Program::compile(expression, LinkType::RAW));
        let program = program
            .as_ref()
            .ok()
            .filter(|program| !program.needs_kernel())?;
        Some(program.passes(u32::try_from(packet.len()).unwrap_or(u32::MAX), packet))
    }

    /// Number of frames that did not pass because the expression does not compile for their link
    /// type.
    #[must_use]
    pub fn uncompiled(&self) -> u64 {
        self.uncompiled
    }

    /// Fails if frames were seen and the expression compiled for none of their link types. Meant
    /// for the end of a run, or after [`Self::passes`] returned false.
    ///
    /// # Errors
    /// libpcap's message for the first of those link types.
    pub fn compiled_for_any(&self) -> Result<(), FilterError> {
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

    /// Returns the index of a link type's program, compiling it if necessary.
    fn program_index(&mut self, link: LinkType) -> usize {
        if let Some(index) = self.programs.iter().position(|(known, _)| *known == link) {
            return index;
        }
        let ready = self.prepared.iter().position(|(known, _)| *known == link);
        let mut program = match ready {
            Some(index) => self.prepared.swap_remove(index).1,
            None => Program::compile(&self.expression, link),
        };
        if !self.live && program.as_ref().is_ok_and(Program::needs_kernel) {
            program =
                Err("a direction or an interface cannot be matched in a capture file".to_owned());
        }
        self.programs.push((link, program));
        self.programs.len() - 1
    }
}

/// The filter to install in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelFilter<'a> {
    /// Passes exactly what matches the expression, as libpcap interprets it.
    Exact(&'a str),
    /// Passes what matches the expression, every IP fragment and every tagged frame; a [`Filter`]
    /// then decides.
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

    /// Returns the text installed for frames of a link type and its number of instructions; `None`
    /// if no candidate compiles.
    #[must_use]
    pub fn compiled(&self, link: LinkType) -> Option<(String, usize)> {
        self.candidates().into_iter().find_map(|text| {
            let length = Filter::length(&text, link).ok()?;
            Some((text, length))
        })
    }

    /// Expressions to try, best first: not every link type has tags, and not every one carries IP.
    pub(super) fn candidates(&self) -> Vec<String> {
        match self {
            Self::Exact(expression) => vec![(*expression).to_owned()],
            Self::Superset(expression) if expression.trim().is_empty() => vec![String::new()],
            // The direction is not available after the kernel, so no superset is possible. Losing
            // later fragments is better than showing the wrong direction.
            Self::Superset(expression) if needs_kernel(expression) => {
                vec![(*expression).to_owned()]
            }
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

/// Matches every fragment of IPv4 (more fragments, or a nonzero offset) and of IPv6.
const FRAGMENTS: &str = "(ip[6:2] & 0x3fff != 0) or (ip6[6] = 44)";

/// Returns an expression that passes all frames matching `expression`, tagged or not, and all
/// fragments.
///
/// The order matters: in libpcap's language, `vlan` shifts the offsets of everything *after* it, so
/// `vlan` must come last. No `vlan` is added to an expression that shifts offsets itself (`vlan`,
/// `mpls`, `pppoes`).
#[must_use]
pub fn kernel_superset(expression: &str) -> String {
    if moves_offsets(expression) {
        format!("{FRAGMENTS} or ({expression})")
    } else {
        format!("{FRAGMENTS} or ({expression}) or vlan")
    }
}

fn needs_kernel(expression: &str) -> bool {
    Program::compile(expression, LinkType::ETHERNET).is_ok_and(|program| program.needs_kernel())
}

fn mentions_vlan(expression: &str) -> bool {
    words(expression).any(|word| word == "vlan")
}

fn moves_offsets(expression: &str) -> bool {
    words(expression).any(|word| matches!(word, "vlan" | "mpls" | "pppoes" | "geneve" | "vxlan"))
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
}

/// Rewrites the address family of a BSD loopback frame. The frame holds the value and byte order of
/// the machine that captured it; a program compiled here compares with this machine's.
fn with_local_family<'a>(link: LinkType, bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
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

    /// Ethernet, IPv4, UDP from port 1 to `port`; with a VLAN tag if `tagged`.
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
        assert_eq!(filter.compiled_for_any(), Ok(()));
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
            filter.compiled_for_any().unwrap_err().expression,
            "ether host 00:00:00:00:00:00"
        );
        assert!(passes(&mut filter, LinkType::ETHERNET, &frame(53, false)));
        assert_eq!(filter.compiled_for_any(), Ok(()));
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
    fn an_expression_about_tags_needs_them() {
        assert!(Filter::for_files("vlan 5 and port 80").needs_vlan_tags());
        assert!(!Filter::for_files("host vlan.example.org").needs_vlan_tags());
    }

    #[test]
    fn what_only_the_kernel_knows_is_left_to_it() {
        if Filter::check("inbound", LinkType::ETHERNET).is_err() {
            return; // this system does not support it
        }
        assert!(passes(
            &mut Filter::for_devices("inbound"),
            LinkType::ETHERNET,
            &frame(1, false)
        ));
        let mut filter = Filter::for_files("inbound");
        assert!(!passes(&mut filter, LinkType::ETHERNET, &frame(1, false)));
        assert!(filter.compiled_for_any().is_err());
    }
}

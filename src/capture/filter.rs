//! Capture filters, in tcpdump's language, compiled and run by libpcap.

use pcap::{BpfProgram, Capture, Linktype};

use crate::frame::LinkType;

use super::CaptureError;

/// A filter that is run on frames of any link type: compiled for each when it first comes.
pub struct Filter {
    text: String,
    /// A frame as libpcap wants it, where that is not as it came.
    scratch: Vec<u8>,
    compiled: Vec<(LinkType, Option<BpfProgram>)>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({:?})", self.text)
    }
}

impl Filter {
    /// A filter, tried on `link`.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn new(text: &str, link: LinkType) -> Result<Self, CaptureError> {
        let program = compile(text, link).map_err(|detail| CaptureError::Filter {
            filter: text.to_owned(),
            detail,
        })?;
        Ok(Self {
            text: text.to_owned(),
            scratch: Vec::new(),
            compiled: vec![(link, Some(program))],
        })
    }

    /// Whether the filter speaks of VLAN tags itself, and so must see them.
    #[must_use]
    pub fn wants_tags(&self) -> bool {
        self.text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word == "vlan")
    }

    /// Whether a frame's bytes pass. Where the filter does not compile for a link type, nothing passes.
    pub fn passes(&mut self, link: LinkType, bytes: &[u8]) -> bool {
        let at = self
            .compiled
            .iter()
            .position(|(known, _)| *known == link)
            .unwrap_or_else(|| {
                self.compiled.push((link, compile(&self.text, link).ok()));
                self.compiled.len() - 1
            });
        let bytes = match link {
            LinkType::NULL | LinkType::LOOP => with_own_family(link, bytes, &mut self.scratch),
            _ => bytes,
        };
        match self.compiled.get(at) {
            Some((_, Some(program))) => program.filter(bytes),
            _ => false,
        }
    }
}

/// Whether `text` is a filter for `link`; libpcap's words when it is none.
///
/// # Errors
/// libpcap's words.
pub fn compile(text: &str, link: LinkType) -> Result<BpfProgram, String> {
    let capture = Capture::dead(Linktype(dlt(link))).map_err(|error| error.to_string())?;
    capture.compile(text, true).map_err(|error| match error {
        pcap::Error::PcapError(text) => text
            .trim_start_matches("can't parse filter expression: ")
            .to_owned(),
        other => other.to_string(),
    })
}

/// What the kernel is asked to let through, so that everything that may pass the user's filter does: tagged frames
/// and later fragments too. The last, as libpcap's `vlan` changes what the words behind it mean.
#[must_use]
pub fn superset(text: &str, with_vlan: bool) -> String {
    let vlan = if with_vlan { " or vlan" } else { "" };
    format!("({text}) or (ip[6:2] & 0x1fff != 0) or (ip6[6] == 44){vlan}")
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
    scratch.extend(if link == LinkType::LOOP {
        own.to_be_bytes()
    } else {
        own.to_ne_bytes()
    });
    scratch.extend_from_slice(rest);
    scratch
}

/// libpcap's number for a link type of the registry: raw IP is 12 on Linux.
fn dlt(link: LinkType) -> i32 {
    match link {
        LinkType::RAW => 12,
        LinkType(other) => i32::try_from(other).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP from port 1 to port 2.
    fn udp(ethernet: bool) -> Vec<u8> {
        let mut bytes = if ethernet {
            [&[0; 12][..], &[8, 0]].concat()
        } else {
            Vec::new()
        };
        bytes.extend([
            0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ]);
        bytes.extend([0, 1, 0, 2, 0, 10, 0, 0, b'h', b'i']);
        bytes
    }

    #[test]
    fn one_filter_serves_all_link_types() {
        let mut filter = Filter::new("udp port 2", LinkType::ETHERNET).unwrap();
        assert!(filter.passes(LinkType::ETHERNET, &udp(true)));
        assert!(filter.passes(LinkType::RAW, &udp(false)));
        let mut other = Filter::new("tcp", LinkType::ETHERNET).unwrap();
        assert!(!other.passes(LinkType::RAW, &udp(false)));
    }

    #[test]
    fn a_filter_that_is_none_says_why() {
        let CaptureError::Filter { filter, detail } =
            Filter::new("prot 80", LinkType::ETHERNET).unwrap_err()
        else {
            panic!("another error")
        };
        assert_eq!(filter, "prot 80");
        assert!(
            !detail.is_empty() && !detail.contains("can't parse"),
            "{detail}"
        );
    }

    #[test]
    fn the_kernels_filter_lets_more_through() {
        for text in ["tcp port 80", "not tcp", "host 10.0.0.1 or arp"] {
            compile(&superset(text, true), LinkType::ETHERNET).unwrap();
            compile(&superset(text, false), LinkType::LINUX_SLL).unwrap();
        }
        assert!(
            Filter::new("vlan 5 and tcp", LinkType::ETHERNET)
                .unwrap()
                .wants_tags()
        );
        assert!(!Filter::new("tcp", LinkType::ETHERNET).unwrap().wants_tags());
    }
}

//! Conversion between libpcap's two numberings of link types: `LINKTYPE_` in files, which
//! [`LinkType`] uses, and `DLT_` in calls, which depends on the system. The two agree except for
//! the values below, which are those of libpcap's `pcap-common.c`.

use crate::frame::LinkType;

/// `(LINKTYPE_, DLT_)` pairs that differ on this system: ATM, raw IP, SLIP and PPP of BSD/OS,
/// classical IP over ATM, pfsync.
#[cfg(not(target_os = "openbsd"))]
const DIFFERENT: [(u32, i32); 6] = [
    (100, 11),
    (101, 12),
    (102, 15),
    (103, 16),
    (106, 19),
    (246, 18),
];
/// As above for OpenBSD, where raw IP is 14 and 12 is loopback.
#[cfg(target_os = "openbsd")]
const DIFFERENT: [(u32, i32); 5] = [(100, 11), (101, 14), (108, 12), (109, 13), (246, 18)];

/// Converts to the number that libpcap's calls use.
pub(super) fn dlt(link: LinkType) -> pcap::Linktype {
    let known = DIFFERENT.iter().find(|(file, _)| *file == link.0);
    pcap::Linktype(known.map_or(i32::try_from(link.0).unwrap_or(-1), |(_, call)| *call))
}

/// Converts from the number that libpcap's calls use.
pub(super) fn link_type(dlt: pcap::Linktype) -> LinkType {
    let known = DIFFERENT.iter().find(|(_, call)| *call == dlt.0);
    LinkType(known.map_or(u32::try_from(dlt.0).unwrap_or(u32::MAX), |(file, _)| *file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_ip_has_another_number_in_calls_than_in_files() {
        assert_eq!(dlt(LinkType::ETHERNET).0, 1);
        assert_ne!(dlt(LinkType::RAW).0, 101);
        for link in [0, 1, 9, 50, 100, 101, 104, 105, 113, 127, 228, 246, 276] {
            assert_eq!(link_type(dlt(LinkType(link))), LinkType(link));
        }
    }
}

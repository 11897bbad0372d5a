//! *Foreign* frames: names for what a non-IP frame carries, and counters per kind.
//!
//! The counters have a fixed size ([`Kinds`]); further kinds share one counter.

use std::fmt;

/// What a non-IP frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// An `EtherType` (IEEE 802 numbers).
    EtherType(u16),
    /// A destination service access point (IEEE 802.2).
    Lsap(u8),
    /// An organisation and its protocol number (SNAP, IEEE 802).
    Snap(u32, u16),
    /// A network layer protocol identifier (ISO/IEC TR 9577), used by frame relay.
    Nlpid(u8),
    /// A PPP protocol number (RFC 1661 section 2).
    Ppp(u16),
    /// An address family in a loopback header.
    Family(u32),
    /// An IEEE 802.11 frame.
    Wireless(Wireless),
    /// A capture header with no packet after it.
    Nothing,
}

/// IEEE 802.11 frames without a readable packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wireless {
    /// Management: beacons, probes, associations.
    Management,
    /// Control: acknowledgements, requests to send.
    Control,
    /// Data frame without payload.
    Empty,
    /// Encrypted data.
    Encrypted,
    /// Several packets in one frame (A-MSDU).
    Aggregate,
    /// An unknown receiver header, or a reserved type.
    Unknown,
}

/// Common `EtherType`s.
const ETHER_TYPES: [(u16, &str); 45] = [
    (0x0806, "ARP"),
    (0x0842, "Wake-on-LAN"),
    (0x2000, "CDP"),
    (0x22ea, "SRP"),
    (0x22f0, "AVTP"),
    (0x22f3, "TRILL"),
    (0x22f4, "IS-IS"),
    (0x4305, "batman-adv"),
    (0x6002, "DECnet MOP"),
    (0x6003, "DECnet"),
    (0x6558, "bridged Ethernet"),
    (0x8035, "RARP"),
    (0x809b, "AppleTalk"),
    (0x80f3, "AppleTalk ARP"),
    (0x8137, "IPX"),
    (0x8808, "Ethernet flow control"),
    (0x8809, "LACP"),
    (0x8847, "MPLS"),
    (0x8848, "MPLS multicast"),
    (0x8863, "PPPoE discovery"),
    (0x886d, "Intel ANS"),
    (0x8874, "Broadcom"),
    (0x887b, "HomePlug"),
    (0x888e, "EAPOL"),
    (0x8892, "PROFINET"),
    (0x8899, "Realtek"),
    (0x88a2, "ATA over Ethernet"),
    (0x88a4, "EtherCAT"),
    (0x88b8, "GOOSE"),
    (0x88ba, "IEC 61850 sampled values"),
    (0x88c7, "802.11 pre-authentication"),
    (0x88cc, "LLDP"),
    (0x88e1, "HomePlug AV"),
    (0x88e3, "MRP"),
    (0x88e5, "MACsec"),
    (0x88f5, "MVRP"),
    (0x88f7, "PTP"),
    (0x88f8, "NC-SI"),
    (0x88fb, "HSR/PRP supervision"),
    (0x8902, "CFM"),
    (0x8906, "FCoE"),
    (0x8914, "FCoE initialization"),
    (0x8915, "RoCE"),
    (0x893a, "IEEE 1905"),
    (0x9000, "Ethernet loopback"),
];

/// IEEE 802.2 service access points.
const LSAPS: [(u8, &str); 5] = [
    (0x42, "STP"),
    (0xe0, "IPX over 802.2"),
    (0xf0, "NetBIOS"),
    (0xfe, "ISO network layer"),
    (0xff, "IPX over raw 802.3"),
];

/// Organisations and their protocol numbers (SNAP).
const SNAPS: [(u32, u16, &str); 7] = [
    (0x00_000c, 0x010b, "PVST+"),
    (0x00_000c, 0x0111, "UDLD"),
    (0x00_000c, 0x2000, "CDP"),
    (0x00_000c, 0x2003, "VTP"),
    (0x00_000c, 0x2004, "DTP"),
    (0x00_e02b, 0x00bb, "EDP"),
    (0x08_0007, 0x809b, "AppleTalk"),
];

/// PPP protocols other than IP, mostly those of link setup.
const PPPS: [(u16, &str); 12] = [
    (0x003d, "PPP multilink"),
    (0x0053, "PPP encryption"),
    (0x00fb, "PPP compression of a link"),
    (0x00fd, "PPP compression"),
    (0x8021, "IPCP"),
    (0x8057, "IPV6CP"),
    (0x80fd, "CCP"),
    (0xc021, "LCP"),
    (0xc023, "PAP"),
    (0xc025, "LQR"),
    (0xc223, "CHAP"),
    (0xc227, "PPP EAP"),
];

impl Foreign {
    /// The common name of the protocol.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        fn of<K: PartialEq>(table: &[(K, &'static str)], key: &K) -> Option<&'static str> {
            let found = table.iter().find(|(number, _)| number == key);
            found.map(|(_, name)| *name)
        }
        match self {
            Self::EtherType(number) => of(&ETHER_TYPES, &number),
            Self::Lsap(number) => of(&LSAPS, &number),
            Self::Snap(organisation, protocol) => SNAPS
                .iter()
                .find(|row| (row.0, row.1) == (organisation, protocol))
                .map(|row| row.2),
            Self::Ppp(number) => of(&PPPS, &number),
            Self::Nlpid(_) | Self::Family(_) => None,
            Self::Wireless(kind) => Some(match kind {
                Wireless::Management => "802.11 management",
                Wireless::Control => "802.11 control",
                Wireless::Empty => "802.11 data without content",
                Wireless::Encrypted => "802.11 encrypted data",
                Wireless::Aggregate => "802.11 aggregate",
                Wireless::Unknown => "802.11 of an unknown kind",
            }),
            Self::Nothing => Some("log without a packet"),
        }
    }
}

/// The common name, else the kind of number and its value: `ARP`, `EtherType 0x8926`.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            return f.write_str(name);
        }
        match self {
            Self::EtherType(number) => write!(f, "EtherType 0x{number:04x}"),
            Self::Lsap(number) => write!(f, "802.2 SAP 0x{number:02x}"),
            Self::Snap(organisation, protocol) => {
                write!(f, "SNAP 0x{organisation:06x}:{protocol:04x}")
            }
            Self::Nlpid(number) => write!(f, "NLPID 0x{number:02x}"),
            Self::Ppp(number) => write!(f, "PPP protocol 0x{number:04x}"),
            Self::Family(number) => write!(f, "address family {number}"),
            // Unreachable: all of these have names.
            Self::Wireless(_) | Self::Nothing => Ok(()),
        }
    }
}

/// The number of kinds with a counter of their own. Further kinds share one counter.
const KINDS: usize = 24;

/// Counters per kind; `K` is the kind.
#[derive(Clone, Copy, Debug)]
pub struct Kinds<K> {
    kinds: [Option<(K, u64)>; KINDS],
    others: u64,
}

impl<K: Copy> Default for Kinds<K> {
    fn default() -> Self {
        Self {
            kinds: [None; KINDS],
            others: 0,
        }
    }
}

impl<K: Copy + PartialEq> Kinds<K> {
    /// Counts one item of a kind.
    pub fn count(&mut self, kind: K) {
        for place in &mut self.kinds {
            match place {
                Some((known, many)) if *known == kind => return *many += 1,
                Some(_) => {}
                None => return *place = Some((kind, 1)),
            }
        }
        self.others += 1;
    }

    /// The total of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, many)| many).sum::<u64>() + self.others
    }

    /// The kinds in order of first occurrence, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.kinds.iter().copied().flatten()
    }

    /// The count of the kinds without a counter of their own.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_or_a_number_and_no_two_of_a_table_are_one() {
        for (kind, want) in [
            (Foreign::EtherType(0x0806), "ARP"),
            (Foreign::EtherType(0x8926), "EtherType 0x8926"),
            (Foreign::Lsap(0x42), "STP"),
            (Foreign::Lsap(0x02), "802.2 SAP 0x02"),
            (Foreign::Snap(0x0c, 0x2000), "CDP"),
            (Foreign::Snap(0x0c, 1), "SNAP 0x00000c:0001"),
            (Foreign::Ppp(0xc021), "LCP"),
            (Foreign::Ppp(0x4021), "PPP protocol 0x4021"),
            (Foreign::Family(7), "address family 7"),
            (Foreign::Nlpid(0x81), "NLPID 0x81"),
            (Foreign::Wireless(Wireless::Control), "802.11 control"),
            (Foreign::Nothing, "log without a packet"),
        ] {
            assert_eq!(kind.to_string(), want);
        }
        assert!(ETHER_TYPES.is_sorted_by(|one, next| one.0 < next.0));
        assert!(LSAPS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(PPPS.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn more_kinds_than_have_a_place_are_counted_together() {
        let mut kinds = Kinds::default();
        for kind in (0..30).chain([3, 29]) {
            kinds.count(kind);
        }
        assert_eq!((kinds.total(), kinds.others()), (32, 7));
        assert_eq!(kinds.iter().nth(3), Some((3, 2)));
    }
}

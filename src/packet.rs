//! The *packet*: the result of decoding a frame ([`crate::decode`]).
//!
//! A packet is always IP. A frame without IP yields an [`Undecoded`] instead.

use std::fmt;
use std::net::IpAddr;

use crate::flow::Endpoint;
use crate::foreign::Foreign;
use crate::frame::Timestamp;

/// IANA protocol numbers that the program treats by name.
pub mod protocol {
    #![allow(missing_docs, reason = "the names are IANA's")]
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;

    /// ngrep's letter for a protocol: `T`, `U`, `I`, `G`, and `?` for all others.
    #[must_use]
    pub fn letter(number: u8) -> char {
        match number {
            TCP => 'T',
            UDP => 'U',
            ICMP | ICMPV6 => 'I',
            IGMP => 'G',
            _ => '?',
        }
    }
}

/// The [path](Packet::path) of a packet whose only encapsulation is this VLAN tag.
#[must_use]
pub const fn path_of(vlan: u16) -> u32 {
    (vlan as u32 + 1).wrapping_mul(0x9e37_79b1)
}

/// The VLAN of a path that consists of one tag. A path of several tags or tunnels is mistaken for
/// one in about one case in a million.
#[must_use]
pub fn vlan_of(path: u32) -> Option<u16> {
    /// The inverse of the multiplier in [`path_of`], modulo 2^32.
    const INVERSE: u32 = 0x0e8b_2f51;
    let tag = path.wrapping_mul(INVERSE).checked_sub(1)?;
    u16::try_from(tag)
        .ok()
        .filter(|tag| (1..4096).contains(tag))
}

/// One IP packet, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the frame it came in.
    pub frame: u64,
    /// When that frame was captured.
    pub ts: Timestamp,
    /// A hash of the VLAN tags and tunnel identifiers outside of this IP header; 0 for none. Equal
    /// addresses on different paths are different flows.
    pub path: u32,
    /// Tunnels that were decapsulated; [`crate::limits::TUNNELS`] + 1 if one more was left on.
    pub tunnels: u8,
    /// The outermost of them.
    pub tunnel: Option<Tunnel>,
    /// The packet was decapsulated from a datagram that may not belong to a tunnel: neither its
    /// port nor its content proves it. The bytes around the packet in that datagram are searched as
    /// well (`decode::around`).
    pub doubtful: bool,
    /// The (innermost) IP header.
    pub ip: Ip,
    /// The bytes of an IPv4 header. `[]` for IPv6, whose header has no checksum, and for a
    /// reassembled datagram.
    pub ip_header: &'a [u8],
    /// The transport header. [`Transport::Other`] for a later fragment and for a header that was
    /// cut.
    pub transport: Transport,
    /// All captured bytes after the IP headers, within the length that the IP header declares. The
    /// defragmenter and the checksums use these.
    pub ip_payload: &'a [u8],
    /// The bytes after the transport header, the tail of `ip_payload`. For ICMP and IGMP: after the
    /// first four bytes.
    pub payload: &'a [u8],
    /// Payload bytes that the headers declare and the snap length cut off.
    pub cut: u32,
}

/// A tunnel. The sender of the outer packet chooses everything inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// Its kind, in lower case: `vxlan`.
    pub name: &'static str,
    /// Source address of the outer packet.
    pub src: IpAddr,
    /// Destination address of the outer packet.
    pub dst: IpAddr,
}

impl Packet<'_> {
    /// The ports; 0 for a protocol without ports.
    #[must_use]
    #[inline]
    pub fn ports(&self) -> Ports {
        match self.transport {
            Transport::Tcp(Tcp { ports, .. }) | Transport::Udp(ports) => ports,
            Transport::Icmp(..) | Transport::Igmp(..) | Transport::Other => {
                Ports { src: 0, dst: 0 }
            }
        }
    }

    /// Sender and receiver; port 0 for a protocol without ports.
    #[must_use]
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        let ports = self.ports();
        let end = |addr, port| Endpoint { addr, port };
        (end(self.ip.src, ports.src), end(self.ip.dst, ports.dst))
    }

    /// The options of a TCP segment; empty if the header is cut or is not TCP's.
    #[must_use]
    #[inline]
    pub fn options(&self) -> TcpOptions {
        let header = self.ip_payload.len().wrapping_sub(self.payload.len());
        TcpOptions::of(self.ip_payload.get(20..header).unwrap_or_default())
    }

    /// Whether it is a TCP segment with a wrong checksum, its own or that of its IPv4 header.
    ///
    /// A header checksum of 0 was not computed yet: the sender leaves it to its network card (RFC
    /// 791 section 3.1).
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.has_wrong_header_sum() || self.has_wrong_sum()
    }

    /// Whether the checksum of its IPv4 header is wrong.
    #[must_use]
    pub fn has_wrong_header_sum(&self) -> bool {
        self.ip_header
            .get(10..12)
            .is_some_and(|field| field != [0, 0] && fold(sum(self.ip_header)) != 0xffff)
    }

    /// Whether it is a TCP segment whose checksum (RFC 9293 section 3.1) is wrong.
    ///
    /// A field that holds the sum of the pseudo-header alone is accepted: the sender leaves the
    /// rest to its network card, and the capture sees the segment before it. A segment that was cut
    /// cannot be verified and is accepted.
    #[must_use]
    pub fn has_wrong_sum(&self) -> bool {
        let (Transport::Tcp(_), Some(field), 0) =
            (&self.transport, self.ip_payload.get(16..18), self.cut)
        else {
            return false;
        };
        let mut pseudo = u64::from(u16::from(self.ip.protocol).to_be());
        for addr in [&self.ip.src, &self.ip.dst] {
            pseudo += match addr {
                IpAddr::V4(addr) => u64::from(u32::from_ne_bytes(addr.octets())),
                IpAddr::V6(addr) => sum(&addr.octets()),
            };
        }
        let whole = pseudo + u64::from((self.ip_payload.len() as u32).to_be());
        // The checksum field is part of the sum, so a correct segment sums to all ones.
        if fold(whole + sum(self.ip_payload)) == 0xffff {
            return false;
        }
        // The pseudo-header sum of a segment that the card will split (TSO) excludes the length.
        let field = fold(sum(field));
        field != fold(whole) && field != fold(pseudo)
    }
}

/// The sum of native-endian 16-bit words, with an odd last byte padded by a zero. Four words are
/// added at a time, which gives the same sum once the carries are folded in. The byte order only
/// swaps the bytes of the sum (RFC 1071 section 2).
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (fours, rest) = bytes.as_chunks::<8>();
    let (twos, rest) = rest.as_chunks::<4>();
    let last = match *rest {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    let mut sum = u128::from(u32::from_ne_bytes(last));
    for two in twos {
        sum += u128::from(u32::from_ne_bytes(*two));
    }
    // One chain of additions: most segments are too short to profit from several.
    for four in fours {
        sum += u128::from(u64::from_ne_bytes(*four));
    }
    let words = sum as u64;
    (words & 0xffff_ffff) + (words >> 32) + (sum >> 64) as u64
}

/// Folds the carries into 16 bits (RFC 1071 section 4.1).
pub(crate) fn fold(sum: u64) -> u64 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) + (sum >> 16)
}

/// The fields of an IPv4 header, or of an IPv6 header with its extension headers.
#[derive(Clone, Copy, Debug)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number of the header after the last IP (extension) header that was parsed.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Set if this is a fragment of a datagram.
    pub fragment: Option<Fragment>,
}

/// The position of a fragment (RFC 791 section 3.2, RFC 8200 section 4.5). An IPv6 atomic fragment
/// is treated as unfragmented.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Identification: 16 bits for IPv4, 32 for IPv6.
    pub id: u32,
    /// Offset of its first byte in the datagram's payload, in bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
}

/// The transport header.
#[derive(Clone, Copy, Debug)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp(Tcp),
    /// UDP (RFC 768).
    Udp(Ports),
    /// ICMP or `ICMPv6`: type and code.
    Icmp(u8, u8),
    /// IGMP: type and the byte after it.
    Igmp(u8, u8),
    /// Anything else.
    Other,
}

/// Source and destination port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
}

/// The fields of a TCP header.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number of the first payload byte, or of the SYN if it is set.
    pub seq: u32,
    /// Acknowledgement number; meaningless without [`TcpFlags::ACK`].
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as sent, unscaled.
    pub window: u16,
    /// Window scale option (RFC 7323); only on a SYN.
    pub window_scale: Option<u8>,
    /// Urgent pointer; meaningless without [`TcpFlags::URG`].
    pub urgent: u16,
}

/// What the options of a TCP header say about whether its receiver takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpOptions {
    /// It is signed: MD5 (RFC 2385) or TCP-AO (RFC 5925).
    pub signed: bool,
    /// Its timestamp (RFC 7323 section 3).
    pub stamp: Option<u32>,
}

impl TcpOptions {
    /// What the bytes of the options say.
    #[must_use]
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        match *bytes {
            [] => Self::default(),
            // As most systems have it, and nothing else.
            [1, 1, 8, 10, a, b, c, d, _, _, _, _] => Self {
                signed: false,
                stamp: Some(u32::from_be_bytes([a, b, c, d])),
            },
            _ => Self::walk(bytes),
        }
    }

    #[inline(never)]
    fn walk(mut bytes: &[u8]) -> Self {
        let mut found = Self::default();
        loop {
            bytes = match bytes {
                [] | [0, ..] => return found,
                [1, rest @ ..] => rest,
                [kind, len, rest @ ..] => {
                    match (kind, len, rest) {
                        (19, 18, _) | (29, _, _) => found.signed = true,
                        (8, 10, [a, b, c, d, ..]) => {
                            found.stamp = Some(u32::from_be_bytes([*a, *b, *c, *d]));
                        }
                        _ => {}
                    }
                    match usize::from(*len)
                        .checked_sub(2)
                        .and_then(|len| rest.get(len..))
                    {
                        Some(rest) => rest,
                        None => return found,
                    }
                }
                [_] => return found,
            }
        }
    }
}

/// The eight flag bits of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpFlags(pub u8);

#[allow(missing_docs, reason = "the names are TCP's")]
impl TcpFlags {
    pub const FIN: Self = Self(0x01);
    pub const SYN: Self = Self(0x02);
    pub const RST: Self = Self(0x04);
    pub const PSH: Self = Self(0x08);
    pub const ACK: Self = Self(0x10);
    pub const URG: Self = Self(0x20);
    pub const ECE: Self = Self(0x40);
    pub const CWR: Self = Self(0x80);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag is set.
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }
}

/// ngrep's letters in ngrep's order, `ASRFUPEC`; empty if no flag is set.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(TcpFlags, &str); 8] = [
            (TcpFlags::ACK, "A"),
            (TcpFlags::SYN, "S"),
            (TcpFlags::RST, "R"),
            (TcpFlags::FIN, "F"),
            (TcpFlags::URG, "U"),
            (TcpFlags::PSH, "P"),
            (TcpFlags::ECE, "E"),
            (TcpFlags::CWR, "C"),
        ];
        for (flag, letter) in LETTERS {
            if self.has(flag) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// Why a frame yields no packet; each reason is counted in [`crate::stats::DecodeStats`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecoded {
    /// It carries a protocol other than IP: ARP, LLDP, ...
    NotIp(Foreign),
    /// An unsupported link type.
    LinkType(u32),
    /// Cut before the end of the link-layer or IP header.
    Cut,
    /// An inconsistent IP header: wrong version, or a length below the minimum.
    Malformed,
}

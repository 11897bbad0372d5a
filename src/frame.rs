//! The *frame*: link-layer bytes as captured, with their time.
//!
//! Nothing here interprets the bytes; [`crate::decode`] does.

use std::fmt;
use std::num::NonZeroU64;

/// A capture time in nanoseconds since 1970-01-01 UTC.
///
/// It is the program's only clock: no stage after the source asks the operating system for the
/// time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(
    /// Stored with an offset so that 0 is never used: `Option<Timestamp>` is 8 bytes.
    NonZeroU64,
);

impl Timestamp {
    /// From nanoseconds since 1970. `i64::MIN` becomes `i64::MIN + 1`.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        match NonZeroU64::new(nanos.cast_unsigned() ^ SIGN) {
            Some(nanos) => Self(nanos),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// From seconds and nanoseconds since 1970, clamped to the range of `i64` nanoseconds.
    #[must_use]
    pub const fn new(seconds: i64, nanos: i64) -> Self {
        Self::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// From nanoseconds since 1970 of any size, clamped to [`EARLIEST`](Self::EARLIEST) and
    /// [`LATEST`](Self::LATEST). Returns whether the value was clamped.
    #[must_use]
    pub const fn held(nanos: i128) -> (Self, bool) {
        if nanos < Self::EARLIEST.nanos() as i128 {
            (Self::EARLIEST, true)
        } else if nanos > Self::LATEST.nanos() as i128 {
            (Self::LATEST, true)
        } else {
            (Self::from_nanos(nanos as i64), false)
        }
    }

    /// The earliest time that a capture can have, in 1678; the latest is in 2261. Both are months
    /// away from the ends of the range, so that adding a timeout does not overflow.
    pub const EARLIEST: Self = Self::new(-9_214_646_400, 0);
    /// See [`EARLIEST`](Self::EARLIEST).
    pub const LATEST: Self = Self::new(9_214_646_400, 0);

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.nanos().div_euclid(1_000_000_000)
    }

    /// The nanoseconds after [`Self::seconds`], 0 to 999,999,999.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        self.nanos().rem_euclid(1_000_000_000) as u32
    }

    /// Nanoseconds from `earlier` to `self`; negative if the clock of the capture went back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.nanos().saturating_sub(earlier.nanos())
    }

    /// The time `nanos` after this one; `None` if it is outside the range, so that it never comes.
    #[must_use]
    pub const fn after(self, nanos: i64) -> Option<Self> {
        match self.nanos().checked_add(nanos) {
            Some(nanos) => Some(Self::from_nanos(nanos)),
            None => None,
        }
    }

    /// The time `nanos` after this one, clamped to the range.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        Self::from_nanos(self.nanos().saturating_add(nanos))
    }
}

/// The bit whose flip maps signed numbers to unsigned ones in the same order.
const SIGN: u64 = 1 << 63;

/// 1970-01-01.
impl Default for Timestamp {
    fn default() -> Self {
        Self::from_nanos(0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.nanos()).finish()
    }
}

/// A span of capture time, open at either end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Its first moment; `None`: it has no beginning.
    pub since: Option<Timestamp>,
    /// The first moment after it; `None`: it has no end.
    pub until: Option<Timestamp>,
}

impl Span {
    /// Whether a moment lies in the span.
    #[must_use]
    pub fn contains(&self, ts: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= ts) && self.until.is_none_or(|until| ts < until)
    }

    /// Whether it contains every moment.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }
}

/// The kind of link-layer header a frame starts with: a `LINKTYPE_` value of
/// <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct LinkType(pub u32);

#[allow(missing_docs, reason = "the names are those of the registry")]
impl LinkType {
    pub const NULL: Self = Self(0);
    pub const ETHERNET: Self = Self(1);
    pub const TOKEN_RING: Self = Self(6);
    pub const SLIP: Self = Self(8);
    pub const PPP: Self = Self(9);
    pub const FDDI: Self = Self(10);
    pub const PPP_SERIAL: Self = Self(50);
    pub const PPP_ETHER: Self = Self(51);
    pub const ATM_RFC1483: Self = Self(100);
    pub const RAW: Self = Self(101);
    pub const C_HDLC: Self = Self(104);
    pub const IEEE802_11: Self = Self(105);
    pub const FRELAY: Self = Self(107);
    pub const LOOP: Self = Self(108);
    pub const ENC: Self = Self(109);
    pub const LINUX_SLL: Self = Self(113);
    pub const PFLOG: Self = Self(117);
    pub const IP_OVER_FC: Self = Self(122);
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    pub const APPLE_IP_OVER_IEEE1394: Self = Self(138);
    pub const PPP_PPPD: Self = Self(166);
    pub const PPI: Self = Self(192);
    pub const PPP_WITH_DIR: Self = Self(204);
    pub const C_HDLC_WITH_DIR: Self = Self(205);
    pub const FRELAY_WITH_DIR: Self = Self(206);
    pub const IPNET: Self = Self(226);
    pub const IPV4: Self = Self(228);
    pub const IPV6: Self = Self(229);
    pub const NFLOG: Self = Self(239);
    pub const IPOIB: Self = Self(242);
    pub const PKTAP: Self = Self(258);
    pub const LINUX_SLL2: Self = Self(276);
    pub const DSA_TAG_BRCM: Self = Self(281);
    pub const DSA_TAG_BRCM_PREPEND: Self = Self(282);
    pub const DSA_TAG_DSA: Self = Self(284);
    pub const DSA_TAG_EDSA: Self = Self(285);
}

impl LinkType {
    /// The supported link types: the ones above, the older numbers of raw IP, two of Wi-Fi (Prism,
    /// AVS), and the provisional number of PKTAP.
    pub const KNOWN: [Self; 41] = [
        Self::NULL,
        Self::ETHERNET,
        Self::TOKEN_RING,
        Self::SLIP,
        Self::PPP,
        Self::FDDI,
        Self(12),
        Self(14),
        Self::PPP_SERIAL,
        Self::PPP_ETHER,
        Self::ATM_RFC1483,
        Self::RAW,
        Self::C_HDLC,
        Self::IEEE802_11,
        Self::FRELAY,
        Self::LOOP,
        Self::ENC,
        Self::LINUX_SLL,
        Self::PFLOG,
        Self(119),
        Self::IP_OVER_FC,
        Self::IEEE802_11_RADIOTAP,
        Self::APPLE_IP_OVER_IEEE1394,
        Self(149),
        Self(163),
        Self::PPP_PPPD,
        Self::PPI,
        Self::PPP_WITH_DIR,
        Self::C_HDLC_WITH_DIR,
        Self::FRELAY_WITH_DIR,
        Self::IPNET,
        Self::IPV4,
        Self::IPV6,
        Self::NFLOG,
        Self::IPOIB,
        Self::PKTAP,
        Self::LINUX_SLL2,
        Self::DSA_TAG_BRCM,
        Self::DSA_TAG_BRCM_PREPEND,
        Self::DSA_TAG_DSA,
        Self::DSA_TAG_EDSA,
    ];
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One captured frame, borrowed from the source until the next frame is requested.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the run, from 1, counted over all inputs before any filter: Wireshark's frame
    /// number.
    pub number: u64,
    /// When it was captured.
    pub ts: Timestamp,
    /// The index of its interface within the source (0 if there is only one).
    pub interface: u32,
    /// Its link type: the kind of header at its start.
    pub link: LinkType,
    /// Its length on the wire; more than `bytes.len()` if the snap length cut it.
    pub wire_len: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// Bytes at its end that the snap length cut off.
    #[must_use]
    pub const fn missing(&self) -> usize {
        (self.wire_len as usize).saturating_sub(self.bytes.len())
    }
}

//! The IP headers: IPv4 with options, IPv6 with extension headers. Lengths that exceed the captured
//! bytes are reported as a cut, not as an error.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::Ipv4HeaderSlice;

use crate::packet::{Fragment, Ip, Undecoded};

/// How IPv6 extension headers are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extensions {
    /// They are skipped.
    Skip,
    /// They are payload, as in ngrep; only the fragment header is read.
    Show,
}

/// Result of decoding the IP headers.
pub(super) struct Decoded<'a> {
    pub(super) ip: Ip,
    /// The bytes of an IPv4 header; empty for IPv6.
    pub(super) header: &'a [u8],
    /// The captured bytes after the headers, up to the IP length.
    pub(super) payload: &'a [u8],
    /// Number of payload bytes that were sent but not captured, according to the header, or, if it
    /// has no length, to the length on the wire.
    pub(super) cut: usize,
}

/// Decodes the IP headers of `bytes` and passes them to `make`. `missing`: number of bytes that the
/// snap length cut off. `make` is instantiated separately for each IP version, so that no result is
/// stored only to be loaded again.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "it matches on one byte, and its common arm should be inlined into the caller"
)]
pub(super) fn decode<'a, T>(
    bytes: &'a [u8],
    missing: usize,
    extensions: Extensions,
    make: impl Fn(Decoded<'a>) -> T,
) -> Result<T, Undecoded> {
    match bytes.first().ok_or(Undecoded::Cut)? >> 4 {
        4 => v4(bytes, missing, extensions).map(make),
        6 => v6(bytes, missing, extensions).map(make),
        _ => Err(Undecoded::Malformed),
    }
}

/// RFC 791 section 3.1.
#[inline(always)]
#[allow(clippy::inline_always, reason = "most packets are IPv4")]
fn v4(bytes: &[u8], missing: usize, extensions: Extensions) -> Result<Decoded<'_>, Undecoded> {
    let first = bytes.first().ok_or(Undecoded::Cut)?;
    let header_len = usize::from(first & 0x0f) * 4;
    if header_len < 20 {
        return Err(Undecoded::Malformed);
    }
    if bytes.len() < header_len {
        return Err(Undecoded::Cut);
    }
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| Undecoded::Malformed)?;
    let (header_bytes, after_header) = bytes.split_at_checked(header_len).ok_or(Undecoded::Cut)?;
    // A total length of 0 is a segment before segmentation offload (TSO); use the length on the
    // wire.
    let announced = match usize::from(header.total_len()) {
        0 => after_header.len().saturating_add(missing),
        total => total.saturating_sub(header_len),
    };
    let (mut payload, cut) = trim(after_header, announced);
    let offset = u32::from(header.fragments_offset().value()) * 8;
    let more = header.more_fragments();
    let mut protocol = header.protocol().0;
    if protocol == AUTHENTICATION && extensions == Extensions::Skip && !more && offset == 0 {
        (protocol, payload) = walk(protocol, payload);
    }
    let ip = Ip {
        src: IpAddr::V4(header.source_addr()),
        dst: IpAddr::V4(header.destination_addr()),
        protocol,
        ttl: header.ttl(),
        fragment: (more || offset != 0).then(|| Fragment {
            id: u32::from(header.identification()),
            offset,
            more,
        }),
    };
    Ok(Decoded {
        ip,
        header: header_bytes,
        payload,
        cut,
    })
}

/// RFC 8200 sections 3 and 4.
fn v6(bytes: &[u8], missing: usize, extensions: Extensions) -> Result<Decoded<'_>, Undecoded> {
    let Some((header, after_header)) = bytes.split_first_chunk::<40>() else {
        return Err(Undecoded::Cut);
    };
    let [_, _, _, _, l0, l1, next, hops, addresses @ ..] = header;
    let (src, dst) = addresses.split_first_chunk::<16>().ok_or(Undecoded::Cut)?;
    let dst: &[u8; 16] = dst.try_into().map_err(|_| Undecoded::Cut)?;
    // Length 0 is a jumbogram (RFC 2675) or a segment before segmentation offload.
    let announced = match usize::from(u16::from_be_bytes([*l0, *l1])) {
        0 => after_header.len().saturating_add(missing),
        len => len,
    };
    let (mut payload, cut) = trim(after_header, announced);
    let mut protocol = *next;
    let mut fragment = None;
    loop {
        let walked = match (protocol, extensions) {
            (FRAGMENT, _) => payload,
            (HOP_BY_HOP | ROUTING | DESTINATION | AUTHENTICATION, Extensions::Skip) => payload,
            _ => break,
        };
        let [next, second, rest @ ..] = walked else {
            break;
        };
        let Some(after_header) = walked.get(extension_len(protocol, *second)..) else {
            break;
        };
        if protocol == FRAGMENT {
            let [o0, o1, i0, i1, i2, i3, ..] = rest else {
                break;
            };
            let field = u16::from_be_bytes([*o0, *o1]);
            let (offset, more) = (u32::from(field & 0xfff8), field & 1 == 1);
            let id = u32::from_be_bytes([*i0, *i1, *i2, *i3]);
            // An atomic fragment (RFC 6946) is a whole datagram.
            fragment = (more || offset != 0).then_some(Fragment { id, offset, more });
        }
        (protocol, payload) = (*next, after_header);
        if fragment.is_some() {
            // The bytes that follow belong to the whole datagram: a header of it, or its middle.
            break;
        }
    }
    let ip = Ip {
        src: IpAddr::V6(Ipv6Addr::from(*src)),
        dst: IpAddr::V6(Ipv6Addr::from(*dst)),
        protocol,
        ttl: *hops,
        fragment,
    };
    Ok(Decoded {
        ip,
        header: &[],
        payload,
        cut,
    })
}

/// Skips the extension headers of a datagram that is unfragmented or reassembled. Returns the
/// protocol after them, and its bytes. Each header has at least 8 bytes, so the loop ends.
pub(super) fn walk(mut protocol: u8, mut bytes: &[u8]) -> (u8, &[u8]) {
    // A fragment header in here is that of an atomic fragment (RFC 6946), or the walk ends.
    while (matches!(
        protocol,
        HOP_BY_HOP | ROUTING | DESTINATION | AUTHENTICATION
    ) || protocol == FRAGMENT
        && matches!(bytes, [_, _, 0, 0..=7, ..] if bytes.get(3).is_some_and(|low| low & 1 == 0)))
        && let [next, second, ..] = bytes
        && let Some(after_header) = bytes.get(extension_len(protocol, *second)..)
    {
        (protocol, bytes) = (*next, after_header);
    }
    (protocol, bytes)
}

/// Length of an extension header in bytes, from its second byte (RFC 8200 section 4, RFC 4302
/// section 2.2).
fn extension_len(protocol: u8, second: u8) -> usize {
    match protocol {
        FRAGMENT => 8,
        AUTHENTICATION => (usize::from(second) + 2) * 4,
        _ => (usize::from(second) + 1) * 8,
    }
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Returns the announced bytes as far as they were captured, and the number of missing ones. Bytes
/// beyond the announced length are padding.
fn trim(after_header: &[u8], announced: usize) -> (&[u8], usize) {
    match after_header.get(..announced) {
        Some(payload) => (payload, 0),
        None => (after_header, announced.saturating_sub(after_header.len())),
    }
}

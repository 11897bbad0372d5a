//! *decode*: frames become packets. Pure and linear in the headers; any bytes give a packet or a
//! named reason why there is none, and nothing panics.
//!
//! The layers are removed from the outside in: [`link`] (wireless: [`ieee80211`]) and [`ether`],
//! then [`ip`], then [`transport`]. This repeats when a [`tunnel`] contains a packet, which must
//! [prove](proof) that it is one. The most [`common`] frame is decoded in one step.

mod common;
mod ether;
mod ieee80211;
mod ip;
mod link;
mod proof;
mod transport;
mod tunnel;

pub use link::untagged;

use std::ops::Range;

use crate::frame::{Frame, Timestamp};
use crate::limits::TUNNELS;
use crate::packet::{Ip, Packet, Transport, Tunnel, Undecoded};

use tunnel::{Inside, What};

/// Decodes the packet in a frame; inside tunnels, the innermost one.
///
/// # Errors
/// The reason why there is no packet.
#[inline]
pub fn frame<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Undecoded> {
    match common::decode(frame) {
        Some(packet) => Ok(packet),
        None => packet(frame, ip::Extensions::Skip),
    }
}

/// Decodes the outermost packet of a frame as ngrep does: everything after the IPv6 header is
/// payload, except for a fragment header.
///
/// # Errors
/// The reason why there is no packet.
pub fn outermost<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Undecoded> {
    packet(frame, ip::Extensions::Show)
}

/// Builds the packet of a reassembled datagram: the IP fields of the first fragment, and all bytes
/// after its IP headers.
#[must_use]
pub fn datagram<'a>(first: &Packet<'_>, whole: &'a [u8]) -> Packet<'a> {
    let packet = reassembled(first, whole);
    let mut inner = packet;
    unwrap(&mut inner);
    match inner.ip.fragment {
        None => inner,
        // A fragment inside a reassembled datagram is not reassembled in turn.
        Some(_) => packet,
    }
}

fn reassembled<'a>(first: &Packet<'_>, whole: &'a [u8]) -> Packet<'a> {
    let ip = Ip {
        fragment: None,
        ..first.ip
    };
    let (protocol, ip_payload) = ip::walk(ip.protocol, whole);
    let (transport, payload) = transport::decode(protocol, ip_payload);
    Packet {
        frame: first.frame,
        ts: first.ts,
        path: first.path,
        ip: Ip { protocol, ..ip },
        ip_header: &[],
        transport,
        ip_payload,
        payload,
        tunnels: first.tunnels,
        tunnel: first.tunnel,
        doubtful: false,
        cut: 0,
    }
}

/// Returns the datagram that contained the [doubtful](Packet::doubtful) packet of a frame, and the
/// range of that packet in its payload.
#[must_use]
pub fn around<'a>(frame: &Frame<'a>) -> Option<(Packet<'a>, Range<usize>)> {
    let link = link::take_off(frame).ok()?;
    let missing = frame.missing();
    let at = (frame.number, frame.ts);
    doubt(layer(at, &link, missing, ip::Extensions::Skip).ok()?)
}

/// The same for a packet that was reassembled from fragments.
#[must_use]
pub fn around_datagram<'a>(
    first: &Packet<'_>,
    whole: &'a [u8],
) -> Option<(Packet<'a>, Range<usize>)> {
    doubt(reassembled(first, whole))
}

/// Returns the outermost datagram whose content is not certainly a packet.
fn doubt(mut outer: Packet<'_>) -> Option<(Packet<'_>, Range<usize>)> {
    while outer.tunnels < TUNNELS {
        let inside = tunnel::inside(&outer)?;
        let packet = step(&outer, &inside)?;
        if inside.doubtful {
            let inner = match inside.what {
                What::Packet(link) => proof::trimmed(link.ip),
                What::Rest(_, bytes) => bytes,
            };
            return Some((outer, place(outer.payload, inner)?));
        }
        outer = packet;
    }
    None
}

/// The range of `part`, a subslice of `whole`, in `whole`.
fn place(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

#[inline(never)]
fn packet<'a>(frame: &Frame<'a>, extensions: ip::Extensions) -> Result<Packet<'a>, Undecoded> {
    let link = link::take_off(frame)?;
    let missing = frame.missing();
    // A single value up to the caller, so that it is written only once.
    let mut result = layer((frame.number, frame.ts), &link, missing, extensions);
    if let Ok(packet) = &mut result
        && extensions == ip::Extensions::Skip
        && tunnel::is_likely(packet.ip.protocol, packet.transport, packet.payload)
    {
        unwrap(packet);
    }
    result
}

/// Decodes one IP packet.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a packet is large: made in place, not handed on"
)]
fn layer<'a>(
    (number, ts): (u64, Timestamp),
    link: &ether::Link<'a>,
    missing: usize,
    extensions: ip::Extensions,
) -> Result<Packet<'a>, Undecoded> {
    ip::decode(link.ip, missing, extensions, |decoded| {
        let ip::Decoded {
            ip,
            header,
            payload: ip_payload,
            cut,
        } = decoded;
        let later = ip.fragment.is_some_and(|fragment| fragment.offset != 0);
        let (transport, payload, cut) = if later {
            (Transport::Other, ip_payload, cut)
        } else if cut == 0 || extensions == ip::Extensions::Show {
            let (transport, payload) = transport::decode(ip.protocol, ip_payload);
            (transport, payload, cut)
        } else {
            transport::headers(ip.protocol, ip_payload, cut)
        };
        Packet {
            frame: number,
            ts,
            path: link.path,
            tunnels: 0,
            tunnel: None,
            doubtful: false,
            ip,
            ip_header: header,
            transport,
            ip_payload,
            payload,
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        }
    })
}

/// Removes tunnels, up to [`TUNNELS`] levels. Fragments are not looked into.
fn unwrap(packet: &mut Packet<'_>) {
    while let Some(inside) = tunnel::inside(packet)
        && let Some(inner) = step(packet, &inside)
    {
        if inner.tunnels > TUNNELS {
            packet.tunnels = inner.tunnels;
            break;
        }
        *packet = inner;
    }
}

/// Converts the content of a tunnel to a packet.
fn step<'a>(outer: &Packet<'a>, inside: &Inside<'a>) -> Option<Packet<'a>> {
    let inner = match &inside.what {
        What::Packet(link) => {
            let (at, cut) = ((outer.frame, outer.ts), outer.cut as usize);
            let inner = layer(at, link, cut, ip::Extensions::Skip).ok()?;
            Packet {
                // The order in which tunnels are nested matters.
                path: outer.path.rotate_left(11) ^ inner.path ^ u32::from(outer.ip.protocol),
                ..inner
            }
        }
        What::Rest(protocol, bytes) => {
            let (transport, payload) = transport::decode(*protocol, bytes);
            Packet {
                ip: Ip {
                    protocol: *protocol,
                    ..outer.ip
                },
                transport,
                ip_payload: bytes,
                payload,
                ..*outer
            }
        }
    };
    Some(Packet {
        tunnels: outer.tunnels + 1,
        tunnel: outer.tunnel.or(Some(Tunnel {
            name: inside.name,
            src: outer.ip.src,
            dst: outer.ip.dst,
        })),
        doubtful: outer.doubtful || inside.doubtful,
        ..inner
    })
}

#[cfg(test)]
mod tests;

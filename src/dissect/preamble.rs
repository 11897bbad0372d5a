//! Preambles: the messages that a load balancer or a proxy's client sends before the protocol
//! itself, at times in the same segment. The PROXY protocol (versions 1 and 2), SOCKS 4 and SOCKS 5
//! are known; a preamble is emitted as raw bytes, and the protocol after it is recognised.

use memchr::memchr;

use super::{ProbeResult, Seek, recognise};
use crate::flow::Flow;

/// Maximum length of a line of PROXY version 1, with its line end.
const PROXY_LINE: usize = 107;
/// The signature of PROXY version 2.
const PROXY_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Maximum length of a name in SOCKS 4, with the zero that ends it.
const SOCKS_NAME: usize = 256;
/// Maximum number of consecutive SOCKS 5 messages: the greeting, the password and the request, or
/// the responses to them.
const SOCKS_STEPS: usize = 3;

/// The length of a preamble.
enum Length {
    /// The bytes are no preamble.
    None,
    /// More bytes are required to decide.
    More,
    /// The preamble has this many bytes, which may not all be available.
    Is(usize),
}

/// Returns where a protocol that is recognised starts, if the bytes start with a preamble.
pub(super) fn seek(bytes: &[u8], flow: &Flow) -> Seek {
    // The first byte alone rules out most bytes.
    if !matches!(bytes, [b'P' | b'\r' | 0 | 4 | 5, ..]) {
        return Seek::Nowhere;
    }
    let lengths: [fn(&[u8]) -> Length; 4] = [proxy_line, proxy_binary, socks4, socks5];
    for length in lengths {
        let at = match length(bytes) {
            Length::None => continue,
            Length::Is(at) if at < bytes.len() => at,
            Length::More | Length::Is(_) => return Seek::Unsure,
        };
        match recognise(bytes.get(at..).unwrap_or_default(), flow) {
            (ProbeResult::Certain, _) => return Seek::At(at),
            (ProbeResult::Likely { .. } | ProbeResult::Unsure { .. }, _) => return Seek::Unsure,
            (ProbeResult::NotForUs, _) => {}
        }
    }
    Seek::Nowhere
}

/// PROXY version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 1234 80`.
fn proxy_line(bytes: &[u8]) -> Length {
    if !begins(bytes, b"PROXY ") {
        return Length::None;
    }
    let window = bytes.get(..PROXY_LINE).unwrap_or(bytes);
    match memchr(b'\n', window) {
        Some(at) => Length::Is(at.saturating_add(1)),
        None if window.len() < PROXY_LINE => Length::More,
        None => Length::None,
    }
}

fn proxy_binary(bytes: &[u8]) -> Length {
    if !begins(bytes, PROXY_SIGNATURE) {
        return Length::None;
    }
    match bytes.get(PROXY_SIGNATURE.len()..).unwrap_or_default() {
        [version, ..] if version >> 4 != 2 => Length::None,
        [_, _, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            Length::Is(len.saturating_add(PROXY_SIGNATURE.len()).saturating_add(4))
        }
        _ => Length::More,
    }
}

/// Whether bytes start with `with`, or are a start of it.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let len = bytes.len().min(with.len());
    bytes.get(..len) == with.get(..len)
}

/// SOCKS 4: a request (version, command, port, address, a user's name and at times a host's), or
/// the response to one.
fn socks4(bytes: &[u8]) -> Length {
    match bytes {
        [0, 0x5a..=0x5d, ..] => Length::Is(8),
        [0 | 4] => Length::More,
        [4, 1 | 2, _, _, address @ ..] if address.len() >= 4 => {
            let named = matches!(address, [0, 0, 0, 1..=255, ..]);
            let mut at = 8_usize;
            for _ in 0..=usize::from(named) {
                let rest = bytes.get(at..).unwrap_or_default();
                let window = rest.get(..SOCKS_NAME).unwrap_or(rest);
                match memchr(0, window) {
                    Some(end) => at = at.saturating_add(end).saturating_add(1),
                    None if window.len() < SOCKS_NAME => return Length::More,
                    None => return Length::None,
                }
            }
            Length::Is(at)
        }
        [4, 1 | 2, ..] => Length::More,
        _ => Length::None,
    }
}

/// SOCKS 5 (RFC 1928, RFC 1929): the messages that a client sends without waiting, or a server's
/// responses.
fn socks5(bytes: &[u8]) -> Length {
    if bytes.first() != Some(&5) {
        return Length::None;
    }
    let mut at = 0_usize;
    for _ in 0..SOCKS_STEPS {
        let rest = bytes.get(at..).unwrap_or_default();
        let len = match rest {
            // A request or the response to one. The address is IPv4, a name, or IPv6.
            [5, _, 0, 1, ..] => 10,
            [5, _, 0, 3, len, ..] => usize::from(*len).saturating_add(7),
            [5, _, 0, 4, ..] => 22,
            [] | [1 | 5] | [1, _] => return Length::More,
            [5, _, 0] | [5, _, 0, 3] => return Length::More,
            // The method that the server selected.
            [5, 0 | 2, ..] if at == 0 && is_greeting(rest) == Some(false) => 2,
            [5, 2, ..] if at == 0 && is_greeting(rest).is_none() => return Length::More,
            [5, methods, ..] if at == 0 => usize::from(*methods).saturating_add(2),
            // A name and a password, or the response that accepts them.
            [1, 0, ..] => 2,
            [1, name, ..] => {
                let name = usize::from(*name).saturating_add(2);
                let Some(password) = rest.get(name) else {
                    return Length::More;
                };
                name.saturating_add(usize::from(*password))
                    .saturating_add(1)
            }
            _ => break,
        };
        at = at.saturating_add(len);
    }
    Length::Is(at)
}

/// Whether the bytes are a client's greeting: its methods are small numbers. `None` if some methods
/// are not available yet.
fn is_greeting(bytes: &[u8]) -> Option<bool> {
    let [5, count, rest @ ..] = bytes else {
        return Some(false);
    };
    let count = usize::from(*count);
    let methods = rest.get(..count).unwrap_or(rest);
    if count == 0 || methods.iter().any(|method| *method >= 10) {
        return Some(false);
    }
    (methods.len() == count).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::flow;
    use super::super::testing::{Cut, Play, client, server};
    use super::*;
    use crate::packet::protocol;

    const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 204 None\r\n\r\n";

    #[test]
    fn a_preamble_before_a_request_is_a_burst_of_its_own() {
        let table: [&[u8]; 8] = [
            b"PROXY TCP4 192.0.2.7 192.0.2.9 56324 80\r\n",
            b"PROXY UNKNOWN\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x09\xdc\x04\0P",
            b"\x04\x01\0P\xc0\0\x02\x09user\0",
            b"\x04\x01\0P\0\0\0\x01\0example.test\0",
            b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x09\0P",
            b"\x05\x02\0\x02\x01\x04user\x04pass\x05\x01\0\x03\x0cexample.test\0P",
            b"\x05\x01\0\x03\x0cexample.test\0P",
        ];
        for preamble in table {
            let bytes = [preamble, GET].concat();
            assert_eq!(
                seek(&bytes, &flow(protocol::TCP)),
                Seek::At(preamble.len()),
                "{}",
                preamble.escape_ascii()
            );
            let play = Play::of(
                &[client(&bytes), server(OK), client(GET), server(OK)],
                &Cut::Whole,
            );
            let outline = play.chart.outline();
            assert_eq!(
                outline[..3],
                ["> tcp.burst #0", "> end", "> http.request #1"]
            );
            assert_eq!(outline[5], "< http.response #1");
            assert_eq!(outline[11], "< http.response #2");
        }
    }

    #[test]
    fn the_responses_of_a_proxy_are_skipped_too() {
        for preamble in [
            &b"\0\x5a\0\0\0\0\0\0"[..],
            b"\x05\0\x05\0\0\x01\0\0\0\0\0\0",
            b"\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0",
            b"\x05\0\0\x01\0\0\0\0\0\0",
        ] {
            let bytes = [preamble, OK].concat();
            assert_eq!(
                seek(&bytes, &flow(protocol::TCP)),
                Seek::At(preamble.len()),
                "{}",
                preamble.escape_ascii()
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_preamble_is_none() {
        for bytes in [
            &b"PROXY TCP4 192.0.2.7 192.0.2.9 56324 80\r\nand text\r\n"[..],
            b"\x04\x03\0\0\0\0\0\0",
            b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x09\0P\x16\x03\x01",
            b"\r\n\r\n\0\r\nQUIT\n\x11",
            b"any text",
        ] {
            assert_eq!(
                seek(bytes, &flow(protocol::TCP)),
                Seek::Nowhere,
                "{}",
                bytes.escape_ascii()
            );
        }
        for bytes in [
            &b"PROXY TCP4"[..],
            b"\x05\x01\0",
            b"\x05\x02\0",
            b"\x04\x01",
            b"\x05",
            b"\0\x5a",
            b"\r\n\r\n\0\r\nQUIT\n\x21",
        ] {
            assert_eq!(
                seek(bytes, &flow(protocol::TCP)),
                Seek::Unsure,
                "{}",
                bytes.escape_ascii()
            );
        }
    }
}

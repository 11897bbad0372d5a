//! *Preambles*: what a balancer or a proxy's client sends in front of the protocol itself, at times in the same segment: the
//! PROXY protocol (versions 1 and 2), SOCKS 4 and 5. They are raw bytes; what comes behind them is recognised.

use memchr::memchr;

use super::{Seek, Verdict, recognise};

/// The longest line of PROXY's version 1, with its line end.
const PROXY_LINE: usize = 107;
/// What PROXY's version 2 begins with.
const PROXY_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Names in SOCKS 4, which end with a zero.
const SOCKS_NAME: usize = 256;
/// Messages of SOCKS 5 in a row: the greeting, the password, the request; or the answers to them.
const SOCKS_STEPS: usize = 3;

/// Where something begins that can be recognised, if bytes begin with a preamble.
pub(super) fn seek(bytes: &[u8]) -> Seek {
    let lengths: [fn(&[u8]) -> Option<usize>; 4] = [proxy_line, proxy_binary, socks4, socks5];
    for length in lengths {
        let Some(at) = length(bytes) else { continue };
        let rest = bytes.get(at..).unwrap_or_default();
        let (verdict, _) = recognise(rest);
        if !rest.is_empty() && matches!(verdict, Verdict::Certain | Verdict::Likely { .. }) {
            return Seek::At(at);
        }
    }
    Seek::Nowhere
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 1234 80`.
fn proxy_line(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"PROXY ") {
        return None;
    }
    let window = bytes.get(..PROXY_LINE).unwrap_or(bytes);
    Some(memchr(b'\n', window)?.saturating_add(1))
}

fn proxy_binary(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(PROXY_SIGNATURE)?;
    let [version, _, high, low, ..] = rest else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    (version >> 4 == 2).then_some(len.saturating_add(PROXY_SIGNATURE.len()).saturating_add(4))
}

/// A request (version, command, port, address, a user's name and at times a host's), or the answer to one.
fn socks4(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0, 0x5a..=0x5d, _, _, _, _, _, _, ..] => Some(8),
        [4, 1 | 2, _, _, address @ ..] => {
            let named = matches!(address, [0, 0, 0, 1..=255, ..]);
            let mut at = 8_usize;
            for _ in 0..=usize::from(named) {
                let rest = bytes.get(at..)?;
                let window = rest.get(..SOCKS_NAME).unwrap_or(rest);
                at = at.saturating_add(memchr(0, window)?).saturating_add(1);
            }
            Some(at)
        }
        _ => None,
    }
}

/// RFC 1928 and RFC 1929: what a client sends without waiting, or what a server answers.
fn socks5(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&5) {
        return None;
    }
    let mut at = 0_usize;
    for _ in 0..SOCKS_STEPS {
        let rest = bytes.get(at..)?;
        let len = match rest {
            // A request or the answer to one: the address is IPv4, a name, or IPv6.
            [5, _, 0, 1, ..] => 10,
            [5, _, 0, 3, len, ..] => usize::from(*len).saturating_add(7),
            [5, _, 0, 4, ..] => 22,
            // The method that the server chose.
            [5, 0 | 2, ..] if at == 0 && !is_greeting(rest) => 2,
            [5, methods, ..] if at == 0 => usize::from(*methods).saturating_add(2),
            // A name and a password, or that they are right.
            [1, 0, ..] => 2,
            [1, name, ..] => {
                let name = usize::from(*name).saturating_add(2);
                let password = usize::from(*rest.get(name)?);
                name.saturating_add(password).saturating_add(1)
            }
            _ => break,
        };
        at = at.saturating_add(len);
    }
    Some(at)
}

/// Whether a client's greeting is there: its methods are small numbers.
fn is_greeting(bytes: &[u8]) -> bool {
    let [5, methods, rest @ ..] = bytes else {
        return false;
    };
    let methods = rest.get(..usize::from(*methods)).unwrap_or_default();
    !methods.is_empty() && methods.iter().all(|method| *method < 10)
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Cut, Play, client, server};
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 204 None\r\n\r\n";

    #[test]
    fn what_is_in_front_of_a_request_is_told_by_itself() {
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
                seek(&bytes),
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
    fn the_answers_of_a_proxy_are_passed_over_too() {
        for preamble in [
            &b"\0\x5a\0\0\0\0\0\0"[..],
            b"\x05\0\x05\0\0\x01\0\0\0\0\0\0",
            b"\x05\x02\x01\0\x05\0\0\x01\0\0\0\0\0\0",
            b"\x05\0\0\x01\0\0\0\0\0\0",
        ] {
            let bytes = [preamble, OK].concat();
            assert_eq!(
                seek(&bytes),
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
            b"\x05\x01\0",
            b"\x04\x01",
            b"\x05",
            b"\0\x5a",
            b"\r\n\r\n\0\r\nQUIT\n\x21",
            b"",
        ] {
            assert_eq!(seek(bytes), Seek::Nowhere, "{}", bytes.escape_ascii());
        }
    }
}

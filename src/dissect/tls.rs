//! TLS without keys: parses its hello messages (RFC 8446 section 4.1) and recognises its records
//! (section 5.1). The bytes are not dissected but stay raw bursts; this file only describes them,
//! without panic for any bytes.

use crate::message::{Description, Fact};

/// The facts in a hello message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// Whether it is a server's hello.
    pub server: bool,
    /// The version as sent: the highest that a client offers, or the one that a server selects.
    pub version: u16,
    /// The name of the server that the client asks for (RFC 6066 section 3), at most [`NAME`]
    /// bytes.
    pub name: Option<String>,
    /// The application protocols (ALPN, RFC 7301), offered or selected; at most [`PROTOCOLS`].
    pub protocols: Vec<String>,
}

/// Maximum length of a server's name, in bytes; a DNS name has at most 253.
const NAME: usize = 255;
/// Maximum number of ALPN protocols in a [`Hello`].
const PROTOCOLS: usize = 4;
/// Maximum length of a record in bytes, encrypted or not. TLS 1.2 has the largest limit (RFC 5246
/// section 6.2.3).
const RECORD: usize = 16384 + 2048;

/// The content type and the handshake messages that are parsed.
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// The extensions that are parsed.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// Whether the bytes start with the header of a TLS record.
#[must_use]
pub fn is_tls(bytes: &[u8]) -> bool {
    let Some(([kind, major, minor, l0, l1], inside)) = bytes.split_first_chunk::<5>() else {
        return false;
    };
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let plausible = *major == 3 && *minor <= 4 && (1..=RECORD).contains(&len);
    plausible
        && match *kind {
            // A change_cipher_spec has one byte, an alert two; an encrypted alert has at least 16.
            20 => len == 1,
            21 => len == 2 || len >= 16,
            // A handshake message in the clear starts with a known type. Encrypted ones have at
            // least 24 bytes.
            HANDSHAKE => inside.first().is_none_or(|kind| *kind <= 24) || len >= 24,
            23 => len >= 16,
            _ => false,
        }
}

/// Parses the hello that the bytes start with. A truncated one is parsed as far as it goes.
#[must_use]
pub fn hello(bytes: &[u8]) -> Option<Hello> {
    let (record, mut inside) = bytes.split_first_chunk::<5>()?;
    let ([HANDSHAKE, 3, ..], true) = (record, is_tls(bytes)) else {
        return None;
    };
    // A truncated record is parsed as far as it goes.
    let len = usize::from(u16::from_be_bytes([record[3], record[4]]));
    inside = inside.get(..len).unwrap_or(inside);
    let (header, body) = inside.split_first_chunk::<4>()?;
    let server = match header[0] {
        CLIENT_HELLO => false,
        SERVER_HELLO => true,
        _ => return None,
    };
    let mut body = Reader(body);
    let mut hello = Hello {
        server,
        version: body.u16()?,
        ..Hello::default()
    };
    if hello.version >> 8 != 3 {
        return None;
    }
    // Extensions are optional and may be truncated; keep what was parsed.
    let _ = extensions(&mut hello, &mut body);
    Some(hello)
}

/// Parses the fields after the version. `None` where they end early.
fn extensions(hello: &mut Hello, body: &mut Reader<'_>) -> Option<()> {
    body.take(32)?;
    body.short()?;
    if hello.server {
        // The cipher suite and the compression method that were selected.
        body.take(3)?;
    } else {
        body.long()?;
        body.short()?;
    }
    let mut all = Reader(body.long()?);
    while let Some(kind) = all.u16() {
        let mut inside = Reader(all.long()?);
        match kind {
            SERVER_NAME if !hello.server => {
                let mut names = Reader(inside.long()?);
                while let Some(kind) = names.u8() {
                    let name = names.long()?;
                    if kind == 0 && hello.name.is_none() {
                        hello.name = Some(text(name));
                    }
                }
            }
            ALPN => {
                let mut names = Reader(inside.long()?);
                while let Some(name) = names.short() {
                    // GREASE (RFC 8701): two equal bytes that end in `a`, to be ignored by the
                    // receiver.
                    let grease = matches!(name, [a, b] if a == b && a & 0x0f == 0x0a);
                    if !grease && hello.protocols.len() < PROTOCOLS {
                        hello.protocols.push(text(name));
                    }
                }
            }
            SUPPORTED_VERSIONS if hello.server => {
                let version = inside.u16()?;
                // Any other version is a draft's, or GREASE.
                if version >> 8 == 3 {
                    hello.version = version;
                }
            }
            SUPPORTED_VERSIONS => {
                let mut versions = Reader(inside.short()?);
                while let Some(version) = versions.u16() {
                    if version >> 8 == 3 {
                        hello.version = hello.version.max(version);
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// Describes a burst that starts with these bytes: a hello has facts, and any records are opaque.
pub(super) fn describe(bytes: &[u8]) -> Description {
    let mut description = Description::default();
    if !is_tls(bytes) {
        return description;
    }
    let mut fact = |name, value: String, summary| {
        description.facts.push(Fact {
            name,
            value,
            summary,
            many: false,
            literal: false,
        });
    };
    if let Some(hello) = hello(bytes) {
        let version = version(hello.version);
        let whose = if hello.server {
            "server hello"
        } else {
            "hello"
        };
        fact("tls.hello", format!("{version} {whose}"), true);
        fact("tls.version", version, false);
        if let Some(name) = hello.name {
            fact("tls.sni", name, true);
        }
        if !hello.protocols.is_empty() {
            fact("tls.alpn", hello.protocols.join(", "), true);
        }
        description.opaque = Some("TLS".to_owned());
    } else {
        description.opaque = Some("TLS, encrypted".to_owned());
    }
    description
}

fn version(number: u16) -> String {
    match number {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301..=0x0304 => format!("TLS 1.{}", (number & 0xff) - 1),
        _ => format!("TLS {number:#06x}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..NAME).unwrap_or(bytes)).into_owned()
}

/// Reads integers and length-prefixed fields.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    /// Reads a field with a length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    /// Reads a field with a length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }

    fn extension(kind: u16, inside: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &counted(inside)].concat()
    }

    /// A record that contains a hello.
    fn record(server: bool, legacy: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend([2, 9, 9]);
        body.extend(match server {
            true => vec![0x13, 0x01, 0],
            false => vec![0, 2, 0x13, 0x01, 1, 0],
        });
        body.extend(counted(&extensions.concat()));
        let mut message = vec![if server { 2 } else { 1 }, 0];
        message.extend(counted(&body));
        [&[22, 3, 1][..], &counted(&message)].concat()
    }

    fn name(name: &[u8]) -> Vec<u8> {
        extension(0, &counted(&[&[0][..], &counted(name)].concat()))
    }

    fn summary(bytes: &[u8]) -> String {
        let description = describe(bytes);
        let facts = description.facts.iter().filter(|fact| fact.summary);
        let mut words: Vec<String> = facts.map(|fact| fact.value.clone()).collect();
        words.extend(description.opaque.map(|what| format!("[{what}]")));
        words.join(" | ")
    }

    #[test]
    fn a_burst_of_tls_is_described() {
        let alpn = |names: &[&[u8]]| {
            let names: Vec<u8> = names
                .iter()
                .flat_map(|name| [&[name.len() as u8][..], name].concat())
                .collect();
            extension(16, &counted(&names))
        };
        let offered = extension(43, &[6, 0x7a, 0x7a, 3, 4, 3, 3]);
        let client = record(
            false,
            0x0303,
            &[
                name(b"api.example.com"),
                alpn(&[&[0x5a, 0x5a], b"h2"]),
                offered,
            ],
        );
        let table: [(Vec<u8>, &str); 12] = [
            (
                client.clone(),
                "TLS 1.3 hello | api.example.com | h2 | [TLS]",
            ),
            (client[..60].to_vec(), "TLS 1.2 hello | [TLS]"),
            (
                record(false, 0x0303, &[alpn(&[b"h2", b"http/1.1"])]),
                "TLS 1.2 hello | h2, http/1.1 | [TLS]",
            ),
            (
                record(true, 0x0303, &[extension(43, &[3, 4])]),
                "TLS 1.3 server hello | [TLS]",
            ),
            (
                record(true, 0x0303, &[alpn(&[b"h2"])]),
                "TLS 1.2 server hello | h2 | [TLS]",
            ),
            (record(false, 0x0301, &[]), "TLS 1.0 hello | [TLS]"),
            (record(false, 0x0300, &[]), "SSL 3.0 hello | [TLS]"),
            (
                record(false, 0x0303, &[name(&[b'x'; 300])]),
                &format!("TLS 1.2 hello | {} | [TLS]", "x".repeat(255)),
            ),
            (
                [&[23, 3, 3, 0, 40][..], &[0xa5; 40]].concat(),
                "[TLS, encrypted]",
            ),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), ""),
            (vec![22, 3, 1], ""),
            (vec![23, 3, 3, 0xff, 0xff, 0], ""),
        ];
        for (bytes, want) in table {
            assert_eq!(summary(&bytes), want, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_where_they_make_sense(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            at in 0_usize..200,
            put in any::<u8>(),
        ) {
            let _ = describe(&bytes);
            let framed = [&[22, 3, 1, 1, 0x80, 1, 0, 1, 0x7c, 3, 3][..], &bytes].concat();
            let read = hello(&framed).expect("it is one");
            prop_assert!(read.protocols.len() <= PROTOCOLS);
            // A hello with one byte replaced.
            let mut hello = record(false, 0x0303, &[name(b"a.example"), extension(43, &[2, 3, 4])]);
            let at = at % hello.len();
            hello[at] = put;
            let _ = describe(&hello);
        }
    }
}

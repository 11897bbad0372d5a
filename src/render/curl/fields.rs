//! The URL and the header fields of a curl command. Rejects a request that curl cannot send as it
//! was.

use crate::hit::Hit;
use crate::render::Escape;
use crate::render::parts::{field, fields};

use crate::render::quote::quoted;

/// Where curl connects to and what it requests.
pub(super) struct Destination<'a> {
    pub(super) url: String,
    /// The request target, if curl would change it in a URL.
    target: Option<&'a [u8]>,
    /// `Host`, if it differs from what curl derives from the URL.
    host: Option<&'a [u8]>,
    /// The address to connect to, if it differs from the URL's.
    connect_to: Option<String>,
    globs: bool,
    dots: bool,
}

impl<'a> Destination<'a> {
    pub(super) fn of(request: &Hit<'a>, target: &'a [u8]) -> Self {
        let server = request.heading.dst;
        let host = field(request, "host").unwrap_or_default();
        // Targets for proxies and unusual ones are sent to the address that received them.
        let named = str::from_utf8(host)
            .ok()
            .filter(|_| target.starts_with(b"/"))
            .and_then(|host| Some((host, port(host)?)));
        let plain = target.starts_with(b"/") && target.iter().all(|byte| is_plain(*byte));
        let (at, host, connect_to) = match named {
            Some((name, port)) => {
                let bare = name.rsplit_once(':').filter(|_| !name.ends_with(']'));
                let bare = bare.map_or(name, |(bare, _)| bare);
                let literal = bare.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                let differs =
                    port != server.port || literal.is_ok_and(|literal| literal != server.addr);
                let to = differs.then(|| format!("{bare}:{port}:{server}"));
                (name.to_owned(), None, to)
            }
            None => (server.to_string(), Some(host), None),
        };
        let path = match str::from_utf8(target) {
            Ok(target) if plain => target,
            _ => "/",
        };
        Self {
            url: format!("http://{at}{path}"),
            target: (!plain).then_some(target),
            host,
            connect_to,
            globs: at.contains('[') || path.contains(['[', ']']),
            dots: path.contains("/."),
        }
    }

    pub(super) fn write(&self, words: &mut Vec<String>, escape: &Escape) {
        words.extend(self.globs.then(|| "-g".to_owned()));
        words.extend(self.dots.then(|| "--path-as-is".to_owned()));
        words.extend(
            self.target
                .map(|target| format!("--request-target {}", quoted(target, escape))),
        );
        words.extend(
            self.connect_to.as_ref().map(|destination| {
                format!("--connect-to {}", quoted(destination.as_bytes(), escape))
            }),
        );
    }
}

/// Returns the port in a `Host` value; `None` if the value cannot be used in a URL.
fn port(host: &str) -> Option<u16> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (
                address,
                rest.strip_prefix(':').or(rest.is_empty().then_some("80")),
            )
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, Some("80")),
        },
    };
    let allowed = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_' | ':')
    };
    // curl omits the default port and accepts other notations for numbers.
    let port = port?
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0 && (*port != 80 || !host.ends_with(":80")));
    let looks_like_number = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_name = !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(allowed);
    let is_address = name.contains(':') || name.parse::<std::net::Ipv4Addr>().is_ok();
    port.filter(|port| {
        let same = host
            .rsplit_once(':')
            .is_none_or(|(_, text)| text.contains(']') || text == port.to_string());
        is_name && same && (is_address || !looks_like_number)
    })
}

/// Returns whether curl leaves a byte in a URL's path or query unchanged.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"%!$&'()*+,;=:@/?-._~[]".contains(&byte)
}

/// Header fields of a request, without those that curl generates itself.
pub(super) struct Fields<'a> {
    kept: Vec<(&'a [u8], &'a [u8])>,
    compressed: bool,
}

/// Fields that curl adds unless they are suppressed.
const GENERATED: [&str; 3] = ["User-Agent", "Accept", "Content-Type"];

impl<'a> Fields<'a> {
    pub(super) fn of(request: &Hit<'a>) -> Result<Self, &'static str> {
        let (mut kept, mut hosts, mut compressed) = (Vec::new(), 0, false);
        for (name, value) in fields(request) {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
                return Err("it has a field with a name that curl does not send");
            }
            if value.contains(&0) || value.contains(&b'\n') || value.contains(&b'\r') {
                return Err("it has a field with a value that curl does not send");
            }
            if is("trailer") {
                return Err("it has trailer fields, which curl does not send");
            }
            hosts += usize::from(is("host"));
            compressed |= is("accept-encoding") && !value.eq_ignore_ascii_case(b"identity");
            // Decoded bodies are sent plain.
            let coded =
                is("content-encoding") && request.body.state != crate::message::Decoding::AsSent;
            let passing = is("connection")
                && (value.eq_ignore_ascii_case(b"keep-alive")
                    || value.eq_ignore_ascii_case(b"close"));
            if !(is("host") || is("content-length") || is("transfer-encoding") || coded || passing)
            {
                kept.push((name, value));
            }
        }
        if hosts > 1 {
            return Err("it has several Host fields, which curl does not send");
        }
        Ok(Self { kept, compressed })
    }

    /// Appends the options. For a `large` body, curl would send `Expect: 100-continue`.
    pub(super) fn write(
        &self,
        destination: &Destination<'_>,
        has_body: bool,
        large: bool,
        words: &mut Vec<String>,
        escape: &Escape,
    ) {
        let has = |wanted: &str| {
            let mut names = self.kept.iter();
            names.any(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        let header = |name: &[u8], value: &[u8]| {
            let field = match value {
                // This syntax sends an empty field.
                b"" => [name, b";"].concat(),
                _ => [name, b": ", value].concat(),
            };
            format!("-H {}", quoted(&field, escape))
        };
        match destination.host {
            Some(b"") => words.push("-H 'Host:'".to_owned()),
            Some(host) => words.push(header(b"Host", host)),
            None => {}
        }
        words.extend(self.kept.iter().map(|(name, value)| header(name, value)));
        for name in GENERATED {
            if !has(name) && (name != "Content-Type" || has_body) {
                words.push(format!("-H '{name}:'"));
            }
        }
        if large && !has("Expect") {
            words.push("-H 'Expect:'".to_owned());
        }
        words.extend(self.compressed.then(|| "--compressed".to_owned()));
    }
}

/// Returns whether a field name may contain this byte (RFC 9110, section 5.6.2). Excludes `@`, with
/// which curl reads a file.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

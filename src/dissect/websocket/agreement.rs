//! What the two sides *agreed* on about compression: the value of `Sec-WebSocket-Extensions` in the
//! response (RFC 7692 section 7.1).

use super::super::PerDirection;
use crate::flow::Direction;

/// What the first reserved bit of a message's first frame means.
#[derive(Clone, Copy, Default, Debug)]
pub(super) enum Agreement {
    /// It is not known: the handshake was not captured.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// Something that cannot be undone.
    Other,
    /// The message is compressed by `permessage-deflate`. For each direction, whether every message
    /// begins anew (`no_context_takeover`).
    Deflate(PerDirection<bool>),
}

impl Agreement {
    /// Reads the lists of all fields, separated by commas. `client` is the direction of the
    /// requests.
    pub(super) fn of(extensions: &[u8], client: Direction) -> Self {
        let mut agreed = Self::Nothing;
        for extension in extensions.split(|byte| *byte == b',') {
            let mut words = extension
                .split(|byte| *byte == b';')
                .map(<[u8]>::trim_ascii);
            let name = words.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            if !name.eq_ignore_ascii_case(b"permessage-deflate") {
                agreed = Self::Other;
                continue;
            }
            if matches!(agreed, Self::Other) {
                continue;
            }
            let mut anew = PerDirection::default();
            for word in words {
                if word.eq_ignore_ascii_case(b"client_no_context_takeover") {
                    *anew.of_mut(client) = true;
                } else if word.eq_ignore_ascii_case(b"server_no_context_takeover") {
                    *anew.of_mut(client.reverse()) = true;
                }
            }
            agreed = Self::Deflate(anew);
        }
        agreed
    }

    /// Whether the first reserved bit may have a meaning.
    pub(super) const fn is_extended(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Whether every message of a direction begins anew; `None` if messages cannot be decompressed.
    pub(super) const fn begins_anew(&self, dir: Direction) -> Option<bool> {
        match self {
            Self::Deflate(anew) => Some(*anew.of(dir)),
            Self::Unknown | Self::Nothing | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_as_the_response_has_them() {
        let table: &[(&str, &str)] = &[
            ("", "nothing"),
            ("permessage-deflate", "false false"),
            (
                "permessage-deflate; client_max_window_bits=9",
                "false false",
            ),
            (
                "Permessage-Deflate;server_no_context_takeover",
                "false true",
            ),
            (
                "permessage-deflate; client_no_context_takeover ; server_no_context_takeover",
                "true true",
            ),
            ("x-other", "other"),
            ("x-other, permessage-deflate", "other"),
            ("permessage-deflate,x-other", "other"),
        ];
        for (extensions, agreed) in table {
            let of = Agreement::of(extensions.as_bytes(), Direction::ToServer);
            let text = match of {
                Agreement::Unknown => "unknown".to_owned(),
                Agreement::Nothing => "nothing".to_owned(),
                Agreement::Other => "other".to_owned(),
                Agreement::Deflate(anew) => format!("{} {}", anew.to_server, anew.to_client),
            };
            assert_eq!(text, *agreed, "{extensions}");
        }
    }
}

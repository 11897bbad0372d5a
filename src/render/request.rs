//! The request of an exchange in HTTP's terms, for the log and the table of times, which show
//! method, host and path. Parsing accepts any bytes.

use std::borrow::Cow;

use crate::exchange::Title;
use crate::hit::{Hit, Pair};

use super::parts::fact;

/// A request's start line and host as sent, unescaped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request<'a> {
    /// The method: `GET`.
    pub(super) method: &'a str,
    /// The value of `Host`; empty if there is none.
    pub(super) host: &'a str,
    /// The request target: `/path?query`, `http://host/path`, `host:443`, `*`.
    pub(super) target: Cow<'a, str>,
}

impl<'a> Request<'a> {
    /// The request of `pair`, taken from its title if the request was not kept; `None` if it is
    /// unknown.
    pub(super) fn of(pair: &Pair<'a>) -> Option<Self> {
        pair.request
            .and_then(Self::of_hit)
            .or_else(|| Self::of_title(pair.title))
    }

    fn of_hit(hit: &'a Hit<'a>) -> Option<Self> {
        let method = fact(hit, "http.method")?;
        Some(Self {
            method,
            host: fact(hit, "http.host").unwrap_or_default(),
            target: Cow::Borrowed(fact(hit, "http.target")?),
        })
    }

    /// Of `GET host/path`, which is cut after [`Title::CAPACITY`] bytes.
    fn of_title(title: &'a [u8]) -> Option<Self> {
        let text = title.utf8_chunks().next()?.valid();
        let (method, place) = text.split_once(' ')?;
        let path = match place.find("://") {
            Some(_) => 0,
            None => place.find('/').unwrap_or(0),
        };
        let (host, target) = place.split_at_checked(path)?;
        let mut target = Cow::Borrowed(target);
        if title.len() >= Title::CAPACITY || text.len() < title.len() {
            target.to_mut().push_str("...");
        }
        Some(Self {
            method,
            host,
            target,
        })
    }

    /// Formats the request as `GET host/path?query`.
    pub(super) fn words(&self) -> String {
        let host = match self.target.starts_with('/') {
            true => self.host,
            false => "",
        };
        format!("{} {host}{}", self.method, self.target)
    }

    /// The requested host, with its port if given, and the path without the query.
    pub(super) fn place(&self) -> (&str, &str) {
        let target: &str = &self.target;
        let (host, path) = match target.split_once("://") {
            // A proxy receives an absolute URL. A `://` later in the target is part of a query.
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
            }
            _ if self.method == "CONNECT" => (target, ""),
            _ => (self.host, target),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        (host, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_are_split_in_every_form_of_a_target() {
        let table = [
            (
                "GET",
                "h:1",
                "/a?b=http://x/",
                "GET h:1/a?b=http://x/",
                ("h:1", "/a"),
            ),
            (
                "GET",
                "h",
                "http://o:8/p?q",
                "GET http://o:8/p?q",
                ("o:8", "/p"),
            ),
            ("GET", "h", "http://o", "GET http://o", ("o", "")),
            ("CONNECT", "h", "h:443", "CONNECT h:443", ("h:443", "")),
            ("OPTIONS", "h", "*", "OPTIONS *", ("h", "*")),
            ("GET", "", "/a#b", "GET /a#b", ("", "/a")),
            ("GET", "h", "/", "GET h/", ("h", "/")),
        ];
        for (method, host, target, words, place) in table {
            let target = Cow::Borrowed(target);
            let request = Request {
                method,
                host,
                target,
            };
            assert_eq!(request.words(), words);
            assert_eq!(request.place(), place);
        }
    }

    #[test]
    fn a_title_contains_the_request() {
        let parts = |title: &[u8]| {
            let request = Request::of_title(title)?;
            let Request {
                method,
                host,
                target,
            } = &request;
            Some(format!("{method}|{host}|{target}"))
        };
        let long = [b"GET h/".as_slice(), &[b'a'; 154]].concat();
        for (title, want) in [
            (&b"GET h:1/a/b"[..], Some("GET|h:1|/a/b".to_owned())),
            (b"CONNECT h:443", Some("CONNECT||h:443".to_owned())),
            (b"GET http://h/a", Some("GET||http://h/a".to_owned())),
            (b"GET h/\xff", Some("GET|h|/...".to_owned())),
            (b"", None),
            (b"\xff", None),
            (&long, Some(format!("GET|h|/{}...", "a".repeat(154)))),
        ] {
            assert_eq!(parts(title), want, "{title:?}");
        }
    }
}

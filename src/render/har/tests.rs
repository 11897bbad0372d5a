//! URLs and lists of an archive.

use serde_json::json;

use super::*;

#[test]
fn a_url_is_absolute_and_of_ascii() {
    for (method, target, host, want) in [
        ("GET", "/a?b=c", Some("x:80"), "http://x:80/a?b=c"),
        ("GET", "/", None, "http://[::1]:80/"),
        ("GET", "/\u{e9} \"", Some("x"), "http://x/%C3%A9%20%22"),
        ("GET", "http://y/z", Some("x"), "http://y/z"),
        ("OPTIONS", "*", Some("x"), "http://x/*"),
        ("CONNECT", "y:443", Some("x"), "http://y:443"),
        ("GET", "/?u=http://z", Some("x"), "http://x/?u=http://z"),
    ] {
        let host = host.map(str::as_bytes);
        assert_eq!(
            url(method.as_bytes(), target.as_bytes(), host, "[::1]:80"),
            want
        );
    }
}

#[test]
fn a_query_is_decoded_and_dates_are_as_the_format_wants_them() {
    assert_eq!(
        parts::query(b"/a?x=1%202+3&y&&z=%zz%e9#f=1"),
        [
            json!({"name": "x", "value": "1 2 3"}),
            json!({"name": "y", "value": ""}),
            json!({"name": "z", "value": "%zz\u{e9}"}),
        ]
    );
    assert_eq!(
        date(Timestamp::new(1, 5_000)),
        "1970-01-01T00:00:01.000005Z"
    );
    assert_eq!(latin(b"caf\xe9"), "caf\u{e9}");
}

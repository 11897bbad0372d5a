//! What is redacted and what is not. Offsets stay within the text, and time is linear.

use proptest::prelude::*;

use super::*;

/// Redacts a message with this head, body and syntax of the body.
fn redact(head: &str, body: &str, syntax: Syntax) -> String {
    let text = format!("{head}{body}");
    let redaction = Redaction::of(&Input {
        bytes: text.as_bytes(),
        head: head.len(),
        fields: &[],
        body: syntax,
        cuts: &[],
    });
    redaction.map_or(text, |redaction| {
        String::from_utf8(redaction.bytes).unwrap()
    })
}

#[test]
fn fields_keep_their_names_schemes_and_attributes() {
    for (field, want) in [
        (
            "Authorization: Bearer abcdefgh",
            "Authorization: Bearer ***8***",
        ),
        (
            "authorization:  basic  YWxp",
            "authorization:  basic  ***4***",
        ),
        ("Authorization: abcdefgh ijkl", "Authorization: ***13***"),
        ("Authorization: abcdefgh", "Authorization: ***8***"),
        (
            "Proxy-Authorization: Digest username=\"u\", response=\"ab\"",
            "Proxy-Authorization: Digest ***27***",
        ),
        (
            "Cookie: a=1; sid=abcd; x",
            "Cookie: a=***1***; sid=***4***; ***1***",
        ),
        (
            "Set-Cookie: sid=abcd; Path=/; HttpOnly",
            "Set-Cookie: sid=***4***; Path=/; HttpOnly",
        ),
        ("X-Api-Key: k", "X-Api-Key: ***1***"),
        ("x-amz-security-token: abc", "x-amz-security-token: ***3***"),
        (
            "Ocp-Apim-Subscription-Key: abc",
            "Ocp-Apim-Subscription-Key: ***3***",
        ),
        ("X-CSRF-Token: abc def", "X-CSRF-Token: ***7***"),
        (
            "Access-Control-Allow-Credentials: true",
            "Access-Control-Allow-Credentials: true",
        ),
        (
            "Referer: http://x/?sid=ab&b=1",
            "Referer: http://x/?sid=***2***&b=1",
        ),
        ("Accept-Language: en", "Accept-Language: en"),
        ("Authorization:", "Authorization:"),
    ] {
        let head = format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
        let want = format!("GET / HTTP/1.1\r\n{want}\r\n\r\n");
        assert_eq!(redact(&head, "", Syntax::Text), want);
    }
}

#[test]
fn parameters_members_and_passwords_in_urls_are_redacted() {
    for (line, want) in [
        (
            "GET /?token=abc'd;e&b=1 HTTP/1.1",
            "GET /?token=***7***&b=1 HTTP/1.1",
        ),
        (
            "GET /?a=1&user%5Bpassword%5D=x HTTP/1.1",
            "GET /?a=1&user%5Bpassword%5D=***1*** HTTP/1.1",
        ),
        (
            "GET /cb#access_token=ab HTTP/1.1",
            "GET /cb#access_token=***2*** HTTP/1.1",
        ),
        (
            "GET http://u:pass@host/ HTTP/1.1",
            "GET http://u:***4***@host/ HTTP/1.1",
        ),
        (
            "GET http://ghp_abc@host/ HTTP/1.1",
            "GET http://***7***@host/ HTTP/1.1",
        ),
        (
            "GET http://ghp_abc:x-oauth-basic@host/",
            "GET http://***7***:x-oauth-basic@host/",
        ),
        (
            "GET http://host:80/a@b:c HTTP/1.1",
            "GET http://host:80/a@b:c HTTP/1.1",
        ),
        // As in a truncated title.
        ("GET http://u:pas", "GET http://u:***3***"),
        ("GET http://host:80", "GET http://host:80"),
        (
            "GET /max_tokens=12&keyboard=x",
            "GET /max_tokens=12&keyboard=x",
        ),
        ("pay 4111 1111 1111 1111 now", "pay ***15***1111 now"),
        ("pay 5500-0000-0000-0004.", "pay ***15***0004."),
        ("no 1 378282246310005", "no 1 ***11***0005"),
        (
            "at 1700000000000 ms, 4111111111111112",
            "at 1700000000000 ms, 4111111111111112",
        ),
    ] {
        assert_eq!(redacted(line.as_bytes()), want.as_bytes(), "{line}");
    }
    for (body, want) in [
        (
            r#"{"user":"u","password":"a\"b\\","n":1}"#,
            r#"{"user":"u","password":"***6***","n":1}"#,
        ),
        (
            r#"{"accessToken" : "ab","pin":1234}"#,
            r#"{"accessToken" : "***2***","pin":"***4***"}"#,
        ),
        (
            r#"{"recoverycodes":["ab", "cd"],"a":["b"]}"#,
            r#"{"recoverycodes":["***2***", "***2***"],"a":["b"]}"#,
        ),
        (
            r#"{"body":"{\"token\":\"a\\\"b\",\"x\":1}"}"#,
            r#"{"body":"{\"token\":\"***6***\",\"x\":1}"}"#,
        ),
        (
            r#"{"session":{"id":"x"},"token":null}"#,
            r#"{"session":{"id":"x"},"token":null}"#,
        ),
        (r#"{"token":"cut"#, r#"{"token":"***3***"#),
        ("token=\"a b\" x", "token=\"***3***\" x"),
        ("password: hunter2\n", "password: ***7***\n"),
        (
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\na\r\nb\r\n--b--\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n***4***\r\n--b--\r\n",
        ),
    ] {
        assert_eq!(redact("", body, Syntax::Text), want, "{body}");
    }
    assert_eq!(
        redact("", "user=u&password=a b\"c<d&x=1", Syntax::Form),
        "user=u&password=***7***&x=1"
    );
}

#[test]
fn offsets_move_with_the_text() {
    let text = b"sid=abcdef; x=1";
    let redaction = Redaction::of(&Input {
        bytes: text,
        head: 0,
        fields: &[],
        body: Syntax::Text,
        cuts: &[6],
    })
    .unwrap();
    // The piece that ends inside the secret gets a placeholder of its own.
    assert_eq!(redaction.bytes, b"sid=***2******4***; x=1");
    for (range, want) in [
        (0..3, 0..3),
        (0..6, 0..11),
        (6..15, 11..23),
        (5..7, 4..18),
        (12..15, 20..23),
    ] {
        assert_eq!(redaction.map_range(&range), want, "{range:?}");
    }
}

proptest! {
    /// Offsets stay in order and within the text, and redaction succeeds, for any bytes.
    #[test]
    fn any_bytes_can_be_redacted(
        parts in prop::collection::vec(prop::sample::select(vec![
            "token", "=", ":", "\"", "\\", "://", "@", "&", "\r\n", " ", "4111111111111111", "[", "]", ",", "a", "\u{e9}",
            "Content-Disposition: form-data; name=\"pwd\"", "--", "Cookie: ", "Authorization: Bearer ", ";", "{",
        ]), 0..60),
        head in 0_usize..200,
        cuts in prop::collection::vec(0_usize..200, 0..4),
    ) {
        let text = parts.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        let message = Input { bytes: &text, head: head.min(text.len()), fields: &[], body: Syntax::Text, cuts: &cuts };
        if let Some(redaction) = Redaction::of(&message) {
            let mut last = 0;
            for at in 0..=text.len() {
                let (start, end) = (redaction.map_start(at), redaction.map_end(at));
                prop_assert!(start <= end && end <= redaction.bytes.len() && start >= last, "{at}");
                last = start;
            }
            prop_assert_eq!(redaction.map_end(text.len()), redaction.bytes.len());
        }
    }
}

#[test]
fn redaction_takes_linear_time() {
    let start = std::time::Instant::now();
    for part in [
        "token=",
        "\"token\":",
        "://",
        "\"token\":\"\\",
        "4 ",
        "4111111111111111",
        "token=\"",
        "\\\"token\\\":\\\"",
        "[",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        let _ = redact("", &text, Syntax::Text);
        let _ = redacted(text.as_bytes());
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

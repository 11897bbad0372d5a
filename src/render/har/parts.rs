//! The lists of an archive's entry: fields, cookies, parameters; and the text of a body.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::hit::{Hit, Piece};
use crate::message::{Decoding, Role};
use crate::render::parts::{body, field, fields};

/// Bytes as text: UTF-8, or else ISO 8859-1.
pub(super) fn latin(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

pub(super) fn headers(hit: &Hit<'_>) -> Vec<Value> {
    fields(hit).map(|(name, value)| pair(name, value)).collect()
}

fn pair(name: &[u8], value: &[u8]) -> Value {
    json!({"name": latin(name), "value": latin(value)})
}

/// Of `Cookie`, or of `Set-Cookie` with what it says about them.
pub(super) fn cookies(hit: &Hit<'_>) -> Vec<Value> {
    let asks = hit.kind.side == Role::Request;
    let wanted = if asks { "cookie" } else { "set-cookie" };
    let values = fields(hit).filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    let mut cookies = Vec::new();
    for (_, value) in values {
        let mut parts = value
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
            .filter(|part| !part.is_empty());
        if asks {
            cookies.extend(parts.map(|part| {
                let (name, value) = cut(part, b'=');
                pair(name, value)
            }));
        } else if let Some(first) = parts.next() {
            let (name, value) = cut(first, b'=');
            let mut cookie = pair(name, value);
            parts.for_each(|attribute| note(attribute, &mut cookie));
            cookies.push(cookie);
        }
    }
    cookies
}

/// What an attribute says about a cookie.
fn note(attribute: &[u8], cookie: &mut Value) {
    let (name, value) = cut(attribute, b'=');
    match name.to_ascii_lowercase().as_slice() {
        b"path" => cookie["path"] = json!(latin(value)),
        b"domain" => cookie["domain"] = json!(latin(value)),
        b"httponly" => cookie["httpOnly"] = json!(true),
        b"secure" => cookie["secure"] = json!(true),
        b"expires" => {
            // Netscape's form has dashes: Wed, 21-Oct-2015 07:28:00 GMT.
            let date = latin(value).replace('-', " ");
            if let Ok(date) = jiff::fmt::rfc2822::parse(&date) {
                cookie["expires"] = json!(date.timestamp().to_string());
            }
        }
        _ => {}
    }
}

/// The parameters of a target's query, decoded.
pub(super) fn query(target: &[u8]) -> Vec<Value> {
    let (_, query) = cut(target, b'?');
    parameters(cut(query, b'#').0)
}

fn parameters(text: &[u8]) -> Vec<Value> {
    let parts = text.split(|byte| *byte == b'&');
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = cut(part, b'=');
            pair(&decoded(name), &decoded(value))
        })
        .collect()
}

/// `%41` and `+` in forms and queries.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let coded = behind.get(..2).filter(|_| *byte == b'%');
        let coded =
            coded.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        match coded {
            Some(coded) => {
                out.push(coded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => out.push(if *byte == b'+' { b' ' } else { *byte }),
        }
    }
    out
}

/// The body of a question: its text, and for a form the parameters in it.
pub(super) fn post(question: &Hit<'_>) -> Value {
    let kind = field(question, "content-type")
        .map(latin)
        .unwrap_or_default();
    let form = "application/x-www-form-urlencoded";
    let is_form = kind
        .get(..form.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(form));
    let mut post = json!({"mimeType": kind});
    if is_form {
        post["params"] = json!(parameters(body(question)));
    }
    text(question, "_encoding", &mut post);
    post
}

/// Put the text of a body into `object`, and how it is coded under the name `encoding`.
pub(super) fn text(hit: &Hit<'_>, encoding: &str, object: &mut Value) {
    let bytes = body(hit);
    if let Ok(text) = str::from_utf8(bytes) {
        object["text"] = json!(text);
    } else {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        object["text"] = json!(text);
        object[encoding] = json!("base64");
    }
    comment(hit, object);
}

/// What is not there of a body, or not as it should be.
pub(super) fn comment(hit: &Hit<'_>, object: &mut Value) {
    let (mut skipped, mut missing) = (0, 0);
    for piece in hit.text.pieces {
        match piece {
            Piece::Kept(_) => {}
            Piece::Skipped(len) => skipped += len,
            Piece::Missing(len, _) => missing += len,
        }
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend((skipped > 0).then(|| format!("{skipped} bytes were not kept (--max-body)")));
    parts.extend((missing > 0).then(|| format!("{missing} bytes were not captured")));
    parts.extend(hit.incomplete.then(|| "it is incomplete".to_owned()));
    let likely = hit.brief.likely;
    parts.extend(likely.then(|| "its request is likely, and not certain".to_owned()));
    parts.extend(match hit.body.state {
        Decoding::AsSent | Decoding::Decoded => None,
        Decoding::Broken => Some("it could not be decoded to its end".to_owned()),
        Decoding::Cut => Some("it swells like a bomb, and was decoded in part".to_owned()),
        Decoding::NoRoom => Some("there was no memory left to decode it".to_owned()),
    });
    let reading = hit.body.reading;
    parts.extend(reading.map(|name| format!("it was read as {name}, which its head does not say")));
    if !parts.is_empty() {
        object["comment"] = json!(parts.join("; "));
    }
}

/// What is in front of the first `sign`, and what is behind it, trimmed.
fn cut(text: &[u8], sign: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(sign, text) {
        Some(at) => (
            text.get(..at).unwrap_or_default().trim_ascii(),
            text.get(at + 1..).unwrap_or_default().trim_ascii(),
        ),
        None => (text, b""),
    }
}

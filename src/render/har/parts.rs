//! The lists in an archive's entry (fields, cookies, parameters) and the text of a body. Missing or
//! malformed parts give empty lists.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::hit::{Hit, Piece};
use crate::message::Role;
use crate::render::parts::{body, defects, field, fields};

/// Decodes bytes as UTF-8, or else as ISO 8859-1.
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

/// The cookies of `Cookie`, or those of `Set-Cookie` with their attributes.
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

/// Adds an attribute to a cookie.
fn note(attribute: &[u8], cookie: &mut Value) {
    let (name, value) = cut(attribute, b'=');
    match name.to_ascii_lowercase().as_slice() {
        b"path" => cookie["path"] = json!(latin(value)),
        b"domain" => cookie["domain"] = json!(latin(value)),
        b"httponly" => cookie["httpOnly"] = json!(true),
        b"secure" => cookie["secure"] = json!(true),
        b"expires" => {
            // The Netscape format has dashes: Wed, 21-Oct-2015 07:28:00 GMT.
            let date = latin(value).replace('-', " ");
            if let Ok(date) = jiff::fmt::rfc2822::parse(&date) {
                cookie["expires"] = json!(date.timestamp().to_string());
            }
        }
        _ => {}
    }
}

/// The decoded parameters of a target's query.
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

/// Decodes `%41` and `+` as in forms and queries.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let coded = after.get(..2).filter(|_| *byte == b'%');
        let coded =
            coded.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        match coded {
            Some(coded) => {
                out.push(coded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => out.push(if *byte == b'+' { b' ' } else { *byte }),
        }
    }
    out
}

/// The body of a request: its text, and for a form its parameters.
pub(super) fn post(hit: &Hit<'_>) -> Value {
    let kind = field(hit, "content-type").map(latin).unwrap_or_default();
    let form = "application/x-www-form-urlencoded";
    let is_form = kind
        .get(..form.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(form));
    let mut post = json!({"mimeType": kind});
    if is_form {
        post["params"] = json!(parameters(body(hit)));
    }
    text(hit, "_encoding", &mut post);
    post
}

/// Adds the text of a body to `object`, and its encoding under the key `encoding`.
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

/// Adds a comment that names what is missing from a body or faulty in it.
pub(super) fn comment(hit: &Hit<'_>, object: &mut Value) {
    let skipped = hit.text.pieces.iter().map(|piece| match piece {
        Piece::Skipped(len) => *len,
        Piece::Kept(_) | Piece::Missing(..) => 0,
    });
    let skipped: u64 = skipped.sum();
    let mut parts: Vec<String> = Vec::new();
    parts.extend((skipped > 0).then(|| format!("{skipped} bytes were not kept (--max-body)")));
    parts.extend(defects(hit));
    if !parts.is_empty() {
        object["comment"] = json!(parts.join("; "));
    }
}

/// The text before the first `sign` and the text after it, both trimmed.
fn cut(text: &[u8], sign: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(sign, text) {
        Some(at) => (
            text.get(..at).unwrap_or_default().trim_ascii(),
            text.get(at + 1..).unwrap_or_default().trim_ascii(),
        ),
        None => (text, b""),
    }
}

//! Compares heads: start lines, and header fields by name. Names are compared case-insensitively,
//! and the order of fields with different names does not matter.

use super::exchange::Message;
use super::row::{DiffRow, RowKind};
use super::secrets;

/// Fields that differ between any two exchanges and carry no information, in addition to
/// [`NOISE_PREFIXES`].
const NOISE: [&str; 25] = [
    "date",
    "age",
    "etag",
    "last-modified",
    "expires",
    "content-length",
    "connection",
    "keep-alive",
    "request-id",
    "x-request-id",
    "x-correlation-id",
    "correlation-id",
    "x-trace-id",
    "traceparent",
    "tracestate",
    "x-runtime",
    "x-response-time",
    "x-timer",
    "server-timing",
    "cf-ray",
    "x-cloud-trace-context",
    "x-varnish",
    "sec-websocket-key",
    "sec-websocket-accept",
    "idempotency-key",
];
/// Prefixes of the ids of tracers and cloud providers.
const NOISE_PREFIXES: [&str; 5] = [
    "x-b3-",
    "x-amzn-trace-id",
    "x-amzn-requestid",
    "x-amz-",
    "x-datadog-",
];

/// Compares two heads; `line` is the name of the row for the start line.
pub(super) fn rows(a: &Message, b: &Message, line: &str, redact: bool) -> Vec<DiffRow> {
    let mut rows = Vec::new();
    let (one, other) = (a.start_line(), b.start_line());
    let shown = |text| secrets::display(redact, b"", text).into_owned();
    rows.push(match one == other {
        true => DiffRow::same(shown(one)),
        false => DiffRow::differs(line.as_bytes(), vec![shown(one)], vec![shown(other)]),
    });
    let mut names: Vec<&[u8]> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for (name, _) in a.fields().chain(b.fields()) {
        if known.insert(name.to_ascii_lowercase()) {
            names.push(name);
        }
    }
    // `Content-Length` matters only without a body, whose row would report the size.
    let has_body = a.body_size > 0 || b.body_size > 0;
    // Group values by name once: a hostile head can have many names, and one pass for each would be
    // quadratic.
    let (in_a, in_b) = (by_name(a), by_name(b));
    for name in names {
        let noise = is_noise(name) && (has_body || !name.eq_ignore_ascii_case(b"content-length"));
        field(
            name,
            values(&in_a, name),
            values(&in_b, name),
            noise,
            redact,
            &mut rows,
        );
    }
    rows
}

type ByName<'m> = std::collections::HashMap<Vec<u8>, Vec<&'m [u8]>>;

fn by_name(message: &Message) -> ByName<'_> {
    let mut all = ByName::new();
    for (name, value) in message.fields() {
        all.entry(name.to_ascii_lowercase())
            .or_default()
            .push(value);
    }
    all
}

fn values<'m>(all: &ByName<'m>, name: &[u8]) -> Vec<&'m [u8]> {
    let found = all.get(&name.to_ascii_lowercase());
    found.cloned().unwrap_or_default()
}

/// Compares the fields of one name. Equal values share a row, whatever their order; the others are
/// compared pairwise in order.
fn field(
    name: &[u8],
    mut in_a: Vec<&[u8]>,
    mut in_b: Vec<&[u8]>,
    noise: bool,
    redact: bool,
    rows: &mut Vec<DiffRow>,
) {
    let shown = |value: &[u8]| secrets::display(redact, name, value).into_owned();
    let mut left = std::collections::HashMap::<&[u8], usize>::new();
    for value in &in_b {
        *left.entry(value).or_default() += 1;
    }
    let mut both = std::collections::HashMap::<&[u8], usize>::new();
    in_a.retain(|value| match left.get_mut(value) {
        Some(count @ 1..) => {
            *count -= 1;
            *both.entry(value).or_default() += 1;
            rows.push(DiffRow::same([name, b": ", &shown(value)].concat()));
            false
        }
        _ => true,
    });
    in_b.retain(|value| match both.get_mut(value) {
        Some(count @ 1..) => {
            *count -= 1;
            false
        }
        _ => true,
    });
    for at in 0..in_a.len().max(in_b.len()) {
        let side = |values: &[&[u8]]| {
            values
                .get(at)
                .map(|value| shown(value))
                .into_iter()
                .collect()
        };
        rows.push(DiffRow {
            absent: "(not sent)",
            kind: if noise {
                RowKind::Noise
            } else {
                RowKind::Differs
            },
            ..DiffRow::differs(name, side(&in_a), side(&in_b))
        });
    }
}

/// Returns whether a field differs between any two exchanges.
pub(super) fn is_noise(name: &[u8]) -> bool {
    let starts = |prefix: &&str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    NOISE
        .iter()
        .any(|noise| name.eq_ignore_ascii_case(noise.as_bytes()))
        || NOISE_PREFIXES.iter().any(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of two heads with these fields, on one line.
    fn compared(a: &str, b: &str) -> String {
        let message = |fields: &str| {
            let lines = fields.split(" | ").filter(|line| !line.is_empty());
            let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
            Message::parsed(&format!("HTTP/1.1 200 OK\r\n{lines}\r\nbody"))
        };
        let side = |lines: &[Vec<u8>]| {
            lines.first().map_or("-".into(), |line| {
                String::from_utf8_lossy(line).into_owned()
            })
        };
        let text = |row: &DiffRow| {
            let name = String::from_utf8_lossy(&row.name).into_owned();
            match row.kind {
                RowKind::Same => format!("= {name}"),
                RowKind::Differs => format!("~ {name} {} {}", side(&row.a), side(&row.b)),
                RowKind::Noise => format!("noise {name} {} {}", side(&row.a), side(&row.b)),
                RowKind::Note => name,
            }
        };
        let rows = rows(&message(a), &message(b), "status line", false);
        rows.iter().skip(1).map(text).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn fields_are_compared_by_name_and_in_any_order() {
        let table = [
            ("A: 1 | B: 2", "b: 2 | a: 1", "= A: 1; = B: 2"),
            ("A: 1", "A: 2", "~ A 1 2"),
            ("A: 1", "", "~ A 1 -"),
            ("", "A: 1", "~ A - 1"),
            (
                "Set-Cookie: x | Set-Cookie: y",
                "Set-Cookie: y | Set-Cookie: z",
                "= Set-Cookie: y; ~ Set-Cookie x z",
            ),
            ("C: 1 | C: 1", "C: 1", "= C: 1; ~ C 1 -"),
            (
                "Date: 1 | ETag: x",
                "Date: 2",
                "noise Date 1 2; noise ETag x -",
            ),
            ("X-Amz-Cf-Id: 1", "X-Amz-Cf-Id: 2", "noise X-Amz-Cf-Id 1 2"),
        ];
        for (a, b, want) in table {
            assert_eq!(compared(a, b), want, "{a} / {b}");
        }
    }

    #[test]
    fn a_length_without_a_body_is_not_noise() {
        let head =
            |len: u8| Message::parsed(&format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n"));
        let rows = rows(&head(1), &head(2), "status line", false);
        assert_eq!(rows[1].kind, RowKind::Differs);
    }

    #[test]
    fn start_lines_are_compared_whole() {
        let response = |status: &str| Message::parsed(&format!("HTTP/1.1 {status}\r\n\r\n"));
        let rows = rows(
            &response("200 OK"),
            &response("404 Not RowKind"),
            "status line",
            false,
        );
        assert_eq!(rows[0].name, b"status line");
        assert_eq!(rows[0].b, [b"HTTP/1.1 404 Not RowKind".to_vec()]);
    }
}

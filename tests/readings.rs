//! Bodies that are not framed, coded or written as their heads say, and heads that were cut: what
//! is found, shown and counted.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::frames::{ACK, PSH, SYN, tcp, write, write_cut};
use crate::{run, scratch, text};

const FIN: u8 = 1;

/// Exchanges of one connection, one after the other.
fn exchanges(of: &[(&[u8], &[u8])]) -> Vec<Vec<u8>> {
    let port = 40_000;
    let (mut client, mut server) = (100_u32, 500_u32);
    let mut packets = vec![
        tcp(true, port, SYN, client - 1, 0, b""),
        tcp(false, port, SYN | ACK, server - 1, client, b""),
        tcp(true, port, ACK, client, server, b""),
    ];
    for (request, response) in of {
        packets.push(tcp(true, port, PSH | ACK, client, server, request));
        client += u32::try_from(request.len()).expect("short");
        packets.push(tcp(false, port, PSH | ACK, server, client, response));
        server += u32::try_from(response.len()).expect("short");
        packets.push(tcp(true, port, ACK, client, server, b""));
    }
    packets.push(tcp(false, port, FIN | ACK, server, client, b""));
    packets.push(tcp(true, port, FIN | ACK, client, server + 1, b""));
    packets
}

fn capture(folder: &Path, name: &str, of: &[(&[u8], &[u8])]) -> PathBuf {
    let path = folder.join(name);
    write(&path, &exchanges(of));
    path
}

fn printed(arguments: &str, file: &Path) -> String {
    text(&run(&format!("{arguments} {}", file.display())).stdout)
}

/// The messages of `--json`.
fn messages(arguments: &str, file: &Path) -> Vec<Value> {
    let printed = printed(&format!("-q --json {arguments}"), file);
    let lines = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"));
    lines
        .filter(|line| line["type"] == "match" || line["type"] == "context")
        .map(|line| line["data"].clone())
        .collect()
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
/// Both lengths: the needle is the body for some, and a chunk's extension for others.
const BOTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\nTransfer-Encoding: chunked\r\n\r\n1;NEEDLE\r\nx\r\n0\r\n\r\n";

#[test]
fn another_reading_is_shown_where_it_alone_matches_and_is_one_hit() {
    let folder = scratch("another-reading");
    let file = capture(&folder, "both.pcap", &[(GET, BOTH)]);
    assert_eq!(printed("-q --count NEEDLE", &file), "1\n");
    let shown = printed("-q --only resp NEEDLE", &file);
    assert!(shown.contains("[read as sent]\n"), "{shown}");
    assert!(shown.ends_with("\n1;NEEDLE\nx\n0\n\n"), "{shown}");
    // What the message itself says is enough.
    let shown = printed("-q --only resp x", &file);
    assert!(
        !shown.contains("[read as sent]") && shown.ends_with("\nx\n"),
        "{shown}"
    );
    assert_eq!(printed("-q --count --only resp x", &file), "1\n");
    // A needle in both is one hit, and so is one in the head.
    assert_eq!(printed("-q --count --only resp 'chunked|x'", &file), "1\n");
    // Without it: no reading may have it.
    assert_eq!(printed("-q --count --only resp -v NEEDLE", &file), "0\n");
    assert_eq!(printed("-q --count --only resp --not x ''", &file), "0\n");
    // All must hold in one reading.
    assert_eq!(printed("-q --count --and chunked NEEDLE", &file), "1\n");
    assert_eq!(printed("-q --count --and NEEDLE 'GET|200'", &file), "1\n");
    let shown = &messages("--only resp NEEDLE", &file)[0];
    let marks: Vec<_> = shown["marks"].as_array().expect("a list").iter().collect();
    assert_eq!(marks, ["odd", "read_as_sent"]);
    assert_eq!(shown["body"]["size"], 18);
    assert_eq!(shown["body"]["wire_size"], 18);
    assert_eq!(shown["submatches"][0]["start"], 2);
}

#[test]
fn chunks_that_are_none_are_shown_searched_and_kept_in_archives() {
    let folder = scratch("no-chunks");
    let response = b"HTTP/1.1 502 No\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{\"error\":\"NEEDLE\"}";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let file = capture(&folder, "no-chunks.pcap", &[(GET, response), (GET, ok)]);
    assert_eq!(printed("-q --count NEEDLE", &file), "1\n");
    let log = printed("-q -W log", &file);
    assert!(log.contains(" 502 ") && log.contains("18 B"), "{log}");
    assert!(
        log.lines().last().expect("two lines").contains(" 200 "),
        "{log}"
    );
    let archive: Value = serde_json::from_str(&printed("-q --har -", &file)).expect("JSON");
    let response = &archive["log"]["entries"][0]["response"];
    assert_eq!(response["content"]["text"], "{\"error\":\"NEEDLE\"}");
    assert_eq!(
        response["content"]["comment"],
        "it is incomplete; it was read as sent, which its head does not say"
    );
}

#[test]
fn a_form_keeps_its_text_in_an_archive_and_its_secrets_masked() {
    let folder = scratch("form");
    let post = |body: &[u8]| {
        let head = format!(
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let ok: &[u8] = b"HTTP/1.1 204 No\r\n\r\n";
    let file = capture(
        &folder,
        "form.pcap",
        &[
            (&post(b"{\"plus\":\"1+1\"}"), ok),
            (&post(b"\xff\xff"), ok),
            (&post(b"a=b&password=hidden"), ok),
        ],
    );
    let archive: Value = serde_json::from_str(&printed("-q --har -", &file)).expect("JSON");
    let posted = |at: usize| &archive["log"]["entries"][at]["request"]["postData"];
    assert_eq!(posted(0)["text"], "{\"plus\":\"1+1\"}");
    assert_eq!(posted(0)["params"][0]["name"], "{\"plus\":\"1 1\"}");
    assert_eq!(posted(1)["text"], "//8=");
    assert_eq!(posted(1)["_encoding"], "base64");
    assert_eq!(posted(2)["text"], "a=b&password=***6***");
}

#[test]
fn what_is_there_of_a_cut_head_is_used() {
    let folder = scratch("cut-heads");
    let path = folder.join("cut.pcap");
    let response =
        b"HTTP/1.1 404 Not Found\r\nServer: a long name of a server\r\nContent-Length: 0\r\n\r\n";
    let asked = b"GET /b HTTP/1.1\r\nHost: h\r\nAccept: everything\r\n\r\n";
    // Headers of 40 bytes, then 32 of the payload.
    write_cut(&path, &exchanges(&[(GET, response), (asked, response)]), 72);
    let log = printed("-q -W log", &path);
    let rows: Vec<_> = log.lines().collect();
    assert_eq!(rows.len(), 2, "{log}");
    assert!(
        rows[0].contains("GET h/a ") && rows[0].contains(" 404 "),
        "{log}"
    );
    assert!(
        rows[1].contains("GET h/b ") && rows[1].contains(" 404 "),
        "{log}"
    );
    for (condition, count) in [
        ("--method GET --only req", "2\n"),
        ("--host h --only req", "2\n"),
        ("--path '^/b$' --only req", "1\n"),
        ("--status 404 --only resp", "2\n"),
        ("--status 404 --path '^/a$' --only resp", "1\n"),
        ("--method POST", "0\n"),
    ] {
        assert_eq!(
            printed(&format!("-q --count {condition} ''"), &path),
            count,
            "{condition}"
        );
    }
    let messages = messages("--only resp ''", &path);
    assert_eq!(messages[0]["http"]["status"], 404);
    assert_eq!(
        messages[0]["http"]["headers"],
        Value::Array(Vec::new()),
        "a cut field is none"
    );
    let gap = &messages[0]["gaps"][0];
    assert_eq!(
        (&gap["where"], &gap["offset"]),
        (&"head".into(), &32.into())
    );
    assert_eq!(messages[0]["marks"][0], "head_cut");
    let archive: Value = serde_json::from_str(&printed("-q --har -", &path)).expect("JSON");
    let entry = &archive["log"]["entries"][1];
    assert_eq!(entry["request"]["url"], "http://h/b");
    assert_eq!(entry["response"]["status"], 404);
    assert!(
        entry["response"]["comment"]
            .as_str()
            .is_some_and(|text| text.contains("not captured"))
    );
    let table = printed("-q --stats ''", &path);
    assert!(
        table.contains("4xx ×2") && table.contains("GET /b"),
        "{table}"
    );
}

#[test]
fn odd_answers_are_read_with_a_mark_and_the_next_pairs_again() {
    let folder = scratch("odd-answers");
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (at, (response, row)) in [
        (
            &b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nhi"[..],
            "[irregular: a status line with other white space]",
        ),
        (
            b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nhi",
            "[irregular: a status that is not of three digits]",
        ),
        (
            b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "[irregular: HTTP in lower case]",
        ),
        (
            b"HTTP 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            "[irregular: a status line without a version]",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\nhi",
            "",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and letters",
            "",
        ),
        (b"junkHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let file = capture(
            &folder,
            &format!("{at}.pcap"),
            &[(GET, response), (GET, ok)],
        );
        let log = printed("-q -W log", &file);
        let rows: Vec<_> = log.lines().filter(|row| row.contains("GET h/a")).collect();
        assert_eq!(rows.len(), 2, "{log}");
        assert!(rows.iter().all(|row| row.contains(" 200 ")), "{log}");
        assert!(rows[0].contains(row), "{log}");
    }
}

//! `--diff`: two exchanges of one file, the exchanges of two files, and what stands in the way. How
//! it looks is in `golden/difference.txt`.

use std::path::Path;

use crate::frames::{ACK, PSH, SYN, tcp, write};
use crate::{run, scratch, text};

const FRENCH: &str = "pcaps/french-website.pcap";

/// Exit status, standard output, standard error.
fn all(arguments: &str) -> (i32, String, String) {
    let output = run(arguments);
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// A capture of exchanges: the path, and more lines of the request; the body of the answer.
fn site(path: &Path, exchanges: &[(&str, &str, &str)]) {
    let mut packets = Vec::new();
    for (port, (target, fields, body)) in (40_000..).zip(exchanges) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let response = format!(
            "HTTP/1.1 200 OK\r\nDate: {port}-{}\r\nContent-Length: {}\r\n\r\n{body}",
            path.display(),
            body.len()
        );
        let asked = 101 + u32::try_from(request.len()).expect("it is short");
        packets.extend([
            tcp(true, port, SYN, 100, 0, b""),
            tcp(false, port, SYN | ACK, 500, 101, b""),
            tcp(true, port, ACK, 101, 501, b""),
            tcp(true, port, PSH | ACK, 101, 501, request.as_bytes()),
            tcp(false, port, PSH | ACK, 501, asked, response.as_bytes()),
        ]);
    }
    write(path, &packets);
}

#[test]
fn the_french_website_is_explained() {
    for which in ["--diff 1,2", "--diff=1,2", "--diff"] {
        let (status, out, _) = all(&format!("{which} {FRENCH}"));
        assert_eq!(status, 1, "{which}");
        assert!(out.contains("likely: "), "{out}");
        assert!(out.contains("only A sent Accept-Language"), "{out}");
    }
    let (_, turned, _) = all(&format!("--diff 2,1 {FRENCH}"));
    assert!(turned.contains("only B sent Accept-Language"), "{turned}");
}

#[test]
fn what_is_missing_is_named_with_status_2() {
    let table = [
        (
            format!("--diff 1,7 {FRENCH}"),
            "there is no exchange #7 here; the last is #2",
        ),
        (
            "--diff pcaps/http-chunked.pcap".into(),
            "no two exchanges ask for the same",
        ),
        (
            "--diff 1,2 pcaps/udp-syslog.pcap".into(),
            "#1 is no exchange of a request",
        ),
        (
            format!("--diff {FRENCH} {FRENCH} {FRENCH}"),
            "there are more",
        ),
        (
            format!("--diff -O x.pcap {FRENCH} {FRENCH}"),
            "-O saves what is in one run",
        ),
        (format!("--diff --ngrep {FRENCH}"), "packets one by one"),
    ];
    for (arguments, says) in table {
        let (status, out, err) = all(&arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments}: {err}");
        assert!(err.contains(says), "{arguments}: {err}");
    }
}

#[test]
fn two_files_are_two_runs() {
    let folder = scratch("difference-runs");
    let name = |file: &str| folder.join(file).display().to_string();
    let page = ("/", "", "hello");
    site(&folder.join("a"), &[page, ("/a", "", r#"{"id":1}"#), page]);
    site(
        &folder.join("b"),
        &[page, page, ("/a", "", r#"{"id":2}"#), ("/b", "", "")],
    );
    site(
        &folder.join("c"),
        &[("/a", "", r#"{ "id": 1 }"#), page, page],
    );

    let (status, out, err) = all(&format!("--diff -I {} -I {}", name("a"), name("c")));
    assert_eq!(
        (status, out.as_str()),
        (0, ""),
        "dates and blanks are no difference: {err}"
    );

    let (status, out, _) = all(&format!("--diff -I {} -I {}", name("a"), name("b")));
    assert_eq!(status, 1);
    assert!(out.starts_with("GET http://h/a        A = #2 "), "{out}");
    assert!(out.contains("  ~ body .id  A  1\n"), "{out}");
    assert!(
        out.ends_with(&format!("\n+ only in {}: #4 GET http://h/b\n", name("b"))),
        "{out}"
    );

    // With numbers, the first is of the first file and the second of the second.
    let (status, out, _) = all(&format!("--diff 2,3 -I {} -I {}", name("a"), name("b")));
    assert_eq!(status, 1);
    assert!(out.contains("A = #2 ") && out.contains("B = #3 "), "{out}");
    let (status, _, err) = all(&format!("--diff 2,9 -I {} -I {}", name("a"), name("b")));
    assert_eq!(status, 2);
    assert!(
        err.contains("there is no exchange #9 here; the last is #4"),
        "{err}"
    );
}

#[test]
fn without_numbers_other_programs_come_first() {
    let folder = scratch("difference-programs");
    let path = folder.join("a");
    let browser = ("/", "User-Agent: browser\r\n", "x");
    let icon = ("/icon", "User-Agent: browser\r\n", "x");
    let curl = ("/", "User-Agent: curl\r\n", "y");
    let compared = |exchanges: &[_]| {
        site(&path, exchanges);
        let (status, out, _) = all(&format!("--diff -I {}", path.display()));
        let line = out.lines().next().unwrap_or_default().to_owned();
        let numbers: Vec<String> = line
            .split(" = #")
            .skip(1)
            .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        (status, numbers.join(","))
    };
    assert_eq!(compared(&[browser, icon, browser, curl]), (1, "1,4".into()));
    assert_eq!(
        compared(&[browser, icon, browser, browser]),
        (0, "1,3".into())
    );
    assert_eq!(compared(&[browser, icon]), (2, String::new()));
}

#[test]
fn bodies_that_were_not_kept_are_not_called_the_same() {
    let folder = scratch("difference-kept");
    let path = folder.join("a");
    let long = "x".repeat(1000);
    site(&path, &[("/", "", &long), ("/", "", &long)]);
    let (status, _, _) = all(&format!("--diff 1,2 -I {}", path.display()));
    assert_eq!(status, 0);
    let (status, out, err) = all(&format!("--diff 1,2 --max-body 100 -I {}", path.display()));
    assert_eq!(status, 2, "{out}");
    assert!(err.contains("as far as they were kept"), "{err}");
}

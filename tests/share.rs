//! What people pass on: HTTP archives, curl commands, and no secrets in either.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;

use crate::frames::{ACK, PSH, SYN, tcp, write};
use crate::{project, run, scratch, spygrep, text};

/// The secrets of [`SECRET`].
const SECRETS: [&str; 12] = [
    "Zq7WxJ4kVbN2",
    "Yp6-Rt9.UhG3",
    "Kj8Lm5XcQw1E",
    "Vf2BgTz0NyH7",
    "Mx4DkSa9WvPq",
    "Ob1ZnCr6JtYe",
    "Gw5HuQf3XsLd",
    "Tn9KyVb2ImRc",
    "Ez7PjWg4AoXq",
    "Uc3FsMh8DxZt",
    "453957876362",
    "Rb6YvNk1QjGw",
];

/// Exchanges with secrets in every place.
const SECRET: [(&str, &str); 2] = [
    (
        "POST /login?token=Mx4DkSa9WvPq&x=1 HTTP/1.1\r\nHost: h.example\r\n\
         Authorization: Bearer Zq7WxJ4kVbN2\r\nCookie: a=Yp6-Rt9.UhG3; sid=Kj8Lm5XcQw1E\r\n\
         X-Api-Key: Vf2BgTz0NyH7\r\nReferer: http://me:Ob1ZnCr6JtYe@h.example/\r\n\
         Content-Type: application/json\r\nContent-Length: 96\r\n\r\n\
         {\"user\":\"u\",\"password\":\"Gw5HuQf3XsLd\",\"otp\":\"Tn9KyVb2ImRc\",\"card\":\"4539578763621007\",\"z\": 12345}",
        "HTTP/1.1 302 Found\r\nSet-Cookie: sid=Uc3FsMh8DxZt; Path=/\r\n\
         Location: /next?access_token=Rb6YvNk1QjGw\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "POST /form HTTP/1.1\r\nHost: h.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 37\r\n\r\nuser=someone&password=Ez7PjWg4AoXq",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
];

/// A capture of exchanges, each on a connection of its own.
fn capture(path: &Path, exchanges: &[(&[u8], &[u8])]) {
    let mut packets = Vec::new();
    for (port, (request, response)) in (40_000_u16..).zip(exchanges) {
        packets.push(tcp(true, port, SYN, 0, 0, b""));
        packets.push(tcp(false, port, SYN | ACK, 0, 1, b""));
        packets.push(tcp(true, port, ACK, 1, 1, b""));
        let mut seq = 1;
        for part in request.chunks(1400) {
            packets.push(tcp(true, port, PSH | ACK, seq, 1, part));
            seq += part.len() as u32;
        }
        packets.push(tcp(false, port, PSH | ACK, 1, seq, response));
        let end = 1 + response.len() as u32;
        packets.push(tcp(true, port, ACK | 1, seq, end, b""));
        packets.push(tcp(false, port, ACK | 1, end, seq + 1, b""));
    }
    write(path, &packets);
}

fn secrets(folder: &Path) -> PathBuf {
    let path = folder.join("secrets.pcap");
    let exchanges = SECRET.map(|(request, response)| {
        // The lengths are made to fit.
        let fit = |message: &str| {
            let (head, body) = message.split_once("\r\n\r\n").expect("a head ends");
            let lines = head
                .split("\r\n")
                .filter(|line| !line.starts_with("Content-Length"));
            let head: Vec<&str> = lines.collect();
            format!(
                "{}\r\nContent-Length: {}\r\n\r\n{body}",
                head.join("\r\n"),
                body.len()
            )
        };
        (fit(request).into_bytes(), fit(response).into_bytes())
    });
    let lent = exchanges
        .each_ref()
        .map(|(request, response)| (&request[..], &response[..]));
    capture(&path, &lent);
    path
}

#[test]
fn no_output_that_masks_lets_a_secret_through() {
    let path = secrets(&scratch("secrets"));
    let path = path.display();
    for arguments in [
        "--redact --body full",
        "--redact -q",
        "--redact login",
        "--redact -W byline",
        "--redact -W normal",
        "--redact -W single",
        "--redact -W none",
        "--redact -x",
        "--redact -W log --show-header Cookie",
        "--redact -o '.*pass.*'",
        "--redact -o '[A-Z][a-z][0-9-]+|Kj8.*|DkSa'",
        "--redact -H -o '(?s).+'",
        "--redact --json",
        "--redact --stats",
        "--redact --list",
        "--redact --pair found",
        "--redact --wire",
        "--redact --timing",
        "--har -",
        "--diff",
        "--curl 1",
        "--curl 2",
    ] {
        let output = run(&format!("{arguments} -I {path}"));
        let shown = text(&output.stdout) + &text(&output.stderr);
        let bare = shown.replace("\\r\\n", "").replace(['\n', '\r'], "");
        for secret in SECRETS {
            // No four bytes of it in a row, on a line or across lines.
            for part in secret.as_bytes().windows(4) {
                let part = text(part);
                assert!(
                    !shown.contains(&part) && !bare.contains(&part),
                    "{arguments}: {part}\n{shown}"
                );
            }
        }
    }
    // Without masking they are there.
    let shown = text(&run(&format!("--har - --show-secrets -I {path}")).stdout);
    for secret in SECRETS {
        assert!(shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn the_user_is_told_of_masks_and_of_what_is_in_an_archive() {
    let folder = scratch("masks");
    let path = secrets(&folder);
    let har = folder.join("out.har");
    let output = run(&format!(
        "--force --har {} -I {}",
        har.display(),
        path.display()
    ));
    let told = text(&output.stderr);
    assert!(told.contains("2 exchanges in the archive\n"), "{told}");
    assert!(
        told.contains("secrets are masked (***LENGTH***); --show-secrets shows them\n"),
        "{told}"
    );
    assert_eq!(text(&output.stdout), "");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(&har).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let quiet = run(&format!(
        "-q --force --har {} -I {}",
        har.display(),
        path.display()
    ));
    assert_eq!(text(&quiet.stderr), "");
}

fn schema() -> jsonschema::Validator {
    let schema = fs::read(project().join("tests/har/schema.json")).expect("the schema is there");
    let schema = serde_json::from_slice(&schema).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
}

#[test]
fn archives_of_all_captures_are_har() {
    let schema = schema();
    let mut entries = 0;
    for entry in fs::read_dir(project().join("pcaps")).expect("there are captures") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() || path.extension().is_some_and(|kind| kind == "md") {
            continue;
        }
        for more in ["", "--max-body 10", "--show-secrets"] {
            let output = run(&format!("{more} --har - -I {}", path.display()));
            let har: serde_json::Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if let Some(error) = schema.iter_errors(&har).next() {
                panic!("{}: {error} at {}", path.display(), error.instance_path());
            }
            entries += har["log"]["entries"].as_array().expect("a list").len();
        }
    }
    assert!(entries > 30, "{entries}");
    assert!(!schema.is_valid(&serde_json::json!({"log": {"version": "1.2"}})));
}

#[test]
fn an_archive_tells_a_browsers_visit() {
    let output = run("--har - -I pcaps/french-website.pcap");
    let har: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["startedDateTime"], "2026-11-24T11:40:00.253708Z");
    assert_eq!(entry["request"]["url"], "http://localhost:5000/");
    assert_eq!(entry["response"]["status"], 200);
    assert_eq!(
        entry["response"]["content"]["text"],
        "<!doctype html>\n<html lang=en>\n<h1>Hello!</h1>\n</html>\n"
    );
    assert_eq!(entry["response"]["bodySize"], 55);
    assert_eq!(entry["_number"], 1);
    let parts = &entry["timings"];
    let sum: f64 = ["connect", "send", "wait", "receive"]
        .iter()
        .filter_map(|part| parts[part].as_f64())
        .sum();
    assert!(
        (sum - entry["time"].as_f64().expect("a number")).abs() < 1e-6,
        "{entry}"
    );
}

/// The data of a page, unpacked: the JSON lines of all its elements of a class.
fn unpacked(page: &str, class: &str) -> Vec<serde_json::Value> {
    let start = format!("<script type=\"text/plain\" class=\"{class}\">");
    let mut values = Vec::new();
    for part in page.split(&start).skip(1) {
        let packed = part.split('<').next().unwrap_or_default();
        let packed = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .expect("it is base64");
        let mut lines = String::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_string(&mut lines)
            .expect("it is gzip");
        values.extend(
            lines
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("it is JSON")),
        );
    }
    values
}

#[test]
fn a_page_tells_a_browsers_visit_and_is_one_file() {
    let page = text(&run("--html - -I pcaps/french-website.pcap").stdout);
    let rows = unpacked(&page, "rows");
    assert_eq!(rows.len(), 2);
    let cells = |row: &serde_json::Value| -> Vec<String> {
        let cells = (2..=8).map(|at| row[at].to_string());
        cells.collect()
    };
    assert_eq!(
        cells(&rows[1]).join(" "),
        "\"GET\" \"localhost:5000\" \"/\" \"200\" 2 \"text/html\" 58"
    );
    let detail = &unpacked(&page, "details")[1];
    assert_eq!(
        detail["request"]["start"],
        serde_json::json!(["GET / HTTP/1.1"])
    );
    let fields = detail["response"]["fields"].as_array().expect("a list");
    let french = serde_json::json!([["Content-Language"], ["fr"], true]);
    assert!(fields.contains(&french), "{fields:?}");
    let body = detail["response"]["body"][0][0].as_str().expect("text");
    assert!(body.contains("Bonjour"), "{body}");
    let command = detail["command"].as_str().expect("text");
    assert!(
        command.starts_with("curl 'http://localhost:5000/'"),
        "{command}"
    );
    let end = &unpacked(&page, "end")[0];
    assert_eq!(end["summary"], "2 exchanges, 34 packets, 0 lost");
    // A match is marked: every second part.
    let page = text(&run("--html - Accept-Language -I pcaps/french-website.pcap").stdout);
    let detail = &unpacked(&page, "details")[0];
    let fields = detail["request"]["fields"].as_array().expect("a list");
    let marked =
        |field: &serde_json::Value| field[0] == serde_json::json!(["", "Accept-Language", ""]);
    assert!(fields.iter().any(marked), "{fields:?}");
}

#[test]
fn a_page_has_no_secrets_unless_they_are_wanted() {
    let path = secrets(&scratch("page-secrets"));
    let path = path.display();
    let shown = |more: &str| {
        let page = text(&run(&format!("{more} --html - -I {path}")).stdout);
        ["about", "rows", "details", "end"]
            .iter()
            .flat_map(|class| unpacked(&page, class))
            .map(|value| value.to_string())
            .collect::<String>()
    };
    let (masked, open) = (shown(""), shown("--show-secrets"));
    for secret in SECRETS {
        for part in secret.as_bytes().windows(4) {
            assert!(!masked.contains(&text(part)), "{secret}: {masked}");
        }
        assert!(open.contains(secret), "{secret}: {open}");
    }
}

/// A request that [`replayed`] got, as it is compared: start line, fields, body.
#[derive(PartialEq, Debug)]
struct Request {
    line: String,
    fields: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    /// Without the fields that curl makes itself, and with `Host` in front.
    fn of(bytes: &[u8]) -> Self {
        let end = memchr::memmem::find(bytes, b"\r\n\r\n").expect("a head ends");
        let head = text(&bytes[..end]);
        let mut lines = head.split("\r\n").map(str::to_owned);
        let line = lines.next().expect("there is a start line");
        let of_curl = ["content-length:", "connection:"];
        let mut fields: Vec<String> = lines
            .filter(|line| {
                !of_curl
                    .iter()
                    .any(|name| line.to_ascii_lowercase().starts_with(name))
            })
            .collect();
        fields.sort_by_key(|line| !line.to_ascii_lowercase().starts_with("host:"));
        Self {
            line,
            fields,
            body: bytes[end + 4..].to_vec(),
        }
    }
}

/// What the server gets when a shell runs the command.
fn replayed(listener: &TcpListener, shell: &str, command: &str) -> Vec<u8> {
    let mut child = Command::new(shell)
        .env("no_proxy", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(command.as_bytes())
        .expect("the shell reads");
    drop(stdin);
    // A command that does not come would be waited for without end.
    listener.set_nonblocking(true).expect("it can be asked");
    let mut waited = 0;
    let mut stream: TcpStream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if waited < 500 => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => panic!("nothing came of {command}: {error}"),
        }
        waited += 1;
    };
    stream.set_nonblocking(false).expect("it can be waited for");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a limit");
    let mut got = Vec::new();
    let mut room = [0; 8192];
    let mut told = false;
    loop {
        let len = stream.read(&mut room).expect("the request comes");
        got.extend_from_slice(&room[..len]);
        let Some(end) = memchr::memmem::find(&got, b"\r\n\r\n") else {
            continue;
        };
        let head = text(&got[..end]).to_ascii_lowercase();
        if head.contains("100-continue") && !told {
            told = true;
            stream
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .expect("said");
        }
        let wanted = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |len| len.parse::<usize>().expect("a number"));
        if got.len() >= end + 4 + wanted || len == 0 {
            break;
        }
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    drop(stream);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{command}");
    got
}

#[test]
#[ignore = "needs curl, bash and zsh"]
fn a_curl_command_asks_again_what_was_asked() {
    let folder = scratch("curl");
    let path = folder.join("requests.pcap");
    let binary: Vec<u8> = (0..=255_u8)
        .chain(*b"'\"$(touch pwned)`!%\\\r\n\n")
        .collect();
    let large = "text with 'quotes' and % signs\n".repeat(5000);
    let with = |head: &str, body: &[u8]| {
        let head = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let json = "Content-Type: application/json";
    let requests: Vec<Vec<u8>> = vec![
        b"GET /plain?a=b&c=%20d HTTP/1.1\r\nHost: HOST\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n".to_vec(),
        b"GET /a'b\"$(touch pwned)`c`!;d|e\\f^{1,2}[3-4]~?x=<y>&z=\xc3\xa9\xff#frag HTTP/1.1\r\nHost: HOST\r\n\r\n".to_vec(),
        b"GET /../a/./b/?[1-3]={a,b} HTTP/1.1\r\nHost: HOST\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: HOST\r\nX-Quote: it's \"$HOME\" `id` \\ !\r\nX-Empty:\r\nX-Tab: a\tb\x1b[31m\r\nX-Latin: caf\xe9\r\n\
          X-Two: 1\r\nX-Two: 2\r\n\r\n".to_vec(),
        b"GET / HTTP/1.0\r\nUser-Agent: old\r\n\r\n".to_vec(),
        b"HEAD /head HTTP/1.1\r\nHost: HOST\r\n\r\n".to_vec(),
        b"DELETE /thing HTTP/1.1\r\nHost: HOST\r\nAccept-Encoding: gzip\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n".to_vec(),
        b"GET http://elsewhere.example/x HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: virtual.example\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: -o 'x' odd\r\n\r\n".to_vec(),
        with(&format!("POST /json HTTP/1.1\r\nHost: HOST\r\n{json}"), b"{\"a\": \"it's\",\n \"b\": \"$x `y`\"}\n"),
        with("POST /bytes HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/octet-stream", &binary),
        with("PUT /none HTTP/1.1\r\nHost: HOST", b""),
        with("POST /at HTTP/1.1\r\nHost: HOST", b"@/etc/passwd"),
        with("PATCH /large HTTP/1.1\r\nHost: HOST", large.as_bytes()),
        with("POST /expect HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue", b"x"),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let here = listener
        .local_addr()
        .expect("it has an address")
        .to_string();
    // The capture says 192.0.2.2:80; what is asked there is to be asked here.
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let named: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| match memchr::memmem::find(request, b"HOST\r\n") {
            Some(at) => [&request[..at], b"192.0.2.2", &request[at + 4..]].concat(),
            None => request.clone(),
        })
        .collect();
    let exchanges: Vec<(&[u8], &[u8])> = named
        .iter()
        .map(|request| (&request[..], &response[..]))
        .collect();
    capture(&path, &exchanges);
    for (number, request) in (1..).zip(&named) {
        let output = run(&format!(
            "--curl {number} --show-secrets -I {}",
            path.display()
        ));
        let command = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            command.bytes().all(|byte| byte == b'\n' || byte >= b' '),
            "{command}"
        );
        let command = command.trim_end();
        let elsewhere = format!("{command} --connect-to '::{here}' -s -o /dev/null --max-time 10");
        for shell in ["sh", "bash", "zsh"] {
            let got = replayed(&listener, shell, &elsewhere);
            assert_eq!(
                Request::of(&got),
                Request::of(request),
                "{shell}: {elsewhere}"
            );
        }
    }
    assert!(!project().join("pwned").exists());
}

#[test]
fn there_is_no_curl_command_that_lies() {
    let folder = scratch("no-curl");
    let path = folder.join("requests.pcap");
    let long = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n{}",
        "x".repeat(5000)
    );
    let requests: [&[u8]; 6] = [
        long.as_bytes(),
        b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n@/etc/passwd: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx",
    ];
    let response = &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..];
    capture(&path, &requests.map(|request| (request, response)));
    for number in 1..=requests.len() {
        let arguments = format!("--curl {number} --max-body 1000 -I {}", path.display());
        let output = run(&arguments);
        let told = text(&output.stderr);
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(2), String::new()),
            "{arguments}: {told}"
        );
        assert!(
            told.contains(&format!("no curl command for #{number}: ")),
            "{told}"
        );
    }
    let output = run(&format!("--curl 99 -I {}", path.display()));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no exchange #99"));
    let output = run("--curl 1 -I pcaps/udp-syslog.pcap");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_archive_that_ends_early_is_whole() {
    let output = spygrep()
        .args(["-n", "1", "--har", "-", "-I", "pcaps/http-keepalive.pcap"])
        .output()
        .expect("the program starts");
    let har: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(har["log"]["entries"].as_array().map(Vec::len), Some(1));
}

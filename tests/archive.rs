//! Many files as one run: their order, the numbers of their frames, spans of time, the index, and
//! `--json=rows`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::frames::{ACK, PSH, SYN, tcp, write_at};
use crate::{project, run, scratch, spygrep, text};

/// Four exchanges of one connection, ten milliseconds apart; each is five milliseconds long.
fn exchanges() -> Vec<(u32, Vec<u8>)> {
    let mut packets = vec![
        (0, tcp(true, 4000, SYN, 0, 0, b"")),
        (1, tcp(false, 4000, SYN | ACK, 0, 1, b"")),
        (2, tcp(true, 4000, ACK, 1, 1, b"")),
    ];
    let (mut up, mut down) = (1, 1);
    for number in 0..4 {
        let request = format!("GET /{number}?a=b HTTP/1.1\r\nHost: h:80\r\n\r\n");
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
        let at = 10 + 10 * number;
        packets.push((at, tcp(true, 4000, PSH | ACK, up, down, request.as_bytes())));
        up += u32::try_from(request.len()).expect("short");
        packets.push((
            at + 5,
            tcp(false, 4000, PSH | ACK, down, up, response.as_bytes()),
        ));
        down += u32::try_from(response.len()).expect("short");
    }
    packets
}

/// The same in files that end before these milliseconds, named so that their names sort backwards.
fn rotated(folder: &Path, ends: &[u32]) -> Vec<PathBuf> {
    let packets = exchanges();
    let mut from = 0;
    let mut files = Vec::new();
    for (at, end) in ends.iter().enumerate() {
        let path = folder.join(format!("{}.pcap", 9 - at));
        let own = packets.iter().filter(|(ts, _)| (from..*end).contains(ts));
        write_at(&path, own.map(|(ts, packet)| (*ts, packet)));
        from = *end;
        files.push(path);
    }
    files
}

fn line(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(" ")
}

fn lines(arguments: &str) -> Vec<Value> {
    let output = run(arguments);
    let status = output.status.code();
    assert!(
        status.is_some_and(|status| status < 2),
        "{arguments}: {status:?} {}",
        text(&output.stderr)
    );
    let printed = text(&output.stdout);
    let lines = printed.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

#[test]
fn files_are_read_in_the_order_of_their_first_packets() {
    let folder = scratch("order");
    let files = rotated(&folder, &[13, 23, 38, 99]);
    let mut back = files.clone();
    back.reverse();
    // One without a packet, and one that is empty, stay where they are.
    write_at(&folder.join("none.pcap"), [].into_iter());
    fs::write(folder.join("zero.pcap"), "").expect("there is room");
    back.insert(1, folder.join("none.pcap"));
    back.insert(3, folder.join("zero.pcap"));
    let want = run(&format!("-q -W log '' {}", line(&files)));
    assert_eq!(text(&want.stdout).matches(" 200 ").count(), 4);
    for threads in ["", "--threads 1"] {
        let got = run(&format!("-q {threads} -W log '' {}", line(&back)));
        assert_eq!(text(&got.stdout), text(&want.stdout));
        let got = run(&format!(
            "-q {threads} --as-given -W log '' {}",
            line(&back)
        ));
        assert_ne!(text(&got.stdout), text(&want.stdout));
    }
    // In the shell's order as well.
    let names = format!(
        "-q --list '' {0}/6.pcap {0}/7.pcap {0}/8.pcap {0}/9.pcap",
        folder.display()
    );
    assert_eq!(run(&names).status.code(), Some(0));
    // Packed files have a first packet too.
    let packed = back.iter().take(3).map(|path| {
        let mut name = path.clone().into_os_string();
        name.push(".gz");
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder
            .write_all(&fs::read(path).expect("it is there"))
            .expect("memory");
        fs::write(&name, coder.finish().expect("memory")).expect("there is room");
        PathBuf::from(name)
    });
    let mut mixed: Vec<PathBuf> = packed.collect();
    mixed.extend_from_slice(&back[3..]);
    let got = run(&format!("-q -W log '' {}", line(&mixed)));
    assert_eq!(text(&got.stdout), text(&want.stdout));
    // What --explain lists is what is read.
    let explained = text(&run(&format!("--explain '' {}", line(&back))).stdout);
    let places: Vec<_> = files
        .iter()
        .map(|path| {
            explained
                .rfind(&path.display().to_string())
                .expect("it is listed")
        })
        .collect();
    assert!(places.is_sorted(), "{explained}");
}

#[test]
fn frames_are_counted_in_their_files() {
    let folder = scratch("frames");
    let files = rotated(&folder, &[13, 23, 38, 99]);
    let records = lines(&format!("-q --json GET {}", line(&files)));
    let places: Vec<_> = records
        .iter()
        .filter(|record| record["data"]["kind"] != Value::Null)
        .map(|record| {
            (
                record["data"]["files"].to_string(),
                record["data"]["frames"].to_string(),
            )
        })
        .collect();
    let want = [
        ("[1]", "[4]"),
        ("[2]", "[1]"),
        ("[2]", "[2]"),
        ("[3]", "[1]"),
        ("[3]", "[2]"),
        ("[3]", "[3]"),
        ("[4]", "[1]"),
        ("[4]", "[2]"),
    ];
    let places: Vec<_> = places
        .iter()
        .map(|(file, frame)| (&**file, &**frame))
        .collect();
    assert_eq!(places, want);
    // Of a single file there is nothing to tell.
    let one = lines(&format!("-q --json GET {}", files[0].display()));
    assert_eq!(one[1]["data"]["frames"].to_string(), "[4]");
    assert_eq!(one[1]["data"].get("files"), None);
    let rows = lines(&format!("-q --json=rows '' {}", line(&files)));
    let places = |name: &str| {
        rows.iter()
            .map(|row| row[name].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(places("files"), ["[1,2]", "[2,3]", "[3,3]", "[4,4]"]);
    assert_eq!(places("frames"), ["[4,1]", "[2,1]", "[2,3]", "[1,2]"]);
}

/// A row without what differs between runs over different files.
fn fact(row: &Value) -> String {
    let mut row = row.clone();
    let columns = row.as_object_mut().expect("a row is an object");
    for own in ["id", "files", "frames"] {
        columns.remove(own);
    }
    row.to_string()
}

/// The moments at which something begins, and the nanoseconds around them.
fn moments(rows: &[Value]) -> Vec<String> {
    let mut moments: Vec<i128> = rows
        .iter()
        .filter_map(|row| row["began"].as_str()?.parse::<jiff::Timestamp>().ok())
        .flat_map(|time| [0, 1].map(|more| time.as_nanosecond() + more))
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let time = |nanos: &i128| {
        jiff::Timestamp::from_nanosecond(*nanos)
            .expect("in range")
            .to_string()
    };
    moments.iter().map(time).collect()
}

#[test]
fn spans_share_out_what_began_in_them() {
    let mut captures: Vec<PathBuf> = fs::read_dir(project().join("pcaps"))
        .expect("they are there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    captures.sort();
    for path in captures {
        let path = path.display();
        for pattern in ["''", "e"] {
            let whole = lines(&format!("-q --json=rows {pattern} {path}"));
            let mut all = moments(&whole);
            // Few spans, but each border is at the first byte of something, or just after it.
            let step = all.len().div_ceil(5).max(1);
            all = all.into_iter().step_by(step).collect();
            let mut shared = Vec::new();
            let borders = [None].into_iter().chain(all.iter().map(Some)).chain([None]);
            let borders: Vec<Option<&String>> = borders.collect();
            for span in borders.windows(2) {
                let since = span[0].map(|time| format!("--since {time}"));
                let until = span[1].map(|time| format!("--until {time}"));
                let (since, until) = (since.unwrap_or_default(), until.unwrap_or_default());
                let part = format!("-q --json=rows {since} {until} {pattern} {path}");
                shared.extend(lines(&part).iter().map(fact));
            }
            let mut want: Vec<String> = whole.iter().map(fact).collect();
            want.sort();
            shared.sort();
            assert_eq!(shared, want, "{path} {pattern}");
        }
    }
}

#[test]
fn views_show_what_began_in_the_span() {
    let folder = scratch("span");
    let file = rotated(&folder, &[99]).remove(0);
    let file = file.display();
    // The second exchange begins at 20 ms, the third at 30; what began before is known.
    let span = "--since 1700000000.020 --until 2023-11-14T22:13:20.030Z";
    for (options, want) in [
        ("-W log ''", "GET h:80/1?a=b"),
        ("--count GET", "1\n"),
        ("-o 'GET /[0-9]'", "GET /1\n"),
        ("--pair -o '/1|^1$'", "/1\n"),
        ("--ngrep -q GET -I", "GET /1"),
        ("--curl 2", "/1?a=b"),
    ] {
        let line = format!("-q {span} {options} {file}");
        let output = run(&line);
        let printed = text(&output.stdout);
        assert!(
            printed.contains(want),
            "{line}: {printed} {}",
            text(&output.stderr)
        );
        assert!(
            !printed.contains("/0") && !printed.contains("/2"),
            "{line}: {printed}"
        );
    }
    for (line, why) in [
        (format!("--since 2 x {file}"), "is no time"),
        (
            format!("--since 1700000001 --until 1700000000 x {file}"),
            "not before --until",
        ),
        (
            format!("--since 1700000001 --streams s x {file}"),
            "does not go with",
        ),
        ("-d lo --since 1700000001 x".to_owned(), "choose from files"),
        (format!("--label a x {file}"), "there are no rows"),
    ] {
        let output = run(&line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(
            text(&output.stderr).contains(why),
            "{line}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_index_has_first_and_last_packets() {
    let folder = scratch("index");
    let files = rotated(&folder, &[13, 38, 99]);
    fs::write(folder.join("zero.pcap"), "").expect("there is room");
    let folder = folder.display();
    let index = lines(&format!("--index {} {folder}/zero.pcap", line(&files)));
    let part = |name: &str| {
        index
            .iter()
            .map(|line| line[name].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(part("packets"), ["4", "5", "2", "0"]);
    let time = |millis: u32| format!("\"2023-11-14T22:13:20.{millis:03}000000Z\"");
    let times = |list: [u32; 3]| {
        list.map(time)
            .into_iter()
            .chain(["null".to_owned()])
            .collect::<Vec<_>>()
    };
    assert_eq!(part("first"), times([0, 15, 40]));
    assert_eq!(part("last"), times([10, 35, 45]));
    assert!(
        index[3]["warnings"][0]
            .as_str()
            .is_some_and(|text| text.contains("it is empty"))
    );
    assert!(
        index[0]["file"]
            .as_str()
            .is_some_and(|name| name.ends_with("9.pcap"))
    );
    // The others are listed all the same.
    let output = run(&format!("--index Cargo.toml {}", line(&files)));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout).lines().count(), 3);
    assert!(text(&output.stderr).contains("Cargo.toml is no capture file"));
    assert_eq!(run("--index").status.code(), Some(2));
    assert_eq!(
        run(&format!("--index {folder}/zero.pcap")).status.code(),
        Some(1)
    );
}

/// The columns of a row, in order, and the type of each: the first letter of its JSON type, a
/// small `s`, `n`, `b` or `l`; `?` where it may be null.
const COLUMNS: &str = "sensor:s began:s ended:s? id:n? kind:s proto:s client:s client_port:n? server:s \
    server_port:n? method:s? host:s? path:s? query:s? status:n? version:s? \
    request_type:s? response_type:s? request_bytes:n? response_bytes:n? \
    response_wire_bytes:n? connect:n? send:n? wait:n? receive:n? total:n? \
    request_headers:l? response_headers:l? request_body:s? request_body_b64:s? \
    response_body:s? response_body_b64:s? request_matched:b response_matched:b matches:l \
    complete:b marks:l files:l frames:l";

#[test]
fn every_row_has_the_same_columns_of_the_same_types() {
    let columns: Vec<(&str, &str)> = COLUMNS
        .split_whitespace()
        .filter_map(|one| one.split_once(':'))
        .collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // No capture in the folder has a query.
    let own = rotated(&scratch("columns"), &[99]);
    let captures = fs::read_dir(project().join("pcaps")).expect("they are there");
    let captures = captures.map(|entry| entry.expect("it can be read").path());
    for path in captures.chain(own) {
        if !path.to_string_lossy().contains(".pcap") {
            continue;
        }
        for pattern in ["''", "e"] {
            for row in lines(&format!(
                "-q --json=rows --body=short {pattern} {}",
                path.display()
            )) {
                let row = row.as_object().expect("a row is an object");
                let names: Vec<&str> = row.keys().map(String::as_str).collect();
                let want: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                assert_eq!(names, want, "{}", path.display());
                for (name, kind) in &columns {
                    let is = match &row[*name] {
                        Value::Null => "?",
                        Value::Bool(_) => "b",
                        Value::Number(_) => "n",
                        Value::String(_) => "s",
                        Value::Array(_) => "l",
                        Value::Object(_) => "o",
                    };
                    assert!(kind.contains(is), "{}: {name} is {is}", path.display());
                    if is != "?" {
                        *seen.entry((*name).to_owned()).or_default() += 1;
                    }
                }
                assert_eq!(
                    row["files"].as_array().map(Vec::len),
                    row["frames"].as_array().map(Vec::len)
                );
            }
        }
    }
    for (name, _) in columns {
        assert!(seen.contains_key(name), "no capture has a {name}");
    }
}

#[test]
fn a_stopped_run_of_rows_has_a_status_of_its_own() {
    let capture = fs::read(project().join("pcaps/http-keepalive.pcap")).expect("it is there");
    for (options, want) in [("--json=rows", 3), ("--json", 0)] {
        let mut command = spygrep();
        command.args(["-q", options, "", "-I", "-"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("it is a pipe");
        pipe.write_all(&capture).expect("it is read");
        // The first record is written when the pipe is quiet, and signals are caught by then.
        let mut first = [0];
        let mut out = child.stdout.take().expect("it is a pipe");
        std::io::Read::read_exact(&mut out, &mut first).expect("there is a record");
        let id = i32::try_from(child.id()).expect("a small number");
        kill(Pid::from_raw(id), Signal::SIGTERM).expect("it runs");
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut out, &mut rest).expect("it ends");
        let status = child.wait().expect("it ends").code();
        assert_eq!(status, Some(want), "{options}");
        drop(pipe);
    }
    // A run that ends by itself has the usual ones.
    assert_eq!(
        run("-q --json=rows GET pcaps/http-keepalive.pcap")
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        run("-q --json=rows NEVER pcaps/http-keepalive.pcap")
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn secrets_are_masked_in_rows_unless_they_are_asked_for() {
    let folder = scratch("secrets");
    let path = folder.join("a.pcap");
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abcdef0123456789\r\n\r\n";
    write_at(
        &path,
        [(0, &tcp(true, 4000, PSH | ACK, 1, 1, request))].into_iter(),
    );
    let path = path.display();
    let masked = text(&run(&format!("-q --json=rows '' {path}")).stdout);
    assert!(
        masked.contains("Authorization") && !masked.contains("abcdef0123456789"),
        "{masked}"
    );
    let shown = text(&run(&format!("-q --json=rows --show-secrets '' {path}")).stdout);
    assert!(shown.contains("abcdef0123456789"), "{shown}");
}

#[test]
fn saved_packets_go_round_in_a_ring_of_files() {
    let folder = scratch("ring");
    let capture = rotated(&folder, &[99]).remove(0);
    let out = folder.join("hits.pcap");
    let save = |options: &str| {
        let line = format!(
            "-q --count {options} -O {} GET {}",
            out.display(),
            capture.display()
        );
        run(&line)
    };
    let packets = |number: usize| {
        let path = folder.join(format!("hits-{number}.pcap"));
        lines(&format!("--index {}", path.display()))[0]["packets"].clone()
    };
    // Four requests, ten milliseconds apart: the fourth file is the first one again.
    assert_eq!(save("--rotate 10ms --keep 3").status.code(), Some(0));
    assert_eq!([1, 2, 3].map(packets), [1, 1, 1]);
    let shown = |number: usize| {
        text(
            &run(&format!(
                "-q -o 'GET /.' {}/hits-{number}.pcap",
                folder.display()
            ))
            .stdout,
        )
    };
    assert_eq!([1, 2, 3].map(shown), ["GET /3\n", "GET /1\n", "GET /2\n"]);
    // Files that are not reached are empty captures.
    assert_eq!(save("--rotate 1M --keep 2").status.code(), Some(0));
    assert_eq!([1, 2].map(packets), [4, 0]);
    assert!(
        !out.exists(),
        "the name without a number is none of the ring"
    );
    for (options, why) in [
        ("--rotate 1M", "--rotate needs --keep"),
        ("--keep 2", "--keep needs --rotate"),
        ("--rotate soon --keep 2", "neither a size"),
        ("--rotate 1M --keep 1", "no number of files"),
    ] {
        let output = save(options);
        assert_eq!(output.status.code(), Some(2), "{options}");
        assert!(
            text(&output.stderr).contains(why),
            "{options}: {}",
            text(&output.stderr)
        );
    }
    let alone = run(&format!("--rotate 1M --keep 2 GET {}", capture.display()));
    assert!(text(&alone.stderr).contains("there is no -O"));
}

#[test]
fn a_display_filter_has_the_frames_of_an_exchange() {
    let folder = scratch("filter");
    let one = rotated(&folder, &[99]).remove(0);
    let shown = |line: &str| text(&run(line).stdout);
    let one = one.display();
    assert_eq!(
        shown(&format!("-q --display-filter 2 {one}")),
        "frame.number in {6, 7}\n"
    );
    let output = run(&format!("--display-filter 9 {one}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no exchange #9"));
    // Of several files each has its own numbers.
    let files = rotated(&folder, &[13, 23, 38, 99]);
    let want = format!(
        "{}: frame.number in {{4}}\n{}: frame.number in {{1}}\n",
        files[0].display(),
        files[1].display()
    );
    assert_eq!(
        shown(&format!("-q --display-filter 1 {}", line(&files))),
        want
    );
    let burst = shown("-q --display-filter 1 pcaps/tcp-lines.pcap");
    assert!(burst.starts_with("frame.number in {"), "{burst}");
}

#[test]
fn options_may_stand_in_a_file() {
    let folder = scratch("options");
    let path = folder.join("options");
    let with = |text: &str, arguments: &[&str]| {
        fs::write(&path, text).expect("there is room");
        let mut command = spygrep();
        command.env("SPYGREP_CONFIG_PATH", &path).args(arguments);
        command.output().expect("the program starts")
    };
    let capture = "pcaps/http-keepalive.pcap";
    let output = with("# mine\n-q\n\n--count\n", &["GET", capture]);
    let count = run(&format!("-q --count GET {capture}"));
    assert_eq!(output.stdout, count.stdout, "{}", text(&output.stderr));
    // The command line has the last word.
    let output = with(
        "--body\nfull\n-q\n",
        &["--body=none", "--json", "GET", capture],
    );
    let want = run(&format!("-q --body=none --json GET {capture}"));
    assert_eq!(text(&output.stdout), text(&want.stdout));
    let output = with("--no-such-option\n", &["GET", capture]);
    assert_eq!(output.status.code(), Some(2));
    // Under the name ngrep only the command line counts; a file that is not there is an error.
    fs::remove_file(&path).expect("it is there");
    let mut command = spygrep();
    let output = command
        .env("SPYGREP_CONFIG_PATH", &path)
        .args(["GET", capture])
        .output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("SPYGREP_CONFIG_PATH names the file"));
}

#[test]
#[ignore = "needs root: whose file of options it is matters to root alone"]
fn root_reads_options_from_a_file_of_roots_only() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    crate::needs_root();
    let folder = scratch("roots");
    let path = folder.join("options");
    fs::write(&path, "--count\n").expect("there is room");
    let says = || {
        let mut command = spygrep();
        command.env("SPYGREP_CONFIG_PATH", &path);
        let output = command
            .args(["-q", "GET", "pcaps/http-keepalive.pcap"])
            .output();
        text(&output.expect("the program starts").stderr)
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert_eq!(says(), "");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("it is ours");
    assert!(says().contains("is not read: root reads options only from"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    chown(&path, Some(65534), None).expect("root may");
    assert!(says().contains("is not read"));
}

#[test]
fn wireshark_is_answered() {
    let interfaces = text(&run("--extcap-interfaces --extcap-version=4.2").stdout);
    assert!(
        interfaces.contains("interface {value=spygrep}"),
        "{interfaces}"
    );
    let config = text(&run("--extcap-interface spygrep --extcap-config").stdout);
    assert!(config.contains("{call=--regexp}"), "{config}");
}

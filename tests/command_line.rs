//! The program as a user meets it: bad input, exit status, pipes, files that are written.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::{project, run, scratch, spygrep, text};

const FRENCH: &str = "pcaps/french-website.pcap";

/// Run; exit status, standard output, standard error.
fn all(arguments: &str) -> (i32, String, String) {
    let output = run(arguments);
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn bad_input_gets_a_message_that_says_what_to_do_and_status_2() {
    let folder = scratch("bad-input");
    fs::write(folder.join("text.pcap"), "this is a text, and no capture").expect("written");
    fs::write(folder.join("empty.pcap"), "").expect("written");
    let file = |name: &str| folder.join(name).display().to_string();
    let table = [
        (
            "-d nosuch0 x".to_owned(),
            "there is no interface \"nosuch0\"",
        ),
        (format!("x prot 80 {FRENCH}"), "perhaps: port"),
        (format!("[a {FRENCH}"), "this bracket is never closed"),
        (format!("(?=a) {FRENCH}"), "look-around is not supported"),
        ("-I nosuch.pcap x".to_owned(), "cannot read nosuch.pcap"),
        ("-I pcaps x".to_owned(), "is a directory"),
        ("x nosuch.pcap".to_owned(), "there is no file nosuch.pcap"),
        ("x README.md".to_owned(), "README.md is no capture file"),
        ("x pcaps".to_owned(), "pcaps is a directory"),
        (format!("-I {} x", file("text.pcap")), "looks like text"),
        (format!("-I {} x", file("empty.pcap")), "is empty"),
        (format!("-X abc -I {FRENCH}"), "even number of digits"),
        (
            format!("'(?:a{{1000}}){{1000}}b{{1000}}' {FRENCH}"),
            "the pattern is too large",
        ),
        (format!("-n many x {FRENCH}"), "-n wants a number"),
        (format!("-K 1 x {FRENCH}"), "only listens"),
        (
            format!("-x -W byline x {FRENCH}"),
            "-x has a layout of its own",
        ),
        (
            format!("-O /nosuchdir/x.pcap x {FRENCH}"),
            "cannot write /nosuchdir/x.pcap",
        ),
        (format!("--count -o x {FRENCH}"), "choose one"),
    ];
    for (arguments, says) in table {
        let (status, out, err) = all(&arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments}: {err}");
        assert!(err.contains(says), "{arguments}: {err}");
        let lines = err.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 7, "{arguments}: {err}");
    }
}

#[test]
fn a_pattern_error_points_at_its_place() {
    let (_, _, err) = all(&format!("'ab[c' {FRENCH}"));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[1].find('['), lines[2].find('^'), "{err}");
    assert!(err.contains("--fixed-strings 'ab[c'"), "{err}");
}

#[test]
fn the_exit_status_is_greps() {
    for (arguments, status) in [
        ("Deutsch", 1),
        ("curl", 0),
        ("-v curl", 0),
        ("--exists curl", 0),
        ("--exists Deutsch", 1),
    ] {
        assert_eq!(
            all(&format!("{arguments} {FRENCH}")).0,
            status,
            "{arguments}"
        );
    }
    assert_eq!(all("hello pcaps/cut-in-a-record.pcap").0, 0);
    assert_eq!(all("nothing pcaps/cut-in-a-record.pcap").0, 1);
}

/// Named: `pcap_trunc_last`.
#[test]
fn a_cut_file_is_read_up_to_the_cut_with_one_warning() {
    let (_, out, err) = all("--count hello pcaps/cut-in-a-record.pcap");
    assert_eq!(out, "1\n");
    assert_eq!(err.matches("warning").count(), 1, "{err}");
    assert!(err.contains("middle of a record"), "{err}");
}

#[test]
fn standard_output_has_records_only() {
    let (_, out, err) = all(&format!("curl {FRENCH}"));
    assert!(!out.contains("spygrep"), "{out}");
    assert!(
        err.ends_with("2 requests, 2 answers · 34 packets\n"),
        "{err}"
    );
    let (_, quiet, err) = all(&format!("-q curl {FRENCH}"));
    assert_eq!((quiet, err.as_str()), (out, ""));
}

#[test]
fn a_broken_pipe_is_quiet() {
    let mut child = spygrep()
        .args(["", FRENCH])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        !text(&output.stderr).contains("rror"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_full_disk_is_an_error() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("the system has it");
    let output = spygrep()
        .args(["", FRENCH])
        .stdout(full)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("cannot write the output"),
        "{}",
        text(&output.stderr)
    );
}

/// Named: `stdin_dash`.
#[test]
fn captures_come_from_standard_input_and_several_files() {
    let mut child = spygrep()
        .args(["-I", "-", "--count", "curl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let bytes = fs::read(project().join(FRENCH)).expect("the capture is there");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(&bytes)
        .expect("it reads");
    assert_eq!(
        text(&child.wait_with_output().expect("it ends").stdout),
        "1\n"
    );
    assert_eq!(all(&format!("--count curl {FRENCH} {FRENCH}")).1, "2\n");
    for name in [
        "nanoseconds.pcap",
        "compressed.pcap.gz",
        "compressed.pcap.zst",
    ] {
        assert_eq!(
            all(&format!("--count hello pcaps/{name}")).1,
            "2\n",
            "{name}"
        );
    }
}

#[test]
fn saved_packets_are_those_of_the_match_and_match_again() {
    let folder = scratch("saved");
    for (name, more) in [
        ("message.pcap", ""),
        ("message.pcapng", ""),
        ("flow.pcap", "--write-flow"),
    ] {
        let path = folder.join(name);
        let shown = all(&format!("-O {} {more} Chrome {FRENCH}", path.display()));
        assert_eq!(shown.0, 0, "{}", shown.2);
        let mode = fs::metadata(&path)
            .expect("it was written")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let (status, again, err) = all(&format!("Chrome {}", path.display()));
        assert_eq!(status, 0, "{name}: {err}");
        assert!(again.contains("Accept-Language: en-US"), "{name}: {again}");
        assert_eq!(
            again.contains("<- 200 OK"),
            name == "flow.pcap",
            "{name}: {again}"
        );
    }
    let (status, out, err) = all(&format!("-q -O - Chrome {FRENCH}"));
    assert_eq!(status, 0);
    assert!(
        err.contains("Accept-Language") && !out.contains("T 127"),
        "{err}"
    );
    assert!(out.len() > 400);
}

#[test]
fn a_link_is_not_written_through() {
    let folder = scratch("link");
    fs::write(folder.join("target"), "precious").expect("written");
    std::os::unix::fs::symlink(folder.join("target"), folder.join("link.pcap")).expect("linked");
    assert_eq!(
        all(&format!(
            "-O {} x {FRENCH}",
            folder.join("link.pcap").display()
        ))
        .0,
        2
    );
    assert_eq!(
        fs::read_to_string(folder.join("target")).expect("still there"),
        "precious"
    );
}

#[test]
fn options_mean_what_they_say() {
    let slow = "pcaps/http-slow.pcap";
    let table = [
        ("--count '' pcaps/http-slow.pcap".to_owned(), "6\n"),
        (format!("--count -n 2 '' {slow}"), "2\n"),
        (format!("--count -v HTTP {slow}"), "0\n"),
        (format!("--count --and slow GET {slow}"), "1\n"),
        (format!("--count --not slow GET {slow}"), "2\n"),
        (format!("--count -i get {slow}"), "3\n"),
        (format!("--count -w slo {slow}"), "0\n"),
        (format!("--count --fixed-strings 'GET /.' {slow}"), "0\n"),
        (
            format!("--count --regexp bonjour --regexp Bonjour {slow}"),
            "2\n",
        ),
        (format!("--count -X 474554 {slow}"), "3\n"),
        (format!("--count -S 3 GET {slow}"), "3\n"),
        (format!("--count -S 2 GET {slow}"), "0\n"),
        (format!("--count GET.*Host {slow}"), "0\n"),
        (format!("--count --dotall GET.*Host {slow}"), "3\n"),
        (format!("--count '^Host: 127.0.0.1:5000$' {slow}"), "3\n"),
        (format!("--count GET port 5000 {slow}"), "3\n"),
        (format!("--count --method GET '' {slow}"), "3\n"),
        (format!("--count --method GET --only resp '' {slow}"), "3\n"),
        (format!("--count --path /slow HTTP {slow}"), "2\n"),
        (format!("--count '' not tcp {slow}"), "0\n"),
        ("--count hello udp pcaps/vlan.pcap".to_owned(), "4\n"),
        // Lengths are those of the frame without the tags that the expression does not see.
        ("--count hello less 55 pcaps/vlan.pcap".to_owned(), "4\n"),
        (
            "--count NEEDLE udp port 5140 pcaps/udp-fragments.pcap".to_owned(),
            "1\n",
        ),
        (
            "--count NEEDLE udp port 1 pcaps/udp-fragments.pcap".to_owned(),
            "0\n",
        ),
        (
            "--count --wire needle-42 pcaps/http-chunked.pcap".to_owned(),
            "0\n",
        ),
        (
            "--count needle-42 pcaps/http-chunked.pcap".to_owned(),
            "1\n",
        ),
    ];
    for (arguments, want) in table {
        let (_, out, err) = all(&arguments);
        assert_eq!(out, want, "{arguments}: {err}");
    }
}

/// Named: `bpf_port_filter_drops_fragments`.
#[test]
fn fragments_of_what_the_filter_does_not_want_are_not_shown() {
    use crate::frames::{ip, write};
    let mut datagram = vec![0x10, 0, 0x20, 0, 0, 40, 0, 0];
    datagram.extend(b"hay hay hay hay hay needle in hay");
    let (first, second) = datagram.split_at(24);
    let fragments = [
        ip(true, 17, (7, 0x2000), first),
        ip(true, 17, (7, 3), second),
    ];
    let folder = scratch("fragments");
    let count = |name: &str, packets: &[Vec<u8>], filter: &str| {
        let file = folder.join(name);
        write(&file, packets);
        all(&format!("--count needle {filter} {}", file.display())).1
    };
    assert_eq!(count("whole.pcap", &fragments, "udp port 8192"), "1\n");
    assert_eq!(count("whole.pcap", &fragments, "udp port 9"), "0\n");
    assert_eq!(count("late.pcap", &fragments[1..], "udp port 8192"), "0\n");
    // Without a filter a piece alone is searched alone.
    assert_eq!(count("late.pcap", &fragments[1..], ""), "1\n");
}

#[test]
fn a_fragment_that_makes_room_for_others_keeps_its_own_addresses() {
    use crate::frames::{ip, write};
    let from = |last: u8, id: u16, payload: &[u8]| {
        let mut packet = ip(true, 17, (id, 0x2000), payload);
        packet[15] = last;
        packet
    };
    // More datagrams without an end than are waited for at once: the first one makes room.
    let mut packets = vec![from(77, 0, b"ports...a needle")];
    packets.extend((1..=1024).map(|id| from(1, id, b"ports...only hay")));
    let file = scratch("room").join("room.pcap");
    write(&file, &packets);
    let (_, out, _) = all(&format!("--list needle {}", file.display()));
    assert_eq!(out, "U 192.0.2.77 -> 192.0.2.2\n");
}

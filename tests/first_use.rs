//! What a new user types in the first minutes, with the habits of ngrep, tcpdump and grep, and what
//! is printed: words, files, standard input, and hints, which appear on a terminal only.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};

use crate::{project, run, scratch, spygrep, text, words};

const FRENCH: &str = "pcaps/french-website.pcap";

/// What a run writes on a terminal of this width, and its status. Standard input is `stdin`.
pub(crate) fn on_terminal(arguments: &str, columns: u16, stdin: Stdio) -> (i32, String) {
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let terminal = openpty(Some(&size), None).expect("the system has terminals");
    let other = terminal.slave.try_clone().expect("it can be shared");
    let mut command = spygrep();
    command
        .args(words(arguments))
        .env("TERM", "xterm")
        .stdin(stdin)
        .stdout(terminal.slave)
        .stderr(other);
    let mut child = command.spawn().expect("the program starts");
    // The parent's ends of the terminal are closed with the command.
    drop(command);
    let mut out = Vec::new();
    // At its end a terminal gives an error.
    let _ = File::from(terminal.master).read_to_end(&mut out);
    let status = child.wait().expect("it ends").code().unwrap_or(-1);
    (status, text(&out).replace("\r\n", "\n"))
}

/// Standard output and the status.
fn out(arguments: &str) -> (i32, String) {
    let output = run(arguments);
    (output.status.code().unwrap_or(-1), text(&output.stdout))
}

/// The hints of a run on a terminal, without colours.
fn hints(arguments: &str) -> Vec<String> {
    let (_, shown) = on_terminal(arguments, 200, Stdio::null());
    let hints = shown.lines().filter_map(|line| {
        line.split_once("hint:")
            .map(|(_, hint)| hint.trim_start_matches("\x1b[0m").trim().to_owned())
    });
    hints.collect()
}

#[test]
fn words_of_the_filter_language_are_the_filter() {
    for (filter, status) in [
        ("tcp port 5000", 0),
        ("'tcp port 5000'", 0),
        ("'port 5000'", 0),
        ("dst port 5000", 0),
        ("tcp", 0),
        ("not port 22", 0),
        ("'tcp[tcpflags] & tcp-syn == 0'", 0),
        ("not port 5000", 1),
        ("udp", 1),
        ("icmp", 1),
    ] {
        let (got, shown) = out(&format!("{filter} {FRENCH}"));
        assert_eq!(got, status, "{filter}");
        assert_eq!(
            shown.matches("GET / HTTP/1.1").count(),
            2 * usize::from(status == 0),
            "{filter}"
        );
    }
    // What is no filter is searched for, as are words after --regexp, and all of ngrep's.
    for line in [
        "'not found'",
        "--regexp tcp port 5000",
        "-w tcp",
        "--ngrep tcp port 5000",
    ] {
        let (_, shown) = out(&format!("{line} {FRENCH}"));
        assert!(!shown.contains("GET / HTTP/1.1"), "{line}: {shown}");
    }
    assert_eq!(
        hints(&format!("--count tcp port 5000 {FRENCH}")),
        [
            "\"tcp port 5000\" is the capture filter; to search for the text: spygrep --regexp tcp port 5000"
        ]
    );
    assert_eq!(
        hints(&format!("--count 'tcp port 5000' {FRENCH}")),
        [
            "\"tcp port 5000\" is the capture filter; to search for the text: spygrep --regexp 'tcp port 5000'"
        ]
    );
    // ngrep takes these as a filter as well.
    assert_eq!(hints(&format!("--count port 5000 {FRENCH}")), [""; 0]);
    let (_, explained) = out(&format!("--explain tcp port 5000 {FRENCH}"));
    assert!(
        explained.contains("filter \"tcp port 5000\" · files"),
        "{explained}"
    );
}

#[test]
fn what_was_meant_is_hinted() {
    for (line, want) in [
        (
            "http://localhost:5000/",
            "a URL is not in the text of a request; its parts are: --host localhost --path '^/'",
        ),
        (
            "-l GET",
            "-l is always on, as every record is written at once; for the names of files: --list",
        ),
    ] {
        let hints = hints(&format!("--count {line} {FRENCH}"));
        assert!(hints.iter().any(|hint| hint == want), "{line}: {hints:?}");
    }
}

#[test]
fn a_capture_on_standard_input_is_read() {
    let file = || Stdio::from(File::open(project().join(FRENCH)).expect("it is there"));
    let (status, shown) = on_terminal("--count GET", 80, file());
    assert_eq!((status, shown.lines().next()), (0, Some("2")), "{shown}");
    let (status, shown) = on_terminal("--count GET -", 80, file());
    assert_eq!((status, shown.lines().next()), (0, Some("2")), "{shown}");
    // A pipe that was asked for.
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let bytes = fs::read(project().join(FRENCH)).expect("it is there");
    std::io::Write::write_all(&mut writer, &bytes).expect("it fits into the pipe");
    drop(writer);
    let (status, shown) = on_terminal("--count GET -", 80, OwnedFd::from(reader).into());
    assert_eq!((status, shown.lines().next()), (0, Some("2")), "{shown}");
    // With a file by name, standard input is not looked at.
    let (status, shown) = on_terminal("--count GET pcaps/http-slow.pcap", 80, file());
    assert_eq!((status, shown.lines().next()), (0, Some("3")), "{shown}");
}

#[test]
fn a_shell_gives_a_pipe_as_a_file() {
    let line = format!(
        "exec {} --count GET <(cat {FRENCH})",
        env!("CARGO_BIN_EXE_spygrep")
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .current_dir(project())
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    assert_eq!(text(&output.stdout), "2\n", "{}", text(&output.stderr));
}

#[test]
fn a_folder_is_read_with_its_captures() {
    let folder = scratch("folder-of-captures");
    for (name, from) in [
        ("b.pcap", "french-website.pcap"),
        ("a.pcap", "http-slow.pcap"),
    ] {
        fs::copy(project().join("pcaps").join(from), folder.join(name)).expect("copied");
    }
    fs::write(folder.join("notes.txt"), "GET no capture").expect("written");
    let name = folder.display().to_string();
    for line in [
        format!("GET {name}"),
        format!("GET {name}/"),
        format!("GET -I {name}"),
    ] {
        let (status, shown) = out(&format!("--count {line}"));
        assert_eq!((status, shown.as_str()), (0, "5\n"), "{line}");
    }
    // A bare word that is also the name of a folder is a pattern.
    let (status, _) = out(&format!("--exists pcaps {FRENCH}"));
    assert_eq!(status, 1);
}

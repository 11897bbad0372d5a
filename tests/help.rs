//! The help of the program: help, version, man page, completions, `--explain`, `-L`, progress.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::privileges::{copy, remove};
use crate::{needs_root, project, run, scratch, text};

const FRENCH: &str = "pcaps/french-website.pcap";

fn all(arguments: &str) -> (i32, String, String) {
    let output = run(arguments);
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The standard output of a run that must succeed and say nothing else.
fn said(arguments: &str) -> String {
    let (status, out, err) = all(arguments);
    assert_eq!((status, err.as_str()), (0, ""), "{arguments}");
    out
}

#[test]
fn help_is_on_standard_output_and_an_unknown_topic_is_an_error() {
    let short = said("-h");
    assert!(short.lines().count() <= 24);
    assert!(short.lines().all(|line| line.chars().count() <= 80));
    let first = |text: &str, what: &str| text.find(what).expect("it is there");
    assert!(first(&short, "sudo spygrep -d lo") < first(&short, "Where"));
    let long = said("--help");
    for heading in [
        "Where from:",
        "Which exchanges:",
        "Examples:",
        "Exit status:",
    ] {
        assert!(long.contains(heading), "{heading}");
    }
    assert!(!long.contains("[possible values"));
    assert_eq!(said("--help json"), said("--help=json"));
    let (status, out, err) = all("--help nosuch");
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("patterns  filters  views  exchanges  json  streams  permissions  ngrep"));
}

#[test]
fn the_version_is_one_line_or_what_a_report_needs() {
    let short = said("-V");
    assert_eq!(short, format!("spygrep {}\n", env!("CARGO_PKG_VERSION")));
    let long = said("--version");
    assert!(long.starts_with(&short));
    assert!(long.contains("\ncaptures: pcap, pcapng"), "{long}");
}

/// Give `text` to a program that checks it, which must have no complaints.
fn check(program: &str, arguments: &[&str], text: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("it is a pipe");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let complaints = crate::text(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{program}: {complaints}"
    );
}

#[test]
fn the_man_page_and_the_completions_have_the_options() {
    let page = said("--generate man");
    assert!(page.contains(".SH EXAMPLES") && page.contains("\\-\\-after\\-context"));
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&format!("--generate complete-{shell}"));
        for option in ["show-header", "explain", "status"] {
            assert!(script.contains(option), "{shell} lacks --{option}");
        }
    }
}

#[test]
#[ignore = "needs groff, mandoc, bash, zsh and fish"]
fn the_man_page_and_the_completions_are_well_formed() {
    let page = said("--generate man");
    check("groff", &["-man", "-ww", "-z", "-Tutf8"], &page);
    check("mandoc", &["-Tlint", "-Werror"], &page);
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&format!("--generate complete-{shell}"));
        check(shell, &["-n"], &script);
    }
}

#[test]
fn what_would_be_done_is_explained_and_not_done() {
    let folder = scratch("explain");
    let saved = folder.join("hits.pcap");
    let out = said(&format!(
        "--explain -i -O {} --status 5xx,404 --and token GET tcp port 5000 {FRENCH}",
        saved.display()
    ));
    assert!(!saved.exists(), "nothing is written");
    let out = out.replace(&saved.display().to_string(), "hits.pcap");
    for line in [
        "words       pattern \"GET\" · filter \"tcp port 5000\" · files pcaps/french-website.pcap\n",
        "file        pcaps/french-website.pcap · ",
        "filter      tcp port 5000\n            compiled for Ethernet: ",
        "pattern     GET · case ignored\nand         token\n",
        "exchanges   status 500-599,404\n",
        "output      -W spy · packets of matches to hits.pcap\n",
        "reading files needs no more\n",
    ] {
        assert!(out.contains(line), "{line:?} in\n{out}");
    }
    let (status, _, err) = all("--explain GET prot 80");
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("perhaps: port"), "{err}");
}

#[test]
fn rights_are_judged_without_them() {
    let out = said("--explain -d lo GET port 5000");
    assert!(out.contains("interface   lo: running · 127.0.0.1"), "{out}");
    assert!(out.contains("the kernel also lets fragments"), "{out}");
    assert!(
        out.contains("enough to capture here") || out.contains("not enough"),
        "{out}"
    );
}

#[test]
#[ignore = "needs root: becomes another user"]
fn rights_are_judged_for_a_user_without_them() {
    needs_root();
    let program = copy("rights");
    let output = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ])
        .args([&program.to_string_lossy(), "--explain", "-d", "lo", "GET"])
        .output()
        .expect("setpriv(1) of util-linux starts it");
    remove(&program);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(
        out.contains("not enough: capturing on lo needs more rights"),
        "{out}"
    );
    // In a container rights are given where it is started.
    let advice = ["sudo setcap cap_net_raw+ep", "--cap-add=NET_RAW"];
    assert!(advice.iter().any(|line| out.contains(line)), "{out}");
}

#[test]
fn interfaces_are_listed_with_their_state() {
    let out = said("-L");
    let mut lines = out.lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("interface  "))
    );
    assert!(
        lines.next().is_some_and(|line| line.starts_with("any ")),
        "{out}"
    );
    assert!(out.lines().any(|line| line.starts_with("lo ")), "{out}");
}

/// What a command line prints on a terminal.
fn on_a_terminal(line: &str) -> String {
    let script = Command::new("script")
        .current_dir(project())
        .args(["-qec", line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script(1) of util-linux makes a terminal");
    text(&script.stdout)
}

#[test]
fn a_long_file_has_a_line_of_progress_that_goes() {
    let folder = scratch("progress");
    let long = folder.join("long.pcap");
    let capture = fs::read(project().join(FRENCH)).expect("it is there");
    // A pcap file's header, then its packets over and over: enough for a few lines at any speed.
    let (header, packets) = capture.split_at(24);
    let times = (200 << 20) / packets.len();
    fs::write(&long, [header, &packets.repeat(times)].concat()).expect("written");
    let program = env!("CARGO_BIN_EXE_spygrep");
    let line = format!("{program} nothing-like-this {}", long.display());
    let printed = on_a_terminal(&line);
    assert!(
        printed.contains(" % · ") && printed.contains(" of 200 MiB · "),
        "{printed}"
    );
    // It goes before the last word is said.
    let (_, last) = printed
        .rsplit_once('\r')
        .and_then(|_| printed.rsplit_once("\x1b[K"))
        .expect("it went");
    assert!(last.starts_with("spygrep: "), "{last:?}");
    for quiet in [
        format!("{line} | cat"),
        line.replace("nothing", "-q nothing"),
        line.replace(&long.display().to_string(), FRENCH),
    ] {
        let printed = on_a_terminal(&quiet);
        assert!(!printed.contains(" % · "), "{quiet}: {printed}");
    }
    let _ = fs::remove_file(&long);
}

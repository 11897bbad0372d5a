//! `-- COMMAND`: who runs it, what it has, what is shown of it, and how it ends. Most are ignored
//! unless asked for: capturing needs root.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::privileges::{copy, remove};
use crate::processes::{Load, asking, server};
use crate::{needs_root, run, spygrep, text};

/// An ordinary user's number, and a group's.
const USER: &str = "54321";
const GROUP: &str = "54322";

/// Run a command below the program, on loopback.
fn below(options: &[&str], command: &[&str]) -> Output {
    needs_root();
    spygrep()
        .args(["-d", "lo"])
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .expect("it starts")
}

#[test]
#[ignore = "needs root: captures"]
fn it_runs_as_the_caller_with_their_groups() {
    needs_root();
    let program = copy("caller");
    let out = Command::new(&program)
        .args(["-d", "lo", "-q", "--", "id"])
        .env("SUDO_UID", USER)
        .env("SUDO_GID", GROUP)
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    remove(&program);
    let said = text(&out.stderr);
    assert!(said.contains(&format!("uid={USER} gid={GROUP}")), "{said}");
    assert!(!said.contains("(root)"), "{said}");
    let named = below(
        &["-q", "--user", "nobody"],
        &["sh", "-c", "id -un; echo $USER"],
    );
    assert!(text(&named.stderr).contains("nobody\nnobody"), "{named:?}");
    let root = below(&["-q", "-R"], &["id", "-u"]);
    assert_eq!(text(&root.stderr).trim(), "0");
}

#[test]
#[ignore = "needs root: captures"]
fn it_is_not_touched() {
    let script = "cat /proc/self/status; ls -l /proc/self/fd";
    let out = below(&["-q"], &["sh", "-c", script]);
    let said = text(&out.stderr);
    for line in [
        "NoNewPrivs:\t0",
        "Seccomp:\t0",
        "TracerPid:\t0",
        "CapEff:\t0000000000000000",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        !said.contains("socket:") && !said.contains("perf"),
        "{said}"
    );
}

#[test]
#[ignore = "needs root: captures"]
fn only_its_tree_is_shown() {
    let port = server();
    let _load = Load::start();
    let ask = asking(port);
    let strangers = format!(
        "while :; do bash -c '{}'; done",
        ask.replace('\'', "\"")
            .replace("GET /%s", "GET /stranger-%s")
    );
    let mut stranger = Command::new("bash")
        .args(["-c", &strangers])
        .stderr(Stdio::null())
        .spawn()
        .expect("there is bash");
    let ask = ask.replace('\'', "\"");
    // A child, and one that leaves its parents and its session.
    let tree = format!(
        "for i in 1 2 3 4 5; do bash -c '{ask}'; done; (setsid bash -c '(bash -c '\"'\"'sleep 0.1; {ask}'\"'\"' &) &' &); sleep 1"
    );
    let out = below(
        &["--json", "", "tcp", "port", &port.to_string()],
        &["bash", "-c", &tree],
    );
    let _ = stranger.kill();
    let _ = stranger.wait();
    let shown = text(&out.stdout);
    let requests: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains("\"kind\":\"http.request\""))
        .collect();
    assert_eq!(requests.len(), 6, "{shown}{}", text(&out.stderr));
    assert!(!shown.contains("stranger"), "{shown}");
}

#[test]
#[ignore = "needs root: captures"]
fn its_output_stays_off_standard_output() {
    let out = below(&["--json"], &["sh", "-c", "echo out; echo err >&2"]);
    let shown = text(&out.stdout);
    assert!(shown.lines().all(|line| line.starts_with('{')), "{shown}");
    let said = text(&out.stderr);
    assert!(said.contains("out\n") && said.contains("err\n"), "{said}");
}

#[test]
#[ignore = "needs root: captures"]
fn its_status_is_ours() {
    for (script, status, said) in [
        ("exit 0", 0, "sh["),
        ("exit 3", 3, "ended with 3"),
        ("kill -9 $$", 137, "was ended by SIGKILL"),
        ("(sleep 5 &) ; sleep 0.5; exit 4", 4, "sleep["),
    ] {
        let out = below(&[], &["sh", "-c", script]);
        assert_eq!(out.status.code(), Some(status), "{script}");
        assert!(text(&out.stderr).contains(said), "{out:?}");
    }
    assert_eq!(below(&[], &["/no/such/program"]).status.code(), Some(127));
    assert_eq!(below(&[], &["/etc/passwd"]).status.code(), Some(126));
    let exists = below(&["--exists", "nothing"], &["sh", "-c", "exit 3"]);
    assert_eq!(exists.status.code(), Some(1));
}

#[test]
fn what_cannot_be_is_an_error_before_it_runs() {
    let out = run("x pcaps/french-website.pcap -- true");
    assert_eq!(out.status.code(), Some(125));
    assert!(text(&out.stderr).contains("no command can be run"));
    let out = run("x --");
    assert!(text(&out.stderr).contains("a command follows --"));
    // As ngrep, it ends the options.
    let out = run("--ngrep -I pcaps/french-website.pcap -- GET");
    assert_eq!(out.status.code(), Some(0));
}

#[test]
#[ignore = "needs root: captures"]
fn nothing_is_missed_at_its_start() {
    let port = server();
    let filter = format!("tcp port {port}");
    let _load = Load::start();
    for _ in 0..20 {
        let out = below(&["--count", "", &filter], &["bash", "-c", &asking(port)]);
        assert_eq!(text(&out.stdout).trim(), "2", "{}", text(&out.stderr));
    }
}

#[test]
#[ignore = "needs root: captures"]
fn it_goes_on_when_we_are_killed() {
    needs_root();
    let folder = std::env::temp_dir().join(format!("spygrep-goes-on-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("there is room");
    let [begun, done] = ["begun", "done"].map(|name| folder.join(name));
    let script = format!(
        "touch {}; sleep 1; touch {}",
        begun.display(),
        done.display()
    );
    let mut child = spygrep()
        .args(["-d", "lo", "-R", "--", "sh", "-c", &script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let wait_for = |path: &std::path::Path| {
        for _ in 0..1000 {
            if path.exists() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    };
    assert!(wait_for(&begun));
    child.kill().expect("it runs");
    let _ = child.wait();
    assert!(wait_for(&done));
    let _ = fs::remove_dir_all(&folder);
}

#[test]
#[ignore = "needs root: captures"]
fn a_signal_that_comes_to_us_alone_is_passed_on() {
    needs_root();
    let mut child = spygrep()
        .args([
            "-d",
            "lo",
            "--",
            "sh",
            "-c",
            "trap 'exit 7' TERM; while :; do sleep 0.05; done",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut banner = [0; 64];
    let stderr = child.stderr.as_mut().expect("piped");
    std::io::Read::read_exact(stderr, &mut banner).expect("it speaks");
    std::thread::sleep(Duration::from_millis(500));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("it has an id"));
    kill(pid, Signal::SIGTERM).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(7));
}

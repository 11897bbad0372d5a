//! What is left of root's rights, what the sandbox refuses, and that a run has all it needs in it.
//!
//! Most are ignored unless asked for: they need root, to become somebody else and to give a copy of
//! the program rights.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;

use crate::live::Listening;
use crate::{needs_root, project, run, scratch, spygrep, text};

/// An ordinary user's number, and a group's.
const USER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// A copy of the program that everybody may run, in a folder of its own.
///
/// Made by cp(1): a file that this process has open for writing is inherited by whatever another
/// test starts at that moment, and cannot be executed until that one has closed it.
pub(crate) fn copy(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("spygrep-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&folder, open.clone()).expect("it is ours");
    let program = folder.join("spygrep");
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_spygrep"))
        .arg(&program)
        .status()
        .expect("there is cp(1)");
    assert!(copied.success(), "there is room");
    fs::set_permissions(&program, open).expect("it is ours");
    program
}

/// Remove a copy and its folder.
pub(crate) fn remove(program: &Path) {
    let _ = fs::remove_dir_all(program.parent().expect("it is in a folder"));
}

/// A command as the ordinary user, by setpriv(1) of util-linux.
fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={USER}"))
        .arg(format!("--regid={GROUP}"))
        .arg("--clear-groups")
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// A copy with `cap_net_raw`, and nothing else.
fn capable(name: &str) -> PathBuf {
    needs_root();
    let program = copy(name);
    let set = Command::new("setcap")
        .arg("cap_net_raw+ep")
        .arg(&program)
        .output()
        .expect("setcap(8) of libcap2-bin is installed");
    assert!(set.status.success(), "{}", text(&set.stderr));
    program
}

/// Whether this kernel has all that the sandbox uses.
fn has_sandbox() -> bool {
    !text(&run("--version").stdout).contains("not here")
}

/// The rows of a self-test.
fn table(output: &Output) -> (String, Vec<(String, bool)>) {
    let out = text(&output.stdout);
    let rows = out
        .lines()
        .filter(|line| line.contains("efused (") || line.contains("REFUSED"));
    let rows = rows
        .map(|line| (line.to_owned(), !line.contains("NOT REFUSED")))
        .collect();
    (out, rows)
}

fn all_refused(output: &Output, least: usize) {
    let (out, rows) = table(output);
    println!("{out}");
    assert!(rows.len() >= least, "{out}{}", text(&output.stderr));
    assert!(rows.iter().all(|(_, refused)| *refused), "{out}");
    assert_eq!(output.status.code(), Some(0), "{out}");
}

#[test]
fn from_inside_the_sandbox_nothing_can_be_opened_sent_or_run() {
    let inside = run("--sandbox-selftest");
    if has_sandbox() {
        all_refused(&inside, 37);
    } else {
        // A kernel without Landlock or seccomp: the table does not claim more than there is.
        let (out, rows) = table(&inside);
        let all = rows.iter().all(|(_, refused)| *refused);
        assert!(out.contains("not here") && rows.len() >= 37, "{out}");
        assert_eq!(inside.status.code(), Some(i32::from(!all)), "{out}");
    }
    // That a refusal is the sandbox's doing: without it, the same tries go through. Another user's
    // rights refuse a few.
    let (out, rows) = table(&run("--sandbox-selftest --no-sandbox"));
    let through = rows.iter().filter(|(_, refused)| !refused).count();
    assert!(through >= 25, "{out}");
}

#[test]
#[ignore = "needs root: opens a device and keeps root's rights"]
fn root_that_keeps_its_rights_is_held_as_well() {
    needs_root();
    assert!(has_sandbox(), "this kernel lacks Landlock or seccomp");
    let as_root = run("--sandbox-selftest -R");
    all_refused(&as_root, 39);
    assert!(text(&as_root.stdout).contains("send a packet on the device"));
}

#[test]
#[ignore = "needs root: gives a copy of the program a capability"]
fn an_ordinary_user_with_cap_net_raw_is_held_as_well() {
    let program = capable("selftest");
    assert!(has_sandbox(), "this kernel lacks Landlock or seccomp");
    let output = as_user(&program)
        .arg("--sandbox-selftest")
        .output()
        .expect("it starts");
    all_refused(&output, 39);
    assert!(text(&output.stdout).contains("send a packet on the device"));
    remove(&program);
}

#[test]
fn landlock_alone_keeps_files_ports_and_other_processes_away() {
    // Older kernels have less of it, or nothing; what they have is in the version.
    let version = text(&run("--version").stdout);
    let (out, rows) = table(&run("--sandbox-selftest=landlock"));
    for (has, what) in [
        ("no files", "read /etc/passwd"),
        ("no files", "list the folder"),
        ("no files", "run a program"),
        ("no TCP", "TCP: connect"),
        ("no TCP", "TCP: listen"),
        ("no signals to others", "signal another"),
    ] {
        let refused = rows
            .iter()
            .any(|(row, refused)| row.contains(what) && *refused);
        assert_eq!(refused, version.contains(has), "{what}:\n{version}{out}");
    }
}

/// Lines of `/proc/PID/status`.
fn status(listening: &Listening, names: &[&str]) -> Vec<String> {
    let path = format!("/proc/{}/status", listening.child.id());
    let status = fs::read_to_string(path).expect("it runs");
    let value = |name: &&str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or("missing")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    names.iter().map(value).collect()
}

const RIGHTS: [&str; 4] = ["Uid", "Gid", "Groups", "NoNewPrivs"];
const CAPABILITIES: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
const NONE: &str = "0000000000000000";

/// Capture a needle on `lo` with this command, and look at it while it runs.
fn watched(mut command: Command, look: impl FnOnce(&Listening)) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let port = socket.local_addr().expect("it is bound").port();
    command.args(["-d", "lo", "needle", "udp", "port", &port.to_string()]);
    let listening = Listening::of(command);
    let send = || {
        socket
            .send_to(b"a needle", ("127.0.0.1", port))
            .expect("sent")
    };
    send();
    listening.wait_for("a needle");
    look(&listening);
    // Still: statistics, signals and the ring go on in the sandbox.
    let id = i32::try_from(listening.child.id()).expect("it has an id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), Signal::SIGUSR1).expect("it is there");
    send();
    listening.wait_for("a needle");
    let (code, said) = listening.end(Signal::SIGINT);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 packets, 0 lost"), "{said}");
}

#[test]
#[ignore = "needs root: becomes another user"]
fn started_as_root_it_is_the_invoking_user_without_any_rights() {
    needs_root();
    let four = |number: u32| vec![number.to_string(); 4].join(" ");
    let sandboxed = if has_sandbox() { "2" } else { "0" };
    let mut command = spygrep();
    command
        .env("SUDO_UID", USER.to_string())
        .env("SUDO_GID", GROUP.to_string());
    watched(command, |listening| {
        assert_eq!(
            status(listening, &RIGHTS),
            [four(USER), four(GROUP), String::new(), "1".into()]
        );
        assert_eq!(status(listening, &CAPABILITIES), [NONE; 5]);
        assert_eq!(status(listening, &["Seccomp"]), [sandboxed]);
        let limits =
            fs::read_to_string(format!("/proc/{}/limits", listening.child.id())).expect("it runs");
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core"))
            .expect("it is listed");
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        // Who may not dump it may not trace it: its /proc belongs to root, not to the user.
        let owner = fs::metadata(format!("/proc/{}/mem", listening.child.id()))
            .expect("it runs")
            .uid();
        assert_eq!(owner, 0);
    });
    let mut command = spygrep();
    command.args(["--user", "daemon", "--no-sandbox"]);
    watched(command, |listening| {
        assert_ne!(status(listening, &["Uid"]), [four(0)]);
        assert_eq!(status(listening, &CAPABILITIES), [NONE; 5]);
        assert_eq!(status(listening, &["Seccomp", "NoNewPrivs"]), ["0", "1"]);
    });
    let mut command = spygrep();
    command.arg("-R");
    watched(command, |listening| {
        assert_eq!(status(listening, &["Uid"]), [four(0)]);
        assert_eq!(
            status(listening, &["Seccomp", "NoNewPrivs"]),
            [sandboxed, "1"]
        );
    });
}

#[test]
#[ignore = "needs root: gives a copy of the program a capability"]
fn cap_net_raw_is_enough_and_is_given_up() {
    let program = capable("capture");
    watched(as_user(&program), |listening| {
        let rights = status(
            listening,
            &["Uid", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs"],
        );
        assert!(rights[0].starts_with(&USER.to_string()), "{rights:?}");
        assert_eq!(rights[1..], [NONE, NONE, NONE, NONE, "1"]);
    });
    remove(&program);
}

#[test]
#[ignore = "needs root: sets the bit, and becomes another user"]
fn installed_set_uid_it_refuses_to_run() {
    needs_root();
    for bit in [0o4755, 0o2755] {
        let program = copy("setuid");
        fs::set_permissions(&program, fs::Permissions::from_mode(bit)).expect("it is ours");
        let output = as_user(&program).arg("-V").output().expect("it starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{bit:o}: {said}");
        assert!(
            said.contains("set-uid") && said.contains("chmod u-s,g-s"),
            "{said}"
        );
        assert!(output.stdout.is_empty());
        remove(&program);
    }
}

#[test]
fn every_capture_reads_the_same_in_the_sandbox() {
    let mut captures = 0;
    for entry in fs::read_dir(project().join("pcaps")).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path
            .file_name()
            .expect("it has one")
            .to_string_lossy()
            .into_owned();
        if !name.contains(".pcap") {
            continue;
        }
        captures += 1;
        for options in ["-t", "--json", "-W byline -x", "-T --body=full"] {
            let of = |more: &str| {
                let output = run(&format!("{options} {more} -I pcaps/{name}"));
                (
                    output.status.code(),
                    text(&output.stdout),
                    text(&output.stderr),
                )
            };
            assert_eq!(of(""), of("--no-sandbox"), "{name} {options}");
        }
    }
    assert!(captures > 5, "only {captures} captures");
}

#[test]
fn names_in_a_filter_are_looked_up_before() {
    let by_name = run("'' tcp port http -I pcaps/http-gap.pcap");
    let by_number = run("'' tcp port 80 -I pcaps/http-gap.pcap");
    assert_eq!(text(&by_name.stderr), text(&by_number.stderr));
    assert_eq!(text(&by_name.stdout), text(&by_number.stdout));
    assert_eq!(by_name.status.code(), Some(0));
}

#[test]
#[ignore = "needs root: becomes another user"]
fn what_it_writes_is_the_users_and_private() {
    needs_root();
    let folder = scratch("privileges");
    let sudo = |arguments: &str| {
        let mut command = spygrep();
        command
            .args(crate::words(arguments))
            .env("SUDO_UID", USER.to_string())
            .env("SUDO_GID", GROUP.to_string());
        command.output().expect("the program starts")
    };
    let at = |name: &str| folder.join(name);
    let output = sudo(&format!(
        "-O {} --streams {} '' -I pcaps/http-gap.pcap",
        at("saved.pcap").display(),
        at("new/streams").display()
    ));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut files = vec![
        (at("saved.pcap"), 0o600),
        (at("new"), 0o700),
        (at("new/streams"), 0o700),
    ];
    for entry in fs::read_dir(at("new/streams")).expect("it is there") {
        files.push((entry.expect("it can be read").path(), 0o600));
    }
    assert_eq!(files.len(), 6, "an index and two directions");
    // A folder that is there and is not theirs: said at once, and nothing is begun.
    fs::create_dir(at("roots")).expect("there is room");
    let refused = sudo(&format!(
        "--streams {} '' -I pcaps/http-gap.pcap",
        at("roots").display()
    ));
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(said.contains("may not write in"), "{said}");
    assert_eq!(fs::read_dir(at("roots")).expect("it is there").count(), 0);
    for (path, mode) in files {
        let metadata = path.metadata().expect("it is there");
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (USER, GROUP),
            "{}",
            path.display()
        );
        assert_eq!(metadata.mode() & 0o777, mode, "{}", path.display());
        assert!(metadata.len() > 0, "{}", path.display());
    }
}

#[test]
fn no_link_is_followed() {
    let folder = scratch("traps");
    let real = folder.join("real");
    fs::create_dir(&real).expect("there is room");
    symlink(&real, folder.join("link")).expect("there is room");
    let output = run(&format!(
        "-R --streams {}/link '' -I pcaps/http-gap.pcap",
        folder.display()
    ));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("symbolic link"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(fs::read_dir(&real).expect("it is there").count(), 0);
}

/// Somebody waits in a folder of everybody's, with a file of the right name.
#[test]
#[ignore = "needs root: gives a file to another user"]
fn no_trap_is_stepped_into() {
    needs_root();
    let folder = scratch("trap");
    let shared = folder.join("shared");
    fs::create_dir(&shared).expect("there is room");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).expect("it is ours");
    let trap = shared.join("capture.pcap");
    fs::write(&trap, "").expect("there is room");
    std::os::unix::fs::chown(&trap, Some(USER), Some(GROUP)).expect("we are root");
    let output = run(&format!(
        "-O {} needle -I pcaps/http-gap.pcap",
        trap.display()
    ));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("somebody else"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(trap.metadata().expect("it is there").len(), 0);
}

#[test]
fn har_files_are_written_over_only_when_forced() {
    let har = scratch("force").join("made.har");
    fs::write(&har, "mine").expect("there is room");
    let output = run(&format!(
        "-R --har {} -I pcaps/http-gap.pcap",
        har.display()
    ));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("--force"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(fs::read_to_string(&har).expect("it is there"), "mine");
    let output = run(&format!(
        "-R --force --har {} -I pcaps/http-gap.pcap",
        har.display()
    ));
    assert_ne!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_ne!(fs::read_to_string(&har).expect("it is there"), "mine");
}

#[test]
#[ignore = "needs root: becomes another user"]
fn the_pager_runs_as_the_user() {
    needs_root();
    let pager = crate::pager("pager", "id -u\nexec cat\n");
    let typed = scratch("pager").join("typed");
    let line = format!(
        "{} --color=never --pager needle -I pcaps/http-gap.pcap",
        env!("CARGO_BIN_EXE_spygrep")
    );
    let output = Command::new("script")
        .args(["-qec", &line])
        .arg(&typed)
        .current_dir(project())
        .env("PAGER", &pager)
        .env("SUDO_UID", USER.to_string())
        .env("SUDO_GID", GROUP.to_string())
        .stdin(Stdio::null())
        .output();
    let output = output.expect("script(1) of util-linux makes a terminal");
    let out = text(&output.stdout);
    assert!(out.contains(&USER.to_string()), "{out}");
    assert!(out.contains("GET /needle"), "{out}");
}

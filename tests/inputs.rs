//! What is given to be read: files of all kinds, also such as are none, and pipes with names.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::{needs_root, project, run, scratch, spygrep, text};

const CAPTURE: &str = "pcaps/http-keepalive.pcap";

#[test]
fn an_empty_file_among_many_is_a_warning() {
    let folder = scratch("empty");
    let zero = |name: &str| {
        let path = folder.join(name);
        fs::write(&path, "").expect("there is room");
        path.display().to_string()
    };
    let (first, other, odd) = (zero("a.pcap"), zero("z.pcap7"), zero("z"));
    let cut = folder.join("cut.pcap");
    fs::write(
        &cut,
        &fs::read(project().join(CAPTURE)).expect("it is there")[..20],
    )
    .expect("there is room");
    let cut = cut.display();
    let whole = run(&format!("--count '' -I {CAPTURE}"));
    for line in [
        format!("--count '' -I {first} -I {CAPTURE} -I {other} -I {cut}"),
        format!("--count '' {first} {CAPTURE} {other} {odd}"),
        format!("--count '' --threads 1 {first} {other} {CAPTURE}"),
    ] {
        let output = run(&line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        assert_eq!(output.stdout, whole.stdout, "{line}: {said}");
        assert_eq!(
            said.matches("warning: ").count(),
            line.matches("empty/").count(),
            "{said}"
        );
        assert!(said.contains("a.pcap: it is empty"), "{said}");
    }
    // When all are, nothing was read.
    for line in [
        format!("x {first}"),
        format!("x -I {first} -I {other}"),
        first.clone(),
    ] {
        let output = run(&line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(
            text(&output.stderr).contains("is no capture file: it is empty"),
            "{line}"
        );
    }
}

#[test]
fn a_pipe_with_a_name_is_a_file() {
    let folder = scratch("fifo");
    let fifo = folder.join("fifo");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe can be made");
    let writer = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::copy(project().join(CAPTURE), fifo))
    };
    let whole = run(&format!("--count '' -I {CAPTURE}"));
    let output = run(&format!("--count '' {}", fifo.display()));
    writer.join().expect("it only writes").expect("it is read");
    assert_eq!(output.stdout, whole.stdout, "{}", text(&output.stderr));
    // As shells make them.
    let program = env!("CARGO_BIN_EXE_spygrep");
    for line in [
        format!("{program} --count '' <(cat {CAPTURE})"),
        format!("{program} --count '' tcp <(cat {CAPTURE})"),
        format!("{program} --count '' <(gzip -c {CAPTURE}) <(true)"),
        format!("cat {CAPTURE} | {program} --count '' /dev/stdin"),
        format!("cat {CAPTURE} | {program} --count '' -"),
    ] {
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(project())
            .output();
        let output = output.expect("there is bash");
        assert_eq!(
            output.stdout,
            whole.stdout,
            "{line}: {}",
            text(&output.stderr)
        );
    }
    let output = run("x -I /dev/null");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn captures_of_other_programs_are_named_and_how_to_convert_them() {
    let folder = scratch("foreign");
    for (name, magic, says) in [
        (
            "a.snoop",
            &b"snoop\0\0\0\0\0\0\x02\0\0\0\x04"[..],
            "snoop (Solaris)",
        ),
        ("a.cap", b"GMBU\0\x02\x01\0", "Microsoft Network Monitor"),
        (
            "old.cap",
            b"RTSS\x01\x01\x01\0",
            "Microsoft Network Monitor",
        ),
        ("a.enc", b"TRSNIFF data    \x1a", "the Sniffer"),
    ] {
        let path = folder.join(name);
        fs::write(&path, [magic, &[0; 64]].concat()).expect("there is room");
        let path = path.display();
        for line in [format!("x -I {path}"), format!("x {path}")] {
            let output = run(&line);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(
                said.contains(&format!("is no capture file: it is a file of {says}")),
                "{said}"
            );
            assert!(
                said.contains(&format!("editcap -F pcap {path} {path}.pcap")),
                "{said}"
            );
        }
    }
}

#[test]
fn more_files_than_are_allowed_at_first_are_read() {
    let folder = scratch("many");
    let link = |at: usize| {
        let path = folder.join(format!("{at}.pcap"));
        symlink(project().join("pcaps/udp-syslog.pcap"), &path).expect("a link can be made");
        path.display().to_string()
    };
    let files: Vec<String> = (0..300).map(link).collect();
    let program = env!("CARGO_BIN_EXE_spygrep");
    let asked = |limit: &str| {
        let line = format!(
            "ulimit {limit}; {program} -q --count '' {}",
            files.join(" ")
        );
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(project())
            .output();
        let output = output.expect("there is a shell");
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (status, _, said) = asked("-S -n 100");
    assert_eq!(status, Some(0), "{said}");
    let (status, _, said) = asked("-n 100");
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("cannot be open at once") && said.contains("ulimit -n"),
        "{said}"
    );
}

/// Without a list of users nobody is in it: then nobody's number is taken.
#[test]
#[ignore = "needs root: mounts an empty /etc of its own"]
fn a_system_without_users_has_a_nobody() {
    needs_root();
    let line = format!(
        "mount -t tmpfs none /etc && exec {} -q --count '' -I {CAPTURE}",
        env!("CARGO_BIN_EXE_spygrep")
    );
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &line])
        .current_dir(project())
        .output();
    let output = output.expect("there is unshare");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        output.stdout,
        spygrep()
            .args(["-q", "--count", "", "-I", CAPTURE])
            .output()
            .expect("it starts")
            .stdout
    );
}

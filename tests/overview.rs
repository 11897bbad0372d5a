//! `-W log`, `--stats`, `--timing` and `--slow`, on captures: `tests/overview/NAME.txt` has
//! commands, their output and exit status, as `tests/golden/` has.

use std::fmt::Write as _;
use std::fs;

use crate::{project, run, text};

/// What a command prints and its exit status.
fn printed(command: &str) -> String {
    let output = run(command);
    let status = output.status.code().unwrap_or(-1);
    format!("{}= {status}\n", text(&output.stdout))
}

#[test]
fn exchanges_are_shown_as_they_were() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for name in ["log", "stats", "timing"] {
        let path = project().join(format!("tests/overview/{name}.txt"));
        let wanted = fs::read_to_string(&path).expect("the file is there");
        let mut got = String::new();
        for command in wanted
            .lines()
            .filter_map(|line| line.strip_prefix("$ spygrep "))
        {
            let _ = write!(got, "$ spygrep {command}\n{}", printed(command));
        }
        if update {
            fs::write(&path, got).expect("golden files can be written");
        } else {
            assert_eq!(got, wanted, "{}", path.display());
        }
    }
}

#[test]
fn the_server_that_sleeps_two_seconds_is_found_out() {
    let shown = printed("--timing --slow 1s pcaps/http-slow.pcap");
    let wait = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("wait"))
        .expect("the wait has a line");
    let seconds: f64 = wait
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .expect("it is a number of seconds");
    assert!((seconds - 2.0).abs() <= 0.01, "{wait}");
    assert!(shown.contains("\n  verdict  the server: "), "{shown}");
    // The log has the same number, to three digits.
    let shown = printed("-W log -q --slow 1s pcaps/http-slow.pcap");
    assert!(shown.contains(" 2 s ! "), "{shown}");
}

#[test]
fn slow_leaves_the_slow_exchange_alone() {
    for command in ["--slow 1s", "-W log -q --slow 1s", "--stats -q --slow 1s"] {
        let shown = printed(&format!("{command} pcaps/http-slow.pcap"));
        assert!(
            shown.contains("/slow") && shown.ends_with("= 0\n"),
            "{shown}"
        );
        assert!(!shown.contains("/json"), "{shown}");
        let shown = printed(&format!(
            "{} pcaps/http-slow.pcap",
            command.replace("1s", "3s")
        ));
        assert_eq!(shown, "= 1\n", "{command}");
    }
}

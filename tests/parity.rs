//! `--ngrep` against what ngrep 1.49.0 really prints: `parity/commands.tsv`, and the outputs in
//! `parity/expected/`.
//!
//! A class says how a command is held: `exact` and `regex` (the dialects of its builds differ) by
//! bytes and exit status, `err` by exit status 2 and words on standard error, `bug` and `limit`
//! (ngrep is wrong, or cannot) by ending with status 0 or 1.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::{project, scratch, text, words};

/// A usage text counts as one mark.
fn elided(output: &[u8]) -> String {
    let output = text(output);
    let at = ["usage: ", "Usage: ", "[usage text elided"]
        .iter()
        .filter_map(|mark| output.find(mark))
        .min();
    at.map_or(output.clone(), |at| {
        format!("{}[usage text elided]\n", &output[..at])
    })
}

#[test]
fn commands_print_what_ngrep_prints() {
    let folder = project().join("tests/parity");
    let link = scratch("parity").join("ngrep");
    symlink(env!("CARGO_BIN_EXE_spygrep"), &link).expect("a link can be made");
    let mut wrong = Vec::new();
    let mut passed = 0;
    for line in fs::read_to_string(folder.join("commands.tsv"))
        .expect("the table is there")
        .lines()
    {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[number, class, status, variants, command] = fields.as_slice() else {
            continue;
        };
        if number.starts_with('#') {
            continue;
        }
        let output = Command::new(&link)
            .args(&words(command)[1..])
            .current_dir(&folder)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("HOME", "/")
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let code = output.status.code().unwrap_or(-1);
        let got = elided(&output.stdout);
        let expected = |variant: char| {
            elided(
                &fs::read(folder.join(format!("expected/{number}{variant}.out")))
                    .expect("the output is there"),
            )
        };
        let why = match class {
            "exact" | "regex" => {
                let allowed = if class == "exact" { "a" } else { variants };
                if !allowed.chars().any(|variant| expected(variant) == got) {
                    Some(format!("printed {got:?}, wanted {:?}", expected('a')))
                } else if code.to_string() != status {
                    Some(format!("status {code}, wanted {status}"))
                } else {
                    None
                }
            }
            "err" => (code != 2 || output.stderr.is_empty())
                .then(|| format!("status {code}, wanted 2 and a message")),
            _ => (code != 0 && code != 1).then(|| format!("status {code}, wanted 0 or 1")),
        };
        match why {
            Some(why) => wrong.push(format!("{number} {class} {command}: {why}")),
            None => passed += 1,
        }
    }
    println!("{passed} commands as ngrep");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed > 100, "only {passed} commands");
}

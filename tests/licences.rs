//! What the libraries are allowed to be, by `deny.toml`: the part of `cargo deny check licenses bans sources` that needs no
//! other program than cargo.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::project;

/// The strings of a list in `deny.toml`, one or several a line.
fn list(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(project().join("deny.toml")).expect("there is a deny.toml");
    let (_, rest) = text
        .split_once(&format!("\n{name} = ["))
        .expect("the list is there");
    let (list, _) = rest.split_once(']').expect("the list ends");
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression is satisfied by licences of which each is allowed. `/` is an old way to write `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let text = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = text.split_whitespace().peekable();
    let good = either(&mut words, allowed);
    good && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut good = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        good |= both(words, allowed);
    }
    good
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut good = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        good &= one(words, allowed);
    }
    good
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let good = either(words, allowed);
            good & words.next_if_eq(&")").is_some()
        }
        Some(name) => match words.next_if_eq(&"WITH") {
            // An exception only permits more, but is to be allowed by name.
            Some(_) => {
                let exception = words.next().unwrap_or_default();
                allowed.contains(&format!("{name} WITH {exception}"))
            }
            None => allowed.contains(name),
        },
        None => false,
    }
}

/// What cargo says of the libraries that are built here.
fn metadata() -> Value {
    let output = |program: String, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command.current_dir(project()).args(arguments).output();
        let output = output.expect("cargo and rustc are there, as they run the tests");
        assert!(output.status.success(), "{}", crate::text(&output.stderr));
        crate::text(&output.stdout)
    };
    let program =
        |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.into());
    let about = output(program("RUSTC", "rustc"), &["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("rustc says what it is for");
    let cargo = program("CARGO", "cargo");
    let arguments = [
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        host,
    ];
    serde_json::from_str(&output(cargo, &arguments)).expect("cargo writes JSON")
}

#[test]
fn libraries_have_licences_and_sources_that_are_allowed() {
    let (licences, registries) = (list("allow"), list("allow-registry"));
    let metadata = metadata();
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let packages = metadata["packages"].as_array().expect("a list");
    let mut wrong = Vec::new();
    let mut count = 0;
    for package in packages {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        if !used.contains(text("id")) {
            continue;
        }
        count += 1;
        let (name, licence) = (text("name"), text("license"));
        if !is_allowed(licence, &licences) {
            wrong.push(format!("{name} is under {licence:?}"));
        }
        let source = text("source");
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if name != "spygrep" && !registries.contains(registry) {
            wrong.push(format!("{name} comes from {source:?}"));
        }
        if name == "spygrep" {
            let libraries = package["dependencies"].as_array().expect("a list");
            let open = libraries.iter().filter(|library| library["req"] == "*");
            wrong.extend(open.map(|library| format!("{} in any version", library["name"])));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 50, "{count} libraries are too few");
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed: BTreeSet<String> = ["MIT", "BSD-3-Clause", "A WITH e"]
        .map(str::to_owned)
        .into();
    for (expression, wanted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(Apache-2.0 OR MIT) AND BSD-3-Clause", true),
        ("(Apache-2.0 OR MIT) AND Unicode-3.0", false),
        ("GPL-3.0 OR MIT AND BSD-3-Clause", true),
        ("BSD-3-Clause/MIT", true),
        ("A WITH e OR GPL-3.0", true),
        ("A", false),
        ("A WITH f", false),
        ("", false),
        ("(MIT", false),
        ("MIT MIT", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), wanted, "{expression}");
    }
}

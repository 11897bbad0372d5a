//! The documents: their length, their links, that the examples print what they show, and that what
//! they name is there.
//!
//! `UPDATE_GOLDEN=1 cargo test --test spygrep options` writes `docs/options.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{project, run, text};

const LINES: usize = 200;
const COLUMNS: usize = 100;

/// The documents for people: path in the project, and text.
fn documents() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(|name| project().join(name))
        .into();
    let docs = fs::read_dir(project().join("docs")).expect("the folder is there");
    files.extend(docs.map(|entry| entry.expect("it can be read").path()));
    files.retain(|file| file.extension().is_some_and(|kind| kind == "md"));
    files.sort();
    files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(project()).expect("it is in there");
            let text = fs::read_to_string(file).expect("it is text");
            (path.to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// The lines outside of code blocks.
fn prose(text: &str) -> Vec<&str> {
    let mut code = false;
    text.lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            code ^= fence;
            !code && !fence
        })
        .collect()
}

#[test]
fn the_readme_is_short_and_lines_are_narrow() {
    for (path, text) in documents() {
        let lines = text.lines().count();
        assert!(
            path != "README.md" || lines <= LINES,
            "{path}: {lines} lines"
        );
        for line in prose(&text) {
            // A row of a table cannot be wrapped.
            let narrow = line.chars().count() <= COLUMNS || line.starts_with('|');
            assert!(narrow, "{path}: {line}");
        }
    }
}

/// The name that a heading has in a link.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for (path, text) in documents() {
        let folder = project().join(&path);
        let folder = folder.parent().expect("it is in a folder");
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => project().join(&path),
                _ => folder.join(file),
            };
            assert!(file.exists(), "{path}: there is no {target}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).expect("it is text");
                let mut lines = prose(&text).into_iter();
                let found = lines.any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{path}: there is no heading for {target}");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} links");
}

/// The examples that read captures of the project: document, command line, and what is shown of its
/// output.
fn examples() -> Vec<(String, String, Vec<String>)> {
    let mut examples: Vec<(String, String, Vec<String>)> = Vec::new();
    for (path, text) in documents() {
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                inside = line == "```console";
            } else if inside && line.starts_with("$ ") {
                examples.push((path.clone(), line[2..].to_owned(), Vec::new()));
            } else if let (true, Some((_, _, shown))) = (inside, examples.last_mut()) {
                shown.push(line.to_owned());
            }
        }
    }
    examples.retain(|(_, line, _)| line.starts_with("spygrep ") && line.contains("pcaps/"));
    examples
}

/// Whether lines are as shown, where `...` stands for any number of lines.
fn is_as_shown(shown: &[String], lines: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return lines.is_empty();
    };
    match first.as_str() {
        "..." => (0..=lines.len()).any(|skip| is_as_shown(rest, &lines[skip..])),
        line => lines.first() == Some(&line) && is_as_shown(rest, &lines[1..]),
    }
}

fn check(path: &str, command: &str, shown: &[String], out: &str) {
    let lines: Vec<&str> = out.trim_matches('\n').lines().map(str::trim_end).collect();
    assert!(is_as_shown(shown, &lines), "{path}: {command}\n{out}");
}

#[test]
fn examples_print_what_is_shown() {
    let mut run_at_all = 0;
    for (path, line, shown) in examples() {
        if let (Some(arguments), false) = (line.strip_prefix("spygrep "), line.contains('|')) {
            check(&path, &line, &shown, &text(&run(arguments).stdout));
            run_at_all += 1;
        }
    }
    assert!(run_at_all >= 5, "{run_at_all} examples");
}

#[test]
#[ignore = "needs jq"]
fn examples_with_a_pipe_print_what_is_shown() {
    let program = Path::new(env!("CARGO_BIN_EXE_spygrep"));
    let folder = program.parent().expect("it is in a folder").display();
    let path = std::env::var("PATH").expect("there is a path");
    for (document, line, shown) in examples() {
        if line.contains('|') {
            let output = Command::new("sh")
                .args(["-c", &line])
                .current_dir(project())
                .env("PATH", format!("{folder}:{path}"))
                .output()
                .expect("there is a shell");
            check(&document, &line, &shown, &text(&output.stdout));
        }
    }
}

#[test]
fn the_options_are_the_programs() {
    let path = project().join("docs/options.md");
    let document = fs::read_to_string(&path).expect("it is there");
    let start = "| option | what it does |";
    let (before, _) = document.split_once(start).expect("there is a table");
    let wanted = format!("{before}{}", spygrep::cli::generate::table());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, wanted).expect("it can be written");
        return;
    }
    assert!(
        document == wanted,
        "UPDATE_GOLDEN=1 cargo test --test spygrep options writes docs/options.md"
    );
}

/// `module::tests::name` in `src`, or `module::name` in `tests`: whether there is such a test.
fn is_there(test: &str) -> bool {
    let (module, name) = test.rsplit_once("::").expect("it has a module");
    let module = module.replace("::", "/");
    let files = [
        format!("tests/{module}.rs"),
        format!("src/{module}.rs"),
        format!("src/{}.rs", module.trim_end_matches("/tests")),
    ];
    files.iter().any(|file| {
        let text = fs::read_to_string(project().join(file));
        text.is_ok_and(|text| text.contains(&format!("fn {name}(")))
    })
}

#[test]
fn promises_have_their_tests() {
    let document = fs::read_to_string(project().join("docs/security.md")).expect("it is there");
    let (_, table) = document
        .split_once("| promise | tests |")
        .expect("there is a table");
    let (table, _) = table.split_once("\n\n").expect("it ends");
    let mut found = 0;
    for test in table.split('`').skip(1).step_by(2) {
        if test.contains("::") {
            assert!(is_there(test), "there is no test {test}");
            found += 1;
        }
    }
    assert!(found > 15, "{found} tests");
    assert!(is_there(
        "render::escape::characters::tests::no_character_at_all_passes_that_steers"
    ));
    assert!(!is_there("privileges::nothing_like_this"));
}

//! The shape of the source: which folder may import which, which one may name a library or a
//! protocol, how long a function may be, and how wide a comment.
//!
//! Rules that the source does not keep everywhere yet have a list of exceptions. An entry that is
//! no longer needed fails the test, so the lists only get shorter.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::project;

/// The stages. Each may import itself and the nouns, which are the files of `src`.
const VERBS: [&str; 7] = [
    "capture",
    "ears",
    "decode",
    "reassemble",
    "dissect",
    "search",
    "render",
];
/// Files and folders that join the stages, and may import all of them.
const COMPOSITION: [&str; 7] = [
    "lib.rs",
    "main.rs",
    "pipeline.rs",
    "pipeline",
    "run.rs",
    "run",
    "cli",
];
/// A library, and the only folders that may name it: a change of library is a change of these.
const HOMES: [(&str, &[&str]); 18] = [
    ("pcap", &["capture/"]),
    ("etherparse", &["decode/"]),
    ("httparse", &["dissect/http1/"]),
    ("brotli_decompressor", &["dissect/http/"]),
    ("encoding_rs", &["dissect/http/"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("regex_automata", &["search/"]),
    ("regex_syntax", &["search/"]),
    (
        "flate2",
        &["capture/savefile/", "dissect/http/", "render/html.rs"],
    ),
    ("ruzstd", &["capture/savefile/", "dissect/http/"]),
    ("hashbrown", &["reassemble/"]),
    ("caps", &["capture/privileges/"]),
    ("landlock", &["capture/privileges/"]),
    ("seccompiler", &["capture/privileges/"]),
    ("perf_event_open", &["ears/"]),
    ("rustix", &["ears/"]),
];

/// Folders that serve every protocol, and therefore name none.
const NEUTRAL: [&str; 4] = ["pipeline", "search", "select", "render"];
/// Outputs whose format is a protocol's.
const FORMATS: [&str; 4] = [
    "render/har.rs",
    "render/har/",
    "render/curl.rs",
    "render/curl/",
];
const PROTOCOLS: [&str; 5] = ["http", "tls", "dns", "websocket", "grpc"];
/// Files of neutral folders that still name a protocol.
const STILL_NAMES: [(&str, &str); 12] = [
    ("pipeline/selector/messages.rs", "tls"),
    ("pipeline/selector/decide.rs", "tls"),
    ("pipeline/flow_state.rs", "tls"),
    ("render/diff/exchange.rs", "http"),
    ("render/diff/fields.rs", "websocket"),
    ("render/diff/likely_cause.rs", "http"),
    ("render/json/failure.rs", "http"),
    ("render/json/record.rs", "http"),
    ("render/json/rows.rs", "http"),
    ("render/parts.rs", "http"),
    ("render/request.rs", "http"),
    ("render/spy.rs", "http"),
];

/// Lines of code in a function, without comments and blank lines.
const FUNCTION: usize = 100;
/// Functions that may be longer: their own bound, and why.
const LONG_FUNCTIONS: [(&str, &str, usize); 9] = [
    // Still to be cut into steps.
    ("run.rs", "run", 170),
    ("cli/config.rs", "configure_run", 150),
    ("pipeline/selector.rs", "event", 130),
    ("pipeline/selector/decide.rs", "close", 110),
    // Tables: a row for each counter, a row for each try of the self-test.
    ("stats.rs", "counted", 200),
    ("capture/privileges/selftest.rs", "processes", 110),
    // A state machine in one piece.
    ("search/streaming/machine.rs", "steps", 120),
    ("reassemble/mod.rs", "segment_by_rules", 138),
    ("reassemble/fragments.rs", "push", 110),
];

/// Columns of a line with a comment; rustfmt wraps code, but not comments.
const COLUMNS: usize = 100;
/// A source file: its path in `src`, its text, and its code without comments and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    /// The folder of `src` that it is in; its own name if it is in none.
    fn place(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The folder of `src` that it is in; nothing if it is in none.
    fn folder(&self) -> &str {
        self.path.split_once('/').map_or("", |(folder, _)| folder)
    }
}

fn sources() -> Vec<Source> {
    let root = project().join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|file| {
            let path = below(&root, &file);
            let text = fs::read_to_string(&file).expect("source is text");
            let code = match is_test(&path) {
                true => String::new(),
                false => code(&text),
            };
            Source { path, text, code }
        })
        .collect()
}

/// The Rust files in a folder and the folders in it; not in a folder of build products.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

fn below(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).expect("it was found in there");
    path.to_string_lossy().into_owned()
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("testing.rs")
}

/// What comes before the tests, without comments.
fn code(text: &str) -> String {
    let before = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = before
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The identifier that a text begins with.
fn word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

/// The modules of this crate that code names, also in `crate::{a, b::c}`.
fn imports(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ if begins && is_word(c) => {
                    found.insert(word(&group[at..]));
                    begins = false;
                }
                _ => (),
            }
        }
    }
    found
}

/// Whether code names a library: `name::`, with no letter before it.
fn names_library(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::"))
        .any(|(at, _)| !code[..at].ends_with(is_word))
}

/// What a file names and may not.
fn misplaced(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let (path, place) = (&source.path, source.place());
    if !COMPOSITION.contains(&place) {
        let imports = imports(&source.code);
        let others = VERBS.iter().chain(&COMPOSITION);
        for name in others.filter(|name| **name != place && imports.contains(**name)) {
            wrong.push(format!("{path} imports crate::{name}"));
        }
    }
    for (library, homes) in HOMES {
        let at_home = homes.iter().any(|home| path.starts_with(home));
        if !at_home && names_library(&source.code, library) {
            wrong.push(format!("{path} names {library}"));
        }
    }
    wrong
}

#[test]
fn stages_import_nouns_only_and_libraries_have_one_home() {
    let sources = sources();
    for source in sources.iter().filter(|source| !source.folder().is_empty()) {
        let folder = source.folder();
        assert!(
            VERBS.contains(&folder) || COMPOSITION.contains(&folder),
            "src/{folder} is neither a stage nor part of the composition: list it here"
        );
    }
    let wrong: Vec<String> = sources.iter().flat_map(misplaced).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let count = |path: &str, code: &str| {
        misplaced(&Source {
            path: path.into(),
            text: String::new(),
            code: code.into(),
        })
        .len()
    };
    assert_eq!(
        count("search/message_buffer.rs", "use crate::render::Out;"),
        1
    );
    let group = "use crate::{flow::Flow, render::{Out, decode}, decode};";
    assert_eq!(count("search/message_buffer.rs", group), 2);
    assert_eq!(count("flow.rs", "use crate::decode;"), 1);
    assert_eq!(count("flow.rs", "use crate::cli::args;"), 1);
    assert_eq!(count("search/message_buffer.rs", "use pcap::Capture;"), 1);
    assert_eq!(
        count("search/message_buffer.rs", "use crate::my_pcap::A;"),
        0
    );
    assert_eq!(count("pipeline.rs", "use crate::render::Out;"), 0);
}

#[test]
fn folders_that_serve_every_protocol_name_none() {
    let mut found = Vec::new();
    for source in sources() {
        let place = source.place().trim_end_matches(".rs");
        if !NEUTRAL.contains(&place) || FORMATS.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        let code = source.code.to_lowercase();
        let named = PROTOCOLS.iter().filter(|name| code.contains(**name));
        found.extend(named.map(|name| (source.path.clone(), *name)));
    }
    hold("names a protocol", &found, &STILL_NAMES);
}

/// Hold what was found to the list of what is still accepted, in both directions.
fn hold(what: &str, found: &[(String, &str)], accepted: &[(&str, &str)]) {
    for (path, detail) in found {
        let known = accepted.contains(&(path, detail));
        assert!(known, "src/{path} {what}: {detail:?}");
    }
    for (path, detail) in accepted {
        let needed = found.iter().any(|(at, is)| at == path && is == detail);
        assert!(
            needed,
            "src/{path} no longer {what} ({detail:?}): take it off the list in tests/tidy.rs"
        );
    }
}

/// Ways to panic.
fn panics(code: &str) -> Vec<&str> {
    let ways = [
        ".unwrap()",
        ".expect(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
    ];
    code.lines()
        .filter(|line| ways.iter().any(|way| line.contains(way)))
        .collect()
}

#[test]
fn hostile_bytes_meet_no_way_to_panic() {
    for source in sources() {
        if ["decode", "reassemble", "dissect"].contains(&source.folder()) {
            let found = panics(&source.code);
            assert!(found.is_empty(), "{}: {found:?}", source.path);
        }
    }
    assert_eq!(panics("let a = b.unwrap();").len(), 1);
}

#[test]
fn each_file_opens_with_what_it_is() {
    for source in sources() {
        let opens = source.text.starts_with("//!");
        assert!(opens, "{} has no `//!` at its start", source.path);
    }
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_modifier = |word: &str| {
        ["const", "async"].contains(&word) || word.starts_with("pub") || word.ends_with(')')
    };
    let begins = before.split_whitespace().all(is_modifier);
    begins.then(|| word(after))
}

/// The functions of code that rustfmt has formatted, and how many lines they have.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let mut has_body = false;
        let last = lines[at..].iter().position(|line| {
            // Without a body it is on one line, or declared in a trait.
            let ends = if has_body {
                **line == end
            } else {
                line.ends_with([';', '}'])
            };
            has_body |= line.ends_with('{');
            ends
        });
        found.push((name, 1 + last.expect("it ends")));
    }
    found
}

#[test]
fn functions_fit_on_two_screens() {
    let mut long = Vec::new();
    for source in sources() {
        for (name, len) in functions(&source.code) {
            let own = LONG_FUNCTIONS
                .iter()
                .find(|(path, of, _)| (*path, *of) == (&source.path, name));
            let bound = own.map_or(FUNCTION, |(_, _, bound)| *bound);
            assert!(
                len <= bound,
                "src/{}: `{name}` has {len} lines, {bound} at most",
                source.path
            );
            if len > FUNCTION {
                long.push((source.path.clone(), name.to_owned()));
            }
        }
    }
    for (path, name, _) in LONG_FUNCTIONS {
        let needed = long.iter().any(|(at, is)| at == path && is == name);
        assert!(needed, "`{name}` in {path} is short: take it off the list");
    }
    let code = "fn a() {}\n    pub(crate) const fn b(\n        c: u8,\n    ) -> u8 {\n        d;\n        c\n    }\n";
    assert_eq!(functions(code), [("a", 1), ("b", 6)]);
    assert_eq!(
        functions("    fn a(\n        b: u8,\n    );\n    fn c();"),
        [("a", 3), ("c", 1)]
    );
}

/// Lines that are comments and wider than they may be.
fn wide_comments<'t>(text: &'t str, mark: &str) -> Vec<&'t str> {
    text.lines()
        .filter(|line| line.trim_start().starts_with(mark) && line.chars().count() > COLUMNS)
        .collect()
}

#[test]
fn comments_are_no_wider_than_they_may_be() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        collect(&project().join(folder), &mut files);
    }
    files.extend(
        [
            "Cargo.toml",
            "deny.toml",
            ".ci/run",
            "fuzz/run",
            "docs/picture.py",
        ]
        .map(|name| project().join(name)),
    );
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        let mark = match file.extension().is_some_and(|kind| kind == "rs") {
            true => "//",
            false => "#",
        };
        let wide = wide_comments(&text, mark);
        assert!(wide.is_empty(), "{}: {wide:#?}", file.display());
    }
}

/// A test that cannot run where it is must be `#[ignore = "needs ..."]`, not pass.
#[test]
fn no_test_passes_by_leaving_itself_out() {
    let mut files = Vec::new();
    collect(&project().join("tests"), &mut files);
    let printed = ["println!(\"", "skipped"].concat();
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        let leaves_out = text.contains(&printed);
        assert!(!leaves_out, "{}", below(project(), &file));
    }
}

/// The fuzz targets have a lock file of their own, which no other build would find out of date.
#[test]
fn the_lock_file_of_the_fuzz_targets_has_every_library() {
    let read = |path: &str| fs::read_to_string(project().join(path)).expect("it is text");
    let (manifest, lock) = (read("Cargo.toml"), read("fuzz/Cargo.lock"));
    let libraries = manifest
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("there are dependencies");
    for library in libraries
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(" = ").next())
        .filter(|name| !name.is_empty())
    {
        assert!(
            lock.contains(&format!("\nname = \"{library}\"\n")),
            "fuzz/Cargo.lock lacks {library}"
        );
    }
}

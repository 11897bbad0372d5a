//! The one integration crate. Its modules run the built program, but for `tidy`, which reads the source.
//!
//! - `golden`: each capture of `pcaps/`, and what is printed of it
//! - `parity`: `--ngrep` against what ngrep really prints
//! - `command_line`: bad input, exit status, pipes, files that are written
//! - `difference`: `--diff`, of two exchanges and of two files
//! - `doctor`: why nothing is shown, on a terminal; interfaces that go; what is lost, counted
//! - `ends`: signals, pipes, full disks, and SIGKILL
//! - `help`: help, the man page, completions, `--explain`, and the README's table of options
//! - `json`: `--json` against its schema
//! - `captures`: streams of captures that others made, where they are at hand
//! - `needles`: a generated capture whose matches are cut in every way
//! - `overview`: the log, the table of times, and where the time went
//! - `allocations`: no heap in the steady state
//! - `stories`: coded bodies, slow answers, what is waited for, conditions
//! - `share`: HTTP archives, curl commands, and no secrets in them
//! - `licences`: what the libraries may be, by `deny.toml`
//! - `live`: on loopback, where the tests run as root
//! - `memory`: it is bounded, whatever comes
//! - `frames`: packets made to order, for the others
//! - `pairing`: which response is whose, when it was over, and what nobody can know
//! - `readings`: bodies that are not what their heads say, and heads that were cut
//! - `privileges`: what is left of root's rights, and what the sandbox refuses
//! - `threads`: two threads show what one does
//! - `tidy`: the shape of the source
//! - `whole`: messages that come in one piece

mod allocations;
mod captures;
mod command_line;
mod difference;
mod doctor;
mod ends;
mod frames;
mod golden;
mod help;
mod json;
mod licences;
mod live;
mod memory;
mod named;
mod needles;
mod overview;
mod pairing;
mod parity;
mod privileges;
mod properties;
mod readings;
mod share;
mod stories;
mod streams;
mod threads;
mod tidy;
mod whole;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder for what a test writes, made empty.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder in the target directory can be made");
    folder
}

/// The program, in the project's folder, in an environment that is the same everywhere.
fn spygrep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spygrep"));
    command
        .current_dir(project())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Run the program with arguments that a shell would split at blanks and quotes.
fn run(arguments: &str) -> Output {
    spygrep()
        .args(words(arguments))
        .output()
        .expect("the program starts")
}

/// Split a line as a shell does: blanks, single and double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! A file of options, named by `SPYGREP_CONFIG_PATH`: one argument a line, before those of the
//! command line. Blank lines and lines that begin with `#` are skipped.
//!
//! There is no default path: a program that root runs must not read a file of somebody's home
//! directory by itself. Root reads the file only if root owns it and nobody else can write to it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::geteuid;

use super::problem::Problem;

/// The variable that names the file.
const VARIABLE: &str = "SPYGREP_CONFIG_PATH";
/// Bytes of the file that are read.
const LONGEST: u64 = 64 << 10;

/// The arguments with those of the file after the program's name; and a warning, if the file is not
/// read because root does not trust it.
///
/// # Errors
/// The file cannot be read.
pub fn with_options(mut typed: Vec<OsString>) -> Result<(Vec<OsString>, Option<String>), Problem> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok((typed, None));
    };
    let path = Path::new(&path);
    let (text, trusted) = read(path).map_err(|error| {
        Problem::new(format!(
            "cannot read the options in {}: {error}",
            path.display()
        ))
        .advise(format!(
            "{VARIABLE} names the file; unset it to go on without"
        ))
    })?;
    if !trusted {
        let path = path.display();
        let why = "root reads options only from a file of root's that nobody else can write to";
        return Ok((typed, Some(format!("{path} is not read: {why}"))));
    }
    let after = typed.len().min(1);
    typed.splice(after..after, arguments(&text).map(OsString::from));
    Ok((typed, None))
}

/// The text of the file, and whether this user may rely on it.
fn read(path: &Path) -> io::Result<(String, bool)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let trusted = metadata.uid() == 0 && metadata.mode() & 0o022 == 0;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok((text, trusted || !geteuid().is_root()))
}

/// One argument a line.
fn arguments(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_argument() {
        let text = "# mine\n--redact\n\n  --show-header\nX-Trace Id  \r\n -q # not a comment\n";
        let all: Vec<&str> = arguments(text).collect();
        assert_eq!(
            all,
            [
                "--redact",
                "--show-header",
                "X-Trace Id",
                "-q # not a comment"
            ]
        );
    }
}

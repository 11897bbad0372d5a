//! `--index`: for each file a line of JSON with its number of packets and the times of the first
//! and the last. It is what a program needs that shares out many files; see `docs/rows.md`.
//!
//! Files are read to their ends, in the sandbox, and nothing in them is dissected.

use std::io::{self, Write as _};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::capture::privileges;
use crate::capture::savefile::Savefiles;
use crate::capture::{CaptureError, Next, Source as _};
use crate::cli::args::Args;
use crate::cli::config;
use crate::cli::problem::Problem;
use crate::frame::Timestamp;

use super::signals::Signals;
use super::{Outcome, rights};

/// Prints the index of all files named in `args`. Returns [`Outcome::Matched`] if one has a packet,
/// and [`Outcome::Stopped`] if a signal came before the last line.
///
/// # Errors
/// If a file is no capture or cannot be read: its error, after the lines of all others. An empty
/// file is no error.
pub fn index(args: &Args) -> Result<Outcome, Problem> {
    let words = args.words.iter().map(PathBuf::from);
    let paths: Vec<PathBuf> = args.read.iter().cloned().chain(words).collect();
    if paths.is_empty() {
        return Err(Problem::new("--index needs files").advise("spygrep --index *.pcap"));
    }
    if !args.devices.is_empty() {
        return Err(Problem::new("--index reads files; leave out -d"));
    }
    let signals = Signals::catch()?;
    Savefiles::make_room_for(paths.len());
    let mut files: Vec<_> = paths
        .iter()
        .map(|path| Savefiles::open(std::slice::from_ref(path)))
        .collect();
    privileges::give_up(args.user.as_deref(), args.keep_root)
        .map_err(|error| Problem::capture(&error))?;
    rights::enclose(config::layers(args), None, None, || {});
    let mut failed = None;
    let mut any = false;
    for (path, file) in paths.iter().zip(&mut files) {
        let survey = match file {
            Ok(file) => Survey::of(file, &signals),
            Err(error) => Err(std::mem::replace(error, CaptureError::SetId)),
        };
        let survey = match survey {
            Ok(Some(survey)) => survey,
            Ok(None) => return Ok(Outcome::Stopped),
            Err(error) if error.is_of_nothing() => Survey {
                warnings: vec![error.to_string()],
                ..Survey::default()
            },
            Err(error) => {
                failed.get_or_insert(Problem::capture(&error));
                continue;
            }
        };
        any |= survey.frames > 0;
        let mut line = survey.line(&path.to_string_lossy()).to_string();
        line.push('\n');
        match io::stdout().write_all(line.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Matched),
            result => result.map_err(|error| Problem::output(&error))?,
        }
    }
    match failed {
        Some(problem) => Err(problem),
        None if any => Ok(Outcome::Matched),
        None => Ok(Outcome::Nothing),
    }
}

/// What a file contains.
#[derive(Default)]
struct Survey {
    frames: u64,
    /// Bytes of all frames, as captured.
    bytes: u64,
    /// The earliest and the latest time of a frame: frames of several interfaces may be out of
    /// order.
    times: Option<(Timestamp, Timestamp)>,
    /// Why the file was not read to its end.
    warnings: Vec<String>,
}

impl Survey {
    /// Reads a file to its end; `None` if a signal came.
    fn of(file: &mut Savefiles, signals: &Signals) -> Result<Option<Self>, CaptureError> {
        let mut survey = Self::default();
        loop {
            if survey.frames.is_multiple_of(4096) && signals.stop() {
                return Ok(None);
            }
            match file.next_frame()? {
                Next::Frame(frame) => {
                    survey.frames += 1;
                    survey.bytes += frame.bytes.len() as u64;
                    let (first, last) = survey.times.unwrap_or((frame.ts, frame.ts));
                    survey.times = Some((first.min(frame.ts), last.max(frame.ts)));
                }
                Next::Idle if signals.stop() => return Ok(None),
                Next::Idle => {}
                Next::End => break,
            }
        }
        let warnings = file.take_warnings();
        survey.warnings = warnings.into_iter().map(|warning| warning.text).collect();
        Ok(Some(survey))
    }

    fn line(&self, file: &str) -> Value {
        let date = |ts: Timestamp| {
            let time = jiff::Timestamp::from_nanosecond(ts.nanos().into()).ok()?;
            Some(time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string())
        };
        let (first, last) = self.times.unzip();
        let mut line = Map::new();
        line.insert("file".into(), json!(file));
        line.insert("packets".into(), json!(self.frames));
        line.insert("bytes".into(), json!(self.bytes));
        line.insert("first".into(), json!(first.and_then(date)));
        line.insert("last".into(), json!(last.and_then(date)));
        line.insert("warnings".into(), json!(self.warnings));
        Value::Object(line)
    }
}

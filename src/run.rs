//! A run: opens everything, drops privileges, [drives](drive) frames through the pipeline, and
//! reports the end.
//!
//! Only this module and its submodules read the system clock.

mod diagnose;
mod drive;
mod index;
mod losses;
mod notes;
mod progress;
mod rights;
mod signals;
mod status;

use std::io::{self, IsTerminal as _, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::capture::privileges;
use crate::cli::config::{Config, Input};
use crate::cli::problem::Problem;
use crate::frame::Timestamp;
use crate::pipeline::{Pace, Pipeline, ReaderThread};
use crate::render::{self, Ending, Out};

use diagnose::Schedule;
use drive::{Clock, Drive, Ended};
pub use index::index;
use losses::Losses;
use notes::Notes;
use progress::ProgressLine;
pub use rights::selftest;
use signals::Signals;
use status::{StatusAwareWriter, StatusLine, Watch};

/// The successful outcomes of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// At least one match.
    Matched,
    /// No match.
    Nothing,
    /// The output is for a program, and a signal ended the run before its source did.
    Stopped,
}

/// Performs a run to its end.
///
/// # Errors
/// Errors for the user. Records that were complete before have been written.
pub fn run(config: Config) -> Result<Outcome, Problem> {
    let signals = Signals::catch()?;
    let Config {
        first,
        mut input,
        mut pipeline,
        render,
        recorder,
        streams,
        output_file,
        records_to_stderr,
        banner,
        ..
    } = config;
    pipeline.stop = signals.stops();
    let live = input.is_live();
    let line = StatusLine::default();
    let notes = Notes {
        quiet: config.quiet || render.packets,
        redact: render.redact,
        color: io::stderr().is_terminal(),
        line: line.clone(),
    };
    // After this, root rights are gone.
    let schedule = match &input {
        Input::Live(_, names) if !notes.quiet && io::stderr().is_terminal() => {
            Some(Schedule::begin(
                &config.about,
                names,
                config.filter.as_deref(),
                &config.pattern,
            ))
        }
        _ => None,
    };
    // Before the pager starts, because a pager lets its user run programs.
    privileges::give_up(config.user.as_deref(), config.keep_root)
        .map_err(|error| Problem::capture(&error))?;
    let mut pager = None;
    let writer: Box<dyn Write> = if let Some(file) = output_file {
        file
    } else if records_to_stderr {
        Box::new(io::stderr())
    } else if config.pager && io::stdout().is_terminal() {
        let (child, stdin) = page()?;
        pager = Some(child);
        Box::new(stdin)
    } else {
        Box::new(io::stdout())
    };
    // Live output is flushed as soon as no further packet is ready. A user who watches a file being
    // read, or replays it at its own speed, expects each record at once.
    let watched = !records_to_stderr && io::stdout().is_terminal();
    let must_be_whole = render
        .output
        .is_some_and(|output| output.format.must_be_whole);
    let gather = live || !(config.realtime || watched);
    // With `-O -` in packet mode the program is a filter: it writes nothing but packets.
    let mute = records_to_stderr && render.packets;
    let writer = if mute { Box::new(io::sink()) } else { writer };
    let writer = Box::new(StatusAwareWriter {
        writer,
        line: line.clone(),
    });
    // A pager owns the terminal. Querying the terminal needs system calls that the sandbox forbids,
    // so query it now.
    let progress_line = match live || pager.is_some() {
        true => None,
        false => ProgressLine::new(line.clone(), notes.quiet),
    };
    // This also reads the time zone, from a file.
    let mut renderer = render::renderer(render, Out::new(writer, gather));
    let mut reader_thread = None;
    rights::enclose(config.layers, Some(&input), streams.as_ref(), || {
        // If no thread can be started, this thread does all the work.
        reader_thread = config
            .reader_thread
            .then(ReaderThread::start)
            .and_then(Result::ok);
    });
    let pace = config.realtime.then(|| pace(&signals));
    let mut drive = Drive {
        live,
        watch: Watch::new(line.clone(), live, notes.quiet),
        progress_line,
        notes: notes.clone(),
        signals,
        clock: Clock::default(),
        schedule,
        losses: Losses::new(config.filter.clone(), config.about.buffer),
    };
    if let Some(first) = first {
        renderer = drive.first(*first, renderer)?;
    }
    let mut pipeline = Pipeline::new(pipeline, renderer, recorder, streams, pace);
    let begun = pipeline.renderer().begin(&banner);
    if live {
        notes.banner(&input, &config.pattern, config.filter.as_deref());
    }
    for hint in &config.hints {
        notes.hint(hint);
    }
    let result = match begun {
        Ok(()) => match (&mut input, reader_thread) {
            (Input::Files(files, _), Some(reader_thread)) => {
                pipeline = pipeline.read_ahead(&reader_thread, files);
                drive.batches(files, &mut pipeline)
            }
            (input, _) => drive.frames(input, &mut pipeline),
        },
        Err(error) => Err(Ended::Output(error)),
    };
    let ending = match &result {
        Ok(ending) => ending.clone(),
        Err(Ended::Output(_)) => Ending::Stopped,
        Err(Ended::Source(problem)) => Ending::Broken(problem.what().to_owned()),
    };
    // A task that was stopped must not look like one that is done.
    let stopped = must_be_whole && ending == Ending::Stopped;
    let captured = input.source().stats();
    pipeline.ended(captured, ending);
    pipeline.finish();
    line.clear();
    if let Some(lines) = drive.losses.look(&captured) {
        notes.warn_lines(&lines);
    }
    let (failed, broken) = match result {
        Err(Ended::Output(error)) => (Some(error), None),
        Err(Ended::Source(problem)) => (pipeline.failure(), Some(problem)),
        Ok(_) => (pipeline.failure(), None),
    };
    let stats = pipeline.stats();
    for warning in input.source().take_warnings() {
        notes.warn(&warning.to_string());
    }
    let snaplens = input.source().interfaces().iter().map(|one| one.snaplen);
    let snaplen = snaplens.min().unwrap_or_default();
    if let Some(text) = diagnose::truncated(snaplen, stats.decode.snaplen_bytes, live) {
        notes.hint(&text);
    }
    let outcome = pipeline.renderer().outcome();
    let unmatched = match (&mut drive.schedule, live || outcome.is_some()) {
        (Some(schedule), _) => schedule.end(&stats),
        (None, true) => None,
        (None, false) => diagnose::files(
            &config.about,
            &config.pattern,
            config.filter.as_deref(),
            &stats,
        ),
    };
    if let Some(lines) = unmatched {
        notes.hints(&lines);
    }
    let (left, first) = pipeline.left_waiting();
    notes.left_waiting(left, first, pipeline.now());
    notes.summary(&stats, live);
    for remark in pipeline.renderer().remarks() {
        notes.remark(&remark);
    }
    let outcome = outcome.unwrap_or_else(|| Ok(pipeline.has_matched()));
    // Closes the pager's input.
    drop(pipeline);
    if let Some(mut child) = pager {
        let _ = child.wait();
    }
    let matched = outcome.map_err(Problem::new)?;
    match (failed, broken) {
        (Some(error), _) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::output(&error))
        }
        (None, Some(problem)) => Err(problem),
        _ if stopped => Ok(Outcome::Stopped),
        _ => Ok(if matched {
            Outcome::Matched
        } else {
            Outcome::Nothing
        }),
    }
}

/// Sleeps between records as long as their timestamps differ: at most a minute, not at all if the
/// clock went back, and not when the run should end.
fn pace(signals: &Signals) -> Pace {
    let signals = signals.clone();
    let mut last: Option<Timestamp> = None;
    Box::new(move |ts| {
        if let Some(gap) = last.and_then(|last| u64::try_from(ts.since(last)).ok()) {
            let until = Instant::now() + Duration::from_nanos(gap).min(Duration::from_mins(1));
            // A signal does not cut a sleep short, so this sleeps in short steps.
            while !signals.stop()
                && let Some(rest) = until.checked_duration_since(Instant::now())
            {
                std::thread::sleep(rest.min(NAP));
            }
        }
        last = Some(ts);
    })
}

/// The length of one sleep.
const NAP: Duration = Duration::from_millis(50);

/// Starts the pager.
fn page() -> Result<(Child, std::process::ChildStdin), Problem> {
    let pager = std::env::var("PAGER")
        .ok()
        .filter(|pager| !pager.is_empty())
        .unwrap_or_else(|| "less -RFX".into());
    let mut words = pager.split_whitespace();
    let program = words.next().unwrap_or("less").to_owned();
    let mut child = Command::new(&program)
        .args(words)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Problem::new(format!("cannot start the pager {program}: {error}")))?;
    let stdin = child
        .stdin
        .take()
        .ok_or_else(|| Problem::new(format!("the pager {program} takes no input")))?;
    Ok((child, stdin))
}

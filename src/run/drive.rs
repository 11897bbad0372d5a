//! The loops that move frames from a source into the pipeline, or batches from the reader thread.
//!
//! A loop ends at the end of the source, on a signal, on an error, or when nothing more can be
//! shown.

use std::io;
use std::time::{Duration, Instant};

use crate::capture::Next;
use crate::capture::savefile::Savefiles;
use crate::cli::config::{First, Input};
use crate::cli::problem::Problem;
use crate::frame::Timestamp;
use crate::pipeline::{Pipeline, ReaderEvent};
use crate::render::{Ending, Renderer};

use super::command::Command;
use super::diagnose::Schedule;
use super::losses::Losses;
use super::notes::Notes;
use super::progress::ProgressLine;
use super::signals::Signals;
use super::status::Watch;

/// Interval for flushing the output and checking for losses.
const FLUSH: Duration = Duration::from_millis(50);
const LOSSES: Duration = Duration::from_secs(2);
/// Time to wait for the reader thread between two checks for signals.
const PATIENCE: Duration = Duration::from_millis(20);
/// Time to wait for a reader thread that should stop and sends nothing.
const LOST: Duration = Duration::from_secs(2);
/// Frames between two clock readings, in a file.
const FRAMES: u32 = 4096;

/// Why a run ended early.
pub(super) enum Ended {
    Source(Problem),
    Output(io::Error),
}

/// Drives frames from a source through a pipeline, with all periodic tasks.
pub(super) struct Drive {
    pub(super) live: bool,
    /// The status line of awaited responses.
    pub(super) watch: Option<Watch>,
    /// The progress line of a file.
    pub(super) progress_line: Option<ProgressLine>,
    pub(super) notes: Notes,
    pub(super) signals: Signals,
    pub(super) clock: Clock,
    /// The diagnosis of runs without output, on a terminal.
    pub(super) schedule: Option<Schedule>,
    pub(super) losses: Losses,
    /// The command whose packets are shown.
    pub(super) command: Option<Command>,
}

impl Drive {
    /// Drives the first of two compared runs. Both use the same renderer.
    pub(super) fn first(
        &mut self,
        first: First,
        renderer: Box<dyn Renderer>,
    ) -> Result<Box<dyn Renderer>, Problem> {
        let First {
            mut input,
            mut pipeline,
            banner,
        } = first;
        pipeline.stop = self.signals.stops();
        let mut pipeline = Pipeline::new(pipeline, renderer, None, None, None);
        let begun = pipeline.renderer().begin(&banner);
        let result = begun
            .map_err(Ended::Output)
            .and_then(|()| self.frames(&mut input, &mut pipeline));
        let ending = match &result {
            Ok(ending) => ending.clone(),
            Err(_) => Ending::Stopped,
        };
        pipeline.ended(input.source().stats(), ending);
        pipeline.finish();
        for warning in input.source().take_warnings() {
            self.notes.warn(&warning.to_string());
        }
        self.notes.summary(&pipeline.stats(), self.live);
        match (result, pipeline.failure()) {
            (Err(Ended::Source(problem)), _) => Err(problem),
            (Err(Ended::Output(error)), _) | (Ok(_), Some(error)) => Err(Problem::output(&error)),
            (Ok(_), None) => Ok(pipeline.into_renderer()),
        }
    }

    /// Consumes the batches of the reader thread.
    pub(super) fn batches(
        &mut self,
        files: &mut Savefiles,
        pipeline: &mut Pipeline,
    ) -> Result<Ending, Ended> {
        let mut flushed = Instant::now();
        let mut ending = Ending::Source;
        let mut dry = false;
        let mut received = Instant::now();
        loop {
            if self.signals.stop() {
                self.notes.interrupted(&self.signals);
                pipeline.stop_reading();
                ending = Ending::Stopped;
                // The reader thread delivers what it has read, unless it is stuck.
                if dry && received.elapsed() >= LOST {
                    return Ok(ending);
                }
            }
            // Pending output is flushed before waiting.
            match pipeline.read_on(if dry { PATIENCE } else { Duration::ZERO }) {
                ReaderEvent::Read(progress, warnings) => {
                    dry = false;
                    received = Instant::now();
                    if let Some(progress_line) = &mut self.progress_line {
                        progress_line.look(progress);
                    }
                    if !warnings.is_empty() {
                        // The warning concerns later input: flush pending output first.
                        pipeline.flush();
                    }
                    for warning in warnings {
                        self.notes.warn(&warning.to_string());
                    }
                }
                ReaderEvent::Silence => dry = true,
                ReaderEvent::Finished(read, result) => {
                    *files = *read;
                    return match result {
                        Ok(()) => Ok(ending),
                        Err(error) => Err(Ended::Source(Problem::capture(&error))),
                    };
                }
            }
            if let Some(error) = pipeline.failure() {
                return Err(Ended::Output(error));
            }
            if self.signals.report() {
                self.notes.counters(&pipeline.stats());
            }
            if dry || flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                pipeline.flush();
            }
        }
    }

    /// Whether a signal leaves the run to its command, which ends by it or not. One that no key
    /// sent is passed on.
    fn command_goes_on(&mut self) -> bool {
        let Some(command) = &self.command else {
            return false;
        };
        if let Some(signal) = self.signals.passed_on() {
            command.signal(signal);
        }
        true
    }

    pub(super) fn frames(
        &mut self,
        input: &mut Input,
        pipeline: &mut Pipeline,
    ) -> Result<Ending, Ended> {
        let mut flushed = Instant::now();
        let mut looked = Instant::now();
        let mut count = 0;
        loop {
            if self.signals.stop() && !self.command_goes_on() {
                self.notes.interrupted(&self.signals);
                return Ok(Ending::Stopped);
            }
            let done = pipeline.is_done();
            if done && self.command.is_none() {
                return Ok(Ending::Enough);
            }
            let idle = match input.source().next_frame() {
                Ok(Next::Frame(frame)) => {
                    if self.live {
                        self.clock.saw(frame.ts);
                        pipeline.listen(frame.ts);
                    }
                    if !done {
                        pipeline.frame(&frame);
                    }
                    false
                }
                Ok(Next::Idle) => {
                    pipeline.listen(Timestamp::from_nanos(i64::MAX));
                    if let Some(now) = self.clock.now() {
                        pipeline.tick(now);
                    }
                    true
                }
                Ok(Next::End) => return Ok(Ending::Source),
                Err(error) => return Err(Ended::Source(Problem::capture(&error))),
            };
            if let Some(error) = pipeline.failure() {
                return Err(Ended::Output(error));
            }
            count += 1;
            if !idle && count % FRAMES != 0 {
                continue;
            }
            if let Some(command) = &mut self.command {
                command.look();
                if command.is_over() {
                    return Ok(if done { Ending::Enough } else { Ending::Source });
                }
            }
            if self.live
                && let Some(news) = pipeline.renderer().news()
            {
                self.notes.remark(&news);
            }
            if self.signals.report() {
                let mut stats = pipeline.stats();
                stats.capture = input.source().stats();
                self.notes.counters(&stats);
            }
            if let Some(schedule) = &mut self.schedule
                && schedule.is_due()
                && let Some(lines) = schedule.check(&pipeline.stats())
            {
                self.notes.hints(&lines);
            }
            if let Some(watch) = &mut self.watch {
                let status = self.schedule.as_ref().and_then(Schedule::status);
                watch.look(pipeline, status);
            }
            if idle || flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                pipeline.flush();
            }
            if let Some(progress_line) = &mut self.progress_line {
                progress_line.look(input.source().progress());
            }
            if self.live && looked.elapsed() >= LOSSES {
                looked = Instant::now();
                if let Some(lines) = self.losses.look(&input.source().stats()) {
                    self.notes.warn_lines(&lines);
                }
            }
            for warning in input.source().take_warnings() {
                self.notes.warn(&warning.to_string());
            }
        }
    }
}

/// Capture time while no packet comes: the time of the last packet plus the time since.
#[derive(Default)]
pub(super) struct Clock(Option<(Timestamp, Instant)>);

impl Clock {
    fn saw(&mut self, ts: Timestamp) {
        self.0 = Some((ts, Instant::now()));
    }

    fn now(&self) -> Option<Timestamp> {
        let (ts, at) = self.0?;
        Some(ts.plus(i64::try_from(at.elapsed().as_nanos()).unwrap_or(i64::MAX)))
    }
}

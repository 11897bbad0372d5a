//! The loops: from a source into the pipeline, frame by frame or behind another thread, until
//! something ends it.

use std::io;
use std::time::{Duration, Instant};

use crate::capture::Next;
use crate::capture::savefile::Savefiles;
use crate::cli::config::{First, Input};
use crate::cli::problem::Problem;
use crate::frame::Timestamp;
use crate::pipeline::{Pipeline, ReaderEvent};
use crate::render::{Ending, Renderer};

use super::diagnose::Schedule;
use super::losses::Losses;
use super::notes::Notes;
use super::progress::Gauge;
use super::signals::Signals;
use super::status::Watch;

/// How often what was gathered is written, and losses are looked for.
const FLUSH: Duration = Duration::from_millis(50);
const LOSSES: Duration = Duration::from_secs(2);
/// How long another thread is waited for, between two looks at signals.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long the other thread, which is to end, is waited for when it tells nothing.
const LOST: Duration = Duration::from_secs(2);
/// Frames between two looks at the clock, in a file.
const FRAMES: u32 = 4096;

/// Why a run ended early.
pub(super) enum Ended {
    Source(Problem),
    Output(io::Error),
}

/// What drives frames from a source through a pipeline, and looks after everything else meanwhile.
pub(super) struct Drive {
    pub(super) live: bool,
    /// Shows what is waited for.
    pub(super) watch: Option<Watch>,
    /// Shows how far a file is.
    pub(super) gauge: Option<Gauge>,
    pub(super) notes: Notes,
    pub(super) signals: Signals,
    pub(super) clock: Clock,
    /// Says why nothing is shown, where somebody reads it.
    pub(super) schedule: Option<Schedule>,
    pub(super) losses: Losses,
}

impl Drive {
    /// The first of two runs that are compared, both told to one renderer.
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

    /// Take what another thread tells of files.
    pub(super) fn behind(
        &mut self,
        files: &mut Savefiles,
        pipeline: &mut Pipeline,
    ) -> Result<Ending, Ended> {
        let mut flushed = Instant::now();
        let mut ending = Ending::Source;
        let mut dry = false;
        let mut told = Instant::now();
        loop {
            if self.signals.stop() {
                self.notes.interrupted(&self.signals);
                pipeline.stop_reading();
                ending = Ending::Stopped;
                // It tells what it has read, unless it is lost in something.
                if dry && told.elapsed() >= LOST {
                    return Ok(ending);
                }
            }
            // What was gathered is written before anything is waited for.
            match pipeline.read_on(if dry { PATIENCE } else { Duration::ZERO }) {
                ReaderEvent::Read(progress, warnings) => {
                    dry = false;
                    told = Instant::now();
                    if let Some(gauge) = &mut self.gauge {
                        gauge.look(progress);
                    }
                    if !warnings.is_empty() {
                        // It is about what came behind what was told.
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

    pub(super) fn frames(
        &mut self,
        input: &mut Input,
        pipeline: &mut Pipeline,
    ) -> Result<Ending, Ended> {
        let mut flushed = Instant::now();
        let mut looked = Instant::now();
        let mut count = 0;
        loop {
            if self.signals.stop() {
                self.notes.interrupted(&self.signals);
                return Ok(Ending::Stopped);
            }
            if pipeline.is_done() {
                return Ok(Ending::Enough);
            }
            let idle = match input.source().next_frame() {
                Ok(Next::Frame(frame)) => {
                    if self.live {
                        self.clock.saw(frame.ts);
                    }
                    pipeline.frame(&frame);
                    false
                }
                Ok(Next::Idle) => {
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
            if let Some(gauge) = &mut self.gauge {
                gauge.look(input.source().progress());
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

/// Capture time while nothing is captured: the last packet's, and what has passed since.
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

//! Where hits go: to the renderer, and their packets to the recorder; and all streams, to files.
//! The first write that fails is kept, and ends the run.

use std::io;

use crate::failure::Failure;
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::hit::{Companion, Hit, Pair};
use crate::render::Renderer;

use super::batch::{Batch, PacketRef};
use super::recorder::{self, Recorder, Scope};
use super::streams::Streams;
use super::{Mode, Pipeline};

/// Called before each record with its time, to replay a file at its own speed.
pub type Pace = Box<dyn FnMut(Timestamp)>;

/// The output.
pub(super) struct Outputs {
    pub(super) renderer: Box<dyn Renderer>,
    pub(super) recorder: Option<Recorder>,
    pub(super) streams: Option<Streams>,
    pub(super) pace: Option<Pace>,
    failed: Option<io::Error>,
}

impl Outputs {
    pub(super) fn new(
        renderer: Box<dyn Renderer>,
        recorder: Option<Recorder>,
        streams: Option<Streams>,
        pace: Option<Pace>,
    ) -> Self {
        Self {
            renderer,
            recorder,
            streams,
            pace,
            failed: None,
        }
    }

    pub(super) fn hit(&mut self, hit: &Hit<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(hit.heading.ts);
        }
        let result = self.renderer.hit(hit);
        self.note(result);
    }

    pub(super) fn companion(&mut self, companion: &Companion<'_>) {
        let result = self.renderer.companion(companion);
        self.note(result);
    }

    pub(super) fn failed(&mut self, failure: &Failure<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(failure.heading.ts);
        }
        let result = self.renderer.failure(failure);
        self.note(result);
    }

    pub(super) fn pair(&mut self, pair: &Pair<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(pair.times.response_end.unwrap_or(pair.times.asked));
        }
        let result = self.renderer.pair(pair);
        self.note(result);
    }

    /// What is saved of a match, if its packets are.
    pub(super) fn recorded(&self) -> Option<Scope> {
        self.recorder.as_ref().map(Recorder::scope)
    }

    /// A packet may turn out to be one of a match's.
    pub(super) fn remember(&mut self, frame: &Frame<'_>, pair: Option<recorder::Pair>) {
        if let Some(recorder) = &mut self.recorder {
            let result = recorder.remember(frame, pair);
            self.note(result);
        }
    }

    /// Keep the block of a batch, if most of it is packets that are to be remembered; gives its
    /// number with the recorder.
    pub(super) fn keep(&mut self, batch: &Batch) -> Option<u64> {
        let recorder = self.recorder.as_mut()?;
        recorder.keep(&batch.block, batch.told()?)
    }

    /// The same for a packet of a batch, whose block was kept or not.
    pub(super) fn remember_seen(&mut self, seen: &PacketRef, batch: &Batch, kept: Option<u64>) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let frame = Frame {
            bytes: batch.bytes(seen.place),
            ..seen.frame
        };
        let result = match kept {
            Some(block) if seen.place.in_block => {
                recorder.remember_kept(&frame, (block, batch.offset(seen.place.at)))
            }
            _ => recorder.remember(&frame, seen.pair),
        };
        self.note(result);
    }

    /// The memory of a block that was kept and is not any more, if there is one.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        let recorder = self.recorder.as_mut();
        recorder.map_or_else(Vec::new, Recorder::spare)
    }

    pub(super) fn save(&mut self, flow: &Flow, frames: &[u64]) {
        if let Some(recorder) = &mut self.recorder {
            let result = recorder.save(flow, frames);
            self.note(result);
        }
    }

    /// Keep the first error.
    pub(super) fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    /// The error that ends the run.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }
}

impl Pipeline {
    /// The renderer, to go on with in another run.
    #[must_use]
    pub fn into_renderer(self) -> Box<dyn Renderer> {
        match self.mode {
            Mode::Messages(messages) => messages.consumer.selector.outputs.renderer,
            Mode::Batches(behind) => behind.consumer.selector.outputs.renderer,
            Mode::Packets(singles) => singles.packets.outputs.renderer,
        }
    }
}

//! The outputs: hits go to the renderer, their packets to the recorder, and all streams to files.
//!
//! The first write error is stored and ends the run.

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

/// Called before each record with its time, to replay a file at its original speed.
pub type Pace = Box<dyn FnMut(Timestamp)>;

/// All outputs of a run.
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

    /// Which packets of a match are saved, if any are.
    pub(super) fn recorded(&self) -> Option<Scope> {
        self.recorder.as_ref().map(Recorder::scope)
    }

    /// Remembers a packet that may turn out to belong to a match.
    pub(super) fn remember(&mut self, frame: &Frame<'_>, pair: Option<recorder::Pair>) {
        if let Some(recorder) = &mut self.recorder {
            let result = recorder.remember(frame, pair);
            self.note(result);
        }
    }

    /// Keeps the block of a batch if most of it is packets to remember; returns its number in the
    /// recorder.
    pub(super) fn keep(&mut self, batch: &Batch) -> Option<u64> {
        let recorder = self.recorder.as_mut()?;
        recorder.keep(&batch.block, batch.frame_bytes()?)
    }

    /// Remembers a packet of a batch. `kept` is the number of its block, if that was kept.
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

    /// The buffer of a block that was kept and then freed, if there is one.
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

    /// Stores the first error.
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
    /// The renderer, for reuse in another run.
    #[must_use]
    pub fn into_renderer(self) -> Box<dyn Renderer> {
        match self.mode {
            Mode::Messages(messages) => messages.consumer.selector.outputs.renderer,
            Mode::Batches(replay) => replay.consumer.selector.outputs.renderer,
            Mode::Packets(packet_mode) => packet_mode.packets.outputs.renderer,
        }
    }
}

//! The outputs: hits go to the renderer, their packets to the recorder, and all streams to files.
//!
//! The first write error is stored and ends the run.

use std::io;
use std::rc::Rc;

use crate::failure::Failure;
use crate::flow::Flow;
use crate::frame::{Frame, Timestamp};
use crate::hit::{Companion, Heading, Hit, Pair};
use crate::process::{Ends, Process, Who};
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
    /// Names the processes of what is shown.
    pub(super) who: Option<Box<dyn Who>>,
    failed: Option<io::Error>,
}

/// The processes of a client and of a server, looked up.
#[derive(Default)]
struct Named([Option<Rc<Process>>; 2]);

impl Named {
    fn ends<'a>(&'a self, ends: Ends<'a>) -> Ends<'a> {
        let [client, server] = &self.0;
        Ends {
            client: client.as_deref(),
            server: server.as_deref(),
            ..ends
        }
    }

    fn hit<'a>(&'a self, hit: &Hit<'a>) -> Hit<'a> {
        Hit {
            who: self.ends(hit.who),
            ..*hit
        }
    }
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
            who: None,
            failed: None,
        }
    }

    pub(super) fn hit(&mut self, hit: &Hit<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(hit.heading.ts);
        }
        let named = self.named(&hit.heading, hit.who);
        let result = match &named {
            None => self.renderer.hit(hit),
            Some(named) => self.renderer.hit(&named.hit(hit)),
        };
        self.note(result);
    }

    /// The processes of a message, if this run names them.
    fn named(&mut self, heading: &Heading, ends: Ends<'_>) -> Option<Named> {
        let who = self.who.as_mut()?;
        let Heading {
            protocol, src, dst, ..
        } = *heading;
        if !heading.ports {
            return Some(Named::default());
        }
        let (client, server) = match ends.to_client {
            true => (dst, src),
            false => (src, dst),
        };
        Some(Named([
            who.who(protocol, client, server),
            who.who(protocol, server, client),
        ]))
    }

    pub(super) fn companion(&mut self, companion: &Companion<'_>) {
        let named = self.named(&companion.heading, companion.who);
        let result = match &named {
            None => self.renderer.companion(companion),
            Some(named) => self.renderer.companion(&Companion {
                who: named.ends(companion.who),
                ..*companion
            }),
        };
        self.note(result);
    }

    pub(super) fn failed(&mut self, failure: &Failure<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(failure.heading.ts);
        }
        let named = self.named(&failure.heading, failure.who);
        let result = match &named {
            None => self.renderer.failure(failure),
            Some(named) => self.renderer.failure(&Failure {
                who: named.ends(failure.who),
                ..*failure
            }),
        };
        self.note(result);
    }

    pub(super) fn pair(&mut self, pair: &Pair<'_>) {
        if let Some(pace) = &mut self.pace {
            pace(pair.times.response_end.unwrap_or(pair.times.asked));
        }
        let known = pair.request.or(pair.response);
        let named = known.and_then(|hit| self.named(&hit.heading, hit.who));
        let result = match &named {
            None => self.renderer.pair(pair),
            Some(named) => {
                let request = pair.request.map(|hit| named.hit(hit));
                let response = pair.response.map(|hit| named.hit(hit));
                self.renderer.pair(&Pair {
                    request: request.as_ref(),
                    response: response.as_ref(),
                    ..*pair
                })
            }
        };
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

//! *Chain*: all that is undone to one body: the codings that its head says, one after the other,
//! then what its first bytes show.
//!
//! ```text
//! bytes ──▶ Stage ──▶ ... ──▶ Tail ──▶ Text ──▶ told
//!                              ├─────▶ Stage ──▶ Text ──▶ another reading
//!                              └─────▶ ...
//! ```

use super::Charset;
use super::codings::Coding;
use super::look::{About, Judgement, is_text, judge, tried};
use super::stage::{Bounds, ExpansionLimit, Piece, Stage};
use super::text::{Listener, Text};
use crate::dissect::budget::Budget;
use crate::message::Decoding;

/// Decoded bytes of a trial that are looked at.
const TRIAL: usize = 1024;

/// All that is undone to one body.
pub(super) struct Chain {
    /// What undoes each coding that the head says; the last one that was applied comes first. At
    /// most [`crate::limits::CODINGS`].
    stages: Vec<Stage>,
    tail: Tail,
}

/// What becomes of the bytes behind the stages.
pub(super) struct Tail {
    /// Until the first bytes were looked at.
    look: Option<Look>,
    /// The message's own text, then that of other readings.
    outputs: Vec<Output>,
    /// The stages could undo nothing: what comes out of them is what was sent.
    mistaken: bool,
}

/// What is needed to look at the first bytes.
pub(super) struct Look {
    pub(super) about: About,
    pub(super) charset: Option<Charset>,
    pub(super) other: Option<Charset>,
    /// The head says a coding that is not known.
    pub(super) unknown: bool,
    /// The memory of all decoders, and its bound.
    pub(super) budget: Budget,
    pub(super) limit: usize,
    /// Bytes that wait for more.
    pub(super) held: Vec<u8>,
}

/// A way in which the bytes are read.
struct Output {
    /// Undoes a coding that the head does not say.
    stage: Option<(Stage, &'static str)>,
    text: Text,
}

/// How the message's own text came to be.
pub(super) struct Outcome {
    pub(super) state: Decoding,
    /// What the bytes were taken for, where that is not what the head says.
    pub(super) reading: Option<&'static str>,
}

impl Chain {
    pub(super) const fn new(stages: Vec<Stage>, look: Look) -> Self {
        let tail = Tail {
            look: Some(look),
            outputs: Vec::new(),
            mistaken: false,
        };
        Self { stages, tail }
    }

    /// The body was said to come in chunks, and does not as far as the grammar goes.
    pub(super) const fn doubt_chunks(&mut self) {
        if let Some(look) = &mut self.tail.look {
            look.about.hints.chunked = true;
        }
    }

    /// Takes the next bytes of the body.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        let Self { stages, tail } = self;
        pass(stages, tail, bounds, Piece::Decoded(bytes), listener)
    }

    /// Bytes are missing. False when what comes behind them cannot be decoded.
    pub(super) fn hole(&mut self, bounds: Bounds, listener: &mut dyn Listener) -> bool {
        self.stages.is_empty() && self.tail.hole(bounds, listener)
    }

    /// Tells what is held.
    pub(super) fn finish(
        &mut self,
        whole: bool,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<Outcome, ExpansionLimit> {
        let mut state = None;
        let mut stages = &mut *self.stages;
        while let Some((stage, later)) = stages.split_first_mut() {
            stage.finish(whole, &mut |piece| {
                pass(later, &mut self.tail, bounds, piece, listener)
            })?;
            if state.is_none_or(|state| state == Decoding::Decoded) {
                state = Some(stage.state());
            }
            stages = later;
        }
        self.tail.finish(whole, bounds, listener)?;
        Ok(self.tail.outcome(state))
    }
}

/// Passes a piece through the stages, then to the tail.
fn pass(
    stages: &mut [Stage],
    tail: &mut Tail,
    bounds: Bounds,
    piece: Piece<'_>,
    listener: &mut dyn Listener,
) -> Result<(), ExpansionLimit> {
    let Some((stage, later)) = stages.split_first_mut() else {
        return tail.push(piece, bounds, listener);
    };
    stage.push(piece, bounds, &mut |piece| {
        pass(later, tail, bounds, piece, listener)
    })
}

impl Tail {
    fn push(
        &mut self,
        piece: Piece<'_>,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        let Some(look) = &mut self.look else {
            return self.give(piece, bounds, listener);
        };
        let bytes = match piece {
            Piece::Decoded(bytes) => bytes,
            Piece::AsSent(bytes) if look.held.is_empty() || look.about.mistaken => {
                // Nothing was decoded: the coding is not the one that was said, or there is none.
                look.about.mistaken = true;
                self.mistaken = true;
                bytes
            }
            Piece::AsSent(_) => {
                self.settle(bounds, listener)?;
                return self.give(piece, bounds, listener);
            }
        };
        if look.held.is_empty() {
            let judgement = judge(bytes, false, look.about);
            if judgement != Judgement::More {
                self.decide(judgement, bytes, listener);
                return self.give(Piece::Decoded(bytes), bounds, listener);
            }
        }
        look.held.extend_from_slice(bytes);
        let judgement = judge(&look.held, false, look.about);
        if judgement != Judgement::More {
            let held = std::mem::take(&mut look.held);
            self.decide(judgement, &held, listener);
            self.give(Piece::Decoded(&held), bounds, listener)?;
        }
        Ok(())
    }

    /// No more bytes come to look at.
    fn settle(
        &mut self,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        let Some(look) = &mut self.look else {
            return Ok(());
        };
        let held = std::mem::take(&mut look.held);
        let judgement = match judge(&held, true, look.about) {
            Judgement::More => Judgement::Plain,
            judgement => judgement,
        };
        self.decide(judgement, &held, listener);
        match held.is_empty() {
            true => Ok(()),
            false => self.give(Piece::Decoded(&held), bounds, listener),
        }
    }

    /// Sets up what reads the body.
    fn decide(&mut self, judgement: Judgement, first: &[u8], listener: &mut dyn Listener) {
        let Some(look) = self.look.take() else { return };
        match judgement {
            Judgement::More | Judgement::Plain => self.outputs.push(look.plain()),
            Judgement::Coded {
                coding,
                shown: true,
            } => self.show(look.coded_in(coding), &look, listener),
            Judgement::Coded { coding, .. } => {
                self.outputs.push(look.plain());
                self.add(coding.name(), look.coded_in(coding), listener);
            }
            Judgement::Try => {
                let About {
                    hints, mistaken, ..
                } = look.about;
                let codings = [
                    (Coding::Deflate, mistaken || hints.deflate),
                    (Coding::Brotli, mistaken || hints.brotli),
                ];
                let codings = codings.into_iter().filter(|(_, may)| *may);
                let codings = codings.map(|(coding, _)| coding);
                let shown = codings
                    .clone()
                    .find(|coding| look.is_likely(*coding, first));
                let output = shown.and_then(|coding| look.coded_in(coding));
                self.show(output, &look, listener);
                for coding in codings.filter(|coding| shown != Some(*coding)) {
                    self.add(coding.name(), look.coded_in(coding), listener);
                }
            }
        }
    }

    /// Shows the body with a coding undone, beside a reading as it was sent; or plainly, if there
    /// is no memory for that.
    fn show(&mut self, decoded: Option<Output>, look: &Look, listener: &mut dyn Listener) {
        match decoded {
            Some(output) => {
                self.outputs.push(output);
                self.add("sent", Some(Look::as_sent()), listener);
            }
            None => self.outputs.push(look.plain()),
        }
    }

    /// Adds another reading, if there is room for it.
    fn add(&mut self, name: &'static str, output: Option<Output>, listener: &mut dyn Listener) {
        if let Some(output) = output
            && let Some(reading) = listener.fork(name)
        {
            self.outputs.push(Output {
                text: output.text.of_reading(reading),
                ..output
            });
        }
    }

    fn give(
        &mut self,
        piece: Piece<'_>,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        let piece = match piece {
            Piece::AsSent(bytes) if self.mistaken => Piece::Decoded(bytes),
            piece => piece,
        };
        let mut outputs = self.outputs.iter_mut();
        if let Some(own) = outputs.next() {
            own.push(piece, bounds, listener)?;
        }
        if self.outputs.len() > 1 {
            let mut own = true;
            self.outputs.retain_mut(|output| {
                let goes_on =
                    std::mem::take(&mut own) || output.push(piece, bounds, listener).is_ok();
                if !goes_on {
                    listener.drop_reading();
                }
                goes_on
            });
        }
        Ok(())
    }

    fn hole(&mut self, bounds: Bounds, listener: &mut dyn Listener) -> bool {
        if self.settle(bounds, listener).is_err() {
            return false;
        }
        let coded = self.outputs.first().is_some_and(|own| own.stage.is_some());
        if coded {
            return false;
        }
        self.outputs.retain(|output| output.stage.is_none());
        let mut goes_on = true;
        for (at, output) in self.outputs.iter_mut().enumerate() {
            let can = output.text.hole(listener);
            goes_on &= can || at > 0;
        }
        goes_on
    }

    fn finish(
        &mut self,
        whole: bool,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        self.settle(bounds, listener)?;
        let mut own = true;
        for output in &mut self.outputs {
            let finished = output.finish(whole, listener);
            if std::mem::take(&mut own) {
                finished?;
            }
        }
        Ok(())
    }

    /// How the message's own text came to be; `state` is that of the stages, if there are any.
    fn outcome(&self, state: Option<Decoding>) -> Outcome {
        let Some(Output { stage, text }) = self.outputs.first() else {
            return Outcome {
                state: state.unwrap_or_default(),
                reading: None,
            };
        };
        // One that gave nothing, and could not, was never applied.
        let found = stage.as_ref().map(|(stage, name)| (stage, *name));
        let found = found.filter(|(stage, _)| stage.gave() || stage.state() == Decoding::Decoded);
        let state = match (&found, state) {
            (Some((stage, _)), _) => stage.state(),
            (None, Some(state)) => state,
            (None, None) if text.is_decoded() => Decoding::Decoded,
            (None, None) => Decoding::AsSent,
        };
        let reading = found.map(|(_, name)| name).or(text.name());
        Outcome { state, reading }
    }
}

impl Look {
    /// The bytes as they are. Text that stays coded has no characters.
    fn plain(&self) -> Output {
        let text = match self.unknown || self.about.mistaken {
            true => Text::as_sent(),
            false => Text::new(self.about.media, self.charset, self.other),
        };
        Output { stage: None, text }
    }

    /// The same, beside what they seem to be.
    fn as_sent() -> Output {
        Output {
            stage: None,
            text: Text::as_sent(),
        }
    }

    /// The bytes with a coding undone; `None` when there is no memory for that.
    fn coded_in(&self, coding: Coding) -> Option<Output> {
        let stage = Stage::new(coding, &self.budget, self.limit)?;
        Some(Output {
            stage: Some((stage, coding.name())),
            text: Text::new(self.about.media, self.charset, None),
        })
    }

    /// Whether `first` can be undone as this coding, and is text then.
    fn is_likely(&self, coding: Coding, first: &[u8]) -> bool {
        let Some(mut stage) = Stage::new(coding, &self.budget, self.limit) else {
            return false;
        };
        let first = tried(first);
        let bounds = Bounds {
            wire: first.len() as u64,
            free: TRIAL as u64,
        };
        let mut text = Vec::new();
        // That it swells beyond what is looked at is no matter.
        let _ = stage.push(Piece::Decoded(first), bounds, &mut |piece| {
            if let Piece::Decoded(bytes) = piece {
                text.extend_from_slice(bytes);
            }
            match text.len() < TRIAL {
                true => Ok(()),
                false => Err(ExpansionLimit { at: 0 }),
            }
        });
        stage.state() == Decoding::Decoded && !text.is_empty() && is_text(&text)
    }
}

impl Output {
    fn push(
        &mut self,
        piece: Piece<'_>,
        bounds: Bounds,
        listener: &mut dyn Listener,
    ) -> Result<(), ExpansionLimit> {
        let text = &mut self.text;
        if let Some((stage, _)) = &mut self.stage {
            return stage.push(piece, bounds, &mut |piece| {
                text.push(piece, listener);
                Ok(())
            });
        }
        text.push(piece, listener);
        Ok(())
    }

    fn finish(&mut self, whole: bool, listener: &mut dyn Listener) -> Result<(), ExpansionLimit> {
        let text = &mut self.text;
        if let Some((stage, _)) = &mut self.stage {
            stage.finish(whole, &mut |piece| {
                text.push(piece, listener);
                Ok(())
            })?;
        }
        text.finish(listener);
        Ok(())
    }
}

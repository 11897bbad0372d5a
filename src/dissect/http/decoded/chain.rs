//! The decoding chain of one body: one stage for each coding that the head declares, then the
//! outputs that the first decoded bytes call for. Memory is reserved before it is used, and only
//! the first bytes are buffered.
//!
//! ```text
//! bytes ──▶ Stage ──▶ ... ──▶ Tail ──▶ Text ──▶ text of the message
//!                              ├─────▶ Stage ──▶ Text ──▶ another reading
//!                              └─────▶ ...
//! ```

use super::Charset;
use super::codings::Coding;
use super::look::{About, Judgement, is_text, judge, tried};
use super::stage::{Bounds, ExpansionLimit, Piece, Stage};
use super::text::{Text, TextSink};
use crate::dissect::budget::Budget;
use crate::message::Decoding;

/// Maximum number of decoded bytes that are examined in a trial.
const TRIAL: usize = 1024;

/// The decoding chain of one body.
pub(super) struct Chain {
    /// One stage for each declared coding, in the order of decoding (the coding that was applied
    /// last comes first). At most [`crate::limits::CODINGS`].
    stages: Vec<Stage>,
    tail: Tail,
}

/// The outputs after the stages.
pub(super) struct Tail {
    /// The context for examining the first bytes; `None` once they were examined.
    look: Option<Look>,
    /// The message's own text, then the text of other readings.
    outputs: Vec<Output>,
    /// Whether no stage could decode anything: the stages then pass on the bytes as sent.
    mistaken: bool,
}

/// The context for examining the first bytes.
pub(super) struct Look {
    pub(super) about: About,
    pub(super) charset: Option<Charset>,
    pub(super) other: Option<Charset>,
    /// Whether the head declares an unknown coding.
    pub(super) unknown: bool,
    /// The memory budget of all decoders, and its limit.
    pub(super) budget: Budget,
    pub(super) limit: usize,
    /// Buffered bytes, too few to decide.
    pub(super) held: Vec<u8>,
}

/// One reading of the bytes.
struct Output {
    /// Decodes a coding that the head does not declare.
    stage: Option<(Stage, &'static str)>,
    text: Text,
}

/// How the message's own text was obtained.
pub(super) struct Outcome {
    pub(super) state: Decoding,
    /// The actual form of the bytes, if it differs from what the head declares.
    pub(super) reading: Option<&'static str>,
}

impl Chain {
    /// Bytes that its decoders hold of the budget.
    pub(super) fn reserved(&self) -> usize {
        let stages = self.stages.iter().map(Stage::reserved);
        stages.fold(0, usize::saturating_add)
    }

    pub(super) const fn new(stages: Vec<Stage>, look: Look) -> Self {
        let tail = Tail {
            look: Some(look),
            outputs: Vec::new(),
            mistaken: false,
        };
        Self { stages, tail }
    }

    /// Records that the body was declared to be chunked but violates the grammar of chunks.
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
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        let Self { stages, tail } = self;
        pass(stages, tail, bounds, Piece::Decoded(bytes), sink)
    }

    /// Handles a gap. Returns false if the bytes after it cannot be decoded.
    pub(super) fn gap(&mut self, bounds: Bounds, sink: &mut dyn TextSink) -> bool {
        self.stages.is_empty() && self.tail.gap(bounds, sink)
    }

    /// Ends the body and emits buffered bytes.
    pub(super) fn finish(
        &mut self,
        whole: bool,
        bounds: Bounds,
        sink: &mut dyn TextSink,
    ) -> Result<Outcome, ExpansionLimit> {
        let mut state = None;
        let mut stages = &mut *self.stages;
        while let Some((stage, later)) = stages.split_first_mut() {
            stage.finish(whole, &mut |piece| {
                pass(later, &mut self.tail, bounds, piece, sink)
            })?;
            if state.is_none_or(|state| state == Decoding::Decoded) {
                state = Some(stage.state());
            }
            stages = later;
        }
        self.tail.finish(whole, bounds, sink)?;
        Ok(self.tail.outcome(state))
    }
}

/// Passes a piece through the stages, then to the tail.
fn pass(
    stages: &mut [Stage],
    tail: &mut Tail,
    bounds: Bounds,
    piece: Piece<'_>,
    sink: &mut dyn TextSink,
) -> Result<(), ExpansionLimit> {
    let Some((stage, later)) = stages.split_first_mut() else {
        return tail.push(piece, bounds, sink);
    };
    stage.push(piece, bounds, &mut |piece| {
        pass(later, tail, bounds, piece, sink)
    })
}

impl Tail {
    fn push(
        &mut self,
        piece: Piece<'_>,
        bounds: Bounds,
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        let Some(look) = &mut self.look else {
            return self.give(piece, bounds, sink);
        };
        let bytes = match piece {
            Piece::Decoded(bytes) => bytes,
            Piece::AsSent(bytes) if look.held.is_empty() || look.about.mistaken => {
                // Nothing was decoded: the declared coding is the wrong one, or the body is not
                // coded.
                look.about.mistaken = true;
                self.mistaken = true;
                bytes
            }
            Piece::AsSent(_) => {
                self.decide_now(bounds, sink)?;
                return self.give(piece, bounds, sink);
            }
        };
        if look.held.is_empty() {
            let judgement = judge(bytes, false, look.about);
            if judgement != Judgement::More {
                self.decide(judgement, bytes, sink);
                return self.give(Piece::Decoded(bytes), bounds, sink);
            }
        }
        look.held.extend_from_slice(bytes);
        let judgement = judge(&look.held, false, look.about);
        if judgement != Judgement::More {
            let held = std::mem::take(&mut look.held);
            self.decide(judgement, &held, sink);
            self.give(Piece::Decoded(&held), bounds, sink)?;
        }
        Ok(())
    }

    /// Decides with the bytes that are there, since no more will arrive.
    fn decide_now(
        &mut self,
        bounds: Bounds,
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        let Some(look) = &mut self.look else {
            return Ok(());
        };
        let held = std::mem::take(&mut look.held);
        let judgement = match judge(&held, true, look.about) {
            Judgement::More => Judgement::Plain,
            judgement => judgement,
        };
        self.decide(judgement, &held, sink);
        match held.is_empty() {
            true => Ok(()),
            false => self.give(Piece::Decoded(&held), bounds, sink),
        }
    }

    /// Sets up the outputs.
    fn decide(&mut self, judgement: Judgement, first: &[u8], sink: &mut dyn TextSink) {
        let Some(look) = self.look.take() else { return };
        match judgement {
            Judgement::More | Judgement::Plain => self.outputs.push(look.plain()),
            Judgement::Coded {
                coding,
                shown: true,
            } => self.show(look.coded_in(coding), &look, sink),
            Judgement::Coded { coding, .. } => {
                self.outputs.push(look.plain());
                self.add(coding.name(), look.coded_in(coding), sink);
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
                self.show(output, &look, sink);
                for coding in codings.filter(|coding| shown != Some(*coding)) {
                    self.add(coding.name(), look.coded_in(coding), sink);
                }
            }
        }
    }

    /// Makes the decoded bytes the message's own text, with a reading of the bytes as sent; or
    /// shows them as sent, if there is no memory for the decoder.
    fn show(&mut self, decoded: Option<Output>, look: &Look, sink: &mut dyn TextSink) {
        match decoded {
            Some(output) => {
                self.outputs.push(output);
                self.add("sent", Some(Look::as_sent()), sink);
            }
            None => self.outputs.push(look.plain()),
        }
    }

    /// Adds another reading, if the limits allow it.
    fn add(&mut self, name: &'static str, output: Option<Output>, sink: &mut dyn TextSink) {
        if let Some(output) = output
            && let Some(reading) = sink.fork(name)
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
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        let piece = match piece {
            Piece::AsSent(bytes) if self.mistaken => Piece::Decoded(bytes),
            piece => piece,
        };
        let mut outputs = self.outputs.iter_mut();
        if let Some(own) = outputs.next() {
            own.push(piece, bounds, sink)?;
        }
        if self.outputs.len() > 1 {
            let mut own = true;
            self.outputs.retain_mut(|output| {
                let goes_on = std::mem::take(&mut own) || output.push(piece, bounds, sink).is_ok();
                if !goes_on {
                    sink.drop_reading();
                }
                goes_on
            });
        }
        Ok(())
    }

    fn gap(&mut self, bounds: Bounds, sink: &mut dyn TextSink) -> bool {
        if self.decide_now(bounds, sink).is_err() {
            return false;
        }
        let coded = self.outputs.first().is_some_and(|own| own.stage.is_some());
        if coded {
            return false;
        }
        self.outputs.retain(|output| output.stage.is_none());
        let mut goes_on = true;
        for (at, output) in self.outputs.iter_mut().enumerate() {
            let can = output.text.gap(sink);
            goes_on &= can || at > 0;
        }
        goes_on
    }

    fn finish(
        &mut self,
        whole: bool,
        bounds: Bounds,
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        self.decide_now(bounds, sink)?;
        let mut own = true;
        for output in &mut self.outputs {
            let finished = output.finish(whole, sink);
            if std::mem::take(&mut own) {
                finished?;
            }
        }
        Ok(())
    }

    /// Returns how the message's own text was obtained. `state` is that of the stages, if there are
    /// any.
    fn outcome(&self, state: Option<Decoding>) -> Outcome {
        let Some(Output { stage, text }) = self.outputs.first() else {
            return Outcome {
                state: state.unwrap_or_default(),
                reading: None,
            };
        };
        // A decoder that failed without output was never needed.
        let found = stage.as_ref().map(|(stage, name)| (stage, *name));
        let found =
            found.filter(|(stage, _)| stage.has_output() || stage.state() == Decoding::Decoded);
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
    /// The output of the bytes as they are. Text that stays coded has no character set.
    fn plain(&self) -> Output {
        let text = match self.unknown || self.about.mistaken {
            true => Text::as_sent(),
            false => Text::new(self.about.media, self.charset, self.other),
        };
        Output { stage: None, text }
    }

    /// The output of the bytes as sent, beside their decoded form.
    fn as_sent() -> Output {
        Output {
            stage: None,
            text: Text::as_sent(),
        }
    }

    /// The output of the bytes with a coding undone; `None` if there is no memory for the decoder.
    fn coded_in(&self, coding: Coding) -> Option<Output> {
        let stage = Stage::new(coding, &self.budget, self.limit)?;
        Some(Output {
            stage: Some((stage, coding.name())),
            text: Text::new(self.about.media, self.charset, None),
        })
    }

    /// Whether `first` can be decoded with this coding, and is text then.
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
        // Exceeding the limit of the trial is no failure.
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
        sink: &mut dyn TextSink,
    ) -> Result<(), ExpansionLimit> {
        let text = &mut self.text;
        if let Some((stage, _)) = &mut self.stage {
            return stage.push(piece, bounds, &mut |piece| {
                text.push(piece, sink);
                Ok(())
            });
        }
        text.push(piece, sink);
        Ok(())
    }

    fn finish(&mut self, whole: bool, sink: &mut dyn TextSink) -> Result<(), ExpansionLimit> {
        let text = &mut self.text;
        if let Some((stage, _)) = &mut self.stage {
            stage.finish(whole, &mut |piece| {
                text.push(piece, sink);
                Ok(())
            })?;
        }
        text.finish(sink);
        Ok(())
    }
}

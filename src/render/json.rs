//! The `--json` output: JSON lines in ripgrep's envelope, that is `begin`, then `match` and
//! `context`, then `end` and `summary`. Each line is complete JSON.
//!
//! Each line is `{"type":..,"data":..}`; `docs/spygrep.schema.json` describes the data, and a test
//! validates every line against it. The format has fields for HTTP, so this is one of the renderers
//! that depend on it. Its modules: `line` (writes JSON), `record` (a message), `layout` (positions
//! in the text of a message).

mod failure;
mod layout;
mod line;
mod record;
mod rows;

use std::io;
use std::path::Path;

use crate::failure::Failure;
use crate::frame::Timestamp;
use crate::frame_files::FrameFiles;
use crate::hit::{Carried, Companion, Hit, Portion, Text, Why};
use crate::message::{BodyFacts, Kind, Role, Summary};
use crate::stats::Stats;

use super::{Banner, Body, Ending, Out, OutputFormat, OutputValue, Renderer, Settings, Wants};
use line::Line;
use record::{Frames, Moments, Record};

/// Version of the format. It is increased when a field changes its meaning or is removed, not when
/// one is added.
const VERSION: u64 = 1;

/// `--json`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Form,
    help: "JSON, a line for each record; --json=rows: a flat object for each exchange",
    examples: &[("--json", "JSON lines: spygrep --help json")],
    words: "JSON lines",
    forms: &[&rows::OUTPUT],
    ..OutputFormat::new("json", |settings, _, out| {
        Box::new(Json::new(settings, out))
    })
};

/// The `--json` output.
pub(super) struct Json {
    settings: Settings,
    out: Out,
    moments: Moments,
    frame_files: FrameFiles,
    /// Several files are read, so records name the file of each frame.
    several: bool,
}

impl Json {
    pub(super) fn new(settings: Settings, out: Out) -> Self {
        Self {
            settings,
            out,
            moments: Moments::default(),
            frame_files: FrameFiles::default(),
            several: false,
        }
    }

    /// Writes a line; `data` writes the members of its data.
    fn line(&mut self, kind: &str, data: impl FnOnce(&mut Line<'_>)) -> io::Result<()> {
        let mut line = Line::new(self.out.text());
        line.object(|line| {
            line.key("type").string(kind);
            line.key("data").object(data);
        });
        line.end();
        self.out.record()
    }

    /// The places of frames in their files.
    fn frames_of(&self, frames: &[u64]) -> Frames {
        Frames {
            places: frames
                .iter()
                .map(|frame| self.frame_files.place(*frame))
                .collect(),
            several: self.several,
        }
    }

    fn message(&mut self, hit: &Hit<'_>, kept: bool) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let kind = match hit.why {
            Why::Match => "match",
            Why::Context | Why::Empty => "context",
        };
        let masked = self.settings.redact;
        let mut moments = std::mem::take(&mut self.moments);
        let frames = self.frames_of(hit.frames);
        let result = self.line(kind, |line| {
            let record = Record {
                hit,
                kept,
                masked,
                frames: &frames,
            };
            record.write(line, &mut moments);
        });
        self.moments = moments;
        result
    }
}

impl Renderer for Json {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        self.frame_files = banner.frame_files.clone();
        self.several = banner.files.len() > 1;
        self.line("begin", |line| {
            line.key("version").number(VERSION);
            line.key("spygrep").string(env!("CARGO_PKG_VERSION"));
            line.key("source").object(|line| {
                let files: Vec<&[u8]> = banner.files.iter().map(|path| bytes(path)).collect();
                strings(line.key("interfaces"), &banner.interfaces);
                line.key("files").array(|line| {
                    for file in files {
                        line.bytes(file);
                    }
                });
            });
            let filter = Some(banner.filter.as_str()).filter(|filter| !filter.is_empty());
            line.key("filter").string_or_null(filter);
            strings(line.key("patterns"), &banner.patterns);
            strings(line.key("and"), &banner.and);
            strings(line.key("not"), &banner.not);
            let inverted = banner
                .pattern
                .as_ref()
                .is_some_and(|(_, inverted)| *inverted);
            line.key("invert").bool(inverted);
        })?;
        // A reader may wait for this line before it sends traffic.
        self.out.flush()
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        self.message(hit, true)
    }

    /// Shows a request late that was not kept. The other message of an exchange arrives as a hit.
    fn companion(&mut self, companion: &Companion<'_>) -> io::Result<()> {
        self.message(&hit_of(companion), false)
    }

    fn failure(&mut self, failure: &Failure<'_>) -> io::Result<()> {
        if self.settings.quiet >= 4 {
            return Ok(());
        }
        let kind = match failure.asked_for {
            true => "match",
            false => "context",
        };
        let mut moments = std::mem::take(&mut self.moments);
        let frames = self.frames_of(failure.frames);
        let result = self.line(kind, |line| {
            failure::record(failure, &frames, line, &mut moments);
        });
        self.moments = moments;
        result
    }

    fn end(&mut self, why: &Ending) -> io::Result<()> {
        let (reason, error) = match why {
            Ending::Source => ("source", None),
            Ending::Enough => ("count", None),
            Ending::Stopped => ("stopped", None),
            Ending::Broken(error) => ("error", Some(error.as_str())),
        };
        self.line("end", |line| {
            line.key("reason").string(reason);
            line.key("error").string_or_null(error);
        })
    }

    fn finish(&mut self, stats: &Stats) -> io::Result<()> {
        self.line("summary", |line| {
            line.key("frames").number(stats.capture.frames);
            line.key("packets").number(stats.decode.packets);
            line.key("filtered").number(stats.decode.filtered);
            line.key("copies").number(stats.decode.copies);
            line.key("not_ip").object(|line| {
                for (name, many) in stats.decode.foreign() {
                    let name = name.as_deref().unwrap_or("others");
                    line.key(name).number(many);
                }
            });
            line.key("unknown_links").object(|line| {
                for (number, many) in stats.decode.link_type.iter() {
                    line.key(&number.to_string()).number(many);
                }
                let others = stats.decode.link_type.others();
                if others > 0 {
                    line.key("others").number(others);
                }
            });
            line.key("lost").number(stats.capture.dropped);
            line.key("messages").number(stats.output.messages);
            line.key("requests").number(stats.dissect.requests);
            line.key("answers").number(stats.dissect.responses);
            line.key("matched").number(stats.output.matched);
            line.key("pending").number(stats.output.pending);
            line.key("losses").object(|line| {
                for loss in stats.losses() {
                    line.key(loss.name).number(loss.count);
                }
            });
        })?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            body: match self.settings.body {
                Body::None => 0,
                Body::Short | Body::Full => self.settings.max_body,
            },
            others: true,
            frames: true,
            ..Wants::NOTHING
        }
    }
}

fn strings(line: &mut Line<'_>, all: &[String]) {
    line.array(|line| {
        for one in all {
            line.string(one);
        }
    });
}

/// The bytes of a file name, which need not be UTF-8.
fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// A hit for a request whose text was not kept.
fn hit_of<'a>(companion: &Companion<'a>) -> Hit<'a> {
    Hit {
        number: companion.number,
        why: Why::Match,
        heading: companion.heading,
        kind: Kind {
            name: "question",
            side: Role::Request,
            sized: true,
        },
        portion: Portion::Whole,
        text: Text::default(),
        start: 0,
        carried: Carried::default(),
        head: 0,
        matches: &[],
        styles: &[],
        fields: &[],
        began: Timestamp::default(),
        brief: Summary::default(),
        frames: &[],
        facts: companion.facts,
        opaque: None,
        body_size: companion.body_size,
        body: BodyFacts::default(),
        times: companion.times,
        incomplete: companion.incomplete,
        failed: companion.failed,
        aside: None,
        midstream: false,
        pending: false,
    }
}

#[cfg(test)]
mod tests;

//! Prints the display filter with which Wireshark shows the packets of an exchange, a burst or a
//! datagram, for each file that has some. Frame numbers are those of the file.

use std::io;

use crate::failure::Failure;
use crate::frame_files::FrameFiles;
use crate::hit::{Hit, Pair};
use crate::message::Role;

use super::{
    Banner, Out, OutputArgument, OutputEnd, OutputFormat, OutputValue, Renderer, Settings, Wants,
};

/// `--display-filter`.
pub(super) const OUTPUT: OutputFormat = OutputFormat {
    value: OutputValue::Number,
    help: "Print the display filter with which Wireshark shows the packets of this exchange",
    examples: &[("--display-filter 4", "the packets of #4, for Wireshark")],
    words: "a display filter for",
    is_whole: true,
    ends: OutputEnd::Complete,
    ..OutputFormat::new("display-filter", |settings, argument, out| {
        let number = match argument {
            OutputArgument::Number(number) => number,
            _ => 0,
        };
        Box::new(DisplayFilter::new(settings, number, out))
    })
};

/// The `--display-filter` output.
struct DisplayFilter {
    settings: Settings,
    number: u64,
    out: Out,
    /// The names of the files; empty if packets are captured live.
    files: Vec<String>,
    frame_files: FrameFiles,
    found: bool,
}

impl DisplayFilter {
    fn new(settings: Settings, number: u64, out: Out) -> Self {
        Self {
            settings,
            number,
            out,
            files: Vec::new(),
            frame_files: FrameFiles::default(),
            found: false,
        }
    }

    fn print(&mut self, frames: impl Iterator<Item = u64>) -> io::Result<()> {
        self.found = true;
        let mut places: Vec<(usize, u64)> = frames
            .map(|frame| self.frame_files.place(frame))
            .map(|place| (place.file, place.frame))
            .collect();
        places.sort_unstable();
        places.dedup();
        for of_file in places.chunk_by(|one, other| one.0 == other.0) {
            let numbers: Vec<String> = of_file.iter().map(|(_, frame)| frame.to_string()).collect();
            let mut line = String::new();
            let name = of_file
                .first()
                .and_then(|(file, _)| self.files.get(file - 1));
            if let Some(name) = name.filter(|_| self.files.len() > 1) {
                line = format!("{name}: ");
            }
            line.push_str(&format!("frame.number in {{{}}}", numbers.join(", ")));
            let text = self.out.text();
            self.settings.escape.write_str(&line, text);
            text.push(b'\n');
        }
        self.out.flush()
    }
}

impl Renderer for DisplayFilter {
    fn begin(&mut self, banner: &Banner) -> io::Result<()> {
        let names = banner.files.iter().map(|path| path.display().to_string());
        self.files = names.collect();
        self.frame_files = banner.frame_files.clone();
        Ok(())
    }

    fn hit(&mut self, hit: &Hit<'_>) -> io::Result<()> {
        if hit.number != self.number || hit.kind.side != Role::Single || self.found {
            return Ok(());
        }
        self.print(hit.frames.iter().copied())
    }

    fn pair(&mut self, pair: &Pair<'_>) -> io::Result<()> {
        if pair.number != self.number || self.found {
            return Ok(());
        }
        let messages = [pair.request, pair.response].into_iter().flatten();
        self.print(messages.flat_map(|hit| hit.frames).copied())
    }

    fn failure(&mut self, _failure: &Failure<'_>) -> io::Result<()> {
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.found
    }

    fn outcome(&self) -> Option<Result<bool, String>> {
        Some(Ok(self.found))
    }

    fn remarks(&self) -> Vec<String> {
        match self.found {
            true => Vec::new(),
            false => vec![format!("there is no exchange #{}", self.number)],
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn wants(&self) -> Wants {
        Wants {
            pairs: true,
            frames: true,
            ..Wants::NOTHING
        }
    }
}

//! Opens the inputs and outputs of a run: interfaces or files, the capture filter, the file of
//! `-O`.
//!
//! Everything is opened before privileges are dropped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::capture::filter::{Filter, KernelFilter};
use crate::capture::live::{CaptureDirection, Live, LiveSettings};
use crate::capture::savefile::{self, Savefiles};
use crate::capture::writer::{self, CaptureWriter, FileFormat, Flush, Full, Ring};
use crate::capture::{MAX_SNAPLEN, Source as _, devices, privileges};
use crate::frame::LinkType;
use crate::limits::Limits;
use crate::pipeline::{Recorder, Scope, Streams};
use crate::unwritten::Unwritten;

use super::args::{Args, Chosen, Way as WayName};
use super::config::Input;
use super::problem::Problem;
use super::words::Words;

/// ngrep's filter for IP, tagged or not; and the one for link types without tags.
const TEMPLATES: [&str; 2] = ["((ip || ip6) || (vlan && (ip || ip6)))", "(ip || ip6)"];
/// Default size of the kernel's buffer per interface, in bytes.
pub(super) const BUFFER: usize = 16 << 20;

/// The files to read, in order.
pub(super) fn paths(args: &Args, words: &Words) -> Vec<PathBuf> {
    args.read.iter().chain(&words.files).cloned().collect()
}

/// The files in the order in which they are read, if that is not the given one.
pub(super) fn in_order(args: &Args, ngrep: bool, paths: &[PathBuf]) -> Option<Vec<PathBuf>> {
    match args.as_given || ngrep {
        true => None,
        false => savefile::in_order(paths),
    }
}

/// Opens these files, or interfaces if there are none.
pub(super) fn open(args: &Args, paths: &[PathBuf], ngrep: bool) -> Result<Input, Problem> {
    if !paths.is_empty() {
        if !args.devices.is_empty() {
            return Err(both());
        }
        let mut files = Savefiles::open(paths).map_err(|error| Problem::capture(&error))?;
        // A saved file declares its link type before its packets, and ngrep's filter depends on the
        // link type.
        if ngrep || args.write.is_some() {
            files.wait_for_an_interface();
        }
        return Ok(Input::Files(Box::new(files), paths.to_vec()));
    }
    let settings = LiveSettings {
        // With -O, ngrep writes the older format.
        per_packet_interface: !ngrep,
        ..settings(args)?
    };
    let live = Live::open(&settings).map_err(|error| Problem::capture(&error))?;
    Ok(Input::Live(Box::new(live), settings.devices))
}

pub(super) fn both() -> Problem {
    Problem::new("either an interface (-d) or files are read, not both")
}

/// The settings of the live capture, and its interfaces.
pub(super) fn settings(args: &Args) -> Result<LiveSettings, Problem> {
    let names = if args.devices.is_empty() {
        vec![devices::default_name().map_err(|error| Problem::capture(&error))?]
    } else {
        args.devices.clone()
    };
    Ok(LiveSettings {
        devices: names,
        snaplen: args
            .snaplen
            .filter(|len| *len > 0)
            .map_or(MAX_SNAPLEN, bounded),
        promiscuous: !args.no_promiscuous,
        buffer_size: bounded(args.buffer_size.unwrap_or(BUFFER)),
        direction: args.direction.map(|way| match way {
            WayName::In => CaptureDirection::In,
            WayName::Out => CaptureDirection::Out,
        }),
        ..LiveSettings::default()
    })
}

/// A size within libpcap's range.
fn bounded(size: usize) -> u32 {
    i32::try_from(size).unwrap_or(i32::MAX).cast_unsigned()
}

/// The filter to run, the filter as typed, and the filter as in ngrep's banner.
///
/// It is compiled now for every link type that may come: for interfaces these are known, a file may
/// have any.
pub(super) fn filter(
    args: &Args,
    words: &Words,
    input: &mut Input,
    link: LinkType,
    ngrep: bool,
) -> Result<(Option<Filter>, Option<String>, String), Problem> {
    let (mut filter, text, banner) = chosen(args, words, input, link, ngrep)?;
    if let Some(filter) = &mut filter {
        match input {
            Input::Live(live, _) => filter.prepare(live.interfaces().iter().map(|one| one.link)),
            Input::Files(..) => filter.prepare(LinkType::KNOWN),
        }
    }
    Ok((filter, text, banner))
}

fn chosen(
    args: &Args,
    words: &Words,
    input: &mut Input,
    link: LinkType,
    ngrep: bool,
) -> Result<(Option<Filter>, Option<String>, String), Problem> {
    let text = filter_text(args, words, ngrep)?;
    let wrong = |text: &str, detail: &str| super::hints::filter_problem(text, detail);
    if ngrep {
        let whole = with_template(text.as_deref(), link);
        Filter::check(&whole, link)
            .map_err(|error| wrong(text.as_deref().unwrap_or(""), &error.detail))?;
        // Live, the kernel applies the filter unchanged.
        let filter = match input {
            Input::Live(live, _) => {
                live.set_filter(KernelFilter::Exact(&whole))
                    .map_err(|error| wrong(&whole, &error.to_string()))?;
                None
            }
            Input::Files(..) => Some(Filter::for_files(&whole)),
        };
        return Ok((filter, text, whole));
    }
    let Some(text) = text else {
        return Ok((None, None, String::new()));
    };
    let filter = match input {
        Input::Live(live, _) => {
            live.set_filter(KernelFilter::Superset(&text))
                .map_err(|error| wrong(&text, &error.to_string()))?;
            Filter::for_devices(&text)
        }
        Input::Files(..) => {
            Filter::check(&text, link).map_err(|error| wrong(&text, &error.detail))?;
            Filter::for_files(&text)
        }
    };
    Ok((Some(filter), Some(text.clone()), text))
}

/// ngrep's filter: the user's, combined with IP.
pub(super) fn with_template(text: Option<&str>, link: LinkType) -> String {
    let template = TEMPLATES
        .into_iter()
        .find(|template| Filter::check(template, link).is_ok())
        .unwrap_or_default();
    text.map_or_else(
        || template.to_owned(),
        |text| format!("( {text} ) and {template}"),
    )
}

/// The filter as typed.
pub(super) fn filter_text(
    args: &Args,
    words: &Words,
    ngrep: bool,
) -> Result<Option<String>, Problem> {
    match &args.filter_file {
        Some(path) => filter_file(path, ngrep).map(Some),
        None => Ok(words.filter.clone()),
    }
}

/// A filter from a file: comments and line ends become blanks. (ngrep takes the first line only.)
fn filter_file(path: &Path, ngrep: bool) -> Result<String, Problem> {
    let cannot = |why: String| {
        Problem::new(format!(
            "cannot take the filter from {}: {why}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let text = if ngrep {
        text.lines().next().unwrap_or_default().trim().to_owned()
    } else {
        let lines = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim());
        lines
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    if text.is_empty() {
        Err(cannot("there is none in it".into()))
    } else {
        Ok(text)
    }
}

pub(super) fn recorder(
    args: &Args,
    limits: Limits,
    link: LinkType,
    ngrep: bool,
    live: bool,
) -> Result<(Option<Recorder>, bool), Problem> {
    let Some(path) = &args.write else {
        let options = [
            (args.write_flow, "--write-flow says how much -O writes"),
            (args.rotate.is_some(), "--rotate says when -O begins a file"),
            (args.keep.is_some(), "--keep says how many files -O writes"),
        ];
        return match options.iter().find(|(given, _)| *given) {
            Some((_, what)) => Err(Problem::new(format!("{what}; there is no -O"))),
            None => Ok((None, false)),
        };
    };
    let format = match FileFormat::of(path) {
        FileFormat::Pcap if !ngrep => FileFormat::PcapNanos,
        other => other,
    };
    let flush = if live {
        Flush::EachPacket
    } else {
        Flush::Buffered
    };
    let to_stdout = path == Path::new("-");
    let dump = match rotation(args, path)? {
        Some((full, files)) => {
            let mut header = Vec::new();
            drop(CaptureWriter::new(
                &mut header,
                format,
                flush,
                link,
                MAX_SNAPLEN,
            ));
            ring(path, files, &header).and_then(|mut ring| {
                let out = ring.advance()?;
                let dump = CaptureWriter::new(out, format, flush, link, MAX_SNAPLEN)?;
                Ok(dump.rotated(full, move || ring.advance()))
            })
        }
        None => writer::create(path, true)
            .and_then(|out| CaptureWriter::new(out, format, flush, link, MAX_SNAPLEN)),
    };
    // ngrep overwrites a file without asking.
    let dump = dump.map_err(|error| Problem::output(&Unwritten::wrap(path, error)))?;
    let scope = if args.write_flow {
        Scope::Flow
    } else {
        Scope::Message
    };
    Ok((Some(Recorder::new(dump, scope, limits.recorder)), to_stdout))
}

/// When a file of `-O` is full, and how many there are; `None` if there is one.
fn rotation(args: &Args, path: &Path) -> Result<Option<(Full, usize)>, Problem> {
    let wrong = match (args.rotate, args.keep) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) if path == Path::new("-") => "standard output is no ring of files",
        (Some(full), Some(files)) => return Ok(Some((full, files))),
        (Some(_), None) => "--rotate needs --keep NUM: all files are created at the start",
        (None, Some(_)) => "--keep needs --rotate SIZE or --rotate DURATION",
    };
    Err(Problem::new(wrong).advise("for example: -O hits.pcap --rotate 100M --keep 10"))
}

/// The files of a ring, each an empty capture.
fn ring(path: &Path, files: usize, header: &[u8]) -> std::io::Result<Ring> {
    Savefiles::make_room_for(files);
    let mut ring = writer::create_ring(path, files)?;
    ring.fill(header)?;
    Ok(ring)
}

/// The file of the selected output; `None` if that is standard output.
pub(super) fn output_file(args: &Args) -> Result<Option<Box<dyn Write>>, Problem> {
    let Some(path) = args.outputs().find_map(Chosen::file) else {
        return Ok(None);
    };
    writer::create(path, args.force)
        .map(|file| Some(Box::new(file) as Box<dyn Write>))
        .map_err(|error| Problem::output(&Unwritten::wrap(path, error)))
}

/// The folder of `--streams`, owned by the user that the run becomes.
pub(super) fn streams(args: &Args, ngrep: bool) -> Result<Option<Streams>, Problem> {
    let Some(folder) = &args.streams else {
        return match args.fill_gaps {
            true => Err(Problem::new(
                "--fill-gaps says how --streams writes; there is no --streams",
            )),
            false => Ok(None),
        };
    };
    if ngrep {
        return Err(Problem::new(
            "--ngrep looks at packets one by one; there are no streams to save",
        ));
    }
    if let Ok(Some(user)) = privileges::cannot_write_to(folder, args.user.as_deref())
        && !args.keep_root
    {
        let folder = folder.display();
        return Err(Problem::new(format!(
            "{user}, who spygrep becomes, may not write in {folder}"
        ))
        .advise("name a new folder, which will be theirs; or -R stays root"));
    }
    let own = |file: &File| match args.keep_root {
        true => Ok(()),
        false => privileges::chown_output(file, args.user.as_deref()),
    };
    let streams = Streams::create(folder, args.fill_gaps, &own);
    let cannot = |error: std::io::Error| {
        let folder = folder.display();
        Problem::new(match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{folder} has streams in it (an index.tsv): name another folder")
            }
            _ => format!("cannot save streams in {folder}: {error}"),
        })
    };
    streams.map(Some).map_err(cannot)
}

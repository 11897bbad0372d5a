//! Turns options into a [`Config`] with everything that a run needs.
//!
//! Sources and output files are opened here, before privileges are dropped; the rest is plain
//! values.

use std::io::Write;
use std::path::PathBuf;

use crate::capture::live::Live;
use crate::capture::privileges::sandbox::Layers;
use crate::capture::savefile::Savefiles;
use crate::capture::{Source, devices};
use crate::frame::{LinkType, Span};
use crate::frame_files::FrameFiles;
use crate::limits::{Limits, time};
use crate::pipeline::{self, Recorder, Streams};
use crate::policy::{Checksum, Overlap, Policy};
use crate::render::{self, Banner, OutputEnd};
use crate::search::Query;
use crate::stop::Stop;

use super::args::{Args, LayersName};
use super::meant::{Meant, meant};
use super::problem::Problem;
use super::{appearance, opened, words};

/// Everything a run needs.
pub struct Config {
    /// A run before this one, to compare with it.
    pub first: Option<Box<First>>,
    /// The source of frames.
    pub input: Input,
    /// The settings of the pipeline.
    pub pipeline: pipeline::Settings,
    /// The settings of the output.
    pub render: render::Settings,
    /// The opened file of `-O`.
    pub recorder: Option<Recorder>,
    /// The files of `--streams`.
    pub streams: Option<Streams>,
    /// The opened file of the output, if it has one.
    pub output_file: Option<Box<dyn Write>>,
    /// Records go to standard error, because `-O -` uses standard output.
    pub records_to_stderr: bool,
    /// The contents of the banner.
    pub banner: Banner,
    /// The pattern as typed, for messages; empty without one.
    pub pattern: String,
    /// The capture filter as typed.
    pub filter: Option<String>,
    /// Only warnings and errors on standard error.
    pub quiet: bool,
    /// Replay a file at its original speed.
    pub realtime: bool,
    /// Files are read by a thread of their own.
    pub reader_thread: bool,
    /// Page the output.
    pub pager: bool,
    /// Keep root rights.
    pub keep_root: bool,
    /// The layers of the sandbox.
    pub layers: Layers,
    /// The user to become.
    pub user: Option<String>,
    /// Input of the diagnosis of a run without output.
    pub about: About,
    /// Hints for the user; each is shown at most once.
    pub hints: Vec<String>,
}

/// The first of two compared runs.
pub struct First {
    /// The source of its frames.
    pub input: Input,
    /// The settings of its pipeline.
    pub pipeline: pipeline::Settings,
    /// The contents of its banner.
    pub banner: Banner,
}

/// Input of the diagnosis: facts about a run that explain missing output.
#[derive(Clone, Debug)]
pub struct About {
    /// The program's arguments, quoted for a shell.
    pub line: String,
    /// Case matters.
    pub case_sensitive: bool,
    /// Exchanges must meet conditions.
    pub conditions: bool,
    /// Matches are inverted.
    pub invert: bool,
    /// Packets without content are shown.
    pub show_empty: bool,
    /// Size of the kernel's buffer in bytes.
    pub buffer: usize,
}

/// The source of frames.
pub enum Input {
    /// Interfaces, with their names.
    Live(Box<Live>, Vec<String>),
    /// Files, with their paths.
    Files(Box<Savefiles>, Vec<PathBuf>),
}

impl Input {
    /// The input as a [`Source`].
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Live(live, _) => &mut **live,
            Self::Files(files, _) => &mut **files,
        }
    }

    /// Whether packets are captured live.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(..))
    }
}

/// Builds the configuration that `args` describe.
///
/// # Errors
/// Errors for the user.
pub fn configure(args: &Args, as_ngrep: bool) -> Result<Config, Problem> {
    let ngrep = as_ngrep || args.ngrep;
    let meant = meant(args, ngrep)?;
    let paths = opened::paths(args, &meant.words);
    let one = |paths: &[PathBuf]| configure_run(args, ngrep, &meant, paths);
    match paths.as_slice() {
        [first, second] if args.compares() => {
            nothing_saved(args)?;
            let first = one(std::slice::from_ref(first))?;
            let mut config = one(std::slice::from_ref(second))?;
            config.render.two_runs = true;
            config.first = Some(Box::new(First {
                input: first.input,
                pipeline: first.pipeline,
                banner: first.banner,
            }));
            Ok(config)
        }
        [_, _, _, ..] if args.compares() => Err(Problem::new(
            "--diff compares two exchanges of one file, or two files; there are more",
        )),
        paths => one(paths),
    }
}

/// Rejects saving options for two compared runs.
fn nothing_saved(args: &Args) -> Result<(), Problem> {
    let options = [
        (args.write.is_some(), "-O"),
        (args.streams.is_some(), "--streams"),
    ];
    match options.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Problem::new(format!(
            "{option} saves what is in one run; it does not go with --diff of two files"
        ))),
        None => Ok(()),
    }
}

/// The configuration of one run, over these files or live.
fn configure_run(
    args: &Args,
    ngrep: bool,
    meant: &Meant,
    paths: &[PathBuf],
) -> Result<Config, Problem> {
    let limits = limits(args);
    let Meant {
        words,
        asked,
        conditions,
        hints,
        ..
    } = meant;
    let (asked, conditions, mut hints) = (asked.clone(), conditions.clone(), hints.clone());
    let query = Query::compile(&asked).map_err(|error| Problem::pattern(&error))?;
    let pattern = asked.any.join(" | ");
    // Before anything is opened: a contradiction between options does not depend on rights.
    let mut render = appearance::render(args, ngrep, paths.is_empty(), limits)?;
    let span = span(args, paths.is_empty())?;
    let sorted = opened::in_order(args, ngrep, paths);
    let paths = sorted.as_deref().unwrap_or(paths);
    hints.extend(sorted.as_ref().map(|_| super::hints::IN_ORDER.to_owned()));
    let mut input = opened::open(args, paths, ngrep)?;
    let link = input
        .source()
        .interfaces()
        .first()
        .map_or(LinkType::ETHERNET, |interface| interface.link);
    let (filter, user_filter, banner_filter) =
        opened::filter(args, words, &mut input, link, ngrep)?;
    hints.extend(super::hints::pattern(words, &pattern, ngrep));
    let live = input.is_live();
    let (recorder, records_to_stderr) = opened::recorder(args, limits, link, ngrep, live)?;
    let quiet = args.quiet > 0;
    render.by_exchange = conditions.are_of_exchanges() && query.is_empty();
    let source = match &input {
        Input::Live(_, names) => {
            let net = names.first().and_then(|name| devices::ipv4_network(name));
            let net = net
                .map(|(net, mask)| format!(" ({net}/{mask})"))
                .unwrap_or_default();
            format!("interface: {}{net}", names.join(" "))
        }
        Input::Files(_, paths) => {
            let names: Vec<String> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            format!("input: {}", names.join(" "))
        }
    };
    let (interfaces, files, frame_files) = match &input {
        Input::Live(_, names) => (names.clone(), Vec::new(), FrameFiles::default()),
        Input::Files(open, paths) => (Vec::new(), paths.clone(), open.frame_files()),
    };
    let banner_pattern = if let (true, true, Some(word)) = (ngrep, args.word, &words.pattern) {
        format!(r"((^{word}\W)|(\W{word}$)|(\W{word}\W))")
    } else if args.hex_pattern && !pattern.starts_with("0x") && !pattern.is_empty() {
        format!("0x{pattern}")
    } else {
        pattern.clone()
    };
    let banner = Banner {
        source,
        filter: banner_filter,
        pattern: (!pattern.is_empty()).then_some((banner_pattern, args.invert)),
        output: args.write.as_ref().map(|path| path.display().to_string()),
        interfaces,
        files,
        frame_files,
        label: args.exchanges.label.clone().unwrap_or_default(),
        patterns: asked.any,
        and: asked.and,
        not: asked.not,
    };
    let about = About {
        line: words::line(),
        case_sensitive: !args.ignore_case && !args.hex_pattern,
        conditions: !conditions.is_empty(),
        invert: args.invert,
        show_empty: args.show_empty,
        buffer: args.buffer_size.unwrap_or(opened::BUFFER),
    };
    // These options need no pattern, and a user who reads files needs no first hint.
    let outputs = args.has_output(|format| format.is_whole) || args.streams.is_some();
    hints.extend(super::hints::nothing_asked(
        words,
        &pattern,
        about.conditions || ngrep || outputs || !live,
    ));
    Ok(Config {
        first: None,
        about,
        pipeline: pipeline::Settings {
            packets: ngrep,
            filter,
            query,
            conditions,
            span,
            invert: args.invert,
            show_empty: args.show_empty,
            max_count: if args.has_output(|format| format.ends == OutputEnd::FirstMatch) {
                Some(1)
            } else {
                args.max_count.filter(|most| *most > 0)
            },
            search_first: args.search_first,
            wire: args.wire,
            before: args.before.or(args.context).unwrap_or(0),
            after: args.after.or(args.context).unwrap_or(0),
            pair: args.pair,
            stand_out: args.show_header.clone(),
            live,
            limits,
            policy: Policy {
                overlap: args.overlap.map_or(Overlap::default(), Into::into),
                checksum: args.checksum.map_or(Checksum::default(), Into::into),
            },
            idle: if live {
                time::IDLE_LIVE
            } else {
                time::IDLE_FILE
            },
            stop: Stop::default(),
        },
        input,
        render,
        recorder,
        streams: opened::streams(args, ngrep)?,
        output_file: opened::output_file(args)?,
        records_to_stderr,
        banner,
        pattern,
        filter: user_filter,
        quiet,
        realtime: args.realtime && !live,
        reader_thread: !live && !ngrep && two_threads(args),
        pager: args.pager && !live,
        keep_root: args.keep_root,
        layers: layers(args),
        user: args.user.clone(),
        hints,
    })
}

/// The span of `--since` and `--until`.
fn span(args: &Args, live: bool) -> Result<Span, Problem> {
    let span = Span {
        since: args.exchanges.since,
        until: args.exchanges.until,
    };
    let wrong = if span.is_everything() {
        return Ok(span);
    } else if live {
        "--since and --until choose from files; a live capture is ended by Ctrl-C"
    } else if args.streams.is_some() {
        "--streams saves whole connections; it does not go with --since and --until"
    } else if span
        .since
        .zip(span.until)
        .is_some_and(|(since, until)| since >= until)
    {
        "--since is not before --until, so nothing began between them"
    } else {
        return Ok(span);
    };
    Err(Problem::new(wrong))
}

/// The layers of the sandbox to enter.
#[must_use]
pub fn layers(args: &Args) -> Layers {
    match args.selftest {
        _ if args.no_sandbox => Layers::None,
        Some(LayersName::Landlock) => Layers::Landlock,
        Some(LayersName::Seccomp) => Layers::Seccomp,
        Some(LayersName::All) | None => Layers::All,
    }
}

/// Whether to use two threads for files. A run that may end before its files do uses one, so that
/// the reader stops as well.
fn two_threads(args: &Args) -> bool {
    let early =
        args.max_count.is_some() || args.has_output(|format| format.ends != OutputEnd::Source);
    let two = match args.threads {
        Some(threads) => threads > 1,
        None => std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
    };
    two && !early && !args.realtime
}

fn limits(args: &Args) -> Limits {
    let mut limits = Limits::default();
    limits.memory = args.memory.unwrap_or(limits.memory);
    limits.flows = args.max_flows.unwrap_or(limits.flows);
    limits.body = args.max_body.unwrap_or(limits.body);
    limits
}

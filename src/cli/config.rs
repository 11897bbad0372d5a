//! What was meant: from options to built things. The sources are opened here, the rest is plain values.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use crate::capture::dump::{self, Dump, DumpFormat, Flush};
use crate::capture::filter::{Filter, KernelFilter};
use crate::capture::live::{Live, LiveSettings, Way};
use crate::capture::savefile::{self, Savefiles};
use crate::capture::{MAX_SNAPLEN, Source, devices};
use crate::frame::LinkType;
use crate::limits::{Limits, time};
use crate::pipeline::{self, Recorder, Scope};
use crate::render::{self, Banner, Body, Escape, Time, View, What};
use crate::search::{Asked, Options, Query};

use super::args::{Args, BodyName, ColorName, ViewName, Way as WayName};
use super::problem::Problem;
use super::words::{self, Words, WordsError};

/// Everything a run needs.
pub struct Config {
    /// Where frames come from.
    pub input: Input,
    /// What is done with them.
    pub pipeline: pipeline::Settings,
    /// How hits are shown.
    pub render: render::Settings,
    /// The file for `-O`, open.
    pub recorder: Option<Recorder>,
    /// Records go to standard error, since standard output is `-O`'s.
    pub records_to_stderr: bool,
    /// What is known at the start.
    pub banner: Banner,
    /// The pattern as typed, for messages; empty when there is none.
    pub pattern: String,
    /// The capture filter as typed.
    pub filter: Option<String>,
    /// No words on standard error but warnings and errors.
    pub quiet: bool,
    /// Replay a file at its own speed.
    pub realtime: bool,
    /// Page the output.
    pub pager: bool,
    /// Keep root.
    pub keep_root: bool,
    /// Whom to become.
    pub user: Option<String>,
    /// Things the user may want to know, at most once.
    pub hints: Vec<String>,
}

/// Where frames come from.
pub enum Input {
    /// Interfaces.
    Live(Box<Live>, Vec<String>),
    /// Files.
    Files(Box<Savefiles>, Vec<PathBuf>),
}

impl Input {
    /// It as what the loop reads from.
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Live(live, _) => &mut **live,
            Self::Files(files, _) => &mut **files,
        }
    }

    /// Whether packets are captured now.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(..))
    }
}

/// ngrep's filter for IP, tagged or not; and for link types that have no tags.
const TEMPLATES: [&str; 2] = ["((ip || ip6) || (vlan && (ip || ip6)))", "(ip || ip6)"];
/// The kernel's buffer for each interface.
const BUFFER: usize = 16 << 20;
/// As much of a packet as any interface gives, segments of loopback included.
const SNAPLEN: usize = 262_144;

/// Work out what `args` mean.
///
/// # Errors
/// In the user's words.
pub fn configure(args: &Args, as_ngrep: bool) -> Result<Config, Problem> {
    let ngrep = as_ngrep || args.ngrep;
    if args.kill.is_some() {
        return Err(Problem::new(
            "spygrep only listens: it sends nothing, so there is no -K",
        ));
    }
    let mut hints = super::hints::habits(args);
    let limits = limits(args);
    let (words, patterns) = meaning(args, ngrep)?;
    let asked = asked(args, &words, patterns, ngrep)?;
    let pattern = asked.any.join(" | ");
    let query = Query::compile(&asked).map_err(|error| Problem::pattern(&error))?;
    let mut input = open(args, &words)?;
    let link = input
        .source()
        .interfaces()
        .first()
        .map_or(LinkType::ETHERNET, |interface| interface.link);
    let (filter, user_filter, banner_filter) = filter(args, &words, &mut input, link, ngrep)?;
    hints.extend(super::hints::pattern(&words, &pattern, ngrep));
    let live = input.is_live();
    let (recorder, records_to_stderr) = recorder(args, limits, link, ngrep, live)?;
    let quiet = args.quiet > 0;
    let render = render(args, ngrep, live, limits)?;
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
    };
    Ok(Config {
        pipeline: pipeline::Settings {
            packets: ngrep,
            filter,
            query,
            invert: args.invert,
            show_empty: args.show_empty,
            max_count: if args.exists {
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
            idle: if live {
                time::IDLE_LIVE
            } else {
                time::IDLE_FILE
            },
        },
        input,
        render,
        recorder,
        records_to_stderr,
        banner,
        pattern,
        filter: user_filter,
        quiet,
        realtime: args.realtime && !live,
        pager: args.pager && !live,
        keep_root: args.keep_root,
        user: args.user.clone(),
        hints,
    })
}

fn limits(args: &Args) -> Limits {
    let mut limits = Limits::default();
    limits.memory = args.memory.unwrap_or(limits.memory);
    limits.flows = args.max_flows.unwrap_or(limits.flows);
    limits.body = args.max_body.unwrap_or(limits.body);
    limits
}

/// What the words mean, and the patterns that were given otherwise.
fn meaning(args: &Args, ngrep: bool) -> Result<(Words, Vec<String>), Problem> {
    let mut patterns = args.regexp.clone();
    for path in &args.pattern_files {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problem::new(format!(
                "cannot read the patterns in {}: {error}",
                path.display()
            ))
        })?;
        patterns.extend(text.lines().map(str::to_owned));
    }
    let has_pattern = !args.regexp.is_empty() || !args.pattern_files.is_empty();
    let is_capture = |word: &OsStr| !ngrep && savefile::looks_like_capture(Path::new(word));
    // The words are judged as on Ethernet: whether they are a filter hardly depends on the link, and none is open yet.
    let mut compiles = |text: &str| {
        if args.filter_file.is_some() {
            return Ok(());
        }
        Filter::check(text, LinkType::ETHERNET).map_err(|error| error.detail)
    };
    let words =
        words::decide(&args.words, has_pattern, &is_capture, &mut compiles).map_err(|error| {
            match error {
                WordsError::NotText(word) => Problem::new(format!(
                    "\"{}\" is neither UTF-8 nor a capture file",
                    word.display()
                )),
                WordsError::Filter { filter, detail } => {
                    super::hints::filter_problem(&filter, &detail)
                }
            }
        })?;
    Ok((words, patterns))
}

fn asked(
    args: &Args,
    words: &Words,
    mut patterns: Vec<String>,
    ngrep: bool,
) -> Result<Asked, Problem> {
    if args.hex_pattern && (args.ignore_case || args.word) {
        return Err(Problem::new(
            "-X gives bytes, so -i and -w mean nothing with it",
        ));
    }
    patterns.extend(words.pattern.clone());
    let options = Options {
        ignore_case: args.ignore_case,
        word: args.word && !ngrep,
        fixed_strings: args.fixed_strings,
        hex: args.hex_pattern,
        unicode: args.unicode,
        dot_all: (args.dotall || ngrep) && !args.no_dotall,
        line_anchors: true,
        crlf: !ngrep,
        lazy: ngrep,
        plain_x: ngrep,
    };
    patterns.retain(|pattern| !pattern.is_empty());
    if ngrep && args.word {
        // What ngrep makes of -w, with the group around the pattern that it forgets.
        patterns = patterns
            .iter()
            .map(|word| format!(r"((^(?:{word})\W)|(\W(?:{word})$)|(\W(?:{word})\W))"))
            .collect();
    }
    Ok(Asked {
        any: patterns,
        and: args.and.clone(),
        not: args.not.clone(),
        options,
    })
}

fn open(args: &Args, words: &Words) -> Result<Input, Problem> {
    let paths: Vec<PathBuf> = args.read.iter().chain(&words.files).cloned().collect();
    if !paths.is_empty() {
        if !args.devices.is_empty() {
            return Err(Problem::new(
                "either an interface (-d) or files are read, not both",
            ));
        }
        let files = Savefiles::open(&paths).map_err(|error| Problem::capture(&error))?;
        return Ok(Input::Files(Box::new(files), paths));
    }
    let names = if args.devices.is_empty() {
        vec!["any".to_owned()]
    } else {
        args.devices.clone()
    };
    let settings = LiveSettings {
        devices: names.clone(),
        snaplen: bounded(args.snaplen.filter(|len| *len > 0).unwrap_or(SNAPLEN)),
        promiscuous: !args.no_promiscuous,
        buffer_size: bounded(args.buffer_size.unwrap_or(BUFFER)),
        direction: args.direction.map(|way| match way {
            WayName::In => Way::In,
            WayName::Out => Way::Out,
        }),
        ..LiveSettings::default()
    };
    let live = Live::open(&settings).map_err(|error| Problem::capture(&error))?;
    Ok(Input::Live(Box::new(live), names))
}

/// A size as libpcap takes it.
fn bounded(size: usize) -> u32 {
    i32::try_from(size).unwrap_or(i32::MAX).cast_unsigned()
}

/// The filter to run, as the user typed it, and as ngrep's banner tells it.
fn filter(
    args: &Args,
    words: &Words,
    input: &mut Input,
    link: LinkType,
    ngrep: bool,
) -> Result<(Option<Filter>, Option<String>, String), Problem> {
    let text = match &args.filter_file {
        Some(path) => Some(filter_file(path, ngrep)?),
        None => words.filter.clone(),
    };
    let wrong = |text: &str, detail: &str| super::hints::filter_problem(text, detail);
    if ngrep {
        let template = TEMPLATES
            .into_iter()
            .find(|template| Filter::check(template, link).is_ok())
            .unwrap_or_default();
        let whole = text.as_ref().map_or_else(
            || template.to_owned(),
            |text| format!("( {text} ) and {template}"),
        );
        Filter::check(&whole, link)
            .map_err(|error| wrong(text.as_deref().unwrap_or(""), &error.detail))?;
        // Live, the kernel applies it as it is.
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

/// A filter from a file: comments and line ends are blanks. (ngrep takes the first line only.)
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

fn recorder(
    args: &Args,
    limits: Limits,
    link: LinkType,
    ngrep: bool,
    live: bool,
) -> Result<(Option<Recorder>, bool), Problem> {
    let Some(path) = &args.write else {
        return match args.write_flow {
            true => Err(Problem::new(
                "--write-flow says how much -O writes; there is no -O",
            )),
            false => Ok((None, false)),
        };
    };
    let format = match DumpFormat::of(path) {
        DumpFormat::Pcap if !ngrep => DumpFormat::PcapNanos,
        other => other,
    };
    let flush = if live {
        Flush::EachPacket
    } else {
        Flush::Gathered
    };
    let to_stdout = path == Path::new("-");
    let snaplen = MAX_SNAPLEN;
    let dump = dump::create(path)
        .and_then(|out| Dump::new(out, format, flush, link, snaplen))
        .map_err(|error| Problem::new(format!("cannot write {}: {error}", path.display())))?;
    let scope = if args.write_flow {
        Scope::Flow
    } else {
        Scope::Message
    };
    Ok((Some(Recorder::new(dump, scope, limits.recorder)), to_stdout))
}

fn render(
    args: &Args,
    ngrep: bool,
    live: bool,
    limits: Limits,
) -> Result<render::Settings, Problem> {
    let dot = match args.nonprintable.as_deref() {
        None => '.',
        Some(text) => match text
            .chars()
            .next()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
        {
            Some(c) => c,
            None => return Err(Problem::new("-P wants a printable ASCII character")),
        },
    };
    let view = match args.view {
        None if ngrep => View::Normal,
        None | Some(ViewName::Spy) => View::Spy,
        Some(ViewName::Byline) => View::Byline,
        Some(ViewName::Normal) => View::Normal,
        Some(ViewName::Single) => View::Single,
        Some(ViewName::None) => View::None,
    };
    if args.hex && !matches!(view, View::Normal | View::Spy) {
        return Err(Problem::new(
            "-x has a layout of its own; it goes with -W spy and -W normal only",
        ));
    }
    let chosen = [args.only_matching, args.count, args.exists, args.list];
    if chosen.iter().filter(|chosen| **chosen).count() > 1 {
        return Err(Problem::new(
            "-o, --count, --exists and --list each say what is shown; choose one",
        ));
    }
    let what = match chosen {
        [true, ..] => What::Matches(args.with_flow),
        [_, true, ..] => What::Count,
        [_, _, true, _] => What::Nothing,
        [_, _, _, true] => What::Conversations,
        _ => What::Records,
    };
    // ngrep asks standard input for its width.
    let size = if ngrep {
        terminal_size::terminal_size_of(io::stdin())
    } else {
        terminal_size::terminal_size()
    };
    let columns = args
        .width
        .filter(|columns| *columns > 0)
        .or(size.map(|(width, _)| width.0))
        .unwrap_or(80);
    if columns < 6 {
        return Err(Problem::new("-c wants at least 6 columns"));
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let utf8_locale =
        locale.is_none_or(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
    let utf8 = if ngrep {
        args.utf8
    } else {
        !args.ascii && (utf8_locale || args.utf8)
    };
    Ok(render::Settings {
        what,
        view,
        hex: args.hex,
        packets: ngrep,
        columns: usize::from(columns),
        escape: Escape {
            utf8,
            tab: !ngrep && !matches!(view, View::Normal | View::Single),
            dot,
        },
        color: color(args, ngrep),
        signs: utf8,
        time: match (args.time, args.delta) {
            (true, _) => Time::Absolute,
            (_, 0) => Time::None,
            (_, count) if count % 2 == 1 => Time::Delta,
            _ => Time::SinceFirst,
        },
        protocol_number: args.protocol_number,
        quiet: args.quiet,
        body: match args.body {
            None | Some(BodyName::Short) => Body::Short,
            Some(BodyName::None) => Body::None,
            Some(BodyName::Full) => Body::Full,
        },
        max_body: limits.body,
        live,
    })
}

/// `--color`, then `CLICOLOR_FORCE` and `NO_COLOR`, then whether there is a terminal to see it.
fn color(args: &Args, ngrep: bool) -> bool {
    let set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    match args.color {
        Some(ColorName::Always) => true,
        Some(ColorName::Never) => false,
        _ if args.color_always => true,
        _ if ngrep => false,
        _ if set("NO_COLOR") => false,
        _ if set("CLICOLOR_FORCE") => true,
        _ => {
            io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

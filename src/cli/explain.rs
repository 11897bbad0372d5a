//! `--explain`: what a command line would do, without doing it.
//!
//! Needs no rights: it reports whether they suffice.

use std::path::{Path, PathBuf};

use crate::capture::filter::{Filter, KernelFilter};
use crate::capture::live::Live;
use crate::capture::savefile::Savefiles;
use crate::capture::{CaptureError, Source as _, devices, privileges};
use crate::frame::LinkType;
use crate::limits::Limits;
use crate::render::{self, Escape};

use super::args::Args;
use super::meant::{self, Meant};
use super::problem::Problem;
use super::words::Words;
use super::{appearance, hints, interfaces, opened, summary};

/// Names of the most common link types.
const LINKS: [(LinkType, &str); 6] = [
    (LinkType::ETHERNET, "Ethernet"),
    (LinkType::LINUX_SLL, "Linux cooked"),
    (LinkType::LINUX_SLL2, "Linux cooked 2"),
    (LinkType::RAW, "raw IP"),
    (LinkType::NULL, "BSD loopback"),
    (LinkType::PPP, "PPP"),
];

/// The explanation, one line per fact.
///
/// # Errors
/// The errors of a run, except for missing rights.
pub fn explain(args: &Args, as_ngrep: bool) -> Result<String, Problem> {
    let ngrep = as_ngrep || args.ngrep;
    let Meant { words, asked, .. } = meant::meant(args, ngrep)?;
    appearance::render(args, ngrep, true, Limits::default())?;
    let files: Vec<PathBuf> = args.read.iter().chain(&words.files).cloned().collect();
    let files = opened::in_order(args, ngrep, &files).unwrap_or(files);
    let mut rows = vec![("words", taken_for(&words))];
    let (link, refused) = match files.is_empty() {
        true => listen(args, &mut rows)?,
        false if args.devices.is_empty() => (read(&files, &mut rows)?, None),
        false => return Err(opened::both()),
    };
    let text = opened::filter_text(args, &words, ngrep)?;
    rows.push((
        "filter",
        filter(text.as_deref(), link, ngrep, files.is_empty())?,
    ));
    rows.extend(summary::looked_for(args, &asked));
    rows.push(("output", summary::output(args, ngrep)));
    if !args.no_sandbox {
        let offered = crate::capture::privileges::sandbox::available();
        rows.push(("sandbox", offered.to_string()));
    }
    rows.push(("rights", who(files.is_empty(), refused.as_ref())));
    rows.extend(becomes(args)?.map(|text| ("becomes", text)));
    let mut out = String::new();
    for (name, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
        for (at, line) in text.lines().enumerate() {
            let name = if at == 0 { *name } else { "" };
            out.push_str(&format!("{name:12}{}\n", clean(line)));
        }
    }
    for line in refused.iter().flat_map(Problem::advice) {
        out.push_str(&format!("{:12}{}\n", "", clean(line)));
    }
    Ok(out)
}

/// How the words were interpreted.
fn taken_for(words: &Words) -> String {
    let files: Vec<String> = words
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let parts = [
        words
            .pattern
            .as_ref()
            .map(|text| format!("pattern \"{text}\"")),
        words
            .filter
            .as_ref()
            .map(|text| format!("filter \"{text}\"")),
        (!files.is_empty()).then(|| format!("files {}", files.join(", "))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The interfaces with their link types, and the reason if they cannot be opened for lack of
/// rights.
fn listen(
    args: &Args,
    rows: &mut Vec<(&'static str, String)>,
) -> Result<(LinkType, Option<Problem>), Problem> {
    let mut settings = opened::settings(args)?;
    // Opened only to test whether that is possible; this changes nothing on the interface.
    settings.promiscuous = false;
    let known = devices::list().unwrap_or_default();
    for name in &settings.devices {
        let device = known.iter().find(|device| device.name == *name);
        let about = device.map_or_else(String::new, |device| {
            format!(
                ": {} · {}",
                interfaces::state(device),
                interfaces::about(device)
            )
        });
        rows.push(("interface", format!("{name}{about}")));
    }
    match Live::open(&settings) {
        Ok(live) => Ok((first_link(live.interfaces()), None)),
        Err(error @ CaptureError::NoRights { .. }) => {
            Ok((LinkType::ETHERNET, Some(Problem::capture(&error))))
        }
        Err(error) => Err(Problem::capture(&error)),
    }
}

/// The files with their sizes.
fn read(paths: &[PathBuf], rows: &mut Vec<(&'static str, String)>) -> Result<LinkType, Problem> {
    let files = Savefiles::open(paths).map_err(|error| Problem::capture(&error))?;
    for path in paths {
        rows.push((
            "file",
            match path.metadata() {
                _ if path == Path::new("-") => "standard input".to_owned(),
                Ok(metadata) if metadata.is_file() => {
                    format!("{} · {}", path.display(), render::size(metadata.len()))
                }
                _ => path.display().to_string(),
            },
        ));
    }
    Ok(first_link(files.interfaces()))
}

fn first_link(interfaces: &[crate::capture::Interface]) -> LinkType {
    interfaces
        .first()
        .map_or(LinkType::ETHERNET, |interface| interface.link)
}

/// The filter as typed, and how it is applied.
fn filter(typed: Option<&str>, link: LinkType, ngrep: bool, live: bool) -> Result<String, Problem> {
    let frames = LINKS.iter().find(|(known, _)| *known == link).map_or_else(
        || format!("link type {link}"),
        |(_, name)| (*name).to_owned(),
    );
    let whole = match (ngrep, typed) {
        (true, _) => opened::with_template(typed, link),
        (false, Some(typed)) => typed.to_owned(),
        (false, None) => return Ok("none: every packet".to_owned()),
    };
    let length = Filter::length(&whole, link)
        .map_err(|error| hints::filter_problem(typed.unwrap_or(&whole), &error.detail))?;
    let mut text = format!("{whole}\ncompiled for {frames}: {length} instructions");
    let kernel = KernelFilter::Superset(&whole).compiled(link);
    if let (true, false, Some((given, length))) = (live, ngrep, kernel)
        && given != whole
    {
        text.push_str(&format!(
            "\nthe kernel also lets fragments and VLAN tags through, with {length} instructions:\n{given}"
        ));
    }
    Ok(text)
}

/// The current user, and whether its rights suffice.
fn who(live: bool, refused: Option<&Problem>) -> String {
    let held = privileges::describe_process();
    match (live, refused) {
        (false, _) => format!("{held}; reading files needs no more"),
        (true, None) => format!("{held}; enough to capture here"),
        (true, Some(problem)) => format!("{held}; not enough: {}", problem.what()),
    }
}

/// The user to become, if the program starts as root.
fn becomes(args: &Args) -> Result<Option<String>, Problem> {
    if args.keep_root {
        return Ok(Some("nobody else: -R keeps root's rights".to_owned()));
    }
    let target_user = privileges::target_user(args.user.as_deref())
        .map_err(|error| Problem::new(error.to_string()))?;
    Ok(target_user.map(|name| format!("{name}, once everything is open")))
}

/// Names of files and interfaces come from outside and may contain control characters.
fn clean(line: &str) -> String {
    let escape = Escape {
        utf8: true,
        tab: true,
        dot: '.',
    };
    let mut out = Vec::new();
    escape.write_str(line, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

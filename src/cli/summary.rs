//! Describes the options of a command line in words, for `--explain`: the search and the output.
//!
//! Pure functions of the options.

use crate::render;
use crate::search::QuerySpec;

use super::args::{Args, Chosen, OnlyName, ViewName};

/// Patterns, their syntax, and conditions: one row each.
pub(super) fn looked_for(args: &Args, asked: &QuerySpec) -> Vec<(&'static str, String)> {
    let mut rows = vec![("pattern", patterns(args, asked))];
    rows.extend(asked.and.iter().map(|text| ("and", text.clone())));
    rows.extend(asked.not.iter().map(|text| ("not", text.clone())));
    let conditions = conditions(args);
    rows.extend((!conditions.is_empty()).then(|| ("exchanges", conditions.join(" · "))));
    rows
}

fn patterns(args: &Args, asked: &QuerySpec) -> String {
    let what = match asked.any.is_empty() {
        true => "none: everything with content".to_owned(),
        false => asked.any.join(" | "),
    };
    let options = asked.options;
    let flags = [
        (options.ignore_case, "case ignored"),
        (args.word, "whole words"),
        (options.fixed_strings, "plain text"),
        (options.hex, "bytes in hexadecimal"),
        (options.unicode, "Unicode"),
        (options.dot_all, ". crosses line ends"),
        (args.invert, "what does not match is shown"),
        (args.wire, "searched as sent"),
    ];
    let flags = flags
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, text)| text);
    [what.as_str()]
        .into_iter()
        .chain(flags)
        .collect::<Vec<_>>()
        .join(" · ")
}

fn conditions(args: &Args) -> Vec<String> {
    let asked = &args.exchanges;
    let mut all = Vec::new();
    if let Some(statuses) = &asked.status {
        let ranges = statuses
            .0
            .iter()
            .map(|range| match range.start() == range.end() {
                true => range.start().to_string(),
                false => format!("{}-{}", range.start(), range.end()),
            });
        all.push(format!("status {}", ranges.collect::<Vec<_>>().join(",")));
    }
    let lists = [("method", &asked.method), ("host", &asked.host)];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        all.push(format!("{name} {}", list.join(",")));
    }
    all.extend(asked.path.as_ref().map(|path| format!("path {path}")));
    all.extend(asked.header.iter().map(|header| format!("header {header}")));
    all.extend(
        asked
            .slow
            .map(|nanos| format!("waited for at least {}", render::duration(nanos))),
    );
    let spans = [("since", asked.since), ("until", asked.until)];
    all.extend(spans.iter().filter_map(|(word, time)| {
        let time = jiff::Timestamp::from_nanosecond(time.as_ref()?.nanos().into()).ok()?;
        Some(format!("begun {word} {time}"))
    }));
    all.extend(asked.only.map(|only| match only {
        OnlyName::Req => "requests alone".to_owned(),
        OnlyName::Resp => "answers alone".to_owned(),
    }));
    all
}

/// The output and its destination.
pub(super) fn output(args: &Args, ngrep: bool) -> String {
    let exchanges = &args.exchanges;
    let view = match args.view {
        None if ngrep => "normal",
        None | Some(ViewName::Spy) => "spy",
        Some(ViewName::Log) => "log",
        Some(ViewName::Byline) => "byline",
        Some(ViewName::Normal) => "normal",
        Some(ViewName::Single) => "single",
        Some(ViewName::None) => "none",
    };
    let named = |option: &str, path: &std::path::Path| format!("{option} {}", path.display());
    let first = args.outputs().next().map_or_else(
        || match ngrep {
            true => format!("packets as ngrep shows them, -W {view}"),
            false => format!("-W {view}"),
        },
        Chosen::words,
    );
    let of_what = if args.write_flow {
        "connections"
    } else {
        "packets"
    };
    let saved = [
        exchanges.timing.then(|| "where the time went".to_owned()),
        args.max_count
            .filter(|most| *most > 0)
            .map(|most| format!("stops after {most}")),
        args.write
            .as_ref()
            .map(|path| named(&format!("{of_what} of matches to"), path)),
        args.streams.as_ref().map(|path| named("streams in", path)),
    ];
    [first]
        .into_iter()
        .chain(saved.into_iter().flatten())
        .collect::<Vec<_>>()
        .join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn options_are_described_in_words() {
        let table = [
            ("GET", "pattern none: everything with content", "-W spy"),
            (
                "-i --wire GET",
                "pattern none: everything with content · case ignored · searched as sent",
                "-W spy",
            ),
            (
                "--status 5xx,404 --method GET,HEAD --slow 500ms --only req x",
                "pattern none: everything with content\nexchanges status 500-599,404 · method GET,HEAD · waited for at least 500 ms · requests alone",
                "-W spy",
            ),
            (
                "--json -n 3 x",
                "pattern none: everything with content",
                "JSON lines · stops after 3",
            ),
            (
                "-O a.pcap --write-flow -W log --timing x",
                "pattern none: everything with content",
                "-W log · where the time went · connections of matches to a.pcap",
            ),
        ];
        for (line, rows, out) in table {
            let words = ["spygrep"].into_iter().chain(line.split(' '));
            let args = Args::read(words.map(OsString::from)).expect(line);
            let mut asked = QuerySpec::default();
            asked.options.ignore_case = args.ignore_case;
            let got: Vec<String> = looked_for(&args, &asked)
                .iter()
                .map(|(name, text)| format!("{name} {text}"))
                .collect();
            assert_eq!(got.join("\n"), rows, "{line}");
            assert_eq!(output(&args, false), out, "{line}");
        }
    }
}

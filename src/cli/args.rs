//! The table of options. The parser and the help texts are generated from it.
//!
//! Nothing is opened, compiled or looked up here; [`super::config`] does that. Every option letter
//! of ngrep keeps its meaning; letters that ngrep does not use follow grep.

mod exchanges;
mod names;
mod outputs;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser};

use crate::capture::writer::Full;
use crate::render::{OutputFormat, Secrets};

pub use exchanges::{ExchangeArgs, OnlyName, Statuses};
pub use names::{
    BodyName, ChecksumName, ColorName, Generated, LayersName, OverlapName, ViewName, Way,
};
pub use outputs::{Chosen, OutputArgs};

/// See what your programs say over the network.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "spygrep",
    version,
    disable_version_flag = true,
    disable_help_flag = true,
    args_override_self = true,
    max_term_width = 98,
    override_usage = "spygrep [OPTIONS] [PATTERN] [BPF FILTER ...]\n       spygrep [OPTIONS] [PATTERN] FILE.pcap ..."
)]
pub struct Args {
    /// A regular expression to search for, then a capture filter (tcpdump's syntax) or capture
    /// files.
    #[arg(value_name = "PATTERN | FILTER | FILE", hide = true)]
    pub words: Vec<OsString>,

    // -- where from --
    /// Listen on this interface (repeatable; default: any).
    #[arg(
        short = 'd',
        long = "device",
        value_name = "IF",
        help_heading = "Where from"
    )]
    pub devices: Vec<String>,
    /// List the interfaces with their state, packets a second and addresses.
    #[arg(short = 'L', long = "list-interfaces", help_heading = "Where from")]
    pub list_interfaces: bool,
    /// Read a capture file instead: pcap or pcapng, gzip or zstd compressed too; - is standard
    /// input (repeatable).
    #[arg(
        short = 'I',
        long = "read",
        value_name = "FILE",
        help_heading = "Where from"
    )]
    pub read: Vec<PathBuf>,
    /// Read several files in the order in which they are given, not in the order of their first
    /// packets.
    #[arg(long = "as-given", help_heading = "Where from")]
    pub as_given: bool,
    /// Print for each file its number of packets and the times of the first and the last, as a
    /// line of JSON; and stop. All words are files.
    #[arg(long = "index", help_heading = "Where from")]
    pub index: bool,
    /// Take the capture filter from this file.
    #[arg(
        short = 'F',
        long = "filter-file",
        value_name = "FILE",
        help_heading = "Where from"
    )]
    pub filter_file: Option<PathBuf>,
    /// Capture at most this many bytes of each packet (default: all, up to 262144).
    #[arg(short = 's', long = "snaplen", value_name = "BYTES", value_parser = super::units::bytes, help_heading = "Where from")]
    pub snaplen: Option<usize>,
    /// Do not put the interface into promiscuous mode.
    #[arg(short = 'p', long = "no-promiscuous", help_heading = "Where from")]
    pub no_promiscuous: bool,
    /// Only packets that come in or go out, where the interface tells.
    #[arg(
        short = 'Q',
        long = "direction",
        value_name = "in|out",
        hide_possible_values = true,
        help_heading = "Where from"
    )]
    pub direction: Option<Way>,
    /// Replay a file at the speed it was recorded.
    #[arg(short = 'D', long = "realtime", help_heading = "Where from")]
    pub realtime: bool,
    /// Keep root's rights (they are given up once everything is open); the sandbox holds all the
    /// same.
    #[arg(short = 'R', long = "keep-root", help_heading = "Where from")]
    pub keep_root: bool,

    // -- what to look for --
    /// Ignore case.
    #[arg(short = 'i', long = "ignore-case", help_heading = "What to look for")]
    pub ignore_case: bool,
    /// Show what does not match.
    #[arg(short = 'v', long = "invert-match", help_heading = "What to look for")]
    pub invert: bool,
    /// Match whole words only.
    #[arg(short = 'w', long = "word-regexp", help_heading = "What to look for")]
    pub word: bool,
    /// The pattern is bytes in hexadecimal: 0x474554.
    #[arg(short = 'X', long = "hex-pattern", help_heading = "What to look for")]
    pub hex_pattern: bool,
    /// A pattern; any of them may match (repeatable). The words are then a filter and files only.
    #[arg(
        long = "regexp",
        value_name = "PATTERN",
        allow_hyphen_values = true,
        help_heading = "What to look for"
    )]
    pub regexp: Vec<String>,
    /// Take patterns from this file, one a line; any of them may match (repeatable). The words are
    /// a filter and files only.
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        help_heading = "What to look for"
    )]
    pub pattern_files: Vec<PathBuf>,
    /// The same message must match this pattern as well (repeatable).
    #[arg(
        long = "and",
        value_name = "PATTERN",
        help_heading = "What to look for"
    )]
    pub and: Vec<String>,
    /// The same message must not match this pattern (repeatable).
    #[arg(
        long = "not",
        value_name = "PATTERN",
        help_heading = "What to look for"
    )]
    pub not: Vec<String>,
    /// Patterns are the characters themselves, not regular expressions.
    #[arg(long = "fixed-strings", help_heading = "What to look for")]
    pub fixed_strings: bool,
    /// Unicode classes and case folding in patterns.
    #[arg(long = "unicode", help_heading = "What to look for")]
    pub unicode: bool,
    /// The dot of a pattern crosses line ends.
    #[arg(long = "dotall", help_heading = "What to look for")]
    pub dotall: bool,
    /// The dot of a pattern stops at line ends (otherwise it crosses them with --ngrep, and in what
    /// is no text).
    #[arg(short = 'M', long = "no-dotall", help_heading = "What to look for")]
    pub no_dotall: bool,
    /// Search and show only the first bytes of each message.
    #[arg(short = 'S', long = "search-first", value_name = "BYTES", value_parser = super::units::bytes, help_heading = "What to look for")]
    pub search_first: Option<usize>,
    /// Search bytes as they were sent: HTTP is not taken apart.
    #[arg(long = "wire", help_heading = "What to look for")]
    pub wire: bool,
    /// Also show packets without payload.
    #[arg(short = 'e', long = "show-empty", help_heading = "What to look for")]
    pub show_empty: bool,
    /// Stop after this many matches (also -m).
    #[arg(
        short = 'n',
        long = "max-count",
        short_alias = 'm',
        value_name = "NUM",
        help_heading = "What to look for"
    )]
    pub max_count: Option<u64>,

    /// Which exchanges, and what is made of them.
    #[command(flatten)]
    pub exchanges: ExchangeArgs,

    // -- how to show it --
    /// The view: spy (default), log (a line for each exchange), or one of ngrep's byline, normal,
    /// single, none.
    #[arg(
        short = 'W',
        long = "view",
        value_name = "VIEW",
        hide_possible_values = true,
        ignore_case = true,
        help_heading = "How to show it"
    )]
    pub view: Option<ViewName>,
    /// Show bytes in hexadecimal beside the text.
    #[arg(short = 'x', long = "hex", help_heading = "How to show it")]
    pub hex: bool,
    /// Show the time of each record.
    #[arg(
        short = 't',
        long = "time",
        overrides_with = "delta",
        help_heading = "How to show it"
    )]
    pub time: bool,
    /// Show the time since the record before; twice: since the first.
    #[arg(short = 'T', long = "delta", action = ArgAction::Count, overrides_with = "time", help_heading = "How to show it")]
    pub delta: u8,
    /// Show this many messages after a match, of the same conversation.
    #[arg(
        short = 'A',
        long = "after-context",
        value_name = "NUM",
        help_heading = "How to show it"
    )]
    pub after: Option<usize>,
    /// Show this many messages before a match, of the same conversation.
    #[arg(
        short = 'B',
        long = "before-context",
        value_name = "NUM",
        help_heading = "How to show it"
    )]
    pub before: Option<usize>,
    /// Both -A and -B.
    #[arg(long = "context", value_name = "NUM", help_heading = "How to show it")]
    pub context: Option<usize>,
    /// Show both halves of an exchange in full when one matches.
    #[arg(long = "pair", help_heading = "How to show it")]
    pub pair: bool,
    /// How much of a body to show: none, short (40 lines, 4 KiB; the default) or full.
    #[arg(
        long = "body",
        value_name = "none|short|full",
        hide_possible_values = true,
        help_heading = "How to show it"
    )]
    pub body: Option<BodyName>,
    /// Let this header stand out as well; with -W log a column (repeatable).
    #[arg(
        long = "show-header",
        value_name = "NAME",
        help_heading = "How to show it"
    )]
    pub show_header: Vec<String>,
    /// The outputs of records.
    #[command(flatten)]
    pub tallies: OutputArgs<false>,
    /// With -o: time and flow in front of each line.
    #[arg(short = 'H', long = "with-flow", help_heading = "How to show it")]
    pub with_flow: bool,
    /// Be quiet: no banner, hints and summary; -qqq: header lines only; -qqqq: nothing.
    #[arg(short = 'q', long = "quiet", action = ArgAction::Count, help_heading = "How to show it")]
    pub quiet: u8,
    /// Colour: auto, always or never.
    #[arg(long = "color", value_name = "WHEN", hide_possible_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "always", help_heading = "How to show it")]
    pub color: Option<ColorName>,
    /// The same as --color=always.
    #[arg(short = 'C', help_heading = "How to show it")]
    pub color_always: bool,
    /// Show other than ASCII characters as dots.
    #[arg(long = "ascii", help_heading = "How to show it")]
    pub ascii: bool,
    /// The character shown for what cannot be shown (default: a dot).
    #[arg(
        short = 'P',
        long = "nonprintable",
        value_name = "CHAR",
        help_heading = "How to show it"
    )]
    pub nonprintable: Option<String>,
    /// The width of lines in the views that wrap (default: the terminal's).
    #[arg(
        short = 'c',
        long = "width",
        value_name = "COLUMNS",
        help_heading = "How to show it"
    )]
    pub width: Option<u16>,
    /// Show the number of the IP protocol.
    #[arg(short = 'N', long = "protocol-number", help_heading = "How to show it")]
    pub protocol_number: bool,
    /// Page the output (files only).
    #[arg(long = "pager", help_heading = "How to show it")]
    pub pager: bool,
    /// Behave exactly like ngrep: packets, not messages. On as well when the program is called
    /// ngrep.
    #[arg(long = "ngrep", help_heading = "How to show it")]
    pub ngrep: bool,
    /// Show UTF-8 as it is (always on; with --ngrep it must be asked for).
    #[arg(short = 'u', long = "utf8", help_heading = "How to show it")]
    pub utf8: bool,
    /// Accepted for ngrep's sake: every record is written when it is complete.
    #[arg(short = 'l', hide = true)]
    pub line_buffered: bool,

    // -- what to save --
    /// Save the packets of what matched; - is standard output. A name that ends in .pcapng makes a
    /// pcapng file.
    #[arg(
        short = 'O',
        long = "write",
        value_name = "FILE",
        help_heading = "What to save"
    )]
    pub write: Option<PathBuf>,
    /// With -O: begin the next file at this size (100M), or after this span of capture time (10m).
    #[arg(long = "rotate", value_name = "SIZE|DURATION", value_parser = super::units::full, help_heading = "What to save")]
    pub rotate: Option<Full>,
    /// With --rotate: write so many files in turn, named x-1.pcap and so on; then the first again.
    #[arg(long = "keep", value_name = "NUM", value_parser = super::units::files, help_heading = "What to save")]
    pub keep: Option<usize>,
    /// With -O: save the whole connection of a match.
    #[arg(long = "write-flow", help_heading = "What to save")]
    pub write_flow: bool,

    /// Save each direction of each connection as a file in this folder, whatever matches; holes are
    /// listed in its index.tsv.
    #[arg(long = "streams", value_name = "DIR", help_heading = "What to save")]
    pub streams: Option<PathBuf>,
    /// With --streams: a hole is zero bytes in the file, so that offsets are those of the stream.
    #[arg(long = "fill-gaps", help_heading = "What to save")]
    pub fill_gaps: bool,

    // -- limits --
    /// The kernel's capture buffer, for each interface (default 16M).
    #[arg(long = "buffer-size", value_name = "BYTES", value_parser = super::units::bytes, help_heading = "Limits")]
    pub buffer_size: Option<usize>,
    /// Bytes of streams held at once (default 128M).
    #[arg(long = "mem", value_name = "BYTES", value_parser = super::units::bytes, help_heading = "Limits")]
    pub memory: Option<usize>,
    /// Connections remembered at once (default 81920).
    #[arg(long = "max-flows", value_name = "NUM", help_heading = "Limits")]
    pub max_flows: Option<usize>,
    /// Bytes of a body kept to be shown in full (default 1M).
    #[arg(long = "max-body", value_name = "BYTES", value_parser = super::units::bytes, help_heading = "Limits")]
    pub max_body: Option<usize>,
    /// Threads that work on files: 1 or 2 (default: 2, on a machine that has them). What is shown
    /// is the same. A run that may end before its files do (-n, --exists, --curl, --diff), or
    /// replays them at their speed (-D), has one.
    #[arg(long = "threads", value_name = "NUM", value_parser = clap::value_parser!(u8).range(1..=2), help_heading = "Limits")]
    pub threads: Option<u8>,
    /// Which copy of bytes that were sent twice with different content is the stream's: first (the
    /// default), last, bsd or linux; the other is searched apart.
    #[arg(
        long = "overlap",
        value_name = "WHICH",
        hide_possible_values = true,
        help_heading = "Limits"
    )]
    pub overlap: Option<OverlapName>,
    /// Look at TCP checksums when something hangs on them (auto, the default), always (on), or
    /// never (off).
    #[arg(
        long = "checksum",
        value_name = "WHEN",
        hide_possible_values = true,
        help_heading = "Limits"
    )]
    pub checksum: Option<ChecksumName>,
    /// Become this user once everything is open (default: who called sudo, else nobody).
    #[arg(long = "user", value_name = "NAME", help_heading = "Limits")]
    pub user: Option<String>,

    /// Leave out the sandbox that holds the program once everything is open.
    #[arg(long = "no-sandbox", help_heading = "Limits")]
    pub no_sandbox: bool,
    /// Write over a file that is there (-O always does, as ngrep).
    #[arg(long = "force", help_heading = "Limits")]
    pub force: bool,
    /// Go into the sandbox, try what it must refuse, and print what came of it.
    #[arg(long = "sandbox-selftest", value_name = "WALLS", num_args = 0..=1, require_equals = true, default_missing_value = "all", hide = true)]
    pub selftest: Option<LayersName>,

    /// Accepted for ngrep's sake: addresses are shown as they are.
    #[arg(short = 'r', hide = true)]
    pub container_names: bool,
    /// Refused: spygrep only listens.
    #[arg(short = 'K', value_name = "NUM", hide = true)]
    pub kill: Option<String>,

    // -- about --
    /// Say what would be captured or read, how the words were taken, and whether the rights
    /// suffice; and stop.
    #[arg(long = "explain", help_heading = "About spygrep")]
    pub explain: bool,
    /// Print the man page or a shell's completions: man, complete-bash, complete-zsh or
    /// complete-fish.
    #[arg(
        long = "generate",
        value_name = "WHAT",
        hide_possible_values = true,
        help_heading = "About spygrep"
    )]
    pub generate: Option<Generated>,
    /// Print help on one screen.
    #[arg(short = 'h', help_heading = "About spygrep")]
    pub short_help: bool,
    /// Print all options, or help on patterns, filters, views, exchanges, json, streams,
    /// permissions or ngrep.
    #[arg(long = "help", value_name = "TOPIC", num_args = 0..=1, default_missing_value = "", help_heading = "About spygrep")]
    pub help: Option<String>,
    /// Print the version.
    #[arg(short = 'V', help_heading = "About spygrep")]
    pub short_version: bool,
    /// Print the version, libpcap's, and what is read.
    #[arg(long = "version", help_heading = "About spygrep")]
    pub version: bool,
}

impl Args {
    /// The selected outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &Chosen> {
        let of_messages = self.exchanges.outputs.chosen();
        self.tallies.chosen().iter().chain(of_messages)
    }

    /// Whether an output like this is selected.
    #[must_use]
    pub fn has_output(&self, is_like: impl Fn(&OutputFormat) -> bool) -> bool {
        self.outputs().any(|chosen| is_like(chosen.output.format))
    }

    /// Whether exchanges, or two runs, are compared.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.has_output(|format| format.secrets == Secrets::Compared)
    }

    /// Parses the command line: like [`Self::try_parse`], but accepts `--diff 1,2` for
    /// `--diff=1,2`.
    ///
    /// # Errors
    /// clap's error; also for a request for help.
    pub fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut words: Vec<OsString> = Vec::new();
        let mut over = false;
        for word in typed {
            let is_pair = |word: &OsString| {
                word.to_str()
                    .is_some_and(|text| super::units::pair(text).is_ok())
            };
            match words.last_mut() {
                Some(last) if !over && *last == "--diff" && is_pair(&word) => {
                    last.push("=");
                    last.push(word);
                }
                _ => {
                    over |= word == "--";
                    words.push(word);
                }
            }
        }
        Self::try_parse_from(words)
    }
}

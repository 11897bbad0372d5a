//! Options about exchanges: conditions, and the outputs made from them.
//!
//! The doc comments of the fields are the help texts.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::units;

/// Options about exchanges.
#[derive(Args, Debug, Clone, Default)]
pub struct ExchangeArgs {
    // -- which --
    /// Only exchanges with such a status: 404, 5xx, 500-503, or a list of these.
    #[arg(
        long,
        value_name = "LIST",
        value_parser = units::statuses,
        help_heading = "Which exchanges"
    )]
    pub status: Option<Statuses>,
    /// Only requests with such a method, or a list of them: GET,HEAD.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Which exchanges"
    )]
    pub method: Vec<String>,
    /// Only requests to such a host, without the port; * stands for anything: '*.example'.
    #[arg(
        long,
        value_name = "GLOB",
        value_delimiter = ',',
        help_heading = "Which exchanges"
    )]
    pub host: Vec<String>,
    /// Only requests whose path, without the query, matches.
    #[arg(long, value_name = "REGEX", help_heading = "Which exchanges")]
    pub path: Option<String>,
    /// Only exchanges with such a header, in the request or the response, whose value matches if
    /// one is given (repeatable).
    #[arg(long, value_name = "NAME[: REGEX]", help_heading = "Which exchanges")]
    pub header: Vec<String>,
    /// Search and show only requests (req), or only responses (resp).
    #[arg(
        long,
        value_name = "req|resp",
        hide_possible_values = true,
        help_heading = "Which exchanges"
    )]
    pub only: Option<OnlyName>,
    /// Only exchanges whose response took at least this long to begin: 500ms, 2s.
    #[arg(long, value_name = "DURATION", value_parser = units::nanos, help_heading = "Which exchanges")]
    pub slow: Option<i64>,

    // -- outputs --
    /// Show where the time of each exchange went, and who took it.
    #[arg(long, help_heading = "What to make of exchanges")]
    pub timing: bool,
    /// Show a table of hosts and paths with their times at the end, or every so often: --stats=5s.
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, value_parser = units::nanos, help_heading = "What to make of exchanges")]
    #[allow(clippy::option_option, reason = "an option with an optional value")]
    pub stats: Option<Option<i64>>,
    /// Show what differs between two exchanges, by their numbers, or between two capture files.
    #[arg(long, value_name = "A,B", num_args = 0..=1, require_equals = true, value_parser = units::pair, help_heading = "What to make of exchanges")]
    #[allow(clippy::option_option, reason = "an option with an optional value")]
    pub diff: Option<Option<(u64, u64)>>,
    /// JSON, a line for each record.
    #[arg(long, help_heading = "What to make of exchanges")]
    pub json: bool,
    /// Save the exchanges as an HTTP archive (HAR 1.2); - is standard output.
    #[arg(long, value_name = "FILE", help_heading = "What to make of exchanges")]
    pub har: Option<PathBuf>,
    /// Print the curl command that asks again what this exchange asked.
    #[arg(long, value_name = "N", help_heading = "What to make of exchanges")]
    pub curl: Option<u64>,
    /// Mask secrets: credentials, cookies, passwords, tokens.
    #[arg(
        long,
        overrides_with = "show_secrets",
        help_heading = "What to make of exchanges"
    )]
    pub redact: bool,
    /// Do not mask secrets in --har, --curl and --diff.
    #[arg(
        long,
        overrides_with = "redact",
        help_heading = "What to make of exchanges"
    )]
    pub show_secrets: bool,
    /// Show JSON, forms and multipart bodies by line: auto (on a terminal), always or never.
    #[arg(
        long,
        value_name = "WHEN",
        hide_possible_values = true,
        help_heading = "What to make of exchanges"
    )]
    pub pretty: Option<super::ColorName>,
}

/// `--only`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnlyName {
    /// Requests.
    Req,
    /// Responses.
    Resp,
}

/// `--status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statuses(pub Vec<RangeInclusive<u64>>);

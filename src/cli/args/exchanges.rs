//! Options about exchanges: conditions, and the outputs made from them.
//!
//! The doc comments of the fields are the help texts.

use std::ops::RangeInclusive;

use clap::{Args, ValueEnum};

use super::outputs::OutputArgs;
use crate::cli::units;
use crate::frame::Timestamp;
use crate::render::masking;

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
    /// Only exchanges with such a header, in the request or the answer, whose value matches if one
    /// is given (repeatable).
    #[arg(long, value_name = "NAME[: REGEX]", help_heading = "Which exchanges")]
    pub header: Vec<String>,
    /// Search and show only requests (req), or only answers (resp).
    #[arg(
        long,
        value_name = "req|resp",
        hide_possible_values = true,
        help_heading = "Which exchanges"
    )]
    pub only: Option<OnlyName>,
    /// Only exchanges whose answer was waited for so long: 500ms, 2s.
    #[arg(long, value_name = "DURATION", value_parser = units::nanos, help_heading = "Which exchanges")]
    pub slow: Option<i64>,

    /// Only exchanges that began at this time or later (files only): 2026-11-24T11:40:00Z, local
    /// time without the Z, or seconds since 1970. What began before is still read, so that
    /// connections are known.
    #[arg(long, value_name = "TIME", value_parser = units::moment, help_heading = "Which exchanges")]
    pub since: Option<Timestamp>,
    /// Only exchanges that began before this time (files only).
    #[arg(long, value_name = "TIME", value_parser = units::moment, help_heading = "Which exchanges")]
    pub until: Option<Timestamp>,

    // -- outputs --
    /// Show where the time of each exchange went, and who took it.
    #[arg(long, help_heading = "What to make of exchanges")]
    pub timing: bool,
    /// The outputs of messages and exchanges.
    #[command(flatten)]
    pub outputs: OutputArgs<true>,
    /// With --json=rows: the value of the column sensor.
    #[arg(long, value_name = "NAME", help_heading = "What to make of exchanges")]
    pub label: Option<String>,
    /// Mask secrets: credentials, cookies, passwords, tokens.
    #[arg(
        long,
        overrides_with = "show_secrets",
        help_heading = "What to make of exchanges"
    )]
    pub redact: bool,
    /// Do not mask secrets in the outputs that mask them.
    #[arg(
        long,
        help = format!("Do not mask secrets in {}", masking()),
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
    /// Answers.
    Resp,
}

/// `--status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statuses(pub Vec<RangeInclusive<u64>>);

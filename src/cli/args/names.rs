//! The value names of options.
//!
//! The doc comments of the values are help texts.

use clap::ValueEnum;

use crate::policy::{Checksum, Overlap};

/// `--generate`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Generated {
    /// The man page, in roff.
    Man,
    /// For bash.
    CompleteBash,
    /// For zsh.
    CompleteZsh,
    /// For fish.
    CompleteFish,
}

/// `-Q`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Only what comes in.
    In,
    /// Only what goes out.
    Out,
}

/// `-W`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewName {
    /// ngrep's header line, then the message by line.
    Spy,
    /// One line for each exchange.
    Log,
    /// ngrep's byline.
    Byline,
    /// ngrep's normal.
    Normal,
    /// ngrep's single.
    Single,
    /// ngrep's none.
    None,
}

/// `--body`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyName {
    /// No body.
    None,
    /// 40 lines or 4 KiB.
    Short,
    /// All of it, up to --max-body.
    Full,
}

/// `--sandbox-selftest`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayersName {
    /// Both layers.
    All,
    /// Landlock alone.
    Landlock,
    /// seccomp alone.
    Seccomp,
}

/// `--overlap`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverlapName {
    /// The first one.
    First,
    /// The last one, as long as the first is not delivered.
    Last,
    /// As 4.4BSD.
    Bsd,
    /// As Linux.
    Linux,
}

impl From<OverlapName> for Overlap {
    fn from(name: OverlapName) -> Self {
        match name {
            OverlapName::First => Self::First,
            OverlapName::Last => Self::Last,
            OverlapName::Bsd => Self::Bsd,
            OverlapName::Linux => Self::Linux,
        }
    }
}

/// `--checksum`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumName {
    /// When something hangs on it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl From<ChecksumName> for Checksum {
    fn from(name: ChecksumName) -> Self {
        match name {
            ChecksumName::Auto => Self::Auto,
            ChecksumName::On => Self::On,
            ChecksumName::Off => Self::Off,
        }
    }
}

/// `--color`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColorName {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

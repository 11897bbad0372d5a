//! The command line: options ([`args`]), interpretation of the words ([`words`]), configuration
//! ([`config`]), and texts for the user ([`problem`], [`hints`], [`help`], [`explain`]).
//!
//! Everything that can fail on the user's input fails here, before privileges are dropped.

mod appearance;
pub mod args;
mod conditions;
pub mod config;
pub mod explain;
pub mod extcap;
pub mod generate;
mod habits;
pub mod help;
pub mod hints;
pub mod interfaces;
mod meant;
mod opened;
pub mod options_file;
pub mod problem;
mod summary;
pub mod units;
pub mod usage;
pub mod version;
pub mod words;

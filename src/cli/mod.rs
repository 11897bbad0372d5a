//! The command line: what was typed ([`args`]), what the words mean ([`words`]), what was meant by
//! all of it ([`config`]), and what is said to the user ([`problem`], [`hints`], [`help`],
//! [`explain`]).

mod appearance;
pub mod args;
mod conditions;
pub mod config;
pub mod explain;
pub mod generate;
mod habits;
pub mod help;
pub mod hints;
pub mod interfaces;
mod meant;
mod opened;
pub mod problem;
mod summary;
pub mod units;
pub mod usage;
pub mod version;
pub mod words;

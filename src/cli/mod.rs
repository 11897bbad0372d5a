//! The command line: what was typed ([`args`]), what the words mean ([`words`]), what was meant by all of it ([`config`]), and
//! what is said to the user ([`problem`], [`hints`]).

mod appearance;
pub mod args;
mod conditions;
pub mod config;
pub mod hints;
pub mod interfaces;
mod opened;
pub mod problem;
pub mod units;
pub mod words;

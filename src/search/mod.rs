//! *search*: messages become hits. Pure.

mod pattern;
mod streaming;

pub use pattern::{Options, PatternError};

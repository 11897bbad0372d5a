//! *search*: messages become hits. Pure.
//!
//! [`Asked`] is what the user typed, [`Query`] the same compiled; a [`Unit`] is one message that is
//! being said, searched as it comes and kept as far as it may be shown.

mod alike;
mod conditions;
mod context;
mod pattern;
mod plain;
mod prefilter;
mod query;
mod settled;
mod streaming;
mod unit;

pub use conditions::{Conditions, FIELDS, FactIs, FieldIs, Standing, Test};
pub use context::Context;
pub use pattern::{Options, PatternError};
pub use prefilter::Glance;
pub use query::{Asked, Bookmark, Query};
pub use unit::{Extent, Keep, Shown, Unit};

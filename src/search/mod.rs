//! *search*: decides which messages match and what of them is shown. Pure; the memory
//! per message is bounded.
//!
//! [`QuerySpec`] is the query as typed, [`Query`] the compiled one; a [`MessageBuffer`] is one
//! message that is being received: searched as its bytes arrive, and kept as far as it may be
//! shown.

mod alike;
mod anchor;
mod conditions;
mod context;
mod extents;
mod message_buffer;
mod pattern;
mod plain;
mod prefilter;
mod query;
mod settled;
mod streaming;

pub use conditions::{Conditions, FIELDS, FactIs, FieldIs, Outcome, Test};
pub use context::Context;
pub use message_buffer::{Excerpt, Extent, KeepLimits, MessageBuffer};
pub use pattern::{Options, PatternError};
pub use prefilter::BlockPrefilter;
pub use query::{Query, QuerySpec, ScanState};

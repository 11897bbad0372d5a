//! spygrep shows what programs say over the network.
//!
//! # The spine
//!
//! ```text
//! capture ──Frame──▶ decode ──Packet──▶ reassemble ──StreamEvent──▶ dissect ──Said──▶ search ──Hit──▶ render
//!  (pull)            (pure)             (keeps order)               (meaning)         (pure)         (writes)
//! ```
//!
//! *Nouns are files, verbs are folders.* A verb imports nouns, never another verb; [`pipeline`] knows all the verbs and
//! joins them.

// -- nouns --
pub mod exchange;
pub mod flow;
pub mod frame;
pub mod hit;
pub mod limits;
pub mod message;
pub mod packet;
pub mod stats;
pub mod stream;

// -- verbs --
pub mod capture;
pub mod decode;
pub mod dissect;
pub mod reassemble;
pub mod render;
pub mod search;

// -- composition --
pub mod cli;
pub mod pipeline;
pub mod run;

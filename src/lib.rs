//! spygrep shows what programs send over the network.
//!
//! # Stages
//!
//! ```text
//! capture ─Frame─▶ decode ─Packet─▶ reassemble ─StreamEvent─▶ dissect ─MessageEvent─▶ search
//!  (pull)          (pure)            (ordered)                (protocols)             (pure)
//!
//! search ─Hit─▶ render
//!               (writes)
//! ```
//!
//! Data types are files, stages are folders. A stage imports data types, never another stage;
//! [`pipeline`] depends on all stages and joins them. Everything that is lost is counted in
//! [`stats`], and every buffer is bounded in [`limits`].
//!
//! Each stage can be used alone. This finds the packets of a capture that contain a text:
//!
//! ```
//! use spygrep::capture::{Next, Source as _, savefile::Savefiles};
//! use spygrep::{decode, search};
//!
//! let spec = search::QuerySpec {
//!     any: vec!["Accept-Language: .*".into()],
//!     ..search::QuerySpec::default()
//! };
//! let query = search::Query::compile(&spec)?;
//! let mut files = Savefiles::open(&["pcaps/french-website.pcap"])?;
//! let (mut matches, mut frames) = (Vec::new(), Vec::new());
//! while let Next::Frame(frame) = files.next_frame()? {
//!     let Ok(packet) = decode::frame(&frame) else { continue };
//!     if query.holds_in(packet.payload, &mut matches) {
//!         frames.push(frame.number);
//!     }
//! }
//! assert_eq!(frames.len(), 1, "only the browser sends it");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// -- data types --
pub mod exchange;
pub mod failure;
pub mod flow;
pub mod foreign;
pub mod frame;
pub mod frame_files;
pub mod hit;
pub mod limits;
pub mod message;
pub mod packet;
pub mod policy;
pub mod recent;
pub mod stats;
pub mod stop;
pub mod stream;
pub mod times;
pub mod unwritten;

// -- stages --
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

//! The *exchange*: a request and its response, with its number and its times.
//!
//! All types here are small values without heap memory.

use crate::flow::{Direction, TcpAnalysis};
use crate::frame::Timestamp;
use crate::packet::TcpFlags;
use crate::stream::PacketInfo;

/// An open exchange. A small value without heap memory, because there is one per request in flight.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Its number in the run, shown as `#N`.
    pub number: u64,
    /// Its ordinal within its flow ([`crate::message::Start::exchange`]).
    pub ordinal: u64,
    /// The request in a few words.
    pub title: Title,
    /// The direction of the request.
    pub request_dir: Direction,
    /// Time of the request's first byte.
    pub asked: Timestamp,
    /// Time of the request's last byte; `None` while the request is incomplete.
    pub request_end: Option<Timestamp>,
    /// TCP flags of the request's last packet.
    pub request_flags: TcpFlags,
    /// Upper bound of the offset, in its direction, at which the request ends.
    pub request_end_offset: u64,
    /// When the server acknowledged the whole request.
    pub acknowledged: Option<Timestamp>,
    /// Time of the first byte of the (final) response.
    pub answered: Option<Timestamp>,
    /// The state of the response direction when the request began: a later change means that bytes
    /// of a response were missed.
    pub progress: ResponseProgress,
    /// Bytes of the request: its head as sent, its body decoded.
    pub sent: u64,
    /// The flow's counts of TCP problems when the request began.
    pub tcp_analysis: TcpAnalysis,
    /// What is known about the user's conditions on the exchange.
    pub evidence: Evidence,
    /// Offset that the response direction had reached when the request began.
    pub reached: u64,
    /// The request was shown.
    pub shown: bool,
    /// A failure record for the missing response was shown, as it stood at that time.
    pub failed: bool,
    /// The request matches: it is shown once the conditions hold, and in views of exchanges.
    pub matched: bool,
}

impl Exchange {
    /// An exchange whose request begins in packet `by`.
    #[must_use]
    pub fn new(
        number: u64,
        ordinal: u64,
        request_dir: Direction,
        by: &PacketInfo,
        tcp_analysis: TcpAnalysis,
    ) -> Self {
        Self {
            number,
            ordinal,
            title: Title::default(),
            request_dir,
            asked: by.ts,
            request_end: None,
            request_flags: by.flags,
            request_end_offset: 0,
            acknowledged: None,
            answered: None,
            progress: ResponseProgress::default(),
            sent: 0,
            tcp_analysis,
            evidence: Evidence::default(),
            reached: 0,
            shown: false,
            failed: false,
            matched: false,
        }
    }
}

/// The state of the response direction at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ResponseProgress {
    /// Bytes that the receiver acknowledged.
    pub acknowledged: u64,
    /// Gaps, bytes that no dissector understood, and responses whose request is not certain.
    pub missed: u32,
}

/// Why a final response may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Silence {
    /// There was none, as far as the capture shows.
    #[default]
    None,
    /// Unknown: bytes of that direction were lost or not understood, or a response came whose
    /// request is not certain. The response may be among them.
    Unknown,
    /// No packet of that direction was captured.
    Unseen,
}

/// What is known about the user's conditions on an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// Whether the conditions on the request hold; `None` until its head is known.
    pub asked: Option<bool>,
    /// Whether the conditions on the response hold; `None` until its head is known.
    pub answered: Option<bool>,
    /// Bit set of the required header fields that were seen in either message.
    pub fields: u32,
    /// Whether the wait for the response was long enough (`--slow`); `None` until known.
    pub slow: Option<bool>,
}

/// A few words of wire text in a fixed array. Text over the capacity is cut.
#[derive(Clone, Copy)]
pub struct Title {
    len: u8,
    cut: bool,
    bytes: [u8; Title::CAPACITY],
}

impl Title {
    /// Capacity in bytes.
    pub const CAPACITY: usize = 160;

    /// The first [`Self::CAPACITY`] bytes of `text`.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        let len = text.len().min(Self::CAPACITY);
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), text.get(..len)) {
            to.copy_from_slice(from);
        }
        Self {
            len: len as u8,
            cut: text.len() > len,
            bytes,
        }
    }

    /// The stored bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether the text was longer than the capacity.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

impl Default for Title {
    fn default() -> Self {
        Self::new(b"")
    }
}

impl std::fmt::Debug for Title {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Title({:?})", String::from_utf8_lossy(self.bytes()))
    }
}

//! The *exchange*: a question and its answer, with its number and its times.

use crate::flow::{Direction, TcpAnalysis};
use crate::frame::Timestamp;
use crate::packet::TcpFlags;
use crate::stream::PacketInfo;

/// What is remembered of an exchange while it is open. A small value without heap memory: there may
/// be one for each request in flight.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Its number in the run, shown as `#N`.
    pub number: u64,
    /// Its place in its flow ([`crate::message::Start::exchange`]).
    pub ordinal: u64,
    /// The question in a few words.
    pub title: Title,
    /// The direction of the question.
    pub request_dir: Direction,
    /// First byte of the question.
    pub asked: Timestamp,
    /// Last byte of the question; `None` while it is still being sent.
    pub request_end: Option<Timestamp>,
    /// TCP flags of the question's last packet.
    pub request_flags: TcpFlags,
    /// Where in its direction the question ends: at most at this offset.
    pub request_end_offset: u64,
    /// The answerer acknowledged that.
    pub acknowledged: Option<Timestamp>,
    /// First byte of the (final) answer.
    pub answered: Option<Timestamp>,
    /// How many bytes of the other direction the asker had acknowledged by then, and how much of it
    /// was missed by the capture.
    pub heard: Heard,
    /// Bytes of the question, its head as sent and its body decoded.
    pub sent: u64,
    /// What had gone wrong in the flow when the question began.
    pub tcp_analysis: TcpAnalysis,
    /// What is known of the conditions on it.
    pub evidence: Evidence,
    /// Bytes that the other side had sent when the question began.
    pub reached: u64,
    /// The question was shown.
    pub shown: bool,
    /// It was told that there is no answer, as it stood then.
    pub failed: bool,
    /// The question would be shown if the conditions held, or in views of exchanges: it is a match.
    pub matched: bool,
}

impl Exchange {
    /// An exchange whose question begins with `by`.
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
            heard: Heard::default(),
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

/// What is known of the direction of the responses at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// Bytes that their receiver acknowledged.
    pub acknowledged: u64,
    /// Holes, bytes that nobody understands, and responses whose request is not certain.
    pub missed: u32,
}

/// What is known of a final response that did not come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Silence {
    /// There was none, as far as the capture goes.
    #[default]
    None,
    /// Bytes of that direction were lost or not understood, or a response came whose request is not
    /// certain: it may be among them.
    Unknown,
    /// No packet of that direction was captured.
    Unseen,
}

/// What is known of the conditions on an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// Whether the conditions on the question's facts hold, once its head is known.
    pub asked: Option<bool>,
    /// The same of the answer's.
    pub answered: Option<bool>,
    /// Which of the wanted fields were seen in either: a bit each.
    pub fields: u32,
    /// Whether the answer was waited for long enough, once that is known.
    pub slow: Option<bool>,
}

/// A few words of wire text, held without heap memory; what does not fit is cut.
#[derive(Clone, Copy)]
pub struct Title {
    len: u8,
    cut: bool,
    bytes: [u8; Title::ROOM],
}

impl Title {
    /// How many bytes fit.
    pub const ROOM: usize = 160;

    /// The first [`Self::ROOM`] bytes of `text`.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = [0; Self::ROOM];
        let len = text.len().min(Self::ROOM);
        if let (Some(to), Some(from)) = (bytes.get_mut(..len), text.get(..len)) {
            to.copy_from_slice(from);
        }
        Self {
            len: len as u8,
            cut: text.len() > len,
            bytes,
        }
    }

    /// The bytes that fitted.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether there was more.
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

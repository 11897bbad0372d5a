//! The *echo* of a connection: all its packets once more after its end, from a tap that is later
//! than another one. Each packet of the copy is recognised with a few comparisons.
//!
//! The same file read twice is no echo: the clock goes back there.
//!
//! A SYN with the initial sequence number of a connection that has just ended begins a copy of that
//! connection; or another connection, if the client's stack always starts from the same number. The
//! server's number and the first bytes decide.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::TcpFlags;

use super::context::Segment;
use super::table::{Entry, Stage};

/// Nanoseconds that one tap may be later than the other.
const LAG: i64 = 1_000_000_000;

/// Whether a connection that ended is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Echo {
    #[default]
    None,
    /// Its SYN is repeated; the rest is not seen yet.
    Unsure,
    /// It is repeated.
    Sure,
}

/// The relation of a segment after such a SYN to the ended connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EchoMatch {
    /// A copy of one of its segments.
    Copy,
    /// A segment of another connection.
    Another,
    /// A segment that the other rules decide about.
    Other,
}

impl Entry {
    /// Whether a segment repeats the SYN of this connection, both directions of which have ended,
    /// soon enough to begin a copy.
    pub(super) fn is_echo(&self, segment: &Segment<'_>, dir: Direction, now: Timestamp) -> bool {
        let [to_server, to_client] = self.halves.made() else {
            return false;
        };
        let syn = segment.has(TcpFlags::SYN) && !segment.has(TcpFlags::ACK);
        let soon = self
            .flow
            .handshake
            .syn
            .is_some_and(|first| now.since(first) <= LAG && now >= self.last.ts);
        syn && soon
            && dir == Direction::ToServer
            && self.stage == Stage::Closed
            && to_server.is_isn(segment.tcp.seq)
            && to_client.is_started()
    }

    /// The relation of a segment to this connection, whose SYN was repeated.
    pub(super) fn echoes(&mut self, segment: &Segment<'_>, dir: Direction) -> EchoMatch {
        let half = self.halves.half(dir);
        if segment.has(TcpFlags::SYN) {
            return match half.is_isn(segment.tcp.seq) {
                true => EchoMatch::Copy,
                false => EchoMatch::Another,
            };
        }
        let payload = segment.payload();
        if self.echo == Echo::Unsure && !payload.is_empty() && half.is_first(segment.first()) {
            if half.mark() != mark(payload) {
                return EchoMatch::Another;
            }
            self.echo = Echo::Sure;
        }
        let known = payload.is_empty() || self.echo == Echo::Sure;
        match known && half.has_passed(segment) {
            true => EchoMatch::Copy,
            false => EchoMatch::Other,
        }
    }
}

/// A hash of the first bytes of a stream: the length of the first segment, its first 64 bytes, and
/// its last ones.
pub(super) fn mark(bytes: &[u8]) -> u64 {
    let first = bytes.get(..64).unwrap_or(bytes);
    let (words, rest) = first.as_chunks::<8>();
    let last = match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let mixed = words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .fold(bytes.len() as u64, mix);
    mix(mixed, last)
}

const fn mix(mixed: u64, word: u64) -> u64 {
    (mixed.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

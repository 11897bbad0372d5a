//! The *echo* of a connection: all its packets once more behind its end, from a tap that lags.
//!
//! (The same file read twice is not that: there the clock goes back.)
//!
//! A SYN with the number of a connection that has just ended begins the copy of that, or, where a
//! stack counts from the same number each time, another one: the server's number and the first
//! bytes tell.

use crate::flow::Direction;
use crate::frame::Timestamp;
use crate::packet::TcpFlags;

use super::context::Segment;
use super::table::{Entry, Stage};

/// Nanoseconds that a tap may lag behind another one.
const LAG: i64 = 1_000_000_000;

/// Whether a connection that is over comes once more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Echo {
    #[default]
    None,
    /// Its SYN did; whether the rest does is to be seen.
    Unsure,
    /// It does.
    Sure,
}

/// What a segment behind such a SYN is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EchoMatch {
    /// A copy of what came.
    Copy,
    /// One of another connection.
    Another,
    /// One that the rules for all decide about.
    Other,
}

impl Entry {
    /// Whether a segment is the SYN of this connection, of which both directions have ended, once
    /// more, so soon that it may be the beginning of a copy.
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

    /// What a segment is to a connection whose SYN has come once more.
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

/// The first bytes of a stream in short: how many came at once, the first 64 of them, and the last.
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

//! The *times* of an exchange: where the time went between the first byte of a request and the last
//! byte of its response.
//!
//! All times are capture times of packets. So a capture beside the client counts the network path
//! to the server as part of the wait, and one beside the server does not; the handshake gives the
//! length of that path.

use crate::flow::{Handshake, TcpAnalysis};
use crate::frame::Timestamp;

/// The times of an exchange; `None` for an event that has not happened (yet).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// The handshake of the connection.
    pub handshake: Handshake,
    /// The exchange is the first of its connection, so it had to wait for the handshake.
    pub first: bool,
    /// First byte of the request.
    pub asked: Timestamp,
    /// Last byte of the request.
    pub request_end: Option<Timestamp>,
    /// When the server acknowledged the last byte of the request.
    pub acknowledged: Option<Timestamp>,
    /// First byte of the final response.
    pub answered: Option<Timestamp>,
    /// Last byte of the final response.
    pub response_end: Option<Timestamp>,
    /// Bytes of the request: its head as sent, its body decoded.
    pub sent: u64,
    /// Bytes of the response, likewise.
    pub received: u64,
    /// Nanoseconds of pauses in the response: intervals of [`crate::limits::time::BURST_PAUSE`] or
    /// more without a byte of it.
    pub paused: i64,
    /// TCP problems of the connection during the exchange.
    pub tcp_analysis: TcpAnalysis,
}

/// What took most of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bottleneck {
    /// The server: it had the whole request and had not begun to respond.
    Server,
    /// The network: packets were retransmitted, or the round trip is long.
    Network,
    /// The client: it sent its request late or slowly, or did not read the response.
    Client,
    /// The handshake.
    Connecting,
    /// The response was large.
    BigAnswer,
    /// The response was small but slow, or had long pauses.
    SlowAnswer,
}

/// Bytes per second. A slower response is limited by its sender: no present-day network is that
/// slow.
const SLOW_RATE: f64 = 2048.0;

impl Times {
    /// Nanoseconds of the handshake, if the exchange had to wait for it: from the first SYN to the
    /// final ACK.
    #[must_use]
    pub fn connect(&self) -> Option<i64> {
        let Handshake { syn, done, .. } = self.handshake;
        Some(done?.since(syn?)).filter(|nanos| self.first && *nanos >= 0)
    }

    /// Nanoseconds between the handshake and the first byte of the connection's first request.
    #[must_use]
    pub fn idle(&self) -> Option<i64> {
        let idle = self.asked.since(self.handshake.done?);
        (self.first && idle >= 0).then_some(idle)
    }

    /// Nanoseconds from the request's first byte to its last.
    #[must_use]
    pub fn send(&self) -> Option<i64> {
        Some(self.request_end?.since(self.asked))
    }

    /// Nanoseconds from the request's last byte to the response's first; negative if the response
    /// began before the request ended.
    #[must_use]
    pub fn wait(&self) -> Option<i64> {
        Some(self.answered?.since(self.request_end?))
    }

    /// Nanoseconds from the response's first byte to its last.
    #[must_use]
    pub fn receive(&self) -> Option<i64> {
        Some(self.response_end?.since(self.answered?))
    }

    /// Nanoseconds from the request's first byte to the response's last.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        Some(self.response_end?.since(self.asked))
    }

    /// The network's part of the wait, in nanoseconds: the round trip from SYN to SYN-ACK. `None`
    /// if the SYN was retransmitted, since the round trip is then ambiguous.
    #[must_use]
    pub fn network(&self) -> Option<i64> {
        let Handshake {
            syn,
            answered,
            repeats: 0,
            ..
        } = self.handshake
        else {
            return None;
        };
        let way = answered?.since(syn?);
        let wait = self.wait()?;
        (way >= 0 && wait >= 0).then(|| way.min(wait))
    }

    /// Whether a response took long without being large: at least half of the time was pauses, or
    /// its rate was below [`SLOW_RATE`].
    fn is_sent_slowly(&self, receive: i64) -> bool {
        let seconds = receive as f64 / 1e9;
        self.paused >= receive / 2 || (self.received as f64) < SLOW_RATE * seconds
    }

    /// What took most of the time of a finished exchange.
    #[must_use]
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        let part = |nanos: Option<i64>| nanos.unwrap_or(0).max(0);
        let (connect, idle) = (part(self.connect()), part(self.idle()));
        let (send, wait, receive) = (part(self.send()), part(self.wait()), part(self.receive()));
        self.response_end?;
        let most = [connect, idle, send, wait, receive].into_iter().max()?;
        let TcpAnalysis {
            repeated, stalled, ..
        } = self.tcp_analysis;
        Some(if most == wait {
            let late = self
                .acknowledged
                .zip(self.request_end)
                .is_some_and(|(acknowledged, sent)| acknowledged.since(sent) > wait / 2)
                && repeated > 0;
            if late || part(self.network()) > wait / 2 {
                Bottleneck::Network
            } else {
                Bottleneck::Server
            }
        } else if most == receive {
            match (repeated, stalled) {
                (_, 1..) => Bottleneck::Client,
                (1.., _) => Bottleneck::Network,
                _ if self.is_sent_slowly(receive) => Bottleneck::SlowAnswer,
                _ => Bottleneck::BigAnswer,
            }
        } else if most == connect {
            Bottleneck::Connecting
        } else if most == send && repeated > 0 {
            Bottleneck::Network
        } else {
            Bottleneck::Client
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in milliseconds from the SYN at 0: `done` ends the handshake; then request start,
    /// request end, response start and response end.
    fn times(done: i64, [asked, whole, answered, end]: [i64; 4]) -> Times {
        let at = |millis: i64| Timestamp::from_nanos(millis * 1_000_000);
        Times {
            handshake: Handshake {
                syn: Some(at(0)),
                answered: Some(at(done)),
                done: Some(at(done)),
                repeats: 0,
            },
            first: true,
            asked: at(asked),
            request_end: Some(at(whole)),
            acknowledged: Some(at(whole)),
            answered: Some(at(answered)),
            response_end: Some(at(end)),
            ..Times::default()
        }
    }

    /// With a response of one megabyte.
    fn big(times: Times) -> Times {
        Times {
            received: 1 << 20,
            ..times
        }
    }

    #[test]
    fn the_bottleneck_is_found() {
        let repeated = TcpAnalysis {
            repeated: 2,
            ..TcpAnalysis::default()
        };
        let stalled = TcpAnalysis {
            stalled: 1,
            ..TcpAnalysis::default()
        };
        let none = TcpAnalysis::default();
        let table = [
            (times(1, [2, 2, 2002, 2003]), none, Bottleneck::Server),
            (
                times(900, [901, 901, 1801, 1802]),
                none,
                Bottleneck::Network,
            ),
            (
                times(3000, [3001, 3001, 3002, 3003]),
                none,
                Bottleneck::Connecting,
            ),
            (times(1, [5000, 5000, 5001, 5002]), none, Bottleneck::Client),
            (times(1, [2, 900, 901, 902]), none, Bottleneck::Client),
            (times(1, [2, 900, 901, 902]), repeated, Bottleneck::Network),
            (big(times(1, [2, 2, 3, 900])), none, Bottleneck::BigAnswer),
            (times(1, [2, 2, 3, 900]), none, Bottleneck::SlowAnswer),
            (
                Times {
                    paused: 600_000_000,
                    ..big(times(1, [2, 2, 3, 900]))
                },
                none,
                Bottleneck::SlowAnswer,
            ),
            (times(1, [2, 2, 3, 900]), repeated, Bottleneck::Network),
            (times(1, [2, 2, 3, 900]), stalled, Bottleneck::Client),
        ];
        for (times, tcp_analysis, bottleneck) in table {
            let times = Times {
                tcp_analysis,
                ..times
            };
            assert_eq!(times.bottleneck(), Some(bottleneck), "{times:?}");
        }
    }

    #[test]
    fn what_has_not_happened_has_no_time() {
        let mut times = times(1, [2, 3, 4, 5]);
        assert_eq!(times.total(), Some(3_000_000));
        assert_eq!(times.network(), Some(1_000_000));
        times.response_end = None;
        assert_eq!((times.total(), times.bottleneck()), (None, None));
        times.handshake.repeats = 1;
        assert_eq!(times.network(), None);
        times.first = false;
        assert_eq!((times.connect(), times.idle()), (None, None));
    }
}

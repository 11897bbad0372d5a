//! The *times* of an exchange: where the time went between the first byte of a question and the
//! last of its answer.
//!
//! All moments are those at which the capture saw a packet, so a listener beside the client sees
//! the way to the server as part of the wait, and one beside the server does not. The handshake
//! tells how long that way is.

use crate::flow::{Handshake, TcpAnalysis};
use crate::frame::Timestamp;

/// The moments of an exchange; what has not happened (yet) is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// The handshake of the connection.
    pub handshake: Handshake,
    /// The exchange is the connection's first, so that it had to wait for the handshake.
    pub first: bool,
    /// First byte of the question.
    pub asked: Timestamp,
    /// Last byte of the question.
    pub request_end: Option<Timestamp>,
    /// The answerer acknowledged the last byte of the question.
    pub acknowledged: Option<Timestamp>,
    /// First byte of the final answer.
    pub answered: Option<Timestamp>,
    /// Last byte of the final answer.
    pub response_end: Option<Timestamp>,
    /// Bytes of the question, its head as sent and its body decoded.
    pub sent: u64,
    /// Bytes of the answer, likewise.
    pub received: u64,
    /// Nanoseconds of the answer's pauses: times of [`crate::limits::time::BURST_PAUSE`] or more in
    /// which nothing of it came.
    pub paused: i64,
    /// What went wrong in the connection while the exchange lasted.
    pub tcp_analysis: TcpAnalysis,
}

/// Who took the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bottleneck {
    /// It had the whole question and thought.
    Server,
    /// Packets were sent again, or the way is long.
    Network,
    /// It asked late, sent slowly, or did not read.
    Client,
    /// The connection took long to come about.
    Connecting,
    /// There was much to send.
    BigAnswer,
    /// There was little to send, or long pauses were in it.
    SlowAnswer,
}

/// Bytes in a second: no network of today is that slow.
const SLOW_RATE: f64 = 2048.0;

impl Times {
    /// Nanoseconds of the handshake that the exchange had to wait for: from the first SYN to the
    /// last part.
    #[must_use]
    pub fn connect(&self) -> Option<i64> {
        let Handshake { syn, done, .. } = self.handshake;
        Some(done?.since(syn?)).filter(|nanos| self.first && *nanos >= 0)
    }

    /// Nanoseconds between the handshake and the first byte of the connection's first question.
    #[must_use]
    pub fn idle(&self) -> Option<i64> {
        let idle = self.asked.since(self.handshake.done?);
        (self.first && idle >= 0).then_some(idle)
    }

    /// Nanoseconds from the question's first byte to its last.
    #[must_use]
    pub fn send(&self) -> Option<i64> {
        Some(self.request_end?.since(self.asked))
    }

    /// Nanoseconds from the question's last byte to the answer's first; negative when the answer
    /// did not wait for it.
    #[must_use]
    pub fn wait(&self) -> Option<i64> {
        Some(self.answered?.since(self.request_end?))
    }

    /// Nanoseconds from the answer's first byte to its last.
    #[must_use]
    pub fn receive(&self) -> Option<i64> {
        Some(self.response_end?.since(self.answered?))
    }

    /// Nanoseconds from the question's first byte to the answer's last.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        Some(self.response_end?.since(self.asked))
    }

    /// The part of the wait that is the way to the server and back, in nanoseconds: what the answer
    /// to the SYN took. A SYN that was sent again does not tell it.
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

    /// Whether an answer took its time without being big: most of that are pauses, or hardly
    /// anything came of it in a second.
    fn is_sent_slowly(&self, receive: i64) -> bool {
        let seconds = receive as f64 / 1e9;
        self.paused >= receive / 2 || (self.received as f64) < SLOW_RATE * seconds
    }

    /// Who took most of the time of a finished exchange.
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
                .is_some_and(|(heard, asked)| heard.since(asked) > wait / 2)
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

    /// Milliseconds: SYN at 0, answered and done as said, then asked, asked whole, answered,
    /// answered whole.
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

    /// With an answer of a megabyte.
    fn big(times: Times) -> Times {
        Times {
            received: 1 << 20,
            ..times
        }
    }

    #[test]
    fn who_took_most_of_the_time_is_told() {
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

//! The `--timing` lines below a response: where the time went, and who caused it. Parts that did
//! not happen have no line.
//!
//! ```text
//!   connect  0.04 ms
//!   send     0.01 ms   82 B, acknowledged after 0.01 ms
//!   wait     2 s = network 31 ms + server 1.97 s   ██████████ 99.9 %
//!   receive  0.09 ms   193 B
//!   verdict  the server: it had the whole request after 0.4 ms and thought for 1.97 s
//! ```
//!
//! The bar follows the longest part, and is as long as its share.

use crate::times::{Bottleneck, Times};

use super::style::{Paint, painted};
use super::{Settings, human};

/// Responses that take at least this many nanoseconds are marked as slow.
const SLOW: i64 = 1_000_000_000;
/// Characters of a full bar.
const BAR: usize = 40;
/// Partial last characters of a bar, by eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Minimum pause of the client before its request that is shown, in nanoseconds.
const IDLE: i64 = 1_000_000;
/// The network time is shown separately from the server's if it is at least this many nanoseconds,
/// or this fraction of the wait. On a loopback, which is faster than any wire, it never is.
const WAY: i64 = 1_000_000;
const WAY_PART: i64 = 100;
const LOOPBACK: i64 = 100_000;
/// Shorter durations count as immediate: they are 0 in the shown digits.
const AT_ONCE: i64 = 5_000;

/// Whether a time is marked as slow.
pub(super) const fn is_slow(nanos: i64) -> bool {
    nanos >= SLOW
}

/// Whether an exchange is marked as slow.
pub(super) fn took_long(times: &Times) -> bool {
    times.total().is_some_and(is_slow)
}

/// Formats a time for a column: followed by a mark if it is slow, otherwise by blanks of the same
/// width.
pub(super) fn marked(nanos: Option<i64>) -> String {
    match nanos {
        None => "-  ".to_owned(),
        Some(nanos) if is_slow(nanos) => format!("{} !", human::duration(nanos)),
        // A response that began before its request ended has a negative wait; show 0.
        Some(nanos) => format!("{}  ", human::duration(nanos.max(0))),
    }
}

/// Appends the lines of an exchange.
pub(super) fn append(times: &Times, settings: &Settings, out: &mut Vec<u8>) {
    let parts = [
        ("connect", times.connect(), connect_words(times)),
        (
            "idle",
            times.idle().filter(|nanos| *nanos >= IDLE),
            "the client had not asked yet".to_owned(),
        ),
        ("send", times.send(), send_words(times)),
        ("wait", times.wait(), String::new()),
        ("receive", times.receive(), human::size(times.received)),
    ];
    let part = |nanos: Option<i64>| nanos.unwrap_or(0).max(0);
    // Timestamps may be so far apart that the sum of the parts overflows 64 bits.
    let all: f64 = parts.iter().map(|(_, nanos, _)| part(*nanos) as f64).sum();
    let most = parts.iter().map(|(_, nanos, _)| part(*nanos)).max();
    let mut barred = false;
    for (name, nanos, words) in &parts {
        let Some(nanos) = *nanos else { continue };
        let mut text = human::duration(nanos.max(0));
        if *name == "wait" {
            text.push_str(&split(times));
            if nanos < 0 {
                text.push_str("   the response did not wait for the whole request");
            }
        }
        let largest = all > 0.0 && Some(nanos) == most && !std::mem::replace(&mut barred, true);
        let mut line = format!("  {name:<8} {text}");
        if largest || !words.is_empty() {
            line = format!("{line:<19}");
        }
        if largest {
            let share = nanos as f64 / all;
            line.push_str(&format!(
                "  {}  {}",
                bar(share, BAR, settings.signs),
                percent(share)
            ));
        }
        if !words.is_empty() {
            line.push_str(&format!("  {words}"));
        }
        line.push('\n');
        let slow = largest && is_slow(nanos);
        painted(settings.color, slow.then_some(Paint::Slow), out, |out| {
            out.extend_from_slice(line.trim_end().as_bytes());
        });
        out.push(b'\n');
    }
    if let Some(bottleneck) = times.bottleneck() {
        out.extend_from_slice(format!("  verdict  {}\n", verdict(bottleneck, times)).as_bytes());
    }
}

/// A bar for `share` (0 to 1) of `width` characters: in eighths, or in whole ASCII characters; at
/// least one character.
pub(super) fn bar(share: f64, width: usize, signs: bool) -> String {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    if !signs {
        let whole = (share * width as f64).round() as usize;
        return "#".repeat(whole.clamp(1, width.max(1)));
    }
    let eighths = ((share * 8.0 * width as f64).round() as usize).max(1);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// Formats a percentage: `99.9 %`. Only exactly 1 gives `100 %`.
fn percent(share: f64) -> String {
    match share * 100.0 {
        all if all >= 100.0 => "100 %".to_owned(),
        most => format!("{:.1} %", most.min(99.9)),
    }
}

/// The parts of a wait, if the network time is worth showing.
fn split(times: &Times) -> String {
    match (times.network(), times.wait()) {
        (Some(way), Some(wait))
            if way >= WAY || (way >= LOOPBACK && way.saturating_mul(WAY_PART) >= wait) =>
        {
            format!(
                " = network {} + server {}",
                human::duration(way),
                human::duration(wait - way)
            )
        }
        _ => String::new(),
    }
}

fn connect_words(times: &Times) -> String {
    match times.handshake.repeats {
        0 => String::new(),
        1 => "the SYN was sent twice".to_owned(),
        more => format!("the SYN was sent {} times", u32::from(more) + 1),
    }
}

fn send_words(times: &Times) -> String {
    let sent = human::size(times.sent);
    match times.acknowledged.zip(times.request_end) {
        Some((acknowledged, end)) => {
            format!("{sent}, acknowledged {}", after(acknowledged.since(end)))
        }
        None => sent,
    }
}

fn after(nanos: i64) -> String {
    match nanos < AT_ONCE {
        true => "at once".to_owned(),
        false => format!("after {}", human::duration(nanos)),
    }
}

/// Describes who took most of the time.
fn verdict(bottleneck: Bottleneck, times: &Times) -> String {
    let took = |nanos: Option<i64>| human::duration(nanos.unwrap_or(0).max(0));
    let repeated = match times.tcp_analysis.repeated {
        0 => None,
        1 => Some("1 segment was sent again".to_owned()),
        more => Some(format!("{more} segments were sent again")),
    };
    match bottleneck {
        Bottleneck::Server => {
            let wait = times.wait().unwrap_or(0);
            let thought = wait - times.network().unwrap_or(0);
            // An acknowledgement sent together with the response does not show when the request
            // arrived.
            let acknowledged = times
                .acknowledged
                .zip(times.request_end)
                .filter(|(acknowledged, end)| acknowledged.since(*end) <= wait / 2)
                .map(|(acknowledged, _)| acknowledged.since(times.asked));
            let thought = human::duration(thought.max(0));
            match acknowledged {
                Some(acknowledged) => format!(
                    "the server: it had the whole request {} and thought for {thought}",
                    after(acknowledged)
                ),
                None => format!("the server: it thought for {thought}"),
            }
        }
        Bottleneck::Network => match (repeated, times.network()) {
            (Some(repeated), _) => format!("the network: {repeated}"),
            (None, Some(way)) => format!(
                "the network: the way to the server and back takes {}",
                human::duration(way)
            ),
            (None, None) => "the network".to_owned(),
        },
        Bottleneck::Connecting => {
            let words = connect_words(times);
            let why = if words.is_empty() {
                words
            } else {
                format!("; {words}")
            };
            format!(
                "connecting: it took {} until the connection stood{why}",
                took(times.connect())
            )
        }
        Bottleneck::SlowAnswer => {
            let sent = human::size(times.received);
            let paused = match times.paused {
                0 => String::new(),
                nanos => format!(", with pauses of {} in it", human::duration(nanos)),
            };
            format!(
                "the server: it sent its response slowly, {sent} in {}{paused}",
                took(times.receive())
            )
        }
        Bottleneck::BigAnswer => {
            let nanos = times.receive().unwrap_or(0).max(1);
            let rate = times.received as f64 / (nanos as f64 / 1e9);
            format!(
                "a big response: {} in {}, {}/s",
                human::size(times.received),
                took(times.receive()),
                human::size(rate as u64)
            )
        }
        Bottleneck::Client => {
            let parts = [times.idle(), times.send(), times.receive()];
            match parts.iter().max() {
                Some(most) if *most == times.idle() => format!(
                    "the client: it asked {} after the connection stood",
                    took(*most)
                ),
                Some(most) if *most == times.send() => {
                    format!("the client: it took {} to send its request", took(*most))
                }
                _ => "the client: its receive window was 0".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Handshake, TcpAnalysis};
    use crate::frame::Timestamp;

    /// Microseconds of: SYN-ACK, handshake done (the SYN is at 0), request start, request end,
    /// acknowledgement, response start, response end.
    fn times(moments: [i64; 7]) -> Times {
        let at = |micros: i64| Timestamp::from_nanos(micros * 1000);
        let [syn_ack, done, asked, whole, acknowledged, answered, end] = moments;
        Times {
            handshake: Handshake {
                syn: Some(at(0)),
                answered: Some(at(syn_ack)),
                done: Some(at(done)),
                repeats: 0,
            },
            first: true,
            asked: at(asked),
            request_end: Some(at(whole)),
            acknowledged: Some(at(acknowledged)),
            answered: Some(at(answered)),
            response_end: Some(at(end)),
            sent: 82,
            received: 193,
            paused: 0,
            tcp_analysis: TcpAnalysis::default(),
        }
    }

    fn lines(times: &Times, signs: bool) -> String {
        let mut out = Vec::new();
        let settings = Settings {
            signs,
            ..Settings::default()
        };
        append(times, &settings, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_largest_part_has_a_bar() {
        let slow = times([20, 40, 100, 110, 120, 2_000_110, 2_000_200]);
        assert_eq!(
            lines(&slow, false),
            "  connect  0.04 ms\n\
             \x20 send     0.01 ms   82 B, acknowledged after 0.01 ms\n\
             \x20 wait     2 s       ########################################  99.9 %\n\
             \x20 receive  0.09 ms   193 B\n\
             \x20 verdict  the server: it had the whole request after 0.02 ms and thought for 2 s\n"
        );
        let far = times([31_000, 31_100, 31_200, 31_200, 62_200, 2_031_200, 2_031_300]);
        let text = lines(&far, true);
        let wait = "  wait     2 s = network 31 ms + server 1.97 s  ██████████████████████████████████████";
        assert!(text.contains(wait), "{text}");
        assert!(text.contains("and thought for 1.97 s"), "{text}");
    }

    #[test]
    fn what_did_not_happen_has_no_line() {
        let mut pending = times([20, 40, 100, 110, 120, 130, 140]);
        (pending.answered, pending.response_end) = (None, None);
        pending.handshake = Handshake::default();
        assert_eq!(
            lines(&pending, false),
            "  send     0.01 ms   ########################################  100 %  82 B, acknowledged after 0.01 ms\n"
        );
        let early = times([20, 40, 100, 9_000, 9_100, 500, 9_500]);
        assert!(lines(&early, false).contains("0 ms   the response did not wait"));
    }

    #[test]
    fn verdicts_say_why() {
        let second = 1_000_000;
        let table = [
            (
                times([1, 2, 3, 3, second, second, second + 1]),
                0,
                0,
                0,
                "the server: it thought for 1 s",
            ),
            (
                times([1, 2, 3, 3, second, second, second + 1]),
                0,
                2,
                0,
                "the network: 2 segments were sent again",
            ),
            (
                times([30_000, 30_001, 30_001, 30_001, 60_000, 70_001, 70_002]),
                0,
                0,
                0,
                "the network: the way to the server and back takes 30 ms",
            ),
            (
                times([
                    3 * second,
                    3 * second,
                    3 * second + 1,
                    3 * second + 1,
                    3 * second + 2,
                    3 * second + 2,
                    3 * second + 3,
                ]),
                2,
                0,
                0,
                "connecting: it took 3 s until the connection stood; the SYN was sent 3 times",
            ),
            (
                times([1, 2, second, second, second, second + 1, second + 2]),
                0,
                0,
                0,
                "the client: it asked 1 s after the connection stood",
            ),
            (
                times([1, 2, 3, second, second, second + 1, second + 2]),
                0,
                0,
                0,
                "the client: it took 1 s to send its request",
            ),
            (
                times([1, 2, 3, 3, 3, 4, second]),
                0,
                0,
                3,
                "the client: its receive window was 0",
            ),
            (
                times([1, 2, 3, 3, 3, 4, second]),
                0,
                0,
                0,
                "the server: it sent its response slowly, 193 B in 1 s",
            ),
        ];
        let mut big = times([1, 2, 3, 3, 3, 4, second]);
        big.received = 5 << 20;
        let mut paused = big;
        paused.paused = 900_000_000;
        let big = [
            (big, 0, 0, 0, "a big response: 5 MiB in 1 s, 5 MiB/s"),
            (
                paused,
                0,
                0,
                0,
                "the server: it sent its response slowly, 5 MiB in 1 s, with pauses of 900 ms in it",
            ),
        ];
        for (mut times, repeats, repeated, stalled, want) in table.into_iter().chain(big) {
            times.handshake.repeats = repeats;
            times.tcp_analysis = TcpAnalysis { repeated, stalled };
            let text = lines(&times, true);
            let last = text.lines().last().unwrap_or_default();
            assert_eq!(last, format!("  verdict  {want}"));
        }
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        for (share, signs, want) in [
            (0.0, true, "▏"),
            (0.5, true, "██"),
            (0.53, true, "██▏"),
            (1.0, true, "████"),
            (7.0, true, "████"),
            (f64::NAN, true, "▏"),
            (0.0, false, "#"),
            (0.5, false, "##"),
            (1.0, false, "####"),
        ] {
            assert_eq!(bar(share, 4, signs), want);
        }
    }
}

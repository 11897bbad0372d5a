//! Tables as they are printed.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::exchange::Silence;
use crate::times::Times;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn printed(settings: Settings, every: Option<i64>, show: impl FnOnce(&mut Overview)) -> String {
    let sink = Sink::default();
    let mut overview = Overview::new(settings, every, Out::new(Box::new(sink.clone()), false));
    show(&mut overview);
    overview.finish(&Stats::default()).unwrap();
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// The table without titles and notes.
fn quiet() -> Settings {
    Settings {
        quiet: 1,
        ..Settings::default()
    }
}

/// An exchange that took this many milliseconds, or had no response.
fn exchange(overview: &mut Overview, title: &str, millis: Option<i64>) {
    let at = |millis: i64| Timestamp::from_nanos(millis * 1_000_000);
    let pair = Pair {
        number: 1,
        request: None,
        response: None,
        title: title.as_bytes(),
        times: Times {
            asked: at(5),
            response_end: millis.map(|millis| at(5 + millis)),
            ..Times::default()
        },
        silence: Silence::None,
        failed: None,
    };
    overview.pair(&pair).unwrap();
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

/// The first words of each line.
fn names(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.trim().split("  ").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_busiest_host_comes_first_and_its_slowest_path() {
    let text = printed(quiet(), None, |overview| {
        for (title, millis) in [
            ("GET a/slow", Some(900)),
            ("GET b/quick?x=1", Some(2)),
            ("GET b/quick?x=2", Some(4)),
            ("GET B/slow", Some(20)),
            ("GET b/never", None),
            ("POST b/quick", Some(2)),
        ] {
            exchange(overview, title, millis);
        }
    });
    let want = [
        "b",
        "GET /never",
        "GET /slow",
        "GET /quick",
        "POST /quick",
        "a",
        "GET /slow",
    ];
    assert_eq!(names(&text), want, "{text}");
}

#[test]
fn nothing_in_a_row_steers_a_terminal_and_long_names_are_cut_where_lines_have_an_end() {
    let long = format!("GET h/{}", "p".repeat(150));
    let show = |overview: &mut Overview| {
        exchange(overview, "G\x1b[2J h\u{202e}\t/\x07\u{9b}a", Some(1));
        exchange(overview, &long, Some(1));
    };
    let text = printed(quiet(), None, show);
    assert!(
        text.contains("h..") && text.contains("G.[2J /..a"),
        "{text}"
    );
    assert!(text.contains(&"p".repeat(150)), "{text}");
    let narrow = Settings {
        columns: 120,
        fits: true,
        ..quiet()
    };
    let text = printed(narrow, None, show);
    assert!(text.contains("ppp...  "), "{text}");
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 120, "{line}");
    }
}

#[test]
fn folded_rows_have_a_remark() {
    let text = printed(Settings::default(), None, |overview| {
        for number in 0..100_000 {
            exchange(overview, &format!("GET h/{number}"), Some(number % 50));
        }
        for host in 0..200 {
            exchange(overview, &format!("GET h{host}/"), None);
        }
    });
    let lines = book::PATHS + book::HOSTS + 5;
    assert!(
        text.lines().count() <= lines,
        "{} lines",
        text.lines().count()
    );
    assert!(names(&text).contains(&"other paths") && names(&text).contains(&"other hosts"));
    assert!(
        text.contains("\n99688 of these requests are counted as others: only the first 512 paths and 128 hosts have lines.\n"),
        "{}",
        &text[text.len() - 400..]
    );
}

#[test]
fn coarse_times_have_a_remark() {
    let text = printed(Settings::default(), None, |overview| {
        for number in 0..70 * 520 {
            exchange(overview, &format!("GET h/{}", number % 70), Some(number));
        }
    });
    assert!(
        text.contains("\nThe times of 6 lines are exact to one part in 100.\n"),
        "{text}"
    );
}

#[test]
fn tables_come_by_capture_time_when_there_is_something_new() {
    let text = printed(quiet(), Some(5_000_000_000), |overview| {
        overview.tick(second(100)).unwrap();
        exchange(overview, "GET h/a", Some(1));
        overview.tick(second(104)).unwrap();
        overview.tick(second(106)).unwrap();
        overview.tick(second(113)).unwrap();
        exchange(overview, "GET h/b", Some(1));
        overview.tick(second(108)).unwrap();
        overview.tick(second(133)).unwrap();
        exchange(overview, "GET h/a", Some(1));
        overview.tick(second(134)).unwrap();
    });
    let times: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("After"))
        .collect();
    let want = [
        "After 5 s, since the start:",
        "After 30 s, since the start:",
        "After 34 s, since the start:",
    ];
    assert_eq!(times, want);
    // Each table covers everything since the start.
    assert_eq!(
        names(&text)
            .iter()
            .filter(|name| **name == "GET /a")
            .count(),
        3
    );
    let none = printed(quiet(), Some(0), |overview| {
        overview.tick(second(9)).unwrap();
    });
    assert_eq!(none, "");
}

#[test]
fn bars_and_signs_are_ascii_where_that_is_all() {
    let ascii = Settings {
        signs: false,
        ..quiet()
    };
    let text = printed(ascii, None, |overview| {
        exchange(overview, "GET h/", Some(1500));
    });
    assert!(text.is_ascii() && text.contains("no response x1"), "{text}");
    assert!(text.contains("1.5 s !  ####################\n"), "{text}");
}

//! Wireshark's extcap: a capture interface of Wireshark that delivers whole connections in which a
//! message matches. Wireshark runs each program in its extcap folder, so a link to this one there
//! is all that it needs.
//!
//! Pure functions of the arguments: an answer as text, or the arguments of the capture.

use std::ffi::OsString;

/// What a call by Wireshark asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Extcap {
    /// A text on standard output.
    Answer(String),
    /// A capture with these arguments.
    Capture(Vec<OsString>),
}

/// The name of the interface.
const INTERFACE: &str = "spygrep";

/// Interprets the arguments of a call by Wireshark; `None` if it is none.
#[must_use]
pub fn call(typed: &[OsString]) -> Option<Extcap> {
    let mut words = typed.iter().skip(1);
    let first = words.clone().next()?.to_str()?;
    if !first.starts_with("--extcap-") && first != "--capture" {
        return None;
    }
    let mut what = None;
    let (mut device, mut pattern, mut filter, mut fifo) = (None, None, None, None);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None => (text.clone().into_owned(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().cloned());
        match name.as_str() {
            "--extcap-interfaces" => what = Some(interfaces()),
            "--extcap-dlts" => what = Some(link_types()),
            "--extcap-config" => what = Some(settings()),
            "--extcap-interface" | "--extcap-version" | "--extcap-reload-option" => drop(value()),
            "--extcap-capture-filter" => filter = value(),
            "--fifo" => fifo = value(),
            "--device" => device = value(),
            "--regexp" => pattern = value(),
            _ => {}
        }
    }
    if let Some(text) = what {
        return Some(Extcap::Answer(text));
    }
    // Without a pipe, Wireshark only tests whether a filter is valid: no text means that it is.
    let Some(fifo) = fifo else {
        return Some(Extcap::Answer(String::new()));
    };
    let fixed = ["spygrep", "-qqqq", "--write-flow"].map(OsString::from);
    let mut capture = Vec::from(fixed);
    capture.extend(["-d".into(), device.unwrap_or_else(|| "any".into())]);
    capture.extend([
        "-O".into(),
        fifo,
        "--regexp".into(),
        pattern.unwrap_or_default(),
    ]);
    capture.extend(filter.filter(|filter| !filter.is_empty()));
    Some(Extcap::Capture(capture))
}

fn interfaces() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "extcap {{version={version}}}{{display=spygrep}}\n\
         interface {{value={INTERFACE}}}{{display=spygrep: connections in which a message matches}}\n"
    )
}

/// The link type that is announced; the header of the capture has the real one.
fn link_types() -> String {
    "dlt {number=1}{name=EN10MB}{display=Ethernet}\n".to_owned()
}

fn settings() -> String {
    "arg {number=0}{call=--device}{display=Interface}{type=string}{default=any}\
     {tooltip=The interface to capture on}\n\
     arg {number=1}{call=--regexp}{display=Pattern}{type=string}{required=true}\
     {tooltip=A regular expression, searched for in reassembled and decoded messages}\n"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> Option<Extcap> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        call(&words)
    }

    #[test]
    fn wiresharks_calls_are_answered_and_others_are_not_taken_for_them() {
        for (line, part) in [
            (
                "spygrep --extcap-interfaces --extcap-version=4.0",
                "interface {value=spygrep}",
            ),
            (
                "spygrep --extcap-interface spygrep --extcap-dlts",
                "dlt {number=1}",
            ),
            (
                "spygrep --extcap-interface spygrep --extcap-config",
                "{call=--regexp}",
            ),
        ] {
            let answered = called(line);
            assert!(
                matches!(&answered, Some(Extcap::Answer(text)) if text.contains(part)),
                "{line}: {answered:?}"
            );
        }
        for line in ["spygrep", "spygrep GET", "spygrep -d lo --regexp --capture"] {
            assert_eq!(called(line), None, "{line}");
        }
    }

    #[test]
    fn a_capture_is_a_run_that_saves_connections() {
        let capture = |line: &str| match called(line) {
            Some(Extcap::Capture(words)) => words
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            capture(
                "x --capture --extcap-interface spygrep --fifo /tmp/f --device lo --regexp=a=b"
            ),
            "spygrep -qqqq --write-flow -d lo -O /tmp/f --regexp a=b"
        );
        assert_eq!(
            capture(
                "x --extcap-interface spygrep --fifo=/tmp/f --extcap-capture-filter tcp --capture"
            ),
            "spygrep -qqqq --write-flow -d any -O /tmp/f --regexp  tcp"
        );
    }
}

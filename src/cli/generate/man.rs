//! The man page: the table of options, then the texts of `--help` and its topics.
//!
//! Generated, so that it cannot differ from the help.

use clap::CommandFactory as _;

use crate::cli::args::Args;
use crate::cli::help;

const SIGNALS: &str = "\
SIGINT, SIGTERM, SIGHUP and SIGQUIT end a run as its end does: what is complete is written, the summary is printed, the exit
status is 0 or 1. A second SIGINT leaves at once. SIGUSR1 prints the counters and goes on. A reader that closes the pipe is
a quiet end.";
const FILES: &str = "\
Captures are read as pcap and pcapng, packed with gzip or zstd too. -O writes pcap with nanoseconds, or pcapng where the name
ends in .pcapng. --streams writes a file for each direction of each connection, and index.tsv with their holes.";
/// Width of lines that are not filled, so that a page of 80 columns with its margin holds them.
const COLUMNS: usize = 72;
const SEE_ALSO: &str = "pcap-filter(7), tcpdump(8), ngrep(8), tcpflow(1), capabilities(7)";

/// The page, in roff.
pub(super) fn page() -> String {
    let command = Args::command();
    let man = clap_mangen::Man::new(command.clone());
    let mut out = Vec::new();
    // Writing to a vector cannot fail.
    let _ = man.render_title(&mut out);
    let _ = man.render_name_section(&mut out);
    let mut page = String::from_utf8_lossy(&out).into_owned();
    page.push_str(".SH SYNOPSIS\n");
    for line in [
        "[OPTIONS] [PATTERN] [BPF FILTER ...]",
        "[OPTIONS] [PATTERN] FILE.pcap ...",
    ] {
        page.push_str(&format!(".B spygrep\n{}\n.br\n", escaped(line)));
    }
    section(&mut page, "description", "\
Search what goes through an interface, or lies in capture files, for a regular expression. TCP streams and IP fragments are put
together before they are searched, HTTP is understood on any port, and each message that matches is shown with the response
and its time beside it.");
    page.push_str(".SH OPTIONS\n");
    for (heading, options) in super::groups(&command) {
        page.push_str(&format!(".SS {}\n", escaped(heading)));
        for option in options {
            let names = super::names(option).join(", ");
            let about = super::about(option);
            page.push_str(&format!(
                ".TP\n.B {}\n{}.\n",
                escaped(&names),
                escaped(&about)
            ));
        }
    }
    for (name, text) in help::pages() {
        as_typed(&mut page, name, &text);
    }
    for (name, text) in help::sections() {
        as_typed(&mut page, name, &text);
    }
    section(&mut page, "signals", SIGNALS);
    section(&mut page, "files", FILES);
    section(&mut page, "see also", SEE_ALSO);
    page
}

/// A section of flowing text.
fn section(page: &mut String, name: &str, text: &str) {
    page.push_str(&format!(".SH {}\n", escaped(&name.to_uppercase())));
    for line in text.lines() {
        page.push_str(&format!("{}\n", escaped(line)));
    }
}

/// A section with its lines unchanged.
fn as_typed(page: &mut String, name: &str, text: &str) {
    page.push_str(&format!(".SH {}\n.nf\n", escaped(&name.to_uppercase())));
    for line in help::wrapped(text, COLUMNS).lines() {
        page.push_str(&format!("{}\n", escaped(line)));
    }
    page.push_str(".fi\n");
}

/// Escapes text for roff: no line becomes a request, and a dash stays a dash.
fn escaped(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-");
    let text = text
        .replace('^', "\\(ha")
        .replace('~', "\\(ti")
        .replace('\'', "\\(aq")
        .replace('`', "\\(ga");
    let text = text.replace('·', "\\(pc");
    if text.starts_with('.') {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_text_is_a_request() {
        for (line, wanted) in [
            (". ^ $", "\\&. \\(ha $"),
            ("'a' -b", "\\(aqa\\(aq \\-b"),
            ("\\xff", "\\exff"),
        ] {
            assert_eq!(escaped(line), wanted);
        }
    }

    #[test]
    fn the_page_has_its_sections() {
        let page = page();
        for name in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "PATTERNS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
            "SIGNALS",
            "FILES",
            "SEE ALSO",
        ] {
            let heading = page.lines().any(|line| {
                line.strip_prefix(".SH ")
                    .is_some_and(|it| it.trim_matches('"') == name)
            });
            assert!(heading, "{name}");
        }
    }
}

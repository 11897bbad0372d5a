//! Render settings: the layout, how much of each message, colours and characters. Plain values;
//! nothing here reads the terminal or the environment.

use crate::limits::Limits;

use super::{Escape, Output, Wants};

/// Bytes of a body kept for [`Body::Short`].
const SHORT_BODY: usize = 4 << 10;

/// Layouts of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The message by line, with highlights.
    Spy,
    /// One line for each exchange.
    Log,
    /// ngrep's layout by line (`-W byline`).
    Byline,
    /// Rows of the terminal's width.
    Normal,
    /// One line for each record.
    Single,
    /// The text without any layout.
    None,
}

/// How much of a body is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing.
    None,
    /// 40 lines or 4 KiB, and the lines with matches.
    Short,
    /// All that was kept.
    Full,
}

/// Format of timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Time {
    /// No timestamp.
    None,
    /// Local date and time.
    Absolute,
    /// Local time without the date, to the millisecond.
    OfDay,
    /// Time since the previous record.
    Delta,
    /// Time since the first record.
    SinceFirst,
}

/// Render settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The output, if it is not records in a view.
    pub output: Option<Output>,
    /// Count exchanges, not messages: conditions hold for an exchange, and both halves are shown.
    pub by_exchange: bool,
    /// Layout of records.
    pub view: View,
    /// Show bytes in hexadecimal.
    pub hex: bool,
    /// Output as ngrep prints it, packet by packet: `#` marks, banner, `exit`.
    pub packets: bool,
    /// Width of the terminal in columns.
    pub columns: usize,
    /// Fit lines to `columns`: on a terminal, or on request.
    pub fits: bool,
    /// Which bytes are shown as characters.
    pub escape: Escape,
    /// Use colours.
    pub color: bool,
    /// Use characters beyond ASCII in the program's own text.
    pub signs: bool,
    /// With `-o`: time and flow before each line.
    pub with_flow: bool,
    /// Format of timestamps.
    pub time: Time,
    /// Show the number of the IP protocol.
    pub protocol_number: bool,
    /// Number of `-q` options.
    pub quiet: u8,
    /// How much of a body is shown.
    pub body: Body,
    /// Maximum bytes kept of a body for [`Body::Full`].
    pub max_body: usize,
    /// Show where the time of an exchange went.
    pub timing: bool,
    /// Lay out JSON, forms and multipart bodies by line.
    pub pretty: bool,
    /// Redact secrets.
    pub redact: bool,
    /// Header fields shown as columns of the log.
    pub fields: Vec<String>,
    /// Packets come from an interface, so ngrep's closing line is printed.
    pub live: bool,
    /// The processes of both ends are shown.
    pub who: bool,
    /// Two files are two runs to compare; exchange numbers restart in the second.
    pub two_runs: bool,
}

/// Records in the default view without colour, as for a pipe.
impl Default for Settings {
    fn default() -> Self {
        Self {
            output: None,
            by_exchange: false,
            view: View::Spy,
            hex: false,
            packets: false,
            columns: 80,
            fits: false,
            escape: Escape {
                utf8: true,
                tab: true,
                dot: '.',
            },
            color: false,
            signs: true,
            with_flow: false,
            time: Time::None,
            protocol_number: false,
            quiet: 0,
            body: Body::Short,
            max_body: Limits::default().body,
            timing: false,
            pretty: false,
            redact: false,
            fields: Vec::new(),
            live: false,
            who: false,
            two_runs: false,
        }
    }
}

impl Settings {
    /// What a renderer of whole exchanges needs.
    pub(super) fn wants_exchanges(&self) -> Wants {
        Wants {
            body: self.max_body,
            pairs: true,
            ..Wants::NOTHING
        }
    }

    /// What a renderer of records needs.
    pub(super) fn wants_records(&self) -> Wants {
        let body = match self.body {
            Body::None => 0,
            Body::Short => SHORT_BODY,
            Body::Full => self.max_body,
        };
        Wants {
            body,
            companions: self.quiet < 4,
            matches: true,
            ..Wants::NOTHING
        }
    }
}

//! How to show: the layout, what of each message, colours and characters.

use crate::limits::Limits;

use super::{Escape, Wants};

/// Bytes of a body for [`Body::Short`].
const SHORT_BODY: usize = 4 << 10;

/// Layouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The message by line, with highlights.
    Spy,
    /// A line for each exchange.
    Log,
    /// ngrep's layouts.
    Byline,
    /// Rows of the terminal's width.
    Normal,
    /// One line for each record.
    Single,
    /// No layout at all.
    None,
}

/// What is shown at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Records, in a [`View`].
    Records,
    /// The matched text; `true`: with time and flow.
    Matches(bool),
    /// How many records match.
    Count,
    /// Nothing.
    Nothing,
    /// Conversations.
    Conversations,
    /// JSON, a line for each record.
    Json,
    /// An HTTP archive.
    Har,
    /// The curl command of the exchange of this number.
    Curl(u64),
    /// A table of times, every so many nanoseconds as well.
    Overview(Option<i64>),
    /// The difference of two exchanges: those of these numbers, or the first two that ask for the same.
    Difference(Option<(u64, u64)>),
}

/// How much of a body is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing of it.
    None,
    /// 40 lines or 4 KiB, and the lines with matches.
    Short,
    /// All that was kept.
    Full,
}

/// Time stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Time {
    /// None.
    None,
    /// Local time.
    Absolute,
    /// Local time without its day, to the millisecond.
    OfDay,
    /// Since the record before.
    Delta,
    /// Since the first record.
    SinceFirst,
}

/// How to show.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What.
    pub what: What,
    /// Layout.
    pub view: View,
    /// Bytes in hexadecimal.
    pub hex: bool,
    /// As ngrep, packet by packet: marks, banner, `exit`.
    pub packets: bool,
    /// Columns of the terminal.
    pub columns: usize,
    /// Lines are read in that many columns: on a terminal, or because the user said so.
    pub fits: bool,
    /// How bytes become characters.
    pub escape: Escape,
    /// Colours.
    pub color: bool,
    /// Signs beyond ASCII for the program's own words.
    pub signs: bool,
    /// Time stamps.
    pub time: Time,
    /// The number of the IP protocol.
    pub protocol_number: bool,
    /// `-q`, counted.
    pub quiet: u8,
    /// How much of a body.
    pub body: Body,
    /// Bytes of a body that are kept for [`Body::Full`].
    pub max_body: usize,
    /// Where the time of an exchange went.
    pub timing: bool,
    /// JSON, forms and multipart bodies by line.
    pub pretty: bool,
    /// Redact secrets.
    pub redact: bool,
    /// Names of header fields that are columns of the log.
    pub fields: Vec<String>,
    /// Packets come from an interface: ngrep's closing line is wanted.
    pub live: bool,
    /// Two files are two runs, to be compared; numbers begin anew in the second.
    pub two_runs: bool,
}

/// Records in the `spy` view without colour, as into a pipe.
impl Default for Settings {
    fn default() -> Self {
        Self {
            what: What::Records,
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
            ..Wants::NOTHING
        }
    }
}

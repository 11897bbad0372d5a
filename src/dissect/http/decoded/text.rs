//! *Text*: turns what comes out of the stages into UTF-8, and tells it. What could not be decoded
//! is told as it is.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Charset;
use super::charset::{PRESCAN, declared, is_utf_16};
use super::look::Media;
use super::stage::Piece;

/// Bytes taken from the decoder at once.
const ROOM: usize = 4 << 10;
/// Bytes by which UTF-16 is known.
const FIRST: usize = 4;

/// Who hears the text of a body.
pub(super) trait Listener {
    /// Text of the message, or of another reading.
    fn text(&mut self, reading: Option<u8>, bytes: &[u8]);

    /// Another reading begins; `None` when there are too many, or no room.
    fn fork(&mut self, name: &'static str) -> Option<u8>;

    /// Another reading swells like a bomb, and is not searched any further.
    fn drop_reading(&mut self);
}

/// The characters of a body, or of another reading of it.
pub(super) struct Text {
    decoder: Option<Decoder>,
    look: Look,
    media: Media,
    /// A character set that is as likely.
    other: Option<Charset>,
    /// Readings of the same bytes in other characters.
    others: Vec<(Option<Decoder>, u8)>,
    /// Of which reading it is the text, if not of the message's own.
    reading: Option<u8>,
    /// What the characters are encoded in, where nothing says so.
    name: Option<&'static str>,
    /// Characters were decoded.
    decoded: bool,
}

/// What is still looked for in the first bytes.
enum Look {
    /// The marks of UTF-16.
    First(Vec<u8>),
    /// What markup says itself. So many bytes of it are told, which are ASCII.
    Prescan { seen: Vec<u8>, told: usize },
    /// Nothing.
    Done,
}

impl Text {
    /// Of a body of this kind, in `charset` if its head says one that is not UTF-8; `other`, if it
    /// says two.
    pub(super) fn new(media: Media, charset: Option<Charset>, other: Option<Charset>) -> Self {
        Self {
            // A byte order mark decides between the kinds of UTF-16, and is left out.
            decoder: charset.map(Encoding::new_decoder),
            look: match charset {
                Some(_) => Look::Done,
                None => Look::First(Vec::new()),
            },
            media,
            other: other.filter(|other| charset != Some(*other)),
            others: Vec::new(),
            reading: None,
            name: None,
            decoded: false,
        }
    }

    /// Of bytes that are told as they are.
    pub(super) fn as_sent() -> Self {
        Self {
            look: Look::Done,
            ..Self::new(Media::Opaque, None, None)
        }
    }

    /// The same for another reading than the message's own. It has no further ones.
    pub(super) fn of_reading(self, reading: u8) -> Self {
        Self {
            reading: Some(reading),
            other: None,
            ..self
        }
    }

    /// Characters were decoded.
    pub(super) const fn is_decoded(&self) -> bool {
        self.decoded
    }

    /// What they were encoded in, where nothing says so.
    pub(super) const fn name(&self) -> Option<&'static str> {
        self.name
    }

    pub(super) fn push(&mut self, piece: Piece<'_>, listener: &mut dyn Listener) {
        match piece {
            Piece::Decoded(bytes) => {
                if matches!(self.look, Look::Done) && self.other.is_none() {
                    self.tell(bytes, listener);
                } else {
                    self.look_at(bytes, false, listener);
                }
            }
            Piece::AsSent(bytes) => {
                self.finish(listener);
                self.tell(bytes, listener);
            }
        }
    }

    /// Bytes are missing here. False when it cannot go on behind them: it is not known whether they
    /// are whole characters.
    pub(super) fn hole(&mut self, listener: &mut dyn Listener) -> bool {
        self.look_at(b"", true, listener);
        self.others.retain_mut(|(decoder, reading)| {
            let Some(decoder) = decoder else { return true };
            decode(decoder, b"", true, &mut |text| {
                listener.text(Some(*reading), text);
            });
            behind_hole(decoder)
        });
        let Some(decoder) = &mut self.decoder else {
            return true;
        };
        decode(decoder, b"", true, &mut |text| {
            listener.text(self.reading, text);
        });
        behind_hole(decoder)
    }

    /// Nothing more comes: half a character is none.
    pub(super) fn finish(&mut self, listener: &mut dyn Listener) {
        self.look_at(b"", true, listener);
        for (decoder, reading) in &mut self.others {
            if let Some(mut decoder) = decoder.take() {
                decode(&mut decoder, b"", true, &mut |text| {
                    listener.text(Some(*reading), text);
                });
            }
        }
        if let Some(mut decoder) = self.decoder.take() {
            decode(&mut decoder, b"", true, &mut |text| {
                listener.text(self.reading, text);
            });
        }
    }

    /// Looks at more of the first bytes, and tells what need not be looked at any more; `all`:
    /// there are no more.
    fn look_at(&mut self, bytes: &[u8], all: bool, listener: &mut dyn Listener) {
        if let Some(other) = self.other.take_if(|_| !bytes.is_empty())
            && let Some(reading) = listener.fork(other.name())
        {
            self.others.push((Some(other.new_decoder()), reading));
        }
        match std::mem::replace(&mut self.look, Look::Done) {
            Look::Done => self.tell(bytes, listener),
            Look::First(held) if held.is_empty() && (all || bytes.len() >= FIRST) => {
                self.begin(bytes, all, listener);
            }
            Look::First(mut held) => {
                held.extend_from_slice(bytes);
                if all || held.len() >= FIRST {
                    self.begin(&held, all, listener);
                } else {
                    self.look = Look::First(held);
                }
            }
            Look::Prescan { seen, told } => self.prescan(seen, told, bytes, all, listener),
        }
    }

    /// Decides by the first bytes whether they are UTF-16, and tells them.
    fn begin(&mut self, first: &[u8], all: bool, listener: &mut dyn Listener) {
        let marked = matches!(first, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        match is_utf_16(first) {
            Some(charset) if self.media.is_readable() => {
                // Nobody says it where there is no byte order mark.
                if !marked && self.reading.is_none() {
                    self.name = Some(charset.name());
                    let reading = listener.fork("sent");
                    self.others.extend(reading.map(|reading| (None, reading)));
                }
                self.decoder = Some(charset.new_decoder());
            }
            Some(charset) if self.reading.is_none() => {
                if let Some(reading) = listener.fork(charset.name()) {
                    self.others.push((Some(charset.new_decoder()), reading));
                }
            }
            None if self.media == Media::Markup => {
                return self.prescan(Vec::new(), 0, first, all, listener);
            }
            Some(_) | None => {}
        }
        self.tell(first, listener);
    }

    /// Waits for markup to say what its characters are encoded in. Whatever it is, ASCII is ASCII
    /// in it.
    fn prescan(
        &mut self,
        mut seen: Vec<u8>,
        told: usize,
        bytes: &[u8],
        all: bool,
        listener: &mut dyn Listener,
    ) {
        let room = PRESCAN.saturating_sub(seen.len()).min(bytes.len());
        let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, b""));
        seen.extend_from_slice(now);
        if let Some(charset) = declared(&seen, all) {
            if charset != UTF_8 {
                self.decoder = Some(charset.new_decoder_without_bom_handling());
            }
            self.tell(seen.get(told..).unwrap_or_default(), listener);
            return self.tell(later, listener);
        }
        let fresh = seen.get(told..).unwrap_or_default();
        // An escape leaves ASCII in ISO-2022-JP.
        let is_ascii = |byte: &&u8| byte.is_ascii() && **byte != 0x1b;
        let plain = fresh.iter().take_while(is_ascii).count();
        self.tell(fresh.get(..plain).unwrap_or_default(), listener);
        let told = told.saturating_add(plain);
        self.look = Look::Prescan { seen, told };
    }

    fn tell(&mut self, bytes: &[u8], listener: &mut dyn Listener) {
        if bytes.is_empty() {
            return;
        }
        for (decoder, reading) in &mut self.others {
            match decoder {
                Some(decoder) => decode(decoder, bytes, false, &mut |text| {
                    listener.text(Some(*reading), text);
                }),
                None => listener.text(Some(*reading), bytes),
            }
        }
        match &mut self.decoder {
            Some(decoder) => {
                self.decoded = true;
                decode(decoder, bytes, false, &mut |text| {
                    listener.text(self.reading, text);
                });
            }
            None => listener.text(self.reading, bytes),
        }
    }
}

/// Makes a decoder one for what is behind a hole; false when it is not known whether that begins
/// with a whole character.
fn behind_hole(decoder: &mut Decoder) -> bool {
    let charset = decoder.encoding();
    *decoder = charset.new_decoder_without_bom_handling();
    charset != UTF_16LE && charset != UTF_16BE
}

fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool, tell: &mut dyn FnMut(&[u8])) {
    let mut room = [0; ROOM];
    let mut rest = bytes;
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(rest, &mut room, last);
        let text = room.get(..written).unwrap_or_default();
        if !text.is_empty() {
            tell(text);
        }
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

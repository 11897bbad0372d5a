//! Character sets: converts the output of the stages to UTF-8 and emits it. Bytes that could not be
//! decoded are emitted as they are; at most [`PRESCAN`] bytes are buffered to find the character
//! set.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Charset;
use super::charset::{PRESCAN, declared, is_utf_16};
use super::look::Media;
use super::stage::Piece;

/// Size of the output buffer of a decoder, in bytes.
const BUFFER: usize = 4 << 10;
/// Number of bytes required to recognise UTF-16.
const FIRST: usize = 4;

/// Receives the text of a body.
pub(super) trait TextSink {
    /// Takes text of the message, or of another reading.
    fn text(&mut self, reading: Option<u8>, bytes: &[u8]);

    /// Starts another reading. `None` if there are too many, or no memory.
    fn fork(&mut self, name: &'static str) -> Option<u8>;

    /// Ends a reading that exceeds the expansion limit. Its later bytes are not searched.
    fn drop_reading(&mut self);
}

/// The text of a body, or of another reading of it.
pub(super) struct Text {
    decoder: Option<Decoder>,
    look: Look,
    media: Media,
    /// A second character set that is as likely.
    other: Option<Charset>,
    /// Readings of the same bytes in other character sets.
    others: Vec<(Option<Decoder>, u8)>,
    /// The number of the reading; `None` for the message's own text.
    reading: Option<u8>,
    /// The character set, if it was detected and not declared.
    name: Option<&'static str>,
    /// Whether a character set was decoded.
    decoded: bool,
}

/// What the first bytes are examined for.
enum Look {
    /// The signatures of UTF-16.
    First(Vec<u8>),
    /// A declaration in the markup. `seen` are the bytes so far, of which the first `emitted`, all
    /// of them ASCII, were emitted.
    Prescan { seen: Vec<u8>, emitted: usize },
    /// Nothing.
    Done,
}

impl Text {
    /// The text of a body of this type. `charset` is the declared character set if it is not UTF-8,
    /// and `other` a second one.
    pub(super) fn new(media: Media, charset: Option<Charset>, other: Option<Charset>) -> Self {
        Self {
            // A byte order mark selects the byte order of UTF-16, and is removed.
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

    /// Text that is emitted as it is.
    pub(super) fn as_sent() -> Self {
        Self {
            look: Look::Done,
            ..Self::new(Media::Opaque, None, None)
        }
    }

    /// Makes this the text of another reading. It starts no further ones.
    pub(super) fn of_reading(self, reading: u8) -> Self {
        Self {
            reading: Some(reading),
            other: None,
            ..self
        }
    }

    /// Whether a character set was decoded.
    pub(super) const fn is_decoded(&self) -> bool {
        self.decoded
    }

    /// The character set, if it was detected and not declared.
    pub(super) const fn name(&self) -> Option<&'static str> {
        self.name
    }

    pub(super) fn push(&mut self, piece: Piece<'_>, sink: &mut dyn TextSink) {
        match piece {
            Piece::Decoded(bytes) => {
                if matches!(self.look, Look::Done) && self.other.is_none() {
                    self.emit(bytes, sink);
                } else {
                    self.look_at(bytes, false, sink);
                }
            }
            Piece::AsSent(bytes) => {
                self.finish(sink);
                self.emit(bytes, sink);
            }
        }
    }

    /// Handles a gap. Returns false if decoding cannot continue after it, since the missing bytes
    /// may end inside a character.
    pub(super) fn gap(&mut self, sink: &mut dyn TextSink) -> bool {
        self.look_at(b"", true, sink);
        self.others.retain_mut(|(decoder, reading)| {
            let Some(decoder) = decoder else { return true };
            decode(decoder, b"", true, &mut |text| {
                sink.text(Some(*reading), text);
            });
            after_gap(decoder)
        });
        let Some(decoder) = &mut self.decoder else {
            return true;
        };
        decode(decoder, b"", true, &mut |text| {
            sink.text(self.reading, text);
        });
        after_gap(decoder)
    }

    /// Ends the text. A truncated character is emitted as a replacement character.
    pub(super) fn finish(&mut self, sink: &mut dyn TextSink) {
        self.look_at(b"", true, sink);
        for (decoder, reading) in &mut self.others {
            if let Some(mut decoder) = decoder.take() {
                decode(&mut decoder, b"", true, &mut |text| {
                    sink.text(Some(*reading), text);
                });
            }
        }
        if let Some(mut decoder) = self.decoder.take() {
            decode(&mut decoder, b"", true, &mut |text| {
                sink.text(self.reading, text);
            });
        }
    }

    /// Examines more of the first bytes, and emits those that are decided. `all` means that no more
    /// will arrive.
    fn look_at(&mut self, bytes: &[u8], all: bool, sink: &mut dyn TextSink) {
        if let Some(other) = self.other.take_if(|_| !bytes.is_empty())
            && let Some(reading) = sink.fork(other.name())
        {
            self.others.push((Some(other.new_decoder()), reading));
        }
        match std::mem::replace(&mut self.look, Look::Done) {
            Look::Done => self.emit(bytes, sink),
            Look::First(held) if held.is_empty() && (all || bytes.len() >= FIRST) => {
                self.begin(bytes, all, sink);
            }
            Look::First(mut held) => {
                held.extend_from_slice(bytes);
                if all || held.len() >= FIRST {
                    self.begin(&held, all, sink);
                } else {
                    self.look = Look::First(held);
                }
            }
            Look::Prescan { seen, emitted } => self.prescan(seen, emitted, bytes, all, sink),
        }
    }

    /// Decides by the first bytes whether the text is UTF-16, and emits them.
    fn begin(&mut self, first: &[u8], all: bool, sink: &mut dyn TextSink) {
        let marked = matches!(first, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        match is_utf_16(first) {
            Some(charset) if self.media.is_readable() => {
                // UTF-16 without a byte order mark is a guess: keep a reading as sent.
                if !marked && self.reading.is_none() {
                    self.name = Some(charset.name());
                    let reading = sink.fork("sent");
                    self.others.extend(reading.map(|reading| (None, reading)));
                }
                self.decoder = Some(charset.new_decoder());
            }
            Some(charset) if self.reading.is_none() => {
                if let Some(reading) = sink.fork(charset.name()) {
                    self.others.push((Some(charset.new_decoder()), reading));
                }
            }
            None if self.media == Media::Markup => {
                return self.prescan(Vec::new(), 0, first, all, sink);
            }
            Some(_) | None => {}
        }
        self.emit(first, sink);
    }

    /// Searches markup for a declaration of its character set. ASCII is emitted at once, since it
    /// is the same in all of them.
    fn prescan(
        &mut self,
        mut seen: Vec<u8>,
        emitted: usize,
        bytes: &[u8],
        all: bool,
        sink: &mut dyn TextSink,
    ) {
        let space = PRESCAN.saturating_sub(seen.len()).min(bytes.len());
        let (now, later) = bytes.split_at_checked(space).unwrap_or((bytes, b""));
        seen.extend_from_slice(now);
        if let Some(charset) = declared(&seen, all) {
            if charset != UTF_8 {
                self.decoder = Some(charset.new_decoder_without_bom_handling());
            }
            self.emit(seen.get(emitted..).unwrap_or_default(), sink);
            return self.emit(later, sink);
        }
        let fresh = seen.get(emitted..).unwrap_or_default();
        // In ISO-2022-JP, an escape sequence switches to another set.
        let is_ascii = |byte: &&u8| byte.is_ascii() && **byte != 0x1b;
        let plain = fresh.iter().take_while(is_ascii).count();
        self.emit(fresh.get(..plain).unwrap_or_default(), sink);
        let emitted = emitted.saturating_add(plain);
        self.look = Look::Prescan { seen, emitted };
    }

    fn emit(&mut self, bytes: &[u8], sink: &mut dyn TextSink) {
        if bytes.is_empty() {
            return;
        }
        for (decoder, reading) in &mut self.others {
            match decoder {
                Some(decoder) => decode(decoder, bytes, false, &mut |text| {
                    sink.text(Some(*reading), text);
                }),
                None => sink.text(Some(*reading), bytes),
            }
        }
        match &mut self.decoder {
            Some(decoder) => {
                self.decoded = true;
                decode(decoder, bytes, false, &mut |text| {
                    sink.text(self.reading, text);
                });
            }
            None => sink.text(self.reading, bytes),
        }
    }
}

/// Resets a decoder after a gap. Returns false if the bytes after it may start inside a character.
fn after_gap(decoder: &mut Decoder) -> bool {
    let charset = decoder.encoding();
    *decoder = charset.new_decoder_without_bom_handling();
    charset != UTF_16LE && charset != UTF_16BE
}

fn decode(decoder: &mut Decoder, bytes: &[u8], last: bool, emit: &mut dyn FnMut(&[u8])) {
    let mut buffer = [0; BUFFER];
    let mut rest = bytes;
    loop {
        let (result, read, written, _) = decoder.decode_to_utf8(rest, &mut buffer, last);
        let text = buffer.get(..written).unwrap_or_default();
        if !text.is_empty() {
            emit(text);
        }
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

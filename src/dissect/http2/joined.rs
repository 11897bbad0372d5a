//! How a connection is recognised, also one that was *joined* in the middle, and where its frames
//! begin again after a gap. Pure functions of bytes.

use super::super::ProbeResult;
use super::frames::{HEADER, Header, PREFACE, Type, flag};
use super::head::{Sort, sort};
use super::hpack::{Block, Decoder, Why};

/// Bytes of the preface that nothing else begins with.
const CERTAIN: usize = 16;
/// How many streams may have been opened in what was not captured.
const AHEAD: u32 = 1 << 16;

/// Whether bytes begin with a client's preface, or with frames.
///
/// The first frame of a server is certain by itself, and so is a head. Of other frames two in a row
/// are.
pub(super) fn probe(bytes: &[u8]) -> ProbeResult {
    match bytes.first() {
        Some(b'P') => preface(bytes),
        // Frames of a usual size, and nearly no text.
        Some(0) => frames(bytes),
        _ => ProbeResult::NotForUs,
    }
}

fn preface(bytes: &[u8]) -> ProbeResult {
    let window = bytes.get(..CERTAIN).unwrap_or(bytes);
    match PREFACE.starts_with(window) {
        true if window.len() == CERTAIN => ProbeResult::Certain,
        true => ProbeResult::Likely { need: CERTAIN },
        false => ProbeResult::NotForUs,
    }
}

fn frames(bytes: &[u8]) -> ProbeResult {
    let Some(header) = Header::read(bytes) else {
        return ProbeResult::Unsure { need: HEADER };
    };
    if !header.is_plausible() {
        return ProbeResult::NotForUs;
    }
    let whole = header.whole();
    match header.kind {
        Type::Settings if !header.has(flag::ACK) => settings(bytes, &header),
        Type::Headers if header.has(flag::END_HEADERS) => match bytes.get(HEADER..whole) {
            None => ProbeResult::Unsure { need: whole },
            Some(payload) if is_head(&header, payload) => ProbeResult::Certain,
            Some(_) => ProbeResult::NotForUs,
        },
        _ => {
            let rest = bytes.get(whole..).unwrap_or_default();
            match Header::read(rest) {
                None => ProbeResult::Unsure {
                    need: whole.saturating_add(HEADER),
                },
                Some(next) if next.is_plausible() => ProbeResult::Certain,
                Some(_) => ProbeResult::NotForUs,
            }
        }
    }
}

/// Whether the first setting is one: by that and its header the frame is certain.
fn settings(bytes: &[u8], header: &Header) -> ProbeResult {
    if header.len == 0 {
        return ProbeResult::Certain;
    }
    match bytes.get(HEADER..HEADER.saturating_add(2)) {
        None => ProbeResult::Unsure {
            need: HEADER.saturating_add(2),
        },
        Some([0, 1..=0x10]) => ProbeResult::Certain,
        Some(_) => ProbeResult::NotForUs,
    }
}

/// Whether a payload is a whole block that has pseudo-fields.
fn is_head(header: &Header, payload: &[u8]) -> bool {
    let Some(fragment) = header.fragment(payload) else {
        return false;
    };
    let mut decoder = Decoder::default();
    decoder.forget(Why::Before);
    let mut block = Block::default();
    decoder.decode(fragment, &mut block);
    block.flaw.is_none() && matches!(sort(&block), Sort::Request | Sort::Response)
}

/// Whether frames of a connection that is known begin here, of which the highest stream so far is
/// `highest`.
pub(super) fn resumes(bytes: &[u8], highest: u32) -> bool {
    let Some(header) = Header::read(bytes) else {
        return false;
    };
    if !header.is_plausible() || header.stream > highest.saturating_add(AHEAD) {
        return false;
    }
    let next = bytes.get(header.whole()..).and_then(Header::read);
    next.is_none_or(|next| next.is_plausible())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dissect::http2::hpack::testing::unhex;

    const CERTAINLY: ProbeResult = ProbeResult::Certain;
    const NOT: ProbeResult = ProbeResult::NotForUs;

    const fn unsure(need: usize) -> ProbeResult {
        ProbeResult::Unsure { need }
    }

    #[test]
    fn connections_are_recognised_by_their_first_bytes() {
        let likely = ProbeResult::Likely { need: 16 };
        let table: &[(&[u8], ProbeResult)] = &[
            (PREFACE, CERTAINLY),
            (b"PRI * HTTP/2.0\r\n", CERTAINLY),
            (b"PRI * HTTP/2.0\r", likely),
            (b"P", likely),
            (b"PRI * HTTP/1.1\r\n", NOT),
            (b"POST", NOT),
            (b"", NOT),
        ];
        for (bytes, probed) in table {
            assert_eq!(probe(bytes), *probed, "{}", bytes.escape_ascii());
        }
        let table = [
            ("00", unsure(9)),
            ("000000 04 00 00000000", CERTAINLY),
            ("000006 04 00 00000000", unsure(11)),
            ("000006 04 00 00000000 0003 00000080", CERTAINLY),
            ("000006 04 00 00000000 0300 00000080", NOT),
            ("000007 04 00 00000000 0003", NOT),
            // A head by itself: `:method: GET`, an entry that is not known.
            ("000002 01 05 00000003 82be", CERTAINLY),
            ("000002 01 05 00000003 82", unsure(11)),
            ("000001 01 05 00000003 be", NOT),
            ("000002 01 05 00000003 82ff", NOT),
            ("000002 01 05 00000004 82be", NOT),
            // Others: two in a row.
            ("000004 08 00 00000000 00010000", unsure(22)),
            (
                "000004 08 00 00000000 00010000 000002 00 01 00000001",
                CERTAINLY,
            ),
            ("000004 08 00 00000000 00010000 000002 ff 01 00000001", NOT),
            // Lengths, as other protocols have them.
            ("00000004 00000001 00000000 00000000 00000000", NOT),
            ("00 00 00 00 00 00 00 00 00 00 00 00", NOT),
        ];
        for (hex, probed) in table {
            assert_eq!(probe(&unhex(hex)), probed, "{hex}");
        }
    }

    #[test]
    fn frames_begin_again_where_they_are_plausible() {
        let table = [
            ("000002 00 01 00000001 6162", true),
            ("000002 00 01 00000001 61", true),
            ("000002 00 01 00000001 6162 000000 00 01 00000003", true),
            ("000002 00 01 00000001 6162 000000 ff 01 00000003", false),
            ("000002 00 01 01000001 6162", false),
            ("000002 00 01 000000", false),
            ("616263646566676869", false),
        ];
        for (hex, resumed) in table {
            assert_eq!(resumes(&unhex(hex), 7), resumed, "{hex}");
        }
    }
}

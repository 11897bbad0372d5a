//! The decoder of `gzip` (RFC 1952): members in sequence. Checksums and lengths are not verified,
//! nor is the header's checksum; memory is that of [`Inflate`].

use super::deflate::Inflate;
use super::stage::{Decoder, Failure, Sink};
use crate::dissect::budget::Budget;

/// Flags of a member's header (RFC 1952 section 2.3.1).
mod flag {
    pub(super) const CHECKSUM: u8 = 2;
    pub(super) const EXTRA: u8 = 4;
    pub(super) const NAME: u8 = 8;
    pub(super) const COMMENT: u8 = 16;
    pub(super) const RESERVED: u8 = 0xe0;
}

/// Decodes a gzip stream.
pub(super) struct Gzip {
    inflate: Inflate,
    at: At,
    /// The fixed part of a member's header.
    fixed: [u8; 10],
    /// Number of bytes in `fixed`.
    len: usize,
    /// Whether a member was decoded to its end.
    any: bool,
}

/// Position of the next byte in a member, in the order of RFC 1952.
#[derive(Clone, Copy)]
enum At {
    Fixed,
    ExtraLow,
    ExtraHigh(u8),
    /// This many bytes are left.
    Extra(u16),
    Name,
    Comment,
    /// This many bytes are left.
    Checksum(u8),
    Data,
    /// After the data; this many bytes are left.
    Trailer(usize),
}

impl Gzip {
    pub(super) fn new(budget: &Budget, limit: usize) -> Option<Self> {
        Some(Self {
            inflate: Inflate::new(budget, limit)?,
            at: At::Fixed,
            fixed: [0; 10],
            len: 0,
            any: false,
        })
    }

    /// Parses a byte of a header. `None` if the header is malformed.
    fn header(&mut self, byte: u8) -> Option<()> {
        self.at = match self.at {
            // Some archives are padded with zeros.
            At::Fixed if self.len == 0 && self.any && byte == 0 => At::Fixed,
            At::Fixed => {
                let fits = match self.len {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    3 => byte & flag::RESERVED == 0,
                    _ => true,
                };
                *self.fixed.get_mut(self.len).filter(|_| fits)? = byte;
                self.len = self.len.saturating_add(1);
                if self.len < self.fixed.len() {
                    return Some(());
                }
                self.part(flag::EXTRA, At::ExtraLow)
                    .unwrap_or_else(|| self.after_extra())
            }
            At::ExtraLow => At::ExtraHigh(byte),
            At::ExtraHigh(low) => match u16::from_le_bytes([low, byte]) {
                0 => self.after_extra(),
                left => At::Extra(left),
            },
            At::Extra(0 | 1) => self.after_extra(),
            At::Extra(left) => At::Extra(left.saturating_sub(1)),
            At::Name if byte == 0 => self.after_name(),
            At::Comment if byte == 0 => self.after_comment(),
            At::Checksum(0 | 1) => At::Data,
            At::Checksum(left) => At::Checksum(left.saturating_sub(1)),
            at @ (At::Name | At::Comment | At::Data | At::Trailer(_)) => at,
        };
        Some(())
    }

    /// Returns `at` if the header has this part.
    fn part(&self, flag: u8, at: At) -> Option<At> {
        let [_, _, _, flags, ..] = self.fixed;
        (flags & flag != 0).then_some(at)
    }

    fn after_extra(&self) -> At {
        self.part(flag::NAME, At::Name)
            .unwrap_or_else(|| self.after_name())
    }

    fn after_name(&self) -> At {
        self.part(flag::COMMENT, At::Comment)
            .unwrap_or_else(|| self.after_comment())
    }

    fn after_comment(&self) -> At {
        self.part(flag::CHECKSUM, At::Checksum(2))
            .unwrap_or(At::Data)
    }
}

impl Decoder for Gzip {
    fn push(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), Failure> {
        let mut used = 0_usize;
        while let Some((first, rest)) = bytes.get(used..).and_then(<[u8]>::split_first) {
            match self.at {
                At::Data => {
                    self.len = 0;
                    let data = bytes.get(used..).unwrap_or_default();
                    let (taken, over) = self
                        .inflate
                        .push(data, sink)
                        .map_err(|failure| failure.after(used))?;
                    used = used.saturating_add(taken);
                    if over {
                        self.any = true;
                        self.at = At::Trailer(8);
                    }
                }
                At::Trailer(left) => {
                    let skipped = left.min(rest.len().saturating_add(1));
                    used = used.saturating_add(skipped);
                    self.at = At::Trailer(left.saturating_sub(skipped));
                    if skipped == left {
                        self.inflate.restart();
                        self.at = At::Fixed;
                    }
                }
                _ => {
                    self.header(*first).ok_or(Failure::Broken(used))?;
                    used = used.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    fn held(&self) -> &[u8] {
        let len = if matches!(self.at, At::Fixed) {
            self.len
        } else {
            0
        };
        self.fixed.get(..len).unwrap_or_default()
    }

    fn is_done(&self) -> bool {
        self.any && self.held().is_empty() && matches!(self.at, At::Fixed | At::Trailer(_))
    }

    fn reserved(&self) -> usize {
        self.inflate.reserved()
    }
}

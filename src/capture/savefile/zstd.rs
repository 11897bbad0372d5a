//! Reads zstd files (RFC 8878): all frames in order, without skippable ones. Damaged input gives an
//! error, never a panic, and the window size is limited.
//!
//! The `ruzstd` crate decompresses block by block. This reader adds two things. Each block is
//! collected before it is decompressed, so that a pipe may pause within a block without loss. And
//! for a truncated file, where the crate holds back a window of decompressed bytes, an artificial
//! empty last block makes it release them, so that everything before the cut is read.

use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest accepted window in bytes: the default limit of the `zstd` program.
const WINDOW: u64 = 128 << 20;
/// An empty raw block marked as the last, and space for a checksum, which the crate does not
/// verify.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decompresses a zstd stream.
pub(super) struct Decoder<R> {
    source: R,
    /// Holds bytes that are decompressed and not yet read.
    unpacked: FrameDecoder,
    /// The compressed bytes of the next element: a frame header or a block.
    element: Vec<u8>,
    stage: Stage,
}

enum Stage {
    /// Before a frame, where the stream may end.
    Header,
    Block {
        checksum: bool,
    },
    /// Remaining bytes of a skippable frame.
    Skipping(u64),
    /// Nothing more is read; the error is returned after the last decompressed byte.
    Ended(Option<io::Error>),
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(source: R) -> Self {
        let mut unpacked = FrameDecoder::new();
        unpacked.set_max_window_size(WINDOW);
        Self {
            source,
            unpacked,
            element: Vec::new(),
            stage: Stage::Header,
        }
    }

    /// Reads until the element has this length. Bytes already read are kept if the source would
    /// block.
    fn gather(&mut self, length: usize) -> io::Result<()> {
        while self.element.len() < length {
            let missing = (length - self.element.len()) as u64;
            match (&mut self.source)
                .take(missing)
                .read_to_end(&mut self.element)
            {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and decompresses one element.
    fn advance(&mut self) -> io::Result<()> {
        match &mut self.stage {
            Stage::Header => self.header(),
            Stage::Block { checksum } => {
                let checksum = *checksum;
                self.block(checksum)
            }
            Stage::Skipping(0) => {
                self.stage = Stage::Header;
                Ok(())
            }
            Stage::Skipping(left) => {
                let mut waste = [0; 4096];
                let most = waste
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                match self.source.read(&mut waste[..most])? {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    count => {
                        *left -= count as u64;
                        Ok(())
                    }
                }
            }
            Stage::Ended(error) => error.take().map_or(Ok(()), Err),
        }
    }

    /// RFC 8878, sections 3.1.1.1 and 3.1.2.
    fn header(&mut self) -> io::Result<()> {
        match self.gather(4) {
            Err(error)
                if error.kind() == io::ErrorKind::UnexpectedEof && self.element.is_empty() =>
            {
                self.stage = Stage::Ended(None);
                return Ok(());
            }
            other => other?,
        }
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18] = self.element[..4] {
            self.gather(8)?;
            let left = self.element[4..8]
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            self.element.clear();
            self.stage = Stage::Skipping(left);
            return Ok(());
        }
        self.gather(5)?;
        let descriptor = self.element[4];
        let single_segment = descriptor & 0x20 != 0;
        let content_size = match descriptor >> 6 {
            0 => usize::from(single_segment),
            power => 1 << power,
        };
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        self.gather(5 + usize::from(!single_segment) + dictionary + content_size)?;
        self.unpacked
            .init(&self.element[..])
            .map_err(io::Error::other)?;
        self.element.clear();
        self.stage = Stage::Block {
            checksum: descriptor & 4 != 0,
        };
        Ok(())
    }

    /// RFC 8878, section 3.1.1.2.
    fn block(&mut self, checksum: bool) -> io::Result<()> {
        self.gather(3)?;
        let header = u32::from_le_bytes([self.element[0], self.element[1], self.element[2], 0]);
        let last = header & 1 != 0;
        let size = if header >> 1 & 3 == 1 {
            1
        } else {
            (header >> 3) as usize
        };
        self.gather(3 + size + if last && checksum { 4 } else { 0 })?;
        self.unpacked
            .decode_blocks(&self.element[..], BlockDecodingStrategy::UptoBlocks(1))
            .map_err(io::Error::other)?;
        self.element.clear();
        if last {
            self.stage = Stage::Header;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        while self.unpacked.can_collect() == 0 {
            if let Stage::Ended(None) = self.stage {
                return Ok(0);
            }
            match self.advance() {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    return Err(error);
                }
                Err(error) if !matches!(self.stage, Stage::Ended(_)) => {
                    // Fails only if no frame has begun; then no bytes are held.
                    let _ = self
                        .unpacked
                        .decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
                    self.stage = Stage::Ended(Some(error));
                }
                other => other?,
            }
        }
        self.unpacked.read(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn text() -> Vec<u8> {
        (0..40_000u32)
            .flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect()
    }

    fn unpack(packed: &[u8]) -> (Vec<u8>, io::Result<usize>) {
        let mut out = Vec::new();
        let result = Decoder::new(packed).read_to_end(&mut out);
        (out, result)
    }

    #[test]
    fn frames_follow_one_another_and_skippable_ones_are_left_out() {
        let mut packed = compress_to_vec(&text()[..], CompressionLevel::Fastest);
        packed.extend([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        packed.extend(compress_to_vec(
            &b"the end"[..],
            CompressionLevel::Uncompressed,
        ));
        let (out, result) = unpack(&packed);
        result.unwrap();
        assert_eq!(out, [&text()[..], b"the end"].concat());
    }

    #[test]
    fn whole_blocks_before_a_cut_are_read() {
        let text = [text(), text()].concat();
        let packed = compress_to_vec(&text[..], CompressionLevel::Uncompressed);
        let (out, result) = unpack(&packed[..packed.len() - 10]);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(text.starts_with(&out));
        assert!(
            out.len() > text.len() / 2,
            "{} of {}",
            out.len(),
            text.len()
        );
    }

    #[test]
    fn a_source_that_blocks_everywhere_loses_nothing() {
        struct Stuttering<'a>(&'a [u8], bool);
        impl Read for Stuttering<'_> {
            fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.read(&mut target[..1])
            }
        }
        let packed = compress_to_vec(&text()[..20_000], CompressionLevel::Fastest);
        let mut decoder = Decoder::new(Stuttering(&packed, false));
        let mut out = Vec::new();
        loop {
            let mut chunk = [0; 999];
            match decoder.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => out.extend_from_slice(&chunk[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(out, &text()[..20_000]);
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        let packed = compress_to_vec(&text()[..5000], CompressionLevel::Fastest);
        for at in 0..packed.len().min(400) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            let _ = unpack(&damaged);
            let (out, _) = unpack(&packed[..at]);
            assert!(text().starts_with(&out));
        }
    }
}

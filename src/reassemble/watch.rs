//! Which in-order segments have their checksums verified. The cost is bounded: one segment in 32
//! KiB when nothing was wrong for long.
//!
//! A receiver drops a damaged segment, and it is sent again; the capture may contain both, and then
//! the first is not the text. But hardly a network damages any, and to sum all bytes would cost a
//! tenth of the whole work. So all are verified at first and after contradicting copies, and some
//! when nothing was wrong for long.

/// Payload bytes that are all verified, after a reason to.
const ALL: i64 = 2 << 20;
/// Payload bytes of which one segment is verified, otherwise.
const SOME: i64 = 32 << 10;

/// The sampling state.
pub(super) struct Watch {
    /// Bytes that are still to be verified; negative, bytes that were not.
    left: i64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { left: ALL }
    }
}

impl Watch {
    /// Whether to verify the checksum of a segment of `len` bytes.
    #[inline]
    pub(super) fn should_check(&mut self, len: usize) -> bool {
        self.left = self.left.wrapping_sub(len as i64);
        self.left > 0 || self.left < -SOME && self.rest()
    }

    #[cold]
    fn rest(&mut self) -> bool {
        self.left = 0;
        true
    }

    /// Verifies the next segments, since copies contradict each other.
    pub(super) fn restart(&mut self) {
        self.left = ALL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_segments_are_looked_at_for_a_while_and_then_some() {
        let looked_at =
            |watch: &mut Watch| (0..100_000).filter(|_| watch.should_check(1000)).count();
        let mut watch = Watch::default();
        // 2 MiB of them, and then one in 33.
        assert_eq!(looked_at(&mut watch), 2097 + (100_000 - 2097) / 33);
        assert!(looked_at(&mut watch) < 3100);
        watch.restart();
        assert!(looked_at(&mut watch) > 2097 + 2900);
    }
}

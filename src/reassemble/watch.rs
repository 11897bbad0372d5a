//! When the checksums of segments are looked at that are in order, so that nothing yet hangs on
//! them.
//!
//! A segment that was damaged on its way is dropped by its receiver, and sent again; the capture
//! may have seen both, and the first of the two is not the text. But hardly a network damages any,
//! and to sum all bytes would cost a tenth of the whole work. So all are looked at to begin with,
//! and after copies that contradict each other; and when long nothing was wrong, one now and then.

/// Payload bytes that are summed, when there is a reason to.
const ALL: i64 = 2 << 20;
/// Payload bytes of which one segment is summed, when there is none.
const SOME: i64 = 32 << 10;

/// How watchful the reassembler is.
pub(super) struct Watch {
    /// Bytes that are still to be looked at; below 0, those that were not.
    left: i64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { left: ALL }
    }
}

impl Watch {
    /// Whether the checksum of a segment with so many bytes is to be looked at.
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

    /// Copies contradict each other: look at what comes next.
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

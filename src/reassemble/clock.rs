//! The *clock* by which flows age and gaps are waited for: capture time without its jumps. A pause
//! between two packets counts as [`time::PAUSE`] at most, and so does a step back.
//!
//! Clocks of machines are set, captures are joined, and a file can state any time. A jump must not
//! end what a pause of that length would end.

use crate::frame::Timestamp;
use crate::limits::time;

/// The clock of one reassembler, in nanoseconds. It begins at 0, and no capture brings it near the
/// end of its range.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// The latest capture time.
    last: i64,
    now: i64,
}

impl Clock {
    /// Advances to the capture time `ts`; returns the time of this clock.
    #[inline]
    pub(super) fn at(&mut self, ts: Timestamp) -> Timestamp {
        // A jump from one end of the range to the other may count as any step.
        let step = ts.nanos().wrapping_sub(self.last);
        self.last = ts.nanos();
        self.now = self.now.wrapping_add(step.clamp(-time::PAUSE, time::PAUSE));
        Timestamp::from_nanos(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn it_goes_as_the_capture_does_but_for_jumps() {
        let mut clock = Clock::default();
        let hour = 3600 * SECOND;
        let table = [
            (1_700_000_000 * SECOND, 0),
            (1_700_000_001 * SECOND, SECOND),
            // A step back, as two interfaces make it.
            (1_700_000_000 * SECOND + 1, 1),
            (1_700_000_000 * SECOND + hour, 1 + time::PAUSE),
            (1_700_000_000 * SECOND, 1),
            (i64::MAX, 1 + time::PAUSE),
            (0, 1),
            (i64::MIN + 1, 1 - time::PAUSE),
            (i64::MIN + 1 + SECOND, 1 - time::PAUSE + SECOND),
        ];
        for (last, now) in table {
            let since_first = clock.at(Timestamp::from_nanos(last)).nanos() - time::PAUSE;
            assert_eq!(since_first, now, "{last}");
        }
    }
}

//! The times of a row: exact values while there are few, a histogram when there are many. Memory
//! per row is bounded, so that there can be thousands of rows.

use hdrhistogram::Histogram;

/// Times in whole microseconds. Times over [`LONGEST`] count as that.
#[derive(Debug)]
pub(super) enum Took {
    /// All values.
    Few(Vec<u32>),
    /// A histogram with a precision of two or three digits.
    Many(Box<Histogram<u32>>),
}

/// Percentiles of a row's times, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Percentiles {
    pub(super) median: i64,
    pub(super) p95: i64,
    pub(super) p99: i64,
    pub(super) max: i64,
}

/// The longest distinguished time: one hour, in microseconds.
pub(super) const LONGEST: u32 = 3_600_000_000;
/// Maximum number of exact values per row: 2 KiB.
pub(super) const FEW: usize = 512;
/// Digits of a histogram: for one hour in microseconds, three take 94 KiB and two take 13 KiB.
const FINE: u8 = 3;
const COARSE: u8 = 2;

/// An empty histogram for all times; `None` is impossible, because its constant bounds are valid.
fn histogram(digits: u8) -> Option<Box<Histogram<u32>>> {
    Histogram::new_with_bounds(1, u64::from(LONGEST), digits)
        .ok()
        .map(Box::new)
}

impl Default for Took {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Took {
    /// Counts a time. `fine`: number of three-digit histograms that may still be created, for all
    /// rows.
    pub(super) fn add(&mut self, nanos: i64, fine: &mut usize) {
        let micros = micros(nanos);
        match self {
            Self::Few(all) if all.len() < FEW => all.push(micros),
            Self::Few(all) => {
                let digits = if *fine > 0 { FINE } else { COARSE };
                *fine = fine.saturating_sub(1);
                if let Some(mut many) = histogram(digits) {
                    all.iter()
                        .chain([&micros])
                        .for_each(|micros| many.saturating_record(u64::from(*micros)));
                    *self = Self::Many(many);
                }
            }
            Self::Many(many) => many.saturating_record(u64::from(micros)),
        }
    }

    /// Whether the precision is only two digits.
    pub(super) fn is_coarse(&self) -> bool {
        matches!(self, Self::Many(many) if many.sigfig() == COARSE)
    }
}

/// Buffer in which the times of several rows are merged.
pub(super) struct Together {
    all: Option<Box<Histogram<u32>>>,
    max: u32,
}

impl Together {
    pub(super) fn new() -> Self {
        Self {
            all: histogram(FINE),
            max: 0,
        }
    }

    /// Percentiles of the merged times of several rows; `None` if there are none.
    pub(super) fn of<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a Took, u32)>,
    ) -> Option<Percentiles> {
        let all = self.all.as_mut()?;
        all.reset();
        self.max = 0;
        for (took, max) in rows {
            self.max = self.max.max(max);
            match took {
                Took::Few(few) => few
                    .iter()
                    .for_each(|micros| all.saturating_record(u64::from(*micros))),
                // Both have the same bounds, so adding cannot fail.
                Took::Many(many) => drop(all.add(&**many)),
            }
        }
        if all.is_empty() {
            return None;
        }
        // A histogram returns the upper end of the range that contains the value.
        let max = u64::from(self.max);
        let at = |quantile: f64| all.value_at_quantile(quantile).min(max) as i64 * 1000;
        Some(Percentiles {
            median: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: max as i64 * 1000,
        })
    }
}

/// Rounds a time as it is counted.
pub(super) fn micros(nanos: i64) -> u32 {
    u32::try_from(nanos.max(0) / 1000).map_or(LONGEST, |it| it.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percentiles(nanos: &[i64], mut fine: usize) -> Option<Percentiles> {
        let mut took = Took::default();
        let mut max = 0;
        for nanos in nanos {
            took.add(*nanos, &mut fine);
            max = max.max(micros(*nanos));
        }
        Together::new().of([(&took, max)].into_iter())
    }

    /// The smallest value that this fraction of all values does not exceed.
    fn model(sorted: &[i64], part: f64) -> i64 {
        let rank = (part * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    #[test]
    fn a_histogram_takes_what_the_bounds_are_made_for() {
        let bytes = |digits| histogram(digits).unwrap().distinct_values() * size_of::<u32>();
        assert_eq!((bytes(FINE) >> 10, bytes(COARSE) >> 10), (92, 13));
    }

    #[test]
    fn no_times_have_no_percentiles_and_long_ones_are_an_hour() {
        assert_eq!(percentiles(&[], 1), None);
        let hour = i64::from(LONGEST) * 1000;
        for nanos in [hour, i64::MAX] {
            assert_eq!(percentiles(&[nanos], 1).unwrap().median, hour);
        }
        assert_eq!(percentiles(&[-5, -1], 1).unwrap().max, 0);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_times(
            mut nanos in prop::collection::vec((0_i64..40).prop_flat_map(|bits| 0..=(1_i64 << bits)), 1..2000),
            fine in 0_usize..2,
        ) {
            let got = percentiles(&nanos, fine).unwrap();
            nanos.sort_unstable();
            // Within one unit of the last digit, and one microsecond.
            let digits = if nanos.len() > FEW && fine == 0 { 100 } else { 1000 };
            for (got, part) in [(got.median, 0.5), (got.p95, 0.95), (got.p99, 0.99), (got.max, 1.0)] {
                let want = model(&nanos, part);
                prop_assert!((got - want).abs() <= want / digits + 1000, "{part}: {got} for {want}");
            }
        }
    }
}

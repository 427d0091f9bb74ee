//! Latencies counted by size: each power of two is cut into [`STEPS`] buckets, so that a quantile is at most 0.8 % too
//! low.

/// Buckets of each power of two, which is itself one.
const STEPS: u64 = 1 << STEP_BITS;
const STEP_BITS: u32 = 7;

/// How many values fell into each bucket.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; bucket(u64::MAX) + 1].into(),
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
    }

    /// The value that so large a share of all values does not exceed, to the precision of a bucket; 0 when there are no
    /// values.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return least(bucket);
            }
        }
        0
    }
}

/// The bucket of a value. Values below [`STEPS`] have one each; for larger ones the highest bits decide.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The least value of a bucket.
fn least(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    (bucket - shift * STEPS) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        for number in 1..=bucket(u64::MAX) {
            assert_eq!(bucket(least(number)), number);
            assert_eq!(bucket(least(number) - 1), number - 1);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::new();
        let mut values: Vec<u64> = (1..10_000_u64).map(|n| n * n * 7919 % 1_000_003).collect();
        for value in &values {
            histogram.record(*value);
        }
        values.sort_unstable();
        for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = (values.len() as f64 * share).ceil() as usize;
            let exact = values[rank.max(1) - 1];
            let found = histogram.quantile(share);
            assert!(
                found <= exact && exact - found <= exact / STEPS,
                "{share}: {found}, {exact}"
            );
        }
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.5), 0);
    }
}

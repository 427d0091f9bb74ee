//! What `stats objects` tells of a type: calls, errors, traps, deadline stops, time.
//!
//! Each thread has a [`Tally`] per type that only it writes, with plain loads and stores; reading sums
//! them up. So a call shares no cache line with another thread. Reading a clock twice costs 40 to 60 ns, as much
//! as a whole call: the first [`TIMED_FIRST`] calls are timed, then one in [`TIMED_EVERY`], which stands for the rest,
//! and every call that lasted two ticks. That makes about 4 ns a call.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Calls of a thread and type that are timed before timing is sampled.
pub const TIMED_FIRST: u64 = 64;
/// Afterwards one call in this many is timed. A power of two.
pub const TIMED_EVERY: u64 = 16;

/// Buckets of the histogram: four per power of two of nanoseconds, up to about 18 minutes.
const BUCKETS: usize = 160;

/// One thread's counters of one type.
#[derive(Debug)]
pub(super) struct Tally {
    calls: AtomicU64,
    errors: AtomicU64,
    traps: AtomicU64,
    deadline_stops: AtomicU64,
    limit_stops: AtomicU64,
    retries: AtomicU64,
    total_ns: AtomicU64,
    instances_made: AtomicU64,
    /// Linear memory of the thread's instance, in bytes; 0 when it has none.
    memory_bytes: AtomicU64,
    histogram: [AtomicU64; BUCKETS],
}

/// How a call ended, as the counters see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Replied,
    /// The guest failed, or the call was refused.
    Error,
    Trap,
    Deadline,
    Limit,
    /// The call will be run again.
    Retry,
}

/// Adds to a counter that only this thread writes: no locked instruction is needed.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
}

impl Default for Tally {
    fn default() -> Tally {
        let zero = || AtomicU64::new(0);
        Tally {
            calls: zero(),
            errors: zero(),
            traps: zero(),
            deadline_stops: zero(),
            limit_stops: zero(),
            retries: zero(),
            total_ns: zero(),
            instances_made: zero(),
            memory_bytes: zero(),
            histogram: std::array::from_fn(|_| zero()),
        }
    }
}

impl Tally {
    /// How many calls the next one stands for, if it is to be timed.
    #[inline]
    pub(super) fn timing(&self) -> Option<u64> {
        let calls = self.calls.load(Relaxed);
        if calls < TIMED_FIRST {
            Some(1)
        } else {
            calls.is_multiple_of(TIMED_EVERY).then_some(TIMED_EVERY)
        }
    }

    #[inline]
    pub(super) fn note(&self, ending: Ending) {
        add(&self.calls, 1);
        match ending {
            Ending::Replied => {}
            Ending::Error => add(&self.errors, 1),
            Ending::Trap => add(&self.traps, 1),
            Ending::Deadline => add(&self.deadline_stops, 1),
            Ending::Limit => add(&self.limit_stops, 1),
            Ending::Retry => add(&self.retries, 1),
        }
    }

    /// Notes a time that stands for `calls` calls.
    pub(super) fn note_time(&self, ns: u64, calls: u64) {
        add(&self.total_ns, ns.saturating_mul(calls));
        add(&self.histogram[bucket(ns)], calls);
    }

    pub(super) fn note_instance(&self, memory_bytes: usize) {
        add(&self.instances_made, 1);
        self.memory_bytes.store(memory_bytes as u64, Relaxed);
    }

    pub(super) fn set_memory(&self, memory_bytes: usize) {
        self.memory_bytes.store(memory_bytes as u64, Relaxed);
    }
}

/// Bucket of a duration: its highest bit and the two below it.
fn bucket(ns: u64) -> usize {
    let ns = ns.max(4);
    let octave = ns.ilog2() as usize;
    let quarter = (ns >> (octave - 2)) as usize & 3;
    ((octave - 2) * 4 + quarter).min(BUCKETS - 1)
}

/// Upper end of a bucket, in nanoseconds.
fn bucket_end(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4 + 2, bucket as u64 % 4);
    (5 + quarter) << (octave - 2)
}

/// The tallies of a type, over all threads and generations.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<Vec<Arc<Tally>>>);

impl Tallies {
    /// A tally for one more thread.
    pub(super) fn join(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        self.lock().push(Arc::clone(&tally));
        tally
    }

    /// The sum. Threads go on counting meanwhile, so the numbers may be some calls apart.
    pub(super) fn sum(&self) -> TypeStats {
        let mut stats = TypeStats::default();
        let mut histogram = [0u64; BUCKETS];
        for tally in self.lock().iter() {
            stats.calls += tally.calls.load(Relaxed);
            stats.errors += tally.errors.load(Relaxed);
            stats.traps += tally.traps.load(Relaxed);
            stats.deadline_stops += tally.deadline_stops.load(Relaxed);
            stats.limit_stops += tally.limit_stops.load(Relaxed);
            stats.retries += tally.retries.load(Relaxed);
            stats.total_ns += tally.total_ns.load(Relaxed);
            stats.instances_made += tally.instances_made.load(Relaxed);
            stats.memory_bytes += tally.memory_bytes.load(Relaxed);
            for (sum, part) in histogram.iter_mut().zip(&tally.histogram) {
                *sum += part.load(Relaxed);
            }
        }
        stats.p50_ns = quantile(&histogram, 50);
        stats.p99_ns = quantile(&histogram, 99);
        stats
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Tally>>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Upper end of the bucket in which `percent` of the durations are reached; 0 when there are none.
fn quantile(histogram: &[u64; BUCKETS], percent: u64) -> u64 {
    let total: u64 = histogram.iter().sum();
    let rank = (total * percent).div_ceil(100);
    let mut seen = 0;
    for (index, count) in histogram.iter().enumerate() {
        seen += count;
        if seen >= rank && seen > 0 {
            return bucket_end(index);
        }
    }
    0
}

/// Counters of one type, as `stats objects` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeStats {
    /// Calls that ran, those to be run again included.
    pub calls: u64,
    /// Calls the guest ended with `fail`, or that were refused (usage, pause).
    pub errors: u64,
    /// Calls that broke a rule.
    pub traps: u64,
    /// Calls stopped at their deadline.
    pub deadline_stops: u64,
    /// Calls stopped at another limit.
    pub limit_stops: u64,
    /// Calls abandoned to be run again: conflicts, or too slow for a worker.
    pub retries: u64,
    /// Time in calls, in nanoseconds; partly extrapolated.
    pub total_ns: u64,
    /// Half of the calls took at most this long (to a quarter of a power of two).
    pub p50_ns: u64,
    /// 99 of 100 calls took at most this long (likewise).
    pub p99_ns: u64,
    /// Instances made.
    pub instances_made: u64,
    /// Linear memory of the instances there are, in bytes.
    pub memory_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_99th_percentile_is_that_of_the_calls() {
        let tallies = Tallies::default();
        let (a, b) = (tallies.join(), tallies.join());
        for _ in 0..980 {
            a.note_time(1_000, 1);
        }
        b.note_time(1_000_000, 20);
        let stats = tallies.sum();
        assert_eq!(stats.total_ns, 980 * 1_000 + 20 * 1_000_000);
        assert!((1_000..1_250).contains(&stats.p50_ns), "{}", stats.p50_ns);
        assert!(
            (1_000_000..1_250_000).contains(&stats.p99_ns),
            "{}",
            stats.p99_ns
        );
    }

    #[test]
    fn an_idle_type_has_no_percentiles() {
        assert_eq!(Tallies::default().sum(), TypeStats::default());
    }

    #[test]
    fn timing_thins_out_without_losing_weight() {
        let tally = Tally::default();
        let mut weight = 0;
        for _ in 0..TIMED_FIRST + 100 * TIMED_EVERY {
            weight += tally.timing().unwrap_or(0);
            tally.note(Ending::Replied);
        }
        assert_eq!(weight, TIMED_FIRST + 100 * TIMED_EVERY);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_durations(ns in 0u64..1 << 41) {
            let end = bucket_end(bucket(ns));
            prop_assert!(end > ns && end <= ns.max(4) + ns.max(4) / 4 + 1, "{ns} in {end}");
        }
    }
}

//! When a function is so slow that it leaves the workers for the lane, and when it comes back.
//!
//! Handing a call to a lane costs some 10 µs, holding a worker costs every other connection on it the
//! call's whole time. So a function moves when its calls take long on average, and returns when they
//! have become short. Pure logic; each thread keeps a gauge of its own, so that nothing is shared per call.

/// Average time of a call above which a function moves to the lane, in nanoseconds.
pub const SLOW_NS: u64 = 200_000;
/// Average below which it returns. The gap keeps it from going back and forth.
pub const FAST_NS: u64 = 50_000;
/// One call's weight in the average is 1 / 2^this.
const WEIGHT_BITS: u32 = 4;
/// What one call counts for at most: not enough to move its function. On a busy machine a worker may lose its processor for
/// milliseconds, in the middle of any call.
const ONE_CALL_NS_MAX: u64 = 12 * SLOW_NS;
/// Calls seen on a lane before a function may return.
const CALLS_BEFORE_RETURN: u32 = 16;

/// What a gauge advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Stay.
    Stay,
    /// Run its calls on the lane from now on.
    ToLane,
    /// Run its calls on the workers again.
    ToWorker,
}

/// Moving average of one function's call time, on one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    average_ns: u64,
    calls: u32,
}

impl Gauge {
    /// Notes a time that stands for `calls` calls. After an advice other than `Stay` it starts anew.
    pub fn note(&mut self, ns: u64, calls: u64, on_lane: bool) -> Advice {
        if on_lane && self.calls == 0 {
            // A function on the lane counts as slow until it has shown otherwise.
            self.average_ns = SLOW_NS;
        }
        let ns = ns.min(ONE_CALL_NS_MAX);
        for _ in 0..calls {
            self.calls = self.calls.saturating_add(1);
            self.average_ns -= self.average_ns >> WEIGHT_BITS;
            self.average_ns += ns >> WEIGHT_BITS;
        }
        let advice = match on_lane {
            false if self.average_ns > SLOW_NS => Advice::ToLane,
            true if self.average_ns < FAST_NS && self.calls >= CALLS_BEFORE_RETURN => {
                Advice::ToWorker
            }
            _ => Advice::Stay,
        };
        if advice != Advice::Stay {
            *self = Gauge::default();
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls_until(advice: Advice, gauge: &mut Gauge, ns: u64, on_lane: bool) -> Option<usize> {
        (1..1000).find(|_| gauge.note(ns, 1, on_lane) == advice)
    }

    #[test]
    fn fast_calls_stay_with_the_worker() {
        let mut gauge = Gauge::default();
        assert_eq!(calls_until(Advice::ToLane, &mut gauge, 2_000, false), None);
        assert_eq!(
            calls_until(Advice::ToLane, &mut gauge, SLOW_NS - 1000, false),
            None
        );
    }

    #[test]
    fn slow_calls_move_soon_and_very_slow_ones_at_the_second() {
        assert_eq!(
            calls_until(Advice::ToLane, &mut Gauge::default(), 300_000, false),
            Some(18)
        );
        assert_eq!(
            calls_until(Advice::ToLane, &mut Gauge::default(), 2_000_000, false),
            Some(2)
        );
        assert_eq!(
            calls_until(Advice::ToLane, &mut Gauge::default(), u64::MAX, false),
            Some(2)
        );
    }

    #[test]
    fn one_slow_call_among_many_fast_ones_is_forgiven() {
        let mut gauge = Gauge::default();
        for _ in 0..100 {
            assert_eq!(gauge.note(u64::MAX, 1, false), Advice::Stay);
            assert_eq!(calls_until(Advice::ToLane, &mut gauge, 500, false), None);
        }
    }

    #[test]
    fn it_returns_when_its_calls_are_fast_again_and_not_before() {
        let mut gauge = Gauge::default();
        assert_eq!(
            calls_until(Advice::ToWorker, &mut gauge, 100_000, true),
            None
        );
        let calls = calls_until(Advice::ToWorker, &mut gauge, 2_000, true).unwrap();
        assert!((10..60).contains(&calls), "{calls}");
        assert_eq!(
            calls_until(Advice::ToWorker, &mut Gauge::default(), 0, true),
            Some(22)
        );
    }
}

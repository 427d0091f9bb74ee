//! When was tick t? A short memory of which second began at which tick, so that items need no clock of their own.
//!
//! Level `k` remembers the last 16 seconds divisible by 2^k, so idle times are exact to the second up to 15 seconds
//! and to a seventh beyond.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::Now;

const LEVELS: usize = 24;
const MARKS: u32 = 16;

/// The memory of when ticks were.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    now_s: AtomicU32,
    /// Second in the upper half, low half of the tick in the lower.
    marks: [[AtomicU64; MARKS as usize]; LEVELS],
}

impl Clock {
    /// True when `now` is in a second that was not noted yet.
    #[inline]
    pub(crate) fn is_behind(&self, now: Now) -> bool {
        now.unix_s > self.now_s.load(Relaxed)
    }

    /// Tells the time; true when a new second began.
    pub(crate) fn note(&self, now: Now, tick: u64) -> bool {
        let last = self.now_s.load(Relaxed);
        if now.unix_s <= last
            || self
                .now_s
                .compare_exchange(last, now.unix_s, Relaxed, Relaxed)
                .is_err()
        {
            return false;
        }
        for (k, marks) in self.marks.iter().enumerate() {
            let aligned = now.unix_s >> k << k;
            if aligned > last {
                let slot = (now.unix_s >> k) % MARKS;
                marks[slot as usize].store(u64::from(aligned) << 32 | tick & 0xffff_ffff, Relaxed);
            }
        }
        true
    }

    /// The last second told.
    #[inline]
    pub(crate) fn now_s(&self) -> u32 {
        self.now_s.load(Relaxed)
    }

    /// Seconds since `tick`, given the present tick.
    #[inline]
    pub(crate) fn idle_s(&self, tick: u32, tick_now: u64) -> u32 {
        let now_tick = tick_now as u32;
        let age = now_tick.wrapping_sub(tick);
        let now_s = self.now_s();
        let mut oldest = 0;
        for (k, marks) in self.marks.iter().enumerate() {
            for back in 0..MARKS {
                let slot = (now_s >> k).wrapping_sub(back) % MARKS;
                let mark = marks[slot as usize].load(Relaxed);
                let second = (mark >> 32) as u32;
                if second == 0 || second > now_s {
                    continue;
                }
                if now_tick.wrapping_sub(mark as u32) >= age {
                    return now_s - second;
                }
                oldest = oldest.max(now_s - second);
            }
        }
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_exact_for_15_seconds_and_within_a_seventh_after() {
        let clock = Clock::default();
        let ticks_per_s = 7;
        for s in 0..5000u32 {
            clock.note(
                Now {
                    unix_s: 1_000_000 + s,
                    millis: 0,
                },
                u64::from(s * ticks_per_s),
            );
        }
        for idle in 0..4000u32 {
            let tick = (4999 - idle) * ticks_per_s + 3;
            let told = clock.idle_s(tick, u64::from(4999 * ticks_per_s + 5));
            let error = told.abs_diff(idle);
            assert!(
                error <= idle / 7 && (idle > 14 || error == 0),
                "{told} for {idle}"
            );
        }
    }
}

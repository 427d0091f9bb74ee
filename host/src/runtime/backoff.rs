//! When a function that keeps being stopped is refused without trying.
//!
//! A trap costs an instance, and a deadline stop holds a thread for its whole time. A function that
//! is stopped again and again is paused, for longer each time, and then tried again. Pure logic.

/// Stops within [`WINDOW_MS`] that pause a function.
pub const STOPS_MAX: u32 = 8;
/// How far back stops are counted, in milliseconds.
pub const WINDOW_MS: u64 = 10_000;
/// First pause, in milliseconds; each further one is twice as long.
pub const PAUSE_MS_MIN: u64 = 500;
/// Longest pause, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 30_000;

/// The recent stops of one function.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    /// Times of the last stops, a ring.
    stops: [u64; STOPS_MAX as usize],
    /// Stops noted since the last pause, or since the ring was last stale.
    noted: u32,
    /// End of the last pause; 0 there was none.
    paused_until_ms: u64,
    /// Length of the last pause.
    pause_ms: u64,
}

impl Backoff {
    /// Notes a trap or deadline stop; returns until when the function is paused, if it is to be.
    ///
    /// After a pause one single stop within [`WINDOW_MS`] suffices for the next, longer one: what still
    /// fails need not fail eight times more. A function that lasts longer starts with a clean record.
    pub fn note_stop(&mut self, now_ms: u64) -> Option<u64> {
        let on_probation = self.pause_ms > 0 && now_ms < self.paused_until_ms + WINDOW_MS;
        if !on_probation {
            self.pause_ms = 0;
        }
        let slot = (self.noted % STOPS_MAX) as usize;
        let oldest = self.stops[(self.noted + 1) as usize % STOPS_MAX as usize];
        self.stops[slot] = now_ms;
        self.noted += 1;
        let frequent = self.noted >= STOPS_MAX && now_ms - oldest.min(now_ms) < WINDOW_MS;
        if !on_probation && !frequent {
            return None;
        }
        self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS_MIN, PAUSE_MS_MAX);
        self.paused_until_ms = now_ms + self.pause_ms;
        self.noted = 0;
        Some(self.paused_until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_stops_are_tolerated() {
        let mut backoff = Backoff::default();
        for n in 0..100 {
            // Seven in ten seconds, forever.
            assert_eq!(backoff.note_stop(n * (WINDOW_MS / 7 + 1)), None);
        }
    }

    #[test]
    fn many_stops_pause_it_for_a_growing_time() {
        let mut backoff = Backoff::default();
        let mut now = 1000;
        for _ in 1..STOPS_MAX {
            assert_eq!(backoff.note_stop(now), None);
            now += 10;
        }
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let until = backoff.note_stop(now).expect("paused");
            pauses.push(until - now);
            now = until + 1;
        }
        assert_eq!(
            pauses,
            [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
        );
    }

    #[test]
    fn after_a_quiet_time_it_starts_with_a_clean_record() {
        let mut backoff = Backoff::default();
        let mut until = None;
        for now in 0..u64::from(STOPS_MAX) {
            until = backoff.note_stop(now);
        }
        let mut now = until.expect("paused") + WINDOW_MS;
        for _ in 1..STOPS_MAX {
            assert_eq!(backoff.note_stop(now), None);
            now += 1;
        }
        assert_eq!(backoff.note_stop(now), Some(now + PAUSE_MS_MIN));
    }
}

//! How long a turn may be: a connection with many calls lets others have theirs after about half a millisecond.

use std::time::{Duration, Instant};

/// Time after which a turn ends.
pub const TURN: Duration = Duration::from_micros(500);
/// The part of a turn that may pass between two looks at the clock.
const UNSEEN_PART: u32 = 5;
/// Calls between two looks at the clock, at most. A look costs a short call some percent.
const CALLS_UNSEEN_MAX: u32 = 16;

/// The time of a worker's present turn. Only calls take long enough to be measured.
#[derive(Debug)]
pub(in crate::cache) struct Turn {
    /// Time after which it ends.
    limit: Duration,
    /// When the turn's first call had run.
    began: Option<Instant>,
    looked: Option<Instant>,
    /// Calls that ran since the last look,
    unseen: u32,
    /// and how many may.
    unseen_max: u32,
    /// Whether a call ran since [`Turn::has_called`] was last asked.
    called: bool,
}

impl Turn {
    /// Turns of that time.
    pub(in crate::cache) fn new(limit: Duration) -> Turn {
        Turn {
            limit,
            began: None,
            looked: None,
            unseen: 0,
            unseen_max: 0,
            called: false,
        }
    }

    /// A turn begins.
    #[inline]
    pub(in crate::cache) fn begin(&mut self) {
        self.began = None;
        self.unseen = 0;
    }

    /// A call ran.
    #[inline]
    pub(in crate::cache) fn count(&mut self) {
        self.unseen += 1;
        self.called = true;
    }

    /// Whether a call ran since this was last asked.
    #[inline]
    pub(in crate::cache) fn has_called(&mut self) -> bool {
        std::mem::take(&mut self.called)
    }

    /// Whether the turn has to end although there is more to do.
    #[inline]
    pub(in crate::cache) fn is_over(&mut self) -> bool {
        self.unseen > 0 && (self.unseen >= self.unseen_max || self.began.is_none()) && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        let now = Instant::now();
        self.unseen = 0;
        let Some(began) = self.began else {
            self.began = Some(now);
            self.looked = Some(now);
            return false;
        };
        let unseen = now - self.looked.replace(now).unwrap_or(now);
        self.unseen_max = match unseen < self.limit / UNSEEN_PART {
            true => (self.unseen_max * 2).clamp(1, CALLS_UNSEEN_MAX),
            false => 1,
        };
        now - began >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of a turn of `calls` that take `call` each, until the turn ends.
    fn calls_of_turn(turn: &mut Turn, call: Duration) -> u32 {
        turn.begin();
        let mut calls = 0;
        loop {
            let end = Instant::now() + call;
            while Instant::now() < end {}
            turn.count();
            calls += 1;
            if turn.is_over() {
                return calls;
            }
        }
    }

    #[test]
    fn a_turn_ends_by_time_whatever_a_call_takes() {
        let mut turn = Turn::new(TURN);
        for (call_us, most) in [(1, 600), (100, 16 + 7), (700, 3), (5000, 3), (1, 600)] {
            let calls = calls_of_turn(&mut turn, Duration::from_micros(call_us));
            assert!(calls <= most, "{calls} calls of {call_us} us");
        }
    }

    #[test]
    fn without_calls_nobody_looks_at_the_clock() {
        let mut turn = Turn::new(TURN);
        turn.begin();
        assert!(!turn.is_over() && !turn.has_called() && turn.looked.is_none());
        turn.count();
        assert!(turn.has_called() && !turn.has_called());
    }
}

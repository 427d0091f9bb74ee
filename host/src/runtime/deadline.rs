//! When a call has to end: by the clock, wherever it runs.
//!
//! The guest is interrupted once a tick and asks then ([`CallTime::is_late`]); the host's long operations are given a
//! [`Deadline`] and ask between two pieces of their work.

use super::object_host::Stop;
use super::ticker::{Clock, TICK_MS};

/// When a call has to end, for an operation of the host that may take long.
#[derive(Clone, Default)]
pub struct Deadline {
    /// The clock to compare with; `None` when the deadline never passes.
    clock: Option<Clock>,
    end_ms: u64,
}

impl Deadline {
    /// A deadline that never passes, for a call by the host itself.
    pub fn never() -> Deadline {
        Deadline::default()
    }

    /// Whether the deadline has passed. That is one load and a comparison, so it may be asked every few items. The
    /// answer changes with the ticks, every 4 ms.
    #[inline]
    pub fn expired(&self) -> bool {
        self.clock
            .as_ref()
            .is_some_and(|clock| clock.ticked_ms() >= self.end_ms)
    }

    /// The same as a reason to end the call: `deadline.check()?`.
    ///
    /// # Errors
    /// [`Stop::Deadline`] when the deadline has passed.
    #[inline]
    pub fn check(&self) -> Result<(), Stop> {
        match self.expired() {
            false => Ok(()),
            true => Err(Stop::Deadline),
        }
    }
}

impl std::fmt::Debug for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deadline")
            .field("end_ms", &self.clock.as_ref().map(|_| self.end_ms))
            .finish()
    }
}

/// Ticks between which a call may have begun, in milliseconds, when no tick was late.
const BEGUN_MS_MAX: u64 = 2 * TICK_MS;

/// The time of the call an instance is running.
#[derive(Debug)]
pub(super) struct CallTime {
    deadline: Deadline,
    budget_ms: u64,
    /// No tick has come since the call began.
    fresh: bool,
}

impl CallTime {
    /// The time of no call as yet.
    pub(super) fn new(clock: Clock) -> CallTime {
        let deadline = Deadline {
            clock: Some(clock),
            end_ms: 0,
        };
        CallTime {
            deadline,
            budget_ms: 0,
            fresh: false,
        }
    }

    /// A call begins after the tick at `ticked_ms`, and may take `budget_ms`. Reading the clock here would cost as much
    /// as a short call.
    #[inline(always)]
    pub(super) fn begin(&mut self, ticked_ms: u64, budget_ms: u64) {
        self.budget_ms = budget_ms;
        self.fresh = true;
        self.deadline.end_ms = end_ms(ticked_ms, budget_ms);
    }

    /// Begins the call's time anew, after a wait that was not the guest's.
    pub(super) fn begin_again(&mut self, ticked_ms: u64) {
        self.begin(ticked_ms, self.budget_ms);
    }

    /// The call's deadline, for operations of the host.
    pub(super) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Milliseconds the call may take.
    pub(super) fn budget_ms(&self) -> u64 {
        self.budget_ms
    }

    /// Whether the guest is to be stopped, when a tick came while it runs.
    ///
    /// The first tick after a call began may be late, on a loaded machine. Then the call may have begun
    /// long after the tick before, and has its whole time all the same.
    pub(super) fn is_late(&mut self) -> bool {
        let Deadline { clock, end_ms: end } = &mut self.deadline;
        let now_ms = clock.as_ref().map_or(0, Clock::now_ms);
        if std::mem::take(&mut self.fresh) {
            let began_ms = now_ms.saturating_sub(BEGUN_MS_MAX);
            *end = (*end).max(end_ms(began_ms, self.budget_ms));
        }
        now_ms >= *end
    }
}

/// When a call's time ends: a tick is added, as the one under way when the call begins is not a whole one.
#[inline(always)]
fn end_ms(ticked_ms: u64, budget_ms: u64) -> u64 {
    ticked_ms.saturating_add(budget_ms).saturating_add(TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ticker::Ticker;

    fn until(clock: &Clock, ms: u64) {
        while clock.ticked_ms() < ms {
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_passes_when_the_time_has_passed_and_not_before() {
        let ticker = Ticker::start(1000, || {}).unwrap();
        let mut time = CallTime::new(ticker.clock().clone());
        let start_ms = ticker.tick_for(20);
        time.begin(start_ms, 20);
        while time.deadline().check().is_ok() {
            std::thread::yield_now();
        }
        assert!(time.deadline().expired());
        let passed_ms = ticker.clock().now_ms() - start_ms;
        assert!(passed_ms >= 20 + TICK_MS, "{passed_ms}");
        time.begin(ticker.tick_for(60_000), 60_000);
        assert!(!time.deadline().expired());
        assert!(!Deadline::never().expired());
    }

    #[test]
    fn a_late_first_tick_costs_a_call_nothing_and_a_late_second_one_its_time() {
        let ticker = Ticker::start(1000, || {}).unwrap();
        let clock = ticker.clock().clone();
        let mut time = CallTime::new(clock.clone());
        until(&clock, 100);
        // As if the last tick had been 100 ms ago.
        time.begin(0, 50);
        assert!(!time.is_late());
        let known_ms = clock.now_ms();
        until(&clock, known_ms + 60);
        assert!(time.is_late());
    }
}

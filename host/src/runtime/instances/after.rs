//! Bookkeeping after a call that was timed, watched, lasted or failed.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cacheismo_abi::level;

use super::Slot;
use crate::runtime::engine::Engine;
use crate::runtime::error::{CallError, stops};
use crate::runtime::lane::{Advice, Gauge};
use crate::runtime::object_host::ObjectHost;
use crate::runtime::object_type::{Callable, ObjectType};
use crate::runtime::state::Log;
use crate::runtime::ticker::TICK_MS;

/// Calls over which the tick changed this often certainly lasted.
pub(super) const LASTING_TICKS_MS: u64 = 2 * TICK_MS;

/// Bookkeeping after a call, off the straight path.
pub(super) struct After<'a> {
    pub(super) object: &'a ObjectType,
    pub(super) callable: &'a Callable,
    /// Hash of the name of the object called, if the call failed.
    pub(super) on: u64,
    pub(super) number: usize,
    pub(super) log: &'a dyn Log,
    pub(super) engine: &'a Engine,
}

impl After<'_> {
    /// Notes a call that was timed, watched, lasted or failed. `timed` are its nanoseconds, and for how many calls they
    /// stand.
    #[inline(never)]
    pub(super) fn note<H: ObjectHost>(
        &self,
        slot: &mut Slot<H>,
        ticks_ms: u64,
        timed: Option<(u64, u64)>,
        error: Option<&CallError>,
    ) {
        if ticks_ms >= LASTING_TICKS_MS {
            // Every lasting call is timed, to the tick at least: it stands for itself only.
            let ns = timed.map_or(ticks_ms * 1_000_000, |(ns, _)| ns);
            self.note_time(slot, ns, 1);
            self.log_if_slow(ns);
        } else if let Some((ns, calls)) = timed {
            self.note_time(slot, ns, calls);
        }
        let Some(error) = error else {
            return self.callable.pace.note_success();
        };
        self.note_error(error);
        if matches!(error, CallError::NeedsLane) {
            // The call would come to the same point each time, and each time cost the instance.
            let on_lane = &self.callable.pace.on_lane;
            on_lane.store(true, Relaxed);
            slot.gauges[self.number] = Gauge::default();
        }
    }

    fn note_time<H: ObjectHost>(&self, slot: &mut Slot<H>, ns: u64, calls: u64) {
        slot.tally.note_time(ns, calls);
        let on_lane = &self.callable.pace.on_lane;
        let now = on_lane.load(Relaxed);
        let advice = slot.gauges[self.number].note(ns, calls, now);
        if advice != Advice::Stay {
            let to_lane = advice == Advice::ToLane;
            on_lane.store(to_lane, Relaxed);
            let place = if to_lane {
                "is slow: its calls move to the lane"
            } else {
                "is fast again"
            };
            self.say(level::INFO, || {
                format!("{place} (last call {:?})", Duration::from_nanos(ns))
            });
        }
    }

    fn log_if_slow(&self, ns: u64) {
        let limit_ms = self.object.limits().slow_log_ms;
        if limit_ms > 0 && ns >= limit_ms * 1_000_000 {
            self.say(level::WARN, || {
                format!("took {:?}", Duration::from_nanos(ns))
            });
        }
    }

    #[cold]
    fn note_error(&self, error: &CallError) {
        if let CallError::Trap(trap) = error {
            self.say(level::ERROR, || {
                format!("{trap}, in {}", trap.frames.join(" < "))
            });
        }
        if !matches!(error, CallError::Trap(_) | CallError::Deadline { .. }) {
            return;
        }
        let now_ms = self.engine.clock().now_ms();
        if let Some(paused) = self.callable.pace.note_stop(self.on, now_ms) {
            let for_ms = paused.until_ms - now_ms;
            self.say(level::WARN, || {
                format!("is paused for {for_ms} ms after {}", stops(paused.whose))
            });
        }
    }

    fn say(&self, level: i32, text: impl FnOnce() -> String) {
        if self.log.shows(level) {
            let subject = format!("{}:{}", self.object.name, self.callable.function.name);
            self.log.line(level, &subject, &text());
        }
    }
}
